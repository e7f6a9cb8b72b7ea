//! What the machine gives: open files, memory, the right time, a certificate; and who may publish.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use super::Diagnosis;
use crate::clock::Moment;
use crate::config::{CertificateSource, Config, TlsConfig};
use crate::limits::Limits;
use crate::system_memory::{available_memory, machine_memory};
use crate::tls::{Acme, CertificateFiles, Certificates, Validity};

/// 2026-12-01: no program that has this line is older.
const WRITTEN_UNIX_MS: i64 = 1_796_083_200_000;

/// Two clocks of a machine go apart by less than this in a minute, also while the wall clock is
/// slewed (at most 0.5 ms in a second).
const SAME_TIME_MS: i64 = 100;

/// A certificate that is to be renewed has this many days left at least.
const DAYS_LEFT: i64 = 14;
const SECS_PER_DAY: i64 = 86_400;

const MIB: u64 = 1 << 20;

/// Whether anybody may publish, or ask on the operator's port.
pub(super) fn access(config: &Config) -> Diagnosis {
    let subject = "access";
    if config.is_admin_exposed() {
        return Diagnosis::fail(
            subject,
            format!("anyone who reaches {} may end streams", config.admin_addr),
            "set --admin-token, or --admin-addr to 127.0.0.1",
        );
    }
    if config.is_open_to_the_network() {
        return Diagnosis::warn(
            subject,
            format!("anyone who reaches {} may publish", config.rtmp_addr),
            "set --publish-key, or make a key for each name with `feathercast key new NAME`",
        );
    }
    Diagnosis::ok(subject, "nobody publishes or administers who may not".to_owned())
}

/// Whether the certificate can be shown, and for how long.
pub(super) fn certificate(tls: &TlsConfig, now: Moment) -> Diagnosis {
    let subject = "certificate";
    let certificates = Arc::new(Certificates::default());
    let for_reading = Arc::clone(&certificates);
    let (read, renewing) = match &tls.certificate {
        CertificateSource::Files { cert, key } => {
            let read = CertificateFiles::open(cert, key, for_reading).map(drop);
            (read, "renew it; `serve` takes the new files by itself")
        }
        CertificateSource::Acme(acme) => (
            Acme::open(acme, for_reading).map(drop),
            "`serve` renews it by itself: the log says why it could not",
        ),
    };
    if let Err(error) = read {
        return Diagnosis::fail(
            subject,
            error.to_string(),
            "--tls-cert names a certificate chain, --tls-key its private key, --acme-ca an \
             authority's certificate, all in PEM",
        );
    }
    match (certificates.validity(), &tls.certificate) {
        (Some(validity), _) => judge_validity(subject, validity, now.unix_ms / 1000, renewing),
        (None, CertificateSource::Acme(acme)) => Diagnosis::warn(
            subject,
            format!("none has been issued yet for {}", acme.domains.join(", ")),
            "`serve` asks for one: the names have to lead to this machine, from everywhere",
        ),
        (None, CertificateSource::Files { .. }) => Diagnosis::warn(
            subject,
            "it does not say when it ends".to_owned(),
            "look at it with `openssl x509 -text`",
        ),
    }
}

fn judge_validity(
    subject: &'static str,
    validity: Validity,
    now: i64,
    renewing: &str,
) -> Diagnosis {
    let days = (validity.not_after - now).div_euclid(SECS_PER_DAY);
    if now < validity.not_before {
        return Diagnosis::fail(
            subject,
            "it is not valid yet".to_owned(),
            "look at this machine's clock, and at the certificate",
        );
    }
    match days {
        ..0 => Diagnosis::fail(subject, format!("it ended {} days ago", -days), renewing),
        0..DAYS_LEFT => Diagnosis::warn(subject, format!("it ends in {days} days"), renewing),
        _ => Diagnosis::ok(subject, format!("it is valid for {days} days more")),
    }
}

/// Whether as many viewers as are let in may have a connection each.
pub(super) fn open_files(config: &Config) -> Diagnosis {
    let hard = getrlimit(Resource::Nofile).maximum;
    judge_open_files(
        hard.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX)),
        &Limits::for_streams(config.max_streams),
        config.viewers_max,
    )
}

fn judge_open_files(files: usize, limits: &Limits, viewers_max: Option<usize>) -> Diagnosis {
    let subject = "open files";
    let connections = files.saturating_sub(limits.reserved_files).min(limits.http_connections);
    let wanted = viewers_max.unwrap_or(limits.http_connections);
    let remedy = format!(
        "raise the hard limit to {} (`ulimit -Hn`, LimitNOFILE= of a systemd unit)",
        wanted.min(limits.http_connections).saturating_add(limits.reserved_files)
    );
    match viewers_max {
        Some(max) if max > limits.http_connections => Diagnosis::warn(
            subject,
            format!("--viewers-max is {max}, and there are {connections} connections at most"),
            "put a proxy or a CDN in front: it fetches each object once",
        ),
        Some(max) if connections < max => Diagnosis::fail(
            subject,
            format!("room for {connections} viewers' connections, and --viewers-max is {max}"),
            remedy,
        ),
        None if connections < wanted => Diagnosis::warn(
            subject,
            format!("room for {connections} viewers' connections, of {wanted} that could be"),
            remedy,
        ),
        _ => Diagnosis::ok(subject, format!("room for {connections} viewers' connections")),
    }
}

/// Whether there is as much memory as may be used.
pub(super) fn memory(config: &Config) -> Diagnosis {
    judge_memory(config.memory_bytes, machine_memory(), available_memory())
}

fn judge_memory(budget: u64, machine: Option<u64>, available: Option<u64>) -> Diagnosis {
    let subject = "memory";
    let mib = |bytes: u64| format!("{} MiB", bytes / MIB);
    match (machine, available) {
        (Some(machine), _) if machine < budget => Diagnosis::fail(
            subject,
            format!("--memory is {}, and this machine gives {}", mib(budget), mib(machine)),
            format!("set --memory to {} at most, or leave it to the default", mib(machine / 2)),
        ),
        (_, Some(available)) if available < budget => Diagnosis::warn(
            subject,
            format!("--memory is {}, and other programs leave {}", mib(budget), mib(available)),
            "set --memory to less than they leave, or stop some of them",
        ),
        (Some(machine), _) => {
            Diagnosis::ok(subject, format!("{} of {} may be used", mib(budget), mib(machine)))
        }
        (None, _) => Diagnosis::warn(
            subject,
            format!("the system does not say how much there is; {} may be used", mib(budget)),
            "set --memory to half of what the machine has",
        ),
    }
}

/// Whether the wall clock goes as time does, and is not of another year.
pub(super) fn clock(began: Moment, now: Moment) -> Diagnosis {
    let subject = "clock";
    let passed = i64::try_from(now.since(began).as_millis()).unwrap_or(i64::MAX);
    let jump = now.unix_ms - began.unix_ms - passed;
    let remedy = "set it, and keep it right: `timedatectl set-ntp true`";
    if now.unix_ms < WRITTEN_UNIX_MS {
        let days = (WRITTEN_UNIX_MS - now.unix_ms) / 1000 / SECS_PER_DAY;
        return Diagnosis::warn(
            subject,
            format!("it is {days} days before the day when this program was written"),
            remedy,
        );
    }
    if jump.abs() > SAME_TIME_MS {
        return Diagnosis::warn(
            subject,
            format!("it jumped by {jump} ms while this was looked at for {passed} ms"),
            remedy,
        );
    }
    Diagnosis::ok(
        subject,
        "it goes evenly. Whether it is right to the second cannot be known without asking others"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Health;

    fn moment(uptime_ms: u64, unix_ms: i64) -> Moment {
        Moment { uptime: Duration::from_millis(uptime_ms), unix_ms }
    }

    #[test]
    fn a_clock_that_jumps_or_is_of_another_year_is_noticed() {
        let now = WRITTEN_UNIX_MS + 10_000_000;
        let judged = |passed_ms: u64, began: i64, unix_ms: i64| {
            clock(moment(5000, began), moment(5000 + passed_ms, unix_ms))
        };
        assert_eq!(judged(20_000, now, now + 20_050).health, Health::Ok);
        for end in [now + 3_620_000, now - 3_580_000] {
            let jumped = judged(20_000, now, end);
            assert_eq!(jumped.health, Health::Warn, "{jumped:?}");
            assert!(jumped.text.contains("jumped by"), "{jumped:?}");
        }
        let old = judged(20_000, 1000, 21_000);
        assert_eq!(old.health, Health::Warn);
        assert!(old.text.contains("20787 days before"), "{old:?}");
    }

    #[test]
    fn open_files_are_held_against_the_viewers_that_are_let_in() {
        let limits = Limits::for_streams(10);
        let judged = |files, viewers| judge_open_files(files, &limits, viewers);
        let health = |files, viewers| judged(files, viewers).health;
        assert_eq!(health(1 << 20, None), Health::Ok);
        assert_eq!(health(4096, None), Health::Warn);
        assert_eq!(health(4096, Some(1000)), Health::Ok);
        assert_eq!(health(1024, Some(1000)), Health::Fail);
        assert_eq!(health(1 << 20, Some(20_000)), Health::Warn);
        let few = judged(1024, Some(1000));
        assert_eq!(few.text, "room for 614 viewers' connections, and --viewers-max is 1000");
        assert!(few.remedy.contains("raise the hard limit to 1410"), "{few:?}");
    }

    #[test]
    fn memory_is_held_against_what_there_is() {
        let judged = |budget: u64, machine: Option<u64>, available: Option<u64>| {
            let bytes = |mib: Option<u64>| mib.map(|mib| mib * MIB);
            judge_memory(budget * MIB, bytes(machine), bytes(available)).health
        };
        assert_eq!(judged(512, Some(1024), Some(700)), Health::Ok);
        assert_eq!(judged(512, Some(1024), Some(300)), Health::Warn);
        assert_eq!(judged(2048, Some(1024), Some(700)), Health::Fail);
        assert_eq!(judged(512, None, None), Health::Warn);
    }

    #[test]
    fn a_certificate_is_renewed_in_time_or_has_ended() {
        let day = SECS_PER_DAY;
        let validity = Validity { not_before: 0, not_after: 90 * day };
        let judged = |now: i64| judge_validity("certificate", validity, now, "renew it");
        assert_eq!(judged(0).health, Health::Ok);
        assert_eq!(judged(76 * day).health, Health::Ok);
        let soon = judged(80 * day);
        assert_eq!((soon.health, &soon.text[..]), (Health::Warn, "it ends in 10 days"));
        let over = judged(92 * day);
        assert_eq!((over.health, &over.text[..]), (Health::Fail, "it ended 2 days ago"));
        assert_eq!(judged(-1).health, Health::Fail);
    }

    #[test]
    fn who_may_do_what_is_told() {
        let config = Config::default();
        assert_eq!(access(&config).health, Health::Warn);
        let local = Config { rtmp_addr: "127.0.0.1:1935".parse().unwrap(), ..config.clone() };
        assert_eq!(access(&local).health, Health::Ok);
        let exposed = Config { admin_addr: "0.0.0.0:7935".parse().unwrap(), ..config };
        assert_eq!(access(&exposed).health, Health::Fail);
    }
}
