//! A request before all policies that have a say.

use std::sync::Arc;

use super::directory::{Directory, Identity};
use super::{AccessReport, Way};
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
        let (request, policies) = self.gather(principal, session, way, ask);
        let decision = policy::evaluate(&policies, &request);
        Judged { request, decision }
    }

    /// The same of a call that nobody sends: with the keys that only a live request could tell.
    pub fn imagine(&self, principal: &Principal, way: &Way, ask: &Ask) -> AccessReport {
        let (request, policies) = self.gather(principal, &[], way, ask);
        let open_keys = policy::open_keys(&policies, &request);
        let decision = policy::evaluate(&policies, &request);
        AccessReport { open_keys, ..AccessReport::from(&Judged { request, decision }) }
    }

    fn gather<'a>(
        &'a self,
        principal: &Principal,
        session: &'a [Arc<Policy>],
        way: &Way,
        ask: &'a Ask,
    ) -> (Request, Policies<'a>) {
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
        let endpoint = way.vpc_endpoint_id.as_deref().and_then(|id| self.endpoints.get(id));
        let policies = Policies {
            identity: identity.map(|identity| identity.policies.as_slice()).unwrap_or_default(),
            boundary: identity.and_then(|identity| identity.boundary.as_deref()),
            session,
            resource: ask.resource_policy.as_deref(),
            endpoint: endpoint.map(|endpoint| endpoint.policy.as_ref()),
            gateway_endpoint: endpoint.is_some_and(|endpoint| endpoint.is_gateway),
        };
        (request, policies)
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
        let mut set = |key: &str, value: Option<String>| value.into_iter().for_each(|value| keys.set(key, value));
        set("aws:PrincipalArn", principal.principal_arn());
        set("aws:PrincipalAccount", principal.account().map(str::to_owned));
        set("aws:userid", principal.user_id());
        set("aws:username", identity.and_then(|identity| identity.user_name.clone()));
        set("aws:ResourceAccount", ask.resource_account.clone());
        match principal {
            Principal::Service { name } => set("aws:PrincipalServiceName", Some(name.clone())),
            _ => set("aws:PrincipalType", Some(principal.kind().to_owned())),
        }
        set("aws:PrincipalIsAWSService", Some(matches!(principal, Principal::Service { .. }).to_string()));
        for (key, value) in identity.iter().flat_map(|identity| &identity.tags) {
            keys.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
        }
        let accounts = [
            ("aws:PrincipalOrgID", principal.account()),
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
