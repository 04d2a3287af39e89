//! The lab of the stories, made by hand.
//!
//! ```text
//! VPC consumer 10.0.0.0/16                          VPC provider 10.0.0.0/16
//!   subnet a 10.0.1.0/24  app .10  peer .11           subnet p 10.0.1.0/24  web .20  NLB node .100
//!   subnet b 10.0.2.0/24  db .10
//!            endpoint to provider .50, to S3 .60
//! services: resolver, s3 (52.216.0.0/15 behind the gateway endpoint of subnet a's table)
//! ```

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::dataplane::flow::Timeouts;
use crate::dataplane::tables::*;
use crate::dataplane::{Dataplane, DropReason, Outbox, Verdict};
use crate::packet::{Mac, Notation, Packet, Parsed, VNET_HEADER_LEN, parse};

pub const S3_LINK: LinkIndex = LinkIndex(1);
pub const APP: LinkIndex = LinkIndex(2);
pub const PEER: LinkIndex = LinkIndex(3);
pub const DB: LinkIndex = LinkIndex(4);
pub const WEB: LinkIndex = LinkIndex(5);
pub const WEB2: LinkIndex = LinkIndex(6);
pub const CHECKS: LinkIndex = LinkIndex(7);

pub const GATEWAY_ENDPOINT: EndpointIndex = EndpointIndex(0);

const NAMES: [&str; 8] = ["resolver", "s3", "app", "peer", "db", "web", "web2", "checks"];

fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

/// The MAC of the interface (or router) with that address in a VPC.
pub fn mac(vpc: u8, address: &str) -> Mac {
    let [a, b, c, d] = ip(address).octets();
    [0x02 | vpc << 4, if d == 1 { 1 } else { 0 }, a, b, c, d]
}

/// A dataplane over the tables of [`tables`], with the clock in the test's hand.
pub struct Lab {
    pub dataplane: Dataplane,
    pub now: Duration,
    /// What went out beside the last frame that was forwarded.
    sent_beside: Vec<String>,
}

/// Whole effect of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Left as this text (`LINK: …`) with these MAC addresses (source, destination).
    Sent(String, Mac, Mac),
    /// Answered on the same link.
    Answered(String),
    /// Kept, while that was sent, in the notation of where it went.
    Kept(Vec<String>),
    /// Dropped.
    Dropped(DropReason),
}

impl Lab {
    pub fn new() -> Self {
        Self::with(tables())
    }

    pub fn with(tables: Tables) -> Self {
        assert_eq!(tables.validate(), Ok(()));
        Self {
            dataplane: Dataplane::new(Arc::new(tables), [1, 2, 3, 4]),
            now: Duration::from_secs(1),
            sent_beside: Vec::new(),
        }
    }

    /// A guest sends what its kernel would: from its own MAC to the neighbour's or the router's.
    #[track_caller]
    pub fn send(&mut self, text: &str) -> Effect {
        let notation: Notation = text.parse().expect("a packet");
        let link = link(&notation.link);
        let (source_mac, destination_mac) = self.macs(link, notation.destination);
        self.send_between(text, source_mac, destination_mac)
    }

    #[track_caller]
    pub fn send_between(&mut self, text: &str, source_mac: Mac, destination_mac: Mac) -> Effect {
        let notation: Notation = text.parse().expect("a packet");
        let mut frame = notation.frame(source_mac, destination_mac);
        self.send_frame(link(&notation.link), &mut frame)
    }

    #[track_caller]
    pub fn send_frame(&mut self, ingress: LinkIndex, frame: &mut [u8]) -> Effect {
        let mut outbox = Outbox::default();
        let before = self.dataplane.next_drop();
        let verdict = self.dataplane.handle(ingress, Some(&[0; VNET_HEADER_LEN]), frame, self.now, &mut outbox);
        let noted = self.dataplane.next_drop() - before;
        match verdict {
            Verdict::Forward { link, vnet } => {
                assert_eq!((noted, vnet), (0, [0; VNET_HEADER_LEN]));
                self.sent_beside = texts(&outbox);
                let packet = ipv4(frame);
                assert_valid_checksums(frame);
                let text = Notation::new(NAMES[link.at()], &packet).to_string();
                Effect::Sent(text, packet.source_mac, packet.destination_mac)
            }
            Verdict::Answer => {
                assert_eq!((noted, outbox.frames.len()), (0, 1));
                let (link, frame) = outbox.frames.remove(0);
                assert_eq!(link, ingress, "answers go back");
                Effect::Answered(match parse(&frame) {
                    Ok(Parsed::Ipv4(packet)) => Notation::new(NAMES[link.at()], &packet).to_string(),
                    other => format!("{other:?}"),
                })
            }
            Verdict::Kept => {
                assert_eq!(noted, 0);
                Effect::Kept(texts(&outbox))
            }
            Verdict::Drop(reason) => {
                assert_eq!((noted, outbox.frames.len()), (1, 0), "a drop is noted, once, and sends nothing");
                Effect::Dropped(reason)
            }
        }
    }

    /// Sends and expects it to leave as that text.
    #[track_caller]
    pub fn passes(&mut self, sent: &str, left: &str) {
        match self.send(sent) {
            Effect::Sent(text, ..) => assert_eq!(text, left, "{sent}"),
            other => panic!("{sent}: {other:?}"),
        }
        assert!(self.sent_beside.is_empty(), "{sent}: {:?}", self.sent_beside);
    }

    /// Sends and expects it to leave as that text; what else is sent.
    #[track_caller]
    pub fn passes_with(&mut self, sent: &str, left: &str) -> Vec<String> {
        match self.send(sent) {
            Effect::Sent(text, ..) => assert_eq!(text, left, "{sent}"),
            other => panic!("{sent}: {other:?}"),
        }
        std::mem::take(&mut self.sent_beside)
    }

    #[track_caller]
    pub fn drops(&mut self, sent: &str, reason: DropReason) {
        assert_eq!(self.send(sent), Effect::Dropped(reason), "{sent}");
    }

    pub fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for _ in 0..crate::dataplane::flow::FlowTable::SHARDS {
            self.dataplane.tick(self.now, &mut Outbox::default());
        }
    }

    pub fn macs(&self, link: LinkIndex, destination: Ipv4Addr) -> (Mac, Mac) {
        let tables = self.dataplane.tables();
        let own = tables.links[link.at()].mac;
        let Behind::Interface(index) = tables.links[link.at()].behind else {
            return (own, OUTSIDE_ROUTER_MAC);
        };
        let interface = &tables.interfaces[index.at()];
        let subnet = &tables.subnets[interface.subnet.at()];
        let owner = tables.vpcs[interface.vpc.at()].addresses.get(&destination);
        let neighbour = owner.map(|owner| &tables.interfaces[owner.at()]).filter(|it| it.subnet == interface.subnet);
        (own, neighbour.map_or(subnet.router_mac, |it| it.mac))
    }
}

/// What is to be sent, checksums proved.
pub fn texts(outbox: &Outbox) -> Vec<String> {
    let made = outbox.frames.iter().map(|(link, frame)| (link, frame));
    let released = outbox.released.iter().map(|(link, _, frame)| (link, frame));
    let text = |(link, frame): (&LinkIndex, &Vec<u8>)| {
        assert_valid_checksums(frame);
        Notation::new(NAMES[link.at()], &ipv4(frame)).to_string()
    };
    made.chain(released).map(text).collect()
}

pub fn link(name: &str) -> LinkIndex {
    LinkIndex(NAMES.iter().position(|it| *it == name).expect("a link of the lab") as u32)
}

pub fn ipv4(frame: &[u8]) -> Packet {
    match parse(frame) {
        Ok(Parsed::Ipv4(packet)) => packet,
        other => panic!("not IPv4: {other:?}"),
    }
}

/// By etherparse, which shares no code with the rewriting.
pub fn assert_valid_checksums(frame: &[u8]) {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    let sliced = SlicedPacket::from_ethernet(frame).expect("a packet");
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("not IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum(), "IP checksum");
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let expected = tcp.to_header().calc_checksum_ipv4(&header, tcp.payload()).expect("fits");
            assert_eq!(tcp.checksum(), expected, "TCP checksum");
        }
        Some(TransportSlice::Udp(udp)) => {
            let expected = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).expect("fits");
            assert_eq!(udp.checksum(), expected, "UDP checksum");
        }
        _ => {}
    }
}

/// A default network ACL: everything in, everything out.
pub fn open_acl(object: ObjectIndex) -> NetworkAcl {
    let all = || {
        vec![NetworkAclEntry {
            object,
            selector: Selector::All,
            block: "0.0.0.0/0".parse().expect("a block"),
            allow: true,
        }]
    };
    NetworkAcl { object, ingress: all(), egress: all() }
}

/// The tables of the picture above.
pub fn tables() -> Tables {
    let mut tables = Tables::default();
    let object = |tables: &mut Tables, id: &str| {
        tables.objects.push(Object { id: id.to_owned(), name: String::new(), source: None });
        ObjectIndex(tables.objects.len() as u32 - 1)
    };
    for (index, name, ports) in [(0, "resolver", vec![(17, 53), (6, 53)]), (1, "s3", vec![(6, 80), (6, 443)])] {
        let object = object(&mut tables, name);
        let mac = [2, 0, 0, 0, 1, index];
        tables.links.push(Link { behind: Behind::Service(ServiceIndex(u32::from(index))), mac, mtu: 9001 });
        tables.services.push(Service { object, link: LinkIndex(u32::from(index)), ports });
    }
    tables.network_acls.push(open_acl(ObjectIndex(0)));
    for name in ["vpc-consumer", "vpc-provider"] {
        let object = object(&mut tables, name);
        tables.vpcs.push(Vpc {
            object,
            generation: 1,
            cidrs: vec!["10.0.0.0/16".parse().expect("a block")],
            addresses: Default::default(),
            resolver: ip("10.0.0.2"),
            dns_support: true,
            resolver_service: Some(ServiceIndex(0)),
        });
    }
    for (id, vpc, cidr, table) in
        [("subnet-a", 0, "10.0.1.0/24", 0), ("subnet-b", 0, "10.0.2.0/24", 1), ("subnet-p", 1, "10.0.1.0/24", 2)]
    {
        let object = object(&mut tables, id);
        let cidr: ipnet::Ipv4Net = cidr.parse().expect("a block");
        let router_mac = mac(vpc, &Ipv4Addr::from(u32::from(cidr.network()) + 1).to_string());
        let route_table = RouteTableIndex(table);
        let (vpc, network_acl) = (VpcIndex(u32::from(vpc)), NetworkAclIndex(0));
        let down = false;
        tables.subnets.push(Subnet { object, vpc, cidr, router_mac, route_table, network_acl, down });
    }
    let endpoint = object(&mut tables, "vpce-gateway");
    let service = Some(ServiceIndex(1));
    tables.endpoints.push(Endpoint {
        object: endpoint,
        vpc: VpcIndex(0),
        gateway_service: service,
        always_tracked: false,
        available: true,
    });
    for id in ["vpce-provider", "vpce-s3"] {
        let object = object(&mut tables, id);
        tables.endpoints.push(Endpoint {
            object,
            vpc: VpcIndex(0),
            gateway_service: None,
            always_tracked: true,
            available: true,
        });
    }
    let to_provider = EndpointBackend::Balancer { balancer: BalancerIndex(0), node: 0 };
    let to_s3 = EndpointBackend::Service { service: ServiceIndex(1), address: ip("52.216.0.1") };
    let node = Role::BalancerNode { balancer: BalancerIndex(0), node: 0 };
    let interfaces = [
        ("app", 0, 0, "10.0.1.10", Role::Guest(APP)),
        ("peer", 0, 0, "10.0.1.11", Role::Guest(PEER)),
        ("db", 0, 1, "10.0.2.10", Role::Guest(DB)),
        ("endpoint", 0, 1, "10.0.2.50", Role::Endpoint { endpoint: EndpointIndex(1), backend: to_provider }),
        ("s3", 0, 1, "10.0.2.60", Role::Endpoint { endpoint: EndpointIndex(2), backend: to_s3 }),
        ("web", 1, 2, "10.0.1.20", Role::Guest(WEB)),
        ("web2", 1, 2, "10.0.1.21", Role::Guest(WEB2)),
        ("node", 1, 2, "10.0.1.100", node),
        ("spare", 0, 0, "10.0.1.99", Role::Detached),
    ];
    for (name, vpc, subnet, address, role) in interfaces {
        let object = object(&mut tables, &format!("eni-{name}"));
        let index = InterfaceIndex(tables.interfaces.len() as u32);
        tables.vpcs[usize::from(vpc)].addresses.insert(ip(address), index);
        if let Role::Guest(_) = role {
            tables.links.push(Link { behind: Behind::Interface(index), mac: mac(vpc, address), mtu: 9001 });
        }
        tables.interfaces.push(Interface {
            object,
            vpc: VpcIndex(u32::from(vpc)),
            subnet: SubnetIndex(subnet),
            addresses: vec![ip(address)],
            mac: mac(vpc, address),
            source_dest_check: true,
            groups: Vec::new(),
            tracking: ConnectionTracking::default(),
            role,
        });
    }
    add_balancer(&mut tables);
    tables.links.push(Link { behind: Behind::HealthChecks, mac: [2, 0, 0, 0, 1, 0xff], mtu: 9001 });
    let nodes = vec![InterfaceIndex(7)];
    tables.health_checks = Some(HealthChecks { object: ObjectIndex(0), link: CHECKS, nodes });
    tables.health = Arc::new(HealthMap::new(2));
    add_routes(&mut tables);
    add_fabric(&mut tables);
    tables
}

fn add_balancer(tables: &mut Tables) {
    let target = |address: &str| BalancerTarget {
        address: ip(address),
        port: 8080,
        zone: 0,
        cross_zone: false,
        health: HealthSlot(u32::from(address == "10.0.1.21")),
        proxy_protocol: false,
        tls: false,
    };
    let listener = |port, targets| Listener {
        object: ObjectIndex(0),
        tcp: true,
        udp: port == 53,
        tls: false,
        port,
        targets,
        preserve_client_ip: true,
        idle: Timeouts::BALANCED_TCP.established,
        sticky: false,
        enough_healthy: Enough::ONE,
    };
    tables.balancers.push(Balancer {
        object: ObjectIndex(0),
        vpc: VpcIndex(1),
        nodes: vec![Node { interface: InterfaceIndex(7), zone: 0 }],
        groups_judge_private_link: true,
        listeners: vec![
            listener(80, vec![target("10.0.1.20"), target("10.0.1.21")]),
            listener(53, vec![target("10.0.1.20")]),
            listener(81, Vec::new()),
            listener(82, vec![BalancerTarget { zone: 9, ..target("10.0.1.20") }]),
        ],
    });
}

/// A route by its parts.
pub fn route(destinations: &[&str], rank: Rank, target: Target) -> Route {
    let destinations = destinations.iter().map(|block| block.parse().expect("a block")).collect();
    Route { object: ObjectIndex(0), destinations, rank, target }
}

fn add_routes(tables: &mut Tables) {
    let local = || route(&["10.0.0.0/16"], Rank::Local, Target::Local);
    let s3 = route(&["52.216.0.0/15", "3.5.0.0/19"], Rank::PrefixList, Target::GatewayEndpoint(GATEWAY_ENDPOINT));
    for routes in [vec![local(), s3], vec![local()], vec![local()]] {
        tables.route_tables.push(RouteTable::new(ObjectIndex(0), routes));
    }
}

fn add_fabric(tables: &mut Tables) {
    let mut entries = Vec::new();
    for (number, interface) in tables.interfaces.iter().enumerate().filter(|(_, it)| matches!(it.role, Role::Guest(_)))
    {
        let ways = [Way::LinkLocal, Way::Endpoint(EndpointIndex(0)), Way::Endpoint(EndpointIndex(2))];
        let entry = |way| FabricEntry {
            client: Client::Interface(InterfaceIndex(number as u32)),
            address: interface.addresses[0],
            way,
        };
        entries.extend(ways.map(entry));
    }
    tables.fabric = Fabric::new(entries);
}

/// The source that a service sees for a guest's interface and a way in.
pub fn fabric(tables: &Tables, link: LinkIndex, way: Way) -> Ipv4Addr {
    let Behind::Interface(interface) = tables.links[link.at()].behind else { panic!("not a guest") };
    let address = tables.interfaces[interface.at()].addresses[0];
    tables.fabric.address(&FabricEntry { client: Client::Interface(interface), address, way }).expect("an entry")
}
