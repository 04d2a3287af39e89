//! Keys and plans: what a frame is recognised by, and what is done with every frame of one direction of a flow.

use std::net::Ipv4Addr;

use super::decide::{Arrival, Decision, Refused};
use super::path::Header;
use super::tables::{LinkIndex, ObjectIndex, Tables, VpcIndex};
use crate::packet::{Mac, Packet, Rewrite};

/// One direction of a conversation as seen where its frames enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Where its frames enter.
    pub link: LinkIndex,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source port, ICMP identifier, or 0 for what has neither.
    pub source_port: u16,
    /// Destination port, ICMP identifier, or 0.
    pub destination_port: u16,
    /// IP protocol.
    pub protocol: u8,
}

impl Key {
    /// The key of packets of a header that enter by a link.
    #[inline]
    pub fn of_header(link: LinkIndex, header: &Header) -> Self {
        let Header { protocol, source, destination, source_port, destination_port } = *header;
        Self { link, source, destination, source_port, destination_port, protocol }
    }

    /// The key of a packet that enters by a link. A later fragment has got its ports from the first by now.
    #[inline]
    pub fn of(link: LinkIndex, packet: &Packet) -> Self {
        Self::of_header(link, &Header::of(packet))
    }
}

/// A VPC and the generation of it that a decision was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The VPC.
    pub vpc: VpcIndex,
    /// Its generation then.
    pub generation: u32,
}

/// The VPCs that a decision rests on, in the order they were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<Stamp>);

impl Stamps {
    /// One more, if it is new.
    pub fn add(&mut self, vpc: VpcIndex, generation: u32) {
        if !self.0.iter().any(|stamp| stamp.vpc == vpc) {
            self.0.push(Stamp { vpc, generation });
        }
    }

    /// Nothing that the decision rests on has changed.
    pub fn are_current(&self, tables: &Tables) -> bool {
        let current = |stamp: &Stamp| tables.vpcs.get(stamp.vpc.at()).map(|vpc| vpc.generation);
        self.0.iter().all(|stamp| current(stamp) == Some(stamp.generation))
    }
}

/// What the objects on a way ask of each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest packet, IP header included.
    pub mtu: u16,
    /// Who says so to the sender of a larger one; `None`: nobody, it vanishes.
    pub reporter: Option<Ipv4Addr>,
    /// Largest MSS that a SYN may ask for.
    pub mss: Option<u16>,
    /// An object that counts as a hop, by the address that it reports from.
    pub hop: Option<Ipv4Addr>,
    /// Fragments are not carried.
    pub whole_only: bool,
    /// Packets count against the rate of link-local services.
    pub metered: bool,
}

/// Who set which limit: what drops name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limiters {
    /// Of [`Limits::mtu`].
    pub mtu: Option<ObjectIndex>,
    /// Of [`Limits::hop`].
    pub hop: Option<ObjectIndex>,
    /// Of [`Limits::whole_only`].
    pub whole_only: Option<ObjectIndex>,
}

/// IP and TCP headers without options: what an MSS leaves out (RFC 9293 3.7.1).
const TCP_HEADERS: u16 = 40;

impl Limits {
    /// No limits.
    pub const NONE: Self =
        Self { mtu: u16::MAX, reporter: None, mss: None, hop: None, whole_only: false, metered: false };

    /// Connections agree on segments that fit `mtu`.
    pub fn clamp_mss(&mut self, mtu: u16) {
        let fits = mtu.saturating_sub(TCP_HEADERS);
        self.mss = Some(self.mss.map_or(fits, |mss| mss.min(fits)));
    }

    /// The same for the answers, whose sender hears of them from the address it talks to, or from who is nearer.
    fn for_answers(self, talks_to: Ipv4Addr, nearer: Option<Ipv4Addr>) -> Self {
        let reporter = self.reporter.map(|_| nearer.unwrap_or(talks_to));
        Self { reporter, hop: self.hop.map(|_| talks_to), metered: false, ..self }
    }
}

/// What to do with every frame of one direction of a flow: as small as can be, since each frame copies it. What is asked seldom
/// (who reports what) stays with the flow, in [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// They bear this source MAC address …
    pub source_mac: Mac,
    /// … and this destination MAC address; others are admitted anew.
    pub destination_mac: Mac,
    /// What to change.
    pub rewrite: Rewrite,
    /// Where they leave.
    pub egress: LinkIndex,
    /// Largest packet, IP header included.
    pub mtu: u16,
    /// Largest MSS that a SYN may ask for; `u16::MAX` where nobody minds.
    pub mss: u16,
    /// What else is asked of each of them.
    pub asks: Asks,
}

/// What is asked of each packet, besides its size: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks(u8);

impl Asks {
    /// That its time to live lasts for one hop more.
    pub const HOP: Self = Self(1);
    /// That it is no fragment.
    pub const WHOLE: Self = Self(2);
    /// That the rate of link-local services is kept.
    pub const METERED: Self = Self(4);
    /// Too much: no packet of this direction leaves.
    pub const REFUSED: Self = Self(8);
    /// That the target gets its PROXY protocol header first.
    pub const PROXY_PROTOCOL: Self = Self(16);

    /// One of them is asked.
    #[inline]
    pub fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    pub(super) fn with(self, one: Self, asked: bool) -> Self {
        if asked { Self(self.0 | one.0) } else { Self(self.0 & !one.0) }
    }

    fn of(limits: &Limits, refused: bool) -> Self {
        Self::default()
            .with(Self::HOP, limits.hop.is_some())
            .with(Self::WHOLE, limits.whole_only)
            .with(Self::METERED, limits.metered)
            .with(Self::REFUSED, refused)
    }
}

impl Plan {
    /// The frame has the MAC addresses that the plan was made for; its link is the key's.
    #[inline]
    pub fn fits(&self, packet: &Packet) -> bool {
        self.source_mac == packet.source_mac && self.destination_mac == packet.destination_mac
    }

    /// The way back depends on the flow being remembered.
    pub fn translates(&self) -> bool {
        let Rewrite { source, destination, source_port, destination_port, .. } = self.rewrite;
        source.is_some() || destination.is_some() || source_port.is_some() || destination_port.is_some()
    }

    /// For frames between these MAC addresses and of header `came`, which arrive as that.
    fn new((source_mac, destination_mac): (Mac, Mac), came: &Header, arrival: &Arrival, limits: &Limits) -> Self {
        let goes = &arrival.header;
        let changed = |new: Ipv4Addr, old: Ipv4Addr| (new != old).then_some(new);
        let moved = |new: u16, old: u16| (new != old).then_some(new);
        let rewrite = Rewrite {
            source_mac: arrival.source_mac,
            destination_mac: arrival.destination_mac,
            source: changed(goes.source, came.source),
            destination: changed(goes.destination, came.destination),
            source_port: moved(goes.source_port, came.source_port),
            destination_port: moved(goes.destination_port, came.destination_port),
            decrement_ttl: limits.hop.is_some(),
        };
        let (mtu, mss) = (limits.mtu, limits.mss.unwrap_or(u16::MAX));
        Self { source_mac, destination_mac, rewrite, egress: arrival.link, mtu, mss, asks: Asks::of(limits, false) }
    }
}

/// Both directions of a decision: forward and back.
#[derive(Clone, Copy, Debug)]
pub struct Plans {
    /// What to do with frames.
    pub plans: [Plan; 2],
    /// What they must keep to, with who says so.
    pub limits: [Limits; 2],
    /// Why no answer leaves.
    pub refused: Option<Refused>,
}

/// The plans of a decision about a packet of header `came`, which came by `ingress`.
pub(super) fn plans(ingress: LinkIndex, packet: &Packet, came: &Header, decision: &Decision) -> Plans {
    let arrival = &decision.forward;
    let answer = arrival.header.answer();
    let there = decision.limits;
    let back = there.for_answers(answer.destination, decision.answers_reporter);
    let nowhere = Arrival { link: ingress, header: answer, source_mac: [0; 6], destination_mac: [0; 6] };
    let home = decision.back.unwrap_or(nowhere);
    let mut plans = [
        Plan::new((packet.source_mac, packet.destination_mac), came, arrival, &there),
        Plan::new((arrival.destination_mac, arrival.source_mac), &answer, &home, &back),
    ];
    let refused = decision.back.err();
    plans[1].asks = Asks::of(&back, refused.is_some());
    Plans { plans, limits: [there, back], refused }
}
