//! Changes addresses, ports, identifiers, TTL and MSS of a frame in place, and keeps every checksum as right as it was.
//!
//! Checksums are updated by difference (RFC 1624), never computed anew: the cost does not depend on the frame's
//! length, a 64 KiB super-segment included, and a checksum that was wrong stays wrong, so that the receiver and not we
//! decides about damage (RFC 5382 has NATs keep it so).
//!
//! What a difference means depends on the field (DESIGN decision 1):
//!
//! | field | covers | update |
//! |---|---|---|
//! | IPv4 header | addresses and TTL | complemented |
//! | TCP, UDP complete | addresses and ports | complemented; UDP 0 means "none" and stays; a UDP result 0 is sent as 0xffff |
//! | TCP, UDP partial | addresses only: it is the uncomplemented pseudo-header sum | plain; UDP 0 is a sum like any other |
//! | ICMP | identifier; no pseudo-header | complemented; a result 0 is sent as 0xffff |
//!
//! It does not decide anything, and ignores what does not exist: ports of a later fragment, identifiers of messages that
//! have none. A frame shorter than its packet is left as it is.

use std::net::Ipv4Addr;

use super::checksum::Delta;
use super::{ETHERNET_LEN, Fragment, Mac, Packet, Quoted, icmp, protocol, tcp, tcp_flags};

/// What to change. Addresses and ports that are `None` stay.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rewrite {
    /// New Ethernet source: every hop has one.
    pub source_mac: Mac,
    /// New Ethernet destination.
    pub destination_mac: Mac,
    /// New IPv4 source.
    pub source: Option<Ipv4Addr>,
    /// New IPv4 destination.
    pub destination: Option<Ipv4Addr>,
    /// New source port; for an ICMP echo its identifier.
    pub source_port: Option<u16>,
    /// New destination port; for an ICMP echo its identifier. An echo has one identifier: a request takes it
    /// from `source_port` first, a reply from `destination_port` first.
    pub destination_port: Option<u16>,
    /// Take one from the TTL, as a NAT gateway does (B7: it is a hop in traceroute) and a VPC's router doesn't (B1.4).
    /// Whether the packet may live on with what is left is the caller's to decide before: RFC 1812 5.3.1 has a packet
    /// that came with 0 or 1 answered with time exceeded instead of forwarded. Here a 1 becomes 0, and a 0 stays.
    pub decrement_ttl: bool,
}

/// What a TCP or UDP checksum field holds. ICMP's and the IP header's are always complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L4Checksum {
    /// The checksum as on a wire.
    Complete,
    /// The pseudo-header's sum, uncomplemented; whoever leaves the machine or reads the packet adds the rest
    /// (`VIRTIO_NET_HDR_F_NEEDS_CSUM`).
    Partial,
}

/// The word that holds the TTL, above the protocol.
const IPV4_TTL: usize = 8;
const IPV4_CHECKSUM: usize = 10;
const IPV4_SOURCE: usize = 12;
const IPV4_DESTINATION: usize = 16;
const SOURCE_PORT: usize = 0;
const DESTINATION_PORT: usize = 2;
pub(super) const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
const ICMP_CHECKSUM: usize = 2;
const ICMP_IDENTIFIER: usize = 4;
pub(super) const TCP_OPTIONS: usize = 20;

/// Offset of the checksum in the L4 header.
#[inline]
pub(super) fn l4_checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        protocol::TCP => Some(TCP_CHECKSUM),
        protocol::UDP => Some(UDP_CHECKSUM),
        protocol::ICMP => Some(ICMP_CHECKSUM),
        _ => None,
    }
}

/// Rewrites `frame`, of which `packet` is the parse. Afterwards the parse is stale.
#[inline]
pub fn rewrite(frame: &mut [u8], packet: &Packet, rewrite: &Rewrite, checksum: L4Checksum) {
    let Some(bytes) = frame.get_mut(..packet.end()) else { return };
    if let Some(macs) = bytes.first_chunk_mut::<12>() {
        let ([d0, d1, d2, d3, d4, d5], [s0, s1, s2, s3, s4, s5]) = (rewrite.destination_mac, rewrite.source_mac);
        *macs = [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5];
    }
    let layers = Layers {
        header_offset: ETHERNET_LEN,
        l4_offset: packet.l4_offset,
        protocol: packet.protocol,
        fragment: packet.fragment,
        icmp_type: packet.icmp_type,
    };
    layers.rewrite(bytes, rewrite, checksum);
}

/// Rewrites the packet that an ICMP error quotes, and the ICMP checksum that covers the quote.
///
/// `rewrite` speaks of the quoted packet: its source is the quoted source; its MAC addresses and `decrement_ttl` mean
/// nothing here: the quote shows what was left of the TTL where the error was made.
/// `quoted_checksum` tells how the quote's own L4 checksum is to be read: `Complete`, unless a host behind us
/// quoted a partial one (Linux does, on a frame that never left the machine); nobody verifies it, but RFC 5508 4.2
/// asks for it to be kept right, as far as it is quoted. The outer header is rewritten by [`rewrite()`], before or
/// after: the two touch different bytes and different differences.
pub fn rewrite_quoted(
    frame: &mut [u8],
    packet: &Packet,
    quoted: &Quoted,
    rewrite: &Rewrite,
    quoted_checksum: L4Checksum,
) {
    let Some(bytes) = frame.get_mut(..quoted.end.min(packet.end())) else { return };
    let layers = Layers {
        header_offset: quoted.header_offset,
        l4_offset: quoted.l4_offset,
        protocol: quoted.protocol,
        fragment: quoted.fragment,
        icmp_type: quoted.icmp_type,
    };
    let rewrite = Rewrite { decrement_ttl: false, ..*rewrite };
    let covered = layers.rewrite(bytes, &rewrite, quoted_checksum);
    if packet.fragment == Fragment::Later {
        return;
    }
    // A quoted IP header starts at an even offset of the ICMP message and is whole words long, so its words are aligned.
    put_checksum(bytes, packet.l4_offset + ICMP_CHECKSUM, |field| covered.update(field));
}

/// Lowers the MSS option of a SYN to `maximum`; returns whether it did. An absent option stays absent: it means 536
/// (RFC 9293 3.7.1), which fits every link of a lab.
pub fn clamp_mss(frame: &mut [u8], packet: &Packet, maximum: u16, checksum: L4Checksum) -> bool {
    if packet.tcp_flags & tcp_flags::SYN == 0 {
        return false;
    }
    let found = tcp::options(frame, packet).and_then(|options| tcp::find(options, tcp::option::MSS));
    let Some((at, 4)) = found else { return false };
    let offset = packet.l4_offset + TCP_OPTIONS + at + 2;
    let Some((old, mut delta)) = put_word(frame, offset, |old| old.min(maximum)) else { return false };
    if old <= maximum {
        return false;
    }
    // Options are not aligned: a leading NOP puts the value at an odd offset.
    if !(offset - packet.l4_offset).is_multiple_of(2) {
        delta = delta.at_odd_offset();
    }
    // A partial checksum does not cover the header.
    if checksum == L4Checksum::Complete {
        put_checksum(frame, packet.l4_offset + TCP_CHECKSUM, |field| delta.update(field));
    }
    true
}

/// An IP header with the L4 header behind it: a frame's own, or a quoted one.
struct Layers {
    header_offset: usize,
    l4_offset: usize,
    protocol: u8,
    fragment: Fragment,
    icmp_type: u8,
}

impl Layers {
    /// Rewrites both headers. Returns the change of the sum of all bytes touched, checksums included: what a checksum around
    /// them has to follow.
    #[inline]
    fn rewrite(&self, bytes: &mut [u8], rewrite: &Rewrite, checksum: L4Checksum) -> Delta {
        let addresses = self.addresses(bytes, rewrite);
        let mut touched = addresses;
        if rewrite.decrement_ttl {
            touched += decrement_ttl(bytes, self.header_offset);
        }
        let header = touched;
        touched += put_checksum(bytes, self.header_offset + IPV4_CHECKSUM, |field| header.update(field));
        if self.fragment != Fragment::Later {
            touched += self.l4(bytes, rewrite, checksum, addresses);
        }
        touched
    }

    #[inline]
    fn addresses(&self, bytes: &mut [u8], rewrite: &Rewrite) -> Delta {
        let mut delta = Delta::default();
        if let Some(source) = rewrite.source {
            delta += put_address(bytes, self.header_offset + IPV4_SOURCE, source);
        }
        if let Some(destination) = rewrite.destination {
            delta += put_address(bytes, self.header_offset + IPV4_DESTINATION, destination);
        }
        delta
    }

    #[inline]
    fn l4(&self, bytes: &mut [u8], rewrite: &Rewrite, checksum: L4Checksum, addresses: Delta) -> Delta {
        match self.protocol {
            protocol::TCP | protocol::UDP => {
                let mut ports = Delta::default();
                if let Some(port) = rewrite.source_port {
                    ports += put(bytes, self.l4_offset + SOURCE_PORT, port);
                }
                if let Some(port) = rewrite.destination_port {
                    ports += put(bytes, self.l4_offset + DESTINATION_PORT, port);
                }
                let udp = self.protocol == protocol::UDP;
                let offset = self.l4_offset + if udp { UDP_CHECKSUM } else { TCP_CHECKSUM };
                ports
                    + put_checksum(bytes, offset, |field| match checksum {
                        L4Checksum::Partial => addresses.update_partial(field),
                        // RFC 768: zero says that the sender computed none; what would be zero is sent as its twin.
                        L4Checksum::Complete if udp && field == 0 => 0,
                        L4Checksum::Complete => match (addresses + ports).update(field) {
                            0 if udp => 0xffff,
                            updated => updated,
                        },
                    })
            }
            protocol::ICMP => {
                let identifier = match self.icmp_type {
                    icmp::ECHO_REQUEST => rewrite.source_port.or(rewrite.destination_port),
                    icmp::ECHO_REPLY => rewrite.destination_port.or(rewrite.source_port),
                    _ => None,
                };
                let Some(identifier) = identifier else { return Delta::default() };
                let delta = put(bytes, self.l4_offset + ICMP_IDENTIFIER, identifier);
                let update = |field| match delta.update(field) {
                    // Without a pseudo-header all words can be zero (an empty reply with identifier 0), whose checksum
                    // is 0xffff; a difference can't tell that case from 0, but every receiver takes 0xffff for both.
                    0 => 0xffff,
                    updated => updated,
                };
                delta + put_checksum(bytes, self.l4_offset + ICMP_CHECKSUM, update)
            }
            _ => Delta::default(),
        }
    }
}

#[inline]
fn decrement_ttl(bytes: &mut [u8], header_offset: usize) -> Delta {
    // A TTL of 0 must not borrow: it would live another 255 hops.
    let lower = |word: u16| word.checked_sub(1 << 8).unwrap_or(word);
    put_word(bytes, header_offset + IPV4_TTL, lower).map(|(_, delta)| delta).unwrap_or_default()
}

#[inline]
fn put_address(bytes: &mut [u8], offset: usize, new: Ipv4Addr) -> Delta {
    let Some(field) = bytes.get_mut(offset..).and_then(<[u8]>::first_chunk_mut::<4>) else {
        return Delta::default();
    };
    let old = std::mem::replace(field, new.octets());
    Delta::address(old, new.octets())
}

#[inline]
fn put(bytes: &mut [u8], offset: usize, new: u16) -> Delta {
    put_word(bytes, offset, |_| new).map(|(_, delta)| delta).unwrap_or_default()
}

/// A checksum field, which a quote may have cut off, or in half: then there is nothing to update.
#[inline]
pub(super) fn put_checksum(bytes: &mut [u8], offset: usize, new: impl FnOnce(u16) -> u16) -> Delta {
    put_word(bytes, offset, new).map(|(_, delta)| delta).unwrap_or_default()
}

/// Replaces a big-endian word; returns what it was, and the change.
#[inline]
pub(super) fn put_word(bytes: &mut [u8], offset: usize, new: impl FnOnce(u16) -> u16) -> Option<(u16, Delta)> {
    let field = bytes.get_mut(offset..)?.first_chunk_mut::<2>()?;
    let old = u16::from_be_bytes(*field);
    let new = new(old);
    *field = new.to_be_bytes();
    Some((old, Delta::word(old, new)))
}
