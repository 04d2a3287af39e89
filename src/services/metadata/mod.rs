//! Instance metadata: what an instance can learn about itself at 169.254.169.254 (B10).
//!
//! Purpose: SDKs find Region and role credentials here, scripts everything else. Identity: who asks follows from the fabric
//! address, so each instance reads its own; nobody else's can be asked for. Sessions: IMDSv2's tokens are stateless
//! ([`token`]), so nothing is kept and nothing grows. Credentials: the role's, made by [`Tokens`] from the whole hour, so that
//! they stay the same within it and have five hours left at least.
//! Life: a [`Tree`](tree::Tree) for each instance, made from the world and swapped whole when that changes.
//!
//! Not done, and why: signatures of the identity document (its keys are AWS's), `spot` and `events` (nothing of the kind
//! happens), IPv6. Version 1 needs no token where the instance's `HttpTokens` is `optional`.

#[cfg(test)]
mod tests;
pub mod token;
pub mod tree;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SERVER};
use http::{Method, Request, Response, StatusCode};
use time::OffsetDateTime;
use time::macros::format_description;

use self::tree::{Found, Profile, Role, Tree};
use super::front::{self, Body, Caller, Service};
use super::tokens::{Grant, Tokens};
use crate::model::access::Directory;
use crate::model::{Origin, World};
use crate::policy::Principal;

const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
/// Seconds of the longest session.
const LONGEST: u64 = 21_600;
const HOUR: u64 = 3600;
/// Hours that a role's credentials are good for.
const GOOD_FOR: u64 = 6;

/// The service.
pub struct Metadata {
    tokens: Arc<Tokens>,
    key: [u8; 32],
    trees: ArcSwap<HashMap<String, Tree>>,
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata").finish_non_exhaustive()
    }
}

impl Metadata {
    /// Of a world's instances, and the directory of that world; `key` makes session tokens.
    pub fn new(tokens: Arc<Tokens>, key: [u8; 32], world: &World, directory: &Directory) -> Self {
        let made = Self { tokens, key, trees: ArcSwap::default() };
        made.swap(world, directory);
        made
    }

    /// Takes another world.
    pub fn swap(&self, world: &World, directory: &Directory) {
        let tree = |id: &String| Some((id.clone(), Tree::of(world, directory, id)?));
        self.trees.store(Arc::new(world.instances.keys().filter_map(tree).collect()));
    }

    fn respond<B>(&self, request: &Request<B>, now: SystemTime) -> Response<Body> {
        let caller = request.extensions().get::<Caller>();
        let origin = caller.and_then(|caller| caller.origin.as_deref());
        let trees = self.trees.load();
        let asker = origin.and_then(|origin| Some((origin, trees.get(origin.instance_id.as_deref()?)?)));
        let Some((origin, tree)) = asker else { return refusal(StatusCode::NOT_FOUND) };
        if !tree.options.enabled {
            return refusal(StatusCode::FORBIDDEN);
        }
        match *request.method() {
            Method::PUT => self.new_session(request, &tree.instance_id, now),
            Method::GET | Method::HEAD => self.read(request, origin, tree, now),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn new_session<B>(&self, request: &Request<B>, instance_id: &str, now: SystemTime) -> Response<Body> {
        // A proxy that passes requests on must not hand out an instance's tokens.
        if request.headers().contains_key("x-forwarded-for") || request.uri().path() != "/latest/api/token" {
            return refusal(StatusCode::FORBIDDEN);
        }
        let said = request.headers().get(TTL_HEADER).and_then(|value| value.to_str().ok());
        let seconds = said.and_then(|text| text.parse::<u64>().ok()).filter(|seconds| (1..=LONGEST).contains(seconds));
        let Some(seconds) = seconds else { return refusal(StatusCode::BAD_REQUEST) };
        let token = token::make(&self.key, instance_id, unix(now) + seconds);
        let mut answer = text(token);
        answer.headers_mut().insert(TTL_HEADER, HeaderValue::from(seconds));
        answer
    }

    fn read<B>(&self, request: &Request<B>, origin: &Origin, tree: &Tree, now: SystemTime) -> Response<Body> {
        let given = request.headers().get(TOKEN_HEADER).map(|token| token.to_str().unwrap_or_default());
        let good = given.map(|token| token::is_good(&self.key, &tree.instance_id, token, unix(now)));
        if good == Some(false) || good.is_none() && tree.options.tokens_required {
            return refusal(StatusCode::UNAUTHORIZED);
        }
        match tree.find(request.uri().path()) {
            None => refusal(StatusCode::NOT_FOUND),
            Some(Found::Text(found)) => text(found),
            Some(Found::Json(found)) => {
                let mut answer = text(found);
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                answer
            }
            // Plain text on AWS, as the credentials are.
            Some(Found::Profile(profile)) => text(info(profile, now)),
            Some(Found::Credentials(role)) => text(self.credentials(role, origin, tree, now)),
        }
    }

    fn credentials(&self, role: &Role, origin: &Origin, tree: &Tree, now: SystemTime) -> String {
        let issued = issued(now);
        let grant = Grant {
            principal: Principal::Session {
                account: role.account.clone(),
                role_arn: role.arn.clone(),
                role_id: role.role_id.clone(),
                session_name: tree.instance_id.clone(),
            },
            expires: UNIX_EPOCH + Duration::from_secs(issued + GOOD_FOR * HOUR),
            policies: Vec::new(),
            issued_to: Some((origin.vpc_id.clone(), tree.private_ip.into())),
        };
        let made = self.tokens.mint(&grant);
        let credentials = serde_json::json!({
            "Code": "Success",
            "LastUpdated": date(UNIX_EPOCH + Duration::from_secs(issued)),
            "Type": "AWS-HMAC",
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "Token": made.session_token,
            "Expiration": date(made.expires),
        });
        serde_json::to_string_pretty(&credentials).expect("plain data")
    }
}

impl Service for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    /// Only a session's token is kept near: version 1 of the protocol knows no limit.
    fn hop_limit(&self, origin: Option<&Origin>, method: &Method) -> Option<u8> {
        if method != Method::PUT {
            return None;
        }
        let trees = self.trees.load();
        trees.get(origin?.instance_id.as_deref()?).map(|tree| tree.options.hop_limit)
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let mut answer = self.respond(&request, SystemTime::now());
        answer.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
        // As AWS does. What follows on the same connection would send again, with a hop limit of its own, the token that
        // did not arrive.
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        std::future::ready(answer).boxed()
    }
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The second from which on the credentials of that moment are good.
fn issued(now: SystemTime) -> u64 {
    unix(now) / HOUR * HOUR
}

fn info(profile: &Profile, now: SystemTime) -> String {
    let info = serde_json::json!({
        "Code": "Success",
        "LastUpdated": date(UNIX_EPOCH + Duration::from_secs(issued(now))),
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": profile.id,
    });
    format!("{info:#}")
}

fn date(time: SystemTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from(time).format(form).expect("the form fits every date")
}

fn text(body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut answer = Response::new(front::full(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// AWS answers what it refuses as a page.
fn refusal(status: StatusCode) -> Response<Body> {
    let title = format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\">\n <head>\n  \
         <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    let mut answer = Response::new(front::full(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    answer
}
