//! What pages know of a stream: the document of `/watch/NAME/stream.json`, and each entry of
//! `/streams.json`. Addresses in it are relative to the server's root.

use rtmp::StreamName;
use serde::Serialize;

use crate::publication::{Rendition, SOURCE};
use crate::registry::{self, StreamStatus};

/// `/streams.json`.
#[derive(Serialize)]
pub(crate) struct Streams {
    pub(crate) streams: Vec<Facts>,
}

/// A stream.
#[derive(Serialize)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) state: State,
    /// Unix seconds at which the present or last publisher came.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_unix_secs: Option<u64>,
    watch: String,
    pub(crate) playlist: String,
    poster: String,
    /// Samples of the publisher's picture, across and down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    /// The renditions, the smallest first, and of one size the lightest.
    pub(crate) choices: Vec<Choice>,
}

/// A rendition.
#[derive(Serialize)]
pub(crate) struct Choice {
    pub(crate) name: String,
    /// As fragmented MP4, which the page plays.
    pub(crate) average_bps: u64,
    codecs: String,
    /// Without them it is sound alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fps: Option<f64>,
    /// Whether the multivariant playlist has it. One that is not there plays alone: it is cut
    /// apart from the others, or there is no room for it between them.
    listed: bool,
}

/// What a stream is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It plays.
    Live,
    /// There is a publisher, and nothing to play yet.
    Starting,
    /// The publisher is missing and may come back.
    Away,
    /// The publisher has ended it.
    Ended,
    /// There is none of this name.
    Offline,
}

impl State {
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Live => "This stream is live.",
            Self::Starting => "This stream is about to begin.",
            Self::Away => "The publisher's connection is lost. It may come back.",
            Self::Ended => "This stream has ended.",
            Self::Offline => "This stream is offline.",
        }
    }
}

impl Facts {
    pub(crate) fn of(status: &StreamStatus) -> Self {
        let publication = &status.publication;
        let view = publication.view();
        let state = match status.state {
            registry::State::Live if view.is_playable() => State::Live,
            registry::State::Live => State::Starting,
            registry::State::Away(_) => State::Away,
            registry::State::Ended(_) => State::Ended,
        };
        // Before it plays, what is there is not all of it, and nothing that can be fetched.
        let is_there = state != State::Starting;
        let going_on = view.renditions.iter().filter(|rendition| rendition.goes_on && is_there);
        let mut choices: Vec<_> = going_on.map(Choice::of).collect();
        let size = view.rendition(SOURCE).and_then(|source| source.info.resolution);
        choices.sort_by_key(|choice| (choice.pixels(), choice.average_bps));
        Self {
            state,
            since_unix_secs: Some(status.session.since().unix_secs()),
            width: size.map(|size| size.0),
            height: size.map(|size| size.1),
            choices,
            ..Self::offline(publication.name())
        }
    }

    /// A stream of which nobody knows.
    pub(crate) fn offline(name: &StreamName) -> Self {
        Self {
            name: name.to_string(),
            state: State::Offline,
            since_unix_secs: None,
            watch: format!("watch/{name}"),
            playlist: format!("stream/{name}.m3u8"),
            poster: format!("watch/{name}/poster.jpg"),
            width: None,
            height: None,
            choices: Vec::new(),
        }
    }

    /// The lightest choice with a picture; of sound where there is none.
    pub(crate) fn lightest(&self) -> Option<&Choice> {
        let pictures = self.choices.iter().find(|choice| choice.width.is_some());
        pictures.or_else(|| self.choices.first())
    }
}

impl Choice {
    fn of(rendition: &Rendition) -> Self {
        let info = &rendition.info;
        Self {
            name: rendition.name.to_string(),
            average_bps: rendition.declared.fragmented_mp4.average_bps,
            codecs: info.codecs.clone(),
            width: info.resolution.map(|size| size.0),
            height: info.resolution.map(|size| size.1),
            fps: info.frame_rate,
            listed: rendition.is_listed,
        }
    }

    /// How many a picture has; 0 without one.
    fn pixels(&self) -> u64 {
        u64::from(self.width.unwrap_or(0)) * u64::from(self.height.unwrap_or(0))
    }

    /// What it is, for people.
    pub(crate) fn in_words(&self) -> String {
        let Some((width, height)) = self.width.zip(self.height) else {
            return "Sound only".to_owned();
        };
        let original = if self.name == SOURCE { "Original, " } else { "" };
        let rate = self.fps.map_or_else(String::new, |fps| format!(", {fps:.0} fps"));
        format!("{original}{}p{rate}", width.min(height))
    }
}
