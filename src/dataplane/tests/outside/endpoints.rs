//! Endpoints beside gateways (B2, B3): which of them a packet takes, and as whom.

use super::*;

/// B2-10, B2-12, B2-13.
#[test]
fn a_gateway_endpoint_wins_over_the_default_route() {
    for default in [IGW, NAT] {
        let world = World::with(|tables| replace_route(tables, B, "0.0.0.0/0", default));
        let source = fabric(&world.dataplane.tables(), "10.0.2.10", 0);
        world.passes("db: 10.0.2.10:9 > 52.216.0.5:443 tcp SYN", &format!("s3: {source}:9 > 52.216.0.5:443 tcp SYN"));
    }
    // What its list does not hold takes the default route.
    let world = World::with(|tables| replace_route(tables, B, "0.0.0.0/0", NAT));
    world.passes(
        "db: 10.0.2.10:9 > 198.51.100.10:443 tcp SYN",
        "internet: 203.0.113.2:1024 > 198.51.100.10:443 tcp SYN ttl 63",
    );
}

/// B7-18: the client's table knows no endpoint, the NAT gateway's does; the service sees the gateway's private address.
#[test]
fn nat_enters_a_gateway_endpoint() {
    let world = World::with(|tables| add_route(tables, N, S3, Rank::PrefixList, GATEWAY_ENDPOINT));
    let source = fabric(&world.dataplane.tables(), "10.0.3.200", 0);
    world.passes(
        "app: 10.0.1.10:9 > 52.216.0.5:443 tcp SYN",
        &format!("s3: {source}:1024 > 52.216.0.5:443 tcp SYN ttl 63"),
    );
    world.passes(
        &format!("s3: 52.216.0.5:443 > {source}:1024 tcp SYN|ACK"),
        "app: 52.216.0.5:443 > 10.0.1.10:9 tcp SYN|ACK ttl 63",
    );
    world.passes(
        "app: 10.0.1.10 > 52.216.0.5 icmp echo-request id 5",
        &format!("s3: {source} > 52.216.0.5 icmp echo-request id 1024 ttl 63"),
    );
    world.passes(
        &format!("s3: 52.216.0.5 > {source} icmp echo-reply id 1024"),
        "app: 52.216.0.5 > 10.0.1.10 icmp echo-reply id 5 ttl 63",
    );
    world.drops("app: 10.0.1.10:9 > 52.216.0.5:443 udp 9", "VPCE_GATEWAY_PROTOCOL_RESTRICTION at vpce-gateway");
}

/// B2-14: open connections break when the endpoint's route comes or goes, and are not resumed; new ones work.
#[test]
fn association_changes_the_source() {
    let syn = "app: 10.0.1.10:9 > 52.216.0.5:443 tcp SYN";
    let ack = "app: 10.0.1.10:9 > 52.216.0.5:443 tcp ACK seq 5 ack 9";
    let world = World::new();
    let source = fabric(&world.dataplane.tables(), "10.0.1.10", 0);
    let by_nat = "s3: 203.0.113.2:{port} > 52.216.0.5:443 tcp";
    let by_endpoint = format!("s3: {source}:9 > 52.216.0.5:443 tcp");
    world.passes(syn, &format!("{} SYN ttl 63", by_nat.replace("{port}", "1024")));
    world.passes(
        "s3: 52.216.0.5:443 > 203.0.113.2:1024 tcp SYN|ACK",
        "app: 52.216.0.5:443 > 10.0.1.10:9 tcp SYN|ACK ttl 63",
    );
    world.swap(|tables| add_route(tables, A, S3, Rank::PrefixList, GATEWAY_ENDPOINT));
    world.drops("s3: 52.216.0.5:443 > 203.0.113.2:1024 tcp ACK 7", "UNKNOWN_FLOW at nat-1");
    // A stray of somebody whom the service does not know: its kernel resets it.
    world.passes(ack, &format!("{by_endpoint} ACK seq 5 ack 9"));
    world.passes(&format!("s3: 52.216.0.5:443 > {source}:9 tcp RST"), "app: 52.216.0.5:443 > 10.0.1.10:9 tcp RST");
    world.passes(syn, &format!("{by_endpoint} SYN"));
    world.passes(
        &format!("s3: 52.216.0.5:443 > {source}:9 tcp SYN|ACK"),
        "app: 52.216.0.5:443 > 10.0.1.10:9 tcp SYN|ACK",
    );
    // And the reverse: the NAT gateway knows nothing of the connection.
    world.swap(|tables| remove_route(tables, A, S3[0]));
    world.drops(ack, "UNKNOWN_FLOW at vpce-gateway");
    world.passes(ack, "app: 52.216.0.5:443 > 10.0.1.10:9 tcp RST seq 9");
    world.passes(syn, &format!("{} SYN ttl 63", by_nat.replace("{port}", "1026")));
}

/// A NAT gateway before an interface endpoint and its load balancer: two translations, both undone.
#[test]
fn nat_before_an_interface_endpoint() {
    let world = World::with(|tables| add_route(tables, A, &["10.0.2.0/24"], Rank::Static, NAT));
    let source = fabric(&world.dataplane.tables(), "10.0.3.200", 1);
    world.passes(
        "app: 10.0.1.10:9 > 10.0.2.60:443 tcp SYN",
        &format!("s3: {source}:1024 > 52.216.0.1:443 tcp SYN ttl 63"),
    );
    world.passes(
        &format!("s3: 52.216.0.1:443 > {source}:1024 tcp SYN|ACK"),
        "app: 10.0.2.60:443 > 10.0.1.10:9 tcp SYN|ACK ttl 63",
    );
    world.passes("app: 10.0.1.10:9 > 10.0.2.50:80 tcp SYN", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN ttl 63");
    world.passes(
        "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK",
        "app: 10.0.2.50:80 > 10.0.1.10:9 tcp SYN|ACK ttl 63",
    );
}

/// An NLB carries fragments of UDP, through an endpoint too, and none of TCP (B9).
#[test]
fn fragments_of_udp_pass_a_load_balancer() {
    let world = World::new();
    let first = world.shot("app: 10.0.1.10:5000 > 10.0.2.50:53 udp 1472").first_fragment(9);
    assert_eq!(world.fire(first), ["web: 10.0.1.100:1024 > 10.0.1.20:8080 udp 1472 more"]);
    let later = world.shot("app: 10.0.1.10 > 10.0.2.50 fragment udp 500").identified(9).at_offset(1480);
    assert_eq!(world.fire(later), ["web: 10.0.1.100 > 10.0.1.20 fragment udp 500 offset 1480"]);
    let first = world.shot("web: 10.0.1.20:8080 > 10.0.1.100:1024 udp 1472").first_fragment(11);
    assert_eq!(world.fire(first), ["app: 10.0.2.50:53 > 10.0.1.10:5000 udp 1472 more"]);
    let later = world.shot("web: 10.0.1.20 > 10.0.1.100 fragment udp 500").identified(11).at_offset(1480);
    assert_eq!(world.fire(later), ["app: 10.0.2.50 > 10.0.1.10 fragment udp 500 offset 1480"]);
    let syn = "app: 10.0.1.10:9 > 10.0.2.50:80 tcp SYN 4";
    assert_eq!(world.fire(world.shot(syn).first_fragment(12)), ["drop PROTOCOL_RESTRICTION at nlb"]);
    world.passes(syn, "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp SYN 4");
    assert_eq!(world.fire(world.shot(syn).first_fragment(13)), ["drop PROTOCOL_RESTRICTION at nlb"]);
}
