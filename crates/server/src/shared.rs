//! What all parts of the running server share.

use std::sync::{Arc, Mutex, MutexGuard};

use pipeline::StreamConfig;

use crate::clock::Clock;
use crate::config::Config;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::publication::PublicationConfig;
use crate::registry::{Registry, RegistryConfig};
use crate::sync::lock;
use crate::throttle::Throttle;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) pipeline: StreamConfig,
    pub(crate) current_manifest: bool,
    registry: Mutex<Registry>,
    peer_log: Mutex<Throttle>,
}

impl Shared {
    pub(crate) fn new(config: &Config, limits: Limits) -> Arc<Self> {
        let publication = PublicationConfig {
            renditions: config.renditions.clone(),
            playlist_segments: config.playlist_segments,
        };
        let registry = RegistryConfig {
            access: config.access.clone(),
            max_streams: config.max_streams,
            publication,
            limits: limits.clone(),
        };
        let peer_log = Throttle::with_burst(limits.log_interval, limits.peer_log_burst);
        Arc::new(Self {
            clock: Clock::start(),
            limits,
            metrics: Metrics::default(),
            pipeline: config.stream_config(),
            current_manifest: config.current_manifest,
            registry: Mutex::new(Registry::new(registry)),
            peer_log: Mutex::new(peer_log),
        })
    }

    /// The registry, locked. Never hold it across an await.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Whether to log what a peer did wrong: Some with the number of such lines that were held back.
    pub(crate) fn admit_peer_log(&self) -> Option<u64> {
        lock(&self.peer_log).admit(self.clock.now())
    }
}
