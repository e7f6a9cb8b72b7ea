//! Visits by `feathercast check`, which says whether players would have played on.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::random::Random;
use crate::support::http;
use crate::viewer::Stage;

/// A visit: long enough for some publishers to go and to be back.
const VISIT: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(50));
/// Between two visits renditions may fall asleep.
const AWAY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(40));

/// What no publisher may do to a player.
const PLAYERS_RULES: [&str; 2] = ["exoplayer-stuck-playlist", "hlsjs-codec-change"];
/// And this by its silence alone: who starts anew has nothing to list until its first segment is
/// whole, and that may be longer.
const SILENCE_RULE: &str = "avplayer-unchanged-playlist";

/// Comes and goes until `end`; what was wrong, if anything.
pub(crate) fn come_and_go(
    stages: &[Stage<'_>],
    mut random: Random,
    end: Instant,
) -> Option<String> {
    let (mut visits, mut without_a_start, mut wrong) = (0, 0, Vec::new());
    let left = || end.saturating_duration_since(Instant::now());
    while left() > VISIT.0 {
        let stage = &stages[random.below(stages.len())];
        let path = format!("/stream/{}.m3u8", stage.show.name);
        if http::get(stage.server, &path).status == 200 {
            let comings = stage.presence.comings();
            let time = random.between(VISIT.0, VISIT.1).min(left());
            let report = check(&format!("http://{}{path}", stage.server), time);
            let has_stayed = stage.presence.comings() == comings;
            let silence = Some(SILENCE_RULE).filter(|_| has_stayed);
            let broken = broken(&report, &[&PLAYERS_RULES[..], silence.as_slice()].concat());
            wrong.extend(broken.iter().map(|what| format!("{}: {what}", stage.show.name)));
            visits += 1;
            without_a_start += usize::from(has_stayed);
        }
        sleep(random.between(AWAY.0, AWAY.1).min(left()));
    }
    println!(
        "check came {visits} times, {without_a_start} of them while no publisher started, and found {} rules of players broken",
        wrong.len()
    );
    (!wrong.is_empty()).then(|| format!("check: {}", wrong.join("; ")))
}

fn check(url: &str, time: Duration) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_feathercast"))
        .args(["check", url, "--for", &format!("{}s", time.as_secs()), "--json"])
        .output()
        .expect("feathercast runs");
    serde_json::from_slice(&output.stdout).expect("a report")
}

/// What was found against these rules.
fn broken(report: &Value, rules: &[&str]) -> Vec<String> {
    let judged = report["rules"].as_array().expect("rules");
    let failed = judged.iter().filter(|judged| {
        judged["outcome"] == "fail" && rules.iter().any(|rule| judged["rule"] == *rule)
    });
    failed.map(|failed| format!("{} {}", failed["rule"], failed["findings"])).collect()
}
