//! `AWS::IAM::User`.

use super::super::world::Meta;
use super::*;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    pub arn: String,
    /// `AIDA…`.
    pub user_id: String,
    /// Name.
    pub user_name: String,
    /// Path, with a slash at both ends.
    pub path: String,
    /// Owner and origin.
    pub meta: Meta,
    /// ARN of the managed policy that bounds it.
    pub permissions_boundary: Option<String>,
    /// What it may do, beyond what its groups may.
    pub policies: IdentityPolicies,
    /// ARNs of its groups, in the order of joining.
    pub groups: Vec<String>,
}

/// Groups of one user (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const GROUPS: usize = 10;

impl World {
    pub(super) fn create_user(
        &mut self,
        request: &Request,
        path: Option<&str>,
        user_name: Option<&str>,
        permissions_boundary: Option<&str>,
    ) -> Result<ObjectId, Refusal> {
        let user_name = name_for(request, &USER, user_name, |name| self.own_user(name, request).is_ok())?;
        let path = path_for(path)?;
        self.check_boundary(request, permissions_boundary)?;
        let arn = arn(request, "user", &path, &user_name);
        let user = User {
            user_id: unique_id("AIDA", &arn),
            arn: arn.clone(),
            user_name,
            path,
            meta: request.meta(),
            permissions_boundary: permissions_boundary.map(str::to_owned),
            policies: IdentityPolicies::default(),
            groups: Vec::new(),
        };
        self.users.insert(arn.clone(), user);
        Ok(arn)
    }

    pub(super) fn add_user_to_group(
        &mut self,
        request: &Request,
        group_name: &str,
        user_name: &str,
    ) -> Result<ObjectId, Refusal> {
        let group = self.own_group(group_name, request)?.arn.clone();
        let user = self.own_user(user_name, request)?;
        if !user.groups.contains(&group) {
            if user.groups.len() >= GROUPS {
                return Err(quota("GroupsPerUser", GROUPS));
            }
            let arn = user.arn.clone();
            self.users.get_mut(&arn).expect("own_user found it").groups.push(group.clone());
        }
        Ok(group)
    }
}
