//! Pictures to H.264 access units.

use bytes::Bytes;
use h264::{Colour, NalType, ParameterSets, nal_type};
use media::{AccessUnit, I420, NalUnits, Timestamp};
use openh264_sys2::{
    CAMERA_VIDEO_REAL_TIME, CONSTANT_ID, MEDIUM_COMPLEXITY, PRO_BASELINE, PRO_HIGH, PRO_MAIN,
    RC_BITRATE_MODE, SEncParamExt, SM_SINGLE_SLICE, SSpatialLayerConfig,
};

use crate::Error;
use crate::openh264_raw::RawEncoder;
use crate::rate_control::RateControl;

/// What an encoder is opened with.
#[derive(Clone, Debug, PartialEq)]
pub struct H264EncoderConfig {
    /// Luma width in samples: even, at least 16.
    pub width: u32,
    /// Luma height in rows: even, at least 16.
    pub height: u32,
    /// Pictures in a second, for the rate control; above 60 counts as 60.
    pub frame_rate: f32,
    /// Bits in a second, a cap: easy pictures cost less, and of those that are too hard some are
    /// left out.
    pub bitrate_bps: u32,
    /// The profile.
    pub profile: Profile,
    /// Written to the VUI; `None` writes nothing.
    pub colour: Option<Colour>,
}

/// The profile (ITU-T H.264 A.2). Main and High are coded with CABAC, which saves about a tenth of
/// the bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Constrained Baseline, CAVLC: decodes on anything.
    Baseline,
    /// Main, CABAC.
    Main,
    /// High, CABAC.
    #[default]
    High,
}

/// Whether a picture must be an IDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It must: a segment starts here.
    Idr,
    /// It need not, and then only the very first picture is, and one that is too hard.
    None,
}

/// An H.264 encoder: pictures in, each an access unit out at once. There are no B pictures, so
/// dts = pts.
pub struct H264Encoder {
    raw: RawEncoder,
    parameter_sets: ParameterSets,
    width: usize,
    height: usize,
    rate_control: RateControl,
    /// What it was opened with; its level is for this cap.
    config: H264EncoderConfig,
}

impl H264Encoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// [`Error::EncoderSize`], [`Error::EncoderRate`]; [`Error::Open`] where openh264 refuses or
    /// memory is short.
    pub fn new(config: &H264EncoderConfig) -> Result<Self, Error> {
        let (width, height) = sides(config)?;
        let bitrate_bps = i32::try_from(config.bitrate_bps)
            .ok()
            .filter(|bps| (1..=MAX_BITRATE_BPS).contains(bps) && config.frame_rate > 0.0)
            .ok_or(Error::EncoderRate { bitrate_bps: config.bitrate_bps })?;
        let mut raw = open(width, height, config, bitrate_bps).map_err(open_error)?;
        let mut parameter_sets = ParameterSets::default();
        raw.parameter_sets(|unit| {
            parameter_sets.insert(without_start_code(unit));
        })
        .map_err(open_error)?;
        let samples = f64::from(width) * f64::from(height);
        let frame_rate = f64::from(config.frame_rate).min(MAX_FRAME_RATE);
        Ok(Self {
            raw,
            parameter_sets,
            width: width.into(),
            height: height.into(),
            rate_control: RateControl::new(bitrate_bps.into(), frame_rate, samples),
            config: config.clone(),
        })
    }

    /// Encodes one picture; None where it was left out, since those before it were too hard for the
    /// cap. The first one and one that must be an IDR never are. Its access unit has slices only:
    /// no parameter sets, no access unit delimiter. One that is too hard becomes an IDR, coarse,
    /// whatever `force` says.
    ///
    /// # Errors
    /// [`Error::WrongPictureSize`]; [`Error::Encode`], after which the encoder should be closed.
    pub fn encode(
        &mut self,
        picture: I420<'_>,
        pts: Timestamp,
        force: Force,
    ) -> Result<Option<AccessUnit>, Error> {
        self.check_size(picture)?;
        let Some(qp) = self.rate_control.qp(pts, force) else { return Ok(None) };
        if force == Force::Idr {
            self.raw.force_idr().map_err(|code| Error::Encode { code })?;
        }
        if let Ok(unit) = self.encode_at(picture, pts, qp) {
            self.rate_control.encoded(qp, unit.nal_units.payload_bytes());
            return Ok(Some(unit));
        }
        // Noise at a fine QP is larger than openh264's buffer, and it has closed itself.
        self.reopen()?;
        let qp = self.rate_control.coarse_idr(pts);
        let unit = self.encode_at(picture, pts, qp).map_err(|code| Error::Encode { code })?;
        self.rate_control.encoded(qp, unit.nal_units.payload_bytes());
        Ok(Some(unit))
    }

    fn encode_at(&mut self, picture: I420<'_>, pts: Timestamp, qp: i32) -> Result<AccessUnit, i32> {
        self.raw.set_qp(qp)?;
        let mut data = Vec::new();
        let mut ends = [0; MAX_SLICES];
        let mut slices = 0;
        let random_access = self.raw.encode(picture, pts.ticks() / TICKS_PER_MS, |unit| {
            let unit = without_start_code(unit);
            if let (NalType::Slice | NalType::Idr, Some(end)) =
                (nal_type(unit), ends.get_mut(slices))
            {
                data.extend_from_slice(unit);
                *end = data.len();
                slices += 1;
            }
        })?;
        if slices == 0 {
            // A picture was skipped, which the settings rule out.
            return Err(0);
        }
        let nal_units = nal_units(data, &ends[..slices]);
        Ok(AccessUnit { pts, dts: pts, random_access, nal_units })
    }

    /// Another one of the same parameter sets. Its first picture is an IDR.
    fn reopen(&mut self) -> Result<(), Error> {
        let (width, height) = sides(&self.config)?;
        let error = Error::EncoderRate { bitrate_bps: self.config.bitrate_bps };
        let bitrate_bps = i32::try_from(self.config.bitrate_bps).map_err(|_| error)?;
        self.raw = open(width, height, &self.config, bitrate_bps).map_err(open_error)?;
        Ok(())
    }

    /// Changes the cap from the next picture on, in bits a second. The parameter sets stay those of
    /// the cap it was opened with: the level is enough for less, so more is cut down to it.
    ///
    /// # Errors
    /// [`Error::EncoderRate`] where it is 0.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) -> Result<(), Error> {
        if bitrate_bps == 0 {
            return Err(Error::EncoderRate { bitrate_bps });
        }
        self.rate_control.set_cap(bitrate_bps.min(self.config.bitrate_bps).into());
        Ok(())
    }

    /// One SPS and one PPS, the same from the first picture to the last.
    #[must_use]
    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.parameter_sets
    }

    fn check_size(&self, picture: I420<'_>) -> Result<(), Error> {
        let (width, height) = (picture.width(), picture.height());
        if (width, height) == (self.width, self.height) {
            return Ok(());
        }
        Err(Error::WrongPictureSize {
            width,
            height,
            expected_width: self.width,
            expected_height: self.height,
        })
    }
}

/// openh264 with our settings, whose QPs are ours.
fn open(
    width: u16,
    height: u16,
    config: &H264EncoderConfig,
    bitrate_bps: i32,
) -> Result<RawEncoder, i32> {
    let mut raw = RawEncoder::open(width, height, |params| configure(params, config, bitrate_bps))?;
    raw.stop_rate_control()?;
    Ok(raw)
}

fn open_error(code: i32) -> Error {
    Error::Open { what: "encoder", code: code.into() }
}

/// The sides, if they can be encoded.
fn sides(config: &H264EncoderConfig) -> Result<(u16, u16), Error> {
    let error = Error::EncoderSize { width: config.width, height: config.height };
    let side = |side: u32| {
        u16::try_from(side).ok().filter(|side| *side >= MIN_SIDE && side % 2 == 0).ok_or(error)
    };
    let (width, height) = (side(config.width)?, side(config.height)?);
    if u32::from(width) * u32::from(height) > MAX_PIXELS {
        return Err(error);
    }
    Ok((width, height))
}

/// Changes openh264's defaults.
///
/// What each of them is worth at 26 to 239 kbit/s: docs/quality.md.
fn configure(params: &mut SEncParamExt, config: &H264EncoderConfig, bitrate_bps: i32) {
    params.iUsageType = CAMERA_VIDEO_REAL_TIME;
    params.fMaxFrameRate = config.frame_rate;
    params.iTargetBitrate = bitrate_bps;
    params.iMaxBitrate = bitrate_bps;
    // Until the parameter sets are written, whose level is for this bitrate; the QPs are ours then:
    // RateControl.
    params.iRCMode = RC_BITRATE_MODE;
    // Pictures are left out by RateControl, never a forced IDR.
    params.bEnableFrameSkip = false;
    params.iComplexityMode = MEDIUM_COMPLEXITY;
    params.iEntropyCodingModeFlag = (config.profile != Profile::Baseline).into();
    // Only the grid makes IDRs, and each has the same parameter sets.
    params.uiIntraPeriod = 0;
    params.bEnableSceneChangeDetect = false;
    params.eSpsPpsIdStrategy = CONSTANT_ID;
    params.iNumRefFrame = 1;
    params.bEnableDenoise = false;
    params.bEnableBackgroundDetection = false;
    configure_layer(&mut params.sSpatialLayers[0], config, bitrate_bps);
}

fn configure_layer(layer: &mut SSpatialLayerConfig, config: &H264EncoderConfig, bitrate_bps: i32) {
    layer.fFrameRate = config.frame_rate;
    layer.iSpatialBitrate = bitrate_bps;
    layer.iMaxSpatialBitrate = bitrate_bps;
    layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
    layer.uiProfileIdc = match config.profile {
        Profile::Baseline => PRO_BASELINE,
        Profile::Main => PRO_MAIN,
        Profile::High => PRO_HIGH,
    };
    if let Some(colour) = config.colour {
        layer.bVideoSignalTypePresent = true;
        layer.bFullRange = colour.full_range;
        layer.bColorDescriptionPresent =
            [colour.primaries, colour.transfer, colour.matrix] != [UNSPECIFIED; 3];
        layer.uiColorPrimaries = colour.primaries;
        layer.uiTransferCharacteristics = colour.transfer;
        layer.uiColorMatrix = colour.matrix;
    }
}

/// openh264 writes `00 00 00 01` in front of each NAL unit.
fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).unwrap_or(unit)
}

/// The NAL units that end at `ends`, without gaps.
fn nal_units(data: Vec<u8>, ends: &[usize]) -> NalUnits {
    let mut nal_units = NalUnits::new(Bytes::from(data));
    let mut start = 0;
    for &end in ends {
        let inside = nal_units.push(start..end);
        debug_assert!(inside, "ends were taken from the buffer");
        start = end;
    }
    nal_units
}

/// "Unspecified" in the code points of colour.
const UNSPECIFIED: u8 = 2;
/// openh264 counts no more pictures in a second.
const MAX_FRAME_RATE: f64 = 60.0;
/// openh264 encodes nothing smaller.
const MIN_SIDE: u16 = 16;
/// MaxFS of level 5.2, 36864 macroblocks.
const MAX_PIXELS: u32 = 9_437_184;
/// MaxBR of level 5.2 (High), table A-1.
const MAX_BITRATE_BPS: i32 = 288_000_000;
/// A picture is one slice; the spare ones would only be used by other slice modes.
const MAX_SLICES: usize = 8;
const TICKS_PER_MS: i64 = 90;
