//! What templates become.

use super::*;

#[test]
fn the_first_example_becomes_a_world() {
    let lab = lab(include_str!("../../../examples/first.yaml"));
    let world = &lab.world;
    assert_eq!((world.vpcs.len(), world.subnets.len(), world.instances.len(), world.buckets.len()), (1, 1, 1, 1));
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    assert_eq!(endpoint.service_name, "com.amazonaws.us-east-1.s3");
    assert_eq!(endpoint.route_table_ids.len(), 1);
    assert_eq!(endpoint.meta.source.as_ref().expect("a place").to_string(), "t.yaml:7");
    assert_eq!(
        summary(&lab),
        "placeholder: {{resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}} is `ami-00000000000000000` (t.yaml:8)\n"
    );
}

/// In the manner of AWS's own sample templates: public and private subnets, NAT, an instance with a script.
#[test]
fn a_classic_two_tier_network() {
    check(
        include_str!("templates/two-tier.yaml"),
        "
NatAddress = 203.0.113.1
PublicSubnets = 10.192.0.0/24,10.192.1.0/24
Vpc = vpc-5459f624b046e546f
WebSize = t3.micro
placeholder: parameter `KeyName` of stack `t` is `none` (t.yaml:21)
placeholder: parameter `LatestAmiId` of stack `t` is `ami-00000000000000000` (t.yaml:23)
ignored: CreationPolicy of `WebServer` (t.yaml:126)
ignored: property KeyName of AWS::EC2::Instance `WebServer` (t.yaml:130)
",
    );
}

/// Interfaces in every form, prefix lists, a second block, dynamic references, AWS::NoValue.
#[test]
fn interfaces_and_routes_in_every_form() {
    let lab = lab(include_str!("templates/interfaces.yaml"));
    let world = &lab.world;
    let instance = |name: &str| {
        let instance = world.instances.values().find(|instance| instance.meta.logical_id.as_deref() == Some(name));
        let ids = &instance.expect("the instance").network_interface_ids;
        ids.iter().map(|id| world.network_interfaces[id].private_ip_addresses.clone()).collect::<Vec<_>>()
    };
    let addresses =
        |list: &[&str]| list.iter().map(|text| text.parse().expect("an address")).collect::<Vec<std::net::Ipv4Addr>>();
    assert_eq!(instance("router")[1], addresses(&["10.1.0.10", "10.1.0.11"]));
    assert_eq!(instance("both")[0], addresses(&["10.0.1.20", "10.0.1.21"]));
    let table = world.route_tables.values().find(|table| table.meta.logical_id.as_deref() == Some("Routes"));
    assert_eq!(table.expect("the table").routes.len(), 4, "two local ones, two of the template");
    let offices = world.prefix_lists.values().find(|list| list.prefix_list_name == "offices").expect("the list");
    assert_eq!(offices.entries[0].cidr.to_string(), "192.0.2.0/24");
    assert_eq!(
        summary(&lab),
        "\
Both = 10.0.1.20
Others = 10.1.0.11
Second = 10.1.0.10
ignored: AWS::EC2::VPCCidrBlock `Six`: IPv6 is not emulated (t.yaml:9)
ignored: property Ipv6CidrBlock of AWS::EC2::Subnet `Subnet` (t.yaml:16)
ignored: property AssignIpv6AddressOnCreation of AWS::EC2::Subnet `Subnet` (t.yaml:17)
ignored: property BlockDeviceMappings of AWS::EC2::Instance `router` (t.yaml:40)
ignored: AWS::EC2::Route `ToSix`: IPv6 is not emulated (t.yaml:57)
ignored: output `Public`: needs `both` (attribute PublicIp, not emulated) (t.yaml:64)
"
    );
}

/// Endpoints with policies and private DNS, a load balancer with address targets.
#[test]
fn endpoints_with_policies() {
    check(
        include_str!("templates/endpoints.json"),
        "
QueueName = vpce-faa3f5084022f8121-odwny0ym-us-east-1b.sqs.us-east-1.vpce.amazonaws.com
ignored: a value in PolicyDocument of AWS::EC2::VPCEndpoint `Gateway`: needs `Table` (AWS::DynamoDB::GlobalTable, not emulated) (t.yaml:19)
ignored: AWS::DynamoDB::GlobalTable `Table` (t.yaml:22)
parsed, not enforced yet: target_health_state.unhealthy.draining_interval_seconds (60) of AWS::ElasticLoadBalancingV2::TargetGroup `Group` (t.yaml:45)
ignored: output `Table`: needs `Table` (AWS::DynamoDB::GlobalTable, not emulated) (t.yaml:55)
",
    );
}
