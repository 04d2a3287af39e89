//! IAM documents: parsed, matched, evaluated to a decision and the statement that decided.
//!
//! Purpose: the one place that knows what a policy means. Values in, values out: who gathers policies and context keys, and
//! what is done with a denial, is decided elsewhere ([`crate::model`] gathers, `services` enforce).
//!
//! The way of a document: `document` → `statement` (with `principals`, `operator`, `arn` and `pattern` for its elements;
//! `text` finds lines and columns). The way of a request: `facts` → `matching` (with `condition`) → `evaluate`, and for a
//! denial `nearest` and `message`.
//!
//! Not done: service and resource control policies (no organization hangs any on a lab's accounts), ACLs, federated users.

mod arn;
mod bucket;
mod condition;
mod document;
mod evaluate;
mod facts;
mod matching;
mod message;
mod nearest;
mod operator;
mod pattern;
mod principals;
mod request;
mod statement;
mod text;

#[cfg(test)]
mod tests;

pub use document::{Document, Kind, Policy, PolicyError};
pub use evaluate::{Decision, Effect, Nearest, Policies, StatementName, evaluate, open_keys};
pub use message::message;
pub use request::{Context, Principal, Request};
