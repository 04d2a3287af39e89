//! Request bodies that s3s holds in memory whole: XML documents and browser forms. All of them share one budget, as many
//! callers at once would else take as much memory as they like.
//!
//! Bytes count as they come, not as they are announced: who announces much and sends little keeps nobody out. Whoever
//! finds no room is told to come again (503 `SlowDown`), which SDKs do by themselves; waiting for room could wait for ever,
//! as several half-sent bodies may have it all.
//!
//! A document that comes with a digest is compared with it here, too, as s3s does not do that.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use hyper::body::{Frame, SizeHint};
use md5::{Digest as _, Md5};
use tokio::sync::Semaphore;

use super::checksum::{ALGORITHMS, Hasher};
use super::host::{self, Resource};
use crate::services::front::{Body, BodyError};

/// Words in the query of a `PUT` to a key that make its body a document; without them it is an object, which is streamed.
const DOCUMENTS: [&str; 4] = ["acl", "legal-hold", "retention", "tagging"];

/// Whether s3s holds the request's body in memory.
pub(super) fn is_held<B>(request: &Request<B>, resource: &Resource) -> bool {
    let names = request.uri().query().unwrap_or_default().split('&').map(|pair| pair.split('=').next());
    let document = names.flatten().any(|name| DOCUMENTS.contains(&host::decode(name).as_str()));
    request.method() != Method::PUT || resource.key.is_none() || document
}

/// One request's part of the budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    /// A permit is a byte.
    memory: Arc<Semaphore>,
    taken: AtomicUsize,
    refused: AtomicBool,
    wrong: AtomicBool,
    too_long: AtomicBool,
    /// Most bytes of this body.
    longest: usize,
}

impl Share {
    /// Of a body with at most so many bytes.
    pub fn new(memory: &Arc<Semaphore>, longest: usize) -> Arc<Self> {
        Arc::new(Self {
            memory: memory.clone(),
            taken: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            wrong: AtomicBool::new(false),
            too_long: AtomicBool::new(false),
            longest,
        })
    }

    /// There was no room for all of the body.
    pub fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The body was not what its digest says.
    pub fn is_wrong(&self) -> bool {
        self.wrong.load(Ordering::Relaxed)
    }

    /// The body was longer than it may be.
    pub fn is_too_long(&self) -> bool {
        self.too_long.load(Ordering::Relaxed)
    }

    /// The same before any of it was read.
    pub fn is_announced_too_long(&self, headers: &HeaderMap) -> bool {
        let length = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        length.is_some_and(|length: usize| length > self.longest)
    }

    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        if self.taken.load(Ordering::Relaxed).saturating_add(bytes) > self.longest {
            self.too_long.store(true, Ordering::Relaxed);
            return Err("the request's body is too long".into());
        }
        let Some(room) = u32::try_from(bytes).ok().and_then(|bytes| self.memory.try_acquire_many(bytes).ok()) else {
            self.refused.store(true, Ordering::Relaxed);
            return Err("no memory is left for the request's body".into());
        };
        room.forget();
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.add_permits(*self.taken.get_mut());
    }
}

/// A body whose bytes count.
pub(super) struct Held {
    body: Body,
    share: Arc<Share>,
    digests: Vec<Digest>,
}

/// A digest under way, and what it has to be, in base 64.
enum Digest {
    Md5(Md5, String),
    Sum(Box<Hasher>, String),
}

impl Held {
    /// `of_document`: checksums in the head are the body's; CompleteMultipartUpload's are the object's.
    pub fn new(body: Body, share: Arc<Share>, headers: &HeaderMap, of_document: bool) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut digests: Vec<Digest> =
            text("content-md5").map(|expected| Digest::Md5(Md5::new(), expected)).into_iter().collect();
        let sums = ALGORITHMS
            .into_iter()
            .filter_map(|kind| Some(Digest::Sum(Box::new(Hasher::new(kind)), text(kind.header())?)));
        if of_document {
            digests.extend(sums);
        }
        Self { body, share, digests }
    }

    fn update(&mut self, bytes: &[u8]) {
        for digest in &mut self.digests {
            match digest {
                Digest::Md5(md5, _) => md5.update(bytes),
                Digest::Sum(hasher, _) => hasher.update(bytes),
            }
        }
    }

    fn check(&mut self) -> Result<(), BodyError> {
        let right = std::mem::take(&mut self.digests).into_iter().all(|digest| match digest {
            Digest::Md5(md5, expected) => STANDARD.encode(md5.finalize()) == expected,
            Digest::Sum(hasher, expected) => hasher.finish() == expected,
        });
        if right {
            return Ok(());
        }
        self.share.wrong.store(true, Ordering::Relaxed);
        Err("the request's body is not what its digest says".into())
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(frame) = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)?) else {
            return Poll::Ready(this.check().err().map(Err));
        };
        if let Some(bytes) = frame.data_ref() {
            this.share.take(bytes.len())?;
            this.update(bytes);
        }
        if this.body.is_end_stream() {
            this.check()?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3s_streams_is_not_held() {
        for (request, held) in [
            ("PUT /site/data", false),
            ("PUT /site/data?partNumber=1&uploadId=2", false),
            ("PUT /site/data?X-Amz-Signature=0&x-id=PutObject", false),
            ("PUT /site/data?tagging", true),
            ("PUT /site/data?versionId=1&%61cl=", true),
            ("PUT /site/?versioning", true),
            ("PUT /site", true),
            ("POST /site", true),
            ("POST /site/data?uploadId=2", true),
        ] {
            let (method, target) = request.split_once(' ').unwrap();
            let request = Request::builder().method(method).uri(target).body(()).unwrap();
            let resource = host::resource("s3.amazonaws.com", request.uri().path());
            assert_eq!(is_held(&request, &resource), held, "{method} {target}");
        }
    }
}
