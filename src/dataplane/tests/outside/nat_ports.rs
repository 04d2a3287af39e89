//! The ports that NAT gateways lend, and for how long (B7).

use super::*;
use crate::dataplane::nat::PortPools;

/// Two clients of one port are two flows; each gets its own answers.
#[test]
fn clients_of_one_port_are_told_apart() {
    let world = World::with(|tables| tables.subnets[B].route_table = RouteTableIndex(A as u32));
    for (client, address, port) in [("app", "10.0.1.10", 1024), ("db", "10.0.2.10", 1025)] {
        world.passes(
            &format!("{client}: {address}:40000 > 198.51.100.10:80 tcp SYN"),
            &format!("internet: 203.0.113.2:{port} > 198.51.100.10:80 tcp SYN ttl 63"),
        );
    }
    for (client, address, port) in [("app", "10.0.1.10", 1024), ("db", "10.0.2.10", 1025)] {
        world.passes(
            &format!("internet: 198.51.100.10:80 > 203.0.113.2:{port} tcp SYN|ACK"),
            &format!("{client}: 198.51.100.10:80 > {address}:40000 tcp SYN|ACK ttl 63"),
        );
    }
}

/// B7-2, B11-24: low ports become ephemeral ones.
#[test]
fn nat_ports_are_1024_to_65535() {
    let world = World::new();
    let mut seen = Vec::new();
    for number in 0..2000u16 {
        let lines = world.effect(&format!("app: 10.0.1.10:{} > 198.51.100.10:80 tcp SYN", number + 1));
        let port =
            lines[0].strip_prefix("internet: 203.0.113.2:").and_then(|text| text.split_once(' ')).expect("a port");
        seen.push(port.0.parse::<u16>().expect("a port"));
    }
    assert!(seen.iter().all(|port| *port >= 1024));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2000, "no port twice");
}

/// B7-3, B7-5, B7-8: for each destination, protocol and NAT gateway; then it fails, is counted, and others go on.
#[test]
fn nat_has_55_000_ports_for_each_destination() {
    let mut world = World::with(|tables| {
        // A second NAT gateway, for subnet b.
        let object = object(tables, "nat-2");
        let interface = add_interface(tables, "nat-2", 0, 2, &["10.0.3.202"], Role::NatGateway(NatGatewayIndex(1)));
        tables.nat_gateways.push(NatGateway { object, interface, available: true });
        set_public(tables, interface, "10.0.3.202", "203.0.113.4");
        replace_route(tables, B, "0.0.0.0/0", Target::NatGateway(NatGatewayIndex(1)));
    });
    for number in 0..PortPools::CAPACITY {
        let port = 1000 + number;
        let lines = world.effect(&format!("app: 10.0.1.10:{port} > 198.51.100.10:80 tcp SYN"));
        assert!(lines[0].starts_with("internet: 203.0.113.2:"), "{number}: {lines:?}");
    }
    world.drops("app: 10.0.1.10:60000 > 198.51.100.10:80 tcp SYN", "ERROR_PORT_ALLOCATION at nat-1");
    assert_eq!(world.counted("ERROR_PORT_ALLOCATION"), 1, "as the metric ErrorPortAllocation");
    for others in ["198.51.100.10:81 tcp SYN", "198.51.100.10:80 udp 9"] {
        let lines = world.effect(&format!("app: 10.0.1.10:60000 > {others}"));
        assert!(lines[0].starts_with("internet: 203.0.113.2:1024 > "), "{lines:?}");
    }
    world.passes(
        "db: 10.0.2.10:60000 > 198.51.100.10:80 tcp SYN",
        "internet: 203.0.113.4:1024 > 198.51.100.10:80 tcp SYN ttl 63",
    );
    // One ends, and one begins.
    world.effect("app: 10.0.1.10:1000 > 198.51.100.10:80 tcp RST");
    world.after(5);
    let lines = world.effect("app: 10.0.1.10:60000 > 198.51.100.10:80 tcp SYN");
    assert!(lines[0].starts_with("internet: 203.0.113.2:"), "{lines:?}");
}

/// B7-4: each address has its own ports, and a flow stays with the address that it got, new tables or not.
#[test]
fn a_second_address_doubles_the_ports() {
    let mut world = World::with(|tables| {
        tables.interfaces[NAT_INTERFACE.at()].addresses.push(ip("10.0.3.201"));
        tables.vpcs[0].addresses.insert(ip("10.0.3.201"), NAT_INTERFACE);
        set_public(tables, NAT_INTERFACE, "10.0.3.201", "203.0.113.3");
    });
    let source = |line: &str| line.split([' ', ':']).nth(2).expect("a source").to_owned();
    let mut last = String::new();
    for number in 0..PortPools::CAPACITY {
        let port = 1000 + number;
        let line = world.effect(&format!("app: 10.0.1.10:{port} > 198.51.100.10:80 tcp SYN")).remove(0);
        assert!(last.is_empty() || source(&line) == source(&last), "a client talks to a host from one address");
        last = line;
    }
    // All its ports are lent; the other address takes over.
    let overflow = world.effect("app: 10.0.1.10:60000 > 198.51.100.10:80 tcp SYN").remove(0);
    assert_ne!(source(&overflow), source(&last));
    // A port of the first address is free again, and the tables change: the flow keeps the address that it has.
    world.effect("app: 10.0.1.10:1000 > 198.51.100.10:80 tcp RST");
    world.after(5);
    world.swap(|_| ());
    let again = world.effect("app: 10.0.1.10:60000 > 198.51.100.10:80 tcp ACK").remove(0);
    assert_eq!(again, overflow.replace("SYN", "ACK"));
}

/// B7-6, B7-7: the inside hears of it, the outside never does.
#[test]
fn nat_forgets_after_350_s_and_resets_the_inside() {
    let mut world = World::new();
    world.effect("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp SYN");
    world.effect("internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK");
    world.after(349);
    world.passes(
        "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp ACK seq 5 ack 9",
        "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp ACK seq 5 ack 9 ttl 63",
    );
    world.after(350);
    world.drops("internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp ACK 10", "NGW_INBOUND_CONNECTION at nat-1");
    world.passes(
        "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp ACK seq 5 ack 9",
        "app: 198.51.100.10:80 > 10.0.1.10:40000 tcp RST seq 9",
    );
    world.drops("app: 10.0.1.10:40000 > 198.51.100.10:80 tcp RST seq 5", "UNKNOWN_FLOW at nat-1");
    // What has no connections is forgotten as well: another port.
    world.effect("app: 10.0.1.10:5000 > 198.51.100.10:53 udp 30");
    world.after(349);
    let [line] = &world.effect("app: 10.0.1.10:5000 > 198.51.100.10:53 udp 30")[..] else { panic!("one frame") };
    assert!(line.starts_with("internet: 203.0.113.2:1024 > "), "{line}");
    world.after(350);
    assert!(world.dataplane.flows().is_empty());
}
