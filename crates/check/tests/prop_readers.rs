//! Properties of the readers: what was written is read, and damage never ends in a panic.

use bytes::Bytes;
use check::{Playlist, read_playlist, read_segment};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_media_playlist_that_was_written_is_read(
        target in 0_u64..1_000_000,
        sequence in any::<u32>(),
        segments in proptest::collection::vec((0_u32..100_000_000, any::<bool>(), "[a-z0-9/._-]{1,20}"), 0..20),
        ended in any::<bool>(),
    ) {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
        for (ms, discontinuity, uri) in &segments {
            if *discontinuity {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            text += &format!("#EXTINF:{}.{:03},\n{uri}\n", ms / 1000, ms % 1000);
        }
        if ended {
            text += "#EXT-X-ENDLIST";
        }
        let reading = read_playlist(text.as_bytes());
        prop_assert!(reading.faults.is_empty(), "{:?}", reading.faults);
        let Playlist::Media(playlist) = reading.playlist else { panic!("{text}") };
        prop_assert_eq!(playlist.target_duration_secs, Some(target));
        prop_assert_eq!(playlist.media_sequence, u64::from(sequence));
        prop_assert_eq!(playlist.ended, ended);
        let read = playlist.segments.into_iter();
        let read: Vec<_> = read
            .map(|s| ((s.duration_secs * 1000.0).round() as u32, s.discontinuity, s.uri))
            .collect();
        prop_assert_eq!(read, segments);
    }

    #[test]
    fn lines_in_any_order_are_read_to_the_end(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("#EXTM3U"), Just("#EXTINF:2,"), Just("#EXTINF:"), Just("a.ts"), Just("#EXT-X-ENDLIST"),
                Just("#EXT-X-STREAM-INF:BANDWIDTH=1,"), Just("#EXT-X-STREAM-INF:A=\""), Just("#EXT-X-MAP:"),
                Just("#EXT-X-TARGETDURATION:99999999999999999999"), Just("#EXT-X-MEDIA-SEQUENCE:18446744073709551615"),
                Just("#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:60.9+9999"), Just(""), Just("\u{feff}"),
            ],
            0..40,
        ),
    ) {
        let reading = read_playlist(lines.join("\n").as_bytes());
        prop_assert!(reading.faults.first.iter().all(|fault| fault.position <= lines.len()));
    }

    #[test]
    fn a_damaged_segment_is_read_to_the_end(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = testmedia::seed("check_ts", "start_of_segment.ts");
        for (index, value) in damage {
            let at = index.index(data.len());
            data[at] = value;
        }
        data.truncate(cut.index(data.len() + 1));
        let facts = read_segment(&Bytes::from(data.clone()), None);
        prop_assert!(facts.faults.first.iter().all(|fault| fault.position <= data.len()));
        prop_assert!(facts.access_units.iter().map(|unit| unit.annexb.len()).sum::<usize>() <= data.len());
    }
}
