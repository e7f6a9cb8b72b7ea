//! Just enough Annex B to see what an access unit begins with. Written apart from the product's own
//! reader.

/// `nal_unit_type` of every NAL unit in a byte stream (ITU-T H.264 annex B.1, 7.3.1).
pub(crate) fn nal_types(stream: &[u8]) -> Vec<u8> {
    let starts = stream.windows(4).filter(|window| window[..3] == [0, 0, 1]);
    starts.map(|window| window[3] & 0x1f).collect()
}

/// The first NAL unit of a type, without start code.
pub(crate) fn nal_unit(stream: &[u8], nal_type: u8) -> Option<&[u8]> {
    let start =
        3 + stream.windows(4).position(|w| w[..3] == [0, 0, 1] && w[3] & 0x1f == nal_type)?;
    let rest = &stream[start..];
    let end = rest.windows(3).position(|window| window == [0, 0, 1] || window == [0, 0, 0]);
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// The codec string of an SPS (RFC 6381 3.3): profile_idc, constraint flags and level_idc in hex.
pub(crate) fn codec_string(sps: &[u8]) -> String {
    format!("avc1.{:02x}{:02x}{:02x}", sps[1], sps[2], sps[3])
}
