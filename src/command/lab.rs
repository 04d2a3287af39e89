//! `vpclab __lab`: the lab process itself; `up`, `run` and `demo` start it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracing_subscriber::EnvFilter;

use super::files;
use crate::run::BadInput;
use crate::run::lab::{self, Prepared};
use crate::run::launch::Definition;
use crate::run::state::Folder;

/// The lab process.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The lab's folder.
    folder: PathBuf,
}

/// Runs the verb.
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    let filter =
        EnvFilter::try_from_env("VPCLAB_LOG").unwrap_or_else(|_| EnvFilter::new("info,s3s=off,hickory_server=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let folder = Folder::at(&arguments.folder)?;
    lab::live(&folder, prepare)
}

/// Reads the template. Its error crosses to the command that started the lab as text.
fn prepare(definition: &Definition) -> Result<Prepared> {
    let lab = files::load_lab(definition).map_err(|error| BadInput(error.to_string()))?;
    Ok(Prepared {
        notices: lab.notices.iter().map(ToString::to_string).collect(),
        seeds: lab.seeds.into_iter().map(|seed| (seed.bucket, seed.folder)).collect(),
        world: lab.world,
        backends: lab.backends,
        webhooks: lab.webhooks,
    })
}
