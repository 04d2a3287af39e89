//! A policy document as written to as meant.

use std::collections::HashSet;

use serde_json::Value;

use super::statement::{Place, Statement, unknown_member};
use super::text;

/// Where a policy hangs; decides what it must and must not contain, and what its denial is called (B5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// On a user, group or role.
    Identity,
    /// A permissions boundary of a user or role.
    Boundary,
    /// Passed to AssumeRole.
    Session,
    /// On a resource, such as a bucket.
    Resource,
    /// On a VPC endpoint.
    Endpoint,
    /// A role's AssumeRolePolicyDocument.
    Trust,
}

/// A document that can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    value: Value,
    statements: Vec<Statement>,
}

/// Why a document is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .path.as_deref().map(|path| format!(" (at {path})")).unwrap_or_default())]
pub struct PolicyError {
    /// What is wrong.
    pub message: String,
    /// Which member, such as `Statement[1].Condition.StringEqual`.
    pub path: Option<String>,
    /// Line and column, from 1, where the document was read as text.
    pub position: Option<(usize, usize)>,
    /// Number of the statement, from 0.
    pub statement: Option<usize>,
}

impl PolicyError {
    fn new(message: impl Into<String>, path: Option<&str>) -> Self {
        Self { message: message.into(), path: path.map(str::to_owned), position: None, statement: None }
    }
}

impl Document {
    /// Reads a document's text.
    ///
    /// # Errors
    /// Says what is not a policy of this kind, and where.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        kind.check_text(text)?;
        let value: Value = serde_json::from_str(text).map_err(|error| PolicyError {
            message: format!("This policy contains invalid JSON: {}", without_position(&error)),
            path: None,
            position: Some((error.line(), error.column())),
            statement: None,
        })?;
        if let Some((path, position)) = text::duplicate(text) {
            let message = format!("{} stands twice", path.rsplit('.').next().unwrap_or(&path));
            return Err(PolicyError { position: Some(position), ..PolicyError::new(message, Some(&path)) });
        }
        Self::from_json(&value, kind).map_err(|error| PolicyError {
            position: error.path.as_deref().and_then(|path| text::position(text, path)).or(Some((1, 1))),
            ..error
        })
    }

    /// Reads a document that is JSON already.
    ///
    /// # Errors
    /// Says what is not a policy of this kind, and which member.
    pub fn from_json(value: &Value, kind: Kind) -> Result<Self, PolicyError> {
        let Value::Object(members) = value else {
            return Err(PolicyError::new("The policy is not a JSON object", None));
        };
        if let Some(unknown) = members.keys().find(|name| !matches!(name.as_str(), "Version" | "Id" | "Statement")) {
            return Err(PolicyError::new(unknown_member(unknown, &["Version", "Id", "Statement"]), Some(unknown)));
        }
        let variables = match members.get("Version") {
            // What AWS assumes, too.
            None => false,
            Some(Value::String(version)) if version == "2008-10-17" => false,
            Some(Value::String(version)) if version == "2012-10-17" => true,
            Some(_) => {
                let message = "The policy must contain a valid version string: 2012-10-17 or 2008-10-17";
                return Err(PolicyError::new(message, Some("Version")));
            }
        };
        if members.get("Id").is_some_and(|id| !id.is_string()) {
            return Err(PolicyError::new("An Id is a string", Some("Id")));
        }
        let statements = match members.get("Statement") {
            Some(Value::Array(items)) if !items.is_empty() => {
                let read = |(index, item): (usize, &Value)| {
                    let path = format!("Statement[{index}]");
                    Statement::parse(item, Place { kind, variables, path: &path, index })
                };
                items.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?
            }
            Some(Value::Array(_)) => {
                return Err(PolicyError::new("Could not parse the policy: Statement is empty!", Some("Statement")));
            }
            Some(item @ Value::Object(_)) => {
                vec![Statement::parse(item, Place { kind, variables, path: "Statement", index: 0 })?]
            }
            Some(_) => {
                let message = "Statement is neither an object nor a list of objects";
                return Err(PolicyError::new(message, Some("Statement")));
            }
            None => return Err(PolicyError::new("Missing required field Statement", None)),
        };
        check_sids(&statements)?;
        kind.check_size(value)?;
        Ok(Self { value: value.clone(), statements })
    }

    /// Whether a statement denies some of a service's actions, and not all of them.
    pub fn denies_some_of(&self, service: &str) -> bool {
        let prefix = format!("{}:", service.to_ascii_lowercase());
        let some = |action: &Value| {
            let action = action.as_str().unwrap_or_default().to_ascii_lowercase();
            action.strip_prefix(&prefix).is_some_and(|name| name != "*")
        };
        self.written().iter().filter(|statement| statement["Effect"] == "Deny").any(|statement| {
            let actions = match &statement["Action"] {
                Value::Array(several) => several.as_slice(),
                one => std::slice::from_ref(one),
            };
            statement.get("NotAction").is_some() || actions.iter().any(some)
        })
    }

    fn written(&self) -> &[Value] {
        match &self.value["Statement"] {
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        }
    }

    /// Whether a statement has a condition on this key.
    pub fn asks_for(&self, key: &str) -> bool {
        let operators = self.written().iter().filter_map(|statement| statement.get("Condition")?.as_object()).flatten();
        let keys = operators.filter_map(|(_, keys)| keys.as_object()).flat_map(|keys| keys.keys());
        keys.into_iter().any(|it| it.eq_ignore_ascii_case(key))
    }

    /// The document as JSON, as it was written.
    pub fn json(&self) -> &Value {
        &self.value
    }

    /// Characters without whitespace between members: what the quotas of identity policies count.
    pub fn size(&self) -> usize {
        size(&self.value)
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

fn check_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    let mut seen = HashSet::new();
    for (index, statement) in statements.iter().enumerate() {
        if let Some(sid) = &statement.sid
            && !seen.insert(sid)
        {
            let message = format!("Statement IDs (SID) in a single policy must be unique. {sid} stands twice");
            let path = format!("Statement[{index}].Sid");
            return Err(PolicyError { statement: Some(index), ..PolicyError::new(message, Some(&path)) });
        }
    }
    Ok(())
}

/// serde's text without its place, which stands in a field of its own.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn size(value: &Value) -> usize {
    value.to_string().chars().count()
}

impl Kind {
    /// How long a document may be: in an endpoint's and bucket's every character counts, in others only those that are not
    /// whitespace between members. Where quotas differ (a user's 2,048, a group's 5,120, a role's 10,240, a managed policy's
    /// 6,144), the greatest stands here, and [`Document::size`] is for the rest.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
    pub const fn limit(self) -> usize {
        match self {
            Self::Identity => 10_240,
            Self::Boundary => 6_144,
            Self::Session | Self::Trust => 2_048,
            Self::Resource | Self::Endpoint => 20_480,
        }
    }

    /// Before anything is read, so that nobody makes us read much.
    fn check_text(self, text: &str) -> Result<(), PolicyError> {
        let (length, limit) = match self {
            Self::Endpoint => (text.chars().count(), self.limit()),
            Self::Resource => (text.len(), self.limit()),
            // Whitespace does not count: what can be read within a bound.
            _ => (text.len(), 131_072),
        };
        if length > limit { Err(self.too_long(length, limit)) } else { Ok(()) }
    }

    fn check_size(self, value: &Value) -> Result<(), PolicyError> {
        let length = match self {
            Self::Resource => value.to_string().len(),
            _ => size(value),
        };
        if length > self.limit() { Err(self.too_long(length, self.limit())) } else { Ok(()) }
    }

    fn too_long(self, length: usize, limit: usize) -> PolicyError {
        let message = match self {
            Self::Resource => {
                format!("Policy document exceeds the maximum allowed size of {limit} bytes: it has {length}")
            }
            Self::Endpoint => format!("The policy document is longer than {limit} characters: it has {length}"),
            Self::Trust => {
                format!("Cannot exceed quota for ACLSizePerRole: {limit}; the policy has {length} characters")
            }
            _ => format!("Maximum policy size of {limit} bytes exceeded: it has {length} characters"),
        };
        PolicyError::new(message, None)
    }
}

/// A document together with what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it hangs.
    pub kind: Kind,
    /// For people: `endpoint S3 (vpce-…)`, `bucket b`, `role Worker: Read`.
    pub name: String,
    /// AWS's id, ARN or name of what it hangs on: `vpce-…`, a bucket's name, an identity's ARN.
    pub owner: String,
    /// What it says.
    pub document: Document,
    /// `file:line` of each statement; empty, or shorter, where that is not known.
    pub places: Vec<String>,
}
