//! Filling a bucket from a folder, as `aws s3 cp --recursive` would.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use s3s::dto::StreamingBlob;
use tokio_util::io::ReaderStream;

use super::checksum::Algorithm;
use super::incoming::{self, Expected};
use super::keys::check_key;
use super::store::Store;
use super::store::rows::Facts;
use super::store::versions::NewVersion;

/// Content types by extension, as Python's `mimetypes` (and so the AWS CLI) has them.
const CONTENT_TYPES: [(&str, &str); 27] = [
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("webp", "image/webp"),
    ("xml", "text/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
];
/// S3's own default.
pub(super) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Puts every file under `folder`; stops at the first that can't be an object.
pub(super) async fn seed(store: &Store, bucket: &str, folder: &Path) -> anyhow::Result<usize> {
    if store.bucket(bucket).is_none() {
        bail!(
            "bucket {bucket} is not in this lab: declare it as an AWS::S3::Bucket to fill it from {}",
            folder.display()
        );
    }
    let files = files(folder)?;
    for file in &files {
        let key = key(folder, file)?;
        if let Err(problem) = check_key(&key) {
            let problem = problem.message().unwrap_or(problem.code().as_str()).to_owned();
            bail!("{} can't be an object of {bucket}: {problem}", file.display());
        }
        put(store, bucket, &key, file).await.with_context(|| format!("putting {} into {bucket}", file.display()))?;
    }
    Ok(files.len())
}

/// Files under a folder in the order of their paths. Links to files count, links to folders are not followed.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("reading the folder {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("reading the folder {}", folder.display()))?;
            let kind = entry.file_type().with_context(|| format!("looking at {}", entry.path().display()))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if entry.path().is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn key(folder: &Path, file: &Path) -> anyhow::Result<String> {
    let path = file.strip_prefix(folder).expect("found under the folder");
    let key =
        path.to_str().with_context(|| format!("the name of {} is not UTF-8, so it can't be a key", file.display()))?;
    Ok(key.to_owned())
}

async fn put(store: &Store, bucket: &str, key: &str, file: &Path) -> anyhow::Result<()> {
    let content = tokio::fs::File::open(file).await?;
    let expected = Expected::of_length(content.metadata().await?.len());
    let body = StreamingBlob::wrap(ReaderStream::with_capacity(content, 256 << 10));
    let received = incoming::receive(store, Some(body), expected, Algorithm::Crc64Nvme).await?;
    let facts = Facts {
        content_type: Some(content_type(file).to_owned()),
        sum: Some(received.sum.clone()),
        ..Facts::default()
    };
    let new = NewVersion {
        key: key.to_owned(),
        size: received.size,
        etag: received.etag(),
        facts,
        pieces: received.pieces(),
        ..NewVersion::default()
    };
    let bucket = bucket.to_owned();
    store
        .write(move |change| {
            let bucket = change.bucket(&bucket)?;
            change.put(&bucket, new)
        })
        .await?;
    received.keep();
    Ok(())
}

fn content_type(file: &Path) -> &'static str {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    CONTENT_TYPES
        .iter()
        .find(|(known, _)| *known == extension)
        .map_or(DEFAULT_CONTENT_TYPE, |(_, content_type)| content_type)
}
