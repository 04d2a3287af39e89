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
    match kind % 18 {
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
        12 => Change::CreateNetworkInterface {
            subnet_id: subnet_id(a),
            private_ip_address: flag.then(|| Ipv4Addr::new(10, 0, b % 2, c % 32)),
            secondary_private_ip_addresses: vec![Ipv4Addr::new(10, 0, b % 2, 4 + c % 8)],
            groups: Vec::new(),
            source_dest_check: true,
            description: String::new(),
        },
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
        _ => Change::AuthorizeSecurityGroupIngress {
            group_id: pick(&world.security_groups, "sg", a),
            permissions: vec![
                permission("tcp", i32::from(b % 3), PermissionPeer::Cidr("10.0.0.0/8".to_owned())),
                permission("tcp", i32::from(c % 3), PermissionPeer::Group(pick(&world.security_groups, "sg", c))),
            ],
        },
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
    // A VPC, two subnets and a gateway first: otherwise most steps find nothing to work on.
    let start = [(0, 0, 0, 0), (1, 0, 0, 0), (1, 0, 1, 0), (6, 0, 0, 0), (7, 0, 0, 0)];
    prop::collection::vec(any::<Step>(), 0..60).prop_map(move |rest| start.iter().copied().chain(rest).collect())
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
        let described = describe(&world);
        for (member, count) in [
            ("Vpcs", world.vpcs.len()),
            ("NetworkInterfaces", world.network_interfaces.len()),
            ("Instances", world.instances.len()),
            ("VpcEndpoints", world.vpc_endpoints.len()),
            ("LoadBalancers", world.load_balancers.len()),
        ] {
            prop_assert_eq!(described[member].as_array().map(Vec::len), Some(count), "{} are complete", member);
        }
    }
}

#[test]
fn random_histories_reach_every_kind_of_object() {
    // Guards the generator above: a law over histories that are always refused would hold for nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [0usize; 7];
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
        ];
        for (total, size) in seen.iter_mut().zip(sizes) {
            *total += size;
        }
    }
    assert!(seen.iter().all(|total| *total > 0), "{seen:?}");
}
