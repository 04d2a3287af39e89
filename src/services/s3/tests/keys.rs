//! Keys are only names: none is a path, whatever it looks like.

use super::*;

#[test]
fn a_key_is_any_string() {
    let lab = lab();
    let longest = "k".repeat(1024);
    let keys = [
        "a/",
        "a",
        "a/b",
        "//",
        "//etc/passwd",
        "a//b",
        "./a",
        "a/./b",
        "a/../b",
        "x/y/../../z",
        "%252e%252e",
        "%C3%A4%20%26%3C",
        "a%0Ab",
        "+",
        "a+b",
        "%2B",
        "?",
        "%3F",
        "CON",
        "lost+found",
        ".",
        "a%5Cb",
        longest.as_str(),
    ];
    let keys: Vec<String> = keys.iter().map(|key| key.replace('?', "%3F")).collect();
    let outside = || std::fs::read_dir(lab.folder.path()).unwrap().count();
    let before = outside();
    for (number, key) in keys.iter().enumerate() {
        lab.good(&format!("PUT /{key}"), "", &number.to_string());
    }
    for (number, key) in keys.iter().enumerate() {
        // `?` and `%3F` are the same key, so a later one wins.
        let last = keys.iter().rposition(|other| host::decode(other) == host::decode(key)).unwrap();
        assert_eq!(lab.good(&format!("GET /{key}"), "", "").2, last.max(number).to_string(), "{key}");
    }
    for key in &keys {
        assert_eq!(lab.send(&format!("DELETE {SITE} /{key}"), "", "").0, 204);
    }
    for key in &keys {
        lab.refused(&format!("GET /{key}"), "", "", 404, "NoSuchKey");
    }
    assert_eq!((outside(), lab.files()), (before, 3));
    lab.running.end();
}

#[test]
fn what_leads_out_of_the_bucket_is_refused() {
    let lab = lab();
    let longer = format!("/{}", "k".repeat(1025));
    for (path, code) in [
        ("/..", "InvalidURI"),
        ("/../far/x", "InvalidURI"),
        ("/%2e%2e/far/x", "InvalidURI"),
        ("/a/../../far/x", "InvalidURI"),
        ("/a%00b", "InvalidURI"),
        ("/%00", "InvalidURI"),
        ("/a%FF", "InvalidURI"),
        (longer.as_str(), "KeyTooLongError"),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            lab.refused(&format!("{method} {path}"), "", "", 400, code);
        }
    }
    for bucket in ["..", "%2e%2e", "a%00b", "A", "a", &"b".repeat(64), "-ab", "a..b", "192.0.2.1"] {
        let answer = lab.send(&format!("PUT {ANYWHERE} /{bucket}"), "", "");
        assert!(answer.0 == 400 && answer.2.contains("<Code>Invalid"), "{bucket}: {answer:?}");
        assert!(!answer.2.contains('\0'), "a document that parsers take: {answer:?}");
    }
    let delete = "<Delete><Object><Key>../far/x</Key></Object><Object><Key>data</Key></Object></Delete>";
    let answer = lab.good("POST /?delete", "", delete);
    assert_eq!((element(&answer, "Code"), elements(&answer, "Key")), ("InvalidURI", vec!["data", "../far/x"]));
    lab.refused("GET /data", "", "", 404, "NoSuchKey");
    assert_eq!(lab.files(), 2);
    lab.running.end();
}

#[test]
fn many_are_deleted_at_once() {
    let lab = lab();
    let delete = |inside: &str| lab.good("POST /?delete", "", &format!("<Delete>{inside}</Delete>"));
    let answer = delete("<Object><Key>data</Key></Object><Object><Key>none</Key></Object>");
    assert_eq!(elements(&answer, "Key"), ["data", "none"], "what is not there counts as deleted");
    let answer = delete("<Quiet>true</Quiet><Object><Key>index.html</Key></Object>");
    assert!(!answer.2.contains("<Deleted>"), "{answer:?}");
    assert_eq!(lab.files(), 1);
    let many = "<Object><Key>k</Key></Object>".repeat(1001);
    lab.refused("POST /?delete", "", &format!("<Delete>{many}</Delete>"), 400, "MalformedXML");
    lab.refused("POST /?delete", "", "<Delete></Delete>", 400, "MalformedXML");
    lab.refused("POST /?delete", "", "<Delete><Object>", 400, "MalformedXML");
    lab.running.end();
}

#[test]
fn seeding_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::open(&folder.path().join("s3"), Kept::GoesWithLab, &[bucket("site", "us-east-1")]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seed = |bucket: &str, path: &Path| runtime.block_on(s3.seed(bucket, path)).unwrap_err().to_string();
    let error = seed("other", folder.path());
    assert!(error.starts_with("bucket other is not in this lab: declare it as an AWS::S3::Bucket"), "{error}");
    let error = seed("site", &folder.path().join("none"));
    assert!(error.starts_with("reading the folder "), "{error}");
    let mut deep = folder.path().join("deep");
    for _ in 0..5 {
        deep.push("k".repeat(250));
    }
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("file"), "").unwrap();
    let error = seed("site", &folder.path().join("deep"));
    assert!(error.contains("can't be an object of site: Your key is too long"), "{error}");
}

/// What makes no sense is refused as the client's mistake, and nothing is stored or lost.
#[test]
fn nonsense_is_the_clients_mistake() {
    let lab = lab();
    let upload = element(&lab.good("POST /big?uploads", "", ""), "UploadId").to_owned();
    let deep = format!("<Delete>{}{}</Delete>", "<Object>".repeat(10_000), "</Object>".repeat(10_000));
    let bombs =
        "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><Delete><Object><Key>&c;</Key></Object></Delete>";
    let cases: Vec<(String, &str, &str)> = vec![
        ("GET /?list-type=2&max-keys=many".into(), "", ""),
        ("GET /?list-type=2&max-keys=99999999999".into(), "", ""),
        ("GET /?max-keys=-5".into(), "", ""),
        ("GET /?uploads&max-uploads=x".into(), "", ""),
        ("GET /?versions&max-keys=1.5".into(), "", ""),
        ("GET /data?partNumber=0".into(), "", ""),
        ("GET /data?partNumber=x".into(), "", ""),
        ("GET /data?partNumber=1".into(), "Range: bytes=0-1\r\n", ""),
        ("GET /data?versionId=%00".into(), "", ""),
        ("GET /data?uploadId=x".into(), "", ""),
        (format!("PUT /big?partNumber=x&uploadId={upload}"), "", "x"),
        ("PUT /big?partNumber=1&uploadId=../../x".into(), "", "x"),
        (format!("POST /big?uploadId={upload}"), "", "not xml"),
        (format!("POST /big?uploadId={upload}"), "", "<A/>"),
        (
            format!("POST /other?uploadId={upload}"),
            "",
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag></Part></CompleteMultipartUpload>",
        ),
        ("POST /?delete".into(), "", "\u{0}\u{1}"),
        ("POST /?delete".into(), "", &deep),
        ("POST /?delete".into(), "", bombs),
        ("POST /".into(), "Content-Type: multipart/form-data\r\n", "x"),
        ("POST /".into(), "Content-Type: multipart/form-data; boundary=b\r\n", "--b\r\nx"),
        ("PUT /k".into(), "x-amz-copy-source: \r\n", ""),
        ("PUT /k".into(), "x-amz-copy-source: ///\r\n", ""),
        ("PUT /k".into(), "x-amz-copy-source: site\r\n", ""),
        ("PUT /k".into(), "x-amz-copy-source: site/data%00\r\n", ""),
        ("PUT /k".into(), "x-amz-copy-source: site/data%FF\r\n", ""),
        ("PUT /k".into(), "x-amz-copy-source: site/data?versionId=..\r\n", ""),
        ("PUT /k".into(), "x-amz-tagging: a=%00\r\n", "x"),
        ("PUT /k".into(), "x-amz-tagging: =\r\n", "x"),
        ("PUT /k".into(), "If-Match: \"a\r\n", "x"),
        ("PUT /k".into(), "x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-sha1: x\r\n", "x"),
        ("PUT /?tagging".into(), "", "<Tagging>"),
        ("PUT /?versioning".into(), "", "<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>"),
        ("PUT /?policy".into(), "", "[]"),
        ("PUT /?policy".into(), "", "{}"),
        ("PUT /?cors".into(), "", "<CORSConfiguration/>"),
        ("PATCH /data".into(), "", ""),
        ("TRACE /data".into(), "", ""),
    ];
    let before = lab.files();
    for (request, head, body) in &cases {
        let (method, path) = request.split_once(' ').unwrap();
        let answer = lab.send(&format!("{method} {SITE} {path}"), head, body);
        let refused = (400..500).contains(&answer.0) || answer.0 == 501;
        assert!(refused, "{request} {head}: {answer:?}");
        assert!(answer.2.starts_with("<?xml") || answer.2.is_empty(), "{request} {head}: {answer:?}");
    }
    assert_eq!(lab.files(), before);
    assert_eq!(elements(&lab.good("GET /", "", ""), "Key"), ["css/a b.css", "data", "index.html"]);
    lab.running.end();
}
