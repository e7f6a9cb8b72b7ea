//! The lists of streams, rendered once a second however many ask for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Moment;
use crate::sync::lock;

/// A list is so old at most: who has it in sight asks for it anew less often than that.
const KEPT: Duration = Duration::from_secs(1);

/// The newest lists.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<Option<(Moment, Arc<Rendered>)>>);

/// What is listed at one moment. It holds no stream.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// `/`.
    pub(crate) page: hls::Body,
    /// The same for a viewer who saves data.
    pub(crate) page_without_stills: hls::Body,
    /// `/index.m3u8`.
    pub(crate) channels: hls::Body,
    /// `/streams.json`.
    pub(crate) document: hls::Body,
}

impl Lists {
    /// The lists of `now`, or of a moment ago; several who ask at once may each render them.
    pub(crate) fn at(&self, now: Moment, render: impl FnOnce() -> Rendered) -> Arc<Rendered> {
        let is_new = |made: &Moment| now.since(*made) < KEPT;
        let kept = lock(&self.0).as_ref().filter(|(made, _)| is_new(made)).cloned();
        if let Some((_, rendered)) = kept {
            return rendered;
        }
        let rendered = Arc::new(render());
        *lock(&self.0) = Some((now, Arc::clone(&rendered)));
        rendered
    }
}
