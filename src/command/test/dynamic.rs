//! The dynamic half: what a list expects, proved on a lab that runs, with packets that its guests really send.
//!
//! **Purpose.** The tables may say one thing and the wire another. Each packet is sent by the guest's own kernel
//! ([`super::probe`]); what became of it is read from the lab's flows and drops ([`super::witness`]) by its addresses and
//! ports; and the lab's own trace of the same packet must agree.
//!
//! **Identity.** A probe is one packet (or one question to the resolver) of one expectation; its number is the helper's.
//!
//! **Life.** All expectations are under way at once. A probe waits for its turn (at most [`IN_FLIGHT`] at once), is sent,
//! and is settled as soon as its fate is known: dropped, or carried and, where the protocol answers, answered. A name is
//! asked of the guest's resolver first, and each of its addresses becomes a probe. Commands ([`super::commands`]) run one at a
//! time in each guest, since what they send is told apart from each other by time alone; from probes by ports.
//!
//! **Time.** Nothing sleeps for luck: the loop wakes on news or after [`PAUSE`], looks at the lab, and settles. What is not
//! settled after [`PATIENCE`] is settled as it stands.
//!
//! **Not done.** A guest's further interfaces: `only` walks what they could send, but Linux sends from the first.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::case::{Case, verdict};
use super::commands::{Commands, Order};
use super::probe::{Event, News, Task};
use super::report::Outcome;
use super::senders::Senders;
use super::witness::{Packet, Witness, arp};
use crate::dataplane::Header;
use crate::dataplane::decide::RESOLVER;
use crate::expect::{self, Claim, Expectation, Failure, Fate, PathClaim, Protocol, Scene, Sender, Way};
use crate::packet::protocol;
use crate::run::protocol::PacketHeader;
use crate::run::state::Folder;

/// Packets that are under way at once.
const IN_FLIGHT: usize = 256;
/// Between two looks at the lab, when nothing is heard meanwhile.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a packet's fate, or its answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Proves all expectations on the lab in that folder.
pub fn check<'e>(scene: &Scene, expectations: &'e [Expectation], folder: &Folder) -> Result<Vec<Outcome<'e>>> {
    let mut trial = Trial {
        witness: Witness::new(folder),
        senders: Senders::new(folder),
        commands: Commands::new(folder),
        cases: Vec::new(),
        probes: Vec::new(),
        turns: BTreeMap::new(),
        pause: PAUSE,
    };
    for expectation in expectations {
        trial.begin(scene, expectation);
    }
    while !trial.cases.iter().all(Case::is_done) {
        trial.step()?;
    }
    trial.senders.end()?;
    Ok(trial.cases.into_iter().map(Case::outcome).collect())
}

/// All that is under way.
struct Trial<'e, 'f> {
    witness: Witness<'f>,
    senders: Senders<'f>,
    commands: Commands<'e, 'f>,
    cases: Vec<Case<'e>>,
    probes: Vec<Probe<'e>>,
    /// By guest.
    turns: BTreeMap<&'e str, Turns>,
    /// As long as the last look took, so that looking at a lab with many flows leaves it time to carry them.
    pause: Duration,
}

/// A packet under way, or waiting for its turn.
struct Probe<'e> {
    case: usize,
    guest: &'e str,
    purpose: Purpose,
    task: Task,
    asked: Instant,
    header: Option<PacketHeader>,
    answered: bool,
    failed: Option<String>,
    /// What the resolver said.
    named: Option<Result<Vec<Ipv4Addr>, String>>,
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The addresses of a name.
    Name,
    /// A packet that an expectation is about; one of several when its name has several addresses.
    Packet { several: bool },
    /// A packet that stands for a class.
    Class,
    /// A packet behind whatever a command sent.
    Barrier,
}

/// Whose turn it is in a guest.
#[derive(Default)]
struct Turns {
    waiting: VecDeque<usize>,
    under_way: BTreeSet<usize>,
}

impl<'e> Trial<'e, '_> {
    fn begin(&mut self, scene: &Scene, expectation: &'e Expectation) {
        let case = self.cases.len();
        self.cases.push(Case::new(expectation));
        let from = &expectation.from;
        match &expectation.claim {
            Claim::Path(PathClaim { host: Some(host), .. }) => {
                self.probe(case, from, Purpose::Name, Task::Resolve(host.clone()));
            }
            Claim::Path(claim) => self.send_to_all(case, claim, claim.addresses.as_deref().unwrap_or_default()),
            // A packet on the way that the request would take; what policies say of it, the lab is asked.
            Claim::Call(claim) => {
                match self.witness.judge(&from.name, claim) {
                    Ok(judged) => self.cases[case].failures.extend(judged.err()),
                    Err(error) => self.cases[case].failures.push(expect::Failure::new(format!("{error:#}"), None)),
                }
                self.probe(case, from, Purpose::Name, Task::Resolve(claim.path.host.clone().unwrap_or_default()));
            }
            Claim::Only(things) => match scene.check_only(from, things) {
                Ok(classes) => self.send_classes(case, from, &classes),
                Err(failure) => self.cases[case].failures.push(failure),
            },
            Claim::Run(command, things) => {
                let cwd = self.cases[case].folder();
                self.commands.add(Order { case, guest: &from.name, command, things: things.as_deref(), cwd });
                self.cases[case].open += 1;
            }
        }
        self.cases[case].finish_if_done();
    }

    fn send_classes(&mut self, case: usize, from: &'e Sender, classes: &[expect::Class]) {
        let primary = from.sources.first().map(|(link, _)| *link);
        let mut sent = 0;
        for class in classes.iter().filter(|class| Some(class.link) == primary) {
            let (destination, port) = class.representative();
            self.probe(case, from, Purpose::Class, packet(class.protocol, class.source, destination, port));
            sent += 1;
        }
        let sent = if sent == classes.len() { "each".to_owned() } else { sent.to_string() };
        self.cases[case].note = Some(format!("{} classes of packets, {sent} sent", classes.len()));
    }

    fn send_to_all(&mut self, case: usize, claim: &PathClaim, addresses: &[Ipv4Addr]) {
        let from = &self.cases[case].expectation.from;
        let Some((_, source)) = from.sources.first() else { return };
        let several = addresses.len() > 1;
        for address in addresses {
            let task = packet(claim.protocol, *source, *address, claim.port);
            self.probe(case, from, Purpose::Packet { several }, task);
        }
    }

    fn probe(&mut self, case: usize, from: &'e Sender, purpose: Purpose, task: Task) -> usize {
        let number = self.probes.len();
        self.probes.push(Probe {
            case,
            guest: &from.name,
            purpose,
            task,
            asked: Instant::now(),
            header: None,
            answered: false,
            failed: None,
            named: None,
        });
        self.cases[case].open += 1;
        self.turns.entry(&from.name).or_default().waiting.push_back(number);
        number
    }

    /// Hears, looks, settles, and goes on.
    fn step(&mut self) -> Result<()> {
        self.send_waiting()?;
        // What is late by now had its time; what comes to be late while this step goes on has the next one.
        let now = Instant::now();
        let mut news = self.senders.news(self.pause)?;
        while let Some(News { number, event }) = news {
            self.hear(number, event);
            news = self.senders.news(Duration::ZERO)?;
        }
        let under_way: Vec<usize> = self.turns.values().flat_map(|turns| turns.under_way.iter().copied()).collect();
        if !under_way.is_empty() {
            let start = Instant::now();
            let probes = under_way.iter().filter_map(|number| self.probes.get(*number));
            self.witness.look(probes.filter_map(|probe| probe.header).collect())?;
            self.pause = start.elapsed().clamp(PAUSE, PAUSE * 20);
        }
        for number in under_way {
            self.settle(number, now)?;
        }
        self.attend_commands()
    }

    /// Takes turns among the guests.
    fn send_waiting(&mut self) -> Result<()> {
        let mut room = IN_FLIGHT.saturating_sub(self.turns.values().map(|turns| turns.under_way.len()).sum());
        let mut sent = true;
        while sent && room > 0 {
            sent = false;
            for (guest, turns) in &mut self.turns {
                if room == 0 {
                    break;
                }
                let Some(number) = turns.waiting.pop_front() else { continue };
                let Some(probe) = self.probes.get_mut(number) else { continue };
                probe.asked = Instant::now();
                self.senders.ask(guest, number, probe.task.clone())?;
                turns.under_way.insert(number);
                (sent, room) = (true, room - 1);
            }
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, event: Event) {
        let Some(probe) = self.probes.get_mut(number) else { return };
        match event {
            Event::Sending(header) => probe.header = Some(header),
            Event::Answered => probe.answered = true,
            Event::Failed(why) => probe.failed = Some(why),
            Event::Addresses(addresses) => probe.named = Some(Ok(addresses)),
            Event::NoAddress(code) => probe.named = Some(Err(code)),
        }
    }

    /// Settles a probe if its fate is known or has been waited for long enough.
    fn settle(&mut self, number: usize, now: Instant) -> Result<()> {
        let Some(probe) = self.probes.get(number) else { return Ok(()) };
        let fate = self.fate(probe);
        let late = now.saturating_duration_since(probe.asked) >= PATIENCE;
        match probe.purpose {
            Purpose::Name => self.settle_name(number, fate, late),
            Purpose::Barrier if fate.is_some() || late => {
                self.close(number)?;
                self.commands.passed(number);
                Ok(())
            }
            Purpose::Barrier => Ok(()),
            Purpose::Packet { .. } | Purpose::Class => match fate.or(late.then_some(Fate::Unseen)) {
                Some(fate) => self.settle_packet(number, fate, late),
                None => Ok(()),
            },
        }
    }

    /// As far as it is known.
    fn fate(&self, probe: &Probe<'e>) -> Option<Fate> {
        let seen = probe.header.and_then(|header| self.witness.fate(probe.guest, header));
        seen.or_else(|| probe.failed.clone().map(Fate::NotSent))
    }

    fn settle_packet(&mut self, number: usize, fate: Fate, late: bool) -> Result<()> {
        let Some(probe) = self.probes.get(number) else { return Ok(()) };
        // What the kernel refuses at once never got a port.
        let Some(header) = probe.header.or_else(|| planned(&probe.task)) else { return self.close(number) };
        let due = matches!(probe.purpose, Purpose::Packet { .. }) && header.protocol != protocol::UDP;
        let fate = match fate {
            Fate::Carried(carried) if due && !(probe.answered || carried.answered) => {
                if !late {
                    return Ok(());
                }
                Fate::Unanswered(carried)
            }
            other => other,
        };
        let way = self.witness.way(probe.guest, header)?;
        // A carried packet whose way ends with a drop may still have its answer dropped.
        if !late && matches!(fate, Fate::Carried(_)) && expect::agree(&way, &fate).is_err() {
            return Ok(());
        }
        let expectation = self.cases[probe.case].expectation;
        let several = probe.purpose == Purpose::Packet { several: true };
        if let Err(failure) = verdict(expectation, header, several, &way, &fate) {
            self.cases[probe.case].failures.push(failure);
        }
        self.close(number)
    }

    /// The resolver's word, or its silence, against what the zones say.
    fn settle_name(&mut self, number: usize, fate: Option<Fate>, late: bool) -> Result<()> {
        let Some(probe) = self.probes.get_mut(number) else { return Ok(()) };
        let said = match (probe.named.take(), fate) {
            (Some(said), _) => said,
            (None, Some(Fate::Dropped(dropped))) => Err(dropped.code),
            (None, Some(Fate::NotSent(why))) => Err(why),
            (None, _) if late => Err("silence".to_owned()),
            (None, _) => return Ok(()),
        };
        let case = probe.case;
        let claim = match &self.cases[case].expectation.claim {
            Claim::Path(claim) => claim,
            Claim::Call(claim) => &claim.path,
            Claim::Only(_) | Claim::Run(..) => return Ok(()),
        };
        match (said, &claim.addresses) {
            (Ok(addresses), Ok(_)) => self.send_to_all(case, claim, &addresses),
            (Err(code), Err(no_address)) if code == no_address.code => {
                let judged = expect::judge(&claim.want, &Way::unresolved(no_address));
                self.cases[case].failures.extend(judged.err());
            }
            (said, zones) => {
                let said = said.map_or_else(|code| code, |addresses| format!("{} addresses", addresses.len()));
                let zones = zones.as_ref().map_or_else(|it| it.code.to_owned(), |it| format!("{} addresses", it.len()));
                let reason = format!("the guest's resolver and the lab's zones disagree: {said} instead of {zones}");
                self.cases[case].failures.push(Failure::new(reason, None));
            }
        }
        self.close(number)
    }

    /// Ends a probe: nothing more is sent for it.
    fn close(&mut self, number: usize) -> Result<()> {
        let Some(probe) = self.probes.get(number) else { return Ok(()) };
        let (guest, case) = (probe.guest, probe.case);
        self.senders.ask(guest, number, Task::Stop)?;
        if let Some(turns) = self.turns.get_mut(guest) {
            turns.under_way.remove(&number);
        }
        self.cases[case].open -= 1;
        self.cases[case].finish_if_done();
        Ok(())
    }

    /// Starts, watches and judges commands.
    fn attend_commands(&mut self) -> Result<()> {
        self.commands.start_waiting(&mut self.witness)?;
        self.commands.look(&mut self.witness)?;
        for case in self.commands.ended()? {
            let from = &self.cases[case].expectation.from;
            let Some((_, source)) = from.sources.first() else { continue };
            // The resolver's link-local address: reached without a route, and no neighbour that ARP could look for in vain.
            let behind = packet(Protocol::Udp, *source, RESOLVER, Some(53));
            let number = self.probe(case, from, Purpose::Barrier, behind);
            self.commands.await_barrier(case, number);
        }
        // A flow may be seen before its probe's port is heard of: no guest is judged while one of its probes has none.
        let unheard: BTreeSet<&str> =
            self.turns.iter().filter(|(_, it)| self.is_unheard(it)).map(|(it, _)| *it).collect();
        let passed = self.commands.take_passed(&unheard);
        if passed.is_empty() {
            return Ok(());
        }
        let ours = self.own_packets();
        for running in passed {
            self.witness.look_at_guest(running.order.guest)?;
            let (failures, note) = running.judge(&self.witness, &ours)?;
            let case = &mut self.cases[running.order.case];
            case.failures.extend(failures);
            case.note = note;
            case.open -= 1;
            case.finish_if_done();
        }
        Ok(())
    }

    fn is_unheard(&self, turns: &Turns) -> bool {
        let probes = turns.under_way.iter().filter_map(|number| self.probes.get(*number));
        probes.into_iter().any(|probe| probe.header.is_none() && probe.failed.is_none())
    }

    /// What the helpers sent, and the ARP requests before it: no command did.
    fn own_packets(&self) -> HashSet<Packet> {
        let sent = self.probes.iter().filter_map(|probe| Some((probe.guest, probe.header?)));
        sent.flat_map(|(guest, header)| [(guest.to_owned(), header), (guest.to_owned(), arp(header))]).collect()
    }
}

/// The packet of a task, from the port that trace would choose.
fn planned(task: &Task) -> Option<PacketHeader> {
    let Task::Send { protocol, source, destination, port } = *task else { return None };
    let source_port = if protocol == protocol::ICMP { port } else { 40_000 };
    Some(PacketHeader { protocol, source, source_port, destination, destination_port: port })
}

fn packet(protocol: Protocol, source: Ipv4Addr, destination: Ipv4Addr, port: Option<u16>) -> Task {
    // The port of a packet without one is trace's own choice.
    let header = Header::first(protocol.name(), source, destination, port);
    let (protocol, port) = header.map_or((protocol::TCP, 443), |header| (header.protocol, header.destination_port));
    Task::Send { protocol, source, destination, port }
}
