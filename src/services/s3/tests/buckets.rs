//! Buckets: made, listed, removed; Regions; error documents.

use super::*;

#[test]
fn buckets_know_their_region() {
    let lab = lab();
    let far = "far.s3.eu-west-1.amazonaws.com";
    let answer = lab.send(&format!("HEAD {far} /"), "", "");
    assert_eq!((answer.0, header(&answer, "x-amz-bucket-region")), (200, Some("eu-west-1")));
    assert!(lab.get(far, "/?location").2.contains(">eu-west-1</LocationConstraint>"));
    assert!(!lab.get(SITE, "/?location").2.contains("us-east-1"));
    // Every Region tells where a bucket is.
    assert!(lab.get("far.s3.us-east-1.amazonaws.com", "/?location").2.contains(">eu-west-1</LocationConstraint>"));
    lab.running.end();
}

#[test]
fn the_wrong_region_leads_on() {
    let lab = lab();
    for (host, path, status, code) in [
        ("far.s3.us-east-1.amazonaws.com", "/k?a=b", 301, "PermanentRedirect"),
        ("s3.us-east-1.amazonaws.com", "/far/k", 301, "PermanentRedirect"),
        ("s3.amazonaws.com", "/far/k", 301, "PermanentRedirect"),
        ("far.bucket.vpce-0a-1b.s3.us-east-1.vpce.amazonaws.com", "/k", 301, "PermanentRedirect"),
        ("far.s3.amazonaws.com", "/k?a=b", 307, "TemporaryRedirect"),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = lab.send(&format!("{method} {host} {path}"), "", "");
            assert_eq!((answer.0, element(&answer, "Code")), (status, code), "{host}");
            assert_eq!(element(&answer, "Endpoint"), "far.s3.eu-west-1.amazonaws.com");
            assert_eq!(element(&answer, "Bucket"), "far");
            assert_eq!(header(&answer, "x-amz-bucket-region"), Some("eu-west-1"));
            let location = (status == 307).then_some("https://far.s3.eu-west-1.amazonaws.com/k?a=b");
            assert_eq!(header(&answer, "location"), location);
        }
        let answer = lab.send(&format!("HEAD {host} {path}"), "", "");
        assert_eq!((answer.0, answer.2.as_str()), (status, ""));
        assert_eq!(header(&answer, "x-amz-bucket-region"), Some("eu-west-1"));
    }
    // An address is in no Region.
    assert_eq!(lab.get(ANYWHERE, "/far/?list-type=2").0, 200);
    assert_eq!(lab.files(), 3);
    lab.running.end();
}

#[test]
fn a_bucket_is_made_where_it_was_asked_for() {
    let lab = lab();
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let first = "s3.us-east-1.amazonaws.com";
    let ireland = "s3.eu-west-1.amazonaws.com";
    for (number, (host, asked, expected)) in [
        (first, "", Ok("")),
        (first, "eu-west-1", Ok("eu-west-1")),
        (first, "us-east-1", Err("InvalidLocationConstraint")),
        (first, "mars-north-1", Err("InvalidLocationConstraint")),
        ("s3.amazonaws.com", "ap-south-1", Ok("ap-south-1")),
        (ireland, "eu-west-1", Ok("eu-west-1")),
        (ireland, "EU", Ok("eu-west-1")),
        (ireland, "", Err("IllegalLocationConstraintException")),
        (ireland, "us-east-1", Err("IllegalLocationConstraintException")),
        (ireland, "us-west-2", Err("IllegalLocationConstraintException")),
        (ANYWHERE, "", Ok("")),
        (ANYWHERE, "us-west-2", Ok("us-west-2")),
    ]
    .into_iter()
    .enumerate()
    {
        let body = if asked.is_empty() { String::new() } else { constraint(asked) };
        let answer = lab.send(&format!("PUT {host} /made-{number}"), "", &body);
        match expected {
            Ok(region) => {
                assert_eq!(answer.0, 200, "{host} {asked}: {answer:?}");
                assert_eq!(header(&answer, "location"), Some(format!("/made-{number}").as_str()));
                let location = lab.get(ANYWHERE, &format!("/made-{number}?location")).2;
                assert!(location.ends_with(&format!(">{region}</LocationConstraint>")), "{location}");
            }
            Err(code) => assert_eq!((answer.0, element(&answer, "Code")), (400, code), "{host} {asked}"),
        }
    }
    lab.running.end();
}

#[test]
fn a_name_is_taken_once() {
    let lab = lab();
    let make = |name: &str, who: &str, host: &str, body: &str| {
        lab.send(&format!("PUT {host} /{name}"), &format!("X-Test-Who: {who}\r\n"), body)
    };
    let ireland =
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    assert_eq!(make("site", OWNER, "s3.us-east-1.amazonaws.com", "").0, 200, "us-east-1 lets its owner make it again");
    let answer = make("far", OWNER, "s3.eu-west-1.amazonaws.com", ireland);
    assert_eq!((answer.0, element(&answer, "Code")), (409, "BucketAlreadyOwnedByYou"));
    let answer = make("site", OTHER, "s3.us-east-1.amazonaws.com", "");
    assert_eq!((answer.0, element(&answer, "Code")), (409, "BucketAlreadyExists"));
    assert_eq!(make("theirs", OTHER, ANYWHERE, "").0, 200);
    let names = |who: &str| lab.send(&format!("GET {ANYWHERE} /"), &format!("X-Test-Who: {who}\r\n"), "");
    assert_eq!(elements(&names(OWNER), "Name"), ["far", "site"]);
    assert_eq!(elements(&names(OTHER), "Name"), ["theirs"], "only one's own buckets are listed");
    assert_eq!(elements(&names(OWNER), "BucketRegion"), ["eu-west-1", "us-east-1"]);
    let page = lab.get(ANYWHERE, "/?max-buckets=1");
    assert_eq!(elements(&page, "Name"), ["far"]);
    let token = element(&page, "ContinuationToken").to_owned();
    let page = lab.get(ANYWHERE, &format!("/?max-buckets=1&continuation-token={token}"));
    assert_eq!((elements(&page, "Name"), page.2.contains("ContinuationToken>")), (vec!["site"], false));
    lab.running.end();
}

#[test]
fn only_an_empty_bucket_goes() {
    let lab = lab();
    assert_eq!(lab.send(&format!("PUT {ANYWHERE} /made"), "", "").0, 200);
    assert_eq!(lab.send(&format!("PUT {ANYWHERE} /made/x"), "", "x").0, 200);
    let answer = lab.send(&format!("DELETE {ANYWHERE} /made"), "", "");
    assert_eq!((answer.0, element(&answer, "Code")), (409, "BucketNotEmpty"));
    // An upload under way goes with its bucket.
    let answer = lab.send(&format!("POST {ANYWHERE} /made/y?uploads"), "", "");
    let upload = element(&answer, "UploadId").to_owned();
    let part = format!("/made/y?partNumber=1&uploadId={upload}");
    assert_eq!(lab.send(&format!("PUT {ANYWHERE} {part}"), "", "part").0, 200);
    assert_eq!(lab.send(&format!("DELETE {ANYWHERE} /made/x"), "", "").0, 204);
    assert_eq!(lab.files(), 4);
    assert_eq!(lab.send(&format!("DELETE {ANYWHERE} /made"), "", "").0, 204);
    assert_eq!(lab.files(), 3);
    let answer = lab.get(ANYWHERE, "/made/?list-type=2");
    assert_eq!((answer.0, element(&answer, "Code")), (404, "NoSuchBucket"));
    lab.running.end();
}

#[test]
fn errors_are_documents_as_of_aws() {
    let lab = lab();
    let check = |request: &str, head: &str, status: u16, expected: &str| {
        let (got, head, body) = lab.send(request, head, "");
        assert_eq!(got, status, "{request}: {body}");
        assert!(head.contains("content-type: application/xml"), "{request}: {head}");
        let (inside, ids) = body.split_once("<RequestId>").unwrap_or_else(|| panic!("{request}: {body}"));
        let whole = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{expected}");
        assert_eq!(inside, whole, "{request}");
        let request_id = ids.split_once("</RequestId><HostId>").unwrap().0;
        assert!(head.contains(&format!("x-amz-request-id: {}", request_id.to_ascii_lowercase())));
    };
    let no_key = "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>";
    check(&format!("GET {SITE} /none.html"), "", 404, &format!("{no_key}<Key>none.html</Key>"));
    check(&format!("GET {SITE} /css"), "", 404, &format!("{no_key}<Key>css</Key>"));
    check(&format!("GET {SITE} /css/"), "", 404, &format!("{no_key}<Key>css/</Key>"));
    let no_bucket = "<Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>";
    let nobody = format!("{no_bucket}<BucketName>nobody</BucketName>");
    check("GET nobody.s3.us-east-1.amazonaws.com /a", "", 404, &nobody);
    check("PUT s3.us-east-1.amazonaws.com /nobody/a", "", 404, &nobody);
    check(
        "GET accesspoint.vpce-0a-1b.s3.us-east-1.vpce.amazonaws.com /",
        "",
        501,
        "<Code>NotImplemented</Code><Message>vpclab's S3 does not have the accesspoint API of endpoint names</Message>",
    );
    for path in
        ["/?lifecycle", "/?website", "/?replication", "/?notification", "/?logging", "/data?retention", "/data?torrent"]
    {
        lab.refused(&format!("GET {path}"), "", "", 501, "NotImplemented");
    }
    // A HEAD says the same without a body.
    let (status, head, body) = lab.send(&format!("HEAD {SITE} /none.html"), "", "");
    assert_eq!((status, body.as_str()), (404, ""), "{head}");
    lab.running.end();
}

#[test]
fn a_folder_that_stays_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s3");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seed = folder.path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("a"), "kept").unwrap();
    let s3 = S3::open(&path, Kept::Stays, &[bucket("one", "us-east-1"), bucket("two", "us-east-1")]).unwrap();
    runtime.block_on(s3.seed("one", &seed)).unwrap();
    let error = S3::open(&path, Kept::Stays, &[]).unwrap_err().to_string();
    assert!(error.starts_with("another lab uses the folder "), "{error}");
    drop(s3);

    // What a process that died left: a body without an object.
    let left = path.join(format!("bodies/a/{}", "a0".repeat(16)));
    let foreign = path.join("bodies/a/notes.txt");
    std::fs::write(&left, "half").unwrap();
    std::fs::write(&foreign, "mine").unwrap();
    let moved = Bucket { account: OTHER.into(), ..bucket("two", "eu-west-1") };
    let s3 = S3::open(&path, Kept::Stays, &[moved, bucket("three", "us-east-1")]).unwrap();
    assert!(!left.exists() && foreign.exists());
    assert_eq!(s3.bucket("one").unwrap().account, OWNER);
    let two = s3.bucket("two").unwrap();
    assert_eq!((two.account.as_str(), two.region.as_str()), (OTHER, "eu-west-1"));
    assert!(s3.bucket("three").is_some());
    let running = start(Arc::new(Signed(s3)), Limits::default());
    let answer = running.raw(b"GET /one/a HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nkept"), "{answer}");
    running.end();
}
