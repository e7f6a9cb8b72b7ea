//! The light renditions, whose audio is their own: judged by ffprobe, and by what ffmpeg makes of
//! it against what it makes of the source.

use std::f64::consts::TAU;

use bytes::Bytes;
use flv::{Tag, TagKind};
use media::{Duration, Timestamp};
use pipeline::{
    DecoderKind, GridState, Ingest, IngestOutput, OldestMakeable, Package, Preset, RenditionSet,
    Sample, SegmentStore, StreamConfig, StreamTracks, make_segment, write_cmaf,
};

use crate::shapes::{VIDEO, discontinuities, infos, later, make, picture};
use crate::solo::{AUDIO_PID, pes_times};
use crate::support::{FIRST_SEQUENCE, Stream, ffmpeg_without_warning, ffprobe, segments};

/// Places in the default ladder.
const P144P15: usize = 1;
const P90: usize = 2;
const AUDIO: usize = 3;

fn config() -> StreamConfig {
    StreamConfig {
        renditions: Preset::default_ladder(),
        segment_duration: Duration::from_secs(2),
        decoder: DecoderKind::Native,
        work_clock: pipeline::WorkClock::default(),
    }
}

fn play(tags: Vec<Tag>) -> Stream {
    let config = config();
    let count = config.renditions.len();
    let mut stream = Stream::new(&config, GridState::new(FIRST_SEQUENCE));
    stream.set_wanted(RenditionSet::first(count));
    tags.into_iter().for_each(|tag| stream.push(tag));
    stream.finish();
    stream
}

/// Pictures, and sound of this source and codec.
fn film(seconds: u32, sound: &str, codec: &str) -> Vec<Tag> {
    let input = format!("{} -f lavfi -i {sound}", picture("160x120", 30));
    make(&input, &format!("-t {seconds} {VIDEO} -c:a {codec}"))
}

/// Left and right have a tone each.
const TONES: [f64; 2] = [440.0, 1000.0];

fn tones(rate: u32) -> String {
    let [left, right] = TONES.map(|hz| format!("0.3*sin({hz}*2*PI*t)"));
    format!("aevalsrc={left}|{right}:sample_rate={rate}")
}

fn joined(stream: &Stream, index: usize) -> Bytes {
    segments(&stream.rungs[index]).flat_map(|segment| segment.data.to_vec()).collect()
}

fn joined_source(stream: &Stream) -> Bytes {
    segments(&stream.source).flat_map(|segment| segment.data.to_vec()).collect()
}

/// Codec, profile, rate and channels of the sound, as ffprobe says.
fn sound_of(ts: &[u8]) -> String {
    let entries = "stream=codec_name,profile,sample_rate,channels";
    let args = format!("-f mpegts -select_streams a -show_entries {entries} -of csv=p=0 -");
    ffprobe(&args, ts).lines().next().unwrap_or_default().to_owned()
}

/// Times of the packets of sound.
fn packets(ts: &[u8]) -> Vec<i64> {
    let args = "-f mpegts -select_streams a -show_entries packet=pts -of csv=p=0 -";
    ffprobe(args, ts).lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// How far a channel is from its tone, and how late, in windows of the sound that ffmpeg decodes.
struct Heard {
    /// Samples, root mean square.
    worst: f64,
    late_ms: f64,
}

fn hear(ts: &[u8], channel: usize) -> Heard {
    const WINDOW: usize = 1024;
    const RATE: usize = 48_000;
    let begins = packets(ts)[0] as f64 / 90_000.0;
    let args = format!("-f mpegts -i - -map 0:a -ar {RATE} -ac 2 -f s16le -");
    let pcm = ffmpeg_without_warning(&args, ts);
    let sample = |pair: &[u8]| f64::from(i16::from_le_bytes([pair[0], pair[1]]));
    let samples: Vec<_> = pcm.chunks_exact(4).map(|pair| sample(&pair[2 * channel..])).collect();
    let (mut worst, mut late) = (0_f64, Vec::new());
    let windows = samples.chunks_exact(WINDOW).enumerate();
    let count = samples.len() / WINDOW;
    for (n, window) in windows.filter(|(n, _)| (24..count - 24).contains(n)) {
        let angle =
            |at: usize| TAU * TONES[channel] * (begins + (n * WINDOW + at) as f64 / RATE as f64);
        // The sine and the cosine that are nearest, by least squares.
        let (mut ss, mut sc, mut cc, mut sy, mut cy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (at, y) in window.iter().enumerate() {
            let (s, c) = angle(at).sin_cos();
            (ss, sc, cc) = (ss + s * s, sc + s * c, cc + c * c);
            (sy, cy) = (sy + s * y, cy + c * y);
        }
        let divisor = ss * cc - sc * sc;
        let (sine, cosine) = ((sy * cc - cy * sc) / divisor, (cy * ss - sy * sc) / divisor);
        let rest = |at: usize, y: f64| {
            let (s, c) = angle(at).sin_cos();
            y - sine * s - cosine * c
        };
        let squares: f64 = window.iter().enumerate().map(|(at, y)| rest(at, *y).powi(2)).sum();
        worst = worst.max((squares / WINDOW as f64).sqrt());
        late.push(-cosine.atan2(sine) / (TAU * TONES[channel]) * 1000.0);
    }
    let late_ms = late.iter().sum::<f64>() / late.len() as f64;
    Heard { worst, late_ms }
}

/// The film's sound of this rate, in each rendition, is in time with the source, and nothing is
/// heard where segments join.
fn assert_in_time_and_without_a_click(rate: u32, film: Vec<Tag>) {
    let stream = play(film);
    let source = joined_source(&stream);
    assert_eq!(sound_of(&source), format!("aac,LC,{rate},2"));
    let expected = [
        format!("aac,HE-AAC,{rate},2"),
        format!("aac,HE-AACv2,{rate},2"),
        "aac,HE-AACv2,32000,2".to_owned(),
        format!("aac,HE-AACv2,{rate},2"),
    ];
    for (index, expected) in expected.iter().enumerate() {
        let ts = joined(&stream, index);
        assert_eq!(sound_of(&ts), *expected);
        // Every frame follows the one before, over all joints.
        let hz: i64 = expected.split(',').nth(2).expect("a rate").parse().expect("a number");
        let times = packets(&ts);
        for (n, pts) in times.iter().enumerate() {
            let exact = times[0] + n as i64 * 2048 * 90_000 / hz;
            // Of several in one PES packet ffprobe counts the time in whole ticks.
            assert!((pts - exact).abs() <= 12, "{expected}: frame {n} at {pts}, not {exact}");
        }
        for channel in [0, 1] {
            let (own, original) = (hear(&ts, channel), hear(&source, channel));
            let late = own.late_ms - original.late_ms;
            assert!(late.abs() < 1.0, "{expected}: {late} ms");
            // 16 kbit/s has some noise of its own, everywhere.
            let most = original.worst * 1.5 + if index == P90 { 400.0 } else { 50.0 };
            assert!(own.worst < most, "{expected}: {} of {most}", own.worst);
        }
    }
}

#[test]
fn own_audio_is_he_aac_in_time_with_the_source_and_joins_without_a_click() {
    for rate in [48_000, 44_100] {
        assert_in_time_and_without_a_click(rate, film(9, &tones(rate), "aac -b:a 128k"));
    }
}

/// Stamps that begin at 0 hide how the times of frames are rounded.
#[test]
fn own_audio_joins_without_a_click_where_the_first_stamp_is_no_whole_sample() {
    let film = film(9, &tones(44_100), "aac -b:a 128k");
    assert_in_time_and_without_a_click(44_100, later(film, 7).collect());
}

/// A player that begins with any segment has the high tones, and both channels, from its first
/// frames on.
#[test]
fn a_segment_alone_is_he_aac_from_its_first_frames_on() {
    let stream = play(film(9, &tones(48_000), "aac -b:a 128k"));
    for index in [P144P15, P90, AUDIO] {
        for segment in segments(&stream.rungs[index]) {
            assert!(sound_of(&segment.data).starts_with("aac,HE-AACv2,"), "{}", segment.sequence);
            let pcm = ffmpeg_without_warning("-f mpegts -i - -map 0:a -f s16le -", &segment.data);
            let differ = |pair: &[u8]| pair[..2] != pair[2..];
            // Less than three frames.
            assert!(pcm.chunks_exact(4).take(6000).any(differ), "{}: mono", segment.sequence);
        }
    }
}

/// ISO/IEC 13818-1 2.7.4, of all that is written.
#[test]
fn time_stamps_of_light_sound_come_every_0_7_s_at_least() {
    let stream = play(film(9, &tones(48_000), "aac -b:a 128k"));
    for rendition in &stream.rungs {
        let times = segments(rendition).flat_map(|segment| pes_times(&segment.data));
        let times: Vec<_> = times.filter(|times| times.0 == AUDIO_PID).collect();
        for pair in times.windows(2) {
            assert!(pair[1].1 - pair[0].1 <= 63_000, "{pair:?}");
        }
    }
}

fn frames(package: &Package) -> Vec<Timestamp> {
    let times = package.samples.iter().filter_map(|sample| match sample {
        Sample::Audio(frame) => Some(frame.pts),
        Sample::Picture(..) => None,
    });
    times.collect()
}

#[test]
fn sound_alone_has_the_spans_of_the_ladder_and_no_picture() {
    let stream = play(film(7, &tones(48_000), "aac -b:a 128k"));
    assert_eq!(stream.listed[AUDIO], stream.listed[0]);
    let info = infos(&stream.rungs[AUDIO])[0];
    assert_eq!(
        (info.codecs.as_str(), info.resolution, info.frame_rate),
        ("mp4a.40.29", None, None)
    );
    let codecs = [0, P144P15, P90].map(|index| infos(&stream.rungs[index])[0].codecs.clone());
    assert_eq!(
        codecs,
        ["avc1.640c0c,mp4a.40.5", "avc1.42d00b,mp4a.40.29", "avc1.42c00a,mp4a.40.29"]
    );
    for sequence in &stream.listed[AUDIO] {
        let alone = stream.make(AUDIO, *sequence);
        assert_eq!(alone.pictures(), 0);
        // The same sound as that of the rendition with pictures, which is made of the same setting.
        assert_eq!(frames(&alone), frames(&stream.make(P144P15, *sequence)));
    }
}

/// Behind more than 1024 pictures nobody begins to decode, but sound needs no picture.
#[test]
fn sound_alone_is_made_where_no_pictures_can_be() {
    let input = format!("{} -f lavfi -i {}", picture("64x48", 120), tones(48_000));
    let video = "-c:v libx264 -preset ultrafast -x264-params keyint=5000:scenecut=0";
    let tags = make(&input, &format!("-t 14 {video} -c:a aac -b:a 128k"));
    let config = config();
    let tracks = StreamTracks::default();
    let mut ingest = Ingest::new(&config, GridState::new(FIRST_SEQUENCE), tracks);
    for tag in tags {
        ingest.push(tag.kind, tag.timestamp_ms, tag.body, 0);
    }
    ingest.finish();
    let mut store = SegmentStore::new(100);
    let mut numbers = Vec::new();
    while let Some(output) = ingest.poll() {
        if let IngestOutput::Segment(segment) = output {
            numbers.push(segment.ended.span.sequence());
            store.push(segment);
        }
    }
    let oldest = OldestMakeable { with_pictures: None, sound_alone: Some(numbers[0]) };
    assert_eq!(store.oldest_makeable(), oldest);
    let last = *numbers.last().expect("a span");
    assert!(store.source_of(last).is_none());
    for number in numbers {
        let source = store.sound_of(number).expect("it is stored");
        let made = make_segment(&config, AUDIO, &source).expect("it can be made");
        assert!(frames(&made.package).len() > 20, "{number}");
    }
}

/// Other parameters of the pictures are a discontinuity, which the sound does not know of.
#[test]
fn sound_that_goes_on_over_discontinuities_has_no_frame_twice() {
    let sound = make(&format!("-f lavfi -i {}", tones(48_000)), "-t 16 -c:a aac -b:a 128k");
    // The publisher's frames and the rendition's do not begin together.
    let mut tags: Vec<_> = later(sound, 10).collect();
    for n in 0..8 {
        let size = if n % 2 == 0 { "160x120" } else { "256x144" };
        let part = make(&picture(size, 30), &format!("-t 2 {VIDEO}"));
        tags.extend(later(part, n * 2000));
    }
    tags.sort_by_key(|tag| tag.timestamp_ms);
    let stream = play(tags);
    assert_eq!(discontinuities(&stream.source).len(), 7);
    let numbers = stream.listed[AUDIO].iter();
    let times: Vec<_> =
        numbers.flat_map(|sequence| frames(&stream.make(AUDIO, *sequence))).collect();
    assert!(times.len() > 16 * 48_000 / 2048 - 10);
    for pair in times.windows(2) {
        assert!((pair[1] - pair[0]).ticks() >= 3840, "{pair:?}");
    }
}

#[test]
fn a_segment_without_a_frame_of_sound_is_fragmented_mp4_all_the_same() {
    let stream = play(film(7, &tones(48_000), "aac -b:a 128k"));
    let mut packages: Vec<_> =
        stream.listed[AUDIO].iter().map(|sequence| stream.make(AUDIO, *sequence)).collect();
    packages[1].samples.clear();
    let init = packages[0].info().init;
    let mut film = init.to_vec();
    packages.iter().for_each(|package| film.extend(write_cmaf(package, &init)));
    let of_one = "-f mp4 -i - -show_entries packet=pts -of csv=p=0";
    let expected: usize = packages.iter().map(|package| frames(package).len()).sum();
    assert_eq!(ffprobe(of_one, &film).lines().count(), expected);
}

#[test]
fn a_stream_of_sound_alone_has_a_light_rendition() {
    let stream = play(make(&format!("-f lavfi -i {}", tones(48_000)), "-t 7 -c:a aac -b:a 128k"));
    assert_eq!(stream.listed.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 4]);
    assert_eq!(sound_of(&joined(&stream, AUDIO)), "aac,HE-AACv2,48000,2");
}

#[test]
fn without_sound_there_is_none_and_no_rendition_of_it() {
    let stream = play(make(&picture("160x120", 30), &format!("-t 5 {VIDEO}")));
    assert_eq!(stream.listed.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 0]);
    assert!(!infos(&stream.rungs[P90])[0].codecs.contains("mp4a"));
}

fn audio_codec(stream: &Stream, index: usize) -> String {
    let codecs = &infos(&stream.rungs[index])[0].codecs;
    codecs.split(',').next_back().expect("codecs").to_owned()
}

/// PS makes two channels of one, and of one there is only one. (ffprobe takes all HE-AAC of one
/// channel for v2 that ADTS does not tell of.)
#[test]
fn mono_is_he_aac_without_ps_and_surround_becomes_stereo() {
    let mono = play(film(5, "sine=sample_rate=44100", "aac -b:a 64k"));
    for index in [0, P144P15, P90, AUDIO] {
        assert_eq!(audio_codec(&mono, index), "mp4a.40.5");
        assert!(!joined(&mono, index).is_empty());
    }
    let surround = play(film(5, "sine=sample_rate=48000", "aac -b:a 256k -ac 6"));
    assert_eq!(sound_of(&joined(&surround, P90)), "aac,HE-AACv2,32000,2");
}

/// The source's first span may be silent: then its metadata says what comes.
#[test]
fn what_is_as_light_is_copied() {
    let stream = play(film(5, "sine=sample_rate=32000", "aac -b:a 24k"));
    let codecs = [0, P144P15, P90, AUDIO].map(|index| audio_codec(&stream, index));
    assert_eq!(codecs, ["mp4a.40.2", "mp4a.40.2", "mp4a.40.5", "mp4a.40.2"]);
    let silent = film(5, "anullsrc=sample_rate=48000", "aac -b:a 128k");
    assert_eq!(audio_codec(&play(silent.clone()), 0), "mp4a.40.5");
    let untold: Vec<_> = silent.into_iter().filter(|tag| tag.kind != TagKind::Script).collect();
    assert_eq!(audio_codec(&play(untold), 0), "mp4a.40.5");
}

/// Pictures, and the tones in HE-AAC, of which the frames are sent that begin at such times in ms.
fn he_aac_film(seconds: u32, is_sent: impl Fn(u32) -> bool) -> Vec<Tag> {
    let mut encoder = codec::AacEncoder::new(&codec::AacEncoderConfig {
        profile: codec::AacProfile::HighEfficiency,
        sample_rate_hz: 48_000,
        channels: 2,
        bitrate_bps: 64_000,
        start: Timestamp::ZERO,
    })
    .expect("an encoder");
    let tone = |at: usize, hz: f64| ((TAU * hz * at as f64 / 48_000.0).sin() * 9000.0) as i16;
    let count = 48_000 * seconds as usize;
    let samples: Vec<_> = (0..count).flat_map(|at| TONES.map(|hz| tone(at, hz))).collect();
    let mut tags = make(&picture("160x120", 30), &format!("-t {seconds} {VIDEO}"));
    let mut sound = vec![(0, [&[0xaf, 0], &encoder.audio_specific_config()[..]].concat())];
    let mut early = encoder.settled_frame();
    let take = |frame: media::AudioFrame| {
        let ms = (frame.pts.ticks() / 90) as u32;
        if early > 0 {
            early -= 1;
        } else if is_sent(ms) {
            sound.push((ms, [&[0xaf, 1], &frame.data[..]].concat()));
        }
    };
    encoder.encode(&samples, take).expect("it encodes");
    tags.extend(sound.into_iter().map(|(timestamp_ms, body)| Tag {
        kind: TagKind::Audio,
        timestamp_ms,
        body: body.into(),
    }));
    tags.sort_by_key(|tag| tag.timestamp_ms);
    tags
}

/// Fraunhofer's decoder takes what symphonia's does not.
#[test]
fn he_aac_of_the_publisher_is_decoded() {
    let stream = play(he_aac_film(9, |_| true));
    let ts = joined(&stream, AUDIO);
    assert_eq!(sound_of(&ts), "aac,HE-AACv2,48000,2");
    for channel in [0, 1] {
        // The tone begins at time 0, but for what the first stamp lacks of a millisecond.
        let own = hear(&ts, channel);
        assert!(own.late_ms.abs() < 1.1, "{} ms", own.late_ms);
        assert!(own.worst < 1000.0, "{}", own.worst);
    }
}

/// Silence in place of HE-AAC is plain AAC-LC, which the decoder gives sooner.
#[test]
fn he_aac_that_pauses_has_each_frame_of_its_rendition_once() {
    let stream = play(he_aac_film(26, |ms| ms % 8_000 < 3_300 || ms > 24_000));
    let numbers = stream.listed[AUDIO].iter();
    let times: Vec<_> =
        numbers.flat_map(|sequence| frames(&stream.make(AUDIO, *sequence))).collect();
    assert!(times.len() > 25 * 48_000 / 2048);
    for pair in times.windows(2) {
        assert_eq!((pair[1] - pair[0]).ticks(), 3840, "{pair:?}");
    }
}

/// The hardest pictures there are: 26 kbit/s of video, 16 of audio, and what packets cost.
#[test]
fn noise_at_the_cap_of_the_lightest_rendition_is_51_kbit_a_second_of_mpeg_ts() {
    let noise = "-f lavfi -i nullsrc=size=320x180:rate=30,geq=random(1)*255:128:128";
    let input = format!("{noise} -f lavfi -i anoisesrc=sample_rate=48000:amplitude=0.3");
    let stream = play(make(&input, &format!("-t 13 {VIDEO} -ac 2 -c:a aac -b:a 128k")));
    // The first ones have a second's worth of bits more than those that follow.
    let steady = || segments(&stream.rungs[P90]).skip(2).take(4);
    let bytes: usize = steady().map(|segment| segment.data.len()).sum();
    let seconds: f64 = steady().map(|segment| segment.duration.as_secs_f64()).sum();
    let bps = bytes as f64 * 8.0 / seconds;
    assert!(bps < 51_000.0, "{bps} bit/s");
}
