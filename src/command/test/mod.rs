//! `vpclab test`: does what `expect:` says hold of a lab?
//!
//! `--static` walks the compiled tables and starts nothing. Else a lab of its own is started, the same is asked of it, real
//! packets are sent, and both must agree.

mod annotation;
mod junit;
mod report;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use super::files::{self, Disk};
use super::input::Input;
use super::output;
use crate::expect::{self, Claim, Expectation, Scene};
use crate::run::BadInput;
use crate::template::TemplateError;
use report::{Outcome, Verdict};

/// Check what `expect:` says of a lab; ends with 0 when all holds, 1 when something does not.
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
    - {from: app, only: [S3, resolver]}")]
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
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    let definition = arguments.input.definition()?;
    let lab = files::load_lab(&definition)?;
    let wrong = |diagnostics| TemplateError { diagnostics };
    let list = expect::source(&Disk, &lab).map_err(wrong)?;
    let written = expect::read(&list).map_err(wrong)?;
    let scene = Scene::new(&lab);
    let expectations = scene.mean(&written).map_err(wrong)?;
    if !arguments.is_static {
        bail!("only `--static` is there yet");
    }
    let outcomes = check_statically(&scene, &expectations);
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

fn check_statically<'e>(scene: &Scene, expectations: &'e [Expectation]) -> Vec<Outcome<'e>> {
    let check = |expectation: &Expectation| match &expectation.claim {
        Claim::Path(claim) => scene.check(&expectation.from, claim).map_or_else(Verdict::Fails, |()| Verdict::Holds),
        Claim::Only(_) => Verdict::Skipped("`only` is not checked yet".to_owned()),
        Claim::Run(..) => Verdict::Skipped("a command needs a lab that runs".to_owned()),
    };
    expectations
        .iter()
        .map(|expectation| {
            let start = Instant::now();
            let verdict = check(expectation);
            Outcome { expectation, verdict, took: start.elapsed() }
        })
        .collect()
}
