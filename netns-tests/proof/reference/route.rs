//! Which route of a subnet's table wins (B1.3).

use std::net::Ipv4Addr;

use super::super::lab::*;
use super::super::published;
use super::interface::Interface;
use super::{Stop, Walk, Walker, dropped, lost};

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Local,
    /// The how-manieth route of the table.
    Blackhole(usize),
    Interface(Interface),
    InternetGateway,
    Nat(usize),
    Peering(usize),
    VpnGateway,
    GatewayEndpoint(usize),
}

/// B1.3-2: at equal length a static route is before a prefix list's, and that is before a propagated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Local,
    Static,
    PrefixList,
    Propagated,
}

impl Walker<'_> {
    pub(super) fn route(&self, subnet: usize, destination: Ipv4Addr) -> Walk<Way> {
        // B1.3-4: whatever route contains it.
        if Block::new(169, 254, 168, 0, 22).contains(destination) {
            return lost("B1.3-4: 169.254.168.0/22 is not forwarded");
        }
        let mut matching: Vec<(u8, Rank, Way)> = self
            .all_routes(subnet)
            .into_iter()
            .filter(|(block, _, _)| block.contains(destination))
            .map(|(block, rank, way)| (block.length, rank, way))
            .collect();
        // B1.3-1: the longest prefix first.
        matching.sort_by_key(|(length, rank, _)| (u8::MAX - length, *rank));
        match matching.as_slice() {
            [] => {
                let why = "B1.3: no route of the subnet's table holds the destination";
                dropped("NO_ROUTE_TO_DESTINATION", self.table_name(subnet), why)
            }
            // Two prefix lists with one block: AWS picks at random.
            [first, second, ..] if (first.0, first.1) == (second.0, second.1) && first.2 != second.2 => {
                Err(Stop::Unknown)
            }
            [first, ..] => Ok(first.2),
        }
    }

    /// The main route table has no name of its own: its VPC's.
    pub(super) fn table_name(&self, subnet: usize) -> &str {
        let Subnet { vpc, table, .. } = &self.lab.subnets[subnet];
        table.map_or(&self.lab.vpcs[*vpc].name, |table| &self.lab.tables[table].name)
    }

    fn all_routes(&self, subnet: usize) -> Vec<(Block, Rank, Way)> {
        let lab = self.lab;
        let Subnet { vpc, table, .. } = lab.subnets[subnet];
        let mut routes: Vec<(Block, Rank, Way)> = Vec::new();
        routes.extend(lab.vpcs[vpc].blocks.iter().map(|block| (*block, Rank::Local, Way::Local)));
        // The main route table has no other.
        let Some(table) = table else { return routes };
        for (place, route) in lab.tables[table].routes.iter().enumerate() {
            let way = self.way(route.target, place);
            match route.destination {
                Destination::Block(block) => routes.push((block, Rank::Static, way)),
                Destination::List(list) => {
                    routes.extend(lab.lists[list].blocks.iter().map(|block| (*block, Rank::PrefixList, way)));
                }
            }
        }
        for (number, endpoint) in lab.gateway_endpoints.iter().enumerate() {
            if endpoint.tables.contains(&table) {
                let way = Way::GatewayEndpoint(number);
                let blocks = published::prefixes(endpoint.service);
                routes.extend(blocks.iter().map(|block| (*block, Rank::PrefixList, way)));
            }
        }
        if let Some(vpn) = &lab.vpn
            && vpn.vpc == vpc
            && lab.tables[table].propagates
        {
            routes.extend(vpn.routes.iter().map(|block| (*block, Rank::Propagated, Way::VpnGateway)));
        }
        routes
    }

    /// B1.3-5: a route whose target is gone stays, takes part and drops.
    fn way(&self, target: Target, place: usize) -> Way {
        match target {
            Target::InternetGateway => Way::InternetGateway,
            Target::Nat(gateway) => Way::Nat(gateway),
            Target::Instance(instance) => Way::Interface(Interface::Instance(instance)),
            Target::Idle(_) => Way::Blackhole(place),
            Target::Peering(peering) => Way::Peering(peering),
            Target::VpnGateway => Way::VpnGateway,
        }
    }
}
