//! Which headers pass: all but those of one connection (RFC 9110 section 7.6.1) and those that we write anew.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Headers of one connection, beside those that its `Connection` names.
const OF_A_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The client's name for us, its proof for our door, and what that door answered already.
const OF_OUR_DOOR: [HeaderName; 6] = [
    HOST,
    AUTHORIZATION,
    EXPECT,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-content-sha256"),
];

/// Leaves of a request's headers what goes to the backend.
pub(super) fn of_request(headers: &mut HeaderMap) {
    of_answer(headers);
    for name in &OF_OUR_DOOR {
        headers.remove(name);
    }
    headers.remove("x-amz-decoded-content-length");
    // A checksum behind the body was the door's to check. Whoever is told of an algorithm waits for a value.
    if headers.remove("x-amz-trailer").is_some() {
        headers.remove("x-amz-sdk-checksum-algorithm");
    }
}

/// Leaves of an answer's headers what goes to the client.
pub(super) fn of_answer(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // What policies decided by is no header of a connection, whoever says so.
        .filter(|name: &HeaderName| !name.as_str().starts_with("x-amz-") && *name != CONTENT_TYPE)
        .collect();
    for name in named.iter().chain(&OF_A_CONNECTION) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> HeaderMap {
        let lines = text.lines().filter_map(|line| line.trim().split_once(": "));
        lines.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let mut headers = map("connection: close, X-Private, X-Amz-Target, Content-Type
            keep-alive: timeout=5
            transfer-encoding: chunked
            te: trailers
            x-private: 1
            etag: \"a\"
            content-type: text/plain
            x-amz-target: A.B
            x-amz-meta-a: b");
        of_answer(&mut headers);
        // By these policies decided.
        assert_eq!(names(&headers), ["content-type", "etag", "x-amz-meta-a", "x-amz-target"]);
    }

    #[test]
    fn the_door_keeps_what_was_for_it() {
        let mut headers = map("host: b.s3.us-east-1.amazonaws.com
            expect: 100-continue
            authorization: AWS4-HMAC-SHA256 …
            x-amz-date: 20261125T070000Z
            x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER
            x-amz-security-token: t
            x-amz-decoded-content-length: 5
            x-amz-trailer: x-amz-checksum-crc32
            x-amz-sdk-checksum-algorithm: CRC32
            content-length: 5
            x-amz-meta-a: b
            x-amz-target: A.B");
        of_request(&mut headers);
        assert_eq!(names(&headers), ["content-length", "x-amz-meta-a", "x-amz-target"]);
        // With its value in a header, the checksum goes on.
        let mut headers = map("x-amz-sdk-checksum-algorithm: CRC32
            x-amz-checksum-crc32: AAAAAA==");
        of_request(&mut headers);
        assert_eq!(headers.len(), 2);
    }
}
