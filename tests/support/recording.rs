//! A viewer that misses nothing: polls the playlists of a stream, checks each against the one
//! before, keeps every segment.

use std::path::PathBuf;

use m3u8_rs::{MediaPlaylist, MediaSegment};

use super::playlist;
use super::scratch::Scratch;
use super::server::Server;
use super::wait::eventually;

/// So often a viewer comes again for a segment that is not made in the 8 s that a request is kept.
const COME_AGAIN: usize = 4;

/// One segment as listed and as fetched.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    /// EXTINF in seconds.
    pub(crate) duration: f64,
    pub(crate) discontinuity: bool,
    pub(crate) unix_ms: i64,
    pub(crate) data: Vec<u8>,
}

/// All that was served of one rendition.
pub(crate) struct Recording {
    pub(crate) stream: String,
    pub(crate) rendition: String,
    pub(crate) segments: Vec<Segment>,
    pub(crate) latest: Option<MediaPlaylist>,
}

impl Recording {
    pub(crate) fn new(stream: &str, rendition: &str) -> Self {
        Self {
            stream: stream.into(),
            rendition: rendition.into(),
            segments: Vec::new(),
            latest: None,
        }
    }

    /// Looks once.
    pub(crate) fn poll(&mut self, server: &Server) {
        let response = server.get(&format!("/stream/{}/{}.m3u8", self.stream, self.rendition));
        if response.status == 404 {
            assert!(self.latest.is_none(), "{} {} vanished", self.stream, self.rendition);
            return;
        }
        let playlist = playlist::media(response.text());
        self.follows(&playlist);
        for (segment, sequence) in playlist.segments.iter().zip(playlist.media_sequence..) {
            assert_eq!(playlist::sequence(&segment.uri), sequence, "{}", response.text());
            self.take(server, segment, sequence);
        }
        self.latest = Some(playlist);
    }

    /// RFC 8216 6.2.1 and 6.2.2: what may change from one playlist to the next.
    fn follows(&self, new: &MediaPlaylist) {
        let Some(old) = &self.latest else { return };
        assert_eq!(old.target_duration, new.target_duration, "{}", self.rendition);
        assert!(new.media_sequence >= old.media_sequence, "{old:?} then {new:?}");
        let gone = (new.media_sequence - old.media_sequence) as usize;
        let removed = old.segments.get(..gone).expect("no more is removed than was listed");
        let discontinuities = removed.iter().filter(|segment| segment.discontinuity).count() as u64;
        assert_eq!(
            new.discontinuity_sequence,
            old.discontinuity_sequence + discontinuities,
            "{old:?} then {new:?}"
        );
        assert!(new.segments.len() >= old.segments.len().min(6), "{old:?} then {new:?}");
    }

    fn take(&mut self, server: &Server, listed: &MediaSegment, sequence: u64) {
        let kept = self.segments.last().map_or(sequence, |last| last.sequence + 1);
        let duration = (f64::from(listed.duration) * 1000.0).round() / 1000.0;
        let unix_ms = listed.program_date_time.expect("checked").timestamp_millis();
        if sequence < kept {
            let index = self.segments.len() - (kept - sequence) as usize;
            let old = &self.segments[index];
            assert_eq!(
                (old.duration, old.discontinuity, old.unix_ms),
                (duration, listed.discontinuity, unix_ms)
            );
            return;
        }
        assert_eq!(sequence, kept, "{}: this viewer was too slow", self.rendition);
        let mut response = server.get(&listed.uri);
        // A segment that is made for this viewer may take a slow machine longer than the server
        // keeps the request: it says to come again, and players do.
        for _ in 0..COME_AGAIN {
            if response.status != 503 {
                break;
            }
            assert_eq!(response.header("retry-after"), Some("1"), "{}", listed.uri);
            response = server.get(&listed.uri);
        }
        assert_eq!(response.status, 200, "{} is listed", listed.uri);
        let segment = Segment {
            sequence,
            duration,
            discontinuity: listed.discontinuity,
            unix_ms,
            data: response.body,
        };
        self.segments.push(segment);
    }

    /// The sum of EXTINF.
    pub(crate) fn seconds(&self) -> f64 {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.latest.as_ref().is_some_and(|playlist| playlist.end_list)
    }

    /// Writes the segments and a playlist that has ended, for players; the playlist's path.
    pub(crate) fn write(&self, scratch: &Scratch) -> PathBuf {
        let latest = self.latest.as_ref().expect("a playlist");
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{}\n",
            latest.target_duration
        );
        for segment in &self.segments {
            let file = format!("{}-{}-{}.ts", self.stream, self.rendition, segment.sequence);
            scratch.write(&file, &segment.data);
            let discontinuity = if segment.discontinuity { "#EXT-X-DISCONTINUITY\n" } else { "" };
            text += &format!("{discontinuity}#EXTINF:{:.3},\n{file}\n", segment.duration);
        }
        text += "#EXT-X-ENDLIST\n";
        scratch.write(&format!("{}-{}.m3u8", self.stream, self.rendition), text.as_bytes())
    }

    /// The file of a segment that [`write`](Self::write) wrote.
    pub(crate) fn file(&self, scratch: &Scratch, segment: &Segment) -> PathBuf {
        scratch.file(&format!("{}-{}-{}.ts", self.stream, self.rendition, segment.sequence))
    }

    /// All segments in one.
    pub(crate) fn joined(&self) -> Vec<u8> {
        self.segments.iter().flat_map(|segment| segment.data.iter().copied()).collect()
    }
}

/// Watches several renditions until `done`.
pub(crate) fn record(
    server: &Server,
    stream: &str,
    renditions: &[&str],
    done: impl Fn(&[Recording]) -> bool,
) -> Vec<Recording> {
    let mut recordings: Vec<_> =
        renditions.iter().map(|rendition| Recording::new(stream, rendition)).collect();
    eventually(&format!("all of {stream}'s {renditions:?}"), || {
        recordings.iter_mut().for_each(|recording| recording.poll(server));
        done(&recordings).then_some(())
    });
    recordings
}

/// Watches until each rendition holds `seconds` of media, less half a picture.
pub(crate) fn record_seconds(
    server: &Server,
    stream: &str,
    renditions: &[&str],
    seconds: f64,
) -> Vec<Recording> {
    record(server, stream, renditions, |recordings| {
        recordings.iter().all(|recording| recording.seconds() >= seconds - 0.015)
    })
}
