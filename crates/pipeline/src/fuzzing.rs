//! Bodies of the fuzz targets.

use media::Duration;

use crate::model::{Op, PictureKind, check};

/// Reads what a publisher sends, and what viewers want, out of `data`, and looks at everything that
/// comes out.
pub fn stream(data: &[u8]) {
    let [length, rest @ ..] = data else { return };
    let mut rest = rest;
    let mut ops = Vec::new();
    while let Some(op) = next_op(&mut rest) {
        ops.push(op);
        if ops.len() == 256 {
            break;
        }
    }
    // 0.5 s to 6.6 s.
    check(Duration::from_millis(500 + i64::from(*length) * 24), &ops);
}

fn next_op(rest: &mut &[u8]) -> Option<Op> {
    let (&[kind, first, second, third], behind) = rest.split_first_chunk()?;
    *rest = behind;
    let step = u16::from_be_bytes([first, second]);
    Some(match kind {
        0 => Op::VideoHeader(first),
        1 => Op::AudioHeader(first),
        2 => Op::Want(step),
        3 if first & 3 == 3 => Op::Silent { tenths: second },
        3 if first & 1 == 1 => Op::Absent { tenths: second },
        3 => Op::Resume,
        4 => {
            let ms = i32::from_be_bytes([first, second, third, 0]);
            Op::Jump { video_ms: ms, audio_ms: ms }
        }
        5 => Op::Jump { video_ms: i32::from(step), audio_ms: 0 },
        6 => Op::Jump { video_ms: 0, audio_ms: i32::from(step) },
        7 => Op::Listen { frames: first },
        8 => {
            let (body, behind) = rest.split_at(usize::from(second).min(rest.len()));
            *rest = behind;
            Op::Raw { kind: first, body: body.to_vec() }
        }
        9..24 => Op::Sound { after_ms: step & 0x0fff },
        24..64 => Op::Play {
            pictures: first,
            gop: second,
            reorders: third & 1 == 1,
            with_sound: third & 2 == 2,
        },
        kind => Op::Picture {
            after_ms: step & 0x0fff,
            composition_ms: i16::from(third as i8) * 16,
            kind: match kind & 0x07 {
                0 => PictureKind::Idr,
                1 => PictureKind::Intra,
                2 | 3 => PictureKind::Disposable,
                _ => PictureKind::Inter,
            },
        },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_replay() {
        testmedia::replay("pipeline_stream", super::stream);
    }

    #[test]
    fn no_input_and_all_ones() {
        super::stream(&[]);
        super::stream(&[0xff; 300]);
    }
}
