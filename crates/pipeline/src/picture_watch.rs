//! Whether pictures have stopped, told by the sound that goes on: there is no clock here.

use media::{Duration, Timestamp};

/// Without a picture for this long, video has stopped and sound carries the stream on.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// The newest picture, and the sound since.
///
/// Sound may be far ahead of the pictures as it arrives, so its time alone says nothing: there must
/// also have been as much of it since the last picture.
#[derive(Debug, Default)]
pub(crate) struct PictureWatch {
    picture: Option<Timestamp>,
    sound: Option<Timestamp>,
    /// The newest before the last picture, or the first.
    sound_at_picture: Option<Timestamp>,
}

impl PictureWatch {
    /// Notes a picture of this time.
    pub(crate) fn picture(&mut self, at: Timestamp) {
        self.picture = self.picture.max(Some(at));
        self.sound_at_picture = self.sound;
    }

    /// Notes sound of this time, and says whether pictures have stopped, or never came.
    pub(crate) fn sound(&mut self, at: Timestamp) -> bool {
        self.sound = self.sound.max(Some(at));
        let since = *self.sound_at_picture.get_or_insert(at);
        let is_long_ago = |time: Timestamp| at - time > SILENCE;
        is_long_ago(since) && self.picture.is_none_or(is_long_ago)
    }
}
