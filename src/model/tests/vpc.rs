//! VPCs, subnets, route tables, gateways (B1.1, B1.3, B6.3).

use super::*;

#[test]
fn a_vpc_is_born_with_a_main_route_table_and_a_default_group() {
    let mut asker = Asker::default();
    let vpc_id = asker.make(vpc("10.0.77.1/16"));
    let world = &asker.world;
    let vpc = &world.vpcs[&vpc_id];
    assert_eq!(vpc.cidr_blocks, ["10.0.0.0/16".parse().unwrap()], "host bits are cleared");
    let table = &world.route_tables[&vpc.main_route_table_id];
    assert!(table.is_main());
    assert_eq!(table.routes.len(), 1);
    assert_eq!(table.routes[0].target, RouteTarget::Local);
    let group = &world.security_groups[&vpc.default_security_group_id];
    assert_eq!(group.ingress[0].permission.peer, PermissionPeer::Group(group.group_id.clone()));
    assert_eq!(group.egress[0].permission.peer, PermissionPeer::Cidr("0.0.0.0/0".to_owned()));
}

#[test]
fn vpc_blocks_have_bounds() {
    let mut asker = Asker::default();
    asker.refused(vpc("10.0.0.0/8"), "InvalidVpc.Range: The CIDR '10.0.0.0/8' is invalid.");
    asker.refused(vpc("10.0.0.0/29"), "InvalidVpc.Range: The CIDR '10.0.0.0/29' is invalid.");
    asker.refused(vpc("169.254.0.0/16"), "InvalidVpc.Range");
    asker.refused(vpc("224.1.0.0/16"), "InvalidVpc.Range");
    asker.refused(vpc("ten"), "InvalidParameterValue: Value (ten) for parameter cidrBlock is invalid.");
}

#[test]
fn a_secondary_block_brings_local_routes_and_has_its_rules() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let add = |block: &str| Change::AssociateVpcCidrBlock { vpc_id: vpc_id.clone(), cidr_block: block.to_owned() };
    let association = asker.make(add("100.64.0.0/16"));
    assert!(id::is_well_formed("vpc-cidr-assoc", &association), "{association}");
    let table = asker.world.route_tables[&asker.world.vpcs[&vpc_id].main_route_table_id].clone();
    assert_eq!(table.routes.iter().filter(|route| route.target == RouteTarget::Local).count(), 2);

    asker.refused(add("192.168.0.0/16"), "InvalidVpc.Range: The CIDR '192.168.0.0/16' is restricted.");
    asker.refused(add("198.19.0.0/16"), "InvalidVpc.Range: The CIDR '198.19.0.0/16' is restricted.");
    asker.refused(add("10.0.128.0/20"), "InvalidVpc.Range: The CIDR '10.0.128.0/20' conflicts");
    let gateway = asker.make(Change::CreateInternetGateway);
    asker.make(Change::AttachInternetGateway { internet_gateway_id: gateway.clone(), vpc_id: vpc_id.clone() });
    asker.make(route(&table.route_table_id, "10.5.1.0/24", RouteTargetId::Gateway(gateway)));
    asker.refused(add("10.5.0.0/16"), "InvalidVpc.Range: The CIDR '10.5.0.0/16' is equal to or larger than");
    for block in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        asker.make(add(block));
    }
    asker.refused(add("10.4.0.0/16"), "CidrLimitExceeded");
}

/// The table "IPv4 CIDR block association restrictions", row by row.
#[test]
fn blocks_that_a_vpc_takes_depend_on_its_first() {
    for (primary, taken, restricted) in [
        ("10.9.0.0/16", vec!["10.0.0.0/16", "100.64.0.0/16", "44.0.0.0/16"], vec!["172.16.0.0/16", "192.168.0.0/24"]),
        ("10.1.0.0/16", vec!["10.2.0.0/16"], vec!["10.0.0.0/24", "198.19.0.0/24"]),
        ("172.16.0.0/16", vec!["172.30.0.0/16"], vec!["172.31.0.0/20", "10.0.0.0/16", "192.168.0.0/16"]),
        ("192.168.0.0/24", vec!["192.168.1.0/24"], vec!["10.0.0.0/16", "172.16.0.0/16", "198.19.1.0/24"]),
        ("198.19.0.0/20", vec!["198.19.16.0/20", "44.0.0.0/16"], vec!["10.0.0.0/16", "192.168.0.0/16"]),
        ("100.64.0.0/16", vec!["100.65.0.0/16", "44.0.0.0/16"], vec!["10.0.0.0/16", "172.31.0.0/16", "198.19.0.0/16"]),
    ] {
        let mut asker = Asker::default();
        let vpc_id = asker.make(vpc(primary));
        let add = |block: &str| Change::AssociateVpcCidrBlock { vpc_id: vpc_id.clone(), cidr_block: block.to_owned() };
        for block in restricted {
            asker.refused(add(block), &format!("InvalidVpc.Range: The CIDR '{block}' is restricted."));
        }
        for block in taken {
            asker.make(add(block));
        }
    }
}

/// A customer's list takes its MaxEntries of a table's routes and of a group's rules, AWS's of S3 takes one (B1.6, B2.2).
#[test]
fn prefix_lists_weigh_what_they_may_hold() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let gateway = asker.internet_gateway(&vpc_id);
    let list = |asker: &mut Asker, max_entries| {
        asker.make(Change::CreateManagedPrefixList {
            prefix_list_name: format!("list-{max_entries}"),
            address_family: "IPv4".to_owned(),
            max_entries,
            entries: vec![("1.0.0.0/8".to_owned(), None)],
        })
    };
    let (heavy, rest, one_more) = (list(&mut asker, 490), list(&mut asker, 9), list(&mut asker, 1));
    let table = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    let to = |destination: &str| route(&table, destination, RouteTargetId::Gateway(gateway.clone()));
    asker.make(to(&heavy));
    asker.refused(to(&list(&mut asker.clone(), 10)), "InvalidPrefixListID.NotFound");
    asker.make(to(&rest));
    asker.refused(to(&one_more), "RouteLimitExceeded: The maximum number of routes has been reached");
    let group_id = asker.world.vpcs[&vpc_id].default_security_group_id.clone();
    let from = |list: &str| Change::AuthorizeSecurityGroupIngress {
        group_id: group_id.clone(),
        permissions: vec![permission("tcp", 443, PermissionPeer::PrefixList(list.to_owned()))],
    };
    asker.make(from("pl-63a5400a"));
    let fifty_nine = list(&mut asker, 59);
    asker.refused(from(&fifty_nine), "RulesPerSecurityGroupLimitExceeded");
    let fifty_eight = list(&mut asker, 58);
    asker.make(from(&fifty_eight));
    asker.refused(from(&one_more), "RulesPerSecurityGroupLimitExceeded");
    // IPv6 rules are counted apart.
    let ipv6 = permission("tcp", 443, PermissionPeer::Ipv6Cidr("::/0".to_owned()));
    asker.make(Change::AuthorizeSecurityGroupIngress { group_id: group_id.clone(), permissions: vec![ipv6] });
}

#[test]
fn subnets_lie_inside_their_vpc_and_apart() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let cases = [
        (
            subnet(&vpc_id, "10.0.1.128/25", "us-east-1a"),
            "InvalidSubnet.Conflict: The CIDR '10.0.1.128/25' conflicts with another subnet",
        ),
        (subnet(&vpc_id, "10.0.0.0/16", "us-east-1a"), "InvalidSubnet.Conflict"),
        (subnet(&vpc_id, "10.1.0.0/24", "us-east-1a"), "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."),
        (subnet(&vpc_id, "10.0.2.0/29", "us-east-1a"), "InvalidSubnet.Range"),
        (
            subnet(&vpc_id, "10.0.2.0/24", "us-west-2a"),
            "InvalidParameterValue: Value (us-west-2a) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: us-east-1a, us-east-1b,",
        ),
        (
            subnet("vpc-nope", "10.0.2.0/24", "us-east-1a"),
            "InvalidVpcId.Malformed: Invalid Id: 'vpc-nope' (expecting 'vpc-...",
        ),
        (
            subnet("vpc-00000000000000000", "10.0.2.0/24", "us-east-1a"),
            "InvalidVpcID.NotFound: The vpc ID 'vpc-00000000000000000' does not exist",
        ),
    ];
    for (change, expected) in cases {
        asker.refused(change, expected);
    }
    asker.refused_as(OTHER_ACCOUNT, subnet(&vpc_id, "10.0.2.0/24", "us-east-1a"), "InvalidVpcID.NotFound");
}

#[test]
fn addresses_are_the_lowest_free_ones_and_explicit_ones_hold() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/28", "us-east-1a");
    asker.make(instance(&subnet_id, Some("10.0.1.5")));
    let first = asker.instance(&subnet_id);
    let second = asker.instance(&subnet_id);
    assert_eq!(asker.world.attribute(&first, "PrivateIp").unwrap(), "10.0.1.4");
    assert_eq!(asker.world.attribute(&second, "PrivateIp").unwrap(), "10.0.1.6");
    assert_eq!(asker.world.instances[&second].private_dns_name, "ip-10-0-1-6.ec2.internal");
    let interface = &asker.world.network_interfaces[&asker.world.instances[&second].network_interface_ids[0]];
    assert_eq!(interface.mac_address, [0x06, 0x01, 10, 0, 1, 6]);

    asker.refused(instance(&subnet_id, Some("10.0.1.5")), "InvalidIPAddress.InUse: Address 10.0.1.5 is in use.");
    asker.refused(
        instance(&subnet_id, Some("10.0.2.5")),
        "InvalidParameterValue: Address 10.0.2.5 does not fall within",
    );
    for reserved in ["10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.15"] {
        let expected = format!("InvalidParameterValue: Address {reserved} is in subnet's reserved address range");
        asker.refused(instance(&subnet_id, Some(reserved)), &expected);
    }
    // 16 addresses less 5 reserved less 3 taken.
    for _ in 0..8 {
        asker.instance(&subnet_id);
    }
    asker.refused(instance(&subnet_id, None), "InsufficientFreeAddressesInSubnet");
}

#[test]
fn routes_follow_the_rules_of_create_route() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let instance_id = asker.instance(&subnet_id);
    let table = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    let gateway = asker.make(Change::CreateInternetGateway);
    let internet = || RouteTargetId::Gateway(gateway.clone());
    asker.refused(
        route(&table, "0.0.0.0/0", internet()),
        &format!(
            "InvalidParameterValue: route table {table} and network gateway {gateway} belong to different networks"
        ),
    );
    asker.make(Change::AttachInternetGateway { internet_gateway_id: gateway.clone(), vpc_id: vpc_id.clone() });
    asker.refused(
        Change::AttachInternetGateway { internet_gateway_id: gateway.clone(), vpc_id: other_vpc },
        "Resource.AlreadyAssociated",
    );
    asker.make(route(&table, "0.0.0.0/0", internet()));
    let to_instance = || RouteTargetId::Instance(instance_id.clone());
    asker.make(route(&table, "10.0.1.0/24", to_instance()));
    let cases = [
        ("0.0.0.0/0", internet(), "RouteAlreadyExists: The route identified by 0.0.0.0/0 already exists."),
        ("10.0.0.0/16", internet(), "RouteAlreadyExists: The route identified by 10.0.0.0/16 already exists."),
        ("169.254.169.0/24", internet(), "InvalidParameterValue: The destination CIDR block 169.254.169.0/24"),
        (
            "10.0.2.0/24",
            internet(),
            "InvalidParameterValue: The destination CIDR block 10.0.2.0/24 is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.",
        ),
        (
            "10.0.2.0/24",
            to_instance(),
            "InvalidParameterValue: The destination CIDR block 10.0.2.0/24 is more specific",
        ),
        ("pl-00000000", internet(), "InvalidPrefixListID.NotFound"),
        ("1.0.0.0/8", RouteTargetId::NatGateway("nat-00000000000000000".into()), "InvalidNatGatewayID.NotFound"),
        ("1.0.0.0/8", RouteTargetId::Gateway("vgw-00000000".into()), "InvalidGatewayID.NotFound"),
    ];
    for (destination, target, expected) in cases {
        asker.refused(route(&table, destination, target), expected);
    }
    asker.make(route(&table, "169.254.0.0/16", internet()));
}

#[test]
fn a_subnet_has_one_route_table() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let main = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    assert_eq!(asker.world.route_table_of(&subnet_id).unwrap().route_table_id, main);
    let [one, two, foreign] =
        [&vpc_id, &vpc_id, &other_vpc].map(|vpc_id| asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() }));
    let associate =
        |table: &str| Change::AssociateRouteTable { route_table_id: table.to_owned(), subnet_id: subnet_id.clone() };
    asker.refused(associate(&foreign), "InvalidParameterValue: Route table");
    let association = asker.make(associate(&one));
    assert!(id::is_well_formed("rtbassoc", &association));
    assert_eq!(asker.world.route_table_of(&subnet_id).unwrap().route_table_id, one);
    asker.refused(associate(&two), "Resource.AlreadyAssociated: the specified association for route table");
}
