//! The bounds of the shell on what peers may cost, in one place, each with its reason.

use std::time::Duration;

/// How much of something may come: at most `burst` at once, and `per_second` in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run; not zero.
    pub per_second: u64,
    /// At once, after a rest.
    pub burst: u64,
}

impl Rate {
    /// In which time this many may come, in nanoseconds.
    pub(crate) fn nanos_for(self, units: u64) -> u64 {
        const NANOS: u64 = 1_000_000_000;
        let per_second = self.per_second.max(1);
        // Asked for each read of a socket, where 64 bits are enough and much cheaper to divide.
        if let Some(nanos) = units.checked_mul(NANOS) {
            return nanos / per_second;
        }
        let nanos = u128::from(units) * u128::from(NANOS) / u128::from(per_second);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// What one peer may cost, and for how long the server waits for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// RTMP connections at once that do not publish (yet): each may cost about 100 KiB. An encoder
    /// is one of them for less than a second, and an address with many gets none of the last.
    pub rtmp_connections: usize,
    /// From accepting a connection to its publish command. Eight round trips, also over a 2G link.
    pub rtmp_publish_deadline: Duration,
    /// Longest silence before publish; encoders send their next command at once.
    pub rtmp_idle_before_publish: Duration,
    /// Longest silence of a publisher, then it is gone (mediamtx's readTimeout).
    pub rtmp_idle_publishing: Duration,
    /// How often it is looked whether a silent publisher has sent something. Its silence is made
    /// of looks that found nothing: time that passed may be ours.
    pub rtmp_look: Duration,
    /// From publish to the first audio or video. Encoders connect when they have both.
    pub rtmp_first_media: Duration,
    /// In each such time a publisher sends at least so many bytes of audio and video, or its place
    /// is free: a picture without a change once a second, and no sound, is 200.
    pub rtmp_media_floor: (Duration, u64),
    /// Longest wait for a peer to take an answer.
    pub rtmp_write: Duration,
    /// How long, and for how many bytes, a refused publisher's input is still read, so that the
    /// reason reaches it (closing with unread input makes TCP throw the answer away).
    pub rtmp_linger: (Duration, usize),
    /// One read from a socket. A connection lets the others have their turn after each: an empty
    /// message is one byte, and so many of them take a few milliseconds.
    pub rtmp_read_bytes: usize,
    /// Bytes of one connection; a chunk counts as 128 at least. Past a rate a connection is not
    /// read for a while, and nothing is lost. 100 Mbit/s, more than any encoder's 4K, is 12.5 MB/s;
    /// the burst is what that sends after a stall of half a minute.
    pub rtmp_bytes: Rate,
    /// Audio, video and script messages of one connection. 240 pictures and 200 audio frames (of
    /// 5 ms) a second are the most that encoders send; the burst is a minute and more of an
    /// ordinary stream, for those that catch up after a stall and for files that are sent as fast
    /// as they can be read.
    pub rtmp_media_messages: Rate,
    /// What all connections together send beyond those rates: a message takes a core 5 to 10 µs, so
    /// this is a tenth of one. The burst is what two files send that are published as fast as they
    /// can be read; who catches up behind it still gets the rate of a connection.
    pub rtmp_catch_up_messages: Rate,
    /// Messages of one connection that bring no media. Encoders send some tens before they
    /// publish, and then one in a few seconds (acknowledgements, pings, metadata); those that send
    /// an empty message in each gap of their sound are at 100 a second.
    pub rtmp_other_messages: Rate,
    /// Microseconds of a core that all ingest threads together may take beyond the part of it that
    /// each may (`priority.rs`), before those that take more step back: room for three 4K streams
    /// of 100 Mbit/s. The burst is what a file takes that is published as fast as it can be read.
    pub receiving_us: Rate,
    /// Messages between a connection and its ingest thread; when full the socket is not read.
    pub feed_messages: usize,
    /// Bytes between a connection and its ingest thread.
    pub feed_bytes: usize,
    /// Messages that wait for a server which a stream is forwarded to; past it, and past the bytes,
    /// they are thrown away up to the next key picture. Some seconds of any encoder.
    pub forward_messages: usize,
    /// Bytes that wait there: 4 s of 16 Mbit/s. They count as held by the stream.
    pub forward_bytes: usize,
    /// Publishers that are accepted from one address: each costs two threads and some log lines,
    /// also where it is gone at once. The burst is a studio whose line was down.
    pub publishes_per_address: Rate,
    /// A publisher that has sent no media for this long gives its place to the next who comes where
    /// none is free. The slowest encoder known (GLive on a T80) takes 4 s from publish to media.
    pub place_without_media: Duration,
    /// A live name may be taken over when its publisher sent nothing for this long, by as many
    /// looks as that takes.
    pub takeover_after: Duration,
    /// After a publisher is gone its playlists stay open for this long.
    pub reconnect_window: Duration,
    /// After ENDLIST a stream is still served for this long.
    pub ended_retention: Duration,
    /// From a trusted proxy's connection to its first byte, and to the end of its PROXY header: it
    /// is near, and sends that at once.
    pub proxy_header: Duration,
    /// From an accepted connection to the end of its TLS handshake: two round trips, also over a 2G
    /// link.
    pub tls_handshake: Duration,
    /// Streams without a publisher that are remembered at once; past it they are forgotten (each
    /// holds its last segments): first the brief ones, then those that have ended, then those with
    /// the fewest segments.
    pub remembered_streams: usize,
    /// A stream of fewer segments is brief: nobody can be watching it for long, and anybody can
    /// make many.
    pub brief_segments: u64,
    /// Replaced publishers of one stream whose workers may still be ending when the next one is
    /// accepted: each holds two threads and seconds of media. An encoder that reconnects in a loop
    /// waits for them.
    pub draining_sessions: usize,
    /// Streams without a publisher whose workers still end, for each place of `--max-streams`: a
    /// place is free the moment its publisher is gone, and who comes and goes faster than threads
    /// end has to wait.
    pub draining_streams_per_place: usize,
    /// From a publisher's word that it stops: how long what waits for the transcoder is still
    /// worked off. A machine that keeps up has less than that. Who hangs up without a word, or is
    /// kicked, takes it along at once.
    pub backlog: Duration,
    /// How long what a publisher had sent when it closed the connection is still received where
    /// that is slow: a file that is sent at once has a minute of it in the system's buffers.
    pub late_input: Duration,
    /// How long what was received by then is still cut into segments.
    pub late_messages: Duration,
    /// HTTP connections at once; at most what the process may open less `reserved_files`.
    pub http_connections: usize,
    /// HTTP connections at once from one address, but for this host's own, which may be a reverse
    /// proxy's: a mobile carrier has hundreds of viewers behind one, and nobody alone may take all
    /// places.
    pub http_connections_per_ip: usize,
    /// Files the process keeps for everything that is not an HTTP viewer.
    pub reserved_files: usize,
    /// From a connection to its first request. A connection without a request costs its peer
    /// nothing: it waits less.
    pub http_first_head: Duration,
    /// From the last response on a connection to the end of the next request's head: a playlist's
    /// refresh and some.
    pub http_head: Duration,
    /// A viewer that takes no byte for this long is gone.
    pub http_write: Duration,
    /// A request's head; the longest legitimate one is a browser's, about 2 KiB.
    pub http_head_bytes: usize,
    /// Fields in a request's head.
    pub http_headers: usize,
    /// Requests of one HTTP/2 connection that are answered at once: a player fetches a playlist and
    /// a segment for each of video, sound and subtitles.
    pub http2_streams: u32,
    /// An HTTP/2 connection that asks for nothing and takes fewer bytes than this while a request's
    /// head is waited for (`http_head`) is idle, whatever it sends.
    pub http2_idle_bytes: u64,
    /// A rendition that nobody has asked for in this long is not made any more until somebody does.
    pub rendition_idle: Duration,
    /// A viewer who asks for no media playlist in this long is gone, and the place is free: players
    /// ask once in a target duration.
    pub viewer_idle: Duration,
    /// How long a request waits at most for what is on its way, a segment that is being made or a
    /// playlist that is too short to be played: hls.js gives up on a server that says nothing for
    /// 10 s.
    pub http_wait: Duration,
    /// How long a publisher waits for the webhook's answer. With the longest pause before it that
    /// is still less than encoders wait.
    pub webhook_wait: Duration,
    /// Events that wait for the event webhook; past it the oldest is dropped. Ten streams that
    /// begin, falter and end again make about as many while a receiver is away for a minute.
    pub events: usize,
    /// How long one try to tell an event may take, with all that the receiver says.
    pub event_wait: Duration,
    /// Tries for one event; then it is given up, or one that a receiver does not like would hold
    /// up all others.
    pub event_tries: u32,
    /// The first pause between two tries, twice as long each time, and the longest: a receiver that
    /// is started again is back within the half minute that these are.
    pub event_pause: (Duration, Duration),
    /// Wrong keys from one address that cost nothing: typing errors, an encoder that has the key of
    /// yesterday.
    pub free_guesses: u32,
    /// How long the next key from there waits, twice as long after each wrong one, up to the second
    /// time: no encoder takes that for a dead server, and guessing is over at 8 s a guess.
    pub guess_pause: (Duration, Duration),
    /// After so long without a wrong key an address begins anew.
    pub guess_memory: Duration,
    /// Addresses whose wrong keys are remembered; past it the one longest ago is forgotten.
    pub guess_addresses: usize,
    /// A viewer gets a segment within so many target durations, or not at all: who is slower cannot
    /// play it, and keeps it in memory meanwhile.
    pub http_segment_target_durations: u32,
    /// A publisher for whose media there is no room, also when its windows are cut down, waits so
    /// long at most: slow viewers of it are gone by then.
    pub memory_wait: Duration,
    /// From a signal to the end of the process.
    pub shutdown: Duration,
    /// At most one log line of a kind in this time; what was left out is counted in the next.
    pub log_interval: Duration,
    /// In that time this many log lines of one kind that peers at one address cause: usually each
    /// is worth one.
    pub peer_log_burst: u64,
    /// In that time this many log lines of all kinds that peers at one address cause.
    pub peer_log_lines_per_ip: u64,
    /// In that time this many log lines that peers cause: under 20 a second whenever the time
    /// begins, with those that nobody causes.
    pub peer_log_lines: u64,
    /// In that time this many log lines about what one publisher sends: at its start codecs, size
    /// and encoder come one by one.
    pub facts_log_burst: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rtmp_connections: 256,
            rtmp_publish_deadline: Duration::from_secs(15),
            rtmp_idle_before_publish: Duration::from_secs(10),
            rtmp_idle_publishing: Duration::from_secs(10),
            rtmp_look: Duration::from_millis(250),
            rtmp_first_media: Duration::from_secs(10),
            rtmp_media_floor: (Duration::from_secs(10), 100),
            rtmp_write: Duration::from_secs(10),
            rtmp_linger: (Duration::from_secs(2), 1 << 20),
            rtmp_read_bytes: 32 << 10,
            rtmp_bytes: Rate { per_second: 32 << 20, burst: 384 << 20 },
            rtmp_media_messages: Rate { per_second: 1_100, burst: 16_384 },
            rtmp_catch_up_messages: Rate { per_second: 10_000, burst: 32_768 },
            rtmp_other_messages: Rate { per_second: 100, burst: 1_000 },
            receiving_us: Rate { per_second: 150_000, burst: 250_000 },
            feed_messages: 64,
            feed_bytes: 8 << 20,
            forward_messages: 1024,
            forward_bytes: 8 << 20,
            publishes_per_address: Rate { per_second: 1, burst: 20 },
            place_without_media: Duration::from_secs(5),
            takeover_after: Duration::from_secs(5),
            reconnect_window: Duration::from_secs(10),
            ended_retention: Duration::from_secs(60),
            proxy_header: Duration::from_secs(5),
            tls_handshake: Duration::from_secs(10),
            remembered_streams: 16,
            brief_segments: 3,
            draining_sessions: 2,
            draining_streams_per_place: 1,
            backlog: Duration::from_millis(500),
            late_input: Duration::from_secs(5),
            late_messages: Duration::from_secs(1),
            http_connections: 10_000,
            http_connections_per_ip: 1024,
            reserved_files: 400,
            http_first_head: Duration::from_secs(10),
            http_head: Duration::from_secs(30),
            http_write: Duration::from_secs(20),
            http_head_bytes: 16 << 10,
            http_headers: 64,
            http2_streams: 8,
            http2_idle_bytes: 64 << 10,
            rendition_idle: Duration::from_secs(30),
            viewer_idle: Duration::from_secs(40),
            http_wait: Duration::from_secs(8),
            webhook_wait: Duration::from_secs(3),
            events: 256,
            event_wait: Duration::from_secs(5),
            event_tries: 6,
            event_pause: (Duration::from_secs(1), Duration::from_secs(16)),
            free_guesses: 3,
            guess_pause: (Duration::from_millis(500), Duration::from_secs(8)),
            guess_memory: Duration::from_secs(600),
            guess_addresses: 4096,
            http_segment_target_durations: 4,
            memory_wait: Duration::from_secs(10),
            shutdown: Duration::from_millis(4500),
            log_interval: Duration::from_secs(5),
            peer_log_burst: 20,
            peer_log_lines_per_ip: 40,
            peer_log_lines: 45,
            facts_log_burst: 4,
        }
    }
}

impl Limits {
    /// The defaults, widened so that `max_streams` publishers may come back at once.
    #[must_use]
    pub fn for_streams(max_streams: usize) -> Self {
        let defaults = Self::default();
        let publishers = max_streams.saturating_mul(2);
        let publishes = defaults.publishes_per_address;
        let burst = publishes.burst.max(publishers as u64);
        let rtmp_connections = defaults.rtmp_connections.max(publishers);
        Self {
            rtmp_connections,
            // The rest is for the operator's port, the webhook, listeners and the log.
            reserved_files: defaults
                .reserved_files
                .max(rtmp_connections.saturating_add(max_streams).saturating_add(144)),
            remembered_streams: defaults.remembered_streams.max(max_streams),
            publishes_per_address: Rate { burst, ..publishes },
            ..defaults
        }
    }
}
