//! Customers' hosted zones: who hears which names.

use std::net::Ipv4Addr;

use super::lab::*;
use super::services::addresses;
use crate::compile::compile;
use crate::dns::{Data, RecordType, Zones, answer};
use crate::model::{Change, ModifyVpcEndpoint, VpcEndpointState};

/// `Vpc` has a private zone and an inbound resolver endpoint, `Far` neither; `example.com` is public.
const ZONES: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Vpc}}
  Inbound: {Type: AWS::Route53Resolver::ResolverEndpoint, Properties: {Direction: INBOUND, SecurityGroupIds: [!Ref Group], IpAddresses: [{SubnetId: !Ref Subnet, Ip: 10.0.1.53}, {SubnetId: !Ref Subnet, Ip: 10.0.1.54}]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref Subnet, PrivateIPv4Address: 10.0.1.100}]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, DependsOn: Inbound, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref Subnet]}}
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16, EnableDnsHostnames: true}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  Deaf: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.2.0.0/16}}

  Public: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com}}
  Records:
    Type: AWS::Route53::RecordSetGroup
    Properties:
      HostedZoneId: !Ref Public
      RecordSets:
        - {Name: www.example.com, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]}
        - {Name: example.com, Type: TXT, TTL: 60, ResourceRecords: ['\"one\" \"two\"']}
        - {Name: front.example.com, Type: A, AliasTarget: {HostedZoneId: !GetAtt Balancer.CanonicalHostedZoneID, DNSName: !GetAtt Balancer.DNSName}}
        - {Name: out.example.com, Type: CNAME, TTL: 60, ResourceRecords: [sqs.us-east-1.amazonaws.com]}
        - Name: queue.example.com
          Type: A
          AliasTarget:
            HostedZoneId: !Select [0, !Split [':', !Select [1, !GetAtt Sqs.DnsEntries]]]
            DNSName: !Select [1, !Split [':', !Select [1, !GetAtt Sqs.DnsEntries]]]
  Private: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com, VPCs: [{VPCId: !Ref Vpc, VPCRegion: us-east-1}, {VPCId: !Ref Deaf, VPCRegion: us-east-1}]}}
  Db: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneId: !Ref Private, Name: db.example.com, Type: A, TTL: 60, ResourceRecords: [10.0.1.10]}}
  Theirs: {Type: AWS::Route53::HostedZone, Properties: {Name: sqs.us-east-1.amazonaws.com}}
  Stolen: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneId: !Ref Theirs, Name: sqs.us-east-1.amazonaws.com, Type: A, TTL: 60, ResourceRecords: [192.0.2.66]}}
";

fn views(lab: &Lab) -> [String; 3] {
    ["Vpc", "Far", "Deaf"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name).to_owned())
}

fn texts(zones: &Zones, view: &str, name: &str) -> Vec<String> {
    let answer = answer(zones, view, name, RecordType::Txt, 0).expect("an answer");
    let text = |data: &Data| match data {
        Data::Txt(strings) => Some(String::from_utf8(strings.join(&b'|')).unwrap()),
        _ => None,
    };
    answer.records.iter().filter_map(|record| text(&record.data)).collect()
}

fn ip(text: &str) -> Vec<Ipv4Addr> {
    vec![text.parse().unwrap()]
}

#[test]
fn a_public_zone_is_everybodys_and_a_private_one_its_vpcs() {
    let lab = Lab::new(ZONES);
    let zones = compile(&lab.world).zones;
    let [own, far, deaf] = views(&lab);
    let inbound = Lab::named(&lab.world.resolver_endpoints, |it| &it.meta, "Inbound");
    for view in [far.as_str(), "internet"] {
        assert_eq!(addresses(&zones, view, "www.example.com"), ip("192.0.2.1"), "{view}");
        assert_eq!(texts(&zones, view, "example.com"), ["one|two"], "{view}");
        assert!(addresses(&zones, view, "db.example.com").is_empty(), "{view}");
    }
    // The private zone hides the public one of the same name.
    for view in [own.as_str(), inbound] {
        assert_eq!(addresses(&zones, view, "db.example.com"), ip("10.0.1.10"), "{view}");
        assert!(addresses(&zones, view, "www.example.com").is_empty() && texts(&zones, view, "example.com").is_empty());
    }
    // B1.2: both attributes are needed for private zones.
    assert_eq!(addresses(&zones, &deaf, "www.example.com"), ip("192.0.2.1"));
    assert!(addresses(&zones, &deaf, "db.example.com").is_empty());
}

#[test]
fn aliases_lead_to_balancers_and_endpoints_and_follow_them() {
    let mut lab = Lab::new(ZONES);
    let zones = compile(&lab.world).zones;
    assert_eq!(addresses(&zones, "internet", "front.example.com"), ip("10.0.1.100"));
    let sqs = Lab::named(&lab.world.vpc_endpoints, |it| &it.meta, "Sqs").to_owned();
    let interface = &lab.world.vpc_endpoints[&sqs].network_interface_ids[0];
    let address = lab.world.network_interfaces[interface].private_ip_address();
    assert_eq!(addresses(&zones, "internet", "queue.example.com"), [address]);
    let subnet_id = Lab::named(&lab.world.subnets, |it| &it.meta, "Subnet").to_owned();
    lab.ask(Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
        vpc_endpoint_id: sqs.clone(),
        remove_subnet_ids: vec![subnet_id],
        ..ModifyVpcEndpoint::default()
    }));
    assert!(addresses(&compile(&lab.world).zones, "internet", "queue.example.com").is_empty(), "the target is gone");
    let mut world = world(ZONES);
    world.vpc_endpoints.get_mut(&sqs).unwrap().state = VpcEndpointState::Rejected;
    assert!(addresses(&compile(&world).zones, "internet", "queue.example.com").is_empty(), "nor while it is rejected");
}

/// Nobody delegates names of AWS's to a customer, and a customer's zone above them hides none.
#[test]
fn awss_own_names_stay_awss() {
    let lab = Lab::new(ZONES);
    let zones = compile(&lab.world).zones;
    let theirs = addresses(&zones, "internet", "sqs.us-east-1.amazonaws.com");
    assert!(!theirs.is_empty() && theirs != ip("192.0.2.66"), "{theirs:?}");
    assert_eq!(addresses(&zones, "internet", "out.example.com"), theirs, "a canonical name leads out of its zone");
    let above = Lab::new(
        &ZONES
            .replace("{Name: sqs.us-east-1.amazonaws.com}", "{Name: com}")
            .replace("Name: sqs.us-east-1.amazonaws.com, Type: A", "Name: x.com, Type: A"),
    );
    let zones = compile(&above.world).zones;
    assert_eq!(addresses(&zones, "internet", "x.com"), ip("192.0.2.66"));
    assert_eq!(addresses(&zones, "internet", "sqs.us-east-1.amazonaws.com"), theirs);
    assert_eq!(addresses(&zones, "internet", "www.example.com"), ip("192.0.2.1"), "the nearest zone decides");
}
