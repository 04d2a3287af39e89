//! Random cases of a small world, so that policies and requests meet.

use serde_json::{Map, Value, json};

use super::case::{Case, OTHER, OWN, Who, statements_of};

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): the same cases from the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// So many times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One, or a list of some.
    fn some(&mut self, of: &[&str]) -> Value {
        if self.chance(60) {
            return json!(self.pick(of));
        }
        let count = 1 + self.below(3);
        json!((0..count).map(|_| *self.pick(of)).collect::<Vec<_>>())
    }
}

/// Action, resources it is asked for.
const ASKS: &[(&str, &[&str])] = &[
    ("s3:GetObject", &["arn:aws:s3:::b/k", "arn:aws:s3:::b/home/ann/x", "arn:aws:s3:::data/blue/a:b/$c{d}"]),
    ("s3:PutObject", &["arn:aws:s3:::b/k", "arn:aws:s3:::data/red/x"]),
    ("s3:ListBucket", &["arn:aws:s3:::b", "arn:aws:s3:::data"]),
    ("dynamodb:GetItem", &["arn:aws:dynamodb:eu-west-1:111122223333:table/t"]),
    ("dynamodb:PutItem", &["arn:aws:dynamodb:us-east-1:111122223333:table/orders"]),
    ("sqs:SendMessage", &["arn:aws:sqs:eu-west-1:111122223333:q"]),
    ("sts:AssumeRole", &["arn:aws:iam::111122223333:role/app/Target"]),
];

const ACTIONS: &[&str] = &[
    "*",
    "s3:*",
    "s3:Get*",
    "s3:GetObject",
    "S3:getobject",
    "s3:?utObject",
    "s3:*Object",
    "s3:ListBucket",
    "dynamodb:*",
    "dynamodb:GetItem",
    "dynamodb:*Item",
    "sqs:SendMessage",
    "sqs:*",
    "sts:AssumeRole",
    "sts:*",
];

const RESOURCES: &[&str] = &[
    "*",
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::b*",
    "arn:aws:s3:::b/home/${aws:username}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team, 'blue'}/*",
    "arn:aws:s3:::?/*",
    "arn:*:s3:::*",
    "arn:aws:s3:::data/*/a:b/*",
    "arn:aws:s3:::data/*${$}c*",
    "arn:aws:dynamodb:*:*:table/*",
    "arn:aws:dynamodb:eu-*:111122223333:table/t",
    "arn:aws:dynamodb:*:${aws:PrincipalAccount}:table/*",
    "arn:aws:sqs:*:*:q",
    "arn:aws:sqs:eu-west-1:*:*",
    "arn:aws:iam::*:role/*",
    "arn:aws:iam::111122223333:role/app/${aws:username}",
    "arn:aws:iam::111122223333:role/*/Target",
];

const TEXTS: &[(&str, &[&str])] = &[
    ("aws:SourceVpce", &["vpce-1", "vpce-2", "VPCE-1", "vpce-*", "vpce-?"]),
    ("aws:SourceVpc", &["vpc-1", "vpc-2"]),
    ("aws:PrincipalTag/team", &["blue", "red", "Blue", "b*", "${aws:username}", "*"]),
    ("aws:username", &["ann", "bob", "a*", "${aws:PrincipalTag/team}", "${aws:PrincipalTag/team, 'ann'}"]),
    ("aws:PrincipalOrgID", &["o-one", "o-two", "${aws:ResourceOrgID}"]),
    ("aws:ResourceOrgID", &["o-one", "${aws:PrincipalOrgID}"]),
    ("aws:PrincipalAccount", &[OWN, OTHER, "${aws:ResourceAccount}"]),
    ("aws:RequestedRegion", &["eu-west-1", "us-*", "eu-*"]),
    ("aws:UserAgent", &["aws-cli*", "*Python*", "curl/8.?", "aws-cli/2.31 (Python)", "."]),
    ("aws:PrincipalType", &["User", "AssumedRole", "Anonymous"]),
    ("aws:userid", &["AROAEXAMPLEEXAMPLEWRK:*", "AIDAEXAMPLEEXAMPLEANN", "*:i-0abc"]),
];

const LISTS: &[(&str, &[&str])] = &[
    ("aws:TagKeys", &["team", "cost", "t*", "Team"]),
    ("aws:CalledVia", &["athena.amazonaws.com", "cloudformation.amazonaws.com", "*.amazonaws.com"]),
    ("aws:PrincipalOrgPaths", &["o-one/r-1/ou-1/*", "o-one/r-1/ou-1/ou-2/", "o-two/*"]),
];

const ARNS: &[(&str, &[&str])] = &[
    (
        "aws:PrincipalArn",
        &[
            "arn:aws:iam::111122223333:user/team/ann",
            "arn:aws:iam::*:user/*",
            "arn:aws:iam::111122223333:role/app/*",
            "arn:aws:iam::*:*",
            "arn:aws:iam::${aws:PrincipalAccount}:role/*",
            "arn:*:iam::*:role/app/W?rker",
        ],
    ),
    ("aws:SourceArn", &["arn:aws:sns:*:*:t", "arn:aws:sns:eu-west-1:111122223333:*", "arn:aws:s3:::b"]),
];

const TEXT_OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
];
const ARN_OPERATORS: &[&str] = &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"];
const ORDERS: &[&str] = &["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];

/// A case.
pub fn case(random: &mut Random) -> Case {
    let (action, resources) = *random.pick(ASKS);
    let resource = *random.pick(resources);
    let who = *random.pick(&[
        Who::Ann,
        Who::Ann,
        Who::Bob,
        Who::Worker,
        Who::Worker,
        Who::Worker,
        Who::Root,
        Who::Service,
        Who::Nobody,
    ]);
    // A resource's ARN may say whose it is.
    let resource_account = if resource.contains(OWN) || random.chance(60) { OWN } else { OTHER };
    let has_identity = matches!(who, Who::Ann | Who::Bob | Who::Worker);
    let principal = who.principal();
    let identities = if has_identity { random.below(3) } else { 0 };
    let mut optional = |percent: u64, named: bool| {
        random.chance(percent).then(|| document(random, named, action == "sts:AssumeRole" && named))
    };
    let resource_policy =
        optional(55, true).or_else(|| (action == "sts:AssumeRole").then(|| optional(100, true)).flatten());
    let boundary = optional(25, false).filter(|_| has_identity);
    let session = optional(50, false).filter(|_| who == Who::Worker);
    let mut endpoint = random.chance(35).then(|| document(random, true, false));
    // The other evaluator takes no names in an endpoint's policy: most have none.
    if random.chance(90) {
        for statement in endpoint.iter_mut().flat_map(statements_of) {
            statement.shift_remove("NotPrincipal");
            statement.insert("Principal".to_owned(), json!("*"));
        }
    }
    Case {
        who,
        principal: match who {
            Who::Service => Some("ec2.amazonaws.com".to_owned()),
            _ => principal.arn(),
        },
        action: action.to_owned(),
        resource: resource.to_owned(),
        resource_account: resource_account.to_owned(),
        context: context(random, who, resource_account),
        identity: (0..identities).map(|_| document(random, false, false)).collect(),
        boundary,
        session,
        resource_policy,
        endpoint,
    }
}

fn context(random: &mut Random, who: Who, resource_account: &str) -> Map<String, Value> {
    let principal = who.principal();
    let mut keys: Vec<(&str, Option<Value>)> = vec![
        ("aws:PrincipalArn", principal.principal_arn().map(Value::from)),
        ("aws:PrincipalAccount", principal.account().map(Value::from)),
        ("aws:userid", principal.user_id().map(Value::from)),
        ("aws:PrincipalIsAWSService", Some(json!((who == Who::Service).to_string()))),
        ("aws:ResourceAccount", Some(json!(resource_account))),
        ("aws:SecureTransport", Some(json!(*random.pick(&["true", "true", "false"])))),
        ("aws:CurrentTime", Some(json!("2026-11-25T08:00:00Z"))),
        ("aws:EpochTime", Some(json!("1795593600"))),
        ("aws:RequestedRegion", Some(json!(*random.pick(&["eu-west-1", "us-east-1"])))),
        ("aws:UserAgent", Some(json!(*random.pick(&["aws-cli/2.31 (Python)", "curl/8.5", ""])))),
    ];
    if who != Who::Service {
        keys.push(("aws:PrincipalType", Some(json!(principal.kind()))));
    } else {
        keys.push(("aws:PrincipalServiceName", Some(json!(principal.name()))));
    }
    if matches!(who, Who::Ann | Who::Bob) {
        keys.push(("aws:username", Some(json!(principal.name()))));
    }
    if random.chance(50) {
        keys.push(("aws:SourceVpce", Some(json!(*random.pick(&["vpce-1", "vpce-2"])))));
        keys.push(("aws:SourceVpc", Some(json!("vpc-1"))));
        keys.push(("aws:VpcSourceIp", Some(json!("10.0.1.7"))));
    } else {
        let address = *random.pick(&["203.0.113.7", "198.51.100.9", "2001:db8::7"]);
        keys.push(("aws:SourceIp", Some(json!(address))));
    }
    let now_and_then: &[(&str, &[&str])] = &[
        ("aws:PrincipalTag/team", &["blue", "red", "ann", "*"]),
        ("aws:PrincipalOrgID", &["o-one"]),
        ("aws:ResourceOrgID", &["o-one", "o-two"]),
        ("aws:MultiFactorAuthAge", &["30", "4000"]),
        ("aws:MultiFactorAuthPresent", &["true", "false"]),
        ("aws:SourceArn", &["arn:aws:sns:eu-west-1:111122223333:t"]),
    ];
    for (key, values) in now_and_then {
        if random.chance(50) {
            keys.push((key, Some(json!(random.pick(values)))));
        }
    }
    for (key, values) in LISTS {
        let values: Vec<&&str> = values.iter().filter(|it| !it.contains('*')).collect();
        if random.chance(50) {
            let count = 1 + random.below(2);
            let given: Vec<&str> = (0..count).map(|_| **random.pick(&values)).collect();
            keys.push((key, Some(json!(given))));
        }
    }
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A document, of statements that name principals or don't.
pub fn document(random: &mut Random, named: bool, trust: bool) -> Value {
    let count = 1 + random.below(3);
    let mut document = Map::new();
    match random.below(12) {
        0 => None,
        1 => document.insert("Version".to_owned(), json!("2008-10-17")),
        _ => document.insert("Version".to_owned(), json!("2012-10-17")),
    };
    let mut statements: Vec<Value> = (0..count).map(|_| statement(random, named, trust)).collect();
    // Without it most requests end in the first filter.
    if random.chance(40) {
        let mut open = json!({"Effect": "Allow", "Action": if trust { "sts:*" } else { "*" }});
        if !trust {
            open["Resource"] = json!("*");
        }
        if named {
            open["Principal"] = principal(random);
        }
        statements.push(open);
    }
    let statement = if statements.len() == 1 && random.chance(50) { statements.remove(0) } else { json!(statements) };
    document.insert("Statement".to_owned(), statement);
    Value::Object(document)
}

fn statement(random: &mut Random, named: bool, trust: bool) -> Value {
    let denies = random.chance(25);
    let mut statement = json!({"Effect": if denies { "Deny" } else { "Allow" }});
    if named {
        let element = if denies && !trust && random.chance(20) { "NotPrincipal" } else { "Principal" };
        statement[element] = match element {
            "NotPrincipal" => json!({"AWS": random.some(&names()[2..])}),
            _ => principal(random),
        };
    }
    let actions: &[&str] =
        if trust { &["sts:AssumeRole", "sts:*", "sts:assumerole", "sts:TagSession"] } else { ACTIONS };
    statement[if random.chance(85) { "Action" } else { "NotAction" }] = random.some(actions);
    if !trust {
        statement[if random.chance(85) { "Resource" } else { "NotResource" }] = random.some(RESOURCES);
    }
    if random.chance(45) {
        let mut conditions = Map::new();
        for _ in 0..1 + random.below(2) {
            let (operator, key, values) = condition(random);
            conditions.entry(operator).or_insert_with(|| json!({}))[key] = values;
        }
        statement["Condition"] = Value::Object(conditions);
    }
    statement
}

fn names() -> Vec<&'static str> {
    vec![
        OTHER,
        "arn:aws:iam::444455556666:root",
        OWN,
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:user/team/ann",
        "arn:aws:iam::111122223333:user/bob",
        "arn:aws:iam::111122223333:role/app/Worker",
        "arn:aws:sts::111122223333:assumed-role/Worker/i-0abc",
        "arn:aws:sts::111122223333:assumed-role/Worker/i-0xyz",
    ]
}

fn principal(random: &mut Random) -> Value {
    match random.below(10) {
        0..3 => json!("*"),
        3 => json!({"AWS": "*"}),
        4 => json!({"Service": random.some(&["ec2.amazonaws.com", "lambda.amazonaws.com"])}),
        5 => json!({"AWS": random.some(&names()), "Service": "ec2.amazonaws.com"}),
        _ => json!({"AWS": random.some(&names())}),
    }
}

/// Operator, key, values.
fn condition(random: &mut Random) -> (String, String, Value) {
    let exists = if random.chance(25) { "IfExists" } else { "" };
    match random.below(12) {
        0..4 => {
            let (key, values) = *random.pick(TEXTS);
            let set = if random.chance(8) { *random.pick(&["ForAllValues:", "ForAnyValue:"]) } else { "" };
            (format!("{set}{}{exists}", random.pick(TEXT_OPERATORS)), spelt(random, key), random.some(values))
        }
        4..6 => {
            let (key, values) = *random.pick(LISTS);
            let set = *random.pick(&["ForAllValues:", "ForAllValues:", "ForAnyValue:", "ForAnyValue:", ""]);
            (format!("{set}{}{exists}", random.pick(TEXT_OPERATORS)), key.to_owned(), random.some(values))
        }
        6 => {
            let (key, values) = *random.pick(ARNS);
            (format!("{}{exists}", random.pick(ARN_OPERATORS)), key.to_owned(), random.some(values))
        }
        7 => {
            let (key, values): (&str, &[&str]) = *random.pick(&[
                ("aws:MultiFactorAuthAge", &["30", "3600", "29.5", "30.0"] as &[&str]),
                ("aws:EpochTime", &["1795593600", "1700000000"]),
            ]);
            (format!("Numeric{}{exists}", random.pick(ORDERS)), key.to_owned(), random.some(values))
        }
        8 => {
            let values = ["2026-11-25T08:00:00Z", "2026-11-25", "2027-01-01T00:00:00Z", "2026-11-25T10:00:00+02:00"];
            (format!("Date{}{exists}", random.pick(ORDERS)), "aws:CurrentTime".to_owned(), random.some(&values))
        }
        9 => {
            let key = *random.pick(&["aws:SecureTransport", "aws:MultiFactorAuthPresent", "aws:PrincipalIsAWSService"]);
            (format!("Bool{exists}"), key.to_owned(), random.some(&["true", "false", "True"]))
        }
        10 => {
            let key = *random.pick(&["aws:SourceIp", "aws:VpcSourceIp"]);
            let values = ["203.0.113.0/24", "198.51.100.9", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "10.0.1.7/32"];
            (format!("{}{exists}", random.pick(&["IpAddress", "NotIpAddress"])), key.to_owned(), random.some(&values))
        }
        _ => {
            let (key, _) = *random.pick(TEXTS);
            ("Null".to_owned(), key.to_owned(), random.some(&["true", "false"]))
        }
    }
}

/// Names of keys know no case.
fn spelt(random: &mut Random, key: &str) -> String {
    if random.chance(15) { key.to_ascii_lowercase() } else { key.to_owned() }
}
