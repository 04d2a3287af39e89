//! What interface endpoints carried, by their network interfaces: what CloudWatch's PrivateLink metrics say (B8.3).
//!
//! # Theory of operation
//!
//! **Purpose.** Bytes, connections, resets and drops of each endpoint, and by it of each endpoint service, without a frame
//! costing more: flows count bytes for themselves, and this is what they add up to.
//!
//! **Identity.** The endpoint's network interface, whose number stays its own across swaps of tables (`compile`'s numbering).
//! From it follow subnet, endpoint, VPC, service, and the balancer's zone.
//!
//! **Life.** A flow that passes an endpoint is one more connection; when it is gone, its sums are added here. Flows that stand
//! are asked at the reading. What an endpoint's first packets come to without a flow, a drop or a reset, is counted at once.
//!
//! **Limits.** One small entry for each interface that ever carried anything. One lock, taken when a connection opens or ends
//! and for drops; never on a flow hit.
//!
//! **Not done.** What another worker notes of a flow in the moment in which that ends is lost. A connection is a flow of TCP or
//! UDP; AWS's pages speak of connections only.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::flow::{Flow, FlowTable, Phase};
use super::tables::InterfaceIndex;

/// Counts of one network interface of an interface endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointCounts {
    /// The interface.
    pub interface: InterfaceIndex,
    /// Flows that stand and whose end was not seen.
    pub active_connections: u64,
    /// Bytes of frames both ways, as flows count them.
    pub bytes_processed: u64,
    /// Flows that were opened.
    pub new_connections: u64,
    /// Packets that came to the endpoint, or would have been carried by it, and went no further.
    pub packets_dropped: u64,
    /// TCP resets that came to the client from behind the endpoint.
    pub resets: u64,
}

/// All endpoints' counts.
#[derive(Debug, Default)]
pub(super) struct Meters(Mutex<BTreeMap<InterfaceIndex, Meter>>);

#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    opened: u64,
    dropped: u64,
    /// Of flows that are gone, and of packets without one.
    ended: Sums,
    /// What was said last: a flow that is just ending must not make it less.
    said: Sums,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    bytes: u64,
    resets: u64,
    /// Of flows that stand.
    active: u64,
}

impl Sums {
    fn of(flow: &Flow) -> Self {
        Self {
            bytes: flow.total_bytes(),
            resets: u64::from(flow.resets.load(Ordering::Relaxed)),
            active: u64::from(flow.phase() != Phase::Closing),
        }
    }
}

impl Meters {
    /// A flow was established.
    pub fn opened(&self, endpoints: &[InterfaceIndex]) {
        self.each(endpoints, |meter| meter.opened += 1);
    }

    /// A flow is gone.
    pub fn ended(&self, flow: &Flow) {
        self.each(&flow.endpoints, |meter| {
            let sums = Sums::of(flow);
            meter.ended.bytes += sums.bytes;
            meter.ended.resets += sums.resets;
        });
    }

    /// A packet that had come to these endpoints goes no further: the last one's, or of what is behind it.
    pub fn dropped(&self, endpoints: &[InterfaceIndex]) {
        self.each(endpoints.last(), |meter| meter.dropped += 1);
    }

    /// The dataplane itself sends a reset from behind these endpoints.
    pub fn reset(&self, endpoints: &[InterfaceIndex]) {
        self.each(endpoints, |meter| meter.ended.resets += 1);
    }

    fn each<'i>(&self, endpoints: impl IntoIterator<Item = &'i InterfaceIndex>, change: impl Fn(&mut Meter)) {
        let mut endpoints = endpoints.into_iter().peekable();
        if endpoints.peek().is_none() {
            return;
        }
        let mut meters = self.0.lock();
        endpoints.for_each(|endpoint| change(meters.entry(*endpoint).or_default()));
    }

    /// All counts, with those of flows that stand.
    pub fn read(&self, flows: &FlowTable) -> Vec<EndpointCounts> {
        let mut standing: BTreeMap<InterfaceIndex, Sums> = BTreeMap::new();
        flows.each(|flow| {
            for endpoint in &flow.endpoints {
                let (sums, flow) = (standing.entry(*endpoint).or_default(), Sums::of(flow));
                sums.bytes += flow.bytes;
                sums.resets += flow.resets;
                sums.active += flow.active;
            }
        });
        let mut meters = self.0.lock();
        let read = |(interface, meter): (&InterfaceIndex, &mut Meter)| {
            let standing = standing.get(interface).copied().unwrap_or_default();
            meter.said.bytes = meter.said.bytes.max(meter.ended.bytes + standing.bytes);
            meter.said.resets = meter.said.resets.max(meter.ended.resets + standing.resets);
            EndpointCounts {
                interface: *interface,
                active_connections: standing.active,
                bytes_processed: meter.said.bytes,
                new_connections: meter.opened,
                packets_dropped: meter.dropped,
                resets: meter.said.resets,
            }
        };
        meters.iter_mut().map(read).collect()
    }
}
