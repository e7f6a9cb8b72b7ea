//! The multivariant playlist of a stream (RFC 8216 4.3.4).

use std::fmt::Write;

use bytes::Bytes;

use crate::media_playlist::line;
use crate::{Body, Container};

/// One rendition as a choice for the player.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantStream {
    /// Where its media playlist is.
    pub uri: String,
    /// Peak rate in bits per second, TS packaging included.
    pub bandwidth_bps: u64,
    /// Average rate in bits per second, TS packaging included.
    pub average_bandwidth_bps: u64,
    /// RFC 6381 names, comma-separated: `avc1.42c00b,mp4a.40.2`. Empty: not known, not written.
    pub codecs: String,
    /// Width and height of the pictures as decoded and cropped; none for audio only.
    pub resolution: Option<(u32, u32)>,
    /// The largest number of pictures per second, if known.
    pub frame_rate: Option<f64>,
    /// Every segment starts with an IDR.
    pub independent: bool,
}

/// Renders the playlist with these variant streams, one at least, in this order: players start with
/// the first. Their segments are in this container.
#[must_use]
pub fn render(variants: &[VariantStream], container: Container) -> Body {
    let mut text = String::with_capacity(1024);
    line(&mut text, format_args!("#EXTM3U\n#EXT-X-VERSION:{}", container.version()));
    // Here the tag speaks for all media playlists (RFC 8216 4.3.5.1).
    if variants.iter().all(|variant| variant.independent) {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    variants.iter().for_each(|variant| render_variant(variant, &mut text));
    Body::new(text)
}

/// The playlist for one viewer: the query, which has to be URL text as it stands, goes behind every
/// URI. The rest is copied.
#[must_use]
pub fn with_query(playlist: &Body, query: &str) -> Bytes {
    let mut text = Vec::with_capacity(playlist.plain.len() + 4 * (query.len() + 1));
    for line in playlist.plain.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(uri) if !uri.starts_with(b"#") => {
                text.extend_from_slice(uri);
                text.push(b'?');
                text.extend_from_slice(query.as_bytes());
                text.push(b'\n');
            }
            _ => text.extend_from_slice(line),
        }
    }
    text.into()
}

fn render_variant(variant: &VariantStream, text: &mut String) {
    let attributes = attributes(variant).expect("writing to a String cannot fail");
    line(text, format_args!("#EXT-X-STREAM-INF:{attributes}"));
    line(text, format_args!("{}", variant.uri));
}

fn attributes(variant: &VariantStream) -> Result<String, std::fmt::Error> {
    let VariantStream { bandwidth_bps, average_bandwidth_bps, codecs, .. } = variant;
    let mut text = format!("BANDWIDTH={bandwidth_bps},AVERAGE-BANDWIDTH={average_bandwidth_bps}");
    if !codecs.is_empty() {
        write!(text, ",CODECS=\"{codecs}\"")?;
    }
    if let Some((width, height)) = variant.resolution {
        write!(text, ",RESOLUTION={width}x{height}")?;
    }
    if let Some(frame_rate) = variant.frame_rate.filter(|rate| rate.is_finite() && *rate > 0.0) {
        write!(text, ",FRAME-RATE={frame_rate:.3}")?;
    }
    Ok(text)
}
