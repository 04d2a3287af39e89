//! A decision in words and plain data, for people, `--json` and the control socket.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Judged, bucket_of};
use crate::policy::{self, Effect, Kind, Principal, StatementName};

/// What policies say of a call; effects are spelt as IAM's SimulatePrincipalPolicy spells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessReport {
    /// Who signs; `anonymous` for nobody.
    pub principal: String,
    /// What is done.
    pub action: String,
    /// To what.
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub eval_decision: String,
    /// Whose policy decided: the id, ARN and name of endpoint, bucket, role or user.
    pub decided_by: Vec<String>,
    /// The decision for people.
    pub sentence: String,
    /// AWS's own text, as the client reads it; empty when it is allowed.
    pub message: String,
    /// The statement that decided, as `POLICY: STATEMENT`.
    pub statement: Option<String>,
    /// Its Sid, or its number from 1.
    pub statement_id: Option<String>,
    /// Where that is written.
    pub place: Option<String>,
    /// For an implicit denial: the statement that came nearest, and in what it differs.
    pub nearest: Option<String>,
    /// Where that one is written.
    pub nearest_place: Option<String>,
    /// All condition keys that the request has.
    pub context: BTreeMap<String, Vec<String>>,
    /// Of a call that nobody sent: keys of the service's own that policies look at, and that only a live request tells.
    #[serde(default)]
    pub open_keys: BTreeSet<String>,
}

impl AccessReport {
    /// Whether the call goes through.
    pub fn is_allowed(&self) -> bool {
        self.eval_decision == "allowed"
    }
}

impl From<&Judged> for AccessReport {
    fn from(Judged { request, decision }: &Judged) -> Self {
        let shown = |statement: &StatementName| format!("{}: {}", statement.policy, statement.statement);
        let eval_decision = match decision.effect {
            Effect::Allowed => "allowed",
            Effect::ExplicitDeny => "explicitDeny",
            Effect::ImplicitDeny => "implicitDeny",
        };
        let context = request.context.iter().map(|(key, values)| (key.to_owned(), values.to_vec())).collect();
        let nearest = decision.nearest.as_ref();
        Self {
            principal: request.principal.arn().unwrap_or_else(|| "anonymous".to_owned()),
            action: request.action.clone(),
            resource: request.resource.clone(),
            eval_decision: eval_decision.to_owned(),
            decided_by: decision.kind.map(|kind| owner(kind, request)).unwrap_or_default(),
            sentence: decision.sentence(),
            message: match decision.effect {
                Effect::Allowed => String::new(),
                _ => policy::message(decision, request),
            },
            statement: decision.statement.as_ref().map(shown),
            statement_id: decision.statement.as_ref().map(|statement| statement.statement.clone()),
            place: decision.statement.as_ref().and_then(|statement| statement.place.clone()),
            nearest: nearest.map(|nearest| format!("{}: {}", shown(&nearest.statement), nearest.differs)),
            nearest_place: nearest.and_then(|nearest| nearest.statement.place.clone()),
            context,
            open_keys: BTreeSet::new(),
        }
    }
}

/// What the policy hangs on that a kind of policy means for a request.
fn owner(kind: Kind, request: &policy::Request) -> Vec<String> {
    match kind {
        Kind::Endpoint => request.context.get("aws:SourceVpce").map(<[String]>::to_vec).unwrap_or_default(),
        Kind::Resource | Kind::Trust => vec![bucket_of(&request.resource).unwrap_or(&request.resource).to_owned()],
        Kind::Identity | Kind::Boundary | Kind::Session => match &request.principal {
            Principal::Session { role_arn: arn, .. } | Principal::User { arn, .. } => {
                vec![arn.clone(), arn.rsplit('/').next().unwrap_or(arn).to_owned()]
            }
            Principal::Root { account } => vec![account.clone()],
            Principal::Anonymous | Principal::Service { .. } => Vec::new(),
        },
    }
}
