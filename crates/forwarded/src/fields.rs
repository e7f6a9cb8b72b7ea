//! What proxies add to a request: `Forwarded` (RFC 7239) and the older `X-Forwarded-For`.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::TrustedProxies;

/// Hops that are looked at, from the nearest: chains of proxies are short, and requests come from
/// strangers.
const HOPS: usize = 16;

/// The address that a request came from in the first place, where a trusted proxy handed it in with
/// these fields (each with all its lines, in their order). `None`: the proxy does not say, or
/// nothing that can be believed, and the request is its own.
///
/// Every proxy writes at the end of what it got, and what it got may be anything, so the last
/// address counts that is not a trusted proxy's own. A proxy that adds to one of the two fields
/// passes on the other as it came: where they differ, neither is believed.
pub fn client<'a>(
    forwarded: impl Iterator<Item = &'a [u8]>,
    x_forwarded_for: impl Iterator<Item = &'a [u8]>,
    trusted: &TrustedProxies,
) -> Option<IpAddr> {
    let mut standard = Hops::default();
    for line in forwarded {
        standard.push_forwarded(line);
    }
    let mut common = Hops::default();
    for line in x_forwarded_for {
        common.push_x_forwarded_for(line);
    }
    match (standard.0.is_empty(), common.0.is_empty()) {
        (true, _) => common.client(trusted),
        (_, true) => standard.client(trusted),
        _ => standard.client(trusted).filter(|client| common.client(trusted) == Some(*client)),
    }
}

/// The addresses that were written down on a request's way, the nearest last. `None` is one that
/// cannot be read, or is hidden on purpose (RFC 7239 6.3).
#[derive(Default)]
struct Hops(VecDeque<Option<IpAddr>>);

impl Hops {
    fn push(&mut self, hop: Option<IpAddr>) {
        if self.0.len() == HOPS {
            self.0.pop_front();
        }
        self.0.push_back(hop);
    }

    fn push_x_forwarded_for(&mut self, line: &[u8]) {
        for element in line.split(|byte| *byte == b',') {
            self.push(std::str::from_utf8(element).ok().and_then(|text| address(text.trim())));
        }
    }

    /// A line that breaks the grammar anywhere says nothing: in it, what a proxy has added may
    /// stand inside a stranger's quotes.
    fn push_forwarded(&mut self, line: &[u8]) {
        let text = std::str::from_utf8(line).ok();
        match text.and_then(|text| split_outside_quotes(text, ',')) {
            None => self.push(None),
            Some(elements) => elements.into_iter().for_each(|element| self.push(for_of(element))),
        }
    }

    fn client(&self, trusted: &TrustedProxies) -> Option<IpAddr> {
        let mut nearest = None;
        for hop in self.0.iter().rev() {
            match *hop {
                Some(ip) if trusted.contains(ip) => nearest = Some(ip),
                // Behind what cannot be read nothing can be believed.
                known_or_not => return known_or_not.or(nearest),
            }
        }
        nearest
    }
}

/// The address in the `for` parameter of one element, where it has exactly one.
fn for_of(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_outside_quotes(element, ';')? {
        if pair.trim().is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            found = Some(address(quoted.unwrap_or(value))?);
        }
    }
    found
}

/// The parts of a list whose values may be quoted strings (RFC 9110 5.6.4), each of which begins
/// behind an equals sign and ends where its part does. `None` where one does not.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    // One line holds no more of them that are looked at.
    let mut parts = VecDeque::new();
    let (mut start, mut quotes, mut previous) = (0, Quotes::Outside, ',');
    for (index, character) in text.char_indices() {
        quotes = match (quotes, character) {
            (Quotes::Outside, '"') if previous == '=' => Quotes::Inside,
            (Quotes::Outside, '"') => return None,
            (Quotes::Outside | Quotes::Behind, found) if found == separator => {
                if parts.len() == HOPS {
                    parts.pop_front();
                }
                parts.push_back(text.get(start..index)?);
                start = index.saturating_add(character.len_utf8());
                Quotes::Outside
            }
            (Quotes::Outside, _) => Quotes::Outside,
            (Quotes::Inside, '"') => Quotes::Behind,
            (Quotes::Inside, '\\') => Quotes::Escaped,
            (Quotes::Inside | Quotes::Escaped, _) => Quotes::Inside,
            // Parts of parts are looked at later.
            (Quotes::Behind, ' ' | '\t') => Quotes::Behind,
            (Quotes::Behind, ';') => Quotes::Outside,
            (Quotes::Behind, _) => return None,
        };
        previous = character;
    }
    if matches!(quotes, Quotes::Inside | Quotes::Escaped) {
        return None;
    }
    parts.push_back(text.get(start..)?);
    Some(parts.into())
}

/// Where a character of a list stands.
#[derive(Clone, Copy)]
enum Quotes {
    Outside,
    Inside,
    /// Behind a backslash inside.
    Escaped,
    /// Behind the closing one.
    Behind,
}

/// An address with or without a port, IPv6 with or without brackets (RFC 7239 6).
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    ip.or_else(|| bracketed().map(IpAddr::V6)).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 10.0.0.0/8 trusted.
    fn found(forwarded: &[&str], x_forwarded_for: &[&str]) -> Option<String> {
        let trusted = "10.0.0.0/8".parse().unwrap();
        let forwarded = forwarded.iter().map(|line| line.as_bytes());
        let x_forwarded_for = x_forwarded_for.iter().map(|line| line.as_bytes());
        client(forwarded, x_forwarded_for, &trusted).map(|ip| ip.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxys_counts() {
        for (line, client) in [
            ("192.0.2.7", Some("192.0.2.7")),
            ("198.51.100.1, 192.0.2.7", Some("192.0.2.7")),
            ("198.51.100.1, 192.0.2.7, 10.0.0.1,10.0.0.2", Some("192.0.2.7")),
            ("10.0.0.1, 10.0.0.2", Some("10.0.0.1")),
            ("192.0.2.7:5000", Some("192.0.2.7")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("[2001:db8::7]:5000", Some("2001:db8::7")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("::ffff:192.0.2.7", Some("192.0.2.7")),
            ("192.0.2.7, unknown", None),
            ("192.0.2.7, unknown, 10.0.0.1", Some("10.0.0.1")),
            ("192.0.2.7,", None),
            ("", None),
        ] {
            assert_eq!(found(&[], &[line]).as_deref(), client, "{line}");
        }
        assert_eq!(found(&[], &["192.0.2.7", "192.0.2.8"]).as_deref(), Some("192.0.2.8"));
        assert_eq!(found(&[], &[]), None);
        let spoofed = "198.51.100.1, ".repeat(1000) + "192.0.2.7, 10.0.0.1";
        assert_eq!(found(&[], &[&spoofed]).as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn rfc_7239_4_the_for_parameter_in_all_its_forms() {
        for (line, client) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("proto=https; FOR = 192.0.2.60", Some("192.0.2.60")),
            ("for=192.0.2.43, for=198.51.100.17", Some("198.51.100.17")),
            (
                "for=192.0.2.43, for=\"10.0.0.1\";by=\"a,b;c\\\"\" , for=10.0.0.2",
                Some("192.0.2.43"),
            ),
            ("for=192.0.2.43, for=\"_gazonk\"", None),
            ("for=192.0.2.43, proto=http", None),
            ("for=192.0.2.43;;", Some("192.0.2.43")),
            ("for=192.0.2.43;for=192.0.2.44", None),
            ("for", None),
        ] {
            assert_eq!(found(&[line], &[]).as_deref(), client, "{line}");
        }
    }

    #[test]
    fn quotes_that_a_stranger_leaves_open_do_not_swallow_what_a_proxy_adds() {
        for stranger in [
            "for=198.51.100.1;x=\"",
            "for=198.51.100.1;x=\"\\",
            "for=\"198.51.100.1",
            "x=\"a\"b",
            "x\"",
        ] {
            for added in
                ["for=192.0.2.7", "for=\"[2001:db8::7]\"", "for=\"[2001:db8::7]\";proto=\"http\""]
            {
                let line = format!("{stranger}, {added}");
                let found = found(&[&line], &[]);
                let honest = ["192.0.2.7", "2001:db8::7"];
                assert!(
                    found.as_deref().is_none_or(|ip| honest.contains(&ip)),
                    "{line}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn two_fields_that_differ_are_not_believed() {
        let (one, other) = ("192.0.2.7", "192.0.2.8");
        assert_eq!(found(&[&format!("for={one}")], &[one]).as_deref(), Some(one));
        assert_eq!(found(&[&format!("for={one}")], &[other]), None);
        assert_eq!(found(&["for=unknown"], &[one]), None);
    }
}
