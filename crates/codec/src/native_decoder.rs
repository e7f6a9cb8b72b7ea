//! Our own decoder, the crate `h264_decoder`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use h264_decoder::{Decoder, Refusal};
use media::{I420, Timestamp};

use crate::decoder::Decode;
use crate::{DecoderKind, Error, Limits, Quality};

/// `h264_decoder`, which gives each picture out as soon as it is decoded: it is scaled while it is
/// in a cache, and the scaled ones are sorted. What is missing or broken is made up of the picture
/// nearest in time.
///
/// It gives one field of each frame of interlaced streams, always the top one: the two are of
/// different moments, and scaled together they are a ghost of each other.
pub(crate) struct NativeDecoder {
    decoder: Decoder,
    limits: Limits,
    quality: Quality,
}

impl NativeDecoder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { decoder: open(limits), limits, quality: Quality::Exact }
    }

    fn hand_out(&mut self, on_picture: &mut dyn FnMut(I420<'_>, Timestamp)) -> Result<(), Error> {
        let (mut macroblocks, mut references) = (0, 0);
        while let Some(picture) = self.decoder.next_picture() {
            macroblocks += picture.concealed_macroblocks;
            references += picture.missing_references;
            let samples = picture.samples;
            let shown = if picture.is_interlaced { samples.top_field() } else { samples };
            on_picture(shown, picture.pts);
        }
        if macroblocks == 0 && references == 0 {
            return Ok(());
        }
        Err(Error::Damaged { macroblocks, references })
    }
}

impl Decode for NativeDecoder {
    fn decode(
        &mut self,
        annexb: &[u8],
        pts: Timestamp,
        on_picture: &mut dyn FnMut(I420<'_>, Timestamp),
    ) -> Result<(), Error> {
        let bytes = annexb.len();
        let nal_units = h264::annexb::stream(annexb);
        // It is not known to panic; if it does, that costs this stream's pictures up to the next
        // one to start at, and nothing else.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(nal_units, pts)));
        let Ok(decoded) = decoded else {
            self.decoder = open(self.limits);
            self.decoder.set_quality(self.quality);
            return Err(Error::Panicked { bytes });
        };
        let damage = self.hand_out(on_picture);
        decoded.map_err(|error| match error {
            h264_decoder::Error::Refused(refusal) => {
                Error::Unsupported { decoder: DecoderKind::Native, tool: named(refusal) }
            }
            h264_decoder::Error::ParameterSet { error, .. } => Error::Malformed { bytes, error },
        })?;
        damage
    }

    fn drain(&mut self, on_picture: &mut dyn FnMut(I420<'_>, Timestamp)) {
        self.decoder.flush();
        // Who ends a stream asks for no more than what there is of it.
        let _ = self.hand_out(on_picture);
    }

    fn start_anywhere(&mut self) {
        self.decoder.start_anywhere();
    }

    fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        self.decoder.set_quality(quality);
    }
}

fn open(limits: Limits) -> Decoder {
    let macroblocks = limits.max_pixels / 256;
    Decoder::new(h264_decoder::Limits {
        max_macroblocks: u32::try_from(macroblocks).unwrap_or(u32::MAX),
        max_waiting: 0,
        ..h264_decoder::Limits::default()
    })
}

fn named(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::DataPartitioning => "data partitioning",
        Refusal::SwitchingSlices => "switching slices",
        Refusal::SliceGroups { .. } => "slice groups",
        Refusal::ArbitrarySliceOrder { .. } => "slices out of order",
        Refusal::RedundantSlices => "redundant slices",
        Refusal::BitDepth { .. } => "more than 8 bits a sample",
        Refusal::ChromaFormat { .. } => "chroma other than 4:2:0",
        Refusal::Lossless => "lossless coding",
        Refusal::PictureSize { .. } => "pictures larger than those of level 5.2",
    }
}
