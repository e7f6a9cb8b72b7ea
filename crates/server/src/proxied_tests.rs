//! Connections and requests that come through a proxy, over real sockets.

use std::time::Duration;

use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Limits;
use crate::tls_tests::{Site, rtmp_handshake};

const PROXIES: &str = "127.0.0.0/8";

/// A PROXY header (2.2) of a connection from 192.0.2.`host`, with a field behind the addresses.
fn header(host: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, host, 10, 0, 0, 1, 0x13, 0x88, 0x07, 0x8f];
    let field = [0x04, 0x00, 0x01, 0x00];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x10"[..], &addresses, &field].concat()
}

/// Whether the server closes without a word.
async fn is_closed(socket: &mut TcpStream) -> bool {
    socket.read(&mut [0]).await.unwrap_or(0) == 0
}

#[tokio::test]
async fn a_proxied_connection_counts_for_its_source_on_all_ports() {
    let limits = Limits { rtmp_connections: 1, ..Limits::default() };
    let site = Site::behind(PROXIES, limits).await;
    let mut first = TcpStream::connect(site.rtmp).await.unwrap();
    first.write_all(&header(7)).await.unwrap();
    assert_eq!(rtmp_handshake(&mut first).await, 3);
    for addr in [site.rtmp, site.rtmps] {
        let mut second = TcpStream::connect(addr).await.unwrap();
        second.write_all(&header(7)).await.unwrap();
        assert!(is_closed(&mut second).await, "{addr}: two from one address");
    }
    let mut other = TcpStream::connect(site.rtmps).await.unwrap();
    other.write_all(&header(8)).await.unwrap();
    let mut other = site.shake(other, &[&TLS13], &[]).await.unwrap();
    assert_eq!(rtmp_handshake(&mut other).await, 3);
}

#[tokio::test]
async fn a_header_in_pieces_is_read_to_its_end_and_no_further() {
    let site = Site::behind(PROXIES, Limits::default()).await;
    let mut socket = TcpStream::connect(site.rtmp).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for byte in header(7) {
        socket.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(rtmp_handshake(&mut socket).await, 3);
}

#[tokio::test]
async fn a_trusted_proxy_may_say_nothing_but_nothing_wrong_and_not_for_ever() {
    let limits = Limits { proxy_header: Duration::from_millis(50), ..Limits::default() };
    let site = Site::behind(PROXIES, limits).await;
    let mut plain = TcpStream::connect(site.rtmp).await.unwrap();
    assert_eq!(rtmp_handshake(&mut plain).await, 3);
    for wrong in [&b""[..], b"\r\nGET / HTTP/1.1\r\n\r\n", &header(7)[..20]] {
        for addr in [site.rtmp, site.http] {
            let mut socket = TcpStream::connect(addr).await.unwrap();
            socket.write_all(wrong).await.unwrap();
            assert!(is_closed(&mut socket).await, "{addr}: {wrong:?}");
        }
    }
}

#[tokio::test]
async fn a_strangers_header_is_bad_input() {
    let site = Site::behind("10.0.0.0/8", Limits::default()).await;
    let mut socket = TcpStream::connect(site.rtmp).await.unwrap();
    socket.write_all(&header(7)).await.unwrap();
    assert!(is_closed(&mut socket).await);
    let mut socket = TcpStream::connect(site.http).await.unwrap();
    socket.write_all(&header(7)).await.unwrap();
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_proxys_requests_are_answered_like_others() {
    let site =
        Site::behind(PROXIES, Limits { http_connections_per_ip: 1, ..Limits::default() }).await;
    let mut socket = TcpStream::connect(site.http).await.unwrap();
    let requests = "GET /healthz HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n\
        GET /healthz HTTP/1.1\r\nHost: h\r\nForwarded: for=192.0.2.8\r\nConnection: close\r\n\r\n";
    socket.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    socket.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
    assert_eq!(answers.matches("\r\n\r\nok").count(), 2, "{answers}");
}
