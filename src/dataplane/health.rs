//! What balancers know of their targets, and from where they speak themselves.
//!
//! Whoever checks writes a target's health here while frames are being decided: a flapping target compiles nothing and
//! re-decides nothing (DESIGN decision 12). A new flow reads it once; flows that stand never do.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use super::tables::{InterfaceIndex, LinkIndex, ObjectIndex};

/// What is known of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Nothing yet: nobody checked it, or not often enough.
    Unknown = 0,
    /// Its checks pass.
    Healthy = 1,
    /// They fail.
    Unhealthy = 2,
}

/// A target's place in the [`HealthMap`]: one for each registration in a target group, however many listeners use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HealthSlot(pub u32);

/// The health of all targets: one byte each, written and read without a lock.
#[derive(Debug, Default)]
pub struct HealthMap(Box<[AtomicU8]>);

impl HealthMap {
    /// A map in which nothing is known of so many targets.
    pub fn new(targets: usize) -> Self {
        Self((0..targets).map(|_| AtomicU8::new(Health::Unknown as u8)).collect())
    }

    /// What is known of a target; of one that has no place, nothing.
    #[inline]
    pub fn get(&self, slot: HealthSlot) -> Health {
        match self.0.get(slot.0 as usize).map(|health| health.load(Ordering::Relaxed)) {
            Some(1) => Health::Healthy,
            Some(2) => Health::Unhealthy,
            _ => Health::Unknown,
        }
    }

    /// Notes what became of a target.
    pub fn set(&self, slot: HealthSlot, health: Health) {
        if let Some(known) = self.0.get(slot.0 as usize) {
            known.store(health as u8, Ordering::Relaxed);
        }
    }
}

/// The namespace in which balancers do themselves what packets alone can't: check targets, and end TLS. It speaks for every node
/// of every balancer: each has an address of its own there, which becomes the node's private one where the node stands.
///
/// 240.0.0.0/4 (RFC 1112 4), as no VPC can have it: destinations there are targets' real addresses, and must never be taken for
/// the namespace's own.
#[derive(Clone, Debug)]
pub struct HealthChecks {
    /// Name.
    pub object: ObjectIndex,
    /// Where it is.
    pub link: LinkIndex,
    /// The nodes' interfaces, by number.
    pub nodes: Vec<InterfaceIndex>,
}

impl HealthChecks {
    const BASE: u32 = u32::from_be_bytes([240, 0, 0, 16]);

    /// The address from which the node of that number checks.
    pub fn source(node: usize) -> Ipv4Addr {
        Ipv4Addr::from(Self::BASE + node as u32)
    }

    /// Who all clients of TLS listeners seem to be there; which one it is says a PROXY protocol header.
    pub const CLIENTS: Ipv4Addr = Ipv4Addr::new(240, 128, 0, 1);

    /// The address of a node in the namespace.
    pub fn address_of(&self, node: InterfaceIndex) -> Option<Ipv4Addr> {
        self.nodes.iter().position(|other| *other == node).map(Self::source)
    }

    /// The node that checks from an address.
    pub fn node(&self, source: Ipv4Addr) -> Option<InterfaceIndex> {
        let number = u32::from(source).checked_sub(Self::BASE)?;
        self.nodes.get(number as usize).copied()
    }
}

/// A balancer's choice, which lasts as long as its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The node that chose.
    pub node: InterfaceIndex,
    /// At which port of its own.
    pub listener_port: u16,
    /// The target's address …
    pub address: Ipv4Addr,
    /// … and port.
    pub port: u16,
}
