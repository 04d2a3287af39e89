//! Network ACLs (B1.7): what enters a subnet and what leaves it, packet by packet.

use std::sync::Arc;

use super::lab::*;
use super::rules::*;
use crate::dataplane::DropReason::*;
use crate::dataplane::tables::*;
use crate::dataplane::{Dataplane, Outbox, Verdict};
use crate::packet::Notation;

const SYN: &str = "app: 10.0.1.10:40000 > 10.0.2.10:5432 tcp SYN";
const SYN_ACK: &str = "db: 10.0.2.10:5432 > 10.0.1.10:40000 tcp SYN|ACK";
const ALL: &[&str] = &["allow all 0.0.0.0/0"];
const NONE: &[&str] = &[];

#[test]
fn the_first_entry_that_matches_decides() {
    let (deny, allow) = ("deny all 10.0.1.10/32", "allow all 0.0.0.0/0");
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, &[deny, allow], ALL));
    lab.refuses(SYN, NetworkAcl, "acl-b: deny all 10.0.1.10/32");
    lab.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", "db");
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, &[allow, deny], ALL));
    lab.carries(SYN, "db");
    lab.carries("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", "db");
}

#[test]
fn what_no_entry_allows_is_denied() {
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, NONE, NONE));
    lab.refuses(SYN, NetworkAcl, "acl-b");
    lab.refuses("db: 10.0.2.10:7 > 10.0.1.10:80 tcp SYN", NetworkAcl, "acl-b");
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, &["allow tcp 80 0.0.0.0/0"], NONE));
    lab.carries("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN", "db");
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.10:81 tcp SYN", NetworkAcl, "acl-b");
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.10:80 udp 9", NetworkAcl, "acl-b");
}

/// The users' case: no entry for ephemeral ports, so the question arrives and its answer does not.
#[test]
fn acls_are_stateless() {
    let ingress = &["allow tcp 5432 0.0.0.0/0"][..];
    let ephemeral = &["allow tcp 1024-65535 10.0.1.0/24"][..];
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, ingress, NONE));
    lab.carries(SYN, "db");
    lab.refuses(SYN_ACK, NetworkAcl, "acl-b");
    lab.carries(SYN, "db");
    // From the next packet on, whatever the flow was before …
    lab.change(|tables| acl(tables, "acl-b", B, ingress, ephemeral));
    lab.carries(SYN_ACK, "app");
    lab.carries(&SYN.replace("SYN", "ACK"), "db");
    // … and both ways round.
    lab.change(|tables| acl(tables, "acl-b", B, ingress, NONE));
    lab.refuses(&SYN_ACK.replace("SYN|ACK", "ACK"), NetworkAcl, "acl-b");
    lab.change(|tables| acl(tables, "acl-b", B, NONE, ephemeral));
    lab.refuses(&SYN.replace("SYN", "ACK"), NetworkAcl, "acl-b");
}

#[test]
fn acls_do_not_filter_aws() {
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-a", A, NONE, NONE));
    let source = fabric(&lab.dataplane.tables(), APP, Way::LinkLocal);
    for resolver in ["10.0.0.2", "169.254.169.253"] {
        lab.passes(
            &format!("app: 10.0.1.10:5000 > {resolver}:53 udp 30"),
            &format!("resolver: {source}:5000 > 169.254.169.253:53 udp 30"),
        );
        lab.passes(
            &format!("resolver: 169.254.169.253:53 > {source}:5000 udp 90"),
            &format!("app: {resolver}:53 > 10.0.1.10:5000 udp 90"),
        );
    }
    for service in ["169.254.169.254:80", "169.254.169.123:123", "169.254.170.2:80", "169.254.169.250:1688"] {
        lab.drops(&format!("app: 10.0.1.10:5000 > {service} tcp SYN"), LinkLocalService);
    }
    lab.drops("app: 10.0.1.10 > 10.0.1.1 icmp echo-request id 1", ReservedAddress);
    lab.refuses("app: 10.0.1.10:5000 > 10.0.2.10:53 udp 30", NetworkAcl, "acl-a");
}

/// An ACL stands between subnets, not inside one; groups stand everywhere.
#[test]
fn inside_a_subnet_no_acl_decides() {
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-a", A, NONE, NONE));
    lab.carries("app: 10.0.1.10:1 > 10.0.1.11:80 tcp SYN", "peer");
    lab.carries("peer: 10.0.1.11:80 > 10.0.1.10:1 tcp SYN|ACK", "app");
    lab.refuses(SYN, NetworkAcl, "acl-a");
    let mut lab = Lab::filtered(|tables| {
        acl(tables, "acl-a", A, NONE, NONE);
        group(tables, "sg-peer", &[PEER_INTERFACE], &["tcp 443 0.0.0.0/0"], &[]);
    });
    lab.refuses("app: 10.0.1.10:1 > 10.0.1.11:80 tcp SYN", SecurityGroupMismatch, "sg-peer");
    // By way of the router the packet still does not leave the subnet.
    let text = "app: 10.0.1.10:1 > 10.0.1.11:443 tcp SYN";
    let by_router = lab.send_between(text, mac(0, "10.0.1.10"), mac(0, "10.0.1.1"));
    assert!(matches!(by_router, Effect::Sent(text, ..) if text.starts_with("peer: ")));
}

#[test]
fn a_gateway_endpoint_needs_its_blocks_in_the_acl() {
    let syn = "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN";
    let out = &["allow tcp 443 52.216.0.0/15"][..];
    let back = &["allow tcp 1024-65535 52.216.0.0/15"][..];
    Lab::filtered(|tables| acl(tables, "acl-a", A, back, &["allow tcp 443 3.5.0.0/19"]))
        .refuses(syn, NetworkAcl, "acl-a");
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-a", A, NONE, out));
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    let syn_ack = format!("s3: 52.216.0.5:443 > {source}:40000 tcp SYN|ACK");
    lab.passes(syn, &format!("s3: {source}:40000 > 52.216.0.5:443 tcp SYN"));
    lab.refuses(&syn_ack, NetworkAcl, "acl-a");
    lab.change(|tables| acl(tables, "acl-a", A, back, out));
    lab.passes(&syn_ack, "app: 52.216.0.5:443 > 10.0.1.10:40000 tcp SYN|ACK");
}

#[test]
fn the_acl_of_the_endpoints_subnet_decides() {
    let no_https = &["deny tcp 443 0.0.0.0/0", "allow all 0.0.0.0/0"][..];
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, no_https, ALL));
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp SYN", NetworkAcl, "acl-b: deny tcp 443 0.0.0.0/0");
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(EndpointIndex(2)));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.60:80 tcp SYN", &format!("s3: {source}:40000 > 52.216.0.1:80 tcp SYN"));
    // From its own subnet nothing enters.
    let source = fabric(&lab.dataplane.tables(), DB, Way::Endpoint(EndpointIndex(2)));
    lab.passes("db: 10.0.2.10:40000 > 10.0.2.60:443 tcp SYN", &format!("s3: {source}:40000 > 52.216.0.1:443 tcp SYN"));
    // Its answers leave the subnet as anybody's do.
    let mut lab = Lab::filtered(|tables| acl(tables, "acl-b", B, ALL, NONE));
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(EndpointIndex(2)));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.60:80 tcp SYN", &format!("s3: {source}:40000 > 52.216.0.1:80 tcp SYN"));
    lab.refuses(&format!("s3: 52.216.0.1:80 > {source}:40000 tcp SYN|ACK"), NetworkAcl, "acl-b");
}

/// A target's answer to a client whose address was kept leaves the target's subnet for that client, and enters the node's.
#[test]
fn a_targets_answer_meets_both_acls() {
    let lab = |of_target: [&[&str]; 2], of_node: [&[&str]; 2]| {
        Lab::filtered(|tables| {
            tables.subnets.push(Subnet { cidr: "10.0.7.0/24".parse().expect("a block"), ..tables.subnets[2].clone() });
            tables.interfaces[NODE_INTERFACE].subnet = SubnetIndex(3);
            acl(tables, "acl-target", 2, of_target[0], of_target[1]);
            acl(tables, "acl-node", 3, of_node[0], of_node[1]);
        })
    };
    let syn = ("web2: 10.0.1.21:700 > 10.0.1.100:53 tcp SYN", "web: 10.0.1.21:700 > 10.0.1.20:8080 tcp SYN");
    let syn_ack =
        ("web: 10.0.1.20:8080 > 10.0.1.21:700 tcp SYN|ACK", "web2: 10.0.1.100:53 > 10.0.1.21:700 tcp SYN|ACK");
    let mut open = lab([ALL, ALL], [ALL, ALL]);
    open.passes(syn.0, syn.1);
    open.passes(syn_ack.0, syn_ack.1);
    let refused = |of_target, of_node, object: &str| {
        let mut lab = lab(of_target, of_node);
        lab.passes(syn.0, syn.1);
        lab.refuses(syn_ack.0, NetworkAcl, object);
    };
    let question = &["allow tcp 53 0.0.0.0/0"][..];
    refused([ALL, question], [ALL, ALL], "acl-target");
    refused([ALL, ALL], [question, ALL], "acl-node");
}

/// An ICMP error about a flow is a packet of its own to an ACL (B1.5).
#[test]
fn an_acl_sees_icmp_errors() {
    use crate::packet::build::{Ends, icmp};
    let quoted: Notation = "it: 10.0.1.10:7 > 10.0.2.10:9 udp 30".parse().expect("a packet");
    let quoted = quoted.frame([0; 6], [0; 6]);
    let error = |lab: &mut Lab, code: u8| {
        let (source_mac, destination_mac) = (mac(0, "10.0.2.10"), mac(0, "10.0.2.1"));
        let (source, destination) = ([10, 0, 2, 10].into(), [10, 0, 1, 10].into());
        let ends = Ends { source_mac, destination_mac, source, destination };
        lab.send_frame(DB, &mut icmp(&ends, 3, code, [0; 4], &quoted[14..14 + 28]))
    };
    let udp = &["allow udp 0.0.0.0/0", "allow icmp 3/4 0.0.0.0/0"][..];
    for (a, b) in [(udp, ALL), (ALL, udp)] {
        let mut lab = Lab::filtered(|tables| {
            acl(tables, "acl-a", A, a, ALL);
            acl(tables, "acl-b", B, ALL, b);
        });
        lab.carries("app: 10.0.1.10:7 > 10.0.2.10:9 udp 30", "db");
        assert!(matches!(error(&mut lab, 4), Effect::Sent(text, ..) if text == "app: 10.0.2.10 > 10.0.1.10 icmp 3/4"));
        assert_eq!(error(&mut lab, 3), Effect::Dropped(NetworkAcl), "port unreachable has no entry");
    }
}

/// A frame that is too large for the way to `far`, which is a peered VPC of another Region; what its sender hears.
fn too_large(ingress: &[&str]) -> (Verdict, Vec<String>, Vec<crate::dataplane::DropReason>) {
    let mut tables = tables();
    acl(&mut tables, "acl-a", A, ingress, ALL);
    tables.vpcs[1].cidrs = vec!["10.1.0.0/16".parse().expect("a block")];
    tables.vpcs[1].addresses.insert([10, 1, 1, 20].into(), InterfaceIndex(WEB_INTERFACE as u32));
    tables.interfaces[WEB_INTERFACE].addresses = vec![[10, 1, 1, 20].into()];
    let peering =
        Peering { object: ObjectIndex(0), sides: [VpcIndex(0), VpcIndex(1)], active: true, inter_region: true };
    tables.peerings.push(peering);
    let peering = route(&["10.1.0.0/16"], Rank::Static, Target::Peering(PeeringIndex(0)));
    for table in [0, 2] {
        let others = route(&["10.0.0.0/16"], Rank::Static, Target::Peering(PeeringIndex(0)));
        let local = route(&["10.0.0.0/16"], Rank::Local, Target::Local);
        let routes = if table == 0 { vec![local, peering.clone()] } else { vec![others] };
        tables.route_tables[table] = RouteTable::new(ObjectIndex(0), routes);
    }
    assert_eq!(tables.validate(), Ok(()));
    let dataplane = Dataplane::new(Arc::new(tables), [1, 2, 3, 4]);
    let notation: Notation = "app: 10.0.1.10:1 > 10.1.1.20:80 tcp ACK 8900".parse().expect("a packet");
    let mut frame = notation.frame(mac(0, "10.0.1.10"), mac(0, "10.0.1.1"));
    // DF, which every TCP of our guests sets.
    frame[20] |= 0x40;
    let sum =
        etherparse::Ipv4HeaderSlice::from_slice(&frame[14..34]).expect("a header").to_header().calc_header_checksum();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let mut outbox = Outbox::default();
    let verdict = dataplane.handle(APP, Some(&[0; 10]), &mut frame, std::time::Duration::ZERO, &mut outbox);
    let told = outbox.frames.iter().map(|(_, frame)| Notation::new("app", &ipv4(frame)).to_string()).collect();
    (verdict, told, dataplane.drops(0).iter().map(|drop| drop.reason).collect())
}

/// A sender hears of a smaller MTU only where its subnet's ACL lets ICMP 3/4 in (B1.5).
#[test]
fn pmtud_needs_icmp_through_acls() {
    let told = vec!["app: 10.0.1.1 > 10.0.1.10 icmp 3/4".to_owned()];
    assert_eq!(too_large(ALL), (Verdict::Drop(PathMtu), told.clone(), vec![PathMtu]));
    let with = &["allow tcp 0.0.0.0/0", "allow icmp 3/4 0.0.0.0/0"];
    assert_eq!(too_large(with), (Verdict::Drop(PathMtu), told, vec![PathMtu]));
    assert_eq!(too_large(&["allow tcp 0.0.0.0/0"]), (Verdict::Drop(PathMtu), vec![], vec![NetworkAcl, PathMtu]));
}
