//! Any H.264 content comes back from its tag, in the layout of 2002 and of E-RTMP v2 alike.

use bytes::Bytes;
use flv::{VideoBody, VideoTag};
use proptest::collection::vec;
use proptest::prelude::*;

fn parse(bytes: Vec<u8>) -> VideoBody {
    VideoTag::parse(bytes.into()).expect("good").expect("not empty").body
}

/// A ModEx prologue with `data`, then the next packet type.
fn mod_ex(data: &[u8], next: u8) -> Vec<u8> {
    let len = data.len() - 1;
    let size = if len < 255 {
        vec![len as u8]
    } else {
        [&[255][..], &(len as u16).to_be_bytes()].concat()
    };
    [&size[..], data, &[next]].concat()
}

proptest! {
    #[test]
    fn nal_units_and_composition_time_come_back(
        frame_type in 1_u8..=4,
        cts in -0x80_0000_i32..0x80_0000,
        data in vec(any::<u8>(), 0..60),
    ) {
        let [_, time @ ..] = cts.to_be_bytes();
        let expected = VideoBody::NalUnits { composition_time_ms: cts, data: Bytes::from(data.clone()) };
        let legacy = [&[frame_type << 4 | 7, 1][..], &time, &data].concat();
        prop_assert_eq!(&parse(legacy), &expected);
        let enhanced = [&[0x80 | frame_type << 4 | 1][..], b"avc1", &time, &data].concat();
        prop_assert_eq!(parse(enhanced), expected);
    }

    #[test]
    fn a_mod_ex_prologue_of_any_length_changes_nothing(prologue in vec(any::<u8>(), 1..400), data in vec(any::<u8>(), 0..9)) {
        let message = [&[0xa7][..], &mod_ex(&prologue, 3), b"avc1", &data].concat();
        prop_assert_eq!(parse(message), VideoBody::NalUnits { composition_time_ms: 0, data: data.into() });
    }

    #[test]
    fn track_zero_is_found_among_others(
        before in vec((1_u8.., vec(any::<u8>(), 0..9)), 0..4),
        data in vec(any::<u8>(), 0..9),
        after in vec(any::<u8>(), 0..9),
    ) {
        let track = |id: u8, body: &[u8]| [&[id, 0, 0, body.len() as u8][..], body].concat();
        let mut message = b"\xa6\x13avc1".to_vec();
        before.iter().for_each(|(id, body)| message.extend(track(*id, body)));
        message.extend(track(0, &data));
        message.extend(after);
        prop_assert_eq!(parse(message), VideoBody::NalUnits { composition_time_ms: 0, data: data.into() });
    }
}
