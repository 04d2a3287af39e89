//! What users run into, each with the reason that they see: a template, and what `vpclab test` must find in it with real
//! packets and by the tables alone.

use anyhow::{Context, Result, ensure};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 8] = [
    ("cases::endpoint_security_group_without_443", endpoint_security_group_without_443),
    ("cases::network_acl_without_ephemeral_ports", network_acl_without_ephemeral_ports),
    ("cases::route_table_that_is_not_associated", route_table_that_is_not_associated),
    ("cases::isolated_subnet_reaches_s3_and_nothing_else", isolated_subnet_reaches_s3_and_nothing_else),
    ("cases::a_peer_can_not_use_the_gateway_endpoint", a_peer_can_not_use_the_gateway_endpoint),
    ("cases::a_spoofed_source_goes_nowhere", a_spoofed_source_goes_nowhere),
    ("cases::a_static_route_shadows_the_endpoint", a_static_route_shadows_the_endpoint),
    ("cases::nat_gateway_and_what_is_behind_it", nat_gateway_and_what_is_behind_it),
];

/// A VPC with a subnet that has a route table of its own, and a guest in it.
const BASE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
";

/// Its gateway endpoint to S3.
const GATEWAY_ENDPOINT: &str = "  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.s3\", RouteTableIds: [!Ref Routes]}}
";

/// All expectations hold, by the tables alone and with real packets.
fn holds(stage: &Stage, template: &[&str], list: &str) -> Result<()> {
    stage.write("case.yaml", &template.concat())?;
    stage.write("case.test.yaml", &format!("expect:\n{list}"))?;
    stage.run(&["test", "--static", "case.yaml"])?.ok().context("by the tables alone")?;
    stage.run(&["test", "case.yaml"])?.ok().context("with real packets")?;
    Ok(())
}

fn endpoint_security_group_without_443(stage: &Stage) -> Result<()> {
    let endpoint = "  ToS3: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: HTTP only, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.0.0/16}]}}
  S3:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: !Sub \"com.amazonaws.${AWS::Region}.s3\"
      SubnetIds: [!Ref Subnet]
      SecurityGroupIds: [!Ref ToS3]
      PrivateDnsEnabled: true
      DnsOptions: {PrivateDnsOnlyForInboundResolverEndpoint: AllResolvers}
";
    let list = "
  - {from: app, to: s3.us-east-1.amazonaws.com:80, via: S3}
  - {from: app, to: s3.us-east-1.amazonaws.com:443, drop: ENI_SG_RULES_MISMATCH}
  - {from: app, only: [S3, resolver, metadata]}
";
    holds(stage, &[BASE, endpoint], list)?;
    // Whoever only sees a timeout is told the group and its line.
    let run = stage.run(&[
        "run",
        "case.yaml",
        "app",
        "--",
        "curl",
        "-sS",
        "--connect-timeout",
        "1",
        "https://s3.us-east-1.amazonaws.com/",
    ])?;
    ensure!(run.code() == 28, "{run:?}");
    for part in ["tcp  ENI_SG_RULES_MISMATCH", "case/ToS3", "case.yaml:7"] {
        ensure!(run.stderr.contains(part), "{part} in {}", run.stderr);
    }
    Ok(())
}

fn network_acl_without_ephemeral_ports(stage: &Stage) -> Result<()> {
    let acl = "  Data: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  In: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: 6, RuleAction: allow, CidrBlock: 10.0.0.0/16, PortRange: {From: 5432, To: 5432}}}
  Out: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: 6, RuleAction: allow, Egress: true, CidrBlock: 10.0.0.0/16, PortRange: {From: 443, To: 443}}}
  DataAcl: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref Data, NetworkAclId: !Ref Acl}}
  Db: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: database, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 5432, ToPort: 5432, CidrIp: 10.0.0.0/16}]}}
  db: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Data, PrivateIpAddress: 10.0.2.10, SecurityGroupIds: [!Ref Db], ImageId: ami-0}}
";
    holds(
        stage,
        &[BASE, acl],
        "
  - {from: app, to: db:5432, drop: SUBNET_ACL_RESTRICTION}
  - {from: app, to: db:5433, drop: SUBNET_ACL_RESTRICTION}
  - {from: db, only: [resolver, metadata]}
",
    )?;
    // It is the answer that is lost, and the failure says so.
    stage.write("case.test.yaml", "expect: [{from: app, to: 'db:5432'}]")?;
    let test = stage.run(&["test", "case.yaml"])?;
    ensure!(test.code() == 1, "{test:?}");
    for part in [
        "it arrives, and its answer is dropped: SUBNET_ACL_RESTRICTION",
        "the packet that was sent went to db, and the answer was dropped: SUBNET_ACL_RESTRICTION",
        "decided by network ACL case/Acl",
    ] {
        ensure!(test.stdout.contains(part), "{part} in {}", test.stdout);
    }
    // With the ephemeral ports it is well.
    let ephemeral = acl.replace("{From: 443, To: 443}", "{From: 32768, To: 60999}");
    holds(stage, &[BASE, &ephemeral], "\n  - {from: app, to: db:5432, via: db}\n")
}

fn route_table_that_is_not_associated(stage: &Stage) -> Result<()> {
    let base: String =
        BASE.lines().filter(|line| !line.contains("SubnetRoutes:")).map(|line| format!("{line}\n")).collect();
    let list = "
  - {from: app, to: s3.us-east-1.amazonaws.com, drop: NO_ROUTE_TO_DESTINATION}
  - {from: app, only: [resolver, metadata]}
";
    holds(stage, &[&base, GATEWAY_ENDPOINT], list)?;
    holds(stage, &[BASE, GATEWAY_ENDPOINT], "\n  - {from: app, to: s3.us-east-1.amazonaws.com, via: S3}\n")
}

fn isolated_subnet_reaches_s3_and_nothing_else(stage: &Stage) -> Result<()> {
    let other = "  Other: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Closed: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: nobody, VpcId: !Ref Vpc}}
  other: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Other, PrivateIpAddress: 10.0.2.10, SecurityGroupIds: [!Ref Closed], ImageId: ami-0}}
";
    holds(
        stage,
        &[BASE, GATEWAY_ENDPOINT, other],
        "
  - {from: app, only: [S3, resolver, metadata]}
  - {from: app, to: s3.us-east-1.amazonaws.com, proto: udp, drop: VPCE_GATEWAY_PROTOCOL_RESTRICTION}
  - {from: app, to: other, proto: icmp, drop: SG_HAS_NO_RULES}
",
    )
}

fn a_peer_can_not_use_the_gateway_endpoint(stage: &Stage) -> Result<()> {
    let peer = "  Peer: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.9.0.0/16}}
  PeerSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Peer, CidrBlock: 10.9.1.0/24}}
  PeerRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Peer}}
  PeerSubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref PeerSubnet, RouteTableId: !Ref PeerRoutes}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Peer}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 10.9.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref PeerRoutes, DestinationCidrBlock: 0.0.0.0/0, VpcPeeringConnectionId: !Ref Peering}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Peer, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 10.0.0.0/8}]}}
  peer: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref PeerSubnet, PrivateIpAddress: 10.9.1.10, SecurityGroupIds: [!Ref Open], ImageId: ami-0}}
";
    holds(
        stage,
        &[BASE, GATEWAY_ENDPOINT, peer],
        "
  - {from: app, to: s3.us-east-1.amazonaws.com, via: S3}
  - {from: app, to: peer:80, via: Peering}
  - {from: peer, to: s3.us-east-1.amazonaws.com, drop: PCX_REQUIRES_ADDRESS_IN_VPC_CIDR}
  - {from: peer, only: [resolver, metadata]}
  - {from: app, only: [S3, peer, resolver, metadata]}
",
    )
}

fn a_spoofed_source_goes_nowhere(stage: &Stage) -> Result<()> {
    stage.write("case.yaml", &[BASE, GATEWAY_ENDPOINT].concat())?;
    stage.write(
        "spoof.sh",
        "ip address add 10.0.1.99/32 dev eth0
curl -s --interface 10.0.1.99 --connect-timeout 1 http://3.5.0.1/
ip address del 10.0.1.99/32 dev eth0
",
    )?;
    stage.write("case.test.yaml", "expect: [{from: app, run: sh spoof.sh, only: [S3, resolver]}]")?;
    let test = stage.run(&["test", "case.yaml"])?;
    ensure!(test.code() == 1, "{test:?}");
    let said = "> 3.5.0.1:80 tcp was dropped: ENI_SOURCE_DEST_CHECK_RESTRICTION";
    ensure!(test.stdout.contains("app: 10.0.1.99:") && test.stdout.contains(said), "{}", test.stdout);
    ensure!(test.stdout.contains("[case.yaml:6]"), "{}", test.stdout);
    Ok(())
}

fn a_static_route_shadows_the_endpoint(stage: &Stage) -> Result<()> {
    let gateway = "  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Shadow: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 3.5.0.0/24, GatewayId: !Ref Gateway}}
";
    holds(
        stage,
        &[BASE, GATEWAY_ENDPOINT, gateway],
        "
  - {from: app, to: '3.5.0.1:443', drop: IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS}
  - {from: app, to: '3.5.1.1:443', via: S3}
  - {from: app, only: [S3, resolver, metadata]}
",
    )
}

fn nat_gateway_and_what_is_behind_it(stage: &Stage) -> Result<()> {
    let nat = "  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  PublicRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PublicSubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicRoutes}}
  Out: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt Address.AllocationId}}
  ToNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
";
    holds(
        stage,
        &[BASE, nat],
        "
  - {from: app, to: internet:80, via: Nat}
  - {from: app, to: internet, proto: icmp, via: Nat}
  - {from: app, to: internet:53, proto: udp, via: Gateway}
  - {from: app, to: s3.us-east-1.amazonaws.com, via: Nat}
  - {from: app, only: [Nat, resolver, metadata]}
  - {from: internet, to: '203.0.113.1:80', drop: NGW_INBOUND_CONNECTION}
",
    )?;
    // What `only: [S3, …, metadata]` is for: without the endpoint all goes by the NAT gateway, unseen.
    stage.write(
        "case.test.yaml",
        "expect: [{from: app, run: 'curl -s -o /dev/null http://s3.us-east-1.amazonaws.com/', only: [S3, resolver]}]",
    )?;
    stage.write("case.yaml", &[BASE, GATEWAY_ENDPOINT, nat].concat())?;
    stage.run(&["test", "case.yaml"])?.ok()?;
    let elsewhere = GATEWAY_ENDPOINT.replace(", RouteTableIds: [!Ref Routes]", "");
    stage.write("case.yaml", &[BASE, &elsewhere, nat].concat())?;
    let test = stage.run(&["test", "case.yaml"])?;
    ensure!(test.code() == 1 && test.stdout.contains("tcp went to s3, which is not listed"), "{test:?}");
    ensure!(test.stdout.contains("0.0.0.0/0 to nat-"), "{}", test.stdout);
    Ok(())
}
