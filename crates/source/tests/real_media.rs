//! Recorded files, packet by packet against ffprobe: counts, sizes, payload checksums and
//! timestamps.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::Path;
use std::process::Command;

use source::{OnFault, Sample, Source};

/// One sample, of the oracle or ours: times in 90 kHz ticks.
#[derive(Debug, Clone, PartialEq)]
struct Packet {
    pts: i64,
    dts: i64,
    size: usize,
    checksum: u32,
}

#[derive(Debug, Default)]
struct Packets {
    video: Vec<Packet>,
    audio: Vec<Packet>,
}

fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

/// Packets with edit lists applied; its `D` packets, which a player decodes and does not show,
/// included.
fn ffprobe(file: &Path) -> Packets {
    let entries = "stream=index,codec_type,time_base:packet=stream_index,pts,dts,size,data_hash";
    let output = Command::new("ffprobe")
        .args(["-v", "quiet", "-show_packets", "-show_streams", "-show_data_hash", "adler32"])
        .args(["-show_entries", entries])
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let streams: Vec<&str> = sections(&text, "STREAM");
    let mut packets = Packets::default();
    for section in sections(&text, "PACKET") {
        let index = field(section, "stream_index");
        let stream = streams.iter().find(|stream| field(stream, "index") == index).unwrap();
        let (num, den) = field(stream, "time_base").split_once('/').unwrap();
        let (num, den): (i64, i64) = (num.parse().unwrap(), den.parse().unwrap());
        let ticks = |key| (number(section, key) * num * 90_000).div_euclid(den);
        let checksum = field(section, "data_hash").trim_start_matches("adler32:");
        let packet = Packet {
            pts: ticks("pts"),
            dts: ticks("dts"),
            size: usize::try_from(number(section, "size")).unwrap(),
            checksum: u32::from_str_radix(checksum, 16).unwrap(),
        };
        match field(stream, "codec_type") {
            "video" => packets.video.push(packet),
            "audio" => packets.audio.push(packet),
            _ => {}
        }
    }
    packets
}

/// ffprobe's default format: `[NAME]`, lines of key=value, `[/NAME]`.
fn sections<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (start, end) = (format!("[{name}]\n"), format!("[/{name}]"));
    text.split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap()).collect()
}

fn field<'a>(section: &'a str, key: &str) -> &'a str {
    let value = section.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key} in {section}"))
}

fn number(section: &str, key: &str) -> i64 {
    field(section, key).parse().unwrap()
}

fn play(source: &mut Source) -> Packets {
    let mut packets = Packets::default();
    let mut last = i64::MIN;
    while let Some(sample) = source.next_sample().unwrap() {
        if let Some(dts) = sample.dts() {
            assert!(dts.ticks() >= 0, "before zero");
            last = last.max(dts.ticks());
        }
        let packet = |pts: media::Timestamp, dts: media::Timestamp, data: &[u8]| Packet {
            pts: pts.ticks(),
            dts: dts.ticks(),
            size: data.len(),
            checksum: adler32(data),
        };
        match sample {
            Sample::Video { dts, pts, data, .. } => packets.video.push(packet(pts, dts, &data)),
            Sample::Audio { pts, data } => packets.audio.push(packet(pts, pts, &data)),
            Sample::VideoConfig(_) | Sample::AudioConfig(_) => {}
        }
    }
    assert_eq!(source.duration().ticks() > 0, last > i64::MIN);
    packets
}

/// Everything as ffprobe has it, but for one shift of all presentation times, another of the
/// decoding times of the pictures, and a tick of rounding.
fn expect_as_ffprobe(file: &Path) {
    let name = file.display();
    let mut source =
        Source::open(file, OnFault::Refuse).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (ours, theirs) = (play(&mut source), ffprobe(file));
    assert_eq!(ours.video.len(), theirs.video.len(), "{name}: pictures");
    assert_eq!(ours.audio.len(), theirs.audio.len(), "{name}: audio frames");
    let first =
        |packets: &Packets| packets.video.iter().chain(&packets.audio).next().map(|p| p.pts);
    let shift = first(&ours).unwrap() - first(&theirs).unwrap();
    let dts_shift = match (ours.video.first(), theirs.video.first()) {
        (Some(ours), Some(theirs)) => ours.dts - theirs.dts,
        _ => shift,
    };
    for (kind, dts_shift, ours, theirs) in [
        ("picture", dts_shift, &ours.video, &theirs.video),
        ("audio frame", shift, &ours.audio, &theirs.audio),
    ] {
        for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let about = format!("{name}: {kind} {index}: {ours:?} and {theirs:?}");
            assert_eq!((ours.size, ours.checksum), (theirs.size, theirs.checksum), "{about}");
            assert!((ours.pts - theirs.pts - shift).abs() <= 1, "pts of {about}, shift {shift}");
            assert!((ours.dts - theirs.dts - dts_shift).abs() <= 1, "dts of {about}, {dts_shift}");
        }
        assert!(
            ours.iter().all(|packet| packet.pts >= packet.dts),
            "{name}: {kind} before its dts"
        );
    }
    let earliest = ours.video.iter().chain(&ours.audio).map(|packet| packet.dts).min();
    assert_eq!(earliest, Some(0), "{name}: starts at zero");
    source.rewind();
    let again = play(&mut source);
    assert_eq!((again.video, again.audio), (ours.video, ours.audio), "{name}: second round");
}

#[test]
fn every_clean_mp4_is_as_ffprobe_reads_it() {
    for name in [
        "mp4/aac_5_1_15fps.mp4",
        "mp4/b_pyramid.mp4",
        "mp4/editlist_empty_1s.mp4",
        "mp4/fragmented_styp_sidx.mp4",
        "mp4/high10.mp4",
        "mp4/iphone6s_rot90.mov",
        "mp4/nal_length_2.mp4",
        "mp4/open_gop_recovery_point.mp4",
        "mp4/partially_fragmented.mp4",
        "mp4/portrait_large_cts_offset.mp4",
        "mp4/resolution_change.mp4",
        "mp4/vfr_3026x1386.mp4",
        "aac/heaac_v1_22k.m4a",
        "aac/lc_5_1_16k.m4a",
        "corpora/mp4/mozilla_minimal.mp4",
        "corpora/mp4/shiguredo_black_fmp4.mp4",
    ] {
        if let Some(file) = testmedia::find(name) {
            expect_as_ffprobe(&file);
        }
    }
}

#[test]
fn every_clean_flv_is_as_ffprobe_reads_it() {
    for name in [
        "flv/srs_avatar.flv",
        "flv/red5_rotations.flv",
        "flv/4k60_avc_aac.flv",
        "flv/no_audio_keyframe_index.flv",
        "flv/audio_only_aac.flv",
        "corpora/flv/golivepeer_e2e.flv",
    ] {
        if let Some(file) = testmedia::find(name) {
            expect_as_ffprobe(&file);
        }
    }
}

/// The kinds of the recordings that the repository may not carry: fragments behind `styp` and
/// `sidx`, and 5.1 channels.
#[test]
fn what_ffmpeg_makes_is_as_ffprobe_reads_it() {
    for (name, args) in [
        ("fragments.mp4", "-movflags dash+frag_keyframe+empty_moov -g 20 -bf 0 -c:a aac"),
        ("fragments_with_b_pictures.mp4", "-movflags dash+frag_keyframe -g 20 -bf 2 -c:a aac"),
        ("surround.mp4", "-g 15 -r 15 -c:a aac -ac 6"),
        ("surround.flv", "-g 15 -r 15 -c:a aac -ac 6"),
    ] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let status = Command::new("ffmpeg")
            .args("-nostdin -v error -y -f lavfi -i testsrc2=size=320x180:rate=30".split(' '))
            .args("-f lavfi -i sine=sample_rate=48000 -t 4 -pix_fmt yuv420p -threads 1".split(' '))
            .args(format!("-c:v libx264 -preset ultrafast {args}").split(' '))
            .arg(&file)
            .status()
            .expect("ffmpeg is installed");
        assert!(status.success(), "{name}");
        expect_as_ffprobe(&file);
    }
}

/// Why the file is refused, or what is wrong with it on the way.
fn fault(file: &Path) -> String {
    match Source::open(file, OnFault::Refuse) {
        Err(error) => error.to_string(),
        Ok(mut source) => loop {
            match source.next_sample() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{} plays to its end", file.display()),
                Err(error) => break error.to_string(),
            }
        },
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    for (name, expected) in [
        (
            "mp4/broken_no_moov.mp4",
            "has no moov box in its 4336 bytes: the recording ended before its index was written",
        ),
        (
            "mp4/broken_mdhd_timescale.mp4",
            "mdhd at byte 1027: timescale 3523727305, allowed are 1 to 2147483647",
        ),
        (
            "aac/xheaac_44k_mono.mp4",
            "track 1 (audio) is xHE-AAC (audio object type 42) at byte 492: AAC audio (LC, HE) can be published",
        ),
        (
            "flv/h264_mp3_16x8.flv",
            "the audio track is MP3 at byte 386: AAC audio (LC, HE) can be published",
        ),
        (
            "flv/truncated_sorenson_mp3.flv",
            "the audio track is MP3 at byte 388: AAC audio (LC, HE) can be published",
        ),
        (
            "flv/red5_flashContent_speex.flv",
            "the audio track is Speex at byte 298: AAC audio (LC, HE) can be published",
        ),
        (
            "flv/obs29_av1_aac_enhanced.flv",
            "the video track is AV1 (av01) at byte 453: H.264 video can be published",
        ),
        (
            "corpora/mp4/lofty_64cb0259.m4a",
            "track 1 (audio): sample 1 of 6 bytes at byte 4096 goes past the end of the file, byte 3459",
        ),
        (
            "corpora/flv/header_only.flv",
            "has no video and no audio in its 13 bytes: H.264 and AAC can be published",
        ),
    ] {
        if let Some(file) = testmedia::find(name) {
            assert_eq!(fault(&file), expected, "{name}");
        }
    }
    let adts = fault(&testmedia::path("aac/srs_avatar.aac"));
    assert!(adts.starts_with("is neither MP4, QuickTime nor FLV"), "{adts}");
}

#[test]
fn every_file_of_the_corpora_ends_in_one_line() {
    let clean = ["mozilla_minimal.mp4", "shiguredo_black_fmp4.mp4", "golivepeer_e2e.flv"];
    for folder in ["corpora/mp4", "corpora/flv"] {
        for name in testmedia::names_in(folder) {
            let is_clean = clean.iter().any(|clean| name.ends_with(clean));
            if let Some(file) = testmedia::find(name).filter(|_| !is_clean) {
                let fault = fault(&file);
                assert!(!fault.contains('\n') && !fault.is_empty(), "{name}: {fault}");
            }
        }
    }
}

/// ffprobe finds nothing in it: all sizes between the tags are wrong. The counts are those of
/// tests/media/MANIFEST.md, without the two tags of no content.
#[test]
fn an_flv_with_wrong_sizes_between_its_tags_plays() {
    let file = testmedia::path("flv/red5_h264_aac_badprevsize.flv");
    let mut source = Source::open(&file, OnFault::Refuse).unwrap();
    let packets = play(&mut source);
    assert_eq!((packets.video.len(), packets.audio.len()), (446, 1264));
}

#[test]
fn a_file_says_what_it_is_in_one_line() {
    for (name, line) in [
        (
            "mp4/portrait_large_cts_offset.mp4",
            "MP4, 17.252 s, H.264 avc1.64001f 720x1280 30.00 fps, AAC mp4a.40.2 44100 Hz 2 ch, 1343 kbit/s",
        ),
        (
            "flv/srs_avatar.flv",
            "FLV, 11.240 s, H.264 avc1.640020 768x320 25.00 fps, AAC mp4a.40.2 44100 Hz 2 ch, 240 kbit/s",
        ),
        ("aac/heaac_v1_22k.m4a", "MP4, 0.743 s, AAC mp4a.40.5 22050 Hz 1 ch, 63 kbit/s"),
    ] {
        if let Some(file) = testmedia::find(name) {
            assert_eq!(
                Source::open(&file, OnFault::Refuse).unwrap().info().to_string(),
                line,
                "{name}"
            );
        }
    }
}

#[test]
fn a_phones_rotation_is_a_warning() {
    let file = testmedia::path("mp4/iphone6s_rot90.mov");
    let source = Source::open(&file, OnFault::Refuse).unwrap();
    assert_eq!(
        source.notes().iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "track 1 (video) is to be turned by 90 degrees: a stream cannot say so, it will lie on its side"
        ]
    );
}
