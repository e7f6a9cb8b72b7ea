//! How things are served.

use crate::checker::{RequestKind, Response};
use crate::fault::excerpt;
use crate::ledger::Ledger;
use crate::report::{Measurement, Outcome};
use crate::rule::Rule;
use crate::segment_facts::Container;

/// How long caches may keep a playlist.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Caching {
    /// Nothing is said.
    Unsaid,
    /// So many seconds; 0 where it must be asked for again each time.
    Secs(u64),
}

/// Judges the headers of a response that has what was asked for; `container` is what a segment is
/// made of.
pub(crate) fn judge(
    ledger: &mut Ledger,
    subject: &str,
    kind: RequestKind,
    container: Container,
    response: &Response,
) {
    let allowed: &[&str] = match (kind, container) {
        (RequestKind::Playlist, _) => &["application/vnd.apple.mpegurl"],
        (RequestKind::Segment, Container::TransportStream) => &["video/mp2t"],
        (RequestKind::Segment, Container::FragmentedMp4) => {
            &["video/mp4", "audio/mp4", "video/iso.segment", "audio/iso.segment"]
        }
        (RequestKind::Segment, Container::PackedAudio) => &["audio/aac"],
    };
    let header = response.header("content-type").unwrap_or_default();
    let media_type = header.split(';').next().unwrap_or_default().trim();
    let is_allowed = allowed.iter().any(|allowed| media_type.eq_ignore_ascii_case(allowed));
    ledger.judge(Rule::ContentType, subject, is_allowed, || {
        format!("Content-Type is \"{}\", not {}", excerpt(header), allowed.join(" or "))
    });
    judge_cors(ledger, subject, response.header("access-control-allow-origin"));
    if kind == RequestKind::Playlist {
        let is_gzip = response.is_gzip();
        ledger.judge(Rule::PlaylistGzip, subject, is_gzip, || {
            "not compressed, though Accept-Encoding offers gzip".to_owned()
        });
    }
}

fn judge_cors(ledger: &mut Ledger, subject: &str, origin: Option<&str>) {
    match origin {
        Some(origin) if origin != "*" => {
            let what = format!("Access-Control-Allow-Origin is only \"{}\"", excerpt(origin));
            ledger.warn(Rule::Cors, subject, what);
        }
        origin => ledger.judge(Rule::Cors, subject, origin.is_some(), || {
            "no Access-Control-Allow-Origin".to_owned()
        }),
    }
}

/// What `Cache-Control` says (RFC 9111 5.2.2); `s-maxage` counts where both are there.
pub(crate) fn caching(response: &Response) -> Caching {
    let Some(header) = response.header("cache-control") else { return Caching::Unsaid };
    let directives = || header.split(',').map(str::trim);
    if directives().any(|d| ["no-store", "no-cache"].iter().any(|no| d.eq_ignore_ascii_case(no))) {
        return Caching::Secs(0);
    }
    let value = |wanted: &str| {
        directives().find_map(|directive| match directive.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case(wanted) => {
                value.trim_matches('"').parse().ok()
            }
            _ => None,
        })
    };
    value("s-maxage").or_else(|| value("max-age")).map_or(Caching::Unsaid, Caching::Secs)
}

/// Judges how long a live playlist may be cached.
pub(crate) fn judge_caching(
    ledger: &mut Ledger,
    subject: &str,
    caching: Caching,
    target_duration_secs: u64,
) {
    match caching {
        Caching::Unsaid => ledger.warn(
            Rule::CacheControl,
            subject,
            "no max-age in Cache-Control: caches keep it as long as they like",
        ),
        Caching::Secs(secs) => {
            let measurement = Measurement::at_most(secs as f64, target_duration_secs as f64, "s");
            let what = "kept by caches for longer than a target duration";
            ledger.measure(Rule::CacheControl, Outcome::Fail, subject, what, measurement);
        }
    }
}
