//! Frames of connections whose target has yet to hear, by PROXY protocol, who its client is.
//!
//! What becomes of each is [`ProxyProtocol`]'s to say; here it is done.

use super::*;
use crate::dataplane::proxy_protocol::{Back, Forward, HeaderSegment, Held, RETRY, Timers, Waiting};
use crate::packet::build::{self, Ends, Segment};

/// What all headers under way share.
#[derive(Debug, Default)]
pub(super) struct Introductions {
    timers: Timers,
    waiting: Waiting,
}

impl Introductions {
    /// A flow is gone, and with it what waits.
    pub fn end(&self, flow: &Flow) {
        if let Some(proxy_protocol) = flow.introduction() {
            proxy_protocol.end(&self.waiting);
        }
    }
}

impl Outbox {
    /// Nothing is to be sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.released.is_empty()
    }

    fn release(&mut self, link: LinkIndex, held: Held) {
        let Ok(Parsed::Ipv4(packet)) = packet::parse(&held.frame) else { return };
        self.released.push((link, packet::offload::emit(&held.offload, &packet), held.frame));
    }
}

impl Dataplane {
    /// Carries the packet of a flow that was established a moment ago.
    pub(super) fn carry_of(
        &self,
        key: &Key,
        frame: &mut [u8],
        arrival: &Arrival,
        plan: &Plan,
        outbox: &mut Outbox,
    ) -> Verdict {
        let introducing = || self.flows.peek(key).filter(|(flow, _)| flow.introduction().is_some());
        match if plan.asks.has(Asks::PROXY_PROTOCOL) { introducing() } else { None } {
            Some((flow, direction)) => self.introduce(frame, arrival, &flow, direction, outbox),
            None => self.carry(frame, arrival, plan, outbox),
        }
    }

    /// A frame between a client and a target that does not know it yet.
    #[cold]
    pub(super) fn introduce(
        &self,
        frame: &mut [u8],
        arrival: &Arrival,
        flow: &Flow,
        direction: Direction,
        outbox: &mut Outbox,
    ) -> Verdict {
        let plan = &flow.plans[direction as usize];
        if let Some(verdict) = self.check(frame, arrival, plan, outbox) {
            return verdict;
        }
        match flow.introduction() {
            Some(proxy_protocol) if direction == Direction::Forward => {
                self.introduce_client(frame, arrival, flow, proxy_protocol, outbox)
            }
            Some(proxy_protocol) => {
                let (packet, offload) = (&arrival.packet, &arrival.offload);
                let Back { again, released } =
                    proxy_protocol.back(frame, packet, offload, arrival.now, &self.introductions.waiting);
                if let Some(segment) = again {
                    send_header(flow, segment, outbox);
                }
                released.into_iter().for_each(|held| outbox.release(flow.plans[0].egress, held));
                send_on(frame, packet, offload, plan)
            }
            // Another worker's frame was the last that it took.
            None => send_on(frame, &arrival.packet, &arrival.offload, plan),
        }
    }

    fn introduce_client(
        &self,
        frame: &mut [u8],
        arrival: &Arrival,
        flow: &Flow,
        proxy_protocol: &ProxyProtocol,
        outbox: &mut Outbox,
    ) -> Verdict {
        let (packet, offload, plan) = (&arrival.packet, &arrival.offload, &flow.plans[0]);
        match proxy_protocol.forward(frame, packet, offload, arrival.now) {
            Forward::Pass => send_on(frame, packet, offload, plan),
            Forward::PassWithoutPayload => {
                let Some(mut syn) = packet::tcp::without_payload(frame, packet) else {
                    return self.refuse(arrival, Refused::BAD_TABLES);
                };
                if let Ok(Parsed::Ipv4(packet)) = packet::parse(&syn) {
                    send_on(&mut syn, &packet, &Offload::NONE, plan);
                    outbox.frames.push((plan.egress, syn));
                }
                Verdict::Kept
            }
            Forward::Keep(header) => {
                self.send_first_header(flow, header, arrival.now, outbox);
                Verdict::Kept
            }
            Forward::Hold(header) => {
                self.send_first_header(flow, header, arrival.now, outbox);
                let verdict = send_on(frame, packet, offload, plan);
                match proxy_protocol.hold(frame, packet, offload, &self.introductions.waiting) {
                    Ok(()) => Verdict::Kept,
                    Err(false) => verdict,
                    Err(true) => {
                        self.refuse(arrival, Refused { reason: DropReason::ProxyProtocolWaits, object: flow.via })
                    }
                }
            }
            Forward::After(header) => {
                send_header(flow, header, outbox);
                let Verdict::Forward { link, vnet } = send_on(frame, packet, offload, plan) else {
                    return self.refuse(arrival, Refused::BAD_TABLES);
                };
                outbox.released.push((link, vnet, frame.to_vec()));
                Verdict::Kept
            }
        }
    }

    fn send_first_header(&self, flow: &Flow, header: Option<HeaderSegment>, now: Duration, outbox: &mut Outbox) {
        if let Some(segment) = header {
            send_header(flow, segment, outbox);
            self.introductions.timers.add(now + RETRY, flow.keys[0]);
        }
    }

    /// Headers whose time has come once more.
    pub(super) fn introduce_again(&self, now: Duration, outbox: &mut Outbox) {
        let due = self.introductions.timers.take(now);
        if due.is_empty() {
            return;
        }
        let (epoch, tables) = (self.epoch.load(Ordering::Acquire), self.tables.load());
        for key in due {
            let found = self.flows.peek(&key).filter(|(_, direction)| *direction == Direction::Forward);
            let Some((flow, proxy_protocol)) = found.as_ref().and_then(|(flow, _)| Some((flow, flow.introduction()?)))
            else {
                continue;
            };
            // By older tables nothing is sent: the next packet has it decided again.
            if !flow.is_current(&tables, epoch) {
                self.introductions.timers.add(now + RETRY, key);
                continue;
            }
            if let Some((segment, due)) = proxy_protocol.again(now) {
                if let Some(segment) = segment {
                    send_header(flow, segment, outbox);
                }
                self.introductions.timers.add(due, key);
            }
        }
    }
}

/// The header as its client would have sent it, on the flow's own way.
fn send_header(flow: &Flow, segment: HeaderSegment, outbox: &mut Outbox) {
    let ([key, _], [plan, _]) = (&flow.keys, &flow.plans);
    let ends = Ends {
        source_mac: plan.source_mac,
        destination_mac: plan.destination_mac,
        source: key.source,
        destination: key.destination,
    };
    let segment = Segment {
        source_port: key.source_port,
        destination_port: key.destination_port,
        flags: tcp_flags::PSH | tcp_flags::ACK,
        sequence: segment.sequence,
        acknowledgment: segment.acknowledgment,
        window: segment.window,
        options: &segment.options,
        payload: &segment.payload,
    };
    let mut frame = build::tcp(&ends, &segment);
    if let Ok(Parsed::Ipv4(packet)) = packet::parse(&frame) {
        send_on(&mut frame, &packet, &Offload::NONE, plan);
        outbox.frames.push((plan.egress, frame));
    }
}
