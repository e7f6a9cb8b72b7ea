//! Samples to RTMP messages, with the headers that a server needs first.

use bytes::Bytes;
use flv::OnMetaData;
use media::Timestamp;
use rtmp::{MediaKind, Message};
use source::Sample;

/// What was said of the stream, and what has to be said again.
#[derive(Debug, Default)]
pub(super) struct Tags {
    current: Headers,
    sent: Headers,
}

/// The bodies of the messages that describe the others.
#[derive(Clone, Debug, Default)]
struct Headers {
    metadata: Option<Bytes>,
    video: Option<Bytes>,
    audio: Option<Bytes>,
}

impl Tags {
    pub(super) fn set_metadata(&mut self, metadata: &OnMetaData) {
        self.current.metadata = Some(metadata.to_data_message());
    }

    /// Whether the sample is a configuration, which is noted then and goes out with the next
    /// sample.
    pub(super) fn take_config(&mut self, sample: &Sample) -> bool {
        match sample {
            Sample::VideoConfig(config) => {
                self.current.video = Some(flv::video_sequence_header(config));
            }
            Sample::AudioConfig(config) => {
                self.current.audio = Some(flv::audio_sequence_header(config));
            }
            Sample::Video { .. } | Sample::Audio { .. } => return false,
        }
        true
    }

    pub(super) fn has_video(&self) -> bool {
        self.current.video.is_some()
    }

    /// On a new connection everything is said again.
    pub(super) fn forget_sent(&mut self) {
        self.sent = Headers::default();
    }

    /// The sample's message, and before it what the server does not know yet.
    pub(super) fn messages(&mut self, sample: &Sample) -> impl Iterator<Item = Message> + use<> {
        let timestamp_ms = wrapped_ms(sample.dts().unwrap_or_default());
        let bodies = [
            (MediaKind::Script, news(&self.current.metadata, &mut self.sent.metadata)),
            (MediaKind::Video, news(&self.current.video, &mut self.sent.video)),
            (MediaKind::Audio, news(&self.current.audio, &mut self.sent.audio)),
            body(sample),
        ];
        bodies.into_iter().filter_map(move |(kind, payload)| {
            Some(Message { kind, timestamp_ms, payload: payload? })
        })
    }
}

fn news(current: &Option<Bytes>, sent: &mut Option<Bytes>) -> Option<Bytes> {
    if current == sent {
        return None;
    }
    sent.clone_from(current);
    current.clone()
}

fn body(sample: &Sample) -> (MediaKind, Option<Bytes>) {
    match sample {
        Sample::Video { dts, pts, key, data } => {
            let composition_time = i32::try_from(ms(*pts) - ms(*dts)).unwrap_or(0);
            (MediaKind::Video, Some(flv::video_nal_units(*key, composition_time, data)))
        }
        Sample::Audio { data, .. } => (MediaKind::Audio, Some(flv::audio_raw(data))),
        Sample::VideoConfig(_) | Sample::AudioConfig(_) => (MediaKind::Script, None),
    }
}

/// Rounded to the nearest, so that errors do not add up.
fn ms(time: Timestamp) -> i64 {
    time.ticks().saturating_add(45).div_euclid(90)
}

/// RTMP's clock wraps at 2^32.
fn wrapped_ms(time: Timestamp) -> u32 {
    ms(time) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(dts_ticks: i64, pts_ticks: i64) -> Sample {
        let (dts, pts) = (Timestamp::from_ticks(dts_ticks), Timestamp::from_ticks(pts_ticks));
        Sample::Video { dts, pts, key: true, data: Bytes::from_static(&[9]) }
    }

    fn said(tags: &mut Tags, sample: &Sample) -> Vec<(MediaKind, u32, u8)> {
        let messages = tags.messages(sample);
        messages.map(|m| (m.kind, m.timestamp_ms, m.payload[1])).collect()
    }

    #[test]
    fn headers_go_first_once_and_again_on_a_new_connection_or_when_they_differ() {
        let mut tags = Tags::default();
        let config = |byte: &'static [u8]| Sample::VideoConfig(Bytes::from_static(byte));
        tags.set_metadata(&OnMetaData::default());
        assert!(tags.take_config(&config(&[1])));
        assert!(tags.take_config(&Sample::AudioConfig(Bytes::from_static(&[2]))));
        assert!(!tags.take_config(&video(0, 0)));
        let all = |at| {
            [
                (MediaKind::Script, at, 0),
                (MediaKind::Video, at, 0),
                (MediaKind::Audio, at, 0),
                (MediaKind::Video, at, 1),
            ]
        };
        assert_eq!(said(&mut tags, &video(0, 0)), all(0));
        assert_eq!(said(&mut tags, &video(3000, 3000)), [(MediaKind::Video, 33, 1)]);
        assert!(tags.take_config(&config(&[1])));
        assert_eq!(said(&mut tags, &video(6000, 6000)).len(), 1, "the same again is nothing new");
        assert!(tags.take_config(&config(&[3])));
        assert_eq!(
            said(&mut tags, &video(9000, 9000)),
            [(MediaKind::Video, 100, 0), (MediaKind::Video, 100, 1)]
        );
        tags.forget_sent();
        assert_eq!(said(&mut tags, &video(12_000, 12_000)), all(133));
    }

    #[test]
    fn times_are_rounded_so_that_both_are_right_and_wrap() {
        let mut tags = Tags::default();
        // 29.97 pictures a second, one picture of reordering: 33.37 ms and 66.73 ms.
        let message = tags.messages(&video(3003, 6006)).next().unwrap();
        assert_eq!((message.timestamp_ms, &message.payload[2..5]), (33, &[0, 0, 34][..]));
        let late = (1 << 32) * 90 + 450;
        let message = tags.messages(&video(late, late)).next().unwrap();
        assert_eq!(message.timestamp_ms, 5);
    }
}
