//! The media playlist of one rendition (RFC 8216 4.3.2 and 4.3.3).

use std::fmt::Write;

use crate::date::rfc3339;
use crate::{Container, Snapshot, Span};

const TICKS_PER_MS: u64 = 90;

/// What a media playlist says.
pub(crate) struct MediaPlaylist<'a> {
    snapshot: &'a Snapshot,
    container: Container,
}

impl<'a> MediaPlaylist<'a> {
    pub(crate) fn of(snapshot: &'a Snapshot, container: Container) -> Self {
        Self { snapshot, container }
    }

    /// The text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::with_capacity(1024);
        line(&mut text, format_args!("#EXTM3U\n#EXT-X-VERSION:{}", self.container.version()));
        if self.snapshot.independent {
            text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        self.render_numbers(&mut text);
        let mut init = None;
        for span in self.snapshot.offered() {
            self.render_segment(span, &mut init, &mut text);
        }
        if self.snapshot.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }

    fn render_numbers(&self, text: &mut String) {
        let media_sequence = self.snapshot.media_sequence();
        // The number of the first segment's own tag is counted when the tag goes (RFC 8216 6.2.2).
        let discontinuity_sequence = self.snapshot.listed.first().map_or(0, |first| {
            first.cut.discontinuity_sequence - u64::from(first.cut.discontinuity)
        });
        let target_duration_secs = self.snapshot.target_duration_secs;
        line(text, format_args!("#EXT-X-TARGETDURATION:{target_duration_secs}"));
        line(text, format_args!("#EXT-X-MEDIA-SEQUENCE:{media_sequence}"));
        line(text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuity_sequence}"));
    }

    /// `init` is the id of what the segment before is played behind.
    fn render_segment(&self, span: &Span, init: &mut Option<u64>, text: &mut String) {
        if span.cut.discontinuity {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if self.container == Container::FragmentedMp4 {
            self.render_init(span, init, text);
        }
        line(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", rfc3339(span.cut.unix_ms)));
        let ms = rounded_ms(span);
        line(text, format_args!("#EXTINF:{}.{:03},", ms / 1000, ms % 1000));
        line(text, format_args!("{}", self.snapshot.uri(self.container, span.sequence())));
    }

    /// The section that the segment is played behind, where it is not that of the one before.
    fn render_init(&self, span: &Span, init: &mut Option<u64>, text: &mut String) {
        let content = self.snapshot.content(span.sequence());
        let own = content.and_then(|content| content.init.as_ref()).map(|init| init.id());
        if let Some(id) = own
            && *init != own
        {
            line(text, format_args!("#EXT-X-MAP:URI=\"{}\"", self.snapshot.init_uri(id)));
            *init = own;
        }
    }
}

/// How long a span is in whole milliseconds, rounded: what EXTINF says.
pub(crate) fn rounded_ms(span: &Span) -> u64 {
    (span.duration.ticks().max(0) as u64).saturating_add(TICKS_PER_MS / 2) / TICKS_PER_MS
}

pub(crate) fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a String cannot fail");
}
