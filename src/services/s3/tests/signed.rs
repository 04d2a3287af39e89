//! Signed requests through the whole door, to the embedded S3 and to one before a backend: what conditions see of the signature
//! and of the connection.

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::version::{TLS12, TLS13};
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::super::front::guard::Access;
use super::super::super::front::signature::canonical;
use super::super::super::front::tests::start_with;
use super::super::super::tokens::Tokens;
use super::super::super::upstream::sign::{Payload, Signer};
use super::super::super::upstream::{Backend, Credentials, Upstream};
use super::*;
use crate::model::World;
use crate::model::access::root_key;
use crate::template::{Files, LoadOptions, ReadError, load};

const HOST: &str = "site.s3.us-east-1.amazonaws.com";

struct OneFile(String);

impl Files for OneFile {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("t.yaml") { Ok(self.0.clone()) } else { Err(ReadError::NotFound) }
    }
}

/// A bucket whose policy denies what meets a condition.
fn world(condition: &str) -> World {
    let template = format!(
        "Resources:
  Bucket: {{Type: AWS::S3::Bucket, Properties: {{BucketName: site}}}}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument: {{Statement: [
        {{Effect: Allow, Principal: '*', Action: 's3:ListBucket', Resource: 'arn:aws:s3:::site'}},
        {{Effect: Deny, Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::site', Condition: {condition}}}]}}
"
    );
    let options =
        LoadOptions { region: Some("us-east-1".into()), account: Some(OWNER.into()), ..LoadOptions::default() };
    load(&OneFile(template), Path::new("t.yaml"), &options).unwrap_or_else(|error| panic!("{error}")).world
}

/// Answers everything, without a word.
fn backend() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://{address}")
}

/// The same bucket behind two doors.
fn doors(condition: &str, folder: &Path) -> [Running; 2] {
    let world = world(condition);
    let directory = Directory::of(&world);
    let buckets: Vec<Bucket> = world.buckets.values().map(|bucket| Bucket::of(bucket, &directory)).collect();
    let embedded = S3::open(folder, Kept::GoesWithLab, &buckets).unwrap();
    let backend = Backend { url: backend(), credentials: None, region: None, path_style: true, ca_file: None };
    let upstream = Upstream::new("s3", backend).unwrap();
    let services: [Arc<dyn Service>; 2] = [Arc::new(embedded), Arc::new(upstream)];
    services.map(|service| {
        let access = Arc::new(Access::new(Directory::of(&world), Arc::new(Tokens::new([0; 32]))));
        start_with(service, Limits::default(), "i-1", access)
    })
}

fn root() -> Credentials {
    let (access_key_id, secret_access_key) = root_key(OWNER);
    Credentials { access_key_id, secret_access_key, session_token: None }
}

/// A listing, signed in its head so long ago; the body unsigned where that is said.
fn by_header(age: Duration, payload: &Payload) -> String {
    let credentials = root();
    let now = OffsetDateTime::from(SystemTime::now() - age);
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "s3", now };
    let mut headers = http::HeaderMap::new();
    signer.sign(&Method::GET, &format!("http://{HOST}/").parse().unwrap(), &mut headers, payload).unwrap();
    let head = headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
    format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{}\r\n", head.collect::<String>())
}

/// A listing by a presigned URL, made so long ago.
fn by_query(age: Duration) -> String {
    let root = root();
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = OffsetDateTime::from(SystemTime::now() - age).format(form).unwrap();
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let credential = format!("{}/{scope}", root.access_key_id).replace('/', "%2F");
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    );
    let request = format!("GET\n/\n{query}\nhost:{HOST}\n\nhost\nUNSIGNED-PAYLOAD");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", canonical::digest(request.as_bytes()));
    let key = canonical::key(&root.secret_access_key, &scope);
    let signature = canonical::hexadecimal(&canonical::hmac(&key, text.as_bytes()));
    format!("GET /?{query}&X-Amz-Signature={signature} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
}

#[test]
fn conditions_see_the_signature_and_the_connection() {
    let hour = Duration::from_secs(3600);
    let header = || by_header(Duration::ZERO, &Payload::of(b""));
    let query = || by_query(Duration::ZERO);
    let unsigned = || format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    // What the policy denies, a request that it denies, and one that it does not.
    let cases: &[(&str, String, String)] = &[
        ("{StringNotEquals: {'s3:authType': REST-HEADER}}", query(), header()),
        ("{StringEquals: {'s3:authType': REST-HEADER}}", header(), query()),
        ("{StringEquals: {'s3:authType': [REST-HEADER, REST-QUERY-STRING, POST]}}", header(), unsigned()),
        ("{StringEquals: {'s3:signatureversion': AWS4-HMAC-SHA256}}", header(), unsigned()),
        ("{StringEquals: {'s3:signatureversion': AWS4-HMAC-SHA256}}", query(), unsigned()),
        ("{NumericGreaterThan: {'s3:signatureAge': 600000}}", by_query(hour), query()),
        (
            "{NumericGreaterThan: {'s3:signatureAge': 300000}}",
            by_header(Duration::from_secs(600), &Payload::of(b"")),
            header(),
        ),
        ("{NumericGreaterThan: {'s3:signatureAge': 600000}}", by_query(hour), unsigned()),
        (
            "{StringEquals: {'s3:x-amz-content-sha256': UNSIGNED-PAYLOAD}}",
            by_header(Duration::ZERO, &Payload::Unsigned),
            header(),
        ),
    ];
    for (condition, denied, allowed) in cases {
        let folder = tempfile::tempdir().unwrap();
        for door in doors(condition, folder.path()) {
            let answer = door.raw(denied.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 403 "), "{condition}\n{denied}\n{answer}");
            // Strangers are told no more than this.
            assert!(answer.contains("explicit deny in a resource-based policy"), "{condition}\n{answer}");
            let answer = door.raw(allowed.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 200 "), "{condition}\n{allowed}\n{answer}");
            door.end();
        }
    }
}

#[test]
fn conditions_see_the_version_of_tls() {
    for (condition, plain, old, new) in [
        ("{NumericLessThan: {'s3:TlsVersion': 1.3}}", true, false, true),
        ("{NumericEquals: {'s3:TlsVersion': '1.3'}}", true, true, false),
        ("{'Null': {'s3:TlsVersion': true}}", false, true, true),
        ("{Bool: {'aws:SecureTransport': false}}", false, true, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for door in doors(condition, folder.path()) {
            let request = by_header(Duration::ZERO, &Payload::of(b""));
            let answers = [
                (door.raw(request.as_bytes()), plain),
                (door.raw_tls(HOST, &TLS12, request.as_bytes()), old),
                (door.raw_tls(HOST, &TLS13, request.as_bytes()), new),
            ];
            for (index, (answer, allowed)) in answers.iter().enumerate() {
                let status = if *allowed { "HTTP/1.1 200 " } else { "HTTP/1.1 403 " };
                assert!(answer.starts_with(status), "{condition}, request {index}: {answer}");
            }
            door.end();
        }
    }
}
