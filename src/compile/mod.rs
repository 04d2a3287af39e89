//! World to tables, zones and origins: the only room that sees both the model and the dataplane.
//!
//! [`compile`] is a function of the world. A valid world always compiles: what AWS allows but this version does not carry
//! becomes a named drop, never an error.
//!
//! | file | makes |
//! |---|---|
//! | `filters.rs` | security groups and network ACLs |
//! | `edges.rs` | internet, NAT, peering and VPN gateways, and the guests outside of VPCs |
//! | `flow_logs.rs` | which interfaces are logged, and in which form |
//! | `health.rs` | which targets are checked, from which nodes |
//! | `network.rs` | VPCs, subnets, route tables, network interfaces, links to guests |
//! | `numbering.rs` | the numbers that a running lab's objects keep |
//! | `privatelink.rs` | endpoints, balancers, and which of them serves which interface |
//! | `services.rs` | the service namespaces and what they own |
//! | `zones.rs` | DNS: public names, one view per VPC |
//! | `shape.rs` | what a running lab's tables must keep |
//! | `guests.rs` | what `host` needs to make the guests |

mod edges;
mod filters;
mod flow_logs;
mod guests;
mod health;
mod network;
mod numbering;
mod privatelink;
mod services;
mod shape;
mod zones;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::Ipv4Addr;

pub use edges::INTERNET_GUEST;
pub use guests::{Guest, GuestInterface};
pub use health::{CheckedFrom, CheckedGroup, CheckedNode, CheckedTarget, HealthPlan};
pub use services::{AWS_SERVICES_ADDRESS, ServiceKind, ServicePlan};
pub use shape::Shape;

use crate::dataplane::tables::*;
use crate::dns::Zones;
use crate::model::naming::INTERNET;
use crate::model::{Meta, Origin, VpcEndpoint, World, region};

/// A compiled world.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// For the dataplane.
    pub tables: Tables,
    /// For the resolver.
    pub zones: Zones,
    /// For the services: who is behind a fabric address.
    pub origins: HashMap<Ipv4Addr, Origin>,
    /// For the host: one network namespace each.
    pub guests: Vec<Guest>,
    /// For the host: one network namespace each.
    pub services: Vec<ServicePlan>,
    /// For the balancers' checker.
    pub health: HealthPlan,
}

/// Compiles a world. Links are numbered: services first, then guests' interfaces in order of instance and device index.
pub fn compile(world: &World) -> Compiled {
    compile_with(Compiler::new(world))
}

/// The same for a lab that runs with other tables: what is in both keeps its number, what is gone leaves a gap, and what is
/// new comes last. Whether the lab can take it, [`Shape`] says.
pub fn recompile(world: &World, before: &Tables) -> Compiled {
    compile_with(Compiler::after(world, before))
}

fn compile_with(mut compiler: Compiler<'_>) -> Compiled {
    let world = compiler.world;
    let services = compiler.add_services();
    compiler.add_security_groups();
    compiler.add_network_acls();
    compiler.add_vpcs();
    let mut guests = compiler.add_guest_links();
    compiler.add_interfaces();
    compiler.add_endpoints();
    compiler.add_resolver_endpoints();
    compiler.add_health_checks();
    compiler.add_balancers();
    compiler.give_roles();
    compiler.add_nat_gateways();
    compiler.add_peerings();
    compiler.add_vpn_gateways();
    guests.extend(compiler.add_customers());
    guests.extend(compiler.add_internet_guest());
    compiler.add_internet(&services);
    compiler.add_route_tables();
    compiler.add_fabric();
    compiler.add_flow_logs();
    debug_assert_eq!(compiler.tables.validate(), Ok(()), "a valid world compiles to valid tables");
    let origins = compiler.origins();
    let health = compiler.health_plan();
    let zones = zones::zones(world);
    Compiled { tables: compiler.tables, zones, origins, guests, services, health }
}

/// The tables in the making, with the way from AWS ids to indexes.
struct Compiler<'w> {
    world: &'w World,
    tables: Tables,
    before: Option<numbering::Before<'w>>,
    vpcs: HashMap<&'w str, VpcIndex>,
    subnets: HashMap<&'w str, SubnetIndex>,
    interfaces: HashMap<&'w str, InterfaceIndex>,
    endpoints: HashMap<&'w str, EndpointIndex>,
    resolver_endpoints: HashMap<&'w str, ResolverEndpointIndex>,
    balancers: HashMap<&'w str, BalancerIndex>,
    /// Interface id → link, for interfaces of instances.
    links: HashMap<&'w str, LinkIndex>,
    services: HashMap<ServiceKind, ServiceIndex>,
    security_groups: HashMap<&'w str, SecurityGroupIndex>,
    network_acls: HashMap<&'w str, NetworkAclIndex>,
    internet_gateways: HashMap<&'w str, InternetGatewayIndex>,
    nat_gateways: HashMap<&'w str, NatGatewayIndex>,
    peerings: HashMap<&'w str, PeeringIndex>,
    vpn_gateways: HashMap<&'w str, VpnGatewayIndex>,
    zones: HashMap<&'w str, u32>,
}

impl<'w> Compiler<'w> {
    fn new(world: &'w World) -> Self {
        Self {
            world,
            tables: Tables::default(),
            before: None,
            vpcs: HashMap::new(),
            subnets: HashMap::new(),
            interfaces: HashMap::new(),
            endpoints: HashMap::new(),
            resolver_endpoints: HashMap::new(),
            balancers: HashMap::new(),
            links: HashMap::new(),
            services: HashMap::new(),
            security_groups: HashMap::new(),
            network_acls: HashMap::new(),
            internet_gateways: HashMap::new(),
            nat_gateways: HashMap::new(),
            peerings: HashMap::new(),
            vpn_gateways: HashMap::new(),
            zones: HashMap::new(),
        }
    }

    /// Notes an object's names.
    fn object(&mut self, id: &str, meta: &Meta) -> ObjectIndex {
        self.named(id.to_owned(), people_name(meta), meta.source.as_ref().map(ToString::to_string))
    }

    fn named(&mut self, id: String, name: String, source: Option<String>) -> ObjectIndex {
        let object = Object { id, name, source };
        if let Some(known) = self.before.as_ref().and_then(|before| before.object(&object)) {
            return known;
        }
        let index = ObjectIndex(self.tables.objects.len() as u32);
        self.tables.objects.push(object);
        index
    }

    /// The number of a zone; zones are the same when their ids are (names differ between accounts, B1.1).
    fn zone(&mut self, zone_id: &'w str) -> u32 {
        let next = self.zones.len() as u32;
        *self.zones.entry(zone_id).or_insert(next)
    }

    fn origins(&self) -> HashMap<Ipv4Addr, Origin> {
        let by_index: HashMap<InterfaceIndex, &str> = self.interfaces.iter().map(|(id, index)| (*index, *id)).collect();
        let endpoint_ids: HashMap<EndpointIndex, &str> =
            self.endpoints.iter().map(|(id, index)| (*index, *id)).collect();
        let endpoint_of = |way: Way| match way {
            Way::LinkLocal | Way::ResolverEndpoint(_) => None,
            Way::Endpoint(index) => self.world.vpc_endpoints.get(*endpoint_ids.get(&index)?),
        };
        let resolver_endpoint_of = |way: Way| match way {
            Way::ResolverEndpoint(index) => {
                let object = self.tables.resolver_endpoints.get(index.at())?.object;
                Some(self.tables.object(object).id.clone())
            }
            Way::LinkLocal | Way::Endpoint(_) => None,
        };
        let outside = |entry: &FabricEntry, name: String| Origin {
            account: String::new(),
            region: String::new(),
            vpc_id: INTERNET.to_owned(),
            network_interface_id: String::new(),
            name,
            instance_id: None,
            private_ip: entry.address,
            vpc_endpoint_id: endpoint_of(entry.way).map(|endpoint| endpoint.vpc_endpoint_id.clone()),
            endpoint_vpc_id: endpoint_of(entry.way).map(|endpoint| endpoint.vpc_id.clone()),
            endpoint_vpc_arn: endpoint_of(entry.way).map(vpc_arn),
            endpoint_account: endpoint_of(entry.way).map(|endpoint| endpoint.meta.account.clone()),
            resolver_endpoint_id: resolver_endpoint_of(entry.way),
        };
        let is_gone = |way: Way| matches!(way, Way::Endpoint(_)) && endpoint_of(way).is_none();
        let origin = |entry: &FabricEntry| {
            if is_gone(entry.way) {
                return None;
            }
            let interface = match entry.client {
                Client::Interface(index) => index,
                Client::Internet => return Some(outside(entry, INTERNET.to_owned())),
                Client::OnPremises(index) => {
                    let customer = self.tables.object(self.tables.customers.get(index.at())?.object);
                    return Some(outside(entry, customer.name.clone()));
                }
            };
            let interface = self.world.network_interfaces.get(*by_index.get(&interface)?)?;
            let instance_id = interface.attachment.as_ref().and_then(|attachment| attachment.instance_id.clone());
            let instance = instance_id.as_ref().and_then(|id| self.world.instances.get(id));
            let name = people_name(instance.map_or(&interface.meta, |instance| &instance.meta));
            Some(Origin {
                account: interface.meta.account.clone(),
                region: interface.meta.region.clone(),
                vpc_id: interface.vpc_id.clone(),
                network_interface_id: interface.network_interface_id.clone(),
                instance_id,
                ..outside(entry, name)
            })
        };
        self.tables.fabric.iter().filter_map(|(address, entry)| Some((address, origin(entry)?))).collect()
    }
}

/// The ARN of an endpoint's VPC. A VPC is of one account here, so its owner is the endpoint's.
fn vpc_arn(endpoint: &VpcEndpoint) -> String {
    let Meta { account, region, .. } = &endpoint.meta;
    format!("arn:{}:ec2:{region}:{account}:vpc/{}", region::partition(region), endpoint.vpc_id)
}

/// `stack/LogicalId`, or the Name tag, or nothing.
fn people_name(meta: &Meta) -> String {
    match (&meta.stack, &meta.logical_id) {
        (Some(stack), Some(logical_id)) => format!("{stack}/{logical_id}"),
        (None, Some(logical_id)) => logical_id.clone(),
        _ => meta.tags.get("Name").cloned().unwrap_or_default(),
    }
}
