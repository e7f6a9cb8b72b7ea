//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.
#![allow(clippy::panic, reason = "a fuzz body reports a broken property by a panic")]

use bytes::Bytes;

use crate::{AudioBody, AudioTag, Error, FileReader, Limits, OnMetaData, Tag, VideoBody, VideoTag};

/// What a video tag hands out is the end of the input or a part of it, never more, and copies
/// nothing.
pub fn video(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok(Some(tag)) = VideoTag::parse(body.clone()) {
        match tag.body {
            VideoBody::SequenceHeader(part) => assert_inside(&part, &body),
            VideoBody::NalUnits { composition_time_ms, data } => {
                assert!(
                    (-0x80_0000..0x80_0000).contains(&composition_time_ms),
                    "more than 24 bits"
                );
                assert_inside(&data, &body);
            }
            VideoBody::Unsupported(codec) => assert_printable(&codec.to_string()),
            VideoBody::EndOfSequence | VideoBody::Command => {}
        }
    }
}

/// The same for an audio tag.
pub fn audio(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    if let Ok(Some(tag)) = AudioTag::parse(body.clone()) {
        match tag.body {
            AudioBody::SequenceHeader(part) | AudioBody::Raw(part) | AudioBody::Mp3(part) => {
                assert_inside(&part, &body);
            }
            AudioBody::Unsupported(codec) => assert_printable(&codec.to_string()),
        }
    }
}

/// What metadata gives is fit for display and arithmetic.
pub fn script(data: &[u8]) {
    if let Ok(Some(metadata)) = OnMetaData::parse(data) {
        let rates =
            [metadata.frame_rate, metadata.video_data_rate_kbps, metadata.audio_data_rate_kbps];
        assert!(rates.into_iter().flatten().all(|rate| rate.is_finite() && rate > 0.0));
        let sizes = [metadata.width, metadata.height, metadata.audio_sample_rate_hz];
        assert!(sizes.into_iter().flatten().all(|size| size > 0));
        metadata.encoder.iter().for_each(|name| assert_printable(name));
    }
}

/// A file gives the same tags, and the same error, whether it comes at once or byte by byte; no tag
/// is larger than the limit, and together they are no larger than the file.
pub fn file(data: &[u8]) {
    let whole = read_file(data, data.len().max(1));
    assert_eq!(whole, read_file(data, 1));
    let (tags, _) = whole;
    assert!(tags.iter().all(|tag| tag.body.len() <= LIMITS.max_tag_bytes), "tag over the limit");
    assert!(
        tags.iter().map(|tag| tag.body.len()).sum::<usize>() <= data.len(),
        "tags from nothing"
    );
}

const LIMITS: Limits = Limits { max_tag_bytes: 4096, max_header_bytes: 64 };

fn read_file(data: &[u8], part_bytes: usize) -> (Vec<Tag>, Option<Error>) {
    let mut reader = FileReader::new(LIMITS);
    let mut tags = Vec::new();
    for part in data.chunks(part_bytes) {
        reader.push(part);
        loop {
            match reader.next_tag() {
                Ok(Some(tag)) => tags.push(tag),
                Ok(None) => break,
                Err(error) => return (tags, Some(error)),
            }
        }
    }
    (tags, None)
}

fn assert_inside(part: &Bytes, whole: &Bytes) {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    assert!(
        part.is_empty() || (whole.start <= part.start && part.end <= whole.end),
        "outside of the input"
    );
}

fn assert_printable(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters in {text:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_of_flv_video_hold() {
        testmedia::replay_damaged("flv_video", 256, super::video);
    }

    #[test]
    fn seeds_of_flv_audio_hold() {
        testmedia::replay_damaged("flv_audio", 256, super::audio);
    }

    #[test]
    fn seeds_of_flv_script_hold() {
        testmedia::replay_damaged("flv_script", 256, super::script);
    }

    #[test]
    fn seeds_of_flv_file_hold() {
        testmedia::replay_damaged("flv_file", 256, super::file);
    }
}
