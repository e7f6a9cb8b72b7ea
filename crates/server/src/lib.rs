//! The async shell of feathercast: sockets, threads and clocks around crates that have none.
//!
//! ```text
//! publisher -> rtmp_conn -> feed -> worker (ingest, xcode) -> publication -> http -> viewer
//!                                       maker (make) --------------^            |
//!                                            ^------------- demand -------------'
//!                  registry: who may publish, and when a stream ends
//! ```
//!
//! What depends on time is decided in [`registry`] and in `demand`, which take the time as an
//! input. Every queue has a bound; what a peer may cost is in [`Limits`].
#![forbid(unsafe_code)]

mod access;
#[cfg(test)]
mod acme_tests;
mod admin;
mod audience;
mod bans;
mod checker;
mod clock;
mod config;
mod dashboard;
#[cfg(test)]
mod dashboard_tests;
mod demand;
mod demo;
mod doctor;
mod duration;
mod error;
mod events;
mod feed;
mod forward;
mod guesses;
mod http;
mod http_listener;
mod http_path;
mod http_response;
#[cfg(test)]
mod http_tests;
mod limits;
mod lobby;
mod log_queue;
mod maker;
mod memory;
mod metrics;
mod numbers;
mod pace;
mod page;
#[cfg(test)]
mod page_tests;
mod peer_log;
mod places;
mod posters;
mod priority;
mod process;
mod proxied;
#[cfg(test)]
mod proxied_tests;
mod publication;
mod publisher;
mod reachable;
pub mod registry;
mod rtmp_conn;
mod rtmp_listener;
#[cfg(test)]
mod rtmp_tests;
mod secret;
mod server;
mod service_manager;
mod session;
mod shared;
mod shutdown;
mod slate;
mod socket;
mod standstill;
mod status;
mod sync;
mod system_memory;
mod throttle;
mod tls;
#[cfg(test)]
mod tls_tests;
mod viewer_secret;
mod viewers;
mod vigil;
mod warnings;
mod webhook;
mod words;
mod worker;

#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use access::{Permit, PublishAccess};
pub use admin::AdminAccess;
pub use check::{Outcome, Report, Verdict};
pub use checker::{CheckConfig, CheckError, Waiting, check};
pub use clock::{Clock, Moment};
pub use config::{AcmeChallenge, AcmeConfig, CertificateSource, Config, Pages, TlsConfig};
pub use demand::{Transcode, Wakefulness};
pub use demo::{DemoAddrs, DemoError, DemoReport, demo};
pub use doctor::{Diagnosis, Health, doctor};
pub use duration::parse_duration;
pub use error::Error;
pub use events::{EventSecret, EventWebhook};
pub use forward::Forward;
pub use forwarded::{InvalidNetwork, TrustedProxies};
pub use http_path::INDEX;
pub use limits::{Limits, Rate};
pub use log_queue::{LogQueue, LogWriter};
pub use memory::Memory;
pub use pipeline::{
    AacProfile, AudioPreset, DecoderKind, FrameRate, Preset, Profile, TestSignalConfig,
    VideoPreset, preset_names,
};
pub use publication::{
    Offer, Publication, PublicationConfig, Reception, Rendition, SOURCE, Slot, TranscodeLoad, View,
};
pub use publisher::{
    OnFault, Programme, Progress, PublishConfig, PublishError, PublishReport, publish,
};
pub use rtmp::{
    InvalidPublishUrl, PublishStart, PublishUrl, StreamKey, StreamName, Transport, ViewersOffer,
    ViewersPort,
};
pub use secret::{InvalidDigest, SecretDigest, new_secret};
pub use server::{Accepting, Server, serve};
pub use session::{Departure, Session, StopReason, StopSignal};
pub use system_memory::default_memory;
pub use throttle::Throttle;
pub use tls::CertificateError;
pub use viewer_secret::{ShortSecret, ViewerSecret};
pub use webhook::{InvalidWebhookUrl, WebhookUrl};
