//! What a signature is about: the canonical request, and the key that signs it.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: AsciiSet = ENCODED.remove(b'/');

/// SHA-256 of nothing.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Names and values decoded, encoded by the one rule, and sorted; without the parameter `but`.
pub fn query(query: &str, but: Option<&str>) -> String {
    let encode = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        percent_encode(&bytes, &ENCODED).to_string()
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    let mut pairs: Vec<(String, String)> = parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .filter(|(name, _)| but != Some(*name))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The queries that clients sign for a query as it came: a plus that nobody encoded is itself to some, a space to others.
pub fn queries(text: &str, but: Option<&str>) -> Vec<String> {
    let mut found = vec![query(text, but)];
    if text.contains('+') {
        found.push(query(&text.replace('+', "%20"), but));
    }
    found
}

/// The paths that clients sign for a path as it came. S3 has it encoded once, by its own rule; every other service encodes
/// what was sent a second time, with dots resolved. Some clients leave characters as they sent them, and AWS takes that.
pub fn paths(s3: bool, path: &str) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    let encode = |bytes: &[u8]| percent_encode(bytes, &ENCODED_IN_PATH).to_string();
    let mut found = if s3 {
        vec![encode(&percent_decode_str(path).collect::<Vec<u8>>()), path.to_owned()]
    } else {
        vec![encode(normal(path).as_bytes()), encode(path.as_bytes()), path.to_owned()]
    };
    found.dedup();
    found
}

/// Without empty segments, `.` and `..` (RFC 3986 5.2.4, as AWS has it).
fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

/// Without spaces at the ends, and with one in place of several.
pub fn squeezed(value: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}

/// The key of a credential scope, `DATE/REGION/SERVICE/aws4_request`.
pub fn key(secret_access_key: &str, scope: &str) -> Vec<u8> {
    let secret = format!("AWS4{secret_access_key}");
    scope.split('/').fold(secret.into_bytes(), |key, part| hmac(&key, part.as_bytes()))
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    hmac.update(data);
    hmac.finalize().into_bytes().to_vec()
}

/// SHA-256 in hexadecimal.
pub fn digest(data: &[u8]) -> String {
    hexadecimal(&Sha256::digest(data))
}

/// Lower case.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are equal, in a time that tells nothing of where they differ.
pub fn equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}
