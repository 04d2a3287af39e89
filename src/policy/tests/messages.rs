//! What is told: AWS's texts, and sentences for people.

use super::*;

const ANN: &str = "arn:aws:iam::111122223333:user/team/ann";

fn denial(effect: Effect, kind: Kind) -> Decision {
    Decision {
        effect,
        kind: Some(kind),
        owner: None,
        statement: None,
        nearest: None,
        lacking: None,
        action: "s3:GetObject".to_owned(),
    }
}

#[test]
fn aws_texts_of_s3() {
    let rows: &[(Effect, Kind, &str)] = &[
        (Effect::ImplicitDeny, Kind::Identity, "because no identity-based policy allows the s3:GetObject action"),
        (Effect::ImplicitDeny, Kind::Resource, "because no resource-based policy allows the s3:GetObject action"),
        (Effect::ImplicitDeny, Kind::Endpoint, "because no VPC endpoint policy allows the s3:GetObject action"),
        (Effect::ImplicitDeny, Kind::Boundary, "because no permissions boundary allows the s3:GetObject action"),
        (Effect::ImplicitDeny, Kind::Session, "because no session policy allows the s3:GetObject action"),
        (Effect::ExplicitDeny, Kind::Identity, "with an explicit deny in an identity-based policy"),
        (Effect::ExplicitDeny, Kind::Resource, "with an explicit deny in a resource-based policy"),
        (Effect::ExplicitDeny, Kind::Endpoint, "with an explicit deny in a VPC endpoint policy"),
        (Effect::ExplicitDeny, Kind::Boundary, "with an explicit deny in a permissions boundary"),
        (Effect::ExplicitDeny, Kind::Session, "with an explicit deny in a session policy"),
    ];
    for (effect, kind, reason) in rows {
        let decision = denial(*effect, *kind);
        let expected = format!(
            r#"User: {ANN} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" {reason}"#
        );
        assert_eq!(message(&decision, &request(user())), expected);
        // Another account's bucket is nobody's business.
        let elsewhere = Request { resource_account: Some(OTHER.to_owned()), ..request(user()) };
        assert_eq!(message(&decision, &elsewhere), "Access Denied");
        // An organization's is, unless an endpoint's policy denies.
        let mut related = elsewhere;
        related.context.set("aws:PrincipalOrgID", "o-1");
        related.context.set("aws:ResourceOrgID", "o-1");
        let expected = if *kind == Kind::Endpoint { "Access Denied" } else { expected.as_str() };
        assert_eq!(message(&decision, &related), expected);
        related.context.set("aws:ResourceOrgID", "o-2");
        assert_eq!(message(&decision, &related), "Access Denied");
        assert_eq!(message(&decision, &request(Principal::Anonymous)), "Access Denied");
    }
}

#[test]
fn aws_texts_elsewhere() {
    let ask = |principal: Principal, action: &str, resource: &str, owner: &str| Request {
        action: action.to_owned(),
        resource: resource.to_owned(),
        resource_account: Some(owner.to_owned()),
        ..request(principal)
    };
    let table = "arn:aws:dynamodb:eu-west-1:111122223333:table/t";
    let role = "arn:aws:iam::111122223333:role/app/Worker";
    let rows = [
        (
            denial(Effect::ImplicitDeny, Kind::Endpoint),
            ask(session(), "dynamodb:GetItem", table, OWN),
            format!(
                "User: arn:aws:sts::111122223333:assumed-role/Worker/i-0abc is not authorized to perform: dynamodb:GetItem on resource: {table} because no VPC endpoint policy allows the dynamodb:GetItem action"
            ),
        ),
        (
            denial(Effect::ExplicitDeny, Kind::Endpoint),
            ask(user(), "dynamodb:ListTables", "*", OWN),
            format!(
                "User: {ANN} is not authorized to perform: dynamodb:ListTables on resource: * with an explicit deny in a VPC endpoint policy"
            ),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Identity),
            ask(user(), "dynamodb:GetItem", table, OTHER),
            format!("User: {ANN} is not authorized to perform: dynamodb:GetItem on resource: {table}"),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Identity),
            ask(user(), "s3:ListAllMyBuckets", "arn:aws:s3:::*", OWN),
            format!(
                "User: {ANN} is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
            ),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Identity),
            ask(user(), "s3express:CreateSession", "arn:aws:s3express:::b", OWN),
            "Access Denied".to_owned(),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Trust),
            ask(user(), "sts:AssumeRole", role, OWN),
            format!(
                "User: {ANN} is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action"
            ),
        ),
        (
            denial(Effect::ExplicitDeny, Kind::Trust),
            ask(user(), "sts:AssumeRole", role, OWN),
            format!(
                "User: {ANN} is not authorized to perform: sts:AssumeRole with an explicit deny in the role trust policy"
            ),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Trust),
            ask(user(), "sts:AssumeRole", role, OTHER),
            format!("User: {ANN} is not authorized to perform: sts:AssumeRole on resource: {role}"),
        ),
        (
            denial(Effect::ImplicitDeny, Kind::Resource),
            ask(Principal::Anonymous, "sqs:SendMessage", "arn:aws:sqs:r:111122223333:q", OWN),
            "User: anonymous is not authorized to perform: sqs:SendMessage on resource: arn:aws:sqs:r:111122223333:q because no resource-based policy allows the sqs:SendMessage action".to_owned(),
        ),
    ];
    for (decision, request, expected) in rows {
        assert_eq!(message(&decision, &request), expected);
    }
}

fn endpoint(statements: &Value) -> Set {
    Set::default().with(policy(Kind::Endpoint, statements)).with(policy(Kind::Identity, &allow()))
}

#[test]
fn sentences() {
    let reads = |change: Value| {
        let mut statement = json!({"Sid": "Reads", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*"});
        for (member, value) in change.as_object().expect("an object") {
            statement[member] = value.clone();
        }
        statement
    };
    let rows: &[(Value, &str)] = &[
        (
            json!([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
                {"Sid": "NoReads", "Effect": "Deny", "Principal": "*", "Action": "s3:Get*", "Resource": "*"}]),
            "denied by endpoint S3: statement NoReads",
        ),
        (
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:Get*", "Resource": "*"}),
            "denied by endpoint S3: statement 1 [lab.yaml:31]",
        ),
        (
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:Put*", "Resource": "*"}),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement 1 [lab.yaml:31], but it is a Deny, and a policy whose statements only deny allows nothing: add one that allows",
        ),
        (
            reads(json!({"Resource": "arn:aws:s3:::other/*"})),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Resource is arn:aws:s3:::other/*, asked was arn:aws:s3:::b/k",
        ),
        (
            reads(json!({"Action": ["s3:a", "s3:b", "s3:c", "s3:d", "s3:e"]})),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Action is s3:a, s3:b, s3:c and 2 more, asked was s3:GetObject",
        ),
        (
            reads(json!({"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}})),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Condition StringEquals aws:SourceVpce wants vpce-1, the request has none",
        ),
        (
            reads(
                json!({"Condition": {"StringNotEquals": {"aws:PrincipalType": "User"}, "Null": {"aws:username": "true"}}}),
            ),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Condition StringNotEquals aws:PrincipalType wants none of User, the request has User; its Condition Null aws:username wants it absent, the request has ann",
        ),
        (
            reads(json!({"Resource": "arn:aws:s3:::b/${aws:PrincipalTag/team}/*"})),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Resource needs ${aws:PrincipalTag/team}, which the request does not have",
        ),
        (
            reads(json!({"Principal": {"AWS": OTHER}})),
            "denied: no statement of endpoint S3 allows s3:GetObject; nearest is endpoint S3: statement Reads [lab.yaml:31], but its Principal is 444455556666, asking is arn:aws:iam::111122223333:user/team/ann",
        ),
    ];
    for (statements, expected) in rows {
        assert_eq!(endpoint(statements).decide(&request(user())).sentence(), *expected);
    }
}

#[test]
fn sentences_of_other_policies() {
    let none = Set::default().decide(&request(user()));
    assert_eq!(none.sentence(), "denied: ann has no identity policy: nothing allows s3:GetObject");
    assert_eq!(none.owner.as_deref(), Some(ANN));
    let nobody = Set::default().decide(&request(Principal::Anonymous));
    assert_eq!(nobody.sentence(), "denied: arn:aws:s3:::b/k has no policy: nothing allows s3:GetObject");
    let allowed = Set::default().with(policy(Kind::Identity, &allow())).decide(&request(user()));
    assert_eq!(allowed.sentence(), "allowed by role Worker: Read: statement 1 [lab.yaml:31]");
    let unasked = Set::default().decide(&request(root()));
    assert_eq!((unasked.effect, unasked.kind), (Effect::Allowed, None));
    assert_eq!(unasked.sentence(), "allowed: an account's root user needs no policy there");
    let account = json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "*", "Resource": "*"});
    let delegated = Set::default().with(policy(Kind::Resource, &account)).decide(&request(user()));
    assert_eq!(
        delegated.sentence(),
        "denied: ann has no identity policy: nothing allows s3:GetObject; nearest is bucket b: statement 1 [lab.yaml:31], but its Principal is the account, which leaves it to identity policies, and none of ann allows it"
    );
    // The nearest of several, and whose policy did not allow.
    let statements = json!([
        {"Sid": "Lists", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
        {"Sid": "Reads", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::other/*"},
    ]);
    let decision = Set::default().with(policy(Kind::Identity, &statements)).decide(&request(session()));
    let nearest = decision.nearest.expect("one");
    assert_eq!((nearest.statement.statement.as_str(), nearest.statement.place), ("Reads", None));
    assert_eq!(nearest.statement.owner, "owner of role Worker: Read");
    assert_eq!(decision.owner.as_deref(), Some("arn:aws:iam::111122223333:role/app/Worker"));
}

/// An account is no difference where it is enough: on an endpoint, and for another account's resource.
#[test]
fn an_account_that_suffices_is_no_difference() {
    let account = json!({"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "s3:PutObject", "Resource": "*"});
    let differs = |decision: Decision| decision.nearest.expect("one").differs;
    let expected = "its Action is s3:PutObject, asked was s3:GetObject";
    assert_eq!(differs(endpoint(&account).decide(&request(user()))), expected);
    let elsewhere = Request { resource_account: Some(OTHER.to_owned()), ..request(user()) };
    let set = Set::default().with(policy(Kind::Identity, &allow())).with(policy(Kind::Resource, &account));
    assert_eq!(differs(set.decide(&elsewhere)), expected);
}

/// A guest chooses the names of its objects.
#[test]
fn names_dont_drive_terminals() {
    let asked = Request { resource: "arn:aws:s3:::b/\u{1b}[2J\n".to_owned(), ..request(user()) };
    let other = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::c/*"});
    let sentence = Set::default().with(policy(Kind::Identity, &other)).decide(&asked).sentence();
    assert!(sentence.ends_with(r"asked was arn:aws:s3:::b/\u{1b}[2J\n"), "{sentence}");
    let nobody = Request { principal: Principal::Anonymous, ..asked };
    assert!(!Set::default().decide(&nobody).sentence().contains(char::is_control));
}

#[test]
fn a_gateway_endpoint_takes_no_names() {
    let named = json!({"Effect": "Allow", "Principal": {"AWS": user().arn()}, "Action": "*", "Resource": "*"});
    let interface = endpoint(&named);
    assert_eq!(interface.decide(&request(user())).effect, Effect::Allowed);
    let gateway = Set { gateway: true, ..interface };
    let decision = gateway.decide(&request(user()));
    assert_eq!((decision.effect, decision.kind), (Effect::ImplicitDeny, Some(Kind::Endpoint)));
    assert!(decision.sentence().contains("a gateway endpoint does not take"), "{}", decision.sentence());
    assert_eq!(decision.owner.as_deref(), Some("owner of endpoint S3"));
}
