//! Inside a VPC, and where no way leads.

use super::lab::*;
use crate::dataplane::DropReason;
use crate::dataplane::tables::*;

#[test]
fn neighbours_talk_directly_and_subnets_through_the_router() {
    let mut lab = Lab::new();
    let sent = lab.send("app: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7");
    let expected = "peer: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7".to_owned();
    assert_eq!(sent, Effect::Sent(expected, mac(0, "10.0.1.10"), mac(0, "10.0.1.11")));
    let sent = lab.send("db: 10.0.2.10:5000 > 10.0.1.10:22 tcp SYN");
    let expected = "app: 10.0.2.10:5000 > 10.0.1.10:22 tcp SYN".to_owned();
    assert_eq!(sent, Effect::Sent(expected, mac(0, "10.0.1.1"), mac(0, "10.0.1.10")));
    lab.passes("app: 10.0.1.10:22 > 10.0.2.10:5000 tcp SYN|ACK", "db: 10.0.1.10:22 > 10.0.2.10:5000 tcp SYN|ACK");
    assert_eq!(lab.dataplane.flows().len(), 2);
}

#[test]
fn what_no_route_holds_is_dropped_by_name() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.10:40000 > 8.8.8.8:53 udp 12", DropReason::NoRoute);
    lab.drops("db: 10.0.2.10:40000 > 52.216.0.5:443 tcp SYN", DropReason::NoRoute);
    lab.drops("app: 10.0.1.10:40000 > 10.0.9.9:80 tcp SYN", DropReason::NoSuchAddress);
    lab.drops("db: 10.0.2.10:40000 > 10.0.1.77:80 tcp SYN", DropReason::NoSuchAddress);
    lab.drops("db: 10.0.2.10:40000 > 10.0.1.3:80 tcp SYN", DropReason::ReservedAddress);
    lab.drops("db: 10.0.2.10:40000 > 10.0.1.255:80 tcp SYN", DropReason::ReservedAddress);
    lab.drops("db: 10.0.2.10:40000 > 10.0.1.99:80 tcp SYN", DropReason::DetachedInterface);
    assert!(lab.dataplane.flows().is_empty(), "a drop leaves no flow");
}

/// B1.3: a static route beats a prefix list of the same or shorter length, in whatever order they were made.
#[test]
fn static_beats_prefix_list_beats_propagated_at_equal_length() {
    let endpoint = Target::GatewayEndpoint(GATEWAY_ENDPOINT);
    let block = &["52.216.0.0/15"][..];
    for reversed in [false, true] {
        let mut routes = vec![
            route(block, Rank::Static, Target::Blackhole),
            route(block, Rank::PrefixList, endpoint),
            route(block, Rank::Propagated, Target::Local),
            route(&["3.5.0.0/19"], Rank::PrefixList, endpoint),
            route(&["3.5.0.0/20"], Rank::Propagated, Target::Blackhole),
            route(&["3.5.0.0/19"], Rank::Propagated, Target::Local),
            route(&["4.0.0.0/8"], Rank::Propagated, Target::Local),
        ];
        if reversed {
            routes.reverse();
        }
        let table = RouteTable::new(ObjectIndex(0), routes);
        let target = |address: [u8; 4]| table.route(address.into()).map(|route| route.target);
        assert_eq!(target([52, 217, 9, 9]), Some(Target::Blackhole), "static wins");
        assert_eq!(target([3, 5, 1, 1]), Some(Target::Blackhole), "a longer prefix wins over any rank");
        assert_eq!(target([3, 5, 17, 1]), Some(endpoint), "a prefix list wins over a propagated route");
        assert_eq!(target([4, 1, 1, 1]), Some(Target::Local), "which has its own");
        assert_eq!(target([9, 9, 9, 9]), None);
    }
}

#[test]
fn a_blackhole_drops_and_does_not_fall_back() {
    let mut tables = tables();
    let routes = vec![
        route(&["10.0.0.0/16"], Rank::Local, Target::Local),
        route(&["0.0.0.0/0"], Rank::Static, Target::GatewayEndpoint(GATEWAY_ENDPOINT)),
        route(&["52.216.0.0/15"], Rank::Static, Target::Blackhole),
        route(&["169.254.0.0/16"], Rank::Static, Target::Local),
    ];
    tables.route_tables[0] = RouteTable::new(ObjectIndex(0), routes);
    let mut lab = Lab::with(tables);
    lab.drops("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", DropReason::BlackholeRoute);
    // 169.254.168.0/22 is never forwarded, whatever route contains it (B1.3-4).
    lab.drops("app: 10.0.1.10:40000 > 169.254.171.9:80 tcp SYN", DropReason::NoRoute);
}

#[test]
fn new_tables_end_old_plans() {
    let mut lab = Lab::new();
    let syn = "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN";
    assert!(matches!(lab.send(syn), Effect::Sent(..)));
    let mut tables = tables();
    tables.vpcs[0].generation = 2;
    tables.route_tables[0] = RouteTable::new(ObjectIndex(0), vec![route(&["10.0.0.0/16"], Rank::Local, Target::Local)]);
    lab.dataplane.swap(std::sync::Arc::new(tables));
    lab.drops("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp ACK", DropReason::NoRoute);
    assert!(lab.dataplane.flows().is_empty());
}

#[test]
fn a_change_of_one_vpc_leaves_the_flows_of_others() {
    let mut lab = Lab::new();
    lab.passes("web: 10.0.1.20:1 > 10.0.1.21:2 udp 3", "web2: 10.0.1.20:1 > 10.0.1.21:2 udp 3");
    let mut tables = tables();
    tables.vpcs[0].generation = 2;
    lab.dataplane.swap(std::sync::Arc::new(tables));
    lab.passes("web: 10.0.1.20:1 > 10.0.1.21:2 udp 3", "web2: 10.0.1.20:1 > 10.0.1.21:2 udp 3");
    assert_eq!(lab.dataplane.flows()[0].frames, [2, 0], "the same flow went on");
}

#[test]
fn idle_flows_go_at_their_time() {
    let mut lab = Lab::new();
    lab.passes("app: 10.0.1.10:9 > 10.0.1.11:9 udp 1", "peer: 10.0.1.10:9 > 10.0.1.11:9 udp 1");
    lab.after(29);
    assert_eq!(lab.dataplane.flows().len(), 1);
    lab.after(1);
    assert_eq!(lab.dataplane.flows().len(), 0, "one-way UDP: 30 s (B1.6)");
    for _ in 0..2 {
        lab.passes("app: 10.0.1.10:9 > 10.0.1.11:9 udp 1", "peer: 10.0.1.10:9 > 10.0.1.11:9 udp 1");
        lab.passes("peer: 10.0.1.11:9 > 10.0.1.10:9 udp 1", "app: 10.0.1.11:9 > 10.0.1.10:9 udp 1");
    }
    lab.after(179);
    assert_eq!(lab.dataplane.flows().len(), 1, "a stream: 180 s");
    lab.after(1);
    assert!(lab.dataplane.flows().is_empty());
}

/// A route to an appliance: the packet crosses the VPC twice with the same addresses, once by each link.
#[test]
fn a_packet_passes_an_appliance_and_goes_on() {
    let mut tables = tables();
    tables.interfaces[1].source_dest_check = false;
    let through_peer = route(&["10.0.2.0/24"], Rank::Static, Target::Interface(InterfaceIndex(1)));
    let local = route(&["10.0.0.0/16"], Rank::Local, Target::Local);
    tables.route_tables[0] = RouteTable::new(ObjectIndex(0), vec![local.clone(), through_peer]);
    // The appliance stands in a subnet of its own, whose table leads on.
    tables.subnets.push(Subnet { route_table: RouteTableIndex(1), ..tables.subnets[0].clone() });
    tables.interfaces[1].subnet = SubnetIndex(3);
    let mut lab = Lab::with(tables);
    let (text, router) = ("app: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", mac(0, "10.0.1.1"));
    lab.passes(text, "peer: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN");
    let onward = lab.send_between("peer: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", mac(0, "10.0.1.11"), router);
    assert!(
        matches!(&onward, Effect::Sent(text, ..) if text == "db: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN"),
        "{onward:?}"
    );
    // … and again, now that both flows stand.
    lab.passes(text, "peer: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN");
    let onward = lab.send_between("peer: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", mac(0, "10.0.1.11"), router);
    assert!(matches!(onward, Effect::Sent(..)), "{onward:?}");
    assert_eq!(lab.dataplane.flows().len(), 2);
}

/// Ports that were just in use the other way round: the new SYN opens a flow of its own, at once.
#[test]
fn the_other_side_may_open_the_ports_of_an_ended_flow() {
    let mut lab = Lab::new();
    lab.passes("app: 10.0.1.10:5 > 10.0.1.11:6 tcp SYN", "peer: 10.0.1.10:5 > 10.0.1.11:6 tcp SYN");
    lab.passes("peer: 10.0.1.11:6 > 10.0.1.10:5 tcp RST", "app: 10.0.1.11:6 > 10.0.1.10:5 tcp RST");
    lab.passes("peer: 10.0.1.11:6 > 10.0.1.10:5 tcp SYN", "app: 10.0.1.11:6 > 10.0.1.10:5 tcp SYN");
    assert_eq!(lab.dataplane.flows().len(), 1);
}

/// AWS picks one at random and keeps it; here it is the earlier one (B1.3).
#[test]
fn of_two_lists_with_one_block_the_same_wins_always() {
    let lists = [Target::GatewayEndpoint(GATEWAY_ENDPOINT), Target::Interface(InterfaceIndex(1))];
    for [first, second] in [lists, [lists[1], lists[0]]] {
        let one = || route(&["52.216.0.0/15", "4.0.0.0/8"], Rank::PrefixList, first);
        let other = || route(&["5.0.0.0/8", "52.216.0.0/15"], Rank::PrefixList, second);
        for _ in 0..2 {
            let table = RouteTable::new(ObjectIndex(0), vec![one(), other()]);
            let target = |address: [u8; 4]| table.route(address.into()).map(|route| route.target);
            assert_eq!(target([52, 216, 0, 5]), Some(first));
            assert_eq!((target([4, 1, 1, 1]), target([5, 1, 1, 1])), (Some(first), Some(second)));
        }
    }
}

#[test]
fn a_shorter_static_route_does_not_override_local() {
    let mut tables = tables();
    let shorter = route(&["10.0.0.0/8"], Rank::Static, Target::Blackhole);
    tables.route_tables[0] =
        RouteTable::new(ObjectIndex(0), vec![shorter, route(&["10.0.0.0/16"], Rank::Local, Target::Local)]);
    let mut lab = Lab::with(tables);
    lab.passes("app: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN", "db: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN");
    lab.drops("app: 10.0.1.10:5 > 10.9.9.9:80 tcp SYN", DropReason::BlackholeRoute);
}

/// No object inside a VPC counts as a hop (B1.4): traceroute shows one.
#[test]
fn ttl_stays_inside_a_vpc() {
    let mut lab = Lab::new();
    for (ttl, text) in
        [(1u8, "app: 10.0.1.10:5 > 10.0.2.10:80 tcp SYN"), (64, "app: 10.0.1.10:6 > 10.0.2.10:80 tcp SYN")]
    {
        let notation: crate::packet::Notation = text.parse().expect("a packet");
        let mut frame = notation.frame(mac(0, "10.0.1.10"), mac(0, "10.0.1.1"));
        frame[22] = ttl;
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..34]).expect("a header").to_header();
        frame[24..26].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
        assert!(matches!(lab.send_frame(APP, &mut frame), Effect::Sent(text, ..) if text.starts_with("db: ")));
        assert_eq!(frame[22], ttl);
    }
}
