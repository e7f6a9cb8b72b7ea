//! Whether the ports can be listened on, who has them otherwise, and from where they are reached.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::Diagnosis;
use crate::config::Config;
use crate::reachable::default_route_ip;

/// To an address of this machine.
const CONNECT: Duration = Duration::from_secs(2);

/// TCP_LISTEN in /proc/net/tcp.
const LISTENING: &str = "0A";

/// A port that `serve` listens on.
struct Port {
    subject: &'static str,
    option: &'static str,
    addr: SocketAddr,
    /// What somebody outside does to try it.
    trial: fn(SocketAddr) -> String,
}

/// Judges all ports, one diagnosis each.
pub(super) fn diagnose(config: &Config, tell: &mut impl FnMut(Diagnosis)) {
    let mut ports = vec![
        Port {
            subject: "rtmp port",
            option: "--rtmp-addr",
            addr: config.rtmp_addr,
            trial: |addr| format!("feathercast publish test rtmp://{addr}/doctor"),
        },
        Port {
            subject: "http port",
            option: "--http-addr",
            addr: config.http_addr,
            trial: |addr| format!("curl http://{addr}/healthz"),
        },
        Port {
            subject: "admin port",
            option: "--admin-addr",
            addr: config.admin_addr,
            trial: |addr| format!("curl http://{addr}/healthz"),
        },
    ];
    if let Some(tls) = &config.tls {
        ports.push(Port {
            subject: "rtmps port",
            option: "--rtmps-addr",
            addr: tls.rtmps_addr,
            trial: |addr| format!("feathercast publish test rtmps://{addr}/doctor"),
        });
        ports.push(Port {
            subject: "https port",
            option: "--https-addr",
            addr: tls.https_addr,
            trial: |addr| format!("curl https://{addr}/healthz"),
        });
    }
    for port in &ports {
        tell(port.diagnose());
    }
}

impl Port {
    fn diagnose(&self) -> Diagnosis {
        match TcpListener::bind(self.addr) {
            Ok(listener) => self.reached(&listener),
            Err(error) => self.not_bound(&error),
        }
    }

    fn not_bound(&self, error: &io::Error) -> Diagnosis {
        let Self { subject, option, addr, .. } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => match holder(addr.port()) {
                Some(Holder { name, process }) if name == "feathercast" => Diagnosis::warn(
                    subject,
                    format!(
                        "{addr} is taken by a feathercast that runs already (process {process})"
                    ),
                    "if that is the server you mean, all is well; else stop it",
                ),
                Some(Holder { name, process }) => Diagnosis::fail(
                    subject,
                    format!("{addr} is taken by {name} (process {process})"),
                    format!("stop it, or choose another address with {option}"),
                ),
                None => Diagnosis::fail(
                    subject,
                    format!("{addr} is taken, and only root can see by whom"),
                    format!(
                        "`sudo ss -ltnp` says it; stop that, or choose another address with {option}"
                    ),
                ),
            },
            io::ErrorKind::PermissionDenied => Diagnosis::fail(
                subject,
                format!("{addr}: this user may not listen on ports below 1024"),
                format!(
                    "give the program the capability CAP_NET_BIND_SERVICE, or choose a port from \
                     1024 on with {option}"
                ),
            ),
            io::ErrorKind::AddrNotAvailable => Diagnosis::fail(
                subject,
                format!("{addr}: this machine has no such address"),
                format!("choose one that `ip address` lists, or 0.0.0.0 for all, with {option}"),
            ),
            _ => Diagnosis::fail(
                subject,
                format!("cannot listen on {addr}: {error}"),
                format!("choose another address with {option}"),
            ),
        }
    }

    /// Free; from where somebody can connect, as far as that is known here.
    fn reached(&self, listener: &TcpListener) -> Diagnosis {
        let Self { subject, option, addr, trial } = self;
        let ip = addr.ip().to_canonical();
        if ip.is_loopback() {
            let text = format!("{addr} is free, for programs of this machine alone");
            return match *option {
                "--admin-addr" => Diagnosis::ok(subject, text),
                _ => Diagnosis::warn(
                    subject,
                    text,
                    format!("right behind a proxy; else set {option} to 0.0.0.0:{}", addr.port()),
                ),
            };
        }
        let own = if ip.is_unspecified() { default_route_ip() } else { Some(ip) };
        let Some(own) = own else {
            return Diagnosis::warn(
                subject,
                format!("{addr} is free, but this machine has no way out to other networks"),
                "look at `ip route`, if others shall connect",
            );
        };
        // Where port 0 was asked for, it is another.
        let port = listener.local_addr().map_or_else(|_| addr.port(), |bound| bound.port());
        let reached = SocketAddr::new(own, port);
        if let Err(error) = TcpStream::connect_timeout(&reached, CONNECT) {
            return Diagnosis::fail(
                subject,
                format!("{addr} is free, but nobody gets through to it at {reached}: {error}"),
                "look at the firewall of this machine (`nft list ruleset`, `ufw status`)",
            );
        }
        let hidden = match is_private(own) {
            true => ", and a router has to forward the port, as the address is a private one",
            false => "",
        };
        Diagnosis::ok(
            subject,
            format!(
                "{addr} is free, and reached at {reached} from here. Whether a firewall lets \
                 others in cannot be known from here{hidden}: once the server runs, try from \
                 elsewhere: {}",
                trial(reached)
            ),
        )
    }
}

/// Whether the address is of no use outside of its own network (RFC 1918, RFC 6598, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The process that listens on a port.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    process: u32,
}

/// Root alone knows of other users' processes.
fn holder(port: u16) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).ok());
    let sockets: Vec<String> = tables
        .iter()
        .flatten()
        .flat_map(|table| listening_inodes(table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.find_map(|process: u32| {
        let mut files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
        let is_it = files.any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|target| sockets.iter().any(|socket| target.as_os_str() == &socket[..]))
        });
        if !is_it {
            return None;
        }
        let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        Some(Holder { name: name.trim().to_owned(), process })
    })
}

/// The inodes of the sockets that listen on a port, by a table of proc(5): `sl local_address
/// rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`.
fn listening_inodes(table: &str, port: u16) -> impl Iterator<Item = u64> {
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local_port, 16) == Ok(port);
        (is_it && *fields.get(3)? == LISTENING).then(|| fields.get(9)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    fn diagnosis(addr: &str) -> Diagnosis {
        let addr = addr.parse().unwrap();
        let trial = |addr: SocketAddr| format!("try {addr}");
        Port { subject: "http port", option: "--http-addr", addr, trial }.diagnose()
    }

    #[test]
    fn who_listens_on_a_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let found = holder(port).unwrap();
        assert_eq!(found.process, std::process::id());
        let diagnosis = diagnosis(&format!("127.0.0.1:{port}"));
        assert_eq!(diagnosis.health, Health::Fail, "{diagnosis:?}");
        let words = format!("is taken by {} (process {})", found.name, found.process);
        assert!(diagnosis.text.contains(&words), "{diagnosis:?}");
        assert!(diagnosis.remedy.contains("--http-addr"), "{diagnosis:?}");
        drop(taken);
        assert_eq!(holder(port), None);
    }

    #[test]
    fn only_sockets_that_listen_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:078F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0\n\
            \x20  1: 0100007F:078F 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0\n\
            \x20  2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n";
        assert_eq!(listening_inodes(table, 1935).collect::<Vec<_>>(), [4242]);
        assert_eq!(listening_inodes(table, 8080).collect::<Vec<_>>(), [77]);
        assert_eq!(listening_inodes("", 1935).count(), 0);
    }

    #[test]
    fn what_is_free_is_free_and_what_is_not_here_is_not() {
        let loopback = diagnosis("127.0.0.1:0");
        assert_eq!(loopback.health, Health::Warn);
        assert!(loopback.text.contains("this machine alone"), "{loopback:?}");
        assert!(loopback.remedy.contains("0.0.0.0"), "{loopback:?}");
        // Of the documentation range (RFC 5737): nobody has it.
        let foreign = diagnosis("192.0.2.7:8935");
        assert_eq!(foreign.health, Health::Fail);
        assert!(foreign.text.contains("no such address"), "{foreign:?}");
        let everywhere = diagnosis("0.0.0.0:0");
        assert_ne!(everywhere.health, Health::Fail, "{everywhere:?}");
    }

    #[test]
    fn private_addresses_need_a_router() {
        for (ip, expected) in [
            ("10.0.0.5", true),
            ("192.168.1.2", true),
            ("172.31.0.1", true),
            ("100.64.0.1", true),
            ("169.254.1.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("203.0.113.9", false),
            ("100.128.0.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
