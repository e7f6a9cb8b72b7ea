//! What one stream offers to viewers: a window per rendition, and the view of them that HTTP
//! serves.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use hls::{
    Body, Container, KnownRates, Lookup, PerContainer, Rates, Segment, Snapshot, Span,
    VariantStream, Window, WindowConfig,
};
use media::Timestamp;
use pipeline::{
    AudioRefusal, Continuity, DecoderKind, GridState, Keyframes, Notice, OldestMakeable, Package,
    Preset, QueueStats, RenditionInfo, RenditionSet, RungStats, SegmentSource, SegmentStore,
    SourceFacts, SourceRates, SourceSegment, StreamTracks, TranscoderStats, Work, allowances,
    measure_cmaf, measure_ts, write_cmaf, write_ts,
};
use rtmp::StreamName;
use tokio::sync::watch;

use crate::audience::Audience;
use crate::clock::Moment;
use crate::demand::{Demand, Transcode, Wakefulness};
use crate::http_path;
use crate::memory::{Account, Memory, Reserved};
use crate::metrics::{Counter, Histogram};
use crate::numbers::Numbers;
use crate::sync::lock;
use crate::viewer_secret::ViewerSecret;
use crate::warnings::{SourceListing, Streamer, Trouble, Warning, Warnings};

/// The rendition that is the publisher's own encoding.
pub const SOURCE: &str = "source";

/// Who wants to save data is offered nothing heavier, in bits per second: what Apple's authoring
/// rules want on a cellular link (9.22).
const LOW_DATA_BPS: u64 = 192_000;

/// Players start with what is listed first, before they know the link: the best rendition whose cap
/// is no more than this, in bits per second, which is that of 144p.
const START_BPS: u32 = 400_000;

/// The multivariant playlist waits until every rendition has said what it will be, but no longer
/// than for so many segments of the source.
const PATIENCE_SEGMENTS: u64 = 2;

/// So many of the newest segments made are known by where they left the counters of their transport
/// stream, so that the next can go on from there.
const REMEMBERED_CONTINUITIES: usize = 32;

/// Spans that stay makeable after they have left the playlist: who has just read it may still come.
const MAKEABLE_BEHIND_PLAYLIST: usize = 4;

/// A rendition sleeps when nobody has asked for it in [`Limits::rendition_idle`](crate::Limits),
/// and in this many target durations: a player asks once in each.
const IDLE_TARGET_DURATIONS: u32 = 4;

/// Who has not asked for a media playlist in this many target durations does not watch any more.
const WATCHING_TARGET_DURATIONS: u64 = 4;

/// What all streams have in common.
#[derive(Clone, Debug)]
pub struct PublicationConfig {
    /// The ladder, in the order of the configuration.
    pub renditions: Vec<Preset>,
    /// Segments a playlist lists.
    pub playlist_segments: usize,
    /// When renditions are made.
    pub transcode: Transcode,
    /// None: anybody may watch.
    pub viewer_secret: Option<ViewerSecret>,
    /// What all streams hold their media of.
    pub memory: Arc<Memory>,
}

/// A rendition: the publisher's own, or one of the ladder by its index in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    numbers: Numbers,
    account: Arc<Account>,
    /// What a decoder of the video takes at most, in bytes; 0 without video.
    decoder_bytes: AtomicU64,
    writer: Mutex<Writer>,
    view: watch::Sender<Arc<View>>,
    /// What segments are made of that nobody has asked for yet.
    store: Mutex<SegmentStore>,
    demand: Mutex<Demand>,
    /// The renditions that are awake, as [`RenditionSet::bits`]: the ingest thread looks with
    /// every message.
    wanted: AtomicU16,
    /// Decoding time of the newest picture received for the transcoder; `i64::MIN` before the
    /// first.
    newest: AtomicI64,
    /// Decoding time of the newest picture that the transcoder has taken; `i64::MIN` before the
    /// first.
    taken: AtomicI64,
    /// What waits for the transcoder: media in 90 kHz ticks, and bytes.
    queued_ticks: AtomicI64,
    queued_bytes: AtomicU64,
    /// Counts of each rendition, in the order of the tracks.
    counts: Vec<(Slot, RenditionCounts)>,
    audience: Mutex<Audience>,
    warnings: Mutex<Warnings>,
}

/// What is counted of a rendition without any lock.
#[derive(Debug, Default)]
pub(crate) struct RenditionCounts {
    /// Bytes of the answers to viewers.
    pub(crate) sent_bytes: Counter,
    /// From the end of a span to its segment, where that was made as pictures came.
    pub(crate) delays: Histogram,
}

/// What viewers get. Never changes; each change makes another.
#[derive(Debug, Default)]
pub struct View {
    /// Renditions that have segments or can have them: ladder ascending, source last.
    pub renditions: Vec<Rendition>,
    /// The choices of the multivariant playlist: ladder ascending, source last.
    variants: Vec<VariantStream>,
    /// What each of them declares.
    declared: Vec<PerContainer<Rates>>,
    /// The place in `variants` of the one that players are to start with.
    first: Option<usize>,
    /// Rendered by the first who reads it.
    multivariant: PerContainer<OnceLock<Body>>,
    /// The same, of what saves data.
    low_data: PerContainer<OnceLock<Body>>,
}

/// Which choices a viewer is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All.
    Everything,
    /// The light ones, the lightest first.
    LowData,
}

/// How the transcoder of the present or last publisher keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscodeLoad {
    /// Media time between the newest picture received and the newest one taken, in milliseconds.
    pub lag_ms: u64,
    /// Pictures dropped because the transcoder was behind.
    pub dropped_pictures: u64,
    /// Whole GOPs dropped because the queue was over its bytes.
    pub dropped_gops: u64,
    /// Pictures that could not be decoded or encoded, or came damaged.
    pub failed_pictures: u64,
    /// The decoder in use, if one is.
    pub decoder: Option<DecoderKind>,
    /// What the transcoder has done for each configured rendition.
    pub renditions: Vec<RungStats>,
    /// Media that waits for the transcoder, in milliseconds.
    pub queued_ms: u64,
    /// Bytes that wait for it.
    pub queued_bytes: u64,
    /// What the renditions took of a core.
    pub work: Work,
}

/// What was noticed of the messages of the present or last publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// How often its keyframes come.
    pub keyframes: Keyframes,
    /// They came too seldom once, so that source and renditions are cut apart for the stream's
    /// life.
    pub cut_apart: bool,
    /// Messages that could not be used.
    pub malformed_messages: u64,
    /// Times at which the clock of its timestamps jumped.
    pub timestamp_jumps: u64,
    /// Audio frames that did not decode.
    pub damaged_audio_frames: u64,
    /// Why its audio is left out, if it is.
    pub audio_refusal: Option<AudioRefusal>,
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
    /// BANDWIDTH and AVERAGE-BANDWIDTH.
    pub declared: PerContainer<Rates>,
    /// The multivariant playlist lists it.
    pub is_listed: bool,
    /// The spans that come next will have segments of it, as far as is known.
    pub goes_on: bool,
    /// Segments made since the process has known the stream.
    pub published_segments: u64,
    /// Bytes of these segments as transport streams.
    pub published_bytes: u64,
    /// Bytes of them as fragmented MP4, written or not.
    pub cmaf_bytes: u64,
    /// Bytes of the samples in them, without any framing.
    pub elementary_bytes: u64,
}

impl TranscodeLoad {
    /// Adds what was made on other threads.
    fn add(&mut self, made: &Self) {
        self.failed_pictures += made.failed_pictures;
        self.work.add(&made.work);
        self.decoder = self.decoder.or(made.decoder);
        let renditions = self.renditions.len().max(made.renditions.len());
        self.renditions.resize(renditions, RungStats::default());
        for (rung, made) in self.renditions.iter_mut().zip(&made.renditions) {
            rung.encoded += made.encoded;
            rung.skipped += made.skipped;
        }
    }

    /// What the transcoder has done for a rendition; None for the source.
    #[must_use]
    pub fn rung(&self, slot: Slot) -> Option<RungStats> {
        match slot {
            Slot::Source => None,
            Slot::Ladder(index) => self.renditions.get(index).copied(),
        }
    }
}

impl Reception {
    /// Counts what the pipeline noticed.
    pub fn note(&mut self, notice: &Notice) {
        let is_malformed = matches!(notice, Notice::Skipped(_) | Notice::EmptyNalUnits(_));
        self.malformed_messages += u64::from(is_malformed);
        match notice {
            Notice::TimestampJump(_) => self.timestamp_jumps += 1,
            Notice::DamagedAudio(frames) => self.damaged_audio_frames += *frames as u64,
            Notice::UnsupportedAudio(why) => self.audio_refusal = Some(why.clone()),
            _ => {}
        }
    }

    /// What the publisher should set otherwise, in words for people.
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        advice.extend(self.keyframe_advice());
        if let Some(why) = &self.audio_refusal {
            advice.push(format!("audio is left out ({why}): {}", why.remedy()));
        }
        if self.damaged_audio_frames > 0 {
            advice.push(format!(
                "audio is damaged ({} frames did not decode, others are in their place): the encoder, or a relay behind it, sends broken AAC; try another audio encoder",
                self.damaged_audio_frames
            ));
        }
        advice
    }

    fn keyframe_advice(&self) -> Option<String> {
        let what = if self.keyframes.too_seldom {
            let every = self.keyframes.interval.map_or_else(String::new, |interval| {
                format!(" (the last two were {:.1} s apart)", interval.as_secs_f64())
            });
            format!("keyframes come too seldom{every}")
        } else if self.cut_apart {
            "keyframes came too seldom or too irregularly to cut source and renditions together"
                .to_owned()
        } else {
            return None;
        };
        Some(format!("{what}: set a keyframe interval of 2 s in the encoder"))
    }
}

#[derive(Debug)]
struct Writer {
    /// Ladder ascending, source last; never changes its length.
    tracks: Vec<Track>,
    /// The ladder, in the order of the configuration.
    presets: Vec<Preset>,
    /// What the publisher sends, as measured; None before the first span with pictures.
    source_rates: Option<SourceRates>,
    /// Which renditions the multivariant playlist lists.
    listing: Listing,
    grid: GridState,
    stream_tracks: StreamTracks,
    facts: SourceFacts,
    reception: Reception,
    load: TranscodeLoad,
    /// The load of segments that were made when somebody asked for them, in the present or last
    /// stay; it adds to `load`.
    made: TranscodeLoad,
}

/// Players do not read the multivariant playlist again: what it has listed once it goes on listing.
#[derive(Clone, Copy, Debug)]
enum Listing {
    /// It has listed nothing yet.
    Open,
    /// It has begun, without these of the ladder: they have no room below the next.
    Without(RenditionSet),
}

#[derive(Debug)]
struct Track {
    slot: Slot,
    name: Arc<str>,
    window: Window,
    prospect: Prospect,
    snapshot: Option<Arc<Snapshot>>,
    /// The samples of segments that are listed, or were a short while ago, and that nobody has
    /// asked for yet in every container.
    packages: VecDeque<Arc<Packaged>>,
    /// Where the newest segments that were made left the continuity counters, by number.
    continuities: VecDeque<(u64, Continuity)>,
    /// The discontinuity number of spans of which nothing can be made, as somebody has tried.
    unmakeable: Option<u64>,
    published_segments: u64,
    published_bytes: u64,
    cmaf_bytes: u64,
    elementary_bytes: u64,
}

/// A segment's samples, and what has been written of them.
#[derive(Debug)]
struct Packaged {
    package: Package,
    /// Where the segment before it left the continuity counters.
    before: Option<Continuity>,
    /// What was announced as its initialization section.
    init: Bytes,
    /// Once somebody has asked for it.
    written: PerContainer<OnceLock<Bytes>>,
    /// The samples on the stream's account, where nothing else of them is.
    _reserved: Option<Reserved>,
}

impl Packaged {
    fn write(&self, container: Container) -> Bytes {
        match container {
            Container::MpegTs => write_ts(&self.package, self.before).0,
            Container::FragmentedMp4 => write_cmaf(&self.package, &self.init),
        }
    }

    fn is_written(&self) -> bool {
        let PerContainer { mpeg_ts, fragmented_mp4 } = &self.written;
        mpeg_ts.get().is_some() && fragmented_mp4.get().is_some()
    }
}

/// What is known of a rendition.
#[derive(Debug)]
enum Prospect {
    /// Nothing yet: no span of the stream has ended.
    Unknown,
    /// It has segments, or can have them, and they are such.
    Possible(RenditionInfo),
    /// Nothing can be made of the source as it is now. What was made stays fetchable.
    Impossible(Option<RenditionInfo>),
}

impl Publication {
    /// A stream without segments, whose renditions all have these numbers.
    #[must_use]
    pub(crate) fn new(name: StreamName, config: &PublicationConfig, numbers: Numbers) -> Self {
        let mut ladder: Vec<_> = config.renditions.iter().enumerate().collect();
        ladder.sort_by_key(|(_, preset)| {
            let pixels = preset.video.as_ref().map_or(0, |video| video.width * video.height);
            (pixels, preset.video_bps())
        });
        let ladder =
            ladder.into_iter().map(|(index, preset)| (Slot::Ladder(index), preset.name.as_str()));
        let tracks: Vec<Track> = ladder
            .chain([(Slot::Source, SOURCE)])
            .map(|(slot, rendition)| {
                let secret = config.viewer_secret.as_ref();
                let window = WindowConfig {
                    uri_prefix: http_path::segment_prefix(&name, rendition),
                    listed: config.playlist_segments,
                    segment_key: secret.map(|secret| secret.segment_key(&name, rendition)),
                };
                Track::new(slot, rendition, Window::new(window))
            })
            .collect();
        let counts = tracks.iter().map(|track| (track.slot, RenditionCounts::default())).collect();
        let writer = Writer {
            tracks,
            presets: config.renditions.clone(),
            source_rates: None,
            listing: Listing::Open,
            stream_tracks: StreamTracks::default(),
            grid: GridState::new(numbers.first()),
            facts: SourceFacts::default(),
            reception: Reception::default(),
            load: TranscodeLoad::default(),
            made: TranscodeLoad::default(),
        };
        let demand = Demand::new(config.transcode, config.renditions.len());
        let kept = config.playlist_segments + MAKEABLE_BEHIND_PLAYLIST;
        Self {
            name,
            numbers,
            account: config.memory.account(),
            decoder_bytes: AtomicU64::new(0),
            writer: Mutex::new(writer),
            view: watch::Sender::new(Arc::default()),
            store: Mutex::new(SegmentStore::new(kept)),
            wanted: AtomicU16::new(demand.wanted().bits()),
            demand: Mutex::new(demand),
            newest: AtomicI64::new(i64::MIN),
            taken: AtomicI64::new(i64::MIN),
            queued_ticks: AtomicI64::new(0),
            queued_bytes: AtomicU64::new(0),
            counts,
            audience: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    /// A publisher's stay begins: where its grid goes on from the last one's.
    ///
    /// Call it when the workers of the stay before are done.
    pub fn begin_session(&self) -> GridState {
        let mut writer = lock(&self.writer);
        for track in &mut writer.tracks {
            track.window.reopen();
            track.refresh();
        }
        writer.load = TranscodeLoad::default();
        writer.made = TranscodeLoad::default();
        self.newest.store(i64::MIN, Ordering::Relaxed);
        self.taken.store(i64::MIN, Ordering::Relaxed);
        let cut_apart = writer.grid.mode.is_some_and(|mode| mode.own_grid);
        writer.reception = Reception { cut_apart, ..Reception::default() };
        self.publish(&mut writer);
        writer.grid
    }

    /// Takes a segment of a rendition that was made as its pictures came, or when somebody asked
    /// for it.
    ///
    /// It is kept as it is, and written in a container when somebody asks for it in that. The
    /// source's samples are in memory anyway, for the segments that can be made of them.
    pub fn publish_package(&self, slot: Slot, package: Package) {
        let sequence = package.span.sequence();
        let before = self.continuity_before(slot, sequence);
        let (info, is_independent) = (package.info(), package.is_independent());
        let (bytes, continuity) = measure_ts(&package, before);
        let elementary_bytes = package.payload_bytes();
        let cmaf_bytes = measure_cmaf(&package, &info.init);
        let reserved = (slot != Slot::Source).then(|| self.account.reserve(elementary_bytes));
        self.push(slot, sequence, continuity, |track| {
            let is_taken =
                track.push_packaged(package, before, bytes, &info, is_independent, reserved);
            if is_taken {
                track.cmaf_bytes += cmaf_bytes as u64;
                track.elementary_bytes += elementary_bytes as u64;
            }
            is_taken
        });
    }

    /// Puts segment `sequence` into the window of a slot by `push`, which says whether it was
    /// taken; `continuity` is where it leaves the counters.
    fn push(
        &self,
        slot: Slot,
        sequence: u64,
        continuity: Option<Continuity>,
        push: impl FnOnce(&mut Track) -> bool,
    ) {
        let mut writer = lock(&self.writer);
        let Some(track) = writer.track(slot) else { return };
        if push(track)
            && let Some(continuity) = continuity
        {
            track.note_continuity(sequence, continuity);
        }
        self.publish(&mut writer);
    }

    /// Segment `sequence` in this container; it is written now, unless somebody has asked for it
    /// before. None where it has not been made, or is not kept any more. It takes as long as
    /// copying it, and everybody who asks meanwhile waits for the one who writes.
    #[must_use]
    pub fn written(&self, slot: Slot, sequence: u64, container: Container) -> Option<Bytes> {
        let packaged = {
            let mut writer = lock(&self.writer);
            let track = writer.track(slot)?;
            if let Lookup::Made(data) = track.snapshot.as_ref()?.segment(container, sequence) {
                return Some(data);
            }
            let mut packages = track.packages.iter();
            packages.find(|it| it.package.span.sequence() == sequence).map(Arc::clone)?
        };
        let write = || self.account.hold(packaged.write(container));
        let data = packaged.written.of(container).get_or_init(write).clone();
        let mut writer = lock(&self.writer);
        let track = writer.track(slot)?;
        if packaged.is_written() {
            track.packages.retain(|it| it.package.span.sequence() != sequence);
        }
        if track.window.fill(container, sequence, data.clone()) {
            track.refresh();
            self.publish(&mut writer);
        }
        Some(data)
    }

    /// Takes a finished segment, what it is, and whether a decoder can start with it. A slot
    /// outside the ladder is ignored.
    pub fn publish_segment(
        &self,
        slot: Slot,
        segment: Segment,
        info: &RenditionInfo,
        is_independent: bool,
    ) {
        let segment = Segment { data: self.account.hold(segment.data), ..segment };
        let mut writer = lock(&self.writer);
        let Some(track) = writer.track(slot) else { return };
        track.push(segment, info, is_independent);
        self.publish(&mut writer);
    }

    /// Lists a span of a rendition that nobody has made: it is made when somebody asks for it.
    /// Whether it can be.
    pub fn promise(&self, slot: Slot, span: Span, info: RenditionInfo) -> bool {
        let oldest = lock(&self.store).oldest_makeable();
        let mut writer = lock(&self.writer);
        let oldest = writer.oldest_makeable(slot, oldest);
        if oldest.is_none_or(|oldest| span.sequence() < oldest) {
            return false;
        }
        let Some(track) = writer.track(slot) else { return false };
        let is_unmakeable = track.unmakeable == Some(span.cut.discontinuity_sequence);
        if !is_unmakeable {
            track.promise(span, info);
            self.publish(&mut writer);
        }
        !is_unmakeable
    }

    /// Lists a span of which nothing has to be asked again, as it is made of what came before it:
    /// of each rendition of the ladder that goes on, as its last span was. The indices of those of
    /// which it can be made.
    pub(crate) fn promise_again(&self, span: Span) -> Vec<usize> {
        let known = {
            let writer = lock(&self.writer);
            let known = writer.ladder().filter_map(|track| match (&track.prospect, track.slot) {
                (Prospect::Possible(info), Slot::Ladder(index)) => Some((index, info.clone())),
                _ => None,
            });
            known.collect::<Vec<_>>()
        };
        let promised = known.into_iter().filter_map(|(index, info)| {
            self.promise(Slot::Ladder(index), span, info).then_some(index)
        });
        promised.collect()
    }

    /// Nothing can be made for the rendition of the source as it is now: it leaves the multivariant
    /// playlist.
    pub fn note_impossible(&self, slot: Slot) {
        let mut writer = lock(&self.writer);
        let Some(track) = writer.track(slot) else { return };
        if track.set_impossible() {
            self.publish(&mut writer);
        }
    }

    /// Making a segment of the span for the rendition has shown that nothing can be made of it: nor
    /// can of what comes, until the source is another, which is behind a discontinuity.
    pub fn note_unmakeable(&self, slot: Slot, span: &Span) {
        let mut writer = lock(&self.writer);
        let Some(track) = writer.track(slot) else { return };
        track.unmakeable = Some(span.cut.discontinuity_sequence);
        track.note_readers();
        track.window.withdraw_promises_before(u64::MAX);
        track.set_impossible();
        track.refresh();
        self.publish(&mut writer);
    }

    /// Where the grid stands: how the stream is cut, and which numbers are used.
    pub fn set_grid(&self, grid: GridState) {
        let mut writer = lock(&self.writer);
        let is_new_mode = writer.grid.mode != grid.mode;
        writer.grid = grid;
        if let Some(mode) = grid.mode.filter(|_| is_new_mode) {
            writer.reception.cut_apart = mode.own_grid;
            for track in &mut writer.tracks {
                track.window.set_target_duration(mode.target_duration_secs);
                track.refresh();
            }
            self.publish(&mut writer);
        }
    }

    /// Where the grid stands.
    pub(crate) fn grid(&self) -> GridState {
        lock(&self.writer).grid
    }

    /// What the playlists announce, and what stands in for it. Playlists that have ended are begun
    /// anew for other tracks.
    pub fn set_tracks(&self, tracks: StreamTracks) {
        let mut writer = lock(&self.writer);
        let are_others = !writer.stream_tracks.go_on_in(&tracks);
        writer.stream_tracks = tracks;
        if are_others {
            for track in &mut writer.tracks {
                track.note_readers();
                track.window.begin_anew();
                track.refresh();
            }
            writer.listing = Listing::Open;
            self.publish(&mut writer);
        }
    }

    /// What the next publisher's stay goes on with.
    #[must_use]
    pub fn tracks(&self) -> StreamTracks {
        lock(&self.writer).stream_tracks.resumed()
    }

    /// What the publisher sends from now on.
    pub fn set_facts(&self, facts: SourceFacts) {
        self.decoder_bytes.store(facts.decoder_bytes, Ordering::Relaxed);
        let mut writer = lock(&self.writer);
        if facts.channels.is_some() {
            writer.reception.audio_refusal = None;
        }
        writer.facts = facts;
    }

    /// Notes what the publisher's messages are like.
    pub fn update_reception(&self, note: impl FnOnce(&mut Reception)) {
        note(&mut lock(&self.writer).reception);
    }

    /// Notes how the transcoder keeps up.
    pub fn update_transcode_load(&self, note: impl FnOnce(&mut TranscodeLoad)) {
        note(&mut lock(&self.writer).load);
    }

    /// Notes what it took to make a segment of the rendition at `index` that somebody asked for.
    pub fn note_made(&self, index: usize, stats: &TranscoderStats) {
        let mut writer = lock(&self.writer);
        let made = &mut writer.made;
        made.failed_pictures += stats.failed;
        made.work.add(&stats.work);
        made.decoder = stats.decoder.or(made.decoder);
        made.renditions.resize(made.renditions.len().max(index + 1), RungStats::default());
        if let Some(rung) = stats.renditions.get(index) {
            made.renditions[index].encoded += rung.encoded;
            made.renditions[index].skipped += rung.skipped;
        }
    }

    /// Notes the decoding time of a picture that goes to the transcoder.
    pub fn note_newest(&self, dts: Timestamp) {
        self.newest.store(dts.ticks(), Ordering::Relaxed);
        // Until the first one is taken, the lag counts from it.
        let first = self.taken.load(Ordering::Relaxed) == i64::MIN;
        if first {
            self.taken.store(dts.ticks(), Ordering::Relaxed);
        }
    }

    /// Notes the decoding time of a picture that the transcoder has taken.
    pub fn note_taken(&self, dts: Timestamp) {
        self.taken.store(dts.ticks(), Ordering::Relaxed);
    }

    /// Notes what waits for the transcoder.
    pub(crate) fn note_queue(&self, queue: QueueStats) {
        self.queued_ticks.store(queue.waiting.ticks(), Ordering::Relaxed);
        self.queued_bytes.store(queue.waiting_bytes as u64, Ordering::Relaxed);
    }

    /// What is counted of a rendition.
    pub(crate) fn counts(&self, slot: Slot) -> Option<&RenditionCounts> {
        self.counts.iter().find(|(counted, _)| *counted == slot).map(|(_, counts)| counts)
    }

    /// A segment that ends with this span has been made as its pictures came.
    pub(crate) fn note_delay(&self, slot: Slot, span: &Span, now: Moment) {
        let ended = span.cut.unix_ms.saturating_add(span.duration.as_millis());
        // A publisher that sends faster than in real time has nothing to be late for.
        let late = u64::try_from(now.unix_ms.saturating_sub(ended)).unwrap_or(0);
        if let Some(counts) = self.counts(slot) {
            counts.delays.observe(Duration::from_millis(late));
        }
    }

    /// Something goes wrong that somebody can change.
    pub(crate) fn note_trouble(&self, trouble: Trouble, now: Moment) {
        lock(&self.warnings).note(trouble, now);
    }

    /// What is wrong at the moment with what the publisher sends, and with what is made of it.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        lock(&self.writer).troubles()
    }

    /// What is wrong now, and what was in the last minutes, in words for people.
    pub(crate) fn warnings(&self, present: &[Trouble], now: Moment) -> Vec<Warning> {
        let facts = self.facts();
        let streamer = Streamer {
            stream: &self.name,
            encoder: facts.encoder.as_deref(),
            frame_rate: facts.frame_rate,
        };
        lock(&self.warnings).list(present, now, streamer)
    }

    /// Keeps what segments of a span can be made of. What cannot be made any more for it is not
    /// promised any more.
    pub fn store(&self, segment: SourceSegment) {
        if let Some(rates) = segment.ended.rates {
            lock(&self.writer).source_rates = Some(rates);
        }
        let oldest = {
            let mut store = lock(&self.store);
            store.push(segment);
            store.oldest_makeable()
        };
        self.withdraw_promises_before(oldest);
    }

    /// Gives up media of so many bytes, if there is as much that viewers can do without: first
    /// segments of the source and then of the renditions, the oldest first, but the last few that a
    /// playlist needs; then what segments could be made of. Whether there was any.
    ///
    /// What viewers are reading is not free before they have it.
    pub(crate) fn cut_down(&self, bytes: usize) -> bool {
        let mut left = bytes;
        {
            let mut writer = lock(&self.writer);
            for track in writer.tracks.iter_mut().rev() {
                let given_up = track.window.cut_down(left);
                track.forget_packages();
                if given_up > 0 {
                    track.refresh();
                }
                left = left.saturating_sub(given_up);
            }
            if left < bytes {
                self.publish(&mut writer);
            }
        }
        let kept_from = {
            let mut store = lock(&self.store);
            let before = left;
            while left > 0 {
                let given_up = store.give_up_oldest();
                if given_up == 0 {
                    break;
                }
                left = left.saturating_sub(given_up);
            }
            (left < before).then(|| {
                let OldestMakeable { with_pictures, sound_alone } = store.oldest_makeable();
                // Where none can be made any more, none may be promised either.
                OldestMakeable {
                    with_pictures: with_pictures.or(Some(u64::MAX)),
                    sound_alone: sound_alone.or(Some(u64::MAX)),
                }
            })
        };
        if let Some(oldest) = kept_from {
            self.withdraw_promises_before(oldest);
        }
        left < bytes
    }

    fn withdraw_promises_before(&self, oldest: OldestMakeable) {
        let mut writer = lock(&self.writer);
        let slots: Vec<_> = writer.tracks.iter().map(|track| track.slot).collect();
        let mut withdrawn = false;
        for slot in slots {
            let Some(oldest) = writer.oldest_makeable(slot, oldest) else { continue };
            let Some(track) = writer.track(slot) else { continue };
            track.note_readers();
            if track.window.withdraw_promises_before(oldest) {
                track.refresh();
                withdrawn = true;
            }
        }
        if withdrawn {
            self.publish(&mut writer);
        }
    }

    /// What the segment of span `sequence` of a rendition can be made of, if it is still here.
    #[must_use]
    pub fn source_of(&self, slot: Slot, sequence: u64) -> Option<SegmentSource> {
        let is_sound_alone = lock(&self.writer).is_sound_alone(slot);
        let store = lock(&self.store);
        if is_sound_alone { store.sound_of(sequence) } else { store.source_of(sequence) }
    }

    /// The numbers of a rendition's spans that are listed and not made, ascending.
    #[must_use]
    pub fn promised(&self, slot: Slot) -> Vec<u64> {
        let mut writer = lock(&self.writer);
        writer.track(slot).map(|track| track.window.promised().collect()).unwrap_or_default()
    }

    /// Somebody fetches a segment of the rendition; whether that wakes it.
    pub fn segment_asked(&self, slot: Slot, now: Moment) -> bool {
        let Slot::Ladder(index) = slot else { return false };
        let mut demand = lock(&self.demand);
        let wakes = demand.segment_asked(index, now);
        self.wanted.store(demand.wanted().bits(), Ordering::Relaxed);
        wakes
    }

    /// Somebody fetches the playlist of the rendition.
    pub fn playlist_asked(&self, slot: Slot, now: Moment) {
        if let Slot::Ladder(index) = slot {
            lock(&self.demand).playlist_asked(index, now);
        }
    }

    /// Somebody at `ip`, with a player of this name, is given the playlist of the rendition.
    pub(crate) fn note_viewer(&self, ip: IpAddr, player: &[u8], slot: Slot, now: Moment) {
        lock(&self.audience).note(ip, player, slot, now);
    }

    /// How many watch the stream.
    pub(crate) fn viewers(&self, now: Moment) -> usize {
        lock(&self.audience).viewers(now, self.view().watching_time())
    }

    /// How many watch the rendition.
    pub(crate) fn viewers_of(&self, slot: Slot, now: Moment) -> usize {
        lock(&self.audience).viewers_of(slot, now, self.view().watching_time())
    }

    /// Puts the renditions to sleep that nobody asks for any more; their names.
    pub fn sleep_idle(&self, now: Moment, idle: Duration) -> Vec<Arc<str>> {
        let view = self.view();
        lock(&self.audience).sweep(now, view.watching_time());
        let secs = view.longest_target_duration_secs();
        let idle = idle.max(Duration::from_secs(secs).saturating_mul(IDLE_TARGET_DURATIONS));
        let slept = {
            let mut demand = lock(&self.demand);
            let slept = demand.tick(now, idle);
            self.wanted.store(demand.wanted().bits(), Ordering::Relaxed);
            slept
        };
        let mut names = Vec::new();
        for rendition in &view.renditions {
            if let Slot::Ladder(index) = rendition.slot
                && slept.contains(&index)
            {
                names.push(Arc::clone(&rendition.name));
            }
        }
        names
    }

    /// The renditions that are to be made as pictures come.
    #[must_use]
    pub fn wanted(&self) -> RenditionSet {
        RenditionSet::from_bits(self.wanted.load(Ordering::Relaxed))
    }

    /// Whether the rendition is awake, and since when; None for the source, which never sleeps.
    #[must_use]
    pub fn wakefulness(&self, slot: Slot) -> Option<Wakefulness> {
        match slot {
            Slot::Source => None,
            Slot::Ladder(index) => lock(&self.demand).of(index),
        }
    }

    /// No more segments come: every playlist gets `EXT-X-ENDLIST`.
    pub fn end(&self) {
        let mut writer = lock(&self.writer);
        writer.stream_tracks.end();
        for track in &mut writer.tracks {
            track.window.end();
            track.refresh();
        }
        self.publish(&mut writer);
    }

    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// What the stream holds of the memory budget.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// What a decoder of the video takes at most, in bytes.
    pub(crate) fn decoder_bytes(&self) -> usize {
        usize::try_from(self.decoder_bytes.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// What viewers get at the moment.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// What viewers get, and word of every change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// What the publisher sends.
    #[must_use]
    pub fn facts(&self) -> SourceFacts {
        lock(&self.writer).facts.clone()
    }

    /// What the publisher's messages are like.
    #[must_use]
    pub fn reception(&self) -> Reception {
        lock(&self.writer).reception.clone()
    }

    /// What the publisher should set otherwise, and what comes of it meanwhile, in words for
    /// people.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let writer = lock(&self.writer);
        let mut advice = writer.reception.advice();
        if writer.leaves_source_out() {
            let name = &self.name;
            advice.push(format!(
                "{name}.m3u8 lists the renditions without source, as the two cannot be cut together; source plays at /stream/{name}/{SOURCE}.m3u8, and is listed again when the stream has ended and is published anew with keyframes every 2 s"
            ));
        }
        if let Some(why) = writer.facts.undecodable {
            advice.push(format!("video plays as source only ({why}): {}", why.remedy()));
        }
        advice
    }

    /// The newest picture that stands alone, as a JPEG: see [`StreamTracks::poster`].
    #[must_use]
    pub fn poster(&self, decoder: DecoderKind) -> Option<Vec<u8>> {
        let tracks = lock(&self.writer).stream_tracks.clone();
        tracks.poster(decoder)
    }

    /// How the transcoder keeps up.
    #[must_use]
    pub fn transcode_load(&self) -> TranscodeLoad {
        let newest = self.newest.load(Ordering::Relaxed);
        let taken = self.taken.load(Ordering::Relaxed);
        let lag = Timestamp::from_ticks(newest) - Timestamp::from_ticks(taken);
        let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(0);
        let queued = media::Duration::from_ticks(self.queued_ticks.load(Ordering::Relaxed));
        let queued_ms = u64::try_from(queued.as_millis()).unwrap_or(0);
        let queued_bytes = self.queued_bytes.load(Ordering::Relaxed);
        let writer = lock(&self.writer);
        let mut load = TranscodeLoad { lag_ms, queued_ms, queued_bytes, ..writer.load.clone() };
        load.add(&writer.made);
        load
    }

    /// How long segment `sequence` has to wait: a number that is used ahead of the wall clock might
    /// come again in the process after this one.
    #[must_use]
    pub fn wait_for_number(&self, sequence: u64, now: Moment) -> Duration {
        self.numbers.wait(sequence, now)
    }

    /// One more than the largest sequence number used.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        lock(&self.writer).grid.next_sequence()
    }

    fn continuity_before(&self, slot: Slot, sequence: u64) -> Option<Continuity> {
        let mut writer = lock(&self.writer);
        let continuities = &writer.track(slot)?.continuities;
        let before = continuities.iter().find(|(made, _)| made + 1 == sequence);
        before.map(|(_, continuity)| *continuity)
    }

    /// Swaps what viewers get. The writer's lock is held, so views follow each other in order;
    /// nothing is rendered here.
    fn publish(&self, writer: &mut Writer) {
        writer.settle();
        self.view.send_replace(Arc::new(writer.view(&self.name)));
    }
}

impl View {
    /// The multivariant playlist; None before the first segment.
    #[must_use]
    pub fn multivariant(&self, container: Container, offer: Offer) -> Option<&Body> {
        if self.variants.is_empty() {
            return None;
        }
        let render = || {
            let mut variants = self.offered(container, offer);
            if container == Container::FragmentedMp4 {
                for variant in &mut variants {
                    variant.uri = http_path::cmaf_variant_uri(&variant.uri).to_owned();
                }
            }
            hls::multivariant_playlist::render(&variants, container)
        };
        let rendered = match offer {
            Offer::Everything => &self.multivariant,
            Offer::LowData => &self.low_data,
        };
        Some(rendered.of(container).get_or_init(render))
    }

    /// The choices in the order in which they are listed: the first is the one to start with, and
    /// sound alone, where there are pictures, is nobody's first choice.
    fn offered(&self, container: Container, offer: Offer) -> Vec<VariantStream> {
        let mut variants = self.variants.clone();
        for (variant, of_container) in variants.iter_mut().zip(&self.declared) {
            let declared = of_container.of(container);
            variant.bandwidth_bps = declared.peak_bps;
            variant.average_bandwidth_bps = declared.average_bps;
        }
        match (offer, self.first) {
            (Offer::Everything, Some(first)) => variants[..=first].rotate_right(1),
            (Offer::Everything, None) => {}
            (Offer::LowData, _) => {
                // Something has to play.
                let light = variants.iter().filter(|it| it.bandwidth_bps <= LOW_DATA_BPS).count();
                variants.truncate(light.max(1));
            }
        }
        variants.sort_by_key(|variant| variant.resolution.is_none());
        variants
    }

    /// Whether there is something to play.
    #[must_use]
    pub fn is_playable(&self) -> bool {
        !self.variants.is_empty()
    }

    /// The rendition of this name, if it has segments, or can have them.
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

    /// For how long after its last playlist somebody counts as watching.
    fn watching_time(&self) -> Duration {
        Duration::from_secs(WATCHING_TARGET_DURATIONS * self.longest_target_duration_secs())
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
    fn track(&mut self, slot: Slot) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.slot == slot)
    }

    fn is_sound_alone(&self, slot: Slot) -> bool {
        matches!(slot, Slot::Ladder(index)
            if self.presets.get(index).is_some_and(|preset| preset.video.is_none()))
    }

    /// What holds of these for a rendition.
    fn oldest_makeable(&self, slot: Slot, oldest: OldestMakeable) -> Option<u64> {
        if self.is_sound_alone(slot) { oldest.sound_alone } else { oldest.with_pictures }
    }

    /// What is wrong at the moment.
    fn troubles(&self) -> Vec<Trouble> {
        let Reception { keyframes, cut_apart, audio_refusal, .. } = &self.reception;
        let source = match self.leaves_source_out() {
            true => SourceListing::LeftOut,
            false => SourceListing::Listed,
        };
        let mut troubles = Vec::new();
        if keyframes.too_seldom {
            troubles.push(Trouble::KeyframesTooSeldom { interval: keyframes.interval, source });
        } else if *cut_apart {
            troubles.push(Trouble::KeyframesOnceTooSeldom { source });
        }
        troubles.extend(audio_refusal.clone().map(Trouble::AudioLeftOut));
        troubles.extend(self.facts.undecodable.map(Trouble::Undecodable));
        let shed = self.presets.iter().zip(&self.load.renditions).filter(|(_, rung)| rung.shed);
        let shed: Vec<_> = shed.map(|(preset, _)| preset.name.as_str()).collect();
        if !shed.is_empty() {
            troubles.push(Trouble::Shed(shed.join(", ")));
        }
        troubles
    }

    /// Before the first playlist that lists anything is shown: what has no room in it.
    fn settle(&mut self) {
        if matches!(self.listing, Listing::Open) && self.is_settled() {
            let mut without = RenditionSet::EMPTY;
            for (index, allowance) in
                allowances(&self.presets, self.source_rates).iter().enumerate()
            {
                if !allowance.has_room {
                    without = without.with(index);
                }
            }
            self.listing = Listing::Without(without);
        }
    }

    fn view(&self, name: &StreamName) -> View {
        let mpeg_ts = self.declared(Container::MpegTs);
        let fragmented_mp4 = self.declared(Container::FragmentedMp4);
        let mut variants = Vec::new();
        let mut declared_of_variants = Vec::new();
        let mut renditions = Vec::new();
        let mut first = None;
        for (place, track) in self.tracks.iter().enumerate() {
            let declared =
                PerContainer { mpeg_ts: mpeg_ts[place], fragmented_mp4: fragmented_mp4[place] };
            let is_listed = self.lists(track);
            let Some(rendition) = track.rendition(declared, is_listed) else { continue };
            if is_listed && let Some(variant) = track.variant(name, declared.mpeg_ts) {
                // The best of those that are light enough to begin with.
                if let Slot::Ladder(index) = track.slot
                    && (1..=START_BPS).contains(&self.presets[index].video_bps())
                {
                    first = Some(variants.len());
                }
                variants.push(variant);
                declared_of_variants.push(declared);
            }
            renditions.push(rendition);
        }
        View { renditions, variants, declared: declared_of_variants, first, ..View::default() }
    }

    /// What each track declares in a container, so that those that are listed ascend.
    fn declared(&self, container: Container) -> Vec<Rates> {
        let allowances = allowances(&self.presets, self.source_rates);
        let known = |track: &Track| match (track.measured(container), track.slot) {
            (Some(rates), _) => KnownRates::Measured(rates),
            (None, Slot::Source) => KnownRates::Expected(Rates::default()),
            (None, Slot::Ladder(index)) => {
                let bps = allowances[index].wire_bps;
                KnownRates::Expected(Rates { peak_bps: bps, average_bps: bps })
            }
        };
        let listed: Vec<_> = self.tracks.iter().filter(|it| self.lists(it)).map(known).collect();
        let mut listed = hls::declare(&listed).into_iter();
        let declared = self.tracks.iter().map(|track| {
            let of_listed = if self.lists(track) { listed.next() } else { None };
            of_listed.unwrap_or_else(|| hls::declare(&[known(track)])[0])
        });
        declared.collect()
    }

    /// Whether the multivariant playlist lists it.
    fn lists(&self, track: &Track) -> bool {
        let Listing::Without(without) = self.listing else { return false };
        let has_place = match track.slot {
            // Alone it is the stream.
            Slot::Source => !self.leaves_source_out(),
            Slot::Ladder(index) => !without.contains(index),
        };
        has_place && track.is_listed()
    }

    /// Whether every rendition has said what it will be: players do not read the multivariant
    /// playlist again.
    fn is_settled(&self) -> bool {
        let segments = self.source().map_or(0, |source| source.published_segments);
        let is_known = |track: &Track| !matches!(track.prospect, Prospect::Unknown);
        segments >= PATIENCE_SEGMENTS || self.tracks.iter().all(is_known)
    }

    /// Whether the multivariant playlist is without source: it is on a grid of its own beside a
    /// ladder.
    fn leaves_source_out(&self) -> bool {
        let cut_apart = self.grid.mode.is_some_and(|mode| mode.own_grid);
        cut_apart && self.ladder().any(|track| self.lists(track))
    }

    fn ladder(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.slot != Slot::Source)
    }

    fn source(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.slot == Slot::Source)
    }
}

impl Track {
    fn new(slot: Slot, name: &str, window: Window) -> Self {
        Self {
            slot,
            name: name.into(),
            window,
            prospect: Prospect::Unknown,
            snapshot: None,
            packages: VecDeque::new(),
            continuities: VecDeque::new(),
            unmakeable: None,
            published_segments: 0,
            published_bytes: 0,
            cmaf_bytes: 0,
            elementary_bytes: 0,
        }
    }

    /// Whether the segment was taken.
    fn push(&mut self, segment: Segment, info: &RenditionInfo, is_independent: bool) -> bool {
        self.note_readers();
        self.note_info(&segment.span, info, is_independent);
        self.window.set_init(info.init.clone());
        let bytes = segment.data.len();
        let is_taken = self.window.push(segment);
        self.count(is_taken, bytes)
    }

    /// The same of a segment of `bytes` as a transport stream, which is written when somebody asks
    /// for it.
    fn push_packaged(
        &mut self,
        package: Package,
        before: Option<Continuity>,
        bytes: usize,
        info: &RenditionInfo,
        is_independent: bool,
        reserved: Option<Reserved>,
    ) -> bool {
        self.note_readers();
        self.note_info(&package.span, info, is_independent);
        self.window.set_init(info.init.clone());
        let sequence = package.span.sequence();
        let is_taken = self.window.push_packaged(package.span, bytes);
        if is_taken {
            let init = self.window.init(sequence).map(|init| init.data.clone());
            self.packages.push_back(Arc::new(Packaged {
                package,
                before,
                init: init.unwrap_or_default(),
                written: PerContainer::default(),
                _reserved: reserved,
            }));
        }
        self.forget_packages();
        self.count(is_taken, bytes)
    }

    /// Forgets the samples of segments that cannot be asked for any more.
    fn forget_packages(&mut self) {
        let oldest = self.window.oldest_sequence().unwrap_or(0);
        self.packages.retain(|it| it.package.span.sequence() >= oldest);
    }

    fn note_info(&mut self, span: &Span, info: &RenditionInfo, is_independent: bool) {
        let newest = self.snapshot.as_ref().and_then(|snapshot| snapshot.listed.last());
        let is_new = newest.is_none_or(|newest| newest.sequence() < span.sequence());
        let has_changed = match &self.prospect {
            Prospect::Unknown => true,
            Prospect::Possible(known) => !known.still_says(info, span.duration),
            // What was made late says nothing of what the source is now.
            Prospect::Impossible(_) => is_new,
        };
        match &mut self.prospect {
            // What is listed unasked (`promise_again`) needs the sections of now.
            Prospect::Possible(known) if !has_changed && is_new => known.init = info.init.clone(),
            prospect if has_changed => *prospect = Prospect::Possible(info.clone()),
            _ => {}
        }
        if !is_independent {
            self.window.set_dependent();
        }
    }

    /// Counts a segment, if it was taken.
    fn count(&mut self, is_taken: bool, bytes: usize) -> bool {
        if is_taken {
            self.published_segments += 1;
            self.published_bytes += bytes as u64;
        }
        self.refresh();
        is_taken
    }

    fn promise(&mut self, span: Span, info: RenditionInfo) {
        self.window.set_init(info.init.clone());
        match &mut self.prospect {
            Prospect::Possible(known)
                if (&known.codecs, known.resolution) == (&info.codecs, info.resolution) =>
            {
                known.init = info.init;
            }
            prospect => *prospect = Prospect::Possible(info),
        }
        self.note_readers();
        self.window.list(span);
        self.refresh();
    }

    /// Before the playlist changes, or is another snapshot's: what viewers know of stays for them a
    /// while.
    fn note_readers(&mut self) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.was_read()) {
            self.window.note_read();
        }
    }

    /// Whether that is news.
    fn set_impossible(&mut self) -> bool {
        let known = match &mut self.prospect {
            Prospect::Unknown => None,
            Prospect::Possible(info) => Some(info.clone()),
            Prospect::Impossible(_) => return false,
        };
        self.prospect = Prospect::Impossible(known);
        true
    }

    fn note_continuity(&mut self, sequence: u64, continuity: Continuity) {
        if self.continuities.len() >= REMEMBERED_CONTINUITIES {
            self.continuities.pop_front();
        }
        self.continuities.push_back((sequence, continuity));
    }

    fn refresh(&mut self) {
        self.note_readers();
        self.snapshot = self.window.snapshot().map(Arc::new);
    }

    fn info(&self) -> Option<&RenditionInfo> {
        match &self.prospect {
            Prospect::Unknown => None,
            Prospect::Possible(info) => Some(info),
            Prospect::Impossible(info) => info.as_ref(),
        }
    }

    fn rendition(&self, declared: PerContainer<Rates>, is_listed: bool) -> Option<Rendition> {
        Some(Rendition {
            slot: self.slot,
            name: Arc::clone(&self.name),
            snapshot: Arc::clone(self.snapshot.as_ref()?),
            info: self.info()?.clone(),
            declared,
            is_listed,
            goes_on: matches!(self.prospect, Prospect::Possible(_)),
            published_segments: self.published_segments,
            published_bytes: self.published_bytes,
            cmaf_bytes: self.cmaf_bytes,
            elementary_bytes: self.elementary_bytes,
        })
    }

    /// Whether the multivariant playlist may list it.
    fn is_listed(&self) -> bool {
        matches!(self.prospect, Prospect::Possible(_)) && self.snapshot.is_some()
    }

    /// Its rates in a container, once something of it has been made. They are measured of
    /// transport streams; all segments together tell how much less the other one takes.
    fn measured(&self, container: Container) -> Option<Rates> {
        let Rates { peak_bps, average_bps } = self.snapshot.as_ref()?.rates?;
        let of = |bps: u64| match container {
            Container::MpegTs => bps,
            Container::FragmentedMp4 => {
                let bits = u128::from(bps) * u128::from(self.cmaf_bytes);
                let scaled = bits.div_ceil(u128::from(self.published_bytes.max(1)));
                u64::try_from(scaled).unwrap_or(u64::MAX)
            }
        };
        Some(Rates { peak_bps: of(peak_bps), average_bps: of(average_bps) })
    }

    fn variant(&self, name: &StreamName, declared: Rates) -> Option<VariantStream> {
        let Prospect::Possible(info) = &self.prospect else { return None };
        let snapshot = self.snapshot.as_ref()?;
        Some(VariantStream {
            uri: http_path::variant_uri(name, &self.name),
            bandwidth_bps: declared.peak_bps,
            average_bandwidth_bps: declared.average_bps,
            codecs: info.codecs.clone(),
            resolution: info.resolution,
            frame_rate: info.frame_rate,
            independent: snapshot.independent,
        })
    }
}
