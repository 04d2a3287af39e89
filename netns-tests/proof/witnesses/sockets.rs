//! What real sockets saw: the helpers in the guests, what they send, and what arrived where.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::super::helper::{Answers, Key, Order, Seen, Shot};
use super::super::lab::{Lab, Party, Protocol};
use super::super::packets::Pair;
use super::super::reference::{Place, Reply};
use super::guest_at;
use crate::harness;

/// Packets leave from ports beginning here, one for each: above all ports that guests listen on, in Linux's ephemeral range.
const FIRST_PORT: u16 = 40_000;

fn from_port(id: u32) -> u16 {
    FIRST_PORT + id as u16
}

/// What sockets saw of a packet.
#[derive(Debug, Default)]
pub struct Saw {
    /// From which ports it was sent.
    pub from_ports: Vec<u16>,
    answer: String,
    /// In which guest, and what was seen there.
    arrivals: Vec<(String, Seen)>,
}

/// Where sockets and the reference part.
pub fn differ(lab: &Lab, pair: &Pair, saw: &Saw) -> Option<String> {
    let answered = saw.answer == "yes";
    let arrived = match &pair.judgement.forward {
        Err(_) if answered => return Some("sockets: it is answered, the reference drops it".into()),
        Err(_) if !saw.arrivals.is_empty() => return Some("sockets: it arrives, the reference drops it".into()),
        Err(_) => return None,
        Ok(arrived) => arrived,
    };
    if pair.judgement.reply != Reply::None && (pair.judgement.reply == Reply::ComesBack) != answered {
        return Some(format!("sockets: answered is {answered}; by the reference, {:?}", pair.judgement.reply));
    }
    let visible: Vec<_> = arrived.iter().filter_map(|it| Some((it, guest_at(lab, it.place)?))).collect();
    if visible.is_empty() {
        let first = saw.arrivals.first();
        return first.map(|(guest, _)| format!("sockets: it arrives in {guest}, by the reference at {arrived:?}"));
    }
    if saw.arrivals.is_empty() {
        return Some(format!("sockets: it arrives nowhere, by the reference at {arrived:?}"));
    }
    for (guest, seen) in &saw.arrivals {
        let expected = visible.iter().any(|(it, name)| name == guest && it.source == seen.source);
        if !expected {
            return Some(format!("sockets: it arrives in {guest} from {}, by the reference {arrived:?}", seen.source));
        }
    }
    // Whoever has the address receives it on a socket; of a TCP connection that is so when it is made.
    let by_socket = saw.arrivals.iter().any(|(_, seen)| seen.by_socket);
    let expected = match (visible[0].0.place, pair.packet.protocol) {
        // Unless it is a broadcast in its own eyes.
        (Place::Appliance(_), _) => return None,
        (_, Protocol::Tcp) => pair.judgement.reply == Reply::ComesBack,
        _ => true,
    };
    (by_socket != expected).then(|| format!("sockets: received by a socket is {by_socket}"))
}

/// A helper in each guest.
pub struct Room<'l> {
    lab: &'l Lab,
    actors: Vec<(Party, Actor)>,
    next_id: u32,
    /// Numbers of the packets under way, in the order in which they were asked for.
    ids: Vec<u32>,
}

struct Actor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Actor {
    fn order(&mut self, order: &Order) -> Result<()> {
        let input = self.input.as_mut().context("its standard input")?;
        Ok(writeln!(input, "{}", serde_json::to_string(order)?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let len = self.output.read_line(&mut line)?;
        if len == 0 {
            bail!("a helper ended with {}", self.child.wait()?);
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

impl<'l> Room<'l> {
    /// Starts them, and waits until all listen.
    pub fn new(stage: &harness::Stage, lab: &'l Lab, name: &str) -> Result<Self> {
        let mut actors = Vec::new();
        for party in lab.parties() {
            let (guest, _) = lab.party(party);
            let mut child = stage
                .command(&["--name", name, "exec", guest, "--", "./proof-program", "--role", "guest"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?;
            let input = child.stdin.take();
            let output = BufReader::new(child.stdout.take().context("its standard output")?);
            actors.push((party, Actor { child, input, output }));
        }
        for (_, actor) in &mut actors {
            ensure!(actor.line()? == "ready");
        }
        Ok(Self { lab, actors, next_id: 1, ids: Vec::new() })
    }

    /// Sends all packets at once, each from its own guest.
    pub fn send(&mut self, pairs: &[&Pair], wait_ms: u64) -> Result<()> {
        let first = self.next_id;
        self.ids = (first..first + pairs.len() as u32).collect();
        self.next_id += pairs.len() as u32;
        for (party, actor) in &mut self.actors {
            let mine = pairs.iter().zip(&self.ids).filter(|(pair, _)| pair.packet.from == *party);
            let shots = mine.map(|(Pair { packet, .. }, id)| {
                Shot::new(*id, packet.to, packet.protocol, packet.port, from_port(*id))
            });
            actor.order(&Order::Send(shots.collect(), wait_ms))?;
        }
        Ok(())
    }

    /// What became of them, in their order.
    pub fn collect(&mut self, pairs: &[&Pair]) -> Result<Vec<Saw>> {
        let sent = |id: &u32| (*id, Saw { from_ports: vec![from_port(*id)], ..Saw::default() });
        let mut saw: BTreeMap<u32, Saw> = self.ids.iter().map(sent).collect();
        let mut numbers: BTreeMap<Key, u32> = self.ids.iter().map(|id| (Key::Number(*id), *id)).collect();
        for (_, actor) in &mut self.actors {
            let answers: Answers = serde_json::from_str(&actor.line()?).context("answers")?;
            for (id, answer) in answers.answers {
                saw.entry(id).or_default().answer = answer;
            }
            numbers.extend(answers.sequences.into_iter().map(|(id, sequence)| (Key::Sequence(sequence), id)));
        }
        for (_, actor) in &mut self.actors {
            actor.order(&Order::Report)?;
        }
        for (party, actor) in &mut self.actors {
            let seen: Vec<Seen> = serde_json::from_str(&actor.line()?).context("what was seen")?;
            for it in seen {
                // What is of an earlier batch came late.
                if let Some(of) = numbers.get(&it.key).and_then(|id| saw.get_mut(id)) {
                    of.arrivals.push((self.lab.party(*party).0.to_owned(), it));
                }
            }
        }
        ensure!(saw.len() == pairs.len(), "an answer to a packet that nobody sent");
        Ok(saw.into_values().collect())
    }
}
