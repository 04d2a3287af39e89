//! How a lab process is started and waited for.
//!
//! The command line makes the folder, takes its lock and binds the control socket, then starts `vpclab __lab` with both
//! as inherited files: the socket as standard input, the lock as standard output, the log as standard error. So there is
//! no moment in which the lab lives without its lock, and the command line can wait on a connection that it made before
//! the lab was born: if either dies, the other sees the connection close. Nobody polls.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::protocol::{Answer, Fault, Request, Summary};
use super::state::{Folder, Lock};
use super::{BadInput, CannotRun};

/// What a lab is started with, as `up` was asked; kept as `lab.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Template, `lab.yaml`, folder or `cdk.out`, as the user named it.
    pub file: PathBuf,
    /// Account of a single template's stack.
    pub account: Option<String>,
    /// Region of a single template's stack.
    pub region: Option<String>,
    /// `[STACK.]KEY` and value.
    pub parameters: Vec<(String, String)>,
    /// Bucket and the folder that fills it.
    pub seeds: Vec<(String, PathBuf)>,
    /// Links without offload, on `tun-tap`.
    pub plain_links: bool,
    /// Where objects and tables are kept; in the lab's own folder, which goes with it, when absent.
    pub data: Option<PathBuf>,
}

/// A lab that was started.
#[derive(Debug)]
pub struct Started {
    /// The connection that it was started over: the lease, when it was asked for.
    pub client: Client,
    /// What stands.
    pub summary: Summary,
}

/// Starts a lab and waits until it stands. `progress` hears of each step.
pub fn start(
    folder: &Folder,
    definition: &Definition,
    for_life: bool,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<Started> {
    let Some(lock) = folder.claim()? else {
        let name = folder.name();
        return Err(BadInput(format!(
            "lab `{name}` is already running: end it with `vpclab down --name {name}`, or start this one under another \
             name with --name"
        ))
        .into());
    };
    let started = spawn(folder, definition, lock, for_life).and_then(|mut client| {
        let summary = wait_until_ready(&mut client, progress)?;
        Ok(summary.map(|summary| Started { client, summary }))
    });
    match started {
        Ok(Some(started)) => Ok(started),
        Ok(None) => {
            let words = last_words(folder);
            folder.remove_when_dead()?;
            bail!("the lab ended while it started: {words}")
        }
        Err(error) => {
            folder.remove_when_dead()?;
            Err(error)
        }
    }
}

fn spawn(folder: &Folder, definition: &Definition, lock: Lock, for_life: bool) -> Result<Client> {
    let json = serde_json::to_vec_pretty(definition).expect("a definition is plain data");
    fs::write(folder.definition(), json).with_context(|| format!("writing `{}`", folder.definition().display()))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.log())
        .with_context(|| format!("creating the log `{}`", folder.log().display()))?;
    let listener = folder.listen()?;
    let mut client = Client::connect(folder)?;
    client.send(&Request::Ready { for_life })?;
    let program = std::env::current_exe().context("finding vpclab's own program file")?;
    Command::new(&program)
        .arg("__lab")
        .arg(folder.path())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::from(OwnedFd::from(lock.into_file())))
        .stderr(Stdio::from(OwnedFd::from(log)))
        .spawn()
        .with_context(|| format!("starting `{}`", program.display()))?;
    Ok(client)
}

fn wait_until_ready(client: &mut Client, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<Option<Summary>> {
    loop {
        match client.answer()? {
            Some(Answer::Progress { step, done, total }) => progress(&step, done, total),
            Some(Answer::Ready(summary)) => return Ok(Some(summary)),
            Some(other) => bail!("the lab answered {other:?} where it should have said that it is ready"),
            None => return Ok(None),
        }
    }
}

/// Why a lab ended: its own last words, or the end of its log.
fn last_words(folder: &Folder) -> String {
    if let Ok(words) = fs::read_to_string(folder.last_words()) {
        return words.trim().into();
    }
    let log = fs::read_to_string(folder.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    match lines.as_slice() {
        [] => "it left no word".into(),
        lines => format!("the end of its log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n")),
    }
}

/// What the lab process inherits from [`start`].
#[derive(Debug)]
pub struct Inheritance {
    /// The bound control socket, with the starter's connection waiting.
    pub listener: UnixListener,
    /// Kept open as long as the lab lives.
    pub lock: File,
    /// What to run.
    pub definition: Definition,
}

/// In the lab process: takes what was inherited and frees the standard streams.
pub fn inherit(folder: &Folder) -> Result<Inheritance> {
    let by_hand = "`__lab` is how `vpclab up` starts a lab; it is not started by hand";
    let listener = io::stdin().as_fd().try_clone_to_owned().context(by_hand)?;
    let is_socket =
        nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(std::os::fd::AsRawFd::as_raw_fd(&listener));
    if is_socket.is_err() {
        return Err(BadInput(by_hand.into()).into());
    }
    let lock = File::from(io::stdout().as_fd().try_clone_to_owned().context(by_hand)?);
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null").context("opening /dev/null")?;
    nix::unistd::dup2_stdin(&nothing).context("freeing standard input")?;
    nix::unistd::dup2_stdout(io::stderr()).context("sending standard output to the log")?;
    nix::unistd::setsid().context("leaving the terminal's session")?;
    let json = fs::read(folder.definition()).with_context(|| format!("reading `{}`", folder.definition().display()))?;
    let definition = serde_json::from_slice(&json).context("reading lab.json")?;
    Ok(Inheritance { listener: UnixListener::from(listener), lock, definition })
}

/// The answer that carries an error over the control socket.
pub fn refused(error: &anyhow::Error) -> Answer {
    let fault = if error.is::<BadInput>() {
        Fault::Input
    } else if error.is::<CannotRun>() {
        Fault::Machine
    } else {
        Fault::Lab
    };
    Answer::Refused { message: format!("{error:#}"), fault }
}
