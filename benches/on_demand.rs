//! What streams cost that somebody watches, and that nobody watches, beside the peers in the same
//! run; and how long the first viewer of a rendition that sleeps waits for a segment.
//!
//! `cargo xtask bench` runs it with the binary of `cargo xtask dist`, on a machine that does
//! nothing else. Prints Markdown for docs/performance.md. `-- --spans 1 --warm-up 8 --span 2
//! --wakes 1` only tries it out; `--only costs` or `--only waits` leaves the other half out.
#![expect(clippy::print_stdout, reason = "the report goes to the terminal")]
#![expect(clippy::disallowed_methods, reason = "real time is what is measured")]

mod programs;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use programs::film::{FILM_720P, FILM_720P_LONG_GOPS, FILM_1080P, FILM_1080P_LONG_GOPS, Film};
use programs::viewer::{Library, Viewer, uris};
use programs::{
    FfmpegSettings, LADDER, Ports, Running, TICKS_PER_SECOND, free_port, get, largest, load,
    median, publish, scratch, smallest, wait_until_listening,
};

/// Publishers come one after the other, so that their keyframes do not all come at once.
const STAGGER: Duration = Duration::from_millis(230);
/// Seconds from the last publisher to the first look at the CPU time: playlists have three segments
/// after 6 s, and then viewers wake what sleeps.
const WARM_UP_SECS: u64 = 12;
/// What each viewer adds to that: segments that its rendition lacks are made one after the other.
const WARM_UP_PER_VIEWER: Duration = Duration::from_secs(2);
/// The most streams that are published, of 10 by default.
const MAX_STREAMS: &str = "20";
/// Aims for 720p30 with the default renditions and no viewer: streams, share of a core, MB.
const AIMS: [(usize, f64, f64); 2] = [(1, 0.015, 20.0), (20, 0.25, f64::INFINITY)];
/// An answer that is no segment: the first one that waited was told to come again.
const OK: u16 = 200;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // `cargo test --benches` and the like ask for tests, of which there are none.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let options = Options::of(&words);
    println!("load before: {}", load());
    if options.costs {
        costs(&options);
    }
    if options.waits {
        waits(&options);
    }
    println!("load after: {}", load());
}

struct Options {
    /// One after the other over which CPU time is taken; the median counts.
    spans: usize,
    /// Before the CPU time is looked at.
    warm_up: Duration,
    /// How long each of them is.
    span: Duration,
    /// Wakes that are measured of each kind of stream.
    wakes: usize,
    costs: bool,
    waits: bool,
}

impl Options {
    fn of(words: &[String]) -> Self {
        let word = |name: &str| {
            let index = words.iter().position(|word| word == name)?;
            words.get(index + 1)
        };
        let number = |name: &str, default: u64| {
            word(name).map_or(default, |word| word.parse().expect("a whole number"))
        };
        let only = word("--only").map(String::as_str);
        Self {
            spans: number("--spans", 5) as usize,
            warm_up: Duration::from_secs(number("--warm-up", WARM_UP_SECS)),
            span: Duration::from_secs(number("--span", 8)),
            wakes: number("--wakes", 20) as usize,
            costs: only.is_none_or(|only| only == "costs"),
            waits: only.is_none_or(|only| only == "waits"),
        }
    }
}

/// The table "so many streams, watched or not".
fn costs(options: &Options) {
    let subjects = subjects();
    let samples: Vec<Vec<Sample>> =
        subjects.iter().map(|subject| subject.measure(options)).collect();
    println!("\n{} in {}, 2.5 Mbit/s, source and 144p:\n", Film::picture(), FILM_720P.name);
    println!(
        "| streams | watched | program | core, median (min to max) | peak RSS, MB | played | pictures left out |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (subject, samples) in subjects.iter().zip(&samples) {
        println!("{}", subject.row(samples));
    }
    for (streams, aim_core, aim_mb) in AIMS {
        let is_meant = |subject: &Subject| {
            subject.streams == streams && subject.watched == 0 && subject.program == ON_DEMAND
        };
        let index = subjects.iter().position(is_meant).expect("it is in the table");
        let core = median(&samples[index].iter().map(|sample| sample.core).collect::<Vec<_>>());
        let mb = median(&samples[index].iter().map(|sample| sample.rss_mb).collect::<Vec<_>>());
        let verdict = if core <= aim_core && mb <= aim_mb { "met" } else { "missed" };
        println!(
            "\naim for {streams} that nobody watches: {core:.3} of {aim_core} core, {mb:.1} MB: {verdict}"
        );
    }
}

/// A program, the streams that it gets, and how many of them have a viewer.
struct Subject {
    streams: usize,
    watched: usize,
    program: Program,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Feathercast {
        transcode: &'static str,
    },
    /// A process for each stream.
    Ffmpeg,
    /// Passes through: its viewers watch the source.
    Nginx,
}

const ON_DEMAND: Program = Program::Feathercast { transcode: "on-demand" };
const ALWAYS: Program = Program::Feathercast { transcode: "always" };

struct Sample {
    core: f64,
    rss_mb: f64,
    /// Playing time that a viewer fetched, by the time that passed: 1 where it plays on.
    played: Option<f64>,
    /// Pictures that were not transcoded because the machine is too slow, as far as the program
    /// says.
    left_out: f64,
}

fn subjects() -> Vec<Subject> {
    let mut programs = vec![ON_DEMAND, ALWAYS, Program::Ffmpeg];
    programs.extend(programs::has_nginx().then_some(Program::Nginx));
    let mut subjects = Vec::new();
    for (streams, watched) in [(0, 0), (1, 0), (1, 1), (10, 0), (10, 10), (20, 0)] {
        for &program in &programs {
            // Without streams ffmpeg is no process, and 20 are for those that pass them through.
            // What is always made is where nobody watches what would be made for somebody.
            let has_a_row = match program {
                Program::Ffmpeg => streams > 0 && streams < 20,
                ALWAYS => streams == 1 || streams == 10 && watched == 0,
                Program::Feathercast { .. } | Program::Nginx => true,
            };
            if has_a_row {
                subjects.push(Subject { streams, watched, program });
            }
        }
    }
    subjects
}

impl Subject {
    /// A sample for each span.
    fn measure(&self, options: &Options) -> Vec<Sample> {
        let clip = FILM_720P.file();
        let service = Service::start(self.program, self.streams);
        let mut publishers = Vec::new();
        for (name, port) in &service.inlets {
            publishers.push(publish(&clip, *port, name));
            sleep(STAGGER);
        }
        let watched = service.libraries.iter().take(self.watched);
        let viewers: Vec<Viewer> = watched.cloned().map(Viewer::start).collect();
        sleep(options.warm_up + WARM_UP_PER_VIEWER * self.watched as u32);
        let mut samples = Vec::new();
        for _ in 0..options.spans {
            let sample = self.measure_span(options.span, &service, &viewers);
            println!(
                "{} streams, {} watched, {}: {:.3} core, {:.1} MB, played {:?}, {} pictures left out",
                self.streams,
                self.watched,
                self.program.name(),
                sample.core,
                sample.rss_mb,
                sample.played,
                sample.left_out
            );
            samples.push(sample);
        }
        assert!(publishers.iter().all(Running::is_alive), "a publisher was refused");
        let failed: u64 = viewers.iter().map(Viewer::failed).sum();
        println!("{failed} segments late");
        samples
    }

    fn measure_span(&self, span: Duration, service: &Service, viewers: &[Viewer]) -> Sample {
        let fetched_secs = || -> f64 { viewers.iter().map(Viewer::fetched_secs).sum() };
        let (ticks_before, left_out_before) = (service.cpu_ticks(), service.left_out());
        let (fetched_before, start) = (fetched_secs(), Instant::now());
        sleep(span);
        let (ticks, fetched) = (service.cpu_ticks(), fetched_secs());
        let span = start.elapsed().as_secs_f64();
        Sample {
            core: (ticks - ticks_before) / TICKS_PER_SECOND / span,
            rss_mb: service.processes.iter().map(Running::peak_rss_mb).sum(),
            played: (self.watched > 0)
                .then(|| (fetched - fetched_before) / span / self.watched as f64),
            left_out: service.left_out() - left_out_before,
        }
    }

    fn row(&self, samples: &[Sample]) -> String {
        let cores: Vec<f64> = samples.iter().map(|sample| sample.core).collect();
        let rss: Vec<f64> = samples.iter().map(|sample| sample.rss_mb).collect();
        let played: Vec<f64> = samples.iter().filter_map(|sample| sample.played).collect();
        let left_out: Vec<f64> = samples.iter().map(|sample| sample.left_out).collect();
        let watched = match self.watched {
            0 => "no".to_owned(),
            all if all == self.streams => "yes".to_owned(),
            some => format!("{some} of them"),
        };
        format!(
            "| {} | {watched} | {} | {:.3} ({:.3} to {:.3}) | {:.1} | {} | {} |",
            self.streams,
            self.program.name(),
            median(&cores),
            smallest(&cores),
            largest(&cores),
            median(&rss),
            if played.is_empty() { String::new() } else { format!("{:.2}", median(&played)) },
            if median(&left_out) > 0.0 { median(&left_out).to_string() } else { String::new() }
        )
    }
}

impl Program {
    fn name(self) -> String {
        match self {
            Self::Feathercast { transcode } if self == ON_DEMAND => {
                format!("**feathercast** ({transcode}, the default)")
            }
            Self::Feathercast { transcode } => format!("**feathercast** ({transcode})"),
            Self::Ffmpeg => "ffmpeg, libx264 veryfast, area".to_owned(),
            Self::Nginx => "nginx-rtmp, source only".to_owned(),
        }
    }
}

/// A program that runs: its processes, where publishers go, and what their viewers fetch.
struct Service {
    processes: Vec<Running>,
    /// Name and RTMP port of each stream.
    inlets: Vec<(String, u16)>,
    libraries: Vec<Library>,
    /// Where feathercast says what it left out.
    admin: Option<u16>,
}

impl Service {
    fn start(program: Program, streams: usize) -> Self {
        match program {
            Program::Feathercast { transcode } => Self::feathercast(transcode, streams),
            Program::Ffmpeg => Self::ffmpeg(streams),
            Program::Nginx => Self::nginx(streams),
        }
    }

    fn feathercast(transcode: &str, streams: usize) -> Self {
        let ports = Ports::free();
        let args = ["--transcode", transcode, "--max-streams", MAX_STREAMS];
        let server = programs::feathercast(ports, &args);
        wait_until_listening(ports.rtmp);
        Self {
            processes: vec![server],
            inlets: names(streams).map(|name| (name, ports.rtmp)).collect(),
            libraries: names(streams).map(|name| ladder_of(ports, &name)).collect(),
            admin: Some(ports.admin),
        }
    }

    fn ffmpeg(streams: usize) -> Self {
        let settings = FfmpegSettings { preset: "veryfast", scaler: "area" };
        let mut service =
            Self { processes: Vec::new(), inlets: Vec::new(), libraries: Vec::new(), admin: None };
        for name in names(streams) {
            let folder: PathBuf = scratch(&format!("ffmpeg-{name}"));
            let port = free_port();
            service.processes.push(programs::ffmpeg(settings, port, &folder));
            service.inlets.push(("bench".to_owned(), port));
            service.libraries.push(Library::Folder { folder, playlist: "144p.m3u8".to_owned() });
        }
        // It listens for one connection only, which a probe would use up.
        sleep(Duration::from_secs(1));
        service
    }

    fn nginx(streams: usize) -> Self {
        let (rtmp, http) = (free_port(), free_port());
        let server = programs::nginx(rtmp, http);
        wait_until_listening(rtmp);
        let library =
            |name: String| Library::Server { port: http, playlist: format!("/{name}.m3u8") };
        Self {
            processes: vec![server],
            inlets: names(streams).map(|name| (name, rtmp)).collect(),
            libraries: names(streams).map(library).collect(),
            admin: None,
        }
    }

    fn cpu_ticks(&self) -> f64 {
        self.processes.iter().map(Running::cpu_ticks).sum()
    }

    /// Pictures that were not transcoded; none where the program does not say.
    fn left_out(&self) -> f64 {
        let Some(admin) = self.admin else { return 0.0 };
        let metrics = get(admin, "/metrics").text();
        let is_left_out = |line: &&str| {
            line.starts_with("feathercast_stream_dropped_pictures_total{")
                || line.starts_with("feathercast_rendition_shed_pictures_total{")
        };
        let values = metrics.lines().filter(is_left_out).filter_map(|line| line.rsplit(' ').next());
        values.filter_map(|value| value.parse::<f64>().ok()).sum()
    }
}

fn names(streams: usize) -> impl Iterator<Item = String> {
    (0..streams).map(|index| format!("bench{index}"))
}

fn ladder_of(ports: Ports, stream: &str) -> Library {
    Library::Server { port: ports.http, playlist: playlist_of(stream) }
}

fn playlist_of(stream: &str) -> String {
    format!("/stream/{stream}/{LADDER}.m3u8")
}

/// A stream whose rendition is asked for while it sleeps, and what is aimed at.
struct Sleeper {
    film: Film,
    aim_secs: Option<f64>,
}

const SLEEPERS: [Sleeper; 4] = [
    Sleeper { film: FILM_720P, aim_secs: Some(0.8) },
    Sleeper { film: FILM_1080P, aim_secs: Some(1.5) },
    Sleeper { film: FILM_720P_LONG_GOPS, aim_secs: None },
    Sleeper { film: FILM_1080P_LONG_GOPS, aim_secs: None },
];

/// Each round has a server of its own, in which every rendition sleeps; they are asked for one
/// after the other, and their publishers go when they have answered: nothing else is made
/// meanwhile.
fn waits(options: &Options) {
    let mut waits: Vec<Vec<Wait>> = SLEEPERS.iter().map(|_| Vec::new()).collect();
    for round in 0..options.wakes {
        let ports = Ports::free();
        let _server = programs::feathercast(ports, &[]);
        wait_until_listening(ports.rtmp);
        let mut publishers = Vec::new();
        for (sleeper, name) in SLEEPERS.iter().zip(names(SLEEPERS.len())) {
            publishers.push((publish(&sleeper.film.file(), ports.rtmp, &name), name));
        }
        // Not always the same phase of a segment.
        sleep(Duration::from_millis(16_000 + 700 * (round as u64 % 7)));
        for ((publisher, name), waits) in publishers.into_iter().zip(&mut waits) {
            waits.push(Wait::of_first_viewer(ports, &name, round));
            drop(publisher);
            // What has come meanwhile is still being made.
            sleep(Duration::from_secs(1));
        }
    }
    println!("\n{}, the first segment of a sleeping rendition:\n", Film::picture());
    println!(
        "| publisher | playlist, median | segment, median | worst of {} | aim | |",
        options.wakes
    );
    println!("|---|---|---|---|---|---|");
    for (sleeper, waits) in SLEEPERS.iter().zip(&waits) {
        let playlists: Vec<f64> = waits.iter().map(|wait| wait.playlist_secs * 1e3).collect();
        let segments: Vec<f64> = waits.iter().map(|wait| wait.segment_secs).collect();
        let worst = largest(&segments);
        let all: Vec<f64> = waits.iter().map(|wait| wait.all_secs).collect();
        let (aim, verdict) = match sleeper.aim_secs {
            Some(aim) => (format!("{aim} s"), if worst <= aim { "met" } else { "missed" }),
            None => (String::new(), ""),
        };
        println!(
            "| {} | {:.1} ms | {:.2} s | {worst:.2} s | {aim} | {verdict} | {:.2} s | {:.2} s |",
            sleeper.film.name,
            median(&playlists),
            median(&segments),
            median(&all),
            largest(&all)
        );
        let not_made = waits.iter().filter(|wait| wait.status != OK).count();
        if not_made > 0 {
            println!("{not_made} of them were told to come again");
        }
    }
}

/// What the first viewer of a rendition waited for.
struct Wait {
    playlist_secs: f64,
    segment_secs: f64,
    status: u16,
    /// From the first request for a segment to the end of the newest one that was listed then.
    all_secs: f64,
}

impl Wait {
    /// The rounds begin with every segment of the playlist in turn.
    fn of_first_viewer(ports: Ports, stream: &str, round: usize) -> Self {
        let start = Instant::now();
        let playlist = get(ports.http, &playlist_of(stream));
        let playlist_secs = start.elapsed().as_secs_f64();
        let listed = uris(&playlist.text());
        assert!(!listed.is_empty(), "{stream}: {}", playlist.text());
        let mut listed = listed.iter().skip(round % listed.len());
        let start = Instant::now();
        let (first, _) = listed.next().expect("one of them");
        let status = get(ports.http, first).status;
        let segment_secs = start.elapsed().as_secs_f64();
        for (later, _) in listed {
            get(ports.http, later);
        }
        Self { playlist_secs, segment_secs, status, all_secs: start.elapsed().as_secs_f64() }
    }
}
