//! `feathercast install` and `uninstall`: the binary, a systemd unit and a file of settings, each
//! where Linux has such files, and a list of them by which they are taken back.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest, Sha256};

use crate::args::UsageError;
use crate::config;
use crate::inspect::EXAMPLE;
use crate::settings::Settings;

const BINARY: &str = "/usr/local/bin/feathercast";
const SETTINGS: &str = "/etc/feathercast/feathercast.toml";
const UNIT: &str = "/etc/systemd/system/feathercast.service";
/// What was installed, in the form of sha256sum(1). `# made FOLDER` is a comment there.
const LIST: &str = "/etc/feathercast/installed.sha256";
/// There while the service is enabled.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/feathercast.service";
/// What the service itself writes: certificates by ACME. Made by systemd, as its unit says.
const STATE: &str = "/var/lib/feathercast";

/// Ports below it are for root and for who has the capability.
const FIRST_FREE_PORT: u16 = 1024;

/// The options of `install`.
#[derive(clap::Args, Debug)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    below: Below,
    /// Replace a binary and a unit that were changed since they were installed, too
    #[arg(long)]
    overwrite: bool,
}

/// The options of `uninstall`.
#[derive(clap::Args, Debug)]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    below: Below,
}

#[derive(clap::Args, Debug)]
struct Below {
    /// The folder that stands for /, for images of other machines
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Installs, and says what was done and what comes next.
pub(crate) fn install(args: &InstallArgs) -> Result<ExitCode, UsageError> {
    let root = Root(&args.below.root);
    let low_ports = low_ports(root)?;
    Ok(match std::env::current_exe().and_then(fs::read) {
        Ok(binary) => told(root.install(&binary, &low_ports, args.overwrite)),
        Err(error) => told(Err(format!("cannot read the program that runs here: {error}"))),
    })
}

/// Takes back what `install` wrote, and says so.
pub(crate) fn uninstall(args: &UninstallArgs) -> ExitCode {
    told(Root(&args.below.root).uninstall())
}

fn told(outcome: Result<String, String>) -> ExitCode {
    // Who does not read it has it done all the same.
    match outcome {
        Ok(text) => {
            let _ = write!(stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The ports below 1024 that the settings ask for: those that are there, or the example's.
fn low_ports(root: Root<'_>) -> Result<Vec<u16>, UsageError> {
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    let path = root.at(SETTINGS);
    if path.exists() {
        settings.add_file(&path, &mut problems);
    } else {
        settings.add_text(SETTINGS, EXAMPLE, &mut problems);
    }
    let server = config::resolve(&settings, problems)?.server;
    let secure = server.tls.iter().flat_map(|tls| [tls.rtmps_addr, tls.https_addr]);
    let addrs = [server.rtmp_addr, server.http_addr, server.admin_addr].into_iter().chain(secure);
    // Port 0 is one that the system chooses, and it chooses none of these.
    let is_low = |port: &u16| (1..FIRST_FREE_PORT).contains(port);
    Ok(addrs.map(|addr: SocketAddr| addr.port()).filter(is_low).collect())
}

/// The unit of a server that listens on these ports below 1024, and on others.
fn unit(low_ports: &[u16]) -> String {
    // In a user namespace of its own the service would have the capability there only.
    let (capability, users) = match low_ports {
        [] => ("", "PrivateUsers=yes\n"),
        _ => ("CAP_NET_BIND_SERVICE", ""),
    };
    format!(
        "\
# Written by `feathercast install`. Changes of your own belong into a drop-in, which
# `systemctl edit feathercast` makes: a unit that was changed is neither replaced nor removed.

[Unit]
Description=feathercast: RTMP in, feather-light HLS out
Wants=network-online.target
After=network-online.target

[Service]
# It says when it listens, and gives signs of life.
Type=notify
WatchdogSec=30s
ExecStart={BINARY} serve --config ${{CREDENTIALS_DIRECTORY}}/feathercast.toml
# The settings may hold secrets: root alone reads the file, and systemd hands it on.
LoadCredential=feathercast.toml:{SETTINGS}
# Certificates by ACME are kept here, in {STATE}.
StateDirectory=feathercast
StateDirectoryMode=0700
WorkingDirectory=%S/feathercast
Restart=always
RestartSec=2s
# Settings that are wrong do not mend themselves.
RestartPreventExitStatus=2
# It ends its streams in 5 s.
TimeoutStopSec=10s

# A user that is there while the service runs, and may do nothing but serve.
DynamicUser=yes
CapabilityBoundingSet={capability}
AmbientCapabilities={capability}
{users}NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# /proc/meminfo stays: the default of `memory` is half of what the machine has.
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
"
    )
}

/// The folder that stands for `/`.
#[derive(Clone, Copy)]
struct Root<'a>(&'a Path);

/// What is in the place of a file to install.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    Nothing,
    /// What is to be installed.
    Same,
    /// What an earlier `install` wrote.
    Earlier,
    /// What somebody else wrote.
    Foreign,
}

impl Root<'_> {
    fn at(self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// What was done, or why nothing was.
    fn install(self, binary: &[u8], low_ports: &[u16], overwrite: bool) -> Result<String, String> {
        let unit = unit(low_ports);
        let version = concat!("version ", env!("CARGO_PKG_VERSION")).to_owned();
        let files = [
            (BINARY, 0o755, binary, version),
            (SETTINGS, 0o600, EXAMPLE.as_bytes(), "all settings; only root reads it".to_owned()),
            (UNIT, 0o644, unit.as_bytes(), capabilities(low_ports)),
        ];
        let mut list = self.read_list()?;
        let mut found = [Found::Nothing; 3];
        for (found, (path, _, content, _)) in found.iter_mut().zip(&files) {
            *found = self.find(path, content, &list)?;
            // Settings are there to be changed.
            if *found == Found::Foreign && *path != SETTINGS && !overwrite {
                return Err(format!(
                    "{} is not what install wrote, so nothing was done; move it away, or replace it \
                     with --overwrite",
                    self.at(path).display()
                ));
            }
        }
        let before = list.clone();
        let mut text = String::new();
        let mut has_written = false;
        for (found, (path, mode, content, about)) in found.iter().zip(&files) {
            let place = self.at(path);
            let place = place.display();
            let done = match found {
                Found::Same => {
                    // It may have been copied here by hand, over what was installed.
                    list.sums.entry((*path).to_owned()).and_modify(|it| *it = sum(content));
                    text += &format!("as it should be already: {place} ({about})\n");
                    continue;
                }
                Found::Foreign if *path == SETTINGS => {
                    text += &format!("kept {place}, which is yours\n");
                    continue;
                }
                Found::Nothing => "wrote",
                Found::Earlier | Found::Foreign => "replaced",
            };
            self.make_folder_of(path, &mut list)?;
            self.write(path, content, *mode)?;
            list.sums.insert((*path).to_owned(), sum(content));
            has_written = true;
            text += &format!("{done} {place} ({about})\n");
        }
        if list != before {
            self.make_folder_of(LIST, &mut list)?;
            self.write(LIST, list.text().as_bytes(), 0o644)?;
            text += &format!("wrote {} (what uninstall takes back)\n", self.at(LIST).display());
        }
        if !has_written {
            return Ok(text);
        }
        let [binary, settings, _] = found;
        if settings == Found::Nothing {
            text += &format!(
                "\nAnybody may publish. To prevent that, set publish_key or keys in {SETTINGS}.\n"
            );
        }
        let start = match binary {
            Found::Nothing => "systemctl enable --now feathercast",
            _ => "systemctl restart feathercast",
        };
        Ok(text + &format!("\nNext, as root:\n  systemctl daemon-reload\n  {start}\n"))
    }

    /// What was done, or why nothing was.
    fn uninstall(self) -> Result<String, String> {
        let list = self.read_list()?;
        if list.sums.is_empty() {
            let place = self.at(LIST);
            return Err(format!("nothing is installed here: there is no {}", place.display()));
        }
        // systemctl(1) finds what to disable by the unit, and what to stop.
        if fs::symlink_metadata(self.at(ENABLED)).is_ok() {
            return Err("the service is enabled, so nothing was done; first run \
                        `systemctl disable --now feathercast`"
                .to_owned());
        }
        let mut text = String::new();
        for path in [UNIT, SETTINGS, BINARY] {
            let Some(installed) = list.sums.get(path) else { continue };
            let place = self.at(path);
            match self.read(path)? {
                None => text += &format!("gone already: {}\n", place.display()),
                Some(content) if sum(&content) == *installed => {
                    self.remove(path)?;
                    text += &format!("removed {}\n", place.display());
                }
                Some(_) => {
                    text += &format!(
                        "kept {}, which was changed since it was installed\n",
                        place.display()
                    );
                }
            }
        }
        self.remove(LIST)?;
        text += &format!("removed {}\n", self.at(LIST).display());
        for folder in list.folders.iter().rev() {
            // One in which there is something now is no longer ours.
            if fs::remove_dir(self.at(folder)).is_ok() {
                text += &format!("removed {}\n", self.at(folder).display());
            }
        }
        if self.at(STATE).exists() {
            let place = self.at(STATE);
            text += &format!("kept {}, which the service wrote\n", place.display());
        }
        Ok(text + "\nNext, as root:\n  systemctl daemon-reload\n")
    }

    fn find(self, path: &str, content: &[u8], list: &List) -> Result<Found, String> {
        Ok(match self.read(path)? {
            None => Found::Nothing,
            Some(there) if there == content => Found::Same,
            Some(there) if list.sums.get(path) == Some(&sum(&there)) => Found::Earlier,
            Some(_) => Found::Foreign,
        })
    }

    /// What is in a file, if it is there.
    fn read(self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let place = self.at(path);
        match fs::read(&place) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &place, &error)),
        }
    }

    /// Writes a file that is there as a whole or not at all. The old one may be the program that
    /// runs, which cannot be written to.
    fn write(self, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
        let place = self.at(path);
        let new = place.with_extension("new");
        let write = || {
            // Never, not even empty, for others to open whom the mode keeps out.
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(content)?;
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_all()?;
            fs::rename(&new, &place)
        };
        write().map_err(|error| failed("write", &place, &error))
    }

    /// Makes the folders above a file that are not there, and notes them.
    fn make_folder_of(self, path: &str, list: &mut List) -> Result<(), String> {
        let folders = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
        for folder in folders {
            let place = self.at(folder);
            if !place.exists() {
                fs::create_dir(&place).map_err(|error| failed("make", &place, &error))?;
                list.folders.push(folder.to_owned());
            }
        }
        Ok(())
    }

    fn remove(self, path: &str) -> Result<(), String> {
        let place = self.at(path);
        fs::remove_file(&place).map_err(|error| failed("remove", &place, &error))
    }

    fn read_list(self) -> Result<List, String> {
        let text = self.read(LIST)?.unwrap_or_default();
        Ok(List::parse(&String::from_utf8_lossy(&text)))
    }
}

/// What was installed.
#[derive(Clone, Debug, Default, PartialEq)]
struct List {
    /// SHA-256 of each file, by its path.
    sums: BTreeMap<String, String>,
    /// Folders that were not there before, from the outside to the inside.
    folders: Vec<String>,
}

/// In front of a folder; a comment for sha256sum(1).
const MADE: &str = "# made ";

impl List {
    fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for line in text.lines() {
            if let Some(folder) = line.strip_prefix(MADE) {
                list.folders.push(folder.to_owned());
            } else if let Some((sum, path)) = line.split_once("  ") {
                list.sums.insert(path.to_owned(), sum.to_owned());
            }
        }
        list
    }

    fn text(&self) -> String {
        let folders = self.folders.iter().map(|folder| format!("{MADE}{folder}\n"));
        let sums = self.sums.iter().map(|(path, sum)| format!("{sum}  {path}\n"));
        folders.chain(sums).collect()
    }
}

/// SHA-256, in the digits that sha256sum(1) prints.
fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(what: &str, place: &Path, error: &io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "; only root may, so run it with sudo",
        _ => "",
    };
    format!("cannot {what} {}: {error}{remedy}", place.display())
}

/// What the unit lets the service do beyond other programs.
fn capabilities(low_ports: &[u16]) -> String {
    let ports: Vec<_> = low_ports.iter().map(u16::to_string).collect();
    match &ports[..] {
        [] => "without any capability".to_owned(),
        ports => format!("with CAP_NET_BIND_SERVICE, for port {}", ports.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let list = List {
            sums: BTreeMap::from([
                (BINARY.to_owned(), sum(b"binary")),
                ("/with  blanks".to_owned(), sum(b"")),
            ]),
            folders: vec!["/etc/feathercast".to_owned(), "/etc/feathercast/x".to_owned()],
        };
        assert_eq!(List::parse(&list.text()), list);
        assert_eq!(List::parse("no list\n\n#\n"), List::default());
    }

    #[test]
    fn sums_are_those_of_sha256sum() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sum(b"abc"), of_abc, "FIPS 180-2, B.1");
    }

    #[test]
    fn only_ports_below_1024_ask_for_a_capability() {
        let free = unit(&[]);
        assert!(free.contains("\nCapabilityBoundingSet=\nAmbientCapabilities=\n"), "{free}");
        assert!(free.contains("\nPrivateUsers=yes\n"), "{free}");
        let low = unit(&[443]);
        for key in ["CapabilityBoundingSet", "AmbientCapabilities"] {
            assert!(low.contains(&format!("\n{key}=CAP_NET_BIND_SERVICE\n")), "{low}");
        }
        assert!(!low.contains("PrivateUsers"), "{low}");
    }
}
