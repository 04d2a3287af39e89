//! A packet in pieces that fit a smaller MTU (RFC 791 3.2): what an internet gateway does with a large packet that has no DF.
//!
//! The checksum must be complete: it is the datagram's, and travels with the first piece. Options are not copied, since a
//! packet with options is never carried.

use super::{ETHERNET_LEN, Fragment, Packet};

const TOTAL_LENGTH: usize = 2;
const FLAGS_AND_OFFSET: usize = 6;
const CHECKSUM: usize = 10;
const MORE_FRAGMENTS: u16 = 0x2000;
/// Fragment offsets count in units of eight bytes.
const UNIT: usize = 8;

/// The pieces of `frame`, each at most `mtu` bytes of IP packet, with the frame's own Ethernet header. `packet` tells where
/// things are; addresses and ports may have been rewritten since it was parsed. A packet that is a fragment itself is cut
/// further. Empty for an MTU that leaves no room for eight bytes, and for a frame shorter than its packet.
pub fn fragments(frame: &[u8], packet: &Packet, mtu: u16) -> Vec<Vec<u8>> {
    let header_len = packet.l4_offset.saturating_sub(ETHERNET_LEN);
    let room = usize::from(mtu).saturating_sub(header_len) / UNIT * UNIT;
    let (Some(headers), Some(payload)) = (frame.get(..packet.l4_offset), frame.get(packet.l4_offset..packet.end()))
    else {
        return Vec::new();
    };
    if room == 0 {
        return Vec::new();
    }
    let start = match packet.fragment {
        Fragment::Later => usize::from(packet.fragment_offset),
        Fragment::None | Fragment::First => 0,
    };
    let pieces = payload.chunks(room);
    let last = pieces.len().saturating_sub(1);
    pieces
        .enumerate()
        .filter_map(|(number, piece)| {
            let more = number != last || packet.more_fragments;
            let offset = (start + number * room) / UNIT;
            one(headers, piece, u16::try_from(offset).ok()?, more)
        })
        .collect()
}

fn one(headers: &[u8], piece: &[u8], offset: u16, more: bool) -> Option<Vec<u8>> {
    let mut frame = [headers, piece].concat();
    let ip = frame.get_mut(ETHERNET_LEN..headers.len())?;
    let total = u16::try_from(headers.len() - ETHERNET_LEN + piece.len()).ok()?;
    put(ip, TOTAL_LENGTH, total)?;
    put(ip, FLAGS_AND_OFFSET, if more { offset | MORE_FRAGMENTS } else { offset })?;
    put(ip, CHECKSUM, 0)?;
    let checksum = !super::checksum::fold(super::checksum::sum(ip));
    put(ip, CHECKSUM, checksum)?;
    Some(frame)
}

fn put(bytes: &mut [u8], offset: usize, value: u16) -> Option<()> {
    *bytes.get_mut(offset..)?.first_chunk_mut::<2>()? = value.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use etherparse::Ipv4HeaderSlice;
    use proptest::prelude::*;

    use super::*;
    use crate::packet::{Notation, Parsed, parse};

    fn packet(len: usize) -> (Vec<u8>, Packet) {
        let text = format!("a: 10.0.0.1:5 > 10.0.0.2:6 udp {len}");
        let frame = text.parse::<Notation>().unwrap().frame([2; 6], [4; 6]);
        let Ok(Parsed::Ipv4(packet)) = parse(&frame) else { panic!("no packet") };
        (frame, packet)
    }

    proptest! {
        /// The pieces are what they were cut from, each fits, and each header's checksum is right.
        #[test]
        fn pieces_are_the_whole(len in 0usize..9000, mtu in 28u16..2000) {
            let (frame, whole) = packet(len);
            let pieces = fragments(&frame, &whole, mtu);
            let mut payload = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                let header = Ipv4HeaderSlice::from_slice(&piece[ETHERNET_LEN..]).unwrap();
                prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                prop_assert!(header.total_len() <= mtu);
                prop_assert_eq!(usize::from(header.fragments_offset().value()) * 8, payload.len());
                prop_assert_eq!(header.more_fragments(), number + 1 != pieces.len());
                payload.extend_from_slice(&piece[whole.l4_offset..]);
            }
            prop_assert_eq!(&payload[..], &frame[whole.l4_offset..]);
        }
    }

    /// A fragment that is cut again keeps its place, and its tail still says that more follows.
    #[test]
    fn pieces_of_pieces() {
        let (frame, whole) = packet(4000);
        let first = fragments(&frame, &whole, 2000);
        let mut payload = vec![0; frame.len() - whole.l4_offset];
        let mut ends = 0;
        for piece in &first {
            let Ok(Parsed::Ipv4(parsed)) = parse(piece) else { panic!("no packet") };
            for small in fragments(piece, &parsed, 600) {
                let header = Ipv4HeaderSlice::from_slice(&small[ETHERNET_LEN..]).unwrap();
                let offset = usize::from(header.fragments_offset().value()) * 8;
                let bytes = &small[whole.l4_offset..];
                payload[offset..offset + bytes.len()].copy_from_slice(bytes);
                ends += usize::from(!header.more_fragments());
            }
        }
        assert_eq!(ends, 1);
        assert_eq!(payload, &frame[whole.l4_offset..]);
    }
}
