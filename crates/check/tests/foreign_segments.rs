//! Transport streams of other programs and cameras, whose facts the manifest of the media has from
//! other tools.

use bytes::Bytes;
use check::{SegmentFacts, read_segment};

/// What is read from a file, where it is on this machine.
fn read(name: &str) -> Option<SegmentFacts> {
    let file = testmedia::find_and_read(&format!("ts/{name}"))?;
    Some(read_segment(&file.into(), None))
}

#[test]
fn none_makes_it_panic() {
    for folder in ["ts", "corpora/ts"] {
        for (name, data) in testmedia::files_in(folder) {
            let data = Bytes::from(data);
            let facts = read_segment(&data, None);
            assert_eq!(facts.bytes, data.len(), "{name}");
        }
    }
}

#[test]
fn pictures_and_audio_frames_are_those_that_ffprobe_counts() {
    for (name, pictures, frames) in [
        ("portrait_720x1280.ts", Some(30), None),
        ("zero_frame.ts", None, Some(72)),
        ("pcr_pts_rollover.ts", Some(60), Some(94)),
        ("eight_slices_overflow_nalus.ts", Some(299), Some(215)),
        ("vertical_16x4000.ts", Some(30), None),
        ("duplicate_audio_dts.ts", Some(59), None),
    ] {
        let Some(facts) = read(name) else { continue };
        assert_eq!(facts.video.as_ref().map(|video| video.pictures), pictures, "{name}");
        if frames.is_some() {
            assert_eq!(facts.audio.as_ref().map(|audio| audio.frames), frames, "{name}");
        }
    }
}

#[test]
fn sizes_and_codecs_are_those_that_ffprobe_reads() {
    for (name, size, codec) in [
        ("portrait_720x1280.ts", (720, 1280), "avc1.4d"),
        ("vertical_16x4000.ts", (16, 4000), "avc1."),
        ("pcr_pts_rollover.ts", (640, 360), "avc1.64001e"),
        ("dirtystart_1080i_mp2.ts", (1920, 1080), "avc1.640028"),
    ] {
        let Some(facts) = read(name) else { continue };
        let video = facts.video.unwrap();
        let [shape] = &video.shapes[..] else { panic!("{name}: {:?}", video.shapes) };
        assert_eq!(shape.resolution, size, "{name}");
        assert!(shape.codec.starts_with(codec), "{name}: {}", shape.codec);
    }
}

#[test]
fn s2_4_3_7_times_go_on_over_33_bits() {
    let Some(facts) = read("pcr_pts_rollover.ts") else { return };
    let video = facts.video.unwrap();
    let secs = (video.last_pts.unwrap() - video.first_pts.unwrap()).as_secs_f64();
    assert!((1.9..2.0).contains(&secs), "{secs}");
    assert!(video.last_pts.unwrap().ticks() > 1 << 33);
    assert_eq!((video.disorder, facts.pcr.backward_steps), (0, 0));
    assert!(facts.continuity_faults.is_empty(), "{:?}", facts.continuity_faults);
}

#[test]
fn what_does_not_start_with_an_idr_is_seen() {
    for (name, starts_with_idr) in [
        ("no_initial_keyframe_heaac.ts", false),
        ("dirtystart_1080i_mp2.ts", false),
        ("pcr_pts_rollover.ts", true),
        ("portrait_720x1280.ts", true),
    ] {
        let Some(facts) = read(name) else { continue };
        assert_eq!(facts.video.unwrap().starts_with_idr, starts_with_idr, "{name}");
    }
}
