//! What the messages of a publisher mean: the server's side of RTMP section 7.

use std::collections::VecDeque;

use amf0::Value;
use bytes::Bytes;

use crate::address::publish_request;
use crate::aggregate;
use crate::command::{Command, Verb};
use crate::message::{leading_u32, type_id};
use crate::outbox::Outbox;
use crate::{Error, Event, Limits, MediaKind, Message, Place, PublishStart, RawMessage, Refusal};

/// What we ask the peer to acknowledge after, and what it may send before we do: as much as others
/// ask for.
pub(crate) const WINDOW_BYTES: u32 = 2_500_000;

/// Our chunks. ffmpeg takes this over for its own, which saves it headers.
pub(crate) const CHUNK_SIZE: u32 = 65_536;

/// User control event, section 7.1.7.
const PING_REQUEST: u16 = 6;

/// E-RTMP v2, "Enhancing NetConnection connect Command".
const VIDEO_FOURCC: &str = "avc1";
const AUDIO_FOURCCS: [&str; 2] = ["mp4a", ".mp3"];

/// `FourCcInfoMask`: `CanDecode` 1, `CanForward` 4.
const CAN_DECODE_AND_FORWARD: f64 = 5.0;

const START: &str = "NetStream.Publish.Start";

pub(crate) struct Session {
    limits: Limits,
    app: String,
    tc_url: String,
    /// Message stream ids given out; nothing is kept for one.
    created_streams: u32,
    wants_on_fc_publish: bool,
    publish: Publish,
    /// After how many bytes the peer wants an acknowledgement.
    pub(crate) window_bytes: u32,
}

/// A connection publishes one stream at a time. Encoders that keep their connection begin another
/// when one has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Publish {
    Not,
    /// The application has not decided.
    Requested {
        message_stream_id: u32,
        transaction: Option<f64>,
    },
    Accepted {
        message_stream_id: u32,
    },
}

impl Session {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            app: String::new(),
            tc_url: String::new(),
            created_streams: 0,
            wants_on_fc_publish: false,
            publish: Publish::Not,
            window_bytes: WINDOW_BYTES,
        }
    }

    /// Whether a publish request waits for the application's answer.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(self.publish, Publish::Requested { .. })
    }

    /// Whether a publish was accepted and has not ended.
    pub(crate) fn is_publishing(&self) -> bool {
        matches!(self.publish, Publish::Accepted { .. })
    }

    /// What the unfinished messages may be together.
    pub(crate) fn message_budget(&self) -> usize {
        match self.publish {
            Publish::Accepted { .. } => self.limits.bytes_while_publishing,
            Publish::Not | Publish::Requested { .. } => self.limits.bytes_before_publish,
        }
    }

    /// StreamBegin, onFCPublish where it was asked for, and Publish.Start. Nothing if nobody asked.
    pub(crate) fn accept(
        &mut self,
        told: Option<&PublishStart>,
        out: &mut Outbox,
    ) -> Result<(), Error> {
        let Publish::Requested { message_stream_id, .. } = self.publish else { return Ok(()) };
        self.publish = Publish::Accepted { message_stream_id };
        out.stream_begin(message_stream_id)?;
        let told = told.map(PublishStart::properties).unwrap_or_default();
        let start = info_with("status", START, "Publishing has started.", told);
        if self.wants_on_fc_publish {
            out.stream_command(message_stream_id, &notice("onFCPublish", start.clone()))?;
        }
        out.stream_command(message_stream_id, &notice("onStatus", start))
    }

    /// Tells a publisher, or somebody who wants to be one, why it cannot go on.
    pub(crate) fn refuse(&mut self, refusal: Refusal, out: &mut Outbox) -> Result<(), Error> {
        let (message_stream_id, transaction) = match self.publish {
            Publish::Requested { message_stream_id, transaction } => {
                (message_stream_id, transaction)
            }
            Publish::Accepted { message_stream_id } => (message_stream_id, None),
            Publish::Not => (0, None),
        };
        self.publish = Publish::Not;
        let reason = info("error", refusal.code(), refusal.description());
        out.stream_command(message_stream_id, &notice("onStatus", reason.clone()))?;
        match transaction {
            Some(id) => {
                out.stream_command(message_stream_id, &answer("_error", id, Value::Null, reason))
            }
            None => Ok(()),
        }
    }

    /// Messages of types that we do not know, and those that mean nothing here, are skipped.
    pub(crate) fn handle(
        &mut self,
        message: RawMessage,
        at: Place,
        out: &mut Outbox,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        match message.type_id {
            type_id::COMMAND_AMF0 | type_id::COMMAND_AMF3 => {
                self.command(&message, at, out, events)
            }
            type_id::USER_CONTROL => user_control(&message.payload, out),
            type_id::WINDOW_ACK_SIZE => {
                self.set_window(&message.payload);
                Ok(())
            }
            _ if !self.takes_media_of(message.message_stream_id) => Ok(()),
            type_id::AGGREGATE => self.aggregate(&message, at, events),
            _ => {
                media(message.type_id, message.timestamp_ms, message.payload, events);
                Ok(())
            }
        }
    }

    /// Whether media of this message stream is the publisher's. Who publishes without createStream
    /// numbers streams at will, so only those that were created and are not the published one are
    /// another's.
    fn takes_media_of(&self, stream: u32) -> bool {
        let Publish::Accepted { message_stream_id: published } = self.publish else { return false };
        stream == published || published == 0 || stream == 0 || stream > self.created_streams
    }

    /// 0 cannot be meant.
    fn set_window(&mut self, payload: &[u8]) {
        if let Some(bytes) = leading_u32(payload).filter(|bytes| *bytes > 0) {
            self.window_bytes = bytes;
        }
    }

    fn aggregate(
        &self,
        message: &RawMessage,
        at: Place,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        for tag in aggregate::tags(message, at, &self.limits)? {
            media(tag.type_id, tag.timestamp_ms, tag.payload, events);
        }
        Ok(())
    }

    fn command(
        &mut self,
        message: &RawMessage,
        at: Place,
        out: &mut Outbox,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        let payload = without_amf3_switch(&message.payload);
        let command = Command::parse(&payload, &self.limits.amf)
            .map_err(|(verb, source)| Error::Command { command: verb.name(), at, source })?;
        let Some(command) = command else { return Ok(()) };
        let stream = message.message_stream_id;
        match command.verb {
            Verb::Connect => self.connect(&command, out),
            Verb::CreateStream => self.create_stream(&command, out),
            Verb::ReleaseStream | Verb::CheckBandwidth => respond(&command, Value::Undefined, out),
            Verb::GetStreamLength => respond(&command, Value::Number(0.0), out),
            Verb::FcPublish => {
                self.wants_on_fc_publish = true;
                respond(&command, Value::Undefined, out)
            }
            Verb::Publish => self.publish(&command, stream, at, out, events),
            Verb::FcUnpublish => self.fc_unpublish(&command, stream, out, events),
            Verb::CloseStream => {
                self.end(stream, events);
                Ok(())
            }
            Verb::DeleteStream => {
                self.delete_stream(&command, events);
                Ok(())
            }
            Verb::Play => play_failed(stream, out),
        }
    }

    /// Section 7.2.1.1, in the order that Flash Media Server answers.
    fn connect(&mut self, command: &Command, out: &mut Outbox) -> Result<(), Error> {
        self.app = command.property("app").to_owned();
        self.tc_url = command.property("tcUrl").to_owned();
        out.window_ack_size(WINDOW_BYTES)?;
        out.peer_bandwidth(WINDOW_BYTES)?;
        out.set_chunk_size(CHUNK_SIZE);
        let mut server = vec![
            ("fmsVer", Value::from("FMS/3,0,1,123")), // some clients look for a Flash Media Server
            ("capabilities", Value::Number(31.0)),
        ];
        server.extend(enhanced_answer(command));
        let success = object(&[
            ("level", Value::from("status")),
            ("code", Value::from("NetConnection.Connect.Success")),
            ("description", Value::from("Connection succeeded.")),
            ("objectEncoding", Value::Number(0.0)), // AMF0, whatever was asked for
        ]);
        let transaction = command.transaction().unwrap_or(1.0);
        out.connection_command(&answer("_result", transaction, object(&server), success))
    }

    /// Section 7.2.1.3.
    fn create_stream(&mut self, command: &Command, out: &mut Outbox) -> Result<(), Error> {
        self.created_streams = self.created_streams.wrapping_add(1);
        respond(command, Value::Number(self.created_streams.into()), out)
    }

    /// Section 7.2.2.6. It needs no createStream before it (Haivision leaves that out);
    /// `publish(false)` is a stop (Flash, Wirecast); anything else that is not text is no name.
    fn publish(
        &mut self,
        command: &Command,
        message_stream_id: u32,
        at: Place,
        out: &mut Outbox,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        if command.argument().as_bool() == Some(false) {
            self.end(message_stream_id, events);
            return Ok(());
        }
        if self.publish != Publish::Not {
            return second_publish(message_stream_id, out);
        }
        self.publish = Publish::Requested { message_stream_id, transaction: command.transaction() };
        let stream = command.argument().as_str().unwrap_or_default();
        match publish_request(&self.app, &self.tc_url, stream, &self.limits) {
            Ok(request) => {
                events.push_back(Event::PublishRequested(request));
                Ok(())
            }
            Err(source) => {
                self.refuse(Refusal::BadName, out)?;
                Err(Error::StreamName { at, source })
            }
        }
    }

    fn fc_unpublish(
        &mut self,
        command: &Command,
        message_stream_id: u32,
        out: &mut Outbox,
        events: &mut VecDeque<Event>,
    ) -> Result<(), Error> {
        let stopped = info("status", "NetStream.Unpublish.Success", "Publishing has stopped.");
        out.stream_command(message_stream_id, &notice("onFCUnpublish", stopped))?;
        respond(command, Value::Undefined, out)?;
        self.end(0, events);
        Ok(())
    }

    /// Section 7.2.2.3. Deleting another stream than the published one ends nothing.
    fn delete_stream(&mut self, command: &Command, events: &mut VecDeque<Event>) {
        let deleted = command.argument().as_number();
        if deleted.is_none_or(|stream| self.publishes_on(stream)) {
            self.end(0, events);
        }
    }

    fn publishes_on(&self, stream: f64) -> bool {
        matches!(self.publish, Publish::Accepted { message_stream_id } if f64::from(message_stream_id) == stream)
    }

    /// The publisher is done, if it publishes on this message stream; 0 stands for whichever it is.
    fn end(&mut self, stream: u32, events: &mut VecDeque<Event>) {
        let Publish::Accepted { message_stream_id } = self.publish else { return };
        if stream == 0 || stream == message_stream_id {
            self.publish = Publish::Not;
            events.push_back(Event::Unpublish);
        }
    }
}

fn media(type_id: u8, timestamp_ms: u32, payload: Bytes, events: &mut VecDeque<Event>) {
    let (kind, payload) = match type_id {
        type_id::AUDIO => (MediaKind::Audio, payload),
        type_id::VIDEO => (MediaKind::Video, payload),
        type_id::DATA_AMF0 => (MediaKind::Script, payload),
        type_id::DATA_AMF3 => (MediaKind::Script, without_amf3_switch(&payload)),
        _ => return,
    };
    if !payload.is_empty() {
        events.push_back(Event::Media(Message { kind, timestamp_ms, payload }));
    }
}

/// What of E-RTMP is taken, for who asks in its `connect` (v1: `fourCcList`, v2: the two maps):
/// H.264 and AAC, forwarded and decoded.
fn enhanced_answer(command: &Command) -> Vec<(&'static str, Value)> {
    let asks = ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap"];
    if !asks.iter().any(|property| command.has(property)) {
        return Vec::new();
    }
    let list = [&[VIDEO_FOURCC], &AUDIO_FOURCCS[..]].concat();
    let can = |fourcc| (fourcc, Value::Number(CAN_DECODE_AND_FORWARD));
    vec![
        ("fourCcList", Value::StrictArray(list.into_iter().map(Value::from).collect())),
        ("videoFourCcInfoMap", object(&[can(VIDEO_FOURCC)])),
        ("audioFourCcInfoMap", object(&AUDIO_FOURCCS.map(can))),
    ]
}

pub(crate) fn user_control(payload: &[u8], out: &mut Outbox) -> Result<(), Error> {
    let Some((event, rest)) = payload.split_first_chunk() else { return Ok(()) };
    match (u16::from_be_bytes(*event), leading_u32(rest)) {
        (PING_REQUEST, Some(timestamp)) => out.ping_response(timestamp),
        _ => Ok(()), // buffer lengths, and types 31 and 32 of Flash-era senders
    }
}

/// The stream that is live goes on.
fn second_publish(message_stream_id: u32, out: &mut Outbox) -> Result<(), Error> {
    let refused =
        info("error", "NetStream.Publish.BadName", "A connection publishes one stream at a time.");
    out.stream_command(message_stream_id, &notice("onStatus", refused))
}

fn play_failed(message_stream_id: u32, out: &mut Outbox) -> Result<(), Error> {
    let failed = info(
        "error",
        "NetStream.Play.Failed",
        "This server takes streams by RTMP and plays them by HLS.",
    );
    out.stream_command(message_stream_id, &notice("onStatus", failed))
}

/// The result of a call, for who wants one.
fn respond(command: &Command, result: Value, out: &mut Outbox) -> Result<(), Error> {
    match command.transaction() {
        Some(transaction) => {
            out.connection_command(&answer("_result", transaction, Value::Null, result))
        }
        None => Ok(()),
    }
}

pub(crate) fn answer(name: &str, transaction: f64, object: Value, result: Value) -> [Value; 4] {
    [Value::from(name), Value::Number(transaction), object, result]
}

/// A command that wants no answer.
fn notice(name: &str, info: Value) -> [Value; 4] {
    answer(name, 0.0, Value::Null, info)
}

fn info(level: &str, code: &str, description: &str) -> Value {
    info_with(level, code, description, Vec::new())
}

fn info_with(
    level: &str,
    code: &str,
    description: &str,
    more: Vec<(&'static str, Value)>,
) -> Value {
    let mut properties = vec![
        ("level", Value::from(level)),
        ("code", Value::from(code)),
        ("description", Value::from(description)),
    ];
    properties.extend(more);
    object(&properties)
}

pub(crate) fn object(properties: &[(&str, Value)]) -> Value {
    Value::Object(
        properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    )
}

/// Messages of the AMF3 types begin with a zero byte, then come AMF0 values. None of ours begins
/// with AMF0's number marker, which is zero too.
pub(crate) fn without_amf3_switch(payload: &Bytes) -> Bytes {
    match payload.first() {
        Some(0) => payload.slice(1..),
        _ => payload.clone(),
    }
}
