//! Whom `Principal` and `NotPrincipal` name.

use super::*;

/// Who are allowed by a resource policy of another account, when identity policies allow everything: of `user`, `session`,
/// `root`, `service`, `anonymous`.
fn reached(element: &str, value: &Value, effect: &str) -> String {
    let mut statement = json!({"Effect": effect, "Action": "*", "Resource": "*"});
    statement[element] = value.clone();
    let set = Set::default().with(policy(Kind::Resource, &statement)).with(policy(Kind::Identity, &allow()));
    let reached = ["user", "session", "root", "service", "anonymous"].into_iter().filter(|who| {
        let asked = Request { resource_account: Some(OTHER.to_owned()), ..request(principal(who)) };
        match set.decide(&asked).effect {
            Effect::Allowed => true,
            Effect::ExplicitDeny => true,
            Effect::ImplicitDeny => false,
        }
    });
    reached.collect::<Vec<_>>().join(" ")
}

#[test]
fn principal_forms() {
    let rows: &[(Value, &str)] = &[
        (json!("*"), "user session root service anonymous"),
        (json!({"AWS": "*"}), "user session root service anonymous"),
        (json!({"AWS": OWN}), "user session root"),
        (json!({"AWS": format!("arn:aws:iam::{OWN}:root")}), "user session root"),
        (json!({"AWS": OTHER}), ""),
        (json!({"AWS": [OTHER, OWN]}), "user session root"),
        (json!({"AWS": user().arn()}), "user"),
        (json!({"AWS": format!("arn:aws:iam::{OWN}:user/ann")}), ""),
        (json!({"AWS": format!("arn:aws:iam::{OTHER}:user/team/ann")}), ""),
        (json!({"AWS": format!("arn:aws:iam::{OWN}:user/team/Ann")}), ""),
        (json!({"AWS": "AIDAEXAMPLEEXAMPLE12"}), "user"),
        (json!({"AWS": session().principal_arn()}), "session"),
        (json!({"AWS": session().arn()}), "session"),
        (json!({"AWS": format!("arn:aws:sts::{OWN}:assumed-role/Worker/i-0xyz")}), ""),
        (json!({"AWS": format!("arn:aws:iam::{OWN}:role/Worker")}), ""),
        (json!({"AWS": "AROAEXAMPLEEXAMPLE12"}), "session"),
        (json!({"Service": "ec2.amazonaws.com"}), "service"),
        (json!({"Service": ["s3.amazonaws.com", "ec2.amazonaws.com"]}), "service"),
        (json!({"Service": "lambda.amazonaws.com"}), ""),
        (json!({"Federated": "cognito-identity.amazonaws.com"}), ""),
        (json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}), ""),
        (json!({"AWS": OTHER, "Service": "ec2.amazonaws.com"}), "service"),
    ];
    for (value, expected) in rows {
        assert_eq!(reached("Principal", value, "Allow"), *expected, "{value}");
        assert_eq!(reached("Principal", value, "Deny"), *expected, "{value}");
    }
}

#[test]
fn not_principal_excepts_whoever_is_listed_with_its_account() {
    let account = format!("arn:aws:iam::{OWN}:root");
    let rows: &[(Value, &str)] = &[
        (json!({"AWS": OTHER}), "user session root service anonymous"),
        (json!({"AWS": account}), "user session service anonymous"),
        (json!({"AWS": user().arn()}), "user session root service anonymous"),
        (json!({"AWS": [user().arn(), account]}), "session service anonymous"),
        (json!({"AWS": [session().arn(), account]}), "user session service anonymous"),
        (json!({"AWS": [session().principal_arn(), account]}), "user session service anonymous"),
        (json!({"AWS": [session().arn(), session().principal_arn(), account]}), "user service anonymous"),
        (json!({"Service": "ec2.amazonaws.com"}), "user session root anonymous"),
    ];
    for (value, expected) in rows {
        // Who is not denied is not allowed either: nothing allows root, services and nobody.
        let set = |who: &str| {
            let statements = json!([
                {"Effect": "Deny", "NotPrincipal": value, "Action": "*", "Resource": "*"},
                {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
            ]);
            Set::default().with(policy(Kind::Resource, &statements)).decide(&request(principal(who))).effect
        };
        let denied = ["user", "session", "root", "service", "anonymous"]
            .into_iter()
            .filter(|who| set(who) == Effect::ExplicitDeny);
        assert_eq!(denied.collect::<Vec<_>>().join(" "), *expected, "{value}");
    }
}

/// "Always denies any IAM principal that has a permissions boundary, whatever NotPrincipal lists."
#[test]
fn not_principal_excepts_nobody_with_a_boundary() {
    let account = format!("arn:aws:iam::{OWN}:root");
    let statement =
        json!({"Effect": "Deny", "NotPrincipal": {"AWS": [user().arn(), account]}, "Action": "*", "Resource": "*"});
    let set = Set::default().with(policy(Kind::Resource, &statement)).with(policy(Kind::Identity, &allow()));
    assert_eq!(set.decide(&request(user())).effect, Effect::Allowed);
    let bounded = set.with(policy(Kind::Boundary, &allow()));
    assert_eq!(bounded.decide(&request(user())).effect, Effect::ExplicitDeny);
}

#[test]
fn names_of_principals() {
    let rows = [
        (Principal::Anonymous, "", "", "anonymous", "Anonymous", "anonymous"),
        (root(), "arn:aws:iam::111122223333:root", OWN, OWN, "Account", "root"),
        (user(), "arn:aws:iam::111122223333:user/team/ann", OWN, "AIDAEXAMPLEEXAMPLE12", "User", "ann"),
        (
            session(),
            "arn:aws:sts::111122223333:assumed-role/Worker/i-0abc",
            OWN,
            "AROAEXAMPLEEXAMPLE12:i-0abc",
            "AssumedRole",
            "Worker",
        ),
        (service(), "", "", "", "Service", "ec2.amazonaws.com"),
    ];
    for (principal, arn, account, user_id, kind, name) in rows {
        assert_eq!(principal.arn().unwrap_or_default(), arn);
        assert_eq!(principal.account().unwrap_or_default(), account);
        assert_eq!(principal.user_id().unwrap_or_default(), user_id);
        assert_eq!(principal.kind(), kind);
        assert_eq!(principal.name(), name);
    }
}
