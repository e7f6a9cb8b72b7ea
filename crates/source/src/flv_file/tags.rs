//! The walk over an FLV file's tags, and over what is damaged between them.

use std::io::{Read, Seek};

use flv::{FileHeader, Tag, TagHeader, TagKind};

use crate::Error;
use crate::disk::Disk;
use crate::notes::Notes;

/// `PreviousTagSize` (FLV 10.1 E.3).
const SIZE_BYTES: u64 = 4;

/// Reads one tag after the other, so that each has its place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tags {
    /// Where the next tag begins; 0 before the file header.
    position: u64,
}

/// What the file has next.
#[derive(Debug)]
pub(super) enum Unit {
    Tag(Tag),
    /// A tag whose body is encrypted.
    Encrypted(TagKind),
    /// The header of another file: somebody put one behind the other.
    File,
}

/// What stands where a tag should.
enum Place {
    Tag(TagHeader),
    /// A file header, and the first tag behind it.
    File {
        tags: u64,
    },
    Damaged {
        error: Error,
        /// A tag that stands inside of what claims to be one.
        inside: Option<u64>,
    },
}

/// How sure it is that a tag ends where its size says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its size is said again.
    Said,
    /// Another tag or file follows, or nothing. That proves little by itself: a wrong size may lead
    /// to any of the tags behind.
    Followed,
    Nowhere,
}

impl Tags {
    /// Where the next tag should be.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What comes next and where it is; `None` at the end of the file. Behind damage it is the next
    /// tag that fits: one whose size is said again behind it, or that another tag follows.
    ///
    /// # Errors
    /// No FLV file, and what [`Notes::leave_out`] gives back.
    pub(super) fn next<R: Read + Seek>(
        &mut self,
        disk: &mut Disk<R>,
        notes: &mut Notes,
    ) -> Result<Option<(u64, Unit)>, Error> {
        if self.position == 0 {
            self.position = first_tag(disk, 0)?;
        }
        while self.position < disk.len() {
            let position = self.position;
            match look(disk, position)? {
                Place::Tag(header) => {
                    self.position = end_of(position, &header).saturating_add(SIZE_BYTES);
                    let Some(kind) = header.kind else { continue };
                    if header.is_encrypted {
                        return Ok(Some((position, Unit::Encrypted(kind))));
                    }
                    let start = position.saturating_add(TagHeader::BYTES as u64);
                    let body = disk.bytes(start, header.size, || "FLV tag".to_owned())?;
                    let tag = Tag { kind, timestamp_ms: header.timestamp_ms, body };
                    return Ok(Some((position, Unit::Tag(tag))));
                }
                Place::File { tags } => {
                    self.position = tags;
                    return Ok(Some((position, Unit::File)));
                }
                Place::Damaged { error, inside } => {
                    self.position = match inside {
                        Some(inside) => inside,
                        None => next_that_fits(disk, position)?,
                    };
                    notes.leave_out(error)?;
                }
            }
        }
        Ok(None)
    }
}

/// What its last tag says of when a file ends, where the size behind it leads to a tag.
pub(super) fn last_timestamp_ms<R: Read + Seek>(disk: &mut Disk<R>) -> Result<Option<u32>, Error> {
    let Some(at_size) = disk.len().checked_sub(SIZE_BYTES) else { return Ok(None) };
    let size = u32::from_be_bytes(disk.array(at_size, "tag size")?);
    let Some(start) = at_size.checked_sub(size.into()) else { return Ok(None) };
    if !disk.holds(start, TagHeader::BYTES as u64) {
        return Ok(None);
    }
    let header = TagHeader::parse(disk.array(start, "FLV tag header")?);
    let is_tag = header.kind.is_some() && end_of(start, &header) == at_size;
    Ok(is_tag.then_some(header.timestamp_ms))
}

/// Where the first tag behind a file header is.
fn first_tag<R: Read + Seek>(disk: &mut Disk<R>, position: u64) -> Result<u64, Error> {
    let bytes = disk.array(position, "FLV header")?;
    let header = FileHeader::parse(bytes, &flv::Limits::default())
        .map_err(|error| invalid("FLV header", position, error.to_string()))?;
    Ok(position.saturating_add(header.header_bytes.into()).saturating_add(SIZE_BYTES))
}

fn look<R: Read + Seek>(disk: &mut Disk<R>, position: u64) -> Result<Place, Error> {
    let damaged = |error| Ok(Place::Damaged { error, inside: None });
    let header_bytes = TagHeader::BYTES as u64;
    if !disk.holds(position, header_bytes) {
        return damaged(disk.truncated("FLV tag header".to_owned(), position, header_bytes));
    }
    let bytes = disk.array::<{ TagHeader::BYTES }>(position, "FLV tag header")?;
    if bytes.starts_with(b"FLV") {
        return match first_tag(disk, position) {
            Ok(tags) => Ok(Place::File { tags }),
            Err(error) => damaged(error),
        };
    }
    let header = TagHeader::parse(bytes);
    let (size, limit) = (header.size as usize, flv::Limits::default().max_tag_bytes);
    if !disk.holds(position.saturating_add(header_bytes), header.size.into()) {
        let needed = header_bytes.saturating_add(size as u64);
        return damaged(disk.truncated("FLV tag".to_owned(), position, needed));
    }
    if size > limit {
        let (actual, limit) = (size as u64, limit as u64);
        return damaged(Error::Limit { what: "FLV tag size".to_owned(), actual, limit, position });
    }
    let end = end_of(position, &header);
    let inside = match how_it_ends(disk, end, &header)? {
        End::Said => return Ok(Place::Tag(header)),
        // Many writers get the sizes wrong, so that alone is no damage. A tag inside of it that
        // gets it right is.
        End::Followed => match said_tag_inside(disk, position, end)? {
            None => return Ok(Place::Tag(header)),
            inside => inside,
        },
        End::Nowhere => None,
    };
    let [kind, ..] = bytes;
    let problem = format!("type {kind} of {size} bytes: no tag ends there");
    Ok(Place::Damaged { error: invalid("FLV tag", position, problem), inside })
}

fn how_it_ends<R: Read + Seek>(
    disk: &mut Disk<R>,
    end: u64,
    header: &TagHeader,
) -> Result<End, Error> {
    if says_its_size(disk, end, header)? {
        return Ok(End::Said);
    }
    let next = end.saturating_add(SIZE_BYTES);
    if next >= disk.len() {
        return Ok(if header.kind.is_some() { End::Followed } else { End::Nowhere });
    }
    if !disk.holds(next, TagHeader::BYTES as u64) {
        return Ok(End::Nowhere);
    }
    let bytes = disk.array::<{ TagHeader::BYTES }>(next, "FLV tag header")?;
    let is_followed = bytes.starts_with(b"FLV") || is_plausible(&TagHeader::parse(bytes));
    Ok(if is_followed { End::Followed } else { End::Nowhere })
}

/// Whether the size of the whole tag is said again behind it (FLV 10.1 E.3).
fn says_its_size<R: Read + Seek>(
    disk: &mut Disk<R>,
    end: u64,
    header: &TagHeader,
) -> Result<bool, Error> {
    if !disk.holds(end, SIZE_BYTES) {
        return Ok(false);
    }
    let said = u32::from_be_bytes(disk.array(end, "tag size")?);
    Ok(u64::from(said) == u64::from(header.size).saturating_add(TagHeader::BYTES as u64))
}

fn is_plausible(header: &TagHeader) -> bool {
    header.kind.is_some() && header.stream_id == 0
}

/// The first tag between two places whose size is said again behind it.
fn said_tag_inside<R: Read + Seek>(
    disk: &mut Disk<R>,
    position: u64,
    end: u64,
) -> Result<Option<u64>, Error> {
    let mut from = position.saturating_add(1);
    while let Some(found) = disk.find_byte(from, |byte| TagKind::from_id(byte).is_some())? {
        if found >= end || !disk.holds(found, TagHeader::BYTES as u64) {
            break;
        }
        let header = TagHeader::parse(disk.array(found, "FLV tag header")?);
        if is_plausible(&header) && says_its_size(disk, end_of(found, &header), &header)? {
            return Ok(Some(found));
        }
        from = found.saturating_add(1);
    }
    Ok(None)
}

/// Where a tag or a file header is behind damage; the end of the file where there is none.
fn next_that_fits<R: Read + Seek>(disk: &mut Disk<R>, position: u64) -> Result<u64, Error> {
    let begins_something = |byte: u8| byte == b'F' || TagKind::from_id(byte).is_some();
    let mut from = position.saturating_add(1);
    while let Some(found) = disk.find_byte(from, begins_something)? {
        match look(disk, found)? {
            Place::Tag(header) if is_plausible(&header) => return Ok(found),
            Place::File { .. } => return Ok(found),
            Place::Damaged { inside: Some(inside), .. } => return Ok(inside),
            Place::Tag(_) | Place::Damaged { .. } => from = found.saturating_add(1),
        }
    }
    Ok(disk.len())
}

fn end_of(position: u64, header: &TagHeader) -> u64 {
    let body = position.saturating_add(TagHeader::BYTES as u64);
    body.saturating_add(header.size.into())
}

fn invalid(what: &str, position: u64, problem: String) -> Error {
    Error::Invalid { what: what.to_owned(), position, problem }
}
