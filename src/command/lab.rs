//! `vpclab __lab`: the lab process itself; `up`, `run` and `demo` start it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::run::launch;
use crate::run::state::Folder;

/// The lab process.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The lab's folder.
    folder: PathBuf,
}

/// Runs the verb.
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    let folder = Folder::at(&arguments.folder)?;
    let _inheritance = launch::inherit(&folder)?;
    Ok(0)
}
