use super::super::{build, clamp_mss, complete_checksum, icmp, quoted, rewrite, rewrite_quoted};
use super::*;

/// An ICMP checksum has no pseudo-header, so 0 and 0xffff are both right: compare them as one.
fn canonical(mut frame: Vec<u8>) -> Vec<u8> {
    // By hand: a packet with IP options, as quotes may hold, does not parse as a frame.
    if frame[23] == protocol::ICMP {
        let at = 14 + usize::from(frame[14] & 0xf) * 4 + 2;
        if frame[at..at + 2] == [0, 0] {
            frame[at..at + 2].fill(0xff);
        }
    }
    frame
}

proptest! {
    /// Every byte, checksums included, is what etherparse writes for the new addresses and ports.
    #[test]
    fn rewriting_gives_what_building_gives(sample in any_sample(), change in any_rewrite()) {
        let mut frame = sample.frame();
        let packet = ipv4(&frame);
        rewrite(&mut frame, &packet, &change, L4Checksum::Complete);
        prop_assert_eq!(canonical(frame), canonical(sample.rewritten(&change).frame()));
    }

    #[test]
    fn partial_checksums_follow_addresses_only(
        sample in sample_of(&[protocol::TCP, protocol::UDP]),
        change in any_rewrite(),
    ) {
        let mut frame = sample.frame();
        make_partial(&mut frame);
        let packet = ipv4(&frame);
        rewrite(&mut frame, &packet, &change, L4Checksum::Partial);
        let complete = sample.rewritten(&change).frame();
        let mut expected = complete.clone();
        make_partial(&mut expected);
        prop_assert_eq!(&frame, &expected);
        // And the reader that finishes it gets the very checksum of the built packet.
        let packet = ipv4(&frame);
        complete_checksum(&mut frame, &packet);
        prop_assert_eq!(frame, complete);
    }

    #[test]
    fn un_nat_after_nat_is_identity(sample in any_sample(), change in any_rewrite(), partial: bool) {
        let partial = partial && sample.protocol != protocol::ICMP;
        let checksum = if partial { L4Checksum::Partial } else { L4Checksum::Complete };
        let mut frame = sample.frame();
        if partial {
            make_partial(&mut frame);
        }
        let packet = ipv4(&frame);
        // All but the hop, which no way back gives back.
        let hop = Rewrite { decrement_ttl: change.decrement_ttl, ..undoing(&sample) };
        let mut before = frame.clone();
        rewrite(&mut before, &packet, &hop, checksum);
        rewrite(&mut frame, &packet, &change, checksum);
        let back = undoing(&sample);
        let there = ipv4(&frame);
        rewrite(&mut frame, &there, &back, checksum);
        prop_assert_eq!(canonical(frame), canonical(before));
    }

    /// A receiver that finds the damage before also finds it after: an update never repairs.
    #[test]
    fn a_wrong_checksum_stays_wrong(sample in any_sample(), change in any_rewrite(), error in 1..0xffff_u16) {
        let mut frame = sample.frame();
        let packet = ipv4(&frame);
        let at = packet.l4_offset + [16, 6, 2][[6, 17, 1].iter().position(|&p| p == packet.protocol).unwrap()];
        let right = u16::from_be_bytes([frame[at], frame[at + 1]]);
        // Adding 1..0xfffe in one's complement changes the class of the value.
        let wrong = ((u32::from(right) + u32::from(error)) % 0xffff) as u16;
        prop_assume!(wrong % 0xffff != right % 0xffff && wrong != 0);
        frame[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
        rewrite(&mut frame, &packet, &change, L4Checksum::Complete);
        let expected = sample.rewritten(&change).frame();
        let (found, right) = ([frame[at], frame[at + 1]], [expected[at], expected[at + 1]]);
        prop_assert_ne!(u16::from_be_bytes(found) % 0xffff, u16::from_be_bytes(right) % 0xffff);
    }

    /// Fragments that are rewritten one by one reassemble to the rewritten datagram.
    #[test]
    fn fragments_reassemble_to_the_rewritten_datagram(sample in any_sample(), change in any_rewrite(), cut in 1..30_usize) {
        let mut sample = sample;
        sample.payload.resize(sample.payload.len() + 300, 7);
        let whole = sample.frame();
        let l4_offset = ipv4(&whole).l4_offset;
        // The first fragment holds the whole L4 header, as RFC 1858 asks.
        let cut = l4_offset + (cut * 8).max(64);
        let (mut first, mut later) = (whole[..cut].to_vec(), [&whole[..l4_offset], &whole[cut..]].concat());
        set_fragment(&mut first, 0, true);
        set_fragment(&mut later, cut - l4_offset, false);
        for frame in [&mut first, &mut later] {
            let packet = ipv4(frame);
            rewrite(frame, &packet, &change, L4Checksum::Complete);
            let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header();
            prop_assert_eq!(header.header_checksum, header.calc_header_checksum());
        }
        let reassembled = [&first[l4_offset..], &later[l4_offset..]].concat();
        let expected = canonical(sample.rewritten(&change).frame());
        let mut whole_again = expected.clone();
        whole_again[l4_offset..].copy_from_slice(&reassembled);
        prop_assert_eq!(canonical(whole_again), expected);
    }

    /// The quote becomes what the rewritten packet would have been quoted as, and etherparse agrees with the outer checksum.
    #[test]
    fn quotes_are_rewritten_as_packets_are(sample in any_quotable(), change in any_rewrite(), keep in 0..300_usize) {
        let inner = sample.frame();
        let l4_offset = 34 + sample.ip_options.len();
        let end = (l4_offset + 8 + keep).min(inner.len());
        let mut frame = build::icmp(&ends(), 3, 4, [0, 0, 5, 220], &inner[14..end]);
        let packet = ipv4(&frame);
        prop_assert!(packet.is_icmp_error());
        let quote = quoted(&frame, &packet).unwrap();
        prop_assert_eq!((quote.source, quote.destination), (sample.ends.source, sample.ends.destination));
        prop_assert_eq!((quote.source_port, quote.destination_port), sample.ports);
        rewrite_quoted(&mut frame, &packet, &quote, &change, L4Checksum::Complete);

        let inner_change = Rewrite { decrement_ttl: false, ..change };
        let mut expected = canonical(sample.rewritten(&inner_change).frame());
        // Half a checksum can't be updated by difference, so a quote that ends in the middle of one keeps that byte.
        let checksum_at = l4_offset + match sample.protocol { protocol::TCP => 16, protocol::UDP => 6, _ => 2 };
        if end == checksum_at + 1 {
            expected[checksum_at] = inner[checksum_at];
        }
        prop_assert_eq!(frame, build::icmp(&ends(), 3, 4, [0, 0, 5, 220], &expected[14..end]));
    }

    /// Out through a NAT and back in again, an ICMP error is what it was: header, quote, and identifiers of quoted echoes.
    #[test]
    fn un_nat_after_nat_is_identity_in_quotes(
        sample in any_quotable(),
        change in any_rewrite(),
        outer in any_rewrite(),
        keep in 0..300_usize,
    ) {
        let inner = sample.frame();
        let end = (34 + sample.ip_options.len() + 8 + keep).min(inner.len());
        let mut frame = build::icmp(&ends(), 11, 0, [0; 4], &canonical(inner)[14..end]);
        let before = frame.clone();
        let outer = Rewrite { decrement_ttl: false, ..outer };
        let back = Rewrite {
            source_mac: ends().source_mac,
            destination_mac: ends().destination_mac,
            source: Some(ends().source),
            destination: Some(ends().destination),
            ..Rewrite::default()
        };
        for (inside, outside) in [(change, outer), (undoing(&sample), back)] {
            let packet = ipv4(&frame);
            let quote = quoted(&frame, &packet).unwrap();
            rewrite_quoted(&mut frame, &packet, &quote, &inside, L4Checksum::Complete);
            rewrite(&mut frame, &packet, &outside, L4Checksum::Complete);
        }
        prop_assert_eq!(canonical(frame), canonical(before));
    }

    #[test]
    fn quotes_of_partial_packets_stay_partial(sample in sample_of(&[protocol::TCP, protocol::UDP]), change in any_rewrite()) {
        let mut inner = sample.frame();
        make_partial(&mut inner);
        let mut frame = build::icmp(&ends(), 11, 0, [0; 4], &inner[14..]);
        let packet = ipv4(&frame);
        let quote = quoted(&frame, &packet).unwrap();
        rewrite_quoted(&mut frame, &packet, &quote, &change, L4Checksum::Partial);
        let inner_change = Rewrite { decrement_ttl: false, ..change };
        let mut expected = sample.rewritten(&inner_change).frame();
        make_partial(&mut expected);
        prop_assert_eq!(frame, build::icmp(&ends(), 11, 0, [0; 4], &expected[14..]));
    }

    #[test]
    fn mss_is_clamped_at_any_alignment(
        nops in 0..8_usize,
        mss: u16,
        maximum: u16,
        payload in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let syn = |mss: u16| {
            let [high, low] = mss.to_be_bytes();
            let mut options = vec![1; nops];
            options.extend([4, 2, 2, 4, high, low, 3, 3, 7]);
            let flags = super::super::tcp_flags::SYN;
            build::tcp(&ends(), &build::Segment { flags, options: &options, payload: &payload, ..Default::default() })
        };
        let mut frame = syn(mss);
        let packet = ipv4(&frame);
        prop_assert_eq!(clamp_mss(&mut frame, &packet, maximum, L4Checksum::Complete), mss > maximum);
        prop_assert_eq!(&frame, &syn(mss.min(maximum)));

        let mut partial = syn(mss);
        make_partial(&mut partial);
        clamp_mss(&mut partial, &packet, maximum, L4Checksum::Partial);
        let mut expected = syn(mss.min(maximum));
        make_partial(&mut expected);
        prop_assert_eq!(partial, expected);
    }
}

/// The way back of any rewrite of this sample.
fn undoing(sample: &Sample) -> Rewrite {
    Rewrite {
        source_mac: sample.ends.source_mac,
        destination_mac: sample.ends.destination_mac,
        source: Some(sample.ends.source),
        destination: Some(sample.ends.destination),
        source_port: Some(sample.ports.0),
        destination_port: Some(sample.ports.1),
        decrement_ttl: false,
    }
}

fn set_fragment(frame: &mut [u8], offset: usize, more: bool) {
    let total_len = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total_len.to_be_bytes());
    let word = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    frame[20..22].copy_from_slice(&word.to_be_bytes());
    let checksum = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header().calc_header_checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

fn udp_checksum(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[40], frame[41]])
}

fn to(destination: Ipv4Addr) -> Rewrite {
    Rewrite { destination: Some(destination), ..Rewrite::default() }
}

#[test]
fn a_udp_checksum_of_zero_stays_none() {
    let mut frame = build::udp(&ends(), 1, 2, b"odd");
    frame[40..42].fill(0);
    let packet = ipv4(&frame);
    rewrite(&mut frame, &packet, &to(Ipv4Addr::new(10, 9, 8, 7)), L4Checksum::Complete);
    assert_eq!(udp_checksum(&frame), 0);
}

#[test]
fn a_partial_udp_field_of_zero_is_a_sum() {
    let mut frame = build::udp(&ends(), 1, 2, b"odd");
    // A pseudo-header sum is never 0; 0 stands for a sum of 0xffff here, as both are zero in one's complement.
    frame[40..42].fill(0);
    let packet = ipv4(&frame);
    rewrite(&mut frame, &packet, &to(Ipv4Addr::new(52, 216, 0, 6)), L4Checksum::Partial);
    assert_eq!(udp_checksum(&frame), 1, "the destination grew by one");
}

#[test]
fn a_completed_udp_zero_is_sent_as_its_twin() {
    // The payload word is chosen so that the checksum after the rewrite is 0: the sum without it, complemented.
    let target = Ipv4Addr::new(10, 9, 8, 7);
    let after = Ends { destination: target, ..ends() };
    let word = udp_checksum(&build::udp(&after, 1, 2, &[0, 0]));
    let mut frame = build::udp(&ends(), 1, 2, &word.to_be_bytes());
    assert_ne!(udp_checksum(&frame), 0xffff);
    let packet = ipv4(&frame);
    rewrite(&mut frame, &packet, &to(target), L4Checksum::Complete);
    assert_eq!(udp_checksum(&frame), 0xffff);
}

#[test]
fn an_all_zero_echo_reply_gets_the_checksum_that_receivers_take() {
    let mut frame = build::echo_reply(&ends(), 5, 0, &[]);
    let packet = ipv4(&frame);
    let change = Rewrite { destination_port: Some(0), ..Rewrite::default() };
    rewrite(&mut frame, &packet, &change, L4Checksum::Complete);
    assert_eq!(frame[36..38], [0xff, 0xff], "Linux rejects 0 for a message of zeros");
}

#[test]
fn an_echo_has_one_identifier() {
    let change = Rewrite { source_port: Some(100), destination_port: Some(200), ..Rewrite::default() };
    for (mut frame, identifier) in
        [(build::echo_request(&ends(), 5, 0, &[]), 100), (build::echo_reply(&ends(), 5, 0, &[]), 200)]
    {
        let packet = ipv4(&frame);
        rewrite(&mut frame, &packet, &change, L4Checksum::Complete);
        assert_eq!(ipv4(&frame).source_port, identifier);
    }
}

/// A ping through a NAT that lends identifier 1024 for 5: the request and its reply, and the errors about either.
#[test]
fn a_nat_follows_a_ping_and_the_errors_about_it() {
    let (inside, nat, outside) = (ends().source, Ipv4Addr::new(10, 0, 9, 9), ends().destination);
    let out = Rewrite { source: Some(nat), source_port: Some(1024), decrement_ttl: true, ..Rewrite::default() };
    let back = Rewrite { destination: Some(inside), destination_port: Some(5), ..Rewrite::default() };
    // What an error quotes goes the other way round than the error.
    let turned = |it: &Rewrite| Rewrite {
        source: it.destination,
        destination: it.source,
        source_port: it.destination_port,
        destination_port: it.source_port,
        ..*it
    };
    let from = |source, destination| Ends { source, destination, ..ends() };

    let mut request = build::echo_request(&from(inside, outside), 5, 1, b"data");
    let packet = ipv4(&request);
    rewrite(&mut request, &packet, &out, L4Checksum::Complete);
    let packet = ipv4(&request);
    assert_eq!((packet.source, packet.source_port, packet.ttl), (nat, 1024, build::TTL - 1));

    let mut reply = build::echo_reply(&from(outside, nat), 1024, 1, b"data");
    let packet = ipv4(&reply);
    rewrite(&mut reply, &packet, &back, L4Checksum::Complete);
    let packet = ipv4(&reply);
    assert_eq!((packet.destination, packet.destination_port, packet.ttl), (inside, 5, build::TTL));

    let cases = [
        // Time exceeded from the internet, about the request as it left the NAT.
        (request, back, (inside, 5)),
        // Unreachable from the inside host, about the reply as it got it.
        (reply, out, (nat, 1024)),
    ];
    for (about, way, (address, identifier)) in cases {
        let mut error = build::icmp(&ends(), icmp::TIME_EXCEEDED, 0, [0; 4], &about[14..]);
        let packet = ipv4(&error);
        let quote = quoted(&error, &packet).unwrap();
        rewrite_quoted(&mut error, &packet, &quote, &turned(&way), L4Checksum::Complete);
        let quote = quoted(&error, &ipv4(&error)).unwrap();
        let translated = if quote.icmp_type == icmp::ECHO_REQUEST { quote.source } else { quote.destination };
        assert_eq!((translated, quote.source_port, quote.destination_port), (address, identifier, identifier));
        assert_eq!(error[14 + 28 + 8], about[14 + 8], "the quoted TTL stays");
        assert_eq!(error, build::icmp(&ends(), icmp::TIME_EXCEEDED, 0, [0; 4], &error[42..]));
    }
}

#[test]
fn a_ttl_that_is_used_up_does_not_start_again() {
    let mut frame = build::udp(&ends(), 1, 2, b"");
    let packet = ipv4(&frame);
    let hop = Rewrite { decrement_ttl: true, ..Rewrite::default() };
    for left in (0..build::TTL).rev().chain([0, 0]) {
        rewrite(&mut frame, &packet, &hop, L4Checksum::Complete);
        assert_eq!((ipv4(&frame).ttl, ipv4(&frame).protocol), (left, protocol::UDP));
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
    }
}

#[test]
fn only_a_syn_has_its_mss_clamped() {
    let options = [2, 4, 0x22, 0xf1];
    let segment = build::Segment { flags: super::super::tcp_flags::ACK, options: &options, ..Default::default() };
    let mut frame = build::tcp(&ends(), &segment);
    let packet = ipv4(&frame);
    assert!(!clamp_mss(&mut frame, &packet, 1000, L4Checksum::Complete));
    assert_eq!(frame, build::tcp(&ends(), &segment));
}

#[test]
fn lying_options_end_the_search_for_an_mss() {
    for options in [[3, 0, 2, 4, 0xff, 0xff, 0, 0], [0, 2, 4, 0xff, 0xff, 0, 0, 0], [1, 1, 1, 1, 2, 4, 0xff, 2]] {
        let flags = super::super::tcp_flags::SYN;
        let mut frame = build::tcp(&ends(), &build::Segment { flags, ..Default::default() });
        // etherparse refuses to build such options, so they are put in by hand.
        frame[46] = 7 << 4;
        frame.extend(options);
        frame[16..18].copy_from_slice(&48_u16.to_be_bytes());
        let packet = ipv4(&frame);
        assert_eq!(packet.tcp_header_len, 28);
        let clamped = clamp_mss(&mut frame, &packet, 1000, L4Checksum::Complete);
        assert_eq!(clamped, options[4] == 2, "options {options:?}");
    }
}
