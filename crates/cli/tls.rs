//! RTMPS and HTTPS: whether, where, and with whose certificate.

use std::net::{Ipv4Addr, SocketAddr};

use server::{AcmeChallenge, AcmeConfig, CertificateSource, TlsConfig};

use crate::args::UsageError;
use crate::config::address;
use crate::settings::Settings;

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Takes out of the settings what is about TLS. `None` where nothing is.
pub(crate) fn resolve(
    settings: &mut Settings,
    http_addr: SocketAddr,
) -> Result<Option<TlsConfig>, UsageError> {
    let (rtmps_addr, https_addr) = (settings.rtmps_addr.take(), settings.https_addr.take());
    let has_addr = rtmps_addr.is_some() || https_addr.is_some();
    let any_host = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let address = |option, text: Option<String>, default| {
        text.map_or(Ok(default), |text| address(option, &text, default))
    };
    let rtmps_addr = address("--rtmps-addr", rtmps_addr, any_host(1936))?;
    let https_addr = address("--https-addr", https_addr, any_host(8936))?;
    let acme = acme(settings, http_addr, https_addr)?;
    let certificate = match (settings.tls_cert.take(), settings.tls_key.take(), acme) {
        (Some(cert), Some(key), None) => CertificateSource::Files { cert, key },
        (None, None, Some(acme)) => CertificateSource::Acme(acme),
        (None, None, None) if !has_addr => return Ok(None),
        (None, None, None) => {
            return Err(UsageError::new(
                "--rtmps-addr and --https-addr need a certificate: write --tls-cert and --tls-key, or --acme",
            ));
        }
        (_, _, None) => {
            return Err(UsageError::new("--tls-cert and --tls-key: write both, or neither"));
        }
        (_, _, Some(_)) => {
            return Err(UsageError::new("--acme: leave it out, or --tls-cert and --tls-key"));
        }
    };
    Ok(Some(TlsConfig { rtmps_addr, https_addr, certificate }))
}

fn acme(
    settings: &mut Settings,
    http_addr: SocketAddr,
    https_addr: SocketAddr,
) -> Result<Option<AcmeConfig>, UsageError> {
    let (folder, directory) = (settings.acme_folder.take(), settings.acme_directory.take());
    let ca = settings.acme_ca.take();
    let Some(domains) = settings.acme.take() else {
        if folder.is_some() || directory.is_some() || ca.is_some() {
            return Err(UsageError::new(
                "--acme-folder, --acme-directory and --acme-ca need names: write --acme, too",
            ));
        }
        return Ok(None);
    };
    let domains: Vec<_> =
        domains.split(',').map(|domain| domain.trim().to_ascii_lowercase()).collect();
    if let Some(domain) = domains.iter().find(|domain| !is_domain(domain)) {
        return Err(UsageError::new(format_args!(
            "--acme: {domain:?} is no name that an authority can find; write for example live.example.com"
        )));
    }
    let directory = directory.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    if !directory.starts_with("https://") {
        return Err(UsageError::new(format_args!(
            "--acme-directory {directory:?}: write an https URL, for example {LETS_ENCRYPT}"
        )));
    }
    Ok(Some(AcmeConfig {
        challenge: challenge(&domains, http_addr, https_addr)?,
        domains,
        directory,
        folder: folder.unwrap_or_else(|| "acme".into()),
        ca,
    }))
}

/// Authorities look on two ports and on no other.
fn challenge(
    domains: &[String],
    http_addr: SocketAddr,
    https_addr: SocketAddr,
) -> Result<AcmeChallenge, UsageError> {
    match (https_addr.port(), http_addr.port()) {
        (443, _) => Ok(AcmeChallenge::TlsAlpn01),
        (_, 80) => Ok(AcmeChallenge::Http01),
        (https, http) => Err(UsageError::new(format_args!(
            "--acme: an authority looks for {} on port 443 or 80, and ours are {https} and {http}; write \
             --https-addr :443 (tls-alpn-01) or --http-addr :80 (http-01)",
            domains.join(", "),
        ))),
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
            assert!(refused(half).contains("write both, or neither"), "{half}");
        }
        assert!(refused("https_addr = ':443'").contains("need a certificate"));
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
        assert!(refused("acme_folder = 'x'").contains("write --acme, too"));
        let plain = "acme = 'a.example.com'\nhttps_addr = ':443'\nacme_directory = 'http://x'";
        assert!(refused(plain).contains("https URL"));
    }
}
