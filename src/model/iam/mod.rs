//! IAM's nouns: roles with their instance profiles, users with their access keys, groups, managed policies.
//!
//! They belong to an account and to no Region, and one account's names are unique whatever their case. The world keeps them
//! by ARN. What their policies allow is asked of a [`Directory`](super::access::Directory).
//!
//! Not done: permission to change IAM (a template may do everything), policy versions, service-linked roles, federated and
//! MFA identities. Deletion is a live lab's need and not here yet, except of what a policy edit needs.

mod access_key;
mod aws_managed;
mod group;
mod instance_profile;
mod managed_policy;
mod role;
mod user;

use std::collections::BTreeMap;

use super::*;
use crate::policy::Kind;

pub(super) use access_key::spell;
pub use access_key::{AccessKey, AccessKeyStatus};
pub use group::Group;
pub use instance_profile::InstanceProfile;
pub use managed_policy::ManagedPolicy;
pub use role::Role;
pub use user::User;

/// One IAM operation, with IAM's member names. Creating ones return the ARN (an access key's its id).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "members carry AWS's names")]
pub enum IamChange {
    /// CreateRole.
    CreateRole(CreateRole),
    /// CreateUser.
    CreateUser { path: Option<String>, user_name: Option<String>, permissions_boundary: Option<String> },
    /// CreateGroup.
    CreateGroup { path: Option<String>, group_name: Option<String> },
    /// CreatePolicy.
    CreatePolicy {
        path: Option<String>,
        policy_name: Option<String>,
        description: Option<String>,
        policy_document: PolicyDocument,
    },
    /// CreateInstanceProfile.
    CreateInstanceProfile { path: Option<String>, instance_profile_name: Option<String> },
    /// AddRoleToInstanceProfile.
    AddRoleToInstanceProfile { instance_profile_name: String, role_name: String },
    /// CreateAccessKey, with the status that CloudFormation sets in the same breath.
    CreateAccessKey { user_name: String, status: Option<String> },
    /// AddUserToGroup.
    AddUserToGroup { group_name: String, user_name: String },
    /// PutRolePolicy, PutUserPolicy and PutGroupPolicy.
    PutPolicy { holder: Holder, policy_name: String, policy_document: PolicyDocument },
    /// DeleteRolePolicy, DeleteUserPolicy and DeleteGroupPolicy.
    DeletePolicy { holder: Holder, policy_name: String },
    /// AttachRolePolicy, AttachUserPolicy and AttachGroupPolicy.
    AttachPolicy { holder: Holder, policy_arn: String },
    /// DetachRolePolicy, DetachUserPolicy and DetachGroupPolicy.
    DetachPolicy { holder: Holder, policy_arn: String },
}

/// Who has identity policies, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// `RoleName`.
    Role(String),
    /// `UserName`.
    User(String),
    /// `GroupName`.
    Group(String),
}

/// Members of CreateRole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRole {
    /// `/` when absent.
    pub path: Option<String>,
    /// Derived when absent.
    pub role_name: Option<String>,
    /// Who may assume it.
    pub assume_role_policy_document: PolicyDocument,
    /// Seconds, 3,600 (also when absent) to 43,200.
    pub max_session_duration: Option<u32>,
    /// ARN of a managed policy.
    pub permissions_boundary: Option<String>,
    /// Free text.
    pub description: Option<String>,
}

/// The identity policies of a role, user or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityPolicies {
    /// Inline policies by name.
    pub inline: BTreeMap<String, PolicyDocument>,
    /// ARNs of managed policies in the order of their attachment; AWS's own may be unknown here, and then grant nothing.
    pub attached: Vec<String>,
}

/// How IAM speaks of a kind of object, and how many characters a name of it has.
struct Noun {
    word: &'static str,
    /// Member in which its name is asked for.
    member: &'static str,
    longest: usize,
}

const ROLE: Noun = Noun { word: "role", member: "roleName", longest: 64 };
const USER: Noun = Noun { word: "user", member: "userName", longest: 64 };
const GROUP: Noun = Noun { word: "group", member: "groupName", longest: 128 };
const POLICY: Noun = Noun { word: "policy", member: "policyName", longest: 128 };
const INSTANCE_PROFILE: Noun = Noun { word: "instance profile", member: "instanceProfileName", longest: 128 };

/// Managed policies of one identity (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const ATTACHED_POLICIES: usize = 10;

impl World {
    pub(super) fn change_iam(&mut self, request: &Request, change: &IamChange) -> Result<ObjectId, Refusal> {
        match change {
            IamChange::CreateRole(members) => self.create_role(request, members),
            IamChange::CreateUser { path, user_name, permissions_boundary } => {
                self.create_user(request, path.as_deref(), user_name.as_deref(), permissions_boundary.as_deref())
            }
            IamChange::CreateGroup { path, group_name } => {
                self.create_group(request, path.as_deref(), group_name.as_deref())
            }
            IamChange::CreatePolicy { path, policy_name, description, policy_document } => {
                let description = description.as_deref().unwrap_or_default();
                self.create_policy(request, path.as_deref(), policy_name.as_deref(), description, policy_document)
            }
            IamChange::CreateInstanceProfile { path, instance_profile_name } => {
                self.create_instance_profile(request, path.as_deref(), instance_profile_name.as_deref())
            }
            IamChange::AddRoleToInstanceProfile { instance_profile_name, role_name } => {
                self.add_role_to_instance_profile(request, instance_profile_name, role_name)
            }
            IamChange::CreateAccessKey { user_name, status } => {
                self.create_access_key(request, user_name, status.as_deref())
            }
            IamChange::AddUserToGroup { group_name, user_name } => {
                self.add_user_to_group(request, group_name, user_name)
            }
            IamChange::PutPolicy { holder, policy_name, policy_document } => {
                self.put_policy(request, holder, policy_name, policy_document)
            }
            IamChange::DeletePolicy { holder, policy_name } => self.delete_policy(request, holder, policy_name),
            IamChange::AttachPolicy { holder, policy_arn } => self.attach_policy(request, holder, policy_arn),
            IamChange::DetachPolicy { holder, policy_arn } => self.detach_policy(request, holder, policy_arn),
        }
    }

    fn put_policy(
        &mut self,
        request: &Request,
        holder: &Holder,
        policy_name: &str,
        document: &PolicyDocument,
    ) -> Result<ObjectId, Refusal> {
        check_name(&POLICY, policy_name)?;
        let policies = self.identity_policies(request, holder)?;
        let others = policies.inline.iter().filter(|(name, _)| *name != policy_name);
        let size: usize = others.map(|(_, other)| other.size()).sum();
        let limit = holder.inline_characters();
        if size + document.size() > limit {
            let (noun, name) = holder.parts();
            return Err(Refusal::new(
                "LimitExceeded",
                format!("Maximum policy size of {limit} bytes exceeded for {} {name}", noun.word),
            )
            .help("whitespace does not count; a managed policy has room of its own"));
        }
        document.check(Kind::Identity)?;
        self.identity_policies_mut(request, holder)?.inline.insert(policy_name.to_owned(), document.clone());
        Ok(policy_name.to_owned())
    }

    fn delete_policy(&mut self, request: &Request, holder: &Holder, policy_name: &str) -> Result<ObjectId, Refusal> {
        match self.identity_policies_mut(request, holder)?.inline.remove(policy_name) {
            Some(_) => Ok(policy_name.to_owned()),
            None => {
                let (noun, _) = holder.parts();
                Err(no_such(format!("The {} policy with name {policy_name} cannot be found.", noun.word)))
            }
        }
    }

    fn attach_policy(&mut self, request: &Request, holder: &Holder, policy_arn: &str) -> Result<ObjectId, Refusal> {
        let policies = self.identity_policies(request, holder)?;
        self.check_attachable(request, policy_arn, "Policy")?;
        let (noun, _) = holder.parts();
        if policies.attached.iter().any(|arn| arn == policy_arn) {
            return Ok(policy_arn.to_owned());
        }
        if policies.attached.len() >= ATTACHED_POLICIES {
            let mut kind = noun.word.to_owned();
            kind[..1].make_ascii_uppercase();
            return Err(quota(&format!("PoliciesPer{kind}"), ATTACHED_POLICIES));
        }
        self.identity_policies_mut(request, holder)?.attached.push(policy_arn.to_owned());
        Ok(policy_arn.to_owned())
    }

    fn detach_policy(&mut self, request: &Request, holder: &Holder, policy_arn: &str) -> Result<ObjectId, Refusal> {
        let attached = &mut self.identity_policies_mut(request, holder)?.attached;
        match attached.iter().position(|arn| arn == policy_arn) {
            Some(position) => Ok(attached.remove(position)),
            None => Err(no_such(format!("Policy {policy_arn} was not found."))),
        }
    }

    /// A managed policy that the asker's identities may have. AWS's own are taken at their word: not all are known here.
    fn check_attachable(&self, request: &Request, policy_arn: &str, what: &str) -> Result<(), Refusal> {
        let own = format!("arn:{}:iam::{}:policy/", region::partition(&request.region), request.account);
        if !policy_arn.starts_with("arn:") || !policy_arn.contains(":policy/") {
            return Err(Refusal::new("InvalidInput", format!("ARN {policy_arn} is not valid.")));
        }
        let is_aws = policy_arn.starts_with(&format!("arn:{}:iam::aws:policy/", region::partition(&request.region)));
        if is_aws || (policy_arn.starts_with(&own) && self.managed_policies.contains_key(policy_arn)) {
            return Ok(());
        }
        Err(no_such(format!("{what} {policy_arn} does not exist or is not attachable.")))
    }

    /// A boundary whose document is known: one that is not would either let everything through or nothing.
    fn check_boundary(&self, request: &Request, boundary: Option<&str>) -> Result<(), Refusal> {
        let Some(policy_arn) = boundary else { return Ok(()) };
        self.check_attachable(request, policy_arn, "Scope ARN:")?;
        match self.managed_policy_document(policy_arn) {
            Some(_) => Ok(()),
            None => Err(no_such(format!("Scope ARN: {policy_arn} does not exist or is not attachable."))
                .help("vpclab does not know this policy of AWS; write its document as an AWS::IAM::ManagedPolicy")),
        }
    }

    fn identity_policies(&self, request: &Request, holder: &Holder) -> Result<&IdentityPolicies, Refusal> {
        Ok(match holder {
            Holder::Role(name) => &self.own_role(name, request)?.policies,
            Holder::User(name) => &self.own_user(name, request)?.policies,
            Holder::Group(name) => &self.own_group(name, request)?.policies,
        })
    }

    fn identity_policies_mut(&mut self, request: &Request, holder: &Holder) -> Result<&mut IdentityPolicies, Refusal> {
        let found = match holder {
            Holder::Role(name) => {
                let arn = self.own_role(name, request)?.arn.clone();
                self.roles.get_mut(&arn).map(|role| &mut role.policies)
            }
            Holder::User(name) => {
                let arn = self.own_user(name, request)?.arn.clone();
                self.users.get_mut(&arn).map(|user| &mut user.policies)
            }
            Holder::Group(name) => {
                let arn = self.own_group(name, request)?.arn.clone();
                self.groups.get_mut(&arn).map(|group| &mut group.policies)
            }
        };
        Ok(found.expect("it was found a line above"))
    }
}

impl Holder {
    fn parts(&self) -> (&'static Noun, &str) {
        match self {
            Self::Role(name) => (&ROLE, name),
            Self::User(name) => (&USER, name),
            Self::Group(name) => (&GROUP, name),
        }
    }

    /// Characters of all inline policies together, whitespace left out
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    fn inline_characters(&self) -> usize {
        match self {
            Self::Role(_) => 10_240,
            Self::User(_) => 2_048,
            Self::Group(_) => 5_120,
        }
    }
}

/// `arn:PARTITION:iam::ACCOUNT:KIND/PATH/NAME`.
fn arn(request: &Request, kind: &str, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:{kind}{path}{name}", region::partition(&request.region), request.account)
}

/// IAM's unique id: a prefix that says the kind, and 17 more characters. It names one life of an object, not its name; as
/// no lab makes a name twice, the ARN and its place make it.
fn unique_id(prefix: &str, arn: &str) -> String {
    let digest = id::Digest::of(&["iam", prefix, arn]);
    format!("{prefix}{}", digest.base32(17))
}

/// The given name, checked, or one as CloudFormation makes it; `taken` compares names without case.
fn name_for(
    request: &Request,
    noun: &Noun,
    given: Option<&str>,
    taken: impl Fn(&str) -> bool,
) -> Result<String, Refusal> {
    let Some(name) = given else {
        return Ok(id::free_generated_name(request, noun.word, noun.longest, taken));
    };
    check_name(noun, name)?;
    match taken(name) {
        false => Ok(name.to_owned()),
        true => {
            let mut kind = noun.word.to_owned();
            kind[..1].make_ascii_uppercase();
            Err(Refusal::new("EntityAlreadyExists", format!("{kind} with name {name} already exists."))
                .help("names are unique in an account, whatever their case"))
        }
    }
}

fn check_name(noun: &Noun, name: &str) -> Result<(), Refusal> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-');
    let constraint = if name.is_empty() {
        "Member must have length greater than or equal to 1".to_owned()
    } else if name.chars().count() > noun.longest {
        format!("Member must have length less than or equal to {}", noun.longest)
    } else if !name.chars().all(is_allowed) {
        r"Member must satisfy regular expression pattern: [\w+=,.@-]+".to_owned()
    } else {
        return Ok(());
    };
    Err(invalid(name, noun.member, &constraint))
}

/// The path, `/` when none is given.
fn path_for(given: Option<&str>) -> Result<String, Refusal> {
    let path = given.unwrap_or("/");
    let whole = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
    if whole && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Ok(path.to_owned());
    }
    Err(Refusal::new(
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    )
    .help(format!("it is `{path}`")))
}

/// IAM's form of a member that breaks a constraint.
fn invalid(value: &str, member: &str, constraint: &str) -> Refusal {
    Refusal::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ),
    )
}

fn no_such(message: String) -> Refusal {
    Refusal::new("NoSuchEntity", message)
}

fn quota(name: &str, limit: usize) -> Refusal {
    Refusal::new("LimitExceeded", format!("Cannot exceed quota for {name}: {limit}"))
}

macro_rules! finders {
    ($($method:ident, $field:ident, $noun:ty, $name:ident, $message:literal;)*) => {
        impl World {
            $(
                /// By name, in the asker's account.
                pub(super) fn $method(&self, name: &str, request: &Request) -> Result<&$noun, Refusal> {
                    let is_own = |each: &&$noun| {
                        each.meta.account == request.account && each.$name.eq_ignore_ascii_case(name)
                    };
                    self.$field.values().find(is_own).ok_or_else(|| no_such($message.replace("{}", name)))
                }
            )*
        }
    };
}

finders! {
    own_role, roles, Role, role_name, "The role with name {} cannot be found.";
    own_user, users, User, user_name, "The user with name {} cannot be found.";
    own_group, groups, Group, group_name, "The group with name {} cannot be found.";
    own_instance_profile, instance_profiles, InstanceProfile, instance_profile_name, "Instance Profile {} cannot be found.";
}
