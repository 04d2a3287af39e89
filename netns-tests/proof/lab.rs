//! A lab as the proof describes it: plain lists whose members name each other by their place in the list.
//!
//! Everything else is made from this description: the CloudFormation that the product reads ([`super::template`]) and what
//! the reference decides ([`super::reference`]). It says what somebody would say of a network in AWS's nouns, holds no
//! decision, and shares no code with the product. Addresses that the product chooses (interface endpoints, Elastic IPs) are
//! learned from the running lab, as one asks AWS for them, and stand here from then on.

use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 CIDR block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block {
    pub base: Ipv4Addr,
    pub length: u8,
}

/// Every address there is.
pub const EVERYWHERE: Block = Block { base: Ipv4Addr::UNSPECIFIED, length: 0 };

/// Where the guest `internet` is.
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

impl Block {
    pub fn new(a: u8, b: u8, c: u8, d: u8, length: u8) -> Self {
        Self { base: Ipv4Addr::new(a, b, c, d), length }
    }

    /// `10.0.0.0/16`; for tables that are part of this program or of AWS's data.
    pub fn parse(text: &str) -> Option<Self> {
        let (base, length) = text.split_once('/')?;
        Some(Self { base: base.parse().ok()?, length: length.parse().ok()? })
    }

    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.length == 0 || (u32::from(address) ^ u32::from(self.base)) >> (32 - u32::from(self.length)) == 0
    }

    /// Whether all of the other block lies in this one.
    pub fn holds(&self, other: &Block) -> bool {
        self.length <= other.length && self.contains(other.base)
    }

    pub fn overlaps(&self, other: &Block) -> bool {
        self.holds(other) || other.holds(self)
    }

    pub fn nth(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base).wrapping_add(number))
    }

    pub fn last(&self) -> Ipv4Addr {
        let hosts = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
        Ipv4Addr::from(u32::from(self.base) | hosts)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.length)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lab {
    pub seed: u64,
    pub vpcs: Vec<Vpc>,
    pub subnets: Vec<Subnet>,
    pub tables: Vec<RouteTable>,
    pub lists: Vec<PrefixList>,
    pub groups: Vec<Group>,
    pub acls: Vec<Acl>,
    pub instances: Vec<Instance>,
    pub idle_interfaces: Vec<IdleInterface>,
    pub nat_gateways: Vec<NatGateway>,
    pub gateway_endpoints: Vec<GatewayEndpoint>,
    pub interface_endpoints: Vec<InterfaceEndpoint>,
    pub balancers: Vec<Balancer>,
    pub peerings: Vec<Peering>,
    pub vpn: Option<Vpn>,
}

/// Which template, and with it which account, a VPC belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Home,
    Provider,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    pub name: String,
    pub stack: Stack,
    /// The first is the primary one.
    pub blocks: Vec<Block>,
    pub internet_gateway: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub name: String,
    pub vpc: usize,
    pub block: Block,
    /// 1 or 2: `use1-azN`.
    pub zone: u8,
    /// `None`: the VPC's main route table, which has local routes only.
    pub table: Option<usize>,
    /// `None`: the VPC's default network ACL, which allows everything.
    pub acl: Option<usize>,
}

/// Local routes and those of gateway endpoints go without saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTable {
    pub name: String,
    pub vpc: usize,
    pub routes: Vec<Route>,
    /// Whether the VPC's VPN gateway propagates its routes into it.
    pub propagates: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub destination: Destination,
    pub target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Block(Block),
    List(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    InternetGateway,
    Nat(usize),
    Instance(usize),
    /// A network interface that nothing is attached to: the route is a blackhole.
    Idle(usize),
    Peering(usize),
    VpnGateway,
}

/// A prefix list of the customer's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixList {
    pub name: String,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub vpc: usize,
    /// Born with the VPC; the template names it by the VPC's attribute.
    pub is_default: bool,
    pub ingress: Vec<Rule>,
    /// `None`: the one rule that a new group has, which allows everything.
    pub egress: Option<Vec<Rule>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub traffic: Traffic,
    pub peer: Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    All,
    /// Ports from, to.
    Tcp(u16, u16),
    Udp(u16, u16),
    /// Its type; `None` for every type.
    Icmp(Option<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Block(Block),
    Group(usize),
    List(usize),
    ServiceList(PublicService),
}

/// A service with a gateway endpoint and an AWS-managed prefix list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PublicService {
    S3,
    DynamoDb,
}

impl PublicService {
    pub fn short_name(self) -> &'static str {
        match self {
            PublicService::S3 => "s3",
            PublicService::DynamoDb => "dynamodb",
        }
    }

    /// The list's id in us-east-1 (B2.2).
    pub fn list_id(self) -> &'static str {
        match self {
            PublicService::S3 => "pl-63a5400a",
            PublicService::DynamoDb => "pl-02cd2c6b",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub name: String,
    pub vpc: usize,
    pub entries: Vec<AclEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry {
    pub number: u16,
    pub egress: bool,
    pub allow: bool,
    pub traffic: Traffic,
    pub block: Block,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub name: String,
    pub subnet: usize,
    pub address: Ipv4Addr,
    pub groups: Vec<usize>,
    pub source_dest_check: bool,
    pub public: Public,
}

/// An instance's public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    No,
    /// An Elastic IP, once it is known.
    Elastic(Option<Ipv4Addr>),
    /// The one that a launch with `AssociatePublicIpAddress` gives, once it is known.
    Automatic(Option<Ipv4Addr>),
}

impl Public {
    pub fn address(self) -> Option<Ipv4Addr> {
        match self {
            Public::No => None,
            Public::Elastic(address) | Public::Automatic(address) => address,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleInterface {
    pub name: String,
    pub subnet: usize,
    pub address: Ipv4Addr,
    /// The VPC's default group, as the template names none.
    pub groups: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGateway {
    pub name: String,
    pub subnet: usize,
    pub address: Ipv4Addr,
    /// Public ones have an Elastic IP, once it is known.
    pub public: bool,
    pub elastic: Option<Ipv4Addr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayEndpoint {
    pub name: String,
    pub vpc: usize,
    pub service: PublicService,
    pub tables: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceEndpoint {
    pub name: String,
    pub vpc: usize,
    pub groups: Vec<usize>,
    pub service: EndpointService,
    pub nodes: Vec<EndpointNode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointNode {
    pub subnet: usize,
    /// Once it is known.
    pub address: Option<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointService {
    /// `com.amazonaws.REGION.NAME`.
    Aws(&'static str),
    /// The endpoint service that stands before this balancer of the provider.
    Balancer(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    pub name: String,
    pub vpc: usize,
    pub nodes: Vec<BalancerNode>,
    /// Empty: born without security groups.
    pub groups: Vec<usize>,
    pub cross_zone: bool,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancerNode {
    pub subnet: usize,
    pub address: Ipv4Addr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub protocol: ListenerProtocol,
    pub port: u16,
    pub target_port: u16,
    /// Targets registered by address instead of by instance id.
    pub by_address: bool,
    pub targets: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerProtocol {
    Tcp,
    Udp,
    TcpUdp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    pub name: String,
    pub requester: usize,
    pub accepter: usize,
}

/// A virtual private gateway, its connection and the guest behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpn {
    pub gateway: String,
    pub vpc: usize,
    /// The customer gateway's logical id is the guest's name.
    pub customer_gateway: String,
    pub connection: String,
    /// Static routes of the connection.
    pub routes: Vec<Block>,
    pub address: Ipv4Addr,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    Instance(usize),
    Internet,
    OnPremises,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
        }
    }
}

/// The first packet of a conversation: a SYN, a datagram or an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Packet {
    pub from: Party,
    pub to: Ipv4Addr,
    pub protocol: Protocol,
    /// 0 for ICMP.
    pub port: u16,
}

impl Lab {
    /// The guest's name and address.
    pub fn party(&self, party: Party) -> (&str, Ipv4Addr) {
        match party {
            Party::Instance(instance) => (&self.instances[instance].name, self.instances[instance].address),
            Party::Internet => ("internet", INTERNET),
            Party::OnPremises => {
                let vpn = self.vpn.as_ref().expect("only a lab with a VPN has an on-premises guest");
                (&vpn.customer_gateway, vpn.address)
            }
        }
    }

    /// All guests.
    pub fn parties(&self) -> Vec<Party> {
        let mut parties: Vec<Party> = (0..self.instances.len()).map(Party::Instance).collect();
        if self.vpcs.iter().any(|vpc| vpc.internet_gateway) {
            parties.push(Party::Internet);
        }
        if self.vpn.is_some() {
            parties.push(Party::OnPremises);
        }
        parties
    }

    pub fn vpc_of(&self, subnet: usize) -> usize {
        self.subnets[subnet].vpc
    }

    /// The template's resource that makes the group: of a default group its VPC.
    pub fn resource_of_group(&self, group: usize) -> &str {
        let Group { name, vpc, is_default, .. } = &self.groups[group];
        if *is_default { &self.vpcs[*vpc].name } else { name }
    }

    /// A packet for people.
    pub fn show(&self, packet: &Packet) -> String {
        let (name, address) = self.party(packet.from);
        match packet.protocol {
            Protocol::Icmp => format!("{name}: {address} > {} icmp", packet.to),
            protocol => format!("{name}: {address} > {}:{} {}", packet.to, packet.port, protocol.name()),
        }
    }
}
