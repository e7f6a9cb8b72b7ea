//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a fuzz body reports a broken property by a panic"
)]

use std::iter::{empty, once};
use std::net::IpAddr;

use crate::{Limits, Reading, TrustedProxies, client, parse_proxy_header};

const LIMITS: Limits = Limits { header_bytes: 256 };

/// However the bytes come in, the header is the same one, or the same error; and no more are asked
/// for than it has, or than the limit.
pub fn proxy_header(data: &[u8]) {
    let whole = parse_proxy_header(data, &LIMITS);
    for length in 0..data.len().min(LIMITS.header_bytes + 1) {
        match parse_proxy_header(&data[..length], &LIMITS) {
            Ok(Reading::Partial { bytes }) => {
                assert!(length < bytes && bytes <= LIMITS.header_bytes, "asks for {bytes}");
                if let Ok(Reading::Whole { bytes: all, .. }) = whole {
                    assert!(bytes <= all, "{bytes} of {all} bytes");
                }
            }
            known => assert_eq!(known, whole, "after {length} bytes"),
        }
    }
}

/// Lines of the two fields, which of them in the first bit of a line's first byte. What comes out
/// is in there, and nothing that is in front of what a trusted proxy has added changes it.
pub fn fields(data: &[u8]) {
    let trusted: TrustedProxies = "10.0.0.0/8, 2001:db8::/32".parse().expect("networks");
    let lines = || data.split(|byte| *byte == b'\n').filter_map(|line| line.split_first());
    let of = |bit: u8| lines().filter(move |(first, _)| **first & 1 == bit).map(|(_, rest)| rest);
    let found = client(of(0), of(1), &trusted);
    if let Some(ip) = found {
        assert_eq!(ip, ip.to_canonical());
    }
    let (real, ours): (IpAddr, &[u8]) = ([192, 0, 2, 7].into(), b"192.0.2.7, 10.0.0.1");
    let behind = of(1).chain([ours]);
    assert_eq!(client(empty(), behind, &trusted), Some(real));
    let ours: &[u8] = b"for=192.0.2.7;proto=https, for=\"10.0.0.1:80\"";
    let behind = of(0).chain([ours]);
    assert_eq!(client(behind, empty(), &trusted), Some(real));
    // In one line with it, what is in front can at most make it unreadable.
    let line = [of(0).next().unwrap_or_default(), b", ", ours].concat();
    let found = client(once(&line[..]), empty(), &trusted);
    assert!(found.is_none_or(|ip| ip == real), "{found:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_forwarded_proxy_header_hold() {
        testmedia::replay("forwarded_proxy_header", super::proxy_header);
    }

    #[test]
    fn seeds_of_forwarded_fields_hold() {
        testmedia::replay("forwarded_fields", super::fields);
    }
}
