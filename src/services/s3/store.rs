//! Objects on disk: an index in SQLite, the bytes in files beside it.
//!
//! Purpose: keeps buckets, versions of objects and uploads under way in one folder, through the death of the process.
//! Identity: a bucket by its name, an object by bucket and key, a version by its id; a file by a random name that no bucket
//! and no key has a part in, so nothing that a client writes is ever a path.
//! Life: bytes come into a file that nobody knows ([`bodies`]), are checked there, and become an object in one transaction
//! of the index. A process that dies before leaves the old object as it was and a file that the next [`Store::open`]
//! removes. Bytes never change: whoever reads has a lease on them, and a file goes when neither the index nor a lease needs
//! it. Copies and completed uploads point to the same files.
//! Threads: one writer, as many readers as there are requests, all on threads that may block; readers see the last commit.
//! Limits: the index holds a row per version, part and piece; nothing is held in memory but the buckets' facts.
//! Not done, and why: in a folder that goes with its lab, nothing is forced to the disk: the process may die at any time, a
//! power cut may take the last seconds. In a folder that stays ([`Kept::Stays`]) each body and each commit is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OpenFlags, Transaction};
use s3s::{S3Error, S3Result, s3_error};

pub(super) mod bodies;
pub(super) mod buckets;
mod ids;
pub(super) mod listing;
pub(super) mod read;
pub(super) mod rows;
#[cfg(test)]
mod tests;
pub(super) mod uploads;
pub(super) mod versions;

use self::bodies::Bodies;
use self::buckets::BucketFacts;
use self::ids::Ids;

/// The index's tables. Keys are blobs: S3 orders them by their bytes, and so does SQLite then.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS bucket (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, account TEXT NOT NULL, region TEXT NOT NULL,
    created INTEGER NOT NULL, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS content (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS piece (
    content INTEGER NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, start INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (content, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS piece_body ON piece (body);
CREATE TABLE IF NOT EXISTS version (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bucket INTEGER NOT NULL, key BLOB NOT NULL, version_id TEXT NOT NULL,
    latest INTEGER NOT NULL, marker INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
    content INTEGER, facts TEXT NOT NULL, tags TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS version_by_id ON version (bucket, key, version_id);
CREATE INDEX IF NOT EXISTS version_by_age ON version (bucket, key, id DESC);
CREATE INDEX IF NOT EXISTS version_current ON version (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE TABLE IF NOT EXISTS segment (
    version INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, sum TEXT,
    PRIMARY KEY (version, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload (
    id INTEGER PRIMARY KEY AUTOINCREMENT, bucket INTEGER NOT NULL, key BLOB NOT NULL, upload_id TEXT NOT NULL UNIQUE,
    initiated INTEGER NOT NULL, facts TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS upload_by_key ON upload (bucket, key, id);
CREATE TABLE IF NOT EXISTS part (
    upload INTEGER NOT NULL, number INTEGER NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, sum TEXT, PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS completed (
    upload_id TEXT PRIMARY KEY, bucket INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL)
    WITHOUT ROWID;
";
/// What this program's index says of itself, to refuse a later one's.
const FORMAT: i64 = 1;
/// Idle readers kept for the next request.
const IDLE_READERS: usize = 16;

/// Whether the folder outlives the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is removed with the lab.
    GoesWithLab,
    /// Somebody wants it later.
    Stays,
}

/// The store; clones are the same store.
#[derive(Clone)]
pub(super) struct Store(Arc<Inner>);

struct Inner {
    index: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    buckets: RwLock<BTreeMap<String, Arc<BucketFacts>>>,
    bodies: Bodies,
    ids: Ids,
    /// Held as long as the store is open: two processes on one folder would remove each other's files.
    _lock: File,
}

/// Why something in the index did not work out.
#[derive(Debug)]
pub(super) enum Failed {
    /// The client's request can't be done; AWS's error.
    Refused(S3Error),
    /// The index is broken or out of room.
    Index(rusqlite::Error),
    /// A file is.
    File(std::io::Error),
    /// What the index says is no JSON of ours.
    Json(serde_json::Error),
}

/// The result of a step inside the store.
pub(super) type Done<T> = Result<T, Failed>;

impl From<S3Error> for Failed {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<Failed> for S3Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(error) => error,
            Failed::Index(error) => s3_error!(error, InternalError),
            Failed::File(error) => s3_error!(error, InternalError),
            Failed::Json(error) => s3_error!(error, InternalError),
        }
    }
}

/// A change of the index under way.
pub(super) struct Change<'a> {
    pub tx: Transaction<'a>,
    pub ids: &'a Ids,
    /// Unix seconds.
    pub now: i64,
    /// Files that nothing in the index needs once this is committed.
    pub unneeded: Vec<String>,
    /// Facts of buckets that change with it; `None` is gone.
    pub buckets: Vec<(String, Option<BucketFacts>)>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("index", &self.0.index).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the folder, made when missing, and removes what a process that died left behind.
    pub fn open(folder: &Path, kept: Kept) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making the folder of S3, {}", folder.display()))?;
        let lock = lock(folder)?;
        let index = folder.join("index.sqlite");
        let mut writer = connect(&index, kept).with_context(|| format!("opening S3's index, {}", index.display()))?;
        prepare(&mut writer).with_context(|| format!("preparing S3's index, {}", index.display()))?;
        let ids = Ids::new().context("reading /dev/urandom")?;
        let bodies = Bodies::open(folder.join("bodies"), kept == Kept::Stays)?;
        sweep(&mut writer, &bodies).context("removing what an earlier process left in S3's folder")?;
        let buckets = buckets::load(&writer).context("reading the buckets from S3's index")?;
        let readers = Mutex::default();
        let (writer, buckets) = (Mutex::new(writer), RwLock::new(buckets));
        Ok(Self(Arc::new(Inner { index, writer, readers, buckets, bodies, ids, _lock: lock })))
    }

    /// The files.
    pub fn bodies(&self) -> &Bodies {
        &self.0.bodies
    }

    /// A name for a new file.
    pub fn body_name(&self) -> String {
        self.0.ids.body()
    }

    /// A bucket's facts as of the last commit.
    pub fn bucket(&self, name: &str) -> Option<Arc<BucketFacts>> {
        self.0.buckets.read().get(name).cloned()
    }

    /// All buckets in the order of their names.
    pub fn buckets(&self) -> Vec<Arc<BucketFacts>> {
        self.0.buckets.read().values().cloned().collect()
    }

    /// Reads the index on a thread that may block.
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store, &Connection) -> Done<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = self.clone();
        on_thread(move || {
            let reader = store.reader()?;
            let answer = ask(&store, &reader);
            store.0.give_back(reader);
            answer
        })
        .await
    }

    /// Changes the index on a thread that may block: all of it or nothing.
    pub async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut Change<'_>) -> Done<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = self.clone();
        on_thread(move || store.write_now(step)).await
    }

    /// The same on this thread.
    pub fn write_now<T>(&self, step: impl FnOnce(&mut Change<'_>) -> Done<T>) -> Done<T> {
        let (done, unneeded) = self.commit(step)?;
        self.0.bodies.remove(&unneeded);
        Ok(done)
    }

    /// One transaction; also returns the files that went with it.
    fn commit<T>(&self, step: impl FnOnce(&mut Change<'_>) -> Done<T>) -> Done<(T, Vec<String>)> {
        let mut writer = self.0.writer.lock();
        let tx = writer.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut change = Change { tx, ids: &self.0.ids, now: now(), unneeded: Vec::new(), buckets: Vec::new() };
        let done = step(&mut change)?;
        let Change { tx, unneeded, buckets, .. } = change;
        let unneeded = still_unneeded(&tx, unneeded)?;
        tx.commit()?;
        // Under the writer's lock, so that facts change in the order of commits.
        let mut known = self.0.buckets.write();
        for (name, facts) in buckets {
            let Some(mut facts) = facts else {
                known.remove(&name);
                continue;
            };
            // A policy that has not changed keeps what is known of its lines.
            let before = known.get(&name).filter(|before| before.settings.policy == facts.settings.policy);
            facts.policy = before.and_then(|before| before.policy.clone()).or(facts.policy);
            known.insert(name, Arc::new(facts));
        }
        Ok((done, unneeded))
    }

    fn reader(&self) -> Done<Connection> {
        if let Some(reader) = self.0.readers.lock().pop() {
            return Ok(reader);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.0.index, flags)?;
        reader.busy_timeout(std::time::Duration::from_secs(10))?;
        reader.set_prepared_statement_cache_capacity(64);
        Ok(reader)
    }
}

impl Inner {
    fn give_back(&self, reader: Connection) {
        let mut readers = self.readers.lock();
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
    }
}

/// What one step forgot, a later one may have taken up again: an object that is copied onto itself.
fn still_unneeded(tx: &Transaction<'_>, unneeded: Vec<String>) -> Done<Vec<String>> {
    let mut used = tx.prepare_cached("SELECT 1 FROM piece WHERE body = ?")?;
    let mut still = Vec::new();
    for body in unneeded {
        if !used.exists([&body])? {
            still.push(body);
        }
    }
    Ok(still)
}

/// Unix seconds; S3's times have no parts of a second.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> Done<T> + Send + 'static) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(S3Error::from),
        Err(error) => Err(s3_error!(error, InternalError)),
    }
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            anyhow::bail!("another lab uses the folder {} already", folder.display())
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking the folder {}", folder.display()))
        }
    }
}

fn connect(index: &Path, kept: Kept) -> rusqlite::Result<Connection> {
    let connection = Connection::open(index)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = if kept == Kept::Stays { "FULL" } else { "OFF" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn prepare(writer: &mut Connection) -> anyhow::Result<()> {
    let format: i64 = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
    anyhow::ensure!(format <= FORMAT, "a later vpclab wrote it (format {format}, this one knows {FORMAT})");
    let tx = writer.transaction()?;
    tx.execute_batch(SCHEMA)?;
    tx.pragma_update(None, "user_version", FORMAT)?;
    tx.commit()?;
    Ok(())
}

/// Removes files that no object needs, and memories of uploads that ended more than a day ago.
fn sweep(writer: &mut Connection, bodies: &Bodies) -> anyhow::Result<()> {
    writer.execute("DELETE FROM completed WHERE at < ?", [now() - 86_400])?;
    let mut needed = writer.prepare("SELECT 1 FROM piece WHERE body = ?")?;
    bodies.sweep(|name| needed.exists([name]).map_err(anyhow::Error::from))
}
