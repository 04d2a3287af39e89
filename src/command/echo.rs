//! `vpclab echo`: a small service for first-boot scripts that answers who called whom.

use anyhow::Result;
use clap::Args;

/// Answer who called whom: HTTP, TCP and UDP, as JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, in a template's UserData:
  #!/bin/sh
  vpclab echo --listen 0.0.0.0:80")]
pub struct Arguments {
    /// Where to listen.
    #[arg(long, value_delimiter = ',', default_value = "0.0.0.0:80", value_name = "ADDRESS:PORT")]
    listen: Vec<std::net::SocketAddr>,
}

/// Runs the verb.
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    let _ = arguments.listen;
    Ok(0)
}
