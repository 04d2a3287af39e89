//! Real servers behind the lab's names: MinIO, Ceph RGW, ScyllaDB Alternator, moto, LocalStack, a developer's own.
//!
//! Purpose: packets, DNS, endpoints and policies stay ours, the request goes to a server that `lab.yaml` names. The client's
//! signature ended at the [door](super::front); what goes on is signed again with the backend's credentials.
//! Identity: one [`Upstream`] for each service that has a backend.
//! Life of a request: named ([`s3_action`], [`naming`], [`parameters`]) ► allowed by the policies ► a place among the
//! backend's connections ► rewritten and signed ► sent ► answered. Method, path, query and all headers but those of one
//! connection go on as they came; `Host` becomes the backend's, and a bucket of the host name moves into the path.
//! Bodies: S3's stream both ways with `UNSIGNED-PAYLOAD`, and so do large ones of REST services; where a body names the
//! action or the resource (JSON, Query, DeleteObjects) it is held, at most [`LONGEST_BODY`] of one request and
//! [`Limits::memory`] of all. Answers stream, but those of SQS, whose queue URLs name the backend.
//! Answers: as they came. `Location` and SQS's queue URLs that name the backend get the name that the client called.
//! Time and limits: see [`Limits`]. A request is sent again only when nothing of it was sent before: a kept connection had
//! closed. What was begun may have been done, so its failure is the client's to judge.
//! Failures: 502 and 504 with the reason, 503 when all connections are taken, in the error form of the service.
//!
//! Not done, and why: HTTP/2 and protocol upgrades to backends (no AWS service needs them); resource policies that live in
//! the backend are the backend's to enforce; a checksum in the trailer of an upload is checked at the door and does not go
//! on, as many servers know no trailers.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper_util::client::legacy::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use self::asking::Asking;
use self::flow::{Progress, Upload};
use self::schemas::Schemas;
use self::sign::{Payload, Signer};
use self::target::{Called, Target};
use super::failure::{Failure, Form};
use super::front::session::Session;
use super::front::{self, Body, Service};

pub(in crate::services) mod asking;
mod backend;
mod connect;
mod deletes;

mod flow;
mod headers;
mod naming;
mod parameters;
mod s3_action;
pub(in crate::services) mod schemas;
pub(in crate::services) mod sign;
mod strict;
mod target;
#[cfg(test)]
mod tests;

pub use self::backend::{Backend, Credentials, Limits};

/// Bytes of a body that is held: more than any JSON or Query service of AWS takes, and a thousand escaped keys.
const LONGEST_BODY: usize = 16 << 20;
/// Bytes up to which a body of a REST service is held, so that the signature covers it.
const SIGNED_BODY: u64 = 1 << 20;

/// A service that forwards to a backend.
pub struct Upstream {
    /// Name in endpoints: `s3`, `sqs`, `ecr.api`.
    service: &'static str,
    backend: Backend,
    /// URL without credentials, for people.
    name: Arc<str>,
    target: Target,
    limits: Limits,
    client: Client<connect::Connector, Upload>,
    places: Arc<Semaphore>,
    /// A permit is a byte.
    memory: Arc<Semaphore>,
}

/// A request that is named and whose body is where it must be.
struct Prepared {
    accesses: Vec<asking::Access>,
    body: Body,
    /// Length of a held body.
    held: Option<usize>,
    payload: Payload,
    /// Keys of a DeleteObjects that the backend does not hear of.
    denied: Vec<s3s::dto::Error>,
    _memory: Option<OwnedSemaphorePermit>,
}

impl Prepared {
    /// A body on its way through.
    fn streaming(accesses: Vec<asking::Access>, body: Body) -> Self {
        Self { accesses, body, held: None, payload: Payload::Unsigned, denied: Vec::new(), _memory: None }
    }

    /// A body that is here.
    fn held(accesses: Vec<asking::Access>, bytes: Bytes, memory: Option<OwnedSemaphorePermit>) -> Self {
        let (payload, held) = (Payload::of(&bytes), Some(bytes.len()));
        Self { accesses, body: front::full(bytes), held, payload, denied: Vec::new(), _memory: memory }
    }
}

impl Upstream {
    /// Forwards a service to a backend.
    ///
    /// # Errors
    /// When URL or certificates are none.
    pub fn new(service: &str, backend: Backend) -> anyhow::Result<Self> {
        Self::with_limits(service, backend, Limits::of(service))
    }

    /// The same within other bounds.
    ///
    /// # Errors
    /// When URL or certificates are none.
    pub fn with_limits(service: &str, backend: Backend, limits: Limits) -> anyhow::Result<Self> {
        let target = Target::parse(&backend.url, backend.path_style).map_err(anyhow::Error::msg)?;
        let client = connect::client(&target, backend.ca_file.as_deref(), &limits)
            .with_context(|| format!("the backend of {service}"))?;
        let known = crate::model::aws_services().find(|name| *name == service);
        Ok(Self {
            service: known.with_context(|| format!("AWS has no endpoints for a service `{service}`"))?,
            name: target.base().into(),
            target,
            client,
            places: Arc::new(Semaphore::new(limits.connections)),
            memory: Arc::new(Semaphore::new(limits.memory)),
            backend,
            limits,
        })
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let form = Form::of(self.service, &request);
        match self.forward(request, form).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::info!(
                    service = self.service,
                    backend = %self.name,
                    status = failure.status.as_u16(),
                    "not forwarded: {}",
                    failure.message
                );
                failure.answer(form)
            }
        }
    }

    async fn forward(&self, request: Request<Body>, form: Form) -> Result<Response<Body>, Failure> {
        let session = request.extensions().get::<Session>().cloned();
        let session = session.ok_or_else(|| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "the door did not say who calls")
        })?;
        let asking = Asking::new(self.service, &session, &request);
        let (mut parts, body) = request.into_parts();
        let prepared = self.prepare(form, &mut parts, body, &asking).await?;
        for access in &prepared.accesses {
            asking.ask(access).map_err(|text| Failure::denied(self.service, form, text))?;
        }
        if !prepared.denied.is_empty() && prepared.held.is_none() {
            return Ok(xml(deletes::with_denied(deletes::NOTHING_LEFT, &prepared.denied).expect("a DeleteResult")));
        }
        let place = self.place().await?;
        let called = asking.called();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = self.target.uri(path, called).map_err(|error| {
            Failure::new(StatusCode::BAD_REQUEST, "InvalidURI", format!("not an address at the backend: {error}"))
        })?;
        headers::of_request(&mut parts.headers);
        if let Some(length) = prepared.held {
            parts.headers.insert(CONTENT_LENGTH, length.into());
        }
        (parts.uri, parts.version) = (uri, Version::HTTP_11);
        parts.extensions = http::Extensions::new();
        self.sign(&mut parts, &prepared.payload, asking.region())?;
        let head = parts.method == Method::HEAD;
        let progress = Progress::new();
        let request = Request::from_parts(parts, Upload::new(prepared.body, progress.clone()));
        let answer = self.exchange(request, &progress).await?;
        let answer = self.returned(answer, called, head, place).await?;
        if prepared.denied.is_empty() || !answer.status().is_success() {
            return Ok(answer);
        }
        let (bytes, _memory) = self.hold_answer(answer.into_body()).await?;
        let merged = deletes::with_denied(&bytes, &prepared.denied);
        merged.map(xml).ok_or_else(|| Failure::bad_gateway(&self.name, "its answer is no DeleteResult"))
    }

    /// Waits for a place among the backend's connections.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let place = timeout(self.limits.connect_time, self.places.clone().acquire_owned()).await;
        Ok(place.map_err(|_| self.busy("has no free connection"))?.expect("it is never closed"))
    }

    /// Names what the request does, holding its body where that takes it.
    async fn prepare(
        &self,
        form: Form,
        parts: &mut http::request::Parts,
        body: Body,
        asking: &Asking<'_>,
    ) -> Result<Prepared, Failure> {
        let head = Request::from_parts(parts.clone(), ());
        if self.service == "s3" {
            let named = s3_action::name(&head, asking.called().bucket.as_deref()).map_err(unnamed)?;
            return match named {
                s3_action::Named::Accesses(accesses) => {
                    let accesses = accesses.into_iter().map(|access| asking.of_s3(access)).collect();
                    Ok(Prepared::streaming(accesses, body))
                }
                s3_action::Named::Deletes(bucket) => self.prepare_deletes(&bucket, parts, body, asking).await,
            };
        }
        let length = body.size_hint().exact();
        if form == Form::RestJson && length.is_none_or(|length| length > SIGNED_BODY) {
            let accesses = asking.of_service(
                form,
                &head,
                &parameters::Parameters::Json(serde_json::Value::Null),
                &Schemas::new(),
            )?;
            return Ok(Prepared::streaming(accesses, body));
        }
        let (bytes, memory) = self.hold(body).await?;
        let read = asking.parameters(form, &head, &bytes)?;
        // A backend that reads a form in it would find another operation.
        if form == Form::Json && Form::is_urlencoded(&parts.headers) {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        }
        let schemas = self.schemas(asking, &head, &read).await?;
        Ok(Prepared::held(asking.of_service(form, &head, &read, &schemas)?, bytes, memory))
    }

    /// Decides key by key, so that nothing is left to ask.
    async fn prepare_deletes(
        &self,
        bucket: &str,
        parts: &mut http::request::Parts,
        body: Body,
        asking: &Asking<'_>,
    ) -> Result<Prepared, Failure> {
        let (bytes, memory) = self.hold(body).await?;
        let bypass = parts.headers.contains_key("x-amz-bypass-governance-retention");
        let (delete, accesses) = s3_action::deleted(bucket, bypass, &bytes).map_err(unnamed)?;
        let ask = |at: usize| accesses[at].iter().try_for_each(|access| asking.ask(&asking.of_s3(access.clone())));
        let split = deletes::split(&bytes, delete, ask);
        let Some(left) = split.left else {
            return Ok(Prepared { denied: split.denied, ..Prepared::streaming(Vec::new(), front::full("")) });
        };
        if !split.denied.is_empty() {
            deletes::digest(&mut parts.headers, &left);
        }
        Ok(Prepared { denied: split.denied, ..Prepared::held(Vec::new(), left, memory) })
    }

    /// Takes a body into memory, as long as there is room.
    async fn hold(&self, mut body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
        let mut bytes = BytesMut::new();
        let mut memory: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken_off(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > LONGEST_BODY {
                let message = format!("vpclab passes a body of at most {LONGEST_BODY} bytes on to {}", self.service);
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message));
            }
            let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let room = self.memory.clone().try_acquire_many_owned(size).map_err(|_| self.busy("has no room"))?;
            match &mut memory {
                Some(memory) => memory.merge(room),
                None => memory = Some(room),
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), memory))
    }

    /// The same for an answer.
    async fn hold_answer(&self, body: Body) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
        let held = self.hold(body).await;
        held.map_err(|failure| {
            Failure::bad_gateway(&self.name, &format!("its answer ended early: {}", failure.message))
        })
    }

    fn sign(&self, parts: &mut http::request::Parts, payload: &Payload, region: &str) -> Result<(), Failure> {
        let Some(credentials) = &self.backend.credentials else { return Ok(()) };
        let signer = Signer {
            credentials,
            region: self.backend.region.as_deref().unwrap_or(region),
            service: naming::signing_name(self.service),
            now: SystemTime::now().into(),
        };
        let signed = signer.sign(&parts.method, &parts.uri, &mut parts.headers, payload);
        signed.map_err(|error| Failure::bad_gateway(&self.name, &format!("its credentials make no header: {error}")))
    }

    /// Sends, and waits for the head of an answer.
    async fn exchange(
        &self,
        request: Request<Upload>,
        progress: &Progress,
    ) -> Result<Response<hyper::body::Incoming>, Failure> {
        let answer = tokio::select! {
            answer = self.client.request(request) => answer,
            () = progress.silence(self.limits.head_time) => {
                return Err(Failure::timeout(&self.name, "did not answer", self.limits.head_time));
            }
        };
        let answer = answer.map_err(|error| match progress.failure() {
            Some(of_client) => broken_off(&of_client),
            None => Failure::of_exchange(&self.name, &error, self.limits.connect_time),
        })?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => Err(Failure::bad_gateway(&self.name, "it switched protocols unasked")),
            _ => Ok(answer),
        }
    }

    /// The answer as the client gets it.
    async fn returned(
        &self,
        answer: Response<hyper::body::Incoming>,
        called: &Called,
        head: bool,
        place: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = answer.into_parts();
        headers::of_answer(&mut parts.headers);
        parts.extensions = http::Extensions::new();
        rewrite_location(&mut parts.headers, &self.target, called);
        let body = flow::download(body, self.limits.body_time, self.name.clone(), place);
        if self.service != "sqs" || head {
            return Ok(Response::from_parts(parts, body));
        }
        let (bytes, _memory) = self.hold_answer(body).await?;
        let bytes = with_called_name(&bytes, &self.target.base(), &called.base());
        parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
        Ok(Response::from_parts(parts, front::full(bytes)))
    }

    fn busy(&self, what: &str) -> Failure {
        let code = if self.service == "s3" { "SlowDown" } else { "ThrottlingException" };
        let message = format!("vpclab {what} to its backend {}", self.name);
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("service", &self.service)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl Service for Upstream {
    fn name(&self) -> &'static str {
        self.service
    }

    fn http2(&self) -> bool {
        self.service != "s3"
    }

    fn called(&self, _host: &str) -> Option<String> {
        Some(self.service.to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.respond(request).boxed()
    }
}

fn xml(body: Bytes) -> Response<Body> {
    let mut answer = Response::new(front::full(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

/// A request that no policy can decide about.
fn unnamed(why: s3_action::Unnamed) -> Failure {
    let (status, code, message) = match why {
        s3_action::Unnamed::Invalid(message) => (StatusCode::BAD_REQUEST, "InvalidURI", message),
        s3_action::Unnamed::Unknown(what) => {
            let message = format!("vpclab does not know the IAM action of {what}, so no policy can decide about it");
            (StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
        }
        s3_action::Unnamed::Malformed(message) => (StatusCode::BAD_REQUEST, "MalformedXML", message),
    };
    Failure::new(status, code, message)
}

fn invalid(form: Form, why: String) -> Failure {
    let code = if form == Form::Json { "SerializationException" } else { "MalformedQueryString" };
    Failure::new(StatusCode::BAD_REQUEST, code, why)
}

/// The client's own body ended early: too slow, gone, or its signature was wrong.
fn broken_off(error: &front::BodyError) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "IncompleteBody", error.to_string())
}

fn rewrite_location(headers: &mut HeaderMap, target: &Target, called: &Called) {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    if let Some(location) = location.and_then(|location| target.as_called(location, called))
        && let Ok(location) = location.parse()
    {
        headers.insert(LOCATION, location);
    }
}

/// Puts the called name in the backend's place, where a slash follows: in URLs of queues.
fn with_called_name(body: &Bytes, backend: &str, called: &str) -> Bytes {
    let (from, to) = (format!("{backend}/"), format!("{called}/"));
    match std::str::from_utf8(body) {
        Ok(text) if text.contains(&from) => text.replace(&from, &to).into(),
        _ => body.clone(),
    }
}
