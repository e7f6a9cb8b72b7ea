//! Scaling, against ffmpeg's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use codec::{DecoderKind, Error, H264Decoder, Quality, Scaler};
use media::{I420, I420Buf, Plane, Timestamp};
use support::{access_units, ffmpeg, packed, picture, psnr};

fn scale(source: I420<'_>, width: usize, height: usize) -> I420Buf {
    let mut target = I420Buf::new(width, height);
    Scaler::new().scale(source, &mut target).unwrap();
    target
}

/// The pictures of a real recording, and the same scaled by ffmpeg with the kernel that is
/// documented as ours.
#[test]
fn pictures_are_those_of_ffmpegs_bilinear() {
    for (name, from, to) in [
        ("h264/VID_1280x720_cabac_temporal_direct.264", (1280, 720), (256, 144)),
        ("flv/srs_avatar.flv", (768, 320), (256, 106)),
        ("h264/Adobe_PDF_sample_a_1024x768_50Frms.264", (1024, 768), (192, 144)),
        ("h264/CVFC1_Sony_C.jsv", (300, 168), (256, 142)),
    ] {
        let Some(file) = testmedia::find(name) else { continue };
        let input = format!("-flags unaligned -i {} -frames:v 3", file.display());
        let large = ffmpeg(&format!("{input} -f rawvideo -"), &[]);
        let filter = format!("scale={}:{}:flags=bilinear+accurate_rnd", to.0, to.1);
        let small = ffmpeg(&format!("{input} -vf {filter} -pix_fmt yuv420p -f rawvideo -"), &[]);
        let ours: Vec<u8> = support::pictures(&large, from.0, from.1)
            .iter()
            .flat_map(|picture| packed(scale(picture.as_i420(), to.0, to.1).as_i420()))
            .collect();
        let (count, luma) = (to.0 * to.1 * 3 / 2, to.0 * to.1);
        for (ours, theirs) in ours.chunks(count).zip(small.chunks(count)) {
            let (all, luma) = (psnr(ours, theirs), psnr(&ours[..luma], &theirs[..luma]));
            assert!(all > 48.0 && luma > 48.0, "{name}: {all:.1} dB, luma {luma:.1} dB");
        }
    }
}

/// A rendition may be made of a larger one's pictures instead of the source's.
#[test]
fn pictures_scaled_twice_are_nearly_those_scaled_at_once() {
    for (name, source, between, (width, height)) in [
        ("flv/srs_avatar.flv", (768, 320), (256, 106), (160, 66)),
        ("mp4/bigbuckbunny_720p.mp4", (1280, 720), (256, 144), (160, 90)),
    ] {
        let Some(file) = testmedia::find(name) else { continue };
        let input = format!("-ss 2 -i {} -r 2 -frames:v 8", file.display());
        let large = ffmpeg(&format!("{input} -pix_fmt yuv420p -f rawvideo -"), &[]);
        for picture in support::pictures(&large, source.0, source.1) {
            let at_once = scale(picture.as_i420(), width, height);
            let larger = scale(picture.as_i420(), between.0, between.1);
            let twice = scale(larger.as_i420(), width, height);
            let ssim = ssim(at_once.as_i420().y, twice.as_i420().y);
            assert!(ssim > 0.99, "{name}: {ssim}");
        }
    }
}

/// A recording, encoded again as OBS would, and decoded to be looked at through a scaler alone:
/// what becomes of it is as good as what becomes of exact pictures. Keyframes come every two
/// seconds: of the second group on, references are approximate, too.
#[test]
fn pictures_made_for_a_scaler_are_as_good_as_exact_ones_when_they_are_small() {
    assert_good_when_small("flv/srs_avatar.flv", (256, 106), 3);
}

#[test]
fn film_made_for_a_scaler_is_as_good_as_exact() {
    assert_good_when_small("mp4/bigbuckbunny_720p.mp4", (256, 144), 5);
}

#[test]
fn a_phones_camera_made_for_a_scaler_is_as_good_as_exact() {
    assert_good_when_small("mp4/portrait_large_cts_offset.mp4", (82, 144), 8);
}

#[test]
fn pictures_made_to_be_halved_are_as_good_as_exact() {
    assert_good_when_small("flv/srs_avatar.flv", (384, 160), 2);
}

fn assert_good_when_small(name: &str, (width, height): (usize, usize), divisor: u8) {
    let Some(path) = testmedia::find(name) else { return };
    let encoder = "-c:v libx264 -preset veryfast -profile:v high -b:v 2500k -g 60";
    let input = format!("-stream_loop -1 -i {} -an -vf setpts=N/30/TB", path.display());
    let output = format!("-r 30 -frames:v 130 -pix_fmt yuv420p {encoder} -f h264 -");
    let stream = ffmpeg(&format!("{input} {output}"), &[]);
    let decode = |quality: Quality| {
        let mut decoder = H264Decoder::new(DecoderKind::Native).unwrap();
        decoder.set_quality(quality);
        let mut pictures = BTreeMap::new();
        for (number, unit) in (0..).zip(access_units(&stream).iter()) {
            let take = |picture: I420<'_>, pts| {
                pictures.insert(pts, scale(picture, width, height));
            };
            decoder.decode(unit, Timestamp::from_millis(number * 33), take).unwrap();
        }
        pictures
    };
    let (exact, for_scale) = (decode(Quality::Exact), decode(Quality::ForScale(divisor)));
    let (mut ssims, mut others) = (Vec::new(), 0);
    for (pts, exact) in &exact {
        let small = &for_scale[pts];
        others += usize::from(small != exact);
        ssims.push(ssim(exact.as_i420().y, small.as_i420().y));
    }
    let mean = ssims.iter().sum::<f64>() / ssims.len() as f64;
    let worst = ssims.iter().copied().fold(1.0, f64::min);
    assert!((1..exact.len()).contains(&others), "{name}: {others} pictures are not exact");
    assert!(mean > 0.995 && worst > 0.98, "{name}: {mean} in mean, {worst} at worst");
}

/// Structural similarity, the mean over blocks of 8x8.
fn ssim(a: Plane<'_>, b: Plane<'_>) -> f64 {
    let (c1, c2) = ((0.01_f64 * 255.0).powi(2), (0.03_f64 * 255.0).powi(2));
    let mut blocks = Vec::new();
    for (top, left) in (0..a.height / 8).flat_map(|y| (0..a.width / 8).map(move |x| (8 * y, 8 * x)))
    {
        let pairs = (0..64).map(|at| {
            let sample = |plane: Plane<'_>| {
                f64::from(plane.data[(top + at / 8) * plane.stride + left + at % 8])
            };
            (sample(a), sample(b))
        });
        let mean = |f: fn((f64, f64)) -> f64| pairs.clone().map(f).sum::<f64>() / 64.0;
        let (of_a, of_b) = (mean(|it| it.0), mean(|it| it.1));
        let variances = mean(|it| it.0 * it.0 + it.1 * it.1) - of_a * of_a - of_b * of_b;
        let covariance = mean(|it| it.0 * it.1) - of_a * of_b;
        blocks.push(
            (2.0 * of_a * of_b + c1) * (2.0 * covariance + c2)
                / ((of_a * of_a + of_b * of_b + c1) * (variances + c2)),
        );
    }
    blocks.iter().sum::<f64>() / blocks.len() as f64
}

/// A plane whose padding must not be seen.
fn strided(value: u8, width: usize, height: usize, padding: usize) -> Vec<u8> {
    let row = [vec![value; width], vec![255 - value; padding]].concat();
    row.repeat(height)
}

#[test]
fn the_padding_of_a_stride_does_not_bleed_in() {
    let (y, u, v) = (strided(16, 100, 60, 28), strided(128, 50, 30, 14), strided(240, 50, 30, 14));
    let plane = |data, stride, width, height| Plane { data, stride, width, height };
    let source =
        I420 { y: plane(&y, 128, 100, 60), u: plane(&u, 64, 50, 30), v: plane(&v, 64, 50, 30) };
    for (width, height) in [(32, 18), (100, 60), (160, 90), (99, 17)] {
        let [y, u, v] = [16, 128, 240];
        let mut target = scale(source, width, height);
        let [ours_y, ours_u, ours_v] = target.planes_mut();
        assert!(ours_y.iter().all(|sample| *sample == y), "{width}x{height}");
        assert!(ours_u.iter().all(|sample| *sample == u), "{width}x{height}");
        assert!(ours_v.iter().all(|sample| *sample == v), "{width}x{height}");
    }
}

/// `Plane` promises no bytes after the last sample of the last row.
#[test]
fn the_last_row_may_end_with_its_last_sample() {
    let data: Vec<u8> = (0..64 * 40).map(|at: usize| (at * 7 % 253) as u8).collect();
    let source = |len: usize| {
        let plane = |width, height| Plane { data: &data[..len], stride: 64, width, height };
        I420 {
            y: plane(40, 40),
            u: Plane { data: &data, stride: 64, width: 20, height: 20 },
            v: Plane { data: &data, stride: 64, width: 20, height: 20 },
        }
    };
    assert_eq!(scale(source(64 * 39 + 40), 20, 20), scale(source(64 * 40), 20, 20));
    let error = Scaler::new().scale(source(64 * 39 + 39), &mut I420Buf::new(20, 20));
    assert_eq!(error, Err(Error::Plane { width: 40, height: 40, stride: 64, bytes: 64 * 39 + 39 }));
}

#[test]
fn the_same_size_is_a_copy() {
    let data: Vec<u8> = (0..32 * 20 * 3 / 2).map(|at: usize| (at * 31 % 256) as u8).collect();
    let source = picture(&data, 32, 20);
    assert_eq!(scale(source.as_i420(), 32, 20), source);
}

#[test]
fn a_picture_without_samples_is_refused() {
    let empty = I420Buf::new(0, 0);
    let result = Scaler::new().scale(empty.as_i420(), &mut I420Buf::new(16, 16));
    assert_eq!(result, Err(Error::Plane { width: 0, height: 0, stride: 0, bytes: 0 }));
}
