//! `feathercast install`: what it writes, what systemd's own judge says of the unit, and a server
//! that is started as the unit says, since no systemd runs where tests do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::http;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, addresses};
use crate::support::wait::{eventually, within};

const BINARY: &str = "usr/local/bin/feathercast";
const SETTINGS: &str = "etc/feathercast/feathercast.toml";
const UNIT: &str = "etc/systemd/system/feathercast.service";
const LIST: &str = "etc/feathercast/installed.sha256";
const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/feathercast.service";

/// A folder that stands for `/`.
struct Machine {
    scratch: Scratch,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { scratch: Scratch::new() };
        fs::create_dir(machine.root()).expect("a folder");
        machine
    }

    fn root(&self) -> PathBuf {
        self.scratch.file("root")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
        command.args(args).arg("--root").arg(self.root()).output().expect("feathercast runs")
    }

    /// Runs to a good end; what it said, with paths as on a real machine.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        text(&output).replace(&self.root().display().to_string(), "")
    }

    /// Runs, and is refused; what it said.
    fn is_refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output));
        text(&output)
    }

    /// All files and folders, and what is in the files.
    fn contents(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn visit(folder: &Path, into: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let content = path.is_file().then(|| fs::read(&path).expect("a file"));
                if path.is_dir() {
                    visit(&path, into);
                }
                into.insert(path, content);
            }
        }
        let mut contents = BTreeMap::new();
        visit(&self.root(), &mut contents);
        contents
    }

    fn append(&self, path: &str, line: &str) {
        let text = fs::read_to_string(self.at(path)).expect("a text file");
        fs::write(self.at(path), text + line).expect("a text file");
    }

    /// What `systemd-analyze` says of the unit, with the units of this machine beside it.
    fn analyze(&self, words: &[&str]) -> Output {
        let units = self.at("usr/lib/systemd/system");
        if !units.exists() {
            fs::create_dir_all(units.parent().expect("a folder")).expect("a folder");
            let of_system = ["/usr/lib/systemd/system", "/lib/systemd/system"];
            let of_system = of_system.iter().find(|path| Path::new(path).is_dir()).expect("units");
            let mut copy = Command::new("cp");
            assert!(copy.arg("-r").arg(of_system).arg(&units).status().expect("cp").success());
        }
        Command::new("systemd-analyze")
            .args(words)
            .arg(format!("--root={}", self.root().display()))
            .arg(self.at(UNIT))
            .output()
            .expect("systemd-analyze; `cargo xtask test` installs it")
    }

    fn assert_unit_is_good(&self) {
        let output = self.analyze(&["verify"]);
        assert!(output.status.success() && text(&output).is_empty(), "{}", text(&output));
    }
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

#[test]
fn install_says_what_it_writes_and_writes_nothing_twice() {
    let machine = Machine::new();
    let said = machine.says(&["install"]);
    for path in [BINARY, SETTINGS, UNIT, LIST] {
        assert!(said.contains(&format!("wrote /{path} (")), "{said}");
    }
    assert!(said.ends_with("  systemctl daemon-reload\n  systemctl enable --now feathercast\n"));
    assert_eq!([BINARY, SETTINGS, UNIT].map(|path| mode(&machine.at(path))), [0o755, 0o600, 0o644]);
    let installed = fs::read(machine.at(BINARY)).expect("the binary");
    assert!(installed == fs::read(env!("CARGO_BIN_EXE_feathercast")).expect("the binary"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/feathercast.toml");
    let settings = fs::read_to_string(machine.at(SETTINGS)).expect("settings");
    assert_eq!(settings, fs::read_to_string(example).expect("the example"));

    let before = machine.contents();
    let said = machine.says(&["install"]);
    assert_eq!(said.matches("as it should be already: /").count(), 3, "{said}");
    assert!(!said.contains("wrote") && !said.contains("Next"), "{said}");
    assert!(machine.contents() == before);

    // The list is one for sha256sum(1).
    let mut sums = Command::new("sha256sum");
    let list = fs::read_to_string(machine.at(LIST)).expect("the list").replace("  /", "  ");
    let list = machine.scratch.write("list", list.as_bytes());
    let output = sums.arg("--check").arg(list).current_dir(machine.root()).output();
    let output = output.expect("sha256sum");
    assert!(output.status.success() && text(&output).matches(": OK").count() == 3);
}

#[test]
fn a_newer_version_replaces_what_an_older_one_wrote_and_nothing_else() {
    let machine = Machine::new();
    machine.says(&["install"]);
    // As if an older version had written other files.
    let older = machine.scratch.write("older", b"older");
    let sum = Command::new("sha256sum").arg(&older).output().expect("sha256sum");
    let sum = text(&sum).split(' ').next().expect("a sum").to_owned();
    let mut list = fs::read_to_string(machine.at(LIST)).expect("the list");
    for path in [BINARY, UNIT] {
        fs::copy(&older, machine.at(path)).expect("a copy");
        let line = list.lines().find(|line| line.ends_with(path)).expect("a line").to_owned();
        list = list.replace(&line, &format!("{sum}  /{path}"));
    }
    fs::write(machine.at(LIST), list).expect("the list");
    machine.append(SETTINGS, "\n[keys]\ncam = \"secret\"\n");
    let settings = fs::read(machine.at(SETTINGS)).expect("settings");

    let said = machine.says(&["install"]);
    for path in [BINARY, UNIT] {
        assert!(said.contains(&format!("replaced /{path} (")), "{said}");
    }
    assert!(said.contains(&format!("kept /{SETTINGS}, which is yours\n")), "{said}");
    assert!(
        said.ends_with("  systemctl daemon-reload\n  systemctl restart feathercast\n"),
        "{said}"
    );
    assert_eq!(fs::read(machine.at(SETTINGS)).expect("settings"), settings);
    assert_eq!(mode(&machine.at(BINARY)), 0o755);
    machine.assert_unit_is_good();
}

#[test]
fn what_somebody_changed_is_not_overwritten_unless_asked_for() {
    for path in [BINARY, UNIT] {
        let machine = Machine::new();
        machine.says(&["install"]);
        fs::write(machine.at(path), "of somebody else").expect("a file");
        fs::remove_file(machine.at(SETTINGS)).expect("settings");
        let before = machine.contents();
        let said = machine.is_refused(&["install"]);
        assert!(said.contains(path) && said.contains("--overwrite"), "{said}");
        assert!(machine.contents() == before, "nothing is half done");
        let said = machine.says(&["install", "--overwrite"]);
        assert!(said.contains(&format!("replaced /{path} (")), "{said}");
    }
}

#[test]
fn uninstall_takes_back_what_install_wrote_and_nothing_else() {
    let machine = Machine::new();
    fs::create_dir_all(machine.at("etc/systemd")).expect("a folder");
    let before = machine.contents();
    machine.says(&["install"]);
    let said = machine.says(&["uninstall"]);
    for path in [BINARY, SETTINGS, UNIT, LIST] {
        assert!(said.contains(&format!("removed /{path}\n")), "{said}");
    }
    assert!(said.ends_with("Next, as root:\n  systemctl daemon-reload\n"), "{said}");
    assert!(machine.contents() == before);
    let said = machine.is_refused(&["uninstall"]);
    assert!(said.contains("nothing is installed here"), "{said}");

    // Settings, a unit and a folder that somebody has had to do with stay.
    machine.says(&["install"]);
    machine.append(SETTINGS, "# mine\n");
    machine.append(UNIT, "# mine\n");
    fs::create_dir_all(machine.at("var/lib/feathercast/acme")).expect("a folder");
    fs::remove_file(machine.at(BINARY)).expect("the binary");
    let said = machine.says(&["uninstall"]);
    for path in [SETTINGS, UNIT] {
        let line = format!("kept /{path}, which was changed since it was installed\n");
        assert!(said.contains(&line) && machine.at(path).exists(), "{said}");
    }
    assert!(said.contains("kept /var/lib/feathercast, which the service wrote\n"), "{said}");
    assert!(said.contains(&format!("gone already: /{BINARY}\n")), "{said}");
    assert!(!machine.at(LIST).exists() && !machine.at("usr").exists());
}

#[test]
fn an_enabled_service_is_not_uninstalled() {
    let machine = Machine::new();
    machine.says(&["install"]);
    fs::create_dir_all(machine.at(ENABLED).parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink(format!("/{UNIT}"), machine.at(ENABLED)).expect("a link");
    let before = machine.contents();
    let said = machine.is_refused(&["uninstall"]);
    assert!(said.contains("systemctl disable --now feathercast"), "{said}");
    assert!(machine.contents() == before);
}

#[test]
fn a_port_below_1024_is_all_that_gives_the_unit_a_capability() {
    let machine = Machine::new();
    let unit = || fs::read_to_string(machine.at(UNIT)).expect("the unit");
    machine.says(&["install"]);
    assert!(!unit().contains("CAP_"), "{}", unit());
    let example = fs::read_to_string(machine.at(SETTINGS)).expect("settings");
    for (from, to, ports) in [
        ("http_addr = \"0.0.0.0:8935\"", "http_addr = \":80\"", "for port 80"),
        ("# tls_cert = ", "https_addr = \":443\"\nacme = \"live.example.com\"\n# ", "for port 443"),
        ("admin_addr = \"127.0.0.1:7935\"", "admin_addr = \"127.0.0.1:1023\"", "for port 1023"),
    ] {
        fs::write(machine.at(SETTINGS), example.replacen(from, to, 1)).expect("settings");
        let said = machine.says(&["install"]);
        let about = format!("replaced /{UNIT} (with CAP_NET_BIND_SERVICE, {ports})");
        assert!(said.contains(&about), "{said}");
        assert!(unit().contains("\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"), "{}", unit());
        machine.assert_unit_is_good();
        fs::write(machine.at(SETTINGS), &example).expect("settings");
        let said = machine.says(&["install"]);
        assert!(said.contains(&format!("replaced /{UNIT} (without any capability)")), "{said}");
        assert!(!unit().contains("CAP_"), "{}", unit());
    }
    // A server that would not start is not made a service.
    fs::write(machine.at(SETTINGS), "max_streams = 0\n").expect("settings");
    let output = machine.run(&["install"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains(":1: max_streams = 0: write"), "{}", text(&output));
}

#[test]
fn systemd_analyze_finds_nothing_wrong_with_the_unit() {
    let machine = Machine::new();
    machine.says(&["install"]);
    machine.assert_unit_is_good();
    // Tenths: 100 is a service that may do everything.
    let output = machine.analyze(&["security", "--offline=yes", "--threshold=20"]);
    assert!(output.status.success(), "{}", text(&output));
    // The judge does find what is wrong.
    machine.append(UNIT, "[Service]\nProtectHomes=yes\n");
    assert!(text(&machine.analyze(&["verify"])).contains("ProtectHomes"));
}

/// A service as systemd starts it: with the command, the credentials and the folder of its unit.
struct Service {
    child: Child,
    notifications: UnixDatagram,
    log: PathBuf,
    unit: String,
}

impl Service {
    /// Starts it, with more variables as a drop-in's `Environment=`, and waits until it says that
    /// it is ready.
    fn start(machine: &Machine, environment: &[(&str, String)]) -> Self {
        let unit = fs::read_to_string(machine.at(UNIT)).expect("the unit");
        let value = |key: &str| value(&unit, key);
        assert_eq!(value("Type"), "notify");
        let credentials = machine.scratch.file("credentials");
        fs::create_dir_all(&credentials).expect("a folder");
        let credential = value("LoadCredential");
        let (name, source) = credential.split_once(':').expect("NAME:PATH");
        fs::copy(machine.at(source.trim_start_matches('/')), credentials.join(name))
            .expect("a credential");
        let folder = value("WorkingDirectory").replace("%S", "var/lib");
        assert_eq!(folder, format!("var/lib/{}", value("StateDirectory")));
        fs::create_dir_all(machine.at(&folder)).expect("a folder");

        let credentials = credentials.display().to_string();
        let start = value("ExecStart").replace("${CREDENTIALS_DIRECTORY}", &credentials);
        let mut words = start.split(' ');
        let program = machine.at(words.next().expect("a program").trim_start_matches('/'));
        let notify = machine.scratch.file("notify");
        // A new one each time, as what an earlier server said is over.
        let _ = fs::remove_file(&notify);
        let notifications = UnixDatagram::bind(&notify).expect("a socket");
        notifications.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let watchdog: u64 = value("WatchdogSec").trim_end_matches('s').parse().expect("seconds");
        let log = machine.scratch.file("service.log");
        let child = Command::new(program)
            .args(words)
            .env_clear()
            .env("CREDENTIALS_DIRECTORY", credentials)
            .env("NOTIFY_SOCKET", notify)
            .env("WATCHDOG_USEC", (watchdog * 1_000_000).to_string())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(machine.at(&folder))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("the service starts");
        let service = Self { child, notifications, log, unit };
        service.wait_for("READY=1");
        service
    }

    /// Takes what it tells, up to this.
    fn wait_for(&self, state: &str) {
        let mut datagram = [0; 4096];
        loop {
            let length = self.notifications.recv(&mut datagram).expect("a word of the service");
            let told = std::str::from_utf8(&datagram[..length]).expect("UTF-8");
            match told.lines().find(|line| *line == state) {
                Some(_) => return,
                None => assert!(!told.contains("STOPPING=1"), "it stops instead of {state}"),
            }
        }
    }

    /// Stops it as systemd does.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill(1)").success());
        self.wait_for("STOPPING=1");
        let limit: u64 =
            value(&self.unit, "TimeoutStopSec").trim_end_matches('s').parse().expect("seconds");
        let child = &mut self.child;
        let status = within(Duration::from_secs(limit), "the service to end", || {
            child.try_wait().expect("a child")
        });
        assert!(status.success(), "{status}: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- service\n{}", self.log());
        }
    }
}

/// What a unit says for a key that it has once.
fn value(unit: &str, key: &str) -> String {
    let mut values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("{key} is missing")).to_owned();
    assert_eq!(values.next(), None, "{key} twice");
    value
}

/// Variables that let a server listen where no other test does.
fn variables([rtmp, http, admin]: [SocketAddr; 3]) -> [(&'static str, String); 3] {
    [
        ("FEATHERCAST_RTMP_ADDR", rtmp.to_string()),
        ("FEATHERCAST_HTTP_ADDR", http.to_string()),
        ("FEATHERCAST_ADMIN_ADDR", admin.to_string()),
    ]
}

#[test]
fn the_unit_starts_a_server_that_says_when_it_listens_and_when_it_stops() {
    let machine = Machine::new();
    machine.says(&["install"]);
    let addresses = addresses();
    let service = Service::start(&machine, &variables(addresses));
    for address in addresses {
        TcpStream::connect(address).expect("it listens from the first moment on");
    }
    service.wait_for("WATCHDOG=1");
    // What is in the way is said to systemd by the exit code alone.
    let mut other = Server::spawn_at(addresses, &[], &[]);
    assert_eq!(other.wait_for_exit(Duration::from_secs(30)).code(), Some(1));
    service.stop();
}

#[test]
fn signs_of_life_come_as_often_as_the_watchdog_wants() {
    let scratch = Scratch::new();
    let notify = scratch.file("notify");
    let notifications = UnixDatagram::bind(&notify).expect("a socket");
    notifications.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let notify = notify.display().to_string();
    let mut told = Vec::new();
    let mut datagram = [0; 4096];
    let mut server = Server::spawn(&[], &[("NOTIFY_SOCKET", &notify), ("WATCHDOG_USEC", "200000")]);
    let mut next = || {
        let length = notifications.recv(&mut datagram).expect("a word of the server");
        String::from_utf8_lossy(&datagram[..length]).into_owned()
    };
    told.extend((0..6).map(|_| next()));
    assert_eq!(told[0], "READY=1");
    assert!(told[1..].iter().all(|told| told == "WATCHDOG=1"), "{told:?}");
    server.signal("TERM");
    // Signs that were on their way, then the end, and nothing behind it.
    let last = (0..100).map(|_| next()).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(server.wait_for_exit(Duration::from_secs(10)).success());
    notifications.set_nonblocking(true).expect("a socket");
    assert!(notifications.recv(&mut [0; 64]).is_err(), "nothing is behind it");
}

/// A block of commands in a page, or of what they say.
enum Block {
    Commands(Vec<String>),
    Said(Vec<String>),
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<(bool, Vec<String>)>) = (Vec::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language == "text", Vec::new())),
            (Some(_), Some(_)) => {
                let (is_said, lines) = open.take().expect("a block");
                blocks.push(if is_said { Block::Said(lines) } else { Block::Commands(lines) });
            }
            (None, Some((_, lines))) => lines.push(line.to_owned()),
            (None, None) => {}
        }
    }
    blocks
}

/// Does what docs/install.md says, on a machine that is a folder.
struct Reader {
    machine: Machine,
    addresses: [SocketAddr; 3],
    folder: PathBuf,
    service: Option<Service>,
    key: String,
    keys: String,
    /// What goes on while more lines are read.
    background: Vec<Program>,
    done: usize,
}

impl Reader {
    /// Does one line; what was said.
    fn follow(&mut self, line: &str) -> String {
        self.done += 1;
        let line = line.trim_start_matches("sudo ");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["systemctl", "daemon-reload"] => {
                if self.machine.at(UNIT).exists() {
                    self.machine.assert_unit_is_good();
                }
            }
            ["systemctl", "enable", "--now", "feathercast"] => {
                let unit = fs::read_to_string(self.machine.at(UNIT)).expect("the unit");
                assert_eq!(value(&unit, "WantedBy"), "multi-user.target");
                let link = self.machine.at(ENABLED);
                fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
                std::os::unix::fs::symlink(format!("/{UNIT}"), link).expect("a link");
                self.start();
            }
            ["systemctl", "restart", "feathercast"] => {
                self.service.take().expect("a running service").stop();
                self.start();
            }
            ["systemctl", "disable", "--now", "feathercast"] => {
                fs::remove_file(self.machine.at(ENABLED)).expect("an enabled service");
                self.service.take().expect("a running service").stop();
            }
            ["systemctl", "status", "feathercast"] => {
                let service = self.service.as_mut().expect("a service");
                assert!(service.child.try_wait().expect("a child").is_none());
            }
            ["journalctl", "--unit", "feathercast"] => {
                // The log is written a moment behind.
                let service = self.service.as_ref().expect("a service");
                let log = || Some(service.log()).filter(|log| log.contains("feathercast is ready"));
                return eventually("the log", log);
            }
            ["ufw", "allow", port] => {
                let settings = fs::read_to_string(self.machine.at(SETTINGS)).expect("settings");
                let port = port.strip_suffix("/tcp").expect("a port of TCP");
                let is_for_all =
                    |key: &&str| settings.contains(&format!("{key} = \"0.0.0.0:{port}\""));
                assert!(["rtmp_addr", "http_addr"].iter().any(is_for_all), "{port}");
            }
            ["sudoedit", path] => {
                assert_eq!(path, format!("/{SETTINGS}"));
                let settings = fs::read_to_string(self.machine.at(SETTINGS)).expect("settings");
                if !settings.contains(&self.keys) {
                    self.machine.append(SETTINGS, &self.keys);
                }
            }
            ["curl", url] => {
                let path = url.strip_prefix("http://127.0.0.1:8935").expect("the viewers' port");
                let response = http::get(self.addresses[1], path);
                assert_eq!(response.status, 200, "{url}");
                return response.text().to_owned();
            }
            ["feathercast", "check", url, ..] => {
                let path = url.strip_prefix("http://127.0.0.1:8935").expect("the viewers' port");
                let is_there = || http::get(self.addresses[1], path).status == 200;
                eventually("the stream to begin", || is_there().then_some(()));
                return self.run(line);
            }
            ["cd", folder] => self.folder = self.folder.join(folder),
            _ => return self.run(line),
        }
        String::new()
    }

    fn start(&mut self) {
        self.service = Some(Service::start(&self.machine, &variables(self.addresses)));
    }

    /// Runs a line of the shell, with the addresses and the folder of this test.
    fn run(&mut self, line: &str) -> String {
        let root = self.machine.root().display().to_string();
        let [rtmp, http, _] = self.addresses;
        let mut line = line
            .replace("rtmp://127.0.0.1/", &format!("rtmp://{rtmp}/"))
            .replace("http://127.0.0.1:8935/", &format!("http://{http}/"))
            .replace(" /etc/", &format!(" {root}/etc/"))
            .replace("/KEY ", &format!("/{} ", self.key));
        if line.ends_with("feathercast install") || line.ends_with("feathercast uninstall") {
            line += &format!(" --root {root}");
        }
        let path = std::env::var("PATH").expect("PATH");
        let mut shell = Command::new("sh");
        shell.env("PATH", format!("{root}/usr/local/bin:{path}")).current_dir(&self.folder);
        if let Some(line) = line.strip_suffix(" &") {
            shell.args(["-c", &format!("exec {line}")]).stdin(Stdio::null()).stdout(Stdio::null());
            let program = Program::start(&mut shell, "background", &self.machine.scratch);
            self.background.push(program);
            return String::new();
        }
        let output = shell.args(["-c", &line]).output().expect("sh");
        let said = text(&output).replace(&root, "");
        assert!(output.status.success(), "{line}: {said}");
        if line.starts_with("feathercast key new") {
            let key = said.lines().find_map(|line| line.strip_prefix("key: "));
            self.key = key.expect("a key").to_owned();
            self.keys = format!("\n[keys]{}", said.split("[keys]").nth(1).expect("the lines"));
        }
        said
    }
}

/// The archive that `cargo xtask dist` makes, of the binary that tests run, and its checksum.
fn download(scratch: &Scratch) -> PathBuf {
    let (folder, name) = (scratch.file("download"), "feathercast-0.1.0-x86_64-linux");
    fs::create_dir_all(folder.join(name)).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_feathercast"), folder.join(name).join("feathercast"))
        .expect("a copy");
    let pack = format!(
        "tar -czf {name}.tar.gz {name} && rm -r {name} && sha256sum {name}.tar.gz > SHA256SUMS"
    );
    let packed = Command::new("sh").args(["-c", &pack]).current_dir(&folder).status();
    assert!(packed.expect("sh").success());
    folder
}

/// But for systemctl, ufw and an editor, which this does in their place, each line is run as it
/// stands there.
#[test]
fn install_md_is_true_line_by_line() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/install.md");
    let page = fs::read_to_string(page).expect("docs/install.md");
    let machine = Machine::new();
    let folder = download(&machine.scratch);
    let mut reader = Reader {
        machine,
        addresses: addresses(),
        folder,
        service: None,
        key: String::new(),
        keys: String::new(),
        background: Vec::new(),
        done: 0,
    };
    let mut said = String::new();
    for block in blocks(&page) {
        match block {
            Block::Commands(lines) => {
                said = lines.iter().map(|line| reader.follow(line)).collect();
            }
            Block::Said(lines) => {
                for line in lines {
                    assert!(said.contains(&line), "{line:?} is not in {said}");
                }
            }
        }
    }
    assert!(reader.done > 20, "{} lines of commands", reader.done);
    assert!(reader.service.is_none() && !reader.machine.at(BINARY).exists());
    let settings = fs::read_to_string(reader.machine.at(SETTINGS)).expect("changed settings stay");
    assert!(settings.contains("\"camera1\" = \"sha256:"));
    assert!(TcpStream::connect(reader.addresses[1]).is_err(), "nobody serves any more");
}
