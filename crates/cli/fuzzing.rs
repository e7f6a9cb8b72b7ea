//! Bodies of the fuzz targets; the unit tests replay the committed seeds through them.

use std::net::SocketAddr;

use server::Preset;

use crate::settings::Settings;
use crate::{config, inspect, renditions};

/// A TOML file is refused in words, or what comes of it is what a server can be run with, and is
/// printed as a file that means the same.
pub fn toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    settings.add_text("fuzzed.toml", text, &mut problems);
    // Names would be looked up, files read, and those secrets are not printed.
    settings.retain(|said| match (said.setting.name, said.text()) {
        ("auth-webhook" | "event-webhook" | "event-webhook-secret", _) => false,
        ("forward" | "viewer-secret", _) => false,
        ("renditions", Ok(text)) => !text.trim().ends_with(".json"),
        (name, Ok(text)) if name.ends_with("-addr") => text.parse::<SocketAddr>().is_ok(),
        _ => true,
    });
    if let Ok(resolved) = config::resolve(&settings, problems) {
        let (mut again, mut problems) = (Settings::default(), Vec::new());
        let printed = inspect::toml(&settings).expect("what is resolved can be printed");
        again.add_text("printed.toml", &printed, &mut problems);
        let again = config::resolve(&again, problems).expect("what is printed can be read");
        assert_eq!(format!("{resolved:?}"), format!("{again:?}"));
        let config = resolved.server;
        check_renditions(&config.renditions);
        assert!((1..=10_000).contains(&config.max_streams));
        assert!((6..=60).contains(&config.playlist_segments));
        assert!((1..=10).contains(&config.segment_duration.as_secs()));
        assert!(config.memory_bytes >= 64 << 20);
    }
}

/// A JSON file of renditions is refused in words, or all of them can be made.
pub fn renditions_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match renditions::from_json(text, |_| ()) {
        Ok(renditions) => check_renditions(&renditions),
        Err(error) => assert!(!error.is_empty()),
    }
}

fn check_renditions(renditions: &[Preset]) {
    assert!(renditions.len() <= 10);
    for (place, preset) in renditions.iter().enumerate() {
        if let Some(video) = &preset.video {
            assert!((16..=4096).contains(&video.width) && (16..=4096).contains(&video.height));
            assert!((10_000..=50_000_000).contains(&video.bitrate_bps));
            assert!(video.frame_rate.is_none_or(|rate| (0.5..=240.0).contains(&rate.as_f64())));
        }
        assert!(server::StreamName::parse(&preset.name).is_ok() && preset.name != server::SOURCE);
        assert!(renditions[..place].iter().all(|other| other.name != preset.name));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_hold() {
        testmedia::replay("cli_toml", super::toml);
        testmedia::replay("cli_renditions_json", super::renditions_json);
    }
}
