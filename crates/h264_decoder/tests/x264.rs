//! Streams that x264 makes, each decoded as ffmpeg decodes it: the settings that matter one by one,
//! and a random sweep.
//!
//! `FEATHERCAST_SWEEP_SEED` gives the sweep's seed and `FEATHERCAST_SWEEP_DRAWS` its length. Where
//! there is no ffmpeg with libx264 nothing is run, and that is said.
#![allow(clippy::print_stdout, reason = "what was not run is said")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{access_units, decode};

fn has_ffmpeg() -> bool {
    let output = Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output();
    let has = output.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("libx264"));
    if !has {
        println!("there is no ffmpeg with libx264: nothing was run");
    }
    has
}

/// A stream to make: ffmpeg's input, options for the video, and parameters of x264.
#[derive(Clone, Debug)]
struct Recipe {
    source: String,
    options: Vec<String>,
    x264: String,
}

impl Recipe {
    fn encode(&self) -> Option<Vec<u8>> {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", &self.source, "-c:v", "libx264"])
            .args(&self.options)
            .args(["-x264-params", &self.x264, "-f", "h264", "-"])
            .output()
            .expect("ffmpeg runs");
        output.status.success().then_some(output.stdout)
    }

    /// Fails where any sample differs from ffmpeg's. Returns whether x264 takes these settings
    /// together.
    fn check(&self, file: &Path) -> bool {
        let Some(stream) = self.encode() else { return false };
        std::fs::write(file, &stream).expect("a temporary file");
        let expected = Command::new("ffmpeg")
            .args(["-v", "error", "-flags", "unaligned", "-i"])
            .arg(file)
            .args(["-vsync", "0", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .output()
            .expect("ffmpeg runs");
        let mut samples = Vec::with_capacity(expected.stdout.len());
        let decoded = decode(&stream, |row| samples.extend_from_slice(row));
        let decoded = decoded.unwrap_or_else(|error| panic!("{self:?}: {error}"));
        assert_eq!(decoded.concealed_macroblocks, 0, "{self:?} ({})", file.display());
        let (width, height) = decoded.size;
        let picture = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
        assert_eq!(samples.len(), expected.stdout.len(), "{self:?} ({})", file.display());
        let first = samples.iter().zip(&expected.stdout).position(|(ours, theirs)| ours != theirs);
        assert!(
            first.is_none(),
            "picture {:?} differs, {self:?} ({})",
            first.map(|first| (first / picture, first % picture)),
            file.display()
        );
        true
    }
}

fn recipe(options: &str, x264: &str) -> Recipe {
    Recipe {
        source: "testsrc2=s=128x96:r=25:d=0.8,noise=alls=12:allf=t".to_owned(),
        options: options.split_whitespace().map(str::to_owned).collect(),
        x264: x264.to_owned(),
    }
}

fn file(name: &str) -> std::path::PathBuf {
    let file = format!("feathercast-{}-{name}.264", std::process::id());
    std::env::temp_dir().join(file)
}

fn check_all(name: &str, recipes: &[Recipe]) {
    if !has_ffmpeg() {
        return;
    }
    let file = file(name);
    for recipe in recipes {
        assert!(recipe.check(&file), "x264 does not take {recipe:?}");
    }
    std::fs::remove_file(file).expect("a temporary file");
}

#[test]
fn prediction() {
    let fade = "-vf fade=in:0:20";
    check_all(
        "prediction",
        &[
            recipe("", "weightp=0"),
            recipe(fade, "weightp=1"),
            recipe(fade, "weightp=2:ref=8"),
            recipe(fade, "weightb=1:bframes=5:b-adapt=0:slices=3"),
            recipe("", "weightb=0"),
            recipe("", "direct=none"),
            recipe("", "direct=spatial"),
            recipe("", "direct=temporal"),
            recipe("", "direct=auto"),
            recipe("", "constrained-intra=1"),
        ],
    );
}

#[test]
fn presets_and_profiles() {
    let presets = [
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ];
    let tunes =
        ["film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"];
    let recipes: Vec<Recipe> = presets
        .iter()
        .map(|preset| recipe(&format!("-preset {preset}"), "ref=4"))
        .chain(tunes.iter().map(|tune| recipe(&format!("-tune {tune}"), "ref=4")))
        .chain([recipe("-profile:v baseline", "ref=2"), recipe("-profile:v main", "ref=2")])
        .collect();
    check_all("presets", &recipes);
}

#[test]
fn transform_and_entropy() {
    check_all(
        "transform",
        &[
            recipe("", "cabac=0"),
            recipe("", "cabac=0:8x8dct=0"),
            recipe("", "8x8dct=0"),
            recipe("", "cqm=jvt"),
            recipe("", "cqm=jvt:cabac=0"),
            recipe("", "chroma-qp-offset=5"),
            recipe("", "no-deblock=1"),
            recipe("", "deblock=6,6"),
            recipe("", "qp=1"),
            recipe("", "qp=51"),
            recipe("-vf noise=alls=100:allf=t", "qp=1:keyint=1"),
            recipe("-vf noise=alls=100:allf=t", "qp=1:keyint=1:cabac=0"),
        ],
    );
}

#[test]
fn sizes_and_cropping() {
    check_all(
        "sizes",
        &[
            recipe("-s 130x98", "ref=3"),
            recipe("-s 178x146", "ref=3"),
            recipe("-s 322x182", "ref=3"),
            recipe("-s 16x16", "ref=3"),
            recipe("-s 4096x2304 -frames:v 2", "ref=1"),
            recipe("", "crop-rect=4,2,6,8"),
        ],
    );
}

#[test]
fn slices_and_references() {
    check_all(
        "slices",
        &[
            recipe("", "slices=4"),
            recipe("", "sliced-threads=1:threads=4"),
            recipe("", "slice-max-size=200"),
            recipe("", "ref=1"),
            recipe("", "ref=16"),
            recipe("", "b-pyramid=strict:bframes=5:b-adapt=0"),
            recipe("", "bframes=16:b-adapt=0"),
            recipe("", "keyint=1"),
            recipe("", "open-gop=1:keyint=8:min-keyint=8"),
            recipe("", "intra-refresh=1:keyint=8:bframes=0"),
            recipe("", "aud=1:nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300"),
        ],
    );
}

#[test]
fn interlaced() {
    check_all(
        "interlaced",
        &[
            recipe("", "tff=1"),
            recipe("", "bff=1"),
            recipe("", "tff=1:cabac=0"),
            recipe("", "tff=1:direct=temporal:bframes=3:b-adapt=0"),
            recipe("", "bff=1:direct=spatial:bframes=3:b-adapt=0:cabac=0"),
            recipe("-vf fade=in:0:20", "tff=1:weightb=1:weightp=2:bframes=3:b-adapt=0"),
            recipe("", "tff=1:slices=3"),
            recipe("-s 176x128", "bff=1:ref=8:cqm=jvt"),
            recipe("", "fake-interlaced=1"),
            recipe("-s 16x32", "tff=1"),
        ],
    );
}

/// Numbers by a linear congruence: the same for a seed everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, count: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number from `low` to `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }
}

fn draw(seed: u64) -> Recipe {
    let mut random = Random(seed);
    random.below(2);
    let mut x264 = Vec::new();
    let mut set = |name: &str, value: String| x264.push(format!("{name}={value}"));
    let interlaced = random.below(3) == 0;
    if interlaced {
        set(random.one_of(&["tff", "bff"]), "1".to_owned());
    }
    set("cabac", random.below(2).to_string());
    set("8x8dct", random.below(2).to_string());
    set("bframes", random.one_of(&["0", "1", "2", "3", "5", "8", "16"]).to_owned());
    set("b-adapt", random.below(3).to_string());
    set("b-pyramid", random.one_of(&["none", "strict", "normal"]).to_owned());
    set("ref", random.between(1, 16).to_string());
    set("direct", random.one_of(&["none", "spatial", "temporal", "auto"]).to_owned());
    set("weightb", random.below(2).to_string());
    set("weightp", random.below(3).to_string());
    set("cqm", random.one_of(&["flat", "flat", "jvt"]).to_owned());
    set("partitions", random.one_of(&["all", "none", "p8x8,p4x4,b8x8", "i4x4,i8x8"]).to_owned());
    set("chroma-qp-offset", random.between(-12, 12).to_string());
    match random.below(4) {
        0 => set("no-deblock", "1".to_owned()),
        _ => set("deblock", format!("{},{}", random.between(-6, 6), random.between(-6, 6))),
    }
    match random.below(3) {
        0 => set("qp", random.between(1, 51).to_string()),
        _ => set("crf", random.between(1, 51).to_string()),
    }
    match random.below(6) {
        0 => set("slices", random.between(2, 5).to_string()),
        1 => set("slice-max-size", random.between(100, 600).to_string()),
        2 if !interlaced => set("slice-max-mbs", random.between(1, 40).to_string()),
        _ => {}
    }
    let keyint = random.between(1, 24);
    set("keyint", keyint.to_string());
    set("min-keyint", "1".to_owned());
    match random.below(5) {
        0 => set("open-gop", "1".to_owned()),
        1 => set("intra-refresh", "1".to_owned()),
        // Next to field macroblocks x264 predicts from inter macroblocks all the same, which ffmpeg
        // refuses too.
        2 if !interlaced => set("constrained-intra", "1".to_owned()),
        _ => {}
    }
    set("aq-mode", random.below(4).to_string());
    set("trellis", random.below(3).to_string());
    set("subme", random.between(0, 10).to_string());
    set("me", random.one_of(&["dia", "hex", "umh"]).to_owned());
    set("mixed-refs", random.below(2).to_string());
    set("scenecut", random.one_of(&["0", "40"]).to_owned());
    set("threads", random.one_of(&["1", "3"]).to_owned());
    let (width, height) = (2 * random.between(8, 120), 2 * random.between(8, 90));
    // x264 codes fields of an even height only.
    let height = if interlaced { (height.max(32) + 3) & !3 } else { height };
    let frames = random.between(3, 16);
    let noise = random.one_of(&["0", "8", "40", "100"]);
    let kind = random.one_of(&["testsrc2", "mandelbrot", "testsrc2", "cellauto"]);
    let (size, end) = (format!("{width}x{height}"), frames as f64 / 25.0);
    let fade = random.one_of(&["", ",fade=in:0:8", ",fade=out:0:10", ",tinterlace=interleave_top"]);
    let fade = if fade.contains("tinterlace") && !interlaced { "" } else { fade };
    let source = format!("{kind}=s={size}:r=25,trim=end={end},noise=alls={noise}:allf=t{fade}");
    let options = ["-pix_fmt", "yuv420p", "-s", &size].map(str::to_owned).to_vec();
    Recipe { source, options, x264: x264.join(":") }
}

#[test]
fn sweep() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let seed = number("FEATHERCAST_SWEEP_SEED", 1);
    let draws = number("FEATHERCAST_SWEEP_DRAWS", 12);
    if !has_ffmpeg() {
        return;
    }
    let file = file("sweep");
    let drawn = (0..draws).map(|index| draw(seed.wrapping_mul(1_000_003).wrapping_add(index)));
    let checked = drawn.filter(|recipe| recipe.check(&file)).count();
    println!("{checked} of {draws} draws were streams");
    assert!(checked > 0);
    std::fs::remove_file(file).expect("a temporary file");
}

/// A decoder that starts in the middle shows nothing that differs from the whole stream's pictures,
/// and from the recovery point on all of them.
#[test]
fn starts_at_recovery_points() {
    if !has_ffmpeg() {
        return;
    }
    // Access unit to start at, pictures that are shown from there on.
    let starts = [
        recipe("-frames:v 40", "open-gop=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"),
        recipe(
            "-frames:v 40",
            "open-gop=1:keyint=12:min-keyint=12:bframes=5:b-adapt=0:b-pyramid=normal:scenecut=0",
        ),
        recipe("-frames:v 40", "intra-refresh=1:keyint=10:bframes=0:ref=1:scenecut=0"),
        recipe("-frames:v 40", "intra-refresh=1:keyint=10:bframes=0:ref=1:scenecut=0:cabac=0"),
    ];
    for recipe in starts {
        let recipe = Recipe { source: recipe.source.replace("d=0.8", "d=2"), ..recipe };
        let stream = recipe.encode().expect("x264 takes this");
        let units = access_units(&stream);
        let whole = pictures(&units, 0);
        let parameter_sets = units[0]
            .iter()
            .filter(|nal| matches!(h264::nal_type(nal), h264::NalType::Sps | h264::NalType::Pps));
        let parameter_sets: Vec<Vec<u8>> = parameter_sets.cloned().collect();
        let is_recovery_point =
            |unit: &Vec<Vec<u8>>| unit.iter().any(|nal| h264::recovery_frame_count(nal).is_some());
        let start = (1..units.len())
            .find(|&index| is_recovery_point(&units[index]))
            .expect("a recovery point");
        let mut from_start = units[start..].to_vec();
        from_start[0].splice(0..0, parameter_sets);
        let shown = pictures(&from_start, start);
        assert!(!shown.is_empty(), "{recipe:?}");
        for (pts, samples) in &shown {
            let original = whole.iter().find(|(other, _)| other == pts);
            assert!(original.is_some_and(|(_, other)| other == samples), "{pts} of {recipe:?}");
        }
        // None is missing behind the first that is shown.
        let first = whole.iter().position(|(pts, _)| *pts == shown[0].0).expect("it is there");
        assert_eq!(shown.len(), whole.len() - first, "{recipe:?}");
        assert!(shown.len() >= whole.len() - start - 12, "{recipe:?}");
    }
}

/// Number of its access unit, and luma, of each picture in output order.
fn pictures(units: &[Vec<Vec<u8>>], first: usize) -> Vec<(i64, Vec<u8>)> {
    let mut decoder = h264_decoder::Decoder::new(h264_decoder::Limits::default());
    let mut shown = Vec::new();
    let mut take = |decoder: &mut h264_decoder::Decoder| {
        while let Some(picture) = decoder.next_picture() {
            let luma = picture.samples.y.rows().flatten().copied().collect();
            shown.push((picture.pts.ticks(), luma));
        }
    };
    for (index, unit) in units.iter().enumerate() {
        let pts = media::Timestamp::from_ticks((first + index) as i64);
        decoder.decode(unit.iter().map(|nal_unit| &nal_unit[..]), pts).expect("a good stream");
        take(&mut decoder);
    }
    decoder.flush();
    take(&mut decoder);
    shown
}
