//! The publisher's audio: its configuration and the time of its frames.

use aac::AudioSpecificConfig;
use media::{Duration, TICKS_PER_SECOND, Timestamp};

use crate::sample_clock::SampleClock;

/// The AAC track of a publisher.
#[derive(Debug, Default)]
pub(crate) struct AudioTrack {
    config: Option<AudioSpecificConfig>,
    clock: Option<SampleClock>,
    has_run: bool,
}

impl AudioTrack {
    /// Takes a sequence header; the configuration if it is a new one, None where it repeats the one there is.
    pub(crate) fn configure(
        &mut self,
        sequence_header: &[u8],
    ) -> Result<Option<AudioSpecificConfig>, aac::Error> {
        let config = AudioSpecificConfig::parse(sequence_header)?;
        // What ADTS has no number for cannot be carried: better said once than dropped frame by frame.
        aac::adts_header(&config, 0)?;
        if self.config.as_ref() == Some(&config) {
            return Ok(None);
        }
        self.clock = Some(SampleClock::new(config.samples_per_frame.into(), config.sample_rate_hz));
        self.config = Some(config.clone());
        Ok(Some(config))
    }

    /// The configuration, once there is one.
    pub(crate) fn config(&self) -> Option<&AudioSpecificConfig> {
        self.config.as_ref()
    }

    /// Whether a frame has come.
    pub(crate) fn has_run(&self) -> bool {
        self.has_run
    }

    /// Presentation time and span of the next frame; None before there is a configuration to play it with.
    pub(crate) fn frame(&mut self, stamp: Timestamp) -> Option<(Timestamp, Duration)> {
        let (config, clock) = (self.config.as_ref()?, self.clock.as_mut()?);
        self.has_run = true;
        let samples = i64::from(config.samples_per_frame);
        let span = Duration::from_ticks(
            samples * TICKS_PER_SECOND / i64::from(config.sample_rate_hz.max(1)),
        );
        Some((clock.next(stamp), span))
    }
}
