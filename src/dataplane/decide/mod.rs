//! The walk: a packet meets object after object until one of them delivers or refuses it, and its answer walks back.
//!
//! Each kind of hop has a file; each hop looks at the packet as it is now, may change its addresses, and names the next.
//! The walk is a function of the tables, the packet, and a [`Memory`] of what went before (ports lent, connections tracked),
//! so `trace` is the same code with a recorder (`Walk::record`) and an imagined memory. At most [`Walk::MOST_HOPS`] objects
//! each way.
//!
//! ```text
//! health_check.rs ─► route.rs of the node's subnet
//! leave (interface.rs) ─► link-local service ─► service
//!   │ router       │ neighbour
//!   ▼              ▼
//! route.rs ──────► enter (interface.rs) ─► guest's link
//!   │ │ │ │           ├─► endpoint.rs (interface endpoint) ─► service
//!   │ │ │ │           ├─► resolver_endpoint.rs ─► the VPC's resolver
//!   │ │ │ │           ├─► nat_gateway.rs ─► route.rs of its subnet
//!   │ │ │ │           ▼                          │
//!   │ │ │ │         balancer.rs ◄────────────────┘
//!   │ │ │ │           └─► route.rs of the node's subnet
//!   │ │ │ └─► peering.rs ─► enter, in the other VPC
//!   │ │ └───► vpn.rs ─► guest on premises
//!   │ └─────► internet.rs ─► public service, internet guest, or enter by another gateway
//!   └───────► endpoint.rs (gateway endpoint) ─► service
//! ```
//!
//! **There and back.** On the way there the walk notes its [`Leg`]s: from whom to whom, with which header. The answer walks
//! them in reverse (`back.rs`) through the same hops: its own subnet's route table and both network ACLs decide anew,
//! security groups let it pass as tracked, and whoever translated on the way there translates back. So a route that only one
//! side has, or an ACL without ephemeral ports, refuses the answer and nothing else.

mod back;
mod balancer;
mod endpoint;
mod filters;
mod health_check;
mod interface;
mod internet;
mod limits;
mod link_local;
mod memory;
mod nat_gateway;
mod peering;
mod resolver_endpoint;
mod route;
mod vpn;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use endpoint::{refuse_icmp_error, refuse_unasked};
pub use filters::{AclCheck, admit_report};
pub use link_local::{METADATA, RESOLVER, TIME};
pub use memory::{Imagined, Memory};

use super::admit::Addressed;
use super::filter::Side;
use super::flow::{Stamps, Timeouts};
use super::flow_log::{Observed, TrafficPath};
use super::nat::Pool;
use super::path::{Header, Hop, Path};
use super::plan::{Limiters, Limits};
use super::tables::*;
use super::verdict::DropReason;
use crate::packet::{Mac, icmp, protocol};

/// Why a packet goes no further, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: DropReason,
    /// The object.
    pub object: Option<ObjectIndex>,
}

impl Refused {
    /// An index that points nowhere.
    pub const BAD_TABLES: Self = Self { reason: DropReason::BadTables, object: None };
}

/// What the walk needs to know of a packet beyond its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// A TCP SYN without ACK: may open a flow anywhere.
    pub opens: bool,
    /// A fragment: some objects carry none.
    pub fragment: bool,
    /// ICMP type and code.
    pub icmp: (u8, u8),
    /// TCP sequence number (the balancer's hash takes it).
    pub tcp_sequence: u32,
    /// Time to live.
    pub ttl: u8,
}

impl Traits {
    /// Of the packet that `trace` imagines: the first of a conversation.
    pub fn first() -> Self {
        Self { opens: true, fragment: false, icmp: (icmp::ECHO_REQUEST, 0), tcp_sequence: 0, ttl: 64 }
    }

    fn is_echo(&self) -> bool {
        matches!(self.icmp.0, icmp::ECHO_REQUEST | icmp::ECHO_REPLY)
    }

    /// Of the answer.
    fn answer(self) -> Self {
        let icmp = if self.icmp.0 == icmp::ECHO_REQUEST { (icmp::ECHO_REPLY, 0) } else { self.icmp };
        Self { opens: false, icmp, ..self }
    }
}

/// Where a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The link it leaves by.
    pub link: LinkIndex,
    /// Its header there.
    pub header: Header,
    /// MAC addresses of the frame there: source …
    pub source_mac: Mac,
    /// … and destination.
    pub destination_mac: Mac,
}

/// How a walk ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where the packet arrives.
    pub forward: Arrival,
    /// Where its answer does, or why it never will.
    pub back: Result<Arrival, Refused>,
    /// What the decision rests on.
    pub stamps: Stamps,
    /// What packets of the flow must keep to.
    pub limits: Limits,
    /// Who set them.
    pub limiters: Limiters,
    /// Who tells the sender of answers which packets are too large; `None`: whoever it talks to.
    pub answers_reporter: Option<Ipv4Addr>,
    /// How long a flow of it may be idle.
    pub timeouts: Timeouts,
    /// Endpoint, gateway or balancer on the way.
    pub via: Option<ObjectIndex>,
    /// The network ACLs that more than wave it through: ICMP errors of the flow ask them again.
    pub acls: Vec<AclCheck>,
    /// The interfaces whose groups track the flow (B1.6).
    pub tracked: Vec<InterfaceIndex>,
    /// The PROXY protocol header that its target hears first (B4.1).
    pub proxy_header: Option<Box<[u8]>>,
    /// What the balancers on its way chose.
    pub chosen: Vec<Chosen>,
}

/// How a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Deliver(Box<Decision>),
    /// Answered with a TCP reset by that object.
    Reset(ObjectIndex),
    /// Answered with ICMP time exceeded from that address, by that object.
    TimeExceeded(ObjectIndex, Ipv4Addr),
    /// Refused.
    Refuse(Refused),
}

/// Where a leg begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A network interface.
    Interface(InterfaceIndex),
    /// An internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// A gateway endpoint.
    GatewayEndpoint(EndpointIndex),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayIndex),
    /// An emulated service.
    Service(ServiceIndex),
    /// The internet guest.
    Internet,
    /// A guest on premises.
    OnPremises(CustomerIndex),
    /// Who checks targets in the name of that balancer's node.
    HealthCheck(InterfaceIndex),
}

/// Whose memory of a flow is the shortest on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Remembered {
    /// Security groups' connection tracking (B1.6).
    Groups,
    /// A NAT gateway's (B7).
    NatGateway,
    /// A load balancer's or an interface endpoint's (B3.2, B9).
    Balancer,
}

/// A stretch of the way on which nobody changes the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leg {
    from: Place,
    to: Place,
    sent: Header,
    /// A balancer sent it with the client's own address: the answer is taken back by the balancer, whatever routes say.
    keeps_client: bool,
}

/// The next object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Leave(InterfaceIndex, Addressed),
    Route(SubnetIndex),
    /// From an edge into a VPC: by the edge's own route table, or to whoever has the address.
    Inside(VpcIndex, Option<RouteTableIndex>),
    Enter(InterfaceIndex),
    LinkLocal,
    GatewayEndpoint(EndpointIndex),
    InterfaceEndpoint {
        interface: InterfaceIndex,
        endpoint: EndpointIndex,
        backend: EndpointBackend,
    },
    ResolverEndpoint(InterfaceIndex, ResolverEndpointIndex),
    Balance {
        balancer: BalancerIndex,
        node: u32,
    },
    NatGateway(NatGatewayIndex),
    InternetGateway(InternetGatewayIndex),
    Internet,
    Peering(PeeringIndex),
    VpnGateway(VpnGatewayIndex),
    FromPremises(CustomerIndex),
    HealthCheck(InterfaceIndex),
    /// The answer has come to where a leg began.
    LegWalkedBack,
    Arrived(Arrival),
    Reset(ObjectIndex),
    TimeExceeded(ObjectIndex, Ipv4Addr),
}

/// A packet on its way.
struct Walk<'a> {
    tables: &'a Tables,
    hasher: &'a ahash::RandomState,
    memory: &'a dyn Memory,
    traits: Traits,
    /// The packet as it is now.
    header: Header,
    /// Who put it on the leg that it is on.
    sender: Place,
    /// The stretches behind it.
    legs: Vec<Leg>,
    /// On the way back: the leg that is being walked.
    back: Option<usize>,
    /// The leg's packets bear the client's address ([`Leg::keeps_client`]).
    keeps_client: bool,
    /// The interface endpoint that it passed last.
    endpoint: Option<EndpointIndex>,
    /// What the target hears first, of who called.
    proxy_header: Option<Box<[u8]>>,
    /// Who on the way forgets the flow first.
    remembered: Remembered,
    /// How long the shortest memory of a balancer's listener lasts, where one is on the way.
    idle: Duration,
    via: Option<ObjectIndex>,
    stamps: Stamps,
    limits: Limits,
    limiters: Limiters,
    chosen: Vec<Chosen>,
    /// See [`Decision::answers_reporter`].
    answers_reporter: Option<Ipv4Addr>,
    acls: Vec<AclCheck>,
    /// The logged interfaces that it passed.
    observed: &'a mut Observed,
    /// The interfaces whose groups let it through, and whether they track it.
    judged: Vec<(InterfaceIndex, bool)>,
    /// All of them do, whatever their rules say.
    always_tracked: bool,
    recorder: Option<&'a mut Path>,
}

/// A question to [`decide`].
pub struct Question<'a> {
    /// Who sends.
    pub client: Place,
    /// Whom on layer 2; means nothing outside of VPCs.
    pub addressed: Addressed,
    /// What.
    pub header: Header,
    /// What else is known of it.
    pub traits: Traits,
    /// What went before.
    pub memory: &'a dyn Memory,
}

/// Walks a packet there, and its answer back; `observed` gets what flow logs record, however it ends.
pub fn decide(
    tables: &Tables,
    hasher: &ahash::RandomState,
    question: &Question<'_>,
    observed: &mut Observed,
    recorder: Option<&mut Path>,
) -> Outcome {
    let mut walk = Walk {
        tables,
        hasher,
        memory: question.memory,
        traits: question.traits,
        header: question.header,
        sender: question.client,
        legs: Vec::with_capacity(4),
        back: None,
        keeps_client: false,
        endpoint: None,
        proxy_header: None,
        remembered: Remembered::Groups,
        idle: Timeouts::BALANCED_TCP.established,
        chosen: Vec::new(),
        answers_reporter: None,
        via: None,
        stamps: Stamps::default(),
        limits: Limits::NONE,
        limiters: Limiters::default(),
        acls: Vec::new(),
        observed,
        judged: Vec::new(),
        always_tracked: false,
        recorder,
    };
    let first = match question.client {
        Place::Interface(index) => Step::Leave(index, question.addressed),
        Place::OnPremises(index) => Step::FromPremises(index),
        Place::HealthCheck(node) => Step::HealthCheck(node),
        _ => Step::Internet,
    };
    let outside = !matches!(question.client, Place::Interface(_) | Place::HealthCheck(_));
    let first = if outside && question.header.destination == RESOLVER { Step::LinkLocal } else { first };
    let forward = match walk.run(first) {
        Ok(Step::Arrived(arrival)) => arrival,
        Ok(Step::Reset(object)) => return Outcome::Reset(object),
        Ok(Step::TimeExceeded(object, address)) => return Outcome::TimeExceeded(object, address),
        Ok(_) => return Outcome::Refuse(Refused::BAD_TABLES),
        Err(refused) => return Outcome::Refuse(refused),
    };
    let back = walk.walk_back();
    let tracked = walk.tracked();
    Outcome::Deliver(Box::new(Decision {
        forward,
        back,
        timeouts: walk.timeouts(forward.header.protocol, &tracked),
        stamps: walk.stamps,
        limits: walk.limits,
        limiters: walk.limiters,
        answers_reporter: walk.answers_reporter,
        via: walk.via,
        acls: walk.acls,
        tracked,
        proxy_header: walk.proxy_header,
        chosen: walk.chosen,
    }))
}

impl Walk<'_> {
    const MOST_HOPS: usize = 24;

    /// From object to object until the packet is somewhere.
    fn run(&mut self, first: Step) -> Result<Step, Refused> {
        let mut step = first;
        for _ in 0..Self::MOST_HOPS {
            step = match step {
                Step::Arrived(_) | Step::Reset(_) | Step::TimeExceeded(..) => return Ok(step),
                other => self.step(other)?,
            };
        }
        Err(Refused { reason: DropReason::TooManyHops, object: None })
    }

    fn step(&mut self, step: Step) -> Result<Step, Refused> {
        match step {
            Step::Leave(interface, addressed) => interface::leave(self, interface, addressed),
            Step::Route(subnet) => route::route(self, subnet),
            Step::Inside(vpc, None) => route::local(self, vpc),
            Step::Inside(vpc, Some(table)) => route::from_gateway(self, vpc, table),
            Step::Enter(interface) => interface::enter(self, interface),
            Step::LinkLocal => link_local::serve(self),
            Step::GatewayEndpoint(endpoint) => endpoint::gateway(self, endpoint),
            Step::InterfaceEndpoint { interface, endpoint, backend } => {
                endpoint::interface(self, interface, endpoint, backend)
            }
            Step::ResolverEndpoint(interface, endpoint) => resolver_endpoint::serve(self, interface, endpoint),
            Step::Balance { balancer, node } => balancer::balance(self, balancer, node),
            Step::NatGateway(gateway) => nat_gateway::translate(self, gateway),
            Step::InternetGateway(gateway) => internet::leave_by(self, gateway),
            Step::Internet => internet::cross(self),
            Step::Peering(peering) => peering::cross(self, peering),
            Step::VpnGateway(gateway) => vpn::leave_by(self, gateway),
            Step::FromPremises(customer) => vpn::enter_by(self, customer),
            Step::HealthCheck(node) => health_check::leave_node(self, node),
            Step::LegWalkedBack => self.leg_walked_back(),
            Step::Arrived(_) | Step::Reset(_) | Step::TimeExceeded(..) => Ok(step),
        }
    }

    /// The packet came to the end of a leg; the next one begins with whoever sends it on.
    fn end_leg(&mut self, to: Place, next: Place) {
        if self.back.is_none() {
            let keeps_client = std::mem::take(&mut self.keeps_client);
            self.legs.push(Leg { from: self.sender, to, sent: self.header, keeps_client });
        }
        self.sender = next;
    }

    /// Passes an interface, if that is logged.
    fn observe(&mut self, index: InterfaceIndex, side: Side) {
        self.observed.pass(self.tables, self.back.is_some(), index, side, self.header);
    }

    /// Writes a hop down, if anyone reads along.
    fn record(
        &mut self,
        kind: &'static str,
        object: ObjectIndex,
        rule: Option<ObjectIndex>,
        before: Header,
        decision: impl FnOnce() -> String,
    ) {
        let (after, back) = (self.header, self.back.is_some());
        if let Some(path) = self.recorder.as_deref_mut() {
            let hop = Hop { kind, object: Some(object), decision: decision(), rule, before, after };
            if back { path.back_hops.push(hop) } else { path.hops.push(hop) }
        }
    }

    /// Refuses at an object, and writes that hop down too.
    fn refuse<T>(&mut self, kind: &'static str, object: ObjectIndex, reason: DropReason) -> Result<T, Refused> {
        let before = self.header;
        self.record(kind, object, None, before, || format!("drops: {}", reason.sentence()));
        Err(Refused { reason, object: Some(object) })
    }

    fn interface(&self, index: InterfaceIndex) -> Result<&Interface, Refused> {
        self.tables.interfaces.get(index.at()).ok_or(Refused::BAD_TABLES)
    }

    fn vpc(&self, index: VpcIndex) -> Result<&Vpc, Refused> {
        self.tables.vpcs.get(index.at()).ok_or(Refused::BAD_TABLES)
    }

    /// The decision rests on this VPC too.
    fn rest_on(&mut self, index: VpcIndex) -> Result<(), Refused> {
        let generation = self.vpc(index)?.generation;
        self.stamps.add(index, generation);
        Ok(())
    }

    /// The network interface that sent the packet on this leg, if one did.
    fn sending_interface(&self) -> Option<&Interface> {
        match self.sender {
            Place::Interface(index) => self.tables.interfaces.get(index.at()),
            _ => None,
        }
    }

    /// The source address that services see for who sends this, by this way in.
    fn fabric_source(&mut self, object: ObjectIndex, way: Way) -> Result<Ipv4Addr, Refused> {
        let client = match self.sender {
            Place::Interface(index) => {
                // An appliance sends on what others say.
                let owner = self.vpc(self.interface(index)?.vpc)?.addresses.get(&self.header.source);
                Client::Interface(owner.copied().unwrap_or(index))
            }
            Place::OnPremises(index) => Client::OnPremises(index),
            Place::Internet => Client::Internet,
            Place::VpnGateway(_) => match self.legs.first() {
                Some(Leg { from: Place::OnPremises(index), .. }) => Client::OnPremises(*index),
                _ => return self.refuse("endpoint", object, DropReason::UnknownToService),
            },
            _ => return self.refuse("endpoint", object, DropReason::UnknownToService),
        };
        match self.tables.fabric.address(&FabricEntry { client, address: self.header.source, way }) {
            Some(address) => Ok(address),
            None => self.refuse("endpoint", object, DropReason::UnknownToService),
        }
    }

    /// Ends the way there at a service, which sees `source`.
    fn deliver_to_service(&mut self, index: ServiceIndex, source: Ipv4Addr) -> Result<Step, Refused> {
        let service = self.tables.services.get(index.at()).ok_or(Refused::BAD_TABLES)?;
        let (object, link) = (service.object, service.link);
        let destination_mac = self.tables.links.get(link.at()).ok_or(Refused::BAD_TABLES)?.mac;
        let before = self.header;
        self.record("service", object, None, before, || {
            format!("receives {}", service_name(before.protocol, before.destination_port))
        });
        let place = Place::Service(index);
        self.end_leg(place, place);
        let header = Header { source, ..self.header };
        Ok(Step::Arrived(Arrival { link, header, source_mac: OUTSIDE_ROUTER_MAC, destination_mac }))
    }

    /// Ends the way at a guest outside of all VPCs.
    fn deliver_outside(&mut self, link: LinkIndex) -> Result<Step, Refused> {
        let destination_mac = self.tables.links.get(link.at()).ok_or(Refused::BAD_TABLES)?.mac;
        Ok(Step::Arrived(Arrival { link, header: self.header, source_mac: OUTSIDE_ROUTER_MAC, destination_mac }))
    }

    /// An object on the way keeps the flow in its own memory.
    fn remember_as(&mut self, by: Remembered) {
        self.remembered = self.remembered.max(by);
    }
}

/// A short form for people: `tcp port 443`.
fn service_name(protocol: u8, port: u16) -> String {
    match protocol {
        protocol::ICMP => "icmp".to_owned(),
        protocol::TCP => format!("tcp port {port}"),
        protocol::UDP => format!("udp port {port}"),
        other => format!("protocol {other}"),
    }
}
