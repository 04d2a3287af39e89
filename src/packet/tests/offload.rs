use super::super::offload::{
    BadOffload, MAXIMUM_UDP_SEGMENTS, MINIMUM_SEGMENT, Offload, Segmentation, SegmentationKind, VNET_HEADER_LEN, check,
    emit,
};
use super::super::{build, complete_checksum, tcp_flags};
use super::*;

/// `struct virtio_net_hdr` as a forger would write it.
#[derive(Clone, Copy)]
struct Forged {
    flags: u8,
    gso_type: u8,
    gso_size: u16,
    start: u16,
    offset: u16,
}

impl Forged {
    fn bytes(self) -> [u8; VNET_HEADER_LEN] {
        let mut bytes = [0; VNET_HEADER_LEN];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        for (at, word) in [(4, self.gso_size), (6, self.start), (8, self.offset)] {
            bytes[at..at + 2].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// What Linux writes in front of a TCP super-segment of MTU 1500.
const TCP_SUPER: Forged = Forged { flags: 1, gso_type: 1, gso_size: 1460, start: 34, offset: 16 };
const UDP_SUPER: Forged = Forged { flags: 1, gso_type: 5, gso_size: 1472, start: 34, offset: 6 };

fn tcp_frame(payload_len: usize) -> Vec<u8> {
    let segment = build::Segment { flags: tcp_flags::ACK, payload: &vec![7; payload_len], ..Default::default() };
    build::tcp(&ends(), &segment)
}

fn check_frame(header: Forged, frame: &[u8]) -> Result<Offload, BadOffload> {
    check(&header.bytes(), &ipv4(frame), frame.len(), 1500)
}

#[test]
fn what_linux_says_is_believed() {
    let segmentation = Some(Segmentation { kind: SegmentationKind::TcpV4, size: 1460, ecn: false });
    let expected = Offload { checksum: L4Checksum::Partial, segmentation };
    assert_eq!(check_frame(TCP_SUPER, &tcp_frame(60_000)), Ok(expected));
    let ecn = Forged { gso_type: 0x81, ..TCP_SUPER };
    let segmentation = Some(Segmentation { kind: SegmentationKind::TcpV4, size: 1460, ecn: true });
    assert_eq!(check_frame(ecn, &tcp_frame(60_000)), Ok(Offload { checksum: L4Checksum::Partial, segmentation }));
    let segmentation = Some(Segmentation { kind: SegmentationKind::UdpL4, size: 1472, ecn: false });
    let udp = build::udp(&ends(), 1, 2, &vec![0; 20_000]);
    assert_eq!(check_frame(UDP_SUPER, &udp), Ok(Offload { checksum: L4Checksum::Partial, segmentation }));
    let plain = Forged { flags: 0, gso_type: 0, gso_size: 0, start: 0, offset: 0 };
    assert_eq!(check_frame(plain, &tcp_frame(100)), Ok(Offload::NONE));
    // DATA_VALID: the sender's kernel vouches for a checksum; we neither need nor pass that on.
    assert_eq!(check_frame(Forged { flags: 2, ..plain }, &tcp_frame(100)), Ok(Offload::NONE));
}

#[test]
fn forged_headers_are_named() {
    let big = tcp_frame(8000);
    let icmp = build::echo_request(&ends(), 1, 1, &[0; 100]);
    let fragment = build::later_fragment(&ends(), protocol::TCP, 1480, &[0; 100]);
    let padded = [&big[..], &[0; 4]].concat();
    let udp = build::udp(&ends(), 1, 2, &[0; 129 * 8]);
    let cases = [
        ("csum_start inside the IP header", Forged { start: 24, ..TCP_SUPER }, &big, BadOffload::ChecksumStart),
        ("csum_start behind the frame", Forged { start: 0xffff, ..TCP_SUPER }, &big, BadOffload::ChecksumStart),
        ("csum_offset at the sequence number", Forged { offset: 4, ..TCP_SUPER }, &big, BadOffload::ChecksumOffset),
        ("UDP's csum_offset on TCP", Forged { offset: 6, ..TCP_SUPER }, &big, BadOffload::ChecksumOffset),
        ("a checksum to finish on ICMP", Forged { gso_type: 0, ..TCP_SUPER }, &icmp, BadOffload::ChecksumProtocol),
        (
            "a checksum to finish on a fragment",
            Forged { gso_type: 0, ..TCP_SUPER },
            &fragment,
            BadOffload::ChecksumProtocol,
        ),
        ("segments without checksum", Forged { flags: 0, ..TCP_SUPER }, &big, BadOffload::SegmentationChecksum),
        ("TCPv6 segments of IPv4", Forged { gso_type: 4, ..TCP_SUPER }, &big, BadOffload::SegmentationKind),
        ("UDP segments of TCP", Forged { gso_type: 5, ..TCP_SUPER }, &big, BadOffload::SegmentationKind),
        ("UDP fragments, gone from Linux", Forged { gso_type: 3, ..UDP_SUPER }, &udp, BadOffload::SegmentationKind),
        ("ECN on UDP", Forged { gso_type: 0x85, ..UDP_SUPER }, &udp, BadOffload::SegmentationKind),
        ("ECN alone", Forged { gso_type: 0x80, ..TCP_SUPER }, &big, BadOffload::SegmentationKind),
        ("tunnel segments", Forged { gso_type: 0x21, ..TCP_SUPER }, &big, BadOffload::SegmentationKind),
        ("gso_size 0", Forged { gso_size: 0, ..TCP_SUPER }, &big, BadOffload::SegmentSize),
        ("gso_size 1", Forged { gso_size: 1, ..TCP_SUPER }, &big, BadOffload::SegmentSize),
        ("129 UDP segments", Forged { gso_size: 8, ..UDP_SUPER }, &udp, BadOffload::SegmentCount),
        ("padding behind segments", TCP_SUPER, &padded, BadOffload::FrameLength),
        ("8,000 plain bytes on MTU 1500", Forged { gso_type: 0, ..TCP_SUPER }, &big, BadOffload::OverMtu),
        ("segments of 1,461 bytes on MTU 1500", Forged { gso_size: 1461, ..TCP_SUPER }, &big, BadOffload::OverMtu),
    ];
    for (what, header, frame, expected) in cases {
        assert_eq!(check_frame(header, frame), Err(expected), "{what}");
    }
}

#[test]
fn the_minimum_and_maximum_themselves_pass() {
    assert!(check_frame(Forged { gso_size: MINIMUM_SEGMENT, ..TCP_SUPER }, &tcp_frame(8000)).is_ok());
    let udp = build::udp(&ends(), 1, 2, &[0; 8 * MAXIMUM_UDP_SEGMENTS]);
    assert!(check_frame(Forged { gso_size: 8, ..UDP_SUPER }, &udp).is_ok());
}

#[test]
fn one_segment_is_a_packet() {
    let expected = Offload { checksum: L4Checksum::Partial, segmentation: None };
    assert_eq!(check_frame(TCP_SUPER, &tcp_frame(1460)), Ok(expected));
}

#[test]
fn a_frame_shorter_than_its_packet_is_refused() {
    let frame = tcp_frame(100);
    let packet = ipv4(&frame);
    assert_eq!(check(&[0; 10], &packet, frame.len() - 1, 1500), Err(BadOffload::FrameLength));
}

#[test]
fn the_bytes_are_those_of_the_kernel() {
    let segmentation = Some(Segmentation { kind: SegmentationKind::TcpV4, size: 1460, ecn: true });
    let header = emit(&Offload { checksum: L4Checksum::Partial, segmentation }, &ipv4(&tcp_frame(3000)));
    let words = [2, 4, 6, 8].map(|at| u16::from_ne_bytes([header[at], header[at + 1]]));
    assert_eq!((header[0], header[1], words), (1, 0x81, [54, 1460, 34, 16]));
}

proptest! {
    /// Cut by hand, the first segment has the length that path-MTU rules are told, and no other is longer.
    #[test]
    fn the_longest_packet_of_a_super_segment_is_its_first(
        sample in sample_of(&[protocol::TCP, protocol::UDP]),
        size in MINIMUM_SEGMENT..300,
    ) {
        let frame = sample.frame();
        let packet = ipv4(&frame);
        prop_assert_eq!(Offload::NONE.wire_len(&packet), frame.len() - ETHERNET_LEN);
        prop_assume!(packet.payload_len > usize::from(size));
        let segments = sample.payload.chunks(size.into());
        let segments: Vec<usize> =
            segments.map(|payload| Sample { payload: payload.to_vec(), ..sample.clone() }.frame().len()).collect();
        let kind = if packet.protocol == protocol::TCP { SegmentationKind::TcpV4 } else { SegmentationKind::UdpL4 };
        let segmentation = Some(Segmentation { kind, size, ecn: false });
        let offload = Offload { checksum: L4Checksum::Partial, segmentation };
        prop_assert_eq!(Some(&(ETHERNET_LEN + offload.wire_len(&packet))), segments.iter().max());
    }

    #[test]
    fn check_after_emit_is_identity(
        sample in sample_of(&[protocol::TCP, protocol::UDP]),
        partial: bool,
        size in proptest::option::of(MINIMUM_SEGMENT..300),
        ecn: bool,
    ) {
        let frame = sample.frame();
        let packet = ipv4(&frame);
        let tcp = packet.protocol == protocol::TCP;
        let kind = if tcp { SegmentationKind::TcpV4 } else { SegmentationKind::UdpL4 };
        let segmentation = size
            .filter(|&size| partial && packet.payload_len > usize::from(size))
            .map(|size| Segmentation { kind, size, ecn: ecn && tcp });
        let checksum = if partial { L4Checksum::Partial } else { L4Checksum::Complete };
        let offload = Offload { checksum, segmentation };
        prop_assert_eq!(check(&emit(&offload, &packet), &packet, frame.len(), 1500), Ok(offload));
    }

    /// Whatever a guest writes, what goes on is a header that we would write ourselves.
    #[test]
    fn what_passes_is_emitted_clean(
        sample in any_sample(),
        flags in 0..4_u8,
        gso_type in prop_oneof![Just(0_u8), Just(1), Just(5), any::<u8>()],
        gso_size in prop_oneof![8..200_u16, any::<u16>()],
        start in prop_oneof![Just(None), any::<u16>().prop_map(Some)],
        offset in prop_oneof![Just(6_u16), Just(16), any::<u16>()],
    ) {
        let frame = sample.frame();
        let packet = ipv4(&frame);
        let start = start.unwrap_or(packet.l4_offset as u16);
        let header = Forged { flags, gso_type, gso_size, start, offset }.bytes();
        if let Ok(offload) = check(&header, &packet, frame.len(), 1500) {
            let clean = emit(&offload, &packet);
            prop_assert_eq!(check(&clean, &packet, frame.len(), 1500), Ok(offload));
            prop_assert!(offload.wire_len(&packet) <= 1500);
            prop_assert!(clean[0] == 1 || clean == [0; VNET_HEADER_LEN]);
        }
    }

    #[test]
    fn completing_gives_the_built_checksum(sample in any_sample(), junk: [u8; 2]) {
        let built = sample.frame();
        let mut frame = built.clone();
        let packet = ipv4(&frame);
        let at = packet.l4_offset + match packet.protocol { protocol::TCP => 16, protocol::UDP => 6, _ => 2 };
        frame[at..at + 2].copy_from_slice(&junk);
        complete_checksum(&mut frame, &packet);
        prop_assert_eq!(frame, built);
    }
}
