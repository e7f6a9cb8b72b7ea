//! One RTMP connection: moves bytes between the socket and `rtmp::Connection`, and messages to the
//! ingest thread.

use std::fmt;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use flv::TagKind;
use rtmp::{
    Connection, Event, MediaKind, Message, PublishQuery, PublishRequest, PublishStart, Refusal,
    StreamName, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{Span, debug, error, info, info_span, warn};

use crate::clock::Moment;
use crate::events::Degradation;
use crate::feed::{Absence, Fed, FeedSender, feed};
use crate::forward::Forwards;
use crate::lobby::Seat;
use crate::pace::Pace;
use crate::peer_log::PeerLine;
use crate::publication::Publication;
use crate::registry::{Admission, Naming, Outlook, PublishAttempt};
use crate::session::{Departure, Session, StopReason, StopSignal};
use crate::shared::{Door, Shared};
use crate::socket::Socket;
use crate::vigil::{Fault, Vigil};
use crate::webhook::{Question, Verdict, Webhook};
use crate::{words, worker};

/// How often a publisher that waits for memory looks whether there is some.
const MEMORY_POLL: Duration = Duration::from_millis(50);

/// How often it is looked whether a peer that is not read has closed the connection.
const HANG_UP_POLL: Duration = Duration::from_millis(100);

/// Serves a connection until it ends. Run it inside the span `conn{peer}`.
pub(crate) async fn serve(
    socket: Socket<TcpStream>,
    peer: SocketAddr,
    seat: &Seat,
    shared: Arc<Shared>,
) {
    let publish_deadline = Instant::now() + shared.limits.rtmp_publish_deadline;
    let rtmp = Connection::server(rtmp::Limits::default());
    let mut conn = Conn {
        socket,
        peer,
        seat,
        rtmp,
        pace: Pace::new(&shared.limits),
        answer: Bytes::new(),
        publish_deadline,
        publishing: None,
        closed_at: None,
        read_at: shared.clock.now(),
        shared,
    };
    let end = conn.run().await;
    conn.finish(&end).await;
}

struct Conn<'a> {
    socket: Socket<TcpStream>,
    peer: SocketAddr,
    seat: &'a Seat,
    rtmp: Connection,
    pace: Pace,
    /// What the socket has not taken yet of the answer before those that wait in `rtmp`.
    answer: Bytes,
    /// When a publish command must have come, where there has been none.
    publish_deadline: Instant,
    publishing: Option<Publishing>,
    /// When it was noticed that the peer has closed it, where something that it sent before still
    /// waits.
    closed_at: Option<Instant>,
    /// When what is being handled was read: the clock is read once for all that is in it.
    read_at: Moment,
    shared: Arc<Shared>,
}

/// A publisher's stay as its connection sees it; dropped, the stream's worker drains and ends.
struct Publishing {
    session: Arc<Session>,
    name: StreamName,
    publication: Arc<Publication>,
    feed: FeedSender,
    forwards: Forwards,
    stop: StopSignal,
    vigil: Vigil,
    /// Its playlists have to go on without it, until a message comes.
    is_absent: bool,
    /// When that was last looked at.
    looked: Moment,
    /// How long what waits for the transcoder is worked off behind the end of the stay.
    backlog: Duration,
    span: Span,
    /// How it will turn out to have left.
    departure: Departure,
    shared: Arc<Shared>,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The peer closed it.
    Closed,
    /// The peer sent nothing for this long, and does not publish.
    Silent(Duration),
    /// The publisher is silent, or sends next to no media.
    Useless(Fault),
    /// The peer did not come to its publish command in this time.
    NoPublish(Duration),
    /// The peer did not take an answer in this time.
    Stuck(Duration),
    /// The peer's bytes are not RTMP as we can take it.
    Protocol(rtmp::Error),
    /// The publisher was refused, and told so.
    Refused(Refusal),
    /// The session was asked to end.
    Stopped(StopReason),
    /// There was no memory for the publisher's media.
    NoMemory,
    Io(io::Error),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("its connection was closed"),
            Self::Silent(limit) | Self::Useless(Fault::Silent(limit)) => {
                write!(f, "no byte for {} s", limit.as_secs())
            }
            Self::Useless(Fault::NoMedia(limit)) => {
                write!(f, "no audio and no video within {} s", limit.as_secs())
            }
            Self::Useless(Fault::TooLittleMedia(time, bytes)) => {
                write!(f, "less than {bytes} bytes of audio and video in {} s", time.as_secs())
            }
            Self::NoPublish(limit) => write!(f, "no publish command within {} s", limit.as_secs()),
            Self::Stuck(limit) => write!(f, "the peer took no answer for {} s", limit.as_secs()),
            Self::Protocol(error) => f.write_str(&chain(error)),
            Self::Refused(refusal) => f.write_str(refusal.description()),
            Self::Stopped(reason) => f.write_str(reason.as_str()),
            Self::NoMemory => f.write_str(Refusal::NoMemory.description()),
            Self::Io(error) => match error.kind() {
                // What is left unread when a peer closes makes the system say so.
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                    fmt::Display::fmt(&Self::Closed, f)
                }
                _ => write!(f, "its connection failed: {error}"),
            },
        }
    }
}

impl Conn<'_> {
    async fn run(&mut self) -> End {
        let mut input = BytesMut::with_capacity(self.shared.limits.rtmp_read_bytes);
        loop {
            if let Err(end) = self.step(&mut input).await {
                return end;
            }
        }
    }

    /// One read, everything that follows from it, and the answers.
    async fn step(&mut self, input: &mut BytesMut) -> Result<(), End> {
        input.clear();
        self.read(input).await?;
        let handled = self.rtmp.handle_input(input);
        // Messages before the byte that was wrong are good.
        while let Some(event) = self.rtmp.poll_event() {
            self.handle(event).await?;
        }
        self.transmit().await?;
        handled.map_err(End::Protocol)?;
        self.rest().await
    }

    /// Lets the other connections have their turn, and rests where this one sends too fast.
    async fn rest(&mut self) -> Result<(), End> {
        let received = self.rtmp.received();
        let mut uptime = self.read_at.uptime;
        let catching_up = self.pace.spend(received, uptime);
        self.shared.catch_up.spend(catching_up, uptime);
        if let Some(publishing) = &mut self.publishing {
            publishing.vigil.media(received.media_bytes);
            if publishing.vigil.has_heard_media() {
                publishing.session.heard_media();
            }
        }
        // The time since the read only makes the wait shorter, and there is hardly ever one.
        while !self.wait(uptime).is_zero() {
            uptime = self.shared.clock.uptime();
            let limits = &self.shared.limits;
            let wait = self.wait(uptime).min(limits.rtmp_look);
            match &mut self.publishing {
                None => {
                    sleep(wait).await;
                    if Instant::now() >= self.publish_deadline {
                        return Err(End::NoPublish(limits.rtmp_publish_deadline));
                    }
                }
                Some(publishing) => {
                    tokio::select! {
                        () = sleep(wait) => publishing.vigil.held_back(wait),
                        reason = publishing.stop.received() => return Err(End::Stopped(reason)),
                        () = is_late(&self.socket, &mut self.closed_at, limits.late_input) => {
                            return Err(End::Closed);
                        }
                    }
                    if let Some(fault) = publishing.vigil.fault() {
                        return Err(End::Useless(fault));
                    }
                }
            }
            uptime = self.shared.clock.uptime();
        }
        yield_now().await;
        Ok(())
    }

    /// How long from now on no more of the connection should be read.
    fn wait(&self, uptime: Duration) -> Duration {
        let wait = self.pace.wait(uptime);
        match self.pace.is_ahead(uptime) {
            true => wait.max(self.shared.catch_up.wait(uptime)),
            false => wait,
        }
    }

    async fn read(&mut self, input: &mut BytesMut) -> Result<(), End> {
        let Shared { limits, clock, .. } = &*self.shared;
        let (bytes, read_at) = match &mut self.publishing {
            None => {
                let now = Instant::now();
                // A peer that always has something to say lets no timer fire.
                if now >= self.publish_deadline {
                    return Err(End::NoPublish(limits.rtmp_publish_deadline));
                }
                let idle = now + limits.rtmp_idle_before_publish;
                let read =
                    timeout_at(idle.min(self.publish_deadline), self.socket.read_buf(input)).await;
                let bytes = read.map_err(|_| match idle < self.publish_deadline {
                    true => End::Silent(limits.rtmp_idle_before_publish),
                    false => End::NoPublish(limits.rtmp_publish_deadline),
                })?;
                (bytes, clock.now())
            }
            Some(publishing) => loop {
                if let Some(fault) = publishing.vigil.fault() {
                    return Err(End::Useless(fault));
                }
                let began = clock.uptime();
                let look_at = clock.instant(began + limits.rtmp_look).into();
                tokio::select! {
                    // Where it was long until this was looked at, and there is something, that
                    // comes out of it and not the timeout.
                    read = timeout_at(look_at, self.socket.read_buf(input)) => {
                        let now = clock.now();
                        match read {
                            Ok(bytes) => {
                                let waited = now.uptime.saturating_sub(began);
                                publishing.vigil.heard(waited.min(limits.rtmp_look));
                                publishing.tell_absence(now, limits.rtmp_look);
                                break (bytes, now);
                            }
                            Err(_) => {
                                publishing.vigil.heard_nothing(limits.rtmp_look);
                                publishing.session.heard_nothing(publishing.vigil.silent());
                                publishing.tell_absence(now, Duration::ZERO);
                            }
                        }
                    },
                    reason = publishing.stop.received() => return Err(End::Stopped(reason)),
                }
            },
        };
        self.read_at = read_at;
        match bytes.map_err(End::Io)? {
            0 => Err(End::Closed),
            bytes => {
                self.count(bytes);
                Ok(())
            }
        }
    }

    fn count(&self, bytes: usize) {
        self.shared.metrics.rtmp_received_bytes.add(bytes as u64);
        if let Some(publishing) = &self.publishing {
            publishing.session.heard(bytes);
        }
    }

    /// Sends all answers. A publisher that is asked to end meanwhile ends, whether it reads them or
    /// not; what is left then can still be sent.
    async fn transmit(&mut self) -> Result<(), End> {
        let limit = self.shared.limits.rtmp_write;
        loop {
            while self.answer.has_remaining() {
                let write = async {
                    self.socket.write_buf(&mut self.answer).await?;
                    self.socket.flush().await
                };
                let write = timeout(limit, write);
                let written = match &mut self.publishing {
                    None => write.await,
                    Some(publishing) => tokio::select! {
                        written = write => written,
                        reason = publishing.stop.received() => return Err(End::Stopped(reason)),
                    },
                };
                written.map_err(|_| End::Stuck(limit))?.map_err(End::Io)?;
            }
            match self.rtmp.poll_transmit() {
                Some(answer) => self.answer = answer,
                None => return Ok(()),
            }
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::PublishRequested(request) => self.publish(request).await,
            Event::Media(message) => self.media(message).await,
            Event::Unpublish => {
                self.unpublish("stopped by the publisher", Departure::Stopped);
                Ok(())
            }
        }
    }

    async fn publish(&mut self, request: PublishRequest) -> Result<(), End> {
        // One connection carries one stream at a time.
        self.unpublish("replaced by the same connection", Departure::Stopped);
        let permitted = self.permit(request).await;
        match permitted.and_then(|attempt| self.begin(attempt)) {
            Ok(publishing) => {
                self.shared.metrics.publish_accepted.add(1);
                let by = match self.socket {
                    Socket::Plain(_) => Transport::Tcp,
                    Socket::Tls(_) => Transport::Tls,
                };
                let viewers = self.shared.viewers_port(self.peer.ip(), by);
                let start = PublishStart { name: publishing.name.clone(), viewers };
                self.publishing = Some(publishing);
                // Asking whether it may took time, and no media is of before its stay.
                self.read_at = self.shared.clock.now();
                self.seat.leave();
                self.rtmp.accept_publish_and_tell(&start);
                Ok(())
            }
            Err(refusal) => {
                self.shared.metrics.publish_refused.add(refusal);
                self.rtmp.reject_publish(refusal);
                Err(End::Refused(refusal))
            }
        }
    }

    /// Whether the key opens the name. Who came with wrong keys before waits first, at the cost of
    /// this connection alone.
    async fn permit(&self, request: PublishRequest) -> Result<PublishAttempt, Refusal> {
        if !self.shared.wait_out_wrong_secrets(self.peer.ip(), self.publish_deadline).await {
            self.log_refusal(Refusal::Undecided, "");
            return Err(Refusal::Undecided);
        }
        let PublishRequest { name, key, query } = request;
        let asked = name.clone();
        let attempt = PublishAttempt { name, naming: Naming::default(), key, peer: self.peer };
        let permitted = self.shared.registry().permit(attempt, self.shared.clock.now());
        let permitted = match (permitted, &self.shared.webhook) {
            (Ok(attempt), Some(webhook)) => self.ask(webhook, attempt, &query).await,
            (permitted, _) => permitted,
        };
        if let Err(refusal) = &permitted {
            let known = asked.filter(|name| self.shared.registry().is_known_name(name));
            let stream = known.as_ref().map_or("", |name| name.as_str());
            match *refusal {
                Refusal::Unauthorized => {
                    self.shared.note_wrong_secret(self.peer.ip(), Door::Publish, stream);
                }
                refusal => self.log_refusal(refusal, stream),
            }
        }
        permitted
    }

    fn log_refusal(&self, refusal: Refusal, stream: &str) {
        if let Some(held_back) = self.shared.admit_line(PeerLine::Refused, self.peer.ip()) {
            let reason = refusal.description();
            let ip = self.peer.ip();
            let says = match stream {
                "" => format!("{ip}: publisher refused: {reason}"),
                stream => format!("{stream}: publisher refused, from {ip}: {reason}"),
            };
            warn!(stream, reason, held_back, says, "publisher refused");
        }
    }

    /// What the webhook says of the attempt. Only this connection waits for it.
    async fn ask(
        &self,
        webhook: &Webhook,
        attempt: PublishAttempt,
        query: &PublishQuery,
    ) -> Result<PublishAttempt, Refusal> {
        let (Some(name), key) = (&attempt.name, attempt.key.as_ref()) else {
            return Err(Refusal::BadName);
        };
        let question = Question::publish(name, key, query, self.peer.ip());
        match webhook.ask(&question, self.shared.limits.webhook_wait).await {
            Ok(Verdict::Allowed) => Ok(attempt),
            Ok(Verdict::Denied(status)) => {
                debug!(status = status.as_u16(), "the webhook denied it");
                Err(Refusal::Unauthorized)
            }
            Err(error) => {
                self.shared.metrics.webhook_failures.add(1);
                if let Some(held_back) = self.shared.admit_line(PeerLine::Refused, self.peer.ip()) {
                    let says = format!(
                        "{name}: publisher refused, from {}: nobody said whether it may: --auth-webhook: {error}.",
                        self.peer.ip()
                    );
                    warn!(%error, held_back, says, "the webhook gave no answer");
                }
                Err(Refusal::Undecided)
            }
        }
    }

    fn begin(&self, attempt: PublishAttempt) -> Result<Publishing, Refusal> {
        // As it is permitted: what was asked for may have been a key in the place of the name.
        let name = attempt.name.clone();
        let admission = self.shared.registry().publish(attempt, self.shared.clock.now());
        let started = admission.and_then(|admission| self.start(&admission));
        if let Err(refusal) = &started {
            self.log_refusal(*refusal, name.as_ref().map_or("", |name| name.as_str()));
        }
        started
    }

    fn start(&self, admission: &Admission) -> Result<Publishing, Refusal> {
        let name = admission.publication.name().clone();
        let span = info_span!("stream", id = %name);
        let (sender, receiver) = feed(&self.shared.limits);
        let publishing = Publishing {
            session: Arc::clone(&admission.session),
            publication: Arc::clone(&admission.publication),
            feed: sender,
            stop: admission.session.stop_signal(),
            vigil: Vigil::new(&self.shared.limits, self.rtmp.received().media_bytes),
            forwards: Forwards::start(&self.shared, &name, self.peer.ip(), &span),
            name,
            is_absent: false,
            looked: self.shared.clock.now(),
            backlog: Duration::ZERO,
            span: span.clone(),
            departure: Departure::Vanished,
            shared: Arc::clone(&self.shared),
        };
        let ip = self.peer.ip();
        if let Err(error) = worker::spawn(&self.shared, admission, receiver, &span) {
            if let Some(held_back) = self.shared.admit_line(PeerLine::NoThread, ip) {
                let says = format!(
                    "{}: publisher refused, as the system gives no thread for it: {error}.",
                    publishing.name
                );
                span.in_scope(|| error!(%error, held_back, says, "no thread for the stream"));
            }
            return Err(Refusal::TooManyStreams);
        }
        if let Some(held_back) = self.shared.admit_line(PeerLine::Connected, ip) {
            let says = format!("{}: publisher connected from {ip}.", publishing.name);
            span.in_scope(|| info!(held_back, says, "publisher connected"));
        }
        Ok(publishing)
    }

    async fn media(&mut self, message: Message) -> Result<(), End> {
        // Media behind an unpublish is late: nobody wants it any more.
        let Some(publishing) = &mut self.publishing else { return Ok(()) };
        if message.kind != MediaKind::Script {
            publishing.vigil.message();
            publishing.is_absent = false;
        }
        let Message { kind, timestamp_ms, payload } = message;
        let payload = publishing.hold(payload).await?;
        let message = Message { kind, timestamp_ms, payload };
        publishing.forwards.push(&message);
        let fed = Fed {
            kind: tag_kind(kind),
            timestamp_ms,
            payload: message.payload,
            arrival: self.read_at,
        };
        let late_input = self.shared.limits.late_input;
        tokio::select! {
            biased;
            sent = publishing.feed.send(fed) => sent.map_err(|_| End::Stopped(StopReason::WorkerFailed))?,
            reason = publishing.stop.received() => return Err(End::Stopped(reason)),
            () = is_late(&self.socket, &mut self.closed_at, late_input) => return Err(End::Closed),
        }
        Ok(())
    }

    /// Ends the present stay, if there is one; a new one may follow on this connection. Of who says
    /// that he stops what waits for the transcoder is worked off for a moment.
    fn unpublish(&mut self, reason: &str, departure: Departure) {
        let Some(mut publishing) = self.publishing.take() else { return };
        publishing.departure = departure;
        if departure == Departure::Stopped {
            publishing.backlog = self.shared.limits.backlog;
        }
        publishing.tell_missing();
        if let Some(held_back) = self.shared.admit_line(PeerLine::Gone, self.peer.ip()) {
            let says = publishing.farewell(reason);
            let received_bytes = publishing.session.received_bytes();
            publishing
                .span
                .in_scope(|| info!(reason, received_bytes, held_back, says, "publisher gone"));
        }
        self.publish_deadline = Instant::now() + self.shared.limits.rtmp_publish_deadline;
        self.seat.come_back();
    }

    async fn finish(mut self, end: &End) {
        let was_publishing = self.publishing.is_some();
        if let End::Protocol(error) = end {
            self.shared.metrics.rtmp_protocol_errors.add(1);
            let stream = self.publishing.as_ref().map_or("", |publishing| publishing.name.as_str());
            if let Some(held_back) = self.shared.admit_line(PeerLine::BadInput, self.peer.ip()) {
                let says = self.say_bad_input(stream, error);
                let error = chain(error);
                warn!(stream, error, held_back, says, "rtmp connection ended by bad input");
            }
        }
        if let End::Stopped(StopReason::ShuttingDown) = end
            && let Some(publishing) = &mut self.publishing
        {
            // At the end of the process the workers have that long in any case.
            publishing.backlog = self.shared.limits.shutdown / 2;
        }
        let departure = match end {
            End::Stopped(
                StopReason::Kicked | StopReason::VideoCodec | StopReason::ShortSegments,
            ) => Departure::Stopped,
            _ => Departure::Vanished,
        };
        match end {
            // The line before says what was wrong, and where.
            End::Protocol(_) => self.unpublish("hung up on for bad input", departure),
            end => self.unpublish(&end.to_string(), departure),
        }
        self.say_why(end);
        if !was_publishing && !matches!(end, End::Protocol(_) | End::Refused(_)) {
            debug!(reason = %end, "rtmp connection ended");
        }
        // A flood is not told why, and not read to its end.
        let is_flood = matches!(
            end,
            End::Protocol(rtmp::Error::TooManyMessages { .. } | rtmp::Error::TooMuchInput { .. })
        );
        if matches!(end, End::Protocol(_) | End::Refused(_) | End::Stopped(_) | End::NoMemory)
            && !is_flood
            && self.transmit().await.is_ok()
        {
            self.linger().await;
        }
    }

    /// What is wrong with a peer's bytes, for the log. Most who come with another protocol are
    /// people that mistook a port.
    fn say_bad_input(&self, stream: &str, error: &rtmp::Error) -> String {
        let ip = self.peer.ip();
        match error {
            rtmp::Error::Version { actual: b'G' | b'H' | b'O' | b'P' } => format!(
                "{ip}: bad input on the RTMP port, from a browser or another HTTP client; people \
                 watch at {}/, encoders publish to rtmp://.",
                self.shared.watch_base
            ),
            rtmp::Error::Version { actual: 0x16 } => format!(
                "{ip}: bad input on the RTMP port, it speaks TLS; encoders use rtmp:// here, and \
                 rtmps:// on --rtmps-addr, which wants a certificate."
            ),
            rtmp::Error::Version { actual } => format!(
                "{ip}: bad input on the RTMP port, another protocol that begins with {actual:#04x}; \
                 if it is an encoder of yours, set it to RTMP."
            ),
            rtmp::Error::StreamName { source, .. } => format!(
                "{ip}: publisher refused for bad input, {source}. {}",
                Refusal::BadName.description()
            ),
            error if stream.is_empty() => {
                format!("{ip}: bad input on the RTMP port, hung up on: {}.", chain(error))
            }
            error => format!("{stream}: bad input from {ip}, hung up on: {}.", chain(error)),
        }
    }

    /// Tells a publisher that has to go why, where RTMP has a word for it.
    fn say_why(&mut self, end: &End) {
        match end {
            End::Stopped(StopReason::Replaced) => self.rtmp.reject_publish(Refusal::NameInUse),
            End::Stopped(StopReason::MadeRoom) => self.rtmp.reject_publish(Refusal::TooManyStreams),
            End::Stopped(StopReason::VideoCodec) => self.rtmp.reject_publish(Refusal::VideoCodec),
            End::Stopped(StopReason::ShortSegments) => {
                self.rtmp.reject_publish(Refusal::ShortSegments);
            }
            End::Stopped(StopReason::ShuttingDown) => {
                self.rtmp.reject_publish(Refusal::ShuttingDown)
            }
            End::NoMemory => self.rtmp.reject_publish(Refusal::NoMemory),
            _ => {}
        }
    }

    /// Closes our side and reads on for a moment: TCP throws answers away when unread input is left
    /// at the close.
    async fn linger(&mut self) {
        let (limit, max_bytes) = self.shared.limits.rtmp_linger;
        let mut input = BytesMut::with_capacity(4096);
        let read = async {
            self.socket.shutdown().await?;
            let mut total = 0;
            while total < max_bytes {
                input.clear();
                match self.socket.read_buf(&mut input).await? {
                    0 => break,
                    bytes => total += bytes,
                }
            }
            io::Result::Ok(())
        };
        // Whatever happens here, the connection is over.
        let _ = timeout(limit, read).await;
    }
}

impl Publishing {
    /// Viewers have a still picture while it is waited for.
    fn tell_missing(&self) {
        let Self { session, name, departure, shared, .. } = self;
        let outlook = shared.registry().outlook(name, session, *departure);
        if let (Outlook::Waits(time), Departure::Vanished) = (outlook, departure) {
            shared.tell_degraded(name, session, Degradation::PublisherMissing, || {
                format!("the publisher is gone, and is waited for: {}", words::time(time))
            });
        }
    }

    /// What the log says when it leaves.
    fn farewell(&self, reason: &str) -> String {
        let Self { session, name, departure, shared, .. } = self;
        let time = words::time(shared.clock.now().since(session.since()));
        let size = words::size(session.received_bytes());
        let outlook = shared.registry().outlook(name, session, *departure);
        let outlook = match (outlook, departure) {
            (Outlook::Waits(time), Departure::Vanished) => {
                format!("; waiting {} for it to come back", words::time(time))
            }
            (Outlook::Waits(time), Departure::Stopped) => {
                format!("; the stream ends in {}", words::time(time))
            }
            (Outlook::NothingToWatch, _) => "; nothing could be watched yet".to_owned(),
            (Outlook::NotAwaited, _) => String::new(),
        };
        format!("{name}: publisher gone after {time}, {size} ({reason}){outlook}.")
    }

    /// Lets a slate stand in where no media has come for a while and the playlists have to go on;
    /// then with each look, as the slate goes on in time with the clock. Nothing is done where the
    /// last look was not so long ago: a peer may send bytes all the time that are no media.
    fn tell_absence(&mut self, now: Moment, not_within: Duration) {
        let Some(missing) = self.vigil.missing() else { return };
        if now.since(self.looked) < not_within {
            return;
        }
        self.looked = now;
        if !self.is_absent {
            let registry = self.shared.registry();
            self.is_absent = registry.must_go_on_without(&self.name, &self.session, now);
        }
        if self.is_absent {
            self.feed.tell_absence(Absence { since: now.before(missing), now });
        }
    }

    /// Counts a message as held by the stream. Where it may not hold so much, its windows are cut
    /// down; where that is not enough, the publisher waits for viewers to have what they read.
    async fn hold(&mut self, mut payload: Bytes) -> Result<Bytes, End> {
        let mut waited = Duration::ZERO;
        loop {
            payload = match self.publication.account().try_hold(payload) {
                Ok(held) => return Ok(held),
                Err(payload) => payload,
            };
            let excess = self.publication.account().excess(&payload);
            if self.publication.cut_down(excess) {
                continue;
            }
            if waited >= self.shared.limits.memory_wait {
                return Err(End::NoMemory);
            }
            tokio::select! {
                () = sleep(MEMORY_POLL) => waited += MEMORY_POLL,
                reason = self.stop.received() => return Err(End::Stopped(reason)),
            }
        }
    }
}

impl Drop for Publishing {
    /// Tells the registry whatever way the stay ends, also where its task is dropped.
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        self.session.end_backlog(now.after(self.backlog));
        self.shared.registry().publisher_gone(&self.name, &self.session, self.departure, now);
    }
}

/// Resolves where the peer closed the connection so long ago, as a peer does that has gone: what it
/// had sent by then may be minutes of work.
async fn is_late(socket: &Socket<TcpStream>, closed_at: &mut Option<Instant>, time: Duration) {
    let closed_at = loop {
        if let Some(closed_at) = *closed_at {
            break closed_at;
        }
        // Where nothing waits to be read, the next read says so.
        let Ok(ready) = socket.tcp().ready(Interest::READABLE).await else {
            return pending().await;
        };
        if ready.is_read_closed() {
            *closed_at = Some(Instant::now());
        } else {
            sleep(HANG_UP_POLL).await;
        }
    };
    sleep_until(closed_at + time).await;
}

/// An error with everything below it.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

fn tag_kind(kind: MediaKind) -> TagKind {
    match kind {
        MediaKind::Audio => TagKind::Audio,
        MediaKind::Video => TagKind::Video,
        MediaKind::Script => TagKind::Script,
    }
}
