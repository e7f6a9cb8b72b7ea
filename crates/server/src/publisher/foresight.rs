//! What a server of ours will not make renditions of: what goes there, judged by the same rules.

use flv::TagKind;
use media::Timestamp;
use pipeline::{GridState, Ingest, IngestOutput, Notice, Preset, StreamConfig, StreamTracks};
use rtmp::{MediaKind, Message};

/// Behind a header the stream is looked at for so long: three keyframes at the longest interval
/// that encoders choose by themselves. What is kept meanwhile is a segment.
const LOOKED_AT: media::Duration = media::Duration::from_secs(30);

/// How `flv::video_sequence_header` begins.
const VIDEO_HEADER: [u8; 2] = [0x17, 0];

/// Looks at the beginning of a stream, and again behind each header.
#[derive(Default)]
pub(super) struct Foresight {
    /// None while nothing is looked at.
    ingest: Option<Ingest>,
    until: Option<Timestamp>,
    /// Each is said once.
    said: Vec<String>,
}

impl Foresight {
    /// Takes a message that goes to the server with a sample of the time `at`; what is to be said
    /// about it, in sentences that have not been said before.
    pub(super) fn look(&mut self, message: &Message, at: Timestamp, unix_ms: i64) -> Vec<String> {
        if message.payload.starts_with(&VIDEO_HEADER) {
            self.ingest.get_or_insert_with(ingest);
            self.until = Some(at + LOOKED_AT);
        }
        if self.until.is_some_and(|until| until <= at) {
            self.ingest = None;
        }
        let Some(ingest) = &mut self.ingest else { return Vec::new() };
        let kind = match message.kind {
            MediaKind::Audio => TagKind::Audio,
            MediaKind::Video => TagKind::Video,
            MediaKind::Script => TagKind::Script,
        };
        ingest.push(kind, message.timestamp_ms, message.payload.clone(), unix_ms);
        let mut news = Vec::new();
        while let Some(output) = ingest.poll() {
            let IngestOutput::Notice(notice) = output else { continue };
            let matters = matches!(
                notice,
                Notice::Undecodable(_) | Notice::LongKeyframeInterval | Notice::TooMuchToDecode
            );
            let text = notice.to_string();
            if matters && !self.said.contains(&text) {
                self.said.push(text.clone());
                news.push(text);
            }
        }
        news
    }
}

/// The server's defaults.
fn ingest() -> Ingest {
    let config = StreamConfig {
        renditions: Preset::default_ladder(),
        segment_duration: media::Duration::from_secs(2),
        decoder: pipeline::DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    };
    Ingest::new(&config, GridState::new(0), StreamTracks::default())
}

#[cfg(test)]
mod tests {
    use pipeline::{FrameRate, TestSample, TestSignal, TestSignalConfig};

    use super::*;

    #[test]
    fn a_stream_is_looked_at_behind_each_header_and_each_thing_is_said_once() {
        let mut signal = TestSignal::new(&TestSignalConfig {
            name: "x".to_owned(),
            width: 160,
            height: 90,
            frame_rate: FrameRate { num: 5, den: 1 },
            bitrate_bps: 100_000,
            keyframe_interval_ms: 10_000,
        })
        .unwrap();
        let payload = flv::video_sequence_header(&signal.video_config());
        let header = Message { kind: MediaKind::Video, timestamp_ms: 0, payload };
        let (mut foresight, mut said) = (Foresight::default(), Vec::new());
        said.extend(foresight.look(&header, Timestamp::ZERO, 0));
        let mut now = Timestamp::ZERO;
        while now < Timestamp::ZERO + LOOKED_AT {
            let TestSample::Video { pts, key, data } = signal.next_sample().unwrap() else {
                continue;
            };
            now = pts;
            let ms = pts.ticks() / 90;
            let payload = flv::video_nal_units(key, 0, &data);
            let message = Message { kind: MediaKind::Video, timestamp_ms: ms as u32, payload };
            said.extend(foresight.look(&message, pts, ms));
        }
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("set a keyframe interval of 2 s"), "{said:?}");
        assert!(foresight.ingest.is_none(), "long enough");
        foresight.look(&header, now, 0);
        assert!(foresight.ingest.is_some());
    }
}
