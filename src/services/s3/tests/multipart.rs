//! Uploads in parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::super::checksum::{Algorithm, Hasher};
use super::super::incoming::hex;
use super::*;

const PART: usize = 5 << 20;

impl Lab {
    /// Begins an upload of `/big`.
    fn begin(&self, head: &str) -> String {
        element(&self.good("POST /big?uploads", head, ""), "UploadId").to_owned()
    }

    /// Adds a part; its ETag without quotes.
    fn part(&self, upload: &str, number: u32, body: &str) -> String {
        let answer = self.good(&format!("PUT /big?partNumber={number}&uploadId={upload}"), "", body);
        header(&answer, "etag").unwrap().trim_matches('"').to_owned()
    }
}

/// The document of CompleteMultipartUpload.
fn complete(parts: &[(u32, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[test]
fn parts_become_an_object() {
    let lab = lab();
    let upload = lab.begin("Content-Type: text/big\r\nx-amz-meta-k: v\r\nx-amz-tagging: t=1\r\n");
    let [one, two] = ["1", "2"].map(|digit| digit.repeat(PART));
    let wrong = lab.part(&upload, 2, "to be replaced");
    // Numbers may have gaps, and come in any order.
    let etags = [(7, "end"), (2, two.as_str()), (1, one.as_str())].map(|(n, body)| lab.part(&upload, n, body));
    let [end, second, first] = etags.each_ref().map(String::as_str);
    let listed = lab.good(&format!("GET /big?uploadId={upload}&max-parts=2"), "", "");
    assert_eq!((elements(&listed, "PartNumber"), element(&listed, "IsTruncated")), (vec!["1", "2"], "true"));
    assert_eq!(element(&listed, "NextPartNumberMarker"), "2");
    let listed = lab.good(&format!("GET /big?uploadId={upload}&part-number-marker=2"), "", "");
    assert_eq!((elements(&listed, "PartNumber"), elements(&listed, "Size")), (vec!["7"], vec!["3"]));

    let post = format!("POST /big?uploadId={upload}");
    for (parts, code) in [
        (complete(&[]), "MalformedXML"),
        (complete(&[(2, second), (1, first)]), "InvalidPartOrder"),
        (complete(&[(1, first), (1, first)]), "InvalidPartOrder"),
        (complete(&[(1, first), (2, &wrong)]), "InvalidPart"),
        (complete(&[(1, first), (3, second)]), "InvalidPart"),
        ("<CompleteMultipartUpload>".to_owned(), "MalformedXML"),
    ] {
        lab.refused(&post, "", &parts, 400, code);
    }
    let parts = complete(&[(1, first), (2, second), (7, end)]);
    lab.refused(&post, "x-amz-mp-object-size: 1\r\n", &parts, 400, "InvalidRequest");
    let answer = lab.good(&post, "", &parts);
    let md5s = [one.as_str(), &two, "end"].map(|body| Md5::digest(body).to_vec()).concat();
    let etag = format!("{}-3", hex(&Md5::digest(md5s)));
    assert!(element(&answer, "ETag").contains(&etag), "{answer:?}");
    assert_eq!(element(&answer, "Location"), "https://site.s3.us-east-1.amazonaws.com/big");
    let again = lab.good(&post, "", &parts);
    assert_eq!(element(&again, "ETag"), element(&answer, "ETag"), "completing twice is no error");

    let answer = lab.good("GET /big", "", "");
    assert!(answer.2 == format!("{one}{two}end"));
    assert_eq!(header(&answer, "etag"), Some(format!("\"{etag}\"").as_str()));
    assert_eq!((header(&answer, "content-type"), header(&answer, "x-amz-meta-k")), (Some("text/big"), Some("v")));
    // Across the border of two parts, and part by part.
    let range = format!("Range: bytes={}-{}\r\n", PART - 2, PART + 1);
    assert_eq!(lab.good("GET /big", &range, "").2, "1122");
    for (number, body) in [(1, one.as_str()), (2, &two), (3, "end")] {
        let answer = lab.good(&format!("GET /big?partNumber={number}"), "", "");
        assert!(answer.0 == 206 && answer.2 == body, "{number}");
        assert_eq!(header(&answer, "x-amz-mp-parts-count"), Some("3"));
    }
    lab.refused("GET /big?partNumber=4", "", "", 416, "InvalidPartNumber");
    let answer = lab.good("GET /big?attributes", "x-amz-object-attributes: ObjectParts\r\n", "");
    assert_eq!(element(&answer, "PartsCount"), "3");
    assert_eq!(lab.files(), 3 + 3, "the part that was replaced is gone");
    lab.refused(&format!("GET /big?uploadId={upload}"), "", "", 404, "NoSuchUpload");

    // A copy is one piece, with the MD5 of the whole.
    let answer = lab.good("PUT /copy", "x-amz-copy-source: site/big\r\n", "");
    let whole = hex(&Md5::digest(format!("{one}{two}end")));
    assert!(element(&answer, "ETag").contains(&whole), "{answer:?}");
    lab.good("DELETE /big", "", "");
    assert!(lab.good("GET /copy", "", "").2 == format!("{one}{two}end"));
    lab.good("DELETE /copy", "", "");
    assert_eq!(lab.files(), 3);
    lab.running.end();
}

#[test]
fn small_parts_are_last_parts() {
    let lab = lab();
    let upload = lab.begin("");
    let [one, two] = [(1, "a"), (2, "b")].map(|(number, body)| lab.part(&upload, number, body));
    let post = format!("POST /big?uploadId={upload}");
    lab.refused(&post, "", &complete(&[(1, &one), (2, &two)]), 400, "EntityTooSmall");
    lab.good(&post, "", &complete(&[(2, &two)]));
    assert_eq!(lab.good("GET /big", "", "").2, "b");
    assert_eq!(lab.files(), 4);
    for number in [0, 10_001] {
        let upload = lab.begin("");
        let request = format!("PUT /big?partNumber={number}&uploadId={upload}");
        lab.refused(&request, "", "x", 400, "InvalidArgument");
    }
    lab.running.end();
}

#[test]
fn aborted_uploads_leave_nothing() {
    let lab = lab();
    let [one, two] = [lab.begin(""), lab.begin("")];
    lab.part(&one, 1, "a");
    lab.part(&two, 1, "b");
    let listed = lab.good("GET /?uploads&prefix=b", "", "");
    assert_eq!((elements(&listed, "Key"), elements(&listed, "UploadId")), (vec!["big"; 2], vec![one.as_str(), &two]));
    let page = lab.good("GET /?uploads&max-uploads=1", "", "");
    let (key, id) = (element(&page, "NextKeyMarker"), element(&page, "NextUploadIdMarker"));
    assert_eq!((element(&page, "IsTruncated"), key, id), ("true", "big", one.as_str()));
    let page = lab.good(&format!("GET /?uploads&key-marker={key}&upload-id-marker={id}"), "", "");
    assert_eq!(elements(&page, "UploadId"), [two.as_str()]);
    for upload in [&one, &two] {
        assert_eq!(lab.good(&format!("DELETE /big?uploadId={upload}"), "", "").0, 204);
        lab.refused(&format!("DELETE /big?uploadId={upload}"), "", "", 404, "NoSuchUpload");
        lab.refused(&format!("PUT /big?partNumber=1&uploadId={upload}"), "", "x", 404, "NoSuchUpload");
    }
    assert_eq!(lab.files(), 3);
    lab.running.end();
}

#[test]
fn parts_are_copied_by_reference() {
    let lab = lab();
    lab.good("PUT /source", "", &"0123456789".repeat(PART / 5));
    let upload = lab.begin("");
    let copy = |number: u32, range: &str| {
        let head = format!("x-amz-copy-source: site/source\r\nx-amz-copy-source-range: {range}\r\n");
        lab.send(&format!("PUT {SITE} /big?partNumber={number}&uploadId={upload}"), &head, "")
    };
    let first = copy(1, &format!("bytes=3-{}", PART + 2));
    let second = copy(2, "bytes=0-1");
    let etags = [&first, &second].map(|answer| {
        assert_eq!(answer.0, 200, "{answer:?}");
        element(answer, "ETag").replace("&quot;", "").trim_matches('"').to_owned()
    });
    assert_eq!(etags[1], hex(&Md5::digest("01")));
    for range in ["bytes=5-", "bytes=5", "5-6", "bytes=6-5", "bytes=0-99999999"] {
        let answer = copy(3, range);
        assert_eq!((answer.0, element(&answer, "Code")), (400, "InvalidArgument"), "{range}");
    }
    lab.good(&format!("POST /big?uploadId={upload}"), "", &complete(&[(1, &etags[0]), (2, &etags[1])]));
    assert_eq!(lab.files(), 4, "one file, two objects");
    lab.good("DELETE /source", "", "");
    let whole = lab.good("GET /big", "", "").2;
    assert!(whole.len() == PART + 2 && whole.starts_with("34567890") && whole.ends_with("901201"));
    lab.running.end();
}

#[test]
fn checksums_of_parts_become_that_of_the_object() {
    let lab = lab();
    let one = "1".repeat(PART);
    let sum = |algorithm: Algorithm, bytes: &[u8]| {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    };
    for (algorithm, kind) in
        [(Algorithm::Sha256, "COMPOSITE"), (Algorithm::Crc32, "COMPOSITE"), (Algorithm::Crc32c, "FULL_OBJECT")]
    {
        let (name, line) = (algorithm.name(), algorithm.header());
        let head = format!("x-amz-checksum-algorithm: {name}\r\nx-amz-checksum-type: {kind}\r\n");
        let upload = lab.begin(&head);
        let mut parts = String::new();
        let mut digests = Vec::new();
        for (number, body) in [(1, one.as_str()), (2, "end")] {
            let value = sum(algorithm, body.as_bytes());
            digests.extend(STANDARD.decode(&value).unwrap());
            let request = format!("PUT /big?partNumber={number}&uploadId={upload}");
            let answer = lab.good(&request, &format!("{line}: {value}\r\n"), body);
            let etag = header(&answer, "etag").unwrap();
            parts += &format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag><Checksum{name}>{value}</Checksum{name}></Part>"
            );
        }
        let other = if algorithm == Algorithm::Sha256 { Algorithm::Crc32 } else { Algorithm::Sha256 };
        let wrong = format!("{}: {}\r\n", other.header(), sum(other, b"x"));
        lab.refused(&format!("PUT /big?partNumber=3&uploadId={upload}"), &wrong, "x", 400, "InvalidRequest");
        let post = format!("POST /big?uploadId={upload}");
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let without =
            regex_lite::Regex::new("<Checksum.*?</Checksum[^>]*>").unwrap().replace_all(&document, "").into_owned();
        if kind == "COMPOSITE" {
            lab.refused(&post, "", &without, 400, "InvalidRequest");
        } else {
            lab.refused(&post, &format!("{line}: {}\r\n", sum(algorithm, b"x")), &document, 400, "BadDigest");
        }
        let answer = lab.good(&post, "", &document);
        let expected = if kind == "COMPOSITE" {
            format!("{}-2", sum(algorithm, &digests))
        } else {
            sum(algorithm, format!("{one}end").as_bytes())
        };
        assert_eq!(
            (element(&answer, &format!("Checksum{name}")), element(&answer, "ChecksumType")),
            (expected.as_str(), kind)
        );
        let answer = lab.good("HEAD /big", "x-amz-checksum-mode: ENABLED\r\n", "");
        assert_eq!(header(&answer, line), Some(expected.to_ascii_lowercase().as_str()));
        let answer = lab.good("GET /big?attributes", "x-amz-object-attributes: ObjectParts\r\n", "");
        assert_eq!(elements(&answer, "PartNumber"), ["1", "2"]);
    }
    for (name, kind) in [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE"), ("MD4", "COMPOSITE")] {
        let head = format!("x-amz-checksum-algorithm: {name}\r\nx-amz-checksum-type: {kind}\r\n");
        lab.refused("POST /big?uploads", &head, "", 400, "InvalidRequest");
    }
    lab.running.end();
}
