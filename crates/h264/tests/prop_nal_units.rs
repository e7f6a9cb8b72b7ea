//! NAL units survive Annex B and length prefixes, and h264-reader finds them at the same places.

use bytes::Bytes;
use h264::{annexb, avcc};
use h264_reader::annexb::AnnexBReader;
use h264_reader::nal::{Nal, RefNal};
use h264_reader::push::NalInterest;
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes as they can be in a NAL unit (14496-10 7.4.1): no three zeros, no start code, no zero at
/// the end.
fn any_nal_unit() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(0_u8), 1 => 1_u8..4, 3 => any::<u8>()];
    (1_u8..=31, vec(byte, 0..40)).prop_map(|(header, payload)| {
        let mut nal_unit = vec![header];
        for byte in payload {
            if byte <= 3 && nal_unit.ends_with(&[0, 0]) {
                nal_unit.push(3);
            }
            nal_unit.push(byte);
        }
        nal_unit.push(0x80);
        nal_unit
    })
}

fn h264_reader_nal_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    let mut reader = AnnexBReader::accumulate(|nal: RefNal<'_>| {
        if nal.is_complete() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut nal.reader(), &mut bytes).expect("from memory");
            units.push(bytes);
        }
        NalInterest::Buffer
    });
    reader.push(stream);
    reader.reset();
    units
}

proptest! {
    #[test]
    fn annexb_is_read_as_written_and_as_h264_reader_reads_it(nal_units in vec(any_nal_unit(), 0..8)) {
        let mut stream = Vec::new();
        annexb::write(nal_units.iter().map(|nal_unit| &nal_unit[..]), &mut stream);
        prop_assert_eq!(&h264_reader_nal_units(&stream), &nal_units);
        let read = annexb::nal_units(stream.into());
        prop_assert!(read.iter().eq(nal_units.iter().map(|nal_unit| &nal_unit[..])));
    }

    #[test]
    fn start_codes_of_either_length_and_zeros_around_make_no_difference(
        nal_units in vec((any_nal_unit(), 0_usize..4, 0_usize..4), 1..8),
    ) {
        let mut stream = Vec::new();
        for (nal_unit, before, after) in &nal_units {
            stream.extend([&vec![0; *before][..], &[0, 0, 1], nal_unit, &vec![0; *after]].concat());
        }
        let read = annexb::nal_units(stream.into());
        prop_assert!(read.iter().eq(nal_units.iter().map(|(nal_unit, ..)| &nal_unit[..])));
    }

    #[test]
    fn length_prefixed_is_annexb(nal_units in vec(any_nal_unit(), 0..8), size in prop_oneof![Just(1_u8), Just(2), Just(4)]) {
        let mut data = Vec::new();
        for nal_unit in &nal_units {
            let length = u32::try_from(nal_unit.len()).expect("short").to_be_bytes();
            data.extend_from_slice(&length[4 - usize::from(size)..]);
            data.extend_from_slice(nal_unit);
        }
        let (read, _) = avcc::nal_units(data.into(), size).expect("good lengths");
        prop_assert!(read.iter().eq(nal_units.iter().map(|nal_unit| &nal_unit[..])));
        let mut stream = Vec::new();
        annexb::write(read.iter(), &mut stream);
        prop_assert!(annexb::nal_units(stream.into()).iter().eq(read.iter()));
    }

    #[test]
    fn any_bytes_are_cut_where_h264_reader_cuts_them(
        data in vec(prop_oneof![3 => Just(0_u8), 2 => Just(1_u8), 1 => any::<u8>()], 0..200),
    ) {
        let mut theirs = h264_reader_nal_units(&data);
        // It leaves zeros after the last NAL unit, and gives empty ones.
        theirs.iter_mut().for_each(|unit| unit.truncate(unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)));
        theirs.retain(|unit| !unit.is_empty());
        let ours = annexb::nal_units(Bytes::from(data));
        prop_assert!(ours.iter().eq(theirs.iter().map(|unit| &unit[..])), "{:?} {:?}", ours, theirs);
    }
}
