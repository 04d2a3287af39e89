//! What S3 reads more kindly than s3s: a header that it would ignore is taken away, one that it would understand is written
//! as s3s wants it.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use s3s::dto::{Range, Timestamp, TimestampFormat};

use super::operations::Expires;

/// Conditions on an ETag, which S3 takes with and without quotes.
const ETAGS: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-amz-copy-source-if-match"),
    HeaderName::from_static("x-amz-copy-source-if-none-match"),
];
/// Conditions on a date; what is none counts for nothing (RFC 9110 13.1.3).
const DATES: [HeaderName; 4] = [
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    HeaderName::from_static("x-amz-copy-source-if-modified-since"),
    HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
];

/// Prepares a request for s3s.
pub(super) fn prepare<B>(request: &mut Request<B>) {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers_mut();
    // Several ranges, or none that can be read, are answered with the whole.
    if text(headers, &header::RANGE).is_some_and(|range| Range::parse(range).is_err()) {
        headers.remove(header::RANGE);
    }
    for name in ETAGS {
        let quoted =
            text(headers, &name).filter(|etag| !etag.contains('"') && *etag != "*").map(|it| format!("\"{it}\""));
        if let Some(quoted) = quoted.and_then(|quoted| HeaderValue::from_str(&quoted).ok()) {
            headers.insert(name, quoted);
        }
    }
    for name in DATES {
        let is_date = |date: &str| Timestamp::parse(TimestampFormat::HttpDate, date).is_ok();
        if text(headers, &name).is_some_and(|date| !is_date(date)) {
            headers.remove(name);
        }
    }
    // S3 gives `Expires` back as it was, s3s wants a date.
    if !reads && let Some(expires) = headers.remove(header::EXPIRES) {
        let expires = expires.to_str().unwrap_or_default().to_owned();
        request.extensions_mut().insert(Expires(expires));
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_become_what_s3s_reads() {
        for (name, before, after) in [
            ("range", "bytes=0-4", Some("bytes=0-4")),
            ("range", "bytes=-4", Some("bytes=-4")),
            ("range", "bytes=0-1,3-4", None),
            ("range", "bytes=4-0", None),
            ("range", "lines=1-2", None),
            ("if-match", "abc", Some("\"abc\"")),
            ("if-match", "\"abc\"", Some("\"abc\"")),
            ("if-none-match", "*", Some("*")),
            ("if-modified-since", "yesterday", None),
            ("if-modified-since", "Wed, 01 Jan 2020 00:00:00 GMT", Some("Wed, 01 Jan 2020 00:00:00 GMT")),
        ] {
            let mut request = Request::builder().header(name, before).body(()).unwrap();
            prepare(&mut request);
            let found = request.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(found, after, "{name}: {before}");
        }
        let mut request = Request::put("/b/k").header("expires", "never").body(()).unwrap();
        prepare(&mut request);
        assert_eq!(request.extensions().get::<Expires>().unwrap().0, "never");
        assert!(request.headers().is_empty());
    }
}
