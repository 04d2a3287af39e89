//! Blocks, routes, prefix lists, gateway endpoints and names, as templates write them.

use std::net::Ipv4Addr;

use super::lab::*;
use crate::compile::compile;
use crate::dataplane::DropReason::*;
use crate::dns::{Data, RecordType, ResponseCode, answer};
use crate::model::{World, dynamodb_prefixes, s3_prefixes};

/// A VPC with two subnets, each with a table of its own: app in `a`, db in `b`.
fn template(more: &str) -> String {
    format!(
        "
Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
  A: {{Type: AWS::EC2::Subnet, Properties: {{VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}}}
  B: {{Type: AWS::EC2::Subnet, Properties: {{VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}}}
  TableA: {{Type: AWS::EC2::RouteTable, Properties: {{VpcId: !Ref Vpc}}}}
  TableB: {{Type: AWS::EC2::RouteTable, Properties: {{VpcId: !Ref Vpc}}}}
  RoutesA: {{Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {{SubnetId: !Ref A, RouteTableId: !Ref TableA}}}}
  RoutesB: {{Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {{SubnetId: !Ref B, RouteTableId: !Ref TableB}}}}
  app: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10}}}}
  db: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref B, PrivateIpAddress: 10.0.2.10}}}}
{more}"
    )
}

fn endpoint(name: &str, service: &str, tables: &str) -> String {
    format!(
        "  {name}: {{Type: AWS::EC2::VPCEndpoint, Properties: {{VpcId: !Ref Vpc, ServiceName: !Sub \"com.amazonaws.${{AWS::Region}}.{service}\", RouteTableIds: [{tables}]}}}}\n"
    )
}

/// An address of a service's first published block.
fn nth(prefixes: &[ipnet::Ipv4Net], number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(prefixes[0].network()) + number)
}

fn endpoint_id(world: &World, name: &str) -> Option<String> {
    Some(Lab::named(&world.vpc_endpoints, |it| &it.meta, name).to_owned())
}

#[test]
fn a_secondary_block_is_local_too() {
    let mut lab = Lab::new(&template(
        "
  Block: {Type: AWS::EC2::VPCCidrBlock, DependsOn: [RoutesA, RoutesB], Properties: {VpcId: !Ref Vpc, CidrBlock: 100.64.0.0/16}}
  C: {Type: AWS::EC2::Subnet, DependsOn: Block, Properties: {VpcId: !Ref Vpc, CidrBlock: 100.64.1.0/24}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref C, PrivateIpAddress: 100.64.1.10}}
",
    ));
    // From subnets whose tables were made before the block.
    for from in ["app: 10.0.1.10", "db: 10.0.2.10"] {
        lab.carries(&format!("{from}:1 > 100.64.1.10:80 tcp SYN"), "far");
        assert!(lab.answer("tcp SYN|ACK").is_ok());
    }
    lab.carries("far: 100.64.1.10:1 > 10.0.1.10:80 tcp SYN", "app");
    lab.drops("app: 10.0.1.10:1 > 100.65.1.10:80 tcp SYN", NoRoute);
}

#[test]
fn s3_and_dynamodb_share_a_table() {
    let both = endpoint("S3", "s3", "!Ref TableA") + &endpoint("Dynamo", "dynamodb", "!Ref TableA");
    let mut lab = Lab::new(&template(&both));
    for (name, link, prefixes) in
        [("S3", "s3", s3_prefixes("us-east-1")), ("Dynamo", "aws", dynamodb_prefixes("us-east-1"))]
    {
        lab.carries(&format!("app: 10.0.1.10:40000 > {}:443 tcp SYN", nth(prefixes, 9)), link);
        assert_eq!(lab.origin().vpc_endpoint_id, endpoint_id(&lab.world, name));
        assert!(lab.answer("tcp SYN|ACK").is_ok());
        lab.drops(&format!("db: 10.0.2.10:40000 > {}:443 tcp SYN", nth(prefixes, 9)), NoRoute);
    }
}

/// DynamoDB's gateway endpoint tracks, S3's does not (B1.6).
#[test]
fn tracked_through_dynamodbs_gateway_endpoint() {
    let both = endpoint("S3", "s3", "!Ref TableA") + &endpoint("Dynamo", "dynamodb", "!Ref TableA");
    let group = |rules: &str| {
        template(&both)
            .replace("PrivateIpAddress: 10.0.1.10", "PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref Group]")
            + &format!(
                "  Group: {{Type: AWS::EC2::SecurityGroup, Properties: {{GroupDescription: g, VpcId: !Ref Vpc, {rules}}}}}\n"
            )
    };
    let open = "SecurityGroupIngress: [{IpProtocol: -1, CidrIp: 0.0.0.0/0}]";
    let closed = "SecurityGroupEgress: [{IpProtocol: icmp, FromPort: 8, ToPort: 0, CidrIp: 0.0.0.0/0}]";
    for (prefixes, survives) in [(s3_prefixes("us-east-1"), false), (dynamodb_prefixes("us-east-1"), true)] {
        let mut lab = Lab::new(&group(open));
        let sent = format!("app: 10.0.1.10:40000 > {}:443 tcp SYN", nth(prefixes, 9));
        assert!(lab.send(&sent).is_ok());
        lab.change(&group(closed));
        assert_eq!(lab.send(&sent.replace("SYN", "ACK")).is_ok(), survives, "{sent}");
    }
}

#[test]
fn several_endpoints_over_disjoint_tables() {
    let both = endpoint("First", "s3", "!Ref TableA") + &endpoint("Second", "s3", "!Ref TableB");
    let mut lab = Lab::new(&template(&both));
    let address = nth(s3_prefixes("us-east-1"), 9);
    for (from, name) in [("app: 10.0.1.10", "First"), ("db: 10.0.2.10", "Second")] {
        lab.carries(&format!("{from}:40000 > {address}:443 tcp SYN"), "s3");
        assert_eq!(lab.origin().vpc_endpoint_id, endpoint_id(&lab.world, name));
    }
}

#[test]
fn an_endpoint_without_tables_carries_nothing() {
    let address = nth(s3_prefixes("us-east-1"), 9);
    let sent = format!("app: 10.0.1.10:40000 > {address}:443 tcp SYN");
    let mut lab = Lab::new(&template(&endpoint("S3", "s3", "")));
    assert_eq!(lab.world.vpc_endpoints.len(), 1);
    lab.drops(&sent, NoRoute);
    lab.change(&template(&endpoint("S3", "s3", "!Ref TableA")));
    lab.carries(&sent, "s3");
}

/// The answers to a name in a VPC of a lab.
fn addresses(world: &World, name: &str) -> Vec<Ipv4Addr> {
    let compiled = compile(world);
    let vpc = world.vpcs.keys().next().expect("a VPC");
    let answer = answer(&compiled.zones, vpc, name, RecordType::A, 0).expect("an answer");
    let address = |data: &Data| if let Data::A(address) = data { Some(*address) } else { None };
    answer.records.iter().filter_map(|record| address(&record.data)).collect()
}

/// `s3.amazonaws.com` is us-east-1's (B2): elsewhere it resolves, and the endpoint's list does not hold what it says.
#[test]
fn the_global_name_is_us_east_1s() {
    let text = template(&endpoint("S3", "s3", "!Ref TableA"));
    for (region, name, reaches) in [
        ("us-east-1", "s3.amazonaws.com", true),
        ("us-east-1", "bucket.s3.amazonaws.com", true),
        ("eu-west-1", "bucket.s3.amazonaws.com", false),
        ("eu-west-1", "bucket.s3.eu-west-1.amazonaws.com", true),
    ] {
        let world = world_in(region, &text);
        let found = addresses(&world, name);
        assert!(!found.is_empty(), "{name} in {region}");
        let mut lab = Lab::of(world);
        for address in found {
            let sent = format!("app: 10.0.1.10:40000 > {address}:443 tcp SYN");
            match reaches {
                true => lab.carries(&sent, "s3"),
                false => lab.drops(&sent, NoRoute),
            }
        }
    }
}

#[test]
fn dns_attributes_have_awss_defaults() {
    let ask = |attributes: &str, name: &str| {
        let text = template("").replace("10.0.0.0/16}}", &format!("10.0.0.0/16{attributes}}}}}"));
        let world = world(&text);
        let vpc = world.vpcs.keys().next().expect("a VPC").clone();
        answer(&compile(&world).zones, &vpc, name, RecordType::A, 0).map(|answer| answer.response_code)
    };
    let (service, instance) = ("s3.us-east-1.amazonaws.com", "ip-10-0-1-10.ec2.internal");
    assert_eq!(ask("", service), Some(ResponseCode::NoError), "enableDnsSupport is on");
    assert_eq!(ask("", instance), Some(ResponseCode::NxDomain), "enableDnsHostnames is off");
    assert_eq!(ask(", EnableDnsHostnames: true", instance), Some(ResponseCode::NoError));
    assert_eq!(ask(", EnableDnsSupport: false", service), None);
}

/// One id, another service in another Region: AWS's lists are each Region's own.
#[test]
fn each_region_has_its_own_list() {
    let text = template(
        "
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Vpc, SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, DestinationPrefixListId: pl-6fa54006}]}}
  one: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.11, SecurityGroupIds: [!Ref Group]}}
",
    ) + &endpoint("S3", "s3", "!Ref TableA")
        + &endpoint("Dynamo", "dynamodb", "!Ref TableA");
    for (region, s3) in [("eu-west-1", false), ("ap-southeast-1", true)] {
        let mut lab = Lab::of(world_in(region, &text));
        let [to_s3, to_dynamodb] = [s3_prefixes(region), dynamodb_prefixes(region)]
            .map(|prefixes| format!("one: 10.0.1.11:40000 > {}:443 tcp SYN", nth(prefixes, 9)));
        let (named, other) = if s3 { (to_s3, to_dynamodb) } else { (to_dynamodb, to_s3) };
        assert!(lab.send(&named).is_ok(), "{region}: {named}");
        lab.drops(&other, SecurityGroupMismatch);
    }
}

#[test]
fn every_entry_of_a_customers_list_routes() {
    let mut lab = Lab::new(&template(
        "
  List: {Type: AWS::EC2::PrefixList, Properties: {PrefixListName: offices, AddressFamily: IPv4, MaxEntries: 5, Entries: [{Cidr: 192.0.2.0/25}, {Cidr: 198.51.100.0/24}, {Cidr: 172.16.5.5/32}]}}
  middle: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, PrivateIpAddress: 10.0.2.9, SourceDestCheck: false}}
  Offices: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref TableA, DestinationPrefixListId: !Ref List, InstanceId: !Ref middle}}
",
    ));
    for inside in ["192.0.2.0", "192.0.2.127", "198.51.100.255", "172.16.5.5"] {
        lab.carries(&format!("app: 10.0.1.10:1 > {inside}:80 tcp SYN"), "middle");
    }
    for outside in ["192.0.2.128", "198.51.99.255", "172.16.5.4", "172.16.5.6"] {
        lab.drops(&format!("app: 10.0.1.10:1 > {outside}:80 tcp SYN"), NoRoute);
    }
}

/// Who comes from a peered VPC comes, for IAM, by the endpoint's VPC (B2.1).
#[test]
fn the_source_vpc_is_the_endpoints() {
    let mut lab = Lab::new(&template(
        "
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Far}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref TableB, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  FarTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Far}}
  FarRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref FarSubnet, RouteTableId: !Ref FarTable}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarTable, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, PrivateIpAddress: 10.1.1.10}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: -1, CidrIp: 10.0.0.0/8}]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.sqs\", SubnetIds: [!Ref B], SecurityGroupIds: [!Ref Open]}}
",
    ));
    let managed = |it: &&crate::model::NetworkInterface| it.requester_managed;
    let address = lab.world.network_interfaces.values().find(managed).expect("the endpoint's").private_ip_address();
    let [vpc, far] = ["Vpc", "Far"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name).to_owned());
    for (from, own) in [("app: 10.0.1.10", &vpc), ("far: 10.1.1.10", &far)] {
        assert!(lab.send(&format!("{from}:1 > {address}:443 tcp SYN")).is_ok(), "{}", lab.refuser());
        let origin = lab.origin();
        assert_eq!((&origin.vpc_id, &origin.endpoint_vpc_id), (own, &Some(vpc.clone())));
        assert_eq!(origin.vpc_endpoint_id, endpoint_id(&lab.world, "Sqs"));
        assert_eq!(origin.endpoint_account, Some(origin.account.clone()));
        let arn = format!("arn:aws:ec2:us-east-1:{}:vpc/{vpc}", origin.account);
        assert_eq!(origin.endpoint_vpc_arn, Some(arn));
    }
}
