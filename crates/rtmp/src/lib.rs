//! An RTMP connection without a socket, server's side ([`Connection`]) or publisher's ([`Client`]):
//! bytes in, events and bytes out.
//!
//! | Specification | Version | Here called |
//! |---|---|---|
//! | [Adobe's Real Time Messaging Protocol](https://rtmp.veriskope.com/docs/spec/) | 1.0, December 2012 | RTMP |
//! | [Enhanced RTMP](https://veovera.org/docs/enhanced/enhanced-rtmp-v2) | v2 | E-RTMP |
//!
//! **The contract: after every [`Connection::handle_input`], [`Connection::accept_publish`] and
//! [`Connection::reject_publish`], drain [`Connection::poll_event`] and
//! [`Connection::poll_transmit`] to `None`. After an `Err` the connection is dead: send what
//! `poll_transmit` still gives (it says why), then close.**
//!
//! Nothing here reads a clock, blocks, or allocates by a length that a peer declared; [`Limits`]
//! states what one connection may cost. The handshake is `rml_rtmp`'s, everything after it is our
//! own.
//!
//! ```
//! use rtmp::{Connection, Event, Limits, Refusal};
//!
//! let mut connection = Connection::server(Limits::default());
//! # let received: &[u8] = &[3];
//! connection.handle_input(received)?;
//! while let Some(event) = connection.poll_event() {
//!     match event {
//!         Event::PublishRequested(request) if request.key.is_none() => {
//!             connection.reject_publish(Refusal::Unauthorized);
//!         }
//!         Event::PublishRequested(_) => connection.accept_publish(),
//!         Event::Media(message) => drop(message.payload),
//!         Event::Unpublish => {}
//!     }
//! }
//! while let Some(bytes) = connection.poll_transmit() {
//!     // write them to the socket
//! #   assert_eq!(bytes[0], 3);
//! }
//! # Ok::<(), rtmp::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::expect_used
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        reason = "tests compute with their own numbers"
    )
)]

mod address;
mod aggregate;
mod chunk_header;
mod chunk_reader;
mod chunk_writer;
mod client;
mod client_event;
mod client_session;
mod command;
mod connection;
mod error;
mod event;
#[doc(hidden)]
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handshake;
mod limits;
mod message;
mod outbox;
mod publish_query;
mod publish_start;
mod publish_url;
mod received;
mod refusal;
mod session;
mod stream_key;
mod stream_name;

pub use chunk_reader::ChunkReader;
pub use chunk_writer::ChunkWriter;
pub use client::Client;
pub use client_event::{ClientEvent, ServerRefusal};
pub use connection::Connection;
pub use error::{Error, Place};
pub use event::{Event, MediaKind, Message, PublishRequest};
pub use limits::Limits;
pub use message::{RawMessage, type_id};
pub use publish_query::PublishQuery;
pub use publish_start::{PublishStart, ViewersOffer, ViewersPort};
pub use publish_url::{InvalidPublishUrl, PublishUrl, Transport};
pub use received::Received;
pub use refusal::Refusal;
pub use stream_key::StreamKey;
pub use stream_name::{InvalidStreamName, StreamName};
