//! `vpclab demo`: the whole story in a minute.

use anyhow::Result;
use clap::Args;

/// The whole story in a minute: a gateway endpoint, a missing route, a private service between overlapping networks.
#[derive(Debug, Args)]
pub struct Arguments {}

/// Runs the verb.
pub fn run(_arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    Ok(0)
}
