//! VPCs, subnets, route tables and network interfaces.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::numbering::Numbered;
use super::*;
use crate::model::{self, RouteDestination, RouteOrigin, RouteState, RouteTarget};
use crate::packet::Mac;

impl<'w> Compiler<'w> {
    pub(super) fn add_vpcs(&mut self) {
        for vpc in self.world.vpcs.values() {
            let object = self.object(&vpc.vpc_id, &vpc.meta);
            let index = VpcIndex(self.tables.vpcs.len() as u32);
            self.vpcs.insert(&vpc.vpc_id, index);
            self.tables.vpcs.push(Vpc {
                object,
                generation: 1,
                cidrs: vpc.cidr_blocks.clone(),
                addresses: HashMap::new(),
                resolver: vpc_resolver(vpc),
                dns_support: vpc.enable_dns_support,
                resolver_service: self.services.get(&ServiceKind::Resolver).copied(),
            });
        }
        let table_indexes: HashMap<&str, RouteTableIndex> = self
            .world
            .route_tables
            .keys()
            .enumerate()
            .map(|(number, id)| (id.as_str(), RouteTableIndex(number as u32)))
            .collect();
        for subnet in self.world.subnets.values() {
            let Some(vpc) = self.vpcs.get(subnet.vpc_id.as_str()).copied() else { continue };
            let Some(route_table) = self.effective_route_table(subnet).and_then(|id| table_indexes.get(id)) else {
                continue;
            };
            let acl = self.world.network_acl_of(&subnet.subnet_id).map(|acl| acl.network_acl_id.as_str());
            let Some(network_acl) = acl.and_then(|id| self.network_acls.get(id)).copied() else { continue };
            let object = self.object(&subnet.subnet_id, &subnet.meta);
            self.subnets.insert(&subnet.subnet_id, SubnetIndex(self.tables.subnets.len() as u32));
            self.tables.subnets.push(Subnet {
                object,
                vpc,
                cidr: subnet.cidr_block,
                router_mac: router_mac(subnet.cidr_block),
                route_table: *route_table,
                network_acl,
                down: self.world.is_down(&subnet.subnet_id),
            });
        }
    }

    /// The explicit association, or the VPC's main table (B1.3).
    fn effective_route_table(&self, subnet: &model::Subnet) -> Option<&'w str> {
        let explicit = self.world.route_tables.values().find(|table| {
            table.associations.iter().any(|association| association.subnet_id.as_deref() == Some(&subnet.subnet_id))
        });
        let main = || self.world.vpcs.get(&subnet.vpc_id).map(|vpc| vpc.main_route_table_id.as_str());
        explicit.map(|table| table.route_table_id.as_str()).or_else(main)
    }

    pub(super) fn add_interfaces(&mut self) {
        for numbered in self.numbered_interfaces() {
            let interface = match numbered {
                Numbered::There(interface) => interface,
                Numbered::Gone(number) => {
                    self.leave_interface(number);
                    continue;
                }
            };
            let Some(vpc) = self.vpcs.get(interface.vpc_id.as_str()).copied() else { continue };
            let Some(subnet) = self.subnets.get(interface.subnet_id.as_str()).copied() else { continue };
            let object = self.object(&interface.network_interface_id, &self.owner_meta(interface).clone());
            let index = InterfaceIndex(self.tables.interfaces.len() as u32);
            self.interfaces.insert(&interface.network_interface_id, index);
            for address in &interface.private_ip_addresses {
                self.tables.vpcs[vpc.at()].addresses.insert(*address, index);
            }
            let link = self.links.get(interface.network_interface_id.as_str()).copied();
            if let Some(link) = link {
                self.tables.links[link.at()].behind = Behind::Interface(index);
            }
            self.tables.interfaces.push(Interface {
                object,
                vpc,
                subnet,
                addresses: interface.private_ip_addresses.clone(),
                mac: interface.mac_address,
                source_dest_check: interface.source_dest_check,
                groups: interface
                    .groups
                    .iter()
                    .filter_map(|id| self.security_groups.get(id.as_str()).copied())
                    .collect(),
                tracking: self.connection_tracking(interface),
                role: link.map_or(Role::Detached, Role::Guest),
            });
        }
    }

    /// People know an interface by what it belongs to.
    fn owner_meta(&self, interface: &'w model::NetworkInterface) -> &'w model::Meta {
        let instance = interface.attachment.as_ref().and_then(|attachment| attachment.instance_id.as_ref());
        let instance = instance.and_then(|id| self.world.instances.get(id)).map(|instance| &instance.meta);
        let owner = match &interface.interface_type {
            model::InterfaceType::VpcEndpoint(id) => self.world.vpc_endpoints.get(id).map(|it| &it.meta),
            model::InterfaceType::NetworkLoadBalancer(arn) => self.world.load_balancers.get(arn).map(|it| &it.meta),
            model::InterfaceType::ResolverEndpoint(id) => self.world.resolver_endpoints.get(id).map(|it| &it.meta),
            _ => instance,
        };
        owner.unwrap_or(&interface.meta)
    }

    pub(super) fn add_route_tables(&mut self) {
        for table in self.world.route_tables.values() {
            let object = self.object(&table.route_table_id, &table.meta);
            let routes = table.routes.iter().map(|route| self.route(table, route)).collect();
            self.tables.route_tables.push(RouteTable::new(object, routes));
        }
    }

    fn route(&mut self, table: &'w model::RouteTable, route: &'w model::Route) -> Route {
        let (destination, destinations) = self.destination(table, &route.destination);
        let target = self.target(route);
        let id = format!("{destination} to {}", target_name(&route.target));
        let object = self.named(id, String::new(), route.source.as_ref().map(ToString::to_string));
        let rank = match (&route.target, &route.destination, route.origin) {
            (RouteTarget::Local, ..) => Rank::Local,
            (.., RouteOrigin::EnableVgwRoutePropagation) => Rank::Propagated,
            (_, RouteDestination::PrefixList(_), _) => Rank::PrefixList,
            (_, RouteDestination::Cidr(_), _) => Rank::Static,
        };
        Route { object, destinations, rank, target }
    }

    /// What a route matches, for people and for packets.
    fn destination(&self, table: &model::RouteTable, destination: &RouteDestination) -> (String, Vec<Ipv4Net>) {
        match destination {
            RouteDestination::Cidr(block) => (block.to_string(), vec![*block]),
            RouteDestination::PrefixList(id) => {
                let list = self.world.prefix_lists.get(&(table.meta.region.clone(), id.clone()));
                let name = list.map_or("gone", |list| list.prefix_list_name.as_str());
                let blocks = list.map(|list| list.entries.iter().map(|entry| entry.cidr).collect());
                (format!("{id} ({name})"), blocks.unwrap_or_default())
            }
        }
    }

    /// A target that is gone is a blackhole (B1.3-5).
    fn target(&mut self, route: &'w model::Route) -> Target {
        if self.world.route_state(route) == RouteState::Blackhole {
            return Target::Blackhole;
        }
        let found = match &route.target {
            RouteTarget::Local => Some(Target::Local),
            RouteTarget::NetworkInterface(id) => {
                self.interfaces.get(id.as_str()).map(|index| Target::Interface(*index))
            }
            RouteTarget::VpcEndpoint(id) => {
                self.endpoints.get(id.as_str()).map(|index| Target::GatewayEndpoint(*index))
            }
            RouteTarget::InternetGateway(id) => {
                self.internet_gateways.get(id.as_str()).map(|index| Target::InternetGateway(*index))
            }
            RouteTarget::NatGateway(id) => self.nat_gateways.get(id.as_str()).map(|index| Target::NatGateway(*index)),
            RouteTarget::VpcPeeringConnection(id) => {
                self.peerings.get(id.as_str()).map(|index| Target::Peering(*index))
            }
            RouteTarget::VpnGateway(id) => self.vpn_gateways.get(id.as_str()).map(|index| Target::VpnGateway(*index)),
        };
        found.unwrap_or(Target::Blackhole)
    }

    /// One address for each (private address, way in) of whoever can be a service's client (DESIGN decision 6): a guest, a
    /// balancer whose target is an endpoint, a NAT gateway whose subnet has an endpoint's route; and, through interface
    /// and resolver
    /// endpoints, guests of peered VPCs and on premises.
    pub(super) fn add_fabric(&mut self) {
        let mut entries = Vec::new();
        for (number, interface) in self.tables.interfaces.iter().enumerate() {
            if !matches!(interface.role, Role::Guest(_) | Role::BalancerNode { .. } | Role::NatGateway(_)) {
                continue;
            }
            let client = Client::Interface(InterfaceIndex(number as u32));
            let peers = self.peers(interface.vpc);
            let ways = self.ways(Some(interface.vpc), |vpc| vpc == interface.vpc || peers.contains(&vpc));
            for address in &interface.addresses {
                entries.extend(ways.iter().map(|way| FabricEntry { client, address: *address, way: *way }));
            }
        }
        for (number, customer) in self.tables.customers.iter().enumerate() {
            let Some(gateway) = self.tables.vpn_gateways.get(customer.gateway.at()) else { continue };
            let client = Client::OnPremises(CustomerIndex(number as u32));
            let ways = self.ways(None, |vpc| vpc == gateway.vpc);
            entries.extend(ways.iter().map(|way| FabricEntry { client, address: customer.address, way: *way }));
        }
        let guest = self.tables.internet.guest.map(|guest| guest.address);
        entries.extend(guest.map(|address| FabricEntry { client: Client::Internet, address, way: Way::LinkLocal }));
        self.tables.fabric = Fabric::new(self.numbered_fabric(entries));
    }

    /// The ways in of somebody who sees the gateway endpoints of the VPC `routed`, and reaches network interfaces in VPCs.
    fn ways(&self, routed: Option<VpcIndex>, reaches: impl Fn(VpcIndex) -> bool) -> Vec<Way> {
        let leads_to = |endpoint: &Endpoint| match endpoint.gateway_service {
            Some(_) => Some(endpoint.vpc) == routed,
            None => reaches(endpoint.vpc),
        };
        let endpoints = self.tables.endpoints.iter().enumerate().filter(|(_, endpoint)| leads_to(endpoint));
        let endpoints = endpoints.map(|(number, _)| Way::Endpoint(EndpointIndex(number as u32)));
        let resolvers = self.tables.resolver_endpoints.iter().enumerate().filter(|(_, it)| reaches(it.vpc));
        let resolvers = resolvers.map(|(number, _)| Way::ResolverEndpoint(ResolverEndpointIndex(number as u32)));
        std::iter::once(Way::LinkLocal).chain(endpoints).chain(resolvers).collect()
    }

    /// The VPCs at the other ends of a VPC's peering connections.
    fn peers(&self, vpc: VpcIndex) -> Vec<VpcIndex> {
        let of_vpc = self.tables.peerings.iter().filter(|peering| peering.sides.contains(&vpc));
        of_vpc.flat_map(|peering| peering.sides).filter(|side| *side != vpc).collect()
    }
}

fn target_name(target: &RouteTarget) -> &str {
    match target {
        RouteTarget::Local => "local",
        RouteTarget::InternetGateway(id)
        | RouteTarget::NatGateway(id)
        | RouteTarget::NetworkInterface(id)
        | RouteTarget::VpcEndpoint(id)
        | RouteTarget::VpcPeeringConnection(id)
        | RouteTarget::VpnGateway(id) => id,
    }
}

/// The resolver's address in a VPC: primary block base+2 (B1.2).
pub(super) fn vpc_resolver(vpc: &model::Vpc) -> Ipv4Addr {
    let base = vpc.cidr_blocks.first().map_or(0, |block| u32::from(block.network()));
    Ipv4Addr::from(base + 2)
}

/// A router's MAC address says which subnet's: `02:01:` and its address.
fn router_mac(cidr: Ipv4Net) -> Mac {
    let [a, b, c, d] = Ipv4Addr::from(u32::from(cidr.network()) + 1).octets();
    [0x02, 0x01, a, b, c, d]
}
