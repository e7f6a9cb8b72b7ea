//! MP4 and QuickTime files (14496-12, QTFF), plain and fragmented.

mod boxes;
mod edits;
mod fragments;
mod sample_entry;
mod sample_table;
mod survey;
mod table;
mod timeline;
mod track;

use std::io::{Read, Seek};

use media::{Duration, Timestamp};

use self::boxes::{BoxAt, Boxes};
use self::fragments::Defaults;
use self::sample_entry::Description;
use self::survey::Survey;
use self::timeline::Timeline;
use self::track::{Cursor, MovieHeader, Track, timescale};
use crate::disk::Disk;
use crate::time::between;
use crate::warnings::Warnings;
use crate::{AudioInfo, Container, Error, Info, Limits, Sample, Span, TrackName, VideoInfo};

/// One sample as the tables have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Counted from 1, as the specification does.
    pub(crate) number: u64,
    pub(crate) position: u64,
    pub(crate) size: u32,
    /// Decoding time in ticks of the track, edits not applied.
    pub(crate) dts: i64,
    /// Presentation time minus decoding time, in ticks of the track.
    pub(crate) composition: i32,
    /// Until the next sample, in ticks of the track.
    pub(crate) delta: u32,
    /// Sync sample.
    pub(crate) key: bool,
    /// Which entry of `stsd`, counted from 1.
    pub(crate) description: u32,
}

/// A movie being played.
#[derive(Debug)]
pub(crate) struct Movie {
    players: Vec<Player>,
}

/// A track being played.
#[derive(Debug)]
struct Player {
    track: Track,
    timeline: Timeline,
    start: Cursor,
    /// Decoding time, in ticks of the track, at which the edit list ends it.
    stop: Option<i64>,
    cursor: Cursor,
    next: Option<Entry>,
    /// The description that was sent last.
    configured: Option<u32>,
}

/// Whether a file that starts so may be one of ours: the boxes that are seen in front.
pub(crate) fn looks_like_mp4(kind: &[u8; 4]) -> bool {
    matches!(
        kind,
        b"ftyp"
            | b"styp"
            | b"moov"
            | b"moof"
            | b"mdat"
            | b"free"
            | b"skip"
            | b"wide"
            | b"pnot"
            | b"uuid"
            | b"sidx"
            | b"udta"
            | b"meta"
            | b"prfl"
            | b"pdin"
            | b"emsg"
    )
}

impl Movie {
    /// Finds the tracks and goes through all their samples once, without reading them: from then on only the
    /// file system can go wrong.
    pub(crate) fn open<R: Read + Seek>(
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<(Self, Info), Error> {
        let top = TopLevel::read(disk, warnings)?;
        let (header, tracks) = read_moov(&top, disk, warnings)?;
        let container = match &header.fragments {
            _ if top.quicktime => Container::QuickTime,
            Some(_) => Container::FragmentedMp4,
            None => Container::Mp4,
        };
        let mut info =
            Info { container, video: None, audio: None, duration: None, bitrate_bps: None };
        let mut players = Vec::new();
        for track in choose(tracks, warnings)? {
            if let Some(survey) = Survey::make(&track, &header, disk, warnings)? {
                players.push((track, survey));
            }
        }
        let Some(first) = players.iter().map(|(_, survey)| survey.first).min() else {
            return Err(Error::NoTracks { file_bytes: disk.len() });
        };
        let zero = between(Timestamp::ZERO, first);
        for (track, survey) in &players {
            describe(track, survey.span_from(zero), survey, &mut info);
        }
        info.duration = Some(info.round());
        info.count_bitrate();
        let players = players.into_iter().map(|(track, survey)| Player::new(track, &survey, zero));
        let mut movie = Self { players: players.collect() };
        movie.rewind();
        Ok((movie, info))
    }

    pub(crate) fn rewind(&mut self) {
        for player in &mut self.players {
            player.cursor = player.start;
            player.next = None;
        }
    }

    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<Option<Sample>, Error> {
        for player in &mut self.players {
            player.peek(disk, warnings)?;
            // All configurations go before the first sample.
            if let Some(config) = player.changed_config() {
                return Ok(Some(config));
            }
        }
        let due = |player: &&mut Player| player.due();
        let waiting = self.players.iter_mut().filter(|player| player.next.is_some());
        match waiting.min_by_key(due) {
            Some(player) => player.take(disk).map(Some),
            None => Ok(None),
        }
    }
}

impl Player {
    fn new(track: Track, survey: &Survey, zero: Duration) -> Self {
        Self {
            track,
            timeline: survey.timeline.earlier(zero),
            start: survey.start,
            stop: survey.stop,
            cursor: survey.start,
            next: None,
            configured: None,
        }
    }

    fn peek<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        warnings: &mut Warnings,
    ) -> Result<(), Error> {
        if self.next.is_none() {
            let entry = self.track.next(&mut self.cursor, disk, warnings)?;
            self.next = entry.filter(|entry| self.stop.is_none_or(|stop| entry.dts < stop));
        }
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.next.map(|entry| self.timeline.dts(&entry))
    }

    fn changed_config(&mut self) -> Option<Sample> {
        let number = self.next?.description;
        if self.configured == Some(number) {
            return None;
        }
        self.configured = Some(number);
        match self.track.description(number)? {
            Description::Video { avcc, .. } => Some(Sample::VideoConfig(avcc.clone())),
            Description::Audio { asc, .. } => Some(Sample::AudioConfig(asc.clone())),
            Description::Refused(_) => None,
        }
    }

    fn take<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<Sample, Error> {
        let Some(entry) = self.next else {
            return Err(Error::NoTracks { file_bytes: disk.len() });
        };
        let name = self.track.name;
        let data =
            disk.bytes(entry.position, entry.size, || format!("{name}: sample {}", entry.number))?;
        self.next = None;
        let (dts, pts) = (self.timeline.dts(&entry), self.timeline.pts(&entry));
        Ok(match name {
            TrackName::Video(_) => Sample::Video { dts, pts, key: entry.key, data },
            TrackName::Audio(_) => Sample::Audio { pts: dts, data },
        })
    }
}

/// What stands on the top level.
struct TopLevel {
    moov: BoxAt,
    /// Behind it.
    rest: Boxes,
    /// The major brand is "qt  ", or there is none.
    quicktime: bool,
}

impl TopLevel {
    fn read<R: Read + Seek>(disk: &mut Disk<R>, warnings: &mut Warnings) -> Result<Self, Error> {
        let mut boxes = Boxes::top_level(disk, 0);
        let mut quicktime = true;
        while let Some(found) = boxes.next(disk, warnings)? {
            if found.is(b"ftyp") {
                quicktime = &found.field::<4, R>(disk, 0)? == b"qt  ";
            }
            if found.is(b"moov") {
                warn_of_the_rest(boxes, disk, warnings);
                return Ok(Self { moov: found, rest: boxes, quicktime });
            }
        }
        Err(Error::NoIndex { file_bytes: disk.len() })
    }
}

/// Looks at the boxes behind the moov only for what is odd about them: whether it matters, the samples will show.
fn warn_of_the_rest<R: Read + Seek>(mut boxes: Boxes, disk: &mut Disk<R>, warnings: &mut Warnings) {
    loop {
        match boxes.next(disk, warnings) {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => return warnings.add(error.to_string()),
        }
    }
}

/// `moov` (14496-12 8.2.1): the header and the tracks of ours.
fn read_moov<R: Read + Seek>(
    top: &TopLevel,
    disk: &mut Disk<R>,
    warnings: &mut Warnings,
) -> Result<(MovieHeader, Vec<Track>), Error> {
    let moov = &top.moov;
    if let Some(cmov) = moov.child(disk, b"cmov", warnings)? {
        return Err(cmov.invalid("is a compressed index, which nobody writes any more".to_owned()));
    }
    let mvhd = moov.needed_child(disk, b"mvhd", warnings)?;
    let mvex = moov.child(disk, b"mvex", warnings)?;
    let fragments = mvex.map(|mvex| read_mvex(&mvex, disk, warnings)).transpose()?;
    let timescale = timescale(&mvhd, disk)?;
    let header = MovieHeader { timescale, fragments, rest: top.rest };
    let mut tracks = Vec::new();
    let mut traks = moov.children();
    while let Some(trak) = traks.find(disk, b"trak", warnings)? {
        if tracks.len() >= Limits::DEFAULT.max_tracks {
            warnings.add(format!("only {} tracks are looked at", tracks.len()));
            break;
        }
        tracks.extend(Track::read(trak, &header, disk, warnings)?);
    }
    Ok((header, tracks))
}

/// `mvex` (14496-12 8.8.1).
fn read_mvex<R: Read + Seek>(
    mvex: &BoxAt,
    disk: &mut Disk<R>,
    warnings: &mut Warnings,
) -> Result<Vec<Defaults>, Error> {
    let mut all = Vec::new();
    let mut boxes = mvex.children();
    while let Some(trex) = boxes.find(disk, b"trex", warnings)? {
        if all.len() < Limits::DEFAULT.max_tracks {
            all.push(Defaults::read(&trex, disk)?);
        }
    }
    Ok(all)
}

/// One video and one audio track: the first enabled one that can be carried.
fn choose(tracks: Vec<Track>, warnings: &mut Warnings) -> Result<Vec<Track>, Error> {
    let (video, audio) =
        tracks.into_iter().partition(|track| matches!(track.name, TrackName::Video(_)));
    let chosen = [choose_one(video, warnings)?, choose_one(audio, warnings)?];
    Ok(chosen.into_iter().flatten().collect())
}

fn choose_one(mut tracks: Vec<Track>, warnings: &mut Warnings) -> Result<Option<Track>, Error> {
    // A stable sort: the first of the best is the first in the file.
    tracks.sort_by_key(|track| (track.refusal().is_some(), !track.enabled));
    let mut tracks = tracks.into_iter();
    let Some(best) = tracks.next() else { return Ok(None) };
    for other in tracks {
        warnings.add(not_sent(&other));
    }
    match best.refusal().cloned() {
        // Pictures of chapters are such a track.
        Some(_) if !best.enabled => {
            warnings.add(not_sent(&best));
            Ok(None)
        }
        Some(refusal) => Err(refusal.into_error(best.name)),
        None => Ok(Some(best)),
    }
}

fn not_sent(track: &Track) -> String {
    match track.refusal() {
        Some(refusal) => format!("{} is {}: it is not sent", track.name, refusal.name()),
        None => format!("{} is not sent: one of its kind is", track.name),
    }
}

/// Adds a track to the file's description.
fn describe(track: &Track, span: Span, survey: &Survey, info: &mut Info) {
    match track.description(survey.description) {
        Some(Description::Video { config, width, height, .. }) => {
            let seconds = span.duration().as_secs_f64();
            let rate = (seconds > 0.0).then(|| span.samples as f64 / seconds);
            let size = (u32::from(*width), u32::from(*height));
            info.video = Some(VideoInfo { span, ..VideoInfo::new(config, size, rate) });
        }
        Some(Description::Audio { config, .. }) => {
            info.audio = Some(AudioInfo { span, ..AudioInfo::new(config) });
        }
        Some(Description::Refused(_)) | None => {}
    }
}
