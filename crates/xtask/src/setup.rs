//! What the machine must have besides Rust and git: found out, and installed when missing.

use std::process::Command;

use crate::failure::Failure;
use crate::run::{cargo, find, foreground, quietly, succeeds};
use crate::steps::Steps;
use crate::workspace;

/// A program from Debian packages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tool {
    program: &'static str,
    /// The one it is in, and those with the plugins that it needs.
    packages: &'static [&'static str],
    why: &'static str,
}

const GXX: Tool = Tool { program: "g++", packages: &["g++"], why: "openh264 is C++" };
const NASM: Tool = Tool {
    program: "nasm",
    packages: &["nasm"],
    why: "without it openh264 decodes several times slower",
};
const FFMPEG: Tool = Tool {
    program: "ffmpeg",
    packages: &["ffmpeg"],
    why: "it is a publisher and the independent judge of the tests",
};
const NGINX_RTMP: Tool = Tool {
    program: "nginx",
    packages: &["libnginx-mod-rtmp"],
    why: "it is a peer of the tests and the benches",
};
const GSTREAMER: Tool = Tool {
    program: "gst-launch-1.0",
    packages: &[
        "gstreamer1.0-tools",
        "gstreamer1.0-plugins-base",
        "gstreamer1.0-plugins-good",
        "gstreamer1.0-plugins-bad",
    ],
    why: "it is a publisher, also with librtmp, and a player of the tests",
};
const VLC: Tool = Tool {
    program: "cvlc",
    packages: &["vlc-bin", "vlc-plugin-base"],
    why: "it is a player of the tests",
};
const MPV: Tool = Tool { program: "mpv", packages: &["mpv"], why: "it is a player of the tests" };
/// Half a desktop less than `chromium`, and it decodes H.264 all the same.
const CHROMIUM: Tool = Tool {
    program: "chromium-headless-shell",
    packages: &["chromium-headless-shell"],
    why: "hls.js plays in it in the tests",
};
const NPM: Tool =
    Tool { program: "npm", packages: &["npm"], why: "it fetches hls.js, which is in no package" };
const PYTHON: Tool =
    Tool { program: "python3", packages: &["python3"], why: "the attacks are written in it" };
const PEBBLE: Tool = Tool {
    program: "pebble",
    packages: &["pebble"],
    why: "it is the authority that issues certificates to the tests",
};
const OPENSSL: Tool = Tool {
    program: "openssl",
    packages: &["openssl"],
    why: "it makes the certificate of a server that is attacked over HTTP/2",
};
const CADDY: Tool = Tool {
    program: "caddy",
    packages: &["caddy"],
    why: "it is a reverse proxy that docs/proxies.md speaks of",
};
const SS: Tool = Tool {
    program: "ss",
    packages: &["iproute2"],
    why: "docs/troubleshooting.md looks by it who has a port",
};
const SYSTEMD: Tool = Tool {
    program: "systemd-analyze",
    packages: &["systemd"],
    why: "it judges the unit that `feathercast install` writes; it need not run",
};
/// What building needs.
pub(crate) const BUILD: &[Tool] = &[GXX, NASM];
/// What building, testing and measuring need.
pub(crate) const BUILD_AND_TEST: &[Tool] = &[
    GXX, NASM, FFMPEG, NGINX_RTMP, GSTREAMER, VLC, MPV, CHROMIUM, NPM, PYTHON, PEBBLE, OPENSSL,
    CADDY, SS, SYSTEMD,
];
/// What attacking needs.
pub(crate) const ATTACK: &[Tool] = &[GXX, NASM, FFMPEG, PYTHON, OPENSSL];

/// The only place that knows this version.
const HLS_JS: &str = "hls.js@1.6.13";

/// A cargo subcommand, installed by cargo itself. The only place that knows a version.
#[derive(Clone, Copy)]
pub(crate) struct CargoTool {
    program: &'static str,
    version: &'static str,
    /// Passed to `cargo install`.
    features: &'static [&'static str],
}

pub(crate) const CARGO_DENY: CargoTool =
    CargoTool { program: "cargo-deny", version: "0.20.2", features: &[] };
pub(crate) const CARGO_FUZZ: CargoTool =
    CargoTool { program: "cargo-fuzz", version: "0.13.2", features: &[] };
/// Without its updater, which would bring a TLS stack that takes minutes to build.
pub(crate) const CARGO_NEXTEST: CargoTool = CargoTool {
    program: "cargo-nextest",
    version: "0.9.128",
    features: &["--no-default-features"],
};

/// Installs those of `tools` that are not there.
pub(crate) fn system(steps: &mut Steps, tools: &[Tool]) -> Result<(), Failure> {
    let missing = missing(tools, |program| find(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    let why: Vec<String> =
        missing.iter().map(|tool| format!("{} ({})", tool.packages.join(" "), tool.why)).collect();
    let why = why.join(", ");
    let prefix = privilege().ok_or_else(|| format!("please install {why}, then run this again"))?;
    steps.step("set up", &format!("installing {why}"), || install(&missing, &prefix))
}

/// hls.js from the npm registry, into target/, where the tests look for it.
pub(crate) fn hls_js(steps: &mut Steps) -> Result<(), Failure> {
    let folder = workspace::players();
    // npm writes it when all the rest is there.
    let mark = folder.join("node_modules/.package-lock.json");
    let version = HLS_JS.rsplit('@').next().unwrap_or_default();
    if std::fs::read_to_string(mark).is_ok_and(|mark| mark.contains(&format!("\"{version}\""))) {
        return Ok(());
    }
    steps.step("set up", &format!("fetching {HLS_JS} into {}", folder.display()), || {
        let options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"];
        quietly(Command::new("npm").arg("install").args(options).arg(&folder).arg(HLS_JS))
    })
}

/// Installs a cargo subcommand that is not there, in any version: a newer one of the developer's
/// own is fine.
pub(crate) fn cargo_tool(steps: &mut Steps, tool: CargoTool) -> Result<(), Failure> {
    let subcommand = tool.program.trim_start_matches("cargo-");
    if succeeds(cargo([subcommand, "--version"]).current_dir("/")) {
        return Ok(());
    }
    let what = format!("installing {} {} into cargo's bin folder", tool.program, tool.version);
    // A debug build: it compiles in a minute, and these tools wait for others most of the time.
    steps.step("set up", &what, || {
        foreground(
            cargo([
                "install",
                "--quiet",
                "--locked",
                "--debug",
                tool.program,
                "--version",
                tool.version,
            ])
            .args(tool.features)
            .current_dir("/"),
        )
    })
}

/// rustfmt and clippy, which rustup's minimal profile leaves out.
pub(crate) fn rust_components(steps: &mut Steps) -> Result<(), Failure> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if succeeds(&mut cargo([subcommand, "--version"])) {
            continue;
        }
        steps.step("set up", &format!("rustup component add {component}"), || {
            quietly(Command::new("rustup").args(["component", "add", component])).map_err(
                |failure| {
                    Failure::from(format!(
                        "cargo {subcommand} is missing, install {component}: {failure}"
                    ))
                },
            )
        })?;
    }
    Ok(())
}

fn missing(tools: &[Tool], is_there: impl Fn(&str) -> bool) -> Vec<Tool> {
    tools.iter().filter(|tool| !is_there(tool.program)).copied().collect()
}

fn install(missing: &[Tool], prefix: &[&str]) -> Result<(), Failure> {
    quietly(apt_get(prefix).args(["-qq", "update"]))?;
    let packages = missing.iter().flat_map(|tool| tool.packages);
    quietly(
        apt_get(prefix).args(["-qq", "install", "--yes", "--no-install-recommends"]).args(packages),
    )
}

/// The words in front of `apt-get` that make it allowed, or `None` where there is no way.
fn privilege() -> Option<Vec<&'static str>> {
    find("apt-get")?;
    if is_root() {
        return Some(vec![]);
    }
    succeeds(Command::new("sudo").args(["-n", "true"])).then(|| vec!["sudo", "-n"])
}

/// Whether this process is root, judged by the owner of its own `/proc` entry.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

fn apt_get(prefix: &[&str]) -> Command {
    // `env` rather than Command::env: sudo does not pass variables on.
    let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]].concat();
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or("env"));
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(missing(BUILD_AND_TEST, |_| true), []);
        assert_eq!(missing(BUILD_AND_TEST, |program| program != "nginx"), [NGINX_RTMP]);
        assert_eq!(missing(BUILD, |_| false), [GXX, NASM]);
    }

    #[test]
    fn apt_get_asks_nothing_also_through_sudo() {
        let words = |prefix: &[&str]| {
            let command = apt_get(prefix);
            let args: Vec<_> =
                command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
            format!("{} {}", command.get_program().to_string_lossy(), args.join(" "))
        };
        assert_eq!(words(&[]), "env DEBIAN_FRONTEND=noninteractive apt-get");
        assert_eq!(words(&["sudo", "-n"]), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get");
    }
}
