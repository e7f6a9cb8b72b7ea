//! Whose word is taken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::InvalidNetwork;

/// The addresses of proxies that say the truth about who is behind them: `10.0.0.0/8,2001:db8::1`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// All addresses of a family whose first bits are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    base: IpAddr,
    prefix_bits: u32,
}

impl TrustedProxies {
    /// Whether the proxy at this address is believed. An IPv4 address is the same one however it is
    /// written.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(ip))
    }
}

impl FromStr for TrustedProxies {
    type Err = InvalidNetwork;

    /// Addresses and networks with commas between; nothing at all is nobody.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let differing = base.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let differing = base.to_bits() ^ ip.to_bits();
                differing.leading_zeros() >= self.prefix_bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork { text: text.to_owned() };
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| invalid())?;
        let most = match base {
            IpAddr::V4(_) => Ipv4Addr::BITS,
            IpAddr::V6(_) => Ipv6Addr::BITS,
        };
        let prefix_bits = match prefix {
            None => most,
            Some(prefix) => {
                let bits = prefix.parse().ok().filter(|bits| *bits <= most);
                bits.ok_or_else(invalid)?
            }
        };
        Ok(Self { base, prefix_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusts(list: &str, ip: &str) -> bool {
        list.parse::<TrustedProxies>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn networks_have_the_addresses_with_their_first_bits() {
        for (list, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25, ::1", "192.0.2.255", "192.0.2.127"),
            ("192.0.2.128/25, ::1", "::1", "::2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("::/0", "2001:db8::", "127.0.0.1"),
        ] {
            assert!(trusts(list, inside) && !trusts(list, outside), "{list}");
        }
        assert!(!trusts("", "127.0.0.1") && !trusts(" , ", "::1"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in
            ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "proxy.example", "10.0.0/8"]
        {
            let error = format!("10.0.0.1,{text}").parse::<TrustedProxies>().unwrap_err();
            assert_eq!(error.text, text);
        }
    }
}
