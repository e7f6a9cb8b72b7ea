//! Files in a row, as one stream.

use std::path::{Path, PathBuf};

use flv::OnMetaData;
use media::Duration;
use source::{Info, Note, OnFault, Sample, Source};

use super::PublishError;
use super::feed::Item;

/// What we call ourselves.
pub(super) const ENCODER: &str = concat!("feathercast/", env!("CARGO_PKG_VERSION"));

/// Files one behind the other. Each begins when the longest track of the one before has ended; one
/// is open at a time. One that cannot be played is left out, unless faults are to be refused.
#[derive(Debug)]
pub(super) struct Playlist {
    entries: Vec<Entry>,
    repeat: bool,
    on_fault: OnFault,
    /// Which of `entries` is open, or comes next.
    index: usize,
    source: Option<Source>,
    /// When the open file begins.
    offset: Duration,
    /// Picture size that the metadata said last, and whether any was said of the open file.
    said_size: Option<(Option<u32>, Option<u32>)>,
    /// A configuration that waits for the metadata before it.
    held: Option<Sample>,
    /// Samples since the first file of the round began.
    samples: u64,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    /// Notes of it that were told, in whatever round.
    told: usize,
    /// Why it cannot be played, once that is known.
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    None,
    /// Still to be told.
    New(String),
    Told,
}

impl Playlist {
    /// Looks into every file, so that what is wrong with the last one is not found out on air.
    ///
    /// # Errors
    /// A file that cannot be read at all: its name may be wrong. Any other fault where faults are
    /// refused, or where every file has one.
    pub(super) fn open(
        paths: Vec<PathBuf>,
        repeat: bool,
        on_fault: OnFault,
    ) -> Result<Self, PublishError> {
        let mut entries = Vec::new();
        let mut first_fault = None;
        for path in paths {
            let fault = match open(&path, on_fault) {
                Ok(_) => Fault::None,
                Err(error) if on_fault == OnFault::Refuse || is_unreadable(&error) => {
                    return Err(error);
                }
                Err(error) => {
                    let text = error.to_string();
                    first_fault.get_or_insert(error);
                    Fault::New(text)
                }
            };
            entries.push(Entry { path, told: 0, fault });
        }
        match first_fault {
            Some(fault) if entries.iter().all(|entry| !matches!(entry.fault, Fault::None)) => {
                return Err(fault);
            }
            _ => {}
        }
        Ok(Self {
            entries,
            repeat,
            on_fault,
            index: 0,
            source: None,
            offset: Duration::default(),
            said_size: None,
            held: None,
            samples: 0,
        })
    }

    /// What comes next; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, PublishError> {
        if let Some(text) = self.entries.iter_mut().find_map(Entry::take_new_fault) {
            return Ok(Some(Item::LeftOut(text)));
        }
        if let Some(config) = self.held.take() {
            return Ok(Some(Item::Sample(config)));
        }
        loop {
            let Some(entry) = self.entries.get_mut(self.index) else { return Ok(None) };
            let source = match &mut self.source {
                Some(source) => source,
                empty => match open(&entry.path, self.on_fault) {
                    Ok(source) => {
                        self.said_size = None;
                        empty.insert(source)
                    }
                    Err(error) => match self.leave_file_out(error)? {
                        Some(item) => return Ok(Some(item)),
                        None => continue,
                    },
                },
            };
            if let Some(note) = source.notes().get(entry.told) {
                entry.told += 1;
                let line = format!("{}: {note}", entry.path.display());
                return Ok(Some(match note {
                    Note::Odd(_) => Item::Warning(line),
                    Note::LeftOut(_) => Item::LeftOut(line),
                }));
            }
            if self.said_size.is_none() {
                return Ok(Some(Item::Metadata(self.metadata_to_say())));
            }
            match source.next_sample() {
                Ok(Some(sample)) => {
                    self.samples += u64::from(sample.dts().is_some());
                    let sample = shifted(sample, self.offset);
                    return Ok(Some(self.with_metadata(sample)));
                }
                // The end may have been noted: that is told before the next file begins.
                Ok(None) if source.notes().len() > entry.told => {}
                Ok(None) => self.end_of_file()?,
                Err(source) => {
                    let path = entry.path.clone();
                    if let Some(item) = self.leave_file_out(PublishError::File { path, source })? {
                        return Ok(Some(item));
                    }
                }
            }
        }
    }

    /// The sample, or before it what its configuration changes in what was said of the stream.
    fn with_metadata(&mut self, sample: Sample) -> Item {
        if matches!(sample, Sample::VideoConfig(_))
            && let Some(source) = &self.source
            && self.said_size != Some(size(&metadata(source.info())))
        {
            self.held = Some(sample);
            return Item::Metadata(self.metadata_to_say());
        }
        Item::Sample(sample)
    }

    fn metadata_to_say(&mut self) -> OnMetaData {
        let metadata = self.source.as_ref().map(|source| metadata(source.info()));
        let metadata = metadata.unwrap_or_default();
        self.said_size = Some(size(&metadata));
        metadata
    }

    /// The open file, or what is to be opened, goes no further: the next one follows. Told once.
    fn leave_file_out(&mut self, error: PublishError) -> Result<Option<Item>, PublishError> {
        if self.on_fault == OnFault::Refuse {
            return Err(error);
        }
        let entry = self.entries.get_mut(self.index);
        let known = entry.map(|entry| std::mem::replace(&mut entry.fault, Fault::Told));
        let item = match known {
            Some(Fault::Told) => None,
            _ => Some(Item::LeftOut(error.to_string())),
        };
        self.end_of_file()?;
        Ok(item)
    }

    fn end_of_file(&mut self) -> Result<(), PublishError> {
        if let Some(source) = &mut self.source {
            self.offset += source.duration();
            let is_alone = self.entries.len() == 1 && self.repeat;
            match is_alone {
                true => source.rewind(),
                false => self.source = None,
            }
        }
        self.index += 1;
        if self.index == self.entries.len() && self.repeat {
            self.index = 0;
            if std::mem::take(&mut self.samples) == 0 {
                let last = self.entries.last().map(|entry| entry.path.clone());
                return Err(PublishError::NothingToSend { path: last.unwrap_or_default() });
            }
        }
        Ok(())
    }
}

impl Entry {
    fn take_new_fault(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.fault, Fault::Told) {
            Fault::New(text) => Some(text),
            known => {
                self.fault = known;
                None
            }
        }
    }
}

fn open(path: &Path, on_fault: OnFault) -> Result<Source, PublishError> {
    Source::open(path, on_fault)
        .map_err(|source| PublishError::File { path: path.to_owned(), source })
}

/// There is no such file, or nobody may read it.
fn is_unreadable(error: &PublishError) -> bool {
    matches!(error, PublishError::File { source: source::Error::Io { .. }, .. })
}

fn size(metadata: &OnMetaData) -> (Option<u32>, Option<u32>) {
    (metadata.width, metadata.height)
}

fn shifted(sample: Sample, offset: Duration) -> Sample {
    match sample {
        Sample::Video { dts, pts, key, data } => {
            Sample::Video { dts: dts + offset, pts: pts + offset, key, data }
        }
        Sample::Audio { pts, data } => Sample::Audio { pts: pts + offset, data },
        config => config,
    }
}

fn metadata(info: &Info) -> OnMetaData {
    let video = info.video.as_ref();
    let audio = info.audio.as_ref();
    let side = |side: u32| (side > 0).then_some(side);
    OnMetaData {
        width: video.and_then(|video| side(video.width)),
        height: video.and_then(|video| side(video.height)),
        frame_rate: video.and_then(|video| video.frame_rate),
        video_data_rate_kbps: video.and_then(|video| kbps(video.span)),
        audio_data_rate_kbps: audio.and_then(|audio| kbps(audio.span)),
        audio_sample_rate_hz: audio.map(|audio| audio.sample_rate_hz),
        encoder: Some(ENCODER.to_owned()),
    }
}

fn kbps(span: source::Span) -> Option<f64> {
    let seconds = span.duration().as_secs_f64();
    (seconds > 0.0).then(|| (span.bytes as f64 * 8.0 / seconds / 1000.0).round())
}

#[cfg(test)]
mod tests {
    use media::Timestamp;

    use super::*;

    /// Times and sizes of a track's samples.
    #[derive(Debug, Default, PartialEq)]
    struct Played {
        video: Vec<(Timestamp, usize)>,
        audio: Vec<(Timestamp, usize)>,
        configs: usize,
        metadata: Vec<OnMetaData>,
        warnings: Vec<String>,
        left_out: Vec<String>,
    }

    impl Played {
        fn count(&self) -> usize {
            self.video.len() + self.audio.len()
        }
    }

    fn play(paths: &[PathBuf], repeat: bool, samples: usize) -> Played {
        let mut playlist = Playlist::open(paths.to_vec(), repeat, OnFault::LeaveOut).unwrap();
        let mut played = Played::default();
        while played.count() < samples
            && let Some(item) = playlist.next().unwrap()
        {
            match item {
                Item::Sample(Sample::Video { dts, data, .. }) => {
                    played.video.push((dts, data.len()))
                }
                Item::Sample(Sample::Audio { pts, data }) => played.audio.push((pts, data.len())),
                Item::Sample(_) => played.configs += 1,
                Item::Metadata(metadata) => played.metadata.push(metadata),
                Item::Warning(line) => played.warnings.push(line),
                Item::LeftOut(line) => played.left_out.push(line),
            }
        }
        played
    }

    fn case(name: &str) -> PathBuf {
        testmedia::path(&format!("cases/{name}"))
    }

    fn sizes(track: &[(Timestamp, usize)]) -> Vec<usize> {
        track.iter().map(|(_, size)| *size).collect()
    }

    fn is_sorted(played: &Played) -> bool {
        played.video.is_sorted_by_key(|(time, _)| *time)
            && played.audio.is_sorted_by_key(|(time, _)| *time)
    }

    #[test]
    fn three_rounds_are_one_three_times_each_later_by_exactly_the_same() {
        for file in [
            "mp4/aac_5_1_15fps.mp4",
            "mp4/b_pyramid.mp4",
            "mp4/editlist_empty_1s.mp4",
            "mp4/fragmented_styp_sidx.mp4",
            "mp4/iphone6s_rot90.mov",
            "mp4/resolution_change.mp4",
            "mp4/vfr_3026x1386.mp4",
            "flv/audio_only_aac.flv",
            "flv/no_audio_keyframe_index.flv",
            "flv/red5_rotations.flv",
            "flv/srs_avatar.flv",
        ] {
            let Some(path) = testmedia::find(file) else { continue };
            let paths = [path];
            let once = play(&paths, false, usize::MAX);
            let thrice = play(&paths, true, 3 * once.count());
            assert!(is_sorted(&thrice), "{file}");
            assert_eq!(sizes(&thrice.video), sizes(&once.video).repeat(3), "{file}");
            assert_eq!(sizes(&thrice.audio), sizes(&once.audio).repeat(3), "{file}");
            let mut source = open(&paths[0], OnFault::Refuse).unwrap();
            while source.next_sample().unwrap().is_some() {}
            for (rounds, track) in [(&thrice.video, &once.video), (&thrice.audio, &once.audio)] {
                let mut offset = Duration::default();
                for round in rounds.chunks(track.len().max(1)) {
                    let expected = track.iter().map(|(time, size)| (*time + offset, *size));
                    assert!(round.iter().copied().eq(expected), "{file}");
                    offset += source.duration();
                }
            }
        }
    }

    #[test]
    fn files_in_a_row_are_told_apart_and_keep_their_order() {
        let paths = [
            testmedia::path("mp4/b_pyramid.mp4"),
            testmedia::path("flv/audio_only_aac.flv"),
            testmedia::path("mp4/iphone6s_rot90.mov"),
        ];
        let alone: Vec<_> =
            paths.iter().map(|path| play(std::slice::from_ref(path), false, usize::MAX)).collect();
        let row = play(&paths, false, usize::MAX);
        assert!(is_sorted(&row));
        assert_eq!(row.count(), alone.iter().map(Played::count).sum::<usize>());
        assert_eq!(row.configs, alone.iter().map(|played| played.configs).sum::<usize>());
        let sides: Vec<_> = row
            .metadata
            .iter()
            .map(|metadata| (metadata.width, metadata.audio_sample_rate_hz))
            .collect();
        assert_eq!(sides[..2], [(Some(800), None), (None, Some(44_100))]);
        assert_eq!(row.metadata[2].encoder.as_deref(), Some(ENCODER));
        let twice = play(&paths, true, 2 * row.count());
        assert!(is_sorted(&twice));
        assert_eq!(sizes(&twice.video), sizes(&row.video).repeat(2));
    }

    #[test]
    fn the_last_file_is_looked_into_before_the_first_is_played() {
        let paths =
            vec![testmedia::path("mp4/b_pyramid.mp4"), testmedia::path("mp4/broken_no_moov.mp4")];
        let error = Playlist::open(paths.clone(), true, OnFault::Refuse).unwrap_err().to_string();
        assert!(error.contains("broken_no_moov.mp4: has no moov box"), "{error}");
        let mut playlist = Playlist::open(paths, true, OnFault::LeaveOut).unwrap();
        let first = playlist.next().unwrap();
        assert!(matches!(&first, Some(Item::LeftOut(text)) if *text == error), "{first:?}");
        let missing = vec![testmedia::path("mp4/b_pyramid.mp4"), "no_such_file.mp4".into()];
        let error = Playlist::open(missing, true, OnFault::LeaveOut).unwrap_err().to_string();
        assert!(error.contains("no_such_file.mp4: cannot be read"), "{error}");
        let alone = vec![testmedia::path("mp4/broken_no_moov.mp4")];
        let error = Playlist::open(alone, true, OnFault::LeaveOut);
        assert!(error.is_err(), "there is nothing else to play");
    }

    #[test]
    fn case_08_truncated_flv_is_followed_by_the_next_file() {
        let paths = [case("truncated.flv"), case("good.flv")];
        let alone: Vec<_> =
            paths.iter().map(|path| play(std::slice::from_ref(path), false, usize::MAX)).collect();
        let row = play(&paths, false, usize::MAX);
        assert_eq!(row.count(), alone[0].count() + alone[1].count());
        assert!(is_sorted(&row));
        let [cut] = &row.left_out[..] else { panic!("{:?}", row.left_out) };
        assert!(cut.ends_with(
            "truncated.flv: left out: FLV tag of 105 bytes at byte 31957 goes past the end of the file, byte 32022"
        ));
        // Three rounds: the same again, told once.
        for paths in [&paths[..], &paths[..1]] {
            let once = play(paths, false, usize::MAX);
            let thrice = play(paths, true, 3 * once.count());
            assert_eq!(sizes(&thrice.video), sizes(&once.video).repeat(3));
            assert_eq!((thrice.left_out.len(), is_sorted(&thrice)), (1, true));
        }
    }

    #[test]
    fn case_08_a_file_that_cannot_be_played_costs_its_own_turn() {
        let paths = [case("good.flv"), testmedia::path("mp4/broken_no_moov.mp4"), case("ac3.mp4")];
        let once = play(&paths, false, usize::MAX);
        let alone = |index: usize| play(&paths[index..=index], false, usize::MAX).count();
        assert_eq!(once.count(), alone(0) + alone(2));
        assert_eq!(once.left_out.len(), 2, "{:?}", once.left_out);
        let thrice = play(&paths, true, 3 * once.count());
        assert_eq!(sizes(&thrice.video), sizes(&once.video).repeat(3));
        assert_eq!(thrice.left_out, once.left_out, "told once");
    }

    #[test]
    fn case_06_case_19_metadata_says_each_size_before_its_pictures() {
        let said = |paths: &[PathBuf]| -> Vec<_> {
            let played = play(paths, false, usize::MAX);
            played.metadata.iter().map(|metadata| metadata.width.zip(metadata.height)).collect()
        };
        assert_eq!(said(&[case("two_sps_joined.mp4")]), [Some((320, 240)), Some((480, 270))]);
        assert_eq!(
            said(&[case("good.flv"), testmedia::path("mp4/iphone6s_rot90.mov")]),
            [Some((320, 240)), Some((1280, 720))]
        );
    }
}
