//! From the strings of connect and publish to a stream name and key, by the contract's table.

use crate::{InvalidStreamName, Limits, PublishQuery, PublishRequest, StreamKey, StreamName};

/// Path elements that other servers want in front of the name; one of them is dropped when more
/// follows.
const PREFIXES: [&str; 2] = ["live", "stream"];

/// Encoders' configuration fields, with a stray quote of a shell line at either end (Neko sends
/// one).
const QUOTES: [char; 2] = ['\'', '"'];

/// The path is rebuilt from app and stream name, as ffmpeg, OBS and GStreamer cut one URL into the
/// two at different places. tcUrl says the same as app again, less reliably (ffmpeg cuts it at 1
/// 024 characters, some clients put the stream name in): it counts only when there is no app.
pub(crate) fn publish_request(
    app: &str,
    tc_url: &str,
    stream: &str,
    limits: &Limits,
) -> Result<PublishRequest, InvalidStreamName> {
    let app = app.trim_matches(QUOTES);
    let app = if app.is_empty() { url_path(tc_url.trim_matches(QUOTES)) } else { app };
    let (app, app_query) = cut_query(app);
    let (stream, stream_query) = cut_query(stream.trim_matches(QUOTES));
    let (name, path_key) = name_and_key(app, stream);
    let key = path_key.or_else(|| query_key(stream_query)).or_else(|| query_key(app_query));
    let name = name.map(StreamName::parse).transpose()?;
    let key = key.map(|key| checked_key(key, limits.key_bytes)).transpose()?;
    let query = PublishQuery::new(stream_query, app_query);
    let (actual, allowed) = (query.reveal().len(), limits.query_bytes);
    if actual > allowed {
        return Err(InvalidStreamName::QueryTooLong { actual, allowed });
    }
    Ok(PublishRequest { name, key, query })
}

/// What follows the host in `rtmp://host:port/path?query`.
fn url_path(url: &str) -> &str {
    let (_, behind_scheme) = url.split_once("://").unwrap_or_default();
    let (_, path) = behind_scheme.split_once('/').unwrap_or_default();
    path
}

fn cut_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

fn name_and_key<'a>(app: &'a str, stream: &'a str) -> (Option<&'a str>, Option<String>) {
    let mut elements =
        app.split('/').chain(stream.split('/')).filter(|element| !element.is_empty()).peekable();
    let mut name = elements.next();
    if name.is_some_and(|name| PREFIXES.contains(&name)) && elements.peek().is_some() {
        name = elements.next();
    }
    let mut key = String::new();
    for element in elements {
        let slash = if key.is_empty() { "" } else { "/" };
        key.extend([slash, element]);
    }
    (name, (!key.is_empty()).then_some(key))
}

/// The first `key=` that has a value.
fn query_key(query: &str) -> Option<String> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix("key="));
    values.find(|value| !value.is_empty()).map(str::to_owned)
}

fn checked_key(key: String, allowed: usize) -> Result<StreamKey, InvalidStreamName> {
    if key.len() > allowed {
        return Err(InvalidStreamName::KeyTooLong { actual: key.len(), allowed });
    }
    Ok(StreamKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row: app, stream name, then the name and the key that come out.
    type Row = (&'static str, &'static str, Option<&'static str>, Option<&'static str>);

    fn assert_rows(rows: &[Row]) {
        for (app, stream, name, key) in rows {
            let request = publish_request(app, "", stream, &Limits::default()).unwrap();
            let name = name.map(|name| StreamName::parse(name).unwrap());
            let key = key.map(StreamKey::new);
            assert_eq!((request.name, request.key), (name, key), "app {app:?}, stream {stream:?}");
        }
    }

    #[test]
    fn the_contracts_table_as_encoders_cut_it() {
        assert_rows(&[
            ("hello_world", "", Some("hello_world"), None), // ffmpeg rtmp://h/hello_world
            ("", "hello_world", Some("hello_world"), None),
            ("", "k", Some("k"), None), // OBS server rtmp://h + stream key k
            ("live", "foo", Some("foo"), None),
            ("stream", "foo", Some("foo"), None),
            ("foo", "secret", Some("foo"), Some("secret")),
            ("live/foo", "secret", Some("foo"), Some("secret")), // ffmpeg
            ("live", "foo/secret", Some("foo"), Some("secret")), // OBS
            ("live", "", Some("live"), None),
            ("stream", "", Some("stream"), None),
            ("", "", None, None),
            ("/", "/", None, None),
        ]);
    }

    #[test]
    fn key_in_a_query_is_the_same_as_in_the_path_which_wins() {
        assert_rows(&[
            ("live", "foo?key=secret", Some("foo"), Some("secret")),
            ("live?key=secret", "foo", Some("foo"), Some("secret")),
            ("foo?key=secret", "", Some("foo"), Some("secret")),
            ("live?key=app", "foo?key=name", Some("foo"), Some("name")),
            ("live?key=app", "foo/path?key=name", Some("foo"), Some("path")),
            ("foo?key=app", "path", Some("foo"), Some("path")),
            ("live/foo", "?key=secret", Some("foo"), Some("secret")), // OBS multi-rendition: the key is only a query
            ("live", "foo?a=b&key=secret&c=d", Some("foo"), Some("secret")),
            ("live", "foo?key=&key=x", Some("foo"), Some("x")),
            ("live?key=app", "foo?key=", Some("foo"), Some("app")),
            ("live", "foo?monkey=x&keys=y", Some("foo"), None),
            ("live", "foo?key=a/b?c", Some("foo"), Some("a/b?c")),
            ("live?key=a/b", "foo", Some("foo"), Some("a/b")),
        ]);
    }

    #[test]
    fn one_leading_live_or_stream_goes_and_only_when_more_follows() {
        assert_rows(&[
            ("live", "live", Some("live"), None),
            ("stream", "live/foo", Some("live"), Some("foo")),
            ("stream/stream", "stream/stream", Some("stream"), Some("stream/stream")),
            ("olive", "foo", Some("olive"), Some("foo")),
            ("test-live", "", Some("test-live"), None),
            ("foo", "live/x", Some("foo"), Some("live/x")),
            ("Live", "foo", Some("Live"), Some("foo")),
        ]);
    }

    #[test]
    fn empty_parts_and_stray_quotes_are_dropped() {
        assert_rows(&[
            ("/stream/", "", Some("stream"), None),
            ("//app///a", "/b/", Some("app"), Some("a/b")),
            ("'live", "foo'", Some("foo"), None),
            ("\"foo\"", "", Some("foo"), None),
        ]);
    }

    #[test]
    fn dots_are_part_of_a_name() {
        assert_rows(&[
            ("cam1.main", "", Some("cam1.main"), None),
            ("live", "a.b.c", Some("a.b.c"), None),
        ]);
    }

    #[test]
    fn tc_url_counts_only_without_an_app() {
        let name = |app, tc_url, stream| {
            publish_request(app, tc_url, stream, &Limits::default())
                .unwrap()
                .name
                .unwrap()
                .to_string()
        };
        assert_eq!(name("foo", "rtmp://h/other", ""), "foo");
        assert_eq!(name("", "rtmp://h:1935/live", "foo"), "foo");
        assert_eq!(name("", "'rtmp://h/live/foo", ""), "foo");
        assert_eq!(name("", "rtmp://h", "foo"), "foo");
        assert_eq!(name("", "rtmp://h:1935/", "foo"), "foo");
        assert_eq!(name("", "nonsense", "foo"), "foo");
        let request =
            publish_request("", "rtmp://h/foo?key=secret", "", &Limits::default()).unwrap();
        assert_eq!(request.key, Some(StreamKey::new("secret")));
    }

    #[test]
    fn names_that_no_stream_can_have_are_refused() {
        let long = "x".repeat(300);
        for stream in [
            &long,
            "caf\u{e9}",
            "a%20b",
            "%2e%2e",
            "..",
            "current",
            "foo.m3u8",
            "a b",
            "mp4:foo.mp4",
        ] {
            assert!(publish_request("live", "", stream, &Limits::default()).is_err(), "{stream:?}");
        }
        assert_eq!(
            publish_request("live/../../etc/passwd", "", "", &Limits::default()),
            Err(InvalidStreamName::LeadingDot)
        );
    }

    #[test]
    fn a_key_may_be_anything_up_to_its_limit() {
        let longest = "k".repeat(512);
        let request = publish_request("foo", "", &longest, &Limits::default()).unwrap();
        assert_eq!(request.key, Some(StreamKey::new(longest.as_str())));
        assert_eq!(
            publish_request("foo", "", &format!("{longest}k"), &Limits::default()),
            Err(InvalidStreamName::KeyTooLong { actual: 513, allowed: 512 })
        );
        let request = publish_request("foo", "", "caf\u{e9} %zz", &Limits::default()).unwrap();
        assert_eq!(request.key, Some(StreamKey::new("caf\u{e9} %zz")));
    }

    #[test]
    fn both_queries_are_kept_up_to_their_limit() {
        let request = |app: &str, stream: &str| {
            publish_request(app, "", stream, &Limits::default()).map(|request| request.query)
        };
        let query = request("live?b=2", "foo?a=1&key=x").unwrap();
        assert_eq!(query.reveal(), "a=1&key=x&b=2");
        let longest = "a".repeat(Limits::default().query_bytes);
        assert_eq!(request("live", &format!("foo?{longest}")).unwrap().reveal(), longest);
        assert_eq!(
            request("live", &format!("foo?{longest}a")),
            Err(InvalidStreamName::QueryTooLong { actual: 4097, allowed: 4096 })
        );
    }
}
