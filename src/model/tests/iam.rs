//! IAM's nouns: names, quotas, who finds whom.

use serde_json::json;

use super::super::access::{Ask, Directory, Way, root_key};
use super::*;
use crate::policy::{Context, Principal};

pub(super) fn allow(actions: &str) -> PolicyDocument {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] }).into()
}

pub(super) fn trust(service: &str) -> PolicyDocument {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }
    ]})
    .into()
}

pub(super) fn role(name: Option<&str>) -> CreateRole {
    CreateRole {
        path: None,
        role_name: name.map(str::to_owned),
        assume_role_policy_document: trust("ec2.amazonaws.com"),
        max_session_duration: None,
        permissions_boundary: None,
        description: None,
    }
}

pub(super) fn create_role(members: CreateRole) -> Change {
    Change::Iam(IamChange::CreateRole(members))
}

pub(super) fn user(name: &str) -> Change {
    Change::Iam(IamChange::CreateUser { path: None, user_name: Some(name.to_owned()), permissions_boundary: None })
}

pub(super) fn group(name: &str) -> Change {
    Change::Iam(IamChange::CreateGroup { path: None, group_name: Some(name.to_owned()) })
}

pub(super) fn put(holder: Holder, name: &str, document: PolicyDocument) -> Change {
    Change::Iam(IamChange::PutPolicy { holder, policy_name: name.to_owned(), policy_document: document })
}

pub(super) fn attach_policy(holder: Holder, policy_arn: &str) -> Change {
    Change::Iam(IamChange::AttachPolicy { holder, policy_arn: policy_arn.to_owned() })
}

pub(super) fn managed(name: &str, document: PolicyDocument) -> Change {
    Change::Iam(IamChange::CreatePolicy {
        path: None,
        policy_name: Some(name.to_owned()),
        description: None,
        policy_document: document,
    })
}

pub(super) fn access_key(user_name: &str, status: Option<&str>) -> Change {
    Change::Iam(IamChange::CreateAccessKey { user_name: user_name.to_owned(), status: status.map(str::to_owned) })
}

pub(super) fn profile(name: &str) -> Change {
    Change::Iam(IamChange::CreateInstanceProfile { path: None, instance_profile_name: Some(name.to_owned()) })
}

pub(super) fn add_role(profile: &str, role: &str) -> Change {
    Change::Iam(IamChange::AddRoleToInstanceProfile {
        instance_profile_name: profile.to_owned(),
        role_name: role.to_owned(),
    })
}

pub(super) fn add_user(group: &str, user: &str) -> Change {
    Change::Iam(IamChange::AddUserToGroup { group_name: group.to_owned(), user_name: user.to_owned() })
}

#[test]
fn a_role_has_a_name_an_id_and_an_arn() {
    let mut asker = Asker::default();
    let arn = asker.make(create_role(CreateRole { path: Some("/app/".to_owned()), ..role(Some("Worker")) }));
    assert_eq!(arn, format!("arn:aws:iam::{ACCOUNT}:role/app/Worker"));
    let made = &asker.world.roles[&arn];
    assert!(made.role_id.starts_with("AROA") && made.role_id.len() == 21, "{}", made.role_id);
    assert_eq!(made.max_session_duration, 3600);
    let unnamed = asker.make(create_role(role(None)));
    assert!(unnamed.contains(":role/story-Object2-"), "{unnamed}");
    // Another account has names of its own; another path makes no other name.
    asker.ask_as(OTHER_ACCOUNT, create_role(role(Some("Worker")))).expect("another account's name");
    asker.all_refused([
        (create_role(role(Some("worker"))), "EntityAlreadyExists: Role with name worker already exists."),
        (
            create_role(role(Some("a b"))),
            r"ValidationError: 1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+",
        ),
        (
            create_role(role(Some(&"x".repeat(65)))),
            &format!("ValidationError: 1 validation error detected: Value '{}' at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64", "x".repeat(65)),
        ),
        (
            create_role(CreateRole { path: Some("app".to_owned()), ..role(None) }),
            "ValidationError: The specified value for path is invalid.",
        ),
        (
            create_role(CreateRole { max_session_duration: Some(60), ..role(None) }),
            "ValidationError: 1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600",
        ),
        (
            create_role(CreateRole { permissions_boundary: Some("arn:aws:iam::111122223333:policy/No".to_owned()), ..role(None) }),
            "NoSuchEntity: Scope ARN: arn:aws:iam::111122223333:policy/No does not exist or is not attachable.",
        ),
        (
            create_role(CreateRole { permissions_boundary: Some("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()), ..role(None) }),
            "NoSuchEntity: Scope ARN: arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
        (
            create_role(CreateRole { assume_role_policy_document: trust(&"x".repeat(2048)), ..role(None) }),
            "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048",
        ),
    ]);
}

#[test]
fn policies_are_put_and_attached_within_quotas() {
    let mut asker = Asker::default();
    asker.make(user("alice"));
    let alice = || Holder::User("alice".to_owned());
    asker.make(put(alice(), "Read", allow("s3:GetObject")));
    // Put again, it is replaced, and its size counts once.
    let long = |length: usize| allow(&format!("s3:{}", "x".repeat(length)));
    asker.make(put(alice(), "Read", long(1_800)));
    asker.make(put(alice(), "Read", long(1_900)));
    let arn = asker.make(managed("Shared", allow("dynamodb:*")));
    asker.make(attach_policy(alice(), &arn));
    asker.make(attach_policy(alice(), &arn));
    let policies = &asker.world.users[&format!("arn:aws:iam::{ACCOUNT}:user/alice")].policies;
    assert_eq!((policies.inline.len(), policies.attached.len()), (1, 1));
    asker.all_refused([
        (put(alice(), "More", long(100)), "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user alice"),
        (put(Holder::User("bob".to_owned()), "P", allow("*")), "NoSuchEntity: The user with name bob cannot be found."),
        (put(Holder::Role("bob".to_owned()), "P", allow("*")), "NoSuchEntity: The role with name bob cannot be found."),
        (
            put(Holder::Group("bob".to_owned()), "P", allow("*")),
            "NoSuchEntity: The group with name bob cannot be found.",
        ),
        (
            attach_policy(alice(), &format!("arn:aws:iam::{ACCOUNT}:policy/Other")),
            &format!("NoSuchEntity: Policy arn:aws:iam::{ACCOUNT}:policy/Other does not exist or is not attachable."),
        ),
        (attach_policy(alice(), "Shared"), "InvalidInput: ARN Shared is not valid."),
        (managed("Shared", allow("*")), "EntityAlreadyExists: Policy with name Shared already exists."),
        (managed("Long", long(6_100)), "LimitExceeded: Cannot exceed quota for PolicySize: 6144"),
    ]);
    asker.refused_as(OTHER_ACCOUNT, attach_policy(alice(), &arn), "NoSuchEntity: The user with name alice");
    let attribute = |name: &str| asker.world.attribute(&arn, name);
    assert_eq!(attribute("AttachmentCount"), Some(json!(1)));
    assert_eq!(attribute("DefaultVersionId"), Some(json!("v1")));
    assert_eq!(attribute("CreateDate"), None, "a world has no clock");
    for number in 0..9 {
        asker.make(attach_policy(alice(), &format!("arn:aws:iam::aws:policy/Unknown{number}")));
    }
    asker.refused(
        attach_policy(alice(), "arn:aws:iam::aws:policy/AmazonS3FullAccess"),
        "LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10",
    );
    asker.make(Change::Iam(IamChange::DetachPolicy { holder: alice(), policy_arn: arn.clone() }));
    asker.refused(
        Change::Iam(IamChange::DetachPolicy { holder: alice(), policy_arn: arn.clone() }),
        &format!("NoSuchEntity: Policy {arn} was not found."),
    );
    asker.make(Change::Iam(IamChange::DeletePolicy { holder: alice(), policy_name: "Read".to_owned() }));
    asker.refused(
        Change::Iam(IamChange::DeletePolicy { holder: alice(), policy_name: "Read".to_owned() }),
        "NoSuchEntity: The user policy with name Read cannot be found.",
    );
}

#[test]
fn users_have_keys_and_groups() {
    let mut asker = Asker::default();
    asker.make(user("alice"));
    asker.make(group("readers"));
    asker.make(add_user("readers", "alice"));
    asker.make(add_user("readers", "Alice"));
    let first = asker.make(access_key("alice", None));
    let second = asker.make(access_key("alice", Some("Inactive")));
    assert!(first.starts_with("AKIA") && first.len() == 20 && first != second, "{first} {second}");
    assert_eq!(asker.world.attribute(&first, "SecretAccessKey").unwrap().as_str().unwrap().len(), 40);
    asker.all_refused([
        (access_key("alice", None), "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"),
        (access_key("bob", None), "NoSuchEntity: The user with name bob cannot be found."),
        (add_user("writers", "alice"), "NoSuchEntity: The group with name writers cannot be found."),
    ]);
    let directory = Directory::of(&asker.world);
    let key = directory.access_key(&first).expect("the active key");
    assert!(matches!(key.principal, Principal::User { ref arn, .. } if arn.ends_with(":user/alice")));
    assert_eq!(directory.access_key(&second), None, "an inactive key opens nothing");
    let (root, secret) = root_key(ACCOUNT);
    let root = directory.access_key(&root).expect("the account's own key");
    assert_eq!((root.secret_access_key, root.principal), (secret, Principal::Root { account: ACCOUNT.to_owned() }));
    assert_eq!(directory.access_key(&root_key(OTHER_ACCOUNT).0), None, "nobody of that account is here");
    assert_eq!(directory.accounts().collect::<Vec<_>>(), [ACCOUNT]);
}

#[test]
fn an_instance_gets_its_role_by_a_profile() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let role_arn = asker.make(create_role(role(Some("Worker"))));
    asker.make(create_role(role(Some("Other"))));
    let profile_arn = asker.make(profile("web"));
    let run = |wanted: &str| {
        Change::RunInstance(RunInstance {
            subnet_id: Some(subnet_id.clone()),
            iam_instance_profile: Some(wanted.to_owned()),
            ..RunInstance::default()
        })
    };
    let without_role = asker.make(run("web"));
    asker.make(add_role("web", "Worker"));
    asker.all_refused([
        (add_role("web", "Other"), "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"),
        (add_role("no", "Worker"), "NoSuchEntity: Instance Profile no cannot be found."),
        (
            run("Worker"),
            "InvalidParameterValue: Value (Worker) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
        ),
        (
            run("arn:aws:iam::111122223333:instance-profile/no"),
            "InvalidParameterValue: Value (arn:aws:iam::111122223333:instance-profile/no) for parameter iamInstanceProfile.arn is invalid.",
        ),
    ]);
    let instance_id = asker.make(run(&profile_arn));
    let directory = Directory::of(&asker.world);
    let found = directory.instance_role(&instance_id).expect("the role");
    assert_eq!(found.instance_profile_arn, profile_arn);
    assert!(found.instance_profile_id.starts_with("AIPA"));
    assert_eq!(found.role_arn.as_deref(), Some(role_arn.as_str()));
    // The profile is asked when it is needed: a role that it got later is the instance's, too.
    assert_eq!(
        directory.instance_role(&without_role).expect("the profile").role_arn.as_deref(),
        Some(role_arn.as_str())
    );
    let facts = directory.role(&role_arn).expect("the role");
    assert_eq!((facts.role_name.as_str(), facts.account.as_str()), ("Worker", ACCOUNT));
    assert_eq!(facts.trust.name, "role Object3: trust policy");
}

/// The keys that follow from who asks, through which endpoint, in which organization.
#[test]
fn a_judgement_has_all_keys() {
    let mut asker = Asker::default();
    asker.world.organization = Some("o-exampleorgid".to_owned());
    let mut tagged = request(ACCOUNT, "Worker", create_role(role(Some("Worker"))));
    tagged.tags = [("team".to_owned(), "orders".to_owned())].into();
    let role_arn = asker.world.apply(tagged).unwrap();
    let role_id = asker.world.roles[&role_arn].role_id.clone();
    let directory = Directory::of(&asker.world);
    let way = Way {
        vpc_endpoint_id: Some("vpce-0123456789abcdef0".to_owned()),
        endpoint_account: Some(ACCOUNT.to_owned()),
        tls: true,
        ..Way::default()
    };
    let principal = Principal::Session {
        account: ACCOUNT.to_owned(),
        role_arn: role_arn.clone(),
        role_id: role_id.clone(),
        session_name: "i-0a".to_owned(),
    };
    let mut context = Context::default();
    context.set("s3:prefix", "a/");
    let ask = Ask {
        action: "s3:ListBucket".to_owned(),
        resource: "arn:aws:s3:::b".to_owned(),
        resource_account: Some(OTHER_ACCOUNT.to_owned()),
        context,
        ..Ask::default()
    };
    let judged = directory.judge(&principal, &[], &way, &ask);
    let keys: Vec<String> =
        judged.request.context.iter().map(|(key, values)| format!("{key}={}", values.join(","))).collect();
    let mut expected = vec![
        format!("aws:PrincipalAccount={ACCOUNT}"),
        format!("aws:PrincipalArn={role_arn}"),
        "aws:PrincipalIsAWSService=false".to_owned(),
        "aws:PrincipalOrgID=o-exampleorgid".to_owned(),
        "aws:PrincipalTag/team=orders".to_owned(),
        "aws:PrincipalType=AssumedRole".to_owned(),
        format!("aws:ResourceAccount={OTHER_ACCOUNT}"),
        "aws:SecureTransport=true".to_owned(),
        "aws:SourceVpce=vpce-0123456789abcdef0".to_owned(),
        format!("aws:userid={role_id}:i-0a"),
        format!("aws:VpceAccount={ACCOUNT}"),
        "aws:VpceOrgID=o-exampleorgid".to_owned(),
        "s3:prefix=a/".to_owned(),
    ];
    expected.sort_by_key(|key| key.to_ascii_lowercase());
    assert_eq!(keys, expected, "the resource's account owns nothing here, so it is in no organization");
}

/// What `status --json` shows of it all.
#[test]
fn identities_are_described_as_iam_prints_them() {
    let mut asker = Asker::default();
    let boundary = asker.make(managed("Bounds", allow("s3:*")));
    asker.make(create_role(CreateRole { permissions_boundary: Some(boundary.clone()), ..role(Some("Worker")) }));
    asker.make(put(Holder::Role("Worker".to_owned()), "Read", allow("s3:GetObject")));
    asker.make(attach_policy(Holder::Role("Worker".to_owned()), "arn:aws:iam::aws:policy/AmazonS3FullAccess"));
    asker.make(profile("web"));
    asker.make(add_role("web", "Worker"));
    asker.make(user("alice"));
    asker.make(group("readers"));
    asker.make(add_user("readers", "alice"));
    let key = asker.make(access_key("alice", None));
    let described = describe(&asker.world);
    let role = &described["Roles"][0];
    assert_eq!(role["RolePolicies"][0]["PolicyName"], "Read");
    assert_eq!(role["RolePolicies"][0]["PolicyDocument"]["Statement"][0]["Action"], "s3:GetObject");
    assert_eq!(role["AssumeRolePolicyDocument"]["Statement"][0]["Action"], "sts:AssumeRole");
    assert_eq!(
        role["AttachedPolicies"],
        json!([{ "PolicyName": "AmazonS3FullAccess", "PolicyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess" }])
    );
    assert_eq!(role["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary);
    assert_eq!(described["InstanceProfiles"][0]["Roles"][0]["RoleName"], "Worker");
    assert_eq!(described["Users"][0]["Groups"], json!(["readers"]));
    assert_eq!(
        described["Users"][0]["AccessKeys"],
        json!([{ "UserName": "alice", "AccessKeyId": key, "Status": "Active" }])
    );
    let secret = asker.world.access_keys[&key].secret_access_key.clone();
    assert!(!described.to_string().contains(&secret), "secrets are not shown");
    assert_eq!(described["Policies"][0]["PolicyName"], "Bounds");
}

/// Each of AWS's documents that is carried here is one.
#[test]
fn the_managed_policies_of_aws_can_be_evaluated() {
    let world = World::default();
    let data: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(include_str!("../data/aws-managed-policies.json")).unwrap();
    assert!(data.len() > 20);
    for name in data.keys() {
        let document = world.managed_policy_document(&format!("arn:aws:iam::aws:policy/{name}")).expect("known");
        document.check(crate::policy::Kind::Identity).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
    let china = world.managed_policy_document("arn:aws-cn:iam::aws:policy/IAMFullAccess").expect("known in China, too");
    assert!(!china.value.to_string().contains("arn:aws:"));
    assert_eq!(world.managed_policy_document("arn:aws:iam::aws:policy/ReadOnlyAccess"), None);
    assert_eq!(world.managed_policy_document("arn:aws:iam::111122223333:policy/AdministratorAccess"), None);
}
