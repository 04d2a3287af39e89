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
mod keys;
mod read;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::request::Parts;
use time::OffsetDateTime;
use time::macros::format_description;

pub use keys::of_s3 as s3_keys;
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

    /// When it was made; `None` where the date is none.
    pub fn at(&self) -> Option<SystemTime> {
        let form = format_description!("[year][month][day]T[hour][minute][second]Z");
        let date = time::PrimitiveDateTime::parse(&self.date, form).ok()?.assume_utc();
        Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(date.unix_timestamp()).ok()?))
    }

    /// Whether the date is good.
    ///
    /// # Errors
    /// With AWS's text, which is S3's own or that of all other services.
    pub fn check_time(&self, now: SystemTime) -> Result<(), Refused> {
        let malformed = || {
            let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
            Refused::new(self.malformed(), message)
        };
        let signed_at = self.at().ok_or_else(malformed)?;
        self.check_day()?;
        let early = signed_at > now + SKEW;
        let late = match self.expires {
            Some(expires) => signed_at + expires < now,
            None => signed_at + SKEW < now,
        };
        match (early, late, self.expires) {
            (false, false, _) => Ok(()),
            (false, true, Some(expires)) => Err(Refused::new(Cause::RequestExpired, "Request has expired")
                .with("X-Amz-Expires", expires.as_secs().to_string())
                .with("Expires", long(signed_at + expires))
                .with("ServerTime", long(now))),
            (true, _, Some(_)) => Err(Refused::new(Cause::RequestExpired, "Request is not yet valid")),
            (early, _, None) => Err(self.skewed(early, now)),
        }
    }

    fn skewed(&self, early: bool, now: SystemTime) -> Refused {
        let (date, at) = (&self.date, short(now));
        if self.is_s3() {
            let message = "The difference between the request time and the current time is too large.";
            return Refused::new(Cause::Skewed, message)
                .with("RequestTime", date.clone())
                .with("ServerTime", long(now))
                .with("MaxAllowedSkewMilliseconds", SKEW.as_millis().to_string());
        }
        let message = match early {
            true => {
                format!("Signature not yet current: {date} is still later than {} ({at} + 15 min.)", short(now + SKEW))
            }
            false => format!("Signature expired: {date} is now earlier than {} ({at} - 15 min.)", short(now - SKEW)),
        };
        Refused::new(Cause::Skewed, message)
    }

    fn is_s3(&self) -> bool {
        self.service() == "s3"
    }

    /// What a signature is of which a part makes no sense.
    fn malformed(&self) -> Cause {
        if self.expires.is_some() { Cause::MalformedQuery } else { Cause::Malformed }
    }

    /// How S3's texts about a scope begin.
    fn prefix(&self) -> &'static str {
        match self.expires {
            Some(_) => "Error parsing the X-Amz-Credential parameter",
            None => "The authorization header is malformed",
        }
    }

    /// The scope's day is the date's.
    fn check_day(&self) -> Result<(), Refused> {
        let (day, prefix) = (self.scope.split('/').next().unwrap_or_default(), self.prefix());
        if self.date.starts_with(day) {
            return Ok(());
        }
        let of_date = &self.date[..8];
        Err(match self.is_s3() {
            true => Refused::new(
                self.malformed(),
                format!(
                    "{prefix}; Invalid credential date \"{day}\". This date is not the same as X-Amz-Date: \"{of_date}\"."
                ),
            ),
            false => Refused::new(
                Cause::Mismatch,
                format!(
                    "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP, '{day}' != '{of_date}', from '{}'.",
                    self.date
                ),
            ),
        })
    }

    /// The scope is about the service that was called, in the Region that was called.
    ///
    /// # Errors
    /// With AWS's text. Services other than S3, STS and DynamoDB may be signed by any name: what they sign is not always what
    /// their endpoints are called.
    pub fn check_scope(&self, service: &str, region: Option<&str>) -> Result<(), Refused> {
        let prefix = self.prefix();
        if matches!(service, "s3" | "sts" | "dynamodb") && self.service() != service {
            let other = self.service().escape_debug();
            return Err(match service {
                "s3" => Refused::new(
                    self.malformed(),
                    format!("{prefix}; incorrect service \"{other}\". This endpoint belongs to \"s3\"."),
                ),
                _ => Refused::new(
                    Cause::Mismatch,
                    format!("Credential should be scoped to correct service: '{service}'. "),
                ),
            });
        }
        let other = self.region().escape_debug();
        match region {
            Some(region) if region != self.region() => Err(match service {
                "s3" => Refused::new(
                    self.malformed(),
                    format!("{prefix}; the region '{other}' is wrong; expecting '{region}'"),
                )
                .with("Region", region),
                _ => Refused::new(
                    Cause::Mismatch,
                    format!("Credential should be scoped to a valid region, not '{other}'. "),
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Whether the head is what was signed; `hash` stands for a body whose hash no header says.
    ///
    /// # Errors
    /// With AWS's text.
    pub fn check(&self, parts: &Parts, secret_access_key: &str, hash: &str) -> Result<Proof, Refused> {
        let s3 = self.is_s3();
        let key = canonical::key(secret_access_key, &self.scope);
        let payload = match &self.payload {
            Payload::Hash(hash) => hash,
            Payload::Unsigned => "UNSIGNED-PAYLOAD",
            Payload::Chunked { name, .. } => name,
            Payload::Implied => hash,
        };
        let but = self.expires.map(|_| "X-Amz-Signature");
        let queries = canonical::queries(parts.uri.query().unwrap_or_default(), but);
        let paths = canonical::paths(s3, parts.uri.path());
        let mut headers = Vec::new();
        for name in &self.headers {
            headers.extend([name.as_bytes(), b":", &value(parts, name), b"\n"].concat());
        }
        let signed = self.headers.join(";");
        for (path, query) in paths.iter().flat_map(|path| queries.iter().map(move |query| (path, query))) {
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

/// `2013-05-24T00:00:00Z`.
fn long(time: SystemTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    OffsetDateTime::from(time).format(form).unwrap_or_default()
}

/// `20130524T000000Z`.
fn short(time: SystemTime) -> String {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::from(time).format(form).unwrap_or_default()
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
