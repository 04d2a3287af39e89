//! Internet gateways and public addresses (B7).

use super::*;

/// B7-23, B7-24: one to one, every protocol, ports and identifiers as they are; the instance knows its private address only.
#[test]
fn a_public_address_stands_for_a_private_one() {
    let world = World::with(|tables| {
        tables.interfaces[2].addresses.push(ip("10.0.3.11"));
        tables.vpcs[0].addresses.insert(ip("10.0.3.11"), InterfaceIndex(2));
        set_public(tables, InterfaceIndex(2), "10.0.3.11", "203.0.113.9");
    });
    for (private, public) in [("10.0.3.10", "203.0.113.1"), ("10.0.3.11", "203.0.113.9")] {
        for (there, back) in [
            (":500 > 198.51.100.10:80 tcp SYN seq 3", "198.51.100.10:80 > {}:500 tcp SYN|ACK ack 4"),
            (":500 > 198.51.100.10:53 udp 40", "198.51.100.10:53 > {}:500 udp 80"),
            (" > 198.51.100.10 icmp echo-request id 9", "198.51.100.10 > {} icmp echo-reply id 9"),
            (" > 198.51.100.10 proto 47 100", "198.51.100.10 > {} proto 47 100"),
        ] {
            world.passes(&format!("pub: {private}{there}"), &format!("internet: {public}{there}"));
            let [outside, inside] = [public, private].map(|address| back.replace("{}", address));
            world.passes(&format!("internet: {outside}"), &format!("pub: {inside}"));
        }
        let error = error_about(
            &world,
            &format!("internet: 198.51.100.10 > {public} icmp 3/3"),
            (3, 3),
            &format!("it: {public}:500 > 198.51.100.10:53 udp 40"),
        );
        let heard = format!("pub: 198.51.100.10 > {private} icmp 3/3 quoting {private}:500 > 198.51.100.10:53 udp");
        assert_eq!(world.fire(error), [heard]);
    }
}

/// B7-25, B11-25.
#[test]
fn without_a_public_address_nothing_goes_out() {
    let world = World::new();
    for text in ["db: 10.0.2.10:9 > 198.51.100.10:80 tcp SYN", "db: 10.0.2.10 > 9.9.9.9 icmp echo-request id 1"] {
        world.drops(text, "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main");
    }
    world.drops("pub: 10.0.3.10:9 > 9.9.9.9:80 tcp SYN", "NO_SUCH_PUBLIC_ADDRESS at internet");
}

/// B7-26: what comes first from outside comes in, where groups and ACLs let it; and without a flow, mid-stream, too.
#[test]
fn what_comes_to_a_public_address_comes_in() {
    let (syn, ack) =
        ("internet: 198.51.100.10:7 > 203.0.113.1:22 tcp SYN", "pub: 10.0.3.10:22 > 198.51.100.10:7 tcp ACK");
    let mut world = World::new();
    world.passes(syn, "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp SYN");
    world.passes(ack, "internet: 203.0.113.1:22 > 198.51.100.10:7 tcp ACK");
    world.after(500_000);
    assert!(world.dataplane.flows().is_empty());
    world.passes(ack, "internet: 203.0.113.1:22 > 198.51.100.10:7 tcp ACK");
    world.after(500_000);
    world.passes(&syn.replace("SYN", "ACK 5"), "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp ACK 5");

    let ssh = || Selector::Ports(6, 22..=22);
    let world = World::with(|tables| set_group(tables, 2, &[(ssh(), "198.51.100.0/24")], &[]));
    world.passes(syn, "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp SYN");
    world.passes(ack, "internet: 203.0.113.1:22 > 198.51.100.10:7 tcp ACK");
    world.drops(&syn.replace(":22", ":23"), "ENI_SG_RULES_MISMATCH at sg-pub");
    world.drops("pub: 10.0.3.10:9 > 198.51.100.10:80 tcp SYN", "SG_HAS_NO_RULES at sg-pub");

    let world = World::with(|tables| set_acl(tables, N, vec![entry(true, ssh(), "0.0.0.0/0")], vec![]));
    world.passes(syn, "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp SYN");
    world.drops(ack, "SUBNET_ACL_RESTRICTION at acl-n");
    world.drops(&syn.replace(":22", ":23"), "SUBNET_ACL_RESTRICTION at acl-n");
}

/// B7-27, B7-28, B11-27, B11-28.
#[test]
fn private_destinations_do_not_go_out() {
    let world = World::with(|tables| remove_route(tables, N, "192.168.0.0/16"));
    for (destination, code) in [
        ("172.16.5.5", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS at igw-main"),
        ("172.31.255.255", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS at igw-main"),
        ("172.32.0.0", "NO_SUCH_PUBLIC_ADDRESS at internet"),
        ("192.168.1.1", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS at igw-main"),
        ("10.200.0.1", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS at igw-main"),
        ("100.64.0.0", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS at igw-main"),
        ("100.127.255.255", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS at igw-main"),
        ("100.128.0.0", "NO_SUCH_PUBLIC_ADDRESS at internet"),
    ] {
        world.drops(&format!("pub: 10.0.3.10:9 > {destination}:80 tcp SYN"), code);
    }
}

/// B7-29, B7-30, B11-29, B11-30: whoever sends with such a source on the internet.
#[test]
fn private_sources_do_not_come_in() {
    let world = World::new();
    for (source, code) in [
        ("192.168.1.1", "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS"),
        ("10.0.1.10", "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS"),
        ("172.20.0.1", "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS"),
        ("100.64.0.16", "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS"),
        ("9.9.9.9", "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
        ("203.0.113.2", "ENI_SOURCE_DEST_CHECK_RESTRICTION"),
    ] {
        world.drops(&format!("internet: {source}:7 > 203.0.113.1:22 tcp SYN"), &format!("{code} at igw-main"));
        let to_s3 = format!("internet: {source}:7 > 52.216.0.5:443 tcp SYN");
        world.drops(&to_s3, "ENI_SOURCE_DEST_CHECK_RESTRICTION at internet");
    }
    // Nor by riding on a flow that stands.
    world.effect("pub: 10.0.3.10:9 > 198.51.100.10:80 tcp SYN");
    world.drops("internet: 9.9.9.9:80 > 203.0.113.1:9 tcp SYN|ACK", "ENI_SOURCE_DEST_CHECK_RESTRICTION at igw-main");
}

/// B7-31, B11-26: allocated and associated with nothing, private, or of an interface that is attached to nothing.
#[test]
fn only_public_addresses_of_attached_interfaces_come_in() {
    let world = World::with(|tables| {
        let spare = add_interface(tables, "spare", 0, 2, &["10.0.3.99"], Role::Detached);
        set_public(tables, spare, "10.0.3.99", "203.0.113.99");
    });
    for (destination, at) in [("203.0.113.77", "internet"), ("10.0.3.10", "internet"), ("203.0.113.99", "igw-main")] {
        world.drops(
            &format!("internet: 198.51.100.10:7 > {destination}:22 tcp SYN"),
            &format!("IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS at {at}"),
        );
    }
}

/// B7-32, B1.4-11, B11-15: with the source/destination check off, by every gateway that knows no such source.
#[test]
fn spoofed_sources_do_not_go_out() {
    let world = World::with(|tables| {
        tables.interfaces[2].source_dest_check = false;
        add_route(tables, N, S3, Rank::PrefixList, GATEWAY_ENDPOINT);
    });
    for (source, destination, code) in [
        ("192.0.2.77", "198.51.100.10", "GATEWAY_REJECTS_SPOOFED_TRAFFIC at igw-main"),
        ("192.0.2.77", "52.216.0.5", "GATEWAY_REJECTS_SPOOFED_TRAFFIC at vpce-gateway"),
        ("192.0.2.77", "192.168.0.10", "GATEWAY_REJECTS_SPOOFED_TRAFFIC at vgw-main"),
        ("203.0.113.1", "198.51.100.10", "GATEWAY_REJECTS_SPOOFED_TRAFFIC at igw-main"),
        ("10.0.3.77", "198.51.100.10", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main"),
        ("10.0.3.77", "52.216.0.5", "GATEWAY_REJECTS_SPOOFED_TRAFFIC at vpce-gateway"),
        ("10.0.3.77", "192.168.0.10", "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS at vgw-main"),
        ("10.0.2.10", "198.51.100.10", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS at igw-main"),
    ] {
        world.drops(&format!("pub: {source}:9 > {destination}:443 tcp SYN"), code);
    }
}

/// B7-33: AWS's services see the public address; through a NAT gateway, that one's.
#[test]
fn services_see_the_public_address() {
    let world = World::new();
    world.passes("pub: 10.0.3.10:40000 > 52.216.0.5:443 tcp SYN", "s3: 203.0.113.1:40000 > 52.216.0.5:443 tcp SYN");
    world.passes(
        "s3: 52.216.0.5:443 > 203.0.113.1:40000 tcp SYN|ACK",
        "pub: 52.216.0.5:443 > 10.0.3.10:40000 tcp SYN|ACK",
    );
    world.passes(
        "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN",
        "s3: 203.0.113.2:1024 > 52.216.0.5:443 tcp SYN ttl 63",
    );
    world.passes(
        "s3: 52.216.0.5:443 > 203.0.113.2:1024 tcp SYN|ACK",
        "app: 52.216.0.5:443 > 10.0.1.10:40000 tcp SYN|ACK ttl 63",
    );
    world.passes(
        "internet: 198.51.100.10:40000 > 52.216.0.5:443 tcp SYN",
        "s3: 198.51.100.10:40000 > 52.216.0.5:443 tcp SYN",
    );
    world.passes(
        "s3: 52.216.0.5:443 > 198.51.100.10:40000 tcp SYN|ACK",
        "internet: 52.216.0.5:443 > 198.51.100.10:40000 tcp SYN|ACK",
    );
    world.drops("pub: 10.0.3.10:40000 > 52.216.0.5:22 tcp SYN", "INTERNET_PORT_RESTRICTION at internet");
    // A service opens nothing by this way either.
    world.drops("s3: 52.216.0.5:443 > 203.0.113.1:22 tcp SYN", "VPCE_INTRA_VPC_TRAFFIC at s3");
}

/// Two instances of one VPC by their public addresses: out by the internet gateway and in again, each seen by its public one.
#[test]
fn a_hairpin_by_public_addresses() {
    let world = World::with(|tables| set_public(tables, InterfaceIndex(3), "10.0.4.10", "203.0.113.5"));
    world.passes("pub: 10.0.3.10:9 > 203.0.113.5:80 tcp SYN", "fw: 203.0.113.1:9 > 10.0.4.10:80 tcp SYN");
    world.passes("fw: 10.0.4.10:80 > 203.0.113.1:9 tcp SYN|ACK", "pub: 203.0.113.5:80 > 10.0.3.10:9 tcp SYN|ACK");
    // From behind the NAT gateway, too.
    world.passes("app: 10.0.1.10:9 > 203.0.113.1:80 tcp SYN", "pub: 203.0.113.2:1024 > 10.0.3.10:80 tcp SYN ttl 63");
    world.passes(
        "pub: 10.0.3.10:80 > 203.0.113.2:1024 tcp SYN|ACK",
        "app: 203.0.113.1:80 > 10.0.1.10:9 tcp SYN|ACK ttl 63",
    );
    // And to itself.
    world.passes("pub: 10.0.3.10:9 > 203.0.113.1:22 tcp SYN", "pub: 203.0.113.1:9 > 10.0.3.10:22 tcp SYN");
    world.passes("pub: 10.0.3.10:22 > 203.0.113.1:9 tcp SYN|ACK", "pub: 203.0.113.1:22 > 10.0.3.10:9 tcp SYN|ACK");
}

/// The answer must leave by the gateway that the question came by: another way out would not translate it back.
#[test]
fn an_answer_by_another_way_is_lost() {
    let syn = "internet: 198.51.100.10:7 > 203.0.113.1:22 tcp SYN";
    let syn_ack = "pub: 10.0.3.10:22 > 198.51.100.10:7 tcp SYN|ACK";
    for (target, code) in [
        (NAT, "ASYMMETRIC_RETURN at eni-nat"),
        (Target::Blackhole, "BAD_STATE_ROUTE at rtb-n 0.0.0.0/0"),
        (PEERING, "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR at pcx-main-far"),
        (VGW, "ASYMMETRIC_RETURN at vgw-main"),
    ] {
        let world = World::with(|tables| replace_route(tables, N, "0.0.0.0/0", target));
        world.passes(syn, "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp SYN");
        world.drops(syn_ack, code);
    }
    let world = World::with(|tables| remove_route(tables, N, "0.0.0.0/0"));
    world.passes(syn, "pub: 198.51.100.10:7 > 10.0.3.10:22 tcp SYN");
    world.drops(syn_ack, "NO_ROUTE_TO_DESTINATION at rtb-n");
}
