//! HLS: where streams are cut into segments, and the playlists that list them.
//!
//! | Spec | Version | Nickname here |
//! |---|---|---|
//! | RFC 8216, HTTP Live Streaming | 2017, protocol version 3 | RFC 8216 |
//! | [HLS authoring specification for Apple devices](https://developer.apple.com/documentation/http-live-streaming/hls-authoring-specification-for-apple-devices) | 2025 | Apple's authoring rules |
//! | RFC 3339, date and time | 2002 | RFC 3339 |
//!
//! Pure: numbered spans and the segments made of them in, snapshots out. A playlist is rendered and
//! compressed once per change, by the first who reads it; segments are shared, not copied.
//!
//! **After every change of a [`Window`], take a [`Window::snapshot`] and publish it.**
//!
//! ```
//! use hls::{Container, Cut, Lookup, PerContainer, Segment, Span, Window, WindowConfig};
//! use media::{Duration, Timestamp};
//!
//! let mut window = Window::new(WindowConfig {
//!     uri_prefix: PerContainer {
//!         mpeg_ts: "/stream/hello_world/source/".into(),
//!         fragmented_mp4: "source/".into(),
//!     },
//!     listed: 6,
//!     segment_key: None,
//! });
//! assert!(window.snapshot().is_none(), "nothing to list yet");
//!
//! window.set_target_duration(2);
//! let cut = Cut {
//!     sequence: 1_795_266_725,
//!     discontinuity_sequence: 0,
//!     discontinuity: false,
//!     at: Timestamp::ZERO,
//!     unix_ms: 1_795_266_725_678,
//! };
//! let span = Span { cut, duration: Duration::from_millis(1980) };
//! window.push(Segment { span, data: vec![0x47; 188].into() });
//! let snapshot = window.snapshot().expect("a segment to list");
//! assert!(matches!(snapshot.segment(Container::MpegTs, 1_795_266_725), Lookup::Made(data) if data.len() == 188));
//! assert_eq!(
//!     String::from_utf8_lossy(&snapshot.playlist(Container::MpegTs).plain),
//!     "#EXTM3U
//! #EXT-X-VERSION:3
//! #EXT-X-INDEPENDENT-SEGMENTS
//! #EXT-X-TARGETDURATION:2
//! #EXT-X-MEDIA-SEQUENCE:1795266725
//! #EXT-X-DISCONTINUITY-SEQUENCE:0
//! #EXT-X-PROGRAM-DATE-TIME:2026-11-21T13:12:05.678Z
//! #EXTINF:1.980,
//! /stream/hello_world/source/1795266725.ts
//! "
//! );
//! ```
#![forbid(unsafe_code)]

mod bandwidth;
mod body;
mod container;
mod date;
mod declared_rates;
mod grid;
mod init_section;
mod made;
mod media_playlist;
pub mod multivariant_playlist;
mod segment_key;
mod snapshot;
mod span;
mod window;

#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod grid_model;
#[cfg(any(test, fuzzing))]
mod model;

pub use body::Body;
pub use container::{Container, PerContainer};
pub use date::rfc3339;
pub use declared_rates::{KnownRates, ROOM_PERCENT, Rates, declare};
pub use grid::{CutPoint, Grid, GridMode, GridState, Step, TOLERANCE};
pub use init_section::InitSection;
pub use multivariant_playlist::VariantStream;
pub use segment_key::SegmentKey;
pub use snapshot::{Lookup, Snapshot};
pub use span::{Cut, Numbering, Span};
pub use window::{Segment, Window, WindowConfig};
