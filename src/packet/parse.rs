//! Frame → [`Packet`]: the few facts that a decision needs, and the offsets that a rewrite needs.
//!
//! Headers are read by etherparse's slices, which check lengths once and allocate nothing; this file adds the rules
//! between headers (lengths that must agree, fragments that hide a header) and gives each fault a name. The result is
//! a plain `Copy` value that borrows nothing, so the frame stays free to be rewritten.
//!
//! IP options are refused on a frame, and read over in the packet that an ICMP error quotes.
//!
//! It does not verify checksums: they are partial on most frames of a TAP with offload, and an incremental update
//! keeps a wrong one wrong, so the receiver still notices. It does not judge addresses; that is admission's work.

use std::net::Ipv4Addr;

use etherparse::err::ipv4::{HeaderError, HeaderSliceError};
use etherparse::{
    ArpHardwareId, ArpPacketSlice, EtherType, Ethernet2HeaderSlice, Ipv4HeaderSlice, TcpHeaderSlice, UdpHeaderSlice,
};

use super::{ETHERNET_LEN, Mac, Malformed, icmp, protocol};

/// An IPv4 header without options.
const IPV4_LEN: usize = 20;

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// An IPv4 packet.
    Ipv4(Packet),
    /// Anything else: IPv6, VLAN tags, 802.3 lengths. A VPC's dataplane forwards none of it.
    Other {
        /// The Ethernet header's type field.
        ether_type: u16,
    },
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Ethernet address of the sender, as ARP says it (the frame's header may differ).
    pub sender_mac: Mac,
    /// IPv4 address of the sender; unspecified in a probe (RFC 5227).
    pub sender_ip: Ipv4Addr,
    /// Ethernet address asked about; meaningless in a request.
    pub target_mac: Mac,
    /// IPv4 address asked about.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// `operation` of a request.
    pub const REQUEST: u16 = 1;
    /// `operation` of a reply.
    pub const REPLY: u16 = 2;
}

/// Where a packet stands in a fragmented datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// The packet is a whole datagram.
    None,
    /// The first fragment: holds the L4 header, and the L4 checksum of the whole datagram.
    First,
    /// A later fragment: has no L4 header, so no ports.
    Later,
}

/// The parsed meaning of an IPv4 frame. Offsets count from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Ethernet source.
    pub source_mac: Mac,
    /// Ethernet destination.
    pub destination_mac: Mac,
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
    /// IP protocol number; see [`protocol`].
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Identifies the datagram to which a fragment belongs, together with addresses and protocol (RFC 6864).
    pub identification: u16,
    /// Place in a fragmented datagram. The L4 fields below are zero for [`Fragment::Later`].
    pub fragment: Fragment,
    /// Where this packet's bytes stand in the datagram, in bytes: a multiple of eight; 0 unless it is a later fragment.
    pub fragment_offset: u16,
    /// The MF bit: later fragments of the datagram follow.
    pub more_fragments: bool,
    /// The DF bit.
    pub dont_fragment: bool,
    /// The IP header's total length, header included; of the whole super-segment when the frame is one (GSO).
    pub total_len: u16,
    /// Start of the L4 header; of the payload for a later fragment.
    pub l4_offset: usize,
    /// TCP and UDP: source port. ICMP echo request and reply: the identifier. Otherwise 0.
    pub source_port: u16,
    /// TCP and UDP: destination port. ICMP echo request and reply: the identifier. Otherwise 0.
    pub destination_port: u16,
    /// TCP only; see [`tcp_flags`](super::tcp_flags).
    pub tcp_flags: u8,
    /// TCP only.
    pub tcp_sequence: u32,
    /// TCP only, and meaningful only with ACK set.
    pub tcp_acknowledgment: u32,
    /// TCP only: header length with options, 20 to 60.
    pub tcp_header_len: usize,
    /// ICMP only; see [`icmp`].
    pub icmp_type: u8,
    /// ICMP only.
    pub icmp_code: u8,
    /// Start of what the L4 header carries. For ICMP: after its eight bytes. For an unknown protocol: `l4_offset`.
    pub payload_offset: usize,
    /// Length of what the L4 header carries in this frame (UDP: as its own length field says, unless fragmented).
    pub payload_len: usize,
}

impl Packet {
    /// Bytes behind the IP header: the packet's part of its datagram.
    #[inline]
    pub fn ip_payload_len(&self) -> u16 {
        self.total_len.saturating_sub((self.l4_offset - ETHERNET_LEN) as u16)
    }

    /// End of the IP packet in the frame. Bytes behind it are Ethernet padding.
    #[inline]
    pub fn end(&self) -> usize {
        ETHERNET_LEN + usize::from(self.total_len)
    }

    /// Whether this is an ICMP echo request or reply, so that both port fields hold its identifier.
    #[inline]
    pub fn is_icmp_echo(&self) -> bool {
        self.protocol == protocol::ICMP
            && self.fragment != Fragment::Later
            && matches!(self.icmp_type, icmp::ECHO_REQUEST | icmp::ECHO_REPLY)
    }

    /// Whether this is an ICMP message that quotes the packet it is about (RFC 792), so that [`quoted`] applies.
    #[inline]
    pub fn is_icmp_error(&self) -> bool {
        self.protocol == protocol::ICMP
            && self.fragment != Fragment::Later
            && matches!(
                self.icmp_type,
                icmp::UNREACHABLE
                    | icmp::SOURCE_QUENCH
                    | icmp::REDIRECT
                    | icmp::TIME_EXCEEDED
                    | icmp::PARAMETER_PROBLEM
            )
    }

    /// What the packet occupies of a TCP sequence space: payload, plus one each for SYN and FIN (RFC 9293 3.4).
    #[inline]
    pub fn tcp_segment_len(&self) -> u32 {
        use super::tcp_flags::{FIN, SYN};
        // A total length is 16 bits, so the payload's length always fits.
        self.payload_len as u32 + u32::from(self.tcp_flags & SYN != 0) + u32::from(self.tcp_flags & FIN != 0)
    }
}

/// The packet that an ICMP error quotes, as far as it is quoted: enough to find its flow and to rewrite it.
/// Offsets count from the start of the outer frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source of the quoted packet: usually the destination of the error.
    pub source: Ipv4Addr,
    /// Destination of the quoted packet.
    pub destination: Ipv4Addr,
    /// Protocol of the quoted packet.
    pub protocol: u8,
    /// Place of the quoted packet in a fragmented datagram.
    pub fragment: Fragment,
    /// Start of the quoted IP header.
    pub header_offset: usize,
    /// Start of the quoted L4 header.
    pub l4_offset: usize,
    /// End of the quoted bytes: of what is quoted, usually short of the quoted packet's own length.
    pub end: usize,
    /// As in [`Packet`]; 0 for a later fragment.
    pub source_port: u16,
    /// As in [`Packet`]; 0 for a later fragment.
    pub destination_port: u16,
    /// ICMP only.
    pub icmp_type: u8,
}

/// Reads a frame that starts at its Ethernet header. Bytes after the IP total length are padding and ignored.
#[inline]
pub fn parse(frame: &[u8]) -> Result<Parsed, Malformed> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).map_err(|_| Malformed::FrameTruncated)?;
    let rest = frame.get(ETHERNET_LEN..).unwrap_or_default();
    match ethernet.ether_type() {
        EtherType::IPV4 => parse_ipv4(&ethernet, rest).map(Parsed::Ipv4),
        EtherType::ARP => parse_arp(rest).map(Parsed::Arp),
        other => Ok(Parsed::Other { ether_type: other.0 }),
    }
}

/// Reads the packet that an ICMP error quotes. `packet` is the parse of this very frame.
/// Anything else than an ICMP error, or a quote too short to name a flow, is [`Malformed::IcmpQuote`].
pub fn quoted(frame: &[u8], packet: &Packet) -> Result<Quoted, Malformed> {
    if !packet.is_icmp_error() {
        return Err(Malformed::IcmpQuote);
    }
    let header_offset = packet.payload_offset;
    let end = packet.payload_offset + packet.payload_len;
    let bytes = frame.get(header_offset..end).ok_or(Malformed::IcmpQuote)?;
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| Malformed::IcmpQuote)?;
    let l4 = bytes.get(header.slice().len()..).unwrap_or_default();
    let mut quoted = Quoted {
        source: header.source_addr(),
        destination: header.destination_addr(),
        protocol: header.protocol().0,
        fragment: fragment(&header),
        header_offset,
        l4_offset: header_offset + header.slice().len(),
        end,
        source_port: 0,
        destination_port: 0,
        icmp_type: 0,
    };
    if quoted.fragment == Fragment::Later {
        return Ok(quoted);
    }
    // RFC 792 promises eight bytes of L4, which is where ports and identifiers are.
    match (quoted.protocol, l4.first_chunk::<8>()) {
        (protocol::TCP | protocol::UDP, Some(&[s0, s1, d0, d1, ..])) => {
            quoted.source_port = u16::from_be_bytes([s0, s1]);
            quoted.destination_port = u16::from_be_bytes([d0, d1]);
        }
        (protocol::ICMP, Some(&[kind, _, _, _, i0, i1, ..])) => {
            quoted.icmp_type = kind;
            if matches!(kind, icmp::ECHO_REQUEST | icmp::ECHO_REPLY) {
                quoted.source_port = u16::from_be_bytes([i0, i1]);
                quoted.destination_port = quoted.source_port;
            }
        }
        (protocol::TCP | protocol::UDP | protocol::ICMP, None) => return Err(Malformed::IcmpQuote),
        _ => {}
    }
    Ok(quoted)
}

fn parse_arp(bytes: &[u8]) -> Result<Arp, Malformed> {
    let arp = ArpPacketSlice::from_slice(bytes).map_err(|_| Malformed::Arp)?;
    if arp.hw_addr_type() != ArpHardwareId::ETHERNET || arp.proto_addr_type() != EtherType::IPV4 {
        return Err(Malformed::Arp);
    }
    // The conversions below hold exactly when the size fields say 6 and 4.
    Ok(Arp {
        operation: arp.operation().0,
        sender_mac: arp.sender_hw_addr().try_into().map_err(|_| Malformed::Arp)?,
        sender_ip: ipv4_address(arp.sender_protocol_addr())?,
        target_mac: arp.target_hw_addr().try_into().map_err(|_| Malformed::Arp)?,
        target_ip: ipv4_address(arp.target_protocol_addr())?,
    })
}

fn ipv4_address(bytes: &[u8]) -> Result<Ipv4Addr, Malformed> {
    <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from).map_err(|_| Malformed::Arp)
}

#[inline]
fn parse_ipv4(ethernet: &Ethernet2HeaderSlice, bytes: &[u8]) -> Result<Packet, Malformed> {
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => Malformed::Ipv4Truncated,
        HeaderSliceError::Content(HeaderError::UnexpectedVersion { .. }) => Malformed::Ipv4Version,
        HeaderSliceError::Content(HeaderError::HeaderLengthSmallerThanHeader { .. }) => Malformed::Ipv4HeaderLength,
    })?;
    let header_len = header.slice().len();
    let payload = bytes.get(header_len..usize::from(header.total_len())).ok_or(Malformed::Ipv4TotalLength)?;
    // A quote may have them ([`quoted`] reads over them): it shows what another host met, wherever that was.
    if header_len > IPV4_LEN {
        return Err(Malformed::Ipv4Options);
    }
    let l4_offset = ETHERNET_LEN + header_len;
    let mut packet = Packet {
        source_mac: ethernet.source(),
        destination_mac: ethernet.destination(),
        source: header.source_addr(),
        destination: header.destination_addr(),
        protocol: header.protocol().0,
        ttl: header.ttl(),
        identification: header.identification(),
        fragment: fragment(&header),
        fragment_offset: fragment_offset(&header),
        more_fragments: header.more_fragments(),
        dont_fragment: header.dont_fragment(),
        total_len: header.total_len(),
        l4_offset,
        source_port: 0,
        destination_port: 0,
        tcp_flags: 0,
        tcp_sequence: 0,
        tcp_acknowledgment: 0,
        tcp_header_len: 0,
        icmp_type: 0,
        icmp_code: 0,
        payload_offset: l4_offset,
        payload_len: payload.len(),
    };
    if packet.fragment != Fragment::None {
        check_fragment(&header, payload.len())?;
        if packet.fragment == Fragment::Later {
            return Ok(packet);
        }
    }
    match packet.protocol {
        protocol::TCP => parse_tcp(&mut packet, payload)?,
        protocol::UDP => parse_udp(&mut packet, payload)?,
        protocol::ICMP => parse_icmp(&mut packet, payload)?,
        _ => {}
    }
    Ok(packet)
}

#[inline]
fn fragment(header: &Ipv4HeaderSlice) -> Fragment {
    match (header.fragments_offset().value(), header.more_fragments()) {
        (0, false) => Fragment::None,
        (0, true) => Fragment::First,
        _ => Fragment::Later,
    }
}

#[inline]
fn fragment_offset(header: &Ipv4HeaderSlice) -> u16 {
    // 13 bits that count eights: at most 65,528.
    header.fragments_offset().value() * 8
}

fn check_fragment(header: &Ipv4HeaderSlice, payload_len: usize) -> Result<(), Malformed> {
    let start = usize::from(fragment_offset(header));
    let odd_end = header.more_fragments() && !payload_len.is_multiple_of(8);
    if payload_len == 0 || odd_end || header.slice().len() + start + payload_len > usize::from(u16::MAX) {
        return Err(Malformed::FragmentExtent);
    }
    if start == 8 && header.protocol().0 == protocol::TCP {
        return Err(Malformed::FragmentOverlap);
    }
    Ok(())
}

#[inline]
fn parse_tcp(packet: &mut Packet, payload: &[u8]) -> Result<(), Malformed> {
    use etherparse::err::tcp::HeaderSliceError;
    let tcp = TcpHeaderSlice::from_slice(payload).map_err(|error| match error {
        HeaderSliceError::Len(_) => Malformed::TcpTruncated,
        HeaderSliceError::Content(_) => Malformed::TcpHeaderLength,
    })?;
    packet.source_port = tcp.source_port();
    packet.destination_port = tcp.destination_port();
    packet.tcp_flags = tcp.slice().get(13).copied().unwrap_or_default();
    packet.tcp_sequence = tcp.sequence_number();
    packet.tcp_acknowledgment = tcp.acknowledgment_number();
    packet.tcp_header_len = tcp.slice().len();
    packet.payload_offset += packet.tcp_header_len;
    packet.payload_len -= packet.tcp_header_len;
    Ok(())
}

#[inline]
fn parse_udp(packet: &mut Packet, payload: &[u8]) -> Result<(), Malformed> {
    let udp = UdpHeaderSlice::from_slice(payload).map_err(|_| Malformed::UdpTruncated)?;
    packet.source_port = udp.source_port();
    packet.destination_port = udp.destination_port();
    packet.payload_offset += 8;
    let datagram_len = usize::from(udp.length());
    // A first fragment's length field speaks of the whole datagram, which is longer than the fragment.
    let longest = if packet.fragment == Fragment::First { usize::MAX } else { payload.len() };
    if datagram_len < 8 || datagram_len > longest {
        return Err(Malformed::UdpLength);
    }
    packet.payload_len = datagram_len.min(payload.len()) - 8;
    Ok(())
}

#[inline]
fn parse_icmp(packet: &mut Packet, payload: &[u8]) -> Result<(), Malformed> {
    let &[kind, code, _, _, i0, i1, _, _] = payload.first_chunk::<8>().ok_or(Malformed::IcmpTruncated)?;
    packet.icmp_type = kind;
    packet.icmp_code = code;
    packet.payload_offset += 8;
    packet.payload_len -= 8;
    if packet.is_icmp_echo() {
        packet.source_port = u16::from_be_bytes([i0, i1]);
        packet.destination_port = packet.source_port;
    }
    Ok(())
}
