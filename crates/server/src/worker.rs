//! The two OS threads of a published stream: `ingest:<name>` cuts it, makes the source rendition
//! and is cheap; `xcode:<name>` decodes, scales and encodes the renditions that are live, and
//! exists only where renditions are configured.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::{collections::HashMap, io, mem};

use flv::TagKind;
use pipeline::{
    Ingest, IngestOutput, Item, Notice, Package, Queue, QueueStats, RenditionSet, SourceFacts,
    StayRefusal, Transcoder, TranscoderOutput,
};
use rtmp::Refusal;
use tracing::{Span, debug, debug_span, error, info, warn};

use crate::clock::Moment;
use crate::events::Degradation;
use crate::feed::{Absence, Fed, Feed, FeedReceiver};
use crate::memory::DecoderRoom;
use crate::peer_log::PeerLine;
use crate::priority::{Effort, step_back};
use crate::publication::{Publication, Slot, TranscodeLoad};
use crate::registry::{Admission, Start};
use crate::session::{Session, StopReason};
use crate::shared::Shared;
use crate::slate::Slate;
use crate::sync::{lock, wait};
use crate::throttle::Throttle;
use crate::warnings::Trouble;

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
                let says =
                    self.says("it ends by a fault of feathercast; please report the lines above");
                error!(held_back, says, "worker panicked, the stream ends");
            }
            self.shared.metrics.worker_panics.add(1);
            self.session.stop(StopReason::WorkerFailed);
        }
    }

    /// What is the matter with the stream, for people.
    fn says(&self, what: impl Display) -> String {
        format!("{}: {what}.", self.publication.name())
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
        let mut stay = Stay::begin(self);
        let late = self.shared.limits.late_messages;
        let mut effort = Effort::new(self.shared.clock.uptime());
        while let Some(fed) = feed.receive() {
            let uptime = self.shared.clock.uptime();
            // Each of its messages may be a segment, which has to wait for its number.
            if self.session.has_long_given_up_backlog(uptime, late) {
                break;
            }
            effort.look(uptime, &self.shared.receiving);
            self.session.note_waiting(feed.waiting());
            match fed {
                Feed::Message(message) => {
                    if message.kind == TagKind::Video {
                        self.session.take_video();
                    }
                    stay.take(message);
                }
                Feed::Absence(absence) => stay.go_on_without_publisher(absence),
            }
        }
        self.session.note_waiting(0);
        stay.end();
    }

    /// What the pipeline has noticed.
    fn note(&self, notice: &Notice, notices: &mut Notices) {
        if let Some(trouble) = Trouble::of(notice) {
            self.publication.note_trouble(trouble, self.shared.clock.now());
        }
        notices.log(notice, self);
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
                if !was_refused {
                    let now = self.shared.clock.now();
                    self.publication.note_trouble(Trouble::NoDecoderMemory, now);
                }
                let name = self.publication.name();
                self.shared.tell_degraded(name, &self.session, Degradation::MemoryShort, || {
                    "too little memory to make renditions as pictures come".to_owned()
                });
                if !was_refused && let Some(held_back) = self.admit_line(PeerLine::NoMemory) {
                    let says = self.says(
                        "too little memory to make renditions as pictures come, so each segment is \
                         made when somebody asks for it; raise --memory",
                    );
                    warn!(
                        needed_bytes = needed,
                        held_back, says, "no memory to decode pictures as they come"
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
                    self.publish(Slot::Source, crate::SOURCE, package);
                    self.note_source_segment(notices);
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
                    self.note(&notice, notices);
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
        let (refusal, stop, codec) = match why {
            StayRefusal::VideoCodec(codec) => {
                (Refusal::VideoCodec, StopReason::VideoCodec, Some(codec))
            }
            StayRefusal::ShortSegments => (Refusal::ShortSegments, StopReason::ShortSegments, None),
        };
        self.shared.metrics.publish_refused.add(refusal);
        if let Some(held_back) = self.admit_line(PeerLine::Refused) {
            let reason = refusal.description();
            let sent = codec.map_or(String::new(), |codec| format!(", it sends {codec}"));
            let says = format!("{}: publisher refused{sent}: {reason}", self.publication.name());
            let codec = codec.map(tracing::field::display);
            warn!(codec, reason, held_back, says, "publisher refused");
        }
        self.session.stop(stop);
    }

    /// What comes before the stream can be watched is said when it can.
    fn note_facts(&self, facts: SourceFacts, notices: &mut Notices) {
        if notices.has_started && in_words(&facts) != in_words(&notices.facts) {
            let says = self.says(format!("the publisher now sends {}", in_words(&facts)));
            self.log_facts(&facts, &says, notices);
        }
        notices.facts = facts.clone();
        self.publication.set_facts(facts);
    }

    /// With the first segment of the stay there is something to watch.
    fn note_source_segment(&self, notices: &mut Notices) {
        if notices.has_started {
            return;
        }
        notices.has_started = true;
        let name = self.publication.name();
        let Some(start) = self.shared.registry().note_first_segment(name, &self.session) else {
            return;
        };
        self.shared.tell_started(name, &self.session, start);
        let is = match start {
            Start::First => "is live",
            Start::Again => "goes on",
        };
        let presets = &self.shared.pipeline.renditions;
        let mut renditions: Vec<&str> = presets.iter().map(|preset| &preset.name[..]).collect();
        renditions.push(crate::SOURCE);
        let (sent, watch) = (in_words(&notices.facts), self.shared.watch_url(name.as_str()));
        let renditions = renditions.join(", ");
        let says = format!("{name} {is}: {sent}; watch at {watch}, renditions {renditions}.");
        let facts = notices.facts.clone();
        self.log_facts(&facts, &says, notices);
    }

    fn log_facts(&self, facts: &SourceFacts, says: &str, notices: &mut Notices) {
        let admitted = notices.facts_log.admit(self.shared.clock.now());
        let admitted = admitted.and_then(|held_back| self.admit_after(PeerLine::Facts, held_back));
        if let Some(held_back) = admitted {
            let (width, height) = facts.size.unzip();
            let (codecs, encoder) = (&facts.codecs, &facts.encoder);
            info!(codecs, width, height, encoder, held_back, says, "publisher sends");
        }
    }

    fn publish(&self, slot: Slot, name: &str, package: Package) {
        let _rendition = debug_span!("rendition", id = %name).entered();
        debug!(
            sequence = package.span.sequence(),
            duration_ms = package.span.duration.as_millis(),
            pictures = package.pictures(),
            "segment published"
        );
        self.publication.note_delay(slot, &package.span, self.shared.clock.now());
        self.publication.publish_package(slot, package);
    }

    /// The transcoding thread, where there are renditions; without one the source goes on alone.
    fn transcode_if_any(&self) -> Option<Transcode> {
        let count = self.shared.pipeline.renditions.len();
        let transcode = if count == 0 { None } else { self.start_transcode() };
        if transcode.is_none() {
            for index in 0..count {
                self.publication.note_impossible(Slot::Ladder(index));
            }
        }
        transcode
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
                    let says = self.says(format!(
                        "it plays as source only, as the system gives no thread for renditions: {error}"
                    ));
                    error!(%error, held_back, says, "no thread for the transcoder");
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
            if !has_left && self.session.has_given_up_backlog(self.shared.clock.uptime()) {
                has_left = true;
                handoff.leave();
                transcoder.leave();
            }
            let is_cut = matches!(item, Item::Cut(_));
            transcoder.note_queue(queue);
            self.publication.note_queue(queue);
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
        self.publication.note_queue(queue);
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
                    let has_left = self.session.has_given_up_backlog(self.shared.clock.uptime());
                    if can_be_made && is_wanted && !has_left {
                        let maker = &self.shared.maker;
                        maker.make_ahead(&self.publication, index, span.sequence());
                    }
                }
                TranscoderOutput::Impossible { index } => {
                    self.publication.note_impossible(Slot::Ladder(index));
                }
                TranscoderOutput::Notice(notice) => self.note(&notice, notices),
            }
        }
        spoke
    }
}

/// A publisher's stay on its ingest thread, the only one that writes meanwhile: what it sends, and
/// a slate where nothing comes of it though it is connected.
struct Stay<'a> {
    stream: &'a Stream,
    ingest: Ingest,
    transcode: Option<Transcode>,
    notices: Notices,
    decoding: Decoding,
    stand_in: StandIn,
}

/// What stands in for the publisher.
enum StandIn {
    /// Nothing: its media comes.
    Nothing,
    /// A slate, or none where it turned out to be impossible; the stay pauses.
    Slate(Option<Box<Slate>>),
}

impl<'a> Stay<'a> {
    fn begin(stream: &'a Stream) -> Self {
        let state = stream.publication.begin_session();
        let transcode = stream.transcode_if_any();
        let ingest = Ingest::new(&stream.shared.pipeline, state, stream.publication.tracks());
        Self {
            stream,
            ingest,
            transcode,
            notices: Notices::new(&stream.shared),
            decoding: Decoding::Asleep,
            stand_in: StandIn::Nothing,
        }
    }

    /// Takes a message; behind a slate it is the first of a stay that goes on.
    fn take(&mut self, message: Fed) {
        // Metadata alone is nothing to play.
        if message.kind != TagKind::Script {
            self.end_slate(message.arrival);
        }
        let Fed { kind, timestamp_ms, payload, arrival } = message;
        self.ingest.set_wanted(self.stream.live(&mut self.decoding));
        self.ingest.push(kind, timestamp_ms, payload, arrival.unix_ms);
        self.drain();
    }

    /// Nothing comes, and the playlists have to go on.
    fn go_on_without_publisher(&mut self, Absence { since, now }: Absence) {
        if let StandIn::Nothing = self.stand_in {
            self.begin_slate(since, now);
        }
        let StandIn::Slate(Some(slate)) = &mut self.stand_in else { return };
        for awaited in slate.go_on(now) {
            let Stream { shared, publication, .. } = self.stream;
            shared.maker.make_ahead(publication, awaited.index, awaited.sequence);
        }
    }

    fn begin_slate(&mut self, since: Moment, now: Moment) {
        // Nothing can stand in, or nothing yet: the next look asks again.
        if !self.ingest.pause() {
            return;
        }
        self.drain();
        // It publishes what it has left before the slate does.
        self.transcode = None;
        self.decoding = Decoding::Asleep;
        let Stream { shared, publication, .. } = self.stream;
        let slate = Slate::begin(publication, &shared.pipeline, since, now);
        debug!("publisher silent, slate stands in");
        self.stand_in = StandIn::Slate(slate.map(Box::new));
    }

    /// The publisher is heard again.
    fn end_slate(&mut self, now: Moment) {
        let StandIn::Slate(slate) = &mut self.stand_in else { return };
        if let Some(slate) = slate.take() {
            slate.end(now);
        }
        self.stand_in = StandIn::Nothing;
        let Stream { shared, publication, .. } = self.stream;
        let (state, tracks) = (publication.grid(), publication.tracks());
        self.ingest = self.ingest.resume(&shared.pipeline, state, tracks);
        self.transcode = self.stream.transcode_if_any();
    }

    /// The publisher is gone. Where it may come back, the registry begins a slate of its own.
    fn end(mut self) {
        if let StandIn::Slate(Some(slate)) = self.stand_in {
            return slate.end(self.stream.shared.clock.now());
        }
        self.ingest.finish();
        self.drain();
    }

    fn drain(&mut self) {
        self.stream.drain_ingest(&mut self.ingest, self.transcode.as_ref(), &mut self.notices);
    }
}

/// What a publisher sends, for people.
fn in_words(facts: &SourceFacts) -> String {
    let mut words = match (facts.size, facts.frame_rate) {
        (Some((width, height)), Some(rate)) => format!("{width}x{height} at {rate:.0} fps"),
        (Some((width, height)), None) => format!("{width}x{height}"),
        (None, _) => "no video".to_owned(),
    };
    match facts.sample_rate_hz {
        Some(rate) => words += &format!(", audio of {} kHz", f64::from(rate) / 1000.0),
        None => words += ", no audio",
    }
    if let Some(encoder) = &facts.encoder {
        words += &format!(", by {encoder}");
    }
    words
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
    load.work = stats.work;
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
    /// What the publisher sends.
    facts: SourceFacts,
    /// Limits the line that says so, which changes as often as the publisher likes.
    facts_log: Throttle,
    /// A segment of the stay is there to be watched.
    has_started: bool,
    throttle: Throttle,
    by_kind: HashMap<mem::Discriminant<Notice>, Throttle>,
}

impl Notices {
    fn new(shared: &Shared) -> Self {
        let interval = shared.limits.log_interval;
        Self {
            facts: SourceFacts::default(),
            facts_log: Throttle::with_burst(interval, shared.limits.facts_log_burst),
            has_started: false,
            throttle: Throttle::new(interval),
            by_kind: HashMap::new(),
        }
    }

    fn log(&mut self, notice: &Notice, stream: &Stream) {
        stream.shared.tell_notice(stream.publication.name(), &stream.session, notice);
        let kind = mem::discriminant(notice);
        let throttle = self.by_kind.entry(kind).or_insert_with(|| self.throttle.clone());
        let admitted = throttle.admit(stream.shared.clock.now());
        let line = PeerLine::Notice(kind);
        if let Some(held_back) = admitted.and_then(|before| stream.admit_after(line, before)) {
            let says = stream.says(notice);
            warn!(%notice, held_back, says, "stream notice");
        }
    }
}

/// The log of pictures that were dropped because the transcoder was behind.
struct Drops {
    throttle: Throttle,
    logged: u64,
    told: u64,
}

impl Drops {
    fn new(shared: &Shared) -> Self {
        Self { throttle: Throttle::new(shared.limits.log_interval), logged: 0, told: 0 }
    }

    fn log(&mut self, queue: QueueStats, stream: &Stream) {
        let Stream { shared, session, publication, .. } = stream;
        if queue.dropped_pictures > self.told {
            self.told = queue.dropped_pictures;
            publication.note_trouble(Trouble::PicturesDropped, shared.clock.now());
        }
        if queue.dropped_pictures <= self.logged {
            return;
        }
        shared.tell_degraded(publication.name(), session, Degradation::MachineTooSlow, || {
            "the machine is too slow for all renditions, pictures were left out".to_owned()
        });
        if self.throttle.admit(shared.clock.now()).is_some()
            && let Some(held_back) = stream.admit_line(PeerLine::Dropped)
        {
            let dropped = queue.dropped_pictures - self.logged;
            let says = stream.says(format!(
                "this machine is too slow for all renditions, {dropped} pictures were left out of \
                 them; configure fewer or smaller ones"
            ));
            warn!(
                dropped,
                dropped_gops_so_far = queue.dropped_gops,
                held_back,
                says,
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
    use std::time::Duration;

    use bytes::Bytes;
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

    /// An avcC record of x264, 64x48; AAC-LC of 44.1 kHz in stereo.
    const VIDEO_HEADER: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x0a\xff\xe1\x00\x15\x67\x42\xc0\x0a\xda\x11\xec\x04\x40\x00\x00\x03\x00\x40\x00\
        \x00\x0c\x83\xc4\x89\xa8\x01\x00\x04\x68\xce\x0f\xc8";
    const AUDIO_HEADER: &[u8] = &[0xaf, 0, 0x12, 0x10];
    const AUDIO_FRAME: &[u8] = &[0xaf, 1, 0x20, 0, 0, 0, 0x81];

    /// What a stay is told of so many milliseconds of media, with a keyframe every 2 s, that come
    /// in their time from `from` on.
    fn send(stay: &mut Stay<'_>, from: Moment, ms: std::ops::Range<u32>) {
        let began_ms = ms.start;
        let mut tell = |kind, timestamp_ms: u32, body: &'static [u8]| {
            let arrival = from.after(Duration::from_millis(u64::from(timestamp_ms - began_ms)));
            stay.take(Fed { kind, timestamp_ms, payload: Bytes::from_static(body), arrival });
        };
        if ms.start == 0 {
            tell(TagKind::Video, 0, VIDEO_HEADER);
            tell(TagKind::Audio, 0, AUDIO_HEADER);
        }
        for at in ms.step_by(20) {
            match at {
                _ if at % 2000 == 0 => {
                    tell(TagKind::Video, at, &[0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 0x88, 0x80]);
                }
                _ if at % 40 == 0 => {
                    tell(TagKind::Video, at, &[0x27, 1, 0, 0, 0, 0, 0, 0, 3, 0x41, 0x9a, 0x80]);
                }
                _ => {}
            }
            tell(TagKind::Audio, at, AUDIO_FRAME);
        }
    }

    /// The clock is turned by the messages; who writes is the worker, the slate as well.
    #[test]
    fn case_05_a_publisher_that_falls_silent_goes_on_behind_a_slate() {
        let shared = Shared::new(&Config::default(), Limits::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let attempt = PublishAttempt { name: None, naming: Naming::MadeUp, key: None, peer };
        let start = shared.clock.now();
        let admission = shared.registry().publish(attempt, start).unwrap();
        let publication = Arc::clone(&admission.publication);
        let stream = Stream {
            shared: Arc::clone(&shared),
            session: Arc::clone(&admission.session),
            publication: Arc::clone(&publication),
            span: Span::none(),
        };
        let at = |ms| start.after(Duration::from_millis(ms));
        let listed = || {
            let view = publication.view();
            let spans = |name: &str| view.rendition(name).unwrap().snapshot.listed.clone();
            let spans = ["source", "P144p30fps16x9"].map(spans);
            assert_eq!(spans[0], spans[1], "cut together, also while the worker drains");
            spans[0].clone()
        };

        let mut stay = Stay::begin(&stream);
        send(&mut stay, at(0), 0..5_000);
        let absent = |now| Absence { since: at(5_000), now: at(now) };
        stay.go_on_without_publisher(absent(6_500));
        // What had come of the third, and a span of what lies between.
        let ms = |spans: &[hls::Span]| -> Vec<_> {
            spans.iter().map(|span| span.duration.as_millis()).collect()
        };
        let spans = listed();
        assert_eq!(ms(&spans[..2]), [2_000, 2_000]);
        assert!((1_000..1_050).contains(&ms(&spans)[2]), "{spans:?}");
        assert_eq!((spans.len(), spans[3].cut.discontinuity), (4, true));
        stay.go_on_without_publisher(absent(7_000));
        assert_eq!(listed().len(), 4, "in time with the clock");
        stay.go_on_without_publisher(absent(8_500));
        assert_eq!(listed().len(), 5);

        // A second in front of a keyframe.
        send(&mut stay, at(10_000), 5_000..10_000);
        stay.end();
        let spans = listed();
        let breaks: Vec<_> = spans.iter().map(|span| span.cut.discontinuity).collect();
        let newest = &spans[spans.len() - 4..];
        assert_eq!(breaks[spans.len() - 4..], [false, true, true, false], "{spans:?}");
        assert_eq!(ms(&newest[1..3]), [1_000, 2_000], "a still picture, and then those that come");
        assert!(ms(newest)[0] >= 1_000 && newest[0].cut.unix_ms < at(10_000).unix_ms);
        assert_eq!(newest[1].cut.unix_ms, at(10_000).unix_ms);
        let numbers = spans.windows(2).all(|pair| pair[0].sequence() + 1 == pair[1].sequence());
        assert!(numbers, "none lost, none twice: {spans:?}");
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
            stream.note_facts(SourceFacts::default(), &mut notices);
            assert_eq!(lines.0.load(Ordering::Relaxed), 0, "not before there is a segment");
            stream.note_source_segment(&mut notices);
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
