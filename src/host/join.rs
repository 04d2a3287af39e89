//! Running commands inside a guest: first-boot scripts from the forwarder, `exec` from the command line.
//!
//! **Purpose.** `exec` must feel as if the command ran here: terminal, job control, signals, exit status.
//!
//! **Identity.** Three processes: the command line (host) → keeper (guest's namespaces, the lab's PID namespace) →
//! command. A fourth, the joiner, lives just long enough to fork the keeper into the PID namespace.
//!
//! **Life.** Keeper and command stay in the command line's process group and session, so the terminal's Ctrl-C and Ctrl-Z
//! reach them without help; a signal that a *process* sent to the command line is passed over a socket pair. The keeper
//! answers on it with the exit status. When the command ends, what it left in the background lives on, as after
//! `docker exec`. When the command line dies, by `kill -9` too, the keeper sees the end of the socket and kills the
//! command and all its descendants, whose reaper it is.
//!
//! **Time.** No timers.
//!
//! **Not done.** Job-control signals (TSTP, CONT) from other processes are not passed on; WINCH needs no help.

use std::ffi::{CString, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, getpgrp, getpid, getppid};

use super::lab_process::require_single_thread;
use super::namespace::Namespaces;
use super::sys;

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

/// Signals that the command line passes on when a process sent them; the terminal's own reach the command directly.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];

/// The keeper's answers: a byte that says which, then the status (`i32`, little endian) or the error's text.
const ENDED: u8 = b'S';
const FAILED: u8 = b'E';

/// Starts `command` in the guest and returns at once: for first-boot scripts, from the forwarder.
///
/// It ends with the lab. Its parent is this process: wait for it, on a thread that may block.
pub fn spawn_in(namespaces: &Namespaces, command: &GuestCommand) -> anyhow::Result<Child> {
    let mut child = build(command)?;
    let joined = namespaces.try_clone().context("duplicating the namespaces")?;
    let folder = match &command.cwd {
        Some(folder) => CString::new(folder.as_os_str().as_bytes()).context("the folder to start in")?,
        None => c"/".to_owned(),
    };
    let open_mask = SigSet::empty();
    sys::before_exec(&mut child, move || {
        enter_guest(&joined)?;
        nix::unistd::chdir(folder.as_c_str()).or_else(|_| nix::unistd::chdir(c"/"))?;
        open_mask.thread_set_mask()?;
        Ok(())
    });
    child.spawn().with_context(|| format!("starting `{}` in the guest", command.program.display()))
}

/// Runs `command` in the guest to its end and returns its exit status, as a shell would see it (127 not found, 126 not
/// executable, 128 + n ended by signal n): for `exec`, from the command line's process, while it has a single thread.
///
/// An error means that the command never ran, or that the lab ended under it.
pub fn run_in(namespaces: &Namespaces, command: &GuestCommand) -> anyhow::Result<i32> {
    require_single_thread()?;
    let (ours, keepers) = UnixStream::pair().context("socketpair")?;
    let passed_on: SigSet = PASSED_ON.into_iter().collect();
    let before = passed_on.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("blocking signals")?;
    let signals = SignalFd::with_flags(&passed_on, SfdFlags::SFD_CLOEXEC).context("signalfd")?;
    // The keeper's parent, the joiner, leaves at once: its next reaper must be us, since a container's PID 1 may not reap.
    let was_reaper = nix::sys::prctl::get_child_subreaper().unwrap_or(false);
    nix::sys::prctl::set_child_subreaper(true).context("becoming the keeper's reaper")?;
    let (mut keepers_pid, tell_pid) = io::pipe().context("pipe")?;
    let foreground = nix::unistd::tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
    match sys::fork().context("forking")? {
        ForkResult::Child => {
            drop((ours, signals, keepers_pid));
            run_joiner(namespaces, command, keepers, tell_pid)
        }
        ForkResult::Parent { child } => {
            drop((keepers, tell_pid));
            let joined = waitpid(child, None).context("waiting for the joiner");
            let status = joined.and_then(|_| converse(&ours, &signals));
            // It has answered and is leaving. Unreaped it would hold the lab's PID namespace.
            let mut keeper = [0; 4];
            if keepers_pid.read_exact(&mut keeper).is_ok() {
                let _ = waitpid(Pid::from_raw(i32::from_ne_bytes(keeper)), None);
            }
            let _ = nix::sys::prctl::set_child_subreaper(was_reaper);
            if foreground {
                take_terminal_back();
            }
            // An unread signal of this set would now end this process instead of the command that is gone.
            while let Ok(true) = readable(&signals) {
                let _ = signals.read_signal();
            }
            before.thread_set_mask().context("restoring the signal mask")?;
            status
        }
    }
}

/// The command line's side: passes signals, waits for the answer.
fn converse(keeper: &UnixStream, signals: &SignalFd) -> anyhow::Result<i32> {
    loop {
        let mut events =
            [PollFd::new(keeper.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        wait_for(&mut events)?;
        if is_ready(&events[1]) {
            if let Some(signal) = signals.read_signal().context("reading a signal")? {
                // A positive code is the kernel's, here the terminal driver's: the whole group has it already.
                if signal.ssi_code <= 0 {
                    let _ = (&mut &*keeper).write_all(&[signal.ssi_signo as u8]);
                }
            }
        } else if is_ready(&events[0]) {
            let mut answer = Vec::new();
            (&mut &*keeper).read_to_end(&mut answer).context("reading the exit status")?;
            return read_answer(&answer);
        }
    }
}

fn read_answer(answer: &[u8]) -> anyhow::Result<i32> {
    match answer {
        [ENDED, a, b, c, d] => Ok(i32::from_le_bytes([*a, *b, *c, *d])),
        [FAILED, text @ ..] => bail!("{}", String::from_utf8_lossy(text)),
        _ => bail!("the lab ended while the command ran"),
    }
}

/// Joins what must be joined before the fork, forks the keeper and leaves. Never returns: it is a copy of the caller.
fn run_joiner(
    namespaces: &Namespaces,
    command: &GuestCommand,
    mut caller: UnixStream,
    mut tell_pid: io::PipeWriter,
) -> ! {
    let forked = enter_lab(namespaces).and_then(|()| sys::fork().context("forking in the lab"));
    match forked {
        Ok(ForkResult::Parent { child }) => {
            let _ = tell_pid.write_all(&child.as_raw().to_ne_bytes());
            sys::exit_now(0)
        }
        Ok(ForkResult::Child) => {
            drop(tell_pid);
            let answer = match keep(namespaces, command, &mut caller) {
                Ok(status) => [&[ENDED][..], &status.to_le_bytes()].concat(),
                Err(error) => [&[FAILED][..], format!("{error:#}").as_bytes()].concat(),
            };
            let _ = caller.write_all(&answer);
            sys::exit_now(0)
        }
        Err(error) => {
            let _ = caller.write_all(&[&[FAILED][..], format!("{error:#}").as_bytes()].concat());
            sys::exit_now(0)
        }
    }
}

/// The user namespace first, since it gives the right to join the others; the PID namespace holds from the next fork on.
fn enter_lab(namespaces: &Namespaces) -> anyhow::Result<()> {
    if !is_own_user_namespace(&namespaces.user)? {
        setns(&namespaces.user, CloneFlags::CLONE_NEWUSER)
            .context("joining the lab's user namespace (does the lab belong to another user?)")?;
        // For a caller whose own id is not mapped, such as root in an ordinary user's lab; else no change.
        let _ = nix::unistd::setresgid(0.into(), 0.into(), 0.into());
        let _ = nix::unistd::setresuid(0.into(), 0.into(), 0.into());
    }
    setns(&namespaces.pid, CloneFlags::CLONE_NEWPID).context("joining the lab's PID namespace")
}

/// Joining the user namespace that one is in is refused (EINVAL).
fn is_own_user_namespace(user: &OwnedFd) -> anyhow::Result<bool> {
    let own = fs::metadata("/proc/self/ns/user").context("reading /proc/self/ns/user")?;
    let theirs = nix::sys::stat::fstat(user).context("fstat of the user namespace")?;
    Ok(own.dev() == theirs.st_dev && own.ino() == theirs.st_ino)
}

fn enter_guest(namespaces: &Namespaces) -> nix::Result<()> {
    setns(&namespaces.mount, CloneFlags::CLONE_NEWNS)?;
    setns(&namespaces.net, CloneFlags::CLONE_NEWNET)?;
    setns(&namespaces.uts, CloneFlags::CLONE_NEWUTS)
}

/// The keeper: starts the command, passes signals to it, and answers for its descendants.
fn keep(namespaces: &Namespaces, command: &GuestCommand, caller: &mut UnixStream) -> anyhow::Result<i32> {
    enter_guest(namespaces).context("joining the guest's namespaces (is the lab another user's?)")?;
    nix::sys::prctl::set_child_subreaper(true).context("becoming the reaper of the command's orphans")?;
    let children: SigSet = std::iter::once(Signal::SIGCHLD).collect();
    children.thread_block().context("blocking SIGCHLD")?;
    let ended = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC).context("signalfd")?;
    let folder = command.cwd.clone().unwrap_or_else(|| PathBuf::from("/"));
    std::env::set_current_dir(&folder).or_else(|_| std::env::set_current_dir("/")).context("chdir")?;

    let mut child = build(command)?;
    let keeper = getpid();
    let open_mask = SigSet::empty();
    sys::before_exec(&mut child, move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != keeper {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        open_mask.thread_set_mask()?;
        Ok(())
    });
    let started = match child.spawn() {
        Ok(started) => Pid::from_raw(started.id() as i32),
        Err(error) => return Ok(explain_failed_start(command, &error)),
    };
    // Holds descriptors that were meant for the command.
    drop(child);
    attend(started, caller, &ended)
}

fn explain_failed_start(command: &GuestCommand, error: &io::Error) -> i32 {
    // `execvp` says EACCES when it could not look into some folder of PATH, even if no other has the program either.
    let missing = error.kind() == io::ErrorKind::NotFound || !is_somewhere(command);
    let why = match missing {
        true => "not found in the guest".to_owned(),
        false => error.to_string(),
    };
    let _ = writeln!(io::stderr(), "vpclab: {}: {why}", command.program.display());
    if missing { 127 } else { 126 }
}

/// Whether the program's name leads to a file, by the PATH that the command was to have.
fn is_somewhere(command: &GuestCommand) -> bool {
    if command.program.as_bytes().contains(&b'/') {
        return PathBuf::from(&command.program).exists();
    }
    let given = command.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let inherited = || (!command.clear_env).then(|| std::env::var_os("PATH")).flatten();
    let path = given.or_else(inherited).unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(&command.program).exists())
}

fn attend(command: Pid, caller: &mut UnixStream, ended: &SignalFd) -> anyhow::Result<i32> {
    loop {
        let mut events =
            [PollFd::new(ended.as_fd(), PollFlags::POLLIN), PollFd::new(caller.as_fd(), PollFlags::POLLIN)];
        wait_for(&mut events)?;
        let (child_ended, caller_spoke) = (is_ready(&events[0]), is_ready(&events[1]));
        if child_ended {
            let _ = ended.read_signal();
            if let Some(status) = reap(command) {
                return Ok(status);
            }
        }
        if caller_spoke {
            let mut signal = [0];
            match caller.read(&mut signal) {
                Ok(1) => {
                    if let Ok(signal) = Signal::try_from(i32::from(signal[0])) {
                        let _ = kill(command, signal);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The command line is gone, and what it ran goes with it.
                _ => {
                    kill_descendants();
                    sys::exit_now(0)
                }
            }
        }
    }
}

/// Reaps all who ended; the command's status once it is among them.
fn reap(command: Pid) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == command => return Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                return Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Kills children until there are none: each one's own children become ours when it dies.
fn kill_descendants() {
    loop {
        for child in children() {
            let _ = kill(child, Signal::SIGKILL);
        }
        if waitpid(None, None) == Err(Errno::ECHILD) {
            return;
        }
    }
}

/// This process's children, by their ids in its own PID namespace. The mounted /proc may count in another one, so its
/// numbers are translated (`NSpid` ends with the innermost).
fn children() -> Vec<Pid> {
    let own = fs::read_link("/proc/self").unwrap_or_default();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter_map(|status| {
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
            let ours = field("PPid:")?.trim() == own.to_str()?;
            let id = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
            ours.then(|| Pid::from_raw(id))
        })
        .collect()
}

/// An interactive shell may have left the terminal to its own process group.
fn take_terminal_back() {
    let output: SigSet = std::iter::once(Signal::SIGTTOU).collect();
    if let Ok(before) = output.thread_swap_mask(SigmaskHow::SIG_BLOCK) {
        let _ = nix::unistd::tcsetpgrp(io::stdin(), getpgrp());
        let _ = before.thread_set_mask();
    }
}

fn build(command: &GuestCommand) -> anyhow::Result<Command> {
    let mut child = Command::new(&command.program);
    child.args(&command.args);
    if command.clear_env {
        child.env_clear();
    }
    child.envs(command.env.iter().map(|(name, value)| (name, value)));
    let stream = |given: &Option<OwnedFd>| -> anyhow::Result<Stdio> {
        Ok(match given {
            Some(descriptor) => descriptor.try_clone().context("duplicating a stream")?.into(),
            None => Stdio::inherit(),
        })
    };
    child.stdin(stream(&command.stdin)?);
    child.stdout(stream(&command.stdout)?);
    child.stderr(stream(&command.stderr)?);
    Ok(child)
}

fn wait_for(events: &mut [PollFd<'_>]) -> anyhow::Result<()> {
    match poll(events, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("poll"),
    }
}

fn is_ready(event: &PollFd<'_>) -> bool {
    event.revents().is_some_and(|events| !events.is_empty())
}

fn readable(descriptor: &impl AsFd) -> nix::Result<bool> {
    let mut events = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut events, PollTimeout::ZERO)? > 0)
}
