//! The placeholder behind the whole door: who signs, what policies say, and what is told then.

use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use super::super::front::guard::Access;
use super::super::front::tests::{Running, start_with};
use super::super::tokens::Tokens;
use super::super::upstream::Credentials;
use super::super::upstream::sign::{Payload, Signer};
use super::*;
use crate::model::access::{Directory, root_key};
use crate::template::{Files, LoadOptions, ReadError, load};

const ACCOUNT: &str = "111122223333";

const TEMPLATE: &str = "Resources:
  User:
    Type: AWS::IAM::User
    Properties:
      UserName: ann
      Policies:
        - PolicyName: work
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: ['ssm:Get*', 'sqs:*', 'xray:*'], Resource: '*'}
              - {Effect: Deny, Action: '*', Resource: 'arn:aws:ssm:*:*:parameter/secret/*'}
  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User}}
";

struct OneFile;

impl Files for OneFile {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("t.yaml") { Ok(TEMPLATE.to_owned()) } else { Err(ReadError::NotFound) }
    }
}

struct Lab {
    running: Running,
    ann: Credentials,
}

fn lab() -> Lab {
    let options =
        LoadOptions { region: Some("us-east-1".into()), account: Some(ACCOUNT.into()), ..LoadOptions::default() };
    let world = load(&OneFile, Path::new("t.yaml"), &options).unwrap_or_else(|error| panic!("{error}")).world;
    let key = world.access_keys.values().next().unwrap();
    let ann = Credentials {
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.clone(),
        session_token: None,
    };
    let access = Arc::new(Access::new(Directory::of(&world), Arc::new(Tokens::new([0; 32]))));
    Lab { running: start_with(Arc::new(Placeholder), front::Limits::default(), "i-1", access), ann }
}

impl Lab {
    /// Status, head and body of a POST with these headers, signed where somebody is named.
    fn post(&self, who: Option<&Credentials>, host: &str, head: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let called = Called::read(host);
        let mut headers = http::HeaderMap::new();
        for (name, value) in head {
            headers
                .insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        if let Some(credentials) = who {
            let service = called.service.unwrap();
            let region = called.region.unwrap();
            let signer = Signer { credentials, region: &region, service: &service, now: OffsetDateTime::now_utc() };
            let uri = format!("http://{host}/").parse().unwrap();
            signer.sign(&http::Method::POST, &uri, &mut headers, &Payload::of(body.as_bytes())).unwrap();
        }
        let head = headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n{body}",
            body.len(),
            head.collect::<String>()
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }
}

const SSM: &str = "ssm.us-east-1.amazonaws.com";
const QUERY: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn the_answer_names_service_caller_and_endpoint() {
    let lab = lab();
    let target = [("x-amz-target", "AmazonSSM.GetParameter")];
    let (status, head, body) = lab.post(Some(&lab.ann), SSM, &target, r#"{"Name":"/app/db"}"#);
    assert!(status == 501 && head.contains("application/x-amz-json-1.0"), "{head}");
    assert!(head.contains("x-amzn-errortype: NotImplemented"), "{head}");
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        document["message"],
        "vpclab does not emulate the service ssm yet. The network and the policies let ssm:GetParameter pass: it came from app \
         (10.0.1.10, account 111122223333) through vpce-1."
    );
    assert_eq!(
        document["context"],
        serde_json::json!({
            "aws:SourceVpce": "vpce-1", "aws:SourceVpc": "vpc-1", "aws:VpcSourceIp": "10.0.1.10",
            "aws:VpceAccount": "111122223333",
            "aws:SourceVpcArn": "arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1",
        })
    );
    let host = "vpce-1-h.sqs.us-east-1.vpce.amazonaws.com";
    let (status, head, body) = lab.post(Some(&lab.ann), host, &[QUERY], "Action=ListQueues&Version=2012-11-05");
    assert!(status == 501 && head.contains("text/xml"), "{head}");
    assert!(
        body.contains(
            "<Message>vpclab does not emulate the service sqs yet. The network and the policies let sqs:ListQueues"
        ),
        "{body}"
    );
    // Method and path name no operation, so all of the service's were asked for.
    let (status, _, body) = lab.post(Some(&lab.ann), "xray.us-east-1.amazonaws.com", &[], "{}");
    assert!(status == 501 && body.contains("the policies let xray:* pass"), "{body}");
    lab.running.end();
}

#[test]
fn who_did_not_sign_or_may_not_is_told_so() {
    let lab = lab();
    let get = [("x-amz-target", "AmazonSSM.GetParameter")];
    let put = [("x-amz-target", "AmazonSSM.PutParameter")];
    let wrong = Credentials { secret_access_key: "wrong".into(), ..lab.ann.clone() };
    let (access_key_id, secret_access_key) = root_key(ACCOUNT);
    let root = Credentials { access_key_id, secret_access_key, session_token: None };
    let cases = [
        (None, SSM, &get[..], "{}", 400, "MissingAuthenticationTokenException"),
        (Some(&wrong), SSM, &get[..], "{}", 400, "InvalidSignatureException"),
        (
            Some(&lab.ann),
            SSM,
            &put[..],
            r#"{"Name":"a"}"#,
            400,
            "not authorized to perform: ssm:PutParameter on resource: arn:aws:ssm:us-east-1:111122223333:parameter/a because no identity-based policy allows",
        ),
        (
            Some(&lab.ann),
            SSM,
            &get[..],
            r#"{"Name":"/secret/a"}"#,
            400,
            "with an explicit deny in an identity-based policy",
        ),
        (Some(&lab.ann), SSM, &get[..], r#"{"Name":"a","Name":"/secret/a"}"#, 400, "is there twice"),
        (
            Some(&lab.ann),
            SSM,
            &[("x-amz-target", "TrentService.Decrypt")][..],
            "{}",
            400,
            "is an operation of kms, not of ssm",
        ),
        (Some(&lab.ann), SSM, &[], "{}", 403, "not authorized to perform: ssm:* on resource"),
        (
            Some(&lab.ann),
            "ec2.us-east-1.amazonaws.com",
            &[QUERY][..],
            "Action=DescribeVpcs",
            403,
            "<Code>UnauthorizedOperation</Code>",
        ),
        (
            Some(&lab.ann),
            "sns.us-east-1.amazonaws.com",
            &[QUERY][..],
            "Action=Publish",
            403,
            "<Code>AccessDenied</Code>",
        ),
        (
            Some(&root),
            "ec2.us-east-1.amazonaws.com",
            &[QUERY][..],
            "Action=DescribeVpcs",
            501,
            "let ec2:DescribeVpcs pass",
        ),
    ];
    for (who, host, head, body, status, says) in cases {
        let (said, _, text) = lab.post(who, host, head, body);
        assert!(said == status && text.contains(says), "{host} {head:?} {body}: {said} {text}");
    }
    lab.running.end();
}

/// Clients of registries have passwords, and whoever calls a name that is nobody's is told that.
#[test]
fn who_need_not_sign_is_not_asked() {
    let lab = lab();
    for host in ["111122223333.dkr.ecr.us-east-1.amazonaws.com", "a1b2.execute-api.us-east-1.amazonaws.com", "10.0.0.1"]
    {
        let (status, _, body) = lab.post(None, host, &[], "");
        assert!(status == 501 && body.contains("The network let the request pass"), "{host}: {status} {body}");
    }
    lab.running.end();
}

/// Without an endpoint IAM knows the public address, and nothing of VPCs.
#[test]
fn over_the_internet_there_is_a_public_address() {
    let (peer, local) = ("203.0.113.1:40000".parse().unwrap(), "192.0.2.10:443".parse().unwrap());
    let caller = Caller { peer, local, origin: None, tls: Some(front::Tls::V1_3) };
    assert_eq!(context(&caller), serde_json::json!({ "aws:SourceIp": "203.0.113.1" }));
    assert!(message("ssm", &[], Some(&caller)).ends_with("it came from 203.0.113.1 over the internet."));
}
