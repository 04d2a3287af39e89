//! S3, as a normal SDK application uses it: path and virtual-host style under all of S3's names.
//!
//! Purpose: the far end of a gateway or interface endpoint. The door has verified the signature and says who asks; s3s reads
//! and writes the protocol; [`operations`] are S3's, each behind the [`gate`] that asks the policies; [`store`] keeps buckets
//! and objects in a folder.
//! Identity: a bucket by its name, unique in the lab; an account by its number, from which its canonical id follows.
//! Life: buckets are there from the start or made by clients; objects outlive the process, and the lab where the folder
//! stays. Settings of a bucket live in the store; what a template says of them is done to it at each start.
//! Limits: objects are streamed, both ways. XML bodies (up to [`LONGEST_DOCUMENT`]) and browser form uploads (up to
//! [`LARGEST_FORM`]) are held in memory, all at once in [`MEMORY`] ([`held`]).
//! Not done (501 NotImplemented, or as it says): ACLs (every bucket is "bucket owner enforced", answers
//! AccessControlListNotSupported), SSE-C and KMS, Object Lock with legal hold and retention, lifecycle, replication,
//! notification, logging, website, inventory, analytics, metrics, intelligent tiering, acceleration, metadata tables,
//! Select, torrent, restore, Object Lambda, directory buckets with CreateSession, appending writes, MFA delete, access
//! points and the `accesspoint.` and `control.` names of endpoints, conditions of DeleteObject other than If-Match, and
//! browser forms that are signed (unsigned ones are asked of the policies as anybody's).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, SERVER, TRANSFER_ENCODING,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use self::error::ErrorDocument;
use self::held::{Held, Share};
use self::operations::Operations;
use self::store::Store;
use self::trailers::{Trailed, Trailers};
use super::front::{self, Body, Service};

mod checksum;
mod condition;
mod cors;
mod declared;
mod error;
mod gate;
mod held;
mod host;
mod incoming;
mod keys;
mod lenient;
mod operations;
mod public;
mod seed;
mod store;
#[cfg(test)]
mod tests;
mod trailers;
pub(super) mod write_keys;

pub use self::declared::{Bucket, LiveBucket};
pub use self::store::Kept;
pub use self::store::buckets::PublicAccessBlock;

/// Where a bucket is.
const REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
/// Bytes of request bodies in memory, of all requests together.
const MEMORY: usize = 128 << 20;
/// Bytes of a browser form's file.
const LARGEST_FORM: u64 = 64 << 20;
/// Bytes of an XML body: a thousand keys to delete, escaped, fit.
const LONGEST_DOCUMENT: usize = 8 << 20;

/// Most bytes of a body that is held in memory: a browser's form, or a document.
fn longest<B>(request: &Request<B>) -> usize {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.starts_with("multipart/form-data") {
        true => usize::try_from(LARGEST_FORM).unwrap_or(usize::MAX),
        false => LONGEST_DOCUMENT,
    }
}

/// The bucket that a host name holds, in lower case; `None` in path style.
pub(super) fn bucket_of_host(host: &str) -> Option<String> {
    host::parse(host).bucket.map(str::to_owned)
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
    /// Opens the store in `folder` (made when missing, and left as it was when not) and declares buckets in it.
    ///
    /// # Errors
    /// When the folder can't be used, or another process does.
    pub fn open(folder: &Path, kept: Kept, buckets: &[Bucket]) -> anyhow::Result<Self> {
        let store = Store::open(folder, kept)?;
        for bucket in buckets {
            store.declare(bucket).with_context(|| format!("declaring bucket {}", bucket.name))?;
        }
        let mut config = S3Config::default();
        config.post_object_max_file_size = LARGEST_FORM;
        config.xml_max_body_size = LONGEST_DOCUMENT;
        // Without an `S3Auth`: whoever comes here was let in by the door, and s3s skips what it would ask.
        let mut builder = S3ServiceBuilder::new(Operations { store: store.clone() });
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_host(host::Names);
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
        let memory = Arc::new(Semaphore::new(MEMORY));
        Ok(Self { service: builder.build(), store, start: start.as_nanos(), requests: AtomicU64::new(0), memory })
    }

    /// A bucket as it is now, made by a template or by a client.
    pub fn bucket(&self, name: &str) -> Option<LiveBucket> {
        let facts = self.store.bucket(name)?;
        let (account, region, policy) = (facts.account.clone(), facts.region.clone(), facts.policy.clone());
        Some(LiveBucket { account, region, policy })
    }

    /// Makes or updates a bucket as a template declares it, also while clients use it.
    ///
    /// # Errors
    /// When the store can't be written.
    pub fn declare(&self, bucket: &Bucket) -> anyhow::Result<()> {
        self.store.declare(bucket)
    }

    /// Puts the files under `folder` into a bucket, keys being their paths; returns how many.
    pub async fn seed(&self, bucket: &str, folder: &Path) -> anyhow::Result<usize> {
        seed::seed(&self.store, bucket, folder).await
    }

    async fn respond(&self, mut request: Request<Body>) -> Response<Body> {
        let (request_id, host_id) = self.ids();
        gate::name_host(&mut request);
        let head = request.method() == Method::HEAD;
        let resource = host::resource(front::host(&request).unwrap_or_default(), request.uri().path());
        let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
        let method = request.method().clone();
        let target = request.uri().clone();
        let mut answer = self.act(request, &resource).await;
        // s3s has no such answer to a HEAD.
        if head && answer.status() == StatusCode::OK && answer.headers().contains_key(CONTENT_RANGE) {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let status = answer.status();
        if status == StatusCode::NOT_MODIFIED {
            *answer.body_mut() = front::full("");
            answer.headers_mut().remove(CONTENT_TYPE);
        } else if status.is_client_error() || status.is_server_error() || status.is_redirection() {
            answer = error::complete(answer, &resource, &request_id, &host_id, head).await;
        }
        if status == StatusCode::TEMPORARY_REDIRECT {
            error::lead_on(&mut answer, &resource, &target);
        }
        let bucket = resource.bucket.as_deref().and_then(|bucket| self.store.bucket(bucket));
        let headers = answer.headers_mut();
        if let Some(bucket) = bucket {
            if let Some(origin) = origin {
                cors::show(headers, &bucket.settings.cors, &origin, &method);
            }
            // HeadBucket tells the Region to whomever, so that clients find their way.
            if head
                && resource.key.is_none()
                && let Ok(region) = HeaderValue::from_str(&bucket.region)
            {
                headers.insert(REGION, region);
            }
        }
        headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
        for (name, value) in [("x-amz-request-id", &request_id), ("x-amz-id-2", &host_id)] {
            let value = HeaderValue::from_str(value).expect("hexadecimal");
            headers.insert(HeaderName::from_static(name), value);
        }
        answer
    }

    async fn act(&self, mut request: Request<Body>, resource: &host::Resource) -> Response<Body> {
        if resource.key.as_deref().is_some_and(|key| key.contains('\0') || keys::leads_out(key)) {
            return ErrorDocument::new("InvalidURI").answer(StatusCode::BAD_REQUEST);
        }
        if request.method() == Method::OPTIONS {
            let bucket = resource.bucket.as_deref().and_then(|bucket| self.store.bucket(bucket));
            return match bucket {
                Some(bucket) => cors::preflight(request.headers(), &bucket.settings.cors),
                None => ErrorDocument::new("NoSuchBucket").answer(StatusCode::NOT_FOUND),
            };
        }
        lenient::prepare(&mut request);
        let held = held::is_held(&request, resource).then(|| Share::new(&self.memory, longest(&request)));
        let query = request.uri().query().unwrap_or_default().to_owned();
        let request = match &held {
            Some(share) if share.is_announced_too_long(request.headers()) => {
                return ErrorDocument::new("MaxMessageLengthExceeded").answer(StatusCode::BAD_REQUEST);
            }
            Some(share) => {
                let (parts, body) = request.into_parts();
                let held = Held::new(body, share.clone(), &parts.headers, !query.contains("uploadId="));
                Request::from_parts(parts, s3s::Body::http_body_unsync(held))
            }
            None => {
                let trailers = Trailers::default();
                request.extensions_mut().insert(trailers.clone());
                request.map(|body| s3s::Body::http_body_unsync(Trailed::new(body, trailers)))
            }
        };
        match self.service.call(request).await {
            _ if held.as_ref().is_some_and(|share| share.refused()) => {
                ErrorDocument::new("SlowDown").answer(StatusCode::SERVICE_UNAVAILABLE)
            }
            _ if held.as_ref().is_some_and(|share| share.is_too_long()) => {
                ErrorDocument::new("MaxMessageLengthExceeded").answer(StatusCode::BAD_REQUEST)
            }
            _ if held.is_some_and(|share| share.is_wrong()) => {
                ErrorDocument::new("BadDigest").answer(StatusCode::BAD_REQUEST)
            }
            Ok(answer) if query.split('&').any(|pair| pair == "attributes" || pair.starts_with("attributes=")) => {
                without_quotes(answer.map(BodyExt::boxed_unsync)).await
            }
            Ok(answer) => answer.map(BodyExt::boxed_unsync),
            Err(error) => {
                tracing::error!(?error, "s3: no answer");
                ErrorDocument::new("InternalError").answer(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
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

/// GetObjectAttributes alone says an ETag without quotes, which s3s can't.
async fn without_quotes(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    // s3s makes the document in memory: a thousand parts at most.
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace("<ETag>&quot;", "<ETag>").replace("&quot;</ETag>", "</ETag>");
    let text = text.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, front::full(text))
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

    fn called(&self, _host: &str) -> Option<String> {
        Some("s3".to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.respond(request).boxed()
    }
}
