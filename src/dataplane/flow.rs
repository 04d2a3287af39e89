//! Flows: both directions of a conversation, keyed once each way.
//!
//! # Theory of operation
//!
//! **Purpose.** The first packet of a conversation is decided hop by hop; every later one, in either direction, repeats the
//! decision by its [`Plan`]. Where addresses are shared (a balancer's node), the flow also is the translation: without it
//! the way back does not exist.
//!
//! **Identity.** A [`Key`] is the link by which a frame enters, and protocol, addresses and ports as seen there. The link
//! keeps VPCs of one CIDR apart, keeps guests out of each other's flows, and lets a packet pass the same VPC twice (through an
//! appliance). A flow stands in the table twice, under the key of each direction, in shards of their own; an entry holds an
//! `Arc` of the shared [`Flow`].
//!
//! **Life.** `establish` inserts both entries. A flow that was decided by older tables is decided again at its next packet,
//! with the ports it borrowed and, where it is tracked, without asking security groups; when nothing of what it
//! rests on has changed, that is a look at its stamps. TCP flags move [`Phase`]: Opening → Established → Closing, and back from Closing
//! when data goes on after a RST that nobody took.
//!
//! **Time.** Idle limits ([`Timeouts`]) from the last packet of either direction; Closing flows go after
//! [`Timeouts::CLOSING`]. `expire` walks a few shards at a time, so that no worker pauses for it.
//!
//! **Limits.** [`FlowTable::TOTAL`] flows, [`FlowTable::PER_OWNER`] for each link that opened them, so that one guest
//! can't take the table from the others. When full, packets that need no translation go on without a flow; others are
//! dropped as `FLOW_LIMIT`.
//!
//! **Tracking.** The flow table is the connection tracking of security groups, too: an answer is a hit, or it comes by another
//! way and finds the key of what its receiver sent ([`FlowTable::tracks`]).
//!
//! **Not done.** Both directions in one shard, which translation would have to arrange for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::decide::{AclCheck, Refused};
use super::flow_log::Counters;
use super::health::Chosen;
use super::nat::Leases;
use super::plan::Asks;
pub use super::plan::{Key, Limiters, Limits, Plan, Plans, Stamp, Stamps};
use super::proxy_protocol::ProxyProtocol;
use super::tables::{InterfaceIndex, LinkIndex, Tables};
use crate::packet::{Offload, Packet, protocol, tcp_flags};

/// A packet that a flow notes.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The packet …
    pub packet: &'a Packet,
    /// … of how many segments it is made …
    pub offload: &'a Offload,
    /// … the length of its frame …
    pub frame_len: usize,
    /// … and when it came.
    pub now: Duration,
}

/// Which way along a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As its first packet.
    Forward = 0,
    /// The answers.
    Back = 1,
}

/// Idle limits of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Before the first answer.
    pub opening: Duration,
    /// Afterwards.
    pub established: Duration,
}

impl Timeouts {
    /// After a RST, or a FIN each way: long enough for the last ACKs.
    pub const CLOSING: Duration = Duration::from_secs(5);
    /// Inside a VPC and through a gateway endpoint: connection tracking's own (B1.6).
    pub const TRACKED_TCP: Self = Self { opening: Duration::from_secs(60), established: Duration::from_secs(432_000) };
    /// Through an interface endpoint or a balancer (B3.2, B9).
    pub const BALANCED_TCP: Self = Self { opening: Duration::from_secs(60), established: Duration::from_secs(350) };
    /// UDP: 30 s for one-way, 180 s for a stream (B1.6).
    pub const UDP: Self = Self { opening: Duration::from_secs(30), established: Duration::from_secs(180) };
    /// UDP through a balancer (B9).
    pub const BALANCED_UDP: Self = Self { opening: Duration::from_secs(120), established: Duration::from_secs(120) };
    /// Through a NAT gateway, whatever is not TCP (B7).
    pub const NAT_GATEWAY: Self = Self { opening: Duration::from_secs(350), established: Duration::from_secs(350) };
    /// ICMP and other protocols (B1.6).
    pub const OTHER: Self = Self { opening: Duration::from_secs(600), established: Duration::from_secs(600) };
}

/// Where a flow stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// No answer yet.
    Opening = 0,
    /// Both sides spoke.
    Established = 1,
    /// RST seen, or FIN from both.
    Closing = 2,
}

/// What both directions share. What every frame touches stands first, side by side.
#[derive(Debug)]
#[repr(C)]
pub struct Flow {
    last: AtomicU64,
    frames: [AtomicU64; 2],
    bytes: [AtomicU64; 2],
    /// Counts for flow logs, where it passes a logged interface.
    pub logged: Option<Box<Counters>>,
    /// The swap of tables after which its stamps were seen to be current.
    checked: AtomicU32,
    phase: AtomicU8,
    fins: AtomicU8,
    gone: AtomicBool,
    /// TCP resets among the answers.
    pub resets: AtomicU32,
    /// Forward and back.
    pub plans: [Plan; 2],
    /// Forward and back.
    pub keys: [Key; 2],
    /// What packets must keep to, forward and back.
    pub limits: [Limits; 2],
    /// Why no answer leaves.
    refused: Option<Refused>,
    /// What its plans rest on.
    pub stamps: Stamps,
    /// Idle limits.
    pub timeouts: Timeouts,
    /// Source ports borrowed from balancers and NAT gateways, to give back.
    pub leases: Leases,
    /// Which objects it met, for `flows`: the last endpoint, gateway or balancer.
    pub via: Option<super::tables::ObjectIndex>,
    /// The interfaces of interface endpoints that it passes.
    pub endpoints: Box<[InterfaceIndex]>,
    /// Who set the limits that its plans have.
    pub limiters: Limiters,
    /// Network ACLs on its way that ICMP errors about it must pass, too.
    pub acls: Vec<AclCheck>,
    /// The interfaces whose security groups track it: a change of their rules does not cut it (B1.6).
    pub tracked: Vec<InterfaceIndex>,
    /// What the balancers on its way chose: theirs for its life.
    pub chosen: Vec<Chosen>,
    /// What its target hears of its client before all else.
    pub proxy_protocol: Option<Arc<ProxyProtocol>>,
    /// The sequence number of its first packet (TCP): the balancer's hash takes it.
    pub tcp_sequence: u32,
    /// Start, in milliseconds of the lab's time.
    pub started: u64,
}

impl Flow {
    /// A flow that was decided at `now`, after the `epoch`-th swap of tables.
    pub fn new(keys: [Key; 2], plans: Plans, stamps: Stamps, timeouts: Timeouts, epoch: u32, now: Duration) -> Self {
        let started = now.as_millis() as u64;
        let Plans { plans, limits, refused } = plans;
        Self {
            keys,
            plans,
            limits,
            refused,
            stamps,
            timeouts,
            leases: Leases::default(),
            via: None,
            endpoints: Box::default(),
            limiters: Limiters::default(),
            acls: Vec::new(),
            tracked: Vec::new(),
            chosen: Vec::new(),
            logged: None,
            proxy_protocol: None,
            tcp_sequence: 0,
            started,
            checked: AtomicU32::new(epoch),
            last: AtomicU64::new(started),
            phase: AtomicU8::new(Phase::Opening as u8),
            fins: AtomicU8::new(0),
            gone: AtomicBool::new(false),
            resets: AtomicU32::new(0),
            frames: Default::default(),
            bytes: Default::default(),
        }
    }

    /// Why packets of a direction do not leave.
    #[inline]
    pub fn refusal(&self, direction: Direction) -> Option<Refused> {
        if self.plans[direction as usize].asks.has(Asks::REFUSED) { self.refused } else { None }
    }

    /// Whose flows are counted: the link that it was opened from.
    #[inline]
    pub fn owner(&self) -> LinkIndex {
        self.keys[0].link
    }

    /// Decided by the tables in force, or by older ones of which nothing that it rests on has changed.
    #[inline]
    pub fn is_current(&self, tables: &Tables, epoch: u32) -> bool {
        if self.checked.load(Ordering::Relaxed) == epoch {
            return true;
        }
        let current = self.stamps.are_current(tables);
        if current {
            self.checked.store(epoch, Ordering::Relaxed);
        }
        current
    }

    /// Takes over what an older decision about the same conversation has counted.
    pub fn continue_from(&mut self, older: &Self) {
        let copy = |from: &AtomicU64| AtomicU64::new(from.load(Ordering::Relaxed));
        self.started = older.started;
        self.last = copy(&older.last);
        self.phase = AtomicU8::new(older.phase.load(Ordering::Relaxed));
        self.fins = AtomicU8::new(older.fins.load(Ordering::Relaxed));
        self.resets = AtomicU32::new(older.resets.load(Ordering::Relaxed));
        self.frames = [copy(&older.frames[0]), copy(&older.frames[1])];
        self.bytes = [copy(&older.bytes[0]), copy(&older.bytes[1])];
        self.introduce(older.proxy_protocol.clone());
    }

    /// Has its target told of its client first.
    pub fn introduce(&mut self, proxy_protocol: Option<Arc<ProxyProtocol>>) {
        for plan in &mut self.plans {
            plan.asks = plan.asks.with(Asks::PROXY_PROTOCOL, proxy_protocol.is_some());
        }
        self.proxy_protocol = proxy_protocol;
    }

    /// The header that its target lacks.
    #[inline]
    pub fn introduction(&self) -> Option<&ProxyProtocol> {
        self.proxy_protocol.as_deref().filter(|it| !it.is_done())
    }

    /// Notes a packet. One exchange opens a flow; for UDP it takes a second one until it counts as a stream (B1.6).
    #[inline]
    pub fn note(&self, direction: Direction, seen: &Seen) {
        let Seen { packet, frame_len, now, .. } = *seen;
        self.log(direction, seen);
        self.last.store(now.as_millis() as u64, Ordering::Relaxed);
        self.frames[direction as usize].fetch_add(1, Ordering::Relaxed);
        self.bytes[direction as usize].fetch_add(frame_len as u64, Ordering::Relaxed);
        let phase = self.phase.load(Ordering::Relaxed);
        if phase == Phase::Opening as u8 && direction == Direction::Back && self.is_answered(packet.protocol) {
            self.phase.store(Phase::Established as u8, Ordering::Relaxed);
        }
        if packet.protocol != protocol::TCP {
            return;
        }
        if packet.tcp_flags & (tcp_flags::FIN | tcp_flags::RST) != 0 {
            self.note_end(direction, packet.tcp_flags);
        } else if phase == Phase::Closing as u8 && packet.payload_len > 0 && self.fins.load(Ordering::Relaxed) != 0b11 {
            // The RST was not believed (out of window, RFC 5961): data goes on.
            self.phase.store(Phase::Established as u8, Ordering::Relaxed);
        }
    }

    /// Counts a packet for flow logs alone: of those that are refused they tell, too.
    #[inline]
    pub fn log(&self, direction: Direction, seen: &Seen) {
        if let Some(counters) = &self.logged {
            counters.note(direction, seen.packet, seen.offload, seen.now);
        }
    }

    fn is_answered(&self, number: u8) -> bool {
        number != protocol::UDP || self.frames.iter().all(|frames| frames.load(Ordering::Relaxed) > 1)
    }

    #[cold]
    fn note_end(&self, direction: Direction, flags: u8) {
        if flags & tcp_flags::RST != 0 && direction == Direction::Back {
            self.resets.fetch_add(1, Ordering::Relaxed);
        }
        let fins = if flags & tcp_flags::FIN != 0 { 1 << direction as u8 } else { 0 };
        let fins = self.fins.fetch_or(fins, Ordering::Relaxed) | fins;
        if flags & tcp_flags::RST != 0 || fins == 0b11 {
            self.phase.store(Phase::Closing as u8, Ordering::Relaxed);
        }
    }

    /// Bytes of its frames so far, both ways.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Opening,
            1 => Phase::Established,
            _ => Phase::Closing,
        }
    }

    /// A flow whose end was seen starts anew with a SYN of the same ports.
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == Phase::Closing as u8
    }

    fn is_idle(&self, now: Duration) -> bool {
        let limit = match self.phase() {
            Phase::Opening => self.timeouts.opening,
            Phase::Established => self.timeouts.established,
            Phase::Closing => Timeouts::CLOSING,
        };
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.saturating_sub(last) >= limit
    }
}

/// A flow as `flows` shows it.
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// The key of the first packet.
    pub key: Key,
    /// The key of the answers.
    pub back: Key,
    /// Where it came from.
    pub ingress: LinkIndex,
    /// Where it goes.
    pub egress: LinkIndex,
    /// Endpoint, gateway or balancer on the way.
    pub via: Option<super::tables::ObjectIndex>,
    /// Where it stands.
    pub phase: Phase,
    /// Frames forward and back.
    pub frames: [u64; 2],
    /// Bytes of frames forward and back, Ethernet header included.
    pub bytes: [u64; 2],
    /// Since the first packet, at the last.
    pub age: Duration,
}

#[derive(Clone, Debug)]
struct Entry {
    flow: Arc<Flow>,
    direction: Direction,
}

type Shard = Mutex<HashMap<Key, Entry, ahash::RandomState>>;

/// A TCP SYN without ACK: the start of a conversation.
#[inline]
pub fn is_syn(packet: &Packet) -> bool {
    packet.protocol == protocol::TCP && packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN
}

/// What a look-up found.
#[derive(Debug)]
pub enum Found {
    /// A plan to repeat; the packet is noted.
    Plan(Plan),
    /// The same, of a flow whose target lacks its PROXY protocol header.
    Introducing(Arc<Flow>, Direction),
    /// Packets of this direction are refused: the answers to what that link sent.
    Refused(Refused, LinkIndex),
    /// The flow's key, but other MAC addresses than its packets have: to be admitted first. Nothing is noted, or a forged
    /// frame could end a flow.
    Stranger(Arc<Flow>, Direction),
    /// A flow whose plan needs deciding again, or whose end was seen.
    Stale(Arc<Flow>, Direction),
    /// Nothing.
    Nothing,
}

/// All flows of a lab.
pub struct FlowTable {
    hasher: ahash::RandomState,
    shards: Vec<Shard>,
    total: AtomicU32,
    owners: Mutex<HashMap<LinkIndex, u32>>,
    cursor: AtomicU32,
}

impl FlowTable {
    /// Flows of a lab.
    pub const TOTAL: u32 = 1 << 20;
    /// Flows that one link may have open.
    pub const PER_OWNER: u32 = 1 << 18;
    /// Parts of the table, each with its own lock.
    pub const SHARDS: usize = 64;

    /// An empty table; `seed` keys its hashes, since the keys come from outside.
    pub fn new(seed: [u64; 4]) -> Self {
        let hasher = ahash::RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let shards = (0..Self::SHARDS).map(|_| Mutex::new(HashMap::with_hasher(hasher.clone()))).collect();
        Self { hasher, shards, total: AtomicU32::new(0), owners: Mutex::default(), cursor: AtomicU32::new(0) }
    }

    #[inline]
    fn shard(&self, key: &Key) -> &Shard {
        // The top bits: hashbrown uses the others inside the shard.
        let hash = self.hasher.hash_one(key);
        &self.shards[(hash >> 58) as usize % Self::SHARDS]
    }

    /// Looks a packet up; a hit is noted and its plan copied, under one shard lock and nothing else.
    #[inline]
    pub fn find(&self, key: &Key, seen: &Seen, tables: &Tables, epoch: u32) -> Found {
        let packet = seen.packet;
        let shard = self.shard(key).lock();
        let Some(Entry { flow, direction }) = shard.get(key) else { return Found::Nothing };
        let plan = &flow.plans[*direction as usize];
        if !plan.fits(packet) {
            return Found::Stranger(Arc::clone(flow), *direction);
        }
        if !flow.is_current(tables, epoch) || (flow.is_closing() && is_syn(packet)) {
            return Found::Stale(Arc::clone(flow), *direction);
        }
        if let Some(refused) = flow.refusal(*direction) {
            flow.log(*direction, seen);
            return Found::Refused(refused, flow.owner());
        }
        flow.note(*direction, seen);
        if plan.asks.has(Asks::PROXY_PROTOCOL) && flow.introduction().is_some() {
            return Found::Introducing(Arc::clone(flow), *direction);
        }
        Found::Plan(*plan)
    }

    /// The plan of a key, without noting anything.
    pub fn peek(&self, key: &Key) -> Option<(Arc<Flow>, Direction)> {
        self.shard(key).lock().get(key).map(|entry| (Arc::clone(&entry.flow), entry.direction))
    }

    /// Whether a flow stands under a key that an interface tracks.
    pub fn tracks(&self, key: &Key, interface: InterfaceIndex) -> bool {
        self.shard(key).lock().get(key).is_some_and(|entry| entry.flow.tracked.contains(&interface))
    }

    /// Inserts both directions, or hands the flow back when its owner or the table has its fill.
    ///
    /// A standing flow under either key is replaced, since the newest decision counts; the replaced ones are returned so
    /// that their leases can be given back.
    pub fn establish(&self, flow: Flow) -> Result<Vec<Arc<Flow>>, Box<Flow>> {
        if !self.admit(flow.owner()) {
            return Err(Box::new(flow));
        }
        Ok(self.insert(flow, None))
    }

    /// Puts a flow under the keys of an older one of the same conversation, or hands it back when that is gone already: of
    /// several workers that renew one flow, one does it. The old one is found until the new one is, so that no packet of the
    /// conversation meets neither.
    pub fn renew(&self, old: &Arc<Flow>, renewed: Flow) -> Result<Vec<Arc<Flow>>, Box<Flow>> {
        if old.gone.swap(true, Ordering::Relaxed) {
            return Err(Box::new(renewed));
        }
        // It is counted as the old one was.
        Ok(self.insert(renewed, Some(old)))
    }

    /// Inserts both directions; what stood there is removed, but for `old`, which is marked as gone and counts on.
    fn insert(&self, flow: Flow, old: Option<&Arc<Flow>>) -> Vec<Arc<Flow>> {
        let flow = Arc::new(flow);
        let mut replaced = Vec::new();
        for direction in [Direction::Forward, Direction::Back] {
            let key = flow.keys[direction as usize];
            let entry = Entry { flow: Arc::clone(&flow), direction };
            let standing = self.shard(&key).lock().insert(key, entry);
            let is_other =
                |it: &Entry| !Arc::ptr_eq(&it.flow, &flow) && !old.is_some_and(|old| Arc::ptr_eq(&it.flow, old));
            let others = standing.filter(is_other);
            replaced.extend(others.map(|it| it.flow).filter(|it| self.remove(it)));
        }
        // Replaced by another worker between the two inserts: the second one must not outlive it. The shard's lock, which
        // that worker held after it marked the flow, makes the mark visible here.
        if flow.gone.load(Ordering::Relaxed) {
            self.unlink(&flow);
        }
        replaced
    }

    fn admit(&self, owner: LinkIndex) -> bool {
        if self.total.load(Ordering::Relaxed) >= Self::TOTAL {
            return false;
        }
        let mut owners = self.owners.lock();
        let count = owners.entry(owner).or_default();
        if *count >= Self::PER_OWNER {
            return false;
        }
        *count += 1;
        self.total.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Removes both directions; true for the one call that did it, whoever else tries.
    pub fn remove(&self, flow: &Arc<Flow>) -> bool {
        let first = !flow.gone.swap(true, Ordering::Relaxed);
        self.unlink(flow);
        if first {
            self.forget(flow);
        }
        first
    }

    fn unlink(&self, flow: &Arc<Flow>) {
        for key in &flow.keys {
            let mut shard = self.shard(key).lock();
            if shard.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.flow, flow)) {
                shard.remove(key);
            }
        }
    }

    fn forget(&self, flow: &Flow) {
        let mut owners = self.owners.lock();
        if let Some(count) = owners.get_mut(&flow.owner()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                owners.remove(&flow.owner());
            }
        }
        self.total.fetch_sub(1, Ordering::Relaxed);
    }

    /// Removes what has been idle too long in the next few shards and hands it over, so that leases can be given back.
    pub fn expire(&self, now: Duration, shards: usize) -> Vec<Arc<Flow>> {
        let mut gone = Vec::new();
        for _ in 0..shards.min(Self::SHARDS) {
            let number = self.cursor.fetch_add(1, Ordering::Relaxed) as usize % Self::SHARDS;
            let idle: Vec<Arc<Flow>> = self.shards[number]
                .lock()
                .values()
                .filter(|entry| entry.flow.is_idle(now))
                .map(|entry| Arc::clone(&entry.flow))
                .collect();
            gone.extend(idle.into_iter().filter(|flow| self.remove(flow)));
        }
        gone
    }

    /// The flows that were balanced to a target for which that holds; a shard's lock is held for no longer than it takes to look.
    pub fn balanced(&self, to: impl Fn(&Chosen) -> bool) -> Vec<Arc<Flow>> {
        let fits = |entry: &&Entry| entry.direction == Direction::Forward && entry.flow.chosen.iter().any(&to);
        let of_shard = |shard: &Shard| -> Vec<Arc<Flow>> {
            shard.lock().values().filter(fits).map(|entry| Arc::clone(&entry.flow)).collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    /// The flows that have something for flow logs; a shard's lock is held for no longer than it takes to look.
    pub fn logged(&self) -> Vec<Arc<Flow>> {
        let spoke = |entry: &&Entry| {
            entry.direction == Direction::Forward && entry.flow.logged.as_ref().is_some_and(|it| it.spoke())
        };
        let of_shard = |shard: &Shard| -> Vec<Arc<Flow>> {
            shard.lock().values().filter(spoke).map(|entry| Arc::clone(&entry.flow)).collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    /// Shows each flow once; a shard's lock is held while its flows are shown.
    pub fn each(&self, mut see: impl FnMut(&Flow)) {
        for shard in &self.shards {
            let shard = shard.lock();
            let forward = shard.values().filter(|entry| entry.direction == Direction::Forward);
            forward.for_each(|entry| see(&entry.flow));
        }
    }

    /// How many flows stand.
    pub fn len(&self) -> usize {
        self.total.load(Ordering::Relaxed) as usize
    }

    /// None stands.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All flows, oldest first.
    pub fn records(&self) -> Vec<FlowRecord> {
        let mut records = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let forward = shard.values().filter(|entry| entry.direction == Direction::Forward);
            records.extend(forward.map(|entry| (entry.flow.started, record(&entry.flow))));
        }
        records.sort_by_key(|(started, _)| *started);
        records.into_iter().map(|(_, record)| record).collect()
    }
}

fn record(flow: &Flow) -> FlowRecord {
    let load = |counters: &[AtomicU64; 2]| [0, 1].map(|side| counters[side].load(Ordering::Relaxed));
    FlowRecord {
        key: flow.keys[0],
        back: flow.keys[1],
        ingress: flow.keys[0].link,
        egress: flow.plans[0].egress,
        via: flow.via,
        phase: flow.phase(),
        frames: load(&flow.frames),
        bytes: load(&flow.bytes),
        age: Duration::from_millis(flow.last.load(Ordering::Relaxed).saturating_sub(flow.started)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Rewrite;

    fn flow(from: u32, to: u32) -> Flow {
        let key = |link: u32, source: u8, destination: u8| Key {
            link: LinkIndex(link),
            source: [10, 0, 0, source].into(),
            destination: [10, 0, 0, destination].into(),
            source_port: 5,
            destination_port: 5,
            protocol: 17,
        };
        let plan = |egress: u32| Plan {
            source_mac: [0; 6],
            destination_mac: [0; 6],
            rewrite: Rewrite::default(),
            egress: LinkIndex(egress),
            mtu: u16::MAX,
            mss: u16::MAX,
            asks: Asks::default(),
        };
        let keys = [key(from, from as u8, to as u8), key(to, to as u8, from as u8)];
        let plans = Plans { plans: [plan(to), plan(from)], limits: [Limits::NONE; 2], refused: None };
        Flow::new(keys, plans, Stamps::default(), Timeouts::UDP, 0, Duration::ZERO)
    }

    /// Two workers establish the two directions of one conversation at once; whoever wins, nothing stays behind that
    /// nobody counts and nobody expires.
    #[test]
    fn mirrored_flows_of_two_workers_leave_nothing_behind() {
        for _ in 0..2_000 {
            let table = FlowTable::new([1, 2, 3, 4]);
            std::thread::scope(|scope| {
                scope.spawn(|| table.establish(flow(1, 2)));
                scope.spawn(|| table.establish(flow(2, 1)));
            });
            let entries: Vec<Arc<Flow>> = table
                .shards
                .iter()
                .flat_map(|shard| shard.lock().values().map(|entry| Arc::clone(&entry.flow)).collect::<Vec<_>>())
                .collect();
            assert!(entries.iter().all(|flow| !flow.gone.load(Ordering::Relaxed)), "a removed flow is still found");
            assert_eq!(entries.len(), 2 * table.len(), "each counted flow stands under both keys");
            table.expire(Duration::from_secs(1000), FlowTable::SHARDS);
            assert!(table.is_empty() && table.shards.iter().all(|shard| shard.lock().is_empty()));
            assert!(table.owners.lock().is_empty());
        }
    }
}
