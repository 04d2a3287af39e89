//! Stories of what lies beyond a subnet: NAT and internet gateways, peering, VPN, endpoints, and the sizes they carry.
//!
//! ```text
//! VPC main 10.0.0.0/16                                                    internet 198.51.100.10
//!   subnet a 10.0.1.0/24  app .10            0/0 → NAT gateway            S3 52.216.0.0/15
//!   subnet b 10.0.2.0/24  db .10             0/0 → internet gateway, S3 → gateway endpoint
//!            interface endpoints to S3 .60, to the provider .50
//!   subnet n 10.0.3.0/24  pub .10 = 203.0.113.1   NAT gateway .200 = 203.0.113.2   0/0 → internet gateway
//!   subnet m 10.0.4.0/24  fw .10 (an appliance: no source/destination check)       0/0 → internet gateway
//!   all of them: 10.1.0.0/16, 10.2.0.0/16 → peering, 192.168.0.0/16 → virtual private gateway
//! VPC far 10.1.0.0/16     far 10.1.1.10      0/0, 10.0.0.0/16 → peering with main, 10.2.0.0/16 → with beyond
//! VPC beyond 10.2.0.0/16  beyond 10.2.1.10   10.0.0.0/15 → peering with far
//! VPC provider 10.0.0.0/16 (overlaps main)   web 10.0.1.20, NLB node .100
//! on premises             office 192.168.0.10
//! ```
//!
//! A story says what is sent and compares all that comes of it: every frame that leaves, wherever to, and every drop with its
//! code and its object. What the text form of a packet doesn't tell stands behind it: `ttl 63`, `mss 1460`,
//! `quoting …`.

mod endpoints;
mod internet;
mod middlebox;
mod mtu;
mod nat;
mod nat_ports;
mod noise;
mod on_premises;
mod peering;
mod swaps;
mod world;

use std::sync::Arc;
use std::time::Duration;

use super::lab::{assert_valid_checksums, ipv4};
use crate::dataplane::tables::*;
use crate::dataplane::{Dataplane, LinkIndex, Outbox, Verdict};
use crate::packet::offload::VNET_HEADER_LEN;
use crate::packet::{ETHERNET_LEN, Fragment, Notation, Packet, protocol};
pub use world::*;

/// A dataplane over [`tables`], with the clock in the story's hand.
pub struct World {
    pub dataplane: Dataplane,
    pub now: Duration,
}

/// A frame to be sent: a packet as text, and what the text can't say.
#[derive(Clone)]
pub struct Shot {
    link: LinkIndex,
    frame: Vec<u8>,
    vnet: [u8; VNET_HEADER_LEN],
}

/// A frame of a packet that a guest's kernel would send: from its own MAC to the neighbour's or the router's.
#[track_caller]
pub fn shot(tables: &Tables, text: &str) -> Shot {
    let notation: Notation = text.parse().expect("a packet");
    let link = link(&notation.link);
    let own = tables.links[link.at()].mac;
    let next = match tables.links[link.at()].behind {
        Behind::Interface(index) => {
            let interface = &tables.interfaces[index.at()];
            let owner = tables.vpcs[interface.vpc.at()].addresses.get(&notation.destination);
            let neighbour = owner.map(|it| &tables.interfaces[it.at()]).filter(|it| it.subnet == interface.subnet);
            neighbour.map_or(tables.subnets[interface.subnet.at()].router_mac, |it| it.mac)
        }
        _ => OUTSIDE_ROUTER_MAC,
    };
    Shot { link, frame: notation.frame(own, next), vnet: [0; VNET_HEADER_LEN] }
}

impl Shot {
    pub fn ttl(mut self, ttl: u8) -> Self {
        self.frame[22] = ttl;
        self.with_ip_checksum()
    }

    pub fn without_df(mut self) -> Self {
        self.frame[20] &= !0x40;
        self.with_ip_checksum()
    }

    /// A first fragment of a datagram with that identification, though the rest of it is to come.
    pub fn first_fragment(mut self, identification: u16) -> Self {
        self.frame[20] = 0x20;
        self.identified(identification)
    }

    pub fn identified(mut self, identification: u16) -> Self {
        self.frame[18..20].copy_from_slice(&identification.to_be_bytes());
        self.with_ip_checksum()
    }

    /// The last fragment, at that offset.
    pub fn at_offset(mut self, offset: u16) -> Self {
        self.frame[20..22].copy_from_slice(&(offset / 8).to_be_bytes());
        self.with_ip_checksum()
    }

    /// A SYN asks for segments of that size.
    pub fn mss(mut self, mss: u16) -> Self {
        let [high, low] = mss.to_be_bytes();
        self.frame.splice(54..54, [2, 4, high, low]);
        self.frame[46] += 0x10;
        let length = u16::from_be_bytes([self.frame[16], self.frame[17]]) + 4;
        self.frame[16..18].copy_from_slice(&length.to_be_bytes());
        let mut shot = self.with_ip_checksum();
        let packet = ipv4(&shot.frame);
        crate::packet::complete_checksum(&mut shot.frame, &packet);
        shot
    }

    /// As a kernel hands it over that leaves the checksum to its network card …
    pub fn partial(mut self) -> Self {
        let packet = ipv4(&self.frame);
        let field = packet.l4_offset + if packet.protocol == protocol::TCP { 16 } else { 6 };
        let length = (packet.end() - packet.l4_offset) as u32;
        let words = [packet.source, packet.destination].map(|address| {
            let bits = u32::from(address);
            (bits >> 16) + (bits & 0xffff)
        });
        let mut sum = words[0] + words[1] + u32::from(packet.protocol) + length;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        self.frame[field..field + 2].copy_from_slice(&(sum as u16).to_be_bytes());
        let [s0, s1] = (packet.l4_offset as u16).to_ne_bytes();
        let [o0, o1] = ((field - packet.l4_offset) as u16).to_ne_bytes();
        self.vnet = [1, 0, 0, 0, 0, 0, s0, s1, o0, o1];
        self
    }

    /// … and the cutting as well, into segments of that payload.
    pub fn segments(self, size: u16) -> Self {
        let mut shot = self.partial();
        let tcp = ipv4(&shot.frame).protocol == protocol::TCP;
        [shot.vnet[4], shot.vnet[5]] = size.to_ne_bytes();
        shot.vnet[1] = if tcp { 1 } else { 5 };
        shot
    }

    fn with_ip_checksum(mut self) -> Self {
        self.frame[24..26].fill(0);
        let words = self.frame[14..34].chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        self.frame[24..26].copy_from_slice(&(!sum as u16).to_be_bytes());
        self
    }
}

impl World {
    pub fn new() -> Self {
        Self::of(tables())
    }

    /// With something changed.
    pub fn with(change: impl FnOnce(&mut Tables)) -> Self {
        let mut tables = tables();
        change(&mut tables);
        Self::of(tables)
    }

    fn of(tables: Tables) -> Self {
        assert_eq!(tables.validate(), Ok(()));
        Self { dataplane: Dataplane::new(Arc::new(tables), [1, 2, 3, 4]), now: Duration::from_secs(1) }
    }

    /// New tables for the same flows: all VPCs are of the next generation.
    pub fn swap(&self, change: impl FnOnce(&mut Tables)) {
        let mut tables = (*self.dataplane.tables()).clone();
        change(&mut tables);
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation += 1);
        assert_eq!(tables.validate(), Ok(()));
        self.dataplane.swap(Arc::new(tables));
    }

    pub fn shot(&self, text: &str) -> Shot {
        shot(&self.dataplane.tables(), text)
    }

    /// The whole effect of a packet: a line for each frame that leaves, and for each drop.
    #[track_caller]
    pub fn effect(&self, text: &str) -> Vec<String> {
        self.fire(self.shot(text))
    }

    #[track_caller]
    pub fn fire(&self, shot: Shot) -> Vec<String> {
        self.frames(shot).0
    }

    /// The lines, and the frames that left.
    #[track_caller]
    pub fn frames(&self, shot: Shot) -> (Vec<String>, Vec<(LinkIndex, Vec<u8>)>) {
        let mut outbox = Outbox::default();
        let before = self.dataplane.next_drop();
        let Shot { link: ingress, mut frame, vnet } = shot;
        let verdict = self.dataplane.handle(ingress, Some(&vnet), &mut frame, self.now, &mut outbox);
        let tables = self.dataplane.tables();
        let drops = self.dataplane.drops(before);
        assert_eq!(
            matches!(verdict, Verdict::Drop(_)),
            !drops.is_empty(),
            "{verdict:?}: a drop is noted, nothing else is"
        );
        let mut left = outbox.frames;
        if let Verdict::Forward { link, vnet } = verdict {
            let packet = ipv4(&frame);
            if vnet[0] == 1 {
                finish_checksum(&mut frame, &packet);
            }
            left.push((link, frame));
        }
        let mut lines: Vec<String> = left.iter().map(|(link, frame)| line(&tables, *link, frame)).collect();
        lines.extend(drops.iter().map(|drop| {
            let at = drop.object.map(|object| format!(" at {}", tables.object(object).id));
            format!("drop {}{}", drop.reason.code(), at.unwrap_or_default())
        }));
        (lines, left)
    }

    /// Sends, and expects it to leave as that text and nothing else to happen.
    #[track_caller]
    pub fn passes(&self, sent: &str, left: &str) {
        assert_eq!(self.effect(sent), [left], "{sent}");
    }

    /// Sends, and expects a drop with this code at this object, and nothing else.
    #[track_caller]
    pub fn drops(&self, sent: &str, code: &str) {
        assert_eq!(self.effect(sent), [format!("drop {code}")], "{sent}");
    }

    pub fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for _ in 0..crate::dataplane::flow::FlowTable::SHARDS {
            self.dataplane.tick(self.now, &mut Outbox::default());
        }
    }

    /// How many drops of a code were counted.
    pub fn counted(&self, code: &str) -> u64 {
        self.dataplane.counters().iter().filter(|(reason, _)| reason.code() == code).map(|(_, count)| count).sum()
    }
}

/// A frame that left, as text. It bears its receiver's MAC, and all its checksums are right.
#[track_caller]
fn line(tables: &Tables, link: LinkIndex, frame: &[u8]) -> String {
    let packet = ipv4(frame);
    assert_eq!(packet.destination_mac, tables.links[link.at()].mac, "addressed to {}", name(link));
    if packet.fragment == Fragment::None {
        assert_valid_checksums(frame);
    }
    let mut text = Notation::new(name(link), &packet).to_string();
    let mut add = |more: String| text.push_str(&more);
    if packet.fragment == Fragment::Later {
        add(format!(" offset {}", packet.fragment_offset));
    }
    if packet.more_fragments {
        add(" more".to_owned());
    }
    if packet.ttl != 64 {
        add(format!(" ttl {}", packet.ttl));
    }
    if let Some(mss) = mss(frame, &packet) {
        add(format!(" mss {mss}"));
    }
    if packet.is_icmp_error() {
        if (packet.icmp_type, packet.icmp_code) == (3, 4) {
            add(format!(" mtu {}", u16::from_be_bytes([frame[packet.l4_offset + 6], frame[packet.l4_offset + 7]])));
        }
        let quoted = crate::packet::quoted(frame, &packet).expect("a quote");
        let header = crate::dataplane::Header {
            protocol: quoted.protocol,
            source: quoted.source,
            destination: quoted.destination,
            source_port: quoted.source_port,
            destination_port: quoted.destination_port,
        };
        let id = if quoted.protocol == protocol::ICMP { format!(" id {}", quoted.source_port) } else { String::new() };
        add(format!(" quoting {header}{id}"));
    }
    text
}

/// The MSS option, where it stands first.
fn mss(frame: &[u8], packet: &Packet) -> Option<u16> {
    let options = frame.get(packet.l4_offset + 20..packet.payload_offset)?;
    match (packet.protocol, options) {
        (protocol::TCP, [2, 4, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// What a network card does with a partial checksum: it sums up what is there, the pseudo-header's sum included.
fn finish_checksum(frame: &mut [u8], packet: &Packet) {
    let field = packet.l4_offset + if packet.protocol == protocol::TCP { 16 } else { 6 };
    let mut sum: u32 = 0;
    for word in frame[packet.l4_offset..packet.end()].chunks(2) {
        sum += u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[field..field + 2].copy_from_slice(&(!sum as u16).to_be_bytes());
}

/// An ICMP error that a guest sends about a packet that it got.
#[track_caller]
pub fn error_about(world: &World, text: &str, (icmp_type, code): (u8, u8), quoted: &str) -> Shot {
    let quoted: Notation = quoted.parse().expect("a packet");
    let quoted = quoted.frame([0; 6], [0; 6]);
    let mut shot = world.shot(text);
    let packet = ipv4(&shot.frame);
    let ends = crate::packet::build::Ends::of(&packet);
    shot.frame = crate::packet::build::icmp(&ends, icmp_type, code, [0; 4], &quoted[ETHERNET_LEN..ETHERNET_LEN + 28]);
    shot
}
