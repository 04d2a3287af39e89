//! The header that precedes every frame of a TAP with `IFF_VNET_HDR`: `struct virtio_net_hdr` (virtio 1.3, 5.1.6).
//!
//! It says which checksum the reader must finish and into which segments a super-segment falls. A guest can forge it:
//! an AF_PACKET socket with `PACKET_VNET_HDR` hands its own to the kernel, which passes on much nonsense
//! (a `csum_start` inside the IP header would let the far kernel write a sum over our addresses). So
//! [`check`] accepts only what a kernel would say about the packet that we parsed, names everything else, and
//! [`emit`] writes a header from the parse alone.
//!
//! The TAP is opened without `TUNSETVNETLE`, so the fields are in the machine's own byte order.
//! Not here: segmentation in software, UFO (gone from Linux), tunnels, IPv6.

use super::checksum::{fold, pseudo_header, sum};
use super::rewrite::l4_checksum_offset;
use super::{ETHERNET_LEN, Fragment, L4Checksum, Packet, protocol};

/// Length of the header: without the `num_buffers` field, which `TUNSETVNETHDRSZ` could add.
pub const VNET_HEADER_LEN: usize = 10;

/// The least payload of a segment. An unmodified Linux sender never goes below eight bytes: `TCP_MIN_SND_MSS` 48 less 40 bytes
/// of options. Below that, one frame would stand for tens of thousands of packets.
pub const MINIMUM_SEGMENT: u16 = 8;

/// The most segments of one UDP super-segment (`UDP_MAX_SEGMENTS`); the kernel refuses more with EINVAL.
pub const MAXIMUM_UDP_SEGMENTS: usize = 128;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCP_V4: u8 = 1;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// What is left to be done for a frame by whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// State of the TCP or UDP checksum.
    pub checksum: L4Checksum,
    /// Into which segments the frame falls; `None`: it is one packet.
    pub segmentation: Option<Segmentation>,
}

/// A super-segment: one frame that stands for several packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// How it is cut.
    pub kind: SegmentationKind,
    /// Payload bytes of each segment but the last.
    pub size: u16,
    /// The first segment alone carries CWR (RFC 3168 6.1.2). TCP only.
    pub ecn: bool,
}

/// How a super-segment is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentationKind {
    /// A TCP byte stream over IPv4.
    TcpV4,
    /// UDP datagrams of one size (`UDP_SEGMENT`).
    UdpL4,
}

impl Offload {
    /// A frame with nothing left to do.
    pub const NONE: Offload = Offload { checksum: L4Checksum::Complete, segmentation: None };

    /// Length of the longest IP packet that the frame stands for, IP header included: what path-MTU rules compare with an
    /// MTU, of the link it came by or of any other on its way.
    #[inline]
    pub fn wire_len(&self, packet: &Packet) -> usize {
        match self.segmentation {
            Some(segmentation) => packet.payload_offset - ETHERNET_LEN + usize::from(segmentation.size),
            None => usize::from(packet.total_len),
        }
    }
}

/// Why an offload header is refused. A closed list: each is a drop reason and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadOffload {
    /// The frame is shorter than the packet that was parsed from it, or a super-segment has bytes behind its packet.
    #[error("offload: frame length does not agree with the packet")]
    FrameLength,
    /// A checksum to finish on what has none: neither TCP nor UDP, or a fragment.
    #[error("offload: checksum to finish on a packet that cannot have one")]
    ChecksumProtocol,
    /// `csum_start` is not the L4 header.
    #[error("offload: csum_start is not the L4 header")]
    ChecksumStart,
    /// `csum_offset` is not the protocol's checksum field.
    #[error("offload: csum_offset is not the protocol's checksum field")]
    ChecksumOffset,
    /// Segments without a checksum to finish: each needs one of its own.
    #[error("offload: segments without a checksum to finish")]
    SegmentationChecksum,
    /// An unknown GSO type, or one that is not the packet's protocol.
    #[error("offload: GSO type is unknown or not the packet's protocol")]
    SegmentationKind,
    /// `gso_size` is under [`MINIMUM_SEGMENT`].
    #[error("offload: gso_size is too small")]
    SegmentSize,
    /// More than [`MAXIMUM_UDP_SEGMENTS`].
    #[error("offload: more UDP segments than a kernel makes")]
    SegmentCount,
    /// A packet or segment is longer than the MTU. Not always forged: a guest can raise its own MTU.
    #[error("packet is longer than the MTU of the link")]
    OverMtu,
}

impl BadOffload {
    /// All of them, for metrics that register every label first.
    pub const ALL: [BadOffload; 9] = [
        BadOffload::FrameLength,
        BadOffload::ChecksumProtocol,
        BadOffload::ChecksumStart,
        BadOffload::ChecksumOffset,
        BadOffload::SegmentationChecksum,
        BadOffload::SegmentationKind,
        BadOffload::SegmentSize,
        BadOffload::SegmentCount,
        BadOffload::OverMtu,
    ];

    /// The name as drops and metrics print it.
    pub const fn label(self) -> &'static str {
        match self {
            BadOffload::FrameLength => "OFFLOAD_FRAME_LENGTH",
            BadOffload::ChecksumProtocol => "OFFLOAD_CHECKSUM_PROTOCOL",
            BadOffload::ChecksumStart => "OFFLOAD_CHECKSUM_START",
            BadOffload::ChecksumOffset => "OFFLOAD_CHECKSUM_OFFSET",
            BadOffload::SegmentationChecksum => "OFFLOAD_SEGMENTATION_CHECKSUM",
            BadOffload::SegmentationKind => "OFFLOAD_SEGMENTATION_KIND",
            BadOffload::SegmentSize => "OFFLOAD_SEGMENT_SIZE",
            BadOffload::SegmentCount => "OFFLOAD_SEGMENT_COUNT",
            BadOffload::OverMtu => "OVER_MTU",
        }
    }
}

/// The fields of `struct virtio_net_hdr` that matter. `hdr_len` is a hint that we never believe; the flags beside
/// NEEDS_CSUM (DATA_VALID, RSC_INFO) promise what the reader can't check and are not passed on.
struct Header {
    needs_checksum: bool,
    gso_type: u8,
    gso_size: u16,
    checksum_start: u16,
    checksum_offset: u16,
}

impl Header {
    #[inline]
    fn read(bytes: &[u8; VNET_HEADER_LEN]) -> Header {
        let &[flags, gso_type, _, _, s0, s1, c0, c1, o0, o1] = bytes;
        Header {
            needs_checksum: flags & NEEDS_CHECKSUM != 0,
            gso_type,
            gso_size: u16::from_ne_bytes([s0, s1]),
            checksum_start: u16::from_ne_bytes([c0, c1]),
            checksum_offset: u16::from_ne_bytes([o0, o1]),
        }
    }
}

/// Judges the header that came with a frame, against the parse of the frame.
///
/// `frame_len` counts from the Ethernet header. `mtu` is the link's: the longest IP packet, not frame.
#[inline]
pub fn check(
    header: &[u8; VNET_HEADER_LEN],
    packet: &Packet,
    frame_len: usize,
    mtu: u16,
) -> Result<Offload, BadOffload> {
    let header = Header::read(header);
    if frame_len < packet.end() {
        return Err(BadOffload::FrameLength);
    }
    let checksum = check_checksum(&header, packet)?;
    let segmentation = check_segmentation(&header, packet, frame_len)?;
    let offload = Offload { checksum, segmentation };
    if offload.wire_len(packet) > usize::from(mtu) {
        return Err(BadOffload::OverMtu);
    }
    Ok(offload)
}

/// The header for a frame that leaves with `offload`; `packet` is its parse (a rewrite moves no offset).
#[inline]
pub fn emit(offload: &Offload, packet: &Packet) -> [u8; VNET_HEADER_LEN] {
    let Some(checksum_offset) = partial_checksum_offset(packet).filter(|_| offload.checksum == L4Checksum::Partial)
    else {
        return [0; VNET_HEADER_LEN];
    };
    let (gso_type, gso_size) = match offload.segmentation {
        None => (GSO_NONE, 0),
        Some(Segmentation { kind, size, ecn }) => {
            let gso_type = match kind {
                SegmentationKind::TcpV4 => GSO_TCP_V4,
                SegmentationKind::UdpL4 => GSO_UDP_L4,
            };
            (gso_type | if ecn { GSO_ECN } else { 0 }, size)
        }
    };
    // An IPv4 and a TCP header are at most 60 bytes each, so no offset leaves 16 bits.
    let [l0, l1] = (packet.payload_offset as u16).to_ne_bytes();
    let [s0, s1] = gso_size.to_ne_bytes();
    let [c0, c1] = (packet.l4_offset as u16).to_ne_bytes();
    let [o0, o1] = checksum_offset.to_ne_bytes();
    [NEEDS_CHECKSUM, gso_type, l0, l1, s0, s1, c0, c1, o0, o1]
}

/// Computes the TCP, UDP or ICMP checksum in full and writes it: for captures, quotes and links without this header.
/// Meant for frames whose checksum is partial: on a complete one it would repair damage that the receiver should see,
/// and give a UDP datagram a checksum that its sender left out. Fragments are left alone: theirs covers bytes elsewhere.
pub fn complete_checksum(frame: &mut [u8], packet: &Packet) {
    let Some(checksum) = full_checksum(frame, packet) else { return };
    let Some(offset) = l4_checksum_offset(packet.protocol).map(|offset| packet.l4_offset + offset) else { return };
    if let Some(field) = frame.get_mut(offset..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = checksum.to_be_bytes();
    }
}

/// The full L4 checksum as it belongs on the wire, whatever the field holds now. `None` for fragments and other protocols.
pub fn full_checksum(frame: &[u8], packet: &Packet) -> Option<u16> {
    if packet.fragment != Fragment::None {
        return None;
    }
    // For UDP this is what its own length says; bytes between it and the IP length are not covered.
    let l4 = frame.get(packet.l4_offset..packet.payload_offset + packet.payload_len)?;
    let offset = l4_checksum_offset(packet.protocol)?;
    let mut total = sum(l4.get(..offset)?) + sum(l4.get(offset + 2..)?);
    if packet.protocol != protocol::ICMP {
        total += pseudo_header(packet.source, packet.destination, packet.protocol, l4.len());
    }
    Some(match !fold(total) {
        0 if packet.protocol == protocol::UDP => 0xffff,
        checksum => checksum,
    })
}

#[inline]
fn partial_checksum_offset(packet: &Packet) -> Option<u16> {
    match (packet.protocol, packet.fragment) {
        (protocol::TCP, Fragment::None) => Some(16),
        (protocol::UDP, Fragment::None) => Some(6),
        _ => None,
    }
}

#[inline]
fn check_checksum(header: &Header, packet: &Packet) -> Result<L4Checksum, BadOffload> {
    if !header.needs_checksum {
        return Ok(L4Checksum::Complete);
    }
    let offset = partial_checksum_offset(packet).ok_or(BadOffload::ChecksumProtocol)?;
    if usize::from(header.checksum_start) != packet.l4_offset {
        return Err(BadOffload::ChecksumStart);
    }
    if header.checksum_offset != offset {
        return Err(BadOffload::ChecksumOffset);
    }
    Ok(L4Checksum::Partial)
}

#[inline]
fn check_segmentation(header: &Header, packet: &Packet, frame_len: usize) -> Result<Option<Segmentation>, BadOffload> {
    if header.gso_type == GSO_NONE {
        return Ok(None);
    }
    let ecn = header.gso_type & GSO_ECN != 0;
    let kind = match (header.gso_type & !GSO_ECN, packet.protocol) {
        (GSO_TCP_V4, protocol::TCP) => SegmentationKind::TcpV4,
        (GSO_UDP_L4, protocol::UDP) if !ecn => SegmentationKind::UdpL4,
        _ => return Err(BadOffload::SegmentationKind),
    };
    if !header.needs_checksum {
        return Err(BadOffload::SegmentationChecksum);
    }
    if header.gso_size < MINIMUM_SEGMENT {
        return Err(BadOffload::SegmentSize);
    }
    // Padding would be cut into segments as if it were payload.
    if frame_len != packet.payload_offset + packet.payload_len {
        return Err(BadOffload::FrameLength);
    }
    let size = usize::from(header.gso_size);
    if kind == SegmentationKind::UdpL4 && packet.payload_len.div_ceil(size) > MAXIMUM_UDP_SEGMENTS {
        return Err(BadOffload::SegmentCount);
    }
    // "Too small packets are not really GSO ones" (linux/virtio_net.h): one segment is a packet.
    if packet.payload_len <= size {
        return Ok(None);
    }
    Ok(Some(Segmentation { kind, size: header.gso_size, ecn }))
}
