//! What the walk notes: which logged interfaces a packet passes, as what, and what their filters say.
//!
//! Whatever AWS leaves out (B8.2) is left out here: it never becomes an [`Observation`].

use std::net::Ipv4Addr;

use crate::dataplane::filter::Side;
use crate::dataplane::path::Header;
use crate::dataplane::tables::{Interface, InterfaceIndex, Tables};
use crate::packet::protocol;

/// How a packet leaves an interface's subnet: AWS's `traffic-path` (B8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrafficPath {
    /// Not known: no route holds it, or the packet comes in.
    None = 0,
    /// To a resource in the same VPC, a NAT gateway or an endpoint's interface among them.
    SameVpc = 1,
    /// Through a virtual private gateway.
    VpnGateway = 3,
    /// Through a peering connection inside a Region.
    Peering = 4,
    /// Through a peering connection between Regions.
    InterRegionPeering = 5,
    /// Through a gateway endpoint.
    GatewayEndpoint = 7,
    /// Through an internet gateway.
    InternetGateway = 8,
}

/// Packets of one 5-tuple at one interface in one direction, of one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Where.
    pub interface: InterfaceIndex,
    /// Into it or out of it.
    pub side: Side,
    /// What its security groups and its subnet's network ACL say.
    pub accepted: bool,
    /// The packet as it passes; without ports where the protocol has none.
    pub header: Header,
    /// Where it goes from here.
    pub path: TrafficPath,
}

/// What a walk passed, there and back.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// On the way there.
    pub there: Vec<Observation>,
    /// On the way back.
    pub back: Vec<Observation>,
    /// The interfaces of interface endpoints that it came to on the way there, logged or not.
    pub endpoints: Vec<InterfaceIndex>,
    /// The last observation, whose verdict is not known yet, is one of the way back, or one of the way there.
    open: Option<bool>,
}

impl Observed {
    /// A packet passes an interface. Until its filters refuse, it is accepted.
    pub fn pass(&mut self, tables: &Tables, back: bool, index: InterfaceIndex, side: Side, header: Header) {
        self.open = None;
        if !tables.flow_logs.holds(index) {
            return;
        }
        let Some(interface) = tables.interfaces.get(index.at()) else { return };
        if is_left_out(tables, interface, &header) {
            return;
        }
        let path = match side {
            Side::Ingress => TrafficPath::None,
            Side::Egress => TrafficPath::SameVpc,
        };
        let header = without_ports(header);
        let observations = if back { &mut self.back } else { &mut self.there };
        observations.push(Observation { interface: index, side, accepted: true, header, path });
        self.open = Some(back);
    }

    /// What filters say from here on is of no logged interface.
    pub fn leave(&mut self) {
        self.open = None;
    }

    /// A filter of the interface that was passed last refuses.
    pub fn reject(&mut self) {
        if let Some(last) = self.last() {
            last.accepted = false;
        }
    }

    /// Where the packet goes from the interface that it left last.
    pub fn takes(&mut self, path: TrafficPath) {
        if let Some(last) = self.last().filter(|last| last.side == Side::Egress) {
            last.path = path;
        }
    }

    fn last(&mut self) -> Option<&mut Observation> {
        let observations = if self.open? { &mut self.back } else { &mut self.there };
        observations.last_mut()
    }

    /// No logged interface was passed, whatever endpoints were.
    pub fn is_empty(&self) -> bool {
        self.there.is_empty() && self.back.is_empty()
    }
}

/// An echo's identifier is no port: AWS writes 0 for both.
fn without_ports(header: Header) -> Header {
    match header.protocol {
        protocol::TCP | protocol::UDP => header,
        _ => Header { source_port: 0, destination_port: 0, ..header },
    }
}

/// What AWS does not log (B8.2). DNS to the resolver passes no filter, so the walk does not even ask.
fn is_left_out(tables: &Tables, interface: &Interface, header: &Header) -> bool {
    let router = |address: Ipv4Addr| {
        tables.subnets.iter().any(|subnet| subnet.vpc == interface.vpc && subnet.router() == address)
    };
    let ends = [header.source, header.destination];
    ends.into_iter().any(|address| is_of_amazon(address) || router(address)) || is_dhcp(header)
}

/// Time, Windows licences, the resolver, metadata.
fn is_of_amazon(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [169, 254, 169, 123 | 250 | 251 | 253 | 254])
}

/// RFC 2131 4.1: between ports 67 and 68.
fn is_dhcp(header: &Header) -> bool {
    header.protocol == protocol::UDP && matches!((header.source_port, header.destination_port), (67, 68) | (68, 67))
}
