//! Elastic IPs, NAT gateways, internet gateways, and AWS's interfaces that nobody else manages (B3.1, B7).

use super::*;

/// A VPC with an internet gateway, a subnet and an instance `app` at 10.0.1.4.
struct Ground {
    asker: Asker,
    vpc_id: String,
    subnet_id: String,
    app: String,
}

fn ground() -> Ground {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    asker.internet_gateway(&vpc_id);
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let app = asker.instance(&subnet_id);
    Ground { asker, vpc_id, subnet_id, app }
}

const ALLOCATE: Change = Change::AllocateAddress { address: None };

fn to_instance(allocation_id: &str, instance_id: &str) -> AssociateAddress {
    AssociateAddress {
        allocation_id: Some(allocation_id.to_owned()),
        instance_id: Some(instance_id.to_owned()),
        ..Default::default()
    }
}

fn to_interface(allocation_id: &str, network_interface_id: &str) -> AssociateAddress {
    AssociateAddress {
        allocation_id: Some(allocation_id.to_owned()),
        network_interface_id: Some(network_interface_id.to_owned()),
        ..Default::default()
    }
}

fn public_nat(subnet_id: &str, allocation_id: &str) -> CreateNatGateway {
    CreateNatGateway {
        subnet_id: subnet_id.to_owned(),
        allocation_id: Some(allocation_id.to_owned()),
        ..Default::default()
    }
}

fn private_nat(subnet_id: &str) -> CreateNatGateway {
    CreateNatGateway {
        subnet_id: subnet_id.to_owned(),
        connectivity_type: Some("private".to_owned()),
        ..Default::default()
    }
}

#[test]
fn a_vpc_has_one_internet_gateway_and_a_gateway_one_vpc() {
    let mut asker = Asker::default();
    let (one, two) = (asker.vpc(), asker.make(vpc("10.9.0.0/16")));
    let gateway = asker.internet_gateway(&one);
    let other = asker.make(Change::CreateInternetGateway);
    asker.all_refused([
        (
            attach(&gateway, &two),
            format!("Resource.AlreadyAssociated: resource {gateway} is already attached to network {one}"),
        ),
        (
            attach(&other, &one),
            format!("InvalidParameterValue: Network {one} already has an internet gateway attached"),
        ),
    ]);
}

#[test]
fn elastic_ips_take_the_place_of_auto_assigned_addresses() {
    let Ground { mut asker, subnet_id, .. } = ground();
    let members =
        RunInstance { subnet_id: Some(subnet_id), associate_public_ip_address: Some(true), ..RunInstance::default() };
    let app = asker.make(Change::RunInstance(members));
    let primary =
        |asker: &Asker| asker.world.network_interfaces[&asker.world.instances[&app].network_interface_ids[0]].clone();
    let private = primary(&asker).private_ip_address();
    assert_eq!(asker.world.public_addresses_of(&primary(&asker)), [(private, address("198.18.0.1"))]);
    let allocation = asker.make(ALLOCATE);
    assert_eq!(asker.world.attribute(&allocation, "PublicIp").unwrap(), "203.0.113.1");
    assert_eq!(asker.world.attribute(&allocation, "AllocationId").unwrap(), allocation);
    let association = asker.make(Change::AssociateAddress(to_instance(&allocation, &app)));
    assert!(id::is_well_formed("eipassoc", &association), "{association}");
    assert_eq!(asker.world.public_addresses_of(&primary(&asker)), [(private, address("203.0.113.1"))]);
    assert_eq!(asker.world.attribute(&app, "PublicIp").unwrap(), "203.0.113.1");
    assert_eq!(asker.world.attribute(&app, "PublicDnsName").unwrap(), "ec2-203-0-113-1.compute-1.amazonaws.com");
    assert_eq!(primary(&asker).public_ip, None, "the address goes back to AWS");

    let described = describe(&asker.world);
    assert_eq!(described["Addresses"][0]["InstanceId"], app);
    assert_eq!(described["Addresses"][0]["AssociationId"], association);
    let interface = described["Instances"].as_array().unwrap().iter().find(|each| each["InstanceId"] == app).unwrap();
    let interface = &interface["NetworkInterfaces"][0];
    assert_eq!(
        interface["Association"],
        serde_json::json!({
            "PublicIp": "203.0.113.1",
            "PublicDnsName": "ec2-203-0-113-1.compute-1.amazonaws.com",
            "IpOwnerId": ACCOUNT,
            "AllocationId": allocation,
            "AssociationId": association,
        })
    );
    assert_eq!(interface["PrivateIpAddresses"][0]["Association"], interface["Association"]);
}

#[test]
fn each_private_address_has_a_public_side_of_its_own() {
    let Ground { mut asker, subnet_id, .. } = ground();
    let interface = CreateNetworkInterface {
        secondary_private_ip_addresses: vec![address("10.0.1.20"), address("10.0.1.21")],
        private_ip_address: Some(address("10.0.1.10")),
        ..network_interface(&subnet_id)
    };
    let id = asker.make(Change::CreateNetworkInterface(interface));
    let [one, two] = [ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    let secondary = AssociateAddress { private_ip_address: Some(address("10.0.1.21")), ..to_interface(&one, &id) };
    asker.make(Change::AssociateAddress(secondary));
    let public = |asker: &Asker| asker.world.public_addresses_of(&asker.world.network_interfaces[&id]);
    assert_eq!(public(&asker), [(address("10.0.1.21"), address("203.0.113.1"))]);
    asker.make(Change::AssociateAddress(to_interface(&two, &id)));
    let both = [(address("10.0.1.10"), address("203.0.113.2")), (address("10.0.1.21"), address("203.0.113.1"))];
    assert_eq!(public(&asker), both);
    // An address can move, when the caller says so.
    let again = AssociateAddress { allow_reassociation: true, ..to_interface(&one, &id) };
    asker.make(Change::AssociateAddress(again));
    assert_eq!(public(&asker), [(address("10.0.1.10"), address("203.0.113.1"))]);
    assert_eq!(asker.world.addresses[&two].association, None);
}

#[test]
fn associations_that_are_refused() {
    let Ground { mut asker, vpc_id, subnet_id, app } = ground();
    let inland = asker.make(vpc("10.9.0.0/16"));
    let inland_subnet = asker.subnet(&inland, "10.9.1.0/24", "us-east-1a");
    let hermit = asker.instance(&inland_subnet);
    let [taken, free] = [ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    let association = asker.make(Change::AssociateAddress(to_instance(&taken, &app)));
    let primary = asker.world.instances[&app].network_interface_ids[0].clone();
    let other = asker.instance(&subnet_id);
    let second = asker.make(Change::CreateNetworkInterface(network_interface(&subnet_id)));
    let both = asker.instance(&subnet_id);
    let attach =
        Change::AttachNetworkInterface { network_interface_id: second, instance_id: both.clone(), device_index: 1 };
    asker.make(attach);
    let elsewhere = AssociateAddress { private_ip_address: Some(address("10.0.1.99")), ..to_instance(&free, &other) };
    let both_addresses = AssociateAddress { public_ip: Some(address("203.0.113.1")), ..to_instance(&free, &other) };
    let both_places = AssociateAddress { network_interface_id: Some(primary.clone()), ..to_instance(&free, &other) };
    let by_address =
        AssociateAddress { allocation_id: None, public_ip: Some(address("203.0.113.9")), ..to_instance("", &other) };
    let nowhere = AssociateAddress { instance_id: None, ..to_instance(&free, "") };
    let cases = [
        (
            to_instance(&free, &hermit),
            format!("Gateway.NotAttached: Network {inland} is not attached to any internet gateway"),
        ),
        (
            to_instance(&taken, &other),
            format!(
                "Resource.AlreadyAssociated: resource {taken} is already associated with associate-id {association}"
            ),
        ),
        (to_instance(&free, &app), format!("Resource.AlreadyAssociated: resource {primary} is already associated")),
        (elsewhere, "InvalidParameterValue: 10.0.1.99 is not associated with network interface eni-".to_owned()),
        (to_instance("eipalloc-00000000", &other), "InvalidAllocationID.NotFound: The allocation ID".to_owned()),
        (to_instance("eipalloc", &other), "InvalidAllocationID.NotFound: Invalid Id: 'eipalloc'".to_owned()),
        (to_instance(&free, "i-00000000"), "InvalidInstanceID.NotFound".to_owned()),
        (to_interface(&free, "eni-00000000"), "InvalidNetworkInterfaceID.NotFound".to_owned()),
        (to_instance(&free, &both), "InvalidInstanceID: There are multiple interfaces attached to".to_owned()),
        (by_address, "InvalidAddress.NotFound: Address '203.0.113.9' not found.".to_owned()),
        (both_addresses, "InvalidParameterCombination: You may specify public IP or allocation id".to_owned()),
        (both_places, "InvalidParameterCombination: You may specify instance ID or network interface id".to_owned()),
        (nowhere, "MissingParameter: Either instance ID or network interface id must be specified".to_owned()),
        (AssociateAddress::default(), "MissingParameter: Either public IP or allocation id".to_owned()),
    ];
    asker.all_refused(cases.map(|(members, expected)| (Change::AssociateAddress(members), expected)));
    assert!(asker.world.internet_gateway_of(&vpc_id).is_some());
    asker.refused_as(
        OTHER_ACCOUNT,
        Change::AssociateAddress(to_instance(&free, &other)),
        "InvalidAllocationID.NotFound",
    );
}

#[test]
fn the_pool_of_elastic_ips_ends() {
    let mut asker = Asker::default();
    let take = |text: &str| Change::AllocateAddress { address: Some(address(text)) };
    let wanted = asker.make(take("203.0.113.2"));
    assert_eq!(asker.world.addresses[&wanted].public_ip, address("203.0.113.2"));
    asker.refused(take("203.0.113.2"), "InvalidAddress.NotFound: Address '203.0.113.2' not found.");
    asker.refused(take("198.51.100.10"), "InvalidAddress.NotFound");
    asker.refused(take("203.0.113.255"), "InvalidAddress.NotFound");
    let rest: Vec<String> = (0..253).map(|_| asker.make(ALLOCATE)).collect();
    let address_of = |id: &String| asker.world.addresses[id].public_ip;
    assert_eq!((address_of(&rest[0]), address_of(&rest[1])), (address("203.0.113.1"), address("203.0.113.3")));
    assert_eq!(address_of(&rest[252]), address("203.0.113.254"));
    asker.refused(ALLOCATE, "InsufficientAddressCapacity: Not enough available addresses to satisfy your request.");
}

#[test]
fn a_public_nat_gateway_stands_in_its_subnet_with_an_elastic_ip() {
    let Ground { mut asker, vpc_id, subnet_id, .. } = ground();
    let allocation = asker.make(ALLOCATE);
    let nat = asker.make(Change::CreateNatGateway(public_nat(&subnet_id, &allocation)));
    let gateway = asker.world.nat_gateways[&nat].clone();
    assert_eq!((gateway.state, &gateway.vpc_id, gateway.failure), (NatGatewayState::Available, &vpc_id, None));
    let [only] = gateway.addresses.as_slice() else { panic!("{:?}", gateway.addresses) };
    assert_eq!((only.private_ip, only.public_ip), (address("10.0.1.5"), Some(address("203.0.113.1"))));
    let interface = &asker.world.network_interfaces[&only.network_interface_id];
    assert_eq!(asker.world.public_addresses_of(interface), [(only.private_ip, address("203.0.113.1"))]);
    assert_eq!(asker.world.attribute(&nat, "NatGatewayId").unwrap(), nat);
    assert_eq!(asker.world.attribute(&nat, "EniId").unwrap(), only.network_interface_id);

    let described = describe(&asker.world);
    let shown = described["NetworkInterfaces"].as_array().unwrap();
    let shown = shown.iter().find(|each| each["NetworkInterfaceId"] == only.network_interface_id).unwrap();
    for (member, value) in [
        ("Description", serde_json::json!(format!("Interface for NAT Gateway {nat}"))),
        ("InterfaceType", serde_json::json!("nat_gateway")),
        ("RequesterManaged", serde_json::json!(true)),
        ("SourceDestCheck", serde_json::json!(false)),
        ("Status", serde_json::json!("in-use")),
        ("Groups", serde_json::json!([])),
        ("MacAddress", serde_json::json!("06:04:0a:00:01:05")),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    assert_eq!(shown["Attachment"]["InstanceOwnerId"], "amazon-aws");
    let shown = &described["NatGateways"][0];
    assert_eq!((&shown["State"], &shown["ConnectivityType"]), (&"available".into(), &"public".into()));
    assert_eq!(shown["NatGatewayAddresses"][0]["AllocationId"], allocation);
    assert_eq!(shown["NatGatewayAddresses"][0]["IsPrimary"], true);

    let table = asker.make(Change::CreateRouteTable { vpc_id });
    asker.make(route(&table, "0.0.0.0/0", RouteTargetId::NatGateway(nat.clone())));
    // A whole subnet may be sent to it, past the local route (B1.3-3).
    asker.make(route(&table, "10.0.1.0/24", RouteTargetId::NatGateway(nat.clone())));
    let states = |asker: &Asker| {
        let table = &asker.world.route_tables[&table];
        table.routes[1..].iter().map(|route| asker.world.route_state(route)).collect::<Vec<_>>()
    };
    assert_eq!(states(&asker), [RouteState::Active; 2]);
    asker.world.nat_gateways.get_mut(&nat).unwrap().state = NatGatewayState::Deleted;
    assert_eq!(states(&asker), [RouteState::Blackhole; 2]);
    asker.refused(
        route(&table, "1.0.0.0/8", RouteTargetId::NatGateway(nat.clone())),
        &format!("InvalidNatGatewayID.NotFound: The natGateway ID '{nat}' does not exist"),
    );
}

#[test]
fn a_nat_gateway_may_have_more_addresses() {
    let Ground { mut asker, subnet_id, .. } = ground();
    let [one, two] = [ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    let members = CreateNatGateway {
        private_ip_address: Some(address("10.0.1.100")),
        secondary_allocation_ids: vec![two],
        secondary_private_ip_addresses: vec![address("10.0.1.101")],
        ..public_nat(&subnet_id, &one)
    };
    let nat = asker.make(Change::CreateNatGateway(members));
    let pairs: Vec<_> =
        asker.world.nat_gateways[&nat].addresses.iter().map(|each| (each.private_ip, each.public_ip)).collect();
    let expected = [("10.0.1.100", "203.0.113.1"), ("10.0.1.101", "203.0.113.2")];
    assert_eq!(pairs, expected.map(|(private, public)| (address(private), Some(address(public)))));
    let members = CreateNatGateway { secondary_private_ip_address_count: Some(7), ..private_nat(&subnet_id) };
    let nat = asker.make(Change::CreateNatGateway(members));
    assert_eq!(asker.world.nat_gateways[&nat].addresses.len(), 8);
    assert!(asker.world.nat_gateways[&nat].addresses.iter().all(|each| each.public_ip.is_none()));
}

#[test]
fn nat_gateways_that_fail() {
    let Ground { mut asker, subnet_id, app, .. } = ground();
    let inland = asker.make(vpc("10.9.0.0/16"));
    let inland_subnet = asker.subnet(&inland, "10.9.1.0/28", "us-east-1a");
    let [free, taken] = [ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    let stray = asker.make(Change::CreateNatGateway(public_nat(&inland_subnet, &free)));
    let failure = |asker: &Asker, nat: &str| {
        let gateway = &asker.world.nat_gateways[nat];
        assert_eq!((gateway.state, gateway.addresses.len()), (NatGatewayState::Failed, 0));
        let failure = gateway.failure.clone().expect("a reason");
        format!("{}: {}", failure.code, failure.message)
    };
    assert_eq!(
        failure(&asker, &stray),
        format!("Gateway.NotAttached: Network {inland} has no Internet gateway attached")
    );
    let described = describe(&asker.world);
    assert_eq!(described["NatGateways"][0]["FailureCode"], "Gateway.NotAttached");
    asker.make(Change::AssociateAddress(to_instance(&taken, &app)));
    let late = asker.make(Change::CreateNatGateway(public_nat(&subnet_id, &taken)));
    assert_eq!(
        failure(&asker, &late),
        format!("Resource.AlreadyAssociated: Elastic IP address {taken} is already associated")
    );
}

#[test]
fn nat_gateways_that_are_refused() {
    let Ground { mut asker, subnet_id, app, .. } = ground();
    let inland = asker.make(vpc("10.9.0.0/16"));
    let inland_subnet = asker.subnet(&inland, "10.9.1.0/28", "us-east-1a");
    let [free, taken, third] = [ALLOCATE, ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    asker.make(Change::AssociateAddress(to_instance(&taken, &app)));
    asker.make(Change::CreateNatGateway(private_nat(&inland_subnet)));
    let several = |ids: &[&String]| CreateNatGateway {
        secondary_allocation_ids: ids.iter().map(|id| (*id).clone()).collect(),
        ..public_nat(&subnet_id, &free)
    };
    let kind =
        |text: &str| CreateNatGateway { connectivity_type: Some(text.to_owned()), ..public_nat(&subnet_id, &free) };
    let at = |text: &str| CreateNatGateway { private_ip_address: Some(address(text)), ..private_nat(&subnet_id) };
    let two_ways = CreateNatGateway {
        secondary_private_ip_addresses: vec![address("10.0.1.9")],
        secondary_private_ip_address_count: Some(1),
        ..private_nat(&subnet_id)
    };
    let cases = [
        (
            CreateNatGateway { allocation_id: None, ..public_nat(&subnet_id, "") },
            "MissingParameter: The request must include the AllocationId parameter.",
        ),
        (kind("private"), "InvalidParameter: AllocationId cannot be specified"),
        (kind("secret"), "InvalidParameterValue: Value (secret) for parameter connectivityType is invalid."),
        (public_nat(&subnet_id, "eipalloc-00000000"), "InvalidAllocationID.NotFound"),
        (private_nat("subnet-00000000"), "InvalidSubnetID.NotFound"),
        (at("10.0.1.4"), "InvalidIPAddress.InUse: Address 10.0.1.4 is in use."),
        (at("10.0.1.2"), "InvalidParameterValue: Address 10.0.1.2 is in subnet's reserved address range"),
        (several(&[&third, &taken]), "AddressLimitExceeded"),
        (several(&[&free]), "InvalidParameterValue: The allocation ID"),
        (two_ways, "InvalidParameterCombination"),
        (
            CreateNatGateway { secondary_private_ip_address_count: Some(8), ..private_nat(&subnet_id) },
            "PrivateIpAddressLimitExceeded",
        ),
        (CreateNatGateway { secondary_private_ip_address_count: Some(7), ..private_nat(&inland_subnet) }, ""),
    ];
    let [cases @ .., (last, _)] = cases;
    asker.all_refused(cases.map(|(members, expected)| (Change::CreateNatGateway(members), expected)));
    // Ten addresses are free there, eight go to this one, and the next finds too few.
    asker.make(Change::CreateNatGateway(last.clone()));
    asker.refused(Change::CreateNatGateway(last), "InsufficientFreeAddressesInSubnet");
}

/// Endpoints', balancers' and NAT gateways' interfaces are AWS's: whatever a customer asks of them is refused (B3.1).
#[test]
fn requester_managed_interfaces_are_awss() {
    let Ground { mut asker, vpc_id, subnet_id, app } = ground();
    let [free, for_nat] = [ALLOCATE, ALLOCATE].map(|change| asker.make(change));
    asker.make(Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.kms", &[&subnet_id])));
    asker.make(balancer(None, true, &[&subnet_id]));
    asker.make(Change::CreateNatGateway(public_nat(&subnet_id, &for_nat)));
    let managed: Vec<String> = asker
        .world
        .network_interfaces
        .values()
        .filter(|interface| interface.requester_managed)
        .map(|interface| interface.network_interface_id.clone())
        .collect();
    assert_eq!(managed.len(), 3);
    let moved = AssociateAddress { allow_reassociation: true, ..to_instance(&for_nat, &app) };
    asker.refused(Change::AssociateAddress(moved), "AuthFailure");
    let table = asker.make(Change::CreateRouteTable { vpc_id });
    const AUTH: &str = "AuthFailure: You do not have permission to access the specified resource.";
    for id in managed {
        let attach = Change::AttachNetworkInterface {
            network_interface_id: id.clone(),
            instance_id: app.clone(),
            device_index: 1,
        };
        let run = Change::RunInstance(RunInstance { network_interface_ids: vec![id.clone()], ..Default::default() });
        let by_force = AssociateAddress { allow_reassociation: true, ..to_interface(&free, &id) };
        asker.all_refused([
            (attach, AUTH.to_owned()),
            (run, AUTH.to_owned()),
            (Change::AssociateAddress(to_interface(&free, &id)), AUTH.to_owned()),
            (Change::AssociateAddress(by_force), AUTH.to_owned()),
            (
                route(&table, "1.0.0.0/8", RouteTargetId::NetworkInterface(id.clone())),
                format!("InvalidParameterValue: route table {table} and interface {id} belong to different networks"),
            ),
        ]);
    }
}

#[test]
fn an_internet_facing_balancer_may_have_elastic_ips() {
    let Ground { mut asker, subnet_id, .. } = ground();
    let allocation = asker.make(ALLOCATE);
    let with = |scheme: &str, ids: &[Option<&str>]| Change::CreateLoadBalancer {
        name: None,
        scheme: scheme.to_owned(),
        subnets: ids
            .iter()
            .map(|id| SubnetMapping {
                subnet_id: subnet_id.clone(),
                private_ipv4_address: None,
                allocation_id: id.map(str::to_owned),
            })
            .collect(),
        security_groups: Vec::new(),
        attributes: Default::default(),
    };
    asker.all_refused([
        (
            with("internal", &[Some(&allocation)]),
            "InvalidConfigurationRequest: Elastic IPs are not supported for load balancers with scheme 'internal'",
        ),
        (
            with("internet-facing", &[Some("eipalloc-00000000")]),
            "AllocationIdNotFound: The allocation IDs 'eipalloc-00000000' are not available for use",
        ),
    ]);
    let arn = asker.make(with("internet-facing", &[Some(&allocation)]));
    let node = &asker.world.load_balancers[&arn].nodes[0];
    let interface = &asker.world.network_interfaces[&node.network_interface_id];
    assert_eq!(asker.world.public_addresses_of(interface), [(node.private_ip_address, address("203.0.113.1"))]);
    asker.refused(with("internet-facing", &[Some(&allocation)]), "AllocationIdNotFound");
}
