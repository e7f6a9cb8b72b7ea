//! Reads playlists (RFC 8216 section 4), and reads on where something is wrong.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::date;
use crate::fault::{Faults, excerpt};
use crate::playlist::{
    Alternative, AlternativeKind, ByteRange, Encryption, Map, MediaPlaylist, MediaSegment,
    MultivariantPlaylist, Playlist, PlaylistType, Variant,
};

/// A playlist as far as it could be read, and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it says.
    pub playlist: Playlist,
    /// Positions are line numbers.
    pub faults: Faults,
}

/// Reads a playlist of either kind. Never fails: what is no playlist is an empty one with faults.
///
/// It is a multivariant playlist if its first tag that only one kind has is a multivariant
/// playlist's.
#[must_use]
pub fn read_playlist(data: &[u8]) -> Reading {
    let text = String::from_utf8_lossy(data);
    let mut reader = Reader::default();
    if std::str::from_utf8(data).is_err() {
        let valid = text.split('\u{fffd}').next().unwrap_or_default();
        reader.line = valid.lines().count().max(1);
        reader.fault("text is not UTF-8");
    }
    for (index, line) in text.lines().enumerate() {
        reader.line = index.saturating_add(1);
        reader.read_line(line);
    }
    reader.finish()
}

#[derive(Debug, Default)]
struct Reader {
    /// The current one, from 1.
    line: usize,
    faults: Faults,
    kind: Option<Kind>,
    multivariant: MultivariantPlaylist,
    media: MediaPlaylist,
    /// Tags that may be there once, and were.
    seen: Vec<&'static str>,
    /// What the next URI belongs to.
    pending_segment: Pending,
    pending_variant: Option<Variant>,
    /// In force until there is another.
    map: Option<Arc<Map>>,
    encryption: Option<Encryption>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Multivariant,
    Media,
}

/// The tags in front of a segment's URI.
#[derive(Debug, Default)]
struct Pending {
    duration_secs: Option<f64>,
    discontinuity: bool,
    start_unix_ms: Option<i64>,
    gap: bool,
    byte_range: Option<RangeText>,
}

/// A byte range as it is written: how many bytes, and the first of them if that is said.
#[derive(Clone, Copy, Debug)]
struct RangeText {
    bytes: u64,
    start: Option<u64>,
}

impl Reader {
    fn finish(mut self) -> Reading {
        self.expect_no_pending_variant();
        if self.pending_segment.duration_secs.is_some() {
            self.fault("EXTINF without a URI after it");
        }
        if self.line == 0 {
            self.fault("the playlist is empty");
        }
        if self.kind == Some(Kind::Multivariant) {
            let playlist = Playlist::Multivariant(self.multivariant);
            return Reading { playlist, faults: self.faults };
        }
        if !self.seen.contains(&"EXT-X-TARGETDURATION") {
            self.fault("EXT-X-TARGETDURATION is missing");
        }
        Reading { playlist: Playlist::Media(self.media), faults: self.faults }
    }

    fn fault(&mut self, what: impl Into<String>) {
        self.faults.add(self.line, what);
    }

    fn read_line(&mut self, raw: &str) {
        let line = raw.trim();
        if line.len() != raw.len() {
            self.fault("white space around the line");
        }
        if line.chars().any(char::is_control) {
            self.fault("control characters in the line");
        }
        if self.line == 1 && line != "#EXTM3U" {
            self.fault(format!("the first line is \"{}\", not #EXTM3U", excerpt(line)));
        }
        match line.strip_prefix('#') {
            Some(tag) if tag.starts_with("EXT") => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                self.read_tag(name, value);
            }
            Some(_comment) => {}
            None if line.is_empty() => {}
            None => self.read_uri(line),
        }
    }

    fn read_tag(&mut self, name: &str, value: &str) {
        match name {
            "EXTM3U" if self.line > 1 => self.fault("EXTM3U after the first line"),
            "EXT-X-VERSION" => self.read_version(value),
            "EXT-X-INDEPENDENT-SEGMENTS" => {
                self.multivariant.independent_segments = true;
                self.media.independent_segments = true;
            }
            "EXT-X-STREAM-INF" => {
                self.belongs_to(Kind::Multivariant, name);
                self.read_stream_inf(value);
            }
            "EXT-X-MEDIA" => {
                self.belongs_to(Kind::Multivariant, name);
                self.read_alternative(value);
            }
            "EXT-X-I-FRAME-STREAM-INF" | "EXT-X-SESSION-DATA" | "EXT-X-SESSION-KEY" => {
                self.belongs_to(Kind::Multivariant, name);
                let faults = &mut self.faults;
                Attributes::parse(value, |what| faults.add(self.line, excerpt(&what)));
            }
            _ => self.read_media_tag(name, value),
        }
    }

    fn read_media_tag(&mut self, name: &str, value: &str) {
        if MEDIA_TAGS.contains(&name) {
            self.belongs_to(Kind::Media, name);
        }
        match name {
            "EXTINF" => self.read_extinf(value),
            "EXT-X-DISCONTINUITY" => self.pending_segment.discontinuity = true,
            "EXT-X-GAP" => self.pending_segment.gap = true,
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.pending_segment.start_unix_ms = date::unix_ms(value);
                if self.pending_segment.start_unix_ms.is_none() {
                    self.fault(format!("\"{}\" is no date with a time zone", excerpt(value)));
                }
            }
            "EXT-X-TARGETDURATION" => {
                let secs = self.once("EXT-X-TARGETDURATION", value);
                self.media.target_duration_secs = self.media.target_duration_secs.or(secs);
            }
            "EXT-X-MEDIA-SEQUENCE" => self.read_media_sequence(value),
            "EXT-X-DISCONTINUITY-SEQUENCE" => self.read_discontinuity_sequence(value),
            "EXT-X-PLAYLIST-TYPE" => self.read_playlist_type(value),
            "EXT-X-ENDLIST" => self.media.ended = true,
            "EXT-X-BYTERANGE" => {
                self.needs_version(4, "EXT-X-BYTERANGE");
                self.pending_segment.byte_range = range_text(value);
                if self.pending_segment.byte_range.is_none() {
                    self.fault(format!("EXT-X-BYTERANGE cannot be \"{}\"", excerpt(value)));
                }
            }
            "EXT-X-I-FRAMES-ONLY" => self.is_foreign("I-frame playlists", 4),
            "EXT-X-MAP" => self.read_map(value),
            "EXT-X-SKIP" => self.is_foreign("playlist delta updates", 9),
            "EXT-X-DEFINE" => self.is_foreign("variable substitution", 8),
            "EXT-X-KEY" => self.read_key(value),
            _ => {}
        }
    }

    fn read_version(&mut self, value: &str) {
        let version = self.once("EXT-X-VERSION", value);
        self.multivariant.version = self.multivariant.version.or(version);
        self.media.version = self.media.version.or(version);
    }

    fn read_extinf(&mut self, value: &str) {
        let (number, comma) = match value.split_once(',') {
            Some((number, _title)) => (number, true),
            None => (value, false),
        };
        if self.pending_segment.duration_secs.is_some() {
            self.fault("EXTINF follows EXTINF without a URI between them");
        }
        if !comma {
            self.fault(format!("EXTINF:{} has no comma", excerpt(value)));
        }
        if number.contains('.') {
            self.needs_version(3, "EXTINF with decimals");
        }
        let duration = decimal(number);
        if duration.is_none() {
            self.fault(format!("EXTINF cannot be \"{}\"", excerpt(number)));
        }
        self.pending_segment.duration_secs = Some(duration.unwrap_or(0.0));
    }

    fn read_media_sequence(&mut self, value: &str) {
        if !self.media.segments.is_empty() {
            self.fault("EXT-X-MEDIA-SEQUENCE after the first segment");
        }
        if let Some(sequence) = self.once("EXT-X-MEDIA-SEQUENCE", value) {
            self.media.media_sequence = sequence;
        }
    }

    fn read_discontinuity_sequence(&mut self, value: &str) {
        if !self.media.segments.is_empty() || self.pending_segment.discontinuity {
            self.fault(
                "EXT-X-DISCONTINUITY-SEQUENCE after the first segment or EXT-X-DISCONTINUITY",
            );
        }
        let sequence = self.once("EXT-X-DISCONTINUITY-SEQUENCE", value);
        self.media.discontinuity_sequence = self.media.discontinuity_sequence.or(sequence);
    }

    fn read_playlist_type(&mut self, value: &str) {
        self.media.kind = match value {
            "VOD" => Some(PlaylistType::Vod),
            "EVENT" => Some(PlaylistType::Event),
            _ => {
                self.fault(format!("EXT-X-PLAYLIST-TYPE cannot be \"{}\"", excerpt(value)));
                None
            }
        };
    }

    fn read_map(&mut self, value: &str) {
        self.needs_version(6, "EXT-X-MAP");
        let (line, faults) = (self.line, &mut self.faults);
        let mut fault = |what: String| faults.add(line, excerpt(&what));
        let list = Attributes::parse(value, &mut fault);
        let byte_range = list.quoted("BYTERANGE", &mut fault).and_then(|text| {
            let range = range_text(text);
            if range.is_none() {
                fault(format!("attribute BYTERANGE cannot be \"{text}\""));
            }
            // Without a start it is that of the resource (RFC 8216 4.3.2.5).
            byte_range(range?, 0)
        });
        match list.quoted("URI", &mut fault) {
            Some(uri) => self.map = Some(Arc::new(Map { uri: uri.to_owned(), byte_range })),
            None => fault("EXT-X-MAP without a URI".to_owned()),
        }
    }

    fn read_key(&mut self, value: &str) {
        let (line, faults) = (self.line, &mut self.faults);
        let mut fault = |what: String| faults.add(line, excerpt(&what));
        let list = Attributes::parse(value, &mut fault);
        let method = list.bare("METHOD", Some, &mut fault);
        self.encryption = match method {
            Some("NONE") => None,
            Some("AES-128") => Some(Encryption::Aes128),
            Some("SAMPLE-AES") => Some(Encryption::SampleAes),
            Some(_) => Some(Encryption::Other),
            None => {
                fault("EXT-X-KEY without a METHOD".to_owned());
                Some(Encryption::Other)
            }
        };
    }

    fn read_alternative(&mut self, value: &str) {
        let (line, faults) = (self.line, &mut self.faults);
        let mut fault = |what: String| faults.add(line, excerpt(&what));
        let list = Attributes::parse(value, &mut fault);
        let kind = |text: &str| match text {
            "AUDIO" => Some(AlternativeKind::Audio),
            "VIDEO" => Some(AlternativeKind::Video),
            "SUBTITLES" => Some(AlternativeKind::Subtitles),
            "CLOSED-CAPTIONS" => Some(AlternativeKind::ClosedCaptions),
            _ => None,
        };
        let kind = list.bare("TYPE", kind, &mut fault);
        let group = list.quoted("GROUP-ID", &mut fault);
        let uri = list.quoted("URI", &mut fault).map(str::to_owned);
        if kind.is_none() || group.is_none() || list.quoted("NAME", &mut fault).is_none() {
            fault("EXT-X-MEDIA needs TYPE, GROUP-ID and NAME".to_owned());
        }
        let group = group.unwrap_or_default().to_owned();
        self.multivariant.alternatives.push(Alternative { line, kind, group, uri });
    }

    fn read_stream_inf(&mut self, value: &str) {
        self.expect_no_pending_variant();
        let line = self.line;
        let faults = &mut self.faults;
        let mut fault = |what: String| faults.add(line, excerpt(&what));
        let list = Attributes::parse(value, &mut fault);
        let number = |text: &str| decimal_integer(text);
        let variant = Variant {
            line,
            uri: String::new(),
            bandwidth_bps: list.bare("BANDWIDTH", number, &mut fault),
            average_bandwidth_bps: list.bare("AVERAGE-BANDWIDTH", number, &mut fault),
            codecs: list.quoted("CODECS", &mut fault).map(codecs),
            resolution: list.bare("RESOLUTION", resolution, &mut fault),
            frame_rate: list.bare("FRAME-RATE", decimal, &mut fault),
            audio_group: list.quoted("AUDIO", &mut fault).map(str::to_owned),
            video_group: list.quoted("VIDEO", &mut fault).map(str::to_owned),
            subtitles_group: list.quoted("SUBTITLES", &mut fault).map(str::to_owned),
        };
        if variant.bandwidth_bps.is_none() {
            fault("EXT-X-STREAM-INF without a BANDWIDTH".to_owned());
        }
        self.pending_variant = Some(variant);
    }

    fn read_uri(&mut self, uri: &str) {
        if let Some(variant) = self.pending_variant.take() {
            self.multivariant.variants.push(Variant { uri: uri.to_owned(), ..variant });
            return;
        }
        if self.kind == Some(Kind::Multivariant) {
            return self.fault(format!("URI \"{}\" without EXT-X-STREAM-INF", excerpt(uri)));
        }
        let pending = std::mem::take(&mut self.pending_segment);
        if pending.duration_secs.is_none() {
            self.fault(format!("URI \"{}\" without EXTINF", excerpt(uri)));
        }
        let byte_range = pending.byte_range.and_then(|range| self.resolve_range(range, uri));
        self.media.segments.push(MediaSegment {
            line: self.line,
            uri: uri.to_owned(),
            duration_secs: pending.duration_secs.unwrap_or(0.0),
            discontinuity: pending.discontinuity,
            start_unix_ms: pending.start_unix_ms,
            gap: pending.gap,
            byte_range,
            map: self.map.clone(),
            encryption: self.encryption,
        });
    }

    /// A range that does not say where it starts goes on behind that of the segment before, which
    /// must be of the same resource (RFC 8216 4.3.2.2).
    fn resolve_range(&mut self, range: RangeText, uri: &str) -> Option<ByteRange> {
        let before = self.media.segments.last().filter(|before| before.uri == uri);
        let end = before.and_then(|before| before.byte_range);
        let end = end.map(|range| range.start.saturating_add(range.bytes));
        let resolved = match (range.start, end) {
            (None, None) => None,
            (_, end) => byte_range(range, end.unwrap_or(0)),
        };
        if resolved.is_none() {
            self.fault("EXT-X-BYTERANGE does not say where it starts, or ends past 2^64");
        }
        resolved
    }

    fn expect_no_pending_variant(&mut self) {
        if self.pending_variant.take().is_some() {
            self.fault("EXT-X-STREAM-INF without a URI after it");
        }
    }

    fn belongs_to(&mut self, kind: Kind, tag: &str) {
        if *self.kind.get_or_insert(kind) != kind {
            self.fault(format!("{tag} in a playlist of the other kind (RFC 8216 4.1)"));
        }
    }

    /// The number of a tag that may be there once.
    fn once(&mut self, tag: &'static str, value: &str) -> Option<u64> {
        if self.seen.contains(&tag) {
            self.fault(format!("{tag} is there twice"));
        } else {
            self.seen.push(tag);
        }
        let number = decimal_integer(value);
        if number.is_none() {
            self.fault(format!("{tag} cannot be \"{}\"", excerpt(value)));
        }
        number
    }

    fn is_foreign(&mut self, what: &'static str, version: u64) {
        self.media.foreign.get_or_insert(what);
        self.needs_version(version, what);
    }

    fn needs_version(&mut self, version: u64, what: &'static str) {
        if self.media.needs_version.is_none_or(|(known, _)| known < version) {
            self.media.needs_version = Some((version, what));
        }
    }
}

/// Tags that only media playlists have.
const MEDIA_TAGS: [&str; 13] = [
    "EXTINF",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART",
];

/// A decimal-integer (RFC 8216 4.2): digits alone.
fn decimal_integer(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// A decimal-floating-point (RFC 8216 4.2): digits, and a point between them at most.
fn decimal(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_number.then(|| text.parse().ok())?.filter(|number: &f64| number.is_finite())
}

/// `n[@o]` (RFC 8216 4.3.2.2).
fn range_text(text: &str) -> Option<RangeText> {
    let (bytes, start) = match text.split_once('@') {
        Some((bytes, start)) => (bytes, Some(decimal_integer(start)?)),
        None => (text, None),
    };
    Some(RangeText { bytes: decimal_integer(bytes).filter(|bytes| *bytes > 0)?, start })
}

fn byte_range(text: RangeText, otherwise: u64) -> Option<ByteRange> {
    let start = text.start.unwrap_or(otherwise);
    start.checked_add(text.bytes)?;
    Some(ByteRange { start, bytes: text.bytes })
}

fn resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    Some((decimal_integer(width)?.try_into().ok()?, decimal_integer(height)?.try_into().ok()?))
}

fn codecs(text: &str) -> Vec<String> {
    text.split(',').map(|codec| codec.trim().to_owned()).filter(|codec| !codec.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(usize, String)> {
        let reading = read_playlist(text.as_bytes());
        reading.faults.first.into_iter().map(|fault| (fault.position, fault.what)).collect()
    }

    fn media(text: &str) -> MediaPlaylist {
        match read_playlist(text.as_bytes()).playlist {
            Playlist::Media(media) => media,
            Playlist::Multivariant(multivariant) => panic!("{multivariant:?}"),
        }
    }

    const GOOD: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01Z\n\
        #EXTINF:1.980,title\n7.ts\n#EXTINF:2,\n8.ts\n#EXT-X-ENDLIST\n";

    #[test]
    fn rfc8216_4_3_media_playlist() {
        assert_eq!(faults(GOOD), []);
        let playlist = media(GOOD);
        assert_eq!((playlist.version, playlist.target_duration_secs), (Some(3), Some(2)));
        assert_eq!((playlist.media_sequence, playlist.discontinuity_sequence), (7, Some(1)));
        assert_eq!(playlist.needs_version, Some((3, "EXTINF with decimals")));
        assert!(playlist.ended && playlist.slides() && !playlist.independent_segments);
        assert_eq!(playlist.next_sequence(), 9);
        let first = MediaSegment {
            line: 9,
            uri: "7.ts".into(),
            duration_secs: 1.98,
            discontinuity: true,
            start_unix_ms: Some(1000),
            ..MediaSegment::default()
        };
        assert_eq!(playlist.segments[0], first);
        assert_eq!(playlist.segments[1].duration_secs, 2.0);
    }

    #[test]
    fn rfc8216_4_3_4_2_multivariant_playlist() {
        let text = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=9,AVERAGE-BANDWIDTH=8,\
            CODECS=\"avc1.42c00b, mp4a.40.2\",RESOLUTION=256x144,FRAME-RATE=29.970,AUDIO=\"a\"\nx/y.m3u8\n";
        let reading = read_playlist(text.as_bytes());
        let variant = Variant {
            line: 3,
            uri: "x/y.m3u8".into(),
            bandwidth_bps: Some(9),
            average_bandwidth_bps: Some(8),
            codecs: Some(vec!["avc1.42c00b".into(), "mp4a.40.2".into()]),
            resolution: Some((256, 144)),
            frame_rate: Some(29.97),
            audio_group: Some("a".into()),
            ..Variant::default()
        };
        let playlist = MultivariantPlaylist {
            version: None,
            independent_segments: true,
            variants: vec![variant],
            alternatives: vec![],
        };
        assert_eq!(reading.playlist, Playlist::Multivariant(playlist));
        assert!(reading.faults.is_empty());
    }

    #[test]
    fn rfc8216_4_3_2_byte_ranges_maps_and_keys() {
        let text = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
            #EXT-X-MAP:URI=\"i\",BYTERANGE=\"7\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:10@20\na\n\
            #EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:5\na\n\
            #EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\nb\n";
        assert_eq!(faults(text), []);
        let segments = media(text).segments;
        let map = Map { uri: "i".into(), byte_range: Some(ByteRange { start: 0, bytes: 7 }) };
        assert!(segments.iter().all(|segment| segment.map.as_deref() == Some(&map)));
        let ranges: Vec<_> = segments.iter().map(|segment| segment.byte_range).collect();
        let range = |start, bytes| Some(ByteRange { start, bytes });
        assert_eq!(ranges, [range(20, 10), range(30, 5), None]);
        let encrypted: Vec<_> = segments.iter().map(|segment| segment.encryption).collect();
        assert_eq!(encrypted, [None, Some(Encryption::Aes128), None]);
        let unsaid = text.replace("10@20", "10");
        assert!(faults(&unsaid)[0].1.contains("does not say where it starts"));
        assert!(faults(&text.replace("10@20", "0@20"))[0].1.contains("cannot be \"0@20\""));
    }

    #[test]
    fn rfc8216_4_3_4_1_alternative_renditions() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"a\"\n\
            #EXT-X-MEDIA:TYPE=SOUND,GROUP-ID=\"g\"\n";
        let reading = read_playlist(text.as_bytes());
        let Playlist::Multivariant(playlist) = reading.playlist else { panic!("{reading:?}") };
        let [first, second] = &playlist.alternatives[..] else { panic!("{playlist:?}") };
        let kind = Some(AlternativeKind::Audio);
        assert_eq!(first, &Alternative { line: 2, kind, group: "g".into(), uri: Some("a".into()) });
        assert_eq!((second.kind, reading.faults.total), (None, 2));
    }

    /// One line of the good playlist replaced; the line that is complained about, and a word of the
    /// complaint.
    #[test]
    fn every_fault_has_its_line() {
        for (old, new, line, what) in [
            ("#EXTM3U\n", "#EXT-X-Y\n", 1, "not #EXTM3U"),
            ("#EXT-X-VERSION:3", "#EXT-X-VERSION:three", 2, "cannot be \"three\""),
            ("DURATION:2", "DURATION:2.5", 3, "cannot be \"2.5\""),
            ("#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", 3, "twice"),
            ("1.980,title", "1.980", 8, "no comma"),
            ("1.980,", "-1,", 8, "cannot be \"-1\""),
            ("1.980,", "1e3,", 8, "cannot be \"1e3\""),
            ("7.ts\n", "", 9, "without a URI between"),
            ("#EXTINF:2,\n", "", 10, "without EXTINF"),
            ("8.ts\n", "", 11, "without a URI"),
            ("8.ts", " 8.ts", 11, "white space"),
            ("8.ts", "8\0.ts", 11, "control"),
            ("#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE:7", 12, "after the first segment"),
            ("#EXT-X-ENDLIST", "#EXT-X-STREAM-INF:BANDWIDTH=1\nx", 12, "other kind"),
            ("01T00", "01 at 00", 7, "no date"),
            ("#EXT-X-VERSION:3", "#EXT-X-PLAYLIST-TYPE:LIVE", 2, "cannot be \"LIVE\""),
        ] {
            assert!(GOOD.contains(old));
            let faults = faults(&GOOD.replacen(old, new, 1));
            let found = faults.iter().any(|(at, fault)| *at == line && fault.contains(what));
            assert!(found, "{old:?} -> {new:?}: {faults:?}");
        }
    }

    #[test]
    fn what_is_no_playlist_is_an_empty_one() {
        assert_eq!(faults("")[0], (0, "the playlist is empty".into()));
        assert_eq!(faults("<html>\n</html>").len(), 4);
        let reading = read_playlist(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#\xff\n");
        assert_eq!(reading.faults.first[0].position, 3, "{reading:?}");
    }
}
