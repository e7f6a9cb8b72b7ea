//! The reverse proxies of contrib/, word by word but for addresses and folders.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::background::Background;
use super::certificate::Certificate;
use super::scratch::Scratch;
use super::wait::eventually;
use super::{nginx, server};

/// A proxy in front of a server's viewers' port.
pub(crate) struct Proxy {
    // Dropped in this order: it goes before its folder.
    _process: Background,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    /// What it shows at `https`; it vouches for itself.
    pub(crate) certificate: PathBuf,
    _root: Scratch,
}

impl Proxy {
    /// nginx, one process.
    pub(crate) fn nginx(server: SocketAddr) -> Self {
        let ([_, http, https], root) = (server::addresses(), Scratch::new());
        let certificate = Certificate::new(http.ip(), &root);
        let config = adapted(
            "contrib/nginx/feathercast.conf",
            &[
                ("/var/cache/nginx/feathercast-playlists", &shown(&root.file("playlists"))),
                ("/var/cache/nginx/feathercast-segments", &shown(&root.file("segments"))),
                ("listen 80;", &format!("listen {http};")),
                ("listen 443 ", &format!("listen {https} ")),
                (
                    "/etc/letsencrypt/live/live.example.com/fullchain.pem",
                    &shown(&certificate.chain),
                ),
                ("/etc/letsencrypt/live/live.example.com/privkey.pem", &shown(&certificate.key)),
                ("server 127.0.0.1:8935;", &format!("server {server};")),
            ],
        );
        let (process, folders) = (nginx::process(&root), nginx::folders(&root));
        let text = format!("{process}\nhttp {{ {folders}\n{config} }}\n");
        let process = nginx::launch(&root, &text, &[http, https]);
        Self { _process: process, http, https, certificate: certificate.chain, _root: root }
    }

    /// Caddy, which has no port without TLS here.
    pub(crate) fn caddy(server: SocketAddr) -> Self {
        let ([_, http, https], root) = (server::addresses(), Scratch::new());
        let certificate = Certificate::new(http.ip(), &root);
        let (chain, key) = (shown(&certificate.chain), shown(&certificate.key));
        let site = format!("https://{https} {{\n\tbind {}\n\ttls {chain} {key}\n", https.ip());
        let config = adapted(
            "contrib/caddy/Caddyfile",
            &[
                ("live.example.com {\n", &site),
                ("reverse_proxy 127.0.0.1:8935 ", &format!("reverse_proxy {server} ")),
            ],
        );
        let text = format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n\n{config}");
        let config = root.write("Caddyfile", text.as_bytes());
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
        for folder in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(folder, root.path());
        }
        let process = Background::start(&mut command);
        eventually("Caddy's listener", || TcpStream::connect(https).ok());
        Self { _process: process, http, https, certificate: certificate.chain, _root: root }
    }
}

/// A file of the repository in which each of these stands once, and is another now.
fn adapted(file: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut text = fs::read_to_string(path).expect(file);
    for (documented, here) in changes {
        assert_eq!(text.matches(documented).count(), 1, "{documented} in {file}");
        text = text.replace(documented, here);
    }
    text
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
