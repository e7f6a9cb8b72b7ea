//! Golden text: what the packets of a few samples look like, one line each.

use std::fmt::Write;

use media::{Duration, Timestamp};
use mpeg2ts_reader::packet::Packet;
use mpeg2ts_reader::pes::{PesContents, PesHeader, PtsDts};
use mpegts::{Muxer, Tracks};

/// One line a packet: PID, continuity counter, then what it carries.
fn dump(ts: &[u8]) -> String {
    ts.chunks_exact(188).map(|bytes| line(&Packet::new(bytes))).collect()
}

fn line(packet: &Packet<'_>) -> String {
    let payload = packet.payload().expect("payload");
    let mut text =
        format!("{:04x} cc={:x}", u16::from(packet.pid()), packet.continuity_counter().count());
    if packet.payload_unit_start_indicator() {
        text.push_str(" pusi");
    }
    if let Some(field) = packet.adaptation_field() {
        let names = [
            (field.discontinuity_indicator(), " discontinuity"),
            (field.random_access_indicator(), " rai"),
        ];
        names.iter().filter(|(set, _)| *set).for_each(|(_, name)| text.push_str(name));
        field
            .pcr()
            .into_iter()
            .for_each(|pcr| write!(text, " pcr={}", u64::from(pcr)).expect("a String"));
    }
    if packet.payload_unit_start_indicator() && u16::from(packet.pid()) & 0xfff != 0 {
        text.push_str(&times(payload));
    }
    text + &format!(" payload={}\n", payload.len())
}

fn times(payload: &[u8]) -> String {
    let header = PesHeader::from_bytes(payload).expect("a PES header");
    let PesContents::Parsed(Some(contents)) = header.contents() else { panic!("no PES contents") };
    match contents.pts_dts() {
        Ok(PtsDts::PtsOnly(Ok(pts))) => format!(" pts={}", pts.value()),
        Ok(PtsDts::Both { pts: Ok(pts), dts: Ok(dts) }) => {
            format!(" pts={} dts={}", pts.value(), dts.value())
        }
        other => panic!("timestamps {other:?}"),
    }
}

struct Samples {
    muxer: Muxer,
    ts: Vec<u8>,
}

impl Samples {
    fn new(video: bool, audio: bool) -> Self {
        let mut samples = Self { muxer: Muxer::new(Tracks { video, audio }), ts: Vec::new() };
        samples.muxer.start_segment(&mut samples.ts);
        samples
    }

    fn picture(&mut self, pts: i64, dts: i64, bytes: usize) -> &mut Self {
        let idr = vec![0x65; bytes];
        let parameter_sets: &[&[u8]] = if bytes > 300 { &[&[0x67; 20], &[0x68; 4]] } else { &[] };
        let (pts, dts) = (Timestamp::from_ticks(pts), Timestamp::from_ticks(dts));
        let parameter_sets = parameter_sets.iter().copied();
        self.muxer.write_video(
            pts,
            dts,
            bytes > 300,
            parameter_sets,
            [&idr[..]].into_iter(),
            &mut self.ts,
        );
        self
    }

    fn audio(&mut self, pts: i64, bytes: usize) -> &mut Self {
        self.muxer.write_audio(Timestamp::from_ticks(pts), &vec![0xff; bytes], &mut self.ts);
        self
    }
}

#[test]
fn a_segment_with_b_pictures_and_audio() {
    let mut samples = Samples::new(true, true);
    samples.picture(6000, 0, 400).picture(12_000, 3000, 150).audio(0, 500).picture(9000, 6000, 100);
    samples.picture(15_000, 9000, 160).picture(18_000, 12_000, 155);
    samples.muxer.start_segment(&mut samples.ts);
    samples.picture(21_000, 15_000, 400);
    insta::assert_snapshot!(dump(&samples.ts));
}

#[test]
fn audio_only() {
    let mut samples = Samples::new(false, true);
    samples.audio(0, 500).audio(22_500, 10);
    insta::assert_snapshot!(dump(&samples.ts));
}

#[test]
fn the_clock_wraps_and_jumps() {
    let end = (1 << 33) - 126_000;
    let mut samples = Samples::new(true, false);
    samples.picture(end - 1500, end - 1500, 20).picture(end + 1500, end + 1500, 20);
    samples.picture(end + 61_500, end + 61_500, 20).picture(end + 64_500, end + 64_500, 20);
    samples.muxer.discontinuity();
    samples.muxer.start_segment(&mut samples.ts);
    samples.picture(0, 0, 400);
    insta::assert_snapshot!(dump(&samples.ts));
}

#[test]
fn other_tracks_are_a_new_version_of_the_pmt() {
    let mut samples = Samples::new(true, false);
    samples.muxer.set_tracks(Tracks { video: true, audio: true });
    samples.muxer.start_segment(&mut samples.ts);
    samples.muxer.set_tracks(Tracks { video: true, audio: true });
    samples.muxer.start_segment(&mut samples.ts);
    let versions: Vec<u8> =
        samples.ts.chunks(376).map(|tables| (tables[188 + 10] >> 1) & 0x1f).collect();
    assert_eq!(versions, [0, 1, 1]);
    let pmt_bytes: Vec<u8> = samples.ts.chunks(376).map(|tables| tables[188 + 7]).collect();
    assert_eq!(pmt_bytes, [18, 23, 23], "section_length: five bytes more for the audio");
}

#[test]
fn a_clock_does_not_cost_a_packet_where_it_is_not_due() {
    let mut samples = Samples::new(true, false);
    let tables = samples.ts.len();
    for picture in 0..30 {
        let time = Duration::from_secs(picture).ticks() / 30;
        // With a header of 14 bytes, a delimiter of 6 and a start code of 3, one byte short of a
        // full packet.
        samples.picture(time, time, 184 - 14 - 6 - 3 - 1);
    }
    let packets = (samples.ts.len() - tables) / 188;
    assert_eq!(packets, 30 + 10, "a second packet every 100 ms, not with every picture");
}
