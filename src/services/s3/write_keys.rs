//! Headers that are condition keys of writes, for the embedded S3 and before a backend.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use http::HeaderMap;

use crate::policy::Context;

/// `s3:` stands before the name.
const HEADERS: [&str; 14] = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// The keys that a head has for the actions that [take](are_taken_by) them.
pub(in crate::services) fn of(headers: &HeaderMap) -> Context {
    let mut keys = Context::default();
    for name in HEADERS {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            keys.set(&format!("s3:{name}"), value);
        }
    }
    keys
}

/// Whether an action has these keys.
pub(in crate::services) fn are_taken_by(action: &str) -> bool {
    matches!(
        action,
        "s3:PutObject" | "s3:CreateBucket" | "s3:PutBucketAcl" | "s3:PutObjectAcl" | "s3:PutObjectVersionAcl"
    )
}
