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
  vpclab capture app -w app.pcapng --tls-secrets
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
    /// With -w: add the TLS secrets of the lab's services, so that Wireshark shows their HTTPS in plain text.
    ///
    /// Secrets of the lab's newest connections to its services stand at the file's start, those of other guests' included, and new
    /// ones before the packets that they open. Opened is what the file holds from its ClientHello on. TLS between guests and to
    /// real backends stays closed.
    #[arg(long, requires = "write")]
    tls_secrets: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let filter = arguments.filter.join(" ");
    capture::Filter::parse(&filter).map_err(BadInput)?;
    let mut client = Client::connect(&state::choose(name)?)?;
    let Arguments { guest, write, count, tls_secrets, .. } = arguments;
    let answer = client.call(&Request::Capture { guest, filter, count, tls_secrets })?;
    if answer != Answer::Capturing {
        bail!("the lab answered {answer:?} instead of a capture");
    }
    let mut bytes = client.into_bytes();
    match write.as_deref() {
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
