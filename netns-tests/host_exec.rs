//! Commands in guests, and what `kill -9` leaves: nothing.
//!
//! A lab with one guest serves its namespaces on a socket; the command line is this binary in another role. Processes and
//! namespaces are looked for from outside, in the host's /proc.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use vpclab::host::*;

use crate::harness::*;
use crate::trial;

type Test = fn(Who) -> anyhow::Result<()>;

pub fn trials() -> Vec<Trial> {
    let tests: &[(&str, Test)] = &[
        ("status_and_streams", status_and_streams),
        ("signals_reach_the_command", signals_reach_the_command),
        ("daemons_outlive_their_command", daemons_outlive_their_command),
        ("the_terminal_works", the_terminal_works),
        ("kill_9_of_the_command_line", kill_9_of_the_command_line),
        ("kill_9_of_the_forwarder", kill_9_of_the_forwarder),
        ("kill_9_of_init", kill_9_of_init),
        ("kill_9_of_a_guests_process", kill_9_of_a_guests_process),
        ("term_to_init_ends_the_lab", term_to_init_ends_the_lab),
        ("several_labs_at_once", several_labs_at_once),
    ];
    let named = |who: Who| {
        tests.iter().map(move |(name, test)| {
            let test = *test;
            trial(&format!("exec::{name}::{who:?}"), move || test(who))
        })
    };
    Who::all().into_iter().flat_map(named).collect()
}

/// The roles of this file. Never returns.
pub fn play(args: &[&str]) -> ! {
    match args {
        ["serve"] => serve(),
        ["exec", socket, program, args @ ..] => exec(Path::new(socket), program, args),
        other => panic!("no role {other:?}"),
    }
}

/// A lab with the guest `a`, which hands its namespaces to whoever connects.
fn serve() -> ! {
    let ready = std::io::stdout();
    let mut ready: fs::File = std::os::fd::AsFd::as_fd(&ready).try_clone_to_owned().unwrap().into();
    let log: fs::File = std::os::fd::AsFd::as_fd(&std::io::stderr()).try_clone_to_owned().unwrap().into();
    let mut lease: fs::File = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().unwrap().into();
    let lab = become_lab(LabProcessSpec { log }).unwrap();
    std::thread::spawn(move || {
        // The end of the test, however it came, is the end of its lab.
        let _ = lease.read(&mut [0]);
        std::process::exit(0)
    });
    let (guest, _taps) = create_guest(&guest_spec("a"), LinkKind::Offload).unwrap();
    let mut first_boot = spawn_in(
        &guest,
        &GuestCommand {
            program: "sh".into(),
            // A daemon that escaped its session, and a child of the forwarder.
            args: vec!["-c".into(), "(setsid sleep 5001 &); exec sleep 5002".into()],
            ..GuestCommand::default()
        },
    )
    .unwrap();
    std::thread::spawn(move || first_boot.wait());
    let socket = test_folder().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    writeln!(ready, "{} {}", lab.forwarder_pid, lab.init_pid).unwrap();
    for caller in listener.incoming() {
        let _ = send_with_fds(caller.unwrap(), b"n", &guest.fds());
    }
    unreachable!("a listener never ends")
}

/// What `vpclab exec` does.
fn exec(socket: &Path, program: &str, args: &[&str]) -> ! {
    let run = || -> anyhow::Result<i32> {
        let lab = UnixStream::connect(socket)?;
        let (_, descriptors) = recv_with_fds(&lab, &mut [0; 1])?;
        let command = GuestCommand {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            env: vec![("FROM".into(), "exec".into())],
            cwd: Some(std::env::current_dir()?),
            ..GuestCommand::default()
        };
        run_in(&Namespaces::from_fds(descriptors)?, &command)
    };
    let status = run().unwrap_or_else(|error| {
        eprintln!("exec: {error:#}");
        125
    });
    std::process::exit(status)
}

/// A lab that serves, seen from outside.
struct Lab {
    who: Who,
    folder: TempDir,
    forwarder: Pid,
    init: Pid,
    /// Held open: its end is the lab's.
    _lease: ChildStdin,
}

impl Lab {
    fn start(who: Who) -> anyhow::Result<Lab> {
        let folder = open_folder();
        let mut outer = role(who, folder.path(), "", &["serve"])
            .current_dir("/")
            .env("VPCLAB_TEST_FOLDER", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let lease = outer.stdin.take().expect("piped");
        let mut output = BufReader::new(outer.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(outer.wait()?.success(), "the lab didn't start");
        let (forwarder, init) = line.trim().split_once(' ').context("the lab didn't start")?;
        let lab = Lab {
            who,
            folder,
            forwarder: Pid::from_raw(forwarder.parse()?),
            init: Pid::from_raw(init.parse()?),
            _lease: lease,
        };
        until("the first boot runs", || (lab.running("sleep 5001") && lab.running("sleep 5002")).then_some(()))?;
        Ok(lab)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// The command line, about to run `command` in the guest.
    fn exec(&self, command: &[&str]) -> Command {
        let socket = self.socket();
        let args = [&["exec", socket.to_str().expect("ASCII")], command].concat();
        let mut line = role(self.who, self.folder.path(), "", &args);
        line.current_dir("/usr").stdin(Stdio::null());
        line
    }

    fn spawn(&self, script: &str) -> anyhow::Result<(Child, BufReader<ChildStdout>)> {
        let mut child = self.exec(&["sh", "-c", script]).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line == "ready\n", "`{script}` said {line:?}");
        Ok((child, output))
    }

    /// The host's ids of the lab's processes.
    fn processes(&self) -> Vec<Pid> {
        let Some(ours) = namespace(self.init, "pid") else {
            return Vec::new();
        };
        all_processes().filter(|pid| namespace(*pid, "pid").as_ref() == Some(&ours)).collect()
    }

    fn find(&self, command: &str) -> Option<Pid> {
        self.processes().into_iter().find(|pid| command_line(*pid) == command)
    }

    fn running(&self, command: &str) -> bool {
        self.find(command).is_some()
    }

    /// Every namespace that the lab has and the host doesn't.
    fn own_namespaces(&self) -> BTreeSet<PathBuf> {
        let mut own = BTreeSet::new();
        for pid in self.processes() {
            own.extend(["pid", "mnt", "net", "uts", "user"].iter().filter_map(|kind| namespace(pid, kind)));
            own.extend(open_namespaces(pid));
        }
        let host = Pid::this();
        for kind in ["pid", "mnt", "net", "uts", "user"] {
            own.remove(&namespace(host, kind).expect("our own"));
        }
        own
    }

    /// Does `deed` and demands that nothing of the lab is left then.
    fn ends_by(&self, deed: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        let own = self.own_namespaces();
        let processes = self.processes();
        let kinds = own.iter().filter(|link| link.to_string_lossy().starts_with("net:")).count();
        ensure!(kinds == 1 && processes.len() >= 4, "a lab has {own:?} and {processes:?}");
        deed()?;
        until("its processes are gone", || processes.iter().all(|pid| !is_alive(*pid)).then_some(()))?;
        // Init's zombie holds its PID namespace until the machine's own init has reaped it.
        until("its namespaces are gone", || {
            let held = |pid: Pid| {
                let mut links = open_namespaces(pid);
                links.extend(["pid", "mnt", "net", "uts", "user"].iter().filter_map(|kind| namespace(pid, kind)));
                links.iter().any(|link| own.contains(link))
            };
            (!all_processes().any(held)).then_some(())
        })?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let folder = self.folder.path().to_str().expect("ASCII");
        ensure!(!mounts.contains(folder), "a mount is left: {mounts}");
        let links = Command::new("ip").args(["-o", "link"]).output()?;
        let links = String::from_utf8(links.stdout)?;
        ensure!(!links.contains("02:00:0a:00:00:0a"), "a TAP is left: {links}");
        ensure!(fs::read_dir(self.folder.path().join("a"))?.next().is_none(), "files are left");
        Ok(())
    }

    fn down(&self) -> anyhow::Result<()> {
        self.ends_by(|| Ok(kill(self.init, Signal::SIGKILL)?))
    }
}

fn all_processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
}

fn namespace(pid: Pid, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

/// Namespaces that a process holds by a descriptor.
fn open_namespaces(pid: Pid) -> BTreeSet<PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().contains(":[") && !is_pipe(link)).collect()
}

fn is_pipe(link: &Path) -> bool {
    let text = link.to_string_lossy();
    ["pipe:", "socket:", "anon_inode:"].iter().any(|kind| text.starts_with(kind))
}

fn command_line(pid: Pid) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.trim_end_matches('\0').replace('\0', " ")
}

/// Zombies count as dead: they wait for a parent that is not ours.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn status_and_streams(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let status = |command: &[&str]| -> anyhow::Result<(Option<i32>, String, String)> {
        let output = lab.exec(command).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    };
    let here = status(&["sh", "-c", "hostname; pwd; echo $FROM; ls /sys/class/net; echo no >&2; exit 7"])?;
    let guest = "ip-10-0-0-10\n/usr\nexec\neth0\nlo\n";
    ensure!(here == (Some(7), guest.to_owned(), "no\n".to_owned()), "{here:?}");
    let (missing, _, errors) = status(&["no-such-program"])?;
    ensure!(missing == Some(127) && errors.contains("vpclab: no-such-program: not found"), "{errors}");
    let (closed, _, errors) = status(&["/etc/passwd"])?;
    ensure!(closed == Some(126) && errors.contains("vpclab: /etc/passwd:"), "{errors}");
    let (killed, ..) = status(&["sh", "-c", "kill -9 $$"])?;
    ensure!(killed == Some(137), "{killed:?}");

    let mut child = lab.exec(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().expect("piped").write_all(b"through and back")?;
    let output = child.wait_with_output()?;
    ensure!(output.stdout == b"through and back" && output.status.success(), "{output:?}");
    lab.down()
}

fn signals_reach_the_command(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let handled = "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let (mut child, mut output) = lab.spawn(handled)?;
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    ensure!(text == "got it\n" && child.wait()?.code() == Some(3), "{text}");
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGHUP, 129), (Signal::SIGQUIT, 131)] {
        let (mut child, _output) = lab.spawn("echo ready; exec sleep 5003")?;
        until("the command runs", || lab.running("sleep 5003").then_some(()))?;
        kill(Pid::from_raw(child.id() as i32), signal)?;
        let ended = until(&format!("{signal} ended the command"), || child.try_wait().ok().flatten())?;
        ensure!(ended.code() == Some(status), "{signal}: {ended}");
    }
    lab.down()
}

fn daemons_outlive_their_command(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let started = lab.exec(&["sh", "-c", "sleep 5004 >/dev/null 2>&1 &"]).output()?;
    ensure!(started.status.success(), "{started:?}");
    ensure!(lab.running("sleep 5004"), "the daemon ended with its command");
    lab.down()
}

/// An interactive shell on a terminal: job control, Ctrl-C to the job alone, and the shell's status at the end.
fn the_terminal_works(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let pty = nix::pty::openpty(None, None)?;
    let shell = lab.exec(&["bash", "--norc", "-i"]);
    let mut session = Command::new("setsid");
    session.args(["--ctty", "--wait"]).arg(shell.get_program()).args(shell.get_args());
    session.env("PS1", "guest> ").env("HISTFILE", "");
    let mut child = session.stdin(pty.slave.try_clone()?).stdout(pty.slave.try_clone()?).stderr(pty.slave).spawn()?;
    drop(session);
    let mut keyboard = fs::File::from(pty.master.try_clone()?);
    let mut screen = Screen::new(fs::File::from(pty.master));
    screen.wait_for("guest> ")?;
    keyboard.write_all(b"sleep 5005\n")?;
    until("the job runs", || lab.running("sleep 5005").then_some(()))?;
    keyboard.write_all(b"\x03")?;
    until("Ctrl-C ended the job", || (!lab.running("sleep 5005")).then_some(()))?;
    keyboard.write_all(b"sleep 5006\n")?;
    until("the job runs", || lab.running("sleep 5006").then_some(()))?;
    keyboard.write_all(b"\x1a")?;
    screen.wait_for("Stopped")?;
    keyboard.write_all(b"kill -9 %1; wait; echo sum-$((40+2))\n")?;
    screen.wait_for("sum-42")?;
    keyboard.write_all(b"exit 7\n")?;
    ensure!(!screen.text().contains("no job control"), "{}", screen.text());
    let status = until("the shell leaves", || child.try_wait().ok().flatten()).with_context(|| screen.text())?;
    ensure!(status.code() == Some(7), "{status}: {}", screen.text());
    lab.down()
}

/// What a terminal has shown, read on a thread so that waiting can end.
struct Screen(std::sync::Arc<std::sync::Mutex<String>>);

impl Screen {
    fn new(mut master: fs::File) -> Screen {
        let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let filled = std::sync::Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = master.read(&mut buffer) {
                filled.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..len]));
            }
        });
        Screen(shown)
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn wait_for(&mut self, text: &str) -> anyhow::Result<()> {
        until(&format!("the terminal shows {text:?}"), || self.text().contains(text).then_some(()))
            .with_context(|| self.text())
    }
}

/// The command and what it started go, wherever they hid; the lab stays.
fn kill_9_of_the_command_line(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let script =
        "(setsid sleep 5007 &); sleep 5008 & (trap '' TERM HUP INT; exec sleep 5009) & echo ready; exec sleep 5010";
    let (mut child, _output) = lab.spawn(script)?;
    let all = ["sleep 5007", "sleep 5008", "sleep 5009", "sleep 5010"];
    until("all of it runs", || all.iter().all(|command| lab.running(command)).then_some(()))?;
    child.kill()?;
    child.wait()?;
    until("all of it is gone", || {
        let keeper = lab.processes().into_iter().any(|pid| command_line(pid).contains("--role exec"));
        (!keeper && !all.iter().any(|command| lab.running(command))).then_some(())
    })?;
    ensure!(lab.running("sleep 5001"), "the lab itself suffered");
    ensure!(lab.exec(&["true"]).status()?.success());
    lab.down()
}

fn kill_9_of_the_forwarder(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    let (mut child, _output) = lab.spawn("(setsid sleep 5011 &); echo ready; exec sleep 5012")?;
    lab.ends_by(|| Ok(kill(lab.forwarder, Signal::SIGKILL)?))?;
    let status = child.wait()?;
    ensure!(status.code() == Some(125), "exec in a lab that ended: {status}");
    Ok(())
}

fn kill_9_of_init(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    lab.ends_by(|| Ok(kill(lab.init, Signal::SIGKILL)?))
}

fn kill_9_of_a_guests_process(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    for command in ["sleep 5001", "sleep 5002"] {
        let process = lab.find(command).context("it runs")?;
        kill(process, Signal::SIGKILL)?;
        until("it is gone", || (!is_alive(process)).then_some(()))?;
    }
    ensure!(lab.exec(&["hostname"]).output()?.status.success(), "the guest is gone with its process");
    // The two that `ends_by` expects beside init and forwarder.
    let (mut child, _output) = lab.spawn("sleep 5013 & echo ready; exec sleep 5014")?;
    lab.down()?;
    child.wait()?;
    Ok(())
}

fn term_to_init_ends_the_lab(who: Who) -> anyhow::Result<()> {
    let lab = Lab::start(who)?;
    lab.ends_by(|| Ok(kill(lab.init, Signal::SIGTERM)?))
}

fn several_labs_at_once(who: Who) -> anyhow::Result<()> {
    let labs = [Lab::start(who)?, Lab::start(who)?, Lab::start(who)?];
    labs[1].down()?;
    for lab in [&labs[0], &labs[2]] {
        ensure!(lab.running("sleep 5001") && lab.exec(&["true"]).status()?.success());
    }
    labs[0].down()?;
    labs[2].down()
}
