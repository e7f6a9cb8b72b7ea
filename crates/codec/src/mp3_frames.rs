//! MPEG audio Layer III frames in messages.

/// What a frame header says (ISO/IEC 11172-3 2.4.1.3, ISO/IEC 13818-3 2.4.1.3; the three lowest
/// rates are "MPEG-2.5").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: Format,
    /// Samples of each channel: 1152 or 576.
    pub(crate) samples: usize,
    /// With the header; 24 to 1441.
    pub(crate) frame_bytes: usize,
}

/// What must stay the same for a decoder to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) sample_rate_hz: u32,
    /// 1 or 2.
    pub(crate) channels: u8,
}

impl Header {
    /// Reads a header; None where there is none, of another layer, or of a frame of free format:
    /// those are as long as it pleases the encoder, and nothing decodes them.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = u32::from_be_bytes(*bytes.first_chunk()?);
        let field = |shift: u32, bits: u32| ((word >> shift) & ((1 << bits) - 1)) as usize;
        let version = field(19, 2);
        if field(21, 11) != 0x7ff || version == VERSION_RESERVED || field(17, 2) != LAYER_III {
            return None;
        }
        let is_mpeg1 = version == VERSION_MPEG1;
        let bitrates = if is_mpeg1 { &KBIT_MPEG1 } else { &KBIT_MPEG2 };
        let kbit = *bitrates.get(field(12, 4)).filter(|kbit| **kbit > 0)?;
        let halvings = [2, 0, 1, 0][version];
        let sample_rate_hz = RATES_HZ.get(field(10, 2))? >> halvings;
        let samples = if is_mpeg1 { 1152 } else { 576 };
        // Eighths of a sample's bits: bytes in the time of the samples.
        let bytes = samples as u32 / 8 * kbit * 1000 / sample_rate_hz;
        Some(Self {
            format: Format {
                sample_rate_hz,
                channels: if field(6, 2) == MODE_MONO { 1 } else { 2 },
            },
            samples,
            frame_bytes: bytes as usize + field(9, 1),
        })
    }
}

const VERSION_RESERVED: usize = 1;
const VERSION_MPEG1: usize = 3;
const LAYER_III: usize = 1;
const MODE_MONO: usize = 3;
/// Bitrates in 1000 bit/s; 0 is free format, 15 is not allowed.
const KBIT_MPEG1: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const KBIT_MPEG2: [u32; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/// The sample rates of MPEG-1; MPEG-2 has half of each, MPEG-2.5 a quarter.
const RATES_HZ: [u32; 3] = [44_100, 48_000, 32_000];

/// What [`Frames::push`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// One whole frame.
    Frame(Header, &'a [u8]),
    /// Bytes that are no frame: one was damaged here.
    Lost,
}

/// Cuts messages into frames. A message should hold one frame; encoders also put several into one,
/// or a part.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of a frame whose rest comes with the next message: less than one frame.
    pending: Vec<u8>,
}

impl Frames {
    /// Takes one message and hands out the frames that it completes.
    pub(crate) fn push(&mut self, data: &[u8], mut on_piece: impl FnMut(Piece<'_>)) {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() && is_whole(data) {
            // What looked like the beginning of a longer frame was a damaged one.
            if Header::parse(&pending).is_some() {
                on_piece(Piece::Lost);
            }
            pending.clear();
        }
        if pending.is_empty() {
            self.pending = cut(data, &mut on_piece).to_vec();
        } else {
            pending.extend_from_slice(data);
            self.pending = cut(&pending, &mut on_piece).to_vec();
        }
    }
}

/// Hands out whole frames; gives back the beginning of one whose rest is missing.
fn cut<'a>(mut data: &'a [u8], on_piece: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
    let mut lost = false;
    while data.len() >= HEADER_BYTES {
        match Header::parse(data).filter(|header| !lost || is_followed(data, header)) {
            Some(header) if header.frame_bytes > data.len() => break,
            Some(header) => {
                if std::mem::take(&mut lost) {
                    on_piece(Piece::Lost);
                }
                let (frame, rest) = data.split_at(header.frame_bytes);
                on_piece(Piece::Frame(header, frame));
                data = rest;
            }
            None => {
                lost = true;
                data = after_sync_candidate(data);
            }
        }
    }
    if lost {
        on_piece(Piece::Lost);
    }
    data
}

const HEADER_BYTES: usize = 4;

/// Up to the next byte that a header may start with.
fn after_sync_candidate(data: &[u8]) -> &[u8] {
    let rest = data.get(1..).unwrap_or_default();
    let at = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
    &rest[at..]
}

/// Whether another header, or nothing, stands behind the frame: among damaged bytes one header
/// alone proves little.
fn is_followed(data: &[u8], header: &Header) -> bool {
    data.get(header.frame_bytes..)
        .is_some_and(|rest| rest.is_empty() || Header::parse(rest).is_some())
}

/// Whether the message is frames from its first byte to its last.
fn is_whole(mut data: &[u8]) -> bool {
    while let Some(header) = Header::parse(data) {
        match data.get(header.frame_bytes..) {
            Some([]) => return true,
            Some(rest) => data = rest,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 44.1 kHz stereo at 128 kbit/s: 417 bytes.
    const HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0x00];

    fn frame(fill: u8) -> Vec<u8> {
        let mut frame = HEADER.to_vec();
        frame.resize(417, fill);
        frame
    }

    /// Per message, the second last byte of each frame, None for a loss.
    fn pieces<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<Option<u8>>> {
        let mut frames = Frames::default();
        let push = |message| {
            let mut seen = Vec::new();
            frames.push(message, |piece| {
                seen.push(match piece {
                    Piece::Frame(_, frame) => Some(frame[frame.len() - 2]),
                    Piece::Lost => None,
                });
            });
            seen
        };
        messages.into_iter().map(push).collect()
    }

    fn header(bytes: [u8; 4]) -> Option<(u32, u8, usize, usize)> {
        Header::parse(&bytes).map(|header| {
            let Format { sample_rate_hz, channels } = header.format;
            (sample_rate_hz, channels, header.samples, header.frame_bytes)
        })
    }

    #[test]
    fn s2_4_1_3_headers() {
        assert_eq!(header(HEADER), Some((44_100, 2, 1152, 417)));
        assert_eq!(header([0xff, 0xfb, 0x92, 0x00]), Some((44_100, 2, 1152, 418)), "padded");
        assert_eq!(header([0xff, 0xfb, 0xe8, 0xc0]), Some((32_000, 1, 1152, 1440)));
        assert_eq!(header([0xff, 0xf3, 0x80, 0xc0]), Some((22_050, 1, 576, 208)));
        assert_eq!(header([0xff, 0xe3, 0x18, 0xc0]), Some((8_000, 1, 576, 72)));
        assert_eq!(header([0xff, 0xfb, 0x00, 0x00]), None, "free format");
        assert_eq!(header([0xff, 0xfb, 0xf0, 0x00]), None, "bitrate 15");
        assert_eq!(header([0xff, 0xfb, 0x9c, 0x00]), None, "rate 3");
        assert_eq!(header([0xff, 0xfd, 0x90, 0x00]), None, "Layer II");
        assert_eq!(header([0xff, 0xeb, 0x90, 0x00]), None, "version 1");
        assert_eq!(header([0xff, 0xdb, 0x90, 0x00]), None, "no sync word");
    }

    #[test]
    fn frames_come_out_however_they_are_cut_into_messages() {
        let stream: Vec<u8> = (1..=9).flat_map(frame).collect();
        let expected: Vec<_> = (1..=9).map(Some).collect();
        for size in [1, 2, 3, 100, 416, 417, 418, 1000, 9999] {
            assert_eq!(pieces(stream.chunks(size)).concat(), expected, "{size}");
        }
    }

    #[test]
    fn a_damaged_header_costs_its_frame_only() {
        let [one, two, mut bad, four] = [frame(1), frame(2), frame(3), frame(4)];
        bad[1] = 0;
        let messages = [&one[..], &two, &bad, &four];
        assert_eq!(pieces(messages), [[Some(1)], [Some(2)], [None], [Some(4)]]);
        assert_eq!(pieces([&messages.concat()[..]]), [[Some(1), Some(2), None, Some(4)]]);
        // As long as three of them.
        bad[1..3].copy_from_slice(&[0xfb, 0xe8]);
        assert_eq!(
            pieces([&one[..], &bad, &four]),
            [vec![Some(1)], vec![], vec![None, Some(4)]],
            "a longer frame is announced"
        );
    }

    #[test]
    fn what_is_no_mp3_at_all_is_lost_and_not_kept() {
        let mut frames = Frames::default();
        let mut lost = 0;
        frames.push(&vec![0x55; 100_000], |piece| lost += usize::from(piece == Piece::Lost));
        frames.push(&vec![0xff; 100_000], |piece| lost += usize::from(piece == Piece::Lost));
        assert_eq!((lost, frames.pending.len() < HEADER_BYTES), (2, true));
    }
}
