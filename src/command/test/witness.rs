//! What a running lab saw: flows and drops, looked up by the packet, and the way that its trace gives.
//!
//! **Identity.** A packet is the link that it left by (a guest's name) and its [`PacketHeader`]: VPCs may overlap.
//!
//! **Limits.** The lab remembers its latest drops; looks come often enough that none is missed, and if one may have been, it
//! is said ([`Witness::lost`]). Flows are forgotten by the lab 5 s after their end at the earliest, never here.

use std::collections::HashMap;

use anyhow::{Result, bail};

use crate::dataplane::drops::Drops;
use crate::expect::{CallClaim, Carried, Dropped, End, Failure, Fate, Stop, Way, judge_call};
use crate::packet::protocol;
use crate::run::client::Client;
use crate::run::protocol::{Answer, CallQuestion, DropLine, FlowLine, PacketHeader, Request, TraceHop, TraceReport};
use crate::run::state::Folder;

/// A packet: the link that it left by, and its addresses.
pub type Packet = (String, PacketHeader);

/// Everything seen since the start.
pub struct Witness<'f> {
    folder: &'f Folder,
    flows: HashMap<Packet, FlowLine>,
    drops: HashMap<Packet, DropLine>,
    /// Number of the next drop.
    next: u64,
    lost: bool,
}

/// A moment, to count from.
pub struct Moment {
    frames: HashMap<Packet, u64>,
    next: u64,
}

impl<'f> Witness<'f> {
    /// Nothing seen yet.
    pub fn new(folder: &'f Folder) -> Self {
        Self { folder, flows: HashMap::new(), drops: HashMap::new(), next: 0, lost: false }
    }

    /// Sees what became of these packets, and what else was dropped. Flows first: whatever left before a packet that is among
    /// them is among the drops, if it was dropped.
    pub fn look(&mut self, packets: Vec<PacketHeader>) -> Result<()> {
        self.look_at_flows(&Request::Flows { guest: None, among: Some(packets) })?;
        self.look_at_drops()
    }

    /// Sees all that a guest sends.
    pub fn look_at_guest(&mut self, guest: &str) -> Result<()> {
        self.look_at_flows(&Request::Flows { guest: Some(guest.to_owned()), among: None })?;
        self.look_at_drops()
    }

    fn look_at_flows(&mut self, request: &Request) -> Result<()> {
        let mut client = Client::connect(self.folder)?;
        client.send(request)?;
        loop {
            match client.expect()? {
                Answer::Flow(flow) => self.flows.insert((flow.guest.clone(), flow.header), flow),
                Answer::End => return Ok(()),
                other => bail!("the lab answered {other:?} instead of a flow"),
            };
        }
    }

    fn look_at_drops(&mut self) -> Result<()> {
        let mut client = Client::connect(self.folder)?;
        client.send(&Request::Drops { guest: None, since: self.next, follow: false })?;
        let mut count = 0;
        loop {
            match client.expect()? {
                Answer::Drop(drop) => {
                    count += 1;
                    self.next = self.next.max(drop.sequence + 1);
                    if let Some(header) = drop.header {
                        self.drops.insert((drop.guest.clone(), header), drop);
                    }
                }
                Answer::End => break,
                other => bail!("the lab answered {other:?} instead of a drop"),
            }
        }
        // A log that holds nothing older than the last look may have lost something since.
        self.lost |= count >= Drops::CAPACITY;
        Ok(())
    }

    /// Whether drops may have been missed.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// What became of a packet, as far as is known.
    pub fn fate(&self, guest: &str, header: PacketHeader) -> Option<Fate> {
        let of = |link: &str, header: PacketHeader| self.drops.get(&(link.to_owned(), header)).map(dropped);
        if let Some(dropped) = of(guest, header) {
            return Some(Fate::Dropped(dropped));
        }
        if let Some(flow) = self.flows.get(&(guest.to_owned(), header)) {
            let carried = carried(flow);
            return Some(match self.dropped_answer(flow) {
                Some(dropped) => Fate::AnswerDropped(carried, dropped),
                None => Fate::Carried(carried),
            });
        }
        of(guest, arp(header)).map(Fate::Dropped)
    }

    /// Whether the receiver's answer was dropped: by whichever of its links it left, since Linux answers by its own routes.
    fn dropped_answer(&self, flow: &FlowLine) -> Option<Dropped> {
        let (receiver, _) = &flow.receiver;
        let guest = receiver.split_once(".eth").map_or(receiver.as_str(), |(guest, _)| guest);
        let of_receiver = |drop: &&DropLine| drop.header == Some(flow.answers) && is_link_of(&drop.guest, guest);
        if flow.state != "opening" {
            return None;
        }
        self.drops.get(&(receiver.clone(), flow.answers)).or_else(|| self.drops.values().find(of_receiver)).map(dropped)
    }

    /// The way that the lab's trace gives for the packet.
    pub fn way(&self, guest: &str, header: PacketHeader) -> Result<Way> {
        let (protocol, port) = match header.protocol {
            protocol::TCP => ("tcp", Some(header.destination_port)),
            protocol::UDP => ("udp", Some(header.destination_port)),
            _ => ("icmp", None),
        };
        let request = Request::Trace {
            guest: guest.into(),
            host: header.destination.to_string(),
            port,
            protocol: protocol.into(),
            from: Some((header.source, header.source_port)),
            call: None,
        };
        match Client::connect(self.folder)?.call(&request)? {
            Answer::Trace(report) => Ok(way(report)),
            other => bail!("the lab answered {other:?} instead of a path"),
        }
    }

    /// Whether policies say what a call wants: the lab's own, as they are now.
    pub fn judge(&self, guest: &str, claim: &CallClaim) -> Result<Result<(), Failure>> {
        let (action, on, signer) = claim.written.clone();
        let request = Request::Trace {
            guest: guest.into(),
            host: String::new(),
            port: None,
            protocol: "tcp".into(),
            from: None,
            call: Some(CallQuestion { action, on, signer, context: Default::default() }),
        };
        match Client::connect(self.folder)?.call(&request)? {
            // Where its packets don't arrive, that is what fails.
            Answer::Trace(TraceReport { access: Some(access), .. }) => Ok(judge_call(claim.deny.as_ref(), &access)),
            Answer::Trace(_) => Ok(Ok(())),
            other => bail!("the lab answered {other:?} instead of a decision"),
        }
    }

    /// This moment.
    pub fn moment(&self) -> Moment {
        let frames = self.flows.iter().map(|(packet, flow)| (packet.clone(), flow.frames)).collect();
        Moment { frames, next: self.next }
    }

    /// Flows that a guest opened since a moment, in the order of their text. One that stood already may still have its last
    /// packets to send; one that has fewer frames now than then is another one from the same port.
    pub fn flows_since(&self, guest: &str, moment: &Moment) -> Vec<&FlowLine> {
        let opened =
            |packet: &Packet, flow: &FlowLine| moment.frames.get(packet).is_none_or(|frames| flow.frames < *frames);
        let new = self.flows.iter().filter(|(packet, flow)| is_link_of(&packet.0, guest) && opened(packet, flow));
        let mut flows: Vec<&FlowLine> = new.map(|(_, flow)| flow).collect();
        flows.sort_by(|a, b| a.flow.cmp(&b.flow));
        flows
    }

    /// Drops of what a guest sent since a moment, in order.
    pub fn drops_since(&self, guest: &str, moment: &Moment) -> Vec<&DropLine> {
        let new = self.drops.values().filter(|drop| is_link_of(&drop.guest, guest) && drop.sequence >= moment.next);
        let mut drops: Vec<&DropLine> = new.collect();
        drops.sort_by_key(|drop| drop.sequence);
        drops
    }
}

/// A guest's first link has its name, the others `NAME.eth1` and so on.
fn is_link_of(link: &str, guest: &str) -> bool {
    link.strip_prefix(guest).is_some_and(|rest| rest.is_empty() || rest.starts_with(".eth"))
}

/// The ARP request that goes before a packet to a neighbour.
pub fn arp(header: PacketHeader) -> PacketHeader {
    PacketHeader { protocol: 0, source_port: 0, destination_port: 0, ..header }
}

fn carried(flow: &FlowLine) -> Carried {
    let (receiver, receiver_id) = flow.receiver.clone();
    Carried { receiver, receiver_id, via: flow.via_id.clone(), answered: flow.state != "opening" }
}

fn dropped(drop: &DropLine) -> Dropped {
    Dropped {
        code: drop.reason.clone(),
        sentence: drop.sentence.clone(),
        object: drop.object.clone(),
        source: drop.source.clone(),
    }
}

/// What became of a drop's packet.
pub fn fate_of_drop(drop: &DropLine) -> Fate {
    Fate::Dropped(dropped(drop))
}

/// What became of a flow's packets.
pub fn fate_of_flow(flow: &FlowLine) -> Fate {
    Fate::Carried(carried(flow))
}

fn way(report: TraceReport) -> Way {
    let stop = |hop: TraceHop| Stop {
        kind: hop.kind,
        id: hop.id,
        name: hop.name,
        decision: hop.decision,
        rule: hop.rule,
        source: hop.source,
    };
    let end = match report.network_path_found {
        true => End::Delivered,
        false => End::Dropped {
            code: report.explanation_code.unwrap_or_default(),
            sentence: report.explanation.unwrap_or_default(),
            answer: report.delivered,
        },
    };
    let stops = |hops: Vec<TraceHop>| hops.into_iter().map(stop).collect();
    Way { stops: stops(report.hops), back: stops(report.return_hops), end }
}
