//! `vpclab exec`: a command in a guest, and the drops and denials that it met when it failed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;

use super::{NotTheCommand, output};
use crate::host::{self, GuestCommand, Namespaces};
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state::{self, Folder};

/// Run a command in a guest; its exit status is ours.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab exec app -- curl https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt
  vpclab exec consumer/app -- dig +short sqs.us-east-1.amazonaws.com
  vpclab exec app -- bash

Standard streams, signals, the terminal and the exit status pass through; 125 is
vpclab's own failure, 126 a command that can't be executed, 127 one that doesn't
exist. The host's AWS_* and proxy variables and ~/.aws are hidden from the
command. When it fails, the packets that the lab dropped meanwhile are listed on
stderr, and the requests that policies denied.")]
pub struct Arguments {
    /// [STACK/]NAME: logical id, Name tag or instance id.
    guest: String,
    /// Be silent about drops: whoever started it asks for them.
    #[arg(long, hide = true)]
    no_drops: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let folder = state::choose(name).map_err(NotTheCommand)?;
    let entered = match arguments.no_drops {
        true => run_in(&folder, &arguments.guest, &arguments.command).map(|(status, ..)| status),
        false => enter(&folder, &arguments.guest, &arguments.command),
    };
    Ok(entered.map_err(NotTheCommand)?)
}

/// Runs a command in a guest and, when it fails, prints the drops that it met.
pub fn enter(folder: &Folder, guest: &str, command: &[String]) -> Result<u8> {
    let (status, guest, seen) = run_in(folder, guest, command)?;
    if status != 0 {
        print_drops(folder, &guest, seen.drops);
        print_denials(folder, &guest, seen.decisions);
    }
    Ok(status)
}

/// Numbers of the first drop and the first decision of policies since a command was started.
struct Seen {
    drops: u64,
    decisions: u64,
}

/// Runs a command in a guest: its status, the guest's own name, and where the lab's records of the time begin.
fn run_in(folder: &Folder, guest: &str, command: &[String]) -> Result<(u8, String, Seen)> {
    let mut client = Client::connect(folder)?;
    let Answer::Entered { guest, environment, programs, drops_seen, decisions_seen } =
        client.call(&Request::Enter { guest: guest.into() })?
    else {
        bail!("the lab did not hand out the guest's namespaces");
    };
    let namespaces = Namespaces::from_fds(client.take_descriptors())?;
    drop(client);
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let status = host::run_in(
        &namespaces,
        &GuestCommand {
            program: program.into(),
            args: arguments.iter().map(OsString::from).collect(),
            env: command_environment(std::env::vars_os(), &environment, &programs),
            clear_env: true,
            cwd: std::env::current_dir().ok(),
            ..GuestCommand::default()
        },
    )?;
    Ok((u8::try_from(status).unwrap_or(1), guest, Seen { drops: drops_seen, decisions: decisions_seen }))
}

/// Where commands are looked for when the caller says nothing.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A command in a guest is root there, whoever the caller is: `ip`, `ethtool` and `tcpdump` are found, too.
const ROOTS_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The caller's environment without what would lead the command out of the lab, and with the lab's own variables.
fn command_environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    ours: &[(String, String)],
    programs: &Path,
) -> Vec<(OsString, OsString)> {
    let mut environment: BTreeMap<OsString, OsString> =
        inherited.filter(|(name, _)| !is_hidden(&name.to_string_lossy())).collect();
    environment.extend(ours.iter().map(|(name, value)| (name.into(), value.into())));
    let path = environment.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
    for more in [OsStr::new(ROOTS_PATH), programs.as_os_str()] {
        path.push(":");
        path.push(more);
    }
    environment.into_iter().collect()
}

/// Variables of the host that would send a client elsewhere or with other credentials.
pub(super) fn is_hidden(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.starts_with("AWS_")
        || matches!(
            upper.as_str(),
            "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" | "FTP_PROXY" | "NO_PROXY" | "CURL_CA_BUNDLE" | "SSL_CERT_DIR"
        )
}

/// The drops between two moments; the command failed already, so what goes wrong here is only said.
fn print_drops(folder: &Folder, guest: &str, since: u64) {
    let request = Request::Drops { guest: Some(guest.into()), since, follow: false };
    let listed = Client::connect(folder).and_then(|mut client| {
        client.send(&request)?;
        let mut reasons: Vec<String> = Vec::new();
        while let Some(Answer::Drop(drop)) = client.answer()? {
            // What is no packet (IPv6 chatter, say) is nothing that the command meant to send.
            if drop.packet.is_empty() {
                continue;
            }
            if reasons.is_empty() {
                eprintln!("vpclab: packets of {guest}, or answers to it, that the lab dropped meanwhile:");
            }
            eprint!("  {}", output::drop_line(&drop));
            let reason = output::drop_reason(&drop);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        for reason in reasons {
            eprint!("  {reason}");
        }
        Ok(())
    });
    if let Err(error) = listed {
        eprintln!("vpclab: the lab did not say what it dropped: {error:#}");
    }
}

/// The denials between two moments, with what a client is not told: the statement, where it is written, and the nearest.
fn print_denials(folder: &Folder, guest: &str, since: u64) {
    let request = Request::Decisions { guest: Some(guest.into()), since };
    let listed = Client::connect(folder).and_then(|mut client| {
        client.send(&request)?;
        let mut said: Vec<String> = Vec::new();
        while let Some(Answer::Decision(line)) = client.answer()? {
            let text = format!("  {}\n", output::decision(&line.report));
            if line.report.is_allowed() || said.contains(&text) {
                continue;
            }
            if said.is_empty() {
                eprintln!("vpclab: requests of {guest} that policies denied meanwhile:");
            }
            eprint!("{text}");
            said.push(text);
        }
        Ok(())
    });
    if let Err(error) = listed {
        eprintln!("vpclab: the lab did not say what it denied: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_way_out_is_hidden_and_ours_wins() {
        let inherited = [("PATH", "/bin"), ("AWS_PROFILE", "prod"), ("https_proxy", "http://p"), ("AWS_REGION", "x")];
        let inherited = inherited.into_iter().map(|(name, value)| (name.into(), value.into()));
        let environment =
            command_environment(inherited, &[("AWS_REGION".into(), "eu-west-1".into())], Path::new("/lab/bin"));
        let expected: Vec<(OsString, OsString)> = vec![
            ("AWS_REGION".into(), "eu-west-1".into()),
            ("PATH".into(), format!("/bin:{ROOTS_PATH}:/lab/bin").into()),
        ];
        assert_eq!(environment, expected);
    }
}
