//! Virtual private gateways and guests on premises.

use super::*;

#[test]
fn on_premises_and_vpc_reach_each_other() {
    let world = World::new();
    world.passes("app: 10.0.1.10:9 > 192.168.0.10:80 tcp SYN", "office: 10.0.1.10:9 > 192.168.0.10:80 tcp SYN");
    world.passes("office: 192.168.0.10:80 > 10.0.1.10:9 tcp SYN|ACK", "app: 192.168.0.10:80 > 10.0.1.10:9 tcp SYN|ACK");
    world.passes("office: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN", "db: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN");
    world.passes("db: 10.0.2.10:22 > 192.168.0.10:9 tcp SYN|ACK", "office: 10.0.2.10:22 > 192.168.0.10:9 tcp SYN|ACK");
    world.drops("app: 10.0.1.10:9 > 192.168.0.11:80 tcp SYN", "NO_SUCH_ADDRESS at cgw-office");
    world.drops("office: 192.168.0.11:9 > 10.0.2.10:22 tcp SYN", "ENI_SOURCE_DEST_CHECK_RESTRICTION");
}

/// Groups and ACLs see the address on premises, both ways.
#[test]
fn groups_and_acls_decide() {
    let ssh = || Selector::Ports(6, 22..=22);
    let world = World::with(|tables| {
        set_group(tables, 1, &[(ssh(), "192.168.0.0/16")], &[]);
        set_acl(tables, A, vec![entry(true, ssh(), "192.168.0.0/16")], vec![]);
    });
    world.passes("office: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN", "db: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN");
    world.drops("office: 192.168.0.10:9 > 10.0.2.10:23 tcp SYN", "ENI_SG_RULES_MISMATCH at sg-db");
    world.passes("office: 192.168.0.10:9 > 10.0.1.10:22 tcp SYN", "app: 192.168.0.10:9 > 10.0.1.10:22 tcp SYN");
    world.drops("app: 10.0.1.10:22 > 192.168.0.10:9 tcp SYN|ACK", "SUBNET_ACL_RESTRICTION at acl-a");
    world.drops("office: 192.168.0.10:9 > 10.0.1.10:80 tcp SYN", "SUBNET_ACL_RESTRICTION at acl-a");
}

/// B2-21, B1.8-4, B7-19: into the VPC, and to nothing that it only leads to.
#[test]
fn on_premises_goes_no_further_than_the_vpc() {
    let world = World::new();
    for destination in ["52.216.0.5", "198.51.100.10", "10.1.1.10", "10.0.1.77", "10.0.1.1", "203.0.113.1"] {
        world.drops(
            &format!("office: 192.168.0.10:9 > {destination}:443 tcp SYN"),
            "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS at vgw-main",
        );
    }
    let source = fabric(&world.dataplane.tables(), "192.168.0.10", 1);
    world.passes("office: 192.168.0.10:9 > 10.0.2.60:443 tcp SYN", &format!("s3: {source}:9 > 52.216.0.1:443 tcp SYN"));
    world.passes(
        &format!("s3: 52.216.0.1:443 > {source}:9 tcp SYN|ACK"),
        "office: 10.0.2.60:443 > 192.168.0.10:9 tcp SYN|ACK",
    );
}

/// The way back is routed: without it the answer takes another gateway, or none.
#[test]
fn the_answer_needs_a_route() {
    let syn = "office: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN";
    let syn_ack = "db: 10.0.2.10:22 > 192.168.0.10:9 tcp SYN|ACK";
    let world = World::with(|tables| {
        remove_route(tables, B, "192.168.0.0/16");
        remove_route(tables, B, "0.0.0.0/0");
    });
    world.passes(syn, "db: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN");
    world.drops(syn_ack, "NO_ROUTE_TO_DESTINATION at rtb-b");
    let world = World::with(|tables| remove_route(tables, B, "192.168.0.0/16"));
    world.passes(syn, "db: 192.168.0.10:9 > 10.0.2.10:22 tcp SYN");
    world.drops(syn_ack, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main");
}

/// Two connections of one gateway: the longest of their static routes leads.
#[test]
fn the_longest_static_route_leads() {
    let branch = |tables: &mut Tables| {
        let object = object(tables, "cgw-branch");
        let (link, gateway) = (link("web"), VpnGatewayIndex(0));
        let routes = vec!["192.168.7.0/24".parse().expect("a block")];
        tables.customers.push(Customer { object, link, address: ip("192.168.7.10"), routes, gateway });
        tables.vpn_gateways[0].customers.push(CustomerIndex(1));
        tables.links[link.at()].behind = Behind::OnPremises(CustomerIndex(1));
        tables.interfaces[6].role = Role::Detached;
    };
    let world = World::with(branch);
    world.passes("app: 10.0.1.10:9 > 192.168.7.10:80 tcp SYN", "web: 10.0.1.10:9 > 192.168.7.10:80 tcp SYN");
    world.passes("web: 192.168.7.10:80 > 10.0.1.10:9 tcp SYN|ACK", "app: 192.168.7.10:80 > 10.0.1.10:9 tcp SYN|ACK");
    world.passes("app: 10.0.1.10:9 > 192.168.0.10:80 tcp SYN", "office: 10.0.1.10:9 > 192.168.0.10:80 tcp SYN");
    // From one to the other: not through the VPC.
    world.drops("web: 192.168.7.10:9 > 192.168.0.10:80 tcp SYN", "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS at vgw-main");
}

/// B1.3-4, its other half: an endpoint's prefix list wins over a propagated route, a static route over both.
#[test]
fn a_propagated_route_yields_to_the_endpoint() {
    let propagated = |tables: &mut Tables| add_route(tables, B, S3, Rank::Propagated, VGW);
    let world = World::with(propagated);
    let source = fabric(&world.dataplane.tables(), "10.0.2.10", 0);
    let syn = "db: 10.0.2.10:9 > 52.216.0.5:443 tcp SYN";
    world.passes(syn, &format!("s3: {source}:9 > 52.216.0.5:443 tcp SYN"));
    let world = World::with(|tables| add_route(tables, B, S3, Rank::Static, VGW));
    world.drops(syn, "NO_ROUTE_TO_DESTINATION at vgw-main");
}
