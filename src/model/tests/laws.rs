//! Laws that hold for any sequence of changes, drawn at random over few objects so that they meet and clash.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// One change, as numbers that pick from what is there.
type Step = (u8, u8, u8, u8);

/// One of the ids in a map; now and then one that nobody has.
fn pick<T>(objects: &std::collections::BTreeMap<String, T>, prefix: &str, pick: u8) -> String {
    match objects.len() {
        count if count > 0 && pick % 8 != 7 => objects.keys().nth(usize::from(pick / 8) % count),
        _ => None,
    }
    .cloned()
    .unwrap_or_else(|| format!("{prefix}-{pick:017x}"))
}

fn change(world: &World, (kind, a, b, c): Step) -> Change {
    let vpc_id = || pick(&world.vpcs, "vpc", a);
    let subnet_id = |n| pick(&world.subnets, "subnet", n);
    let table = || pick(&world.route_tables, "rtb", a);
    let flag = c % 2 == 0;
    match kind % 42 {
        0 => vpc(["10.0.0.0/16", "10.1.0.0/24", "192.168.0.0/28", "10.0.0.0/8"][usize::from(b % 4)]),
        1 | 2 => subnet(
            &vpc_id(),
            &format!("10.0.{}.0/{}", b % 4, 27 + c % 3),
            ["us-east-1a", "us-east-1b"][usize::from(b % 2)],
        ),
        3 => Change::CreateRouteTable { vpc_id: vpc_id() },
        4 => Change::AssociateRouteTable { route_table_id: table(), subnet_id: subnet_id(b) },
        5 => route(
            &table(),
            ["0.0.0.0/0", "10.0.1.0/27", "pl-63a5400a"][usize::from(b % 3)],
            match c % 3 {
                0 => RouteTargetId::Gateway(pick(&world.internet_gateways, "igw", c)),
                1 => RouteTargetId::Instance(pick(&world.instances, "i", c)),
                _ => RouteTargetId::VpcEndpoint(pick(&world.vpc_endpoints, "vpce", c)),
            },
        ),
        6 => Change::CreateInternetGateway,
        7 => Change::AttachInternetGateway {
            internet_gateway_id: pick(&world.internet_gateways, "igw", b),
            vpc_id: vpc_id(),
        },
        8 | 9 => Change::RunInstance(RunInstance {
            subnet_id: Some(subnet_id(a)),
            private_ip_address: (b % 3 == 0).then(|| Ipv4Addr::new(10, 0, b % 2, c % 32)),
            associate_public_ip_address: Some(flag),
            ..Default::default()
        }),
        10 => Change::CreateVpcEndpoint(gateway_endpoint(
            &vpc_id(),
            ["s3", "dynamodb", "ec2"][usize::from(c % 3)],
            &[&pick(&world.route_tables, "rtb", b)],
        )),
        11 => {
            let service = pick(&world.vpc_endpoint_services, "vpce-svc", c);
            let names = [format!("com.amazonaws.{REGION}.sqs"), format!("com.amazonaws.vpce.{REGION}.{service}")];
            let mut members =
                interface_endpoint(&vpc_id(), &names[usize::from(c % 2)], &[&subnet_id(b), &subnet_id(c)]);
            members.private_dns_enabled = Some(flag);
            Change::CreateVpcEndpoint(members)
        }
        12 => Change::CreateNetworkInterface(CreateNetworkInterface {
            private_ip_address: flag.then(|| Ipv4Addr::new(10, 0, b % 2, c % 32)),
            secondary_private_ip_addresses: vec![Ipv4Addr::new(10, 0, b % 2, 4 + c % 8)],
            ..network_interface(&subnet_id(a))
        }),
        13 => Change::AttachNetworkInterface {
            network_interface_id: pick(&world.network_interfaces, "eni", a),
            instance_id: pick(&world.instances, "i", b),
            device_index: u32::from(c % 3),
        },
        14 => balancer(None, flag, &[&subnet_id(a), &subnet_id(b)]),
        15 => Change::CreateVpcEndpointServiceConfiguration {
            network_load_balancer_arns: vec![pick(&world.load_balancers, "arn:x:loadbalancer/net/", a)],
            acceptance_required: flag,
            private_dns_name: None,
        },
        16 => Change::AssociateVpcCidrBlock { vpc_id: vpc_id(), cidr_block: format!("10.{}.0.0/16", b % 8) },
        17 => Change::AuthorizeSecurityGroupIngress {
            group_id: pick(&world.security_groups, "sg", a),
            permissions: vec![
                permission("tcp", i32::from(b % 3), PermissionPeer::Cidr("10.0.0.0/8".to_owned())),
                permission("tcp", i32::from(c % 3), PermissionPeer::Group(pick(&world.security_groups, "sg", c))),
            ],
        },
        kind @ 18..30 => edge_change(world, (kind, a, b, c)),
        kind @ 30..36 => access_change(world, (kind, a, b, c)),
        40 if flag => hosted_zone::zone(["example.com", "sub.example.com"][usize::from(b % 2)], &[]),
        40 => hosted_zone::zone("name0.example.com", &[&vpc_id()]),
        41 => {
            let name = ["example.com", "name0.example.com", "x.sub.example.com"][usize::from(b % 3)];
            let proofs = world.vpc_endpoint_services.values().filter_map(|it| it.private_dns.as_ref());
            let proof = proofs.map(|it| format!("\"{}\"", it.record_value)).next().unwrap_or_default();
            hosted_zone::record(&pick(&world.hosted_zones, "Z", a), name, "TXT", &[&proof])
        }
        kind => private_link_change(world, (kind, a, b, c)),
    }
}

/// The same of what stands between an instance and the world.
fn edge_change(world: &World, (kind, a, b, c): Step) -> Change {
    let vpc_id = |n| pick(&world.vpcs, "vpc", n);
    let subnet_id = || pick(&world.subnets, "subnet", a);
    let allocation_id = || pick(&world.addresses, "eipalloc", b);
    let vpn_gateway_id = || pick(&world.vpn_gateways, "vgw", b);
    let flag = c % 2 == 0;
    match kind {
        18 => Change::CreateNetworkAcl { vpc_id: vpc_id(a) },
        19 => Change::CreateNetworkAclEntry(CreateNetworkAclEntry {
            network_acl_id: pick(&world.network_acls, "acl", a),
            rule_number: i64::from(b % 8),
            protocol: ["-1", "6", "1"][usize::from(c % 3)].to_owned(),
            rule_action: "allow".to_owned(),
            egress: flag,
            cidr_block: "10.0.0.1/8".to_owned(),
            icmp_type_code: Some((8, -1)),
            port_range: Some((0, i32::from(c))),
        }),
        20 => Change::ReplaceNetworkAclAssociation {
            subnet_id: subnet_id(),
            network_acl_id: pick(&world.network_acls, "acl", b),
        },
        21 => Change::AllocateAddress { address: (c % 4 == 0).then(|| Ipv4Addr::new(203, 0, 113, b % 8)) },
        22 => Change::AssociateAddress(AssociateAddress {
            allocation_id: Some(allocation_id()),
            network_interface_id: Some(pick(&world.network_interfaces, "eni", a)),
            allow_reassociation: flag,
            ..Default::default()
        }),
        23 => Change::CreateNatGateway(CreateNatGateway {
            subnet_id: subnet_id(),
            connectivity_type: (!flag).then(|| "private".to_owned()),
            allocation_id: flag.then(allocation_id),
            secondary_private_ip_address_count: Some(u32::from(c % 3)),
            ..Default::default()
        }),
        24 => Change::CreateVpcPeeringConnection(CreateVpcPeeringConnection {
            vpc_id: vpc_id(a),
            peer_vpc_id: vpc_id(b),
            ..Default::default()
        }),
        25 => Change::AcceptVpcPeeringConnection {
            vpc_peering_connection_id: pick(&world.vpc_peering_connections, "pcx", a),
        },
        26 => Change::CreateVpnGateway { gateway_type: "ipsec.1".to_owned(), amazon_side_asn: None },
        27 => Change::AttachVpnGateway { vpn_gateway_id: vpn_gateway_id(), vpc_id: vpc_id(a) },
        28 => Change::EnableVgwRoutePropagation {
            gateway_id: vpn_gateway_id(),
            route_table_id: pick(&world.route_tables, "rtb", a),
        },
        _ => connection_change(world, (kind, a, b, c)),
    }
}

fn connection_change(world: &World, (_, a, b, c): Step) -> Change {
    match c % 4 {
        0 => Change::CreateCustomerGateway {
            gateway_type: "ipsec.1".to_owned(),
            ip_address: format!("192.0.2.{a}"),
            bgp_asn: None,
        },
        1 => Change::CreateVpnConnection {
            connection_type: "ipsec.1".to_owned(),
            customer_gateway_id: pick(&world.customer_gateways, "cgw", a),
            vpn_gateway_id: pick(&world.vpn_gateways, "vgw", b),
            static_routes_only: true,
        },
        2 => Change::CreateVpnConnectionRoute {
            vpn_connection_id: pick(&world.vpn_connections, "vpn", a),
            destination_cidr_block: format!("{}.0.0.0/8", b % 16),
        },
        _ => route(
            &pick(&world.route_tables, "rtb", a),
            &format!("{}.0.0.0/8", b % 16),
            match b % 3 {
                0 => RouteTargetId::Gateway(pick(&world.vpn_gateways, "vgw", c)),
                1 => RouteTargetId::NatGateway(pick(&world.nat_gateways, "nat", c)),
                _ => RouteTargetId::VpcPeeringConnection(pick(&world.vpc_peering_connections, "pcx", c)),
            },
        ),
    }
}

/// The same of who may do what, and of what it is done to.
fn access_change(world: &World, (kind, a, b, c): Step) -> Change {
    let name = |n: u8| format!("name{}", n % 2);
    let policy = || {
        let action = "x".repeat(usize::from(c) * 8);
        serde_json::json!({ "Statement": { "Effect": "Allow", "Action": format!("s3:{action}"), "Resource": "*" } })
            .into()
    };
    let holder = || match c % 3 {
        0 => Holder::Role(name(a)),
        1 => Holder::User(name(a)),
        _ => Holder::Group(name(a)),
    };
    let policy_arn = || pick(&world.managed_policies, "arn:aws:iam::aws:policy/x", b);
    let iam = |change| Change::Iam(change);
    match (kind, b % 4) {
        (30, 0) => iam(IamChange::CreateRole(CreateRole {
            path: None,
            role_name: Some(name(a)),
            assume_role_policy_document: serde_json::json!({ "Statement": {
                "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole"
            }})
            .into(),
            max_session_duration: Some(3_590 + u32::from(c)),
            permissions_boundary: (c % 4 == 0).then(policy_arn),
            description: None,
        })),
        (30, 1) => iam(IamChange::CreateUser { path: None, user_name: Some(name(a)), permissions_boundary: None }),
        (30, 2) => iam(IamChange::CreateGroup { path: None, group_name: Some(name(a)) }),
        (30, _) => iam(IamChange::CreateInstanceProfile { path: None, instance_profile_name: Some(name(a)) }),
        (31, 0) => {
            iam(IamChange::CreatePolicy { path: None, policy_name: None, description: None, policy_document: policy() })
        }
        (31, 1) => iam(IamChange::CreateAccessKey { user_name: name(a), status: None }),
        (31, 2) => iam(IamChange::AddUserToGroup { group_name: name(a), user_name: name(c) }),
        (31, _) => iam(IamChange::AddRoleToInstanceProfile { instance_profile_name: name(a), role_name: name(c) }),
        (32, 0 | 1) => iam(IamChange::PutPolicy { holder: holder(), policy_name: name(b), policy_document: policy() }),
        (32, 2) => iam(IamChange::DeletePolicy { holder: holder(), policy_name: name(b) }),
        (32, _) => iam(IamChange::DetachPolicy { holder: holder(), policy_arn: policy_arn() }),
        (33, _) => iam(IamChange::AttachPolicy { holder: holder(), policy_arn: policy_arn() }),
        (34, 0) => Change::CreateResolverEndpoint(CreateResolverEndpoint {
            direction: "INBOUND".to_owned(),
            ip_addresses: vec![
                (pick(&world.subnets, "subnet", a), None),
                (pick(&world.subnets, "subnet", c), Some(Ipv4Addr::new(10, 0, a % 2, c % 32))),
            ],
            security_group_ids: vec![pick(&world.security_groups, "sg", a)],
            name: None,
        }),
        (34, 1) => Change::CreateTable(CreateTable {
            table_name: Some(name(a)),
            definition: serde_json::json!({
                "AttributeDefinitions": [{ "AttributeName": name(b), "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": name(c), "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
            }),
            ..CreateTable::default()
        }),
        (34, _) => Change::RunInstance(RunInstance {
            subnet_id: Some(pick(&world.subnets, "subnet", a)),
            iam_instance_profile: Some(name(c)),
            metadata_options: MetadataOptions { hop_limit: c % 66, ..MetadataOptions::default() },
            ..RunInstance::default()
        }),
        _ => Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: pick(&world.vpc_endpoints, "vpce", a),
            policy_document: None,
            reset_policy: c % 2 == 0,
            add_route_table_ids: vec![pick(&world.route_tables, "rtb", b)],
            remove_route_table_ids: (c % 3 == 0).then(|| pick(&world.route_tables, "rtb", c)).into_iter().collect(),
            ..ModifyVpcEndpoint::default()
        }),
    }
}

/// The same of both sides of PrivateLink, from acceptance to the end.
fn private_link_change(world: &World, (kind, a, b, c): Step) -> Change {
    let vpc_endpoint_id = || pick(&world.vpc_endpoints, "vpce", a);
    let service_id = || pick(&world.vpc_endpoint_services, "vpce-svc", b);
    // Connections are few: most decisions are about one that is there.
    let services = world.vpc_endpoints.iter().filter_map(|(id, endpoint)| {
        let service = endpoint.service_name.rsplit('.').next().filter(|name| name.starts_with("vpce-svc-"))?;
        Some((id.clone(), service.to_owned()))
    });
    let connections: std::collections::BTreeMap<String, String> = services.collect();
    let connected = pick(&connections, "vpce", a);
    let connected_to = || connections.get(&connected).cloned().unwrap_or_else(service_id);
    let maybe = |chosen: bool, id: String| chosen.then_some(id).into_iter().collect::<Vec<String>>();
    match (kind, c % 5) {
        (36, 0 | 1) => Change::AcceptVpcEndpointConnections {
            service_id: connected_to(),
            vpc_endpoint_ids: [vec![connected.clone()], maybe(b % 2 == 0, vpc_endpoint_id())].concat(),
        },
        (36, 2 | 3) => Change::RejectVpcEndpointConnections {
            service_id: connected_to(),
            vpc_endpoint_ids: vec![connected.clone()],
        },
        (36, _) => Change::StartVpcEndpointServicePrivateDnsVerification { service_id: service_id() },
        (37, 0..3) => Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![vpc_endpoint_id(), vpc_endpoint_id()] },
        (37, _) => Change::DeleteVpcEndpointServiceConfigurations { service_ids: vec![service_id()] },
        (38, 0..3) => {
            let name = format!("com.amazonaws.vpce.{REGION}.{}", service_id());
            let subnets = maybe(c % 2 == 0, pick(&world.subnets, "subnet", c));
            let subnets: Vec<&str> = subnets.iter().map(String::as_str).collect();
            Change::CreateVpcEndpoint(interface_endpoint(&pick(&world.vpcs, "vpc", a), &name, &subnets))
        }
        (38, _) => Change::ModifyVpcEndpointServiceConfiguration(ModifyVpcEndpointServiceConfiguration {
            service_id: service_id(),
            add_network_load_balancer_arns: maybe(c % 2 == 0, pick(&world.load_balancers, "arn", a)),
            remove_network_load_balancer_arns: maybe(c % 3 == 0, pick(&world.load_balancers, "arn", c)),
            acceptance_required: Some(a % 2 == 0),
            private_dns_name: (a % 3 == 0).then(|| format!("name{}.example.com", c % 2)),
            remove_private_dns_name: a % 7 == 0,
        }),
        _ => Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: vpc_endpoint_id(),
            add_subnet_ids: maybe(b % 2 == 0, pick(&world.subnets, "subnet", c)),
            remove_subnet_ids: maybe(b % 3 == 0, pick(&world.subnets, "subnet", b)),
            add_security_group_ids: maybe(c % 2 == 0, pick(&world.security_groups, "sg", b)),
            remove_security_group_ids: maybe(c % 3 == 0, pick(&world.security_groups, "sg", c)),
            private_dns_enabled: (a % 2 == 0).then_some(b % 2 == 0),
            ..ModifyVpcEndpoint::default()
        }),
    }
}

/// Plays the steps, and looks at every step whether a refusal changed anything.
fn play(steps: &[Step]) -> Result<World, TestCaseError> {
    let mut world = World::default();
    for (position, step) in steps.iter().enumerate() {
        let change = change(&world, *step);
        let before = world.clone();
        // Some requests share a logical id, or have none, as API calls do.
        let mut request = request(ACCOUNT, &format!("Object{}", position / 2), change);
        request.logical_id = request.logical_id.filter(|_| position % 3 != 0);
        if world.apply(request).is_err() {
            prop_assert!(world == before, "a refused change must leave the world as it was");
        }
    }
    Ok(world)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A VPC, two subnets, a gateway, and one identity of each kind first: otherwise most steps find nothing to work on.
    let start = [(0, 0, 0, 0), (1, 0, 0, 0), (1, 0, 1, 0), (6, 0, 0, 0), (7, 0, 0, 0)]
        .into_iter()
        .chain((0..4).map(|kind| (30, 0, kind, 10)))
        .collect::<Vec<Step>>();
    prop::collection::vec(any::<Step>(), 0..90).prop_map(move |rest| start.iter().copied().chain(rest).collect())
}

fn prefix_of<T>(world_map: &std::collections::BTreeMap<String, T>, prefix: &str) -> bool {
    world_map.keys().all(|id| id::is_well_formed(prefix, id))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_a_sound_world(steps in steps()) {
        let world = play(&steps)?;
        prop_assert!(world == play(&steps)?, "the same history makes the same world, ids included");

        prop_assert!(prefix_of(&world.vpcs, "vpc") && prefix_of(&world.subnets, "subnet"));
        prop_assert!(prefix_of(&world.route_tables, "rtb") && prefix_of(&world.internet_gateways, "igw"));
        prop_assert!(prefix_of(&world.network_interfaces, "eni") && prefix_of(&world.instances, "i"));
        prop_assert!(prefix_of(&world.vpc_endpoints, "vpce") && prefix_of(&world.security_groups, "sg"));
        prop_assert!(prefix_of(&world.vpc_endpoint_services, "vpce-svc"));

        let mut private = BTreeSet::new();
        let mut public = BTreeSet::new();
        for interface in world.network_interfaces.values() {
            let subnet = &world.subnets[&interface.subnet_id];
            prop_assert_eq!(&subnet.vpc_id, &interface.vpc_id);
            for address in &interface.private_ip_addresses {
                prop_assert!(subnet.cidr_block.contains(address));
                prop_assert!(!address::reserved_addresses(subnet.cidr_block).contains(address));
                prop_assert!(private.insert((&interface.vpc_id, *address)), "{address} twice in a VPC");
            }
            prop_assert!(interface.public_ip.is_none_or(|address| public.insert(address)));
            prop_assert_eq!(&interface.mac_address[2..], &interface.private_ip_address().octets()[..]);
        }
        let subnets: Vec<_> = world.subnets.values().collect();
        for (position, one) in subnets.iter().enumerate() {
            for other in &subnets[position + 1..] {
                let apart = one.vpc_id != other.vpc_id || !address::overlap(&one.cidr_block, &other.cidr_block);
                prop_assert!(apart, "{} and {} overlap", one.cidr_block, other.cidr_block);
            }
        }
        for table in world.route_tables.values() {
            for (position, route) in table.routes.iter().enumerate() {
                prop_assert!(!table.routes[..position].iter().any(|other| other.destination == route.destination));
            }
        }
        for subnet in world.subnets.values() {
            let guards = world.network_acls.values().filter(|acl| acl.association_with(&subnet.subnet_id).is_some());
            prop_assert_eq!(guards.count(), 1, "a subnet has exactly one network ACL");
        }
        edges_are_sound(&world)?;
        private_link_is_sound(&world)?;
        access_is_sound(&world)?;
        let described = describe(&world);
        for (member, count) in [
            ("Vpcs", world.vpcs.len()),
            ("NetworkInterfaces", world.network_interfaces.len()),
            ("Instances", world.instances.len()),
            ("VpcEndpoints", world.vpc_endpoints.len()),
            ("LoadBalancers", world.load_balancers.len()),
            ("NetworkAcls", world.network_acls.len()),
            ("Addresses", world.addresses.len()),
            ("NatGateways", world.nat_gateways.len()),
            ("VpcPeeringConnections", world.vpc_peering_connections.len()),
            ("VpnGateways", world.vpn_gateways.len()),
            ("VpnConnections", world.vpn_connections.len()),
            ("Tables", world.tables.len()),
            ("ResolverEndpoints", world.resolver_endpoints.len()),
            ("Roles", world.roles.len()),
            ("InstanceProfiles", world.instance_profiles.len()),
            ("Users", world.users.len()),
            ("Groups", world.groups.len()),
            ("Policies", world.managed_policies.len()),
        ] {
            prop_assert_eq!(described[member].as_array().map(Vec::len), Some(count), "{} are complete", member);
        }
    }
}

fn edges_are_sound(world: &World) -> Result<(), TestCaseError> {
    for acl in world.network_acls.values() {
        let keys: Vec<_> = acl.entries.iter().map(|entry| (entry.egress, entry.rule_number)).collect();
        prop_assert!(keys.is_sorted_by(|one, other| one < other), "entries in order, no number twice: {keys:?}");
    }
    let mut public = BTreeSet::new();
    for interface in world.network_interfaces.values() {
        for (private_ip, public_ip) in world.public_addresses_of(interface) {
            prop_assert!(interface.private_ip_addresses.contains(&private_ip));
            prop_assert!(public.insert(public_ip), "{public_ip} twice");
        }
    }
    for address in world.addresses.values() {
        if let Some(association) = &address.association {
            let interface = &world.network_interfaces[&association.network_interface_id];
            prop_assert!(interface.private_ip_addresses.contains(&association.private_ip_address));
            prop_assert!(world.internet_gateway_of(&interface.vpc_id).is_some());
        }
    }
    for gateway in world.nat_gateways.values() {
        prop_assert_eq!(gateway.state == NatGatewayState::Available, gateway.failure.is_none());
        for each in &gateway.addresses {
            let interface = &world.network_interfaces[&each.network_interface_id];
            let of_gateway = InterfaceType::NatGateway(gateway.nat_gateway_id.clone());
            prop_assert!(interface.interface_type == of_gateway && interface.groups.is_empty());
            let public =
                world.public_addresses_of(interface).into_iter().find(|(private, _)| *private == each.private_ip);
            prop_assert_eq!(public.map(|(_, public)| public), each.public_ip, "nobody takes a NAT gateway's address");
        }
    }
    for connection in world.vpc_peering_connections.values() {
        if connection.status == PeeringStatus::Active {
            prop_assert_eq!(world.peering_obstacle(&connection.requester, &connection.accepter), None);
        }
    }
    for table in world.route_tables.values() {
        let vpc = &world.vpcs[&table.vpc_id];
        for route in table.routes.iter().filter(|route| route.origin == RouteOrigin::EnableVgwRoutePropagation) {
            let RouteDestination::Cidr(block) = &route.destination else { panic!("blocks are propagated") };
            prop_assert!(!vpc.cidr_blocks.iter().any(|of_vpc| of_vpc.contains(block)), "local is preferred");
        }
    }
    Ok(())
}

fn access_is_sound(world: &World) -> Result<(), TestCaseError> {
    for endpoint in world.vpc_endpoints.values() {
        let target = RouteTarget::VpcEndpoint(endpoint.vpc_endpoint_id.clone());
        let carries = |table: &&RouteTable| table.routes.iter().any(|route| route.target == target);
        let carrying: BTreeSet<&String> =
            world.route_tables.values().filter(carries).map(|table| &table.route_table_id).collect();
        prop_assert_eq!(carrying, endpoint.route_table_ids.iter().collect(), "its route is where it says");
    }
    for endpoint in world.resolver_endpoints.values() {
        for each in &endpoint.ip_addresses {
            let interface = &world.network_interfaces[&each.network_interface_id];
            prop_assert_eq!((interface.private_ip_address(), &interface.vpc_id), (each.ip, &endpoint.host_vpc_id));
        }
    }
    for (arn, role) in &world.roles {
        prop_assert!(arn == &role.arn && (3_600..=43_200).contains(&role.max_session_duration));
    }
    for user in world.users.values() {
        prop_assert!(user.groups.iter().all(|arn| world.groups.contains_key(arn)));
        prop_assert!(user.policies.inline.values().map(PolicyDocument::size).sum::<usize>() <= 2_048);
        prop_assert!(world.access_keys.values().filter(|key| key.user == user.arn).count() <= 2);
    }
    // Every policy that was let in can be evaluated, and every key opens for its owner.
    let directory = access::Directory::of(world);
    for (access_key_id, key) in &world.access_keys {
        prop_assert_eq!(
            directory.access_key(access_key_id).map(|found| found.principal.arn()),
            Some(Some(key.user.clone()))
        );
    }
    prop_assert!(world.roles.keys().all(|arn| directory.role(arn).is_some()));
    for instance in world.instances.values() {
        prop_assert_eq!(
            directory.instance_role(&instance.instance_id).is_some(),
            instance.iam_instance_profile.is_some()
        );
    }
    for endpoint in world.vpc_endpoints.values() {
        let policy = directory.endpoint_policy(&endpoint.vpc_endpoint_id);
        prop_assert_eq!(policy.is_some(), endpoint.supports_policy());
    }
    Ok(())
}

#[test]
fn random_histories_reach_every_kind_of_object() {
    // Guards the generator above: a law over histories that are always refused would hold for nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [0usize; 24];
    for _ in 0..64 {
        let tree = steps().new_tree(&mut runner).expect("a history");
        let world = play(&proptest::strategy::ValueTree::current(&tree)).expect("no law is broken");
        let sizes = [
            world.subnets.len(),
            world.instances.len(),
            world.vpc_endpoints.len(),
            world.load_balancers.len(),
            world.vpc_endpoint_services.len(),
            world.network_interfaces.values().filter(|each| each.public_ip.is_some()).count(),
            world
                .route_tables
                .values()
                .flat_map(|table| &table.routes)
                .filter(|route| route.origin == RouteOrigin::CreateRoute)
                .count(),
            world.network_acls.values().filter(|acl| !acl.is_default).map(|acl| acl.associations.len()).sum(),
            world.addresses.values().filter(|address| address.association.is_some()).count(),
            world.nat_gateways.values().filter(|gateway| !gateway.addresses.is_empty()).count(),
            world.nat_gateways.values().filter(|gateway| gateway.failure.is_some()).count(),
            world.vpc_peering_connections.values().filter(|each| each.status == PeeringStatus::Active).count(),
            world.vpn_gateways.values().map(|gateway| gateway.propagating_route_tables.len()).sum(),
            world.vpn_connections.len(),
            world.roles.values().map(|role| role.policies.inline.len()).sum(),
            world.users.values().map(|user| user.groups.len()).sum(),
            world.groups.values().map(|group| group.policies.attached.len()).sum(),
            world.managed_policies.len(),
            world.access_keys.len(),
            world.instances.values().filter(|instance| instance.iam_instance_profile.is_some()).count(),
            world.instance_profiles.values().filter(|profile| profile.role.is_some()).count(),
            world.tables.len(),
            world.resolver_endpoints.len(),
            world.retired_ids.len(),
        ];
        for (total, size) in seen.iter_mut().zip(sizes) {
            *total += size;
        }
    }
    assert!(seen.iter().all(|total| *total > 0), "{seen:?}");
}

/// Endpoints, their interfaces, routes and services say the same of each other, whatever became of them.
fn private_link_is_sound(world: &World) -> Result<(), TestCaseError> {
    let mut private_names = BTreeSet::new();
    for (id, endpoint) in &world.vpc_endpoints {
        prop_assert!(!world.retired_ids.contains(id), "{id} came back");
        prop_assert_eq!(endpoint.subnet_ids.len(), endpoint.network_interface_ids.len());
        let mut zones = BTreeSet::new();
        for (subnet_id, interface_id) in endpoint.subnet_ids.iter().zip(&endpoint.network_interface_ids) {
            let interface = &world.network_interfaces[interface_id];
            prop_assert_eq!(&interface.interface_type, &InterfaceType::VpcEndpoint(id.clone()));
            prop_assert_eq!(&interface.subnet_id, subnet_id);
            prop_assert_eq!(&interface.groups, &endpoint.security_group_ids);
            prop_assert!(zones.insert(&world.subnets[subnet_id].availability_zone), "two interfaces in a zone");
        }
        let zonal = endpoint.dns_entries.iter().filter(|entry| matches!(entry.scope, DnsEntryScope::Zonal(_)));
        prop_assert_eq!(zonal.count(), zones.len());
        for name in endpoint.private_names() {
            prop_assert!(private_names.insert((&endpoint.vpc_id, name.to_owned())), "{name} twice in a VPC");
        }
        let is_customers = endpoint.service_name.contains(".vpce-svc-");
        let mut services = world.vpc_endpoint_services.values();
        let there = services.any(|service| service.service_name == endpoint.service_name);
        prop_assert!(there || !is_customers || endpoint.state == VpcEndpointState::Rejected, "connected to nobody");
    }
    for interface in world.network_interfaces.values() {
        if let InterfaceType::VpcEndpoint(id) = &interface.interface_type {
            let endpoint = world.vpc_endpoints.get(id);
            let own = endpoint.is_some_and(|it| it.network_interface_ids.contains(&interface.network_interface_id));
            prop_assert!(own, "an interface that its endpoint left behind");
        }
    }
    for table in world.route_tables.values() {
        for route in &table.routes {
            if let RouteTarget::VpcEndpoint(id) = &route.target {
                let endpoint = world.vpc_endpoints.get(id);
                prop_assert!(endpoint.is_some_and(|it| it.route_table_ids.contains(&table.route_table_id)));
            }
        }
    }
    for (id, service) in &world.vpc_endpoint_services {
        prop_assert!(!world.retired_ids.contains(id) && !service.network_load_balancer_arns.is_empty());
    }
    Ok(())
}

/// Both sides of a connection, in any order, from a service with an endpoint that waits.
fn play_connections(steps: &[Step]) -> Result<World, TestCaseError> {
    let mut world = super::connection::waiting();
    for (position, (kind, a, b, c)) in steps.iter().copied().enumerate() {
        let change = private_link_change(&world, (36 + kind % 4, a, b, c));
        let before = world.clone();
        // The provider's and the consumer's differ; the other's refusal changes nothing.
        for account in [ACCOUNT, OTHER_ACCOUNT] {
            let request = Request { logical_id: None, ..request(account, "", change.clone()) };
            if world.apply(request).is_ok() {
                break;
            }
            prop_assert!(world == before, "a refused change must leave the world as it was at step {position}");
        }
    }
    Ok(world)
}

proptest! {
    #[test]
    fn any_order_of_decisions_leaves_a_sound_world(steps in prop::collection::vec(any::<Step>(), 0..40)) {
        private_link_is_sound(&play_connections(&steps)?)?;
    }
}

#[test]
fn decisions_at_random_reach_every_state() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let steps = prop::collection::vec(any::<Step>(), 0..40).new_tree(&mut runner).expect("a history");
        let world = play_connections(&proptest::strategy::ValueTree::current(&steps)).expect("no law is broken");
        seen.extend(world.vpc_endpoints.values().map(|endpoint| endpoint.state.as_str()));
        seen.extend(world.retired_ids.iter().map(|id| if id.starts_with("vpce-svc") { "service" } else { "endpoint" }));
    }
    let all = ["available", "endpoint", "pendingAcceptance", "rejected", "service"];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all);
}
