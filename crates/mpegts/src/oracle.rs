//! What an independent demuxer (mpeg2ts-reader) makes of a transport stream. For tests and fuzzing
//! only.

use mpeg2ts_reader::demultiplex::{
    Demultiplex, DemuxContext, FilterChangeset, FilterRequest, NullPacketFilter, PacketFilter,
    PatPacketFilter, PmtPacketFilter,
};
use mpeg2ts_reader::packet::{ContinuityCounter, Packet};
use mpeg2ts_reader::pes::{PesContents, PesHeader, PesLength, PtsDts};
use mpeg2ts_reader::psi::pat::PAT_PID;

/// One PES packet, put together again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pes {
    /// Its PID.
    pub(crate) pid: u16,
    /// The PTS on the wire, 33 bits.
    pub(crate) pts: Option<u64>,
    /// The DTS on the wire, if it has one of its own.
    pub(crate) dts: Option<u64>,
    /// `PES_packet_length`, if stated.
    pub(crate) stated_length: Option<usize>,
    /// The PCR (27 MHz) of its first packet.
    pub(crate) pcr: Option<u64>,
    /// `random_access_indicator` of its first packet.
    pub(crate) random_access: bool,
    /// `discontinuity_indicator` of its first packet.
    pub(crate) discontinuity: bool,
    /// The payload.
    pub(crate) data: Vec<u8>,
}

/// Everything found in a stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// PES packets in the order of their first TS packet.
    pub(crate) pes: Vec<Pes>,
    /// The elementary streams of the PMT as (stream type, PID), each time a PMT was new.
    pub(crate) programs: Vec<Vec<(u8, u16)>>,
    /// `PCR_PID` of the last PMT.
    pub(crate) pcr_pid: Option<u16>,
    /// Packets whose continuity counter did not follow, and did not say so.
    pub(crate) continuity_errors: usize,
}

/// Demuxes whole packets.
pub(crate) fn demux(ts: &[u8]) -> Stream {
    assert_eq!(ts.len() % 188, 0, "{} bytes are not whole packets", ts.len());
    let mut context = Context::default();
    let mut demultiplex = Demultiplex::new(&mut context);
    demultiplex.push(&mut context, ts);
    let mut counters = [None; 0x2000];
    for packet in ts.chunks_exact(188).map(Packet::new) {
        count_continuity(&mut counters, &packet, &mut context.stream);
    }
    context.stream
}

fn count_continuity(
    counters: &mut [Option<ContinuityCounter>],
    packet: &Packet<'_>,
    stream: &mut Stream,
) {
    let counter = packet.continuity_counter();
    let before = counters[usize::from(u16::from(packet.pid()))].replace(counter);
    // 13818-1 2.4.3.5: the counter may be anything where the packet says so.
    let is_announced =
        packet.adaptation_field().is_some_and(|field| field.discontinuity_indicator());
    let follows = before.is_none_or(|before| counter.follows(before));
    stream.continuity_errors += usize::from(!follows && !is_announced);
}

#[derive(Default)]
struct Context {
    changeset: FilterChangeset<Filter>,
    stream: Stream,
}

enum Filter {
    Pat(PatPacketFilter<Context>),
    Pmt(PmtPacketFilter<Context>),
    Elementary { pid: u16 },
    Null(NullPacketFilter<Context>),
}

impl DemuxContext for Context {
    type F = Filter;

    fn filter_changeset(&mut self) -> &mut FilterChangeset<Filter> {
        &mut self.changeset
    }

    fn construct(&mut self, request: FilterRequest<'_, '_>) -> Filter {
        match request {
            FilterRequest::ByPid(PAT_PID) => Filter::Pat(PatPacketFilter::default()),
            FilterRequest::Pmt { pid, program_number } => {
                Filter::Pmt(PmtPacketFilter::new(pid, program_number))
            }
            FilterRequest::ByStream { pmt, stream_info, .. } => {
                let program = pmt
                    .streams()
                    .map(|s| (u8::from(s.stream_type()), s.elementary_pid().into()))
                    .collect();
                if self.stream.programs.last() != Some(&program) {
                    self.stream.programs.push(program);
                }
                self.stream.pcr_pid = Some(pmt.pcr_pid().into());
                Filter::Elementary { pid: stream_info.elementary_pid().into() }
            }
            FilterRequest::ByPid(_) | FilterRequest::Nit { .. } => {
                Filter::Null(NullPacketFilter::default())
            }
        }
    }
}

impl PacketFilter for Filter {
    type Ctx = Context;

    fn consume(&mut self, context: &mut Context, packet: &Packet<'_>) {
        match self {
            Self::Pat(filter) => filter.consume(context, packet),
            Self::Pmt(filter) => filter.consume(context, packet),
            Self::Null(filter) => filter.consume(context, packet),
            Self::Elementary { pid } if packet.payload_unit_start_indicator() => {
                context.stream.pes.push(begin_pes(*pid, packet));
            }
            Self::Elementary { pid } => {
                let pes = context
                    .stream
                    .pes
                    .iter_mut()
                    .rfind(|pes| pes.pid == *pid)
                    .expect("a PES packet begun");
                pes.data.extend_from_slice(packet.payload().expect("payload"));
                assert!(
                    packet.adaptation_field().is_none_or(|field| field.pcr().is_err()),
                    "PCR inside a PES"
                );
            }
        }
    }
}

fn begin_pes(pid: u16, packet: &Packet<'_>) -> Pes {
    let header = PesHeader::from_bytes(packet.payload().expect("payload")).expect("a PES header");
    let mut pes = Pes { pid, ..Pes::default() };
    if let PesLength::Bounded(length) = header.pes_packet_length() {
        pes.stated_length = Some(length.get().into());
    }
    if let Some(field) = packet.adaptation_field() {
        pes.pcr = field.pcr().ok().map(u64::from);
        pes.random_access = field.random_access_indicator();
        pes.discontinuity = field.discontinuity_indicator();
    }
    let PesContents::Parsed(Some(contents)) = header.contents() else {
        panic!("an unparsable PES header")
    };
    match contents.pts_dts() {
        Ok(PtsDts::PtsOnly(Ok(pts))) => pes.pts = Some(pts.value()),
        Ok(PtsDts::Both { pts: Ok(pts), dts: Ok(dts) }) => {
            (pes.pts, pes.dts) = (Some(pts.value()), Some(dts.value()))
        }
        Err(mpeg2ts_reader::pes::PesError::FieldNotPresent) => {}
        other => panic!("timestamps {other:?}"),
    }
    pes.data.extend_from_slice(contents.payload());
    pes
}
