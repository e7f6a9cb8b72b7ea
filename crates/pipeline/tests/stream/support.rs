//! Drives the pipeline with the messages of FLV files and looks at what comes out with ffmpeg.

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::Bytes;
use flv::{FileReader, Tag};
use pipeline::{
    Ingest, IngestOutput, Keyframes, Queue, RenditionEvent, Resume, StreamConfig, Transcoder,
    TranscoderOutput, TranscoderStats,
};

/// Both halves of one stream, in step, with all they said.
pub(crate) struct Stream {
    ingest: Ingest,
    queue: Queue,
    transcoder: Transcoder,
    pub(crate) source: Vec<RenditionEvent>,
    pub(crate) rungs: Vec<Vec<RenditionEvent>>,
    pub(crate) notices: Vec<String>,
    pub(crate) keyframes: Vec<Keyframes>,
    /// Video codecs for which the publisher is to be refused.
    pub(crate) refused: Vec<String>,
}

impl Stream {
    pub(crate) fn new(config: &StreamConfig, resume: Resume) -> Self {
        Self {
            ingest: Ingest::new(config, &resume),
            queue: Queue::new(),
            transcoder: Transcoder::new(config, &resume),
            source: Vec::new(),
            rungs: config.renditions.iter().map(|_| Vec::new()).collect(),
            notices: Vec::new(),
            keyframes: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, tag: Tag) {
        let arrival = 1_800_000_000_000 + i64::from(tag.timestamp_ms);
        self.ingest.push(tag.kind, tag.timestamp_ms, tag.body, arrival);
        self.drain();
    }

    pub(crate) fn finish(&mut self) {
        self.ingest.finish();
        self.drain();
        self.transcoder.finish();
        self.drain();
    }

    pub(crate) fn transcoder_stats(&self) -> &TranscoderStats {
        self.transcoder.stats()
    }

    fn drain(&mut self) {
        while let Some(output) = self.ingest.poll() {
            match output {
                IngestOutput::Source(event) => self.source.push(event),
                IngestOutput::Transcode(item) => self.queue.push(item),
                IngestOutput::Notice(notice) => self.notices.push(notice.to_string()),
                IngestOutput::Keyframes(keyframes) => self.keyframes.push(keyframes),
                IngestOutput::Refused(codec) => self.refused.push(codec.to_string()),
                IngestOutput::Grid(_) | IngestOutput::Facts(_) => {}
            }
        }
        while let Some(item) = self.queue.pop() {
            self.transcoder.push(item);
        }
        while let Some(output) = self.transcoder.poll() {
            match output {
                TranscoderOutput::Rendition { index, event } => self.rungs[index].push(event),
                TranscoderOutput::Notice(notice) => self.notices.push(notice.to_string()),
            }
        }
    }
}

pub(crate) fn flv_messages(file: &[u8]) -> Vec<Tag> {
    let mut reader = FileReader::new(flv::Limits::default());
    reader.push(file);
    std::iter::from_fn(|| reader.next_tag().expect("a clean file")).collect()
}

pub(crate) fn segments(events: &[RenditionEvent]) -> impl Iterator<Item = &hls::Segment> {
    events.iter().filter_map(|event| match event {
        RenditionEvent::Segment(segment) => Some(segment),
        _ => None,
    })
}

/// Pictures that ffmpeg decodes from one segment, or audio frames where there are none; it must have nothing to say.
pub(crate) fn decode_without_warning(segment: &Bytes) -> usize {
    let output = ffmpeg_without_warning("-f mpegts -i - -map 0 -f framecrc -", segment);
    String::from_utf8_lossy(&output).lines().filter(|line| line.starts_with("0,")).count()
}

/// What ffmpeg makes of `input`; it must have nothing to say.
pub(crate) fn ffmpeg_without_warning(arguments: &str, input: &[u8]) -> Vec<u8> {
    without_warning("ffmpeg", arguments, input)
}

/// What ffprobe says of `input`; it must have no warning.
pub(crate) fn ffprobe(arguments: &str, input: &[u8]) -> String {
    String::from_utf8_lossy(&without_warning("ffprobe", arguments, input)).into_owned()
}

fn without_warning(program: &str, arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(["-hide_banner", "-v", "warning"])
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg");
    let mut stdin = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).expect("it takes it all"));
        child.wait_with_output().expect("ffmpeg")
    });
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program} {arguments}");
    output.stdout
}

/// What ffmpeg writes to its standard output.
pub(crate) fn ffmpeg_output(arguments: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-v", "error"])
        .args(arguments.split(' '))
        .output()
        .expect("ffmpeg");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    output.stdout
}
