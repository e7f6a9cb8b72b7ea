//! Encoding, judged by ffmpeg and ffprobe.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;

use codec::{Error, Force, H264Encoder, H264EncoderConfig, Profile, Scaler};
use h264::Colour;
use media::{I420Buf, Timestamp};
use support::{ffmpeg, packed, run, source};

fn config(width: u32, height: u32) -> H264EncoderConfig {
    H264EncoderConfig {
        width,
        height,
        frame_rate: 30.0,
        bitrate_bps: 400_000,
        profile: Profile::High,
        colour: None,
    }
}

/// Time of a picture at 30 fps.
fn pts(index: usize) -> Timestamp {
    Timestamp::from_ticks(index as i64 * 3000)
}

/// An Annex B stream with the parameter sets in front of each IDR, and the size of each picture.
fn encode(
    config: &H264EncoderConfig,
    pictures: &[I420Buf],
    idr: impl Fn(usize) -> bool,
) -> (Vec<u8>, Vec<usize>) {
    let mut encoder = H264Encoder::new(config).unwrap();
    let sets = encoder.parameter_sets().clone();
    let (mut stream, mut sizes) = (Vec::new(), Vec::new());
    for (index, picture) in pictures.iter().enumerate() {
        let force = if idr(index) { Force::Idr } else { Force::None };
        let unit = encoder.encode(picture.as_i420(), pts(index), force).unwrap().unwrap();
        assert_eq!((unit.pts, unit.dts), (pts(index), pts(index)));
        assert_eq!(unit.random_access, idr(index) || index == 0, "picture {index}");
        // Slices only (ITU-T H.264 table 7-1), of the right kind.
        let kind = if unit.random_access { 5 } else { 1 };
        assert!(unit.nal_units.iter().all(|unit| unit[0] & 0x1f == kind));
        let sets = sets.iter().filter(|_| unit.random_access);
        h264::annexb::write(sets.chain(unit.nal_units.iter()), &mut stream);
        sizes.push(unit.nal_units.payload_bytes());
    }
    assert_eq!(*encoder.parameter_sets(), sets);
    (stream, sizes)
}

fn bits_per_second(sizes: &[usize]) -> usize {
    sizes.iter().sum::<usize>() * 8 * 30 / sizes.len()
}

fn mean(samples: &[u8]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64
}

/// ffmpeg's SSIM over all pictures and planes.
fn ssim(stream: &[u8], pictures: &[I420Buf]) -> f64 {
    let (width, height) = (pictures[0].width(), pictures[0].height());
    let raw: Vec<u8> = pictures.iter().flat_map(|picture| packed(picture.as_i420())).collect();
    let file = tempfile("ssim.yuv", &raw);
    let args = format!(
        "-f h264 -r 30 -i - -f rawvideo -pix_fmt yuv420p -s {width}x{height} -r 30 -i {} \
         -lavfi ssim=stats_file=- -f null /dev/null",
        file.display()
    );
    let text = String::from_utf8(ffmpeg(&args, stream)).unwrap();
    let values: Vec<f64> = text
        .lines()
        .filter_map(|line| line.split("All:").nth(1)?.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(values.len(), pictures.len());
    values.iter().sum::<f64>() / values.len() as f64
}

fn tempfile(name: &str, data: &[u8]) -> std::path::PathBuf {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, data).unwrap();
    path
}

#[test]
fn idrs_are_exactly_where_they_are_forced() {
    // A cut from one source to another would tempt a scene change detector.
    let mut pictures = source("testsrc2", 144, 256, 40);
    pictures.extend(source("mandelbrot", 144, 256, 40));
    let forced = [0, 25, 26, 77];
    for profile in [Profile::Baseline, Profile::Main, Profile::High] {
        let config = H264EncoderConfig { profile, ..config(144, 256) };
        let (stream, _) = encode(&config, &pictures, |index| forced.contains(&index));
        let file = tempfile(&format!("idr_{profile:?}.264"), &stream);
        let args = format!(
            "-v error -show_entries stream=profile,width,height,has_b_frames:frame=key_frame,pict_type \
             -of compact=p=0:nk=1 {}",
            file.display()
        );
        let text = String::from_utf8(run("ffprobe", &args, &[])).unwrap();
        let frames: Vec<&str> =
            text.lines().filter(|line| line.contains("|I") || line.contains("|P")).collect();
        assert_eq!(frames.len(), pictures.len(), "{profile:?}");
        for (index, frame) in frames.iter().enumerate() {
            let expected = if forced.contains(&index) { "1|I" } else { "0|P" };
            assert!(frame.starts_with(expected), "{profile:?} picture {index}: {frame}");
        }
        let name = match profile {
            Profile::Baseline => "Constrained Baseline",
            Profile::Main => "Main",
            Profile::High => "High",
        };
        assert!(text.contains(&format!("{name}|144|256|0")), "{profile:?}: {text}");
    }
}

#[test]
fn each_forced_idr_starts_a_stream_of_its_own() {
    let pictures = source("testsrc2", 256, 144, 60);
    let (stream, _) = encode(&config(256, 144), &pictures, |index| index % 20 == 0);
    let sps: Vec<usize> = stream
        .windows(5)
        .enumerate()
        .filter(|(_, code)| *code == [0, 0, 0, 1, 0x67])
        .map(|(at, _)| at)
        .collect();
    assert_eq!(sps.len(), 3);
    let whole = ffmpeg("-f h264 -i - -f rawvideo -", &stream);
    let last = ffmpeg("-f h264 -i - -f rawvideo -", &stream[sps[2]..]);
    assert_eq!(last.len(), 20 * 256 * 144 * 3 / 2);
    assert!(whole.ends_with(&last));
}

#[test]
fn high_and_main_use_cabac_and_baseline_does_not() {
    let pictures = source("testsrc2", 64, 48, 2);
    for (profile, cabac) in [(Profile::Baseline, 0), (Profile::Main, 1), (Profile::High, 1)] {
        let config = H264EncoderConfig { profile, ..config(64, 48) };
        let (stream, _) = encode(&config, &pictures, |_| false);
        let file = tempfile(&format!("cabac_{profile:?}.264"), &stream);
        let output = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-i"])
            .arg(file)
            .args(["-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let line = text.lines().find(|line| line.contains("entropy_coding_mode_flag")).unwrap();
        assert!(line.ends_with(&format!(" = {cabac}")), "{profile:?}: {line}");
    }
}

#[test]
fn case_69_no_profile_has_b_pictures() {
    let pictures = source("testsrc2", 64, 48, 30);
    for profile in [Profile::Baseline, Profile::Main, Profile::High] {
        let config = H264EncoderConfig { profile, ..config(64, 48) };
        let (stream, _) = encode(&config, &pictures, |index| index == 15);
        let args = "-v error -f h264 -show_entries frame=pict_type -of csv=p=0 -";
        let text = String::from_utf8(run("ffprobe", args, &stream)).unwrap();
        let types: String = text.chars().filter(char::is_ascii_alphabetic).collect();
        assert_eq!(types, format!("I{0}I{0}", "P".repeat(14)), "{profile:?}");
    }
}

#[test]
fn colour_is_written_and_nothing_where_there_is_none() {
    let probe = |colour: Option<Colour>| {
        let pictures = source("testsrc2", 64, 48, 1);
        let (stream, _) =
            encode(&H264EncoderConfig { colour, ..config(64, 48) }, &pictures, |_| false);
        let file = tempfile("colour.264", &stream);
        let args = format!(
            "-v error -show_entries stream=color_range,color_space,color_transfer,color_primaries -of csv=p=0 {}",
            file.display()
        );
        String::from_utf8(run("ffprobe", &args, &[])).unwrap().trim().to_owned()
    };
    let colour = |full_range, primaries, transfer, matrix| {
        Some(Colour { full_range, primaries, transfer, matrix })
    };
    assert_eq!(probe(None), "unknown,unknown,unknown,unknown");
    assert_eq!(probe(colour(false, 1, 1, 1)), "tv,bt709,bt709,bt709");
    assert_eq!(probe(colour(true, 9, 16, 9)), "pc,bt2020nc,smpte2084,bt2020");
    assert_eq!(probe(colour(true, 2, 2, 2)), "pc,unknown,unknown,unknown");
}

/// The demo: 640x480 testsrc at 192x144 under the 144p preset's cap.
#[test]
fn the_demo_looks_right_far_below_the_cap() {
    let mut scaler = Scaler::new();
    let pictures: Vec<I420Buf> = source("testsrc", 640, 480, 150)
        .iter()
        .map(|picture| {
            let mut small = I420Buf::new(192, 144);
            scaler.scale(picture.as_i420(), &mut small).unwrap();
            small
        })
        .collect();
    let (stream, sizes) = encode(&config(192, 144), &pictures, |index| index % 60 == 0);
    assert!(bits_per_second(&sizes) < 100_000, "{} bit/s", bits_per_second(&sizes));
    let ssim = ssim(&stream, &pictures);
    assert!(ssim > 0.98, "{ssim}");
    let decoded = ffmpeg("-f h264 -i - -f rawvideo -", &stream);
    for (ours, decoded) in pictures.iter().zip(decoded.chunks_exact(192 * 144 * 3 / 2)) {
        let luma = mean(&packed(ours.as_i420())[..192 * 144]) - mean(&decoded[..192 * 144]);
        assert!(luma.abs() < 2.0, "mean luma is off by {luma}");
    }
}

/// A still picture costs next to nothing.
#[test]
fn easy_pictures_cost_little() {
    let pictures = vec![source("testsrc2", 256, 144, 1).remove(0); 90];
    let (_, sizes) = encode(&config(256, 144), &pictures, |index| index == 0);
    assert!(bits_per_second(&sizes[1..]) < 10_000, "{} bit/s", bits_per_second(&sizes[1..]));
}

/// Noise cannot be coded within the cap at full frame rate: it is thinned, evenly, and never an
/// IDR.
#[test]
fn noise_is_kept_under_the_cap() {
    let mut encoder = H264Encoder::new(&config(256, 144)).unwrap();
    let mut sent: Vec<(usize, usize)> = Vec::new();
    for index in 0..300 {
        let force = if index % 60 == 0 { Force::Idr } else { Force::None };
        let unit = encoder.encode(noise(index, 256, 144).as_i420(), pts(index), force).unwrap();
        assert!(unit.is_some() || force == Force::None);
        sent.extend(unit.map(|unit| (index, unit.nal_units.payload_bytes() * 8)));
    }
    assert!(sent.len() < 150, "{}", sent.len());
    let largest = sent.iter().map(|(_, bits)| *bits).max().unwrap();
    for start in (0..300).step_by(60) {
        let segment = sent.iter().filter(|(index, _)| (start..start + 60).contains(index));
        let bits: usize = segment.map(|(_, bits)| bits).sum();
        // 2 s of the cap, what may be owed, and the picture that crossed the line.
        assert!(bits <= 860_000 + largest, "{bits} bits from picture {start}");
    }
    let gaps = sent.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().unwrap() <= 20, "two thirds of a second without a picture");
}

/// Noise at a fine QP is more than openh264 has room for: such a picture is coded again, coarser.
#[test]
fn noise_after_easy_pictures_is_coded_all_the_same() {
    for profile in [Profile::Baseline, Profile::High] {
        let config = H264EncoderConfig { profile, bitrate_bps: 4_000_000, ..config(256, 144) };
        let mut encoder = H264Encoder::new(&config).unwrap();
        let sets = encoder.parameter_sets().clone();
        let mut stream = Vec::new();
        let easy = source("testsrc2", 256, 144, 1).remove(0);
        for index in 0..40 {
            let picture = if index % 20 < 10 { easy.clone() } else { noise(index, 256, 144) };
            let force = if index == 0 { Force::Idr } else { Force::None };
            let unit = encoder.encode(picture.as_i420(), pts(index), force).unwrap().unwrap();
            let sets = sets.iter().filter(|_| unit.random_access);
            h264::annexb::write(sets.chain(unit.nal_units.iter()), &mut stream);
        }
        assert_eq!(*encoder.parameter_sets(), sets);
        let decoded = ffmpeg("-f h264 -i - -f rawvideo -", &stream);
        assert_eq!(decoded.len(), 40 * 256 * 144 * 3 / 2, "{profile:?}");
    }
}

/// The light rendition of film-like pictures: segments are as heavy as the cap lets them be, the
/// first as the last.
#[test]
fn segments_fill_the_cap_and_keep_under_it() {
    let pictures = source("mandelbrot", 256, 144, 300);
    let config = H264EncoderConfig {
        frame_rate: 15.0,
        bitrate_bps: 96_000,
        profile: Profile::Baseline,
        ..config(256, 144)
    };
    let mut encoder = H264Encoder::new(&config).unwrap();
    let mut segments = Vec::new();
    for (index, picture) in pictures.iter().enumerate() {
        let force = if index % 30 == 0 { Force::Idr } else { Force::None };
        let pts = Timestamp::from_ticks(index as i64 * 6000);
        let unit = encoder.encode(picture.as_i420(), pts, force).unwrap().unwrap();
        if force == Force::Idr {
            segments.push(0.0);
        }
        *segments.last_mut().unwrap() += unit.nal_units.payload_bytes() as f64 * 8.0 / 192_000.0;
    }
    assert!(segments[2..].iter().all(|filled| (0.7..1.15).contains(filled)), "{segments:?}");
}

/// Deterministic noise (xorshift), another one for each picture.
fn noise(index: usize, width: usize, height: usize) -> I420Buf {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64 + 1);
    let mut picture = I420Buf::new(width, height);
    for sample in picture.planes_mut().into_iter().flatten() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *sample = (state >> 32) as u8;
    }
    picture
}

#[test]
fn odd_and_tiny_and_huge_sizes_are_refused() {
    for (width, height) in
        [(14, 16), (16, 14), (17, 16), (16, 17), (0, 0), (65_552, 16), (8192, 4096)]
    {
        assert_eq!(
            H264Encoder::new(&config(width, height)).err(),
            Some(Error::EncoderSize { width, height })
        );
    }
    let mut encoder = H264Encoder::new(&config(16, 16)).unwrap();
    let first = encoder.encode(I420Buf::new(16, 16).as_i420(), pts(0), Force::None).unwrap();
    assert!(first.unwrap().random_access);
    let wrong = encoder.encode(I420Buf::new(16, 18).as_i420(), pts(1), Force::None);
    let expected =
        Error::WrongPictureSize { width: 16, height: 18, expected_width: 16, expected_height: 16 };
    assert_eq!(wrong, Err(expected));
}

#[test]
fn impossible_rates_are_refused() {
    for (bitrate_bps, frame_rate) in [(0, 30.0), (u32::MAX, 30.0), (1000, 0.0), (1000, f32::NAN)] {
        let config = H264EncoderConfig { bitrate_bps, frame_rate, ..config(64, 48) };
        assert_eq!(H264Encoder::new(&config).err(), Some(Error::EncoderRate { bitrate_bps }));
    }
}

/// Strided planes are read as they are: the encoder is fed without a copy.
#[test]
fn strided_planes_encode_as_packed_ones() {
    let packed = source("testsrc2", 64, 48, 1).remove(0);
    let mut planes = Vec::new();
    for plane in [packed.as_i420().y, packed.as_i420().u, packed.as_i420().v] {
        let data: Vec<u8> =
            plane.rows().flat_map(|row| row.iter().copied().chain([0xaa; 13])).collect();
        planes.push(data[..data.len() - 13].to_vec());
    }
    let plane = |index: usize, width, height| media::Plane {
        data: &planes[index],
        stride: width + 13,
        width,
        height,
    };
    let strided = media::I420 { y: plane(0, 64, 48), u: plane(1, 32, 24), v: plane(2, 32, 24) };
    let encode =
        |picture| H264Encoder::new(&config(64, 48)).unwrap().encode(picture, pts(0), Force::Idr);
    assert_eq!(encode(strided), encode(packed.as_i420()));
}

/// Opening, encoding and decoding write nothing: openh264 logs to stderr unless it is told not to.
#[test]
fn nothing_is_written_to_stderr() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "strided_planes_encode_as_packed_ones", "--nocapture"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
