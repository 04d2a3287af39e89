//! Security groups and network ACLs as templates write them, held against packets: above all what is there by itself.

use super::lab::*;
use crate::dataplane::DropReason::*;

/// A VPC of two subnets; app and peer in `a`, db in `b`. `more` is written below, and may say which groups they have.
fn template(more: &str) -> String {
    let groups = |guest: &str| {
        let named = more.contains(&format!("{guest}Group:"));
        if named { format!(", SecurityGroupIds: [!Ref {guest}Group]") } else { String::new() }
    };
    let [app, peer, db] = ["app", "peer", "db"].map(groups);
    format!(
        "
Resources:
  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}
  A: {{Type: AWS::EC2::Subnet, Properties: {{VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}}}
  B: {{Type: AWS::EC2::Subnet, Properties: {{VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}}}
  app: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10{app}}}}}
  peer: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref A, PrivateIpAddress: 10.0.1.11{peer}}}}}
  db: {{Type: AWS::EC2::Instance, Properties: {{SubnetId: !Ref B, PrivateIpAddress: 10.0.2.10{db}}}}}
{more}"
    )
}

/// A group of that name, with these further properties.
fn group(name: &str, properties: &str) -> String {
    format!(
        "  {name}: {{Type: AWS::EC2::SecurityGroup, Properties: {{GroupDescription: g, VpcId: !Ref Vpc{properties}}}}}\n"
    )
}

const OPEN: &str = ", SecurityGroupIngress: [{IpProtocol: -1, CidrIp: 0.0.0.0/0}]";
const NO_EGRESS: &str = ", SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 127.0.0.1/32}]";

const SYN: &str = "app: 10.0.1.10:40000 > 10.0.2.10:5432 tcp SYN";

#[test]
fn a_new_group_lets_nothing_in_and_everything_out() {
    let mut lab = Lab::new(&template(&(group("appGroup", "") + &group("peerGroup", OPEN))));
    lab.drops("peer: 10.0.1.11:1 > 10.0.1.10:80 tcp SYN", SecurityGroupNoRules);
    assert_eq!(lab.refuser(), "t/appGroup");
    lab.carries("app: 10.0.1.10:1 > 10.0.1.11:80 tcp SYN", "peer");
    lab.carries("app: 10.0.1.10:1 > 10.0.1.11:80 udp 7", "peer");
    assert_eq!(lab.answer("udp 8"), Ok("app: 10.0.1.11:80 > 10.0.1.10:1 udp 8".to_owned()));
}

#[test]
fn the_default_group_is_its_members() {
    let mut lab = Lab::new(&template(&group("dbGroup", OPEN)));
    lab.carries("app: 10.0.1.10:1 > 10.0.1.11:80 tcp SYN", "peer");
    lab.carries("app: 10.0.1.10 > 10.0.1.11 icmp echo-request id 1", "peer");
    // db holds another group: not let in, and reached.
    lab.drops("db: 10.0.2.10:1 > 10.0.1.10:80 tcp SYN", SecurityGroupMismatch);
    lab.carries("app: 10.0.1.10:1 > 10.0.2.10:80 tcp SYN", "db");
}

/// A rule that names a group lets its interfaces' addresses through, and follows who holds it.
#[test]
fn a_group_is_whoever_holds_it() {
    let rules = group("appGroup", "")
        + &group("peerGroup", "")
        + &group(
            "dbGroup",
            ", SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 5432, ToPort: 5432, \
             SourceSecurityGroupId: !Ref appGroup}]",
        );
    let mut lab = Lab::new(&template(&rules));
    lab.carries(SYN, "db");
    lab.drops("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", SecurityGroupMismatch);
    assert_eq!(lab.refuser(), "t/dbGroup");
    lab.change(&template(&rules).replace("[!Ref peerGroup]", "[!Ref appGroup, !Ref peerGroup]"));
    lab.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", "db");
}

/// Into a peered VPC of the same Region (B1.6), by group and by nothing else.
#[test]
fn a_group_of_an_active_peer_matches() {
    let far = "
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Far}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !GetAtt Vpc.MainRouteTableId, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !GetAtt Far.MainRouteTableId, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  FarGroup: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Far}}
  FarRule: {Type: AWS::EC2::SecurityGroupIngress, DependsOn: Peering, Properties: {GroupId: !Ref FarGroup, IpProtocol: tcp, FromPort: 80, ToPort: 80, SourceSecurityGroupId: !Ref appGroup}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, PrivateIpAddress: 10.1.1.10, SecurityGroupIds: [!Ref FarGroup]}}
";
    let text = template(&(group("appGroup", "") + far));
    // A VPC's main table has no attribute in CloudFormation: the routes stand in tables of their own.
    let table = |vpc: &str, subnets: &[&str]| {
        let mut text = format!("  {vpc}Routes: {{Type: AWS::EC2::RouteTable, Properties: {{VpcId: !Ref {vpc}}}}}\n");
        for subnet in subnets {
            text += &format!(
                "  {subnet}Routes: {{Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {{SubnetId: !Ref {subnet}, RouteTableId: !Ref {vpc}Routes}}}}\n"
            );
        }
        text
    };
    let text = text.replace("!GetAtt Vpc.MainRouteTableId", "!Ref VpcRoutes");
    let text = text.replace("!GetAtt Far.MainRouteTableId", "!Ref FarRoutes");
    let mut lab = Lab::new(&(text + &table("Vpc", &["A", "B"]) + &table("Far", &["FarSubnet"])));
    lab.carries("app: 10.0.1.10:1 > 10.1.1.10:80 tcp SYN", "far");
    assert_eq!(lab.answer("tcp SYN|ACK"), Ok("app: 10.1.1.10:80 > 10.0.1.10:1 tcp SYN|ACK".to_owned()));
    lab.drops("peer: 10.0.1.11:1 > 10.1.1.10:80 tcp SYN", SecurityGroupMismatch);
    lab.drops("app: 10.0.1.10:1 > 10.1.1.10:81 tcp SYN", SecurityGroupMismatch);
}

/// Public and private subnet, NAT gateway and internet gateway; `n` holds `pub` and the NAT gateway.
fn with_internet(more: &str) -> String {
    template(more)
        + "
  N: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24}}
  Igw: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw}}
  Public: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Out: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref Public, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Igw}}
  NRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref N, RouteTableId: !Ref Public}}
  NatIp: {Type: AWS::EC2::EIP, DependsOn: Attached}
  Nat: {Type: AWS::EC2::NatGateway, DependsOn: Attached, Properties: {SubnetId: !Ref N, AllocationId: !GetAtt NatIp.AllocationId, PrivateIpAddress: 10.0.3.200}}
  Private: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  ByNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Private, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  ARoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref A, RouteTableId: !Ref Private}}
  pub: {Type: AWS::EC2::Instance, DependsOn: Attached, Properties: {SubnetId: !Ref N, PrivateIpAddress: 10.0.3.10, SecurityGroupIds: [!Ref pubGroup]}}
  PubIp: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {InstanceId: !Ref pub}}
"
}

const TO_INTERNET: &str = "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN";

/// A group means private addresses (B1.6): by the internet gateway the same interface is a stranger.
#[test]
fn a_group_is_not_its_public_addresses() {
    let by_group = "
  Members: {Type: AWS::EC2::SecurityGroupIngress, Properties: {GroupId: !Ref pubGroup, IpProtocol: tcp, FromPort: 22, ToPort: 22, SourceSecurityGroupId: !Ref pubGroup}}
  second: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref N, PrivateIpAddress: 10.0.3.11, SecurityGroupIds: [!Ref pubGroup]}}
  SecondIp: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {InstanceId: !Ref second}}
";
    let mut lab = Lab::new(&with_internet(&(group("pubGroup", "") + by_group)));
    lab.carries("pub: 10.0.3.10:1 > 10.0.3.11:22 tcp SYN", "second");
    let public = lab.world.addresses.values().find(|it| it.meta.logical_id.as_deref() == Some("SecondIp"));
    let public = public.expect("the address").public_ip;
    lab.drops(&format!("pub: 10.0.3.10:1 > {public}:22 tcp SYN"), SecurityGroupMismatch);
    assert_eq!(lab.refuser(), "t/pubGroup");
}

/// Flows through a NAT gateway are tracked whatever the rules say; the gateway itself has no group (B1.6, B7).
#[test]
fn tracked_through_a_nat_gateway() {
    let rules = |app: &str| {
        group("pubGroup", "") + &group("dbGroup", OPEN) + &group("appGroup", app) + &group("peerGroup", app)
    };
    let mut lab = Lab::new(&with_internet(&rules(OPEN)));
    let Ok(left) = lab.send(TO_INTERNET) else { panic!("{}", lab.refuser()) };
    assert!(left.starts_with("internet: 203.0.113."), "{left}");
    assert!(lab.answer("tcp SYN|ACK").is_ok());
    lab.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 udp 3", "db");
    // All rules go: what the NAT gateway carries goes on, the rest stops.
    lab.change(&with_internet(&rules(NO_EGRESS)));
    assert!(lab.send(&TO_INTERNET.replace("SYN", "ACK")).is_ok());
    lab.drops("peer: 10.0.1.11:40000 > 10.0.2.10:5432 udp 3", SecurityGroupMismatch);
    lab.drops(&TO_INTERNET.replace("40000", "40001"), SecurityGroupMismatch);
}

/// An ACL of subnet `n`; entries as `100 allow 6 0.0.0.0/0 1024-65535`, `egress` before those that speak of what leaves.
fn acl(subnet: &str, entries: &[&str]) -> String {
    let mut text = format!(
        "  Acl: {{Type: AWS::EC2::NetworkAcl, Properties: {{VpcId: !Ref Vpc}}}}\n  \
         Guards: {{Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: {{SubnetId: !Ref {subnet}, NetworkAclId: !Ref Acl}}}}\n"
    );
    for (number, entry) in entries.iter().enumerate() {
        let (egress, entry) = entry.strip_prefix("egress ").map_or((false, *entry), |entry| (true, entry));
        let words: Vec<&str> = entry.split(' ').collect();
        let detail = match (words[2], words.get(4)) {
            ("1", Some(icmp)) => {
                let (kind, code) = icmp.split_once('/').expect("a type and a code");
                format!(", Icmp: {{Type: {kind}, Code: {code}}}")
            }
            (_, Some(ports)) => {
                let (from, to) = ports.split_once('-').expect("two ports");
                format!(", PortRange: {{From: {from}, To: {to}}}")
            }
            (_, None) => String::new(),
        };
        text += &format!(
            "  Entry{number}: {{Type: AWS::EC2::NetworkAclEntry, Properties: {{NetworkAclId: !Ref Acl, Egress: {egress}, \
             RuleNumber: {}, RuleAction: {}, Protocol: {}, CidrBlock: {}{detail}}}}}\n",
            words[0], words[1], words[2], words[3]
        );
    }
    text
}

const ALL_OUT: &str = "egress 100 allow -1 0.0.0.0/0";

#[test]
fn the_lowest_number_decides() {
    let lab = |deny: u32, allow: u32| {
        // Written the other way round than they are read.
        let entries = [ALL_OUT, &format!("{allow} allow -1 0.0.0.0/0"), &format!("{deny} deny -1 10.0.1.10/32")]
            .map(str::to_owned);
        Lab::new(&template(&acl("B", &entries.each_ref().map(String::as_str))))
    };
    let mut first = lab(90, 100);
    first.drops(SYN, NetworkAcl);
    assert_eq!(first.refuser(), "t/Acl");
    first.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", "db");
    let mut last = lab(100, 90);
    last.carries(SYN, "db");
    last.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", "db");
}

#[test]
fn a_new_acl_denies_all() {
    let mut lab = Lab::new(&template(&acl("B", &[])));
    lab.drops(SYN, NetworkAcl);
    lab.drops("db: 10.0.2.10:1 > 10.0.1.10:80 tcp SYN", NetworkAcl);
    lab.change(&template(&acl("B", &[ALL_OUT, "100 allow -1 0.0.0.0/0"])));
    lab.carries(SYN, "db");
}

#[test]
fn the_default_acl_allows_all() {
    let mut lab = Lab::new(&template(""));
    lab.carries(SYN, "db");
    assert!(lab.answer("tcp SYN|ACK").is_ok());
    lab.carries("db: 10.0.2.10 > 10.0.1.10 icmp echo-request id 1", "app");
    let shown = crate::model::describe::describe(&lab.world);
    let entries = shown["NetworkAcls"][0]["Entries"].as_array().expect("entries");
    let rule = |number: u64, egress: bool| {
        entries
            .iter()
            .find(|it| it["RuleNumber"] == number && it["Egress"] == egress)
            .map(|it| it["RuleAction"].clone())
    };
    for egress in [false, true] {
        assert_eq!((rule(100, egress), rule(32767, egress)), (Some("allow".into()), Some("deny".into())));
    }
}

#[test]
fn a_subnet_has_one_acl() {
    let second = "
  Other: {Type: AWS::EC2::NetworkAcl, Properties: {VpcId: !Ref Vpc}}
  OtherIn: {Type: AWS::EC2::NetworkAclEntry, Properties: {NetworkAclId: !Ref Other, RuleNumber: 1, Protocol: 6, RuleAction: allow, CidrBlock: 0.0.0.0/0, PortRange: {From: 0, To: 65535}}}
  OtherGuards: {Type: AWS::EC2::SubnetNetworkAclAssociation, DependsOn: Guards, Properties: {SubnetId: !Ref B, NetworkAclId: !Ref Other}}
";
    let udp = acl("B", &["100 allow 17 0.0.0.0/0 0-65535", ALL_OUT]);
    let (tcp_packet, udp_packet) = (SYN, "app: 10.0.1.10:1 > 10.0.2.10:53 udp 9");
    let mut lab = Lab::new(&template(&udp));
    lab.drops(tcp_packet, NetworkAcl);
    lab.carries(udp_packet, "db");
    // Subnet a has the default one.
    lab.carries("db: 10.0.2.10:1 > 10.0.1.11:80 tcp SYN", "peer");
    lab.change(&template(&(udp + second)));
    lab.carries(tcp_packet, "db");
    lab.drops("app: 10.0.1.10:2 > 10.0.2.10:53 udp 9", NetworkAcl);
}

/// The ACL of the NAT gateway's subnet: from inside, to the internet, and 1024 to 65535 back in (B7).
#[test]
fn the_acl_of_the_nat_gateways_subnet_decides() {
    let lab = |entries: &[&str]| {
        let text = with_internet(&(group("pubGroup", "") + &acl("N", entries)));
        Lab::new(&text)
    };
    let (inside, out, back) =
        ("10 allow -1 10.0.1.0/24", "egress 10 allow 6 198.51.100.0/24 80-80", "20 allow 6 0.0.0.0/0 1024-65535");
    let home = "egress 20 allow 6 10.0.1.0/24 1024-65535";
    let mut all = lab(&[inside, out, back, home]);
    assert!(all.send(TO_INTERNET).is_ok(), "{}", all.refuser());
    assert_eq!(all.answer("tcp SYN|ACK"), Ok("app: 198.51.100.10:80 > 10.0.1.10:40000 tcp SYN|ACK".to_owned()));
    lab(&[out, back, home]).drops(TO_INTERNET, NetworkAcl);
    lab(&[inside, back, home]).drops(TO_INTERNET, NetworkAcl);
    for missing in [[inside, out, home], [inside, out, back]] {
        let mut lab = lab(&missing);
        assert!(lab.send(TO_INTERNET).is_ok());
        assert_eq!(lab.answer("tcp SYN|ACK"), Err(NetworkAcl));
        assert_eq!(lab.refuser(), "t/Acl");
    }
}

/// A hop of traceroute is seen only where the ACL of the asker's subnet lets ICMP 11/0 in (B1.5).
#[test]
fn traceroute_needs_icmp_11_0_through_acls() {
    let told = |entries: &[&str]| {
        let lab = Lab::new(&with_internet(&(group("pubGroup", "") + &acl("A", entries))));
        lab.frame_with_ttl(TO_INTERNET, 1)
    };
    let hop = vec!["app: 10.0.3.200 > 10.0.1.10 icmp 11/0".to_owned()];
    assert_eq!(told(&[ALL_OUT, "100 allow -1 0.0.0.0/0"]), hop);
    assert_eq!(told(&[ALL_OUT, "100 allow 6 0.0.0.0/0 1024-65535", "110 allow 1 0.0.0.0/0 11/0"]), hop);
    assert_eq!(told(&[ALL_OUT, "100 allow 6 0.0.0.0/0 1024-65535"]), Vec::<String>::new());
}

/// Behind a NAT gateway, far in a peered VPC, a client's group means nothing (B11).
#[test]
fn references_end_at_a_nat_gateway() {
    let far = "
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref B, ConnectivityType: private, PrivateIpAddress: 10.0.2.200}}
  Private: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  ByNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Private, DestinationCidrBlock: 10.1.0.0/16, NatGatewayId: !Ref Nat}}
  ARoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref A, RouteTableId: !Ref Private}}
  Direct: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  There: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Direct, DestinationCidrBlock: 10.1.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  BRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref B, RouteTableId: !Ref Direct}}
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  Peering: {Type: AWS::EC2::VPCPeeringConnection, Properties: {VpcId: !Ref Vpc, PeerVpcId: !Ref Far}}
  FarTable: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Far}}
  Back: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarTable, DestinationCidrBlock: 10.0.0.0/16, VpcPeeringConnectionId: !Ref Peering}}
  FarRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref FarSubnet, RouteTableId: !Ref FarTable}}
  FarGroup: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: g, VpcId: !Ref Far}}
  FarRule: {Type: AWS::EC2::SecurityGroupIngress, DependsOn: Peering, Properties: {GroupId: !Ref FarGroup, IpProtocol: -1, SourceSecurityGroupId: !Ref appGroup}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, PrivateIpAddress: 10.1.1.10, SecurityGroupIds: [!Ref FarGroup]}}
  second: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, PrivateIpAddress: 10.0.2.11, SecurityGroupIds: [!Ref appGroup]}}
";
    let mut lab = Lab::new(&template(&(group("appGroup", "") + far)));
    lab.carries("second: 10.0.2.11:1 > 10.1.1.10:80 tcp SYN", "far");
    lab.drops("app: 10.0.1.10:1 > 10.1.1.10:80 tcp SYN", SecurityGroupReference);
    lab.drops("peer: 10.0.1.11:1 > 10.1.1.10:80 tcp SYN", SecurityGroupMismatch);
}

/// An interface endpoint without groups has its VPC's default one (B3.1).
#[test]
fn an_endpoint_without_groups_has_the_default_group() {
    let endpoint = "
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.sqs\", SubnetIds: [!Ref B]}}
";
    let mut lab = Lab::new(&template(&(group("peerGroup", "") + endpoint)));
    let address = lab.world.network_interfaces.values().find(|it| it.requester_managed).expect("the endpoint's");
    let address = address.private_ip_address();
    let at_aws = "192.0.2.10:443";
    lab.passes(&format!("app: 10.0.1.10:1 > {address}:443 tcp SYN"), &format!("aws: 10.0.1.10:1 > {at_aws} tcp SYN"));
    assert!(lab.answer("tcp SYN|ACK").is_ok());
    lab.drops(&format!("peer: 10.0.1.11:1 > {address}:443 tcp SYN"), SecurityGroupMismatch);
    assert_eq!(lab.refuser(), "t/Vpc", "whose group it was born with");
}

/// What an instance's generation remembers, and what its interface was told to.
#[test]
fn a_nitro_v6_instance_forgets_tcp_after_350_s() {
    use crate::compile::filters::is_nitro_v6;
    for it in
        ["m8i.large", "c8gn.xlarge", "r8i-flex.large", "m8azn.medium", "x8aedz.large", "p6-b200.48xlarge", "m9g.large"]
    {
        assert!(is_nitro_v6(it), "{it}");
    }
    for it in ["t3.micro", "m5.large", "m8g.large", "c8gd.large", "i8ge.large", "p6e-gb200.36xlarge", "g6.xlarge", ""] {
        assert!(!is_nitro_v6(it), "{it}");
    }
    forgets(", InstanceType: m8i.large", "SubnetId: !Ref B", 350);
    forgets(", InstanceType: m5.large", "SubnetId: !Ref B", 432_000);
}

#[test]
fn conntrack_limits_can_be_set() {
    let told = "SubnetId: !Ref B, ConnectionTrackingSpecification: {TcpEstablishedTimeout: 60, UdpTimeout: 60, UdpStreamTimeout: 61}";
    forgets("", told, 60);
    forgets(", InstanceType: m8i.large", told, 60);
    let text = idle("", told, 5432);
    let mut lab = Lab::new(&text);
    let udp = "app: 10.0.1.10:1 > 10.0.2.20:53 udp 9";
    lab.carries("late: 10.0.2.20:53 > 10.0.1.10:1 udp 9", "app");
    for (exchanges, seconds) in [(0, 60), (2, 61)] {
        for _ in 0..exchanges {
            lab.carries("late: 10.0.2.20:53 > 10.0.1.10:1 udp 9", "app");
            lab.carries(udp, "late");
        }
        lab.after(seconds - 1);
        lab.carries(udp, "late");
        lab.after(seconds);
        lab.drops(udp, SecurityGroupMismatch);
        lab.carries("late: 10.0.2.20:53 > 10.0.1.10:1 udp 9", "app");
    }
}

/// `late`, whose interface is written out, lets one port in.
fn idle(instance: &str, interface: &str, port: u16) -> String {
    let late = format!(
        "  Eni: {{Type: AWS::EC2::NetworkInterface, Properties: {{{interface}, PrivateIpAddress: 10.0.2.20, GroupSet: [!Ref lateGroup]}}}}
  late: {{Type: AWS::EC2::Instance, Properties: {{NetworkInterfaces: [{{DeviceIndex: 0, NetworkInterfaceId: !Ref Eni}}]{instance}}}}}\n"
    );
    let rule =
        format!(", SecurityGroupIngress: [{{IpProtocol: tcp, FromPort: {port}, ToPort: {port}, CidrIp: 10.0.1.0/24}}]");
    template(&(group("lateGroup", &rule) + &group("appGroup", OPEN) + &late))
}

/// An established connection to `late` lives that long without its rule.
#[track_caller]
fn forgets(instance: &str, interface: &str, seconds: u64) {
    let data = "app: 10.0.1.10:40000 > 10.0.2.20:5432 tcp ACK 5";
    let mut lab = Lab::new(&idle(instance, interface, 5432));
    lab.carries("app: 10.0.1.10:40000 > 10.0.2.20:5432 tcp SYN", "late");
    assert!(lab.answer("tcp SYN|ACK").is_ok());
    lab.change(&idle(instance, interface, 1));
    lab.after(seconds - 1);
    lab.carries(data, "late");
    lab.after(seconds);
    lab.drops(data, SecurityGroupMismatch);
}
