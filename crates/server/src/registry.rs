//! Which streams there are, who may publish, and when a stream ends, with time as an input.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pipeline::StreamConfig;
use rtmp::{Refusal, StreamKey, StreamName};

use crate::access::{Permit, PublishAccess};
use crate::bans::Bans;
use crate::clock::Moment;
use crate::limits::Limits;
use crate::numbers::Numbers;
use crate::pace::PublishRates;
use crate::places::{is_relay, network};
use crate::publication::{Publication, PublicationConfig, View};
use crate::session::{Departure, Session, StopReason};
use crate::slate::Slate;
use crate::standstill::Standstill;
use crate::warnings::{Trouble, Warning};

/// The registry's clock ticks, and playlists are fetched, a little later than they could be.
const LATENESS: Duration = Duration::from_millis(500);

/// A publisher that has sent nothing for this long is told so.
const WORTH_A_WORD: Duration = Duration::from_secs(3);

/// Where anybody may publish, one in this many places is left to addresses that have no stream.
const KEPT_FOR_NEW_ADDRESSES: usize = 8;

/// What the registry decides by.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Publish keys.
    pub access: PublishAccess,
    /// Publishers at once.
    pub max_streams: usize,
    /// Renditions and windows of every stream.
    pub publication: PublicationConfig,
    /// How every stream is cut.
    pub pipeline: StreamConfig,
    /// Windows and timeouts.
    pub limits: Limits,
}

/// All streams, with and without a publisher.
///
/// **Call [`tick`](Self::tick) at least once a second**: it ends and forgets streams.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    streams: BTreeMap<StreamName, Stream>,
    sessions: u64,
    publishes: PublishRates,
    /// No sequence number at or above this was ever used, by any stream of the process.
    next_sequence: u64,
    closed: bool,
    bans: Bans,
    /// Streams that are over, and not told of yet.
    over: Vec<Change>,
}

#[derive(Debug)]
struct Stream {
    publication: Arc<Publication>,
    naming: Naming,
    /// The newest; `state` says whether it is still connected.
    session: Arc<Session>,
    /// Earlier ones whose workers are not done: each holds threads and media.
    draining: Vec<Arc<Session>>,
    state: State,
    /// How the newest publisher left, where it has.
    departure: Departure,
    standstill: Standstill,
    stand_in: StandIn,
    life: Life,
}

/// What a stream has come to since it was new, or its playlists ended.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    /// A segment of it was there to be watched.
    is_watchable: bool,
    /// How long publishers were connected that are gone.
    live: Duration,
    /// What those have sent.
    received_bytes: u64,
}

/// What stands in for a publisher that is missing.
#[derive(Debug)]
enum StandIn {
    /// Nothing: there is a publisher, or was one up to now, or it said that it stops.
    Nothing,
    /// Its newest picture and silence.
    Slate(Box<Slate>),
    /// Nothing can.
    Impossible,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A publisher is connected.
    Live,
    /// The publisher is gone since then and may come back to playlists that are still open.
    Away(Moment),
    /// The playlists have ended; still served.
    Ended(Moment),
}

/// What remembering a stream without a publisher is worth; the least is forgotten first. Names are
/// free to anybody, so those that only came and went must not push out a stream that has been
/// watched and may come back.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Fewer than [`Limits::brief_segments`] were published.
    Brief { segments: u64, gone_at: Duration },
    /// The playlists have ended: those longest ago first.
    Ended { gone_at: Duration },
    /// Inside its reconnect window: the shortest publication first.
    Away { segments: u64, gone_at: Duration },
}

/// Whose idea a stream's name was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// The publisher's, or it stands for a key.
    #[default]
    Chosen,
    /// The server's, as the publisher gave none: who knows it was told by the publisher, so it is
    /// in no list.
    MadeUp,
}

/// Who asks to publish, and as what.
#[derive(Clone, Debug)]
pub struct PublishAttempt {
    /// None: the server picks a name.
    pub name: Option<StreamName>,
    /// Whose idea the name was.
    pub naming: Naming,
    /// The key the publisher came with.
    pub key: Option<StreamKey>,
    /// Its address.
    pub peer: SocketAddr,
}

/// An accepted publisher.
#[derive(Debug)]
pub struct Admission {
    /// Its stay.
    pub session: Arc<Session>,
    /// Where its segments go.
    pub publication: Arc<Publication>,
    /// The stays before on the same stream whose workers are not done: they must be before the new
    /// ones publish.
    pub previous: Vec<Arc<Session>>,
}

/// A change that [`Registry::tick`] made, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nobody has asked for the rendition for a while: it is not made any more until somebody does.
    Asleep(StreamName, Arc<str>),
    /// The publisher is missing, and the playlists go on without it.
    Slate(StreamName),
    /// A segment of the rendition at this index has been listed under this number while the
    /// publisher is missing, and the rendition is awake: it is to be made without waiting for a
    /// request.
    Awaited(StreamName, usize, u64),
    /// The publisher did not come back: the playlists have ended.
    Ended(StreamName),
    /// The stream is not served any more.
    Forgotten(StreamName),
    /// A stream that could be watched is over: its playlists have ended, or are gone.
    Over(StreamName, Ending),
}

/// How a stream that could be watched has begun to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It is new, or its playlists had ended.
    First,
    /// Its publisher is back before its playlists ended, or another has taken over.
    Again,
}

/// How long the playlists stay open behind a publisher that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// For so long it may come back.
    Waits(Duration),
    /// It has sent nothing that anybody could watch.
    NothingToWatch,
    /// It is not waited for: another publisher has the stream, or the process ends.
    NotAwaited,
}

/// What a stream came to that could be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why it is over.
    pub reason: EndReason,
    /// For how long publishers were connected.
    pub live: Duration,
    /// Bytes that they have sent.
    pub received_bytes: u64,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its publisher said that it stops.
    PublisherStopped,
    /// Its publisher was gone, and did not come back in time.
    PublisherGone,
    /// The operator asked for it.
    Kicked,
    /// What its publisher sent is nothing that can be carried.
    PublisherRefused,
    /// A fault of ours ended it.
    ServerFailed,
    /// The process ends.
    ServerStopping,
}

impl EndReason {
    /// Its word in an event; promised in docs/hooks.md.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PublisherStopped => "publisher_stopped",
            Self::PublisherGone => "publisher_gone",
            Self::Kicked => "kicked",
            Self::PublisherRefused => "publisher_refused",
            Self::ServerFailed => "server_failed",
            Self::ServerStopping => "server_stopping",
        }
    }

    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::PublisherStopped => "as its publisher stopped",
            Self::PublisherGone => "as its publisher did not come back",
            Self::Kicked => "as the operator kicked its publisher",
            Self::PublisherRefused => "as its publisher was refused",
            Self::ServerFailed => "by a fault of feathercast",
            Self::ServerStopping => "as the server stops",
        }
    }
}

/// A stream as `/status` shows it.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Playlists, segments, facts.
    pub publication: Arc<Publication>,
    /// The newest stay of a publisher.
    pub session: Arc<Session>,
    /// Where the stream is in its life.
    pub state: State,
}

impl StreamStatus {
    /// What is wrong with the stream, and was in the last minutes.
    pub(crate) fn warnings(&self, now: Moment) -> Vec<Warning> {
        let silent = Duration::from_millis(self.session.silent_ms());
        let mut present = Vec::new();
        if self.state == State::Live && silent >= WORTH_A_WORD {
            present.push(Trouble::Silent(silent));
        }
        // Of a stream that is over nothing can be set otherwise.
        if !matches!(self.state, State::Ended(_)) {
            present.extend(self.publication.troubles());
        }
        self.publication.warnings(&present, now)
    }
}

impl Registry {
    /// No streams yet.
    #[must_use]
    pub fn new(config: RegistryConfig) -> Self {
        let publishes = PublishRates::new(config.limits.publishes_per_address);
        Self {
            config,
            streams: BTreeMap::new(),
            sessions: 0,
            publishes,
            next_sequence: 0,
            closed: false,
            bans: Bans::default(),
            over: Vec::new(),
        }
    }

    /// The attempt as it is permitted, with the name that its key stands for, or that the server
    /// makes up. [`publish`](Self::publish) begins with it.
    ///
    /// # Errors
    /// The reason to tell the publisher.
    pub fn permit(&self, attempt: PublishAttempt, now: Moment) -> Result<PublishAttempt, Refusal> {
        let permit = self.config.access.permit(attempt.name, attempt.key);
        let Permit { name, key } = permit.ok_or(Refusal::Unauthorized)?;
        if self.bans.forbid(attempt.peer, name.as_ref(), key.as_ref(), now) {
            return Err(Refusal::Banned);
        }
        // Behind the key: the refused name of who has the right one is no secret.
        if self.closed {
            return Err(Refusal::ShuttingDown);
        }
        let naming = if name.is_some() { attempt.naming } else { Naming::MadeUp };
        let name = name.unwrap_or_else(|| self.unused_name());
        Ok(PublishAttempt { name: Some(name), naming, key, peer: attempt.peer })
    }

    /// Whether this may be shown of somebody who was refused: what stands in the place of a name
    /// may well be a key, so only names are that are known as such.
    #[must_use]
    pub fn is_known_name(&self, name: &StreamName) -> bool {
        self.config.access.lists(name) || self.streams.contains_key(name)
    }

    /// Decides about a publisher; an accepted one must be followed by
    /// [`publisher_gone`](Self::publisher_gone).
    ///
    /// # Errors
    /// The reason to tell the publisher.
    pub fn publish(&mut self, attempt: PublishAttempt, now: Moment) -> Result<Admission, Refusal> {
        let attempt = self.permit(attempt, now)?;
        if self.config.publication.memory.is_exhausted() {
            return Err(Refusal::NoMemory);
        }
        let name = attempt.name.clone().unwrap_or_else(|| self.unused_name());
        // Not only once a second: names may come faster.
        self.forget_surplus(now);
        self.limit_draining(&name)?;
        let address = network(attempt.peer.ip());
        if !is_relay(address) && !self.publishes.allows(address, now.uptime) {
            return Err(Refusal::TooOften);
        }
        self.make_room(&name, attempt.key.as_ref(), address, now)?;
        self.publishes.count(address, now.uptime);
        self.sessions += 1;
        let session = Arc::new(Session::new(self.sessions, attempt.peer, attempt.key, now));
        Ok(self.admit(name, attempt.naming, session, now))
    }

    /// The connection of `session` has ended or stopped publishing.
    pub fn publisher_gone(
        &mut self,
        name: &StreamName,
        session: &Session,
        departure: Departure,
        now: Moment,
    ) {
        // A replaced publisher leaves later than its successor came: that changes nothing.
        if let Some(stream) = self.streams.get_mut(name)
            && stream.session.id() == session.id()
        {
            stream.count_stay(now);
            stream.state = State::Away(now);
            stream.departure = departure;
            stream.stand_in = StandIn::Nothing;
            if departure == Departure::Vanished && !self.closed {
                stream.publication.note_trouble(Trouble::ConnectionLost, now);
            }
        }
    }

    /// A stay has its first segment: the stream can be watched. None where another publisher has
    /// it by now.
    pub fn note_first_segment(&mut self, name: &StreamName, session: &Session) -> Option<Start> {
        let stream = self.streams.get_mut(name)?;
        if stream.session.id() != session.id() {
            return None;
        }
        let was_watchable = std::mem::replace(&mut stream.life.is_watchable, true);
        Some(if was_watchable { Start::Again } else { Start::First })
    }

    /// What becomes of the playlists when the publisher of `session` leaves so.
    #[must_use]
    pub fn outlook(&self, name: &StreamName, session: &Session, departure: Departure) -> Outlook {
        let has_it = |stream: &&Stream| stream.session.id() == session.id();
        match self.streams.get(name).filter(has_it) {
            Some(stream) if !self.closed => match stream.life.is_watchable {
                true => Outlook::Waits(stream.patience(departure, &self.config.limits)),
                false => Outlook::NothingToWatch,
            },
            _ => Outlook::NotAwaited,
        }
    }

    /// Whether the playlists of a stream have stood still for as long as they may while nothing
    /// comes of `session`, which publishes it. Its workers then let a slate stand in: they are the
    /// only ones that write.
    #[must_use]
    pub fn must_go_on_without(&self, name: &StreamName, session: &Session, now: Moment) -> bool {
        self.streams.get(name).is_some_and(|stream| {
            stream.state == State::Live
                && stream.session.id() == session.id()
                && stream.needs_slate(&stream.publication.view(), now, &self.config.limits)
        })
    }

    /// Asks the publishers of a stream to go, those whose workers still end or wait among them, and
    /// has what waits for the transcoder given up; false where there is none.
    pub fn kick(&mut self, name: &StreamName, now: Moment) -> bool {
        let Some(stream) = self.streams.get(name) else { return false };
        if stream.state != State::Live && stream.is_drained() {
            return false;
        }
        for session in stream.draining.iter().chain([&stream.session]) {
            session.end_backlog(now);
            session.stop(StopReason::Kicked);
        }
        true
    }

    /// Asks the publisher of a stream to go, and lets nobody publish from its address, nor by its
    /// key under this name, for so long; false where there is no such stream.
    pub fn ban(&mut self, name: &StreamName, time: Duration, now: Moment) -> bool {
        let Some(stream) = self.streams.get(name) else { return false };
        let session = &stream.session;
        self.bans.add(session.peer(), name.clone(), session.key().cloned(), time, now);
        self.kick(name, now);
        true
    }

    /// Ends and forgets streams whose time has come, and lets the playlists of those go on whose
    /// publisher is missing.
    pub fn tick(&mut self, now: Moment) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, stream) in &mut self.streams {
            for rendition in stream.publication.sleep_idle(now, self.config.limits.rendition_idle) {
                changes.push(Change::Asleep(name.clone(), rendition));
            }
            if stream.should_end(now, &self.config.limits) {
                changes.push(Change::Ended(name.clone()));
                let ending = stream.end(now, self.closed);
                changes.extend(ending.map(|ending| Change::Over(name.clone(), ending)));
            } else if !self.closed {
                stream.go_on_without_publisher(name, now, &self.config, &mut changes);
            }
        }
        changes.extend(self.forget_surplus(now).into_iter().map(Change::Forgotten));
        changes.extend(self.make_memory_free().map(Change::Forgotten));
        changes.append(&mut self.over);
        changes
    }

    /// Where memory is short, streams without a publisher give up what their playlists can do
    /// without. Where that is not enough, the one that is worth least is forgotten, if nobody is
    /// waited for to come back to it.
    fn make_memory_free(&mut self) -> Option<StreamName> {
        if !self.config.publication.memory.is_short() {
            return None;
        }
        for stream in self.streams.values() {
            if stream.state != State::Live && stream.is_drained() {
                stream.publication.cut_down(usize::MAX);
            }
        }
        if !self.config.publication.memory.is_very_short() {
            return None;
        }
        let is_over = |(worth, _): &(Worth, StreamName)| !matches!(worth, Worth::Away { .. });
        let (_, name) = self.without_publisher().into_iter().next().filter(is_over)?;
        self.forget(&name);
        Some(name)
    }

    /// No more publishers: those that are connected are asked to go, new ones are refused.
    pub fn close(&mut self) {
        self.closed = true;
        for stream in self.streams.values() {
            stream.session.stop(StopReason::ShuttingDown);
        }
    }

    /// Ends all streams at once, without their reconnect windows. For the end of the process.
    pub fn end_all(&mut self, now: Moment) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.over);
        for (name, stream) in &mut self.streams {
            let ending = stream.end(now, self.closed);
            changes.extend(ending.map(|ending| Change::Over(name.clone(), ending)));
        }
        changes
    }

    /// Whether no worker has anything left to publish.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.streams.values().all(Stream::is_drained)
    }

    /// The longest target duration of all playlists, in seconds; 0 without any.
    #[must_use]
    pub fn longest_target_duration_secs(&self) -> u64 {
        let views = self.streams.values().map(|stream| stream.publication.view());
        views.map(|view| view.longest_target_duration_secs()).max().unwrap_or(0)
    }

    /// The stream of this name.
    #[must_use]
    pub fn publication(&self, name: &StreamName) -> Option<Arc<Publication>> {
        self.streams.get(name).map(|stream| Arc::clone(&stream.publication))
    }

    /// The newest stream that is live and has something to play; one whose publisher may still come
    /// back only where no other is.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Publication>> {
        let open = self.streams.values().filter(|stream| !matches!(stream.state, State::Ended(_)));
        let playable = open.filter(|stream| stream.publication.view().is_playable());
        let newest = playable.max_by_key(|stream| {
            (stream.state == State::Live, stream.session.since().uptime, stream.session.id())
        });
        newest.map(|stream| Arc::clone(&stream.publication))
    }

    /// The streams that may be listed for people who do not know their names, by name: those that
    /// have a publisher and something to play, and whose names the server did not make up.
    #[must_use]
    pub fn listed(&self) -> Vec<StreamStatus> {
        let is_listed = |stream: &&Stream| {
            stream.state == State::Live
                && stream.naming == Naming::Chosen
                && stream.publication.view().is_playable()
        };
        self.streams.values().filter(is_listed).map(Stream::status).collect()
    }

    /// The stream of this name, as [`status`](Self::status) has it.
    #[must_use]
    pub fn status_of(&self, name: &StreamName) -> Option<StreamStatus> {
        self.streams.get(name).map(Stream::status)
    }

    /// All streams, by name.
    #[must_use]
    pub fn status(&self) -> Vec<StreamStatus> {
        self.streams.values().map(Stream::status).collect()
    }

    /// Connected publishers.
    #[must_use]
    pub fn live_streams(&self) -> usize {
        self.streams.values().filter(|stream| stream.state == State::Live).count()
    }

    /// A name whose publishers replace each other faster than their workers end has to wait.
    fn limit_draining(&mut self, name: &StreamName) -> Result<(), Refusal> {
        let Some(stream) = self.streams.get_mut(name) else { return Ok(()) };
        stream.draining.retain(|session| !session.is_drained());
        let crowded = stream.draining.len() >= self.config.limits.draining_sessions;
        if crowded { Err(Refusal::NameInUse) } else { Ok(()) }
    }

    /// Places for a publisher of this name beside those of others. Streams without a publisher take
    /// none, but while their workers end they hold codecs and threads: there are only so many.
    fn free_places(&self, name: &StreamName) -> usize {
        let others = self.streams.iter().filter(|(other, _)| *other != name);
        let live = others.filter(|(_, stream)| stream.state == State::Live).count();
        self.config.max_streams.saturating_sub(live)
    }

    /// Whether the workers of too many streams of other names still end.
    fn drains_too_many(&self, name: &StreamName) -> bool {
        let others = self.streams.iter().filter(|(other, _)| *other != name);
        let draining =
            others.filter(|(_, stream)| stream.state != State::Live && !stream.is_drained());
        let per_place = self.config.limits.draining_streams_per_place;
        draining.count() >= self.config.max_streams.saturating_mul(per_place)
    }

    /// Places that are left to addresses without a stream, by one that has some. Where anybody may
    /// publish one could have all otherwise; whoever has a key, or comes through a relay on this
    /// host, may have them.
    fn kept_for_others(&self, address: IpAddr) -> usize {
        let publishes = |stream: &Stream| {
            stream.state == State::Live && network(stream.session.peer().ip()) == address
        };
        if !self.config.access.is_open()
            || is_relay(address)
            || !self.streams.values().any(publishes)
        {
            return 0;
        }
        self.config.max_streams / KEPT_FOR_NEW_ADDRESSES
    }

    /// Whether the name is free or may be taken over, and a place is left.
    fn make_room(
        &self,
        name: &StreamName,
        key: Option<&StreamKey>,
        address: IpAddr,
        now: Moment,
    ) -> Result<(), Refusal> {
        let live = self.streams.get(name).filter(|stream| stream.state == State::Live);
        let Some(stream) = live else {
            if self.drains_too_many(name) {
                return Err(Refusal::TooManyStreams);
            }
            let free = self.free_places(name);
            return match free {
                0 => self.displace_one_without_media(now),
                _ if free <= self.kept_for_others(address) => Err(Refusal::TooManyStreams),
                _ => Ok(()),
            };
        };
        let is_silent =
            u128::from(stream.session.silent_ms()) >= self.config.limits.takeover_after.as_millis();
        if !is_silent && !stream.session.has_key(key) {
            return Err(Refusal::NameInUse);
        }
        stream.session.stop(StopReason::Replaced);
        Ok(())
    }

    /// Where all places are taken, whoever came first of those that have sent no media has to go.
    fn displace_one_without_media(&self, now: Moment) -> Result<(), Refusal> {
        let patience = self.config.limits.place_without_media;
        let live = self.streams.values().filter(|stream| stream.state == State::Live);
        let sessions = live.map(|stream| &stream.session);
        let useless = sessions.filter(|session| {
            !session.has_sent_media()
                && !session.is_asked_to_stop()
                && now.since(session.since()) >= patience
        });
        let first = useless.min_by_key(|session| session.id()).ok_or(Refusal::TooManyStreams)?;
        first.stop(StopReason::MadeRoom);
        Ok(())
    }

    fn admit(
        &mut self,
        name: StreamName,
        naming: Naming,
        session: Arc<Session>,
        now: Moment,
    ) -> Admission {
        if let Some(stream) = self.streams.get_mut(&name) {
            stream.end_slate(now);
            if stream.state == State::Live {
                stream.count_stay(now);
            }
            let previous = std::mem::replace(&mut stream.session, Arc::clone(&session));
            stream.draining.retain(|session| !session.is_drained());
            stream.draining.push(previous);
            stream.state = State::Live;
            return Admission {
                session,
                publication: Arc::clone(&stream.publication),
                previous: stream.draining.clone(),
            };
        }
        let numbers = Numbers::begin(now, self.next_sequence);
        let publication =
            Arc::new(Publication::new(name.clone(), &self.config.publication, numbers));
        let stream = Stream {
            publication: Arc::clone(&publication),
            naming,
            session: Arc::clone(&session),
            draining: Vec::new(),
            state: State::Live,
            departure: Departure::Vanished,
            standstill: Standstill::default(),
            stand_in: StandIn::Nothing,
            life: Life::default(),
        };
        self.streams.insert(name, stream);
        Admission { session, publication, previous: Vec::new() }
    }

    /// Streams that have been served long enough, or that never had anything to serve.
    fn expired(&self, now: Moment) -> Vec<StreamName> {
        let retention = self.config.limits.ended_retention;
        let is_expired = |stream: &Stream| match stream.state {
            State::Live => false,
            State::Away(_) => {
                stream.is_drained() && stream.publication.view().renditions.is_empty()
            }
            State::Ended(at) => now.since(at) >= retention,
        };
        self.streams
            .iter()
            .filter(|(_, stream)| is_expired(stream))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Streams without a publisher, those least worth remembering first.
    fn without_publisher(&self) -> Vec<(Worth, StreamName)> {
        let limits = &self.config.limits;
        let gone =
            |(name, stream): (&StreamName, &Stream)| Some((stream.worth(limits)?, name.clone()));
        let mut gone: Vec<_> = self.streams.iter().filter_map(gone).collect();
        gone.sort();
        gone
    }

    /// Streams without a publisher beyond the number that is remembered.
    fn crowded_out(&self) -> Vec<StreamName> {
        let gone = self.without_publisher();
        let surplus = gone.len().saturating_sub(self.config.limits.remembered_streams);
        gone.into_iter().take(surplus).map(|(_, name)| name).collect()
    }

    fn forget_surplus(&mut self, now: Moment) -> Vec<StreamName> {
        let mut forgotten = self.expired(now);
        forgotten.extend(self.crowded_out());
        forgotten.iter().for_each(|name| self.forget(name));
        forgotten
    }

    fn forget(&mut self, name: &StreamName) {
        if let Some(mut stream) = self.streams.remove(name) {
            let ending = stream.ending(self.closed);
            self.over.extend(ending.map(|ending| Change::Over(name.clone(), ending)));
            self.next_sequence = self.next_sequence.max(stream.publication.next_sequence());
        }
    }

    /// 8 random hex digits that no stream has.
    fn unused_name(&self) -> StreamName {
        loop {
            // RandomState is keyed from the system's randomness: nobody outside can tell the next
            // name.
            let random = RandomState::new().build_hasher().finish();
            if let Ok(name) = StreamName::parse(&format!("{:08x}", random >> 32))
                && !self.streams.contains_key(&name)
            {
                return name;
            }
        }
    }
}

/// None where it panicked: whatever one publisher left behind, the clock of the registry goes on
/// for all others. Slates are the only work on media that is done here.
fn guarded<T>(slate: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(slate)).ok()
}

impl Stream {
    fn should_end(&self, now: Moment, limits: &Limits) -> bool {
        // Workers that still drain will publish: an ended playlist must not grow.
        matches!(self.state, State::Away(since) if now.since(since) >= self.patience(self.departure, limits))
            && self.is_drained()
    }

    /// How long the playlists stay open without a publisher. ExoPlayer gives up on one that has not
    /// changed for 3.5 target durations.
    fn patience(&self, departure: Departure, limits: &Limits) -> Duration {
        match departure {
            Departure::Vanished => limits.reconnect_window,
            Departure::Stopped => {
                let target = Duration::from_secs(self.publication.view().target_duration_secs());
                limits.reconnect_window.min((target * 2).saturating_sub(LATENESS))
            }
        }
    }

    /// Whether no worker of any stay has anything left to publish. The newest one's may be done
    /// before those of an earlier stay: where the system gave it no thread.
    fn is_drained(&self) -> bool {
        self.session.is_drained() && self.draining.iter().all(|session| session.is_drained())
    }

    /// None while there is a publisher, or its workers still publish.
    fn worth(&self, limits: &Limits) -> Option<Worth> {
        let segments = self.publication.view().published_segments();
        let is_brief = segments < limits.brief_segments;
        match self.state {
            State::Live => None,
            State::Away(_) if !self.is_drained() => None,
            State::Away(at) | State::Ended(at) if is_brief => {
                Some(Worth::Brief { segments, gone_at: at.uptime })
            }
            State::Ended(at) => Some(Worth::Ended { gone_at: at.uptime }),
            State::Away(at) => Some(Worth::Away { segments, gone_at: at.uptime }),
        }
    }

    /// The playlists of a stream whose publisher is missing go on within 1.5 target durations (RFC
    /// 8216 6.2.2), for as long as it is waited for.
    fn go_on_without_publisher(
        &mut self,
        name: &StreamName,
        now: Moment,
        config: &RegistryConfig,
        changes: &mut Vec<Change>,
    ) {
        if matches!(self.state, State::Ended(_)) {
            return;
        }
        let view = self.publication.view();
        self.standstill.note(&view, now);
        let State::Away(left) = self.state else { return };
        if self.departure == Departure::Stopped || !self.is_drained() {
            return;
        }
        if matches!(self.stand_in, StandIn::Nothing) && self.needs_slate(&view, now, &config.limits)
        {
            let begin = || Slate::begin(&self.publication, &config.pipeline, left, now);
            let slate = guarded(begin).flatten();
            changes.extend(slate.is_some().then(|| Change::Slate(name.clone())));
            self.stand_in =
                slate.map_or(StandIn::Impossible, |slate| StandIn::Slate(Box::new(slate)));
        }
        if let StandIn::Slate(slate) = &mut self.stand_in {
            match guarded(|| slate.go_on(now)) {
                Some(awaited) => {
                    changes.extend(awaited.into_iter().map(|awaited| {
                        Change::Awaited(name.clone(), awaited.index, awaited.sequence)
                    }))
                }
                None => self.stand_in = StandIn::Impossible,
            }
        }
    }

    /// Whether the playlists have stood still for as long as they may. Nobody can be watching a
    /// brief stream for long.
    fn needs_slate(&self, view: &View, now: Moment, limits: &Limits) -> bool {
        let is_due = |by: Duration| now.uptime.saturating_add(LATENESS) >= by;
        view.published_segments() >= limits.brief_segments
            && self.standstill.must_change_by(view).is_some_and(is_due)
    }

    /// Somebody publishes again, whose grid goes on behind the slate.
    fn end_slate(&mut self, now: Moment) {
        if let StandIn::Slate(slate) = std::mem::replace(&mut self.stand_in, StandIn::Nothing) {
            // What it had listed stands, whatever becomes of its last part.
            guarded(|| slate.end(now));
        }
    }

    /// Ends the playlists; what the stream came to, where it could be watched up to now.
    fn end(&mut self, now: Moment, is_closed: bool) -> Option<Ending> {
        if self.state == State::Live {
            self.count_stay(now);
        }
        self.stand_in = StandIn::Nothing;
        self.publication.end();
        self.state = State::Ended(now);
        self.ending(is_closed)
    }

    /// The newest publisher's stay is over.
    fn count_stay(&mut self, now: Moment) {
        self.life.live += now.since(self.session.since());
        self.life.received_bytes += self.session.received_bytes();
    }

    /// The stream's life is over. What it came to, once, where it could be watched.
    fn ending(&mut self, is_closed: bool) -> Option<Ending> {
        let Life { is_watchable, live, received_bytes } = std::mem::take(&mut self.life);
        let reason = match self.session.stop_reason() {
            _ if is_closed => EndReason::ServerStopping,
            Some(StopReason::Kicked) => EndReason::Kicked,
            Some(StopReason::VideoCodec | StopReason::ShortSegments) => EndReason::PublisherRefused,
            Some(StopReason::WorkerFailed) => EndReason::ServerFailed,
            _ => match self.departure {
                Departure::Stopped => EndReason::PublisherStopped,
                Departure::Vanished => EndReason::PublisherGone,
            },
        };
        is_watchable.then_some(Ending { reason, live, received_bytes })
    }

    fn status(&self) -> StreamStatus {
        StreamStatus {
            publication: Arc::clone(&self.publication),
            session: Arc::clone(&self.session),
            state: self.state,
        }
    }
}
