//! CORS: preflight requests, and the headers with which browsers let a page see the answer.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use super::error::ErrorDocument;
use super::store::buckets::CorsRule;
use crate::services::front::{self, Body};

/// What S3's caches would have to look at.
const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// Answers an `OPTIONS` request; `rules` are the bucket's.
pub(super) fn preflight(headers: &HeaderMap, rules: &[CorsRule]) -> Response<Body> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "Insufficient information. Origin request header needed.",
        );
    };
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or("null");
    if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method) {
        let message = format!("Invalid Access-Control-Request-Method: {method}");
        return refusal(StatusCode::BAD_REQUEST, "BadRequest", &message);
    }
    if rules.is_empty() {
        return refusal(StatusCode::FORBIDDEN, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.");
    }
    let asked = text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let allows =
        |rule: &&CorsRule| asked.iter().all(|name| rule.allowed_headers.iter().any(|it| covers(it, name, true)));
    let Some((rule, pattern)) =
        rules.iter().filter(allows).find_map(|rule| Some((rule, matching(rule, origin, method)?)))
    else {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                       request method / Access-Control-Request-Method or Access-Control-Request-Headers are not \
                       whitelisted by the resource's CORS spec.";
        return refusal(StatusCode::FORBIDDEN, "AccessForbidden", message);
    };
    let mut answer = Response::new(front::full(""));
    allow(answer.headers_mut(), rule, pattern, origin);
    if !asked.is_empty() {
        set(answer.headers_mut(), header::ACCESS_CONTROL_ALLOW_HEADERS, &asked.join(", ").to_ascii_lowercase());
    }
    answer
}

/// Adds what lets a page of `origin` see the answer to its request, if a rule does.
pub(super) fn show(answer: &mut HeaderMap, rules: &[CorsRule], origin: &str, method: &Method) {
    let found = rules.iter().find_map(|rule| Some((rule, matching(rule, origin, method.as_str())?)));
    if let Some((rule, pattern)) = found {
        allow(answer, rule, pattern, origin);
    }
}

/// The origin pattern by which a rule allows it.
fn matching<'a>(rule: &'a CorsRule, origin: &str, method: &str) -> Option<&'a str> {
    let allowed = rule.allowed_methods.iter().any(|allowed| allowed == method);
    let pattern = rule.allowed_origins.iter().find(|pattern| covers(pattern, origin, false));
    pattern.filter(|_| allowed).map(String::as_str)
}

/// A pattern with at most one `*`; names of headers are the same in any case.
fn covers(pattern: &str, text: &str, any_case: bool) -> bool {
    let (pattern, text) = if any_case {
        (pattern.to_ascii_lowercase(), text.to_ascii_lowercase())
    } else {
        (pattern.to_owned(), text.to_owned())
    };
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn allow(answer: &mut HeaderMap, rule: &CorsRule, pattern: &str, origin: &str) {
    // Everybody is told so; of somebody in particular the browser may send credentials.
    if pattern == "*" {
        set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        set(answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    set(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if !rule.expose_headers.is_empty() {
        set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(answer, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(answer, header::VARY, VARY);
}

/// What a rule or a request says is a header's value, or it is not said.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    ErrorDocument::saying(code, message).answer(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_one_star() {
        for (pattern, text, any_case, covered) in [
            ("*", "https://a.example", false, true),
            ("https://*.example", "https://a.example", false, true),
            ("https://*.example", "https://.example", false, true),
            ("https://*.example", "https://example", false, false),
            ("https://a.example", "https://A.example", false, false),
            ("x-amz-*", "X-Amz-Meta-A", true, true),
            ("Content-Type", "content-type", true, true),
            ("ab*ba", "aba", false, false),
        ] {
            assert_eq!(covers(pattern, text, any_case), covered, "{pattern} {text}");
        }
    }
}
