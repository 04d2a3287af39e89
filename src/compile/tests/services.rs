//! Which services a template's guests reach, by which way, under which names, and who they are taken for there.

use std::net::Ipv4Addr;

use super::lab::*;
use crate::compile::{AWS_SERVICES_ADDRESS, compile};
use crate::dataplane::DropReason::*;
use crate::dns::{Data, RecordType, Zones, answer};
use crate::model::{dynamodb_prefixes, s3_prefixes};

/// An isolated guest whose group and network ACL let nothing through.
const CLOSED: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  AclOfA: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref A, NetworkAclId: !Ref Acl}}
  Nothing: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Vpc, SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 127.0.0.1/32}]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref Nothing]}}
";

/// B1.2: from any interface, without a route, filtered by nobody, and counted with all that is link-local.
#[test]
fn amazon_time_sync_is_there_for_everybody() {
    let mut lab = Lab::new(CLOSED);
    let ask = "app: 10.0.1.10:123 > 169.254.169.123:123 udp 48";
    lab.carries(ask, "time");
    assert_eq!(lab.origin().name, "t/app");
    assert_eq!(lab.answer("udp 48"), Ok("app: 169.254.169.123:123 > 10.0.1.10:123 udp 48".to_owned()));
    for other in ["tcp SYN", "udp 48"].map(|content| format!("app: 10.0.1.10:5 > 169.254.169.123:124 {content}")) {
        lab.drops(&other, TimePort);
    }
    lab.drops("app: 10.0.1.10:5 > 169.254.169.123:123 tcp SYN", TimePort);
    lab.drops("app: 10.0.1.10 > 169.254.169.123 icmp echo-request id 1", TimePort);
    assert_eq!(lab.refuser(), "time");
    // One rate for all link-local services: one packet went above.
    for number in 1..1024 {
        let sent = if number % 2 == 0 { ask } else { "app: 10.0.1.10:6 > 169.254.169.253:53 udp 30" };
        assert!(lab.send(sent).is_ok(), "{number}");
    }
    lab.drops(ask, LinkLocalRate);
    lab.after(1);
    lab.carries(ask, "time");
}

/// B10: the same of instance metadata.
#[test]
fn instance_metadata_is_there_for_everybody() {
    let mut lab = Lab::new(CLOSED);
    lab.carries("app: 10.0.1.10:5000 > 169.254.169.254:80 tcp SYN", "metadata");
    assert_eq!(lab.origin().name, "t/app");
    assert!(lab.origin().instance_id.is_some() && lab.origin().vpc_endpoint_id.is_none());
    for other in [":443 tcp SYN", ":80 udp 48"].map(|rest| format!("app: 10.0.1.10:5 > 169.254.169.254{rest}")) {
        lab.drops(&other, MetadataPort);
    }
    assert_eq!(lab.refuser(), "metadata");
}

/// Nobody outside of a VPC has it: it is no address of the internet.
#[test]
fn amazon_time_sync_is_nobody_elses() {
    let mut lab = Lab::new(TWO_VPCS);
    lab.carries("far: 10.1.1.10:5 > 169.254.169.123:123 udp 48", "time");
    assert!(lab.send("internet: 198.51.100.10:5 > 169.254.169.123:123 udp 48").is_err());
}

/// VPCs `Vpc` (with an internet gateway, an S3 gateway endpoint and an interface endpoint) and `Far`, peered; `natted` goes out
/// by a NAT gateway.
const TWO_VPCS: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Private: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Isolated: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24}}
  PublicTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PrivateTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  IsolatedTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  RoutesA: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicTable}}
  RoutesB: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Private, RouteTableId: !Ref PrivateTable}}
  RoutesC: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Isolated, RouteTableId: !Ref IsolatedTable}}
  Out: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicTable, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}}
  NatAddress: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt NatAddress.AllocationId}}
  ByNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref PrivateTable, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  pub: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Public, PrivateIpAddress: 10.0.1.10}}
  PubAddress: {Type: AWS::EC2::EIP, DependsOn: [Attached, NatAddress], Properties: {Domain: vpc, InstanceId: !Ref pub}}
  natted: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Private, PrivateIpAddress: 10.0.2.10}}
  alone: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Isolated, PrivateIpAddress: 10.0.3.10}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref PublicTable, !Ref IsolatedTable]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref Private], PrivateDnsEnabled: true}}
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16, EnableDnsHostnames: true}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  FarTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Far}}
  FarRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref FarSubnet, RouteTableId: !Ref FarTable}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Far}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref PublicTable, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarTable, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, PrivateIpAddress: 10.1.1.10}}
";

/// The Elastic IPs of `natted`'s gateway and of `pub`.
const NAT_ADDRESS: &str = "203.0.113.1";
const PUB_ADDRESS: &str = "203.0.113.2";

pub fn addresses(zones: &Zones, view: &str, name: &str) -> Vec<Ipv4Addr> {
    let answer = answer(zones, view, name, RecordType::A, 0).expect("an answer");
    let address = |data: &Data| if let Data::A(address) = data { Some(*address) } else { None };
    answer.records.iter().filter_map(|record| address(&record.data)).collect()
}

/// AllowDnsResolutionFromRemoteVpc is off: no template can ask for it.
#[test]
fn a_public_name_over_peering() {
    let lab = Lab::new(TWO_VPCS);
    let zones = compile(&lab.world).zones;
    let [own, far] = ["Vpc", "Far"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name));
    let name = "ec2-203-0-113-2.compute-1.amazonaws.com";
    assert_eq!(
        lab.world.attribute(Lab::named(&lab.world.instances, |it| &it.meta, "pub"), "PublicDnsName").unwrap(),
        name
    );
    assert_eq!(addresses(&zones, own, name), [Ipv4Addr::new(10, 0, 1, 10)], "in its own VPC");
    for elsewhere in [far, "internet"] {
        assert_eq!(addresses(&zones, elsewhere, name), [PUB_ADDRESS.parse::<Ipv4Addr>().unwrap()], "{elsewhere}");
    }
    // Without enableDnsHostnames there is no such name.
    let without =
        Lab::new(&TWO_VPCS.replacen(", EnableDnsHostnames: true", "", 1).replace(", PrivateDnsEnabled: true", ""));
    let far = Lab::named(&without.world.vpcs, |it| &it.meta, "Far");
    assert!(addresses(&compile(&without.world).zones, far, name).is_empty());
}

#[test]
fn private_dns_stays_in_its_vpc() {
    let lab = Lab::new(TWO_VPCS);
    let zones = compile(&lab.world).zones;
    let [own, far] = ["Vpc", "Far"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name));
    let name = "sqs.us-east-1.amazonaws.com";
    let [inside] = addresses(&zones, own, name)[..] else { panic!("one address of the endpoint's") };
    assert_eq!(inside.octets()[..3], [10, 0, 2]);
    assert_eq!(addresses(&zones, far, name), [AWS_SERVICES_ADDRESS], "the peer has the public answer");
}

/// Another Region's S3 and DynamoDB are in no endpoint's list: they take 0.0.0.0/0, and whoever has none does not get there.
#[test]
fn another_region_goes_by_the_default_route() {
    let mut lab = Lab::new(TWO_VPCS);
    let zones = compile(&lab.world).zones;
    let own = Lab::named(&lab.world.vpcs, |it| &it.meta, "Vpc").to_owned();
    for (name, link, blocks) in [
        ("bucket.s3.eu-west-1.amazonaws.com", "s3", s3_prefixes("eu-west-1")),
        ("dynamodb.ap-southeast-2.amazonaws.com", "aws", dynamodb_prefixes("ap-southeast-2")),
    ] {
        let found = addresses(&zones, &own, name);
        assert!(!found.is_empty(), "{name}");
        for address in found {
            assert!(blocks.iter().any(|block| block.contains(&address)), "{name} is {address}");
            lab.passes(
                &format!("pub: 10.0.1.10:5 > {address}:443 tcp SYN"),
                &format!("{link}: {PUB_ADDRESS}:5 > {address}:443 tcp SYN"),
            );
            lab.drops(&format!("alone: 10.0.3.10:5 > {address}:443 tcp SYN"), NoRoute);
        }
    }
    // Its own Region's goes by the endpoint, with the private address.
    let address = addresses(&zones, &own, "s3.us-east-1.amazonaws.com")[0];
    for from in ["pub: 10.0.1.10", "alone: 10.0.3.10"] {
        lab.carries(&format!("{from}:5 > {address}:443 tcp SYN"), "s3");
        assert!(lab.origin().vpc_endpoint_id.is_some());
    }
}

/// B2.1: who comes over the internet is a public address and nobody of the lab's; through an endpoint it has the endpoint's keys.
#[test]
fn over_the_internet_a_caller_is_its_public_address() {
    let mut lab = Lab::new(TWO_VPCS);
    // Not its own Region's S3: the NAT gateway's subnet has the endpoint.
    let [s3, elsewhere] =
        ["us-east-1", "eu-west-1"].map(|region| Ipv4Addr::from(u32::from(s3_prefixes(region)[0].network()) + 9));
    for (from, service, link, public) in [
        ("natted: 10.0.2.10", elsewhere, "s3", NAT_ADDRESS),
        ("natted: 10.0.2.10", AWS_SERVICES_ADDRESS, "aws", NAT_ADDRESS),
        ("pub: 10.0.1.10", AWS_SERVICES_ADDRESS, "aws", PUB_ADDRESS),
    ] {
        let sent = format!("{from}:5 > {service}:443 tcp SYN");
        let arrived = lab.send(&sent).unwrap_or_else(|reason| panic!("{sent}: {reason:?}"));
        assert!(arrived.starts_with(&format!("{link}: {public}:")), "{arrived}");
        assert!(!lab.origins.contains_key(&public.parse().unwrap()), "no VPC, no endpoint");
    }
    lab.carries(&format!("pub: 10.0.1.10:5 > {s3}:443 tcp SYN"), "s3");
    let origin = lab.origin();
    let vpc = Lab::named(&lab.world.vpcs, |it| &it.meta, "Vpc");
    assert_eq!(origin.private_ip, Ipv4Addr::new(10, 0, 1, 10));
    assert_eq!(origin.endpoint_vpc_id.as_deref(), Some(vpc));
    assert_eq!(origin.endpoint_account.as_ref(), Some(&lab.world.vpcs[vpc].meta.account));
    assert_eq!(origin.endpoint_vpc_arn, Some(format!("arn:aws:ec2:us-east-1:{}:vpc/{vpc}", origin.account)));
}
