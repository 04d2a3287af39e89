//! `vpclab drops`: which packets were dropped, why, and by what.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::Args;

use super::output;
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state;

/// Show dropped packets with the reason and the object that decided.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab drops app
  vpclab drops --follow")]
pub struct Arguments {
    /// Only what this guest sent.
    guest: Option<String>,
    /// Go on as packets are dropped, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// One JSON document per line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let mut client = Client::connect(&state::choose(name)?)?;
    client.send(&Request::Drops { guest: arguments.guest, since: 0, follow: arguments.follow })?;
    let mut explained = BTreeSet::new();
    loop {
        match client.answer()? {
            Some(Answer::Drop(drop)) if arguments.json => output::print(&(serde_json::to_string(&drop)? + "\n"))?,
            Some(Answer::Drop(drop)) => {
                output::print(&output::drop_line(&drop))?;
                // One reason has several sentences where a detail tells them apart, as that of a malformed frame does.
                let reason = output::drop_reason(&drop);
                if explained.insert(reason.clone()) {
                    output::print(&format!("    {reason}"))?;
                }
            }
            Some(Answer::End) | None => return Ok(0),
            Some(other) => bail!("the lab answered {other:?} instead of a drop"),
        }
    }
}
