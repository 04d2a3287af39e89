//! The compiled form of a lab that the dataplane reads: immutable, index-linked, swapped whole.
//!
//! `compile` makes it from the model's world; tests make it by hand. Every index is valid by construction
//! ([`Tables::validate`] proves it and `compile` calls it), still all look-ups here are checked: a wrong table is a drop
//! or a blackhole, never a panic.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

pub use super::balancers::*;
pub use super::edges::*;
pub use super::fabric::{Client, Fabric, FabricEntry, Way};
pub use super::filter::{
    AddressSet, ConnectionTracking, NetworkAcl, NetworkAclEntry, SecurityGroup, SecurityGroupRule, Selector,
};
pub use super::flow_log::{FlowLogPlan, FlowLogs, LoggedInterface};
pub use super::health::{Chosen, Health, HealthChecks, HealthMap, HealthSlot};
pub use super::routes::{Rank, Route, RouteTable, Target};
use crate::packet::Mac;

macro_rules! indexes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// The index as a `usize`.
            #[inline]
            pub fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

indexes! {
    /// Into [`Tables::objects`].
    ObjectIndex,
    /// Into [`Tables::links`].
    LinkIndex,
    /// Into [`Tables::vpcs`].
    VpcIndex,
    /// Into [`Tables::interfaces`].
    InterfaceIndex,
    /// Into [`Tables::subnets`].
    SubnetIndex,
    /// Into [`Tables::route_tables`].
    RouteTableIndex,
    /// Into [`Tables::endpoints`].
    EndpointIndex,
    /// Into [`Tables::resolver_endpoints`].
    ResolverEndpointIndex,
    /// Into [`Tables::services`].
    ServiceIndex,
    /// Into [`Tables::balancers`].
    BalancerIndex,
    /// Into [`Tables::security_groups`].
    SecurityGroupIndex,
    /// Into [`Tables::network_acls`].
    NetworkAclIndex,
    /// Into [`Tables::internet_gateways`].
    InternetGatewayIndex,
    /// Into [`Tables::nat_gateways`].
    NatGatewayIndex,
    /// Into [`Tables::peerings`].
    PeeringIndex,
    /// Into [`Tables::vpn_gateways`].
    VpnGatewayIndex,
}

/// Everything the dataplane knows of a lab.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// What indexes mean to people.
    pub objects: Vec<Object>,
    /// Where frames enter and leave.
    pub links: Vec<Link>,
    /// VPCs.
    pub vpcs: Vec<Vpc>,
    /// Network interfaces: guests', endpoints' and balancers'.
    pub interfaces: Vec<Interface>,
    /// Subnets.
    pub subnets: Vec<Subnet>,
    /// Route tables.
    pub route_tables: Vec<RouteTable>,
    /// VPC endpoints of both types.
    pub endpoints: Vec<Endpoint>,
    /// Inbound resolver endpoints.
    pub resolver_endpoints: Vec<ResolverEndpoint>,
    /// Emulated services behind a link.
    pub services: Vec<Service>,
    /// Network Load Balancers.
    pub balancers: Vec<Balancer>,
    /// Security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// Network ACLs.
    pub network_acls: Vec<NetworkAcl>,
    /// Internet gateways that are attached to a VPC.
    pub internet_gateways: Vec<InternetGateway>,
    /// NAT gateways.
    pub nat_gateways: Vec<NatGateway>,
    /// Peering connections.
    pub peerings: Vec<Peering>,
    /// Virtual private gateways that are attached to a VPC.
    pub vpn_gateways: Vec<VpnGateway>,
    /// Guests on premises.
    pub customers: Vec<Customer>,
    /// Amazon Time Sync, the same for all VPCs.
    pub time_service: Option<ServiceIndex>,
    /// Instance metadata, the same for all VPCs.
    pub metadata_service: Option<ServiceIndex>,
    /// What is behind internet gateways.
    pub internet: Internet,
    /// One-to-one addresses that services see.
    pub fabric: Fabric,
    /// Which interfaces are logged, and how.
    pub flow_logs: FlowLogs,
    /// From where targets are checked; `None` in a lab without a balancer.
    pub health_checks: Option<HealthChecks>,
    /// What is known of them. Tables that take the place of these have a map of their own.
    pub health: Arc<HealthMap>,
}

/// An object's names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// AWS id or ARN, or what a route is called.
    pub id: String,
    /// The name that people gave it (`stack/LogicalId`); empty when there is none.
    pub name: String,
    /// `file:line` of its declaration.
    pub source: Option<String>,
}

/// A place where frames enter and leave.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Who is behind it.
    pub behind: Behind,
    /// MAC address of the far side.
    pub mac: Mac,
    /// Largest packet (IP header included) in bytes.
    pub mtu: u16,
}

/// Who is behind a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A guest's network interface.
    Interface(InterfaceIndex),
    /// A service namespace; speaks the fabric.
    Service(ServiceIndex),
    /// The guest `internet`.
    Internet,
    /// A guest on premises.
    OnPremises(CustomerIndex),
    /// The namespace from which balancers check their targets: it opens connections in their nodes' names.
    HealthChecks,
}

/// A VPC.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// Name.
    pub object: ObjectIndex,
    /// Whoever swaps tables raises it where this VPC's part of them changed; plans of an older generation end. Indexes that
    /// plans hold (links) must keep their meaning across a swap.
    pub generation: u32,
    /// IPv4 blocks.
    pub cidrs: Vec<Ipv4Net>,
    /// Who has which private address.
    pub addresses: HashMap<Ipv4Addr, InterfaceIndex>,
    /// The resolver's address inside the VPC: primary base+2 (B1.2).
    pub resolver: Ipv4Addr,
    /// `enableDnsSupport`.
    pub dns_support: bool,
    /// The resolver service.
    pub resolver_service: Option<ServiceIndex>,
}

/// A network interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name.
    pub object: ObjectIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Its subnet.
    pub subnet: SubnetIndex,
    /// Private addresses, primary first.
    pub addresses: Vec<Ipv4Addr>,
    /// MAC address.
    pub mac: Mac,
    /// Source/destination check (B1.4).
    pub source_dest_check: bool,
    /// Security groups; none for a NAT gateway's interface, and for a balancer's that was born without.
    pub groups: Vec<SecurityGroupIndex>,
    /// How long its groups remember idle flows.
    pub tracking: ConnectionTracking,
    /// What it does.
    pub role: Role,
}

/// What an interface does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Plugged into a guest behind that link.
    Guest(LinkIndex),
    /// Of an interface endpoint.
    Endpoint {
        /// The endpoint.
        endpoint: EndpointIndex,
        /// What serves this zone.
        backend: EndpointBackend,
    },
    /// A balancer's node.
    BalancerNode {
        /// The balancer.
        balancer: BalancerIndex,
        /// Which of its nodes.
        node: u32,
    },
    /// Of an inbound resolver endpoint.
    ResolverEndpoint(ResolverEndpointIndex),
    /// A NAT gateway's.
    NatGateway(NatGatewayIndex),
    /// Attached to nothing: it exists, ARP answers, nobody listens.
    Detached,
}

/// What serves an endpoint's network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointBackend {
    /// An AWS service, at that address in its namespace.
    Service {
        /// The service.
        service: ServiceIndex,
        /// The address that its namespace answers on.
        address: Ipv4Addr,
    },
    /// The endpoint service's load balancer, at its node of the same zone.
    Balancer {
        /// The balancer.
        balancer: BalancerIndex,
        /// Which of its nodes.
        node: u32,
    },
    /// The endpoint is not available (pendingAcceptance, rejected, …).
    Unavailable,
    /// The service has no node in this zone.
    NotInZone,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Name.
    pub object: ObjectIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Its block.
    pub cidr: Ipv4Net,
    /// The VPC router's MAC address in this subnet; it answers for base+1.
    pub router_mac: Mac,
    /// The route table in force, explicit or main.
    pub route_table: RouteTableIndex,
    /// The network ACL in force.
    pub network_acl: NetworkAclIndex,
    /// Its zone is down: nothing in it sends or receives.
    pub down: bool,
}

impl Subnet {
    /// Addresses that no interface can have: the first four and the last (B1.1).
    pub fn is_reserved(&self, address: Ipv4Addr) -> bool {
        let first = u32::from(self.cidr.network());
        self.cidr.contains(&address) && (u32::from(address) - first < 4 || address == self.cidr.broadcast())
    }

    /// The router's address: base+1 (B1.1).
    pub fn router(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.cidr.network()).wrapping_add(1))
    }
}

/// A VPC endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name.
    pub object: ObjectIndex,
    /// Its VPC.
    pub vpc: VpcIndex,
    /// Gateway endpoints: the service behind; interface endpoints say it per network interface ([`EndpointBackend`]).
    pub gateway_service: Option<ServiceIndex>,
    /// Flows through it are tracked whatever the rules say: DynamoDB's gateway endpoint, and every interface endpoint (B1.6).
    pub always_tracked: bool,
    /// State is `available`.
    pub available: bool,
}

/// An inbound resolver endpoint: addresses at which others ask the VPC's resolver.
#[derive(Clone, Copy, Debug)]
pub struct ResolverEndpoint {
    /// Name.
    pub object: ObjectIndex,
    /// The VPC whose resolver answers.
    pub vpc: VpcIndex,
}

/// An emulated service: a namespace behind a link whose sockets answer.
#[derive(Clone, Debug)]
pub struct Service {
    /// Name.
    pub object: ObjectIndex,
    /// Where it is.
    pub link: LinkIndex,
    /// What it accepts: IP protocol and port.
    pub ports: Vec<(u8, u16)>,
}

impl Tables {
    /// Names of an object; a wrong index is `?`.
    pub fn object(&self, index: ObjectIndex) -> &Object {
        static UNKNOWN: Object = Object { id: String::new(), name: String::new(), source: None };
        self.objects.get(index.at()).unwrap_or(&UNKNOWN)
    }

    /// The groups of an interface.
    pub fn groups<'t>(&'t self, interface: &'t Interface) -> impl Iterator<Item = &'t SecurityGroup> + Clone {
        interface.groups.iter().filter_map(|index| self.security_groups.get(index.at()))
    }

    /// The private address behind a source that a service sees: the inverse of the fabric.
    pub fn private_source(&self, source: Ipv4Addr) -> Ipv4Addr {
        self.fabric.entry(source).map_or(source, |entry| entry.address)
    }

    /// The private address of the node that checks targets from an address.
    pub fn checking_node(&self, source: Ipv4Addr) -> Ipv4Addr {
        let node = self.health_checks.as_ref().and_then(|checks| checks.node(source));
        let interface = node.and_then(|node| self.interfaces.get(node.at()));
        interface.and_then(|interface| interface.addresses.first().copied()).unwrap_or(source)
    }

    /// Proves that every index points somewhere; returns the first that does not.
    ///
    /// # Errors
    /// A sentence that names the table, the entry and the member.
    pub fn validate(&self) -> Result<(), String> {
        let within = |what: &str, index: u32, len: usize| {
            if (index as usize) < len { Ok(()) } else { Err(format!("{what} {index} of {len}")) }
        };
        for (number, link) in self.links.iter().enumerate() {
            match link.behind {
                Behind::Interface(index) => {
                    within(&format!("link {number}: interface"), index.0, self.interfaces.len())?
                }
                Behind::Service(index) => within(&format!("link {number}: service"), index.0, self.services.len())?,
                Behind::HealthChecks if self.health_checks.is_some() => {}
                Behind::HealthChecks => return Err(format!("link {number}: nobody checks targets")),
                Behind::Internet if self.internet.guest.is_some() => {}
                Behind::Internet => return Err(format!("link {number}: no guest is on the internet")),
                Behind::OnPremises(index) => {
                    within(&format!("link {number}: customer"), index.0, self.customers.len())?;
                }
            }
        }
        for (number, interface) in self.interfaces.iter().enumerate() {
            within(&format!("interface {number}: vpc"), interface.vpc.0, self.vpcs.len())?;
            within(&format!("interface {number}: subnet"), interface.subnet.0, self.subnets.len())?;
            within(&format!("interface {number}: object"), interface.object.0, self.objects.len())?;
            if interface.addresses.is_empty() {
                return Err(format!("interface {number} has no address"));
            }
            for group in &interface.groups {
                within(&format!("interface {number}: security group"), group.0, self.security_groups.len())?;
            }
            self.validate_role(number, interface.role)?;
        }
        for (number, subnet) in self.subnets.iter().enumerate() {
            within(&format!("subnet {number}: vpc"), subnet.vpc.0, self.vpcs.len())?;
            within(&format!("subnet {number}: route table"), subnet.route_table.0, self.route_tables.len())?;
            within(&format!("subnet {number}: network ACL"), subnet.network_acl.0, self.network_acls.len())?;
        }
        for (number, service) in self.services.iter().enumerate() {
            within(&format!("service {number}: link"), service.link.0, self.links.len())?;
        }
        if let Some(service) = self.time_service {
            within("time: service", service.0, self.services.len())?;
        }
        if let Some(service) = self.metadata_service {
            within("metadata: service", service.0, self.services.len())?;
        }
        for balancer in &self.balancers {
            for node in &balancer.nodes {
                within("balancer node: interface", node.interface.0, self.interfaces.len())?;
            }
        }
        for node in self.health_checks.iter().flat_map(|checks| &checks.nodes) {
            within("health checks: node", node.0, self.interfaces.len())?;
        }
        for endpoint in &self.resolver_endpoints {
            within("resolver endpoint: vpc", endpoint.vpc.0, self.vpcs.len())?;
        }
        for gateway in &self.internet_gateways {
            within("internet gateway: vpc", gateway.vpc.0, self.vpcs.len())?;
        }
        for gateway in &self.nat_gateways {
            within("NAT gateway: interface", gateway.interface.0, self.interfaces.len())?;
        }
        for peering in &self.peerings {
            for vpc in peering.sides {
                within("peering connection: vpc", vpc.0, self.vpcs.len())?;
            }
        }
        for gateway in &self.vpn_gateways {
            within("virtual private gateway: vpc", gateway.vpc.0, self.vpcs.len())?;
        }
        for customer in &self.customers {
            within("customer: link", customer.link.0, self.links.len())?;
            within("customer: virtual private gateway", customer.gateway.0, self.vpn_gateways.len())?;
        }
        Ok(())
    }

    fn validate_role(&self, number: usize, role: Role) -> Result<(), String> {
        let nodes = |balancer: BalancerIndex| self.balancers.get(balancer.at()).map_or(0, |it| it.nodes.len());
        let good = match role {
            Role::Guest(link) => link.at() < self.links.len(),
            Role::Detached => true,
            Role::NatGateway(index) => index.at() < self.nat_gateways.len(),
            Role::ResolverEndpoint(index) => index.at() < self.resolver_endpoints.len(),
            Role::BalancerNode { balancer, node } => (node as usize) < nodes(balancer),
            Role::Endpoint { endpoint, backend } => {
                endpoint.at() < self.endpoints.len()
                    && match backend {
                        EndpointBackend::Service { service, .. } => service.at() < self.services.len(),
                        EndpointBackend::Balancer { balancer, node } => (node as usize) < nodes(balancer),
                        EndpointBackend::Unavailable | EndpointBackend::NotInZone => true,
                    }
            }
        };
        if good { Ok(()) } else { Err(format!("interface {number}: role {role:?} points nowhere")) }
    }
}
