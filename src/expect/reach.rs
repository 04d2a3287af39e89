//! What a sender can reach at all: one packet for each class of packets that the tables can't tell apart.
//!
//! **Purpose.** `only: [S3, resolver]` is a claim about all packets. Destinations are cut at every border of the compiled
//! tables ([`Tables::borders`]), ports likewise; the first packet of each class is walked, and equal neighbours are put
//! together again, so that a failure names the whole range that leads elsewhere.
//!
//! **Limits.** TCP, UDP and ICMP echo from an ephemeral port. What no kernel sends into a network (its own addresses, 127/8,
//! multicast) is left out. Where a balancer chooses, several conversations of a class are walked, since each may meet
//! another target.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use super::judge::{Decider, Failure, router};
use super::meaning::{Sender, TIME, Thing};
use super::scene::Scene;
use super::way::Way;
use super::written::Protocol;
use crate::dataplane::{DropReason, Header, LinkIndex, ObjectIndex, Path, Tables};

/// Packets that all end alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The link that it leaves by.
    pub link: LinkIndex,
    /// From this address.
    pub source: Ipv4Addr,
    /// To this address …
    pub first: Ipv4Addr,
    /// … up to this one.
    pub last: Ipv4Addr,
    /// Protocol.
    pub protocol: Protocol,
    /// First and last port, where the protocol has ports.
    pub ports: Option<(u16, u16)>,
    /// How they end.
    ending: Ending,
}

impl Class {
    /// The packet that stands for them, as its destination and port.
    pub fn representative(&self) -> (Ipv4Addr, Option<u16>) {
        (self.first, self.ports.map(|(first, _)| first))
    }

    /// `10.0.2.0-10.0.2.255 tcp 1-65535`.
    pub fn text(&self) -> String {
        let range = |first: String, last: String| if first == last { first } else { format!("{first}-{last}") };
        let addresses = range(self.first.to_string(), self.last.to_string());
        let ports = self.ports.map(|(first, last)| format!(" {}", range(first.to_string(), last.to_string())));
        format!("{addresses} {}{}", self.protocol.name(), ports.unwrap_or_default())
    }
}

/// How the packets of a class end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// By way of a listed thing.
    Listed(usize),
    /// At Amazon Time Sync, which need not be listed.
    Time,
    /// Delivered by way of nothing that is listed, to that.
    Elsewhere(Option<ObjectIndex>),
    /// Not delivered.
    Dropped(DropReason, Option<ObjectIndex>),
}

/// Offending classes that a failure lists; the rest is counted.
const SHOWN: usize = 8;
/// Conversations that are walked where a balancer chooses.
const BALANCED: u16 = 32;
/// Hops that say where a packet goes and never where it ends.
const ON_THE_WAY: [&str; 7] = ["route table", "route", "subnet", "VPC", "security group", "network ACL", "resolver"];

impl Scene {
    /// All that a guest can send, in as few classes as the tables allow.
    ///
    /// # Errors
    /// Something that is not listed can be reached, or something that is listed can't.
    pub fn check_only(&self, from: &Sender, things: &[Thing]) -> Result<Vec<Class>, Failure> {
        let mut survey = Survey::new(self, things);
        let classes = survey.of(from);
        let elsewhere: Vec<&Class> = classes.iter().filter(|it| matches!(it.ending, Ending::Elsewhere(_))).collect();
        if let [first, others @ ..] = elsewhere.as_slice() {
            return Err(self.leak(from, first, others));
        }
        match survey.unreached() {
            Some(failure) => Err(failure),
            None => Ok(classes),
        }
    }

    fn leak(&self, from: &Sender, first: &Class, others: &[&Class]) -> Failure {
        let reached = |class: &Class| match class.ending {
            Ending::Elsewhere(Some(object)) => format!("{} reaches {}", class.text(), self.shown(object)),
            _ => format!("{} is delivered", class.text()),
        };
        let (destination, port) = first.representative();
        let header = Header::first(first.protocol.name(), first.source, destination, port);
        let decider = header.and_then(|header| router(&self.way(first.link, header)));
        let sender = if from.sources.len() > 1 { format!(" (from {})", first.source) } else { String::new() };
        let mut failure = Failure::new(format!("{}{sender}, which is not listed", reached(first)), decider);
        failure.details = others.iter().take(SHOWN).map(|class| reached(class)).collect();
        if others.len() > SHOWN {
            failure.details.push(format!("… and {} more", others.len() - SHOWN));
        }
        failure
    }

    /// An object as people know it: a guest by its name.
    fn shown(&self, object: ObjectIndex) -> String {
        let object = self.tables.object(object);
        let guest =
            self.guests.iter().filter_map(|name| self.sender(name)).find(|guest| guest.ids.contains(&object.id));
        match guest {
            Some(guest) => guest.name,
            None if object.name.is_empty() => object.id.clone(),
            None => object.name.clone(),
        }
    }
}

/// Walks classes and remembers which listed things were met.
struct Survey<'a> {
    scene: &'a Scene,
    things: &'a [Thing],
    /// Which listed things an object is.
    listed: HashMap<ObjectIndex, Vec<usize>>,
    /// Listed things that a packet reached.
    reached: Vec<bool>,
    /// How packets to a listed thing were dropped.
    refused: Vec<BTreeMap<DropReason, Refusal>>,
}

/// Drops of packets to a listed thing, for one reason.
struct Refusal {
    count: usize,
    is_ping: bool,
    /// The first packet.
    header: Header,
    decider: Option<Decider>,
}

impl<'a> Survey<'a> {
    fn new(scene: &'a Scene, things: &'a [Thing]) -> Self {
        let mut listed: HashMap<ObjectIndex, Vec<usize>> = HashMap::new();
        for (number, object) in scene.tables.objects.iter().enumerate() {
            let is = things.iter().enumerate().filter(|(_, thing)| thing.is(&object.id));
            let is: Vec<usize> = is.map(|(thing, _)| thing).collect();
            if !is.is_empty() {
                listed.insert(ObjectIndex(number as u32), is);
            }
        }
        Self {
            scene,
            things,
            listed,
            reached: vec![false; things.len()],
            refused: things.iter().map(|_| BTreeMap::new()).collect(),
        }
    }

    fn of(&mut self, from: &Sender) -> Vec<Class> {
        let tables = std::sync::Arc::clone(&self.scene.tables);
        let borders = tables.borders();
        let ports: Vec<(u16, u16)> = borders.ports().collect();
        let mut classes = Vec::new();
        for (link, source) in &from.sources {
            let mut blocks: Vec<(Ipv4Addr, Ipv4Addr, Profile)> = Vec::new();
            for (first, last) in borders.addresses().filter(|(first, _)| leaves(from, *first)) {
                let profile = self.profile(*link, *source, first, &ports);
                match blocks.last_mut() {
                    Some((_, end, other)) if *other == profile && follows(*end, first) => *end = last,
                    _ => blocks.push((first, last, profile)),
                }
            }
            classes.extend(blocks.into_iter().flat_map(|(first, last, profile)| {
                let class = move |(protocol, ports, ending)| Class {
                    link: *link,
                    source: *source,
                    first,
                    last,
                    protocol,
                    ports,
                    ending,
                };
                profile.into_iter().map(class)
            }));
        }
        classes
    }

    /// What becomes of all that is sent to one address.
    fn profile(&mut self, from: LinkIndex, source: Ipv4Addr, to: Ipv4Addr, ports: &[(u16, u16)]) -> Profile {
        let mut profile = Profile::new();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for (first, last) in ports {
                let ending = self.ending(from, source, to, protocol, Some(*first));
                match profile.last_mut() {
                    Some((standing, Some((_, end)), same)) if *standing == protocol && *same == ending => *end = *last,
                    _ => profile.push((protocol, Some((*first, *last)), ending)),
                }
            }
        }
        profile.push((Protocol::Icmp, None, self.ending(from, source, to, Protocol::Icmp, None)));
        profile
    }

    fn ending(
        &mut self,
        from: LinkIndex,
        source: Ipv4Addr,
        to: Ipv4Addr,
        protocol: Protocol,
        port: Option<u16>,
    ) -> Ending {
        let Some(header) = Header::first(protocol.name(), source, to, port) else {
            return Ending::Dropped(DropReason::BadTables, None);
        };
        let path = self.scene.walk(from, header);
        let ending = self.judge(&path, protocol, header);
        if !path.hops.iter().any(|hop| hop.kind == "load balancer") {
            return ending;
        }
        let others = (1..BALANCED).map(|number| Header { source_port: header.source_port + number, ..header });
        let others: Vec<Ending> =
            others.map(|header| self.judge(&self.scene.walk(from, header), protocol, header)).collect();
        others.into_iter().find(|other| matches!(other, Ending::Elsewhere(_))).unwrap_or(ending)
    }

    fn judge(&mut self, path: &Path, protocol: Protocol, header: Header) -> Ending {
        let met = path.hops.iter().flat_map(|hop| [hop.object, hop.rule]).flatten();
        let mut things: Vec<usize> = met.filter_map(|object| self.listed.get(&object)).flatten().copied().collect();
        things.sort_unstable();
        if let Some(reason) = path.dropped.filter(|_| path.delivered.is_none()) {
            for thing in things {
                let refusal = self.refused[thing].entry(reason).or_insert_with(|| {
                    let decider = Way::of(path, &self.scene.tables).last().map(Decider::from);
                    Refusal { count: 0, is_ping: protocol == Protocol::Icmp, header, decider }
                });
                refusal.count += 1;
            }
            return Ending::Dropped(reason, path.hops.last().and_then(|hop| hop.object));
        }
        for thing in &things {
            self.reached[*thing] = true;
        }
        match (things.first(), end(path, &self.scene.tables)) {
            (Some(thing), _) => Ending::Listed(*thing),
            (None, Some(object)) if self.scene.tables.object(object).id == TIME => Ending::Time,
            (None, end) => Ending::Elsewhere(end),
        }
    }

    /// The first listed thing that nothing reaches, and what it says instead. What it says least often comes first, since it is
    /// no news that all other ports are closed; of ping it is no news either.
    fn unreached(&self) -> Option<Failure> {
        let thing = self.reached.iter().position(|reached| !reached)?;
        let name = &self.things.get(thing)?.name;
        let mut refusals: Vec<(&DropReason, &Refusal)> = self.refused.get(thing)?.iter().collect();
        refusals.sort_by_key(|(_, refusal)| (refusal.is_ping, refusal.count));
        let decider = refusals.first().and_then(|(_, refusal)| refusal.decider.clone());
        let mut failure = Failure::new(format!("{name} is listed, but nothing that is sent reaches it"), decider);
        let told =
            |(reason, refusal): &(&DropReason, &Refusal)| format!("{} is dropped: {}", refusal.header, reason.code());
        failure.details = refusals.iter().take(SHOWN).map(told).collect();
        Some(failure)
    }
}

/// What becomes of packets to one address: by protocol and ports, equal neighbours in one.
type Profile = Vec<(Protocol, Option<(u16, u16)>, Ending)>;

/// The object that a delivered packet ends at: the last one that people gave a name, or the last. The first of several is where
/// it began.
fn end(path: &Path, tables: &Tables) -> Option<ObjectIndex> {
    let ends = path.hops.iter().rev().filter(|hop| !ON_THE_WAY.contains(&hop.kind));
    let mut objects: Vec<ObjectIndex> = ends.filter_map(|hop| hop.object).collect();
    if objects.len() > 1 {
        objects.pop();
    }
    objects.iter().find(|object| !tables.object(**object).name.is_empty()).or(objects.first()).copied()
}

/// Whether a kernel sends such packets into the network at all.
fn leaves(from: &Sender, destination: Ipv4Addr) -> bool {
    let own = from.sources.iter().any(|(_, address)| *address == destination);
    let here = destination.is_loopback() || destination.octets()[0] == 0;
    !(own || here || destination.is_multicast() || destination.is_broadcast())
}

fn follows(end: Ipv4Addr, next: Ipv4Addr) -> bool {
    u32::from(end).checked_add(1) == Some(u32::from(next))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::template::{Files, LoadOptions, ReadError, load};

    struct Example;

    impl Files for Example {
        fn read(&self, path: &Path) -> Result<String, ReadError> {
            match path.to_str() {
                Some("first.yaml") => Ok(include_str!("../../examples/first.yaml").into()),
                Some("lab.yaml") => Ok(include_str!("../../examples/private-service/lab.yaml").into()),
                Some("provider.yaml") => Ok(include_str!("../../examples/private-service/provider.yaml").into()),
                Some("consumer.yaml") => Ok(include_str!("../../examples/private-service/consumer.yaml").into()),
                Some("edges.yaml") => Ok(EDGES.into()),
                _ => Err(ReadError::NotFound),
            }
        }
    }

    /// Gateways, a peer, and filters whose borders are nobody else's.
    const EDGES: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, MapPublicIpOnLaunch: true}}
  Private: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  PublicRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PublicDefault: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}}
  PublicAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicRoutes}}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt Address.AllocationId}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Default: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  Association: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Private, RouteTableId: !Ref Routes}}
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  In: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: 6, RuleAction: allow, CidrBlock: 10.0.0.0/15, PortRange: {From: 79, To: 60000}}}
  Deny: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 90, Protocol: -1, RuleAction: deny, Egress: true, CidrBlock: 198.51.100.8/29}}
  Out: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, RuleAction: allow, Egress: true, CidrBlock: 0.0.0.0/0}}
  AclAssociation: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref Private, NetworkAclId: !Ref Acl}}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: web
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 443, CidrIp: 10.0.2.0/25}, {IpProtocol: icmp, FromPort: 8, ToPort: -1, CidrIp: 0.0.0.0/0}]
      SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 53, ToPort: 8080, CidrIp: 0.0.0.0/1}, {IpProtocol: \"-1\", CidrIp: 10.9.0.0/17}]
  Peer: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}
  PeerSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Peer, CidrBlock: 10.9.1.0/24}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Peer}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 10.9.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Public, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref Web], ImageId: ami-0}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Private, PrivateIpAddress: 10.0.2.10, ImageId: ami-0}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref PeerSubnet, PrivateIpAddress: 10.9.1.10, ImageId: ami-0}}
";

    fn scene(file: &str) -> Scene {
        Scene::new(&load(&Example, Path::new(file), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}")))
    }

    /// What a packet and its answer meet, without their own addresses.
    type Shape = (Vec<(&'static str, Option<ObjectIndex>, Option<ObjectIndex>)>, [Option<DropReason>; 2]);

    fn shape(scene: &Scene, from: LinkIndex, header: Header) -> Shape {
        let path = scene.walk(from, header);
        let hops = path.hops.iter().chain(&path.back_hops);
        (hops.map(|hop| (hop.kind, hop.object, hop.rule)).collect(), [path.dropped, path.back_dropped])
    }

    proptest! {
        /// Whatever is sent meets the same objects as the packet that stands for its class.
        #[test]
        fn a_class_is_uniform(file in prop::sample::select(vec!["first.yaml", "lab.yaml", "edges.yaml"]), who in any::<prop::sample::Index>(), border in any::<prop::sample::Index>(), beside in -3i64..=3, anywhere in prop::option::of(any::<u32>()), port in prop::sample::select(vec![1u16, 52, 53, 54, 79, 80, 81, 442, 443, 444, 8080, 8081, 60000, 60001, 65535]), protocol in prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Icmp])) {
            let scene = scene(file);
            let senders: Vec<Sender> = scene.guests.iter().filter_map(|name| scene.sender(name)).collect();
            let (link, source) = who.get(&senders).sources[0];
            let borders = scene.tables.borders();
            let classes: Vec<(Ipv4Addr, Ipv4Addr)> = borders.addresses().collect();
            let near = i64::from(u32::from(border.get(&classes).0)) + beside;
            let address = Ipv4Addr::from(anywhere.unwrap_or(u32::try_from(near).unwrap_or(0)));
            let (class, _) = classes.iter().find(|(first, last)| (first..=last).contains(&&address)).unwrap();
            let (of_port, _) = borders.ports().find(|(first, last)| (first..=last).contains(&&port)).unwrap();
            let header = |address, port| Header::first(protocol.name(), source, address, Some(port)).unwrap();
            prop_assert_eq!(
                shape(&scene, link, header(address, port)),
                shape(&scene, link, header(*class, of_port)),
                "{} {}", address, port
            );
        }
    }
}
