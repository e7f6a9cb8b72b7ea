//! Who may do what, as docs/security.md says it.

use std::process::Command;

use crate::support::http::{self, Response};
use crate::support::proxy::Proxy;
use crate::support::publisher::Publisher;
use crate::support::rtmp_client::RtmpClient;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::{ffmpeg, wait};

const SECRET: &str = "0123456789abcdef";

/// What the binary prints.
fn printed(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feathercast"));
    let output = command.args(args).env("FEATHERCAST_VIEWER_SECRET", SECRET).output();
    let output = output.expect("feathercast runs");
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The URIs that a playlist lists.
fn uris(playlist: &Response) -> Vec<&str> {
    assert_eq!(playlist.status, 200, "{playlist:?}");
    playlist.text().lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn a_new_key_is_let_in_by_the_setting_that_comes_with_it() {
    let said = printed(&["key", "new", "cam1.main"]);
    let key = said.lines().next().and_then(|line| line.strip_prefix("key: ")).expect("a key");
    let (_, setting) = said.split_once("\n[keys]\n").expect("a setting");
    assert!(!setting.contains(key), "{said}");
    let scratch = Scratch::new();
    let file = scratch.write("feathercast.toml", format!("[keys]\n{setting}").as_bytes());
    let server = Server::with(&["--config", file.to_str().expect("a path")]);
    // As OBS does with that server and stream key, and as ffmpeg does with that URL.
    drop(RtmpClient::publishing(server.rtmp, "live", key));
    let _named = RtmpClient::publishing(server.rtmp, "cam1.main", key);
    server.wait_for_state("cam1.main", "live");
    assert!(!server.log().contains(key));
}

#[test]
fn nginx_keeps_one_copy_of_a_segment_and_no_playlist_of_a_token() {
    let server = Server::with(&["--renditions", "", "--viewer-secret", SECRET]);
    let scratch = Scratch::new();
    let line = "-f lavfi -i testsrc2=size=320x180:rate=30:duration=6 -threads 1 -c:v libx264 \
        -preset ultrafast -g 60 -pix_fmt yuv420p";
    let file = ffmpeg::encode(&scratch, line);
    Publisher::file(&server, "cam", &file).succeed();
    let proxy = Proxy::nginx(server.http);
    let tokens = ["1h", "2h"].map(|time| printed(&["token", "cam", "--for", time]));
    assert_ne!(tokens[0], tokens[1]);

    let mut listed = Vec::new();
    for token in &tokens {
        let path = format!("/stream/cam.m3u8?token={}", token.trim());
        wait::eventually("the playlist", || (server.get(&path).status == 200).then_some(()));
        let multivariant = http::get(proxy.http, &path);
        let path = format!("/stream/{}", uris(&multivariant)[0]);
        for _ in 0..2 {
            let playlist = http::get(proxy.http, &path);
            assert_eq!(playlist.header("x-cache-status"), Some("BYPASS"), "{playlist:?}");
            assert_eq!(uris(&playlist).len(), 3);
            listed.push(playlist.text().to_owned());
        }
        // Nobody has it from the cache who has no token.
        let (bare, _) = path.split_once('?').expect("a query");
        assert_eq!(http::get(proxy.http, bare).status, 403);
    }
    assert!(listed.iter().all(|playlist| *playlist == listed[0]), "the same for all");

    let segments = listed[0].lines().filter(|line| !line.starts_with('#'));
    for (number, uri) in segments.enumerate() {
        let first = http::get(proxy.http, uri);
        let second = http::get(proxy.http, &format!("{uri}&CMCD=bl%3D{number}"));
        assert_eq!((first.status, first.header("x-cache-status")), (200, Some("MISS")));
        assert_eq!((second.status, second.header("x-cache-status")), (200, Some("HIT")));
        assert!(first.body == second.body && !first.body.is_empty());
        let (bare, _) = uri.split_once('?').expect("a tag");
        assert_eq!(http::get(proxy.http, bare).status, 404, "not even where it is in the cache");
    }
    assert_eq!(server.metric("feathercast_http_segment_requests_total"), 3.0);
}
