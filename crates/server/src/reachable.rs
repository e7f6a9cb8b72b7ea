//! Under which address others reach the machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address as others reach it: the wildcard is replaced by the address of the default route.
pub(crate) fn reachable(addr: SocketAddr) -> SocketAddr {
    if !addr.ip().is_unspecified() {
        return addr;
    }
    let ip = default_route_ip().unwrap_or_else(|| Ipv4Addr::LOCALHOST.into());
    SocketAddr::new(ip, addr.port())
}

/// Connecting a UDP socket sends nothing: it only makes the system choose the local address.
pub(crate) fn default_route_ip() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address of the documentation range (RFC 5737): somewhere outside.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && ip != Ipv6Addr::UNSPECIFIED).then_some(ip)
}
