//! Commands of `run:` entries: they run in their guests as `exec` runs them, and whatever the guest sent meanwhile is judged.
//!
//! **Life.** One at a time in each guest. When a command has ended, a packet is sent behind all that it sent: once the lab has
//! seen that one, it has seen the others, as a link is read in order. Then flows and drops since the start are judged.
//!
//! **Time.** A command has [`PATIENCE`]. While it runs its guest is looked at every [`LOOK`], since a flow is forgotten by the lab
//! 5 s after its end.
//!
//! **Limits.** What a guest's own daemons open meanwhile counts, too: `only` is about the guest. Flows that stood before, answers
//! to others, and ICMP errors are not looked at.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::senders::exec;
use super::witness::{Moment, Packet, Witness, fate_of_drop, fate_of_flow};
use crate::expect::{self, Failure, Fate, Thing};
use crate::packet::protocol;
use crate::run::protocol::{DropLine, FlowLine};
use crate::run::state::Folder;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at a guest in which a command runs.
const LOOK: Duration = Duration::from_secs(1);
/// Lines of its output that a failure shows.
const SHOWN: usize = 12;

/// All commands of a test.
pub struct Commands<'e, 'f> {
    folder: &'f Folder,
    /// By guest.
    waiting: BTreeMap<&'e str, VecDeque<Order<'e>>>,
    running: BTreeMap<&'e str, Running<'e>>,
}

/// A command to run.
pub struct Order<'e> {
    /// Whose it is.
    pub case: usize,
    /// Where it runs.
    pub guest: &'e str,
    /// What a shell is told.
    pub command: &'e str,
    /// What it may use, where that is said.
    pub things: Option<&'e [Thing]>,
    /// The folder that it starts in.
    pub cwd: PathBuf,
}

/// A command that was started.
pub struct Running<'e> {
    /// What was ordered.
    pub order: Order<'e>,
    child: Child,
    output: PathBuf,
    began: Instant,
    looked: Instant,
    moment: Moment,
    ended: Option<Ended>,
    /// The packet behind all others: its number, and whether it was seen.
    barrier: Option<(usize, bool)>,
}

/// How a command ended.
enum Ended {
    By(ExitStatus),
    Late,
}

impl<'e, 'f> Commands<'e, 'f> {
    /// None.
    pub fn new(folder: &'f Folder) -> Self {
        Self { folder, waiting: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// One more.
    pub fn add(&mut self, order: Order<'e>) {
        self.waiting.entry(order.guest).or_default().push_back(order);
    }

    /// Starts those whose guest runs none.
    pub fn start_waiting(&mut self, witness: &mut Witness) -> Result<()> {
        for (guest, waiting) in &mut self.waiting {
            if self.running.contains_key(guest) {
                continue;
            }
            if let Some(order) = waiting.pop_front() {
                witness.look_at_guest(guest)?;
                self.running.insert(guest, Running::start(self.folder, order, witness.moment())?);
            }
        }
        Ok(())
    }

    /// Looks at guests that were not looked at for a while.
    pub fn look(&mut self, witness: &mut Witness) -> Result<()> {
        for (guest, running) in &mut self.running {
            if running.looked.elapsed() >= LOOK {
                witness.look_at_guest(guest)?;
                running.looked = Instant::now();
            }
        }
        Ok(())
    }

    /// Those that ended since the last time, for whom a packet behind all others is to be sent.
    pub fn ended(&mut self) -> Result<Vec<usize>> {
        let mut ended = Vec::new();
        for running in self.running.values_mut() {
            if running.ended.is_none() && running.has_ended()? {
                ended.push(running.order.case);
            }
        }
        Ok(ended)
    }

    /// The packet behind all that this command sent.
    pub fn await_barrier(&mut self, case: usize, number: usize) {
        if let Some(running) = self.running.values_mut().find(|running| running.order.case == case) {
            running.barrier = Some((number, false));
        }
    }

    /// The lab has seen that packet.
    pub fn passed(&mut self, number: usize) {
        let barriers = self.running.values_mut().filter_map(|running| running.barrier.as_mut());
        barriers.filter(|(barrier, _)| *barrier == number).for_each(|(_, passed)| *passed = true);
    }

    /// Takes those whose packets have all been seen, but for some guests.
    pub fn take_passed(&mut self, not_yet: &BTreeSet<&str>) -> Vec<Running<'e>> {
        let has_passed = |(guest, running): &(&&str, &Running)| {
            matches!(running.barrier, Some((_, true))) && !not_yet.contains(**guest)
        };
        let passed: Vec<&str> = self.running.iter().filter(has_passed).map(|(guest, _)| *guest).collect();
        passed.into_iter().filter_map(|guest| self.running.remove(guest)).collect()
    }
}

impl Drop for Commands<'_, '_> {
    fn drop(&mut self) {
        for running in self.running.values_mut() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl<'e> Running<'e> {
    fn start(folder: &Folder, order: Order<'e>, moment: Moment) -> Result<Self> {
        let output = folder.path().join(format!("run-{}", order.case));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&output)
            .with_context(|| format!("creating `{}`", output.display()))?;
        let errors = file.try_clone().context("duplicating a file")?;
        let child = exec(folder, order.guest, &["--no-drops"])?
            .args(["sh", "-c", order.command])
            .current_dir(&order.cwd)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting `{}` in {}", order.command, order.cwd.display()))?;
        let began = Instant::now();
        Ok(Self { order, child, output, began, looked: began, moment, ended: None, barrier: None })
    }

    fn has_ended(&mut self) -> Result<bool> {
        let status = self.child.try_wait().with_context(|| format!("waiting for `{}`", self.order.command))?;
        self.ended = match status {
            Some(status) => Some(Ended::By(status)),
            None if self.began.elapsed() >= PATIENCE => {
                self.child.kill().context("ending a command that takes too long")?;
                self.child.wait().context("waiting for its end")?;
                Some(Ended::Late)
            }
            None => None,
        };
        Ok(self.ended.is_some())
    }

    /// What is wrong with how it ended and with what its guest sent meanwhile; and what was counted. `ours` are packets of
    /// probes.
    pub fn judge(&self, witness: &Witness, ours: &HashSet<Packet>) -> Result<(Vec<Failure>, Option<String>)> {
        let mut failures = Vec::new();
        let command = self.order.command;
        let why = match &self.ended {
            Some(Ended::By(status)) if status.success() => None,
            Some(Ended::By(status)) => Some(match status.code() {
                Some(code) => format!("`{command}` ended with exit status {code}"),
                None => format!("`{command}` ended with {status}"),
            }),
            _ => Some(format!("`{command}` has not ended after {} s", PATIENCE.as_secs())),
        };
        let guest = self.order.guest;
        let theirs = |drop: &&DropLine| drop.header.is_some_and(|header| !ours.contains(&(drop.guest.clone(), header)));
        let drops: Vec<&DropLine> = witness.drops_since(guest, &self.moment).into_iter().filter(theirs).collect();
        let told = |drop: &DropLine| format!("{} {}", drop.packet, fate_of_drop(drop));
        if let Some(why) = why {
            let mut failure = Failure::new(why, None);
            failure.details = last_lines(&self.output);
            // With a list each is a failure of its own.
            let unlisted = drops.iter().filter(|_| self.order.things.is_none());
            failure.details.extend(unlisted.take(SHOWN).map(|drop| told(drop)));
            failures.push(failure);
        }
        let Some(things) = self.order.things else { return Ok((failures, None)) };
        let flows = witness.flows_since(guest, &self.moment);
        let flows: Vec<&FlowLine> =
            flows.into_iter().filter(|flow| !ours.contains(&(flow.guest.clone(), flow.header))).collect();
        for flow in &flows {
            failures.extend(judge_flow(witness, guest, flow, things)?.err());
        }
        failures.extend(drops.iter().map(|drop| Failure::new(told(drop), expect::decider_of(&fate_of_drop(drop)))));
        if witness.lost() {
            let why = "packets were dropped faster than they could be counted".to_owned();
            failures.push(Failure::new(why, None));
        }
        let frames: u64 = flows.iter().map(|flow| flow.frames).sum();
        let flows = if flows.len() == 1 { "1 flow".to_owned() } else { format!("{} flows", flows.len()) };
        Ok((failures, Some(format!("{flows} of {frames} frames"))))
    }
}

fn judge_flow(witness: &Witness, guest: &str, flow: &FlowLine, things: &[Thing]) -> Result<Result<(), Failure>> {
    if ![protocol::TCP, protocol::UDP, protocol::ICMP].contains(&flow.header.protocol) {
        let why = format!("{} went to {}: only TCP, UDP and ICMP can be told", flow.flow, flow.receiver.0);
        return Ok(Err(Failure::new(why, None)));
    }
    let way = witness.way(guest, flow.header)?;
    let fate: Fate = fate_of_flow(flow);
    Ok(expect::ends_at(&flow.flow, &way, &fate, things))
}

fn last_lines(file: &Path) -> Vec<String> {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].iter().map(|line| (*line).to_owned()).collect()
}
