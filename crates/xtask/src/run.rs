//! Running programs in the foreground.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// How much of its output is shown when a program has failed: a sanitizer's report fits.
const FAILED_LINES: usize = 60;

/// The cargo that runs us, with nothing of its `cargo run` environment that a build could mistake
/// for its own.
pub(crate) fn cargo<I, S>(args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end with our standard output and error; anything but exit code 0 is a failure.
pub(crate) fn foreground(command: &mut Command) -> Result<(), Failure> {
    let line = line(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}").into()) }
}

/// Runs to the end in silence; its output is shown only when it fails.
pub(crate) fn quietly(command: &mut Command) -> Result<(), Failure> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = [output.stdout, output.stderr].concat();
    Err(format!(
        "`{line}` ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&told).trim_end()
    )
    .into())
}

/// Runs to the end with all its output in a file, whose end is shown when it fails.
pub(crate) fn into_file(command: &mut Command, file: &Path) -> Result<(), Failure> {
    let line = line(command);
    let told = |error: std::io::Error| format!("cannot run `{line}`: {error}");
    let output = File::create(file).map_err(told)?;
    let errors = output.try_clone().map_err(told)?;
    let status =
        command.stdin(Stdio::null()).stdout(output).stderr(errors).status().map_err(told)?;
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read(file).map_err(told)?;
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(FAILED_LINES)..].join("\n");
    Err(format!("`{line}` ended with {status}; the end of {}:\n{end}", file.display()).into())
}

/// Whether it can be run and ends with exit code 0; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What it prints on standard output.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String, Failure> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` ended with {}", output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program as an absolute path, looked for in `PATH` and where Debian keeps what only root has
/// in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The command as one would type it (no quoting: for people only).
fn line(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}
