//! Where the two evaluators differ, and why vpclab stays with its answer.
//!
//! An explanation takes what it is about out of a case. A difference counts as explained only if both evaluators agree once
//! it is out: an explanation that fits by accident explains nothing.

use serde_json::{Value, json};

use super::case::{Case, OTHER, Who, statements_of};

/// A known difference.
pub struct Explanation {
    /// A few words.
    pub name: &'static str,
    /// Who says what, and where AWS documents it.
    pub why: &'static str,
    /// Takes it out; whether there was any.
    pub take_out: fn(&mut Case) -> bool,
}

/// All of them; docs/FIDELITY.md lists them, too.
pub const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        name: "root",
        why: "iam-simulate knows no root user (its own list of things to do says so): an account's root user may do whatever \
              its account may, as if an identity policy allowed all",
        take_out: |case| {
            let is_root = case.who == Who::Root;
            if is_root {
                case.identity.push(
                    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
                );
            }
            is_root
        },
    },
    Explanation {
        name: "endpoint Principal",
        why: "iam-simulate reads an endpoint's policy like an identity policy and never looks at its Principal; AWS does \
              (https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html)",
        take_out: |case| {
            let mut any = false;
            for statement in case.endpoint.iter_mut().flat_map(statements_of) {
                any |= statement.shift_remove("NotPrincipal").is_some()
                    | statement.insert("Principal".to_owned(), json!("*")).is_some_and(|it| it != json!("*"));
            }
            any
        },
    },
    Explanation {
        name: "NotPrincipal",
        why: "iam-simulate takes a principal as excepted when its account or any of its ARNs is listed (and notes that this \
              wants testing); AWS documents that a user wants its account beside it, a session its role and account \
              (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html)",
        take_out: |case| {
            let mut any = false;
            for statement in case.resource_policy.iter_mut().flat_map(statements_of) {
                if let Some(not) = statement.get_mut("NotPrincipal") {
                    *not = json!({"AWS": OTHER});
                    any = true;
                }
            }
            any
        },
    },
    Explanation {
        name: "variable without a value",
        why: "iam-simulate takes a statement out whose NotResource or negated condition has a variable without a value; AWS \
              documents that such a value equals nothing, so that negated operators hold, and that such a resource matches \
              none (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value)",
        take_out: |case| {
            replace_variables(case, |_, value| if value.is_none() { Some("nothing".to_owned()) } else { None })
        },
    },
    Explanation {
        name: "colon in a variable's name",
        why: "iam-simulate cuts ARNs at every colon, also at that of ${aws:PrincipalAccount}, which then never matches in the \
              Region's or account's place",
        take_out: |case| {
            replace_variables(
                case,
                |key, value| if key == "aws:PrincipalAccount" { value.map(str::to_owned) } else { None },
            )
        },
    },
    Explanation {
        name: "variables before 2012-10-17",
        why: "iam-simulate puts values in place of variables whatever the document's Version; AWS documents that \
              2008-10-17, which a missing one is, takes ${aws:username} as text \
              (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html)",
        take_out: |case| {
            let mut any = false;
            for document in case.documents() {
                if document.to_string().contains("${") && document["Version"] != "2012-10-17" {
                    document["Version"] = json!("2012-10-17");
                    any = true;
                }
            }
            any
        },
    },
    Explanation {
        name: "a session that is named itself",
        why: "iam-simulate lets session policies limit whatever a resource's policy allows; AWS documents that they don't limit \
              what is granted to the session's own ARN or to everyone \
              (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session)",
        take_out: |case| {
            let Some(document) = &mut case.session else { return false };
            let mut statements: Vec<Value> = statements_of(document).into_iter().map(|it| json!(it)).collect();
            statements.push(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
            document["Statement"] = json!(statements);
            case.resource_policy.is_some()
        },
    },
    Explanation {
        name: "ForAnyValue with IfExists",
        why: "two of AWS's rules meet where the key is absent: ForAnyValue is false, IfExists is true; vpclab lets the suffix \
              win, whose purpose that is, iam-simulate the prefix",
        take_out: |case| {
            rename_operators(case, |name| {
                name.strip_prefix("ForAnyValue:")?.strip_suffix("IfExists").map(|it| format!("ForAnyValue:{it}"))
            })
        },
    },
    Explanation {
        name: "0.0.0.0/0",
        why: "iam-simulate shifts a 32-bit number by 32 places, which in JavaScript is by none: no address but 0.0.0.0 is in \
              0.0.0.0/0 for it",
        take_out: |case| {
            let mut any = false;
            for statement in case.statements() {
                if let Some(condition) = statement.get_mut("Condition") {
                    lists(condition, &mut |values| {
                        let before = values.len();
                        values.retain(|it| it != "0.0.0.0/0");
                        if values.len() < before {
                            values.extend([json!("0.0.0.0/1"), json!("128.0.0.0/1")]);
                            any = true;
                        }
                    });
                }
            }
            any
        },
    },
    Explanation {
        name: "a bare address of the other family",
        why: "iam-simulate's NotIpAddress with an IPv4 address without a prefix is false for IPv6 requests, whereas with \
              /32 it is true; AWS documents that an address without a prefix is a /32",
        take_out: |case| {
            let mut any = false;
            for statement in case.statements() {
                if let Some(condition) = statement.get_mut("Condition") {
                    lists(condition, &mut |values| {
                        for value in values.iter_mut().filter(|it| *it == "198.51.100.9") {
                            *value = json!("198.51.100.9/32");
                            any = true;
                        }
                    });
                }
            }
            any
        },
    },
    Explanation {
        name: "an empty value",
        why: "iam-simulate's Null says that a key with an empty value is there; AWS documents that Null asks whether the key \
              is there and its value not null, such as an empty string \
              (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html)",
        take_out: |case| {
            let mut any = false;
            for value in case.context.values_mut().filter(|it| it.as_str() == Some("")) {
                *value = json!("none");
                any = true;
            }
            any
        },
    },
    Explanation {
        name: "a list of one value",
        why: "iam-simulate knows which keys are lists by their names, and refuses them without a set operator even when they \
              hold one value; vpclab goes by what the request has, since AWS documents no more than that several values want \
              a set operator",
        take_out: |case| {
            let mut any = false;
            for values in case.context.values_mut().filter_map(Value::as_array_mut).filter(|it| it.len() == 1) {
                values.push(values[0].clone());
                any = true;
            }
            any
        },
    },
];

/// Gives operators other names; whether any got one.
fn rename_operators(case: &mut Case, other: impl Fn(&str) -> Option<String>) -> bool {
    let mut any = false;
    for statement in case.statements() {
        let Some(Value::Object(operators)) = statement.get_mut("Condition") else { continue };
        for (name, keys) in std::mem::take(operators) {
            let new = other(&name);
            any |= new.is_some();
            operators.insert(new.unwrap_or(name), keys);
        }
    }
    any
}

/// The values of every key of a condition, as lists.
fn lists(condition: &mut Value, each: &mut impl FnMut(&mut Vec<Value>)) {
    let operators = condition.as_object_mut().into_iter().flat_map(|it| it.values_mut());
    for value in operators.filter_map(Value::as_object_mut).flat_map(|it| it.values_mut()) {
        if !value.is_array() {
            *value = json!([value]);
        }
        each(value.as_array_mut().expect("made one"));
    }
}

/// Puts another text in place of variables, of which the function gets key and value; whether it did so anywhere.
fn replace_variables(case: &mut Case, other: impl Fn(&str, Option<&str>) -> Option<String>) -> bool {
    let context = case.context.clone();
    let mut any = false;
    for statement in case.statements() {
        for (_, element) in statement.iter_mut().filter(|(name, _)| name.ends_with("Resource") || *name == "Condition")
        {
            texts(element, &mut |text| {
                for variable in variables(text) {
                    let inside = &variable[2..variable.len() - 1];
                    let value = context.get(inside).and_then(Value::as_str).filter(|it| !it.is_empty());
                    if inside.len() > 1
                        && !inside.contains(',')
                        && let Some(new) = other(inside, value)
                    {
                        *text = text.replace(&variable, &new);
                        any = true;
                    }
                }
            });
        }
    }
    any
}

fn variables(text: &str) -> Vec<String> {
    text.match_indices("${").filter_map(|(at, _)| Some(text[at..=at + text[at..].find('}')?].to_owned())).collect()
}

/// Every string of a value.
fn texts(value: &mut Value, each: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(items) => items.iter_mut().for_each(|it| texts(it, each)),
        Value::Object(members) => members.values_mut().for_each(|it| texts(it, each)),
        _ => {}
    }
}

/// Why vpclab takes a document about which the other finds only this; `None`: there is no reason.
pub fn taken(findings: &[String]) -> Option<&'static str> {
    let known = [
        (
            "in an endpoint policy",
            "names in an endpoint's policy are taken, as AWS was seen to take them, and mean nothing on a gateway endpoint (B5)",
        ),
        ("Service can only contain letters", "*:* is every action, as AWS reads it"),
    ];
    known.iter().find(|(part, _)| findings.iter().all(|it| it.contains(part))).map(|(_, why)| *why)
}
