//! What an instance reads, over HTTP as `curl` would, and what it is refused.

use std::net::Ipv4Addr;
use std::path::Path;

use super::*;
use crate::model::NetworkInterface;
use crate::services::front::tests::start_as;
use crate::services::front::{Limits, tests::Running};
use crate::template::{Files, LoadOptions, ReadError, load};

const TEMPLATE: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Worker:
    Type: AWS::IAM::Role
    Properties:
      RoleName: Worker
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Worker]}}
  app:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Ref Subnet
      PrivateIpAddress: 10.0.1.10
      ImageId: ami-1
      InstanceType: t3.small
      IamInstanceProfile: !Ref Profile
      UserData: !Base64 '#!/bin/sh'
      MetadataOptions: {OPTIONS}
      Tags: [{Key: Name, Value: an app}]
  Second: {Type: AWS::EC2::NetworkInterface, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.20}}
  Plugged: {Type: AWS::EC2::NetworkInterfaceAttachment, Properties: {InstanceId: !Ref app, NetworkInterfaceId: !Ref Second, DeviceIndex: 3}}
";

struct Text(String);

impl Files for Text {
    fn read(&self, _path: &Path) -> Result<String, ReadError> {
        Ok(self.0.clone())
    }
}

fn world(options: &str) -> World {
    let files = Text(TEMPLATE.replace("{OPTIONS}", &format!("{{{options}}}")));
    load(&files, Path::new("t.yaml"), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}")).world
}

fn service(world: &World) -> Metadata {
    Metadata::new(Arc::new(Tokens::new([7; 32])), [7; 32], world, &Directory::of(world))
}

struct Lab {
    running: Running,
    world: World,
}

fn lab(options: &str) -> Lab {
    let world = world(options);
    let id = world.instances.keys().next().unwrap().clone();
    let metadata = service(&world);
    Lab { running: start_as(Arc::new(metadata), Limits::default(), &id), world }
}

impl Lab {
    /// `METHOD PATH` with head lines: status and body.
    fn ask(&self, request: &str, head: &str) -> (u16, String) {
        let request = format!("{request} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n{head}\r\n");
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        assert!(head.to_ascii_lowercase().contains("server: ec2ws"), "{head}");
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn get(&self, path: &str) -> String {
        let (status, body) = self.ask(&format!("GET /latest/{path}"), "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn token(&self) -> String {
        let (status, token) = self.ask("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n");
        assert_eq!(status, 200, "{token}");
        format!("X-aws-ec2-metadata-token: {token}\r\n")
    }
}

#[test]
fn an_instance_reads_about_itself() {
    let lab = lab("InstanceMetadataTags: enabled");
    let primary = |interface: &&NetworkInterface| interface.private_ip_address() == Ipv4Addr::new(10, 0, 1, 10);
    let interface = lab.world.network_interfaces.values().find(primary).unwrap();
    for (path, expected) in [
        ("meta-data/local-ipv4", "10.0.1.10"),
        ("meta-data/hostname", "ip-10-0-1-10.ec2.internal"),
        ("meta-data/instance-type", "t3.small"),
        ("meta-data/ami-id", "ami-1"),
        ("meta-data/mac", "06:01:0a:00:01:0a"),
        ("meta-data/placement/region", "us-east-1"),
        ("meta-data/placement/availability-zone", "us-east-1a"),
        ("meta-data/services/domain", "amazonaws.com"),
        ("meta-data/network/interfaces/macs/", "06:01:0a:00:01:0a/\n06:01:0a:00:01:14/"),
        ("meta-data/network/interfaces/macs/06:01:0a:00:01:0a/device-number", "0"),
        ("meta-data/network/interfaces/macs/06:01:0a:00:01:14/device-number", "3"),
        ("meta-data/network/interfaces/macs/06:01:0a:00:01:0a/vpc-ipv4-cidr-block", "10.0.0.0/16"),
        ("meta-data/network/interfaces/macs/06:01:0a:00:01:0a/interface-id", &interface.network_interface_id),
        ("meta-data/tags/instance/Name", "an app"),
        ("meta-data/iam/security-credentials/", "Worker"),
        ("user-data", "#!/bin/sh"),
        ("", "dynamic/\nmeta-data/\nuser-data"),
    ] {
        assert_eq!(lab.get(path), expected, "{path}");
    }
    assert!(lab.get("meta-data/").lines().any(|line| line == "network/"), "folders end in a slash");
    assert!(lab.ask("GET /", "").1.ends_with("2021-07-15\nlatest"));
    assert_eq!(lab.ask("GET /2021-07-15/meta-data/local-ipv4", "").1, "10.0.1.10");
    let document: serde_json::Value = serde_json::from_str(&lab.get("dynamic/instance-identity/document")).unwrap();
    assert_eq!(document["architecture"], "x86_64");
    assert_eq!((&document["region"], &document["privateIp"]), (&"us-east-1".into(), &"10.0.1.10".into()));
    for path in ["/latest/meta-data/public-ipv4", "/latest/nothing", "/never/meta-data", "/latest/meta-data/../../x"] {
        assert_eq!(lab.ask(&format!("GET {path}"), "").0, 404, "{path}");
    }
    assert_eq!(lab.ask("POST /latest/meta-data", "Content-Length: 0\r\n").0, 405);
    lab.running.end();
}

#[test]
fn a_roles_credentials_are_those_that_the_door_opens() {
    let lab = lab("");
    let read = || lab.get("meta-data/iam/security-credentials/Worker");
    let credentials: serde_json::Value = serde_json::from_str(&read()).unwrap();
    assert_eq!(credentials["Code"], "Success");
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let opened = Tokens::new([7; 32]).open(&text("AccessKeyId"), &text("Token"), SystemTime::now());
    let (secret, grant) = opened.unwrap();
    assert_eq!(secret, text("SecretAccessKey"));
    let info: serde_json::Value = serde_json::from_str(&lab.get("meta-data/iam/info")).unwrap();
    let raw = b"GET /latest/meta-data/iam/info HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n";
    assert!(lab.running.raw(raw).to_ascii_lowercase().contains("content-type: text/plain\r\n"));
    assert_eq!(info["LastUpdated"], credentials["LastUpdated"], "{info}");
    assert!(info["InstanceProfileArn"].as_str().unwrap().contains(":instance-profile/"), "{info}");
    assert_eq!(grant.issued_to, Some(("vpc-1".into(), "10.0.1.10".parse().unwrap())));
    let Principal::Session { role_arn, session_name, .. } = grant.principal else { panic!("a session") };
    assert!(role_arn.ends_with(":role/Worker") && session_name.starts_with("i-"), "{role_arn} {session_name}");
    assert!(grant.expires > SystemTime::now() + Duration::from_secs(4 * HOUR), "five hours are left at least");
    lab.running.end();
}

#[test]
fn version_2_asks_for_a_session() {
    let lab = lab("HttpTokens: required");
    let path = "GET /latest/meta-data/instance-id";
    assert_eq!(lab.ask(path, "").0, 401);
    assert_eq!(lab.ask(path, &lab.token()).0, 200);
    assert_eq!(lab.ask(path, "X-aws-ec2-metadata-token: AAAA\r\n").0, 401);
    let ttl = |seconds: &str| format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}\r\n");
    for (request, head, status) in [
        ("PUT /latest/api/token", String::new(), 400),
        ("PUT /latest/api/token", ttl("0"), 400),
        ("PUT /latest/api/token", ttl("21601"), 400),
        ("PUT /latest/api/token", ttl("x"), 400),
        ("PUT /latest/api/token", ttl("21600"), 200),
        ("PUT /latest/api/token", format!("{}X-Forwarded-For: 10.0.0.1\r\n", ttl("60")), 403),
        ("PUT /2021-07-15/api/token", ttl("60"), 403),
    ] {
        assert_eq!(lab.ask(request, &format!("{head}Content-Length: 0\r\n")).0, status, "{request} {head}");
    }
    lab.running.end();
}

#[test]
fn version_1_needs_no_session_where_it_is_optional_but_a_wrong_one_is_wrong() {
    let lab = lab("HttpTokens: optional");
    let path = "GET /latest/meta-data/instance-id";
    assert_eq!(lab.ask(path, "").0, 200);
    assert_eq!(lab.ask(path, "X-aws-ec2-metadata-token: AAAA\r\n").0, 401);
    lab.running.end();
}

#[test]
fn who_is_switched_off_or_unknown_reads_nothing() {
    let off = lab("HttpEndpoint: disabled");
    assert_eq!(off.ask("GET /latest/meta-data/instance-id", "").0, 403);
    off.running.end();
    let metadata = service(&world(""));
    let stranger = start_as(Arc::new(metadata), Limits::default(), "i-0");
    let stranger = Lab { running: stranger, world: World::default() };
    assert_eq!(stranger.ask("GET /latest/meta-data/instance-id", "").0, 404);
    stranger.running.end();
}

/// A container behind one more hop gets no token with a limit of 1, and everything else.
#[test]
fn only_a_tokens_answer_is_limited_in_hops() {
    let world = world("HttpPutResponseHopLimit: 2");
    let metadata = service(&world);
    let origin = |id: &str| Origin {
        account: String::new(),
        region: String::new(),
        vpc_id: String::new(),
        network_interface_id: String::new(),
        instance_id: Some(id.to_owned()),
        private_ip: [10, 0, 1, 10].into(),
        vpc_endpoint_id: None,
        resolver_endpoint_id: None,
        endpoint_vpc_id: None,
        endpoint_vpc_arn: None,
        endpoint_account: None,
        name: String::new(),
    };
    let app = origin(world.instances.keys().next().unwrap());
    assert_eq!(metadata.hop_limit(Some(&app), &Method::PUT), Some(2));
    assert_eq!(metadata.hop_limit(Some(&app), &Method::GET), None);
    assert_eq!(metadata.hop_limit(Some(&origin("i-0")), &Method::PUT), None);
}

/// Whoever does not get a token must not have it sent again by another answer, which goes further.
#[test]
fn a_connection_has_one_answer() {
    let lab = lab("");
    let host = "Host: 169.254.169.254";
    let put = format!("PUT /latest/api/token HTTP/1.1\r\n{host}\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n");
    let get = format!("GET /latest/meta-data/ HTTP/1.1\r\n{host}\r\n\r\n");
    let answer = lab.running.raw(format!("{put}{get}").as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close\r\n"), "{answer}");
    lab.running.end();
}
