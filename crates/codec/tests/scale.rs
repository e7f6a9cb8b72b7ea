//! Scaling, against ffmpeg's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use codec::{Error, Scaler};
use media::{I420, I420Buf, Plane};
use support::{ffmpeg, packed, picture, psnr};

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
