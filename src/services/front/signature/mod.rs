//! Signature Version 4: who signed a request, and whether it is what was signed.
//!
//! Purpose: the one check for all services. [`read`] takes the signature out of a head, [`Signed::check`] proves it with the
//! key's secret, [`body`] proves the body while it streams, and [`strip`] leaves a request as if nobody had signed it.
//! Kinds: the `Authorization` header, presigned URLs, and S3's `aws-chunked` bodies, with or without signed chunks and trailers.
//! Time: a header's date may be 15 minutes off; a presigned URL says itself how long it is good, seven days at most.
//! Not done, and why: Signature Version 2, which AWS gave up; 4A (asymmetric), which only Multi-Region Access Points need;
//! browsers' POST forms.

pub mod body;
pub mod canonical;
mod read;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;
use time::OffsetDateTime;
use time::macros::format_description;

pub use read::{payload_of as payload, read, strip};

use super::refusal::{Cause, Refused};

/// How far a header's date may be off.
pub const SKEW: Duration = Duration::from_secs(15 * 60);

/// A signature as it stands in a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whose.
    pub access_key_id: String,
    /// Goes with temporary credentials.
    pub session_token: Option<String>,
    /// `YYYYMMDDTHHMMSSZ`.
    pub date: String,
    /// `YYYYMMDD/REGION/SERVICE/aws4_request`.
    pub scope: String,
    /// Names in lower case, as signed.
    pub headers: Vec<String>,
    /// In hexadecimal.
    pub signature: String,
    /// A presigned URL, and how long it is good.
    pub expires: Option<Duration>,
    /// What is said of the body.
    pub payload: Payload,
}

/// What a signature says of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Its SHA-256 in hexadecimal.
    Hash(String),
    /// Nothing.
    Unsigned,
    /// It comes in chunks of `aws-chunked`.
    Chunked {
        /// The header's value.
        name: String,
        /// Each chunk has a signature.
        signed: bool,
        /// Headers follow.
        trailer: bool,
    },
    /// No header says: the hash is that of the body.
    Implied,
}

impl Signed {
    /// Region of the scope.
    pub fn region(&self) -> &str {
        self.scope.split('/').nth(1).unwrap_or_default()
    }

    /// Service of the scope.
    pub fn service(&self) -> &str {
        self.scope.split('/').nth(2).unwrap_or_default()
    }

    /// Whether the date is good.
    pub fn check_time(&self, now: SystemTime) -> Result<(), Refused> {
        let malformed =
            || Refused::new(Cause::Malformed, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
        let form = format_description!("[year][month][day]T[hour][minute][second]Z");
        let date = time::PrimitiveDateTime::parse(&self.date, form).map_err(|_| malformed())?.assume_utc();
        let seconds = u64::try_from(date.unix_timestamp()).map_err(|_| malformed())?;
        let signed_at = UNIX_EPOCH + Duration::from_secs(seconds);
        if !self.date.starts_with(self.scope.split('/').next().unwrap_or_default()) {
            return Err(Refused::new(
                Cause::Malformed,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
            ));
        }
        let early = signed_at > now + SKEW;
        let late = match self.expires {
            Some(expires) => signed_at + expires < now,
            None => signed_at + SKEW < now,
        };
        match (early, late, self.expires) {
            (false, false, _) => Ok(()),
            (false, true, Some(_)) => Err(Refused::new(Cause::RequestExpired, "Request has expired")),
            (true, _, Some(_)) => Err(Refused::new(Cause::RequestExpired, "Request is not yet valid")),
            _ => {
                let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
                let now = OffsetDateTime::from(now).format(form).unwrap_or_default();
                let message = "The difference between the request time and the current time is too large.";
                Err(Refused::new(Cause::Skewed, format!("{message} (signed {}, now {now})", self.date)))
            }
        }
    }

    /// Whether the head is what was signed; `hash` stands for a body whose hash no header says.
    ///
    /// # Errors
    /// With AWS's text.
    pub fn check(&self, parts: &Parts, secret_access_key: &str, hash: &str) -> Result<Proof, Refused> {
        let s3 = self.service() == "s3";
        let key = canonical::key(secret_access_key, &self.scope);
        let payload = match &self.payload {
            Payload::Hash(hash) => hash,
            Payload::Unsigned => "UNSIGNED-PAYLOAD",
            Payload::Chunked { name, .. } => name,
            Payload::Implied => hash,
        };
        let but = self.expires.map(|_| "X-Amz-Signature");
        let query = canonical::query(parts.uri.query().unwrap_or_default(), but);
        let mut headers = Vec::new();
        for name in &self.headers {
            headers.extend([name.as_bytes(), b":", &value(parts, name), b"\n"].concat());
        }
        let signed = self.headers.join(";");
        for path in canonical::paths(s3, parts.uri.path()) {
            let mut text = format!("{}\n{path}\n{query}\n", parts.method).into_bytes();
            text.extend(&headers);
            text.extend(format!("\n{signed}\n{payload}").into_bytes());
            let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.date, self.scope, canonical::digest(&text));
            let signature = canonical::hexadecimal(&canonical::hmac(&key, text.as_bytes()));
            if canonical::equal(&signature, &self.signature) {
                return Ok(Proof { key, date: self.date.clone(), scope: self.scope.clone(), signature });
            }
        }
        let message = "The request signature we calculated does not match the signature you provided. Check your";
        Err(Refused::new(
            Cause::Mismatch,
            match s3 {
                true => format!("{message} key and signing method."),
                false => format!(
                    "{message} AWS Secret Access Key and signing method. Consult the service documentation for details."
                ),
            },
        ))
    }
}

/// What proves the chunks of a body whose head is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    key: Vec<u8>,
    date: String,
    scope: String,
    signature: String,
}

/// A signed header's value in the canonical request; empty for one that is not there.
fn value(parts: &Parts, name: &str) -> Vec<u8> {
    let values: Vec<Vec<u8>> =
        parts.headers.get_all(name).iter().map(|value| canonical::squeezed(value.as_bytes())).collect();
    match (name, values.is_empty()) {
        // HTTP/2 has it in the target.
        ("host", true) => parts.uri.authority().map(|name| name.as_str().as_bytes().to_vec()).unwrap_or_default(),
        _ => values.join(&b','),
    }
}
