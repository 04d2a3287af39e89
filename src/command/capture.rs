//! `vpclab capture`: what is on a guest's wire.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::output;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::{capture, state};

/// Show or write the frames of a guest, checksums completed; ends with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab capture app
  vpclab capture app tcp and port 443
  vpclab capture app -w app.pcapng
  vpclab capture app -w - | tshark -r -")]
pub struct Arguments {
    /// [STACK/]NAME: logical id, Name tag or instance id.
    guest: String,
    /// host ADDRESS, port NUMBER, tcp, udp, icmp, arp; joined by `and`.
    filter: Vec<String>,
    /// Write pcapng to a file, or to stdout with `-`.
    #[arg(short, value_name = "FILE")]
    write: Option<PathBuf>,
    /// End after this many frames.
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let filter = arguments.filter.join(" ");
    capture::Filter::parse(&filter).map_err(BadInput)?;
    let mut client = Client::connect(&state::choose(name)?)?;
    let answer = client.call(&Request::Capture { guest: arguments.guest, filter, count: arguments.count })?;
    if answer != Answer::Capturing {
        bail!("the lab answered {answer:?} instead of a capture");
    }
    let mut bytes = client.into_bytes();
    match arguments.write.as_deref() {
        None => {
            if io::stderr().is_terminal() {
                eprintln!("capturing; Ctrl-C ends");
            }
            capture::read_lines(&mut bytes, &mut |line| output::print(&(line + "\n")))?;
        }
        Some(path) if path.as_os_str() == "-" => copy(&mut bytes, &mut io::stdout().lock())?,
        Some(path) => {
            let mut file = File::create(path).with_context(|| format!("creating `{}`", path.display()))?;
            copy(&mut bytes, &mut file)?;
        }
    }
    Ok(0)
}

/// Copies and flushes as bytes come, so that a reader in a pipe sees frames when they happen.
fn copy(from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    let mut chunk = [0; 64 * 1024];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(len) => to.write_all(&chunk[..len]).and_then(|()| to.flush()).context("writing the capture")?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("reading the capture"),
        }
    }
}
