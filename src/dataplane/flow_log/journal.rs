//! A journal: gathers harvests for one plan until its interval ends, then makes lines of them.

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::HashMap;

use super::fields::{Entry, Record};
use super::{Count, FlowLogPlan, FlowLogs, Harvest, Observation};
use crate::dataplane::tables::InterfaceIndex;

/// A line to be written, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of which interface.
    pub interface: InterfaceIndex,
    /// In the plan's format.
    pub text: String,
}

/// What is gathered for a plan.
#[derive(Debug)]
pub struct Journal {
    plan: FlowLogPlan,
    records: HashMap<Observation, Count, ahash::RandomState>,
    /// Interfaces of which something was lost in this interval.
    skipped: BTreeSet<InterfaceIndex>,
    /// Interfaces that have been written of in this interval already.
    spoke: BTreeSet<InterfaceIndex>,
    /// Start of the interval.
    began: Duration,
}

impl Journal {
    /// Records that it holds; then it is time to write.
    pub const CAPACITY: usize = 1 << 17;

    /// Its first interval begins at `now`; `hasher` is keyed, since what is hashed comes from outside.
    pub fn new(plan: FlowLogPlan, hasher: ahash::RandomState, now: Duration) -> Self {
        let records = HashMap::with_hasher(hasher);
        Self { plan, records, skipped: BTreeSet::new(), spoke: BTreeSet::new(), began: now }
    }

    /// What it gathers.
    pub fn plan(&self) -> &FlowLogPlan {
        &self.plan
    }

    /// When its interval ends.
    pub fn due(&self) -> Duration {
        self.began + self.plan.interval
    }

    /// It has its fill.
    pub fn is_full(&self) -> bool {
        self.records.len() >= Self::CAPACITY
    }

    /// Takes what concerns it.
    pub fn add(&mut self, harvest: &Harvest) {
        for (observation, count) in harvest.records.iter().filter(|(observation, _)| wants(&self.plan, observation)) {
            self.records.entry(*observation).and_modify(|standing| standing.add(count)).or_insert(*count);
        }
        for interface in &harvest.skipped {
            self.skip(*interface);
        }
    }

    /// Something of an interface was lost.
    pub fn skip(&mut self, interface: InterfaceIndex) {
        if self.plan.interfaces.binary_search(&interface).is_ok() {
            self.skipped.insert(interface);
        }
    }

    /// The lines of what it has, before the interval ends.
    pub fn write_early(&mut self, flow_logs: &FlowLogs, unix: Duration) -> Vec<Line> {
        let mut records: Vec<(Observation, Count)> = self.records.drain().collect();
        records.sort_by_key(|(observation, count)| {
            let header = observation.header;
            let ports = (header.source_port, header.destination_port);
            (count.first, observation.interface, header.source, header.destination, ports, header.protocol)
        });
        let lines = records.iter().filter_map(|(observation, count)| self.record(flow_logs, unix, observation, count));
        let lines: Vec<Line> = lines.collect();
        self.spoke.extend(lines.iter().map(|line| line.interface));
        lines
    }

    /// The lines of the interval that ends at `now`: records, SKIPDATA for what was lost, NODATA for who was silent. `unix`
    /// is the time since 1970 at which the lab's time began.
    pub fn write(&mut self, flow_logs: &FlowLogs, unix: Duration, now: Duration) -> Vec<Line> {
        let mut lines = self.write_early(flow_logs, unix);
        for interface in &self.plan.interfaces {
            let status = if self.skipped.contains(interface) {
                "SKIPDATA"
            } else if !self.spoke.contains(interface) {
                "NODATA"
            } else {
                continue;
            };
            let Some(logged) = flow_logs.interface(*interface) else { continue };
            let (start, end) = (seconds(unix + self.began), seconds(unix + now));
            let entry = Entry { interface: logged, record: None, status, start, end };
            lines.push(Line { interface: *interface, text: self.plan.format.line(&entry) });
        }
        self.skipped.clear();
        self.spoke.clear();
        self.began = now;
        lines
    }

    fn record(&self, flow_logs: &FlowLogs, unix: Duration, observation: &Observation, count: &Count) -> Option<Line> {
        let record = Record {
            observation,
            count,
            source_service: flow_logs.service(observation.header.source),
            destination_service: flow_logs.service(observation.header.destination),
        };
        let (start, end) = (seconds(unix + count.first), seconds(unix + count.last));
        let interface = flow_logs.interface(observation.interface)?;
        let entry = Entry { interface, record: Some(record), status: "OK", start, end };
        Some(Line { interface: observation.interface, text: self.plan.format.line(&entry) })
    }
}

fn wants(plan: &FlowLogPlan, observation: &Observation) -> bool {
    let verdict = if observation.accepted { plan.accepted } else { plan.rejected };
    verdict && plan.interfaces.binary_search(&observation.interface).is_ok()
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}
