//! `dist`: the binary that people download, what it is packed into, and the proof that it needs
//! nothing of the system it runs on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::background::{Background, command, tethered};
use crate::elf;
use crate::failure::Failure;
use crate::image::{self, Image};
use crate::package::{self, Release};
use crate::ports::Ports;
use crate::run::{cargo, find, foreground, quietly, stdout_of, succeeds};
use crate::sbom;
use crate::setup;
use crate::steps::Steps;
use crate::workspace;

/// The promise to people who deploy by copying one file.
const MAX_BINARY_BYTES: usize = 15_000_000;
const FOLDER: &str = "target/dist";
const BINARY: &str = "target/dist/feathercast";
const SBOM: &str = "target/dist/feathercast.cdx.json";
/// Far more than it needs: also a loaded machine gets there.
const LISTENING_WITHIN: Duration = Duration::from_secs(10);
/// The contract says 5 s after SIGTERM.
const ENDED_WITHIN: Duration = Duration::from_secs(6);

pub(crate) fn run(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD)?;
    let binary = build(steps)?;
    steps.step("static", "no interpreter, no shared library, at most 15 MB", || judge(&binary))?;
    steps.step("sbom", "what it is made of, as CycloneDX", || {
        let file = Path::new(SBOM);
        let components = sbom::write("feathercast", &host_target()?, file)?;
        println!("    {SBOM}: {components} components");
        Ok(())
    })?;
    let package = steps.step("package", "archive, Debian package and checksums", || {
        let package = pack(&binary)?;
        println!("    {FOLDER}/SHA256SUMS names all of it");
        Ok(package)
    })?;
    steps.step("dpkg", "the package, installed into an empty folder and purged", || {
        match package::try_out(&package, &workspace::scratch())? {
            Some(version) => println!("    it is {version}"),
            None => println!(
                "    not run: that needs root or user namespaces, which this machine does not give"
            ),
        }
        Ok(())
    })?;
    steps.step("chroot", "a stream from publisher to player in contrib/Dockerfile's image", || {
        let dockerfile = std::fs::read_to_string("contrib/Dockerfile")
            .map_err(|error| format!("cannot read contrib/Dockerfile: {error}"))?;
        run_from_nothing(&image::parse(&dockerfile)?)
    })
}

/// `dist --verify`: two people who build the last commit in different folders get the same bytes.
pub(crate) fn verify(steps: &mut Steps) -> Result<(), Failure> {
    setup::system(steps, setup::BUILD)?;
    let folder = workspace::scratch().join("verify");
    let told = |error| format!("cannot empty {}: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(told)?;
    }
    std::fs::create_dir_all(&folder).map_err(told)?;
    // Paths of different lengths: those that get into the binary move everything behind them.
    let checkouts = ["one", "another-of-them"].map(|name| folder.join(name));
    for (name, checkout) in ["first", "second"].into_iter().zip(&checkouts) {
        steps.step(name, &format!("`cargo xtask dist` in {}", checkout.display()), || {
            foreground(Command::new("git").args(["clone", "--quiet", "."]).arg(checkout))?;
            let mut dist = cargo(["xtask", "dist"]);
            foreground(dist.current_dir(checkout).env_remove("CARGO_TARGET_DIR"))
        })?;
    }
    steps.step("compare", "the files that SHA256SUMS names", || {
        let [first, second] = checkouts.map(|checkout| checkout.join(FOLDER));
        compare(&first, &second)
    })
}

/// Whether all files that one `SHA256SUMS` names are the same in both folders.
fn compare(first: &Path, second: &Path) -> Result<(), Failure> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
    };
    let sums = read(&first.join("SHA256SUMS"))?;
    let sums = String::from_utf8_lossy(&sums);
    let files: Vec<&str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|it| it.1).collect();
    if files.is_empty() {
        return Err(format!("{} names no file", first.join("SHA256SUMS").display()).into());
    }
    for file in files {
        let (first, second) = (read(&first.join(file))?, read(&second.join(file))?);
        if first != second {
            let offset = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
            let lengths = format!("{} and {} bytes", first.len(), second.len());
            return Err(format!("{file} differs from byte {offset} on ({lengths})").into());
        }
        println!("    {file}: the same {} bytes", first.len());
    }
    Ok(())
}

/// Packs the binary; the path of the Debian package.
fn pack(binary: &Path) -> Result<PathBuf, Failure> {
    let target = host_target()?;
    let machine = target.split('-').next().unwrap_or_default();
    // The unit is the binary's own word.
    let root = Jail::new("unit")?;
    quietly(Command::new(binary).args(["install", "--root"]).arg(&root.0))?;
    let unit = root.0.join("etc/systemd/system/feathercast.service");
    let unit = std::fs::read_to_string(&unit)
        .map_err(|error| format!("cannot read {}: {error}", unit.display()))?;
    let release = Release {
        repository: workspace::root(),
        binary,
        unit: &unit,
        machine,
        time: time_of_commit()?,
        scratch: &workspace::scratch(),
    };
    let folder = Path::new(FOLDER);
    let (archive, package) = (release.archive(folder)?, release.debian_package(folder)?);
    let names = ["feathercast", "feathercast.cdx.json", &archive, &package];
    package::write_checksums(folder, &names)?;
    Ok(folder.join(package))
}

/// When the last commit was made, in seconds since 1970.
fn time_of_commit() -> Result<u64, Failure> {
    let time = stdout_of(Command::new("git").args(["log", "-1", "--format=%ct"]))?;
    time.trim().parse().map_err(|_| format!("git log says '{time}' instead of a time").into())
}

/// Builds the static binary that is passed on; gives its path relative to the workspace.
pub(crate) fn build(steps: &mut Steps) -> Result<PathBuf, Failure> {
    steps.step("build", "the static binary (profile dist)", || {
        place(&build_static("dist")?, Path::new(BINARY))?;
        Ok(PathBuf::from(BINARY))
    })
}

/// Builds a static binary in a profile of Cargo.toml; gives its path relative to the workspace.
pub(crate) fn build_static(profile: &str) -> Result<PathBuf, Failure> {
    let target = host_target()?;
    // An explicit --target keeps the flags away from build scripts and proc-macros, which cannot be
    // static.
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let options =
        ["--locked", "--package", "feathercast", "--profile", profile, "--target", &target];
    foreground(
        cargo(["build"])
            .args(options)
            .env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static").trim()),
    )?;
    Ok(PathBuf::from(format!("target/{target}/{profile}/feathercast")))
}

fn host_target() -> Result<String, Failure> {
    let about = stdout_of(&mut cargo(["-vV"]))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    match host {
        "x86_64-unknown-linux-gnu" | "aarch64-unknown-linux-gnu" => Ok(host.to_owned()),
        _ => Err(format!("no static binary for '{host}': build on Linux, x86_64 or aarch64, with the gnu toolchain").into()),
    }
}

/// Copies `from` to `to`, also while an older `to` is running.
fn place(from: &Path, to: &Path) -> Result<(), Failure> {
    let told = |error: std::io::Error| {
        format!("cannot copy {} to {}: {error}", from.display(), to.display())
    };
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(told)?;
    }
    if to.exists() {
        std::fs::remove_file(to).map_err(told)?;
    }
    std::fs::copy(from, to).map_err(told)?;
    Ok(())
}

fn judge(binary: &Path) -> Result<(), Failure> {
    let file = std::fs::read(binary)
        .map_err(|error| format!("cannot read {}: {error}", binary.display()))?;
    let elf = elf::parse(&file)?;
    if elf.interpreter || elf.needed > 0 {
        let interpreter = if elf.interpreter { "an interpreter" } else { "no interpreter" };
        return Err(
            format!("it is not static: {interpreter}, {} NEEDED entries", elf.needed).into()
        );
    }
    if file.len() > MAX_BINARY_BYTES {
        return Err(format!("{} bytes are more than {MAX_BINARY_BYTES}", file.len()).into());
    }
    let kind = if elf.position_independent { "static-pie" } else { "static" };
    println!("    {}: {kind}, {:.1} MB", binary.display(), file.len() as f64 / 1e6);
    Ok(())
}

fn run_from_nothing(image: &Image) -> Result<(), Failure> {
    let jail = Jail::new("chroot")?;
    for (from, to) in &image.copies {
        place(&Path::new(FOLDER).join(from), &jail.0.join(to.trim_start_matches('/')))?;
    }
    let launcher = match chroot_words(&image.user) {
        Some(chroot) => {
            [chroot, vec![jail.0.display().to_string()], image.entrypoint.clone()].concat()
        }
        None => {
            println!(
                "    not run under chroot: that needs root or user namespaces, which this machine does not give"
            );
            [tethered(), vec![BINARY.to_owned()]].concat()
        }
    };
    let took = time_to_listen(&[&launcher[..], &image.command].concat())?;
    println!("    listening {} ms after exec (50 ms are promised)", took.as_millis());
    let demo = ["demo", "--for", "15s"].map(str::to_owned);
    quietly(&mut command(&[&launcher[..], &demo].concat()))?;
    println!("    `feathercast demo` published, served and checked a stream: it was good");
    Ok(())
}

/// Starts a server, waits until it listens, and asks it to end; how long the first took.
fn time_to_listen(serve: &[String]) -> Result<Duration, Failure> {
    let ports = Ports::free()?;
    let words = [serve, &ports.options()].concat();
    let start = Instant::now();
    let mut server = Background::start("server", &mut command(&words))?;
    while !ports.are_open() {
        server.check()?;
        if start.elapsed() > LISTENING_WITHIN {
            return Err(server.blame("does not listen"));
        }
        // This is measured, so it is looked at often.
        sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    server.stop(ENDED_WITHIN)?;
    Ok(took)
}

/// What to write before a folder and a program in it to run that under chroot, as this user where
/// that can be, or `None` where chroot is not allowed.
fn chroot_words(user: &str) -> Option<Vec<String>> {
    let chroot = find("chroot")?.display().to_string();
    if succeeds(Command::new(&chroot).args(["/", "true"])) {
        return Some([tethered(), vec![chroot, format!("--userspec={user}")]].concat());
    }
    // A namespace like this has no user but root.
    let namespace = ["unshare", "--map-root-user"].map(str::to_owned).to_vec();
    succeeds(Command::new("unshare").args(["--map-root-user", &chroot, "/", "true"]))
        .then(|| [namespace, tethered(), vec![chroot]].concat())
}

/// An empty folder that is removed again.
struct Jail(PathBuf);

impl Jail {
    fn new(name: &str) -> Result<Self, Failure> {
        let folder = workspace::scratch().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // Under target/, so what cannot be removed now goes with the next `cargo clean`.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_compared_file_by_file() {
        let folder =
            std::env::temp_dir().join(format!("feathercast-compare-{}", std::process::id()));
        let [first, second] = ["first", "second"].map(|name| folder.join(name));
        for folder in [&first, &second] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("SHA256SUMS"), "00  a\n01  b\n").unwrap();
            std::fs::write(folder.join("a"), "same").unwrap();
            std::fs::write(folder.join("b"), "same").unwrap();
        }
        compare(&first, &second).unwrap();
        std::fs::write(second.join("b"), "sane").unwrap();
        let error = compare(&first, &second).unwrap_err().to_string();
        assert_eq!(error, "b differs from byte 2 on (4 and 4 bytes)");
        std::fs::remove_file(second.join("b")).unwrap();
        assert!(compare(&first, &second).is_err());
        std::fs::write(first.join("SHA256SUMS"), "").unwrap();
        assert!(compare(&first, &second).is_err(), "nothing is not the same");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
