//! `AWS::IAM::Group`. Its members stand in [`User::groups`].

use super::super::world::Meta;
use super::*;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `arn:aws:iam::ACCOUNT:group/PATH/NAME`.
    pub arn: String,
    /// `AGPA…`.
    pub group_id: String,
    /// Name.
    pub group_name: String,
    /// Path, with a slash at both ends.
    pub path: String,
    /// Owner and origin.
    pub meta: Meta,
    /// What its members may do.
    pub policies: IdentityPolicies,
}

impl World {
    pub(super) fn create_group(
        &mut self,
        request: &Request,
        path: Option<&str>,
        group_name: Option<&str>,
    ) -> Result<ObjectId, Refusal> {
        let group_name = name_for(request, &GROUP, group_name, |name| self.own_group(name, request).is_ok())?;
        let path = path_for(path)?;
        let arn = arn(request, "group", &path, &group_name);
        let group = Group {
            group_id: unique_id("AGPA", &arn),
            arn: arn.clone(),
            group_name,
            path,
            meta: request.meta(),
            policies: IdentityPolicies::default(),
        };
        self.groups.insert(arn.clone(), group);
        Ok(arn)
    }
}
