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
use crate::tls::{ALPN_HTTP1, CertificateError, TlsClient};

/// What to check, and for how long.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// Where the multivariant or media playlist is.
    pub url: String,
    /// How long to follow the stream.
    pub duration: Duration,
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
    /// The system gives no event queue.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

/// Follows a stream as a player would and judges it.
///
/// # Errors
/// What [`CheckError`] lists. A stream that cannot be reached is a report that is not good.
pub fn check(config: &CheckConfig) -> Result<Report, CheckError> {
    let checker = checker(config)?;
    let client = client(config)?;
    // One thread: one thing is fetched at a time.
    let runtime = Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(CheckError::Runtime)?.block_on(follow(checker, client)))
}

/// A checker that has not begun.
pub(crate) fn checker(config: &CheckConfig) -> Result<Checker, CheckError> {
    let options = Options { duration: config.duration, ..Options::default() };
    Ok(Checker::new(&config.url, options)?)
}

/// What fetches for it.
pub(crate) fn client(config: &CheckConfig) -> Result<Client, CheckError> {
    let tls = TlsClient::new(config.ca.as_deref(), &[ALPN_HTTP1])?;
    Ok(Client::new(Clock::start(), tls))
}

/// Does what the checker asks for, to the end.
pub(crate) async fn follow(mut checker: Checker, mut client: Client) -> Report {
    let clock = client.clock();
    loop {
        let now = clock.now().uptime;
        match checker.next(now) {
            Step::Fetch(request) => match client.fetch(&request).await {
                Ok(response) => checker.response(&response),
                Err(why) => checker.failed(&why, clock.now().uptime),
            },
            Step::Decode(job) => checker.decoded(&decode(job).await),
            Step::WaitUntil(time) => sleep(time.saturating_sub(now)).await,
            Step::Done => return checker.finish(clock.now().uptime),
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
    use check::Outcome;

    use super::*;

    fn error(url: &str) -> String {
        let url = url.to_owned();
        let config = CheckConfig { url, duration: Duration::from_secs(1), ca: None };
        check(&config).unwrap_err().to_string()
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
        let config = CheckConfig { url, duration: Duration::from_secs(60), ca: None };
        let report = check(&config).unwrap();
        let reachable = &report.rules[0];
        assert_eq!((report.good, reachable.outcome), (false, Outcome::Fail));
        assert!(reachable.findings[0].what.contains("refused"), "{report}");
    }
}
