//! `feathercast publish`: what comes out of a server is what was in the file; what cannot be
//! published says where and why.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::ffmpeg::{self, ffmpeg};
use crate::support::flv_file::tags;
use crate::support::nginx::Nginx;
use crate::support::playlist;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::ts::{demux, of_pid};
use crate::support::wait::within;

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;

/// Every file of tests/media/MANIFEST.md with H.264 and AAC, or one of the two, that is not broken.
const CLEAN: [&str; 20] = [
    "mp4/aac_5_1_15fps.mp4",
    "mp4/b_pyramid.mp4",
    "mp4/editlist_empty_1s.mp4",
    "mp4/fragmented_styp_sidx.mp4",
    "mp4/high10.mp4",
    "mp4/iphone6s_rot90.mov",
    "mp4/nal_length_2.mp4",
    "mp4/open_gop_recovery_point.mp4",
    "mp4/partially_fragmented.mp4",
    "mp4/portrait_large_cts_offset.mp4",
    "mp4/resolution_change.mp4",
    "mp4/vfr_3026x1386.mp4",
    "flv/4k60_avc_aac.flv",
    "flv/audio_only_aac.flv",
    "flv/no_audio_keyframe_index.flv",
    "flv/red5_h264_aac_badprevsize.flv",
    "flv/red5_rotations.flv",
    "flv/srs_avatar.flv",
    "aac/heaac_v1_22k.m4a",
    "aac/lc_5_1_16k.m4a",
];

/// The others, and what is said of them.
const NOT_CLEAN: [(&str, &str); 7] = [
    ("mp4/broken_mdhd_timescale.mp4", "mdhd at byte 1027"),
    ("mp4/broken_no_moov.mp4", "no moov box in its 4336 bytes"),
    ("flv/h264_mp3_16x8.flv", "the audio track is MP3 at byte 386"),
    ("flv/obs29_av1_aac_enhanced.flv", "the video track is AV1 (av01) at byte 453"),
    ("flv/red5_flashContent_speex.flv", "the audio track is Speex at byte 298"),
    ("flv/truncated_sorenson_mp3.flv", "at byte 388"),
    ("aac/xheaac_44k_mono.mp4", "xHE-AAC (audio object type 42) at byte 492"),
];

/// `feathercast publish`; killed when dropped.
struct Publishing {
    child: Child,
    said: PathBuf,
    _scratch: Scratch,
}

impl Publishing {
    fn start(words: &[&str]) -> Self {
        let scratch = Scratch::new();
        let said = scratch.file("publish.log");
        let log = std::fs::File::create(&said).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_feathercast"))
            .arg("publish")
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("feathercast starts");
        Self { child, said, _scratch: scratch }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits for the end; exit code and everything that was said.
    fn finish(&mut self) -> (Option<i32>, String) {
        let limit = Duration::from_secs(30);
        let status =
            within(limit, "the publisher to end", || self.child.try_wait().expect("a child"));
        (status.code(), self.said())
    }

    /// Everything that was said so far.
    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("text")
    }

    fn interrupt(&self) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.expect("kill(1)").success());
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is said when a server of ours takes a stream.
fn beginning(server: &Server, name: &str) -> String {
    format!(
        "publishing {name} to {}\nwatch it at http://{}/watch/{name}\n",
        server.rtmp, server.http
    )
}

/// Hashes of all slices and of all audio frames, in order, and the number of pictures.
#[derive(Debug, Default, PartialEq)]
struct Content {
    pictures: usize,
    slices: Vec<u64>,
    audio: Vec<u64>,
}

fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish()
}

/// Slices are NAL units of types 1 to 5; trailing zeros belong to the byte stream (ITU-T H.264
/// annex B).
fn slices(annexb: &[u8]) -> Vec<u64> {
    let mut starts: Vec<_> =
        annexb.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(at, _)| at).collect();
    starts.push(annexb.len());
    let units = starts.windows(2).map(|pair| &annexb[pair[0] + 3..pair[1]]);
    let units = units.map(without_trailing_zeros);
    units
        .filter(|unit| unit.first().is_some_and(|header| (1..=5).contains(&(header & 0x1f))))
        .map(hash)
        .collect()
}

fn without_trailing_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    &unit[..end]
}

/// The raw data blocks of an ADTS stream (ISO/IEC 13818-7 6.2).
fn adts_frames(mut stream: &[u8]) -> Vec<u64> {
    let mut frames = Vec::new();
    while let [0xff, flags, _, a, b, c, ..] = *stream {
        let header = if flags & 1 == 1 { 7 } else { 9 };
        let length = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c >> 5);
        frames.push(hash(&stream[header..length]));
        stream = &stream[length..];
    }
    assert!(stream.is_empty(), "{} bytes are no ADTS", stream.len());
    frames
}

/// What ffmpeg finds in a file, whatever an edit list hides.
fn content_of_file(file: &Path) -> Content {
    let path = file.to_str().expect("a UTF-8 path");
    if path.ends_with(".flv") {
        return content_of_flv(&std::fs::read(file).expect("a file"));
    }
    let demuxed = |args: &[&str]| {
        let output = Command::new("ffmpeg")
            .args(["-v", "quiet", "-nostdin", "-ignore_editlist", "1", "-i", path])
            .args(args)
            .arg("-")
            .output();
        output.expect("ffmpeg is installed").stdout
    };
    let video =
        demuxed(&["-map", "0:v:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264"]);
    let sizes = demuxed(&["-map", "0:v:0", "-c", "copy", "-f", "framecrc"]);
    let sizes = String::from_utf8(sizes).expect("text");
    Content {
        pictures: sizes.lines().filter(|line| !line.starts_with('#')).count(),
        slices: slices(&video),
        audio: adts_frames(&demuxed(&["-map", "0:a:0", "-c", "copy", "-f", "adts"])),
    }
}

/// H.264 behind length fields of four bytes (ISO/IEC 14496-15 5.3.2) and AAC; ffmpeg stumbles over
/// one of the files.
fn content_of_flv(file: &[u8]) -> Content {
    let mut content = Content::default();
    for tag in tags(file).iter().filter(|tag| tag.body.get(1) == Some(&1)) {
        match tag.kind {
            8 => content.audio.push(hash(&tag.body[2..])),
            9 => {
                content.pictures += 1;
                let mut annexb = Vec::new();
                let mut rest = &tag.body[5..];
                while let [a, b, c, d, units @ ..] = rest {
                    let (unit, others) =
                        units.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
                    annexb.extend([&[0, 0, 1], unit].concat());
                    rest = others;
                }
                content.slices.extend(slices(&annexb));
            }
            _ => {}
        }
    }
    content
}

/// The source rendition, every segment once. Files have keyframes as they like, so nothing is asked
/// of the playlist but that no segment is missed.
struct Viewer {
    stream: String,
    next: Option<u64>,
    joined: Vec<u8>,
}

impl Viewer {
    fn new(stream: &str) -> Self {
        Self { stream: stream.to_owned(), next: None, joined: Vec::new() }
    }

    fn poll(&mut self, server: &Server) {
        let response = server.get(&format!("/stream/{}/source.m3u8", self.stream));
        let listed = response.text().lines().filter(|line| line.ends_with(".ts"));
        let listed: Vec<_> = listed.map(|uri| (playlist::sequence(uri), uri)).collect();
        for (sequence, uri) in listed {
            let next = *self.next.get_or_insert(sequence);
            assert!(sequence <= next, "{uri} is listed, {next} is missed");
            if sequence == next {
                let segment = server.get(uri);
                assert_eq!(segment.status, 200, "{uri}");
                self.joined.extend(segment.body);
                self.next = Some(next + 1);
            }
        }
    }

    fn content(&self) -> Content {
        let stream = demux(&self.joined);
        let joined =
            |pid| of_pid(&stream, pid).flat_map(|pes| pes.data.iter().copied()).collect::<Vec<_>>();
        Content {
            pictures: of_pid(&stream, VIDEO_PID).count(),
            slices: slices(&joined(VIDEO_PID)),
            audio: adts_frames(&joined(AUDIO_PID)),
        }
    }
}

#[test]
fn long_every_clean_file_comes_out_of_a_server_as_it_is() {
    let server = Server::with(&["--renditions", "", "--max-streams", "40"]);
    let mut streams: Vec<_> = CLEAN
        .iter()
        .enumerate()
        .filter_map(|(number, file)| {
            let path = testmedia::find(file)?;
            let name = format!("s{number}");
            let publishing =
                Publishing::start(&[path.to_str().expect("UTF-8"), &server.url(&name)]);
            Some((path, Viewer::new(&name), publishing))
        })
        .collect();
    // Viewers do not wait for each other: a playlist is answered once it is long enough, and the
    // beginnings of the others would be gone by then.
    std::thread::scope(|scope| {
        for (_, viewer, publishing) in &mut streams {
            let server = &server;
            scope.spawn(move || {
                within(Duration::from_secs(120), "a file to be published", || {
                    let is_done = publishing.has_ended();
                    if is_done {
                        // A short last segment is listed with the end.
                        server.wait_for_state(&viewer.stream, "ended");
                    }
                    viewer.poll(server);
                    is_done.then_some(())
                });
            });
        }
    });
    for (file, viewer, mut publishing) in streams {
        let (code, said) = publishing.finish();
        assert_eq!(code, Some(0), "{}: {said}", file.display());
        is_the_file(&file, &viewer.content());
    }
}

/// A segment starts with a picture, so sound that was sent before the first one is not there, nor
/// what an edit list cuts off at the end.
fn is_the_file(file: &Path, served: &Content) {
    let name = file.display();
    let published = content_of_file(file);
    assert_eq!(served.pictures, published.pictures, "{name}: pictures");
    assert_eq!(served.slices, published.slices, "{name}: slices");
    // Silence stands in where the sound ends before the pictures.
    let ends = served.audio.iter().rposition(|frame| published.audio.contains(frame));
    let heard = &served.audio[..ends.map_or(0, |at| at + 1)];
    let run = heard.len();
    assert!(
        run == 0 || published.audio.windows(run).any(|window| window == heard),
        "{name}: audio"
    );
    let shown = audio_to_be_heard(file);
    assert!(run + 1 >= shown, "{name}: {run} audio frames came out, {shown} are to be heard");
}

/// Audio frames inside the edit list that are not before the first picture.
fn audio_to_be_heard(file: &Path) -> usize {
    let times = |track| {
        let output = Command::new("ffprobe")
            .args(["-v", "quiet", "-select_streams", track, "-show_entries", "packet=pts_time"])
            .args(["-of", "csv=p=0"])
            .arg(file)
            .output();
        let text = String::from_utf8(output.expect("ffprobe is installed").stdout).expect("text");
        let times = text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok());
        times.collect::<Vec<f64>>()
    };
    let first = times("v:0").into_iter().reduce(f64::min).unwrap_or(f64::MIN);
    times("a:0").into_iter().filter(|time| *time >= first).count()
}

#[test]
fn what_cannot_be_published_says_where_and_why() {
    for (file, words) in NOT_CLEAN {
        let Some(path) = testmedia::find(file) else { continue };
        // Nobody is there: a file is judged before anybody is called.
        let mut publishing =
            Publishing::start(&[path.to_str().expect("UTF-8"), "rtmp://127.0.0.1:9/x", "--strict"]);
        let (code, said) = publishing.finish();
        assert_eq!(code, Some(1), "{file}: {said}");
        assert!(said.lines().count() == 1 && said.contains(words) && said.contains(file), "{said}");
    }
}

fn case(name: &str) -> PathBuf {
    testmedia::path(&format!("cases/{name}"))
}

#[test]
fn case_08_case_14_what_is_left_out_is_told_at_once_and_by_the_exit_code() {
    let server = Server::with(&["--renditions", ""]);
    let (cut, ac3) = (case("truncated.flv"), case("ac3.mp4"));
    let files = [cut.to_str().expect("UTF-8"), ac3.to_str().expect("UTF-8")];
    let mut publishing = Publishing::start(&[files[0], files[1], &server.url("c")]);
    let mut viewer = Viewer::new("c");
    within(Duration::from_secs(30), "both files to be published", || {
        viewer.poll(&server);
        publishing.has_ended().then_some(())
    });
    server.wait_for_state("c", "ended");
    viewer.poll(&server);
    let (code, said) = publishing.finish();
    let said = said.strip_prefix(&beginning(&server, "c")).expect("what it is called");
    // Their keyframes are far apart, too.
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains("keyframes")).collect();
    assert_eq!((code, lines.len()), (Some(3), 3), "{said}");
    assert!(lines[0].contains("truncated.flv: left out: FLV tag of 105 bytes at byte 31957"));
    assert!(lines[1].contains("ac3.mp4: left out: track 2 (audio) is AC-3 (ac-3) at byte 60602"));
    assert!(lines[2].contains("not with everything"), "{said}");
    assert_eq!(viewer.content().pictures, 147 + 102);
    for file in files {
        let mut strict = Publishing::start(&[file, &server.url("s"), "--strict"]);
        assert_eq!(strict.finish().0, Some(1), "{file}");
    }
}

#[test]
fn a_loop_has_no_seam_and_ends_well_by_ctrl_c() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let line = "-f lavfi -i testsrc=s=160x120:r=25 -f lavfi -i sine -t 2 -c:v libx264 -preset ultrafast -bf 2 -g 25 -pix_fmt yuv420p -c:a aac";
    let file = scratch.file("two_seconds.mp4");
    let mut args: Vec<_> = line.split_whitespace().collect();
    args.push(file.to_str().expect("UTF-8"));
    ffmpeg(&args);
    let mut publishing = Publishing::start(&[args[args.len() - 1], &server.url("l"), "--loop"]);
    let mut viewer = Viewer::new("l");
    within(Duration::from_secs(20), "three rounds", || {
        viewer.poll(&server);
        (viewer.content().slices.len() >= 150).then_some(())
    });
    publishing.interrupt();
    assert_eq!(publishing.finish(), (Some(0), beginning(&server, "l")));
    server.wait_until_not_live("l");
    assert_eq!(server.log_lines(&["publisher gone", "stopped by the publisher"]).len(), 1);
    let (once, served) = (content_of_file(&file), viewer.content());
    assert_eq!((once.pictures, once.slices.len()), (50, 50));
    assert!(
        served.slices.starts_with(&once.slices.repeat(3)),
        "three rounds, nothing lost and nothing twice"
    );
    assert!(
        served.audio.starts_with(&once.audio.repeat(3)[..])
            || served.audio.starts_with(&once.audio.repeat(3)[1..])
    );
    let media = ffmpeg::probe(scratch.write("l.ts", &viewer.joined).to_str().expect("UTF-8"));
    let gaps = |pts: &[f64], longest: f64| {
        let worst = pts
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold((1.0_f64, 0.0_f64), |(a, b), gap| (a.min(gap), b.max(gap)));
        assert!(worst.0 > 0.0 && worst.1 <= longest, "{worst:?}");
    };
    // The longest track decides: ffmpeg's AAC has up to two frames more than the picture.
    gaps(&media.video.as_ref().expect("video").pts, 0.04 + 2.0 * 1024.0 / 44_100.0 + 0.001);
    gaps(&media.audio.as_ref().expect("audio").pts, 2.0 * 1024.0 / 44_100.0 + 0.001);
}

#[test]
fn nginx_rtmp_takes_what_we_publish_and_says_what_it_does_not() {
    let nginx = Nginx::start("");
    let url = |application: &str| format!("rtmp://{}/{application}/ours", nginx.rtmp);
    let mut refused = Publishing::start(&["test", &url("nowhere")]);
    let (code, said) = refused.finish();
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");

    let live = url("live");
    let mut publishing = Publishing::start(&["test", &live, "--size", "320x180"]);
    nginx.playlist("/live/ours.m3u8");
    publishing.interrupt();
    let said = format!("publishing to rtmp://{}/live/...\n", nginx.rtmp);
    assert_eq!(publishing.finish(), (Some(0), said));
    // Its second segment: nginx-rtmp cuts the first where it likes.
    let media = ffmpeg::probe(nginx.folder().join("live/ours-1.ts").to_str().expect("UTF-8"));
    let (video, audio) = (media.video.expect("video"), media.audio.expect("audio"));
    assert_eq!(video.pts.len(), 60, "two seconds of pictures");
    assert!(video.pts.is_sorted() && audio.pts.is_sorted());
}

#[test]
fn a_server_that_dies_finds_its_publisher_back() {
    let server = Server::with(&["--renditions", ""]);
    let mut publishing =
        Publishing::start(&["test", &server.url("back"), "--size", "320x180", "--bitrate", "300k"]);
    server.get_when_there("/stream/back/source.m3u8");
    let server = server.killed_and_started_again(&["--renditions", ""]);
    server.wait_for_state("back", "live");
    server.get_when_there("/stream/back/source.m3u8");
    assert!(!publishing.has_ended());
    publishing.interrupt();
    let (code, said) = publishing.finish();
    assert_eq!(code, Some(0), "{said}");
    server.wait_for_log(&["publisher gone", "stopped by the publisher"]);
}

#[test]
fn a_refusal_is_said_in_the_servers_words_and_final() {
    let server = Server::with(&["--renditions", "", "--publish-key", "secret"]);
    let file = testmedia::path("mp4/b_pyramid.mp4");
    let mut publishing =
        Publishing::start(&[file.to_str().expect("UTF-8"), &server.url("a/wrong")]);
    let (code, said) = publishing.finish();
    assert_eq!(code, Some(1));
    assert!(said.contains("refused the stream: The stream key is missing or wrong."), "{said}");
    assert!(!said.contains("/wrong"), "what may be a key is not shown: {said}");
}

#[test]
fn the_test_signal_is_as_ordered() {
    let (server, scratch) = (Server::with(&["--renditions", ""]), Scratch::new());
    let url = server.url("t");
    let mut publishing = Publishing::start(&[
        "test",
        &url,
        "--for",
        "5s",
        "--size",
        "320x180",
        "--fps",
        "25",
        "--keyframe-interval",
        "1s",
    ]);
    assert_eq!(publishing.finish(), (Some(0), beginning(&server, "t")));
    server.wait_until_not_live("t");
    let stream = server.stream("t").expect("the stream");
    assert_eq!(
        (&stream["width"], &stream["height"], &stream["fps"]),
        (&320.into(), &180.into(), &25.0.into())
    );
    assert!(stream["encoder"].as_str().expect("text").starts_with("feathercast/"));
    let mut viewer = Viewer::new("t");
    viewer.poll(&server);
    let media = ffmpeg::probe(scratch.write("t.ts", &viewer.joined).to_str().expect("UTF-8"));
    let video = media.video.expect("video");
    assert!((125..=127).contains(&video.pts.len()), "5 s of 25 a second: {}", video.pts.len());
    assert!(video.pts.windows(2).all(|pair| (pair[1] - pair[0] - 0.04).abs() < 0.0015));
    assert!(video.keys.iter().enumerate().all(|(number, key)| *key == (number % 25 == 0)));
    assert!(media.audio.expect("audio").pts.len() >= 230);
}

#[test]
fn a_publisher_is_told_what_its_stream_is_called_where_to_watch_it_and_how_it_goes() {
    let server = Server::with(&["--renditions", ""]);
    let mut publishing =
        Publishing::start(&["test", &server.url(""), "--size", "320x180", "--progress", "500ms"]);
    let progress = |line: &&str| line.contains(" fps  ") && line.contains(" Mbit/s  ");
    let said = within(Duration::from_secs(30), "how it goes, twice", || {
        Some(publishing.said()).filter(|said| said.lines().filter(progress).count() >= 2)
    });
    let name = said.strip_prefix("publishing ").and_then(|rest| rest.split(' ').next());
    let name = name.expect("a name");
    assert!(said.starts_with(&beginning(&server, name)), "{said}");
    assert!(name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(server.stream(name).expect("the stream")["state"], "live");
    assert_eq!(server.get(&format!("/watch/{name}")).status, 200);
    publishing.interrupt();
    assert_eq!(publishing.finish().0, Some(0));
}

#[test]
fn what_no_renditions_can_be_made_of_is_said_where_it_would_matter() {
    let (server, nginx) = (Server::start(), Nginx::start(""));
    let high10 = testmedia::path("mp4/high10.mp4");
    let high10 = high10.to_str().expect("UTF-8");
    let test = ["test", "--size", "320x180", "--keyframe-interval", "10s", "--for", "6s"];
    let publish = |words: &[&str], url: &str| {
        let mut publishing = Publishing::start(&[words, &[url]].concat());
        let (code, said) = publishing.finish();
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let [deep, seldom, elsewhere] = std::thread::scope(|threads| {
        let nginx = format!("rtmp://{}/live/x", nginx.rtmp);
        let deep = threads.spawn(|| publish(&[high10], &server.url("deep")));
        let seldom = threads.spawn(|| publish(&test, &server.url("seldom")));
        let elsewhere = threads.spawn(move || publish(&[high10], &nginx));
        [deep, seldom, elsewhere].map(|thread| thread.join().expect("what was said"))
    });
    let warned = |said: &str, words: &str| {
        let warnings = said.lines().filter(|line| line.starts_with("warning: "));
        warnings.filter(|line| line.contains(words)).count()
    };
    let words = "video plays as source only: 10 bits a sample, only 8 can be decoded; set the";
    assert_eq!(warned(&deep, words), 1, "{deep}");
    assert_eq!(warned(&seldom, "set a keyframe interval of 2 s"), 1, "{seldom}");
    assert_eq!(warned(&elsewhere, ""), 0, "of another server nothing is known: {elsewhere}");
}

#[test]
fn ffmpeg_takes_a_stream_as_a_server() {
    let scratch = Scratch::new();
    let file = scratch.file("taken.flv");
    let url = format!("rtmp://127.0.0.1:{}/live/foo", 42_000 + std::process::id() % 999);
    let mut server = Command::new("ffmpeg")
        .args([
            "-v",
            "quiet",
            "-nostdin",
            "-listen",
            "1",
            "-i",
            &url,
            "-c",
            "copy",
            file.to_str().expect("UTF-8"),
        ])
        .spawn()
        .expect("ffmpeg is installed");
    let input = testmedia::path("flv/srs_avatar.flv");
    // It is not there at once, and a publisher whose server never was does not wait.
    within(Duration::from_secs(20), "ffmpeg to take it", || {
        let mut publishing =
            Publishing::start(&[input.to_str().expect("UTF-8"), &url, "--for", "3s"]);
        let (code, said) = publishing.finish();
        assert!(code == Some(0) || said.contains("cannot connect"), "{said}");
        (code == Some(0)).then_some(())
    });
    within(Duration::from_secs(10), "ffmpeg to end", || server.try_wait().expect("a child"));
    let published = content_of_file(&input);
    let taken = content_of_file(&file);
    assert!((70..=90).contains(&taken.pictures), "3 s of 25 a second: {}", taken.pictures);
    assert!(
        published.slices.starts_with(&taken.slices) && published.audio.starts_with(&taken.audio)
    );
}
