//! Which target gets a flow (B9).
//!
//! TCP flows hash protocol, addresses, ports and the sequence number of the SYN; UDP flows the 5-tuple. The flow table then
//! keeps the choice for the flow's life. Health is not looked at yet: every registered target counts as healthy.

use super::path::Header;
use super::tables::{Balancer, BalancerTarget, Listener, Node};
use crate::packet::protocol;

/// The target of a new flow, among those that this node may use: its own zone's, or all with cross-zone on.
pub fn choose<'a>(
    balancer: &Balancer,
    node: &Node,
    listener: &'a Listener,
    header: &Header,
    tcp_sequence: u32,
    hasher: &ahash::RandomState,
) -> Option<&'a BalancerTarget> {
    let eligible = |target: &&BalancerTarget| balancer.cross_zone || target.zone == node.zone;
    let count = listener.targets.iter().filter(eligible).count();
    if count == 0 {
        return None;
    }
    let sequence = if header.protocol == protocol::TCP { tcp_sequence } else { 0 };
    let chosen = hasher.hash_one((header, sequence)) as usize % count;
    listener.targets.iter().filter(eligible).nth(chosen)
}
