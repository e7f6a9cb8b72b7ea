//! The two OS threads of a published stream: `ingest:<name>` cuts it, makes the source rendition
//! and is cheap; `xcode:<name>` decodes, scales and encodes the renditions that are live, and
//! exists only where renditions are configured.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::{collections::HashMap, io, mem};

use pipeline::{
    Ingest, IngestOutput, Item, Notice, Package, Queue, QueueStats, RenditionSet, SourceFacts,
    StayRefusal, Transcoder, TranscoderOutput,
};
use rtmp::Refusal;
use tracing::{Span, debug, debug_span, error, info, warn};

use crate::feed::FeedReceiver;
use crate::memory::DecoderRoom;
use crate::peer_log::PeerLine;
use crate::priority::step_back;
use crate::publication::{Publication, Slot, TranscodeLoad};
use crate::registry::Admission;
use crate::session::{Session, StopReason};
use crate::shared::Shared;
use crate::sync::{lock, wait};
use crate::throttle::Throttle;

/// What both threads of a stream know.
#[derive(Clone)]
struct Stream {
    shared: Arc<Shared>,
    session: Arc<Session>,
    publication: Arc<Publication>,
    /// `stream{id}` below `conn{peer}`.
    span: Span,
}

/// Starts the threads of an accepted publisher.
///
/// # Errors
/// The system gives no thread. The session counts as drained.
pub(crate) fn spawn(
    shared: &Arc<Shared>,
    admission: &Admission,
    feed: FeedReceiver,
    span: &Span,
) -> io::Result<()> {
    let (session, publication) =
        (Arc::clone(&admission.session), Arc::clone(&admission.publication));
    let stream = Stream { shared: Arc::clone(shared), session, publication, span: span.clone() };
    let previous = admission.previous.clone();
    // Dropped at the end of the thread, also by a panic, and with the closure where no thread
    // starts.
    let drained = Drained(Arc::clone(&admission.session));
    let body = move || {
        let _drained = drained;
        let _span = stream.span.clone().entered();
        previous.iter().for_each(|session| session.wait_drained());
        stream.guard(|| stream.ingest(feed));
    };
    Builder::new().name(format!("ingest:{}", admission.publication.name())).spawn(body).map(drop)
}

struct Drained(Arc<Session>);

impl Drop for Drained {
    fn drop(&mut self) {
        self.0.set_drained();
    }
}

impl Stream {
    /// Runs a thread's body; a panic ends the stream and nothing else.
    fn guard(&self, body: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            if let Some(held_back) = self.admit_line(PeerLine::Panicked) {
                error!(held_back, "worker panicked, the stream ends");
            }
            self.shared.metrics.worker_panics.add(1);
            self.session.stop(StopReason::WorkerFailed);
        }
    }

    /// Whether to log a line that the publisher caused: Some with the number of lines of the kind
    /// that were held back.
    fn admit_line(&self, line: PeerLine) -> Option<u64> {
        self.admit_after(line, 0)
    }

    /// The same, where some were held back before.
    fn admit_after(&self, line: PeerLine, held_back: u64) -> Option<u64> {
        self.shared.admit_line_after(line, self.session.peer().ip(), held_back)
    }

    fn ingest(&self, mut feed: FeedReceiver) {
        let state = self.publication.begin_session();
        let config = &self.shared.pipeline;
        let transcode = if config.renditions.is_empty() { None } else { self.start_transcode() };
        if transcode.is_none() {
            for index in 0..config.renditions.len() {
                self.publication.note_impossible(Slot::Ladder(index));
            }
        }
        let mut ingest = Ingest::new(config, state, self.publication.tracks());
        let mut notices = Notices::new(&self.shared);
        let mut decoding = Decoding::Asleep;
        let late = self.shared.limits.late_messages;
        while let Some(fed) = feed.receive() {
            // Each of its messages may be a segment, which has to wait for its number.
            if self.session.has_long_given_up_backlog(self.shared.clock.now(), late) {
                break;
            }
            ingest.set_wanted(self.live(&mut decoding));
            ingest.push(fed.kind, fed.timestamp_ms, fed.payload, fed.arrival_unix_ms);
            self.drain_ingest(&mut ingest, transcode.as_ref(), &mut notices);
        }
        ingest.finish();
        self.drain_ingest(&mut ingest, transcode.as_ref(), &mut notices);
    }

    /// The renditions that are to be made as pictures come: those that are awake, if there is room
    /// for a decoder. Where there is none they are made segment by segment, by decoders that all
    /// streams share.
    fn live(&self, decoding: &mut Decoding) -> RenditionSet {
        let wanted = self.publication.wanted().and(self.shared.pipeline.with_pictures());
        if wanted.is_empty() {
            *decoding = Decoding::Asleep;
            return wanted;
        }
        let needed = self.publication.decoder_bytes();
        if matches!(decoding, Decoding::HasRoom(room) if room.bytes() >= needed) {
            return wanted;
        }
        let was_refused = matches!(decoding, Decoding::NoRoom);
        // The room that was there before is free first.
        *decoding = Decoding::Asleep;
        match self.shared.memory.decoder_room(needed) {
            Some(room) => {
                *decoding = Decoding::HasRoom(room);
                wanted
            }
            None => {
                *decoding = Decoding::NoRoom;
                if !was_refused && let Some(held_back) = self.admit_line(PeerLine::NoMemory) {
                    warn!(
                        needed_bytes = needed,
                        held_back, "no memory to decode pictures as they come"
                    );
                }
                RenditionSet::EMPTY
            }
        }
    }

    fn drain_ingest(
        &self,
        ingest: &mut Ingest,
        transcode: Option<&Transcode>,
        notices: &mut Notices,
    ) {
        while let Some(output) = ingest.poll() {
            match output {
                IngestOutput::Source(package) => {
                    self.await_number(package.span.sequence());
                    self.publish(Slot::Source, crate::SOURCE, package)
                }
                IngestOutput::Segment(segment) => {
                    self.await_number(segment.ended.span.sequence());
                    if transcode.is_some() {
                        self.publication.store(segment);
                    }
                }
                IngestOutput::Transcode(item) => {
                    if let Some(transcode) = transcode {
                        if let Item::Picture(picture) = &item {
                            self.publication.note_newest(picture.unit.dts);
                        }
                        transcode.handoff.push(item);
                    }
                }
                IngestOutput::Tracks(tracks) => self.publication.set_tracks(tracks),
                IngestOutput::Grid(state) => self.publication.set_grid(state),
                IngestOutput::Facts(facts) => self.note_facts(facts, notices),
                IngestOutput::Keyframes(keyframes) => {
                    self.publication.update_reception(|reception| reception.keyframes = keyframes);
                }
                IngestOutput::Notice(notice) => {
                    self.publication.update_reception(|reception| reception.note(&notice));
                    notices.log(&notice, self);
                }
                IngestOutput::Refused(why) => self.refuse(why),
            }
        }
    }

    /// Waits until a span's number may be used: a publisher many times faster than real time is
    /// slowed down to that, as its socket is not read meanwhile.
    fn await_number(&self, sequence: u64) {
        let wait = self.publication.wait_for_number(sequence, self.shared.clock.now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    /// The connection tells the publisher, in the same words.
    fn refuse(&self, why: StayRefusal) {
        self.shared.metrics.publish_refused.add(1);
        let (refusal, stop, codec) = match why {
            StayRefusal::VideoCodec(codec) => {
                (Refusal::VideoCodec, StopReason::VideoCodec, Some(codec))
            }
            StayRefusal::ShortSegments => (Refusal::ShortSegments, StopReason::ShortSegments, None),
        };
        if let Some(held_back) = self.admit_line(PeerLine::Refused) {
            let codec = codec.map(tracing::field::display);
            warn!(codec, reason = refusal.description(), held_back, "publisher refused");
        }
        self.session.stop(stop);
    }

    fn note_facts(&self, facts: SourceFacts, notices: &mut Notices) {
        let admitted = notices.facts.admit(self.shared.clock.now());
        let admitted = admitted.and_then(|held_back| self.admit_after(PeerLine::Facts, held_back));
        if let Some(held_back) = admitted {
            let (width, height) = facts.size.unzip();
            let (codecs, encoder) = (&facts.codecs, &facts.encoder);
            info!(codecs, width, height, encoder, held_back, "publisher sends");
        }
        self.publication.set_facts(facts);
    }

    fn publish(&self, slot: Slot, name: &str, package: Package) {
        let _rendition = debug_span!("rendition", id = name).entered();
        debug!(
            sequence = package.span.sequence(),
            duration_ms = package.span.duration.as_millis(),
            pictures = package.pictures(),
            "segment published"
        );
        self.publication.publish_package(slot, package);
    }

    /// None, with an error in the log, where the system gives no thread: the source rendition goes
    /// on.
    fn start_transcode(&self) -> Option<Transcode> {
        let handoff = Arc::new(Handoff::default());
        let (stream, queue) = (self.clone(), Arc::clone(&handoff));
        let body = move || {
            let _span = stream.span.clone().entered();
            step_back();
            stream.guard(|| stream.transcode(&queue));
            queue.close();
        };
        let thread = Builder::new().name(format!("xcode:{}", self.publication.name())).spawn(body);
        match thread {
            Ok(thread) => Some(Transcode { handoff, thread: Some(thread) }),
            Err(error) => {
                if let Some(held_back) = self.admit_line(PeerLine::NoThread) {
                    error!(%error, held_back, "no thread for the transcoder");
                }
                None
            }
        }
    }

    fn transcode(&self, handoff: &Handoff) {
        let mut transcoder = Transcoder::new(&self.shared.pipeline);
        let mut notices = Notices::new(&self.shared);
        let mut drops = Drops::new(&self.shared);
        let mut has_left = false;
        while let Some((item, queue)) = handoff.pop() {
            if !has_left && self.session.has_given_up_backlog(self.shared.clock.now()) {
                has_left = true;
                handoff.leave();
                transcoder.leave();
            }
            let is_cut = matches!(item, Item::Cut(_));
            transcoder.note_queue(queue);
            transcoder.push(item);
            if let Some(dts) = transcoder.stats().last_taken {
                self.publication.note_taken(dts);
            }
            let spoke = self.drain_transcoder(&mut transcoder, &mut notices);
            if is_cut || spoke {
                self.publication.update_transcode_load(|load| note_load(load, &transcoder, queue));
            }
            drops.log(queue, self);
        }
        let queue = handoff.stats();
        self.publication.update_transcode_load(|load| note_load(load, &transcoder, queue));
    }

    /// Hands on what the transcoder made; whether there was anything.
    fn drain_transcoder(&self, transcoder: &mut Transcoder, notices: &mut Notices) -> bool {
        let mut spoke = false;
        while let Some(output) = transcoder.poll() {
            spoke = true;
            match output {
                TranscoderOutput::Made { index, package } => {
                    let preset = self.shared.pipeline.renditions.get(index);
                    let name = preset.map_or("", |preset| &preset.name);
                    self.publish(Slot::Ladder(index), name, package);
                }
                TranscoderOutput::Promised { index, span, info } => {
                    let can_be_made = self.publication.promise(Slot::Ladder(index), span, info);
                    let is_wanted = self.publication.wanted().contains(index);
                    let has_left = self.session.has_given_up_backlog(self.shared.clock.now());
                    if can_be_made && is_wanted && !has_left {
                        let maker = &self.shared.maker;
                        maker.make_ahead(&self.publication, index, span.sequence());
                    }
                }
                TranscoderOutput::Impossible { index } => {
                    self.publication.note_impossible(Slot::Ladder(index));
                }
                TranscoderOutput::Notice(notice) => notices.log(&notice, self),
            }
        }
        spoke
    }
}

/// Whether a stream has memory for a decoder of its own.
enum Decoding {
    /// It needs none: no rendition is awake.
    Asleep,
    HasRoom(DecoderRoom),
    NoRoom,
}

fn note_load(load: &mut TranscodeLoad, transcoder: &Transcoder, queue: QueueStats) {
    let stats = transcoder.stats();
    load.dropped_pictures = queue.dropped_pictures;
    load.dropped_gops = queue.dropped_gops;
    load.failed_pictures = stats.failed;
    load.decoder = stats.decoder;
    load.renditions.clone_from(&stats.renditions);
}

/// The ingest thread's hold on its transcoding thread: dropped, it lets the thread drain and waits
/// for its end.
struct Transcode {
    handoff: Arc<Handoff>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Transcode {
    fn drop(&mut self) {
        self.handoff.close();
        if let Some(thread) = self.thread.take() {
            // The body catches panics, so there is no error to see.
            let _ = thread.join();
        }
    }
}

/// The pipeline's queue with lock and wake-up.
#[derive(Default)]
struct Handoff {
    state: Mutex<HandoffState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandoffState {
    queue: Queue,
    closed: bool,
    /// The backlog has been given up: pictures are not taken any more.
    left: bool,
}

impl Handoff {
    /// Adds an item; after [`close`](Self::close) it is dropped. Waits only where the queue cannot
    /// drop any more.
    fn push(&self, item: Item) {
        let mut state = lock(&self.state);
        while state.queue.is_full() && !state.closed {
            state = wait(&self.changed, state);
        }
        let is_left_out = state.left && matches!(item, Item::Picture(_));
        if !state.closed && !is_left_out {
            state.queue.push(item);
            self.changed.notify_all();
        }
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Gives up the pictures that wait, and those that come: the cuts stay.
    fn leave(&self) {
        let mut state = lock(&self.state);
        state.left = true;
        state.queue.give_up_pictures();
        self.changed.notify_all();
    }

    fn stats(&self) -> QueueStats {
        lock(&self.state).queue.stats()
    }

    /// The next item, and how the queue is without it; None when it is closed and empty.
    fn pop(&self) -> Option<(Item, QueueStats)> {
        let mut state = lock(&self.state);
        loop {
            let was_full = state.queue.is_full();
            if let Some(item) = state.queue.pop() {
                if was_full {
                    self.changed.notify_all();
                }
                return Some((item, state.queue.stats()));
            }
            if state.closed {
                return None;
            }
            state = wait(&self.changed, state);
        }
    }
}

/// The log of a thread's notices: one line of a kind per interval, the others are counted in the
/// next.
struct Notices {
    /// Limits the line that says what the publisher sends, which changes as often as the publisher
    /// likes.
    facts: Throttle,
    throttle: Throttle,
    by_kind: HashMap<mem::Discriminant<Notice>, Throttle>,
}

impl Notices {
    fn new(shared: &Shared) -> Self {
        let interval = shared.limits.log_interval;
        Self {
            facts: Throttle::with_burst(interval, shared.limits.facts_log_burst),
            throttle: Throttle::new(interval),
            by_kind: HashMap::new(),
        }
    }

    fn log(&mut self, notice: &Notice, stream: &Stream) {
        let kind = mem::discriminant(notice);
        let throttle = self.by_kind.entry(kind).or_insert_with(|| self.throttle.clone());
        let admitted = throttle.admit(stream.shared.clock.now());
        let line = PeerLine::Notice(kind);
        if let Some(held_back) = admitted.and_then(|before| stream.admit_after(line, before)) {
            warn!(%notice, held_back, "stream notice");
        }
    }
}

/// The log of pictures that were dropped because the transcoder was behind.
struct Drops {
    throttle: Throttle,
    logged: u64,
}

impl Drops {
    fn new(shared: &Shared) -> Self {
        Self { throttle: Throttle::new(shared.limits.log_interval), logged: 0 }
    }

    fn log(&mut self, queue: QueueStats, stream: &Stream) {
        if queue.dropped_pictures > self.logged
            && self.throttle.admit(stream.shared.clock.now()).is_some()
            && let Some(held_back) = stream.admit_line(PeerLine::Dropped)
        {
            let dropped = queue.dropped_pictures - self.logged;
            warn!(
                dropped,
                dropped_gops_so_far = queue.dropped_gops,
                held_back,
                "transcoder is behind, pictures dropped"
            );
            self.logged = queue.dropped_pictures;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicU64, Ordering};

    use pipeline::LadderCut;

    use super::*;
    use crate::registry::{Naming, PublishAttempt};
    use crate::session::Departure;
    use crate::{Config, Limits};

    #[tokio::test]
    async fn a_panic_ends_its_stream_and_nothing_else() {
        let shared = Shared::new(&Config::default(), Limits::default());
        let attempt = PublishAttempt {
            name: None,
            naming: Naming::Chosen,
            key: None,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        };
        let admission = shared.registry().publish(attempt, shared.clock.now()).unwrap();
        let stream = Stream {
            shared: Arc::clone(&shared),
            session: Arc::clone(&admission.session),
            publication: Arc::clone(&admission.publication),
            span: Span::none(),
        };
        stream.guard(|| panic!("on purpose"));
        assert_eq!(admission.session.stop_signal().received().await, StopReason::WorkerFailed);
        assert_eq!(shared.metrics.worker_panics.value(), 1);
    }

    /// Two workers must never write one publication.
    #[test]
    fn who_comes_after_a_worker_that_did_not_start_waits_for_the_one_that_drains() {
        let shared = Shared::new(&Config::default(), Limits::default());
        let come = || {
            let name = Some(rtmp::StreamName::parse("cam").unwrap());
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            let attempt = PublishAttempt { name, naming: Naming::Chosen, key: None, peer };
            shared.registry().publish(attempt, shared.clock.now()).unwrap()
        };
        let go = |session: &Session| {
            let name = rtmp::StreamName::parse("cam").unwrap();
            shared.registry().publisher_gone(
                &name,
                session,
                Departure::Vanished,
                shared.clock.now(),
            );
        };
        let drains = come();
        go(&drains.session);
        let unstarted = come();
        // What becomes of the body of a thread that the system does not give.
        drop(Drained(Arc::clone(&unstarted.session)));
        go(&unstarted.session);
        assert!(!shared.registry().is_drained(), "the first one's worker still publishes");
        let next = come();
        let waits_for: Vec<_> = next.previous.iter().map(|session| session.id()).collect();
        assert!(waits_for.contains(&drains.session.id()), "{waits_for:?}");
    }

    #[test]
    fn a_publisher_that_changes_all_the_time_does_not_fill_the_log() {
        let shared = Shared::new(&Config::default(), Limits::default());
        let attempt = PublishAttempt {
            name: None,
            naming: Naming::Chosen,
            key: None,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
        };
        let admission = shared.registry().publish(attempt, shared.clock.now()).unwrap();
        let stream = Stream {
            shared: Arc::clone(&shared),
            session: Arc::clone(&admission.session),
            publication: Arc::clone(&admission.publication),
            span: Span::none(),
        };
        let (lines, mut notices) = (Lines::default(), Notices::new(&shared));
        tracing::subscriber::with_default(lines.clone(), || {
            for turn in 0..1000 {
                let encoder = Some(format!("encoder {turn}"));
                stream.note_facts(SourceFacts { encoder, ..SourceFacts::default() }, &mut notices);
            }
        });
        assert_eq!(lines.0.load(Ordering::Relaxed), shared.limits.facts_log_burst);
        assert_eq!(stream.publication.facts().encoder.as_deref(), Some("encoder 999"));
    }

    /// Counts what is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<AtomicU64>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
            tracing::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &tracing::Id) {}
        fn exit(&self, _: &tracing::Id) {}
    }

    fn cut() -> Item {
        Item::Cut(LadderCut { ended: None, begins: None, pictures_stopped: false })
    }

    #[test]
    fn behind_the_end_of_a_backlog_there_are_cuts_alone() {
        let handoff = Handoff::default();
        handoff.push(cut());
        handoff.leave();
        handoff.push(cut());
        handoff.close();
        let cuts = std::iter::from_fn(|| handoff.pop()).count();
        assert_eq!(cuts, 2);
    }

    #[test]
    fn what_waits_in_the_queue_is_taken_before_its_end() {
        let handoff = Handoff::default();
        handoff.push(cut());
        handoff.close();
        handoff.push(cut());
        assert!(handoff.pop().is_some());
        assert!(handoff.pop().is_none(), "closed, and what came later is not taken");
    }
}
