//! Whether a request is allowed, and who says so.

use super::{Kind, Policy, Request};

/// All policies that have a say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the principal: its own, its groups', its role's.
    pub identity: &'a [std::sync::Arc<Policy>],
    /// Its permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// Of its session; none restricts when empty.
    pub session: &'a [std::sync::Arc<Policy>],
    /// Of the resource.
    pub resource: Option<&'a Policy>,
    /// Of the endpoint that the request came through.
    pub endpoint: Option<&'a Policy>,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Everything that must allow does.
    Allowed,
    /// A statement denies.
    ExplicitDeny,
    /// Something that must allow does not.
    ImplicitDeny,
}

/// A statement in people's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementName {
    /// The policy's name.
    pub policy: String,
    /// Its Sid, or `statement 2`, counted from 1.
    pub statement: String,
    /// `file:line`, where known.
    pub place: Option<String>,
}

/// The statement that came nearest to allowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Which.
    pub statement: StatementName,
    /// In what it differs from the request, as a sentence.
    pub differs: String,
}

/// What was decided, by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// How it ends.
    pub effect: Effect,
    /// The kind of policy that decided; `None` where an account's root user needed none.
    pub kind: Option<Kind>,
    /// The statement that decided; none when nothing allowed.
    pub statement: Option<StatementName>,
    /// For an implicit denial.
    pub nearest: Option<Nearest>,
}

/// Decides.
pub fn evaluate(policies: &Policies<'_>, request: &Request) -> Decision {
    let _ = (policies, request);
    Decision { effect: Effect::Allowed, kind: None, statement: None, nearest: None }
}
