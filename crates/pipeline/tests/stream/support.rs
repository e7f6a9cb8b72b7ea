//! Drives the pipeline with the messages of FLV files and looks at what comes out with ffmpeg.

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::Bytes;
use flv::{FileReader, Tag};
use media::Duration;
use pipeline::{
    Continuity, GridMode, GridState, Ingest, IngestOutput, Keyframes, MessageError, Notice,
    Package, Queue, RenditionInfo, RenditionSet, SegmentSource, SegmentStore, StayRefusal,
    StreamConfig, StreamTracks, Transcoder, TranscoderOutput, TranscoderStats, make_segment,
    write_ts,
};

/// The number of the first segment of every stream here.
pub(crate) const FIRST_SEQUENCE: u64 = 1_800_000_000;

/// What a driver hears of one rendition.
#[derive(Clone, Debug)]
pub(crate) enum RenditionEvent {
    /// Before the first segment, and again only when it changes.
    Playlist {
        target_duration_secs: u64,
        independent: bool,
        in_multivariant: bool,
    },
    /// Before the first segment it holds for.
    Info(RenditionInfo),
    Segment(Segment),
}

/// A segment as it is served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) discontinuity_sequence: u64,
    pub(crate) duration: Duration,
    pub(crate) discontinuity: bool,
    pub(crate) start_unix_ms: i64,
    pub(crate) data: Bytes,
}

/// One rendition, as a driver keeps it.
#[derive(Debug, Default)]
pub(crate) struct Rendition {
    pub(crate) events: Vec<RenditionEvent>,
    info: Option<RenditionInfo>,
    playlist: Option<(u64, bool, bool)>,
    continuity: Option<(u64, Continuity)>,
    dependent: bool,
}

impl Rendition {
    pub(crate) fn segment(&mut self, package: &Package, mode: GridMode, is_source: bool) {
        let span = package.span;
        self.dependent |= !package.is_independent();
        self.say((mode.target_duration_secs, !self.dependent, !(is_source && mode.own_grid)));
        let info = package.info();
        if !self.info.as_ref().is_some_and(|known| known.still_says(&info, span.duration)) {
            self.info = Some(info.clone());
            self.events.push(RenditionEvent::Info(info));
        }
        let before = self.continuity.filter(|(sequence, _)| sequence + 1 == span.sequence());
        let (data, continuity) = write_ts(package, before.map(|(_, continuity)| continuity));
        self.continuity = continuity.map(|continuity| (span.sequence(), continuity));
        self.events.push(RenditionEvent::Segment(Segment {
            sequence: span.sequence(),
            discontinuity_sequence: span.cut.discontinuity_sequence,
            duration: span.duration,
            discontinuity: span.cut.discontinuity,
            start_unix_ms: span.cut.unix_ms,
            data,
        }));
    }

    /// Nothing comes of the rendition for a span.
    pub(crate) fn pause(&mut self) {
        if let Some((target_duration_secs, independent, _)) = self.playlist {
            self.say((target_duration_secs, independent, false));
        }
    }

    fn say(&mut self, playlist: (u64, bool, bool)) {
        if self.playlist != Some(playlist) {
            self.playlist = Some(playlist);
            let (target_duration_secs, independent, in_multivariant) = playlist;
            self.events.push(RenditionEvent::Playlist {
                target_duration_secs,
                independent,
                in_multivariant,
            });
        }
    }
}

/// Both halves of one stream, in step, with all they said. All renditions are wanted, and what
/// could not be made live is made at once.
pub(crate) struct Stream {
    pub(crate) config: StreamConfig,
    ingest: Ingest,
    queue: Queue,
    transcoder: Transcoder,
    store: SegmentStore,
    mode: GridMode,
    pub(crate) state: GridState,
    pub(crate) tracks: StreamTracks,
    source_track: Rendition,
    rung_tracks: Vec<Rendition>,
    pub(crate) source: Vec<RenditionEvent>,
    pub(crate) rungs: Vec<Vec<RenditionEvent>>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) keyframes: Vec<Keyframes>,
    /// The source's packages, and of each rendition those that were made as pictures came.
    pub(crate) source_packages: Vec<Package>,
    pub(crate) live_packages: Vec<Vec<Package>>,
    /// The numbers of the spans that each rendition has or will have something for when it is
    /// asked for.
    pub(crate) listed: Vec<Vec<u64>>,
    /// What the publisher is refused for.
    pub(crate) refused: Vec<StayRefusal>,
}

impl Stream {
    pub(crate) fn new(config: &StreamConfig, state: GridState) -> Self {
        Self::returning(config, state, StreamTracks::default())
    }

    /// The stream of a publisher that comes back to what an earlier stay has left.
    pub(crate) fn returning(config: &StreamConfig, state: GridState, tracks: StreamTracks) -> Self {
        let mut ingest = Ingest::new(config, state, tracks);
        ingest.set_wanted(RenditionSet::first(config.renditions.len()));
        Self {
            config: config.clone(),
            ingest,
            queue: Queue::new(),
            transcoder: Transcoder::new(config),
            store: SegmentStore::new(100),
            mode: state.mode.unwrap_or(GridMode { target_duration_secs: 0, own_grid: false }),
            state,
            tracks: StreamTracks::default(),
            source_track: Rendition::default(),
            rung_tracks: config.renditions.iter().map(|_| Rendition::default()).collect(),
            source: Vec::new(),
            rungs: config.renditions.iter().map(|_| Vec::new()).collect(),
            notices: Vec::new(),
            keyframes: Vec::new(),
            source_packages: Vec::new(),
            live_packages: config.renditions.iter().map(|_| Vec::new()).collect(),
            listed: config.renditions.iter().map(|_| Vec::new()).collect(),
            refused: Vec::new(),
        }
    }

    /// A message that comes in its time.
    pub(crate) fn push(&mut self, tag: Tag) {
        let arrival = 1_800_000_000_000 + i64::from(tag.timestamp_ms);
        self.push_at(arrival, tag);
    }

    /// A message that comes at this time of the wall clock.
    pub(crate) fn push_at(&mut self, arrival: i64, tag: Tag) {
        self.ingest.push(tag.kind, tag.timestamp_ms, tag.body, arrival);
        self.drain();
    }

    pub(crate) fn finish(&mut self) {
        self.ingest.finish();
        self.drain();
    }

    /// From the next cut on these renditions are made as pictures come; the others when somebody
    /// asks for a segment.
    pub(crate) fn set_wanted(&mut self, wanted: RenditionSet) {
        self.ingest.set_wanted(wanted);
    }

    /// What a segment is made of.
    pub(crate) fn source_of(&self, sequence: u64) -> SegmentSource {
        self.store.source_of(sequence).expect("it is stored")
    }

    /// The segment of a rendition, made alone.
    pub(crate) fn make(&self, index: usize, sequence: u64) -> Package {
        make_segment(&self.config, index, &self.source_of(sequence))
            .expect("it can be made")
            .package
    }

    pub(crate) fn transcoder_stats(&self) -> &TranscoderStats {
        self.transcoder.stats()
    }

    fn drain(&mut self) {
        while let Some(output) = self.ingest.poll() {
            match output {
                IngestOutput::Source(package) => {
                    self.source_track.segment(&package, self.mode, true);
                    self.source.append(&mut self.source_track.events);
                    self.source_packages.push(package);
                }
                IngestOutput::Segment(segment) => self.store.push(segment),
                IngestOutput::Transcode(item) => self.queue.push(item),
                IngestOutput::Notice(notice) => self.notices.push(notice),
                IngestOutput::Keyframes(keyframes) => self.keyframes.push(keyframes),
                IngestOutput::Refused(why) => self.refused.push(why),
                IngestOutput::Grid(state) => {
                    self.mode = state.mode.unwrap_or(self.mode);
                    self.state = state;
                }
                IngestOutput::Tracks(tracks) => self.tracks = tracks,
                IngestOutput::Facts(_) => {}
            }
        }
        while let Some(item) = self.queue.pop() {
            self.transcoder.push(item);
        }
        while let Some(output) = self.transcoder.poll() {
            match output {
                TranscoderOutput::Made { index, package } => {
                    self.made(index, &package);
                    self.listed[index].push(package.span.sequence());
                    self.live_packages[index].push(package);
                }
                TranscoderOutput::Promised { index, span, .. } => {
                    let package = self.make(index, span.sequence());
                    self.made(index, &package);
                    self.listed[index].push(span.sequence());
                }
                TranscoderOutput::Impossible { index } => {
                    self.rung_tracks[index].pause();
                    self.rungs[index].append(&mut self.rung_tracks[index].events);
                }
                TranscoderOutput::Notice(notice) => self.notices.push(notice),
            }
        }
    }

    fn made(&mut self, index: usize, package: &Package) {
        self.rung_tracks[index].segment(package, self.mode, false);
        self.rungs[index].append(&mut self.rung_tracks[index].events);
    }
}

/// What is wrong with the message that was skipped, if one was.
pub(crate) fn skipped(notice: &Notice) -> Option<&MessageError> {
    match notice {
        Notice::Skipped(message) => Some(&message.why),
        _ => None,
    }
}

pub(crate) fn flv_messages(file: &[u8]) -> Vec<Tag> {
    let mut reader = FileReader::new(flv::Limits::default());
    reader.push(file);
    std::iter::from_fn(|| reader.next_tag().expect("a clean file")).collect()
}

pub(crate) fn segments(events: &[RenditionEvent]) -> impl Iterator<Item = &Segment> {
    events.iter().filter_map(|event| match event {
        RenditionEvent::Segment(segment) => Some(segment),
        _ => None,
    })
}

/// Pictures that ffmpeg decodes from one segment, or audio frames where there are none; it must
/// have nothing to say.
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
        // ffprobe goes when it knows what it was asked for.
        scope.spawn(move || stdin.write_all(input));
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
