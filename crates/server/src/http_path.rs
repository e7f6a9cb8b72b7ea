//! What a request path names. One function, because axum 0.8 cannot route on `{name}.m3u8`.

use hls::{Container, InitSection, PerContainer};
use rtmp::StreamName;

/// Longest path that is looked at: a name and a rendition of 128 each, a 20-digit number, and the
/// rest.
const MAX_PATH_BYTES: usize = 320;

/// What all paths of streams begin with.
const ROOT: &str = "/stream/";

/// The folder of a stream in which its segments are fragmented MP4.
const CMAF: &str = "cmaf";

/// Its multivariant playlist: no rendition may have this name.
pub const INDEX: &str = "index";

/// A media playlist's URI as the multivariant playlist has it: relative, so that it holds behind
/// any proxy.
pub(crate) fn variant_uri(stream: &StreamName, rendition: &str) -> String {
    format!("{stream}/{rendition}.m3u8")
}

/// The same of the rendition's playlist of fragmented MP4, as the multivariant playlist beside it
/// has it.
pub(crate) fn cmaf_variant_uri(variant_uri: &str) -> &str {
    variant_uri.rsplit_once('/').map_or(variant_uri, |(_, file)| file)
}

/// What goes before the names of a rendition's segments in its playlists: the paths of transport
/// streams are whole. Those of fragmented MP4 are short, as slow links have to carry them.
pub(crate) fn segment_prefix(stream: &StreamName, rendition: &str) -> PerContainer<String> {
    PerContainer {
        mpeg_ts: format!("{ROOT}{stream}/{rendition}/"),
        fragmented_mp4: format!("{rendition}/"),
    }
}

/// Something under `/stream/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// `/stream/current.m3u8`: the multivariant playlist of the newest live stream.
    Current,
    /// `/stream/NAME.m3u8` or `/stream/NAME/cmaf/index.m3u8`: a multivariant playlist.
    Multivariant(StreamName, Container),
    /// `/stream/NAME/RENDITION.m3u8` or `/stream/NAME/cmaf/RENDITION.m3u8`: a media playlist.
    Playlist(StreamName, &'a str, Container),
    /// `/stream/NAME/RENDITION/N.ts` or `/stream/NAME/cmaf/RENDITION/N.m4s`: a media segment.
    Segment(StreamName, &'a str, u64, Container),
    /// `/stream/NAME/cmaf/RENDITION/HASH.mp4`: an initialization section, by its id.
    Init(StreamName, &'a str, u64),
}

impl Resource<'_> {
    /// The stream's name, where the path says it.
    pub(crate) fn name(&self) -> Option<&StreamName> {
        match self {
            Self::Current => None,
            Self::Multivariant(name, _)
            | Self::Playlist(name, ..)
            | Self::Segment(name, ..)
            | Self::Init(name, ..) => Some(name),
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Resource<'_> {
    /// The one path of it.
    pub(crate) fn path(&self) -> String {
        use Container::{FragmentedMp4 as Mp4, MpegTs as Ts};
        match self {
            Self::Current => format!("{ROOT}current.m3u8"),
            Self::Multivariant(name, Ts) => format!("{ROOT}{name}.m3u8"),
            Self::Multivariant(name, Mp4) => format!("{ROOT}{name}/cmaf/index.m3u8"),
            Self::Playlist(name, rendition, Ts) => {
                format!("{ROOT}{}", variant_uri(name, rendition))
            }
            Self::Playlist(name, rendition, Mp4) => {
                let uri = variant_uri(name, rendition);
                format!("{ROOT}{name}/cmaf/{}", cmaf_variant_uri(&uri))
            }
            Self::Segment(name, rendition, number, Ts) => {
                format!("{}{number}.ts", segment_prefix(name, rendition).mpeg_ts)
            }
            Self::Segment(name, rendition, number, Mp4) => {
                let prefix = segment_prefix(name, rendition).fragmented_mp4;
                format!("{ROOT}{name}/cmaf/{prefix}{number}.m4s")
            }
            Self::Init(name, rendition, id) => {
                let prefix = segment_prefix(name, rendition).fragmented_mp4;
                format!("{ROOT}{name}/cmaf/{prefix}{}", InitSection::file_name(*id))
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
    let elements: [Option<&str>; 5] = std::array::from_fn(|_| elements.next());
    match elements {
        [Some(file), None, ..] => multivariant(file.strip_suffix(".m3u8")?),
        [Some(stream), Some(file), None, ..] => {
            let rendition = rendition(file.strip_suffix(".m3u8")?)?;
            Some(Resource::Playlist(name(stream)?, rendition, Container::MpegTs))
        }
        [Some(stream), Some(CMAF), Some(file), None, _] if file.ends_with(".m3u8") => {
            cmaf_playlist(name(stream)?, file.strip_suffix(".m3u8")?)
        }
        [Some(stream), Some(second), Some(file), None, _] => {
            let sequence = sequence(file.strip_suffix(".ts")?)?;
            Some(Resource::Segment(name(stream)?, rendition(second)?, sequence, Container::MpegTs))
        }
        [Some(stream), Some(CMAF), Some(third), Some(file), None] => {
            cmaf_file(name(stream)?, rendition(third)?, file)
        }
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

fn cmaf_playlist(stream: StreamName, stem: &str) -> Option<Resource<'_>> {
    let container = Container::FragmentedMp4;
    Some(match stem {
        INDEX => Resource::Multivariant(stream, container),
        _ => Resource::Playlist(stream, rendition(stem)?, container),
    })
}

fn cmaf_file<'a>(stream: StreamName, rendition: &'a str, file: &str) -> Option<Resource<'a>> {
    if let Some(digits) = file.strip_suffix(".m4s") {
        let container = Container::FragmentedMp4;
        return Some(Resource::Segment(stream, rendition, sequence(digits)?, container));
    }
    let id = u64::from_str_radix(file.strip_suffix(".mp4")?, 16).ok()?;
    // Written in the one way a playlist writes it.
    (file == InitSection::file_name(id)).then_some(Resource::Init(stream, rendition, id))
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
        _ => Some(Resource::Multivariant(name(stem)?, Container::MpegTs)),
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
        use Container::{FragmentedMp4 as Mp4, MpegTs as Ts};
        let table = [
            ("/stream/hello_world.m3u8", Resource::Multivariant(stream("hello_world"), Ts)),
            ("/stream/cam1.main.m3u8", Resource::Multivariant(stream("cam1.main"), Ts)),
            ("/stream/current.m3u8", Resource::Current),
            ("/stream/a/source.m3u8", Resource::Playlist(stream("a"), "source", Ts)),
            (
                "/stream/a/P144p30fps16x9.m3u8",
                Resource::Playlist(stream("a"), "P144p30fps16x9", Ts),
            ),
            ("/stream/a/source/0.ts", Resource::Segment(stream("a"), "source", 0, Ts)),
            (
                "/stream/a~-_/P1/1763800000.ts",
                Resource::Segment(stream("a~-_"), "P1", 1_763_800_000, Ts),
            ),
            ("/stream/a/cmaf/index.m3u8", Resource::Multivariant(stream("a"), Mp4)),
            ("/stream/a/cmaf/source.m3u8", Resource::Playlist(stream("a"), "source", Mp4)),
            ("/stream/a/cmaf/source/7.m4s", Resource::Segment(stream("a"), "source", 7, Mp4)),
            ("/stream/a/cmaf/P1/00000000000000ff.mp4", Resource::Init(stream("a"), "P1", 255)),
            // A rendition may have the folder's name, and a stream the index's.
            ("/stream/a/cmaf.m3u8", Resource::Playlist(stream("a"), "cmaf", Ts)),
            ("/stream/a/cmaf/7.ts", Resource::Segment(stream("a"), "cmaf", 7, Ts)),
            ("/stream/index.m3u8", Resource::Multivariant(stream("index"), Ts)),
            ("/stream/cmaf/cmaf/cmaf.m3u8", Resource::Playlist(stream("cmaf"), "cmaf", Mp4)),
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
            "/stream/a/source/1.m4s",
            "/stream/a/cmaf/source/1.ts",
            "/stream/a/cmaf/source/01.m4s",
            "/stream/a/cmaf/source/ff.mp4",
            "/stream/a/cmaf/source/00000000000000FF.mp4",
            "/stream/a/cmaf/source/+0000000000000ff.mp4",
            "/stream/a/cmaf/cmaf/source/1.m4s",
            "/stream/a/cmaf/.m3u8",
            "/stream/a/cmaf/source.m3u8/",
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
        fn whatever_is_named_is_written_in_one_way_only(path in "(/stream|/|[a.%~0-9]{1,3}|[^/]{1,4}|/source|/cmaf|\\.m3u8|\\.ts|\\.m4s){1,9}") {
            let rewritten = parse(&path).map(|resource| resource.path());
            prop_assert!(rewritten.is_none_or(|rewritten| rewritten == path));
        }

        #[test]
        fn every_segment_that_a_playlist_lists_is_named(
            name in "[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,60}", rendition in "[A-Za-z0-9_~-]{1,60}", number: u64,
        ) {
            prop_assume!(StreamName::parse(&name).is_ok() && StreamName::parse(&rendition).is_ok());
            let path = format!("/stream/{name}/{rendition}/{number}.ts");
            prop_assert_eq!(parse(&path), Some(Resource::Segment(stream(&name), &rendition, number, Container::MpegTs)));
        }
    }
}
