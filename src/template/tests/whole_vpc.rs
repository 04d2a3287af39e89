//! Network ACLs, Elastic IPs, NAT, peering, on-premises and flow logs, from templates: what they become, and where a
//! refusal is shown.

use super::*;
use crate::model::{NatGatewayState, PeeringStatus, RouteOrigin, RouteState, RouteTarget, World};

fn named<'a, T>(objects: &'a BTreeMap<String, T>, meta: fn(&T) -> &crate::model::Meta, name: &str) -> &'a T {
    objects.values().find(|object| meta(object).logical_id.as_deref() == Some(name)).expect("an object of that name")
}

#[test]
fn everything_between_an_instance_and_the_world() {
    let lab = lab(include_str!("templates/whole-vpc.yaml"));
    let outputs = &lab.stacks[0].outputs;
    assert_eq!(outputs["Ids"], outputs["Refs"]);
    let prefixes: Vec<&str> = outputs["Ids"].split(' ').filter_map(|id| id.split('-').next()).collect();
    assert_eq!(prefixes, ["nat", "pcx", "vgw", "cgw", "vpn", "fl", "eipassoc", "rtbassoc"]);
    for (name, value) in [
        ("AppIp", "203.0.113.200"),
        ("Attachment", "VGW"),
        ("AutoIp", "198.18.0.2"),
        ("AutoName", "ec2-198-18-0-2.compute-1.amazonaws.com"),
        ("NatIp", "203.0.113.1"),
        ("WebName", "203.0.113.2"),
        ("Same", "aclassocaclassocaclassoc"),
    ] {
        assert_eq!(outputs[name], value, "{name}");
    }
    assert!(outputs["EntryId"].ends_with("|ingress|100"), "{}", outputs["EntryId"]);
    let notices: Vec<String> = lab.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        notices,
        [
            "ignored: AWS::EC2::NetworkAclEntry `AclSix`: IPv6 is not emulated (t.yaml:32)",
            "ignored: BGP, which without StaticRoutesOnly brings the routes, of AWS::EC2::VPNConnection `Bgp` (t.yaml:49)",
            "ignored: AWS::Logs::LogGroup `Logs` (t.yaml:51)",
        ]
    );
    the_world_is_as_written(&lab.world);
}

fn the_world_is_as_written(world: &World) {
    let acl = named(&world.network_acls, |acl| &acl.meta, "Acl");
    let rules: Vec<_> = acl.entries.iter().map(|entry| (entry.egress, entry.rule_number)).collect();
    assert_eq!(rules, [(false, 100), (false, 200), (true, 100)]);
    assert_eq!(acl.entries[0].icmp_type_code, Some((8, -1)));
    assert_eq!(acl.entries[1].cidr_block.to_string(), "10.0.0.0/16", "host bits are cleared");
    assert_eq!(acl.entries[1].source.as_ref().map(|source| source.line), Some(29));
    let private = named(&world.subnets, |subnet| &subnet.meta, "Private");
    assert_eq!(world.network_acl_of(&private.subnet_id), Some(acl));
    let public = named(&world.subnets, |subnet| &subnet.meta, "Public");
    assert!(world.network_acl_of(&public.subnet_id).expect("the default one").is_default);

    let nat = named(&world.nat_gateways, |nat| &nat.meta, "Nat");
    assert_eq!((nat.state, nat.addresses.len()), (NatGatewayState::Available, 1));
    assert_eq!(nat.addresses[0].private_ip.to_string(), "10.0.1.77");
    assert_eq!(named(&world.nat_gateways, |nat| &nat.meta, "Inner").addresses.len(), 2);
    let peering = named(&world.vpc_peering_connections, |peering| &peering.meta, "Peering");
    assert_eq!(peering.status, PeeringStatus::Active);
    let group = named(&world.security_groups, |group| &group.meta, "Mine");
    assert_eq!(group.ingress.len(), 1);

    let table = named(&world.route_tables, |table| &table.meta, "Routes");
    assert!(table.routes.iter().all(|route| world.route_state(route) == RouteState::Active));
    let propagated: Vec<_> =
        table.routes.iter().filter(|route| route.origin == RouteOrigin::EnableVgwRoutePropagation).collect();
    assert_eq!(propagated.len(), 1);
    assert!(matches!(propagated[0].target, RouteTarget::VpnGateway(_)));
    let office = named(&world.customer_gateways, |gateway| &gateway.meta, "office");
    assert_eq!(world.on_premises_address(office).map(|address| address.to_string()).as_deref(), Some("192.168.0.10"));

    let branch = named(&world.customer_gateways, |gateway| &gateway.meta, "branch");
    assert_eq!(world.on_premises_address(branch).map(|address| address.to_string()).as_deref(), Some("172.16.0.5"));

    let custom = named(&world.flow_logs, |log| &log.meta, "Custom");
    assert_eq!((custom.fields(), custom.max_aggregation_interval), (vec!["srcaddr", "dstaddr", "action"], 600));
    let log = named(&world.flow_logs, |log| &log.meta, "FlowLog");
    assert_eq!((log.log_group_name.as_deref(), log.fields().len()), (Some("not-emulated-Logs"), 14));
}

/// What the refused resources below stand on; they begin on line 16.
const GROUND: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Other: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.128.0/17}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Elsewhere: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Other, CidrBlock: 10.0.129.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  Entry: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, RuleAction: allow, CidrBlock: 0.0.0.0/0}}
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Vpc}}
  Foreign: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Other}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet}}
  Ip: {Type: AWS::EC2::EIP}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref Subnet]}}
  Vgw: {Type: AWS::EC2::VPNGateway, Properties: {Type: ipsec.1}}
  office: {Type: AWS::EC2::CustomerGateway, Properties: {Type: ipsec.1, IpAddress: 192.0.2.1}}
";

/// Each resource with the error that it gets and the line, counted from its own first, at which it is shown.
#[test]
fn refusals_stand_at_the_property_that_they_are_about() {
    for (resource, line, expected) in REFUSALS {
        let template = format!("{GROUND}{resource}");
        let error = drawn(template.trim_start_matches('\n'));
        let first = error.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("error: {expected}")), "expected {expected}\n{error}");
        assert!(
            error.contains(&format!(" --> t.yaml:{}:", GROUND.trim_start().lines().count() + line)),
            "{line}\n{error}"
        );
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
    }
}

const REFUSALS: [(&str, usize, &str); 44] = [
    // Network ACLs (B1.7).
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 32767
      Protocol: -1
      RuleAction: allow
      CidrBlock: 0.0.0.0/0",
        6,
        "InvalidParameterValue: Value (32767) for parameter ruleNumber is invalid.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      Protocol: -1
      CidrBlock: 0.0.0.0/0
      RuleAction: deny
      RuleNumber: 100",
        9,
        "NetworkAclEntryAlreadyExists: The network acl entry identified by 100 already exists.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 1
      Protocol: tcp
      RuleAction: allow
      CidrBlock: 0.0.0.0/0",
        7,
        "InvalidParameterValue: Invalid value 'tcp' for IP protocol.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 1
      Protocol: 6
      RuleAction: allow
      CidrBlock: 0.0.0.0/0",
        2,
        "InvalidParameterValue: Invalid value for portRange.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 1
      Protocol: 17
      RuleAction: allow
      CidrBlock: 0.0.0.0/0
      PortRange:
        From: 90
        To: 80",
        12,
        "InvalidParameterValue: Invalid TCP/UDP port range (90:80)",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 1
      Protocol: -1
      RuleAction: permit
      CidrBlock: 0.0.0.0/0",
        8,
        "InvalidParameterValue: Value (permit) for parameter ruleAction is invalid.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: !Ref Acl
      RuleNumber: 1
      Protocol: -1
      RuleAction: allow
      CidrBlock: pl-63a5400a",
        9,
        "InvalidParameterValue: Value (pl-63a5400a) for parameter cidrBlock is invalid.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkAclEntry
    Properties:
      NetworkAclId: acl-0123456789abcdef0
      RuleNumber: 1
      Protocol: -1
      RuleAction: allow
      CidrBlock: 0.0.0.0/0",
        5,
        "InvalidNetworkAclID.NotFound: The networkAcl ID 'acl-0123456789abcdef0' does not exist",
    ),
    (
        "
  X:
    Type: AWS::EC2::SubnetNetworkAclAssociation
    Properties:
      SubnetId: !Ref Elsewhere
      NetworkAclId: !Ref Acl",
        5,
        "InvalidParameterValue: Network ACL acl-",
    ),
    // Security groups (B1.6).
    (
        "
  X:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !Ref Group
      IpProtocol: -1
      SourceSecurityGroupId: !Ref Foreign",
        2,
        "InvalidGroup.NotFound: You have specified two resources that belong to different networks.",
    ),
    (
        "
  X:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !Ref Group
      IpProtocol: -1
      SourceSecurityGroupId: !Ref Foreign
      SourceSecurityGroupOwnerId: '444455556666'",
        7,
        "InvalidGroup.NotFound: The security group 'sg-",
    ),
    (
        "
  X:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: two rules
      VpcId: !Ref Vpc
      SecurityGroupIngress:
      - {IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/8}
      - {IpProtocol: tcp, FromPort: 80, ToPort: 79, CidrIp: 10.0.0.0/8}
      - {IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.9.0.0/16}",
        9,
        "InvalidParameterValue: Invalid TCP/UDP port range (80:79)",
    ),
    (
        "
  X:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: two rules
      VpcId: !Ref Vpc
      SecurityGroupEgress:
      - {IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/8}
      - {IpProtocol: 6, FromPort: 80, ToPort: 80, CidrIp: 10.1.2.3/8}",
        9,
        "InvalidPermission.Duplicate: the specified rule \"peer: 10.0.0.0/8, TCP, from port: 80, to port: 80, ALLOW\" already exists",
    ),
    // Elastic IPs (B7).
    (
        "
  X:
    Type: AWS::EC2::EIPAssociation
    Properties:
      AllocationId: !GetAtt Ip.AllocationId
      InstanceId: !Ref app",
        2,
        "Gateway.NotAttached: Network vpc-",
    ),
    (
        "
  X: {Type: AWS::EC2::EIP, Properties: {Address: 198.51.100.1}}",
        2,
        "InvalidAddress.NotFound: Address '198.51.100.1' not found.",
    ),
    (
        "
  X:
    Type: AWS::EC2::EIPAssociation
    Properties:
      AllocationId: !GetAtt Ip.AllocationId
      NetworkInterfaceId: !Select [0, !GetAtt Endpoint.NetworkInterfaceIds]",
        2,
        "AuthFailure: You do not have permission to access the specified resource.",
    ),
    (
        "
  X:
    Type: AWS::EC2::EIPAssociation
    Properties:
      InstanceId: !Ref app",
        2,
        "MissingParameter: Either public IP or allocation id must be specified",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkInterfaceAttachment
    Properties:
      InstanceId: !Ref app
      DeviceIndex: 1
      NetworkInterfaceId: !Select [0, !GetAtt Endpoint.NetworkInterfaceIds]",
        2,
        "AuthFailure: You do not have permission to access the specified resource.",
    ),
    // NAT gateways (B7).
    (
        "
  X:
    Type: AWS::EC2::NatGateway
    Properties:
      AllocationId: !GetAtt Ip.AllocationId
      SubnetId: !Ref Subnet",
        6,
        "Gateway.NotAttached: Network vpc-",
    ),
    (
        "
  X: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Subnet}}",
        2,
        "MissingParameter: The request must include the AllocationId parameter.",
    ),
    (
        "
  X:
    Type: AWS::EC2::NatGateway
    Properties:
      SubnetId: !Ref Subnet
      ConnectivityType: private
      PrivateIpAddress: 10.0.2.9",
        7,
        "InvalidParameterValue: Address 10.0.2.9 does not fall within the subnet's address range",
    ),
    (
        "
  X:
    Type: AWS::EC2::NatGateway
    Properties:
      SubnetId: !Ref Subnet
      ConnectivityType: secret",
        6,
        "InvalidParameterValue: Value (secret) for parameter connectivityType is invalid.",
    ),
    // Routes (B1.3).
    (
        "
  X:
    Type: AWS::EC2::Route
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 0.0.0.0/0
      NatGatewayId: nat-0123456789abcdef0",
        7,
        "InvalidNatGatewayID.NotFound: The natGateway ID 'nat-0123456789abcdef0' does not exist",
    ),
    (
        "
  Far: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Elsewhere, ConnectivityType: private}}
  X:
    Type: AWS::EC2::Route
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 0.0.0.0/0
      NatGatewayId: !Ref Far",
        8,
        "InvalidParameterValue: route table rtb-",
    ),
    (
        "
  X:
    Type: AWS::EC2::Route
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 192.168.0.0/16
      GatewayId: !Ref Vgw",
        7,
        "InvalidParameterValue: route table rtb-",
    ),
    (
        "
  X:
    Type: AWS::EC2::Route
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 192.168.0.0/16
      VpcPeeringConnectionId: pcx-0123456789abcdef0",
        7,
        "InvalidVpcPeeringConnectionID.NotFound: The vpcPeeringConnection ID 'pcx-0123456789abcdef0' does not exist",
    ),
    (
        "
  Attachment: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw}}
  X:
    Type: AWS::EC2::Route
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 10.0.1.0/24
      GatewayId: !Ref Vgw",
        7,
        "InvalidParameterValue: The destination CIDR block 10.0.1.0/24 is equal to or more specific than one of this VPC's CIDR blocks.",
    ),
    // Peering (B1.8).
    (
        "
  X:
    Type: AWS::EC2::VPCPeeringConnection
    Properties:
      VpcId: !Ref Vpc
      PeerVpcId: !Ref Other",
        6,
        "VPC peering connection failed to stabilize: Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range",
    ),
    (
        "
  X:
    Type: AWS::EC2::VPCPeeringConnection
    Properties:
      VpcId: !Ref Vpc
      PeerVpcId: !Ref Vpc",
        6,
        "InvalidParameterValue: A VPC cannot be peered with itself",
    ),
    (
        "
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.2.0.0/16}}
  One: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Far, PeerVpcId: !Ref Vpc}}
  X:
    Type: AWS::EC2::VPCPeeringConnection
    DependsOn: One
    Properties:
      VpcId: !Ref Vpc
      PeerVpcId: !Ref Far",
        9,
        "VpcPeeringConnectionAlreadyExists: A VPC peering connection between vpc-",
    ),
    (
        "
  X:
    Type: AWS::EC2::VPCPeeringConnection
    Properties:
      VpcId: !Ref Vpc
      PeerVpcId: vpc-0123456789abcdef0",
        6,
        "InvalidVpcID.NotFound: The vpc ID 'vpc-0123456789abcdef0' does not exist",
    ),
    // VPN.
    (
        "
  X:
    Type: AWS::EC2::VPNGatewayRoutePropagation
    Properties:
      RouteTableIds: [!Ref Routes]
      VpnGatewayId: !Ref Vgw",
        6,
        "Gateway.NotAttached: resource vgw-",
    ),
    (
        "
  Vpn: {Type: AWS::EC2::VPNConnection, Properties: {Type: ipsec.1, CustomerGatewayId: !Ref office, VpnGatewayId: !Ref Vgw}}
  X:
    Type: AWS::EC2::VPNConnectionRoute
    Properties:
      DestinationCidrBlock: 192.168.0.0/16
      VpnConnectionId: !Ref Vpn",
        7,
        "InvalidVpnConnection.InvalidType: The VPN connection vpn-",
    ),
    (
        "
  X:
    Type: AWS::EC2::CustomerGateway
    Properties:
      Type: ipsec.1
      IpAddress: 192.0.2.2
      Tags: [{Key: 'vpclab:PrivateIpAddress', Value: home}]",
        7,
        "InvalidParameterValue: The tag vpclab:PrivateIpAddress is 'home', which is not an IPv4 address",
    ),
    (
        "
  One: {Type: AWS::EC2::VPNConnection, Properties: {Type: ipsec.1, CustomerGatewayId: !Ref office, VpnGatewayId: !Ref Vgw}}
  X:
    Type: AWS::EC2::VPNConnection
    Properties:
      Type: ipsec.1
      VpnGatewayId: !Ref Vgw
      CustomerGatewayId: !Ref office",
        8,
        "InvalidOption.Conflict: A VPN connection between vgw-",
    ),
    // Gateway route tables (B1.3), idle timeouts (B1.6).
    (
        "
  Attachment: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw}}
  Association: {Type: AWS::EC2::GatewayRouteTableAssociation, Properties: {RouteTableId: !Ref Routes, GatewayId: !Ref Vgw}}
  X:
    Type: AWS::EC2::Route
    DependsOn: Association
    Properties:
      RouteTableId: !Ref Routes
      DestinationCidrBlock: 10.0.128.0/20
      InstanceId: !Ref app",
        9,
        "InvalidParameterValue: The destination CIDR block 10.0.128.0/20 is more specific",
    ),
    (
        "
  X:
    Type: AWS::EC2::NetworkInterface
    Properties:
      SubnetId: !Ref Subnet
      ConnectionTrackingSpecification:
        UdpTimeout: 90",
        7,
        "InvalidParameterValue: Value (90) for parameter udpTimeout is invalid.",
    ),
    // Flow logs (B8).
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: vpc-0123456789abcdef0
      TrafficType: ALL
      LogGroupName: logs",
        6,
        "InvalidVpcID.NotFound: The vpc ID 'vpc-0123456789abcdef0' does not exist",
    ),
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: !Ref Vpc
      TrafficType: ALL
      LogGroupName: logs
      LogFormat: ${srcaddr} ${color}",
        2,
        "InvalidParameter: Unknown fields provided: color",
    ),
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: !Ref Vpc
      LogGroupName: logs
      TrafficType: ALL
      MaxAggregationInterval: 30",
        9,
        "InvalidParameter: Invalid Flow Log Max Aggregation Interval: 30",
    ),
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: Subnet
      ResourceId: !Ref Subnet
      TrafficType: NONE
      LogGroupName: logs",
        7,
        "InvalidParameter: Value (NONE) for parameter trafficType is invalid.",
    ),
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: Subnet
      ResourceId: !Ref Subnet
      TrafficType: ALL
      LogGroupName: logs
      Tags: [{Key: 'vpclab:AggregationSeconds', Value: '0'}]",
        9,
        "InvalidParameterValue: The tag vpclab:AggregationSeconds is '0', which is not between 1 and 600 seconds",
    ),
    (
        "
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: Subnet
      ResourceId: !Ref Subnet
      TrafficType: ALL
      LogGroupName: logs
      Tags: [{Key: 'vpclab:LogFile', Value: /etc/passwd}]",
        9,
        "InvalidParameterValue: The tag vpclab:LogFile is '/etc/passwd', which does not end in .log",
    ),
    (
        "
  One: {Type: AWS::EC2::FlowLog, Properties: {ResourceType: VPC, ResourceId: !Ref Vpc, TrafficType: ALL, LogGroupName: logs}}
  X:
    Type: AWS::EC2::FlowLog
    Properties:
      ResourceType: VPC
      ResourceId: !Ref Vpc
      TrafficType: ALL
      LogGroupName: logs",
        7,
        "FlowLogAlreadyExists: Error. There is an existing Flow Log with the same configuration and log destination for vpc-",
    ),
];

const REQUESTER: &str = "
Parameters: {Peer: {Type: String}}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Peer, PeerOwnerId: '222222222222', PeerRegion: eu-west-1ROLE}}
  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Route: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Table, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !GetAtt Peering.Id}}
";

/// A peering with another account's VPC in another Region; CloudFormation accepts it there when it has a role.
#[test]
fn a_peering_across_accounts_needs_a_role_there() {
    const ACCEPTER: &str = "
Resources: {Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}}
Outputs: {Id: {Value: !Ref Vpc}}
";
    const LAB: &str = "
stacks:
  far: {template: far.yaml, account: '222222222222', region: eu-west-1}
  near: {template: near.yaml, account: '111111111111', region: us-east-1, parameters: {Peer: '${far.Id}'}}
";
    for (role, status, state) in [
        (", PeerRoleArn: 'arn:aws:iam::222222222222:role/peer'", PeeringStatus::Active, RouteState::Active),
        ("", PeeringStatus::PendingAcceptance, RouteState::Blackhole),
    ] {
        let near = REQUESTER.replace("ROLE", role);
        let files = Memory::new([("l/lab.yaml", LAB), ("l/far.yaml", ACCEPTER), ("l/near.yaml", &near)]);
        let lab = load(&files, Path::new("l"), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let peering = lab.world.vpc_peering_connections.values().next().expect("the peering");
        assert_eq!(peering.status, status);
        let table = named(&lab.world.route_tables, |table| &table.meta, "Table");
        assert_eq!(lab.world.route_state(&table.routes[1]), state);
        let notices: Vec<String> = lab.notices.iter().map(ToString::to_string).collect();
        let waits = "ignored: the peer's acceptance, which takes a PeerRoleArn: no packet passes until then, of AWS::EC2::VPCPeeringConnection `Peering` (l/near.yaml:5)";
        assert_eq!(notices, if role.is_empty() { vec![waits] } else { Vec::new() });
    }
}
