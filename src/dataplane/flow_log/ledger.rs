//! Counts: those that stand with a flow, and the ledger of what has no flow or no longer.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{Observation, Observed};
use crate::dataplane::flow::Direction;
use crate::dataplane::tables::InterfaceIndex;
use crate::packet::{ETHERNET_LEN, Offload, Packet, protocol, tcp_flags};

/// Packets of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many; the segments of a super-segment are one each.
    pub packets: u64,
    /// Their bytes, each from its IP header on.
    pub bytes: u64,
    /// FIN 1, SYN 2, RST 4, and 16 for the ACK of a SYN-ACK, or-ed.
    pub tcp_flags: u8,
    /// When the first one passed, in the lab's time.
    pub first: Duration,
    /// And the last one.
    pub last: Duration,
}

impl Count {
    /// Of a frame.
    pub fn of(packet: &Packet, offload: &Offload, now: Duration) -> Self {
        let segments = match offload.segmentation {
            Some(it) if it.size > 0 => packet.payload_len.div_ceil(usize::from(it.size)).max(1),
            _ => 1,
        };
        // Every segment brings headers of its own on the wire.
        let headers = packet.payload_offset.saturating_sub(ETHERNET_LEN);
        let bytes = usize::from(packet.total_len) + (segments - 1) * headers;
        let (packets, bytes) = (segments as u64, bytes as u64);
        Self { packets, bytes, tcp_flags: shown_flags(packet), first: now, last: now }
    }

    /// These and those.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.tcp_flags |= other.tcp_flags;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// An ACK alone and PSH are not shown (B8.1).
fn shown_flags(packet: &Packet) -> u8 {
    if packet.protocol != protocol::TCP {
        return 0;
    }
    let shown = packet.tcp_flags & (tcp_flags::FIN | tcp_flags::SYN | tcp_flags::RST);
    let acknowledged = if shown & tcp_flags::SYN != 0 { packet.tcp_flags & tcp_flags::ACK } else { 0 };
    shown | acknowledged
}

/// The counts of a flow that passes logged interfaces, since they were taken last.
#[derive(Debug)]
pub struct Counters {
    /// What its packets are recorded as, forward and back.
    observed: [Box<[Observation]>; 2],
    ways: [Way; 2],
}

#[derive(Debug, Default)]
struct Way {
    packets: AtomicU64,
    bytes: AtomicU64,
    tcp_flags: AtomicU8,
    /// Milliseconds of the lab's time.
    first: AtomicU64,
    last: AtomicU64,
}

impl Counters {
    /// For a flow; `None` where nothing is logged.
    pub fn of(observed: Observed) -> Option<Box<Self>> {
        if observed.is_empty() {
            return None;
        }
        let observed = [observed.there.into_boxed_slice(), observed.back.into_boxed_slice()];
        Some(Box::new(Self { observed, ways: Default::default() }))
    }

    /// Notes a frame.
    pub fn note(&self, direction: Direction, packet: &Packet, offload: &Offload, now: Duration) {
        let (way, count) = (&self.ways[direction as usize], Count::of(packet, offload, now));
        let milliseconds = now.as_millis() as u64;
        way.last.store(milliseconds, Ordering::Relaxed);
        if way.packets.fetch_add(count.packets, Ordering::Relaxed) == 0 {
            way.first.store(milliseconds, Ordering::Relaxed);
        }
        way.bytes.fetch_add(count.bytes, Ordering::Relaxed);
        if count.tcp_flags != 0 {
            way.tcp_flags.fetch_or(count.tcp_flags, Ordering::Relaxed);
        }
    }

    /// Whether anything was noted since the last time.
    pub fn spoke(&self) -> bool {
        self.ways.iter().any(|way| way.packets.load(Ordering::Relaxed) != 0)
    }

    /// Takes what was noted since the last time.
    pub fn take(&self) -> impl Iterator<Item = (&Observation, Count)> {
        let ways = self.observed.iter().zip(&self.ways).filter_map(|(observed, way)| Some((observed, way.take()?)));
        ways.flat_map(|(observed, count)| observed.iter().map(move |observation| (observation, count)))
    }
}

impl Way {
    fn take(&self) -> Option<Count> {
        let packets = self.packets.swap(0, Ordering::Relaxed);
        let milliseconds = |time: &AtomicU64| Duration::from_millis(time.load(Ordering::Relaxed));
        let (first, last) = (milliseconds(&self.first), milliseconds(&self.last));
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        let tcp_flags = self.tcp_flags.swap(0, Ordering::Relaxed);
        (packets != 0).then_some(Count { packets, bytes, tcp_flags, first: first.min(last), last })
    }
}

/// What was recorded since the last harvest.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Records; the same observation may stand there more than once.
    pub records: Vec<(Observation, Count)>,
    /// Interfaces of which something was lost.
    pub skipped: Vec<InterfaceIndex>,
}

/// Records of packets that have no flow, and the rest of flows that ended.
#[derive(Debug)]
pub struct Ledger {
    pages: Mutex<Pages>,
    hasher: ahash::RandomState,
}

#[derive(Debug)]
struct Pages {
    records: HashMap<Observation, Count, ahash::RandomState>,
    skipped: BTreeSet<InterfaceIndex>,
}

impl Ledger {
    /// Records between two harvests.
    pub const CAPACITY: usize = 1 << 16;

    /// An empty ledger; `hasher` is keyed, since what is hashed comes from outside.
    pub fn new(hasher: ahash::RandomState) -> Self {
        Self { pages: Mutex::new(Pages::empty(&hasher)), hasher }
    }

    /// Notes packets of no flow.
    pub fn note(&self, observations: &[Observation], count: Count) {
        if !observations.is_empty() {
            self.add(observations.iter().map(|observation| (observation, count)));
        }
    }

    /// Notes what is left of a flow that ended.
    pub fn close(&self, counters: &Counters) {
        if counters.spoke() {
            self.add(counters.take());
        }
    }

    fn add<'o>(&self, records: impl Iterator<Item = (&'o Observation, Count)>) {
        let pages = &mut *self.pages.lock();
        for (observation, count) in records {
            if let Some(standing) = pages.records.get_mut(observation) {
                standing.add(&count);
            } else if pages.records.len() < Self::CAPACITY {
                pages.records.insert(*observation, count);
            } else {
                pages.skipped.insert(observation.interface);
            }
        }
    }

    /// Takes everything; the lock is held for as long as it takes to put an empty page in place.
    pub fn take(&self) -> Harvest {
        let empty = Pages::empty(&self.hasher);
        let Pages { records, skipped } = std::mem::replace(&mut *self.pages.lock(), empty);
        Harvest { records: records.into_iter().collect(), skipped: skipped.into_iter().collect() }
    }
}

impl Pages {
    fn empty(hasher: &ahash::RandomState) -> Self {
        Self { records: HashMap::with_hasher(hasher.clone()), skipped: BTreeSet::new() }
    }
}
