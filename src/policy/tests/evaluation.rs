//! Which policies must allow, which suffice, and who is named.
//!
//! A row says what each policy has to say about `s3:GetObject` of `arn:aws:s3:::b/k`, in words:
//! `+` allows, `-` denies, `0` has statements about something else, empty: there is none. Behind `+` or `-` of a resource,
//! endpoint or trust policy stands whom it names.

use super::*;

/// Who, account of the bucket, then identity, boundary, session, resource, endpoint.
type Row = (&'static str, &'static str, [&'static str; 5], Effect, Option<Kind>);

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
