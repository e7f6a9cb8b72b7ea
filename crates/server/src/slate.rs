//! A stream's slate: what its playlists go on with while its publisher is missing.

use std::sync::Arc;
use std::time::Duration;

use pipeline::{IngestOutput, StreamConfig};

use crate::clock::Moment;
use crate::publication::{Publication, Slot};

/// The slate of one absence.
#[derive(Debug)]
pub(crate) struct Slate {
    publication: Arc<Publication>,
    spans: pipeline::Slate,
    began: Moment,
}

/// A segment of a rendition that is awake: it is to be made without waiting for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) index: usize,
    pub(crate) sequence: u64,
}

impl Slate {
    /// The slate of a stream whose publisher left at `left`: it goes on in time with the clock from
    /// there. Where its first span would not be over by now, as the publisher has long been silent,
    /// it begins a span ago. None where nothing can stand in for what the playlists announce.
    pub(crate) fn begin(
        publication: &Arc<Publication>,
        config: &StreamConfig,
        left: Moment,
        now: Moment,
    ) -> Option<Self> {
        let span_ago = now.before(span(config));
        let began = if left.uptime <= span_ago.uptime { left } else { span_ago };
        let (state, tracks) = (publication.grid(), publication.tracks());
        let spans = pipeline::Slate::new(config, state, tracks, began.unix_ms)?;
        Some(Self { publication: Arc::clone(publication), spans, began })
    }

    /// Lists the next span, if it is over.
    pub(crate) fn go_on(&mut self, now: Moment) -> Vec<Awaited> {
        if !self.may_use_number(now) {
            return Vec::new();
        }
        self.spans.go_on(self.length(now));
        self.publish()
    }

    /// Somebody publishes again: lists what there is up to now.
    pub(crate) fn end(mut self, now: Moment) {
        if self.may_use_number(now) {
            self.spans.end(self.length(now));
            self.publish();
        }
    }

    /// A publisher that was many times faster than real time has used numbers in advance.
    fn may_use_number(&self, now: Moment) -> bool {
        let next = self.publication.next_sequence();
        self.publication.wait_for_number(next, now).is_zero()
    }

    fn length(&self, now: Moment) -> media::Duration {
        let ms = now.since(self.began).as_millis();
        media::Duration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    fn publish(&mut self) -> Vec<Awaited> {
        let mut awaited = Vec::new();
        while let Some(output) = self.spans.poll() {
            match output {
                IngestOutput::Source(package) => {
                    self.publication.publish_package(Slot::Source, package);
                }
                IngestOutput::Segment(segment) => {
                    let span = segment.ended.span;
                    self.publication.store(segment);
                    let wanted = self.publication.wanted();
                    for index in self.publication.promise_again(span) {
                        if wanted.contains(index) {
                            awaited.push(Awaited { index, sequence: span.sequence() });
                        }
                    }
                }
                IngestOutput::Grid(state) => self.publication.set_grid(state),
                IngestOutput::Tracks(tracks) => self.publication.set_tracks(tracks),
                // No transcoder runs: what is promised is made of its span alone. There is no
                // publisher to tell anything of.
                IngestOutput::Transcode(_)
                | IngestOutput::Facts(_)
                | IngestOutput::Keyframes(_)
                | IngestOutput::Notice(_)
                | IngestOutput::Refused(_) => {}
            }
        }
        awaited
    }
}

fn span(config: &StreamConfig) -> Duration {
    let ms = config.segment_duration.as_millis();
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
