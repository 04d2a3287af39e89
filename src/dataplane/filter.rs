//! Security groups and network ACLs in the form that packets are held against (B1.6, B1.7).
//!
//! A rule is a [`Selector`] (protocol, and ports or ICMP type and code) and an [`AddressSet`]. Groups allow and never refuse:
//! the union of an interface's groups decides. ACLs are lists in order of their rule numbers: the first match decides, and
//! what matches nothing is refused.
//!
//! Which packets are held against them, and when a known flow is let through without asking, is the walk's business
//! (`decide`); here are only the lists and their arithmetic.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::path::Header;
use super::tables::ObjectIndex;
use crate::packet::protocol;

/// A set of IPv4 addresses: sorted, disjoint, non-adjacent ranges. A look-up is a binary search, so that a prefix list of a
/// thousand entries costs ten steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet {
    ranges: Vec<(u32, u32)>,
}

impl AddressSet {
    /// The addresses of blocks, which may overlap.
    pub fn of_blocks(blocks: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self::of_ranges(blocks.into_iter().map(|block| (u32::from(block.network()), u32::from(block.broadcast()))))
    }

    /// Single addresses.
    pub fn of_addresses(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        Self::of_ranges(addresses.into_iter().map(|address| (u32::from(address), u32::from(address))))
    }

    fn of_ranges(ranges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges.collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }

    /// Whether an address is one of them.
    #[inline]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let address = u32::from(address);
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|(_, last)| address <= *last)
    }

    /// Every IPv4 address is in it.
    pub fn is_everything(&self) -> bool {
        self.ranges == [(0, u32::MAX)]
    }

    /// First and last address of each range, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
        self.ranges.iter().map(|(first, last)| (Ipv4Addr::from(*first), Ipv4Addr::from(*last)))
    }
}

/// What a rule looks at besides addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Every packet.
    All,
    /// Every packet of an IP protocol.
    Protocol(u8),
    /// TCP or UDP to one of these destination ports.
    Ports(u8, RangeInclusive<u16>),
    /// ICMP of a type and a code; `None` is any.
    Icmp(Option<u8>, Option<u8>),
}

/// A packet as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// IP protocol.
    pub protocol: u8,
    /// Destination port of TCP and UDP.
    pub destination_port: u16,
    /// ICMP type and code.
    pub icmp: (u8, u8),
}

impl Facts {
    /// Of a header; `icmp` is looked at only where the protocol is ICMP.
    #[inline]
    pub fn of(header: &Header, icmp: (u8, u8)) -> Self {
        Self { protocol: header.protocol, destination_port: header.destination_port, icmp }
    }
}

impl Selector {
    /// Whether a packet is meant.
    #[inline]
    pub fn matches(&self, facts: &Facts) -> bool {
        match self {
            Self::All => true,
            Self::Protocol(number) => *number == facts.protocol,
            Self::Ports(number, ports) => *number == facts.protocol && ports.contains(&facts.destination_port),
            Self::Icmp(kind, code) => {
                facts.protocol == protocol::ICMP
                    && kind.is_none_or(|kind| kind == facts.icmp.0)
                    && code.is_none_or(|code| code == facts.icmp.1)
            }
        }
    }

    /// First and last destination port, where ports count.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Ports(_, ports) => Some((*ports.start(), *ports.end())),
            Self::All | Self::Protocol(_) | Self::Icmp(..) => None,
        }
    }

    /// Whether every packet of a protocol is meant.
    fn is_all_of(&self, number: u8) -> bool {
        match self {
            Self::All => true,
            Self::Protocol(own) => *own == number,
            Self::Ports(own, ports) => *own == number && *ports.start() == 0 && *ports.end() == u16::MAX,
            Self::Icmp(kind, _) => number == protocol::ICMP && kind.is_none(),
        }
    }
}

/// A security group.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// Name.
    pub object: ObjectIndex,
    /// What may come in.
    pub ingress: Vec<SecurityGroupRule>,
    /// What may go out.
    pub egress: Vec<SecurityGroupRule>,
}

/// A rule of a security group; it allows.
#[derive(Clone, Debug)]
pub struct SecurityGroupRule {
    /// Name.
    pub object: ObjectIndex,
    /// Which packets.
    pub selector: Selector,
    /// Who is at the other side: a block's, a prefix list's, or a group's members' addresses.
    pub peers: AddressSet,
    /// The peers are a group's members: the packet must come from the member itself, since objects on the way do not pass
    /// group membership on (`SG_REFERENCES_NOT_PRESERVED`).
    pub by_group: bool,
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }
}

/// How the groups of an interface answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// By this rule.
    By(ObjectIndex),
    /// No rule matches.
    Mismatch,
    /// A rule would match, had the packet come from the group's member itself.
    ReferenceNotPreserved,
    /// The groups have no rule of that side at all.
    NoRules,
}

impl SecurityGroup {
    fn rules(&self, side: Side) -> &[SecurityGroupRule] {
        match side {
            Side::Ingress => &self.ingress,
            Side::Egress => &self.egress,
        }
    }
}

/// The other side of a packet, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address in the packet.
    pub address: Ipv4Addr,
    /// The address that rules which name a group look for: of the interface that put the packet on this leg; `None` when
    /// that interface passes on what another one sent.
    pub member: Option<Ipv4Addr>,
    /// The address of whoever sent the packet first, if objects on the way have replaced it.
    pub origin: Option<Ipv4Addr>,
}

/// Holds a packet against the union of groups.
pub fn allowance<'g>(
    groups: impl Iterator<Item = &'g SecurityGroup>,
    side: Side,
    facts: &Facts,
    peer: &Peer,
) -> Allowance {
    let mut answer = Allowance::NoRules;
    for rule in groups.flat_map(|group| group.rules(side)) {
        if answer == Allowance::NoRules {
            answer = Allowance::Mismatch;
        }
        if !rule.selector.matches(facts) {
            continue;
        }
        let named = if rule.by_group { peer.member } else { Some(peer.address) };
        if named.is_some_and(|address| rule.peers.contains(address)) {
            return Allowance::By(rule.object);
        }
        let lost = || rule.peers.contains(peer.address) || peer.origin.is_some_and(|it| rule.peers.contains(it));
        if rule.by_group && lost() {
            answer = Allowance::ReferenceNotPreserved;
        }
    }
    answer
}

/// A flow whose first packet is judged on `side` is not tracked: a rule lets it through for all addresses, and another one
/// lets everything of its protocol through the other way (B1.6).
pub fn is_untracked<'g>(groups: impl Iterator<Item = &'g SecurityGroup> + Clone, side: Side, facts: &Facts) -> bool {
    let any = |side: Side, means: &dyn Fn(&Selector) -> bool| {
        let mut rules = groups.clone().flat_map(move |group| group.rules(side));
        rules.any(|rule| rule.peers.is_everything() && means(&rule.selector))
    };
    let number = facts.protocol;
    matches!(number, protocol::TCP | protocol::UDP)
        && any(side, &|selector| selector.matches(facts))
        && any(side.other(), &|selector| selector.is_all_of(number))
}

/// How long an interface remembers idle flows (`ConnectionTrackingSpecification`, B1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionTracking {
    /// Established TCP.
    pub tcp_established: Duration,
    /// UDP before its second exchange.
    pub udp: Duration,
    /// UDP from then on.
    pub udp_stream: Duration,
}

impl ConnectionTracking {
    /// What two interfaces remember both.
    pub fn least(self, other: Self) -> Self {
        Self {
            tcp_established: self.tcp_established.min(other.tcp_established),
            udp: self.udp.min(other.udp),
            udp_stream: self.udp_stream.min(other.udp_stream),
        }
    }
}

impl Default for ConnectionTracking {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { tcp_established: seconds(432_000), udp: seconds(30), udp_stream: seconds(180) }
    }
}

/// A network ACL.
#[derive(Clone, Debug)]
pub struct NetworkAcl {
    /// Name.
    pub object: ObjectIndex,
    /// What may enter its subnets, in order of rule numbers.
    pub ingress: Vec<NetworkAclEntry>,
    /// What may leave them, in order of rule numbers.
    pub egress: Vec<NetworkAclEntry>,
}

/// An entry of a network ACL.
#[derive(Clone, Debug)]
pub struct NetworkAclEntry {
    /// Name.
    pub object: ObjectIndex,
    /// Which packets.
    pub selector: Selector,
    /// Which addresses at the other side.
    pub block: Ipv4Net,
    /// Lets through, or refuses.
    pub allow: bool,
}

impl NetworkAcl {
    fn entries(&self, side: Side) -> &[NetworkAclEntry] {
        match side {
            Side::Ingress => &self.ingress,
            Side::Egress => &self.egress,
        }
    }

    /// The first entry lets everything through, as a default ACL's does: nothing needs to be asked.
    #[inline]
    pub fn is_open(&self, side: Side) -> bool {
        let first = self.entries(side).first();
        first.is_some_and(|entry| entry.allow && entry.selector == Selector::All && entry.block.prefix_len() == 0)
    }

    /// The entry that decides; `None` for the final `*`, which refuses.
    pub fn decide(&self, side: Side, facts: &Facts, peer: Ipv4Addr) -> Option<&NetworkAclEntry> {
        self.entries(side).iter().find(|entry| entry.selector.matches(facts) && entry.block.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(text: &str) -> Ipv4Net {
        text.parse().expect("a block")
    }

    proptest! {
        /// A set holds exactly what one of its blocks holds.
        #[test]
        fn a_set_is_the_union_of_its_blocks(blocks in prop::collection::vec((any::<u32>(), 0u8..=32), 0..40), others in prop::collection::vec(any::<u32>(), 40)) {
            let blocks: Vec<Ipv4Net> = blocks.iter().map(|(address, length)| Ipv4Net::new((*address).into(), *length).unwrap().trunc()).collect();
            let set = AddressSet::of_blocks(blocks.iter().copied());
            let borders = blocks.iter().flat_map(|block| {
                let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
                [first, last, first.wrapping_sub(1), last.wrapping_add(1)]
            });
            for probe in borders.chain(others) {
                let address = Ipv4Addr::from(probe);
                prop_assert_eq!(set.contains(address), blocks.iter().any(|block| block.contains(&address)), "{}", address);
            }
        }
    }

    #[test]
    fn all_of_ipv4_is_everything() {
        assert!(AddressSet::of_blocks([block("0.0.0.0/1"), block("128.0.0.0/1")]).is_everything());
        assert!(!AddressSet::of_blocks([block("0.0.0.0/1")]).is_everything());
        assert!(!AddressSet::default().contains(Ipv4Addr::UNSPECIFIED));
    }

    #[test]
    fn selectors() {
        let tcp = |port| Facts { protocol: 6, destination_port: port, icmp: (0, 0) };
        let icmp = |kind, code| Facts { protocol: 1, destination_port: 0, icmp: (kind, code) };
        for (selector, facts, expected) in [
            (Selector::All, tcp(1), true),
            (Selector::Protocol(17), tcp(1), false),
            (Selector::Ports(6, 80..=90), tcp(80), true),
            (Selector::Ports(6, 80..=90), tcp(91), false),
            (Selector::Ports(17, 80..=90), tcp(80), false),
            (Selector::Icmp(Some(8), None), icmp(8, 3), true),
            (Selector::Icmp(Some(8), Some(0)), icmp(8, 3), false),
            (Selector::Icmp(None, None), icmp(3, 4), true),
            (Selector::Icmp(None, None), tcp(0), false),
        ] {
            assert_eq!(selector.matches(&facts), expected, "{selector:?} {facts:?}");
        }
    }
}
