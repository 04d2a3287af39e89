//! `vpclab up`: starts a lab and waits until it stands.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::input::Input;
use super::output::{self, Progress};
use super::{down, files};
use crate::run::launch::{self, Definition, Started};
use crate::run::state::{self, Folder};

/// Start a lab and wait until it is ready.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab up examples/first.yaml
  vpclab up examples/private-service/lab.yaml --name private
  vpclab up cdk.out --param AppStack.Size=2
  vpclab up first.yaml --seed Bucket=examples/files --account 111122223333 --region eu-west-1")]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Keep buckets and tables in this folder: they outlive the lab, and the next `up --data` finds them again.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Print what stands as one JSON document.
    #[arg(long)]
    json: bool,
    /// Stay and hold the lab: it ends when standard input closes (Ctrl-D), or with this command.
    #[arg(long)]
    hold: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let mut definition = arguments.input.definition()?;
    definition.data = arguments.data.map(std::path::absolute).transpose().context("finding the folder of --data")?;
    // Read here first: an error is then told at once, and the lab may have a name of its own. The lab reads it again.
    let lab = files::load_lab(&definition)?;
    let folder = Folder::of(&name.map_or_else(|| state::name_from(&lab.name), Into::into))?;
    let started = start(&definition, &folder, arguments.hold)?;
    if arguments.json {
        output::print_json(&started.summary)?;
    } else {
        output::print(&output::summary(&started.summary))?;
    }
    if arguments.hold {
        hold()?;
        drop(started);
        down::end(&folder)?;
    }
    Ok(0)
}

/// Waits for the end of standard input.
fn hold() -> Result<()> {
    if std::io::stdin().is_terminal() {
        eprintln!("Ctrl-D ends the lab");
    }
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).context("reading standard input")?;
    Ok(())
}

/// Starts the lab with progress on stderr.
pub fn start(definition: &Definition, folder: &Folder, for_life: bool) -> Result<Started> {
    let mut progress = Progress::new();
    let started =
        launch::start(folder, definition, for_life, &mut |step, done, total| progress.step(step, done, total));
    progress.finish();
    started
}
