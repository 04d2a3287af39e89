//! Which policies must allow, which suffice, and who is named.
//!
//! A row says what each policy has to say about `s3:GetObject` of `arn:aws:s3:::b/k`, in words:
//! `+` allows, `-` denies, `0` has statements about something else, empty: there is none. Behind `+` or `-` of a resource,
//! endpoint or trust policy stands whom it names.

use super::*;

/// Who, account of the bucket, then identity, boundary, session, resource, endpoint.
type Row = (&'static str, &'static str, [&'static str; 5], Effect, Option<Kind>);

/// Who, the role's account, whether an identity policy allows, whom the trust policy allows (`-`: denies), effect, kind.
type Trusted = (&'static str, &'static str, bool, &'static str, Effect, Option<Kind>);

const ALLOW: Effect = Effect::Allowed;
const DENY: Effect = Effect::ExplicitDeny;
const NO: Effect = Effect::ImplicitDeny;

fn named(whom: &str) -> Value {
    match whom {
        "*" => json!("*"),
        "account" => json!({"AWS": OWN}),
        "root" => json!({"AWS": format!("arn:aws:iam::{OWN}:root")}),
        "user" => json!({"AWS": user().arn()}),
        "role" => json!({"AWS": session().principal_arn()}),
        "session" => json!({"AWS": session().arn()}),
        "other" => json!({"AWS": OTHER}),
        "service" => json!({"Service": "ec2.amazonaws.com"}),
        other => panic!("nobody is called {other}"),
    }
}

fn said(kind: Kind, word: &str) -> Option<Policy> {
    let (effect, whom) = match word.split_at_checked(1)? {
        ("+", whom) => ("Allow", whom),
        ("-", whom) => ("Deny", whom),
        ("0", _) => {
            let mut statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"});
            if matches!(kind, Kind::Resource | Kind::Endpoint) {
                statement["Principal"] = json!("*");
            }
            return Some(policy(kind, &statement));
        }
        other => panic!("{other:?}"),
    };
    let mut statement = json!({"Effect": effect, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
    if matches!(kind, Kind::Resource | Kind::Endpoint) {
        statement["Principal"] = named(whom);
    }
    Some(policy(kind, &statement))
}

fn check(rows: &[Row], gateway: bool) {
    let mut wrong = Vec::new();
    for (who, owner, words, effect, kind) in rows {
        let kinds = [Kind::Identity, Kind::Boundary, Kind::Session, Kind::Resource, Kind::Endpoint];
        let policies = kinds.iter().zip(words).filter_map(|(kind, word)| said(*kind, word));
        let set = policies.fold(Set { gateway, ..Set::default() }, Set::with);
        let request = Request { resource_account: Some((*owner).to_owned()), ..request(principal(who)) };
        let decision = set.decide(&request);
        if (decision.effect, decision.kind) != (*effect, *kind) {
            wrong.push(format!("{who} of {owner} {words:?}: {:?} {:?}", decision.effect, decision.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn within_an_account_identity_or_resource() {
    check(
        &[
            ("user", OWN, ["", "", "", "", ""], NO, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "", ""], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["0", "", "", "", ""], NO, Some(Kind::Identity)),
            ("user", OWN, ["-", "", "", "", ""], DENY, Some(Kind::Identity)),
            ("user", OWN, ["", "", "", "+user", ""], ALLOW, Some(Kind::Resource)),
            ("user", OWN, ["", "", "", "+*", ""], ALLOW, Some(Kind::Resource)),
            ("user", OWN, ["", "", "", "+account", ""], NO, Some(Kind::Identity)),
            ("user", OWN, ["", "", "", "+root", ""], NO, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "+root", ""], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "-root", ""], DENY, Some(Kind::Resource)),
            ("user", OWN, ["+", "", "", "-*", ""], DENY, Some(Kind::Resource)),
            ("user", OWN, ["-", "", "", "+user", ""], DENY, Some(Kind::Identity)),
            ("user", OWN, ["+", "0", "", "", ""], NO, Some(Kind::Boundary)),
            ("user", OWN, ["+", "+", "", "", ""], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["", "0", "", "+user", ""], ALLOW, Some(Kind::Resource)),
            ("user", OWN, ["", "-", "", "+user", ""], DENY, Some(Kind::Boundary)),
            ("session", OWN, ["", "", "", "+session", ""], ALLOW, Some(Kind::Resource)),
            ("session", OWN, ["", "0", "0", "+session", ""], ALLOW, Some(Kind::Resource)),
            ("session", OWN, ["", "0", "0", "+*", ""], ALLOW, Some(Kind::Resource)),
            ("session", OWN, ["", "", "", "+role", ""], ALLOW, Some(Kind::Resource)),
            ("session", OWN, ["", "0", "", "+role", ""], NO, Some(Kind::Boundary)),
            ("session", OWN, ["", "+", "0", "+role", ""], NO, Some(Kind::Session)),
            ("session", OWN, ["", "+", "+", "+role", ""], ALLOW, Some(Kind::Resource)),
            ("session", OWN, ["+", "", "0", "", ""], NO, Some(Kind::Session)),
            ("session", OWN, ["+", "", "-", "+session", ""], DENY, Some(Kind::Session)),
        ],
        false,
    );
}

#[test]
fn across_accounts_identity_and_resource() {
    check(
        &[
            ("user", OTHER, ["+", "", "", "", ""], NO, Some(Kind::Resource)),
            ("user", OTHER, ["+", "", "", "0", ""], NO, Some(Kind::Resource)),
            ("user", OTHER, ["", "", "", "+user", ""], NO, Some(Kind::Identity)),
            ("user", OTHER, ["", "", "", "+*", ""], NO, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+user", ""], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+account", ""], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+root", ""], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+*", ""], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+other", ""], NO, Some(Kind::Resource)),
            ("user", OTHER, ["+", "0", "", "+user", ""], NO, Some(Kind::Boundary)),
            ("user", OTHER, ["+", "+", "", "+user", ""], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "-account", ""], DENY, Some(Kind::Resource)),
            ("session", OTHER, ["", "", "", "+session", ""], NO, Some(Kind::Identity)),
            ("session", OTHER, ["+", "", "0", "+session", ""], NO, Some(Kind::Session)),
            ("session", OTHER, ["+", "", "+", "+role", ""], ALLOW, Some(Kind::Identity)),
            ("session", OTHER, ["+", "", "+", "+user", ""], NO, Some(Kind::Resource)),
        ],
        false,
    );
}

#[test]
fn root_nobody_and_services() {
    check(
        &[
            ("root", OWN, ["", "", "", "", ""], ALLOW, None),
            ("root", OWN, ["", "", "", "0", ""], ALLOW, None),
            ("root", OWN, ["", "", "", "+root", ""], ALLOW, Some(Kind::Resource)),
            ("root", OWN, ["", "", "", "-root", ""], DENY, Some(Kind::Resource)),
            ("root", OWN, ["", "", "", "-*", ""], DENY, Some(Kind::Resource)),
            ("root", OWN, ["", "", "", "", "0"], NO, Some(Kind::Endpoint)),
            ("root", OTHER, ["", "", "", "", ""], NO, Some(Kind::Resource)),
            ("root", OTHER, ["", "", "", "+root", ""], ALLOW, Some(Kind::Resource)),
            ("root", OTHER, ["", "", "", "+other", ""], NO, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "", ""], NO, Some(Kind::Resource)),
            ("anonymous", OWN, ["+", "", "", "", ""], NO, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "0", ""], NO, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "+*", ""], ALLOW, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "+account", ""], NO, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "+*", "+*"], ALLOW, Some(Kind::Resource)),
            ("anonymous", OWN, ["", "", "", "+*", "+account"], NO, Some(Kind::Endpoint)),
            ("anonymous", OWN, ["", "", "", "-*", ""], DENY, Some(Kind::Resource)),
            ("service", OWN, ["", "", "", "+service", ""], ALLOW, Some(Kind::Resource)),
            ("service", OWN, ["", "", "", "+account", ""], NO, Some(Kind::Resource)),
            ("service", OWN, ["+", "", "", "", ""], NO, Some(Kind::Resource)),
        ],
        false,
    );
}

#[test]
fn an_endpoint_filters() {
    check(
        &[
            ("user", OWN, ["+", "", "", "", "+*"], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "", "0"], NO, Some(Kind::Endpoint)),
            ("user", OWN, ["+", "", "", "", "-*"], DENY, Some(Kind::Endpoint)),
            ("user", OWN, ["", "", "", "", "+*"], NO, Some(Kind::Identity)),
            ("user", OWN, ["", "", "", "+user", "0"], NO, Some(Kind::Endpoint)),
            ("user", OWN, ["", "", "", "+user", "+*"], ALLOW, Some(Kind::Resource)),
            ("user", OWN, ["+", "", "", "", "+user"], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "", "+account"], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "", "+other"], NO, Some(Kind::Endpoint)),
            ("session", OWN, ["+", "", "", "", "+role"], ALLOW, Some(Kind::Identity)),
            ("user", OTHER, ["+", "", "", "+user", "0"], NO, Some(Kind::Endpoint)),
            // One is named of several that deny: the endpoint's, the resource's, then the principal's own.
            ("user", OWN, ["-", "-", "", "-*", "-*"], DENY, Some(Kind::Endpoint)),
            ("user", OWN, ["-", "-", "", "-*", "+*"], DENY, Some(Kind::Resource)),
            ("user", OWN, ["-", "-", "", "", "0"], DENY, Some(Kind::Identity)),
        ],
        false,
    );
}

#[test]
fn a_gateway_endpoint_knows_everyone_and_root() {
    check(
        &[
            ("user", OWN, ["+", "", "", "", "+*"], ALLOW, Some(Kind::Identity)),
            ("user", OWN, ["+", "", "", "", "+account"], NO, Some(Kind::Endpoint)),
            ("user", OWN, ["+", "", "", "", "+root"], NO, Some(Kind::Endpoint)),
            ("root", OWN, ["", "", "", "", "+root"], ALLOW, None),
            ("root", OWN, ["", "", "", "", "+account"], ALLOW, None),
            ("user", OWN, ["+", "", "", "", "+user"], NO, Some(Kind::Endpoint)),
            ("session", OWN, ["+", "", "", "", "+role"], NO, Some(Kind::Endpoint)),
            ("session", OWN, ["+", "", "", "", "+session"], NO, Some(Kind::Endpoint)),
            // The bucket's policy is read as ever.
            ("user", OWN, ["", "", "", "+user", "+*"], ALLOW, Some(Kind::Resource)),
        ],
        true,
    );
}

#[test]
fn a_role_is_assumed_when_its_trust_policy_says_so() {
    const ROLE: &str = "arn:aws:iam::111122223333:role/app/Worker";
    let rows: &[Trusted] = &[
        ("service", OWN, false, "+service", ALLOW, Some(Kind::Trust)),
        ("service", OWN, false, "+account", NO, Some(Kind::Trust)),
        ("user", OWN, false, "+user", ALLOW, Some(Kind::Trust)),
        ("user", OWN, true, "+service", NO, Some(Kind::Trust)),
        ("user", OWN, false, "+account", NO, Some(Kind::Identity)),
        ("user", OWN, true, "+account", ALLOW, Some(Kind::Identity)),
        ("user", OWN, true, "-account", DENY, Some(Kind::Trust)),
        ("session", OWN, false, "+role", ALLOW, Some(Kind::Trust)),
        ("user", OTHER, false, "+user", NO, Some(Kind::Identity)),
        ("user", OTHER, true, "+user", ALLOW, Some(Kind::Identity)),
        ("user", OTHER, true, "+account", ALLOW, Some(Kind::Identity)),
        ("user", OTHER, true, "+other", NO, Some(Kind::Trust)),
        ("root", OWN, false, "+service", NO, Some(Kind::Trust)),
        ("anonymous", OWN, false, "+account", NO, Some(Kind::Trust)),
    ];
    for (who, owner, identity, trust, effect, kind) in rows {
        let (sign, whom) = trust.split_at(1);
        let says = if sign == "+" { "Allow" } else { "Deny" };
        let trust = json!({"Effect": says, "Principal": named(whom), "Action": "sts:AssumeRole"});
        let mut set = Set::default().with(policy(Kind::Trust, &trust));
        if *identity {
            set = set.with(policy(
                Kind::Identity,
                &json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}),
            ));
        }
        let asked = Request {
            principal: principal(who),
            action: "sts:AssumeRole".to_owned(),
            resource: ROLE.to_owned(),
            resource_account: Some((*owner).to_owned()),
            context: Context::default(),
        };
        let decision = set.decide(&asked);
        assert_eq!((decision.effect, decision.kind), (*effect, *kind), "{who} of {owner}, {sign}{whom}");
    }
}

/// terraform-aws-vpc's complete example hangs such a policy on its DynamoDB endpoint: it blocks everything.
#[test]
fn a_policy_of_nothing_but_deny_allows_nothing() {
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "dynamodb:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:sourceVpc": "vpc-1"}}});
    let set = Set::default().with(policy(Kind::Endpoint, &statement)).with(policy(Kind::Identity, &allow()));
    for (vpc, effect) in [("vpc-1", NO), ("vpc-2", DENY)] {
        let mut asked = Request { action: "dynamodb:GetItem".to_owned(), ..request(user()) };
        asked.context.set("aws:SourceVpc", vpc);
        let decision = set.decide(&asked);
        assert_eq!((decision.effect, decision.kind), (effect, Some(Kind::Endpoint)));
        let hint = decision.nearest.filter(|nearest| nearest.differs.contains("statements only deny"));
        assert_eq!(hint.is_some(), effect == NO);
    }
}

/// Without a version a document is of 2008-10-17, where `${…}` is text.
#[test]
fn variables_want_version_2012_10_17() {
    for (version, expected) in [(None, NO), (Some("2008-10-17"), NO), (Some("2012-10-17"), ALLOW)] {
        let mut document = json!({"Statement":
            {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b/${aws:username}"}});
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        let document = Document::from_json(&document, Kind::Identity).expect("a policy");
        let set = Set::default().with(Policy { document, ..policy(Kind::Identity, &allow()) });
        let asked = Request { resource: "arn:aws:s3:::b/ann".to_owned(), ..request(user()) };
        assert_eq!(set.decide(&asked).effect, expected, "{version:?}");
    }
}

/// A `NotResource` whose variable has no value excepts nothing: a Deny with it denies.
#[test]
fn a_variable_without_a_value_matches_nothing() {
    let statements = |effect: &str| {
        json!([{"Effect": effect, "Action": "*", "NotResource": "arn:aws:s3:::b/${aws:PrincipalTag/t}"},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::c/*"}])
    };
    for (effect, expected) in [("Allow", ALLOW), ("Deny", DENY)] {
        let decision = Set::default().with(policy(Kind::Identity, &statements(effect))).decide(&request(user()));
        assert_eq!(decision.effect, expected);
    }
}

/// Several policies of one kind: one that allows suffices, one that denies decides.
#[test]
fn several_policies_of_a_kind() {
    let other = json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"});
    let set = Set::default().with(policy(Kind::Identity, &other)).with(policy(Kind::Identity, &allow()));
    assert_eq!(set.decide(&request(session())).effect, ALLOW);
    let bounded = set.clone().with(policy(Kind::Session, &other)).with(policy(Kind::Session, &allow()));
    assert_eq!(bounded.decide(&request(session())).effect, ALLOW);
    let denies = json!({"Effect": "Deny", "Action": "s3:Get*", "Resource": "*"});
    let decision = set.with(policy(Kind::Identity, &denies)).decide(&request(session()));
    assert_eq!((decision.effect, decision.kind), (DENY, Some(Kind::Identity)));
}

/// Whose a resource is need not be known, and some actions have none: then it is the principal's own account.
#[test]
fn an_unknown_owner_is_ones_own_account() {
    let unknown = |who: &str| Request { resource_account: None, ..request(principal(who)) };
    let set = Set::default().with(policy(Kind::Identity, &allow()));
    assert_eq!(set.decide(&unknown("user")).effect, ALLOW);
    assert_eq!(set.decide(&unknown("root")).effect, ALLOW);
    assert_eq!(set.decide(&unknown("anonymous")).effect, NO);
}

/// Several statements of a resource's policy allow: the one that names the principal most closely counts, wherever it stands.
#[test]
fn the_closest_name_counts() {
    let statement = |sid: &str, whom: &str| json!({"Sid": sid, "Effect": "Allow", "Principal": named(whom), "Action": "*", "Resource": "*"});
    let rows = [
        (["account", "user", "*"], "user", "user"),
        (["user", "account", "root"], "user", "user"),
        (["account", "role", "session"], "session", "session"),
        (["role", "account", "*"], "session", "*"),
    ];
    for (names, who, expected) in rows {
        let statements: Vec<Value> =
            names.iter().map(|it| statement(if *it == "*" { "everyone" } else { it }, it)).collect();
        let decision =
            Set::default().with(policy(Kind::Resource, &Value::from(statements))).decide(&request(principal(who)));
        assert_eq!((decision.effect, decision.kind), (ALLOW, Some(Kind::Resource)), "{names:?}");
        let expected = if expected == "*" { "everyone" } else { expected };
        assert_eq!(decision.statement.expect("one").statement, expected, "{names:?}");
    }
}

/// Where a statement is written is known for some, for none, or is an empty text.
#[test]
fn places_are_as_given() {
    let place = |places: &[&str]| {
        let policy = Policy {
            places: places.iter().map(|it| (*it).to_owned()).collect(),
            ..policy(Kind::Identity, &json!([{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}, allow()]))
        };
        Set::default().with(policy).decide(&request(user())).statement.expect("one").place
    };
    assert_eq!(place(&["a:1", "a:2"]).as_deref(), Some("a:2"));
    assert_eq!(place(&["a:1", ""]), None);
    assert_eq!(place(&["a:1"]), None);
    assert_eq!(place(&[]), None);
}
