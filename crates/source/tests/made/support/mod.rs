//! Writes boxes, straight from 14496-12.

pub(crate) mod fragment_file;
pub(crate) mod mp4_file;

pub(crate) use mp4_file::{
    Base, SAMPLE_BYTES, Track, fragmented, fragmented_with_times, moov_first, mp4, trun_of,
};

/// AAC-LC, 48 kHz, two channels.
pub(crate) const ASC: [u8; 2] = [0x11, 0x90];

pub(crate) fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn plain(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    concat(&[&size.to_be_bytes(), kind, content])
}

pub(crate) fn full(kind: &[u8; 4], version: u8, flags: u32, content: &[u8]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    plain(kind, &concat(&[&head, content]))
}

pub(crate) fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// An `avc1` with an avcC of no parameter sets.
pub(crate) fn avc1(kind: &[u8; 4], nal_length_size: u8) -> Vec<u8> {
    let mut fields = vec![0; 78];
    fields[7] = 1;
    fields[24..28].copy_from_slice(&[0, 64, 0, 48]);
    let avcc = plain(b"avcC", &[1, 0x42, 0, 30, 0xfc | (nal_length_size - 1), 0xe0, 0]);
    plain(kind, &concat(&[&fields, &avcc]))
}

/// An `mp4a` with the fields of this QuickTime version.
pub(crate) fn mp4a(version: u8, boxes: &[u8]) -> Vec<u8> {
    let mut fields = vec![0; 28 + [0, 16, 36][usize::from(version)]];
    fields[7] = 1;
    fields[9] = version;
    plain(b"mp4a", &concat(&[&fields, boxes]))
}

pub(crate) fn esds(object_type: u8, specific: &[u8]) -> Vec<u8> {
    let descriptor =
        |tag: u8, content: &[u8]| concat(&[&[tag, u8::try_from(content.len()).unwrap()], content]);
    let config = concat(&[&[object_type, 0x15], &[0; 11], &descriptor(5, specific)]);
    full(b"esds", 0, 0, &descriptor(3, &concat(&[&[0, 1, 0], &descriptor(4, &config)])))
}

/// An FLV file of pictures at these times, with one byte that tells them apart.
pub(crate) fn flv(pictures: &[(u32, u8)]) -> Vec<u8> {
    let tag = |ms: u32, body: &[u8]| {
        let size = u32::try_from(body.len()).unwrap();
        let [t0, t1, t2, t3] = ms.to_be_bytes();
        let head = concat(&[&[9], &size.to_be_bytes()[1..], &[t1, t2, t3, t0, 0, 0, 0]]);
        concat(&[&head, body, &(size + 11).to_be_bytes()])
    };
    let mut file = b"FLV\x01\x01\0\0\0\x09\0\0\0\0".to_vec();
    file.extend(tag(0, &[0x17, 0, 0, 0, 0, 1, 0x42, 0, 30, 0xff, 0xe0, 0]));
    for (ms, mark) in pictures {
        file.extend(tag(*ms, &[0x17, 1, 0, 0, 0, *mark, 0, 0, 0, 1, 0x65]));
    }
    file
}
