//! What the tests of this crate share: media files, access units, ffmpeg as the other opinion.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]

pub(crate) mod matrix;

use std::fmt::Debug;
use std::io::Write;
use std::process::{Command, Stdio};
use std::str::FromStr;

use media::{I420, I420Buf, Plane};

/// The NAL units of an Annex B stream.
pub(crate) fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, code)| *code == [0, 0, 1])
        .map(|(at, _)| at)
        .collect();
    let mut units = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(stream.len());
        let mut unit = &stream[start + 3..end];
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        units.push(unit);
    }
    units
}

/// An Annex B stream cut into access units (ITU-T H.264 7.4.1.2.3, as far as whole pictures need
/// it).
pub(crate) fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut access_units: Vec<Vec<u8>> = vec![Vec::new()];
    let mut has_picture = false;
    for unit in nal_units(stream) {
        let kind = unit[0] & 0x1f;
        let is_slice = matches!(kind, 1..=5);
        // first_mb_in_slice is ue(v): a leading one bit is 0.
        let starts_picture = is_slice && unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
        if has_picture && (starts_picture || matches!(kind, 6..=9)) {
            access_units.push(Vec::new());
            has_picture = false;
        }
        has_picture |= is_slice;
        let current = access_units.last_mut().unwrap();
        current.extend_from_slice(&[0, 0, 0, 1]);
        current.extend_from_slice(unit);
    }
    access_units
}

/// For each access unit, its place in display order, as ffmpeg sees it.
pub(crate) fn display_order(stream: &[u8]) -> Vec<usize> {
    let args = "-v quiet -f h264 -show_entries frame=coded_picture_number -of csv=p=0 -";
    let text = String::from_utf8(run("ffprobe", args, stream)).unwrap();
    let coded: Vec<usize> = numbers(&text);
    // Not the numbers themselves: they jump where a picture is missing.
    let mut places: Vec<usize> = (0..coded.len()).collect();
    places.sort_by_key(|place| coded[*place]);
    places
}

/// A number a line; ffprobe writes empty lines for side data.
pub(crate) fn numbers<T: FromStr<Err: Debug>>(text: &str) -> Vec<T> {
    let lines = text.lines().map(|line| line.trim_matches(','));
    lines.filter(|line| !line.is_empty()).map(|line| line.parse().unwrap()).collect()
}

/// Runs ffmpeg with `input` on its standard input; gives its standard output.
pub(crate) fn ffmpeg(args: &str, input: &[u8]) -> Vec<u8> {
    run("ffmpeg", &format!("-hide_banner -nostdin -v error {args}").replace("-nostdin ", ""), input)
}

/// Runs a program with `input` on its standard input; gives its standard output.
pub(crate) fn run(program: &str, args: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that has seen enough closes its input.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program} {args}: {stderr}");
    output.stdout
}

/// The samples of a picture, rows without padding, Y, U, V.
pub(crate) fn packed(picture: I420<'_>) -> Vec<u8> {
    let planes: [Plane<'_>; 3] = [picture.y, picture.u, picture.v];
    planes.into_iter().flat_map(Plane::rows).flatten().copied().collect()
}

/// Raw 4:2:0 pictures.
pub(crate) fn pictures(raw: &[u8], width: usize, height: usize) -> Vec<I420Buf> {
    raw.chunks_exact(width * height * 3 / 2).map(|data| picture(data, width, height)).collect()
}

/// One raw 4:2:0 picture.
pub(crate) fn picture(mut data: &[u8], width: usize, height: usize) -> I420Buf {
    let mut picture = I420Buf::new(width, height);
    for plane in picture.planes_mut() {
        let (samples, rest) = data.split_at(plane.len());
        plane.copy_from_slice(samples);
        data = rest;
    }
    picture
}

/// `count` pictures of ffmpeg's source `filter`.
pub(crate) fn source(filter: &str, width: usize, height: usize, count: usize) -> Vec<I420Buf> {
    let args = format!(
        "-f lavfi -i {filter}=size={width}x{height}:rate=30 -frames:v {count} -pix_fmt yuv420p -f rawvideo -"
    );
    pictures(&ffmpeg(&args, &[]), width, height)
}

/// Peak signal-to-noise ratio in dB.
pub(crate) fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10()
}
