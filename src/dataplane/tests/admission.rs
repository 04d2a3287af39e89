//! Who may send what: ARP, spoofed addresses, forged headers (B1.4).

use super::lab::*;
use crate::dataplane::tables::*;
use crate::dataplane::{DropReason, Outbox, Verdict};
use crate::packet::build::arp_request;
use crate::packet::{Notation, Parsed, parse};

fn ask(
    lab: &Lab,
    sender_mac: crate::packet::Mac,
    sender: &str,
    target: &str,
) -> Result<crate::packet::Mac, DropReason> {
    let mut frame = arp_request(sender_mac, sender.parse().unwrap(), target.parse().unwrap());
    let mut outbox = Outbox::default();
    match lab.dataplane.handle(APP, None, &mut frame, lab.now, &mut outbox) {
        Verdict::Answer => match parse(&outbox.frames[0].1) {
            Ok(Parsed::Arp(reply)) => {
                assert_eq!((reply.sender_ip.to_string().as_str(), reply.target_mac), (target, sender_mac));
                Ok(reply.sender_mac)
            }
            other => panic!("{other:?}"),
        },
        Verdict::Drop(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn arp_is_answered_for_what_exists_and_nothing_else() {
    let lab = Lab::new();
    let app = mac(0, "10.0.1.10");
    assert_eq!(ask(&lab, app, "10.0.1.10", "10.0.1.1"), Ok(mac(0, "10.0.1.1")), "the router");
    assert_eq!(ask(&lab, app, "10.0.1.10", "10.0.1.11"), Ok(mac(0, "10.0.1.11")), "a neighbour");
    assert_eq!(ask(&lab, app, "10.0.1.10", "169.254.169.253"), Ok(mac(0, "10.0.1.1")), "link-local services");
    for nobody in ["10.0.1.2", "10.0.1.77", "10.0.2.10", "10.0.1.255", "10.0.1.10", "8.8.8.8"] {
        assert_eq!(ask(&lab, app, "10.0.1.10", nobody), Err(DropReason::ArpNoAnswer), "{nobody}");
    }
    assert_eq!(ask(&lab, mac(0, "10.0.1.11"), "10.0.1.10", "10.0.1.1"), Err(DropReason::SpoofedMac));
    assert_eq!(ask(&lab, app, "10.0.1.11", "10.0.1.1"), Err(DropReason::SourceDestCheck));
}

#[test]
fn spoofed_sources_do_not_leave_their_interface() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.99:1 > 10.0.1.11:2 udp 3", DropReason::SourceDestCheck);
    let (router, peer) = (mac(0, "10.0.1.1"), mac(0, "10.0.1.11"));
    let sent = lab.send_between("app: 10.0.1.10:1 > 10.0.1.11:2 udp 3", peer, router);
    assert_eq!(sent, Effect::Dropped(DropReason::SpoofedMac));
    // … not even by riding on a flow that another guest opened, nor can a stranger's RST end it.
    lab.passes("peer: 10.0.1.11:1 > 10.0.2.10:2 udp 3", "db: 10.0.1.11:1 > 10.0.2.10:2 udp 3");
    lab.drops("app: 10.0.1.11:1 > 10.0.2.10:2 udp 3", DropReason::SourceDestCheck);
    let riding = lab.send_between("app: 10.0.1.11:1 > 10.0.2.10:2 udp 3", peer, router);
    assert_eq!(riding, Effect::Dropped(DropReason::SpoofedMac));
    lab.passes("peer: 10.0.1.11:7 > 10.0.2.10:7 tcp SYN", "db: 10.0.1.11:7 > 10.0.2.10:7 tcp SYN");
    lab.send_between("app: 10.0.1.11:7 > 10.0.2.10:7 tcp RST", peer, router);
    lab.after(20);
    let standing = lab.dataplane.flows();
    assert_eq!(standing.len(), 2);
    assert!(standing.iter().all(|flow| flow.phase == crate::dataplane::flow::Phase::Opening));
}

#[test]
fn without_the_check_foreign_sources_and_destinations_pass() {
    let mut tables = tables();
    tables.interfaces[0].source_dest_check = false;
    tables.interfaces[1].source_dest_check = false;
    let mut lab = Lab::with(tables);
    lab.passes("app: 192.168.7.7:1 > 10.0.1.11:2 udp 3", "peer: 192.168.7.7:1 > 10.0.1.11:2 udp 3");
    let (app, peer) = (mac(0, "10.0.1.10"), mac(0, "10.0.1.11"));
    let sent = lab.send_between("app: 10.0.1.10:1 > 8.8.8.8:2 udp 3", app, peer);
    assert!(
        matches!(sent, Effect::Sent(text, ..) if text.starts_with("peer: ")),
        "a frame to a neighbour's MAC needs no route"
    );
}

#[test]
fn frames_to_nobody_and_to_all_are_dropped() {
    let mut lab = Lab::new();
    let app = mac(0, "10.0.1.10");
    let text = "app: 10.0.1.10:1 > 10.0.1.11:2 udp 3";
    assert_eq!(lab.send_between(text, app, [2, 9, 9, 9, 9, 9]), Effect::Dropped(DropReason::UnknownMac));
    assert_eq!(lab.send_between(text, app, [0xff; 6]), Effect::Dropped(DropReason::Multicast));
    lab.drops("app: 10.0.1.10:1 > 224.0.0.251:5353 udp 3", DropReason::Multicast);
    let mut ipv6 = vec![0u8; 60];
    ipv6[6..12].copy_from_slice(&app);
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    assert_eq!(lab.send_frame(APP, &mut ipv6), Effect::Dropped(DropReason::UnsupportedEtherType));
}

#[test]
fn forged_offload_headers_and_giants_are_named() {
    let lab = Lab::new();
    let frame = |text: &str| {
        let notation: Notation = text.parse().expect("a packet");
        notation.frame(mac(0, "10.0.1.10"), mac(0, "10.0.1.11"))
    };
    let verdict = |vnet: [u8; 10], frame: &mut [u8]| {
        lab.dataplane.handle(APP, Some(&vnet), frame, lab.now, &mut Outbox::default())
    };
    let mut tcp = frame("app: 10.0.1.10:1 > 10.0.1.11:2 tcp ACK 4000");
    // TCP segmentation into single bytes, and a checksum inside the IP header.
    assert_eq!(verdict([1, 1, 0, 0, 1, 0, 34, 0, 16, 0], &mut tcp), Verdict::Drop(DropReason::ForgedOffload));
    assert_eq!(verdict([1, 0, 0, 0, 0, 0, 20, 0, 2, 0], &mut tcp), Verdict::Drop(DropReason::ForgedOffload));
    let mut giant = frame("app: 10.0.1.10:1 > 10.0.1.11:2 udp 9000");
    assert_eq!(verdict([0; 10], &mut giant), Verdict::Drop(DropReason::PacketTooBig));
    // The same bytes as a true super-segment pass.
    let passed = verdict([1, 1, 0, 0, 0xa0, 0x05, 34, 0, 16, 0], &mut tcp);
    assert!(
        matches!(passed, Verdict::Forward { link: PEER, vnet } if vnet[..6] == [1, 1, 54, 0, 0xa0, 0x05]),
        "{passed:?}"
    );
    assert_eq!(lab.dataplane.counters().iter().map(|(_, count)| count).sum::<u64>(), 3);
    assert!(lab.dataplane.drops(0).iter().filter_map(|drop| drop.detail).count() >= 2, "the log says what was forged");
}

/// An ICMP error rides on the flow that it quotes, but not past the checks, and not to somebody else.
#[test]
fn icmp_errors_are_admitted_like_everything_else() {
    use crate::packet::build::{Ends, icmp};
    let mut lab = Lab::new();
    lab.passes("app: 10.0.1.10:7 > 10.0.1.11:9 udp 30", "peer: 10.0.1.10:7 > 10.0.1.11:9 udp 30");
    let quoted: Notation = "it: 10.0.1.10:7 > 10.0.1.11:9 udp 30".parse().expect("a packet");
    let quoted = quoted.frame([0; 6], [0; 6]);
    let mut error = |source_mac, source: [u8; 4], destination: [u8; 4]| {
        let ends = Ends {
            source_mac,
            destination_mac: mac(0, "10.0.1.10"),
            source: source.into(),
            destination: destination.into(),
        };
        lab.send_frame(PEER, &mut icmp(&ends, 3, 3, [0; 4], &quoted[14..14 + 28]))
    };
    let (peer, app) = ([10, 0, 1, 11], [10, 0, 1, 10]);
    assert!(matches!(error(mac(0, "10.0.1.11"), peer, app), Effect::Sent(text, ..) if text.starts_with("app: ")));
    assert_eq!(error(mac(0, "10.0.1.11"), [10, 0, 2, 10], app), Effect::Dropped(DropReason::SourceDestCheck));
    assert_eq!(error(mac(0, "10.0.2.10"), peer, app), Effect::Dropped(DropReason::SpoofedMac));
}

/// The router is there for ARP and for what passes it; it answers no ping (B1.4).
#[test]
fn the_router_answers_no_ping() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.10 > 10.0.1.1 icmp echo-request id 1", DropReason::ReservedAddress);
    lab.drops("app: 10.0.1.10 > 10.0.2.1 icmp echo-request id 1", DropReason::ReservedAddress);
    lab.drops("db: 10.0.2.10 > 10.0.1.1 icmp echo-request id 1", DropReason::ReservedAddress);
    assert_eq!(ask(&lab, mac(0, "10.0.1.10"), "10.0.1.10", "10.0.1.1"), Ok(mac(0, "10.0.1.1")));
}

#[test]
fn an_interface_takes_only_its_own_destinations() {
    let foreign = "app: 10.0.1.10:1 > 8.8.8.8:2 udp 3";
    let mut lab = Lab::new();
    let (app, peer) = (mac(0, "10.0.1.10"), mac(0, "10.0.1.11"));
    assert_eq!(lab.send_between(foreign, app, peer), Effect::Dropped(DropReason::SourceDestCheck));
    let mut open = tables();
    open.interfaces[1].source_dest_check = false;
    let mut lab = Lab::with(open);
    assert!(matches!(lab.send_between(foreign, app, peer), Effect::Sent(text, ..) if text.starts_with("peer: ")));
}

/// No check can be switched off at interfaces of endpoints and balancers.
#[test]
fn aws_interfaces_take_only_their_own_address() {
    let mut lab = Lab::new();
    let foreign = |text: &str| text.replace("ADDRESS", "8.8.8.8");
    let db = "db: 10.0.2.10:1 > ADDRESS:443 tcp SYN";
    let sent = lab.send_between(&foreign(db), mac(0, "10.0.2.10"), mac(0, "10.0.2.60"));
    assert_eq!(sent, Effect::Dropped(DropReason::InterfaceAddress), "an endpoint's");
    lab.send(&db.replace("ADDRESS", "10.0.2.60"));
    let web = "web: 10.0.1.20:1 > ADDRESS:80 tcp SYN";
    let sent = lab.send_between(&foreign(web), mac(1, "10.0.1.20"), mac(1, "10.0.1.100"));
    assert_eq!(sent, Effect::Dropped(DropReason::InterfaceAddress), "a balancer's");
    assert!(matches!(lab.send(&db.replace("ADDRESS", "10.0.2.60")), Effect::Sent(..)));
    assert!(matches!(lab.send("web2: 10.0.1.21:1 > 10.0.1.100:53 tcp SYN"), Effect::Sent(..)));
    // A NAT gateway takes other destinations from its route, never from a neighbour who knows its MAC address.
    let mut nat = tables();
    let nat_gateway = Role::NatGateway(NatGatewayIndex(0));
    nat.interfaces[8].role = nat_gateway;
    nat.nat_gateways.push(NatGateway { object: ObjectIndex(0), interface: InterfaceIndex(8), available: true });
    let to_nat = route(&["0.0.0.0/0"], Rank::Static, Target::NatGateway(NatGatewayIndex(0)));
    let local = route(&["10.0.0.0/16"], Rank::Local, Target::Local);
    nat.route_tables[0] = RouteTable::new(ObjectIndex(0), vec![local, to_nat]);
    let mut lab = Lab::with(nat);
    let app = "app: 10.0.1.10:1 > 8.8.8.8:443 tcp SYN";
    let neighbour = lab.send_between(app, mac(0, "10.0.1.10"), mac(0, "10.0.1.99"));
    assert_eq!(neighbour, Effect::Dropped(DropReason::InterfaceAddress));
    assert_ne!(lab.send(app), Effect::Dropped(DropReason::InterfaceAddress), "by the route it is taken");
}

/// 9,001 bytes from the IP header on (B1.5), as one packet and as segments of a larger one.
#[test]
fn inside_a_vpc_9001_bytes_pass() {
    let lab = Lab::new();
    let send = |text: &str, vnet: [u8; 10]| {
        let notation: Notation = text.parse().expect("a packet");
        let router = if text.contains("> 10.0.2") { mac(0, "10.0.1.1") } else { mac(0, "10.0.1.11") };
        let mut frame = notation.frame(mac(0, "10.0.1.10"), router);
        lab.dataplane.handle(APP, Some(&vnet), &mut frame, lab.now, &mut Outbox::default())
    };
    for to in ["10.0.1.11:2", "10.0.2.10:2"] {
        let one = |payload: u32| send(&format!("app: 10.0.1.10:1 > {to} udp {payload}"), [0; 10]);
        assert!(matches!(one(9001 - 28), Verdict::Forward { .. }), "{to}");
        assert_eq!(one(9002 - 28), Verdict::Drop(DropReason::PacketTooBig), "{to}");
        let segments = |size: u16| {
            let [low, high] = size.to_le_bytes();
            send(&format!("app: 10.0.1.10:1 > {to} tcp ACK 30000"), [1, 1, 0, 0, low, high, 34, 0, 16, 0])
        };
        assert!(matches!(segments(9001 - 40), Verdict::Forward { .. }), "{to}");
        assert_eq!(segments(9002 - 40), Verdict::Drop(DropReason::PacketTooBig), "{to}");
    }
}
