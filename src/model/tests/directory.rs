//! The directory gathers everything that has a say: each row's outcome turns if one policy or key were left out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::access::{Ask, Call, Directory, Judged, Way};
use super::iam::{add_user, attach_policy, create_role, group, managed, put, role, user};
use super::*;
use crate::policy::{Effect, Kind, Policy, Principal};

const BUCKET: &str = "arn:aws:s3:::data/key";

fn statement(effect: &str, action: &str, condition: Value) -> Value {
    let mut statement = json!({ "Sid": "Only", "Effect": effect, "Action": action, "Resource": "*" });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    statement
}

fn document(statement: Value) -> PolicyDocument {
    let place = Source { file: "t.yaml".into(), line: 7, column: 1 };
    PolicyDocument { value: json!({ "Version": "2012-10-17", "Statement": [statement] }), places: vec![place] }
}

/// A bucket's policy.
fn of_bucket(mut statement: Value, principal: Value) -> PolicyDocument {
    statement["Resource"] = "arn:aws:s3:::data/*".into();
    with_principal(statement, principal)
}

/// A policy that has a Principal: an endpoint's or a bucket's.
fn with_principal(mut statement: Value, principal: Value) -> PolicyDocument {
    statement["Principal"] = principal;
    document(statement)
}

/// An account with a VPC, its S3 and SQS endpoints, a bucket, users and roles.
struct Scene {
    asker: Asker,
    s3: String,
    sqs: String,
    service: String,
}

impl Scene {
    fn new() -> Self {
        let mut asker = Asker::default();
        asker.world.organization = Some("o-exampleorgid".to_owned());
        let vpc_id = asker.vpc();
        let subnet_id = asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
        let s3 = asker.make(Change::CreateVpcEndpoint(gateway_endpoint(&vpc_id, "s3", &[])));
        let sqs = interface_endpoint(&vpc_id, "com.amazonaws.us-east-1.sqs", &[&subnet_id]);
        let sqs = asker.make(Change::CreateVpcEndpoint(sqs));
        let balancer = asker.make(balancer(Some("nlb"), true, &[&subnet_id]));
        let service_id = asker.make(Change::CreateVpcEndpointServiceConfiguration {
            network_load_balancer_arns: vec![balancer],
            acceptance_required: false,
            private_dns_name: None,
        });
        let name = asker.world.vpc_endpoint_services[&service_id].service_name.clone();
        let service = asker.make(Change::CreateVpcEndpoint(interface_endpoint(&vpc_id, &name, &[&subnet_id])));
        asker.make(Change::CreateBucket { bucket: Some("data".to_owned()) });
        asker.make(user("alice"));
        asker.make(group("readers"));
        asker.make(create_role(role(Some("Worker"))));
        Self { asker, s3, sqs, service }
    }

    fn user() -> Principal {
        Principal::User {
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/alice"),
            user_id: "AIDA".to_owned(),
        }
    }

    fn worker() -> Principal {
        Principal::Session {
            account: ACCOUNT.to_owned(),
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/Worker"),
            role_id: "AROA".to_owned(),
            session_name: "i-0a".to_owned(),
        }
    }

    /// s3:GetObject of the bucket, through an endpoint where one is given.
    fn get(&self, principal: &Principal, vpc_endpoint_id: Option<&str>) -> Judged {
        self.ask(principal, vpc_endpoint_id, &[])
    }

    fn ask(&self, principal: &Principal, vpc_endpoint_id: Option<&str>, session: &[Arc<Policy>]) -> Judged {
        let directory = Directory::of(&self.asker.world);
        let way = Way {
            vpc_endpoint_id: vpc_endpoint_id.map(str::to_owned),
            endpoint_account: vpc_endpoint_id.map(|_| ACCOUNT.to_owned()),
            ..Way::default()
        };
        let bucket = directory.bucket("data").expect("the bucket");
        let ask = Ask {
            action: "s3:GetObject".to_owned(),
            resource: BUCKET.to_owned(),
            resource_account: Some(bucket.account.clone()),
            resource_policy: bucket.policy.clone(),
            ..Ask::default()
        };
        directory.judge(principal, session, &way, &ask)
    }

    #[track_caller]
    fn decides(&self, principal: &Principal, vpc_endpoint_id: Option<&str>, effect: Effect, by: &str) {
        let decision = self.get(principal, vpc_endpoint_id).decision;
        let said = decision.statement.as_ref().map(|it| format!("{} {:?} {:?}", it.policy, it.statement, it.place));
        assert_eq!((decision.effect, said.unwrap_or_default().as_str()), (effect, by), "{decision:?}");
    }

    fn put_bucket_policy(&mut self, policy: PolicyDocument) {
        self.asker.make(Change::PutBucketPolicy { bucket: "data".to_owned(), policy });
    }

    fn put_endpoint_policy(&mut self, id: &str, policy: PolicyDocument) {
        self.asker.make(Change::ModifyVpcEndpoint(ModifyVpcEndpoint {
            vpc_endpoint_id: id.to_owned(),
            policy_document: Some(policy),
            ..ModifyVpcEndpoint::default()
        }));
    }
}

#[test]
fn identity_policies_are_ones_own_ones_groups_and_attached_ones() {
    let (user, worker) = (Scene::user(), Scene::worker());
    let mut scene = Scene::new();
    scene.decides(&user, None, Effect::ImplicitDeny, "");
    scene.decides(&worker, None, Effect::ImplicitDeny, "");
    let read = || document(statement("Allow", "s3:GetObject", Value::Null));

    scene.asker.make(put(Holder::Group("readers".to_owned()), "Read", read()));
    scene.decides(&user, None, Effect::ImplicitDeny, "");
    scene.asker.make(add_user("readers", "alice"));
    scene.decides(&user, None, Effect::Allowed, r#"group Object10: Read "Only" Some("t.yaml:7")"#);

    scene.asker.make(put(Holder::Role("Worker".to_owned()), "Read", read()));
    scene.decides(&worker, None, Effect::Allowed, r#"role Object11: Read "Only" Some("t.yaml:7")"#);
    let unknown = "arn:aws:iam::aws:policy/NobodyKnows";
    let mut attached = Scene::new();
    attached.asker.make(attach_policy(Holder::Role("Worker".to_owned()), unknown));
    attached.decides(&worker, None, Effect::ImplicitDeny, "");
    attached
        .asker
        .make(attach_policy(Holder::Role("Worker".to_owned()), "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"));
    attached.decides(&worker, None, Effect::Allowed, r#"role Object11: AmazonS3ReadOnlyAccess "statement 1" None"#);
    // A denial anywhere wins.
    let arn = attached.asker.make(managed("Deny", document(statement("Deny", "s3:*", Value::Null))));
    attached.asker.make(attach_policy(Holder::Role("Worker".to_owned()), &arn));
    attached.decides(&worker, None, Effect::ExplicitDeny, r#"role Object11: Deny "Only" Some("t.yaml:7")"#);
}

#[test]
fn boundaries_and_sessions_only_take_away() {
    let mut scene = Scene::new();
    let arn = scene.asker.make(managed("Bounds", document(statement("Allow", "dynamodb:*", Value::Null))));
    let bounded = role(Some("Bounded"));
    scene.asker.make(create_role(CreateRole { permissions_boundary: Some(arn), ..bounded }));
    let all = || document(statement("Allow", "*", Value::Null));
    for name in ["Bounded", "Worker"] {
        scene.asker.make(put(Holder::Role(name.to_owned()), "All", all()));
    }
    let session = |name: &str| Principal::Session {
        account: ACCOUNT.to_owned(),
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        role_id: "AROA".to_owned(),
        session_name: "s".to_owned(),
    };
    let denied = scene.get(&session("Bounded"), None).decision;
    assert_eq!((denied.effect, denied.kind), (Effect::ImplicitDeny, Some(Kind::Boundary)));
    assert_eq!(scene.get(&session("Worker"), None).decision.effect, Effect::Allowed);
    let only_tables = document(statement("Allow", "dynamodb:*", Value::Null));
    let policy = only_tables.policy(Kind::Session, "session".to_owned(), "").expect("a policy");
    let denied = scene.ask(&session("Worker"), None, &[policy]).decision;
    assert_eq!((denied.effect, denied.kind), (Effect::ImplicitDeny, Some(Kind::Session)));
}

#[test]
fn an_endpoint_filters_what_comes_through_it() {
    let root = Principal::Root { account: ACCOUNT.to_owned() };
    let mut scene = Scene::new();
    let (s3, sqs, service) = (scene.s3.clone(), scene.sqs.clone(), scene.service.clone());
    for endpoint in [None, Some(s3.as_str()), Some(sqs.as_str()), Some(service.as_str())] {
        assert_eq!(scene.get(&root, endpoint).decision.effect, Effect::Allowed, "AWS's default lets all through");
    }
    let deny = with_principal(statement("Deny", "s3:DeleteObject", Value::Null), json!("*"));
    // The trap of a policy with a Deny alone: nothing is allowed.
    scene.put_endpoint_policy(&s3, deny);
    scene.decides(&root, None, Effect::Allowed, "");
    let denied = scene.get(&root, Some(&s3)).decision;
    assert_eq!((denied.effect, denied.kind), (Effect::ImplicitDeny, Some(Kind::Endpoint)));
    assert_eq!(denied.owner.as_deref(), Some(s3.as_str()));
    scene.decides(&root, Some(&sqs), Effect::Allowed, "");
    let deny = with_principal(statement("Deny", "s3:*", Value::Null), json!("*"));
    scene.put_endpoint_policy(&s3, deny);
    scene.decides(
        &root,
        Some(&s3),
        Effect::ExplicitDeny,
        &format!(r#"endpoint Object3 ({s3}) "Only" Some("t.yaml:7")"#),
    );
    // In a gateway endpoint's policy an account is its root user alone; in an interface endpoint's it is everybody of it.
    let own = || with_principal(statement("Allow", "s3:*", Value::Null), json!({ "AWS": ACCOUNT }));
    scene.put_endpoint_policy(&s3, own());
    scene.put_endpoint_policy(&sqs, own());
    scene.asker.make(put(Holder::User("alice".to_owned()), "All", document(statement("Allow", "*", Value::Null))));
    assert_eq!(scene.get(&root, Some(&s3)).decision.effect, Effect::Allowed);
    assert_eq!(scene.get(&Scene::user(), Some(&s3)).decision.effect, Effect::ImplicitDeny);
    assert_eq!(scene.get(&Scene::user(), Some(&sqs)).decision.effect, Effect::Allowed);
}

/// A bucket policy that allows on one condition: true for a worker through the endpoint, and for nobody without the key.
#[test]
fn a_bucket_policy_sees_the_keys_of_identity_way_and_organization() {
    let mut scene = Scene::new();
    let mut tagged = request(ACCOUNT, "Tagged", create_role(role(Some("Tagged"))));
    tagged.tags = [("team".to_owned(), "orders".to_owned())].into();
    scene.asker.world.apply(tagged).expect("a role");
    let principal = Principal::Session {
        account: ACCOUNT.to_owned(),
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/Tagged"),
        role_id: "AROA".to_owned(),
        session_name: "s".to_owned(),
    };
    let s3 = scene.s3.clone();
    for (key, value) in [
        ("aws:SourceVpce", s3.as_str()),
        ("aws:PrincipalArn", &format!("arn:aws:iam::{ACCOUNT}:role/Tagged")),
        ("aws:PrincipalAccount", ACCOUNT),
        ("aws:PrincipalOrgID", "o-exampleorgid"),
        ("aws:PrincipalTag/team", "orders"),
        ("aws:PrincipalType", "AssumedRole"),
        ("aws:userid", "AROA:s"),
        ("aws:ResourceAccount", ACCOUNT),
        ("aws:ResourceOrgID", "o-exampleorgid"),
        ("aws:VpceAccount", ACCOUNT),
        ("aws:VpceOrgID", "o-exampleorgid"),
        ("aws:SecureTransport", "false"),
    ] {
        for (value, effect) in [(value, Effect::Allowed), ("other", Effect::ImplicitDeny)] {
            let condition = json!({ "StringEquals": { key: value } });
            let policy = of_bucket(statement("Allow", "s3:GetObject", condition), json!({ "AWS": "*" }));
            scene.put_bucket_policy(policy);
            let judged = scene.get(&principal, Some(&s3));
            assert_eq!(judged.decision.effect, effect, "{key} {value}: {judged:?}");
        }
    }
    // Somebody from outside of the lab belongs to no organization.
    let condition = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-exampleorgid" } });
    scene.put_bucket_policy(of_bucket(statement("Allow", "s3:GetObject", condition), json!("*")));
    for (principal, effect) in [
        (Principal::Anonymous, Effect::ImplicitDeny),
        (Principal::Root { account: OTHER_ACCOUNT.to_owned() }, Effect::ImplicitDeny),
        (principal, Effect::Allowed),
    ] {
        assert_eq!(scene.get(&principal, None).decision.effect, effect, "{principal:?}");
    }
}

/// `${aws:username}` in a user's policy is the user's name.
#[test]
fn a_users_name_is_a_variable() {
    let mut scene = Scene::new();
    for (name, effect) in [("alice", Effect::Allowed), ("bob", Effect::ImplicitDeny)] {
        let condition = json!({ "StringEquals": { "aws:username": name } });
        let policy = document(statement("Allow", "s3:GetObject", condition));
        scene.asker.make(put(Holder::User("alice".to_owned()), "Own", policy));
        assert_eq!(scene.get(&Scene::user(), None).decision.effect, effect, "{name}");
    }
}

/// A role's trust policy decides about sts:AssumeRole of an imagined call as it does about a live one; nobody needs leave to ask who
/// they are.
#[test]
fn imagined_calls_of_sts() {
    let mut scene = Scene::new();
    let allow = |action: &str| document(statement("Allow", action, json!(null)));
    scene.asker.make(put(Holder::User("alice".to_owned()), "Assume", allow("sts:AssumeRole")));
    let directory = Directory::of(&scene.asker.world);
    let effect = |action: &str, on: Option<&str>| {
        let call = Call::parse(action, on).expect("a call");
        let ask = call.ask(&Scene::user(), &directory, "us-east-1");
        directory.imagine(&Scene::user(), &Way::default(), &ask)
    };
    for (role, sentence) in [("Worker", "trust policy allows sts:AssumeRole"), ("none", "a role that is not there")] {
        let report = effect("sts:AssumeRole", Some(&format!("arn:aws:iam::{ACCOUNT}:role/{role}")));
        assert_eq!(report.eval_decision, "implicitDeny", "{role} trusts somebody else");
        assert!(report.sentence.contains(sentence), "{}", report.sentence);
    }
    assert!(effect("sts:GetCallerIdentity", None).is_allowed());
}

/// What only a live request tells is said, and can be said by hand.
#[test]
fn keys_of_the_request_alone_are_named() {
    let mut scene = Scene::new();
    let condition = json!({
        "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["alice"] },
        "StringEqualsIfExists": { "aws:RequestTag/a": "b" },
    });
    let policy = document(statement("Allow", "dynamodb:GetItem", condition));
    scene.asker.make(put(Holder::User("alice".to_owned()), "Own", policy));
    let directory = Directory::of(&scene.asker.world);
    let call = Call::parse("dynamodb:GetItem", Some("dynamodb://orders")).expect("a call");
    let mut ask = call.ask(&Scene::user(), &directory, "us-east-1");
    let report = directory.imagine(&Scene::user(), &Way::default(), &ask);
    assert!(report.is_allowed());
    assert_eq!(report.open_keys.into_iter().collect::<Vec<_>>(), ["dynamodb:LeadingKeys"]);
    ask.context.set("dynamodb:LeadingKeys", "bob");
    let report = directory.imagine(&Scene::user(), &Way::default(), &ask);
    assert!(!report.is_allowed() && report.open_keys.is_empty());
    // Of another action nothing is open.
    let call = Call::parse("dynamodb:PutItem", Some("dynamodb://orders")).expect("a call");
    let ask = call.ask(&Scene::user(), &directory, "us-east-1");
    assert!(directory.imagine(&Scene::user(), &Way::default(), &ask).open_keys.is_empty());
}
