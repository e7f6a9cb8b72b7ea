//! RTMPS and HTTPS: whether, where, and with whose certificate.

use std::net::{Ipv4Addr, SocketAddr};

use server::{AcmeChallenge, AcmeConfig, CertificateSource, TlsConfig};

use crate::config::Reader;
use crate::settings::Said;

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Reads what is about TLS. `None` where nothing is, or where it makes no sense.
pub(crate) fn resolve(reader: &mut Reader<'_>, http_addr: SocketAddr) -> Option<TlsConfig> {
    let any_host = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let rtmps_addr = reader.address("rtmps-addr", any_host(1936));
    let https_addr = reader.address("https-addr", any_host(8936));
    let acme = acme(reader, http_addr, https_addr);
    let (cert, key) = (reader.path("tls-cert"), reader.path("tls-key"));
    match (reader.said("tls-cert"), reader.said("tls-key"), reader.said("acme")) {
        (Some(cert), None, None) => {
            reader.miss(cert, format_args!("write {}, too", cert.other("tls-key")));
        }
        (None, Some(key), None) => {
            reader.miss(key, format_args!("write {}, too", key.other("tls-cert")));
        }
        (Some(_), _, Some(acme)) | (_, Some(_), Some(acme)) => {
            let [cert, key] = ["tls-cert", "tls-key"].map(|flag| acme.other(flag));
            reader.refuse(acme, format_args!("leave it out, or {cert} and {key}"));
        }
        (None, None, None) => {
            for flag in ["rtmps-addr", "https-addr"] {
                let Some(said) = reader.said(flag) else { continue };
                let [cert, key, acme] = ["tls-cert", "tls-key", "acme"].map(|it| said.other(it));
                let what = format!("it needs a certificate: write {cert} and {key}, or {acme}");
                reader.miss(said, what);
            }
        }
        (Some(_), Some(_), None) | (None, None, Some(_)) => {}
    }
    let certificate = match (cert, key, acme) {
        (Some(cert), Some(key), None) => CertificateSource::Files { cert, key },
        (None, None, Some(acme)) => CertificateSource::Acme(acme),
        _ => return None,
    };
    Some(TlsConfig { rtmps_addr, https_addr, certificate })
}

fn acme(
    reader: &mut Reader<'_>,
    http_addr: SocketAddr,
    https_addr: SocketAddr,
) -> Option<AcmeConfig> {
    let folder = reader.path("acme-folder").unwrap_or_else(|| "acme".into());
    let directory = reader.read("acme-directory", LETS_ENCRYPT.to_owned(), directory);
    let ca = reader.path("acme-ca");
    let Some(said) = reader.said("acme") else {
        for flag in ["acme-folder", "acme-directory", "acme-ca"] {
            let Some(said) = reader.said(flag) else { continue };
            reader.miss(said, format_args!("it needs names: write {}, too", said.other("acme")));
        }
        return None;
    };
    let meaning = domains(said)
        .and_then(|domains| Ok((challenge(said, &domains, http_addr, https_addr)?, domains)));
    match meaning {
        Ok((challenge, domains)) => Some(AcmeConfig { challenge, domains, directory, folder, ca }),
        Err(what) => {
            reader.refuse(said, what);
            None
        }
    }
}

fn directory(said: &Said) -> Result<String, String> {
    let directory = said.text()?;
    if !directory.starts_with("https://") {
        return Err(format!("write an https URL, for example {LETS_ENCRYPT}"));
    }
    Ok(directory)
}

fn domains(said: &Said) -> Result<Vec<String>, String> {
    let domains: Vec<_> =
        said.text()?.split(',').map(|domain| domain.trim().to_ascii_lowercase()).collect();
    match domains.iter().find(|domain| !is_domain(domain)) {
        Some(domain) => Err(format!(
            "{domain:?} is no name that an authority can find; write for example live.example.com"
        )),
        None => Ok(domains),
    }
}

/// Authorities look on two ports and on no other.
fn challenge(
    said: &Said,
    domains: &[String],
    http_addr: SocketAddr,
    https_addr: SocketAddr,
) -> Result<AcmeChallenge, String> {
    match (https_addr.port(), http_addr.port()) {
        (443, _) => Ok(AcmeChallenge::TlsAlpn01),
        (_, 80) => Ok(AcmeChallenge::Http01),
        (https, http) => Err(format!(
            "an authority looks for {} on port 443 or 80, and ours are {https} and {http}; let {} be \
             :443 (tls-alpn-01) or {} be :80 (http-01)",
            domains.join(", "),
            said.other("https-addr"),
            said.other("http-addr"),
        )),
    }
}

/// A name of at least two labels (RFC 1123 2.1). It becomes a file's name, too.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let has_good_ends = !label.starts_with('-') && !label.ends_with('-');
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len()) && has_good_ends && label.bytes().all(is_good)
    };
    let is_address = text.rsplit('.').next().is_none_or(|last| last.parse::<u32>().is_ok());
    text.len() <= 253 && text.contains('.') && !is_address && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{refused, resolved};

    const FILES: &str = "tls_cert = 'c.pem'\ntls_key = 'k.pem'\n";

    fn tls(toml: &str) -> TlsConfig {
        resolved(toml).unwrap().tls.unwrap()
    }

    fn acme(toml: &str) -> AcmeConfig {
        match tls(toml).certificate {
            CertificateSource::Acme(acme) => acme,
            CertificateSource::Files { .. } => panic!("{toml}"),
        }
    }

    #[test]
    fn a_certificate_and_its_key_open_two_more_ports() {
        let addrs = |toml: &str| {
            let tls = tls(toml);
            [tls.rtmps_addr, tls.https_addr].map(|addr| addr.to_string())
        };
        assert_eq!(addrs(FILES), ["0.0.0.0:1936", "0.0.0.0:8936"]);
        let own = format!("{FILES}rtmps_addr = '[::]'\nhttps_addr = ':443'");
        assert_eq!(addrs(&own), ["[::]:1936", "0.0.0.0:443"]);
        assert!(resolved("").unwrap().tls.is_none());
        for half in ["tls_cert = 'c.pem'", "tls_key = 'k.pem'"] {
            assert!(refused(half).contains(", too"), "{half}");
        }
        assert!(refused("https_addr = ':443'").contains("needs a certificate"));
    }

    #[test]
    fn acme_needs_a_port_where_authorities_look() {
        let names = "acme = 'live.example.com, b.example.com'\n";
        let by_tls = acme(&format!("{names}https_addr = ':443'\nhttp_addr = ':80'"));
        assert_eq!(by_tls.challenge, AcmeChallenge::TlsAlpn01);
        assert_eq!(by_tls.domains, ["live.example.com", "b.example.com"]);
        assert_eq!(
            (by_tls.directory.as_str(), by_tls.folder.to_str()),
            (LETS_ENCRYPT, Some("acme"))
        );
        let by_http = acme(&format!("{names}http_addr = ':80'"));
        assert_eq!(by_http.challenge, AcmeChallenge::Http01);
        let error = refused(names);
        assert!(error.contains("ours are 8936 and 8935") && error.contains(":443"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_acme_is_named_with_the_remedy() {
        for domain in [
            "localhost",
            "",
            "192.0.2.7",
            "a..b",
            "-a.example",
            "../x.y",
            "a_b.example",
            "*.example.com",
        ] {
            let error = refused(&format!("acme = '{domain}'\nhttps_addr = ':443'"));
            assert!(error.contains("live.example.com"), "{domain}: {error}");
        }
        let both = format!("{FILES}acme = 'a.example.com'\nhttps_addr = ':443'");
        assert!(refused(&both).contains("leave it out"));
        assert!(refused("acme_folder = 'x'").contains("write acme, too"));
        let plain = "acme = 'a.example.com'\nhttps_addr = ':443'\nacme_directory = 'http://x'";
        assert!(refused(plain).contains("https URL"));
    }
}
