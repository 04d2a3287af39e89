//! `vpclab down`: ends labs and leaves nothing behind.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::{demo, output};
use crate::run::client::Client;
use crate::run::protocol::Request;
use crate::run::state::{self, Folder};

/// End a lab and leave nothing behind.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab down                   the only lab that runs
  vpclab down --name private
  vpclab down --all             every lab, and what a killed one left")]
pub struct Arguments {
    /// End all labs, and sweep the folders of dead ones.
    #[arg(long)]
    all: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    if arguments.all {
        demo::sweep(&state::root()?);
    }
    let folders = match name {
        _ if arguments.all => state::folders()?,
        // A dead lab's folder can be named, too: `down` sweeps it.
        Some(name) => match state::folders()?.into_iter().find(|folder| folder.name() == name) {
            Some(folder) => vec![folder],
            None => vec![state::choose(Some(name))?],
        },
        None => vec![state::choose(None)?],
    };
    for folder in folders {
        end(&folder)?;
        output::print(&format!("lab {} is down\n", folder.name()))?;
    }
    Ok(0)
}

/// How long a lab may take to answer that it ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the lab, waits until its last process is gone, and removes its folder.
pub fn end(folder: &Folder) -> Result<()> {
    let watch = folder.watch()?;
    // A lab that dies before it answers is a lab that ended; one that never answers is killed by the watch.
    if folder.lives()
        && let Ok(mut client) = Client::connect(folder)
        && client.set_patience(PATIENCE).and_then(|()| client.send(&Request::Down)).is_ok()
    {
        let _ = client.answer();
    }
    watch.wait().and_then(|()| folder.remove()).with_context(|| format!("ending lab `{}`", folder.name()))
}
