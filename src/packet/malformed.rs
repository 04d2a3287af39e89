//! The names of what can be wrong with a frame's bytes.
//!
//! Each is a drop reason and a metric label, so the list is closed. [`parse`](super::parse()) and
//! [`quoted`](super::quoted) decide which one it is; packets for each stand in `tests/bad/`.

/// Why a frame has no meaning. A closed list: each is a drop reason and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Shorter than an Ethernet header.
    #[error("frame is shorter than an Ethernet header")]
    FrameTruncated,
    /// ARP that is cut off, or not for IPv4 over Ethernet.
    #[error("ARP packet is cut off or not about IPv4 over Ethernet")]
    Arp,
    /// The frame ends inside the IPv4 header.
    #[error("frame ends inside the IPv4 header")]
    Ipv4Truncated,
    /// The version field is not 4.
    #[error("IP version field of an IPv4 frame is not 4")]
    Ipv4Version,
    /// The header length field is under five words.
    #[error("IPv4 header length is under 20 bytes")]
    Ipv4HeaderLength,
    /// The total length is shorter than the header or longer than the frame.
    #[error("IPv4 total length is shorter than its header or longer than the frame")]
    Ipv4TotalLength,
    /// The IPv4 header has options. None of them means anything in a VPC, some ask the network for a way of their own
    /// (source routes), and all of them move the L4 header (RFC 7126 has networks drop them).
    #[error("IPv4 header has options")]
    Ipv4Options,
    /// A fragment reaches beyond 65,535 bytes (the "ping of death"), is empty, or leaves a gap that no other can fill: all
    /// but the last are whole eights (RFC 791 3.2).
    #[error("IPv4 fragment is empty, ends between two eights with more to follow, or reaches beyond 65,535 bytes")]
    FragmentExtent,
    /// A TCP fragment at offset 8 would overwrite the flags that were checked (RFC 3128).
    #[error("TCP fragment overlaps the header of the first (RFC 3128)")]
    FragmentOverlap,
    /// The packet ends inside its TCP header; as a first fragment, it hides the flags (RFC 1858).
    #[error("packet ends inside the TCP header")]
    TcpTruncated,
    /// The TCP data offset is under five words.
    #[error("TCP header length is under 20 bytes")]
    TcpHeaderLength,
    /// The packet ends inside its UDP header.
    #[error("packet ends inside the UDP header")]
    UdpTruncated,
    /// The UDP length is under 8 or longer than the packet.
    #[error("UDP length is under 8 bytes or longer than the packet")]
    UdpLength,
    /// The packet ends inside its ICMP header.
    #[error("packet ends inside the ICMP header")]
    IcmpTruncated,
    /// An ICMP error without a usable quote of the packet it is about.
    #[error("ICMP error does not quote the header of the packet it is about")]
    IcmpQuote,
}

impl Malformed {
    /// All of them, for metrics that register every label first.
    pub const ALL: [Malformed; 15] = [
        Malformed::FrameTruncated,
        Malformed::Arp,
        Malformed::Ipv4Truncated,
        Malformed::Ipv4Version,
        Malformed::Ipv4HeaderLength,
        Malformed::Ipv4TotalLength,
        Malformed::Ipv4Options,
        Malformed::FragmentExtent,
        Malformed::FragmentOverlap,
        Malformed::TcpTruncated,
        Malformed::TcpHeaderLength,
        Malformed::UdpTruncated,
        Malformed::UdpLength,
        Malformed::IcmpTruncated,
        Malformed::IcmpQuote,
    ];

    /// The name as drops and metrics print it.
    pub const fn label(self) -> &'static str {
        match self {
            Malformed::FrameTruncated => "FRAME_TRUNCATED",
            Malformed::Arp => "ARP_MALFORMED",
            Malformed::Ipv4Truncated => "IPV4_TRUNCATED",
            Malformed::Ipv4Version => "IPV4_VERSION",
            Malformed::Ipv4HeaderLength => "IPV4_HEADER_LENGTH",
            Malformed::Ipv4TotalLength => "IPV4_TOTAL_LENGTH",
            Malformed::Ipv4Options => "IPV4_OPTIONS",
            Malformed::FragmentExtent => "FRAGMENT_EXTENT",
            Malformed::FragmentOverlap => "FRAGMENT_OVERLAP",
            Malformed::TcpTruncated => "TCP_TRUNCATED",
            Malformed::TcpHeaderLength => "TCP_HEADER_LENGTH",
            Malformed::UdpTruncated => "UDP_TRUNCATED",
            Malformed::UdpLength => "UDP_LENGTH",
            Malformed::IcmpTruncated => "ICMP_TRUNCATED",
            Malformed::IcmpQuote => "ICMP_QUOTE",
        }
    }
}
