//! Documents that are policies, or nearly: one member of one is changed. What vpclab takes and refuses is compared with what
//! npm's `@cloud-copilot/iam-policy`, the reading half of the other evaluator, does.

use serde_json::{Map, Value, json};
use vpclab::policy::{Document, Kind};

use super::case::statements_of;
use super::generate::{Random, document};

/// A document of a kind.
pub struct Try {
    pub kind: Kind,
    pub document: Value,
}

impl Try {
    pub fn random(random: &mut Random) -> Self {
        let kind = *random.pick(&[Kind::Identity, Kind::Session, Kind::Resource, Kind::Endpoint, Kind::Trust]);
        let named = matches!(kind, Kind::Resource | Kind::Endpoint | Kind::Trust);
        let mut document = document(random, named, kind == Kind::Trust);
        if kind == Kind::Endpoint {
            for statement in statements_of(&mut document) {
                statement.shift_remove("NotPrincipal");
                statement.insert("Principal".to_owned(), json!("*"));
            }
        }
        if random.chance(85) {
            change(random, &mut document);
        }
        Self { kind, document }
    }

    /// What vpclab has against it.
    pub fn refusal(&self) -> Option<String> {
        Document::from_json(&self.document, self.kind).err().map(|error| error.to_string())
    }

    pub fn line(&self) -> String {
        json!({"kind": format!("{:?}", self.kind), "document": self.document}).to_string() + "\n"
    }
}

fn change(random: &mut Random, document: &mut Value) {
    if random.chance(15) {
        let members = document.as_object_mut().expect("a document");
        let odd = odd(random);
        let member = *random.pick(&["Version", "Id", "Statement", "version", "Comment"]);
        return replace(random, members, member, odd);
    }
    let mut statements = statements_of(document);
    let index = random.below(statements.len());
    let statement = &mut *statements[index];
    if random.chance(30) {
        let condition = condition(random);
        statement.insert("Condition".to_owned(), condition);
        return;
    }
    let member = *random.pick(&[
        "Sid",
        "Sid",
        "Effect",
        "Principal",
        "Principal",
        "NotPrincipal",
        "Action",
        "Action",
        "NotAction",
        "Resource",
        "Resource",
        "NotResource",
        "Condition",
        "effect",
        "Actions",
    ]);
    let value = match member {
        "Principal" | "NotPrincipal" if random.chance(80) => principal(random),
        "Action" | "NotAction" if random.chance(80) => json!(random.pick(ACTIONS)),
        "Resource" | "NotResource" if random.chance(80) => json!(random.pick(RESOURCES)),
        "Sid" if random.chance(80) => json!(random.pick(&["A1", "a b", "a-b", "", "é"])),
        _ => odd(random),
    };
    replace(random, statement, member, value);
}

fn replace(random: &mut Random, members: &mut Map<String, Value>, member: &str, value: Value) {
    if random.chance(25) {
        members.shift_remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
}

fn odd(random: &mut Random) -> Value {
    random
        .pick(&[
            json!(null),
            json!(7),
            json!(true),
            json!(""),
            json!("x"),
            json!([]),
            json!({}),
            json!([7]),
            json!(["*", "*"]),
            json!("*"),
            json!("Allow"),
            json!("deny"),
            json!("2012-10-17"),
            json!("2010-01-01"),
            json!([[]]),
            json!({"a": "b"}),
        ])
        .clone()
}

const ACTIONS: &[&str] = &[
    "*",
    "s3:*",
    "s3",
    "s3:",
    ":Get",
    "s3:Get Object",
    "s 3:Get",
    "*:*",
    "s3*:Get",
    "S3:get",
    "s3:Get:x",
    "sts:AssumeRole",
    "execute-api:Invoke",
    "?:x",
    "s3:Get/x",
];

const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::b",
    "arn",
    "arn:aws",
    "arn:aws:s3",
    "b/k",
    "arn:aws2:s3:::b",
    "arn:*:s3:::b",
    "arn:aws-cn:s3:::b",
    "**",
    "ARN:aws:s3:::b",
    "arn:aws:s3:::b/${aws:username}",
    "arn:aws:*:*:*:*",
    "arn:aws:s3:::",
    "",
];

fn principal(random: &mut Random) -> Value {
    random
        .pick(&[
            json!("*"),
            json!({"AWS": "*"}),
            json!({"AWS": "111122223333"}),
            json!({"AWS": "1111"}),
            json!({"AWS": "ann"}),
            json!({"AWS": "arn:aws:iam::111122223333:user/ann"}),
            json!({"AWS": "arn:aws:iam::111122223333:user/*"}),
            json!({"AWS": "arn:aws:iam::111122223333:group/g"}),
            json!({"AWS": "arn:aws:s3:::b"}),
            json!({"aws": "*"}),
            json!({"AWS": []}),
            json!({"AWS": [""]}),
            json!({"Service": "ec2.amazonaws.com"}),
            json!({"Service": "*"}),
            json!({"Federated": "accounts.google.com"}),
            json!({"Foo": "x"}),
            json!({}),
            json!("111122223333"),
            json!(["*"]),
            json!({"AWS": "AIDAEXAMPLEEXAMPLE12"}),
            json!({"AWS": "arn:aws:iam::111122223333:root"}),
            json!({"AWS": 7}),
            json!({"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"}),
            json!({"AWS": "arn:aws:sts::111122223333:assumed-role/r"}),
        ])
        .clone()
}

fn condition(random: &mut Random) -> Value {
    let operator = *random.pick(&[
        "StringEquals",
        "stringequals",
        "StringEqual",
        "StringLikeIfExists",
        "ForAnyValue:StringLike",
        "ForAllValues:Bool",
        "ForSomeValues:Bool",
        "Null",
        "NullIfExists",
        "ForAnyValue:Null",
        "IpAddress",
        "NumericEquals",
        "DateLessThan",
        "ArnLike",
        "BinaryEquals",
        "Bool",
    ]);
    let key = *random.pick(&["aws:SourceVpce", "aws:PrincipalTag/a", "s3:prefix", "SourceVpce", ""]);
    let value = random
        .pick(&[
            json!("x"),
            json!("true"),
            json!("10"),
            json!("10.0.0.0/8"),
            json!(7),
            json!(true),
            json!(null),
            json!([]),
            json!({}),
            json!(["x", 7]),
            json!("2026-11-25"),
            json!("arn:aws:s3:::b"),
            json!("${aws:username}"),
            json!("eA=="),
            json!(""),
        ])
        .clone();
    random
        .pick(&[
            json!({operator: {key: value}}),
            json!({operator: {key: value}}),
            json!({operator: value}),
            json!({}),
            json!([]),
        ])
        .clone()
}
