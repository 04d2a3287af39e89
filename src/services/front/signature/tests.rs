//! AWS's own examples, and what is no signature.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use proptest::prelude::*;

use super::body::signed;
use super::*;
use crate::services::front::BodyError;
use crate::services::upstream::Credentials;
use crate::services::upstream::sign::{Payload as Hashed, Signer};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

/// Midnight of the examples, 24 May 2013.
fn midnight() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_369_353_600)
}

/// `METHOD TARGET`, and headers one a line.
fn parts(request: &str, headers: &str) -> Parts {
    let (method, target) = request.split_once(' ').unwrap();
    let mut builder = Request::builder().method(method).uri(target);
    for line in headers.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        builder = builder.header(name, value.trim_start());
    }
    builder.body(()).unwrap().into_parts().0
}

/// The same, signed in the header.
fn with_authorization(request: &str, headers: &str, names: &str, signature: &str) -> Parts {
    let authorization =
        format!("Authorization: AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={names},Signature={signature}");
    parts(request, &format!("{headers}\n{authorization}"))
}

fn check(parts: &Parts, secret: &str, now: SystemTime) -> Result<Proof, Refused> {
    let signed = read(parts)?.expect("it is signed");
    signed.check_time(now)?;
    signed.check(parts, secret, canonical::EMPTY)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
#[test]
fn the_examples_of_the_s3_reference() {
    const HOST: &str = "Host: examplebucket.s3.amazonaws.com\nx-amz-date: 20130524T000000Z";
    let empty = format!("{HOST}\nx-amz-content-sha256: {}", canonical::EMPTY);
    let put = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let put = format!(
        "{HOST}\nDate: Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-content-sha256: {put}"
    );
    let usual = "host;x-amz-content-sha256;x-amz-date";
    for (request, headers, names, signature) in [
        (
            "GET /test.txt",
            format!("{empty}\nRange: bytes=0-9"),
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT /test$file.text",
            put.clone(),
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET /?lifecycle", empty.clone(), usual, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET /?max-keys=2&prefix=J",
            empty.clone(),
            usual,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let parts = with_authorization(request, &headers, names, signature);
        assert!(check(&parts, SECRET, midnight()).is_ok(), "{request}");
        let other = check(&parts, "another", midnight()).unwrap_err();
        assert_eq!(other.cause, Cause::Mismatch, "{request}");
        let elsewhere = with_authorization(&format!("{request}x"), &headers, names, signature);
        assert_eq!(check(&elsewhere, SECRET, midnight()).unwrap_err().cause, Cause::Mismatch, "{request}");
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
const PRESIGNED: &str = "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

#[test]
fn a_presigned_url_is_good_for_as_long_as_it_says() {
    let host = "Host: examplebucket.s3.amazonaws.com";
    let mut url = parts(PRESIGNED, host);
    let at = |hours: u64| midnight() + Duration::from_secs(hours * 3600);
    assert!(check(&url, SECRET, at(0)).is_ok());
    assert!(check(&url, SECRET, at(24)).is_ok());
    let refused = check(&url, SECRET, at(25)).unwrap_err();
    assert_eq!((refused.cause, refused.to_string().as_str()), (Cause::RequestExpired, "Request has expired"));
    assert_eq!(
        refused.details,
        [("X-Amz-Expires", "86400"), ("Expires", "2013-05-25T00:00:00Z"), ("ServerTime", "2013-05-25T01:00:00Z")]
            .map(|(name, text)| (name, text.to_owned()))
    );
    assert_eq!(check(&url, SECRET, midnight() - SKEW * 2).unwrap_err().cause, Cause::RequestExpired);
    let longer = parts(&PRESIGNED.replace("86400", "86401"), host);
    assert_eq!(check(&longer, SECRET, at(0)).unwrap_err().cause, Cause::Mismatch);
    let payload = read(&url).unwrap().unwrap().payload;
    strip(&mut url, &payload, true).unwrap();
    assert_eq!(url.uri, "/test.txt", "nobody seems to have signed it");
    let mut more = parts(&format!("{PRESIGNED}&versionId=3"), host);
    strip(&mut more, &payload, true).unwrap();
    assert_eq!(more.uri, "/test.txt?versionId=3");
}

const CHUNKS: [&str; 3] = [
    "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
    "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
    "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
];

fn chunked() -> (Parts, Vec<u8>) {
    let head = "Host: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\nx-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\nContent-Encoding: aws-chunked\nx-amz-decoded-content-length: 66560\nContent-Length: 66824";
    let names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class";
    let signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let parts = with_authorization("PUT /examplebucket/chunkObject.txt", head, names, signature);
    let body = [
        CHUNKS[0].as_bytes(),
        &[b'a'; 65536],
        b"\r\n",
        CHUNKS[1].as_bytes(),
        &[b'a'; 1024],
        b"\r\n",
        CHUNKS[2].as_bytes(),
    ];
    (parts, body.concat())
}

/// Reads a body that comes in pieces of that size.
fn decoded(
    body: &[u8],
    piece: usize,
    payload: &Payload,
    proof: Option<&Proof>,
) -> Result<(Vec<u8>, http::HeaderMap), Refused> {
    decoded_of(body, piece, payload, proof, None)
}

/// The same; the head says how long it is without chunks.
fn decoded_of(
    body: &[u8],
    piece: usize,
    payload: &Payload,
    proof: Option<&Proof>,
    length: Option<u64>,
) -> Result<(Vec<u8>, http::HeaderMap), Refused> {
    let pieces: Vec<Result<Frame<Bytes>, BodyError>> =
        body.chunks(piece.max(1)).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = signed(StreamBody::new(futures::stream::iter(pieces)).boxed_unsync(), payload, proof, length);
    let collected = futures::executor::block_on(body.collect());
    match collected {
        Ok(collected) => {
            let trailers = collected.trailers().cloned().unwrap_or_default();
            Ok((collected.to_bytes().to_vec(), trailers))
        }
        Err(error) => Err(*error.downcast().expect("the door's own error")),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
#[test]
fn a_body_in_signed_chunks() {
    let (mut parts, body) = chunked();
    let proof = check(&parts, SECRET, midnight()).unwrap();
    let payload = read(&parts).unwrap().unwrap().payload;
    for piece in [1, 7, 4096, body.len()] {
        let (data, _) = decoded(&body, piece, &payload, Some(&proof)).unwrap();
        assert!(data == [b'a'; 66560], "in pieces of {piece}");
    }
    let cause = |body: &[u8]| decoded(body, 4096, &payload, Some(&proof)).unwrap_err().cause;
    for at in [CHUNKS[0].len(), CHUNKS[0].len() + 65535, CHUNKS[0].len() + 65538 + CHUNKS[1].len()] {
        let mut other = body.clone();
        other[at] = b'b';
        assert_eq!(cause(&other), Cause::Mismatch, "byte {at}");
    }
    assert_eq!(cause(&body[..70_000 - 4000]), Cause::Incomplete);
    assert_eq!(cause(&body[..CHUNKS[0].len() + 65538]), Cause::Incomplete, "no last chunk");
    assert_eq!(cause(&[body.as_slice(), b"more"].concat()), Cause::BadChunks);
    assert_eq!(cause(b"zz;chunk-signature=0\r\n"), Cause::BadChunks);
    assert_eq!(cause(b"4\r\naaaa\r\n0\r\n\r\n"), Cause::BadChunks, "without signatures");
    assert_eq!(cause(&[b'1'; 20_000]), Cause::BadChunks, "a head without end");
    strip(&mut parts, &payload, false).unwrap();
    assert_eq!(parts.headers["content-length"], "66560");
    for gone in ["authorization", "content-encoding", "x-amz-content-sha256", "x-amz-decoded-content-length"] {
        assert!(!parts.headers.contains_key(gone), "{gone}");
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
#[test]
fn headers_behind_a_signed_body_are_signed() {
    let head = "Host: s3.amazonaws.com\nx-amz-date: 20130524T000000Z\nx-amz-storage-class: REDUCED_REDUNDANCY\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\nContent-Encoding: aws-chunked\nx-amz-decoded-content-length: 66560\nx-amz-trailer: x-amz-checksum-crc32c\nTransfer-Encoding: chunked";
    let names = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer";
    let signature = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let mut parts = with_authorization("PUT /examplebucket/chunkObject.txt", head, names, signature);
    let proof = check(&parts, SECRET, midnight()).unwrap();
    let payload = read(&parts).unwrap().unwrap().payload;
    let sum = "x-amz-checksum-crc32c:sOO8/Q==\r\n";
    let signature = "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    let body = |trailer: &str| {
        [
            b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n".as_slice(),
            &[b'a'; 65536],
            b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
            &[b'a'; 1024],
            b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n",
            trailer.as_bytes(),
        ]
        .concat()
    };
    let whole = body(&format!("{sum}{signature}"));
    for piece in [7, 4096, whole.len()] {
        let (data, trailers) = decoded_of(&whole, piece, &payload, Some(&proof), Some(66560)).unwrap();
        assert!(data == [b'a'; 66560] && trailers.len() == 1, "in pieces of {piece}");
        assert_eq!(trailers["x-amz-checksum-crc32c"], "sOO8/Q==");
    }
    let cause = |trailer: &str| decoded(&body(trailer), 4096, &payload, Some(&proof)).unwrap_err().cause;
    assert_eq!(cause(&format!("{}{signature}", sum.replace("sOO8", "tOO8"))), Cause::Mismatch);
    assert_eq!(cause(&format!("{sum}{}", signature.replace("d81f", "d81e"))), Cause::Mismatch);
    assert_eq!(cause(signature), Cause::Mismatch, "the header is gone");
    assert_eq!(cause(&format!("{sum}\r\n")), Cause::BadChunks, "nobody signed it");
    strip(&mut parts, &payload, false).unwrap();
    assert_eq!(parts.headers["content-length"], "66560");
    assert!(!parts.headers.contains_key("transfer-encoding"), "the body has one length");
}

/// Neither more nor less than the head says.
#[test]
fn chunks_are_as_long_as_was_said() {
    let unsigned = Payload::Chunked { name: String::new(), signed: false, trailer: true };
    let body = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    let decoded = |length| decoded_of(body, 4096, &unsigned, None, Some(length)).map(|(data, _)| data);
    assert_eq!(decoded(6).unwrap(), b"hello!");
    for length in [0, 5, 7, u64::MAX] {
        assert_eq!(decoded(length).unwrap_err().cause, Cause::Incomplete, "{length}");
    }
}

#[test]
fn headers_behind_a_body_are_those_that_were_announced() {
    let unsigned = Payload::Chunked { name: String::new(), signed: false, trailer: true };
    let (data, trailers) =
        decoded(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 3, &unsigned, None).unwrap();
    assert_eq!(data, b"hello");
    assert_eq!(trailers["x-amz-checksum-crc32"], "NhCmhg==");
    let without = Payload::Chunked { name: String::new(), signed: false, trailer: false };
    let refused = decoded(b"0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", 3, &without, None).unwrap_err();
    assert_eq!(refused.cause, Cause::BadChunks);
}

#[test]
fn a_body_is_the_one_whose_hash_was_signed() {
    let payload = Payload::Hash(canonical::digest(b"hello"));
    assert_eq!(decoded(b"hello", 2, &payload, None).unwrap().0, b"hello");
    assert_eq!(decoded(b"hellO", 2, &payload, None).unwrap_err().cause, Cause::PayloadMismatch);
    assert_eq!(decoded(b"", 2, &payload, None).unwrap_err().cause, Cause::PayloadMismatch);
}

#[test]
fn what_is_no_signature_is_refused_with_its_reason() {
    let date = "x-amz-date: 20130524T000000Z";
    let good =
        format!("Authorization: AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date, Signature=0");
    for (headers, cause) in [
        (format!("{date}\nAuthorization: Basic YTpi"), Cause::Malformed),
        (format!("{date}\nAuthorization: AWS4-HMAC-SHA256"), Cause::Malformed),
        (
            format!("{date}\nAuthorization: AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host;x-amz-date"),
            Cause::Malformed,
        ),
        (format!("{date}\n{}", good.replace("/s3/", "/")), Cause::Malformed),
        (format!("{date}\n{}", good.replace("20130524", "2013")), Cause::Malformed),
        (format!("{date}\n{}", good.replace("SignedHeaders=host;", "SignedHeaders=")), Cause::HeadersNotSigned),
        (format!("{date}\nx-amz-acl: private\n{good}"), Cause::HeadersNotSigned),
        (format!("{date}\nx-amz-content-sha256: abc\n{good}"), Cause::BadPayload),
        (good.clone(), Cause::MissingDate),
        (format!("{date}\n{good}\n{good}"), Cause::Malformed),
        (format!("{date}\nAuthorization: AWS AKIA:c2ln"), Cause::OldSignature),
    ] {
        let refused = read(&parts("GET /", &format!("Host: s3.amazonaws.com\n{headers}"))).unwrap_err();
        assert_eq!(refused.cause, cause, "{headers}: {refused}");
    }
    for (query, cause) in [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", Cause::MalformedQuery),
        (&PRESIGNED[14..].replace("86400", "604801"), Cause::MalformedQuery),
        (&PRESIGNED[14..].replace("86400", "-1"), Cause::MalformedQuery),
        (&PRESIGNED[14..].replace("SHA256&", "SHA1&"), Cause::MalformedQuery),
        ("AWSAccessKeyId=A&Expires=1&Signature=x", Cause::OldSignature),
    ] {
        let refused = read(&parts(&format!("GET /?{query}"), "Host: s3.amazonaws.com")).unwrap_err();
        assert_eq!(refused.cause, cause, "{query}: {refused}");
    }
    assert_eq!(read(&parts("GET /?prefix=a", "Host: s3.amazonaws.com")), Ok(None));
}

#[test]
fn a_date_is_at_most_a_quarter_of_an_hour_off() {
    let parts =
        with_authorization("GET /", "Host: s3.amazonaws.com\nx-amz-date: 20130524T000000Z", "host;x-amz-date", "0");
    let signed = read(&parts).unwrap().unwrap();
    assert!(signed.check_time(midnight() + SKEW).is_ok() && signed.check_time(midnight() - SKEW).is_ok());
    for now in [midnight() + SKEW + Duration::from_secs(1), midnight() - SKEW - Duration::from_secs(1)] {
        assert_eq!(signed.check_time(now).unwrap_err().cause, Cause::Skewed);
    }
}

/// A PUT as a signer of ours signs it.
fn by_our_signer(path: &str, query: &str, value: &str, service: &str, body: &[u8]) -> Parts {
    let credentials = Credentials {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_access_key: SECRET.into(),
        session_token: Some("a/token+=".into()),
    };
    let signer = Signer { credentials: &credentials, region: "us-east-1", service, now: midnight().into() };
    let uri: http::Uri = format!("http://host.example:8080{path}?{query}").parse().unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert("x-amz-meta-a", http::HeaderValue::from_str(value).unwrap());
    signer.sign(&http::Method::PUT, &uri, &mut headers, &Hashed::of(body)).unwrap();
    let mut request = Request::put(format!("{path}?{query}")).header("host", "host.example:8080").body(()).unwrap();
    request.headers_mut().extend(headers);
    request.into_parts().0
}

fn verified(parts: &Parts, body: &[u8]) -> Result<Proof, Refused> {
    let signed = read(parts)?.expect("it is signed");
    signed.check_time(midnight())?;
    signed.check(parts, SECRET, &canonical::digest(body))
}

/// A plus is itself to some clients, and a space to others.
#[test]
fn a_plus_in_a_query_is_signed_in_two_ways() {
    for signed in ["prefix=a%2Bb", "prefix=a%20b"] {
        let mut parts = by_our_signer("/b", signed, "v", "s3", b"");
        parts.uri = "/b?prefix=a+b".parse().unwrap();
        assert!(verified(&parts, b"").is_ok(), "{signed}");
        parts.uri = "/b?prefix=a-b".parse().unwrap();
        assert_eq!(verified(&parts, b"").unwrap_err().cause, Cause::Mismatch);
    }
}

/// S3's keys are signed as they are; all other services have dots and empty steps made plain first.
#[test]
fn paths_are_signed_as_their_service_has_them() {
    for (service, path, expected) in [
        ("s3", "/b/a%20b/../c//d", "/b/a%20b/../c//d"),
        ("s3", "/b/a!b(c)'*=@$", "/b/a%21b%28c%29%27%2A%3D%40%24"),
        ("s3", "", "/"),
        ("lambda", "/f/arn%3Aaws/x", "/f/arn%253Aaws/x"),
        ("lambda", "/a/./b/../c//d/", "/a/c/d/"),
        ("lambda", "/..", "/"),
    ] {
        assert_eq!(canonical::paths(service == "s3", path)[0], expected, "{path}");
    }
}

/// What AWS says of a scope or a date that is not the one it must be.
#[test]
fn scopes_and_dates_are_refused_in_each_services_words() {
    let signed = |scope: &str, expires: Option<u64>| Signed {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        session_token: None,
        date: "20130524T000000Z".into(),
        scope: scope.into(),
        headers: vec!["host".into()],
        signature: String::new(),
        expires: expires.map(Duration::from_secs),
        payload: Payload::Unsigned,
    };
    let words = |signed: &Signed, service: &str| {
        let checked = signed.check_time(midnight()).and_then(|()| signed.check_scope(service, Some("us-east-1")));
        let refused = checked.unwrap_err();
        let (_, code) = refused.s3_code();
        format!("{code}: {refused}")
    };
    let header = "AuthorizationHeaderMalformed: The authorization header is malformed";
    let query = "AuthorizationQueryParametersError: Error parsing the X-Amz-Credential parameter";
    for (expires, prefix) in [(None, header), (Some(60), query)] {
        let words = |scope: &str| words(&signed(scope, expires), "s3");
        assert_eq!(
            words("20130523/us-east-1/s3/aws4_request"),
            format!(
                "{prefix}; Invalid credential date \"20130523\". This date is not the same as X-Amz-Date: \"20130524\"."
            )
        );
        assert_eq!(
            words("20130524/us-east-1/sqs/aws4_request"),
            format!("{prefix}; incorrect service \"sqs\". This endpoint belongs to \"s3\".")
        );
        assert_eq!(
            words("20130524/eu-west-1/s3/aws4_request"),
            format!("{prefix}; the region 'eu-west-1' is wrong; expecting 'us-east-1'")
        );
    }
    let words = |scope: &str| words(&signed(scope, None), "sts");
    assert_eq!(
        words("20130523/us-east-1/sts/aws4_request"),
        "SignatureDoesNotMatch: Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP, '20130523' != '20130524', from '20130524T000000Z'."
    );
    assert_eq!(
        words("20130524/us-east-1/s3/aws4_request"),
        "SignatureDoesNotMatch: Credential should be scoped to correct service: 'sts'. "
    );
    assert_eq!(
        words("20130524/eu-west-1/sts/aws4_request"),
        "SignatureDoesNotMatch: Credential should be scoped to a valid region, not 'eu-west-1'. "
    );
    let sts = signed("20130524/us-east-1/sts/aws4_request", None);
    let late = sts.check_time(midnight() + SKEW + Duration::from_secs(1)).unwrap_err().to_string();
    assert_eq!(
        late,
        "Signature expired: 20130524T000000Z is now earlier than 20130524T000001Z (20130524T001501Z - 15 min.)"
    );
    let early = sts.check_time(midnight() - SKEW - Duration::from_secs(1)).unwrap_err().to_string();
    assert_eq!(
        early,
        "Signature not yet current: 20130524T000000Z is still later than 20130523T235959Z (20130523T234459Z + 15 min.)"
    );
}

proptest! {
    /// What is signed is verified, and nothing else: whichever part of it differs, the signature is another's.
    #[test]
    fn what_is_signed_is_what_came(
        path in "(/[a-zA-Z0-9._~!$&'()*+,;=:@-]{0,8}(%[2-7][0-9A-F])?){1,4}",
        query in "([a-z-]{1,6}(=[a-zA-Z0-9._~/:@-]{0,6}(%[2-7][0-9A-F])?)?&){0,3}z",
        value in "[ -~]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..40),
        s3 in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let service = if s3 { "s3" } else { "lambda" };
        let parts = by_our_signer(&path, &query, &value, service, &body);
        prop_assert!(verified(&parts, &body).is_ok(), "{path} {query}");
        let names: Vec<http::HeaderName> = parts.headers.keys().cloned().collect();
        for name in names {
            let was = parts.headers[&name].as_bytes();
            if was.is_empty() {
                continue;
            }
            // Whose key it is, its secret says.
            let key_id = if name == "authorization" { "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE".len() } else { 0 };
            let (mut changed, at) = (was.to_vec(), key_id + at.index(was.len() - key_id));
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let mut other = parts.clone();
            other.headers.insert(&name, http::HeaderValue::from_bytes(&changed).unwrap());
            prop_assert!(verified(&other, &body).is_err(), "{name}: {changed:?}");
        }
        let elsewhere = |target: String| {
            let mut other = parts.clone();
            other.uri = target.parse().unwrap();
            verified(&other, &body)
        };
        let others = [format!("{path}x?{query}"), format!("{path}?{query}&x")];
        prop_assert!(others.into_iter().all(|target| elsewhere(target).is_err()));
        let mut other = parts.clone();
        other.method = http::Method::POST;
        prop_assert!(verified(&other, &body).is_err());
        if !s3 {
            prop_assert!(verified(&parts, &[body.as_slice(), b"x"].concat()).is_err());
        }
    }

    /// Nothing that a client sends for a signature makes the door fall.
    #[test]
    fn noise_is_refused_or_unsigned(authorization in ".{0,200}", query in "[ -~]{0,200}", date in "[0-9TZ]{0,20}") {
        let query: String = query.chars().filter(|c| c.is_ascii_graphic() && !"#<>\\^`{|}\"".contains(*c)).collect();
        let mut builder = Request::builder().method("GET").uri(format!("/?{query}")).header("host", "s3.amazonaws.com");
        if let Ok(value) = http::HeaderValue::from_str(&authorization) {
            builder = builder.header("authorization", value);
        }
        let parts = builder.header("x-amz-date", date).body(()).unwrap().into_parts().0;
        if let Ok(Some(signed)) = read(&parts) {
            let _ = signed.check_time(midnight());
            prop_assert!(signed.check(&parts, SECRET, canonical::EMPTY).is_err());
        }
    }

    #[test]
    fn noise_in_chunks_never_falls(body in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
        let payload = Payload::Chunked { name: String::new(), signed: false, trailer: true };
        let _ = decoded(&body, piece, &payload, None);
    }
}
