//! Programs that run beside us: a handle that ends them, and their output in a file.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::run::{find, quietly};
use crate::workspace;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(100);
/// How much of a log is shown when its program failed.
const LOG_TAIL_LINES: usize = 20;

/// A running program. Dropping it kills it.
///
/// It stays in our process group, so Ctrl-C in a terminal reaches it; whoever else ends us, with
/// whatever signal, the kernel kills it too (see [`tethered`]).
pub(crate) struct Background {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Background {
    /// Starts `command`; its output goes to `target/xtask/<name>.log`.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self, Failure> {
        let told = |error: std::io::Error| format!("cannot start {name}: {error}");
        let scratch = workspace::scratch();
        std::fs::create_dir_all(&scratch).map_err(told)?;
        let log = scratch.join(format!("{name}.log"));
        let output = File::create(&log).map_err(told)?;
        let errors = output.try_clone().map_err(told)?;
        let child =
            command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(told)?;
        Ok(Self { name, child, log })
    }

    /// Fails, with the end of its log, if it is not running any more.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(self.blame(&format!("has ended ({status})"))),
        }
    }

    /// A failure of this program, with the end of its log.
    pub(crate) fn blame(&self, what: &str) -> Failure {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n    ");
        Failure::from(format!(
            "{} {what}; the end of {}:\n    {tail}",
            self.name,
            self.log.display()
        ))
    }

    /// Asks it to end (SIGTERM) and waits for that; an exit code other than 0, or none within
    /// `grace`, is a failure.
    pub(crate) fn stop(mut self, grace: Duration) -> Result<(), Failure> {
        self.check()?;
        // std can only kill; the shell's built-in is everywhere.
        quietly(Command::new("sh").args([
            "-c",
            "kill -TERM \"$0\"",
            &self.child.id().to_string(),
        ]))?;
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.blame(&format!("ended with {status} when asked to end")));
                }
                None => sleep(POLL),
            }
        }
        Err(self.blame(&format!("had not ended {} s after SIGTERM", grace.as_secs())))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let status = self.child.try_wait();
        status.map_err(|error| format!("cannot wait for {}: {error}", self.name).into())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The words that start a program so that it dies with us (`PR_SET_PDEATHSIG`, kept across exec);
/// none where util-linux is missing, then only Ctrl-C and a proper end stop it.
pub(crate) fn tethered() -> Vec<String> {
    if find("setpriv").is_none() {
        return vec![];
    }
    ["setpriv", "--pdeathsig", "KILL"].map(str::to_owned).to_vec()
}

/// The command made of `words`, the program first.
pub(crate) fn command(words: &[String]) -> Command {
    let (program, args) =
        words.split_first().map_or(("true", words), |(program, args)| (program.as_str(), args));
    let mut command = Command::new(find(program).unwrap_or_else(|| program.into()));
    command.args(args);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(name: &'static str, script: &str) -> Background {
        let words = ["sh", "-c", script].map(str::to_owned);
        Background::start(name, &mut command(&words)).unwrap()
    }

    #[test]
    fn an_early_end_is_blamed_with_the_log() {
        let mut program = started("test_early_end", "echo out of beans >&2; exit 3");
        program.child.wait().unwrap();
        let failure = program.check().unwrap_err().to_string();
        assert!(
            failure.contains("exit status: 3") && failure.contains("out of beans"),
            "{failure}"
        );
    }

    #[test]
    fn a_polite_program_stops_when_asked() {
        let program =
            started("test_polite", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done");
        while std::fs::read_to_string(&program.log).unwrap() != "ready\n" {
            sleep(POLL);
        }
        program.stop(Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn dropping_kills() {
        let program = started("test_dropped", "exec sleep 1000");
        let entry = PathBuf::from(format!("/proc/{}", program.child.id()));
        assert!(entry.exists());
        drop(program);
        assert!(!entry.exists());
    }
}
