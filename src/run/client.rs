//! The command line's side of the control socket: blocking, one connection per question.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};

use super::protocol::{Answer, Fault, Request};
use super::state::Folder;
use super::{BadInput, CannotRun};
use crate::host;

/// A line longer than this is not an answer of ours.
const LONGEST_LINE: usize = 64 << 20;

/// A connection to a lab.
#[derive(Debug)]
pub struct Client {
    lab: String,
    stream: UnixStream,
    buffer: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Client {
    /// Connects to the lab in that folder.
    pub fn connect(folder: &Folder) -> Result<Self> {
        let stream = folder.connect().with_context(|| format!("connecting to lab `{}`", folder.name()))?;
        Ok(Self { lab: folder.name().into(), stream, buffer: Vec::new(), descriptors: VecDeque::new() })
    }

    /// Asks.
    pub fn send(&mut self, request: &Request) -> Result<()> {
        let mut line = serde_json::to_vec(request).expect("a request is plain data");
        line.push(b'\n');
        self.stream.write_all(&line).with_context(|| format!("asking lab `{}`", self.lab))
    }

    /// The next answer; `None` when the lab closed the connection. A refusal is an error.
    pub fn answer(&mut self) -> Result<Option<Answer>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return match serde_json::from_slice(&line).context("reading the lab's answer")? {
                    Answer::Refused { message, fault: Fault::Input } => Err(BadInput(message).into()),
                    Answer::Refused { message, fault: Fault::Machine } => Err(CannotRun(message).into()),
                    Answer::Refused { message, fault: Fault::Lab } => bail!("{message}"),
                    answer => Ok(Some(answer)),
                };
            }
            if self.buffer.len() > LONGEST_LINE {
                bail!("lab `{}` sent a line without end", self.lab);
            }
            let mut chunk = [0; 64 * 1024];
            let received = host::recv_with_fds(&self.stream, &mut chunk);
            let (len, descriptors) = match received {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                other => other.with_context(|| format!("listening to lab `{}`", self.lab))?,
            };
            self.descriptors.extend(descriptors);
            if len == 0 {
                return Ok(None);
            }
            self.buffer.extend_from_slice(&chunk[..len]);
        }
    }

    /// The next answer, which must come.
    pub fn expect(&mut self) -> Result<Answer> {
        self.answer()?.with_context(|| format!("lab `{}` ended while it was asked; its log says why", self.lab))
    }

    /// Asks and returns the one answer.
    pub fn call(&mut self, request: &Request) -> Result<Answer> {
        self.send(request)?;
        self.expect()
    }

    /// The descriptors that came so far.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        self.descriptors.drain(..).collect()
    }

    /// Gives up on an answer after this time.
    pub fn set_patience(&self, patience: std::time::Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(patience)).with_context(|| format!("asking lab `{}`", self.lab))
    }

    /// Says that nothing more will be asked: a capture ends with what was copied so far.
    pub fn finish(&self) -> Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write).with_context(|| format!("leaving lab `{}`", self.lab))
    }

    /// What follows the last answer, as plain bytes.
    pub fn into_bytes(self) -> impl Read {
        io::Cursor::new(self.buffer).chain(self.stream)
    }
}
