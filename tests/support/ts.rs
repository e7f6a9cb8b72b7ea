//! mpeg2ts-reader, which nobody here wrote, looks at transport streams.

#[path = "../../crates/mpegts/src/oracle.rs"]
mod oracle;

pub(crate) use oracle::{Pes, Stream, demux};

/// PES packets of a PID.
pub(crate) fn of_pid(stream: &Stream, pid: u16) -> impl Iterator<Item = &Pes> {
    stream.pes.iter().filter(move |pes| pes.pid == pid)
}

/// The PIDs of the first packets: a segment begins with PAT (0) and PMT.
pub(crate) fn first_pids(segment: &[u8], packets: usize) -> Vec<u16> {
    segment
        .chunks_exact(188)
        .take(packets)
        .map(|packet| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]))
        .collect()
}
