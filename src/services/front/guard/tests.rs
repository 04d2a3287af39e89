//! Requests as a client signs them, and who the door takes them for.

use std::time::Duration;

use http::HeaderMap;
use time::OffsetDateTime;

use super::*;
use crate::model::access::root_key;
use crate::model::{Change, World};
use crate::services::front::tests::{Running, start_with};
use crate::services::front::{Limits, Service};
use crate::services::upstream::Credentials;
use crate::services::upstream::sign::{Payload as Hashed, Signer};

const ACCOUNT: &str = "111122223333";

/// Tells who asks, after the whole body.
struct Teller(&'static str);

impl Service for Teller {
    fn name(&self) -> &'static str {
        self.0
    }

    fn called(&self, _host: &str) -> Option<String> {
        Some(self.0.to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        async move {
            let session = request.extensions().get::<Session>().cloned().expect("the door adds it");
            let signed = request.headers().keys().filter(|name| name.as_str().starts_with("x-amz-")).count()
                + usize::from(request.headers().contains_key("authorization"));
            let key = |name: &str| session.ticket.keys.get(name).map_or(String::new(), |values| values.join(","));
            let who = session.principal.arn().unwrap_or_else(|| "nobody".to_owned());
            let vpc = key("aws:Ec2InstanceSourceVpc");
            let address = key("aws:Ec2InstanceSourcePrivateIPv4");
            let agent = key("aws:UserAgent");
            match request.into_body().collect().await {
                Ok(body) => {
                    let length = body.to_bytes().len();
                    Response::new(full(format!("{who} {vpc} {address} {agent} {length} {signed}")))
                }
                Err(error) => Response::new(full(format!("broken: {error}"))),
            }
        }
        .boxed()
    }
}

struct Lab {
    running: Running,
    tokens: Arc<Tokens>,
    host: String,
}

fn lab(service: &'static str) -> Lab {
    let mut world = World::default();
    let request = crate::model::Request {
        account: ACCOUNT.into(),
        region: "us-east-1".into(),
        principal: None,
        stack: None,
        logical_id: None,
        source: None,
        tags: Default::default(),
        change: Change::CreateBucket { bucket: Some("a-bucket".into()) },
    };
    world.apply(request).unwrap();
    let tokens = Arc::new(Tokens::new([7; 32]));
    let access = Arc::new(Access::new(Directory::of(&world), Arc::clone(&tokens)));
    let running = start_with(Arc::new(Teller(service)), Limits::default(), "i-1", access);
    Lab { running, tokens, host: format!("{service}.us-east-1.amazonaws.com") }
}

impl Lab {
    fn root(&self) -> Credentials {
        let (access_key_id, secret_access_key) = root_key(ACCOUNT);
        Credentials { access_key_id, secret_access_key, session_token: None }
    }

    /// Temporary ones that end so long from now.
    fn session(&self, seconds: i64) -> Credentials {
        let now = SystemTime::now();
        let expires = match u64::try_from(seconds) {
            Ok(later) => now + Duration::from_secs(later),
            Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
        };
        let made = self.tokens.mint(&Grant {
            principal: Principal::Session {
                account: ACCOUNT.into(),
                role_arn: format!("arn:aws:iam::{ACCOUNT}:role/Worker"),
                role_id: "AROA".into(),
                session_name: "i-1".into(),
            },
            expires,
            policies: Vec::new(),
            issued_to: Some(("vpc-9".into(), "10.0.9.9".parse().unwrap())),
        });
        Credentials {
            access_key_id: made.access_key_id,
            secret_access_key: made.secret_access_key,
            session_token: Some(made.session_token),
        }
    }

    /// Status and body of a POST, signed for `body` in that Region, which then carries `sent`.
    fn post(&self, credentials: Option<&Credentials>, region: &str, body: &str, sent: &str) -> (u16, String) {
        let service = self.host.split('.').next().unwrap();
        let mut headers = HeaderMap::new();
        if let Some(credentials) = credentials {
            let signer = Signer { credentials, region, service, now: OffsetDateTime::now_utc() };
            let uri = format!("http://{}/a%20b?x=1", self.host).parse().unwrap();
            signer.sign(&http::Method::POST, &uri, &mut headers, &Hashed::of(body.as_bytes())).unwrap();
        }
        let head: String =
            headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
        let request = format!(
            "POST /a%20b?x=1 HTTP/1.1\r\nHost: {}\r\nUser-Agent: teller\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n{sent}",
            self.host,
            sent.len()
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

#[test]
fn whoever_signs_is_known_and_nothing_of_the_signature_is_left() {
    for service in ["s3", "dynamodb", "sts"] {
        let lab = lab(service);
        let root = format!("arn:aws:iam::{ACCOUNT}:root   teller 5 0");
        assert_eq!(lab.post(Some(&lab.root()), "us-east-1", "hello", "hello"), (200, root), "{service}");
        lab.running.end();
    }
}

/// B2.1: credentials of an instance's role say where they were issued.
#[test]
fn temporary_credentials_tell_the_instance_they_were_issued_to() {
    let lab = lab("dynamodb");
    let who = format!("arn:aws:sts::{ACCOUNT}:assumed-role/Worker/i-1 vpc-9 10.0.9.9 teller 5 0");
    assert_eq!(lab.post(Some(&lab.session(60)), "us-east-1", "hello", "hello"), (200, who));
    let (status, body) = lab.post(Some(&lab.session(-60)), "us-east-1", "hello", "hello");
    assert!(status == 400 && body.contains("ExpiredTokenException"), "{status} {body}");
    let without = Credentials { session_token: None, ..lab.session(60) };
    let (status, body) = lab.post(Some(&without), "us-east-1", "hello", "hello");
    assert!(status == 400 && body.contains("UnrecognizedClientException"), "{status} {body}");
    let of_another = Credentials { session_token: lab.session(120).session_token, ..lab.session(60) };
    let (status, body) = lab.post(Some(&of_another), "us-east-1", "hello", "hello");
    assert!(status == 400 && body.contains("UnrecognizedClientException"), "{status} {body}");
    lab.running.end();
}

#[test]
fn a_wrong_signature_never_reaches_a_service() {
    for (service, unknown, mismatch) in [
        ("s3", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("dynamodb", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ] {
        let lab = lab(service);
        let other_id = Credentials { access_key_id: "AKIAUNKNOWN".into(), ..lab.root() };
        let other_secret = Credentials { secret_access_key: "x".into(), ..lab.root() };
        for (credentials, code) in [(other_id, unknown), (other_secret, mismatch)] {
            let (status, body) = lab.post(Some(&credentials), "us-east-1", "hello", "hello");
            assert!(status >= 400 && body.contains(code), "{service}: {status} {body}");
            // DynamoDB says whose code it is (B5.1).
            assert_eq!(body.contains("com.amazon.coral.service#"), service == "dynamodb", "{body}");
        }
        let (status, body) = lab.post(Some(&lab.root()), "eu-west-1", "hello", "hello");
        assert!(status >= 400 && body.contains("eu-west-1"), "{service}: {status} {body}");
        lab.running.end();
    }
}

/// Of S3 the body streams, so a wrong one breaks off at its end; of the others it is held, and refused.
#[test]
fn another_body_is_not_the_one_that_was_signed() {
    let s3 = lab("s3");
    let (_, body) = s3.post(Some(&s3.root()), "us-east-1", "hello", "hellO");
    assert!(body.starts_with("broken: The provided 'x-amz-content-sha256' header"), "{body}");
    s3.running.end();
    let dynamodb = lab("dynamodb");
    let (status, body) = dynamodb.post(Some(&dynamodb.root()), "us-east-1", "hello", "hellO");
    assert!(status == 400 && body.contains("InvalidSignatureException"), "{status} {body}");
    dynamodb.running.end();
}

#[test]
fn only_s3_takes_requests_that_nobody_signed() {
    let s3 = lab("s3");
    assert_eq!(s3.post(None, "", "hello", "hello"), (200, "nobody   teller 5 0".to_owned()));
    s3.running.end();
    for (service, code) in [("dynamodb", "MissingAuthenticationTokenException"), ("sts", "MissingAuthenticationToken")]
    {
        let lab = lab(service);
        let (status, body) = lab.post(None, "", "hello", "hello");
        assert!(status >= 400 && body.contains(code), "{service}: {status} {body}");
        lab.running.end();
    }
}

/// Bodies that are held share a bounded room, whoever sends them.
#[test]
fn held_bodies_share_a_room() {
    let memory = Arc::new(Semaphore::new(10));
    let room = || Room { memory: Arc::clone(&memory), taken: 0 };
    let (mut one, mut other) = (room(), room());
    one.take(6).unwrap();
    assert_eq!(other.take(5).unwrap_err().cause, Cause::Busy);
    other.take(4).unwrap();
    drop(one);
    other.take(6).unwrap();
    drop(other);
    assert_eq!(memory.available_permits(), 10);
}

impl Lab {
    /// Status and body of a request in these words; `*` stands for the root user's signature of a GET of `/` at `host`.
    fn raw(&self, host: &str, request: &str) -> (u16, String) {
        let (credentials, service) = (self.root(), self.host.split('.').next().unwrap());
        let mut headers = HeaderMap::new();
        let signer = Signer { credentials: &credentials, region: "us-east-1", service, now: OffsetDateTime::now_utc() };
        let uri = format!("http://{host}/").parse().unwrap();
        signer.sign(&http::Method::GET, &uri, &mut headers, &Hashed::of(b"")).unwrap();
        let head = headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let answer = self.running.raw(request.replace('*', &head.collect::<String>()).as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

/// Without the header the signature is about no body at all, and whatever comes would go with it.
#[test]
fn s3_demands_to_be_told_which_body_comes() {
    let lab = lab("s3");
    let (host, root) = (lab.host.clone(), lab.root());
    let date = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = OffsetDateTime::now_utc().format(date).unwrap();
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let request = format!("PUT\n/b\n\nhost:{host}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}", canonical::EMPTY);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", canonical::digest(request.as_bytes()));
    let key = canonical::key(&root.secret_access_key, &scope);
    let signature = canonical::hexadecimal(&canonical::hmac(&key, text.as_bytes()));
    let id = root.access_key_id;
    let (status, body) = lab.raw(
        &host,
        &format!(
            "PUT /b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 8\r\nx-amz-date: {date}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}\r\n\r\nanything"
        ),
    );
    assert!(status == 400 && body.contains("<Code>InvalidRequest</Code>"), "{status} {body}");
    assert!(body.contains("Missing required header for this request: x-amz-content-sha256"), "{body}");
    lab.running.end();
}

/// Chunks of S3's kind are undone for S3 alone: of others, policies would decide about one body and a backend get another.
#[test]
fn chunks_are_for_s3_alone() {
    let lab = lab("dynamodb");
    let host = lab.host.clone();
    let (status, body) = lab.raw(
        &host,
        &format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n*\r\n"
        ),
    );
    assert!(status == 400 && body.contains("is for S3 alone"), "{status} {body}");
    lab.running.end();
}

/// Whoever is called is whoever was signed for.
#[test]
fn a_request_names_one_host() {
    let lab = lab("s3");
    let host = lab.host.clone();
    let get = |target: &str, more: &str| {
        lab.raw(&host, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"))
    };
    for same in ["/".to_owned(), format!("http://{host}/"), format!("http://{}:80/", host.to_uppercase())] {
        assert_eq!(get(&same, "*").0, 200, "{same}");
    }
    for signed in ["*", ""] {
        let (status, body) = get(&format!("http://other.{host}/"), signed);
        assert!(status == 400 && body.contains("The request names more than one host"), "{status} {body}");
        let (status, body) = get("/", &format!("Host: other.{host}\r\n{signed}"));
        assert!(status == 400 && body.contains("The request names more than one host"), "{status} {body}");
    }
    lab.running.end();
}

/// A name that is for all Regions is signed for one.
#[test]
fn sts_without_a_region_is_in_us_east_1() {
    let lab = Lab { host: "sts.amazonaws.com".into(), ..lab("sts") };
    assert_eq!(lab.post(Some(&lab.root()), "us-east-1", "hello", "hello").0, 200);
    let (status, body) = lab.post(Some(&lab.root()), "eu-west-1", "hello", "hello");
    assert!(status == 403 && body.contains("a valid region, not 'eu-west-1'"), "{status} {body}");
    lab.running.end();
}
