//! API calls: what is meant by them, and what policies say of them, by the way that the guest's packets take.

use super::judge::{Decider, Failure};
use super::meaning::{PathClaim, Result1, Sender, Thing, Want};
use super::scene::Scene;
use super::written::{Protocol, Word, Written, WrittenClaim};
use crate::dns;
use crate::model::access::{AccessReport, Call, CallTarget, Way};
use crate::model::naming;
use crate::policy::{Context, Policy, Principal};
use crate::template::{Diagnostic, did_you_mean};

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

/// The part of a call that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Action,
    On,
    Signer,
}

impl Scene {
    /// A call as an entry writes it.
    pub(super) fn call_entry(&self, from: &Sender, entry: &Written) -> Result1<CallClaim> {
        let WrittenClaim::Call { call, on, signer, deny } = &entry.claim else {
            return Err(Diagnostic::at(&entry.span, "the entry is no call"));
        };
        let text = |word: &Option<Word>| word.as_ref().map(|word| self.with_outputs(word)).transpose();
        let (target, signed) = (text(on)?, text(signer)?);
        let claim = self.claim(from, &entry.from.text, &call.text, target.as_deref(), signed.as_deref());
        let mut claim = claim.map_err(|(part, message)| {
            let word = match part {
                Part::On => on.as_ref(),
                Part::Signer => signer.as_ref(),
                Part::Action => None,
            };
            Diagnostic::at(&word.unwrap_or(call).span, message)
        })?;
        if let Some(word) = on {
            self.check_target(&claim.call.target, word)?;
        }
        claim.deny = deny.as_ref().map(|word| self.denier(word)).transpose()?;
        Ok(claim)
    }

    /// A guest's call as a person asks for it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn call(
        &self,
        guest: &str,
        action: &str,
        on: Option<&str>,
        signer: Option<&str>,
    ) -> Result<(Sender, CallClaim), String> {
        let name = naming::find(&self.guests, guest)?;
        let from = self.sender(name).ok_or_else(|| format!("guest `{guest}` has no network interface to send from"))?;
        let claim = self.claim(&from, guest, action, on, signer).map_err(|(_, message)| message)?;
        Ok((from, claim))
    }

    fn claim(
        &self,
        from: &Sender,
        guest: &str,
        action: &str,
        on: Option<&str>,
        signer: Option<&str>,
    ) -> Result<CallClaim, (Part, String)> {
        Call::parse(action, None).map_err(|message| (Part::Action, message))?;
        let call = Call::parse(action, on).map_err(|message| (Part::On, message))?;
        let name = naming::find(&self.guests, guest).ok();
        let instance = name.and_then(|name| self.world.instances.get(&name.instance_id));
        let account = instance.map(|instance| instance.meta.account.as_str());
        let principal = match (signer, instance, account) {
            (Some(text), _, account) => {
                self.directory.signer(text, account.unwrap_or_default()).map_err(|message| (Part::Signer, message))?
            }
            (None, Some(instance), Some(account)) => self.directory.signer_in_instance(&instance.instance_id, account),
            _ => Principal::Anonymous,
        };
        let host = call.host(&self.directory, &from.region);
        let path = PathClaim {
            addresses: dns::addresses(&self.zones, &from.vpc_id, &host),
            host: Some(host),
            protocol: Protocol::Tcp,
            port: Some(443),
            want: Want::Delivered,
        };
        let written = (action.to_owned(), on.map(str::to_owned), signer.map(str::to_owned));
        Ok(CallClaim { call, written, signer: principal, path, deny: None })
    }

    /// What the lab has not is bad input, never a pass; an ARN may be of anything out there.
    fn check_target(&self, target: &CallTarget, word: &Word) -> Result1<()> {
        let (what, name, known): (&str, &str, Vec<&str>) = match target {
            CallTarget::S3 { bucket, .. } => {
                ("bucket", bucket, self.world.buckets.keys().map(String::as_str).collect())
            }
            CallTarget::Any | CallTarget::Arn(_) | CallTarget::Table(_) => return Ok(()),
        };
        if known.contains(&name) {
            return Ok(());
        }
        let help = did_you_mean(name, known.iter().copied())
            .or_else(|| Some("of what is elsewhere, write the ARN".to_owned()));
        Err(Diagnostic::at(&word.span, format!("there is no {what} `{name}` in the lab")).maybe_help(help))
    }

    /// `OBJECT` or `OBJECT/STATEMENT`; an object may itself be written as `STACK/LogicalId`.
    fn denier(&self, word: &Word) -> Result1<Denier> {
        if let Ok(thing) = self.object(word) {
            return Ok(Denier { thing, statement: None });
        }
        match word.text.rsplit_once('/') {
            Some((object, statement)) if !statement.is_empty() => {
                let thing = self.object(&Word { text: object.to_owned(), span: word.span.clone() })?;
                self.check_statement(&thing, statement, word)?;
                Ok(Denier { thing, statement: Some(statement.to_owned()) })
            }
            _ => self.object(word).map(|thing| Denier { thing, statement: None }),
        }
    }

    /// A statement that nobody wrote denies nothing: bad input, as an object that does not exist.
    fn check_statement(&self, thing: &Thing, statement: &str, word: &Word) -> Result1<()> {
        let name = |owner: &str| owner.rsplit('/').next().is_some_and(|name| thing.is(name));
        let policies: Vec<&Policy> =
            self.directory.all_policies().filter(|policy| thing.is(&policy.owner) || name(&policy.owner)).collect();
        let names: Vec<String> = policies.iter().flat_map(|policy| policy.statement_ids()).collect();
        if names.iter().any(|own| own == statement || own.strip_prefix("statement ") == Some(statement)) {
            return Ok(());
        }
        let known = names.iter().map(String::as_str);
        let help = did_you_mean(statement, known.clone()).or_else(|| match names.is_empty() {
            true => Some("it has no policy that is written down".to_owned()),
            false => Some(format!("its statements: {}", known.collect::<Vec<_>>().join(", "))),
        });
        let message = format!("`{}` has no statement `{statement}`", thing.name);
        Err(Diagnostic::at(&word.span, message).maybe_help(help))
    }

    /// What policies say of a call, by each way that its packets may take.
    ///
    /// `context` are keys that only the live request would tell.
    pub fn judge(&self, from: &Sender, claim: &CallClaim, context: &Context) -> Vec<AccessReport> {
        let addresses = claim.path.addresses.as_deref().unwrap_or_default();
        let reports = addresses.iter().filter_map(|address| {
            let arrived = self.arrived(from, *address, claim.path.port)?;
            let way = Way::new(self.origins.get(&arrived.source), arrived.source.into(), true);
            let mut ask = claim.call.ask(&claim.signer, &self.directory, &from.region);
            ask.context.extend(self.keys.clone());
            ask.context.extend(context.clone());
            Some(self.directory.imagine(&claim.signer, &way, &ask))
        });
        reports.collect()
    }

    /// Whether a call gets through, or is denied, as wanted.
    ///
    /// # Errors
    /// It is not.
    pub fn check_call(&self, from: &Sender, claim: &CallClaim) -> Result<(), Failure> {
        self.check(from, &claim.path)?;
        self.judge(from, claim, &Context::default())
            .iter()
            .try_for_each(|report| judge_call(claim.deny.as_ref(), report))
    }
}

/// Judges a decision.
///
/// # Errors
/// It is not as wanted.
pub fn judge_call(deny: Option<&Denier>, report: &AccessReport) -> Result<(), Failure> {
    let fails = |reason: String| {
        let mut failure = Failure::new(reason, decider(report));
        let untold = report.nearest.iter().filter(|_| !report.sentence.contains("nearest is"));
        failure.details.extend(untold.map(|nearest| format!("nearest: {nearest}")));
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
    // What decided, without the decision, which the reason says.
    let verbs = ["allowed by ", "denied by ", "allowed: ", "denied: "];
    let text = verbs.iter().find_map(|verb| report.sentence.strip_prefix(verb)).unwrap_or(&report.sentence);
    // The place stands behind it, once.
    let text = source.iter().fold(text.to_owned(), |text, source| text.replace(&format!(" [{source}]"), ""));
    Some(Decider { text, source })
}

impl Denier {
    fn shown(&self) -> String {
        match &self.statement {
            Some(statement) => format!("{}/{statement}", self.thing.name),
            None => self.thing.name.clone(),
        }
    }
}
