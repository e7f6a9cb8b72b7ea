//! ADTS frames of a segment's audio stream (ISO/IEC 14496-3 1.A.2.2).

use aac::AudioSpecificConfig;
use media::Timestamp;

use crate::fault::Faults;

/// What a segment's audio is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioTrack {
    /// PTS of the first frame.
    pub first_pts: Option<Timestamp>,
    /// When the last frame ends: its PES packet's PTS, and the frames since then.
    pub end: Option<Timestamp>,
    /// Number of frames.
    pub frames: usize,
    /// Bytes of the frames, without headers.
    pub payload_bytes: usize,
    /// Samples per second of the core codec.
    pub sample_rate_hz: u32,
    /// `mp4a.40.2`; ADTS does not tell HE-AAC from its core.
    pub codec: String,
    /// The largest step between a PES packet's PTS and what the frames before it lead to, in
    /// seconds.
    pub largest_step_secs: f64,
    /// PES packets whose PTS is earlier than the one before.
    pub backward_steps: usize,
}

/// Walks the frames of an elementary stream; `marks` are byte positions in it where PES packets
/// with a PTS begin.
pub(crate) fn read(
    stream: &[u8],
    marks: &[(usize, Timestamp)],
    faults: &mut Faults,
) -> Option<AudioTrack> {
    let mut track = AudioTrack::default();
    let mut marks = marks.iter().copied().peekable();
    let mut position: usize = 0;
    let mut last_mark = None;
    while let Some(rest) = stream.get(position..).filter(|rest| !rest.is_empty()) {
        let header = match FrameHeader::parse(rest) {
            Ok(header) => header,
            Err(what) => {
                faults.add(position, format!("audio: {what}"));
                break;
            }
        };
        // The PTS is that of the first frame that begins in the PES packet (13818-1 2.4.3.7).
        let mut pts = None;
        while let Some((_, mark)) = marks.next_if(|(start, _)| *start <= position) {
            pts = Some(mark);
        }
        if let Some(pts) = pts {
            track.take_mark(pts, last_mark);
            last_mark = Some(pts);
        }
        track.take_frame(&header);
        position = position.saturating_add(header.frame_bytes);
    }
    (track.frames > 0).then_some(track)
}

impl AudioTrack {
    fn take_mark(&mut self, pts: Timestamp, last_mark: Option<Timestamp>) {
        self.first_pts.get_or_insert(pts);
        if let Some(end) = self.end {
            let step = crate::time::secs(end, pts).abs();
            self.largest_step_secs = self.largest_step_secs.max(step);
        }
        if last_mark.is_some_and(|last| pts < last) {
            self.backward_steps = self.backward_steps.saturating_add(1);
        }
        self.end = Some(pts);
    }

    fn take_frame(&mut self, header: &FrameHeader) {
        if self.frames == 0 {
            self.sample_rate_hz = header.sample_rate_hz;
            self.codec.clone_from(&header.codec);
        }
        self.frames = self.frames.saturating_add(1);
        let payload_bytes = header.frame_bytes.saturating_sub(header.header_bytes);
        self.payload_bytes = self.payload_bytes.saturating_add(payload_bytes);
        self.end = self.end.map(|end| crate::time::later(end, header.secs));
    }
}

struct FrameHeader {
    header_bytes: usize,
    frame_bytes: usize,
    sample_rate_hz: u32,
    codec: String,
    secs: f64,
}

impl FrameHeader {
    fn parse(data: &[u8]) -> Result<Self, String> {
        let (&[a, b, c, d, e, f, g], _) =
            data.split_first_chunk::<7>().ok_or("a frame ends in its header")?;
        if a != 0xff || b & 0xf6 != 0xf0 {
            return Err("no ADTS sync word where a frame should be".to_owned());
        }
        let frame_bytes = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        if frame_bytes < 7 || frame_bytes > data.len() {
            return Err(format!("a frame of {frame_bytes} bytes where {} are left", data.len()));
        }
        // profile_ObjectType + 1, sampling frequency index and channel configuration are an
        // AudioSpecificConfig.
        let object_type = (c >> 6) & 3;
        let [high, low] = (u16::from(object_type).saturating_add(1) << 11
            | u16::from((c >> 2) & 0xf) << 7
            | (u16::from(c & 1) << 2 | u16::from(d >> 6)).max(1) << 3)
            .to_be_bytes();
        let config = AudioSpecificConfig::parse(&[high, low]).map_err(|error| error.to_string())?;
        let blocks = f64::from(g & 3) + 1.0;
        // With protection, a CRC follows.
        let header_bytes = if b & 1 == 0 { 9 } else { 7 };
        Ok(Self {
            header_bytes,
            frame_bytes,
            sample_rate_hz: config.sample_rate_hz,
            codec: config.codec_string(),
            secs: blocks * f64::from(config.samples_per_frame) / f64::from(config.sample_rate_hz),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: usize) -> Vec<u8> {
        let config = AudioSpecificConfig::parse(&[0x11, 0x90]).unwrap();
        let mut frame = aac::adts_header(&config, payload).unwrap().to_vec();
        frame.resize(7 + payload, 0);
        frame
    }

    #[test]
    fn s1_a_2_2_frames_and_times() {
        let stream = [frame(10), frame(20), frame(30)].concat();
        let marks = [(0, Timestamp::from_ticks(90)), (44, Timestamp::from_ticks(90 + 3840 + 9))];
        let mut faults = Faults::default();
        let track = read(&stream, &marks, &mut faults).unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!((track.frames, track.sample_rate_hz), (3, 48_000));
        assert_eq!(track.codec, "mp4a.40.2");
        assert_eq!(track.first_pts, Some(Timestamp::from_ticks(90)));
        assert_eq!(track.end, Some(Timestamp::from_ticks(90 + 3840 + 9 + 1920)));
        assert!((track.largest_step_secs - 0.0001).abs() < 1e-9, "{track:?}");
    }

    #[test]
    fn a_frame_that_is_none_ends_the_walk() {
        for (bytes, what) in [
            (vec![0xff, 0xf1], "ends in its header"),
            (vec![0; 9], "sync word"),
            (frame(9)[..12].to_vec(), "a frame of 16 bytes where 12 are left"),
        ] {
            let mut faults = Faults::default();
            let stream = [frame(1), bytes].concat();
            assert_eq!(read(&stream, &[], &mut faults).unwrap().frames, 1);
            assert!(faults.first[0].what.contains(what), "{faults:?}");
            assert_eq!(faults.first[0].position, 8);
        }
        assert_eq!(read(&[], &[], &mut Faults::default()), None);
    }
}
