//! Who is behind a proxy: what proxies say in front of a connection and in the fields of a request.
//!
//! | Specification | Version | Here called |
//! |---|---|---|
//! | [The PROXY protocol](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt) | versions 1 and 2, 2020 | PROXY |
//! | [Forwarded HTTP Extension](https://www.rfc-editor.org/rfc/rfc7239) | RFC 7239, June 2014 | RFC 7239 |
//!
//! Anybody can say such things, so **they count only from an address that is in
//! [`TrustedProxies`]**. No header, however long it says to be, takes more than
//! [`Limits::header_bytes`], and what is behind it is never touched.
//!
//! ```
//! use forwarded::{Limits, ProxyHeader, Reading, parse_proxy_header};
//!
//! let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
//! bytes.extend([192, 0, 2, 7, 10, 0, 0, 1, 0x13, 0x88, 0x07, 0x8f]);
//! let source = "192.0.2.7:5000".parse().unwrap();
//! let reading = parse_proxy_header(&bytes, &Limits::default())?;
//! assert_eq!(reading, Reading::Whole { header: ProxyHeader::Proxied(source), bytes: 28 });
//! # Ok::<(), forwarded::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::expect_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests compute with their own numbers"
    )
)]

mod error;
mod fields;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod limits;
mod proxy_header;
mod trusted;

pub use error::{Error, InvalidNetwork};
pub use fields::client;
pub use limits::Limits;
pub use proxy_header::{FIRST_BYTE, ProxyHeader, Reading, parse_proxy_header};
pub use trusted::TrustedProxies;
