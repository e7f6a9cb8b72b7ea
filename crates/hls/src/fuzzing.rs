//! Bodies of the fuzz targets.

use media::Duration;

use crate::model::{Op, check};
use crate::{CutPoint, grid_model};

/// Reads operations out of `data` and looks at the window after each.
pub fn window(data: &[u8]) {
    let [listed, first, ops @ ..] = data else { return };
    let ops: Vec<Op> = ops.chunks_exact(6).take(64).map(op).collect();
    check(usize::from(listed % 16), u64::from(*first) << 24, &ops);
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

/// Reads the length of a segment and what a stream does out of `data`, and looks at every step of
/// the grid.
pub fn grid(data: &[u8]) {
    let [length, ops @ ..] = data else { return };
    let ops: Vec<_> = ops.chunks_exact(4).take(128).map(grid_op).collect();
    // 0.5 s to 6.6 s.
    grid_model::check(Duration::from_millis(500 + i64::from(*length) * 24), &ops);
}

fn grid_op(bytes: &[u8]) -> grid_model::Op {
    use grid_model::Op;
    let &[kind, first, second, third] = bytes else { return Op::Break };
    // Up to 5.8 s.
    let step = u32::from(u16::from_be_bytes([first, second])) << (kind >> 6);
    match kind & 0x0f {
        0 => Op::Break,
        1 => Op::BreakOrAudio,
        2 | 3 => Op::CutHere { step },
        4 => Op::Resume { after: step },
        5 => Op::Sound { step },
        6 => Op::SoundRun { frames: first },
        7 | 8 => Op::Run { pictures: first, interval_ms: second, gop: third },
        // Shown up to 2.9 s behind its decoding.
        kind => Op::Picture {
            step,
            delay: u32::from(third) << 10,
            cut_point: match kind {
                9 | 10 => Some(CutPoint::Idr),
                11 => Some(CutPoint::RecoveryPoint),
                _ => None,
            },
        },
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_replay() {
        testmedia::replay("hls_window", super::window);
        testmedia::replay("hls_grid", super::grid);
    }

    #[test]
    fn no_input_and_all_ones() {
        super::window(&[]);
        super::window(&[0xff; 300]);
        super::grid(&[]);
        super::grid(&[0xff; 300]);
    }
}
