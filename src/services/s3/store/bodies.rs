//! The bytes of objects, in files: written once, read under a lease, removed when nobody needs them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;

/// Bytes written at once.
const WRITE_AT_ONCE: usize = 256 << 10;

/// The folder of files; clones are the same.
#[derive(Clone, Debug)]
pub(in super::super) struct Bodies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Force each file to the disk.
    sync: bool,
    leases: Mutex<Leases>,
}

/// Who reads what; a file that is to go while it is read goes with its last reader.
#[derive(Debug, Default)]
struct Leases {
    readers: HashMap<String, usize>,
    unneeded: std::collections::HashSet<String>,
}

/// A promise that files stay as long as this lives.
#[derive(Debug)]
pub(in super::super) struct Lease {
    bodies: Bodies,
    names: Vec<String>,
}

/// A file under way; it is removed unless it is [kept](NewBody::keep).
#[derive(Debug)]
pub(in super::super) struct NewBody {
    bodies: Bodies,
    name: String,
    kept: bool,
}

impl Bodies {
    pub fn open(folder: PathBuf, sync: bool) -> anyhow::Result<Self> {
        for first in 0..16 {
            let part = folder.join(format!("{first:x}"));
            fs::create_dir_all(&part).with_context(|| format!("making the folder {}", part.display()))?;
        }
        Ok(Self(Arc::new(Inner { folder, sync, leases: Mutex::default() })))
    }

    /// Names are [`Ids::body`](super::ids::Ids::body)'s or the index's, never a client's.
    fn path(&self, name: &str) -> PathBuf {
        self.0.folder.join(&name[..1]).join(name)
    }

    /// Starts a file.
    pub fn create(&self, name: String) -> std::io::Result<(NewBody, BufWriter<File>)> {
        let file = File::create_new(self.path(&name))?;
        let body = NewBody { bodies: self.clone(), name, kept: false };
        Ok((body, BufWriter::with_capacity(WRITE_AT_ONCE, file)))
    }

    /// Ends a file: all of it is with the kernel; on the disk, with its name, where that is wanted.
    pub fn finish(&self, body: &NewBody, mut writer: BufWriter<File>) -> std::io::Result<()> {
        writer.flush()?;
        if !self.0.sync {
            return Ok(());
        }
        writer.get_ref().sync_data()?;
        File::open(self.0.folder.join(&body.name[..1]))?.sync_all()
    }

    /// Keeps files from going. Whoever asks looks into the index afterwards: what is still there then stays.
    pub fn lease(&self, names: Vec<String>) -> Lease {
        let mut leases = self.0.leases.lock();
        for name in &names {
            *leases.readers.entry(name.clone()).or_default() += 1;
        }
        drop(leases);
        Lease { bodies: self.clone(), names }
    }

    /// Removes files that the index does not know any more.
    pub fn remove(&self, names: &[String]) {
        for name in names {
            let mut leases = self.0.leases.lock();
            if leases.readers.contains_key(name) {
                leases.unneeded.insert(name.clone());
            } else {
                self.unlink(name);
            }
        }
    }

    /// A file that stays by mistake is removed at the next start.
    fn unlink(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path(name)) {
            tracing::warn!(%error, name, "s3: a file of an object could not be removed");
        }
    }

    /// Removes every file of ours that is not needed; what has another kind of name is somebody else's.
    pub fn sweep(&self, mut needed: impl FnMut(&str) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        for first in 0..16 {
            for entry in fs::read_dir(self.0.folder.join(format!("{first:x}")))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let own = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                if own && !needed(&name)? {
                    fs::remove_file(entry.path())?;
                    tracing::info!(name, "s3: removed a file that an earlier process left");
                }
            }
        }
        Ok(())
    }
}

impl NewBody {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The index has it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewBody {
    fn drop(&mut self) {
        if !self.kept {
            self.bodies.unlink(&self.name);
        }
    }
}

impl Lease {
    /// Opens a file at a place.
    pub fn open(&self, name: &str, start: u64) -> std::io::Result<File> {
        let mut file = File::open(self.bodies.path(name))?;
        if start > 0 {
            file.seek(SeekFrom::Start(start))?;
        }
        Ok(file)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.bodies.0.leases.lock();
        for name in &self.names {
            let Some(readers) = leases.readers.get_mut(name) else { continue };
            *readers -= 1;
            if *readers == 0 {
                leases.readers.remove(name);
                if leases.unneeded.remove(name) {
                    self.bodies.unlink(name);
                }
            }
        }
    }
}

/// Reads up to so many bytes; fewer means that the file is at its end.
pub(super) fn fill(file: &mut File, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
