//! `vpclab check`: validates a template without starting anything.

use anyhow::Result;
use clap::Args;

use super::input::Input;

/// Validate a template and list what it ignores; start nothing.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
}

/// Runs the verb.
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    arguments.input.definition()?;
    Ok(0)
}
