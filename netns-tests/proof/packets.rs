//! Packets worth sending in a lab: to what is there, to what is beside it, and to both sides of every border.
//!
//! Many are thought up; the reference says what becomes of each; of every outcome that occurs some are taken, in turn, so
//! that about half arrive and rare refusals are not drowned by common ones.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::generate::PORTS;
use super::lab::*;
use super::published;
use super::random::Random;
use super::reference::{Judgement, Place, Reply, judge};

/// A packet and what the reference says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub packet: Packet,
    pub judgement: Judgement,
}

/// How many packets are thought up for each that is taken.
const CANDIDATES: usize = 24;

/// Packets of a lab whose addresses are all known.
pub fn packets(lab: &Lab, random: &mut Random, count: usize) -> Vec<Pair> {
    let mut seen = BTreeSet::new();
    let mut arriving: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    let mut refused: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    let targets = targets(lab);
    for _ in 0..count * CANDIDATES {
        let packet = candidate(lab, &targets, random);
        let link_local = packet.to.octets()[0] == 169 && !matches!(packet.from, Party::Instance(_));
        if lab.party(packet.from).1 == packet.to || link_local || !seen.insert(packet) {
            continue;
        }
        let Some(judgement) = judge(lab, &packet) else { continue };
        let (kind, limit) = kind(lab, &packet, &judgement);
        let of = if judgement.forward.is_ok() { &mut arriving } else { &mut refused };
        let of = of.entry(kind).or_default();
        if of.len() < limit {
            of.push(Pair { packet, judgement });
        }
    }
    let mut pairs = in_turn(arriving, count.div_ceil(2));
    pairs.extend(in_turn(refused, count - pairs.len().min(count)));
    pairs.sort_by_key(|pair| pair.packet);
    pairs
}

/// One of each kind, then a second of each, and so on.
fn in_turn(mut kinds: BTreeMap<String, Vec<Pair>>, count: usize) -> Vec<Pair> {
    let mut taken = Vec::new();
    while taken.len() < count && !kinds.is_empty() {
        for of_kind in kinds.values_mut() {
            if taken.len() < count {
                taken.extend(of_kind.pop());
            }
        }
        kinds.retain(|_, of_kind| !of_kind.is_empty());
    }
    taken
}

/// What a packet is taken as one of, and how many such packets a lab needs: few of what is always the same.
fn kind(lab: &Lab, packet: &Packet, judgement: &Judgement) -> (String, usize) {
    let outcome = outcome(lab, packet, judgement);
    let protocol = packet.protocol.name();
    match &judgement.forward {
        Ok(arrived) if arrived[0].place == Place::Resolver => (outcome, 2),
        Ok(arrived) => {
            let translated = arrived[0].source != lab.party(packet.from).1;
            let limit = match (arrived[0].place, &judgement.reply) {
                (Place::OverInternet(_) | Place::ThroughEndpoint(..), Reply::ComesBack) => 2,
                _ => usize::MAX,
            };
            (format!("{outcome} {protocol} {translated}"), limit)
        }
        Err(reason) if reason.why.contains("no network interface") => (outcome, 8),
        Err(reason) if reason.codes.is_empty() => (outcome, 3),
        Err(_) => (format!("{outcome} {protocol}"), usize::MAX),
    }
}

/// The kind of outcome: what a table of results counts.
pub fn outcome(lab: &Lab, packet: &Packet, judgement: &Judgement) -> String {
    let arrived = match &judgement.forward {
        Err(reason) if reason.codes.is_empty() => return format!("dropped without a code: {}", reason.why),
        Err(reason) => return format!("dropped: {}", reason.codes.join(" or ")),
        Ok(arrived) => arrived,
    };
    let place = match arrived.first().map(|arrived| arrived.place) {
        Some(Place::Instance(instance)) => way_to(lab, packet, instance),
        Some(Place::Appliance(_)) => "at an appliance",
        Some(Place::Internet) => "at the internet",
        Some(Place::OnPremises) => "on premises",
        Some(Place::Resolver) => "at the resolver",
        Some(Place::ThroughEndpoint(..)) => "through a gateway endpoint",
        Some(Place::OverInternet(_)) => "at a service over the internet",
        Some(Place::Behind(..)) => "through an interface endpoint",
        None => "nowhere",
    };
    match &judgement.reply {
        Reply::ComesBack => format!("arrives {place}, answered"),
        Reply::None => format!("arrives {place}, which does not answer"),
        Reply::Lost(reason) if reason.codes.is_empty() => format!("arrives {place}, the answer is lost"),
        Reply::Lost(reason) => format!("arrives {place}, the answer is dropped: {}", reason.codes.join(" or ")),
    }
}

fn way_to(lab: &Lab, packet: &Packet, instance: usize) -> &'static str {
    let endpoints = || lab.interface_endpoints.iter().flat_map(|it| &it.nodes);
    let balancers = || lab.balancers.iter().flat_map(|it| &it.nodes);
    match packet.to {
        to if to == lab.instances[instance].address => "at an instance",
        to if endpoints().any(|node| node.address == Some(to)) => "at an instance through an endpoint service",
        to if balancers().any(|node| node.address == to) => "at an instance through a balancer",
        _ => "at an instance by its public address",
    }
}

/// Addresses that have something in common, so that each kind is met as often as the other.
type Targets = Vec<Vec<Ipv4Addr>>;

fn targets(lab: &Lab) -> Targets {
    let mut kinds: Targets = Vec::new();
    let instances: Vec<Ipv4Addr> = lab.instances.iter().map(|it| it.address).collect();
    // Most conversations are between instances.
    kinds.extend([instances.clone(), instances.clone(), instances]);
    let endpoints = lab.interface_endpoints.iter().flat_map(|it| &it.nodes);
    let endpoints: Vec<Ipv4Addr> = endpoints.filter_map(|node| node.address).collect();
    kinds.extend([endpoints.clone(), endpoints]);
    let balancers: Vec<Ipv4Addr> = lab.balancers.iter().flat_map(|it| &it.nodes).map(|node| node.address).collect();
    kinds.extend([balancers.clone(), balancers]);
    let partners = lab.interface_endpoints.iter().filter(|it| matches!(it.service, EndpointService::Balancer(_)));
    kinds.push(partners.flat_map(|it| &it.nodes).filter_map(|node| node.address).collect());
    if lab.vpcs.iter().any(|vpc| vpc.internet_gateway) {
        kinds.push(vec![INTERNET, INTERNET, INTERNET, next(INTERNET), Ipv4Addr::new(203, 0, 113, 250)]);
        let public = lab.instances.iter().filter_map(|it| it.public.address());
        kinds.push(public.chain(lab.nat_gateways.iter().filter_map(|it| it.elastic)).collect());
    }
    if let Some(vpn) = &lab.vpn {
        kinds.push(vec![vpn.address, vpn.address, vpn.routes[0].nth(11), vpn.routes[0].last()]);
    }
    kinds.push(services(lab));
    kinds.push(lab.vpcs.iter().map(|vpc| vpc.blocks[0].nth(2)).chain([Ipv4Addr::new(169, 254, 169, 253)]).collect());
    kinds.push(borders(lab));
    kinds.push(nowhere(lab));
    kinds.retain(|kind| !kind.is_empty());
    kinds
}

fn next(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address).wrapping_add(1))
}

fn before(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address).wrapping_sub(1))
}

/// First and last addresses of some of the blocks, and inside the ones that a route shadows.
fn services(lab: &Lab) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    for service in [PublicService::S3, PublicService::DynamoDb] {
        let blocks = published::prefixes(service);
        for place in [0, blocks.len() / 3, blocks.len() / 2, blocks.len() - 1] {
            addresses.extend([blocks[place].nth(1), blocks[place].last()]);
        }
    }
    for route in lab.tables.iter().flat_map(|table| &table.routes) {
        if let Destination::Block(block) = route.destination
            && is_published(block.base)
        {
            addresses.extend([block.nth(1), block.last(), next(block.last())]);
        }
    }
    addresses.retain(|address| is_published(*address));
    addresses
}

fn is_published(address: Ipv4Addr) -> bool {
    [PublicService::S3, PublicService::DynamoDb]
        .into_iter()
        .any(|service| published::prefixes(service).iter().any(|block| block.contains(address)))
}

/// On both sides of the ends of subnets, VPCs, routes and of what rules name.
fn borders(lab: &Lab) -> Vec<Ipv4Addr> {
    let mut blocks: Vec<Block> = lab.subnets.iter().map(|it| it.block).collect();
    blocks.extend(lab.vpcs.iter().flat_map(|vpc| &vpc.blocks).copied());
    for route in lab.tables.iter().flat_map(|table| &table.routes) {
        match route.destination {
            Destination::Block(block) if block.length > 0 => blocks.push(block),
            Destination::Block(_) => {}
            Destination::List(list) => blocks.extend(&lab.lists[list].blocks),
        }
    }
    let ends = |block: Block| [before(block.base), block.base, block.nth(1), block.last(), next(block.last())];
    let mut addresses: Vec<Ipv4Addr> = blocks.into_iter().flat_map(ends).collect();
    // What is published has its own kind, and what a name server or the instance metadata service would answer, none.
    addresses.retain(|address| !is_published(*address) && address.octets()[0] != 169);
    addresses
}

/// Addresses that nobody has, and network interfaces behind which nobody is.
fn nowhere(lab: &Lab) -> Vec<Ipv4Addr> {
    let mut addresses: Vec<Ipv4Addr> = lab.idle_interfaces.iter().map(|it| it.address).collect();
    addresses.extend(lab.nat_gateways.iter().map(|it| it.address));
    addresses.extend(lab.subnets.iter().map(|it| before(before(it.block.last()))));
    addresses.extend(
        lab.peerings.iter().flat_map(|it| [it.requester, it.accepter]).map(|vpc| lab.vpcs[vpc].blocks[0].nth(77)),
    );
    let odd = [(100, 64, 0, 7), (192, 168, 200, 9), (8, 8, 8, 8), (10, 255, 0, 1), (169, 254, 168, 9), (172, 16, 9, 9)];
    addresses.extend(odd.map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d)));
    addresses
}

fn candidate(lab: &Lab, targets: &Targets, random: &mut Random) -> Packet {
    let from = *random.pick(&lab.parties());
    let kind = random.pick(targets);
    let to = *random.pick(kind);
    let protocol = match random.below(100) {
        0..55 => Protocol::Tcp,
        55..80 => Protocol::Udp,
        _ => Protocol::Icmp,
    };
    let resolver = lab.vpcs.iter().any(|vpc| vpc.blocks[0].nth(2) == to) || to.octets()[..2] == [169, 254];
    let listener = listener_before(lab, to, random);
    let (protocol, port) = match (protocol, listener) {
        (Protocol::Icmp, _) => (protocol, 0),
        (_, Some(listener)) if random.chance(70) => (
            match listener.protocol {
                ListenerProtocol::Tcp => Protocol::Tcp,
                ListenerProtocol::Udp => Protocol::Udp,
                ListenerProtocol::TcpUdp => protocol,
            },
            listener.port,
        ),
        _ => (protocol, port(protocol, resolver, to, random)),
    };
    Packet { from, to, protocol, port }
}

/// A listener behind the address, which may be a balancer's or an endpoint's.
fn listener_before<'l>(lab: &'l Lab, to: Ipv4Addr, random: &mut Random) -> Option<&'l Listener> {
    let own = lab.balancers.iter().find(|it| it.nodes.iter().any(|node| node.address == to));
    let through = lab.interface_endpoints.iter().find(|it| it.nodes.iter().any(|node| node.address == Some(to)));
    let behind = match (through.map(|it| it.service), own) {
        (Some(EndpointService::Balancer(balancer)), _) => &lab.balancers[balancer],
        (_, own) => own?,
    };
    Some(random.pick(&behind.listeners))
}

fn port(protocol: Protocol, resolver: bool, to: Ipv4Addr, random: &mut Random) -> u16 {
    match protocol {
        Protocol::Icmp => 0,
        _ if resolver => 53,
        Protocol::Tcp if is_published(to) => *random.pick(&[80, 443]),
        Protocol::Udp if is_published(to) => 443,
        _ if random.chance(60) => *random.pick(&[80, 443, 443, 5000, 8080]),
        _ => *random.pick(&PORTS),
    }
}
