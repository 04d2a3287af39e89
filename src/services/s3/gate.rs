//! What every request passes before an operation may touch a bucket: the bucket is there, in the Region that was called,
//! belongs to whom the caller thinks, and the policies allow the action.
//!
//! An operation gets at a bucket only through a [`Visit`], and whoever has one has still to [ask](Visit::ask) for each
//! action. The answers come in AWS's order: an unknown bucket first, then the Region, then the policies, then the key, whose
//! absence only those learn who may list.

use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderValue, header};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};

use super::store::Store;
use super::store::buckets::BucketFacts;
use super::store::rows::Tags;
use super::{host, public, write_keys};
use crate::model::access::{Ask, Judged};
use crate::model::region::{is_region, partition};
use crate::policy::{self, Context, Policy};
use crate::services::front::session::Session;

/// Somebody with a request.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub session: Session,
    /// Keys that only writes have.
    write_keys: Context,
    /// Region of the name that was called; `None` for an address.
    pub called: Called,
    expected_owner: Option<String>,
}

/// Which of S3's names was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// A name with a Region in it.
    Region(String),
    /// `s3.amazonaws.com`, with the bucket in the path.
    Global,
    /// `BUCKET.s3.amazonaws.com`.
    GlobalBucket,
    /// An address or a name that is none of S3's: every bucket is there.
    Anywhere,
}

/// A visitor at a bucket.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub visitor: Visitor,
    pub bucket: Arc<BucketFacts>,
}

impl Visitor {
    /// Whoever sent a request; the door says who it is.
    pub fn of<T>(request: &S3Request<T>) -> S3Result<Self> {
        Self::from_parts(&request.headers, &request.extensions)
    }

    pub fn from_parts(headers: &HeaderMap, extensions: &Extensions) -> S3Result<Self> {
        let session = extensions.get::<Session>().cloned().ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let called = called(text("host").as_deref().unwrap_or_default());
        let write_keys = write_keys::of(headers);
        Ok(Self { session, write_keys, called, expected_owner: text("x-amz-expected-bucket-owner") })
    }

    /// Comes to a bucket.
    pub fn enter(self, store: &Store, bucket: &str) -> S3Result<Visit> {
        let bucket = store.bucket(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        self.check_region(&bucket)?;
        if self.expected_owner.as_ref().is_some_and(|expected| *expected != bucket.account) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(Visit { visitor: self, bucket })
    }

    /// Answers as S3 does in a Region that does not have the bucket.
    fn check_region(&self, bucket: &BucketFacts) -> S3Result<()> {
        let here = match &self.called {
            Called::Anywhere => return Ok(()),
            Called::Region(region) => region == &bucket.region,
            Called::Global | Called::GlobalBucket => bucket.region == "us-east-1",
        };
        if here {
            return Ok(());
        }
        let mut error = if self.called == Called::GlobalBucket {
            s3_error!(
                TemporaryRedirect,
                "Please re-send this request to the specified temporary endpoint. Continue to use the original request endpoint for future requests."
            )
        } else {
            s3_error!(
                PermanentRedirect,
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint."
            )
        };
        let mut headers = HeaderMap::new();
        if let Ok(region) = HeaderValue::from_str(&bucket.region) {
            headers.insert("x-amz-bucket-region", region);
        }
        error.set_headers(headers);
        Err(error)
    }

    /// Twelve digits of whoever signed; `None` for nobody.
    pub fn account(&self) -> Option<&str> {
        self.session.principal.account()
    }

    /// Asks for an action that is not about a bucket that is there.
    pub fn ask(&self, action: &str, resource: &str, more: impl FnOnce(&mut Context)) -> S3Result<()> {
        let region = match &self.called {
            Called::Region(region) => region.as_str(),
            _ => "us-east-1",
        };
        let account = self.account().map(str::to_owned);
        self.decide(action, resource.to_owned(), account, None, region, more)
    }

    fn decide(
        &self,
        action: &str,
        resource: String,
        resource_account: Option<String>,
        resource_policy: Option<Arc<Policy>>,
        region: &str,
        more: impl FnOnce(&mut Context),
    ) -> S3Result<()> {
        let mut context = Context::default();
        context.set("aws:RequestedRegion", region);
        if let Some(account) = &resource_account {
            context.set("s3:ResourceAccount", account.clone());
        }
        if write_keys::are_taken_by(action) {
            context.extend(self.write_keys.clone());
        }
        more(&mut context);
        let ask = Ask { action: action.to_owned(), resource, resource_account, resource_policy, context };
        self.session.authorize(&ask).map(drop).map_err(|judged| denied(&judged))
    }
}

impl Visit {
    pub fn of<T>(store: &Store, request: &S3Request<T>, bucket: &str) -> S3Result<Self> {
        Visitor::of(request)?.enter(store, bucket)
    }

    /// Asks for an action on the bucket.
    pub fn ask(&self, action: &str) -> S3Result<()> {
        self.ask_with(action, None, |_| {})
    }

    /// Asks for an action on a key, or on the bucket, with more condition keys.
    pub fn ask_with(&self, action: &str, key: Option<&str>, more: impl FnOnce(&mut Context)) -> S3Result<()> {
        let resource = self.resource(key);
        let account = Some(self.bucket.account.clone());
        self.visitor.decide(action, resource, account, self.policy(), &self.bucket.region, more)
    }

    /// Asks for an action on the bucket as if it had no policy.
    pub fn ask_without_policy(&self, action: &str) -> S3Result<()> {
        let account = Some(self.bucket.account.clone());
        self.visitor.decide(action, self.resource(None), account, None, &self.bucket.region, |_| {})
    }

    pub fn resource(&self, key: Option<&str>) -> String {
        let (partition, name) = (partition(&self.bucket.region), &self.bucket.name);
        let key = key.map_or(String::new(), |key| format!("/{key}"));
        format!("arn:{partition}:s3:::{name}{key}")
    }

    /// The bucket policy, where it counts: a public one of a bucket that restricts public access is only for its account.
    fn policy(&self) -> Option<Arc<Policy>> {
        let policy = self.bucket.policy.clone()?;
        let restricted = self.bucket.settings.public_access_block.is_some_and(|block| block.restrict_public_buckets);
        let own = self.visitor.account() == Some(self.bucket.account.as_str());
        Some(policy).filter(|policy| own || !restricted || !public::is_public(policy.document.json()))
    }

    /// What is said of a key that is not there: only who may list the bucket learns that.
    pub fn missing(&self, error: S3Error) -> S3Error {
        match self.ask("s3:ListBucket") {
            Ok(()) => error,
            Err(denied) => denied,
        }
    }
}

/// The tags of the object that is asked about, as condition keys.
pub(super) fn existing_tags(context: &mut Context, tags: &Tags) {
    for (key, value) in tags {
        context.set(&format!("s3:ExistingObjectTag/{key}"), value.clone());
    }
}

/// The tags that a request gives, as condition keys.
pub(super) fn request_tags(context: &mut Context, tags: &Tags) {
    if tags.is_empty() {
        return;
    }
    for (key, value) in tags {
        context.set(&format!("s3:RequestObjectTag/{key}"), value.clone());
    }
    context.set_all("s3:RequestObjectTagKeys", tags.iter().map(|(key, _)| key.clone()).collect());
}

/// AWS's words for a denial; the reason in people's words stands in the log.
fn denied(judged: &Judged) -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, policy::message(&judged.decision, &judged.request))
}

fn called(name: &str) -> Called {
    let lower = name.to_ascii_lowercase();
    let parsed = host::parse(&lower);
    match (parsed.region, parsed.bucket) {
        (Some(region), _) if is_region(region) => Called::Region(region.to_owned()),
        (Some(_), _) => Called::Anywhere,
        (None, _) if !host::is_of_s3(&lower) => Called::Anywhere,
        (None, Some(_)) => Called::GlobalBucket,
        (None, None) => Called::Global,
    }
}

/// The `Host` that a request needs for [`Visitor::from_parts`], also where HTTP/2 has it in the target.
pub(super) fn name_host<B>(request: &mut http::Request<B>) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let authority = request.uri().authority().and_then(|name| HeaderValue::from_str(name.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(header::HOST, authority);
    }
}
