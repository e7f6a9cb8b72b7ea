//! Arbitrary messages: nothing panics, time never runs back, source and ladder are cut at the same
//! times.
//!
//! The pictures are real (one x264 GOP a stream), their order, timestamps and company are not.

use std::sync::OnceLock;

use crate::support::RenditionEvent;
use crate::support::{self, Stream, flv_messages};
use bytes::Bytes;
use flv::{Tag, TagKind};
use media::Duration;
use pipeline::{DecoderKind, GridState, Preset, StreamConfig};
use proptest::prelude::*;

/// One thing a publisher may do next.
#[derive(Clone, Debug)]
enum Step {
    /// The next message of the real stream.
    Go,
    /// Leaves messages of the real stream out.
    Skip(u8),
    /// Time jumps by this many milliseconds.
    Jump(i32),
    /// A message of this kind with these bytes.
    Garbage(u8, Vec<u8>),
    /// The sequence headers again.
    Headers,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => Just(Step::Go),
        3 => any::<u8>().prop_map(Step::Skip),
        1 => any::<i32>().prop_map(Step::Jump),
        2 => (0u8..3, proptest::collection::vec(any::<u8>(), 0..64)).prop_map(|(kind, bytes)| Step::Garbage(kind, bytes)),
        1 => Just(Step::Headers),
    ]
}

/// 4 s of a small real stream with a GOP of 12 pictures.
fn real_stream() -> &'static [Tag] {
    static TAGS: OnceLock<Vec<Tag>> = OnceLock::new();
    TAGS.get_or_init(make_real_stream)
}

fn make_real_stream() -> Vec<Tag> {
    let input =
        "-f lavfi -i testsrc=size=64x48:rate=15,format=yuv420p -f lavfi -i sine=sample_rate=16000";
    let codecs = "-t 4 -c:v libx264 -bf 1 -x264-params keyint=12 -c:a aac -f flv -";
    flv_messages(&support::ffmpeg_output(&format!("{input} {codecs}")))
}

fn headers(tags: &[Tag]) -> impl Iterator<Item = Tag> {
    tags.iter().filter(|tag| tag.timestamp_ms == 0 && tag.body.len() < 100).cloned()
}

fn durations(events: &[RenditionEvent]) -> Vec<Duration> {
    support::segments(events).map(|segment| segment.duration).collect()
}

fn play(tags: &[Tag], steps: &[Step]) -> Stream {
    let renditions = vec![Preset::named("P144p30fps16x9").expect("a preset")];
    let config = StreamConfig {
        renditions,
        segment_duration: Duration::from_secs(2),
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    };
    let mut stream = Stream::new(&config, GridState::new(support::FIRST_SEQUENCE));
    let mut rest = tags.iter().cycle();
    let mut shift = 0i64;
    let mut rounds = 0u64;
    let mut last = 0;
    for step in steps {
        match step {
            Step::Go => {
                let tag = rest.next().expect("endless").clone();
                // Each round of the cycle goes on where the last one ended.
                rounds += u64::from(tag.timestamp_ms + 1000 < last);
                last = tag.timestamp_ms;
                let at = i64::from(tag.timestamp_ms) + rounds as i64 * 4000 + shift;
                stream.push(Tag { timestamp_ms: at as u32, ..tag });
            }
            Step::Skip(messages) => {
                rest.nth(usize::from(*messages));
            }
            Step::Jump(ms) => shift += i64::from(*ms),
            Step::Garbage(kind, bytes) => {
                let kind = [TagKind::Audio, TagKind::Video, TagKind::Script][usize::from(*kind)];
                stream.push(Tag { kind, timestamp_ms: last, body: Bytes::from(bytes.clone()) });
            }
            Step::Headers => headers(tags).for_each(|tag| stream.push(tag)),
        }
    }
    stream.finish();
    stream
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_messages_break_the_pipeline(steps in proptest::collection::vec(step(), 50..600)) {
        let tags = real_stream();
        let stream = play(tags, &steps);
        for events in std::iter::once(&stream.source).chain(&stream.rungs) {
            for segment in support::segments(events) {
                prop_assert!(segment.duration > Duration::ZERO);
                prop_assert!(segment.duration < Duration::from_secs(35), "{:?}", segment.duration);
                prop_assert_eq!(segment.data.len() % 188, 0);
                prop_assert_eq!(segment.data[0], 0x47);
            }
        }
    }
}

#[test]
fn the_real_stream_alone_is_cut_equally() {
    let tags = real_stream();
    let stream = play(tags, &vec![Step::Go; tags.len() * 3]);
    assert_eq!(durations(&stream.source)[..5], durations(&stream.rungs[0])[..5]);
}
