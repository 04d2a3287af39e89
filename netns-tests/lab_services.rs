//! What AWS gives every guest, and whom its services take a guest for: time by NTP, and the condition keys of a request through
//! an interface endpoint and through a NAT gateway.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 4] = [
    ("services::time_is_there_without_a_route", time_is_there_without_a_route),
    ("services::a_request_tells_its_way", a_request_tells_its_way),
    ("services::a_service_that_is_not_there_decides_all_the_same", a_service_that_is_not_there_decides_all_the_same),
    ("services::names_of_interface_endpoints_and_global_ones", names_of_interface_endpoints_and_global_ones),
];

const ISOLATED: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Nothing: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: nothing, VpcId: !Ref Vpc, SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: 127.0.0.1/32}]}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, SecurityGroupIds: [!Ref Nothing], ImageId: ami-0}}
";

fn time_is_there_without_a_route(stage: &Stage) -> Result<()> {
    copy_program(&std::env::current_exe()?, &stage.path().join("story-program"))?;
    stage.write("isolated.yaml", ISOLATED)?;
    let lab = stage.up("isolated", &["isolated.yaml"])?;
    lab.exec("app", &["./story-program", "--role", "time"])?.ok().context("asking the time")?;
    let lines = lab.captured("app")?;
    let answer = lines.iter().find(|line| line.contains("169.254.169.123:123 > 10.0.1."));
    ensure!(answer.is_some_and(|line| line.contains("udp 48")), "{lines:?}");
    drop(lab);
    // No list needs to name it.
    stage.write(
        "isolated.test.yaml",
        "expect:
  - {from: app, to: '169.254.169.123:123', proto: udp, via: time}
  - {from: app, only: [resolver, time, metadata]}
  - {from: app, only: [resolver, metadata]}
  - {from: app, run: ./story-program --role time, only: [resolver]}
",
    )?;
    stage.run(&["test", "isolated.yaml"])?.ok()?;
    Ok(())
}

/// Seconds from 1900 to 1970 (RFC 5905 figure 4).
const TO_UNIX: u64 = 2_208_988_800;

/// An SNTP client (RFC 4330) inside a guest: one question, and an answer whose time is this machine's.
pub fn ask_time() -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect("169.254.169.123:123")?;
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs() + TO_UNIX);
    let mut request = [0; 48];
    request[0] = 4 << 3 | 3;
    request[40..].copy_from_slice(b"a cookie");
    let before = now()?;
    socket.send(&request)?;
    let mut answer = [0; 100];
    ensure!(socket.recv(&mut answer)? == 48);
    let after = now()?;
    ensure!((answer[0], answer[1]) == (4 << 3 | 4, 3), "no server of stratum 3: {answer:02x?}");
    ensure!(&answer[24..32] == b"a cookie", "no answer to this request: {answer:02x?}");
    let seconds = u32::from_be_bytes(answer[40..44].try_into()?);
    ensure!((before as u32..=after as u32).contains(&seconds), "{before} {seconds} {after}");
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    socket.send(&answer[..48])?;
    ensure!(socket.recv(&mut answer).is_err(), "an answer is not answered");
    Ok(())
}

/// SSM by an interface endpoint, everything else by a NAT gateway.
const TWO_WAYS: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Private: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Public: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  PrivateRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PublicRoutes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  PrivateAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Private, RouteTableId: !Ref PrivateRoutes}}
  PublicAssociation: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Public, RouteTableId: !Ref PublicRoutes}}
  Out: {Type: AWS::EC2::Route, DependsOn: Attached, Properties: {RouteTableId: !Ref PublicRoutes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}}
  Address: {Type: AWS::EC2::EIP, DependsOn: Attached, Properties: {Domain: vpc}}
  Nat: {Type: AWS::EC2::NatGateway, Properties: {SubnetId: !Ref Public, AllocationId: !GetAtt Address.AllocationId}}
  ToNat: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref PrivateRoutes, DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat}}
  Https: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: https, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]}}
  Ssm: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.ssm\", SubnetIds: [!Ref Private], SecurityGroupIds: [!Ref Https], PrivateDnsEnabled: true, PolicyDocument: {Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}, {Sid: ReadOnly, Effect: Deny, Principal: '*', Action: 'ssm:PutParameter', Resource: '*'}]}}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Private, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
";

/// A request that the account's key signs: service, operation as `X-Amz-Target` names it, body.
const SIGNED: &str = r#"curl -sS --max-time 20 --aws-sigv4 "aws:amz:us-east-1:$1" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "X-Amz-Target: $2" -d "$3" "https://$1.us-east-1.amazonaws.com/""#;

fn a_request_tells_its_way(stage: &Stage) -> Result<()> {
    stage.write("ways.yaml", TWO_WAYS)?;
    let lab = stage.up("ways", &["ways.yaml"])?;
    let context = |service: &str| -> Result<Value> {
        let body = lab.exec("app", &["sh", "-c", SIGNED, "sh", service, "Any.List", "{}"])?.ok()?;
        let document: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        Ok(document["context"].clone())
    };
    let status = lab.json(&["status"])?;
    let endpoint = &status["VpcEndpoints"][0];
    let (id, vpc, account) = (&endpoint["VpcEndpointId"], &endpoint["VpcId"], &endpoint["OwnerId"]);
    let [vpc_text, account_text] = [vpc, account].map(|it| it.as_str().unwrap_or_default());
    let by_endpoint = json!({
        "aws:SourceVpce": id,
        "aws:SourceVpc": vpc,
        "aws:SourceVpcArn": format!("arn:aws:ec2:us-east-1:{account_text}:vpc/{vpc_text}"),
        "aws:VpceAccount": account,
        "aws:VpcSourceIp": "10.0.1.10",
    });
    let told = context("ssm")?;
    ensure!(told == by_endpoint, "through the endpoint: {told} instead of {by_endpoint}");
    let told = context("kms")?;
    let by_nat = json!({ "aws:SourceIp": status["Addresses"][0]["PublicIp"] });
    ensure!(told == by_nat, "through the NAT gateway: {told} instead of {by_nat}");
    Ok(())
}

/// Without emulation and backend: `up` says so, signatures are verified, and the endpoint's policy decides.
fn a_service_that_is_not_there_decides_all_the_same(stage: &Stage) -> Result<()> {
    stage.write("ways.yaml", TWO_WAYS)?;
    let lab = stage.up("ways", &["ways.yaml"])?;
    let id = lab.endpoint("Ssm")?["vpc_endpoint_id"].as_str().context("its id")?.to_owned();
    let notices = lab.summary["notices"].to_string();
    let said = format!("endpoint Ssm ({id}) leads to ssm, which has no emulation and no backend");
    ensure!(notices.contains(&said) && notices.contains("`backends: {ssm: {url: http://HOST:PORT}}`"), "{notices}");
    ensure!(notices.contains("(ways.yaml:16)"), "{notices}");
    let ask = |script: &str, operation: &str| lab.exec("app", &["sh", "-c", script, "sh", "ssm", operation, "{}"]);
    let passed = ask(SIGNED, "AmazonSSM.GetParameter")?.ok()?;
    ensure!(passed.contains("policies let ssm:GetParameter pass") && passed.contains(&id), "{passed}");
    let denied = ask(&SIGNED.replace("-sS", "-sS --fail-with-body"), "AmazonSSM.PutParameter")?;
    ensure!(denied.stdout.contains("with an explicit deny in a VPC endpoint policy"), "{denied:?}");
    ensure!(
        denied.stderr.contains("ssm:PutParameter") && denied.stderr.contains("ReadOnly"),
        "and exec says why: {denied:?}"
    );
    let wrong = ask(&SIGNED.replace("$AWS_SECRET_ACCESS_KEY", "wrong"), "AmazonSSM.GetParameter")?.ok()?;
    ensure!(wrong.contains("InvalidSignatureException"), "{wrong}");
    let unsigned =
        lab.exec("app", &["curl", "-sS", "--max-time", "20", "https://ssm.us-east-1.amazonaws.com/"])?.ok()?;
    ensure!(unsigned.contains("MissingAuthenticationTokenException"), "{unsigned}");
    Ok(())
}

/// Interface endpoints of S3, DynamoDB and STS beside the way over a NAT gateway; the one of STS denies the question who one is.
const NAMES: &str = "
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.s3\", SubnetIds: [!Ref Private], SecurityGroupIds: [!Ref Https], PolicyDocument: {Statement: [{Effect: Allow, Principal: '*', Action: 's3:*', Resource: '*'}, {Effect: Deny, Principal: '*', Action: 's3:GetObject', Resource: '*'}]}}}
  DynamoDb: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.dynamodb\", SubnetIds: [!Ref Private], SecurityGroupIds: [!Ref Https], PolicyDocument: {Statement: [{Effect: Allow, Principal: '*', Action: 'dynamodb:ListTables', Resource: '*'}]}}}
  Sts: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.sts\", SubnetIds: [!Ref Private], SecurityGroupIds: [!Ref Https], PrivateDnsEnabled: true, PolicyDocument: {Statement: [{Effect: Allow, Principal: '*', Action: 'sts:AssumeRole', Resource: '*'}]}}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: named}}
  Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: orders, BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]}}
  alone: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Alone, PrivateIpAddress: 10.0.9.10, ImageId: ami-0}}
  Alone: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.9.0/24}}
";

/// A signed request: service, Region, URL, and what curl may take beside.
const AT: &str = r#"service=$1 region=$2 url=$3; shift 3
curl -sS --max-time 20 --aws-sigv4 "aws:amz:$region:$service" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -w ' %{http_code}' "$url" "$@""#;

fn names_of_interface_endpoints_and_global_ones(stage: &Stage) -> Result<()> {
    stage.write("names.yaml", &format!("{TWO_WAYS}{NAMES}"))?;
    let lab = stage.up("names", &["names.yaml"])?;
    let ask = |guest: &str, service: &str, region: &str, url: &str, more: &[&str]| {
        lab.exec(guest, &[&["sh", "-c", AT, "sh", service, region, url], more].concat())
    };
    let names = |endpoint: &str| -> Result<Vec<String>> {
        let names = lab.endpoint(endpoint)?["dns_names"].as_array().context("its names")?;
        Ok(names.iter().filter_map(Value::as_str).filter(|name| name.contains(".vpce.")).map(str::to_owned).collect())
    };
    // S3: regional and zonal, the bucket in the path and in the name.
    let put =
        ask("app", "s3", "us-east-1", "https://s3.us-east-1.amazonaws.com/named/k", &["-X", "PUT", "-d", "hello"])?
            .ok()?;
    ensure!(put == " 200", "over the NAT gateway: {put}");
    let of_s3 = names("S3")?;
    ensure!(of_s3.len() == 2 && of_s3[1].contains("-us-east-1a.s3."), "{of_s3:?}");
    for name in of_s3.iter().map(|name| name.trim_start_matches("*.")) {
        for url in
            [format!("https://bucket.{name}/named?list-type=2"), format!("https://named.bucket.{name}/?list-type=2")]
        {
            let listed = ask("app", "s3", "us-east-1", &url, &[])?.ok()?;
            ensure!(listed.contains("<Key>k</Key>") && listed.ends_with(" 200"), "{url}: {listed}");
            let denied = ask(
                "app",
                "s3",
                "us-east-1",
                &url.replace("/named?list-type=2", "/named/k").replace("/?list-type=2", "/k"),
                &[],
            )?
            .ok()?;
            ensure!(denied.contains("with an explicit deny in a VPC endpoint policy"), "{url}: {denied}");
        }
        for api in ["accesspoint", "control"] {
            let missing = ask("app", "s3", "us-east-1", &format!("https://{api}.{name}/"), &[])?.ok()?;
            ensure!(missing.contains("<Code>NotImplemented</Code>") && missing.ends_with(" 501"), "{api}: {missing}");
        }
        let other = ask("app", "s3", "eu-west-1", &format!("https://bucket.{name}/named"), &[])?.ok()?;
        ensure!(other.contains("the region 'eu-west-1' is wrong; expecting 'us-east-1'"), "{other}");
    }
    let of_dynamodb = names("DynamoDb")?;
    ensure!(of_dynamodb.len() == 2, "{of_dynamodb:?}");
    for name in of_dynamodb {
        let call = |operation: &str, body: &str| {
            let target = format!("X-Amz-Target: DynamoDB_20120810.{operation}");
            ask("app", "dynamodb", "us-east-1", &format!("https://{name}/"), &["-H", &target, "-d", body])?.ok()
        };
        let listed = call("ListTables", "{}")?;
        ensure!(listed.contains("orders") && listed.ends_with(" 200"), "{name}: {listed}");
        let denied = call("DescribeTable", r#"{"TableName":"orders"}"#)?;
        ensure!(denied.contains("no VPC endpoint policy allows the dynamodb:DescribeTable action"), "{name}: {denied}");
    }
    // STS: the endpoint answers for its own names and for the private one, and never for the global one.
    let who = ["-d", "Action=GetCallerIdentity&Version=2011-06-15"];
    let mut by_endpoint = names("Sts")?;
    ensure!(by_endpoint.len() == 2, "{by_endpoint:?}");
    by_endpoint.push("sts.us-east-1.amazonaws.com".to_owned());
    for name in by_endpoint {
        let denied = ask("app", "sts", "us-east-1", &format!("https://{name}/"), &who)?.ok()?;
        ensure!(denied.contains("no VPC endpoint policy allows the sts:GetCallerIdentity action"), "{name}: {denied}");
    }
    let global = ask("app", "sts", "us-east-1", "https://sts.amazonaws.com/", &who)?.ok()?;
    ensure!(global.contains("<Arn>arn:aws:iam::123456789012:root</Arn>") && global.ends_with(" 200"), "{global}");
    let elsewhere = ask("app", "sts", "eu-west-1", "https://sts.amazonaws.com/", &who)?.ok()?;
    ensure!(elsewhere.contains("a valid region, not 'eu-west-1'"), "{elsewhere}");
    let listed = ask("app", "s3", "us-east-1", "https://s3.amazonaws.com/named?list-type=2", &[])?.ok()?;
    ensure!(listed.contains("<Key>k</Key>"), "{listed}");
    let elsewhere = ask("app", "s3", "eu-west-1", "https://s3.amazonaws.com/named?list-type=2", &[])?.ok()?;
    ensure!(elsewhere.contains("expecting 'us-east-1'"), "{elsewhere}");
    // Without a way to the internet the regional name works, the global one does not.
    let regional = ask("alone", "sts", "us-east-1", "https://sts.us-east-1.amazonaws.com/", &who)?.ok()?;
    ensure!(regional.contains("no VPC endpoint policy allows"), "{regional}");
    let lost =
        ask("alone", "sts", "us-east-1", "https://sts.amazonaws.com/", &[&who[..], &["--max-time", "2"]].concat())?;
    ensure!(lost.code() != 0 && lost.stderr.contains("NO_ROUTE_TO_DESTINATION"), "{lost:?}");
    Ok(())
}
