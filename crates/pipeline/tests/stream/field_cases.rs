//! Inputs after reports from the field (docs/encoders.md, "Field reports"), message by message as
//! they are, against what must come out.

use aac::NotInAdts;
use flv::{Tag, TagKind};
use h264::{ParsedSets, PictureId, SliceHeader};
use pipeline::{AudioRefusal, Notice, Sample};

use crate::shapes::{discontinuities, infos, pictures, play};
use crate::support::{RenditionEvent, Stream, ffmpeg_without_warning, flv_messages, segments};

fn tags(name: &str) -> Vec<Tag> {
    flv_messages(&testmedia::read(&format!("cases/{name}")))
}

fn is_picture(tag: &Tag) -> bool {
    tag.kind == TagKind::Video && tag.body[1] == 1
}

/// The number that each picture of a rendition shows, in display order: bars in its upper half, the
/// low bits in the first quarter, the high ones in the second, the lowest on the left.
fn numbers(events: &[RenditionEvent]) -> Vec<u32> {
    let file: Vec<u8> = segments(events).flat_map(|segment| segment.data.to_vec()).collect();
    let input = "-f mpegts -i - -map 0:v -vf scale=320:240 -pix_fmt gray -fps_mode passthrough";
    let luma = ffmpeg_without_warning(&format!("{input} -f rawvideo -"), &file);
    luma.chunks_exact(320 * 240).map(number).collect()
}

fn number(luma: &[u8]) -> u32 {
    let bit = |row: usize, column: usize| u32::from(luma[row * 320 + column * 40 + 20] > 128);
    let byte = |row: usize| (0..8).fold(0, |byte, column| byte | bit(row, column) << column);
    byte(30) | byte(90) << 8
}

/// Decoding times grow, and no picture is shown before it is decoded.
fn assert_times_make_sense(stream: &Stream) {
    let mut newest = None;
    for package in &stream.source_packages {
        for sample in &package.samples {
            if let Sample::Picture(unit, _) = sample {
                assert!(newest < Some(unit.dts) && unit.dts <= unit.pts, "{:?}", unit.pts);
                newest = Some(unit.dts);
            }
        }
    }
}

fn all_pictures() -> Vec<u32> {
    (0..250).collect()
}

#[test]
fn case_03_nal_per_message_has_every_picture() {
    let stream = play(tags("nal_per_message.flv"));
    assert_eq!(stream.notices, []);
    assert_eq!((pictures(&stream.source), pictures(&stream.rungs[0])), (250, 250));
    assert_eq!(numbers(&stream.source), all_pictures());
    assert_eq!(numbers(&stream.rungs[0]), all_pictures());
}

/// The mirror of it, made of a file with a picture a message.
#[test]
fn case_03_two_pictures_in_one_message_are_two() {
    let mut paired: Vec<Tag> = Vec::new();
    let mut is_second = false;
    for tag in tags("good.flv") {
        if is_picture(&tag) && is_second {
            let first = paired.iter_mut().rfind(|tag| is_picture(tag)).expect("a first");
            first.body = [&first.body[..], &tag.body[5..]].concat().into();
        } else {
            paired.push(tag.clone());
        }
        is_second ^= is_picture(&tag);
    }
    let stream = play(paired);
    assert_eq!(stream.notices, []);
    assert_eq!(numbers(&stream.source), all_pictures());
    assert_eq!(numbers(&stream.rungs[0]), all_pictures());
    assert_times_make_sense(&stream);
}

#[test]
fn case_04_pts_as_timestamp_comes_out_in_display_order() {
    let stream = play(tags("pts_as_timestamp.flv"));
    assert_eq!(stream.notices, []);
    assert_eq!(numbers(&stream.source), all_pictures());
    assert_eq!(numbers(&stream.rungs[0]), all_pictures());
    assert_times_make_sense(&stream);
}

/// The same pictures, stamped one after the other in decoding order.
#[test]
fn case_04_missing_composition_times_come_out_in_display_order() {
    let mut number = 0;
    let counted = tags("pts_as_timestamp.flv").into_iter().map(|mut tag| {
        if is_picture(&tag) {
            tag.timestamp_ms = number * 40;
            number += 1;
        }
        tag
    });
    let stream = play(counted);
    assert_eq!(stream.notices, []);
    assert_eq!(numbers(&stream.source), all_pictures());
    assert_eq!(numbers(&stream.rungs[0]), all_pictures());
    assert_times_make_sense(&stream);
}

#[test]
fn case_06_new_sps_id_in_band_is_in_force_from_its_first_picture_on() {
    let stream = play(tags("new_sps_id_in_band.flv"));
    for (events, sizes) in
        [(&stream.source, [(320, 240), (480, 270)]), (&stream.rungs[0], [(192, 144), (256, 144)])]
    {
        assert_eq!(discontinuities(events).len(), 1);
        let shown: Vec<_> = infos(events).iter().filter_map(|info| info.resolution).collect();
        assert_eq!(shown, sizes);
        assert_eq!(pictures(events), 250);
    }
    // Each segment has the SPS that its pictures refer to, and no other.
    for package in &stream.source_packages {
        let config = package.video.as_ref().expect("pictures");
        assert_eq!(config.parameter_sets.sps.len(), 1);
        let sets = ParsedSets::new(&config.parameter_sets);
        for sample in &package.samples {
            let Sample::Picture(unit, _) = sample else { continue };
            let slice = unit.nal_units.iter().last().expect("a slice");
            let header = SliceHeader::parse_start(slice, |id| sets.of_pps(id));
            let id = header.map(|header| PictureId::of(&header));
            assert!(id.is_ok(), "{id:?}");
        }
    }
}

/// A second SPS that nothing refers to yet is no change of the stream.
#[test]
fn case_06_an_sps_that_no_picture_refers_to_changes_nothing() {
    let in_band = tags("new_sps_id_in_band.flv");
    let new = in_band.iter().find(|tag| is_picture(tag) && tag.timestamp_ms == 4000).expect("it");
    let (units, _) = h264::avcc::nal_units(new.body.slice(5..), 4).expect("NAL units");
    let (_, sets) = h264::split_parameter_sets(units);
    let mut with_it = Vec::new();
    for (n, mut tag) in tags("good.flv").into_iter().enumerate() {
        if is_picture(&tag) && n > 300 && !sets.is_empty() {
            let mut body = tag.body[..5].to_vec();
            h264::write_avcc(sets.iter(), &mut body);
            tag.body = [&body[..], &tag.body[5..]].concat().into();
        }
        with_it.push(tag);
    }
    let stream = play(with_it);
    assert_eq!(discontinuities(&stream.source), [0_usize; 0]);
    assert_eq!((numbers(&stream.source), pictures(&stream.rungs[0])), (all_pictures(), 250));
}

#[test]
fn case_07_audio_gap_4s_is_in_sync_again_within_two_seconds() {
    let stream = play(tags("audio_gap_4s.flv"));
    assert!(matches!(stream.notices[..], [Notice::TracksApart(_)]), "{:?}", stream.notices);
    let (mut audio, mut video, mut silence) = (Vec::new(), Vec::new(), Vec::new());
    for package in &stream.source_packages {
        for sample in &package.samples {
            match sample {
                Sample::Audio(frame) => {
                    audio.push(frame.pts);
                    let ms = frame.pts.ticks() / 90;
                    silence.extend((6_100..9_900).contains(&ms).then(|| frame.data.clone()));
                }
                Sample::Picture(unit, _) => video.push(unit.pts),
            }
        }
    }
    // Sound is there up to 6 s and from 10 s on, in order, to the end of the pictures; silence
    // between, one frame again and again.
    let ms = |at: &media::Timestamp| at.ticks() / 90;
    assert!(silence.len() > 150 && silence.iter().all(|data| *data == silence[0]));
    assert!(audio.is_sorted());
    let end = |times: &[media::Timestamp]| times.iter().map(ms).max().expect("some");
    assert!((end(&video) - end(&audio)).abs() < 200, "{} {}", end(&video), end(&audio));
}

#[test]
fn case_15_aac_quad_pce_and_asc_says_960_name_the_cause_and_its_remedy() {
    for (name, what, remedy) in [
        ("aac_quad_pce.flv", NotInAdts::ProgramConfig, "set the audio to stereo"),
        ("asc_says_960.flv", NotInAdts::SamplesPerFrame, "frames of 1024 samples"),
    ] {
        let stream = play(tags(name));
        let [Notice::UnsupportedAudio(why)] = &stream.notices[..] else {
            panic!("{name}: {:?}", stream.notices)
        };
        let AudioRefusal::Aac(aac::Error::NotInAdts { what: found, .. }) = why else {
            panic!("{name}: {why}")
        };
        assert_eq!(*found, what);
        assert!(stream.notices[0].to_string().contains(remedy), "{}", stream.notices[0]);
        assert!(pictures(&stream.source) > 100, "{name}");
    }
}

/// FFmpeg, whose decoder Chromium has too, must have nothing to say.
#[test]
fn case_16_one_in_25_aac_frames_random_leaves_no_frame_that_does_not_decode() {
    let tags = tags("one_in_25_aac_frames_random.flv");
    let frames = tags.iter().filter(|tag| tag.kind == TagKind::Audio && tag.body[1] == 1).count();
    let stream = play(tags);
    let damaged = |notice: &&Notice| matches!(notice, Notice::DamagedAudio(1));
    let damaged = stream.notices.iter().filter(damaged).count();
    assert!((30..45).contains(&damaged), "{damaged} of {frames}");
    assert_eq!(damaged, stream.notices.len());
    let file: Vec<u8> = segments(&stream.source).flat_map(|it| it.data.to_vec()).collect();
    let written = "-f mpegts -i - -map 0:a -c copy -f framecrc -";
    let written = String::from_utf8(ffmpeg_without_warning(written, &file)).expect("text");
    let written = written.lines().filter(|line| line.starts_with("0,")).count();
    assert!(frames - written <= 3, "{written} of {frames}: those in front of the pictures go");
    ffmpeg_without_warning("-xerror -f mpegts -i - -map 0:a -f null -", &file);
}
