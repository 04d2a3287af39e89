//! From a world to a [`Directory`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::directory::{
    AccessKey, BucketFacts, Directory, EndpointFacts, Identity, InstanceRole, RoleFacts, TableFacts,
};
use super::root_key;
use crate::model::{
    AccessKeyStatus, IdentityPolicies, Instance, PolicyDocument, Role, User, VpcEndpoint, VpcEndpointType, World,
};
use crate::policy::{Kind, Policy, Principal};

impl Directory {
    /// Reads a world.
    pub fn of(world: &World) -> Self {
        let accounts = world.accounts();
        let root_keys = accounts.iter().map(|account| {
            let (access_key_id, secret_access_key) = root_key(account);
            (access_key_id, AccessKey { secret_access_key, principal: Principal::Root { account: account.clone() } })
        });
        let mut keys: BTreeMap<String, AccessKey> = root_keys.collect();
        keys.extend(world.access_keys.values().filter(|key| key.status == AccessKeyStatus::Active).filter_map(|key| {
            let user = world.users.get(&key.user)?;
            let principal = Principal::User {
                account: user.meta.account.clone(),
                arn: user.arn.clone(),
                user_id: user.user_id.clone(),
            };
            let secret_access_key = key.secret_access_key.clone();
            Some((key.access_key_id.clone(), AccessKey { secret_access_key, principal }))
        }));
        Self {
            organization: world.organization.clone(),
            keys,
            roles: world.roles.values().filter_map(|each| Some((each.arn.clone(), role(world, each)?))).collect(),
            users: world.users.values().map(|each| (each.arn.clone(), user(world, each))).collect(),
            instance_roles: world.instances.values().filter_map(|each| instance_role(world, each)).collect(),
            buckets: buckets(world),
            tables: tables(world),
            endpoints: world.vpc_endpoints.values().filter_map(endpoint).collect(),
            accounts,
        }
    }
}

fn role(world: &World, role: &Role) -> Option<(RoleFacts, Identity)> {
    let who = format!("role {}", role.meta.label(&role.role_name));
    let facts = RoleFacts {
        arn: role.arn.clone(),
        account: role.meta.account.clone(),
        role_id: role.role_id.clone(),
        role_name: role.role_name.clone(),
        trust: role.assume_role_policy_document.policy(Kind::Trust, format!("{who}: trust policy"), &role.arn)?,
        max_session_duration: role.max_session_duration,
    };
    let identity = Identity {
        policies: identity_policies(world, (&who, &role.arn), &role.policies),
        boundary: boundary(world, (&who, &role.arn), role.permissions_boundary.as_deref()),
        tags: role.meta.tags.clone(),
        user_name: None,
        user_id: None,
    };
    Some((facts, identity))
}

fn user(world: &World, user: &User) -> Identity {
    let who = format!("user {}", user.meta.label(&user.user_name));
    let mut policies = identity_policies(world, (&who, &user.arn), &user.policies);
    for group in user.groups.iter().filter_map(|arn| world.groups.get(arn)) {
        let who = format!("group {}", group.meta.label(&group.group_name));
        policies.extend(identity_policies(world, (&who, &group.arn), &group.policies));
    }
    Identity {
        policies,
        boundary: boundary(world, (&who, &user.arn), user.permissions_boundary.as_deref()),
        tags: user.meta.tags.clone(),
        user_name: Some(user.user_name.clone()),
        user_id: Some(user.user_id.clone()),
    }
}

/// `who` is a name for people, and the ARN.
fn identity_policies(world: &World, (who, owner): (&str, &str), policies: &IdentityPolicies) -> Vec<Arc<Policy>> {
    let named =
        |name: &str, document: &PolicyDocument| document.policy(Kind::Identity, format!("{who}: {name}"), owner);
    let inline = policies.inline.iter().filter_map(|(name, document)| named(name, document));
    let attached =
        policies.attached.iter().filter_map(|arn| named(policy_name(arn), &world.managed_policy_document(arn)?));
    inline.chain(attached).collect()
}

fn boundary(world: &World, (who, owner): (&str, &str), policy_arn: Option<&str>) -> Option<Arc<Policy>> {
    let policy_arn = policy_arn?;
    let document = world.managed_policy_document(policy_arn).expect("a boundary's document is known");
    document.policy(Kind::Boundary, format!("{who}: boundary {}", policy_name(policy_arn)), owner)
}

/// The last part of a policy's ARN.
fn policy_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn instance_role(world: &World, instance: &Instance) -> Option<(String, InstanceRole)> {
    let profile = world.instance_profiles.get(instance.iam_instance_profile.as_ref()?)?;
    let role = InstanceRole {
        instance_profile_arn: profile.arn.clone(),
        instance_profile_id: profile.instance_profile_id.clone(),
        role_arn: profile.role.clone(),
    };
    Some((instance.instance_id.clone(), role))
}

fn buckets(world: &World) -> BTreeMap<String, BucketFacts> {
    let facts = world.buckets.values().map(|bucket| {
        let name = format!("bucket {}", bucket.bucket);
        let facts = BucketFacts {
            account: bucket.meta.account.clone(),
            region: bucket.meta.region.clone(),
            policy: bucket.policy.as_ref().and_then(|document| document.policy(Kind::Resource, name, &bucket.bucket)),
        };
        (bucket.bucket.clone(), facts)
    });
    facts.collect()
}

fn tables(world: &World) -> BTreeMap<String, TableFacts> {
    let facts = world.tables.values().map(|table| {
        let name = format!("table {}", table.table_name);
        let document = table.resource_policy.as_ref();
        let policy = document.and_then(|document| document.policy(Kind::Resource, name, &table.table_arn));
        (table.table_arn.clone(), TableFacts { account: table.meta.account.clone(), policy })
    });
    facts.collect()
}

fn endpoint(endpoint: &VpcEndpoint) -> Option<(String, EndpointFacts)> {
    if !endpoint.supports_policy() {
        return None;
    }
    let id = &endpoint.vpc_endpoint_id;
    let name = match &endpoint.meta.logical_id {
        Some(logical_id) => format!("endpoint {logical_id} ({id})"),
        None => format!("endpoint {id}"),
    };
    let policy = endpoint.policy_document.policy(Kind::Endpoint, name, id)?;
    let is_gateway = endpoint.vpc_endpoint_type == VpcEndpointType::Gateway;
    Some((id.clone(), EndpointFacts { policy, is_gateway }))
}
