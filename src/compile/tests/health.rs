//! Which targets are checked, from which nodes, and what their absence does to names (B9).

use super::lab::*;
use crate::compile::{CheckedGroup, Compiled, compile};
use crate::dataplane::DropReason::*;
use crate::dataplane::tables::{Health, HealthChecks};
use crate::dns::{NoAddress, addresses};

/// A provider with nodes in zones a and b, targets in a, b and c, and a consumer with an endpoint in both zones.
const PROVIDER: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  C: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, AvailabilityZone: us-east-1c}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: '-1', CidrIp: 10.0.0.0/16}]}}
  a: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, SecurityGroupIds: [!Ref Open], PrivateIpAddress: 10.0.1.20}}
  b: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, SecurityGroupIds: [!Ref Open], PrivateIpAddress: 10.0.2.20}}
  c: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref C, SecurityGroupIds: [!Ref Open], PrivateIpAddress: 10.0.3.20}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: orders, Type: network, Scheme: internal, SubnetMappings: [{SubnetId: !Ref A, PrivateIPv4Address: 10.0.1.100}, {SubnetId: !Ref B, PrivateIPv4Address: 10.0.2.100}]}}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: orders
      Protocol: TCP
      Port: 80
      VpcId: !Ref Vpc
      TargetType: ip
      Targets: [{Id: 10.0.1.20}, {Id: 10.0.2.20}, {Id: 10.0.3.20}, {Id: 10.0.1.99}]
      TargetGroupAttributes: [{Key: preserve_client_ip.enabled, Value: 'false'}, {Key: load_balancing.cross_zone.enabled, Value: CROSS}]
  Listener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Group}]}}
  Idle: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Name: idle, Protocol: TCP, Port: 80, VpcId: !Ref Vpc, TargetType: ip, Targets: [{Id: 10.0.1.20}]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer], AcceptanceRequired: false}}
  Consumer: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  ConsumerA: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Consumer, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  ConsumerB: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Consumer, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref ConsumerA, PrivateIpAddress: 10.0.1.10}}
  Allowed: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Consumer, SecurityGroupIngress: [{IpProtocol: '-1', CidrIp: 10.0.0.0/16}]}}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Consumer, VpcEndpointType: Interface, ServiceName: !Sub 'com.amazonaws.vpce.us-east-1.${Service}', SubnetIds: [!Ref ConsumerA, !Ref ConsumerB], SecurityGroupIds: [!Ref Allowed]}}
";

fn provider(cross: &str) -> Compiled {
    compile(&world(&PROVIDER.replace("CROSS", cross)))
}

/// `TARGET: NODES`, or why nobody checks it.
fn checked(group: &CheckedGroup) -> Vec<String> {
    let line = |target: &crate::compile::CheckedTarget| {
        let nodes: Vec<String> = target.checked_from.iter().map(|from| from.private_ip.to_string()).collect();
        let why = target.unchecked.as_ref().and_then(|health| health.reason).unwrap_or_default();
        format!("{}: {}{why}", target.target.id, nodes.join(" "))
    };
    group.targets.iter().map(line).collect()
}

#[test]
fn nodes_check_the_targets_that_they_use() {
    let compiled = provider("'false'");
    let group = |name: &str| compiled.health.groups.iter().find(|it| it.group.target_group_name == name).unwrap();
    assert_eq!(
        checked(group("orders")),
        [
            "10.0.1.20: 10.0.1.100",
            "10.0.2.20: 10.0.2.100",
            "10.0.3.20: Target.NotInUse",
            "10.0.1.99: Target.IpUnusable"
        ]
    );
    assert_eq!(checked(group("idle")), ["10.0.1.20: Target.NotInUse"]);
    let crossing = provider("'true'");
    let orders = crossing.health.groups.iter().find(|it| it.group.target_group_name == "orders").unwrap();
    assert_eq!(checked(orders)[2], "10.0.3.20: 10.0.1.100 10.0.2.100", "with cross-zone on, each node checks all");
    let slots = compiled.health.groups.iter().flat_map(|it| it.targets.iter().map(|target| target.slot.0));
    let mut slots: Vec<u32> = slots.collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2, 3, 4], "each registration has a place of its own");
}

#[test]
fn a_lab_without_a_balancer_has_nobody_who_checks() {
    let compiled = compile(&world("{Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}}}"));
    assert!(compiled.tables.health_checks.is_none() && compiled.health.groups.is_empty());
    assert!(!compiled.services.iter().any(|service| service.name == "load-balancers"));
}

/// The packet of a check, from the node's stand-in to the target and back, by the tables that a template makes.
#[test]
fn a_check_arrives_with_its_nodes_address() {
    let mut lab = Lab::new(&PROVIDER.replace("CROSS", "'true'"));
    let source = HealthChecks::source(1);
    lab.passes(
        &format!("load-balancers: {source}:40000 > 10.0.1.20:80 tcp SYN"),
        "a: 10.0.2.100:1024 > 10.0.1.20:80 tcp SYN",
    );
    lab.drops(&format!("load-balancers: {source}:40000 > 10.0.1.99:80 tcp SYN"), NoSuchAddress);
}

#[test]
fn names_leave_out_nodes_that_are_absent() {
    let compiled = provider("'false'");
    let (zones, absences) = (&compiled.zones, compiled.zones.absences());
    let world = world(&PROVIDER.replace("CROSS", "'false'"));
    let balancer = world.load_balancers.values().next().unwrap().dns_name.clone();
    let endpoint = world.vpc_endpoints.values().next().unwrap();
    let consumer = endpoint.vpc_id.clone();
    let ask = |name: &str| -> Result<Vec<String>, NoAddress> {
        let mut found: Vec<String> = addresses(zones, &consumer, name)?.iter().map(ToString::to_string).collect();
        found.sort();
        Ok(found)
    };
    let own = |position: usize| {
        let interface = &world.network_interfaces[&endpoint.network_interface_ids[position]];
        interface.private_ip_address().to_string()
    };
    let regional = endpoint.dns_entries[0].dns_name.clone();
    assert_eq!(ask(&balancer).unwrap(), ["10.0.1.100", "10.0.2.100"]);
    assert_eq!(ask(&regional).unwrap(), [own(0), own(1)]);
    absences.set(1, true);
    assert_eq!(ask(&balancer).unwrap(), ["10.0.1.100"]);
    assert_eq!(ask(&regional).unwrap(), [own(0)], "the endpoint's name follows the balancer behind it (B9)");
    assert_eq!(ask(&format!("us-east-1b.{balancer}")).unwrap(), ["10.0.2.100"], "alone in its name, it stays");
    absences.set(0, true);
    assert_eq!(ask(&balancer).unwrap(), ["10.0.1.100", "10.0.2.100"], "before there is nobody, there is everybody");
    absences.set(0, false);
    absences.set(1, false);
    assert_eq!(ask(&regional).unwrap().len(), 2, "and back");
}

#[test]
fn new_flows_through_an_endpoint_follow_health_and_cross_zone() {
    let mut lab = Lab::new(&PROVIDER.replace("CROSS", "'true'"));
    let endpoint = lab.world.vpc_endpoints.values().next().unwrap();
    let address = lab.world.network_interfaces[&endpoint.network_interface_ids[0]].private_ip_address();
    let compiled = compile(&lab.world);
    let orders = compiled.health.groups.iter().find(|it| it.group.target_group_name == "orders").unwrap();
    let tables = lab.dataplane.tables();
    for (target, health) in orders.targets.iter().zip([Health::Unhealthy, Health::Unhealthy, Health::Healthy]) {
        tables.health.set(target.slot, health);
    }
    for port in 40000..40008 {
        let arrived = lab.send(&format!("app: 10.0.1.10:{port} > {address}:80 tcp SYN seq {port}")).unwrap();
        assert!(arrived.starts_with("c: 10.0.1.100:"), "{arrived}: in another zone, and the only healthy one");
    }
}
