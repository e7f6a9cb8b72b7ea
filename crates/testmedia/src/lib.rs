//! Where tests find recordings, conformance vectors and the seeds of the fuzz targets. For tests
//! and benches only.
//!
//! `tests/media/MANIFEST.md` lists every file. Most are in the repository. Those whose licence or
//! size keeps them out lie in the folder that `FEATHERCAST_VECTORS` names, in `../shared/media`
//! beside the clone, or nowhere: a test of one asks [`find`] and goes on without it. `cargo xtask
//! test` says at its end how many that were.
#![forbid(unsafe_code)]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod manifest;
mod missing;
mod seeds;

use std::path::{Path, PathBuf};

pub use seeds::{replay, replay_damaged, seed, seeds};

use crate::manifest::Place;

/// The path of a file that the repository carries.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    match manifest::place(name) {
        Some(Place::Repository) => carried().join(name),
        Some(Place::Outside) => panic!("{name} is not in the repository: ask find() for it"),
        None => panic!("tests/media/MANIFEST.md does not list {name}"),
    }
}

/// The content of a file that the repository carries.
///
/// # Panics
/// If it does not.
#[must_use]
pub fn read(name: &str) -> Vec<u8> {
    let path = path(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The path of a folder of which the repository carries files.
///
/// # Panics
/// If it carries none.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    let path = carried().join(name);
    assert!(!name.is_empty() && path.is_dir(), "the repository carries nothing in {name}");
    path
}

/// The path of a file that the repository may not carry. `None` where it is not on this machine,
/// which is noted for the end of the run.
///
/// # Panics
/// If the manifest does not list it.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    match manifest::place(name) {
        Some(Place::Repository) => Some(carried().join(name)),
        Some(Place::Outside) => {
            let found = find_outside(name);
            if found.is_none() {
                missing::note(name);
            }
            found
        }
        None => panic!("tests/media/MANIFEST.md does not list {name}"),
    }
}

/// The content of a file that the repository may not carry, as [`find`] finds it.
///
/// # Panics
/// If the manifest does not list it, or it cannot be read.
#[must_use]
pub fn find_and_read(name: &str) -> Option<Vec<u8>> {
    let path = find(name)?;
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The names of all listed files in a folder, for example `corpora/aac`, that are on this machine.
///
/// # Panics
/// If the manifest lists none.
#[must_use]
pub fn names_in(folder: &str) -> Vec<&'static str> {
    let names: Vec<_> = manifest::names_in(folder).collect();
    assert!(!names.is_empty(), "tests/media/MANIFEST.md lists nothing in {folder}");
    names.into_iter().filter(|name| find(name).is_some()).collect()
}

/// The files of [`names_in`], with their names.
///
/// # Panics
/// If the manifest lists none, or one cannot be read.
#[must_use]
pub fn files_in(folder: &str) -> Vec<(&'static str, Vec<u8>)> {
    names_in(folder).into_iter().filter_map(|name| Some((name, find_and_read(name)?))).collect()
}

fn workspace() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap_or_else(|| Path::new("."))
}

fn carried() -> PathBuf {
    workspace().join("tests/media")
}

fn find_outside(name: &str) -> Option<PathBuf> {
    let chosen = std::env::var_os("FEATHERCAST_VECTORS").map(PathBuf::from);
    let folders = chosen.into_iter().chain([workspace().join("../shared/media")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_file_of_the_repository_is_there_however_it_is_asked_for() {
        let name = "h264/SVA_BA2_D.264";
        assert_eq!(read(name).len(), 7516);
        assert_eq!(find(name), Some(path(name)));
        assert!(names_in("m3u8").contains(&"m3u8/bad_no_extm3u.m3u8"));
        assert!(path("cases/check/ts/m.m3u8").starts_with(folder("cases/check")));
    }

    #[test]
    fn a_name_that_is_not_listed_is_a_mistake_and_not_a_missing_file() {
        for wrong in ["h264/SVA_BA2_D", "h264", "m3u8/good.m3u8", ""] {
            assert!(catch_unwind(|| path(wrong)).is_err(), "{wrong}");
            assert!(catch_unwind(|| find(wrong)).is_err(), "{wrong}");
        }
        assert!(catch_unwind(|| names_in("corpora")).is_err());
        assert!(catch_unwind(|| folder("corpora/nothing")).is_err());
        let outside = "h264/CABA3_SVA_B.264";
        assert!(catch_unwind(|| path(outside)).is_err(), "it is not in every clone");
    }
}
