//! Just enough of ELF to see whether a binary is static: System V gABI, "Program Header" and
//! "Dynamic Section".

/// What decides whether a binary needs anything of the system it runs on.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Elf {
    /// `ET_DYN`: may be loaded anywhere, so for an executable: position-independent.
    pub position_independent: bool,
    /// `PT_INTERP` exists: the kernel starts a dynamic loader.
    pub interpreter: bool,
    /// Number of `DT_NEEDED` entries: shared libraries.
    pub needed: usize,
}

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const ET_DYN: u16 = 3;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DYNAMIC_ENTRY_BYTES: usize = 16;

/// Reads the headers of a 64-bit little-endian ELF file; the error says where the file ends too
/// early.
pub(crate) fn parse(file: &[u8]) -> Result<Elf, String> {
    if !file.starts_with(MAGIC) || file.get(4..6) != Some(&[CLASS_64, LITTLE_ENDIAN]) {
        return Err("not a 64-bit little-endian ELF file".to_owned());
    }
    let mut elf = Elf { position_independent: u16_at(file, 16)? == ET_DYN, ..Elf::default() };
    let table = offset_at(file, 32)?;
    let entry_bytes = usize::from(u16_at(file, 54)?);
    for index in 0..usize::from(u16_at(file, 56)?) {
        let header = table.saturating_add(index * entry_bytes);
        match u32_at(file, header)? {
            PT_INTERP => elf.interpreter = true,
            PT_DYNAMIC => elf.needed = needed(dynamic_section(file, header)?)?,
            _ => {}
        }
    }
    Ok(elf)
}

fn dynamic_section(file: &[u8], header: usize) -> Result<&[u8], String> {
    let start = offset_at(file, header.saturating_add(8))?;
    let length = offset_at(file, header.saturating_add(32))?;
    file.get(start..start.saturating_add(length))
        .ok_or_else(|| format!("dynamic section at {start} is cut off"))
}

fn needed(dynamic: &[u8]) -> Result<usize, String> {
    let mut count = 0;
    for entry in dynamic.chunks_exact(DYNAMIC_ENTRY_BYTES) {
        match u64_at(entry, 0)? {
            DT_NULL => break,
            DT_NEEDED => count += 1,
            _ => {}
        }
    }
    Ok(count)
}

fn u16_at(file: &[u8], at: usize) -> Result<u16, String> {
    bytes_at(file, at).map(u16::from_le_bytes)
}

fn u32_at(file: &[u8], at: usize) -> Result<u32, String> {
    bytes_at(file, at).map(u32::from_le_bytes)
}

fn u64_at(file: &[u8], at: usize) -> Result<u64, String> {
    bytes_at(file, at).map(u64::from_le_bytes)
}

fn offset_at(file: &[u8], at: usize) -> Result<usize, String> {
    let value = u64_at(file, at)?;
    usize::try_from(value).map_err(|_| format!("offset {value} at {at} is past any file"))
}

fn bytes_at<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N], String> {
    file.get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or_else(|| format!("the file ends before byte {}", at.saturating_add(N)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, the given program headers (type, offset, size) and after them `tail`.
    fn file(kind: u16, headers: &[(u32, u64, u64)], tail: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[16..18].copy_from_slice(&kind.to_le_bytes());
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&(headers.len() as u16).to_le_bytes());
        for (kind, offset, size) in headers {
            let mut header = [0; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            header[8..16].copy_from_slice(&offset.to_le_bytes());
            header[32..40].copy_from_slice(&size.to_le_bytes());
            file.extend(header);
        }
        file.extend(tail);
        file
    }

    fn dynamic(tags: &[u64]) -> Vec<u8> {
        tags.iter().flat_map(|tag| [tag.to_le_bytes(), [0xff; 8]].concat()).collect()
    }

    #[test]
    fn a_static_pie_has_a_dynamic_section_without_needed_entries() {
        let tail = dynamic(&[5, 6, DT_NULL, DT_NEEDED]);
        let elf =
            parse(&file(ET_DYN, &[(1, 0, 8), (PT_DYNAMIC, 64 + 2 * 56, tail.len() as u64)], &tail))
                .unwrap();
        assert_eq!(elf, Elf { position_independent: true, interpreter: false, needed: 0 });
    }

    #[test]
    fn interpreter_and_needed_entries_are_seen() {
        let tail = dynamic(&[DT_NEEDED, 5, DT_NEEDED, DT_NULL]);
        let headers = [(PT_INTERP, 0, 1), (PT_DYNAMIC, 64 + 2 * 56, tail.len() as u64)];
        let elf = parse(&file(2, &headers, &tail)).unwrap();
        assert_eq!(elf, Elf { position_independent: false, interpreter: true, needed: 2 });
    }

    #[test]
    fn every_cut_is_an_error_or_harmless() {
        let tail = dynamic(&[DT_NEEDED, DT_NULL]);
        let whole = file(ET_DYN, &[(PT_DYNAMIC, 64 + 56, tail.len() as u64)], &tail);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(parse(&whole).is_ok());
    }

    #[test]
    fn offsets_past_the_file_are_errors() {
        assert!(parse(&file(ET_DYN, &[(PT_DYNAMIC, u64::MAX, u64::MAX)], &[])).is_err());
        assert!(parse(b"#!/bin/sh\n").is_err());
    }

    #[test]
    fn this_test_itself_is_dynamic() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = parse(&own).unwrap();
        assert!(elf.interpreter && elf.needed > 0, "{elf:?}");
    }
}
