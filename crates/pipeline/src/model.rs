//! What ingest must make of any messages: the property that the fuzz target and the property tests
//! share.
//!
//! The pictures are NAL units that only say their kind and their number, and nobody decodes them:
//! the ladder is played by a stand-in that takes the items and makes one segment of each span. So a
//! stream of minutes takes milliseconds.
//!
//! What it costs is counted, not timed: the work by what comes out of ingest, the memory by what is
//! kept between its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use flv::TagKind;
use media::{Duration, NalUnits, Timestamp};

use super::{
    DecoderKind, EndedSpan, GridState, Ingest, IngestOutput, Item, LadderCut, Notice, Package,
    Picture, Preset, Queue, RenditionSet, Sample, SegmentStore, Slate, SourceSegment, StreamConfig,
    StreamTracks, WorkClock, write_ts,
};

/// The first number of every stream here.
pub(crate) const FIRST: u64 = 1_800_000_000;

/// Spans that a store keeps at least.
const KEPT: usize = 3;

/// A message does not step further in time than this without being a jump, which is closed, and no
/// segment here is shorter than half a second: more outputs than this cannot come of one message.
const MOST_OUTPUTS: usize = 256;

/// What the segments of a source may have together (docs/limits.md): so many bytes for each byte
/// that was sent, for each message and for each second that they last. MP3 of 8 kbit/s is what
/// grows most.
const MOST_OF_A_BYTE: f64 = 10.0;
const MOST_OF_A_MESSAGE: f64 = 6144.0;
const MOST_OF_A_SECOND: f64 = 16_384.0;

/// What may come out of ingest all in all, outputs and the samples in them: so much for each call,
/// for each byte that was sent, and for each second that the spans of source and ladder last.
///
/// A sample goes into a segment, into a span of the ladder and to the transcoder, and may end the
/// running spans: two dozen outputs, with what is said of them, and what stands in for a track.
/// Several pictures in one message have 3 bytes each at least, several frames of sound 8. A second
/// of silence has 100 frames, and up to eight spans of an eighth of a second.
const MOST_WORK_OF_A_CALL: f64 = 32.0;
const MOST_WORK_OF_A_BYTE: f64 = 4.0;
const MOST_WORK_OF_A_SECOND: f64 = 256.0;

/// Pictures that renditions begin with, which come once more, are bounded for themselves.
const MOST_PREROLL: usize = 1024;

/// What may be kept between two calls, in bytes with [`SAMPLE_COST`]: so much for each byte that
/// was sent, for each message, and for each second of all spans.
///
/// A sample is kept in up to five places: the running spans of source and ladder, what a decoder
/// begins with, the stored spans, and the picture that stands still. Several pictures in one
/// message have 3 bytes each at least and keep all of it. A second of silence has 100 frames, and
/// its spans a still picture each.
const MOST_KEPT_OF_A_BYTE: f64 = 512.0;
const MOST_KEPT_OF_A_MESSAGE: f64 = 5.0 * SAMPLE_COST as f64;
const MOST_KEPT_OF_A_SECOND: f64 = 40_960.0;

/// What a sample counts beside its bytes, as in the limits of the product.
const SAMPLE_COST: usize = 256;

/// Bytes of messages that may be kept and not counted: what is around the samples of a message, the
/// newest whole frame of sound, and the still picture that this model has itself.
const MOST_UNCOUNTED: usize = 64 * 1024;

/// What one segment of a source may have: its cap, and the sound that waited for it.
const MOST_OF_A_SEGMENT: usize = 38 * 1024 * 1024;

/// The wall clock when a slate begins.
const SLATE_UNIX_MS: i64 = 1_900_000_000_000;

/// avcC records of x264: 64x48, 80x64, and 4:2:2, which no decoder here takes.
const VIDEO_HEADERS: [&[u8]; 3] = [
    b"\x01\x42\xc0\x0a\xff\xe1\x00\x15\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0c\x83\xc4\x89\xa8\
      \x01\x00\x04\x68\xce\x0f\xc8",
    b"\x01\x42\xc0\x0a\xff\xe1\x00\x16\x67\x42\xc0\x0a\xda\x14\x9b\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\x20\xf1\x22\x6a\
      \x01\x00\x04\x68\xce\x0f\xc8",
    b"\x01\x7a\x00\x0a\xff\xe1\x00\x16\x67\x7a\x00\x0a\xbc\xb4\x23\xd8\x08\x80\x00\x00\x03\x00\x80\x00\x00\x19\x07\x89\x13\x50\
      \x01\x00\x04\x68\xce\x0f\xc8\xfe\xf8\xf8\x00",
];

/// AudioSpecificConfigs (ISO/IEC 14496-3 1.6.2.1): LC of 44.1 kHz in stereo and in mono, and of 48
/// kHz.
const AUDIO_HEADERS: [&[u8]; 3] = [&[0x12, 0x10], &[0x12, 0x08], &[0x11, 0x90]];
const MONO: u8 = 1;

/// How a frame of AAC begins (ISO/IEC 14496-3 4.4.2.1): its element, a gain, one long window
/// without scale factor bands.
const SINGLE_CHANNEL: [u8; 4] = [0x00, 0, 0, 0];
const CHANNEL_PAIR: [u8; 4] = [0x20, 0, 0, 0];

/// One thing that a publisher, or the viewers, may do next.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    VideoHeader(u8),
    AudioHeader(u8),
    /// A picture so long behind the one before.
    Picture {
        after_ms: u16,
        composition_ms: i16,
        kind: PictureKind,
    },
    /// A frame of sound so long behind the one before.
    Sound {
        after_ms: u16,
    },
    /// Both tracks at 25 pictures a second, every `gop`th of them an IDR, the others shown in order
    /// or, with `reorders`, each pair of them the other way round.
    Play {
        pictures: u8,
        gop: u8,
        reorders: bool,
        with_sound: bool,
    },
    /// Only sound for so many frames, as long as they are; pictures that follow are stamped behind
    /// it.
    Listen {
        frames: u8,
    },
    /// The stamps of the tracks jump.
    Jump {
        video_ms: i32,
        audio_ms: i32,
    },
    /// A message with these bytes.
    Raw {
        kind: u8,
        body: Vec<u8>,
    },
    /// These renditions are wanted.
    Want(u16),
    /// The publisher goes and another one comes.
    Resume,
    /// The publisher goes, a slate stands in for it so many tenths of a second, and another one
    /// comes.
    Absent {
        tenths: u8,
    },
    /// Nothing comes of the publisher for so many tenths of a second, for which a slate stands in,
    /// and then it goes on where it was.
    Silent {
        tenths: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureKind {
    Idr,
    /// Only I slices, but no IDR.
    Intra,
    Inter,
    /// Nothing refers to it.
    Disposable,
}

/// Plays `ops`, looks at everything that comes out, and returns the packages of the source.
pub(crate) fn check(segment_duration: Duration, ops: &[Op]) -> Vec<Package> {
    // Nobody makes them: which they are does not matter.
    let renditions = Preset::named("P144p30fps16x9").into_iter().collect();
    let config = StreamConfig {
        renditions,
        segment_duration,
        decoder: DecoderKind::Native,
        work_clock: WorkClock::default(),
    };
    let state = GridState::new(FIRST);
    let mut run = Run {
        ingest: Ingest::new(&config, state, StreamTracks::default()),
        config,
        state,
        tracks: StreamTracks::default(),
        announced: None,
        ladder_has_sound: None,
        sender: Sender::default(),
        stay: Stay::default(),
        source: Numbers::default(),
        ladder: Numbers::default(),
        store: Store::new(),
        wanted: RenditionSet::EMPTY,
        stand_in: StandIn::default(),
        packages: Vec::new(),
        sent: Sent::default(),
    };
    for op in ops {
        run.step(op);
        run.check_cost();
    }
    run.resume();
    run.check_cost();
    run.sent.check(&run.packages);
    run.packages
}

/// What a publisher has spent, and what came of it.
#[derive(Default)]
struct Sent {
    messages: usize,
    bytes: usize,
    /// Calls of ingest: messages, and what publishers and viewers do beside them.
    calls: usize,
    /// How long the spans of source and ladder are, together.
    seconds: f64,
    /// Outputs, and the samples in them.
    work: usize,
    /// What is kept of the messages, each with [`SAMPLE_COST`]: whoever has a part of one keeps all
    /// of it.
    alive: Arc<AtomicUsize>,
}

/// The bytes of a message, which count until nobody keeps a part of them any more.
struct Counted {
    body: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl Counted {
    fn cost(&self) -> usize {
        self.body.len() + SAMPLE_COST
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.cost(), Ordering::Relaxed);
    }
}

impl Sent {
    /// A message is sent.
    fn message(&mut self, body: Vec<u8>) -> Bytes {
        self.messages += 1;
        self.bytes += body.len();
        let counted = Counted { body, alive: Arc::clone(&self.alive) };
        self.alive.fetch_add(counted.cost(), Ordering::Relaxed);
        Bytes::from_owner(counted)
    }

    /// Something came out of ingest.
    fn note(&mut self, output: &IngestOutput) {
        let samples = match output {
            IngestOutput::Source(package) => package.samples.len(),
            IngestOutput::Segment(segment) => {
                let sound = segment.ended.sound.as_ref();
                segment.pictures.len() + sound.map_or(0, |sound| sound.frames.len())
            }
            _ => 0,
        };
        self.work += 1 + samples;
        self.seconds += match output {
            IngestOutput::Source(package) => package.span.duration.as_secs_f64(),
            IngestOutput::Segment(segment) => segment.ended.span.duration.as_secs_f64(),
            _ => 0.0,
        };
    }

    /// No more work was made of it than it accounts for.
    fn check_work(&self) {
        let Self { calls, bytes, seconds, work, .. } = self;
        let allowed = *calls as f64 * MOST_WORK_OF_A_CALL
            + *bytes as f64 * MOST_WORK_OF_A_BYTE
            + seconds * MOST_WORK_OF_A_SECOND;
        assert!(*work as f64 <= allowed, "{work} of {bytes} in {calls} calls, {seconds} s");
    }

    /// What is kept is what was counted, and no more of it than was sent accounts for.
    fn check_kept(&self, kept: usize) {
        let alive = self.alive.load(Ordering::Relaxed);
        assert!(alive <= kept + MOST_UNCOUNTED, "{alive} kept of messages, {kept} counted");
        let Self { messages, bytes, seconds, .. } = self;
        let allowed = *messages as f64 * MOST_KEPT_OF_A_MESSAGE
            + *bytes as f64 * MOST_KEPT_OF_A_BYTE
            + seconds * MOST_KEPT_OF_A_SECOND;
        assert!(kept as f64 <= allowed, "{kept} of {bytes} in {messages} messages, {seconds} s");
    }

    /// Nothing is made more of than what was sent, and time, account for.
    fn check(&self, packages: &[Package]) {
        let mut written = 0;
        let mut seconds = 0.0;
        for package in packages {
            let (ts, _) = write_ts(package, None);
            assert!(ts.len() <= MOST_OF_A_SEGMENT, "{} bytes in a segment", ts.len());
            written += ts.len();
            seconds += package.span.duration.as_secs_f64();
        }
        let allowed = self.bytes as f64 * MOST_OF_A_BYTE
            + self.messages as f64 * MOST_OF_A_MESSAGE
            + seconds * MOST_OF_A_SECOND;
        let Self { messages, bytes, .. } = self;
        assert!(
            written as f64 <= allowed,
            "{written} of {bytes} in {messages} messages, {seconds} s"
        );
    }
}

struct Run {
    config: StreamConfig,
    ingest: Ingest,
    state: GridState,
    tracks: StreamTracks,
    /// Whether the source's segments have video, and audio: whoever publishes.
    announced: Option<(bool, bool)>,
    ladder_has_sound: Option<bool>,
    sender: Sender,
    stay: Stay,
    source: Numbers,
    ladder: Numbers,
    store: Store,
    wanted: RenditionSet,
    stand_in: StandIn,
    packages: Vec<Package>,
    sent: Sent,
}

/// The spans of a slate, in the source or in the ladder.
#[derive(Default)]
struct SlateTrack {
    /// Where it begins, and ends as far as it has come.
    span: Option<(Timestamp, Timestamp)>,
    /// Where the sound ends.
    heard: Option<Timestamp>,
}

impl SlateTrack {
    fn note(&mut self, span: &hls::Span) {
        assert!(!span.cut.discontinuity || self.span.is_none(), "one at its beginning");
        let start = span.start();
        let (began, end) = self.span.unwrap_or((start, start));
        assert_eq!(start, end, "no gap, no overlap");
        let ms = (start - began).as_millis();
        assert_eq!(span.cut.unix_ms, SLATE_UNIX_MS + ms, "in time with the wall clock");
        self.span = Some((began, span.end()));
    }

    fn length(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(began, end)| end - began)
    }

    /// Frames of silence follow each other, from the beginning of the slate on.
    fn hear(&mut self, package: &Package) {
        let Some(config) = &package.audio else { return };
        let ticks = i64::from(config.samples_per_frame) * 90_000 / i64::from(config.sample_rate_hz);
        let began = self.span.map(|(began, _)| began);
        for sample in &package.samples {
            if let Sample::Audio(frame) = sample {
                let expected = self.heard.or(began).unwrap_or(frame.pts);
                assert!((0..=1).contains(&(frame.pts - expected).ticks()), "{frame:?}");
                self.heard = Some(frame.pts + Duration::from_ticks(ticks));
            }
        }
        let end = package.span.end();
        let left = self.heard.or(began).map_or(Duration::ZERO, |heard| end - heard);
        assert!(left < Duration::from_millis(300), "silence is missing: {left:?}");
    }
}

/// The publisher's clocks, and the numbers of what it sends next.
#[derive(Default)]
struct Sender {
    video_ms: u32,
    audio_ms: u32,
    next_picture: u32,
    next_sound: u32,
}

/// What has been sent, and what came of it, since the publisher came.
#[derive(Default)]
struct Stay {
    /// Something was sent that is no message of this sender: pictures may be lost, and what comes
    /// out may be its own.
    has_garbage: bool,
    /// The number of the first IDR behind a sequence header: from there on everything is part of
    /// the stream.
    first_idr: Option<u32>,
    has_video_header: bool,
    audio_headers: Vec<u8>,
    /// The numbers of what came out, in the order in which it did.
    source_pictures: Vec<u32>,
    source_sounds: Vec<u32>,
    ladder_pictures: Vec<u32>,
    ladder_sounds: Vec<u32>,
    /// Decoding time of the source's newest picture, and of the ladder's.
    source_dts: Option<Timestamp>,
    ladder_dts: Option<Timestamp>,
    first_picture: u32,
    first_sound: u32,
    source_spans: Vec<hls::Span>,
    ladder_spans: Vec<hls::Span>,
    /// How many of the source's spans had ended when the ladder got a grid of its own.
    shared: Option<usize>,
    /// Its first span had no picture of its own.
    began_with_sound: bool,
    /// A still picture stood in for pictures that had begun.
    was_still: bool,
    /// Sound was left out that came after silence had taken its place.
    had_late_sound: bool,
    /// Silence stood in for sound, in the source or in the ladder.
    was_silent: bool,
    /// The number of the sound that was to come when the source's last span ended.
    sound_at_cut: Option<u32>,
    /// How long pictures have gone on, by steps of a second at most, since the newest frame of
    /// sound.
    without_sound_ms: u32,
    /// When the newest picture was stamped.
    newest_picture_ms: Option<u32>,
    /// Sound came back behind a second of pictures: it is held until it is known whether it had
    /// paused, and a cut may come meanwhile.
    was_sound_held: bool,
    /// It ended in mid-stream: what is sent after that is not the stream's.
    was_refused: bool,
}

impl Stay {
    /// A picture of the source: one without a number, or with that of one that has come before,
    /// stands in for others.
    fn take_source_picture(&mut self, number: Option<u32>) {
        let newest = self.source_pictures.last().copied();
        let is_new = |number: &u32| {
            *number >= self.first_picture && newest.is_none_or(|newest| *number > newest)
        };
        match number.filter(is_new) {
            Some(number) => self.source_pictures.push(number),
            None if newest.is_none() => self.began_with_sound = true,
            None => self.was_still = true,
        }
    }
}

/// The numbers of the spans of one grid.
#[derive(Default)]
struct Numbers {
    last: Option<hls::Cut>,
}

impl Numbers {
    fn note(&mut self, span: &hls::Span) {
        let cut = span.cut;
        let expected = self.last.map_or((FIRST, 0), |last| {
            (last.sequence + 1, last.discontinuity_sequence + u64::from(cut.discontinuity))
        });
        assert_eq!((cut.sequence, cut.discontinuity_sequence), expected, "{cut:?}");
        assert!(self.last.is_some() || !cut.discontinuity, "nothing stands before it");
        self.last = Some(cut);
    }

    fn next(&self) -> u64 {
        self.last.map_or(FIRST, |last| last.sequence + 1)
    }
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::VideoHeader(which) => {
                self.stay.has_video_header = true;
                let record = VIDEO_HEADERS[usize::from(which) % VIDEO_HEADERS.len()];
                let body = [&[0x17, 0, 0, 0, 0], record].concat();
                self.push(TagKind::Video, self.sender.video_ms, body);
            }
            Op::AudioHeader(which) => {
                let which = which % AUDIO_HEADERS.len() as u8;
                self.stay.audio_headers.push(which);
                let body = [&[0xaf, 0], AUDIO_HEADERS[usize::from(which)]].concat();
                self.push(TagKind::Audio, self.sender.audio_ms, body);
            }
            Op::Picture { after_ms, composition_ms, kind } => {
                self.picture(after_ms, composition_ms, kind);
            }
            Op::Sound { after_ms } => self.sound(after_ms),
            Op::Play { pictures, gop, reorders, with_sound } => {
                for n in 0..pictures {
                    self.play(n, gop.max(1), reorders, with_sound);
                }
            }
            Op::Listen { frames } => {
                (0..frames).for_each(|_| self.sound(23));
                self.sender.video_ms = self.sender.audio_ms;
            }
            Op::Jump { video_ms, audio_ms } => {
                self.sender.video_ms = self.sender.video_ms.wrapping_add_signed(video_ms);
                self.sender.audio_ms = self.sender.audio_ms.wrapping_add_signed(audio_ms);
            }
            Op::Raw { kind, ref body } => {
                self.stay.has_garbage = true;
                let kind = [TagKind::Audio, TagKind::Video, TagKind::Script][usize::from(kind % 3)];
                self.push(kind, self.sender.video_ms, body.clone());
            }
            Op::Want(bits) => {
                self.sent.calls += 1;
                self.wanted = RenditionSet::from_bits(bits);
                self.ingest.set_wanted(self.wanted);
            }
            Op::Resume => self.resume(),
            Op::Absent { tenths } => {
                self.leave();
                self.slate(tenths);
                self.come();
            }
            Op::Silent { tenths } => self.silent(tenths),
        }
    }

    fn play(&mut self, n: u8, gop: u8, reorders: bool, with_sound: bool) {
        let place = n % gop;
        let (kind, composition_ms) = match (place, reorders) {
            (0, false) => (PictureKind::Idr, 0),
            (0, true) => (PictureKind::Idr, 40),
            (_, false) => (PictureKind::Inter, 0),
            // Shown behind the one that follows, where one does.
            (_, true) if place % 2 == 1 && place + 1 < gop => (PictureKind::Inter, 80),
            (_, true) if place % 2 == 1 => (PictureKind::Inter, 40),
            (_, true) => (PictureKind::Disposable, 0),
        };
        self.picture(40, composition_ms, kind);
        // Two tracks of one clock, unless it jumped for one of them: then sound comes at twice its
        // rate.
        for _ in 0..4 {
            let behind_ms = self.sender.video_ms.wrapping_sub(self.sender.audio_ms) as i32;
            if with_sound && behind_ms >= 23 {
                self.sound(23);
            }
        }
    }

    fn picture(&mut self, after_ms: u16, composition_ms: i16, kind: PictureKind) {
        let number = self.sender.next_picture;
        self.sender.next_picture += 1;
        self.sender.video_ms = self.sender.video_ms.wrapping_add(after_ms.into());
        if kind == PictureKind::Idr && self.stay.has_video_header {
            self.stay.first_idr.get_or_insert(number);
        }
        let before = self.stay.newest_picture_ms.replace(self.sender.video_ms);
        let step_ms = before.map_or(0, |before| self.sender.video_ms.wrapping_sub(before));
        self.stay.without_sound_ms += if step_ms <= 1000 { step_ms } else { 0 };
        let nal_unit = slice(kind, number);
        let frame_type = if kind == PictureKind::Idr { 0x17 } else { 0x27 };
        let composition = i32::from(composition_ms).to_be_bytes();
        let length = (nal_unit.len() as u32).to_be_bytes();
        let body = [&[frame_type, 1], &composition[1..], &length, &nal_unit].concat();
        self.push(TagKind::Video, self.sender.video_ms, body);
    }

    fn sound(&mut self, after_ms: u16) {
        let number = self.sender.next_sound;
        self.sender.next_sound += 1;
        self.stay.was_sound_held |= std::mem::take(&mut self.stay.without_sound_ms) >= 1000;
        self.sender.audio_ms = self.sender.audio_ms.wrapping_add(after_ms.into());
        let is_mono = self.stay.audio_headers.last() == Some(&MONO);
        let begins = if is_mono { SINGLE_CHANNEL } else { CHANNEL_PAIR };
        let body = [&[0xaf, 1][..], &begins, &seven_bits(number)].concat();
        self.push(TagKind::Audio, self.sender.audio_ms, body);
    }

    fn push(&mut self, kind: TagKind, timestamp_ms: u32, body: Vec<u8>) {
        self.sent.calls += 1;
        let body = self.sent.message(body);
        let arrival = 1_800_000_000_000 + i64::from(timestamp_ms);
        self.ingest.push(kind, timestamp_ms, body, arrival);
        self.drain(false);
    }

    fn check_cost(&self) {
        self.sent.check_work();
        self.sent.check_kept(self.ingest.held_bytes() + self.store.store.held_bytes());
    }

    /// The publisher goes: everything it sent has come out. The next one counts on.
    fn resume(&mut self) {
        self.leave();
        self.come();
    }

    fn leave(&mut self) {
        self.ingest.finish();
        self.check_stay();
    }

    /// The stay goes on behind a slate, where there can be one: what is told once is not told
    /// again.
    fn silent(&mut self, tenths: u8) {
        if !self.ingest.pause() {
            return;
        }
        self.check_stay();
        let slate = Slate::new(&self.config, self.state, self.tracks.clone(), SLATE_UNIX_MS);
        assert!(slate.is_some(), "or it would not have paused");
        self.slate(tenths);
        let ingest = self.ingest.resume(&self.config, self.state, self.tracks.clone());
        let Stay { has_garbage, has_video_header, audio_headers, .. } =
            std::mem::take(&mut self.stay);
        self.begin_stay(ingest);
        let audio_headers = audio_headers.last().copied().into_iter().collect();
        self.stay =
            Stay { has_garbage, has_video_header, audio_headers, ..std::mem::take(&mut self.stay) };
    }

    fn check_stay(&mut self) {
        self.sent.calls += 1;
        self.drain(true);
        self.check_numbers();
        self.check_pictures();
        self.check_sounds();
        self.stand_in.end();
    }

    fn come(&mut self) {
        self.begin_stay(Ingest::new(&self.config, self.state, self.tracks.clone()));
    }

    fn begin_stay(&mut self, ingest: Ingest) {
        self.sent.calls += 1;
        self.ingest = ingest;
        self.ingest.set_wanted(self.wanted);
        self.store.stays.push(self.store.segments.len());
        self.stay = Stay {
            first_picture: self.sender.next_picture,
            first_sound: self.sender.next_sound,
            ..Stay::default()
        };
    }

    /// Nobody publishes, and a clock goes on in steps of a tenth of a second.
    fn slate(&mut self, tenths: u8) {
        let slate = Slate::new(&self.config, self.state, self.tracks.clone(), SLATE_UNIX_MS);
        let Some(mut slate) = slate else { return };
        self.store.stays.push(self.store.segments.len());
        let (mut source, mut ladder) = (SlateTrack::default(), SlateTrack::default());
        let before = self.stay.source_spans.last().map_or(Timestamp::ZERO, hls::Span::end);
        let tenths = i64::from(tenths);
        for now in (0..=tenths).map(|tenth| Duration::from_millis(tenth * 100)) {
            slate.go_on(now);
            let came = self.drain_slate(&mut slate, &mut source, &mut ladder);
            assert!(came <= 1, "one in a call");
            assert!(source.length() <= now, "not before its time");
            let left = now - source.length();
            assert!(left < self.config.segment_duration, "nor later");
        }
        let end = Duration::from_millis(tenths * 100);
        slate.end(end);
        self.drain_slate(&mut slate, &mut source, &mut ladder);
        let left = end - source.length();
        let quarter = Duration::from_ticks(self.config.segment_duration.ticks() / 4);
        assert!(left < quarter, "all that is worth a segment");
        assert_eq!(source.span, ladder.span, "cut together");
        assert!(source.span.is_none_or(|(began, _)| began >= before), "it goes on from the stay");
        assert_eq!(self.state.source.next_sequence, self.source.next(), "none lost, none twice");
        assert_eq!(self.state.ladder.next_sequence, self.ladder.next(), "none lost, none twice");
    }

    /// How many segments of the source came.
    fn drain_slate(
        &mut self,
        slate: &mut Slate,
        source: &mut SlateTrack,
        ladder: &mut SlateTrack,
    ) -> usize {
        let before = self.packages.len();
        while let Some(output) = slate.poll() {
            self.sent.note(&output);
            match output {
                IngestOutput::Source(package) => {
                    source.note(&package.span);
                    self.source.note(&package.span);
                    let tracks = (package.video.is_some(), package.audio.is_some());
                    assert_eq!(Some(tracks), self.announced, "the tracks stand");
                    let pictures = 2 * usize::from(tracks.0);
                    assert_eq!(package.pictures(), pictures, "one picture, and once more");
                    source.hear(&package);
                    self.check_that_tracks_are_there(&package);
                    self.packages.push(copied(package));
                }
                IngestOutput::Segment(segment) => {
                    let span = segment.ended.span;
                    ladder.note(&span);
                    self.ladder.note(&span);
                    self.store.push(&segment);
                    if segment.ended.video.is_some() {
                        let made_of = self.store.store.source_of(span.sequence());
                        let made_of = made_of.expect("it can be made");
                        assert_eq!(made_of.preroll.len() + made_of.segment.pictures.len(), 2);
                    }
                }
                IngestOutput::Grid(state) => {
                    assert_eq!(state.mode, self.state.mode, "it decides nothing");
                    self.state = state;
                }
                IngestOutput::Transcode(Item::Cut(cut)) => {
                    assert!(cut.begins.is_none_or(|begins| begins.live.is_empty()));
                }
                IngestOutput::Tracks(tracks) => self.tracks = tracks,
                other => panic!("{other:?}"),
            }
        }
        self.packages.len() - before
    }

    fn drain(&mut self, is_end: bool) {
        let mut outputs = 0;
        let mut items = Queue::new();
        while let Some(output) = self.ingest.poll() {
            outputs += 1;
            self.sent.note(&output);
            match output {
                IngestOutput::Source(package) => self.source_package(package, is_end),
                IngestOutput::Segment(segment) => self.ladder_segment(&segment),
                IngestOutput::Transcode(item) => items.push(item),
                IngestOutput::Grid(state) => self.grid(state),
                IngestOutput::Tracks(tracks) => self.tracks = tracks,
                IngestOutput::Notice(Notice::SoundTooLate) => self.stay.had_late_sound = true,
                IngestOutput::Facts(_) | IngestOutput::Keyframes(_) | IngestOutput::Notice(_) => {}
                IngestOutput::Refused(_) => self.stay.was_refused = true,
            }
        }
        assert!(outputs < MOST_OUTPUTS, "{outputs} outputs of one message");
        while let Some(item) = items.pop() {
            self.stand_in.take(item, self.wanted);
        }
    }

    fn grid(&mut self, state: GridState) {
        let had_own_grid = self.state.mode.is_some_and(|mode| mode.own_grid);
        if had_own_grid {
            assert_eq!(self.state.mode, state.mode, "for good");
        } else if state.mode.is_some_and(|mode| mode.own_grid) {
            self.stay.shared.get_or_insert(self.stay.source_spans.len());
        }
        self.state = state;
    }

    fn source_package(&mut self, package: Package, is_end: bool) {
        let span = package.span;
        self.source.note(&span);
        assert!(span.duration > Duration::ZERO, "{span:?}");
        if let Some(before) = self.stay.source_spans.last() {
            assert_eq!(before.end(), span.start(), "no gap, no overlap");
        }
        let tracks = (package.video.is_some(), package.audio.is_some());
        let announced = *self.announced.get_or_insert(tracks);
        assert_eq!(tracks, announced, "the tracks stand: {span:?}");
        self.check_that_tracks_are_there(&package);
        let mut last_dts = self.stay.source_dts;
        for sample in &package.samples {
            match sample {
                Sample::Picture(unit, _) => {
                    assert!(last_dts < Some(unit.dts) && unit.dts <= unit.pts, "decoding order");
                    assert!(tracks.0, "a picture without a track");
                    last_dts = Some(unit.dts);
                    let number = picture_number(&unit.nal_units);
                    self.stay.take_source_picture(number);
                }
                Sample::Audio(frame) => {
                    let number = sound_number(&frame.data);
                    assert!(tracks.1, "sound without a track");
                    self.stay.was_silent |= number.is_none();
                    assert!(is_end || frame.pts < span.end(), "heard in the next one");
                    // What is heard before the span came too late for the one before.
                    let is_late =
                        self.stay.sound_at_cut.zip(number).is_none_or(|(at, it)| it >= at);
                    let is_heard = frame.pts >= span.start() || is_late || self.stay.was_sound_held;
                    assert!(is_heard || self.stay.has_garbage, "heard in the one before");
                    self.stay.source_sounds.extend(number);
                }
            }
        }
        self.stay.source_dts = last_dts;
        self.stay.sound_at_cut = Some(self.sender.next_sound.saturating_sub(1));
        self.stay.source_spans.push(span);
        self.packages.push(copied(package));
    }

    /// A segment has samples of all tracks that it announces.
    fn check_that_tracks_are_there(&mut self, package: &Package) {
        let span = package.span;
        let sounds = package.samples.len() - package.pictures();
        // Where the frame before sounds up to its end, there is room for none.
        let is_short = span.duration < Duration::from_millis(50);
        // Garbage may be the configuration of a sound that no silence can be made of.
        let may_be_silent = package.audio.as_ref().is_some_and(|audio| {
            (1..=2).contains(&audio.channels) && audio.sample_rate_hz >= 8_000
        });
        assert!(!may_be_silent || sounds > 0 || is_short, "no sound: {span:?}");
        assert!(package.video.is_none() || package.pictures() > 0, "no picture: {span:?}");
        self.stay.began_with_sound |= package.video.is_none();
    }

    fn ladder_segment(&mut self, segment: &SourceSegment) {
        let span = segment.ended.span;
        self.ladder.note(&span);
        if let Some(before) = self.stay.ladder_spans.last() {
            assert_eq!(before.end(), span.start(), "no gap, no overlap");
        }
        let has_sound = segment.ended.sound.is_some();
        let announced = *self.ladder_has_sound.get_or_insert(has_sound);
        assert_eq!(has_sound, announced, "the tracks stand: {span:?}");
        for picture in &segment.pictures {
            assert!(picture.unit.dts < span.end(), "decoded in the next one");
            let before = self.stay.ladder_dts.replace(picture.unit.dts);
            assert!(before < Some(picture.unit.dts), "decoding order");
            let number = picture_number(&picture.unit.nal_units);
            let stay = &mut self.stay;
            stay.ladder_pictures.extend(number.filter(|it| *it >= stay.first_picture));
        }
        for frame in segment.ended.sound.iter().flat_map(|sound| &sound.frames) {
            let number = sound_number(&frame.data);
            self.stay.was_silent |= number.is_none();
            self.stay.ladder_sounds.extend(number);
        }
        self.stay.ladder_spans.push(span);
        self.store.push(segment);
    }

    fn check_numbers(&self) {
        let mode = self.state.mode;
        assert_eq!(self.state.source.next_sequence, self.source.next(), "none lost, none twice");
        assert_eq!(self.state.ladder.next_sequence, self.ladder.next(), "none lost, none twice");
        let stay = &self.stay;
        if !mode.is_some_and(|mode| mode.own_grid) {
            assert_eq!(stay.source_spans, stay.ladder_spans, "one grid");
        } else if let Some(shared) = stay.shared {
            let shared = shared.min(stay.ladder_spans.len());
            assert_eq!(stay.source_spans[..shared], stay.ladder_spans[..shared], "one grid");
        }
    }

    fn check_pictures(&self) {
        let stay = &self.stay;
        if stay.has_garbage {
            return;
        }
        // A stream may also begin at a picture that is none of its IDRs.
        for (numbers, may_lack) in
            [(&stay.source_pictures, stay.was_still), (&stay.ladder_pictures, false)]
        {
            let first = numbers.first().copied().unwrap_or(self.sender.next_picture);
            let all: Vec<_> = (first..self.sender.next_picture).collect();
            let is_ascending = numbers.is_sorted_by(|before, after| before < after);
            let are_all = numbers == &all
                || may_lack && is_ascending
                || stay.was_refused && all.starts_with(numbers);
            assert!(are_all, "each picture once and in order, {first} to {}", all.len());
            assert!(first >= stay.first_picture);
            // One that joins sound begins at the first that is shown behind the running span's
            // start.
            let may_wait = stay.began_with_sound || stay.first_idr.is_none_or(|idr| first <= idr);
            assert!(may_wait, "it begins at {first}");
        }
    }

    fn check_sounds(&self) {
        let stay = &self.stay;
        if stay.has_garbage || stay.audio_headers.is_empty() {
            return;
        }
        let is_one = stay.audio_headers.windows(2).all(|pair| pair[0] == pair[1]);
        for numbers in [&stay.source_sounds, &stay.ladder_sounds] {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), numbers.len(), "none twice");
            // Where one kind follows another, what is left of the one or comes early of the other
            // is left out.
            if is_one {
                let first = numbers.first().copied().unwrap_or(self.sender.next_sound);
                let all: Vec<_> = (first..self.sender.next_sound).collect();
                assert!(first >= stay.first_sound);
                let is_ascending = numbers.is_sorted_by(|before, after| before < after);
                let are_all = numbers == &all
                    || stay.had_late_sound && is_ascending
                    || stay.was_refused && all.starts_with(numbers);
                // Nothing has begun where no picture came and hardly any sound.
                assert!(
                    numbers.is_empty() || are_all,
                    "each frame once and in order: {numbers:?} of {all:?}, held {}",
                    stay.was_sound_held
                );
            }
        }
        // A cut of the ladder is decided later: more sound may have come by then, so that less of
        // it is filled with silence.
        let has_own_grid = self.state.mode.is_some_and(|mode| mode.own_grid);
        if is_one && !stay.was_silent && !stay.was_refused && !has_own_grid {
            assert_eq!(stay.source_sounds, stay.ladder_sounds, "equal in both");
        }
    }
}

/// The stored spans, and everything that was ever stored.
struct Store {
    store: SegmentStore,
    segments: Vec<SourceSegment>,
    /// Place of the first segment of each publisher's stay, ascending: times begin anew with each.
    stays: Vec<usize>,
}

impl Store {
    fn new() -> Self {
        Self { store: SegmentStore::new(KEPT), segments: Vec::new(), stays: vec![0] }
    }

    fn push(&mut self, segment: &SourceSegment) {
        self.store.push(segment.clone());
        self.segments.push(times_of(segment));
        self.check(self.segments.len().saturating_sub(KEPT));
        self.check(self.segments.len() - 1);
        if let Some(gone) = self.segments.len().checked_sub(KEPT + 1) {
            let sequence = self.segments[gone].ended.span.sequence();
            assert!(self.store.source_of(sequence).is_none(), "{sequence} is kept for ever");
        }
    }

    /// Decoding of a stored span begins where all of it can be decoded. One that has no such place
    /// has no source.
    fn check(&self, place: usize) {
        let segment = &self.segments[place];
        let span = segment.ended.span;
        let begins =
            |it: &&Picture| it.cut_point.is_some() && it.unit.pts <= span.start() + hls::TOLERANCE;
        let stay = self.stays[self.stays.partition_point(|begins| *begins <= place) - 1];
        let ever = || self.segments[stay..=place].iter().flat_map(|it| &it.pictures);
        let Some(source) = self.store.source_of(span.sequence()) else {
            let is_beginning = |it: &&Picture| begins(it) && it.unit.random_access;
            let refused = ever().enumerate().filter(|(_, it)| it.config.refusal.is_some()).last();
            let idr = ever().enumerate().filter(|(_, it)| is_beginning(it)).last();
            // No decoder gets over a picture that it refuses.
            let idr = idr.filter(|(idr, _)| refused.is_none_or(|(refused, _)| *idr > refused));
            let after = idr.map_or(0, |(idr, _)| ever().count() - idr);
            assert!(idr.is_none() || after > 1000, "{span:?} begins {after} pictures before");
            return;
        };
        assert_eq!(source.segment.ended.span, span);
        if segment.ended.video.is_none() {
            // Its sound is all that something is made of.
            return;
        }
        let mut decoded = source.preroll.iter().chain(&source.segment.pictures);
        let first = decoded.next().expect("a beginning");
        assert!(begins(&first), "{first:?} is no beginning of {span:?}");
        let times = source.preroll.iter().chain(&source.segment.pictures).map(|it| it.unit.dts);
        assert!(times.is_sorted_by(|a, b| a < b), "decoding order");
    }
}

/// Takes a ladder's items and makes one segment of each span, of no samples.
#[derive(Default)]
struct StandIn {
    /// Where the running span begins.
    running: Option<hls::Cut>,
    live: RenditionSet,
    /// The newest picture that came, or was in front of a cut that renditions joined at.
    newest: Option<u32>,
    /// Renditions have joined at this time, and the next picture must be one that decoding begins
    /// with.
    must_begin: Option<Timestamp>,
    newest_dts: Option<Timestamp>,
}

impl StandIn {
    fn take(&mut self, item: Item, wanted: RenditionSet) {
        match item {
            Item::Picture(picture) => self.picture(&picture),
            Item::Expect(_) => {
                assert!(!self.live.is_empty(), "who begins alone has a preroll");
            }
            Item::Cut(cut) => self.cut(cut, wanted),
        }
    }

    fn picture(&mut self, picture: &Picture) {
        assert!(!self.live.is_empty(), "a picture that nobody wants");
        assert!(picture.config.refusal.is_none(), "a picture that nobody can decode");
        assert!(self.newest_dts < Some(picture.unit.dts), "decoding order");
        self.newest_dts = Some(picture.unit.dts);
        let number = picture_number(&picture.unit.nal_units);
        if let Some(at) = self.must_begin.take() {
            let begins = picture.cut_point.is_some() && picture.unit.pts <= at + hls::TOLERANCE;
            assert!(begins, "{picture:?} does not begin what begins at {at:?}");
        }
        self.newest = number.or(self.newest);
    }

    fn cut(&mut self, cut: LadderCut, wanted: RenditionSet) {
        match (&cut.ended, self.running.take()) {
            (Some(ended), Some(running)) => assert_eq!(ended.span.cut, running),
            (None, Some(running)) => {
                assert!(cut.begins.is_none(), "a span of no length in mid-stream: {running:?}");
            }
            (ended, None) => assert!(ended.is_none(), "what has not begun does not end"),
        }
        let Some(begins) = cut.begins else {
            self.live = RenditionSet::EMPTY;
            return;
        };
        self.running = Some(begins.cut);
        assert!(begins.live == wanted || begins.live.is_empty(), "{:?}", begins.live);
        // Where others are live there is a decoder at work already.
        let joins = !begins.live.is_empty() && self.live.is_empty();
        self.live = begins.live;
        if let Some(first) = begins.preroll.first() {
            assert!(joins, "only who joins needs it");
            assert!(first.cut_point.is_some(), "it begins where decoding can");
            assert!(begins.preroll.len() <= MOST_PREROLL, "{} in front", begins.preroll.len());
            let refused = begins.preroll.iter().find(|it| it.config.refusal.is_some());
            assert!(refused.is_none(), "a picture that nobody can decode: {refused:?}");
            let numbers: Vec<_> =
                begins.preroll.iter().map(|it| picture_number(&it.unit.nal_units)).collect();
            let follows =
                |pair: &[Option<u32>]| pair[0].zip(pair[1]).is_none_or(|(a, b)| a + 1 == b);
            assert!(numbers.windows(2).all(follows), "no hole: {numbers:?}");
            self.newest = numbers.last().copied().flatten().or(self.newest);
            self.newest_dts = begins.preroll.last().map(|it| it.unit.dts);
            self.must_begin = None;
        } else if joins {
            self.must_begin = Some(begins.cut.at);
        }
    }

    /// The stay is over.
    fn end(&mut self) {
        assert!(self.running.is_none() && self.live.is_empty(), "the last span has ended");
        *self = Self::default();
    }
}

/// The package, with bytes of its own: what the model keeps is nothing that ingest keeps.
fn copied(mut package: Package) -> Package {
    for sample in &mut package.samples {
        match sample {
            Sample::Picture(unit, _) => unit.nal_units = unit.nal_units.iter().collect(),
            Sample::Audio(frame) => frame.data = Bytes::copy_from_slice(&frame.data),
        }
    }
    package
}

/// The segment without its bytes.
fn times_of(segment: &SourceSegment) -> SourceSegment {
    let mut ended = EndedSpan::clone(&segment.ended);
    ended.sound = None;
    let mut pictures = segment.pictures.clone();
    pictures.iter_mut().for_each(|picture| picture.unit.nal_units = NalUnits::default());
    SourceSegment { ended: Arc::new(ended), pictures }
}

/// A NAL unit with the beginning of a slice header (H.264 7.3.3) and a number.
fn slice(kind: PictureKind, number: u32) -> Vec<u8> {
    // nal_ref_idc and nal_unit_type; first_mb_in_slice 0, slice_type 7 (all I) or 5 (all P), one
    // more bit.
    let head = match kind {
        PictureKind::Idr => [0x65, 0b1000_1000],
        PictureKind::Intra => [0x41, 0b1000_1000],
        PictureKind::Inter => [0x41, 0b1001_1010],
        PictureKind::Disposable => [0x01, 0b1001_1010],
    };
    [&head[..], &seven_bits(number)].concat()
}

/// A number in bytes that are no start code and no end of one.
fn seven_bits(number: u32) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| 0x80 | (number >> shift) as u8)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f))
}

/// The number of a picture of this sender.
pub(crate) fn picture_number(nal_units: &NalUnits) -> Option<u32> {
    let is_ours = |it: &&[u8]| it.len() == 6 && it[2..].iter().all(|byte| byte & 0x80 > 0);
    nal_units.iter().find(is_ours).map(|slice| number(&slice[2..]))
}

/// The number of a frame of sound of this sender; None for silence.
pub(crate) fn sound_number(frame: &[u8]) -> Option<u32> {
    let (begins, bytes) = frame.split_first_chunk()?;
    let is_ours = [SINGLE_CHANNEL, CHANNEL_PAIR].contains(begins)
        && bytes.len() == 4
        && bytes.iter().all(|byte| byte & 0x80 > 0);
    is_ours.then(|| number(bytes))
}
