//! IAM: who there is, and their policies.
//!
//! Policies stand as objects and not as the percent-encoded text that IAM's API has, which nobody can read. Secrets are not
//! shown.

use super::*;

/// IAM ListRoles, with ListRolePolicies, GetRolePolicy and ListAttachedRolePolicies.
pub fn roles(world: &World) -> Vec<Value> {
    let shape = |role: &Role| {
        let mut shape = json!({
            "Path": role.path,
            "RoleName": role.role_name,
            "RoleId": role.role_id,
            "Arn": role.arn,
            "AssumeRolePolicyDocument": role.assume_role_policy_document.value,
            "Description": role.description,
            "MaxSessionDuration": role.max_session_duration,
            "RolePolicies": inline(&role.policies),
            "AttachedPolicies": attached(&role.policies),
            "Tags": tags(&role.meta),
        });
        add(&mut shape, "PermissionsBoundary", role.permissions_boundary.as_deref().map(boundary));
        shape
    };
    world.roles.values().map(shape).collect()
}

/// IAM ListInstanceProfiles.
pub fn instance_profiles(world: &World) -> Vec<Value> {
    let shape = |profile: &InstanceProfile| {
        let role = profile.role.as_ref().and_then(|arn| world.roles.get(arn));
        let role = role.map(|role| json!({ "RoleName": role.role_name, "RoleId": role.role_id, "Arn": role.arn }));
        json!({
            "Path": profile.path,
            "InstanceProfileName": profile.instance_profile_name,
            "InstanceProfileId": profile.instance_profile_id,
            "Arn": profile.arn,
            "Roles": role.into_iter().collect::<Vec<_>>(),
            "Tags": tags(&profile.meta),
        })
    };
    world.instance_profiles.values().map(shape).collect()
}

/// IAM ListUsers, with their policies, groups and access keys.
pub fn users(world: &World) -> Vec<Value> {
    let shape = |user: &User| {
        let keys = world.access_keys.values().filter(|key| key.user == user.arn).map(|key| {
            json!({ "UserName": user.user_name, "AccessKeyId": key.access_key_id, "Status": key.status.as_str() })
        });
        let groups = user.groups.iter().filter_map(|arn| world.groups.get(arn)).map(|group| &group.group_name);
        let mut shape = json!({
            "Path": user.path,
            "UserName": user.user_name,
            "UserId": user.user_id,
            "Arn": user.arn,
            "UserPolicies": inline(&user.policies),
            "AttachedPolicies": attached(&user.policies),
            "Groups": groups.collect::<Vec<_>>(),
            "AccessKeys": keys.collect::<Value>(),
            "Tags": tags(&user.meta),
        });
        add(&mut shape, "PermissionsBoundary", user.permissions_boundary.as_deref().map(boundary));
        shape
    };
    world.users.values().map(shape).collect()
}

/// IAM ListGroups, with their policies.
pub fn groups(world: &World) -> Vec<Value> {
    let shape = |group: &Group| {
        json!({
            "Path": group.path,
            "GroupName": group.group_name,
            "GroupId": group.group_id,
            "Arn": group.arn,
            "GroupPolicies": inline(&group.policies),
            "AttachedPolicies": attached(&group.policies),
        })
    };
    world.groups.values().map(shape).collect()
}

/// IAM ListPolicies of customers, with GetPolicyVersion.
pub fn policies(world: &World) -> Vec<Value> {
    let shape = |policy: &ManagedPolicy| {
        json!({
            "PolicyName": policy.policy_name,
            "PolicyId": policy.policy_id,
            "Arn": policy.arn,
            "Path": policy.path,
            "DefaultVersionId": "v1",
            "AttachmentCount": world.attachments_of(&policy.arn),
            "IsAttachable": true,
            "Description": policy.description,
            "Document": policy.policy_document.value,
            "Tags": tags(&policy.meta),
        })
    };
    world.managed_policies.values().map(shape).collect()
}

fn inline(policies: &IdentityPolicies) -> Value {
    let shape =
        |(name, document): (&String, &PolicyDocument)| json!({ "PolicyName": name, "PolicyDocument": document.value });
    policies.inline.iter().map(shape).collect()
}

fn attached(policies: &IdentityPolicies) -> Value {
    let name = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    policies.attached.iter().map(|arn| json!({ "PolicyName": name(arn), "PolicyArn": arn })).collect()
}

fn boundary(policy_arn: &str) -> Value {
    json!({ "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": policy_arn })
}
