//! Stops the build where openh264 would silently be built without its assembly.
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PATH");
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    // The assembly of other processors goes through the C compiler.
    if arch != "x86_64" && arch != "x86" {
        return;
    }
    // openh264-sys2 drops all assembly when nasm is missing, and says so nowhere: decoding then
    // costs several times as much.
    let nasm = Command::new("nasm").arg("-v").output();
    assert!(
        nasm.is_ok_and(|output| output.status.success()),
        "nasm is not installed: H.264 would run several times slower; install it (apt-get install nasm), then `cargo clean -p openh264-sys2`"
    );
}
