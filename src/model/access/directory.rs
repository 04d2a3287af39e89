//! A snapshot of keys, roles and policies.

use std::sync::Arc;

use super::Way;
use crate::model::World;
use crate::policy::{self, Context, Decision, Policies, Policy, Principal, Request};

/// Everything about access that a world says; immutable, made anew when the world changes.
#[derive(Clone, Debug, Default)]
pub struct Directory {}

/// A long-lived access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its secret.
    pub secret_access_key: String,
    /// Whose it is: a user or an account's root.
    pub principal: Principal,
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// IAM action.
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// Owner of the resource.
    pub resource_account: Option<String>,
    /// Policy of the resource.
    pub resource_policy: Option<Arc<Policy>>,
    /// The service's own keys, and `aws:RequestedRegion`, `aws:UserAgent` and the like.
    pub context: Context,
}

/// A decision and what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// As evaluated, with all keys.
    pub request: Request,
    /// The result.
    pub decision: Decision,
}

impl Directory {
    /// Reads a world.
    pub fn of(world: &World) -> Self {
        let _ = world;
        Self {}
    }

    /// A long-lived key.
    pub fn access_key(&self, access_key_id: &str) -> Option<AccessKey> {
        let _ = access_key_id;
        None
    }

    /// Decides: gathers the principal's policies, the endpoint's, the resource's and all keys.
    pub fn judge(&self, principal: &Principal, session: &[Arc<Policy>], way: &Way, ask: &Ask) -> Judged {
        let mut context = way.keys();
        context.extend(ask.context.clone());
        let request = Request {
            principal: principal.clone(),
            action: ask.action.clone(),
            resource: ask.resource.clone(),
            resource_account: ask.resource_account.clone(),
            context,
        };
        let policies = Policies { session, resource: ask.resource_policy.as_deref(), ..Policies::default() };
        let decision = policy::evaluate(&policies, &request);
        Judged { request, decision }
    }
}
