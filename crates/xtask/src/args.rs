//! The command line.

use std::time::Duration;

use crate::attack::Form;

pub(crate) const HELP: &str = "\
cargo xtask COMMAND

  demo [--for 30s]                set up, build the quick way, run `feathercast demo`: serve, publish, check;
                                  stays until Ctrl-C, or for the time given: then exit code 0 says that all was good
  test                            set up what tests need, run them all
  ci                              fmt, clippy, deny, test, attack --short, fuzz smoke, dist: what .ci/run runs
  dist                            the static binary target/dist/feathercast, proved to run in an empty chroot, what it
                                  is made of (feathercast.cdx.json, CycloneDX), an archive, a .deb, SHA256SUMS
  dist --verify                   dist in two checkouts of the last commit, and a comparison of all bytes
  bench                           the benches of benches/ and feathercast beside its peers, for docs/performance.md
  reach [--minutes 5]             our page on links of 64 to 256 kbit/s, beside hls.js on nginx-rtmp: first picture,
                                  stalls, megabytes an hour
  soak [--minutes 10] [--seed N]  publishers and viewers that come and go at random, players that verify everything,
                                  memory that must stay flat: exit code 0 says zero violations
  attack [NAME...] [--short] [--seed N] [--list]
                                  each attack of tests/attacks/ and three variations of it, beside a healthy
                                  publisher and a viewer: exit code 0 says that neither noticed any
  fuzz [TARGET] [--seconds 60] [--minutes N]
                                  fuzz one target, or all of them for that long each; executions and coverage
  help                            this text

Missing system packages are installed with apt-get, as root or by a sudo that asks for no password.";

/// How long `fuzz` runs a target when nothing is said.
const FUZZ_SECONDS: u64 = 60;

/// How long `soak` runs when nothing is said.
const SOAK_MINUTES: u64 = 10;

/// How long `reach` watches each page when nothing is said.
const REACH_MINUTES: u64 = 5;

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Demo { stay: Option<Duration> },
    Test,
    Ci,
    Dist,
    VerifyDist,
    Bench,
    Reach { minutes: u64 },
    Soak { minutes: u64, seed: Option<u64> },
    Attack { form: Form, seed: Option<u64>, names: Vec<String> },
    Fuzz { target: Option<String>, seconds: u64 },
}

/// Reads the words after `cargo xtask`; the error names the word and what is possible instead.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => Ok(Command::Help),
        ["demo"] => Ok(Command::Demo { stay: None }),
        ["demo", "--for", time] => Ok(Command::Demo { stay: Some(duration(time)?) }),
        ["demo", "--for"] => Err("--for needs a time, for example --for 30s".to_owned()),
        ["test"] => Ok(Command::Test),
        ["ci"] => Ok(Command::Ci),
        ["dist"] => Ok(Command::Dist),
        ["dist", "--verify"] => Ok(Command::VerifyDist),
        ["bench"] => Ok(Command::Bench),
        ["reach"] => Ok(Command::Reach { minutes: REACH_MINUTES }),
        ["reach", "--minutes", minutes] => {
            Ok(Command::Reach { minutes: number("--minutes", Some(minutes))? })
        }
        ["reach", other, ..] => Err(format!("reach does not take '{other}'")),
        ["soak", rest @ ..] => soak(rest),
        ["attack", rest @ ..] => attack(rest),
        ["fuzz", rest @ ..] => fuzz(rest),
        [command @ ("demo" | "test" | "ci" | "dist" | "bench"), other, ..] => {
            Err(format!("{command} does not take '{other}'"))
        }
        [other, ..] => Err(format!("there is no command '{other}'")),
    }
}

fn soak(words: &[&str]) -> Result<Command, String> {
    let (mut minutes, mut seed) = (SOAK_MINUTES, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => minutes = number(word, words.next())?,
            "--seed" => seed = Some(number(word, words.next())?),
            other => return Err(format!("soak does not take '{other}'")),
        }
    }
    Ok(Command::Soak { minutes, seed })
}

fn attack(words: &[&str]) -> Result<Command, String> {
    let (mut form, mut seed, mut names) = (Form::Long, None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--short" => form = Form::Short,
            "--list" => form = Form::List,
            "--seed" => seed = Some(number(word, words.next())?),
            option if option.starts_with('-') => {
                return Err(format!("attack does not take '{option}'"));
            }
            name => names.push(name.to_owned()),
        }
    }
    Ok(Command::Attack { form, seed, names })
}

/// The whole number behind an option.
fn number(option: &str, word: Option<&&str>) -> Result<u64, String> {
    let word = word.ok_or_else(|| format!("{option} needs a number, for example {option} 60"))?;
    word.parse().map_err(|_| format!("{option} needs a whole number, not '{word}'"))
}

fn fuzz(words: &[&str]) -> Result<Command, String> {
    let mut target = None;
    let mut seconds = FUZZ_SECONDS;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = number(word, words.next())?,
            "--minutes" => {
                let minutes = number(word, words.next())?;
                seconds =
                    minutes.checked_mul(60).ok_or_else(|| format!("{minutes} min is too long"))?;
            }
            option if option.starts_with('-') => {
                return Err(format!("fuzz does not take '{option}'"));
            }
            name if target.is_none() => target = Some(name.to_owned()),
            name => return Err(format!("fuzz takes one target, '{name}' is the second")),
        }
    }
    Ok(Command::Fuzz { target, seconds })
}

/// `30s`, `2m`, or a bare number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit_secs) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("'{text}' is no time: write 30s or 2m"))?;
    let seconds = number.checked_mul(unit_secs).ok_or_else(|| format!("'{text}' is too long"))?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn commands() {
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("demo"), Ok(Command::Demo { stay: None }));
        assert_eq!(
            parsed("demo --for 30s"),
            Ok(Command::Demo { stay: Some(Duration::from_secs(30)) })
        );
        assert_eq!(
            parsed("demo --for 2m"),
            Ok(Command::Demo { stay: Some(Duration::from_secs(120)) })
        );
        assert_eq!(
            parsed("demo --for 7"),
            Ok(Command::Demo { stay: Some(Duration::from_secs(7)) })
        );
        assert_eq!(parsed("test"), Ok(Command::Test));
        assert_eq!(parsed("ci"), Ok(Command::Ci));
        assert_eq!(parsed("dist"), Ok(Command::Dist));
        assert_eq!(parsed("dist --verify"), Ok(Command::VerifyDist));
        assert_eq!(parsed("bench"), Ok(Command::Bench));
    }

    #[test]
    fn fuzz_takes_a_target_and_a_time_in_any_order() {
        let expected = Command::Fuzz { target: Some("amf0_value".to_owned()), seconds: 5 };
        assert_eq!(parsed("fuzz amf0_value --seconds 5").as_ref(), Ok(&expected));
        assert_eq!(parsed("fuzz --seconds 5 amf0_value").as_ref(), Ok(&expected));
        assert_eq!(parsed("fuzz"), Ok(Command::Fuzz { target: None, seconds: FUZZ_SECONDS }));
    }

    #[test]
    fn fuzz_takes_minutes() {
        assert_eq!(parsed("fuzz --minutes 2"), Ok(Command::Fuzz { target: None, seconds: 120 }));
    }

    #[test]
    fn attack_takes_names_a_form_and_a_seed() {
        let expected = Command::Attack {
            form: Form::Short,
            seed: Some(7),
            names: vec!["takeover".to_owned(), "garbage".to_owned()],
        };
        assert_eq!(parsed("attack takeover --short --seed 7 garbage").as_ref(), Ok(&expected));
        let all = Command::Attack { form: Form::Long, seed: None, names: vec![] };
        assert_eq!(parsed("attack"), Ok(all));
    }

    #[test]
    fn soak_takes_minutes_and_a_seed() {
        let expected = Command::Soak { minutes: 2, seed: Some(7) };
        assert_eq!(parsed("soak --minutes 2 --seed 7").as_ref(), Ok(&expected));
        assert_eq!(parsed("soak"), Ok(Command::Soak { minutes: SOAK_MINUTES, seed: None }));
    }

    #[test]
    fn errors_name_the_word() {
        for (line, word) in [
            ("dmo", "'dmo'"),
            ("demo --for", "--for"),
            ("demo --for soon", "'soon'"),
            ("demo --for 18446744073709551615m", "too long"),
            ("demo now", "'now'"),
            ("ci --fast", "'--fast'"),
            ("bench now", "'now'"),
            ("dist --verfy", "'--verfy'"),
            ("soak --minutes ten", "'ten'"),
            ("soak now", "'now'"),
            ("fuzz --seconds", "--seconds"),
            ("fuzz --seconds x", "'x'"),
            ("fuzz a b", "'b'"),
            ("fuzz -q", "'-q'"),
            ("fuzz --minutes 999999999999999999", "too long"),
            ("attack --quick", "'--quick'"),
            ("attack --seed x", "'x'"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
