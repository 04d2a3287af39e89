//! Running commands inside a guest.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Child;

use super::namespace::Namespaces;

/// A command to run in a guest.
#[derive(Debug, Default)]
pub struct GuestCommand {
    /// Looked up in the command's own PATH, in the guest.
    pub program: OsString,
    /// Without the program's name.
    pub args: Vec<OsString>,
    /// Set on top of the inherited environment, or alone with `clear_env`.
    pub env: Vec<(OsString, OsString)>,
    /// Inherit nothing.
    pub clear_env: bool,
    /// Inherited when `None`; so are the next two.
    pub stdin: Option<OwnedFd>,
    /// Standard output.
    pub stdout: Option<OwnedFd>,
    /// Standard error.
    pub stderr: Option<OwnedFd>,
    /// The folder to start in; when `None` or missing in the guest, the root.
    pub cwd: Option<PathBuf>,
}

/// Starts `command` in the guest and returns at once: for first-boot scripts, from the forwarder.
pub fn spawn_in(_namespaces: &Namespaces, _command: &GuestCommand) -> anyhow::Result<Child> {
    anyhow::bail!("running commands in guests is not built yet")
}

/// Runs `command` in the guest to its end and returns its exit status, as a shell would see it: for `exec`, from the
/// command line's process, while it has a single thread.
pub fn run_in(_namespaces: &Namespaces, _command: &GuestCommand) -> anyhow::Result<i32> {
    anyhow::bail!("running commands in guests is not built yet")
}
