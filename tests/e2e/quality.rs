//! The small picture looks like the large one: against ffmpeg's downscale with our kernel.

use std::path::Path;

use crate::support::ffmpeg;
use crate::support::judge::assert_close;
use crate::support::publisher::Publisher;
use crate::support::recording::record_seconds;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

const P144: &str = "P144p30fps16x9";

/// The kernel of `codec::Scaler`, in swscale's words.
const KERNEL: &str = "flags=bilinear+accurate_rnd+full_chroma_int+bitexact";

struct Likeness {
    /// Structural similarity of all planes, mean over the pictures.
    ssim: f64,
    luma: f64,
    expected_luma: f64,
    color_range: Option<String>,
}

/// Publishes six seconds and compares the 144p rendition with the source as ffmpeg scales it.
fn likeness(line: &str) -> Likeness {
    likeness_to("null", line)
}

/// The same with a filter in front of ffmpeg's scaler.
fn likeness_to(filter: &str, line: &str) -> Likeness {
    let (server, scratch) = (Server::start(), Scratch::new());
    let file = ffmpeg::encode(&scratch, line);
    let publisher = Publisher::file(&server, "a", &file);
    let recordings = record_seconds(&server, "a", &[P144], 6.0);
    publisher.succeed();
    let small = recordings[0].write(&scratch);
    let media = ffmpeg::probe(small.to_str().expect("UTF-8"));
    let video = media.video.expect("video");
    assert_eq!(video.pts.len(), 180, "all pictures of six seconds: they are paired by number");
    let scale = format!("{filter},scale={}:{}:{KERNEL}", video.width, video.height);
    Likeness {
        ssim: ssim(&small, &file, &scale, &scratch),
        luma: mean(&ffmpeg::luma(&small, "null")),
        expected_luma: mean(&ffmpeg::luma(&file, &scale)),
        color_range: video.color_range,
    }
}

/// ffmpeg's `ssim` filter, picture by picture.
fn ssim(small: &Path, large: &Path, scale: &str, scratch: &Scratch) -> f64 {
    let stats = scratch.file("ssim.txt");
    // Pictures are paired by their number: the two have different clocks.
    let graph = format!(
        "[0:v]settb=1/30,setpts=N[small];[1:v]{scale},settb=1/30,setpts=N[large];[small][large]ssim=stats_file={}",
        stats.display()
    );
    let [small, large] = [small, large].map(|path| path.to_str().expect("UTF-8"));
    ffmpeg::filtered(&["-i", small, "-i", large, "-lavfi", &graph, "-f", "null", "-"]);
    let text = std::fs::read_to_string(stats).expect("the filter's statistics");
    let values: Vec<f64> = text
        .lines()
        .map(|line| {
            line.split("All:")
                .nth(1)
                .and_then(|rest| rest.split(' ').next()?.parse().ok())
                .expect("a value")
        })
        .collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn mean(samples: &[u8]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample)).sum::<f64>() / samples.len() as f64
}

fn is_alike(likeness: &Likeness) {
    assert!(likeness.ssim >= 0.95, "SSIM {}", likeness.ssim);
    assert_close(likeness.luma, likeness.expected_luma, 2.0, "mean luma");
}

#[test]
fn the_demo_s_picture_looks_like_its_source() {
    let likeness = likeness(
        "-f lavfi -i testsrc=size=640x480:rate=30:duration=6,format=yuv420p -threads 1 -c:v libx264 -b:v 10000k \
         -preset ultrafast -x264-params keyint=30",
    );
    is_alike(&likeness);
    assert_eq!(likeness.color_range, None, "nothing was said, so nothing is");
}

#[test]
fn an_hd_picture_in_motion_looks_like_its_source() {
    is_alike(&likeness(
        "-f lavfi -i testsrc2=size=1280x720:rate=30:duration=6 -threads 1 -c:v libx264 -preset superfast -bf 2 -g 60 \
         -pix_fmt yuv420p",
    ));
}

#[test]
fn a_full_range_source_stays_full_range() {
    let likeness = likeness(
        "-f lavfi -i testsrc=size=640x360:rate=30:duration=6 -vf scale=out_range=pc,format=yuv420p -color_range pc \
         -threads 1 -c:v libx264 -preset ultrafast -g 60",
    );
    is_alike(&likeness);
    assert_eq!(likeness.color_range.as_deref(), Some("pc"));
}

/// The two fields are 1/60 s apart: scaled together they would be a ghost of each other.
#[test]
fn an_interlaced_picture_is_made_of_one_field_of_each_frame() {
    let likeness = likeness_to(
        "field=type=top",
        "-f lavfi -i testsrc2=size=1280x720:rate=60:duration=6 -vf tinterlace=interleave_top -threads 1 -c:v libx264 \
         -preset superfast -bf 2 -g 60 -flags +ilme+ildct -x264-params tff=1:weightp=0 -pix_fmt yuv420p",
    );
    is_alike(&likeness);
}

#[test]
fn a_monochrome_picture_is_grey() {
    let (server, scratch) = (Server::start(), Scratch::new());
    let line = "-f lavfi -i testsrc2=size=640x360:rate=30:duration=4 -threads 1 -c:v libx264 -preset superfast -g 60 -pix_fmt gray";
    let file = ffmpeg::encode(&scratch, line);
    let publisher = Publisher::file(&server, "a", &file);
    let recordings = record_seconds(&server, "a", &[P144], 4.0);
    publisher.succeed();
    let small = recordings[0].write(&scratch);
    let scale = format!("scale=256:144:{KERNEL}");
    let (luma, expected) = (ffmpeg::luma(&small, "null"), ffmpeg::luma(&file, &scale));
    assert_eq!(luma.len(), expected.len());
    assert_close(mean(&luma), mean(&expected), 2.0, "mean luma");
}
