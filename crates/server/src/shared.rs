//! What all parts of the running server share.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use forwarded::TrustedProxies;
use hls::Snapshot;
use pipeline::StreamConfig;
use rtmp::{StreamName, Transport, ViewersOffer, ViewersPort};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use crate::admin::AdminAccess;
use crate::clock::{Clock, Moment};
use crate::config::{Config, Pages};
use crate::events::{EventWebhook, Events};
use crate::forward::Forward;
use crate::guesses::Guesses;
use crate::limits::Limits;
use crate::maker::Maker;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::pace::Common;
use crate::page::Lists;
use crate::peer_log::{NOBODY, PeerLine, PeerLog};
use crate::posters::Posters;
use crate::publication::{Publication, PublicationConfig, Rendition, Slot};
use crate::reachable::reachable;
use crate::registry::{Ending, Registry, RegistryConfig};
use crate::sync::lock;
use crate::throttle::Throttle;
use crate::tls::{ALPN_HTTP1, TlsClient};
use crate::viewer_secret::ViewerSecret;
use crate::viewers::{Viewers, Want};
use crate::webhook::{Webhook, WebhookUrl};
use crate::words;

/// A live playlist shorter than this many target durations is nothing to begin with: Apple's
/// authoring rules ask for six segments, and Chromium's own player ends at once on fewer than
/// three.
pub(crate) const LEAST_TARGET_DURATIONS: u64 = 3;

/// Segments are a little shorter than their target duration: GOPs of 1.98 s, keyframe intervals in
/// milliseconds.
const ALMOST: media::Duration = media::Duration::from_millis(300);

/// Threads that make segments which somebody waits for: each has a decoder, whose size a publisher
/// chooses. One core is left for those that are made as they come, where there are two.
const MAX_MAKER_THREADS: usize = 3;

/// What a thread that makes segments takes at most: a decoder, and what it is given in front of a
/// segment.
const MAKER_BYTES: usize = 192 << 20;

/// As many as there are cores but one, and as fit into an eighth of the memory.
fn maker_threads(memory: &Memory) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fit = memory.budget() / 8 / MAKER_BYTES;
    (cores - 1).min(fit).clamp(1, MAX_MAKER_THREADS)
}

/// Where somebody shows a secret. The words are part of the log's stable line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// A key, to publish.
    Publish,
    /// The token of the operator's port.
    Admin,
}

impl Door {
    fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }
}

/// The ports for viewers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewersAt {
    pub(crate) http: SocketAddr,
    pub(crate) https: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) started: Moment,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) pipeline: StreamConfig,
    pub(crate) current_manifest: bool,
    /// The URL of the port for viewers, as others reach it, without a slash at its end.
    pub(crate) watch_base: String,
    pub(crate) pages: Pages,
    pub(crate) lists: Lists,
    /// Where viewers connect, once that is known.
    pub(crate) viewers_at: OnceLock<ViewersAt>,
    pub(crate) posters: Arc<Posters>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) maker: Arc<Maker>,
    pub(crate) admin: AdminAccess,
    pub(crate) viewer_secret: Option<ViewerSecret>,
    viewers: Option<Mutex<Viewers>>,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) events: Option<Events>,
    pub(crate) forwards: Vec<Forward>,
    /// Trusts Mozilla's authorities, and offers no protocol.
    pub(crate) tls_client: TlsClient,
    pub(crate) memory: Arc<Memory>,
    playlist_segments: usize,
    registry: Mutex<Registry>,
    /// What publishers that catch up share.
    pub(crate) catch_up: Common,
    /// What threads that receive share of the processor, in µs.
    pub(crate) receiving: Common,
    guesses: Mutex<Guesses>,
    peer_log: Mutex<PeerLog>,
}

/// Somebody who is asked, or told.
fn webhook(url: WebhookUrl) -> Webhook {
    let tls = TlsClient::new(None, &[ALPN_HTTP1]).expect("Mozilla's roots are built in");
    Webhook::new(url, tls)
}

impl Shared {
    pub(crate) fn new(config: &Config, limits: Limits) -> Arc<Self> {
        let memory = Memory::new(config.memory_bytes, config.max_streams);
        let publication = PublicationConfig {
            memory: Arc::clone(&memory),
            renditions: config.renditions.clone(),
            playlist_segments: config.playlist_segments,
            transcode: config.transcode,
            viewer_secret: config.viewer_secret.clone(),
        };
        let registry = RegistryConfig {
            access: config.access.clone(),
            max_streams: config.max_streams,
            publication,
            pipeline: config.stream_config(),
            limits: limits.clone(),
        };
        let viewers = config.viewers_max.map(|max| Viewers::new(max, limits.viewer_idle));
        let guesses = Guesses::new(&limits);
        let catch_up = Common::new(limits.rtmp_catch_up_messages);
        let receiving = Common::new(limits.receiving_us);
        let clock = Clock::start();
        let maker_log = Throttle::new(limits.log_interval);
        let maker = Maker::new(config.stream_config(), maker_threads(&memory), clock, maker_log);
        let peer_log = Mutex::new(PeerLog::new(&limits));
        let events = config.event_webhook.clone().map(|told| {
            let EventWebhook { url, secret } = told;
            Events::new(webhook(url), secret, &limits)
        });
        Arc::new(Self {
            clock,
            started: clock.now(),
            limits,
            metrics: Metrics::default(),
            maker,
            memory,
            playlist_segments: config.playlist_segments,
            pipeline: config.stream_config(),
            current_manifest: config.current_manifest,
            watch_base: format!("http://{}", reachable(config.http_addr)),
            pages: config.pages,
            lists: Lists::default(),
            viewers_at: OnceLock::new(),
            posters: Posters::new(config.decoder, clock),
            admin: config.admin.clone(),
            viewer_secret: config.viewer_secret.clone(),
            viewers: viewers.map(Mutex::new),
            webhook: config.auth_webhook.clone().map(webhook),
            events,
            forwards: config.forwards.clone(),
            tls_client: TlsClient::new(None, &[]).expect("Mozilla's roots are built in"),
            trusted_proxies: config.trusted_proxies.clone(),
            registry: Mutex::new(Registry::new(registry)),
            catch_up,
            receiving,
            guesses: Mutex::new(guesses),
            peer_log,
        })
    }

    /// Where people watch the stream, for the log.
    pub(crate) fn watch_url(&self, name: &str) -> String {
        let base = &self.watch_base;
        let token = if self.viewer_secret.is_some() { "?token=TOKEN" } else { "" };
        match self.pages {
            Pages::None => format!("{base}/stream/{name}.m3u8{token}"),
            Pages::Listed | Pages::Unlisted => format!("{base}/watch/{name}{token}"),
        }
    }

    /// Whether this is the name of a rendition that is made of streams.
    pub(crate) fn is_rendition(&self, name: &str) -> bool {
        self.pipeline.renditions.iter().any(|preset| preset.name == name)
    }

    /// Whether a player finds enough in the playlist to begin with.
    pub(crate) fn can_be_played(&self, snapshot: &Snapshot) -> bool {
        let least = Duration::from_secs(snapshot.target_duration_secs * LEAST_TARGET_DURATIONS);
        let least = media::Duration::from_millis(least.as_millis() as i64) - ALMOST;
        let is_full = snapshot.listed.len() >= self.playlist_segments;
        snapshot.ended || is_full || snapshot.listed_duration() >= least
    }

    /// Somebody fetches a segment of the rendition. One that slept is awake from here on, and what
    /// it still lacks up to where it is live again is made in advance.
    pub(crate) fn note_demand(
        &self,
        publication: &Arc<Publication>,
        rendition: &Rendition,
        sequence: u64,
    ) {
        if !publication.segment_asked(rendition.slot, self.clock.now()) {
            return;
        }
        let Slot::Ladder(index) = rendition.slot else { return };
        self.metrics.wake_ups.add(1);
        debug!(stream = %publication.name(), rendition = %rendition.name, "rendition awake");
        for later in publication.promised(rendition.slot) {
            if later > sequence {
                self.maker.make_ahead(publication, index, later);
            }
        }
    }

    /// The registry, locked. Never hold it across an await.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Whether there is a place for a viewer who comes from `ip` with a player of this name.
    pub(crate) fn admit_viewer(&self, ip: IpAddr, player: &[u8], want: Want) -> bool {
        let Some(viewers) = &self.viewers else { return true };
        lock(viewers).admit(ip, player, want, self.clock.now())
    }

    /// The port where a publisher's viewers are likely to come in, in TLS where it comes by that
    /// itself: on the host that it has reached, if that port can be reached from its machine.
    pub(crate) fn viewers_port(&self, publisher: IpAddr, by: Transport) -> Option<ViewersPort> {
        let ViewersAt { http, https } = *self.viewers_at.get()?;
        let is_here = publisher.to_canonical().is_loopback();
        let can_reach = |addr: &SocketAddr| is_here || !addr.ip().to_canonical().is_loopback();
        let http = Some(http).filter(can_reach).map(|addr| (Transport::Tcp, addr.port()));
        let https = https.filter(can_reach).map(|addr| (Transport::Tls, addr.port()));
        let (transport, port) = match by {
            Transport::Tcp => http.or(https)?,
            Transport::Tls => https.or(http)?,
        };
        let offer = match self.pages {
            Pages::Listed | Pages::Unlisted => ViewersOffer::Page,
            Pages::None => ViewersOffer::Playlists,
        };
        Some(ViewersPort { transport, port, offer })
    }

    /// Waits before a secret from this address is looked at, where others from there were wrong.
    /// Whether it may be looked at: its turn has to come before `until`.
    pub(crate) async fn wait_out_wrong_secrets(&self, ip: IpAddr, until: Instant) -> bool {
        loop {
            let pause = lock(&self.guesses).pause(ip, self.clock.now());
            if pause.is_zero() {
                return true;
            }
            if Instant::now() + pause > until {
                sleep_until(until).await;
                return false;
            }
            // And then again: others from there may have been wrong meanwhile.
            sleep(pause).await;
        }
    }

    /// A secret was wrong: whatever else comes from this address waits longer. The line's words are
    /// promised in docs/security.md: fail2ban looks for them. `stream` is empty where it could be
    /// the secret itself.
    pub(crate) fn note_wrong_secret(&self, ip: IpAddr, door: Door, stream: &str) {
        self.metrics.wrong_secrets.add(1);
        let counted = lock(&self.guesses).count(ip, self.clock.now());
        if let Some(held_back) = counted.held_back {
            let (door, count) = (door.as_str(), counted.count);
            warn!(%ip, door, stream, count, held_back, "authentication failed");
        }
    }

    /// A stream that could be watched is over.
    pub(crate) fn note_over(&self, stream: &StreamName, ending: Ending) {
        self.tell_stopped(stream, ending);
        let Some(held_back) = self.admit_line(PeerLine::Ended, NOBODY) else { return };
        let Ending { reason, live, received_bytes } = ending;
        let (reason, why) = (reason.as_str(), reason.in_words());
        let (time, size) = (words::time(live), words::size(received_bytes));
        let says = format!(
            "{stream} has ended, {why}: it was live for {time}, its publisher sent {size}."
        );
        let live_secs = live.as_secs();
        info!(%stream, reason, live_secs, received_bytes, held_back, says, "stream ended");
    }

    /// Whether to log a line that a peer at `ip` caused: Some with the number of lines of the kind
    /// that were held back.
    pub(crate) fn admit_line(&self, line: PeerLine, ip: IpAddr) -> Option<u64> {
        self.admit_line_after(line, ip, 0)
    }

    /// As [`admit_line`](Self::admit_line), where the caller has held back some itself.
    pub(crate) fn admit_line_after(
        &self,
        line: PeerLine,
        ip: IpAddr,
        held_back: u64,
    ) -> Option<u64> {
        lock(&self.peer_log).admit(line, ip, held_back, self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_s_viewers_are_sent_where_they_get_through() {
        let port = |http: &str, https: Option<&str>, publisher: &str, by| {
            let shared = Shared::new(&Config::default(), Limits::default());
            let addr = |text: &str| text.parse().unwrap();
            shared.viewers_at.set(ViewersAt { http: addr(http), https: https.map(addr) }).unwrap();
            let port = shared.viewers_port(publisher.parse().unwrap(), by);
            port.map(|viewers| (viewers.transport, viewers.port, viewers.offer))
        };
        let (tcp, tls, page) = (Transport::Tcp, Transport::Tls, ViewersOffer::Page);
        let (all, secure, local) = ("0.0.0.0:8935", Some("0.0.0.0:443"), "127.0.0.1:8935");
        assert_eq!(port(all, None, "192.0.2.1", tcp), Some((tcp, 8935, page)));
        assert_eq!(port(all, secure, "192.0.2.1", tcp), Some((tcp, 8935, page)));
        assert_eq!(port(all, secure, "192.0.2.1", tls), Some((tls, 443, page)));
        // Behind a proxy of which nothing is known here.
        assert_eq!(port(local, None, "192.0.2.1", tcp), None);
        assert_eq!(port(local, secure, "192.0.2.1", tcp), Some((tls, 443, page)));
        assert_eq!(port(local, None, "::ffff:127.0.0.1", tcp), Some((tcp, 8935, page)));
    }
}
