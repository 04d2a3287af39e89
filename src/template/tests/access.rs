//! Identities, policies, and what they are about: tables, buckets, resolver endpoints.

use super::*;
use crate::model::{BucketVersioning, InterfaceType};

#[test]
fn identities_policies_and_what_they_are_about() {
    check(
        include_str!("templates/access.yaml"),
        "
Boundary = arn:aws:iam::123456789012:policy/t-Boundary-y5grfxdbg10w
Counters = t-Counters-kzvftv31xrpu
Group = arn:aws:iam::123456789012:group/writers
Inline = More|t-Worker-lft05dqsm0i7
Key = AKIAPVNZYIHF4AQTIDXF
Profile = arn:aws:iam::123456789012:instance-profile/t-Profile-ijqvu4bieyzd
Resolver = rslvr-in-1d37de63d6e1aec1a
ResolverArn = arn:aws:route53resolver:us-east-1:123456789012:resolver-endpoint/rslvr-in-1d37de63d6e1aec1a
ResolverVpc = vpc-9dd5fc32765bb6c66
Role = t-Worker-lft05dqsm0i7
RoleArn = arn:aws:iam::123456789012:role/app/t-Worker-lft05dqsm0i7
RoleId = AROAVOMUSYMFUCMMKVLUI
Secret = XY4vf+xzwmUykh8rw30YVIeqx/zkuvjIxraYynS8
Stream = arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000
Table = orders
TableArn = arn:aws:dynamodb:us-east-1:123456789012:table/orders
User = arn:aws:iam::123456789012:user/alice
ignored: property LifecycleConfiguration of AWS::S3::Bucket `Data` (t.yaml:72)
ignored: managed policy arn:aws:iam::aws:policy/ReadOnlyAccess (its document is not known here, it grants nothing) of AWS::IAM::Role `Worker` (t.yaml:101)
ignored: a value in PolicyDocument of Policies of AWS::IAM::Role `Worker`: needs `Queue` (AWS::SQS::Queue, not emulated) (t.yaml:110)
ignored: AWS::SQS::Queue `Queue` (t.yaml:112)
",
    );
}

/// Everything of that template as the world has it.
#[test]
fn a_template_fills_the_world_with_identities() {
    let lab = lab(include_str!("templates/access.yaml"));
    let world = &lab.world;
    let worker = world.roles.values().next().expect("the role");
    let places = |document: &crate::model::PolicyDocument| {
        document.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((worker.path.as_str(), worker.max_session_duration), ("/app/", 7200));
    assert_eq!(worker.meta.tags["team"], "orders");
    assert_eq!(worker.policies.inline.keys().collect::<Vec<_>>(), ["More", "Send", "Write"]);
    assert_eq!(worker.policies.attached.len(), 2);
    assert_eq!(
        worker.policies.inline["Send"].value.pointer("/Statement/0/Resource").and_then(|resource| resource.as_str()),
        Some("arn:aws:not-emulated:::not-emulated-Queue"),
    );
    let inline: Vec<String> = worker.policies.inline.values().map(places).collect();
    assert_eq!(inline, ["t.yaml:129", "t.yaml:108", "t.yaml:121"]);
    assert_eq!(places(&worker.assume_role_policy_document), "t.yaml:99");
    let endpoint = world.vpc_endpoints.values().next().expect("the endpoint");
    assert_eq!(places(&endpoint.policy_document), "t.yaml:25 t.yaml:30");
    let bucket = &world.buckets["orders-data"];
    assert_eq!(places(bucket.policy.as_ref().expect("its policy")), "t.yaml:80");
    assert_eq!(bucket.versioning, Some(BucketVersioning::Enabled));
    let block = bucket.public_access_block.expect("its block");
    assert!(block.block_public_acls && block.block_public_policy && !block.restrict_public_buckets);
    assert_eq!(
        bucket.cors.as_ref().expect("its CORS rules").to_string(),
        r#"{"CORSRules":[{"AllowedHeaders":["*"],"AllowedMethods":["GET","PUT"],"AllowedOrigins":["https://*.example.com"],"ExposeHeaders":["ETag"],"MaxAgeSeconds":300}]}"#
    );
    let app = world.instances.values().next().expect("the instance");
    let profile = &world.instance_profiles[app.iam_instance_profile.as_ref().expect("its profile")];
    assert_eq!(profile.role.as_ref(), Some(&worker.arn));
    let options = app.metadata_options;
    assert_eq!((options.enabled, options.tokens_required, options.hop_limit, options.tags), (true, true, 2, true));
    let writers = |user: &crate::model::User| user.groups.iter().any(|group| group.ends_with(":group/writers"));
    assert_eq!(world.users.values().filter(|user| writers(user)).count(), 2);
    assert!(world.groups.values().next().expect("the group").policies.inline.contains_key("Write"));
}

/// The service takes a table's definition as it stands, so it is compared whole.
#[test]
fn a_table_is_what_create_table_takes() {
    let lab = lab(include_str!("templates/access.yaml"));
    let table = &lab.world.tables["arn:aws:dynamodb:us-east-1:123456789012:table/orders"];
    assert_eq!(table.time_to_live.as_deref(), Some("expires"));
    assert_eq!(
        table.definition,
        serde_json::json!({
            "TableName": "orders",
            "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" },
                { "AttributeName": "day", "AttributeType": "N" },
                { "AttributeName": "state", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "id", "KeyType": "HASH" },
                { "AttributeName": "day", "KeyType": "RANGE" },
            ],
            "LocalSecondaryIndexes": [{
                "IndexName": "local",
                "KeySchema": [
                    { "AttributeName": "id", "KeyType": "HASH" },
                    { "AttributeName": "state", "KeyType": "RANGE" },
                ],
                "Projection": { "ProjectionType": "ALL" },
            }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-state",
                "KeySchema": [{ "AttributeName": "state", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "INCLUDE", "NonKeyAttributes": ["total"] },
            }],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
            "Tags": [{ "Key": "team", "Value": "orders" }],
        })
    );
    let counters = lab.world.tables.values().find(|table| table.table_name != "orders").expect("the other table");
    assert_eq!(
        counters.definition["ProvisionedThroughput"],
        serde_json::json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 1 })
    );
}

#[test]
fn an_inbound_resolver_endpoint_has_interfaces_of_its_own() {
    let lab = lab(include_str!("templates/access.yaml"));
    let endpoint = lab.world.resolver_endpoints.values().next().expect("the endpoint");
    assert_eq!(endpoint.name, "from-office");
    assert_eq!(endpoint.ip_addresses[1].ip.to_string(), "10.0.2.53");
    for address in &endpoint.ip_addresses {
        let interface = &lab.world.network_interfaces[&address.network_interface_id];
        let id = &endpoint.resolver_endpoint_id;
        assert_eq!(interface.description, format!("Route 53 Resolver: {id}:{}", address.ip_id));
        assert_eq!(interface.interface_type, InterfaceType::ResolverEndpoint(id.clone()));
        assert_eq!(interface.private_ip_address(), address.ip);
        assert_eq!(interface.groups, endpoint.security_group_ids);
        assert!(interface.requester_managed && interface.attachment.is_some());
    }
}

/// A policy's error stands at the member that is wrong, with the code of the API that takes the policy.
#[test]
fn a_broken_policy_is_shown_where_it_breaks() {
    refused(
        "
Resources:
  Data: {Type: AWS::S3::Bucket}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Data
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: '*', Action: 's3:GetObject', Resource: !Sub '${Data.Arn}/*'}
          - Effect: Deny
            Principal: '*'
            Action: s3:*
            Resource: !Sub ${Data.Arn}/*
            Condition:
              StringEqual: {aws:SourceVpce: vpce-1}
",
        "
error: MalformedPolicy: Invalid Condition type : StringEqual; did you mean StringEquals? (at Statement[1].Condition.StringEqual)
  --> t.yaml:15:15
   |
15 |               StringEqual: {aws:SourceVpce: vpce-1}
   |               ^^^^^^^^^^^
",
    );
}

/// One template for each API that takes a policy: its code, and the place.
#[test]
fn each_api_has_its_own_code_for_a_broken_policy() {
    let no_action = "{Version: '2012-10-17', Statement: [{Effect: Allow, Resource: '*'}]}";
    let no_principal = "{Version: '2012-10-17', Statement: [{Effect: Allow, Action: 'sts:AssumeRole'}]}";
    let long = format!("'{{\"Statement\": [{}]}}'", " ".repeat(20_480));
    let block = r#"|
        {
          "Statement": {
            "Efect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"
          }
        }"#;
    let endpoint = "VpcId: !Ref Vpc\n      ServiceName: com.amazonaws.us-east-1.s3\n      PolicyDocument: POLICY";
    let bucket = "Bucket: b\n      PolicyDocument: POLICY";
    for (type_name, properties, policy, expected) in [
        (
            "AWS::EC2::VPCEndpoint",
            endpoint,
            no_action,
            "InvalidPolicyDocument: Missing required field Principal (at Statement[0])\n8:59",
        ),
        (
            "AWS::EC2::VPCEndpoint",
            endpoint,
            &long,
            "InvalidPolicyDocument: The policy document is longer than 20480 characters: it has 20497\n8:23",
        ),
        (
            "AWS::IAM::ManagedPolicy",
            "PolicyDocument: POLICY",
            no_action,
            "MalformedPolicyDocument: Policy statement must contain actions. (at Statement[0])\n6:59",
        ),
        (
            "AWS::IAM::Role",
            "AssumeRolePolicyDocument: POLICY",
            no_principal,
            "MalformedPolicyDocument: Missing required field Principal (at Statement[0])\n6:69",
        ),
        (
            "AWS::IAM::Group",
            "Policies: [{PolicyName: P, PolicyDocument: POLICY}]",
            no_action,
            "MalformedPolicyDocument: Policy statement must contain actions. (at Statement[0])\n6:86",
        ),
        (
            "AWS::S3::BucketPolicy",
            bucket,
            no_action,
            "MalformedPolicy: Missing required field Principal (at Statement[0])\n7:59",
        ),
        (
            "AWS::S3::BucketPolicy",
            bucket,
            "'{\"Statement\": []}'",
            "MalformedPolicy: Could not parse the policy: Statement is empty! (at Statement)\n7:24",
        ),
        (
            "AWS::S3::BucketPolicy",
            bucket,
            "'{\"Statement\": ['",
            "MalformedPolicy: This policy contains invalid JSON: EOF while parsing a list\n7:24",
        ),
        (
            "AWS::S3::BucketPolicy",
            bucket,
            "[a]",
            "`PolicyDocument` of AWS::S3::BucketPolicy `Object` must be a map, not a list\n7:23",
        ),
        (
            "AWS::S3::BucketPolicy",
            bucket,
            block,
            "MalformedPolicy: Unknown field Efect; did you mean Effect? (at Statement.Efect)\n10:13",
        ),
    ] {
        let properties = properties.replace("POLICY", policy);
        let drawn = drawn(&format!(
            "Resources:\n  Vpc: {{Type: AWS::EC2::VPC, Properties: {{CidrBlock: 10.0.0.0/16}}}}\n  Object:\n    Type: {type_name}\n    Properties:\n      {properties}\n",
        ));
        let (message, place) = expected.split_once('\n').expect("a message and a place");
        let head: Vec<&str> = drawn.lines().take(2).collect();
        assert_eq!(head[0], format!("error: {message}"), "{type_name}\n{drawn}");
        assert_eq!(head[1].trim(), format!("--> t.yaml:{place}"), "{type_name}\n{drawn}");
    }
}

/// YAML takes an account for a number unless it begins with 0, and a policy wants text.
#[test]
fn an_account_in_a_policy_needs_no_quotes() {
    let lab = lab("
Resources:
  Data: {Type: AWS::S3::Bucket}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Data
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {AWS: [111122223333, 012345678901, !GetAtt Function.Arn]}
            Action: s3:GetObject
            Resource: !Sub ${Data.Arn}/*
            Condition: {Bool: {aws:SecureTransport: true}, NumericLessThan: {s3:max-keys: 10}}
  Function: {Type: AWS::Lambda::Function}
");
    let policy = lab.world.buckets.values().next().and_then(|bucket| bucket.policy.as_ref()).expect("the policy");
    assert_eq!(
        policy.value.pointer("/Statement/0/Principal/AWS"),
        Some(&serde_json::json!([
            "111122223333",
            "012345678901",
            "arn:aws:iam::000000000000:role/not-emulated-Function"
        ]))
    );
}

/// What AWS refuses of identities, tables and resolver endpoints, with its place: `OBJECT` is the resource on line 14.
#[test]
fn refusals_stand_at_the_property_that_they_are_about() {
    let before = "\
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: worker
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Group: {Type: AWS::IAM::Group}
  User: {Type: AWS::IAM::User, Properties: {UserName: alice}}
  Data: {Type: AWS::S3::Bucket}
";
    let table = "AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]";
    for (type_name, properties, place, expected) in [
        ("IAM::Role", "", "14:3", "AWS::IAM::Role `Object` needs the property `AssumeRolePolicyDocument`"),
        ("IAM::User", "UserName: Alice", "14:57", "EntityAlreadyExists: User with name Alice already exists."),
        (
            "IAM::User",
            "UserName: a b",
            "14:57",
            "ValidationError: 1 validation error detected: Value 'a b' at 'userName'",
        ),
        ("IAM::User", "Path: app", "14:53", "ValidationError: The specified value for path is invalid."),
        ("IAM::User", "Groups: [nobody]", "14:56", "NoSuchEntity: The group with name nobody cannot be found."),
        (
            "IAM::User",
            "ManagedPolicyArns: ['arn:aws:iam::123456789012:policy/no']",
            "14:67",
            "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/no does not exist",
        ),
        (
            "IAM::User",
            "PermissionsBoundary: 'arn:aws:iam::aws:policy/ReadOnlyAccess'",
            "14:68",
            "NoSuchEntity: Scope ARN: arn:aws:iam::aws:policy/ReadOnlyAccess",
        ),
        (
            "IAM::InstanceProfile",
            "Roles: [worker, worker]",
            "14:3",
            "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
        ),
        (
            "IAM::InstanceProfile",
            "Roles: [nobody]",
            "14:66",
            "NoSuchEntity: The role with name nobody cannot be found.",
        ),
        ("IAM::InstanceProfile", "", "14:3", "AWS::IAM::InstanceProfile `Object` needs the property `Roles`"),
        ("IAM::AccessKey", "UserName: nobody", "14:62", "NoSuchEntity: The user with name nobody cannot be found."),
        (
            "IAM::AccessKey",
            "UserName: !Ref User, Status: On",
            "14:81",
            "ValidationError: 1 validation error detected: Value 'On' at 'status'",
        ),
        (
            "IAM::Policy",
            "PolicyName: P, PolicyDocument: {Statement: {Effect: Allow, Action: '*', Resource: '*'}}",
            "14:3",
            "AWS::IAM::Policy `Object` needs at least one of `Roles`, `Users` and `Groups`",
        ),
        (
            "IAM::RolePolicy",
            "PolicyName: P, RoleName: nobody, PolicyDocument: {Statement: {Effect: Allow, Action: '*', Resource: '*'}}",
            "14:78",
            "NoSuchEntity: The role with name nobody cannot be found.",
        ),
        (
            "IAM::RolePolicy",
            "RoleName: worker, PolicyName: P",
            "14:3",
            "AWS::IAM::RolePolicy `Object` needs the property `PolicyDocument`",
        ),
        (
            "EC2::Instance",
            "SubnetId: !Ref Subnet, IamInstanceProfile: worker",
            "14:94",
            "InvalidParameterValue: Value (worker) for parameter iamInstanceProfile.name is invalid.",
        ),
        (
            "EC2::Instance",
            "SubnetId: !Ref Subnet, MetadataOptions: {HttpTokens: always}",
            "14:104",
            "`HttpTokens` can't be `always`",
        ),
        (
            "EC2::Instance",
            "SubnetId: !Ref Subnet, MetadataOptions: {HttpPutResponseHopLimit: 65}",
            "14:117",
            "InvalidParameterValue: Value (65) for parameter HttpPutResponseHopLimit is invalid.",
        ),
        (
            "EC2::Instance",
            "SubnetId: !Ref Subnet, MetadataOptions: {InstanceMetadataTags: enabled}, Tags: [{Key: kubernetes.io/cluster/x, Value: owned}]",
            "14:137",
            "InvalidParameterValue: 'kubernetes.io/cluster/x' is not a valid tag key. Tag keys must match pattern",
        ),
        (
            "DynamoDB::Table",
            table,
            "14:3",
            "ValidationException: One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits",
        ),
        (
            "DynamoDB::Table",
            "BillingMode: PAY_PER_REQUEST, KeySchema: []",
            "14:3",
            "ValidationException: One or more parameter values were invalid: Missing the key schema",
        ),
        (
            "DynamoDB::Table",
            "BillingMode: PAY_PER_REQUEST, AttributeDefinitions: []",
            "14:3",
            "AWS::DynamoDB::Table `Object` needs the property `KeySchema`",
        ),
        (
            "DynamoDB::Table",
            &format!("TableName: a b, BillingMode: PAY_PER_REQUEST, {table}"),
            "14:64",
            "ValidationException: 1 validation error detected: Value 'a b' at 'tableName'",
        ),
        (
            "Route53Resolver::ResolverEndpoint",
            "Direction: INBOUND, SecurityGroupIds: [!GetAtt Vpc.DefaultSecurityGroup], IpAddresses: [{SubnetId: !Ref Subnet}]",
            "14:3",
            "InvalidRequestException: [RSLVR-00400] Resolver endpoint need to have at least 2 IP addresses.",
        ),
        (
            "Route53Resolver::ResolverEndpoint",
            "Direction: SIDEWAYS, SecurityGroupIds: [!GetAtt Vpc.DefaultSecurityGroup], IpAddresses: [{SubnetId: !Ref Subnet}]",
            "14:82",
            "InvalidParameterException: Value (SIDEWAYS) for parameter Direction is invalid.",
        ),
        ("S3::Bucket", "VersioningConfiguration: {Status: Off}", "14:3", "MalformedXML"),
        (
            "S3::Bucket",
            "CorsConfiguration: {CorsRules: [{AllowedOrigins: ['*'], AllowedMethods: [PATCH]}]}",
            "14:121",
            "InvalidRequest: Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
    ] {
        let drawn = drawn(&format!("{before}  Object: {{Type: AWS::{type_name}, Properties: {{{properties}}}}}\n"));
        let head: Vec<&str> = drawn.lines().take(2).collect();
        assert!(head[0].starts_with(&format!("error: {expected}")), "{type_name} {properties}\n{drawn}");
        assert_eq!(head[1].trim(), format!("--> t.yaml:{place}"), "{drawn}");
        assert!(!drawn.contains("\n\n"), "one error\n{drawn}");
    }
}

/// What is left out of the new types is said.
#[test]
fn what_has_no_effect_is_said() {
    check(
        "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Out:
    Type: AWS::Route53Resolver::ResolverEndpoint
    Properties:
      Direction: OUTBOUND
      SecurityGroupIds: [!GetAtt Vpc.DefaultSecurityGroup]
      IpAddresses: [{SubnetId: !Ref Subnet}, {SubnetId: !Ref Subnet}]
  Rule: {Type: AWS::Route53Resolver::ResolverRule, Properties: {RuleType: FORWARD, ResolverEndpointId: !Ref Out}}
  User: {Type: AWS::IAM::User, Properties: {LoginProfile: {Password: secret-secret}}}
  Data:
    Type: AWS::S3::Bucket
    Properties:
      AccessControl: PublicRead
      OwnershipControls: {Rules: [{ObjectOwnership: ObjectWriter}]}
      BucketEncryption: {ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: 'aws:kms'}}]}
      NotificationConfiguration: {}
",
        "
ignored: AWS::Route53Resolver::ResolverEndpoint `Out`: resolver endpoints of direction OUTBOUND are not emulated (t.yaml:5)
ignored: AWS::Route53Resolver::ResolverRule `Rule` (t.yaml:11)
ignored: the password (there is no console) of AWS::IAM::User `User` (t.yaml:12)
ignored: the ACL of AWS::S3::Bucket `Data` (t.yaml:16)
ignored: ownership by ACLs (the bucket's owner owns every object) of AWS::S3::Bucket `Data` (t.yaml:17)
ignored: encryption with KMS of AWS::S3::Bucket `Data` (t.yaml:18)
ignored: property NotificationConfiguration of AWS::S3::Bucket `Data` (t.yaml:19)
",
    );
}

/// The commonest mistake of bucket policies is told where it is written.
#[test]
fn an_action_that_does_not_fit_its_resource() {
    refused(
        "
Resources:
  Data: {Type: AWS::S3::Bucket, Properties: {BucketName: orders-data}}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Data
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: '*', Action: 's3:*', Resource: !Sub '${Data.Arn}/*'}
          - Effect: Allow
            Principal: '*'
            Action: s3:GetObject
            Resource: !GetAtt Data.Arn
",
        "
error: MalformedPolicy: Action does not apply to any resource(s) in statement: s3:getobject is done to objects, such as arn:aws:s3:::orders-data/* (at Statement[1].Action)
  --> t.yaml:12:21
   |
12 |             Action: s3:GetObject
   |                     ^^^^^^^^^^^^
",
    );
}
