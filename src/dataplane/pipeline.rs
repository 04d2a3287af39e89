//! A frame's way, on one screen: [`Dataplane::handle`].

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::admit::{self, Addressed};
use super::decide::{self, Decision, Outcome, Refused, Traits};
use super::drops::{DropRecord, Drops};
use super::flow::{Direction, Flow, FlowRecord, FlowTable, Found, is_syn};
use super::nat::PortPools;
use super::path::{Header, Path, TraceQuery};
use super::plan::{Key, Plan, back_key, plans};
use super::tables::{Behind, InterfaceIndex, LinkIndex, ObjectIndex, Tables};
use super::verdict::{DropReason, Verdict};
use crate::packet::{self, Arp, Offload, Packet, Parsed, Rewrite, VNET_HEADER_LEN};

/// Frames that the dataplane itself sends: answers to ARP, resets.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Where to, and the frame from its Ethernet header, checksums complete.
    pub frames: Vec<(LinkIndex, Vec<u8>)>,
}

/// The decisions of a lab: tables that are swapped whole, and the flows that live between swaps.
///
/// Shared by all workers; every method takes `&self`.
pub struct Dataplane {
    tables: ArcSwap<Tables>,
    flows: FlowTable,
    ports: PortPools,
    drops: Drops,
    hasher: ahash::RandomState,
}

/// A frame that was parsed and whose offload header was believed.
struct Arrival<'a> {
    tables: &'a Tables,
    ingress: LinkIndex,
    behind: Behind,
    packet: Packet,
    offload: Offload,
    frame_len: usize,
    now: Duration,
}

impl Dataplane {
    /// A dataplane without flows. `seed` keys the hashes of what comes from outside; take it from the system's randomness.
    pub fn new(tables: Arc<Tables>, seed: [u64; 4]) -> Self {
        Self {
            tables: ArcSwap::new(tables),
            flows: FlowTable::new(seed),
            ports: PortPools::default(),
            drops: Drops::new(),
            hasher: ahash::RandomState::with_seeds(seed[3], seed[2], seed[1], seed[0]),
        }
    }

    /// Puts new tables in place. Flows of VPCs whose generation changed are decided again at their next packet.
    pub fn swap(&self, tables: Arc<Tables>) {
        self.tables.store(tables);
    }

    /// The tables in force.
    pub fn tables(&self) -> Arc<Tables> {
        self.tables.load_full()
    }

    /// Decides a frame and rewrites it in place.
    ///
    /// `vnet` is the offload header as read from a link that has one; `frame` starts at its Ethernet header; `now` is
    /// monotonic since the lab's start. Answers go into `outbox`.
    pub fn handle(
        &self,
        ingress: LinkIndex,
        vnet: Option<&[u8; VNET_HEADER_LEN]>,
        frame: &mut [u8],
        now: Duration,
        outbox: &mut Outbox,
    ) -> Verdict {
        let tables = self.tables.load();
        let packet = match packet::parse(frame) {
            Ok(Parsed::Ipv4(packet)) => packet,
            Ok(Parsed::Arp(request)) => return self.answer_arp(&tables, ingress, &request, now, outbox),
            Ok(Parsed::Other { .. }) => return self.drop_frame(ingress, DropReason::UnsupportedEtherType, None, now),
            Err(malformed) => {
                return self.drop_frame(ingress, DropReason::MalformedFrame, Some(malformed.label()), now);
            }
        };
        let arrival = match self.arrive(&tables, ingress, vnet, packet, frame.len(), now) {
            Ok(arrival) => arrival,
            Err(verdict) => return verdict,
        };
        if packet.is_icmp_error() {
            return self.translate_icmp_error(&arrival, frame);
        }
        let key = Key::of(ingress, &packet);
        match self.flows.find(&key, &packet, arrival.frame_len, &tables, now) {
            Found::Plan(plan) => forward(frame, &arrival, &plan),
            Found::Stranger(flow, direction) => self.admit_stranger(&arrival, &flow, direction, frame, outbox),
            Found::Stale(flow, direction) => self.decide_again(&arrival, &flow, direction, frame, outbox),
            Found::Nothing => self.decide_new(&arrival, key, frame, outbox),
        }
    }

    /// Looks at link and offload header.
    fn arrive<'a>(
        &self,
        tables: &'a Tables,
        ingress: LinkIndex,
        vnet: Option<&[u8; VNET_HEADER_LEN]>,
        packet: Packet,
        frame_len: usize,
        now: Duration,
    ) -> Result<Arrival<'a>, Verdict> {
        let header = Some(shown(tables, ingress, &packet));
        let refuse = |reason, detail| Err(self.note(ingress, Refused { reason, object: None }, header, detail, now));
        let Some(link) = tables.links.get(ingress.at()) else { return refuse(DropReason::BadTables, None) };
        let offload = match vnet {
            Some(vnet) => packet::offload::check(vnet, &packet, frame_len, link.mtu),
            None if Offload::NONE.wire_len(&packet) > usize::from(link.mtu) => Err(packet::BadOffload::OverMtu),
            None => Ok(Offload::NONE),
        };
        match offload {
            Ok(offload) => Ok(Arrival { tables, ingress, behind: link.behind, packet, offload, frame_len, now }),
            Err(packet::BadOffload::OverMtu) => refuse(DropReason::PacketTooBig, None),
            Err(bad) => refuse(DropReason::ForgedOffload, Some(bad.label())),
        }
    }

    fn answer_arp(
        &self,
        tables: &Tables,
        ingress: LinkIndex,
        request: &Arp,
        now: Duration,
        outbox: &mut Outbox,
    ) -> Verdict {
        let answer = match tables.links.get(ingress.at()).map(|link| link.behind) {
            Some(Behind::Interface(interface)) => admit::arp(tables, interface, request),
            // A service's only neighbour is the fabric's router, which it knows by heart.
            _ => Err(Refused { reason: DropReason::ArpNoAnswer, object: None }),
        };
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
            Ok(_) if plan.is_current(arrival.tables) => {
                flow.note(direction, &arrival.packet, arrival.frame_len, arrival.now);
                forward(frame, arrival, plan)
            }
            Ok(_) => self.decide_again(arrival, flow, direction, frame, outbox),
            Err(refused) => self.refuse(arrival, refused),
        }
    }

    /// Whom a guest's packet is addressed to, if it may enter at all. Services may only answer.
    fn admit(&self, arrival: &Arrival) -> Result<(InterfaceIndex, Addressed), Refused> {
        match arrival.behind {
            Behind::Interface(index) => Ok((index, admit::packet(arrival.tables, index, &arrival.packet)?)),
            Behind::Service(index) => {
                let object = arrival.tables.services.get(index.at()).map(|service| service.object);
                let reason =
                    if is_syn(&arrival.packet) { DropReason::EndpointInitiates } else { DropReason::UnknownFlow };
                Err(Refused { reason, object })
            }
        }
    }

    /// The first packet of a conversation.
    fn decide_new(&self, arrival: &Arrival, key: Key, frame: &mut [u8], outbox: &mut Outbox) -> Verdict {
        let (client, outcome) = match self.walk(arrival) {
            Ok(walked) => walked,
            Err(refused) => return self.refuse(arrival, refused),
        };
        match outcome {
            Outcome::Refuse(refused) => self.refuse(arrival, refused),
            Outcome::Reset(object) => self.reset(arrival, object, outbox),
            Outcome::Deliver(decision) => match self.establish(arrival, client, key, &decision) {
                Ok(plan) => forward(frame, arrival, &plan),
                Err(refused) => self.refuse(arrival, refused),
            },
        }
    }

    fn walk(&self, arrival: &Arrival) -> Result<(InterfaceIndex, Outcome), Refused> {
        let (client, addressed) = self.admit(arrival)?;
        let (header, traits) = (Header::of(&arrival.packet), traits(&arrival.packet));
        Ok((client, decide::decide(arrival.tables, &self.hasher, client, addressed, header, traits, None)))
    }

    /// The tables changed under a flow, or a SYN meets one that ended: the flow goes, and this packet is decided as the
    /// first of a new one. The answering side of a translated flow can't open it: it does not know the addresses.
    fn decide_again(
        &self,
        arrival: &Arrival,
        flow: &Arc<Flow>,
        direction: Direction,
        frame: &mut [u8],
        outbox: &mut Outbox,
    ) -> Verdict {
        self.end(flow);
        if direction == Direction::Back && flow.plans[0].translates() {
            return self.refuse(arrival, Refused { reason: DropReason::UnknownFlow, object: flow.via });
        }
        self.decide_new(arrival, flow.keys[direction as usize], frame, outbox)
    }

    /// Makes a flow of a decision and returns its forward plan.
    fn establish(
        &self,
        arrival: &Arrival,
        client: InterfaceIndex,
        key: Key,
        decision: &Decision,
    ) -> Result<Plan, Refused> {
        let packet = &arrival.packet;
        let mut header = decision.header;
        let lease = match decision.borrow {
            None => None,
            Some(pool) => {
                let refused = Refused { reason: DropReason::PortAllocation, object: decision.via };
                let lease = self.ports.borrow(pool).ok_or(refused)?;
                header.source_port = lease.port;
                Some(lease)
            }
        };
        let plans = plans(arrival.ingress, packet, decision, &header);
        let back = back_key(&key, decision.egress, &header);
        let mut flow = Flow::new([key, back], plans, client, decision.timeouts, arrival.now);
        flow.lease = lease;
        flow.via = decision.via;
        flow.note(Direction::Forward, packet, arrival.frame_len, arrival.now);
        match self.flows.establish(flow) {
            Ok(replaced) => {
                for flow in replaced {
                    self.give_back(&flow);
                }
            }
            Err(flow) => {
                self.give_back(&flow);
                // Unchanged addresses need no memory: the answer finds its way by itself.
                if flow.plans[0].translates() {
                    return Err(Refused { reason: DropReason::FlowLimit, object: None });
                }
            }
        }
        Ok(plans[0])
    }

    /// An ICMP error goes back along the flow that it quotes, or by the route table when no flow was translated.
    fn translate_icmp_error(&self, arrival: &Arrival, frame: &mut [u8]) -> Verdict {
        let Ok(quoted) = packet::quoted(frame, &arrival.packet) else {
            return self.refuse(arrival, Refused { reason: DropReason::MalformedFrame, object: None });
        };
        let fragment = quoted.fragment != packet::Fragment::None;
        // The quoted packet went out to this link, so its answers' key is its own turned round.
        let key = Key {
            link: arrival.ingress,
            source: quoted.destination,
            destination: quoted.source,
            source_port: if fragment { 0 } else { quoted.destination_port },
            destination_port: if fragment { 0 } else { quoted.source_port },
            protocol: u16::from(quoted.protocol) | if fragment { Key::FRAGMENT } else { 0 },
        };
        let plan = self.flows.peek(&key).map(|(flow, direction)| flow.plans[direction as usize]);
        // The flow vouches for the addresses only when the error speaks of them: it answers whom it quotes, and its sender
        // may say what it says.
        let vouched =
            plan.filter(|plan| plan.is_current(arrival.tables) && arrival.packet.destination == quoted.source);
        if let (Some(_), Behind::Interface(index)) = (vouched, arrival.behind)
            && let Err(refused) = admit::packet(arrival.tables, index, &arrival.packet)
        {
            return self.refuse(arrival, refused);
        }
        let Some(plan) = vouched else {
            return match self.walk(arrival) {
                Ok((_, Outcome::Deliver(decision))) if decision.borrow.is_none() => {
                    forward(frame, arrival, &plans(arrival.ingress, &arrival.packet, &decision, &decision.header)[0])
                }
                Ok((_, Outcome::Refuse(refused))) | Err(refused) => self.refuse(arrival, refused),
                Ok(_) => self.refuse(arrival, Refused { reason: DropReason::TranslatedIcmpError, object: None }),
            };
        };
        let inner = Rewrite {
            source: plan.rewrite.destination,
            destination: plan.rewrite.source,
            source_port: plan.rewrite.destination_port,
            destination_port: plan.rewrite.source_port,
            ..plan.rewrite
        };
        packet::rewrite_quoted(frame, &arrival.packet, &quoted, &inner, packet::L4Checksum::Complete);
        let outer = Rewrite { source_port: None, destination_port: None, ..plan.rewrite };
        forward(frame, arrival, &Plan { rewrite: outer, ..plan })
    }

    fn reset(&self, arrival: &Arrival, object: ObjectIndex, outbox: &mut Outbox) -> Verdict {
        match packet::build::tcp_reset(&arrival.packet) {
            Some(frame) => {
                outbox.frames.push((arrival.ingress, frame));
                Verdict::Answer
            }
            // A reset is never answered with one (RFC 9293 3.10.7.1).
            None => self.refuse(arrival, Refused { reason: DropReason::UnknownFlow, object: Some(object) }),
        }
    }

    /// Ends what was idle too long in a part of the flows; returns when to call again. A full round takes
    /// [`Self::EXPIRY_ROUND`], so that no call holds its worker up for long.
    pub fn tick(&self, now: Duration, _outbox: &mut Outbox) -> Duration {
        for flow in self.flows.expire(now, 1) {
            self.give_back(&flow);
        }
        now + Self::EXPIRY_ROUND / FlowTable::SHARDS as u32
    }

    /// How long a flow may outlive its idle limit.
    pub const EXPIRY_ROUND: Duration = Duration::from_secs(1);

    fn end(&self, flow: &Arc<Flow>) {
        if self.flows.remove(flow) {
            self.give_back(flow);
        }
    }

    fn give_back(&self, flow: &Flow) {
        if let Some(lease) = flow.lease {
            self.ports.give_back(lease);
        }
    }

    /// The way of a packet that an interface would send as the first of a conversation, without sending it.
    ///
    /// The same walk that decides packets; it borrows no port and leaves no trace in flows or drops.
    pub fn trace(&self, from: InterfaceIndex, query: &TraceQuery) -> Path {
        let tables = self.tables.load();
        let mut path = Path::default();
        let addressed = addressed_by_arp(&tables, from, query.header.destination);
        let traits = Traits::first();
        let outcome = decide::decide(&tables, &self.hasher, from, addressed, query.header, traits, Some(&mut path));
        match outcome {
            Outcome::Refuse(refused) => path.dropped = Some(refused.reason),
            Outcome::Reset(_) => path.dropped = Some(DropReason::UnknownFlow),
            Outcome::Deliver(decision) => {
                path.delivered = Some(decision.egress);
                let Header { protocol, source, destination, source_port, destination_port } = query.header;
                path.back = Some(Header {
                    protocol,
                    source: destination,
                    destination: source,
                    source_port: destination_port,
                    destination_port: source_port,
                });
            }
        }
        path
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

    fn refuse(&self, arrival: &Arrival, refused: Refused) -> Verdict {
        let header = shown(arrival.tables, arrival.ingress, &arrival.packet);
        self.note(arrival.ingress, refused, Some(header), None, arrival.now)
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
        self.drops.note(DropRecord { number: 0, at: now, ingress, reason, detail, object, header, count: 1 });
        Verdict::Drop(reason)
    }
}

/// Rewrites and sends: the end of every good way.
#[inline]
fn forward(frame: &mut [u8], arrival: &Arrival, plan: &Plan) -> Verdict {
    packet::rewrite(frame, &arrival.packet, &plan.rewrite, arrival.offload.checksum);
    Verdict::Forward { link: plan.egress, vnet: packet::offload::emit(&arrival.offload, &arrival.packet) }
}

/// A packet's header as people may see it: a service answers fabric addresses, which stand for private ones.
fn shown(tables: &Tables, ingress: LinkIndex, packet: &Packet) -> Header {
    let header = Header::of(packet);
    match tables.links.get(ingress.at()).map(|link| link.behind) {
        Some(Behind::Service(_)) => Header { destination: tables.private_source(header.destination), ..header },
        _ => header,
    }
}

fn traits(packet: &Packet) -> Traits {
    Traits {
        opens: is_syn(packet),
        fragment: packet.fragment != packet::Fragment::None,
        echo: packet.is_icmp_echo(),
        tcp_sequence: packet.tcp_sequence,
    }
}

/// Whom a kernel would send to: a neighbour in its own subnet, else the router.
fn addressed_by_arp(tables: &Tables, from: InterfaceIndex, destination: Ipv4Addr) -> Addressed {
    let neighbour = || {
        let sender = tables.interfaces.get(from.at())?;
        let owner = *tables.vpcs.get(sender.vpc.at())?.addresses.get(&destination)?;
        let same = tables.interfaces.get(owner.at())?.subnet == sender.subnet;
        same.then_some(owner)
    };
    neighbour().map_or(Addressed::Router, Addressed::Neighbour)
}
