//! Flow logs' files: a thread that asks the dataplane for records and appends lines.
//!
//! **Purpose.** `AWS::EC2::FlowLog` as a file that people and programs read (B8). The dataplane never waits for it: it counts into
//! a bounded ledger, and this thread comes and takes.
//!
//! **Identity.** A file for each flow log: `flow-logs/DESTINATION/fl-ID.log` in the lab's folder, DESTINATION being the log
//! group, the bucket with its prefix, or the stream; or the file that the log's tag `vpclab:LogFile` names, which outlives
//! the lab.
//!
//! **Life.** Started with the lab where there is a flow log, else not at all. When the lab ends, the last interval is
//! written before the folder goes. Files are opened anew for each interval, so that they may be moved away at any time.
//!
//! **Time.** Every [`EMPTY`] the ledger is emptied; when a journal's interval ends, flows are asked, too. Lines say Unix
//! seconds: the lab's own clock, set once.
//!
//! **Limits.** What can't be written is lost, not kept: the lines are counted, their interfaces get SKIPDATA in the next
//! interval, the lab's log says it once, and `status` until a write succeeds again. A file is cut back to its last whole line.
//!
//! **Not done.** CloudWatch Logs, S3 and Firehose as AWS has them; gzip, Parquet, and files by the hour.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::forward::Pump;
use super::protocol::FlowLogSummary;
use super::state::Folder;
use crate::dataplane::Dataplane;
use crate::dataplane::flow_log::{Journal, Line};
use crate::model::{FlowLog, World};

/// How often the dataplane's ledger is emptied.
const EMPTY: Duration = Duration::from_secs(1);

/// The file of a flow log, and how writing goes.
#[derive(Debug)]
pub struct LogFile {
    flow_log_id: String,
    name: String,
    path: PathBuf,
    /// Lines that could not be written.
    lost: AtomicU64,
    /// Why the last write failed, if it did.
    failure: Mutex<Option<String>>,
}

/// All flow logs of a lab, and the thread that writes them.
pub struct FlowLogs {
    files: Vec<Arc<LogFile>>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl LogFile {
    fn of(log: &FlowLog, folder: &Folder) -> Self {
        let path = match log.log_file() {
            // A lab process stays in the folder that it was started from.
            Some(written) => std::path::absolute(written).unwrap_or_else(|_| written.into()),
            None => folder.flow_logs().join(relative(log.destination_name())).join(format!("{}.log", log.flow_log_id)),
        };
        Self {
            flow_log_id: log.flow_log_id.clone(),
            name: log.meta.logical_id.clone().unwrap_or_else(|| log.flow_log_id.clone()),
            path,
            lost: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Appends lines; whether that went well.
    fn append(&self, lines: &[Line]) -> bool {
        if lines.is_empty() {
            return true;
        }
        let written = append(&self.path, lines);
        let mut failure = self.failure.lock();
        match written {
            Ok(()) => {
                if failure.take().is_some() {
                    tracing::info!("flow log {}: `{}` is written again", self.flow_log_id, self.path.display());
                }
                true
            }
            Err(error) => {
                self.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
                if failure.is_none() {
                    tracing::warn!(
                        "flow log {}: writing `{}`: {error}; its lines are lost until that works",
                        self.flow_log_id,
                        self.path.display()
                    );
                }
                *failure = Some(error.to_string());
                false
            }
        }
    }
}

impl FlowLogs {
    /// Starts the thread, if the world has a flow log.
    pub fn start(world: &World, folder: &Folder, dataplane: &Arc<Dataplane>, pump: Arc<Pump>) -> Result<Option<Self>> {
        if world.flow_logs.is_empty() {
            return Ok(None);
        }
        let files: Vec<_> = world.flow_logs.values().map(|log| Arc::new(LogFile::of(log, folder))).collect();
        let now = pump.now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(now);
        let tables = dataplane.tables();
        let journals = tables.flow_logs.plans.iter().filter_map(|plan| {
            let file = files.iter().find(|file| file.flow_log_id == plan.flow_log_id)?;
            Some((Journal::new(plan.clone(), ahash::RandomState::new(), now), Arc::clone(file)))
        });
        let writer = Writer { dataplane: Arc::clone(dataplane), pump, unix, journals: journals.collect() };
        let (stop, told) = channel();
        let thread = thread::Builder::new()
            .name("flow-logs".into())
            .spawn(move || writer.run(&told))
            .context("starting the thread that writes flow logs")?;
        Ok(Some(Self { files, stop, thread }))
    }

    /// The files.
    pub fn files(&self) -> &[Arc<LogFile>] {
        &self.files
    }

    /// Writes the last interval.
    pub fn end(self) {
        // Nobody listens only when the thread is gone already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes flow logs panicked; the last interval is lost");
        }
    }
}

struct Writer {
    dataplane: Arc<Dataplane>,
    pump: Arc<Pump>,
    /// Since 1970, when the lab's time began.
    unix: Duration,
    journals: Vec<(Journal, Arc<LogFile>)>,
}

impl Writer {
    fn run(mut self, told: &Receiver<()>) {
        loop {
            let due = self.journals.iter().map(|(journal, _)| journal.due()).min().unwrap_or(Duration::MAX);
            let wait = due.saturating_sub(self.pump.now()).min(EMPTY);
            let ends = !matches!(told.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
            let now = self.pump.now();
            let harvest = self.dataplane.harvest(ends || due <= now);
            let tables = self.dataplane.tables();
            for (journal, file) in &mut self.journals {
                journal.add(&harvest);
                let lines = if ends || journal.due() <= now {
                    journal.write(&tables.flow_logs, self.unix, now)
                } else if journal.is_full() {
                    journal.write_early(&tables.flow_logs, self.unix)
                } else {
                    continue;
                };
                if !file.append(&lines) {
                    lines.iter().for_each(|line| journal.skip(line.interface));
                }
            }
            if ends {
                return;
            }
        }
    }
}

/// Appends whole lines or nothing.
fn append(path: &Path, lines: &[Line]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A FIFO without a reader would make the thread wait, and the lab's end with it.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
    file.write_all(text.as_bytes()).inspect_err(|_| cut(&file, before.len()))
}

/// A disk that is full may have taken half a line.
fn cut(file: &File, len: u64) {
    if let Err(error) = file.set_len(len) {
        tracing::debug!("cutting a flow log back: {error}");
    }
}

/// A destination's name as a path below a folder: `/` parts it, and no part leads out.
fn relative(name: &str) -> PathBuf {
    let parts = Path::new(name).components().filter_map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    parts.map(|part| part.replace(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)), "-")).collect()
}

/// What `up` says of flow logs.
pub fn summary(files: &[Arc<LogFile>]) -> Vec<FlowLogSummary> {
    let of = |file: &Arc<LogFile>| FlowLogSummary {
        name: file.name.clone(),
        flow_log_id: file.flow_log_id.clone(),
        log_file: file.path.clone(),
    };
    files.iter().map(of).collect()
}

/// Adds to DescribeFlowLogs' shapes where the lines go, and how that goes: AWS's own members say it, and LostRecords is ours.
pub fn complete_status(status: &mut Value, files: &[Arc<LogFile>]) {
    for shape in status["FlowLogs"].as_array_mut().into_iter().flatten() {
        let Some(file) = files.iter().find(|file| shape["FlowLogId"] == *file.flow_log_id) else { continue };
        shape["LogFile"] = json!(file.path);
        shape["LostRecords"] = json!(file.lost.load(Ordering::Relaxed));
        let failure = file.failure.lock();
        if let Some(failure) = &*failure {
            shape["DeliverLogsStatus"] = json!("FAILED");
            shape["DeliverLogsErrorMessage"] = json!(format!("Access error: {failure}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataplane::InterfaceIndex;

    fn file(path: &Path) -> LogFile {
        LogFile {
            flow_log_id: "fl-1".into(),
            name: "Log".into(),
            path: path.into(),
            lost: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    fn lines(count: usize) -> Vec<Line> {
        (0..count).map(|number| Line { interface: InterfaceIndex(0), text: format!("line {number}") }).collect()
    }

    #[test]
    fn a_destination_is_a_folder_below_and_never_above() {
        for (name, expected) in [
            ("flows", "flows"),
            ("/aws/vpc/flows", "aws/vpc/flows"),
            ("bucket/prefix/", "bucket/prefix"),
            ("../../etc", "etc"),
            ("a b:c", "a-b-c"),
            ("", ""),
        ] {
            assert_eq!(relative(name), Path::new(expected), "{name}");
        }
    }

    #[test]
    fn lines_are_appended_and_files_may_be_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("group/fl-1.log");
        let file = file(&path);
        assert!(file.append(&lines(2)) && file.append(&lines(1)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0\nline 1\nline 0\n");
        fs::rename(&path, folder.path().join("old")).unwrap();
        assert!(file.append(&lines(1)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 0\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said_in_status() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(file(folder.path()));
        assert!(!file.append(&lines(3)) && !file.append(&lines(2)), "a folder is no file");
        let shape = json!({ "FlowLogs": [{ "FlowLogId": "fl-1", "DeliverLogsStatus": "SUCCESS" }] });
        let mut status = shape.clone();
        complete_status(&mut status, &[Arc::clone(&file)]);
        let log = &status["FlowLogs"][0];
        assert_eq!((&log["LostRecords"], &log["DeliverLogsStatus"]), (&json!(5), &json!("FAILED")));
        assert!(log["DeliverLogsErrorMessage"].as_str().unwrap().starts_with("Access error: "), "{log}");
        // Nobody reads a FIFO: that is said, not waited for.
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let fifo = self::file(&path);
        assert!(!fifo.append(&lines(1)));
        assert_eq!(fifo.lost.load(Ordering::Relaxed), 1);
    }
}
