//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Checker, Decoded, Limits, Options, PACKET_BYTES, Playlist, RequestKind, Response, Step,
    read_fragments, read_init, read_playlist, read_segment,
};

/// A playlist is read and judged to the end, whatever it says; faults are within it.
pub fn playlist(data: &[u8]) {
    let reading = read_playlist(data);
    let lines = String::from_utf8_lossy(data).lines().count();
    assert!(reading.faults.first.len() <= Limits::DEFAULT.max_faults);
    assert!(reading.faults.first.iter().all(|fault| fault.position <= lines.max(1)));
    match &reading.playlist {
        Playlist::Media(media) => {
            assert!(media.segments.len() <= lines);
            assert!(media.segments.iter().all(|segment| segment.duration_secs.is_finite()));
        }
        Playlist::Multivariant(multivariant) => assert!(multivariant.variants.len() <= lines),
    }
    check(data, &[]);
}

/// A segment is read and judged to the end, whatever it holds; nothing found is more than there
/// was.
pub fn ts(data: &[u8]) {
    let facts = read_segment(&Bytes::copy_from_slice(data), None);
    assert!(facts.faults.first.iter().all(|fault| fault.position <= data.len()));
    let video: usize = facts.access_units.iter().map(|unit| unit.annexb.len()).sum();
    assert!(video <= data.len());
    assert!(facts.counters.len() <= data.len() / PACKET_BYTES);
    let playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na\n#EXTINF:2,\nb\n";
    check(playlist, data);
}

/// An initialization section and the fragments behind it are read and judged to the end, whatever
/// they hold; nothing found is more than there was.
pub fn fmp4(data: &[u8]) {
    let moof = data.windows(4).position(|window| window == b"moof").unwrap_or(data.len());
    let (head, fragments) = data.split_at(moof.saturating_sub(4));
    let init = read_init(&Bytes::copy_from_slice(head));
    assert!(init.faults.first.iter().all(|fault| fault.position <= head.len()));
    let facts = read_fragments(&Bytes::copy_from_slice(fragments), &init, 0);
    assert!(facts.faults.first.iter().all(|fault| fault.position <= fragments.len()));
    assert!(facts.access_units.len() <= Limits::DEFAULT.max_fragment_samples);
    let playlist =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:2,\na\n#EXTINF:2,\nb\n";
    check(playlist, data);
}

/// A whole check where every playlist and every segment is the same.
fn check(playlist: &[u8], segment: &[u8]) {
    let options = Options { duration: Duration::from_secs(3), ..Options::default() };
    let Ok(mut checker) = Checker::new("http://h/a.m3u8", options) else {
        panic!("the URL is good");
    };
    let mut now = Duration::ZERO;
    // A playlist of many segments, each of which is fetched, proves no more than one of some.
    for _ in 0..200 {
        match checker.next(now) {
            Step::Fetch(request) => {
                let body = match request.kind {
                    RequestKind::Playlist => playlist,
                    RequestKind::Segment => segment,
                };
                let body = Bytes::copy_from_slice(body);
                let (sent_at, received_at) = (now, now);
                let response =
                    Response { status: 200, headers: Vec::new(), body, sent_at, received_at };
                checker.response(&response);
            }
            Step::Decode(_) => checker.decoded(&Decoded::default()),
            Step::WaitUntil(time) | Step::WaitForStream { until: time, .. } => {
                assert!(time > now, "time goes on");
                now = time;
            }
            Step::Done => break,
        }
    }
    let report = checker.finish(now);
    assert_eq!(report.rules.len(), crate::Rule::ALL.len());
    assert!(!report.to_string().is_empty());
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_hold() {
        testmedia::replay("check_playlist", super::playlist);
        testmedia::replay("check_ts", super::ts);
        testmedia::replay("check_fmp4", super::fmp4);
    }
}
