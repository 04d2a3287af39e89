//! An expectation while its packets are under way, and what follows from each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::report::{Outcome, Verdict};
use crate::dataplane::Header;
use crate::expect::{self, Claim, Expectation, Failure, Fate, Way};
use crate::run::protocol::PacketHeader;

/// Failures of one expectation that are shown; the rest is counted.
const SHOWN: usize = 8;

/// An expectation under way.
pub struct Case<'e> {
    /// Which.
    pub expectation: &'e Expectation,
    started: Instant,
    took: Option<Duration>,
    /// Probes that are not settled yet, and commands.
    pub open: usize,
    /// What is wrong so far.
    pub failures: Vec<Failure>,
    /// What was counted.
    pub note: Option<String>,
}

impl<'e> Case<'e> {
    /// Begins now.
    pub fn new(expectation: &'e Expectation) -> Self {
        Self { expectation, started: Instant::now(), took: None, open: 0, failures: Vec::new(), note: None }
    }

    /// The folder of the file in which it is written.
    pub fn folder(&self) -> PathBuf {
        match Path::new(self.expectation.span.file.name.as_ref()).parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// Notes the time when nothing is open any more.
    pub fn finish_if_done(&mut self) {
        if self.open == 0 && self.took.is_none() {
            self.took = Some(self.started.elapsed());
        }
    }

    /// Nothing is open any more.
    pub fn is_done(&self) -> bool {
        self.took.is_some()
    }

    /// What became of it.
    pub fn outcome(self) -> Outcome<'e> {
        let Self { expectation, started, took, note, .. } = self;
        let mut failures = self.failures.into_iter();
        let verdict = match failures.next() {
            None => Verdict::Holds,
            Some(mut failure) => {
                let others: Vec<Failure> = failures.collect();
                failure.details.extend(others.iter().take(SHOWN).map(|other| other.reason.clone()));
                if others.len() > SHOWN {
                    failure.details.push(format!("… and {} more", others.len() - SHOWN));
                }
                if failure.decider.is_none() {
                    failure.decider = others.into_iter().find_map(|other| other.decider);
                }
                Verdict::Fails(failure)
            }
        };
        Outcome { expectation, verdict, took: took.unwrap_or_else(|| started.elapsed()), note }
    }
}

/// Whether trace and fate of a packet are as its expectation wants them.
///
/// # Errors
/// They are not; `several` packets are told apart by their destinations.
pub fn verdict(
    expectation: &Expectation,
    header: PacketHeader,
    several: bool,
    way: &Way,
    fate: &Fate,
) -> Result<(), Failure> {
    let path = match &expectation.claim {
        Claim::Path(claim) => Some(claim),
        Claim::Call(claim) => Some(&claim.path),
        Claim::Only(_) | Claim::Run(..) => None,
    };
    match (&expectation.claim, fate) {
        (Claim::Path(_) | Claim::Call(_), _) => {
            let Some(claim) = path else { return Ok(()) };
            let judged = expect::judge(&claim.want, way).map_err(|mut failure| {
                failure.details.push(format!("the packet that was sent {fate}"));
                failure
            });
            let judged = judged.and_then(|()| expect::agree(way, fate));
            judged.map_err(|failure| if several { failure.of(&header.destination.to_string()) } else { failure })
        }
        (Claim::Only(things), Fate::Carried(_) | Fate::AnswerDropped(..)) => {
            expect::ends_at(&text(header), way, fate, things)
        }
        (Claim::Only(_), _) => expect::agree(way, fate).map_err(|failure| failure.of(&text(header))),
        (Claim::Run(..), _) => Ok(()),
    }
}

/// `10.0.1.10:40000 > 10.0.2.7:443 tcp`.
fn text(header: PacketHeader) -> String {
    let PacketHeader { protocol, source, source_port, destination, destination_port } = header;
    Header { protocol, source, destination, source_port, destination_port }.to_string()
}
