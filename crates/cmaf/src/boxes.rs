//! How boxes are written: those of the `mp4` crate, and containers around them.

use mp4::WriteBox;

/// Writes a box of the `mp4` crate.
pub(crate) fn write(leaf: &impl for<'a> WriteBox<&'a mut Vec<u8>>, out: &mut Vec<u8>) {
    leaf.write_box(out)
        .expect("writing to a Vec cannot fail, and lists have the length they state");
}

/// Writes a box around what `content` appends (14496-12 4.2).
pub(crate) fn container(kind: [u8; 4], out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out);
    // Boxes here hold tables of samples, not media: they are far from 4 GiB.
    let size = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}
