//! Debian's nginx with nginx-rtmp: somebody else's HLS, and a web server for files.

use std::net::SocketAddr;
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
    /// What is published to its application `live` is there as HLS of 2 s; `directives` stand in its HTTP server.
    pub(crate) fn start(directives: &str) -> Self {
        let [rtmp, http, _] = server::addresses();
        let root = Scratch::new();
        let at = root.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/temporary; "))
            .concat();
        let text = format!(
            "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{}}\n\
             rtmp {{ server {{ listen {rtmp}; access_log off; application live {{\n\
               live on; hls on; hls_path {at}/live; hls_fragment 2s; hls_playlist_length 12s; }} }} }}\n\
             http {{ access_log off; {temporary}\n\
               types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
               server {{ listen {http}; root {at}; {directives} }} }}\n"
        );
        let config = root.write("nginx.conf", text.as_bytes());
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(root.path())
            .arg("-c")
            .arg(config)
            .arg("-e")
            .arg(root.file("error.log"));
        let process = Background::start(&mut command);
        let nginx = Self { _process: process, rtmp, http, root };
        eventually("nginx's listeners", || {
            let listens = |addr| std::net::TcpStream::connect(addr).is_ok();
            (listens(rtmp) && listens(http)).then_some(())
        });
        nginx
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
