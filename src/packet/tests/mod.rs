//! Laws of the packet room. etherparse, which computes every checksum in full, is the independent reference.

mod bad;
mod build;
mod fragment;
mod notation;
mod offload;
mod parse;
mod rewrite;

use std::net::Ipv4Addr;

use etherparse::{IpHeaders, Ipv4Header, PacketBuilder, TcpHeader};
use proptest::prelude::*;

use super::build::Ends;
// The function alone: the module of the same name would clash with its tests.
use super::parse::parse;
use super::{ETHERNET_LEN, Fragment, L4Checksum, Packet, Parsed, Rewrite, protocol};

/// A packet as a test wants it; [`Sample::frame`] lets etherparse write it.
#[derive(Clone, Debug)]
struct Sample {
    ends: Ends,
    ttl: u8,
    protocol: u8,
    /// Ports, or twice the identifier of an ICMP echo.
    ports: (u16, u16),
    /// Of an ICMP message.
    icmp_type: u8,
    /// Whole words, at most ten of them; with any, the sample is good for a quote only.
    ip_options: Vec<u8>,
    tcp_flags: u8,
    sequence: u32,
    acknowledgment: u32,
    /// Whole words, at most ten of them.
    tcp_options: Vec<u8>,
    payload: Vec<u8>,
}

impl Sample {
    fn frame(&self) -> Vec<u8> {
        let mut header = Ipv4Header::new(
            0,
            self.ttl,
            self.protocol.into(),
            self.ends.source.octets(),
            self.ends.destination.octets(),
        )
        .expect("an empty payload fits");
        header.options = self.ip_options.as_slice().try_into().expect("whole words, at most 40 bytes");
        let builder = PacketBuilder::ethernet2(self.ends.source_mac, self.ends.destination_mac)
            .ip(IpHeaders::Ipv4(header, Default::default()));
        let mut frame = Vec::new();
        let (source_port, destination_port) = self.ports;
        match self.protocol {
            protocol::TCP => {
                let mut tcp = TcpHeader::new(source_port, destination_port, self.sequence, 512);
                tcp.acknowledgment_number = self.acknowledgment;
                let flag = |bit: u8| self.tcp_flags & (1 << bit) != 0;
                (tcp.fin, tcp.syn, tcp.rst, tcp.psh) = (flag(0), flag(1), flag(2), flag(3));
                (tcp.ack, tcp.urg, tcp.ece, tcp.cwr) = (flag(4), flag(5), flag(6), flag(7));
                tcp.set_options_raw(&self.tcp_options).expect("at most 40 bytes");
                builder.tcp_header(tcp).write_to_vec(&mut frame, &self.payload)
            }
            protocol::UDP => builder.udp(source_port, destination_port).write_to_vec(&mut frame, &self.payload),
            protocol::ICMP => {
                let [high, low] = source_port.to_be_bytes();
                let rest = [high, low, 0, 9];
                builder.icmpv4_raw(self.icmp_type, 0, rest).write_to_vec(&mut frame, &self.payload)
            }
            other => panic!("no sample of protocol {other}"),
        }
        .expect("samples are small");
        frame
    }

    /// The packet that [`rewrite`](super::rewrite()) should make of this one.
    fn rewritten(&self, rewrite: &Rewrite) -> Sample {
        let mut sample = self.clone();
        sample.ends.source_mac = rewrite.source_mac;
        sample.ends.destination_mac = rewrite.destination_mac;
        sample.ends.source = rewrite.source.unwrap_or(self.ends.source);
        sample.ends.destination = rewrite.destination.unwrap_or(self.ends.destination);
        sample.ttl -= u8::from(rewrite.decrement_ttl && self.ttl > 0);
        let (source_port, destination_port) = (rewrite.source_port, rewrite.destination_port);
        sample.ports = match (self.protocol, self.icmp_type) {
            (protocol::ICMP, 8) => [source_port.or(destination_port).unwrap_or(self.ports.0); 2].into(),
            (protocol::ICMP, _) => [destination_port.or(source_port).unwrap_or(self.ports.0); 2].into(),
            _ => (source_port.unwrap_or(self.ports.0), destination_port.unwrap_or(self.ports.1)),
        };
        sample
    }
}

fn ipv4(frame: &[u8]) -> Packet {
    match parse(frame) {
        Ok(Parsed::Ipv4(packet)) => packet,
        other => panic!("not an IPv4 packet: {other:?}"),
    }
}

fn ends() -> Ends {
    Ends {
        source_mac: [2, 0, 0, 0, 0, 0xa],
        destination_mac: [2, 0, 0, 0, 0, 0xb],
        source: Ipv4Addr::new(10, 0, 1, 10),
        destination: Ipv4Addr::new(52, 216, 0, 5),
    }
}

/// Puts what a sender with checksum offload leaves in the field: the pseudo-header's sum, computed naively.
fn make_partial(frame: &mut [u8]) {
    let packet = ipv4(frame);
    let offset = packet.l4_offset + if packet.protocol == protocol::TCP { 16 } else { 6 };
    let l4_len = usize::from(packet.total_len) - (packet.l4_offset - ETHERNET_LEN);
    let mut sum = u32::from(packet.protocol) + l4_len as u32;
    for address in [packet.source, packet.destination] {
        let [a, b, c, d] = address.octets().map(u32::from);
        sum += (a << 8 | b) + (c << 8 | d);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[offset..offset + 2].copy_from_slice(&(sum as u16).to_be_bytes());
}

prop_compose! {
    fn any_ends()(source_mac: [u8; 6], destination_mac: [u8; 6], source: [u8; 4], destination: [u8; 4]) -> Ends {
        Ends { source_mac, destination_mac, source: source.into(), destination: destination.into() }
    }
}

/// Addresses and ports are drawn from the edges as well: that is where one's complement has its two zeros.
fn any_port() -> impl Strategy<Value = u16> {
    prop_oneof![any::<u16>(), Just(0), Just(0xffff)]
}

fn any_ttl() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), 0..3_u8]
}

fn any_address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![any::<[u8; 4]>().prop_map(Ipv4Addr::from), Just(Ipv4Addr::UNSPECIFIED), Just(Ipv4Addr::BROADCAST)]
}

prop_compose! {
    fn any_rewrite()(
        source_mac: [u8; 6],
        destination_mac: [u8; 6],
        source in proptest::option::of(any_address()),
        destination in proptest::option::of(any_address()),
        source_port in proptest::option::of(any_port()),
        destination_port in proptest::option::of(any_port()),
        decrement_ttl: bool,
    ) -> Rewrite {
        Rewrite { source_mac, destination_mac, source, destination, source_port, destination_port, decrement_ttl }
    }
}

/// What an ICMP error may quote: with IP options or without.
fn any_quotable() -> impl Strategy<Value = Sample> {
    (any_sample(), options()).prop_map(|(sample, ip_options)| Sample { ip_options, ..sample })
}

/// IP or TCP options: whole words of anything.
fn options() -> impl Strategy<Value = Vec<u8>> {
    (0..=10usize).prop_flat_map(|words| proptest::collection::vec(any::<u8>(), words * 4))
}

fn sample_of(protocols: &'static [u8]) -> impl Strategy<Value = Sample> {
    (
        (any_ends(), any_ttl(), proptest::sample::select(protocols), (any_port(), any_port()), any::<bool>()),
        (any::<u8>(), any::<u32>(), any::<u32>(), options()),
        proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..200),
    )
        .prop_map(
            |((ends, ttl, protocol, ports, reply), (tcp_flags, sequence, acknowledgment, tcp_options), payload)| {
                Sample {
                    ends,
                    ttl,
                    protocol,
                    ports: if protocol == protocol::ICMP { (ports.0, ports.0) } else { ports },
                    icmp_type: if reply { 0 } else { 8 },
                    ip_options: Vec::new(),
                    tcp_flags,
                    sequence,
                    acknowledgment,
                    tcp_options,
                    payload,
                }
            },
        )
}

/// A packet that a frame may be.
fn any_sample() -> impl Strategy<Value = Sample> {
    sample_of(&[protocol::TCP, protocol::UDP, protocol::ICMP])
}
