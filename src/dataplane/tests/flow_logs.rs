//! Flow logs, from a template's lab and its packets to the lines (B8).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::compile::compile;
use crate::dataplane::flow_log::{Field, Journal, Ledger};
use crate::dataplane::tables::*;
use crate::dataplane::{Dataplane, Outbox, Verdict};
use crate::model::{FLOW_LOG_FIELDS, World, naming};
use crate::packet::notation::Content;
use crate::packet::{Notation, Packet, Parsed, VNET_HEADER_LEN, build, parse, protocol, tcp_flags};
use crate::template::{Files, LoadOptions, ReadError, load};

/// ```text
/// Vpc 10.0.0.0/16                                         Peer 10.1.0.0/16
///   A 10.0.1.0/24  app .10, endpoint of SQS                 far 10.1.1.10
///   B 10.0.2.0/24  db .10 (HTTP and ping from 10/8)        office 192.168.0.10, behind the VPN gateway
///   Public 10.0.3.0/24  pub .10, NAT gateway .200          internet 198.51.100.10
/// ```
const GROUND: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Peer: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24}}
  Far: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Peer, CidrBlock: 10.1.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  RoutesA: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref A, RouteTableId: !Ref Routes}}
  RoutesB: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref B, RouteTableId: !Ref Routes}}
  PublicRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  RoutesPublic: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicRoutes}}
  FarRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Peer}}
  RoutesFar: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Far, RouteTableId: !Ref FarRoutes}}

  Igw: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw}}
  ToInternet: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Igw}}
  NatIp: {Type: AWS::EC2::EIP}
  Nat: {Type: AWS::EC2::NatGateway, DependsOn: Attached, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt NatIp.AllocationId, PrivateIpAddress: 10.0.3.200}}
  ToNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref Routes]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref A], SecurityGroupIds: [!Ref Open]}}

  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Peer}}
  ToPeer: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  FromPeer: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarRoutes, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  Vgw: {Type: AWS::EC2::VPNGateway, Properties: {Type: ipsec.1}}
  VgwAttached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw}}
  office: {Type: AWS::EC2::CustomerGateway, Properties: {Type: ipsec.1, IpAddress: 192.0.2.1}}
  Vpn: {Type: AWS::EC2::VPNConnection, Properties: {Type: ipsec.1, CustomerGatewayId: !Ref office, VpnGatewayId: !Ref Vgw, StaticRoutesOnly: true}}
  VpnRoute: {Type: AWS::EC2::VPNConnectionRoute, Properties: {VpnConnectionId: !Ref Vpn, DestinationCidrBlock: 192.168.0.0/24}}
  ToOffice: {Type: AWS::EC2::Route, DependsOn: VgwAttached, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 192.168.0.0/24, GatewayId: !Ref Vgw}}

  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: '-1', CidrIp: 10.0.0.0/8}]}}
  OpenFar: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Peer, SecurityGroupIngress: [{IpProtocol: '-1', CidrIp: 10.0.0.0/8}]}}
  None: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: nothing in, VpcId: !Ref Vpc}}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: HTTP and ping
      VpcId: !Ref Vpc
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/8}
        - {IpProtocol: udp, FromPort: 5000, ToPort: 5000, CidrIp: 10.0.0.0/8}
        - {IpProtocol: icmp, FromPort: 8, ToPort: -1, CidrIp: 10.0.0.0/8}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref None]}}
  db: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, PrivateIpAddress: 10.0.2.10, SecurityGroupIds: [!Ref Web]}}
  pub: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Public, PrivateIpAddress: 10.0.3.10, SecurityGroupIds: [!Ref None]}}
  PubIp: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {InstanceId: !Ref pub}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Far, PrivateIpAddress: 10.1.1.10, SecurityGroupIds: [!Ref OpenFar]}}
";

/// An ACL for subnet B that lets everything in.
const ACL: &str = "
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  AclB: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref B, NetworkAclId: !Ref Acl}}
  In: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, RuleAction: allow, Egress: false, CidrBlock: 0.0.0.0/0}}
";

/// One for the whole VPC, in the default format.
const WHOLE: &str = "
  Log: {Type: AWS::EC2::FlowLog, Properties: {ResourceType: VPC, ResourceId: !Ref Vpc, TrafficType: ALL, LogGroupName: flows}}
";

/// The VPC's, in a format of one's own.
fn in_format(format: &str) -> String {
    format!(
        "
  Log: {{Type: AWS::EC2::FlowLog, Properties: {{ResourceType: VPC, ResourceId: !Ref Vpc, TrafficType: ALL, LogGroupName: flows, LogFormat: '{format}'}}}}
"
    )
}

/// Which addresses, as an interface and as a packet has them.
const ADDRESSES: &str = "${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${action}";

struct Template(String);

impl Files for Template {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("lab.yaml") { Ok(self.0.clone()) } else { Err(ReadError::NotFound) }
    }
}

/// Unix time at which the lab's time began.
const UNIX: Duration = Duration::from_secs(1_700_000_000);

struct Lab {
    dataplane: Dataplane,
    journals: Vec<Journal>,
    links: HashMap<String, LinkIndex>,
    world: World,
    now: Duration,
}

/// A packet that arrived somewhere.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    link: LinkIndex,
    packet: Packet,
}

fn world(more: &str) -> World {
    let files = Template(format!("{GROUND}{more}"));
    match load(&files, Path::new("lab.yaml"), &LoadOptions::default()) {
        Ok(lab) => lab.world,
        Err(error) => panic!("{error:?}"),
    }
}

impl Lab {
    fn new(more: &str) -> Self {
        Self::of(world(more), |_| ())
    }

    fn of(world: World, change: impl FnOnce(&mut Tables)) -> Self {
        let mut compiled = compile(&world);
        change(&mut compiled.tables);
        let names = naming::guests(&world);
        let links = compiled.guests.iter().map(|guest| {
            let name = names.iter().find(|name| name.instance_id == guest.instance_id).expect("a guest has a name");
            (name.shown.clone(), guest.interfaces[0].link)
        });
        let links = links.collect();
        let hasher = || ahash::RandomState::with_seeds(1, 2, 3, 4);
        let plans = compiled.tables.flow_logs.plans.iter();
        let journals = plans.map(|plan| Journal::new(plan.clone(), hasher(), Duration::ZERO)).collect();
        let dataplane = Dataplane::new(Arc::new(compiled.tables), [1, 2, 3, 4]);
        Self { dataplane, journals, links, world, now: Duration::ZERO }
    }

    /// A guest sends what its kernel would; where it arrives.
    #[track_caller]
    fn send(&mut self, text: &str) -> Option<Arrived> {
        let notation: Notation = text.parse().expect("a packet");
        let link = self.links[&notation.link];
        let tables = self.dataplane.tables();
        let own = tables.links[link.at()];
        let to = match own.behind {
            Behind::Interface(index) => {
                let interface = &tables.interfaces[index.at()];
                let owner = tables.vpcs[interface.vpc.at()].addresses.get(&notation.destination);
                let neighbour = owner.map(|it| &tables.interfaces[it.at()]).filter(|it| it.subnet == interface.subnet);
                neighbour.map_or(tables.subnets[interface.subnet.at()].router_mac, |it| it.mac)
            }
            _ => OUTSIDE_ROUTER_MAC,
        };
        self.handle(link, &mut notation.frame(own.mac, to), &[0; VNET_HEADER_LEN])
    }

    /// Whoever got it answers.
    fn answer(&mut self, arrived: &Arrived, flags: u8) -> Option<Arrived> {
        let packet = &arrived.packet;
        let (source_port, destination_port) = (packet.destination_port, packet.source_port);
        let content = match packet.protocol {
            protocol::TCP => {
                Content::Tcp { source_port, destination_port, flags, sequence: 0, acknowledgment: 0, payload_len: 0 }
            }
            protocol::UDP => Content::Udp { source_port, destination_port, payload_len: 0 },
            _ => Content::EchoReply { identifier: packet.source_port },
        };
        let (source, destination) = (packet.destination, packet.source);
        let notation = Notation { link: "there".to_owned(), source, destination, content };
        let mut frame = notation.frame(packet.destination_mac, packet.source_mac);
        self.handle(arrived.link, &mut frame, &[0; VNET_HEADER_LEN])
    }

    fn handle(&mut self, link: LinkIndex, frame: &mut [u8], vnet: &[u8; VNET_HEADER_LEN]) -> Option<Arrived> {
        match self.dataplane.handle(link, Some(vnet), frame, self.now, &mut Outbox::default()) {
            Verdict::Forward { link, .. } => match parse(frame) {
                Ok(Parsed::Ipv4(packet)) => Some(Arrived { link, packet }),
                other => panic!("{other:?}"),
            },
            _ => None,
        }
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for _ in 0..crate::dataplane::flow::FlowTable::SHARDS {
            self.dataplane.tick(self.now, &mut Outbox::default());
        }
    }

    /// All lines up to now, interfaces by their addresses: `eni-10.0.1.10`.
    fn lines(&mut self) -> Vec<String> {
        let (tables, harvest) = (self.dataplane.tables(), self.dataplane.harvest(true));
        let mut lines = Vec::new();
        for journal in &mut self.journals {
            journal.add(&harvest);
            lines.extend(journal.write(&tables.flow_logs, UNIX, self.now));
        }
        lines.into_iter().map(|line| self.named(line.text)).collect()
    }

    /// Those lines that have packets.
    fn records(&mut self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.contains("ACCEPT") || line.contains("REJECT"));
        lines
    }

    fn named(&self, mut line: String) -> String {
        for interface in self.world.network_interfaces.values() {
            line = line.replace(&interface.network_interface_id, &format!("eni-{}", interface.private_ip_address()));
        }
        line
    }
}

const SYN_ACK: u8 = tcp_flags::SYN | tcp_flags::ACK;
const ACK: u8 = tcp_flags::ACK;

/// A TCP connection from `app` to `db` that is opened and used.
fn talk(lab: &mut Lab) -> Arrived {
    let arrived = lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN").expect("it arrives");
    lab.answer(&arrived, SYN_ACK).expect("it comes back");
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp ACK").expect("it arrives");
    arrived
}

#[test]
fn without_a_flow_log_nothing_is_kept() {
    let mut lab = Lab::new("");
    talk(&mut lab);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:22 tcp SYN");
    assert!(lab.dataplane.harvest(true).records.is_empty());
}

#[test]
fn the_default_line() {
    let mut lab = Lab::new(WHOLE);
    lab.after(5);
    let arrived = talk(&mut lab);
    lab.after(2);
    lab.answer(&arrived, ACK | tcp_flags::PSH);
    // 14 fields; a SYN without options is 40 bytes from its IP header on (B8.1).
    assert_eq!(
        lab.records(),
        [
            "2 123456789012 eni-10.0.1.10 10.0.1.10 10.0.2.10 40000 80 6 2 80 1700000005 1700000005 ACCEPT OK",
            "2 123456789012 eni-10.0.1.10 10.0.2.10 10.0.1.10 80 40000 6 2 80 1700000005 1700000007 ACCEPT OK",
            "2 123456789012 eni-10.0.2.10 10.0.1.10 10.0.2.10 40000 80 6 2 80 1700000005 1700000005 ACCEPT OK",
            "2 123456789012 eni-10.0.2.10 10.0.2.10 10.0.1.10 80 40000 6 2 80 1700000005 1700000007 ACCEPT OK",
        ]
    );
}

#[test]
fn custom_formats() {
    let format = "${tcp-flags} ${pkt-dstaddr} ${pkt-srcaddr} ${type} ${region} ${sublocation-type} ${sublocation-id} \
                  ${flow-direction} ${traffic-path} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${action} ${version}";
    let mut lab = Lab::new(&in_format(format));
    talk(&mut lab);
    assert_eq!(
        lab.records(),
        [
            "2 10.0.2.10 10.0.1.10 IPv4 us-east-1 - - egress 1 - - ACCEPT 5",
            "18 10.0.1.10 10.0.2.10 IPv4 us-east-1 - - ingress - - - ACCEPT 5",
            "2 10.0.2.10 10.0.1.10 IPv4 us-east-1 - - ingress - - - ACCEPT 5",
            "18 10.0.1.10 10.0.2.10 IPv4 us-east-1 - - egress 1 - - ACCEPT 5",
        ]
    );
    let mut lab = Lab::new(&in_format("${vpc-id} ${subnet-id} ${instance-id} ${az-id} ${action}"));
    talk(&mut lab);
    let interface = |address: &str| {
        let mut all = lab.world.network_interfaces.values();
        all.find(|it| it.private_ip_address().to_string() == address).expect("an interface").clone()
    };
    let app = interface("10.0.1.10");
    let instance = app.attachment.and_then(|plug| plug.instance_id).expect("an instance");
    let zone = &lab.world.subnets[&app.subnet_id].availability_zone_id.clone();
    let expected = format!("{} {} {instance} {zone} ACCEPT", app.vpc_id, app.subnet_id);
    assert_eq!(lab.records()[0], expected);
}

/// The highest version among the fields, and every field that a template may name.
#[test]
fn every_field_has_a_value_or_a_dash() {
    let fields: Vec<Vec<&str>> = FLOW_LOG_FIELDS.iter().map(|(_, fields)| fields.split(' ').collect()).collect();
    for name in fields.concat() {
        assert!(Field::all().iter().any(|field| field.name == name), "{name}");
    }
    assert_eq!(Field::all().len(), fields.concat().len());
    let names = |fields: &[&str]| fields.iter().map(|name| format!("${{{name}}}")).collect::<Vec<_>>().join(" ");
    let mut lab = Lab::new(&in_format(&format!("${{action}} ${{version}} {}", names(&fields[4]))));
    talk(&mut lab);
    assert_eq!(lab.records()[0], "ACCEPT 7 - - - - - - - - - -");
    let last = fields[5..].concat();
    let mut lab = Lab::new(&in_format(&format!("${{action}} ${{version}} {}", names(&last))));
    talk(&mut lab);
    assert_eq!(lab.records()[0], "ACCEPT 11 - - - - - - - - - interface - - - - -");
    // Refused for a reason that has no name here: BPA and EC are AWS's only two.
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:22 tcp SYN");
    assert_eq!(lab.records()[1], "REJECT 11 - - - - - - - - - interface - - - - -");
}

#[test]
fn tcp_flags_are_ored() {
    let mut lab = Lab::new(&in_format("${interface-id} ${flow-direction} ${tcp-flags} ${action}"));
    let arrived = talk(&mut lab);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp PSH|ACK 100");
    assert_eq!(lab.records()[0], "eni-10.0.1.10 egress 2 ACCEPT");
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp PSH|ACK 100");
    lab.answer(&arrived, ACK);
    let pure: Vec<String> = lab.records();
    assert!(pure.len() == 4 && pure.iter().all(|line| line.ends_with(" 0 ACCEPT")), "{pure:?}");
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp FIN|ACK");
    lab.answer(&arrived, tcp_flags::RST);
    let ends = lab.records();
    assert_eq!(&ends[..2], ["eni-10.0.1.10 egress 1 ACCEPT", "eni-10.0.1.10 ingress 4 ACCEPT"]);
    // A whole short connection in one interval.
    let arrived = lab.send("app: 10.0.1.10:40001 > 10.0.2.10:80 tcp SYN").expect("it arrives");
    lab.answer(&arrived, SYN_ACK);
    lab.send("app: 10.0.1.10:40001 > 10.0.2.10:80 tcp FIN|ACK");
    lab.answer(&arrived, tcp_flags::FIN | ACK);
    let whole = lab.records();
    assert_eq!(&whole[..2], ["eni-10.0.1.10 egress 3 ACCEPT", "eni-10.0.1.10 ingress 19 ACCEPT"]);
}

#[test]
fn icmp_has_no_ports_and_udp_no_flags() {
    let mut lab =
        Lab::new(&in_format("${interface-id} ${srcport} ${dstport} ${protocol} ${tcp-flags} ${packets} ${action}"));
    for identifier in [7, 8] {
        let arrived = lab.send(&format!("app: 10.0.1.10 > 10.0.2.10 icmp echo-request id {identifier}"));
        lab.answer(&arrived.expect("it arrives"), 0);
    }
    lab.after(1);
    lab.send("app: 10.0.1.10:4000 > 10.0.2.10:5000 udp 12");
    let lines = lab.records();
    // Both echoes are one record.
    assert_eq!(lines[0], "eni-10.0.1.10 0 0 1 0 2 ACCEPT");
    assert!(lines.contains(&"eni-10.0.1.10 4000 5000 17 0 1 ACCEPT".to_owned()), "{lines:?}");
    assert_eq!(lines.len(), 4 + 2);
}

/// B8.1-12 to -16.
#[test]
fn traffic_paths() {
    let format = in_format("${interface-id} ${pkt-dstaddr} ${flow-direction} ${traffic-path} ${action}");
    let mut lab = Lab::new(&format);
    let s3 = crate::model::s3_prefixes("us-east-1")[0].network();
    let path = |lab: &mut Lab, from: &str, to: &str, address: &str| {
        lab.after(60);
        lab.lines();
        lab.send(&format!("{from}:40000 > {to} tcp SYN")).unwrap_or_else(|| panic!("{from} > {to}"));
        let start = format!("eni-{address} ");
        let lines = lab.records();
        let of = |direction: &str| lines.iter().find(|it| it.starts_with(&start) && it.contains(direction)).cloned();
        let word = |line: Option<String>| line.and_then(|it| it.split(' ').nth(3).map(str::to_owned));
        assert!(of("ingress").is_none_or(|line| line.contains("ingress - ")), "{lines:?}");
        word(of("egress")).unwrap_or_else(|| panic!("{lines:?}"))
    };
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "10.0.2.10:80", "10.0.1.10"), "1");
    assert_eq!(path(&mut lab, "pub: 10.0.3.10", "198.51.100.10:80", "10.0.3.10"), "8");
    assert_eq!(path(&mut lab, "app: 10.0.1.10", &format!("{s3}:443"), "10.0.1.10"), "7");
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "192.168.0.10:80", "10.0.1.10"), "3");
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "10.1.1.10:80", "10.0.1.10"), "4");
    // To a NAT gateway it is inside the VPC; from there it goes out.
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "198.51.100.10:80", "10.0.1.10"), "1");
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "198.51.100.10:81", "10.0.3.200"), "8");
    let mut lab = Lab::of(world(&format), |tables| tables.peerings[0].inter_region = true);
    assert_eq!(path(&mut lab, "app: 10.0.1.10", "10.1.1.10:80", "10.0.1.10"), "5");
}

#[test]
fn aws_services_have_names() {
    let format = "${interface-id} ${flow-direction} ${pkt-src-aws-service} ${pkt-dst-aws-service} ${action}";
    let mut lab = Lab::new(&in_format(format));
    let s3 = crate::model::s3_prefixes("us-east-1")[0].network();
    let arrived = lab.send(&format!("app: 10.0.1.10:40000 > {s3}:443 tcp SYN")).expect("it arrives");
    lab.answer(&arrived, SYN_ACK).expect("it comes back");
    let mut lines = lab.records();
    lines.sort();
    assert_eq!(lines, ["eni-10.0.1.10 egress - S3 ACCEPT", "eni-10.0.1.10 ingress S3 - ACCEPT"]);
    let tables = lab.dataplane.tables();
    let public = tables.internet.public.iter().find(|(_, to)| to.private.octets()[3] == 10).expect("an address").0;
    lab.send(&format!("app: 10.0.1.10:40000 > {public}:443 tcp SYN"));
    assert!(lab.records()[0].ends_with("egress - EC2 ACCEPT"));
}

#[test]
fn an_interval_without_packets_is_nodata() {
    let log = "
  Log: {Type: AWS::EC2::FlowLog, Properties: {ResourceType: Subnet, ResourceId: !Ref B, TrafficType: ALL, LogGroupName: flows}}
";
    let mut lab = Lab::new(log);
    lab.after(60);
    let silent = "2 123456789012 eni-10.0.2.10 - - - - - - - 1700000000 1700000060 - NODATA";
    assert_eq!(lab.lines(), [silent]);
    talk(&mut lab);
    assert!(lab.lines().iter().all(|line| line.ends_with("ACCEPT OK")));
    lab.after(60);
    assert_eq!(lab.lines(), [silent.replace("1700000060", "1700000120").replace("1700000000", "1700000060")]);
}

/// The ledger is full of scans; the flow that stands is counted none the less, and nothing else is disturbed.
#[test]
fn what_was_lost_is_skipdata() {
    let log = "
  Log: {Type: AWS::EC2::FlowLog, Properties: {ResourceType: Subnet, ResourceId: !Ref B, TrafficType: ALL, LogGroupName: flows}}
";
    let mut lab = Lab::new(log);
    talk(&mut lab);
    for number in 0..=Ledger::CAPACITY as u32 {
        let (port, source) = (1000 + number % 60_000, 40_000 + number / 60_000);
        if port == 5000 || port == 80 {
            continue;
        }
        lab.send(&format!("app: 10.0.1.10:{source} > 10.0.2.10:{port} udp 1"));
    }
    lab.send("app: 10.0.1.10:50000 > 10.0.2.10:22 tcp SYN");
    lab.send("app: 10.0.1.10:50000 > 10.0.2.10:23 tcp SYN");
    lab.send("app: 10.0.1.10:50000 > 10.0.2.10:24 tcp SYN");
    lab.after(60);
    let lines = lab.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("REJECT")).count(), Ledger::CAPACITY);
    assert_eq!(lines.iter().filter(|line| line.contains("ACCEPT")).count(), 2);
    let skipped = "2 123456789012 eni-10.0.2.10 - - - - - - - 1700000000 1700000060 - SKIPDATA";
    assert_eq!(lines.last().map(String::as_str), Some(skipped));
    assert_eq!(lines.iter().filter(|line| line.contains("SKIPDATA")).count(), 1);
    lab.after(60);
    assert!(lab.lines().iter().all(|line| line.ends_with("NODATA")), "one interval only");
}

/// Instances are Nitro's: 60 s. AWS's own interfaces keep what was asked, 600 by default.
#[test]
fn aggregation_intervals() {
    let intervals = |lab: &Lab| {
        let of = |journal: &Journal| (journal.plan().interval.as_secs(), journal.plan().interfaces.len());
        lab.journals.iter().map(of).collect::<Vec<_>>()
    };
    let mut lab = Lab::new(WHOLE);
    assert_eq!(intervals(&lab), [(60, 3), (600, 2)]);
    let asked = WHOLE.replace("TrafficType: ALL", "TrafficType: ALL, MaxAggregationInterval: 60");
    assert_eq!(intervals(&Lab::new(&asked)), [(60, 5)]);
    let tag = "TrafficType: ALL, Tags: [{Key: 'vpclab:AggregationSeconds', Value: '2'}]";
    assert_eq!(intervals(&Lab::new(&WHOLE.replace("TrafficType: ALL", tag))), [(2, 5)]);

    // Packets at 0 and 59 s are one record, one at 61 s is another.
    let mut written = Vec::new();
    for second in 0..=120_u64 {
        lab.now = Duration::from_secs(second);
        if [0, 59, 61].contains(&second) {
            lab.send("app: 10.0.1.10:40000 > 10.0.2.10:5000 udp 12");
        }
        let harvest = lab.dataplane.harvest(true);
        let journal = &mut lab.journals[0];
        journal.add(&harvest);
        if journal.due() <= lab.now {
            written.extend(journal.write(&lab.dataplane.tables().flow_logs, UNIX, lab.now));
        }
    }
    let app: Vec<String> =
        written.into_iter().map(|line| lab.named(line.text)).filter(|it| it.contains("-10.0.1.10 ")).collect();
    assert_eq!(
        app,
        [
            "2 123456789012 eni-10.0.1.10 10.0.1.10 10.0.2.10 4000 5000 17 2 80 1700000000 1700000059 ACCEPT OK"
                .replace(" 4000 ", " 40000 "),
            "2 123456789012 eni-10.0.1.10 10.0.1.10 10.0.2.10 40000 5000 17 1 40 1700000061 1700000061 ACCEPT OK"
                .to_owned(),
        ]
    );
}

/// B8.1-21: each interface has its own filters' verdict; who drops for another reason rejects nothing.
#[test]
fn action_is_the_verdict_here() {
    let mut lab = Lab::new(WHOLE);
    let verdicts = |lab: &mut Lab| -> Vec<String> {
        let lines = lab.records();
        let short = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}>{} {}", words[2], words[3], words[4], words[12])
        };
        lines.iter().map(short).collect()
    };
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:22 tcp SYN");
    assert_eq!(
        verdicts(&mut lab),
        ["eni-10.0.1.10 10.0.1.10>10.0.2.10 ACCEPT", "eni-10.0.2.10 10.0.1.10>10.0.2.10 REJECT"]
    );
    // Nobody has the address.
    lab.send("app: 10.0.1.10:40000 > 10.0.2.77:22 tcp SYN");
    assert_eq!(verdicts(&mut lab), ["eni-10.0.1.10 10.0.1.10>10.0.2.77 ACCEPT"]);
    // Through the internet gateway to nobody's address: accepted here, lost there.
    lab.send("pub: 10.0.3.10:40000 > 198.51.100.77:22 tcp SYN");
    assert_eq!(verdicts(&mut lab), ["eni-10.0.3.10 10.0.3.10>198.51.100.77 ACCEPT"]);

    // A network ACL that lets nothing in, and one that lets nothing out.
    let closed = ACL.replace("RuleAction: allow", "RuleAction: deny");
    let mut lab = Lab::new(&format!("{closed}{WHOLE}"));
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN");
    assert_eq!(
        verdicts(&mut lab),
        ["eni-10.0.1.10 10.0.1.10>10.0.2.10 ACCEPT", "eni-10.0.2.10 10.0.1.10>10.0.2.10 REJECT"]
    );
    lab.send("db: 10.0.2.10:40000 > 10.0.1.10:80 tcp SYN");
    assert_eq!(verdicts(&mut lab), ["eni-10.0.2.10 10.0.2.10>10.0.1.10 REJECT"]);
}

#[test]
fn traffic_types_filter() {
    for (kind, expected) in [
        ("ACCEPT", ["eni-10.0.2.10 80 ACCEPT", "eni-10.0.2.10 40000 ACCEPT"].as_slice()),
        ("REJECT", &["eni-10.0.2.10 22 REJECT"]),
    ] {
        let log = format!(
            "
  Log: {{Type: AWS::EC2::FlowLog, Properties: {{ResourceType: Subnet, ResourceId: !Ref B, TrafficType: {kind}, LogGroupName: flows, LogFormat: '${{interface-id}} ${{dstport}} ${{action}}'}}}}
"
        );
        let mut lab = Lab::new(&log);
        talk(&mut lab);
        lab.send("app: 10.0.1.10:40000 > 10.0.2.10:22 tcp SYN");
        assert_eq!(lab.records(), expected);
    }
}

/// B8.1-22: `app` lets nothing in; what belongs to a connection came in, what comes after its end does not.
#[test]
fn after_the_end_it_is_reject() {
    let mut lab = Lab::new(&in_format("${interface-id} ${flow-direction} ${tcp-flags} ${action}"));
    let arrived = talk(&mut lab);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp RST");
    lab.after(10);
    assert!(lab.dataplane.flows().is_empty());
    let lines = lab.records();
    assert!(lines.iter().all(|line| line.ends_with("ACCEPT")), "the rest of the flow is in the ledger: {lines:?}");
    assert_eq!(lines[0], "eni-10.0.1.10 egress 6 ACCEPT");
    lab.answer(&arrived, ACK);
    assert_eq!(lab.records(), ["eni-10.0.1.10 ingress 0 REJECT", "eni-10.0.2.10 egress 0 ACCEPT"]);
}

/// B8.1-23, AWS's own example: the group is stateful, the ACL is not.
#[test]
fn in_accepted_answer_denied() {
    let mut lab = Lab::new(&format!("{ACL}{WHOLE}"));
    let arrived = lab.send("app: 10.0.1.10 > 10.0.2.10 icmp echo-request id 7").expect("it arrives");
    assert!(lab.answer(&arrived, 0).is_none(), "the answer does not leave the subnet");
    assert!(lab.answer(&arrived, 0).is_none());
    lab.after(1);
    let of_db: Vec<String> = lab.records().into_iter().filter(|line| line.contains("eni-10.0.2.10")).collect();
    assert_eq!(
        of_db,
        [
            "2 123456789012 eni-10.0.2.10 10.0.1.10 10.0.2.10 0 0 1 1 28 1700000000 1700000000 ACCEPT OK",
            "2 123456789012 eni-10.0.2.10 10.0.2.10 10.0.1.10 0 0 1 2 56 1700000000 1700000000 REJECT OK",
        ]
    );
}

/// B8.1-24, AWS's own example, line by line.
#[test]
fn a_nat_gateways_interface() {
    let mut lab = Lab::new(&in_format(&format!("${{account-id}} ${{instance-id}} {ADDRESSES}")));
    let arrived = lab.send("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN").expect("it arrives");
    lab.after(1);
    lab.answer(&arrived, SYN_ACK).expect("it comes back");
    let lines = lab.records();
    let of_gateway: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("123456789012 - eni-10.0.3.200 ")).collect();
    assert_eq!(
        of_gateway,
        [
            "10.0.1.10 10.0.3.200 10.0.1.10 198.51.100.10 ACCEPT",
            "10.0.3.200 198.51.100.10 10.0.3.200 198.51.100.10 ACCEPT",
            "10.0.3.200 10.0.1.10 198.51.100.10 10.0.1.10 ACCEPT",
            "198.51.100.10 10.0.3.200 198.51.100.10 10.0.3.200 ACCEPT",
        ]
    );
    assert_eq!(lines.iter().filter(|line| line.contains(" eni-10.0.1.10 ")).count(), 2);
}

/// B8.1-25: the sum of the segments that go over a wire, each with its headers.
#[test]
fn bytes_count_from_the_ip_header() {
    let mut lab = Lab::new(&in_format("${interface-id} ${flow-direction} ${packets} ${bytes} ${action}"));
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN").expect("it arrives");
    assert_eq!(lab.records()[0], "eni-10.0.1.10 egress 1 40 ACCEPT");
    let notation: Notation = "app: 10.0.1.10:40000 > 10.0.2.10:80 tcp ACK 3000".parse().expect("a packet");
    let tables = lab.dataplane.tables();
    let link = lab.links["app"];
    let (own, router) = (tables.links[link.at()].mac, tables.interfaces.iter().find(|it| it.role == Role::Guest(link)));
    let router = tables.subnets[router.expect("an interface").subnet.at()].router_mac;
    // Segments of 1,448 bytes: checksum to finish at 34 + 16, GSO_TCP_V4.
    let mut vnet = [0; VNET_HEADER_LEN];
    vnet[0] = 1;
    vnet[1] = 1;
    vnet[2..4].copy_from_slice(&54_u16.to_ne_bytes());
    vnet[4..6].copy_from_slice(&1448_u16.to_ne_bytes());
    vnet[6..8].copy_from_slice(&34_u16.to_ne_bytes());
    vnet[8..10].copy_from_slice(&16_u16.to_ne_bytes());
    lab.handle(link, &mut notation.frame(own, router), &vnet).expect("it arrives");
    assert_eq!(lab.records()[0], format!("eni-10.0.1.10 egress 3 {} ACCEPT", 3000 + 3 * 40));
}

/// B8.2: all of these, and one packet that is logged.
#[test]
fn what_is_not_logged() {
    let mut lab = Lab::new(WHOLE);
    let arrived = lab.send("app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12").expect("the resolver gets it");
    lab.answer(&arrived, 0).expect("it comes back");
    lab.send("app: 10.0.1.10:40001 > 169.254.169.253:53 udp 12").expect("the resolver gets it");
    let arrived = lab.send("app: 10.0.1.10:123 > 169.254.169.123:123 udp 48").expect("time gets it");
    lab.answer(&arrived, 0).expect("it comes back");
    for address in ["169.254.169.254:80 tcp SYN", "169.254.169.250:1688 tcp SYN"] {
        lab.send(&format!("app: 10.0.1.10:40000 > {address}"));
    }
    lab.send("app: 10.0.1.10 > 10.0.1.1 icmp echo-request id 1");
    lab.send("app: 10.0.1.10 > 10.0.2.1 icmp echo-request id 1");
    // DHCP, to all and to one.
    lab.send("app: 10.0.1.10:68 > 255.255.255.255:67 udp 300");
    lab.send("app: 10.0.1.10:68 > 10.0.2.10:67 udp 300");
    let link = lab.links["app"];
    let mac = lab.dataplane.tables().links[link.at()].mac;
    let mut request = build::arp_request(mac, [10, 0, 1, 10].into(), [10, 0, 1, 1].into());
    lab.handle(link, &mut request, &[0; VNET_HEADER_LEN]);
    assert_eq!(lab.records(), [""; 0]);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN");
    assert_eq!(lab.records().len(), 2);
}

/// What an endpoint service and a balancer are made of; `far` is the target.
const SERVICE: &str = "
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer], AcceptanceRequired: false}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref Far, PrivateIPv4Address: 10.1.1.100}]}}
  Targets: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {VpcId: !Ref Peer, Protocol: TCP, Port: 80, Targets: [{Id: !Ref far}]}}
  Http: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Targets}]}}
";

/// With the client's address preserved the answer goes by the balancer as well, whatever routes say (B9).
#[test]
fn a_balancers_node_is_passed_both_ways() {
    let there = in_format(ADDRESSES).replace("!Ref Vpc", "!Ref Peer");
    let mut lab = Lab::new(&format!("{SERVICE}{there}"));
    let arrived = lab.send("app: 10.0.1.10:40000 > 10.1.1.100:80 tcp SYN").expect("it arrives");
    assert_eq!(arrived.packet.source.to_string(), "10.0.1.10");
    lab.after(1);
    lab.answer(&arrived, SYN_ACK).expect("it comes back");
    let mut lines = lab.records();
    lines.sort();
    let mut expected = [
        "eni-10.1.1.100 10.0.1.10 10.1.1.100 10.0.1.10 10.1.1.100 ACCEPT",
        "eni-10.1.1.100 10.1.1.100 10.1.1.10 10.0.1.10 10.1.1.10 ACCEPT",
        "eni-10.1.1.10 10.0.1.10 10.1.1.10 10.0.1.10 10.1.1.10 ACCEPT",
        "eni-10.1.1.10 10.1.1.10 10.0.1.10 10.1.1.10 10.0.1.10 ACCEPT",
        "eni-10.1.1.100 10.1.1.10 10.1.1.100 10.1.1.10 10.0.1.10 ACCEPT",
        "eni-10.1.1.100 10.1.1.100 10.0.1.10 10.1.1.100 10.0.1.10 ACCEPT",
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

/// B8.2-5, and B4: an endpoint service in the peer's VPC, whose interfaces are logged as well.
#[test]
fn between_an_endpoint_and_a_balancer_nothing_is_logged() {
    let endpoint = "
  Mine: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub 'com.amazonaws.vpce.us-east-1.${Service}', SubnetIds: [!Ref B], SecurityGroupIds: [!Ref Open]}}
";
    let here = in_format(ADDRESSES);
    let there = here.replace("Log:", "LogThere:").replace("!Ref Vpc", "!Ref Peer");
    let mut lab = Lab::new(&format!("{SERVICE}{endpoint}{here}{there}"));
    let endpoint = lab.world.vpc_endpoints.values().find(|it| it.service_name.contains("vpce")).expect("an endpoint");
    let address = lab.world.network_interfaces[&endpoint.network_interface_ids[0]].private_ip_address();
    let arrived = lab.send(&format!("app: 10.0.1.10:40000 > {address}:80 tcp SYN")).expect("it arrives");
    lab.answer(&arrived, SYN_ACK).expect("it comes back");
    let mut lines = lab.records();
    lines.sort();
    let mut expected = vec![
        format!("eni-10.0.1.10 10.0.1.10 {address} 10.0.1.10 {address} ACCEPT"),
        format!("eni-10.0.1.10 {address} 10.0.1.10 {address} 10.0.1.10 ACCEPT"),
        format!("eni-{address} 10.0.1.10 {address} 10.0.1.10 {address} ACCEPT"),
        format!("eni-{address} {address} 10.0.1.10 {address} 10.0.1.10 ACCEPT"),
        // From the node on it is logged again.
        "eni-10.1.1.100 10.1.1.100 10.1.1.10 10.1.1.100 10.1.1.10 ACCEPT".to_owned(),
        "eni-10.1.1.100 10.1.1.10 10.1.1.100 10.1.1.10 10.1.1.100 ACCEPT".to_owned(),
        "eni-10.1.1.10 10.1.1.100 10.1.1.10 10.1.1.100 10.1.1.10 ACCEPT".to_owned(),
        "eni-10.1.1.10 10.1.1.10 10.1.1.100 10.1.1.10 10.1.1.100 ACCEPT".to_owned(),
    ];
    expected.sort();
    assert_eq!(lines, expected);
}

/// Tables that change under a flow: what it counted before is not lost.
#[test]
fn a_flow_that_is_decided_again_keeps_what_it_counted() {
    let mut lab = Lab::new(&in_format("${interface-id} ${flow-direction} ${packets} ${action}"));
    talk(&mut lab);
    let mut tables = (*lab.dataplane.tables()).clone();
    tables.vpcs.iter_mut().for_each(|vpc| vpc.generation += 1);
    lab.dataplane.swap(Arc::new(tables));
    lab.send("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp ACK").expect("it arrives");
    assert_eq!(lab.records()[0], "eni-10.0.1.10 egress 3 ACCEPT");
}
