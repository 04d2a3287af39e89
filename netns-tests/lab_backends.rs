//! Real servers behind the lab's names: moto on this machine's loopback, clients in a private subnet without any way to it but
//! endpoints, whose policies hold in front of it.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Story;
use super::harness::*;
use super::sdk::{Clients, Moto, free_port};

pub const STORIES: [Story; 3] = [
    ("backends::queues_secrets_and_keys_of_moto", queues_secrets_and_keys_of_moto),
    ("backends::buckets_and_tables_of_moto", buckets_and_tables_of_moto),
    ("backends::a_backend_that_is_down_is_named", a_backend_that_is_down_is_named),
];

const LAB: &str = r#"Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  Https: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: https, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]}}
  S3:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.s3"
      RouteTableIds: [!Ref Routes]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "s3:*", Resource: "*"}
          - {Sid: Keep, Effect: Deny, Principal: "*", Action: "s3:DeleteObject", Resource: "arn:aws:s3:::*/keep/*"}
  DynamoDb:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.dynamodb"
      RouteTableIds: [!Ref Routes]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "dynamodb:*", Resource: "*"}
          - {Effect: Deny, Principal: "*", Action: "dynamodb:DeleteTable", Resource: "*"}
  Sqs:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.sqs"
      SubnetIds: [!Ref Subnet]
      SecurityGroupIds: [!Ref Https]
      PrivateDnsEnabled: true
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "sqs:*", Resource: "*"}
          - {Sid: Keep, Effect: Deny, Principal: "*", Action: "sqs:DeleteQueue", Resource: "*"}
          - {Effect: Deny, Principal: "*", Action: "sqs:SendMessage", Resource: "arn:aws:sqs:*:*:read-only"}
  Secrets:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.secretsmanager"
      SubnetIds: [!Ref Subnet]
      SecurityGroupIds: [!Ref Https]
      PrivateDnsEnabled: true
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "secretsmanager:CreateSecret", Resource: "*"}
          - {Effect: Allow, Principal: "*", Action: "secretsmanager:GetSecretValue", Resource: "arn:aws:secretsmanager:*:*:secret:app/*"}
  Kms:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.kms"
      SubnetIds: [!Ref Subnet]
      SecurityGroupIds: [!Ref Https]
      PrivateDnsEnabled: true
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "kms:*", Resource: "*"}
          - {Effect: Deny, Principal: "*", Action: "kms:ScheduleKeyDeletion", Resource: "*"}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: worker
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]}
      Policies:
        - PolicyName: work
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "*", Resource: "*"}
              - {Effect: Deny, Action: "sqs:PurgeQueue", Resource: "*"}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Role]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0, IamInstanceProfile: !Ref Profile}}
"#;

/// A lab in front of a server at this URL.
fn up<'s>(stage: &'s Stage, url: &str) -> Result<Lab<'s>> {
    stage.write("backends/main.yaml", LAB)?;
    let mut text = "name: backends\nstacks:\n  main: {template: main.yaml}\nbackends:\n".to_owned();
    for service in ["s3", "dynamodb", "sqs", "secretsmanager", "kms"] {
        text +=
            &format!("  {service}: {{url: '{url}', access_key_id: BACKEND_KEY, secret_access_key: BACKEND_SECRET}}\n");
    }
    stage.write("backends/lab.yaml", &text)?;
    stage.start_by("backends", &["backends"], |mut command| {
        command.env("BACKEND_KEY", "AKIAOFTHEBACKEND").env("BACKEND_SECRET", "its secret");
        command
    })
}

/// `None` where moto can't be had: see [`Clients::get`].
fn moto(stage: &Stage) -> Result<Option<Moto>> {
    Clients::get()?.map(|clients| clients.moto(stage)).transpose()
}

/// One attempt: a client that tries again and again hides what it was told.
fn aws(lab: &Lab<'_>, arguments: &[&str]) -> Result<Done> {
    lab.exec("app", &[&["env", "AWS_MAX_ATTEMPTS=1", "aws"], arguments].concat())
}

/// SQS by boto3: version 1 of the CLI calls it by its name of old, queue.amazonaws.com, which no endpoint's private DNS has,
/// here as on AWS.
fn sqs(lab: &Lab<'_>, operation: &str, arguments: &Value) -> Result<Done> {
    let python = Clients::get()?.context("a story without clients ends before")?.python();
    let script = "import boto3, json, sys
said = getattr(boto3.client('sqs'), sys.argv[1])(**json.loads(sys.argv[2]))
print(json.dumps(said))";
    lab.exec("app", &["env", "AWS_MAX_ATTEMPTS=1", &python, "-c", script, operation, &arguments.to_string()])
}

fn parsed(done: Done) -> Result<Value> {
    let text = done.ok()?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

fn says(done: &Done, parts: &[&str]) -> Result<()> {
    ensure!(done.code() != 0, "it was allowed: {done:?}");
    for part in parts {
        ensure!(done.stderr.contains(part), "{part} in {}", done.stderr);
    }
    Ok(())
}

fn queues_secrets_and_keys_of_moto(stage: &Stage) -> Result<()> {
    let Some(moto) = moto(stage)? else { return Ok(()) };
    let lab = up(stage, &moto.url())?;
    let made = parsed(sqs(&lab, "create_queue", &json!({"QueueName": "jobs"}))?)?;
    let queue = made["QueueUrl"].as_str().context("a queue's URL")?;
    ensure!(queue == "https://sqs.us-east-1.amazonaws.com/123456789012/jobs", "the name that the client knows: {made}");
    sqs(&lab, "send_message", &json!({"QueueUrl": queue, "MessageBody": "hello & <welcome>"}))?.ok()?;
    let received = parsed(sqs(&lab, "receive_message", &json!({"QueueUrl": queue}))?)?;
    ensure!(received["Messages"][0]["Body"] == "hello & <welcome>", "{received}");

    // By action, by resource, and by the role's own policy.
    let denied = sqs(&lab, "delete_queue", &json!({"QueueUrl": queue}))?;
    let who = "User: arn:aws:sts::123456789012:assumed-role/worker/i-";
    says(&denied, &["AccessDenied", who, "sqs:DeleteQueue", "with an explicit deny in a VPC endpoint policy"])?;
    let listed = parsed(sqs(&lab, "list_queues", &json!({}))?)?;
    ensure!(listed["QueueUrls"][0] == queue, "it is still there: {listed}");
    let other = parsed(sqs(&lab, "create_queue", &json!({"QueueName": "read-only"}))?)?;
    let other = other["QueueUrl"].as_str().context("a queue's URL")?;
    let denied = sqs(&lab, "send_message", &json!({"QueueUrl": other, "MessageBody": "no"}))?;
    says(&denied, &["sqs:SendMessage", "with an explicit deny in a VPC endpoint policy"])?;
    let denied = sqs(&lab, "purge_queue", &json!({"QueueUrl": queue}))?;
    says(&denied, &["sqs:PurgeQueue", "with an explicit deny in an identity-based policy"])?;

    for name in ["app/database", "other"] {
        aws(&lab, &["secretsmanager", "create-secret", "--name", name, "--secret-string", "open sesame"])?.ok()?;
    }
    let get = |name: &str| aws(&lab, &["secretsmanager", "get-secret-value", "--secret-id", name]);
    ensure!(parsed(get("app/database")?)?["SecretString"] == "open sesame");
    says(&get("other")?, &["AccessDenied", "no VPC endpoint policy allows the secretsmanager:GetSecretValue action"])?;

    let key = parsed(aws(&lab, &["kms", "create-key"])?)?;
    let key = key["KeyMetadata"]["KeyId"].as_str().context("a key's id")?;
    let encrypt = ["kms", "encrypt", "--key-id", key, "--plaintext", "aGVsbG8=", "--output", "json"];
    let text = parsed(aws(&lab, &encrypt)?)?;
    ensure!(text["CiphertextBlob"].is_string(), "{text}");
    let denied = aws(&lab, &["kms", "schedule-key-deletion", "--key-id", key])?;
    says(&denied, &["AccessDenied", "kms:ScheduleKeyDeletion", "with an explicit deny in a VPC endpoint policy"])?;
    Ok(())
}

fn buckets_and_tables_of_moto(stage: &Stage) -> Result<()> {
    let Some(moto) = moto(stage)? else { return Ok(()) };
    let lab = up(stage, &moto.url())?;
    aws(&lab, &["s3", "mb", "s3://at-moto"])?.ok()?;
    let file = stage.path().join("there").display().to_string();
    let back = stage.path().join("back").display().to_string();
    let mut random = std::io::Read::take(fs::File::open("/dev/urandom")?, 20 << 20);
    std::io::copy(&mut random, &mut fs::File::create(&file)?)?;
    aws(&lab, &["s3", "cp", "--no-progress", &file, "s3://at-moto/keep/a b"])?.ok()?;
    aws(&lab, &["s3", "cp", "--no-progress", "s3://at-moto/keep/a b", &back])?.ok()?;
    ensure!(fs::read(&file)? == fs::read(&back)?, "the object is another");
    let small = stage.path().join("small").display().to_string();
    stage.write("small", "small\n")?;
    aws(&lab, &["s3", "cp", "--no-progress", &small, "s3://at-moto/loose/b"])?.ok()?;
    // Virtual-host style at our names, path style at the backend's.
    let url = "https://at-moto.s3.us-east-1.amazonaws.com/loose/b";
    let unsigned = lab.exec("app", &["curl", "-sS", "--max-time", "20", url])?.ok()?;
    ensure!(unsigned.contains("<Code>AccessDenied</Code>"), "who does not sign is not signed for: {unsigned}");
    let delete = |keys: &str| {
        let keys = format!("Objects=[{keys}]");
        aws(&lab, &["s3api", "delete-objects", "--bucket", "at-moto", "--delete", &keys])
    };
    // Key by key, as AWS does.
    let deleted = parsed(delete("{Key=loose/b},{Key=keep/a b}")?)?;
    ensure!(
        deleted["Deleted"][0]["Key"] == "loose/b" && deleted["Deleted"].as_array().is_some_and(|all| all.len() == 1),
        "{deleted}"
    );
    let error = &deleted["Errors"][0];
    let text = error["Message"].as_str().unwrap_or_default();
    ensure!(error["Key"] == "keep/a b" && text.contains("with an explicit deny in a VPC endpoint policy"), "{deleted}");
    let left = aws(&lab, &["s3", "ls", "--recursive", "s3://at-moto"])?.ok()?;
    ensure!(left.lines().count() == 1 && left.contains("keep/a b"), "{left}");

    let attributes = ["--attribute-definitions", "AttributeName=id,AttributeType=S"];
    let keys = ["--key-schema", "AttributeName=id,KeyType=HASH", "--billing-mode", "PAY_PER_REQUEST"];
    let create = ["dynamodb", "create-table", "--table-name", "orders"];
    aws(&lab, &[&create[..], &attributes, &keys].concat())?.ok()?;
    let item = r#"{"id": {"S": "1"}, "n": {"N": "2"}}"#;
    aws(&lab, &["dynamodb", "put-item", "--table-name", "orders", "--item", item])?.ok()?;
    let got =
        parsed(aws(&lab, &["dynamodb", "get-item", "--table-name", "orders", "--key", r#"{"id": {"S": "1"}}"#])?)?;
    ensure!(got["Item"]["n"]["N"] == "2", "{got}");
    let denied = aws(&lab, &["dynamodb", "delete-table", "--table-name", "orders"])?;
    says(
        &denied,
        &["AccessDeniedException", "dynamodb:DeleteTable", "with an explicit deny in a VPC endpoint policy"],
    )?;
    Ok(())
}

fn a_backend_that_is_down_is_named(stage: &Stage) -> Result<()> {
    let Some(_) = Clients::get()? else { return Ok(()) };
    let url = format!("http://127.0.0.1:{}", free_port()?);
    let lab = up(stage, &url)?;
    let reason = format!("vpclab's backend {url}: connection refused");
    let all: [(&str, Done); 4] = [
        ("s3", aws(&lab, &["s3", "ls"])?),
        ("sqs", sqs(&lab, "list_queues", &json!({}))?),
        ("dynamodb", aws(&lab, &["dynamodb", "list-tables"])?),
        ("kms", aws(&lab, &["kms", "list-keys"])?),
    ];
    for (service, failed) in all {
        ensure!(failed.code() != 0 && failed.stderr.contains(&reason), "{service}: {failed:?}");
        ensure!(failed.stderr.contains("(BadGateway)"), "{service}: {}", failed.stderr);
    }
    let log = fs::read_to_string(stage.state().join("backends/log"))?;
    ensure!(log.contains("connection refused"), "the lab's log says so as well: {log}");
    Ok(())
}
