//! What holds whatever is asked.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 6] = [Kind::Identity, Kind::Boundary, Kind::Session, Kind::Resource, Kind::Endpoint, Kind::Trust];

/// JSON that is no policy, or nearly one.
fn json_value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("Version"),
        Just("Statement"),
        Just("Effect"),
        Just("Principal"),
        Just("NotPrincipal"),
        Just("AWS"),
        Just("Action"),
        Just("NotAction"),
        Just("Resource"),
        Just("Condition"),
        Just("Sid"),
        Just("StringEquals"),
        Just("ForAllValues:Bool"),
        Just("Null"),
        Just("aws:SourceVpce"),
        Just("é"),
        Just("")
    ];
    let text = prop_oneof![
        Just("Allow".to_owned()),
        Just("Deny".to_owned()),
        Just("*".to_owned()),
        Just("2012-10-17".to_owned()),
        Just("s3:GetObject".to_owned()),
        Just("arn:aws:s3:::b/*".to_owned()),
        Just("${aws:username}".to_owned()),
        ".{0,12}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((word.clone(), inner), 0..6).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

/// A statement of an identity policy that is one.
fn statement() -> impl Strategy<Value = Value> {
    let action = prop_oneof![Just("*"), Just("s3:*"), Just("s3:GetObject"), Just("s3:Put*"), Just("dynamodb:Query")];
    let resource = prop_oneof![
        Just("*"),
        Just("arn:aws:s3:::b/*"),
        Just("arn:aws:s3:::b/${aws:username}"),
        Just("arn:aws:s3:::c/*"),
        Just("arn:aws:s3")
    ];
    let condition = prop_oneof![
        3 => Just(None),
        1 => Just(Some(json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}}))),
        1 => Just(Some(json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}))),
        1 => Just(Some(json!({"Null": {"aws:SourceVpce": "true"}}))),
        1 => Just(Some(json!({"ForAllValues:StringLike": {"aws:TagKeys": "a*"}}))),
    ];
    (any::<[bool; 3]>(), action, resource, condition).prop_map(
        |([denies, not_action, not_resource], action, resource, condition)| {
            let mut statement = json!({"Effect": if denies { "Deny" } else { "Allow" }});
            statement[if not_action { "NotAction" } else { "Action" }] = json!(action);
            statement[if not_resource { "NotResource" } else { "Resource" }] = json!(resource);
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        },
    )
}

fn asked() -> impl Strategy<Value = Request> {
    let who = prop_oneof![Just(user()), Just(session()), Just(root()), Just(service()), Just(Principal::Anonymous)];
    let action = prop_oneof![Just("s3:GetObject"), Just("s3:PutObject"), Just("dynamodb:Query")];
    let resource =
        prop_oneof![Just("arn:aws:s3:::b/k"), Just("arn:aws:s3:::b/ann"), Just("arn:aws:s3:::c/k"), Just("*")];
    let owner = prop_oneof![Just(None), Just(Some(OWN)), Just(Some(OTHER))];
    let endpoint = prop_oneof![Just(None), Just(Some("vpce-1")), Just(Some("vpce-2"))];
    (who, action, resource, owner, endpoint).prop_map(|(who, action, resource, owner, endpoint)| {
        let mut asked = Request {
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: owner.map(str::to_owned),
            ..request(who)
        };
        if let Some(endpoint) = endpoint {
            asked.context.set("aws:SourceVpce", endpoint);
        }
        asked
    })
}

/// Policies of all kinds.
fn set() -> impl Strategy<Value = Set> {
    let statements = || vec(statement(), 1..4);
    let optional = || proptest::option::weighted(0.4, vec(statement(), 1..4));
    let principal = || {
        prop_oneof![
            Just(json!("*")),
            Just(json!({"AWS": OWN})),
            Just(json!({"AWS": user().arn()})),
            Just(json!({"AWS": session().arn()})),
            Just(json!({"AWS": session().principal_arn()})),
            Just(json!({"Service": "ec2.amazonaws.com"}))
        ]
    };
    let named = move || {
        (optional(), principal()).prop_map(|(statements, principal)| {
            statements.map(|mut statements| {
                statements.iter_mut().for_each(|it| it["Principal"] = principal.clone());
                statements
            })
        })
    };
    (statements(), optional(), optional(), named(), named(), any::<bool>()).prop_map(
        |(identity, boundary, session, resource, endpoint, gateway)| {
            let of = |kind, statements: Option<Vec<Value>>| statements.map(|it| policy(kind, &Value::from(it)));
            Set {
                identity: of(Kind::Identity, Some(identity)).map(Arc::new).into_iter().collect(),
                boundary: of(Kind::Boundary, boundary),
                session: of(Kind::Session, session).map(Arc::new).into_iter().collect(),
                resource: of(Kind::Resource, resource),
                endpoint: of(Kind::Endpoint, endpoint),
                gateway,
            }
        },
    )
}

proptest! {
    #[test]
    fn noise_is_refused_and_never_panics(text in ".{0,200}") {
        for kind in KINDS {
            let error = Document::parse(&text, kind).expect_err("noise is no policy");
            prop_assert!(error.position.is_some());
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in json_value()) {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        for kind in KINDS {
            let read = Document::from_json(&value, kind);
            match Document::parse(&text, kind) {
                Ok(document) => prop_assert_eq!(Ok(document), read),
                Err(error) => {
                    prop_assert_eq!(read.as_ref().map_err(|it| &it.message).err(), Some(&error.message));
                    let (line, column) = error.position.expect("text has places");
                    prop_assert!(line <= text.lines().count() && column > 0, "{:?}", error.position);
                }
            }
        }
    }

    /// What is cut out of a good document is read or refused; the place is within the text.
    #[test]
    fn a_torn_document_is_read_or_refused(statements in vec(statement(), 1..4), cut in any::<prop::sample::Index>(), letter in any::<char>()) {
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let at = cut.index(text.len());
        let torn = text.char_indices().map(|(index, it)| if index == at { letter } else { it }).collect::<String>();
        for torn in [&text[..at], torn.as_str()] {
            let _ = Document::parse(torn, Kind::Identity).map_err(|error| error.position.expect("text has places"));
        }
    }

    /// A decision always says what it comes from.
    #[test]
    fn decisions_explain_themselves(set in set(), asked in asked()) {
        let decision = set.decide(&asked);
        match decision.effect {
            Effect::Allowed => {
                let is_root = matches!(asked.principal, Principal::Root { .. });
                prop_assert!(decision.statement.is_some() || is_root);
            }
            Effect::ExplicitDeny => prop_assert!(decision.statement.is_some() && decision.kind.is_some()),
            Effect::ImplicitDeny => {
                prop_assert!(decision.statement.is_none() && decision.kind.is_some() && decision.lacking.is_some());
                // Near is not there: something differs.
                prop_assert!(decision.nearest.as_ref().is_none_or(|it| !it.differs.is_empty()), "{}", decision.sentence());
            }
        }
        prop_assert!(!decision.sentence().is_empty() && !message(&decision, &asked).is_empty());
    }

    #[test]
    fn deny_wins(set in set(), asked in asked(), kind in prop_oneof![
        Just(Kind::Identity), Just(Kind::Boundary), Just(Kind::Session), Just(Kind::Resource), Just(Kind::Endpoint)
    ]) {
        let mut statement = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
        if matches!(kind, Kind::Resource | Kind::Endpoint) {
            statement["Principal"] = json!("*");
        } else {
            prop_assume!(matches!(asked.principal, Principal::User { .. } | Principal::Session { .. }));
        }
        prop_assert_eq!(set.with(policy(kind, &statement)).decide(&asked).effect, Effect::ExplicitDeny);
    }

    #[test]
    fn another_allow_never_takes_anything_away(set in set(), asked in asked(), mut statement in statement()) {
        let before = set.decide(&asked).effect;
        statement["Effect"] = json!("Allow");
        let after = set.with(policy(Kind::Identity, &statement)).decide(&asked).effect;
        prop_assert!(before != Effect::Allowed || after == Effect::Allowed);
        prop_assert_eq!(before == Effect::ExplicitDeny, after == Effect::ExplicitDeny);
    }

    /// An endpoint's policy is a filter.
    #[test]
    fn an_endpoint_never_grants(set in set(), asked in asked()) {
        let without = Set { endpoint: None, ..set.clone() };
        if set.decide(&asked).effect == Effect::Allowed {
            prop_assert_eq!(without.decide(&asked).effect, Effect::Allowed);
        }
        // One that allows all changes nothing.
        let open = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
        let open = without.clone().with(policy(Kind::Endpoint, &open));
        prop_assert_eq!(open.decide(&asked).effect, without.decide(&asked).effect);
    }

    /// So are boundary and session policies.
    #[test]
    fn bounds_never_grant(set in set(), asked in asked()) {
        if set.decide(&asked).effect == Effect::Allowed {
            let free = Set { boundary: None, session: Vec::new(), ..set };
            prop_assert_eq!(free.decide(&asked).effect, Effect::Allowed);
        }
    }
}
