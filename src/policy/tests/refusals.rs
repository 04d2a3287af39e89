//! What is no policy, and what is said about it.

use super::*;

/// Kind, member that is changed, its value as JSON (`-` takes it away), a part of the message, the path.
type Row = (Kind, &'static str, &'static str, &'static str, &'static str);

const IDENTITY: Kind = Kind::Identity;
const RESOURCE: Kind = Kind::Resource;
const ENDPOINT: Kind = Kind::Endpoint;
const TRUST: Kind = Kind::Trust;

/// A good statement of a kind.
fn good(kind: Kind) -> Value {
    match kind {
        Kind::Identity | Kind::Boundary | Kind::Session => {
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
        }
        Kind::Resource | Kind::Endpoint => {
            json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"})
        }
        Kind::Trust => {
            json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
        }
    }
}

fn change(mut value: Value, member: &str, new: &str) -> Value {
    let members = value.as_object_mut().expect("an object");
    match new {
        "-" => {
            members.shift_remove(member);
        }
        new => {
            members.insert(member.to_owned(), serde_json::from_str(new).expect("JSON"));
        }
    }
    value
}

#[test]
fn statements_that_are_none() {
    let rows: &[Row] = &[
        (IDENTITY, "Effect", "-", "Missing required field Effect", ""),
        (IDENTITY, "Effect", r#""allow""#, "Invalid effect: allow", "Effect"),
        (IDENTITY, "Effect", "true", "Invalid effect", "Effect"),
        (IDENTITY, "Effekt", r#""Allow""#, "Unknown field Effekt; did you mean Effect?", "Effekt"),
        (IDENTITY, "Conditions", "{}", "did you mean Condition?", "Conditions"),
        (IDENTITY, "action", r#""*""#, "did you mean Action?", "action"),
        (IDENTITY, "Comment", r#""x""#, "Unknown field Comment", "Comment"),
        (IDENTITY, "Sid", "1", "A Sid is a string", "Sid"),
        (IDENTITY, "Sid", r#""no spaces""#, "[0-9A-Za-z]*", "Sid"),
        (IDENTITY, "Principal", r#""*""#, "Policy document should not specify a principal.", "Principal"),
        (IDENTITY, "NotPrincipal", r#""*""#, "Policy document should not specify a principal.", "NotPrincipal"),
        (Kind::Boundary, "Principal", r#""*""#, "should not specify a principal", "Principal"),
        (Kind::Session, "Principal", r#""*""#, "should not specify a principal", "Principal"),
        (IDENTITY, "Action", "-", "Policy statement must contain actions.", ""),
        (RESOURCE, "Action", "-", "Missing required field Action", ""),
        (IDENTITY, "Action", "[]", "Action is an empty list", "Action"),
        (IDENTITY, "Action", "7", "Action is neither a string nor a list", "Action"),
        (IDENTITY, "Action", r#"["s3:*", 7]"#, "not a string", "Action[1]"),
        (IDENTITY, "Action", r#""GetObject""#, "must be prefaced by a vendor", "Action"),
        (IDENTITY, "Action", r#""""#, "must be prefaced by a vendor", "Action"),
        (IDENTITY, "Action", r#"["s3:GetObject", ":Get"]"#, "Vendor  is not valid", "Action[1]"),
        (IDENTITY, "Action", r#""s 3:Get""#, "Vendor s 3 is not valid", "Action"),
        (IDENTITY, "Action", r#""s3*:Get""#, "Vendor s3* is not valid", "Action"),
        (IDENTITY, "Action", r#""s3:""#, "Policy has invalid action", "Action"),
        (IDENTITY, "Action", r#""s3:Get Object""#, "Policy has invalid action", "Action"),
        (IDENTITY, "NotAction", r#""s3:*""#, "Action and NotAction exclude each other", "NotAction"),
        (IDENTITY, "Resource", "-", "Policy statement must contain resources.", ""),
        (RESOURCE, "Resource", "-", "Missing required field Resource", ""),
        (ENDPOINT, "Resource", "-", "Missing required field Resource", ""),
        (IDENTITY, "Resource", "[]", "Resource is an empty list", "Resource"),
        (IDENTITY, "Resource", r#""b/k""#, r#"Resource b/k must be in ARN format or "*"."#, "Resource"),
        (RESOURCE, "Resource", r#""b/k""#, "Policy has invalid resource", "Resource"),
        (ENDPOINT, "Resource", r#"["*", "arn"]"#, "Policy has invalid resource", "Resource[1]"),
        (IDENTITY, "Resource", r#""arn:aws2:s3:::b""#, r#"Partition "aws2" is not valid"#, "Resource"),
        (IDENTITY, "NotResource", r#""*""#, "Resource and NotResource exclude each other", "NotResource"),
        (TRUST, "Resource", r#""*""#, "Has prohibited field Resource", "Resource"),
        (TRUST, "NotResource", r#""*""#, "Has prohibited field NotResource", "NotResource"),
        (TRUST, "Action", r#""s3:GetObject""#, "may only specify STS AssumeRole actions", "Action"),
        (TRUST, "Action", r#""*""#, "may only specify STS AssumeRole actions", "Action"),
        (TRUST, "Principal", "-", "Missing required field Principal", ""),
        (RESOURCE, "Principal", "-", "Missing required field Principal", ""),
        (ENDPOINT, "Principal", "-", "Missing required field Principal", ""),
        (RESOURCE, "Principal", r#""111122223333""#, "Invalid principal in policy", "Principal"),
        (RESOURCE, "Principal", r#"["*"]"#, "Invalid principal in policy", "Principal"),
        (RESOURCE, "Principal", "{}", "Invalid principal in policy", "Principal"),
        (RESOURCE, "Principal", r#"{"aws": "*"}"#, "did you mean AWS?", "Principal.aws"),
        (RESOURCE, "Principal", r#"{"AWS": []}"#, "is an empty list", "Principal.AWS"),
        (RESOURCE, "Principal", r#"{"AWS": "11112222333"}"#, "Invalid principal in policy", "Principal.AWS"),
        (RESOURCE, "Principal", r#"{"AWS": "ann"}"#, "Invalid principal in policy", "Principal.AWS"),
        (
            RESOURCE,
            "Principal",
            r#"{"AWS": ["*", "arn:aws:iam::111122223333:user/*"]}"#,
            r#"Invalid principal in policy: AWS: "arn:aws:iam::111122223333:user/*""#,
            "Principal.AWS[1]",
        ),
        (
            RESOURCE,
            "Principal",
            r#"{"AWS": "arn:aws:iam::111122223333:group/g"}"#,
            "Invalid principal",
            "Principal.AWS",
        ),
        (RESOURCE, "Principal", r#"{"AWS": "arn:aws:iam::1111:root"}"#, "Invalid principal", "Principal.AWS"),
        (RESOURCE, "Principal", r#"{"AWS": "arn:aws:iam::111122223333:user/"}"#, "Invalid principal", "Principal.AWS"),
        (RESOURCE, "Principal", r#"{"AWS": "arn:aws:s3:::b"}"#, "Invalid principal", "Principal.AWS"),
        (
            RESOURCE,
            "Principal",
            r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/Worker"}"#,
            "Invalid principal",
            "Principal.AWS",
        ),
        (RESOURCE, "Principal", r#"{"Service": "ec2"}"#, "Invalid principal in policy", "Principal.Service"),
        (RESOURCE, "Principal", r#"{"Service": "*"}"#, "Invalid principal in policy", "Principal.Service"),
        (RESOURCE, "NotPrincipal", r#"{"AWS": "111122223333"}"#, "exclude each other", "NotPrincipal"),
        (IDENTITY, "Condition", "[]", "Condition is not an object", "Condition"),
        (
            IDENTITY,
            "Condition",
            r#"{"StringEquals": "x"}"#,
            "not an object of condition keys",
            "Condition.StringEquals",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"StringEqual": {"aws:SourceVpce": "x"}}"#,
            "Invalid Condition type : StringEqual; did you mean StringEquals?",
            "Condition.StringEqual",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"ForAnyValue:StringLikes": {"aws:TagKeys": "x"}}"#,
            "did you mean ForAnyValue:StringLike?",
            "Condition.ForAnyValue:StringLikes",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"IPAddresIfExists": {"aws:SourceIp": "x"}}"#,
            "did you mean IpAddressIfExists?",
            "Condition.IPAddresIfExists",
        ),
        (IDENTITY, "Condition", r#"{"NullIfExists": {"a:b": "true"}}"#, "did you mean Null?", "Condition.NullIfExists"),
        (
            IDENTITY,
            "Condition",
            r#"{"Matches": {"a:b": "x"}}"#,
            "Invalid Condition type : Matches",
            "Condition.Matches",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"ForSomeValues:StringEquals": {"a:b": "x"}}"#,
            "Invalid Condition type",
            "Condition.ForSomeValues:StringEquals",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"StringEquals": {"SourceVpce": "x"}}"#,
            "Policy has an invalid condition key",
            "Condition.StringEquals.SourceVpce",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"StringEquals": {"aws:SourceVpce": []}}"#,
            "empty list of values",
            "Condition.StringEquals.aws:SourceVpce",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"StringEquals": {"aws:SourceVpce": ["x", null]}}"#,
            "A condition's value is a string",
            "Condition.StringEquals.aws:SourceVpce[1]",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}"#,
            "IpAddress wants an IP address or a CIDR",
            "Condition.IpAddress.aws:SourceIp",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"Bool": {"aws:SecureTransport": "yes"}}"#,
            "Bool wants true or false",
            "Condition.Bool.aws:SecureTransport",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"NumericEquals": {"a:b": "ten"}}"#,
            "wants a number",
            "Condition.NumericEquals.a:b",
        ),
        (
            IDENTITY,
            "Condition",
            r#"{"NumericLessThan": {"s3:max-keys": "${aws:PrincipalTag/max}"}}"#,
            "wants a number",
            "Condition.NumericLessThan.s3:max-keys",
        ),
        (TRUST, "NotPrincipal", r#"{"AWS": "111122223333"}"#, "exclude each other", "NotPrincipal"),
        (IDENTITY, "Condition", r#"{"DateLessThan": {"a:b": "soon"}}"#, "wants a date", "Condition.DateLessThan.a:b"),
        (IDENTITY, "Condition", r#"{"BinaryEquals": {"a:b": "%"}}"#, "wants base64", "Condition.BinaryEquals.a:b"),
    ];
    for (kind, member, new, message, path) in rows {
        let document = json!({"Version": "2012-10-17",
            "Statement": [good(*kind), change(good(*kind), member, new)]});
        let error = Document::from_json(&document, *kind).expect_err(&format!("{kind:?} {member}: {new}"));
        let expected = if path.is_empty() { "Statement[1]".to_owned() } else { format!("Statement[1].{path}") };
        assert!(error.message.contains(message), "{kind:?} {member} {new}: {}", error.message);
        assert_eq!((error.path.as_deref(), error.statement), (Some(expected.as_str()), Some(1)), "{member} {new}");
    }
}

#[test]
fn documents_that_are_none() {
    let rows: &[(&str, &str, &str, Option<&str>)] = &[
        ("Version", r#""2026-01-01""#, "The policy must contain a valid version string", Some("Version")),
        ("Version", "2012", "The policy must contain a valid version string", Some("Version")),
        ("Id", "7", "An Id is a string", Some("Id")),
        ("Statement", "-", "Missing required field Statement", None),
        ("Statement", "[]", "Statement is empty!", Some("Statement")),
        ("Statement", "null", "neither an object nor a list", Some("Statement")),
        ("Statement", r#""x""#, "neither an object nor a list", Some("Statement")),
        ("Statement", "[7]", "A statement is not a JSON object", Some("Statement[0]")),
        ("Statements", "[]", "Unknown field Statements; did you mean Statement?", Some("Statements")),
        ("Foo", "1", "Unknown field Foo", Some("Foo")),
    ];
    for (member, new, message, path) in rows {
        let document = json!({"Version": "2012-10-17", "Id": "x", "Statement": good(ENDPOINT)});
        let error = Document::from_json(&change(document, member, new), ENDPOINT).expect_err(new);
        assert!(error.message.contains(message), "{member} {new}: {}", error.message);
        assert_eq!(error.path.as_deref(), *path, "{member} {new}");
    }
    let error = Document::from_json(&json!([]), ENDPOINT).expect_err("a list");
    assert_eq!(error.message, "The policy is not a JSON object");
}

#[test]
fn sids_are_unique() {
    let twice =
        |sid: &str| json!({"Statement": [change(good(RESOURCE), "Sid", sid), change(good(RESOURCE), "Sid", sid)]});
    let error = Document::from_json(&twice(r#""Same""#), RESOURCE).expect_err("twice");
    assert!(error.message.contains("must be unique"), "{}", error.message);
    assert_eq!((error.path.as_deref(), error.statement), (Some("Statement[1].Sid"), Some(1)));
    Document::from_json(&twice(r#""""#), RESOURCE).expect("no Sid at all");
}

#[test]
fn what_is_accepted() {
    let rows: &[(Kind, &str, &str)] = &[
        (IDENTITY, "Sid", r#""Read7""#),
        (RESOURCE, "Sid", r#""With spaces - as S3's samples have""#),
        (IDENTITY, "Action", r#"["s3:Get*", "ec2:Describe?nstances", "*"]"#),
        (IDENTITY, "Action", r#""execute-api:Invoke""#),
        (IDENTITY, "Action", r#""*:*""#),
        (IDENTITY, "Resource", r#"["arn:aws:s3:::b", "arn:aws-cn:s3:::b/*", "arn:*:s3:::b", "arn:aws:sqs"]"#),
        (IDENTITY, "Resource", r#""arn:aws:s3:::b/${aws:username}/*""#),
        (RESOURCE, "Principal", r#"{"AWS": ["111122223333", "arn:aws:iam::444455556666:role/a/b"]}"#),
        (RESOURCE, "Principal", r#"{"AWS": "arn:aws-cn:iam::111122223333:root"}"#),
        (RESOURCE, "Principal", r#"{"Service": "logs.eu-west-1.amazonaws.com", "Federated": "accounts.google.com"}"#),
        (RESOURCE, "Principal", r#"{"AWS": "AIDAEXAMPLEEXAMPLE12"}"#),
        (TRUST, "Action", r#"["sts:AssumeRole", "sts:TagSession"]"#),
        (TRUST, "Principal", r#"{"Federated": "arn:aws:iam::111122223333:saml-provider/p"}"#),
        (IDENTITY, "Condition", "{}"),
        (IDENTITY, "Condition", r#"{"StringEquals": {"aws:PrincipalTag/a b": ["x", 1, true]}}"#),
        (IDENTITY, "Condition", r#"{"Bool": {"aws:SecureTransport": "${aws:PrincipalTag/secure}"}}"#),
        (IDENTITY, "Condition", r#"{"DateGreaterThan": {"aws:CurrentTime": "2026-11-25T08:00:00Z"}}"#),
    ];
    for (kind, member, new) in rows {
        let document = json!({"Version": "2012-10-17", "Statement": change(good(*kind), member, new)});
        let read = Document::from_json(&document, *kind).unwrap_or_else(|error| panic!("{member} {new}: {error}"));
        assert_eq!(read.json(), &document);
    }
    let deny =
        json!({"Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": OWN}, "NotAction": "s3:*", "NotResource": "*"}});
    Document::from_json(&deny, RESOURCE).expect("all the other forms");
}

#[test]
fn not_principal_goes_with_deny() {
    let with = |effect: &str, value: Value| json!({"Statement": {"Effect": effect, "NotPrincipal": value, "Action": "*", "Resource": "*"}});
    let error = Document::from_json(&with("Allow", json!({"AWS": OWN})), RESOURCE).expect_err("Allow");
    assert!(error.message.contains("NotPrincipal goes with Deny only"), "{}", error.message);
    let trust = json!({"Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": OWN}, "Action": "sts:AssumeRole"}});
    let error = Document::from_json(&trust, TRUST).expect_err("a trust policy");
    assert!(error.message.contains("can't have a NotPrincipal"), "{}", error.message);
    let error = Document::from_json(&with("Deny", json!("*")), RESOURCE).expect_err("nobody");
    assert!(error.message.contains("excepts nobody"), "{}", error.message);
}

#[test]
fn text_tells_line_and_column() {
    let text = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
    {
      "Effect": "Deny", "Principal": "*", "Action": ["s3:*", "é:x"], "Resource": "*",
      "Condition": {"StringEqual": {"aws:SourceVpce": "vpce-1"}}
    }
  ]
}"#;
    let error = Document::parse(text, ENDPOINT).expect_err("an action");
    assert_eq!((error.path.as_deref(), error.position), (Some("Statement[1].Action[1]"), Some((6, 62))));
    let error = Document::parse(&text.replace("é:x", "s3:x"), ENDPOINT).expect_err("an operator");
    assert_eq!((error.path.as_deref(), error.position), (Some("Statement[1].Condition.StringEqual"), Some((7, 21))));
    assert_eq!(error.statement, Some(1));
    let message =
        "Invalid Condition type : StringEqual; did you mean StringEquals? (at Statement[1].Condition.StringEqual)";
    assert_eq!(error.to_string(), message);
    // A member that is not there: where it should be.
    let missing = text.replace(r#""Effect": "Deny", "#, "").replace("é:x", "s3:x");
    let error = Document::parse(&missing, ENDPOINT).expect_err("no effect");
    assert_eq!((error.path.as_deref(), error.position), (Some("Statement[1]"), Some((5, 5))));
}

#[test]
fn text_that_is_no_json() {
    for (text, position) in [("", (1, 0)), ("{", (1, 1)), ("{\n  \"Version\": }", (2, 14)), ("{} x", (1, 4))] {
        let error = Document::parse(text, ENDPOINT).expect_err(text);
        assert!(error.message.starts_with("This policy contains invalid JSON"), "{}", error.message);
        assert_eq!(error.position, Some(position), "{text}: {}", error.message);
        assert!(!error.message.contains("line"), "{}", error.message);
    }
}

/// Which of the two counts is nobody's guess: serde takes the last, others the first.
#[test]
fn no_member_stands_twice() {
    let rows = [
        (r#"{"Version": "2012-10-17", "Version": "2012-10-17"}"#, "Version", (1, 27)),
        (r#"{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}"#, "Statement[0].Effect", (1, 35)),
        (r#"{"Statement": [{"Effect": "Deny", "\u0045ffect": "Allow"}]}"#, "Statement[0].Effect", (1, 35)),
        (
            r#"{"Statement": {"Condition": {"Bool": {"a:b": "true"}, "Bool": {"a:c": "true"}}}}"#,
            "Statement.Condition.Bool",
            (1, 55),
        ),
        // Quotes and backslashes in texts end nothing.
        (
            r#"{"Id": "a\"}\\", "Statement": [{"Sid": "{\"", "Effect": "Deny", "Effect": "Deny"}]}"#,
            "Statement[0].Effect",
            (1, 65),
        ),
    ];
    for (text, path, position) in rows {
        let error = Document::parse(text, ENDPOINT).expect_err(text);
        assert!(error.message.ends_with("stands twice"), "{}", error.message);
        assert_eq!((error.path.as_deref(), error.position), (Some(path), Some(position)));
    }
}

#[test]
fn sizes() {
    let with = |kind: Kind, length: usize| {
        let text = json!({"Version": "2012-10-17", "Id": "", "Statement": good(kind)}).to_string();
        let fill = "x".repeat(length - text.chars().count());
        text.replace(r#""Id":"""#, &format!(r#""Id":"{fill}""#))
    };
    for kind in [IDENTITY, Kind::Boundary, Kind::Session, TRUST, RESOURCE, ENDPOINT] {
        Document::parse(&with(kind, kind.limit()), kind).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let long = with(kind, kind.limit() + 1);
        let error = Document::parse(&long, kind).expect_err("too long");
        assert!(error.message.contains(&kind.limit().to_string()), "{}", error.message);
        let value: Value = serde_json::from_str(&long).expect("JSON");
        Document::from_json(&value, kind).expect_err("too long as JSON, too");
    }
    // Whitespace between members counts in an endpoint's policy and a bucket's, and not in those of identities.
    let padded = |kind: Kind| format!("{}{}", " ".repeat(1_000), with(kind, kind.limit() - 500));
    Document::parse(&padded(ENDPOINT), ENDPOINT).expect_err("whitespace counts");
    Document::parse(&padded(RESOURCE), RESOURCE).expect_err("whitespace counts");
    Document::parse(&padded(IDENTITY), IDENTITY).expect("whitespace does not count");
    assert_eq!(Document::parse(&padded(IDENTITY), IDENTITY).expect("read").size(), IDENTITY.limit() - 500);
}

#[test]
fn a_buckets_policy_is_about_it() {
    let rows: &[(&str, &str, Option<&str>)] = &[
        ("s3:GetObject", "arn:aws:s3:::b/*", None),
        ("*", "arn:aws:s3:::b", None),
        ("S3:*", "arn:aws:s3:::*", None),
        ("s3:GetObject", "arn:aws:s3:::b*/x", None),
        ("s3:GetObject", "arn:aws-cn:s3:::b/x", None),
        ("s3:GetObject", "arn:aws:s3:::${aws:PrincipalTag/bucket}/x", None),
        ("s3:GetObject", "*", Some("Policy has invalid resource")),
        ("s3:GetObject", "arn:aws:s3:::other/*", Some("Policy has invalid resource")),
        ("s3:GetObject", "arn:aws:s3:::bb", Some("Policy has invalid resource")),
        ("s3:GetObject", "arn:aws:dynamodb:r:111122223333:table/b", Some("Policy has invalid resource")),
        ("dynamodb:GetItem", "arn:aws:s3:::b/*", Some("Policy has invalid action")),
    ];
    for (action, resource, expected) in rows {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"},
            {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}]});
        let read = Document::from_json(&document, RESOURCE).expect("a policy").check_bucket("b");
        match (read, expected) {
            (Ok(()), None) => {}
            (Err(error), Some(expected)) => {
                assert!(error.message.starts_with(expected), "{}", error.message);
                assert_eq!(error.statement, Some(1));
            }
            (read, _) => panic!("{action} {resource}: {read:?}"),
        }
    }
}

/// No depth, length or number of members makes reading slow or the stack overflow.
#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), (r#"{"Statement":"#, "}"), (r#"{"a":["#, "]}")] {
        let text = format!("{}1{}", open.repeat(1_500), close.repeat(1_500));
        for kind in [IDENTITY, ENDPOINT] {
            Document::parse(&text, kind).expect_err("deep");
        }
    }
    let long = "x".repeat(60_000);
    let members = (0..6_000).map(|index| format!(r#""{index}":1"#)).collect::<Vec<_>>().join(",");
    Document::parse(&format!(r#"{{"{long}":{{{members}}}}}"#), IDENTITY).expect_err("many members of a long one");
}
