//! What a decision costs: 20 statements in an endpoint's, a role's and a bucket's policy (goal: under 20 µs).
//!
//! `cargo bench --bench policy`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use vpclab::policy::{Context, Document, Effect, Kind, Policies, Policy, Principal, Request, evaluate, message};

fn policy(kind: Kind, statements: &[Value]) -> Policy {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Policy {
        kind,
        name: "endpoint S3".to_owned(),
        owner: "vpce-0123456789abcdef0".to_owned(),
        document: Document::from_json(&document, kind).expect("a policy"),
        places: Vec::new(),
    }
}

/// Six statements of an endpoint: what guests of a VPC need, and that only this organization is meant.
fn endpoint() -> Policy {
    let bucket = |name: &str| {
        json!({"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
            "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")],
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}})
    };
    let deny = json!({"Sid": "OnlyOurs", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
        "Condition": {"StringNotEqualsIfExists": {"aws:ResourceOrgID": "o-exampleorgid"},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}});
    let mut statements: Vec<Value> = ["logs", "starport", "repositories", "backups", "data"].map(bucket).into();
    statements.push(deny);
    policy(Kind::Endpoint, &statements)
}

/// Eight statements of a role, with variables and wildcards.
fn identity() -> Policy {
    let mut statements: Vec<Value> = (0..6)
        .map(|index| {
            json!({"Effect": "Allow", "Action": [format!("dynamodb:Get{index}*"), "dynamodb:Query"],
                "Resource": format!("arn:aws:dynamodb:*:111122223333:table/orders-{index}")})
        })
        .collect();
    statements
        .push(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::data/${aws:PrincipalTag/team}/*"}));
    statements.push(
        json!({"Effect": "Deny", "Action": ["s3:Delete*", "s3:PutBucket*"], "NotResource": "arn:aws:s3:::data/*"}),
    );
    policy(Kind::Identity, &statements)
}

/// Six statements of a bucket that wants TLS and its endpoints.
fn bucket() -> Policy {
    let resource = json!(["arn:aws:s3:::data", "arn:aws:s3:::data/*"]);
    let mut statements = vec![
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource,
            "Condition": {"StringNotEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2", "vpce-0123456789abcdef0"]},
                "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/admin/*"}}}),
    ];
    statements.extend((0..4).map(|index| {
        json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::44445555666{index}:root")},
            "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::data/shared-{index}/*")})
    }));
    policy(Kind::Resource, &statements)
}

fn request(key: &str) -> Request {
    let mut context = Context::default();
    for (key, value) in [
        ("aws:SourceVpce", "vpce-0123456789abcdef0"),
        ("aws:SourceVpc", "vpc-0123456789abcdef0"),
        ("aws:VpcSourceIp", "10.0.1.7"),
        ("aws:SecureTransport", "true"),
        ("aws:PrincipalOrgID", "o-exampleorgid"),
        ("aws:ResourceOrgID", "o-exampleorgid"),
        ("aws:PrincipalTag/team", "blue"),
        ("aws:RequestedRegion", "eu-west-1"),
        ("aws:UserAgent", "aws-cli/2.31 Python/3.13"),
        ("aws:CurrentTime", "2026-11-25T08:00:00Z"),
    ] {
        context.set(key, value);
    }
    Request {
        principal: Principal::Session {
            account: "111122223333".to_owned(),
            role_arn: "arn:aws:iam::111122223333:role/app/Worker".to_owned(),
            role_id: "AROAEXAMPLEEXAMPLE12".to_owned(),
            session_name: "i-0abc".to_owned(),
        },
        action: "s3:GetObject".to_owned(),
        resource: format!("arn:aws:s3:::data/{key}"),
        resource_account: Some("111122223333".to_owned()),
        context,
    }
}

fn decisions(criterion: &mut Criterion) {
    let (endpoint, identity, bucket) = (endpoint(), [Arc::new(identity())], bucket());
    let policies =
        Policies { endpoint: Some(&endpoint), identity: &identity, resource: Some(&bucket), ..Policies::default() };
    let allowed = request("blue/2026/11/25/report.csv");
    assert_eq!(evaluate(&policies, &allowed).effect, Effect::Allowed);
    criterion.bench_function("policy/allowed, 20 statements", |bench| {
        bench.iter(|| evaluate(black_box(&policies), black_box(&allowed)));
    });
    let denied = request("red/2026/11/25/report.csv");
    assert_eq!(evaluate(&policies, &denied).effect, Effect::ImplicitDeny);
    criterion.bench_function("policy/denied with the nearest and AWS's text, 20 statements", |bench| {
        bench.iter(|| message(&evaluate(black_box(&policies), black_box(&denied)), &denied));
    });
    let long = format!("{{\"Version\":\"2012-10-17\",\"Statement\":{}}}", bucket.document.json()["Statement"]);
    criterion.bench_function("policy/read, 6 statements", |bench| {
        bench.iter(|| Document::parse(black_box(&long), Kind::Resource).expect("a policy"));
    });
}

criterion_group!(benches, decisions);
criterion_main!(benches);
