//! Appliances: interfaces without source/destination check that routes lead to, on the way there, back, or both (B1.3).

use super::*;
use crate::dataplane::tests::lab::route;
use crate::dataplane::{DropReason, Header, TraceQuery};

const SYN: &str = "10.0.1.10:9 > 10.0.2.10:80 tcp SYN";
const SYN_ACK: &str = "10.0.2.10:80 > 10.0.1.10:9 tcp SYN|ACK";
const ACK: &str = "10.0.1.10:9 > 10.0.2.10:80 tcp ACK 5";

fn there(tables: &mut Tables) {
    add_route(tables, A, &["10.0.2.0/24"], Rank::Static, TO_FW);
}

fn back(tables: &mut Tables) {
    add_route(tables, B, &["10.0.1.0/24"], Rank::Static, TO_FW);
}

/// Both ways through it: each leg is a flow, and the two of a guest and the appliance know each other's answers.
#[test]
fn both_ways() {
    let world = World::with(|tables| {
        there(tables);
        back(tables);
    });
    for _ in 0..2 {
        world.passes(&format!("app: {SYN}"), &format!("fw: {SYN}"));
        world.passes(&format!("fw: {SYN}"), &format!("db: {SYN}"));
        world.passes(&format!("db: {SYN_ACK}"), &format!("fw: {SYN_ACK}"));
        world.passes(&format!("fw: {SYN_ACK}"), &format!("app: {SYN_ACK}"));
    }
    assert_eq!(world.dataplane.flows().len(), 2);
}

/// There through it, back directly: the client's group tracks what the client sent, whoever brings the answer.
#[test]
fn there_only() {
    let any = [(Selector::All, "0.0.0.0/0")];
    let world = World::with(|tables| {
        there(tables);
        set_group(tables, 0, &[], &any);
        set_group(tables, 1, &[(Selector::Ports(6, 80..=80), "10.0.1.0/24")], &[]);
    });
    world.passes(&format!("app: {SYN}"), &format!("fw: {SYN}"));
    world.passes(&format!("fw: {SYN}"), &format!("db: {SYN}"));
    world.passes(&format!("db: {SYN_ACK}"), &format!("app: {SYN_ACK}"));
    world.passes(&format!("app: {ACK}"), &format!("fw: {ACK}"));
    world.passes(&format!("fw: {ACK}"), &format!("db: {ACK}"));
    // New tables: still the same flows.
    world.swap(|_| ());
    world.passes(&format!("db: {SYN_ACK}"), &format!("app: {SYN_ACK}"));
    world.drops("db: 10.0.2.10:80 > 10.0.1.10:10 tcp SYN", "SG_HAS_NO_RULES at sg-db");
}

/// Back through it, there directly: its own group has seen no question, and judges the answer as any packet.
#[test]
fn back_only() {
    let any = [(Selector::All, "0.0.0.0/0")];
    let world = World::with(|tables| {
        back(tables);
        set_group(tables, 0, &[], &any);
    });
    world.passes(&format!("app: {SYN}"), &format!("db: {SYN}"));
    world.passes(&format!("db: {SYN_ACK}"), &format!("fw: {SYN_ACK}"));
    world.passes(&format!("fw: {SYN_ACK}"), &format!("app: {SYN_ACK}"));
    world.passes(&format!("app: {ACK}"), &format!("db: {ACK}"));
    // What answers nothing is stopped by the client's group.
    world.drops("fw: 10.0.2.10:81 > 10.0.1.10:9 tcp SYN|ACK", "SG_HAS_NO_RULES at sg-app");
    let world = World::with(|tables| {
        back(tables);
        set_group(tables, 3, &[(Selector::Ports(6, 80..=80), "0.0.0.0/0")], &any);
    });
    world.passes(&format!("app: {SYN}"), &format!("db: {SYN}"));
    world.drops(&format!("db: {SYN_ACK}"), "ENI_SG_RULES_MISMATCH at sg-fw");
}

/// B1.4-9: one with the check on takes nothing that is not its own; and one that is attached to nothing is gone.
#[test]
fn with_the_check_on_it_takes_nothing() {
    let world = World::with(|tables| {
        there(tables);
        tables.interfaces[3].source_dest_check = true;
    });
    world.drops(&format!("app: {SYN}"), "ENI_SOURCE_DEST_CHECK_RESTRICTION at eni-fw");
    world.drops(&format!("fw: {SYN}"), "ENI_SOURCE_DEST_CHECK_RESTRICTION at eni-fw");
}

/// Out through it to the internet: the gateway knows whose address it is. The answer comes to that interface.
#[test]
fn before_an_internet_gateway() {
    let world = World::with(|tables| {
        replace_route(tables, N, "0.0.0.0/0", TO_FW);
        set_group(tables, 2, &[], &[(Selector::All, "0.0.0.0/0")]);
    });
    let syn = "10.0.3.10:9 > 198.51.100.10:80 tcp SYN";
    world.passes(&format!("pub: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), "internet: 203.0.113.1:9 > 198.51.100.10:80 tcp SYN");
    world.passes(
        "internet: 198.51.100.10:80 > 203.0.113.1:9 tcp SYN|ACK",
        "pub: 198.51.100.10:80 > 10.0.3.10:9 tcp SYN|ACK",
    );
    // Who has no public address gets none by the detour.
    world.drops("fw: 10.0.1.10:9 > 198.51.100.10:80 tcp SYN", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main");
}

/// Out through it to a gateway endpoint: the service sees whose packet it is.
#[test]
fn before_a_gateway_endpoint() {
    let world = World::with(|tables| {
        add_route(tables, A, S3, Rank::Static, TO_FW);
        add_route(tables, M, S3, Rank::PrefixList, GATEWAY_ENDPOINT);
    });
    let source = fabric(&world.dataplane.tables(), "10.0.1.10", 0);
    let syn = "10.0.1.10:9 > 52.216.0.5:443 tcp SYN";
    world.passes(&format!("app: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), &format!("s3: {source}:9 > 52.216.0.5:443 tcp SYN"));
    world.passes(
        &format!("s3: 52.216.0.5:443 > {source}:9 tcp SYN|ACK"),
        "app: 52.216.0.5:443 > 10.0.1.10:9 tcp SYN|ACK",
    );
}

/// Out through it to the VPN, and an interface endpoint.
#[test]
fn before_a_vpn_and_an_interface_endpoint() {
    let world = World::with(|tables| {
        replace_route(tables, A, "192.168.0.0/16", TO_FW);
        there(tables);
    });
    let syn = "10.0.1.10:9 > 192.168.0.10:80 tcp SYN";
    world.passes(&format!("app: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), &format!("office: {syn}"));
    world.passes("office: 192.168.0.10:80 > 10.0.1.10:9 tcp SYN|ACK", "app: 192.168.0.10:80 > 10.0.1.10:9 tcp SYN|ACK");
    let source = fabric(&world.dataplane.tables(), "10.0.1.10", 1);
    let syn = "10.0.1.10:9 > 10.0.2.60:443 tcp SYN";
    world.passes(&format!("app: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), &format!("s3: {source}:9 > 52.216.0.1:443 tcp SYN"));
    world.passes(
        &format!("s3: 52.216.0.1:443 > {source}:9 tcp SYN|ACK"),
        "app: 10.0.2.60:443 > 10.0.1.10:9 tcp SYN|ACK",
    );
}

/// B1.3-18: the internet gateway's own route table leads what enters to the appliance, and the subnet's leads answers there.
#[test]
fn between_the_internet_and_a_subnet() {
    let syn = "198.51.100.10:5 > 10.0.3.10:80 tcp SYN";
    let answer = "10.0.3.10:80 > 198.51.100.10:5 tcp SYN|ACK";
    let ingress = |tables: &mut Tables| {
        let object = ObjectIndex(0);
        let routes =
            vec![route(&["10.0.0.0/16"], Rank::Local, Target::Local), route(&["10.0.3.0/24"], Rank::Static, TO_FW)];
        tables.internet_gateways[0].route_table = Some(RouteTableIndex(tables.route_tables.len() as u32));
        tables.route_tables.push(RouteTable::new(object, routes));
    };
    let world = World::with(|tables| {
        ingress(tables);
        remove_route(tables, N, "0.0.0.0/0");
        add_route(tables, N, &["0.0.0.0/0"], Rank::Static, TO_FW);
    });
    world.passes("internet: 198.51.100.10:5 > 203.0.113.1:80 tcp SYN", &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), &format!("pub: {syn}"));
    world.passes(&format!("pub: {answer}"), &format!("fw: {answer}"));
    world.passes(&format!("fw: {answer}"), "internet: 203.0.113.1:80 > 198.51.100.10:5 tcp SYN|ACK");
    // What the guest itself asks comes back by the gateway, so by the appliance.
    world.passes("pub: 10.0.3.10:7 > 198.51.100.10:80 tcp SYN", "fw: 10.0.3.10:7 > 198.51.100.10:80 tcp SYN");
    world.passes("fw: 10.0.3.10:7 > 198.51.100.10:80 tcp SYN", "internet: 203.0.113.1:7 > 198.51.100.10:80 tcp SYN");
    world.passes(
        "internet: 198.51.100.10:80 > 203.0.113.1:7 tcp SYN|ACK",
        "fw: 198.51.100.10:80 > 10.0.3.10:7 tcp SYN|ACK",
    );
    // Without the gateway's table it goes straight in.
    let world = World::with(|_| ());
    world.passes("internet: 198.51.100.10:5 > 203.0.113.1:80 tcp SYN", &format!("pub: {syn}"));
}

/// B1.3-18, its other half: what comes through the tunnel is led to the appliance, too.
#[test]
fn between_on_premises_and_a_subnet() {
    let syn = "192.168.0.10:9 > 10.0.2.10:22 tcp SYN";
    let answer = "10.0.2.10:22 > 192.168.0.10:9 tcp SYN|ACK";
    let world = World::with(|tables| {
        let routes =
            vec![route(&["10.0.0.0/16"], Rank::Local, Target::Local), route(&["10.0.2.0/24"], Rank::Static, TO_FW)];
        tables.vpn_gateways[0].route_table = Some(RouteTableIndex(tables.route_tables.len() as u32));
        tables.route_tables.push(RouteTable::new(ObjectIndex(0), routes));
        replace_route(tables, B, "192.168.0.0/16", TO_FW);
    });
    world.passes(&format!("office: {syn}"), &format!("fw: {syn}"));
    world.passes(&format!("fw: {syn}"), &format!("db: {syn}"));
    world.passes(&format!("db: {answer}"), &format!("fw: {answer}"));
    world.passes(&format!("fw: {answer}"), &format!("office: {answer}"));
    // Other subnets are entered directly.
    world.passes("office: 192.168.0.10:9 > 10.0.1.10:22 tcp SYN", "app: 192.168.0.10:9 > 10.0.1.10:22 tcp SYN");
    world.passes("app: 10.0.1.10:22 > 192.168.0.10:9 tcp SYN|ACK", "office: 10.0.1.10:22 > 192.168.0.10:9 tcp SYN|ACK");
}

/// Between a NAT gateway and the internet gateway, both ways: the public address is the NAT gateway's all the same.
#[test]
fn behind_a_nat_gateway() {
    let world = World::with(|tables| {
        let routes =
            vec![route(&["10.0.0.0/16"], Rank::Local, Target::Local), route(&["10.0.3.0/24"], Rank::Static, TO_FW)];
        tables.internet_gateways[0].route_table = Some(RouteTableIndex(tables.route_tables.len() as u32));
        tables.route_tables.push(RouteTable::new(ObjectIndex(0), routes));
        replace_route(tables, N, "0.0.0.0/0", TO_FW);
    });
    let syn = "10.0.3.200:1024 > 198.51.100.10:80 tcp SYN";
    let answer = "198.51.100.10:80 > 10.0.3.200:1024 tcp SYN|ACK";
    for _ in 0..2 {
        world.passes("app: 10.0.1.10:9 > 198.51.100.10:80 tcp SYN", &format!("fw: {syn} ttl 63"));
        world.passes(&format!("fw: {syn}"), "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp SYN");
        world.passes("internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp SYN|ACK", &format!("fw: {answer}"));
        world.passes(&format!("fw: {answer}"), "app: 198.51.100.10:80 > 10.0.1.10:9 tcp SYN|ACK ttl 63");
    }
}

/// What `trace` says of a packet whose answer is led to another guest, and of one that no kernel sends: where nobody in its own
/// subnet has the address, a route for that subnet is never asked.
#[test]
fn trace_promises_only_what_comes_back() {
    let world = World::with(|tables| {
        remove_route(tables, N, "0.0.0.0/0");
        add_route(tables, N, &["0.0.0.0/0"], Rank::Static, TO_FW);
        add_route(tables, A, &["10.0.1.0/24"], Rank::Static, TO_FW);
    });
    let trace = |from: &str, source: &str, destination: &str| {
        let header = Header::first("tcp", ip(source), ip(destination), Some(80)).expect("tcp is known");
        world.dataplane.trace(link(from), &TraceQuery { header })
    };
    let led_away = trace("internet", "198.51.100.10", "203.0.113.1");
    assert_eq!((led_away.delivered, led_away.back_delivered), (Some(link("pub")), Some(link("fw"))));
    assert_eq!(led_away.back_dropped, Some(DropReason::AnswerElsewhere));
    assert_eq!(trace("app", "10.0.1.10", "10.0.1.77").dropped, Some(DropReason::NoSuchAddress));
    assert_eq!(trace("app", "10.0.1.10", "10.0.1.255").dropped, Some(DropReason::ReservedAddress));
}
