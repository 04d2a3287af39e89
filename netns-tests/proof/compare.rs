//! The comparison: what `trace` says, what sockets saw, what the reference judges.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::generate::{self, Features};
use super::lab::*;
use super::packets::{self, Pair};
use super::random::Random;
use super::witnesses::drops::Drops;
use super::witnesses::sockets::{self, Room, Saw};
use super::witnesses::trace::{self, Trace};
use super::{learn, template};
use crate::harness;

/// Packets of one lab.
const PACKETS: usize = 60;
/// Labs, if the environment does not say otherwise: 2,400 pairs.
const LABS: u64 = 40;
/// Labs that run at the same time: one in each setting, where all are there.
const AT_ONCE: usize = 4;
/// How long a client waits for an answer: less than what TCP waits before it sends a SYN again.
const WAIT_MS: u64 = 950;
/// How long it waits the second time, after a machine that was too busy: a packet is sent again before it counts as a mismatch.
const WAIT_AGAIN_MS: u64 = 2500;
/// What all labs together showed.
#[derive(Default)]
struct Tally {
    pairs: usize,
    outcomes: BTreeMap<String, usize>,
    /// Explanation codes that `trace` gave, for packets and for answers.
    codes: BTreeMap<String, usize>,
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
    if only.is_none() && labs >= LABS && features == Features::all() {
        tally.is_worth_it()?;
    }
    Ok(())
}

/// Every reason that a packet of these labs can meet.
const REASONS: [&str; 15] = [
    "BAD_STATE_ATTACHMENT",
    "BAD_STATE_ROUTE",
    "ELBV2_LISTENER_HAS_NO_TG",
    "ELBV2_LISTENER_PORT_RESTRICTION",
    "ELBV2_NO_TARGETS_IN_AZ",
    "ENI_SG_RULES_MISMATCH",
    "ENI_SOURCE_DEST_CHECK_RESTRICTION",
    "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS",
    "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS",
    "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS",
    "NO_ROUTE_TO_DESTINATION",
    "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR",
    "SG_HAS_NO_RULES",
    "SUBNET_ACL_RESTRICTION",
    "VPCE_GATEWAY_PROTOCOL_RESTRICTION",
];

impl Tally {
    /// Agreement alone proves little: enough pairs, about half of which arrive, and every reason among the others.
    fn is_worth_it(&self) -> Result<()> {
        ensure!(self.pairs >= 2000, "{} pairs", self.pairs);
        let arriving = self.outcomes.iter().filter(|(outcome, _)| outcome.starts_with("arrives"));
        let arriving: usize = arriving.map(|(_, count)| count).sum();
        ensure!((40..=60).contains(&(arriving * 100 / self.pairs)), "{arriving} of {} arrive", self.pairs);
        for reason in REASONS {
            ensure!(self.codes.contains_key(reason), "nothing is dropped for {reason}");
        }
        Ok(())
    }
}

/// A way to write a lab otherwise than it is described.
type Lie = (&'static str, fn(&mut Lab));

const LIES: [Lie; 4] = [
    ("groups that let in everything", |lab| {
        for group in lab.groups.iter_mut().filter(|group| !group.is_default) {
            group.ingress = vec![Rule { traffic: Traffic::All, peer: Peer::Block(EVERYWHERE) }];
        }
    }),
    ("network ACLs that allow everything", |lab| {
        for acl in &mut lab.acls {
            let all = |egress| AclEntry { number: 1, egress, allow: true, traffic: Traffic::All, block: EVERYWHERE };
            acl.entries = vec![all(false), all(true)];
        }
    }),
    ("tables without routes", |lab| lab.tables.iter_mut().for_each(|table| table.routes.clear())),
    ("no source/destination check", |lab| lab.instances.iter_mut().for_each(|it| it.source_dest_check = false)),
];

/// Nothing would be proved if a difference could go unnoticed; the trial.
pub fn a_lie_is_noticed() -> Result<()> {
    let stage = harness::Stage::new(harness::Setting::all()[0])?;
    harness::copy_program(&std::env::current_exe()?, &stage.path().join("proof-program"))?;
    for (lie, tell) in LIES {
        let labs = (0..).map(|number| (number, generate::lab(1, number, Features::all())));
        let changed = labs.filter_map(|(number, lab)| {
            let mut written = lab.clone();
            tell(&mut written);
            (written != lab).then_some((number, lab, written))
        });
        // It may change what no packet meets.
        let mut silent = vec!["trace", "sockets", "drops"];
        for (number, lab, written) in changed.take(5) {
            let tally = one_lab(&stage, lab, &written, number).with_context(|| lie.to_owned())?;
            silent.retain(|witness| {
                let told = format!("\n   {witness}");
                !tally.mismatches.iter().any(|mismatch| mismatch.text.contains(&told))
            });
            if silent.is_empty() {
                break;
            }
        }
        ensure!(silent.is_empty(), "{lie}: {silent:?} don't notice");
    }
    Ok(())
}

/// Mismatches of one kind that are printed in full.
const SHOWN: usize = 3;

fn report(seed: u64, labs: u64, tally: &Tally, begin: Instant) {
    println!("seed {seed}, {labs} labs, {} pairs, {:.1} s", tally.pairs, begin.elapsed().as_secs_f64());
    for (outcome, count) in &tally.outcomes {
        println!("  {count:5}  {outcome}");
    }
    println!("  codes: {:?}", tally.codes);
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
        let lab = generate::lab(seed, *number, features);
        let judged = one_lab(&stage, lab.clone(), &lab, *number);
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
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }
}

/// Starts a lab as `written` and compares it with what `lab` describes, which is the same unless somebody lies.
fn one_lab(stage: &harness::Stage, mut lab: Lab, written: &Lab, number: u64) -> Result<Tally> {
    let name = format!("proof-{number}");
    let files = template::files(written);
    for (file, text) in &files {
        stage.write(&format!("{name}/{file}"), text)?;
    }
    let running = stage.start(&name, &[&name])?;
    learn::addresses(&mut lab, &running.summary, &running.json(&["status"])?)?;
    let pairs = packets::packets(&lab, &mut Random::new(lab.seed ^ 0x5eed, number), PACKETS);
    let mut room = Room::new(stage, &lab, &name)?;
    let all: Vec<&Pair> = pairs.iter().collect();
    room.send(&all, WAIT_MS)?;
    let traces: Vec<Trace> =
        pairs.iter().map(|pair| Trace::ask(&running, &lab, &files, pair)).collect::<Result<_>>()?;
    let mut saw = room.collect(&all)?;
    let again: Vec<usize> =
        (0..pairs.len()).filter(|it| sockets::differ(&lab, &pairs[*it], &saw[*it]).is_some()).collect();
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
        if let Some(code) = &trace.code {
            *tally.codes.entry(code.clone()).or_default() += 1;
        }
        let differences: Vec<String> =
            [trace::differs(&lab, pair, trace), sockets::differ(&lab, pair, saw), drops.differ(&lab, pair, trace, saw)]
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
