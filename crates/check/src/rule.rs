//! The rules by their names.

/// Declares [`Rule`]: variant, name, Apple's number, what it demands.
macro_rules! rules {
    ($($variant:ident $name:literal $apple:expr, $demand:literal;)*) => {
        /// Something a good stream keeps to. Names are stable: scripts may rely on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $demand] $variant,)*
        }

        impl Rule {
            /// All rules, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, kebab-case.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The number in Apple's "HLS authoring specification for Apple devices", where there
            /// is one.
            #[must_use]
            pub fn apple(self) -> Option<&'static str> {
                match self { $(Self::$variant => $apple,)* }
            }

            /// What is demanded, in a few words.
            #[must_use]
            pub fn demand(self) -> &'static str {
                match self { $(Self::$variant => $demand,)* }
            }
        }
    };
}

rules! {
    Reachable "reachable" None, "playlists and listed segments answer with status 200";
    NoRedirects "no-redirects" Some("8.18"), "media requests are not redirected";
    ContentType "content-type" Some("10.4"), "the media types of playlists and segments are right";
    Cors "cors" None, "pages of other origins may read the stream";
    CacheControl "cache-control" None, "caches keep playlists for a target duration at most";
    PlaylistGzip "playlist-gzip" Some("10.1"), "playlists are compressed for who accepts it";
    PlaylistSyntax "playlist-syntax" None, "playlists follow RFC 8216 section 4";
    PlaylistVersion "playlist-version" None, "EXT-X-VERSION allows what the playlist uses";
    TargetDurationKept "target-duration-kept" Some("7.7"), "no EXTINF, rounded, exceeds the target duration";
    TargetDurationConstant "target-duration-constant" None, "the target duration never changes";
    MediaSequence "media-sequence" None, "numbers only grow, and a segment keeps its number";
    DiscontinuitySequence "discontinuity-sequence" Some("8.17"), "EXT-X-DISCONTINUITY-SEQUENCE is there and counts right";
    LiveWindow "live-window" Some("8.11"), "a live playlist lists at least six segments";
    PlaylistAdvances "playlist-advances" None, "new segments are listed in time (RFC 8216 6.2.2)";
    StreamLive "stream-live" None, "all renditions go on, or all have ended";
    SegmentDownloadTime "segment-download-time" None, "segments arrive faster than they play";
    ProgramDateTime "program-date-time" Some("8.4"), "live playlists have EXT-X-PROGRAM-DATE-TIME";
    ProgramDateTimeSteady "program-date-time-steady" None, "dates advance by EXTINF and never change";
    TsPackets "ts-packets" None, "transport stream, PES and ADTS framing is whole";
    FragmentBoxes "fragment-boxes" None, "boxes and samples of fragmented MP4 are whole";
    SegmentTables "segment-tables" None, "segments start with PAT and PMT, CRCs are right";
    SegmentKeyframe "segment-keyframe" Some("7.4"), "segments start with an IDR picture";
    ParameterSets "parameter-sets" None, "segments have SPS and PPS before their first picture";
    ContinuityCounters "continuity-counters" Some("7.2"), "continuity counters go on, also over segments";
    TimestampsInOrder "timestamps-in-order" Some("7.2"), "decoding times grow, no picture is shown before it is decoded";
    TimestampsContinuous "timestamps-continuous" Some("7.2"), "a segment goes on where the one before it ended";
    ExtinfMatchesMedia "extinf-matches-media" Some("8.1"), "EXTINF is the media's duration, within a frame";
    AvOffset "av-offset" None, "audio and video of a segment start together";
    ClockReference "clock-reference" None, "the PCR is there, grows, and is not behind its samples";
    RenditionsAligned "renditions-aligned" Some("8.15"), "variants are cut at the same times and discontinuities";
    Bandwidth "bandwidth" Some("1.29"), "the measured peak is below 125 % of BANDWIDTH";
    AverageBandwidth "average-bandwidth" Some("1.28"), "the measured average is below 110 % of AVERAGE-BANDWIDTH";
    AverageBandwidthDeclared "average-bandwidth-declared" Some("9.14"), "variants have an AVERAGE-BANDWIDTH";
    Codecs "codecs" Some("9.1"), "variants have the CODECS that are in their segments";
    Resolution "resolution" Some("9.2"), "variants have the RESOLUTION of their pictures";
    FrameRate "frame-rate" Some("9.15"), "variants have the FRAME-RATE of their pictures";
    IndependentSegments "independent-segments" Some("9.11"), "the multivariant playlist has EXT-X-INDEPENDENT-SEGMENTS";
    CellularVariant "cellular-variant" Some("9.21"), "there is a variant for cellular networks";
    PictureDecodes "picture-decodes" None, "a segment decodes to pictures that show something";
    SegmentsJudged "segments-judged" None, "a segment of each rendition was read, and a picture decoded";
    ExoplayerStuckPlaylist "exoplayer-stuck-playlist" None, "ExoPlayer goes on: no playlist stands still for 3.5 target durations";
    HlsjsCodecChange "hlsjs-codec-change" None, "hls.js goes on: segments keep the tracks that they began with";
    AvplayerUnchangedPlaylist "avplayer-unchanged-playlist" None, "AVPlayer goes on: no playlist stands still for 1.5 target durations";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let names: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        let is_kebab = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(is_kebab));
        assert!(Rule::ALL.iter().enumerate().all(|(index, rule)| *rule as usize == index));
    }
}
