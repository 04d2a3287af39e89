//! Bucket policies: put, read, removed.

use http::StatusCode;
use s3s::s3_error;
use serde_json::Value;

use super::super::gate::Visit;
use super::super::public::is_public;
use super::read::named;
use super::*;
use crate::policy::{Document, Kind, PolicyError, Principal};

/// Bytes of a bucket policy.
const LONGEST: usize = 20 << 10;

impl Operations {
    pub(super) async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        ask(&visit, "s3:GetBucketPolicy")?;
        let policy = visit.bucket.settings.policy.clone();
        let policy = policy.ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
        Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
    }

    pub(super) async fn put_bucket_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        ask(&visit, "s3:PutBucketPolicy")?;
        let text = request.input.policy;
        let document = read(&text, &visit.resource(None))?;
        let block = visit.bucket.settings.public_access_block;
        if block.is_some_and(|block| block.block_public_policy) && is_public(document.json()) {
            let resource = visit.resource(None);
            return Err(s3_error!(
                AccessDenied,
                "s3:PutBucketPolicy on resource: \"{resource}\" is not allowed because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
            ));
        }
        self.store.set(&visit.bucket.name, move |settings| settings.policy = Some(text)).await?;
        Ok(S3Response::new(PutBucketPolicyOutput::default()))
    }

    pub(super) async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        ask(&visit, "s3:DeleteBucketPolicy")?;
        self.store.set(&visit.bucket.name, |settings| settings.policy = None).await?;
        Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
    }

    pub(super) async fn get_bucket_policy_status(
        &self,
        request: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketPolicyStatus")?;
        let policy = visit.bucket.policy.as_ref();
        let policy = policy.ok_or_else(|| s3_error!(NoSuchBucketPolicy, "The bucket policy does not exist"))?;
        let policy_status = PolicyStatus { is_public: Some(is_public(policy.document.json())) };
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(policy_status) }))
    }
}

/// Asks for what only the bucket's own account does. Its root user can always take back a policy that shuts everybody out.
fn ask(visit: &Visit, action: &str) -> S3Result<()> {
    let own = visit.visitor.account() == Some(visit.bucket.account.as_str());
    if own && matches!(visit.visitor.session.principal, Principal::Root { .. }) {
        return visit.ask_without_policy(action);
    }
    visit.ask(action)?;
    if own { Ok(()) } else { Err(s3_error!(MethodNotAllowed)) }
}

/// Reads a policy as S3 does before it takes it: a policy at all, short enough, of S3's actions, and about this bucket.
fn read(text: &str, bucket: &str) -> S3Result<Document> {
    if text.len() > LONGEST {
        return Err(malformed("Policy exceeds the maximum allowed document size.".to_owned()));
    }
    let document = Document::parse(text, Kind::Resource).map_err(|error| malformed(said(&error)))?;
    for (number, statement) in (1..).zip(each(&document.json()["Statement"])) {
        check(statement, bucket)
            .map_err(|(what, value)| malformed(format!("{what} ({value} in statement {number})")))?;
    }
    Ok(document)
}

/// What is wrong with a statement, in AWS's words, and which value it is.
fn check<'a>(statement: &'a Value, bucket: &str) -> Result<(), (&'static str, &'a Value)> {
    let both = |one: &'a Value, other: &'a Value| each(one).iter().chain(each(other));
    let levels = |resource: &Value| {
        let rest = resource.as_str().unwrap_or_default().strip_prefix(bucket)?;
        match rest.chars().next() {
            None => Some((true, false)),
            Some('/') => Some((false, true)),
            Some('*') => Some((true, true)),
            Some(_) => None,
        }
    };
    let mut reaches = (false, false);
    for resource in both(&statement["Resource"], &statement["NotResource"]) {
        let (bucket, objects) = levels(resource).ok_or(("Policy has invalid resource", resource))?;
        reaches = (reaches.0 || bucket, reaches.1 || objects);
    }
    for action in both(&statement["Action"], &statement["NotAction"]) {
        let name = action.as_str().unwrap_or_default();
        let own = name.get(..3).is_some_and(|service| service.eq_ignore_ascii_case("s3:"));
        if !own && name != "*" {
            return Err(("Policy has invalid action", action));
        }
        let excluded = !statement["NotResource"].is_null() || !statement["NotAction"].is_null();
        let applies = match is_of_objects(&name.to_ascii_lowercase()) {
            _ if excluded || name.contains(['*', '?']) => true,
            true => reaches.1,
            false => reaches.0,
        };
        if !applies {
            return Err(("Action does not apply to any resource(s) in statement", action));
        }
    }
    Ok(())
}

/// Whether an action, in lower case, is done to objects and not to their bucket
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>).
fn is_of_objects(action: &str) -> bool {
    let name = action.strip_prefix("s3:").unwrap_or(action);
    let starts =
        ["getobject", "putobject", "deleteobject", "restoreobject", "replicate", "objectowner", "updateobject"];
    let whole =
        ["abortmultipartupload", "bypassgovernanceretention", "initiatereplication", "listmultipartuploadparts"];
    starts.iter().any(|start| name.starts_with(start)) || whole.contains(&name)
}

/// One value or a list of them.
fn each(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// What is wrong, and where.
fn said(error: &PolicyError) -> String {
    match error.position {
        Some((line, column)) => format!("{error} (line {line}, column {column})"),
        None => error.to_string(),
    }
}

fn malformed(message: String) -> s3s::S3Error {
    named("MalformedPolicy", StatusCode::BAD_REQUEST, message)
}
