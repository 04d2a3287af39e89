//! Why the door turns a request away, in the words of the service that was called.

use http::{Response, StatusCode};

use super::Body;
use crate::services::failure::{Failure, Form};

/// What is wrong with a signature or a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request contradicts itself.
    BadRequest,
    /// The `Authorization` header is none.
    Malformed,
    /// The signature in the query is none.
    MalformedQuery,
    /// It is of a kind that is not spoken here.
    OldSignature,
    /// There must be one.
    Missing,
    /// No date says when.
    MissingDate,
    /// No header says how long the decoded body is.
    MissingLength,
    /// A header that had to be signed is not.
    HeadersNotSigned,
    /// The key is nobody's.
    UnknownKey,
    /// The token is none of this lab's, or not the key's.
    InvalidToken,
    /// The token's time is over.
    ExpiredToken,
    /// The date is too far off.
    Skewed,
    /// The presigned URL's time is over.
    RequestExpired,
    /// The signature is another.
    Mismatch,
    /// No header says which hash the body has.
    MissingPayload,
    /// The header about the body's hash is none.
    BadPayload,
    /// The body is another.
    PayloadMismatch,
    /// The chunks of the body are none.
    BadChunks,
    /// The body is longer than the service takes.
    TooLarge,
    /// The body did not come whole.
    Incomplete,
    /// There is no room for it now.
    Busy,
}

/// A request that is turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// AWS's text.
    pub message: String,
    /// More elements of S3's XML, as names and texts.
    pub details: Vec<(&'static str, String)>,
}

impl Refused {
    /// With AWS's text.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), details: Vec::new() }
    }

    /// The same with one more element.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.details.push((name, text.into()));
        self
    }

    /// AWS's status and code in a service's protocol.
    fn code(&self, form: Form) -> (u16, &'static str) {
        match form {
            Form::S3 => self.s3_code(),
            Form::Json | Form::RestJson => self.json_code(form),
            Form::Query => self.query_code(),
            Form::Ec2 => self.ec2_code(),
        }
    }

    /// Status and code as S3 has them.
    pub fn s3_code(&self) -> (u16, &'static str) {
        match self.cause {
            Cause::Malformed => (400, "AuthorizationHeaderMalformed"),
            Cause::MalformedQuery => (400, "AuthorizationQueryParametersError"),
            Cause::OldSignature | Cause::MissingPayload | Cause::BadRequest => (400, "InvalidRequest"),
            Cause::Missing | Cause::MissingDate | Cause::HeadersNotSigned | Cause::RequestExpired => {
                (403, "AccessDenied")
            }
            Cause::MissingLength => (411, "MissingContentLength"),
            Cause::UnknownKey => (403, "InvalidAccessKeyId"),
            Cause::InvalidToken => (400, "InvalidToken"),
            Cause::ExpiredToken => (400, "ExpiredToken"),
            Cause::Skewed => (403, "RequestTimeTooSkewed"),
            Cause::Mismatch => (403, "SignatureDoesNotMatch"),
            Cause::BadPayload => (400, "InvalidArgument"),
            Cause::PayloadMismatch => (400, "XAmzContentSHA256Mismatch"),
            Cause::BadChunks => (400, "InvalidRequest"),
            Cause::TooLarge => (400, "EntityTooLarge"),
            Cause::Incomplete => (400, "IncompleteBody"),
            Cause::Busy => (503, "SlowDown"),
        }
    }

    fn json_code(&self, form: Form) -> (u16, &'static str) {
        // Services with operations in `X-Amz-Target` answer every error of the caller's with 400; REST says 403 of who is not
        // let in.
        let forbidden = if form == Form::Json { 400 } else { 403 };
        match self.cause {
            Cause::Malformed
            | Cause::MalformedQuery
            | Cause::MissingDate
            | Cause::MissingPayload
            | Cause::BadPayload => (400, "IncompleteSignatureException"),
            Cause::BadRequest => (400, "ValidationException"),
            Cause::Missing | Cause::OldSignature => (forbidden, "MissingAuthenticationTokenException"),
            Cause::UnknownKey | Cause::InvalidToken => (forbidden, "UnrecognizedClientException"),
            Cause::ExpiredToken => (forbidden, "ExpiredTokenException"),
            Cause::Skewed
            | Cause::RequestExpired
            | Cause::Mismatch
            | Cause::HeadersNotSigned
            | Cause::PayloadMismatch => (forbidden, "InvalidSignatureException"),
            Cause::TooLarge => (413, "RequestEntityTooLargeException"),
            Cause::Busy => (503, "ServiceUnavailable"),
            Cause::MissingLength | Cause::BadChunks | Cause::Incomplete => (400, "SerializationException"),
        }
    }

    fn query_code(&self) -> (u16, &'static str) {
        match self.cause {
            Cause::Malformed
            | Cause::MalformedQuery
            | Cause::MissingDate
            | Cause::MissingPayload
            | Cause::BadPayload => (400, "IncompleteSignature"),
            Cause::BadRequest => (400, "ValidationError"),
            Cause::Missing | Cause::OldSignature => (403, "MissingAuthenticationToken"),
            Cause::UnknownKey | Cause::InvalidToken => (403, "InvalidClientTokenId"),
            Cause::ExpiredToken => (403, "ExpiredToken"),
            Cause::Skewed
            | Cause::RequestExpired
            | Cause::Mismatch
            | Cause::HeadersNotSigned
            | Cause::PayloadMismatch => (403, "SignatureDoesNotMatch"),
            Cause::TooLarge => (413, "RequestEntityTooLarge"),
            Cause::Busy => (503, "ServiceUnavailable"),
            Cause::MissingLength | Cause::BadChunks | Cause::Incomplete => (400, "MalformedInput"),
        }
    }

    /// EC2's own words for who it does not know (B6.2).
    fn ec2_code(&self) -> (u16, &'static str) {
        match self.cause {
            Cause::UnknownKey
            | Cause::InvalidToken
            | Cause::Mismatch
            | Cause::HeadersNotSigned
            | Cause::PayloadMismatch => (401, "AuthFailure"),
            Cause::Skewed | Cause::RequestExpired | Cause::ExpiredToken => (400, "RequestExpired"),
            _ => self.query_code(),
        }
    }

    /// As an answer.
    pub fn answer<B>(&self, service: &str, request: &http::Request<B>) -> Response<Body> {
        let form = Form::of(service, request);
        let (status, code) = self.code(form);
        let status = StatusCode::from_u16(status).expect("the table's are statuses");
        // DynamoDB says whose code it is (B5.1).
        let code = if service == "dynamodb" { format!("com.amazon.coral.service#{code}") } else { code.to_owned() };
        Failure::new(status, &code, self.message.clone()).with(&self.details).answer(form)
    }
}
