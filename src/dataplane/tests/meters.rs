//! Counters of interface endpoints (B8.3): what flows say, added up, and what never became one.

use super::lab::*;
use crate::dataplane::tables::{EndpointBackend, Role};
use crate::dataplane::{DropReason, EndpointCounts, InterfaceIndex, Outbox, Verdict};
use crate::packet::Notation;

/// The interface of the endpoint that leads to the provider's balancer, and of the one that leads to S3.
const PROVIDER: InterfaceIndex = InterfaceIndex(3);
const S3: InterfaceIndex = InterfaceIndex(4);

/// Active, new, dropped and resets of an endpoint's interface, and its bytes.
fn counts(lab: &Lab, interface: InterfaceIndex) -> ([u64; 4], u64) {
    let counts = lab.dataplane.endpoint_counts().into_iter().find(|it| it.interface == interface);
    counts.map_or(([0; 4], 0), |it: EndpointCounts| {
        ([it.active_connections, it.new_connections, it.packets_dropped, it.resets], it.bytes_processed)
    })
}

/// Bytes of all flows that stand.
fn flow_bytes(lab: &Lab) -> u64 {
    lab.dataplane.flows().iter().flat_map(|flow| flow.bytes).sum()
}

#[test]
fn a_connection_is_counted_while_it_stands_and_when_it_is_gone() {
    let mut lab = Lab::new();
    assert_eq!(lab.dataplane.endpoint_counts(), []);
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN");
    lab.send("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK");
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK 1000");
    let (numbers, bytes) = counts(&lab, PROVIDER);
    assert_eq!((numbers, bytes), ([1, 1, 0, 0], flow_bytes(&lab)));
    assert!(bytes > 1000, "{bytes}");
    // The target's reset ends it; the client's own is none that the endpoint received from behind.
    lab.send("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp RST");
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp RST");
    let last = flow_bytes(&lab);
    assert_eq!(counts(&lab, PROVIDER), ([0, 1, 0, 1], last));
    lab.after(6);
    assert!(lab.dataplane.flows().is_empty());
    assert_eq!(counts(&lab, PROVIDER), ([0, 1, 0, 1], last), "what is gone still counts");
    // The same ports anew.
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN");
    assert_eq!(counts(&lab, PROVIDER), ([1, 2, 0, 1], last + flow_bytes(&lab)));
}

#[test]
fn other_ways_are_not_metered() {
    let mut lab = Lab::new();
    lab.send("app: 10.0.1.10:5 > 10.0.1.11:6 tcp SYN");
    lab.send("app: 10.0.1.10:5 > 52.216.0.5:443 tcp SYN");
    lab.send("web2: 10.0.1.21:700 > 10.0.1.100:53 tcp SYN");
    lab.drops("app: 10.0.1.10:5 > 192.0.2.1:443 tcp SYN", DropReason::NoRoute);
    assert_eq!((lab.dataplane.flows().len(), lab.dataplane.endpoint_counts()), (3, vec![]));
}

#[test]
fn what_comes_to_the_endpoint_and_goes_no_further_is_dropped_there() {
    let mut lab = Lab::new();
    // Behind it, and by it.
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:443 tcp SYN", DropReason::ListenerPort);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:22 tcp SYN", DropReason::EndpointPort);
    assert_eq!((counts(&lab, PROVIDER).0, counts(&lab, S3).0), ([0, 0, 1, 0], [0, 0, 1, 0]));
    // A reset of the balancer's own is received by the endpoint, too; a reset that is answered by none is dropped.
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK seq 5 ack 9");
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp RST seq 5", DropReason::UnknownFlow);
    assert_eq!(counts(&lab, PROVIDER), ([0, 0, 2, 1], 0));
    // What breaks with its flow: the endpoint carries 8500 bytes.
    lab.send("app: 10.0.1.10:40001 > 10.0.2.60:443 tcp SYN");
    lab.drops("app: 10.0.1.10:40001 > 10.0.2.60:443 tcp ACK 8600", DropReason::PathMtu);
    assert_eq!(counts(&lab, S3), ([1, 1, 2, 0], flow_bytes(&lab)));
}

/// A flow that is decided again by new tables goes on: one connection, and no byte twice.
#[test]
fn new_tables_count_nothing_twice() {
    let mut lab = Lab::new();
    lab.send("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp SYN");
    for generation in 2..5 {
        let mut tables = tables();
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = generation);
        lab.dataplane.swap(std::sync::Arc::new(tables));
        lab.send("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp ACK 100");
        assert_eq!(counts(&lab, S3), ([1, 1, 0, 0], flow_bytes(&lab)));
    }
    // The endpoint goes out of service under it.
    let mut tables = tables();
    tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = 9);
    let Role::Endpoint { backend, .. } = &mut tables.interfaces[S3.at()].role else { panic!("an endpoint") };
    *backend = EndpointBackend::Unavailable;
    let before = flow_bytes(&lab);
    lab.dataplane.swap(std::sync::Arc::new(tables));
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp ACK 100", DropReason::EndpointUnavailable);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp ACK 100", DropReason::EndpointUnavailable);
    assert_eq!(counts(&lab, S3), ([0, 1, 2, 0], before));
}

/// The law: whatever happens, an endpoint's bytes are its flows', and its connections that stand are no more than were opened.
#[test]
fn sums_are_what_flows_say() {
    let mut lab = Lab::new();
    let mut gone = 0;
    for round in 0..200_u16 {
        let port = 40000 + round % 17;
        lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.60:443 tcp SYN seq {round}"));
        lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.60:443 tcp ACK {round}"));
        if round % 5 == 0 {
            lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.60:443 tcp RST"));
            let closing = flow_bytes(&lab);
            lab.after(6);
            gone += closing - flow_bytes(&lab);
        }
        let (numbers, bytes) = counts(&lab, S3);
        let standing = lab.dataplane.flows().len() as u64;
        assert_eq!((numbers[0], bytes), (standing, gone + flow_bytes(&lab)), "round {round}");
        assert!(numbers[1] >= standing && numbers[2..] == [0, 0], "{numbers:?}");
    }
    assert!(gone > 0);
    // `decide` alone, as trace asks, meters nothing.
    let before = lab.dataplane.endpoint_counts();
    let header =
        crate::dataplane::Header::first("tcp", [10, 0, 1, 10].into(), [10, 0, 2, 60].into(), Some(443)).unwrap();
    let path = lab.dataplane.trace(APP, &crate::dataplane::TraceQuery { header });
    assert!(path.dropped.is_none());
    assert_eq!(lab.dataplane.endpoint_counts(), before);
}

/// Two workers meet the two directions of one connection just after a swap: both decide it again, and it is still one, whose
/// bytes count once and whose borrowed port is its own.
#[test]
fn two_workers_renew_one_connection() {
    let mut lab = Lab::new();
    lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN");
    lab.send("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK");
    let frames =
        ["app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK 100", "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 200"];
    let frames = frames.map(|text| {
        let notation: Notation = text.parse().expect("a packet");
        let (source_mac, destination_mac) = lab.macs(link(&notation.link), notation.destination);
        (link(&notation.link), notation.frame(source_mac, destination_mac))
    });
    let (dataplane, now) = (&lab.dataplane, lab.now);
    for generation in 2..2_000 {
        let mut tables = tables();
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = generation);
        dataplane.swap(std::sync::Arc::new(tables));
        let barrier = std::sync::Barrier::new(frames.len());
        std::thread::scope(|scope| {
            for (ingress, frame) in &frames {
                let (barrier, mut frame) = (&barrier, frame.clone());
                scope.spawn(move || {
                    barrier.wait();
                    let verdict = dataplane.handle(*ingress, None, &mut frame, now, &mut Outbox::default());
                    assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
                });
            }
        });
        assert_eq!(counts(&lab, PROVIDER), ([1, 1, 0, 0], flow_bytes(&lab)), "generation {generation}");
    }
    // Nobody else gets its port while it stands.
    lab.passes("app: 10.0.1.10:40001 > 10.0.2.50:53 tcp SYN", "web: 10.0.1.100:1025 > 10.0.1.20:8080 tcp SYN");
}
