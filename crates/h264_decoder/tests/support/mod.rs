//! What the tests of whole streams share.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use h264_decoder::{AccessUnitSplitter, Decoder, Error, Instructions, Limits};
use media::Timestamp;

/// What came out of a stream.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) pictures: usize,
    pub(crate) size: (usize, usize),
    pub(crate) is_monochrome: bool,
    pub(crate) concealed_macroblocks: u32,
    pub(crate) missing_references: u32,
}

/// The NAL units of each access unit of an Annex B byte stream.
pub(crate) fn access_units(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut splitter = AccessUnitSplitter::default();
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    for nal_unit in h264::annexb::stream(stream) {
        if splitter.starts_access_unit(nal_unit) {
            units.push(Vec::new());
        }
        units.last_mut().expect("the first one starts one").push(nal_unit.to_vec());
    }
    units
}

/// Decodes an Annex B byte stream and gives each picture's rows, Y, U, V, to `put`.
pub(crate) fn decode(stream: &[u8], put: impl FnMut(&[u8])) -> Result<Decoded, Error> {
    decode_with(Instructions::detected(), stream, put)
}

/// The same with these vector instructions.
pub(crate) fn decode_with(
    instructions: Instructions,
    stream: &[u8],
    mut put: impl FnMut(&[u8]),
) -> Result<Decoded, Error> {
    let mut decoder = Decoder::with_instructions(Limits::default(), instructions);
    let mut decoded = Decoded::default();
    for access_unit in access_units(stream) {
        decoder.decode(access_unit.iter().map(|nal_unit| &nal_unit[..]), Timestamp::ZERO)?;
        take(&mut decoder, &mut decoded, &mut put);
    }
    decoder.flush();
    take(&mut decoder, &mut decoded, &mut put);
    Ok(decoded)
}

fn take(decoder: &mut Decoder, decoded: &mut Decoded, put: &mut impl FnMut(&[u8])) {
    while let Some(picture) = decoder.next_picture() {
        let samples = picture.samples;
        for plane in [samples.y, samples.u, samples.v] {
            plane.rows().for_each(&mut *put);
        }
        decoded.pictures += 1;
        decoded.size = (samples.width(), samples.height());
        decoded.is_monochrome = picture.is_monochrome;
        decoded.concealed_macroblocks += picture.concealed_macroblocks;
        decoded.missing_references += picture.missing_references;
    }
}

/// The MD5 of what it is given, by which the reference decodes are published.
#[derive(Debug)]
pub(crate) struct Md5 {
    md5sum: Child,
    input: BufWriter<ChildStdin>,
}

impl Md5 {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("md5sum");
        let mut md5sum = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("md5sum of coreutils runs");
        let input = BufWriter::new(md5sum.stdin.take().expect("it is piped"));
        Self { md5sum, input }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.input.write_all(data).expect("md5sum reads");
    }

    pub(crate) fn hex(self) -> String {
        drop(self.input.into_inner().expect("md5sum reads"));
        let output = self.md5sum.wait_with_output().expect("md5sum ends");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().next().expect("a digest").to_owned()
    }
}
