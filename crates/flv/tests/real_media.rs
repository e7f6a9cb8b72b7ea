//! Recorded files, against the tag counts that another reader found in them
//! (tests/media/MANIFEST.md) and FFmpeg's packet counts.

use flv::{AudioBody, AudioTag, FileReader, OnMetaData, TagKind, VideoBody, VideoTag};

/// What is in a file.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    script: u32,
    avc_headers: u32,
    access_units: u32,
    ends: u32,
    aac_headers: u32,
    aac_frames: u32,
    /// Name of a codec that is not ours, and how many tags have it.
    other: Vec<(String, u32)>,
    bad: u32,
}

/// Tags until the end of the file or the first error.
fn tags(file: &[u8]) -> Vec<flv::Tag> {
    let mut reader = FileReader::default();
    reader.push(file);
    std::iter::from_fn(|| reader.next_tag().ok().flatten()).collect()
}

fn counts(file: &[u8]) -> Counts {
    let mut counts = Counts::default();
    for tag in tags(file) {
        match tag.kind {
            TagKind::Script => counts.script += 1,
            TagKind::Video => counts.video(VideoTag::parse(tag.body)),
            TagKind::Audio => counts.audio(AudioTag::parse(tag.body)),
        }
    }
    counts
}

impl Counts {
    fn video(&mut self, tag: Result<Option<VideoTag>, flv::Error>) {
        match tag.map(|tag| tag.map(|tag| tag.body)) {
            Ok(Some(VideoBody::SequenceHeader(_))) => self.avc_headers += 1,
            Ok(Some(VideoBody::NalUnits { .. })) => self.access_units += 1,
            Ok(Some(VideoBody::EndOfSequence)) => self.ends += 1,
            Ok(Some(VideoBody::Unsupported(codec))) => self.other(codec.to_string()),
            Ok(Some(VideoBody::Command) | None) => {}
            Err(_) => self.bad += 1,
        }
    }

    fn audio(&mut self, tag: Result<Option<AudioTag>, flv::Error>) {
        match tag.map(|tag| tag.map(|tag| tag.body)) {
            Ok(Some(AudioBody::SequenceHeader(_))) => self.aac_headers += 1,
            Ok(Some(AudioBody::Raw(_))) => self.aac_frames += 1,
            Ok(Some(AudioBody::Mp3(_))) => self.other("MP3".to_owned()),
            Ok(Some(AudioBody::Unsupported(codec))) => self.other(codec.to_string()),
            Ok(None) => {}
            Err(_) => self.bad += 1,
        }
    }

    fn other(&mut self, name: String) {
        match self.other.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.other.push((name, 1)),
        }
    }
}

/// For a file that is on this machine: script tags, AVC headers, access units, ends, AAC headers,
/// AAC frames, and the other codec.
fn expect(name: &str, ours: [u32; 6], other: &[(&str, u32)]) {
    let Some(file) = testmedia::find_and_read(name) else { return };
    let [script, avc_headers, access_units, ends, aac_headers, aac_frames] = ours;
    let other = other.iter().map(|&(codec, count)| (codec.to_owned(), count)).collect();
    let expected =
        Counts { script, avc_headers, access_units, ends, aac_headers, aac_frames, other, bad: 0 };
    assert_eq!(counts(&file), expected, "{name}");
}

#[test]
fn every_tag_of_the_recorded_files_is_read() {
    expect("flv/srs_avatar.flv", [1, 1, 282, 1, 1, 486], &[]);
    expect("flv/red5_rotations.flv", [19, 17, 462, 0, 5, 510], &[]);
    expect("flv/red5_flashContent_speex.flv", [1, 4, 395, 0, 0, 0], &[("Speex", 50)]); // and one empty tag
    expect("flv/h264_mp3_16x8.flv", [1, 1, 30, 1, 0, 0], &[("MP3", 22)]);
    expect("flv/obs29_av1_aac_enhanced.flv", [1, 0, 0, 0, 1, 132], &[("AV1 (av01)", 407)]);
    expect("flv/4k60_avc_aac.flv", [1, 1, 59, 1, 1, 47], &[]);
    expect("flv/no_audio_keyframe_index.flv", [1, 1, 71, 1, 0, 0], &[]);
    expect("flv/audio_only_aac.flv", [1, 0, 0, 0, 1, 1423], &[]);
}

#[test]
fn wrong_previous_tag_sizes_do_not_matter() {
    expect("flv/red5_h264_aac_badprevsize.flv", [0, 1, 446, 1, 1, 1264], &[]);
}

#[test]
fn a_file_cut_inside_a_tag_gives_all_tags_before_it() {
    expect(
        "flv/truncated_sorenson_mp3.flv",
        [1, 0, 0, 0, 0, 0],
        &[("MP3", 71), ("Sorenson H.263", 44)],
    );
}

#[test]
fn metadata_says_who_sends_what() {
    let metadata = |name| {
        let tags = tags(&testmedia::read(name));
        let script = tags.iter().find(|tag| tag.kind == TagKind::Script).expect("a script tag");
        OnMetaData::parse(&script.body).expect("AMF0").expect("onMetaData")
    };
    let avatar = metadata("flv/srs_avatar.flv");
    assert_eq!(
        (avatar.width, avatar.height, avatar.frame_rate),
        (Some(768), Some(320), Some(25.0))
    );
    let audio = metadata("flv/audio_only_aac.flv");
    assert_eq!((audio.audio_sample_rate_hz, audio.width), (Some(44_100), None));
    let obs = metadata("flv/obs29_av1_aac_enhanced.flv").encoder.expect("OBS names itself");
    assert!(obs.starts_with("obs-output module (libobs version 29.1"), "{obs}");
    let keyframes = metadata("flv/no_audio_keyframe_index.flv");
    assert_eq!(
        (keyframes.width, keyframes.height, keyframes.frame_rate),
        (Some(320), Some(180), Some(24.0))
    );
}

#[test]
fn mutated_and_odd_files_end_without_harm() {
    for (name, file) in testmedia::files_in("corpora/flv") {
        let counts = counts(&file);
        assert!(counts.bad <= 1, "{name}: {counts:?}");
    }
    expect("corpora/flv/header_only.flv", [0; 6], &[]);
    if let Some(file) = testmedia::find_and_read("corpora/flv/pcm16sine.flv") {
        assert_eq!(counts(&file).other, [("PCM".to_owned(), 129)]);
    }
    expect("corpora/flv/golivepeer_e2e.flv", [1, 1, 25, 1, 0, 0], &[]);
}
