//! Tells somebody else what becomes of streams: a POST with JSON for each event, one after the
//! other in their order, again until any 2xx comes back.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hyper::StatusCode;
use pipeline::Notice;
use rtmp::StreamName;
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::clock::Moment;
use crate::limits::Limits;
use crate::registry::{Ending, Start};
use crate::session::Session;
use crate::shared::Shared;
use crate::sync::lock;
use crate::throttle::Throttle;
use crate::viewer_secret::{LEAST_SECRET_BYTES, ShortSecret};
use crate::webhook::{Webhook, WebhookError, WebhookUrl, random_uuid};
use crate::words;

/// While the process ends nobody has the time for long pauses.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// A receiver that is away is said so this often at most.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Who is told what becomes of streams.
#[derive(Clone, Debug)]
pub struct EventWebhook {
    /// Where events are posted to.
    pub url: WebhookUrl,
    /// What they are signed with, where they are.
    pub secret: Option<EventSecret>,
}

/// What events are signed with. `Debug` does not show it.
#[derive(Clone)]
pub struct EventSecret(String);

impl EventSecret {
    /// Takes any text of 16 bytes or more.
    ///
    /// # Errors
    /// It is shorter: whoever sees an event could guess it.
    pub fn new(secret: &str) -> Result<Self, ShortSecret> {
        match secret.len() {
            actual if actual < LEAST_SECRET_BYTES => Err(ShortSecret { actual }),
            _ => Ok(Self(secret.to_owned())),
        }
    }

    /// `sha256=` and the HMAC-SHA-256 of the body in hexadecimal, as GitHub's webhooks have it.
    fn signature(&self, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes());
        let mac = mac.expect("HMAC takes keys of any length").chain_update(body);
        let digits = mac.finalize().into_bytes();
        let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={digits}")
    }
}

impl fmt::Debug for EventSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSecret")
    }
}

/// What makes a stream worse for those who watch. The words are promised in docs/hooks.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Degradation {
    /// The publisher is gone, and waited for.
    PublisherMissing,
    /// Renditions lack pictures, as the machine is too slow for all of them.
    MachineTooSlow,
    /// There is no memory to make renditions as pictures come.
    MemoryShort,
    /// Keyframes are so far apart, or missing, that source is not cut as it should be.
    KeyframesFarApart,
    /// Renditions cannot be made of the video, or of some of its pictures only.
    VideoNotDecodable,
    /// A track is left out: of a codec that is not carried, or come too late.
    TrackLeftOut,
    /// Parts of what the publisher sends are damaged.
    Damaged,
}

impl Degradation {
    /// What a notice means for those who watch; None where they notice nothing.
    fn of(notice: &Notice) -> Option<Self> {
        match notice {
            Notice::Shed(_) => Some(Self::MachineTooSlow),
            Notice::LongKeyframeInterval | Notice::NoKeyframe | Notice::NoKeyframeYet => {
                Some(Self::KeyframesFarApart)
            }
            Notice::Undecodable(_) | Notice::TooMuchToDecode => Some(Self::VideoNotDecodable),
            Notice::UnsupportedCodec(_) | Notice::UnsupportedAudio(_) | Notice::TrackLeftOut(_) => {
                Some(Self::TrackLeftOut)
            }
            Notice::DamagedAudio(_) | Notice::CodecFailed(_) => Some(Self::Damaged),
            _ => None,
        }
    }
}

/// What has happened to a stream.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
enum What {
    #[serde(rename = "stream.started")]
    Started { reason: &'static str },
    #[serde(rename = "stream.degraded")]
    Degraded { reason: Degradation, detail: String },
    #[serde(rename = "stream.stopped")]
    Stopped { reason: &'static str, live_seconds: u64, received_bytes: u64 },
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "stream.started",
            Self::Degraded { .. } => "stream.degraded",
            Self::Stopped { .. } => "stream.stopped",
        }
    }
}

/// An event as it is posted. There is no address in it, and no key.
#[derive(Debug, Serialize)]
struct Event {
    /// The same in each try, so that a receiver knows what it has already.
    id: String,
    /// When it happened.
    time: String,
    stream: String,
    #[serde(flatten)]
    what: What,
}

/// What of a stay was told: each degradation once, and none before there was something to watch.
#[derive(Debug, Default)]
pub(crate) struct Story {
    has_started: bool,
    degradations: Vec<(Degradation, String)>,
}

/// Events on their way to their receiver.
#[derive(Debug)]
pub(crate) struct Events {
    webhook: Webhook,
    secret: Option<EventSecret>,
    most: usize,
    waiting: Mutex<VecDeque<Event>>,
    /// Those that wait, and the one that is being told.
    pending: watch::Sender<usize>,
    is_ending: watch::Sender<bool>,
    log: Mutex<Throttle>,
}

impl Events {
    pub(crate) fn new(webhook: Webhook, secret: Option<EventSecret>, limits: &Limits) -> Self {
        Self {
            webhook,
            secret,
            most: limits.events,
            waiting: Mutex::default(),
            pending: watch::Sender::new(0),
            is_ending: watch::Sender::new(false),
            log: Mutex::new(Throttle::new(LOG_INTERVAL)),
        }
    }

    /// Never waits. How many had to go for it: where there are too many, the oldest.
    fn push(&self, stream: &StreamName, what: What, now: Moment) -> u64 {
        let event = Event {
            id: random_uuid(),
            time: hls::rfc3339(now.unix_ms),
            stream: stream.to_string(),
            what,
        };
        let mut waiting = lock(&self.waiting);
        waiting.push_back(event);
        let is_over = waiting.len() > self.most;
        if is_over {
            waiting.pop_front();
        } else {
            self.pending.send_modify(|pending| *pending += 1);
        }
        u64::from(is_over)
    }

    async fn next(&self) -> Event {
        let mut pending = self.pending.subscribe();
        loop {
            let next = lock(&self.waiting).pop_front();
            if let Some(event) = next {
                return event;
            }
            // The sender is ours: there is one.
            let _ = pending.wait_for(|pending| *pending > 0).await;
        }
    }

    /// Waits until all have been told, or given up; from now on the pauses between tries are short.
    pub(crate) async fn finish(&self) {
        self.is_ending.send_replace(true);
        let _ = self.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    async fn pause(&self, pause: Duration) {
        let mut is_ending = self.is_ending.subscribe();
        // What it resolves to holds a lock, and is not to be kept.
        let ending = async {
            let _ = is_ending.wait_for(|is_ending| *is_ending).await;
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = ending => sleep(LAST_PAUSE.min(pause)).await,
        }
    }

    async fn post(&self, body: &str, patience: Duration) -> Result<(), Failure> {
        let signature = self.secret.as_ref().map(|secret| secret.signature(body));
        match self.webhook.post(body.to_owned(), signature.as_deref(), patience).await? {
            status if status.is_success() => Ok(()),
            status => Err(Failure::Status(status)),
        }
    }
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    NoAnswer(#[from] WebhookError),
}

/// Tells events one by one, for as long as the process lives.
pub(crate) async fn run(shared: &Shared) {
    let Some(events) = &shared.events else { return pending().await };
    let mut has_complained = false;
    loop {
        let event = events.next().await;
        match serde_json::to_string(&event) {
            Ok(body) => {
                has_complained = deliver(shared, events, &event, &body, has_complained).await
            }
            Err(error) => warn!(%error, "an event cannot be written as json"),
        }
        events.pending.send_modify(|pending| *pending -= 1);
    }
}

/// Tries until any 2xx comes back, a few times. Whether there was a complaint in the log that has
/// not been taken back.
async fn deliver(
    shared: &Shared,
    events: &Events,
    event: &Event,
    body: &str,
    mut has_complained: bool,
) -> bool {
    let limits = &shared.limits;
    let (name, stream) = (event.what.name(), &event.stream);
    let (mut pause, longest) = limits.event_pause;
    for left in (0..limits.event_tries).rev() {
        let failure = match events.post(body, limits.event_wait).await {
            Ok(()) => {
                shared.metrics.events_delivered.add(1);
                debug!(event = name, stream, "event told");
                if has_complained {
                    let says = "The --event-webhook takes events again.";
                    info!(says, "event webhook takes events again");
                }
                return false;
            }
            Err(failure) => failure,
        };
        let admitted = lock(&events.log).admit(shared.clock.now());
        if let Some(held_back) = admitted {
            has_complained = true;
            let next = match left {
                0 => "it is given up".to_owned(),
                _ => format!("the next try is in {}", words::time(pause)),
            };
            let says =
                format!("{stream}: {name} did not reach the --event-webhook, {next}: {failure}.");
            warn!(event = name, stream, error = %failure, held_back, says, "event not told");
        }
        if left > 0 {
            events.pause(pause).await;
            pause = (pause * 2).min(longest);
        }
    }
    shared.metrics.events_failed.add(1);
    has_complained
}

impl Shared {
    /// The first segment of a stay is there. What was amiss before it is told behind it.
    pub(crate) fn tell_started(&self, stream: &StreamName, session: &Session, start: Start) {
        let reason = match start {
            Start::First => "published",
            Start::Again => "publisher_back",
        };
        let mut story = lock(session.story());
        story.has_started = true;
        self.tell(stream, What::Started { reason });
        for (reason, detail) in story.degradations.clone() {
            self.tell(stream, What::Degraded { reason, detail });
        }
    }

    /// A notice about what the publisher sends, or about what is made of it.
    pub(crate) fn tell_notice(&self, stream: &StreamName, session: &Session, notice: &Notice) {
        if let Some(degradation) = Degradation::of(notice) {
            self.tell_degraded(stream, session, degradation, || notice.to_string());
        }
    }

    /// Something makes the stream worse; `detail` says it to people. Each is told once in a stay.
    pub(crate) fn tell_degraded(
        &self,
        stream: &StreamName,
        session: &Session,
        reason: Degradation,
        detail: impl FnOnce() -> String,
    ) {
        if self.events.is_none() {
            return;
        }
        let mut story = lock(session.story());
        if story.degradations.iter().any(|(told, _)| *told == reason) {
            return;
        }
        let detail = detail();
        story.degradations.push((reason, detail.clone()));
        if story.has_started {
            self.tell(stream, What::Degraded { reason, detail });
        }
    }

    /// A stream that could be watched is over.
    pub(crate) fn tell_stopped(&self, stream: &StreamName, ending: Ending) {
        let Ending { reason, live, received_bytes } = ending;
        let (reason, live_seconds) = (reason.as_str(), live.as_secs());
        self.tell(stream, What::Stopped { reason, live_seconds, received_bytes });
    }

    fn tell(&self, stream: &StreamName, what: What) {
        let Some(events) = &self.events else { return };
        let dropped = events.push(stream, what, self.clock.now());
        self.metrics.events_dropped.add(dropped);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use rtmp::StreamKey;
    use serde_json::Value;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::Config;
    use crate::registry::EndReason;

    const SECRET: &str = "0123456789abcdef";
    const GOOD: &str = "HTTP/1.1 204 No Content\r\n\r\n";

    /// A receiver that does as a test says.
    struct Receiver(TcpListener);

    /// A request as it came.
    #[derive(Debug)]
    struct Posted {
        head: String,
        body: String,
    }

    impl Posted {
        fn value(&self, key: &str) -> Value {
            serde_json::from_str::<Value>(&self.body).unwrap()[key].take()
        }

        fn name(&self) -> String {
            let (kind, stream) = (self.value("type"), self.value("stream"));
            let (kind, stream) = (kind.as_str().unwrap(), stream.as_str().unwrap());
            format!("{stream} {kind} {}", self.value("reason").as_str().unwrap())
        }
    }

    impl Receiver {
        /// A server that tells it events, with pauses of a few milliseconds between tries.
        async fn told_by(limits: Limits) -> (Self, Arc<Shared>) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/events", listener.local_addr().unwrap());
            let url = WebhookUrl::parse(&url).unwrap();
            let secret = Some(EventSecret::new(SECRET).unwrap());
            let event_webhook = Some(EventWebhook { url, secret });
            let config = Config { event_webhook, ..Config::default() };
            (Self(listener), Shared::new(&config, limits))
        }

        async fn take(&self) -> (TcpStream, Posted) {
            let (mut socket, _) = self.0.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let read = socket.read(&mut bytes).await.unwrap();
                assert!(read > 0, "{request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            (socket, Posted { head: head.to_owned(), body: body.to_owned() })
        }

        async fn answer(&self, answer: &str) -> Posted {
            let (mut socket, posted) = self.take().await;
            socket.write_all(answer.as_bytes()).await.unwrap();
            posted
        }
    }

    fn quick() -> Limits {
        let event_pause = (Duration::from_millis(1), Duration::from_millis(4));
        Limits { event_pause, ..Limits::default() }
    }

    fn name(text: &str) -> StreamName {
        StreamName::parse(text).unwrap()
    }

    fn session(shared: &Shared) -> Session {
        let peer = SocketAddr::from(([192, 0, 2, 9], 5000));
        Session::new(1, peer, Some(StreamKey::new("hunter2")), shared.clock.now())
    }

    /// `receive`, while events are told.
    async fn while_told<T>(shared: &Shared, receive: impl Future<Output = T>) -> T {
        tokio::select! {
            () = run(shared) => unreachable!("it never ends"),
            received = receive => received,
        }
    }

    #[tokio::test]
    async fn an_event_is_told_until_a_2xx_and_keeps_its_id() {
        let (receiver, shared) = Receiver::told_by(quick()).await;
        let stay = session(&shared);
        shared.tell_started(&name("cam"), &stay, Start::First);
        shared.tell_degraded(&name("cam"), &stay, Degradation::Damaged, || "a detail".to_owned());
        let received = while_told(&shared, async {
            let mut received = Vec::new();
            for answer in [
                "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
                "",
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\n\r\n",
                "RTMP\r\n\r\n",
                GOOD,
                "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{",
            ] {
                received.push(receiver.answer(answer).await);
            }
            shared.events.as_ref().unwrap().finish().await;
            received
        })
        .await;
        let [first, .., last] = &received[..] else { panic!("{received:?}") };
        for again in &received[1..5] {
            assert_eq!((&again.body, &again.head), (&first.body, &first.head), "all the same");
        }
        assert!(first.head.starts_with("POST /events HTTP/1.1\r\n"), "{}", first.head);
        assert_eq!(first.name(), "cam stream.started published");
        assert_eq!(last.name(), "cam stream.degraded damaged", "in their order");
        assert_eq!(last.value("detail"), "a detail");
        assert_ne!(first.value("id"), last.value("id"));
        let time = first.value("time");
        assert!(
            time.as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')),
            "{time}"
        );
        for secret in ["hunter2", "192.0.2.9", SECRET] {
            assert!(!format!("{received:?}").contains(secret), "{secret} in {received:?}");
        }
        assert_eq!(shared.metrics.events_delivered.value(), 2);
        assert_eq!(shared.metrics.events_failed.value(), 0);
    }

    #[tokio::test]
    async fn who_says_nothing_or_never_ends_holds_up_nobody() {
        let limits = Limits { event_wait: Duration::from_millis(50), ..quick() };
        let (receiver, shared) = Receiver::told_by(limits).await;
        shared.tell_started(&name("cam"), &session(&shared), Start::First);
        let ended = while_told(&shared, async {
            let (silent, _) = receiver.take().await;
            for babble in [
                "HTTP/1.1 200 OK\r\n".to_owned() + &"X-Field: again and again\r\n".repeat(1000),
                "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
                "HTTP/1.1 200 ".to_owned() + &"a".repeat(20_000),
            ] {
                let (mut socket, _) = receiver.take().await;
                // Until nobody listens any more.
                while socket.write_all(babble.as_bytes()).await.is_ok() {}
            }
            drop(silent);
            receiver.answer(GOOD).await;
            shared.events.as_ref().unwrap().finish().await;
        });
        ended.await;
        assert_eq!(shared.metrics.events_delivered.value(), 1);
    }

    #[tokio::test]
    async fn what_is_never_taken_is_given_up_and_the_next_is_told() {
        let (receiver, shared) = Receiver::told_by(Limits { event_tries: 3, ..quick() }).await;
        for stream in ["unloved", "cam"] {
            shared.tell_started(&name(stream), &session(&shared), Start::Again);
        }
        let next = while_told(&shared, async {
            for _ in 0..3 {
                let refused = receiver.answer("HTTP/1.1 404 Not Found\r\n\r\n").await;
                assert_eq!(refused.value("stream"), "unloved");
            }
            let next = receiver.answer(GOOD).await;
            shared.events.as_ref().unwrap().finish().await;
            next
        })
        .await;
        assert_eq!(next.name(), "cam stream.started publisher_back");
        assert_eq!(shared.metrics.events_failed.value(), 1);
        assert_eq!(shared.metrics.events_delivered.value(), 1);
    }

    #[tokio::test]
    async fn where_too_many_wait_the_oldest_is_dropped_and_counted() {
        let (receiver, shared) = Receiver::told_by(Limits { events: 3, ..quick() }).await;
        for stream in ["a", "b", "c", "d", "e"] {
            shared.tell_started(&name(stream), &session(&shared), Start::First);
        }
        assert_eq!(shared.metrics.events_dropped.value(), 2);
        while_told(&shared, async {
            for stream in ["c", "d", "e"] {
                assert_eq!(receiver.answer(GOOD).await.value("stream"), stream);
            }
            shared.events.as_ref().unwrap().finish().await;
        })
        .await;
        assert_eq!(shared.metrics.events_delivered.value(), 3);
    }

    /// The pause would be an hour: the test ends because it is cut short.
    #[tokio::test]
    async fn the_end_of_the_process_waits_for_no_long_pause() {
        let hour = Duration::from_secs(3600);
        let limits = Limits { event_pause: (hour, hour), ..Limits::default() };
        let (receiver, shared) = Receiver::told_by(limits).await;
        let ending = Ending {
            reason: EndReason::ServerStopping,
            live: Duration::from_millis(61_900),
            received_bytes: 4711,
        };
        shared.tell_stopped(&name("cam"), ending);
        let stopped = while_told(&shared, async {
            receiver.answer("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
            let again = async { receiver.answer(GOOD).await };
            let (stopped, ()) = tokio::join!(again, shared.events.as_ref().unwrap().finish());
            stopped
        })
        .await;
        assert_eq!(stopped.name(), "cam stream.stopped server_stopping");
        assert_eq!(stopped.value("live_seconds"), 61);
        assert_eq!(stopped.value("received_bytes"), 4711);
    }

    #[tokio::test]
    async fn what_was_amiss_before_the_start_is_told_behind_it_and_once() {
        let (receiver, shared) = Receiver::told_by(quick()).await;
        let stay = session(&shared);
        let keyframes = [Notice::NoKeyframeYet, Notice::LongKeyframeInterval];
        for notice in &keyframes {
            shared.tell_notice(&name("cam"), &stay, notice);
        }
        shared.tell_notice(&name("cam"), &stay, &Notice::SoundTooLate);
        shared.tell_started(&name("cam"), &stay, Start::First);
        for notice in &keyframes {
            shared.tell_notice(&name("cam"), &stay, notice);
        }
        shared.tell_notice(&name("cam"), &stay, &Notice::Shed("P144p30fps16x9".to_owned()));
        while_told(&shared, async {
            for reason in ["published", "keyframes_far_apart", "machine_too_slow"] {
                assert_eq!(receiver.answer(GOOD).await.value("reason"), reason);
            }
            shared.events.as_ref().unwrap().finish().await;
        })
        .await;
        assert_eq!(shared.metrics.events_delivered.value(), 3);
    }

    #[test]
    fn reasons_are_the_words_of_the_docs() {
        let words = [
            Degradation::PublisherMissing,
            Degradation::MachineTooSlow,
            Degradation::MemoryShort,
            Degradation::KeyframesFarApart,
            Degradation::VideoNotDecodable,
            Degradation::TrackLeftOut,
            Degradation::Damaged,
        ]
        .map(|reason| serde_json::to_value(reason).unwrap());
        let expected = [
            "publisher_missing",
            "machine_too_slow",
            "memory_short",
            "keyframes_far_apart",
            "video_not_decodable",
            "track_left_out",
            "damaged",
        ];
        assert_eq!(words, expected);
        let words = [
            EndReason::PublisherStopped,
            EndReason::PublisherGone,
            EndReason::Kicked,
            EndReason::PublisherRefused,
            EndReason::ServerFailed,
            EndReason::ServerStopping,
        ]
        .map(EndReason::as_str);
        let expected = [
            "publisher_stopped",
            "publisher_gone",
            "kicked",
            "publisher_refused",
            "server_failed",
            "server_stopping",
        ];
        assert_eq!(words, expected);
    }

    /// `printf %s '{"id":"1"}' | openssl dgst -sha256 -hmac 0123456789abcdef`
    #[test]
    fn a_signature_is_what_openssl_says() {
        let signature = EventSecret::new(SECRET).unwrap().signature("{\"id\":\"1\"}");
        assert_eq!(
            signature,
            "sha256=4883735ecc1a7c87abe469367b9a53985bc6659fdf34419bf61569c2a176a20e"
        );
        assert!(EventSecret::new("too short").is_err());
        assert!(!format!("{:?}", EventSecret::new(SECRET)).contains(SECRET));
    }
}
