//! What waits for a forward: as much as a short stall of the other server takes, and never a
//! publisher's time.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use flv::{AudioBody, AudioTag, FrameType, VideoBody, VideoTag};
use rtmp::{MediaKind, Message};
use tokio::sync::Notify;

use crate::limits::Limits;
use crate::sync::lock;

/// A queue that never makes the publisher's connection wait. Where the other server is slower than
/// the stream, what waits is thrown away, and it goes on with the next key picture.
#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Notify,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct State {
    flow: Flow,
    headers: Headers,
    messages: VecDeque<Message>,
    /// Bytes in the payloads of `messages`.
    bytes: usize,
}

/// What becomes of the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// There is no connection: only headers are kept.
    Stopped,
    /// It is left out unless it is one that a player can begin with.
    Resuming,
    /// It waits for its turn.
    Going,
    /// The publisher is gone: what waits still goes out.
    Ended,
}

/// What a decoder has to know beforehand, as the publisher sent it last.
#[derive(Debug, Default)]
struct Headers {
    metadata: Option<Message>,
    video: Option<Message>,
    audio: Option<Message>,
}

/// What a message is for those who come in the middle of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Header,
    /// A key picture; or sound, in a stream without pictures.
    Start,
    Other,
}

impl Backlog {
    pub(super) fn new(limits: &Limits) -> Self {
        let state = State {
            flow: Flow::Stopped,
            headers: Headers::default(),
            messages: VecDeque::new(),
            bytes: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            max_messages: limits.forward_messages,
            max_bytes: limits.forward_bytes,
        }
    }

    /// Takes a message of the publisher. How many were thrown away to keep within the limits, this
    /// one among them.
    pub(super) fn push(&self, message: &Message) -> u64 {
        let mut state = lock(&self.state);
        let role = state.headers.note(message);
        match state.flow {
            Flow::Stopped | Flow::Ended => return 0,
            Flow::Resuming if role == Role::Start => state.resume_with(message.timestamp_ms),
            Flow::Resuming => return 0,
            Flow::Going => {}
        }
        let bytes = state.bytes + message.payload.len();
        if state.messages.len() >= self.max_messages || bytes > self.max_bytes {
            let dropped = state.messages.len() as u64 + 1;
            state.clear();
            state.flow = Flow::Resuming;
            return dropped;
        }
        state.add(message.clone());
        drop(state);
        self.changed.notify_one();
        0
    }

    /// A connection is there: messages go out from the next one on that a player can begin with,
    /// behind the headers.
    pub(super) fn resume(&self) {
        self.set(Flow::Resuming);
    }

    /// There is no connection any more.
    pub(super) fn stop(&self) {
        self.set(Flow::Stopped);
    }

    fn set(&self, flow: Flow) {
        let mut state = lock(&self.state);
        if state.flow != Flow::Ended {
            state.flow = flow;
            state.clear();
        }
    }

    /// The publisher is gone.
    pub(super) fn end(&self) {
        lock(&self.state).flow = Flow::Ended;
        self.changed.notify_one();
    }

    /// The next message; `None` when the publisher is gone and everything was taken. Cancel safe.
    pub(super) async fn next(&self) -> Option<Message> {
        loop {
            // Bound before it is waited for, as the lock is not held then.
            let changed = self.changed.notified();
            {
                let mut state = lock(&self.state);
                if let Some(message) = state.messages.pop_front() {
                    state.bytes -= message.payload.len();
                    return Some(message);
                }
                if state.flow == Flow::Ended {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Waits until the publisher is gone. Cancel safe.
    pub(super) async fn ended(&self) {
        loop {
            let changed = self.changed.notified();
            if lock(&self.state).flow == Flow::Ended {
                return;
            }
            changed.await;
        }
    }
}

impl State {
    fn resume_with(&mut self, timestamp_ms: u32) {
        self.flow = Flow::Going;
        let Headers { metadata, video, audio } = &self.headers;
        let headers: Vec<_> = [metadata, video, audio].into_iter().flatten().cloned().collect();
        for header in headers {
            self.add(Message { timestamp_ms, ..header });
        }
    }

    fn add(&mut self, message: Message) {
        self.bytes += message.payload.len();
        self.messages.push_back(message);
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

impl Headers {
    /// Keeps a header, and says what the message is.
    fn note(&mut self, message: &Message) -> Role {
        let (role, slot) = match message.kind {
            MediaKind::Script if is_metadata(&message.payload) => {
                (Role::Header, Some(&mut self.metadata))
            }
            MediaKind::Script => (Role::Other, None),
            MediaKind::Video => (video_role(&message.payload), Some(&mut self.video)),
            MediaKind::Audio => match AudioTag::parse(message.payload.clone()) {
                Ok(Some(AudioTag { body: AudioBody::SequenceHeader(_) })) => {
                    (Role::Header, Some(&mut self.audio))
                }
                Ok(Some(_)) if self.video.is_none() => (Role::Start, None),
                _ => (Role::Other, None),
            },
        };
        if let (Role::Header, Some(slot)) = (role, slot) {
            *slot = Some(message.clone());
        }
        role
    }
}

fn video_role(payload: &Bytes) -> Role {
    let Ok(Some(tag)) = VideoTag::parse(payload.clone()) else { return Role::Other };
    match (tag.body, tag.frame_type) {
        (VideoBody::SequenceHeader(_), _) => Role::Header,
        (VideoBody::NalUnits { .. }, FrameType::Key) => Role::Start,
        _ => Role::Other,
    }
}

/// Whether script data is `onMetaData`, with or without `@setDataFrame` in front (each a marker, a
/// length of two bytes and the text).
fn is_metadata(payload: &[u8]) -> bool {
    const NAME: &[u8] = b"onMetaData";
    let begin = payload.get(..payload.len().min(64)).unwrap_or_default();
    begin.windows(NAME.len()).any(|text| text == NAME)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const METADATA: &[u8] = b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00";
    const AVC_HEADER: &[u8] = &[0x17, 0, 0, 0, 0, 1];
    const KEY: &[u8] = &[0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65];
    const INTER: &[u8] = &[0x27, 1, 0, 0, 0, 0, 0, 0, 1, 0x41];
    const AAC_HEADER: &[u8] = &[0xaf, 0, 0x12, 0x10];
    const AAC: &[u8] = &[0xaf, 1, 0x21];

    fn message(payload: &'static [u8], timestamp_ms: u32) -> Message {
        let kind = match payload[0] {
            0x02 => MediaKind::Script,
            0xaf => MediaKind::Audio,
            _ => MediaKind::Video,
        };
        Message { kind, timestamp_ms, payload: Bytes::from_static(payload) }
    }

    fn backlog(messages: usize, bytes: usize) -> Backlog {
        let limits =
            Limits { forward_messages: messages, forward_bytes: bytes, ..Limits::default() };
        Backlog::new(&limits)
    }

    /// What waits, with its times.
    fn taken(backlog: &Backlog) -> Vec<(Vec<u8>, u32)> {
        let mut taken = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(message)) = pin!(backlog.next()).poll(&mut context) {
            taken.push((message.payload.to_vec(), message.timestamp_ms));
        }
        taken
    }

    fn times(messages: &[(&[u8], u32)]) -> Vec<(Vec<u8>, u32)> {
        messages.iter().map(|(payload, time)| (payload.to_vec(), *time)).collect()
    }

    #[test]
    fn it_begins_with_the_headers_and_a_key_picture_wherever_the_connection_comes() {
        let backlog = backlog(100, 1000);
        for header in [METADATA, AVC_HEADER, AAC_HEADER] {
            backlog.push(&message(header, 0));
        }
        backlog.push(&message(KEY, 10));
        assert_eq!(taken(&backlog), [], "there is no connection");
        backlog.resume();
        for (payload, time) in [(INTER, 40), (AAC, 50), (KEY, 80), (AAC, 90), (INTER, 120)] {
            assert_eq!(backlog.push(&message(payload, time)), 0);
        }
        let expected: [(&[u8], u32); 6] = [
            (METADATA, 80),
            (AVC_HEADER, 80),
            (AAC_HEADER, 80),
            (KEY, 80),
            (AAC, 90),
            (INTER, 120),
        ];
        assert_eq!(taken(&backlog), times(&expected));
    }

    #[test]
    fn sound_alone_begins_with_any_frame() {
        let backlog = backlog(100, 1000);
        backlog.push(&message(AAC_HEADER, 0));
        backlog.resume();
        backlog.push(&message(AAC, 23));
        assert_eq!(taken(&backlog), times(&[(AAC_HEADER, 23), (AAC, 23)]));
    }

    #[test]
    fn headers_that_change_go_out_where_they_come() {
        let backlog = backlog(100, 1000);
        backlog.resume();
        for (payload, time) in [(AVC_HEADER, 0), (KEY, 0), (AAC_HEADER, 5), (AVC_HEADER, 40)] {
            backlog.push(&message(payload, time));
        }
        let expected: [(&[u8], u32); 4] =
            [(AVC_HEADER, 0), (KEY, 0), (AAC_HEADER, 5), (AVC_HEADER, 40)];
        assert_eq!(taken(&backlog), times(&expected));
    }

    #[test]
    fn who_is_too_slow_loses_what_waits_and_goes_on_with_the_next_key_picture() {
        let by_number = backlog(3, 1000);
        let by_bytes = backlog(100, AVC_HEADER.len() + KEY.len() + INTER.len());
        for backlog in [by_number, by_bytes] {
            backlog.push(&message(AVC_HEADER, 0));
            backlog.resume();
            let pictures = [(KEY, 0), (INTER, 40), (INTER, 80), (INTER, 120), (KEY, 160)];
            let dropped: Vec<_> = pictures
                .into_iter()
                .map(|(payload, time)| backlog.push(&message(payload, time)))
                .collect();
            assert_eq!(dropped, [0, 0, 4, 0, 0]);
            assert_eq!(taken(&backlog), times(&[(AVC_HEADER, 160), (KEY, 160)]));
        }
    }

    #[test]
    fn what_waits_at_the_end_still_goes_out_and_nothing_behind_it() {
        let backlog = backlog(100, 1000);
        backlog.resume();
        backlog.push(&message(AAC, 0));
        backlog.end();
        backlog.push(&message(AAC, 23));
        backlog.resume();
        assert_eq!(taken(&backlog), times(&[(AAC, 0)]));
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(backlog.next()).poll(&mut context).is_ready(), "it is over");
        assert!(pin!(backlog.ended()).poll(&mut context).is_ready());
    }
}
