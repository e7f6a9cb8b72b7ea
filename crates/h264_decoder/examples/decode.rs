//! `decode IN.264 OUT.yuv`: decodes an Annex B byte stream to planar 4:2:0, frames in output order, cropped.
#![allow(clippy::print_stderr, reason = "a command line program")]

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use h264_decoder::{AccessUnitSplitter, Decoder, Limits};
use media::Timestamp;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, input, output] = &arguments[..] else {
        eprintln!("usage: decode IN.264 OUT.yuv");
        return ExitCode::from(2);
    };
    match decode(input, output) {
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

fn decode(input: &str, output: &str) -> Result<String, Box<dyn std::error::Error>> {
    let stream = std::fs::read(input)?;
    let mut out = BufWriter::new(std::fs::File::create(output)?);
    let mut decoder = Decoder::new(Limits::default());
    let mut splitter = AccessUnitSplitter::default();
    let mut access_unit: Vec<&[u8]> = Vec::new();
    let mut counts = Counts::default();
    for nal_unit in h264::annexb::stream(&stream) {
        if splitter.starts_access_unit(nal_unit) && !access_unit.is_empty() {
            decoder.decode(access_unit.iter().copied(), Timestamp::ZERO)?;
            access_unit.clear();
            counts.write(&mut decoder, &mut out)?;
        }
        access_unit.push(nal_unit);
    }
    decoder.decode(access_unit, Timestamp::ZERO)?;
    counts.write(&mut decoder, &mut out)?;
    decoder.flush();
    counts.write(&mut decoder, &mut out)?;
    Ok(format!(
        "{} pictures, {} macroblocks concealed, {} references missing",
        counts.pictures, counts.concealed, counts.missing
    ))
}

#[derive(Default)]
struct Counts {
    pictures: usize,
    concealed: u64,
    missing: u64,
}

impl Counts {
    fn write(&mut self, decoder: &mut Decoder, out: &mut impl Write) -> std::io::Result<()> {
        while let Some(picture) = decoder.next_picture() {
            for plane in [picture.samples.y, picture.samples.u, picture.samples.v] {
                for row in plane.rows() {
                    out.write_all(row)?;
                }
            }
            self.pictures += 1;
            self.concealed += u64::from(picture.concealed_macroblocks);
            self.missing += u64::from(picture.missing_references);
        }
        Ok(())
    }
}
