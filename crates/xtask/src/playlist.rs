//! Is the media playlist what the recipe promises? (RFC 8216 section 4.3, and the contract's numbers.)

/// A live media playlist that was found good.
#[derive(Debug, PartialEq)]
pub(crate) struct Playlist {
    pub first_sequence: u64,
    /// Absolute paths on the server, oldest first; at least one.
    pub segments: Vec<String>,
}

/// What the recipe's test suite expects of every segment of its test signal: about 2 s.
const SEGMENT_MS: std::ops::RangeInclusive<u64> = 1_900..=2_100;

impl Playlist {
    /// Judges the text of a playlist; the error says which line is missing or wrong.
    pub(crate) fn judge(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("the first line is not #EXTM3U".to_owned());
        }
        for needed in ["#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2"] {
            if !text.lines().any(|line| line == needed) {
                return Err(format!("there is no line {needed}"));
            }
        }
        let first_sequence =
            text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        let first_sequence = first_sequence.and_then(|number| number.parse().ok());
        let first_sequence = first_sequence.ok_or("there is no number in #EXT-X-MEDIA-SEQUENCE")?;
        if text.lines().any(|line| line == "#EXT-X-ENDLIST") {
            return Err("the stream has ended".to_owned());
        }
        Ok(Self { first_sequence, segments: segments(lines)? })
    }

    /// The media sequence number of the last segment.
    pub(crate) fn newest_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(self.segments.len() as u64).saturating_sub(1)
    }
}

fn segments<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut segments = Vec::new();
    let mut announced = false;
    for line in lines {
        if let Some(value) = line.strip_prefix("#EXTINF:") {
            check_duration(line, value)?;
            announced = true;
        } else if !line.starts_with('#') && !line.is_empty() {
            if !announced {
                return Err(format!("no #EXTINF stands before {line}"));
            }
            segments.push(line.to_owned());
            announced = false;
        }
    }
    if announced {
        return Err("no URI stands after the last #EXTINF".to_owned());
    }
    if segments.is_empty() { Err("there is no #EXTINF line".to_owned()) } else { Ok(segments) }
}

/// `#EXTINF:<seconds>,[title]`; the comma is mandatory (RFC 8216 section 4.3.2.1).
fn check_duration(line: &str, value: &str) -> Result<(), String> {
    let (seconds, _title) =
        value.split_once(',').ok_or_else(|| format!("{line} lacks its comma"))?;
    let milliseconds = milliseconds(seconds).ok_or_else(|| format!("{line} has no duration"))?;
    if SEGMENT_MS.contains(&milliseconds) {
        return Ok(());
    }
    Err(format!("{line} is not about 2 s ({} to {} ms)", SEGMENT_MS.start(), SEGMENT_MS.end()))
}

fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(thousandths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:2\n\
        #EXT-X-MEDIA-SEQUENCE:41\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-11-22T13:12:00.000Z\n#EXTINF:2.000,\n/stream/a/b/41.ts\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-11-22T13:12:02.000Z\n#EXTINF:1.98,\n/stream/a/b/42.ts\n";

    #[test]
    fn a_good_playlist() {
        let playlist = Playlist::judge(GOOD).unwrap();
        assert_eq!(playlist.segments, ["/stream/a/b/41.ts", "/stream/a/b/42.ts"]);
        assert_eq!(playlist.newest_sequence(), 42);
    }

    #[test]
    fn each_flaw_is_named() {
        let flaws = [
            ("#EXTM3U", "#EXTM3", "#EXTM3U"),
            ("VERSION:3", "VERSION:6", "VERSION:3"),
            ("TARGETDURATION:2", "TARGETDURATION:4", "TARGETDURATION:2"),
            ("SEQUENCE:41", "SEQUENCE:", "MEDIA-SEQUENCE"),
            ("#EXTINF:1.98,", "#EXTINF:1.98", "comma"),
            ("#EXTINF:1.98,", "#EXTINF:x,", "no duration"),
            ("#EXTINF:1.98,", "#EXTINF:4.0,", "about 2 s"),
            ("#EXTINF:1.98,", "#EXTINF:0.98,", "about 2 s"),
            ("#EXTINF:1.98,\n", "", "before /stream/a/b/42.ts"),
            ("/stream/a/b/42.ts\n", "", "after the last"),
            ("/stream/a/b/42.ts\n", "/stream/a/b/42.ts\n#EXT-X-ENDLIST\n", "ended"),
        ];
        for (from, to, word) in flaws {
            assert!(GOOD.contains(from), "{from}");
            let error = Playlist::judge(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(word), "{to}: {error}");
        }
    }

    #[test]
    fn an_empty_window_is_not_good() {
        let head: String = GOOD.lines().take(6).map(|line| format!("{line}\n")).collect();
        assert_eq!(Playlist::judge(&head).unwrap_err(), "there is no #EXTINF line");
        assert!(Playlist::judge("").is_err());
    }
}
