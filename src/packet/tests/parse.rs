use super::super::{Malformed, build, quoted};
use super::*;

proptest! {
    #[test]
    fn parse_after_build_is_identity(sample in any_sample(), padding in proptest::collection::vec(any::<u8>(), 0..46)) {
        let mut frame = sample.frame();
        let frame_len = frame.len();
        frame.extend(padding);
        let packet = ipv4(&frame);
        prop_assert_eq!(
            Ends {
                source_mac: packet.source_mac,
                destination_mac: packet.destination_mac,
                source: packet.source,
                destination: packet.destination,
            },
            sample.ends
        );
        prop_assert_eq!((packet.source_port, packet.destination_port), sample.ports);
        prop_assert_eq!((packet.protocol, packet.fragment, packet.ttl), (sample.protocol, Fragment::None, sample.ttl));
        prop_assert_eq!(packet.end(), frame_len);
        prop_assert_eq!((packet.l4_offset, usize::from(packet.ip_payload_len())), (34, frame_len - 34));
        prop_assert_eq!((packet.fragment_offset, packet.more_fragments), (0, false));
        prop_assert_eq!(&frame[packet.payload_offset..][..packet.payload_len], &sample.payload[..]);
        if sample.protocol == protocol::TCP {
            prop_assert_eq!(packet.tcp_flags, sample.tcp_flags);
            prop_assert_eq!((packet.tcp_sequence, packet.tcp_acknowledgment), (sample.sequence, sample.acknowledgment));
            prop_assert_eq!(packet.tcp_header_len, 20 + sample.tcp_options.len());
        }
        if sample.protocol == protocol::ICMP {
            prop_assert_eq!((packet.icmp_type, packet.icmp_code), (sample.icmp_type, 0));
            prop_assert!(packet.is_icmp_echo() && !packet.is_icmp_error());
        }
    }

    /// Whatever the options say, and even when they say nothing (only the end of options, or NOPs).
    #[test]
    fn every_frame_with_options_is_refused(sample in any_quotable()) {
        prop_assume!(!sample.ip_options.is_empty());
        prop_assert_eq!(parse(&sample.frame()), Err(Malformed::Ipv4Options));
    }

    /// A quote of a packet with options still names its flow.
    #[test]
    fn quotes_with_options_are_read(sample in any_quotable()) {
        let frame = build::icmp(&ends(), 3, 4, [0; 4], &sample.frame()[14..]);
        let inner = quoted(&frame, &ipv4(&frame)).unwrap();
        prop_assert_eq!((inner.source, inner.destination), (sample.ends.source, sample.ends.destination));
        prop_assert_eq!((inner.source_port, inner.destination_port), sample.ports);
        prop_assert_eq!(inner.l4_offset, 42 + 20 + sample.ip_options.len());
    }

    /// Where a fragment stands is what etherparse wrote, for every place that an IPv4 datagram has.
    #[test]
    fn fragments_tell_their_place(eights in 0..8192_u16, more: bool, len in 1..30_u16) {
        let len = len * 8;
        let mut frame = build::later_fragment(&ends(), 47, eights * 8, &vec![7; len.into()]);
        frame[20] |= if more { 0x20 } else { 0 };
        if 20 + u32::from(eights) * 8 + u32::from(len) > 65_535 {
            prop_assert_eq!(parse(&frame), Err(Malformed::FragmentExtent));
        } else {
            let packet = ipv4(&frame);
            let expected = match (eights, more) {
                (0, false) => Fragment::None,
                (0, true) => Fragment::First,
                _ => Fragment::Later,
            };
            prop_assert_eq!((packet.fragment, packet.fragment_offset), (expected, eights * 8));
            prop_assert_eq!((packet.more_fragments, packet.ip_payload_len()), (more, len));
        }
    }

    #[test]
    fn every_shorter_frame_is_malformed(sample in any_sample(), keep in any::<prop::sample::Index>()) {
        let frame = sample.frame();
        prop_assert!(parse(&frame[..keep.index(frame.len())]).is_err());
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    /// Noise seldom gets past the EtherType; damage to good frames reaches every rule.
    #[test]
    fn damage_never_panics(
        sample in any_sample(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        keep in any::<prop::sample::Index>(),
        rewrite in any_rewrite(),
        header: [u8; 10],
        partial: bool,
    ) {
        let mut frame = sample.frame();
        let frame_len = frame.len();
        for (index, value) in damage {
            frame[index.index(frame_len)] = value;
        }
        if let Ok(Parsed::Ipv4(packet)) = parse(&frame) {
            // What follows must hold even when the frame is not the one that was parsed.
            frame.truncate(keep.index(frame_len + 1));
            let checksum = if partial { L4Checksum::Partial } else { L4Checksum::Complete };
            if let Ok(offload) = super::super::offload::check(&header, &packet, frame_len, 1500) {
                super::super::offload::emit(&offload, &packet);
            }
            if let Ok(inner) = quoted(&frame, &packet) {
                super::super::rewrite_quoted(&mut frame, &packet, &inner, &rewrite, checksum);
            }
            super::super::clamp_mss(&mut frame, &packet, 1000, checksum);
            super::super::rewrite(&mut frame, &packet, &rewrite, checksum);
            super::super::complete_checksum(&mut frame, &packet);
            build::tcp_reset(&packet);
            build::tcp_reset_onward(&packet);
            build::fragmentation_needed(&frame, &packet, checksum, Ipv4Addr::LOCALHOST, 1500);
        }
    }

    #[test]
    fn noise_in_an_icmp_error_never_panics(quote in proptest::collection::vec(any::<u8>(), 0..80), rewrite in any_rewrite()) {
        let mut frame = build::icmp(&ends(), 3, 4, [0; 4], &quote);
        let packet = ipv4(&frame);
        if let Ok(inner) = quoted(&frame, &packet) {
            super::super::rewrite_quoted(&mut frame, &packet, &inner, &rewrite, L4Checksum::Complete);
            // Whatever became of the quote, the checksum around it is the one that etherparse computes in full.
            let expected = build::icmp(&ends(), 3, 4, [0; 4], &frame[packet.payload_offset..]);
            prop_assert_eq!(frame, expected);
        }
    }
}

#[test]
fn other_ether_types_are_named_not_errors() {
    for ether_type in [0x86dd_u16, 0x8100, 0x88cc, 46] {
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
        assert_eq!(parse(&frame), Ok(Parsed::Other { ether_type }));
    }
}

#[test]
fn a_later_fragment_has_no_ports_though_its_bytes_look_like_some() {
    let frame = build::later_fragment(&ends(), protocol::UDP, 1480, &[0xff; 64]);
    let packet = ipv4(&frame);
    assert_eq!(packet.fragment, Fragment::Later);
    assert_eq!((packet.source_port, packet.destination_port), (0, 0));
    assert_eq!((packet.payload_offset, packet.payload_len), (34, 64));
}

#[test]
fn a_first_fragment_of_udp_is_shorter_than_its_length_field() {
    let mut frame = build::udp(&ends(), 7, 9, &[0; 64]);
    frame[20] = 0x20; // more fragments, no DF
    frame[38..40].copy_from_slice(&4000_u16.to_be_bytes());
    let packet = ipv4(&frame);
    assert_eq!((packet.fragment, packet.payload_len, packet.destination_port), (Fragment::First, 64, 9));
    frame[20] = 0x40;
    assert_eq!(parse(&frame), Err(Malformed::UdpLength));
}

#[test]
fn only_the_last_fragment_may_end_between_two_eights() {
    let mut frame = build::later_fragment(&ends(), protocol::UDP, 1480, &[0; 63]);
    assert!(parse(&frame).is_ok());
    frame[20] |= 0x20;
    assert_eq!(parse(&frame), Err(Malformed::FragmentExtent));
}

#[test]
fn labels_are_distinct() {
    let mut labels = Vec::from(Malformed::ALL.map(Malformed::label));
    labels.extend(super::super::BadOffload::ALL.map(super::super::BadOffload::label));
    let count = labels.len();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), count);
}
