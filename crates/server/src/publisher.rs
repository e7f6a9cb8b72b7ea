//! `feathercast publish`: sends files or the test signal to an RTMP server, in real time, for as
//! long as it takes.
//!
//! ```text
//! playlist or test signal -> feed (a thread) -> tags -> publisher (paces, reconnects) -> link -> socket
//! ```

mod feed;
mod foresight;
pub(crate) mod link;
mod playlist;
mod progress;
mod retry;
mod tags;

use std::path::PathBuf;
use std::time::Duration;

use media::Timestamp;
use pipeline::TestSignalConfig;
use rtmp::{PublishStart, PublishUrl, ServerRefusal};
pub use source::OnFault;
use tokio::runtime::Builder;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use self::feed::Feed;
use self::foresight::Foresight;
use self::link::{Gone, Link};
use self::progress::Meter;
pub use self::progress::Progress;
use self::retry::{Retry, Verdict};
use self::tags::Tags;
use crate::clock::Clock;
use crate::shutdown::Signals;
use crate::tls::{CertificateError, TlsClient};

/// What to publish, where, and for how long.
#[derive(Clone, Debug)]
pub struct PublishConfig {
    /// The server and the stream.
    pub url: PublishUrl,
    /// What to send.
    pub programme: Programme,
    /// End after this long, counted from when the server first said yes.
    pub stop_after: Option<Duration>,
    /// How often [`PublishReport::Progress`] comes.
    pub progress_interval: Duration,
    /// A PEM file with the certificates of the authorities to trust instead of Mozilla's.
    pub ca: Option<PathBuf>,
}

/// What to send.
#[derive(Clone, Debug)]
pub enum Programme {
    /// Files, one behind the other.
    Files {
        /// At least one.
        paths: Vec<PathBuf>,
        /// Start again behind the last one, for ever.
        repeat: bool,
        /// What becomes of what is damaged in them, or cannot be carried.
        on_fault: OnFault,
    },
    /// Picture and sound made here.
    TestSignal(TestSignalConfig),
}

/// What there is to tell while publishing.
#[derive(Debug)]
pub enum PublishReport<'a> {
    /// What is odd in a file, in one line.
    Warning(&'a str),
    /// What of a file is left out, and why, in one line.
    LeftOut(&'a str),
    /// The server takes the stream, at first or again, and says this if it is a feathercast.
    Publishing(Option<&'a PublishStart>),
    /// What a feathercast server will not do with the stream as it is, in one line.
    Foreseen(&'a str),
    /// The server is gone, or does not take the stream yet.
    Lost {
        /// Why, in one line.
        reason: &'a str,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// How it goes, once in each [`PublishConfig::progress_interval`].
    Progress(&'a Progress),
}

/// Why publishing failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file cannot be published.
    #[error("{}: {source}", path.display())]
    File {
        /// Its name, as it was given.
        path: PathBuf,
        /// What is wrong, and where.
        source: source::Error,
    },
    /// There is nothing in any of the files to go on with.
    #[error("{}: has no samples", path.display())]
    NothingToSend {
        /// The last of them.
        path: PathBuf,
    },
    /// The test signal cannot be made like this.
    #[error("test signal: {0}")]
    TestSignal(#[from] pipeline::TestSignalError),
    /// The server could not be reached in the first place.
    #[error("cannot publish to {url}: {reason}")]
    Unreachable {
        /// Where, without what may be a key.
        url: String,
        /// In one line.
        reason: String,
    },
    /// The server says no.
    #[error("{url} refused the stream: {reason}")]
    Refused {
        /// Where, without what may be a key.
        url: String,
        /// In the server's words.
        reason: ServerRefusal,
    },
    /// There are no authorities to trust in the file.
    #[error("--ca: {0}")]
    Authorities(#[from] CertificateError),
    /// The system gives no thread or no signal handlers.
    #[error("cannot start: {0}")]
    Runtime(#[source] std::io::Error),
}

/// Publishes until the programme ends, the time is over, or SIGINT or SIGTERM comes; all three are
/// good ends. When the server goes, it is tried again until it is back; the timestamps go on then.
/// What is damaged in a file is left out and reported, if it is not to be refused.
///
/// # Errors
/// What [`PublishError`] lists: bad files, and a server that refuses or was never there.
pub fn publish(
    config: PublishConfig,
    report: impl FnMut(PublishReport<'_>),
) -> Result<(), PublishError> {
    // One thread: a stream is some hundred small writes a second.
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(PublishError::Runtime)?.block_on(run(config, report))
}

/// As [`publish`], where there is a runtime already. Dropping it stops it at once.
pub(crate) async fn run(
    config: PublishConfig,
    report: impl FnMut(PublishReport<'_>),
) -> Result<(), PublishError> {
    let PublishConfig { url, programme, stop_after, progress_interval, ca } = config;
    let tls = TlsClient::new(ca.as_deref(), &[])?;
    let feed = Feed::open(programme)?;
    let signals = Signals::new().map_err(PublishError::Runtime)?;
    let ticks = interval(progress_interval);
    Publisher::new(url, tls, feed, stop_after, ticks, signals, report).run().await
}

struct Publisher<R> {
    url: PublishUrl,
    tls: TlsClient,
    feed: Feed,
    tags: Tags,
    foresight: Foresight,
    /// What is due next, and when, where that is known yet.
    next: Option<source::Sample>,
    due: Option<Instant>,
    meter: Meter,
    ticks: Interval,
    clock: Clock,
    signals: Signals,
    stop_after: Option<Duration>,
    deadline: Option<Instant>,
    report: R,
}

/// Why a stay at the server ended.
enum End {
    /// As it was meant to.
    Done,
    /// Stopped in the middle of a message: there is nobody to say goodbye to.
    Cut,
    Lost(Gone),
    Failed(PublishError),
}

/// How long media is left out after a reconnect to begin with a key picture. Files with intra
/// refresh have only one.
const LONGEST_SKIP: media::Duration = media::Duration::from_secs(10);

impl<R: FnMut(PublishReport<'_>)> Publisher<R> {
    fn new(
        url: PublishUrl,
        tls: TlsClient,
        feed: Feed,
        stop_after: Option<Duration>,
        mut ticks: Interval,
        signals: Signals,
        report: R,
    ) -> Self {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            url,
            tls,
            feed,
            tags: Tags::default(),
            foresight: Foresight::default(),
            next: None,
            due: None,
            meter: Meter::default(),
            ticks,
            clock: Clock::start(),
            signals,
            stop_after,
            deadline: None,
            report,
        }
    }

    async fn run(mut self) -> Result<(), PublishError> {
        let mut retry = Retry::default();
        loop {
            let Some(connected) = self.connect().await else { return Ok(()) };
            let end = match connected {
                Ok(link) => {
                    retry.connected(self.clock.now());
                    self.stay(link).await
                }
                Err(gone) => End::Lost(gone),
            };
            let gone = match end {
                End::Done | End::Cut => return Ok(()),
                End::Failed(error) => return Err(error),
                End::Lost(gone) => gone,
            };
            match retry.after(&gone, self.clock.now()) {
                Verdict::GiveUp => return Err(self.failure(gone)),
                Verdict::TryAgainIn(wait) => {
                    let reason = gone.to_string();
                    (self.report)(PublishReport::Lost { reason: &reason, retry_in: wait });
                    if !self.wait(wait).await {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn failure(&self, gone: Gone) -> PublishError {
        let url = self.url.to_string();
        match gone {
            Gone::Refused(reason) => PublishError::Refused { url, reason },
            other => PublishError::Unreachable { url, reason: other.to_string() },
        }
    }

    /// `None`: stopped meanwhile.
    async fn connect(&mut self) -> Option<Result<Link, Gone>> {
        tokio::select! {
            link = Link::open(&self.url, &self.tls) => Some(link),
            () = stopped(&mut self.signals, self.deadline) => None,
        }
    }

    /// Whether it was waited to the end.
    async fn wait(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = stopped(&mut self.signals, self.deadline) => false,
        }
    }

    async fn stay(&mut self, mut link: Link) -> End {
        (self.report)(PublishReport::Publishing(link.publish_start()));
        self.start_clock();
        let end = match self.send_all(&mut link).await {
            Ok(()) => End::Done,
            Err(end) => end,
        };
        if matches!(end, End::Done | End::Failed(_)) {
            link.close().await;
        }
        end
    }

    /// Begins or goes on: headers and metadata are sent again, the picture first is a key picture.
    fn start_clock(&mut self) {
        let now = Instant::now();
        self.deadline = self.deadline.or_else(|| Some(now + self.stop_after?));
        self.meter.connected();
        if !self.meter.has_sent() {
            // Whole intervals from here on: nothing was sent before.
            self.meter.start(self.clock.now());
            self.ticks.reset();
        }
        self.due = None;
        self.tags.forget_sent();
        self.feed.start(self.clock.now().unix_ms);
    }

    /// Sends each sample when it is due: the first at once, all others as long after it as their
    /// timestamps say, whatever was late in between.
    async fn send_all(&mut self, link: &mut Link) -> Result<(), End> {
        let Some(first) = self.first_sample(link).await? else { return Ok(()) };
        let start = Instant::now();
        while let Some(sample) = self.next.take() {
            let due = start + since(first, &sample);
            self.due = Some(due);
            if !self.until(due, link).await? {
                return Ok(());
            }
            self.send(&sample, link).await?;
            self.next = self.pull(link).await?;
        }
        Ok(())
    }

    /// The time of the sample to begin with, which is the next then.
    async fn first_sample(&mut self, link: &mut Link) -> Result<Option<Timestamp>, End> {
        if self.next.is_none() {
            self.next = self.pull(link).await?;
        }
        let Some(mut time) = self.next.as_ref().and_then(source::Sample::dts) else {
            return Ok(None);
        };
        let limit = time + LONGEST_SKIP;
        let resumes = self.meter.has_sent() && self.tags.has_video();
        while resumes && !self.next.as_ref().is_some_and(is_key) && time < limit {
            self.next = self.pull(link).await?;
            let Some(next) = self.next.as_ref().and_then(source::Sample::dts) else {
                return Ok(None);
            };
            time = next;
        }
        Ok(Some(time))
    }

    /// The next sample with a time; what comes between is noted. `None` at the end, and when
    /// stopped.
    async fn pull(&mut self, link: &mut Link) -> Result<Option<source::Sample>, End> {
        loop {
            let item = tokio::select! {
                item = self.feed.next() => item,
                _ = self.ticks.tick() => {
                    self.report_progress();
                    continue;
                }
                event = link.listen() => return Err(End::Lost(event)),
                () = stopped(&mut self.signals, self.deadline) => None,
            };
            match item.transpose().map_err(End::Failed)? {
                None => return Ok(None),
                Some(feed::Item::Warning(text)) => (self.report)(PublishReport::Warning(&text)),
                Some(feed::Item::LeftOut(text)) => (self.report)(PublishReport::LeftOut(&text)),
                Some(feed::Item::Metadata(metadata)) => self.tags.set_metadata(&metadata),
                Some(feed::Item::Sample(sample)) => {
                    if !self.tags.take_config(&sample) {
                        return Ok(Some(sample));
                    }
                }
            }
        }
    }

    /// Waits, and meanwhile listens and reports. False when stopped.
    async fn until(&mut self, due: Instant, link: &mut Link) -> Result<bool, End> {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut self.signals, self.deadline) => return Ok(false),
                () = sleep_until(due) => return Ok(true),
                gone = link.listen() => return Err(End::Lost(gone)),
                _ = self.ticks.tick() => self.report_progress(),
            }
        }
    }

    fn report_progress(&mut self) {
        self.note_behind();
        (self.report)(PublishReport::Progress(&self.meter.tick(self.clock.now())));
    }

    fn note_behind(&mut self) {
        if let Some(due) = self.due {
            self.meter.note_behind(Instant::now().saturating_duration_since(due));
        }
    }

    async fn send(&mut self, sample: &source::Sample, link: &mut Link) -> Result<(), End> {
        let is_ours = link.publish_start().is_some();
        for message in self.tags.messages(sample) {
            if let Some(at) = sample.dts().filter(|_| is_ours) {
                for text in self.foresight.look(&message, at, self.clock.now().unix_ms) {
                    (self.report)(PublishReport::Foreseen(&text));
                }
            }
            self.meter.sent(&message);
            link.queue(message).map_err(End::Lost)?;
        }
        let mut transmit = std::pin::pin!(link.transmit());
        let sent = loop {
            tokio::select! {
                sent = &mut transmit => break sent,
                _ = self.ticks.tick() => self.report_progress(),
                () = stopped(&mut self.signals, self.deadline) => return Err(End::Cut),
            }
        };
        sent.map_err(End::Lost)?;
        self.note_behind();
        self.meter.at(sample);
        Ok(())
    }
}

/// A signal, or the time is over.
async fn stopped(signals: &mut Signals, deadline: Option<Instant>) {
    let time_is_over = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = signals.next() => {}
        () = time_is_over => {}
    }
}

fn since(first: Timestamp, sample: &source::Sample) -> Duration {
    let span = sample.dts().map_or(0, |dts| (dts - first).ticks());
    let micros = u64::try_from(span).unwrap_or(0).saturating_mul(100) / 9;
    Duration::from_micros(micros)
}

fn is_key(sample: &source::Sample) -> bool {
    matches!(sample, source::Sample::Video { key: true, .. })
}
