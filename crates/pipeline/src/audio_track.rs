//! The publisher's audio: what it is, and the time of its frames.

use std::collections::VecDeque;

use aac::{AdtsFrame, AudioSpecificConfig};
use bytes::Bytes;
use codec::{AacCheck, SbrProbe};
use media::{AudioFrame, Duration, TICKS_PER_SECOND, Timestamp};

use crate::event::AudioRefusal;
use crate::message_error::MessageError;
use crate::mp3_track::Mp3Track;
use crate::sample_clock::SampleClock;

/// The most that an ADTS frame holds behind its header (13 bits of length, ISO/IEC 14496-3
/// 1.A.2.2).
const MAX_FRAME_BYTES: usize = 8184;

/// Frames in which unannounced SBR is looked for. It is in every frame; parametric stereo shows
/// with the second one.
const PROBED_FRAMES: u8 = 16;

/// Frames that are decoded behind a damaged one: half a minute at 48 kHz.
const SUSPECTED_FRAMES: u32 = 1500;

/// So many damaged frames in a row are replaced by the one before them; a longer repetition is a
/// buzz.
const MAX_REPEATED_FRAMES: u32 = 8;

/// Cores above this rate have no SBR that is not announced: what is heard would be above 48 kHz.
const MAX_PROBED_HZ: u32 = 24_000;

/// The audio of a publisher: AAC as it comes, or AAC made of its MP3.
///
/// After every call that takes a message, drain [`poll`](Self::poll) to None.
#[derive(Default)]
pub(crate) struct AudioTrack {
    source: Source,
    events: VecDeque<AudioEvent>,
    /// What the last [`AudioEvent::Config`] said, and of which source.
    announced: Option<(AudioSpecificConfig, Origin)>,
    has_run: bool,
}

#[derive(Default)]
enum Source {
    /// Nothing yet that says what comes.
    #[default]
    Unknown,
    /// Something that is not carried; it has been named.
    Refused,
    Aac(AacTrack),
    Mp3(Box<Mp3Track>),
}

/// Where frames come from: two encoders never continue each other, however alike they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Publisher,
    OwnEncoder,
}

/// What the track makes of the publisher's messages, in order.
#[derive(Debug)]
pub(crate) enum AudioEvent {
    /// What the frames from here on are. Where frames have come before, these do not continue them.
    Config(AudioSpecificConfig),
    /// The frames turned out to hold more than the configuration tells: for them nothing changes.
    Refined(AudioSpecificConfig),
    /// A frame, and how long it sounds.
    Frame(AudioFrame, Duration),
    /// Sound that is not carried.
    Refused(AudioRefusal),
    /// A message, or a part of one, that cannot be used.
    Skipped(MessageError),
    /// So many frames of one message did not decode, and are silence.
    Damaged(usize),
}

impl AudioTrack {
    /// Takes an AAC sequence header. One that cannot be read changes nothing; one of something that
    /// is not carried ends the sound until another comes.
    pub(crate) fn configure(&mut self, sequence_header: &[u8]) {
        match AudioSpecificConfig::parse(sequence_header).and_then(carried) {
            Ok(config) => self.set_aac(config, false),
            Err(error @ (aac::Error::ObjectType { .. } | aac::Error::NotInAdts { .. })) => {
                self.refuse(AudioRefusal::Aac(error));
            }
            Err(error) => self.skip(error.into()),
        }
    }

    /// Takes sound of a codec that is not carried.
    pub(crate) fn refuse(&mut self, refusal: AudioRefusal) {
        self.finish();
        self.source = Source::Refused;
        self.announced = None;
        self.events.push_back(AudioEvent::Refused(refusal));
    }

    /// What became of the messages, in order; None when there is nothing until the next.
    pub(crate) fn poll(&mut self) -> Option<AudioEvent> {
        self.events.pop_front()
    }

    fn skip(&mut self, why: MessageError) {
        self.events.push_back(AudioEvent::Skipped(why));
    }

    /// Takes an AAC message, stamped `stamp`: a frame, or, from senders that know no better, a
    /// piece of an ADTS stream.
    pub(crate) fn aac(&mut self, stamp: Timestamp, data: Bytes) {
        if AdtsFrame::parse(&data).is_none() {
            return self.raw(stamp, data);
        }
        let (mut rest, mut at) = (data, stamp);
        while let Some(frame) = AdtsFrame::parse(&rest) {
            self.set_aac_of_adts(frame.config);
            let mut data = rest.split_to(frame.frame_bytes);
            self.raw(at, data.split_off(frame.header_bytes));
            at += self.span();
        }
    }

    /// Takes an MP3 message, stamped `stamp`.
    pub(crate) fn mp3(&mut self, stamp: Timestamp, data: &[u8]) {
        if !matches!(self.source, Source::Mp3(_)) {
            match Mp3Track::new() {
                Ok(track) => self.source = Source::Mp3(Box::new(track)),
                Err(error) => return self.skip(error.into()),
            }
        }
        if let Source::Mp3(track) = &mut self.source {
            track.push(stamp, data);
        }
        self.take_mp3();
    }

    /// No more sound comes: what is still inside comes out.
    pub(crate) fn finish(&mut self) {
        if let Source::Mp3(track) = &mut self.source {
            track.finish();
        }
        self.take_mp3();
    }

    /// The configuration of the AAC that has been announced, whether or not frames have come.
    pub(crate) fn announced_config(&self) -> Option<&AudioSpecificConfig> {
        match &self.source {
            Source::Aac(track) => Some(&track.config),
            Source::Unknown | Source::Refused | Source::Mp3(_) => None,
        }
    }

    /// Whether what comes is not carried.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.source, Source::Refused)
    }

    /// The configuration of what is written, once there is one.
    pub(crate) fn config(&self) -> Option<&AudioSpecificConfig> {
        self.announced.as_ref().map(|(config, _)| config)
    }

    fn set_aac(&mut self, config: AudioSpecificConfig, is_of_adts: bool) {
        if matches!(&self.source, Source::Aac(track) if track.sent == config) {
            return;
        }
        self.finish();
        self.source = Source::Aac(AacTrack::new(config.clone(), is_of_adts));
        // A change is told at once: the picture behind it may start the segment that it takes
        // effect with. The first configuration waits for its first frame, which may never come.
        if self.has_run {
            self.announce(config, Origin::Publisher);
        }
    }

    /// Takes the configuration of an ADTS header, where no sequence header has given a better one.
    fn set_aac_of_adts(&mut self, config: AudioSpecificConfig) {
        if !matches!(&self.source, Source::Aac(track) if !track.is_of_adts) {
            self.set_aac(config, true);
        }
    }

    fn announce(&mut self, config: AudioSpecificConfig, origin: Origin) {
        let announced = Some((config.clone(), origin));
        if self.announced != announced {
            self.announced = announced;
            self.events.push_back(AudioEvent::Config(config));
        }
    }

    /// Takes one raw AAC frame.
    fn raw(&mut self, stamp: Timestamp, data: Bytes) {
        let bytes = data.len();
        match &mut self.source {
            // An encoder that has nothing to say; a frame of no bytes would be no AAC.
            _ if bytes == 0 => {}
            Source::Refused => {}
            Source::Unknown | Source::Mp3(_) => self.skip(MessageError::AudioBeforeConfig),
            Source::Aac(_) if bytes > MAX_FRAME_BYTES => {
                self.skip(MessageError::AudioFrameTooLarge { bytes, limit: MAX_FRAME_BYTES });
            }
            Source::Aac(track) => {
                let pts = track.clock.next(stamp);
                let (data, is_damaged) = track.mend(data);
                if is_damaged {
                    self.events.push_back(AudioEvent::Damaged(1));
                }
                let Some(data) = data else { return };
                let refined = track.probe(&data);
                let config = track.config.clone();
                let span = track.span();
                if refined && self.has_run {
                    self.refine(config);
                } else {
                    self.announce(config, Origin::Publisher);
                }
                self.has_run = true;
                self.events.push_back(AudioEvent::Frame(AudioFrame { pts, data }, span));
            }
        }
    }

    fn refine(&mut self, config: AudioSpecificConfig) {
        self.announced = Some((config.clone(), Origin::Publisher));
        self.events.push_back(AudioEvent::Refined(config));
    }

    /// How long a frame of the AAC in force sounds.
    fn span(&self) -> Duration {
        match &self.source {
            Source::Aac(track) => track.span(),
            _ => Duration::ZERO,
        }
    }

    /// Takes what has become of MP3.
    fn take_mp3(&mut self) {
        let Source::Mp3(track) = &mut self.source else { return };
        while let Some(event) = track.poll() {
            match &event {
                AudioEvent::Config(config) => {
                    self.announced = Some((config.clone(), Origin::OwnEncoder));
                }
                AudioEvent::Frame(..) => self.has_run = true,
                AudioEvent::Refined(_)
                | AudioEvent::Refused(_)
                | AudioEvent::Skipped(_)
                | AudioEvent::Damaged(_) => {}
            }
            self.events.push_back(event);
        }
    }
}

/// AAC that is passed through.
struct AacTrack {
    /// The configuration as it was sent, and with what was found in the frames.
    sent: AudioSpecificConfig,
    config: AudioSpecificConfig,
    /// It is of an ADTS header: no sequence header came.
    is_of_adts: bool,
    clock: SampleClock,
    probe: Option<SbrProbe>,
    probed: u8,
    /// The newest frame that was whole.
    good: Option<Bytes>,
    /// Damaged frames since.
    damaged_in_a_row: u32,
    suspicion: Option<Suspicion>,
}

/// Frames have been damaged: for a while each one is decoded.
struct Suspicion {
    frames_left: u32,
    /// None where the decoder does not take the stream.
    check: Option<AacCheck>,
}

impl AacTrack {
    fn new(config: AudioSpecificConfig, is_of_adts: bool) -> Self {
        Self {
            clock: SampleClock::new(config.samples_per_frame.into(), config.sample_rate_hz),
            probe: may_hold_more(&config).then(|| SbrProbe::new(&config.core_bytes()?)).flatten(),
            probed: 0,
            good: None,
            damaged_in_a_row: 0,
            suspicion: None,
            sent: config.clone(),
            config,
            is_of_adts,
        }
    }

    fn span(&self) -> Duration {
        span(self.config.samples_per_frame.into(), self.config.sample_rate_hz)
    }

    /// The frame, or in place of a damaged one the last that was whole, as players end at what they
    /// cannot decode; whether it is damaged. None where there is nothing to put in its place.
    fn mend(&mut self, frame: Bytes) -> (Option<Bytes>, bool) {
        if self.is_whole(&frame) {
            self.damaged_in_a_row = 0;
            self.good = Some(frame.clone());
            return (Some(frame), false);
        }
        self.damaged_in_a_row = self.damaged_in_a_row.saturating_add(1);
        let may_repeat = self.damaged_in_a_row <= MAX_REPEATED_FRAMES;
        (self.good.clone().filter(|_| may_repeat), true)
    }

    /// Whether players can decode the frame. Most damage shows at its begin; once there was some,
    /// every frame is decoded for a while.
    fn is_whole(&mut self, frame: &[u8]) -> bool {
        let begins = self.config.begins_frame(frame);
        let decodes =
            self.suspicion.as_mut().and_then(|it| it.check.as_mut()).map(|it| it.decodes(frame));
        let is_whole = begins && decodes != Some(false);
        match &mut self.suspicion {
            Some(suspicion) if !is_whole => suspicion.frames_left = SUSPECTED_FRAMES,
            Some(Suspicion { frames_left: 0, .. }) => self.suspicion = None,
            Some(suspicion) => suspicion.frames_left -= 1,
            None if !is_whole => {
                let check = self.config.core_bytes().and_then(|config| AacCheck::new(&config));
                self.suspicion = Some(Suspicion { frames_left: SUSPECTED_FRAMES, check });
            }
            None => {}
        }
        is_whole
    }

    /// Looks into one of the first frames; whether it holds what the configuration does not tell.
    fn probe(&mut self, frame: &[u8]) -> bool {
        let Some(probe) = &mut self.probe else { return false };
        let found = probe.push(frame);
        let refined =
            (self.config.sbr.is_none() && found.sbr.is_some()) || (!self.config.ps && found.ps);
        self.config.sbr = self.config.sbr.or(found.sbr);
        self.config.ps |= found.ps;
        self.probed += 1;
        if self.probed >= PROBED_FRAMES || !may_hold_more(&self.config) {
            self.probe = None;
        }
        refined
    }
}

/// Whether frames of this configuration may hold SBR or parametric stereo that it does not tell of.
fn may_hold_more(config: &AudioSpecificConfig) -> bool {
    let may_be_ps = !config.ps && config.channels == 1;
    config.sample_rate_hz <= MAX_PROBED_HZ && (config.sbr.is_none() || may_be_ps)
}

/// What ADTS has no number for cannot be carried: better said once than dropped frame by frame.
fn carried(config: AudioSpecificConfig) -> Result<AudioSpecificConfig, aac::Error> {
    aac::adts_header(&config, 0).map(|_| config)
}

/// How long so many samples sound.
pub(crate) fn span(samples: i64, sample_rate_hz: u32) -> Duration {
    Duration::from_ticks(
        samples.saturating_mul(TICKS_PER_SECOND) / i64::from(sample_rate_hz.max(1)),
    )
}
