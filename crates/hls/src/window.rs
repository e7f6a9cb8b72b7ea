//! One rendition's sliding window of spans, made or promised.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use media::Duration;

use crate::bandwidth::BandwidthMeter;
use crate::made::Made;
use crate::media_playlist::rounded_ms;
use crate::snapshot::held_back;
use crate::{Container, InitSection, PerContainer, SegmentKey, Snapshot, Span};

/// A segment without, or with hardly any, duration ages removed ones by this much all the same: it
/// bounds how many can be kept.
const LEAST_AGEING: Duration = Duration::from_millis(100);

/// A window keeps this many bytes: past it removed segments go before their time, then listed ones
/// but the last [`LEAST_LISTED`]. 13 segments of 2 s at 40 Mbit/s fit.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// What stays listed whatever its size: less is no playlist to follow.
const LEAST_LISTED: usize = 3;

/// A finished media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is of, and its number.
    pub span: Span,
    /// The transport stream.
    pub data: Bytes,
}

/// What a window is made with.
#[derive(Clone, Debug)]
pub struct WindowConfig {
    /// Goes before `N.ts` in segment URIs: `/stream/NAME/RENDITION/`; before `N.m4s` in those of
    /// fragmented MPEG-4, and before the names of initialization sections.
    pub uri_prefix: PerContainer<String>,
    /// How many segments the playlist lists once there are as many; at least 1.
    pub listed: usize,
    /// None: whoever knows a segment's number knows its URI.
    pub segment_key: Option<SegmentKey>,
}

/// One rendition's segments: those that its playlist lists, and those removed from it that are
/// still fetchable.
///
/// It takes numbered spans, with a segment, or as a promise that one can be made when somebody asks
/// for it, or with the size of one whose samples somebody else keeps until it is asked for. What it
/// lists is one run of numbers without a hole: a rendition that missed some begins anew behind
/// them. A removed segment stays for as long as it and the longest playlist that listed it play,
/// and for one more push than the playlist lists segments (RFC 8216 6.2.2).
///
/// **After every change, take a [`snapshot`](Self::snapshot); readers see nothing else.**
#[derive(Debug)]
pub struct Window {
    config: WindowConfig,
    target_duration_secs: u64,
    independent: bool,
    ended: bool,
    /// The last number that was listed with an end.
    ended_with: Option<u64>,
    removed: VecDeque<Removed>,
    listed: VecDeque<Listed>,
    /// The highest number that was ever listed: none comes again, also where nothing is listed.
    newest: Option<u64>,
    bandwidth: BandwidthMeter,
    /// What the spans are played behind that are listed from now on.
    init: Option<Arc<InitSection>>,
}

/// What there is of a span.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// What its segment as fragmented MPEG-4 is played behind.
    pub(crate) init: Option<Arc<InitSection>>,
    pub(crate) stage: Stage,
}

#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// Nothing yet: it can be made when somebody asks for it.
    Promised,
    /// The caller keeps its samples, and somebody has asked for what is written.
    Packaged {
        /// What it takes where nothing is written.
        bytes: usize,
        written: PerContainer<Option<Arc<Made>>>,
    },
}

#[derive(Debug)]
struct Listed {
    span: Span,
    content: Content,
    /// Playing time of the longest playlist it was in.
    longest_playlist: Duration,
    /// Whether somebody has read a playlist that it was in.
    was_read: bool,
}

/// A segment that is not listed any more.
#[derive(Debug)]
struct Removed {
    sequence: u64,
    content: Content,
    /// Pushes it has still to survive.
    pushes: usize,
    /// Media time that has still to be pushed before it may go.
    media: Duration,
}

impl Window {
    /// An empty window with a target duration of 1 s, segments taken to be independent.
    #[must_use]
    pub fn new(config: WindowConfig) -> Self {
        let config = WindowConfig { listed: config.listed.max(1), ..config };
        Self {
            config,
            target_duration_secs: 1,
            independent: true,
            ended: false,
            ended_with: None,
            removed: VecDeque::new(),
            listed: VecDeque::new(),
            newest: None,
            bandwidth: BandwidthMeter::default(),
            init: None,
        }
    }

    /// Sets `EXT-X-TARGETDURATION`, in seconds: to be decided before the first segment, as players
    /// do not expect it to change (RFC 8216 6.2.1). It can only grow; a smaller one is ignored.
    pub fn set_target_duration(&mut self, secs: u64) {
        if secs > self.target_duration_secs {
            self.target_duration_secs = secs;
            self.bandwidth.measure(secs);
        }
    }

    /// Sets what the segments of spans that are listed from here on are played behind, as
    /// fragmented MPEG-4. What a span was listed with stays its own.
    pub fn set_init(&mut self, data: Bytes) {
        if self.init.as_ref().is_none_or(|init| init.data != data) {
            self.init = Some(Arc::new(InitSection::new(data)));
        }
    }

    /// What the segment of the number is played behind, as fragmented MPEG-4.
    #[must_use]
    pub fn init(&self, sequence: u64) -> Option<&Arc<InitSection>> {
        let listed = self.listed.iter().map(|it| (it.span.sequence(), &it.content));
        let removed = self.removed.iter().map(|it| (it.sequence, &it.content));
        let found = listed.chain(removed).find(|(number, _)| *number == sequence);
        found.and_then(|(_, content)| content.init.as_ref())
    }

    /// Not every segment starts with an IDR from here on: no `EXT-X-INDEPENDENT-SEGMENTS` (RFC 8216
    /// 4.3.5.1).
    pub fn set_dependent(&mut self) {
        self.independent = false;
    }

    /// Adds a segment at the end; where its span is listed as a promise, it is kept.
    ///
    /// One that, rounded, is longer than the target duration raises it: RFC 8216 allows neither
    /// (4.3.3.1, 6.2.1), but players take a late reload better than a segment that is longer than
    /// promised. A number that was passed, or has its segment already, is ignored: what was served
    /// once is never another. Whether the segment was taken.
    pub fn push(&mut self, segment: Segment) -> bool {
        let Segment { span, data } = segment;
        self.push_packaged(span, data.len()) && self.fill(Container::MpegTs, span.sequence(), data)
    }

    /// Lists a span whose segment will be made when it is asked for. A number that was passed is
    /// ignored; one that does not follow the newest empties the playlist first.
    pub fn list(&mut self, span: Span) {
        if let Some(newest) = self.newest {
            if span.sequence() <= newest {
                return;
            }
            if span.sequence() != newest + 1 {
                self.begin_anew();
            }
        }
        self.age_removed(span.duration);
        let rounded_secs = (rounded_ms(&span) + 500) / 1000;
        if rounded_secs > self.target_duration_secs {
            // Up, as the first one is: the next segments will hardly be shorter.
            self.target_duration_secs = span.duration.ceil_secs().max(rounded_secs);
            self.bandwidth.measure(self.target_duration_secs);
        }
        let content = Content { init: self.init.clone(), stage: Stage::Promised };
        let longest_playlist = Duration::ZERO;
        self.listed.push_back(Listed { span, content, longest_playlist, was_read: false });
        self.newest = Some(span.sequence());
        // What is not offered yet pushes nothing out of the playlist.
        while self.listed.len() - self.held_back() > self.config.listed {
            self.remove_oldest();
        }
        self.note_playlist();
    }

    /// Lists a span whose samples the caller keeps, and [`fill`](Self::fill)s in when somebody asks
    /// for it, in the container that is asked for: `bytes` long as a transport stream. Where it is
    /// listed as a promise, or was a short while ago, that is kept now. A number that was passed,
    /// or has its segment already, is ignored. Whether it was taken.
    pub fn push_packaged(&mut self, span: Span, bytes: usize) -> bool {
        self.list(span);
        let sequence = span.sequence();
        let Some(stage @ Stage::Promised) = self.stage_mut(sequence) else { return false };
        *stage = Stage::Packaged { bytes, written: PerContainer::default() };
        if self.listed.iter().any(|listed| listed.span.sequence() == sequence) {
            self.bandwidth.push(bytes, span.duration, self.target_duration_secs);
        }
        self.enforce_bytes();
        true
    }

    /// Writes a segment that is packaged in this container. What was served once is never another:
    /// whether it is the first.
    pub fn fill(&mut self, container: Container, sequence: u64, data: Bytes) -> bool {
        let stage = self.stage_mut(sequence);
        let Some(Stage::Packaged { written, .. }) = stage else { return false };
        let place @ None = written.of_mut(container) else { return false };
        *place = Some(Made::new(data));
        self.enforce_bytes();
        true
    }

    /// What there is of a segment that is listed, or was a short while ago.
    fn stage_mut(&mut self, sequence: u64) -> Option<&mut Stage> {
        let listed = self.listed.iter_mut().map(|it| (it.span.sequence(), &mut it.content));
        let removed = self.removed.iter_mut().map(|it| (it.sequence, &mut it.content));
        let found = listed.chain(removed).find(|(number, _)| *number == sequence);
        found.map(|(_, content)| &mut content.stage)
    }

    /// The number of the oldest segment that may still be asked for.
    #[must_use]
    pub fn oldest_sequence(&self) -> Option<u64> {
        let removed = self.removed.front().map(|removed| removed.sequence);
        removed.or_else(|| self.listed.front().map(|listed| listed.span.sequence()))
    }

    /// Promises of spans before `sequence` cannot be kept any more: the playlist begins behind
    /// them. Whether there were any.
    pub fn withdraw_promises_before(&mut self, sequence: u64) -> bool {
        let is_lost = |content: &Content, number: u64| {
            matches!(content.stage, Stage::Promised) && number < sequence
        };
        let lost = self.listed.iter().rposition(|it| is_lost(&it.content, it.span.sequence()));
        for _ in 0..lost.map_or(0, |place| place + 1) {
            self.remove_oldest();
        }
        let removed = self.removed.len();
        self.removed.retain(|it| !is_lost(&it.content, it.sequence));
        lost.is_some() || self.removed.len() != removed
    }

    /// What follows does not go on from what is listed: the playlist begins with it.
    pub fn begin_anew(&mut self) {
        while !self.listed.is_empty() {
            self.remove_oldest();
        }
    }

    /// Gives up segments of at least so many bytes, if there are as many that it can do without:
    /// first those that are not listed any more, then listed ones but the last three. How many
    /// bytes they had.
    pub fn cut_down(&mut self, bytes: usize) -> usize {
        let mut given_up = 0;
        while given_up < bytes {
            if let Some(removed) = self.removed.pop_front() {
                given_up += removed.content.bytes();
            } else if self.listed.len() > LEAST_LISTED {
                self.remove_oldest();
            } else {
                break;
            }
        }
        given_up
    }

    /// Somebody has read the playlist as it is now. Its segments stay fetchable behind it for as
    /// long as RFC 8216 6.2.2 asks; those that nobody has heard of go with it.
    pub fn note_read(&mut self) {
        for listed in &mut self.listed {
            listed.was_read = true;
        }
    }

    /// The stream has ended: `EXT-X-ENDLIST` (RFC 8216 4.3.3.4).
    pub fn end(&mut self) {
        self.ended = true;
        self.ended_with = self.newest;
    }

    /// The publisher is back: no `EXT-X-ENDLIST`.
    pub fn reopen(&mut self) {
        self.ended = false;
    }

    /// The numbers of the spans that are listed as promises, ascending.
    pub fn promised(&self) -> impl Iterator<Item = u64> {
        let is_promised = |listed: &&Listed| matches!(listed.content.stage, Stage::Promised);
        let promised = self.listed.iter().filter(is_promised);
        promised.map(|listed| listed.span.sequence())
    }

    /// What readers see from now on; none before the first span, as a playlist needs one.
    #[must_use]
    pub fn snapshot(&self) -> Option<Snapshot> {
        if self.listed.is_empty() {
            return None;
        }
        let removed = self.removed.iter().map(|it| (it.sequence, it.content.clone()));
        let listed = self.listed.iter().map(|it| (it.span.sequence(), it.content.clone()));
        Some(Snapshot {
            rates: self.bandwidth.rates(),
            target_duration_secs: self.target_duration_secs,
            independent: self.independent,
            ended: self.ended,
            ended_with: self.ended_with,
            listed: self.listed.iter().map(|listed| listed.span).collect(),
            uri_prefix: self.config.uri_prefix.clone(),
            segment_key: self.config.segment_key.clone(),
            fetchable: removed.chain(listed).collect(),
            playlist: PerContainer::default(),
        })
    }

    fn held_back(&self) -> usize {
        let newest_first = self.listed.iter().rev().map(|listed| &listed.span);
        held_back(newest_first, self.target_duration_secs, self.ended_with)
    }

    fn enforce_bytes(&mut self) {
        while self.bytes() > MAX_BYTES {
            if self.removed.pop_front().is_none() {
                if self.listed.len() <= LEAST_LISTED {
                    return;
                }
                self.remove_oldest();
            }
        }
    }

    fn bytes(&self) -> usize {
        let removed = self.removed.iter().map(|removed| &removed.content);
        let listed = self.listed.iter().map(|listed| &listed.content);
        removed.chain(listed).map(Content::bytes).sum()
    }

    fn remove_oldest(&mut self) {
        let Some(oldest) = self.listed.pop_front() else { return };
        let Listed { span, content, longest_playlist, was_read } = oldest;
        if !was_read {
            return;
        }
        self.removed.push_back(Removed {
            sequence: span.sequence(),
            content,
            pushes: self.config.listed + 1,
            media: span.duration + longest_playlist,
        });
    }

    fn age_removed(&mut self, pushed: Duration) {
        while self.removed.front().is_some_and(Removed::is_over) {
            self.removed.pop_front();
        }
        let age = pushed.max(LEAST_AGEING);
        for removed in &mut self.removed {
            removed.pushes = removed.pushes.saturating_sub(1);
            removed.media = removed.media - age;
        }
    }

    fn note_playlist(&mut self) {
        let playing =
            self.listed.iter().fold(Duration::ZERO, |sum, listed| sum + listed.span.duration);
        for listed in &mut self.listed {
            listed.longest_playlist = listed.longest_playlist.max(playing);
        }
    }
}

impl Content {
    fn bytes(&self) -> usize {
        self.stage.bytes()
    }
}

impl Stage {
    /// What it takes in memory, here or where its samples are: once something is written, that is
    /// most of it.
    fn bytes(&self) -> usize {
        match self {
            Self::Promised => 0,
            Self::Packaged { bytes, written } => {
                let len = |made: &Option<Arc<Made>>| made.as_ref().map_or(0, |it| it.data.len());
                (*bytes).max(len(&written.mpeg_ts) + len(&written.fragmented_mp4))
            }
        }
    }

    /// The segment in this container, where it has been made in it.
    pub(crate) fn made(&self, container: Container) -> Option<&Arc<Made>> {
        match self {
            Self::Promised => None,
            Self::Packaged { written, .. } => written.of(container).as_ref(),
        }
    }
}

impl Removed {
    fn is_over(&self) -> bool {
        self.pushes == 0 && self.media <= Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use media::Timestamp;

    use super::*;
    use crate::{Cut, Lookup};

    fn window(listed: usize) -> Window {
        Window::new(WindowConfig {
            uri_prefix: PerContainer { mpeg_ts: "/".into(), fragmented_mp4: String::new() },
            listed,
            segment_key: None,
        })
    }

    fn span(sequence: u64, duration: Duration) -> Span {
        let cut = Cut {
            sequence,
            discontinuity_sequence: 0,
            discontinuity: false,
            at: Timestamp::ZERO,
            unix_ms: i64::MAX,
        };
        Span { cut, duration }
    }

    fn segment(sequence: u64, duration: Duration, data: &Bytes) -> Segment {
        Segment { span: span(sequence, duration), data: data.clone() }
    }

    #[test]
    fn a_number_that_was_listed_does_not_come_again_also_where_nothing_is_left() {
        let mut window = window(3);
        for sequence in 7..=9 {
            window.list(span(sequence, Duration::from_secs(2)));
        }
        assert!(window.withdraw_promises_before(10));
        assert!(window.snapshot().is_none());
        let second = Duration::from_secs(2);
        assert!(!window.push(segment(8, second, &Bytes::from_static(b"late"))));
        assert!(window.snapshot().is_none(), "EXT-X-MEDIA-SEQUENCE would go back");
        assert!(window.push(segment(10, second, &Bytes::from_static(b"next"))));
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.listed.first().map(Span::sequence), Some(10));
    }

    #[test]
    fn what_nobody_has_read_of_is_not_kept_behind_the_playlist() {
        let (mut window, second) = (window(3), Duration::from_secs(2));
        let data = Bytes::from_static(b"data");
        for sequence in 0..5 {
            window.push(segment(sequence, second, &data));
        }
        assert_eq!(window.oldest_sequence(), Some(2));
        window.note_read();
        window.push(segment(5, second, &data));
        assert_eq!(window.oldest_sequence(), Some(2), "fetchable, and listed no more");
        assert!(matches!(
            window.snapshot().unwrap().segment(Container::MpegTs, 2),
            Lookup::Made(_)
        ));
    }

    #[test]
    fn huge_segments_are_kept_to_a_number_of_bytes() {
        let mut window = window(6);
        let data = Bytes::from(vec![0; 32 << 20]);
        for sequence in 0..40 {
            window.push(segment(sequence, Duration::from_millis(1), &data));
            assert!(window.bytes() <= MAX_BYTES);
        }
        assert_eq!(window.listed.len(), 4);
        let newest = window.snapshot().unwrap().segment(Container::MpegTs, 39);
        assert!(matches!(newest, Lookup::Made(_)));
    }

    /// The number alone would not do: another server may use it, or the one behind a wrong clock.
    #[test]
    fn equal_numbers_and_lengths_of_other_bytes_have_another_entity_tag() {
        let etag = |data: &'static [u8]| {
            let mut window = window(2);
            window.push(segment(7, Duration::from_secs(2), &Bytes::from_static(data)));
            window.snapshot().unwrap().etag(Container::MpegTs, 7).map(str::to_owned).unwrap()
        };
        assert_eq!(etag(b"one"), etag(b"one"));
        assert_ne!(etag(b"one"), etag(b"two"));
        assert!(etag(b"one").starts_with('"') && etag(b"one").ends_with('"'));
    }

    #[test]
    fn a_window_that_is_cut_down_gives_up_the_oldest_and_keeps_what_can_be_followed() {
        let mut window = window(6);
        let data = Bytes::from(vec![0; 1000]);
        for sequence in 0..20 {
            window.push(segment(sequence, Duration::from_secs(2), &data));
            window.note_read();
        }
        let oldest = |window: &Window| window.snapshot().unwrap().fetchable[0].0;
        let kept_before = 20 - oldest(&window) as usize;
        assert_eq!(window.cut_down(1), 1000);
        assert_eq!(20 - oldest(&window) as usize, kept_before - 1);
        assert_eq!(window.snapshot().unwrap().listed.len(), 6, "those behind the playlist first");
        assert_eq!(window.cut_down(usize::MAX), (kept_before - 4) * 1000);
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.listed.iter().map(Span::sequence).collect::<Vec<_>>(), [17, 18, 19]);
        assert_eq!(snapshot.segment(Container::MpegTs, 16), Lookup::Gone);
        assert_eq!(window.cut_down(1), 0);
        window.push(segment(20, Duration::from_secs(2), &data));
        assert_eq!(window.snapshot().unwrap().media_sequence(), 17, "it goes on");
    }

    #[test]
    fn durations_without_sense_do_no_harm() {
        let mut window = window(2);
        for (sequence, ticks) in (0..).zip([-1, i64::MIN, 0, i64::MAX, i64::MAX]) {
            window.push(segment(sequence, Duration::from_ticks(ticks), &Bytes::new()));
        }
        assert_eq!(
            window.snapshot().unwrap().segment(Container::MpegTs, 4),
            Lookup::Made(Bytes::new())
        );
    }

    #[test]
    fn a_promise_is_listed_and_kept_once() {
        let mut window = window(3);
        let two = Duration::from_secs(2);
        (5..8).for_each(|sequence| window.list(span(sequence, two)));
        assert_eq!(window.promised().collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(window.snapshot().unwrap().segment(Container::MpegTs, 6), Lookup::NotMade);
        let data = Bytes::from_static(b"six");
        assert!(!window.fill(Container::MpegTs, 6, data.clone()), "nothing is packaged");
        assert!(window.push(segment(6, two, &data)));
        assert!(!window.fill(Container::MpegTs, 6, Bytes::from_static(b"another")));
        assert!(!window.push(segment(6, two, &data)));
        let snapshot = window.snapshot().unwrap();
        assert_eq!(
            snapshot.segment(Container::MpegTs, 6),
            Lookup::Made(Bytes::from_static(b"six"))
        );
        assert_eq!(snapshot.segment(Container::MpegTs, 8), Lookup::Gone);
        // It has left the playlist, and is still waited for.
        window.note_read();
        window.list(span(8, two));
        assert!(window.push(segment(5, two, &Bytes::from_static(b"five"))));
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.media_sequence(), 6);
        assert_eq!(
            snapshot.segment(Container::MpegTs, 5),
            Lookup::Made(Bytes::from_static(b"five"))
        );
    }

    #[test]
    fn what_is_packaged_has_its_size_and_is_not_withdrawn() {
        let mut window = window(2);
        let two = Duration::from_secs(2);
        window.set_target_duration(2);
        assert!(window.push_packaged(span(5, two), 500_000));
        assert!(!window.push_packaged(span(5, two), 1), "it is there");
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.rates.unwrap().peak_bps, 2_000_000);
        assert_eq!(
            (snapshot.segment(Container::MpegTs, 5), window.bytes()),
            (Lookup::NotWritten, 500_000)
        );
        assert!(!window.withdraw_promises_before(u64::MAX));
        assert_eq!(window.promised().count(), 0);
        assert!(window.fill(Container::MpegTs, 5, Bytes::from_static(b"five")));
        assert!(!window.push_packaged(span(5, two), 7), "it was served");
        let snapshot = window.snapshot().unwrap();
        assert_eq!(
            snapshot.segment(Container::MpegTs, 5),
            Lookup::Made(Bytes::from_static(b"five"))
        );
        assert_eq!(snapshot.rates.unwrap().peak_bps, 2_000_000, "measured once");
        window.note_read();
        (6..9).for_each(|sequence| assert!(window.push_packaged(span(sequence, two), 9)));
        assert_eq!(window.oldest_sequence(), Some(5));
    }

    #[test]
    fn case_17_a_short_last_segment_is_offered_with_what_follows_it_or_with_the_end() {
        let mut window = window(6);
        window.set_target_duration(2);
        let offered = |window: &Window| window.snapshot().unwrap().offered().len();
        window.push(segment(5, Duration::from_millis(500), &Bytes::new()));
        assert_eq!(offered(&window), 1, "there is no other");
        window.push(segment(6, Duration::from_secs(2), &Bytes::new()));
        window.push(segment(7, Duration::from_millis(980), &Bytes::new()));
        window.push(segment(8, Duration::from_millis(520), &Bytes::new()));
        assert_eq!(offered(&window), 2);
        assert!(matches!(
            window.snapshot().unwrap().segment(Container::MpegTs, 8),
            Lookup::Made(_)
        ));
        window.end();
        assert_eq!(offered(&window), 4);
        window.reopen();
        assert_eq!(offered(&window), 4, "what was listed stays");
        window.push(segment(9, Duration::from_millis(510), &Bytes::new()));
        assert_eq!(offered(&window), 4);
        window.push(segment(10, Duration::from_millis(1020), &Bytes::new()));
        assert_eq!(offered(&window), 6);
    }

    #[test]
    fn case_17_what_is_not_offered_yet_pushes_nothing_out() {
        let mut window = window(3);
        window.set_target_duration(2);
        (5..8)
            .for_each(|n| assert!(window.push(segment(n, Duration::from_secs(2), &Bytes::new()))));
        let numbers = |window: &Window| {
            let snapshot = window.snapshot().unwrap();
            snapshot.offered().iter().map(Span::sequence).collect::<Vec<_>>()
        };
        window.push(segment(8, Duration::from_millis(500), &Bytes::new()));
        assert_eq!(numbers(&window), [5, 6, 7]);
        window.push(segment(9, Duration::from_secs(2), &Bytes::new()));
        assert_eq!(numbers(&window), [7, 8, 9]);
        // A stream that is like this goes on.
        (10..20).for_each(|n| {
            window.push(segment(n, Duration::from_millis(500), &Bytes::new()));
        });
        assert_eq!(numbers(&window), [15, 16, 17]);
    }

    #[test]
    fn promises_that_cannot_be_kept_leave_the_playlist() {
        let mut window = window(6);
        let two = Duration::from_secs(2);
        (5..9).for_each(|sequence| window.list(span(sequence, two)));
        assert!(window.push(segment(5, two, &Bytes::from_static(b"five"))));
        assert!(!window.withdraw_promises_before(5));
        window.note_read();
        assert!(window.withdraw_promises_before(7));
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.media_sequence(), 7);
        assert!(
            matches!(snapshot.segment(Container::MpegTs, 5), Lookup::Made(_)),
            "who was told of it may come"
        );
        assert_eq!(snapshot.segment(Container::MpegTs, 6), Lookup::Gone);
        assert_eq!(snapshot.segment(Container::MpegTs, 7), Lookup::NotMade);
    }

    #[test]
    fn numbers_that_were_passed_are_ignored_and_a_hole_begins_anew() {
        let mut window = window(3);
        let two = Duration::from_secs(2);
        for sequence in 5..8 {
            window.push(segment(sequence, two, &Bytes::new()));
        }
        window.list(span(6, two));
        assert_eq!(window.snapshot().unwrap().media_sequence(), 5);
        window.note_read();
        window.list(span(12, two));
        let snapshot = window.snapshot().unwrap();
        assert_eq!(snapshot.listed.iter().map(Span::sequence).collect::<Vec<_>>(), [12]);
        assert_eq!(
            snapshot.segment(Container::MpegTs, 7),
            Lookup::Made(Bytes::new()),
            "who was told of it may come"
        );
        assert_eq!(snapshot.segment(Container::MpegTs, 9), Lookup::Gone);
    }
}
