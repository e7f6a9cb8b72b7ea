//! Playlists of other programs: m3u8-rs is the oracle where it takes them, and broken ones are named.

use std::path::{Path, PathBuf};

use check::{Playlist, Reading, read_playlist};

fn media() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/media")).to_owned()
}

fn playlists() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["m3u8", "corpora/m3u8"] {
        for entry in std::fs::read_dir(media().join(folder)).expect("the media is there") {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, std::fs::read(path).expect("a file can be read")));
        }
    }
    assert!(files.len() > 30, "{}", files.len());
    files
}

fn reading(name: &str) -> Reading {
    let file = playlists().into_iter().find(|(known, _)| known == name).expect("it is there");
    read_playlist(&file.1)
}

#[test]
fn good_ones_have_no_faults() {
    for (name, data) in playlists().iter().filter(|(name, _)| name.starts_with("good_")) {
        let reading = read_playlist(data);
        assert!(reading.faults.is_empty(), "{name}: {:?}", reading.faults);
    }
}

#[test]
fn bad_ones_have_faults_at_their_lines() {
    for (name, line, what) in [
        ("bad_invalid_target_duration.m3u8", 2, "EXT-X-TARGETDURATION cannot be \"NaN\""),
        ("bad_no_extm3u.m3u8", 1, "the first line is \"#EXT-X-TARGETDURATION:10\", not #EXTM3U"),
        ("bad_two_media_sequences.m3u8", 4, "EXT-X-MEDIA-SEQUENCE is there twice"),
        ("vjs_emptyMediaSequence.m3u8", 3, "EXT-X-MEDIA-SEQUENCE cannot be \"\""),
        ("vjs_invalidPlaylistType.m3u8", 2, "EXT-X-PLAYLIST-TYPE cannot be \"asdRASDfasdR\""),
        ("vjs_missingExtinf.m3u8", 8, "URI \"hls_450k_video.ts\" without EXTINF"),
        ("vjs_multipleTargetDurations.m3u8", 7, "EXT-X-TARGETDURATION is there twice"),
        (
            "vjs_emptyTargetDuration.m3u8",
            3,
            "EXT-X-STREAM-INF in a playlist of the other kind (RFC 8216 4.1)",
        ),
        ("vjs_streamInfInvalid.m3u8", 5, "EXT-X-STREAM-INF without a BANDWIDTH"),
        ("vjs_whiteSpace.m3u8", 6, "white space around the line"),
        ("FuzzPlaylistUnmarshal_46a44236cd07", 1, "EXTINF cannot be \"\""),
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
