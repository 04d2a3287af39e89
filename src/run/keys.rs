//! Chance: the key of temporary credentials, which a lab with kept data keeps, and the seeds of hashes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// The key of temporary credentials: kept where buckets are, so that what was handed out before a restart is still good.
pub fn token_key(data: &Path) -> Result<[u8; 32]> {
    let file = data.join("tokens.key");
    if let Some(key) = fs::read(&file).ok().and_then(|key| key.try_into().ok()) {
        return Ok(key);
    }
    fs::create_dir_all(data).with_context(|| format!("creating `{}`", data.display()))?;
    let key = random()?;
    let mut options = fs::OpenOptions::new();
    let mut written = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("creating `{}`", file.display()))?;
    written.write_all(&key).with_context(|| format!("writing `{}`", file.display()))?;
    Ok(key)
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut random = fs::File::open("/dev/urandom").context("opening /dev/urandom")?;
    random.read_exact(&mut bytes).context("reading /dev/urandom")?;
    Ok(bytes)
}

/// Keys of the hashes over what comes from outside.
pub fn random_seed() -> Result<[u64; 4]> {
    let bytes = random()?;
    let (words, _) = bytes.as_chunks::<8>();
    Ok(std::array::from_fn(|index| words.get(index).copied().map_or(0, u64::from_ne_bytes)))
}
