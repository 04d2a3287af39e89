//! A request before all policies that have a say.

use std::sync::Arc;

use super::Way;
use super::directory::{Directory, Identity};
use crate::policy::{self, Context, Decision, Policies, Policy, Principal, Request};

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
    /// Decides: gathers the principal's policies, the endpoint's, the resource's and all keys.
    pub fn judge(&self, principal: &Principal, session: &[Arc<Policy>], way: &Way, ask: &Ask) -> Judged {
        let identity = self.identity(principal);
        let mut context = way.keys();
        context.extend(ask.context.clone());
        context.extend(self.keys(principal, identity, way, ask));
        let request = Request {
            principal: principal.clone(),
            action: ask.action.clone(),
            resource: ask.resource.clone(),
            resource_account: ask.resource_account.clone(),
            context,
        };
        let policies = Policies {
            identity: identity.map(|identity| identity.policies.as_slice()).unwrap_or_default(),
            boundary: identity.and_then(|identity| identity.boundary.as_deref()),
            session,
            resource: ask.resource_policy.as_deref(),
            endpoint: way.vpc_endpoint_id.as_deref().and_then(|id| self.endpoint_policy(id)).map(Arc::as_ref),
        };
        let decision = policy::evaluate(&policies, &request);
        Judged { request, decision }
    }

    fn identity(&self, principal: &Principal) -> Option<&Identity> {
        match principal {
            Principal::User { arn, .. } => self.users.get(arn),
            Principal::Session { role_arn, .. } => self.roles.get(role_arn).map(|(_, identity)| identity),
            Principal::Anonymous | Principal::Root { .. } | Principal::Service { .. } => None,
        }
    }

    /// The keys that follow from who asks whom.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
    fn keys(&self, principal: &Principal, identity: Option<&Identity>, way: &Way, ask: &Ask) -> Context {
        let mut keys = Context::default();
        let account = who(principal, &mut keys);
        if let Some(account) = account {
            keys.set("aws:PrincipalAccount", account);
        }
        for (key, value) in identity.iter().flat_map(|identity| &identity.tags) {
            keys.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        if let Some(name) = identity.and_then(|identity| identity.user_name.as_deref()) {
            keys.set("aws:username", name);
        }
        if let Some(account) = &ask.resource_account {
            keys.set("aws:ResourceAccount", account.as_str());
        }
        let accounts = [
            ("aws:PrincipalOrgID", account),
            ("aws:ResourceOrgID", ask.resource_account.as_deref()),
            ("aws:VpceOrgID", way.endpoint_account.as_deref()),
        ];
        for (key, account) in accounts {
            // All of the lab's accounts belong to it, and nobody else does.
            if let (Some(organization), Some(account)) = (&self.organization, account)
                && self.accounts.contains(account)
            {
                keys.set(key, organization.as_str());
            }
        }
        keys
    }
}

/// Sets what names a principal; its account, where it has one.
fn who<'a>(principal: &'a Principal, keys: &mut Context) -> Option<&'a str> {
    let (account, arn, user_id, kind) = match principal {
        Principal::Anonymous => {
            keys.set("aws:PrincipalType", "Anonymous");
            return None;
        }
        Principal::Service { name } => {
            keys.set("aws:PrincipalServiceName", name.as_str());
            keys.set("aws:PrincipalIsAWSService", "true");
            return None;
        }
        Principal::Root { account } => (account, format!("arn:aws:iam::{account}:root"), account.clone(), "Account"),
        Principal::User { account, arn, user_id } => (account, arn.clone(), user_id.clone(), "User"),
        // Of a session it is the role's ARN, not the session's.
        Principal::Session { account, role_arn, role_id, session_name } => {
            (account, role_arn.clone(), format!("{role_id}:{session_name}"), "AssumedRole")
        }
    };
    keys.set("aws:PrincipalArn", arn);
    keys.set("aws:userid", user_id);
    keys.set("aws:PrincipalType", kind);
    keys.set("aws:PrincipalIsAWSService", "false");
    Some(account)
}
