//! `feathercast demo`: a server on loopback, the test signal published to it, and a check of what
//! comes out, in one process.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use check::Report;
use pipeline::{FrameRate, TestSignalConfig};
use rtmp::{PublishUrl, StreamName};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::checker::{self, CheckConfig, CheckError};
use crate::config::Config;
use crate::error::Error;
use crate::publication::{SOURCE, View};
use crate::publisher::{self, Programme, PublishConfig, PublishError};
use crate::server::{NetHandles, NetThreads, Server};
use crate::shared::Shared;
use crate::shutdown::Signals;

/// What the recipe calls its stream.
const STREAM: &str = "hello_world";
/// The rendition that the recipe looks at.
const RENDITION: &str = "P144p30fps16x9";
/// How long the first check takes.
const CHECK: Duration = Duration::from_secs(10);
/// Far more than the first segments need: also a loaded machine gets there.
const LISTED_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);

/// Where the demo is.
#[derive(Clone, Copy, Debug)]
pub struct DemoAddrs {
    /// Where publishers connect.
    pub rtmp: SocketAddr,
    /// Where viewers connect.
    pub http: SocketAddr,
    /// Where the operator connects.
    pub admin: SocketAddr,
}

/// What there is to tell while the demo runs.
#[derive(Debug)]
pub enum DemoReport<'a> {
    /// The server listens and the test signal is on its way.
    Started,
    /// All renditions are listed, and are now followed for this long.
    Checking(Duration),
    /// It has been checked, and stays up.
    Checked {
        /// The result.
        report: &'a Report,
        /// The media playlist at [`DemoAddrs::playlist_url`], as it is now.
        playlist: &'a str,
    },
    /// It was followed until the time was over.
    Followed(&'a Report),
}

/// Why there is no demo, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The server does not start.
    #[error(transparent)]
    Server(#[from] Error),
    /// The test signal does not arrive.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is no stream at its URL.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Not all renditions came out.
    #[error("after {} s not all renditions are listed", LISTED_WITHIN.as_secs())]
    NotListed,
    /// A part of it panicked, which the log tells more about.
    #[error("the publisher failed")]
    PublisherFailed,
}

/// Shows everything once and stays up until `stop_after`, SIGINT or SIGTERM. The result is whether
/// the stream was found good, and with `stop_after` whether it stayed good to the end; stopped
/// before it is known, it is not.
///
/// # Errors
/// What [`DemoError`] lists.
pub fn demo(
    stop_after: Option<Duration>,
    mut report: impl FnMut(&DemoAddrs, DemoReport<'_>),
) -> Result<bool, DemoError> {
    let threads = NetThreads::start()?;
    let result = threads.main.block_on(async {
        let stop_at = stop_after.map(|time| Instant::now() + time);
        let mut signals = Signals::new().map_err(Error::Runtime)?;
        let server = bind_where_free(&threads.handles()).await?;
        let stage = Stage::new(&server)?;
        let _accepting = server.start();
        let mut publisher = JoinSet::new();
        publisher.spawn(publisher::run(stage.test_signal()?, |_| {}));
        let good = Cell::new(false);
        tokio::select! {
            shown = stage.show(stop_at, &mut report, &good) => shown.map(|()| good.get()),
            ended = publisher.join_next() => match ended {
                // The signal has reached the publisher first.
                None | Some(Ok(Ok(()))) => Ok(good.get()),
                Some(Ok(Err(error))) => Err(error.into()),
                Some(Err(_)) => Err(DemoError::PublisherFailed),
            },
            () = signals.next() => Ok(good.get()),
        }
    });
    // Nothing that is left is waited for.
    threads.end();
    result
}

/// On the usual ports, where these are taken on others.
async fn bind_where_free(handles: &NetHandles) -> Result<Server, Error> {
    let mut config = Config::default();
    config.rtmp_addr.set_ip(Ipv4Addr::LOCALHOST.into());
    config.http_addr.set_ip(Ipv4Addr::LOCALHOST.into());
    loop {
        let taken = match Server::bind(handles.clone(), &config).await {
            Err(Error::Bind { addr, source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && addr.port() != 0 =>
            {
                addr
            }
            done => return done,
        };
        let addrs = [&mut config.rtmp_addr, &mut config.http_addr, &mut config.admin_addr];
        addrs.into_iter().filter(|addr| **addr == taken).for_each(|addr| addr.set_port(0));
    }
}

impl DemoAddrs {
    /// The page for people.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/watch/{STREAM}", self.http)
    }

    /// The multivariant playlist.
    #[must_use]
    pub fn stream_url(&self) -> String {
        format!("http://{}/stream/{STREAM}.m3u8", self.http)
    }

    /// The media playlist of the small rendition.
    #[must_use]
    pub fn playlist_url(&self) -> String {
        format!("http://{}/stream/{STREAM}/{RENDITION}.m3u8", self.http)
    }

    /// Where the test signal goes.
    #[must_use]
    pub fn publish_url(&self) -> String {
        format!("rtmp://{}/{STREAM}", self.rtmp)
    }
}

/// The server from inside.
struct Stage {
    addrs: DemoAddrs,
    shared: Arc<Shared>,
}

impl Stage {
    fn new(server: &Server) -> Result<Self, Error> {
        let bound = |addr: Option<SocketAddr>| {
            addr.ok_or_else(|| Error::Runtime(io::ErrorKind::AddrNotAvailable.into()))
        };
        let addrs = DemoAddrs {
            rtmp: bound(server.rtmp_addr())?,
            http: bound(server.http_addr())?,
            admin: bound(server.admin_addr())?,
        };
        Ok(Self { addrs, shared: Arc::clone(&server.shared) })
    }

    fn test_signal(&self) -> Result<PublishConfig, DemoError> {
        let url = PublishUrl::parse(&self.addrs.publish_url());
        let programme = Programme::TestSignal(TestSignalConfig {
            name: STREAM.to_owned(),
            width: 1280,
            height: 720,
            frame_rate: FrameRate { num: 30, den: 1 },
            bitrate_bps: 2_500_000,
            keyframe_interval_ms: 2000,
        });
        // The URL is ours.
        let url = url.map_err(|_| DemoError::PublisherFailed)?;
        let progress_interval = Duration::from_secs(1);
        Ok(PublishConfig { url, programme, stop_after: None, progress_interval, ca: None })
    }

    /// Checks, tells, and stays.
    async fn show(
        &self,
        stop_at: Option<Instant>,
        report: &mut impl FnMut(&DemoAddrs, DemoReport<'_>),
        good: &Cell<bool>,
    ) -> Result<(), DemoError> {
        report(&self.addrs, DemoReport::Started);
        timeout(LISTED_WITHIN, self.all_listed()).await.map_err(|_| DemoError::NotListed)?;
        report(&self.addrs, DemoReport::Checking(CHECK));
        let checked = self.check(CHECK).await?;
        let playlist = self.playlist();
        good.set(checked.good);
        report(&self.addrs, DemoReport::Checked { report: &checked, playlist: &playlist });
        let Some(stop_at) = stop_at else { return pending().await };
        let rest = stop_at.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Ok(());
        }
        // Until the last moment it is said again that all is good, or not.
        let followed = self.check(rest).await?;
        good.set(checked.good && followed.good);
        report(&self.addrs, DemoReport::Followed(&followed));
        Ok(())
    }

    async fn all_listed(&self) {
        let is_listed = |view: &View| {
            [RENDITION, SOURCE].iter().all(|rendition| view.rendition(rendition).is_some())
        };
        while !self.view().is_some_and(|view| is_listed(&view)) {
            sleep(POLL).await;
        }
    }

    async fn check(&self, duration: Duration) -> Result<Report, CheckError> {
        // It is listed already.
        let wait = Duration::ZERO;
        let config = CheckConfig { url: self.addrs.stream_url(), duration, wait, ca: None };
        let (mut checker, mut client) = (checker::checker(&config)?, checker::client(&config)?);
        checker::follow(&mut checker, &mut client, |_| ()).await;
        Ok(checker.finish(client.clock().now().uptime))
    }

    fn playlist(&self) -> String {
        let view = self.view();
        let rendition = view.as_ref().and_then(|view| view.rendition(RENDITION));
        rendition.map_or_else(String::new, |rendition| {
            String::from_utf8_lossy(&rendition.snapshot.playlist(hls::Container::MpegTs).plain)
                .into_owned()
        })
    }

    fn view(&self) -> Option<Arc<View>> {
        let name = StreamName::parse(STREAM).ok()?;
        Some(self.shared.registry().publication(&name)?.view())
    }
}
