//! Publishers that were thrown out and may not come back for a while.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rtmp::{StreamKey, StreamName};

use crate::clock::Moment;
use crate::places::{is_relay, network};

/// Each is one that the operator threw out. Past it the one longest ago is let in again.
const MAX: usize = 1024;

/// Who may not publish at the moment.
#[derive(Debug, Default)]
pub(crate) struct Bans(VecDeque<Ban>);

/// One publisher that was thrown out: its address may not publish anything, and its key not this
/// name. (One key may be that of all names.)
#[derive(Debug)]
struct Ban {
    network: IpAddr,
    name: StreamName,
    key: Option<StreamKey>,
    until_uptime: Duration,
}

impl Bans {
    /// From `now` on and for this long.
    pub(crate) fn add(
        &mut self,
        peer: SocketAddr,
        name: StreamName,
        key: Option<StreamKey>,
        time: Duration,
        now: Moment,
    ) {
        self.0.retain(|ban| now.uptime < ban.until_uptime);
        if self.0.len() >= MAX {
            self.0.pop_front();
        }
        let until_uptime = now.uptime.saturating_add(time);
        self.0.push_back(Ban { network: network(peer.ip()), name, key, until_uptime });
    }

    /// Whether somebody at this address, with this key for this name, may not publish.
    pub(crate) fn forbid(
        &self,
        peer: SocketAddr,
        name: Option<&StreamName>,
        key: Option<&StreamKey>,
        now: Moment,
    ) -> bool {
        self.0.iter().filter(|ban| now.uptime < ban.until_uptime).any(|ban| {
            let is_key = ban.key.is_some() && ban.key.as_ref() == key && Some(&ban.name) == name;
            let address = network(peer.ip());
            // The address of a relay on this host is that of all its publishers.
            let is_address = ban.network == address
                && (!is_relay(address) || name.is_none_or(|name| *name == ban.name));
            is_address || is_key
        })
    }
}
