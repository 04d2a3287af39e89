//! `vpclab test`: does what `expect:` says hold of a lab?
//!
//! `--static` walks the compiled tables and starts nothing. Else a lab of its own is started, the same is asked of it, real
//! packets are sent, and both must agree.
//!
//! | file | what it holds |
//! |---|---|
//! | `dynamic.rs` | the dynamic half: what is sent, and when its fate is known |
//! | `case.rs` | an expectation meanwhile, and what follows from each packet's fate |
//! | `senders.rs`, `probe.rs` | the helpers in the guests: this side, and theirs |
//! | `witness.rs` | what the lab saw |
//! | `commands.rs` | commands of `run:` entries |
//! | `report.rs`, `junit.rs`, `annotation.rs` | the outcome for people, CI systems, GitHub |

mod annotation;
mod case;
mod commands;
mod dynamic;
mod junit;
pub mod probe;
mod report;
mod senders;
mod witness;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use super::files::{self, Disk};
use super::input::Input;
use super::{down, output, up};
use crate::expect::{self, Claim, Expectation, Scene, Written};
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::launch::Definition;
use crate::run::protocol::Request;
use crate::run::state::Folder;
use crate::services::front::session::time_keys;
use crate::template::{Diagnostic, TemplateError};
use report::{Outcome, Verdict};

/// Check what `expect:` says of a lab: with real packets, or by its tables alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab test examples/first.yaml --static      needs no privileges, starts nothing
  vpclab test examples/private-service          starts a lab, sends real packets, ends it

What must hold stands in `expect:` of the lab.yaml, or in NAME.test.yaml beside a
template NAME.yaml:
  expect:
    - {from: app, to: \"s3.us-east-1.amazonaws.com:443\", via: S3}
    - {from: app, to: internet, drop: NO_ROUTE_TO_DESTINATION}
    - {from: app, only: [S3, resolver]}
    - {from: app, run: ./smoke.sh, only: [S3, resolver]}
    - {from: app, call: s3:DeleteObject, on: s3://bucket/key, deny: S3/NoDeletes}

A lab is started, the guests really send, and what became of their packets must be
what `trace` says. `run` starts in the file's folder. In GitHub Actions failures mark
the template's lines.

Ends with 0 when all holds, 1 when something does not, 2 for bad input, 3 when this
machine can't run a lab.")]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Decide by the compiled tables alone: no lab, no packets, no privileges.
    #[arg(long = "static")]
    is_static: bool,
    /// Write the outcome as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let definition = arguments.input.definition()?;
    let lab = files::load_lab(&definition)?;
    let wrong = |diagnostics| TemplateError { diagnostics };
    let list = expect::source(&Disk, &lab).map_err(wrong)?;
    let written = expect::read(&list).map_err(wrong)?;
    let scene = Scene::new(&lab).with_keys(time_keys());
    let acts = acts(scene, written).map_err(wrong)?;
    let outcomes = match arguments.is_static {
        true => acts.iter().flat_map(|act| check_statically(&act.scene, &act.expectations)).collect(),
        false => check_in_lab(&definition, name, &acts)?,
    };
    output::print(&report::text(&outcomes))?;
    if annotation::is_wanted() {
        output::print(&annotation::lines(&outcomes))?;
    }
    if let Some(file) = &arguments.junit {
        junit::write(file, &lab.name, &outcomes)?;
    }
    if outcomes.iter().all(|outcome| matches!(outcome.verdict, Verdict::Skipped(_))) {
        return Err(BadInput(
            "nothing was decided: every expectation needs a lab that runs; leave `--static` out".into(),
        )
        .into());
    }
    Ok(u8::from(outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Fails(_)))))
}

/// Entries that hold in one state of the lab: as it is, or while a zone is down.
struct Act {
    zone_down: Option<String>,
    scene: Rc<Scene>,
    expectations: Vec<Expectation>,
}

/// The list's acts, in its order.
///
/// # Errors
/// Everything that is wrong with the entries.
fn acts(scene: Scene, written: Vec<Written>) -> Result<Vec<Act>, Vec<Diagnostic>> {
    let whole = Rc::new(scene);
    let (mut acts, mut errors) = (Vec::new(), Vec::new());
    let same = |one: &Written, other: &Written| one.zone_down == other.zone_down;
    for entries in written.chunk_by(same) {
        let zone = entries.first().and_then(|entry| entry.zone_down.as_ref());
        let scene = match zone.map(|zone| whole.with_zone_down(zone)).transpose() {
            Ok(faulted) => faulted.map_or_else(|| Rc::clone(&whole), Rc::new),
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        match scene.mean(entries) {
            Ok(expectations) => acts.push(Act { zone_down: zone.map(|zone| zone.text.clone()), scene, expectations }),
            Err(new) => errors.extend(new),
        }
    }
    if errors.is_empty() { Ok(acts) } else { Err(errors) }
}

/// Starts a lab of its own, asks it, and ends it.
fn check_in_lab<'e>(definition: &Definition, name: Option<&str>, acts: &'e [Act]) -> Result<Vec<Outcome<'e>>> {
    // Its own name, so that several may run at once: CI jobs share a machine.
    let own_name = || format!("test-{}", std::process::id());
    let folder = Folder::of(&name.map_or_else(own_name, Into::into))?;
    let lease = up::start(definition, &folder, true)?;
    let outcomes = acts.iter().try_fold(Vec::new(), |mut outcomes, act| {
        outcomes.extend(play(act, &folder)?);
        anyhow::Ok(outcomes)
    });
    // The lease goes last: a lab whose lease ends clears its folder away by itself, and nobody could wait for the rest.
    let ended = down::end(&folder);
    drop(lease);
    let outcomes = outcomes?;
    ended?;
    Ok(outcomes)
}

/// Proves an act on the lab in that folder, which is as it was afterwards.
fn play<'e>(act: &'e Act, folder: &Folder) -> Result<Vec<Outcome<'e>>> {
    let fault = |down: bool| -> Result<()> {
        if let Some(zone) = act.zone_down.clone() {
            Client::connect(folder)?.call(&Request::Fault { zone, down })?;
        }
        Ok(())
    };
    fault(true)?;
    let outcomes = dynamic::check(&act.scene, &act.expectations, folder)?;
    fault(false)?;
    Ok(outcomes)
}

fn check_statically<'e>(scene: &Scene, expectations: &'e [Expectation]) -> Vec<Outcome<'e>> {
    let check = |expectation: &Expectation| match &expectation.claim {
        Claim::Path(claim) => scene.check(&expectation.from, claim).map_or_else(Verdict::Fails, |()| Verdict::Holds),
        Claim::Only(things) => {
            scene.check_only(&expectation.from, things).map_or_else(Verdict::Fails, |_| Verdict::Holds)
        }
        Claim::Call(claim) => {
            scene.check_call(&expectation.from, claim).map_or_else(Verdict::Fails, |()| Verdict::Holds)
        }
        Claim::Run(..) => Verdict::Skipped("a command needs a lab that runs".to_owned()),
    };
    expectations
        .iter()
        .map(|expectation| {
            let start = Instant::now();
            let verdict = check(expectation);
            Outcome { expectation, verdict, took: start.elapsed(), note: None }
        })
        .collect()
}
