//! A policy as it was written, with the places of its statements.
//!
//! The model keeps what was written; what it means is the `policy` room's business, which is asked once when the document
//! comes in (a broken one is refused with the code of the API that took it) and once when a
//! [`Directory`](super::access::Directory) is made.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::policy::{Document, Kind, Policy};

/// A policy document with the place of each statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    /// The document, a JSON object.
    pub value: Value,
    /// Where each statement is written; empty, or shorter, where that is not known.
    pub places: Vec<Source>,
}

impl From<Value> for PolicyDocument {
    fn from(value: Value) -> Self {
        Self { value, places: Vec::new() }
    }
}

impl PolicyDocument {
    /// AWS's error code for a document that is none, by the API that takes its kind.
    pub fn code(kind: Kind) -> &'static str {
        match kind {
            Kind::Endpoint => "InvalidPolicyDocument",
            Kind::Resource => "MalformedPolicy",
            Kind::Identity | Kind::Boundary | Kind::Session | Kind::Trust => "MalformedPolicyDocument",
        }
    }

    /// Refuses what is not a policy of this kind, with AWS's code and the member that is wrong.
    pub(super) fn check(&self, kind: Kind) -> Result<(), Refusal> {
        match Document::from_json(&self.value, kind) {
            Ok(_) => Ok(()),
            Err(error) => Err(Refusal::new(Self::code(kind), error.to_string())),
        }
    }

    /// Refuses a policy that is not about the bucket, as S3 does.
    pub(super) fn check_bucket(&self, bucket: &str) -> Result<(), Refusal> {
        let read = Document::from_json(&self.value, Kind::Resource).and_then(|document| document.check_bucket(bucket));
        read.map_err(|error| Refusal::new(Self::code(Kind::Resource), error.to_string()))
    }

    /// The document ready for evaluation. `None` for one that is none, which no change lets into a world.
    pub(super) fn policy(&self, kind: Kind, name: String, owner: &str) -> Option<Arc<Policy>> {
        let document = Document::from_json(&self.value, kind).ok()?;
        let places = self.places.iter().map(ToString::to_string).collect();
        Some(Arc::new(Policy { kind, name, owner: owner.to_owned(), document, places }))
    }

    /// Characters as IAM counts them for its quotas: without whitespace between members.
    pub(super) fn size(&self) -> usize {
        self.value.to_string().chars().count()
    }
}
