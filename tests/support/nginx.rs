//! Debian's nginx with nginx-rtmp: somebody else's HLS, and a web server for files.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::background::Background;
use super::http;
use super::scratch::Scratch;
use super::server;
use super::wait::eventually;

/// A running nginx.
pub(crate) struct Nginx {
    // Dropped in this order: it goes before its folder.
    _process: Background,
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
    root: Scratch,
}

impl Nginx {
    /// What is published to its application `live` is there as HLS of 2 s; `directives` stand in
    /// its HTTP server.
    pub(crate) fn start(directives: &str) -> Self {
        let [rtmp, http, _] = server::addresses();
        let root = Scratch::new();
        let at = root.path().display();
        let (process, folders) = (process(&root), folders(&root));
        let text = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             {process}\n\
             rtmp {{ server {{ listen {rtmp}; access_log off; application live {{\n\
               live on; hls on; hls_path {at}/live; hls_fragment 2s; hls_playlist_length 12s; }} }} }}\n\
             http {{ {folders}\n\
               types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
               server {{ listen {http}; root {at}; {directives} }} }}\n"
        );
        let process = launch(&root, &text, &[rtmp, http]);
        Self { _process: process, rtmp, http, root }
    }

    /// Files in here are served.
    pub(crate) fn folder(&self) -> &Path {
        self.root.path()
    }

    /// The URL of a playlist, once it lists three segments.
    pub(crate) fn playlist(&self, path: &str) -> String {
        eventually("three segments of somebody else", || {
            let response = http::get(self.http, path);
            let listed = response.status == 200 && response.text().matches("#EXTINF").count() >= 3;
            listed.then_some(())
        });
        format!("http://{}{path}", self.http)
    }
}

/// What stands first: one process in the foreground, its files in `root`.
pub(super) fn process(root: &Scratch) -> String {
    let at = root.path().display();
    format!("daemon off; master_process off; pid {at}/pid; error_log {at}/error.log; events {{}}")
}

/// What stands first in `http`: temporary files in `root`, and no log.
pub(super) fn folders(root: &Scratch) -> String {
    let at = root.path().display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = kinds.map(|kind| format!("{kind}_temp_path {at}/temporary; ")).concat();
    format!("access_log off; {folders}")
}

/// Starts it; it listens when this returns.
pub(super) fn launch(root: &Scratch, text: &str, listeners: &[SocketAddr]) -> Background {
    let config = root.write("nginx.conf", text.as_bytes());
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-p").arg(root.path()).arg("-c").arg(config).arg("-e").arg(root.file("error.log"));
    let process = Background::start(&mut command);
    eventually("nginx's listeners", || {
        let listens = |addr: &SocketAddr| TcpStream::connect(addr).is_ok();
        listeners.iter().all(listens).then_some(())
    });
    process
}
