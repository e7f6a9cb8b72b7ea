//! One rendition's samples to segments: interleaving, MPEG-TS, the first segment's wait for its tracks.

use std::sync::Arc;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use h264::ParameterSets;
use hls::GridMode;
use media::{AccessUnit, AudioFrame, Duration, Timestamp};
use mpegts::{Muxer, Tracks};

use crate::audio_group::AudioGroup;
use crate::backlog::{Backlog, Sample};
use crate::event::{RenditionEvent, RenditionInfo};
use crate::item::{Anchor, AudioChange};

/// Audio may wait this long for video of the same time: beyond it, video has stopped.
const MAX_AUDIO_WAIT: Duration = Duration::from_secs(1);

/// Samples held before the first cut: over a minute of audio and video together. More is a stream that never gets
/// its first picture, and its oldest samples go.
const MAX_HELD: usize = 8192;

/// And this many bytes: 4 s at 64 Mbit/s.
const MAX_HELD_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of audio that may wait for video; past it the oldest goes.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// A segment that starts this little before a time is meant by it: times come from whole milliseconds, added up.
const ROUNDING: Duration = Duration::from_millis(4);

/// What the packager must know of a rendition's video.
#[derive(Debug, PartialEq)]
pub(crate) struct VideoTrack {
    /// Written at every random access picture.
    pub(crate) parameter_sets: ParameterSets,
    /// RFC 6381 codec, for example `avc1.64001f`.
    pub(crate) codec: String,
    /// Width and height as shown.
    pub(crate) resolution: (u32, u32),
}

/// Packs one rendition: pictures and audio frames in, segments out.
///
/// Which tracks there are is known when the first segment is cut, so until then samples are held.
#[derive(Debug)]
pub(crate) struct Packager {
    muxer: Option<Muxer>,
    held: Backlog,
    /// Audio that is ahead of the video; flows when the video gets there.
    waiting: Backlog,
    video: Option<Arc<VideoTrack>>,
    /// Of the audio frames that come in, and of those that the segment takes.
    audio: Option<Arc<AudioSpecificConfig>>,
    segment_audio: Option<Arc<AudioSpecificConfig>>,
    /// What the segment that starts here, or next after it, takes.
    next_audio: Option<(Timestamp, Arc<AudioSpecificConfig>)>,
    group: AudioGroup,
    /// Tracks that samples have been seen of.
    seen: Tracks,
    segment: Segment,
    anchor: Anchor,
    next_anchor: Option<Anchor>,
    discontinuity: bool,
    /// Nothing comes; the next cut begins a segment and ends none.
    paused: bool,
    playlist: Playlist,
    announced: Option<Playlist>,
    info: Option<RenditionInfo>,
}

/// The segment being written; the tracks and the video are those of the one before until it has its own.
#[derive(Debug, Default)]
struct Segment {
    data: Vec<u8>,
    start: Option<Timestamp>,
    pictures: u32,
    tracks: Option<Tracks>,
    /// Of its pictures: the parameters that come with a change are those of the next segment.
    video: Option<Arc<VideoTrack>>,
}

/// What the playlist says as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Playlist {
    target_duration_secs: u64,
    independent: bool,
    in_multivariant: bool,
}

impl Playlist {
    fn event(self) -> RenditionEvent {
        let Self { target_duration_secs, independent, in_multivariant } = self;
        RenditionEvent::Playlist { target_duration_secs, independent, in_multivariant }
    }
}

impl Packager {
    /// A packager whose first segment stands behind a discontinuity if `discontinuity`.
    pub(crate) fn new(discontinuity: bool) -> Self {
        Self {
            muxer: None,
            held: Backlog::new(MAX_HELD, MAX_HELD_BYTES),
            waiting: Backlog::new(MAX_HELD, MAX_WAITING_BYTES),
            video: None,
            audio: None,
            segment_audio: None,
            next_audio: None,
            group: AudioGroup::default(),
            seen: Tracks { video: false, audio: false },
            segment: Segment::default(),
            anchor: Anchor { at: Timestamp::ZERO, unix_ms: 0 },
            next_anchor: None,
            discontinuity,
            paused: false,
            playlist: Playlist {
                target_duration_secs: 0,
                independent: true,
                in_multivariant: true,
            },
            announced: None,
            info: None,
        }
    }

    /// The video's parameters from the next picture on.
    pub(crate) fn set_video(&mut self, video: VideoTrack) {
        if self.video.as_deref() != Some(&video) {
            self.video = Some(Arc::new(video));
        }
    }

    /// The audio's parameters from the next frame on. A segment holds audio of one kind: another waits for its turn,
    /// and what comes of it, or is still there of the old one, on the wrong side of that time is left out.
    pub(crate) fn set_audio(&mut self, change: &AudioChange) {
        let audio = Arc::new(change.config.clone());
        self.audio = Some(Arc::clone(&audio));
        if self.segment_audio.as_ref().is_none_or(|now| now.has_core_of(&audio)) {
            self.segment_audio = Some(audio);
            self.next_audio = None;
        } else {
            self.next_audio = Some((change.from, audio));
        }
    }

    /// How the stream is cut; `in_multivariant` where this rendition is cut like the others. Where it is not, its
    /// window raises the target duration to what its segments need.
    pub(crate) fn set_grid(&mut self, mode: GridMode, in_multivariant: bool) {
        let target_duration_secs =
            mode.target_duration_secs.max(self.playlist.target_duration_secs);
        self.playlist = Playlist { target_duration_secs, in_multivariant, ..self.playlist };
    }

    /// Segments no longer all start with an IDR.
    pub(crate) fn set_dependent(&mut self) {
        self.playlist.independent = false;
    }

    /// The stream starts at the anchor: what was taken from before it is dropped.
    pub(crate) fn start_at(&mut self, anchor: Anchor) {
        self.waiting.drop_before(anchor.at);
        self.held.drop_before(anchor.at);
        self.segment.start = Some(anchor.at);
        self.segment.data.clear();
        self.anchor = anchor;
        self.paused = false;
    }

    /// The segment that starts at the anchor, or next after it, has its wall clock and stands behind a discontinuity.
    pub(crate) fn set_anchor(&mut self, anchor: Anchor) {
        self.next_anchor = Some(anchor);
    }

    /// The next segment stands behind a discontinuity.
    pub(crate) fn set_discontinuity(&mut self) {
        self.next_anchor.get_or_insert(self.anchor);
    }

    /// Adds the next picture, in decoding order.
    pub(crate) fn picture(&mut self, unit: AccessUnit) {
        let Some(video) = self.video.clone().filter(|_| !self.paused) else { return };
        self.seen.video = true;
        self.segment.start.get_or_insert(unit.pts);
        self.flush_audio(|pts| pts <= unit.dts);
        self.write(Sample::Picture(unit, video));
    }

    /// Adds the next audio frame.
    pub(crate) fn audio(&mut self, frame: AudioFrame) {
        let Some(audio) = self.audio.clone().filter(|_| !self.paused) else { return };
        let newest = frame.pts;
        self.waiting.push(Sample::Audio(frame, audio));
        if !self.seen.video {
            self.flush_audio(|_| true);
        } else {
            self.flush_audio(|pts| newest - pts > MAX_AUDIO_WAIT);
        }
    }

    /// Ends the segment at `at`, the presentation time of what starts the next one.
    ///
    /// A cut where the segment has only just started changes nothing.
    pub(crate) fn cut(&mut self, at: Timestamp, events: &mut impl Extend<RenditionEvent>) {
        if std::mem::take(&mut self.paused) {
            return self.resume(at);
        }
        if self.segment.start.is_none_or(|start| at <= start) {
            return;
        }
        self.flush_audio(|pts| pts < at);
        if self.muxer.is_none() {
            self.open(at);
        }
        self.mux_held_before(at);
        self.end_segment(at, events);
        self.segment.start = Some(at);
    }

    /// Ends the last segment, however short.
    pub(crate) fn finish(&mut self, end: Timestamp, events: &mut impl Extend<RenditionEvent>) {
        if !self.paused && self.segment.start.is_some_and(|start| start < end) {
            self.flush_audio(|_| true);
            if self.muxer.is_none() {
                self.open(end);
            }
            // Audio may go on behind the end of the pictures.
            while let Some(held) = self.held.pop() {
                self.mux(held);
            }
            self.cut(end, events);
        }
    }

    /// The rendition makes nothing for a while: it leaves the multivariant playlist, until it has another segment.
    pub(crate) fn pause(&mut self, events: &mut impl Extend<RenditionEvent>) {
        self.paused = true;
        self.segment.data.clear();
        self.segment.pictures = 0;
        self.group.clear();
        self.waiting.drop_before(Timestamp::from_ticks(i64::MAX));
        self.held.drop_before(Timestamp::from_ticks(i64::MAX));
        if let Some(playlist) = self.announced.take() {
            events.extend([Playlist { in_multivariant: false, ..playlist }.event()]);
            self.discontinuity = true;
        }
    }

    /// It makes something again, from here on.
    fn resume(&mut self, at: Timestamp) {
        self.segment.start = Some(at);
        if let Some(anchor) = self.next_anchor.take_if(|anchor| anchor.at <= at) {
            self.anchor = anchor;
        }
    }

    fn flush_audio(&mut self, due: impl Fn(Timestamp) -> bool) {
        while let Some(sample) = self.waiting.pop_if(|sample| due(sample.pts())) {
            self.seen.audio = true;
            let pts = sample.pts();
            self.segment.start.get_or_insert(pts);
            self.write(sample);
        }
    }

    fn write(&mut self, sample: Sample) {
        if self.muxer.is_none() {
            self.held.push(sample);
            return;
        }
        while let Some(held) = self.held.pop() {
            self.mux(held);
        }
        self.mux(sample);
    }

    /// The tracks seen before the first cut at `at` make the stream.
    fn open(&mut self, at: Timestamp) {
        let before =
            || self.held.iter().take_while(|sample| sample.pts() < at || !sample.is_picture());
        let tracks = Tracks {
            video: before().any(Sample::is_picture),
            audio: before().any(|sample| !sample.is_picture()),
        };
        self.muxer = Some(Muxer::new(tracks));
        self.segment.tracks = Some(tracks);
    }

    /// Muxes what was held for the segment that ends at `at`: everything up to the first picture of the next one, but for
    /// sound that was ahead.
    fn mux_held_before(&mut self, at: Timestamp) {
        let mut ahead = Vec::new();
        let is_before = |sample: &Sample| sample.pts() < at;
        while let Some(sample) = self.held.pop_if(|it| is_before(it) || !it.is_picture()) {
            if is_before(&sample) {
                self.mux(sample);
            } else {
                ahead.push(sample);
            }
        }
        self.held.put_back(ahead);
    }

    fn mux(&mut self, sample: Sample) {
        self.begin_segment();
        match sample {
            Sample::Picture(unit, video) => self.mux_picture(&unit, &video),
            Sample::Audio(frame, config) => self.mux_audio(&frame, &config),
        }
    }

    /// Writes PAT and PMT where the segment has none yet; a track that appeared since starts here.
    fn begin_segment(&mut self) {
        let Some(muxer) = &mut self.muxer else { return };
        if !self.segment.data.is_empty() {
            return;
        }
        if self.segment.tracks != Some(self.seen) && self.announced.is_some() {
            muxer.set_tracks(self.seen);
            self.segment.tracks = Some(self.seen);
            self.discontinuity = true;
        }
        let start = self.segment.start;
        let due = |(from, _): &mut (Timestamp, _)| start.is_some_and(|at| at + ROUNDING >= *from);
        if let Some((_, audio)) = self.next_audio.take_if(due) {
            self.segment_audio = Some(audio);
        }
        if self.discontinuity {
            muxer.discontinuity();
        }
        muxer.start_segment(&mut self.segment.data);
    }

    fn mux_picture(&mut self, unit: &AccessUnit, video: &Arc<VideoTrack>) {
        let Some(Tracks { video: true, .. }) = self.segment.tracks else { return };
        if self.group.is_late_for(unit) {
            self.flush_group();
        }
        let Some(muxer) = &mut self.muxer else { return };
        let sets = &video.parameter_sets;
        let sets = sets.iter().filter(|_| unit.random_access || self.segment.pictures == 0);
        muxer.write_video(
            unit.pts,
            unit.dts,
            unit.random_access,
            sets,
            unit.nal_units.iter(),
            &mut self.segment.data,
        );
        if self.segment.pictures == 0 {
            self.segment.video = Some(Arc::clone(video));
        }
        self.segment.pictures += 1;
    }

    fn mux_audio(&mut self, frame: &AudioFrame, config: &AudioSpecificConfig) {
        let Some(Tracks { audio: true, .. }) = self.segment.tracks else { return };
        if !self.segment_audio.as_ref().is_some_and(|now| now.has_core_of(config)) {
            return;
        }
        if self.group.is_full_for(frame) {
            self.flush_group();
        }
        self.group.push(config, frame);
    }

    fn flush_group(&mut self) {
        let (Some(muxer), Some((pts, adts))) = (&mut self.muxer, self.group.take()) else { return };
        muxer.write_audio(pts, adts, &mut self.segment.data);
        self.group.clear();
    }

    fn end_segment(&mut self, at: Timestamp, events: &mut impl Extend<RenditionEvent>) {
        self.begin_segment();
        self.flush_group();
        let start = self.segment.start.unwrap_or(at);
        let duration = at - start;
        self.announce(duration, events);
        // The next segment is about as large: one allocation for each.
        let capacity = self.segment.data.len();
        let data = std::mem::replace(&mut self.segment.data, Vec::with_capacity(capacity));
        events.extend([RenditionEvent::Segment(hls::Segment {
            duration,
            discontinuity: self.discontinuity,
            start_unix_ms: self.anchor.unix_ms_at(start),
            data: Bytes::from(data),
        })]);
        self.segment.pictures = 0;
        self.discontinuity = false;
        if let Some(anchor) = self.next_anchor.take_if(|anchor| anchor.at <= at) {
            self.anchor = anchor;
            self.discontinuity = true;
        }
    }

    /// Tells what the playlists say of the rendition, where that changed with this segment.
    fn announce(&mut self, duration: Duration, events: &mut impl Extend<RenditionEvent>) {
        if self.announced != Some(self.playlist) {
            self.announced = Some(self.playlist);
            events.extend([self.playlist.event()]);
        }
        let info = self.rendition_info(duration);
        if !self.info.as_ref().is_some_and(|known| known.still_says(&info, duration)) {
            self.info = Some(info.clone());
            events.extend([RenditionEvent::Info(info)]);
        }
    }

    fn rendition_info(&self, duration: Duration) -> RenditionInfo {
        let tracks = self.segment.tracks.unwrap_or(self.seen);
        let video = self.segment.video.as_ref().filter(|_| tracks.video);
        let audio = self.segment_audio.as_ref().filter(|_| tracks.audio);
        let codecs = video
            .map(|video| video.codec.clone())
            .into_iter()
            .chain(audio.map(|audio| audio.codec_string()));
        let rate = f64::from(self.segment.pictures) / duration.as_secs_f64().max(0.001);
        RenditionInfo {
            codecs: codecs.collect::<Vec<_>>().join(","),
            resolution: video.map(|video| video.resolution),
            frame_rate: video
                .filter(|_| self.segment.pictures > 0)
                .map(|_| nominal_frame_rate(rate)),
        }
    }
}

impl RenditionInfo {
    /// Whether this holds for a segment of this duration, of which `info` was measured.
    fn still_says(&self, info: &Self, duration: Duration) -> bool {
        // Fewer pictures than announced are no news. Clearly more are: the first segment lacked some of its own.
        let is_faster = self.frame_rate.zip(info.frame_rate).is_some_and(|(known, measured)| {
            measured > known * 1.1 && (measured - known) * duration.as_secs_f64() > 2.5
        });
        !is_faster && (&self.codecs, self.resolution) == (&info.codecs, info.resolution)
    }
}

/// The usual frame rate a measured one stands for (within 1 %), else the measured one to three decimals.
fn nominal_frame_rate(measured: f64) -> f64 {
    const USUAL: [f64; 11] = [10.0, 12.0, 15.0, 20.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0];
    let near = |rate: &&f64| (measured / **rate - 1.0).abs() < 0.01;
    let distance = |rate: &f64| (measured - rate).abs();
    let nearest = USUAL.iter().filter(near).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.copied().unwrap_or_else(|| (measured * 1000.0).round() / 1000.0)
}
