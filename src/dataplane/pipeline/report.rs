//! What senders are told of their packets: ICMP errors, made here or passing through, fragments of what is too large, resets.

use std::net::Ipv4Addr;

use super::*;
use crate::packet::{icmp, protocol};

impl Dataplane {
    /// A packet that an object on the way does not carry: its sender hears of it, unless nobody tells.
    #[cold]
    pub(super) fn too_big(&self, frame: &mut [u8], arrival: &Arrival, plan: &Plan, outbox: &mut Outbox) -> Verdict {
        let (packet, mtu, reporter) = (&arrival.packet, plan.mtu, self.limits(arrival).reporter);
        if reporter.is_some() && !packet.dont_fragment && arrival.offload.segmentation.is_none() {
            packet::rewrite(frame, packet, &plan.rewrite, arrival.offload.checksum);
            let pieces = packet::fragment::split(frame, &arrival.offload, mtu).unwrap_or_default();
            outbox.frames.extend(pieces.into_iter().map(|piece| (plan.egress, piece)));
            return Verdict::Answer;
        }
        if let Some(reporter) = reporter {
            let checksum = arrival.offload.checksum;
            let error = packet::build::fragmentation_needed(frame, packet, checksum, reporter, mtu);
            self.report(arrival, reporter, (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED), error, outbox);
        }
        self.refuse_by_limit(arrival, DropReason::PathMtu, |limiters| limiters.mtu)
    }

    /// A packet whose time to live ends at an object that counts as a hop.
    #[cold]
    pub(super) fn report_ttl(
        &self,
        arrival: &Arrival,
        object: Option<ObjectIndex>,
        reporter: Option<Ipv4Addr>,
        frame: &[u8],
        outbox: &mut Outbox,
    ) -> Verdict {
        if let Some(reporter) = reporter {
            let error = packet::build::time_exceeded(frame, &arrival.packet, arrival.offload.checksum, reporter);
            self.report(arrival, reporter, (icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED), error, outbox);
        }
        match object {
            Some(_) => self.refuse(arrival, Refused { reason: DropReason::TtlExceeded, object }),
            None => self.refuse_by_limit(arrival, DropReason::TtlExceeded, |limiters| limiters.hop),
        }
    }

    /// Sends an error to the sender of a packet, if the network ACLs on its way let it through (B1.5); else it is a drop of
    /// its own.
    fn report(
        &self,
        arrival: &Arrival,
        reporter: Ipv4Addr,
        icmp: (u8, u8),
        error: Option<Vec<u8>>,
        outbox: &mut Outbox,
    ) {
        let Some(error) = error else { return };
        let admitted = match arrival.behind {
            Behind::Interface(index) => {
                decide::admit_report(arrival.tables, reporter, index, arrival.packet.source, icmp)
            }
            _ => Ok(()),
        };
        match admitted {
            Ok(()) => outbox.frames.push((arrival.ingress, error)),
            Err(refused) => {
                let (source, destination) = (reporter, arrival.packet.source);
                let protocol = protocol::ICMP;
                let header = Header { protocol, source, destination, source_port: 0, destination_port: 0 };
                self.note(arrival.ingress, refused, Some(header), None, arrival.now);
            }
        }
    }

    /// An ICMP error goes back along the flow that it quotes, or by the route table when no flow was translated.
    pub(super) fn translate_icmp_error(&self, arrival: &Arrival, frame: &mut [u8], outbox: &mut Outbox) -> Verdict {
        let Ok(quoted) = packet::quoted(frame, &arrival.packet) else {
            return self.refuse(arrival, Refused { reason: DropReason::MalformedFrame, object: None });
        };
        // The quoted packet went out to this link, so its answers' key is its own turned round.
        let key = Key {
            link: arrival.ingress,
            source: quoted.destination,
            destination: quoted.source,
            source_port: quoted.destination_port,
            destination_port: quoted.source_port,
            protocol: quoted.protocol,
        };
        // The flow vouches for the addresses only when the error speaks of them: it answers whom it quotes, and its sender
        // may say what it says.
        let speaks_of_it = arrival.packet.destination == quoted.source;
        let vouched = self.current_flow(arrival, &key).filter(|_| speaks_of_it);
        let Some((flow, direction)) = vouched else { return self.route_icmp_error(arrival, frame, outbox) };
        if !matches!(arrival.behind, Behind::Service(_))
            && let Err(refused) = self.admit(arrival)
        {
            return self.refuse(arrival, refused);
        }
        let plan = flow.plans[direction as usize];
        if let Some(refused) = flow.refusal(direction).or_else(|| decide::refuse_icmp_error(arrival.tables, flow.via)) {
            return self.refuse(arrival, refused);
        }
        let icmp = (arrival.packet.icmp_type, arrival.packet.icmp_code);
        let mut acls = flow.acls.iter().filter(|check| check.back == (direction == Direction::Back));
        if let Some(refused) = acls.find_map(|check| check.judge_icmp(arrival.tables, icmp).err()) {
            return self.refuse(arrival, refused);
        }
        let inner = Rewrite {
            source: plan.rewrite.destination,
            destination: plan.rewrite.source,
            source_port: plan.rewrite.destination_port,
            destination_port: plan.rewrite.source_port,
            decrement_ttl: false,
            ..plan.rewrite
        };
        packet::rewrite_quoted(frame, &arrival.packet, &quoted, &inner, packet::L4Checksum::Complete);
        let outer = Rewrite { source_port: None, destination_port: None, ..plan.rewrite };
        self.carry(frame, arrival, &Plan { rewrite: outer, ..plan }, outbox)
    }

    /// The flow of a key by the tables in force: decided again, if it is older.
    fn current_flow(&self, arrival: &Arrival, key: &Key) -> Option<(Arc<Flow>, Direction)> {
        let (flow, direction) = self.flows.peek(key)?;
        if flow.is_current(arrival.tables, arrival.epoch) {
            return Some((flow, direction));
        }
        match self.renew(arrival, &flow, &mut Observed::default()) {
            Ok(renewed) => {
                self.replace(&flow, renewed);
                self.flows.peek(key)
            }
            Err(_) => {
                self.end(&flow);
                None
            }
        }
    }

    /// An ICMP error about no flow that is known: it is carried as any packet, where nobody translates.
    fn route_icmp_error(&self, arrival: &Arrival, frame: &mut [u8], outbox: &mut Outbox) -> Verdict {
        let living = self.living(Leases::default(), &[], &[]);
        let outcome = match self.walk(arrival, &living, &mut Observed::default()) {
            Ok(outcome) => outcome,
            Err(refused) => return self.refuse(arrival, refused),
        };
        self.give_back(&living.leases.into_inner());
        let header = Header::of(&arrival.packet);
        match outcome {
            Outcome::Deliver(decision) if decision.forward.header == header => {
                let plan = plans(arrival.ingress, &arrival.packet, &header, &decision).plans[0];
                self.carry(frame, arrival, &plan, outbox)
            }
            Outcome::Refuse(refused) => self.refuse(arrival, refused),
            _ => self.refuse(arrival, Refused { reason: DropReason::TranslatedIcmpError, object: None }),
        }
    }

    pub(super) fn reset(&self, arrival: &Arrival, object: ObjectIndex, outbox: &mut Outbox) -> Verdict {
        match packet::build::tcp_reset(&arrival.packet) {
            Some(frame) => {
                outbox.frames.push((arrival.ingress, frame));
                Verdict::Answer
            }
            // A reset is never answered with one (RFC 9293 3.10.7.1).
            None => self.refuse(arrival, Refused { reason: DropReason::UnknownFlow, object: Some(object) }),
        }
    }
}
