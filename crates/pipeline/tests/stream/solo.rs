//! Ingest alone: streams of days in seconds, and what it wrote on the wire.

use crate::support::RenditionEvent;
use flv::{Tag, TagKind};
use media::{AudioFrame, Duration};
use pipeline::{
    DecoderKind, GridMode, GridState, Ingest, IngestOutput, Notice, Picture, StreamConfig,
};

use crate::shapes::make;
use crate::support::{Rendition, segments};

/// One publisher's ingest, and what came out of it.
pub(crate) struct Solo {
    ingest: Ingest,
    pub(crate) segments: Vec<crate::support::Segment>,
    /// What renditions would be made of.
    pub(crate) pictures: Vec<Picture>,
    pub(crate) frames: Vec<AudioFrame>,
    pub(crate) notices: Vec<Notice>,
    source: Rendition,
    keeps_samples: bool,
}

/// Segments on the wire do not depend on it.
const MODE: GridMode = GridMode { target_duration_secs: 2, own_grid: false };

impl Solo {
    /// Ingest for a source without renditions; keeps what they would be made of where
    /// `keeps_samples`.
    pub(crate) fn new(segment_duration: Duration, keeps_samples: bool) -> Self {
        let preset = || pipeline::Preset::named("P144p30fps16x9").expect("a preset");
        let renditions = if keeps_samples { vec![preset()] } else { vec![] };
        let ingest = Ingest::new(
            &StreamConfig {
                renditions,
                segment_duration,
                decoder: DecoderKind::Native,
                work_clock: pipeline::WorkClock::default(),
            },
            GridState::new(crate::support::FIRST_SEQUENCE),
            pipeline::StreamTracks::default(),
        );
        Self {
            ingest,
            segments: Vec::new(),
            pictures: Vec::new(),
            frames: Vec::new(),
            notices: Vec::new(),
            source: Rendition::default(),
            keeps_samples,
        }
    }

    pub(crate) fn push(&mut self, tag: Tag, arrival_unix_ms: i64) {
        self.ingest.push(tag.kind, tag.timestamp_ms, tag.body, arrival_unix_ms);
        self.drain();
    }

    pub(crate) fn finish(&mut self) {
        self.ingest.finish();
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.ingest.poll() {
            match output {
                IngestOutput::Source(package) => {
                    self.source.segment(&package, MODE, true);
                    self.segments.extend(segments(&self.source.events).cloned());
                    self.source.events.clear();
                }
                IngestOutput::Segment(segment) if self.keeps_samples => {
                    self.frames
                        .extend(segment.ended.sound.iter().flat_map(|sound| sound.frames.clone()));
                    self.pictures.extend(segment.pictures.iter().cloned());
                }
                IngestOutput::Notice(notice) => self.notices.push(notice),
                _ => {}
            }
        }
    }

    /// The source of these messages in segments of 2 s.
    pub(crate) fn play(tags: impl IntoIterator<Item = Tag>) -> Self {
        let mut solo = Self::new(Duration::from_secs(2), true);
        tags.into_iter().for_each(|tag| solo.push(tag, 1_800_000_000_000));
        solo.finish();
        solo
    }

    pub(crate) fn discontinuities(&self) -> usize {
        self.segments.iter().filter(|segment| segment.discontinuity).count()
    }

    pub(crate) fn total(&self) -> Duration {
        self.segments.iter().fold(Duration::ZERO, |sum, segment| sum + segment.duration)
    }

    /// PTS and DTS of the pictures (or the PES packets of sound) on the wire.
    pub(crate) fn times(&self, pid: u16) -> Vec<(u64, u64)> {
        let all = self.segments.iter().flat_map(|segment| pes_times(&segment.data));
        all.filter(|times| times.0 == pid).map(|(_, pts, dts)| (pts, dts)).collect()
    }
}

pub(crate) const VIDEO_PID: u16 = 0x100;
pub(crate) const AUDIO_PID: u16 = 0x101;

/// PID, PTS and DTS of every PES packet, as they are on the wire (ISO/IEC 13818-1 2.4.3.3 and
/// 2.4.3.6).
pub(crate) fn pes_times(ts: &[u8]) -> impl Iterator<Item = (u16, u64, u64)> {
    ts.chunks_exact(188).filter_map(|packet| {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let starts = packet[1] & 0x40 != 0 && (pid == VIDEO_PID || pid == AUDIO_PID);
        let adaptation = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
        let pes = &packet[4 + adaptation..];
        (starts && pes[7] & 0x80 != 0).then(|| {
            let pts = time_stamp(&pes[9..14]);
            (pid, pts, if pes[7] & 0x40 != 0 { time_stamp(&pes[14..19]) } else { pts })
        })
    })
}

/// Pictures of a rendition by what is on the wire.
pub(crate) fn written_pictures(events: &[RenditionEvent]) -> usize {
    let times = segments(events).flat_map(|segment| pes_times(&segment.data));
    times.filter(|times| times.0 == VIDEO_PID).count()
}

fn time_stamp(bytes: &[u8]) -> u64 {
    let bits = |at: usize, shift: u32| u64::from(bytes[at]) >> 1 << shift;
    (bits(0, 30) & 7 << 30)
        | u64::from(bytes[1]) << 22
        | bits(2, 15)
        | u64::from(bytes[3]) << 7
        | bits(4, 0)
}

/// From one time on the wire to another, the short way round their 33 bits.
pub(crate) fn step_33_bits(from: u64, to: u64) -> i64 {
    ((to.wrapping_sub(from) << 31) as i64) >> 31
}

/// The messages of which streams of any length can be made: headers, a picture that is an IDR, a
/// frame of sound.
pub(crate) struct Parts {
    pub(crate) headers: [Tag; 2],
    picture: Tag,
    sound: Tag,
}

impl Parts {
    /// 16x16 pictures and mono sound at 16 kHz, 64 ms a frame.
    pub(crate) fn make() -> Self {
        let input =
            "-f lavfi -i color=size=16x16:rate=1,format=yuv420p -f lavfi -i sine=sample_rate=16000";
        let tags = make(input, "-t 3 -c:v libx264 -g 1 -bf 0 -c:a aac");
        let find = |kind, packet_type| {
            let is = |tag: &&Tag| tag.kind == kind && tag.body[1] == packet_type;
            Tag { timestamp_ms: 0, ..tags.iter().rfind(is).cloned().expect("in every stream") }
        };
        Self {
            headers: [find(TagKind::Video, 0), find(TagKind::Audio, 0)],
            picture: find(TagKind::Video, 1),
            sound: find(TagKind::Audio, 1),
        }
    }

    pub(crate) fn picture(&self, timestamp_ms: u32) -> Tag {
        Tag { timestamp_ms, ..self.picture.clone() }
    }

    pub(crate) fn sound(&self, timestamp_ms: u32) -> Tag {
        Tag { timestamp_ms, ..self.sound.clone() }
    }
}
