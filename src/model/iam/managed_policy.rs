//! `AWS::IAM::ManagedPolicy`: customers', and those of AWS's that are known.

use super::super::world::Meta;
use super::*;

/// A customer's managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// `arn:aws:iam::ACCOUNT:policy/PATH/NAME`.
    pub arn: String,
    /// `ANPA…`.
    pub policy_id: String,
    /// Name.
    pub policy_name: String,
    /// Path, with a slash at both ends.
    pub path: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Free text.
    pub description: String,
    /// What it says.
    pub policy_document: PolicyDocument,
}

/// Longest document, whitespace left out (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const CHARACTERS: usize = 6_144;

impl World {
    pub(super) fn create_policy(
        &mut self,
        request: &Request,
        path: Option<&str>,
        policy_name: Option<&str>,
        description: &str,
        policy_document: &PolicyDocument,
    ) -> Result<ObjectId, Refusal> {
        let is_own = |policy: &ManagedPolicy, name: &str| {
            policy.meta.account == request.account && policy.policy_name.eq_ignore_ascii_case(name)
        };
        let taken = |name: &str| self.managed_policies.values().any(|policy| is_own(policy, name));
        let policy_name = name_for(request, &POLICY, policy_name, taken)?;
        let path = path_for(path)?;
        if policy_document.size() > CHARACTERS {
            return Err(quota("PolicySize", CHARACTERS));
        }
        policy_document.check(Kind::Identity)?;
        let arn = arn(request, "policy", &path, &policy_name);
        let policy = ManagedPolicy {
            policy_id: unique_id("ANPA", &arn),
            arn: arn.clone(),
            policy_name,
            path,
            meta: request.meta(),
            description: description.to_owned(),
            policy_document: policy_document.clone(),
        };
        self.managed_policies.insert(arn.clone(), policy);
        Ok(arn)
    }

    /// How many identities have a managed policy.
    pub(in super::super) fn attachments_of(&self, policy_arn: &str) -> usize {
        let roles = self.roles.values().map(|role| &role.policies);
        let users = self.users.values().map(|user| &user.policies);
        let groups = self.groups.values().map(|group| &group.policies);
        let all = roles.chain(users).chain(groups);
        all.filter(|policies| policies.attached.iter().any(|arn| arn == policy_arn)).count()
    }

    /// The document of a managed policy: a customer's, or one of AWS's that is known here.
    pub fn managed_policy_document(&self, policy_arn: &str) -> Option<PolicyDocument> {
        let own = self.managed_policies.get(policy_arn).map(|policy| policy.policy_document.clone());
        own.or_else(|| aws_managed::document(policy_arn))
    }
}
