//! What policies decided, for people who ask afterwards.
//!
//! Purpose: `exec` shows what denied a command's requests, as it shows the packets that were dropped. Identity: a number for
//! each decision. Limits: the latest [`KEPT`]; older ones go.

use std::collections::VecDeque;
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::model::access::AccessReport;

/// Decisions that are kept.
const KEPT: usize = 1024;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows by one.
    pub number: u64,
    /// When.
    pub at: SystemTime,
    /// The guest's name; of who came over the internet, the address.
    pub guest: String,
    /// The instance behind it.
    pub instance_id: Option<String>,
    /// The endpoint that it came through.
    pub vpc_endpoint_id: Option<String>,
    /// The decision.
    pub report: AccessReport,
}

/// The latest decisions.
#[derive(Debug, Default)]
pub struct Journal {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    next: u64,
    kept: VecDeque<Record>,
}

impl Journal {
    /// Notes a decision; its number is given here.
    pub fn note(&self, mut record: Record) {
        let mut records = self.records.lock();
        record.number = records.next;
        records.next += 1;
        if records.kept.len() == KEPT {
            records.kept.pop_front();
        }
        records.kept.push_back(record);
    }

    /// The number that the next decision will have.
    pub fn next(&self) -> u64 {
        self.records.lock().next
    }

    /// What is kept from a number on.
    pub fn since(&self, number: u64) -> Vec<Record> {
        self.records.lock().kept.iter().filter(|record| record.number >= number).cloned().collect()
    }
}
