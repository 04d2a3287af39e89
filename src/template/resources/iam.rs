//! IAM: roles, instance profiles, users, groups, access keys, and policies in all their forms.

use std::collections::BTreeMap;

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateRole, Holder, IamChange, PolicyDocument, World};
use crate::policy::Kind;

/// What roles, users and groups have in common: inline and managed policies.
struct Policies {
    inline: Vec<(String, PolicyDocument)>,
    managed: Vec<String>,
}

impl Policies {
    fn read(maker: &Maker<'_>, properties: &mut Properties) -> Self {
        let inline = properties.objects("Policies", |entry| {
            (entry.required_text("PolicyName"), entry.required_policy("PolicyDocument", Kind::Identity))
        });
        let managed = properties.texts("ManagedPolicyArns");
        notice_unknown(&maker.site.world, properties, "ManagedPolicyArns", &managed);
        Self { inline, managed }
    }

    fn apply(self, maker: &mut Maker<'_>, holder: &Holder) -> Result<(), Stop> {
        for (policy_name, policy_document) in self.inline {
            let holder = holder.clone();
            change(maker, IamChange::PutPolicy { holder, policy_name, policy_document })?;
        }
        for policy_arn in self.managed {
            change(maker, IamChange::AttachPolicy { holder: holder.clone(), policy_arn })?;
        }
        Ok(())
    }
}

/// AWS has a thousand policies of its own; one whose document is not known here grants nothing, and that is said.
fn notice_unknown(world: &World, properties: &mut Properties, name: &str, policy_arns: &[String]) {
    for arn in policy_arns {
        if arn.contains(":iam::aws:policy/") && world.managed_policy_document(arn).is_none() {
            properties
                .ignored(name, &format!("managed policy {arn} (its document is not known here, it grants nothing)"));
        }
    }
}

fn change(maker: &mut Maker<'_>, change: IamChange) -> Result<String, Stop> {
    maker.apply(BTreeMap::new(), Change::Iam(change))
}

pub(super) fn role(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let policies = Policies::read(maker, &mut properties);
    let create = IamChange::CreateRole(CreateRole {
        path: properties.text("Path"),
        role_name: properties.text("RoleName"),
        assume_role_policy_document: properties.required_policy("AssumeRolePolicyDocument", Kind::Trust),
        max_session_duration: properties.integer("MaxSessionDuration"),
        permissions_boundary: properties.text("PermissionsBoundary"),
        description: properties.text("Description"),
    });
    maker.finish(properties)?;
    let arn = maker.apply(tags, Change::Iam(create))?;
    let name = maker.site.world.roles[&arn].role_name.clone();
    policies.apply(maker, &Holder::Role(name.clone()))?;
    Ok(Made { reference: name, object: Some(arn), ..Made::default() })
}

pub(super) fn user(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let policies = Policies::read(maker, &mut properties);
    let groups = properties.texts("Groups");
    if properties.has("LoginProfile") {
        properties.known("LoginProfile");
        properties.ignored("LoginProfile", "the password (there is no console)");
    }
    let create = IamChange::CreateUser {
        path: properties.text("Path"),
        user_name: properties.text("UserName"),
        permissions_boundary: properties.text("PermissionsBoundary"),
    };
    maker.finish(properties)?;
    let arn = maker.apply(tags, Change::Iam(create))?;
    let name = maker.site.world.users[&arn].user_name.clone();
    for group_name in groups {
        change(maker, IamChange::AddUserToGroup { group_name, user_name: name.clone() })?;
    }
    policies.apply(maker, &Holder::User(name.clone()))?;
    Ok(Made { reference: name, object: Some(arn), ..Made::default() })
}

pub(super) fn group(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let policies = Policies::read(maker, &mut properties);
    let create = IamChange::CreateGroup { path: properties.text("Path"), group_name: properties.text("GroupName") };
    maker.finish(properties)?;
    let arn = change(maker, create)?;
    let name = maker.site.world.groups[&arn].group_name.clone();
    policies.apply(maker, &Holder::Group(name.clone()))?;
    Ok(Made { reference: name, object: Some(arn), ..Made::default() })
}

pub(super) fn group_members(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let group_name = properties.required_text("GroupName");
    let users = properties.required_texts("Users");
    maker.finish(properties)?;
    for user_name in users {
        change(maker, IamChange::AddUserToGroup { group_name: group_name.clone(), user_name })?;
    }
    Ok(named(maker))
}

pub(super) fn instance_profile(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let roles = properties.required_texts("Roles");
    let create = IamChange::CreateInstanceProfile {
        path: properties.text("Path"),
        instance_profile_name: properties.text("InstanceProfileName"),
    };
    maker.finish(properties)?;
    let arn = change(maker, create)?;
    let instance_profile_name = maker.site.world.instance_profiles[&arn].instance_profile_name.clone();
    for role_name in roles {
        let instance_profile_name = instance_profile_name.clone();
        change(maker, IamChange::AddRoleToInstanceProfile { instance_profile_name, role_name })?;
    }
    Ok(Made { reference: instance_profile_name, object: Some(arn), ..Made::default() })
}

pub(super) fn access_key(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let create = IamChange::CreateAccessKey {
        user_name: properties.required_text("UserName"),
        status: properties.text("Status"),
    };
    // A higher serial makes CloudFormation replace the key; a lab makes all anew.
    properties.known("Serial");
    maker.make(properties, BTreeMap::new(), Change::Iam(create))
}

pub(super) fn managed_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let holders = holders(&mut properties);
    let tags = properties.tags();
    let create = IamChange::CreatePolicy {
        path: properties.text("Path"),
        policy_name: properties.text("ManagedPolicyName"),
        description: properties.text("Description"),
        policy_document: properties.required_policy("PolicyDocument", Kind::Identity),
    };
    maker.finish(properties)?;
    let arn = maker.apply(tags, Change::Iam(create))?;
    for holder in holders {
        change(maker, IamChange::AttachPolicy { holder, policy_arn: arn.clone() })?;
    }
    Ok(Made { reference: arn.clone(), object: Some(arn), ..Made::default() })
}

/// `AWS::IAM::Policy`: one inline policy for several identities.
pub(super) fn policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let holders = holders(&mut properties);
    if ["Roles", "Users", "Groups"].into_iter().all(|name| !properties.has(name)) {
        let message = format!("{} needs at least one of `Roles`, `Users` and `Groups`", maker.resource.title());
        properties.error("", message, Some("an inline policy lives in an identity"));
    }
    put(maker, properties, holders)?;
    Ok(named(maker))
}

pub(super) fn role_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let name = properties.required_text("RoleName");
    put_one(maker, properties, Holder::Role(name.clone()), &name)
}

pub(super) fn user_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let name = properties.required_text("UserName");
    put_one(maker, properties, Holder::User(name.clone()), &name)
}

pub(super) fn group_policy(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let name = properties.required_text("GroupName");
    put_one(maker, properties, Holder::Group(name.clone()), &name)
}

/// An inline policy of one identity; `Ref` is both names.
fn put_one(maker: &mut Maker<'_>, properties: Properties, holder: Holder, name: &str) -> Result<Made, Stop> {
    let policy_name = put(maker, properties, vec![holder])?;
    Ok(Made { reference: format!("{policy_name}|{name}"), ..Made::default() })
}

/// Puts one document into each holder; the policy's name.
fn put(maker: &mut Maker<'_>, mut properties: Properties, holders: Vec<Holder>) -> Result<String, Stop> {
    let policy_name = properties.required_text("PolicyName");
    let policy_document = properties.required_policy("PolicyDocument", Kind::Identity);
    maker.finish(properties)?;
    for holder in holders {
        let (policy_name, policy_document) = (policy_name.clone(), policy_document.clone());
        change(maker, IamChange::PutPolicy { holder, policy_name, policy_document })?;
    }
    Ok(policy_name)
}

fn holders(properties: &mut Properties) -> Vec<Holder> {
    let roles = properties.texts("Roles").into_iter().map(Holder::Role);
    let mut holders: Vec<Holder> = roles.collect();
    holders.extend(properties.texts("Users").into_iter().map(Holder::User));
    holders.extend(properties.texts("Groups").into_iter().map(Holder::Group));
    holders
}

/// `Ref` of what is no object of its own.
fn named(maker: &Maker<'_>) -> Made {
    let reference = format!("{}-{}", maker.stack.name, maker.resource.logical_id.text);
    Made { reference, ..Made::default() }
}
