//! Playlists of other programs: m3u8-rs is the oracle where it takes them, and broken ones are
//! named.

use check::{Playlist, Reading, read_playlist};

fn playlists() -> Vec<(&'static str, Vec<u8>)> {
    [testmedia::files_in("m3u8"), testmedia::files_in("corpora/m3u8")].concat()
}

fn reading(name: &str) -> Reading {
    read_playlist(&testmedia::read(name))
}

#[test]
fn good_ones_have_no_faults() {
    for (name, data) in playlists().iter().filter(|(name, _)| name.starts_with("m3u8/good_")) {
        let reading = read_playlist(data);
        assert!(reading.faults.is_empty(), "{name}: {:?}", reading.faults);
    }
}

#[test]
fn bad_ones_have_faults_at_their_lines() {
    for (name, line, what) in [
        ("m3u8/bad_invalid_target_duration.m3u8", 2, "EXT-X-TARGETDURATION cannot be \"NaN\""),
        (
            "m3u8/bad_no_extm3u.m3u8",
            1,
            "the first line is \"#EXT-X-TARGETDURATION:10\", not #EXTM3U",
        ),
        ("m3u8/bad_two_media_sequences.m3u8", 4, "EXT-X-MEDIA-SEQUENCE is there twice"),
        ("corpora/m3u8/vjs_emptyMediaSequence.m3u8", 3, "EXT-X-MEDIA-SEQUENCE cannot be \"\""),
        (
            "corpora/m3u8/vjs_invalidPlaylistType.m3u8",
            2,
            "EXT-X-PLAYLIST-TYPE cannot be \"asdRASDfasdR\"",
        ),
        ("corpora/m3u8/vjs_missingExtinf.m3u8", 8, "URI \"hls_450k_video.ts\" without EXTINF"),
        ("corpora/m3u8/vjs_multipleTargetDurations.m3u8", 7, "EXT-X-TARGETDURATION is there twice"),
        (
            "corpora/m3u8/vjs_emptyTargetDuration.m3u8",
            3,
            "EXT-X-STREAM-INF in a playlist of the other kind (RFC 8216 4.1)",
        ),
        ("corpora/m3u8/vjs_streamInfInvalid.m3u8", 5, "EXT-X-STREAM-INF without a BANDWIDTH"),
        ("corpora/m3u8/vjs_whiteSpace.m3u8", 6, "white space around the line"),
        ("corpora/m3u8/FuzzPlaylistUnmarshal_46a44236cd07", 1, "EXTINF cannot be \"\""),
    ] {
        let faults = reading(name).faults.first;
        let found = faults.iter().any(|fault| fault.position == line && fault.what == what);
        assert!(found, "{name}: {faults:?}");
    }
}

#[test]
fn m3u8_rs_reads_the_same() {
    let mut compared = 0;
    for (name, data) in playlists() {
        let reading = read_playlist(&data);
        // What each makes of a broken playlist is its own affair.
        if !reading.faults.is_empty() {
            continue;
        }
        match (reading.playlist, m3u8_rs::parse_playlist_res(&data)) {
            (Playlist::Media(ours), Ok(m3u8_rs::Playlist::MediaPlaylist(theirs))) => {
                assert_eq!(ours.media_sequence, theirs.media_sequence, "{name}");
                assert_eq!(ours.target_duration_secs, Some(theirs.target_duration), "{name}");
                assert_eq!(ours.ended, theirs.end_list, "{name}");
                let ours = ours
                    .segments
                    .iter()
                    .map(|s| (s.uri.as_str(), s.duration_secs as f32, s.discontinuity));
                let theirs =
                    theirs.segments.iter().map(|s| (s.uri.as_str(), s.duration, s.discontinuity));
                assert!(ours.eq(theirs), "{name}");
                compared += 1;
            }
            (Playlist::Multivariant(ours), Ok(m3u8_rs::Playlist::MasterPlaylist(theirs))) => {
                let theirs = theirs.variants.iter().filter(|variant| !variant.is_i_frame);
                let theirs = theirs.map(|v| (v.uri.as_str(), Some(v.bandwidth)));
                let ours = ours.variants.iter().map(|v| (v.uri.as_str(), v.bandwidth_bps));
                assert!(ours.eq(theirs), "{name}");
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(compared >= 5, "{compared}");
}
