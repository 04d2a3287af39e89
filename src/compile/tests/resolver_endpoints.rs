//! Inbound resolver endpoints: who reaches them, what stops a question, and whose names answer it.

use std::net::Ipv4Addr;

use super::lab::*;
use super::services::addresses;
use crate::compile::compile;
use crate::dataplane::DropReason::*;
use crate::model::s3_prefixes;

/// A VPC with S3's two kinds of endpoints and a resolver endpoint that the office, a peer and the own subnet may ask.
const HYBRID: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  Vgw: {Type: AWS::EC2::VPNGateway, Properties: {Type: ipsec.1}}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw}}
  office: {Type: AWS::EC2::CustomerGateway, Properties: {Type: ipsec.1, IpAddress: 203.0.113.250}}
  Tunnel: {Type: AWS::EC2::VPNConnection, Properties: {Type: ipsec.1, StaticRoutesOnly: true, CustomerGatewayId: !Ref office, VpnGatewayId: !Ref Vgw}}
  Network: {Type: AWS::EC2::VPNConnectionRoute, Properties: {VpnConnectionId: !Ref Tunnel, DestinationCidrBlock: 192.168.0.0/24}}
  Propagation: {Type: AWS::EC2::VPNGatewayRoutePropagation, DependsOn: Attached, Properties: {VpnGatewayId: !Ref Vgw, RouteTableIds: [!Ref Routes]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10}}
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16, EnableDnsHostnames: true}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  FarRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Far}}
  FarSubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref FarSubnet, RouteTableId: !Ref FarRoutes}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Far}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarRoutes, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, PrivateIpAddress: 10.1.1.10}}
  Questions:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: who may ask
      VpcId: !Ref Vpc
      SecurityGroupIngress:
        - {IpProtocol: udp, FromPort: 53, ToPort: 54, CidrIp: 192.168.0.0/24}
        - {IpProtocol: tcp, FromPort: 53, ToPort: 53, CidrIp: 192.168.0.0/24}
        - {IpProtocol: udp, FromPort: 53, ToPort: 53, CidrIp: 10.1.1.10/32}
        - {IpProtocol: udp, FromPort: 53, ToPort: 53, CidrIp: 10.0.1.10/32}
  Inbound: {Type: AWS::Route53Resolver::ResolverEndpoint, Properties: {Direction: INBOUND, SecurityGroupIds: [!Ref Questions], IpAddresses: [{SubnetId: !Ref Subnet, Ip: 10.0.1.53}, {SubnetId: !Ref Subnet}]}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref Routes]}}
  S3Inside: {Type: AWS::EC2::VPCEndpoint, DependsOn: S3, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.s3, SubnetIds: [!Ref Subnet], PrivateDnsEnabled: true}}
";

fn endpoint_id(lab: &Lab) -> String {
    Lab::named(&lab.world.resolver_endpoints, |it| &it.meta, "Inbound").to_owned()
}

#[test]
fn others_ask_the_resolver_at_its_endpoint() {
    let mut lab = Lab::new(HYBRID);
    let id = endpoint_id(&lab);
    for (from, name) in [("office: 192.168.0.10", "t/office"), ("far: 10.1.1.10", "t/far"), ("app: 10.0.1.10", "t/app")]
    {
        let (link, address) = from.split_once(": ").unwrap();
        lab.passes(
            &format!("{from}:5000 > 10.0.1.53:53 udp 30"),
            &format!("resolver: {address}:5000 > 169.254.169.253:53 udp 30"),
        );
        assert_eq!((lab.origin().name.as_str(), lab.origin().dns_view()), (name, id.as_str()));
        assert_eq!(lab.answer("udp 90"), Ok(format!("{link}: 10.0.1.53:53 > {address}:5000 udp 90")));
    }
    // The guest's own resolver is its VPC's, as it was.
    lab.passes("app: 10.0.1.10:5001 > 10.0.0.2:53 udp 30", "resolver: 10.0.1.10:5001 > 169.254.169.253:53 udp 30");
    assert_eq!(lab.origin().dns_view(), Lab::named(&lab.world.vpcs, |it| &it.meta, "Vpc"));
    lab.passes(
        "office: 192.168.0.10:5000 > 10.0.1.53:53 tcp SYN",
        "resolver: 192.168.0.10:5000 > 169.254.169.253:53 tcp SYN",
    );
    assert_eq!(lab.answer("tcp SYN|ACK"), Ok("office: 10.0.1.53:53 > 192.168.0.10:5000 tcp SYN|ACK".to_owned()));
}

/// Base+2 asks no group; a resolver endpoint is a network interface and does.
#[test]
fn groups_acls_and_routes_decide_about_questions() {
    let mut lab = Lab::new(HYBRID);
    lab.drops("far: 10.1.1.10:5000 > 10.0.1.53:53 tcp SYN", SecurityGroupMismatch);
    assert_eq!(lab.refuser(), "t/Questions");
    lab.drops("office: 192.168.0.10:5000 > 10.0.1.53:54 udp 30", ResolverPort);
    assert_eq!(lab.refuser(), "t/Inbound");
    lab.drops("office: 192.168.0.10:5000 > 10.0.1.53:443 tcp SYN", SecurityGroupMismatch);
    // A closed list of the subnet's own.
    let closed = HYBRID.to_owned()
        + "  Acl: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  AclOfSubnet: {Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {SubnetId: !Ref Subnet, NetworkAclId: !Ref Acl}}
";
    Lab::new(&closed).drops("office: 192.168.0.10:5000 > 10.0.1.53:53 udp 30", NetworkAcl);
    // Without a route back the answer goes nowhere.
    let mut lab = Lab::new(
        &HYBRID.replace("  Propagation:", "  Metadata: {Type: AWS::CloudFormation::WaitConditionHandle}\n  # "),
    );
    assert!(lab.send("office: 192.168.0.10:5000 > 10.0.1.53:53 udp 30").is_ok());
    assert_eq!(lab.answer("udp 90"), Err(NoRoute));
    // The VPC's attribute silences this way too.
    let silent = HYBRID.replacen("EnableDnsHostnames: true", "EnableDnsSupport: false", 1);
    let mut lab = Lab::new(&silent.replace(", PrivateDnsEnabled: true", ""));
    lab.drops("office: 192.168.0.10:5000 > 10.0.1.53:53 udp 30", DnsSupportOff);
    assert_eq!(lab.refuser(), "t/Inbound");
}

/// B3.3: S3's private names are for questions from outside; who is in the VPC keeps to the gateway endpoint.
#[test]
fn private_names_for_inbound_resolvers_only() {
    let lab = Lab::new(HYBRID);
    let [vpc, far] = ["Vpc", "Far"].map(|name| Lab::named(&lab.world.vpcs, |it| &it.meta, name));
    let endpoint = Lab::named(&lab.world.vpc_endpoints, |it| &it.meta, "S3Inside");
    let interface = &lab.world.vpc_endpoints[endpoint].network_interface_ids[0];
    let inside = lab.world.network_interfaces[interface].private_ip_address();
    let zones = compile(&lab.world).zones;
    let of_s3 = |address: &Ipv4Addr| s3_prefixes("us-east-1").iter().any(|block| block.contains(address));
    for name in ["s3.us-east-1.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com"] {
        assert_eq!(addresses(&zones, &endpoint_id(&lab), name), [inside], "{name}");
        for view in [vpc, far, "internet"] {
            assert!(addresses(&zones, view, name).iter().all(of_s3), "{name} in {view}");
        }
    }
    // What else the VPC knows, its endpoint says too.
    let app = "ip-10-0-1-10.ec2.internal";
    assert_eq!(addresses(&zones, &endpoint_id(&lab), app), [Ipv4Addr::new(10, 0, 1, 10)]);
    // AllResolvers: the same answer for everybody in the VPC.
    let all = "PrivateDnsEnabled: true, DnsOptions: {PrivateDnsOnlyForInboundResolverEndpoint: AllResolvers}";
    let lab = Lab::new(&HYBRID.replace("PrivateDnsEnabled: true", all));
    let vpc = Lab::named(&lab.world.vpcs, |it| &it.meta, "Vpc");
    let zones = compile(&lab.world).zones;
    for view in [vpc, &endpoint_id(&lab)] {
        assert_eq!(addresses(&zones, view, "s3.us-east-1.amazonaws.com"), [inside], "{view}");
    }
}
