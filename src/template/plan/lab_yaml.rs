//! `lab.yaml`: several stacks with account, Region and parameters; buckets with what they hold at the start; the organization
//! of the accounts and their names of zones; servers that stand behind services; where notifications go.
//!
//! Read by the same document reader as templates, so that its errors have places too.

use std::path::Path;

use super::super::document::{Map, Value};
use super::super::error::{Diagnostic, did_you_mean};
use super::super::{Files, LoadOptions, document};
use super::{Plan, PlannedSeed, PlannedStack, backends, beside, name_of, notifications, place, unreadable, zones};

const KEYS: [&str; 8] =
    ["name", "stacks", "seed", "organization", "availability_zones", "backends", "notifications", "expect"];
const STACK_KEYS: [&str; 4] = ["template", "account", "region", "parameters"];

/// Reads a `lab.yaml` and the templates that it names.
pub(super) fn read(
    files: &dyn Files,
    path: &Path,
    document: &Value,
    options: &LoadOptions,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let map = document.as_map().map(Vec::as_slice).unwrap_or_default();
    unknown_keys(map, &KEYS, "a lab.yaml", &mut errors);
    if document.get("stacks").is_none() && errors.is_empty() {
        let help = "add `stacks`, such as `stacks: {app: {template: app.yaml}}`";
        errors.push(Diagnostic::at(&document.span, "the lab has no `stacks`").help(help));
    }
    let name = match document.get("name").map(|value| (value, value.as_text())) {
        None => name_of(path),
        Some((_, Some(text))) if is_name(text) => text.to_owned(),
        Some((value, _)) => {
            errors.push(Diagnostic::at(&value.span, "a lab's name is letters, digits and dashes"));
            String::new()
        }
    };
    let mut stacks = Vec::new();
    for (key, value) in section(document, "stacks", &mut errors) {
        match stack(files, path, key, value, options) {
            Ok(stack) => stacks.push(stack),
            Err(new) => errors.extend(new),
        }
    }
    let mut seeds = Vec::new();
    if document.get("seed").is_some() {
        for (bucket, folder) in section(document, "seed", &mut errors) {
            match folder.as_text() {
                Some(folder) => seeds.push(PlannedSeed { bucket: bucket.clone(), folder: beside(path, folder) }),
                None => errors.push(Diagnostic::at(
                    &folder.span,
                    format!("a folder is expected here, not {}", folder.describe()),
                )),
            }
        }
    }
    let organization = document.get("organization").and_then(|value| organization(value, &mut errors));
    let zone_names = zones::read(section(document, "availability_zones", &mut errors), &mut errors);
    let mut backends = Vec::new();
    if document.get("backends").is_some() {
        for (service, value) in section(document, "backends", &mut errors) {
            match backends::read(path, service, value) {
                Ok(backend) => backends.push(backend),
                Err(new) => errors.extend(new),
            }
        }
    }
    let mut topics = Vec::new();
    if document.get("notifications").is_some() {
        for (topic, value) in section(document, "notifications", &mut errors) {
            match notifications::read(topic, value) {
                Ok(topic) => topics.push(topic),
                Err(error) => errors.push(error),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let expect = document.get("expect").cloned();
    Ok(Plan { organization, zone_names, backends, topics, expect, stacks, seeds, ..Plan::new(name, path) })
}

/// The id of an organization: `o-` and 10 to 32 letters and digits
/// (<https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html>).
fn organization(value: &Value, errors: &mut Vec<Diagnostic>) -> Option<String> {
    let is_id = |id: &str| {
        let rest = id.strip_prefix("o-").unwrap_or_default();
        (10..=32).contains(&rest.len()) && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let id = value.as_text().filter(|id| is_id(id));
    if id.is_none() {
        let message = "an organization's id is `o-` and 10 to 32 small letters and digits";
        errors.push(Diagnostic::at(&value.span, message).help("write one such as o-exampleorgid"));
    }
    id.map(str::to_owned)
}

fn stack(
    files: &dyn Files,
    lab: &Path,
    key: &document::Key,
    value: &Value,
    options: &LoadOptions,
) -> Result<PlannedStack, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    if !is_name(&key.text) {
        errors.push(Diagnostic::at(&key.span, "a stack's name is letters, digits and dashes"));
    }
    let Some(map) = value.as_map() else {
        let message = format!("stack `{}` is {}, not a map", key.text, value.describe());
        errors.push(Diagnostic::at(&value.span, message).help("write `{template: FILE}`"));
        return Err(errors);
    };
    unknown_keys(map, &STACK_KEYS, "a stack", &mut errors);
    let place = place(value.get("account"), value.get("region"), options).map_err(|new| errors.extend(new));
    let parameters = section(value, "parameters", &mut errors).clone();
    let document = template(files, lab, key.span.clone(), value).map_err(|error| errors.push(error));
    let (Ok((account, region)), Ok(document), []) = (place, document, errors.as_slice()) else {
        return Err(errors);
    };
    let (name, span) = (key.text.clone(), key.span.clone());
    Ok(PlannedStack { name, account, region, document, parameters, needs: Vec::new(), span })
}

fn template(files: &dyn Files, lab: &Path, stack: super::Span, value: &Value) -> Result<Value, Diagnostic> {
    let Some(template) = value.get("template") else {
        return Err(Diagnostic::at(&stack, "the stack has no `template`").help("add `template: FILE`"));
    };
    let Some(written) = template.as_text() else {
        return Err(Diagnostic::at(&template.span, format!("a file is expected here, not {}", template.describe())));
    };
    let path = beside(lab, written);
    let text = files.read(&path).map_err(|error| unreadable(&path, &error, Some(&template.span)))?;
    document::read(&path.display().to_string(), &text)
}

fn section<'a>(document: &'a Value, name: &str, errors: &mut Vec<Diagnostic>) -> &'a Map {
    static EMPTY: Map = Map::new();
    let value = document.get(name);
    value.and_then(Value::as_map).unwrap_or_else(|| {
        if let Some(value) = value {
            errors.push(Diagnostic::at(&value.span, format!("`{name}` must be a map, not {}", value.describe())));
        }
        &EMPTY
    })
}

pub(super) fn unknown_keys(map: &[(document::Key, Value)], known: &[&str], what: &str, errors: &mut Vec<Diagnostic>) {
    for (key, _) in map {
        if !known.contains(&key.text.as_str()) {
            let help = did_you_mean(&key.text, known.iter().copied())
                .unwrap_or_else(|| format!("known are {}", known.join(", ")));
            errors.push(Diagnostic::at(&key.span, format!("`{}` is not a key of {what}", key.text)).help(help));
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
