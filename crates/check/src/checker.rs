//! Follows a stream like a player would; somebody else fetches, waits and decodes.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use media::Timestamp;

use crate::fault::excerpt;
use crate::fmp4::{read_fragments, read_init};
use crate::ledger::Ledger;
use crate::packed_audio::{self, is_packed_audio};
use crate::playlist::{AlternativeKind, ByteRange, MediaPlaylist, MultivariantPlaylist, Playlist};
use crate::rendition::Rendition;
use crate::report::{Measurement, NoStream, Outcome, Report, Verdict};
use crate::rule::Rule;
use crate::rules::http::Caching;
use crate::rules::{alignment, bandwidth, http, playlist as playlist_rules, segment};
use crate::segment_facts::Container;
use crate::ts_reader::read_segment;
use crate::video::AccessUnit;
use crate::{Error, Limits, read_playlist, url};

/// A decoded picture whose luma deviates less from its mean than this shows nothing.
const FLAT_LUMA_SPREAD: f64 = 1.0;
/// The multivariant playlist is read again this often: renditions may appear, declared rates may
/// grow.
const MULTIVARIANT_RELOAD: Duration = Duration::from_secs(4);
/// A stream that is not there yet is asked for again this often.
const NOT_THERE_YET_RELOAD: Duration = Duration::from_millis(500);

/// How to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to follow the stream.
    pub duration: Duration,
    /// How many of the segments that are listed at the start are fetched, from the live end; 3 is
    /// where players start (RFC 8216 6.3.3). Of a stream that has ended, all are.
    pub first_segments: usize,
    /// How long a stream that is just starting is waited for: one whose playlist answers with
    /// status 404 or 503.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(10),
            first_segments: 3,
            // An encoder with a keyframe each 10 s, and its first segment.
            wait: Duration::from_secs(15),
        }
    }
}

/// What to fetch: a GET that follows no redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Playlists want `Accept-Encoding: gzip`, segments no such header. The body is taken as it
    /// came.
    pub kind: RequestKind,
    /// The part that is wanted, for a `Range` header; a server that has such parts answers with
    /// status 206.
    pub range: Option<ByteRange>,
    /// Bytes of body that are of use: a longer one need not be read on.
    pub max_bytes: usize,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A playlist of either kind.
    Playlist,
    /// A media segment, or what has to be read before it.
    Segment,
}

/// What came back, whatever its status.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// 200, 404, ...
    pub status: u16,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    /// Without transfer coding, but with content coding still on.
    pub body: Bytes,
    /// When the request was sent, on the caller's clock.
    pub sent_at: Duration,
    /// When the last byte had come.
    pub received_at: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Fetch, then call [`Checker::response`] or [`Checker::failed`].
    Fetch(Request),
    /// Decode, then call [`Checker::decoded`].
    Decode(DecodeJob),
    /// Nothing is to be done before this time; then ask again.
    WaitUntil(Duration),
    /// The same, because the stream is not there yet.
    WaitForStream {
        /// When to ask again.
        until: Duration,
        /// When it is waited for no longer.
        gives_up_at: Duration,
        /// What the server answered.
        why: String,
    },
    /// The time is over, or there is nothing left to look at: call [`Checker::finish`].
    Done,
}

/// A segment's video.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeJob {
    /// What it is called in the report.
    pub subject: String,
    /// In decoding order; the first has parameter sets and an IDR picture in a good stream.
    pub access_units: Vec<AccessUnit>,
}

/// What a decoder made of a [`DecodeJob`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Pictures that came out.
    pub pictures: usize,
    /// Mean luma of them all, 0 to 255.
    pub luma_mean: f64,
    /// Standard deviation of the luma, of the picture where it is largest.
    pub luma_spread: f64,
    /// What the decoder complained about, if it did.
    pub error: Option<String>,
    /// What the stream uses that this decoder cannot do: others may, so nothing is judged then.
    pub undecodable: Option<String>,
}

/// Follows one stream and judges it. No sockets, no clock: **ask [`next`](Self::next) what to do,
/// do it, tell the checker what came of it, and ask again; when it says [`Step::Done`], take the
/// report.**
///
/// Times are those of the caller's clock, from any origin, and never go back.
#[derive(Debug)]
pub struct Checker {
    url: String,
    options: Options,
    /// When the stream was asked for first.
    asked_at: Option<Duration>,
    /// When it was there.
    started_at: Option<Duration>,
    ledger: Ledger,
    multivariant: Option<Multivariant>,
    renditions: Vec<Rendition>,
    /// What is being fetched; one thing at a time.
    pending: Option<Fetch>,
    jobs: VecDeque<DecodeJob>,
    decoding: Option<DecodeJob>,
    playlist_caching: Vec<(String, Caching)>,
    /// Why the stream is not there yet, and when to ask again.
    not_there_yet: Option<(String, Duration)>,
    /// There is no use in going on.
    no_stream: Option<NoStream>,
    is_loaded_again: bool,
    /// A time of the stream: 33-bit times near it are meant.
    clock: Option<Timestamp>,
    segments: usize,
    bytes: u64,
    /// Bytes of the segments that were read, and of the samples in them.
    read_bytes: u64,
    payload_bytes: u64,
}

#[derive(Debug)]
struct Multivariant {
    url: String,
    next_reload: Duration,
}

#[derive(Clone, Debug)]
struct Fetch {
    what: What,
    url: String,
    subject: String,
    range: Option<ByteRange>,
    redirects: usize,
    /// It has been handed out.
    is_sent: bool,
}

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All that was to be looked at was.
    Complete,
    /// Somebody has seen enough.
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The URL that was given: may be either kind of playlist.
    Root,
    Multivariant,
    Media {
        rendition: usize,
    },
    /// What has to be read before a segment.
    Map {
        rendition: usize,
    },
    Segment {
        rendition: usize,
        sequence: u64,
    },
}

impl What {
    fn kind(self) -> RequestKind {
        match self {
            Self::Segment { .. } | Self::Map { .. } => RequestKind::Segment,
            Self::Root | Self::Multivariant | Self::Media { .. } => RequestKind::Playlist,
        }
    }
}

impl Checker {
    /// Checks the stream whose multivariant or media playlist is at `url`.
    ///
    /// # Errors
    /// [`Error::Url`] where that is no `http` or `https` URL.
    pub fn new(url: &str, options: Options) -> Result<Self, Error> {
        let url_error = || Error::Url { url: excerpt(url) };
        if !url::is_absolute(url) {
            return Err(url_error());
        }
        let url = url::resolve(url, url).ok_or_else(url_error)?;
        Ok(Self {
            options,
            asked_at: None,
            started_at: None,
            ledger: Ledger::default(),
            multivariant: None,
            renditions: Vec::new(),
            pending: Some(Fetch::new(What::Root, url.clone(), label(&url))),
            url,
            jobs: VecDeque::new(),
            decoding: None,
            playlist_caching: Vec::new(),
            not_there_yet: None,
            no_stream: None,
            is_loaded_again: false,
            clock: None,
            segments: 0,
            bytes: 0,
            read_bytes: 0,
            payload_bytes: 0,
        })
    }

    /// What to do at the time `now`. Asked again without an answer in between, it says the same.
    #[must_use]
    pub fn next(&mut self, now: Duration) -> Step {
        self.asked_at.get_or_insert(now);
        let end = self.started_at.unwrap_or(now).saturating_add(self.options.duration);
        if self.decoding.is_none() {
            self.decoding = self.jobs.pop_front();
        }
        if let Some(job) = &self.decoding {
            return Step::Decode(job.clone());
        }
        if self.no_stream.is_some() {
            return Step::Done;
        }
        if let Some((why, until)) = self.not_there_yet.as_ref().filter(|(_, until)| *until > now) {
            let (until, why) = (*until, why.clone());
            return Step::WaitForStream { until, gives_up_at: self.gives_up_at(), why };
        }
        if self.pending.is_none() {
            self.pending = self.choose(now, end);
        }
        match &mut self.pending {
            Some(fetch) => {
                fetch.is_sent = true;
                Step::Fetch(fetch.request())
            }
            None => self.wait(now, end),
        }
    }

    /// The answer to the request that [`next`](Self::next) gave; without one, it is ignored.
    pub fn response(&mut self, response: &Response) {
        let Some(fetch) = self.pending.take_if(|fetch| fetch.is_sent) else { return };
        self.bytes = self.bytes.saturating_add(response.body.len() as u64);
        if matches!(response.status, 404 | 503) && self.may_come(&fetch, response) {
            return;
        }
        match (response.status, fetch.range) {
            (301 | 302 | 303 | 307 | 308, _) => self.follow_redirect(fetch, response),
            (200, None) | (206, Some(_)) => {
                self.started_at.get_or_insert(response.sent_at);
                self.ledger.judge(Rule::Reachable, &fetch.subject, true, String::new);
                self.judge_redirects(&fetch);
                let (subject, kind) = (self.subject_of_headers(&fetch), fetch.what.kind());
                let container = self.container(&fetch, response);
                http::judge(&mut self.ledger, &subject, kind, container, response);
                self.take_body(&fetch, response);
            }
            (200, Some(_)) => {
                let why = "the whole file, where a byte range was asked for";
                self.give_up(&fetch, why, response.received_at);
            }
            // It is served for a while behind its end only.
            (404, _) if fetch.what == What::Multivariant && self.has_ended() => {
                self.reload_multivariant_after(response.received_at);
            }
            (status, _) => self.give_up(&fetch, &format!("status {status}"), response.received_at),
        }
    }

    fn gives_up_at(&self) -> Duration {
        self.asked_at.unwrap_or_default().saturating_add(self.options.wait)
    }

    /// Whether the stream may just be starting, so that a playlist that is not there is no fault
    /// yet, and is asked for again.
    fn may_come(&mut self, fetch: &Fetch, response: &Response) -> bool {
        let at = response.received_at;
        let again_at = at.saturating_add(NOT_THERE_YET_RELOAD);
        if again_at > self.gives_up_at() {
            return false;
        }
        let why = format!("status {}", response.status);
        match fetch.what {
            What::Root => {
                self.not_there_yet = Some((why, again_at));
                self.pending = Some(Fetch::new(What::Root, self.url.clone(), label(&self.url)));
                true
            }
            What::Media { rendition } => {
                let rendition = self.renditions.get_mut(rendition);
                let Some(rendition) = rendition.filter(|it| it.playlist.is_none()) else {
                    return false;
                };
                rendition.next_reload = again_at;
                rendition.not_there_yet = Some(why);
                true
            }
            What::Multivariant | What::Map { .. } | What::Segment { .. } => false,
        }
    }

    /// Whether there is a live stream that is over.
    fn has_ended(&self) -> bool {
        self.renditions.iter().any(Rendition::is_live_and_over)
            && self.renditions.iter().all(Rendition::has_ended)
    }

    /// The request that [`next`](Self::next) gave had no answer: `why` says what happened instead.
    pub fn failed(&mut self, why: &str, at: Duration) {
        if let Some(fetch) = self.pending.take_if(|fetch| fetch.is_sent) {
            self.give_up(&fetch, why, at);
        }
    }

    /// What came of the job that [`next`](Self::next) gave; without one, it is ignored.
    pub fn decoded(&mut self, decoded: &Decoded) {
        let Some(job) = self.decoding.take() else { return };
        let (rule, subject) = (Rule::PictureDecodes, &job.subject);
        if let Some(why) = &decoded.undecodable {
            return self.ledger.skip(rule, excerpt(why));
        }
        let complaint = decoded.error.as_deref().map(excerpt);
        self.ledger.judge(rule, subject, decoded.pictures > 0, || match &complaint {
            Some(error) => format!("no picture comes out: {error}"),
            None => "no picture comes out".to_owned(),
        });
        if decoded.pictures == 0 {
            return;
        }
        let spread = Measurement::at_least(decoded.luma_spread, FLAT_LUMA_SPREAD, "of luma spread");
        let what = format!("a flat picture of luma {:.0}", decoded.luma_mean);
        self.ledger.measure(rule, Outcome::Fail, subject, &what, spread);
        let pictures = job.access_units.len();
        if let Some(error) = complaint {
            self.ledger.warn(rule, subject, format!("the decoder complains: {error}"));
        } else if decoded.pictures < pictures {
            let what = format!("{} of {pictures} pictures come out", decoded.pictures);
            self.ledger.warn(rule, subject, what);
        }
    }

    /// Ends the check after [`Step::Done`], and judges what needs all of it.
    #[must_use]
    pub fn finish(self, now: Duration) -> Report {
        self.end(now, Ending::Complete)
    }

    /// Ends the check before it is done: judges what there is so far.
    #[must_use]
    pub fn stop(self, now: Duration) -> Report {
        self.end(now, Ending::Stopped)
    }

    fn end(mut self, now: Duration, ending: Ending) -> Report {
        for rendition in &mut self.renditions {
            rendition.finish(&mut self.ledger);
        }
        self.judge_what_was_read(ending);
        self.judge_the_end();
        self.judge_caching();
        self.judge_variants();
        alignment::judge(&mut self.ledger, &self.renditions);
        self.say_what_was_not_there();
        let started_at = self.started_at.or(self.asked_at).unwrap_or(now);
        let verdict = self.verdict(ending);
        Report {
            url: self.url,
            good: matches!(verdict, Verdict::Good | Verdict::GoodEnded),
            verdict,
            no_stream: self.no_stream,
            stopped: ending == Ending::Stopped,
            seconds: now.saturating_sub(started_at).as_secs_f64(),
            renditions: self.renditions.into_iter().map(|rendition| rendition.label).collect(),
            segments: self.segments,
            bytes: self.bytes,
            packaging_percent: (self.payload_bytes > 0).then(|| {
                let overhead = self.read_bytes.saturating_sub(self.payload_bytes);
                (overhead as f64 / self.payload_bytes as f64 * 1000.0).round() / 10.0
            }),
            rules: self.ledger.into_reports(),
        }
    }

    fn verdict(&self, ending: Ending) -> Verdict {
        let has_failed = Rule::ALL.iter().any(|rule| self.ledger.has_failed(*rule));
        let is_read = self.ledger.has_judged(Rule::SegmentsJudged);
        match ending {
            _ if self.no_stream.is_some() => Verdict::NoStream,
            _ if has_failed => Verdict::NotGood,
            Ending::Stopped if !is_read => Verdict::Stopped,
            _ if self.has_ended() => Verdict::GoodEnded,
            _ => Verdict::Good,
        }
    }

    fn choose(&mut self, now: Duration, end: Duration) -> Option<Fetch> {
        if now >= end {
            return self.choose_last();
        }
        if let Some(multivariant) = self.multivariant.as_ref().filter(|m| m.next_reload <= now) {
            let (url, subject) = (multivariant.url.clone(), label(&self.url));
            return Some(Fetch::new(What::Multivariant, url, subject));
        }
        let due = |rendition: &Rendition| !rendition.has_ended() && rendition.next_reload <= now;
        if let Some(index) = self.renditions.iter().position(due) {
            let rendition = self.renditions.get(index)?;
            let what = What::Media { rendition: index };
            return Some(Fetch::new(what, rendition.url.clone(), rendition.label.clone()));
        }
        self.choose_segment()
    }

    /// At the end, the multivariant playlist once more: that is what the rates are judged by.
    fn choose_last(&mut self) -> Option<Fetch> {
        let multivariant = self.multivariant.as_ref()?;
        if std::mem::replace(&mut self.is_loaded_again, true) {
            return None;
        }
        Some(Fetch::new(What::Multivariant, multivariant.url.clone(), label(&self.url)))
    }

    /// The rendition that is furthest behind first.
    fn choose_segment(&mut self) -> Option<Fetch> {
        loop {
            let longest = self.renditions.iter().enumerate().max_by_key(|(_, r)| r.queue.len());
            let (index, _) = longest?;
            let rendition = self.renditions.get_mut(index)?;
            let sequence = rendition.queue.pop_front()?;
            let first = rendition.playlist.as_ref().map_or(0, |p| p.media_sequence);
            let Some(followed) = rendition.segments.get(&sequence) else { continue };
            if sequence < first {
                let what = "was removed from the playlist before it could be fetched";
                self.ledger.warn(Rule::SegmentDownloadTime, &followed.subject, what);
                continue;
            }
            if let Some(map) = followed.map.clone()
                && rendition.init.as_ref().is_none_or(|(known, _)| *known != map)
            {
                rendition.queue.push_front(sequence);
                let subject = format!("{} EXT-X-MAP", rendition.label);
                let url = url::resolve(&rendition.url, &map.uri);
                let range = map.byte_range;
                rendition.init = Some((map, None));
                if let Some(url) = url {
                    let what = What::Map { rendition: index };
                    return Some(Fetch { range, ..Fetch::new(what, url, subject) });
                }
                let what = || "its URI cannot be fetched".to_owned();
                self.ledger.judge(Rule::Reachable, &subject, false, what);
                continue;
            }
            let what = What::Segment { rendition: index, sequence };
            if let Some(url) = &followed.url {
                let range = followed.byte_range;
                let fetch = Fetch::new(what, url.clone(), followed.subject.clone());
                return Some(Fetch { range, ..fetch });
            }
            let what = || "its URI cannot be fetched".to_owned();
            self.ledger.judge(Rule::Reachable, &followed.subject, false, what);
        }
    }

    fn wait(&self, now: Duration, end: Duration) -> Step {
        let alive = self.renditions.iter().filter(|rendition| !rendition.has_ended());
        // The multivariant playlist alone tells nothing new once all has ended.
        let Some(reload) = alive.map(|rendition| rendition.next_reload).min() else {
            return Step::Done;
        };
        if now >= end {
            return Step::Done;
        }
        let multivariant = self.multivariant.as_ref().map(|m| m.next_reload);
        Step::WaitUntil(multivariant.unwrap_or(reload).min(reload).min(end))
    }

    fn follow_redirect(&mut self, fetch: Fetch, response: &Response) {
        let location = response.header("location").unwrap_or_default();
        let Some(url) = url::resolve(&fetch.url, location) else {
            let why = format!("a redirect to \"{}\"", excerpt(location));
            return self.give_up(&fetch, &why, response.received_at);
        };
        let redirects = fetch.redirects.saturating_add(1);
        if redirects > Limits::DEFAULT.max_redirects {
            let why = format!("more than {} redirects", Limits::DEFAULT.max_redirects);
            return self.give_up(&fetch, &why, response.received_at);
        }
        self.pending = Some(Fetch { url, redirects, is_sent: false, ..fetch });
    }

    fn judge_redirects(&mut self, fetch: &Fetch) {
        let is_redirected = fetch.redirects > 0;
        if is_redirected && fetch.what.kind() == RequestKind::Playlist {
            return self.ledger.warn(Rule::NoRedirects, &fetch.subject, "is redirected");
        }
        let what = || format!("is redirected to {}", excerpt(&fetch.url));
        self.ledger.judge(Rule::NoRedirects, &fetch.subject, !is_redirected, what);
    }

    /// Headers are the same for all segments of a rendition: that is one finding, not hundreds.
    fn subject_of_headers(&self, fetch: &Fetch) -> String {
        match fetch.what {
            What::Segment { rendition, .. } | What::Map { rendition } => {
                let label = self.renditions.get(rendition).map_or("", |r| r.label.as_str());
                format!("{label} segments")
            }
            What::Root | What::Multivariant | What::Media { .. } => fetch.subject.clone(),
        }
    }

    fn give_up(&mut self, fetch: &Fetch, why: &str, at: Duration) {
        self.ledger.judge(Rule::Reachable, &fetch.subject, false, || excerpt(why));
        match fetch.what {
            What::Root => {
                let waited = at.saturating_sub(self.asked_at.unwrap_or(at));
                self.no_stream = Some(NoStream::new(why, waited));
            }
            What::Multivariant => self.reload_multivariant_after(at),
            What::Media { rendition } => {
                if let Some(rendition) = self.renditions.get_mut(rendition) {
                    rendition.next_reload = at.saturating_add(Duration::from_secs(1));
                }
            }
            What::Segment { .. } | What::Map { .. } => {}
        }
    }

    fn reload_multivariant_after(&mut self, at: Duration) {
        if let Some(multivariant) = &mut self.multivariant {
            multivariant.next_reload = at.saturating_add(MULTIVARIANT_RELOAD);
        }
    }

    fn take_body(&mut self, fetch: &Fetch, response: &Response) {
        match fetch.what {
            What::Segment { rendition, sequence } => {
                return self.take_segment(rendition, sequence, fetch, response);
            }
            What::Map { rendition } => return self.take_map(rendition, fetch, response),
            What::Root | What::Multivariant | What::Media { .. } => {}
        }
        self.note_caching(&fetch.subject, http::caching(response));
        let body = match response.playlist_body() {
            Ok(body) => body,
            Err(why) => return self.give_up(fetch, &why, response.received_at),
        };
        let reading = read_playlist(&body);
        playlist_rules::judge_syntax(&mut self.ledger, &fetch.subject, &reading.faults);
        match (reading.playlist, fetch.what) {
            (Playlist::Multivariant(playlist), What::Root | What::Multivariant) => {
                self.take_multivariant(&playlist, &fetch.url, response.received_at);
            }
            (Playlist::Media(playlist), What::Root) => {
                let rendition = Rendition::new(fetch.subject.clone(), fetch.url.clone(), None);
                self.renditions.push(rendition);
                self.take_media(0, playlist, response);
            }
            (Playlist::Media(playlist), What::Media { rendition }) => {
                self.take_media(rendition, playlist, response);
            }
            _ => self.give_up(fetch, "a playlist of the wrong kind", response.received_at),
        }
    }

    fn note_caching(&mut self, subject: &str, caching: Caching) {
        match self.playlist_caching.iter_mut().find(|(known, _)| known == subject) {
            Some((_, known)) => *known = caching,
            None => self.playlist_caching.push((subject.to_owned(), caching)),
        }
    }

    fn take_multivariant(&mut self, playlist: &MultivariantPlaylist, url: &str, at: Duration) {
        playlist_rules::judge_multivariant(&mut self.ledger, &label(&self.url), playlist);
        for variant in &playlist.variants {
            let Some(url) = self.resolve(url, &variant.uri, variant.line) else { continue };
            match self.renditions.iter_mut().find(|rendition| rendition.url == url) {
                Some(known) => known.declare(&mut self.ledger, variant),
                None => {
                    let new = Rendition::new(label(&url), url, Some(variant.clone()));
                    self.add(new, variant.line);
                }
            }
        }
        for alternative in &playlist.alternatives {
            let Some(uri) = &alternative.uri else { continue };
            let Some(url) = self.resolve(url, uri, alternative.line) else { continue };
            if self.renditions.iter().all(|rendition| rendition.url != url) {
                let mut new = Rendition::new(label(&url), url, None);
                new.alternative = alternative.kind;
                self.add(new, alternative.line);
            }
        }
        self.multivariant = Some(Multivariant { url: url.to_owned(), next_reload: at });
        self.reload_multivariant_after(at);
    }

    fn resolve(&mut self, base: &str, uri: &str, line: usize) -> Option<String> {
        let url = url::resolve(base, uri);
        if url.is_none() {
            let what = || format!("line {line}: its URI cannot be fetched");
            self.ledger.judge(Rule::Reachable, &label(&self.url), false, what);
        }
        url
    }

    fn add(&mut self, rendition: Rendition, line: usize) {
        let limit = Limits::DEFAULT.max_renditions;
        if self.renditions.len() < limit {
            return self.renditions.push(rendition);
        }
        let what = format!("line {line}: more than {limit} renditions, this one is not followed");
        self.ledger.warn(Rule::SegmentsJudged, &rendition.label, what);
    }

    /// What a segment is made of: a playlist with an `EXT-X-MAP` says it, else the segment does.
    fn container(&self, fetch: &Fetch, response: &Response) -> Container {
        match fetch.what {
            What::Map { .. } => Container::FragmentedMp4,
            What::Segment { rendition, sequence } => {
                let rendition = self.renditions.get(rendition);
                let followed = rendition.and_then(|rendition| rendition.segments.get(&sequence));
                match followed.is_some_and(|followed| followed.map.is_some()) {
                    true => Container::FragmentedMp4,
                    false if is_packed_audio(&response.body) => Container::PackedAudio,
                    false => Container::TransportStream,
                }
            }
            What::Root | What::Multivariant | What::Media { .. } => Container::default(),
        }
    }

    fn take_map(&mut self, index: usize, fetch: &Fetch, response: &Response) {
        let init = read_init(&response.body);
        segment::judge_map(&mut self.ledger, &fetch.subject, &init.faults);
        if let Some((_, known)) =
            self.renditions.get_mut(index).and_then(|rendition| rendition.init.as_mut())
        {
            *known = Some(init);
        }
    }

    fn take_media(&mut self, index: usize, playlist: MediaPlaylist, response: &Response) {
        let Some(rendition) = self.renditions.get_mut(index) else { return };
        let (ledger, label) = (&mut self.ledger, &rendition.label);
        playlist_rules::judge_media(ledger, label, &playlist);
        let times = (response.sent_at, response.received_at);
        rendition.take_playlist(ledger, playlist, self.options.first_segments, times);
    }

    fn take_segment(&mut self, index: usize, sequence: u64, fetch: &Fetch, response: &Response) {
        let Some(rendition) = self.renditions.get_mut(index) else { return };
        let (ledger, subject) = (&mut self.ledger, &fetch.subject);
        self.segments = self.segments.saturating_add(1);
        let followed = rendition.segments.get(&sequence);
        if let Some(followed) = followed {
            let secs = response.received_at.saturating_sub(response.sent_at).as_secs_f64();
            let measurement = Measurement::at_most(secs, followed.duration_secs, "s");
            let what = "takes longer to download than to play";
            ledger.measure(Rule::SegmentDownloadTime, Outcome::Warn, subject, what, measurement);
        }
        let has_map = followed.is_some_and(|followed| followed.map.is_some());
        let mut facts = match &rendition.init {
            Some((_, init)) if has_map => {
                // What is wrong with the initialization section was told.
                let Some(init) = init else {
                    rendition.not_read = Some("its EXT-X-MAP cannot be had".to_owned());
                    return;
                };
                let origin = fetch.range.map_or(0, |range| range.start);
                read_fragments(&response.body, init, origin)
            }
            _ if is_packed_audio(&response.body) => packed_audio::read(&response.body, self.clock),
            _ => read_segment(&response.body, self.clock),
        };
        segment::judge(ledger, subject, &facts);
        let payload = facts.video.as_ref().map_or(0, |video| video.payload_bytes);
        let payload = payload.saturating_add(facts.audio.as_ref().map_or(0, |it| it.payload_bytes));
        if payload > 0 {
            self.read_bytes = self.read_bytes.saturating_add(facts.bytes as u64);
            self.payload_bytes = self.payload_bytes.saturating_add(payload as u64);
        }
        self.clock = crate::rules::sequence::start(&facts).or(self.clock);
        let access_units = std::mem::take(&mut facts.access_units);
        if facts.video.is_some() && !std::mem::replace(&mut rendition.is_decoded, true) {
            self.jobs.push_back(DecodeJob { subject: subject.clone(), access_units });
        }
        rendition.take_facts(ledger, sequence, facts);
    }

    fn judge_caching(&mut self) {
        let targets = self.renditions.iter().filter_map(Rendition::target_duration_secs);
        let Some(target) = targets.min() else { return };
        if self.renditions.iter().all(Rendition::has_ended) {
            return self.ledger.skip(Rule::CacheControl, "the stream has ended");
        }
        for (subject, caching) in &self.playlist_caching {
            http::judge_caching(&mut self.ledger, subject, *caching, target);
        }
    }

    /// Renditions of a stream end together: players that are at the end of one stop.
    fn judge_the_end(&mut self) {
        let rule = Rule::StreamLive;
        if self.has_ended() {
            return self.ledger.skip(rule, "the stream has ended: EXT-X-ENDLIST");
        }
        let over = self.renditions.iter().filter(|rendition| rendition.is_live_and_over());
        let first_end = over.map(|rendition| rendition.loaded_at).min();
        for rendition in self.renditions.iter().filter(|rendition| rendition.playlist.is_some()) {
            let target = Duration::from_secs(rendition.target_duration_secs().unwrap_or_default());
            let late = first_end.is_some_and(|end| {
                !rendition.has_ended() && rendition.loaded_at > end.saturating_add(target)
            });
            self.ledger.judge(rule, &rendition.label, !late, || {
                "goes on where another rendition has ended: EXT-X-ENDLIST".to_owned()
            });
        }
    }

    /// Nothing is good because nobody looked: of each rendition something must have been read, and
    /// a picture decoded where there are any. Who stops the check may have been faster than that.
    fn judge_what_was_read(&mut self, ending: Ending) {
        let rule = Rule::SegmentsJudged;
        let is_stopped = ending == Ending::Stopped;
        let missing = self.renditions.iter().filter(|rendition| rendition.playlist.is_none());
        for rendition in missing.filter(|_| !is_stopped) {
            if let Some(why) = &rendition.not_there_yet {
                self.ledger.judge(Rule::Reachable, &rendition.label, false, || why.clone());
            }
        }
        for rendition in self.renditions.iter().filter(|rendition| rendition.playlist.is_some()) {
            let label = &rendition.label;
            if is_stopped && !rendition.has_read() && rendition.not_read.is_none() {
                self.ledger.skip(rule, "the check was stopped before a segment was read");
                continue;
            }
            let why = || match (&rendition.not_read, rendition.segments.is_empty()) {
                (Some(why), _) => format!("no segment was read: {why}"),
                (None, true) => "no segment is listed".to_owned(),
                (None, false) => "no segment was read in which there is something".to_owned(),
            };
            match rendition.alternative {
                Some(AlternativeKind::Subtitles) => self.ledger.warn(rule, label, why()),
                Some(AlternativeKind::Audio) => {
                    self.ledger.judge(rule, label, rendition.has_read(), why);
                    let has_audio = rendition.has_audio() || !rendition.has_read();
                    let what = || "an audio rendition without audio".to_owned();
                    self.ledger.judge(rule, label, has_audio, what);
                }
                _ => self.ledger.judge(rule, label, rendition.has_read(), why),
            }
            if let Some(why) = rendition.not_read.as_ref().filter(|_| rendition.has_read()) {
                self.ledger.warn(rule, label, format!("some segments were not read: {why}"));
            }
        }
        if !self.renditions.iter().any(Rendition::has_video)
            || self.ledger.has_judged(Rule::PictureDecodes)
        {
            return;
        }
        let subject = label(&self.url);
        match self.ledger.why_not(Rule::PictureDecodes) {
            // Other decoders may, and all else was judged.
            Some(why) => {
                let what = format!("no picture could be decoded: {why}");
                self.ledger.warn(rule, &subject, what);
            }
            None if is_stopped => {}
            None => {
                self.ledger.judge(rule, &subject, false, || "no picture was decoded".to_owned())
            }
        }
    }

    fn judge_variants(&mut self) {
        for rendition in &self.renditions {
            let (Some((first, newest)), Some(target)) =
                (&rendition.variant, rendition.target_duration_secs())
            else {
                continue;
            };
            let rates = rendition.rates();
            let label = &rendition.label;
            bandwidth::judge(&mut self.ledger, label, &rates, target as f64, first, newest);
        }
    }

    /// Rules that need what this stream does not have.
    fn say_what_was_not_there(&mut self) {
        let of_variants = [
            Rule::Bandwidth,
            Rule::AverageBandwidth,
            Rule::AverageBandwidthDeclared,
            Rule::Codecs,
            Rule::Resolution,
            Rule::FrameRate,
            Rule::IndependentSegments,
            Rule::CellularVariant,
        ];
        if self.multivariant.is_none() && !self.renditions.is_empty() {
            for rule in of_variants {
                self.ledger.skip(rule, "the URL is that of a media playlist");
            }
        }
        for rule in
            [Rule::PlaylistAdvances, Rule::ExoplayerStuckPlaylist, Rule::AvplayerUnchangedPlaylist]
        {
            if !self.ledger.has_judged(rule) {
                self.ledger.skip(rule, "it is no live playlist");
            }
        }
    }
}

impl Fetch {
    fn new(what: What, url: String, subject: String) -> Self {
        Self { what, url, subject, range: None, redirects: 0, is_sent: false }
    }

    fn request(&self) -> Request {
        let kind = self.what.kind();
        let limits = Limits::DEFAULT;
        let max_bytes = match self.what {
            What::Root | What::Multivariant | What::Media { .. } => limits.max_playlist_bytes,
            What::Map { .. } => limits.max_map_bytes,
            What::Segment { .. } => limits.max_segment_bytes,
        };
        Request { url: self.url.clone(), kind, range: self.range, max_bytes }
    }
}

impl Response {
    /// The value of a header; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let is_it = |known: &&(String, String)| known.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_gzip(&self) -> bool {
        self.header("content-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"))
    }

    /// The text of a playlist, decompressed within the limit.
    fn playlist_body(&self) -> Result<Bytes, String> {
        let max = Limits::DEFAULT.max_playlist_bytes;
        let mut body = self.body.clone();
        if self.is_gzip() {
            let mut plain = Vec::new();
            let reader = flate2::read::MultiGzDecoder::new(&self.body[..]);
            let mut bounded = reader.take((max as u64).saturating_add(1));
            bounded.read_to_end(&mut plain).map_err(|error| format!("bad gzip: {error}"))?;
            body = plain.into();
        }
        match body.len() > max {
            true => Err(format!("a playlist of more than {max} bytes")),
            false => Ok(body),
        }
    }
}

/// What a URL is called in the report: its last two path elements, without query and `.m3u8`.
fn label(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_suffix(".m3u8").unwrap_or(path);
    let mut elements = path.rsplit('/').filter(|element| !element.is_empty());
    let last = elements.next().unwrap_or_default();
    // `index` says nothing; what it is the index of does.
    match elements.next() {
        Some(directory) if ["index", "playlist", "media", "master"].contains(&last) => {
            excerpt(&format!("{directory}/{last}"))
        }
        _ => excerpt(last),
    }
}
