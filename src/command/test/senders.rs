//! The helpers that send packets from guests: one process for each guest, started as `exec` starts any command.
//!
//! What to send goes down a pipe, what happened comes up another ([`super::probe`]). A thread for each helper reads its news
//! into one channel; its bound holds a helper up that is faster than its reader.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::probe::{Errand, News, Task};
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state::Folder;

/// News that wait to be looked at.
const WAITING: usize = 1024;

/// Helpers by guest.
pub struct Senders<'f> {
    folder: &'f Folder,
    helpers: BTreeMap<String, Helper>,
    sender: SyncSender<Message>,
    messages: Receiver<Message>,
}

struct Helper {
    child: Child,
    errands: ChildStdin,
}

enum Message {
    News(News),
    Gone(String),
}

impl<'f> Senders<'f> {
    /// None yet: a guest's is started with its first errand.
    pub fn new(folder: &'f Folder) -> Self {
        let (sender, messages) = sync_channel(WAITING);
        Self { folder, helpers: BTreeMap::new(), sender, messages }
    }

    /// Sends a guest's helper on an errand.
    pub fn ask(&mut self, guest: &str, number: usize, task: Task) -> Result<()> {
        if !self.helpers.contains_key(guest) {
            let helper = self.start(guest).with_context(|| format!("starting the helper in guest `{guest}`"))?;
            self.helpers.insert(guest.to_owned(), helper);
        }
        let helper = self.helpers.get_mut(guest).context("it was started just now")?;
        let mut line = serde_json::to_vec(&Errand { number, task }).expect("an errand is plain data");
        line.push(b'\n');
        helper.errands.write_all(&line).with_context(|| format!("asking the helper in guest `{guest}`"))
    }

    /// The next news, if any come in this time.
    pub fn news(&self, patience: Duration) -> Result<Option<News>> {
        match self.messages.recv_timeout(patience) {
            Ok(Message::News(news)) => Ok(Some(news)),
            Ok(Message::Gone(guest)) => bail!("the helper in guest `{guest}` ended too early"),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("nobody sends any more"),
        }
    }

    /// Ends all helpers.
    pub fn end(mut self) -> Result<()> {
        for (guest, Helper { mut child, errands }) in std::mem::take(&mut self.helpers) {
            drop(errands);
            child.wait().with_context(|| format!("waiting for the helper in guest `{guest}`"))?;
        }
        Ok(())
    }

    fn start(&self, guest: &str) -> Result<Helper> {
        let program = programs(self.folder, guest)?.join("vpclab");
        let mut child = exec(self.folder, guest, &[])?
            .arg(program)
            .arg("__probe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting `vpclab exec`")?;
        let errands = child.stdin.take().context("its standard input")?;
        let news = child.stdout.take().context("its standard output")?;
        let (sender, guest) = (self.sender.clone(), guest.to_owned());
        thread::Builder::new()
            .name("news".into())
            .spawn(move || {
                for line in BufReader::new(news).lines().map_while(Result::ok) {
                    let Ok(news) = serde_json::from_str(&line) else { break };
                    if sender.send(Message::News(news)).is_err() {
                        return;
                    }
                }
                // Nobody listens any more when the test is over.
                let _ = sender.send(Message::Gone(guest));
            })
            .context("starting the thread that hears its news")?;
        Ok(Helper { child, errands })
    }
}

impl Drop for Senders<'_> {
    fn drop(&mut self) {
        for helper in self.helpers.values_mut() {
            let _ = helper.child.kill();
            let _ = helper.child.wait();
        }
    }
}

/// `vpclab exec GUEST -- …`: the program and its arguments are still to be added. A process of its own enters the guest, as
/// that takes one with a single thread.
pub fn exec(folder: &Folder, guest: &str, options: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding vpclab's own program file")?);
    command.args(["--name", folder.name(), "exec"]).args(options).args([guest, "--"]);
    Ok(command)
}

/// Where the guest has this very program, whatever its PATH leads to.
fn programs(folder: &Folder, guest: &str) -> Result<Box<Path>> {
    match Client::connect(folder)?.call(&Request::Enter { guest: guest.into() })? {
        Answer::Entered { programs, .. } => Ok(programs.into()),
        other => bail!("the lab answered {other:?} instead of the guest's namespaces"),
    }
}
