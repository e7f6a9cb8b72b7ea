//! ffmpeg and ffprobe read what we mux: nothing lost, nothing to warn of.

#[path = "../src/oracle.rs"]
mod oracle;

use std::path::{Path, PathBuf};
use std::process::Command;

use media::{Duration, Timestamp};
use mpegts::{Muxer, Tracks};
use oracle::Pes;

/// Runs a tool of ffmpeg, which must succeed and have nothing to complain of; gives its output.
fn run(tool: &str, log_level: &str, arguments: &[&str]) -> String {
    let output = Command::new(tool)
        .args(["-v", log_level])
        .args(arguments)
        .output()
        .expect("ffmpeg is installed");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{tool} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("writing a scratch file");
    path
}

/// The checksums of the decoded pictures or samples of one stream.
fn checksums(path: &Path, stream: &str) -> Vec<String> {
    // The times of bare elementary streams are always guessed, with a warning.
    let log_level = if path.extension().is_some_and(|extension| extension == "ts") {
        "warning"
    } else {
        "error"
    };
    let path = path.to_str().expect("UTF-8");
    let text = run("ffmpeg", log_level, &["-i", path, "-map", stream, "-f", "framemd5", "-"]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next()).map(str::to_owned).collect()
}

/// PTS and DTS of all packets of one stream.
fn times(path: &Path, stream: &str) -> Vec<(i64, i64)> {
    let path = path.to_str().expect("UTF-8");
    let arguments =
        ["-select_streams", stream, "-show_entries", "packet=pts,dts", "-of", "csv=p=0", path];
    let text = run("ffprobe", "warning", &arguments);
    let number = |field: &str| field.parse::<i64>().expect("a time");
    text.lines()
        .filter_map(|line| line.trim_end_matches(',').split_once(','))
        .map(|(a, b)| (number(a), number(b)))
        .collect()
}

/// The NAL units of a byte stream.
fn nal_units(annex_b: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (3..annex_b.len()).filter(|i| annex_b[i - 3..*i] == [0, 0, 1]).collect();
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([annex_b.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| &annex_b[*start..end]);
    units.map(without_zeros_at_end).collect()
}

fn without_zeros_at_end(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

fn is_parameter_set(unit: &&[u8]) -> bool {
    matches!(unit[0] & 0x1f, 7 | 8)
}

/// Pictures of a byte stream: a slice whose `first_mb_in_slice` is 0 starts one.
fn pictures(annex_b: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut pictures: Vec<Vec<&[u8]>> = Vec::new();
    let mut before_slices = Vec::new();
    for unit in nal_units(annex_b) {
        let is_slice = matches!(unit[0] & 0x1f, 1 | 5);
        match pictures.last_mut() {
            Some(picture) if is_slice && unit[1] & 0x80 == 0 => picture.push(unit),
            _ => before_slices.push(unit),
        }
        if is_slice && unit[1] & 0x80 != 0 {
            pictures.push(std::mem::take(&mut before_slices));
        }
    }
    pictures
}

/// The whole ADTS frames of a file.
fn adts_frames(file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = file;
    while let [0xff, _, _, third, fourth, fifth, ..] = rest {
        let len =
            usize::from(third & 3) << 11 | usize::from(*fourth) << 3 | usize::from(fifth >> 5);
        let Some((frame, later)) = rest.split_at_checked(len) else { break };
        frames.push(frame);
        rest = later;
    }
    frames
}

fn write_picture(
    muxer: &mut Muxer,
    picture: &[&[u8]],
    pts: Timestamp,
    dts: Timestamp,
    out: &mut Vec<u8>,
) {
    let random_access = picture.iter().any(|unit| unit[0] & 0x1f == 5);
    let (parameter_sets, others): (Vec<&[u8]>, Vec<&[u8]>) =
        picture.iter().copied().partition(is_parameter_set);
    muxer.write_video(pts, dts, random_access, parameter_sets.into_iter(), others.into_iter(), out);
}

#[test]
fn a_camera_stream_with_audio_is_decoded_to_the_same_pictures_and_samples() {
    let video_path = testmedia::path("h264/BA1_FT_C.264");
    let audio_path = testmedia::path("aac/srs_avatar.aac");
    let (video, audio) = (std::fs::read(&video_path).unwrap(), std::fs::read(&audio_path).unwrap());
    let frames = adts_frames(&audio);
    let groups: Vec<&[&[u8]]> = frames.chunks(8).collect();
    let mut groups = groups.iter().enumerate().map(|(i, group)| {
        let pts = Timestamp::from_ticks(i as i64 * 8 * 1024 * 90_000 / 44_100);
        (pts, group.concat())
    });
    let (mut muxer, mut ts) = (Muxer::new(Tracks { video: true, audio: true }), Vec::new());
    muxer.start_segment(&mut ts);
    for (i, picture) in pictures(&video).iter().enumerate() {
        let time = Timestamp::from_ticks(i as i64 * 3003);
        write_picture(&mut muxer, picture, time, time, &mut ts);
        // Audio a quarter of a second late, as it is grouped.
        if i % 6 == 5 {
            groups
                .next()
                .into_iter()
                .for_each(|(pts, adts)| muxer.write_audio(pts, &adts, &mut ts));
        }
    }
    groups.for_each(|(pts, adts)| muxer.write_audio(pts, &adts, &mut ts));
    let muxed = scratch("camera.ts", &ts);
    assert_eq!(checksums(&muxed, "0:v").len(), 299, "as the manifest says");
    assert_eq!(checksums(&muxed, "0:v"), checksums(&video_path, "0:v"));
    assert_eq!(checksums(&muxed, "0:a"), checksums(&audio_path, "0:a"));
}

/// What ffmpeg's own encoder and muxer make of its test picture, 144p with B-pictures and audio.
fn ffmpegs_own() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("theirs.ts");
    let input = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=256x144:rate=30",
        "-f",
        "lavfi",
        "-i",
        "sine",
        "-t",
        "8",
    ];
    let video = ["-c:v", "libx264", "-b:v", "60k", "-g", "60", "-bf", "2", "-pix_fmt", "yuv420p"];
    let output = ["-c:a", "aac", "-b:a", "32k", "-y", path.to_str().expect("UTF-8")];
    run("ffmpeg", "warning", &[&input[..], &video, &output].concat());
    path
}

/// Muxes PES packets again, a segment at each IDR.
fn remux(stream: &[Pes]) -> Vec<Vec<u8>> {
    let mut muxer = Muxer::new(Tracks { video: true, audio: true });
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for pes in stream {
        let pts = Timestamp::from_ticks(pes.pts.expect("a PTS") as i64);
        let dts = pes.dts.map_or(pts, |dts| Timestamp::from_ticks(dts as i64));
        if pes.pid == 0x100 && pes.random_access {
            let mut segment = Vec::new();
            muxer.start_segment(&mut segment);
            segments.push(segment);
        }
        let out = segments.last_mut().expect("ffmpeg starts with an IDR");
        if pes.pid == 0x100 {
            let picture: Vec<&[u8]> =
                nal_units(&pes.data).into_iter().filter(|unit| unit[0] & 0x1f != 9).collect();
            write_picture(&mut muxer, &picture, pts, dts, out);
        } else {
            muxer.write_audio(pts, &pes.data, out);
        }
    }
    segments
}

#[test]
fn b_pictures_keep_their_times_segments_decode_alone_and_we_need_fewer_bytes_than_ffmpeg() {
    let theirs = ffmpegs_own();
    let their_bytes = std::fs::read(&theirs).unwrap();
    let segments = remux(&oracle::demux(&their_bytes).pes);
    let ours = scratch("ours.ts", &segments.concat());
    // We shift all times by 1.4 s once more.
    let shift = Duration::from_millis(1400).ticks();
    for stream in ["v", "a"] {
        let (ours, theirs) = (times(&ours, stream), times(&theirs, stream));
        assert_eq!(ours.len(), theirs.len());
        // ffprobe works out the times of all but the first audio frame of a PES packet, to the
        // tick.
        let is_same = |ours: i64, theirs: i64| (ours - theirs - shift).abs() <= 1;
        let mut pairs = ours.iter().zip(&theirs);
        assert!(pairs.all(|(o, t)| is_same(o.0, t.0) && is_same(o.1, t.1)), "times of {stream}");
    }
    for stream in ["0:v", "0:a"] {
        assert_eq!(checksums(&ours, stream), checksums(&theirs, stream));
    }
    assert_eq!(segments.len(), 4);
    for (i, segment) in segments.iter().enumerate() {
        assert_eq!(checksums(&scratch(&format!("segment{i}.ts"), segment), "0:v").len(), 60);
    }
    let our_bytes: usize = segments.iter().map(Vec::len).sum();
    assert!(
        our_bytes * 100 <= their_bytes.len() * 85,
        "{our_bytes} bytes, ffmpeg {}",
        their_bytes.len()
    );
}

#[test]
fn timestamps_go_on_over_the_wrap_for_ffprobe() {
    let video = testmedia::read("h264/BA1_FT_C.264");
    let (mut muxer, mut ts) = (Muxer::new(Tracks { video: true, audio: false }), Vec::new());
    muxer.start_segment(&mut ts);
    let start = (1 << 33) - 126_000 - 100 * 3003;
    for (i, picture) in pictures(&video).iter().enumerate() {
        let time = Timestamp::from_ticks(start + i as i64 * 3003);
        write_picture(&mut muxer, picture, time, time, &mut ts);
    }
    let times = times(&scratch("wrap.ts", &ts), "v");
    assert_eq!(times.len(), 299);
    assert!(times.windows(2).all(|pair| pair[1].1 - pair[0].1 == 3003 && pair[1].0 == pair[1].1));
}
