//! Whole Ethernet frames, checksums complete: what the dataplane answers itself (ARP, resets, ICMP errors), and the
//! plain packets that tests, the notation and `trace` start from.
//!
//! etherparse writes the headers and computes the checksums. Nothing here is on the path of a forwarded frame, so a
//! `Vec` per frame is fine. Every IPv4 header has TTL 64, DF set and identification 0 (RFC 6864 4.1 allows that for
//! atomic datagrams).

use std::net::Ipv4Addr;

use etherparse::{Icmpv4Type, PacketBuilder, PacketBuilderStep, TcpHeader};

use super::offload::full_checksum;
use super::rewrite::l4_checksum_offset;
use super::{Arp, ETHERNET_LEN, Fragment, L4Checksum, Mac, Packet, icmp, protocol, tcp_flags};

/// Time to live of every packet built here.
pub const TTL: u8 = 64;

/// Length of an ARP frame for IPv4 over Ethernet.
pub const ARP_LEN: usize = 42;

/// Bytes of an ICMP error at most, IP header included, quote included (RFC 1812 4.3.2.3).
const ICMP_ERROR_LEN: usize = 576;

/// Who sends a frame, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Ethernet source.
    pub source_mac: Mac,
    /// Ethernet destination.
    pub destination_mac: Mac,
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
}

impl Ends {
    /// The ends of `packet` itself.
    pub fn of(packet: &Packet) -> Ends {
        Ends {
            source_mac: packet.source_mac,
            destination_mac: packet.destination_mac,
            source: packet.source,
            destination: packet.destination,
        }
    }

    /// The ends of an answer to `packet`.
    pub fn answering(packet: &Packet) -> Ends {
        Ends {
            source_mac: packet.destination_mac,
            destination_mac: packet.source_mac,
            source: packet.destination,
            destination: packet.source,
        }
    }

    fn ipv4(&self) -> PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2(self.source_mac, self.destination_mac).ipv4(
            self.source.octets(),
            self.destination.octets(),
            TTL,
        )
    }
}

/// A TCP segment, without its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// See [`tcp_flags`].
    pub flags: u8,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; written whether ACK is set or not.
    pub acknowledgment: u32,
    /// Window, unscaled.
    pub window: u16,
    /// Options as bytes, at most 40; padded with zeros to whole words.
    pub options: &'a [u8],
    /// What the segment carries.
    pub payload: &'a [u8],
}

/// The answer to an ARP request: `target_ip` is at `answer_mac`.
pub fn arp_reply(request: &Arp, answer_mac: Mac) -> [u8; ARP_LEN] {
    let reply = Arp {
        operation: Arp::REPLY,
        sender_mac: answer_mac,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
    };
    arp(&reply, request.sender_mac)
}

/// A broadcast question: who has `target_ip`?
pub fn arp_request(sender_mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> [u8; ARP_LEN] {
    let request = Arp { operation: Arp::REQUEST, sender_mac, sender_ip, target_mac: [0; 6], target_ip };
    arp(&request, [0xff; 6])
}

fn arp(arp: &Arp, destination_mac: Mac) -> [u8; ARP_LEN] {
    use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType};
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation(arp.operation),
        &arp.sender_mac,
        &arp.sender_ip.octets(),
        &arp.target_mac,
        &arp.target_ip.octets(),
    )
    .expect("sender and target addresses have the same lengths");
    let mut frame = [0; ARP_LEN];
    PacketBuilder::ethernet2(arp.sender_mac, destination_mac)
        .arp(packet)
        .write_to_slice(&mut frame)
        .expect("an ARP packet for IPv4 over Ethernet is 28 bytes");
    frame
}

/// A TCP segment. Options beyond 40 bytes are left out: no header can hold them.
pub fn tcp(ends: &Ends, segment: &Segment) -> Vec<u8> {
    let flag = |bit| segment.flags & bit != 0;
    let mut header = TcpHeader::new(segment.source_port, segment.destination_port, segment.sequence, segment.window);
    header.acknowledgment_number = segment.acknowledgment;
    header.fin = flag(tcp_flags::FIN);
    header.syn = flag(tcp_flags::SYN);
    header.rst = flag(tcp_flags::RST);
    header.psh = flag(tcp_flags::PSH);
    header.ack = flag(tcp_flags::ACK);
    header.urg = flag(tcp_flags::URG);
    header.ece = flag(tcp_flags::ECE);
    header.cwr = flag(tcp_flags::CWR);
    header.options = etherparse::TcpOptions::try_from_slice(segment.options).unwrap_or_default();
    let builder = ends.ipv4().tcp_header(header);
    let mut frame = Vec::with_capacity(builder.size(segment.payload.len()));
    builder.write_to_vec(&mut frame, segment.payload).expect("callers build packets of at most 65,535 bytes");
    frame
}

/// A UDP datagram.
pub fn udp(ends: &Ends, source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = ends.ipv4().udp(source_port, destination_port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write_to_vec(&mut frame, payload).expect("callers build packets of at most 65,535 bytes");
    frame
}

/// An ICMP message: type, code, the four bytes after the checksum, and what follows them.
pub fn icmp(ends: &Ends, icmp_type: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let builder = ends.ipv4().icmpv4(Icmpv4Type::Unknown { type_u8: icmp_type, code_u8: code, bytes5to8: rest });
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write_to_vec(&mut frame, payload).expect("callers build packets of at most 65,535 bytes");
    frame
}

/// An echo request.
pub fn echo_request(ends: &Ends, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    icmp(ends, icmp::ECHO_REQUEST, 0, echo(identifier, sequence), payload)
}

/// An echo reply.
pub fn echo_reply(ends: &Ends, identifier: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    icmp(ends, icmp::ECHO_REPLY, 0, echo(identifier, sequence), payload)
}

fn echo(identifier: u16, sequence: u16) -> [u8; 4] {
    let ([i0, i1], [s0, s1]) = (identifier.to_be_bytes(), sequence.to_be_bytes());
    [i0, i1, s0, s1]
}

/// A packet of any protocol, its payload as given.
pub fn ip(ends: &Ends, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let builder = ends.ipv4();
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, etherparse::IpNumber(protocol), payload)
        .expect("callers build packets of at most 65,535 bytes");
    frame
}

/// A later fragment of a datagram; `offset` counts bytes and is a multiple of eight (RFC 791).
pub fn later_fragment(ends: &Ends, protocol: u8, offset: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = etherparse::Ipv4Header::new(
        u16::try_from(payload.len()).expect("callers build packets of at most 65,535 bytes"),
        TTL,
        etherparse::IpNumber(protocol),
        ends.source.octets(),
        ends.destination.octets(),
    )
    .expect("callers build packets of at most 65,535 bytes");
    header.dont_fragment = false;
    header.fragment_offset = (offset / 8).try_into().expect("an eighth of 16 bits fits 13 bits");
    header.header_checksum = header.calc_header_checksum();
    let ethernet = etherparse::Ethernet2Header {
        source: ends.source_mac,
        destination: ends.destination_mac,
        ether_type: etherparse::EtherType::IPV4,
    };
    [&ethernet.to_bytes()[..], &header.to_bytes(), payload].concat()
}

/// The reset that a closed port sends to the sender of `packet`, addresses and MACs swapped (RFC 9293 3.10.7.1).
///
/// `None` for what must not be answered so: a reset (two sides would reset each other for ever), anything but TCP, and a
/// later fragment.
pub fn tcp_reset(packet: &Packet) -> Option<Vec<u8>> {
    if !resettable(packet) {
        return None;
    }
    let (flags, sequence, acknowledgment) = if packet.tcp_flags & tcp_flags::ACK != 0 {
        (tcp_flags::RST, packet.tcp_acknowledgment, 0)
    } else {
        (tcp_flags::RST | tcp_flags::ACK, 0, packet.tcp_sequence.wrapping_add(packet.tcp_segment_len()))
    };
    let segment = Segment {
        source_port: packet.destination_port,
        destination_port: packet.source_port,
        flags,
        sequence,
        acknowledgment,
        ..Segment::default()
    };
    Some(tcp(&Ends::answering(packet), &segment))
}

/// The reset that goes on in the place of `packet`, to its receiver and in its sender's name: with [`tcp_reset`] to the
/// other side, it ends a connection at both ends. Its ends are the packet's own, so it is rewritten as the packet would be.
///
/// It takes the packet's sequence number, which a receiver that lost nothing expects next; one that did lose something
/// asks the sender (RFC 5961 3.2), and that question is a stray packet which [`tcp_reset`] answers.
///
/// `None` as for [`tcp_reset`], and for a first SYN: its receiver has nothing to end.
pub fn tcp_reset_onward(packet: &Packet) -> Option<Vec<u8>> {
    let acknowledges = packet.tcp_flags & tcp_flags::ACK != 0;
    if !resettable(packet) || (packet.tcp_flags & tcp_flags::SYN != 0 && !acknowledges) {
        return None;
    }
    let segment = Segment {
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        flags: tcp_flags::RST | if acknowledges { tcp_flags::ACK } else { 0 },
        sequence: packet.tcp_sequence,
        acknowledgment: if acknowledges { packet.tcp_acknowledgment } else { 0 },
        ..Segment::default()
    };
    Some(tcp(&Ends::of(packet), &segment))
}

fn resettable(packet: &Packet) -> bool {
    packet.protocol == protocol::TCP && packet.fragment != Fragment::Later && packet.tcp_flags & tcp_flags::RST == 0
}

/// The ICMP error with which `reporter` tells the sender of `frame` what became of it; `packet` is its parse, `checksum` the
/// state of its checksum (the quote's is completed). `rest` are the four bytes after the ICMP checksum.
///
/// The quote is as much of the packet as fits into 576 bytes with the headers before it (RFC 1812 4.3.2.3).
///
/// `None` where RFC 1122 3.2.2 and RFC 1812 4.3.2.7 forbid an error: see [`may_report`].
pub fn icmp_error(
    frame: &[u8],
    packet: &Packet,
    checksum: L4Checksum,
    reporter: Ipv4Addr,
    (icmp_type, code): (u8, u8),
    rest: [u8; 4],
) -> Option<Vec<u8>> {
    if !may_report(packet) {
        return None;
    }
    let longest = ICMP_ERROR_LEN - 20 - 8;
    let end = packet.end().min(ETHERNET_LEN + longest);
    let mut quote = frame.get(ETHERNET_LEN..end)?.to_vec();
    if checksum == L4Checksum::Partial {
        complete_quote(&mut quote, frame, packet);
    }
    let ends = Ends { source: reporter, ..Ends::answering(packet) };
    Some(icmp(&ends, icmp_type, code, rest, &quote))
}

/// Whether an ICMP error about `packet` may be sent at all: not about an ICMP error (they would never end), a later fragment
/// (one error for each datagram), something sent to many (each would answer), or a source that is not one host.
/// Which broadcast address a subnet has, it doesn't know.
pub fn may_report(packet: &Packet) -> bool {
    let [destination_mac, ..] = packet.destination_mac;
    let [network, ..] = packet.source.octets();
    // 0/8 is "this network", 127/8 loopback, 224/4 multicast, 240/4 reserved with the broadcast address at its end.
    let from_one_host = !matches!(network, 0 | 127 | 224..);
    let to_many = destination_mac & 1 != 0 || packet.destination.is_multicast() || packet.destination.is_broadcast();
    from_one_host && !to_many && packet.fragment != Fragment::Later && !packet.is_icmp_error()
}

/// [`icmp_error`] for a packet that came with a TTL of 0 or 1 to something that is a hop (RFC 792).
pub fn time_exceeded(frame: &[u8], packet: &Packet, checksum: L4Checksum, reporter: Ipv4Addr) -> Option<Vec<u8>> {
    icmp_error(frame, packet, checksum, reporter, (icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED), [0; 4])
}

/// [`icmp_error`] for a packet that can't be delivered, with the code that says why; for
/// [`FRAGMENTATION_NEEDED`](icmp::FRAGMENTATION_NEEDED) use [`fragmentation_needed`], which tells the MTU.
pub fn unreachable(
    frame: &[u8],
    packet: &Packet,
    checksum: L4Checksum,
    reporter: Ipv4Addr,
    code: u8,
) -> Option<Vec<u8>> {
    icmp_error(frame, packet, checksum, reporter, (icmp::UNREACHABLE, code), [0; 4])
}

/// [`icmp_error`] for a packet with DF that is longer than the next link's `mtu` (RFC 1191).
pub fn fragmentation_needed(
    frame: &[u8],
    packet: &Packet,
    checksum: L4Checksum,
    reporter: Ipv4Addr,
    mtu: u16,
) -> Option<Vec<u8>> {
    let [m0, m1] = mtu.to_be_bytes();
    let kind = (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED);
    icmp_error(frame, packet, checksum, reporter, kind, [0, 0, m0, m1])
}

/// Puts the full checksum into a quote that starts at the IP header and may end before the checksum.
fn complete_quote(quote: &mut [u8], frame: &[u8], packet: &Packet) {
    let Some(checksum) = full_checksum(frame, packet) else { return };
    let Some(offset) = l4_checksum_offset(packet.protocol) else { return };
    let offset = packet.l4_offset - ETHERNET_LEN + offset;
    if let Some(field) = quote.get_mut(offset..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = checksum.to_be_bytes();
    }
}
