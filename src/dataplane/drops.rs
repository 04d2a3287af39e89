//! Drops with their names: counters for each reason, and a bounded log of the latest ones.
//!
//! Equal drops (same reason, link and header) in a row of the log are counted in one record, so that a client that tries
//! again fills one line, not a page.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::path::Header;
use super::tables::{LinkIndex, ObjectIndex};
use super::verdict::DropReason;

/// One line of `drops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRecord {
    /// Grows by one for each record; the last change of a record gives it a new one.
    pub number: u64,
    /// When last, in the lab's time.
    pub at: Duration,
    /// Where the frame came from.
    pub ingress: LinkIndex,
    /// Whose question the frame answers, if it answers one.
    pub answers: Option<LinkIndex>,
    /// Why.
    pub reason: DropReason,
    /// What exactly, from a closed list of the packet room: `IPV4_TRUNCATED`.
    pub detail: Option<&'static str>,
    /// The object that refused.
    pub object: Option<ObjectIndex>,
    /// The packet, when it was one.
    pub header: Option<Header>,
    /// How many equal ones.
    pub count: u64,
}

impl DropRecord {
    fn is_like(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.ingress, it.answers, it.reason, it.detail, it.object, it.header);
        of(self) == of(other)
    }
}

/// Where drops are kept.
#[derive(Debug)]
pub struct Drops {
    counters: Vec<AtomicU64>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    next: u64,
    records: VecDeque<DropRecord>,
}

impl Drops {
    /// Records that the log keeps.
    pub const CAPACITY: usize = 4096;
    /// How far back an equal record is looked for.
    const LOOK_BACK: usize = 32;

    /// Nothing dropped yet.
    pub fn new() -> Self {
        let counters = DropReason::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        Self { counters, log: Mutex::default() }
    }

    /// Notes a drop; number and count are the log's.
    pub fn note(&self, mut record: DropRecord) {
        if let Some(counter) = self.counters.get(record.reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let mut log = self.log.lock();
        record.number = log.next;
        record.count = 1;
        log.next += 1;
        let recent = log.records.len().saturating_sub(Self::LOOK_BACK);
        if let Some(position) = log.records.range(recent..).position(|other| other.is_like(&record)) {
            record.count += log.records.remove(recent + position).map_or(0, |equal| equal.count);
        }
        if log.records.len() >= Self::CAPACITY {
            log.records.pop_front();
        }
        log.records.push_back(record);
    }

    /// Records numbered `since` or later, oldest first.
    pub fn since(&self, since: u64) -> Vec<DropRecord> {
        self.log.lock().records.iter().filter(|record| record.number >= since).cloned().collect()
    }

    /// The number that the next record gets.
    pub fn next(&self) -> u64 {
        self.log.lock().next
    }

    /// How many of each reason.
    pub fn counters(&self) -> Vec<(DropReason, u64)> {
        let counts = self.counters.iter().map(|counter| counter.load(Ordering::Relaxed));
        DropReason::ALL.iter().copied().zip(counts).collect()
    }
}

impl Default for Drops {
    fn default() -> Self {
        Self::new()
    }
}
