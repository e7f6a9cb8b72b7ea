//! A viewer that fetches a playlist and every segment in order, and shows nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use super::get;

/// Players read a live playlist again after a target duration, or half of one.
const RELOAD: Duration = Duration::from_secs(1);

/// Where playlist and segments are.
#[derive(Clone)]
pub(crate) enum Library {
    /// By HTTP, the playlist's path.
    Server { port: u16, playlist: String },
    /// In a folder, the playlist's name.
    Folder { folder: PathBuf, playlist: String },
}

impl Library {
    fn playlist(&self) -> Option<String> {
        let bytes = match self {
            Self::Server { playlist, .. } | Self::Folder { playlist, .. } => {
                self.fetch(playlist)?
            }
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A segment by its URI; None where it is not there.
    fn fetch(&self, uri: &str) -> Option<Vec<u8>> {
        match self {
            Self::Server { port, .. } => {
                let path = if uri.starts_with('/') { uri.to_owned() } else { format!("/{uri}") };
                let answer = get(*port, &path);
                (answer.status == 200).then_some(answer.body)
            }
            Self::Folder { folder, .. } => fs::read(folder.join(uri)).ok(),
        }
    }
}

/// Watches from its start on until it is dropped.
pub(crate) struct Viewer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    leaves: AtomicBool,
    fetched_ms: AtomicU64,
    failed: AtomicU64,
}

impl Viewer {
    pub(crate) fn start(library: Library) -> Self {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        Self { thread: Some(spawn(move || watch(&library, &watched))), shared }
    }

    /// Playing time of all segments fetched so far, in seconds.
    pub(crate) fn fetched_secs(&self) -> f64 {
        self.shared.fetched_ms.load(Ordering::Relaxed) as f64 / 1e3
    }

    /// Segments that were listed and could not be had at once.
    pub(crate) fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.shared.leaves.store(true, Ordering::Relaxed);
        // It panics where its server has ended before it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn watch(library: &Library, shared: &Shared) {
    let mut last: Option<String> = None;
    while !shared.leaves.load(Ordering::Relaxed) {
        let listed = library.playlist().map(|text| uris(&text)).unwrap_or_default();
        let seen = listed.iter().position(|(uri, _)| Some(uri) == last.as_ref());
        for (uri, secs) in listed.iter().skip(seen.map_or(0, |seen| seen + 1)) {
            if shared.leaves.load(Ordering::Relaxed) {
                return;
            }
            // One that is not there in time is asked for again after the next look at the playlist.
            if library.fetch(uri).is_none() {
                shared.failed.fetch_add(1, Ordering::Relaxed);
                break;
            }
            shared.fetched_ms.fetch_add((secs * 1e3).round() as u64, Ordering::Relaxed);
            last = Some(uri.clone());
        }
        sleep(RELOAD);
    }
}

/// The segments of a media playlist: URIs and durations in seconds.
pub(crate) fn uris(playlist: &str) -> Vec<(String, f64)> {
    let mut secs = 0.0;
    let mut uris = Vec::new();
    for line in playlist.lines() {
        if let Some(duration) = line.strip_prefix("#EXTINF:") {
            secs = duration.trim_end_matches(',').parse().unwrap_or(0.0);
        } else if !line.is_empty() && !line.starts_with('#') {
            uris.push((line.to_owned(), secs));
        }
    }
    uris
}
