//! NAT gateways (B7).

use super::*;

/// B7-1, B7-15, B7-20: both ways, for each protocol that it carries; the destination stays.
#[test]
fn nat_carries_tcp_udp_and_echo_both_ways_and_nothing_else() {
    let world = World::new();
    world.passes(
        "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN seq 7",
        "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN seq 7 ttl 63",
    );
    world.passes(
        "internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK ack 8",
        "app: 198.51.100.10:80 > 10.0.1.10:40000 tcp SYN|ACK ack 8 ttl 63",
    );
    world.passes(
        "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp PSH|ACK 100 seq 8",
        "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp PSH|ACK 100 seq 8 ttl 63",
    );
    world.passes(
        "app: 10.0.1.10:5000 > 198.51.100.10:53 udp 30",
        "internet: 203.0.113.2:1024 > 198.51.100.10:53 udp 30 ttl 63",
    );
    world.passes(
        "internet: 198.51.100.10:53 > 203.0.113.2:1024 udp 90",
        "app: 198.51.100.10:53 > 10.0.1.10:5000 udp 90 ttl 63",
    );
    world.passes(
        "app: 10.0.1.10 > 198.51.100.10 icmp echo-request id 7",
        "internet: 203.0.113.2 > 198.51.100.10 icmp echo-request id 1024 ttl 63",
    );
    world.passes(
        "internet: 198.51.100.10 > 203.0.113.2 icmp echo-reply id 1024",
        "app: 198.51.100.10 > 10.0.1.10 icmp echo-reply id 7 ttl 63",
    );
    world.drops("app: 10.0.1.10 > 198.51.100.10 proto 47 100", "PROTOCOL_RESTRICTION at nat-1");
    world.drops("app: 10.0.1.10 > 198.51.100.10 icmp 13/0", "PROTOCOL_RESTRICTION at nat-1");
}

/// An error of the outside quotes what the outside saw, and the client hears of what it sent (RFC 5508); and the other way.
#[test]
fn icmp_errors_are_translated_with_what_they_quote() {
    let world = World::new();
    world.effect("app: 10.0.1.10:5000 > 198.51.100.10:53 udp 30");
    let error = error_about(
        &world,
        "internet: 198.51.100.10 > 203.0.113.2 icmp 3/3",
        (3, 3),
        "it: 203.0.113.2:1024 > 198.51.100.10:53 udp 30",
    );
    let heard = "app: 198.51.100.10 > 10.0.1.10 icmp 3/3 ttl 63 quoting 10.0.1.10:5000 > 198.51.100.10:53 udp";
    assert_eq!(world.fire(error), [heard]);
    let error = error_about(
        &world,
        "app: 10.0.1.10 > 198.51.100.10 icmp 3/3",
        (3, 3),
        "it: 198.51.100.10:53 > 10.0.1.10:5000 udp 30",
    );
    let heard = "internet: 203.0.113.2 > 198.51.100.10 icmp 3/3 ttl 63 quoting 198.51.100.10:53 > 203.0.113.2:1024 udp";
    assert_eq!(world.fire(error), [heard]);
    // An echo's identifier is translated in the quote, too.
    world.effect("app: 10.0.1.10 > 198.51.100.10 icmp echo-request id 7");
    let error = error_about(
        &world,
        "internet: 198.51.100.10 > 203.0.113.2 icmp 11/0",
        (11, 0),
        "it: 203.0.113.2 > 198.51.100.10 icmp echo-request id 1024",
    );
    let heard = "app: 198.51.100.10 > 10.0.1.10 icmp 11/0 ttl 63 quoting 10.0.1.10 > 198.51.100.10 icmp id 7";
    assert_eq!(world.fire(error), [heard]);
    // Of a flow that nobody has: to nobody.
    let stray = error_about(
        &world,
        "internet: 198.51.100.10 > 203.0.113.2 icmp 3/3",
        (3, 3),
        "it: 203.0.113.2:9999 > 198.51.100.10:53 udp 30",
    );
    assert_eq!(world.fire(stray), ["drop NGW_INBOUND_CONNECTION at nat-1"]);
    // In somebody else's name: that is what the internet is like, but nobody is told.
    let forged = error_about(
        &world,
        "internet: 9.9.9.9 > 203.0.113.2 icmp 3/3",
        (3, 3),
        "it: 203.0.113.2:9999 > 9.9.9.9:53 udp 30",
    );
    assert_eq!(world.fire(forged), ["drop ENI_SOURCE_DEST_CHECK_RESTRICTION at igw-main"]);
}

/// B7-9: the later fragments of a UDP datagram go where the first went, from the same address, and so do the answer's.
#[test]
fn nat_carries_fragments_of_udp() {
    let world = World::new();
    let first = world.shot("app: 10.0.1.10:5000 > 198.51.100.10:53 udp 1472").first_fragment(9);
    assert_eq!(world.fire(first), ["internet: 203.0.113.2:1024 > 198.51.100.10:53 udp 1472 more ttl 63"]);
    let later = world.shot("app: 10.0.1.10 > 198.51.100.10 fragment udp 500").identified(9).at_offset(1480);
    assert_eq!(world.fire(later), ["internet: 203.0.113.2 > 198.51.100.10 fragment udp 500 offset 1480 ttl 63"]);
    let first = world.shot("internet: 198.51.100.10:53 > 203.0.113.2:1024 udp 1472").first_fragment(11);
    assert_eq!(world.fire(first), ["app: 198.51.100.10:53 > 10.0.1.10:5000 udp 1472 more ttl 63"]);
    let later = world.shot("internet: 198.51.100.10 > 203.0.113.2 fragment udp 500").identified(11).at_offset(1480);
    assert_eq!(world.fire(later), ["app: 198.51.100.10 > 10.0.1.10 fragment udp 500 offset 1480 ttl 63"]);
    // Of a datagram whose first fragment nobody saw.
    let stray = world.shot("app: 10.0.1.10 > 198.51.100.10 fragment udp 500").identified(10).at_offset(1480);
    assert_eq!(world.fire(stray), ["drop FRAGMENT_FIRST_MISSING"]);
}

/// B7-10: as the first packet of a flow, and of a flow that stands.
#[test]
fn nat_drops_fragments_of_tcp_and_icmp() {
    let world = World::new();
    let tcp = "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN 4";
    let icmp = "app: 10.0.1.10 > 198.51.100.10 icmp echo-request id 7";
    for (number, text) in [tcp, icmp].into_iter().enumerate() {
        let fragment = |id: u16| world.shot(text).first_fragment(id);
        assert_eq!(world.fire(fragment(number as u16)), ["drop PROTOCOL_RESTRICTION at nat-1"], "{text}");
        let whole = world.effect(text);
        assert!(whole[0].starts_with("internet: "), "{whole:?}");
        assert_eq!(world.fire(fragment(10 + number as u16)), ["drop PROTOCOL_RESTRICTION at nat-1"], "{text}");
    }
    let later = world.shot("app: 10.0.1.10 > 198.51.100.10 fragment tcp 500").identified(10).at_offset(24);
    assert_eq!(world.fire(later), ["drop PROTOCOL_RESTRICTION at nat-1"]);
}

/// B7-11, B7-21: neither ping nor connection, from inside or outside, on a free port or on somebody's.
#[test]
fn nobody_opens_a_connection_to_a_nat_gateway() {
    let world = World::new();
    world.effect("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN");
    for text in [
        "app: 10.0.1.10 > 10.0.3.200 icmp echo-request id 1",
        "pub: 10.0.3.10:9 > 10.0.3.200:1024 tcp SYN",
        "internet: 198.51.100.10 > 203.0.113.2 icmp echo-request id 1",
        "internet: 198.51.100.10:7 > 203.0.113.2:1024 tcp SYN",
        "internet: 198.51.100.10:81 > 203.0.113.2:1024 tcp ACK 5",
        "internet: 198.51.100.10:80 > 203.0.113.2:1025 udp 5",
    ] {
        world.drops(text, "NGW_INBOUND_CONNECTION at nat-1");
    }
}

/// B7-12: what traceroute sees. Each probe of UDP is a flow of its own; on a flow that stands it is the same.
#[test]
fn nat_is_a_hop_of_traceroute() {
    let world = World::new();
    let probe = |ttl| world.shot("app: 10.0.1.10:5000 > 198.51.100.10:33434 udp 12").ttl(ttl);
    let heard = "app: 10.0.3.200 > 10.0.1.10 icmp 11/0 quoting 10.0.1.10:5000 > 198.51.100.10:33434 udp";
    for _ in 0..2 {
        assert_eq!(world.fire(probe(1)), [heard, "drop TTL_EXCEEDED at nat-1"]);
        assert_eq!(world.fire(probe(2)), ["internet: 203.0.113.2:1024 > 198.51.100.10:33434 udp 12 ttl 1"]);
    }
    // The answer's time ends there as well; its sender hears of it from the address that it talks to.
    let answer = world.shot("internet: 198.51.100.10:33434 > 203.0.113.2:1024 udp 12").ttl(1);
    let heard = "internet: 203.0.113.2 > 198.51.100.10 icmp 11/0 quoting 198.51.100.10:33434 > 203.0.113.2:1024 udp";
    assert_eq!(world.fire(answer), [heard, "drop TTL_EXCEEDED at nat-1"]);
    // Too large and too old at once: too old.
    let both = world.shot("app: 10.0.1.10:5000 > 198.51.100.10:33434 udp 3000").without_df().ttl(1);
    let heard = "app: 10.0.3.200 > 10.0.1.10 icmp 11/0 quoting 10.0.1.10:5000 > 198.51.100.10:33434 udp";
    assert_eq!(world.fire(both), [heard, "drop TTL_EXCEEDED at nat-1"]);
}

/// B7-14: what the ACL of its subnet must let through: from the inside, to the world, ephemeral ports back in, to the inside.
#[test]
fn the_acl_of_the_nats_subnet_decides() {
    let tcp = |ports| Selector::Ports(6, ports);
    let ingress = || vec![entry(true, Selector::All, "10.0.1.0/24"), entry(true, tcp(1024..=65535), "0.0.0.0/0")];
    let egress = || vec![entry(true, tcp(80..=80), "0.0.0.0/0"), entry(true, tcp(1024..=65535), "10.0.1.0/24")];
    let syn = "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN";
    let out = "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN ttl 63";
    let syn_ack = "internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK";
    let world = World::with(|tables| set_acl(tables, N, ingress(), egress()));
    world.passes(syn, out);
    world.passes(syn_ack, "app: 198.51.100.10:80 > 10.0.1.10:40000 tcp SYN|ACK ttl 63");
    // Without one of them, one of the two fails.
    for (missing, [syn_fails, answer_fails]) in
        [((0, 0), [true, false]), ((0, 1), [false, true]), ((1, 0), [true, false]), ((1, 1), [false, true])]
    {
        let (mut ingress, mut egress) = (ingress(), egress());
        if missing.0 == 0 {
            ingress.remove(missing.1)
        } else {
            egress.remove(missing.1)
        };
        let world = World::with(|tables| set_acl(tables, N, ingress, egress));
        let refused = "drop SUBNET_ACL_RESTRICTION at acl-n";
        assert_eq!(world.effect(syn), [if syn_fails { refused } else { out }], "{missing:?}");
        if answer_fails {
            assert_eq!(world.effect(syn_ack), [refused], "{missing:?}");
        }
    }
}

/// B7-13: whatever groups others have.
#[test]
fn nat_has_no_security_group() {
    let any = [(Selector::All, "0.0.0.0/0")];
    let world = World::with(|tables| set_group(tables, 0, &[], &any));
    world.passes(
        "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN",
        "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN ttl 63",
    );
    world.passes(
        "internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK",
        "app: 198.51.100.10:80 > 10.0.1.10:40000 tcp SYN|ACK ttl 63",
    );
    // The sender's own decides before.
    let world = World::with(|tables| set_group(tables, 0, &any, &[]));
    world.drops("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN", "SG_HAS_NO_RULES at sg-app");
}

/// B7-15, B11-22: to the gateway's private address, and by the internet gateway to its Elastic IP; back in reverse.
#[test]
fn public_nat_takes_two_steps() {
    let world = World::new();
    let header =
        crate::dataplane::Header::first("tcp", ip("10.0.1.10"), ip("198.51.100.10"), Some(80)).expect("a header");
    let path = world.dataplane.trace(link("app"), &crate::dataplane::TraceQuery { header });
    let tables = world.dataplane.tables();
    let changes = |hops: &[crate::dataplane::Hop]| -> Vec<String> {
        let changing = hops.iter().filter(|hop| hop.before != hop.after);
        let id = |hop: &crate::dataplane::Hop| hop.object.map_or(String::new(), |it| tables.object(it).id.clone());
        changing.map(|hop| format!("{}: {} → {}", id(hop), hop.before, hop.after)).collect()
    };
    assert_eq!(
        changes(&path.hops),
        [
            "nat-1: 10.0.1.10:40000 > 198.51.100.10:80 tcp → 10.0.3.200:1024 > 198.51.100.10:80 tcp",
            "igw-main: 10.0.3.200:1024 > 198.51.100.10:80 tcp → 203.0.113.2:1024 > 198.51.100.10:80 tcp",
        ]
    );
    assert_eq!(
        changes(&path.back_hops),
        [
            "igw-main: 198.51.100.10:80 > 203.0.113.2:1024 tcp → 198.51.100.10:80 > 10.0.3.200:1024 tcp",
            "nat-1: 198.51.100.10:80 > 10.0.3.200:1024 tcp → 198.51.100.10:80 > 10.0.1.10:40000 tcp",
        ]
    );
}

/// B7-16, B1.8-7: one step only; what the other side sees is the gateway's private address.
#[test]
fn private_nat_takes_one_step() {
    let private = |tables: &mut Tables| {
        tables.internet_gateways[0].public.retain(|(interface, _), _| *interface != NAT_INTERFACE);
        tables.internet.public.retain(|_, to| to.interface != NAT_INTERFACE);
        replace_route(tables, A, "10.1.0.0/16", NAT);
    };
    let world = World::with(private);
    world.passes("app: 10.0.1.10:40000 > 10.1.1.10:80 tcp SYN", "far: 10.0.3.200:1024 > 10.1.1.10:80 tcp SYN ttl 63");
    world.passes(
        "far: 10.1.1.10:80 > 10.0.3.200:1024 tcp SYN|ACK",
        "app: 10.1.1.10:80 > 10.0.1.10:40000 tcp SYN|ACK ttl 63",
    );
    world.drops("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main");
}

/// B7-17, B7-22: the client's own table leads to the gateway, and the gateway's to the destination.
#[test]
fn nat_follows_its_own_subnets_table() {
    let syn = "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN";
    let world = World::with(|tables| remove_route(tables, N, "0.0.0.0/0"));
    world.drops(syn, "NO_ROUTE_TO_DESTINATION at rtb-n");
    let world = World::with(|tables| add_route(tables, N, &["198.51.100.10/32"], Rank::Static, Target::Blackhole));
    world.drops(syn, "BAD_STATE_ROUTE at rtb-n 198.51.100.10/32");
    // A gateway that is gone or failed: no fall-back.
    let world = World::with(|tables| {
        add_route(tables, A, &["198.51.100.0/24"], Rank::Static, Target::Blackhole);
    });
    world.drops(syn, "BAD_STATE_ROUTE at rtb-a 198.51.100.0/24");
    let world = World::with(|tables| tables.nat_gateways[0].available = false);
    world.drops(syn, "BAD_STATE at nat-1");
    // A private subnet's table for the gateway's own: it leads back to itself.
    let world = World::with(|tables| replace_route(tables, N, "0.0.0.0/0", NAT));
    world.drops(syn, "TOO_MANY_HOPS at nat-1");
    assert_eq!(world.dataplane.flows().len(), 0);
}

/// B1.3-10: a NAT gateway between two subnets of a VPC, in the place of `local`.
#[test]
fn nat_may_override_local() {
    let world = World::with(|tables| add_route(tables, A, &["10.0.2.0/24"], Rank::Static, NAT));
    world.passes("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN", "db: 10.0.3.200:1024 > 10.0.2.10:80 tcp SYN ttl 63");
    world.passes(
        "db: 10.0.2.10:80 > 10.0.3.200:1024 tcp SYN|ACK",
        "app: 10.0.2.10:80 > 10.0.1.10:40000 tcp SYN|ACK ttl 63",
    );
}

/// B7-19, B1.8-3, B11-21: it serves the interfaces of its own VPC.
#[test]
fn nat_takes_only_its_own_vpc() {
    let world = World::new();
    for text in ["far: 10.1.1.10:7 > 10.0.3.200:80 tcp SYN", "office: 192.168.0.10:7 > 10.0.3.200:80 tcp SYN"] {
        world.drops(text, "NGW_REQUIRES_SOURCE_IN_VPC at nat-1");
    }
    // Nor by the detour of an appliance, which has the way there: it originates elsewhere.
    let world = World::with(|tables| replace_route(tables, M, "0.0.0.0/0", NAT));
    for source in ["192.168.0.10", "10.1.1.10", "9.9.9.9", "10.0.1.77"] {
        let text = format!("fw: {source}:7 > 198.51.100.10:80 tcp SYN");
        world.drops(&text, "NGW_REQUIRES_SOURCE_IN_VPC at nat-1");
    }
    // What is for the world behind it does not even come so far.
    world.drops("far: 10.1.1.10:7 > 198.51.100.10:80 tcp SYN", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR at pcx-main-far");
    world.drops(
        "office: 192.168.0.10:7 > 198.51.100.10:80 tcp SYN",
        "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS at vgw-main",
    );
}

/// What an appliance of the VPC sends on for another of its interfaces originates there all the same.
#[test]
fn an_appliance_may_stand_before_a_nat_gateway() {
    let world = World::with(|tables| {
        replace_route(tables, A, "0.0.0.0/0", TO_FW);
        replace_route(tables, M, "0.0.0.0/0", NAT);
        // … and the way back through it.
        add_route(tables, N, &["10.0.1.0/24"], Rank::Static, TO_FW);
    });
    let syn = "10.0.1.10:40000 > 198.51.100.10:80 tcp SYN";
    world.passes(&format!("app: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN ttl 63");
    let syn_ack = "198.51.100.10:80 > 10.0.1.10:40000 tcp SYN|ACK";
    world.passes("internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK", &format!("fw: {syn_ack} ttl 63"));
    world.passes(&format!("fw: {syn_ack}"), &format!("app: {syn_ack}"));
}
