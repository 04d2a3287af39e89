//! Unmodified clients in guests: AWS CLI, boto3, the SDK for JavaScript, curl. No flag names an endpoint; the environment is the
//! one that `exec` sets, and credentials are the instance's own role's, by its metadata.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Story;
use super::harness::*;
use super::sdk::Clients;

pub const STORIES: [Story; 9] = [
    ("clients::aws_cli_copies_100_mebibytes_there_and_back", aws_cli_copies_100_mebibytes_there_and_back),
    ("clients::aws_cli_syncs_and_presigns", aws_cli_syncs_and_presigns),
    ("clients::aws_cli_uses_a_table_and_knows_itself", aws_cli_uses_a_table_and_knows_itself),
    ("clients::boto3_needs_nothing_but_the_environment", boto3_needs_nothing_but_the_environment),
    (
        "clients::the_javascript_sdk_needs_nothing_but_the_environment",
        the_javascript_sdk_needs_nothing_but_the_environment,
    ),
    ("clients::curl_signs", curl_signs),
    ("clients::each_kind_of_policy_allows_and_denies", each_kind_of_policy_allows_and_denies),
    ("clients::a_policy_is_edited_on_the_live_endpoint", a_policy_is_edited_on_the_live_endpoint),
    ("clients::kill_9_during_a_put_leaves_the_old_object_whole", kill_9_during_a_put_leaves_the_old_object_whole),
];

const BUCKET: &str = "clients-123456789012";

/// A private subnet with endpoints for S3, DynamoDB and STS, and one whose only way out is a NAT gateway. `worker` and `far` have a
/// role and nothing else; `plain` has the keys that a guest without a profile gets.
const LAB: &str = r#"Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Private: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Far: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24}}
  PrivateRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  FarRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PublicRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PrivateAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Private, RouteTableId: !Ref PrivateRoutes}}
  FarAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Far, RouteTableId: !Ref FarRoutes}}
  PublicAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicRoutes}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Out: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt Address.AllocationId}}
  ToNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref FarRoutes, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  Https: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: https, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]}}

  S3:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.s3"
      RouteTableIds: [!Ref PrivateRoutes]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Sid: All, Effect: Allow, Principal: "*", Action: "s3:*", Resource: "*"}
          - {Sid: NoSecrets, Effect: Deny, Principal: "*", Action: "s3:*", Resource: !Sub "arn:aws:s3:::${Bucket}/endpoint-denies/*"}
  DynamoDb:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.dynamodb"
      RouteTableIds: [!Ref PrivateRoutes]
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: "*", Action: ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:DescribeTable"], Resource: "*"}]
  Sts:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: !Sub "com.amazonaws.${AWS::Region}.sts"
      SubnetIds: [!Ref Private]
      SecurityGroupIds: [!Ref Https]
      PrivateDnsEnabled: true
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: "*", Action: "sts:GetCallerIdentity", Resource: "*"}]

  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: !Sub "clients-${AWS::AccountId}"}}
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: OnlyThroughTheEndpoint
            Effect: Deny
            Principal: "*"
            Action: ["s3:GetObject", "s3:PutObject"]
            Resource: !Sub "${Bucket.Arn}/inside/*"
            Condition: {StringNotEquals: {"aws:SourceVpce": !Ref S3}}
          - {Sid: ReadOnly, Effect: Deny, Principal: "*", Action: "s3:PutObject", Resource: !Sub "${Bucket.Arn}/bucket-denies/*"}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: orders
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: customer, AttributeType: S}, {AttributeName: day, AttributeType: S}]
      KeySchema: [{AttributeName: customer, KeyType: HASH}, {AttributeName: day, KeyType: RANGE}]

  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: worker
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: work
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: ["s3:*", "dynamodb:*", "sts:*"], Resource: "*"}
              - {Sid: NoKeep, Effect: Deny, Action: "s3:DeleteObject", Resource: "arn:aws:s3:::*/role-denies/*"}
              - {Sid: NoTags, Effect: Deny, Action: "s3:PutBucketTagging", Resource: "*"}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Role]}}
  worker: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Private, PrivateIpAddress: 10.0.1.10, ImageId: ami-0, IamInstanceProfile: !Ref Profile}}
  plain: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Private, PrivateIpAddress: 10.0.1.11, ImageId: ami-0}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Far, PrivateIpAddress: 10.0.2.10, ImageId: ami-0, IamInstanceProfile: !Ref Profile}}
"#;

fn up<'s>(stage: &'s Stage, more: &[&str]) -> Result<Lab<'s>> {
    stage.write("clients.yaml", LAB)?;
    // Captures of hundreds of megabytes would measure the disk.
    stage.start("clients", &[&["clients.yaml"], more].concat())
}

/// A file of random bytes beside the templates; returns its path and its checksum.
fn random_file(stage: &Stage, name: &str, bytes: u64) -> Result<(String, String)> {
    let path = stage.path().join(name);
    let mut random = std::io::Read::take(fs::File::open("/dev/urandom")?, bytes);
    std::io::copy(&mut random, &mut fs::File::create(&path)?)?;
    let path = path.display().to_string();
    let sum = checksum(&path)?;
    Ok((path, sum))
}

fn checksum(path: &str) -> Result<String> {
    let output = std::process::Command::new("sha256sum").arg(path).output()?;
    ensure!(output.status.success(), "sha256sum {path}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("a checksum")?.to_owned())
}

/// A path in the story's folder.
fn at(stage: &Stage, name: &str) -> String {
    stage.path().join(name).display().to_string()
}

fn aws(lab: &Lab<'_>, guest: &str, arguments: &[&str]) -> Result<Done> {
    lab.exec(guest, &[&["aws"], arguments].concat())
}

fn json(done: Done) -> Result<Value> {
    let text = done.ok()?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

/// It failed, and its message says all of this.
fn says(done: &Done, parts: &[&str]) -> Result<()> {
    ensure!(done.code() != 0, "it was allowed: {done:?}");
    for part in parts {
        ensure!(done.stderr.contains(part) || done.stdout.contains(part), "{part} in {done:?}");
    }
    Ok(())
}

fn aws_cli_copies_100_mebibytes_there_and_back(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    let (file, sum) = random_file(stage, "there", 100 << 20)?;
    let back = at(stage, "back");
    let url = format!("s3://{BUCKET}/large file ü+.bin");
    aws(&lab, "worker", &["s3", "cp", "--no-progress", &file, &url])?.ok().context("there")?;
    aws(&lab, "worker", &["s3", "cp", "--no-progress", &url, &back])?.ok().context("and back")?;
    ensure!(checksum(&back)? == sum, "the object is another");
    let head = json(aws(&lab, "worker", &["s3api", "head-object", "--bucket", BUCKET, "--key", "large file ü+.bin"])?)?;
    ensure!(head["ContentLength"] == 100 << 20, "{head}");
    ensure!(head["ETag"].as_str().is_some_and(|tag| tag.ends_with("-13\"")), "13 parts of 8 MiB: {head}");
    Ok(())
}

fn aws_cli_syncs_and_presigns(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    for (file, text) in [("tree/a.txt", "a\n"), ("tree/deep/er/b.txt", "b\n"), ("tree/c d.txt", "c\n")] {
        stage.write(file, text)?;
        // S3 tells whole seconds, so a file of this very second would look newer than its copy.
        let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::options().write(true).open(stage.path().join(file))?.set_modified(hour_ago)?;
    }
    let url = format!("s3://{BUCKET}/tree/");
    let (tree, copy) = (at(stage, "tree"), at(stage, "copy"));
    let sync = |from: &str, to: &str| aws(&lab, "worker", &["s3", "sync", "--no-progress", "--delete", from, to])?.ok();
    ensure!(sync(&tree, &url)?.lines().count() == 3, "three files are new");
    ensure!(sync(&tree, &url)?.is_empty(), "nothing is new the second time");
    sync(&url, &copy)?;
    for file in ["a.txt", "deep/er/b.txt", "c d.txt"] {
        let [there, here] = [&tree, &copy].map(|folder| fs::read_to_string(format!("{folder}/{file}")));
        ensure!(there? == here?, "{file}");
    }
    fs::remove_file(format!("{tree}/a.txt"))?;
    ensure!(sync(&tree, &url)?.starts_with("delete: "), "what is gone here goes there");

    // Whoever has the URL may, until its time is over.
    // Version 1 of the CLI presigns by Signature Version 2 unless it is told otherwise, as `exec` does; new buckets refuse that
    // on AWS, too.
    let presign = ["aws", "s3", "presign", "--expires-in", "60", &format!("{url}deep/er/b.txt")];
    let presigned = lab.exec("worker", &presign)?.ok()?;
    let curl = |url: &str| lab.exec("plain", &["curl", "-sS", "--max-time", "20", "-w", " %{http_code}", url]);
    ensure!(curl(presigned.trim())?.ok()? == "b\n 200", "{presigned}");
    let other = curl(&presigned.trim().replace("b.txt", "c.txt"))?.ok()?;
    ensure!(other.contains("SignatureDoesNotMatch") && other.ends_with(" 403"), "{other}");
    let unsigned = curl(presigned.split('?').next().unwrap_or_default())?.ok()?;
    ensure!(unsigned.contains("AccessDenied") && unsigned.ends_with(" 403"), "{unsigned}");

    aws(&lab, "worker", &["s3", "mb", "s3://made-by-the-cli"])?.ok()?;
    let listed = aws(&lab, "worker", &["s3", "ls"])?.ok()?;
    ensure!(listed.contains("made-by-the-cli") && listed.contains(BUCKET), "{listed}");
    says(&aws(&lab, "worker", &["s3", "rb", &format!("s3://{BUCKET}")])?, &["BucketNotEmpty"])?;
    aws(&lab, "worker", &["s3", "rb", "s3://made-by-the-cli"])?.ok()?;
    Ok(())
}

fn aws_cli_uses_a_table_and_knows_itself(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    for day in ["2026-11-24", "2026-11-25"] {
        let item = format!(r#"{{"customer": {{"S": "c1"}}, "day": {{"S": "{day}"}}, "total": {{"N": "12.5"}}}}"#);
        aws(&lab, "worker", &["dynamodb", "put-item", "--table-name", "orders", "--item", &item])?.ok()?;
    }
    let values = r#"{":c": {"S": "c1"}, ":d": {"S": "2026-11-25"}}"#;
    let expression = "customer = :c AND #d >= :d";
    let query = ["dynamodb", "query", "--table-name", "orders", "--key-condition-expression", expression];
    let names = ["--expression-attribute-names", r##"{"#d": "day"}"##, "--expression-attribute-values", values];
    let found = json(aws(&lab, "worker", &[&query[..], &names].concat())?)?;
    ensure!(found["Count"] == 1 && found["Items"][0]["total"]["N"] == "12.5", "{found}");

    let me = json(aws(&lab, "worker", &["sts", "get-caller-identity"])?)?;
    let instance = lab.exec("worker", &["sh", "-c", METADATA])?.ok()?;
    let expected = format!("arn:aws:sts::123456789012:assumed-role/worker/{}", instance.trim());
    ensure!(me["Arn"] == expected.as_str() && me["Account"] == "123456789012", "{me} instead of {expected}");
    let environment = lab.exec("worker", &["env"])?.ok()?;
    ensure!(!environment.contains("AWS_ACCESS_KEY_ID"), "the role's credentials come from the metadata: {environment}");
    let me = json(aws(&lab, "plain", &["sts", "get-caller-identity"])?)?;
    ensure!(me["Arn"] == "arn:aws:iam::123456789012:root", "{me}");
    Ok(())
}

/// Prints the instance's id as IMDSv2 tells it.
const METADATA: &str = "token=$(curl -sS --max-time 20 -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60') &&
    curl -sS --max-time 20 http://169.254.169.254/latest/meta-data/instance-id -H \"X-aws-ec2-metadata-token: $token\"";

const BOTO3: &str = r#"
import boto3, boto3.dynamodb.conditions, hashlib, io, os, sys
from botocore.exceptions import ClientError

bucket = sys.argv[1]
assert "AWS_ACCESS_KEY_ID" not in os.environ, "the role's credentials come from the metadata"
s3 = boto3.client("s3")
data = os.urandom(12 << 20)
s3.put_object(Bucket=bucket, Key="boto3/one", Body=data, ContentType="text/x-story", Metadata={"who": "boto3"})
s3.upload_fileobj(io.BytesIO(data), bucket, "boto3/parts")
for key in "one", "parts":
    got = s3.get_object(Bucket=bucket, Key="boto3/" + key)["Body"].read()
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest(), key
head = s3.head_object(Bucket=bucket, Key="boto3/one")
assert head["ContentType"] == "text/x-story" and head["Metadata"] == {"who": "boto3"}, head
part = s3.get_object(Bucket=bucket, Key="boto3/one", Range="bytes=5-14")
assert part["Body"].read() == data[5:15] and part["ContentRange"] == f"bytes 5-14/{len(data)}", part
listed = [it["Key"] for it in s3.list_objects_v2(Bucket=bucket, Prefix="boto3/")["Contents"]]
assert listed == ["boto3/one", "boto3/parts"], listed
s3.copy_object(Bucket=bucket, Key="boto3/copy", CopySource={"Bucket": bucket, "Key": "boto3/one"})
gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "boto3/copy"}, {"Key": "boto3/parts"}]})
assert len(gone["Deleted"]) == 2 and "Errors" not in gone, gone
try:
    s3.get_object(Bucket=bucket, Key="boto3/copy")
    raise AssertionError("it is gone")
except s3.exceptions.NoSuchKey:
    pass
table = boto3.resource("dynamodb").Table("orders")
table.put_item(Item={"customer": "boto3", "day": "today", "count": 3})
assert table.query(KeyConditionExpression=boto3.dynamodb.conditions.Key("customer").eq("boto3"))["Items"][0]["count"] == 3
print(boto3.client("sts").get_caller_identity()["Arn"])
"#;

fn boto3_needs_nothing_but_the_environment(stage: &Stage) -> Result<()> {
    let Some(clients) = Clients::get()? else { return Ok(()) };
    let lab = up(stage, &[])?;
    stage.write("story.py", BOTO3)?;
    let arn = lab.exec("worker", &[&clients.python(), &at(stage, "story.py"), BUCKET])?.ok()?;
    ensure!(arn.starts_with("arn:aws:sts::123456789012:assumed-role/worker/i-"), "{arn}");
    Ok(())
}

const JAVASCRIPT: &str = r#"
const { S3Client, PutObjectCommand, GetObjectCommand, ListObjectsV2Command, DeleteObjectCommand } = require("@aws-sdk/client-s3");
const { createHash, randomBytes } = require("node:crypto");
const { Readable } = require("node:stream");
const assert = require("node:assert");

(async () => {
  const Bucket = process.argv[2];
  assert(!process.env.AWS_ACCESS_KEY_ID, "the role's credentials come from the metadata");
  const s3 = new S3Client({});
  const data = randomBytes(3 << 20);
  const sum = (bytes) => createHash("sha256").update(bytes).digest("hex");
  await s3.send(new PutObjectCommand({ Bucket, Key: "js/whole", Body: data }));
  // A stream goes in chunks, with its checksum behind it.
  const Body = Readable.from([data.subarray(0, 1 << 20), data.subarray(1 << 20)]);
  await s3.send(new PutObjectCommand({ Bucket, Key: "js/stream", Body, ContentLength: data.length }));
  for (const Key of ["js/whole", "js/stream"]) {
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    assert.equal(sum(await got.Body.transformToByteArray()), sum(data), Key);
  }
  const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: "js/" }));
  assert.deepEqual(listed.Contents.map((it) => it.Key), ["js/stream", "js/whole"]);
  await s3.send(new DeleteObjectCommand({ Bucket, Key: "js/whole" }));
  const gone = await s3.send(new GetObjectCommand({ Bucket, Key: "js/whole" })).catch((error) => error);
  assert.equal(gone.name, "NoSuchKey");
  const denied = await s3.send(new GetObjectCommand({ Bucket, Key: "endpoint-denies/x" })).catch((error) => error);
  assert.equal(denied.name, "AccessDenied");
  assert.match(denied.message, /with an explicit deny in a VPC endpoint policy/);
  console.log("done");
})().catch((error) => { console.error(error); process.exit(1); });
"#;

fn the_javascript_sdk_needs_nothing_but_the_environment(stage: &Stage) -> Result<()> {
    let Some(clients) = Clients::get()? else { return Ok(()) };
    let lab = up(stage, &[])?;
    stage.write("story.cjs", JAVASCRIPT)?;
    std::os::unix::fs::symlink(clients.node_modules(), stage.path().join("node_modules"))?;
    let said = lab.exec("worker", &["node", &at(stage, "story.cjs"), BUCKET])?.ok()?;
    ensure!(said == "done\n", "{said}");
    Ok(())
}

/// Signs with the keys of the environment: those of a guest without a profile. S3 demands the header, which newer curls add.
const CURL: &str = r#"curl -sS --max-time 20 --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -w ' %{http_code}' "$@""#;

fn curl_signs(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    stage.write("hello.txt", "hello\n")?;
    let file = at(stage, "hello.txt");
    let curl = |arguments: &[&str]| lab.exec("plain", &[&["sh", "-c", CURL, "sh"], arguments].concat())?.ok();
    let url = format!("https://{BUCKET}.s3.us-east-1.amazonaws.com/curl.txt");
    let put = curl(&["-T", &file, &url])?;
    ensure!(put == " 200", "{put}");
    ensure!(curl(&[&url])? == "hello\n 200");
    let plain = curl(&[&url.replace("https:", "http:")])?;
    ensure!(plain == "hello\n 200", "without TLS as well: {plain}");
    let denied = curl(&["-T", &file, &url.replace("curl.txt", "bucket-denies/curl.txt")])?;
    ensure!(
        denied.contains("with an explicit deny in a resource-based policy") && denied.ends_with(" 403"),
        "{denied}"
    );
    let unsigned = lab.exec("plain", &["curl", "-sS", "--max-time", "20", &url])?.ok()?;
    ensure!(unsigned.contains("<Code>AccessDenied</Code>"), "{unsigned}");
    let wrong = lab.exec("plain", &["sh", "-c", &CURL.replace("$AWS_SECRET_ACCESS_KEY", "wrong"), "sh", &url])?.ok()?;
    ensure!(wrong.contains("<Code>SignatureDoesNotMatch</Code>") && wrong.ends_with(" 403"), "{wrong}");
    let stranger =
        lab.exec("plain", &["sh", "-c", &CURL.replace("$AWS_ACCESS_KEY_ID", "AKIAWHOISTHIS000"), "sh", &url])?.ok()?;
    ensure!(stranger.contains("<Code>InvalidAccessKeyId</Code>"), "{stranger}");
    let head = curl(&["-I", &url])?;
    ensure!(head.to_lowercase().contains("content-length: 6\r\n"), "{head}");
    let gone = curl(&["-X", "DELETE", &url])?;
    ensure!(gone == " 204", "{gone}");
    Ok(())
}

fn each_kind_of_policy_allows_and_denies(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    stage.write("file.txt", "text\n")?;
    let file = at(stage, "file.txt");
    let put = |guest: &str, key: &str| {
        aws(&lab, guest, &["s3", "cp", "--no-progress", &file, &format!("s3://{BUCKET}/{key}")])
    };
    let who = "User: arn:aws:sts::123456789012:assumed-role/worker/i-";

    // The role's own.
    put("worker", "role-denies/a")?.ok()?;
    let delete = aws(&lab, "worker", &["s3api", "delete-object", "--bucket", BUCKET, "--key", "role-denies/a"])?;
    says(&delete, &["AccessDenied", who, "s3:DeleteObject", "with an explicit deny in an identity-based policy"])?;
    let tag = ["s3api", "put-bucket-tagging", "--bucket", BUCKET, "--tagging", "TagSet=[{Key=a,Value=b}]"];
    says(&aws(&lab, "worker", &tag)?, &["AccessDenied", "s3:PutBucketTagging", "identity-based policy"])?;

    // The bucket's.
    put("worker", "inside/a")?.ok()?;
    says(
        &put("worker", "bucket-denies/a")?,
        &["AccessDenied", who, "s3:PutObject", "with an explicit deny in a resource-based policy"],
    )?;
    // It demands the endpoint: by the NAT gateway the same role is refused, and only there.
    put("far", "outside/a")?.ok().context("by the NAT gateway")?;
    says(&put("far", "inside/a")?, &["AccessDenied", "with an explicit deny in a resource-based policy"])?;

    // The gateway endpoint's to S3, which the way by the NAT gateway does not meet.
    says(
        &put("worker", "endpoint-denies/a")?,
        &["AccessDenied", who, "with an explicit deny in a VPC endpoint policy"],
    )?;
    put("far", "endpoint-denies/a")?.ok()?;

    // The gateway endpoint's to DynamoDB, which allows two actions.
    let item = r#"{"customer": {"S": "c"}, "day": {"S": "d"}}"#;
    let put_item = ["dynamodb", "put-item", "--table-name", "orders", "--item", item];
    aws(&lab, "worker", &put_item)?.ok()?;
    let scan = ["dynamodb", "scan", "--table-name", "orders"];
    let denied = aws(&lab, "worker", &scan)?;
    says(&denied, &["AccessDeniedException", who, "no VPC endpoint policy allows the dynamodb:Scan action"])?;
    aws(&lab, "far", &scan)?.ok()?;

    // The interface endpoint's to STS.
    aws(&lab, "worker", &["sts", "get-caller-identity"])?.ok()?;
    let role = "arn:aws:iam::123456789012:role/worker";
    let denied = aws(&lab, "worker", &["sts", "assume-role", "--role-arn", role, "--role-session-name", "again"])?;
    says(&denied, &["AccessDenied", who, "no VPC endpoint policy allows the sts:AssumeRole action"])?;
    Ok(())
}

fn a_policy_is_edited_on_the_live_endpoint(stage: &Stage) -> Result<()> {
    let lab = up(stage, &[])?;
    stage.write("file.txt", "text\n")?;
    let (file, url) = (at(stage, "file.txt"), format!("s3://{BUCKET}/live/a"));
    let put = || aws(&lab, "worker", &["s3", "cp", "--no-progress", &file, &url]);
    put()?.ok()?;
    let more = "          - {Sid: NoSecrets,";
    let statement = "          - {Sid: Closed, Effect: Deny, Principal: \"*\", Action: \"s3:PutObject\", Resource: !Sub \"arn:aws:s3:::${Bucket}/live/*\"}\n";
    ensure!(LAB.contains(more), "where the statement goes");
    stage.write("clients.yaml", &LAB.replace(more, &format!("{statement}{more}")))?;
    lab.vpclab(&["apply", "clients.yaml"])?.ok()?;
    says(&put()?, &["AccessDenied", "with an explicit deny in a VPC endpoint policy"])?;
    stage.write("clients.yaml", LAB)?;
    lab.vpclab(&["apply", "clients.yaml"])?.ok()?;
    put()?.ok().context("and back")?;
    // A broken policy changes nothing.
    stage.write("clients.yaml", &LAB.replace("Sid: NoSecrets, Effect: Deny", "Sid: NoSecrets, Effect: Forbid"))?;
    let refused = lab.vpclab(&["apply", "clients.yaml"])?;
    ensure!(refused.code() == 2 && refused.stderr.contains("InvalidPolicyDocument"), "{refused:?}");
    put()?.ok().context("the old policy stays")?;
    Ok(())
}

fn kill_9_during_a_put_leaves_the_old_object_whole(stage: &Stage) -> Result<()> {
    let data = at(stage, "data");
    let lab = up(stage, &["--data", &data])?;
    let (old, old_sum) = random_file(stage, "old", 3 << 20)?;
    let (new, _) = random_file(stage, "new", 64 << 20)?;
    let url = format!("s3://{BUCKET}/kept");
    aws(&lab, "worker", &["s3", "cp", "--no-progress", &old, &url])?.ok()?;
    // Slow enough to be in the middle of it.
    let target = format!("https://{BUCKET}.s3.us-east-1.amazonaws.com/kept");
    let script = CURL.replace("--max-time 20", "--limit-rate 4M --max-time 60");
    let before = stored(&data)?;
    let mut upload = lab
        .command(&["exec", "plain", "--", "sh", "-c", &script, "sh", "-T", &new, &target])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    wait_for("the upload to be under way", || stored(&data).is_ok_and(|now| now > before + (4 << 20)))?;
    let noted = fs::read_to_string(stage.state().join("clients/init"))?;
    let init = noted.split_whitespace().next().context("init's id")?;
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children"))?;
    let forwarder: i32 = children.split_whitespace().next().context("the forwarder's id")?.parse()?;
    kill(Pid::from_raw(forwarder), Signal::SIGKILL)?;
    ensure!(!upload.wait()?.success(), "the upload ends with the lab");
    drop(lab);

    let lab = up(stage, &["--data", &data]).context("the folder is as good as before")?;
    let back = at(stage, "back");
    aws(&lab, "worker", &["s3", "cp", "--no-progress", &url, &back])?.ok()?;
    ensure!(checksum(&back)? == old_sum, "the old object, whole");
    ensure!(stored(&data)? < before + (4 << 20), "what was not finished is swept away");
    let listed = aws(&lab, "worker", &["s3", "ls", "--recursive", &format!("s3://{BUCKET}/")])?.ok()?;
    ensure!(listed.lines().count() == 1, "{listed}");
    std::io::stdout().flush()?;
    Ok(())
}

/// Bytes of all files under a folder.
fn stored(folder: &str) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        bytes += if kind.is_dir() { stored(&entry.path().display().to_string())? } else { kind.len() };
    }
    Ok(bytes)
}
