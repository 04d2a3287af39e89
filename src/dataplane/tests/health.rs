//! Health checks on the wire, and what a target's health means for flows (B9).

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::lab::*;
use super::rules::*;
use crate::dataplane::tables::*;
use crate::dataplane::{DropReason, Header, TraceQuery};
use crate::packet::{Notation, protocol};

const WEB_TARGET: HealthSlot = HealthSlot(0);
const WEB2_TARGET: HealthSlot = HealthSlot(1);
const CHECK: &str = "checks: 240.0.0.16:40000 > 10.0.1.20:8080 tcp SYN";

fn set(lab: &Lab, web: Health, web2: Health) {
    let tables = lab.dataplane.tables();
    tables.health.set(WEB_TARGET, web);
    tables.health.set(WEB2_TARGET, web2);
}

/// Opens a flow from app through the endpoint; the packet as its target got it.
#[track_caller]
fn open(lab: &mut Lab, port: u16) -> Notation {
    match lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp SYN seq {port}")) {
        Effect::Sent(text, ..) => text.parse().expect("a packet"),
        other => panic!("port {port}: {other:?}"),
    }
}

fn targets(lab: &mut Lab, ports: std::ops::Range<u16>) -> BTreeSet<String> {
    ports.map(|port| open(lab, port).link).collect()
}

fn decision(lab: &Lab, hop: &str) -> String {
    let (source, destination) = ([10, 0, 1, 10].into(), [10, 0, 2, 50].into());
    let header = Header { protocol: protocol::TCP, source, destination, source_port: 0, destination_port: 80 };
    let path = lab.dataplane.trace(APP, &TraceQuery { header });
    path.hops.iter().find(|it| it.kind == hop).expect("the hop").decision.clone()
}

#[test]
fn a_check_comes_from_the_node_and_its_answer_goes_home() {
    let mut lab = Lab::new();
    lab.passes(CHECK, "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN");
    lab.passes(
        "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK ack 1",
        "checks: 10.0.1.20:8080 > 240.0.0.16:40000 tcp SYN|ACK ack 1",
    );
    lab.passes(
        "checks: 240.0.0.16:40000 > 10.0.1.20:8080 tcp ACK 5",
        "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp ACK 5",
    );
    // A client's connection to the same target bears another port.
    set(&lab, Health::Healthy, Health::Unhealthy);
    let arrived = open(&mut lab, 40000);
    assert_eq!(arrived.to_string(), "web: 10.0.1.100:1025 > 10.0.1.20:8080 tcp SYN seq 40000");
    // What is left of a check that nobody knows any more is ended.
    let late = lab.send("checks: 240.0.0.16:40001 > 10.0.1.20:8080 tcp ACK 5");
    assert_eq!(late, Effect::Answered("checks: 10.0.1.20:8080 > 240.0.0.16:40001 tcp RST".to_owned()));
}

#[test]
fn groups_and_acls_judge_a_check_like_any_packet() {
    let mut lab = Lab::filtered(|tables| group(tables, "sg-web", &[WEB_INTERFACE], &["tcp 8080 10.9.0.0/16"], &[]));
    lab.refuses(CHECK, DropReason::SecurityGroupMismatch, "sg-web");
    let drop = lab.dataplane.drops(0).pop().expect("a drop").header.expect("of a packet");
    assert_eq!(drop.to_string(), "10.0.1.100:40000 > 10.0.1.20:8080 tcp", "people see the node");

    let mut lab = Lab::filtered(|tables| group(tables, "sg-node", &[NODE_INTERFACE], &[], &["tcp 443 0.0.0.0/0"]));
    lab.refuses(CHECK, DropReason::SecurityGroupMismatch, "sg-node");

    let mut lab = Lab::filtered(|tables| group(tables, "sg-web", &[WEB_INTERFACE], &["tcp 8080 10.0.1.100/32"], &[]));
    lab.passes(CHECK, "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN");

    // The target moves to the other subnet of its VPC: there an ACL stands between it and the node.
    let moved = |tables: &mut Tables, entries: [&str; 2]| {
        tables.subnets[A].vpc = VpcIndex(1);
        tables.interfaces[WEB_INTERFACE].subnet = SubnetIndex(A as u32);
        acl(tables, "acl-web", A, &["allow all 0.0.0.0/0"], &entries);
    };
    let mut lab = Lab::filtered(|tables| moved(tables, ["deny tcp 1024-65535 0.0.0.0/0", "allow all 0.0.0.0/0"]));
    lab.passes(CHECK, "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN");
    lab.refuses(
        "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK ack 1",
        DropReason::NetworkAcl,
        "acl-web: deny tcp 1024-65535 0.0.0.0/0",
    );
}

#[test]
fn only_nodes_check() {
    let mut lab = Lab::new();
    lab.drops("checks: 240.0.0.17:40000 > 10.0.1.20:8080 tcp SYN", DropReason::SourceDestCheck);
    lab.drops("checks: 10.0.1.20:40000 > 10.0.1.21:8080 tcp SYN", DropReason::SourceDestCheck);
    lab.drops("s3: 52.216.0.1:443 > 10.0.1.20:8080 tcp SYN", DropReason::EndpointInitiates);
    assert_eq!(
        lab.send_between(CHECK, [2, 0, 0, 0, 0, 9], OUTSIDE_ROUTER_MAC),
        Effect::Dropped(DropReason::SpoofedMac)
    );
}

#[test]
fn new_flows_go_to_healthy_targets() {
    let mut lab = Lab::new();
    let both = || BTreeSet::from(["web".to_owned(), "web2".to_owned()]);
    assert_eq!(targets(&mut lab, 40000..40032), both(), "nothing is known: all are used");
    set(&lab, Health::Healthy, Health::Unhealthy);
    assert_eq!(targets(&mut lab, 41000..41032), BTreeSet::from(["web".to_owned()]));
    set(&lab, Health::Unknown, Health::Healthy);
    assert_eq!(targets(&mut lab, 42000..42032), BTreeSet::from(["web2".to_owned()]), "a new one waits for its pass");
    set(&lab, Health::Healthy, Health::Healthy);
    assert_eq!(targets(&mut lab, 43000..43032), both());
}

#[test]
fn without_enough_healthy_targets_all_are_used() {
    let mut lab = Lab::new();
    let both = BTreeSet::from(["web".to_owned(), "web2".to_owned()]);
    set(&lab, Health::Unhealthy, Health::Unhealthy);
    assert_eq!(targets(&mut lab, 40000..40032), both);
    let said = decision(&lab, "load balancer");
    assert!(said.ends_with("which is unhealthy: too few targets are healthy, so all are used (fail-open)"), "{said}");

    for enough in [Enough { count: 2, percentage: 0 }, Enough { count: 1, percentage: 51 }] {
        let mut lab = Lab::filtered(|tables| tables.balancers[0].listeners[0].enough_healthy = enough);
        set(&lab, Health::Healthy, Health::Unhealthy);
        assert_eq!(targets(&mut lab, 40000..40032), both, "{enough:?}");
    }
    let half = Enough { count: 1, percentage: 50 };
    let mut lab = Lab::filtered(|tables| tables.balancers[0].listeners[0].enough_healthy = half);
    set(&lab, Health::Healthy, Health::Unhealthy);
    assert_eq!(targets(&mut lab, 40000..40032).len(), 1);
    let said = decision(&lab, "load balancer");
    assert!(said.ends_with("chose target 10.0.1.20:8080"), "{said}");
}

#[test]
fn a_cut_flow_resets_whoever_speaks_next() {
    let mut lab = Lab::new();
    set(&lab, Health::Healthy, Health::Unhealthy);
    open(&mut lab, 40000);
    lab.passes(
        "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK ack 40001",
        "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp SYN|ACK ack 40001",
    );
    set(&lab, Health::Unhealthy, Health::Healthy);
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp ACK 5");
    let (nodes, address) = ([InterfaceIndex(7)], [10, 0, 1, 20].into());
    assert_eq!(lab.dataplane.cut(&nodes, address, 8081), 0, "another port is another target");
    assert_eq!(lab.dataplane.cut(&[InterfaceIndex(6)], address, 8080), 0, "and another node another balancer");
    assert_eq!(lab.dataplane.cut(&nodes, address, 8080), 1);
    let client = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5");
    assert!(matches!(&client, Effect::Answered(text) if text.contains("tcp RST")), "{client:?}");
    let target = lab.send("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 5");
    assert!(matches!(&target, Effect::Answered(text) if text.contains("tcp RST")), "{target:?}");
    assert_eq!(open(&mut lab, 40000).link, "web2", "the next connection goes elsewhere");
}

#[test]
fn a_deregistered_target_keeps_its_flows_and_gets_no_new_ones() {
    let mut lab = Lab::new();
    set(&lab, Health::Healthy, Health::Unhealthy);
    open(&mut lab, 40000);
    lab.change(|tables| tables.balancers[0].listeners[0].targets.retain(|it| it.address.octets()[3] == 21));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp ACK 5");
    lab.passes("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 5", "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp ACK 5");
    assert_eq!(targets(&mut lab, 41000..41016), BTreeSet::from(["web2".to_owned()]));
}

#[test]
fn a_sticky_client_stays_with_its_target() {
    let mut lab = Lab::filtered(|tables| tables.balancers[0].listeners[0].sticky = true);
    set(&lab, Health::Healthy, Health::Healthy);
    assert_eq!(targets(&mut lab, 40000..40064).len(), 1, "64 connections of one client");
}

#[test]
fn cross_zone_is_each_groups_own_and_holds_for_endpoints() {
    let port_82 = "app: 10.0.1.10:40000 > 10.0.2.50:82 tcp SYN";
    Lab::new().drops(port_82, DropReason::NoTargetsInZone);
    let mut lab = Lab::filtered(|tables| tables.balancers[0].listeners[3].targets[0].cross_zone = true);
    lab.passes(port_82, "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However targets flap, and however often tables are swapped, a flow that stands stays where it is.
    #[test]
    fn a_flapping_target_moves_no_standing_flow(
        events in prop::collection::vec((0u8..3, 0u8..3, any::<bool>(), 40000u16..40008), 1..60),
    ) {
        let health = [Health::Unknown, Health::Healthy, Health::Unhealthy];
        let mut lab = Lab::new();
        let mut standing = std::collections::BTreeMap::new();
        for (web, web2, swap, port) in events {
            if swap {
                lab.change(|_| {});
            }
            set(&lab, health[usize::from(web)], health[usize::from(web2)]);
            let is_new = !standing.contains_key(&port);
            let sent = match is_new {
                true => format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp SYN seq 7"),
                false => format!("app: 10.0.1.10:{port} > 10.0.2.50:80 tcp ACK 5 seq 8"),
            };
            let Effect::Sent(text, ..) = lab.send(&sent) else { panic!("{sent}") };
            let ends = text.split(" tcp").next().unwrap_or_default().to_owned();
            let first = standing.entry(port).or_insert_with(|| ends.clone());
            prop_assert_eq!(&ends, &*first);
        }
        prop_assert_eq!(lab.dataplane.flows().len(), standing.len());
    }
}
