//! Why a request got no answer of the backend, in the error form of the service that was called, so that SDKs print it.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy;
use sha2::{Digest, Sha256};

use crate::services::front::{self, Body};

/// Services whose protocol is Query where a request does not tell.
const QUERY: [&str; 9] = [
    "autoscaling",
    "cloudformation",
    "elasticache",
    "elasticbeanstalk",
    "elasticloadbalancing",
    "monitoring",
    "rds",
    "sns",
    "sts",
];

/// How a service writes its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// S3's XML.
    S3,
    /// XML of the Query protocol.
    Query,
    /// EC2's own XML.
    Ec2,
    /// JSON, with operations in `X-Amz-Target`.
    Json,
    /// JSON, with operations in method and path.
    RestJson,
}

impl Form {
    /// Whether a body says that it is a form.
    pub fn is_urlencoded(headers: &http::HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
    }

    /// The one that a request's sender reads.
    pub fn of<B>(service: &str, request: &Request<B>) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let form = Self::is_urlencoded(request.headers());
        match service {
            "s3" => Self::S3,
            "ec2" => Self::Ec2,
            "dynamodb" => Self::Json,
            _ if header("x-amz-target").is_some() => Self::Json,
            _ if header("smithy-protocol").is_some() => Self::RestJson,
            _ if form || QUERY.contains(&service) || names_action(request) => Self::Query,
            _ => Self::RestJson,
        }
    }
}

/// An error to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    /// More elements of S3's XML, as names and texts.
    details: Vec<(&'static str, String)>,
    /// The code that the service had in its Query days, for clients that still look for it.
    query_code: Option<&'static str>,
}

impl Failure {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: Vec::new(), query_code: None }
    }

    /// The same with more elements in S3's XML, as names and texts.
    pub fn with(mut self, details: &[(&'static str, String)]) -> Self {
        self.details = details.to_vec();
        self
    }

    /// Policies deny it.
    pub fn denied(service: &str, form: Form, message: String) -> Self {
        let (status, code) = match form {
            Form::S3 | Form::Query => (StatusCode::FORBIDDEN, "AccessDenied"),
            Form::Ec2 => (StatusCode::FORBIDDEN, "UnauthorizedOperation"),
            Form::Json if service == "dynamodb" => {
                (StatusCode::BAD_REQUEST, "com.amazon.coral.service#AccessDeniedException")
            }
            Form::Json => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
            Form::RestJson => (StatusCode::FORBIDDEN, "AccessDeniedException"),
        };
        let query_code = (form == Form::Json && service == "sqs").then_some("AccessDenied;Sender");
        Self { query_code, ..Self::new(status, code, message) }
    }

    /// The backend can't be reached, or what it says is no answer.
    pub fn bad_gateway(backend: &str, why: &str) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "BadGateway", format!("vpclab's backend {backend}: {why}"))
    }

    /// The backend takes too long.
    pub fn timeout(backend: &str, what: &str, limit: Duration) -> Self {
        let message = format!("vpclab's backend {backend} {what} within {limit:?}");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", message)
    }

    /// Reads what the client library says.
    pub fn of_exchange(backend: &str, error: &legacy::Error, connect_time: Duration) -> Self {
        let io = source::<io::Error>(error);
        if error.is_connect() {
            return Self::of_connect(backend, error, io, connect_time);
        }
        let why = match source::<hyper::Error>(error) {
            Some(error) if error.is_parse_too_large() => "the head of its answer is too large".to_owned(),
            Some(error) if error.is_parse() => format!("its answer is not HTTP ({error})"),
            Some(error) if error.is_incomplete_message() => "it closed the connection without an answer".to_owned(),
            Some(error) => io.map_or_else(|| error.to_string(), interrupted),
            None => io.map_or_else(|| error.to_string(), interrupted),
        };
        Self::bad_gateway(backend, &why)
    }

    fn of_connect(backend: &str, error: &legacy::Error, io: Option<&io::Error>, connect_time: Duration) -> Self {
        let text = chain(error);
        if let Some(error) = io.and_then(of_tls) {
            return Self::bad_gateway(backend, &format!("TLS failed: {error}"));
        }
        if text.contains("dns error") {
            return Self::bad_gateway(backend, "its name can't be resolved");
        }
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => Self::timeout(backend, "did not take a connection", connect_time),
            Some(io::ErrorKind::ConnectionRefused) => Self::bad_gateway(backend, "connection refused: does it run?"),
            _ => Self::bad_gateway(backend, &format!("no connection: {text}")),
        }
    }

    /// As an answer.
    pub fn answer(&self, form: Form) -> Response<Body> {
        let request_id = request_id();
        let (content_type, body) = self.body(form, &request_id);
        let mut answer = Response::new(front::full(body));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let named = match form {
            Form::S3 => "x-amz-request-id",
            _ => "x-amzn-requestid",
        };
        let request_id = HeaderValue::from_str(&request_id).expect("hexadecimal");
        headers.insert(HeaderName::from_static(named), request_id);
        let plain = self.code.rsplit('#').next().unwrap_or_default();
        if matches!(form, Form::Json | Form::RestJson) {
            headers
                .extend(HeaderValue::from_str(plain).map(|code| (HeaderName::from_static("x-amzn-errortype"), code)));
        }
        if let Some(code) = self.query_code {
            headers.insert("x-amzn-query-error", HeaderValue::from_static(code));
        }
        answer
    }

    fn body(&self, form: Form, request_id: &str) -> (&'static str, String) {
        let (code, message) = (escaped(&self.code), escaped(&self.message));
        let whose = if self.status.is_client_error() { "Sender" } else { "Receiver" };
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let error = format!("<Code>{code}</Code><Message>{message}</Message>");
        match form {
            Form::S3 => {
                let details = self.details.iter().map(|(name, text)| format!("<{name}>{}</{name}>", escaped(text)));
                let details = details.collect::<String>();
                let id = format!("<RequestId>{request_id}</RequestId>");
                ("application/xml", format!("{head}<Error>{error}{details}{id}</Error>"))
            }
            Form::Ec2 => (
                "text/xml;charset=UTF-8",
                format!(
                    "{head}<Response><Errors><Error>{error}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
                ),
            ),
            Form::Query => (
                "text/xml",
                format!(
                    "<ErrorResponse><Error><Type>{whose}</Type>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
                ),
            ),
            Form::Json | Form::RestJson => {
                let content_type = if form == Form::Json { "application/x-amz-json-1.0" } else { "application/json" };
                // Errors of the services' common part spell it large (B5.1).
                let member = if self.code.ends_with("AccessDeniedException") { "Message" } else { "message" };
                (content_type, serde_json::json!({ "__type": self.code, member: self.message }).to_string())
            }
        }
    }
}

/// Whether a query names an operation as the Query protocol does.
pub(super) fn names_action<B>(request: &Request<B>) -> bool {
    let names =
        request.uri().query().unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    names.into_iter().any(|name| percent_encoding::percent_decode_str(name).eq("Action".bytes()))
}

/// What a broken connection was.
fn interrupted(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset => "it reset the connection".to_owned(),
        io::ErrorKind::BrokenPipe => "it closed the connection during the request".to_owned(),
        _ => format!("the connection broke: {error}"),
    }
}

/// An error of TLS lies in one of the system's kind, or in two.
fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| inner.downcast_ref::<io::Error>().and_then(of_tls))
}

/// The first error of a type among an error's causes.
fn source<E: std::error::Error + 'static>(error: &legacy::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// New for each error, and other ones after the next start.
pub(super) fn request_id() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let digest = Sha256::digest([now.to_be_bytes().as_slice(), &number.to_be_bytes()].concat());
    digest[..8].iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The three characters that must not stand in XML text.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(service: &str, headers: &[(&str, &str)]) -> Form {
        let mut request = Request::post("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Form::of(service, &request.body(()).unwrap())
    }

    #[test]
    fn each_service_has_its_form() {
        let urlencoded = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        assert_eq!(form("s3", &[("x-amz-target", "A.B")]), Form::S3);
        assert_eq!(form("sqs", &[("x-amz-target", "AmazonSQS.SendMessage")]), Form::Json);
        assert_eq!(form("sqs", &urlencoded), Form::Query);
        assert_eq!(form("ec2", &urlencoded), Form::Ec2);
        assert_eq!(form("sts", &[]), Form::Query);
        assert_eq!(form("lambda", &[]), Form::RestJson);
        let named = Request::get("/?Version=1&%41ction=DeleteQueue").body(()).unwrap();
        assert_eq!(Form::of("sqs", &named), Form::Query);
    }

    #[test]
    fn a_denial_in_each_form() {
        let text = |form: Form| {
            let failure = Failure::denied("sqs", form, "User: <a> & b".to_owned());
            (failure.status.as_u16(), failure.body(form, "ID").1)
        };
        let xml = "<Code>AccessDenied</Code><Message>User: &lt;a&gt; &amp; b</Message>";
        let (status, body) = text(Form::S3);
        assert!(status == 403 && body.ends_with(&format!("<Error>{xml}<RequestId>ID</RequestId></Error>")), "{body}");
        let (status, body) = text(Form::Query);
        assert!(status == 403 && body.contains(&format!("<Type>Sender</Type>{xml}</Error>")), "{body}");
        let (status, body) = text(Form::Ec2);
        assert!(status == 403 && body.contains("<Code>UnauthorizedOperation</Code>"), "{body}");
        assert_eq!(
            text(Form::Json),
            (400, r#"{"__type":"AccessDeniedException","Message":"User: <a> & b"}"#.to_owned())
        );
        assert_eq!(text(Form::RestJson).0, 403);
        let dynamodb = Failure::denied("dynamodb", Form::Json, "no".to_owned());
        assert_eq!(dynamodb.code, "com.amazon.coral.service#AccessDeniedException");
        let answer = dynamodb.answer(Form::Json);
        assert_eq!(answer.headers()["x-amzn-errortype"], "AccessDeniedException");
        // botocore takes this header for the code wherever it stands.
        assert!(!answer.headers().contains_key("x-amzn-query-error"));
        let sqs = Failure::denied("sqs", Form::Json, "no".to_owned()).answer(Form::Json);
        assert_eq!(sqs.headers()["x-amzn-query-error"], "AccessDenied;Sender");
    }
}
