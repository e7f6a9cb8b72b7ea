//! A small live origin in simulated time, with a good stream that tests break, and somebody who
//! drives the checker.

use std::io::Write;
use std::time::Duration;

use aac::AudioSpecificConfig;
use bytes::Bytes;
use check::{Checker, Decoded, Options, Outcome, Report, Request, RequestKind, Response, Step};
use hex_literal::hex;
use media::Timestamp;
use mpegts::{Muxer, Tracks};

/// 640x480, `avc1.42c020`, from x264; 192x144, `avc1.640c0c`, from openh264.
pub(crate) const SOURCE: Shape = Shape {
    name: "source",
    sps: &hex!("6742c020da0280f6c044000003000400000300f03c60ca80"),
    pps: &hex!("68ce3c80"),
    slice_bytes: 3000,
};
pub(crate) const SMALL: Shape = Shape {
    name: "small",
    sps: &hex!("67640c0cac18d0609900f08846a0"),
    pps: &hex!("68ee3c80"),
    slice_bytes: 300,
};

const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n\
    #EXT-X-STREAM-INF:BANDWIDTH=190000,AVERAGE-BANDWIDTH=170000,CODECS=\"avc1.640c0c,mp4a.40.2\",RESOLUTION=192x144,FRAME-RATE=30.000\n\
    x/small.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=850000,AVERAGE-BANDWIDTH=840000,CODECS=\"avc1.42c020,mp4a.40.2\",RESOLUTION=640x480,FRAME-RATE=30.000\n\
    x/source.m3u8\n";
/// 2026-11-22T13:00:00Z.
const STARTED_UNIX_MS: i64 = 1_795_352_400_000;
/// The first segment's number.
pub(crate) const FIRST: usize = 1000;
const FRAME: i64 = 3000;
const AUDIO_FRAME: i64 = 1920;

pub(crate) struct Shape {
    pub(crate) name: &'static str,
    sps: &'static [u8],
    pps: &'static [u8],
    slice_bytes: usize,
}

/// What a stream is made with: what is wrong with it, if anything.
#[derive(Clone)]
pub(crate) struct Recipe {
    /// Pictures of each segment, by its index.
    pub(crate) pictures: fn(usize) -> i64,
    /// The first picture of a segment stands for all.
    pub(crate) is_still: fn(usize) -> bool,
    /// Audio frames left out at the start of a segment.
    pub(crate) audio_gap: fn(usize) -> i64,
    /// Ticks by which all audio is late.
    pub(crate) audio_delay: i64,
    /// Audio frames `n` and `n + 1` of a segment swap their times.
    pub(crate) swapped_audio: fn(usize) -> Option<i64>,
    pub(crate) starts_with_idr: fn(usize) -> bool,
    pub(crate) has_pps: fn(usize) -> bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            pictures: |_| 60,
            is_still: |_| false,
            audio_gap: |_| 0,
            audio_delay: 0,
            swapped_audio: |_| None,
            starts_with_idr: |_| true,
            has_pps: |_| true,
        }
    }
}

pub(crate) struct Segment {
    pub(crate) data: Vec<u8>,
    pub(crate) pictures: i64,
    pub(crate) start: i64,
}

/// Segments of a rendition.
pub(crate) fn segments(shape: &Shape, recipe: &Recipe, count: usize) -> Vec<Segment> {
    let mut muxer = Muxer::new(Tracks { video: true, audio: true });
    let config = AudioSpecificConfig::parse(&[0x11, 0x90]).expect("good test data");
    let mut adts = aac::adts_header(&config, 150).expect("good test data").to_vec();
    adts.resize(157, 0x5a);
    let (mut start, mut audio, mut segments) = (0, 0, Vec::new());
    for index in 0..count {
        let mut data = Vec::new();
        muxer.start_segment(&mut data);
        let pictures = (recipe.pictures)(index);
        let first_audio = audio;
        let mut skip = (recipe.audio_gap)(index);
        for picture in 0..pictures {
            let time = Timestamp::from_ticks(start + picture * FRAME);
            let (first, idr) = (picture == 0, picture == 0 && (recipe.starts_with_idr)(index));
            let pps = if (recipe.has_pps)(index) { shape.pps } else { &[] };
            let sets: &[&[u8]] = if first { &[shape.sps, pps] } else { &[] };
            let slice =
                [vec![if idr { 0x65 } else { 0x41 }, 0x88], vec![0x55; shape.slice_bytes]].concat();
            let units = [&slice[..]].into_iter();
            if first || !(recipe.is_still)(index) {
                muxer.write_video(time, time, idr, sets.iter().copied(), units, &mut data);
            }
            while audio * AUDIO_FRAME < start + (picture + 1) * FRAME {
                let number = match (recipe.swapped_audio)(index) {
                    Some(n) if audio - first_audio == n => audio + 1,
                    Some(n) if audio - first_audio == n + 1 => audio - 1,
                    _ => audio,
                };
                let pts = Timestamp::from_ticks(number * AUDIO_FRAME + recipe.audio_delay);
                if skip == 0 {
                    muxer.write_audio(pts, &adts, &mut data);
                }
                skip = (skip - 1).max(0);
                audio += 1;
            }
        }
        segments.push(Segment { data, pictures, start });
        start += pictures * FRAME;
    }
    segments
}

/// Serves `/live/x.m3u8`, `/live/x/NAME.m3u8` and `/live/x/NAME/N.ts`; six segments are listed.
pub(crate) struct Origin {
    pub(crate) multivariant: String,
    pub(crate) renditions: Vec<(&'static str, Vec<Segment>)>,
}

impl Origin {
    pub(crate) fn new(recipe: &Recipe) -> Self {
        Self::of(recipe, recipe, 60)
    }

    pub(crate) fn of(source: &Recipe, small: &Recipe, count: usize) -> Self {
        let source = (SOURCE.name, segments(&SOURCE, source, count));
        let small = (SMALL.name, segments(&SMALL, small, count));
        Self { multivariant: MULTIVARIANT.into(), renditions: vec![source, small] }
    }

    /// The text of a playlist, or the bytes of a segment.
    pub(crate) fn content(&self, url: &str, now: Duration) -> Option<Vec<u8>> {
        let path = url.strip_prefix("http://h/live/x")?.split('?').next()?;
        if path == ".m3u8" {
            return Some(self.multivariant.clone().into());
        }
        let path = path.strip_prefix('/')?;
        if let Some(name) = path.strip_suffix(".m3u8") {
            return Some(self.playlist(name, now)?.into());
        }
        let (name, number) = path.strip_suffix(".ts")?.split_once('/')?;
        let index = number.parse::<usize>().ok()?.checked_sub(FIRST)?;
        Some(self.rendition(name)?.get(index)?.data.clone())
    }

    fn rendition(&self, name: &str) -> Option<&Vec<Segment>> {
        self.renditions.iter().find(|(known, _)| *known == name).map(|(_, segments)| segments)
    }

    /// A segment is listed when its time is over; eight are at the start.
    fn playlist(&self, name: &str, now: Duration) -> Option<String> {
        let segments = self.rendition(name)?;
        let now = now.as_millis() as i64 * 90 + segments[8].start;
        let listed = segments.iter().filter(|s| s.start + s.pictures * FRAME <= now).count();
        let first = listed.saturating_sub(6);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n",
            FIRST + first
        );
        for (index, segment) in segments.iter().enumerate().take(listed).skip(first) {
            let date = date(STARTED_UNIX_MS + segment.start / 90);
            let secs = segment.pictures as f64 / 30.0;
            let number = FIRST + index;
            text += &format!(
                "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{secs:.3},\n/live/x/{name}/{number}.ts\n"
            );
        }
        Some(text)
    }
}

/// Good for an hour.
fn date(unix_ms: i64) -> String {
    let ms = unix_ms - STARTED_UNIX_MS;
    format!("2026-11-22T13:{:02}:{:02}.{:03}Z", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

/// What a test may do to an answer before it is given.
pub(crate) struct Answer<'a> {
    pub(crate) request: &'a Request,
    pub(crate) now: Duration,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) gzip: bool,
    /// How long the answer takes.
    pub(crate) takes: Duration,
    pub(crate) body: Vec<u8>,
}

impl Answer<'_> {
    pub(crate) fn is_playlist(&self) -> bool {
        self.request.kind == RequestKind::Playlist
    }

    pub(crate) fn is_multivariant(&self) -> bool {
        self.request.url.ends_with("/x.m3u8")
    }

    pub(crate) fn is_media(&self) -> bool {
        self.is_playlist() && !self.is_multivariant()
    }

    pub(crate) fn is_segment(&self, path: &str) -> bool {
        self.request.url.ends_with(path)
    }

    pub(crate) fn replace(&mut self, old: &str, new: &str) {
        let text = std::str::from_utf8(&self.body).expect("good test data");
        self.body = text.replace(old, new).into();
    }

    pub(crate) fn replace_in_media(&mut self, old: &str, new: &str) {
        if self.is_media() {
            self.replace(old, new);
        }
    }

    pub(crate) fn replace_in_multivariant(&mut self, old: &str, new: &str) {
        if self.is_multivariant() {
            assert!(self.body.windows(old.len()).any(|window| window == old.as_bytes()));
            self.replace(old, new);
        }
    }

    /// Lines changed one by one; an empty one is left out.
    pub(crate) fn map_lines(&mut self, map: impl Fn(&str) -> String) {
        let text = std::str::from_utf8(&self.body).expect("good test data");
        let lines = text.lines().map(map).filter(|line| !line.is_empty());
        self.body = lines.map(|line| line + "\n").collect::<String>().into();
    }

    pub(crate) fn set_header(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    fn into_response(mut self) -> Response {
        if self.gzip {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&self.body).expect("good test data");
            self.body = encoder.finish().expect("good test data");
            self.headers.push(("Content-Encoding".into(), "gzip".into()));
        }
        Response {
            status: self.status,
            headers: self.headers,
            body: Bytes::from(self.body),
            sent_at: self.now,
            received_at: self.now + self.takes,
        }
    }
}

pub(crate) const GOOD_PICTURES: Decoded =
    Decoded { pictures: 100, luma_mean: 120.0, luma_spread: 50.0, error: None, undecodable: None };

/// Checks the origin's stream, each answer changed by `change`.
pub(crate) fn check(
    origin: &Origin,
    secs: u64,
    decoded: &Decoded,
    change: impl FnMut(&mut Answer<'_>),
) -> Report {
    drive(origin, secs, decoded, usize::MAX, change)
}

/// A check that is stopped where it asks for one thing more than so many.
pub(crate) fn check_stopped_after(origin: &Origin, requests: usize) -> Report {
    drive(origin, 20, &GOOD_PICTURES, requests, |_| ())
}

fn drive(
    origin: &Origin,
    secs: u64,
    decoded: &Decoded,
    most_requests: usize,
    mut change: impl FnMut(&mut Answer<'_>),
) -> Report {
    let mut requests = 0;
    let options = Options { duration: Duration::from_secs(secs), ..Options::default() };
    let mut checker = Checker::new("http://h/live/x.m3u8", options).expect("good test data");
    let mut now = Duration::from_millis(10);
    loop {
        match checker.next(now) {
            Step::Fetch(_) if requests == most_requests => return checker.stop(now),
            Step::Fetch(request) => {
                requests += 1;
                let mut answer = answer(origin, &request, now);
                change(&mut answer);
                now += answer.takes;
                checker.response(&answer.into_response());
            }
            Step::Decode(job) => {
                assert!(!job.access_units.is_empty());
                checker.decoded(decoded);
            }
            Step::WaitUntil(time) | Step::WaitForStream { until: time, .. } => {
                assert!(time > now, "waits for the past");
                now = time;
            }
            Step::Done => return checker.finish(now),
        }
    }
}

fn answer<'a>(origin: &Origin, request: &'a Request, now: Duration) -> Answer<'a> {
    let is_playlist = request.kind == RequestKind::Playlist;
    let (media_type, caching) = match is_playlist {
        true => ("application/vnd.apple.mpegurl", "max-age=1"),
        false => ("video/mp2t", "public, max-age=3600, immutable"),
    };
    let body = origin.content(&request.url, now);
    let headers = [
        ("content-type", media_type),
        ("cache-control", caching),
        ("access-control-allow-origin", "*"),
    ];
    Answer {
        request,
        now,
        status: if body.is_some() { 200 } else { 404 },
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        gzip: is_playlist,
        takes: Duration::from_millis(5),
        body: body.unwrap_or_default(),
    }
}

/// Names and outcomes of the rules that were not kept.
pub(crate) fn findings(report: &Report) -> Vec<(&'static str, Outcome)> {
    let is_broken = |outcome| matches!(outcome, Outcome::Fail | Outcome::Warn);
    let broken = report.rules.iter().filter(|rule| is_broken(rule.outcome));
    broken.map(|rule| (rule.rule, rule.outcome)).collect()
}
