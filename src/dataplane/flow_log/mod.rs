//! Flow logs: who passed which network interface, and what its filters said (B8).
//!
//! # Theory of operation
//!
//! **Purpose.** A record for each conversation at each logged interface and in each direction, as AWS writes it: the 5-tuple
//! there, packets, bytes, TCP flags, and the verdict of security groups and network ACL at that interface alone.
//!
//! **Identity.** An [`Observation`] is what stays the same from packet to packet of such a record. The walk that decides a
//! packet passes the interfaces anyway, and notes those that are logged ([`Observed`]); what AWS leaves out it never notes.
//!
//! **Life.** Observations of a conversation stay with its flow, beside one [`Counter`](ledger::Counters) for each direction:
//! all interfaces on a way see the same packets. What has no flow (refused packets) and what is left of flows that end goes to
//! the [`Ledger`]. A [`Harvest`] empties both; a [`Journal`] for each log gathers harvests until its interval ends and
//! makes lines of them.
//!
//! **Time.** `now` is the lab's; only the lines know Unix seconds. A record lasts from the first to the last packet that it
//! counts.
//!
//! **Limits.** The ledger holds [`Ledger::CAPACITY`] records between two harvests; what finds no room is lost, and its
//! interface gets a SKIPDATA line. A journal that has its fill writes before its interval ends, as an aggregation interval is a
//! maximum. Without a flow log nothing of all this runs: a flow has no counters, and the walk notes nothing.
//!
//! **Not done.** ICMP errors about a flow, and packets that the lab itself makes (resets, ICMP errors), are not recorded. A
//! packet that is too big for an object on its way counts at the interfaces behind it, too. The fields of versions 9 to 11
//! have no values, except the interface's type.
//!
//! An index of an interface must keep its meaning across a swap of tables, as a link's does.

mod fields;
mod journal;
mod ledger;
mod observed;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use fields::{Field, Format};
pub use journal::{Journal, Line};
pub use ledger::{Count, Counters, Harvest, Ledger};
pub use observed::{Observation, Observed, TrafficPath};

use super::filter::AddressSet;
use super::tables::InterfaceIndex;

/// What the tables know of flow logs; empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct FlowLogs {
    /// The logged ones, by the index of the interface.
    pub interfaces: Vec<Option<LoggedInterface>>,
    /// What is written where.
    pub plans: Vec<FlowLogPlan>,
    /// What `pkt-src-aws-service` calls addresses; the first that holds one counts.
    pub services: Vec<(AddressSet, &'static str)>,
}

impl FlowLogs {
    /// Whether an interface is logged.
    #[inline]
    pub fn holds(&self, index: InterfaceIndex) -> bool {
        self.interface(index).is_some()
    }

    /// What records say of an interface.
    #[inline]
    pub fn interface(&self, index: InterfaceIndex) -> Option<&LoggedInterface> {
        self.interfaces.get(index.at())?.as_ref()
    }

    /// The service that an address belongs to.
    pub fn service(&self, address: Ipv4Addr) -> Option<&'static str> {
        self.services.iter().find(|(addresses, _)| addresses.contains(address)).map(|(_, name)| *name)
    }
}

/// What records say of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub struct LoggedInterface {
    pub account_id: String,
    pub interface_id: String,
    pub vpc_id: String,
    pub subnet_id: String,
    /// `None` for AWS's own interfaces.
    pub instance_id: Option<String>,
    pub region: String,
    pub az_id: String,
    pub interface_type: &'static str,
    /// The primary private address, which stands for all of them in `srcaddr` and `dstaddr`.
    pub primary: Ipv4Addr,
}

/// A flow log, or the part of one whose interfaces share an interval.
#[derive(Clone, Debug)]
pub struct FlowLogPlan {
    /// `fl-…`.
    pub flow_log_id: String,
    /// Which interfaces, in order.
    pub interfaces: Vec<InterfaceIndex>,
    /// What is accepted is written.
    pub accepted: bool,
    /// What is rejected is written.
    pub rejected: bool,
    /// How.
    pub format: Format,
    /// How long a record lasts at most.
    pub interval: Duration,
}
