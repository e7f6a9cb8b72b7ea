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

use bytes::Bytes;
use media::{Duration, Timestamp};

use self::boxes::{BoxAt, Boxes};
use self::fragments::Defaults;
use self::sample_entry::Description;
use self::survey::Survey;
use self::timeline::Timeline;
use self::track::{Cursor, MovieHeader, Track, timescale};
use crate::active_sps;
use crate::disk::Disk;
use crate::notes::Notes;
use crate::time::between;
use crate::{AudioInfo, Container, Error, Info, Limits, Sample, Span, TrackName, VideoInfo};

/// One sample as the tables have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Counted from 1, as the specification does.
    pub(crate) number: u64,
    pub(crate) position: u64,
    pub(crate) size: u32,
    /// Decoding time in ticks of the track, edits not applied. [`Track::next`] makes it never less
    /// than the one before.
    pub(crate) dts: i64,
    /// Presentation time minus decoding time, in ticks of the track.
    pub(crate) composition: i32,
    /// Until the next sample, in ticks of the track. Negative where a writer takes back what it
    /// gave before.
    pub(crate) delta: i32,
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
    /// The configuration that was sent last.
    configured: Option<Bytes>,
    /// Number of the sample that was looked at last for its configuration, and its bytes if that
    /// took them.
    looked_at: Option<(u64, Option<Bytes>)>,
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
    /// Finds the tracks and goes through all their samples once, without reading them: from then on
    /// only the file system can go wrong.
    pub(crate) fn open<R: Read + Seek>(
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<(Self, Info), Error> {
        let top = TopLevel::read(disk, notes)?;
        let (header, tracks) = read_moov(&top, disk, notes)?;
        let container = match &header.fragments {
            _ if top.quicktime => Container::QuickTime,
            Some(_) => Container::FragmentedMp4,
            None => Container::Mp4,
        };
        let mut info =
            Info { container, video: None, audio: None, duration: None, bitrate_bps: None };
        let mut players = Vec::new();
        for track in choose(tracks, notes)? {
            match Survey::make(&track, &header, disk, notes) {
                Ok(survey) => players.extend(survey.map(|survey| (track, survey))),
                Err(error) if track.is_audio() => notes.leave_out(error)?,
                Err(error) => return Err(error),
            }
        }
        let Some(first) = players.iter().map(|(_, survey)| survey.first).min() else {
            let nothing = || Error::NoTracks { file_bytes: disk.len() };
            return Err(notes.take_first_reason().unwrap_or_else(nothing));
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
            player.looked_at = None;
        }
    }

    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
    ) -> Result<Option<Sample>, Error> {
        for player in &mut self.players {
            player.peek(disk)?;
            // All configurations go before the first sample.
            if let Some(config) = player.changed_config(disk)? {
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
            looked_at: None,
        }
    }

    /// What is odd or left out was told when the file was opened.
    fn peek<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<(), Error> {
        if self.next.is_none() {
            let entry = self.track.next(&mut self.cursor, disk, &mut Notes::default())?;
            self.next = entry.filter(|entry| self.stop.is_none_or(|stop| entry.dts < stop));
        }
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.next.map(|entry| self.timeline.dts(&entry))
    }

    /// The configuration of the next sample, where it is not the one that was sent last.
    fn changed_config<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
    ) -> Result<Option<Sample>, Error> {
        let is_new = |entry: &Entry| {
            self.looked_at.as_ref().is_none_or(|(number, _)| *number != entry.number)
        };
        let Some(entry) = self.next.filter(is_new) else { return Ok(None) };
        self.looked_at = Some((entry.number, None));
        let sample = match self.track.description(entry.description) {
            // Only at a sync sample can other pictures begin.
            Some(Description::Video { .. }) if !entry.key && self.configured.is_some() => {
                return Ok(None);
            }
            Some(Description::Video { avcc, config, .. }) => {
                let mut active = None;
                if entry.key && !config.parameter_sets.sps.is_empty() {
                    let data = self.read(&entry, disk)?;
                    active = active_sps::config_for(config, &data);
                    self.looked_at = Some((entry.number, Some(data)));
                }
                Sample::VideoConfig(active.unwrap_or_else(|| avcc.clone()))
            }
            Some(Description::Audio { asc, .. }) => Sample::AudioConfig(asc.clone()),
            Some(Description::Refused(_)) | None => return Ok(None),
        };
        let (Sample::VideoConfig(config) | Sample::AudioConfig(config)) = &sample else {
            return Ok(None);
        };
        if self.configured.as_ref() == Some(config) {
            return Ok(None);
        }
        self.configured = Some(config.clone());
        Ok(Some(sample))
    }

    fn read<R: Read + Seek>(&self, entry: &Entry, disk: &mut Disk<R>) -> Result<Bytes, Error> {
        let name = self.track.name;
        disk.bytes(entry.position, entry.size, || format!("{name}: sample {}", entry.number))
    }

    fn take<R: Read + Seek>(&mut self, disk: &mut Disk<R>) -> Result<Sample, Error> {
        let Some(entry) = self.next else {
            return Err(Error::NoTracks { file_bytes: disk.len() });
        };
        let data = match self.looked_at.as_mut() {
            Some((number, data)) if *number == entry.number => data.take(),
            _ => None,
        };
        let data = match data {
            Some(data) => data,
            None => self.read(&entry, disk)?,
        };
        self.next = None;
        let (dts, pts) = (self.timeline.dts(&entry), self.timeline.pts(&entry));
        Ok(match self.track.name {
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
    fn read<R: Read + Seek>(disk: &mut Disk<R>, notes: &mut Notes) -> Result<Self, Error> {
        let mut boxes = Boxes::top_level(disk, 0);
        let mut quicktime = true;
        while let Some(found) = boxes.next(disk, notes)? {
            if found.is(b"ftyp") {
                quicktime = &found.field::<4, R>(disk, 0)? == b"qt  ";
            }
            if found.is(b"moov") {
                warn_of_the_rest(boxes, disk, notes);
                return Ok(Self { moov: found, rest: boxes, quicktime });
            }
        }
        Err(Error::NoIndex { file_bytes: disk.len() })
    }
}

/// Looks at the boxes behind the moov only for what is odd about them: whether it matters, the
/// samples will show.
fn warn_of_the_rest<R: Read + Seek>(mut boxes: Boxes, disk: &mut Disk<R>, notes: &mut Notes) {
    loop {
        match boxes.next(disk, notes) {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => return notes.odd(error.to_string()),
        }
    }
}

/// `moov` (14496-12 8.2.1): the header and the tracks of ours.
fn read_moov<R: Read + Seek>(
    top: &TopLevel,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<(MovieHeader, Vec<Track>), Error> {
    let moov = &top.moov;
    if let Some(cmov) = moov.child(disk, b"cmov", notes)? {
        return Err(cmov.invalid("is a compressed index, which nobody writes any more".to_owned()));
    }
    let mvhd = moov.needed_child(disk, b"mvhd", notes)?;
    let mvex = moov.child(disk, b"mvex", notes)?;
    let fragments = mvex.map(|mvex| read_mvex(&mvex, disk, notes)).transpose()?;
    let timescale = timescale(&mvhd, disk)?;
    let header = MovieHeader { timescale, fragments, rest: top.rest };
    let mut tracks = Vec::new();
    let mut traks = moov.children();
    while let Some(trak) = traks.find(disk, b"trak", notes)? {
        if tracks.len() >= Limits::DEFAULT.max_tracks {
            notes.odd(format!("only {} tracks are looked at", tracks.len()));
            break;
        }
        match Track::read(trak, &header, disk, notes) {
            Ok(track) => tracks.extend(track),
            // Without its pictures a film is not played; without its sound, or what nobody knows,
            // it is.
            Err(error) if Track::is_of_pictures(&trak, disk) => return Err(error),
            Err(error) => notes.leave_out(error)?,
        }
    }
    Ok((header, tracks))
}

/// `mvex` (14496-12 8.8.1).
fn read_mvex<R: Read + Seek>(
    mvex: &BoxAt,
    disk: &mut Disk<R>,
    notes: &mut Notes,
) -> Result<Vec<Defaults>, Error> {
    let mut all = Vec::new();
    let mut boxes = mvex.children();
    while let Some(trex) = boxes.find(disk, b"trex", notes)? {
        if all.len() < Limits::DEFAULT.max_tracks {
            all.push(Defaults::read(&trex, disk)?);
        }
    }
    Ok(all)
}

/// One video and one audio track: the first enabled one that can be carried. Sound of which there
/// is none that can is left out; pictures refuse the file.
fn choose(tracks: Vec<Track>, notes: &mut Notes) -> Result<Vec<Track>, Error> {
    let (video, audio): (Vec<_>, Vec<_>) = tracks.into_iter().partition(|track| !track.is_audio());
    let video = choose_one(video, notes)?;
    let audio = match choose_one(audio, notes) {
        Ok(audio) => audio,
        Err(error) => {
            notes.leave_out(error)?;
            None
        }
    };
    Ok(video.into_iter().chain(audio).collect())
}

fn choose_one(mut tracks: Vec<Track>, notes: &mut Notes) -> Result<Option<Track>, Error> {
    // A stable sort: the first of the best is the first in the file.
    tracks.sort_by_key(|track| (track.refusal().is_some(), !track.enabled));
    let mut tracks = tracks.into_iter();
    let Some(best) = tracks.next() else { return Ok(None) };
    for other in tracks {
        notes.odd(not_sent(&other));
    }
    match best.refusal().cloned() {
        // Pictures of chapters are such a track.
        Some(_) if !best.enabled => {
            notes.odd(not_sent(&best));
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
