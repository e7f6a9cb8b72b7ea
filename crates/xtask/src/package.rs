//! What people download: an archive, a Debian package, and the checksums of all of it. Made of the
//! same files and for the same time they are the same bytes.
//!
//! The package is one that `dpkg-deb` makes of a folder. cargo-deb would be a tool more to build, of
//! some hundred crates, for what is one control file and a list of which file goes where.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::run::{find, quietly, stdout_of, succeeds};
use crate::setup::is_root;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a file of the repository goes in the archive, and where in the package.
const FILES: [[&str; 3]; 6] = [
    ["docs/feathercast.toml", "feathercast.toml", "etc/feathercast/feathercast.toml"],
    ["docs/install.md", "install.md", "usr/share/doc/feathercast/install.md"],
    ["LICENSE", "LICENSE", "usr/share/doc/feathercast/copyright"],
    [
        "contrib/completions/feathercast.bash",
        "completions/feathercast.bash",
        "usr/share/bash-completion/completions/feathercast",
    ],
    [
        "contrib/completions/feathercast.fish",
        "completions/feathercast.fish",
        "usr/share/fish/vendor_completions.d/feathercast.fish",
    ],
    [
        "contrib/completions/_feathercast",
        "completions/_feathercast",
        "usr/share/zsh/vendor-completions/_feathercast",
    ],
];
const MAN_PAGES: &str = "contrib/man";
const SCRIPTS: &str = "contrib/debian";

const PROGRAM: u32 = 0o755;
const TEXT: u32 = 0o644;
/// The settings may hold secrets.
const SECRET: u32 = 0o600;

/// What is packed.
pub(crate) struct Release<'a> {
    /// The folder with the repository's files.
    pub(crate) repository: &'a Path,
    pub(crate) binary: &'a Path,
    /// The systemd unit, as `feathercast install` writes it.
    pub(crate) unit: &'a str,
    /// As the first part of a Rust target.
    pub(crate) machine: &'a str,
    /// The time that all files have, in seconds since 1970.
    pub(crate) time: u64,
    /// A folder for what is in between.
    pub(crate) scratch: &'a Path,
}

impl Release<'_> {
    /// Makes the archive in a folder; its name.
    pub(crate) fn archive(&self, into: &Path) -> Result<String, Failure> {
        let name = format!("feathercast-{VERSION}-{}-linux", self.machine);
        let mut folder = Folder::fresh(&self.scratch.join("archive"))?;
        let at = |path: &str| format!("{name}/{path}");
        folder.copy(self.binary, &at("feathercast"), PROGRAM)?;
        folder.write(self.unit, &at("feathercast.service"), TEXT)?;
        for [source, place, _] in FILES {
            folder.copy(&self.repository.join(source), &at(place), TEXT)?;
        }
        for page in self.man_pages()? {
            folder.copy(&page, &at(&format!("man/{}", file_name(&page))), TEXT)?;
        }
        let file = format!("{name}.tar.gz");
        let packed = self.scratch.join("archive.tar");
        quietly(
            Command::new("tar")
                .args(["--format=ustar", "--sort=name", "--owner=0", "--group=0"])
                .args(["--numeric-owner", &format!("--mtime=@{}", self.time)])
                .arg("--file")
                .arg(&packed)
                .arg("--directory")
                .arg(&folder.path)
                .args(["--create", &name]),
        )?;
        // Neither the name nor the time of what is packed are in it.
        quietly(Command::new("gzip").args(["-9", "--no-name", "--force"]).arg(&packed))?;
        let from = packed.with_extension("tar.gz");
        let to = into.join(&file);
        fs::copy(&from, &to).map_err(|error| failed("copy", &to, &error))?;
        Ok(file)
    }

    /// Makes the Debian package in a folder; its name.
    pub(crate) fn debian_package(&self, into: &Path) -> Result<String, Failure> {
        let architecture = match self.machine {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => return Err(format!("Debian's name for '{other}' is not known here").into()),
        };
        let mut folder = Folder::fresh(&self.scratch.join("package"))?;
        folder.copy(self.binary, "usr/bin/feathercast", PROGRAM)?;
        let unit = "usr/lib/systemd/system/feathercast.service";
        folder.write(&packaged_unit(self.unit)?, unit, TEXT)?;
        for [source, _, place] in FILES {
            let mode = if place.starts_with("etc/") { SECRET } else { TEXT };
            folder.copy(&self.repository.join(source), place, mode)?;
        }
        for page in self.man_pages()? {
            folder.copy(&page, &format!("usr/share/man/man1/{}", file_name(&page)), TEXT)?;
        }
        let size_kib = folder.bytes.div_ceil(1024);
        let control = format!(
            "Package: feathercast\n\
             Version: {VERSION}\n\
             Architecture: {architecture}\n\
             Maintainer: The authors of feathercast\n\
             Section: net\n\
             Priority: optional\n\
             Installed-Size: {size_kib}\n\
             Description: Streaming back-end: RTMP in, feather-light HLS out\n \
             One static binary with a systemd service. It needs no other package.\n"
        );
        folder.write(&control, "DEBIAN/control", TEXT)?;
        folder.write("/etc/feathercast/feathercast.toml\n", "DEBIAN/conffiles", TEXT)?;
        for script in ["postinst", "prerm", "postrm"] {
            let source = self.repository.join(SCRIPTS).join(script);
            folder.copy(&source, &format!("DEBIAN/{script}"), PROGRAM)?;
        }
        let file = format!("feathercast_{VERSION}_{architecture}.deb");
        quietly(
            Command::new("dpkg-deb")
                .args(["--root-owner-group", "-Zgzip", "--build"])
                .arg(&folder.path)
                .arg(into.join(&file))
                .env("SOURCE_DATE_EPOCH", self.time.to_string()),
        )?;
        Ok(file)
    }

    fn man_pages(&self) -> Result<Vec<PathBuf>, Failure> {
        let folder = self.repository.join(MAN_PAGES);
        let entries = fs::read_dir(&folder).map_err(|error| failed("read", &folder, &error))?;
        let mut pages: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        pages.sort();
        Ok(pages)
    }
}

/// The unit of a package: another path of the binary, and nothing of `feathercast install`.
fn packaged_unit(unit: &str) -> Result<String, Failure> {
    let start = unit.find("[Unit]").ok_or("the unit has no section [Unit]")?;
    let installed = "ExecStart=/usr/local/bin/feathercast ";
    if !unit.contains(installed) {
        return Err(format!("the unit has no line {installed}...").into());
    }
    Ok(unit[start..].replace(installed, "ExecStart=/usr/bin/feathercast "))
}

/// Installs a package into an empty folder with dpkg, runs what is in it, and purges it; `None`
/// where this user may not do so.
pub(crate) fn try_out(package: &Path, scratch: &Path) -> Result<Option<String>, Failure> {
    let Some(prefix) = as_root() else { return Ok(None) };
    let mut root = Folder::fresh(&scratch.join("installed"))?;
    root.write("", "var/lib/dpkg/status", TEXT)?;
    for folder in ["updates", "info"] {
        root.make(&format!("var/lib/dpkg/{folder}"))?;
    }
    let dpkg = |words: &[&str]| {
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).arg("dpkg").arg("--root").arg(&root.path);
        // No shell is in there: the scripts run outside, and are told where.
        command.args(["--force-script-chrootless", "--force-bad-path"]).args(words);
        command
    };
    let file = package.display().to_string();
    quietly(&mut dpkg(&["--install", &file]))?;
    let settings = root.path.join("etc/feathercast/feathercast.toml");
    let about = fs::metadata(&settings).map_err(|error| failed("read", &settings, &error))?;
    if about.permissions().mode() & 0o777 != SECRET {
        return Err(format!("others can read {}", settings.display()).into());
    }
    let said = stdout_of(Command::new(root.path.join("usr/bin/feathercast")).arg("--version"))?;
    quietly(&mut dpkg(&["--purge", "feathercast"]))?;
    for place in ["usr", "etc/feathercast"] {
        if root.path.join(place).exists() {
            return Err(format!("dpkg --purge leaves {place}").into());
        }
    }
    Ok(Some(said.trim().to_owned()))
}

/// The words in front of a command that make this user root, if only in a namespace.
fn as_root() -> Option<&'static [&'static str]> {
    find("dpkg")?;
    if is_root() {
        return Some(&["env"]);
    }
    succeeds(Command::new("unshare").args(["--map-root-user", "true"]))
        .then_some(&["unshare", "--map-root-user"])
}

/// Writes `SHA256SUMS` of files in a folder.
pub(crate) fn write_checksums(folder: &Path, files: &[&str]) -> Result<(), Failure> {
    let sums = stdout_of(Command::new("sha256sum").args(files).current_dir(folder))?;
    let file = folder.join("SHA256SUMS");
    fs::write(&file, sums).map_err(|error| failed("write", &file, &error))
}

/// A folder that is filled.
struct Folder {
    path: PathBuf,
    /// What all files in it have together.
    bytes: u64,
}

impl Folder {
    /// One in which there is nothing.
    fn fresh(path: &Path) -> Result<Self, Failure> {
        if path.exists() {
            fs::remove_dir_all(path).map_err(|error| failed("empty", path, &error))?;
        }
        let folder = Self { path: path.to_owned(), bytes: 0 };
        folder.make("")?;
        Ok(folder)
    }

    fn copy(&mut self, from: &Path, place: &str, mode: u32) -> Result<(), Failure> {
        let content = fs::read(from).map_err(|error| failed("read", from, &error))?;
        self.write(content, place, mode)
    }

    fn write(&mut self, content: impl AsRef<[u8]>, place: &str, mode: u32) -> Result<(), Failure> {
        if let Some((folder, _)) = place.rsplit_once('/') {
            self.make(folder)?;
        }
        let file = self.path.join(place);
        let told = |error| failed("write", &file, &error);
        fs::write(&file, &content).map_err(told)?;
        fs::set_permissions(&file, Permissions::from_mode(mode)).map_err(told)?;
        self.bytes += content.as_ref().len() as u64;
        Ok(())
    }

    /// Makes a folder and those around it, for all to read whatever the umask is.
    fn make(&self, place: &str) -> Result<(), Failure> {
        let folder = self.path.join(place);
        let told = |error| failed("make", &folder, &error);
        fs::create_dir_all(&folder).map_err(told)?;
        for folder in folder.ancestors().take_while(|it| it.starts_with(&self.path)) {
            fs::set_permissions(folder, Permissions::from_mode(PROGRAM)).map_err(told)?;
        }
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    format!("cannot {what} {}: {error}", path.display()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    const UNIT: &str = "# Written by `feathercast install`.\n\n[Unit]\n\n[Service]\n\
                        ExecStart=/usr/local/bin/feathercast serve\n";

    /// A folder of its own for a test.
    fn scratch(test: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("feathercast-{test}-{}", std::process::id()));
        Folder::fresh(&path).unwrap().path
    }

    /// Makes both of a program that is a script; their names.
    fn release(scratch: &Path, out: &str) -> [PathBuf; 2] {
        let mut folder = Folder::fresh(&scratch.join(out)).unwrap();
        folder.write("#!/bin/sh\necho feathercast 0\n", "feathercast", PROGRAM).unwrap();
        let release = Release {
            repository: workspace::root(),
            binary: &folder.path.join("feathercast"),
            unit: UNIT,
            machine: std::env::consts::ARCH,
            time: 1_700_000_000,
            scratch,
        };
        let archive = release.archive(&folder.path).unwrap();
        let package = release.debian_package(&folder.path).unwrap();
        [archive, package].map(|name| folder.path.join(name))
    }

    #[test]
    fn the_same_files_are_packed_as_the_same_bytes() {
        let scratch = scratch("same-bytes");
        let [first, second] = ["first", "second"].map(|out| release(&scratch, out));
        for (first, second) in first.iter().zip(&second) {
            assert!(fs::read(first).unwrap() == fs::read(second).unwrap(), "{}", first.display());
        }
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn an_archive_has_all_that_is_needed_in_one_folder() {
        let scratch = scratch("archive");
        let [archive, _] = release(&scratch, "out");
        let list = stdout_of(Command::new("tar").arg("-tzf").arg(&archive)).unwrap();
        let folder = file_name(&archive);
        let folder = folder.strip_suffix(".tar.gz").unwrap();
        for file in [
            "feathercast",
            "feathercast.service",
            "feathercast.toml",
            "install.md",
            "LICENSE",
            "man/feathercast.1",
            "man/feathercast-publish.1",
            "completions/feathercast.bash",
            "completions/feathercast.fish",
            "completions/_feathercast",
        ] {
            assert!(list.lines().any(|line| line == format!("{folder}/{file}")), "{list}");
        }
        assert!(list.lines().all(|line| line.starts_with(folder)), "{list}");

        let out = archive.parent().unwrap();
        write_checksums(out, &[&file_name(&archive), "feathercast"]).unwrap();
        let mut check = Command::new("sha256sum");
        quietly(check.args(["--check", "SHA256SUMS"]).current_dir(out)).unwrap();
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn dpkg_installs_the_package_and_purges_it() {
        let scratch = scratch("dpkg");
        let [_, package] = release(&scratch, "out");
        match try_out(&package, &scratch).unwrap() {
            Some(said) => assert_eq!(said, "feathercast 0"),
            None => eprintln!("not run: dpkg needs root, or a namespace in which it is root"),
        }
        let list = stdout_of(Command::new("dpkg-deb").arg("--contents").arg(&package)).unwrap();
        let line = |end: &str| list.lines().find(|line| line.ends_with(end)).unwrap().to_owned();
        assert!(line("./usr/bin/feathercast").starts_with("-rwxr-xr-x root/root"));
        assert!(line("./etc/feathercast/feathercast.toml").starts_with("-rw------- root/root"));
        assert!(line("./usr/").starts_with("drwxr-xr-x root/root"));
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_package_starts_its_own_binary() {
        let unit = packaged_unit(UNIT).unwrap();
        assert_eq!(unit, "[Unit]\n\n[Service]\nExecStart=/usr/bin/feathercast serve\n");
        assert!(packaged_unit("[Unit]\nExecStart=/opt/feathercast\n").is_err());
        assert!(packaged_unit("").is_err());
    }
}
