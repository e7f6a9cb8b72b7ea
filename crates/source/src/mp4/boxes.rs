//! Boxes and the walk over them (14496-12 4.2).

use std::io::{Read, Seek};

use crate::codec_name::FourCc;
use crate::disk::Disk;
use crate::notes::Notes;
use crate::{Error, Limits};

/// Where a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoxAt {
    pub(crate) kind: FourCc,
    /// Position of its size field.
    pub(crate) start: u64,
    /// Position of its content.
    pub(crate) body: u64,
    /// Just behind it; never past the end of what it is in.
    pub(crate) end: u64,
}

/// Goes over the boxes in a range of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boxes {
    next: u64,
    end: u64,
    left: u32,
    limit: u32,
}

impl BoxAt {
    pub(crate) fn is(&self, kind: &[u8; 4]) -> bool {
        &self.kind.0 == kind
    }

    /// The boxes inside.
    pub(crate) fn children(&self) -> Boxes {
        self.children_after(0)
    }

    /// The boxes inside behind `skip` bytes of fields.
    pub(crate) fn children_after(&self, skip: u64) -> Boxes {
        let limit = Limits::DEFAULT.max_child_boxes;
        Boxes { next: self.body.saturating_add(skip), end: self.end, left: limit, limit }
    }

    /// Bytes of its content.
    pub(crate) fn len(&self) -> u64 {
        self.end.saturating_sub(self.body)
    }

    /// A field `offset` bytes into its content. It must lie inside of the box, not just of the
    /// file.
    pub(crate) fn field<const N: usize, R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        offset: u64,
    ) -> Result<[u8; N], Error> {
        if offset.saturating_add(N as u64) > self.len() {
            return Err(self.invalid(format!("is cut: {} bytes of content", self.len())));
        }
        disk.array(self.body.saturating_add(offset), "field")
    }

    pub(crate) fn u32<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        offset: u64,
    ) -> Result<u32, Error> {
        self.field(disk, offset).map(u32::from_be_bytes)
    }

    pub(crate) fn u64<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        offset: u64,
    ) -> Result<u64, Error> {
        self.field(disk, offset).map(u64::from_be_bytes)
    }

    /// Version and flags of a full box (14496-12 4.2.2).
    pub(crate) fn version<R: Read + Seek>(&self, disk: &mut Disk<R>) -> Result<(u8, u32), Error> {
        let [version, a, b, c] = self.field(disk, 0)?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    pub(crate) fn invalid(&self, problem: String) -> Error {
        Error::Invalid { what: self.kind.to_string(), position: self.start, problem }
    }

    /// The first child of this kind.
    pub(crate) fn child<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        kind: &[u8; 4],
        notes: &mut Notes,
    ) -> Result<Option<Self>, Error> {
        self.children().find(disk, kind, notes)
    }

    /// The first child of this kind, which must be there.
    pub(crate) fn needed_child<R: Read + Seek>(
        &self,
        disk: &mut Disk<R>,
        kind: &[u8; 4],
        notes: &mut Notes,
    ) -> Result<Self, Error> {
        self.child(disk, kind, notes)?
            .ok_or_else(|| self.invalid(format!("has no {} box", FourCc(*kind))))
    }
}

impl Boxes {
    /// The boxes of the file from `start`.
    pub(crate) fn top_level<R: Read + Seek>(disk: &Disk<R>, start: u64) -> Self {
        let limit = Limits::DEFAULT.max_top_boxes;
        Self { next: start, end: disk.len(), left: limit, limit }
    }

    /// The next box. One that claims to be longer than what it is in ends with it, with a warning:
    /// what is then missing will be missed when it is needed.
    pub(crate) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<BoxAt>, Error> {
        let start = self.next;
        if self.end.saturating_sub(start) < 8 {
            // Less than a header: QuickTime ends some lists with four zero bytes.
            return Ok(None);
        }
        self.count_down(start)?;
        let [a, b, c, d, kind @ ..] = disk.array::<8>(start, "box header")?;
        let kind = FourCc(kind);
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, self.end.saturating_sub(start)),
            1 => (16, u64::from_be_bytes(disk.array(start.saturating_add(8), "box size")?)),
            size => (8, size.into()),
        };
        if size < header {
            return Err(Error::Invalid {
                what: format!("box {kind}"),
                position: start,
                problem: format!("size {size} is less than its own header"),
            });
        }
        let claimed = start.saturating_add(size);
        if claimed > self.end {
            notes.odd(format!(
                "{kind} box at byte {start} claims to end at byte {claimed}, it ends at byte {}",
                self.end
            ));
        }
        self.next = claimed.min(self.end);
        let body = start.saturating_add(header).min(self.next);
        Ok(Some(BoxAt { kind, start, body, end: self.next }))
    }

    /// The next box of this kind.
    pub(crate) fn find<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        kind: &[u8; 4],
        notes: &mut Notes,
    ) -> Result<Option<BoxAt>, Error> {
        while let Some(found) = self.next(disk, notes)? {
            if found.is(kind) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Goes on, behind a box that makes no sense, with the next `moof` box: one that begins with an
    /// `mfhd`, as each does (14496-12 8.8.5). Without one it is at the end.
    pub(crate) fn resume_at_moof<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
    ) -> Result<(), Error> {
        let mut from = self.next.saturating_add(5);
        while let Some(kind) = disk.find_byte(from, |byte| byte == b'm')? {
            if disk.holds(kind, 12)
                && &disk.array::<12>(kind, "box header")? == b"moof\0\0\0\x10mfhd"
            {
                self.next = kind.saturating_sub(4);
                return Ok(());
            }
            from = kind.saturating_add(1);
        }
        self.next = self.end;
        Ok(())
    }

    fn count_down(&mut self, position: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let limit = u64::from(self.limit);
            Error::Limit {
                what: "number of boxes".to_owned(),
                actual: limit.saturating_add(1),
                limit,
                position,
            }
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hex_literal::hex;

    use super::*;

    fn walk(data: &[u8]) -> (Result<Vec<Found>, String>, Vec<String>) {
        let mut disk = Disk::new(Cursor::new(data)).unwrap();
        let mut notes = Notes::default();
        let mut boxes = Boxes::top_level(&disk, 0);
        let mut found = Vec::new();
        let result = loop {
            match boxes.next(&mut disk, &mut notes) {
                Ok(Some(b)) => found.push(Found(b.kind.to_string(), b.body, b.end)),
                Ok(None) => break Ok(found),
                Err(error) => break Err(error.to_string()),
            }
        };
        (result, notes.all().iter().map(ToString::to_string).collect())
    }

    /// Kind, start of the content, end.
    #[derive(Debug, PartialEq)]
    struct Found(String, u64, u64);

    fn entry(kind: &str, body: u64, end: u64) -> Found {
        Found(kind.to_owned(), body, end)
    }

    #[test]
    fn s_4_2_sizes_of_32_and_64_bits_and_to_the_end() {
        let data =
            hex!("00000009 66726565 aa 00000001 77696465 0000000000000010 00000000 6d646174 bb");
        let expected = vec![entry("free", 8, 9), entry("wide", 25, 25), entry("mdat", 33, 34)];
        assert_eq!(walk(&data), (Ok(expected), vec![]));
    }

    #[test]
    fn s_4_2_a_size_past_the_end_is_a_warning_and_one_below_the_header_an_error() {
        let (boxes, notes) = walk(&hex!("00000020 6d646174 bb"));
        assert_eq!(boxes, Ok(vec![entry("mdat", 8, 9)]));
        assert_eq!(notes, ["mdat box at byte 0 claims to end at byte 32, it ends at byte 9"]);
        let (error, _) = walk(&hex!("00000008 66726565 00000007 6d646174"));
        assert_eq!(error.unwrap_err(), "box mdat at byte 8: size 7 is less than its own header");
        let (error, _) = walk(&hex!("00000001 6d646174 00000000"));
        assert_eq!(
            error.unwrap_err(),
            "box size of 8 bytes at byte 8 goes past the end of the file, byte 12"
        );
    }
}
