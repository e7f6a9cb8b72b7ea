//! What a segment is made of: a span of the source as access units, and where decoding it begins.

use std::collections::VecDeque;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use hls::{Cut, Span};
use media::{AudioFrame, Duration, Timestamp};

use crate::picture::{Picture, VideoConfig};
use crate::rendition_set::RenditionSet;

/// The sound of one span.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What all its frames are.
    pub config: Arc<AudioSpecificConfig>,
    /// Ascending by time. May be empty: the track is there all the same.
    pub frames: Vec<AudioFrame>,
}

/// A span of the ladder's grid, as the publisher sent it: all renditions of the span are made of
/// this.
#[derive(Clone, Debug)]
pub struct SourceSegment {
    /// When it is, and its number.
    pub span: Span,
    /// The parameters of its first picture, or of the last one before it; None without video, and
    /// where no decoder can make pictures of it.
    pub video: Option<Arc<VideoConfig>>,
    /// In decoding order, those with decoding times inside the span: some may be shown behind it.
    pub pictures: Vec<Picture>,
    /// The audio track, where there is one.
    pub sound: Option<Sound>,
    /// Time from one source picture to the next.
    pub interval: Duration,
}

/// The end of one span of the ladder's grid and the beginning of the next.
#[derive(Clone, Debug)]
pub struct LadderCut {
    /// The span that ends here; None at the first cut of a publisher's stay.
    pub ended: Option<Arc<SourceSegment>>,
    /// The span that begins here; None at the end.
    pub begins: Option<SpanStart>,
    /// No picture will come that is shown before the cut: they have stopped.
    pub pictures_stopped: bool,
}

impl LadderCut {
    /// Presentation time at which one span ends and the next begins.
    pub(crate) fn at(&self) -> Timestamp {
        let begins = self.begins.as_ref().map(|begins| begins.cut.at);
        let ends = self.ended.as_ref().map(|ended| ended.span.end());
        begins.or(ends).unwrap_or(Timestamp::MAX)
    }
}

/// The beginning of a span.
#[derive(Clone, Debug)]
pub struct SpanStart {
    /// Where it begins, and its number.
    pub cut: Cut,
    /// The renditions that are made of it picture by picture, as they come.
    pub live: RenditionSet,
    /// Where renditions join those that are live: the pictures before this cut, in decoding order,
    /// that a decoder has to be given before the next ones. Empty where the next picture is one to
    /// start with.
    pub preroll: Vec<Picture>,
}

/// One entry of the [`Queue`](crate::Queue).
#[derive(Clone, Debug)]
pub enum Item {
    /// One coded picture.
    Picture(Picture),
    /// A cut; it comes behind all pictures that are shown before it.
    Cut(LadderCut),
}

impl Item {
    /// Bytes of media it keeps alive that the queue may drop.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.unit.nal_units.held_bytes(),
            Self::Cut(_) => 0,
        }
    }

    /// The time its picture is shown; what a transcoder has to work through.
    pub(crate) fn media(&self) -> Duration {
        match self {
            Self::Picture(picture) => picture.interval,
            Self::Cut(_) => Duration::ZERO,
        }
    }
}

impl SourceSegment {
    fn held_bytes(&self) -> usize {
        let pictures: usize = self.pictures.iter().map(|it| it.unit.nal_units.held_bytes()).sum();
        let frames = self.sound.iter().flat_map(|sound| &sound.frames);
        pictures + frames.map(|frame| frame.data.len()).sum::<usize>()
    }
}

/// Everything that a segment is made of when it is asked for: the same input, the same bytes.
#[derive(Clone, Debug)]
pub struct SegmentSource {
    /// The span.
    pub segment: Arc<SourceSegment>,
    /// The pictures in front of it that decoding begins with, in decoding order.
    pub preroll: Vec<Picture>,
}

/// Bytes of media that a store keeps at most; past it the oldest spans cannot be made any more.
const MAX_STORED_BYTES: usize = 64 * 1024 * 1024;

/// The newest spans of a stream's ladder grid: what renditions that nobody watches can still be
/// made of.
#[derive(Debug)]
pub struct SegmentStore {
    /// Spans that are to be makeable.
    kept: usize,
    segments: VecDeque<Arc<SourceSegment>>,
    bytes: usize,
}

impl SegmentStore {
    /// A store from which the newest `kept` spans can be made.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { kept, segments: VecDeque::new(), bytes: 0 }
    }

    /// Adds the newest span.
    pub fn push(&mut self, segment: Arc<SourceSegment>) {
        self.bytes += segment.held_bytes();
        self.segments.push_back(segment);
        while self.oldest_is_needless() || self.bytes > MAX_STORED_BYTES {
            self.pop_oldest();
        }
    }

    /// The stream is not served any more.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    /// What span `sequence` is made of, if it is still here.
    #[must_use]
    pub fn source_of(&self, sequence: u64) -> Option<SegmentSource> {
        let place = self.segments.iter().position(|it| it.span.sequence() == sequence)?;
        let first = self.decoding_begins(place);
        let segment = Arc::clone(&self.segments[place]);
        let mut preroll = Vec::new();
        for earlier in self.segments.range(first..place) {
            preroll.extend(earlier.pictures.iter().cloned());
        }
        let from = preroll.iter().rposition(|picture| begins(picture, &segment.span));
        if let Some(from) = from {
            preroll.drain(..from);
        }
        if segment.pictures.first().is_some_and(|picture| begins(picture, &segment.span)) {
            preroll.clear();
        }
        Some(SegmentSource { segment, preroll })
    }

    /// Place of the segment in which decoding must begin for the one at `place`.
    fn decoding_begins(&self, place: usize) -> usize {
        let span = &self.segments[place].span;
        let has_start =
            |segment: &SourceSegment| segment.pictures.iter().any(|it| begins(it, span));
        (0..=place).rev().find(|place| has_start(&self.segments[*place])).unwrap_or(0)
    }

    /// Whether there are enough without the oldest, and none needs it to begin decoding with.
    fn oldest_is_needless(&self) -> bool {
        let oldest_kept = self.segments.len().saturating_sub(self.kept);
        oldest_kept > 0 && self.decoding_begins(oldest_kept) > 0
    }

    fn pop_oldest(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.bytes -= oldest.held_bytes();
        }
    }
}

/// Whether a decoder that starts with the picture shows everything that the span shows.
fn begins(picture: &Picture, span: &Span) -> bool {
    picture.cut_point.is_some() && picture.unit.pts <= span.start() + hls::TOLERANCE
}
