//! `vpclab run`: up, exec and down in one, for CI.

use anyhow::Result;
use clap::Args;

use super::input::{Input, Options};
use super::{NotTheCommand, down, exec, files, up};
use crate::run::state::Folder;

/// Start a lab, run a command in a guest, end the lab: the exit status is the command's.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vpclab run examples/first.yaml app -- ./smoke-test.sh

The lab ends with this command, also when it is killed.")]
pub struct Arguments {
    /// A CloudFormation template (YAML or JSON), a lab.yaml, a folder with one, or a cdk.out.
    file: std::path::PathBuf,
    /// [STACK/]NAME: logical id, Name tag or instance id.
    guest: String,
    #[command(flatten)]
    options: Options,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let definition = Input { file: arguments.file, options: arguments.options }.definition()?;
    files::load_lab(&definition)?;
    // Its own name, so that several may run at once: CI jobs share a machine.
    let own_name = || format!("run-{}", std::process::id());
    let folder = Folder::of(&name.map_or_else(own_name, Into::into))?;
    let lease = up::start(&definition, &folder, true)?;
    let status = exec::enter(&folder, &arguments.guest, &arguments.command).map_err(NotTheCommand);
    // The lease goes last: a lab whose lease ends clears its folder away by itself, and nobody could wait for the rest.
    let ended = down::end(&folder);
    drop(lease);
    ended?;
    Ok(status?)
}
