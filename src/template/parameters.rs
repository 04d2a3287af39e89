//! `Parameters`: which value each has and whether it may have it.
//!
//! A value comes from `--param`, else from `lab.yaml`, else from `Default`. SSM-typed parameters hold the name of an
//! `AWS::SSM::Parameter`: one of the lab, when there is one; a value that the user gives stands for itself otherwise. What
//! a lab has no use for (images, CDK's bootstrap version, key pairs) gets a placeholder and a notice.

use std::collections::BTreeMap;

use super::document::{Key, Kind, Value};
use super::error::{Diagnostic, did_you_mean};
use super::notice::{Notice, NoticeKind};
use super::sections::Template;

/// SSM parameters of the lab, by account, Region and name.
pub(super) type SsmParameters = BTreeMap<(String, String, String), String>;

/// A stack's view of the SSM parameters.
pub(super) struct Ssm<'a> {
    pub account: &'a str,
    pub region: &'a str,
    pub parameters: &'a SsmParameters,
}

/// Stands for an image that no guest has.
const IMAGE_PLACEHOLDER: &str = "ami-00000000000000000";

/// Higher than what CDK's templates ask for (6 today).
const BOOTSTRAP_VERSION: &str = "999";

const ATTRIBUTES: [&str; 11] = [
    "Type",
    "Default",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "Description",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
];

impl Ssm<'_> {
    /// The lab's value of an SSM parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let key = (self.account.to_owned(), self.region.to_owned(), name.to_owned());
        self.parameters.get(&key).map(String::as_str)
    }

    /// The value for a name: the lab's own, or a placeholder for AWS's public ones that have no effect here.
    pub fn resolve(&self, name: &str, value_type: &str) -> Option<(String, bool)> {
        if let Some(value) = self.get(name) {
            return Some((value.to_owned(), false));
        }
        let is_image = name.starts_with("/aws/service/") || value_type.contains("AWS::EC2::Image::Id");
        let is_bootstrap = name.starts_with("/cdk-bootstrap/");
        match (is_image, is_bootstrap) {
            (true, _) => Some((IMAGE_PLACEHOLDER.to_owned(), true)),
            (_, true) => Some((BOOTSTRAP_VERSION.to_owned(), true)),
            _ => None,
        }
    }
}

/// Decides the value of each parameter of a template.
pub(super) fn decide(
    template: &Template,
    stack: &str,
    given: &[(Key, Value)],
    ssm: &Ssm<'_>,
    notices: &mut Vec<Notice>,
) -> Result<BTreeMap<String, Value>, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut values = BTreeMap::new();
    for (key, _) in given {
        if !template.parameters.iter().any(|(parameter, _)| parameter.text == key.text) {
            let names = template.parameters.iter().map(|(key, _)| key.text.as_str());
            let message = format!("stack `{stack}` has no parameter `{}`", key.text);
            errors.push(Diagnostic::at(&key.span, message).maybe_help(did_you_mean(&key.text, names)));
        }
    }
    for (key, declaration) in &template.parameters {
        // The last one given wins: the command line comes after `lab.yaml`.
        let given = given.iter().rev().find(|(given, _)| given.text == key.text).map(|(_, value)| value);
        match (Parameter { key, declaration, stack }).decide(given, ssm, notices) {
            Ok(value) => drop(values.insert(key.text.clone(), value)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

struct Parameter<'a> {
    key: &'a Key,
    declaration: &'a Value,
    stack: &'a str,
}

impl Parameter<'_> {
    fn decide(&self, given: Option<&Value>, ssm: &Ssm<'_>, notices: &mut Vec<Notice>) -> Result<Value, Diagnostic> {
        let Parameter { key, declaration, stack } = self;
        let name = &key.text;
        let attributes = declaration.as_map().ok_or_else(|| {
            Diagnostic::at(
                &declaration.span,
                format!("parameter `{name}` must be a map, not {}", declaration.describe()),
            )
        })?;
        if let Some((unknown, _)) = attributes.iter().find(|(key, _)| !ATTRIBUTES.contains(&key.text.as_str())) {
            let message = format!("`{}` is not an attribute of a parameter", unknown.text);
            return Err(Diagnostic::at(&unknown.span, message).maybe_help(did_you_mean(&unknown.text, ATTRIBUTES)));
        }
        let type_name = self.type_name()?;
        let written = given.or_else(|| declaration.get("Default"));
        if let Some(value_type) =
            type_name.strip_prefix("AWS::SSM::Parameter::Value<").and_then(|t| t.strip_suffix('>'))
        {
            return self.decide_ssm(written, given.is_some(), value_type, ssm, notices);
        }
        let Some(written) = written else {
            if matches!(type_name, "AWS::EC2::Image::Id" | "AWS::EC2::KeyPair::KeyName") {
                let placeholder = if type_name == "AWS::EC2::Image::Id" { IMAGE_PLACEHOLDER } else { "none" };
                self.placeholder(placeholder, notices);
                return Ok(Value::text(placeholder, &key.span));
            }
            return Err(Diagnostic::at(&key.span, format!("parameter `{name}` of stack `{stack}` has no value"))
                .help(format!("give one: `--param {stack}.{name}=VALUE`, `parameters` in lab.yaml, or a `Default`")));
        };
        let text = joined(written).ok_or_else(|| {
            Diagnostic::at(&written.span, format!("parameter `{name}` takes text, not {}", written.describe()))
        })?;
        let value = typed(type_name, &text, written);
        self.check(type_name, &text, &value, written, notices)?;
        Ok(value)
    }

    fn type_name(&self) -> Result<&str, Diagnostic> {
        let name = &self.key.text;
        let Some(value) = self.declaration.get("Type") else {
            return Err(
                Diagnostic::at(&self.key.span, format!("parameter `{name}` has no `Type`")).help("add `Type: String`")
            );
        };
        let type_name = value.as_text().unwrap_or_default();
        let inner = type_name.strip_prefix("List<").and_then(|t| t.strip_suffix('>')).unwrap_or(type_name);
        match inner {
            "String" | "Number" | "CommaDelimitedList" => Ok(type_name),
            _ if inner.starts_with("AWS::") => Ok(type_name),
            _ => Err(Diagnostic::at(&value.span, format!("`{type_name}` is not a type of a parameter"))
                .maybe_help(did_you_mean(type_name, ["String", "Number", "CommaDelimitedList", "List<Number>"]))),
        }
    }

    fn decide_ssm(
        &self,
        written: Option<&Value>,
        is_given: bool,
        value_type: &str,
        ssm: &Ssm<'_>,
        notices: &mut Vec<Notice>,
    ) -> Result<Value, Diagnostic> {
        let Parameter { key, stack, .. } = self;
        let name = &key.text;
        let text = written.and_then(joined).unwrap_or_default();
        let place = written.map_or(&key.span, |value| &value.span);
        let resolved = match ssm.get(&text) {
            Some(value) => Some((value.to_owned(), false)),
            // What the user gives and no SSM parameter holds is the value itself.
            None if is_given => Some((text.clone(), false)),
            None => ssm.resolve(&text, value_type),
        };
        let Some((value, is_placeholder)) = resolved else {
            return Err(Diagnostic::at(
                place,
                format!("no SSM parameter `{text}` exists for parameter `{name}` of stack `{stack}`"),
            )
            .help(format!(
                "give the value: `--param {stack}.{name}=VALUE`, or add an AWS::SSM::Parameter of that name to another \
                 stack of the lab (this stack's own are made too late for its parameters)"
            )));
        };
        if is_placeholder {
            self.placeholder(&value, notices);
        }
        let written = Value::text(value.clone(), place);
        Ok(typed(value_type, &value, &written))
    }

    fn placeholder(&self, value: &str, notices: &mut Vec<Notice>) {
        let subject = format!("parameter `{}` of stack `{}` is `{value}`", self.key.text, self.stack);
        notices.push(Notice::at(NoticeKind::Placeholder, &self.key.span, subject));
    }

    /// The constraints of the declaration, on each item of a list.
    fn check(
        &self,
        type_name: &str,
        text: &str,
        value: &Value,
        written: &Value,
        notices: &mut Vec<Notice>,
    ) -> Result<(), Diagnostic> {
        let name = &self.key.text;
        let advice = self.declaration.get("ConstraintDescription").and_then(Value::as_text).map(str::to_owned);
        let refuse = |why: String| {
            let shown =
                if self.declaration.get("NoEcho").and_then(Value::as_text) == Some("true") { "****" } else { text };
            Err(Diagnostic::at(&written.span, format!("parameter `{name}` can't be `{shown}`: {why}"))
                .maybe_help(advice.clone()))
        };
        let items: Vec<&str> = match &value.kind {
            Kind::List(list) => list.iter().filter_map(Value::as_text).collect(),
            _ => vec![text],
        };
        for item in items {
            let number = item.parse::<f64>().ok();
            if matches!(type_name, "Number" | "List<Number>") && number.is_none() {
                return refuse(format!("`{item}` is not a number"));
            }
            if let Some(allowed) = self.declaration.get("AllowedValues").and_then(Value::as_list)
                && !allowed.iter().any(|allowed| allowed.as_text() == Some(item))
            {
                let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_text).collect();
                return refuse(format!("allowed are {}", allowed.join(", ")));
            }
            let limit = |attribute: &str| self.declaration.get(attribute).and_then(Value::as_text)?.parse::<f64>().ok();
            let length = item.chars().count() as f64;
            for (attribute, measured) in [("MinLength", Some(length)), ("MinValue", number)] {
                if let (Some(limit), Some(measured)) = (limit(attribute), measured)
                    && measured < limit
                {
                    return refuse(format!("{attribute} is {limit}"));
                }
            }
            for (attribute, measured) in [("MaxLength", Some(length)), ("MaxValue", number)] {
                if let (Some(limit), Some(measured)) = (limit(attribute), measured)
                    && measured > limit
                {
                    return refuse(format!("{attribute} is {limit}"));
                }
            }
            if let Some(pattern) = self.declaration.get("AllowedPattern")
                && !self.matches(pattern, item, notices)
            {
                return refuse(format!("AllowedPattern is {}", pattern.as_text().unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// CloudFormation's patterns are Java's and match the whole text; one that we can't read is listed, not decided.
    fn matches(&self, pattern: &Value, text: &str, notices: &mut Vec<Notice>) -> bool {
        let written = pattern.as_text().unwrap_or_default();
        match regex_lite::Regex::new(&format!("^(?:{written})$")) {
            Ok(regex) => regex.is_match(text),
            Err(_) => {
                let subject =
                    format!("AllowedPattern of parameter `{}`: not a pattern that is understood", self.key.text);
                notices.push(Notice::at(NoticeKind::Ignored, &pattern.span, subject));
                true
            }
        }
    }
}

/// A scalar's text, or a list's items with commas.
fn joined(value: &Value) -> Option<String> {
    match &value.kind {
        Kind::List(list) => list.iter().map(Value::as_text).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        _ => value.as_text().map(str::to_owned),
    }
}

/// Text as a value of a parameter's type.
fn typed(type_name: &str, text: &str, written: &Value) -> Value {
    if type_name != "CommaDelimitedList" && !type_name.starts_with("List<") {
        return Value::text(text, &written.span);
    }
    let items = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    Value::new(Kind::List(items.map(|item| Value::text(item, &written.span)).collect()), &written.span)
}
