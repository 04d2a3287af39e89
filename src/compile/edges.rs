//! Where VPCs end: internet gateways and the internet, NAT gateways, peering connections, VPN gateways.

use std::collections::HashMap;

use super::*;
use crate::dataplane::tables::{
    Customer, CustomerIndex, InternetGateway, InternetGuest, NatGateway, Peering, PublicAddress, VpnGateway,
};
use crate::model::{self, NatGatewayState, PeeringStatus, naming};

/// The address of the guest `internet`, of a documentation range (RFC 5737).
pub const INTERNET_GUEST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

impl<'w> Compiler<'w> {
    /// Internet gateways with what they translate, and whom the public addresses lead to.
    pub(super) fn add_internet(&mut self, services: &[ServicePlan]) {
        let object = self.named("internet".to_owned(), String::new(), None);
        self.tables.internet.object = Some(object);
        for gateway in self.world.internet_gateways.values() {
            let Some(vpc) = gateway.vpc_id.as_deref().and_then(|id| self.vpcs.get(id)).copied() else { continue };
            let object = self.object(&gateway.internet_gateway_id, &gateway.meta);
            let index = InternetGatewayIndex(self.tables.internet_gateways.len() as u32);
            self.internet_gateways.insert(&gateway.internet_gateway_id, index);
            let mut public = HashMap::new();
            for interface in self.world.network_interfaces.values() {
                let own = self.interfaces.get(interface.network_interface_id.as_str()).copied();
                let Some(own) = own.filter(|own| self.tables.interfaces[own.at()].vpc == vpc) else { continue };
                for (private, address) in self.world.public_addresses_of(interface) {
                    public.insert((own, private), address);
                    let to = PublicAddress { gateway: index, interface: own, private };
                    self.tables.internet.public.insert(address, to);
                }
            }
            let route_table = self.gateway_route_table(&gateway.internet_gateway_id);
            self.tables.internet_gateways.push(InternetGateway { object, vpc, route_table, public });
        }
        let mut truth = ip_network_table::IpNetworkTable::new();
        let public = |plan: &ServicePlan| matches!(plan.kind, ServiceKind::S3 | ServiceKind::Aws);
        for (number, plan) in services.iter().enumerate().filter(|(_, plan)| public(plan)) {
            let single = plan.addresses.iter().map(|address| ipnet::Ipv4Net::from(*address));
            for block in plan.local_prefixes.iter().copied().chain(single) {
                if let Ok(network) = ip_network::Ipv4Network::new(block.network(), block.prefix_len()) {
                    truth.insert(network, number as u16);
                    self.tables.internet.prefixes.push(block);
                }
            }
        }
        self.tables.internet.services = crate::dataplane::lpm::FlatTable::from_truth(&truth);
        self.tables.internet.resolver = self.services.get(&ServiceKind::Resolver).copied();
    }

    /// The guest `internet`, wherever a lab has an internet gateway in use.
    pub(super) fn add_internet_guest(&mut self) -> Option<Guest> {
        if !naming::has_internet(self.world) {
            return None;
        }
        let link = LinkIndex(self.tables.links.len() as u32);
        let mac = [0x02, 0, 0, 0, 0x02, 0];
        self.tables.links.push(Link { behind: Behind::Internet, mac, mtu: guests::GUEST_MTU });
        self.tables.internet.guest = Some(InternetGuest { link, address: INTERNET_GUEST });
        Some(guests::outside(naming::INTERNET, None, link, mac, INTERNET_GUEST))
    }

    /// NAT gateways; their interfaces have their indexes already.
    pub(super) fn add_nat_gateways(&mut self) {
        for gateway in self.world.nat_gateways.values() {
            let interface = gateway.addresses.first().map(|address| address.network_interface_id.as_str());
            let Some(interface) = interface.and_then(|id| self.interfaces.get(id)).copied() else { continue };
            let object = self.object(&gateway.nat_gateway_id, &gateway.meta);
            let index = NatGatewayIndex(self.tables.nat_gateways.len() as u32);
            self.nat_gateways.insert(&gateway.nat_gateway_id, index);
            self.tables.interfaces[interface.at()].role = Role::NatGateway(index);
            let available = gateway.state == NatGatewayState::Available;
            self.tables.nat_gateways.push(NatGateway { object, interface, available });
        }
    }

    /// Peering connections, of whatever state.
    pub(super) fn add_peerings(&mut self) {
        for peering in self.world.vpc_peering_connections.values() {
            let sides =
                [&peering.requester, &peering.accepter].map(|side| self.vpcs.get(side.vpc_id.as_str()).copied());
            let [Some(requester), Some(accepter)] = sides else { continue };
            let object = self.object(&peering.vpc_peering_connection_id, &peering.meta);
            let index = PeeringIndex(self.tables.peerings.len() as u32);
            self.peerings.insert(&peering.vpc_peering_connection_id, index);
            self.tables.peerings.push(Peering {
                object,
                sides: [requester, accepter],
                active: peering.status == PeeringStatus::Active,
                inter_region: peering.requester.region != peering.accepter.region,
            });
        }
    }

    /// Virtual private gateways of VPCs.
    pub(super) fn add_vpn_gateways(&mut self) {
        for gateway in self.world.vpn_gateways.values() {
            let Some(vpc) = gateway.vpc_id.as_deref().and_then(|id| self.vpcs.get(id)).copied() else { continue };
            let object = self.object(&gateway.vpn_gateway_id, &gateway.meta);
            let index = VpnGatewayIndex(self.tables.vpn_gateways.len() as u32);
            self.vpn_gateways.insert(&gateway.vpn_gateway_id, index);
            let route_table = self.gateway_route_table(&gateway.vpn_gateway_id);
            self.tables.vpn_gateways.push(VpnGateway { object, vpc, route_table, customers: Vec::new() });
        }
    }

    /// The route table that a gateway is associated with; tables are numbered in order of their ids.
    fn gateway_route_table(&self, gateway_id: &str) -> Option<RouteTableIndex> {
        let id = &self.world.gateway_route_table_of(gateway_id)?.route_table_id;
        let number = self.world.route_tables.keys().position(|other| other == id)?;
        Some(RouteTableIndex(number as u32))
    }

    /// A guest for each customer gateway whose tunnel ends at a VPC.
    pub(super) fn add_customers(&mut self) -> Vec<Guest> {
        let gateways = self.world.customer_gateways.values();
        gateways.filter_map(|gateway| self.customer(gateway)).collect()
    }

    fn customer(&mut self, customer: &'w model::CustomerGateway) -> Option<Guest> {
        let address = self.world.on_premises_address(customer)?;
        let of_customer = |it: &&model::VpnConnection| it.customer_gateway_id == customer.customer_gateway_id;
        let connection = self.world.vpn_connections.values().find(of_customer)?;
        let gateway = self.vpn_gateways.get(connection.vpn_gateway_id.as_str()).copied()?;
        let object = self.object(&customer.customer_gateway_id, &customer.meta);
        let index = CustomerIndex(self.tables.customers.len() as u32);
        let link = LinkIndex(self.tables.links.len() as u32);
        let mac = [0x02, 0, 0, 0, 0x03, index.0 as u8];
        self.tables.links.push(Link { behind: Behind::OnPremises(index), mac, mtu: guests::GUEST_MTU });
        let routes = connection.routes.clone();
        self.tables.customers.push(Customer { object, link, address, routes, gateway });
        self.tables.vpn_gateways[gateway.at()].customers.push(index);
        Some(guests::outside(&customer.customer_gateway_id, Some(&customer.meta), link, mac, address))
    }
}
