//! New tables under flows that stand: what did not change for them goes on, with the ports it has; what did, ends.

use super::*;
use crate::dataplane::nat::PortPools;

const SYN: &str = "app: 10.0.1.10:9 > 198.51.100.10:80 tcp SYN";
const OUT: &str = "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN ttl 63";
const BACK: &str = "internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp ACK 5";
const HEARD: &str = "app: 198.51.100.10:80 > 10.0.1.10:9 tcp ACK 5 ttl 63";

/// Through a NAT gateway, a balancer, and both; whichever side speaks first after the change.
#[test]
fn translated_flows_keep_their_ports() {
    let world = World::with(|tables| add_route(tables, A, &["10.0.2.50/32"], Rank::Static, NAT));
    let web = ["web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 5", "app: 10.0.2.50:80 > 10.0.1.10:9 tcp ACK 5 ttl 63"];
    world.passes(SYN, OUT);
    world.passes("app: 10.0.1.10:9 > 10.0.2.50:80 tcp SYN", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN ttl 63");
    world.passes("db: 10.0.2.10:9 > 10.0.2.50:53 udp 9", "web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 9");
    for _ in 0..3 {
        world.swap(|_| ());
        world.passes(BACK, HEARD);
        world.passes(web[0], web[1]);
        world.passes("web: 10.0.1.20:8080 > 10.0.1.100:1024 udp 9", "db: 10.0.2.50:53 > 10.0.2.10:9 udp 9");
        world.swap(|_| ());
        world.passes(&SYN.replace("SYN", "ACK"), &OUT.replace("SYN", "ACK"));
        world.passes("app: 10.0.1.10:9 > 10.0.2.50:80 tcp ACK", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp ACK ttl 63");
    }
    assert_eq!(world.dataplane.flows().len(), 3);
    let frames: Vec<[u64; 2]> = world.dataplane.flows().iter().map(|flow| flow.frames).collect();
    assert_eq!(frames, [[4, 3], [4, 3], [1, 3]], "counted on");
}

/// A flow whose route leads elsewhere ends; the next packet is a stray there.
#[test]
fn a_route_change_ends_translated_flows() {
    let world = World::new();
    world.passes(SYN, OUT);
    world.swap(|tables| {
        let object = object(tables, "nat-2");
        let interface = add_interface(tables, "nat-2", 0, 2, &["10.0.3.202"], Role::NatGateway(NatGatewayIndex(1)));
        tables.nat_gateways.push(NatGateway { object, interface, available: true });
        set_public(tables, interface, "10.0.3.202", "203.0.113.4");
        replace_route(tables, A, "0.0.0.0/0", Target::NatGateway(NatGatewayIndex(1)));
    });
    world.drops(&SYN.replace("SYN", "ACK seq 3 ack 4"), "UNKNOWN_FLOW at nat-1");
    world.passes(&SYN.replace("SYN", "ACK seq 3 ack 4"), "app: 198.51.100.10:80 > 10.0.1.10:9 tcp RST seq 4");
    world.drops(BACK, "NGW_INBOUND_CONNECTION at nat-1");
    world.passes(SYN, "internet: 203.0.113.4:1025 > 198.51.100.10:80 tcp SYN ttl 63");
    // Without any route, and with the gateway gone.
    for change in [
        |tables: &mut Tables| remove_route(tables, A, "0.0.0.0/0"),
        |tables: &mut Tables| replace_route(tables, A, "0.0.0.0/0", Target::Blackhole),
    ] {
        let world = World::new();
        world.passes(SYN, OUT);
        world.swap(change);
        assert!(world.effect(BACK)[0].starts_with("drop "));
        assert!(world.effect(&SYN.replace("SYN", "ACK"))[0].starts_with("drop "));
        assert!(world.dataplane.flows().is_empty());
    }
}

/// The way back only: the flow goes on as far as it goes.
#[test]
fn a_route_that_the_answer_needs_comes_and_goes() {
    let world = World::new();
    let (syn, seen) = ("app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN", "far: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN");
    let (answer, heard) = ("far: 10.1.1.10:80 > 10.0.1.10:9 tcp ACK 5", "app: 10.1.1.10:80 > 10.0.1.10:9 tcp ACK 5");
    world.passes(syn, seen);
    world.passes(answer, heard);
    world.swap(|tables| {
        remove_route(tables, FAR, "10.0.0.0/16");
        remove_route(tables, FAR, "0.0.0.0/0");
    });
    world.drops(answer, "NO_ROUTE_TO_DESTINATION at rtb-far");
    world.passes(&syn.replace("SYN", "ACK"), &seen.replace("SYN", "ACK"));
    world.swap(|tables| add_route(tables, FAR, &["10.0.0.0/16"], Rank::Static, PEERING));
    world.passes(answer, heard);
}

/// An error about a flow that was decided by older tables finds it all the same.
#[test]
fn icmp_errors_find_their_flow_after_a_change() {
    let world = World::new();
    world.effect("app: 10.0.1.10:5000 > 198.51.100.10:53 udp 30");
    world.swap(|_| ());
    let quoted = "it: 203.0.113.2:1024 > 198.51.100.10:53 udp 30";
    let error = error_about(&world, "internet: 198.51.100.10 > 203.0.113.2 icmp 3/3", (3, 3), quoted);
    let heard = "app: 198.51.100.10 > 10.0.1.10 icmp 3/3 ttl 63 quoting 10.0.1.10:5000 > 198.51.100.10:53 udp";
    assert_eq!(world.fire(error), [heard]);
}

/// However flows end, their ports come back: afterwards all 55,000 can be lent again.
#[test]
fn no_port_is_lost() {
    let mut world = World::with(|tables| add_route(tables, A, &["10.0.2.50/32"], Rank::Static, NAT));
    for round in 0..1000u16 {
        let port = 2000 + round;
        world.effect(&format!("app: 10.0.1.10:{port} > 198.51.100.10:80 tcp SYN"));
        world.effect(&format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp SYN"));
        match round % 4 {
            // Decided again, the same or without the NAT gateway, or ended.
            0 => world.swap(|tables| remove_route(tables, A, "10.0.2.50/32")),
            1 => world.swap(|tables| add_route(tables, A, &["10.0.2.50/32"], Rank::Static, NAT)),
            2 => world.swap(|tables| replace_route(tables, A, "0.0.0.0/0", Target::Blackhole)),
            _ => world.swap(|tables| replace_route(tables, A, "0.0.0.0/0", NAT)),
        }
        world.effect(&format!("app: 10.0.1.10:{port} > 198.51.100.10:80 tcp ACK"));
        world.effect(&format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp ACK"));
    }
    world.after(350);
    assert!(world.dataplane.flows().is_empty());
    world.swap(|tables| add_route(tables, A, &["10.0.2.50/32"], Rank::Static, NAT));
    for number in 0..PortPools::CAPACITY {
        let port = 1000 + number;
        for destination in ["198.51.100.10:80", "10.0.2.50:80"] {
            let lines = world.effect(&format!("app: 10.0.1.10:{port} > {destination} tcp SYN"));
            assert!(!lines[0].starts_with("drop"), "{number}: {lines:?}");
        }
    }
}
