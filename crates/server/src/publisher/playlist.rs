//! Files in a row, as one stream.

use std::path::{Path, PathBuf};

use flv::OnMetaData;
use media::Duration;
use source::{Info, Sample, Source};

use super::PublishError;
use super::feed::Item;

/// What we call ourselves.
pub(super) const ENCODER: &str = concat!("feathercast/", env!("CARGO_PKG_VERSION"));

/// Files one behind the other. Each begins when the longest track of the one before has ended; one is open at a time.
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
