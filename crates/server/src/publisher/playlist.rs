//! Files in a row, as one stream.

use std::path::{Path, PathBuf};

use flv::OnMetaData;
use media::Duration;
use source::{Info, Sample, Source};

use super::PublishError;
use super::feed::Item;

/// What we call ourselves.
pub(super) const ENCODER: &str = concat!("feathercast/", env!("CARGO_PKG_VERSION"));

/// Files one behind the other. Each begins when the longest track of the one before has ended; one
/// is open at a time.
#[derive(Debug)]
pub(super) struct Playlist {
    paths: Vec<PathBuf>,
    repeat: bool,
    /// Which of `paths` is open, or comes next.
    index: usize,
    source: Option<Source>,
    /// When the open file begins.
    offset: Duration,
    /// Metadata of the open file is still to be said.
    is_new: bool,
    /// Warnings of the open file that were said.
    warned: usize,
    /// Samples since the first file of the round began.
    samples: u64,
}

impl Playlist {
    /// Looks into every file, so that what is wrong with the last one is not found out on air.
    pub(super) fn open(paths: Vec<PathBuf>, repeat: bool) -> Result<Self, PublishError> {
        for path in paths.iter().rev() {
            open(path)?;
        }
        Ok(Self {
            paths,
            repeat,
            index: 0,
            source: None,
            offset: Duration::default(),
            is_new: false,
            warned: 0,
            samples: 0,
        })
    }

    /// What comes next; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, PublishError> {
        loop {
            let Some(path) = self.paths.get(self.index) else { return Ok(None) };
            let source = match &mut self.source {
                Some(source) => source,
                empty => {
                    (self.is_new, self.warned) = (true, 0);
                    empty.insert(open(path)?)
                }
            };
            if let Some(warning) = source.warnings().get(self.warned) {
                self.warned += 1;
                return Ok(Some(Item::Warning(format!("{}: {warning}", path.display()))));
            }
            if std::mem::take(&mut self.is_new) {
                return Ok(Some(Item::Metadata(metadata(source.info()))));
            }
            let sample = source
                .next_sample()
                .map_err(|source| PublishError::File { path: path.clone(), source })?;
            match sample {
                Some(sample) => {
                    self.samples += u64::from(sample.dts().is_some());
                    return Ok(Some(Item::Sample(shifted(sample, self.offset))));
                }
                None => self.end_of_file()?,
            }
        }
    }

    fn end_of_file(&mut self) -> Result<(), PublishError> {
        let Some(source) = &mut self.source else { return Ok(()) };
        self.offset += source.duration();
        self.index += 1;
        if self.paths.len() == 1 && self.repeat {
            source.rewind();
        } else {
            self.source = None;
        }
        if self.index == self.paths.len() && self.repeat {
            self.index = 0;
            if std::mem::take(&mut self.samples) == 0 {
                let path = self.paths.last().cloned().unwrap_or_default();
                return Err(PublishError::NothingToSend { path });
            }
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Source, PublishError> {
    Source::open(path).map_err(|source| PublishError::File { path: path.to_owned(), source })
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
    }

    impl Played {
        fn count(&self) -> usize {
            self.video.len() + self.audio.len()
        }
    }

    fn play(paths: &[PathBuf], repeat: bool, samples: usize) -> Played {
        let mut playlist = Playlist::open(paths.to_vec(), repeat).unwrap();
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
                Item::Warning(_) => {}
            }
        }
        played
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
            let mut source = open(&paths[0]).unwrap();
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
        let error = Playlist::open(paths, true).unwrap_err().to_string();
        assert!(error.contains("broken_no_moov.mp4: has no moov box"), "{error}");
    }
}
