//! A server with the renditions of the configuration, on loopback: a test signal is published to it
//! by RTMP, and what comes out by HLS is checked as `feathercast check` does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use check::{Outcome, Report, Verdict};
use forwarded::TrustedProxies;
use pipeline::{FrameRate, TestSignalConfig};
use rtmp::{InvalidPublishUrl, PublishUrl};
use tokio::time::timeout;

use super::Diagnosis;
use crate::access::PublishAccess;
use crate::admin::AdminAccess;
use crate::checker::{self, CheckConfig, CheckError};
use crate::config::Config;
use crate::error::Error;
use crate::publisher::{self, Programme, PublishConfig, PublishError};
use crate::server::{NetHandles, NetThreads, Server};

const STREAM: &str = "doctor";
/// The check goes on for this long, once the stream is there.
const FOLLOWED: Duration = Duration::from_secs(5);
/// Far more than the first segments need: also a loaded machine gets there.
const WAIT: Duration = Duration::from_secs(30);
/// Both, and what the check fetches in the end.
const ALL: Duration = Duration::from_secs(60);

/// Why the trial came to no report.
#[derive(Debug, thiserror::Error)]
enum TrialError {
    #[error(transparent)]
    Server(#[from] Error),
    #[error(transparent)]
    Url(#[from] InvalidPublishUrl),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("it was stopped")]
    Stopped,
    #[error("it took longer than {} s", ALL.as_secs())]
    TooLong,
}

/// Publishes, fetches and judges.
pub(super) fn diagnose(config: &Config) -> Diagnosis {
    let threads = match NetThreads::start() {
        Ok(threads) => threads,
        Err(error) => return failed(&error.to_string()),
    };
    let handles = threads.handles();
    let report = threads.main.block_on(async {
        timeout(ALL, run(config, handles)).await.unwrap_or(Err(TrialError::TooLong))
    });
    // Nothing that is left is waited for.
    threads.end();
    match report {
        Ok(report) => judge(&report),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> Diagnosis {
    Diagnosis::fail(
        "test stream",
        format!("a server on loopback, published to and watched: {why}"),
        "`feathercast demo` shows the same with all that is logged",
    )
}

fn judge(report: &Report) -> Diagnosis {
    if report.verdict == Verdict::Good {
        return Diagnosis::ok(
            "test stream",
            format!(
                "published to a server on loopback by RTMP, and watched by HLS: good, {} segments \
                 of {} renditions",
                report.segments,
                report.renditions.len()
            ),
        );
    }
    let broken = report.rules.iter().filter(|rule| rule.outcome == Outcome::Fail);
    let broken: Vec<String> = broken
        .map(|rule| {
            let finding = rule.findings.first().map(|finding| format!(" ({finding})"));
            format!("{}{}", rule.rule, finding.unwrap_or_default())
        })
        .collect();
    failed(&format!("not good: {}", broken.join(", ")))
}

async fn run(config: &Config, handles: NetHandles) -> Result<Report, TrialError> {
    let server = Server::bind(handles, &on_loopback(config)).await?;
    let bound = |addr: Option<SocketAddr>| {
        addr.ok_or_else(|| Error::Runtime(io::ErrorKind::AddrNotAvailable.into()))
    };
    let (rtmp, http) = (bound(server.rtmp_addr())?, bound(server.http_addr())?);
    let _accepting = server.start();
    let programme = Programme::TestSignal(TestSignalConfig {
        name: STREAM.to_owned(),
        width: 640,
        height: 360,
        frame_rate: FrameRate { num: 30, den: 1 },
        bitrate_bps: 800_000,
        keyframe_interval_ms: 2000,
    });
    let publish = PublishConfig {
        url: PublishUrl::parse(&format!("rtmp://{rtmp}/{STREAM}"))?,
        programme,
        stop_after: None,
        progress_interval: ALL,
        ca: None,
    };
    let check = CheckConfig {
        url: format!("http://{http}/stream/{STREAM}.m3u8"),
        duration: FOLLOWED,
        wait: WAIT,
        ca: None,
    };
    let (mut checker, mut client) = (checker::checker(&check)?, checker::client(&check)?);
    tokio::select! {
        () = checker::follow(&mut checker, &mut client, |_| ()) => {}
        // It goes on for ever, but for a signal.
        published = publisher::run(publish, |_| ()) => {
            return Err(published.err().map_or(TrialError::Stopped, TrialError::from));
        }
    }
    Ok(checker.finish(client.clock().now().uptime))
}

/// The same server for nobody else, on ports that the system chooses; it asks and tells nobody.
fn on_loopback(config: &Config) -> Config {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config {
        rtmp_addr: addr,
        http_addr: addr,
        admin_addr: addr,
        tls: None,
        trusted_proxies: TrustedProxies::default(),
        access: PublishAccess::default(),
        auth_webhook: None,
        event_webhook: None,
        forwards: Vec::new(),
        admin: AdminAccess::default(),
        viewer_secret: None,
        viewers_max: None,
        ..config.clone()
    }
}

#[cfg(test)]
mod tests {
    use pipeline::Preset;

    use super::*;
    use crate::doctor::Health;
    use crate::events::EventWebhook;
    use crate::forward::Forward;
    use crate::secret::SecretDigest;
    use crate::webhook::WebhookUrl;

    #[test]
    fn a_stream_goes_in_and_comes_out_whatever_else_is_configured() {
        let access =
            PublishAccess { shared_key: Some(SecretDigest::of("k")), ..PublishAccess::default() };
        let renditions = vec![Preset::named("P144p30fps16x9").unwrap()];
        let config = Config { access, renditions, viewers_max: Some(1), ..Config::default() };
        let diagnosis = diagnose(&config);
        assert_eq!(diagnosis.health, Health::Ok, "{diagnosis:?}");
        assert!(diagnosis.text.contains("of 2 renditions"), "{diagnosis:?}");
    }

    #[test]
    fn nobody_outside_hears_of_it() {
        let url = WebhookUrl::parse("http://192.0.2.1/").unwrap();
        let forward = Forward {
            stream: rtmp::StreamName::parse(STREAM).unwrap(),
            to: PublishUrl::parse("rtmp://192.0.2.1/live/key").unwrap(),
        };
        let config = Config {
            auth_webhook: Some(url.clone()),
            event_webhook: Some(EventWebhook { url, secret: None }),
            forwards: vec![forward],
            ..Config::default()
        };
        let trial = on_loopback(&config);
        assert!(trial.auth_webhook.is_none() && trial.event_webhook.is_none());
        assert!(trial.forwards.is_empty());
    }
}
