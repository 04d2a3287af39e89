//! An availability zone that is down: what goes on in the others, and what names say meanwhile.

use std::net::Ipv4Addr;

use super::lab::*;
use super::services::addresses;
use crate::compile::compile;
use crate::dataplane::DropReason::*;
use crate::dns::Zones;
use crate::model::World;

/// Two zones with a guest, an endpoint's interface and a balancer's node each, and a target in the second.
const TWO_ZONES: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 0.0.0.0/0}]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, SecurityGroupIds: [!Ref Open]}}
  web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, PrivateIpAddress: 10.0.2.10, SecurityGroupIds: [!Ref Open]}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref A, PrivateIPv4Address: 10.0.1.100}, {SubnetId: !Ref B, PrivateIPv4Address: 10.0.2.100}], LoadBalancerAttributes: [{Key: load_balancing.cross_zone.enabled, Value: \"true\"}]}}
  Group: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {VpcId: !Ref Vpc, Protocol: TCP, Port: 80, Targets: [{Id: !Ref web}]}}
  Http: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Group}]}}
  Sqs: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref A, !Ref B], SecurityGroupIds: [!Ref Open]}}
";

fn with_zone_down(zone: &str) -> World {
    let mut world = world(TWO_ZONES);
    world.set_zone_down(zone, true).expect("a zone");
    world
}

/// The addresses that the endpoint's regional name and the balancer's have, by subnet.
fn named(world: &World, zones: &Zones) -> [Vec<u8>; 2] {
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    let balancer = world.load_balancers.values().next().expect("the balancer");
    [&endpoint.dns_entries[0].dns_name, &balancer.dns_name].map(|name| {
        let mut subnets: Vec<u8> =
            addresses(zones, "internet", name).iter().map(|address: &Ipv4Addr| address.octets()[2]).collect();
        subnets.sort_unstable();
        subnets
    })
}

#[test]
fn nothing_in_it_sends_or_receives() {
    let mut lab = Lab::of(with_zone_down("us-east-1a"));
    lab.drops("app: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", ZoneDown);
    assert_eq!(lab.refuser(), "t/A");
    lab.drops("app: 10.0.1.10:5 > 10.0.0.2:53 udp 30", ZoneDown);
    lab.drops("web: 10.0.2.10:5 > 10.0.1.10:80 tcp SYN", ZoneDown);
    lab.drops("web: 10.0.2.10:5 > 10.0.1.100:80 tcp SYN", ZoneDown);
    // The other zone goes on.
    assert!(lab.send("web: 10.0.2.10:6 > 10.0.0.2:53 udp 30").is_ok());
}

#[test]
fn a_connection_ends_with_its_zone() {
    let mut lab = Lab::new(TWO_ZONES);
    lab.carries("app: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", "web");
    let id = lab.world.set_zone_down("us-east-1b", true).expect("a zone");
    lab.become_world();
    lab.drops("app: 10.0.1.10:5 > 10.0.2.10:80 tcp ACK 9", ZoneDown);
    lab.world.set_zone_down(&id, false).expect("a zone");
    lab.become_world();
    lab.carries("app: 10.0.1.10:6 > 10.0.2.10:80 tcp SYN", "web");
}

#[test]
fn names_leave_it_out_unless_nothing_else_is_left() {
    let mut world = world(TWO_ZONES);
    assert_eq!(named(&world, &compile(&world).zones), [[1, 2], [1, 2]]);
    for (zone, left) in [("us-east-1a", 2), ("use1-az2", 1)] {
        let world = with_zone_down(zone);
        assert_eq!(named(&world, &compile(&world).zones), [[left], [left]], "{zone}");
    }
    for zone in ["us-east-1a", "us-east-1b"] {
        world.set_zone_down(zone, true).expect("a zone");
    }
    assert_eq!(named(&world, &compile(&world).zones), [[1, 2], [1, 2]], "nothing works, and names say what does not");
    let error = world.set_zone_down("us-east-1c", true).expect_err("no such zone");
    assert_eq!(
        error,
        "the lab has no subnet in a zone `us-east-1c`: it has us-east-1a (use1-az1), us-east-1b (use1-az2)"
    );
}
