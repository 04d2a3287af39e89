//! Cuts a packet into fragments that fit a smaller MTU (RFC 791 3.2), where a way narrows and DF is clear (B1.5): a ping of
//! 4,000 bytes through an internet gateway, say.
//!
//! An unfinished checksum is finished first, since it covers the bytes of every fragment. What is cut may be a fragment
//! itself; its pieces reassemble as it would have.
//!
//! Not here: super-segments, of which each segment would have to be cut (Linux sets DF on them, unless told not to),
//! putting fragments together (their receiver does), and the ports of later ones (the dataplane remembers them).

use etherparse::{Ipv4Header, Ipv4HeaderSlice};

use super::{ETHERNET_LEN, L4Checksum, Offload, Parsed, complete_checksum, parse};

/// The frames that stand for an IPv4 `frame` on a link of `mtu`, in order; one frame, when it fits. It is parsed anew, so it may
/// have been rewritten. Each copy has its checksums complete: [`Offload::NONE`] is all there is to say about it.
///
/// `None` for what can't be cut: a packet with DF (answer it with
/// [`fragmentation_needed`](super::build::fragmentation_needed)), a super-segment, and an MTU that leaves no eight bytes behind
/// an IP header.
pub fn split(frame: &[u8], offload: &Offload, mtu: u16) -> Option<Vec<Vec<u8>>> {
    let Ok(Parsed::Ipv4(packet)) = parse(frame) else { return None };
    if packet.dont_fragment || offload.segmentation.is_some() {
        return None;
    }
    let mut whole = frame.get(..packet.end())?.to_vec();
    if offload.checksum == L4Checksum::Partial {
        complete_checksum(&mut whole, &packet);
    }
    if packet.total_len <= mtu {
        return Some(vec![whole]);
    }
    let (ethernet, ip) = whole.split_at_checked(ETHERNET_LEN)?;
    let header = Ipv4HeaderSlice::from_slice(ip).ok()?.to_header();
    let payload = ip.get(header.header_len()..)?;
    // Offsets count in eights, so all but the last fragment are whole eights.
    let longest = usize::from(mtu).saturating_sub(header.header_len()) / 8 * 8;
    if longest == 0 {
        return None;
    }
    let mut frames = Vec::with_capacity(payload.len().div_ceil(longest));
    let mut offset = packet.fragment_offset;
    let mut rest = payload;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(longest.min(rest.len()));
        let header = header_of(&header, piece.len(), offset, packet.more_fragments || !behind.is_empty());
        frames.push([ethernet, &header.to_bytes(), piece].concat());
        // At most 65,535 in all: the parse refused a fragment that reaches further.
        offset += piece.len() as u16;
        rest = behind;
    }
    Some(frames)
}

fn header_of(whole: &Ipv4Header, payload_len: usize, offset: u16, more_fragments: bool) -> Ipv4Header {
    let mut header = whole.clone();
    header.total_len = (whole.header_len() + payload_len) as u16;
    header.fragment_offset = (offset / 8).try_into().expect("an eighth of 16 bits fits 13 bits");
    header.more_fragments = more_fragments;
    header.header_checksum = header.calc_header_checksum();
    header
}
