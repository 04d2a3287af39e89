//! The comparison: what `trace` says, what sockets saw, what the reference judges.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::generate::{self, Features};
use super::helper::{Answers, Key, Order, Seen, Shot};
use super::lab::{Block, Lab, Packet, Party, Protocol};
use super::packets::{self, Pair};
use super::random::Random;
use super::reference::{Place, Reason, Reply};
use super::{learn, template};
use crate::harness;

/// Packets of one lab.
const PACKETS: usize = 60;
/// Labs, if the environment does not say otherwise: 2,040 pairs.
const LABS: u64 = 34;
/// Labs that run at the same time.
const AT_ONCE: usize = 3;
/// How long a client waits for an answer: less than what TCP waits before it sends a SYN again.
const WAIT_MS: u64 = 950;
/// How long it waits the second time, after a machine that was too busy: a packet is sent again before it counts as a mismatch.
const WAIT_AGAIN_MS: u64 = 2500;
/// Packets leave from ports beginning here, one for each: above all ports that guests listen on, in Linux's ephemeral range.
const FIRST_PORT: u16 = 40_000;

fn from_port(id: u32) -> u16 {
    FIRST_PORT + id as u16
}

/// What all labs together showed.
#[derive(Default)]
struct Tally {
    pairs: usize,
    outcomes: BTreeMap<String, usize>,
    sent_again: usize,
    mismatches: Vec<Mismatch>,
}

/// A pair on which the three do not agree.
struct Mismatch {
    /// The first difference without addresses, so that mismatches of one cause are counted together.
    kind: String,
    /// All that somebody needs to look into it.
    text: String,
}

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is a number, not `{text}`")),
        Err(_) => Ok(default),
    }
}

/// All labs; the trial.
pub fn all_agree() -> Result<()> {
    let seed = setting("VPCLAB_PROOF_SEED", 20_260_822)?;
    let labs = setting("VPCLAB_PROOF_LABS", LABS)?;
    let only =
        std::env::var("VPCLAB_PROOF_LAB").ok().map(|text| text.parse()).transpose().context("VPCLAB_PROOF_LAB")?;
    let numbers: Vec<u64> = only.map_or((0..labs).collect(), |only: u64| vec![only]);
    let features = match std::env::var("VPCLAB_PROOF_FEATURES") {
        Ok(list) => Features::named(&list).with_context(|| format!("VPCLAB_PROOF_FEATURES: `{list}`"))?,
        Err(_) => Features::all(),
    };
    let begin = Instant::now();
    let tally = Mutex::new(Tally::default());
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let settings = harness::Setting::all();
        for worker in 0..AT_ONCE.min(numbers.len()) {
            // As root and as an ordinary user, with offloads and without.
            let setting = settings[worker % settings.len()];
            let (numbers, next, tally, failures) = (&numbers, &next, &tally, &failures);
            scope.spawn(move || {
                let worked = work(setting, seed, features, numbers, next, tally);
                if let Err(error) = worked {
                    failures.lock().expect("no panic while it is held").push(format!("{error:#}"));
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no panic while it is held");
    report(seed, labs, &tally, begin);
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for Mismatch { kind, text } in &tally.mismatches {
        let count = shown.entry(kind).or_default();
        *count += 1;
        if *count <= SHOWN {
            println!("{text}");
        }
    }
    for (kind, count) in shown {
        println!("{count:5}  {kind}");
    }
    let failures = failures.into_inner().expect("no panic while it is held");
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    ensure!(tally.mismatches.is_empty(), "{} of {} pairs differ (seed {seed})", tally.mismatches.len(), tally.pairs);
    Ok(())
}

/// Mismatches of one kind that are printed in full.
const SHOWN: usize = 3;

fn report(seed: u64, labs: u64, tally: &Tally, begin: Instant) {
    println!("seed {seed}, {labs} labs, {} pairs, {:.1} s", tally.pairs, begin.elapsed().as_secs_f64());
    for (outcome, count) in &tally.outcomes {
        println!("  {count:5}  {outcome}");
    }
    println!("  sent a second time, for want of an answer that was due: {}", tally.sent_again);
}

/// Takes lab after lab.
fn work(
    setting: harness::Setting,
    seed: u64,
    features: Features,
    numbers: &[u64],
    next: &AtomicU64,
    tally: &Mutex<Tally>,
) -> Result<()> {
    let stage = harness::Stage::new(setting)?;
    harness::copy_program(&std::env::current_exe()?, &stage.path().join("proof-program"))?;
    loop {
        let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed) as usize) else { return Ok(()) };
        let judged = one_lab(&stage, seed, *number, features);
        let judged =
            judged.with_context(|| format!("lab {number} of seed {seed}; files in {}", stage.path().display()));
        match judged {
            Ok(of_lab) => tally.lock().expect("no panic while it is held").add(of_lab),
            Err(error) => {
                let kept = stage.keep();
                return Err(error.context(format!("kept: {}", kept.display())));
            }
        }
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.pairs += other.pairs;
        self.sent_again += other.sent_again;
        self.mismatches.extend(other.mismatches);
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
    }
}

fn one_lab(stage: &harness::Stage, seed: u64, number: u64, features: Features) -> Result<Tally> {
    let mut lab = generate::lab(seed, number, features);
    let name = format!("proof-{number}");
    let files = template::files(&lab);
    for (file, text) in &files {
        stage.write(&format!("{name}/{file}"), text)?;
    }
    let running = stage.start(&name, &[&name])?;
    learn::addresses(&mut lab, &running.summary, &running.json(&["status"])?)?;
    let pairs = packets::packets(&lab, &mut Random::new(seed ^ 0x5eed, number), PACKETS);
    let mut room = Room::new(stage, &lab, &name)?;
    let all: Vec<&Pair> = pairs.iter().collect();
    room.send(&all, WAIT_MS)?;
    let traces: Vec<Trace> = pairs.iter().map(|pair| Trace::ask(&running, &lab, pair)).collect::<Result<_>>()?;
    let mut saw = room.collect(&all)?;
    let again: Vec<usize> =
        (0..pairs.len()).filter(|it| sockets_differ(&lab, &pairs[*it], &saw[*it]).is_some()).collect();
    if !again.is_empty() {
        let pairs: Vec<&Pair> = again.iter().map(|it| &pairs[*it]).collect();
        room.send(&pairs, WAIT_AGAIN_MS)?;
        for (it, mut second) in again.iter().zip(room.collect(&pairs)?) {
            second.from_ports.append(&mut saw[*it].from_ports);
            saw[*it] = second;
        }
    }
    let drops = Drops::of(&running)?;
    let mut tally = Tally { pairs: pairs.len(), sent_again: again.len(), ..Tally::default() };
    for ((pair, trace), saw) in pairs.iter().zip(&traces).zip(&saw) {
        *tally.outcomes.entry(packets::outcome(&lab, &pair.packet, &pair.judgement)).or_default() += 1;
        let differences: Vec<String> =
            [trace_differs(&lab, pair, trace), sockets_differ(&lab, pair, saw), drops.differ(&lab, pair, trace, saw)]
                .into_iter()
                .flatten()
                .collect();
        if !differences.is_empty() {
            tally.mismatches.push(mismatch(&lab, number, &files, pair, trace, saw, &differences));
        }
    }
    Ok(tally)
}

fn mismatch(
    lab: &Lab,
    number: u64,
    files: &[template::File],
    pair: &Pair,
    trace: &Trace,
    saw: &Saw,
    differences: &[String],
) -> Mismatch {
    let mut text =
        format!("\n== {}\n   VPCLAB_PROOF_SEED={} VPCLAB_PROOF_LAB={number}\n", lab.show(&pair.packet), lab.seed);
    for difference in differences {
        let _ = writeln!(text, "   {difference}");
    }
    let _ = writeln!(text, "   reference: {:?}", pair.judgement);
    let _ = writeln!(text, "   trace:     {trace:?}");
    let _ = writeln!(text, "   sockets:   {saw:?}");
    if std::env::var_os("VPCLAB_PROOF_QUIET").is_none() {
        for (file, content) in files {
            let _ = writeln!(text, "-- {file}\n{content}");
        }
    }
    let words = differences[0].split_whitespace();
    let kind: Vec<&str> =
        words.filter(|word| !word.contains(|letter: char| letter.is_ascii_digit())).take(12).collect();
    Mismatch { kind: kind.join(" "), text }
}

/// The guest in which a packet arrives, where sockets can look.
fn guest_at(lab: &Lab, place: Place) -> Option<&str> {
    match place {
        Place::Instance(instance) | Place::Appliance(instance) => Some(&lab.instances[instance].name),
        Place::Internet => Some(lab.party(Party::Internet).0),
        Place::OnPremises => Some(lab.party(Party::OnPremises).0),
        Place::Resolver | Place::ThroughEndpoint(..) | Place::OverInternet(_) | Place::Behind(..) => None,
    }
}

/// What `trace --json` said.
#[derive(Debug)]
struct Trace {
    delivered: bool,
    answered: bool,
    code: Option<String>,
    /// Kind and name of the last hop.
    last: (String, String),
    /// The source address there.
    source: Option<Ipv4Addr>,
    /// For people.
    #[expect(dead_code, reason = "printed with the rest of it")]
    hops: Vec<String>,
    #[expect(dead_code, reason = "printed with the rest of it")]
    return_hops: Vec<String>,
}

impl Trace {
    fn ask(running: &harness::Lab<'_>, lab: &Lab, pair: &Pair) -> Result<Self> {
        let (guest, _) = lab.party(pair.packet.from);
        let to = match pair.packet.protocol {
            Protocol::Icmp => pair.packet.to.to_string(),
            _ => format!("{}:{}", pair.packet.to, pair.packet.port),
        };
        let said = running.json(&["trace", guest, &to, "--proto", pair.packet.protocol.name()])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let hops = said["Hops"].as_array().with_context(|| format!("hops: {said}"))?;
        let last = hops.last().context("a hop")?;
        let source = text(&last["After"]).split([':', ' ']).next().and_then(|address| address.parse().ok());
        let name = text(&last["Name"]);
        let show = |hop: &Value| format!("{} {}: {}", text(&hop["Kind"]), text(&hop["Name"]), text(&hop["Decision"]));
        let short = name.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Self {
            delivered: said["Delivered"] == true,
            answered: said["Verdict"] == "delivered",
            code: said["ExplanationCode"].as_str().map(str::to_owned),
            last: (text(&last["Kind"]), short),
            source,
            hops: hops.iter().map(show).collect(),
            return_hops: said["ReturnHops"].as_array().into_iter().flatten().map(show).collect(),
        })
    }
}

/// Where `trace` and the reference part.
fn trace_differs(lab: &Lab, pair: &Pair, trace: &Trace) -> Option<String> {
    match &pair.judgement.forward {
        Err(reason) if trace.delivered => Some(format!("trace delivers what the reference drops: {}", reason.why)),
        Err(reason) => trace_code_differs(reason, trace),
        Ok(_) if !trace.delivered => Some(format!("trace drops ({:?}) what arrives by the reference", trace.code)),
        Ok(arrived) => {
            let there = arrived.iter().find(|it| match (it.place, guest_at(lab, it.place)) {
                (Place::Internet, _) => trace.last.0 == "internet",
                (_, Some(guest)) => trace.last.1 == guest,
                (_, None) => true,
            });
            match there {
                None => Some(format!("trace ends at {:?}, the reference at {arrived:?}", trace.last)),
                Some(it) if trace.source != Some(it.source) => {
                    Some(format!("trace ends with source {:?}, the reference with {}", trace.source, it.source))
                }
                Some(_) => trace_reply_differs(&pair.judgement.reply, trace),
            }
        }
    }
}

fn trace_code_differs(reason: &Reason, trace: &Trace) -> Option<String> {
    let code = trace.code.as_deref().unwrap_or_default();
    let right = reason.codes.is_empty() || reason.codes.contains(&code);
    (!right).then(|| format!("trace says {code}, the reference {:?} ({})", reason.codes, reason.why))
}

fn trace_reply_differs(reply: &Reply, trace: &Trace) -> Option<String> {
    match (reply, trace.answered) {
        (Reply::None, _) | (Reply::ComesBack, true) => None,
        (Reply::ComesBack, false) => Some(format!("trace loses ({:?}) the answer that comes back", trace.code)),
        (Reply::Lost(reason), true) => Some(format!("trace brings back the answer that is lost: {}", reason.why)),
        (Reply::Lost(reason), false) => trace_code_differs(reason, trace).map(|it| format!("the answer: {it}")),
    }
}

/// What `drops --json` lists: what really became of frames.
struct Drops(Vec<Value>);

impl Drops {
    fn of(running: &harness::Lab<'_>) -> Result<Self> {
        let listed = running.vpclab(&["drops", "--json"])?.ok()?;
        Ok(Self(listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
    }

    /// The reason for which a packet was dropped, if it was.
    fn reason(&self, lab: &Lab, pair: &Pair, saw: &Saw) -> Option<&str> {
        let (guest, own) = lab.party(pair.packet.from);
        let Packet { to, port, protocol, .. } = pair.packet;
        let shown = saw.from_ports.iter().map(|from| format!("{own}:{from} > {to}:{port} {}", protocol.name()));
        let shown: Vec<String> = shown.collect();
        let found = self.0.iter().find(|drop| {
            let by = drop["guest"].as_str().unwrap_or_default();
            let packet = drop["packet"].as_str().unwrap_or_default();
            by.rsplit('/').next() == Some(guest) && shown.iter().any(|shown| packet.contains(shown.as_str()))
        });
        found?["reason"].as_str()
    }

    /// Where they and the others part: a packet that is sent and does not arrive is dropped for the reason that `trace` says.
    fn differ(&self, lab: &Lab, pair: &Pair, trace: &Trace, saw: &Saw) -> Option<String> {
        // A ping has no port by which it is told apart from the answer to another, and what is for a neighbour may end
        // with a question by ARP.
        if pair.packet.protocol == Protocol::Icmp || is_for_a_neighbour(lab, &pair.packet) {
            return None;
        }
        match (&pair.judgement.forward, self.reason(lab, pair, saw)) {
            (Ok(_), Some(reason)) => Some(format!("drops: {reason}, and by the reference it arrives")),
            (Err(_), Some(reason)) if Some(reason) != trace.code.as_deref() => {
                Some(format!("drops: {reason}, and trace says {:?}", trace.code))
            }
            (Err(_), None) => Some("drops: nothing of it".into()),
            (Err(_), Some(_)) | (Ok(_), None) => None,
        }
    }
}

/// Whether it is for an address of the sender's own network.
fn is_for_a_neighbour(lab: &Lab, packet: &Packet) -> bool {
    match packet.from {
        Party::Instance(instance) => lab.subnets[lab.instances[instance].subnet].block.contains(packet.to),
        Party::Internet => Block::new(198, 51, 100, 0, 24).contains(packet.to),
        Party::OnPremises => lab.vpn.iter().flat_map(|vpn| &vpn.routes).any(|network| network.contains(packet.to)),
    }
}

/// What sockets saw of a packet.
#[derive(Debug, Default)]
struct Saw {
    /// From which ports it was sent.
    from_ports: Vec<u16>,
    answer: String,
    /// In which guest, and what was seen there.
    arrivals: Vec<(String, Seen)>,
}

/// Where sockets and the reference part.
fn sockets_differ(lab: &Lab, pair: &Pair, saw: &Saw) -> Option<String> {
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
struct Room<'l> {
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
    fn new(stage: &harness::Stage, lab: &'l Lab, name: &str) -> Result<Self> {
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
    fn send(&mut self, pairs: &[&Pair], wait_ms: u64) -> Result<()> {
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
    fn collect(&mut self, pairs: &[&Pair]) -> Result<Vec<Saw>> {
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
