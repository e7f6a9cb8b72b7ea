use std::fmt;
use std::net::Ipv6Addr;

/// What RTMP goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `rtmp://`: TCP, on port 1935 where the URL has none.
    Tcp,
    /// `rtmps://`: TLS, on port 443 where the URL has none, as ffmpeg, OBS and the services have
    /// it.
    Tls,
}

/// Where to publish: `rtmp://host[:port]/name[/key]`, or whatever path another server wants; in TLS
/// with `rtmps://`.
///
/// The path is cut into app and stream name where ffmpeg cuts it: after the first of two elements,
/// after the second of more (`rtmp://h/live/foo` is app `live`, stream `foo`), and one element is
/// an app alone. A query stays at the end of the path. Nothing is percent-decoded. `Display` and
/// `Debug` show host, port and the path's first element only, as what follows may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishUrl {
    transport: Transport,
    host: String,
    port: u16,
    app: String,
    stream: String,
}

/// Why a text is no [`PublishUrl`]. None of them shows the path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPublishUrl {
    /// No `rtmp://` or `rtmps://` in front.
    #[error("a publish URL starts with rtmp:// or rtmps://")]
    Scheme,
    /// RTMP in HTTP, or in Adobe's own encryption.
    #[error("{scheme} is not supported, only rtmp and rtmps")]
    SchemeUnsupported {
        /// `rtmpe`, `rtmpt` and their kin.
        scheme: String,
    },
    /// `user:password@`.
    #[error("user and password in a publish URL are not supported")]
    UserInfo,
    /// Nothing between `rtmp://` and the path, or no IPv6 address in the brackets.
    #[error(
        "host {host:?} of a publish URL is neither a name nor an address (IPv6 goes in brackets: [::1])"
    )]
    Host {
        /// What is there.
        host: String,
    },
    /// Not 1 to 65535.
    #[error("port {port:?} of a publish URL is not 1 to 65535")]
    Port {
        /// What is there.
        port: String,
    },
    /// A blank or control character.
    #[error("publish URL has {character:?} at byte {index}")]
    Character {
        /// The first such character.
        character: char,
        /// Its place.
        index: usize,
    },
}

impl PublishUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidPublishUrl> {
        if let Some((index, character)) = text.char_indices().find(|(_, c)| is_blank(*c)) {
            return Err(InvalidPublishUrl::Character { character, index });
        }
        let (transport, rest) = behind_scheme(text)?;
        let (authority, path) = rest.split_at_checked(authority_length(rest)).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(InvalidPublishUrl::UserInfo);
        }
        let (host, port) = host_and_port(authority)?;
        let (app, stream) = app_and_stream(path);
        let port = port.unwrap_or_else(|| transport.default_port());
        Ok(Self { transport, host: host.to_owned(), port, app, stream })
    }

    /// Whether to shake hands by TLS before RTMP begins.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Name or address to connect to; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `connect` calls `app`; may be empty.
    pub(crate) fn app(&self) -> &str {
        &self.app
    }

    /// What `publish` asks for; may be empty.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// What `connect` calls `tcUrl`: the URL without the stream name.
    pub(crate) fn tc_url(&self) -> String {
        format!("{}://{}/{}", self.transport.scheme(), self.authority(), self.app)
    }

    /// What of the path may be shown to anybody: its first element, without a query. That is the
    /// stream's name in `rtmp://host/name/key`; with other servers it is the app, and the stream's
    /// name is the key.
    pub fn shown_name(&self) -> &str {
        let path = self.app.split('?').next().unwrap_or_default();
        path.split('/').next().unwrap_or_default()
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Transport {
    fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "rtmp",
            Self::Tls => "rtmps",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 1935,
            Self::Tls => 443,
        }
    }
}

impl fmt::Display for PublishUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = match self.stream.is_empty() && !self.app.contains(['/', '?']) {
            true => "",
            false => "/...",
        };
        let scheme = self.transport.scheme();
        write!(f, "{scheme}://{}/{}{hidden}", self.authority(), self.shown_name())
    }
}

impl fmt::Debug for PublishUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublishUrl({self})")
    }
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn behind_scheme(text: &str) -> Result<(Transport, &str), InvalidPublishUrl> {
    let (scheme, rest) = text.split_once("://").ok_or(InvalidPublishUrl::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_str() {
        "rtmp" => Ok((Transport::Tcp, rest)),
        "rtmps" => Ok((Transport::Tls, rest)),
        "rtmpe" | "rtmpt" | "rtmpte" | "rtmpts" => {
            Err(InvalidPublishUrl::SchemeUnsupported { scheme })
        }
        _ => Err(InvalidPublishUrl::Scheme),
    }
}

fn authority_length(rest: &str) -> usize {
    rest.find(['/', '?']).unwrap_or(rest.len())
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), InvalidPublishUrl> {
    let bad_host = || InvalidPublishUrl::Host { host: authority.to_owned() };
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (host, port) = literal.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() || (host.contains(':') && !authority.starts_with('[')) {
        return Err(bad_host());
    }
    Ok((host, port.map(parse_port).transpose()?))
}

fn parse_port(text: &str) -> Result<u16, InvalidPublishUrl> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| InvalidPublishUrl::Port { port: text.to_owned() })
}

/// `path` begins with `/` or `?`, or is empty.
fn app_and_stream(path: &str) -> (String, String) {
    let (path, query) =
        path.split_at_checked(path.find('?').unwrap_or(path.len())).unwrap_or((path, ""));
    let mut elements = path.split('/').filter(|element| !element.is_empty());
    let mut app = elements.next().unwrap_or_default().to_owned();
    let mut rest: Vec<_> = elements.collect();
    // `rtmp://h/app/instance/name`, but `rtmp://h/app/mp4:folder/name`
    if rest.len() > 1 && rest.first().is_some_and(|instance| !instance.contains(':')) {
        app = format!("{app}/{}", rest.remove(0));
    }
    let mut stream = rest.join("/");
    let last = if stream.is_empty() { &mut app } else { &mut stream };
    last.push_str(query);
    (app, stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::publish_request;
    use crate::{StreamKey, StreamName};

    fn parse(text: &str) -> PublishUrl {
        PublishUrl::parse(text).unwrap()
    }

    #[test]
    fn the_path_is_cut_where_ffmpeg_cuts_it() {
        let rows = [
            ("rtmp://h", "", ""),
            ("rtmp://h/", "", ""),
            ("rtmp://h/hello_world", "hello_world", ""),
            ("rtmp://h/live/foo", "live", "foo"),
            ("rtmp://h/live/foo/secret", "live/foo", "secret"),
            ("rtmp://h/a/b/c/d", "a/b", "c/d"),
            ("rtmp://h/app/mp4:folder/name", "app", "mp4:folder/name"),
            ("rtmp://h//live//foo/", "live", "foo"),
            ("rtmp://h/live/foo?key=a/b", "live", "foo?key=a/b"),
            ("rtmp://h/foo?key=secret", "foo?key=secret", ""),
            ("rtmp://h?key=secret", "?key=secret", ""),
            ("RTMP://h/live2/abcd-1234", "live2", "abcd-1234"),
        ];
        for (text, app, stream) in rows {
            let url = parse(text);
            assert_eq!((url.app(), url.stream()), (app, stream), "{text}");
        }
    }

    #[test]
    fn the_contracts_table_holds_for_our_own_server() {
        let rows = [
            ("rtmp://h/hello_world", Some("hello_world"), None),
            ("rtmp://h/live/foo", Some("foo"), None),
            ("rtmp://h/stream/foo", Some("foo"), None),
            ("rtmp://h/foo/secret", Some("foo"), Some("secret")),
            ("rtmp://h/live/foo/secret", Some("foo"), Some("secret")),
            ("rtmp://h/live/foo/sec/ret", Some("foo"), Some("sec/ret")),
            ("rtmp://h/live/foo?key=secret", Some("foo"), Some("secret")),
            ("rtmp://h/foo?key=secret", Some("foo"), Some("secret")),
            ("rtmp://h/live", Some("live"), None),
            ("rtmp://h/", None, None),
        ];
        for (text, name, key) in rows {
            let url = parse(text);
            let request =
                publish_request(url.app(), &url.tc_url(), url.stream(), &crate::Limits::default())
                    .unwrap();
            assert_eq!(request.name, name.map(|name| StreamName::parse(name).unwrap()), "{text}");
            assert_eq!(request.key, key.map(StreamKey::new), "{text}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        let rows = [
            ("rtmp://h/x", "h", 1935, "rtmp://h:1935/x"),
            ("rtmp://h:1936/x", "h", 1936, "rtmp://h:1936/x"),
            ("rtmp://192.0.2.7:1/x", "192.0.2.7", 1, "rtmp://192.0.2.7:1/x"),
            ("rtmp://[::1]/x", "::1", 1935, "rtmp://[::1]:1935/x"),
            ("rtmp://[2001:db8::1]:1936/x", "2001:db8::1", 1936, "rtmp://[2001:db8::1]:1936/x"),
        ];
        for (text, host, port, tc_url) in rows {
            let url = parse(text);
            assert_eq!((url.host(), url.port()), (host, port), "{text}");
            assert_eq!((url.tc_url(), url.to_string()), (tc_url.to_owned(), tc_url.to_owned()));
        }
    }

    #[test]
    fn rtmps_is_tls_on_port_443() {
        let rows = [
            ("rtmps://h/x", 443, "rtmps://h:443/x"),
            ("RTMPS://h:1936/x", 1936, "rtmps://h:1936/x"),
            ("rtmps://[::1]/x", 443, "rtmps://[::1]:443/x"),
        ];
        for (text, port, tc_url) in rows {
            let url = parse(text);
            assert_eq!((url.transport(), url.port()), (Transport::Tls, port), "{text}");
            assert_eq!((url.tc_url(), url.to_string()), (tc_url.to_owned(), tc_url.to_owned()));
        }
        assert_eq!(parse("rtmp://h/x").transport(), Transport::Tcp);
    }

    #[test]
    fn every_rule_has_its_error() {
        use InvalidPublishUrl::{Character, Host, Port, Scheme, SchemeUnsupported, UserInfo};
        let host = |host: &str| Host { host: host.to_owned() };
        let port = |port: &str| Port { port: port.to_owned() };
        let rows = [
            ("h/live", Scheme),
            ("http://h/live", Scheme),
            ("rtmpe://h/live", SchemeUnsupported { scheme: "rtmpe".to_owned() }),
            ("rtmp://u:p@h/live", UserInfo),
            ("rtmp:///live", host("")),
            ("rtmp://:1935/live", host(":1935")),
            ("rtmp://[::1/live", host("[::1")),
            ("rtmp://[h]/live", host("[h]")),
            ("rtmp://h:/live", port("")),
            ("rtmp://h:0/live", port("0")),
            ("rtmp://h:65536/live", port("65536")),
            ("rtmp://::1/live", host("::1")),
            ("rtmp://2001:db8::1/live", host("2001:db8::1")),
            ("rtmp://h/a b", Character { character: ' ', index: 10 }),
            ("rtmp://h/a\n", Character { character: '\n', index: 10 }),
        ];
        for (text, error) in rows {
            assert_eq!(PublishUrl::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_may_be_a_key_is_not_shown() {
        for text in [
            "rtmp://h/live2/hunter2",
            "rtmp://h/foo?key=hunter2",
            "rtmp://h/live/foo/hunter2",
            "rtmp://h?key=hunter2",
        ] {
            let url = parse(text);
            let shown = format!("{url} {url:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("/..."), "{shown}");
        }
    }
}
