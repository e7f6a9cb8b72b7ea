//! Where a server that we start listens: always on loopback, where nobody else does.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::failure::Failure;

/// The addresses of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    rtmp: SocketAddr,
    http: SocketAddr,
    admin: SocketAddr,
}

impl Ports {
    /// Ports that nobody uses.
    pub(crate) fn free() -> Result<Self, Failure> {
        let told = |error| format!("cannot listen on 127.0.0.1: {error}");
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(told);
        // All three are held until all are known, so that they differ.
        let (rtmp, http, admin) = (listen()?, listen()?, listen()?);
        let address = |listener: &TcpListener| listener.local_addr().map_err(told);
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

    /// Whether somebody listens here, for publishers and for viewers.
    pub(crate) fn are_open(&self) -> bool {
        [self.rtmp, self.http].iter().all(|address| TcpStream::connect(address).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_options_are_those_of_serve() {
        let ports = Ports::free().unwrap();
        assert!(!ports.are_open());
        assert!(ports.rtmp != ports.http && ports.http != ports.admin);
        let options = ports.options();
        assert_eq!(
            options.each_ref().map(String::as_str)[..2],
            ["--rtmp-addr", &ports.rtmp.to_string()]
        );
        assert_eq!(options[5], ports.admin.to_string());
        let _rtmp = TcpListener::bind(ports.rtmp).unwrap();
        let _http = TcpListener::bind(ports.http).unwrap();
        assert!(ports.are_open());
    }
}
