//! Makes or reads what is to be sent, on a thread of its own, a little ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use flv::OnMetaData;
use pipeline::{TestSample, TestSignal};
use source::Sample;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::playlist::{ENCODER, Playlist};
use super::{Programme, PublishError};

/// Samples read ahead. Enough for a hiccup of the disk, little enough for 15 MB with the largest
/// pictures.
const AHEAD: usize = 8;

/// No new time.
const NONE: i64 = i64::MIN;

/// What there is to send, and to say about it.
#[derive(Debug)]
pub(super) enum Item {
    Metadata(OnMetaData),
    Sample(Sample),
    /// Something is odd, and costs nothing.
    Warning(String),
    /// A part of a file, or a file, is left out.
    LeftOut(String),
}

/// What is to be sent. Reading and encoding wait until somebody takes what is there.
pub(super) struct Feed {
    state: State,
    /// The wall clock at the next sample, where that is new.
    restart_unix_ms: Arc<AtomicI64>,
}

enum State {
    Ready(Producer),
    Running(Receiver<Result<Item, PublishError>>),
    Broken(Option<PublishError>),
}

enum Producer {
    Playlist(Box<Playlist>),
    TestSignal(Box<Signal>),
}

struct Signal {
    signal: TestSignal,
    /// Still to be handed out, last one first.
    headers: Vec<Item>,
}

impl Feed {
    /// Checks the whole programme.
    pub(super) fn open(programme: Programme) -> Result<Self, PublishError> {
        let producer = match programme {
            Programme::Files { paths, repeat, on_fault } => {
                Producer::Playlist(Box::new(Playlist::open(paths, repeat, on_fault)?))
            }
            Programme::TestSignal(config) => {
                let signal = TestSignal::new(&config)?;
                Producer::TestSignal(Box::new(Signal { headers: headers(&signal), signal }))
            }
        };
        Ok(Self { state: State::Ready(producer), restart_unix_ms: Arc::new(AtomicI64::new(NONE)) })
    }

    /// Starts, or goes on after a pause: what is made from here on is to be sent from this time on.
    pub(super) fn start(&mut self, unix_ms: i64) {
        self.restart_unix_ms.store(unix_ms, Ordering::Relaxed);
        self.state = match std::mem::replace(&mut self.state, State::Broken(None)) {
            State::Ready(producer) => spawn(producer, Arc::clone(&self.restart_unix_ms)),
            other => other,
        };
    }

    /// What comes next; `None` at the end. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<Result<Item, PublishError>> {
        match &mut self.state {
            State::Ready(_) => None,
            State::Running(items) => items.recv().await,
            State::Broken(error) => error.take().map(Err),
        }
    }
}

fn spawn(mut producer: Producer, restart: Arc<AtomicI64>) -> State {
    let (sender, receiver) = channel(AHEAD);
    let name = match &producer {
        Producer::Playlist(_) => "files",
        Producer::TestSignal(_) => "test-signal",
    };
    let work = move || produce(&mut producer, &restart, &sender);
    match thread::Builder::new().name(name.to_owned()).spawn(work) {
        Ok(_) => State::Running(receiver),
        Err(error) => State::Broken(Some(PublishError::Runtime(error))),
    }
}

/// Until the end, an error, or nobody wants any more.
fn produce(
    producer: &mut Producer,
    restart: &AtomicI64,
    items: &Sender<Result<Item, PublishError>>,
) {
    loop {
        let next = match producer {
            Producer::Playlist(playlist) => playlist.next(),
            Producer::TestSignal(signal) => {
                let unix_ms = restart.swap(NONE, Ordering::Relaxed);
                if unix_ms != NONE {
                    signal.signal.restart(unix_ms);
                }
                signal.next().map(Some)
            }
        };
        let Some(next) = next.transpose() else { return };
        let is_last = next.is_err();
        if items.blocking_send(next).is_err() || is_last {
            return;
        }
    }
}

impl Signal {
    fn next(&mut self) -> Result<Item, PublishError> {
        if let Some(header) = self.headers.pop() {
            return Ok(header);
        }
        Ok(Item::Sample(match self.signal.next_sample()? {
            TestSample::Video { pts, key, data } => Sample::Video { dts: pts, pts, key, data },
            TestSample::Audio { pts, data } => Sample::Audio { pts, data },
        }))
    }
}

fn headers(signal: &TestSignal) -> Vec<Item> {
    let config = signal.config();
    let metadata = OnMetaData {
        width: Some(config.width),
        height: Some(config.height),
        frame_rate: Some(config.frame_rate.as_f64()),
        video_data_rate_kbps: Some(f64::from(config.bitrate_bps) / 1000.0),
        audio_data_rate_kbps: Some(f64::from(TestSignal::AUDIO_BITRATE_BPS) / 1000.0),
        audio_sample_rate_hz: Some(TestSignal::AUDIO_SAMPLE_RATE_HZ),
        encoder: Some(ENCODER.to_owned()),
    };
    vec![
        Item::Sample(Sample::AudioConfig(signal.audio_config())),
        Item::Sample(Sample::VideoConfig(signal.video_config())),
        Item::Metadata(metadata),
    ]
}
