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
fn what_must_not_be_answered_is_not() {
    let error = build::icmp(&ends(), icmp::TIME_EXCEEDED, 0, [0; 4], &build::udp(&ends(), 1, 2, &[])[14..]);
    let later = build::later_fragment(&ends(), protocol::UDP, 1480, &[0; 64]);
    let nobody = build::udp(&Ends { source: Ipv4Addr::UNSPECIFIED, ..ends() }, 68, 67, &[]);
    let group = build::udp(&Ends { destination: Ipv4Addr::new(224, 0, 0, 251), ..ends() }, 1, 2, &[]);
    for frame in [error, later, nobody, group] {
        let packet = ipv4(&frame);
        let answer = build::icmp_error(&frame, &packet, L4Checksum::Complete, ends().destination, (3, 1), [0; 4]);
        assert_eq!(answer, None, "{packet:?}");
    }
}
