//! What goes wrong with a stream, in words that tell a streamer what to do.

use std::time::Duration;

use flv::TagKind;
use pipeline::{AudioRefusal, Notice, VideoRefusal};
use rtmp::StreamName;

use crate::clock::Moment;

/// What has happened is told for so long after the last time.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Something that the streamer or the operator can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Keyframes come too seldom: this far apart, where that is known.
    KeyframesTooSeldom { interval: Option<media::Duration>, source: SourceListing },
    /// They did once, and the stream is cut by that until it ends.
    KeyframesOnceTooSeldom { source: SourceListing },
    /// Pictures come, but none that can be shown.
    NoKeyframeYet,
    /// The audio is not carried.
    AudioLeftOut(AudioRefusal),
    /// No rendition can be made of the video.
    Undecodable(VideoRefusal),
    /// Nothing has come for this long.
    Silent(Duration),
    /// The machine does not keep up: this rendition has one picture a segment.
    Shed(String),
    /// It does not keep up: pictures were left out.
    PicturesDropped,
    /// A segment that somebody waited for was not made in time.
    SegmentLate,
    /// There is no memory for a decoder.
    NoDecoderMemory,
    /// More decoding than a level allows.
    TooMuchToDecode,
    /// Audio frames did not decode.
    DamagedAudio,
    /// Pictures came damaged, or could not be decoded or encoded.
    DamagedVideo,
    /// The publisher's clock jumped.
    ClockJumped,
    /// Audio and video were this far apart.
    TracksApart(media::Duration),
    /// A track began when the playlists had been made without it.
    TrackLeftOut(TagKind),
    /// Sound came when silence had taken its place.
    SoundLate,
    /// Messages could not be used.
    Malformed,
    /// The publisher vanished without a word.
    ConnectionLost,
}

/// Whether the multivariant playlist has the publisher's own encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceListing {
    Listed,
    LeftOut,
}

/// Whom the words are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamer<'a> {
    pub(crate) stream: &'a StreamName,
    /// What the publisher calls its software.
    pub(crate) encoder: Option<&'a str>,
    pub(crate) frame_rate: Option<f64>,
}

/// One line for the operator's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) standing: Standing,
}

/// Whether it is so now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Now,
    /// It has happened this often, for the last time so long ago.
    Past {
        times: u64,
        ago: Duration,
    },
}

/// What has happened to a stream: of each kind the newest, so there are never more than there are
/// kinds.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Noted>);

#[derive(Debug)]
struct Noted {
    trouble: Trouble,
    times: u64,
    last: Moment,
}

impl Warnings {
    /// It happens.
    pub(crate) fn note(&mut self, trouble: Trouble, now: Moment) {
        let known = self.0.iter_mut().find(|noted| noted.trouble.kind() == trouble.kind());
        match known {
            // What was long ago is another story.
            Some(noted) if now.since(noted.last) < REMEMBERED => {
                *noted = Noted { trouble, times: noted.times + 1, last: now };
            }
            Some(noted) => *noted = Noted { trouble, times: 1, last: now },
            None => self.0.push(Noted { trouble, times: 1, last: now }),
        }
    }

    /// What is so now, and behind it what happened in the last minutes, the newest first.
    pub(crate) fn list(
        &self,
        present: &[Trouble],
        now: Moment,
        streamer: Streamer<'_>,
    ) -> Vec<Warning> {
        let warning = |trouble: &Trouble, standing| {
            let (kind, text) = (trouble.kind(), trouble.words(streamer));
            Warning { kind, text, standing }
        };
        let is_present = |kind| present.iter().any(|trouble| trouble.kind() == kind);
        let mut past: Vec<_> = self.0.iter().collect();
        past.retain(|it| now.since(it.last) < REMEMBERED && !is_present(it.trouble.kind()));
        past.sort_by_key(|noted| now.since(noted.last));
        let past = past.into_iter().map(|noted| {
            let standing = Standing::Past { times: noted.times, ago: now.since(noted.last) };
            warning(&noted.trouble, standing)
        });
        present.iter().map(|trouble| warning(trouble, Standing::Now)).chain(past).collect()
    }
}

impl Trouble {
    /// What a notice means for the streamer; None where nothing is lost, or where it is known
    /// otherwise for as long as it is so.
    pub(crate) fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Skipped(_) | Notice::EmptyNalUnits(_) => Self::Malformed,
            Notice::DamagedAudio(_) => Self::DamagedAudio,
            Notice::Undecodable(why) => Self::Undecodable(*why),
            Notice::CodecFailed(_) => Self::DamagedVideo,
            Notice::TimestampJump(_) => Self::ClockJumped,
            Notice::TracksApart(by) => Self::TracksApart(*by),
            Notice::NoKeyframeYet => Self::NoKeyframeYet,
            Notice::TooMuchToDecode => Self::TooMuchToDecode,
            Notice::TrackLeftOut(track) => Self::TrackLeftOut(*track),
            Notice::SoundTooLate => Self::SoundLate,
            Notice::Shed(rendition) => Self::Shed(rendition.clone()),
            _ => return None,
        })
    }

    /// Its name in `/status`, which stays as it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::KeyframesTooSeldom { .. } => "keyframes_too_seldom",
            Self::KeyframesOnceTooSeldom { .. } => "keyframes_once_too_seldom",
            Self::NoKeyframeYet => "no_keyframe_yet",
            Self::AudioLeftOut(_) => "audio_left_out",
            Self::Undecodable(_) => "undecodable",
            Self::Silent(_) => "silent",
            Self::Shed(_) => "rendition_shed",
            Self::PicturesDropped => "pictures_dropped",
            Self::SegmentLate => "segment_late",
            Self::NoDecoderMemory => "no_decoder_memory",
            Self::TooMuchToDecode => "too_much_to_decode",
            Self::DamagedAudio => "damaged_audio",
            Self::DamagedVideo => "damaged_video",
            Self::ClockJumped => "clock_jumped",
            Self::TracksApart(_) => "tracks_apart",
            Self::TrackLeftOut(_) => "track_left_out",
            Self::SoundLate => "sound_late",
            Self::Malformed => "malformed_messages",
            Self::ConnectionLost => "connection_lost",
        }
    }

    fn words(&self, streamer: Streamer<'_>) -> String {
        let name = streamer.stream;
        let keyframes = || streamer.keyframe_remedy();
        match self {
            Self::KeyframesTooSeldom { interval, source } => {
                let what = interval.map_or_else(
                    || "Keyframes come too seldom".to_owned(),
                    |interval| format!("Your keyframe interval is {}", seconds(interval)),
                );
                match source {
                    SourceListing::LeftOut => format!(
                        "{what}: viewers of {name}.m3u8 get only the light renditions. {}, then stop the stream, wait 15 s and start it again.",
                        keyframes()
                    ),
                    SourceListing::Listed => format!(
                        "{what}: viewers wait that long before they see anything. {}.",
                        keyframes()
                    ),
                }
            }
            Self::KeyframesOnceTooSeldom { source: SourceListing::LeftOut } => format!(
                "Keyframes came too seldom earlier: viewers of {name}.m3u8 get only the light renditions until the stream has ended. {}, then stop the stream, wait 15 s and start it again.",
                keyframes()
            ),
            Self::KeyframesOnceTooSeldom { source: SourceListing::Listed } => format!(
                "Keyframes came too seldom or too irregularly earlier. {}.",
                keyframes()
            ),
            Self::NoKeyframeYet => format!(
                "There is no picture yet: none that a player can start with has come. {}.",
                keyframes()
            ),
            Self::AudioLeftOut(why) => {
                format!("Viewers hear nothing, as the audio cannot be carried ({why}): {}.", why.remedy())
            }
            Self::Undecodable(why) => format!(
                "Only your own picture plays, and no light rendition ({why}): {}.",
                why.remedy()
            ),
            Self::Silent(time) => format!(
                "Nothing has come of you for {} s: viewers see a still picture. Look at your network.",
                time.as_secs()
            ),
            Self::Shed(rendition) => format!(
                "The server's processor is too slow: {rendition} stands still but for one picture a segment. Leave out renditions (--renditions), or send a smaller picture."
            ),
            Self::PicturesDropped => "The server's processor was too slow, and pictures of the light renditions were left out. Leave out renditions (--renditions), or send a smaller picture.".to_owned(),
            Self::SegmentLate => "Viewers had to wait too long for a segment: the server's processor is too slow, or has too much to do.".to_owned(),
            Self::NoDecoderMemory => "There was no memory to decode this stream as it comes, and viewers wait for each segment. Give the server more (--memory), or send a smaller picture.".to_owned(),
            Self::TooMuchToDecode => "The video is more than can be decoded in time, and the light renditions leave pictures out. Set a lower frame rate or a smaller picture.".to_owned(),
            Self::DamagedAudio => "Audio came damaged and was replaced by silence. Try another audio encoder.".to_owned(),
            Self::DamagedVideo => "Pictures came damaged. The encoder, or a relay behind it, loses data.".to_owned(),
            Self::ClockJumped => "The encoder's clock jumped, and players had to skip. Restart the encoder if it goes on.".to_owned(),
            Self::TracksApart(by) => format!(
                "Audio and video came {} apart. Check the sync offset of your audio sources.",
                seconds(*by)
            ),
            Self::TrackLeftOut(track) => {
                let track = if *track == TagKind::Video { "The video" } else { "The audio" };
                format!("{track} began too late and is left out, as players cannot add it. Stop the stream, wait 15 s and start it again.")
            }
            Self::SoundLate => "Audio came over a second late and is silence. Look at your network and at the load of your machine.".to_owned(),
            Self::Malformed => "Messages came that could not be used. The encoder, or a relay behind it, sends what others do not.".to_owned(),
            Self::ConnectionLost => "Your connection was lost without a word. Look at your network; a lower bitrate holds better.".to_owned(),
        }
    }
}

impl Streamer<'_> {
    /// How to set a keyframe interval of 2 s: who publishes by FFmpeg has no menus.
    fn keyframe_remedy(&self) -> String {
        if self.encoder.is_some_and(|encoder| encoder.starts_with("Lavf")) {
            let pictures = (self.frame_rate.unwrap_or(30.0) * 2.0).round();
            return format!("Give FFmpeg -g {pictures}");
        }
        "Set 2 s in OBS > Settings > Output > Keyframe Interval".to_owned()
    }
}

/// Seconds; a few of them with one decimal, where there is one.
fn seconds(time: media::Duration) -> String {
    let tenths = (time.as_secs_f64() * 10.0).round() / 10.0;
    format!("{tenths} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Moment {
        Moment { uptime: Duration::from_secs(secs), unix_ms: 0 }
    }

    fn cam() -> StreamName {
        StreamName::parse("cam").unwrap()
    }

    #[test]
    fn a_keyframe_interval_is_explained_by_what_it_costs_and_where_to_set_it() {
        let name = cam();
        let mut streamer = Streamer { stream: &name, encoder: None, frame_rate: Some(25.0) };
        let interval = Some(media::Duration::from_secs(10));
        let words =
            |source, streamer| Trouble::KeyframesTooSeldom { interval, source }.words(streamer);
        assert_eq!(
            words(SourceListing::LeftOut, streamer),
            "Your keyframe interval is 10 s: viewers of cam.m3u8 get only the light renditions. Set 2 s in OBS > Settings > Output > Keyframe Interval, then stop the stream, wait 15 s and start it again."
        );
        streamer.encoder = Some("Lavf60.16.100");
        assert_eq!(
            words(SourceListing::Listed, streamer),
            "Your keyframe interval is 10 s: viewers wait that long before they see anything. Give FFmpeg -g 50."
        );
    }

    #[test]
    fn what_is_so_comes_first_and_what_was_is_forgotten() {
        let name = cam();
        let streamer = Streamer { stream: &name, encoder: None, frame_rate: None };
        let mut warnings = Warnings::default();
        for secs in 0..1_000 {
            warnings.note(Trouble::Malformed, at(secs));
        }
        warnings.note(Trouble::ConnectionLost, at(990));
        warnings.note(Trouble::Shed("P240p30fps16x9".to_owned()), at(5));
        let list = |present: &[Trouble], now| -> Vec<_> {
            let listed = warnings.list(present, at(now), streamer);
            listed.into_iter().map(|it| (it.kind, it.standing)).collect()
        };
        let past = |times, secs| Standing::Past { times, ago: Duration::from_secs(secs) };
        let silent = Trouble::Silent(Duration::from_secs(3));
        assert_eq!(
            list(&[silent], 1_000),
            [
                ("silent", Standing::Now),
                ("malformed_messages", past(1_000, 1)),
                ("connection_lost", past(1, 10)),
            ]
        );
        assert_eq!(list(&[Trouble::Malformed], 1_000)[0], ("malformed_messages", Standing::Now));
        assert_eq!(list(&[Trouble::Malformed], 1_000).len(), 2, "each kind once");
        assert_eq!(list(&[], 1_599).len(), 0);
    }

    /// Whatever a publisher does, as often as it likes.
    #[test]
    fn there_are_never_more_than_kinds() {
        let mut warnings = Warnings::default();
        for number in 0..1_000 {
            warnings.note(Trouble::Shed(format!("rendition {number}")), at(number));
            warnings.note(Trouble::Silent(Duration::from_secs(number)), at(number));
        }
        assert_eq!(warnings.0.len(), 2);
    }
}
