//! The test signal: test card and tone, encoded as a publisher would.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::{
    AacEncoder, AacEncoderConfig, AacProfile, Force, H264Encoder, H264EncoderConfig, Profile,
};
use h264::Colour;
use media::{AudioFrame, Duration, TICKS_PER_SECOND, Timestamp};
use testcard::{Matrix, TestCard, Tone};

use crate::FrameRate;

/// What the test signal is like.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSignalConfig {
    /// Burned in.
    pub name: String,
    /// Picture width in samples: even, at least 16.
    pub width: u32,
    /// Picture height in samples: even, at least 16.
    pub height: u32,
    /// Pictures a second.
    pub frame_rate: FrameRate,
    /// Cap of the pictures' bit rate.
    pub bitrate_bps: u32,
    /// From one IDR to the next in milliseconds, rounded to whole pictures.
    pub keyframe_interval_ms: u32,
}

/// Why there is no test signal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestSignalError {
    /// An encoder does not open like this, or failed.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The encoder gave parameter sets that fit no sequence header.
    #[error("the encoder's parameter sets are unusable")]
    ParameterSets,
}

/// What comes out, by presentation time across the tracks; there are no B pictures, so that is the
/// decoding time, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestSample {
    /// One picture.
    Video {
        /// Presentation and decoding time.
        pts: Timestamp,
        /// It is an IDR.
        key: bool,
        /// NAL units behind length fields of four bytes.
        data: Bytes,
    },
    /// One AAC frame.
    Audio {
        /// Presentation time of its first sample.
        pts: Timestamp,
        /// The raw data block.
        data: Bytes,
    },
}

/// Makes the test signal, picture by picture. It reads no clock: [`restart`](Self::restart) says
/// what time it is.
pub struct TestSignal {
    config: TestSignalConfig,
    card: TestCard,
    video: H264Encoder,
    video_config: Bytes,
    tone: Tone,
    audio: AacEncoder,
    frames: VecDeque<AudioFrame>,
    /// Samples of each channel that were given to the encoder.
    audio_samples: u64,
    frame_number: u64,
    next_key: u64,
    /// From a picture's time to what the clock shows in it.
    wall_clock: Duration,
}

/// AAC-LC's frame.
const SAMPLES_PER_FRAME: usize = 1024;
const CHANNELS: u8 = 2;

impl TestSignal {
    /// Sampling frequency of the sound in hertz.
    pub const AUDIO_SAMPLE_RATE_HZ: u32 = 48_000;
    /// Bit rate of the sound.
    pub const AUDIO_BITRATE_BPS: u32 = 96_000;

    /// Opens the encoders. The first picture is an IDR at time zero.
    ///
    /// # Errors
    /// A size or rate that cannot be encoded.
    pub fn new(config: &TestSignalConfig) -> Result<Self, TestSignalError> {
        let FrameRate { num, den } = config.frame_rate;
        let (width, height) = (config.width as usize, config.height as usize);
        let video = H264Encoder::new(&encoder_config(config))?;
        let sets = video.parameter_sets();
        let [sps, pps] = [&sets.sps, &sets.pps].map(|list| list.first());
        let video_config = sps.zip(pps).and_then(|(sps, pps)| h264::avc_config_record(sps, pps));
        let audio = AacEncoder::new(&AacEncoderConfig {
            profile: AacProfile::LowComplexity,
            sample_rate_hz: Self::AUDIO_SAMPLE_RATE_HZ,
            channels: CHANNELS,
            bitrate_bps: Self::AUDIO_BITRATE_BPS,
            start: Timestamp::ZERO,
        })?;
        Ok(Self {
            card: TestCard::new(width, height, (num, den), &config.name),
            video,
            video_config: video_config.ok_or(TestSignalError::ParameterSets)?,
            tone: Tone::new(Self::AUDIO_SAMPLE_RATE_HZ, CHANNELS.into(), 0),
            audio,
            frames: VecDeque::new(),
            audio_samples: 0,
            frame_number: 0,
            next_key: 0,
            wall_clock: Duration::default(),
            config: config.clone(),
        })
    }

    /// What it was opened with.
    #[must_use]
    pub fn config(&self) -> &TestSignalConfig {
        &self.config
    }

    /// The `AVCDecoderConfigurationRecord`; it never changes.
    #[must_use]
    pub fn video_config(&self) -> Bytes {
        self.video_config.clone()
    }

    /// The `AudioSpecificConfig`; it never changes.
    #[must_use]
    pub fn audio_config(&self) -> Bytes {
        self.audio.audio_specific_config().clone()
    }

    /// The next picture shows this time, and those after it the time since; it is an IDR.
    /// Timestamps go on. The time is moved by up to half a picture, so that full seconds, where
    /// flash and beep are, begin with a picture.
    pub fn restart(&mut self, unix_ms: i64) {
        let pts = self.picture_time(self.frame_number);
        self.wall_clock = on_picture_grid(unix_ms, self.config.frame_rate) - pts;
        self.next_key = self.frame_number;
        let rate = Self::AUDIO_SAMPLE_RATE_HZ;
        let sound = Timestamp::from_ticks(scaled(self.audio_samples, TICKS_PER_SECOND, rate));
        self.tone = Tone::new(rate, CHANNELS.into(), unix_ms_of(sound + self.wall_clock));
    }

    /// What comes next; there is no end.
    ///
    /// # Errors
    /// An encoder fails, which it should not.
    pub fn next_sample(&mut self) -> Result<TestSample, TestSignalError> {
        loop {
            let pts = self.picture_time(self.frame_number);
            self.make_sound(pts)?;
            if self.frames.front().is_some_and(|frame| frame.pts < pts)
                && let Some(AudioFrame { pts, data }) = self.frames.pop_front()
            {
                return Ok(TestSample::Audio { pts, data });
            }
            if let Some(picture) = self.picture(pts)? {
                return Ok(picture);
            }
        }
    }

    /// Until there is a frame that is not due before `pts`.
    fn make_sound(&mut self, pts: Timestamp) -> Result<(), TestSignalError> {
        let mut samples = [0; SAMPLES_PER_FRAME * CHANNELS as usize];
        while self.frames.back().is_none_or(|last| last.pts < pts) {
            self.tone.fill(&mut samples);
            self.audio.encode(&samples, |frame| self.frames.push_back(frame))?;
            self.audio_samples += SAMPLES_PER_FRAME as u64;
        }
        Ok(())
    }

    /// The next picture; None where the encoder leaves it out.
    fn picture(&mut self, pts: Timestamp) -> Result<Option<TestSample>, TestSignalError> {
        let time = unix_ms_of(pts + self.wall_clock);
        let force = if self.frame_number >= self.next_key { Force::Idr } else { Force::None };
        let picture = self.card.draw(self.frame_number, time).as_i420();
        let unit = self.video.encode(picture, pts, force)?;
        if force == Force::Idr {
            self.next_key = self.frame_number + self.pictures_between_keys();
        }
        self.frame_number += 1;
        let Some(unit) = unit else { return Ok(None) };
        let mut data =
            Vec::with_capacity(unit.nal_units.payload_bytes() + 4 * unit.nal_units.len());
        h264::write_avcc(unit.nal_units.iter(), &mut data);
        Ok(Some(TestSample::Video { pts, key: unit.random_access, data: data.into() }))
    }

    fn pictures_between_keys(&self) -> u64 {
        let interval = self.config.frame_rate.interval().ticks().max(1);
        let keyframe_interval =
            Duration::from_millis(self.config.keyframe_interval_ms.into()).ticks();
        let pictures = (keyframe_interval + interval / 2) / interval;
        u64::try_from(pictures).unwrap_or(1).max(1)
    }

    fn picture_time(&self, number: u64) -> Timestamp {
        let FrameRate { num, den } = self.config.frame_rate;
        Timestamp::from_ticks(scaled(number, TICKS_PER_SECOND * i64::from(den), num))
    }
}

/// A moment in 1/90 of milliseconds since 1970, the nearest that is whole pictures after a full
/// second.
fn on_picture_grid(unix_ms: i64, frame_rate: FrameRate) -> Timestamp {
    let interval = frame_rate.interval().ticks().max(1);
    let in_second = unix_ms.rem_euclid(1000) * 90;
    let pictures = (in_second + interval / 2) / interval;
    Timestamp::from_millis(unix_ms.div_euclid(1000) * 1000)
        + Duration::from_ticks(pictures * interval)
}

fn unix_ms_of(wall_clock: Timestamp) -> i64 {
    wall_clock.ticks().div_euclid(90)
}

/// `count * by / per`, exact however long it goes on.
fn scaled(count: u64, by: i64, per: u32) -> i64 {
    let scaled = i128::from(count) * i128::from(by) / i128::from(per.max(1));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

fn encoder_config(config: &TestSignalConfig) -> H264EncoderConfig {
    // ITU-T H.264 tables E-3 to E-5: BT.709, or SMPTE 170M, which is what BT.601 is in North
    // America.
    let code = match Matrix::for_height(config.height as usize) {
        Matrix::Bt709 => 1,
        Matrix::Bt601 => 6,
    };
    H264EncoderConfig {
        width: config.width,
        height: config.height,
        frame_rate: config.frame_rate.as_f64() as f32,
        bitrate_bps: config.bitrate_bps,
        profile: Profile::High,
        colour: Some(Colour { full_range: false, primaries: code, transfer: code, matrix: code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TestSignalConfig {
        TestSignalConfig {
            name: "test".to_owned(),
            width: 160,
            height: 90,
            frame_rate: FrameRate { num: 30_000, den: 1001 },
            bitrate_bps: 300_000,
            keyframe_interval_ms: 1000,
        }
    }

    fn samples(signal: &mut TestSignal, count: usize) -> Vec<TestSample> {
        (0..count).map(|_| signal.next_sample().unwrap()).collect()
    }

    fn pictures(samples: &[TestSample]) -> Vec<(i64, bool)> {
        let picture = |sample: &TestSample| match sample {
            TestSample::Video { pts, key, .. } => Some((pts.ticks(), *key)),
            TestSample::Audio { .. } => None,
        };
        samples.iter().filter_map(picture).collect()
    }

    #[test]
    fn times_are_exact_and_in_order_and_the_tracks_keep_together() {
        let mut signal = TestSignal::new(&config()).unwrap();
        let samples = samples(&mut signal, 1000);
        let times: Vec<_> = samples
            .iter()
            .map(|sample| match sample {
                TestSample::Video { pts, .. } | TestSample::Audio { pts, .. } => pts.ticks(),
            })
            .collect();
        assert!(times.is_sorted());
        for (number, (pts, key)) in pictures(&samples).into_iter().enumerate() {
            assert_eq!((pts, key), (3003 * number as i64, number % 30 == 0));
        }
        let sound = samples.iter().filter(|sample| matches!(sample, TestSample::Audio { .. }));
        let frames_per_picture = sound.count() as f64 / pictures(&samples).len() as f64;
        assert!(
            (frames_per_picture - 48_000.0 / 1024.0 / 29.97).abs() < 0.02,
            "{frames_per_picture}"
        );
    }

    #[test]
    fn it_depends_on_its_arguments_only() {
        let made = |unix_ms| {
            let mut signal = TestSignal::new(&config()).unwrap();
            signal.restart(unix_ms);
            samples(&mut signal, 100)
        };
        assert_eq!(made(1_700_000_000_000), made(1_700_000_000_000));
        assert_ne!(made(1_700_000_000_000), made(1_700_000_001_000));
    }

    #[test]
    fn a_restart_is_a_keyframe_and_timestamps_go_on() {
        let mut signal = TestSignal::new(&config()).unwrap();
        signal.restart(1_700_000_000_000);
        let before = samples(&mut signal, 20);
        signal.restart(1_700_000_060_000);
        let all = pictures(&[before.clone(), samples(&mut signal, 20)].concat());
        let at = pictures(&before).len();
        assert!(all[at].1 && !all[at - 1].1 && !all[at + 1].1);
        assert!(all.windows(2).all(|pair| pair[1].0 - pair[0].0 == 3003));
    }

    #[test]
    fn full_seconds_begin_with_a_picture() {
        let fps = |num| FrameRate { num, den: 1 };
        assert_eq!(
            on_picture_grid(1_700_000_000_010, fps(25)),
            Timestamp::from_millis(1_700_000_000_000)
        );
        assert_eq!(
            on_picture_grid(1_700_000_000_030, fps(25)),
            Timestamp::from_millis(1_700_000_000_040)
        );
        assert_eq!(
            on_picture_grid(1_700_000_000_999, fps(25)),
            Timestamp::from_millis(1_700_000_001_000)
        );
        let third = Timestamp::from_ticks(1_700_000_000_000 * 90 + 3000);
        assert_eq!(on_picture_grid(1_700_000_000_020, fps(30)), third);
    }

    #[test]
    fn its_sequence_headers_say_what_it_is() {
        let signal = TestSignal::new(&config()).unwrap();
        let config = h264::AvcConfig::parse(signal.video_config()).unwrap();
        let sps = h264::Sps::parse(&config.parameter_sets.sps[0]).unwrap();
        assert_eq!((sps.width, sps.height), (160, 90));
        assert_eq!(sps.colour.unwrap().matrix, 6);
        let sound = aac::AudioSpecificConfig::parse(&signal.audio_config()).unwrap();
        assert_eq!((sound.sample_rate_hz, sound.channels), (48_000, 2));
    }
}
