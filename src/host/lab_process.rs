//! The lab's process tree: `vpclab __lab` → init (PID 1 of the lab) → forwarder.
//!
//! **Purpose.** Whatever a guest starts, double-forked daemons included, must end with the lab, and the lab with its
//! forwarder, even by `kill -9`. A PID namespace gives that: when its init is gone, the kernel kills every process in it.
//!
//! **Identity.** One lab is one PID namespace, one mount namespace and, without root, one user namespace. The network
//! namespace stays the host's: real backends, metrics and browsers are reached there.
//!
//! **Life.** The outer process makes the namespaces, forks init and leaves with status 0; an error before that is its
//! caller's to print. Init forks the forwarder, reaps orphans, passes TERM, INT and HUP on, and leaves when the forwarder
//! does. The forwarder alone returns from [`become_lab`], and alone keeps the descriptors that were open before.
//!
//! **Limits.** Needs a process with a single thread: `unshare` demands it for user namespaces, `fork` for sanity.
//!
//! **Not done.** The outer process does not wait until the lab is ready: the control socket tells that.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, User, getegid, geteuid, getpid};

use super::{mounts, sys};

/// How to become a lab.
#[derive(Debug)]
pub struct LabProcessSpec {
    /// The lab's log, opened for appending: standard output and error go there.
    pub log: File,
}

/// What the forwarder knows about itself after [`become_lab`].
#[derive(Clone, Debug)]
pub struct LabProcess {
    /// Whether the lab has a user namespace of its own.
    pub rootless: bool,
    /// What works less well here than it could; for `up` to print.
    pub notes: Vec<String>,
    /// The forwarder's id, as the host sees it.
    pub forwarder_pid: u32,
    /// The id of the lab's init, as the host sees it: killing it ends the lab.
    pub init_pid: u32,
}

/// Turns this process, while it has a single thread, into a lab; returns in the forwarder only.
///
/// The process that called it ends here with status 0 once init runs. Inside, standard input is /dev/null, output and
/// error are the log, and there is no terminal.
pub fn become_lab(spec: LabProcessSpec) -> anyhow::Result<LabProcess> {
    require_single_thread()?;
    let rootless = needs_user_namespace();
    let mut notes = Vec::new();
    if rootless {
        notes.extend(enter_user_namespace()?);
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).context("making the lab's mount and PID namespace")?;
    mounts::make_private()?;
    match sys::fork().context("forking the lab's init")? {
        ForkResult::Parent { .. } => sys::exit_now(0),
        ForkResult::Child => in_init(spec, rootless, notes),
    }
}

/// Init: detaches, forks the forwarder (which returns from here), and stays.
fn in_init(spec: LabProcessSpec, rootless: bool, mut notes: Vec<String>) -> anyhow::Result<LabProcess> {
    nix::unistd::setsid().context("setsid")?;
    replace_standard_streams(spec.log)?;
    // /proc is still the host's: it tells host ids.
    let init_pid = own_id_in_proc()?;
    let watched = init_signals();
    let before = watched.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("blocking signals")?;
    let forwarder = match sys::fork().context("forking the forwarder")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            before.thread_set_mask().context("restoring the signal mask")?;
            nix::unistd::setsid().context("setsid")?;
            let forwarder_pid = own_id_in_proc()?;
            if let Err(errno) = mounts::own_procfs() {
                notes.push(format!("/proc stays the host's ({errno}): guests see the host's process ids"));
            }
            raise_open_files_limit();
            return Ok(LabProcess { rootless, notes, forwarder_pid, init_pid });
        }
    };
    // Whatever the caller holds (leases, locks, pipes) belongs to the forwarder alone, so that its end is seen.
    sys::close_from(3);
    let _ = nix::sys::prctl::set_name(c"vpclab-init");
    serve_as_init(forwarder, &watched)
}

fn init_signals() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect()
}

/// The whole life of PID 1. An init ignores signals without a handler, so those that end a lab are taken one by one.
fn serve_as_init(forwarder: Pid, watched: &SigSet) -> ! {
    loop {
        match watched.wait() {
            Ok(Signal::SIGCHLD) => reap(forwarder),
            Ok(signal) => {
                let _ = kill(forwarder, signal);
            }
            Err(_) => {}
        }
    }
}

/// Reaps all who ended; leaves with the forwarder, and the kernel kills the rest of the lab.
fn reap(forwarder: Pid) {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == forwarder => sys::exit_now(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == forwarder => sys::exit_now(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Whether a lab of this process needs a user namespace: always, unless it has what root has.
pub(super) fn needs_user_namespace() -> bool {
    const NEEDED: [u32; 3] = [
        12, // CAP_NET_ADMIN
        18, // CAP_SYS_CHROOT
        21, // CAP_SYS_ADMIN
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    !geteuid().is_root() || !NEEDED.iter().all(|bit| effective & (1 << bit) != 0)
}

/// Refuses to go on in a process with several threads.
pub(super) fn require_single_thread() -> anyhow::Result<()> {
    let threads = fs::read_dir("/proc/self/task").context("reading /proc/self/task")?.count();
    if threads != 1 {
        bail!("this process has {threads} threads where it must have one (a mistake in vpclab, please report it)");
    }
    Ok(())
}

/// What maps the ids of a user namespace: one's own id alone, or a range as well.
struct IdRange {
    start: u32,
    count: u32,
}

/// Enters a new user namespace as its root. Returns what won't work in it.
fn enter_user_namespace() -> anyhow::Result<Option<String>> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
    let ranges = subordinate_range("/etc/subuid", uid, name.as_deref()).zip(subordinate_range(
        "/etc/subgid",
        uid,
        name.as_deref(),
    ));
    let mapped = match ranges {
        Some((uids, gids)) => map_by_helpers(uid, gid, &uids, &gids)?,
        None => {
            unshare(CloneFlags::CLONE_NEWUSER).context("making a user namespace")?;
            false
        }
    };
    if !mapped {
        map_own_id(uid, gid)?;
    }
    // Mapped to 0 now; a real change only where the group list or a saved id still differs.
    nix::unistd::setresgid(0.into(), 0.into(), 0.into()).context("becoming group 0 of the namespace")?;
    nix::unistd::setresuid(0.into(), 0.into(), 0.into()).context("becoming user 0 of the namespace")?;
    Ok((!mapped).then(|| one_user_note(name.as_deref(), uid)))
}

/// What to say of a lab without a range of ids, which `newuidmap` would have given.
fn one_user_note(name: Option<&str>, uid: u32) -> String {
    let who = name.map_or_else(|| uid.to_string(), str::to_owned);
    format!(
        "guests have one user only, so daemons that change user will fail: install `newuidmap` (package uidmap or \
         shadow-utils) and give {who} a range: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}`"
    )
}

/// Says beforehand whether a rootless lab of this user will have one id only.
pub(super) fn foresee_one_user() -> Option<String> {
    let uid = geteuid().as_raw();
    let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
    let ranges = ["/etc/subuid", "/etc/subgid"];
    let has_ranges = ranges.iter().all(|file| subordinate_range(file, uid, name.as_deref()).is_some());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_helpers = ["newuidmap", "newgidmap"]
        .iter()
        .all(|program| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    (!(has_ranges && has_helpers)).then(|| one_user_note(name.as_deref(), uid))
}

/// The first range that `file` (/etc/subuid, /etc/subgid) gives to this user, by name or number.
fn subordinate_range(file: &str, uid: u32, name: Option<&str>) -> Option<IdRange> {
    parse_subordinate_range(&fs::read_to_string(file).ok()?, uid, name)
}

fn parse_subordinate_range(text: &str, uid: u32, name: Option<&str>) -> Option<IdRange> {
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let ours = owner == number || name == Some(owner);
        (ours && count > 0).then_some(IdRange { start, count })
    })
}

/// Unshares, and lets `newuidmap` and `newgidmap`, which are set-user-id, write the maps from outside. Returns whether
/// they did; when not, the maps are still unwritten.
fn map_by_helpers(uid: u32, gid: u32, uids: &IdRange, gids: &IdRange) -> anyhow::Result<bool> {
    let target = getpid();
    let (mut wait_for_us, mut we_are_inside) = std::io::pipe().context("pipe")?;
    let helper = match sys::fork().context("forking the process that maps ids")? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            drop(we_are_inside);
            let mapped = wait_for_us.read_exact(&mut [0]).is_ok()
                && run_mapper("newgidmap", target, gid, gids)
                && run_mapper("newuidmap", target, uid, uids);
            sys::exit_now(if mapped { 0 } else { 1 })
        }
    };
    drop(wait_for_us);
    let inside = unshare(CloneFlags::CLONE_NEWUSER).context("making a user namespace");
    if inside.is_ok() {
        we_are_inside.write_all(&[1]).context("waking the process that maps ids")?;
    }
    drop(we_are_inside);
    let status = waitpid(helper, None).context("waiting for the process that maps ids")?;
    inside?;
    Ok(matches!(status, WaitStatus::Exited(_, 0)))
}

fn run_mapper(program: &str, target: Pid, own: u32, range: &IdRange) -> bool {
    // Inside: 0 is the user, 1 and on are the range.
    let numbers = [target.as_raw() as u32, 0, own, 1, 1, range.start, range.count];
    Command::new(program)
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Maps this process's own ids to 0: all that an ordinary user may do alone (user_namespaces(7)).
pub(super) fn map_own_id(uid: u32, gid: u32) -> anyhow::Result<()> {
    let write =
        |file: &str, text: String| fs::write(file, &text).with_context(|| format!("writing `{text}` to {file}"));
    let written = fs::read_to_string("/proc/self/gid_map").is_ok_and(|map| !map.trim().is_empty());
    if !written {
        write("/proc/self/setgroups", "deny".to_owned())?;
        write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    write("/proc/self/uid_map", format!("0 {uid} 1"))
}

fn replace_standard_streams(log: File) -> anyhow::Result<()> {
    let null = OpenOptions::new().read(true).open("/dev/null").context("opening /dev/null")?;
    let second: OwnedFd = log.try_clone().context("duplicating the log")?.into();
    sys::replace_standard_stream(0, null.into()).context("replacing standard input")?;
    sys::replace_standard_stream(1, second).context("replacing standard output")?;
    sys::replace_standard_stream(2, log.into()).context("replacing standard error")
}

/// This process's id as the mounted /proc counts: the host's as long as that is the host's.
fn own_id_in_proc() -> anyhow::Result<u32> {
    let link = fs::read_link("/proc/self").context("reading /proc/self")?;
    let text = link.to_str().unwrap_or_default();
    text.parse().with_context(|| format!("/proc/self is `{text}`"))
}

/// Each guest holds about ten descriptors; the usual soft limit of 1,024 is for `select`, which nothing here uses.
fn raise_open_files_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::parse_subordinate_range;

    #[test]
    fn a_range_is_found_by_name_or_number() {
        let text = "root:1:2\nalice:100000:65536\n1001:300000:65536\n";
        let by_name = parse_subordinate_range(text, 1000, Some("alice")).unwrap();
        assert_eq!((by_name.start, by_name.count), (100_000, 65_536));
        let by_number = parse_subordinate_range(text, 1001, Some("bob")).unwrap();
        assert_eq!(by_number.start, 300_000);
        assert!(parse_subordinate_range(text, 1002, Some("carol")).is_none());
        assert!(parse_subordinate_range("alice:x:1\nalice:1:0", 1, Some("alice")).is_none());
    }
}
