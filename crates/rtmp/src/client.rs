use std::collections::VecDeque;

use bytes::Bytes;

use crate::client_session::ClientSession;
use crate::handshake::{self, Handshake};
use crate::outbox::Outbox;
use crate::{ChunkReader, ClientEvent, Error, Limits, Message, Place, PublishStart, PublishUrl};

/// The publisher's side of one RTMP connection.
///
/// Drive it as the [server's side](crate::Connection): **after [`new`](Self::new) and after every
/// [`handle_input`](Self::handle_input), [`send`](Self::send) and [`unpublish`](Self::unpublish),
/// drain [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) to `None`.**
/// The whole way to [`ClientEvent::Publishing`] goes by itself: handshake, connect, releaseStream,
/// FCPublish, createStream, publish.
///
/// ```
/// use rtmp::{Client, ClientEvent, Limits, PublishUrl};
///
/// let mut client = Client::new(PublishUrl::parse("rtmp://192.0.2.7/live/foo")?, Limits::default())?;
/// while let Some(bytes) = client.poll_transmit() {
///     // write them to the socket
/// #   assert_eq!((bytes[0], bytes.len()), (3, 1537));
/// }
/// # let received: &[u8] = &[3];
/// client.handle_input(received)?;
/// while let Some(event) = client.poll_event() {
///     match event {
///         ClientEvent::Publishing => {} // from now on: client.send(message)
///         ClientEvent::Refused(reason) => println!("refused: {reason}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    limits: Limits,
    state: State,
    session: ClientSession,
    outbox: Outbox,
    events: VecDeque<ClientEvent>,
    /// All bytes ever received. On the wire it is said modulo 2^32.
    received: u64,
    acknowledged: u64,
}

enum State {
    Handshake(Box<Handshake>),
    Chunks(ChunkReader),
    Closed,
}

impl Client {
    /// A connection that nothing was received on yet; C0 and C1 wait in
    /// [`poll_transmit`](Self::poll_transmit).
    ///
    /// # Errors
    /// When C1 cannot be made.
    pub fn new(url: PublishUrl, limits: Limits) -> Result<Self, Error> {
        let mut outbox = Outbox::new();
        let handshake = Handshake::client(&mut outbox.bytes)?;
        Ok(Self {
            limits,
            state: State::Handshake(Box::new(handshake)),
            session: ClientSession::new(url, limits.amf),
            outbox,
            events: VecDeque::new(),
            received: 0,
            acknowledged: 0,
        })
    }

    /// Takes bytes from the socket, in pieces of any size. Input of a closed connection is ignored.
    ///
    /// # Errors
    /// When the server breaks the protocol or exceeds the limits. The connection is dead then.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), Error> {
        self.received =
            self.received.saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        let result = self.process(input);
        if result.is_err() {
            self.state = State::Closed;
        }
        result
    }

    /// What happened. Poll to `None` after every call that takes `&mut self` and is not a poll.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Bytes for the socket. Poll to `None` after every call that takes `&mut self` and is not a
    /// poll.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbox.take()
    }

    /// Sends one FLV tag's worth of stream; script data wants its `@setDataFrame` in front. Nothing
    /// is sent before [`ClientEvent::Publishing`] and after the end.
    ///
    /// # Errors
    /// When the payload is longer than 16 777 215 bytes; nothing of it is sent then.
    pub fn send(&mut self, message: Message) -> Result<(), Error> {
        self.session.send(message, &mut self.outbox)
    }

    /// Says that the publisher is done; close the socket after transmitting that. Nothing is said
    /// where nothing was asked for.
    ///
    /// # Errors
    /// When the stream's name is longer than a message can be.
    pub fn unpublish(&mut self) -> Result<(), Error> {
        self.state = State::Closed;
        self.session.unpublish(&mut self.outbox)
    }

    /// Whether [`send`](Self::send) sends.
    pub fn is_publishing(&self) -> bool {
        self.session.is_publishing()
    }

    /// What a feathercast server said with its yes.
    pub fn publish_start(&self) -> Option<&PublishStart> {
        self.session.start()
    }

    /// Nothing comes in any more, by an error, a refusal or the end.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    fn process(&mut self, mut input: &[u8]) -> Result<(), Error> {
        self.shake_hands(&mut input)?;
        self.read_messages(input)?;
        self.acknowledge()
    }

    fn shake_hands(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        let State::Handshake(handshake) = &mut self.state else { return Ok(()) };
        if handshake.read(input, &mut self.outbox.bytes)? {
            let position = u64::try_from(handshake::LENGTH).unwrap_or(u64::MAX);
            self.state = State::Chunks(ChunkReader::new(&self.limits, position));
            self.session.connect(&mut self.outbox)?;
        }
        Ok(())
    }

    fn read_messages(&mut self, mut input: &[u8]) -> Result<(), Error> {
        // Media may wait there, too.
        let waiting = self.outbox.bytes.len();
        while let State::Chunks(reader) = &mut self.state
            && let Some(message) = reader.read(&mut input)?
        {
            let at = Place { csid: message.csid, position: reader.position() };
            let event = self.session.handle(&message, at, &mut self.outbox)?;
            if matches!(event, Some(ClientEvent::Refused(_))) {
                self.state = State::Closed;
            }
            self.events.extend(event);
            self.check_answers(waiting, at.position)?;
        }
        Ok(())
    }

    fn check_answers(&self, waiting: usize, position: u64) -> Result<(), Error> {
        let actual = self.outbox.bytes.len().saturating_sub(waiting);
        let allowed = self.limits.transmit_bytes;
        if actual > allowed {
            return Err(Error::TooManyAnswers { actual, allowed, position });
        }
        Ok(())
    }

    /// Section 5.4.3, at most once for each input.
    fn acknowledge(&mut self) -> Result<(), Error> {
        let due =
            self.received.saturating_sub(self.acknowledged) >= self.session.window_bytes.into();
        if !due || !matches!(self.state, State::Chunks(_)) {
            return Ok(());
        }
        self.acknowledged = self.received;
        let sequence_number = self.received & u64::from(u32::MAX);
        self.outbox.acknowledgement(u32::try_from(sequence_number).unwrap_or(u32::MAX))
    }
}
