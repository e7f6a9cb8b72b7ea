//! Bodies of the fuzz targets.

use crate::model::{Op, check};

/// Reads operations out of `data` and looks at the window after each.
pub fn window(data: &[u8]) {
    let [listed, first, bandwidth, ops @ ..] = data else { return };
    let ops: Vec<Op> = ops.chunks_exact(6).take(64).map(op).collect();
    check(usize::from(listed % 16), u64::from(*first) << 24, u64::from(*bandwidth) << 12, &ops);
}

fn op(bytes: &[u8]) -> Op {
    let [kind, ticks @ .., size_high, size_low, date] = bytes else { return Op::End };
    let ticks = ticks.iter().fold(0, |ticks, byte| ticks << 8 | u32::from(*byte));
    match kind {
        0 => Op::End,
        1 => Op::Reopen,
        2 => Op::SetTargetDuration(*date),
        3 => Op::SetDependent,
        4 => Op::Promise,
        kind => Op::Push {
            // Up to 16 times 0.73 s.
            ticks: ticks << (kind & 4),
            bytes: u16::from_be_bytes([*size_high, *size_low]),
            discontinuity: kind & 1 == 1,
            start_unix_ms: u32::from(*date) << 24,
        },
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_replay() {
        testmedia::replay("hls_window", super::window);
    }

    #[test]
    fn no_input_and_all_ones() {
        super::window(&[]);
        super::window(&[0xff; 300]);
    }
}
