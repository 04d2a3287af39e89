//! `vpclab apply`: brings the running lab to a file, without loss.

use anyhow::{Context, Result, bail};
use clap::Args;

use super::input::Input;
use super::{files, output};
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state;

/// Bring the running lab to this file without loss: policies, roles, rules, routes and attributes.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vpclab up lab.yaml
  $EDITOR endpoint.yaml          another statement in an endpoint's policy
  vpclab apply lab.yaml          the next request is decided by it")]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let definition = arguments.input.definition()?;
    // Read here first, as `up` does: an error is told with the places that this terminal can draw.
    files::load_lab(&definition)?;
    let file = std::path::absolute(&definition.file).context("finding the file")?;
    let request = Request::Apply { definition, file };
    let folder = state::choose(name)?;
    let Answer::Applied(applied) = Client::connect(&folder)?.call(&request)? else {
        bail!("the lab did not say what it changed");
    };
    let mut text = String::new();
    for change in &applied.changes {
        text.push_str(&format!("{change}\n"));
    }
    if applied.changes.is_empty() {
        text.push_str("nothing changes\n");
    }
    for notice in &applied.notices {
        text.push_str(&format!("  note: {notice}\n"));
    }
    output::print(&text)?;
    Ok(0)
}
