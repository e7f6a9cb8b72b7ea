//! The harness of the end-to-end tests: the real server, Debian's ffmpeg as publisher, and
//! independent eyes.
//!
//! Nothing here uses the product's own crates, except the mpeg2ts-reader demuxer that `mpegts`
//! tests with, too.

pub(crate) mod background;
pub(crate) mod bitstream;
pub(crate) mod browser;
pub(crate) mod certificate;
pub(crate) mod document;
pub(crate) mod exposition;
pub(crate) mod ffmpeg;
pub(crate) mod flv_file;
pub(crate) mod http;
pub(crate) mod judge;
pub(crate) mod link;
pub(crate) mod nginx;
pub(crate) mod pacer;
pub(crate) mod playlist;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod publisher;
pub(crate) mod recording;
pub(crate) mod relay;
pub(crate) mod rtmp_client;
pub(crate) mod scratch;
pub(crate) mod seen;
pub(crate) mod server;
pub(crate) mod tab;
pub(crate) mod ts;
pub(crate) mod wait;
