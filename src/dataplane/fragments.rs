//! Fragments: what later ones need to know of the first, and which bytes of a datagram went through already.
//!
//! # Theory of operation
//!
//! **Purpose.** Only the first fragment of a datagram has ports. A rule or a translation that looks at ports must treat the
//! later ones as it treated the first, so the first one's ports are remembered for them. And what was let through must not be
//! overwritten at the receiver by bytes that say something else (RFC 1858, RFC 3128, and RFC 5722 for the rule): a fragment
//! that overlaps another ends its whole datagram.
//!
//! **Identity.** The link by which a fragment enters, and its source, destination, protocol and identification (RFC 791 3.2).
//! The link keeps guests out of each other's datagrams, whatever addresses they write.
//!
//! **Life.** A first fragment begins a datagram: its ports, and the range of bytes that it holds. Each later one adds its range.
//! When the ranges reach from 0 to the end of the last fragment, the datagram is forgotten at once, so that a sender may use the
//! identification again, which a fast one does after 65,536 datagrams. A fragment that overlaps, or that contradicts the end,
//! poisons its datagram: nothing of it passes any more. What was begun is also forgotten when it is old or must make room.
//!
//! **Time.** [`Fragments::TIMEOUT`] from the first fragment, 30 s: Linux's own for reassembly (`ipfrag_time`; RFC 791 says 15 s,
//! RFC 1122 3.3.2 at least 60 s). Poison lasts as long. What is old is treated as absent at once; `expire` frees its memory, a
//! bounded step at a time.
//!
//! **Limits.** [`Fragments::PER_LINK`] datagrams begun on a link: beyond, that link's oldest makes room, so that a guest that
//! loses fragments of a flood goes on. [`Fragments::TOTAL`] on all links: beyond, a link makes room among its own, and one that
//! has none is refused as [`Verdict::Full`]. [`Fragments::RANGES`] for each datagram, neighbours merged: fragments in any order
//! that need more are refused as `Full` too. That is 2 MB for each link and 30 MB in all when every guest does its worst;
//! fragments in order need one range, and a datagram that is complete needs nothing.
//!
//! A guest that fills its own share on purpose makes the dataplane forget what went through of one of its datagrams, and may
//! overlap it then. It gains nothing: every first fragment is judged by its own ports, and no later one reaches the ports
//! (offset 8 at least; TCP's flags, within reach of offset 8, are guarded by the parse).
//!
//! **Not done.** Reassembly: fragments pass one by one, as they come. Later ones that come before their first are dropped as
//! [`Verdict::FirstMissing`], since neither a port rule nor a NAT can tell what they are; holding them back would be memory
//! that every guest may ask for, and a link of a lab keeps the order. Equal bytes: they are not remembered, so a fragment sent
//! twice is an overlap like any other. Translating identifications: two hosts behind one address of a NAT may choose the same;
//! the receiver's checksum notices (RFC 4963). An identification that comes round within the timeout of a datagram that lost a
//! fragment: the second datagram is refused as an overlap, where a receiver would mix the two.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::tables::LinkIndex;
use crate::packet::{Fragment, Packet};

/// What a packet is to the datagrams that its link began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A whole datagram: has its own ports.
    NotFragment,
    /// A first fragment, or a later one of a datagram whose first came: decide by these ports.
    Ports {
        /// As in [`Packet`]: source port, ICMP identifier, or 0.
        source_port: u16,
        /// As in [`Packet`]: destination port, ICMP identifier, or 0.
        destination_port: u16,
    },
    /// It overlaps another fragment or contradicts the datagram's end, or one before it did. Drop.
    Overlap,
    /// A later fragment whose first did not come, came too long ago, or belongs to a datagram that is complete. Drop.
    FirstMissing,
    /// There is no room to remember it. Drop.
    Full,
}

/// The datagrams of all links, of which something is still to come. Shared by all workers.
#[derive(Debug)]
pub struct Fragments {
    /// Links by index, so that all of one link stands under one lock.
    shards: Vec<Mutex<HashMap<LinkIndex, Begun, ahash::RandomState>>>,
    hasher: ahash::RandomState,
    total: AtomicUsize,
    cursor: AtomicUsize,
    limits: Limits,
}

/// How many datagrams may be begun; the tests have smaller ones.
#[derive(Clone, Copy, Debug)]
struct Limits {
    per_link: usize,
    total: usize,
}

/// Which datagram of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
}

/// The datagrams that a link began.
#[derive(Debug)]
struct Begun {
    datagrams: HashMap<Key, Datagram, ahash::RandomState>,
    /// Oldest first; one that is gone, or was begun anew under its key, still stands here with its old number.
    order: VecDeque<(Key, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Datagram {
    number: u64,
    since: Duration,
    source_port: u16,
    destination_port: u16,
    poisoned: bool,
    /// Where the last fragment ended, when it came.
    end: Option<u16>,
    /// Sorted; no two touch.
    ranges: Vec<Range>,
}

/// Bytes `start..end` of a datagram behind its IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u16,
    end: u16,
}

impl Fragments {
    /// Datagrams that one link may have begun.
    pub const PER_LINK: usize = 4096;
    /// Datagrams that all links may have begun.
    pub const TOTAL: usize = 1 << 16;
    /// Ranges of one datagram that do not touch.
    pub const RANGES: usize = 64;
    /// How long a datagram may take.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// Parts, each with its own lock.
    pub const SHARDS: usize = 64;
    /// Datagrams that one step of [`expire`](Self::expire) frees.
    const STEP: usize = 1024;

    /// Nothing begun. `seed` keys the hashes, since the keys come from outside.
    pub fn new(seed: [u64; 4]) -> Self {
        Self::with_limits(seed, Limits { per_link: Self::PER_LINK, total: Self::TOTAL })
    }

    fn with_limits(seed: [u64; 4], limits: Limits) -> Self {
        let hasher = ahash::RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let shards = (0..Self::SHARDS).map(|_| Mutex::new(HashMap::with_hasher(hasher.clone()))).collect();
        Self { shards, hasher, total: AtomicUsize::new(0), cursor: AtomicUsize::new(0), limits }
    }

    /// Notes a packet that entered by a link and may go on, and tells by which ports to decide it. A packet that is no
    /// fragment costs one comparison. `now` is monotonic.
    #[inline]
    pub fn note(&self, link: LinkIndex, packet: &Packet, now: Duration) -> Verdict {
        if packet.fragment == Fragment::None {
            return Verdict::NotFragment;
        }
        self.note_fragment(link, packet, now)
    }

    fn note_fragment(&self, link: LinkIndex, packet: &Packet, now: Duration) -> Verdict {
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            identification: packet.identification,
        };
        let first = packet.fragment == Fragment::First;
        let mut shard = self.shards[link.at() % Self::SHARDS].lock();
        // A later fragment never makes memory.
        let begun = match shard.get_mut(&link) {
            Some(begun) => begun,
            None if first => shard.entry(link).or_insert_with(|| Begun::new(self.hasher.clone())),
            None => return Verdict::FirstMissing,
        };
        let standing = begun.datagrams.get_mut(&key).filter(|datagram| !datagram.is_old(now));
        let Some(datagram) = standing else {
            return if first { self.begin(begun, key, packet, now) } else { Verdict::FirstMissing };
        };
        let verdict = datagram.add(Range::of(packet), !packet.more_fragments);
        if datagram.is_complete() {
            begun.datagrams.remove(&key);
            self.total.fetch_sub(1, Ordering::Relaxed);
        }
        verdict
    }

    /// Begins a datagram with its first fragment, in the place of an old one of the same key if one stands.
    fn begin(&self, begun: &mut Begun, key: Key, packet: &Packet, now: Duration) -> Verdict {
        let room = begun.datagrams.contains_key(&key)
            || (begun.datagrams.len() < self.limits.per_link && self.take_place())
            || begun.drop_oldest();
        if !room {
            return Verdict::Full;
        }
        if begun.order.len() >= 2 * self.limits.per_link {
            begun.forget_stale_order();
        }
        let datagram = Datagram {
            number: begun.next,
            since: now,
            source_port: packet.source_port,
            destination_port: packet.destination_port,
            poisoned: false,
            end: None,
            ranges: vec![Range::of(packet)],
        };
        begun.order.push_back((key, begun.next));
        begun.next += 1;
        let verdict = datagram.ports();
        begun.datagrams.insert(key, datagram);
        verdict
    }

    /// Counts one more, unless all places are taken.
    fn take_place(&self) -> bool {
        let more = |total: usize| (total < self.limits.total).then_some(total + 1);
        self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Frees what is old in the next few shards: at most [`Self::SHARDS`] of them and a bounded number in each, so that no
    /// worker pauses for it.
    pub fn expire(&self, now: Duration, shards: usize) {
        for _ in 0..shards.min(Self::SHARDS) {
            let number = self.cursor.fetch_add(1, Ordering::Relaxed) % Self::SHARDS;
            let mut left = Self::STEP;
            let mut freed = 0;
            self.shards[number].lock().retain(|_, begun| {
                freed += begun.drop_old(now, &mut left);
                !begun.datagrams.is_empty()
            });
            self.total.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    /// How many datagrams are begun and not complete, poisoned and old ones among them.
    pub fn len(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// None is begun.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Begun {
    fn new(hasher: ahash::RandomState) -> Self {
        Self { datagrams: HashMap::with_hasher(hasher), order: VecDeque::new(), next: 0 }
    }

    fn is_live(&self, (key, number): &(Key, u64)) -> bool {
        self.datagrams.get(key).is_some_and(|datagram| datagram.number == *number)
    }

    /// Whether there was one; its place is free for another.
    fn drop_oldest(&mut self) -> bool {
        while let Some(oldest) = self.order.pop_front() {
            if self.is_live(&oldest) {
                self.datagrams.remove(&oldest.0);
                return true;
            }
        }
        false
    }

    /// Drops what is old, looking at no more than `left` places in the order; returns how many were.
    fn drop_old(&mut self, now: Duration, left: &mut usize) -> usize {
        let mut dropped = 0;
        while *left > 0
            && let Some(oldest) = self.order.front()
        {
            if self.is_live(oldest) {
                if !self.datagrams.get(&oldest.0).is_some_and(|datagram| datagram.is_old(now)) {
                    break;
                }
                self.datagrams.remove(&oldest.0);
                dropped += 1;
            }
            self.order.pop_front();
            *left -= 1;
        }
        dropped
    }

    /// Datagrams that were completed leave the order here: it never is longer than twice what may be begun.
    fn forget_stale_order(&mut self) {
        let mut order = std::mem::take(&mut self.order);
        order.retain(|place| self.is_live(place));
        self.order = order;
    }
}

impl Datagram {
    fn ports(&self) -> Verdict {
        Verdict::Ports { source_port: self.source_port, destination_port: self.destination_port }
    }

    fn is_old(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= Fragments::TIMEOUT
    }

    fn is_complete(&self) -> bool {
        matches!((self.end, self.ranges.as_slice()), (Some(end), [range]) if range.start == 0 && range.end == end)
    }

    fn add(&mut self, range: Range, last: bool) -> Verdict {
        let reach = self.ranges.last().map_or(0, |range| range.end);
        // Behind the end, a second end, or an end before what came already.
        let contradicts =
            if last { self.end.is_some() || range.end < reach } else { self.end.is_some_and(|end| range.end > end) };
        if self.poisoned || contradicts {
            self.poisoned = true;
            return Verdict::Overlap;
        }
        match insert(&mut self.ranges, range) {
            Inserted::Yes if last => self.end = Some(range.end),
            Inserted::Yes => {}
            Inserted::Overlaps => {
                self.poisoned = true;
                return Verdict::Overlap;
            }
            Inserted::Full => return Verdict::Full,
        }
        self.ports()
    }
}

impl Range {
    fn of(packet: &Packet) -> Self {
        let start = packet.fragment_offset;
        // The parse refuses what reaches beyond 65,535.
        Self { start, end: start.saturating_add(packet.ip_payload_len()) }
    }
}

enum Inserted {
    Yes,
    Overlaps,
    Full,
}

/// Puts a range among sorted ones and merges it with the neighbours that it touches.
fn insert(ranges: &mut Vec<Range>, new: Range) -> Inserted {
    let at = ranges.partition_point(|range| range.end <= new.start);
    if ranges.get(at).is_some_and(|next| next.start < new.end) {
        return Inserted::Overlaps;
    }
    let touches_next = ranges.get(at).is_some_and(|next| next.start == new.end);
    let before = at.checked_sub(1).filter(|&before| ranges.get(before).is_some_and(|range| range.end == new.start));
    match (before, touches_next) {
        (Some(before), true) => {
            ranges[before].end = ranges[at].end;
            ranges.remove(at);
        }
        (Some(before), false) => ranges[before].end = new.end,
        (None, true) => ranges[at].start = new.start,
        (None, false) if ranges.len() < Fragments::RANGES => ranges.insert(at, new),
        (None, false) => return Inserted::Full,
    }
    Inserted::Yes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::packet::build::{self, Ends};
    use crate::packet::{Parsed, parse, protocol};

    const LINK: LinkIndex = LinkIndex(1);
    const OTHER: LinkIndex = LinkIndex(2);
    /// Of every first fragment here.
    const PORTS: Verdict = Verdict::Ports { source_port: 40000, destination_port: 53 };
    const NOW: Duration = Duration::from_secs(7);

    fn fragments() -> Fragments {
        Fragments::new([1, 2, 3, 4])
    }

    fn small(per_link: usize, total: usize) -> Fragments {
        Fragments::with_limits([1, 2, 3, 4], Limits { per_link, total })
    }

    /// A packet as it stands on the wire: bytes `start..end` of datagram `identification`.
    fn piece(identification: u16, start: u16, end: u16, more: bool) -> Packet {
        let ends = Ends {
            source_mac: [2, 0, 0, 0, 0, 0xa],
            destination_mac: [2, 0, 0, 0, 0, 0xb],
            source: Ipv4Addr::new(10, 0, 1, 10),
            destination: Ipv4Addr::new(10, 0, 2, 20),
        };
        let mut payload = vec![7; usize::from(end - start)];
        if start == 0 {
            payload[..8].copy_from_slice(&[0x9c, 0x40, 0, 53, 0, if more { 255 } else { end as u8 }, 0, 0]);
        }
        let mut frame = build::later_fragment(&ends, protocol::UDP, start, &payload);
        frame[18..20].copy_from_slice(&identification.to_be_bytes());
        frame[20] |= if more { 0x20 } else { 0 };
        match parse(&frame) {
            Ok(Parsed::Ipv4(packet)) => packet,
            other => panic!("{other:?}"),
        }
    }

    /// A datagram cut at these eights, in order.
    fn cut(identification: u16, eights: &[u16], rest: u16) -> Vec<Packet> {
        let starts: Vec<u16> = std::iter::once(0).chain(eights.iter().map(|eight| eight * 8)).collect();
        let end = starts.last().unwrap() + rest;
        let ends = starts.iter().skip(1).copied().chain([end]);
        starts.iter().zip(ends).map(|(&start, to)| piece(identification, start, to, to != end)).collect()
    }

    prop_compose! {
        /// Where a datagram is cut, and the length of its last fragment.
        fn any_cut(most: usize)(eights in prop::collection::btree_set(1..7000_u16, 1..most), rest in 1..1500_u16) -> (Vec<u16>, u16) {
            (eights.into_iter().collect(), rest)
        }
    }

    proptest! {
        /// A datagram cut anyhow passes whole, with its ports, and leaves nothing behind.
        #[test]
        fn in_order_all_pass((eights, rest) in any_cut(300)) {
            let fragments = fragments();
            for packet in cut(9, &eights, rest) {
                prop_assert_eq!(fragments.note(LINK, &packet, NOW), PORTS);
            }
            prop_assert!(fragments.is_empty());
        }

        /// The first one first, the others in any order.
        #[test]
        fn behind_the_first_any_order_passes(
            (pieces, later) in any_cut(100).prop_flat_map(|(eights, rest)| {
                let pieces = cut(9, &eights, rest);
                let later: Vec<usize> = (1..pieces.len()).collect();
                (Just(pieces), Just(later).prop_shuffle())
            })
        ) {
            let fragments = fragments();
            prop_assert_eq!(fragments.note(LINK, &pieces[0], NOW), PORTS);
            for &index in &later {
                prop_assert_eq!(fragments.note(LINK, &pieces[index], NOW), PORTS);
            }
            prop_assert!(fragments.is_empty());
        }

        /// One byte twice, and nothing of the datagram passes any more; another datagram does not notice.
        #[test]
        fn an_overlap_poisons_its_datagram(
            (eights, rest) in any_cut(40),
            seen in any::<prop::sample::Index>(),
            byte in any::<prop::sample::Index>(),
            (before, behind) in (0..200_u16, 1..200_u16),
        ) {
            let fragments = fragments();
            let pieces = cut(9, &eights, rest);
            // At least the last is missing, or the datagram would be forgotten.
            let seen = 1 + seen.index(pieces.len() - 1);
            prop_assert_eq!(fragments.note(LINK, &piece(10, 0, 16, true), NOW), PORTS);
            for packet in &pieces[..seen] {
                prop_assert_eq!(fragments.note(LINK, packet, NOW), PORTS);
            }
            let reached = Range::of(&pieces[seen - 1]).end;
            let byte = byte.index(reached.into()) as u16;
            let start = (byte / 8).saturating_sub(before) * 8;
            let end = (byte / 8 + behind) * 8;
            prop_assert_eq!(fragments.note(LINK, &piece(9, start, end, true), NOW), Verdict::Overlap);
            for packet in &pieces {
                prop_assert_eq!(fragments.note(LINK, packet, NOW), Verdict::Overlap);
            }
            prop_assert_eq!(fragments.note(LINK, &piece(10, 16, 20, false), NOW), PORTS);
            prop_assert_eq!(fragments.len(), 1);
        }

        /// The ranges are only a short way to write which bytes came: a map of bytes gives the same verdicts.
        #[test]
        fn the_verdicts_are_those_of_a_map_of_bytes(
            steps in prop::collection::vec(
                (1..3_u32, 0..2_u16, (0..6_u16, 1..4_u16), any::<bool>(), prop_oneof![9 => 0..10_u64, 1 => 0..31_000_u64]),
                1..60,
            )
        ) {
            let (fragments, mut naive) = (fragments(), Naive::default());
            let mut now = NOW;
            for (link, identification, (start, len), more, wait) in steps {
                now += Duration::from_millis(wait);
                let packet = piece(identification, start * 8, (start + len) * 8, more);
                let expected = naive.note(link, identification, start..start + len, more, now);
                prop_assert_eq!(fragments.note(LinkIndex(link), &packet, now), expected);
            }
        }

        /// Whatever comes by whichever link, the memory stays within its bounds.
        #[test]
        fn bounds_hold(
            steps in prop::collection::vec(
                (0..80_u32, 0..40_u16, prop_oneof![Just(0_u16), 0..99_u16], 1..9_u16, any::<bool>(), 0..3000_u64),
                1..400,
            )
        ) {
            let fragments = small(8, 40);
            let mut now = NOW;
            for (link, identification, start, len, more, wait) in steps {
                now += Duration::from_millis(wait);
                // Every other packet by one link, so that it fills.
                let link = if link < 40 { 0 } else { link };
                let packet = piece(identification, start * 8, (start + len) * 8, more);
                fragments.note(LinkIndex(link), &packet, now);
                if wait % 7 == 0 {
                    fragments.expire(now, 3);
                }
                check_bounds(&fragments);
            }
            fragments.expire(now + Fragments::TIMEOUT, Fragments::SHARDS);
            prop_assert!(fragments.is_empty());
            prop_assert!(fragments.shards.iter().all(|shard| shard.lock().is_empty()));
        }

        #[test]
        fn noise_never_panics(frames in prop::collection::vec((0..4_u32, prop::collection::vec(any::<u8>(), 20..60)), 1..50)) {
            let fragments = small(4, 9);
            for (link, noise) in frames {
                // An IPv4 header of the right length in front, so that the rest is read.
                let mut frame = build::later_fragment(&Ends {
                    source_mac: [2; 6],
                    destination_mac: [4; 6],
                    source: Ipv4Addr::new(10, 0, 0, 1),
                    destination: Ipv4Addr::new(10, 0, 0, 2),
                }, protocol::UDP, 0, &noise);
                frame[18..24].copy_from_slice(&noise[..6]);
                if let Ok(Parsed::Ipv4(packet)) = parse(&frame) {
                    fragments.note(LinkIndex(link), &packet, NOW);
                    // And what no parse makes.
                    let odd = Packet { fragment_offset: u16::MAX, total_len: packet.total_len / 3, ..packet };
                    fragments.note(LinkIndex(link), &odd, NOW);
                    check_bounds(&fragments);
                }
            }
        }
    }

    fn check_bounds(fragments: &Fragments) {
        let mut all = 0;
        for shard in &fragments.shards {
            for begun in shard.lock().values() {
                all += begun.datagrams.len();
                assert!(begun.datagrams.len() <= fragments.limits.per_link);
                assert!(begun.order.len() <= 2 * fragments.limits.per_link);
                assert!(begun.datagrams.values().all(|datagram| datagram.ranges.len() <= Fragments::RANGES));
            }
        }
        assert_eq!(all, fragments.len());
        assert!(all <= fragments.limits.total);
    }

    /// Which eights of each datagram came, one by one.
    #[derive(Default)]
    struct Naive(BTreeMap<(u32, u16), Map>);

    struct Map {
        since: Duration,
        came: Vec<u16>,
        end: Option<u16>,
        poisoned: bool,
    }

    impl Naive {
        fn note(&mut self, link: u32, id: u16, eights: std::ops::Range<u16>, more: bool, now: Duration) -> Verdict {
            if eights.start == 0 && !more {
                return Verdict::NotFragment;
            }
            let place = (link, id);
            if self.0.get(&place).is_some_and(|map| now - map.since >= Duration::from_secs(30)) {
                self.0.remove(&place);
            }
            let Some(map) = self.0.get_mut(&place) else {
                if eights.start != 0 {
                    return Verdict::FirstMissing;
                }
                self.0.insert(place, Map { since: now, came: eights.collect(), end: None, poisoned: false });
                return PORTS;
            };
            let again = eights.clone().any(|eight| map.came.contains(&eight));
            let behind_the_end = map.end.is_some_and(|end| eights.end > end);
            let other_end = !more && (map.end.is_some() || map.came.iter().any(|&eight| eight >= eights.end));
            if map.poisoned || again || behind_the_end || other_end {
                map.poisoned = true;
                return Verdict::Overlap;
            }
            map.came.extend(eights.clone());
            if !more {
                map.end = Some(eights.end);
            }
            if map.end.is_some_and(|end| (0..end).all(|eight| map.came.contains(&eight))) {
                self.0.remove(&place);
            }
            PORTS
        }
    }

    #[test]
    fn a_whole_datagram_is_none_of_its_business() {
        let fragments = fragments();
        assert_eq!(fragments.note(LINK, &piece(9, 0, 80, false), NOW), Verdict::NotFragment);
        assert!(fragments.shards.iter().all(|shard| shard.lock().is_empty()));
    }

    #[test]
    fn later_ones_without_the_first_pass_not_and_cost_nothing() {
        let fragments = fragments();
        for identification in 0..1000 {
            assert_eq!(fragments.note(LINK, &piece(identification, 8, 16, true), NOW), Verdict::FirstMissing);
        }
        assert!(fragments.is_empty());
        assert!(fragments.shards.iter().all(|shard| shard.lock().is_empty()));
        // The first that comes late does not find them again: they are gone.
        assert_eq!(fragments.note(LINK, &piece(3, 0, 8, true), NOW), PORTS);
        assert_eq!(fragments.note(LINK, &piece(3, 8, 16, false), NOW), PORTS);
    }

    #[test]
    fn what_is_complete_may_begin_anew() {
        let fragments = fragments();
        for _ in 0..3 {
            assert_eq!(fragments.note(LINK, &piece(9, 0, 16, true), NOW), PORTS);
            assert_eq!(fragments.note(LINK, &piece(9, 16, 20, false), NOW), PORTS);
            assert_eq!(fragments.note(LINK, &piece(9, 16, 20, false), NOW), Verdict::FirstMissing);
        }
    }

    /// Two firsts, an end behind the end, an end before bytes that came: each makes two readings of one datagram.
    #[test]
    fn what_contradicts_the_end_poisons() {
        let stories: [&[(u16, u16, bool)]; 4] = [
            &[(0, 16, true), (0, 8, true)],
            &[(0, 16, true), (32, 40, false), (40, 48, true)],
            &[(0, 16, true), (32, 40, false), (40, 48, false)],
            &[(0, 16, true), (32, 40, true), (16, 24, false)],
        ];
        for story in stories {
            let fragments = fragments();
            let verdicts =
                story.iter().map(|&(start, end, more)| fragments.note(LINK, &piece(9, start, end, more), NOW));
            let verdicts: Vec<Verdict> = verdicts.collect();
            assert_eq!(verdicts.iter().filter(|&&verdict| verdict == Verdict::Overlap).count(), 1, "{story:?}");
            assert_eq!(verdicts.last(), Some(&Verdict::Overlap), "{story:?}");
            assert_eq!(fragments.note(LINK, &piece(9, 24, 32, true), NOW), Verdict::Overlap, "{story:?}");
        }
    }

    #[test]
    fn time_forgets_what_was_begun_and_what_was_poisoned() {
        let (fragments, second) = (fragments(), Duration::from_secs(1));
        assert_eq!(fragments.note(LINK, &piece(1, 0, 8, true), NOW), PORTS);
        assert_eq!(fragments.note(LINK, &piece(2, 0, 8, true), NOW), PORTS);
        assert_eq!(fragments.note(LINK, &piece(2, 0, 8, true), NOW), Verdict::Overlap);
        let almost = NOW + Fragments::TIMEOUT - second;
        fragments.expire(almost, Fragments::SHARDS);
        assert_eq!(fragments.note(LINK, &piece(1, 8, 16, true), almost), PORTS);
        assert_eq!(fragments.note(LINK, &piece(2, 8, 16, true), almost), Verdict::Overlap);
        let then = NOW + Fragments::TIMEOUT;
        // Before anybody calls `expire`.
        assert_eq!(fragments.note(LINK, &piece(1, 16, 24, true), then), Verdict::FirstMissing);
        assert_eq!(fragments.note(LINK, &piece(2, 8, 16, true), then), Verdict::FirstMissing);
        assert_eq!(fragments.note(LINK, &piece(2, 0, 8, true), then), PORTS);
        assert_eq!(fragments.len(), 2);
        fragments.expire(then, Fragments::SHARDS);
        assert_eq!(fragments.len(), 1);
        // The order of the place that was taken again is the new one.
        fragments.expire(then + Fragments::TIMEOUT, Fragments::SHARDS);
        assert!(fragments.is_empty());
    }

    /// A guest that begins all it can and more loses its own oldest, and nobody else loses anything.
    #[test]
    fn a_flood_takes_nothing_from_others() {
        let fragments = fragments();
        assert_eq!(fragments.note(OTHER, &piece(0, 0, 8, true), NOW), PORTS);
        for identification in 0..=Fragments::PER_LINK as u16 {
            assert_eq!(fragments.note(LINK, &piece(identification, 0, 8, true), NOW), PORTS);
        }
        assert_eq!(fragments.len(), Fragments::PER_LINK + 1);
        assert_eq!(fragments.note(LINK, &piece(0, 8, 16, true), NOW), Verdict::FirstMissing);
        assert_eq!(fragments.note(LINK, &piece(1, 8, 16, true), NOW), PORTS);
        assert_eq!(fragments.note(OTHER, &piece(0, 8, 16, false), NOW), PORTS);
    }

    #[test]
    fn when_all_places_are_taken_a_link_makes_room_among_its_own() {
        let fragments = small(8, 3);
        for (link, identification) in [(LINK, 1), (LINK, 2), (OTHER, 1)] {
            assert_eq!(fragments.note(link, &piece(identification, 0, 8, true), NOW), PORTS);
        }
        assert_eq!(fragments.note(LinkIndex(3), &piece(1, 0, 8, true), NOW), Verdict::Full);
        assert_eq!(fragments.note(LINK, &piece(3, 0, 8, true), NOW), PORTS);
        assert_eq!(fragments.note(LINK, &piece(1, 8, 16, true), NOW), Verdict::FirstMissing);
        assert_eq!(fragments.len(), 3);
        // What is complete leaves a place to anybody.
        assert_eq!(fragments.note(OTHER, &piece(1, 8, 16, false), NOW), PORTS);
        assert_eq!(fragments.note(LinkIndex(3), &piece(1, 0, 8, true), NOW), PORTS);
    }

    #[test]
    fn a_datagram_with_too_many_holes_gets_no_more() {
        let fragments = fragments();
        for hole in 0..Fragments::RANGES as u16 {
            assert_eq!(fragments.note(LINK, &piece(9, hole * 16, hole * 16 + 8, true), NOW), PORTS);
        }
        let next = Fragments::RANGES as u16 * 16;
        assert_eq!(fragments.note(LINK, &piece(9, next, next + 8, true), NOW), Verdict::Full);
        // What fills a hole needs no room, and makes some.
        assert_eq!(fragments.note(LINK, &piece(9, 8, 16, true), NOW), PORTS);
        assert_eq!(fragments.note(LINK, &piece(9, next, next + 8, true), NOW), PORTS);
    }

    /// Completed datagrams leave their place in the order to the next ones, however many there are.
    #[test]
    fn a_fast_honest_sender_needs_no_memory() {
        let fragments = small(16, 32);
        for number in 0..10_000 {
            assert_eq!(fragments.note(LINK, &piece(number, 0, 8, true), NOW), PORTS);
            assert_eq!(fragments.note(LINK, &piece(number, 8, 16, false), NOW), PORTS);
        }
        check_bounds(&fragments);
        assert!(fragments.is_empty());
    }

    /// Workers that begin, complete, push out and expire at once agree on how many there are.
    #[test]
    fn many_workers_count_alike() {
        let fragments = small(64, 150);
        std::thread::scope(|scope| {
            for worker in 0..4_u32 {
                let fragments = &fragments;
                scope.spawn(move || {
                    for number in 0..5_000_u16 {
                        // Two links of each worker's own, one that all share.
                        let link = LinkIndex([0, 1 + worker, 65 + worker][usize::from(number % 3)]);
                        let now = NOW + Duration::from_millis(u64::from(number) * 20);
                        fragments.note(link, &piece(number, 0, 8, true), now);
                        if number % 2 == 0 {
                            fragments.note(link, &piece(number, 8, 16, false), now);
                        }
                        fragments.expire(now, 2);
                    }
                });
            }
        });
        check_bounds(&fragments);
        fragments.expire(NOW + Duration::from_secs(1000), Fragments::SHARDS);
        assert!(fragments.is_empty());
    }
}
