//! Peering connections (B1.8).

use super::*;

/// Both ways, by both sides; TTL as it was (B1.4-8).
#[test]
fn peers_reach_each_other() {
    let world = World::new();
    world.passes("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    world.passes("far: 10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK", "app: 10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK");
    world.passes("far: 10.1.1.10:9 > 10.0.1.10:22 tcp SYN", "app: 10.1.1.10:9 > 10.0.1.10:22 tcp SYN");
    world.passes(
        "far: 10.1.1.10 > 10.0.2.10 icmp echo-request id 4",
        "db: 10.1.1.10 > 10.0.2.10 icmp echo-request id 4",
    );
    world.passes("db: 10.0.2.10 > 10.1.1.10 icmp echo-reply id 4", "far: 10.0.2.10 > 10.1.1.10 icmp echo-reply id 4");
    world.drops("app: 10.0.1.10:9 > 10.1.1.77:80 tcp SYN", "NO_SUCH_ADDRESS at subnet-far");
}

/// B1.4-8: one hop for traceroute.
#[test]
fn ttl_stays_over_peering() {
    let world = World::new();
    let probe = world.shot("app: 10.0.1.10:9 > 10.1.1.10:33434 udp 12").ttl(1);
    assert_eq!(world.fire(probe), ["far: 10.0.1.10:9 > 10.1.1.10:33434 udp 12 ttl 1"]);
}

/// B1.8-1, -2, -4, -5, B11-20: not to the other's peers, internet, NAT gateway, VPN or gateway endpoint.
#[test]
fn a_peer_goes_no_further() {
    let world = World::with(|tables| {
        // As far as it would get, were it let in: every table of the other side has these routes.
        for table in [A, N, M] {
            add_route(tables, table, S3, Rank::PrefixList, GATEWAY_ENDPOINT);
        }
    });
    for destination in ["198.51.100.10", "192.168.0.10", "52.216.0.5", "203.0.113.1"] {
        world.drops(
            &format!("far: 10.1.1.10:9 > {destination}:443 tcp SYN"),
            "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR at pcx-main-far",
        );
    }
    world.drops("app: 10.0.1.10:9 > 10.2.1.10:80 tcp SYN", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR at pcx-main-far");
    world.drops("beyond: 10.2.1.10:9 > 10.0.1.10:80 tcp SYN", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR at pcx-far-beyond");
    // Peers of one VPC reach that one.
    world.passes("beyond: 10.2.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.2.1.10:9 > 10.1.1.10:80 tcp SYN");
    world.passes("far: 10.1.1.10:80 > 10.2.1.10:9 tcp SYN|ACK", "beyond: 10.1.1.10:80 > 10.2.1.10:9 tcp SYN|ACK");
}

/// B1.8-6, and what the service is told.
#[test]
fn interface_endpoints_are_reachable_over_peering() {
    let world = World::with(|tables| {
        set_group(tables, 8, &[(Selector::Ports(6, 443..=443), "10.1.0.0/16")], &[]);
    });
    let source = fabric(&world.dataplane.tables(), "10.1.1.10", 1);
    world.passes("far: 10.1.1.10:9 > 10.0.2.60:443 tcp SYN", &format!("s3: {source}:9 > 52.216.0.1:443 tcp SYN"));
    world.passes(
        &format!("s3: 52.216.0.1:443 > {source}:9 tcp SYN|ACK"),
        "far: 10.0.2.60:443 > 10.1.1.10:9 tcp SYN|ACK",
    );
    assert_eq!(world.dataplane.tables().private_source(source), ip("10.1.1.10"));
    world.drops("app: 10.0.1.10:9 > 10.0.2.60:443 tcp SYN", "ENI_SG_RULES_MISMATCH at sg-s3");
    // The endpoint's subnet needs the way back, as any other.
    let world = World::with(|tables| remove_route(tables, B, "10.1.0.0/16"));
    assert_eq!(world.effect("far: 10.1.1.10:9 > 10.0.2.60:443 tcp SYN").len(), 1);
    world.drops(
        &format!("s3: 52.216.0.1:443 > {source}:9 tcp SYN|ACK"),
        "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main",
    );
}

/// B1.8-8: the question comes, the answer finds no way; known flow or not.
#[test]
fn without_the_way_back_nothing_comes_back() {
    let world = World::with(|tables| {
        remove_route(tables, FAR, "10.0.0.0/16");
        remove_route(tables, FAR, "0.0.0.0/0");
    });
    world.passes("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    for _ in 0..2 {
        world.drops("far: 10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK", "NO_ROUTE_TO_DESTINATION at rtb-far");
    }
    world.passes("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    // Trace tells both.
    let header = crate::dataplane::Header::first("tcp", ip("10.0.1.10"), ip("10.1.1.10"), Some(80)).expect("a header");
    let path = world.dataplane.trace(link("app"), &crate::dataplane::TraceQuery { header });
    assert_eq!((path.delivered, path.dropped), (Some(link("far")), None));
    assert_eq!(path.back_dropped, Some(crate::dataplane::DropReason::NoRoute));
}

/// B1.8-9: nobody looks whether the way back is the same. Here it leads through an appliance of the far VPC.
#[test]
fn no_reverse_path_check() {
    let world = World::with(|tables| {
        // The guest `beyond` stands in as the appliance.
        let appliance = add_interface(tables, "appliance", 1, 4, &["10.1.1.20"], Role::Guest(link("beyond")));
        let mac = tables.interfaces[appliance.at()].mac;
        tables.interfaces[appliance.at()].source_dest_check = false;
        tables.interfaces[5].role = Role::Detached;
        tables.links[link("beyond").at()] = Link { behind: Behind::Interface(appliance), mac, mtu: 9001 };
        add_route(tables, FAR, &["10.0.1.0/24"], Rank::Static, Target::Interface(appliance));
    });
    world.passes("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    let answer = "10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK";
    world.passes(&format!("far: {answer}"), &format!("beyond: {answer}"));
}

/// B1.8-10, in the dataplane's part: routes of one that is not active are blackholes, and itself carries nothing.
#[test]
fn only_an_active_connection_carries() {
    let world = World::with(|tables| tables.peerings[0].active = false);
    world.drops("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "BAD_STATE at pcx-main-far");
}

/// Both sides' ACLs and the way between: a packet leaves a subnet of one VPC and enters one of the other.
#[test]
fn both_subnets_acls_decide() {
    let world = World::with(|tables| {
        set_acl(tables, A, vec![all()], vec![entry(true, Selector::Ports(6, 80..=81), "10.1.0.0/16")]);
        set_acl(tables, FAR, vec![entry(true, Selector::Ports(6, 80..=80), "10.0.1.0/24")], vec![all()]);
    });
    world.passes("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    world.passes("far: 10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK", "app: 10.1.1.10:80 > 10.0.1.10:9 tcp SYN|ACK");
    world.drops("app: 10.0.1.10:9 > 10.1.1.10:81 tcp SYN", "SUBNET_ACL_RESTRICTION at acl-far");
    world.drops("app: 10.0.1.10:9 > 10.1.1.10:82 tcp SYN", "SUBNET_ACL_RESTRICTION at acl-a");
}

/// B1.2-9: each VPC has its own.
#[test]
fn the_resolver_of_a_peer_does_not_answer() {
    let world = World::with(|tables| {
        tables.services[0].ports.push((17, 53));
        let far = Client::Interface(InterfaceIndex(4));
        let entry = FabricEntry { client: far, address: ip("10.1.1.10"), way: Way::LinkLocal };
        tables.fabric = Fabric::new(vec![entry]);
        tables.vpcs.iter_mut().for_each(|vpc| vpc.resolver_service = Some(ServiceIndex(0)));
    });
    world.passes(
        "far: 10.1.1.10:9 > 10.1.0.2:53 udp 30",
        &format!("s3: {}:9 > 169.254.169.253:53 udp 30", Fabric::BASE),
    );
    world.drops("far: 10.1.1.10:9 > 10.0.0.2:53 udp 30", "NO_SUCH_ADDRESS at vpc-main");
}
