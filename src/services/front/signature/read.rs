//! The signature in a head, as header or in the query, and a head without it.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::{Payload, Signed};
use crate::services::front::refusal::{Cause, Refused};

/// Longest life of a presigned URL: seven days.
const LONGEST: u64 = 604_800;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Parameters of a presigned URL.
const PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// The signature of a request; `None` where it has none.
///
/// # Errors
/// It has one that is none, with AWS's text.
pub fn read(parts: &Parts) -> Result<Option<Signed>, Refused> {
    check_host(parts)?;
    let query = Query(parts.uri.query().unwrap_or_default());
    let in_query = query.get("X-Amz-Algorithm").is_some() || query.get("X-Amz-Signature").is_some();
    let header = one(&parts.headers, AUTHORIZATION.as_str())?;
    match (header, in_query) {
        (None, false) if query.get("Signature").is_some() && query.get("AWSAccessKeyId").is_some() => {
            Err(Refused::new(
                Cause::OldSignature,
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            ))
        }
        (None, false) => Ok(None),
        (Some(_), true) => Err(Refused::new(
            Cause::Malformed,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        )),
        (Some(header), false) => of_header(parts, header).map(Some),
        (None, true) => of_query(parts, &query).map(Some),
    }
}

fn of_header(parts: &Parts, header: &str) -> Result<Signed, Refused> {
    let malformed =
        |what: &str| Refused::new(Cause::Malformed, format!("The authorization header is malformed; {what}"));
    let Some(fields) = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t'])) else {
        if header.starts_with("AWS ") || header.starts_with("AWS4-ECDSA") {
            let message =
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
            return Err(Refused::new(Cause::OldSignature, message));
        }
        return Err(Refused::new(Cause::Malformed, "Unsupported Authorization Type"));
    };
    let field = |name: &str| {
        let found = fields.split(',').filter_map(|field| field.trim().split_once('=')).find(|(key, _)| *key == name);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    };
    let need = |name: &str| {
        field(name).ok_or_else(|| malformed(&format!("the authorization component \"{name}\" is missing")))
    };
    let (access_key_id, scope) = credential(need("Credential")?).map_err(|what| malformed(&what))?;
    let date = match one(&parts.headers, "x-amz-date")? {
        Some(date) => date.to_owned(),
        None => of_http_date(one(&parts.headers, "date")?).ok_or_else(|| {
            Refused::new(Cause::MissingDate, "AWS authentication requires a valid Date or x-amz-date header")
        })?,
    };
    let signed = Signed {
        access_key_id,
        session_token: one(&parts.headers, "x-amz-security-token")?.map(str::to_owned),
        date,
        scope,
        headers: need("SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect(),
        signature: need("Signature")?.to_owned(),
        expires: None,
        payload: payload(one(&parts.headers, "x-amz-content-sha256")?)?,
    };
    check_headers(parts, &signed)?;
    Ok(signed)
}

fn of_query(parts: &Parts, query: &Query<'_>) -> Result<Signed, Refused> {
    let malformed = |message: String| Refused::new(Cause::MalformedQuery, message);
    let need = |name: &str| {
        query.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            malformed(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.".to_owned(),
            )
        })
    };
    if need("X-Amz-Algorithm")? != ALGORITHM {
        return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".to_owned()));
    }
    let (access_key_id, scope) = credential(&need("X-Amz-Credential")?).map_err(malformed)?;
    let seconds = need("X-Amz-Expires")?;
    let seconds = seconds.parse::<i64>().map_err(|_| malformed("X-Amz-Expires should be a number".to_owned()))?;
    let seconds = u64::try_from(seconds).map_err(|_| malformed("X-Amz-Expires must be non-negative".to_owned()))?;
    if seconds > LONGEST {
        return Err(malformed("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds".to_owned()));
    }
    let said = query.get("X-Amz-Content-Sha256");
    let said = said.as_deref().or(one(&parts.headers, "x-amz-content-sha256")?);
    let s3 = scope.split('/').nth(2) == Some("s3");
    let signed = Signed {
        access_key_id,
        session_token: query.get("X-Amz-Security-Token"),
        date: need("X-Amz-Date")?,
        scope,
        headers: need("X-Amz-SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect(),
        signature: need("X-Amz-Signature")?,
        expires: Some(Duration::from_secs(seconds)),
        payload: if said.is_none() && s3 { Payload::Unsigned } else { payload(said)? },
    };
    check_headers(parts, &signed)?;
    Ok(signed)
}

/// `KEY/YYYYMMDD/REGION/SERVICE/aws4_request`: the key, and the rest.
fn credential(text: &str) -> Result<(String, String), String> {
    let wrong =
        || "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".".to_owned();
    let (key, scope) = text.split_once('/').ok_or_else(wrong)?;
    let parts: Vec<&str> = scope.split('/').collect();
    let date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [day, region, service, "aws4_request"]
            if date(day) && !key.is_empty() && !region.is_empty() && !service.is_empty() =>
        {
            Ok((key.to_owned(), scope.to_owned()))
        }
        _ => Err(wrong()),
    }
}

fn payload(said: Option<&str>) -> Result<Payload, Refused> {
    let chunked = |name: &str, signed, trailer| Ok(Payload::Chunked { name: name.to_owned(), signed, trailer });
    match said {
        None => Ok(Payload::Implied),
        Some("UNSIGNED-PAYLOAD") => Ok(Payload::Unsigned),
        Some(name @ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") => chunked(name, true, false),
        Some(name @ "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") => chunked(name, true, true),
        Some(name @ "STREAMING-UNSIGNED-PAYLOAD-TRAILER") => chunked(name, false, true),
        Some(hash) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Payload::Hash(hash.to_ascii_lowercase()))
        }
        Some(other) => Err(Refused::new(
            Cause::BadPayload,
            format!(
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value, not {:.80}",
                other.escape_debug()
            ),
        )),
    }
}

/// A target that names a host names the one of the `Host` header: the one is what was called, the other what was signed.
fn check_host(parts: &Parts) -> Result<(), Refused> {
    let plain = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.strip_suffix(":80").or(name.strip_suffix(":443")).map(str::to_owned).unwrap_or(name)
    };
    let called = parts.uri.authority().map(|name| plain(name.as_str()));
    let named = parts.headers.get_all(HOST).iter().map(|name| name.to_str().map(plain).unwrap_or_default());
    let mut names: Vec<String> = called.into_iter().chain(named).collect();
    names.dedup();
    match names.len() {
        0 | 1 => Ok(()),
        _ => Err(Refused::new(Cause::BadRequest, "The request names more than one host")),
    }
}

/// `host` is signed, and every `x-amz-` header that came.
fn check_headers(parts: &Parts, signed: &Signed) -> Result<(), Refused> {
    let is_signed = |name: &str| signed.headers.iter().any(|other| other == name);
    if !is_signed("host") {
        return Err(Refused::new(
            Cause::HeadersNotSigned,
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    // Its hash is in the canonical request as it is.
    let free = |name: &str| name == "x-amz-content-sha256";
    let unsigned: Vec<&str> = parts
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-") && !is_signed(name) && !free(name))
        .collect();
    match unsigned.is_empty() {
        true => Ok(()),
        false => Err(Refused::new(
            Cause::HeadersNotSigned,
            format!("There were headers present in the request which were not signed: {}", unsigned.join(", ")),
        )),
    }
}

/// The value of a header that may come once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(|text| Some(text.trim()))
        .ok_or_else(|| Refused::new(Cause::Malformed, format!("the header {name} must come once, as text")))
}

/// `Tue, 27 Mar 2007 19:36:42 GMT` in the short form of signatures.
fn of_http_date(date: Option<&str>) -> Option<String> {
    use time::format_description::well_known::Rfc2822;
    use time::macros::format_description;
    let date = time::OffsetDateTime::parse(&date?.replace("GMT", "+0000"), &Rfc2822).ok()?;
    date.format(format_description!("[year][month][day]T[hour][minute][second]Z")).ok()
}

/// The parameters of a query.
struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, name: &str) -> Option<String> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.into_iter().find(|(key, _)| *key == name)?.1;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    }
}

/// What the head of a request that nobody signed says of its body.
///
/// # Errors
/// It says something else than AWS knows.
pub fn payload_of(parts: &Parts) -> Result<Payload, Refused> {
    match payload(one(&parts.headers, "x-amz-content-sha256")?)? {
        Payload::Chunked { signed: true, .. } => {
            Err(Refused::new(Cause::BadPayload, "A body with signed chunks needs a signed head"))
        }
        other => Ok(other),
    }
}

/// Takes the signature out of a head: what is left is the request that was signed, with the length of its decoded body.
///
/// # Errors
/// An `aws-chunked` body that does not say how long it is.
pub fn strip(parts: &mut Parts, payload: &Payload, presigned: bool) -> Result<(), Refused> {
    parts.headers.remove(AUTHORIZATION);
    parts.headers.remove("x-amz-security-token");
    parts.headers.remove("x-amz-content-sha256");
    parts.headers.remove("x-amz-date");
    if let Payload::Chunked { .. } = payload {
        let length = parts.headers.remove("x-amz-decoded-content-length");
        let length = length.filter(|length| length.to_str().is_ok_and(|text| text.parse::<u64>().is_ok()));
        let length = length.ok_or_else(|| {
            Refused::new(Cause::MissingLength, "You must provide the x-amz-decoded-content-length HTTP header.")
        })?;
        parts.headers.insert(CONTENT_LENGTH, length);
        // Its frames went with the connection.
        parts.headers.remove(TRANSFER_ENCODING);
        strip_encoding(&mut parts.headers);
    }
    if presigned {
        strip_query(parts);
    }
    Ok(())
}

/// `aws-chunked` goes, `gzip` and the like stay.
fn strip_encoding(headers: &mut HeaderMap) {
    let Some(encoding) = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()) else { return };
    let left: Vec<&str> =
        encoding.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "aws-chunked").collect();
    match HeaderValue::from_str(&left.join(",")) {
        Ok(left) if !left.is_empty() => drop(headers.insert(CONTENT_ENCODING, left)),
        _ => drop(headers.remove(CONTENT_ENCODING)),
    }
}

fn strip_query(parts: &mut Parts) {
    let query = parts.uri.query().unwrap_or_default();
    let is_ours = |pair: &&str| !PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
    let left: Vec<&str> = query.split('&').filter(is_ours).collect();
    let path = parts.uri.path();
    let target = if left.is_empty() { path.to_owned() } else { format!("{path}?{}", left.join("&")) };
    let mut uri = parts.uri.clone().into_parts();
    // A part of a target that was one is one.
    uri.path_and_query = target.parse().ok();
    if let Ok(uri) = http::Uri::from_parts(uri) {
        parts.uri = uri;
    }
}
