//! The tables of docs/ that promise behaviour name the tests that prove it, and those tests are
//! there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A table row: the line's number in its file and its cells.
struct Row {
    line: usize,
    cells: Vec<String>,
}

impl Row {
    /// The names of tests in the last cell: what stands between backticks.
    fn tests(&self) -> impl Iterator<Item = &str> {
        self.cells.last().into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2))
    }
}

#[test]
fn every_row_of_encoders_md_names_its_test() {
    assert_rows_name_tests("docs/encoders.md");
}

#[test]
fn every_row_of_decode_md_names_its_test() {
    assert_rows_name_tests("docs/decode.md");
}

#[test]
fn every_row_of_configuration_md_names_its_test() {
    assert_rows_name_tests("docs/configuration.md");
}

#[test]
fn every_row_of_hooks_md_names_its_test() {
    assert_rows_name_tests("docs/hooks.md");
}

#[test]
fn every_row_of_log_md_names_its_test() {
    assert_rows_name_tests("docs/log.md");
}

#[test]
fn every_row_of_forwarding_md_names_its_test() {
    assert_rows_name_tests("docs/forwarding.md");
}

#[test]
fn every_row_of_install_md_names_its_test() {
    assert_rows_name_tests("docs/install.md");
}

#[test]
fn every_row_of_checking_md_names_its_test() {
    assert_rows_name_tests("docs/checking.md");
}

#[test]
fn every_row_of_tls_md_names_its_test() {
    assert_rows_name_tests("docs/tls.md");
}

#[test]
fn every_row_of_the_guides_names_its_test() {
    for page in ["publishers", "proxies", "from-go-livepeer", "players"] {
        assert_rows_name_tests(&format!("docs/{page}.md"));
    }
}

#[test]
fn encoders_md_speaks_of_every_habit_every_case_and_every_field_report() {
    let text = read("docs/encoders.md");
    for (title, count) in [("## Habits", 46), ("## Cases", 83), ("## Field reports", 19)] {
        let section = text.split(title).nth(1).expect(title).split("\n## ").next().expect(title);
        let numbers: BTreeSet<u32> = numbers(section).collect();
        assert_eq!(numbers, (1..=count).collect(), "{title}");
    }
}

/// The numbers in the first column of a section's tables.
fn numbers(section: &str) -> impl Iterator<Item = u32> {
    let first_cell = |line: &str| line.strip_prefix('|')?.split('|').next().map(str::to_owned);
    let cells: Vec<String> = section.lines().filter_map(first_cell).collect();
    cells.into_iter().flat_map(|cell| {
        let words: Vec<u32> = cell.split(',').filter_map(|word| word.trim().parse().ok()).collect();
        words
    })
}

/// Every row of a table whose last column is headed "Test" names at least one, and all of them
/// exist.
fn assert_rows_name_tests(path: &str) {
    let (text, known) = (read(path), functions());
    let rows = rows_with_tests(&text);
    assert!(!rows.is_empty(), "{path} has no table with tests");
    for row in rows {
        let names: Vec<&str> = row.tests().collect();
        assert!(!names.is_empty(), "{path}:{} names no test", row.line);
        for name in names {
            assert!(known.contains(name), "{path}:{}: there is no test `{name}`", row.line);
        }
    }
}

fn rows_with_tests(text: &str) -> Vec<Row> {
    let (mut rows, mut wanted, mut previous) = (Vec::new(), false, Vec::<String>::new());
    for (at, line) in text.lines().enumerate() {
        let Some(inside) = line.trim().strip_prefix('|') else {
            wanted = false;
            continue;
        };
        let cells: Vec<String> =
            inside.trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        if cells[0].starts_with("---") {
            wanted = previous.last().is_some_and(|heading| heading == "Test");
        } else if wanted {
            rows.push(Row { line: at + 1, cells: cells.clone() });
        }
        previous = cells;
    }
    rows
}

/// The names of all functions in the workspace's Rust files.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["crates", "tests", "fuzz/fuzz_targets"] {
        rust_files(&root().join(folder), &mut |text| names.extend(functions_of(text)));
    }
    names
}

fn functions_of(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let start = line.find("fn ")? + 3;
        line[start..].split(['(', '<']).next().map(str::to_owned)
    };
    text.lines().filter_map(name).collect()
}

fn rust_files(folder: &Path, visit: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&fs::read_to_string(&path).expect("a Rust file"));
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
