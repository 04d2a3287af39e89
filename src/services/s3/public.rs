//! Whether a bucket policy is public, by the rules of S3's Block Public Access.
//!
//! A policy is public when a statement allows everybody and no condition holds it to fixed, narrow values of one of the keys
//! that S3 names ("The meaning of public" in its user guide). Not judged: several statements that together are narrow.

use std::net::Ipv4Addr;

use serde_json::Value;

/// Keys that make a statement not public when they are held to fixed values.
const NARROW: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointarn",
];

/// Operators that hold a key to values; their negations and the tests of absence do not.
const HOLDING: [&str; 8] = [
    "arnequals",
    "arnlike",
    "ipaddress",
    "stringequals",
    "stringequalsignorecase",
    "stringlike",
    "foranyvalue:stringequals",
    "foranyvalue:stringlike",
];

/// Whether anybody at all may do something by it.
pub(super) fn is_public(policy: &Value) -> bool {
    each(&policy["Statement"]).any(|statement| {
        statement["Effect"] == "Allow" && is_for_everybody(statement) && !is_narrow(&statement["Condition"])
    })
}

/// One value or a list of them.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(values) => values.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
    .iter()
}

fn is_for_everybody(statement: &Value) -> bool {
    if !statement["NotPrincipal"].is_null() {
        return true;
    }
    let principal = &statement["Principal"];
    principal == "*" || each(&principal["AWS"]).any(|principal| principal == "*")
}

fn is_narrow(condition: &Value) -> bool {
    let Value::Object(operators) = condition else { return false };
    operators.iter().any(|(operator, keys)| {
        let Value::Object(keys) = keys else { return false };
        HOLDING.contains(&operator.to_ascii_lowercase().as_str())
            && keys.iter().any(|(key, values)| {
                let key = key.to_ascii_lowercase();
                NARROW.contains(&key.as_str()) && each(values).all(|value| is_fixed(&key, value))
            })
    })
}

/// A value that names few: no variable, no wildcard that stands for anything, no wide range of addresses.
fn is_fixed(key: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    if key == "aws:sourceip" {
        return is_narrow_range(text);
    }
    // In an ARN the account must be there; elsewhere a wildcard is not a fixed value.
    let arn_account =
        |text: &str| text.split(':').nth(4).is_some_and(|account| !account.is_empty() && !account.contains('*'));
    let wild = text.contains(['*', '?']);
    !text.contains("${") && (!wild || text.starts_with("arn:") && arn_account(text))
}

/// At most 2^24 addresses of IPv4, 2^96 of IPv6.
fn is_narrow_range(range: &str) -> bool {
    let (address, bits) = range.split_once('/').map_or((range, None), |(address, bits)| (address, bits.parse().ok()));
    if address.parse::<Ipv4Addr>().is_ok() { bits.unwrap_or(32u8) >= 8 } else { bits.unwrap_or(128u8) >= 32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(principal: Value, condition: Value) -> bool {
        is_public(&json!({ "Statement": [{
            "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            "Condition": condition,
        }]}))
    }

    #[test]
    fn who_everybody_is() {
        for (principal, public) in [
            (json!("*"), true),
            (json!({ "AWS": "*" }), true),
            (json!({ "AWS": ["111122223333", "*"] }), true),
            (json!({ "AWS": "arn:aws:iam::111122223333:root" }), false),
            (json!({ "Service": "logging.s3.amazonaws.com" }), false),
        ] {
            assert_eq!(with(principal.clone(), Value::Null), public, "{principal}");
        }
        let deny = json!({ "Statement": { "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*" } });
        assert!(!is_public(&deny));
    }

    #[test]
    fn fixed_values_make_it_narrow() {
        for (condition, public) in [
            (json!({ "StringEquals": { "aws:SourceVpce": "vpce-1" } }), false),
            (json!({ "StringEquals": { "AWS:sourcevpce": ["vpce-1", "vpce-2"] } }), false),
            (json!({ "StringLike": { "aws:SourceVpce": "*" } }), true),
            (json!({ "StringNotEquals": { "aws:SourceVpce": "vpce-1" } }), true),
            (json!({ "StringEqualsIfExists": { "aws:SourceVpce": "vpce-1" } }), true),
            (json!({ "StringEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } }), false),
            (json!({ "IpAddress": { "aws:SourceIp": "203.0.113.0/24" } }), false),
            (json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } }), true),
            (json!({ "IpAddress": { "aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/1"] } }), true),
            (json!({ "IpAddress": { "aws:SourceIp": "2001:db8::/32" } }), false),
            (json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::111122223333:role/*" } }), false),
            (json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/*" } }), true),
            (json!({ "StringLike": { "aws:userid": "${aws:userid}" } }), true),
            (json!({ "Bool": { "aws:SecureTransport": "true" } }), true),
        ] {
            assert_eq!(with(json!("*"), condition.clone()), public, "{condition}");
        }
    }
}
