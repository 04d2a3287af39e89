//! Virtual private gateways, customer gateways, VPN connections, and the routes that they propagate (B1.3).

use super::*;

fn gateway() -> Change {
    Change::CreateVpnGateway { gateway_type: "ipsec.1".to_owned(), amazon_side_asn: None }
}

fn customer(address: &str) -> Change {
    Change::CreateCustomerGateway { gateway_type: "ipsec.1".to_owned(), ip_address: address.to_owned(), bgp_asn: None }
}

fn connection(customer_gateway_id: &str, vpn_gateway_id: &str, static_routes_only: bool) -> Change {
    Change::CreateVpnConnection {
        connection_type: "ipsec.1".to_owned(),
        customer_gateway_id: customer_gateway_id.to_owned(),
        vpn_gateway_id: vpn_gateway_id.to_owned(),
        static_routes_only,
    }
}

fn attach(vpn_gateway_id: &str, vpc_id: &str) -> Change {
    Change::AttachVpnGateway { vpn_gateway_id: vpn_gateway_id.to_owned(), vpc_id: vpc_id.to_owned() }
}

fn propagate(gateway_id: &str, route_table_id: &str) -> Change {
    Change::EnableVgwRoutePropagation { gateway_id: gateway_id.to_owned(), route_table_id: route_table_id.to_owned() }
}

fn behind(vpn_connection_id: &str, block: &str) -> Change {
    Change::CreateVpnConnectionRoute {
        vpn_connection_id: vpn_connection_id.to_owned(),
        destination_cidr_block: block.to_owned(),
    }
}

/// A VPC 10.0.0.0/16 with an attached gateway and a connection with static routes.
fn ground() -> (Asker, String, String, String) {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let vgw = asker.make(gateway());
    asker.make(attach(&vgw, &vpc_id));
    let office = asker.make(customer("192.0.2.1"));
    let vpn = asker.make(connection(&office, &vgw, true));
    (asker, vpc_id, vgw, vpn)
}

/// The routes of a table as people write them.
fn routes(asker: &Asker, table: &str) -> Vec<String> {
    let shape = |route: &Route| {
        let RouteDestination::Cidr(block) = &route.destination else { return String::new() };
        format!("{block} {} {}", route.origin.as_str(), asker.world.route_state(route).as_str())
    };
    asker.world.route_tables[table].routes.iter().map(shape).collect()
}

#[test]
fn propagated_routes_give_way() {
    let (mut asker, vpc_id, vgw, vpn) = ground();
    let table = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    asker.make(behind(&vpn, "192.168.1.0/24"));
    assert_eq!(routes(&asker, &table).len(), 1, "nothing is propagated before it is asked for");
    asker.make(propagate(&vgw, &table));
    asker.make(propagate(&vgw, &table));
    // Inside the VPC's own block the local route is preferred, even to a longer one.
    asker.make(behind(&vpn, "10.0.7.0/24"));
    asker.make(behind(&vpn, "192.168.2.5/24"));
    let local = "10.0.0.0/16 CreateRouteTable active";
    let propagated = |block: &str| format!("{block} EnableVgwRoutePropagation active");
    assert_eq!(routes(&asker, &table), [local, &propagated("192.168.1.0/24"), &propagated("192.168.2.0/24")]);
    // A static route takes the place of a propagated one, and keeps it.
    asker.make(route(&table, "192.168.1.0/24", RouteTargetId::Gateway(vgw.clone())));
    asker.make(behind(&vpn, "192.168.3.0/24"));
    let fixed = "192.168.1.0/24 CreateRoute active";
    assert_eq!(routes(&asker, &table), [local, fixed, &propagated("192.168.2.0/24"), &propagated("192.168.3.0/24")]);
    asker.refused(route(&table, "192.168.1.0/24", RouteTargetId::Gateway(vgw.clone())), "RouteAlreadyExists");

    let shown = describe(&asker.world);
    let shown_table =
        shown["RouteTables"].as_array().unwrap().iter().find(|each| each["RouteTableId"] == table).unwrap();
    assert_eq!(shown_table["PropagatingVgws"], serde_json::json!([{ "GatewayId": vgw }]));
    assert_eq!(
        shown_table["Routes"][2],
        serde_json::json!({
            "DestinationCidrBlock": "192.168.2.0/24",
            "GatewayId": vgw,
            "Origin": "EnableVgwRoutePropagation",
            "State": "active",
        })
    );
    assert_eq!(
        shown["VpnGateways"][0]["VpcAttachments"][0],
        serde_json::json!({ "State": "attached", "VpcId": vpc_id })
    );
    assert_eq!(shown["VpnGateways"][0]["AmazonSideAsn"], 64512);
    assert_eq!(shown["CustomerGateways"][0]["BgpAsn"], "65000");
    assert_eq!(shown["VpnConnections"][0]["Options"]["StaticRoutesOnly"], true);
    assert_eq!(shown["VpnConnections"][0]["Routes"].as_array().unwrap().len(), 4);
    for (object, attribute) in [(&vgw, "VPNGatewayId"), (&vpn, "VpnConnectionId")] {
        assert_eq!(asker.world.attribute(object, attribute).unwrap(), object.as_str());
    }
}

#[test]
fn a_hundred_static_routes_and_no_more() {
    let (mut asker, vpc_id, vgw, vpn) = ground();
    let main = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    asker.make(propagate(&vgw, &main));
    let other = asker.make(customer("192.0.2.2"));
    let second = asker.make(connection(&other, &vgw, true));
    for third in 0..100 {
        asker.make(behind(&vpn, &format!("192.168.{third}.0/24")));
    }
    asker.refused(behind(&vpn, "192.168.100.0/24"), "RouteLimitExceeded");
    // A table takes a hundred propagated routes as well; the next one is not written.
    asker.make(behind(&second, "192.168.200.0/24"));
    assert_eq!(routes(&asker, &main).len(), 101);
}

#[test]
fn what_is_refused_on_the_way_to_on_premises() {
    let (mut asker, vpc_id, vgw, vpn) = ground();
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let loose = asker.make(gateway());
    let dynamic = asker.make(customer("192.0.2.9"));
    let bgp = asker.make(connection(&dynamic, &vgw, false));
    asker.make(behind(&vpn, "192.168.0.0/24"));
    let main = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    let other_main = asker.world.vpcs[&other_vpc].main_route_table_id.clone();
    let office = asker.world.vpn_connections[&vpn].customer_gateway_id.clone();
    let to = |table: &str, gateway: &str| route(table, "172.16.0.0/12", RouteTargetId::Gateway(gateway.to_owned()));
    let apart = |table: &str, gateway: &str| {
        format!("InvalidParameterValue: route table {table} and network gateway {gateway} belong to different networks")
    };
    asker.all_refused([
        (
            Change::CreateVpnGateway { gateway_type: "ipsec.2".to_owned(), amazon_side_asn: None },
            "InvalidParameterValue: Value (ipsec.2) for parameter type is invalid.".to_owned(),
        ),
        (attach(&vgw, &other_vpc), "VpnGatewayAttachmentLimitExceeded".to_owned()),
        (attach(&loose, &vpc_id), format!("InvalidVpcState: {vpc_id} already has an attached virtual private gateway")),
        (attach("vgw-00000000", &other_vpc), "InvalidVpnGatewayID.NotFound: The vpnGateway ID".to_owned()),
        (
            propagate(&loose, &main),
            format!("Gateway.NotAttached: resource {loose} is not attached to network {vpc_id}"),
        ),
        (propagate(&vgw, &other_main), format!("Gateway.NotAttached: resource {vgw} is not attached to network")),
        (to(&main, &loose), apart(&main, &loose)),
        (to(&other_main, &vgw), apart(&other_main, &vgw)),
        (to(&main, "vgw-00000000"), "InvalidGatewayID.NotFound".to_owned()),
        (
            customer("192.0.2.300"),
            "InvalidParameterValue: Value (192.0.2.300) for parameter ipAddress is invalid.".to_owned(),
        ),
        (connection("cgw-00000000", &vgw, true), "InvalidCustomerGatewayID.NotFound".to_owned()),
        (connection("cgw", &vgw, true), "InvalidCustomerGatewayId.Malformed".to_owned()),
        (connection(&office, "vgw-00000000", true), "InvalidVpnGatewayID.NotFound".to_owned()),
        (
            connection(&office, &vgw, true),
            format!("InvalidOption.Conflict: A VPN connection between {vgw} and {office} already exists: {vpn}"),
        ),
        (
            behind(&bgp, "192.168.0.0/24"),
            format!("InvalidVpnConnection.InvalidType: The VPN connection {bgp} does not support static routes"),
        ),
        (
            behind(&vpn, "192.168.0.9/24"),
            "RouteAlreadyExists: The route identified by 192.168.0.0/24 already exists.".to_owned(),
        ),
        (behind(&vpn, "office"), "InvalidParameterValue: Value (office) for parameter destinationCidrBlock".to_owned()),
        (behind("vpn-00000000", "192.168.0.0/24"), "InvalidVpnConnectionID.NotFound".to_owned()),
    ]);
}

#[test]
fn an_office_has_the_address_of_its_tag_or_of_its_first_route() {
    let (mut asker, _, _, vpn) = ground();
    let office = asker.world.vpn_connections[&vpn].customer_gateway_id.clone();
    let address_of = |world: &World, id: &str| world.on_premises_address(&world.customer_gateways[id]);
    assert_eq!(address_of(&asker.world, &office), None);
    asker.make(behind(&vpn, "192.168.7.0/24"));
    asker.make(behind(&vpn, "192.168.1.0/24"));
    assert_eq!(address_of(&asker.world, &office), Some(address("192.168.7.10")));
    let with_tag = |text: &str| Request {
        tags: [(ON_PREMISES_ADDRESS_TAG.to_owned(), text.to_owned())].into(),
        ..request(ACCOUNT, "Tagged", customer("192.0.2.2"))
    };
    let tagged = asker.world.apply(with_tag("172.16.0.5")).unwrap();
    assert_eq!(address_of(&asker.world, &tagged), Some(address("172.16.0.5")));
    assert_eq!(asker.world.apply(with_tag("somewhere")).unwrap_err().code, "InvalidParameterValue");
}

#[test]
fn gateways_tables_lead_to_interfaces_of_whole_subnets() {
    let (mut asker, vpc_id, vgw, _) = ground();
    let igw = asker.internet_gateway(&vpc_id);
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let middlebox = asker.instance(&subnet_id);
    let table = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    let by = |table: &str, gateway: &str| Change::AssociateGatewayRouteTable {
        route_table_id: table.to_owned(),
        gateway_id: gateway.to_owned(),
    };
    let to = |destination: &str, target| route(&table, destination, target);
    let box_ = || RouteTargetId::Instance(middlebox.clone());
    let association = asker.make(by(&table, &igw));
    assert!(id::is_well_formed("rtbassoc", &association));
    assert_eq!(asker.world.gateway_route_table_of(&igw).map(|it| it.route_table_id.clone()), Some(table.clone()));
    assert!(!asker.world.route_tables[&table].is_main());
    asker.make(to("10.0.1.0/24", box_()));
    const TARGET: &str = "InvalidParameterValue: Route target is not supported. This route only supports interface and instance targets.";
    let busy = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    asker.make(route(&busy, "0.0.0.0/0", RouteTargetId::Gateway(igw.clone())));
    let propagating = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    asker.make(propagate(&vgw, &propagating));
    let main = asker.world.vpcs[&vpc_id].main_route_table_id.clone();
    let free = asker.make(Change::CreateRouteTable { vpc_id: vpc_id.clone() });
    let other_vpc = asker.make(vpc("10.9.0.0/16"));
    let foreign = asker.make(Change::CreateRouteTable { vpc_id: other_vpc });
    asker.all_refused([
        (to("1.0.0.0/8", RouteTargetId::Gateway(igw.clone())), TARGET.to_owned()),
        (
            to("1.0.0.0/8", box_()),
            "InvalidParameterValue: The destination CIDR block 1.0.0.0/8 is not a subnet".to_owned(),
        ),
        (
            to("pl-63a5400a", box_()),
            "InvalidParameterValue: A gateway's route table cannot have a prefix list".to_owned(),
        ),
        (propagate(&vgw, &table), format!("InvalidParameterValue: Route table {table} cannot have both")),
        (by(&free, &igw), "Resource.AlreadyAssociated".to_owned()),
        (by(&busy, &vgw), TARGET.to_owned()),
        (by(&propagating, &vgw), format!("InvalidParameterValue: Route table {propagating} cannot have both")),
        (by(&main, &vgw), format!("InvalidParameterValue: The main route table {main} cannot be associated")),
        (by(&foreign, &igw), format!("InvalidParameterValue: route table {foreign} and network gateway {igw} belong")),
        (by(&free, "igw-00000000"), "InvalidInternetGatewayID.NotFound".to_owned()),
    ]);
    asker.make(by(&free, &vgw));
    let shown = describe(&asker.world);
    let shown = shown["RouteTables"].as_array().unwrap().iter().find(|each| each["RouteTableId"] == table).unwrap();
    assert_eq!(shown["Associations"][0]["GatewayId"], igw);
    assert_eq!(shown["Associations"][0]["Main"], false);
}
