//! Stills that somebody asks for: each is kept for a few seconds, and one thread makes them one by
//! one.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;

use bytes::Bytes;
use pipeline::DecoderKind;
use rtmp::StreamName;
use tokio::sync::watch;
use tracing::error;

use crate::clock::{Clock, Moment};
use crate::priority::step_back;
use crate::publication::Publication;
use crate::sync::lock;

/// For so long everybody gets the same still of a stream: decoding one costs what several segments
/// of a small rendition do.
pub(crate) const KEPT: Duration = Duration::from_secs(5);

/// What becomes of a still that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    /// It waits, or is being made.
    Underway,
    /// A JPEG.
    Made(Bytes),
    /// There is no picture, or none that can be decoded.
    Impossible,
}

/// Makes stills on a thread of its own. There is none while nothing is to be made.
#[derive(Debug)]
pub(crate) struct Posters {
    decoder: DecoderKind,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// At most one of each stream.
    waiting: VecDeque<(Arc<Publication>, watch::Sender<Still>)>,
    /// When the still of a stream was asked for that is underway or kept.
    kept: HashMap<StreamName, (Moment, watch::Receiver<Still>)>,
    at_work: bool,
}

impl Posters {
    pub(crate) fn new(decoder: DecoderKind, clock: Clock) -> Arc<Self> {
        Arc::new(Self { decoder, clock, state: Mutex::default() })
    }

    /// A still of the stream that is at most [`KEPT`] old. No rendition wakes of it.
    pub(crate) fn ask(self: &Arc<Self>, publication: &Arc<Publication>) -> watch::Receiver<Still> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        state.kept.retain(|_, (asked, still)| {
            now.since(*asked) < KEPT || *still.borrow() == Still::Underway
        });
        if let Some((_, still)) = state.kept.get(publication.name()) {
            return still.clone();
        }
        let (sender, still) = watch::channel(Still::Underway);
        state.kept.insert(publication.name().clone(), (now, still.clone()));
        state.waiting.push_back((Arc::clone(publication), sender));
        if !state.at_work {
            self.start_thread(&mut state);
        }
        still
    }

    fn start_thread(self: &Arc<Self>, state: &mut State) {
        let posters = Arc::clone(self);
        match Builder::new().name("poster".to_owned()).spawn(move || posters.work()) {
            Ok(_) => state.at_work = true,
            Err(error) => {
                let says = format!("The system gives no thread to make stills: {error}.");
                error!(%error, says, "no thread to make stills");
                for (_, still) in state.waiting.drain(..) {
                    still.send_replace(Still::Impossible);
                }
            }
        }
    }

    fn work(&self) {
        step_back();
        while let Some((publication, still)) = self.next() {
            // What panics is a fault of ours, and no more than a missing picture to whoever asks.
            let made = catch_unwind(AssertUnwindSafe(|| publication.poster(self.decoder)));
            let made = made.ok().flatten();
            still.send_replace(made.map_or(Still::Impossible, |jpeg| Still::Made(jpeg.into())));
        }
    }

    /// The next to make; None where there is none: the thread ends, as of the same moment.
    fn next(&self) -> Option<(Arc<Publication>, watch::Sender<Still>)> {
        let mut state = lock(&self.state);
        let next = state.waiting.pop_front();
        state.at_work = next.is_some();
        next
    }
}
