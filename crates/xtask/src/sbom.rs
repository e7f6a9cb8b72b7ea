//! What the binary is made of, as CycloneDX 1.5 JSON (ECMA-424), from what cargo says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::failure::Failure;
use crate::run::{cargo, stdout_of};

/// Where cargo says MIT and the crate bundles more than its manifest says; deny.toml has the same
/// exception.
const BUNDLED_LICENCES: [(&str, &str); 1] = [("fdk-aac-sys", "MIT AND FDK-AAC")];

/// Name and version: one cargo package.
type Package = (String, String);

/// Everything that is linked into a binary, or runs while it is compiled (procedural macros).
#[derive(Debug, Default, PartialEq)]
struct Parts {
    packages: BTreeMap<Package, Part>,
    /// The binary's own package.
    root: Option<Package>,
}

#[derive(Debug, Default, PartialEq)]
struct Part {
    licence: String,
    /// A procedural macro: no part of the binary.
    is_macro: bool,
    needs: BTreeSet<Package>,
}

/// Writes the bill of materials of `package`, as it is built for `target`, to `file`; how many
/// components it names.
pub(crate) fn write(package: &str, target: &str, file: &Path) -> Result<usize, Failure> {
    let tree = tree(package, target)?;
    let lock = std::fs::read_to_string("Cargo.lock")
        .map_err(|error| format!("cannot read Cargo.lock: {error}"))?;
    let parts = parts(&tree)?;
    let text = document(&parts, &checksums(&lock))?;
    std::fs::write(file, text)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(parts.packages.len() - 1)
}

/// What `package` depends on as it is built for `target`, in the words of cargo.
fn tree(package: &str, target: &str) -> Result<String, Failure> {
    let options = ["tree", "--locked", "--edges", "normal", "--prefix", "depth"];
    let what = ["--package", package, "--target", target, "--format", "{p}\t{l}"];
    stdout_of(cargo(options).args(what))
}

/// Reads `cargo tree --prefix depth --format "{p}\t{l}"`: a number, name, version, where a package
/// of the workspace is, its licence, and a star where its own dependencies stood before.
fn parts(tree: &str) -> Result<Parts, Failure> {
    let mut parts = Parts::default();
    let mut above: Vec<Package> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let told = || format!("cargo tree says '{line}', which is not understood");
        let digits = line.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(told)?;
        let (depth, rest) = line.split_at(digits);
        let depth: usize = depth.parse().map_err(|_| told())?;
        let (words, licence) = rest.split_once('\t').ok_or_else(told)?;
        let mut words = words.split(' ');
        let name = words.next().ok_or_else(told)?;
        let version = words.next().and_then(|word| word.strip_prefix('v')).ok_or_else(told)?;
        let is_macro = words.any(|word| word == "(proc-macro)");
        let package = (name.to_owned(), version.to_owned());

        above.truncate(depth);
        match above.last().and_then(|parent| parts.packages.get_mut(parent)) {
            Some(parent) => {
                parent.needs.insert(package.clone());
            }
            None => parts.root = Some(package.clone()),
        }
        let part = parts.packages.entry(package.clone()).or_default();
        part.licence = expression(name, licence.trim_end_matches("(*)").trim_end());
        part.is_macro = is_macro;
        above.push(package);
    }
    Ok(parts)
}

/// An SPDX expression; older manifests have a slash where it has `OR`.
fn expression(name: &str, licence: &str) -> String {
    let bundled = BUNDLED_LICENCES.iter().find(|(bundling, _)| *bundling == name);
    bundled.map_or_else(|| licence.replace('/', " OR "), |(_, licence)| (*licence).to_owned())
}

/// SHA-256 of each package's source, of those that come from a registry.
fn checksums(lock: &str) -> BTreeMap<Package, String> {
    let value = |line: &str, name: &str| {
        line.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let field = |package: &str, name| package.lines().find_map(|line| value(line, name));
    let packages = lock.split("[[package]]").skip(1);
    let entries = packages.filter_map(|package| {
        let id = (field(package, "name")?, field(package, "version")?);
        Some((id, field(package, "checksum")?))
    });
    entries.collect()
}

fn document(parts: &Parts, checksums: &BTreeMap<Package, String>) -> Result<String, Failure> {
    let root = parts.root.as_ref().ok_or("cargo tree says nothing")?;
    let shipped = shipped(parts, root);
    let described: Vec<String> = (parts.packages.iter())
        .filter(|(package, _)| *package != root)
        .map(|(package, part)| {
            let scope = if shipped.contains(package) { "required" } else { "excluded" };
            component(package, &part.licence, scope, checksums.get(package))
        })
        .collect();
    let needs: Vec<String> = (parts.packages.iter())
        .map(|(package, part)| {
            let needed: Vec<String> =
                part.needs.iter().map(|package| quoted(&reference(package))).collect();
            let of = quoted(&reference(package));
            format!("    {{\"ref\": {of}, \"dependsOn\": [{}]}}", needed.join(", "))
        })
        .collect();
    let (name, version) = root;
    let licence = parts.packages.get(root).map_or("", |part| &part.licence);
    Ok(format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \
         \"metadata\": {{\"component\": {{\"type\": \"application\", \"bom-ref\": {}, \"name\": {}, \
         \"version\": {}, \"licenses\": [{{\"expression\": {}}}]}}}},\n  \
         \"components\": [\n{}\n  ],\n  \"dependencies\": [\n{}\n  ]\n}}\n",
        quoted(&reference(root)),
        quoted(name),
        quoted(version),
        quoted(licence),
        described.join(",\n"),
        needs.join(",\n"),
    ))
}

/// What is in the binary: procedural macros, and what only they need, run while it is compiled.
fn shipped<'a>(parts: &'a Parts, root: &'a Package) -> BTreeSet<&'a Package> {
    let mut shipped = BTreeSet::new();
    let mut open = vec![root];
    while let Some(package) = open.pop() {
        let Some(part) = parts.packages.get(package).filter(|part| !part.is_macro) else {
            continue;
        };
        if shipped.insert(package) {
            open.extend(&part.needs);
        }
    }
    shipped
}

fn component(package: &Package, licence: &str, scope: &str, checksum: Option<&String>) -> String {
    let (name, version) = package;
    let mut fields = vec![
        "\"type\": \"library\"".to_owned(),
        format!("\"bom-ref\": {}", quoted(&reference(package))),
        format!("\"name\": {}", quoted(name)),
        format!("\"version\": {}", quoted(version)),
        format!("\"scope\": {}", quoted(scope)),
    ];
    if let Some(checksum) = checksum {
        fields.push(format!(
            "\"hashes\": [{{\"alg\": \"SHA-256\", \"content\": {}}}]",
            quoted(checksum)
        ));
    }
    fields.push(format!("\"licenses\": [{{\"expression\": {}}}]", quoted(licence)));
    if checksum.is_some() {
        fields.push(format!("\"purl\": {}", quoted(&format!("pkg:cargo/{name}@{version}"))));
    }
    format!("    {{{}}}", fields.join(", "))
}

fn reference((name, version): &Package) -> String {
    format!("{name}@{version}")
}

/// A JSON string (RFC 8259, 7).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    const TREE: &str = "\
0feathercast v0.1.0 (/home/a b/feathercast)\tMIT
1server v0.1.0 (/home/a b/feathercast/crates/server)\tMIT
2bytes v1.12.0\tMIT
2serde_derive v1.0.1 (proc-macro)\tMIT/Apache-2.0
1fdk-aac-sys v0.5.0\tMIT
2bytes v1.12.0\tMIT (*)
";
    const LOCK: &str = "\
version = 4

[[package]]
name = \"bytes\"
version = \"1.12.0\"
source = \"registry\"
checksum = \"00ff\"

[[package]]
name = \"server\"
version = \"0.1.0\"
dependencies = [
 \"bytes\",
]
";

    fn package(name: &str, version: &str) -> Package {
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn a_tree_is_read_with_who_needs_whom() {
        let parts = parts(TREE).unwrap();
        assert_eq!(parts.root, Some(package("feathercast", "0.1.0")));
        assert_eq!(parts.packages.len(), 5);
        let needs = |name, version| parts.packages[&package(name, version)].needs.clone();
        assert_eq!(needs("bytes", "1.12.0"), BTreeSet::new());
        assert_eq!(
            needs("server", "0.1.0"),
            BTreeSet::from([package("bytes", "1.12.0"), package("serde_derive", "1.0.1")])
        );
        assert_eq!(
            needs("feathercast", "0.1.0"),
            BTreeSet::from([package("server", "0.1.0"), package("fdk-aac-sys", "0.5.0")])
        );
        let derive = &parts.packages[&package("serde_derive", "1.0.1")];
        assert!(derive.is_macro && derive.licence == "MIT OR Apache-2.0");
    }

    #[test]
    fn licences_of_bundled_sources_are_told() {
        let parts = parts(TREE).unwrap();
        assert_eq!(parts.packages[&package("fdk-aac-sys", "0.5.0")].licence, "MIT AND FDK-AAC");
    }

    #[test]
    fn what_comes_from_a_registry_has_a_checksum() {
        let checksums = checksums(LOCK);
        assert_eq!(checksums, BTreeMap::from([(package("bytes", "1.12.0"), "00ff".to_owned())]));
        let text = document(&parts(TREE).unwrap(), &checksums).unwrap();
        let line = text.lines().find(|line| line.contains("\"name\": \"bytes\"")).unwrap();
        assert_eq!(
            line.trim(),
            "{\"type\": \"library\", \"bom-ref\": \"bytes@1.12.0\", \"name\": \"bytes\", \
             \"version\": \"1.12.0\", \"scope\": \"required\", \
             \"hashes\": [{\"alg\": \"SHA-256\", \"content\": \"00ff\"}], \
             \"licenses\": [{\"expression\": \"MIT\"}], \"purl\": \"pkg:cargo/bytes@1.12.0\"},"
        );
    }

    #[test]
    fn what_only_macros_need_is_not_shipped() {
        let tree = format!(
            "{TREE}1derive v1.0.0 (proc-macro)\tMIT\n2syn v2.0.0\tMIT\n2bytes v1.12.0\tMIT (*)\n"
        );
        let parts = parts(&tree).unwrap();
        let shipped = shipped(&parts, parts.root.as_ref().unwrap());
        let names: Vec<&str> = shipped.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bytes", "fdk-aac-sys", "feathercast", "server"]);
    }

    #[test]
    fn the_binary_is_the_application_and_no_component() {
        let text = document(&parts(TREE).unwrap(), &BTreeMap::new()).unwrap();
        assert!(text.contains("{\"type\": \"application\", \"bom-ref\": \"feathercast@0.1.0\""));
        assert_eq!(text.matches("\"type\": \"library\"").count(), 4);
        assert!(
            text.contains("{\"ref\": \"fdk-aac-sys@0.5.0\", \"dependsOn\": [\"bytes@1.12.0\"]}")
        );
    }

    #[test]
    fn all_that_is_not_ours_has_a_checksum_and_a_licence() {
        let parts = parts(&tree("feathercast", "x86_64-unknown-linux-gnu").unwrap()).unwrap();
        let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock")).unwrap();
        let checksums = checksums(&lock);
        let ours = |name: &str| workspace::root().join("crates").join(name).is_dir();
        let foreign = parts.packages.iter().filter(|((name, _), _)| !ours(name));
        let foreign: Vec<_> = foreign.filter(|((name, _), _)| name != "feathercast").collect();
        assert!(foreign.len() > 50, "{}", foreign.len());
        for (package, part) in foreign {
            assert!(checksums.get(package).is_some_and(|sum| sum.len() == 64), "{package:?}");
            assert!(!part.licence.is_empty(), "{package:?}");
        }
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for tree in ["x", "0name", "0name 1.0\tMIT", "0name v1.0"] {
            assert!(parts(tree).is_err(), "{tree}");
        }
        assert!(document(&Parts::default(), &BTreeMap::new()).is_err());
    }

    /// The exceptions here and in deny.toml are the same.
    #[test]
    fn deny_toml_knows_the_bundled_licences() {
        let deny = std::fs::read_to_string(workspace::root().join("deny.toml")).unwrap();
        for (name, licence) in BUNDLED_LICENCES {
            let clarified = format!("crate = \"{name}\"\nexpression = \"{licence}\"");
            assert!(deny.contains(&clarified), "{name}");
        }
    }
}
