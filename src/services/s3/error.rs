//! S3's error documents: operations give code, status and mostly the message; AWS's own message where they do not, resource
//! and ids are added here.

use http_body_util::BodyExt;

use super::host::Resource;
use super::*;

/// What an `<Error>` says.
#[derive(Debug, Default)]
pub(super) struct ErrorDocument {
    code: String,
    /// XML text, escaped.
    message: String,
    resource: Resource,
    /// Of the bucket, where a redirect says it.
    region: Option<String>,
    request_id: String,
    host_id: String,
}

/// AWS's messages of the errors that come without one.
const MESSAGES: [(&str, &str); 27] = [
    ("AccessDenied", "Access Denied"),
    ("BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received."),
    (
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    ),
    ("BucketNotEmpty", "The bucket you tried to delete is not empty"),
    ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
    ("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"),
    ("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"),
    ("InternalError", "We encountered an internal error. Please try again."),
    ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    ("InvalidBucketName", "The specified bucket is not valid."),
    ("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."),
    ("InvalidRange", "The requested range is not satisfiable"),
    ("InvalidURI", "Couldn't parse the specified URI."),
    ("KeyTooLongError", "Your key is too long"),
    ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"),
    ("MaxMessageLengthExceeded", "Your request was too big."),
    ("MethodNotAllowed", "The specified method is not allowed against this resource."),
    ("MissingContentLength", "You must provide the Content-Length HTTP header."),
    ("NoSuchBucket", "The specified bucket does not exist"),
    ("NoSuchKey", "The specified key does not exist."),
    (
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    ),
    ("NoSuchVersion", "The specified version does not exist."),
    ("NotImplemented", "vpclab's S3 does not do this operation yet."),
    ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    ("SlowDown", "Please reduce your request rate."),
    ("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."),
];

/// AWS's message of a code; empty where it is not known.
pub(super) fn message(code: &str) -> &'static str {
    MESSAGES.iter().find(|(known, _)| *known == code).map_or("", |(_, message)| message)
}

impl ErrorDocument {
    pub fn new(code: &str) -> Self {
        Self { code: code.to_owned(), ..Self::default() }
    }

    /// With a message of its own.
    pub fn saying(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: escaped(message), ..Self::default() }
    }

    pub fn answer(&self, status: StatusCode) -> Response<Body> {
        let mut answer = Response::new(front::full(self.xml()));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        answer
    }

    fn xml(&self) -> String {
        let message = if self.message.is_empty() { message(&self.code) } else { &self.message };
        let element = |name: &str, text: Option<&str>| {
            text.map_or(String::new(), |text| format!("<{name}>{}</{name}>", escaped(text)))
        };
        let about = match self.code.as_str() {
            "NoSuchKey" | "NoSuchVersion" => element("Key", self.resource.key.as_deref()),
            "PermanentRedirect" | "TemporaryRedirect" => {
                element("Endpoint", self.endpoint().as_deref()) + &element("Bucket", self.resource.bucket.as_deref())
            }
            "NoSuchBucket"
            | "BucketAlreadyExists"
            | "BucketAlreadyOwnedByYou"
            | "BucketNotEmpty"
            | "InvalidBucketName"
            | "NoSuchBucketPolicy"
            | "NoSuchCORSConfiguration"
            | "NoSuchTagSet" => element("BucketName", self.resource.bucket.as_deref()),
            _ => String::new(),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{message}</Message>{about}\
             <RequestId>{}</RequestId><HostId>{}</HostId></Error>",
            self.code, self.request_id, self.host_id
        )
    }
}

impl ErrorDocument {
    /// Where a redirect leads to.
    fn endpoint(&self) -> Option<String> {
        Some(format!("{}.s3.{}.amazonaws.com", self.resource.bucket.as_deref()?, self.region.as_deref()?))
    }
}

/// Makes s3s's error answer the document that S3 would send.
pub(super) async fn complete(
    answer: Response<Body>,
    resource: &Resource,
    request_id: &str,
    host_id: &str,
    head: bool,
) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    // s3s makes the document in memory, a few hundred bytes.
    let bytes = body.collect().await.map(|body| body.to_bytes());
    let text = bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
    let status = parts.status;
    let document = ErrorDocument {
        code: inner(&text, "Code").unwrap_or("InternalError").to_owned(),
        // Quotes need no escape in text, and people read this one.
        message: inner(&text, "Message").unwrap_or_default().replace("&apos;", "'").replace("&quot;", "\""),
        resource: resource.clone(),
        region: parts.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok()).map(str::to_owned),
        request_id: request_id.to_owned(),
        host_id: host_id.to_owned(),
    };
    let complete = document.answer(status);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.extend(complete.headers().clone());
    // A HEAD's answer has no body, and S3 says no length with it.
    let body = if head { front::full("") } else { complete.into_body() };
    Response::from_parts(parts, body)
}

/// Says in a `Location` where a temporary redirect leads to: the same target under the bucket's own Region.
pub(super) fn lead_on(answer: &mut Response<Body>, resource: &Resource, target: &http::Uri) {
    let region = answer.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
    let (Some(region), Some(bucket)) = (region, resource.bucket.as_deref()) else { return };
    let target = target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let location = format!("https://{bucket}.s3.{region}.amazonaws.com{target}");
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(http::header::LOCATION, location);
    }
}

/// Text of the first element of that name; s3s writes them without attributes.
fn inner<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn escaped(text: &str) -> String {
    // XML 1.0 has no way to write most control characters, not even escaped.
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'), "\u{fffd}");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
