//! Fragmented files of any shape: what 14496-12 8.8 lets a writer say in one of several places, or
//! not at all.

use super::{Base, Track, concat, full, mp4_file, plain, words};

/// A sample of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentSample {
    pub(crate) duration: u32,
    pub(crate) composition: i32,
    pub(crate) is_key: bool,
    /// Bytes, each of which is the mark.
    pub(crate) size: u8,
    pub(crate) mark: u8,
}

/// A moof box of one track, and its data.
#[derive(Clone, Debug)]
pub(crate) struct Fragment {
    /// Version of the `tfdt`, and what it says.
    pub(crate) tfdt: Option<(u8, u64)>,
    pub(crate) base: Base,
    /// Durations, sizes and flags are those of the first sample, said once in the `tfhd`.
    pub(crate) has_defaults: [bool; 3],
    /// Bytes between the box header of the mdat and the first sample.
    pub(crate) gap: u8,
    /// Samples of the first trun; the rest are in a second one.
    pub(crate) first_run: usize,
    pub(crate) samples: Vec<FragmentSample>,
}

impl Fragment {
    fn defaults(&self) -> (FragmentSample, u32) {
        let flags = [(0, 0x8), (1, 0x10), (2, 0x20)];
        let set = flags.into_iter().filter(|(index, _)| self.has_defaults[*index]);
        (self.samples[0], set.map(|(_, flag)| flag).sum())
    }

    /// The samples as they are, once defaults have made some of their fields equal.
    pub(crate) fn effective(&self) -> Vec<FragmentSample> {
        let (first, _) = self.defaults();
        let [durations, sizes, flags] = self.has_defaults;
        let effective = |sample: &FragmentSample| FragmentSample {
            duration: if durations { first.duration } else { sample.duration },
            size: if sizes { first.size } else { sample.size },
            is_key: if flags { first.is_key } else { sample.is_key },
            ..*sample
        };
        self.samples.iter().map(effective).collect()
    }

    fn trun(&self, samples: &[FragmentSample], data_offset: Option<u32>) -> Vec<u8> {
        let [durations, sizes, flags] = self.has_defaults;
        let fields = [(0x100, !durations), (0x200, !sizes), (0x400, !flags), (0x800, true)];
        let said: u32 = fields.iter().filter(|(_, is_said)| *is_said).map(|(flag, _)| flag).sum();
        let mut content = words(&[u32::try_from(samples.len()).unwrap()]);
        content.extend(data_offset.map(|offset| words(&[offset])).unwrap_or_default());
        for sample in samples {
            let values = [
                (!durations, sample.duration),
                (!sizes, sample.size.into()),
                (!flags, sample_flags(sample)),
                (true, sample.composition.cast_unsigned()),
            ];
            for (_, value) in values.into_iter().filter(|(is_said, _)| *is_said) {
                content.extend(value.to_be_bytes());
            }
        }
        full(b"trun", 1, said | u32::from(data_offset.is_some()), &content)
    }

    /// `data` is where the samples are in the file, `start` where the moof is.
    fn moof(&self, start: u32, data: u32) -> Vec<u8> {
        let (first, mut flags) = self.defaults();
        let mut tfhd = words(&[1]);
        let offset = match self.base {
            Base::Explicit => {
                flags |= 1;
                tfhd.extend(u64::from(data).to_be_bytes());
                0
            }
            Base::Moof => {
                flags |= 0x2_0000;
                data.wrapping_sub(start)
            }
            Base::Previous => data.wrapping_sub(start),
        };
        let defaults =
            [(8, first.duration), (0x10, first.size.into()), (0x20, sample_flags(&first))];
        for (_, value) in defaults.into_iter().filter(|(flag, _)| flags & flag != 0) {
            tfhd.extend(value.to_be_bytes());
        }
        let tfhd = full(b"tfhd", 0, flags, &tfhd);
        let tfdt = match self.tfdt {
            Some((0, time)) => full(b"tfdt", 0, 0, &words(&[u32::try_from(time).unwrap()])),
            Some((version, time)) => full(b"tfdt", version, 0, &time.to_be_bytes()),
            None => Vec::new(),
        };
        let samples = self.effective();
        let (one, two) = samples.split_at(self.first_run.min(samples.len()));
        // The second run goes on behind the data of the first.
        let runs = match two {
            [] => self.trun(one, Some(offset)),
            _ if one.is_empty() => self.trun(two, Some(offset)),
            _ => concat(&[&self.trun(one, Some(offset)), &self.trun(two, None)]),
        };
        let traf = plain(b"traf", &concat(&[&tfhd, &tfdt, &runs]));
        plain(b"moof", &concat(&[&full(b"mfhd", 0, 0, &words(&[1])), &traf]))
    }
}

fn sample_flags(sample: &FragmentSample) -> u32 {
    if sample.is_key { 0x0200_0000 } else { 0x0101_0000 }
}

/// ftyp, moov without samples, and the fragments, each behind a `styp`.
pub(crate) fn file(fragments: &[Fragment]) -> Vec<u8> {
    let mut track = Track::video(&[]);
    track.stts = Vec::new();
    let mut file = concat(&[mp4_file::FTYP, &mp4_file::moov(&[track], true)]);
    for fragment in fragments {
        file.extend(plain(b"styp", b"msdh\0\0\0\0"));
        let start = u32::try_from(file.len()).unwrap();
        let gap = vec![0xee; fragment.gap.into()];
        // Its size does not depend on the offsets in it.
        let size = u32::try_from(fragment.moof(0, 0).len()).unwrap();
        file.extend(fragment.moof(start, start + size + 8 + u32::from(fragment.gap)));
        let samples = fragment.effective();
        let data = samples.iter().flat_map(|sample| vec![sample.mark; sample.size.into()]);
        file.extend(plain(b"mdat", &concat(&[&gap, &data.collect::<Vec<_>>()])));
    }
    file
}
