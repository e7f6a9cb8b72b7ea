//! Whether a publisher is still there, and sends media. Time counts only while the publisher was
//! listened to: what it had sent when the server was too slow to read it is not its silence.

use std::time::Duration;

use crate::limits::Limits;

/// A publisher of which nothing has come for this long, and for twice as long as lay between its
/// last two messages, is missing. A second is more than a line's jitter, and with what the
/// playlists may stand still before it is no more than 1.5 target durations.
const MISSING: Duration = Duration::from_secs(1);

/// What has been heard of one publisher.
#[derive(Debug)]
pub(crate) struct Vigil {
    silence: Duration,
    first_media: Duration,
    media_floor: (Duration, u64),
    /// Since the last byte.
    silent: Duration,
    has_sent_media: bool,
    /// In the present window, of which each is judged at its end.
    listened: Duration,
    /// Bytes of audio and video, ever, and up to the beginning of the window.
    media_bytes: u64,
    media_bytes_before: u64,
    /// Since the last whole message of audio or video, and from the one before to that.
    without_media: Duration,
    interval: Duration,
}

/// Why a publisher is not worth its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No byte came in this time.
    Silent(Duration),
    /// No audio and no video came in this time from publish on.
    NoMedia(Duration),
    /// Fewer bytes of audio and video than these came in this time.
    TooLittleMedia(Duration, u64),
}

impl Vigil {
    /// Begins where the connection has received so many bytes of audio and video.
    pub(crate) fn new(limits: &Limits, media_bytes: u64) -> Self {
        Self {
            silence: limits.rtmp_idle_publishing,
            first_media: limits.rtmp_first_media,
            media_floor: limits.rtmp_media_floor,
            silent: Duration::ZERO,
            has_sent_media: false,
            listened: Duration::ZERO,
            media_bytes,
            media_bytes_before: media_bytes,
            without_media: Duration::ZERO,
            interval: Duration::ZERO,
        }
    }

    /// Bytes came, after a wait of this long.
    pub(crate) fn heard(&mut self, waited: Duration) {
        self.silent = Duration::ZERO;
        self.listened += waited;
        self.without_media += waited;
    }

    /// After a wait of this long there was nothing to read.
    pub(crate) fn heard_nothing(&mut self, waited: Duration) {
        self.silent += waited;
        self.listened += waited;
        self.without_media += waited;
    }

    /// The publisher was not read for this long, because it sends too fast.
    pub(crate) fn held_back(&mut self, time: Duration) {
        self.listened += time;
    }

    /// So many bytes of audio and video have come by now, also of messages that are not complete:
    /// over a slow line a large picture takes its time.
    pub(crate) fn media(&mut self, total_bytes: u64) {
        self.media_bytes = total_bytes;
    }

    /// A message of audio or video has come, whole.
    pub(crate) fn message(&mut self) {
        self.interval = std::mem::take(&mut self.without_media);
    }

    /// For how long no message of audio or video has come, where that is so long that the
    /// publisher is missing though it is connected.
    pub(crate) fn missing(&self) -> Option<Duration> {
        let is_missing = self.without_media >= MISSING && self.without_media >= self.interval * 2;
        is_missing.then_some(self.without_media)
    }

    /// Whether any audio or video has come.
    pub(crate) fn has_heard_media(&self) -> bool {
        self.has_sent_media || self.media_bytes > self.media_bytes_before
    }

    /// For how long nothing has come.
    pub(crate) fn silent(&self) -> Duration {
        self.silent
    }

    /// Whether the publisher has to go. Ask once after each of the above.
    pub(crate) fn fault(&mut self) -> Option<Fault> {
        if self.silent >= self.silence {
            return Some(Fault::Silent(self.silence));
        }
        let (window, least_bytes) =
            if self.has_sent_media { self.media_floor } else { (self.first_media, 1) };
        if self.listened < window {
            return None;
        }
        if self.media_bytes.saturating_sub(self.media_bytes_before) < least_bytes {
            return Some(match self.has_sent_media {
                true => Fault::TooLittleMedia(window, least_bytes),
                false => Fault::NoMedia(window),
            });
        }
        self.has_sent_media = true;
        self.listened = Duration::ZERO;
        self.media_bytes_before = self.media_bytes;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn vigil() -> Vigil {
        Vigil::new(&Limits::default(), 1_000_000)
    }

    impl Vigil {
        fn hears(&mut self, media_bytes: u64) {
            self.media(self.media_bytes + media_bytes);
        }
    }

    /// The second in which the publisher has to go, if it does `what` in each.
    fn gone_after(mut what: impl FnMut(u64, &mut Vigil)) -> Option<(u64, Fault)> {
        let mut vigil = vigil();
        (1..=600).find_map(|second| {
            what(second, &mut vigil);
            vigil.fault().map(|fault| (second, fault))
        })
    }

    #[test]
    fn ten_seconds_of_silence_are_too_long_and_nine_are_not() {
        let ten = Duration::from_secs(10);
        let nothing = gone_after(|_, vigil| vigil.heard_nothing(SECOND));
        assert_eq!(nothing, Some((10, Fault::Silent(ten))));
        let a_picture_each_ten_seconds = gone_after(|second, vigil| match second % 10 {
            0 => {
                vigil.heard(SECOND);
                vigil.hears(5_000);
            }
            _ => vigil.heard_nothing(SECOND),
        });
        assert_eq!(a_picture_each_ten_seconds, None);
    }

    #[test]
    fn who_sends_anything_but_media_has_ten_seconds() {
        let gone = gone_after(|_, vigil| vigil.heard(SECOND));
        assert_eq!(gone, Some((10, Fault::NoMedia(Duration::from_secs(10)))));
        // And so has a flood that is held back.
        let gone = gone_after(|_, vigil| vigil.held_back(SECOND));
        assert_eq!(gone, Some((10, Fault::NoMedia(Duration::from_secs(10)))));
    }

    #[test]
    fn media_that_trickles_or_ends_does_not_keep_a_place() {
        let trickle = gone_after(|_, vigil| {
            vigil.heard(SECOND);
            vigil.hears(9);
        });
        let fault = Fault::TooLittleMedia(Duration::from_secs(10), 100);
        assert_eq!(trickle, Some((20, fault)));
        let pings_from_second_100_on = gone_after(|second, vigil| {
            vigil.heard(SECOND);
            vigil.hears(if second < 100 { 1000 } else { 0 });
        });
        assert_eq!(pings_from_second_100_on, Some((110, fault)));
    }

    #[test]
    fn who_sends_no_media_for_a_second_is_missing_and_twice_as_long_as_it_is_slow() {
        let look = Duration::from_millis(250);
        let missing_after = |interval: Duration| {
            let mut vigil = vigil();
            vigil.message();
            vigil.heard(interval);
            vigil.message();
            let mut looks = 0;
            while vigil.missing().is_none() {
                // Bytes that are no whole message change nothing.
                if looks % 2 == 0 {
                    vigil.heard(look)
                } else {
                    vigil.heard_nothing(look)
                }
                looks += 1;
            }
            assert_eq!(vigil.missing(), Some(look * looks));
            vigil.message();
            assert_eq!(vigil.missing(), None);
            look * looks
        };
        assert_eq!(missing_after(Duration::from_millis(20)), SECOND);
        assert_eq!(missing_after(SECOND), 2 * SECOND);
        assert_eq!(missing_after(5 * SECOND), 10 * SECOND, "a slide show goes on as it does");
    }

    #[test]
    fn the_least_of_real_publishers_stay() {
        // A still picture once a second, each but the first without a change, and no sound.
        let still = gone_after(|second, vigil| {
            vigil.heard(SECOND);
            vigil.hears(if second == 1 { 2000 } else { 22 });
        });
        assert_eq!(still, None);
        // Silence in AAC.
        let silence = gone_after(|_, vigil| {
            for _ in 0..43 {
                vigil.heard(SECOND / 43);
                vigil.hears(8);
            }
        });
        assert_eq!(silence, None);
    }

    #[test]
    fn time_in_which_nobody_listened_does_not_count() {
        // The queue to the stream was full, or the machine stood still, for minutes: what came
        // meanwhile is read at once.
        let mut vigil = vigil();
        for _ in 0..1000 {
            vigil.heard(Duration::from_millis(1));
            assert_eq!(vigil.fault(), None);
        }
        assert_eq!(vigil.silent(), Duration::ZERO);
    }
}
