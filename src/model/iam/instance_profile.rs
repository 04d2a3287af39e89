//! `AWS::IAM::InstanceProfile`: what hands a role to an instance.

use super::super::world::Meta;
use super::*;

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceProfile {
    /// `arn:aws:iam::ACCOUNT:instance-profile/PATH/NAME`.
    pub arn: String,
    /// `AIPA…`.
    pub instance_profile_id: String,
    /// Name.
    pub instance_profile_name: String,
    /// Path, with a slash at both ends.
    pub path: String,
    /// Owner and origin.
    pub meta: Meta,
    /// ARN of its role; AWS allows one.
    pub role: Option<String>,
}

impl World {
    pub(super) fn create_instance_profile(
        &mut self,
        request: &Request,
        path: Option<&str>,
        instance_profile_name: Option<&str>,
    ) -> Result<ObjectId, Refusal> {
        let taken = |name: &str| self.own_instance_profile(name, request).is_ok();
        let instance_profile_name = name_for(request, &INSTANCE_PROFILE, instance_profile_name, taken)?;
        let path = path_for(path)?;
        let arn = arn(request, "instance-profile", &path, &instance_profile_name);
        let profile = InstanceProfile {
            instance_profile_id: unique_id("AIPA", &arn),
            arn: arn.clone(),
            instance_profile_name,
            path,
            meta: request.meta(),
            role: None,
        };
        self.instance_profiles.insert(arn.clone(), profile);
        Ok(arn)
    }

    pub(super) fn add_role_to_instance_profile(
        &mut self,
        request: &Request,
        instance_profile_name: &str,
        role_name: &str,
    ) -> Result<ObjectId, Refusal> {
        let profile = self.own_instance_profile(instance_profile_name, request)?;
        let role = self.own_role(role_name, request)?;
        if profile.role.is_some() {
            return Err(quota("InstanceSessionsPerInstanceProfile", 1));
        }
        let (profile, role) = (profile.arn.clone(), role.arn.clone());
        self.instance_profiles.get_mut(&profile).expect("own_instance_profile found it").role = Some(role);
        Ok(profile)
    }

    /// The profile that RunInstances means by name or ARN.
    pub(in super::super) fn instance_profile_for(
        &self,
        request: &Request,
        wanted: &str,
    ) -> Result<&InstanceProfile, Refusal> {
        let (member, found) = match wanted.starts_with("arn:") {
            true => ("arn", self.instance_profiles.get(wanted).filter(|each| each.meta.account == request.account)),
            false => ("name", self.own_instance_profile(wanted, request).ok()),
        };
        found.ok_or_else(|| {
            let message = format!(
                "Value ({wanted}) for parameter iamInstanceProfile.{member} is invalid. Invalid IAM Instance Profile {member}"
            );
            Refusal::new("InvalidParameterValue", message)
                .help("it takes an AWS::IAM::InstanceProfile of this account, not a role")
        })
    }
}
