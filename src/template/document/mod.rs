//! A document as written: one tree of values, each with its place, from YAML or JSON.
//!
//! Why one tree of our own: CloudFormation's YAML has tags (`!Ref`), keeps scalars as text (`012345678901` is an account,
//! not a number), and its errors must point at a line. Short tags become their long form at once (`!Ref x` is
//! `{Ref: x}`), so that the rest of the room knows one form. It does not know what a template is.

mod json;
mod yaml;

use std::collections::HashMap;
use std::sync::Arc;

use super::error::{Diagnostic, File, Span};

/// Nesting that is read at most; keeps recursion over a document bounded.
pub(super) const MAXIMUM_DEPTH: usize = 100;

/// Bytes that are read at most. CloudFormation takes a million; CDK manifests may be larger.
const MAXIMUM_SIZE: usize = 8 << 20;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it is written.
    pub span: Span,
}

/// Kinds of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map in the order of writing; keys are unique.
    Map(Map),
    /// Only after evaluation: `AWS::NoValue`, removes what it stands for.
    NoValue,
    /// Only after evaluation: what only an object that vpclab does not emulate could tell.
    Unemulated(Arc<Unemulated>),
}

/// The object behind a value that can't be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unemulated {
    /// Logical id.
    pub logical_id: String,
    /// Why it is not there, such as its type.
    pub because: String,
}

/// A map in the order of writing.
pub type Map = Vec<(Key, Value)>;

/// A key and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it is written.
    pub span: Span,
}

impl Value {
    /// A value at a place.
    pub fn new(kind: Kind, span: &Span) -> Self {
        Self { kind, span: span.clone() }
    }

    /// Text at a place.
    pub fn text(text: impl Into<String>, span: &Span) -> Self {
        Self::new(Kind::Text(text.into()), span)
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|map| map.iter().find(|(k, _)| k.text == key)).map(|(_, value)| value)
    }

    /// The map, when it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, when it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match &self.kind {
            Kind::List(list) => Some(list),
            _ => None,
        }
    }

    /// The text of a scalar; numbers and booleans are text as well, as CloudFormation reads them.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(text) => Some(text),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing (null)",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::NoValue => "AWS::NoValue",
            Kind::Unemulated(_) => "a value of something that is not emulated",
        }
    }

    /// The same value as JSON, for policies. Numbers that JSON can't write stay text.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Null | Kind::NoValue => serde_json::Value::Null,
            Kind::Bool(boolean) => (*boolean).into(),
            Kind::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
            Kind::Text(text) => text.clone().into(),
            Kind::List(list) => list.iter().map(Self::to_json).collect(),
            Kind::Map(map) => map.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect(),
            Kind::Unemulated(unemulated) => unemulated.placeholder().into(),
        }
    }
}

impl Unemulated {
    /// Text that stands where the object's own would.
    pub fn placeholder(&self) -> String {
        format!("not-emulated-{}", self.logical_id)
    }

    /// For messages: `` `Nat` (AWS::EC2::NatGateway, not emulated)``.
    pub fn describe(&self) -> String {
        format!("`{}` ({}, not emulated)", self.logical_id, self.because)
    }
}

/// Reads a document.
///
/// A file that ends in `.json`, and any other that begins with `{` and is JSON, is JSON; the rest is YAML.
pub fn read(name: &str, text: &str) -> Result<Value, Diagnostic> {
    let file = Arc::new(File { name: name.into(), text: text.trim_start_matches('\u{feff}').to_owned() });
    if text.len() > MAXIMUM_SIZE {
        let message = format!("the file has {} bytes; at most {MAXIMUM_SIZE} are read", text.len());
        return Err(Diagnostic::at(&Span::start_of(&file), message));
    }
    if name.ends_with(".json") {
        return json::read(&file);
    }
    let mut begin = file.text.chars().filter(|c| !c.is_whitespace());
    if begin.next() != Some('{') {
        return yaml::read(&file);
    }
    // Flow style is YAML too. Of two errors, the one of the more likely language.
    let is_json_like = matches!(begin.next(), Some('"' | '}'));
    json::read(&file).or_else(|error| yaml::read(&file).map_err(|other| if is_json_like { error } else { other }))
}

/// Refuses a key that a map already has: which of the two was meant is anyone's guess.
struct UniqueKeys(HashMap<String, usize>);

impl UniqueKeys {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn insert(&mut self, key: &Key) -> Result<(), Diagnostic> {
        match self.0.insert(key.text.clone(), key.span.line) {
            None => Ok(()),
            Some(line) => Err(Diagnostic::at(&key.span, format!("the key `{}` is here twice", key.text))
                .help(format!("the first is on line {line}; remove or rename one of them"))),
        }
    }
}

fn too_deep(span: &Span) -> Diagnostic {
    Diagnostic::at(span, format!("nested more than {MAXIMUM_DEPTH} levels deep"))
}
