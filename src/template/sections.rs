//! A template as written: its sections, each resource with its attributes, nothing evaluated.
//!
//! What CloudFormation does not know is an error (a typo would otherwise be silent); what it knows and a lab has no use
//! for is either without meaning for a network (`DeletionPolicy`) or becomes a notice.

use std::sync::Arc;

use super::document::{Key, Kind, Map, Value};
use super::error::{Diagnostic, File, Span, did_you_mean};
use super::notice::{Notice, NoticeKind};

/// The sections of one template.
#[derive(Debug)]
pub struct Template {
    /// The file.
    pub file: Arc<File>,
    /// `Parameters`.
    pub parameters: Map,
    /// `Rules`.
    pub rules: Map,
    /// `Mappings`.
    pub mappings: Map,
    /// `Conditions`.
    pub conditions: Map,
    /// `Resources`.
    pub resources: Vec<Resource>,
    /// `Outputs`.
    pub outputs: Map,
    /// What is ignored.
    pub notices: Vec<Notice>,
}

/// One entry of `Resources`.
#[derive(Debug)]
pub struct Resource {
    /// Logical id and where it is written.
    pub logical_id: Key,
    /// `Type`.
    pub type_name: String,
    /// `Properties`.
    pub properties: Map,
    /// `Condition`: a name.
    pub condition: Option<Key>,
    /// `DependsOn`: logical ids.
    pub depends_on: Vec<Key>,
}

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];

/// Attributes of a resource; the second group has no meaning for a network.
const ATTRIBUTES: [&str; 9] = [
    "Type",
    "Properties",
    "Condition",
    "DependsOn",
    "CreationPolicy",
    "UpdatePolicy",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
];

impl Template {
    /// Reads the sections of a document; all errors that it has on this level.
    pub fn read(document: &Value) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let Some(map) = document.as_map() else {
            let message = match document.kind {
                Kind::Null => "the template is empty".to_owned(),
                _ => format!("a template is a map of sections, not {}", document.describe()),
            };
            return Err(vec![Diagnostic::at(&document.span, message).help("it needs at least a `Resources` section")]);
        };
        let mut notices = Vec::new();
        for (key, value) in map {
            if !SECTIONS.contains(&key.text.as_str()) {
                let message = format!("`{}` is not a section of a template", key.text);
                errors.push(Diagnostic::at(&key.span, message).maybe_help(did_you_mean(&key.text, SECTIONS)));
            }
            match key.text.as_str() {
                "Transform" => notices.extend(transform_notices(value)),
                "Hooks" => notices.push(Notice::at(NoticeKind::Ignored, &key.span, "section `Hooks`")),
                _ => {}
            }
        }
        let mut section = |name: &str| section(document, name, &mut errors);
        let [parameters, rules, mappings, conditions, resources, outputs] =
            ["Parameters", "Rules", "Mappings", "Conditions", "Resources", "Outputs"].map(&mut section);
        // A misspelt section is told already.
        if document.get("Resources").is_none() && errors.is_empty() {
            errors.push(
                Diagnostic::at(&document.span, "the template has no `Resources`")
                    .help("add a `Resources` section with at least one resource"),
            );
        }
        let resources = resources
            .into_iter()
            .filter_map(|(key, value)| Resource::read(key, &value, &mut notices, &mut errors))
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let file = Arc::clone(&document.span.file);
        Ok(Self { file, parameters, rules, mappings, conditions, resources, outputs, notices })
    }
}

fn section(document: &Value, name: &str, errors: &mut Vec<Diagnostic>) -> Map {
    match document.get(name) {
        None => Map::new(),
        Some(value) => as_map(value, &format!("section `{name}`"), errors),
    }
}

/// The map that something has to be; an error when it is not.
fn as_map(value: &Value, what: &str, errors: &mut Vec<Diagnostic>) -> Map {
    match value.as_map() {
        Some(map) => map.clone(),
        None => {
            errors.push(Diagnostic::at(&value.span, format!("{what} must be a map, not {}", value.describe())));
            Map::new()
        }
    }
}

/// `AWS::LanguageExtensions` needs no macro: the functions that it adds are known here.
fn transform_notices(value: &Value) -> Vec<Notice> {
    let list = value.as_list().unwrap_or(std::slice::from_ref(value));
    list.iter()
        .filter(|transform| transform.as_text() != Some("AWS::LanguageExtensions"))
        .map(|transform| {
            let name = transform.as_text().unwrap_or("a macro");
            Notice::at(NoticeKind::Ignored, &transform.span, format!("transform `{name}`: vpclab runs no macros"))
        })
        .collect()
}

impl Resource {
    fn read(logical_id: Key, value: &Value, notices: &mut Vec<Notice>, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        let id = &logical_id.text;
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            let help = match id.strip_prefix("Fn::ForEach") {
                Some(_) => "`Fn::ForEach` is not emulated: write the resources out",
                None => "use letters and digits only",
            };
            errors.push(Diagnostic::at(&logical_id.span, format!("`{id}` is not a logical id")).help(help));
            return None;
        }
        let map = value.as_map().or_else(|| {
            errors
                .push(Diagnostic::at(&value.span, format!("resource `{id}` must be a map, not {}", value.describe())));
            None
        })?;
        for (key, _) in map {
            if !ATTRIBUTES.contains(&key.text.as_str()) {
                let message = format!("`{}` is not an attribute of a resource", key.text);
                let help = did_you_mean(&key.text, ATTRIBUTES)
                    .unwrap_or_else(|| format!("write `{}` below `Properties` of `{id}`", key.text));
                errors.push(Diagnostic::at(&key.span, message).help(help));
            } else if matches!(key.text.as_str(), "CreationPolicy" | "UpdatePolicy") {
                notices.push(Notice::at(NoticeKind::Ignored, &key.span, format!("{} of `{id}`", key.text)));
            }
        }
        let Some(type_name) = value.get("Type") else {
            let message = format!("resource `{id}` has no `Type`");
            errors.push(Diagnostic::at(&logical_id.span, message).help("add one, such as `Type: AWS::EC2::VPC`"));
            return None;
        };
        let Kind::Text(type_name) = &type_name.kind else {
            let message = format!("`Type` of resource `{id}` must be text, not {}", type_name.describe());
            errors.push(Diagnostic::at(&type_name.span, message));
            return None;
        };
        let properties = match value.get("Properties") {
            Some(properties) => as_map(properties, &format!("`Properties` of `{id}`"), errors),
            None => Map::new(),
        };
        let condition = value.get("Condition").and_then(|name| text_key(name, "Condition", errors));
        let depends_on = match value.get("DependsOn") {
            None => Vec::new(),
            Some(value) => {
                let list = value.as_list().unwrap_or(std::slice::from_ref(value));
                list.iter().filter_map(|name| text_key(name, "DependsOn", errors)).collect()
            }
        };
        Some(Self { type_name: type_name.clone(), properties, condition, depends_on, logical_id })
    }

    /// The name for messages: ``AWS::EC2::VPC `Vpc` ``.
    pub fn title(&self) -> String {
        format!("{} `{}`", self.type_name, self.logical_id.text)
    }

    /// Where it begins.
    pub fn span(&self) -> &Span {
        &self.logical_id.span
    }
}

fn text_key(value: &Value, what: &str, errors: &mut Vec<Diagnostic>) -> Option<Key> {
    match &value.kind {
        Kind::Text(text) => Some(Key { text: text.clone(), span: value.span.clone() }),
        _ => {
            errors.push(Diagnostic::at(&value.span, format!("`{what}` must be text, not {}", value.describe())));
            None
        }
    }
}
