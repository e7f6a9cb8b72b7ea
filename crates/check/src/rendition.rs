//! One media playlist that is followed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::Limits;
use crate::fmp4::Init;
use crate::ledger::Ledger;
use crate::playlist::{AlternativeKind, ByteRange, Map, MediaPlaylist, MediaSegment, Variant};
use crate::rule::Rule;
use crate::rules::bandwidth::Rates;
use crate::rules::players::{self, Tracks};
use crate::rules::sequence::Drift;
use crate::rules::{follow, sequence, variants};
use crate::segment_facts::SegmentFacts;
use crate::url;

/// A media playlist with its segments.
#[derive(Debug)]
pub(crate) struct Rendition {
    /// What it is called in the report.
    pub(crate) label: String,
    pub(crate) url: String,
    /// As declared first and last; none where the URL is a media playlist's.
    pub(crate) variant: Option<(Variant, Variant)>,
    /// The newest one.
    pub(crate) playlist: Option<MediaPlaylist>,
    pub(crate) next_reload: Duration,
    /// When the newest one was asked for.
    pub(crate) loaded_at: Duration,
    /// Why there was none yet, the last time that it was asked for and may still come.
    pub(crate) not_there_yet: Option<String>,
    /// All that were listed since the start, by media sequence number.
    pub(crate) segments: BTreeMap<u64, Followed>,
    /// Numbers of segments that are still to be fetched.
    pub(crate) queue: VecDeque<u64>,
    /// A segment was, or is to be, decoded.
    pub(crate) is_decoded: bool,
    /// What the playlist is for, where it is that of an `EXT-X-MEDIA`.
    pub(crate) alternative: Option<AlternativeKind>,
    /// The initialization section that was read last; none inside where it could not be had.
    pub(crate) init: Option<(Arc<Map>, Option<Init>)>,
    /// Why segments were not read, if some were not.
    pub(crate) not_read: Option<String>,
    /// The tracks of the first segment.
    tracks: Option<Tracks>,
    /// Segments that what is declared is still to be held against.
    undeclared: Vec<u64>,
    /// Segments have been removed since the start.
    slid: bool,
    /// When the newest segment was seen first, and when there was still none after it.
    newest_since: Option<(Duration, Duration)>,
}

/// A segment that was listed.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    /// What it is called in the report.
    pub(crate) subject: String,
    /// None where the playlist's URI cannot be fetched.
    pub(crate) url: Option<String>,
    pub(crate) duration_secs: f64,
    pub(crate) discontinuity: bool,
    pub(crate) byte_range: Option<ByteRange>,
    pub(crate) map: Option<Arc<Map>>,
    /// Once it was fetched and read.
    pub(crate) facts: Option<SegmentFacts>,
    /// What the EXTINFs before it add up to, against its start.
    pub(crate) drift: Drift,
}

impl Rendition {
    pub(crate) fn new(label: String, url: String, variant: Option<Variant>) -> Self {
        Self {
            label,
            url,
            variant: variant.map(|variant| (variant.clone(), variant)),
            playlist: None,
            next_reload: Duration::ZERO,
            loaded_at: Duration::ZERO,
            not_there_yet: None,
            segments: BTreeMap::new(),
            queue: VecDeque::new(),
            is_decoded: false,
            alternative: None,
            init: None,
            not_read: None,
            tracks: None,
            undeclared: Vec::new(),
            slid: false,
            newest_since: None,
        }
    }

    pub(crate) fn target_duration_secs(&self) -> Option<u64> {
        self.playlist.as_ref()?.target_duration_secs
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.playlist.as_ref().is_some_and(|playlist| playlist.ended)
    }

    /// Whether it is no recording from the start, but was live.
    pub(crate) fn is_live_and_over(&self) -> bool {
        self.playlist.as_ref().is_some_and(|playlist| playlist.ended && playlist.slides())
    }

    /// Takes a newly loaded playlist: judges how it follows the last one, queues new segments.
    pub(crate) fn take_playlist(
        &mut self,
        ledger: &mut Ledger,
        playlist: MediaPlaylist,
        first_segments: usize,
        (sent_at, received_at): (Duration, Duration),
    ) {
        self.loaded_at = sent_at;
        let old = self.playlist.take();
        if let Some(old) = &old {
            follow::judge(ledger, &self.label, old, &playlist);
            self.slid |= playlist.media_sequence > old.media_sequence;
        }
        follow::judge_window(ledger, &self.label, &playlist, self.slid);
        let advanced =
            old.as_ref().is_none_or(|old| playlist.next_sequence() > old.next_sequence());
        self.note_advance(ledger, &playlist, advanced, (sent_at, received_at));
        let start = match &old {
            Some(old) => old.next_sequence(),
            None if playlist.ended => playlist.media_sequence,
            None => playlist.next_sequence().saturating_sub(first_segments as u64),
        };
        self.list_segments(ledger, &playlist, start);
        let half = playlist.target_duration_secs.unwrap_or(1).clamp(1, 60).saturating_mul(500);
        self.next_reload = received_at.saturating_add(Duration::from_millis(half));
        self.playlist = Some(playlist);
    }

    fn list_segments(&mut self, ledger: &mut Ledger, playlist: &MediaPlaylist, start: u64) {
        for (sequence, segment) in playlist.numbered().filter(|(number, _)| *number >= start) {
            let followed = Followed {
                subject: format!("{} segment {sequence}", self.label),
                url: url::resolve(&self.url, &segment.uri),
                duration_secs: segment.duration_secs,
                discontinuity: segment.discontinuity,
                byte_range: segment.byte_range,
                map: segment.map.clone(),
                facts: None,
                drift: Drift::default(),
            };
            match self.why_not_read(playlist, segment) {
                Some(why) => self.not_read = Some(why),
                None if segment.gap => {}
                None => self.queue.push_back(sequence),
            }
            self.segments.insert(sequence, followed);
        }
        let limit = Limits::DEFAULT.max_segments;
        while self.segments.len() > limit {
            let oldest = self.segments.pop_first();
            let is_read = oldest.is_some_and(|(_, followed)| followed.facts.is_some());
            if !is_read && !self.queue.is_empty() {
                let what = format!("only the newest {limit} of the listed segments are read");
                ledger.warn(Rule::SegmentsJudged, &self.label, what);
            }
        }
    }

    fn why_not_read(&self, playlist: &MediaPlaylist, segment: &MediaSegment) -> Option<String> {
        if let Some(foreign) = playlist.foreign {
            return Some(format!("{foreign}: not read here"));
        }
        if let Some(encryption) = segment.encryption {
            return Some(format!("encrypted with {}: not judged", encryption.name()));
        }
        let is_text = self.alternative == Some(AlternativeKind::Subtitles);
        is_text.then(|| "subtitles: not read here".to_owned())
    }

    /// Whether a segment was read in which there is something.
    pub(crate) fn has_read(&self) -> bool {
        self.tracks.is_some()
    }

    pub(crate) fn has_video(&self) -> bool {
        self.tracks.is_some_and(|tracks| tracks.video)
    }

    pub(crate) fn has_audio(&self) -> bool {
        self.tracks.is_some_and(|tracks| tracks.audio)
    }

    /// The playlist declares this from now on: what was read since it was loaded last was declared
    /// by one of the two.
    pub(crate) fn declare(&mut self, ledger: &mut Ledger, newest: &Variant) {
        self.judge_declared(ledger, newest);
        let first = self.variant.as_ref().and_then(|(first, _)| variants::declared_tracks(first));
        if let (Some(first), Some(now)) = (first, variants::declared_tracks(newest)) {
            players::judge_declared_tracks(ledger, &self.label, first, now);
        }
        if let Some((_, known)) = &mut self.variant {
            known.clone_from(newest);
        }
    }

    /// Judges the segments read since the last time by what was declared then, or by `newest`. What
    /// is declared is what goes on: a segment with a discontinuity behind it belongs to what is
    /// over, and may have been otherwise.
    fn judge_declared(&mut self, ledger: &mut Ledger, newest: &Variant) {
        let Some((_, before)) = &self.variant else { return };
        for number in std::mem::take(&mut self.undeclared) {
            let facts = self.segments.get(&number).and_then(|followed| followed.facts.as_ref());
            let Some(facts) = facts else { continue };
            let is_before = variants::describes(before, facts);
            let declared = if is_before { before } else { newest };
            let mut later = self.segments.range(number.saturating_add(1)..);
            let is_over = later.any(|(_, followed)| followed.discontinuity);
            if is_over && !is_before && !variants::describes(newest, facts) {
                ledger.skip(Rule::Resolution, "what was declared has changed at a discontinuity");
                continue;
            }
            variants::judge(ledger, &self.label, declared, facts);
        }
    }

    /// The playlist was old at least from when a segment was seen first to when the server was
    /// asked in vain.
    fn note_advance(
        &mut self,
        ledger: &mut Ledger,
        playlist: &MediaPlaylist,
        advanced: bool,
        (sent_at, received_at): (Duration, Duration),
    ) {
        match &mut self.newest_since {
            Some((_, still_old_at)) if !advanced => *still_old_at = sent_at,
            since => {
                if let Some((seen_at, still_old_at)) = since.take() {
                    let unchanged = still_old_at.saturating_sub(seen_at).as_secs_f64();
                    follow::judge_advance(ledger, &self.label, playlist, unchanged);
                }
                *since = Some((received_at, received_at));
            }
        }
    }

    /// The time is over: judges the wait that has no end yet, and what is still to be judged.
    pub(crate) fn finish(&mut self, ledger: &mut Ledger) {
        if let Some((_, newest)) = self.variant.clone() {
            self.judge_declared(ledger, &newest);
        }
        let Some(playlist) = self.playlist.as_ref().filter(|playlist| !playlist.ended) else {
            return;
        };
        if let Some((seen_at, still_old_at)) = self.newest_since {
            let unchanged = still_old_at.saturating_sub(seen_at).as_secs_f64();
            follow::judge_advance(ledger, &self.label, playlist, unchanged);
        }
    }

    /// Keeps what a segment holds, and judges it against its neighbours.
    pub(crate) fn take_facts(&mut self, ledger: &mut Ledger, number: u64, facts: SegmentFacts) {
        let Some(followed) = self.segments.get_mut(&number) else { return };
        let tracks = Tracks::of(&facts);
        if tracks.video || tracks.audio {
            let first = *self.tracks.get_or_insert(tracks);
            players::judge_tracks(ledger, &followed.subject, first, tracks);
        }
        followed.facts = Some(facts);
        self.undeclared.push(number);
        let neighbour = |number: Option<u64>| number.and_then(|n| self.segments.get(&n));
        let (before, this) = (neighbour(number.checked_sub(1)), neighbour(Some(number)));
        let (Some(before), Some(this)) = (before, this) else { return };
        let drift = sequence::judge(ledger, &this.subject, before, this);
        if let Some(followed) = self.segments.get_mut(&number) {
            followed.drift = drift;
        }
    }

    /// Bytes and durations of the segments that were read.
    pub(crate) fn rates(&self) -> Rates {
        let mut rates = Rates::default();
        let mut last = None;
        for (number, followed) in &self.segments {
            let Some(facts) = &followed.facts else { continue };
            let is_next = number.checked_sub(1) == last && last.is_some();
            rates.push(facts.bytes, followed.duration_secs, is_next);
            last = Some(*number);
        }
        rates
    }
}
