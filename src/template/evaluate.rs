//! Values as written to values as meant: references and functions.
//!
//! A resource's properties are evaluated when everything that they mention has been made, so that `Ref` and
//! `Fn::GetAtt` are look-ups in the world. What only an object that vpclab does not emulate could tell stays
//! [`Kind::Unemulated`] where it stands alone, and becomes a placeholder inside of a longer text.

mod functions;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::{Key, Kind, Map, Unemulated, Value};
use super::error::{Diagnostic, Span, did_you_mean};
use super::references::{Piece, attribute_of, pieces, split_attribute};
use crate::model::World;

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Stop {
    /// Because of these errors.
    Errors(Vec<Diagnostic>),
    /// Because of something whose error is already told.
    Silent,
    /// Because it, or something that it needs, is not emulated: the reason.
    Unemulated(String),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Errors(vec![diagnostic])
    }
}

/// What became of a resource.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is in the world.
    Made(Made),
    /// Its condition is false.
    Absent,
    /// Not emulated.
    Unemulated(Arc<Unemulated>),
    /// Its error is told.
    Failed,
}

/// A resource that is in the world.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// What `Ref` gives.
    pub reference: String,
    /// The object of the world that `Fn::GetAtt` asks.
    pub object: Option<String>,
    /// Attributes that the world does not hold.
    pub attributes: BTreeMap<&'static str, String>,
}

/// All that a stack's values can mention.
#[derive(Debug)]
pub(super) struct Scope {
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::StackName`.
    pub stack: String,
    /// Parameters with their values.
    pub parameters: BTreeMap<String, Value>,
    /// `Mappings`.
    pub mappings: Map,
    /// Conditions with their values, as far as they are known.
    pub conditions: BTreeMap<String, bool>,
    /// Resources with what became of them, as far as they are reached.
    pub resources: BTreeMap<String, Outcome>,
}

/// Exported values by account, Region and name.
pub(super) type Exports = BTreeMap<(String, String, String), Value>;

/// Evaluates values of one stack.
#[derive(Clone, Copy)]
pub(super) struct Evaluator<'a> {
    pub scope: &'a Scope,
    pub world: &'a World,
    pub exports: &'a Exports,
}

/// Bytes of a text that a function may make: `Fn::Sub` can double at each step.
const MAXIMUM_TEXT: usize = 1 << 20;

/// Pseudo parameters.
pub(super) const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Attributes that exist on AWS and say what vpclab does not emulate, or what an object need not have.
const UNEMULATED_ATTRIBUTES: [&str; 7] =
    ["CreateDate", "CreationTimestamp", "Ipv6Addresses", "OutpostArn", "PrimaryIpv6Address", "PublicIp", "UpdateDate"];

impl Evaluator<'_> {
    /// Evaluates a value; lists and maps lose what is `AWS::NoValue`.
    pub fn evaluate(&self, value: &Value) -> Result<Value, Stop> {
        match &value.kind {
            Kind::List(list) => {
                let mut evaluated = Vec::with_capacity(list.len());
                for item in list {
                    evaluated.push(self.evaluate(item)?);
                }
                evaluated.retain(|value| value.kind != Kind::NoValue);
                Ok(Value::new(Kind::List(evaluated), &value.span))
            }
            Kind::Map(map) => match function_call(map)? {
                Some((function, argument)) => {
                    let result = self.call(function, argument)?;
                    // The place of use is what the reader of an error looks for.
                    Ok(Value { kind: result, span: value.span.clone() })
                }
                None => {
                    let mut evaluated = Vec::with_capacity(map.len());
                    for (key, value) in map {
                        evaluated.push((key.clone(), self.evaluate(value)?));
                    }
                    evaluated.retain(|(_, value)| value.kind != Kind::NoValue);
                    Ok(Value::new(Kind::Map(evaluated), &value.span))
                }
            },
            Kind::Null => Err(Diagnostic::at(&value.span, "a value is missing: templates can't hold null")
                .help("write a value, or remove the key")
                .into()),
            _ => Ok(value.clone()),
        }
    }

    /// Evaluates to text; numbers and booleans are text.
    pub fn text(&self, value: &Value) -> Result<String, Stop> {
        let evaluated = self.evaluate(value)?;
        text_of(&evaluated).map_err(Stop::from)
    }

    /// What `Ref` gives.
    fn reference(&self, name: &str, span: &Span) -> Result<Kind, Stop> {
        if let Some(parameter) = self.scope.parameters.get(name) {
            return Ok(parameter.kind.clone());
        }
        if let Some(kind) = self.pseudo(name) {
            return Ok(kind);
        }
        match self.scope.resources.get(name) {
            Some(Outcome::Made(made)) => Ok(Kind::Text(made.reference.clone())),
            Some(Outcome::Unemulated(unemulated)) => Ok(Kind::Unemulated(Arc::clone(unemulated))),
            Some(Outcome::Failed) => Err(Stop::Silent),
            Some(Outcome::Absent) => Err(self.absent(name, span)),
            None => Err(self.unknown(name, span)),
        }
    }

    fn absent(&self, name: &str, span: &Span) -> Stop {
        Diagnostic::at(span, format!("`{name}` does not exist: its condition is false"))
            .help("put this into an `Fn::If` with the same condition")
            .into()
    }

    fn unknown(&self, name: &str, span: &Span) -> Stop {
        let names = self.scope.parameters.keys().chain(self.scope.resources.keys()).map(String::as_str);
        Diagnostic::at(span, format!("`{name}` is no parameter and no resource that can be mentioned here"))
            .maybe_help(did_you_mean(name, names.chain(PSEUDO_PARAMETERS)))
            .into()
    }

    fn pseudo(&self, name: &str) -> Option<Kind> {
        let scope = self.scope;
        let china = scope.region.starts_with("cn-");
        let partition = match scope.region.as_str() {
            _ if china => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let text = match name {
            "AWS::AccountId" => scope.account.clone(),
            "AWS::Region" => scope.region.clone(),
            "AWS::StackName" => scope.stack.clone(),
            "AWS::Partition" => partition.to_owned(),
            "AWS::URLSuffix" => format!("amazonaws.com{}", if china { ".cn" } else { "" }),
            "AWS::StackId" => {
                let Scope { account, region, stack, .. } = scope;
                format!("arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/{}", stack_uuid(scope))
            }
            "AWS::NotificationARNs" => return Some(Kind::List(Vec::new())),
            "AWS::NoValue" => return Some(Kind::NoValue),
            _ => return None,
        };
        Some(Kind::Text(text))
    }

    /// What `Fn::GetAtt` gives.
    fn get_attribute(&self, name: &str, attribute: &str, span: &Span) -> Result<Kind, Stop> {
        let made = match self.scope.resources.get(name) {
            Some(Outcome::Made(made)) => made,
            Some(Outcome::Unemulated(unemulated)) => return Ok(Kind::Unemulated(Arc::clone(unemulated))),
            Some(Outcome::Failed) => return Err(Stop::Silent),
            Some(Outcome::Absent) => return Err(self.absent(name, span)),
            None => return Err(self.unknown(name, span)),
        };
        if let Some(text) = made.attributes.get(attribute) {
            return Ok(Kind::Text(text.clone()));
        }
        let known = made.object.as_deref().and_then(|object| self.world.attribute(object, attribute));
        match known {
            // A template takes the first of these blocks, and there is none.
            Some(serde_json::Value::Array(blocks)) if attribute == "Ipv6CidrBlocks" && blocks.is_empty() => {
                Ok(Kind::Unemulated(Arc::new(Unemulated { logical_id: name.to_owned(), because: "IPv6".to_owned() })))
            }
            Some(json) => Ok(from_json(&json, span)),
            None if UNEMULATED_ATTRIBUTES.contains(&attribute) => {
                let because = format!("attribute {attribute}");
                Ok(Kind::Unemulated(Arc::new(Unemulated { logical_id: name.to_owned(), because })))
            }
            None => Err(Diagnostic::at(span, format!("`{name}` has no attribute `{attribute}`"))
                .help("the AWS resource reference lists the attributes below \"Return values\"")
                .into()),
        }
    }

    /// `Fn::Sub`, both forms.
    fn substitute(&self, argument: &Value) -> Result<Kind, Stop> {
        let (text, own) = match argument.as_list() {
            None => (argument, None),
            Some([text, own]) => (text, Some(own)),
            Some(_) => {
                return Err(
                    Diagnostic::at(&argument.span, "`Fn::Sub` takes a text, or a list of a text and a map").into()
                );
            }
        };
        let Kind::Text(template) = &text.kind else {
            let message = format!("`Fn::Sub` takes a text, not {}", text.describe());
            return Err(Diagnostic::at(&text.span, message).into());
        };
        let own = match own {
            None => None,
            Some(own) => Some(own.as_map().ok_or_else(|| {
                Diagnostic::at(&own.span, format!("the variables of `Fn::Sub` are a map, not {}", own.describe()))
            })?),
        };
        let mut result = String::new();
        for piece in pieces(template) {
            match piece {
                Piece::Text(text) => result.push_str(text),
                Piece::Name(name) => {
                    let span = text.span.find(&format!("${{{name}}}"));
                    result.push_str(&self.substitution(name, own, &span)?);
                }
            }
            self.check_length(&result, &argument.span)?;
        }
        Ok(Kind::Text(result))
    }

    fn substitution(&self, name: &str, own: Option<&Map>, span: &Span) -> Result<String, Stop> {
        if let Some((_, value)) = own.and_then(|own| own.iter().find(|(key, _)| key.text == name)) {
            return self.text(value);
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')) {
            return Err(Diagnostic::at(span, format!("`${{{name}}}` is not a name that `Fn::Sub` can replace"))
                .help(format!("write `${{!{name}}}` for the text itself, as a shell script needs it"))
                .into());
        }
        let kind = match split_attribute(name) {
            (name, None) => self.reference(name, span)?,
            (name, Some(attribute)) => self.get_attribute(name, attribute, span)?,
        };
        let value = Value::new(kind, span);
        text_of(&value).map_err(|_| {
            let message = format!("`${{{name}}}` is {}, and only text fits into a text", value.describe());
            Diagnostic::at(span, message).help("use `Fn::Join` for a list").into()
        })
    }

    fn check_length(&self, text: &str, span: &Span) -> Result<(), Stop> {
        match text.len() <= MAXIMUM_TEXT {
            true => Ok(()),
            false => Err(Diagnostic::at(span, format!("the text grows beyond {MAXIMUM_TEXT} bytes")).into()),
        }
    }
}

/// The function that a map calls: it stands alone in it.
fn function_call(map: &Map) -> Result<Option<(&Key, &Value)>, Diagnostic> {
    let is_function = |key: &Key| key.text == "Ref" || key.text.starts_with("Fn::");
    match map.as_slice() {
        [(key, argument)] if is_function(key) => Ok(Some((key, argument))),
        _ => match map.iter().find(|(key, _)| key.text.starts_with("Fn::")) {
            Some((key, _)) => Err(Diagnostic::at(&key.span, format!("`{}` must stand alone in its map", key.text))),
            None => Ok(None),
        },
    }
}

/// The text of an evaluated value.
pub(super) fn text_of(value: &Value) -> Result<String, Diagnostic> {
    match &value.kind {
        Kind::Unemulated(unemulated) => Ok(unemulated.placeholder()),
        Kind::NoValue => Ok(String::new()),
        _ => value
            .as_text()
            .map(str::to_owned)
            .ok_or_else(|| Diagnostic::at(&value.span, format!("text is expected here, not {}", value.describe()))),
    }
}

/// A value of the world as a value of a template.
fn from_json(json: &serde_json::Value, span: &Span) -> Kind {
    match json {
        serde_json::Value::Null => Kind::NoValue,
        serde_json::Value::Bool(boolean) => Kind::Bool(*boolean),
        serde_json::Value::Number(number) => Kind::Number(number.to_string()),
        serde_json::Value::String(text) => Kind::Text(text.clone()),
        serde_json::Value::Array(list) => {
            Kind::List(list.iter().map(|item| Value::new(from_json(item, span), span)).collect())
        }
        serde_json::Value::Object(map) => Kind::Map(
            map.iter()
                .map(|(key, value)| {
                    (Key { text: key.clone(), span: span.clone() }, Value::new(from_json(value, span), span))
                })
                .collect(),
        ),
    }
}

/// A UUID's form from what names the stack, the same at every `up`.
fn stack_uuid(scope: &Scope) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("stack {} {} {}", scope.account, scope.region, scope.stack));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
