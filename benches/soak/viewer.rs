//! A player that plays nothing and misses nothing: every playlist is held against the one before,
//! every segment against its predecessor.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use m3u8_rs::{MediaPlaylist, MediaSegment};

use crate::continuity::{Kind, Run};
use crate::ledger::Ledger;
use crate::publisher::{Presence, Show};
use crate::random::Random;
use crate::support::{http, playlist};

/// How often it looks.
const POLL: Duration = Duration::from_millis(400);
/// With a publisher there all the time, something new comes within this: the longest source
/// segment, and its start.
const STALL: Duration = Duration::from_secs(15);
/// So often a player comes again for a segment that is not made in the time that a request may
/// wait.
const COME_AGAIN: usize = 4;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a player plays.
#[derive(Clone, Copy)]
pub(crate) enum Choice {
    /// One rendition, all the time.
    Rendition(&'static str),
    /// Each time another one of the multivariant playlist, as a player on a bad network.
    AnyVariant,
}

/// Where a stream is played, and who keeps the book.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) server: SocketAddr,
    pub(crate) show: &'static Show,
    pub(crate) presence: &'a Presence,
    pub(crate) ledger: &'a Ledger,
}

/// One player of one stream.
pub(crate) struct Viewer<'a> {
    stage: Stage<'a>,
    choice: Choice,
    /// Segments before the newest with which it begins; None begins with the oldest.
    behind_newest: Option<usize>,
    random: Random,
    latest: HashMap<String, MediaPlaylist>,
    next: Option<u64>,
    run: Run,
    news: Instant,
    pub(crate) played: Played,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Played {
    pub(crate) segments: usize,
    pub(crate) seconds: f64,
    pub(crate) discontinuities: usize,
    /// Segments whose first picture is missing: dropped by a transcoder that was behind.
    pub(crate) late: usize,
    /// Segments whose counters begin anew: they were made before the one in front of them.
    pub(crate) anew: usize,
}

impl<'a> Viewer<'a> {
    pub(crate) fn new(stage: Stage<'a>, choice: Choice, random: Random) -> Self {
        Self {
            stage,
            choice,
            behind_newest: None,
            random,
            latest: HashMap::new(),
            next: None,
            run: Run::new(match choice {
                Choice::Rendition("source") => Kind::Source,
                Choice::Rendition(_) => Kind::Rendition,
                Choice::AnyVariant => Kind::Variants,
            }),
            news: Instant::now(),
            played: Played::default(),
        }
    }

    /// The same, but it begins near the newest segment, as players of live streams do.
    pub(crate) fn behind_newest(self, segments: usize) -> Self {
        Self { behind_newest: Some(segments), ..self }
    }

    /// Plays until `end`; panics with the first thing that is wrong.
    pub(crate) fn play_until(&mut self, end: Instant) {
        self.visit_until(end);
        // Each publisher but the first begins behind a discontinuity; one that was cut at once
        // never began.
        let most = self.stage.presence.most_discontinuities();
        assert!(self.played.discontinuities < most, "{:?}, {most} at most", self.played);
        assert!(self.played.segments > 0, "nothing was played");
    }

    /// The same for a visit, in which perhaps nobody publishes.
    pub(crate) fn visit_until(&mut self, end: Instant) {
        while Instant::now() < end {
            if let Some(path) = self.choose() {
                self.look(&path);
            }
            self.assert_not_stalled();
            sleep(POLL);
        }
    }

    /// The media playlist to look at; None while the stream is not there.
    fn choose(&mut self) -> Option<String> {
        let stream = self.stage.show.name;
        match self.choice {
            Choice::Rendition(name) => Some(format!("/stream/{stream}/{name}.m3u8")),
            Choice::AnyVariant => {
                let text = self.fetch(&format!("/stream/{stream}.m3u8"))?;
                let listed = playlist::multivariant(&String::from_utf8_lossy(&text)).variants;
                let variant = &listed[self.random.below(listed.len())];
                Some(format!("/stream/{}", variant.uri))
            }
        }
    }

    fn look(&mut self, path: &str) {
        let Some(text) = self.fetch(path) else { return };
        let new = playlist::media(&String::from_utf8_lossy(&text));
        assert!(!new.end_list, "{path} ended though a publisher came back in time");
        if let Some(old) = self.latest.get(path) {
            follows(old, &new);
        }
        self.take_new(path, &new);
        self.look_again(&new);
        self.latest.insert(path.to_owned(), new);
    }

    /// None where it is not there: allowed only until it has been there once.
    fn fetch(&self, path: &str) -> Option<Vec<u8>> {
        let response = http::get(self.stage.server, path);
        if response.status == 404 {
            assert!(self.next.is_none(), "{path} vanished");
            return None;
        }
        assert_eq!(response.status, 200, "{path}");
        Some(response.body)
    }

    fn take_new(&mut self, path: &str, listed: &MediaPlaylist) {
        let end = listed.media_sequence + listed.segments.len() as u64;
        let first = match self.behind_newest {
            Some(segments) => end.saturating_sub(segments as u64 + 1).max(listed.media_sequence),
            None => listed.media_sequence,
        };
        let next = *self.next.get_or_insert(first);
        if next < listed.media_sequence {
            self.stage.ledger.passed_over(path, next, listed.media_sequence);
            self.run.restart();
        }
        let grid = self.stage.show.grid_of(path);
        for (segment, sequence) in listed.segments.iter().zip(listed.media_sequence..) {
            assert_eq!(playlist::sequence(&segment.uri), sequence, "{path}");
            self.stage.ledger.listed(&grid, sequence, segment);
            if sequence >= next {
                self.take(segment, sequence);
            }
        }
    }

    fn take(&mut self, segment: &MediaSegment, sequence: u64) {
        let first = self.played.segments == 0;
        self.next = Some(sequence + 1);
        self.news = Instant::now();
        let Some(data) = self.fetch_segment(&segment.uri) else {
            self.run.restart();
            return;
        };
        self.run.go_on(segment, &data, segment.discontinuity || first);
        self.played.late = self.run.late;
        self.played.anew = self.run.anew;
        self.news = Instant::now();
        self.played.segments += 1;
        self.played.seconds += f64::from(segment.duration);
        self.played.discontinuities += usize::from(segment.discontinuity && !first);
    }

    /// A listed segment; None where it is missing, of which the book knows.
    fn fetch_segment(&self, uri: &str) -> Option<Vec<u8>> {
        let ledger = self.stage.ledger;
        let mut response = http::get(self.stage.server, uri);
        for _ in 0..COME_AGAIN {
            if response.status != 503 {
                break;
            }
            ledger.came_again();
            sleep(RETRY_AFTER);
            response = http::get(self.stage.server, uri);
        }
        if response.status != 200 {
            ledger.missing(uri, response.status);
            return None;
        }
        ledger.served(uri, &response.body);
        Some(response.body)
    }

    /// A segment that is still listed still has the bytes it had.
    fn look_again(&mut self, listed: &MediaPlaylist) {
        let index = self.random.below(listed.segments.len());
        let Some(segment) = listed.segments.get(index) else { return };
        let sequence = listed.media_sequence + index as u64;
        if self.next.is_some_and(|next| sequence < next) {
            self.fetch_segment(&segment.uri);
        }
    }

    fn assert_not_stalled(&self) {
        let waited = self.news.elapsed().min(self.stage.presence.steady());
        assert!(waited < STALL, "{}: nothing new for {waited:?}", self.stage.show.name);
    }
}

/// RFC 8216 6.2.1 and 6.2.2: what may change from one playlist to the next.
fn follows(old: &MediaPlaylist, new: &MediaPlaylist) {
    assert!(new.target_duration >= old.target_duration, "{old:?} then {new:?}");
    assert!(new.media_sequence >= old.media_sequence, "{old:?} then {new:?}");
    let gone = (new.media_sequence - old.media_sequence) as usize;
    if gone > old.segments.len() {
        return; // this variant was not looked at for long
    }
    let (removed, kept) = old.segments.split_at(gone);
    let discontinuities = removed.iter().filter(|segment| segment.discontinuity).count() as u64;
    let expected = old.discontinuity_sequence + discontinuities;
    assert_eq!(new.discontinuity_sequence, expected, "{old:?} then {new:?}");
    for (old, new) in kept.iter().zip(&new.segments) {
        assert_eq!(old, new, "a listed segment changed");
    }
}
