//! Which target gets a flow (B9).
//!
//! TCP flows hash protocol, addresses, ports and the sequence number of the SYN; UDP flows the 5-tuple; with stickiness, the
//! client's address alone. Healthy targets share the new flows; where fewer are healthy than the target group wants, all
//! targets do (fail-open). The flow table then keeps the choice for the flow's life.

use super::health::{Health, HealthMap};
use super::path::Header;
use super::tables::{BalancerTarget, Listener, Node};
use crate::packet::protocol;

/// A target, and on which grounds.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The target.
    pub target: &'a BalancerTarget,
    /// What is known of it.
    pub health: Health,
    /// Too few are healthy, so all are used.
    pub fails_open: bool,
}

/// The target of a new flow, among those that this node may use: its own zone's, or all with cross-zone on.
pub fn choose<'a>(
    node: &Node,
    listener: &'a Listener,
    header: &Header,
    tcp_sequence: u32,
    hasher: &ahash::RandomState,
    health: &HealthMap,
) -> Option<Choice<'a>> {
    let usable = || listener.targets.iter().filter(|target| target.cross_zone || target.zone == node.zone);
    let is_healthy = |target: &&BalancerTarget| health.get(target.health) == Health::Healthy;
    let (count, healthy) = (usable().count(), usable().filter(is_healthy).count());
    if count == 0 {
        return None;
    }
    let hash = if listener.sticky {
        hasher.hash_one(header.source)
    } else {
        let sequence = if header.protocol == protocol::TCP { tcp_sequence } else { 0 };
        hasher.hash_one((header, sequence))
    };
    let nth = |among: usize| hash as usize % among;
    let fails_open = healthy == 0 || !listener.enough_healthy.is_met(healthy, count);
    let target = match fails_open {
        true => usable().nth(nth(count)),
        false => usable().filter(is_healthy).nth(nth(healthy)),
    };
    let target = target.or_else(|| usable().next())?;
    Some(Choice { target, health: health.get(target.health), fails_open })
}
