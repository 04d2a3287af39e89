//! `AWS::IAM::Role`.

use super::super::world::Meta;
use super::*;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub arn: String,
    /// `AROA…`.
    pub role_id: String,
    /// Name.
    pub role_name: String,
    /// Path, with a slash at both ends.
    pub path: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Who may assume it.
    pub assume_role_policy_document: PolicyDocument,
    /// Seconds.
    pub max_session_duration: u32,
    /// ARN of the managed policy that bounds it.
    pub permissions_boundary: Option<String>,
    /// Free text.
    pub description: String,
    /// What it may do.
    pub policies: IdentityPolicies,
}

/// An hour, when nothing is said.
const SESSION_SECONDS: std::ops::RangeInclusive<u32> = 3_600..=43_200;

impl World {
    pub(super) fn create_role(&mut self, request: &Request, members: &CreateRole) -> Result<ObjectId, Refusal> {
        let taken = |name: &str| self.own_role(name, request).is_ok();
        let role_name = name_for(request, &ROLE, members.role_name.as_deref(), taken)?;
        let path = path_for(members.path.as_deref())?;
        let document = &members.assume_role_policy_document;
        if document.size() > Kind::Trust.limit() {
            return Err(quota("ACLSizePerRole", Kind::Trust.limit()));
        }
        document.check(Kind::Trust)?;
        let max_session_duration = members.max_session_duration.unwrap_or(*SESSION_SECONDS.start());
        check_session_duration(max_session_duration)?;
        self.check_boundary(request, members.permissions_boundary.as_deref())?;
        let arn = arn(request, "role", &path, &role_name);
        let role = Role {
            role_id: unique_id("AROA", &arn),
            arn: arn.clone(),
            role_name,
            path,
            meta: request.meta(),
            assume_role_policy_document: document.clone(),
            max_session_duration,
            permissions_boundary: members.permissions_boundary.clone(),
            description: members.description.clone().unwrap_or_default(),
            policies: IdentityPolicies::default(),
        };
        self.roles.insert(arn.clone(), role);
        Ok(arn)
    }
}

fn check_session_duration(seconds: u32) -> Result<(), Refusal> {
    let constraint = match seconds {
        _ if seconds < *SESSION_SECONDS.start() => "Member must have value greater than or equal to 3600",
        _ if seconds > *SESSION_SECONDS.end() => "Member must have value less than or equal to 43200",
        _ => return Ok(()),
    };
    Err(invalid(&seconds.to_string(), "maxSessionDuration", constraint))
}
