//! Condition operators. A row: operator, the document's values as JSON, the request's values, whether it holds.
//!
//! The request's values: `-` the key is absent, `()` it is there without a value, else values parted by `|`.

use super::*;

type Row = (&'static str, &'static str, &'static str, bool);

fn given(text: &str) -> Option<Vec<String>> {
    match text {
        "-" => None,
        "()" => Some(Vec::new()),
        values => Some(values.split('|').map(str::to_owned).collect()),
    }
}

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (operator, wanted, has, expected) in rows {
        let wanted: Value = serde_json::from_str(wanted).expect("JSON");
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {*operator: {"Test:Key": wanted}}});
        let mut asked = request(user());
        asked.context.set("aws:PrincipalTag/team", "blue");
        if let Some(values) = given(has) {
            asked.context.set_all("test:key", values);
        }
        let holds = Set::default().with(policy(Kind::Identity, &statement)).decide(&asked).effect == Effect::Allowed;
        if holds != *expected {
            wrong.push(format!("{operator} {wanted} on {has}: {holds}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn texts() {
    check(&[
        ("StringEquals", r#""a""#, "a", true),
        ("StringEquals", r#""a""#, "A", false),
        ("StringEquals", r#""a""#, "b", false),
        ("StringEquals", r#"["a", "b"]"#, "b", true),
        ("StringEquals", r#""a*""#, "ab", false),
        ("StringEquals", r#""a*""#, "a*", true),
        ("StringEquals", r#""a""#, "-", false),
        ("StringEquals", r#""a""#, "()", false),
        ("StringEquals", r#""""#, "", true),
        ("stringequals", r#""a""#, "a", true),
        ("StringEquals", "true", "true", true),
        ("StringEquals", "7", "7", true),
        ("StringNotEquals", r#""a""#, "a", false),
        ("StringNotEquals", r#""a""#, "b", true),
        ("StringNotEquals", r#"["a", "b"]"#, "b", false),
        ("StringNotEquals", r#"["a", "b"]"#, "c", true),
        ("StringNotEquals", r#""a""#, "-", true),
        ("StringNotEquals", r#""a""#, "()", true),
        ("StringEqualsIgnoreCase", r#""Ab""#, "aB", true),
        ("StringEqualsIgnoreCase", r#""Ab""#, "abc", false),
        ("StringEqualsIgnoreCase", r#""Éa""#, "éA", true),
        ("StringNotEqualsIgnoreCase", r#""Ab""#, "aB", false),
        ("StringNotEqualsIgnoreCase", r#""Ab""#, "x", true),
        ("StringNotEqualsIgnoreCase", r#""Ab""#, "-", true),
        ("StringLike", r#""a*""#, "abc", true),
        ("StringLike", r#""a*""#, "ABC", false),
        ("StringLike", r#""a?""#, "ab", true),
        ("StringLike", r#""a?""#, "a", false),
        ("StringLike", r#"["x", "*c"]"#, "abc", true),
        ("StringLike", r#""*""#, "-", false),
        ("StringLike", r#""*""#, "", true),
        ("StringLike", r#""?*""#, "", false),
        ("StringNotLike", r#""a*""#, "abc", false),
        ("StringNotLike", r#""a*""#, "b", true),
        ("StringNotLike", r#"["a*", "b*"]"#, "bc", false),
        ("StringNotLike", r#""a*""#, "-", true),
        ("StringLike", r#""a${*}""#, "ab", false),
        ("StringLike", r#""a${*}""#, "a*", true),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("StringEquals", r#""${aws:username}""#, "ann", true),
        ("StringEquals", r#""${aws:username}""#, "bob", false),
        ("StringEquals", r#""${aws:PrincipalTag/team}""#, "blue", true),
        ("StringEquals", r#""${aws:PrincipalTag/none}""#, "blue", false),
        ("StringEquals", r#"["${aws:PrincipalTag/none}", "blue"]"#, "blue", true),
        ("StringEquals", r#""${aws:PrincipalTag/none, 'blue'}""#, "blue", true),
        // A variable without a value equals nothing: negated operators hold.
        ("StringNotEquals", r#""${aws:PrincipalTag/none}""#, "blue", true),
        ("StringNotEquals", r#""${aws:PrincipalTag/team}""#, "blue", false),
        ("StringNotLike", r#""${aws:PrincipalTag/none}*""#, "blue", true),
        ("StringLike", r#""home/${aws:username}/*""#, "home/ann/x", true),
        ("StringLike", r#""home/${aws:username}/*""#, "home/bob/x", false),
        ("StringEqualsIgnoreCase", r#""${aws:username}""#, "ANN", true),
        ("ArnLike", r#""arn:aws:iam::*:user/*/${aws:username}""#, "arn:aws:iam::111122223333:user/team/ann", true),
        ("ArnLike", r#""arn:aws:iam::*:user/*/${aws:username}""#, "arn:aws:iam::111122223333:user/team/bob", false),
        ("Bool", r#""${aws:PrincipalTag/none, 'true'}""#, "true", true),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("NumericEquals", r#""10""#, "10", true),
        ("NumericEquals", "10", "10.0", true),
        ("NumericEquals", "10", "11", false),
        ("NumericEquals", "[1, 2]", "2", true),
        ("NumericEquals", "1", "one", false),
        ("NumericEquals", "1", "-", false),
        ("NumericNotEquals", "1", "2", true),
        ("NumericNotEquals", "1", "1", false),
        ("NumericNotEquals", "[1, 2]", "2", false),
        ("NumericNotEquals", "1", "-", true),
        ("NumericLessThan", "10", "9", true),
        ("NumericLessThan", "10", "10", false),
        ("NumericLessThanEquals", "10", "10", true),
        ("NumericLessThanEquals", "10", "10.5", false),
        ("NumericGreaterThan", "10", "11", true),
        ("NumericGreaterThan", "10", "10", false),
        ("NumericGreaterThan", "-1", "0", true),
        ("NumericGreaterThanEquals", "10", "10", true),
        ("NumericGreaterThanEquals", "10", "9", false),
        ("NumericLessThan", "10", "-", false),
        ("NumericLessThanIfExists", "10", "-", true),
        ("NumericLessThanIfExists", "10", "12", false),
    ]);
}

#[test]
fn dates() {
    check(&[
        ("DateEquals", r#""2026-11-25T00:00:00Z""#, "2026-11-25T00:00:00Z", true),
        ("DateEquals", r#""2026-11-25""#, "2026-11-25T00:00:00Z", true),
        ("DateEquals", r#""2026-11""#, "2026-11-01", true),
        ("DateEquals", r#""2026""#, "2026-01-01", true),
        ("DateEquals", r#""2026-11-25T02:00:00+02:00""#, "2026-11-25T00:00:00Z", true),
        ("DateEquals", r#""2026-11-25T00:00Z""#, "2026-11-25T00:00:00Z", true),
        ("DateEquals", r#""2026-11-25T00:00:00.5Z""#, "2026-11-25T00:00:00Z", false),
        ("DateEquals", "1795564800", "2026-11-25T00:00:00Z", true),
        ("DateEquals", r#""1795564800""#, "1795564800", true),
        ("DateNotEquals", r#""2026-11-25""#, "2026-11-25T00:00:01Z", true),
        ("DateNotEquals", r#""2026-11-25""#, "2026-11-25", false),
        ("DateNotEquals", r#""2026-11-25""#, "-", true),
        ("DateLessThan", r#""2026-11-25""#, "2026-11-24T23:59:59Z", true),
        ("DateLessThan", r#""2026-11-25""#, "2026-11-25", false),
        ("DateLessThanEquals", r#""2026-11-25""#, "2026-11-25", true),
        ("DateGreaterThan", r#""2026-11-25""#, "2026-11-25T00:00:01Z", true),
        ("DateGreaterThan", r#""2026-11-25""#, "-", false),
        ("DateGreaterThanEquals", r#""2026-11-25""#, "2026-11-25", true),
        ("DateGreaterThanEquals", r#""2026-11-25""#, "yesterday", false),
    ]);
}

#[test]
fn truths_and_bytes() {
    check(&[
        ("Bool", r#""true""#, "true", true),
        ("Bool", "true", "true", true),
        ("Bool", r#""True""#, "true", true),
        ("Bool", r#""true""#, "TRUE", true),
        ("Bool", r#""false""#, "false", true),
        ("Bool", r#""false""#, "true", false),
        ("Bool", r#""false""#, "-", false),
        ("Bool", r#""true""#, "yes", false),
        ("BoolIfExists", r#""true""#, "-", true),
        ("BoolIfExists", r#""true""#, "false", false),
        ("BinaryEquals", r#""QmluYXJ5""#, "QmluYXJ5", true),
        ("BinaryEquals", r#""QmluYXJ5""#, "QmluYXJ6", false),
        ("BinaryEquals", r#""QmluYXJ5""#, "-", false),
        ("Null", r#""true""#, "-", true),
        ("Null", r#""true""#, "x", false),
        ("Null", r#""true""#, "()", true),
        ("Null", r#""true""#, "", true),
        ("Null", r#""false""#, "", false),
        ("Null", r#""false""#, "-", false),
        ("Null", r#""false""#, "x", true),
        ("Null", "false", "x", true),
        ("Null", r#"["true", "false"]"#, "x", true),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("IpAddress", r#""203.0.113.0/24""#, "203.0.113.7", true),
        ("IpAddress", r#""203.0.113.0/24""#, "203.0.114.7", false),
        ("IpAddress", r#""203.0.113.7""#, "203.0.113.7", true),
        ("IpAddress", r#""203.0.113.7/24""#, "203.0.113.9", true),
        ("IpAddress", r#"["10.0.0.0/8", "203.0.113.0/24"]"#, "203.0.113.7", true),
        ("IpAddress", r#""0.0.0.0/0""#, "203.0.113.7", true),
        ("IpAddress", r#""0.0.0.0/0""#, "2001:db8::1", false),
        ("IpAddress", r#""::/0""#, "203.0.113.7", false),
        ("IpAddress", r#""2001:db8::/32""#, "2001:db8:1::1", true),
        ("IpAddress", r#""2001:db8::/32""#, "2001:db9::1", false),
        ("IpAddress", r#""2001:DB8::1""#, "2001:db8:0:0:0:0:0:1", true),
        ("IpAddress", r#""203.0.113.0/24""#, "::ffff:203.0.113.7", true),
        ("IpAddress", r#""203.0.113.0/24""#, "-", false),
        ("IpAddress", r#""203.0.113.0/24""#, "nowhere", false),
        ("NotIpAddress", r#""203.0.113.0/24""#, "203.0.113.7", false),
        ("NotIpAddress", r#""203.0.113.0/24""#, "198.51.100.7", true),
        ("NotIpAddress", r#"["203.0.113.0/24", "198.51.100.0/24"]"#, "198.51.100.7", false),
        // aws:SourceIp is absent through an endpoint: a Deny with NotIpAddress hits every request there.
        ("NotIpAddress", r#""203.0.113.0/24""#, "-", true),
        ("NotIpAddressIfExists", r#""203.0.113.0/24""#, "-", true),
        ("IpAddressIfExists", r#""203.0.113.0/24""#, "-", true),
    ]);
}

#[test]
fn arns() {
    const ROLE: &str = "arn:aws:iam::111122223333:role/app/Worker";
    check(&[
        ("ArnEquals", r#""arn:aws:iam::111122223333:role/app/Worker""#, ROLE, true),
        ("ArnEquals", r#""arn:aws:iam::111122223333:role/*""#, ROLE, true),
        ("ArnLike", r#""arn:aws:iam::*:role/app/W?rker""#, ROLE, true),
        ("ArnLike", r#""arn:aws:iam::444455556666:role/*""#, ROLE, false),
        ("ArnLike", r#""arn:aws:iam:*:role/*""#, ROLE, false),
        ("ArnLike", r#""arn:*""#, ROLE, false),
        ("ArnLike", r#""*""#, ROLE, true),
        ("ArnLike", r#""arn:*:*:*:*:*""#, ROLE, true),
        ("ArnLike", r#""arn:aws:sns:*:*:t:*""#, "arn:aws:sns:r:111122223333:t:a:b", true),
        ("ArnLike", r#""arn:aws:iam::*:role/*""#, "Worker", false),
        ("ArnLike", r#""arn:aws:iam::*:role/*""#, "-", false),
        ("ArnNotLike", r#""arn:aws:iam::*:role/*""#, ROLE, false),
        ("ArnNotLike", r#""arn:aws:iam::*:user/*""#, ROLE, true),
        ("ArnNotEquals", r#""arn:aws:iam::*:role/app/*""#, ROLE, false),
        ("ArnNotEquals", r#"["arn:aws:iam::*:user/*", "arn:aws:iam::*:role/*"]"#, ROLE, false),
        ("ArnNotEquals", r#""arn:aws:iam::*:role/*""#, "-", true),
        ("ArnLikeIfExists", r#""arn:aws:iam::*:role/*""#, "-", true),
    ]);
}

#[test]
fn sets() {
    check(&[
        ("ForAllValues:StringEquals", r#"["a", "b"]"#, "a|b", true),
        ("ForAllValues:StringEquals", r#"["a", "b"]"#, "a", true),
        ("ForAllValues:StringEquals", r#"["a", "b"]"#, "a|c", false),
        ("ForAllValues:StringEquals", r#""a""#, "-", true),
        ("ForAllValues:StringEquals", r#""a""#, "()", true),
        ("ForAllValues:StringEquals", r#""a""#, "", true),
        ("forallvalues:stringequals", r#""a""#, "b", false),
        ("ForAllValues:StringLike", r#""a*""#, "ab|ac", true),
        ("ForAllValues:StringLike", r#""a*""#, "ab|b", false),
        ("ForAllValues:StringNotEquals", r#"["a", "b"]"#, "c|d", true),
        ("ForAllValues:StringNotEquals", r#"["a", "b"]"#, "c|a", false),
        ("ForAllValues:StringNotEquals", r#""a""#, "-", true),
        ("ForAllValues:StringEqualsIfExists", r#""a""#, "-", true),
        ("ForAllValues:StringEqualsIfExists", r#""a""#, "b", false),
        ("ForAllValues:ArnLike", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/1|arn:aws:s3:::b/2", true),
        ("ForAllValues:Bool", r#""true""#, "true|true", true),
        ("ForAnyValue:StringEquals", r#"["a", "b"]"#, "b|c", true),
        ("ForAnyValue:StringEquals", r#"["a", "b"]"#, "c|d", false),
        ("ForAnyValue:StringEquals", r#""a""#, "-", false),
        ("ForAnyValue:StringEquals", r#""a""#, "()", false),
        ("ForAnyValue:StringEquals", r#""""#, "", false),
        ("ForAnyValue:StringEqualsIfExists", r#""a""#, "-", true),
        ("ForAnyValue:StringNotEquals", r#""a""#, "a|b", true),
        ("ForAnyValue:StringNotEquals", r#""a""#, "a", false),
        ("ForAnyValue:StringNotEquals", r#"["a", "b"]"#, "a|b", false),
        ("ForAnyValue:StringNotEquals", r#""a""#, "-", false),
        ("ForAnyValue:StringLike", r#""o-x/r-y/*""#, "o-x/r-y/ou-z/|o-q/", true),
        ("ForAnyValue:NumericGreaterThan", "5", "1|9", true),
        ("ForAnyValue:IpAddress", r#""10.0.0.0/8""#, "192.0.2.1|10.1.1.1", true),
        // Several values want a set operator.
        ("StringEquals", r#"["a", "b"]"#, "a|b", false),
        ("StringNotEquals", r#""c""#, "a|b", false),
        ("StringEqualsIfExists", r#""a""#, "a|b", false),
    ]);
}

#[test]
fn if_exists() {
    check(&[
        ("StringEqualsIfExists", r#""a""#, "-", true),
        ("StringEqualsIfExists", r#""a""#, "()", true),
        ("StringEqualsIfExists", r#""a""#, "a", true),
        ("StringEqualsIfExists", r#""a""#, "b", false),
        ("StringNotEqualsIfExists", r#""a""#, "-", true),
        ("StringNotEqualsIfExists", r#""a""#, "a", false),
        ("StringLikeIfExists", r#""a*""#, "-", true),
        ("StringLikeIfExists", r#""a*""#, "b", false),
        ("stringlikeifexists", r#""a*""#, "ab", true),
    ]);
}

#[test]
fn all_keys_and_operators_must_hold() {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
        "StringEquals": {"aws:SourceVpce": "vpce-1", "aws:RequestedRegion": ["eu-west-1", "us-east-1"]},
        "Bool": {"aws:SecureTransport": "true"}}});
    let set = Set::default().with(policy(Kind::Identity, &statement));
    let rows = [
        ("vpce-1", "us-east-1", "true", true),
        ("vpce-2", "us-east-1", "true", false),
        ("vpce-1", "us-west-1", "true", false),
        ("vpce-1", "us-east-1", "false", false),
    ];
    for (endpoint, region, secure, expected) in rows {
        let mut asked = request(user());
        asked.context.set("aws:sourcevpce", endpoint);
        asked.context.set("AWS:RequestedRegion", region);
        asked.context.set("aws:SecureTransport", secure);
        assert_eq!(set.decide(&asked).effect == Effect::Allowed, expected, "{endpoint} {region} {secure}");
    }
}

/// Keys that follow from who asks need not be given, and given ones win.
#[test]
fn implied_keys() {
    let rows: &[(Principal, &str, Option<&str>)] = &[
        (user(), "aws:PrincipalArn", Some("arn:aws:iam::111122223333:user/team/ann")),
        (session(), "aws:PrincipalArn", Some("arn:aws:iam::111122223333:role/app/Worker")),
        (root(), "aws:PrincipalArn", Some("arn:aws:iam::111122223333:root")),
        (Principal::Anonymous, "aws:PrincipalArn", None),
        (user(), "aws:PrincipalAccount", Some(OWN)),
        (Principal::Anonymous, "aws:PrincipalAccount", None),
        (user(), "aws:PrincipalType", Some("User")),
        (session(), "aws:PrincipalType", Some("AssumedRole")),
        (root(), "aws:PrincipalType", Some("Account")),
        (Principal::Anonymous, "aws:PrincipalType", Some("Anonymous")),
        (service(), "aws:PrincipalType", None),
        (user(), "aws:userid", Some("AIDAEXAMPLEEXAMPLE12")),
        (session(), "aws:userid", Some("AROAEXAMPLEEXAMPLE12:i-0abc")),
        (root(), "aws:userid", Some(OWN)),
        (Principal::Anonymous, "aws:userid", Some("anonymous")),
        (user(), "aws:username", Some("ann")),
        (session(), "aws:username", None),
        (user(), "aws:ResourceAccount", Some(OWN)),
        (user(), "aws:PrincipalIsAWSService", Some("false")),
        (service(), "aws:PrincipalIsAWSService", Some("true")),
        (service(), "aws:PrincipalServiceName", Some("ec2.amazonaws.com")),
    ];
    for (principal, key, expected) in rows {
        let mut asked = request(principal.clone());
        let value = |asked: &Request| crate::policy::facts::Facts::of(asked).single(&key.to_ascii_lowercase());
        assert_eq!(value(&asked).as_deref(), *expected, "{key} of {principal:?}");
        asked.context.set(key, "given");
        assert_eq!(value(&asked).as_deref(), Some("given"));
    }
}
