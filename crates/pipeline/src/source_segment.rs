//! What a segment is made of: a span of the source as access units, and where decoding it begins.

use std::collections::VecDeque;
use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;

use aac::AudioSpecificConfig;
use hls::{Cut, CutPoint, Span};
use media::{AudioFrame, Duration, Timestamp};

use crate::encoded_sound::{MAX_HEARD_SPANS, heard_before, preparation_begins};
use crate::picture::{Picture, VideoConfig};
use crate::rates::SourceRates;
use crate::rendition_set::RenditionSet;

/// The sound of one span.
#[derive(Clone, Debug)]
pub struct Sound {
    /// What all its frames are.
    pub config: Arc<AudioSpecificConfig>,
    /// Ascending by time. May be empty: the track is there all the same.
    pub frames: Vec<AudioFrame>,
    /// What the whole track is made of, in bits a second: as the publisher says, or as the first
    /// span shows. None where it was silent then.
    pub bitrate_bps: Option<u32>,
}

/// A span of the ladder's grid that has ended: all that is known of it but for its pictures.
#[derive(Clone, Debug)]
pub struct EndedSpan {
    /// When it is, and its number.
    pub span: Span,
    /// The parameters of its first picture, or of the last one before it; None without video, and
    /// where no decoder can make pictures of it.
    pub video: Option<Arc<VideoConfig>>,
    /// How many pictures the publisher sent for it.
    pub picture_count: usize,
    /// The audio track, where there is one.
    pub sound: Option<Sound>,
    /// Time from one source picture to the next.
    pub interval: Duration,
    /// What the publisher sends, as measured in the spans before it, be they of an earlier stay, or
    /// in the first one itself. None where there are no pictures.
    pub rates: Option<SourceRates>,
    /// What comes behind it.
    pub followed_by: FollowedBy,
}

/// What comes behind a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowedBy {
    /// A span that goes on where it ends.
    Next,
    /// A span behind a discontinuity, which begins where it ends.
    Discontinuity,
    /// Nothing.
    End,
}

/// A span of the ladder's grid, as the publisher sent it: all renditions of the span are made of
/// this.
#[derive(Clone, Debug)]
pub struct SourceSegment {
    /// What it is.
    pub ended: Arc<EndedSpan>,
    /// In decoding order, from the first that was decoded behind the cut on: some may be shown
    /// behind the span, and the one that begins it may have come with the span before.
    pub pictures: Vec<Picture>,
}

/// The end of one span of the ladder's grid and the beginning of the next.
#[derive(Clone, Debug)]
pub struct LadderCut {
    /// The span that ends here; None at the first cut of a publisher's stay. Without its pictures:
    /// they have gone their own way, and what was dropped of them is not to be kept alive.
    pub ended: Option<Arc<EndedSpan>>,
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
    /// What the publisher sends, as measured in the spans before it, be they of an earlier stay;
    /// None before the first one.
    pub rates: Option<SourceRates>,
    /// Where renditions begin and no other has been live: the pictures before this cut, in
    /// decoding order, that a decoder has to be given before the next ones. Empty where the
    /// next picture is one to start with, and where a decoder is at work already.
    pub preroll: Vec<Picture>,
}

/// One entry of the [`Queue`](crate::Queue).
#[derive(Clone, Debug)]
pub enum Item {
    /// One coded picture.
    Picture(Picture),
    /// These renditions begin with the next cut, and join others that are live: what may belong to
    /// their first segment is to be kept for them.
    Expect(RenditionSet),
    /// Behind all pictures that are shown before it.
    Cut(LadderCut),
}

impl Item {
    /// Bytes of media it keeps alive that the queue may drop.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.unit.nal_units.held_bytes(),
            Self::Expect(_) | Self::Cut(_) => 0,
        }
    }

    /// Bytes of media it keeps alive that the queue may not drop.
    pub(crate) fn kept_bytes(&self) -> usize {
        let Self::Cut(cut) = self else { return 0 };
        let sound = cut.ended.as_ref().map_or(0, |ended| ended.cost());
        let preroll = cut.begins.iter().flat_map(|begins| &begins.preroll);
        sound + preroll.map(|picture| cost(picture).bytes).sum::<usize>()
    }

    /// Macroblocks of its picture at most: what decoding it may cost.
    pub(crate) fn macroblocks(&self) -> u64 {
        match self {
            Self::Picture(picture) => picture.macroblocks.into(),
            Self::Expect(_) | Self::Cut(_) => 0,
        }
    }

    /// The time its picture is shown; what a transcoder has to work through.
    pub(crate) fn media(&self) -> Duration {
        match self {
            Self::Picture(picture) => picture.interval,
            Self::Expect(_) | Self::Cut(_) => Duration::ZERO,
        }
    }
}

/// What a sample costs in memory besides its bytes: a picture of five bytes is not free.
pub(crate) const SAMPLE_COST: usize = 256;

/// What pictures cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In memory, with [`SAMPLE_COST`].
    pub(crate) bytes: usize,
    /// Work for a decoder, at most.
    pub(crate) macroblocks: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, macroblocks: self.macroblocks + other.macroblocks }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Self::add)
    }
}

pub(crate) fn cost(picture: &Picture) -> Cost {
    Cost {
        bytes: SAMPLE_COST + picture.unit.nal_units.held_bytes(),
        macroblocks: picture.macroblocks.into(),
    }
}

impl EndedSpan {
    fn cost(&self) -> usize {
        let frames = self.sound.iter().flat_map(|sound| &sound.frames);
        SAMPLE_COST + frames.map(|frame| SAMPLE_COST + frame.data.len()).sum::<usize>()
    }
}

/// Everything that a segment is made of when it is asked for: the same input, the same bytes.
#[derive(Clone, Debug)]
pub struct SegmentSource {
    /// The span.
    pub segment: SourceSegment,
    /// The pictures in front of it that decoding begins with, in decoding order.
    pub preroll: Vec<Picture>,
    /// The sound in front of it that a rendition's own begins with, ascending by time.
    pub heard_before: Vec<AudioFrame>,
}

/// What a store keeps of one stream at most, in bytes with [`SAMPLE_COST`]: 14 spans of 2 s at
/// 18 Mbit/s. Past it the oldest spans cannot be made any more.
const MAX_STORED_BYTES: usize = 64 * 1024 * 1024;

/// What may have to be decoded in front of a segment: past it the segment is not made, as it would
/// take a machine too long. Ten seconds at 60 pictures a second, 13 Mbit/s of them, and 4K at 30.
const MAX_PREROLL_PICTURES: usize = 1024;
const MAX_PREROLL_BYTES: usize = 16 * 1024 * 1024;
const MAX_PREROLL_MACROBLOCKS: u64 = 10_368_000;

/// Whether so many pictures that cost so much are more than may have to be decoded in front of a
/// segment.
pub(crate) fn is_too_much_preroll(pictures: usize, cost: Cost) -> bool {
    pictures > MAX_PREROLL_PICTURES
        || cost.bytes > MAX_PREROLL_BYTES
        || cost.macroblocks > MAX_PREROLL_MACROBLOCKS
}

/// The numbers of the oldest spans from which on all can be made; None where none can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldestMakeable {
    /// For renditions with pictures, which need a place where decoding begins.
    pub with_pictures: Option<u64>,
    /// For renditions of sound alone.
    pub sound_alone: Option<u64>,
}

/// The newest spans of a stream's ladder grid: what renditions that nobody watches can still be
/// made of.
#[derive(Debug)]
pub struct SegmentStore {
    /// Spans that are to be makeable.
    kept: usize,
    spans: VecDeque<StoredSpan>,
    /// Spans that have gone before those, whose sound prepares that of the oldest.
    heard: VecDeque<Arc<EndedSpan>>,
    /// All pictures in decoding order, from the first that the oldest span needs on.
    pictures: VecDeque<Picture>,
    /// Pictures that have gone before those.
    gone: u64,
    bytes: usize,
}

/// A span, and its pictures as places counted from the first ever stored.
#[derive(Debug)]
struct StoredSpan {
    ended: Arc<EndedSpan>,
    first: u64,
    end: u64,
}

impl SegmentStore {
    /// A store from which the newest `kept` spans can be made.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self {
            kept,
            spans: VecDeque::new(),
            heard: VecDeque::new(),
            pictures: VecDeque::new(),
            gone: 0,
            bytes: 0,
        }
    }

    /// Adds the newest span.
    pub fn push(&mut self, segment: SourceSegment) {
        let first = self.gone + self.pictures.len() as u64;
        let pictures: Cost = segment.pictures.iter().map(cost).sum();
        self.bytes += segment.ended.cost() + pictures.bytes;
        self.pictures.extend(segment.pictures);
        let end = self.gone + self.pictures.len() as u64;
        self.spans.push_back(StoredSpan { ended: segment.ended, first, end });
        while self.spans.len() > self.kept {
            self.pop_span();
        }
        self.drop_needless_pictures();
        while self.bytes > MAX_STORED_BYTES && !self.spans.is_empty() {
            self.pop_span();
            self.drop_needless_pictures();
        }
    }

    /// Forgets the oldest span, or several where one gives up nothing; how many bytes that gives
    /// up, 0 where there is none.
    pub fn give_up_oldest(&mut self) -> usize {
        let before = self.bytes;
        while self.bytes == before && !self.spans.is_empty() {
            self.pop_span();
            self.drop_needless_pictures();
        }
        before - self.bytes
    }

    /// What it keeps, in bytes with what each sample costs besides.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest spans from which on all can be made.
    #[must_use]
    pub fn oldest_makeable(&self) -> OldestMakeable {
        let lost = self.spans.iter().rposition(|stored| self.preroll_begins(stored).is_none());
        let number_at =
            |place: usize| self.spans.get(place).map(|stored| stored.ended.span.sequence());
        OldestMakeable {
            with_pictures: number_at(lost.map_or(0, |place| place + 1)),
            sound_alone: number_at(0),
        }
    }

    /// What span `sequence` is made of, if it is still here and its pictures can be decoded.
    #[must_use]
    pub fn source_of(&self, sequence: u64) -> Option<SegmentSource> {
        let sound_alone = self.sound_of(sequence)?;
        let stored = self.spans.iter().rfind(|it| it.ended.span.sequence() == sequence)?;
        let start = self.preroll_begins(stored)?;
        let pictures = |from: u64, to: u64| -> Vec<Picture> {
            self.pictures.range(self.place(from)..self.place(to)).cloned().collect()
        };
        Some(SegmentSource {
            preroll: pictures(start.min(stored.first), stored.first),
            segment: SourceSegment {
                pictures: pictures(stored.first.max(start), stored.end),
                ..sound_alone.segment
            },
            ..sound_alone
        })
    }

    /// What span `sequence` is made of for a rendition of sound alone, if it is still here: no
    /// pictures, whether or not they can be decoded.
    #[must_use]
    pub fn sound_of(&self, sequence: u64) -> Option<SegmentSource> {
        let place = self.spans.iter().rposition(|it| it.ended.span.sequence() == sequence)?;
        let ended = &self.spans.get(place)?.ended;
        let stored = self.spans.range(..place).map(|it| &it.ended);
        let earlier = self.heard.iter().chain(stored).rev().map(|it| &**it);
        Some(SegmentSource {
            heard_before: heard_before(&ended.span, ended.sound.as_ref(), earlier),
            preroll: Vec::new(),
            segment: SourceSegment { ended: Arc::clone(ended), pictures: Vec::new() },
        })
    }

    /// Where decoding begins for a span: its place, if what lies before the span is not too much.
    fn preroll_begins(&self, stored: &StoredSpan) -> Option<u64> {
        if stored.first < self.gone {
            return None;
        }
        if stored.ended.video.is_none() {
            // There is nothing to decode; its sound is here.
            return Some(stored.first);
        }
        let until = self.pictures.range(..self.place(stored.end));
        let start = decoding_begins(until, &stored.ended.span)? as u64 + self.gone;
        // Times begin anew with each publisher, and nobody's pictures refer to another's.
        let decoded = self.pictures.range(self.place(start)..self.place(stored.end));
        if !decoded.map(|picture| picture.unit.dts).is_sorted_by(|before, after| before < after) {
            return None;
        }
        let preroll = self.pictures.range(self.place(start.min(stored.first))..);
        let preroll = preroll.take(stored.first.saturating_sub(start) as usize);
        let cost = preroll.clone().map(cost).sum();
        (!is_too_much_preroll(preroll.len(), cost)).then_some(start)
    }

    fn place(&self, picture: u64) -> usize {
        (picture - self.gone) as usize
    }

    /// Forgets the oldest span but for its sound, as long as the next oldest needs that.
    fn pop_span(&mut self) {
        self.heard.extend(self.spans.pop_front().map(|oldest| oldest.ended));
        while !self.needs_all_heard()
            && let Some(ended) = self.heard.pop_front()
        {
            self.bytes -= ended.cost();
        }
    }

    /// Whether the sound of the oldest span may need that of all the spans kept for it.
    fn needs_all_heard(&self) -> bool {
        let oldest = self.spans.front().map(|stored| &*stored.ended);
        let Some((span, sound)) = oldest.and_then(|it| Some((it.span, it.sound.as_ref()?))) else {
            return self.heard.is_empty();
        };
        let from = preparation_begins(&span, sound);
        let second_is_enough = self.heard.get(1).is_some_and(|it| it.span.start() <= from);
        self.heard.len() <= MAX_HEARD_SPANS && !second_is_enough
    }

    /// Forgets the pictures that no span needs any more.
    fn drop_needless_pictures(&mut self) {
        let needed = match self.spans.front() {
            Some(oldest) => self.preroll_begins(oldest).unwrap_or(oldest.first).min(oldest.first),
            None => self.gone + self.pictures.len() as u64,
        };
        while self.gone < needed {
            let Some(picture) = self.pictures.pop_front() else { return };
            self.bytes -= cost(&picture).bytes;
            self.gone += 1;
        }
    }
}

/// Place of the picture that a decoder has to start with so that it shows everything that the span
/// shows, if there is one.
///
/// An IDR is whole at once. Behind a recovery point pictures become whole only by and by: one
/// refresh in front of it is the safe place, unless there is none earlier, where nobody has seen
/// more. No decoder gets over a picture that it refuses: what lies before it is of no use.
pub(crate) fn decoding_begins<'a>(
    pictures: impl DoubleEndedIterator<Item = &'a Picture> + ExactSizeIterator,
    span: &Span,
) -> Option<usize> {
    let mut recovery_point = None;
    for (place, picture) in pictures.enumerate().rev() {
        if picture.config.refusal.is_some() {
            break;
        }
        if picture.unit.pts > span.start() + hls::TOLERANCE {
            continue;
        }
        match picture.cut_point {
            Some(CutPoint::Idr) => return Some(recovery_point.unwrap_or(place).min(place)),
            Some(CutPoint::RecoveryPoint) if recovery_point.is_some() => return Some(place),
            Some(CutPoint::RecoveryPoint) => recovery_point = Some(place),
            None => {}
        }
    }
    recovery_point
}
