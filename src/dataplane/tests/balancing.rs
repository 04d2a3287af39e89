//! PrivateLink: interface endpoint, load balancer, target, with one CIDR on both sides.

use std::collections::HashSet;

use super::lab::*;
use crate::dataplane::nat::PortPools;
use crate::dataplane::{DropReason, FlowRecord};
use crate::packet::Notation;

/// Sends a SYN from app to the endpoint and returns what arrived at a target.
#[track_caller]
fn open(lab: &mut Lab, port: u16) -> Notation {
    match lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp SYN seq {port}")) {
        Effect::Sent(text, ..) => text.parse().expect("a packet"),
        other => panic!("port {port}: {other:?}"),
    }
}

fn ports(notation: &Notation) -> (u16, u16) {
    match notation.content {
        crate::packet::notation::Content::Tcp { source_port, destination_port, .. } => (source_port, destination_port),
        ref other => panic!("not TCP: {other:?}"),
    }
}

#[test]
fn the_target_sees_the_node_and_the_client_sees_the_endpoint() {
    let mut lab = Lab::new();
    let arrived = open(&mut lab, 40000);
    assert_eq!(arrived.source.to_string(), "10.0.1.100", "the node, never the client (B4)");
    let (source_port, destination_port) = ports(&arrived);
    assert_eq!((source_port, destination_port), (PortPools::FIRST, 8080));
    let (target, node) = (arrived.link, arrived.destination);
    // The target is app's twin in the other VPC: the same address, another world.
    lab.passes(
        &format!("{target}: {node}:8080 > 10.0.1.100:{source_port} tcp SYN|ACK ack 40001"),
        "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp SYN|ACK ack 40001",
    );
    lab.passes(
        "app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5",
        &format!("{target}: 10.0.1.100:{source_port} > {node}:8080 tcp ACK 5"),
    );
    let flows: Vec<FlowRecord> = lab.dataplane.flows();
    assert_eq!((flows.len(), flows[0].frames), (1, [2, 1]));
}

#[test]
fn flows_spread_over_targets_and_stay_there() {
    let mut lab = Lab::new();
    let mut targets = HashSet::new();
    for port in 40000..40032 {
        let first = open(&mut lab, port);
        targets.insert(first.link.clone());
        for _ in 0..3 {
            let again = lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp ACK"));
            let Effect::Sent(text, ..) = again else { panic!("{again:?}") };
            assert!(text.starts_with(&format!("{}: 10.0.1.100:{} ", first.link, ports(&first).0)), "{text}");
        }
    }
    assert_eq!(targets.len(), 2, "32 flows meet both targets");
}

#[test]
fn closed_ports_are_silent_and_strays_are_reset() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:443 tcp SYN", DropReason::ListenerPort);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:80 udp 4", DropReason::ListenerPort);
    let mut tcp_only = tables();
    tcp_only.balancers[0].listeners.iter_mut().for_each(|listener| listener.udp = false);
    let mut tcp_only = Lab::with(tcp_only);
    tcp_only.drops("app: 10.0.1.10:40000 > 10.0.2.50:80 udp 4", DropReason::ListenersMismatch);
    tcp_only.drops("app: 10.0.1.10:40000 > 10.0.2.50:443 tcp SYN", DropReason::ListenerPort);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:81 tcp SYN", DropReason::NoTargets);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:82 tcp SYN", DropReason::NoTargetsInZone);
    let answer = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK seq 5 ack 9");
    assert_eq!(answer, Effect::Answered("app: 10.0.2.50:80 > 10.0.1.10:40000 tcp RST seq 9".to_owned()));
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp RST seq 5", DropReason::UnknownFlow);
}

#[test]
fn udp_is_balanced_too() {
    let mut lab = Lab::new();
    lab.passes("app: 10.0.1.10:5000 > 10.0.2.50:53 udp 30", "web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 30");
    lab.passes("web: 10.0.1.20:8080 > 10.0.1.100:1024 udp 60", "app: 10.0.2.50:53 > 10.0.1.10:5000 udp 60");
    lab.after(119);
    assert_eq!(lab.dataplane.flows().len(), 1);
    lab.after(1);
    assert!(lab.dataplane.flows().is_empty(), "UDP through an endpoint and a balancer: 120 s (B3.2, B9)");
}

#[test]
fn inside_its_vpc_the_client_address_is_preserved() {
    let mut lab = Lab::new();
    lab.passes("web2: 10.0.1.21:700 > 10.0.1.100:53 tcp SYN", "web: 10.0.1.21:700 > 10.0.1.20:8080 tcp SYN");
    lab.passes("web: 10.0.1.20:8080 > 10.0.1.21:700 tcp SYN|ACK", "web2: 10.0.1.100:53 > 10.0.1.21:700 tcp SYN|ACK");
}

/// A target that is its own client, with its address preserved (B9).
#[test]
fn a_hairpin_is_dropped_by_name() {
    let mut lab = Lab::new();
    lab.drops("web: 10.0.1.20:700 > 10.0.1.100:53 tcp SYN", DropReason::Hairpin);
}

#[test]
fn a_port_comes_back_when_its_flow_ends() {
    let mut lab = Lab::new();
    let first = open(&mut lab, 40000);
    let (port, _) = ports(&first);
    let target = &first.link;
    lab.passes(
        &format!("{target}: {}:8080 > 10.0.1.100:{port} tcp RST", first.destination),
        "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp RST",
    );
    lab.after(5);
    assert!(lab.dataplane.flows().is_empty(), "closed flows go soon");
    let late = lab.send(&format!("{target}: {}:8080 > 10.0.1.100:{port} tcp ACK 5", first.destination));
    let reset = format!("{target}: 10.0.1.100:{port} > {}:8080 tcp RST", first.destination);
    assert_eq!(late, Effect::Answered(reset), "a target that speaks on is reset as a client is (B9)");
    lab.drops(&format!("{target}: {}:9999 > 10.0.1.100:{port} tcp ACK 5", first.destination), DropReason::ListenerPort);
    // 350 s of silence end an established one (B9).
    let second = open(&mut lab, 40001);
    let (port, _) = ports(&second);
    lab.passes(
        &format!("{}: {}:8080 > 10.0.1.100:{port} tcp SYN|ACK", second.link, second.destination),
        "app: 10.0.2.50:80 > 10.0.1.10:40001 tcp SYN|ACK",
    );
    lab.after(349);
    assert_eq!(lab.dataplane.flows().len(), 1);
    lab.after(1);
    assert!(lab.dataplane.flows().is_empty());
}

#[test]
fn a_syn_on_the_ports_of_an_ended_flow_is_a_new_flow() {
    let mut lab = Lab::new();
    let first = open(&mut lab, 40000);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp RST");
    let second = open(&mut lab, 40000);
    assert_ne!(ports(&first).0, ports(&second).0, "a port of its own: the old one may linger at the target");
    assert_eq!(lab.dataplane.flows().len(), 1);
}

#[test]
fn fragments_and_pings_stop_at_the_balancer() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.10 > 10.0.2.50 fragment tcp 1480", DropReason::FragmentFirstMissing);
    lab.drops("web: 10.0.1.20 > 10.0.1.100 icmp echo-request id 1", DropReason::ProtocolRestriction);
    lab.drops("app: 10.0.1.10 > 10.0.2.50 icmp echo-request id 1", DropReason::EndpointPing);
}

#[test]
fn nobody_in_the_provider_reaches_back() {
    let mut lab = Lab::new();
    open(&mut lab, 40000);
    // 10.0.1.10 of the consumer is nobody in the provider.
    lab.drops("web: 10.0.1.20:8080 > 10.0.1.10:40000 tcp SYN", DropReason::NoSuchAddress);
}

#[test]
fn an_icmp_error_finds_its_flow_through_the_translation() {
    use crate::packet::build::{Ends, icmp};
    let mut lab = Lab::new();
    lab.passes("app: 10.0.1.10:5000 > 10.0.2.50:53 udp 30", "web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 30");
    let quoted: Notation = "web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 30".parse().expect("a packet");
    let quoted = quoted.frame([0; 6], [0; 6]);
    let ends = Ends {
        source_mac: mac(1, "10.0.1.20"),
        destination_mac: mac(1, "10.0.1.100"),
        source: [10, 0, 1, 20].into(),
        destination: [10, 0, 1, 100].into(),
    };
    let mut frame = icmp(&ends, 3, 3, [0; 4], &quoted[14..14 + 28]);
    let sent = lab.send_frame(WEB, &mut frame);
    assert!(matches!(&sent, Effect::Sent(text, ..) if text == "app: 10.0.2.50 > 10.0.1.10 icmp 3/3"), "{sent:?}");
    let inner = crate::packet::quoted(&frame, &ipv4(&frame)).expect("a quote");
    assert_eq!((inner.source.to_string().as_str(), inner.source_port), ("10.0.1.10", 5000));
    assert_eq!((inner.destination.to_string().as_str(), inner.destination_port), ("10.0.2.50", 53));
}

#[test]
fn ports_of_a_node_run_out_by_name() {
    let mut tables = tables();
    tables.balancers[0].listeners[0].targets.truncate(1);
    let mut lab = Lab::with(tables);
    for number in 0..PortPools::CAPACITY {
        let (host, port) = (number / 50_000, 1000 + number % 50_000);
        let link = ["app: 10.0.1.10", "peer: 10.0.1.11"][host as usize];
        let sent = lab.send(&format!("{link}:{port} > 10.0.2.50:80 tcp SYN"));
        assert!(matches!(sent, Effect::Sent(..)), "{number}: {sent:?}");
    }
    lab.drops("peer: 10.0.1.11:60000 > 10.0.2.50:80 tcp SYN", DropReason::PortAllocation);
    lab.passes("peer: 10.0.1.11:60000 > 10.0.1.10:80 tcp SYN", "app: 10.0.1.11:60000 > 10.0.1.10:80 tcp SYN");
}

/// A RST out of the receiver's window ends nothing (RFC 5961): while data goes on, the flow stays.
#[test]
fn a_reset_that_nobody_believed_does_not_end_a_flow() {
    let mut lab = Lab::new();
    let first = open(&mut lab, 40000);
    let (port, _) = ports(&first);
    let back = format!("{}: {}:8080 > 10.0.1.100:{port}", first.link, first.destination);
    lab.send(&format!("{back} tcp SYN|ACK"));
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp RST");
    lab.send(&format!("{back} tcp ACK 100"));
    lab.after(60);
    assert_eq!(lab.dataplane.flows().len(), 1);
}

/// B3.2, B9: longer than a group's memory of one exchange.
#[test]
fn udp_through_an_endpoint_is_forgotten_after_120_s() {
    let mut lab = Lab::new();
    let answer = "web: 10.0.1.20:8080 > 10.0.1.100:1024 udp 60";
    lab.passes("app: 10.0.1.10:5000 > 10.0.2.50:53 udp 30", "web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 30");
    lab.passes(answer, "app: 10.0.2.50:53 > 10.0.1.10:5000 udp 60");
    lab.after(119);
    lab.passes(answer, "app: 10.0.2.50:53 > 10.0.1.10:5000 udp 60");
    lab.after(120);
    assert!(lab.dataplane.flows().is_empty());
    // Nobody knows its way back any more: the node's port is the balancer's, which listens elsewhere.
    lab.drops(answer, DropReason::ListenerPort);
}

/// B9: 60 to 6,000 s by the listener's own word; through an endpoint no more than the endpoint's 350 s (B3.2).
#[test]
fn a_listener_has_an_idle_timeout_of_its_own() {
    let idle = |seconds: u64, through_endpoint: bool| {
        let mut tables = tables();
        tables.balancers[0].listeners[0].idle = std::time::Duration::from_secs(seconds);
        let mut lab = Lab::with(tables);
        let syn = match through_endpoint {
            true => "app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN",
            false => "web2: 10.0.1.21:40000 > 10.0.1.100:80 tcp SYN seq 3",
        };
        let Effect::Sent(arrived, ..) = lab.send(syn) else { panic!("{syn}") };
        let arrived: Notation = arrived.parse().expect("a packet");
        let (port, _) = ports(&arrived);
        let Notation { link, source, destination, .. } = arrived;
        lab.send(&format!("{link}: {destination}:8080 > {source}:{port} tcp SYN|ACK"));
        let lasts = |lab: &mut Lab, seconds| {
            lab.after(seconds);
            !lab.dataplane.flows().is_empty()
        };
        (1..10_000u64).find(|_| !lasts(&mut lab, 10)).map(|tens| tens * 10)
    };
    assert_eq!([idle(60, false), idle(600, false)], [Some(60), Some(600)]);
    assert_eq!([idle(60, true), idle(600, true)], [Some(60), Some(350)]);
}
