//! A snapshot of keys, roles and policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy::{Policy, Principal};

/// Everything about access that a world says; immutable, made anew when the world changes.
///
/// Each policy is parsed once, when the directory is made, and shared from then on.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub(super) accounts: BTreeSet<String>,
    pub(super) organization: Option<String>,
    /// By access key id.
    pub(super) keys: BTreeMap<String, AccessKey>,
    /// By ARN.
    pub(super) roles: BTreeMap<String, (RoleFacts, Identity)>,
    /// By ARN.
    pub(super) users: BTreeMap<String, Identity>,
    /// By instance id.
    pub(super) instance_roles: BTreeMap<String, InstanceRole>,
    /// By name.
    pub(super) buckets: BTreeMap<String, BucketFacts>,
    /// By ARN.
    pub(super) tables: BTreeMap<String, TableFacts>,
    /// By endpoint id; none of an endpoint whose service takes no policies.
    pub(super) endpoints: BTreeMap<String, EndpointFacts>,
}

/// A long-lived access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its secret.
    pub secret_access_key: String,
    /// Whose it is: a user or an account's root.
    pub principal: Principal,
}

/// What is to be known of a role before somebody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub arn: String,
    /// Twelve digits.
    pub account: String,
    /// `AROA…`.
    pub role_id: String,
    /// Name.
    pub role_name: String,
    /// Who may assume it; the resource policy of sts:AssumeRole.
    pub trust: Arc<Policy>,
    /// Seconds.
    pub max_session_duration: u32,
}

/// The role that an instance has by its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRole {
    /// ARN of the profile.
    pub instance_profile_arn: String,
    /// `AIPA…`.
    pub instance_profile_id: String,
    /// ARN of the role; `None` for a profile without one.
    pub role_arn: Option<String>,
}

/// What is to be known of a bucket that the lab's templates declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketFacts {
    /// Its owner, twelve digits.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its policy.
    pub policy: Option<Arc<Policy>>,
}

/// What is to be known of a DynamoDB table that the lab's templates declare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// Its owner, twelve digits.
    pub account: String,
    /// Its resource policy.
    pub policy: Option<Arc<Policy>>,
}

/// What an endpoint brings into a decision.
#[derive(Clone, Debug)]
pub(super) struct EndpointFacts {
    pub policy: Arc<Policy>,
    /// In a gateway endpoint's policy, principals mean less (B5).
    pub is_gateway: bool,
}

/// What a user or role brings into a decision.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    /// Own and its groups'.
    pub policies: Vec<Arc<Policy>>,
    pub boundary: Option<Arc<Policy>>,
    /// `aws:PrincipalTag/…`.
    pub tags: BTreeMap<String, String>,
    /// `aws:username`, of a user.
    pub user_name: Option<String>,
    /// `AIDA…`, of a user.
    pub user_id: Option<String>,
}

impl Directory {
    /// A long-lived key that is active.
    pub fn access_key(&self, access_key_id: &str) -> Option<AccessKey> {
        self.keys.get(access_key_id).cloned()
    }

    /// A role.
    pub fn role(&self, arn: &str) -> Option<&RoleFacts> {
        self.roles.get(arn).map(|(facts, _)| facts)
    }

    /// The profile of an instance, and the role in it.
    pub fn instance_role(&self, instance_id: &str) -> Option<&InstanceRole> {
        self.instance_roles.get(instance_id)
    }

    /// A bucket of the templates.
    pub fn bucket(&self, name: &str) -> Option<&BucketFacts> {
        self.buckets.get(name)
    }

    /// A DynamoDB table of the templates, by its ARN or an index's: its policy is about those as well.
    pub fn table(&self, arn: &str) -> Option<&TableFacts> {
        self.tables.get(arn.split_once("/index/").map_or(arn, |(table, _)| table))
    }

    /// Policies of users, roles, endpoints and tables.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let identities = self.roles.values().map(|(_, identity)| identity).chain(self.users.values());
        let identities = identities.flat_map(|identity| identity.policies.iter().chain(&identity.boundary));
        let endpoints = self.endpoints.values().map(|facts| &facts.policy);
        let tables = self.tables.values().filter_map(|facts| facts.policy.as_ref());
        identities.chain(endpoints).chain(tables)
    }

    /// The same with those of buckets, as templates have them, and the trust policies of roles.
    pub fn all_policies(&self) -> impl Iterator<Item = &Policy> {
        let buckets = self.buckets.values().filter_map(|facts| facts.policy.as_deref());
        let trust = self.roles.values().map(|(facts, _)| facts.trust.as_ref());
        self.policies().map(|policy| policy.as_ref()).chain(buckets).chain(trust)
    }

    /// The policy of an endpoint, AWS's default where none was written; `None` where its service takes none.
    pub fn endpoint_policy(&self, vpc_endpoint_id: &str) -> Option<&Arc<Policy>> {
        self.endpoints.get(vpc_endpoint_id).map(|facts| &facts.policy)
    }

    /// The lab's accounts, in order.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(String::as_str)
    }

    /// The organization that all the lab's accounts belong to, such as `o-exampleorgid`.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }
}
