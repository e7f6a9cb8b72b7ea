//! `feathercast check`: fetches, waits and decodes as `check::Checker` asks for.

mod client;

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use check::{Checker, DecodeJob, Decoded, Options, Report, Step};
use pipeline::LumaFacts;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::sleep;

pub(crate) use self::client::{Client, read_body};
use crate::clock::Clock;
use crate::shutdown::Signals;
use crate::tls::{ALPN_HTTP1, CertificateError, TlsClient};

/// What to check, and for how long.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// Where the multivariant or media playlist is.
    pub url: String,
    /// How long to follow the stream.
    pub duration: Duration,
    /// How long a stream that is just starting is waited for.
    pub wait: Duration,
    /// A PEM file with the certificates of the authorities to trust instead of Mozilla's.
    pub ca: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The URL is none that can be fetched.
    #[error(transparent)]
    Url(#[from] check::Error),
    /// There are no authorities to trust in the file.
    #[error("--ca: {0}")]
    Authorities(#[from] CertificateError),
    /// The system gives no event queue or no signal handlers.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

/// Why there is no stream yet, and how much longer it is waited for.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What the server answered.
    pub why: String,
    /// No longer than this from now on.
    pub at_most: Duration,
}

/// Follows a stream as a player would and judges it. SIGINT and SIGTERM end it before the time is
/// over, with a report of what there is so far. `waiting` is called once, when there is no stream
/// yet.
///
/// # Errors
/// What [`CheckError`] lists. A stream that cannot be reached is a report that is not good.
pub fn check(
    config: &CheckConfig,
    mut waiting: impl FnMut(&Waiting),
) -> Result<Report, CheckError> {
    let mut checker = checker(config)?;
    let mut client = client(config)?;
    // One thread: one thing is fetched at a time.
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(CheckError::Runtime)?.block_on(async {
        let mut signals = Signals::new().map_err(CheckError::Runtime)?;
        let clock = client.clock();
        tokio::select! {
            () = signals.next() => return Ok(checker.stop(clock.now().uptime)),
            () = follow(&mut checker, &mut client, &mut waiting) => {}
        }
        Ok(checker.finish(clock.now().uptime))
    })
}

/// A checker that has not begun.
pub(crate) fn checker(config: &CheckConfig) -> Result<Checker, CheckError> {
    let options = Options { duration: config.duration, wait: config.wait, ..Options::default() };
    Ok(Checker::new(&config.url, options)?)
}

/// What fetches for it.
pub(crate) fn client(config: &CheckConfig) -> Result<Client, CheckError> {
    let tls = TlsClient::new(config.ca.as_deref(), &[ALPN_HTTP1])?;
    Ok(Client::new(Clock::start(), tls))
}

/// Does what the checker asks for, to the end.
pub(crate) async fn follow(
    checker: &mut Checker,
    client: &mut Client,
    mut waiting: impl FnMut(&Waiting),
) {
    let clock = client.clock();
    let mut has_told = false;
    loop {
        let now = clock.now().uptime;
        match checker.next(now) {
            Step::Fetch(request) => match client.fetch(&request).await {
                Ok(response) => checker.response(&response),
                Err(why) => checker.failed(&why, clock.now().uptime),
            },
            Step::Decode(job) => checker.decoded(&decode(job).await),
            Step::WaitUntil(time) => sleep(time.saturating_sub(now)).await,
            Step::WaitForStream { until, gives_up_at, why } => {
                if !std::mem::replace(&mut has_told, true) {
                    waiting(&Waiting { why, at_most: gives_up_at.saturating_sub(now) });
                }
                sleep(until.saturating_sub(now)).await;
            }
            Step::Done => return,
        }
    }
}

/// Decodes on a thread of its own.
async fn decode(job: DecodeJob) -> Decoded {
    let (sender, receiver) = oneshot::channel();
    let work = move || {
        let units = job.access_units.into_iter();
        let facts = pipeline::decode_luma(units.map(|au| (au.pts.unwrap_or_default(), au.annexb)));
        // Nobody waits any more when the check was cut short.
        let _ = sender.send(decoded(facts));
    };
    let spawned = thread::Builder::new().name("check-decode".to_owned()).spawn(work);
    let not_done = |why: String| Decoded { undecodable: Some(why), ..Decoded::default() };
    match spawned {
        Ok(_) => receiver.await.unwrap_or_else(|_| not_done("the decoder failed".to_owned())),
        Err(error) => not_done(format!("no thread to decode on: {error}")),
    }
}

fn decoded(facts: LumaFacts) -> Decoded {
    let LumaFacts { pictures, mean, largest_spread, error, undecodable } = facts;
    Decoded { pictures, luma_mean: mean, luma_spread: largest_spread, error, undecodable }
}

#[cfg(test)]
mod tests {
    use check::Verdict;

    use super::*;

    fn error(url: &str) -> String {
        let url = url.to_owned();
        let duration = Duration::from_secs(1);
        let config = CheckConfig { url, duration, wait: Duration::ZERO, ca: None };
        check(&config, |_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_url_that_cannot_be_fetched_is_named() {
        assert!(error("rtmp://h/x").contains("rtmp://h/x"));
        assert!(error("x.m3u8").contains("x.m3u8"));
    }

    #[test]
    fn nobody_at_home_is_a_report() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{closed}/stream/x.m3u8");
        // There is nobody to wait for.
        let minute = Duration::from_secs(60);
        let config = CheckConfig { url, duration: minute, wait: minute, ca: None };
        let report = check(&config, |_| panic!("waits")).unwrap();
        assert_eq!((report.verdict, report.good), (Verdict::NoStream, false));
        let text = report.to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("refused") && text.contains("is the server running"), "{text}");
    }
}
