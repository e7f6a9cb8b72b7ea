//! A player that plays nothing and misses nothing: every playlist is held against the one before, every segment
//! against its predecessor.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use m3u8_rs::{MediaPlaylist, MediaSegment};

use crate::continuity::{Kind, Run};
use crate::publisher::Presence;
use crate::random::Random;
use crate::support::{http, playlist};

/// How often it looks.
const POLL: Duration = Duration::from_millis(400);
/// With a publisher there all the time, something new comes within this: the longest source segment, and its start.
const STALL: Duration = Duration::from_secs(15);
/// Segments whose bytes are remembered: some more than a playlist lists.
const REMEMBERED: usize = 24;

/// What a player plays.
#[derive(Clone, Copy)]
pub(crate) enum Choice {
    /// One rendition, all the time.
    Rendition(&'static str),
    /// Each time another one of the multivariant playlist, as a player on a bad network.
    AnyVariant,
}

/// One player of one stream.
pub(crate) struct Viewer<'a> {
    server: SocketAddr,
    stream: &'static str,
    choice: Choice,
    presence: &'a Presence,
    random: Random,
    latest: HashMap<String, MediaPlaylist>,
    hashes: BTreeMap<(String, u64), u64>,
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
}

impl<'a> Viewer<'a> {
    pub(crate) fn new(
        server: SocketAddr,
        stream: &'static str,
        choice: Choice,
        presence: &'a Presence,
        random: Random,
    ) -> Self {
        Self {
            server,
            stream,
            choice,
            presence,
            random,
            latest: HashMap::new(),
            hashes: BTreeMap::new(),
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

    /// Plays until `end`; panics with the first thing that is wrong.
    pub(crate) fn play_until(&mut self, end: Instant) {
        while Instant::now() < end {
            if let Some(path) = self.choose() {
                self.look(&path);
            }
            self.assert_not_stalled();
            sleep(POLL);
        }
        // Each publisher but the first begins behind a discontinuity; one that was cut at once never began.
        let comings = self.presence.comings();
        assert!(self.played.discontinuities < comings, "{:?} of {comings} comings", self.played);
        assert!(self.played.segments > 0, "nothing was played");
    }

    /// The media playlist to look at; None while the stream is not there.
    fn choose(&mut self) -> Option<String> {
        let stream = self.stream;
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
        self.look_again(path, &new);
        self.latest.insert(path.to_owned(), new);
    }

    /// None where it is not there: allowed only until it has been there once.
    fn fetch(&self, path: &str) -> Option<Vec<u8>> {
        let response = http::get(self.server, path);
        if response.status == 404 {
            assert!(self.next.is_none(), "{path} vanished");
            return None;
        }
        assert_eq!(response.status, 200, "{path}");
        Some(response.body)
    }

    fn take_new(&mut self, path: &str, listed: &MediaPlaylist) {
        for (segment, sequence) in listed.segments.iter().zip(listed.media_sequence..) {
            assert_eq!(playlist::sequence(&segment.uri), sequence, "{path}");
            let next = *self.next.get_or_insert(sequence);
            if sequence < next {
                continue;
            }
            assert_eq!(
                sequence, next,
                "{path}: segments were removed before anybody could play them"
            );
            self.take(path, segment, sequence);
        }
    }

    fn take(&mut self, path: &str, segment: &MediaSegment, sequence: u64) {
        let response = http::get(self.server, &segment.uri);
        assert_eq!(response.status, 200, "{} is listed", segment.uri);
        self.remember(path, sequence, hash(&response.body));
        let first = self.played.segments == 0;
        self.run.go_on(segment, &response.body, segment.discontinuity || first);
        self.played.late = self.run.late;
        self.next = Some(sequence + 1);
        self.news = Instant::now();
        self.played.segments += 1;
        self.played.seconds += f64::from(segment.duration);
        self.played.discontinuities += usize::from(segment.discontinuity && !first);
    }

    fn remember(&mut self, path: &str, sequence: u64, hash: u64) {
        self.hashes.insert((path.to_owned(), sequence), hash);
        while self.hashes.len() > REMEMBERED {
            self.hashes.pop_first();
        }
    }

    /// A segment that is still listed still has the bytes it had.
    fn look_again(&mut self, path: &str, listed: &MediaPlaylist) {
        let at = self.random.below(listed.segments.len());
        let Some(segment) = listed.segments.get(at) else { return };
        let key = (path.to_owned(), listed.media_sequence + at as u64);
        if let Some(known) = self.hashes.get(&key) {
            let response = http::get(self.server, &segment.uri);
            assert_eq!((response.status, hash(&response.body)), (200, *known), "{}", segment.uri);
        }
    }

    fn assert_not_stalled(&self) {
        let waited = self.news.elapsed().min(self.presence.steady());
        assert!(waited < STALL, "{}: nothing new for {waited:?}", self.stream);
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

fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish()
}
