//! What a walk asks of what went before, and what `trace` imagines of it.

use super::*;
use crate::dataplane::nat::PortPools;
use crate::dataplane::plan::Key;

/// What is remembered between packets.
pub trait Memory {
    /// A source port from a pool, for the flow that this walk decides; `None` when all are lent.
    fn borrow(&self, pool: Pool) -> Option<u16>;

    /// Whether the flow that is decided anew has a port of that pool.
    fn has_port_of(&self, pool: &Pool) -> bool;

    /// Whether a flow stands whose packets enter with that key, and that the interface tracks: then a packet the other way is
    /// its answer.
    fn tracks(&self, key: &Key, interface: InterfaceIndex) -> bool;

    /// What the flow that is decided anew got from the balancer's node at that port: a flow stays with its target for life.
    fn chosen(&self, node: InterfaceIndex, listener_port: u16) -> Option<Chosen>;

    /// The packet belongs to a flow that the security groups of that interface let through before and track (B1.6).
    fn is_tracked(&self, interface: InterfaceIndex) -> bool;
}

/// Nothing went before: all ports are free, nothing is tracked.
pub struct Imagined;

impl Memory for Imagined {
    fn borrow(&self, _pool: Pool) -> Option<u16> {
        Some(PortPools::FIRST)
    }

    fn has_port_of(&self, _pool: &Pool) -> bool {
        false
    }

    fn tracks(&self, _key: &Key, _interface: InterfaceIndex) -> bool {
        false
    }

    fn is_tracked(&self, _interface: InterfaceIndex) -> bool {
        false
    }

    fn chosen(&self, _node: InterfaceIndex, _listener_port: u16) -> Option<Chosen> {
        None
    }
}
