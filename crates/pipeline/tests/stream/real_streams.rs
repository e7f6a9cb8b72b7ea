//! Real FLV files through both halves of the pipeline, judged by ffprobe and ffmpeg.

use crate::support::RenditionEvent;
use crate::support::{self, Stream, flv_messages};
use media::Duration;
use pipeline::{DecoderKind, GridState, Preset, StreamConfig};

fn config(presets: &[&str]) -> StreamConfig {
    let renditions = presets.iter().map(|name| Preset::named(name).expect("a preset")).collect();
    StreamConfig {
        renditions,
        segment_duration: Duration::from_secs(2),
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    }
}

/// 9 s of 640x360 at 30 fps with B-pictures, IDRs as `x264` says, AAC at 44.1 kHz.
fn x264_flv(x264: &str) -> Vec<u8> {
    let input = "-f lavfi -i testsrc=size=640x360:rate=30,format=yuv420p -f lavfi -i sine=sample_rate=44100";
    let codecs = format!("-t 9 -c:v libx264 -bf 2 -x264-params {x264} -c:a aac -f flv -");
    support::ffmpeg_output(&format!("{input} {codecs}"))
}

fn run(flv: &[u8], presets: &[&str]) -> Stream {
    let mut stream = Stream::new(&config(presets), GridState::new(support::FIRST_SEQUENCE));
    flv_messages(flv).into_iter().for_each(|message| stream.push(message));
    stream.finish();
    stream
}

fn durations_ms(events: &[RenditionEvent]) -> Vec<i64> {
    support::segments(events).map(|segment| segment.duration.as_millis()).collect()
}

#[test]
fn a_gop_of_one_second_cuts_source_and_ladder_together() {
    let stream = run(&x264_flv("keyint=30:scenecut=0"), &["P144p30fps16x9", "P240p30fps16x9"]);
    assert_eq!(stream.notices, []);
    assert_eq!(durations_ms(&stream.source)[..4], [2000; 4]);
    for rung in &stream.rungs {
        assert_eq!(durations_ms(rung), durations_ms(&stream.source));
    }
}

#[test]
fn a_gop_of_ten_seconds_leaves_the_ladder_at_two() {
    let stream = run(&x264_flv("keyint=300:scenecut=0"), &["P144p30fps16x9"]);
    assert_eq!(stream.notices.len(), 1, "{:?}", stream.notices);
    assert_eq!(durations_ms(&stream.rungs[0])[..4], [2000; 4]);
    assert_eq!(durations_ms(&stream.source).len(), 1);
}

#[test]
fn ffmpeg_decodes_every_segment_of_every_rendition_alone_without_a_warning() {
    let mut stream =
        Stream::new(&config(&["P144p30fps16x9"]), GridState::new(support::FIRST_SEQUENCE));
    for message in flv_messages(&testmedia::read("flv/srs_avatar.flv")) {
        stream.push(message);
    }
    stream.finish();
    let mut pictures = [0, 0];
    for (at, events) in [&stream.source, &stream.rungs[0]].into_iter().enumerate() {
        for segment in support::segments(events) {
            pictures[at] += support::decode_without_warning(&segment.data);
        }
    }
    assert_eq!(pictures, [282, 282], "every picture of the file comes out of both");
}
