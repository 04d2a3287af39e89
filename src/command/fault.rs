//! `vpclab fault`: what goes on when something fails.

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use super::output;
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state;

/// Take a part of the running lab down, and up again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab fault zone us-east-1a --down    nothing in it sends or receives; names leave it out
  vpclab fault zone us-east-1a --up

In a list of expectations: {fault: {zone: us-east-1a}, then: [{from: app, to: …}]}")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// An availability zone, by its id or name.
    Zone {
        /// Such as us-east-1a, or use1-az1 where accounts call it differently.
        zone: String,
        /// It fails.
        #[arg(long, required_unless_present = "up", conflicts_with = "up")]
        down: bool,
        /// It works again.
        #[arg(long)]
        up: bool,
    },
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let What::Zone { zone, down, .. } = arguments.what;
    let Answer::Applied(applied) = Client::connect(&state::choose(name)?)?.call(&Request::Fault { zone, down })? else {
        bail!("the lab did not say what it did");
    };
    let lines = applied.changes.iter().chain(&applied.notices);
    output::print(&lines.map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(0)
}
