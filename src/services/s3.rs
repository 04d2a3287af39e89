//! S3 on a folder of the lab, for unmodified clients: path and virtual-host style under all of S3's names.
//!
//! Purpose: the far end of a gateway or interface endpoint. s3s speaks the protocol and verifies signatures, s3s-fs keeps
//! objects as files, [`store`] adds what a lab needs: buckets with owner and Region, AWS's errors where files differ.
//! Identity: a bucket by its name, unique in the lab; an account by its one access key ([`credentials`]).
//! Life: buckets are there from the start or made by clients; objects outlive the process in the state folder.
//! Limits: objects are streamed. XML bodies (up to [`LONGEST_DOCUMENT`]) and browser form uploads (up to [`LARGEST_FORM`])
//! are held in memory, all at once in [`MEMORY`] ([`held`]). A key is a path: see [`store::key_problem`] for what can't be
//! one. Of an `aws-chunked` upload, s3s holds the chunk under way, whose length is the client's choice and outside
//! [`MEMORY`]: SDKs send up to 1 MiB, some the whole object.
//! Not done, and why: policies are another issue's, so **anonymous requests are allowed and every account may do
//! everything**, whatever a bucket policy says; a wrong signature is refused all the same. No versions, tags, ACLs,
//! lifecycle; no redirect to a bucket's Region; the `accesspoint.` and `control.` names of endpoints answer 501.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use self::error::ErrorDocument;
use self::held::{Held, Share};
use self::store::Store;
use super::front::{self, Body, Service};

mod condition;
mod credentials;
mod error;
mod held;
mod host;
mod seed;
mod store;
#[cfg(test)]
mod tests;

pub use self::credentials::{Credentials, credentials};

/// Bytes of request bodies in memory, of all requests together.
const MEMORY: usize = 128 << 20;
/// Bytes of a browser form's file.
const LARGEST_FORM: u64 = 64 << 20;
/// Bytes of an XML body: a thousand keys to delete, escaped, fit.
const LONGEST_DOCUMENT: usize = 8 << 20;

/// The bucket that a host name holds, in lower case; `None` in path style.
pub(super) fn bucket_of_host(host: &str) -> Option<String> {
    host::parse(host).bucket.map(str::to_owned)
}

/// A bucket to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its owner.
    pub account: String,
}

/// The embedded S3.
pub struct S3 {
    service: S3Service,
    store: Store,
    /// Makes request ids of one start differ from those of the next.
    start: u128,
    requests: AtomicU64,
    /// Room for bodies; a permit is a byte.
    memory: Arc<Semaphore>,
}

impl S3 {
    /// Opens the store in `folder` (made when missing), makes the buckets in it, and knows the keys of `accounts`.
    pub fn open(folder: &Path, buckets: &[Bucket], accounts: &[String]) -> anyhow::Result<Self> {
        let store = Store::open(folder, buckets, accounts)?;
        let mut config = S3Config::default();
        config.post_object_max_file_size = LARGEST_FORM;
        config.xml_max_body_size = LONGEST_DOCUMENT;
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(store.clone());
        builder.set_access(store.clone());
        builder.set_host(host::Names);
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
        let memory = Arc::new(Semaphore::new(MEMORY));
        Ok(Self { service: builder.build(), store, start: start.as_nanos(), requests: AtomicU64::new(0), memory })
    }

    /// Puts the files under `folder` into a bucket, keys being their paths; returns how many.
    pub async fn seed(&self, bucket: &str, folder: &Path) -> anyhow::Result<usize> {
        seed::seed(&self.store, bucket, folder).await
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let (request_id, host_id) = self.ids();
        let head = request.method() == Method::HEAD;
        let resource = host::resource(front::host(&request).unwrap_or_default(), request.uri().path());
        let held = held::is_held(&request, &resource).then(|| Share::new(&self.memory));
        let request = request.map(|body| match &held {
            Some(share) => s3s::Body::http_body_unsync(Held { body, share: share.clone() }),
            None => s3s::Body::http_body_unsync(body),
        });
        let mut answer = match self.service.call(request).await {
            _ if held.is_some_and(|share| share.refused()) => {
                ErrorDocument::new("SlowDown").answer(StatusCode::SERVICE_UNAVAILABLE)
            }
            Ok(answer) => answer.map(BodyExt::boxed_unsync),
            Err(error) => {
                tracing::error!(?error, "s3: no answer");
                ErrorDocument::new("InternalError").answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        if answer.status() == StatusCode::NOT_MODIFIED {
            *answer.body_mut() = front::full("");
            answer.headers_mut().remove(CONTENT_TYPE);
        } else if answer.status().is_client_error() || answer.status().is_server_error() {
            answer = error::complete(answer, &resource, &request_id, &host_id, head).await;
        }
        let headers = answer.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
        for (name, value) in [("x-amz-request-id", &request_id), ("x-amz-id-2", &host_id)] {
            let value = HeaderValue::from_str(value).expect("hexadecimal");
            headers.insert(HeaderName::from_static(name), value);
        }
        answer
    }

    /// Values that look like S3's `x-amz-request-id` and `x-amz-id-2`, new for each request.
    fn ids(&self) -> (String, String) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::digest([self.start.to_be_bytes().as_slice(), &number.to_be_bytes()].concat());
        let text: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let (request_id, host_id) = text.split_at(16);
        (request_id.to_owned(), host_id.to_owned())
    }
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Service for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.respond(request).boxed()
    }
}
