//! What systemd is told by a service of `Type=notify` (sd_notify(3)): that it listens, that it
//! stops, and, where the unit has a watchdog, that it is alive.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{self, SocketAddr};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, warn};

use crate::server::{Accepting, NetHandles};

/// Who started the process, and wants to be told how it does. Nobody else is told anything.
#[derive(Debug, Default)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// It ends the service after twice this time without a sign of life.
    sign_of_life_every: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment of process `id` names. Call it inside a runtime.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<OsString>, id: u32) -> Self {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match connect(&name) {
            Ok(socket) => Self {
                socket: Some(socket),
                sign_of_life_every: watchdog(variable, id).map(|time| time / 2),
            },
            Err(error) => {
                warn!(socket = ?name, %error, "the service manager cannot be told anything");
                Self::default()
            }
        }
    }

    /// All listeners are there: whatever is started behind this service may go on.
    pub(crate) async fn tell_ready(&self) {
        self.tell("READY=1").await;
    }

    /// The service ends, because it was asked to.
    pub(crate) async fn tell_stopping(&self) {
        self.tell("STOPPING=1").await;
    }

    /// Gives signs of life while there is life, and does not return.
    ///
    /// This runs on the thread of the registry's clock and gives no sign before both runtimes of
    /// the network have done something: a process in which any of them hangs is as good as dead,
    /// and so is one of which a listener is gone.
    pub(crate) async fn give_signs_of_life(
        &self,
        handles: &NetHandles,
        accepting: &mut Accepting,
    ) -> Infallible {
        let Some(every) = self.sign_of_life_every else { return pending().await };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            if accepting.has_lost_a_task() {
                error!("a part of the server has ended: its watchdog is left to restart it");
                return pending().await;
            }
            handles.do_something().await;
            self.tell("WATCHDOG=1").await;
        }
    }

    async fn tell(&self, state: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(state.as_bytes()).await {
            warn!(state, %error, "the service manager could not be told");
        }
    }
}

/// A path, or an address without a file, which is written with an `@` in front.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = net::UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)
}

/// After which time without a sign of life process `id` is ended, if it is (sd_watchdog_enabled(3)).
fn watchdog(variable: impl Fn(&str) -> Option<OsString>, id: u32) -> Option<Duration> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    // A variable that was meant for a parent of ours, and that it has passed on.
    if variable("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(id.into()) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|time| *time > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::runtime::Builder;

    use super::*;

    fn variables<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + Copy + 'a {
        move |name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| value.into())
    }

    #[test]
    fn a_watchdog_is_for_the_process_that_it_names_or_for_all() {
        let time = |set: &[(&str, &str)]| watchdog(variables(set), 7);
        let usec = ("WATCHDOG_USEC", "30000000");
        assert_eq!(time(&[usec]), Some(Duration::from_secs(30)));
        assert_eq!(time(&[usec, ("WATCHDOG_PID", "7")]), Some(Duration::from_secs(30)));
        for other in ["8", "", "-7", "seven"] {
            assert_eq!(time(&[usec, ("WATCHDOG_PID", other)]), None, "{other}");
        }
        for no_time in ["0", "", "-1", "30s", "18446744073709551616"] {
            assert_eq!(time(&[("WATCHDOG_USEC", no_time)]), None, "{no_time}");
        }
        assert_eq!(time(&[]), None);
    }

    #[tokio::test]
    async fn nobody_is_told_where_nobody_wants_to_be() {
        for set in [
            &[("WATCHDOG_USEC", "1")][..],
            &[("NOTIFY_SOCKET", "")],
            &[("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "1")],
        ] {
            let manager = ServiceManager::of_environment(variables(set), 7);
            assert!(manager.socket.is_none() && manager.sign_of_life_every.is_none(), "{set:?}");
            manager.tell_ready().await;
        }
    }

    #[tokio::test]
    async fn an_address_without_a_file_is_told_too() {
        let name = format!("feathercast-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = net::UnixDatagram::bind_addr(&address).unwrap();
        let set = [("NOTIFY_SOCKET", &*format!("@{name}")), ("WATCHDOG_USEC", "2000000")];
        let manager = ServiceManager::of_environment(variables(&set), 7);
        assert_eq!(manager.sign_of_life_every, Some(Duration::from_secs(1)));
        manager.tell_ready().await;
        manager.tell_stopping().await;
        let mut datagram = [0; 64];
        for expected in ["READY=1", "STOPPING=1"] {
            let length = socket.recv(&mut datagram).unwrap();
            assert_eq!(std::str::from_utf8(&datagram[..length]), Ok(expected));
        }
    }

    /// A runtime that nobody drives is one whose threads hang.
    #[test]
    fn there_is_no_life_where_a_runtime_hangs() {
        let working = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let hanging = Builder::new_current_thread().build().unwrap();
        let handles = [
            NetHandles::of(working.handle(), hanging.handle()),
            NetHandles::of(hanging.handle(), working.handle()),
        ];
        for handles in handles {
            let mut life = pin!(handles.do_something());
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..3 {
                assert!(life.as_mut().poll(&mut context).is_pending());
                working.block_on(working.spawn(async {})).unwrap();
            }
            // Somebody drives it again.
            hanging.block_on(life);
        }
    }
}
