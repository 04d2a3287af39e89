//! What the stories of whole labs stand on: a lab per story, in a state folder of its own, as root or as an ordinary user.
//!
//! A lab is held by `vpclab up --hold`, whose standard input is this process's: when a story ends, however it ends, the
//! lab ends. Each guest is captured from the start; a story that fails leaves log, drops and captures and says where.

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes longer, even on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who runs the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// This process's own user.
    Me,
    /// From root: an ordinary user, who may open /dev/net/tun as most distributions let them.
    Nobody,
}

/// How a story's labs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub who: Who,
    pub plain_links: bool,
}

impl Setting {
    /// All that can be tried from here.
    pub fn all() -> Vec<Setting> {
        let both = |who| [false, true].map(|plain_links| Setting { who, plain_links });
        match nix::unistd::geteuid().is_root() {
            true => [both(Who::Me), both(Who::Nobody)].concat(),
            false => both(Who::Me).to_vec(),
        }
    }

    pub fn name(&self) -> &'static str {
        match (self.who, self.plain_links) {
            (Who::Me, false) => "me",
            (Who::Me, true) => "me::plain_links",
            (Who::Nobody, false) => "nobody",
            (Who::Nobody, true) => "nobody::plain_links",
        }
    }
}

/// A folder for one story: state, templates, captures; and the user who runs its commands.
pub struct Stage {
    pub setting: Setting,
    folder: Option<TempDir>,
    program: PathBuf,
    captures: RefCell<Vec<Child>>,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Its output, if it ended well.
    pub fn ok(self) -> Result<String> {
        ensure!(self.status.success(), "{}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        Ok(self.stdout)
    }
}

/// Copies a program that will be run at once. A process of its own does it: a descriptor that is open for writing here would
/// go along with whatever another story forks at that moment, and running the copy would fail with ETXTBSY.
pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg(from).arg(to).status().context("starting cp")?;
    ensure!(status.success(), "cp {} {}: {status}", from.display(), to.display());
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o755))?)
}

impl Stage {
    pub fn new(setting: Setting) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vpclab-story-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        // The checkout may lie where only root can look.
        let program = folder.path().join("vpclab");
        copy_program(Path::new(env!("CARGO_BIN_EXE_vpclab")), &program)?;
        Ok(Self { setting, folder: Some(folder), program, captures: RefCell::default() })
    }

    pub fn path(&self) -> &Path {
        self.folder.as_ref().expect("kept until the end").path()
    }

    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes a file, to be named as it is in commands.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("writing {file}"))
    }

    /// Copies a folder of `examples/`.
    pub fn example(&self, name: &str) -> Result<()> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        if from.is_dir() {
            for entry in fs::read_dir(&from)? {
                let file = entry?.file_name();
                self.example(&format!("{name}/{}", file.to_string_lossy()))?;
            }
            return Ok(());
        }
        self.write(name, &fs::read_to_string(&from).with_context(|| format!("reading example {name}"))?)
    }

    /// `vpclab` with these arguments, as the story's user, in the story's folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.setting.who {
            Who::Me => Command::new(&self.program),
            Who::Nobody => {
                let script = "set -e
                    mount -t tmpfs -o mode=0755 tmpfs /dev/net
                    mknod -m 0666 /dev/net/tun c 10 200
                    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(&self.program);
                command
            }
        };
        command
            .args(arguments)
            .current_dir(self.path())
            .env("VPCLAB_STATE", self.state())
            .env("HOME", self.path())
            // What leads a client out of the lab, if it came through.
            .env("AWS_PROFILE", "a-profile-of-the-host")
            .env("HTTPS_PROXY", "http://192.0.2.1:3128")
            .env("https_proxy", "http://192.0.2.1:3128");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Result<Done> {
        let output = self.command(arguments).stdin(Stdio::null()).output().context("starting vpclab")?;
        Ok(Done {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Starts a lab that ends with the returned [`Lab`], and captures each of its guests.
    pub fn up(&self, name: &str, arguments: &[&str]) -> Result<Lab<'_>> {
        let lab = self.start(name, arguments)?;
        lab.capture_all()?;
        Ok(lab)
    }

    /// The same without captures.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Result<Lab<'_>> {
        self.start_by(name, arguments, |command| command)
    }

    /// The same by another command than `vpclab up`, which is to become that one.
    pub fn start_by(&self, name: &str, arguments: &[&str], by: impl FnOnce(Command) -> Command) -> Result<Lab<'_>> {
        let mut all = vec!["up", "--name", name, "--hold", "--json"];
        all.extend(arguments);
        if self.setting.plain_links {
            all.push("--plain-links");
        }
        let errors = fs::File::create(self.path().join(format!("up-{name}.stderr")))?;
        let mut command = by(self.command(&all));
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.try_clone()?).spawn()?;
        let lease = holder.stdin.take();
        let stdout = holder.stdout.take().context("its standard output")?;
        let summary = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
        let Some(Ok(summary)) = summary else {
            let status = holder.wait()?;
            let said = fs::read_to_string(self.path().join(format!("up-{name}.stderr")))?;
            bail!("`vpclab {}` ended with {status}: {said}", all.join(" "));
        };
        Ok(Lab { stage: self, name: name.into(), summary, holder, lease })
    }

    /// Keeps the folder, for somebody to look into.
    pub fn keep(mut self) -> PathBuf {
        self.end_captures();
        self.folder.take().expect("kept until the end").keep()
    }

    fn end_captures(&self) {
        for mut capture in self.captures.borrow_mut().drain(..) {
            let _ = capture.wait();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.end_captures();
    }
}

/// A lab that runs; dropping it ends it.
pub struct Lab<'s> {
    stage: &'s Stage,
    pub name: String,
    pub summary: Value,
    holder: Child,
    lease: Option<ChildStdin>,
}

impl Lab<'_> {
    /// `vpclab VERB …` of this lab.
    pub fn vpclab(&self, arguments: &[&str]) -> Result<Done> {
        self.stage.run(&[&["--name", &self.name], arguments].concat())
    }

    /// The same, to be started by the caller.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.stage.command(&[&["--name", &self.name], arguments].concat())
    }

    /// A command in a guest.
    pub fn exec(&self, guest: &str, command: &[&str]) -> Result<Done> {
        self.vpclab(&[&["exec", guest, "--"], command].concat())
    }

    /// The document that a verb prints with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let done = self.vpclab(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&done.stdout).with_context(|| format!("{arguments:?}: {} {}", done.stdout, done.stderr))
    }

    /// A member of the endpoint of that name, as `up --json` said.
    pub fn endpoint(&self, name: &str) -> Result<&Value> {
        let endpoints = self.summary["endpoints"].as_array().context("endpoints")?;
        endpoints.iter().find(|endpoint| endpoint["name"] == name).with_context(|| format!("endpoint {name}"))
    }

    /// The process that holds the lease.
    pub fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// The lines of a capture so far.
    pub fn captured(&self, guest: &str) -> Result<Vec<String>> {
        let file = self.stage.path().join(self.capture_file(guest));
        let mut lines = Vec::new();
        // The last frame may be half written.
        let _ = vpclab::run::capture::read_lines(fs::File::open(file)?, &mut |line| {
            lines.push(line);
            Ok(())
        });
        Ok(lines)
    }

    /// The frames of a capture so far.
    pub fn frames(&self, guest: &str) -> Result<Vec<Vec<u8>>> {
        let file = fs::File::open(self.stage.path().join(self.capture_file(guest)))?;
        let mut reader = pcap_file::pcapng::PcapNgReader::new(file)?;
        let mut frames = Vec::new();
        // The last one may be half written.
        while let Some(Ok(block)) = reader.next_block() {
            if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block {
                frames.push(packet.data.into_owned());
            }
        }
        Ok(frames)
    }

    fn capture_file(&self, guest: &str) -> String {
        format!("capture-{}-{}.pcapng", self.name, guest.replace('/', "-"))
    }

    fn guests(&self) -> Vec<String> {
        let guests = self.summary["guests"].as_array().into_iter().flatten();
        guests.filter_map(|guest| guest["guest"].as_str().map(str::to_owned)).collect()
    }

    fn capture_all(&self) -> Result<()> {
        for guest in self.guests() {
            let file = self.capture_file(&guest);
            let capture = self
                .stage
                .command(&["--name", &self.name, "capture", &guest, "-w", &file])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            self.stage.captures.borrow_mut().push(capture);
            let path = self.stage.path().join(&file);
            wait_for("a capture to begin", || fs::metadata(&path).is_ok_and(|file| file.len() > 0))?;
        }
        Ok(())
    }
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("drops: {:?}", self.vpclab(&["drops"]));
        }
        let log = self.stage.state().join(&self.name).join("log");
        let _ = fs::copy(log, self.stage.path().join(format!("log-{}", self.name)));
        drop(self.lease.take());
        let _ = self.holder.wait();
    }
}

/// Waits for a condition; its name is what the error says.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        ensure!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// All processes whose PID namespace is this one, and the threads' names for messages.
pub fn processes_in(namespace: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|entry| fs::read_link(entry.path().join("ns/pid")).is_ok_and(|link| link == namespace))
        .map(|entry| {
            let mut comm = String::new();
            let _ = fs::File::open(entry.path().join("comm")).and_then(|mut file| file.read_to_string(&mut comm));
            format!("{} {}", entry.file_name().to_string_lossy(), comm.trim())
        })
        .collect()
}
