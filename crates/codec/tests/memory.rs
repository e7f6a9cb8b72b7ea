//! Memory over a long run. One test, alone in its process: others would be counted too.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::{DecoderKind, Force, H264Decoder, H264Encoder, H264EncoderConfig, Profile, Scaler};
use media::{I420Buf, Timestamp};

/// Resident bytes of this process.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

struct Chain {
    encoder: H264Encoder,
    decoder: H264Decoder,
    scaler: Scaler,
    annexb: Vec<u8>,
    pictures: usize,
}

impl Chain {
    fn new() -> Self {
        let config = H264EncoderConfig {
            width: 128,
            height: 96,
            frame_rate: 30.0,
            bitrate_bps: 200_000,
            profile: Profile::High,
            colour: None,
        };
        Self {
            encoder: H264Encoder::new(&config).unwrap(),
            decoder: H264Decoder::new(DecoderKind::Openh264).unwrap(),
            scaler: Scaler::new(),
            annexb: Vec::new(),
            pictures: 0,
        }
    }

    /// Encodes, decodes and scales one picture.
    fn step(&mut self, index: usize) {
        let mut picture = I420Buf::new(128, 96);
        for (at, sample) in picture.planes_mut()[0].iter_mut().enumerate() {
            *sample = ((at * at / 64 + index * 3) % 251) as u8;
        }
        let force = if index.is_multiple_of(60) { Force::Idr } else { Force::None };
        let pts = Timestamp::from_millis(index as i64 * 33);
        let unit = self.encoder.encode(picture.as_i420(), pts, force).unwrap().unwrap();
        self.annexb.clear();
        let sets = self.encoder.parameter_sets().iter().filter(|_| unit.random_access);
        h264::annexb::write(sets.chain(unit.nal_units.iter()), &mut self.annexb);
        let mut small = I420Buf::new(32, 24);
        let (scaler, pictures) = (&mut self.scaler, &mut self.pictures);
        self.decoder
            .decode(&self.annexb, pts, |picture, _| {
                scaler.scale(picture, &mut small).unwrap();
                *pictures += 1;
            })
            .unwrap();
    }
}

#[test]
fn memory_is_stable_over_thousands_of_pictures_and_hundreds_of_codecs() {
    let mut chain = Chain::new();
    (0..500).for_each(|index| chain.step(index));
    let before = resident_bytes();
    (500..5000).for_each(|index| chain.step(index));
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more after 4500 pictures");
    // High profile: one picture is held back.
    assert_eq!(chain.pictures, 4999);

    let open = |count: usize| {
        for _ in 0..count {
            let mut chain = Chain::new();
            (0..3).for_each(|index| chain.step(index));
        }
    };
    open(50);
    let before = resident_bytes();
    open(300);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 2 << 20, "{grown} bytes more after opening 300 times");
}
