//! Policy documents among a resource's properties: as the model takes them, with the place of each statement.
//!
//! A broken document is told here and not by the model's refusal, because only here it is known where each member is
//! written. What is not emulated stands in a policy as an ARN that nobody has.

use super::document::{Kind, Map, Value};
use super::error::{Diagnostic, Span};
use super::properties::Properties;
use crate::model::PolicyDocument;
use crate::policy;

impl Properties {
    /// A policy: a map, or its text as JSON.
    pub fn policy(&mut self, name: &str, kind: policy::Kind) -> Option<PolicyDocument> {
        let value = self.take(name)?;
        let read = match &value.kind {
            // As a text its whitespace counts, and two members of a name are seen.
            Kind::Text(text) => policy::Document::parse(text, kind).map(|document| document.json().clone()),
            Kind::Map(_) => {
                let mut json = value.to_json();
                self.notice_unemulated(name, &value);
                settle(&mut json);
                policy::Document::from_json(&json, kind).map(|_| json)
            }
            _ => {
                self.wrong(name, &value, "a map");
                return None;
            }
        };
        match read {
            Ok(json) => Some(PolicyDocument { value: json, places: places(&value) }),
            Err(error) => {
                let span = match &value.kind {
                    Kind::Text(text) => place_in_text(&value.span, text, error.position),
                    _ => error.path.as_deref().map_or_else(|| value.span.clone(), |path| place_of(&value, path)),
                };
                self.problem(Diagnostic::at(&span, format!("{}: {error}", PolicyDocument::code(kind))));
                None
            }
        }
    }

    /// Adds what is wrong with a bucket's policy beyond its grammar, at the member that it is about.
    pub fn policy_error(&mut self, name: &str, error: &policy::PolicyError) {
        let path = error.path.as_deref().unwrap_or_default();
        let span = self.value_of(name).map_or_else(|| self.span_of(name), |value| place_of(value, path));
        self.problem(Diagnostic::at(&span, format!("{}: {error}", PolicyDocument::code(policy::Kind::Resource))));
    }

    /// A policy that must be there.
    pub fn required_policy(&mut self, name: &str, kind: policy::Kind) -> PolicyDocument {
        let policy = self.policy(name, kind);
        if policy.is_none() && !self.has(name) {
            self.required_text(name);
        }
        policy.unwrap_or_else(|| serde_json::Value::Null.into())
    }
}

/// Where each statement begins.
fn places(document: &Value) -> Vec<crate::model::Source> {
    match document.get("Statement").map(|statement| (statement, statement.as_list())) {
        Some((_, Some(list))) => list.iter().map(|statement| begin(statement).source()).collect(),
        Some((statement, None)) => vec![begin(statement).source()],
        // A document in one text has its text's place.
        None => match &document.kind {
            Kind::Text(text) => vec![document.span.source(); statements_in(text)],
            _ => Vec::new(),
        },
    }
}

fn statements_in(text: &str) -> usize {
    let document: Option<serde_json::Value> = serde_json::from_str(text).ok();
    match document.as_ref().and_then(|document| document.get("Statement")) {
        Some(serde_json::Value::Array(list)) => list.len(),
        Some(_) => 1,
        None => 0,
    }
}

/// A block map has the place of its first key.
fn begin(value: &Value) -> &Span {
    match value.as_map().map(Vec::as_slice) {
        Some([(first, _), ..]) if first.span.line < value.span.line => &first.span,
        _ => &value.span,
    }
}

/// The place of a member such as `Statement[1].Condition.StringEqual`, or of the innermost part that is written.
fn place_of(document: &Value, path: &str) -> Span {
    let (mut at, mut rest) = (document, path);
    loop {
        rest = rest.trim_start_matches('.');
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            // One statement may stand without a list around it.
            if let Some(list) = at.as_list() {
                let Some(item) = index.parse().ok().and_then(|index: usize| list.get(index)) else { break };
                at = item;
            }
            rest = after;
            continue;
        }
        let Some((key, value)) = at.as_map().and_then(|map| member(map, rest)) else { break };
        rest = &rest[key.text.len()..];
        if rest.is_empty() && value.as_text().is_none() {
            return key.span.clone();
        }
        at = value;
    }
    begin(at).clone()
}

/// The line of a text that goes on for lines, such as a block in YAML.
fn place_in_text(span: &Span, text: &str, position: Option<(usize, usize)>) -> Span {
    let line = position.and_then(|(line, _)| text.lines().nth(line.checked_sub(1)?));
    match line.map(str::trim).filter(|line| !line.is_empty()) {
        Some(line) => span.find(line),
        None => span.clone(),
    }
}

/// The member that a path goes through: names may have dots of their own, so the longest that fits.
fn member<'a>(map: &'a Map, path: &str) -> Option<(&'a super::document::Key, &'a Value)> {
    let fits = |key: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let fitting = map.iter().filter(|(key, _)| fits(&key.text));
    fitting.max_by_key(|(key, _)| key.text.len()).map(|(key, value)| (key, value))
}

/// Text that stands for what is not emulated in a map (see [`super::document::Unemulated`]).
const NOT_EMULATED: &str = "not-emulated-";

/// Makes a policy of what YAML made something else of: an account's number is text, and what is not emulated is an ARN that
/// nobody has, since the grammar wants ARNs.
fn settle(document: &mut serde_json::Value) {
    let statements = match document.get_mut("Statement") {
        Some(serde_json::Value::Array(list)) => list.as_mut_slice(),
        Some(statement) => std::slice::from_mut(statement),
        None => return,
    };
    for statement in statements {
        for member in ["Resource", "NotResource"] {
            statement.get_mut(member).into_iter().for_each(|value| prefix(value, "arn:aws:not-emulated:::"));
        }
        for member in ["Principal", "NotPrincipal"] {
            let named = statement.get_mut(member).and_then(|principal| principal.get_mut("AWS"));
            named.into_iter().for_each(|value| {
                prefix(value, "arn:aws:iam::000000000000:role/");
                spell(value);
            });
        }
    }
}

fn spell(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) => *value = number.to_string().into(),
        serde_json::Value::Array(list) => list.iter_mut().for_each(spell),
        _ => {}
    }
}

fn prefix(value: &mut serde_json::Value, before: &str) {
    match value {
        serde_json::Value::String(text) if text.starts_with(NOT_EMULATED) => text.insert_str(0, before),
        serde_json::Value::Array(list) => list.iter_mut().for_each(|item| prefix(item, before)),
        _ => {}
    }
}
