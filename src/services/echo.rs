//! `vpclab echo`: who called whom.

use std::net::SocketAddr;

/// Arguments of `vpclab echo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Address and port to answer on, TCP and UDP; repeat or separate with commas for several
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:80", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Text that every answer carries
    #[arg(long)]
    pub name: Option<String>,
}

/// Answers until it is told to end (SIGTERM, SIGINT).
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let _ = arguments;
    todo!()
}
