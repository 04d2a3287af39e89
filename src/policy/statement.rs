//! One statement: as written to as meant.
//!
//! Messages are AWS's where it says what is wrong; where it says "Syntax errors in policy." they say which.

use serde_json::{Map, Value};

use super::arn::{ArnPattern, components};
use super::condition::Condition;
use super::document::{Kind, PolicyError};
use super::operator::{NAMES, Operator, Wanted};
use super::pattern::{Meaning, Pattern};
use super::principals::{Named, Principals, is_partition};
use super::text::nearest_word;

/// A statement, ready to be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) allows: bool,
    /// None in identity policies.
    pub(super) principals: Option<Principals>,
    pub(super) actions: Listed<Pattern>,
    /// None in trust policies, which are about their role.
    pub(super) resources: Option<Listed<ArnPattern>>,
    pub(super) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed<T> {
    pub(super) not: bool,
    pub(super) patterns: Vec<T>,
}

/// Where reading is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) kind: Kind,
    /// Whether `${…}` are variables.
    pub(super) variables: bool,
    /// `Statement[1]`.
    pub(super) path: &'a str,
    pub(super) index: usize,
}

const MEMBERS: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Place<'_> {
    fn error(&self, member: &str, message: impl Into<String>) -> PolicyError {
        let path = if member.is_empty() { self.path.to_owned() } else { format!("{}.{member}", self.path) };
        PolicyError { message: message.into(), path: Some(path), position: None, statement: Some(self.index) }
    }
}

impl Statement {
    pub(super) fn parse(value: &Value, place: Place<'_>) -> Result<Self, PolicyError> {
        let Value::Object(members) = value else { return Err(place.error("", "A statement is not a JSON object")) };
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(place.error(unknown, unknown_member(unknown, MEMBERS)));
        }
        Ok(Self {
            sid: sid(members, place)?,
            allows: allows(members, place)?,
            principals: principals(members, place)?,
            actions: actions(members, place)?,
            resources: resources(members, place)?,
            conditions: conditions(members, place)?,
        })
    }
}

/// "Unknown field Efect; did you mean Effect?"
pub(super) fn unknown_member(unknown: &str, known: &[&str]) -> String {
    match nearest_word(unknown, known.iter().copied()) {
        Some(near) => format!("Unknown field {unknown}; did you mean {near}?"),
        None => format!("Unknown field {unknown}"),
    }
}

fn sid(members: &Map<String, Value>, place: Place<'_>) -> Result<Option<String>, PolicyError> {
    let Some(value) = members.get("Sid") else { return Ok(None) };
    let Value::String(sid) = value else { return Err(place.error("Sid", "A Sid is a string")) };
    let is_plain = sid.bytes().all(|it| it.is_ascii_alphanumeric());
    if !is_plain && matches!(place.kind, Kind::Identity | Kind::Boundary | Kind::Session) {
        return Err(place.error("Sid", "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"));
    }
    Ok((!sid.is_empty()).then(|| sid.clone()))
}

fn allows(members: &Map<String, Value>, place: Place<'_>) -> Result<bool, PolicyError> {
    match members.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" => Ok(true),
        Some(Value::String(effect)) if effect == "Deny" => Ok(false),
        Some(Value::String(effect)) => {
            Err(place.error("Effect", format!("Invalid effect: {effect}; it is Allow or Deny")))
        }
        Some(_) => Err(place.error("Effect", "Invalid effect: it is Allow or Deny")),
        None => Err(place.error("", "Missing required field Effect: Allow or Deny")),
    }
}

/// The member that is there, with its value and whether it is the `Not…` form.
fn one_of<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
    not: &'static str,
    place: Place<'_>,
) -> Result<Option<(&'static str, &'a Value, bool)>, PolicyError> {
    match (members.get(name), members.get(not)) {
        (Some(_), Some(_)) => Err(place.error(not, format!("{name} and {not} exclude each other"))),
        (Some(value), None) => Ok(Some((name, value, false))),
        (None, Some(value)) => Ok(Some((not, value, true))),
        (None, None) => Ok(None),
    }
}

/// A string, or a list of strings that is not empty; with the path of each.
fn strings<'a>(value: &'a Value, member: &str, place: Place<'_>) -> Result<Vec<(String, &'a str)>, PolicyError> {
    match value {
        Value::String(text) => Ok(vec![(member.to_owned(), text)]),
        Value::Array(items) if items.is_empty() => Err(place.error(member, format!("{member} is an empty list"))),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = format!("{member}[{index}]");
                match item {
                    Value::String(text) => Ok((path, text.as_str())),
                    _ => Err(place.error(&path, format!("{member} holds something that is not a string"))),
                }
            })
            .collect(),
        _ => Err(place.error(member, format!("{member} is neither a string nor a list of strings"))),
    }
}

fn principals(members: &Map<String, Value>, place: Place<'_>) -> Result<Option<Principals>, PolicyError> {
    let found = one_of(members, "Principal", "NotPrincipal", place)?;
    let has_one = matches!(place.kind, Kind::Resource | Kind::Endpoint | Kind::Trust);
    let (member, value, not) = match found {
        None if has_one => return Err(place.error("", "Missing required field Principal")),
        None => return Ok(None),
        Some((member, ..)) if !has_one => {
            return Err(place.error(member, "Policy document should not specify a principal."));
        }
        Some(found) => found,
    };
    if not && place.kind == Kind::Trust {
        return Err(place.error(member, "A trust policy can't have a NotPrincipal"));
    }
    if not && members.get("Effect").and_then(Value::as_str) == Some("Allow") {
        return Err(place.error(member, "NotPrincipal goes with Deny only"));
    }
    let named = match value {
        Value::String(everyone) if everyone == "*" => vec![Named::Everyone],
        Value::Object(kinds) if !kinds.is_empty() => principals_by_kind(kinds, member, place)?,
        _ => {
            let message = "Invalid principal in policy: it is \"*\", or an object such as {\"AWS\": …}";
            return Err(place.error(member, message));
        }
    };
    if not && named.contains(&Named::Everyone) {
        return Err(place.error(member, "Invalid principal in policy: NotPrincipal excepts nobody with \"*\""));
    }
    Ok(Some(Principals { not, named }))
}

fn principals_by_kind(kinds: &Map<String, Value>, member: &str, place: Place<'_>) -> Result<Vec<Named>, PolicyError> {
    let mut named = Vec::new();
    for (kind, value) in kinds {
        let path = format!("{member}.{kind}");
        for (path, text) in strings(value, &path, place)? {
            let read = match kind.as_str() {
                "AWS" => Named::aws(text),
                "Service" => is_service(text).then(|| Named::Service(text.to_owned())),
                "Federated" | "CanonicalUser" => (!text.is_empty()).then(|| Named::Foreign(text.to_owned())),
                _ => {
                    let message = unknown_member(kind, &["AWS", "Service", "Federated", "CanonicalUser"]);
                    return Err(place.error(&path, format!("Invalid principal in policy: {message}")));
                }
            };
            let quoted = Value::from(text);
            named.push(
                read.ok_or_else(|| place.error(&path, format!("Invalid principal in policy: {kind}: {quoted}")))?,
            );
        }
    }
    Ok(named)
}

fn is_service(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-'))
}

fn actions(members: &Map<String, Value>, place: Place<'_>) -> Result<Listed<Pattern>, PolicyError> {
    let Some((member, value, not)) = one_of(members, "Action", "NotAction", place)? else {
        return Err(match place.kind {
            Kind::Resource | Kind::Endpoint => place.error("", "Missing required field Action"),
            _ => place.error("", "Policy statement must contain actions."),
        });
    };
    let mut patterns = Vec::new();
    for (path, text) in strings(value, member, place)? {
        check_action(text).map_err(|message| place.error(&path, message))?;
        let is_sts = text.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("sts:"));
        if place.kind == Kind::Trust && !is_sts {
            return Err(place.error(&path, "AssumeRole policy may only specify STS AssumeRole actions."));
        }
        let lower = text.to_ascii_lowercase();
        let mut pattern = Pattern::new(&lower, Meaning { wildcards: true, variables: false });
        text.clone_into(&mut pattern.written);
        patterns.push(pattern);
    }
    Ok(Listed { not, patterns })
}

fn check_action(text: &str) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = text.split_once(':') else {
        return Err(format!(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {text:?} is not"
        ));
    };
    let is_vendor = vendor == "*" || vendor.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    if vendor.is_empty() || !is_vendor {
        return Err(format!("Vendor {vendor} is not valid"));
    }
    match !name.is_empty()
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'*' | b'?' | b'-' | b'_'))
    {
        true => Ok(()),
        false => Err(format!("Policy has invalid action: {text:?}")),
    }
}

fn resources(members: &Map<String, Value>, place: Place<'_>) -> Result<Option<Listed<ArnPattern>>, PolicyError> {
    let found = one_of(members, "Resource", "NotResource", place)?;
    let (member, value, not) = match (place.kind, found) {
        (Kind::Trust, None) => return Ok(None),
        (Kind::Trust, Some((member, ..))) => return Err(place.error(member, format!("Has prohibited field {member}"))),
        (Kind::Resource | Kind::Endpoint, None) => return Err(place.error("", "Missing required field Resource")),
        (_, None) => return Err(place.error("", "Policy statement must contain resources.")),
        (_, Some(found)) => found,
    };
    let mut patterns = Vec::new();
    for (path, text) in strings(value, member, place)? {
        check_resource(text, place).map_err(|message| place.error(&path, message))?;
        patterns.push(ArnPattern::new(text, place.variables).completed());
    }
    Ok(Some(Listed { not, patterns }))
}

fn check_resource(text: &str, place: Place<'_>) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    let parts = components(text, place.variables);
    if parts[0] != "arn" || parts.len() < 2 {
        return Err(match place.kind {
            Kind::Resource | Kind::Endpoint => {
                format!("Policy has invalid resource: {text:?} is neither an ARN nor \"*\"")
            }
            _ => format!("Resource {text} must be in ARN format or \"*\"."),
        });
    }
    let partition = parts[1];
    if !is_partition(partition) && !partition.contains(['*', '?', '$']) {
        return Err(format!("Partition \"{partition}\" is not valid for resource \"{text}\"."));
    }
    Ok(())
}

fn conditions(members: &Map<String, Value>, place: Place<'_>) -> Result<Vec<Condition>, PolicyError> {
    let operators = match members.get("Condition") {
        None => return Ok(Vec::new()),
        Some(Value::Object(operators)) => operators,
        Some(_) => return Err(place.error("Condition", "Condition is not an object of operators")),
    };
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let path = format!("Condition.{name}");
        let operator = Operator::parse(name).ok_or_else(|| place.error(&path, unknown_operator(name)))?;
        let Value::Object(keys) = keys else {
            return Err(place.error(&path, format!("{name} is not an object of condition keys")));
        };
        for (key, values) in keys {
            conditions.push(condition(operator, name, key, values, place)?);
        }
    }
    Ok(conditions)
}

fn unknown_operator(name: &str) -> String {
    let (prefix, rest) = match name.split_once(':') {
        Some(("ForAllValues" | "ForAnyValue", rest)) => (&name[..name.len() - rest.len()], rest),
        _ => ("", name),
    };
    let (rest, suffix) = match rest.strip_suffix("IfExists") {
        Some(rest) => (rest, "IfExists"),
        None => (rest, ""),
    };
    match nearest_word(rest, NAMES.iter().map(|(known, ..)| *known)) {
        // Null is known, but not with what stands around it.
        Some(near) if near != "Null" => {
            format!("Invalid Condition type : {name}; did you mean {prefix}{near}{suffix}?")
        }
        Some(_) => format!("Invalid Condition type : {name}; did you mean Null?"),
        None => format!("Invalid Condition type : {name}"),
    }
}

fn condition(
    operator: Operator,
    name: &str,
    key: &str,
    values: &Value,
    place: Place<'_>,
) -> Result<Condition, PolicyError> {
    let path = format!("Condition.{name}.{key}");
    if !key.split_once(':').is_some_and(|(prefix, rest)| !prefix.is_empty() && !rest.is_empty()) {
        return Err(place.error(&path, format!("Policy has an invalid condition key: {key:?} is not PREFIX:NAME")));
    }
    let texts = condition_values(values, &path, place)?;
    let read = texts.iter().map(|(path, text)| {
        Wanted::parse(text, operator.comparison, place.variables).map_err(|what| {
            place.error(path, format!("Invalid value in Condition: {name} wants {what}, {text:?} is not"))
        })
    });
    Ok(Condition {
        operator,
        operator_name: name.to_owned(),
        key_name: key.to_owned(),
        key: key.to_ascii_lowercase(),
        values: read.collect::<Result<_, _>>()?,
        texts: texts.iter().map(|(_, text)| text.clone()).collect(),
    })
}

/// Values may be JSON numbers and booleans, too.
fn condition_values(values: &Value, path: &str, place: Place<'_>) -> Result<Vec<(String, String)>, PolicyError> {
    let scalar = |path: String, value: &Value| match value {
        Value::String(text) => Ok((path, text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((path, value.to_string())),
        _ => Err(place.error(&path, "A condition's value is a string, a number, true, false, or a list of them")),
    };
    match values {
        Value::Array(items) if items.is_empty() => Err(place.error(path, "A condition has an empty list of values")),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| scalar(format!("{path}[{index}]"), item)).collect()
        }
        value => Ok(vec![scalar(path.to_owned(), value)?]),
    }
}
