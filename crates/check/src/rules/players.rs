//! What players do that no specification says: each ends in an error where its rule is broken.

use crate::ledger::Ledger;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::segment_facts::SegmentFacts;

/// ExoPlayer (androidx/media, `DefaultHlsPlaylistTracker`,
/// `DEFAULT_PLAYLIST_STUCK_TARGET_DURATION_COEFFICIENT`): a live playlist that has not changed for
/// so many target durations ends playback with a `PlaylistStuckException`.
const EXOPLAYER_STUCK_TARGET_DURATIONS: f64 = 3.5;
/// AVPlayer (its error log, CoreMediaErrorDomain -12888 "Playlist File unchanged for longer than
/// 1.5 * target duration"): the bound that RFC 8216 6.2.2 gives servers, taken at its word.
const AVPLAYER_UNCHANGED_TARGET_DURATIONS: f64 = 1.5;

/// The tracks of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tracks {
    pub(crate) video: bool,
    pub(crate) audio: bool,
}

impl Tracks {
    pub(crate) fn of(facts: &SegmentFacts) -> Self {
        Self { video: facts.video.is_some(), audio: facts.audio.is_some() }
    }

    fn name(self) -> &'static str {
        match (self.video, self.audio) {
            (true, true) => "video and audio",
            (true, false) => "video alone",
            (false, true) => "audio alone",
            (false, false) => "neither video nor audio",
        }
    }
}

/// Judges how long a live playlist stayed as it was, at least.
pub(crate) fn judge_standstill(
    ledger: &mut Ledger,
    subject: &str,
    target_secs: u64,
    unchanged_secs: f64,
) {
    for (rule, target_durations) in [
        (Rule::ExoplayerStuckPlaylist, EXOPLAYER_STUCK_TARGET_DURATIONS),
        (Rule::AvplayerUnchangedPlaylist, AVPLAYER_UNCHANGED_TARGET_DURATIONS),
    ] {
        let allowed = target_secs as f64 * target_durations;
        let measurement = Measurement::at_most(unchanged_secs, allowed, "s");
        ledger.measure(rule, Outcome::Fail, subject, "no new segment for", measurement);
    }
}

/// Judges a segment's tracks against those of the first segment of its rendition.
///
/// hls.js (`src/controller/buffer-controller.ts`) makes its `SourceBuffer`s when the codecs of the
/// first segment are known, and waits for no others: media source extensions take none once the
/// first has media. A track that joins later ends in a fatal `bufferAddCodecError` or
/// `bufferAppendError`, over a discontinuity too (hls.js issue 7245: "Unsupported transition
/// between video and audio,video SourceBuffers"); a track that is gone stops playback where its
/// buffer ends (hls.js issue 1250).
pub(crate) fn judge_tracks(ledger: &mut Ledger, subject: &str, first: Tracks, now: Tracks) {
    ledger.judge(Rule::HlsjsCodecChange, subject, first == now, || {
        format!("has {}, the first segment had {}", now.name(), first.name())
    });
}

/// Judges what a variant stream declares now against what it declared when players read it, for the
/// same reason: they make their buffers by it, and do not read it again.
pub(crate) fn judge_declared_tracks(
    ledger: &mut Ledger,
    subject: &str,
    first: Tracks,
    now: Tracks,
) {
    ledger.judge(Rule::HlsjsCodecChange, subject, first == now, || {
        format!("CODECS declare {}, they declared {}", now.name(), first.name())
    });
}
