//! Where a server that we start listens: always on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::failure::Failure;

/// The addresses of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub rtmp: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Ports {
    /// The product's own ports; for each that somebody else listens on, a free one.
    pub(crate) fn usual() -> Result<Self, Failure> {
        Self::preferring([1935, 8935, 7935])
    }

    /// Ports that nobody uses.
    pub(crate) fn free() -> Result<Self, Failure> {
        Self::preferring([0, 0, 0])
    }

    fn preferring(ports: [u16; 3]) -> Result<Self, Failure> {
        // All three are held until all are known, so that they differ.
        let [rtmp, http, admin] = ports.map(listen);
        let (rtmp, http, admin) = (rtmp?, http?, admin?);
        Ok(Self { rtmp: address(&rtmp)?, http: address(&http)?, admin: address(&admin)? })
    }

    /// The options that make `feathercast serve` listen here.
    pub(crate) fn options(&self) -> [String; 6] {
        let Self { rtmp, http, admin } = self;
        [("--rtmp-addr", rtmp), ("--http-addr", http), ("--admin-addr", admin)]
            .map(|(option, address)| [option.to_owned(), address.to_string()])
            .concat()
            .try_into()
            .unwrap_or_default()
    }
}

fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .map_err(|error| format!("cannot listen on 127.0.0.1: {error}").into())
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| format!("cannot listen on 127.0.0.1: {error}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_avoided() {
        let holder = listen(0).unwrap();
        let taken = address(&holder).unwrap();
        let ports = Ports::preferring([taken.port(), 0, 0]).unwrap();
        assert_ne!(ports.rtmp, taken);
        assert_ne!(ports.http, ports.admin);
        assert!(ports.rtmp.ip().is_loopback());
    }

    #[test]
    fn options_are_those_of_serve() {
        let ports = Ports::free().unwrap();
        let options = ports.options();
        assert_eq!(
            options.each_ref().map(String::as_str)[..2],
            ["--rtmp-addr", &ports.rtmp.to_string()]
        );
        assert_eq!(options[5], ports.admin.to_string());
    }
}
