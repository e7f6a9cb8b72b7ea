//! What one stream offers to viewers: a window per rendition, and the view of them that HTTP serves.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hls::{Snapshot, VariantStream, Window, WindowConfig};
use media::Timestamp;
use pipeline::{
    DecoderKind, GridMode, Keyframes, Notice, Preset, RenditionEvent, RenditionInfo, Resume,
    RungStats, SourceFacts,
};
use rtmp::StreamName;

use crate::sync::lock;

/// The rendition that is the publisher's own encoding.
pub const SOURCE: &str = "source";

/// Audio is passed through into every rendition; what encoders send by default.
const AUDIO_BPS: u64 = 128_000;

/// A rendition that has nothing of a publisher's stay while another has this many segments of it is not coming
/// (the new source is too small for it): it leaves the multivariant playlist.
const MISSING_AFTER_SEGMENTS: u64 = 3;

/// What all streams have in common.
#[derive(Clone, Debug)]
pub struct PublicationConfig {
    /// The ladder, in the order of the configuration.
    pub renditions: Vec<Preset>,
    /// Segments a playlist lists.
    pub playlist_segments: usize,
}

/// A rendition: the publisher's own, or one of the ladder by its index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The `source` rendition.
    Source,
    /// Index into [`PublicationConfig::renditions`].
    Ladder(usize),
}

/// A stream's playlists and segments, over all stays of its publisher.
#[derive(Debug)]
pub struct Publication {
    name: StreamName,
    writer: Mutex<Writer>,
    view: RwLock<Arc<View>>,
}

/// What viewers get, rendered once per change.
#[derive(Debug, Default)]
pub struct View {
    /// The multivariant playlist; None before the first segment.
    pub multivariant: Option<Arc<hls::Body>>,
    /// Renditions that have segments: ladder ascending, source last.
    pub renditions: Vec<Rendition>,
}

/// How the transcoder of the present or last publisher keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscodeLoad {
    /// Decoding time of the newest picture received for the transcoder.
    pub newest: Option<Timestamp>,
    /// Decoding time of the newest picture that the transcoder has taken.
    pub taken: Option<Timestamp>,
    /// Pictures dropped because the transcoder was behind.
    pub dropped_pictures: u64,
    /// Whole GOPs dropped because the queue was over its bytes.
    pub dropped_gops: u64,
    /// Pictures that could not be decoded or encoded.
    pub failed_pictures: u64,
    /// The decoder in use, if one is.
    pub decoder: Option<DecoderKind>,
    /// How often a decoder was left for the other one.
    pub decoder_changes: u64,
    /// For each configured rendition.
    pub renditions: Vec<RungStats>,
}

/// What was noticed of the messages of the present or last publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// How often its keyframes come.
    pub keyframes: Keyframes,
    /// They came too seldom once, so that source and renditions are cut apart for the stream's life.
    pub cut_apart: bool,
    /// Messages that could not be used.
    pub malformed_messages: u64,
    /// Times at which the clock of its timestamps jumped.
    pub timestamp_jumps: u64,
}

/// One rendition as it is at the moment.
#[derive(Clone, Debug)]
pub struct Rendition {
    /// The publisher's own, or which of the ladder.
    pub slot: Slot,
    /// Its name in URLs.
    pub name: Arc<str>,
    /// Playlist and segments.
    pub snapshot: Arc<Snapshot>,
    /// Codecs, size, frame rate.
    pub info: RenditionInfo,
    /// Segments published since the process has known the stream.
    pub published_segments: u64,
    /// Bytes of these segments.
    pub published_bytes: u64,
}

impl TranscodeLoad {
    /// Notes the picture that was received last.
    pub fn note_newest(&mut self, dts: Timestamp) {
        self.newest = Some(dts);
        // Until the first one is taken, the lag counts from it.
        self.taken.get_or_insert(dts);
    }

    /// What the transcoder has done for a rendition; None for the source.
    #[must_use]
    pub fn rung(&self, slot: Slot) -> Option<RungStats> {
        match slot {
            Slot::Source => None,
            Slot::Ladder(index) => self.renditions.get(index).copied(),
        }
    }

    /// Media time between the newest picture received and the newest one taken, in milliseconds.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        let lag =
            self.newest.zip(self.taken).map_or(0, |(newest, taken)| (newest - taken).as_millis());
        u64::try_from(lag).unwrap_or(0)
    }
}

impl Reception {
    /// Counts what the pipeline noticed.
    pub fn note(&mut self, notice: &Notice) {
        let is_malformed = matches!(notice, Notice::Malformed(_) | Notice::EmptyNalUnits(_));
        self.malformed_messages += u64::from(is_malformed);
        self.timestamp_jumps += u64::from(matches!(notice, Notice::TimestampJump(_)));
    }

    /// What the publisher should set otherwise, in words for people.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let what = if self.keyframes.too_seldom {
            let every = self.keyframes.interval.map_or_else(String::new, |interval| {
                format!(" (the last two were {:.1} s apart)", interval.as_secs_f64())
            });
            format!("keyframes come too seldom{every}")
        } else if self.cut_apart {
            "keyframes came too seldom or too irregularly to cut source and renditions together"
                .to_owned()
        } else {
            return Vec::new();
        };
        vec![format!("{what}: set a keyframe interval of 2 s in the encoder")]
    }
}

#[derive(Debug)]
struct Writer {
    /// Ladder ascending, source last; never changes its length.
    tracks: Vec<Track>,
    grid: Option<GridMode>,
    facts: SourceFacts,
    reception: Reception,
    load: TranscodeLoad,
}

#[derive(Debug)]
struct Track {
    slot: Slot,
    name: Arc<str>,
    window: Window,
    info: Option<RenditionInfo>,
    in_multivariant: bool,
    snapshot: Option<Arc<Snapshot>>,
    session_segments: u64,
    published_segments: u64,
    published_bytes: u64,
}

impl Publication {
    /// A stream without segments; all its renditions are numbered from `first_sequence`.
    #[must_use]
    pub fn new(name: StreamName, config: &PublicationConfig, first_sequence: u64) -> Self {
        let mut ladder: Vec<_> = config.renditions.iter().enumerate().collect();
        ladder.sort_by_key(|(_, preset)| (preset.bitrate_bps, preset.height));
        let ladder = ladder
            .into_iter()
            .map(|(index, preset)| (Slot::Ladder(index), preset.name.as_str(), floor_bps(preset)));
        let tracks = ladder
            .chain([(Slot::Source, SOURCE, 0)])
            .map(|(slot, rendition, min_bandwidth_bps)| {
                let window = WindowConfig {
                    uri_prefix: format!("/stream/{name}/{rendition}/"),
                    listed: config.playlist_segments,
                    first_sequence,
                    min_bandwidth_bps,
                };
                Track::new(slot, rendition, Window::new(window))
            })
            .collect();
        let writer = Writer {
            tracks,
            grid: None,
            facts: SourceFacts::default(),
            reception: Reception::default(),
            load: TranscodeLoad::default(),
        };
        Self { name, writer: Mutex::new(writer), view: RwLock::default() }
    }

    /// A publisher's stay begins: what its pipeline needs to go on where the last stay ended.
    ///
    /// Call it when the workers of the stay before are done.
    pub fn begin_session(&self) -> Resume {
        let mut writer = lock(&self.writer);
        for track in &mut writer.tracks {
            track.session_segments = 0;
            track.window.reopen();
            track.refresh();
        }
        let discontinuity = writer.tracks.iter().any(|track| track.published_segments > 0);
        writer.load = TranscodeLoad::default();
        let grid = writer.grid;
        let cut_apart = grid.is_some_and(|grid| grid.own_grid);
        writer.reception = Reception { cut_apart, ..Reception::default() };
        self.publish(&writer);
        Resume { grid, discontinuity }
    }

    /// Takes what a worker produced for one rendition. An index outside the ladder is ignored.
    pub fn apply(&self, slot: Slot, event: RenditionEvent) {
        let mut writer = lock(&self.writer);
        let Some(track) = writer.tracks.iter_mut().find(|track| track.slot == slot) else { return };
        track.apply(event);
        self.publish(&writer);
    }

    /// How the stream is cut from now on.
    pub fn set_grid(&self, grid: GridMode) {
        let mut writer = lock(&self.writer);
        writer.grid = Some(grid);
        writer.reception.cut_apart = grid.own_grid;
    }

    /// What the publisher sends from now on.
    pub fn set_facts(&self, facts: SourceFacts) {
        lock(&self.writer).facts = facts;
    }

    /// Notes what the publisher's messages are like.
    pub fn update_reception(&self, note: impl FnOnce(&mut Reception)) {
        note(&mut lock(&self.writer).reception);
    }

    /// Notes how the transcoder keeps up.
    pub fn update_transcode_load(&self, note: impl FnOnce(&mut TranscodeLoad)) {
        note(&mut lock(&self.writer).load);
    }

    /// No more segments come: every playlist gets `EXT-X-ENDLIST`.
    pub fn end(&self) {
        let mut writer = lock(&self.writer);
        for track in &mut writer.tracks {
            track.window.end();
            track.refresh();
        }
        self.publish(&writer);
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// What viewers get at the moment.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the publisher sends.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        lock(&self.writer).facts.clone()
    }

    /// What the publisher's messages are like.
    #[must_use]
    pub fn reception(&self) -> Reception {
        lock(&self.writer).reception
    }

    /// How the transcoder keeps up.
    #[must_use]
    pub fn transcode_load(&self) -> TranscodeLoad {
        lock(&self.writer).load.clone()
    }

    /// One more than the largest sequence number used.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        lock(&self.writer)
            .tracks
            .iter()
            .map(|track| track.window.next_sequence())
            .max()
            .unwrap_or(0)
    }

    /// Swaps what viewers get. The writer's lock is held, so views follow each other in order.
    fn publish(&self, writer: &Writer) {
        let view = Arc::new(writer.view(&self.name));
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }
}

impl View {
    /// The rendition of this name, if it has segments.
    #[must_use]
    pub fn rendition(&self, name: &str) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| &*rendition.name == name)
    }

    /// The smallest target duration of all playlists in seconds: what caches may rely on.
    #[must_use]
    pub fn target_duration_secs(&self) -> u64 {
        self.target_durations().min().unwrap_or(0)
    }

    /// The longest target duration of all playlists in seconds; 0 without any.
    #[must_use]
    pub fn longest_target_duration_secs(&self) -> u64 {
        self.target_durations().max().unwrap_or(0)
    }

    /// Segments of the longest rendition since the process has known the stream.
    #[must_use]
    pub fn published_segments(&self) -> u64 {
        self.renditions.iter().map(|rendition| rendition.published_segments).max().unwrap_or(0)
    }

    fn target_durations(&self) -> impl Iterator<Item = u64> {
        self.renditions.iter().map(|rendition| rendition.snapshot.target_duration_secs)
    }
}

impl Writer {
    fn view(&self, name: &StreamName) -> View {
        let mut variants: Vec<_> =
            self.in_multivariant().filter_map(|track| track.variant(name)).collect();
        // A source on a grid of its own is left out beside a ladder; alone it is the stream.
        if variants.is_empty() {
            variants.extend(self.source().and_then(|track| track.variant(name)));
        }
        let multivariant =
            (!variants.is_empty()).then(|| Arc::new(hls::multivariant_playlist::render(&variants)));
        View { multivariant, renditions: self.tracks.iter().filter_map(Track::rendition).collect() }
    }

    fn source(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.slot == Slot::Source)
    }

    fn in_multivariant(&self) -> impl Iterator<Item = &Track> {
        let furthest = self.tracks.iter().map(|track| track.session_segments).max().unwrap_or(0);
        let is_coming =
            move |track: &&Track| track.session_segments > 0 || furthest < MISSING_AFTER_SEGMENTS;
        self.tracks.iter().filter(|track| track.in_multivariant).filter(is_coming)
    }
}

impl Track {
    fn new(slot: Slot, name: &str, window: Window) -> Self {
        Self {
            slot,
            name: name.into(),
            window,
            info: None,
            in_multivariant: true,
            snapshot: None,
            session_segments: 0,
            published_segments: 0,
            published_bytes: 0,
        }
    }

    fn apply(&mut self, event: RenditionEvent) {
        match event {
            RenditionEvent::Playlist { target_duration_secs, independent, in_multivariant } => {
                self.window.set_target_duration(target_duration_secs);
                self.window.set_independent(independent);
                self.in_multivariant = in_multivariant;
            }
            RenditionEvent::Info(info) => self.info = Some(info),
            RenditionEvent::Segment(segment) => {
                self.session_segments += 1;
                self.published_segments += 1;
                self.published_bytes += segment.data.len() as u64;
                self.window.push(segment);
            }
        }
        self.refresh();
    }

    fn refresh(&mut self) {
        self.snapshot = self.window.snapshot().map(Arc::new);
    }

    fn rendition(&self) -> Option<Rendition> {
        Some(Rendition {
            slot: self.slot,
            name: Arc::clone(&self.name),
            snapshot: Arc::clone(self.snapshot.as_ref()?),
            info: self.info.clone()?,
            published_segments: self.published_segments,
            published_bytes: self.published_bytes,
        })
    }

    fn variant(&self, name: &StreamName) -> Option<VariantStream> {
        let (snapshot, info) = (self.snapshot.as_ref()?, self.info.clone()?);
        Some(VariantStream {
            uri: format!("{name}/{}.m3u8", self.name),
            bandwidth_bps: snapshot.bandwidth_bps,
            average_bandwidth_bps: snapshot.average_bandwidth_bps,
            codecs: info.codecs,
            resolution: info.resolution,
            frame_rate: info.frame_rate,
            independent: snapshot.independent,
        })
    }
}

/// The least BANDWIDTH announced for a rendition we make, whatever easy pictures need: its cap, audio, and what
/// MPEG-TS adds (4 of 188 bytes, and about half a packet of stuffing for each picture).
fn floor_bps(preset: &Preset) -> u64 {
    let frame_rate = preset.frame_rate.map_or(30.0, |rate| rate.as_f64()).clamp(0.0, 240.0);
    let payload = u64::from(preset.bitrate_bps) + AUDIO_BPS;
    payload + payload / 40 + (frame_rate * 94.0 * 8.0) as u64
}
