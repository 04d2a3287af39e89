//! A frame's way, on one screen: [`Dataplane::handle`].

mod introduce;
mod metered;
mod report;

use introduce::Introductions;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::admit::{self, Addressed};
use super::balance;
use super::decide::{self, Decision, Imagined, Memory, Outcome, Place, Question, Refused, Traits};
use super::drops::{DropRecord, Drops};
use super::flow::{Direction, Flow, FlowRecord, FlowTable, Found, Seen, is_syn};
use super::flow_log::{Count, Counters, Harvest, Ledger, Observed};
use super::fragments::{self, Fragments};
use super::meters::Meters;
use super::nat::{Leases, Pool, PortPools};
use super::path::{Header, Hop, Path, TraceQuery};
use super::plan::{Asks, Key, Limiters, Limits, Plan, plans};
use super::proxy_protocol::ProxyProtocol;
use super::rates::Rates;
use super::tables::{Balancer, BalancerTarget, Behind, Chosen, InterfaceIndex, LinkIndex, ObjectIndex, Tables};
use super::verdict::{DropReason, Verdict};
use crate::packet::{self, Arp, Offload, Packet, Parsed, Rewrite, VNET_HEADER_LEN, tcp_flags};

/// Frames that the dataplane itself sends: answers to ARP, resets, ICMP errors, fragments.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Where to, and the frame from its Ethernet header, checksums complete.
    pub frames: Vec<(LinkIndex, Vec<u8>)>,
    /// Frames of guests that waited and go on after the others, each with its offload header.
    pub released: Vec<(LinkIndex, [u8; VNET_HEADER_LEN], Vec<u8>)>,
}

/// The decisions of a lab: tables that are swapped whole, and the flows that live between swaps.
///
/// Shared by all workers; every method takes `&self`.
pub struct Dataplane {
    tables: ArcSwap<Tables>,
    /// How many times the tables were swapped.
    epoch: AtomicU32,
    flows: FlowTable,
    fragments: Fragments,
    ports: PortPools,
    rates: Rates,
    introductions: Introductions,
    drops: Drops,
    ledger: Ledger,
    meters: Meters,
    hasher: ahash::RandomState,
}

/// A frame that was parsed and whose offload header was believed.
struct Arrival<'a> {
    tables: &'a Tables,
    epoch: u32,
    ingress: LinkIndex,
    behind: Behind,
    packet: Packet,
    offload: Offload,
    frame_len: usize,
    now: Duration,
}

impl Arrival<'_> {
    #[inline]
    fn seen(&self) -> Seen<'_> {
        Seen { packet: &self.packet, offload: &self.offload, frame_len: self.frame_len, now: self.now }
    }
}

/// What went before, for the packet that is being decided.
struct Living<'a> {
    dataplane: &'a Dataplane,
    /// Ports that the flow has already.
    kept: RefCell<Leases>,
    /// Ports that the decision uses.
    leases: RefCell<Leases>,
    /// The interfaces whose groups track the packet's flow.
    tracked: &'a [InterfaceIndex],
    /// What balancers chose for it.
    chosen: &'a [Chosen],
}

impl Memory for Living<'_> {
    fn borrow(&self, pool: Pool) -> Option<u16> {
        let kept = self.kept.borrow_mut().take(&pool);
        let lease = kept.or_else(|| self.dataplane.ports.borrow(pool))?;
        if self.leases.borrow_mut().add(lease) {
            return Some(lease.port);
        }
        self.dataplane.ports.give_back(lease);
        None
    }

    fn has_port_of(&self, pool: &Pool) -> bool {
        self.kept.borrow().iter().any(|lease| lease.pool == *pool)
    }

    fn tracks(&self, key: &Key, interface: InterfaceIndex) -> bool {
        self.dataplane.flows.tracks(key, interface)
    }

    fn is_tracked(&self, interface: InterfaceIndex) -> bool {
        self.tracked.contains(&interface)
    }

    fn chosen(&self, node: InterfaceIndex, listener_port: u16) -> Option<Chosen> {
        let of_node = |it: &&Chosen| (it.node, it.listener_port) == (node, listener_port);
        self.chosen.iter().find(of_node).copied()
    }
}

impl Dataplane {
    /// A dataplane without flows. `seed` keys the hashes of what comes from outside; take it from the system's randomness.
    pub fn new(tables: Arc<Tables>, seed: [u64; 4]) -> Self {
        let hasher = ahash::RandomState::with_seeds(seed[3], seed[2], seed[1], seed[0]);
        Self {
            tables: ArcSwap::new(tables),
            epoch: AtomicU32::new(0),
            flows: FlowTable::new(seed),
            fragments: Fragments::new(seed),
            ports: PortPools::default(),
            rates: Rates::default(),
            introductions: Introductions::default(),
            drops: Drops::new(),
            ledger: Ledger::new(hasher.clone()),
            meters: Meters::default(),
            hasher,
        }
    }

    /// Puts new tables in place. Flows that rest on a VPC whose generation changed are decided again at their next packet.
    pub fn swap(&self, tables: Arc<Tables>) {
        self.tables.store(tables);
        // After the tables: who sees the new number sees them, too.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// The tables in force.
    pub fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    /// Decides a frame and rewrites it in place.
    ///
    /// `vnet` is the offload header as read from a link that has one; `frame` starts at its Ethernet header; `now` is
    /// monotonic since the lab's start. What the dataplane itself sends goes into `outbox`, whatever the verdict.
    pub fn handle(
        &self,
        ingress: LinkIndex,
        vnet: Option<&[u8; VNET_HEADER_LEN]>,
        frame: &mut [u8],
        now: Duration,
        outbox: &mut Outbox,
    ) -> Verdict {
        let epoch = self.epoch.load(Ordering::Acquire);
        let tables = self.tables.load();
        let packet = match packet::parse(frame) {
            Ok(Parsed::Ipv4(packet)) => packet,
            Ok(Parsed::Arp(request)) => return self.answer_arp(&tables, ingress, &request, now, outbox),
            Ok(Parsed::Other { .. }) => return self.drop_frame(ingress, DropReason::UnsupportedEtherType, None, now),
            Err(malformed) => {
                return self.drop_frame(ingress, DropReason::MalformedFrame, Some(malformed.label()), now);
            }
        };
        let arrival = match self.arrive(&tables, epoch, ingress, vnet, packet, frame.len(), now) {
            Ok(arrival) => arrival,
            Err(verdict) => return verdict,
        };
        if packet.is_icmp_error() {
            return self.translate_icmp_error(&arrival, frame, outbox);
        }
        let key = Key::of(ingress, &arrival.packet);
        match self.flows.find(&key, &arrival.seen(), &tables, epoch) {
            Found::Plan(plan) => self.carry(frame, &arrival, &plan, outbox),
            Found::Introducing(flow, direction) => self.introduce(frame, &arrival, &flow, direction, outbox),
            Found::Refused(refused, answers) => self.refuse_answer(&arrival, refused, answers),
            Found::Stranger(flow, direction) => self.admit_stranger(&arrival, &flow, direction, frame, outbox),
            Found::Stale(flow, direction) => self.decide_again(&arrival, &flow, direction, frame, outbox),
            Found::Nothing => self.decide_new(&arrival, key, frame, outbox),
        }
    }

    /// Looks at link and offload header.
    #[expect(clippy::too_many_arguments, reason = "what a frame comes with")]
    fn arrive<'a>(
        &self,
        tables: &'a Tables,
        epoch: u32,
        ingress: LinkIndex,
        vnet: Option<&[u8; VNET_HEADER_LEN]>,
        packet: Packet,
        frame_len: usize,
        now: Duration,
    ) -> Result<Arrival<'a>, Verdict> {
        let refuse = |reason, detail| {
            let header = Some(shown(tables, ingress, &packet));
            Err(self.note(ingress, Refused { reason, object: None }, header, detail, now))
        };
        let Some(link) = tables.links.get(ingress.at()) else { return refuse(DropReason::BadTables, None) };
        let offload = match vnet {
            Some(vnet) => packet::offload::check(vnet, &packet, frame_len, link.mtu),
            None if Offload::NONE.wire_len(&packet) > usize::from(link.mtu) => Err(packet::BadOffload::OverMtu),
            None => Ok(Offload::NONE),
        };
        match offload {
            Ok(offload) => {
                let arrival = Arrival { tables, epoch, ingress, behind: link.behind, packet, offload, frame_len, now };
                self.place_fragment(arrival)
            }
            Err(packet::BadOffload::OverMtu) => refuse(DropReason::PacketTooBig, None),
            Err(bad) => refuse(DropReason::ForgedOffload, Some(bad.label())),
        }
    }

    /// Gives a later fragment the ports of its datagram's first one; refuses what overlaps.
    #[inline]
    fn place_fragment<'a>(&self, mut arrival: Arrival<'a>) -> Result<Arrival<'a>, Verdict> {
        let reason = match self.fragments.note(arrival.ingress, &arrival.packet, arrival.now) {
            fragments::Verdict::NotFragment => return Ok(arrival),
            fragments::Verdict::Ports { source_port, destination_port } => {
                (arrival.packet.source_port, arrival.packet.destination_port) = (source_port, destination_port);
                return Ok(arrival);
            }
            fragments::Verdict::Overlap => DropReason::FragmentOverlap,
            fragments::Verdict::FirstMissing => DropReason::FragmentFirstMissing,
            fragments::Verdict::Full => DropReason::FragmentLimit,
        };
        Err(self.refuse(&arrival, Refused { reason, object: None }))
    }

    fn answer_arp(
        &self,
        tables: &Tables,
        ingress: LinkIndex,
        request: &Arp,
        now: Duration,
        outbox: &mut Outbox,
    ) -> Verdict {
        // A service's only neighbour is the fabric's router, which it knows by heart.
        let nobody = Refused { reason: DropReason::ArpNoAnswer, object: None };
        let answer = tables.links.get(ingress.at()).ok_or(nobody).and_then(|link| match link.behind {
            Behind::Interface(interface) => admit::arp(tables, interface, request),
            Behind::Service(_) | Behind::HealthChecks => Err(nobody),
            outside => admit::arp_outside(link, address_outside(tables, outside).ok_or(nobody)?, request),
        });
        match answer {
            Ok(mac) => {
                outbox.frames.push((ingress, packet::build::arp_reply(request, mac).to_vec()));
                Verdict::Answer
            }
            Err(refused) => {
                let (source, destination) = (request.sender_ip, request.target_ip);
                let header = Header { protocol: 0, source, destination, source_port: 0, destination_port: 0 };
                self.note(ingress, refused, Some(header), Some("ARP"), now)
            }
        }
    }

    /// A known flow by other MAC addresses than before (through the router instead of to the neighbour): fine when the
    /// packet may enter at all.
    fn admit_stranger(
        &self,
        arrival: &Arrival,
        flow: &Arc<Flow>,
        direction: Direction,
        frame: &mut [u8],
        outbox: &mut Outbox,
    ) -> Verdict {
        let plan = &flow.plans[direction as usize];
        match self.admit(arrival) {
            Ok(_) if flow.is_current(arrival.tables, arrival.epoch) => {
                if let Some(refused) = flow.refusal(direction) {
                    flow.log(direction, &arrival.seen());
                    return self.refuse_answer(arrival, refused, flow.owner());
                }
                flow.note(direction, &arrival.seen());
                match flow.introduction() {
                    Some(_) => self.introduce(frame, arrival, flow, direction, outbox),
                    None => self.carry(frame, arrival, plan, outbox),
                }
            }
            Ok(_) => self.decide_again(arrival, flow, direction, frame, outbox),
            Err(refused) => self.refuse(arrival, refused),
        }
    }

    /// Who sends, and to whom on layer 2, if the packet may enter at all. Services may only answer, but for the one that
    /// checks targets in the name of balancers' nodes.
    fn admit(&self, arrival: &Arrival) -> Result<(Place, Addressed), Refused> {
        let packet = &arrival.packet;
        match arrival.behind {
            Behind::Interface(index) => Ok((Place::Interface(index), admit::packet(arrival.tables, index, packet)?)),
            Behind::Service(index) => Err(decide::refuse_unasked(arrival.tables, index, packet)),
            Behind::HealthChecks => {
                let link = arrival.tables.links.get(arrival.ingress.at()).ok_or(Refused::BAD_TABLES)?;
                let node = admit::health_check(arrival.tables, link, packet)?;
                Ok((Place::HealthCheck(node), Addressed::Router))
            }
            outside => {
                let link = arrival.tables.links.get(arrival.ingress.at()).ok_or(Refused::BAD_TABLES)?;
                let own = address_outside(arrival.tables, outside).ok_or(Refused::BAD_TABLES)?;
                // On the internet nobody checks sources before an internet gateway does.
                let own = (outside != Behind::Internet).then_some(own);
                admit::packet_outside(link, own, packet)?;
                Ok((place(arrival.tables, outside, packet.source).ok_or(Refused::BAD_TABLES)?, Addressed::Router))
            }
        }
    }

    /// The first packet of a conversation.
    fn decide_new(&self, arrival: &Arrival, key: Key, frame: &mut [u8], outbox: &mut Outbox) -> Verdict {
        let (living, mut observed) = (self.living(Leases::default(), &[], &[]), Observed::default());
        let outcome = match self.walk(arrival, &living, &mut observed) {
            Ok(outcome) => outcome,
            Err(refused) => return self.refuse(arrival, refused),
        };
        let leases = living.leases.into_inner();
        match outcome {
            Outcome::Deliver(decision) => match self.establish(arrival, key, *decision, leases, observed) {
                Ok(plan) => self.carry_of(&key, frame, arrival, &plan, outbox),
                Err(refused) => self.refuse(arrival, refused),
            },
            other => {
                self.log_alone(arrival, &observed);
                self.meter_outcome(&observed, &other, &arrival.packet);
                self.give_back(&leases);
                self.end_badly(arrival, other, frame, outbox)
            }
        }
    }

    fn living<'a>(&'a self, kept: Leases, tracked: &'a [InterfaceIndex], chosen: &'a [Chosen]) -> Living<'a> {
        Living { dataplane: self, kept: RefCell::new(kept), leases: RefCell::default(), tracked, chosen }
    }

    /// Tells flow logs of a packet that has no flow.
    fn log_alone(&self, arrival: &Arrival, observed: &Observed) {
        self.ledger.note(&observed.there, Count::of(&arrival.packet, &arrival.offload, arrival.now));
    }

    fn walk(&self, arrival: &Arrival, memory: &dyn Memory, observed: &mut Observed) -> Result<Outcome, Refused> {
        let (client, addressed) = self.admit(arrival)?;
        let (header, traits) = (Header::of(&arrival.packet), traits(&arrival.packet));
        let question = Question { client, addressed, header, traits, memory };
        Ok(decide::decide(arrival.tables, &self.hasher, &question, observed, None))
    }

    /// What is told to the sender of a packet that is not delivered.
    fn end_badly(&self, arrival: &Arrival, outcome: Outcome, frame: &[u8], outbox: &mut Outbox) -> Verdict {
        match outcome {
            Outcome::Reset(object) => self.reset(arrival, object, outbox),
            Outcome::TimeExceeded(object, reporter) => {
                self.report_ttl(arrival, Some(object), Some(reporter), frame, outbox)
            }
            Outcome::Refuse(refused) => self.refuse(arrival, refused),
            Outcome::Deliver(_) => self.refuse(arrival, Refused::BAD_TABLES),
        }
    }

    /// The tables changed under a flow, or a SYN meets one that ended.
    fn decide_again(
        &self,
        arrival: &Arrival,
        flow: &Arc<Flow>,
        direction: Direction,
        frame: &mut [u8],
        outbox: &mut Outbox,
    ) -> Verdict {
        let key = flow.keys[direction as usize];
        if flow.is_closing() && is_syn(&arrival.packet) {
            self.end(flow);
            if direction == Direction::Back && flow.plans[0].translates() {
                return self.refuse(arrival, Refused { reason: DropReason::UnknownFlow, object: flow.via });
            }
            return self.decide_new(arrival, key, frame, outbox);
        }
        let mut observed = Observed::default();
        let renewed = match self.renew(arrival, flow, &mut observed) {
            Ok(renewed) => renewed,
            Err(refused) => {
                if direction == Direction::Forward {
                    self.log_alone(arrival, &observed);
                    self.meters.dropped(&observed.endpoints);
                }
                self.end(flow);
                return self.refuse(arrival, refused);
            }
        };
        let (plan, refusal) = (renewed.plans[direction as usize], renewed.refusal(direction));
        renewed.note(direction, &arrival.seen());
        self.replace(flow, renewed);
        match refusal {
            Some(refused) => self.refuse_answer(arrival, refused, flow.owner()),
            None => self.carry_of(&key, frame, arrival, &plan, outbox),
        }
    }

    /// Decides a flow again from its first packet: with the ports it has, and tracked where it is (B1.6).
    ///
    /// # Errors
    /// Why the conversation can't go on.
    fn renew(&self, arrival: &Arrival, flow: &Flow, observed: &mut Observed) -> Result<Flow, Refused> {
        let [Key { link, protocol, source, destination, source_port, destination_port }, _] = flow.keys;
        let header = Header { protocol, source, destination, source_port, destination_port };
        let gone = Refused { reason: DropReason::UnknownFlow, object: flow.via };
        let behind = arrival.tables.links.get(link.at()).ok_or(gone)?.behind;
        let client = place(arrival.tables, behind, source).ok_or(gone)?;
        let addressed = addressed_by_arp(arrival.tables, client, destination);
        let traits = Traits { tcp_sequence: flow.tcp_sequence, ..Traits::first() };
        let living = self.living(flow.leases, &flow.tracked, &flow.chosen);
        let question = Question { client, addressed, header, traits, memory: &living };
        let outcome = decide::decide(arrival.tables, &self.hasher, &question, observed, None);
        let leases = living.leases.into_inner();
        let decision = match outcome {
            Outcome::Deliver(decision) => decision,
            Outcome::Refuse(refused) => {
                self.give_back_new(&leases, &flow.leases);
                return Err(refused);
            }
            Outcome::Reset(_) | Outcome::TimeExceeded(..) => {
                self.give_back_new(&leases, &flow.leases);
                return Err(gone);
            }
        };
        let first = Packet {
            source_mac: flow.plans[0].source_mac,
            destination_mac: flow.plans[0].destination_mac,
            ..arrival.packet
        };
        let mut renewed = self.flow(arrival, link, &first, &header, flow.keys[0], *decision, leases);
        renewed.tcp_sequence = flow.tcp_sequence;
        renewed.endpoints = std::mem::take(&mut observed.endpoints).into_boxed_slice();
        renewed.logged = Counters::of(std::mem::take(observed));
        renewed.continue_from(flow);
        if renewed.keys != flow.keys {
            self.give_back_new(&leases, &flow.leases);
            return Err(gone);
        }
        Ok(renewed)
    }

    /// Puts a renewed flow in the place of the old one, whose ports it has. No packet finds nothing meanwhile.
    fn replace(&self, old: &Arc<Flow>, renewed: Flow) {
        let leases = renewed.leases;
        match self.flows.renew(old, renewed) {
            Ok(replaced) => {
                self.close(old);
                // A port of an object that is no longer on its way.
                self.give_back_new(&old.leases, &leases);
                for flow in replaced {
                    self.settle(&flow);
                }
            }
            // Another worker renewed it in the same moment, with the ports that it had, or it has just ended.
            Err(renewed) => {
                self.give_back_new(&leases, &old.leases);
                self.close(&renewed);
            }
        }
    }

    /// A flow of a decision about `packet`, whose header was `came`.
    #[expect(clippy::too_many_arguments, reason = "a flow is made of these")]
    fn flow(
        &self,
        arrival: &Arrival,
        ingress: LinkIndex,
        packet: &Packet,
        came: &Header,
        key: Key,
        decision: Decision,
        leases: Leases,
    ) -> Flow {
        let plans = plans(ingress, packet, came, &decision);
        let back = Key::of_header(decision.forward.link, &decision.forward.header.answer());
        let Decision { stamps, timeouts, via, limiters, acls, tracked, proxy_header, chosen, .. } = decision;
        let mut flow = Flow::new([key, back], plans, stamps, timeouts, arrival.epoch, arrival.now);
        flow.leases = leases;
        flow.via = via;
        flow.limiters = limiters;
        flow.acls = acls;
        flow.tracked = tracked;
        flow.chosen = chosen;
        flow.introduce(proxy_header.map(|header| Arc::new(ProxyProtocol::new(header))));
        flow
    }

    /// Makes a flow of a decision and returns its forward plan.
    fn establish(
        &self,
        arrival: &Arrival,
        key: Key,
        decision: Decision,
        leases: Leases,
        mut observed: Observed,
    ) -> Result<Plan, Refused> {
        let packet = &arrival.packet;
        let mut flow = self.flow(arrival, arrival.ingress, packet, &Header::of(packet), key, decision, leases);
        flow.tcp_sequence = packet.tcp_sequence;
        let endpoints = std::mem::take(&mut observed.endpoints);
        flow.endpoints = endpoints.as_slice().into();
        flow.logged = Counters::of(observed);
        flow.note(Direction::Forward, &arrival.seen());
        let plan = flow.plans[0];
        match self.flows.establish(flow) {
            Ok(replaced) => {
                self.meters.opened(&endpoints);
                for flow in replaced {
                    self.settle(&flow);
                }
            }
            Err(mut flow) => {
                // It never stood, so that no endpoint counts what it carried.
                flow.endpoints = Box::default();
                self.settle(&flow);
                self.meters.dropped(&endpoints);
                // Unchanged addresses need no memory: the answer finds its way by itself.
                if plan.translates() || plan.asks.has(Asks::PROXY_PROTOCOL) {
                    return Err(Refused { reason: DropReason::FlowLimit, object: None });
                }
            }
        }
        Ok(plan)
    }

    /// Rewrites and sends: the end of every good way.
    #[inline]
    fn carry(&self, frame: &mut [u8], arrival: &Arrival, plan: &Plan, outbox: &mut Outbox) -> Verdict {
        match self.check(frame, arrival, plan, outbox) {
            Some(verdict) => verdict,
            None => send_on(frame, &arrival.packet, &arrival.offload, plan),
        }
    }

    /// What a plan asks of a packet: the verdict when it doesn't keep to it.
    #[inline]
    fn check(&self, frame: &mut [u8], arrival: &Arrival, plan: &Plan, outbox: &mut Outbox) -> Option<Verdict> {
        let verdict = self.broken(frame, arrival, plan, outbox)?;
        Some(self.meter_broken(arrival, verdict))
    }

    #[inline]
    fn broken(&self, frame: &mut [u8], arrival: &Arrival, plan: &Plan, outbox: &mut Outbox) -> Option<Verdict> {
        let (packet, asks) = (&arrival.packet, plan.asks);
        if asks.has(Asks::WHOLE) && packet.fragment != packet::Fragment::None {
            return Some(
                self.refuse_by_limit(arrival, DropReason::ProtocolRestriction, |limiters| limiters.whole_only),
            );
        }
        if asks.has(Asks::HOP) && packet.ttl <= 1 {
            return Some(self.report_ttl(arrival, None, self.limits(arrival).hop, frame, outbox));
        }
        if asks.has(Asks::METERED) && !self.rates.take(arrival.ingress, arrival.now) {
            return Some(self.refuse(arrival, Refused { reason: DropReason::LinkLocalRate, object: None }));
        }
        if arrival.offload.wire_len(packet) > usize::from(plan.mtu) {
            return Some(self.too_big(frame, arrival, plan, outbox));
        }
        None
    }

    /// Ends what was idle too long in a part of the flows; returns when to call again. A full round takes
    /// [`Self::EXPIRY_ROUND`], so that no call holds its worker up for long.
    pub fn tick(&self, now: Duration, outbox: &mut Outbox) -> Duration {
        for flow in self.flows.expire(now, 1) {
            self.settle(&flow);
        }
        self.fragments.expire(now, 1);
        self.introduce_again(now, outbox);
        now + Self::EXPIRY_ROUND / FlowTable::SHARDS as u32
    }

    /// How long a flow may outlive its idle limit.
    pub const EXPIRY_ROUND: Duration = Duration::from_secs(1);

    /// The target of a connection that a node took apart, by its client.
    pub fn target_of(&self, node: InterfaceIndex, listener_port: u16, client: &Header) -> Option<BalancerTarget> {
        let tables = self.tables.load();
        let at = |balancer: &Balancer| balancer.nodes.iter().find(|it| it.interface == node).copied();
        let (balancer, node) = tables.balancers.iter().find_map(|balancer| Some((balancer, at(balancer)?)))?;
        let listener = balancer.listeners.iter().find(|it| it.tls && it.port == listener_port)?;
        balance::choose(&node, listener, client, 0, &self.hasher, &tables.health).map(|choice| *choice.target)
    }

    /// Cuts the flows that these nodes balanced to a target: who speaks on one next, client or target, is reset (B9).
    ///
    /// Takes a look at every flow: for targets that fail and registrations that end, not for frames.
    pub fn cut(&self, nodes: &[InterfaceIndex], address: Ipv4Addr, port: u16) -> usize {
        let to_target = |it: &Chosen| nodes.contains(&it.node) && (it.address, it.port) == (address, port);
        let flows = self.flows.balanced(to_target);
        flows.iter().for_each(|flow| self.end(flow));
        flows.len()
    }

    fn end(&self, flow: &Arc<Flow>) {
        if self.flows.remove(flow) {
            self.settle(flow);
        }
    }

    /// What is left to do for a flow that is gone.
    fn settle(&self, flow: &Flow) {
        self.give_back(&flow.leases);
        self.introductions.end(flow);
        self.meters.ended(flow);
        self.close(flow);
    }

    /// Hands what flow logs have not been told of a flow to the ledger.
    fn close(&self, flow: &Flow) {
        if let Some(counters) = &flow.logged {
            self.ledger.close(counters);
        }
    }

    fn give_back(&self, leases: &Leases) {
        for lease in leases.iter() {
            self.ports.give_back(lease);
        }
    }

    /// Gives back what a decision borrowed beyond what its flow had.
    fn give_back_new(&self, leases: &Leases, kept: &Leases) {
        for lease in leases.iter().filter(|lease| !kept.iter().any(|other| other == *lease)) {
            self.ports.give_back(lease);
        }
    }

    /// The way of a packet that a guest would send as the first of a conversation, and of its answer, without sending them.
    ///
    /// The same walk that decides packets; it borrows no port and leaves no trace in flows or drops.
    pub fn trace(&self, from: LinkIndex, query: &TraceQuery) -> Path {
        let tables = self.tables.load();
        let mut path = Path::default();
        let behind = tables.links.get(from.at()).map(|link| link.behind);
        let Some(client) = behind.and_then(|behind| place(&tables, behind, query.header.source)) else {
            path.dropped = Some(DropReason::BadTables);
            return path;
        };
        if let Err(refused) = asked_by_arp(&tables, client, &query.header) {
            path.hops.push(Hop::refused("network interface", refused, query.header));
            path.dropped = Some(refused.reason);
            return path;
        }
        let addressed = addressed_by_arp(&tables, client, query.header.destination);
        let question = Question { client, addressed, header: query.header, traits: Traits::first(), memory: &Imagined };
        let outcome = decide::decide(&tables, &self.hasher, &question, &mut Observed::default(), Some(&mut path));
        match outcome {
            Outcome::Refuse(refused) => path.dropped = Some(refused.reason),
            Outcome::Reset(_) => path.dropped = Some(DropReason::UnknownFlow),
            Outcome::TimeExceeded(..) => path.dropped = Some(DropReason::TtlExceeded),
            Outcome::Deliver(decision) => {
                path.delivered = Some(decision.forward.link);
                path.arrived = Some(decision.forward.header);
                match decision.back {
                    Ok(arrival) => {
                        (path.back, path.back_delivered) = (Some(arrival.header), Some(arrival.link));
                        // To the sender, and as the answer to what it asked: an appliance meets others' answers, too.
                        let comes_back = arrival.link == from && arrival.header == query.header.answer();
                        path.back_dropped = (!comes_back).then_some(DropReason::AnswerElsewhere);
                    }
                    Err(refused) => path.back_dropped = Some(refused.reason),
                }
            }
        }
        path
    }

    /// What flow logs have to record since the last time: of packets without a flow and of flows that ended, and of
    /// `standing` flows, too, where asked, which takes a look at each of them.
    pub fn harvest(&self, standing: bool) -> Harvest {
        let mut harvest = self.ledger.take();
        for flow in if standing { self.flows.logged() } else { Vec::new() } {
            let taken = flow.logged.iter().flat_map(|counters| counters.take());
            harvest.records.extend(taken.map(|(observation, count)| (*observation, count)));
        }
        harvest
    }

    /// How many flows stand.
    pub fn standing(&self) -> usize {
        self.flows.len()
    }

    /// All flows, oldest first.
    pub fn flows(&self) -> Vec<FlowRecord> {
        self.flows.records()
    }

    /// Drops numbered `since` or later, oldest first.
    pub fn drops(&self, since: u64) -> Vec<DropRecord> {
        self.drops.since(since)
    }

    /// The number that the next drop gets.
    pub fn next_drop(&self) -> u64 {
        self.drops.next()
    }

    /// How many drops of each reason.
    pub fn counters(&self) -> Vec<(DropReason, u64)> {
        self.drops.counters()
    }

    /// A frame that the pump could not hand over.
    pub fn note_undelivered(&self, egress: LinkIndex, now: Duration) {
        self.drop_frame(egress, DropReason::LinkFull, None, now);
    }

    /// What the flow of a packet must keep to, with who says so: looked up only where somebody is told. Without a flow nobody is.
    #[cold]
    fn limits(&self, arrival: &Arrival) -> Limits {
        let flow = self.flows.peek(&Key::of(arrival.ingress, &arrival.packet));
        flow.map_or(Limits::NONE, |(flow, direction)| flow.limits[direction as usize])
    }

    /// A limit of a plan: who set it is looked up only now.
    #[cold]
    fn refuse_by_limit(
        &self,
        arrival: &Arrival,
        reason: DropReason,
        who: impl Fn(&Limiters) -> Option<ObjectIndex>,
    ) -> Verdict {
        let flow = self.flows.peek(&Key::of(arrival.ingress, &arrival.packet));
        self.refuse(arrival, Refused { reason, object: flow.and_then(|(flow, _)| who(&flow.limiters)) })
    }

    fn refuse(&self, arrival: &Arrival, refused: Refused) -> Verdict {
        let header = shown(arrival.tables, arrival.ingress, &arrival.packet);
        self.note(arrival.ingress, refused, Some(header), None, arrival.now)
    }

    /// Refuses the answer to what `answers` sent, which wants to know.
    fn refuse_answer(&self, arrival: &Arrival, refused: Refused, answers: LinkIndex) -> Verdict {
        let header = shown(arrival.tables, arrival.ingress, &arrival.packet);
        let (Refused { reason, object }, at, ingress) = (refused, arrival.now, arrival.ingress);
        let answers = Some(answers);
        let record = DropRecord {
            number: 0,
            at,
            ingress,
            answers,
            reason,
            detail: None,
            object,
            header: Some(header),
            count: 1,
        };
        self.drops.note(record);
        Verdict::Drop(reason)
    }

    fn drop_frame(
        &self,
        ingress: LinkIndex,
        reason: DropReason,
        detail: Option<&'static str>,
        now: Duration,
    ) -> Verdict {
        self.note(ingress, Refused { reason, object: None }, None, detail, now)
    }

    fn note(
        &self,
        ingress: LinkIndex,
        refused: Refused,
        header: Option<Header>,
        detail: Option<&'static str>,
        now: Duration,
    ) -> Verdict {
        let Refused { reason, object } = refused;
        let answers = None;
        self.drops.note(DropRecord { number: 0, at: now, ingress, answers, reason, detail, object, header, count: 1 });
        Verdict::Drop(reason)
    }
}

/// Rewrites a packet by a plan that it keeps to, and sends it.
#[inline]
fn send_on(frame: &mut [u8], packet: &Packet, offload: &Offload, plan: &Plan) -> Verdict {
    if packet.tcp_flags & tcp_flags::SYN != 0 && plan.mss != u16::MAX {
        packet::clamp_mss(frame, packet, plan.mss, offload.checksum);
    }
    packet::rewrite(frame, packet, &plan.rewrite, offload.checksum);
    Verdict::Forward { link: plan.egress, vnet: packet::offload::emit(offload, packet) }
}

/// A packet's header as people may see it: a service answers fabric addresses, which stand for private ones.
fn shown(tables: &Tables, ingress: LinkIndex, packet: &Packet) -> Header {
    let header = Header::of(packet);
    match tables.links.get(ingress.at()).map(|link| link.behind) {
        Some(Behind::Service(_)) => Header { destination: tables.private_source(header.destination), ..header },
        Some(Behind::HealthChecks) => Header { source: tables.checking_node(header.source), ..header },
        _ => header,
    }
}

fn traits(packet: &Packet) -> Traits {
    Traits {
        opens: is_syn(packet),
        fragment: packet.fragment != packet::Fragment::None,
        icmp: (packet.icmp_type, packet.icmp_code),
        tcp_sequence: packet.tcp_sequence,
        ttl: packet.ttl,
    }
}

/// Who sends from behind a link, from that address; other services never open a conversation.
fn place(tables: &Tables, behind: Behind, source: Ipv4Addr) -> Option<Place> {
    match behind {
        Behind::Interface(index) => Some(Place::Interface(index)),
        Behind::Internet => Some(Place::Internet),
        Behind::OnPremises(index) => Some(Place::OnPremises(index)),
        Behind::HealthChecks => tables.health_checks.as_ref()?.node(source).map(Place::HealthCheck),
        Behind::Service(_) => None,
    }
}

/// The address of a guest outside of all VPCs.
fn address_outside(tables: &Tables, behind: Behind) -> Option<Ipv4Addr> {
    match behind {
        Behind::Internet => tables.internet.guest.map(|guest| guest.address),
        Behind::OnPremises(index) => tables.customers.get(index.at()).map(|customer| customer.address),
        Behind::Interface(_) | Behind::Service(_) | Behind::HealthChecks => None,
    }
}

/// What a kernel learns before it sends: nothing where the router is its next hop; in its own subnet whether anybody has the
/// address, whatever routes say (B1.4). The real packet is the question by ARP, which nobody answers.
fn asked_by_arp(tables: &Tables, from: Place, header: &Header) -> Result<(), Refused> {
    let Place::Interface(index) = from else { return Ok(()) };
    let interface = tables.interfaces.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let subnet = tables.subnets.get(interface.subnet.at()).ok_or(Refused::BAD_TABLES)?;
    let (target_ip, own) = (header.destination, interface.addresses.contains(&header.destination));
    if own || !subnet.cidr.contains(&target_ip) {
        return Ok(());
    }
    let (sender_mac, sender_ip, target_mac) = (interface.mac, header.source, [0; 6]);
    let request = Arp { operation: Arp::REQUEST, sender_mac, sender_ip, target_mac, target_ip };
    let nobody = match subnet.is_reserved(target_ip) {
        true => DropReason::ReservedAddress,
        false => DropReason::NoSuchAddress,
    };
    admit::arp(tables, index, &request).map(drop).map_err(|_| Refused { reason: nobody, object: Some(subnet.object) })
}

/// Whom a kernel would send to: a neighbour in its own subnet, else the router.
fn addressed_by_arp(tables: &Tables, from: Place, destination: Ipv4Addr) -> Addressed {
    let neighbour = || {
        let Place::Interface(from) = from else { return None };
        let sender = tables.interfaces.get(from.at())?;
        let owner = *tables.vpcs.get(sender.vpc.at())?.addresses.get(&destination)?;
        let same = tables.interfaces.get(owner.at())?.subnet == sender.subnet;
        same.then_some(owner)
    };
    neighbour().map_or(Addressed::Router, Addressed::Neighbour)
}
