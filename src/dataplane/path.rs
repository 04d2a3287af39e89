//! What `trace` shows: the hops that a packet meets, in order, and how it ends.
//!
//! The same walk that decides packets fills it ([`decide`](super::decide)); recording is the only difference.

use std::fmt;
use std::net::Ipv4Addr;

use super::decide::Refused;
use super::tables::{LinkIndex, ObjectIndex};
use super::verdict::DropReason;
use crate::packet::{Packet, protocol};

/// The addresses of a packet at one point of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// IP protocol.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source port or ICMP identifier.
    pub source_port: u16,
    /// Destination port or ICMP identifier.
    pub destination_port: u16,
}

impl Header {
    /// Of the first packet of a conversation that `trace` imagines. `protocol` is `tcp`, `udp` or `icmp`; without a port it
    /// asks for HTTPS or DNS.
    pub fn first(protocol: &str, source: Ipv4Addr, destination: Ipv4Addr, port: Option<u16>) -> Option<Self> {
        let (protocol, source_port, destination_port) = match protocol {
            "tcp" => (protocol::TCP, 40_000, port.unwrap_or(443)),
            "udp" => (protocol::UDP, 40_000, port.unwrap_or(53)),
            "icmp" => (protocol::ICMP, 1, 1),
            _ => return None,
        };
        Some(Self { protocol, source, destination, source_port, destination_port })
    }

    /// Of the answer to a packet of this header.
    pub fn answer(self) -> Self {
        Self {
            protocol: self.protocol,
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }

    /// Of a packet.
    pub fn of(packet: &Packet) -> Self {
        Self {
            protocol: packet.protocol,
            source: packet.source,
            destination: packet.destination,
            source_port: packet.source_port,
            destination_port: packet.destination_port,
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, source_port, destination_port, .. } = self;
        match self.protocol {
            1 => write!(f, "{source} > {destination} icmp"),
            6 => write!(f, "{source}:{source_port} > {destination}:{destination_port} tcp"),
            17 => write!(f, "{source}:{source_port} > {destination}:{destination_port} udp"),
            other => write!(f, "{source} > {destination} protocol {other}"),
        }
    }
}

/// One object that looked at the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// What kind of object, in AWS's nouns: `network interface`, `route table`, …
    pub kind: &'static str,
    /// Which one.
    pub object: Option<ObjectIndex>,
    /// What it decided, for people.
    pub decision: String,
    /// The rule or route that decided.
    pub rule: Option<ObjectIndex>,
    /// The packet as it came.
    pub before: Header,
    /// The packet as it went.
    pub after: Header,
}

impl Hop {
    /// An object that stops a packet before it is sent on.
    pub fn refused(kind: &'static str, refused: Refused, header: Header) -> Self {
        let decision = format!("drops: {}", refused.reason.sentence());
        Self { kind, object: refused.object, decision, rule: None, before: header, after: header }
    }
}

/// The whole way of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// In order.
    pub hops: Vec<Hop>,
    /// Where it arrived.
    pub delivered: Option<LinkIndex>,
    /// Its header there: a service sees the fabric's address, which tells it the origin.
    pub arrived: Option<Header>,
    /// Why it did not.
    pub dropped: Option<DropReason>,
    /// The header that an answer has when it comes back.
    pub back: Option<Header>,
    /// What the answer meets, in order.
    pub back_hops: Vec<Hop>,
    /// Where the answer arrives: the sender's own link, unless routes lead it elsewhere (to an appliance).
    pub back_delivered: Option<LinkIndex>,
    /// Why the answer does not come back.
    pub back_dropped: Option<DropReason>,
}

/// A question to `trace`: a packet that a network interface would send.
#[derive(Clone, Copy, Debug)]
pub struct TraceQuery {
    /// What it sends.
    pub header: Header,
}
