use std::collections::VecDeque;

use bytes::Bytes;

use crate::handshake::{self, Handshake};
use crate::outbox::Outbox;
use crate::session::Session;
use crate::{ChunkReader, Error, Event, Limits, Place, PublishStart, Received, Refusal};

/// The server's side of one RTMP connection with a publisher.
///
/// See the [crate documentation](crate) for how to drive it and [`Limits`] for what it may cost.
pub struct Connection {
    limits: Limits,
    state: State,
    session: Session,
    outbox: Outbox,
    events: VecDeque<Event>,
    /// Input behind a publish command that is not decided yet.
    held: Vec<u8>,
    /// All bytes ever received. On the wire it is said modulo 2^32.
    received: u64,
    acknowledged: u64,
    /// Media events ever, and the messages that they came in: an aggregate message is several.
    media: u64,
    media_messages: u64,
    /// What went wrong while no input was being handled.
    failure: Option<Error>,
}

enum State {
    Handshake(Box<Handshake>),
    Chunks(ChunkReader),
    Closed,
}

impl Connection {
    /// A connection that nothing was received on yet.
    pub fn server(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Handshake(Box::new(Handshake::server())),
            session: Session::new(limits),
            outbox: Outbox::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            received: 0,
            acknowledged: 0,
            media: 0,
            media_messages: 0,
            failure: None,
        }
    }

    /// Takes bytes from the socket, in pieces of any size. Input of a closed connection is ignored.
    ///
    /// # Errors
    /// When the peer breaks the protocol or exceeds the limits. The connection is dead then:
    /// [`is_closed`] is true, but [`poll_transmit`] may still have what tells the peer why.
    ///
    /// [`is_closed`]: Self::is_closed
    /// [`poll_transmit`]: Self::poll_transmit
    pub fn handle_input(&mut self, input: &[u8]) -> Result<(), Error> {
        self.received =
            self.received.saturating_add(u64::try_from(input.len()).unwrap_or(u64::MAX));
        let result = self.failure.take().map_or_else(|| self.process(input), Err);
        if result.is_err() {
            self.close();
        }
        result
    }

    /// What happened. Poll to `None` after every call that takes `&mut self` and is not a poll.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes for the socket. Poll to `None` after every call that takes `&mut self` and is not a
    /// poll; write all of it before more input is handled, or a peer that does not read makes it
    /// grow.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbox.take()
    }

    /// Answers a publish request by yes. Does nothing if there is none.
    ///
    /// Input that came behind the request is handled now; an error in it comes out of the next
    /// `handle_input`.
    pub fn accept_publish(&mut self) {
        self.accept(None);
    }

    /// As [`accept_publish`](Self::accept_publish), with what a publisher of ours may want to know.
    pub fn accept_publish_and_tell(&mut self, start: &PublishStart) {
        self.accept(Some(start));
    }

    fn accept(&mut self, told: Option<&PublishStart>) {
        if !self.session.is_undecided() {
            return;
        }
        let result = self.session.accept(told, &mut self.outbox);
        if let State::Chunks(reader) = &mut self.state {
            limit(reader, &self.session, &self.limits);
        }
        let held = std::mem::take(&mut self.held);
        let result = result.and_then(|()| self.process(&held));
        self.failure = result.err();
    }

    /// Answers a publish request by no, or takes back an earlier yes. Says why to the publisher;
    /// the connection is closed then: send what [`poll_transmit`](Self::poll_transmit) gives, then
    /// close the socket.
    pub fn reject_publish(&mut self, refusal: Refusal) {
        if matches!(self.state, State::Chunks(_)) {
            self.failure = self.session.refuse(refusal, &mut self.outbox).err();
        }
        self.close();
    }

    /// How much has come in so far, for whoever decides how fast more may come.
    pub fn received(&self) -> Received {
        let bytes = self.received;
        let State::Chunks(reader) = &self.state else {
            return Received { bytes, ..Received::default() };
        };
        Received {
            bytes,
            chunks: reader.chunks(),
            media: self.media,
            media_bytes: reader.media_bytes(),
            others: reader.messages().saturating_sub(self.media_messages),
        }
    }

    /// Nothing comes in any more, by an error or a rejection.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.held = Vec::new();
    }

    fn process(&mut self, mut input: &[u8]) -> Result<(), Error> {
        self.shake_hands(&mut input)?;
        self.read_messages(&mut input)?;
        self.hold(input)?;
        self.acknowledge()
    }

    fn shake_hands(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        let State::Handshake(handshake) = &mut self.state else { return Ok(()) };
        if handshake.read(input, &mut self.outbox.bytes)? {
            let position = u64::try_from(handshake::LENGTH).unwrap_or(u64::MAX);
            let mut reader = ChunkReader::new(&self.limits, position);
            limit(&mut reader, &self.session, &self.limits);
            self.state = State::Chunks(reader);
        }
        Ok(())
    }

    /// Stops at a publish request, so that everything behind it is judged as what it turns out to
    /// be.
    fn read_messages(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        let State::Chunks(reader) = &mut self.state else { return Ok(()) };
        while !self.session.is_undecided()
            && let Some(message) = reader.read(input)?
        {
            let at = Place { csid: message.csid, position: reader.position() };
            let before = self.events.len();
            self.session.handle(message, at, &mut self.outbox, &mut self.events)?;
            let media = count_media(self.events.iter().skip(before));
            self.media = self.media.saturating_add(media);
            self.media_messages = self.media_messages.saturating_add(media.min(1));
            limit(reader, &self.session, &self.limits);
            check_answers(&self.outbox, &self.limits, at.position)?;
        }
        Ok(())
    }

    fn hold(&mut self, input: &[u8]) -> Result<(), Error> {
        let (actual, allowed) = (self.held.len(), self.limits.bytes_before_publish);
        if actual > allowed {
            return Err(Error::TooMuchHeld { actual, allowed, position: self.received });
        }
        if self.session.is_undecided() {
            self.held.extend_from_slice(input);
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

/// What the peer may send from here on depends on whether it publishes.
fn limit(reader: &mut ChunkReader, session: &Session, limits: &Limits) {
    reader.set_budget(session.message_budget());
    if session.is_publishing() {
        reader.lift_restriction();
    } else {
        reader.restrict(limits);
    }
}

fn count_media<'a>(events: impl Iterator<Item = &'a Event>) -> u64 {
    let media = events.filter(|event| matches!(event, Event::Media(_))).count();
    u64::try_from(media).unwrap_or(u64::MAX)
}

fn check_answers(outbox: &Outbox, limits: &Limits, position: u64) -> Result<(), Error> {
    let (actual, allowed) = (outbox.bytes.len(), limits.transmit_bytes);
    if actual > allowed {
        return Err(Error::TooManyAnswers { actual, allowed, position });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// FMLE stops when the total is not what it counts in 32 bits.
    #[test]
    fn row_19_section_5_4_3_the_running_total_wraps_at_four_gigabytes_and_not_at_two() {
        let past_two = hex!("02 000000 000004 03 00000000 8000000e"); // 14 past 2^31
        let past_four = hex!("02 000000 000004 03 00000000 0000000e"); // 14 past 2^32
        for (total, expected) in [(1 << 31, past_two), (1 << 32, past_four), (1 << 33, past_four)] {
            let mut connection = Connection::server(Limits::default());
            connection.state = State::Chunks(ChunkReader::new(&Limits::default(), 0));
            connection.received = total - 10;
            connection.acknowledged = connection.received - 2_500_000 + 20;
            connection.handle_input(&hex!("02 000000 000000 03 00")).unwrap();
            assert_eq!(connection.poll_transmit(), None, "2 499 989 bytes are not due");
            connection.handle_input(&hex!("000000 02 000000 000000 03 00000000")).unwrap();
            assert_eq!(connection.poll_transmit().unwrap(), &expected[..]);
        }
    }
}
