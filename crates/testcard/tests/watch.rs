//! The test signal as a viewer gets it: through other people's scaler, encoder and decoder, and
//! with its sound.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

use media::I420Buf;
use testcard::{BEEP_MS, TestCard, Tone};

/// 2023-11-14 22:13:20 UTC.
const START: i64 = 1_700_000_000_000;
const SMALL: usize = 256 * 144 * 3 / 2;

/// Runs ffmpeg with `input` on its standard input; gives its standard output.
fn ffmpeg(args: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-v", "error"])
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "ffmpeg {args}");
    output.stdout
}

fn append(raw: &mut Vec<u8>, picture: &I420Buf) {
    let picture = picture.as_i420();
    [picture.y, picture.u, picture.v].iter().for_each(|plane| raw.extend_from_slice(plane.data));
}

/// Cards of 1280x720 at these times, scaled to 256x144.
fn small(times: impl Iterator<Item = i64>) -> Vec<u8> {
    let mut card = TestCard::new(1280, 720, (30, 1), "hello_world");
    let mut raw = Vec::new();
    times.enumerate().for_each(|(frame, time)| append(&mut raw, card.draw(frame as u64, time)));
    ffmpeg(
        "-f rawvideo -pix_fmt yuv420p -s 1280x720 -i - -s 256x144 -sws_flags bilinear -f rawvideo -",
        &raw,
    )
}

/// Luma of the clock's character at `index` in a small picture: 12 characters of 15.6 columns from
/// column 13 on.
fn cell(picture: &[u8], index: usize) -> Vec<f64> {
    let (left, right) = (12 + 156 * index / 10, 29 + 156 * index / 10);
    (68..92)
        .flat_map(|row| (left..right).map(move |column| f64::from(picture[256 * row + column])))
        .collect()
}

/// Times at which the clock shows, over all of them, every digit in each place that can have it.
fn times_of_all_digits() -> Vec<i64> {
    let time = |hours: i64, digit: i64| {
        let (minutes, seconds) = (digit % 6 * 10 + digit, digit % 6 * 10 + digit);
        ((hours * 60 + minutes) * 60 + seconds) * 1000 + digit * 111
    };
    let early = (0..10).map(|digit| time(digit % 3 * 10 + digit % 4, digit));
    early.chain((4..10).map(|digit| time(10 + digit, digit))).collect()
}

/// What the clock looks like at 256x144: for each place, pictures of characters.
fn templates() -> Vec<Vec<(char, Vec<f64>)>> {
    let times = times_of_all_digits();
    let pictures = small(times.iter().copied());
    (0..12)
        .map(|place| {
            let character = |time: &i64| clock(*time).chars().nth(place).unwrap();
            let cells = pictures.chunks_exact(SMALL).map(|picture| cell(picture, place));
            times.iter().map(character).zip(cells).collect()
        })
        .collect()
}

fn clock(unix_ms: i64) -> String {
    let (seconds, ms) = (unix_ms / 1000 % 86_400, unix_ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The character that is nearest to what is seen.
fn nearest(seen: &[f64], templates: &[(char, Vec<f64>)]) -> char {
    let distance =
        |template: &[f64]| -> f64 { seen.iter().zip(template).map(|(a, b)| (a - b).powi(2)).sum() };
    let nearest = templates.iter().min_by(|a, b| distance(&a.1).total_cmp(&distance(&b.1)));
    nearest.unwrap().0
}

#[test]
fn the_clock_can_be_read_at_256x144_after_encoding() {
    let times: Vec<i64> = (0..60).map(|frame| START + 12_345 + frame * 1000 / 30).collect();
    let encoded = ffmpeg(
        "-f rawvideo -pix_fmt yuv420p -s 256x144 -r 30 -i - -c:v libx264 -profile:v baseline -preset veryfast -b:v 150k -f h264 -",
        &small(times.iter().copied()),
    );
    let decoded = ffmpeg("-f h264 -i - -pix_fmt yuv420p -f rawvideo -", &encoded);
    let templates = templates();
    assert_eq!(decoded.len(), 60 * SMALL);
    for (picture, time) in decoded.chunks_exact(SMALL).zip(times) {
        let read: String =
            (0..12).map(|place| nearest(&cell(picture, place), &templates[place])).collect();
        assert_eq!(read, clock(time));
    }
}

#[test]
fn flash_and_beep_begin_and_end_together() {
    for (fps, start) in [(25_i64, START), (50, START + 3000), (100, START), (100, START + 130)] {
        let mut card = TestCard::new(640, 360, (fps as u32, 1), "");
        let mut tone = Tone::new(48_000, 1, start);
        let mut samples = vec![0; (48_000 / fps) as usize];
        for frame in 0..3 * fps {
            let picture = card.draw(frame as u64, start + frame * 1000 / fps);
            let flashes = picture.as_i420().y.data[200 * 640 + 578] == 235;
            tone.fill(&mut samples);
            let beeps = samples.iter().any(|sample| sample.abs() > 2000);
            assert_eq!(flashes, beeps, "{fps} fps, picture {frame}; a beep is {BEEP_MS} ms");
        }
    }
}
