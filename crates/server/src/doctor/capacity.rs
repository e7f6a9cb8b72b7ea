//! How many streams the machine can make renditions of: measured, with the pipeline itself.

use bytes::Bytes;
use flv::TagKind;
use pipeline::{
    FrameRate, GridState, Ingest, IngestOutput, StreamConfig, StreamTracks, TestSample, TestSignal,
    TestSignalConfig, TestSignalError, Transcoder, TranscoderOutput, write_ts,
};
use rustix::time::{ClockId, clock_gettime};

use super::Diagnosis;
use crate::clock::Clock;
use crate::config::Config;

/// What is fed again and again: two GOPs.
const ROUND_MS: u32 = 4000;
/// The measurement ends when it has taken this much of the processor, or behind so many rounds.
const MEASURED_SECS: f64 = 1.5;
const MAX_ROUNDS: u32 = 5;
/// This part of all cores is for transcoding; the rest receives, serves, and is the system's.
const SHARE_OF_CORES: f64 = 0.8;
/// Waiting this much longer than working means that others have the processor.
const HELD_UP: f64 = 1.5;

/// What one stream takes.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Seconds of a core for a second of the stream.
    cores: f64,
    /// Seconds that have passed for each that the processor has worked.
    held_up: f64,
}

/// A message of the test signal.
struct Message {
    kind: TagKind,
    timestamp_ms: u32,
    body: Bytes,
}

/// Measures and says how many streams of 720p30 there can be.
pub(super) fn diagnose(config: &Config) -> Diagnosis {
    let subject = "capacity";
    let pipeline = config.stream_config();
    if pipeline.with_pictures().is_empty() {
        let text = "no rendition has pictures to be made: the link is the limit".to_owned();
        return Diagnosis::ok(subject, text);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match measure(&pipeline) {
        Ok(load) => judge(load, cores, config.max_streams),
        Err(error) => Diagnosis::fail(
            subject,
            format!("the test signal cannot be made: {error}"),
            "this should not be: please report it",
        ),
    }
}

fn judge(Load { cores: per_stream, held_up }: Load, cores: usize, max_streams: usize) -> Diagnosis {
    let subject = "capacity";
    let streams = (cores as f64 * SHARE_OF_CORES / per_stream).floor();
    let machine = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let found = format!(
        "this machine carries about {streams:.0} streams of 720p30 with these renditions while \
         they are watched (the test signal takes {per_stream:.2} of one of {machine}; pictures \
         of cameras take more), and many more that nobody watches"
    );
    if streams < 1.0 {
        return Diagnosis::warn(
            subject,
            format!(
                "not one stream of 720p30 is made into these renditions in time: the test signal \
                 takes {per_stream:.2} of a core, of {machine}"
            ),
            "publish smaller pictures, or configure fewer --renditions",
        );
    }
    if held_up > HELD_UP {
        return Diagnosis::warn(
            subject,
            format!(
                "{found}; but now it waited {held_up:.1} times as long for the processor as it worked"
            ),
            "look with `top` what else runs here (and on a shared machine, what `st` says)",
        );
    }
    match streams < max_streams as f64 {
        true => Diagnosis::ok(
            subject,
            format!("{found}; --max-streams is {max_streams}, if all of them are watched at once"),
        ),
        false => Diagnosis::ok(subject, found),
    }
}

/// Decodes, scales and encodes, for a second or two.
fn measure(config: &StreamConfig) -> Result<Load, TestSignalError> {
    let round = test_signal()?;
    let mut stream = Stream::new(config);
    // By then it is decided how the stream is cut, and the codecs are open.
    stream.feed(&round);
    let clock = Clock::start();
    let (began, worked_before) = (clock.now(), worked_secs());
    let mut rounds = 0;
    while rounds < MAX_ROUNDS && (rounds == 0 || worked_secs() - worked_before < MEASURED_SECS) {
        stream.feed(&round);
        rounds += 1;
    }
    let worked = worked_secs() - worked_before;
    let passed = clock.now().since(began).as_secs_f64();
    let media_secs = f64::from(rounds * ROUND_MS) / 1000.0;
    Ok(Load { cores: worked / media_secs, held_up: passed / worked.max(f64::EPSILON) })
}

/// What this thread has had of the processor.
fn worked_secs() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The messages of the first round.
fn test_signal() -> Result<Vec<Message>, TestSignalError> {
    let mut signal = TestSignal::new(&TestSignalConfig {
        name: "doctor".to_owned(),
        width: 1280,
        height: 720,
        frame_rate: FrameRate { num: 30, den: 1 },
        bitrate_bps: 2_500_000,
        keyframe_interval_ms: 2000,
    })?;
    let header = |kind, body| Message { kind, timestamp_ms: 0, body };
    let mut messages = vec![
        header(TagKind::Video, flv::video_sequence_header(&signal.video_config())),
        header(TagKind::Audio, flv::audio_sequence_header(&signal.audio_config())),
    ];
    loop {
        let (kind, pts, body) = match signal.next_sample()? {
            TestSample::Video { pts, key, data } => {
                (TagKind::Video, pts, flv::video_nal_units(key, 0, &data))
            }
            TestSample::Audio { pts, data } => (TagKind::Audio, pts, flv::audio_raw(&data)),
        };
        let timestamp_ms = u32::try_from(pts.ticks() / 90).unwrap_or(u32::MAX);
        if timestamp_ms >= ROUND_MS {
            return Ok(messages);
        }
        messages.push(Message { kind, timestamp_ms, body });
    }
}

/// A stream of which everything is made that can be.
struct Stream {
    fed_ms: u32,
    ingest: Ingest,
    transcoder: Transcoder,
    made: usize,
}

impl Stream {
    fn new(config: &StreamConfig) -> Self {
        let mut ingest = Ingest::new(config, GridState::new(0), StreamTracks::default());
        ingest.set_wanted(config.with_pictures());
        Self { fed_ms: 0, ingest, transcoder: Transcoder::new(config), made: 0 }
    }

    fn feed(&mut self, round: &[Message]) {
        for Message { kind, timestamp_ms, body } in round {
            let at = self.fed_ms.saturating_add(*timestamp_ms);
            self.ingest.push(*kind, at, body.clone(), i64::from(at));
            while let Some(output) = self.ingest.poll() {
                if let IngestOutput::Transcode(item) = output {
                    self.transcoder.push(item);
                }
            }
            while let Some(output) = self.transcoder.poll() {
                if let TranscoderOutput::Made { package, .. } = output {
                    self.made += write_ts(&package, None).0.len().min(1);
                }
            }
        }
        self.fed_ms = self.fed_ms.saturating_add(ROUND_MS);
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{DecoderKind, Preset};

    use super::*;
    use crate::doctor::Health;

    #[test]
    fn what_is_measured_is_made() {
        let config = StreamConfig {
            renditions: vec![Preset::named("P144p30fps16x9").unwrap()],
            segment_duration: media::Duration::from_secs(2),
            decoder: DecoderKind::Native,
            work_clock: pipeline::WorkClock::default(),
        };
        let round = test_signal().unwrap();
        assert_eq!(round.iter().filter(|it| it.kind == TagKind::Video).count(), 1 + 120);
        let mut stream = Stream::new(&config);
        stream.feed(&round);
        stream.feed(&round);
        // Segments of 2 s: the first may be over before it is decided how to cut, and the last has
        // not ended.
        assert!(stream.made >= 2, "{} segments", stream.made);
    }

    #[test]
    fn the_number_of_streams_is_that_of_cores_over_what_one_takes() {
        let judged = |cores: f64, held_up, machine, max_streams| {
            judge(Load { cores, held_up }, machine, max_streams)
        };
        let good = judged(0.1, 1.0, 2, 10);
        assert_eq!(good.health, Health::Ok);
        assert!(good.text.contains("carries about 16 streams"), "{good:?}");
        assert!(good.text.contains("0.10 of one of 2 cores"), "{good:?}");
        let fewer = judged(0.4, 1.0, 2, 10);
        assert_eq!(fewer.health, Health::Ok);
        assert!(
            fewer.text.contains("about 4 streams") && fewer.text.contains("--max-streams is 10")
        );
        assert_eq!(judged(0.1, 3.0, 2, 10).health, Health::Warn);
        let weak = judged(0.9, 1.0, 1, 10);
        assert_eq!(weak.health, Health::Warn);
        assert!(weak.text.contains("not one stream"), "{weak:?}");
    }
}
