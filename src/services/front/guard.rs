//! Who may come in: the signature of each request, proved with the lab's keys.
//!
//! [`Guard::admit`] turns a request as it came into one that nobody seems to have signed, with a [`Session`] that says who
//! did; or into AWS's answer of why not. Bodies of S3 stream on, proved at their end; those of all other services are held
//! first, as their signature is about the whole.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::journal::Journal;
use super::refusal::{Cause, Refused};
use super::session::{Session, Ticket, common_keys};
use super::signature::body;
use super::signature::{self, Payload, Signed, canonical};
use super::{Body, Caller, full};
use crate::model::access::Directory;
use crate::policy::{Context, Document, Kind, Policy, Principal};
use crate::services::called::Called;
use crate::services::tokens::{Grant, TokenError, Tokens};

/// Bytes of all held bodies at once.
const MEMORY: usize = 256 << 20;
/// Bytes of a held body: the most that DynamoDB takes, and more than any other JSON or Query service does.
const LONGEST_BODY: usize = 16 << 20;
/// What a temporary key id begins with.
const TEMPORARY: &str = "ASIA";

/// What all doors of a lab share.
#[derive(Debug)]
pub struct Access {
    /// Keys, roles and policies.
    pub directory: ArcSwap<Directory>,
    /// Opens temporary credentials.
    pub tokens: Arc<Tokens>,
    /// Notes decisions.
    pub journal: Arc<Journal>,
    /// Room for bodies that are held; a permit is a byte.
    memory: Arc<Semaphore>,
}

/// The part of the room that one request's body has; dropping it gives it back.
struct Room {
    memory: Arc<Semaphore>,
    taken: usize,
}

impl Room {
    /// Takes so many bytes more, where they are free. Not waited for: several half-sent bodies may have it all.
    fn take(&mut self, bytes: usize) -> Result<(), Refused> {
        let wanted = u32::try_from(bytes).ok().and_then(|bytes| self.memory.try_acquire_many(bytes).ok());
        wanted.ok_or_else(|| Refused::new(Cause::Busy, "Too many requests are under way: please try again"))?.forget();
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.add_permits(self.taken);
    }
}

/// Who signed.
struct Identity {
    principal: Principal,
    secret: String,
    policies: Vec<Arc<Policy>>,
    keys: Context,
}

impl Access {
    /// Of a world, with the key of its temporary credentials.
    pub fn new(directory: Directory, tokens: Arc<Tokens>) -> Self {
        Self {
            directory: ArcSwap::from_pointee(directory),
            tokens,
            journal: Arc::default(),
            memory: Arc::new(Semaphore::new(MEMORY)),
        }
    }

    /// Proves a request to a service (`s3`, `dynamodb`, …), or answers why not.
    pub fn admit(
        self: Arc<Self>,
        request: Request<Body>,
        service: String,
    ) -> BoxFuture<'static, Result<Request<Body>, Response<Body>>> {
        async move {
            let (parts, body) = request.into_parts();
            let head = Request::from_parts(parts.clone(), ());
            self.prove(parts, body, &service).await.map_err(|refused| {
                tracing::info!(service, cause = ?refused.cause, "turned away: {refused}");
                refused.answer(&service, &head)
            })
        }
        .boxed()
    }

    async fn prove(&self, mut parts: Parts, body: Body, service: &str) -> Result<Request<Body>, Refused> {
        let directory = self.directory.load_full();
        let region = region_called(&parts);
        let now = SystemTime::now();
        let Some(signed) = signature::read(&parts)? else {
            if service != "s3" {
                return Err(Refused::new(Cause::Missing, "Request is missing Authentication Token"));
            }
            let payload = signature::payload(&parts)?;
            let keys = of_service(&parts, service, None, now);
            signature::strip(&mut parts, &payload, false)?;
            let body = body::signed(body, &payload, None, length(&parts));
            return Ok(self.with_session(parts, body, directory, keys, region.as_deref(), None));
        };
        signed.check_time(now)?;
        signed.check_scope(service, region.as_deref())?;
        check_payload(&signed.payload, service)?;
        let identity = self.identify(&directory, &signed, service, now)?;
        let (body, proof) = match service {
            "s3" => {
                let proof = signed.check(&parts, &identity.secret, canonical::EMPTY)?;
                (body, Some(proof))
            }
            _ => {
                let mut room = Room { memory: Arc::clone(&self.memory), taken: 0 };
                let held = hold(body, &mut room).await?;
                // It is given back with the request.
                parts.extensions.insert(Arc::new(room));
                let hash = canonical::digest(&held);
                signed.check(&parts, &identity.secret, &hash)?;
                if matches!(&signed.payload, Payload::Hash(said) if *said != hash) {
                    return Err(Refused::new(Cause::PayloadMismatch, "The body is not the one that was signed"));
                }
                (full(held), None)
            }
        };
        let keys = of_service(&parts, service, Some(&signed), now);
        signature::strip(&mut parts, &signed.payload, signed.expires.is_some())?;
        let body = match proof {
            Some(proof) => body::signed(body, &signed.payload, Some(&proof), length(&parts)),
            None => body,
        };
        Ok(self.with_session(parts, body, directory, keys, region.as_deref(), Some((signed, identity))))
    }

    fn with_session(
        &self,
        mut parts: Parts,
        body: Body,
        directory: Arc<Directory>,
        of_service: Context,
        region: Option<&str>,
        who: Option<(Signed, Identity)>,
    ) -> Request<Body> {
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else { return Request::from_parts(parts, body) };
        // A name that is no Region's says nothing of one; the signature does.
        let signed_for = who.as_ref().map(|(signed, _)| signed.region().to_owned());
        let mut keys = common_keys(&parts.headers, region.or(signed_for.as_deref()));
        keys.extend(of_service);
        let (principal, access_key_id, policies) = match who {
            None => (Principal::Anonymous, None, Vec::new()),
            Some((signed, identity)) => {
                keys.extend(identity.keys);
                (identity.principal, Some(signed.access_key_id), identity.policies)
            }
        };
        let ticket = Ticket { keys, journal: Some(Arc::clone(&self.journal)), region: signed_for };
        parts.extensions.insert(Session { caller, principal, access_key_id, policies, directory, ticket });
        Request::from_parts(parts, body)
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// Nobody's, in S3's words or in those of all other services.
    fn identify(
        &self,
        directory: &Directory,
        signed: &Signed,
        service: &str,
        now: SystemTime,
    ) -> Result<Identity, Refused> {
        let id = &signed.access_key_id;
        let refused =
            |cause, of_s3: &str, of_others: &str| Refused::new(cause, if service == "s3" { of_s3 } else { of_others });
        let invalid = "The security token included in the request is invalid.";
        let unknown = || {
            let of_s3 = "The AWS Access Key Id you provided does not exist in our records.";
            refused(Cause::UnknownKey, of_s3, invalid).with("AWSAccessKeyId", id.as_str())
        };
        match &signed.session_token {
            Some(token) => {
                let (secret, grant) = self.tokens.open(id, token, now).map_err(|error| match error {
                    TokenError::Expired => {
                        let of_others = "The security token included in the request is expired";
                        refused(Cause::ExpiredToken, &error.to_string(), of_others)
                    }
                    TokenError::Invalid => refused(Cause::InvalidToken, &error.to_string(), invalid),
                })?;
                Ok(temporary(secret, grant))
            }
            None if id.starts_with(TEMPORARY) => Err(unknown()),
            None => {
                let key = directory.access_key(id).ok_or_else(unknown)?;
                Ok(Identity {
                    principal: key.principal,
                    secret: key.secret_access_key,
                    policies: Vec::new(),
                    keys: Context::default(),
                })
            }
        }
    }
}

fn temporary(secret: String, grant: Grant) -> Identity {
    let mut keys = Context::default();
    if let Some((vpc_id, address)) = grant.issued_to {
        keys.set("aws:Ec2InstanceSourceVpc", vpc_id);
        keys.set("aws:Ec2InstanceSourcePrivateIPv4", address.to_string());
    }
    let policy = |(number, text): (usize, &String)| {
        let document = Document::parse(text, Kind::Session).ok()?;
        let name = format!("session policy {}", number + 1);
        Some(Arc::new(Policy { kind: Kind::Session, name, owner: String::new(), document, places: Vec::new() }))
    };
    // They were parsed when the session was made.
    let policies = grant.policies.iter().enumerate().filter_map(policy).collect();
    Identity { principal: grant.principal, secret, policies, keys }
}

/// A service's own condition keys that only the door can tell, before the signature is gone.
fn of_service(parts: &Parts, service: &str, signed: Option<&Signed>, now: SystemTime) -> Context {
    let tls = parts.extensions.get::<Caller>().and_then(|caller| caller.tls);
    match service {
        "s3" => signature::s3_keys(&parts.headers, signed, tls, now),
        _ => Context::default(),
    }
}

/// What a signature may say of a body.
fn check_payload(payload: &Payload, service: &str) -> Result<(), Refused> {
    match (service, payload) {
        // The head would be signed for no body, and any body go with it.
        ("s3", Payload::Implied) => {
            let message = "Missing required header for this request: x-amz-content-sha256";
            Err(Refused::new(Cause::MissingPayload, message))
        }
        ("s3", _) | (_, Payload::Hash(_) | Payload::Unsigned | Payload::Implied) => Ok(()),
        (_, Payload::Chunked { name, .. }) => {
            Err(Refused::new(Cause::BadPayload, format!("a body of the kind {name} is for S3 alone")))
        }
    }
}

/// `Content-Length`.
fn length(parts: &Parts) -> Option<u64> {
    parts.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The Region in the name that was called.
fn region_called(parts: &Parts) -> Option<String> {
    let head = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    Called::read(parts.uri.authority().map(http::uri::Authority::as_str).or(head)?).region
}

/// The whole body, where it is no longer than a service takes.
async fn hold(body: Body, room: &mut Room) -> Result<Bytes, Refused> {
    let (mut body, mut held) = (body, BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refused::new(Cause::Incomplete, error.to_string()))?;
        let data: &[u8] = frame.data_ref().map_or(&[], |data| data);
        room.take(data.len())?;
        held.extend_from_slice(data);
        if held.len() > LONGEST_BODY {
            return Err(Refused::new(Cause::TooLarge, format!("The request has more than {LONGEST_BODY} bytes")));
        }
    }
    Ok(held.freeze())
}

#[cfg(test)]
mod tests;
