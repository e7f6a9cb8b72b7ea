//! Playlists, read by m3u8-rs and held to the contract.

use m3u8_rs::{MasterPlaylist, MediaPlaylist, parse_master_playlist_res, parse_media_playlist_res};

/// A media playlist that follows the contract and RFC 8216 in itself.
pub(crate) fn media(text: &str) -> MediaPlaylist {
    let playlist = parse_media_playlist_res(text.as_bytes())
        .unwrap_or_else(|error| panic!("{error:?}: {text}"));
    assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:3\n"), "{text}");
    assert!(text.contains("\n#EXT-X-DISCONTINUITY-SEQUENCE:"), "always there: {text}");
    assert_eq!(playlist.unknown_tags, [], "{text}");
    for segment in &playlist.segments {
        let rounded = f64::from(segment.duration).round() as u64;
        assert!(rounded <= playlist.target_duration, "{segment:?} in {text}");
        assert!(segment.program_date_time.is_some(), "{segment:?} in {text}");
        assert!(segment.uri.starts_with("/stream/") && segment.uri.ends_with(".ts"), "{segment:?}");
    }
    playlist
}

/// A multivariant playlist with all its attributes, ladder ascending.
pub(crate) fn multivariant(text: &str) -> MasterPlaylist {
    let playlist = parse_master_playlist_res(text.as_bytes())
        .unwrap_or_else(|error| panic!("{error:?}: {text}"));
    assert!(text.starts_with("#EXTM3U\n"), "{text}");
    for variant in &playlist.variants {
        assert!(
            variant.average_bandwidth.is_some_and(|average| average <= variant.bandwidth),
            "{text}"
        );
        assert!(variant.codecs.is_some(), "{text}");
    }
    playlist
}

/// The sequence number in a segment's URI.
pub(crate) fn sequence(uri: &str) -> u64 {
    let file = uri.rsplit('/').next().expect("a file name");
    file.trim_end_matches(".ts").parse().unwrap_or_else(|_| panic!("{uri} has no number"))
}
