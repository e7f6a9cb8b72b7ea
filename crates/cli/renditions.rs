//! `--renditions`: preset names, or a JSON file in go-livepeer's form.

use std::io::{Write, stderr};
use std::path::Path;

use serde::Deserialize;
use server::{
    AacProfile, AudioPreset, FrameRate, INDEX, Preset, Profile, SOURCE, StreamName, VideoPreset,
    preset_names,
};

/// More would cost more than any machine of ours has, and no player chooses among so many.
const MAX_RENDITIONS: usize = 10;

/// Largest side and smallest: what H.264 level 5.2 and our encoder take.
const SIDES: std::ops::RangeInclusive<u32> = 16..=4096;

/// One element of the JSON file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JsonRendition {
    name: String,
    width: u32,
    height: u32,
    /// Bits per second.
    bitrate: u32,
    /// 0 keeps the source's.
    fps: u32,
    #[serde(default)]
    fps_den: u32,
    #[serde(default)]
    profile: String,
    /// `copy` (as go-livepeer does), `aac`, `he-aac`, `he-aac-v2`.
    #[serde(default)]
    audio: String,
    /// Bits per second; 0 for what is usual.
    #[serde(default, rename = "audio_bitrate", alias = "audioBitrate")]
    audio_bitrate: u32,
    /// Accepted as go-livepeer's files have it; the grid decides where IDRs are.
    #[serde(default)]
    gop: Option<serde_json::Value>,
}

/// The renditions that the text names: presets with commas between, a file ending in `.json`, or
/// none.
///
/// # Errors
/// What is wrong, without the name of the setting.
pub(crate) fn parse(text: &str) -> Result<Vec<Preset>, String> {
    let text = text.trim();
    if text.ends_with(".json") {
        return read_json(Path::new(text));
    }
    let renditions = named(text)?;
    check(&renditions)?;
    Ok(renditions)
}

fn named(text: &str) -> Result<Vec<Preset>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Preset::named(name).ok_or_else(|| unknown(name))).collect()
}

fn unknown(name: &str) -> String {
    let known = preset_names().collect::<Vec<_>>().join(", ");
    format!("no preset is called {name:?}; known are {known}, or give a FILE.json")
}

fn read_json(path: &Path) -> Result<Vec<Preset>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // Logging starts later, with the settings that are being read here.
    let warn = |name: &str| {
        let _ = writeln!(
            stderr(),
            "warning: rendition {name:?}: gop is ignored, keyframes follow the segments"
        );
    };
    from_json(&text, warn).map_err(|error| format!("{}: {error}", path.display()))
}

/// The renditions in the text of a JSON file; `note_gop` is told the name of each that has one.
///
/// # Errors
/// What is wrong, without the name of the option and the file.
pub(crate) fn from_json(text: &str, note_gop: impl Fn(&str)) -> Result<Vec<Preset>, String> {
    let elements: Vec<JsonRendition> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    for element in elements.iter().filter(|element| element.gop.is_some()) {
        note_gop(&element.name);
    }
    let renditions: Vec<_> = elements.into_iter().map(preset).collect::<Result<_, _>>()?;
    check(&renditions)?;
    Ok(renditions)
}

fn preset(json: JsonRendition) -> Result<Preset, String> {
    let name = json.name;
    let profile = match json.profile.trim_start_matches("H264").to_ascii_lowercase().as_str() {
        "" | "none" | "high" | "constrainedhigh" => Profile::High,
        "main" => Profile::Main,
        "baseline" | "constrainedbaseline" => Profile::Baseline,
        _ => {
            return Err(format!(
                "rendition {name:?}: profile {:?} is not known; write H264Baseline, H264Main or H264High",
                json.profile
            ));
        }
    };
    let frame_rate =
        (json.fps > 0).then_some(FrameRate { num: json.fps, den: json.fps_den.max(1) });
    let audio = audio(&json.audio, json.audio_bitrate)
        .map_err(|problem| format!("rendition {name:?}: {problem}"))?;
    let video = VideoPreset {
        width: json.width,
        height: json.height,
        bitrate_bps: json.bitrate,
        frame_rate,
        profile,
    };
    Ok(Preset { name, video: Some(video), audio })
}

/// The audio of a rendition, by its name; a bitrate of 0 is what is usual.
fn audio(name: &str, bitrate_bps: u32) -> Result<AudioPreset, String> {
    let (profile, usual, allowed) = match name {
        "" | "copy" if bitrate_bps == 0 => return Ok(AudioPreset::Copy),
        "" | "copy" => {
            return Err("audio_bitrate: the publisher's audio is copied; say audio \"aac\", \"he-aac\" or \"he-aac-v2\"".into());
        }
        "aac" => (AacProfile::LowComplexity, 96_000, 16_000..=320_000),
        "he-aac" => (AacProfile::HighEfficiency, 48_000, 16_000..=96_000),
        "he-aac-v2" => (AacProfile::HighEfficiencyV2, 24_000, 12_000..=56_000),
        _ => {
            return Err(format!(
                "audio {name:?} is not known; write copy, aac, he-aac or he-aac-v2"
            ));
        }
    };
    let bitrate_bps = if bitrate_bps == 0 { usual } else { bitrate_bps };
    if !allowed.contains(&bitrate_bps) {
        let (least, most) = allowed.into_inner();
        return Err(format!(
            "audio_bitrate {bitrate_bps}: must be {least} to {most} bits per second for {name}"
        ));
    }
    Ok(AudioPreset::Encode { profile, bitrate_bps })
}

/// What must hold for presets and files alike.
fn check(renditions: &[Preset]) -> Result<(), String> {
    if renditions.len() > MAX_RENDITIONS {
        let count = renditions.len();
        return Err(format!("{count} renditions; at most {MAX_RENDITIONS} are made"));
    }
    for (index, preset) in renditions.iter().enumerate() {
        let problem = problem(preset, &renditions[..index]);
        if let Some(problem) = problem {
            return Err(format!("rendition {:?}: {problem}", preset.name));
        }
    }
    Ok(())
}

fn problem(preset: &Preset, earlier: &[Preset]) -> Option<String> {
    if let Err(error) = StreamName::parse(&preset.name) {
        return Some(format!("not a good name: {error}"));
    }
    if preset.name == SOURCE {
        return Some(format!(
            "{SOURCE} is the name of the publisher's own encoding; choose another"
        ));
    }
    if preset.name == INDEX {
        return Some(format!(
            "{INDEX}.m3u8 is the playlist of all renditions as fragmented MP4; choose another name"
        ));
    }
    if earlier.iter().any(|other| other.name == preset.name) {
        return Some("the name is there twice; choose another".into());
    }
    let video = preset.video.as_ref()?;
    if !SIDES.contains(&video.width) || !SIDES.contains(&video.height) {
        let (least, most) = SIDES.into_inner();
        return Some(format!(
            "{}x{}: width and height must be {least} to {most}",
            video.width, video.height
        ));
    }
    if !(10_000..=50_000_000).contains(&video.bitrate_bps) {
        return Some(format!(
            "bitrate {}: must be 10000 to 50000000 bits per second",
            video.bitrate_bps
        ));
    }
    if video.frame_rate.is_some_and(|rate| !(0.5..=240.0).contains(&rate.as_f64())) {
        return Some("fps/fpsDen must be 0.5 to 240 (fps 0 keeps the source's)".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_json(text: &str) -> Result<Vec<Preset>, String> {
        super::from_json(text, |_| ())
    }

    #[test]
    fn names_of_presets_and_none() {
        let names =
            |text| parse(text).unwrap().into_iter().map(|preset| preset.name).collect::<Vec<_>>();
        assert_eq!(names("P144p30fps16x9, P240p30fps16x9,"), ["P144p30fps16x9", "P240p30fps16x9"]);
        assert!(names("").is_empty() && names(" ").is_empty());
    }

    #[test]
    fn an_unknown_preset_lists_the_known_ones() {
        let error = parse("P144p30fps16x9,P145").unwrap_err();
        assert!(error.contains("\"P145\"") && error.contains("P720p60fps16x9"), "{error}");
    }

    #[test]
    fn a_json_file_as_go_livepeer_has_it() {
        let renditions = from_json(
            r#"[{"name":"tiny","width":256,"height":144,"bitrate":80000,"fps":30000,"fpsDen":1001,"profile":"H264Baseline","gop":"2.0"},
                {"name":"same","width":1280,"height":720,"bitrate":3000000,"fps":0}]"#,
        )
        .unwrap();
        let [tiny, same] = &renditions[..] else { panic!("{renditions:?}") };
        assert_eq!([tiny.audio, same.audio], [AudioPreset::Copy; 2]);
        let (tiny, same) = (tiny.video.as_ref().unwrap(), same.video.as_ref().unwrap());
        assert_eq!(tiny.frame_rate, Some(FrameRate { num: 30_000, den: 1001 }));
        assert_eq!((tiny.profile, tiny.bitrate_bps), (Profile::Baseline, 80_000));
        assert_eq!((same.frame_rate, same.profile), (None, Profile::High));
    }

    #[test]
    fn a_json_file_says_what_the_audio_is() {
        let audio = |fields: &str| {
            let text = format!(
                r#"[{{"name":"a","width":256,"height":144,"bitrate":80000,"fps":15{fields}}}]"#
            );
            from_json(&text).map(|renditions| renditions[0].audio)
        };
        let encode = |profile, bitrate_bps| Ok(AudioPreset::Encode { profile, bitrate_bps });
        assert_eq!(audio(r#","audio":"copy""#), Ok(AudioPreset::Copy));
        assert_eq!(audio(r#","audio":"aac""#), encode(AacProfile::LowComplexity, 96_000));
        let he_aac = audio(r#","audio":"he-aac","audio_bitrate":32000"#);
        assert_eq!(he_aac, encode(AacProfile::HighEfficiency, 32_000));
        assert_eq!(audio(r#","audio":"he-aac-v2""#), encode(AacProfile::HighEfficiencyV2, 24_000));
        for (fields, what) in [
            (r#","audio":"opus""#, "he-aac-v2"),
            (r#","audio":"he-aac-v2","audio_bitrate":64000"#, "12000 to 56000"),
            (r#","audio_bitrate":64000"#, "is copied"),
        ] {
            let error = audio(fields).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }

    /// A preset as docs/from-go-livepeer.md has it: a row of its table.
    fn row(preset: &Preset) -> String {
        let name = match Preset::default_ladder().contains(preset) {
            true => format!("**`{}`**", preset.name),
            false => format!("`{}`", preset.name),
        };
        let video = match &preset.video {
            Some(VideoPreset { width, height, bitrate_bps, frame_rate, profile }) => {
                let fps = frame_rate.unwrap().as_f64();
                format!("{width}x{height} | {fps} | {} | {profile:?}", bitrate_bps / 1000)
            }
            None => "| | |".to_owned(),
        };
        let audio = match preset.audio {
            AudioPreset::Copy => "copied".to_owned(),
            AudioPreset::Encode { profile, bitrate_bps } => {
                let profile = match profile {
                    AacProfile::LowComplexity => "AAC",
                    AacProfile::HighEfficiency => "HE-AAC",
                    AacProfile::HighEfficiencyV2 => "HE-AAC v2",
                };
                format!("{profile}, {}", bitrate_bps / 1000)
            }
        };
        format!("| {name} | {video} | {audio} |")
    }

    #[test]
    fn the_presets_of_the_page_are_those_of_the_program() {
        let page = include_str!("../../docs/from-go-livepeer.md");
        let (_, table) = page.split_once("|---|---|---|---|---|---|\n").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let presets = preset_names().map(|name| Preset::named(name).unwrap());
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            presets.map(|it| row(&it)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn keys_of_go_livepeers_files_that_would_change_what_is_made_are_errors() {
        for key in ["encoder", "colorDepth", "chromaFormat", "quality"] {
            let text = format!(
                r#"[{{"name":"a","width":256,"height":144,"bitrate":80000,"fps":15,"{key}":1}}]"#
            );
            assert!(from_json(&text).unwrap_err().contains(key), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_rendition_is_named() {
        let with = |name: &str, width, profile: &str| {
            from_json(&format!(
                r#"[{{"name":"{name}","width":{width},"height":144,"bitrate":80000,"fps":30,"profile":"{profile}"}}]"#
            ))
            .unwrap_err()
        };
        assert!(with("source", 256, "").contains("source"));
        assert!(with("index", 256, "").contains("choose another name"));
        assert!(with("a/b", 256, "").contains("a/b"));
        assert!(with("..", 256, "").contains("not a good name"));
        assert!(with("a", 8, "").contains("8x144"));
        assert!(with("a", 256, "H264Extended").contains("H264Extended"));
        let twice = parse("P144p30fps16x9,P144p30fps16x9").unwrap_err();
        assert!(twice.contains("twice"), "{twice}");
        let eleven = preset_names().take(11).collect::<Vec<_>>().join(",");
        assert!(parse(&eleven).unwrap_err().contains("at most 10"));
        assert!(from_json(r#"[{"name":"a","wdth":1}]"#).unwrap_err().contains("wdth"));
    }
}
