//! API calls: what policies say of them, by the way that the guest's packets take.

use super::judge::{Decider, Failure};
use super::meaning::{PathClaim, Sender, Thing};
use super::scene::Scene;
use crate::model::access::{AccessReport, Call, Way};
use crate::policy::Principal;

/// A call, and how it is to end.
#[derive(Clone, Debug)]
pub struct CallClaim {
    /// The call.
    pub call: Call,
    /// As written, for whoever asks a lab that runs: action, what it is done to, who signs.
    pub written: (String, Option<String>, Option<String>),
    /// Who signs.
    pub signer: Principal,
    /// The way to the service: nothing is decided about a request that never arrives.
    pub path: PathClaim,
    /// What denies it; `None` where it is to be allowed.
    pub deny: Option<Denier>,
}

/// What is to deny a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denier {
    /// Whose policy.
    pub thing: Thing,
    /// Which of its statements; any, or none that allows, where nothing is said.
    pub statement: Option<String>,
}

impl Scene {
    /// What policies say of a call, by each way that its packets may take.
    pub fn judge(&self, from: &Sender, claim: &CallClaim) -> Vec<AccessReport> {
        let addresses = claim.path.addresses.as_deref().unwrap_or_default();
        let reports = addresses.iter().filter_map(|address| {
            let arrived = self.arrived(from, *address, claim.path.port)?;
            let way = Way::new(self.origins.get(&arrived.source), arrived.source.into(), true);
            let ask = claim.call.ask(&claim.signer, &self.directory, &from.region);
            Some(AccessReport::from(&self.directory.judge(&claim.signer, &[], &way, &ask)))
        });
        reports.collect()
    }

    /// Whether a call gets through, or is denied, as wanted.
    ///
    /// # Errors
    /// It is not.
    pub fn check_call(&self, from: &Sender, claim: &CallClaim) -> Result<(), Failure> {
        self.check(from, &claim.path)?;
        self.judge(from, claim).iter().try_for_each(|report| judge_call(claim.deny.as_ref(), report))
    }
}

/// Judges a decision.
///
/// # Errors
/// It is not as wanted.
pub fn judge_call(deny: Option<&Denier>, report: &AccessReport) -> Result<(), Failure> {
    let fails = |reason: String| {
        let mut failure = Failure::new(reason, decider(report));
        failure.details.extend(report.nearest.iter().map(|nearest| format!("nearest: {nearest}")));
        Err(failure)
    };
    match (deny, report.is_allowed()) {
        (None, true) => Ok(()),
        (None, false) => fails(format!("{} signed by {} is denied", report.action, report.principal)),
        (Some(denier), true) => {
            fails(format!("{} is allowed, where {} was expected to deny it", report.action, denier.shown()))
        }
        (Some(denier), false) => {
            let by_it = report.decided_by.iter().any(|id| denier.thing.is(id));
            let statement = match &denier.statement {
                None => true,
                Some(wanted) => report.statement_id.as_ref().is_some_and(|id| {
                    id == wanted || id.strip_prefix("statement ").is_some_and(|number| number == wanted)
                }),
            };
            match by_it && statement {
                true => Ok(()),
                false => fails(format!("{} is denied, but not by {}", report.action, denier.shown())),
            }
        }
    }
}

fn decider(report: &AccessReport) -> Option<Decider> {
    let source = report.place.clone().or_else(|| report.nearest_place.clone());
    Some(Decider { text: report.sentence.clone(), source })
}

impl Denier {
    fn shown(&self) -> String {
        match &self.statement {
            Some(statement) => format!("{}/{statement}", self.thing.name),
            None => self.thing.name.clone(),
        }
    }
}
