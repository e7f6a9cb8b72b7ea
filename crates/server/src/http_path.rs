//! What a request path names. One function, because axum 0.8 cannot route on `{name}.m3u8`.

use rtmp::StreamName;

/// Longest path that is looked at: a name and a rendition of 128 each, a 20-digit number, and the
/// rest.
const MAX_PATH_BYTES: usize = 320;

/// What all paths of streams begin with.
const ROOT: &str = "/stream/";

/// A media playlist's URI as the multivariant playlist has it: relative, so that it holds behind
/// any proxy.
pub(crate) fn variant_uri(stream: &StreamName, rendition: &str) -> String {
    format!("{stream}/{rendition}.m3u8")
}

/// What goes before `N.ts` in the paths of a rendition's segments.
pub(crate) fn segment_prefix(stream: &StreamName, rendition: &str) -> String {
    format!("{ROOT}{stream}/{rendition}/")
}

/// Something under `/stream/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// `/stream/current.m3u8`: the multivariant playlist of the newest live stream.
    Current,
    /// `/stream/NAME.m3u8`: a multivariant playlist.
    Multivariant(StreamName),
    /// `/stream/NAME/RENDITION.m3u8`: a media playlist.
    Playlist(StreamName, &'a str),
    /// `/stream/NAME/RENDITION/N.ts`: a media segment.
    Segment(StreamName, &'a str, u64),
}

impl Resource<'_> {
    /// The stream's name, where the path says it.
    pub(crate) fn name(&self) -> Option<&StreamName> {
        match self {
            Self::Current => None,
            Self::Multivariant(name) | Self::Playlist(name, _) | Self::Segment(name, ..) => {
                Some(name)
            }
        }
    }
}

/// The resource at `path`, the path of a request target as it came (no query).
///
/// Names hold only characters that need no percent-encoding, so nothing is decoded: a path with
/// `%`, an empty element, a dot segment or any other byte that no name holds is None, which is a
/// 404.
#[must_use]
pub(crate) fn parse(path: &str) -> Option<Resource<'_>> {
    if path.len() > MAX_PATH_BYTES {
        return None;
    }
    let mut elements = path.strip_prefix(ROOT)?.split('/');
    let (first, second, third) = (elements.next()?, elements.next(), elements.next());
    match (second, third, elements.next()) {
        (None, None, None) => multivariant(first.strip_suffix(".m3u8")?),
        (Some(file), None, None) => {
            Some(Resource::Playlist(name(first)?, rendition(file.strip_suffix(".m3u8")?)?))
        }
        (Some(second), Some(file), None) => Some(Resource::Segment(
            name(first)?,
            rendition(second)?,
            sequence(file.strip_suffix(".ts")?)?,
        )),
        _ => None,
    }
}

/// What there is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/`: the live streams.
    List,
    /// `/index.m3u8`: the same for players that show a list of channels.
    Channels,
    /// `/streams.json`: the same for other people's pages.
    Streams,
    /// `/watch/NAME`: a stream.
    Watch(StreamName),
    /// `/watch/NAME/embed`: the same, to be put into other pages.
    Embed(StreamName),
    /// `/watch/NAME/stream.json`: what is known of a stream.
    Facts(StreamName),
    /// `/watch/NAME/poster.jpg`: a still of it.
    Poster(StreamName),
    /// `/page/style.css`.
    Style,
    /// `/page/watch.js`.
    Script,
}

impl Page {
    /// The stream's name, where it is a stream's.
    pub(crate) fn name(&self) -> Option<&StreamName> {
        match self {
            Self::Watch(name) | Self::Embed(name) | Self::Facts(name) | Self::Poster(name) => {
                Some(name)
            }
            Self::List | Self::Channels | Self::Streams | Self::Style | Self::Script => None,
        }
    }
}

/// The page at `path`, by the same rules as [`parse`].
#[must_use]
pub(crate) fn page(path: &str) -> Option<Page> {
    if path.len() > MAX_PATH_BYTES {
        return None;
    }
    match path {
        "/" => return Some(Page::List),
        "/index.m3u8" => return Some(Page::Channels),
        "/streams.json" => return Some(Page::Streams),
        "/page/style.css" => return Some(Page::Style),
        "/page/watch.js" => return Some(Page::Script),
        _ => {}
    }
    let rest = path.strip_prefix("/watch/")?;
    match rest.split_once('/') {
        None => Some(Page::Watch(name(rest)?)),
        Some((stream, "embed")) => Some(Page::Embed(name(stream)?)),
        Some((stream, "stream.json")) => Some(Page::Facts(name(stream)?)),
        Some((stream, "poster.jpg")) => Some(Page::Poster(name(stream)?)),
        Some(_) => None,
    }
}

/// The value of the first such parameter of a query as it came: what is ours in a query needs no
/// percent-encoding.
#[must_use]
pub(crate) fn query_value<'a>(query: Option<&'a str>, parameter: &str) -> Option<&'a str> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == parameter).map(|(_, value)| value)
}

fn multivariant(stem: &str) -> Option<Resource<'static>> {
    match stem {
        // No stream may have this name.
        "current" => Some(Resource::Current),
        _ => Some(Resource::Multivariant(name(stem)?)),
    }
}

fn name(element: &str) -> Option<StreamName> {
    StreamName::parse(element).ok()
}

/// Renditions are named by the same rule as streams; it is looked up as it is.
fn rendition(element: &str) -> Option<&str> {
    StreamName::parse(element).is_ok().then_some(element)
}

/// Digits only, written in the one way a playlist writes them, so that each segment has one URL.
fn sequence(digits: &str) -> Option<u64> {
    let number: u64 = digits.parse().ok()?;
    (digits == number.to_string()).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(name: &str) -> StreamName {
        StreamName::parse(name).unwrap()
    }

    #[test]
    fn the_urls_of_the_contract() {
        let table = [
            ("/stream/hello_world.m3u8", Resource::Multivariant(stream("hello_world"))),
            ("/stream/cam1.main.m3u8", Resource::Multivariant(stream("cam1.main"))),
            ("/stream/current.m3u8", Resource::Current),
            ("/stream/a/source.m3u8", Resource::Playlist(stream("a"), "source")),
            ("/stream/a/P144p30fps16x9.m3u8", Resource::Playlist(stream("a"), "P144p30fps16x9")),
            ("/stream/a/source/0.ts", Resource::Segment(stream("a"), "source", 0)),
            (
                "/stream/a~-_/P1/1763800000.ts",
                Resource::Segment(stream("a~-_"), "P1", 1_763_800_000),
            ),
        ];
        for (path, resource) in table {
            assert_eq!(parse(path), Some(resource), "{path}");
        }
    }

    #[test]
    fn the_urls_of_pages() {
        let table = [
            ("/", Page::List),
            ("/index.m3u8", Page::Channels),
            ("/streams.json", Page::Streams),
            ("/watch/cam1.main", Page::Watch(stream("cam1.main"))),
            ("/watch/embed", Page::Watch(stream("embed"))),
            ("/watch/a/embed", Page::Embed(stream("a"))),
            ("/watch/a/stream.json", Page::Facts(stream("a"))),
            ("/watch/a/poster.jpg", Page::Poster(stream("a"))),
            ("/page/watch.js", Page::Script),
            ("/page/style.css", Page::Style),
        ];
        for (path, expected) in table {
            assert_eq!(page(path), Some(expected), "{path}");
        }
        for path in [
            "",
            "/watch",
            "/watch/",
            "/watch//embed",
            "/watch/a/",
            "/watch/a/b",
            "/watch/a b",
            "/watch/%61",
            "/watch/<",
            "/watch/../x",
            "/page/",
            "//",
        ] {
            assert_eq!(page(path), None, "{path}");
        }
        assert_eq!(page(&format!("/watch/{}", "a".repeat(129))), None);
    }

    #[test]
    fn parameters_of_a_query() {
        let value = |query| query_value(query, "tag");
        assert_eq!(value(Some("tag=1")), Some("1"));
        assert_eq!(value(Some("CMCD=br%3D400&tag=1-a&tag=2")), Some("1-a"));
        assert_eq!(value(Some("tag=")), Some(""));
        for query in [None, Some(""), Some("tag"), Some("tagg=1"), Some("a=tag=1"), Some("Tag=1")] {
            assert_eq!(value(query), None, "{query:?}");
        }
    }

    #[test]
    fn hostile_and_sloppy_paths_name_nothing() {
        let paths = [
            "",
            "/",
            "/stream",
            "/stream/",
            "/stream/.m3u8",
            "/stream/..m3u8",
            "/stream/a",
            "/stream/a.M3U8",
            "/stream/../etc/passwd",
            "/stream/..",
            "/stream/a/../b.m3u8",
            "/stream/./a.m3u8",
            "/stream/.hidden.m3u8",
            "/stream/%2e%2e/a.m3u8",
            "/stream/a%2fb.m3u8",
            "/stream/a%00.m3u8",
            "/stream/a\0.m3u8",
            "//stream/a.m3u8",
            "/stream//a.m3u8",
            "/stream/a//source.m3u8",
            "/stream/a/source.m3u8/",
            "/stream/a\\b.m3u8",
            "/stream/a/source/.ts",
            "/stream/a/source/+1.ts",
            "/stream/a/source/01.ts",
            "/stream/a/source/-1.ts",
            "/stream/a/source/18446744073709551616.ts",
            "/stream/a/source/1.TS",
            "/stream/a/source/1.ts/x",
            "/stream/a/source/1e3.ts",
            "/stream/a/current",
            "/stream/ü.m3u8",
            "/stream/a b.m3u8",
            "/stream/a.m3u8.m3u8",
            "/stream/current/source.m3u8",
            "/STREAM/a.m3u8",
        ];
        for path in paths {
            assert_eq!(parse(path), None, "{path}");
        }
        let long = format!("/stream/{}.m3u8", "a".repeat(10_000));
        assert_eq!(parse(&long), None);
        assert_eq!(parse(&format!("/stream/{}.m3u8", "a".repeat(129))), None);
        assert!(parse(&format!("/stream/{0}/{0}/{1}.ts", "a".repeat(128), u64::MAX)).is_some());
    }

    proptest! {
        #[test]
        fn whatever_is_named_is_written_in_one_way_only(path in "(/stream|/|[a.%~0-9]{1,3}|[^/]{1,4}|/source|\\.m3u8|\\.ts){1,8}") {
            let rewritten = parse(&path).map(|resource| match resource {
                Resource::Current => "/stream/current.m3u8".to_owned(),
                Resource::Multivariant(name) => format!("/stream/{name}.m3u8"),
                Resource::Playlist(name, rendition) => format!("{ROOT}{}", variant_uri(&name, rendition)),
                Resource::Segment(name, rendition, number) => format!("{}{number}.ts", segment_prefix(&name, rendition)),
            });
            prop_assert!(rewritten.is_none_or(|rewritten| rewritten == path));
        }

        #[test]
        fn every_segment_that_a_playlist_lists_is_named(
            name in "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,60}", rendition in "[A-Za-z0-9_~-]{1,60}", number: u64,
        ) {
            prop_assume!(StreamName::parse(&name).is_ok() && StreamName::parse(&rendition).is_ok());
            let path = format!("/stream/{name}/{rendition}/{number}.ts");
            prop_assert_eq!(parse(&path), Some(Resource::Segment(stream(&name), &rendition, number)));
        }
    }
}
