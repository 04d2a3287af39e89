//! S3 behind its door on loopback: bytes as `curl` would send them, and the AWS CLI where it is installed.

use std::process::Command;
use std::sync::Arc;

use super::super::front::Limits;
use super::super::front::tests::{Running, start};
use super::*;

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";

struct Lab {
    running: Running,
    folder: tempfile::TempDir,
}

/// Two buckets of one account, `site` in us-east-1 seeded with a few files, `far` in eu-west-1.
fn lab() -> Lab {
    lab_with(MEMORY)
}

/// The same, with so many bytes for bodies.
fn lab_with(memory: usize) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed");
    std::fs::create_dir_all(seed.join("css")).unwrap();
    std::fs::write(seed.join("index.html"), "<h1>hello</h1>").unwrap();
    std::fs::write(seed.join("css/a b.css"), "h1 {}").unwrap();
    std::fs::write(seed.join("data"), "0123456789").unwrap();
    let bucket = |name: &str, region: &str| Bucket { name: name.into(), region: region.into(), account: OWNER.into() };
    let buckets = [bucket("site", "us-east-1"), bucket("far", "eu-west-1")];
    let mut s3 = S3::open(&folder.path().join("s3"), &buckets, &[OWNER.into(), OTHER.into()]).unwrap();
    s3.memory = Arc::new(Semaphore::new(memory));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(s3.seed("site", &seed)).unwrap(), 3);
    Lab { running: start(Arc::new(s3), Limits::default()), folder }
}

impl Lab {
    /// `METHOD HOST PATH` with more head lines and a body; status line, headers in lower case, body.
    fn send(&self, request: &str, head: &str, body: &str) -> (u16, String, String) {
        let [method, host, path] = request.split(' ').collect::<Vec<_>>()[..] else { panic!("{request}") };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, host: &str, path: &str) -> (u16, String, String) {
        self.send(&format!("GET {host} {path}"), "", "")
    }
}

#[test]
fn every_name_and_style_reaches_the_object() {
    let lab = lab();
    for (host, path) in [
        ("site.s3.us-east-1.amazonaws.com", "/index.html"),
        ("SITE.s3.us-east-1.amazonaws.com", "/index.html"),
        ("s3.us-east-1.amazonaws.com", "/site/index.html"),
        ("site.s3.amazonaws.com", "/index.html"),
        ("s3.amazonaws.com", "/site/index.html"),
        ("bucket.vpce-0a-1b2c3d4e.s3.us-east-1.vpce.amazonaws.com", "/site/index.html"),
        ("site.bucket.vpce-0a-1b2c3d4e.s3.us-east-1.vpce.amazonaws.com", "/index.html"),
        ("52.216.0.5", "/site/index.html"),
    ] {
        let (status, head, body) = lab.get(host, path);
        assert_eq!((status, body.as_str()), (200, "<h1>hello</h1>"), "{host}{path}: {head}");
        for line in ["content-type: text/html", "server: amazons3", "accept-ranges: bytes", "content-length: 14"] {
            assert!(head.contains(line), "{line} is missing: {head}");
        }
        assert!(head.contains("etag: \"") && head.contains("x-amz-request-id: ") && head.contains("x-amz-id-2: "));
    }
    assert_eq!(lab.get("site.s3.us-east-1.amazonaws.com", "/css/a%20b.css").2, "h1 {}");
    assert!(lab.get("site.s3.us-east-1.amazonaws.com", "/data").1.contains("content-type: binary/octet-stream"));
    let (status, head, body) = lab.send("GET site.s3.us-east-1.amazonaws.com /data", "Range: bytes=2-4\r\n", "");
    assert_eq!((status, body.as_str()), (206, "234"), "{head}");
    assert!(head.contains("content-range: bytes 2-4/10"));
    lab.running.end();
}

#[test]
fn large_objects_come_whole_and_in_any_range() {
    let lab = lab();
    let bytes: Vec<u8> =
        (0..700_000u32).map(|number| b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26).collect();
    let text = String::from_utf8(bytes).unwrap();
    std::fs::write(lab.folder.path().join("s3/site/large"), &text).unwrap();
    let site = "GET site.s3.us-east-1.amazonaws.com /large";
    assert!(lab.send(site, "", "").2 == text);
    for (range, expected) in [
        ("bytes=0-99999", &text[..100_000]),
        ("bytes=65535-600000", &text[65_535..=600_000]),
        ("bytes=300000-", &text[300_000..]),
        ("bytes=-100000", &text[600_000..]),
        ("bytes=699999-", &text[699_999..]),
    ] {
        let (status, head, body) = lab.send(site, &format!("Range: {range}\r\n"), "");
        assert!(status == 206 && body == expected, "{range}: {head}");
    }
    let (status, _, body) = lab.send(site, "Range: bytes=700000-\r\n", "");
    assert!(status == 416 && body.contains("<Code>InvalidRange</Code>"), "{body}");
    lab.running.end();
}

/// A browser's form with a file of that length.
fn form(length: usize) -> String {
    let part = |name: &str, value: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    part("key", "form") + &part("file\"; filename=\"f", &"f".repeat(length)) + "--edge--\r\n"
}

#[test]
fn bodies_in_memory_share_what_there_is() {
    let lab = lab_with(20_000);
    let site = "site.s3.us-east-1.amazonaws.com";
    let is_form = "Content-Type: multipart/form-data; boundary=edge\r\n";
    let upload = |length: usize| lab.send(&format!("POST {site} /"), is_form, &form(length));
    // Each gives back what it took, refused or not.
    for _ in 0..4 {
        assert_eq!(upload(15_000).0, 204);
        let (status, _, body) = upload(30_000);
        assert!(status == 503 && body.contains("<Code>SlowDown</Code>"), "{body}");
    }
    assert_eq!(lab.get(site, "/form").2.len(), 15_000);
    let (status, _, body) = lab.send(&format!("POST {site} /?delete"), "", &"<".repeat(30_000));
    assert!(status == 503 && body.contains("<Message>Please reduce your request rate.</Message>"), "{body}");
    assert_eq!(lab.send(&format!("PUT {site} /large"), "", &"x".repeat(30_000)).0, 200, "an object is streamed");

    // One that is under way has its part until it is gone.
    let mut slow = std::net::TcpStream::connect(lab.running.plain).unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {site}\r\n{is_form}Content-Length: 100000\r\n\r\n");
    std::io::Write::write_all(&mut slow, (head + &form(50_000)[..10_000]).as_bytes()).unwrap();
    let until = |expected: u16| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while upload(15_000).0 != expected {
            assert!(std::time::Instant::now() < end, "no {expected}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    until(503);
    drop(slow);
    until(204);
    lab.running.end();
}

#[test]
fn reads_have_conditions() {
    let lab = lab();
    let site = "site.s3.us-east-1.amazonaws.com";
    let (_, head, _) = lab.get(site, "/data");
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (etag, other) = (line("etag:"), "\"00000000000000000000000000000000\"");
    let (past, future) = ("Wed, 01 Jan 2020 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for method in ["GET", "HEAD"] {
        for (condition, expected) in [
            (format!("If-None-Match: {etag}"), 304),
            (format!("If-None-Match: {other}"), 200),
            (format!("If-Match: {etag}"), 200),
            (format!("If-Match: {other}"), 412),
            (format!("If-Modified-Since: {future}"), 304),
            (format!("If-Modified-Since: {past}"), 200),
            (format!("If-Unmodified-Since: {past}"), 412),
            // RFC 9110 13.1.3: the ETag decides, the date is for those who have none.
            (format!("If-None-Match: {other}\r\nIf-Modified-Since: {future}"), 200),
        ] {
            let (status, head, body) = lab.send(&format!("{method} {site} /data"), &format!("{condition}\r\n"), "");
            assert_eq!(status, expected, "{method} {condition}: {head}");
            assert!(status != 304 || body.is_empty());
        }
    }
    lab.running.end();
}

#[test]
fn errors_are_documents_as_of_aws() {
    let lab = lab();
    let site = "site.s3.us-east-1.amazonaws.com";
    let check = |request: &str, status: u16, expected: &str| {
        let (got, head, body) = lab.send(request, "", "");
        assert_eq!(got, status, "{request}: {body}");
        assert!(head.contains("content-type: application/xml"), "{request}: {head}");
        let (inside, ids) = body.split_once("<RequestId>").unwrap_or_else(|| panic!("{request}: {body}"));
        let whole = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{expected}");
        assert_eq!(inside, whole, "{request}");
        let request_id = ids.split_once("</RequestId><HostId>").unwrap().0;
        assert!(head.contains(&format!("x-amz-request-id: {}", request_id.to_ascii_lowercase())));
    };
    let no_key = "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>";
    check(&format!("GET {site} /none.html"), 404, &format!("{no_key}<Key>none.html</Key>"));
    check(&format!("GET {site} /css"), 404, &format!("{no_key}<Key>css</Key>"));
    check(&format!("GET {site} /css/"), 404, &format!("{no_key}<Key>css/</Key>"));
    let no_bucket = "<Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>";
    check("GET nobody.s3.us-east-1.amazonaws.com /a", 404, &format!("{no_bucket}<BucketName>nobody</BucketName>"));
    check("PUT s3.us-east-1.amazonaws.com /nobody/a", 404, &format!("{no_bucket}<BucketName>nobody</BucketName>"));
    check("GET s3.us-east-1.amazonaws.com /", 403, "<Code>AccessDenied</Code><Message>Access Denied</Message>");
    check(
        "GET accesspoint.vpce-0a-1b.s3.us-east-1.vpce.amazonaws.com /",
        501,
        "<Code>NotImplemented</Code><Message>vpclab's S3 does not have the accesspoint API of endpoint names</Message>",
    );
    // A HEAD says the same without a body.
    let (status, head, body) = lab.send(&format!("HEAD {site} /none.html"), "", "");
    assert_eq!((status, body.as_str()), (404, ""), "{head}");
    lab.running.end();
}

#[test]
fn keys_stay_in_their_bucket() {
    let lab = lab();
    let site = "site.s3.us-east-1.amazonaws.com";
    for path in ["/../far/x", "/%2e%2e/far/x", "/a/../../far/x", "/a/./b", "//etc/passwd", "/a//b", "/a%00b"] {
        for method in ["GET", "PUT", "DELETE"] {
            let (status, _, body) = lab.send(&format!("{method} {site} {path}"), "", "");
            assert_eq!(status, 400, "{method} {path}: {body}");
        }
    }
    let (status, ..) = lab.send(&format!("PUT {site} /copy"), "x-amz-copy-source: site/../far/x\r\n", "");
    assert!((400..500).contains(&status), "{status}");
    let delete = "<Delete><Object><Key>../far/x</Key></Object><Object><Key>data</Key></Object></Delete>";
    std::fs::write(lab.folder.path().join("s3/far/x"), "kept").unwrap();
    let (status, _, body) = lab.send(&format!("POST {site} /?delete"), "", delete);
    assert!(status == 200 && body.contains("<Code>InvalidArgument</Code>"), "{status} {body}");
    assert!(lab.folder.path().join("s3/far/x").exists());
    assert!(!lab.folder.path().join("s3/site/data").exists());
    lab.running.end();
}

#[test]
fn a_key_as_long_as_files_allow_is_kept_and_a_longer_one_refused() {
    let lab = lab();
    let site = "site.s3.us-east-1.amazonaws.com";
    let mut longest = 0;
    for length in 1..=255 {
        let key = "k".repeat(length);
        let (status, _, body) = lab.send(&format!("PUT {site} /{key}"), "", "x");
        assert_eq!(status == 200, key_fits(&key), "{length}: {status} {body}");
        if status == 200 {
            assert_eq!(longest, length - 1, "every shorter key was kept");
            longest = length;
        } else {
            assert!(status == 400 && body.contains(&format!("at most {longest} bytes")), "{body}");
        }
    }
    assert!(longest > 100, "{longest}");
    lab.running.end();
}

fn key_fits(key: &str) -> bool {
    store::key_problem("site", key).is_none()
}

#[test]
fn buckets_know_their_region() {
    let lab = lab();
    let (status, head, _) = lab.send("HEAD far.s3.eu-west-1.amazonaws.com /", "", "");
    assert!(status == 200 && head.contains("x-amz-bucket-region: eu-west-1"), "{head}");
    let (_, _, body) = lab.get("far.s3.eu-west-1.amazonaws.com", "/?location");
    assert!(body.contains(">eu-west-1</LocationConstraint>"), "{body}");
    let (_, _, body) = lab.get("site.s3.us-east-1.amazonaws.com", "/?location");
    assert!(!body.contains("us-east-1"), "{body}");
    let (_, head, body) = lab.get("site.s3.us-east-1.amazonaws.com", "/?list-type=2&delimiter=/");
    assert!(head.contains("x-amz-bucket-region: us-east-1"));
    assert!(body.contains("<Prefix>css/</Prefix>") && body.contains("<Key>index.html</Key>"), "{body}");
    lab.running.end();
}

#[test]
fn seeding_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket { name: "site".into(), region: "us-east-1".into(), account: OWNER.into() };
    let s3 = S3::open(&folder.path().join("s3"), &[bucket], &[]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seed = |bucket: &str, path: &Path| runtime.block_on(s3.seed(bucket, path)).unwrap_err().to_string();
    let error = seed("other", folder.path());
    assert!(error.starts_with("bucket other is not in this lab: declare it as an AWS::S3::Bucket"), "{error}");
    let error = seed("site", &folder.path().join("none"));
    assert!(error.starts_with("reading the folder "), "{error}");
    let long = folder.path().join("long");
    std::fs::create_dir(&long).unwrap();
    std::fs::write(long.join("k".repeat(250)), "").unwrap();
    let error = seed("site", &long);
    assert!(error.contains("can't be an object of site: vpclab's S3 keeps objects as files"), "{error}");
}

#[test]
fn access_keys_are_of_the_account() {
    let key = credentials(OWNER);
    assert_eq!(key, credentials(OWNER));
    assert_ne!(key.access_key_id, credentials(OTHER).access_key_id);
    assert_eq!((key.access_key_id.len(), key.secret_access_key.len()), (20, 40));
    assert!(key.access_key_id.starts_with("AKIA"));
}

/// The AWS CLI against the lab's S3; `None` when it is not installed.
fn aws(lab: &Lab, key: &Credentials, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("aws")
        .args(["--endpoint-url", &format!("http://{}", lab.running.plain), "--region", "us-east-1", "--output", "json"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", lab.folder.path())
        .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text))
}

#[test]
fn the_aws_cli_is_a_client() {
    let lab = lab();
    let key = credentials(OWNER);
    let Some((works, _)) = aws(&lab, &key, &["--version"]) else {
        eprintln!("skipped: the AWS CLI is not installed (`pip install awscli`)");
        return lab.running.end();
    };
    assert!(works);
    let run = |key: &Credentials, line: &str| aws(&lab, key, &line.split(' ').collect::<Vec<_>>()).unwrap();
    let good = |line: &str| {
        let (works, text) = run(&key, line);
        assert!(works, "aws {line}: {text}");
        text
    };
    assert!(good("s3 ls").contains(" site") && good("s3 ls s3://site/").contains("index.html"));
    // Over the multipart threshold of 8 MiB, there and back.
    let big = lab.folder.path().join("big.bin");
    let bytes: Vec<u8> = (0..9 << 20).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&big, &bytes).unwrap();
    let (big, back) = (big.display().to_string(), format!("{}.back", big.display()));
    good(&format!("s3 cp --no-progress {big} s3://site/up/big.bin"));
    good(&format!("s3 cp --no-progress s3://site/up/big.bin {back}"));
    assert!(std::fs::read(&back).unwrap() == bytes);
    good("s3 cp --no-progress s3://site/index.html s3://far/copy.html");
    assert!(good("s3api head-object --bucket far --key copy.html").contains("text/html"));
    good("s3 mb s3://made");
    assert!(!run(&credentials(OTHER), "s3 mb s3://made").0, "the name is taken");
    good(&format!("s3 cp --no-progress {big} s3://made/x"));
    assert!(run(&key, "s3 rb s3://made").1.contains("BucketNotEmpty"));
    good("s3 rm s3://made/x");
    good("s3 rb s3://made");
    assert!(run(&key, "s3 ls s3://made").1.contains("NoSuchBucket"));
    assert!(!run(&credentials(OTHER), "s3 ls").1.contains("site"), "only one's own buckets are listed");
    let wrong = Credentials { secret_access_key: "x".repeat(40), ..key.clone() };
    assert!(run(&wrong, "s3 ls s3://site").1.contains("SignatureDoesNotMatch"));
    let unknown = Credentials { access_key_id: "AKIAAAAAAAAAAAAAAAAA".into(), ..key.clone() };
    assert!(run(&unknown, "s3 ls s3://site").1.contains("InvalidAccessKeyId"));
    let url = good("s3 presign s3://site/index.html");
    let url = url.trim().strip_prefix("http://").unwrap();
    let (host, path) = url.split_once('/').unwrap();
    assert_eq!(lab.get(host, &format!("/{path}")).2, "<h1>hello</h1>");
    lab.running.end();
}

#[test]
fn curl_trusts_the_lab_and_reads_through_every_tls_name() {
    let lab = lab();
    let ca = lab.folder.path().join("ca.pem");
    std::fs::write(&ca, &lab.running.pem).unwrap();
    for url in [
        "https://site.s3.us-east-1.amazonaws.com/index.html",
        "https://s3.us-east-1.amazonaws.com/site/index.html",
        "https://site.bucket.vpce-0a-1b2c3d4e.s3.us-east-1.vpce.amazonaws.com/index.html",
    ] {
        let to = format!("::{}", lab.running.tls);
        let output = Command::new("curl")
            .args(["-sS", "--fail", "-m", "10", "--connect-to", &to, "--cacert"])
            .arg(&ca)
            .arg(url)
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: curl is not installed");
            break;
        };
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(said, "<h1>hello</h1>", "{url}: {wrong}");
    }
    lab.running.end();
}
