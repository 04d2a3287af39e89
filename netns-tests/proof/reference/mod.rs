//! The naive reference: what AWS does with a packet, by plain loops over lists.
//!
//! It exists to be compared with the product, so it is written from the description of AWS's behaviour alone (the B-sections that
//! its functions cite), shares no code with the product, and prefers being obvious to being quick: no index, no cache, no
//! table is ever compiled. One file per kind of component:
//!
//! * [`interface`]: who has an address, and what stands there
//! * [`filter`]: security groups and network ACLs
//! * [`route`]: which route of a table wins
//! * [`gateways`]: internet, NAT and VPN gateways, peering, gateway endpoints
//! * [`private`]: interface endpoints and load balancers
//!
//! A packet is followed until it arrives or a component refuses it; then the receiver's reply is followed back the same way.
//! Where the description does not say what AWS does, or the outcome hangs on a port that a gateway chooses, the answer is
//! `None`: such a packet proves nothing and is not sent.

mod filter;
mod gateways;
mod interface;
mod private;
mod route;

use std::net::Ipv4Addr;

use super::lab::*;
use interface::Interface;
use route::Way;

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Where it may arrive (a balancer has a choice), or why it does not.
    pub forward: Result<Vec<Arrived>, Reason>,
    pub reply: Reply,
}

/// What becomes of the receiver's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    ComesBack,
    Lost(Reason),
    /// There is none: the packet did not arrive, or at an appliance, which only looks.
    None,
}

/// An arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub place: Place,
    /// The source address that is seen there.
    pub source: Ipv4Addr,
}

/// Where packets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An instance, as the packet's destination.
    Instance(usize),
    /// An instance that a route sent it to although it is addressed to somebody else.
    Appliance(usize),
    Internet,
    OnPremises,
    Resolver,
    /// S3 or DynamoDB, through a gateway endpoint.
    ThroughEndpoint(PublicService, usize),
    /// S3 or DynamoDB, over the internet.
    OverInternet(PublicService),
    /// An AWS service behind an interface endpoint.
    Behind(usize, usize),
}

/// Why a packet is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The explanation codes (B11) that are right; any is, when there is none here: B11 has no code for it.
    pub codes: Vec<&'static str>,
    /// The template's resources of which one is to be named with it; any is, when there is none here.
    pub objects: Vec<String>,
    /// For people, with the section that says so.
    pub why: String,
}

/// Why a walk ended.
#[derive(Clone, Debug)]
enum Stop {
    Dropped(Reason),
    /// Nobody can say.
    Unknown,
}

type Walk<T> = Result<T, Stop>;

/// Dropped for a reason without a code.
fn lost<T>(why: impl Into<String>) -> Walk<T> {
    Err(Stop::Dropped(Reason { codes: Vec::new(), objects: Vec::new(), why: why.into() }))
}

/// Dropped by one object, for a reason that has a code.
fn dropped<T>(code: &'static str, by: &str, why: impl Into<String>) -> Walk<T> {
    Err(Stop::Dropped(Reason { codes: vec![code], objects: vec![by.into()], why: why.into() }))
}

/// Where nobody says which of several refusals comes first, each is right.
fn either(mut first: Reason, others: impl IntoIterator<Item = Walk<()>>) -> Walk<Vec<Arrival>> {
    for other in others {
        match other {
            Ok(()) => {}
            Err(Stop::Unknown) => return Err(Stop::Unknown),
            Err(Stop::Dropped(reason)) => {
                first.codes.extend(reason.codes);
                first.objects.extend(reason.objects);
            }
        }
    }
    Err(Stop::Dropped(first))
}

/// Ports between two, both included: NAT chooses one that nobody else knows.
type Ports = (u16, u16);

/// Ports that NAT gateways and balancers choose from (B7).
const CHOSEN: Ports = (1024, 65535);

/// What a client's kernel takes: Linux's `ip_local_port_range`.
const CLIENT: Ports = (32768, 60999);

/// A packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    source: Ipv4Addr,
    source_ports: Ports,
    destination: Ipv4Addr,
    destination_ports: Ports,
    protocol: Protocol,
    /// ICMP: 8 is an echo request, 0 its reply.
    icmp_type: u8,
}

impl Header {
    fn of(lab: &Lab, packet: &Packet) -> Self {
        Self {
            source: lab.party(packet.from).1,
            source_ports: CLIENT,
            destination: packet.to,
            destination_ports: (packet.port, packet.port),
            protocol: packet.protocol,
            icmp_type: 8,
        }
    }

    fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            source_ports: self.destination_ports,
            destination: self.source,
            destination_ports: self.source_ports,
            protocol: self.protocol,
            icmp_type: 0,
        }
    }
}

/// Somebody on the way who put addresses in the place of others, and puts them back in the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Translation {
    by: Interface,
    /// The packet as it came there.
    before: Header,
    /// A balancer that left the client's address in place: replies come back to it although they are not addressed to it.
    preserved: bool,
}

/// The end of a walk.
#[derive(Clone, Debug)]
struct Arrival {
    place: Place,
    header: Header,
    trail: Vec<Translation>,
}

/// Which way a walk goes: security groups know replies (B1.6: stateful), network ACLs don't (B1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    First,
    Reply,
}

struct Walker<'l> {
    lab: &'l Lab,
    kind: Kind,
    /// Who sent the packet, if a network interface did.
    sender: Option<Interface>,
    /// How many subnets it left so far: a loop of routes ends somewhere.
    steps: u32,
}

/// What becomes of a packet; `None` where the description of AWS does not decide it.
pub fn judge(lab: &Lab, packet: &Packet) -> Option<Judgement> {
    let header = Header::of(lab, packet);
    let sender = match packet.from {
        Party::Instance(instance) => Some(Interface::Instance(instance)),
        Party::Internet | Party::OnPremises => None,
    };
    let mut walker = Walker { lab, kind: Kind::First, sender, steps: 0 };
    let forward = match packet.from {
        Party::Instance(instance) => walker.leave(Interface::Instance(instance), header),
        Party::Internet => walker.internet(header, Vec::new()),
        Party::OnPremises => walker.in_by_vpn(header, Vec::new()),
    };
    let arrivals = match forward {
        Ok(arrivals) => arrivals,
        Err(Stop::Unknown) => return None,
        Err(Stop::Dropped(reason)) => {
            return Some(Judgement { forward: Err(reason), reply: Reply::None });
        }
    };
    let mut replies = Vec::new();
    for arrival in &arrivals {
        replies.push(reply(lab, packet, arrival)?);
    }
    let reply = replies.pop()?;
    if replies.iter().any(|other| *other != reply) {
        return None;
    }
    let arrived =
        arrivals.iter().map(|arrival| Arrived { place: arrival.place, source: arrival.header.source }).collect();
    Some(Judgement { forward: Ok(arrived), reply })
}

/// Follows the reply; `None` where nobody can say.
fn reply(lab: &Lab, packet: &Packet, arrival: &Arrival) -> Option<Reply> {
    let mut walker = Walker { lab, kind: Kind::Reply, sender: None, steps: 0 };
    let header = arrival.header.reversed();
    let trail = arrival.trail.clone();
    let back = match arrival.place {
        Place::Appliance(_) => return Some(Reply::None),
        // What is link-local stays so (B1.2).
        Place::Resolver => return Some(Reply::ComesBack),
        Place::Instance(instance) => match trail.split_last() {
            Some((Translation { by, before, preserved: true }, rest)) => {
                walker.through_preserving_balancer(instance, *by, before, rest)
            }
            _ => walker.travel(lab.instances[instance].subnet, header, trail),
        },
        Place::Internet | Place::OverInternet(_) => walker.internet(header, trail),
        Place::OnPremises => walker.in_by_vpn(header, trail),
        // The service's answer enters the VPC at the endpoint, which is in no subnet (B2).
        Place::ThroughEndpoint(_, endpoint) => walker.deliver(lab.gateway_endpoints[endpoint].vpc, header, None, trail),
        Place::Behind(endpoint, node) => {
            walker.travel(lab.interface_endpoints[endpoint].nodes[node].subnet, header, trail)
        }
    };
    let home = match packet.from {
        Party::Instance(instance) => Place::Instance(instance),
        Party::Internet => Place::Internet,
        Party::OnPremises => Place::OnPremises,
    };
    match back {
        Err(Stop::Unknown) => None,
        Err(Stop::Dropped(reason)) => Some(Reply::Lost(reason)),
        Ok(arrivals) => {
            let good = |it: &Arrival| it.place == home && it.header.source == packet.to && it.trail.is_empty();
            match arrivals.iter().all(good) {
                true => Some(Reply::ComesBack),
                false => {
                    let why = format!("it goes astray: {:?}", arrivals[0]);
                    Some(Reply::Lost(Reason { codes: Vec::new(), objects: Vec::new(), why }))
                }
            }
        }
    }
}

impl Walker<'_> {
    /// A packet leaves a network interface: its own source address (B1.4: our senders use no other), its security groups,
    /// then its subnet. B1.6: the groups first, then the network ACL, then the route.
    fn leave(&mut self, interface: Interface, header: Header) -> Walk<Vec<Arrival>> {
        let subnet = interface.subnet(self.lab);
        if self.is_resolver(subnet, &header) {
            return self.resolver(header);
        }
        if self.is_router(subnet, &header) {
            return self.router(subnet, header);
        }
        // B1.4: nobody answers the question for a neighbour that is not there, so that nothing is sent.
        let neighbour = self.lab.subnets[subnet].block.contains(header.destination);
        if neighbour && interface::with_address(self.lab, self.lab.vpc_of(subnet), header.destination).is_none() {
            return lost("B1.1, B1.4: no network interface of the own subnet has the address");
        }
        self.groups_let_out(interface, &header)?;
        self.travel(subnet, header, Vec::new())
    }

    /// From a subnet on: neighbours are met directly (B1.3-6, B1.7), everybody else by the network ACL and the route table.
    fn travel(&mut self, subnet: usize, header: Header, trail: Vec<Translation>) -> Walk<Vec<Arrival>> {
        self.steps += 1;
        if self.steps > 8 {
            return Err(Stop::Unknown);
        }
        let lab = self.lab;
        let vpc = lab.vpc_of(subnet);
        let block = lab.subnets[subnet].block;
        // Whether a gateway or balancer in a subnet meets its neighbours as a host does is not said: unknown where a route
        // holds the whole subnet.
        let translated = trail.last().is_some_and(|last| last.by.address(lab) == header.source);
        if translated && block.contains(header.destination) && self.route(subnet, header.destination)? != Way::Local {
            return Err(Stop::Unknown);
        }
        if block.contains(header.destination) {
            return self.deliver(vpc, header, Some(subnet), trail);
        }
        let way = self.route(subnet, header.destination);
        // B1.4, B1.7: what goes to an interface of the same subnet does not leave it.
        let next = match way {
            Ok(Way::Interface(interface)) => Some(interface),
            Ok(Way::Nat(gateway)) => Some(Interface::Nat(gateway)),
            _ => None,
        };
        if next.is_none_or(|interface| interface.subnet(lab) != subnet) {
            self.acl_lets_out(subnet, &header)?;
        }
        // Whether a route can send a packet back to its sender is not said.
        if next.is_some_and(|interface| interface.address(lab) == header.source) {
            return Err(Stop::Unknown);
        }
        match way? {
            Way::Local => self.deliver(vpc, header, Some(subnet), trail),
            Way::Blackhole(place) => {
                let name = format!("{}Route{place}", self.table_name(subnet));
                dropped("BAD_STATE_ROUTE", &name, "B1.3-5: the target of the route is gone")
            }
            Way::Interface(interface) => self.arrive(interface, header, Some(subnet), trail),
            Way::InternetGateway => self.internet_gateway_out(vpc, header, trail),
            Way::Nat(gateway) => self.nat(gateway, header, subnet, trail),
            Way::Peering(peering) => self.peering(peering, vpc, header, trail),
            Way::VpnGateway => self.vpn_gateway_out(header, trail),
            Way::GatewayEndpoint(endpoint) => self.gateway_endpoint(endpoint, header, trail),
        }
    }

    /// Inside a VPC, to whoever has the address. `from`: the subnet that it comes from; none for what enters the VPC.
    fn deliver(
        &mut self,
        vpc: usize,
        header: Header,
        from: Option<usize>,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        match interface::with_address(self.lab, vpc, header.destination) {
            Some(interface) => self.arrive(interface, header, from, trail),
            // B1.4: no interface, nobody to deliver to. A network ACL on the way may say no before.
            None => lost("B1.1, B1.4: no network interface has the address"),
        }
    }

    /// At a network interface. B1.6: network ACL of its subnet, then its security groups. Nothing says whether the
    /// source/destination check (B1.4) comes before or after them.
    fn arrive(
        &mut self,
        interface: Interface,
        header: Header,
        from: Option<usize>,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let subnet = interface.subnet(self.lab);
        let acl = if from == Some(subnet) { Ok(()) } else { self.acl_lets_in(subnet, &header) };
        let groups = self.groups_let_in(interface, &header);
        let refusal = |code, why: &str| Reason {
            codes: vec![code],
            objects: vec![interface.name(self.lab).into()],
            why: why.into(),
        };
        if let Interface::Idle(_) = interface {
            let reason = refusal("BAD_STATE_ATTACHMENT", "B11: nothing is attached to the network interface");
            return either(reason, [acl, groups]);
        }
        if header.destination != interface.address(self.lab) && interface.is_checked(self.lab) {
            let why = "B1.4: the interface takes nothing that is addressed to others";
            let code = match interface {
                Interface::Instance(_) => "ENI_SOURCE_DEST_CHECK_RESTRICTION",
                _ => "ENI_ADDRESS_RESTRICTION",
            };
            return either(refusal(code, why), [acl, groups]);
        }
        acl?;
        groups?;
        let here = |place| Ok(vec![Arrival { place, header, trail: trail.clone() }]);
        match interface {
            Interface::Instance(instance) if header.destination == self.lab.instances[instance].address => {
                here(Place::Instance(instance))
            }
            Interface::Instance(instance) => here(Place::Appliance(instance)),
            _ if self.kind == Kind::Reply => self.translate_back(interface, trail),
            Interface::Idle(_) | Interface::Nat(_) => lost("B7: nothing that comes from outside passes a NAT gateway"),
            Interface::Endpoint(endpoint, node) => self.interface_endpoint(endpoint, node, header, trail),
            Interface::Balancer(balancer, node) => self.balancer(balancer, node, header, false, trail),
        }
    }

    /// A reply came back to somebody who translated the packet: it goes on towards whom it came from.
    fn translate_back(&mut self, interface: Interface, mut trail: Vec<Translation>) -> Walk<Vec<Arrival>> {
        let Some(mut last) = trail.pop() else {
            return lost("a reply to somebody who sent nothing");
        };
        if last.by != interface {
            return lost("a reply to somebody else than who sent");
        }
        // Between a balancer and the endpoint before it there is no subnet: PrivateLink carries it (B4).
        if let Some(Translation { by: Interface::Endpoint(..), .. }) = trail.last() {
            last = trail.pop().expect("looked at above");
        }
        self.travel(last.by.subnet(self.lab), last.before.reversed(), trail)
    }

    /// B1.2: the VPC's base+2 and its link-local twin, reachable from any interface without a route and not filtered.
    fn is_resolver(&self, subnet: usize, header: &Header) -> bool {
        let vpc = &self.lab.vpcs[self.lab.vpc_of(subnet)];
        header.destination == vpc.blocks[0].nth(2) || header.destination == Ipv4Addr::new(169, 254, 169, 253)
    }

    /// B1.1: base+1 of each subnet is the router's.
    fn is_router(&self, subnet: usize, header: &Header) -> bool {
        let vpc = self.lab.vpc_of(subnet);
        self.lab.subnets.iter().any(|it| it.vpc == vpc && it.block.nth(1) == header.destination)
    }

    /// B1.6, B1.7: no filter sees it. B1.4, B12-6: the router answers nothing, as far as anybody knows; what another route
    /// for its whole subnet makes of it, nobody does.
    fn router(&self, subnet: usize, header: Header) -> Walk<Vec<Arrival>> {
        match self.route(subnet, header.destination)? {
            Way::Local => lost("B1.4: the router does not answer"),
            _ => Err(Stop::Unknown),
        }
    }

    fn resolver(&self, header: Header) -> Walk<Vec<Arrival>> {
        match (header.protocol, header.destination_ports) {
            (Protocol::Tcp | Protocol::Udp, (53, 53)) => {
                Ok(vec![Arrival { place: Place::Resolver, header, trail: Vec::new() }])
            }
            _ => Err(Stop::Unknown),
        }
    }
}
