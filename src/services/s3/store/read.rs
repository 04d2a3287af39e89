//! Reading objects: found with a lease on their bytes, sent piece by piece.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use tokio::sync::mpsc;

use super::bodies::{Lease, fill};
use super::rows::{Piece, Segment, Version};
use super::{Done, Store, versions};

/// Bytes read at once. Of a download, one such piece is read ahead while another is sent.
const READ_AT_ONCE: u64 = 256 << 10;

/// A version whose bytes stay while this lives.
#[derive(Clone, Debug)]
pub(in super::super) struct Opened {
    pub version: Version,
    pub segments: Vec<Segment>,
    pieces: Vec<Piece>,
    lease: Arc<Lease>,
}

/// Finds a version and keeps its bytes. A version that goes between look-up and lease is looked up again.
pub(in super::super) fn open(
    store: &Store,
    index: &Connection,
    bucket: i64,
    key: &str,
    version_id: Option<&str>,
) -> Done<Option<Opened>> {
    loop {
        let Some(version) = versions::find(index, bucket, key, version_id)? else { return Ok(None) };
        let pieces = version.content.map_or(Ok(Vec::new()), |content| versions::pieces(index, content))?;
        let lease = store.bodies().lease(pieces.iter().map(|piece| piece.body.clone()).collect());
        // Files go only after the commit that forgets them: what the index still has now was leased in time.
        let still = index.prepare_cached("SELECT 1 FROM version WHERE id = ?")?.exists([version.id])?;
        if still {
            let segments = version.facts.parts.map_or(Ok(Vec::new()), |_| versions::segments(index, version.id))?;
            return Ok(Some(Opened { version, segments, pieces, lease: Arc::new(lease) }));
        }
    }
}

impl Opened {
    /// The stretches of files that a range of the object is.
    pub fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let mut at = 0;
        let mut found = Vec::new();
        for piece in &self.pieces {
            let (start, end) = (range.start.max(at), range.end.min(at + piece.size));
            if start < end {
                found.push(Piece { body: piece.body.clone(), start: piece.start + start - at, size: end - start });
            }
            at += piece.size;
        }
        found
    }

    /// Calls with the bytes of a range, in order; on a thread that may block.
    pub fn read(&self, range: &Range<u64>, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
        for piece in self.pieces(range) {
            let mut file = self.lease.open(&piece.body, piece.start)?;
            let mut left = piece.size;
            while left > 0 {
                let bytes = next(&mut file, left)?;
                left -= bytes.len() as u64;
                take(&bytes);
            }
        }
        Ok(())
    }

    /// The bytes of a range: few at once, many as a stream.
    pub async fn bytes(&self, range: &Range<u64>) -> S3Result<StreamingBlob> {
        if range.end - range.start > READ_AT_ONCE {
            return Ok(self.stream(range));
        }
        let (opened, range) = (self.clone(), range.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
            opened.read(&range, |bytes| all.extend_from_slice(bytes))?;
            Ok(all)
        });
        let read: std::io::Result<Vec<u8>> = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let all = read.map_err(|error| s3_error!(error, InternalError))?;
        Ok(StreamingBlob::from(s3s::Body::from(Bytes::from(all))))
    }

    /// The bytes of a range as a stream; it reads as fast as they are taken, and two pieces ahead at most.
    fn stream(&self, range: &Range<u64>) -> StreamingBlob {
        let (pieces, lease) = (self.pieces(range), self.lease.clone());
        let (give, mut take) = mpsc::channel::<std::io::Result<Bytes>>(1);
        tokio::spawn(async move {
            for piece in pieces {
                if !send(&lease, piece, &give).await {
                    return;
                }
            }
        });
        StreamingBlob::wrap(futures::stream::poll_fn(move |cx| take.poll_recv(cx)))
    }
}

/// Sends one stretch of a file; false when nobody takes it any more, or it can't be read.
async fn send(lease: &Arc<Lease>, piece: Piece, give: &mpsc::Sender<std::io::Result<Bytes>>) -> bool {
    let (lease, body, start) = (lease.clone(), piece.body, piece.start);
    let mut left = piece.size;
    let mut file = None;
    while left > 0 {
        let (lease, body) = (lease.clone(), body.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut file = file.map_or_else(|| lease.open(&body, start), Ok)?;
            let bytes = next(&mut file, left)?;
            Ok((file, bytes))
        });
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let (opened, bytes) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "s3: an object can't be read");
                let _ = give.send(Err(error)).await;
                return false;
            }
        };
        file = Some(opened);
        left -= bytes.len() as u64;
        if give.send(Ok(bytes.into())).await.is_err() {
            return false;
        }
    }
    true
}

/// The next bytes of a stretch; a file that is shorter than the index says is damaged, never silently less.
fn next(file: &mut std::fs::File, left: u64) -> std::io::Result<Vec<u8>> {
    let most = left.min(READ_AT_ONCE);
    let bytes = fill(file, usize::try_from(most).unwrap_or(usize::MAX))?;
    if bytes.len() as u64 == most { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
