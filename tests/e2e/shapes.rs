//! Players as judges of the shapes that live streams take and players fail at. Each stream is
//! watched by hls.js (at `NAME.m3u8`, the URL that people are given), by Chromium's own HLS player
//! (144p), by ffmpeg (`source`) and by GStreamer (144p); all show it to its end, stand still for no
//! more than a target duration beyond what the publisher was away (hls.js none of it where a slate
//! stands in), and show pictures and sound wherever there were some.
//!
//! Chromium's own player is given one rendition, as it cannot change it: it appends each as a
//! sequence of its own, and where the machine is so busy that it goes from one to the other it
//! stands still for ever, or ends with "Loaded ranges conflict with media time".

use std::thread;
use std::time::Duration;

use crate::support::browser::{Browser, Plays};
use crate::support::ffmpeg;
use crate::support::flv_file::{self, Tag};
use crate::support::program::{Player, Tracks};
use crate::support::rtmp_client::RtmpClient;
use crate::support::scratch::Scratch;
use crate::support::seen::{Expected, Seen};
use crate::support::server::Server;
use crate::support::wait::{Stopwatch, within};

const P144: &str = "P144p30fps16x9";
/// Target duration of the renditions, and of a source whose keyframes allow it.
const TARGET_DURATION: f64 = 2.0;
/// The page reports so often: a standstill is seen to be longer than it is by up to this.
const REPORTS_EVERY: f64 = 0.25;
/// No shape takes longer to its end.
const PATIENCE: Duration = Duration::from_secs(50);

const HLS_JS: &str = "hls.js";

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;

/// What is filmed: a small picture, that many decode at once.
#[derive(Clone, Copy)]
struct Camera {
    size: &'static str,
    pictures_per_second: u32,
    /// Seconds from one keyframe to the next.
    keyframes_every: u32,
    sample_rate_hz: Option<u32>,
}

const CAMERA: Camera = Camera {
    size: "320x180",
    pictures_per_second: 15,
    keyframes_every: 1,
    sample_rate_hz: Some(44_100),
};

impl Camera {
    fn films(self, seconds: u32) -> Vec<Tag> {
        let Self { size, pictures_per_second: rate, keyframes_every, sample_rate_hz } = self;
        let sound = sample_rate_hz.map_or_else(String::new, |hz| {
            format!("-f lavfi -i sine=sample_rate={hz}:duration={seconds} -c:a aac")
        });
        let line = format!(
            "-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds} {sound} -threads 1 -c:v libx264 \
             -preset superfast -bf 2 -g {} -keyint_min 1 -sc_threshold 0 -pix_fmt yuv420p",
            rate * keyframes_every
        );
        flv_file::read(&ffmpeg::encode(&Scratch::new(), &line))
    }
}

/// A publisher's stay.
struct Stay {
    /// Seconds since the one before.
    after: f64,
    tags: Vec<Tag>,
    /// In front of this tag it sends nothing for so many seconds.
    asleep: Option<(usize, f64)>,
    /// It says that it stops, or is gone.
    says_goodbye: bool,
}

struct Shape {
    name: &'static str,
    stays: Vec<Stay>,
    pictures_per_second: u32,
    /// Seconds for which no pictures are sent, of a stream that has some.
    without_pictures: Option<f64>,
    without_sound: Option<f64>,
    /// The target duration of `source`, which is as long as the keyframes are apart.
    target_duration: f64,
    in_chromium: bool,
}

impl Shape {
    /// One stay, with all its tracks from its beginning to its end.
    fn whole(name: &'static str, camera: Camera, seconds: u32) -> Self {
        Self {
            name,
            stays: vec![Stay {
                after: 0.0,
                tags: camera.films(seconds),
                asleep: None,
                says_goodbye: true,
            }],
            pictures_per_second: camera.pictures_per_second,
            without_pictures: Some(0.0),
            without_sound: camera.sample_rate_hz.map(|_| 0.0),
            target_duration: TARGET_DURATION.max(camera.keyframes_every.into()),
            // Chromium's own player ends at the first segments of every live playlist with two
            // pictures a second or fewer ("Segment queue never had any data"), also of segments
            // that ffmpeg wrote.
            in_chromium: camera.pictures_per_second > 2,
        }
    }

    /// The publisher is killed, and is back after some seconds.
    fn dropout(name: &'static str, seconds: f64) -> Self {
        Self::of_two(name, seconds, false, CAMERA)
    }

    /// Nothing comes of the publisher for some seconds, though it is connected; then it goes on
    /// where it was.
    fn sleeps(name: &'static str, seconds: f64) -> Self {
        let mut shape = Self::whole(name, CAMERA, 18);
        // In the middle of a GOP.
        let asleep = shape.stays[0].tags.partition_point(|tag| tag.timestamp_ms < 9_500);
        shape.stays[0].asleep = Some((asleep, seconds));
        shape.without_pictures = Some(seconds);
        shape.without_sound = Some(seconds);
        shape
    }

    /// The encoder stops, and starts again with other settings.
    fn restart(name: &'static str, other: Camera) -> Self {
        Self::of_two(name, 2.0, true, other)
    }

    fn of_two(name: &'static str, away: f64, says_goodbye: bool, other: Camera) -> Self {
        let mut shape = Self::whole(name, CAMERA, 10);
        shape.stays[0].says_goodbye = says_goodbye;
        let tags = other.films(8);
        shape.stays.push(Stay { after: away, tags, asleep: None, says_goodbye: true });
        shape.without_pictures = Some(away);
        shape.without_sound = Some(away);
        shape
    }

    /// The sequence header of one kind of tags comes first, and none of its samples from one time
    /// to another.
    fn lacks(name: &'static str, kind: u8, from_ms: u32, to_ms: u32) -> Self {
        let mut shape = Self::whole(name, CAMERA, 18);
        let is_lost = |tag: &Tag| {
            tag.kind == kind
                && !tag.is_sequence_header()
                && (from_ms..to_ms).contains(&tag.timestamp_ms)
        };
        shape.stays[0].tags.retain(|tag| !is_lost(tag));
        let lost = Some(f64::from(to_ms - from_ms) / 1000.0);
        if kind == AUDIO {
            shape.without_sound = lost;
        } else {
            shape.without_pictures = lost;
            // What stands in for them is one picture a segment.
            shape.in_chromium = from_ms > 0;
        }
        shape
    }

    /// Sound alone, of which nobody says that it is not, and then pictures all the same, which
    /// nobody who plays can add any more.
    fn pictures_unannounced(name: &'static str, from_ms: u32) -> Self {
        let mut shape = Self::whole(name, CAMERA, 18);
        let tags = &mut shape.stays[0].tags;
        tags.retain(|tag| {
            tag.kind == AUDIO
                || tag.kind == VIDEO && (tag.timestamp_ms >= from_ms || tag.is_sequence_header())
        });
        for tag in tags.iter_mut().filter(|tag| tag.kind == VIDEO && tag.is_sequence_header()) {
            tag.timestamp_ms = from_ms;
        }
        tags.sort_by_key(|tag| tag.timestamp_ms);
        shape.without_pictures = None;
        shape
    }

    /// The rendition for players that are given one.
    fn small(&self) -> &'static str {
        if self.tracks() == Tracks::Audio { "source" } else { P144 }
    }

    fn publish(&self, server: &Server) {
        for stay in &self.stays {
            thread::sleep(Duration::from_secs_f64(stay.after));
            let mut client = RtmpClient::publishing(server.rtmp, "cam", "secret");
            client.set_chunk_size(4096);
            let (asleep, seconds) = stay.asleep.unwrap_or((stay.tags.len(), 0.0));
            let (before, behind) = stay.tags.split_at(asleep);
            client.tags_in_real_time(before);
            thread::sleep(Duration::from_secs_f64(seconds));
            client.tags_in_real_time(behind);
            if stay.says_goodbye {
                client.say_goodbye("cam");
            }
        }
    }

    /// What this player of a playlist of this target duration must show.
    fn expected(&self, player: &str, target_duration: f64) -> Expected {
        let last_ms = |stay: &Stay| stay.tags.last().map_or(0, |tag| tag.timestamp_ms);
        let sent: u32 = self.stays.iter().map(last_ms).sum();
        Expected {
            seconds: f64::from(sent) / 1000.0,
            without_pictures: self.without_pictures,
            without_sound: self.without_sound,
            pictures_per_second: self.pictures_per_second.into(),
            stall: self.away_from(player) + target_duration + REPORTS_EVERY,
        }
    }

    /// For how many seconds a player may have nothing to show. Where nobody says goodbye a slate
    /// stands in, and hls.js keeps enough ahead to come to it in time.
    fn away_from(&self, player: &str) -> f64 {
        let is_away = |before: &Stay| before.says_goodbye || player != HLS_JS;
        let between = self.stays.iter().zip(self.stays.iter().skip(1));
        let between = between.filter(|(before, _)| is_away(before)).map(|(_, next)| next.after);
        let asleep = self.stays.iter().filter(|_| player != HLS_JS);
        let asleep = asleep.filter_map(|stay| stay.asleep).map(|(_, seconds)| seconds);
        between.chain(asleep).sum()
    }

    fn tracks(&self) -> Tracks {
        match (self.without_pictures, self.without_sound) {
            (Some(_), Some(_)) => Tracks::Both,
            (Some(_), None) => Tracks::Video,
            (None, _) => Tracks::Audio,
        }
    }

    /// ffmpeg and GStreamer play it to its end.
    fn is_kept(&self, server: &Server) -> Vec<String> {
        let scratch = Scratch::new();
        let since_start = Stopwatch::start();
        let [source, small] = ["source", self.small()].map(|rendition| {
            let path = format!("/stream/cam/{rendition}.m3u8");
            server.get_when_there(&path);
            format!("http://{}{path}", server.http)
        });
        let mut ffmpeg = Player::ffmpeg(&source, &scratch);
        let mut gstreamer = Player::gstreamer(&small, self.tracks(), &scratch);
        within(2 * PATIENCE, "the players' end", || {
            let play = ffmpeg.look() | gstreamer.look();
            (!play || since_start.elapsed() > PATIENCE).then_some(())
        });
        let period = 1.0 / f64::from(self.pictures_per_second);
        [("ffmpeg", ffmpeg, self.target_duration), ("GStreamer", gstreamer, TARGET_DURATION)]
            .into_iter()
            .flat_map(|(name, mut player, target_duration)| {
                let seen = Seen::kept(format!("{} in {name}", self.name), &mut player, period);
                seen.faults(&self.expected(name, target_duration))
            })
            .collect()
    }
}

/// Several shapes at once, as their players mostly wait; more than three, and two cores do not
/// decode them all in time.
fn all_play(shapes: &[Shape]) {
    let servers: Vec<_> = shapes.iter().map(|_| Server::start()).collect();
    let faults: Vec<_> = thread::scope(|threads| {
        let kept: Vec<_> = (shapes.iter().zip(&servers))
            .map(|(shape, server)| {
                threads.spawn(move || shape.publish(server));
                threads.spawn(move || shape.is_kept(server))
            })
            .collect();
        let in_browser = are_played(shapes, &servers);
        let kept = kept.into_iter().flat_map(|kept| kept.join().expect("no panic"));
        in_browser.into_iter().chain(kept).collect()
    });
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A browser plays them all, each in hls.js and in its own player.
fn are_played(shapes: &[Shape], servers: &[Server]) -> Vec<String> {
    let (mut watched, mut players) = (Vec::new(), Vec::new());
    for (shape, server) in shapes.iter().zip(servers) {
        server.get_when_there("/stream/cam.m3u8");
        let url = |playlist: &str| format!("http://{}/stream/{playlist}.m3u8", server.http);
        watched.push((shape, HLS_JS));
        players.push(Plays::HlsJs(url("cam")));
        if shape.in_chromium {
            let small = format!("cam/{}", shape.small());
            server.get_when_there(&format!("/stream/{small}.m3u8"));
            watched.push((shape, "Chromium"));
            players.push(Plays::Native(url(&small)));
        }
    }
    let since_start = Stopwatch::start();
    let browser = Browser::open(&players);
    within(2 * PATIENCE, "the players' end", || {
        let over = |index| browser.now(index).is_some_and(|it| it.ended || it.fatal);
        ((0..players.len()).all(over) || since_start.elapsed() > PATIENCE).then_some(())
    });
    let seen = watched.iter().enumerate().filter_map(|(index, (shape, player))| {
        let what = format!("{} in {player}", shape.name);
        let seen = Seen::in_browser(what, &browser.history(index));
        seen.faults(&shape.expected(player, TARGET_DURATION))
    });
    seen.collect()
}

#[test]
fn case_01_case_02_sound_that_comes_late_or_pauses_plays_in_every_player() {
    all_play(&[
        Shape::lacks("sound 6 s late", AUDIO, 0, 6_000),
        Shape::lacks("a pause of 4 s in the sound", AUDIO, 6_000, 10_000),
    ]);
}

#[test]
fn case_01_case_05_late_pictures_and_a_publisher_that_sleeps_play_in_every_player() {
    all_play(&[
        Shape::sleeps("silent for 6 s", 6.0),
        Shape::lacks("pictures 6 s late", VIDEO, 0, 6_000),
        Shape::pictures_unannounced("sound alone, then pictures", 8_000),
    ]);
}

#[test]
fn case_05_case_17_dropouts_of_two_five_and_nine_seconds_play_in_every_player() {
    all_play(&[
        Shape::dropout("dropout of 2 s", 2.0),
        Shape::dropout("dropout of 5 s", 5.0),
        Shape::dropout("dropout of 9 s", 9.0),
    ]);
}

#[test]
fn case_19_restarts_with_another_size_and_another_sample_rate_play_in_every_player() {
    all_play(&[
        Shape::restart("restart with another size", Camera { size: "320x240", ..CAMERA }),
        Shape::restart(
            "restart with another sample rate",
            Camera { sample_rate_hz: Some(48_000), ..CAMERA },
        ),
    ]);
}

#[test]
fn case_18_long_gops_slide_shows_and_video_alone_play_in_every_player() {
    let slow = Camera { pictures_per_second: 1, ..CAMERA };
    let rare_keyframes = Camera { keyframes_every: 10, ..CAMERA };
    let mute = Camera { sample_rate_hz: None, ..CAMERA };
    all_play(&[
        Shape::whole("keyframes 10 s apart", rare_keyframes, 24),
        Shape::whole("1 picture a second", slow, 16),
        Shape::whole("video only", mute, 16),
    ]);
}
