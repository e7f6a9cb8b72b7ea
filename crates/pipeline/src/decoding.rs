//! Which decoder a stream gets, where it starts, and what happens when it fails.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use codec::{DecoderKind, Error, H264Decoder};
use h264::Pps;
use media::{Duration, I420, Timestamp};

use crate::event::Notice;
use crate::picture::{Picture, VideoConfig};

/// Whose decoder is to be used; docs/decode.md has the table behind [`Auto`](Self::Auto).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecoderChoice {
    /// The preferred one of [`DecoderKind`] that decodes what the parameter sets say; the next one
    /// where that one refuses, and from the next picture that a decoder can start at where it
    /// fails.
    #[default]
    Auto,
    /// This one only.
    Only(DecoderKind),
}

impl fmt::Display for DecoderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(kind) => kind.fmt(f),
        }
    }
}

/// Frames that are hidden at most because a recovery point says that they are not right yet:
/// refreshing takes a GOP in practice, and what is sent as `recovery_frame_cnt` may be anything up
/// to 65 535.
const MAX_RECOVERY_FRAMES: u32 = 300;

/// How long a decoder that failed waits for an IDR or a recovery point, before it starts at any
/// intra picture: pictures behind that one may still refer to what came before it.
const MAX_START_WAIT: Duration = Duration::from_secs(4);

/// The decoding of a stream with one set of parameters.
pub(crate) struct Decoding {
    choice: DecoderChoice,
    kind: DecoderKind,
    decoder: Option<H264Decoder>,
    config: Arc<VideoConfig>,
    /// SPS and PPS in Annex B.
    parameter_sets: Vec<u8>,
    sets_are_new: bool,
    /// The access unit being decoded, in Annex B.
    annexb: Vec<u8>,
    /// The next picture given is the decoder's first, or its first after an error that it does not
    /// conceal.
    starting: bool,
    hidden: Hidden,
    /// The last error since the decoder was opened, and the decoding time it came at.
    failure: Option<(Error, Timestamp)>,
    /// The decoder began at a recovery point that is no IDR.
    began_without_idr: bool,
    /// Decoders that were left for good: they do not decode what the stream uses, or panicked.
    left_for_good: Vec<DecoderKind>,
    notices: VecDeque<Notice>,
}

/// Pictures that come out but are not right: they refer to what came before the decoder's first
/// picture.
#[derive(Default)]
struct Hidden {
    before: Option<Timestamp>,
    /// Frames until the picture is right whose time becomes `before`.
    frames_left: u32,
}

impl Decoding {
    pub(crate) fn new(choice: DecoderChoice, config: &Arc<VideoConfig>) -> Self {
        let kind = match choice {
            DecoderChoice::Auto => preferred(config),
            DecoderChoice::Only(kind) => kind,
        };
        let mut decoding = Self {
            choice,
            kind,
            decoder: None,
            config: Arc::clone(config),
            parameter_sets: Vec::new(),
            sets_are_new: true,
            annexb: Vec::new(),
            starting: true,
            hidden: Hidden::default(),
            failure: None,
            began_without_idr: false,
            left_for_good: Vec::new(),
            notices: VecDeque::new(),
        };
        decoding.set_config(config);
        decoding
    }

    /// The parameters of the pictures it is given.
    pub(crate) fn config(&self) -> &Arc<VideoConfig> {
        &self.config
    }

    /// Takes other picture parameter sets from the next picture on. (Another SPS needs another
    /// decoding.)
    pub(crate) fn set_config(&mut self, config: &Arc<VideoConfig>) {
        self.config = Arc::clone(config);
        self.parameter_sets.clear();
        h264::annexb::write(config.parameter_sets.iter(), &mut self.parameter_sets);
        self.sets_are_new = true;
    }

    /// The decoder in use.
    pub(crate) fn kind(&self) -> DecoderKind {
        self.kind
    }

    /// What is to be logged; None when there is nothing until the next picture.
    pub(crate) fn poll(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Decodes the next picture; `on_picture` gets those that are due, maybe out of turn. A picture
    /// that nothing can be made of, because what it refers to was lost, is left out without an
    /// error.
    pub(crate) fn decode(
        &mut self,
        picture: &Picture,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        if picture.after_gap && !picture.unit.random_access {
            // What the decoder holds is not what the next pictures refer to: from here on as from
            // the beginning.
            self.drain(&mut on_picture);
        }
        self.judge_slices(picture)?;
        let can_start = self.can_start(picture);
        if !can_start && (self.starting || self.hidden.leads(picture)) {
            return Ok(());
        }
        if can_start && let Some((failure, _)) = self.failure.take() {
            // At an IDR every decoder is right from the first picture on. At another picture some
            // give no B pictures (openh264), so the one that failed gets a second try there, unless
            // it began at such a picture before: it would fail again.
            let is_final = matches!(failure, Error::Unsupported { .. });
            if picture.unit.random_access || is_final || self.began_without_idr {
                self.change(failure, &mut on_picture);
            }
        }
        let may_begin = can_start && !self.starting && !picture.unit.random_access;
        let mut result = self.give(picture, &mut on_picture);
        if may_begin && self.starting && is_damage(&result) {
            // Something is missing in front of it. The decoder has forgotten what it knew, and can
            // begin here.
            self.failure = None;
            result = self.give(picture, &mut on_picture);
        }
        // Nothing is lost where another one can take the picture: each is asked once.
        for _ in DecoderKind::all().skip(1) {
            match result {
                Err(error) if can_start && self.change(error, &mut on_picture) => {
                    result = self.give(picture, &mut on_picture);
                }
                _ => break,
            }
        }
        result
    }

    /// Keeps a picture from every decoder whose slices could hold it many times over: it counts as
    /// lost.
    fn judge_slices(&mut self, picture: &Picture) -> Result<(), Error> {
        let nal_units = &picture.unit.nal_units;
        let fields = if self.config.sps.interlaced { 2 } else { 1 };
        h264::judge_slices(nal_units, picture.macroblocks, fields).map_err(|error| {
            self.starting |= !self.kind.conceals();
            Error::Malformed { bytes: nal_units.payload_bytes(), error }
        })
    }

    /// Hands out what the decoder holds back.
    pub(crate) fn drain(&mut self, mut on_picture: impl FnMut(I420<'_>, Timestamp)) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.drain(|picture, pts| self.hidden.pass(picture, pts, &mut on_picture));
        }
        self.starting = true;
    }

    /// Why no decoder there is can go on with this stream, if so.
    pub(crate) fn undecodable(&self) -> Option<Error> {
        let (refusal, _) =
            self.failure.filter(|(error, _)| matches!(error, Error::Unsupported { .. }))?;
        self.next_kind().is_none().then_some(refusal)
    }

    /// Whether a decoder can start with this picture.
    fn can_start(&self, picture: &Picture) -> bool {
        let unit = &picture.unit;
        if unit.random_access || !picture.recovery_point {
            return unit.random_access;
        }
        // Where nothing has been decoded yet the ingest half has chosen the picture.
        self.failure.is_none_or(|(_, at)| {
            unit.dts - at > MAX_START_WAIT
                || h264::classify(&unit.nal_units).recovery_frame_count.is_some()
        })
    }

    fn give(
        &mut self,
        picture: &Picture,
        on_picture: &mut impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let unit = &picture.unit;
        self.annexb.clear();
        if std::mem::take(&mut self.sets_are_new) || unit.random_access || self.starting {
            self.annexb.extend_from_slice(&self.parameter_sets);
        }
        h264::annexb::write(unit.nal_units.iter(), &mut self.annexb);
        self.hidden.note(picture, self.starting);
        self.began_without_idr = !unit.random_access && (self.starting || self.began_without_idr);
        let result = self.decode_unit(unit.pts, on_picture);
        match result {
            Ok(()) => self.starting = false,
            // Too large for either; what refers to it will say so.
            Err(Error::AccessUnitTooLarge { .. }) => {}
            Err(error) => {
                self.failure = Some((error, unit.dts));
                self.starting |= !self.kind.conceals();
            }
        }
        result
    }

    fn decode_unit(
        &mut self,
        pts: Timestamp,
        on_picture: &mut impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(H264Decoder::new(self.kind)?),
        };
        let hidden = &self.hidden;
        decoder.decode(&self.annexb, pts, |picture, pts| hidden.pass(picture, pts, on_picture))
    }

    /// Takes the next decoder because of `failure`, if there is another.
    fn change(&mut self, failure: Error, on_picture: &mut impl FnMut(I420<'_>, Timestamp)) -> bool {
        let is_shared = matches!(failure, Error::AccessUnitTooLarge { .. });
        let Some(next) = self.next_kind().filter(|_| !is_shared) else { return false };
        self.drain(on_picture);
        // What makes a decoder panic would do so again.
        if matches!(failure, Error::Unsupported { .. } | Error::Panicked { .. }) {
            self.left_for_good.push(self.kind);
        }
        self.kind = next;
        self.failure = None;
        self.notices.push_back(Notice::DecoderChanged { to: self.kind, why: failure });
        true
    }

    /// The decoder to take where this one fails.
    fn next_kind(&self) -> Option<DecoderKind> {
        match self.choice {
            DecoderChoice::Auto => {
                let sets = pps_of(&self.config);
                self.kind.next(|kind| {
                    self.left_for_good.contains(&kind)
                        || sets.iter().any(|pps| kind.decodes(&self.config.sps, pps).is_err())
                })
            }
            DecoderChoice::Only(_) => None,
        }
    }
}

/// The stream's picture parameter sets. One that cannot be read is no reason to refuse the stream:
/// the decoder says so itself.
fn pps_of(config: &VideoConfig) -> Vec<Pps> {
    config.parameter_sets.pps.iter().filter_map(|pps| Pps::parse(pps).ok()).collect()
}

/// The decoder to begin with.
fn preferred(config: &VideoConfig) -> DecoderKind {
    DecoderKind::preferred(&config.sps, &pps_of(config)).unwrap_or_default()
}

/// Whether something of the picture, or of what it refers to, is missing or broken.
fn is_damage(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::Damaged { .. } | Error::Malformed { .. }))
}

impl Hidden {
    /// Whether the picture would be hidden and nothing else needs it: a decoder need not be asked
    /// for what it cannot know.
    fn leads(&self, picture: &Picture) -> bool {
        let is_before = self.before.is_some_and(|before| picture.unit.pts < before);
        self.frames_left == 0 && picture.disposable && is_before
    }

    /// A picture is about to be decoded, the first one where `starting`.
    fn note(&mut self, picture: &Picture, starting: bool) {
        if picture.unit.random_access {
            *self = Self::default();
        } else if starting {
            let count = h264::classify(&picture.unit.nal_units).recovery_frame_count;
            self.frames_left = count.unwrap_or(0).min(MAX_RECOVERY_FRAMES);
            self.before = Some(picture.unit.pts);
        } else if self.frames_left > 0 && !picture.disposable {
            self.frames_left -= 1;
            self.before = Some(picture.unit.pts);
        }
    }

    fn pass(
        &self,
        picture: I420<'_>,
        pts: Timestamp,
        on_picture: &mut impl FnMut(I420<'_>, Timestamp),
    ) {
        if self.frames_left == 0 && self.before.is_none_or(|before| pts >= before) {
            on_picture(picture, pts);
        }
    }
}
