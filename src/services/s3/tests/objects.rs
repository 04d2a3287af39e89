//! Objects: put, read whole and in part, conditions, metadata, copies.

use super::*;

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
    assert_eq!(lab.get(SITE, "/css/a%20b.css").2, "h1 {}");
    assert!(lab.get(SITE, "/data").1.contains("content-type: binary/octet-stream"));
    lab.running.end();
}

#[test]
fn etags_are_md5() {
    let lab = lab();
    let answer = lab.good("PUT /abc", "", "abc");
    assert_eq!(header(&answer, "etag"), Some("\"900150983cd24fb0d6963f7d28e17f72\""));
    assert_eq!(header(&answer, "x-amz-server-side-encryption"), Some("aes256"));
    assert_eq!(header(&lab.good("PUT /nothing", "", ""), "etag"), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
    assert_eq!(lab.good("GET /nothing", "", "").2, "");
    lab.running.end();
}

#[test]
fn ranges() {
    let lab = lab();
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=-30", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=0-100", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=9-9", 206, "9", "bytes 9-9/10"),
        // Several ranges, and what is none, get the whole.
        ("bytes=0-1,3-4", 200, "0123456789", ""),
        ("bytes=4-2", 200, "0123456789", ""),
        ("chapters=1", 200, "0123456789", ""),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = lab.send(&format!("{method} {SITE} /data"), &format!("Range: {range}\r\n"), "");
            let body = if method == "GET" { body } else { "" };
            assert_eq!((answer.0, answer.2.as_str()), (status, body), "{range}");
            assert_eq!(header(&answer, "content-range").unwrap_or_default(), content_range);
        }
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let answer = lab.refused("GET /data", &format!("Range: {range}\r\n"), "", 416, "InvalidRange");
        assert_eq!(header(&answer, "content-range"), Some("bytes */10"));
    }
    lab.running.end();
}

#[test]
fn large_objects_come_whole_and_in_any_range() {
    let lab = lab();
    let bytes: Vec<u8> =
        (0..700_000u32).map(|number| b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26).collect();
    let text = String::from_utf8(bytes).unwrap();
    lab.good("PUT /large", "", &text);
    assert!(lab.good("GET /large", "", "").2 == text);
    for (range, expected) in [
        ("bytes=0-99999", &text[..100_000]),
        ("bytes=65535-600000", &text[65_535..=600_000]),
        ("bytes=300000-", &text[300_000..]),
        ("bytes=-100000", &text[600_000..]),
        ("bytes=699999-", &text[699_999..]),
    ] {
        let (status, head, body) = lab.send(&format!("GET {SITE} /large"), &format!("Range: {range}\r\n"), "");
        assert!(status == 206 && body == expected, "{range}: {head}");
    }
    lab.running.end();
}

#[test]
fn reads_have_conditions() {
    let lab = lab();
    let answer = lab.get(SITE, "/data");
    let etag = header(&answer, "etag").unwrap();
    let other = "\"00000000000000000000000000000000\"";
    let (past, future) = ("Wed, 01 Jan 2020 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let bare = etag.trim_matches('"');
    for method in ["GET", "HEAD"] {
        for (condition, expected) in [
            (format!("If-None-Match: {etag}"), 304),
            (format!("If-None-Match: {bare}"), 304),
            ("If-None-Match: *".to_owned(), 304),
            (format!("If-None-Match: {other}"), 200),
            (format!("If-Match: {etag}"), 200),
            (format!("If-Match: {bare}"), 200),
            (format!("If-Match: {other}"), 412),
            (format!("If-Modified-Since: {future}"), 304),
            (format!("If-Modified-Since: {past}"), 200),
            ("If-Modified-Since: yesterday".to_owned(), 200),
            (format!("If-Unmodified-Since: {past}"), 412),
            (format!("If-Unmodified-Since: {future}"), 200),
            // RFC 9110 13.1.3: the ETag decides, the date is for those who have none.
            (format!("If-None-Match: {other}\r\nIf-Modified-Since: {future}"), 200),
            (format!("If-Match: {etag}\r\nIf-Unmodified-Since: {past}"), 200),
        ] {
            let answer = lab.send(&format!("{method} {SITE} /data"), &format!("{condition}\r\n"), "");
            assert_eq!(answer.0, expected, "{method} {condition}: {answer:?}");
            if expected == 304 {
                assert!(answer.2.is_empty() && header(&answer, "etag") == Some(etag), "{answer:?}");
            }
        }
    }
    lab.running.end();
}

#[test]
fn writes_have_conditions() {
    let lab = lab();
    let etag = header(&lab.good("PUT /c", "If-None-Match: *\r\n", "one"), "etag").unwrap().to_owned();
    lab.refused("PUT /c", "If-None-Match: *\r\n", "two", 412, "PreconditionFailed");
    lab.refused("PUT /c", "If-None-Match: \"abc\"\r\n", "two", 501, "NotImplemented");
    lab.refused("PUT /c", "If-Match: \"abc\"\r\n", "two", 412, "PreconditionFailed");
    lab.refused("PUT /d", &format!("If-Match: {etag}\r\n"), "two", 404, "NoSuchKey");
    assert_eq!(lab.good("GET /c", "", "").2, "one");
    lab.good("PUT /c", &format!("If-Match: {etag}\r\n"), "two");
    lab.refused("DELETE /c", &format!("If-Match: {etag}\r\n"), "", 412, "PreconditionFailed");
    assert_eq!(lab.good("GET /c", "", "").2, "two");
    assert_eq!(lab.files(), 4, "refused bodies are gone");
    lab.running.end();
}

#[test]
fn headers_come_back() {
    let lab = lab();
    let head = "Content-Type: text/x-a\r\nCache-Control: max-age=3\r\nContent-Disposition: inline\r\n\
                Content-Encoding: aws-chunked, gzip\r\nContent-Language: de\r\nExpires: some day\r\n\
                x-amz-meta-Color: blue\r\nx-amz-meta-n: 1\r\nx-amz-storage-class: STANDARD_IA\r\n\
                x-amz-website-redirect-location: /b\r\nx-amz-tagging: a=1&b%20c=2+3\r\n";
    lab.good("PUT /h", head, "x");
    for method in ["GET", "HEAD"] {
        let answer = lab.good(&format!("{method} /h"), "", "");
        for (name, value) in [
            ("content-type", "text/x-a"),
            ("cache-control", "max-age=3"),
            ("content-disposition", "inline"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("expires", "some day"),
            ("x-amz-meta-color", "blue"),
            ("x-amz-meta-n", "1"),
            ("x-amz-storage-class", "standard_ia"),
            ("x-amz-website-redirect-location", "/b"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{method} {name}");
        }
    }
    assert_eq!(header(&lab.good("GET /h", "", ""), "x-amz-tagging-count"), Some("2"));
    let tags = lab.good("GET /h?tagging", "", "");
    assert_eq!(elements(&tags, "Key"), ["a", "b c"]);
    assert_eq!(elements(&tags, "Value"), ["1", "2 3"]);
    let answer = lab.good("GET /h?response-content-type=text/y&response-cache-control=no-store", "", "");
    assert_eq!(header(&answer, "content-type"), Some("text/y"));
    assert_eq!(header(&answer, "cache-control"), Some("no-store"));
    lab.refused("PUT /i", &format!("x-amz-meta-a: {}\r\n", "a".repeat(2048)), "", 400, "MetadataTooLarge");
    lab.refused("PUT /i", "x-amz-storage-class: WARM\r\n", "", 400, "InvalidStorageClass");
    lab.good("PUT /cold", "x-amz-storage-class: GLACIER\r\n", "x");
    lab.refused("GET /cold", "", "", 403, "InvalidObjectState");
    lab.good("HEAD /cold", "", "");
    lab.running.end();
}

#[test]
fn copies_share_bytes_and_outlive_their_source() {
    let lab = lab();
    lab.good("PUT /from", "Content-Type: text/a\r\nx-amz-meta-k: v\r\nx-amz-tagging: t=1\r\n", "bytes");
    let files = lab.files();
    let answer = lab.good("PUT /to", "x-amz-copy-source: /site/from\r\n", "");
    assert!(element(&answer, "ETag").contains("4b3a6218bb3e3a7303e8a171a60fcf92"), "{answer:?}");
    assert_eq!(lab.files(), files, "no byte is copied");
    lab.good("DELETE /from", "", "");
    let answer = lab.good("GET /to", "", "");
    assert_eq!((answer.2.as_str(), header(&answer, "content-type")), ("bytes", Some("text/a")));
    assert_eq!(header(&answer, "x-amz-meta-k"), Some("v"));
    assert_eq!(header(&answer, "x-amz-tagging-count"), Some("1"));
    let to_itself = "x-amz-copy-source: site/to\r\n";
    lab.refused("PUT /to", to_itself, "", 400, "InvalidRequest");
    let replace = "x-amz-metadata-directive: REPLACE\r\nContent-Type: text/b\r\nx-amz-tagging-directive: REPLACE\r\n";
    lab.good("PUT /to", &format!("{to_itself}{replace}"), "");
    let answer = lab.good("GET /to", "", "");
    assert_eq!((answer.2.as_str(), header(&answer, "content-type")), ("bytes", Some("text/b")));
    assert_eq!((header(&answer, "x-amz-meta-k"), header(&answer, "x-amz-tagging-count")), (None, None));
    lab.good("DELETE /to", "", "");
    assert_eq!(lab.files(), files - 1, "the last that needed it is gone");
    lab.refused("PUT /to", "x-amz-copy-source: site/none\r\n", "", 404, "NoSuchKey");
    lab.refused("PUT /to", "x-amz-copy-source: nobody/none\r\n", "", 404, "NoSuchBucket");
    lab.refused("PUT /to", "x-amz-copy-source: site/../far/x\r\n", "", 400, "InvalidURI");
    let if_match = "x-amz-copy-source: site/data\r\nx-amz-copy-source-if-match: \"abc\"\r\n";
    lab.refused("PUT /to", if_match, "", 412, "PreconditionFailed");
    lab.running.end();
}

/// B3.3: not across Regions through an endpoint; over the internet it works.
#[test]
fn copies_across_regions_not_through_endpoints() {
    let lab = lab();
    let copy = "x-amz-copy-source: site/data\r\n";
    let far = "PUT far.s3.eu-west-1.amazonaws.com /data";
    let answer = lab.send(far, &format!("{copy}X-Test-Who: {OWNER} endpoint\r\n"), "");
    assert_eq!((answer.0, element(&answer, "Message")), (403, "VPC endpoints do not support cross-region requests"));
    assert_eq!(lab.send(far, copy, "").0, 200);
    assert_eq!(lab.get("far.s3.eu-west-1.amazonaws.com", "/data").2, "0123456789");
    lab.running.end();
}

#[test]
fn attributes_are_told() {
    let lab = lab();
    let answer =
        lab.good("GET /data?attributes", "x-amz-object-attributes: ETag,Checksum,ObjectSize, StorageClass\r\n", "");
    assert_eq!(element(&answer, "ETag"), "781e5e245d69b566979b86e28d23f2c7", "the one ETag without quotes");
    assert_eq!(element(&answer, "ObjectSize"), "10");
    assert_eq!(element(&answer, "StorageClass"), "STANDARD");
    assert_eq!(element(&answer, "ChecksumType"), "FULL_OBJECT");
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
    let lab = lab_with(20_000, &[bucket("site", "us-east-1")]);
    let is_form = "Content-Type: multipart/form-data; boundary=edge\r\n";
    let upload = |length: usize| lab.send(&format!("POST {SITE} /"), is_form, &form(length));
    // Each gives back what it took, refused or not.
    for _ in 0..4 {
        assert_eq!(upload(15_000).0, 204);
        let (status, _, body) = upload(30_000);
        assert!(status == 503 && body.contains("<Code>SlowDown</Code>"), "{body}");
    }
    assert_eq!(lab.get(SITE, "/form").2.len(), 15_000);
    let (status, _, body) = lab.send(&format!("POST {SITE} /?delete"), "", &"<".repeat(30_000));
    assert!(status == 503 && body.contains("<Message>Please reduce your request rate.</Message>"), "{body}");
    assert_eq!(lab.send(&format!("PUT {SITE} /large"), "", &"x".repeat(30_000)).0, 200, "an object is streamed");

    // One that is under way has its part until it is gone.
    let mut slow = std::net::TcpStream::connect(lab.running.plain).unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: {SITE}\r\n{is_form}Content-Length: 100000\r\n\r\n");
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
