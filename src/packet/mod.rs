//! Bytes and their meaning: parse, rewrite (RFC 1624), build, offload header, text notation.
//!
//! Everything here is a pure function of the bytes it is given: no I/O, no clock, no state. Nothing on the path of
//! a frame (`parse`, `rewrite`, `offload::check`, `offload::emit`) allocates, errors in a way that needs handling
//! beyond a drop, or panics: indexing is checked, which the lint below enforces.
//!
//! | file | does |
//! |---|---|
//! | [`parse`](mod@parse) | frame → [`Packet`]: what the dataplane needs, with the offsets to rewrite it |
//! | [`rewrite`](mod@rewrite) | changes addresses, ports, TTL and MSS in place, with incremental checksums |
//! | [`tcp`] | a TCP header's numbers and options, in place |
//! | [`offload`] | the virtio header of a TAP: distrusts the guest's, emits our own |
//! | [`fragment`] | cuts a packet for a smaller MTU |
//! | [`build`] | whole frames: ARP, resets, ICMP errors, and the ones that tests need |
//! | [`notation`] | one text form of a packet for logs, tests and `trace` |
//!
//! Not here: IPv6, VLAN tags, fragment reassembly, segmentation of super-segments for links without offload
//! (a lab's links either all have it or none has), and checksums of protocols other than TCP, UDP and ICMP.
//! A packet of any other IP protocol is forwarded and translated by address alone.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod build;
mod checksum;
pub mod fragment;
mod malformed;
pub mod notation;
pub mod offload;
pub mod parse;
pub mod rewrite;
pub mod tcp;

#[cfg(test)]
mod tests;

pub use malformed::Malformed;
pub use notation::Notation;
pub use offload::{BadOffload, Offload, VNET_HEADER_LEN, complete_checksum};
pub use parse::{Arp, Fragment, Packet, Parsed, Quoted, parse, quoted};
pub use rewrite::{L4Checksum, Rewrite, clamp_mss, rewrite, rewrite_quoted};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Bytes in front of the IP header: an Ethernet II header without tags.
pub const ETHERNET_LEN: usize = 14;

/// IP protocol numbers that this room understands beyond the IP header.
pub mod protocol {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
}

/// ICMP types that this room treats specially (RFC 792).
pub mod icmp {
    /// The answer to an echo request.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable; quotes the packet.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench, deprecated by RFC 6633; quotes the packet.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect; quotes the packet.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded; quotes the packet.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem; quotes the packet.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Code of [`UNREACHABLE`]: no route leads there.
    pub const NET_UNREACHABLE: u8 = 0;
    /// Code of [`UNREACHABLE`]: the last router found nobody with this address.
    pub const HOST_UNREACHABLE: u8 = 1;
    /// Code of [`UNREACHABLE`]: the host does not speak this protocol.
    pub const PROTOCOL_UNREACHABLE: u8 = 2;
    /// Code of [`UNREACHABLE`]: nobody listens on this port.
    pub const PORT_UNREACHABLE: u8 = 3;
    /// Code of [`UNREACHABLE`]: fragmentation needed and DF set (RFC 1191).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Code of [`TIME_EXCEEDED`]: the TTL was used up on the way. What traceroute waits for.
    pub const TTL_EXCEEDED: u8 = 0;
}

/// TCP flags as they stand in the header's byte 13 (RFC 9293 3.1).
pub mod tcp_flags {
    /// No more data from sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number is valid.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is valid.
    pub const URG: u8 = 0x20;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;
}
