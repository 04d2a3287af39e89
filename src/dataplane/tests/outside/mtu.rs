//! Sizes (B1.5): who carries what, who says so, and who is silent. A frame that stands for many packets is judged by these.

use super::*;
use crate::packet::protocol;

/// A UDP packet of that size, IP header included.
fn udp(text: &str, size: u16) -> String {
    format!("{text} udp {}", size - 28)
}

/// `size` passes; one byte more is answered by `reporter`, and nothing of it leaves.
#[track_caller]
fn carries(world: &World, sent: &str, left: &str, ttl: &str, size: u16, (reporter, object): (&str, &str)) {
    world.passes(&udp(sent, size), &format!("{}{ttl}", udp(left, size)));
    let (link, ends) = sent.split_once(": ").expect("a link");
    let source = ends.split(':').next().expect("a source");
    let error = format!("{link}: {reporter} > {source} icmp 3/4 mtu {size} quoting {ends} udp");
    assert_eq!(world.effect(&udp(sent, size + 1)), [error, format!("drop PATH_MTU_EXCEEDED at {object}")], "{sent}");
}

/// B1.5-1, B1.5-2, B1.5-13: inside a VPC, between peers of one Region, and through a gateway endpoint.
#[test]
fn jumbo_frames_pass_inside_a_region() {
    let world = World::new();
    world.passes(&udp("app: 10.0.1.10:9 > 10.0.2.10:9", 9001), &udp("db: 10.0.1.10:9 > 10.0.2.10:9", 9001));
    world.passes(&udp("app: 10.0.1.10:9 > 10.1.1.10:9", 9001), &udp("far: 10.0.1.10:9 > 10.1.1.10:9", 9001));
    world.drops(&udp("app: 10.0.1.10:9 > 10.1.1.10:9", 9002), "PACKET_TOO_BIG");
    let source = fabric(&world.dataplane.tables(), "10.0.2.10", 0);
    let (there, seen) = ("10.0.2.10:9 > 52.216.0.5:443 tcp", format!("{source}:9 > 52.216.0.5:443 tcp"));
    world.passes(&format!("db: {there} SYN"), &format!("s3: {seen} SYN"));
    world.passes(&format!("db: {there} ACK 8961"), &format!("s3: {seen} ACK 8961"));
    world.passes(
        &format!("s3: 52.216.0.5:443 > {source}:9 tcp ACK 8961"),
        "db: 52.216.0.5:443 > 10.0.2.10:9 tcp ACK 8961",
    );
}

/// B1.5-14: the gateway endpoint leaves the MSS that each side asks for.
#[test]
fn a_gateway_endpoint_leaves_the_mss() {
    let world = World::new();
    let source = fabric(&world.dataplane.tables(), "10.0.2.10", 0);
    let syn = world.shot("db: 10.0.2.10:9 > 52.216.0.5:443 tcp SYN").mss(8961);
    assert_eq!(world.fire(syn), [format!("s3: {source}:9 > 52.216.0.5:443 tcp SYN mss 8961")]);
    let syn_ack = world.shot(&format!("s3: 52.216.0.5:443 > {source}:9 tcp SYN|ACK")).mss(8961);
    assert_eq!(world.fire(syn_ack), ["db: 52.216.0.5:443 > 10.0.2.10:9 tcp SYN|ACK mss 8961"]);
}

/// B1.5-3, B1.5-12: the router of the sender's subnet tells it; who is outside hears of it from the address it talks to.
#[test]
fn the_internet_gateway_takes_1500() {
    let world = World::new();
    let (there, seen) = ("pub: 10.0.3.10:9 > 198.51.100.10:53", "internet: 203.0.113.1:9 > 198.51.100.10:53");
    carries(&world, there, seen, "", 1500, ("10.0.3.1", "igw-main"));
    let (back, seen) = ("internet: 198.51.100.10:53 > 203.0.113.1:9", "pub: 198.51.100.10:53 > 10.0.3.10:9");
    carries(&world, back, seen, "", 1500, ("203.0.113.1", "igw-main"));
    // The same, when the outside began.
    let (there, seen) = ("internet: 198.51.100.10:7 > 203.0.113.1:53", "pub: 198.51.100.10:7 > 10.0.3.10:53");
    carries(&world, there, seen, "", 1500, ("203.0.113.1", "igw-main"));
    let (back, seen) = ("pub: 10.0.3.10:53 > 198.51.100.10:7", "internet: 203.0.113.1:53 > 198.51.100.10:7");
    carries(&world, back, seen, "", 1500, ("10.0.3.1", "igw-main"));
    // As the first packet of a flow, and before any.
    let world = World::new();
    let first = world.effect(&udp("pub: 10.0.3.10:9 > 198.51.100.10:53", 9001));
    let error = "pub: 10.0.3.1 > 10.0.3.10 icmp 3/4 mtu 1500 quoting 10.0.3.10:9 > 198.51.100.10:53 udp";
    assert_eq!(first, [error, "drop PATH_MTU_EXCEEDED at igw-main"]);
}

/// A frame of 60,000 bytes is 42 packets of 1,500, or seven of 9,001.
#[test]
fn super_segments_are_judged_by_their_segments() {
    let world = World::new();
    let text = "pub: 10.0.3.10:9 > 198.51.100.10:80 tcp ACK 60000";
    let seen = "internet: 203.0.113.1:9 > 198.51.100.10:80 tcp ACK 60000";
    assert_eq!(world.fire(world.shot(text).segments(1460)), [seen]);
    let error = "pub: 10.0.3.1 > 10.0.3.10 icmp 3/4 mtu 1500 quoting 10.0.3.10:9 > 198.51.100.10:80 tcp";
    for size in [1461, 8961] {
        assert_eq!(
            world.fire(world.shot(text).segments(size)),
            [error, "drop PATH_MTU_EXCEEDED at igw-main"],
            "{size}"
        );
    }
    let text = "pub: 10.0.3.10:9 > 198.51.100.10:443 udp 14720";
    let seen = "internet: 203.0.113.1:9 > 198.51.100.10:443 udp 14720";
    assert_eq!(world.fire(world.shot(text).segments(1472)), [seen]);
    assert_eq!(world.fire(world.shot(text).segments(1473))[1], "drop PATH_MTU_EXCEEDED at igw-main");
}

/// B1.5-4.
#[test]
fn vpn_takes_1500() {
    let world = World::new();
    let (there, seen) = ("app: 10.0.1.10:9 > 192.168.0.10:53", "office: 10.0.1.10:9 > 192.168.0.10:53");
    carries(&world, there, seen, "", 1500, ("10.0.1.1", "vgw-main"));
    let (back, seen) = ("office: 192.168.0.10:53 > 10.0.1.10:9", "app: 192.168.0.10:53 > 10.0.1.10:9");
    carries(&world, back, seen, "", 1500, ("10.0.1.10", "vgw-main"));
    let (there, seen) = ("office: 192.168.0.10:7 > 10.0.1.10:53", "app: 192.168.0.10:7 > 10.0.1.10:53");
    carries(&world, there, seen, "", 1500, ("10.0.1.10", "vgw-main"));
    let (back, seen) = ("app: 10.0.1.10:53 > 192.168.0.10:7", "office: 10.0.1.10:53 > 192.168.0.10:7");
    carries(&world, back, seen, "", 1500, ("10.0.1.1", "vgw-main"));
}

/// B1.5-5: each side's own router tells it.
#[test]
fn peering_between_regions_takes_8500() {
    let world = World::with(|tables| tables.peerings[0].inter_region = true);
    let (there, seen) = ("app: 10.0.1.10:9 > 10.1.1.10:53", "far: 10.0.1.10:9 > 10.1.1.10:53");
    carries(&world, there, seen, "", 8500, ("10.0.1.1", "pcx-main-far"));
    let (back, seen) = ("far: 10.1.1.10:53 > 10.0.1.10:9", "app: 10.1.1.10:53 > 10.0.1.10:9");
    carries(&world, back, seen, "", 8500, ("10.1.1.1", "pcx-main-far"));
}

/// B1.5-6, B1.5-17: it says so itself; and when what is behind it carries less, that says so.
#[test]
fn nat_takes_8500() {
    let world = World::with(|tables| replace_route(tables, A, "10.1.0.0/16", NAT));
    let (there, seen) = ("app: 10.0.1.10:9 > 10.1.1.10:53", "far: 10.0.3.200:1024 > 10.1.1.10:53");
    carries(&world, there, seen, " ttl 63", 8500, ("10.0.3.200", "nat-1"));
    let (back, seen) = ("far: 10.1.1.10:53 > 10.0.3.200:1024", "app: 10.1.1.10:53 > 10.0.1.10:9");
    carries(&world, back, seen, " ttl 63", 8500, ("10.0.3.200", "nat-1"));
    let (there, seen) = ("app: 10.0.1.10:9 > 198.51.100.10:53", "internet: 203.0.113.2:1024 > 198.51.100.10:53");
    carries(&world, there, seen, " ttl 63", 1500, ("10.0.3.1", "igw-main"));
    let (back, seen) = ("internet: 198.51.100.10:53 > 203.0.113.2:1024", "app: 198.51.100.10:53 > 10.0.1.10:9");
    carries(&world, back, seen, " ttl 63", 1500, ("203.0.113.2", "igw-main"));
}

/// B1.5-18, B1.5-16: SYN and SYN-ACK ask for what fits 8,500; less stays; none stays none; whatever the checksum's state.
#[test]
fn mss_is_clamped_by_nat_gateways_and_interface_endpoints() {
    let world = World::with(|tables| replace_route(tables, A, "10.1.0.0/16", NAT));
    let web = "web: 10.0.1.100:{port} > 10.0.1.20:8080";
    for (number, (there, seen, ttl)) in [
        ("app: 10.0.1.10:9 > 10.1.1.10:80", "far: 10.0.3.200:{port} > 10.1.1.10:80", " ttl 63"),
        ("app: 10.0.1.10:9 > 10.0.2.50:80", web, ""),
    ]
    .into_iter()
    .enumerate()
    {
        for (round, (asked, heard)) in [(8961, 8460), (8461, 8460), (8460, 8460), (1460, 1460)].into_iter().enumerate()
        {
            let there = there.replace(":9 ", &format!(":{} ", 9 + round));
            let seen = seen.replace("{port}", &(1024 + round).to_string());
            let (answerer, ends) = seen.split_once(": ").expect("a link");
            let (left, right) = ends.split_once(" > ").expect("two ends");
            let (client, client_ends) = there.split_once(": ").expect("a link");
            let (source, destination) = client_ends.split_once(" > ").expect("two ends");
            for partial in [false, true] {
                let finish = |shot: Shot| if partial { shot.partial() } else { shot };
                let syn = finish(world.shot(&format!("{there} tcp SYN")).mss(asked));
                assert_eq!(world.fire(syn), [format!("{seen} tcp SYN{ttl} mss {heard}")], "{number} {partial}");
                let syn_ack = finish(world.shot(&format!("{answerer}: {right} > {left} tcp SYN|ACK")).mss(asked));
                let expected = format!("{client}: {destination} > {source} tcp SYN|ACK{ttl} mss {heard}");
                assert_eq!(world.fire(syn_ack), [expected], "{number} {partial}");
            }
        }
        let none = there.replace(":9 ", ":99 ");
        let seen = seen.replace("{port}", "1028");
        assert_eq!(world.fire(world.shot(&format!("{none} tcp SYN")).partial()), [format!("{seen} tcp SYN{ttl}")]);
    }
}

/// B1.5-7, B1.5-15: without a word, DF or not, one packet or many, there and back.
#[test]
fn an_interface_endpoint_drops_large_packets_in_silence() {
    let world = World::new();
    let source = fabric(&world.dataplane.tables(), "10.0.1.10", 1);
    let s3 = ("10.0.1.10:9 > 10.0.2.60:443", format!("s3: {source}:9 > 52.216.0.1:443"), "vpce-s3");
    let web = ("10.0.1.10:9 > 10.0.2.50:80", "web: 10.0.1.100:1024 > 10.0.1.20:8080".to_owned(), "vpce-provider");
    for (there, seen, endpoint) in [s3, web] {
        let refused = format!("drop PATH_MTU_EXCEEDED at {endpoint}");
        world.passes(&format!("app: {there} tcp SYN"), &format!("{seen} tcp SYN"));
        world.passes(&format!("app: {there} tcp ACK 8460"), &format!("{seen} tcp ACK 8460"));
        let (link, ends) = seen.split_once(": ").expect("a link");
        let (left, right) = ends.split_once(" > ").expect("two ends");
        for text in [format!("app: {there} tcp ACK 8461"), format!("{link}: {right} > {left} tcp ACK 8461")] {
            assert_eq!(world.effect(&text), [refused.as_str()], "{text}");
            assert_eq!(world.fire(world.shot(&text).without_df()), [refused.as_str()], "{text}");
            let many = world.shot(&text.replace("8461", "40000"));
            assert_eq!(world.fire(many.clone().segments(8461)), [refused.as_str()], "{text}");
            assert_eq!(world.fire(many.segments(8460)).len(), 1);
        }
    }
    let large = udp("app: 10.0.1.10:9 > 10.0.2.50:53", 8501);
    assert_eq!(
        world.fire(world.shot(&large).without_df()),
        ["drop PATH_MTU_EXCEEDED at vpce-provider"],
        "as the first packet, too"
    );
}

/// B1.5-11: the pieces of a packet without DF; put together, they are what it was.
#[test]
fn without_df_it_is_fragmented() {
    let inter_region = World::with(|tables| tables.peerings[0].inter_region = true);
    let nat = World::new();
    for (world, text, seen, mtu, ttl) in [
        (&World::new(), "pub: 10.0.3.10:9 > 198.51.100.10:53 udp 4000", "internet: 203.0.113.1", 1500, 64),
        (&nat, "app: 10.0.1.10:9 > 198.51.100.10:53 udp 4000", "internet: 203.0.113.2", 1500, 63),
        (&inter_region, "app: 10.0.1.10:9 > 10.1.1.10:53 udp 8600", "far: 10.0.1.10", 8500, 64),
    ] {
        // Twice: as the first packet of a flow, and of one that stands; the checksum complete, and left to be finished.
        for partial in [false, true] {
            let mut shot = world.shot(text).without_df().identified(77);
            if partial {
                shot = shot.partial();
            }
            let whole = crate::dataplane::tests::lab::ipv4(&world.shot(text).frame);
            let (lines, frames) = world.frames(shot);
            assert_eq!(lines.len(), frames.len(), "{lines:?}");
            let longest = (mtu - 20) / 8 * 8;
            assert_eq!(lines.len(), (whole.payload_len + 8).div_ceil(longest), "{lines:?}");
            assert!(lines.iter().all(|line| line.starts_with(seen)), "{lines:?}");
            let mut together = Vec::new();
            for (number, (_, frame)) in frames.iter().enumerate() {
                let packet = crate::dataplane::tests::lab::ipv4(frame);
                assert_eq!(usize::from(packet.fragment_offset), together.len());
                assert_eq!((packet.identification, packet.ttl), (77, ttl));
                assert_eq!(packet.more_fragments, number + 1 < frames.len());
                assert!(usize::from(packet.total_len) <= mtu);
                together.extend_from_slice(&frame[34..packet.end()]);
            }
            let udp = etherparse::UdpSlice::from_slice(&together).expect("a datagram");
            let [source, destination] =
                [12, 16].map(|at| <[u8; 4]>::try_from(&frames[0].1[14 + at..18 + at]).expect("four bytes"));
            let expected = udp.to_header().calc_checksum_ipv4_raw(source, destination, udp.payload()).expect("fits");
            assert_eq!((udp.checksum(), udp.payload().len()), (expected, whole.payload_len));
        }
    }
}

/// B1.5-9: the error that tells the MTU crosses network ACLs like everything else, whoever sends it.
#[test]
fn path_mtu_discovery_needs_icmp_through_acls() {
    let any = "0.0.0.0/0";
    let tcp = || entry(true, Selector::Protocol(protocol::TCP), any);
    let needed = || entry(true, Selector::Icmp(Some(3), Some(4)), any);
    let large = "app: 10.0.1.10:9 > 10.1.1.10:80 tcp ACK 8461";
    let syn = "app: 10.0.1.10:9 > 10.1.1.10:80 tcp SYN";
    let told = "app: 10.0.3.200 > 10.0.1.10 icmp 3/4 mtu 8500 quoting 10.0.1.10:9 > 10.1.1.10:80 tcp";
    let too_big = "drop PATH_MTU_EXCEEDED at nat-1";
    for (a_in, n_out, heard) in [
        (vec![tcp()], vec![all()], "drop SUBNET_ACL_RESTRICTION at acl-a"),
        (vec![tcp(), needed()], vec![all()], told),
        (vec![all()], vec![tcp()], "drop SUBNET_ACL_RESTRICTION at acl-n"),
        (vec![all()], vec![tcp(), needed()], told),
    ] {
        let world = World::with(|tables| {
            replace_route(tables, A, "10.1.0.0/16", NAT);
            set_acl(tables, A, a_in, vec![all()]);
            set_acl(tables, N, vec![all()], n_out);
        });
        world.passes(syn, "far: 10.0.3.200:1024 > 10.1.1.10:80 tcp SYN ttl 63");
        let mut expected = [heard, too_big];
        if heard.starts_with("drop") {
            expected.sort_unstable_by_key(|line| *line == too_big);
        }
        assert_eq!(world.effect(large), expected);
    }
    // A guest's own error, out of its subnet and into the other's.
    let error = |world: &World| {
        world.effect("app: 10.0.1.10:9 > 10.0.2.10:80 tcp SYN");
        let quoted = "it: 10.0.1.10:9 > 10.0.2.10:80 tcp SYN";
        world.fire(error_about(world, "db: 10.0.2.10 > 10.0.1.10 icmp 3/4", (3, 4), quoted))
    };
    let told = "app: 10.0.2.10 > 10.0.1.10 icmp 3/4 mtu 0 quoting 10.0.1.10:9 > 10.0.2.10:80 tcp";
    for (a_in, b_out, heard) in [
        (vec![tcp()], vec![all()], "drop SUBNET_ACL_RESTRICTION at acl-a"),
        (vec![all()], vec![tcp()], "drop SUBNET_ACL_RESTRICTION at acl-b"),
        (vec![tcp(), needed()], vec![tcp(), needed()], told),
    ] {
        let world = World::with(|tables| {
            set_acl(tables, A, a_in, vec![all()]);
            set_acl(tables, B, vec![all()], b_out);
        });
        assert_eq!(error(&world), [heard]);
    }
}

/// B1.5-10.
#[test]
fn traceroute_needs_icmp_through_acls() {
    let any = "0.0.0.0/0";
    let udp = || entry(true, Selector::Protocol(protocol::UDP), any);
    let exceeded = || entry(true, Selector::Icmp(Some(11), Some(0)), any);
    let told = "app: 10.0.3.200 > 10.0.1.10 icmp 11/0 quoting 10.0.1.10:9 > 198.51.100.10:33434 udp";
    for (a_in, heard) in [(vec![udp()], "drop SUBNET_ACL_RESTRICTION at acl-a"), (vec![udp(), exceeded()], told)] {
        let world = World::with(|tables| set_acl(tables, A, a_in, vec![all()]));
        let probe = world.shot("app: 10.0.1.10:9 > 198.51.100.10:33434 udp 12").ttl(1);
        assert_eq!(world.fire(probe), [heard, "drop TTL_EXCEEDED at nat-1"]);
    }
}
