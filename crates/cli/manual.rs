//! The man pages and completions in contrib/ are those of the command line. They are files there,
//! so that the binary need not be able to make them, and packages need nothing but a copy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::Shell;

use crate::args::command;

/// Set, it makes the test write what it finds to be old.
const UPDATE: &str = "UPDATE_CONTRIB";

const FOLDERS: [&str; 2] = ["man", "completions"];

/// Writes all of it into two folders.
fn generate(into: &Path) {
    let [man, completions] = FOLDERS.map(|folder| into.join(folder));
    for folder in [&man, &completions] {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
    }
    clap_mangen::generate_to(command(), man).unwrap();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command(), "feathercast", &completions).unwrap();
    }
}

/// The files of both folders, and what is in them.
fn files(of: &Path) -> BTreeMap<PathBuf, String> {
    let entries = FOLDERS.into_iter().filter_map(|folder| fs::read_dir(of.join(folder)).ok());
    let paths = entries.flatten().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.strip_prefix(of).unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    paths.map(read).collect()
}

#[test]
fn man_pages_and_completions_are_those_of_the_command_line() {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    if std::env::var_os(UPDATE).is_some() {
        generate(&contrib);
    }
    let folder = std::env::temp_dir().join(format!("feathercast-manual-{}", std::process::id()));
    generate(&folder);
    let (expected, there) = (files(&folder), files(&contrib));
    fs::remove_dir_all(&folder).unwrap();
    let differ: Vec<_> = expected
        .iter()
        .filter(|(name, text)| there.get(*name) != Some(*text))
        .map(|(name, _)| name)
        .chain(there.keys().filter(|name| !expected.contains_key(*name)))
        .collect();
    assert!(
        differ.is_empty(),
        "not those of the command line: {differ:?} of contrib/; write them anew by `{UPDATE}=1 \
         cargo test --profile ci --lib manual`"
    );
    assert!(expected.len() > FOLDERS.len());
}

#[test]
fn bash_completes_a_command_by_what_is_in_contrib() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/completions/feathercast.bash");
    let script = "source \"$1\"; COMP_WORDS=(feathercast pub); COMP_CWORD=1; \
                  _feathercast feathercast pub feathercast; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "publish\n", "{output:?}");
}
