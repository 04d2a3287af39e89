use super::super::build::{self, Segment};
use super::super::tcp_flags::{ACK, FIN, PSH, RST, SYN};
use super::super::{Arp, icmp, quoted};
use super::*;

fn reset_of(segment: &Segment) -> Option<Packet> {
    build::tcp_reset(&ipv4(&build::tcp(&ends(), segment))).map(|frame| ipv4(&frame))
}

#[test]
fn a_reset_to_a_syn_acknowledges_it() {
    let syn = Segment { source_port: 40000, destination_port: 443, flags: SYN, sequence: 99, ..Default::default() };
    let reset = reset_of(&syn).unwrap();
    assert_eq!((reset.tcp_flags, reset.tcp_sequence, reset.tcp_acknowledgment), (RST | ACK, 0, 100));
    assert_eq!((reset.source, reset.destination), (ends().destination, ends().source));
    assert_eq!((reset.source_mac, reset.destination_mac), (ends().destination_mac, ends().source_mac));
    assert_eq!((reset.source_port, reset.destination_port), (443, 40000));
}

#[test]
fn a_reset_counts_payload_and_fin_and_wraps() {
    let segment = Segment { flags: SYN | FIN | PSH, sequence: u32::MAX, payload: b"abc", ..Default::default() };
    assert_eq!(reset_of(&segment).unwrap().tcp_acknowledgment, 4);
}

#[test]
fn a_reset_to_an_acknowledging_segment_takes_its_number() {
    let segment = Segment { flags: ACK, sequence: 5, acknowledgment: 77, payload: b"abc", ..Default::default() };
    let reset = reset_of(&segment).unwrap();
    assert_eq!((reset.tcp_flags, reset.tcp_sequence, reset.tcp_acknowledgment), (RST, 77, 0));
}

/// Where a passing packet is dropped and both ends are told: each reset has the number that its receiver expects.
#[test]
fn a_reset_onward_stands_in_the_packets_place() {
    let segment = Segment {
        source_port: 40000,
        destination_port: 443,
        flags: PSH | ACK,
        sequence: 5,
        acknowledgment: 77,
        payload: b"abc",
        ..Default::default()
    };
    let packet = ipv4(&build::tcp(&ends(), &segment));
    let onward = ipv4(&build::tcp_reset_onward(&packet).unwrap());
    assert_eq!((onward.tcp_flags, onward.tcp_sequence, onward.tcp_acknowledgment), (RST | ACK, 5, 77));
    assert_eq!((onward.source_port, onward.destination_port, onward.payload_len), (40000, 443, 0));
    assert_eq!(Ends::of(&onward), ends());
    let back = reset_of(&segment).unwrap();
    assert_eq!((back.tcp_flags, back.tcp_sequence), (RST, 77));

    let opening = |flags| build::tcp_reset_onward(&ipv4(&build::tcp(&ends(), &Segment { flags, ..segment })));
    assert_eq!(opening(SYN), None, "nobody has anything to end");
    assert!(opening(SYN | ACK).is_some(), "the side that opened waits for this one");
    assert_eq!(opening(RST), None);
    assert_eq!(build::tcp_reset_onward(&ipv4(&build::udp(&ends(), 1, 2, &[]))), None);
}

#[test]
fn nothing_resets_a_reset() {
    assert_eq!(reset_of(&Segment { flags: RST, ..Default::default() }), None);
    assert_eq!(build::tcp_reset(&ipv4(&build::udp(&ends(), 1, 2, &[]))), None);
    assert_eq!(build::tcp_reset(&ipv4(&build::later_fragment(&ends(), protocol::TCP, 1480, &[0; 8]))), None);
}

proptest! {
    #[test]
    fn an_arp_reply_answers_the_request(sender_mac: [u8; 6], sender: [u8; 4], target: [u8; 4], answer: [u8; 6]) {
        let question = build::arp_request(sender_mac, sender.into(), target.into());
        prop_assert_eq!(&question[..6], &[0xff; 6][..]);
        let Ok(Parsed::Arp(request)) = parse(&question) else { panic!("a request parses") };
        let expected = Arp {
            operation: Arp::REQUEST,
            sender_mac,
            sender_ip: sender.into(),
            target_mac: [0; 6],
            target_ip: target.into(),
        };
        prop_assert_eq!(request, expected);
        let reply = build::arp_reply(&request, answer);
        prop_assert_eq!(&reply[..12], &[sender_mac, answer].concat()[..]);
        let expected = Arp {
            operation: Arp::REPLY,
            sender_mac: answer,
            sender_ip: target.into(),
            target_mac: sender_mac,
            target_ip: sender.into(),
        };
        prop_assert_eq!(parse(&reply), Ok(Parsed::Arp(expected)));
    }

    /// A quote is the packet as it would be on a wire, even when it was met with its checksum unfinished.
    #[test]
    fn errors_quote_finished_packets(sample in sample_of(&[protocol::TCP, protocol::UDP]), mtu: u16) {
        let mut sample = sample;
        sample.ends = ends();
        let whole = sample.frame();
        let mut partial = whole.clone();
        make_partial(&mut partial);
        let router = Ipv4Addr::new(10, 0, 1, 1);
        let packet = ipv4(&partial);
        let error = build::fragmentation_needed(&partial, &packet, L4Checksum::Partial, router, mtu).unwrap();
        let outer = ipv4(&error);
        prop_assert_eq!((outer.source, outer.destination), (router, sample.ends.source));
        prop_assert_eq!((outer.icmp_type, outer.icmp_code), (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED));
        prop_assert_eq!(u16::from_be_bytes([error[40], error[41]]), mtu);
        prop_assert_eq!(&error[42..], &whole[14..]);
        prop_assert_eq!(quoted(&error, &outer).unwrap().destination, sample.ends.destination);
    }
}

#[test]
fn an_error_is_at_most_576_bytes() {
    let frame = build::udp(&ends(), 1, 2, &[0; 1400]);
    let packet = ipv4(&frame);
    let error = build::fragmentation_needed(&frame, &packet, L4Checksum::Complete, ends().destination, 1300).unwrap();
    assert_eq!(error.len(), 14 + 576);
}

#[test]
fn each_error_says_what_it_is() {
    let frame = build::udp(&ends(), 7, 9, b"hello");
    let packet = ipv4(&frame);
    let hop = Ipv4Addr::new(10, 0, 9, 9);
    let errors = [
        (build::time_exceeded(&frame, &packet, L4Checksum::Complete, hop), icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED),
        (
            build::unreachable(&frame, &packet, L4Checksum::Complete, hop, icmp::PORT_UNREACHABLE),
            icmp::UNREACHABLE,
            icmp::PORT_UNREACHABLE,
        ),
    ];
    for (error, icmp_type, code) in errors {
        let error = error.unwrap();
        let outer = ipv4(&error);
        assert_eq!((outer.icmp_type, outer.icmp_code), (icmp_type, code));
        assert_eq!((outer.source, outer.destination, outer.ttl), (hop, ends().source, build::TTL));
        assert_eq!((outer.source_mac, outer.destination_mac), (ends().destination_mac, ends().source_mac));
        // RFC 792: unused, zero.
        assert_eq!(error[38..42], [0; 4]);
        let inner = quoted(&error, &outer).unwrap();
        assert_eq!((inner.source_port, inner.destination_port), (7, 9));
    }
}

/// The sizes and completeness of every error, whatever it is about.
#[test]
fn every_error_quotes_a_finished_packet_and_fits_576_bytes() {
    type Reporter = fn(&[u8], &Packet, L4Checksum) -> Option<Vec<u8>>;
    let reporters: [Reporter; 3] = [
        |frame, packet, checksum| build::time_exceeded(frame, packet, checksum, Ipv4Addr::new(10, 0, 9, 9)),
        |frame, packet, checksum| build::unreachable(frame, packet, checksum, Ipv4Addr::new(10, 0, 9, 9), 1),
        |frame, packet, checksum| {
            build::fragmentation_needed(frame, packet, checksum, Ipv4Addr::new(10, 0, 9, 9), 1500)
        },
    ];
    for payload_len in [0, 1, 519, 520, 521, 1400, 60_000] {
        let whole = build::udp(&ends(), 1, 2, &vec![7; payload_len]);
        let mut partial = whole.clone();
        make_partial(&mut partial);
        for report in reporters {
            let error = report(&partial, &ipv4(&partial), L4Checksum::Partial).unwrap();
            assert_eq!(error.len(), (42 + whole.len() - 14).min(14 + 576));
            assert_eq!(error[42..], whole[14..][..error.len() - 42], "a quote of {payload_len}");
        }
    }
}

#[test]
fn what_must_not_be_answered_is_not() {
    let about = |ends: Ends| build::udp(&ends, 68, 67, &[]);
    let cases = [
        ("an ICMP error", build::icmp(&ends(), icmp::TIME_EXCEEDED, 0, [0; 4], &about(ends())[14..])),
        ("a later fragment", build::later_fragment(&ends(), protocol::UDP, 1480, &[0; 64])),
        ("from nobody", about(Ends { source: Ipv4Addr::UNSPECIFIED, ..ends() })),
        ("from this network", about(Ends { source: Ipv4Addr::new(0, 1, 2, 3), ..ends() })),
        ("from loopback", about(Ends { source: Ipv4Addr::LOCALHOST, ..ends() })),
        ("from a group", about(Ends { source: Ipv4Addr::new(224, 0, 0, 1), ..ends() })),
        ("from a reserved address", about(Ends { source: Ipv4Addr::new(240, 0, 0, 1), ..ends() })),
        ("from everybody", about(Ends { source: Ipv4Addr::BROADCAST, ..ends() })),
        ("to a group", about(Ends { destination: Ipv4Addr::new(224, 0, 0, 251), ..ends() })),
        ("to everybody", about(Ends { destination: Ipv4Addr::BROADCAST, ..ends() })),
        ("to everybody on the link", about(Ends { destination_mac: [0xff; 6], ..ends() })),
    ];
    for (what, frame) in cases {
        let packet = ipv4(&frame);
        assert!(!build::may_report(&packet), "{what}");
        assert_eq!(build::time_exceeded(&frame, &packet, L4Checksum::Complete, ends().destination), None, "{what}");
    }
    let ping = build::echo_request(&ends(), 1, 1, &[]);
    assert!(build::may_report(&ipv4(&ping)), "a ping may be reported: traceroute -I lives on it");
}
