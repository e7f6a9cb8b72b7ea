//! `dist`: the binary that people download, and the proof that it needs nothing of the system it
//! runs on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::background::{Background, command, tethered};
use crate::elf;
use crate::failure::Failure;
use crate::ports::Ports;
use crate::run::{cargo, find, foreground, quietly, stdout_of, succeeds};
use crate::sbom;
use crate::setup;
use crate::steps::Steps;
use crate::workspace;

/// The promise to people who deploy by copying one file.
const MAX_BINARY_BYTES: usize = 15_000_000;
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
    steps.step("chroot", "a stream from publisher to player in an otherwise empty folder", || {
        run_from_nothing(&binary)
    })
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

fn run_from_nothing(binary: &Path) -> Result<(), Failure> {
    let jail = Jail::new()?;
    place(binary, &jail.0.join("feathercast"))?;
    let launcher = match chroot_words() {
        Some(chroot) => {
            [chroot, vec![jail.0.display().to_string(), "/feathercast".to_owned()]].concat()
        }
        None => {
            println!(
                "    not run under chroot: that needs root or user namespaces, which this machine does not give"
            );
            [tethered(), vec![jail.0.join("feathercast").display().to_string()]].concat()
        }
    };
    let took = time_to_listen(&launcher)?;
    println!("    listening {} ms after exec (50 ms are promised)", took.as_millis());
    let demo = ["demo", "--for", "15s"].map(str::to_owned);
    quietly(&mut command(&[&launcher[..], &demo].concat()))?;
    println!("    `feathercast demo` published, served and checked a stream: it was good");
    Ok(())
}

/// Starts `feathercast serve`, waits until it listens, and asks it to end; how long the first took.
fn time_to_listen(launcher: &[String]) -> Result<Duration, Failure> {
    let ports = Ports::free()?;
    let words = [launcher, &["serve".to_owned()], &ports.options()].concat();
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

/// What to write before a folder and a program in it to run that under chroot, or `None` where that
/// is not allowed.
fn chroot_words() -> Option<Vec<String>> {
    let chroot = find("chroot")?.display().to_string();
    if succeeds(Command::new(&chroot).args(["/", "true"])) {
        return Some([tethered(), vec![chroot]].concat());
    }
    let namespace = ["unshare", "--map-root-user"].map(str::to_owned).to_vec();
    succeeds(Command::new("unshare").args(["--map-root-user", &chroot, "/", "true"]))
        .then(|| [namespace, tethered(), vec![chroot]].concat())
}

/// An empty folder that is removed again.
struct Jail(PathBuf);

impl Jail {
    fn new() -> Result<Self, Failure> {
        let folder = workspace::scratch().join(format!("chroot-{}", std::process::id()));
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
