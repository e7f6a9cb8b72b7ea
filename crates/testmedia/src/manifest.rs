//! `tests/media/MANIFEST.md`, the list of all files.

const MANIFEST: &str = include_str!("../../../tests/media/MANIFEST.md");

/// Where a listed file lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// In `tests/media/`.
    Repository,
    /// Where its licence or size lets it lie: perhaps nowhere.
    Outside,
}

/// A row of one of the two tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// The cells behind the name: bytes, SHA-256, origin, and licence or reason.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests hold the files against them"))]
    pub(crate) cells: [&'static str; 4],
}

/// Where the file of this name lies, if it is listed.
pub(crate) fn place(name: &str) -> Option<Place> {
    rows().find(|row| row.name == name).map(|row| row.place)
}

/// The names of all files in this folder, but not in folders below it.
pub(crate) fn names_in(folder: &str) -> impl Iterator<Item = &'static str> {
    let is_in = move |name: &str| name.rsplit_once('/').is_some_and(|(parent, _)| parent == folder);
    rows().map(|row| row.name).filter(move |name| is_in(name))
}

pub(crate) fn rows() -> impl Iterator<Item = Row> {
    let mut place = Place::Repository;
    MANIFEST.lines().filter_map(move |line| {
        if line == "## Outside" {
            place = Place::Outside;
        }
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let name = cells.next()?;
        let cells = [cells.next()?, cells.next()?, cells.next()?, cells.next()?];
        // The others are the heads of the tables.
        name.contains('/').then_some(Row { name, place, cells })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::{carried, find_outside};

    /// What may be in the repository: the licences of deny.toml.
    const LICENCES: [&str; 6] =
        ["MIT", "MIT or Apache-2.0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MPL-2.0"];
    const MAX_BYTES: u64 = 1 << 20;

    fn is_as_listed(row: &Row, path: &Path) {
        let [bytes, sha256, ..] = row.cells;
        let length = path.metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(length.len().to_string(), bytes, "{}", row.name);
        let output = Command::new("sha256sum").arg(path).output().unwrap();
        let digest = String::from_utf8(output.stdout).unwrap();
        assert_eq!(digest.split_whitespace().next(), Some(sha256), "{}", row.name);
    }

    #[test]
    fn every_file_is_listed_and_is_what_the_list_says() {
        let mut listed = BTreeSet::new();
        for row in rows().filter(|row| row.place == Place::Repository) {
            let path = carried().join(row.name);
            is_as_listed(&row, &path);
            let [bytes, _, origin, licence] = row.cells;
            assert!(bytes.parse::<u64>().unwrap() <= MAX_BYTES, "{}", row.name);
            assert!(LICENCES.contains(&licence), "{}: {licence}", row.name);
            assert!(origin.contains(':'), "{}: {origin}", row.name);
            assert!(listed.insert(path), "{} is listed twice", row.name);
        }
        let documents = ["MANIFEST.md", "NOTICE.md"].map(|name| carried().join(name));
        let mut found = files_below(&carried());
        found.retain(|path| {
            !documents.contains(path) && !path.starts_with(carried().join("licences"))
        });
        assert_eq!(found, listed);
    }

    fn files_below(folder: &Path) -> BTreeSet<std::path::PathBuf> {
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(files_below(&path));
            } else {
                files.insert(path);
            }
        }
        files
    }

    #[test]
    fn files_outside_are_those_that_are_meant() {
        for row in rows().filter(|row| row.place == Place::Outside) {
            assert!(!carried().join(row.name).exists(), "{}", row.name);
            if let Some(path) = find_outside(row.name) {
                is_as_listed(&row, &path);
            }
        }
    }

    #[test]
    fn every_origin_has_its_notice() {
        let notice = std::fs::read_to_string(carried().join("NOTICE.md")).unwrap();
        for row in rows().filter(|row| row.place == Place::Repository) {
            let origin = row.cells[2].split([':', '@']).next().unwrap();
            assert!(notice.contains(&format!("| {origin} |")), "{origin}");
        }
    }
}
