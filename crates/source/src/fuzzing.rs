//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use std::io::Cursor;

use media::Timestamp;

use crate::{Error, OnFault, Sample, Source};

/// An MP4 never panics or hangs; what opens plays to its end without an error, in order, from zero,
/// and the same again after a rewind; samples are no larger than the file.
pub fn mp4_file(data: &[u8]) {
    if data.starts_with(b"FLV") {
        return;
    }
    let Ok(mut source) = open(data) else { return };
    let first = play(&mut source, data.len());
    assert!(first.error.is_none(), "an opened MP4 broke: {:?}", first.error);
    assert!(first.samples > 0, "opened without samples");
    assert_eq!(first.earliest, Some(Timestamp::ZERO), "does not start at zero");
    source.rewind();
    let second = play(&mut source, data.len());
    assert_eq!((first.samples, first.latest), (second.samples, second.latest), "rounds differ");
}

/// An FLV file never panics or hangs, and plays in the order of each track.
pub fn source_flv(data: &[u8]) {
    if !data.starts_with(b"FLV") {
        return;
    }
    let Ok(mut source) = open(data) else { return };
    let first = play(&mut source, data.len());
    let duration = source.duration();
    source.rewind();
    let second = play(&mut source, data.len());
    assert_eq!((first.samples, first.latest), (second.samples, second.latest), "rounds differ");
    assert_eq!(duration, source.duration(), "the second round changed the duration");
}

/// One round.
#[derive(Debug, Default)]
struct Round {
    samples: u64,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    error: Option<Error>,
}

fn open(data: &[u8]) -> Result<Source<Cursor<&[u8]>>, Error> {
    let source = Source::new(Cursor::new(data), OnFault::LeaveOut)
        .inspect_err(|error| assert_one_line(&error.to_string()))?;
    assert_one_line(&source.info().to_string());
    Ok(source)
}

fn play(source: &mut Source<Cursor<&[u8]>>, file_bytes: usize) -> Round {
    let mut round = Round::default();
    let (mut video, mut audio) = (None, None);
    loop {
        let sample = match source.next_sample() {
            Ok(Some(sample)) => sample,
            Ok(None) => break,
            Err(error) => {
                assert_one_line(&error.to_string());
                round.error = Some(error);
                break;
            }
        };
        let (last, at, data) = match &sample {
            Sample::Video { dts, data, .. } => (&mut video, *dts, data),
            Sample::Audio { pts, data } => (&mut audio, *pts, data),
            Sample::VideoConfig(_) | Sample::AudioConfig(_) => continue,
        };
        assert!(last.is_none_or(|last| last <= at), "a track goes back: {last:?}, then {at:?}");
        assert!(!data.is_empty() && data.len() <= file_bytes, "sample of {} bytes", data.len());
        *last = Some(at);
        round.samples = round.samples.saturating_add(1);
        round.earliest = Some(round.earliest.map_or(at, |earliest| earliest.min(at)));
        round.latest = round.latest.max(Some(at));
    }
    source.notes().iter().for_each(|note| assert_one_line(&note.to_string()));
    round
}

fn assert_one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters in {text:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_source_mp4_hold() {
        testmedia::replay_damaged("source_mp4", usize::MAX, super::mp4_file);
    }

    #[test]
    fn seeds_of_source_flv_hold() {
        testmedia::replay_damaged("source_flv", usize::MAX, super::source_flv);
    }
}
