//! Publishers over real sockets: a small client written from Adobe's RTMP 1.0 specification, and
//! recorded media.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flv::{FileReader, Tag, TagKind};
use rtmp::StreamName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::registry::State;
use crate::shared::Shared;
use crate::shutdown::end_streams;
use crate::{Config, Limits, PublishAccess, Rate, SecretDigest, WebhookUrl, rtmp_listener};

/// 3 s of H.264, an IDR every second, no audio.
const RECORDING: &str = "flv/no_audio_keyframe_index.flv";

struct Site {
    shared: Arc<Shared>,
    addr: SocketAddr,
}

impl Site {
    async fn new(config: Config, limits: Limits) -> Self {
        let shared = Shared::new(&config, limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let lobby = rtmp_listener::lobby(&shared);
        tokio::spawn(rtmp_listener::run(listener, None, lobby, Arc::clone(&shared)));
        Self { shared, addr }
    }

    async fn passthrough() -> Self {
        Self::new(Config { renditions: Vec::new(), ..Config::default() }, Limits::default()).await
    }

    fn states(&self) -> Vec<State> {
        self.shared.registry().status().iter().map(|stream| stream.state).collect()
    }

    fn playlist(&self, name: &str) -> String {
        let publication = self.shared.registry().publication(&StreamName::parse(name).unwrap());
        let view = publication.map(|publication| publication.view());
        let rendition = view.as_ref().and_then(|view| view.rendition(crate::SOURCE));
        rendition.map_or_else(String::new, |rendition| {
            String::from_utf8(rendition.snapshot.playlist(hls::Container::MpegTs).plain.to_vec())
                .unwrap()
        })
    }

    /// Segments that were made, listed or not.
    fn segments(&self, name: &str) -> u64 {
        let publication = self.shared.registry().publication(&StreamName::parse(name).unwrap());
        let view = publication.map(|publication| publication.view());
        let rendition = view.as_ref().and_then(|view| view.rendition(crate::SOURCE));
        rendition.map_or(0, |rendition| rendition.published_segments)
    }
}

/// Yields to the server's tasks and threads until `done`.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

struct Client(TcpStream);

impl Client {
    /// Connects and shakes hands (RTMP 5.2).
    async fn shaken(addr: SocketAddr) -> Self {
        Self::shaken_from([127, 0, 0, 1], addr).await
    }

    async fn shaken_from(ip: [u8; 4], addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((ip, 0).into()).unwrap();
        let mut socket = socket.connect(addr).await.unwrap();
        let mut c0_c1 = vec![0x55; 1537];
        c0_c1[0] = 3;
        c0_c1[1..9].fill(0);
        socket.write_all(&c0_c1).await.unwrap();
        let mut s0_s1_s2 = vec![0; 3073];
        socket.read_exact(&mut s0_s1_s2).await.unwrap();
        socket.write_all(&s0_s1_s2[1..1537]).await.unwrap();
        Self(socket)
    }

    /// Asks to publish `name` in `app`; the answer is not read.
    async fn asking(addr: SocketAddr, app: &str, name: &str) -> Self {
        Self::asking_from([127, 0, 0, 1], addr, app, name).await
    }

    async fn asking_from(ip: [u8; 4], addr: SocketAddr, app: &str, name: &str) -> Self {
        let mut client = Self::shaken_from(ip, addr).await;
        client.asks(app, name).await;
        client
    }

    async fn asks(&mut self, app: &str, name: &str) {
        // SetChunkSize 65536 (RTMP 5.4.1): every message below fits into one chunk.
        self.message(2, 1, 0, 0, &[0, 1, 0, 0]).await;
        let object = [vec![3], key("app"), string(app), vec![0, 0, 9]].concat();
        self.message(3, 20, 0, 0, &[string("connect"), number(1.0), object].concat()).await;
        self.message(3, 20, 0, 0, &[string("createStream"), number(2.0), vec![5]].concat()).await;
        let publish = [string("publish"), number(3.0), vec![5], string(name), string("live")];
        self.message(3, 20, 1, 0, &publish.concat()).await;
    }

    async fn publishing(addr: SocketAddr, app: &str, name: &str) -> Self {
        let mut client = Self::asking(addr, app, name).await;
        client.reads("NetStream.Publish.Start").await;
        client
    }

    /// A message in one chunk with a full header (RTMP 5.3.1.2.1).
    async fn message(&mut self, csid: u8, kind: u8, stream: u32, timestamp_ms: u32, body: &[u8]) {
        let mut bytes = vec![csid];
        bytes.extend(&timestamp_ms.to_be_bytes()[1..]);
        bytes.extend(&(body.len() as u32).to_be_bytes()[1..]);
        bytes.push(kind);
        bytes.extend(stream.to_le_bytes());
        bytes.extend(body);
        // The server may have closed: what it said counts.
        let _ = self.0.write_all(&bytes).await;
    }

    async fn tag(&mut self, tag: &Tag) {
        let kind = match tag.kind {
            TagKind::Audio => 8,
            TagKind::Video => 9,
            TagKind::Script => 18,
        };
        self.message(4, kind, 1, tag.timestamp_ms, &tag.body).await;
    }

    /// Reads until the server has said `words`; all that it said.
    async fn reads(&mut self, words: &str) -> Vec<u8> {
        let mut said = Vec::new();
        while !contains(&said, words) {
            let bytes = self.0.read_buf(&mut said).await.unwrap();
            assert_ne!(bytes, 0, "closed before {words}: {}", String::from_utf8_lossy(&said));
        }
        said
    }

    /// All that the server says until it closes.
    async fn rest(mut self) -> Vec<u8> {
        let mut said = Vec::new();
        let _ = self.0.read_to_end(&mut said).await;
        said
    }
}

fn contains(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window == words.as_bytes())
}

/// AMF0 2.4, without marker: a property's name.
fn key(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn string(text: &str) -> Vec<u8> {
    [vec![2], key(text)].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

fn recording() -> Vec<Tag> {
    let mut reader = FileReader::new(flv::Limits::default());
    reader.push(&testmedia::read(RECORDING));
    std::iter::from_fn(|| reader.next_tag().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_published_and_its_last_segment_comes_with_the_end() {
    let site = Site::passthrough().await;
    let mut client = Client::publishing(site.addr, "live", "cam").await;
    for tag in recording() {
        client.tag(&tag).await;
    }
    until(|| site.playlist("cam").matches("#EXTINF").count() == 1).await;
    assert_eq!(site.states(), [State::Live]);
    assert!(site.playlist("cam").contains("#EXTINF:2.000,"), "two of its GOPs of 1 s");
    drop(client);
    until(|| site.segments("cam") == 2).await;
    assert!(matches!(site.states()[..], [State::Away(_)]));
    let playlist = site.playlist("cam");
    assert!(!playlist.contains("ENDLIST"), "the publisher may come back");
    assert_eq!(playlist.matches("#EXTINF").count(), 1, "the last is shorter than a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_process_publishes_the_last_segment_and_ends_the_playlists() {
    let limits = Limits { shutdown: Duration::from_millis(200), ..Limits::default() };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let mut client = Client::publishing(site.addr, "", "cam").await;
    for tag in recording() {
        client.tag(&tag).await;
    }
    until(|| !site.playlist("cam").is_empty()).await;
    end_streams(&site.shared).await;
    let playlist = site.playlist("cam");
    assert_eq!(playlist.matches("#EXTINF").count(), 2, "{playlist}");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert!(contains(&client.rest().await, "The server is stopping"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_publisher_is_told_why_and_the_first_is_unharmed() {
    let site = Site::passthrough().await;
    let _first = Client::publishing(site.addr, "cam", "").await;
    let said = Client::asking(site.addr, "live", "cam").await.rest().await;
    assert!(contains(&said, "NetStream.Publish.BadName") && !contains(&said, "Publish.Start"));
    let said = Client::asking(site.addr, "live", "current").await.rest().await;
    assert!(contains(&said, "NetStream.Publish.BadName"));
    assert_eq!(site.states(), [State::Live]);
    assert_eq!(site.shared.metrics.publish_refused.value(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_asked_for_and_an_equal_one_takes_over() {
    let access =
        PublishAccess { shared_key: Some(SecretDigest::of("k1")), ..PublishAccess::default() };
    let site = Site::new(
        Config { renditions: Vec::new(), access, ..Config::default() },
        Limits::default(),
    )
    .await;
    for name in ["cam", "cam/k2", "cam?key=k2"] {
        let said = Client::asking(site.addr, "live", name).await.rest().await;
        assert!(contains(&said, "NetStream.Publish.Unauthorized"), "{name}");
    }
    let first = Client::publishing(site.addr, "live", "cam/k1").await;
    let _second = Client::publishing(site.addr, "live", "cam?key=k1").await;
    assert!(contains(&first.rest().await, "NetStream.Publish.BadName"), "replaced");
    assert_eq!(site.states(), [State::Live]);
}

fn with_keys(keys: &[(&str, &str)]) -> Config {
    let own =
        |(name, key): &(&str, &str)| (StreamName::parse(name).unwrap(), SecretDigest::of(key));
    let access = PublishAccess { keys: keys.iter().map(own).collect(), ..PublishAccess::default() };
    Config { renditions: Vec::new(), access, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_alone_is_published_under_its_name_and_takes_over_as_any_key() {
    let site = Site::new(with_keys(&[("cam", "k1"), ("door", "k2")]), Limits::default()).await;
    let said = Client::asking(site.addr, "live", "k3").await.rest().await;
    assert!(contains(&said, "NetStream.Publish.Unauthorized"));
    let first = Client::publishing(site.addr, "live", "k1").await;
    let cam = StreamName::parse("cam").unwrap();
    assert!(site.shared.registry().publication(&cam).is_some());
    let _second = Client::publishing(site.addr, "cam", "k1").await;
    assert!(contains(&first.rest().await, "NetStream.Publish.BadName"), "replaced");
    assert_eq!(site.states(), [State::Live]);
}

#[tokio::test(flavor = "multi_thread")]
async fn v_14_who_guesses_keys_waits_and_nobody_else_does() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { free_guesses: 1, guess_pause: (hour, hour), ..Limits::default() };
    let site = Site::new(with_keys(&[("cam", "right"), ("door", "4711")]), limits).await;
    let said = Client::asking(site.addr, "cam", "wrong").await.rest().await;
    assert!(contains(&said, "NetStream.Publish.Unauthorized"));
    // The next one from there is not looked at for an hour, right or wrong.
    let waiting = Client::asking(site.addr, "cam", "right").await;
    let mut neighbour = Client::asking_from([127, 0, 0, 2], site.addr, "door", "4711").await;
    neighbour.reads("NetStream.Publish.Start").await;
    assert_eq!(site.states(), [State::Live], "the neighbour's, and no other");
    assert_eq!(site.shared.metrics.wrong_secrets.value(), 1);
    let mut said = vec![0; 65536];
    let mut waiting = waiting.0.into_std().unwrap();
    let read = std::io::Read::read(&mut waiting, &mut said).unwrap_or(0);
    assert!(!contains(&said[..read], "NetStream.Publish"), "no answer yet");
}

/// A webhook that answers each question as its `token` says, and one without an answer; what it was
/// asked.
async fn webhook() -> (WebhookUrl, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let questions = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&questions);
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            let request = String::from_utf8(request).unwrap();
            let answer = match &request {
                it if it.contains(r#""token":"yes""#) => "HTTP/1.1 204 No Content\r\n\r\n",
                it if it.contains(r#""token":"never""#) => "",
                _ => "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            };
            seen.lock().unwrap().push(request);
            socket.write_all(answer.as_bytes()).await.unwrap();
            silent.push(socket);
        }
    });
    (WebhookUrl::parse(&url).unwrap(), questions)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_decides_and_holds_up_nobody_but_who_asks() {
    let (url, questions) = webhook().await;
    let hour = Duration::from_secs(3600);
    let limits = Limits { webhook_wait: hour, ..Limits::default() };
    let config = Config { auth_webhook: Some(url), ..with_keys(&[("door", "4711")]) };
    let access = PublishAccess { allow_unlisted: true, ..config.access.clone() };
    let site = Site::new(Config { access, ..config }, limits).await;
    let waiting = Client::asking(site.addr, "live", "slow?token=never").await;
    until(|| questions.lock().unwrap().len() == 1).await;
    let denied = Client::asking(site.addr, "live", "cam?token=no").await.rest().await;
    assert!(contains(&denied, "NetStream.Publish.Unauthorized"));
    let query = "cam?user=me&pass=a%20b&token=yes";
    let _publisher = Client::publishing(site.addr, "live", query).await;
    // The keys come first: where they refuse, nobody is asked.
    let refused = Client::asking(site.addr, "live", "door?token=yes").await.rest().await;
    assert!(contains(&refused, "NetStream.Publish.Unauthorized"));
    {
        let questions = questions.lock().unwrap();
        assert_eq!(questions.len(), 3, "{questions:?}");
        for part in
            [r#""user":"me","password":"a b","token":"yes""#, r#""path":"cam""#, "pass=a%20b"]
        {
            assert!(questions[2].contains(part), "{part} in {}", questions[2]);
        }
    }
    assert_eq!(site.states(), [State::Live]);
    assert_eq!(site.shared.metrics.wrong_secrets.value(), 2);
    // It has not been answered, and costs nobody anything.
    let mut said = vec![0; 65536];
    let mut waiting = waiting.0.into_std().unwrap();
    let read = std::io::Read::read(&mut waiting, &mut said).unwrap_or(0);
    assert!(!contains(&said[..read], "NetStream.Publish"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_without_an_answer_lets_nobody_in_and_counts_no_guess() {
    let (url, _) = webhook().await;
    let limits = Limits { webhook_wait: Duration::from_millis(50), ..Limits::default() };
    let config = Config { renditions: Vec::new(), auth_webhook: Some(url), ..Config::default() };
    let site = Site::new(config, limits).await;
    let said = Client::asking(site.addr, "live", "cam?token=never").await.rest().await;
    assert!(contains(&said, "NetStream.Publish.Failed"));
    let metrics = &site.shared.metrics;
    assert_eq!((metrics.webhook_failures.value(), metrics.wrong_secrets.value()), (1, 0));
    assert!(site.states().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_publisher_is_disconnected() {
    let site = Site::passthrough().await;
    let client = Client::publishing(site.addr, "cam", "").await;
    let now = site.shared.clock.now();
    assert!(site.shared.registry().kick(&StreamName::parse("cam").unwrap(), now));
    client.rest().await;
    until(|| site.states().iter().all(|state| matches!(state, State::Away(_)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_publisher_that_reads_no_answers_ends_at_once() {
    // Only the stop signal can end it.
    let hour = Duration::from_secs(3600);
    let without_end = Rate { per_second: 1 << 30, burst: 1 << 30 };
    let limits = Limits {
        rtmp_write: hour,
        rtmp_idle_publishing: hour,
        rtmp_first_media: hour,
        rtmp_other_messages: without_end,
        ..Limits::default()
    };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let mut client = Client::publishing(site.addr, "cam", "").await;
    // Ping requests (RTMP 7.1.7), each of which is answered, until the server takes no more.
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1].repeat(1000);
    let stalled = Duration::from_millis(500);
    while let Ok(written) = tokio::time::timeout(stalled, client.0.write_all(&ping)).await {
        written.unwrap();
    }
    assert_eq!(site.states(), [State::Live]);
    let now = site.shared.clock.now();
    assert!(site.shared.registry().kick(&StreamName::parse("cam").unwrap(), now));
    let ended = until(|| !site.states().contains(&State::Live));
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the kick is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_rtmp_end_their_own_connection() {
    let site = Site::passthrough().await;
    let _neighbour = Client::publishing(site.addr, "cam", "").await;
    let mut socket = TcpStream::connect(site.addr).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert!(Client(socket).rest().await.len() < 4000);
    let mut client = Client::shaken(site.addr).await;
    client.0.write_all(&[0xc3; 64]).await.unwrap();
    client.rest().await;
    until(|| site.shared.metrics.rtmp_protocol_errors.value() == 2).await;
    assert_eq!(site.states(), [State::Live]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_let_go_before_and_while_publishing() {
    let limits = Limits {
        rtmp_publish_deadline: Duration::from_millis(300),
        rtmp_idle_before_publish: Duration::from_millis(50),
        rtmp_idle_publishing: Duration::from_millis(50),
        rtmp_look: Duration::from_millis(10),
        ..Limits::default()
    };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    Client(TcpStream::connect(site.addr).await.unwrap()).rest().await;
    Client::shaken(site.addr).await.rest().await;
    let publisher = Client::publishing(site.addr, "cam", "").await;
    publisher.rest().await;
    until(|| site.states().iter().all(|state| matches!(state, State::Away(_)))).await;

    // A byte now and then keeps nobody connected who never comes to publish.
    let mut slow = TcpStream::connect(site.addr).await.unwrap();
    let mut sent = 0;
    while slow.write_all(&[3]).await.is_ok() {
        sent += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(sent < 100, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_talks_without_end_and_never_publishes_is_let_go() {
    let limits = Limits { rtmp_publish_deadline: Duration::from_millis(300), ..Limits::default() };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let (mut answers, mut socket) = Client::shaken(site.addr).await.0.into_split();
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut tokio::io::sink()).await });
    // FCSubscribe means nothing to us; there is always more of it to read.
    let command = [string("FCSubscribe"), number(0.0), vec![5]].concat();
    let mut bytes = vec![3, 0, 0, 0, 0, 0, command.len() as u8, 20, 0, 0, 0, 0];
    bytes.extend(command);
    let flood = bytes.repeat(10_000);
    while socket.write_all(&flood).await.is_ok() {}
    // Closed or reset: over in any case.
    let _ = reading.await.unwrap();
    assert!(site.states().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_empty_messages_ends_a_connection_that_does_not_publish() {
    let site = Site::passthrough().await;
    let _neighbour = Client::publishing(site.addr, "cam", "").await;
    let mut client = Client::shaken(site.addr).await;
    client.message(3, 99, 0, 0, &[]).await;
    // Each is the same message once more.
    let flood = vec![0xc3; 1 << 16];
    while client.0.write_all(&flood).await.is_ok() {}
    until(|| site.shared.metrics.rtmp_protocol_errors.value() == 1).await;
    assert_eq!(site.states(), [State::Live]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_sends_no_media_is_let_go_however_much_it_says() {
    let limits = Limits {
        rtmp_first_media: Duration::from_millis(50),
        rtmp_look: Duration::from_millis(10),
        ..Limits::default()
    };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let client = Client::publishing(site.addr, "cam", "").await;
    let (mut answers, mut socket) = client.0.into_split();
    let ping = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1];
    while socket.write_all(&ping).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Closed or reset: over in any case.
    let _ = tokio::io::copy(&mut answers, &mut tokio::io::sink()).await;
    until(|| site.states().is_empty() || matches!(site.states()[..], [State::Away(_)])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_held_back_hears_a_kick() {
    let limits = Limits {
        rtmp_other_messages: Rate { per_second: 1, burst: 10 },
        rtmp_first_media: Duration::from_secs(3600),
        ..Limits::default()
    };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let mut client = Client::publishing(site.addr, "cam", "").await;
    client.message(3, 99, 0, 0, &[]).await;
    let stalled = Duration::from_millis(500);
    let flood = vec![0xc3; 1 << 16];
    while let Ok(written) = tokio::time::timeout(stalled, client.0.write_all(&flood)).await {
        written.unwrap();
    }
    assert_eq!(site.states(), [State::Live], "it is held back and not thrown out");
    let now = site.shared.clock.now();
    assert!(site.shared.registry().kick(&StreamName::parse("cam").unwrap(), now));
    let ended = until(|| !site.states().contains(&State::Live));
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the kick is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_closed_at_once() {
    let limits = Limits { rtmp_connections: 1, ..Limits::default() };
    let site = Site::new(Config { renditions: Vec::new(), ..Config::default() }, limits).await;
    let mut first = Client::shaken(site.addr).await;
    let second = TcpStream::connect(site.addr).await.unwrap();
    assert!(Client(second).rest().await.is_empty());
    assert_eq!(site.shared.metrics.rtmp_refused_connections.value(), 1);
    first.asks("live", "cam").await;
    first.reads("NetStream.Publish.Start").await;
    let _third = Client::shaken(site.addr).await;
    assert_eq!(site.states(), [State::Live], "who publishes holds no place of those who do not");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_06_of_publishers_that_race_for_a_name_exactly_one_wins() {
    let site = Site::passthrough().await;
    for round in 0..5 {
        let name = format!("cam{round}");
        let race = (0..8).map(|_| {
            let (addr, name) = (site.addr, name.clone());
            tokio::spawn(async move {
                let mut client = Client::asking(addr, "live", &name).await;
                let said = client.reads("NetStream.Publish.").await;
                contains(&said, "NetStream.Publish.Start").then_some(client)
            })
        });
        let mut winners = Vec::new();
        for racer in race.collect::<Vec<_>>() {
            winners.extend(racer.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(site.states().iter().filter(|state| **state == State::Live).count(), 1);
        drop(winners);
        until(|| !site.states().contains(&State::Live)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_that_come_and_go_leave_nothing_behind() {
    let site = Site::passthrough().await;
    for _ in 0..50 {
        // No name: each is a stream of its own.
        drop(Client::publishing(site.addr, "", "").await);
    }
    until(|| {
        let mut registry = site.shared.registry();
        registry.tick(site.shared.clock.now());
        registry.status().is_empty()
    })
    .await;
}
