//! Puts the parts together: listeners, the registry's clock, and the order in which all of it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::config::{CertificateSource, Config, TlsConfig};
use crate::error::Error;
use crate::limits::Limits;
use crate::memory::Trim;
use crate::reachable::reachable;
use crate::registry::Change;
use crate::service_manager::ServiceManager;
use crate::shared::{Shared, ViewersAt};
use crate::shutdown::{Signals, end_streams};
use crate::system_memory::Resident;
use crate::tls::{Acme, CertificateFiles, Certificates, TlsPorts};
use crate::{admin, events, http, http_listener, rtmp_listener, tls};

/// How often streams are ended and forgotten.
const TICK: Duration = Duration::from_millis(250);

/// The operator's tools are few.
const ADMIN_CONNECTIONS: usize = 64;

/// Threads that serve viewers. They move bytes, and render a playlist once per change: one core of
/// it feeds some Gbit/s; the second is for machines that have one to spare.
const MAX_HTTP_THREADS: usize = 2;

/// Serves until SIGINT or SIGTERM, then ends all streams.
///
/// # Errors
/// An address that cannot be listened on, or a second signal while streams end.
pub fn serve(config: &Config) -> Result<(), Error> {
    let threads = NetThreads::start()?;
    let result = threads.main.block_on(async {
        let server = Server::bind(threads.handles(), config).await?;
        let mut signals = Signals::new().map_err(Error::Runtime)?;
        server.announce(config);
        server.run(&mut signals).await
    });
    // Nothing that is left is waited for.
    threads.end();
    result
}

/// The async runtimes of everything that serves: no flood of publishers holds up a viewer, nor the
/// other way, and neither holds up the operator's port and the clock.
pub(crate) struct NetThreads {
    /// The main thread: the registry's clock, signals, the operator's port.
    pub(crate) main: Runtime,
    rtmp: Runtime,
    http: Runtime,
}

/// Where a server's sockets are read and written.
#[derive(Clone, Debug)]
pub(crate) struct NetHandles {
    rtmp: Handle,
    http: Handle,
}

impl NetThreads {
    /// Call it before there are other threads, but the log's.
    pub(crate) fn start() -> Result<Self, Error> {
        pipeline::share_one_heap();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let main = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            main: main.map_err(Error::Runtime)?,
            rtmp: runtime("rtmp", 1)?,
            http: runtime("http", cores.min(MAX_HTTP_THREADS))?,
        })
    }

    pub(crate) fn handles(&self) -> NetHandles {
        NetHandles { rtmp: self.rtmp.handle().clone(), http: self.http.handle().clone() }
    }

    /// Stops without waiting for anything.
    pub(crate) fn end(self) {
        for runtime in [self.main, self.rtmp, self.http] {
            runtime.shutdown_background();
        }
    }
}

impl NetHandles {
    /// Waits until both have run a task: never, where their threads hang.
    pub(crate) async fn do_something(&self) {
        for handle in [&self.rtmp, &self.http] {
            // An error is a runtime that has ended, as the process is about to.
            let _ = handle.spawn(async {}).await;
        }
    }
}

#[cfg(test)]
impl NetHandles {
    /// Both on the runtime of a test.
    pub(crate) fn current() -> Self {
        Self::of(&Handle::current(), &Handle::current())
    }

    pub(crate) fn of(rtmp: &Handle, http: &Handle) -> Self {
        Self { rtmp: rtmp.clone(), http: http.clone() }
    }
}

fn runtime(name: &str, threads: usize) -> Result<Runtime, Error> {
    let runtime =
        Builder::new_multi_thread().worker_threads(threads).thread_name(name).enable_all().build();
    runtime.map_err(Error::Runtime)
}

/// A server whose listeners are bound.
#[derive(Debug)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
    handles: NetHandles,
    rtmp: TcpListener,
    http: TcpListener,
    admin: TcpListener,
    pub(crate) secure: Option<Secure>,
}

/// The listeners of the ports with TLS.
#[derive(Debug)]
pub(crate) struct Secure {
    rtmps: TcpListener,
    https: TcpListener,
    ports: TlsPorts,
    pub(crate) certificates: Arc<Certificates>,
    supply: Supply,
}

/// Where the next certificate comes from.
#[derive(Debug)]
enum Supply {
    Files(CertificateFiles),
    Acme(Acme),
}

impl Server {
    /// Binds all listeners.
    ///
    /// # Errors
    /// An address that cannot be listened on, and a certificate that cannot be used.
    pub(crate) async fn bind(handles: NetHandles, config: &Config) -> Result<Self, Error> {
        Self::bind_with(handles, config, Limits::for_streams(config.max_streams)).await
    }

    /// As [`bind`](Self::bind), with other limits than the defaults.
    pub(crate) async fn bind_with(
        handles: NetHandles,
        config: &Config,
        limits: Limits,
    ) -> Result<Self, Error> {
        let rtmp = listen(&handles.rtmp, "--rtmp-addr", config.rtmp_addr).await?;
        let http = listen(&handles.http, "--http-addr", config.http_addr).await?;
        // Where the system chose the port, only the listener knows it.
        let http_addr = http.local_addr().unwrap_or(config.http_addr);
        let shared = Shared::new(&Config { http_addr, ..config.clone() }, limits);
        let server = Self {
            rtmp,
            http,
            admin: listen(&Handle::current(), "--admin-addr", config.admin_addr).await?,
            secure: match &config.tls {
                Some(tls) => Some(Secure::bind(&handles, tls).await?),
                None => None,
            },
            shared,
            handles,
        };
        if let Some(http) = server.http_addr() {
            let at = ViewersAt { http, https: server.https_addr() };
            // It was just made, and nobody else sets it.
            let _ = server.shared.viewers_at.set(at);
        }
        Ok(server)
    }

    /// Where publishers connect.
    #[must_use]
    pub fn rtmp_addr(&self) -> Option<SocketAddr> {
        self.rtmp.local_addr().ok()
    }

    /// Where viewers connect.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.local_addr().ok()
    }

    /// Where publishers connect in TLS, where they can.
    #[must_use]
    pub fn rtmps_addr(&self) -> Option<SocketAddr> {
        self.secure.as_ref()?.rtmps.local_addr().ok()
    }

    /// Where viewers connect in TLS, where they can.
    #[must_use]
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.secure.as_ref()?.https.local_addr().ok()
    }

    /// Where the operator connects.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.local_addr().ok()
    }

    /// One line that says where to publish and to watch, and whether anybody may publish.
    fn announce(&self, config: &Config) {
        let path = if config.access.is_open() { "NAME" } else { "NAME/KEY" };
        let rtmp = reachable(self.rtmp_addr().unwrap_or(config.rtmp_addr));
        let publish = format!("rtmp://{rtmp}/{path}");
        let watch = self.shared.watch_url("NAME");
        let admin = reachable(self.admin_addr().unwrap_or(config.admin_addr)).to_string();
        if let Some((rtmps, https)) = self.rtmps_addr().zip(self.https_addr()) {
            let publish = format!("rtmps://{}/{path}", reachable(rtmps));
            let path = watch.strip_prefix(&self.shared.watch_base).unwrap_or_default();
            let watch = format!("https://{}{path}", reachable(https));
            let says = format!(
                "With TLS, by the names of the certificate: publish to {publish}, watch at {watch}."
            );
            info!(publish, watch, says, "ready for tls, by the names of the certificate");
        }
        let says = format!(
            "feathercast is ready: publish to {publish}, watch at {watch}; the operator's port is \
             {admin}."
        );
        if config.is_open_to_the_network() {
            let warning =
                "anyone who reaches this port may publish; set --publish-key to prevent that";
            let says = format!("{says} Anyone may publish: set --publish-key to prevent that.");
            warn!(publish, watch, admin, warning, says, "feathercast is ready");
        } else {
            info!(publish, watch, admin, says, "feathercast is ready");
        }
    }

    /// Serves until the first signal, then ends all streams; a second signal ends that.
    async fn run(self, signals: &mut Signals) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let handles = self.handles.clone();
        let manager =
            ServiceManager::of_environment(|name| std::env::var_os(name), std::process::id());
        let mut accepting = self.start();
        manager.tell_ready().await;
        tokio::select! {
            () = signals.next() => {}
            never = manager.give_signs_of_life(&handles, &mut accepting) => match never {},
        }
        info!(says = "Stopping: publishers are told to go.", "stopping");
        manager.tell_stopping().await;
        // No more connections; those that are there go on.
        accepting.rtmp.abort_all();
        tokio::select! {
            () = end_streams(&shared) => Ok(()),
            () = signals.next() => Err(Error::Interrupted),
        }
    }

    /// Starts accepting, without waiting. Dropping the result stops it.
    #[must_use]
    pub fn start(self) -> Accepting {
        let Self { shared, handles, rtmp, http, admin, secure } = self;
        let lobby = rtmp_listener::lobby(&shared);
        let viewers = http_listener::places(&shared, viewer_connections(&shared.limits));
        let mut router = http::router(Arc::clone(&shared));
        if let Some(secure) = &secure {
            router = router.merge(http::acme_router(Arc::clone(&secure.certificates)));
        }
        let mut accepting =
            Accepting { rtmp: JoinSet::new(), other: JoinSet::new(), supplying: None };
        if let Some(Secure { rtmps, https, ports, supply, .. }) = secure {
            let (lobby, shared) = (Arc::clone(&lobby), Arc::clone(&shared));
            let run = rtmp_listener::run(rtmps, Some(ports.rtmps), lobby, Arc::clone(&shared));
            accepting.rtmp.spawn_on(run, &handles.rtmp);
            let (router, viewers) = (router.clone(), Arc::clone(&viewers));
            let run = http_listener::run(https, Some(ports.https), router, viewers, shared);
            accepting.other.spawn_on(run, &handles.http);
            let (stop, stopped) = sync_channel(0);
            let supplying = match supply {
                Supply::Files(files) => tls::keep_reloading(files, stopped),
                Supply::Acme(acme) => acme.keep_issuing(stopped),
            };
            match supplying {
                Ok(()) => accepting.supplying = Some(stop),
                Err(error) => {
                    let says = format!(
                        "The TLS certificate is not renewed until feathercast is started again: the \
                         system gives no thread for it: {error}."
                    );
                    warn!(%error, says, "no thread to renew the tls certificate");
                }
            }
        }
        let run = rtmp_listener::run(rtmp, None, lobby, Arc::clone(&shared));
        accepting.rtmp.spawn_on(run, &handles.rtmp);
        let run = http_listener::run(http, None, router, viewers, Arc::clone(&shared));
        accepting.other.spawn_on(run, &handles.http);
        let router = admin::router(Arc::clone(&shared));
        let operators = http_listener::places(&shared, ADMIN_CONNECTIONS);
        accepting.other.spawn(http_listener::run(
            admin,
            None,
            router,
            operators,
            Arc::clone(&shared),
        ));
        accepting.other.spawn(keep_time(Arc::clone(&shared)));
        accepting.other.spawn(async move { events::run(&shared).await });
        accepting
    }
}

impl Secure {
    async fn bind(handles: &NetHandles, config: &TlsConfig) -> Result<Self, Error> {
        let certificates = Arc::new(Certificates::default());
        let for_supply = Arc::clone(&certificates);
        let supply = match &config.certificate {
            CertificateSource::Files { cert, key } => {
                Supply::Files(CertificateFiles::open(cert, key, for_supply)?)
            }
            CertificateSource::Acme(acme) => Supply::Acme(Acme::open(acme, for_supply)?),
        };
        Ok(Self {
            ports: TlsPorts::new(&certificates)?,
            certificates,
            supply,
            rtmps: listen(&handles.rtmp, "--rtmps-addr", config.rtmps_addr).await?,
            https: listen(&handles.http, "--https-addr", config.https_addr).await?,
        })
    }
}

/// The tasks of a running server.
#[derive(Debug)]
pub struct Accepting {
    rtmp: JoinSet<()>,
    other: JoinSet<()>,
    /// Holds the thread that looks after the certificate.
    supplying: Option<SyncSender<()>>,
}

impl Accepting {
    /// Whether a task is gone since this was asked last. None of them ends but by a panic.
    pub(crate) fn has_lost_a_task(&mut self) -> bool {
        self.rtmp.try_join_next().is_some() || self.other.try_join_next().is_some()
    }
}

/// A listener belongs to the runtime on which it is bound, and so do its connections.
async fn listen(on: &Handle, option: &'static str, addr: SocketAddr) -> Result<TcpListener, Error> {
    let bound = on.spawn(TcpListener::bind(addr)).await.map_err(io::Error::from).flatten();
    bound.map_err(|source| Error::Bind { option, addr, source })
}

async fn keep_time(shared: Arc<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let resident = Resident::new();
    let mut trim = Trim::default();
    loop {
        ticks.tick().await;
        measure_memory(&shared, &resident, &mut trim);
        let changes = shared.registry().tick(shared.clock.now());
        for change in changes {
            match change {
                Change::Asleep(stream, rendition) => {
                    debug!(%stream, %rendition, "rendition asleep")
                }
                Change::Slate(stream) => debug!(%stream, "publisher missing, slate stands in"),
                Change::Awaited(stream, index, sequence) => {
                    let publication = shared.registry().publication(&stream);
                    if let Some(publication) = publication {
                        shared.maker.make_ahead(&publication, index, sequence);
                    }
                }
                Change::Ended(stream) => debug!(%stream, "playlists ended"),
                Change::Forgotten(stream) => debug!(%stream, "stream forgotten"),
                Change::Over(stream, ending) => shared.note_over(&stream, ending),
            }
        }
    }
}

/// Measures what is resident, and gives back what the heap does not need.
fn measure_memory(shared: &Shared, resident: &Resident, trim: &mut Trim) {
    let memory = &shared.memory;
    let measure = || {
        if let Some(bytes) = resident.bytes() {
            memory.note_resident(bytes);
        }
    };
    measure();
    if trim.is_due(memory.beside(), shared.clock.now()) {
        pipeline::give_back_free_memory();
        measure();
        trim.note_done(memory.beside());
    }
}

/// As many viewers as the process may have files open, less those it needs itself.
fn viewer_connections(limits: &Limits) -> usize {
    let files =
        raise_open_files_limit(limits.http_connections.saturating_add(limits.reserved_files));
    let connections =
        limits.http_connections.min(files.saturating_sub(limits.reserved_files).max(64));
    if connections < limits.http_connections {
        let says = format!(
            "At most {connections} viewers can be connected at once, as the process may have {files} \
             files open: raise that limit (ulimit -Hn, LimitNOFILE= in a unit)."
        );
        info!(
            connections,
            open_files = files,
            says,
            "viewers are limited by the open files limit (ulimit -Hn)"
        );
    }
    connections
}

/// Raises the soft limit on open files, by default 1024, towards `wanted` as far as the hard limit
/// lets it; the limit then. (Nothing here uses select(2), the reason for the low default.)
fn raise_open_files_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(wanted as u64, |most| most.min(wanted as u64));
    let current = limit.current.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(wanted), ..limit };
    let files = if current < wanted && setrlimit(Resource::Nofile, raised).is_ok() {
        wanted
    } else {
        current
    };
    usize::try_from(files).unwrap_or(usize::MAX)
}
