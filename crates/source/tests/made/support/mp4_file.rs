//! Whole MP4 files.

use super::{ASC, avc1, concat, esds, full, mp4a, plain, words};

/// A track with one chunk of one sample of eight bytes for each mark, which is its first byte.
#[derive(Clone)]
pub(crate) struct Track {
    pub(crate) handler: [u8; 4],
    pub(crate) timescale: u32,
    pub(crate) marks: Vec<u8>,
    pub(crate) enabled: bool,
    pub(crate) stsd: Vec<Vec<u8>>,
    pub(crate) stts: Vec<(u32, u32)>,
    /// Version and entries.
    pub(crate) ctts: Option<(u8, Vec<(u32, i32)>)>,
    pub(crate) stss: Option<Vec<u32>>,
    pub(crate) stsc: Vec<(u32, u32, u32)>,
    /// Instead of a size for each: size and count.
    pub(crate) stsz: Option<(u32, u32)>,
    /// Field size in bits.
    pub(crate) stz2: Option<u8>,
    /// Instead of the true ones.
    pub(crate) stco: Vec<u32>,
    pub(crate) co64: Option<Vec<u64>>,
    /// Duration in ms and media time.
    pub(crate) elst: Vec<(u32, i32)>,
}

pub(crate) const SAMPLE_BYTES: usize = 8;

impl Track {
    /// 25 pictures a second, times in ms.
    pub(crate) fn video(marks: &[u8]) -> Self {
        Self::new(*b"vide", 1000, 40, marks, avc1(b"avc1", 4))
    }

    /// AAC at 48 kHz.
    pub(crate) fn audio(marks: &[u8]) -> Self {
        Self::new(*b"soun", 48_000, 1024, marks, mp4a(0, &esds(0x40, &ASC)))
    }

    fn new(handler: [u8; 4], timescale: u32, delta: u32, marks: &[u8], entry: Vec<u8>) -> Self {
        Self {
            handler,
            timescale,
            marks: marks.to_vec(),
            enabled: true,
            stsd: vec![entry],
            stts: vec![(u32::try_from(marks.len()).unwrap(), delta)],
            ctts: None,
            stss: None,
            stsc: vec![(1, 1, 1)],
            stsz: None,
            stz2: None,
            stco: Vec::new(),
            co64: None,
            elst: Vec::new(),
        }
    }

    fn data(&self) -> Vec<u8> {
        self.marks.iter().flat_map(|mark| [*mark; SAMPLE_BYTES]).collect()
    }

    fn trak(&self, id: u32, first_chunk: u32) -> Vec<u8> {
        let mut tkhd = vec![0; 80];
        tkhd[8..12].copy_from_slice(&id.to_be_bytes());
        let tkhd = full(b"tkhd", 0, u32::from(self.enabled), &tkhd);
        let edits: Vec<u8> = self
            .elst
            .iter()
            .flat_map(|(duration, time)| words(&[*duration, time.cast_unsigned(), 0x10000]))
            .collect();
        let count = u32::try_from(self.elst.len()).unwrap();
        let elst = full(b"elst", 0, 0, &concat(&[&words(&[count]), &edits]));
        let edts = if self.elst.is_empty() { Vec::new() } else { plain(b"edts", &elst) };
        let mdhd = full(b"mdhd", 0, 0, &words(&[0, 0, self.timescale, 0, 0]));
        let hdlr = full(b"hdlr", 0, 0, &concat(&[&[0; 4], &self.handler, &[0; 13]]));
        let minf = plain(b"minf", &plain(b"stbl", &self.stbl(first_chunk)));
        plain(b"trak", &concat(&[&tkhd, &edts, &plain(b"mdia", &concat(&[&mdhd, &hdlr, &minf]))]))
    }

    fn stbl(&self, first_chunk: u32) -> Vec<u8> {
        let table = |kind: &[u8; 4], version: u8, entries: &[Vec<u32>]| {
            let count = u32::try_from(entries.len()).unwrap();
            full(kind, version, 0, &concat(&[&words(&[count]), &words(&entries.concat())]))
        };
        let stsd =
            concat(&[&words(&[u32::try_from(self.stsd.len()).unwrap()]), &self.stsd.concat()]);
        let mut stbl = full(b"stsd", 0, 0, &stsd);
        let stts: Vec<_> = self.stts.iter().map(|(count, delta)| vec![*count, *delta]).collect();
        stbl.extend(table(b"stts", 0, &stts));
        if let Some((version, entries)) = &self.ctts {
            let entries: Vec<_> = entries
                .iter()
                .map(|(count, offset)| vec![*count, offset.cast_unsigned()])
                .collect();
            stbl.extend(table(b"ctts", *version, &entries));
        }
        if let Some(sync) = &self.stss {
            stbl.extend(table(
                b"stss",
                0,
                &sync.iter().map(|number| vec![*number]).collect::<Vec<_>>(),
            ));
        }
        let stsc: Vec<_> = self.stsc.iter().map(|(a, b, c)| vec![*a, *b, *c]).collect();
        stbl.extend(table(b"stsc", 0, &stsc));
        stbl.extend(self.sizes());
        stbl.extend(match &self.co64 {
            Some(offsets) => {
                let count = u32::try_from(offsets.len()).unwrap().to_be_bytes();
                let offsets: Vec<u8> = offsets.iter().flat_map(|at| at.to_be_bytes()).collect();
                full(b"co64", 0, 0, &concat(&[&count, &offsets]))
            }
            None => table(b"stco", 0, &self.chunks(first_chunk)),
        });
        stbl
    }

    fn chunks(&self, first: u32) -> Vec<Vec<u32>> {
        if !self.stco.is_empty() {
            return self.stco.iter().map(|at| vec![*at]).collect();
        }
        let step = u32::try_from(SAMPLE_BYTES).unwrap();
        (0..u32::try_from(self.marks.len()).unwrap()).map(|i| vec![first + i * step]).collect()
    }

    fn sizes(&self) -> Vec<u8> {
        let (count, size) = (self.marks.len(), u8::try_from(SAMPLE_BYTES).unwrap());
        let number = u32::try_from(count).unwrap();
        match (self.stsz, self.stz2) {
            (Some((size, count)), _) => full(b"stsz", 0, 0, &words(&[size, count])),
            (None, None) => full(
                b"stsz",
                0,
                0,
                &concat(&[&words(&[0, number]), &words(&vec![size.into(); count])]),
            ),
            (None, Some(bits)) => {
                let sizes = match bits {
                    4 => vec![size << 4 | size; count.div_ceil(2)],
                    8 => vec![size; count],
                    _ => [0, size].repeat(count),
                };
                let head = words(&[bits.into(), number]);
                full(b"stz2", 0, 0, &concat(&[&head, &sizes]))
            }
        }
    }
}

pub(crate) const FTYP: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isommp42";

/// A box header with a 64-bit size for an `mdat` of the whole file so far, padded to 32 bytes.
pub(crate) fn wide_mdat_header(end: u64) -> Vec<u8> {
    concat(&[&plain(b"free", &[0; 8]), &[0, 0, 0, 1], b"mdat", &(end - 16).to_be_bytes()])
}

/// The samples of each track lie one behind the other, from byte 32 on.
pub(crate) fn moov(tracks: &[Track], fragmented: bool) -> Vec<u8> {
    moov_at(tracks, fragmented, 32)
}

fn moov_at(tracks: &[Track], fragmented: bool, first: usize) -> Vec<u8> {
    let mut content = full(b"mvhd", 0, 0, &concat(&[&words(&[0, 0, 1000, 0]), &[0; 80]]));
    let mut at = first;
    for (id, track) in (1..).zip(tracks) {
        content.extend(track.trak(id, u32::try_from(at).unwrap()));
        at += track.data().len();
    }
    if fragmented {
        let trex: Vec<u8> = (1..=u32::try_from(tracks.len()).unwrap())
            .flat_map(|id| full(b"trex", 0, 0, &words(&[id, 1, 0, 8, 0])))
            .collect();
        content.extend(plain(b"mvex", &trex));
    }
    plain(b"moov", &content)
}

fn data(tracks: &[Track]) -> Vec<u8> {
    tracks.iter().flat_map(Track::data).collect()
}

/// ftyp, mdat, moov.
pub(crate) fn mp4(tracks: &[Track]) -> Vec<u8> {
    concat(&[FTYP, &plain(b"mdat", &data(tracks)), &moov(tracks, false)])
}

/// ftyp, moov, mdat; the mdat claims some bytes that are not there.
pub(crate) fn moov_first(tracks: &[Track], more: u32) -> Vec<u8> {
    let first = FTYP.len() + moov(tracks, false).len() + 8;
    let mut mdat = plain(b"mdat", &data(tracks));
    let size = u32::try_from(mdat.len()).unwrap() + more;
    mdat[..4].copy_from_slice(&size.to_be_bytes());
    concat(&[FTYP, &moov_at(tracks, false, first), &mdat])
}

/// How a fragment says where its data is (14496-12 8.8.7.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    /// `base-data-offset-present`.
    Explicit,
    /// `default-base-is-moof`.
    Moof,
    /// Neither: the first traf counts from its moof, the next goes on behind the data of the one
    /// before.
    Previous,
}

/// A picture in the moov and two fragments of two pictures and one audio frame.
pub(crate) fn fragmented(base: Base) -> Vec<u8> {
    fragmented_with_times(base, [None, Some(120)])
}

pub(crate) fn fragmented_with_times(base: Base, times: [Option<u32>; 2]) -> Vec<u8> {
    let mut audio = Track::audio(&[]);
    audio.stts = Vec::new();
    let tracks = [Track::video(&[1]), audio];
    let mut file = concat(&[FTYP, &plain(b"mdat", &data(&tracks)), &moov(&tracks, true)]);
    for (index, time) in (0_u8..).zip(times) {
        file.extend(plain(b"styp", b"msdh\0\0\0\0"));
        let start = file.len();
        // The size of the moof does not depend on its offsets: write it once to know it.
        let data = start + moof(base, time, 0, 0).len() + 8;
        file.extend(moof(base, time, start, data));
        let marks = [2 + 2 * index, 3 + 2 * index, 11 + index];
        let data: Vec<u8> = marks.iter().flat_map(|mark| [*mark; SAMPLE_BYTES]).collect();
        file.extend(plain(b"mdat", &data));
    }
    file
}

/// Video then audio; `data` is where the mdat's content starts.
fn moof(base: Base, time: Option<u32>, start: usize, data: usize) -> Vec<u8> {
    let (start, data) = (u32::try_from(start).unwrap(), u32::try_from(data).unwrap());
    let audio_data = data + 2 * 8;
    let traf = |id: u32, data: u32, first: bool, durations: &[u32], time: Option<u32>| {
        let tfhd = match base {
            Base::Explicit => full(b"tfhd", 0, 1, &words(&[id, 0, data])),
            Base::Moof => full(b"tfhd", 0, 0x2_0000, &words(&[id])),
            Base::Previous => full(b"tfhd", 0, 0, &words(&[id])),
        };
        let tfdt = time.map(|time| full(b"tfdt", 0, 0, &words(&[time]))).unwrap_or_default();
        let count = u32::try_from(durations.len()).unwrap();
        let samples: Vec<u32> = durations.iter().flat_map(|duration| [*duration, 8]).collect();
        let offset = match base {
            Base::Explicit => Some(0),
            Base::Moof => Some(data.wrapping_sub(start)),
            Base::Previous => first.then(|| data.wrapping_sub(start)),
        };
        let flags = 0x300 | u32::from(offset.is_some());
        let head: Vec<u32> = std::iter::once(count).chain(offset).collect();
        let trun = full(b"trun", 0, flags, &concat(&[&words(&head), &words(&samples)]));
        plain(b"traf", &concat(&[&tfhd, &tfdt, &trun]))
    };
    let video = traf(1, data, true, &[40, 40], time);
    let audio = traf(2, audio_data, false, &[1024], None);
    plain(b"moof", &concat(&[&full(b"mfhd", 0, 0, &words(&[1])), &video, &audio]))
}

/// A fragment whose trun claims this many samples of which nothing is in the file.
pub(crate) fn trun_of(count: u32) -> Vec<u8> {
    let tracks = [Track::video(&[1])];
    let moov = moov(&tracks, true);
    let tfhd = full(b"tfhd", 0, 0x10, &words(&[1, 0]));
    let trun = full(b"trun", 0, 0, &words(&[count]));
    let moof = plain(b"moof", &plain(b"traf", &concat(&[&tfhd, &trun])));
    concat(&[FTYP, &plain(b"mdat", &data(&tracks)), &moov, &moof])
}
