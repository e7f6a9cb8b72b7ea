//! `decode IN.264 [OUT.yuv]`: decodes an Annex B byte stream to planar 4:2:0, frames in output
//! order, cropped. Without OUT.yuv it only decodes. With `--for-scale N` in front pictures are made
//! to be looked at N times smaller.
#![allow(clippy::print_stderr, reason = "a command line program")]

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use h264_decoder::{AccessUnitSplitter, Decoder, Limits, Quality};
use media::Timestamp;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (quality, files) = match &arguments[..] {
        [option, divisor, files @ ..] if option == "--for-scale" => {
            (divisor.parse().map(Quality::ForScale), files)
        }
        files => (Ok(Quality::Exact), files),
    };
    let (Ok(quality), [input, output @ ..]) = (quality, files) else {
        eprintln!("usage: decode [--for-scale N] IN.264 [OUT.yuv]");
        return ExitCode::from(2);
    };
    match decode(input, output.first(), quality) {
        Ok(summary) => {
            eprintln!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn decode(
    input: &str,
    output: Option<&String>,
    quality: Quality,
) -> Result<String, Box<dyn std::error::Error>> {
    let stream = std::fs::read(input)?;
    let mut out = match output {
        Some(output) => Some(BufWriter::new(std::fs::File::create(output)?)),
        None => None,
    };
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_quality(quality);
    let mut splitter = AccessUnitSplitter::default();
    let mut access_unit: Vec<&[u8]> = Vec::new();
    let mut counts = Counts::default();
    for nal_unit in h264::annexb::stream(&stream) {
        if splitter.starts_access_unit(nal_unit) && !access_unit.is_empty() {
            decoder.decode(access_unit.iter().copied(), Timestamp::ZERO)?;
            access_unit.clear();
            counts.write(&mut decoder, out.as_mut())?;
        }
        access_unit.push(nal_unit);
    }
    decoder.decode(access_unit, Timestamp::ZERO)?;
    counts.write(&mut decoder, out.as_mut())?;
    decoder.flush();
    counts.write(&mut decoder, out.as_mut())?;
    Ok(format!(
        "{} pictures, {} macroblocks concealed, {} references missing, {} bytes held",
        counts.pictures,
        counts.concealed,
        counts.missing,
        decoder.held_bytes()
    ))
}

#[derive(Default)]
struct Counts {
    pictures: usize,
    concealed: u64,
    missing: u64,
}

impl Counts {
    fn write(
        &mut self,
        decoder: &mut Decoder,
        mut out: Option<&mut impl Write>,
    ) -> std::io::Result<()> {
        while let Some(picture) = decoder.next_picture() {
            for plane in [picture.samples.y, picture.samples.u, picture.samples.v] {
                if let Some(out) = &mut out {
                    plane.rows().try_for_each(|row| out.write_all(row))?;
                }
            }
            self.pictures += 1;
            self.concealed += u64::from(picture.concealed_macroblocks);
            self.missing += u64::from(picture.missing_references);
        }
        Ok(())
    }
}
