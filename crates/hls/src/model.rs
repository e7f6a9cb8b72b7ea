//! What a window must show: the property that the fuzz target and the property tests share.
//!
//! Playlists are read by m3u8-rs, which has never heard of us.

use std::io::Read;

use m3u8_rs::MediaPlaylist;
use media::{Duration, Timestamp};

use super::{Container, Cut, Lookup, PerContainer, Segment, Snapshot, Span, Window, WindowConfig};

const PREFIX: &str = "/stream/name/source/";

/// Bytes of a media playlist at most, without its segments and for each of them.
const MOST_OF_A_HEAD: usize = 256;
const MOST_OF_AN_ENTRY: usize = 128;

/// One call of the window.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Push {
        ticks: u32,
        bytes: u16,
        discontinuity: bool,
        start_unix_ms: u32,
    },
    /// The next span is listed, and its segment made only after the next push.
    Promise,
    SetTargetDuration(u8),
    SetDependent,
    End,
    Reopen,
}

/// Runs `ops`, and looks at the window after each.
pub(crate) fn check(listed: usize, first_sequence: u64, ops: &[Op]) {
    let uri_prefix = PerContainer { mpeg_ts: PREFIX.into(), fragmented_mp4: "source/".into() };
    let config = WindowConfig { uri_prefix, listed, segment_key: None };
    let mut run = Run {
        window: Window::new(config),
        listed: listed.max(1),
        first_sequence,
        pushed: Vec::new(),
        gone: 0,
        discontinuities: 0,
        promise_next: false,
        promised: None,
        independent: true,
        ended: false,
        ended_with: 0,
        last: None,
    };
    ops.iter().for_each(|op| run.step(op));
}

/// A segment that was pushed, and what became of it.
struct Pushed {
    segment: Segment,
    longest_playlist: Duration,
    /// Pushes, and the media in them, since it left the playlist.
    pushes_since: usize,
    media_since: Duration,
}

struct Run {
    window: Window,
    listed: usize,
    first_sequence: u64,
    pushed: Vec<Pushed>,
    /// Those of `pushed` that have left the playlist.
    gone: usize,
    discontinuities: u64,
    promise_next: bool,
    /// Place in `pushed` of the span whose segment is not made.
    promised: Option<usize>,
    independent: bool,
    ended: bool,
    /// How many had been pushed when the playlist ended last: all of these have been listed.
    ended_with: usize,
    last: Option<(Snapshot, MediaPlaylist)>,
}

impl Run {
    fn step(&mut self, op: &Op) {
        self.apply(op);
        let Some(snapshot) = self.window.snapshot() else {
            assert!(self.pushed.is_empty(), "no playlist, but segments");
            return;
        };
        let playlist = parse(&snapshot);
        self.check_playlist(&snapshot, &playlist);
        self.check_segments(&snapshot, &playlist);
        self.check_removed(&snapshot);
        self.check_bandwidth(&snapshot);
        self.check_change(&snapshot, &playlist);
        assert!(snapshot.was_read());
        self.window.note_read();
        self.last = Some((snapshot, playlist));
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Push { ticks, bytes, discontinuity, start_unix_ms } => {
                self.discontinuities += u64::from(discontinuity);
                let cut = Cut {
                    sequence: self.first_sequence + self.pushed.len() as u64,
                    discontinuity_sequence: self.discontinuities,
                    discontinuity,
                    at: Timestamp::ZERO,
                    unix_ms: i64::from(start_unix_ms) * 1000 + 7,
                };
                self.push(Segment {
                    span: Span { cut, duration: Duration::from_ticks(ticks.into()) },
                    data: vec![self.pushed.len() as u8; bytes.into()].into(),
                });
            }
            Op::Promise => self.promise_next = true,
            Op::SetTargetDuration(secs) => self.window.set_target_duration(secs.into()),
            Op::SetDependent => {
                self.independent = false;
                self.window.set_dependent();
            }
            Op::End => {
                self.ended = true;
                self.ended_with = self.pushed.len();
                self.window.end();
            }
            Op::Reopen => {
                self.ended = false;
                self.window.reopen();
            }
        }
    }

    fn push(&mut self, segment: Segment) {
        if let Some(promised) = self.promised.take() {
            assert!(self.window.push(self.pushed[promised].segment.clone()));
        }
        if std::mem::take(&mut self.promise_next) {
            self.window.list(segment.span);
            self.promised = Some(self.pushed.len());
        } else {
            self.window.push(segment.clone());
        }
        let removed_before = self.removed();
        for removed in &mut self.pushed[..removed_before] {
            removed.pushes_since += 1;
            // However short, a push counts for a tenth of a second, or memory would not be bounded.
            removed.media_since += segment.span.duration.max(Duration::from_millis(100));
        }
        let zero = Duration::ZERO;
        self.pushed.push(Pushed {
            segment,
            longest_playlist: zero,
            pushes_since: 0,
            media_since: zero,
        });
        let target = self.window.snapshot().map_or(1, |snapshot| snapshot.target_duration_secs);
        let kept = self.listed + self.held_back(self.gone, target);
        self.gone = self.gone.max(self.pushed.len().saturating_sub(kept));
        let removed = self.removed();
        let playing = self.pushed[removed..]
            .iter()
            .fold(zero, |sum, pushed| sum + pushed.segment.span.duration);
        for listed in &mut self.pushed[removed..] {
            listed.longest_playlist = listed.longest_playlist.max(playing);
        }
    }

    /// How many segments have left the playlist.
    fn removed(&self) -> usize {
        self.gone
    }

    /// Short segments at the end, of those from place `from` on: the playlist has them once
    /// something follows, or it ends. It has one at least, and is two behind at most.
    fn held_back(&self, from: usize, target_duration_secs: u64) -> usize {
        let least = (target_duration_secs as f64 / 2.0).min(1.0) - 0.0005;
        let is_short = |pushed: &&Pushed| pushed.segment.span.duration.as_secs_f64() < least;
        let listed = &self.pushed[from..];
        let new = &self.pushed[from.max(self.ended_with)..];
        new.iter().rev().take_while(is_short).count().min(2).min(listed.len() - 1)
    }

    fn check_playlist(&self, snapshot: &Snapshot, playlist: &MediaPlaylist) {
        let removed = self.removed();
        assert_eq!(playlist.version, Some(3));
        assert_eq!(playlist.media_sequence, self.first_sequence + removed as u64);
        let gone = self.pushed[..removed]
            .iter()
            .filter(|pushed| pushed.segment.span.cut.discontinuity)
            .count();
        assert_eq!(playlist.discontinuity_sequence, gone as u64);
        let text = String::from_utf8_lossy(&snapshot.playlist(Container::MpegTs).plain);
        assert!(text.contains("\n#EXT-X-DISCONTINUITY-SEQUENCE:"), "always present");
        let most = MOST_OF_A_HEAD + snapshot.listed.len() * (MOST_OF_AN_ENTRY + PREFIX.len());
        assert!(text.len() <= most, "{} bytes: {text}", text.len());
        assert_eq!((playlist.end_list, snapshot.ended), (self.ended, self.ended));
        assert_eq!(
            (playlist.independent_segments, snapshot.independent),
            (self.independent, self.independent)
        );
        assert_eq!(playlist.target_duration, snapshot.target_duration_secs);
    }

    fn check_segments(&self, snapshot: &Snapshot, playlist: &MediaPlaylist) {
        let listed = &self.pushed[self.removed()..];
        let target = playlist.target_duration;
        let held_back = if self.ended { 0 } else { self.held_back(self.removed(), target) };
        let offered = listed.len() - held_back;
        let expected = &listed[..offered];
        assert_eq!(playlist.segments.len(), expected.len());
        for ((sequence, listed), pushed) in
            (playlist.media_sequence..).zip(&playlist.segments).zip(expected)
        {
            assert_eq!(listed.uri, format!("{PREFIX}{sequence}.ts"));
            assert_eq!(listed.discontinuity, pushed.segment.span.cut.discontinuity);
            let unix_ms = listed.program_date_time.map(|date| date.timestamp_millis());
            assert_eq!(unix_ms, Some(pushed.segment.span.cut.unix_ms));
            let seconds = pushed.segment.span.duration.as_secs_f64();
            assert!(
                (f64::from(listed.duration) - seconds).abs() < 0.001,
                "{} for {seconds}",
                listed.duration
            );
            assert!(listed.duration.round() <= playlist.target_duration as f32, "RFC 8216 4.3.3.1");
            let is_promise = self
                .promised
                .is_some_and(|place| self.pushed[place].segment.span.sequence() == sequence);
            let expected = if is_promise {
                Lookup::NotMade
            } else {
                Lookup::Made(pushed.segment.data.clone())
            };
            assert_eq!(snapshot.segment(Container::MpegTs, sequence), expected);
        }
    }

    /// Removed segments stay as long as they must, and not much longer.
    fn check_removed(&self, snapshot: &Snapshot) {
        let mut oldest = None;
        for (sequence, pushed) in (self.first_sequence..).zip(&self.pushed[..self.removed()]) {
            let stay = pushed.segment.span.duration + pushed.longest_playlist;
            let must_stay = pushed.pushes_since <= self.listed + 1 || pushed.media_since < stay;
            let found = match snapshot.segment(Container::MpegTs, sequence) {
                Lookup::Made(data) => Some(data),
                Lookup::NotMade | Lookup::NotWritten => Some(pushed.segment.data.clone()),
                Lookup::Gone => None,
            };
            assert!(
                found.is_some() || !must_stay,
                "{sequence} gone after {} pushes",
                pushed.pushes_since
            );
            assert!(found.as_ref().is_none_or(|data| *data == pushed.segment.data));
            if found.is_some() && oldest.is_none() {
                oldest = Some((pushed, stay));
            }
        }
        if let (Some((oldest, stay)), Some(newest)) = (oldest, self.pushed.last()) {
            let may_stay = oldest.media_since
                <= stay + newest.segment.span.duration.max(Duration::from_millis(100));
            assert!(
                oldest.pushes_since <= self.listed + 2 || may_stay,
                "kept for {} pushes",
                oldest.pushes_since
            );
        }
        let behind = self.first_sequence + self.pushed.len() as u64;
        assert_eq!(snapshot.segment(Container::MpegTs, behind), Lookup::Gone);
        assert_eq!(
            snapshot.segment(Container::MpegTs, self.first_sequence.wrapping_sub(1)),
            Lookup::Gone
        );
    }

    /// RFC 8216 4.3.4.2, the slow way: every run that ends with the newest segment.
    fn check_bandwidth(&self, snapshot: &Snapshot) {
        let rates = snapshot.rates.unwrap_or_default();
        assert!(rates.peak_bps >= rates.average_bps);
        let target = snapshot.target_duration_secs as f64;
        if self.promised.is_some() {
            return;
        }
        for start in 0..self.pushed.len() {
            let run = self.pushed[start..].iter().map(|pushed| &pushed.segment);
            let (bits, seconds) = run.fold((0.0, 0.0), |(bits, seconds), segment| {
                (
                    bits + 8.0 * segment.data.len() as f64,
                    seconds + segment.span.duration.as_secs_f64(),
                )
            });
            // A push measures by the target duration of its time; at the limits, floats may differ
            // from ticks.
            let in_range = seconds > 0.501 * target && seconds < 1.499 * target;
            let same_target = self
                .last
                .as_ref()
                .is_some_and(|(last, _)| last.target_duration_secs as f64 == target);
            assert!(!in_range || !same_target || rates.peak_bps as f64 >= bits / seconds - 1.0);
        }
    }

    fn check_change(&self, snapshot: &Snapshot, playlist: &MediaPlaylist) {
        let body = snapshot.playlist(Container::MpegTs);
        let mut unzipped = Vec::new();
        flate2::read::GzDecoder::new(&body.gzip()[..]).read_to_end(&mut unzipped).expect("gzip");
        assert_eq!(unzipped, body.plain);
        assert_ne!(body.etag, body.etag_gzip);
        let Some((before, playlist_before)) = &self.last else { return };
        assert_eq!(
            before.playlist(Container::MpegTs).etag == body.etag,
            before.playlist(Container::MpegTs).plain == body.plain
        );
        let peak_bps = |snapshot: &Snapshot| snapshot.rates.unwrap_or_default().peak_bps;
        assert!(peak_bps(before) <= peak_bps(snapshot), "BANDWIDTH falls");
        assert!(before.target_duration_secs <= snapshot.target_duration_secs);
        assert!(playlist_before.media_sequence <= playlist.media_sequence);
    }
}

fn parse(snapshot: &Snapshot) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(&snapshot.playlist(Container::MpegTs).plain) {
        Ok(m3u8_rs::Playlist::MediaPlaylist(playlist)) => playlist,
        other => panic!("no media playlist: {other:?}"),
    }
}
