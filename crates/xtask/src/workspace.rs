//! Where things are.

use std::path::{Path, PathBuf};

/// The folder of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).unwrap_or_else(|| Path::new("."))
}

/// Players that are no Debian packages.
pub(crate) fn players() -> PathBuf {
    root().join("target/players")
}

/// Logs of the programs that xtask runs in the background, and whatever else may be deleted at any
/// time.
pub(crate) fn scratch() -> PathBuf {
    root().join("target/xtask")
}
