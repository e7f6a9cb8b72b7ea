//! The decoding of a stream: what the decoder is given, and when it is given up.

use std::sync::Arc;

use codec::{DecoderKind, Error, H264Decoder, Quality};
use media::{I420, Timestamp};

use crate::picture::{Picture, VideoConfig};

/// Access units that a decoder refuses by name, one after the other, before it is given up: a
/// single one may be damage.
const MAX_REFUSALS: u32 = 2;

/// The decoding of a stream with one set of parameters.
pub(crate) struct Decoding {
    kind: DecoderKind,
    quality: Quality,
    decoder: Option<H264Decoder>,
    config: Arc<VideoConfig>,
    /// SPS and PPS in Annex B.
    parameter_sets: Vec<u8>,
    sets_are_new: bool,
    /// The access unit being decoded, in Annex B.
    annexb: Vec<u8>,
    /// Access units refused by name since one that was not.
    refusals: u32,
}

impl Decoding {
    pub(crate) fn new(kind: DecoderKind, config: &Arc<VideoConfig>) -> Self {
        let mut decoding = Self {
            kind,
            quality: Quality::Exact,
            decoder: None,
            config: Arc::clone(config),
            parameter_sets: Vec::new(),
            sets_are_new: true,
            annexb: Vec::new(),
            refusals: 0,
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

    /// How closely the next pictures are made.
    pub(crate) fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    /// The decoder in use.
    pub(crate) fn kind(&self) -> DecoderKind {
        self.kind
    }

    /// Decodes the next picture; `on_picture` gets those that are due, maybe out of turn. A picture
    /// in front of one that the decoder can start at is left out without an error.
    pub(crate) fn decode(
        &mut self,
        picture: &Picture,
        mut on_picture: impl FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let unit = &picture.unit;
        if picture.after_gap && !unit.random_access {
            // What the decoder holds is not what the next pictures refer to: from here on as from
            // the beginning.
            self.drain(&mut on_picture);
        }
        // A picture whose slices could hold it many times over is kept from the decoder.
        let fields = if self.config.sps.interlaced { 2 } else { 1 };
        h264::judge_slices(&unit.nal_units, picture.macroblocks, fields)
            .map_err(|error| Error::Malformed { bytes: unit.nal_units.payload_bytes(), error })?;
        self.annexb.clear();
        if std::mem::take(&mut self.sets_are_new) || unit.random_access {
            self.annexb.extend_from_slice(&self.parameter_sets);
        }
        h264::annexb::write(unit.nal_units.iter(), &mut self.annexb);
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(H264Decoder::new(self.kind)?),
        };
        decoder.set_quality(self.quality);
        let result = decoder.decode(&self.annexb, unit.pts, on_picture);
        let is_refused = matches!(result, Err(Error::Unsupported { .. }));
        self.refusals = if is_refused { self.refusals + 1 } else { 0 };
        result
    }

    /// Hands out what the decoder holds back.
    pub(crate) fn drain(&mut self, on_picture: impl FnMut(I420<'_>, Timestamp)) {
        if let Some(mut decoder) = self.decoder.take() {
            decoder.drain(on_picture);
        }
        self.sets_are_new = true;
    }

    /// Whether the decoder cannot go on with this stream: it refuses by name what comes.
    pub(crate) fn is_given_up(&self) -> bool {
        self.refusals >= MAX_REFUSALS
    }
}
