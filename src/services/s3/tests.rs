//! S3 behind its door on loopback: bytes as `curl` would send them. Who asks stands in a header of the tests' own, as the
//! door's signature check has tests of its own.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::super::front::session::{Session, Ticket, common_keys};
use super::super::front::tests::{Running, start};
use super::super::front::{Caller, Limits};
use super::*;
use crate::model::access::Directory;
use crate::policy::Principal;

mod access;
mod buckets;
mod integrity;
mod keys;
mod listing;
mod multipart;
mod objects;
mod settings;
mod signed;
mod versions;

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";
const SITE: &str = "site.s3.us-east-1.amazonaws.com";
/// An address: a name that is in no Region.
const ANYWHERE: &str = "127.0.0.1";

/// The door's part: puts the session in that the test's header names, the owner's root user without one.
struct Signed(S3);

impl Service for Signed {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, mut request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let mut caller = request.extensions().get::<Caller>().unwrap().clone();
        let who = request.headers_mut().remove("x-test-who");
        let who = who.as_ref().map_or(OWNER, |who| who.to_str().unwrap());
        let (who, way) = who.split_once(' ').unwrap_or((who, ""));
        let principal = match who {
            "nobody" => Principal::Anonymous,
            user if user.starts_with("user:") => Principal::User {
                account: OWNER.to_owned(),
                arn: format!("arn:aws:iam::{OWNER}:user/{}", &user[5..]),
                user_id: "AIDAEXAMPLE".to_owned(),
            },
            account => Principal::Root { account: account.to_owned() },
        };
        // Over the internet unless the test says otherwise.
        if way != "endpoint" {
            caller.origin = None;
        }
        let access_key_id = (principal != Principal::Anonymous).then(|| "AKIA".to_owned());
        let directory = Arc::new(Directory::default());
        let session = Session {
            caller,
            principal,
            access_key_id,
            policies: Vec::new(),
            directory,
            ticket: Ticket { keys: common_keys(request.headers(), None), journal: None, region: None },
        };
        request.extensions_mut().insert(session);
        // As the door does with what comes behind an `aws-chunked` body.
        if let Some(line) = request.headers_mut().remove("x-test-trailer") {
            let (name, value) = line.to_str().unwrap().split_once(' ').unwrap();
            let trailer = (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
            let trailers = http::HeaderMap::from_iter([trailer]);
            request = request.map(|body| body.with_trailers(async move { Some(Ok(trailers)) }).boxed_unsync());
        }
        self.0.answer(request).boxed()
    }
}

struct Lab {
    running: Running,
    folder: tempfile::TempDir,
}

/// An answer: status, head in lower case, body.
type Answer = (u16, String, String);

fn bucket(name: &str, region: &str) -> Bucket {
    Bucket { name: name.into(), region: region.into(), account: OWNER.into(), ..Bucket::default() }
}

/// Two buckets of one account, `site` in us-east-1 seeded with a few files, `far` in eu-west-1.
fn lab() -> Lab {
    lab_with(MEMORY, &[bucket("site", "us-east-1"), bucket("far", "eu-west-1")])
}

/// The same, with so many bytes for bodies, and these buckets.
fn lab_with(memory: usize, buckets: &[Bucket]) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed");
    std::fs::create_dir_all(seed.join("css")).unwrap();
    std::fs::write(seed.join("index.html"), "<h1>hello</h1>").unwrap();
    std::fs::write(seed.join("css/a b.css"), "h1 {}").unwrap();
    std::fs::write(seed.join("data"), "0123456789").unwrap();
    let mut s3 = S3::open(&folder.path().join("s3"), Kept::GoesWithLab, buckets).unwrap();
    s3.memory = Arc::new(Semaphore::new(memory));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(s3.seed("site", &seed)).unwrap(), 3);
    Lab { running: start(Arc::new(Signed(s3)), Limits::default()), folder }
}

impl Lab {
    /// `METHOD HOST PATH` with more head lines and a body.
    fn send(&self, request: &str, head: &str, body: &str) -> Answer {
        let [method, host, path] = request.split(' ').collect::<Vec<_>>()[..] else { panic!("{request}") };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, host: &str, path: &str) -> Answer {
        self.send(&format!("GET {host} {path}"), "", "")
    }

    /// Like [`Lab::send`] to `site`, and it must work.
    fn good(&self, request: &str, head: &str, body: &str) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        let answer = self.send(&format!("{method} {SITE} {path}"), head, body);
        assert!((200..300).contains(&answer.0), "{request}: {answer:?}");
        answer
    }

    /// Like [`Lab::send`] to `site`, and it must be refused so.
    fn refused(&self, request: &str, head: &str, body: &str, status: u16, code: &str) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        let answer = self.send(&format!("{method} {SITE} {path}"), head, body);
        assert_eq!(answer.0, status, "{request}: {answer:?}");
        assert!(answer.2.contains(&format!("<Code>{code}</Code>")), "{request}: {answer:?}");
        answer
    }

    /// Files of objects on the disk.
    fn files(&self) -> usize {
        let parts = std::fs::read_dir(self.folder.path().join("s3/bodies")).unwrap();
        parts.map(|part| std::fs::read_dir(part.unwrap().path()).unwrap().count()).sum()
    }
}

/// The value of a header.
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut values = answer.1.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = values.next();
    assert_eq!(values.next(), None, "{name} is there once: {}", answer.1);
    value
}

/// The text of an element.
fn element<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = answer.2.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    rest.split_once('<').unwrap().0
}

/// All texts of elements of that name.
fn elements<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}>");
    answer.2.split(&open).skip(1).map(|rest| rest.split_once('<').unwrap().0).collect()
}
