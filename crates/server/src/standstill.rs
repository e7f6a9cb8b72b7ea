//! How long the playlists of a stream have stood as they are, with time as an input.

use std::time::Duration;

use crate::clock::Moment;
use crate::publication::{Slot, View};

/// A live playlist changes within so many target durations (RFC 8216 6.2.2).
const TARGET_DURATIONS: f64 = 1.5;

/// What has been seen of the playlists of one stream.
#[derive(Debug, Default)]
pub(crate) struct Standstill {
    playlists: Vec<Playlist>,
}

#[derive(Debug)]
struct Playlist {
    slot: Slot,
    /// The newest segment that it offers.
    newest: Option<u64>,
    /// When that was seen first.
    since: Moment,
}

impl Standstill {
    /// The playlists are so now.
    pub(crate) fn note(&mut self, view: &View, now: Moment) {
        for rendition in &view.renditions {
            let (slot, newest) = (rendition.slot, rendition.snapshot.newest_offered());
            match self.playlists.iter_mut().find(|playlist| playlist.slot == slot) {
                Some(playlist) if playlist.newest == newest => {}
                Some(playlist) => (playlist.newest, playlist.since) = (newest, now),
                None => self.playlists.push(Playlist { slot, newest, since: now }),
            }
        }
    }

    /// Uptime at which the first of the playlists has to have changed; None where none goes on.
    pub(crate) fn must_change_by(&self, view: &View) -> Option<Duration> {
        let going_on = view.renditions.iter().filter(|rendition| rendition.goes_on);
        let times = going_on.filter_map(|rendition| {
            let seen = self.playlists.iter().find(|playlist| playlist.slot == rendition.slot)?;
            let target = Duration::from_secs(rendition.snapshot.target_duration_secs);
            Some(seen.since.uptime.saturating_add(target.mul_f64(TARGET_DURATIONS)))
        });
        times.min()
    }
}
