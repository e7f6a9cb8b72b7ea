//! What stands in front of a proxied connection: PROXY 2.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Error, Limits};

/// Begins neither RTMP (3), nor TLS (22), nor a request's method.
pub const FIRST_BYTE: u8 = 0x0d;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and protocol, and the length of the rest.
const FIXED_BYTES: usize = 16;

/// What a proxy says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// It speaks for itself, which is a check of its own, or for somebody without an IP address:
    /// the connection's own address counts.
    Local,
    /// It passes on a connection that came from there.
    Proxied(SocketAddr),
}

/// How far a header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It has at least so many bytes, of which some are missing: more than were given, and never
    /// more than there are.
    Partial {
        /// From the first byte of the header.
        bytes: usize,
    },
    /// It is whole. What follows behind these bytes is the connection's own.
    Whole {
        /// What it says.
        header: ProxyHeader,
        /// From the first byte of the header.
        bytes: usize,
    },
}

/// Reads the header at the start of `input`. What may stand behind its addresses (PROXY 2.2.1 on)
/// is skipped.
///
/// # Errors
/// The first byte that is wrong; the same one however much of the input is there already.
pub fn parse_proxy_header(input: &[u8], limits: &Limits) -> Result<Reading, Error> {
    for (position, (found, wanted)) in input.iter().zip(SIGNATURE).enumerate() {
        if found != wanted {
            return Err(Error::Signature { position, found: *found });
        }
    }
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED_BYTES>() else {
        if let Some(version_and_command) = input.get(12) {
            command(*version_and_command)?;
        }
        return Ok(Reading::Partial { bytes: FIXED_BYTES });
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let is_local = command(version_and_command)? == Command::Local;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes = FIXED_BYTES.saturating_add(length);
    if bytes > limits.header_bytes {
        return Err(Error::TooLong { bytes, allowed: limits.header_bytes });
    }
    // What a proxy says of its own connection is not looked at.
    let family = if is_local { Family::Unknown } else { Family::of(family)? };
    if length < family.bytes() {
        return Err(Error::Addresses { bytes: length, needed: family.bytes() });
    }
    let Some(addresses) = rest.get(..length) else { return Ok(Reading::Partial { bytes }) };
    let header = family.source(addresses).map_or(ProxyHeader::Local, ProxyHeader::Proxied);
    Ok(Reading::Whole { header, bytes })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Local,
    Proxy,
}

fn command(byte: u8) -> Result<Command, Error> {
    match (byte >> 4, byte & 0x0f) {
        (2, 0) => Ok(Command::Local),
        (2, 1) => Ok(Command::Proxy),
        (2, command) => Err(Error::Command { command }),
        (version, _) => Err(Error::Version { version }),
    }
}

/// Byte 13, for connections.
#[derive(Clone, Copy)]
enum Family {
    /// UNSPEC, or a Unix socket, which has no IP address.
    Unknown,
    Inet,
    Inet6,
}

impl Family {
    fn of(byte: u8) -> Result<Self, Error> {
        match byte {
            0x00 | 0x31 => Ok(Self::Unknown),
            0x11 => Ok(Self::Inet),
            0x21 => Ok(Self::Inet6),
            found => Err(Error::Family { found }),
        }
    }

    /// Source and destination, each an address and a port.
    fn bytes(self) -> usize {
        match self {
            Self::Unknown => 0,
            Self::Inet => 12,
            Self::Inet6 => 36,
        }
    }

    /// The source of a block of addresses: source address, destination address, source port,
    /// destination port.
    fn source(self, addresses: &[u8]) -> Option<SocketAddr> {
        match self {
            Self::Unknown => None,
            Self::Inet => {
                let (source, rest) = addresses.split_first_chunk::<4>()?;
                let (_destination, ports) = rest.split_first_chunk::<4>()?;
                let port = u16::from_be_bytes(*ports.first_chunk()?);
                Some(SocketAddr::new(Ipv4Addr::from(*source).into(), port))
            }
            Self::Inet6 => {
                let (source, rest) = addresses.split_first_chunk::<16>()?;
                let (_destination, ports) = rest.split_first_chunk::<16>()?;
                let port = u16::from_be_bytes(*ports.first_chunk()?);
                Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*source)).to_canonical(), port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn read(input: &[u8]) -> Result<Reading, Error> {
        parse_proxy_header(input, &Limits::default())
    }

    /// Version and command, family, addresses and what follows them.
    fn header(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version_and_command, family], &length, rest].concat()
    }

    fn whole(header: ProxyHeader, bytes: usize) -> Result<Reading, Error> {
        Ok(Reading::Whole { header, bytes })
    }

    #[test]
    fn proxy_2_2_addresses_of_both_families() {
        let v4 = header(0x21, 0x11, &hex!("c0000207 0a000001 1388 078f"));
        let source = "192.0.2.7:5000".parse().unwrap();
        assert_eq!(read(&v4), whole(ProxyHeader::Proxied(source), 28));
        let v6 = hex!(
            "20010db8000000000000000000000007 20010db8000000000000000000000001 1388 078f 04 0003 000000"
        );
        let source = "[2001:db8::7]:5000".parse().unwrap();
        assert_eq!(read(&header(0x21, 0x21, &v6)), whole(ProxyHeader::Proxied(source), 58));
        let mapped =
            hex!("00000000000000000000ffffc0000207 00000000000000000000000000000001 0001 0002");
        let source = "192.0.2.7:1".parse().unwrap();
        assert_eq!(read(&header(0x21, 0x21, &mapped)), whole(ProxyHeader::Proxied(source), 52));
    }

    #[test]
    fn proxy_2_2_a_proxys_own_connection_and_those_without_an_address() {
        for (version_and_command, family) in
            [(0x20, 0x00), (0x20, 0x11), (0x20, 0xff), (0x21, 0x00), (0x21, 0x31)]
        {
            let bytes = header(version_and_command, family, &[0xaa; 9]);
            assert_eq!(read(&bytes), whole(ProxyHeader::Local, 25), "{family:#x}");
        }
    }

    #[test]
    fn every_rule_has_its_error() {
        let mut broken = header(0x21, 0x11, &[0; 12]);
        broken[5] = b'x';
        assert_eq!(read(&broken), Err(Error::Signature { position: 5, found: b'x' }));
        assert_eq!(read(b"PROXY TCP4"), Err(Error::Signature { position: 0, found: b'P' }));
        assert_eq!(read(&header(0x11, 0x11, &[0; 12])), Err(Error::Version { version: 1 }));
        assert_eq!(read(&header(0x22, 0x11, &[0; 12])), Err(Error::Command { command: 2 }));
        for found in [0x10, 0x12, 0x22, 0x32, 0x41] {
            assert_eq!(read(&header(0x21, found, &[0; 36])), Err(Error::Family { found }));
        }
        let short = Error::Addresses { bytes: 11, needed: 12 };
        assert_eq!(read(&header(0x21, 0x11, &[0; 11])), Err(short));
        let short = Error::Addresses { bytes: 35, needed: 36 };
        assert_eq!(read(&header(0x21, 0x21, &[0; 35])), Err(short));
        let long = header(0x21, 0x11, &[0; 2033]);
        assert_eq!(read(&long), Err(Error::TooLong { bytes: 2049, allowed: 2048 }));
        assert_eq!(read(&long[..16]), Err(Error::TooLong { bytes: 2049, allowed: 2048 }));
    }

    #[test]
    fn as_many_bytes_are_asked_for_as_are_known_to_come() {
        let bytes = header(0x21, 0x11, &[7; 20]);
        for length in 0..16 {
            assert_eq!(read(&bytes[..length]), Ok(Reading::Partial { bytes: 16 }), "{length}");
        }
        for length in 16..36 {
            assert_eq!(read(&bytes[..length]), Ok(Reading::Partial { bytes: 36 }), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_a_proxy_writes_is_read_whatever_follows(
            ip: IpAddr,
            port: u16,
            fields in prop::collection::vec(any::<u8>(), 0..1500),
            behind in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let source = SocketAddr::new(ip.to_canonical(), port);
            let (family, address) = match ip {
                IpAddr::V4(ip) => (0x11, ip.octets().to_vec()),
                IpAddr::V6(ip) => (0x21, ip.octets().to_vec()),
            };
            let rest = [&address[..], &address, &port.to_be_bytes(), &[0, 1], &fields].concat();
            let bytes = header(0x21, family, &rest);
            let read = read(&[&bytes[..], &behind].concat());
            prop_assert_eq!(read, whole(ProxyHeader::Proxied(source), bytes.len()));
        }
    }
}
