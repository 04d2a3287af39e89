//! TLS listeners (B9): a client's connection ends at its node, which hears who the client is, and speaks to targets itself.

use super::lab::*;
use crate::dataplane::DropReason;
use crate::dataplane::tables::*;

fn lab() -> Lab {
    let mut tables = tables();
    tables.balancers[0].listeners[0].tls = true;
    Lab::with(tables)
}

#[test]
fn a_clients_connection_ends_at_the_node_which_hears_who_it_is() {
    let mut lab = lab();
    lab.passes(
        "app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN seq 1000",
        "checks: 240.128.0.1:1024 > 240.0.0.16:80 tcp SYN seq 900",
    );
    lab.passes(
        "checks: 240.0.0.16:80 > 240.128.0.1:1024 tcp SYN|ACK seq 500 ack 901",
        "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp SYN|ACK seq 500 ack 1001",
    );
    let header = "checks: 240.128.0.1:1024 > 240.0.0.16:80 tcp PSH|ACK 100 seq 901 ack 501";
    assert_eq!(
        lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK seq 1001 ack 501"),
        Effect::Kept(vec![header.to_owned()])
    );
    lab.passes(
        "checks: 240.0.0.16:80 > 240.128.0.1:1024 tcp ACK seq 501 ack 1001",
        "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp ACK seq 501 ack 1001",
    );
    lab.passes(
        "app: 10.0.1.10:40000 > 10.0.2.50:80 tcp PSH|ACK 20 seq 1001 ack 501",
        "checks: 240.128.0.1:1024 > 240.0.0.16:80 tcp PSH|ACK 20 seq 1001 ack 501",
    );
    // Two clients of one address, from two VPCs, differ by the port that the node lends.
    lab.passes(
        "web2: 10.0.1.21:40000 > 10.0.1.100:80 tcp SYN seq 1000",
        "checks: 240.128.0.1:1025 > 240.0.0.16:80 tcp SYN seq 900",
    );
    // Then the node speaks for itself.
    lab.passes(
        "checks: 240.0.0.16:50000 > 10.0.1.20:8080 tcp SYN seq 7",
        "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN seq 7",
    );
    assert_eq!(
        lab.dataplane.cut(&[InterfaceIndex(7)], [10, 0, 1, 20].into(), 8080),
        1,
        "a failing target takes it along"
    );
}

#[test]
fn a_tls_listener_without_targets_is_like_any_other() {
    let mut tables = tables();
    tables.balancers[0].listeners.iter_mut().for_each(|listener| listener.tls = true);
    let mut lab = Lab::with(tables);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:81 tcp SYN", DropReason::NoTargets);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:82 tcp SYN", DropReason::NoTargetsInZone);
    let stray = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5");
    assert!(matches!(&stray, Effect::Answered(text) if text.contains("tcp RST")), "{stray:?}");
}
