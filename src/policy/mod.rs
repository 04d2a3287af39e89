//! IAM documents: parsed, matched, evaluated to a decision and the statement that decided.
//!
//! Purpose: the one place that knows what a policy means. Values in, values out: who gathers policies and context keys, and
//! what is done with a denial, is decided elsewhere ([`crate::model`] gathers, `services` enforce).

mod document;
mod evaluate;
mod request;

pub use document::{Document, Kind, Policy, PolicyError};
pub use evaluate::{Decision, Effect, Nearest, Policies, StatementName, evaluate};
pub use request::{Context, Principal, Request};
