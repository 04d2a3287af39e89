//! Route tables: the routes as written, and the look-up made of them by AWS's priorities (B1.3).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::lpm::FlatTable;
use super::tables::{
    EndpointIndex, InterfaceIndex, InternetGatewayIndex, NatGatewayIndex, ObjectIndex, PeeringIndex, VpnGatewayIndex,
};

/// A route table: the routes as written and the look-up made of them.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Name.
    pub object: ObjectIndex,
    /// Routes in order of creation.
    pub routes: Vec<Route>,
    /// Longest prefix → index into `routes`.
    lookup: FlatTable,
}

/// A route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Name: destination and route table; `source` is the route's line.
    pub object: ObjectIndex,
    /// What it matches: one block, or all of a prefix list.
    pub destinations: Vec<Ipv4Net>,
    /// Which one wins at equal length.
    pub rank: Rank,
    /// Where packets go.
    pub target: Target,
}

/// Priority at equal prefix length, best first (B1.3-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Inside the VPC.
    Local,
    /// A route with a CIDR.
    Static,
    /// A route with a prefix list.
    PrefixList,
    /// Propagated by a virtual private gateway.
    Propagated,
}

/// Where a route sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the VPC's own interfaces.
    Local,
    /// To a network interface, whatever the destination address.
    Interface(InterfaceIndex),
    /// Through a gateway endpoint.
    GatewayEndpoint(EndpointIndex),
    /// To the internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// To a NAT gateway.
    NatGateway(NatGatewayIndex),
    /// To the other VPC of a peering connection.
    Peering(PeeringIndex),
    /// To a virtual private gateway.
    VpnGateway(VpnGatewayIndex),
    /// The target is gone (`State=blackhole`).
    Blackhole,
    /// A target that this version does not emulate.
    NotEmulated(ObjectIndex),
}

impl RouteTable {
    /// Makes the look-up from the routes by AWS's order: longest prefix, then [`Rank`], then the earlier route (B1.3).
    pub fn new(object: ObjectIndex, routes: Vec<Route>) -> Self {
        let lookup = FlatTable::from_truth(&truth(&routes));
        Self { object, routes, lookup }
    }

    /// The route for a destination.
    #[inline]
    pub fn route(&self, destination: Ipv4Addr) -> Option<&Route> {
        self.routes.get(usize::from(self.lookup.get(destination)?))
    }
}

/// The control plane's longest-prefix match: each prefix with the index of the route that wins it.
pub(super) fn truth(routes: &[Route]) -> ip_network_table::IpNetworkTable<u16> {
    let mut table = ip_network_table::IpNetworkTable::new();
    for (index, route) in routes.iter().enumerate().take(usize::from(FlatTable::MAXIMUM)) {
        for block in &route.destinations {
            let network = ip_network::Ipv4Network::new_truncate(block.network(), block.prefix_len())
                .expect("a prefix length of an Ipv4Net is at most 32");
            let standing = table.exact_match(network).copied();
            let wins = standing.is_none_or(|other: u16| route.rank < routes[usize::from(other)].rank);
            if wins {
                table.insert(network, index as u16);
            }
        }
    }
    table
}
