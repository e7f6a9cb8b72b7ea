//! What a publisher says and what the answers mean: the client's side of RTMP section 7.

use amf0::Value;

use crate::command::Verb;
use crate::message::{leading_u32, type_id};
use crate::outbox::Outbox;
use crate::session::{CHUNK_SIZE, WINDOW_BYTES, answer, object, user_control, without_amf3_switch};
use crate::{
    ClientEvent, Error, Message, Place, PublishStart, PublishUrl, RawMessage, ServerRefusal,
};

/// What ffmpeg and OBS call themselves; some servers look for it.
const FLASH_VERSION: &str =
    concat!("FMLE/3.0 (compatible; feathercast/", env!("CARGO_PKG_VERSION"), ")");

/// Transaction ids of our calls.
mod call {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const CREATE_STREAM: f64 = 4.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
}

pub(crate) struct ClientSession {
    url: PublishUrl,
    amf: amf0::Limits,
    stage: Stage,
    /// What came with the server's yes.
    start: Option<PublishStart>,
    /// After how many bytes the server wants an acknowledgement.
    pub(crate) window_bytes: u32,
}

/// What we wait for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// The result of connect.
    Connecting,
    /// The result of createStream.
    CreatingStream,
    /// `onStatus` about the publish command on this message stream.
    Requesting(u32),
    /// Nothing: media goes out on this message stream.
    Publishing(u32),
    /// Nothing any more.
    Done,
}

/// A command that a server sends, as far as it matters to a publisher.
struct Reply {
    name: ReplyName,
    transaction: f64,
    /// The value behind the command object: a result, or an information object.
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyName {
    Result,
    Error,
    OnStatus,
}

impl ClientSession {
    pub(crate) fn new(url: PublishUrl, amf: amf0::Limits) -> Self {
        let stage = Stage::Connecting;
        Self { url, amf, stage, start: None, window_bytes: WINDOW_BYTES }
    }

    pub(crate) fn start(&self) -> Option<&PublishStart> {
        self.start.as_ref()
    }

    pub(crate) fn is_publishing(&self) -> bool {
        matches!(self.stage, Stage::Publishing(_))
    }

    /// Section 7.2.1.1: what ffmpeg tells a server to publish to. To be said after the handshake.
    pub(crate) fn connect(&self, out: &mut Outbox) -> Result<(), Error> {
        let arguments = object(&[
            ("app", Value::from(self.url.app())),
            ("type", Value::from("nonprivate")),
            ("flashVer", Value::from(FLASH_VERSION)),
            ("tcUrl", Value::from(self.url.tc_url().as_str())),
        ]);
        out.set_chunk_size(CHUNK_SIZE);
        let name = Value::from(Verb::Connect.name());
        out.connection_command(&[name, Value::Number(call::CONNECT), arguments])
    }

    /// One audio, video or script message. Nothing while not publishing.
    pub(crate) fn send(&self, message: Message, out: &mut Outbox) -> Result<(), Error> {
        match self.stage {
            Stage::Publishing(message_stream_id) => out.media(message_stream_id, message),
            _ => Ok(()),
        }
    }

    /// FCUnpublish and deleteStream, if there is something to end.
    pub(crate) fn unpublish(&mut self, out: &mut Outbox) -> Result<(), Error> {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        let (Stage::Publishing(stream) | Stage::Requesting(stream)) = stage else { return Ok(()) };
        let name = Value::from(self.url.stream());
        out.connection_command(&invoke(Verb::FcUnpublish, call::FC_UNPUBLISH, name))?;
        let stream = Value::Number(stream.into());
        out.connection_command(&invoke(Verb::DeleteStream, call::DELETE_STREAM, stream))
    }

    /// Messages of types that we do not know, and those that mean nothing to a publisher, are
    /// skipped.
    pub(crate) fn handle(
        &mut self,
        message: &RawMessage,
        at: Place,
        out: &mut Outbox,
    ) -> Result<Option<ClientEvent>, Error> {
        match message.type_id {
            type_id::COMMAND_AMF0 | type_id::COMMAND_AMF3 => self.command(message, at, out),
            type_id::USER_CONTROL => user_control(&message.payload, out).map(|()| None),
            type_id::WINDOW_ACK_SIZE => {
                let window = leading_u32(&message.payload).filter(|bytes| *bytes > 0);
                self.window_bytes = window.unwrap_or(self.window_bytes);
                Ok(None)
            }
            type_id::SET_PEER_BANDWIDTH => peer_bandwidth(&message.payload, out).map(|()| None),
            _ => Ok(None),
        }
    }

    fn command(
        &mut self,
        message: &RawMessage,
        at: Place,
        out: &mut Outbox,
    ) -> Result<Option<ClientEvent>, Error> {
        let payload = without_amf3_switch(&message.payload);
        let Some(reply) = Reply::parse(&payload, &self.amf, at)? else { return Ok(None) };
        match reply.name {
            ReplyName::Result => self.result(&reply, out).map(|()| None),
            ReplyName::Error => Ok(self.error(&reply)),
            ReplyName::OnStatus => Ok(self.status(&reply)),
        }
    }

    /// Some servers answer with transaction id 0.
    fn result(&mut self, reply: &Reply, out: &mut Outbox) -> Result<(), Error> {
        match self.stage {
            Stage::Connecting if reply.answers(call::CONNECT) => {
                self.stage = Stage::CreatingStream;
                self.create_stream(out)
            }
            Stage::CreatingStream if reply.answers(call::CREATE_STREAM) => {
                let Some(stream) = message_stream_id(&reply.value) else { return Ok(()) };
                self.stage = Stage::Requesting(stream);
                self.publish(stream, out)
            }
            _ => Ok(()),
        }
    }

    /// In the order of ffmpeg and OBS, without waiting for the first two.
    fn create_stream(&self, out: &mut Outbox) -> Result<(), Error> {
        let name = Value::from(self.url.stream());
        let release = invoke(Verb::ReleaseStream, call::RELEASE_STREAM, name.clone());
        out.connection_command(&release)?;
        out.connection_command(&invoke(Verb::FcPublish, call::FC_PUBLISH, name))?;
        let create = Value::from(Verb::CreateStream.name());
        out.connection_command(&[create, Value::Number(call::CREATE_STREAM), Value::Null])
    }

    /// Section 7.2.2.6.
    fn publish(&self, stream: u32, out: &mut Outbox) -> Result<(), Error> {
        let [name, id, object, argument] =
            invoke(Verb::Publish, call::PUBLISH, Value::from(self.url.stream()));
        out.stream_command(stream, &[name, id, object, argument, Value::from("live")])
    }

    /// Servers that do not know releaseStream and FCPublish say so, which does not matter.
    fn error(&mut self, reply: &Reply) -> Option<ClientEvent> {
        match reply.transaction {
            call::RELEASE_STREAM | call::FC_PUBLISH => None,
            _ => self.refused(&reply.value),
        }
    }

    /// Sections 7.2.2: `onStatus`.
    fn status(&mut self, reply: &Reply) -> Option<ClientEvent> {
        let property = |name| reply.value.property(name).and_then(Value::as_str);
        if property("level") == Some("error") {
            return self.refused(&reply.value);
        }
        let Stage::Requesting(stream) = self.stage else { return None };
        if property("code") != Some("NetStream.Publish.Start") {
            return None;
        }
        self.stage = Stage::Publishing(stream);
        self.start = PublishStart::from_info(&reply.value);
        Some(ClientEvent::Publishing)
    }

    fn refused(&mut self, info: &Value) -> Option<ClientEvent> {
        let stage = std::mem::replace(&mut self.stage, Stage::Done);
        let refusal = ServerRefusal::from_info(info);
        (stage != Stage::Done).then_some(ClientEvent::Refused(refusal))
    }
}

impl Reply {
    /// `None`: nothing that matters.
    fn parse(payload: &[u8], limits: &amf0::Limits, at: Place) -> Result<Option<Self>, Error> {
        let Ok((name, length)) = amf0::decode(payload, limits) else { return Ok(None) };
        let Some(name) = name.as_str().and_then(ReplyName::from_name) else { return Ok(None) };
        let values = payload.get(length..).unwrap_or_default();
        let values = amf0::decode_all(values, limits).map_err(|source| Error::Command {
            command: name.name(),
            at,
            source,
        })?;
        let mut values = values.into_iter();
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        // A few servers leave the command object out, or say everything in it.
        let value = values.next().unwrap_or(object);
        Ok(Some(Self { name, transaction, value }))
    }

    fn answers(&self, call: f64) -> bool {
        self.transaction == call || self.transaction == 0.0
    }
}

impl ReplyName {
    const ALL: [Self; 3] = [Self::Result, Self::Error, Self::OnStatus];

    fn name(self) -> &'static str {
        match self {
            Self::Result => "_result",
            Self::Error => "_error",
            Self::OnStatus => "onStatus",
        }
    }

    fn from_name(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.name() == text)
    }
}

fn invoke(verb: Verb, transaction: f64, argument: Value) -> [Value; 4] {
    answer(verb.name(), transaction, Value::Null, argument)
}

/// createStream's result: a whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in range, and it is checked to be whole"
)]
fn message_stream_id(value: &Value) -> Option<u32> {
    let number = value.as_number()?;
    let is_id = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_id.then_some(number as u32)
}

/// Section 5.4.5: answered by a window of the same size.
fn peer_bandwidth(payload: &[u8], out: &mut Outbox) -> Result<(), Error> {
    leading_u32(payload).map_or(Ok(()), |bytes| out.window_ack_size(bytes))
}
