//! What interface endpoints are told of packets that have no flow, or break with theirs.

use super::*;
use crate::dataplane::meters::EndpointCounts;

impl Dataplane {
    /// What each interface endpoint carried; takes a look at every flow that stands.
    pub fn endpoint_counts(&self) -> Vec<EndpointCounts> {
        self.meters.read(&self.flows)
    }

    /// A first packet that opens nothing.
    pub(super) fn meter_outcome(&self, observed: &Observed, outcome: &Outcome, packet: &Packet) {
        match outcome {
            // Nobody answers a reset with one.
            Outcome::Reset(_) if packet.tcp_flags & tcp_flags::RST == 0 => self.meters.reset(&observed.endpoints),
            _ => self.meters.dropped(&observed.endpoints),
        }
    }

    /// A packet that does not keep to its flow's plan.
    #[cold]
    pub(super) fn meter_broken(&self, arrival: &Arrival, verdict: Verdict) -> Verdict {
        let dropped = matches!(verdict, Verdict::Drop(_));
        let flow = || self.flows.peek(&Key::of(arrival.ingress, &arrival.packet));
        if let Some((flow, _)) = if dropped { flow() } else { None } {
            self.meters.dropped(&flow.endpoints);
        }
        verdict
    }
}
