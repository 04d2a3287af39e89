//! What the tests of `host` stand on: labs in child processes, ordinary users, relays, and waiting for conditions.
//!
//! A lab begins in a process with a single thread, which no test thread can be. So the test binary starts itself again in
//! a role (`--role NAME …`), directly or as an ordinary user. A role that becomes a lab reports over its first standard
//! output: `ok`, or what went wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;
use vpclab::host::*;

/// Nothing here takes longer, even on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who runs a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// This process's own user.
    Self_,
    /// From root: uid 65534, with one id.
    Nobody,
    /// From root: uid 65534, with a range in /etc/subuid.
    NobodyWithRange,
}

impl Who {
    /// Those that can be tried from here.
    pub fn all() -> Vec<Who> {
        match nix::unistd::geteuid().is_root() {
            true => vec![Who::Self_, Who::Nobody],
            false => vec![Who::Self_],
        }
    }
}

/// A folder that everybody may write to, for a lab's state and sockets.
pub fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("vpclab-test-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// This binary in a role, as `who`. `prepare` is shell that root runs first, in a mount namespace of its own; it may set
/// TUN_MODE and define `run`, which starts the role.
pub fn role(who: Who, folder: &Path, prepare: &str, args: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    if who == Who::Self_ && prepare.is_empty() {
        let mut command = Command::new(this);
        command.arg("--role").args(args);
        return command;
    }
    // The checkout may lie where only root can look.
    let copy = folder.join("test-program");
    if !copy.exists() {
        // By a process of its own: a descriptor open for writing here would go along with another test's fork, and the copy
        // could not be run (ETXTBSY).
        assert!(Command::new("cp").arg(&this).arg(&copy).status().unwrap().success());
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut script = "set -e\nTUN_MODE=0666\n".to_owned();
    script += match who {
        Who::Self_ => "run() { exec \"$@\"; }\n",
        _ => "run() { exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"; }\n",
    };
    script += &format!("{prepare}\n");
    if who == Who::NobodyWithRange {
        let ranges = folder.join("ranges");
        fs::write(&ranges, "65534:100000:65536\n").unwrap();
        for file in ["/etc/subuid", "/etc/subgid"] {
            script += &format!("mount --bind {} {file}\n", ranges.display());
        }
    }
    if who != Who::Self_ {
        // The node of most distributions is 0666; this one may not be.
        script += "mount -t tmpfs -o mode=0755 tmpfs /dev/net\n";
        script += "[ $TUN_MODE = none ] || mknod -m $TUN_MODE /dev/net/tun c 10 200\n";
    }
    script += "run \"$@\"\n";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]).arg(copy).arg("--role").args(args);
    command
}

/// Runs a role that becomes a lab and reports; what it says is this test's result.
pub fn in_lab(who: Who, prepare: &str, args: &[&str]) -> anyhow::Result<()> {
    let folder = open_folder();
    let path = folder.path().to_str().unwrap();
    let mut lab = role(who, folder.path(), prepare, &[&["lab"], args].concat())
        .current_dir("/")
        .env("VPCLAB_TEST_FOLDER", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut report = String::new();
    lab.stdout.take().unwrap().read_to_string(&mut report)?;
    let status = lab.wait()?;
    ensure!(status.success(), "the outer process: {status}; report: {report}");
    ensure!(report == "ok", "{report}");
    // A guest's folder is empty again without anybody's doing: its files lay on a tmpfs of its own.
    let folders = fs::read_dir(folder.path())?.flatten().filter(|entry| entry.path().is_dir());
    for guest in folders.filter(|entry| entry.file_name().len() == 1) {
        let left: Vec<_> = fs::read_dir(guest.path())?.collect();
        ensure!(left.is_empty(), "left in {}: {left:?}", guest.path().display());
    }
    Ok(())
}

/// The inside of [`in_lab`]: becomes a lab, runs `story`, reports.
pub fn report_from_lab(story: impl FnOnce(&LabProcess) -> anyhow::Result<()>) -> ! {
    let mut report: fs::File = std::io::stdout().as_fd().try_clone_to_owned().unwrap().into();
    let log: fs::File = std::io::stderr().as_fd().try_clone_to_owned().unwrap().into();
    let lab = match become_lab(LabProcessSpec { log }) {
        Ok(lab) => lab,
        Err(error) => {
            let _ = write!(report, "become_lab: {error:#}");
            std::process::exit(1)
        }
    };
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(&lab)));
    let text = match told {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "panicked, see above".to_owned(),
    };
    let _ = report.write_all(text.as_bytes());
    std::process::exit(0)
}

/// The folder that the test gave to this role.
pub fn test_folder() -> PathBuf {
    std::env::var_os("VPCLAB_TEST_FOLDER").expect("the test sets it").into()
}

/// Waits until `condition` holds, at most [`PATIENCE`].
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if start.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} in vain until {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A guest with one interface in 10.0.0.0/24, named `a` (10.0.0.10), `b` (10.0.0.11), ….
pub fn guest_spec(name: &str) -> GuestSpec {
    let number = 10 + name.as_bytes()[0] - b'a';
    GuestSpec {
        files: Vec::new(),
        name: name.to_owned(),
        hostname: format!("ip-10-0-0-{number}"),
        interfaces: vec![InterfaceSpec {
            name: "eth0".to_owned(),
            mac: [0x02, 0, 10, 0, 0, number],
            addresses: vec![(Ipv4Addr::new(10, 0, 0, number), 24)],
            mtu: GUEST_MTU,
            gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
        }],
        resolver: Ipv4Addr::new(10, 0, 0, 2),
        search: Some("ec2.internal".to_owned()),
        hosts: vec![(Ipv4Addr::new(10, 0, 0, 99), "written-by-hand".to_owned())],
        ca_pem: "-----BEGIN CERTIFICATE-----\nthe-lab\n-----END CERTIFICATE-----\n".to_owned(),
        state: test_folder().join(name),
        hidden: vec![test_folder().join("secret")],
    }
}

/// Runs a shell script in a guest; its output, or an error when it fails.
pub fn sh(guest: &Namespaces, script: &str) -> anyhow::Result<String> {
    let (mut output, writer) = std::io::pipe()?;
    let errors = writer.try_clone()?;
    let mut child = spawn_in(
        guest,
        &GuestCommand {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            stdout: Some(writer.into()),
            stderr: Some(errors.into()),
            ..GuestCommand::default()
        },
    )?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    let status = child.wait()?;
    ensure!(status.success(), "`{script}`: {status}: {text}");
    Ok(text)
}

/// What a relay has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The longest frame, without vnet header.
    pub longest: AtomicU64,
    /// Frames whose vnet header asked for segmentation.
    pub segmented: AtomicU64,
    /// Frames whose checksum was partial.
    pub partial: AtomicU64,
}

/// Copies frames between two TAPs for as long as this process lives. `change` may rewrite a frame (without its vnet
/// header) that came from the first (`true`) or the second.
pub fn relay(one: Tap, other: Tap, change: impl Fn(bool, &mut [u8]) + Send + 'static) -> Arc<Seen> {
    let seen = Arc::new(Seen::default());
    let watched = Arc::clone(&seen);
    std::thread::spawn(move || {
        let header = match one.kind() {
            LinkKind::Offload => 10,
            LinkKind::Plain => 0,
        };
        let mut buffer = vec![0; READ_BUFFER];
        loop {
            wait_readable(&one, &other);
            for (from, to, first) in [(&one, &other, true), (&other, &one, false)] {
                while let Ok(len) = from.read(&mut buffer) {
                    let frame = &mut buffer[..len];
                    watched.longest.fetch_max((len - header) as u64, Ordering::Relaxed);
                    if header > 0 {
                        watched.partial.fetch_add(u64::from(frame[0] & 1), Ordering::Relaxed);
                        watched.segmented.fetch_add(u64::from(frame[1] != 0), Ordering::Relaxed);
                    }
                    change(first, &mut frame[header..]);
                    // A full queue is a lost frame, as on any wire.
                    let _ = to.write(frame);
                }
            }
        }
    });
    seen
}

fn wait_readable(one: &Tap, other: &Tap) {
    let mut events = [one, other].map(|tap| PollFd::new(tap.as_fd(), PollFlags::POLLIN));
    let _ = poll(&mut events, PollTimeout::NONE);
}

/// Two guests, `a` and `b`, on one wire.
pub fn two_guests(kind: LinkKind) -> anyhow::Result<(Namespaces, Namespaces, Arc<Seen>)> {
    let (a, mut tap_a) = create_guest(&guest_spec("a"), kind)?;
    let (b, mut tap_b) = create_guest(&guest_spec("b"), kind)?;
    let seen = relay(tap_a.remove(0), tap_b.remove(0), |_, _| {});
    Ok((a, b, seen))
}
