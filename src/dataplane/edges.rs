//! Where a VPC ends: internet gateways, NAT gateways, peering connections, virtual private gateways, and the emulated
//! internet behind all of them (B1.8, B7).
//!
//! Not here: gateway and interface endpoints, which lead to services (`tables.rs`), and what these objects decide (`decide`).

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::lpm::FlatTable;
use super::tables::{
    InterfaceIndex, InternetGatewayIndex, LinkIndex, ObjectIndex, RouteTableIndex, ServiceIndex, VpcIndex,
    VpnGatewayIndex,
};
use crate::packet::Mac;

/// An internet gateway that is attached to a VPC: a one-to-one translation between private and public addresses.
#[derive(Clone, Debug)]
pub struct InternetGateway {
    /// Name.
    pub object: ObjectIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// The route table that decides about what enters by it; `None`: to whoever has the address.
    pub route_table: Option<RouteTableIndex>,
    /// Which public address stands for an interface's private one.
    pub public: HashMap<(InterfaceIndex, Ipv4Addr), Ipv4Addr>,
}

/// A NAT gateway.
#[derive(Clone, Copy, Debug)]
pub struct NatGateway {
    /// Name.
    pub object: ObjectIndex,
    /// Its network interface: its addresses are what it translates to.
    pub interface: InterfaceIndex,
    /// State is `available`.
    pub available: bool,
}

/// A peering connection.
#[derive(Clone, Copy, Debug)]
pub struct Peering {
    /// Name.
    pub object: ObjectIndex,
    /// Requester and accepter.
    pub sides: [VpcIndex; 2],
    /// State is `active`.
    pub active: bool,
    /// Its VPCs are in different Regions: packets of 8,500 bytes at most (B1.5).
    pub inter_region: bool,
}

/// A virtual private gateway with the connections that end there.
#[derive(Clone, Debug)]
pub struct VpnGateway {
    /// Name.
    pub object: ObjectIndex,
    /// The VPC it is attached to.
    pub vpc: VpcIndex,
    /// The route table that decides about what enters by it; `None`: to whoever has the address.
    pub route_table: Option<RouteTableIndex>,
    /// Who is behind it.
    pub customers: Vec<CustomerIndex>,
}

/// Into [`Tables::customers`](super::tables::Tables::customers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerIndex(pub u32);

impl CustomerIndex {
    /// The index as a `usize`.
    #[inline]
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A guest on premises, behind a customer gateway.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Name.
    pub object: ObjectIndex,
    /// Where its frames enter and leave.
    pub link: LinkIndex,
    /// Its address.
    pub address: Ipv4Addr,
    /// What its VPN connection's static routes lead to it.
    pub routes: Vec<Ipv4Net>,
    /// Where its tunnel ends.
    pub gateway: VpnGatewayIndex,
}

/// The emulated internet.
#[derive(Clone, Debug, Default)]
pub struct Internet {
    /// Name.
    pub object: Option<ObjectIndex>,
    /// Public services by their addresses: values are indexes of services.
    pub services: FlatTable,
    /// The blocks of those addresses.
    pub prefixes: Vec<Ipv4Net>,
    /// Who has a public address.
    pub public: HashMap<Ipv4Addr, PublicAddress>,
    /// The guest `internet`.
    pub guest: Option<InternetGuest>,
    /// Who answers DNS outside of VPCs, as any public resolver would.
    pub resolver: Option<ServiceIndex>,
}

/// Whom a public address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// Which gateway translates it.
    pub gateway: InternetGatewayIndex,
    /// The interface.
    pub interface: InterfaceIndex,
    /// The private address.
    pub private: Ipv4Addr,
}

/// The guest that stands for everybody on the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternetGuest {
    /// Where its frames enter and leave.
    pub link: LinkIndex,
    /// Its public address.
    pub address: Ipv4Addr,
}

impl Internet {
    /// The public address by which somebody out there reaches an interface's private one.
    pub fn public_address(&self, interface: InterfaceIndex, private: Ipv4Addr) -> Option<Ipv4Addr> {
        let is_it = |whom: &PublicAddress| whom.interface == interface && whom.private == private;
        self.public.iter().find_map(|(public, whom)| is_it(whom).then_some(*public))
    }

    /// The service that has a public address.
    #[inline]
    pub fn service(&self, address: Ipv4Addr) -> Option<ServiceIndex> {
        self.services.get(address).map(|index| ServiceIndex(u32::from(index)))
    }
}

/// The router's MAC address on links that no subnet has: services', the internet's and on-premises guests'.
pub const OUTSIDE_ROUTER_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];
