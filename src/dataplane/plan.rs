//! Keys and plans: what a frame is recognised by, and what is done with every frame of one direction of a flow.

use std::net::Ipv4Addr;

use super::decide::Decision;
use super::path::Header;
use super::tables::{LinkIndex, Tables, VpcIndex};
use crate::packet::{Fragment, Mac, Packet, Rewrite};

/// One direction of a conversation as seen where its frames enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where its frames enter.
    pub link: LinkIndex,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source port, ICMP identifier, or 0 for what has neither (fragments among them).
    pub source_port: u16,
    /// Destination port, ICMP identifier, or 0.
    pub destination_port: u16,
    /// IP protocol; bit 8 set for fragments, which have no ports of their own.
    pub protocol: u16,
}

impl Key {
    /// Marks the keys of fragments.
    pub const FRAGMENT: u16 = 0x100;

    /// The key of a packet that enters by a link.
    #[inline]
    pub fn of(link: LinkIndex, packet: &Packet) -> Self {
        let fragment = packet.fragment != Fragment::None;
        Self {
            link,
            source: packet.source,
            destination: packet.destination,
            source_port: if fragment { 0 } else { packet.source_port },
            destination_port: if fragment { 0 } else { packet.destination_port },
            protocol: u16::from(packet.protocol) | if fragment { Self::FRAGMENT } else { 0 },
        }
    }
}

/// A VPC and the generation of it that a plan was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The VPC.
    pub vpc: VpcIndex,
    /// Its generation then.
    pub generation: u32,
}

/// What to do with every frame of one direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Frames of this direction enter here, and nowhere else.
    pub ingress: LinkIndex,
    /// They bear this source MAC address …
    pub source_mac: Mac,
    /// … and this destination MAC address; others are admitted anew.
    pub destination_mac: Mac,
    /// What to change.
    pub rewrite: Rewrite,
    /// Where they leave.
    pub egress: LinkIndex,
    /// The client's VPC and the last one on the way; equal when there is one only.
    pub stamps: [Stamp; 2],
}

impl Plan {
    /// The frame has the MAC addresses that the plan was made for; its link is the key's.
    #[inline]
    pub fn fits(&self, packet: &Packet) -> bool {
        self.source_mac == packet.source_mac && self.destination_mac == packet.destination_mac
    }

    /// The way back depends on the flow being remembered.
    pub fn translates(&self) -> bool {
        let Rewrite { source, destination, source_port, destination_port, .. } = self.rewrite;
        source.is_some() || destination.is_some() || source_port.is_some() || destination_port.is_some()
    }

    /// Made from the tables as they are.
    #[inline]
    pub fn is_current(&self, tables: &Tables) -> bool {
        self.stamps
            .iter()
            .all(|stamp| tables.vpcs.get(stamp.vpc.at()).is_some_and(|vpc| vpc.generation == stamp.generation))
    }
}

/// Both directions' plans of a decision; `header` is the packet as it leaves.
pub(super) fn plans(ingress: LinkIndex, packet: &Packet, decision: &Decision, header: &Header) -> [Plan; 2] {
    let came = Header::of(packet);
    let changed = |new: Ipv4Addr, old: Ipv4Addr| (new != old).then_some(new);
    let moved = |new: u16, old: u16| (new != old).then_some(new);
    let forward = Plan {
        ingress,
        source_mac: packet.source_mac,
        destination_mac: packet.destination_mac,
        rewrite: Rewrite {
            source_mac: decision.source_mac,
            destination_mac: decision.destination_mac,
            source: changed(header.source, came.source),
            destination: changed(header.destination, came.destination),
            source_port: moved(header.source_port, came.source_port),
            destination_port: moved(header.destination_port, came.destination_port),
            decrement_ttl: false,
        },
        egress: decision.egress,
        stamps: decision.stamps,
    };
    let back = Plan {
        ingress: decision.egress,
        source_mac: decision.destination_mac,
        destination_mac: decision.source_mac,
        rewrite: Rewrite {
            source_mac: packet.destination_mac,
            destination_mac: packet.source_mac,
            source: changed(came.destination, header.destination),
            destination: changed(came.source, header.source),
            source_port: moved(came.destination_port, header.destination_port),
            destination_port: moved(came.source_port, header.source_port),
            decrement_ttl: false,
        },
        egress: ingress,
        stamps: decision.stamps,
    };
    [forward, back]
}

/// The key of the answers to a packet that left as `header`.
pub(super) fn back_key(key: &Key, link: LinkIndex, header: &Header) -> Key {
    let ported = key.protocol & Key::FRAGMENT == 0;
    Key {
        link,
        source: header.destination,
        destination: header.source,
        source_port: if ported { header.destination_port } else { 0 },
        destination_port: if ported { header.source_port } else { 0 },
        protocol: key.protocol,
    }
}
