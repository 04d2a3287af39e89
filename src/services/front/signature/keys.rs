//! S3's condition keys about the signature and the connection.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html>

use std::time::SystemTime;

use http::HeaderMap;

use super::Signed;
use crate::policy::Context;
use crate::services::front::Tls;

/// The keys of a request as it came, with its signature: who did not sign has none of one, and who did not encrypt no
/// `s3:TlsVersion`. No form that a browser signs gets this far, so that `s3:authType` is never `POST`.
pub fn of_s3(headers: &HeaderMap, signed: Option<&Signed>, tls: Option<Tls>, now: SystemTime) -> Context {
    let mut keys = Context::default();
    if let Some(tls) = tls {
        keys.set("s3:TlsVersion", tls.version());
    }
    if let Some(said) = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok()) {
        keys.set("s3:x-amz-content-sha256", said.trim());
    }
    let Some(signed) = signed else { return keys };
    let kind = if signed.expires.is_some() { "REST-QUERY-STRING" } else { "REST-HEADER" };
    keys.set("s3:authType", kind);
    keys.set("s3:signatureversion", "AWS4-HMAC-SHA256");
    if let Some(at) = signed.at() {
        // A clock may be ahead of ours.
        let age = now.duration_since(at).unwrap_or_default().as_millis();
        keys.set("s3:signatureAge", age.to_string());
    }
    keys
}
