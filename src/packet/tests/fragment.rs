use super::super::fragment::split;
use super::super::offload::{Offload, Segmentation, SegmentationKind};
use super::super::{build, complete_checksum};
use super::*;

const PARTIAL: Offload = Offload { checksum: L4Checksum::Partial, segmentation: None };

/// What a receiver puts together: the payloads where the fragments say they stand.
fn reassembled(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for frame in frames {
        let packet = ipv4(frame);
        let (start, end) = (usize::from(packet.fragment_offset), packet.end());
        assert_eq!(start, datagram.len(), "in order, without holes and overlaps");
        datagram.extend(&frame[packet.l4_offset..end]);
    }
    datagram
}

fn clear_dont_fragment(frame: &mut [u8]) {
    frame[20] &= !0x40;
    let checksum = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header().calc_header_checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
}

proptest! {
    /// Cut for one MTU and again for a smaller one, every fragment fits and is well formed, and the receiver gets the datagram
    /// with the checksum that its sender left to be finished.
    #[test]
    fn fragments_fit_and_reassemble(
        sample in any_sample(),
        more in 0..4000_usize,
        (first_mtu, second_mtu) in (100..1500_u16, 100..1500_u16),
        padding in 0..30_usize,
        partial: bool,
    ) {
        let mut sample = sample;
        sample.payload.resize(sample.payload.len() + more, 7);
        let mut frame = sample.frame();
        clear_dont_fragment(&mut frame);
        let expected = frame.clone();
        let partial = partial && sample.protocol != protocol::ICMP;
        if partial {
            make_partial(&mut frame);
        }
        frame.resize(frame.len() + padding, 0);
        let once = split(&frame, if partial { &PARTIAL } else { &Offload::NONE }, first_mtu).unwrap();
        let twice: Vec<Vec<u8>> = once.iter().flat_map(|frame| split(frame, &Offload::NONE, second_mtu).unwrap()).collect();
        for (frames, mtu) in [(&once, first_mtu), (&twice, second_mtu)] {
            for (number, frame) in frames.iter().enumerate() {
                let packet = ipv4(frame);
                prop_assert_eq!(frame.len(), packet.end());
                prop_assert!(packet.total_len <= mtu);
                prop_assert_eq!(packet.more_fragments, number + 1 < frames.len());
                let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..]).unwrap().to_header();
                prop_assert_eq!(header.header_checksum, header.calc_header_checksum());
                prop_assert_eq!((packet.source, packet.destination, packet.ttl), (sample.ends.source, sample.ends.destination, sample.ttl));
            }
            prop_assert_eq!(&reassembled(frames)[..], &expected[34..]);
        }
        if expected.len() - 14 <= first_mtu.into() {
            prop_assert_eq!(once, vec![expected]);
        }
    }

    #[test]
    fn noise_is_never_cut_wrongly(noise in proptest::collection::vec(any::<u8>(), 20..200), mtu: u16, partial: bool) {
        // A header of the right version and lengths in front, so that the rest is read.
        let mut frame = build::later_fragment(&ends(), protocol::UDP, 0, &noise);
        frame[18..24].copy_from_slice(&noise[..6]);
        for frame in [&frame, &noise] {
            if let Some(frames) = split(frame, if partial { &PARTIAL } else { &Offload::NONE }, mtu) {
                prop_assert!(!frames.is_empty() && frames.iter().all(|frame| ipv4(frame).total_len <= mtu));
            }
        }
    }
}

#[test]
fn what_can_not_be_cut_is_not() {
    let big = build::udp(&ends(), 1, 2, &[0; 4000]);
    assert_eq!(split(&big, &Offload::NONE, 1500), None, "DF");
    let mut free = big.clone();
    clear_dont_fragment(&mut free);
    assert_eq!(split(&free, &Offload::NONE, 1500).map(|frames| frames.len()), Some(3));
    let segmentation = Some(Segmentation { kind: SegmentationKind::UdpL4, size: 1472, ecn: false });
    assert_eq!(split(&free, &Offload { checksum: L4Checksum::Partial, segmentation }, 1500), None, "a super-segment");
    assert_eq!(split(&free, &Offload::NONE, 27), None, "no room for eight bytes");
    assert_eq!(split(&free, &Offload::NONE, 28).map(|frames| frames.len()), Some(501));
    assert_eq!(split(&free[..100], &Offload::NONE, 1500), None, "not a packet");
    assert_eq!(split(&build::arp_request([2; 6], ends().source, ends().destination), &Offload::NONE, 1500), None);
}

/// The dataplane rewrites first and cuts then: the checksum must be that of the new addresses.
#[test]
fn a_rewritten_frame_is_cut_as_it_is_now() {
    let mut frame = build::udp(&ends(), 1, 2, &[9; 3000]);
    clear_dont_fragment(&mut frame);
    make_partial(&mut frame);
    let change = Rewrite { source: Some(Ipv4Addr::new(198, 18, 0, 9)), source_port: Some(1024), ..Rewrite::default() };
    let packet = ipv4(&frame);
    super::super::rewrite(&mut frame, &packet, &change, L4Checksum::Partial);
    let frames = split(&frame, &PARTIAL, 1500).unwrap();
    let packet = ipv4(&frame);
    complete_checksum(&mut frame, &packet);
    assert_eq!(reassembled(&frames), frame[34..]);
}
