//! What readers of a window see.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use media::Duration;

use crate::media_playlist::{MediaPlaylist, rounded_ms};
use crate::window::{Content, Stage};
use crate::{Body, Container, InitSection, PerContainer, Rates, SegmentKey, Span};

/// A rendition at one moment: its playlist, and every segment that may be asked for. Never changes.
///
/// The playlist is rendered by the first reader who asks for it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// As measured (RFC 8216 4.3.4.2): the largest rate so far, which never falls, and the average
    /// over the last two minutes. None before anything has been made.
    pub rates: Option<Rates>,
    /// `EXT-X-TARGETDURATION`, seconds.
    pub target_duration_secs: u64,
    /// The playlist has `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent: bool,
    /// The playlist has `EXT-X-ENDLIST`.
    pub ended: bool,
    /// The number of the last segment of a playlist that ended, and goes on.
    pub(crate) ended_with: Option<u64>,
    /// What the playlist lists, in order, contiguous numbers; but for short ones at its end, as
    /// long as it may go on.
    pub listed: Vec<Span>,
    pub(crate) uri_prefix: PerContainer<String>,
    pub(crate) segment_key: Option<SegmentKey>,
    /// What there is of every segment that may be asked for, by number, ascending; the last ones
    /// are those that are listed.
    pub(crate) fetchable: Vec<(u64, Content)>,
    pub(crate) playlist: PerContainer<OnceLock<Body>>,
}

/// The shortest last segment of a playlist that goes on: seen with Chromium 156, where 0.98 s are
/// too short and 1.02 s are not.
const LEAST_LAST_MS: u64 = 1000;

/// More short segments in a row are how the stream is: it goes on with them.
const MAX_HELD_BACK: usize = 2;

/// How many spans at the end of a playlist that goes on, the newest first, are not offered yet.
/// Chromium's own player fetches a last segment of less than a second again with the next reload,
/// and ends at the pictures that it has already. Half a target duration is never too short.
///
/// Those up to the number `ended_with` have been offered, with an end that was none.
pub(crate) fn held_back<'a>(
    newest_first: impl ExactSizeIterator<Item = &'a Span>,
    target_duration_secs: u64,
    ended_with: Option<u64>,
) -> usize {
    let least_ms = LEAST_LAST_MS.min(target_duration_secs.saturating_mul(500));
    // A playlist needs a segment.
    let most = newest_first.len().saturating_sub(1).min(MAX_HELD_BACK);
    let is_held_back =
        |span: &&Span| Some(span.sequence()) > ended_with && rounded_ms(span) < least_ms;
    newest_first.take(most).take_while(is_held_back).count()
}

/// What there is under a segment's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The segment.
    Made(Bytes),
    /// It is listed, and has not been made: it may be asked for.
    NotMade,
    /// It has been made, and not been written in this container: it may be asked for.
    NotWritten,
    /// It never was, or is not any more.
    Gone,
}

impl Snapshot {
    /// What there is of segment `sequence`: it is listed, or was a short while ago.
    #[must_use]
    pub fn segment(&self, container: Container, sequence: u64) -> Lookup {
        let Some(content) = self.content(sequence) else { return Lookup::Gone };
        match (content.stage.made(container), &content.stage) {
            (Some(made), _) => Lookup::Made(made.data.clone()),
            (None, Stage::Promised) => Lookup::NotMade,
            (None, Stage::Packaged { .. }) => Lookup::NotWritten,
        }
    }

    /// Strong entity tag of segment `sequence`, in quotes (RFC 9110 section 8.8.3), if it has been
    /// made: other bytes have another one, under whatever number. The first who asks hashes them.
    #[must_use]
    pub fn etag(&self, container: Container, sequence: u64) -> Option<&str> {
        self.content(sequence)?.stage.made(container).map(|made| made.etag())
    }

    /// The initialization section of this id, if a segment that may be asked for is played behind
    /// it.
    #[must_use]
    pub fn init(&self, id: u64) -> Option<&Arc<InitSection>> {
        let inits = self.fetchable.iter().filter_map(|(_, content)| content.init.as_ref());
        inits.rev().find(|init| init.id() == id)
    }

    /// The media playlist.
    #[must_use]
    pub fn playlist(&self, container: Container) -> &Body {
        let render = || Body::new(MediaPlaylist::of(self, container).render());
        self.playlist.of(container).get_or_init(render)
    }

    /// Whether somebody has read the playlist.
    #[must_use]
    pub fn was_read(&self) -> bool {
        let PerContainer { mpeg_ts, fragmented_mp4 } = &self.playlist;
        mpeg_ts.get().is_some() || fragmented_mp4.get().is_some()
    }

    /// The number of the first listed segment.
    #[must_use]
    pub fn media_sequence(&self) -> u64 {
        self.listed.first().map_or(0, Span::sequence)
    }

    /// Playing time of the listed segments.
    #[must_use]
    pub fn listed_duration(&self) -> Duration {
        self.listed.iter().fold(Duration::ZERO, |sum, span| sum + span.duration)
    }

    /// The number of the newest segment that the text of the playlist has.
    #[must_use]
    pub fn newest_offered(&self) -> Option<u64> {
        self.offered().last().map(Span::sequence)
    }

    /// What the text of the playlist has of them: short ones at its end come with what follows
    /// them, or with the end.
    pub(crate) fn offered(&self) -> &[Span] {
        let spans = self.listed.iter().rev();
        let held_back = match self.ended {
            true => 0,
            false => held_back(spans, self.target_duration_secs, self.ended_with),
        };
        &self.listed[..self.listed.len() - held_back]
    }

    /// What there is of a segment that may be asked for.
    pub(crate) fn content(&self, sequence: u64) -> Option<&Content> {
        let place = self.fetchable.binary_search_by_key(&sequence, |(sequence, _)| *sequence);
        place.ok().map(|place| &self.fetchable[place].1)
    }

    /// The URI of a segment, as the playlist has it.
    #[must_use]
    pub fn uri(&self, container: Container, sequence: u64) -> String {
        let (prefix, extension) = (self.uri_prefix.of(container), container.extension());
        format!("{prefix}{sequence}.{extension}{}", self.tag_query(sequence))
    }

    /// The URI of an initialization section, as the playlist has it.
    pub(crate) fn init_uri(&self, id: u64) -> String {
        let (prefix, name) = (&self.uri_prefix.fragmented_mp4, InitSection::file_name(id));
        format!("{prefix}{name}{}", self.tag_query(id))
    }

    fn tag_query(&self, number: u64) -> String {
        let tag = self.segment_key.as_ref().map(|key| key.tag(number));
        tag.map_or_else(String::new, |tag| format!("?tag={tag}"))
    }

    /// Whether who asks for the segment with this number, or the initialization section with this
    /// id, and has this tag, has read its URI in a playlist. Where URIs have no tags, everybody
    /// counts as such.
    #[must_use]
    pub fn admits(&self, number: u64, tag: Option<&str>) -> bool {
        let Some(key) = &self.segment_key else { return true };
        tag.is_some_and(|tag| key.is_tag(number, tag))
    }
}
