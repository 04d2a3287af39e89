//! Security groups (B1.6): who is let through, what is remembered, and for how long.

use super::lab::*;
use super::rules::*;
use crate::dataplane::DropReason::{self, *};
use crate::dataplane::tables::*;
use crate::dataplane::{Header, TraceQuery};

const SYN: &str = "app: 10.0.1.10:40000 > 10.0.2.10:5432 tcp SYN";
const SYN_ACK: &str = "db: 10.0.2.10:5432 > 10.0.1.10:40000 tcp SYN|ACK";
const DATA: &str = "app: 10.0.1.10:40000 > 10.0.2.10:5432 tcp ACK 5";
const DATA_BACK: &str = "db: 10.0.2.10:5432 > 10.0.1.10:40000 tcp ACK 5";

/// db lets PostgreSQL in from subnet a, and nothing else in or out; app lets everything out and nothing in.
fn postgres(tables: &mut Tables) {
    group(tables, "sg-app", &[APP_INTERFACE], &[], &[EVERYTHING]);
    group(tables, "sg-db", &[DB_INTERFACE], &["tcp 5432 10.0.1.0/24"], &[]);
}

/// The same after the rule was taken away.
fn postgres_closed(tables: &mut Tables) {
    group(tables, "sg-app", &[APP_INTERFACE], &[], &[EVERYTHING]);
    group(tables, "sg-db", &[DB_INTERFACE], &["tcp 1 10.0.1.0/24"], &[]);
}

#[test]
fn what_no_rule_allows_vanishes() {
    let mut lab = Lab::filtered(postgres);
    lab.carries(SYN, "db");
    // `drops` checks, too, that nothing was sent: no reset, no ICMP.
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.10:22 tcp SYN", SecurityGroupMismatch, "sg-db");
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.10:5432 udp 9", SecurityGroupMismatch, "sg-db");
    lab.refuses("app: 10.0.1.10 > 10.0.2.10 icmp echo-request id 1", SecurityGroupMismatch, "sg-db");
    assert_eq!(lab.dataplane.flows().len(), 1, "a refusal leaves no flow");
}

#[test]
fn answers_need_no_rule() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-app", &[APP_INTERFACE], &[], &["tcp 5432 10.0.2.10/32"]);
        group(tables, "sg-db", &[DB_INTERFACE], &["tcp 5432 10.0.1.10/32"], &[]);
    });
    lab.carries(SYN, "db");
    lab.carries(SYN_ACK, "app");
    lab.carries(DATA, "db");
    lab.carries(DATA_BACK, "app");
    // The same addresses, another conversation.
    lab.refuses("db: 10.0.2.10:5432 > 10.0.1.10:40001 tcp SYN|ACK", SecurityGroupNoRules, "sg-db");
    lab.refuses("db: 10.0.2.10:40000 > 10.0.1.10:5432 tcp SYN", SecurityGroupNoRules, "sg-db");
}

#[test]
fn groups_are_a_union() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-ssh", &[DB_INTERFACE], &["tcp 22 10.0.1.10/32"], &[]);
        group(tables, "sg-web", &[DB_INTERFACE], &["tcp 443-444 10.0.1.10/32"], &[]);
    });
    for port in [22, 443, 444] {
        lab.carries(&format!("app: 10.0.1.10:40000 > 10.0.2.10:{port} tcp SYN"), "db");
    }
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN", SecurityGroupMismatch);
    lab.drops("peer: 10.0.1.11:40000 > 10.0.2.10:443 tcp SYN", SecurityGroupMismatch);
}

#[test]
fn a_group_means_the_private_addresses_of_its_interfaces() {
    let mut lab = Lab::filtered(|tables| {
        tables.interfaces[APP_INTERFACE].addresses.push([10, 0, 1, 12].into());
        tables.vpcs[0].addresses.insert([10, 0, 1, 12].into(), InterfaceIndex(APP_INTERFACE as u32));
        group(tables, "sg-db", &[DB_INTERFACE], &["tcp 5432 members 10.0.1.10 10.0.1.12"], &["tcp members 10.0.1.10"]);
    });
    lab.carries(SYN, "db");
    lab.carries("app: 10.0.1.12:40000 > 10.0.2.10:5432 tcp SYN", "db");
    lab.refuses("peer: 10.0.1.11:40000 > 10.0.2.10:5432 tcp SYN", SecurityGroupMismatch, "sg-db");
    // As destination, too.
    lab.carries("db: 10.0.2.10:7 > 10.0.1.10:80 tcp SYN", "app");
    lab.refuses("db: 10.0.2.10:7 > 10.0.1.11:80 tcp SYN", SecurityGroupMismatch, "sg-db");
}

/// An appliance that passes a member's packet on is not the member.
#[test]
fn references_end_at_an_appliance() {
    let mut lab = Lab::filtered(|tables| {
        tables.interfaces[PEER_INTERFACE].source_dest_check = false;
        group(tables, "sg-db", &[DB_INTERFACE], &["tcp 5432 members 10.0.1.10"], &[]);
        group(tables, "sg-open", &[PEER_INTERFACE], &[EVERYTHING], &[EVERYTHING]);
    });
    lab.carries(SYN, "db");
    lab.refuses("peer: 10.0.1.10:40001 > 10.0.2.10:5432 tcp SYN", SecurityGroupReference, "sg-db");
}

/// Behind a balancer a client's group means nothing; the balancer's own does, even where the client's address is kept.
#[test]
fn references_end_at_a_balancer() {
    let through = "web2: 10.0.1.21:700 > 10.0.1.100:53 tcp SYN";
    let arrived = "web: 10.0.1.21:700 > 10.0.1.20:8080 tcp SYN";
    let node_open = |tables: &mut Tables| group(tables, "sg-node", &[NODE_INTERFACE], &[EVERYTHING], &[EVERYTHING]);
    let by_client = |tables: &mut Tables| {
        node_open(tables);
        group(tables, "sg-web", &[WEB_INTERFACE], &["tcp 8080 members 10.0.1.21"], &[]);
    };
    let mut lab = Lab::filtered(by_client);
    lab.carries("web2: 10.0.1.21:701 > 10.0.1.20:8080 tcp SYN", "web");
    lab.refuses(through, SecurityGroupReference, "sg-web");
    // Its address as source does not help: neither as its own …
    let mut lab = Lab::filtered(|tables| {
        by_client(tables);
        tables.balancers[0].listeners[1].preserve_client_ip = false;
    });
    lab.refuses(through, SecurityGroupReference, "sg-web");
    // … while a block holds it, and the balancer's group is the node.
    let mut lab = Lab::filtered(|tables| {
        node_open(tables);
        group(tables, "sg-web", &[WEB_INTERFACE], &["tcp 8080 10.0.1.21/32"], &[]);
    });
    lab.passes(through, arrived);
    for preserve in [true, false] {
        let mut lab = Lab::filtered(|tables| {
            node_open(tables);
            tables.balancers[0].listeners[1].preserve_client_ip = preserve;
            group(tables, "sg-web", &[WEB_INTERFACE], &["tcp 8080 members 10.0.1.100"], &[]);
        });
        assert!(matches!(lab.send(through), Effect::Sent(text, ..) if text.starts_with("web: ")), "{preserve}");
        lab.drops("web2: 10.0.1.21:701 > 10.0.1.20:8080 tcp SYN", SecurityGroupMismatch);
    }
}

/// A consumer's twin in the provider's VPC has its address and its group: neither counts for the consumer.
#[test]
fn no_group_reaches_through_private_link() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-targets", &[WEB_INTERFACE, WEB2_INTERFACE], &["tcp 8080 members 10.0.1.10"], &[]);
    });
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN", SecurityGroupMismatch, "sg-targets");
}

#[test]
fn an_edit_does_not_cut_a_tracked_flow() {
    let mut lab = Lab::filtered(postgres);
    lab.carries(SYN, "db");
    lab.carries(SYN_ACK, "app");
    for _ in 0..3 {
        lab.change(postgres_closed);
        lab.carries(DATA, "db");
        lab.carries(DATA_BACK, "app");
    }
    lab.refuses("app: 10.0.1.10:40001 > 10.0.2.10:5432 tcp SYN", SecurityGroupMismatch, "sg-db");
    // The flow is remembered by db, not by whoever comes into its way later.
    lab.change(|tables| {
        postgres_closed(tables);
        group(tables, "sg-late", &[APP_INTERFACE], &[], &[]);
    });
    lab.carries(DATA, "db");
}

/// An untracked flow has nothing but its rules, at each end for itself (B1.6).
#[test]
fn an_untracked_flow_stops_at_once() {
    let web = &["tcp 5432 0.0.0.0/0"][..];
    let cut = |ingress: &[&str], egress: &[&str], app_tracks: bool| {
        let rules = |tables: &mut Tables, ingress: &[&str]| {
            let own = if app_tracks { &[][..] } else { &[EVERYTHING][..] };
            group(tables, "sg-app", &[APP_INTERFACE], own, &[EVERYTHING]);
            group(tables, "sg-db", &[DB_INTERFACE], ingress, egress);
        };
        let mut lab = Lab::filtered(|tables| rules(tables, ingress));
        lab.carries(SYN, "db");
        lab.carries(SYN_ACK, "app");
        lab.change(|tables| rules(tables, &["udp 10.0.0.0/8"]));
        match lab.send(DATA) {
            Effect::Sent(..) => false,
            Effect::Dropped(reason) => {
                assert_eq!((reason, lab.refuser().as_str()), (SecurityGroupMismatch, "sg-db"));
                true
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(cut(&[EVERYTHING], &[EVERYTHING], false));
    assert!(cut(&["tcp 0.0.0.0/0"], &["tcp 0.0.0.0/0"], false));
    assert!(cut(web, &[EVERYTHING], false), "one port in, all ports out: AWS's own example");
    assert!(cut(web, &[EVERYTHING], true), "what the client's group tracks does not help at the server");
    assert!(!cut(web, &[], false), "one way only: tracked");
    assert!(!cut(web, &["tcp 1024-65535 0.0.0.0/0"], false), "not all ports: tracked");
    assert!(!cut(&["tcp 5432 10.0.0.0/8"], &[EVERYTHING], false), "not all addresses: tracked");
}

/// What the objects of a way track, they track whatever the rules say.
#[test]
fn these_flows_are_always_tracked() {
    let guests = [APP_INTERFACE, PEER_INTERFACE, DB_INTERFACE, WEB_INTERFACE, WEB2_INTERFACE];
    let others = [S3_INTERFACE, ENDPOINT_INTERFACE, NODE_INTERFACE];
    let holders: Vec<usize> = guests.into_iter().chain(others).collect();
    let dynamodb = |tables: &mut Tables| tables.endpoints[GATEWAY_ENDPOINT.at()].always_tracked = true;
    let nothing = |_: &mut Tables| {};
    let survives = |sent: &str, also: &dyn Fn(&mut Tables)| {
        let open = |tables: &mut Tables, rules: &[&str]| {
            group(tables, "sg", &holders, rules, rules);
            also(tables);
        };
        let mut lab = Lab::filtered(|tables| open(tables, &[EVERYTHING]));
        assert!(matches!(lab.send(sent), Effect::Sent(..)), "{sent}");
        lab.change(|tables| open(tables, &["udp 99 10.9.9.9/32"]));
        matches!(lab.send(&sent.replace("SYN", "ACK")), Effect::Sent(..))
    };
    assert!(!survives(SYN, &nothing), "the control");
    assert!(!survives("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", &nothing), "S3's gateway endpoint");
    assert!(survives("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", &dynamodb), "DynamoDB's gateway endpoint");
    assert!(survives("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp SYN", &nothing), "an interface endpoint");
    assert!(survives("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN", &nothing), "an endpoint and a balancer");
    assert!(survives("web2: 10.0.1.21:700 > 10.0.1.100:53 tcp SYN", &nothing), "a balancer");
    assert!(survives("app: 10.0.1.10 > 10.0.2.10 icmp echo-request id 7", &nothing), "ping");
    assert!(survives("app: 10.0.1.10 > 10.0.2.10 proto 47 20", &nothing), "what is neither TCP nor UDP");
}

/// After its idle time a flow is a stranger's: without the rule it ends there.
#[test]
fn idle_flows_are_forgotten() {
    let tcp = |tracking: ConnectionTracking, seconds: u64| {
        let rules = |tables: &mut Tables, ingress: &[&str]| {
            tables.interfaces[DB_INTERFACE].tracking = tracking;
            group(tables, "sg-db", &[DB_INTERFACE], ingress, &[]);
        };
        let mut lab = Lab::filtered(|tables| rules(tables, &["tcp 5432 10.0.1.0/24"]));
        lab.carries(SYN, "db");
        lab.carries(SYN_ACK, "app");
        lab.change(|tables| rules(tables, &["tcp 1 10.0.1.0/24"]));
        lab.after(seconds - 1);
        lab.carries(DATA, "db");
        lab.after(seconds);
        lab.drops(DATA, SecurityGroupMismatch);
    };
    tcp(ConnectionTracking::default(), 432_000);
    tcp(ConnectionTracking { tcp_established: std::time::Duration::from_secs(60), ..Default::default() }, 60);
    let answers = |packet: &str, answer: &str, exchanges: usize, seconds: u64| {
        let mut lab = Lab::filtered(|tables| group(tables, "sg-app", &[APP_INTERFACE], &[], &[EVERYTHING]));
        for _ in 0..exchanges {
            lab.carries(packet, "db");
            lab.carries(answer, "app");
        }
        lab.carries(packet, "db");
        lab.after(seconds - 1);
        lab.carries(answer, "app");
        lab.carries(packet, "db");
        lab.after(seconds);
        lab.drops(answer, SecurityGroupNoRules);
    };
    let (udp, udp_back) = ("app: 10.0.1.10:5 > 10.0.2.10:53 udp 9", "db: 10.0.2.10:53 > 10.0.1.10:5 udp 9");
    let mut lab = Lab::filtered(|tables| group(tables, "sg-app", &[APP_INTERFACE], &[], &[EVERYTHING]));
    lab.carries(udp, "db");
    lab.after(29);
    lab.carries(udp_back, "app");
    lab.after(29);
    lab.carries(udp_back, "app");
    lab.after(30);
    lab.drops(udp_back, SecurityGroupNoRules);
    answers(udp, udp_back, 2, 180);
    answers("app: 10.0.1.10 > 10.0.2.10 proto 47 9", "db: 10.0.2.10 > 10.0.1.10 proto 47 9", 0, 600);
}

/// Five refusals at once; whoever comes first on the way says no (B1.6).
#[test]
fn the_order_of_checks() {
    let sent = "app: 10.0.1.10:40000 > 10.0.2.10:80 tcp SYN";
    let rules = |tables: &mut Tables, passed: usize| {
        let or_nothing = |number: usize, rule: &'static str| if passed > number { vec![rule] } else { vec![] };
        group(tables, "sg-app", &[APP_INTERFACE], &[], &or_nothing(0, EVERYTHING));
        acl(tables, "acl-a", A, &["allow all 0.0.0.0/0"], &or_nothing(1, "allow tcp 0.0.0.0/0"));
        let routes = if passed > 2 { "10.0.0.0/16" } else { "10.0.1.0/24" };
        let route = route(&[routes], Rank::Local, Target::Local);
        tables.route_tables[0] = RouteTable::new(ObjectIndex(0), vec![route]);
        acl(tables, "acl-b", B, &or_nothing(3, "allow tcp 0.0.0.0/0"), &["allow all 0.0.0.0/0"]);
        group(tables, "sg-db", &[DB_INTERFACE], &or_nothing(4, EVERYTHING), &[]);
    };
    let reasons: [DropReason; 5] = [SecurityGroupNoRules, NetworkAcl, NoRoute, NetworkAcl, SecurityGroupNoRules];
    let objects = ["sg-app", "acl-a", "resolver", "acl-b", "sg-db"];
    for (passed, (reason, object)) in reasons.into_iter().zip(objects).enumerate() {
        Lab::filtered(|tables| rules(tables, passed)).refuses(sent, reason, object);
    }
    let mut lab = Lab::filtered(|tables| rules(tables, 5));
    lab.carries(sent, "db");
    let (source, destination) = ([10, 0, 1, 10].into(), [10, 0, 2, 10].into());
    let header = Header { protocol: 6, source, destination, source_port: 40_001, destination_port: 80 };
    let path = lab.dataplane.trace(APP, &TraceQuery { header });
    let tables = lab.dataplane.tables();
    let name = |object: Option<ObjectIndex>| object.map(|it| tables.object(it).id.clone()).unwrap_or_default();
    let hops: Vec<String> = path.hops.iter().map(|hop| format!("{} by {}", hop.kind, name(hop.rule))).collect();
    assert_eq!(
        hops,
        [
            "network interface by all 0.0.0.0/0",
            "network ACL by acl-a: allow tcp 0.0.0.0/0",
            "route table by resolver",
            "network ACL by acl-b: allow tcp 0.0.0.0/0",
            "network interface by all 0.0.0.0/0"
        ]
    );
}

#[test]
fn an_answer_meets_acls_and_the_groups_memory() {
    let rules = |tables: &mut Tables, b_out: &[&str], a_in: &[&str]| {
        postgres(tables);
        acl(tables, "acl-a", A, a_in, &["allow all 0.0.0.0/0"]);
        acl(tables, "acl-b", B, &["allow all 0.0.0.0/0"], b_out);
    };
    let ephemeral = &["allow tcp 1024-65535 10.0.1.0/24"][..];
    let mut lab = Lab::filtered(|tables| rules(tables, &[], ephemeral));
    lab.carries(SYN, "db");
    lab.refuses(SYN_ACK, NetworkAcl, "acl-b");
    lab.change(|tables| rules(tables, ephemeral, &["allow tcp 80 10.0.2.0/24"]));
    lab.carries(DATA, "db");
    lab.refuses(SYN_ACK, NetworkAcl, "acl-a");
    lab.change(|tables| rules(tables, ephemeral, &["allow tcp 1024-65535 10.0.2.0/24"]));
    lab.carries(SYN_ACK, "app");
}

/// A group without rules: link-local services and the router are there as ever, or say for themselves why not.
#[test]
fn link_local_and_the_router_are_not_filtered() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-none", &[APP_INTERFACE], &[], &[]);
        acl(tables, "acl-none", A, &[], &[]);
    });
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
    for service in ["169.254.169.254:80", "169.254.170.2:80", "169.254.169.250:1688", "169.254.169.251:1688"] {
        lab.drops(&format!("app: 10.0.1.10:5000 > {service} tcp SYN"), LinkLocalService);
    }
    lab.drops("app: 10.0.1.10:5000 > 169.254.169.123:123 udp 48", LinkLocalService);
    lab.drops("app: 10.0.1.10 > 10.0.1.1 icmp echo-request id 1", ReservedAddress);
    // Everything else stops at the group.
    lab.refuses("app: 10.0.1.10:5000 > 52.216.0.5:443 tcp SYN", SecurityGroupNoRules, "sg-none");
    lab.refuses("app: 10.0.1.10:5000 > 10.0.2.10:53 udp 30", SecurityGroupNoRules, "sg-none");
    lab.refuses("app: 10.0.1.10:5000 > 10.0.1.3:53 udp 30", SecurityGroupNoRules, "sg-none");
}

#[test]
fn a_group_without_rules_has_its_own_reason() {
    let sent = "app: 10.0.1.10:5000 > 10.0.2.10:80 tcp SYN";
    let with = |rules: &[&[&str]]| {
        Lab::filtered(|tables| rules.iter().for_each(|egress| group(tables, "sg", &[APP_INTERFACE], &[], egress)))
    };
    with(&[&[]]).drops(sent, SecurityGroupNoRules);
    with(&[&[], &[]]).drops(sent, SecurityGroupNoRules);
    with(&[&["tcp 81 0.0.0.0/0"]]).drops(sent, SecurityGroupMismatch);
    with(&[&[], &["tcp 81 0.0.0.0/0"]]).drops(sent, SecurityGroupMismatch);
    with(&[&[], &["tcp 80 0.0.0.0/0"]]).carries(sent, "db");
}

/// The client's rule to the service's prefix list is enough, both ways (B2).
#[test]
fn rules_to_a_prefix_list() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-app", &[APP_INTERFACE], &[], &["tcp 443 52.216.0.0/15 3.5.0.0/19"]);
    });
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    for address in ["52.216.0.5", "3.5.0.9"] {
        lab.passes(
            &format!("app: 10.0.1.10:40000 > {address}:443 tcp SYN"),
            &format!("s3: {source}:40000 > {address}:443 tcp SYN"),
        );
        lab.passes(
            &format!("s3: {address}:443 > {source}:40000 tcp SYN|ACK"),
            &format!("app: {address}:443 > 10.0.1.10:40000 tcp SYN|ACK"),
        );
    }
    lab.drops("app: 10.0.1.10:40000 > 9.9.9.9:443 tcp SYN", SecurityGroupMismatch);
    lab.drops("app: 10.0.1.10:40000 > 52.216.0.5:80 tcp SYN", SecurityGroupMismatch);
    lab.drops("app: 10.0.1.10 > 52.216.0.5 icmp echo-request id 1", SecurityGroupMismatch);
}

/// The users' case: an endpoint's group without 443 (B3.1).
#[test]
fn an_endpoints_group_decides() {
    let mut lab = Lab::filtered(|tables| {
        group(tables, "sg-endpoint", &[S3_INTERFACE], &["tcp 443 10.0.1.10/32"], &[]);
        group(tables, "sg-peer", &[PEER_INTERFACE], &[], &["tcp 443 0.0.0.0/0"]);
    });
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(EndpointIndex(2)));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp SYN", &format!("s3: {source}:40000 > 52.216.0.1:443 tcp SYN"));
    lab.passes(
        &format!("s3: 52.216.0.1:443 > {source}:40000 tcp SYN|ACK"),
        "app: 10.0.2.60:443 > 10.0.1.10:40000 tcp SYN|ACK",
    );
    lab.refuses("peer: 10.0.1.11:40000 > 10.0.2.60:443 tcp SYN", SecurityGroupMismatch, "sg-endpoint");
    lab.refuses("app: 10.0.1.10:40000 > 10.0.2.60:80 tcp SYN", SecurityGroupMismatch, "sg-endpoint");
    lab.refuses("peer: 10.0.1.11:40000 > 10.0.2.60:80 tcp SYN", SecurityGroupMismatch, "sg-peer");
}

/// A balancer's groups judge what comes through endpoints by the client's own address, unless told not to (B4).
#[test]
fn a_balancers_groups_judge_private_link() {
    let sent = "app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN";
    let lab = |judge: bool, rule: &'static str| {
        Lab::filtered(|tables| {
            tables.balancers[0].groups_judge_private_link = judge;
            group(tables, "sg-node", &[NODE_INTERFACE], &[rule], &[EVERYTHING]);
        })
    };
    lab(true, "tcp 80 10.0.2.0/24").refuses(sent, SecurityGroupMismatch, "sg-node");
    assert!(matches!(lab(true, "tcp 80 10.0.1.10/32").send(sent), Effect::Sent(..)));
    assert!(matches!(lab(false, "tcp 80 10.0.2.0/24").send(sent), Effect::Sent(..)));
}
