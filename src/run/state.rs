//! The state folder: one folder per lab, and the lock that says whether the lab lives.
//!
//! **Purpose.** Everything that a lab leaves on disk is below one folder, so that "nothing is left" can be checked and
//! a dead lab can be swept away.
//!
//! **Identity.** A lab's name is its folder's name below the root: `$VPCLAB_STATE`, else `$XDG_STATE_HOME/vpclab`, else
//! `~/.local/state/vpclab`.
//!
//! **Life.** `up` creates the folder and takes an exclusive `flock` on `lock` in it; the lab process inherits that open
//! file and keeps it until its last process is gone. The kernel drops the lock with the last descriptor, so a free lock
//! means a dead lab, however it died. A dead lab's folder is stale: the next `up` of that name, and any `down`, sweeps it.
//!
//! **Limits.** Names have at most 40 characters. A unix socket's path has at most 107 bytes; sockets are therefore bound
//! and reached through `/proc/self/fd/N/control.sock`, whatever the length of the folder's path.
//!
//! **Not done.** No file says "running": a flag in a file outlives the process that wrote it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::BadInput;

const LONGEST_NAME: usize = 40;

/// Where the folders of all labs are.
pub fn root() -> Result<PathBuf> {
    let from = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = if let Some(path) = from("VPCLAB_STATE") {
        path
    } else if let Some(path) = from("XDG_STATE_HOME") {
        path.join("vpclab")
    } else if let Some(home) = from("HOME") {
        home.join(".local/state/vpclab")
    } else {
        return Err(
            BadInput("there is no place for the lab's state: set VPCLAB_STATE to a folder, or HOME".into()).into()
        );
    };
    std::path::absolute(&path).with_context(|| format!("the state folder `{}`", path.display()))
}

/// Turns any text (a file's stem, a folder's name) into a lab name.
pub fn name_from(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(LONGEST_NAME)
        .collect();
    while name.ends_with('-') {
        name.pop();
    }
    let name = name.trim_start_matches('-');
    if name.is_empty() { "lab".into() } else { name.into() }
}

fn check_name(name: &str) -> Result<()> {
    let fits = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with(['.', '-'])
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if fits {
        return Ok(());
    }
    Err(BadInput(format!(
        "`{name}` can't be a lab's name: use up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, and start with a letter \
         or digit"
    ))
    .into())
}

/// The folder of one lab, whether it lives or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    name: String,
    path: PathBuf,
}

/// Holds a lab's folder; whoever has a copy of this open file keeps the lab's name taken.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// The open file, to hand to the lab process.
    pub fn into_file(self) -> File {
        self.0
    }
}

/// Waits for the end of a lab.
///
/// The lock is free when the forwarder is gone; the lab's init is gone when every process of the lab is, as the kernel
/// kills and reaps a PID namespace before it lets its init go.
#[derive(Debug)]
pub struct DeathWatch {
    name: String,
    lock: Option<File>,
    init: Option<(u32, String)>,
}

/// How long a lab that was told to end has for it; then its init is killed, and everything with it.
const GRACE: Duration = Duration::from_secs(10);

impl DeathWatch {
    /// Returns when the last process is gone; kills a lab that does not end by itself.
    pub fn wait(self) -> Result<()> {
        let end = Instant::now() + GRACE;
        let mut killed = false;
        while !self.is_over()? {
            if Instant::now() >= end && !std::mem::replace(&mut killed, true) {
                self.kill()?;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn is_over(&self) -> Result<bool> {
        if let Some(lock) = &self.lock {
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(false),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("waiting for the end of lab `{}`", self.name));
                }
            }
        }
        Ok(self.init.as_ref().is_none_or(|(id, born)| started_at(*id).as_ref() != Some(born)))
    }

    fn kill(&self) -> Result<()> {
        let Some((id, born)) = &self.init else { return Ok(()) };
        if started_at(*id).as_ref() != Some(born) {
            return Ok(());
        }
        let id = i32::try_from(*id).context("a process id")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL)
            .with_context(|| format!("lab `{}` does not end; killing its init, process {id}", self.name))
    }
}

/// When a process was born, in the kernel's ticks; `None` for one that is gone or waits to be reaped. With its id, that
/// is a name which no later process has (proc_pid_stat(5), fields 3 and 22).
fn started_at(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let born = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| born.to_owned())
}

impl Folder {
    /// The folder of the lab of this name; nothing is created.
    pub fn of(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self { name: name.into(), path: root()?.join(name) })
    }

    /// The folder at this path, as the lab process is told.
    pub fn at(path: &Path) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).context("a lab's folder has a name")?;
        check_name(name)?;
        Ok(Self { name: name.into(), path: path.into() })
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lab's log.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where connection notifications are written.
    pub fn notifications(&self) -> PathBuf {
        self.path.join("notifications")
    }

    /// Where flow logs are written that name no file of their own.
    pub fn flow_logs(&self) -> PathBuf {
        self.path.join("flow-logs")
    }

    /// What the lab was started with.
    pub fn definition(&self) -> PathBuf {
        self.path.join("lab.json")
    }

    /// Why the lab ended, when it did not end as it was told to.
    pub fn last_words(&self) -> PathBuf {
        self.path.join("last-words")
    }

    /// Creates the folder, swept of whatever a dead lab left, and locks it. `None` when a lab of this name lives.
    pub fn claim(&self) -> Result<Option<Lock>> {
        loop {
            fs::create_dir_all(&self.path)
                .with_context(|| format!("creating the lab's folder `{}`", self.path.display()))?;
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))
                .with_context(|| format!("making `{}` private", self.path.display()))?;
            match self.try_lock()? {
                Attempt::Free(lock) => {
                    self.sweep()?;
                    return Ok(Some(lock));
                }
                Attempt::Held => return Ok(None),
                Attempt::Gone => continue, // removed between the two steps: once more
            }
        }
    }

    /// Whether a lab lives in it.
    pub fn lives(&self) -> bool {
        matches!(self.try_lock_existing(), Ok(Attempt::Held))
    }

    /// Watches for the end of the lab, whose folder may be gone by then.
    pub fn watch(&self) -> Result<DeathWatch> {
        let lock = match File::open(self.path.join("lock")) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("opening the lock of lab `{}`", self.name)),
        };
        let init = fs::read_to_string(self.path.join("init")).ok().and_then(|text| {
            let (id, born) = text.trim().split_once(' ')?;
            Some((id.parse().ok()?, born.to_owned()))
        });
        Ok(DeathWatch { name: self.name.clone(), lock, init })
    }

    /// Notes the lab's init: the process that is gone last. `id` is the host's name for it, `own_id` that of the /proc
    /// which is mounted here.
    pub fn note_init(&self, id: u32, own_id: u32) -> Result<()> {
        let born = started_at(own_id).context("reading when the lab's init was born")?;
        fs::write(self.path.join("init"), format!("{id} {born}\n")).context("noting the lab's init")
    }

    /// Waits until the lab's last process is gone, then removes the folder.
    pub fn remove_when_dead(&self) -> Result<()> {
        self.watch()?.wait()?;
        self.remove()
    }

    /// Removes the folder with everything in it. It gets out of the way of a new lab of the same name first.
    pub fn remove(&self) -> Result<()> {
        let aside = self.path.with_file_name(format!(".{}-{}", self.name, std::process::id()));
        match fs::rename(&self.path, &aside) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("moving `{}` aside", self.path.display())),
        }
        remove_tree(&aside).with_context(|| format!("removing the lab's folder, now `{}`", aside.display()))
    }

    /// Binds the control socket.
    pub fn listen(&self) -> Result<UnixListener> {
        let (folder, path) = self.short_socket_path()?;
        let listener =
            UnixListener::bind(&path).with_context(|| format!("binding the control socket of lab `{}`", self.name));
        drop(folder);
        listener
    }

    /// Connects to the control socket.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let (folder, path) = self.short_socket_path().map_err(io::Error::other)?;
        let stream = UnixStream::connect(path);
        drop(folder);
        stream
    }

    /// A path to the socket that is short whatever the folder's own length; valid while the file is open.
    fn short_socket_path(&self) -> Result<(File, PathBuf)> {
        let folder = OpenOptions::new()
            .read(true)
            .custom_flags(nix::fcntl::OFlag::O_PATH.bits() | nix::fcntl::OFlag::O_DIRECTORY.bits())
            .open(&self.path)
            .with_context(|| format!("opening the lab's folder `{}`", self.path.display()))?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/control.sock", folder.as_raw_fd()));
        Ok((folder, path))
    }

    fn try_lock(&self) -> Result<Attempt> {
        let path = self.path.join("lock");
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        match opened {
            Ok(file) => self.attempt(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Attempt::Gone),
            Err(error) => Err(error).with_context(|| format!("opening `{}`", path.display())),
        }
    }

    fn try_lock_existing(&self) -> Result<Attempt> {
        match OpenOptions::new().read(true).open(self.path.join("lock")) {
            Ok(file) => self.attempt(file),
            Err(_) => Ok(Attempt::Gone),
        }
    }

    /// Locks the open file, and makes sure that it is still the one that the path names.
    fn attempt(&self, file: File) -> Result<Attempt> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Held),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the lab's folder"),
        }
        let ours = file.metadata().context("reading the lock's metadata")?;
        match fs::metadata(self.path.join("lock")) {
            Ok(named) if named.ino() == ours.ino() && named.dev() == ours.dev() => Ok(Attempt::Free(Lock(file))),
            _ => Ok(Attempt::Gone),
        }
    }

    /// Removes what is in the folder, except the lock.
    fn sweep(&self) -> Result<()> {
        let entries = fs::read_dir(&self.path).with_context(|| format!("reading `{}`", self.path.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_name() != "lock" {
                remove_tree(&entry.path())
                    .with_context(|| format!("removing `{}`, which a dead lab left", entry.path().display()))?;
            }
        }
        Ok(())
    }
}

enum Attempt {
    Free(Lock),
    Held,
    Gone,
}

/// Removes a file or a tree. Folders without permission bits (overlayfs leaves such) get them first.
fn remove_tree(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    if metadata.permissions().mode() & 0o700 != 0o700 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(path)? {
        remove_tree(&entry?.path())?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// All folders below the root, sorted by name.
pub fn folders() -> Result<Vec<Folder>> {
    let root = root()?;
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("reading `{}`", root.display())),
    };
    let mut found: Vec<Folder> = entries
        .filter_map(|entry| Folder::at(&entry.ok()?.path()).ok())
        .filter(|folder| folder.path.join("lock").exists())
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The lab that is meant: the named one, or the only one that lives.
pub fn choose(name: Option<&str>) -> Result<Folder> {
    let living: Vec<Folder> = folders()?.into_iter().filter(Folder::lives).collect();
    if let Some(name) = name {
        let folder = Folder::of(name)?;
        if living.contains(&folder) {
            return Ok(folder);
        }
        return Err(BadInput(not_running(&folder, &living)).into());
    }
    match living.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(BadInput(none_running()?).into()),
        several => {
            Err(BadInput(format!("several labs are running ({}): choose one with --name", names(several))).into())
        }
    }
}

fn names(folders: &[Folder]) -> String {
    folders.iter().map(|folder| format!("`{}`", folder.name)).collect::<Vec<_>>().join(", ")
}

fn not_running(folder: &Folder, living: &[Folder]) -> String {
    let running = match living {
        [] => "no lab is running".to_string(),
        several => format!("running: {}", names(several)),
    };
    match fs::read_to_string(folder.last_words()) {
        Ok(words) => format!(
            "lab `{}` is not running any more: {}\n  its log: {}",
            folder.name,
            words.trim(),
            folder.log().display()
        ),
        Err(_) => format!(
            "there is no lab named `{}` ({running}); start it with `vpclab up FILE --name {}`",
            folder.name, folder.name
        ),
    }
}

fn none_running() -> Result<String> {
    let mut text = "no lab is running; start one with `vpclab up FILE`".to_string();
    for folder in folders()? {
        if let Ok(words) = fs::read_to_string(folder.last_words()) {
            text.push_str(&format!(
                "\n  lab `{}` ended: {}\n  its log: {}",
                folder.name,
                words.trim(),
                folder.log().display()
            ));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &Path, name: &str) -> Folder {
        Folder { name: name.into(), path: root.join(name) }
    }

    #[test]
    fn a_name_is_taken_while_any_copy_of_the_lock_is_open() {
        let root = tempfile::tempdir().unwrap();
        let lab = folder(root.path(), "one");
        let lock = lab.claim().unwrap().expect("free at first");
        let copy = lock.0.try_clone().unwrap();
        assert!(lab.lives());
        assert!(lab.claim().unwrap().is_none());
        drop(lock);
        assert!(lab.lives(), "a copy in another process keeps it");
        drop(copy);
        assert!(!lab.lives());
    }

    #[test]
    fn the_watch_ends_with_the_process() {
        let root = tempfile::tempdir().unwrap();
        let lab = folder(root.path(), "one");
        drop(lab.claim().unwrap().unwrap());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        lab.note_init(child.id(), child.id()).unwrap();
        let watch = lab.watch().unwrap();
        lab.remove().unwrap();
        assert!(fs::read_dir(root.path()).unwrap().next().is_none(), "nothing is left");
        let waiting = std::thread::spawn(move || watch.wait());
        assert!(!waiting.is_finished());
        child.kill().unwrap(); // a zombie until it is waited for: that counts as gone
        waiting.join().unwrap().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_a_dead_lab_left_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let lab = folder(root.path(), "one");
        drop(lab.claim().unwrap().unwrap());
        let work = lab.path().join("guests/app/work/work");
        fs::create_dir_all(&work).unwrap();
        fs::set_permissions(&work, fs::Permissions::from_mode(0o000)).unwrap();
        fs::write(lab.log(), "old").unwrap();
        let _lock = lab.claim().unwrap().expect("stale, so free");
        let left: Vec<_> = fs::read_dir(lab.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn a_socket_works_below_a_path_that_is_too_long_for_one() {
        let root = tempfile::tempdir().unwrap();
        let lab = folder(&root.path().join("x".repeat(120)), "one");
        let _lock = lab.claim().unwrap().unwrap();
        let listener = lab.listen().unwrap();
        let _client = lab.connect().unwrap();
        listener.accept().unwrap();
    }

    #[test]
    fn names_are_made_from_any_text_and_checked() {
        assert_eq!(name_from("My Stack.v2"), "my-stack-v2");
        assert_eq!(name_from("--"), "lab");
        assert!(Folder::of("..").is_err());
        assert!(Folder::of("a/b").is_err());
        assert!(Folder::of(&"x".repeat(41)).is_err());
        check_name(&name_from(&"é".repeat(60))).unwrap();
    }
}
