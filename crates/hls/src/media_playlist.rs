//! The media playlist of one rendition (RFC 8216 4.3.2 and 4.3.3).

use std::fmt::Write;

use crate::date::rfc3339;

/// What a media playlist says.
pub(crate) struct MediaPlaylist<'a> {
    pub(crate) independent: bool,
    pub(crate) target_duration_secs: u64,
    pub(crate) media_sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) uri_prefix: &'a str,
    pub(crate) ended: bool,
}

/// A segment's lines.
pub(crate) struct Entry {
    pub(crate) discontinuity: bool,
    pub(crate) start_unix_ms: i64,
    pub(crate) duration_ms: u64,
}

impl MediaPlaylist<'_> {
    /// The text with these segments, numbered from `media_sequence` on.
    pub(crate) fn render(&self, entries: impl Iterator<Item = Entry>) -> String {
        let mut text = String::with_capacity(1024);
        text.push_str("#EXTM3U\n#EXT-X-VERSION:3\n");
        if self.independent {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        self.render_numbers(&mut text);
        for (sequence, entry) in (self.media_sequence..).zip(entries) {
            self.render_entry(sequence, &entry, &mut text);
        }
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn render_numbers(&self, text: &mut String) {
        let Self { target_duration_secs, media_sequence, discontinuity_sequence, .. } = self;
        line(text, format_args!("#EXT-X-TARGETDURATION:{target_duration_secs}"));
        line(text, format_args!("#EXT-X-MEDIA-SEQUENCE:{media_sequence}"));
        line(text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity_sequence}"));
    }

    fn render_entry(&self, sequence: u64, entry: &Entry, text: &mut String) {
        if entry.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        line(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", rfc3339(entry.start_unix_ms)));
        let ms = entry.duration_ms;
        line(text, format_args!("#EXTINF:{}.{:03},", ms / 1000, ms % 1000));
        line(text, format_args!("{}{sequence}.ts", self.uri_prefix));
    }
}

pub(crate) fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a String cannot fail");
}
