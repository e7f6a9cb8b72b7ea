//! What segments are written in.

/// The two forms that a segment of the same samples comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// MPEG transport stream (RFC 8216 3.2).
    MpegTs,
    /// Fragmented MPEG-4 (RFC 8216 3.3), behind an initialization section.
    FragmentedMp4,
}

impl Container {
    /// `EXT-X-VERSION` of playlists of it: 3 has decimal durations; `EXT-X-MAP` with segments that
    /// are more than keyframes came with 6, and Apple's authoring rules ask for 7 at least.
    pub(crate) fn version(self) -> u8 {
        match self {
            Self::MpegTs => 3,
            Self::FragmentedMp4 => 7,
        }
    }

    /// How the names of its segments end.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::MpegTs => "ts",
            Self::FragmentedMp4 => "m4s",
        }
    }
}

/// Something of each form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerContainer<T> {
    /// The transport stream's.
    pub mpeg_ts: T,
    /// That of fragmented MPEG-4.
    pub fragmented_mp4: T,
}

impl<T> PerContainer<T> {
    /// That of one form.
    #[must_use]
    pub fn of(&self, container: Container) -> &T {
        match container {
            Container::MpegTs => &self.mpeg_ts,
            Container::FragmentedMp4 => &self.fragmented_mp4,
        }
    }

    /// That of one form, to be changed.
    #[must_use]
    pub fn of_mut(&mut self, container: Container) -> &mut T {
        match container {
            Container::MpegTs => &mut self.mpeg_ts,
            Container::FragmentedMp4 => &mut self.fragmented_mp4,
        }
    }
}
