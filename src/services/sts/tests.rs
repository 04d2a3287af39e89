//! Who asks STS, whose role they get, and what they may with it: signed requests on their way through the door.

use std::path::Path;

use http::HeaderMap;

use super::*;
use crate::model::World;
use crate::model::access::{Directory, root_key};
use crate::services::front::Limits;
use crate::services::front::guard::Access;
use crate::services::front::tests::{Running, start_with};
use crate::services::upstream::Credentials;
use crate::services::upstream::sign::{Payload, Signer};
use crate::template::{Files, LoadOptions, ReadError, load};

const ACCOUNT: &str = "123456789012";
const HOST: &str = "sts.us-east-1.amazonaws.com";

const TEMPLATE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcEndpointType: Interface
      VpcId: !Ref Vpc
      ServiceName: com.amazonaws.us-east-1.sts
      PolicyDocument: {Statement: [{Sid: RolesAlone, Effect: Allow, Principal: '*', Action: 'sts:AssumeRole', Resource: '*'}]}
  Ann:
    Type: AWS::IAM::User
    Properties:
      UserName: ann
      Policies:
        - PolicyName: Roles
          PolicyDocument: {Statement: [{Effect: Allow, Action: 'sts:AssumeRole', Resource: '*'}]}
  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref Ann}}
  Worker:
    Type: AWS::IAM::Role
    Properties:
      RoleName: Worker
      MaxSessionDuration: 7200
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {AWS: 'arn:aws:iam::123456789012:root'}, Action: 'sts:AssumeRole'}]}
      Policies:
        - PolicyName: Roles
          PolicyDocument: {Statement: [{Effect: Allow, Action: 'sts:AssumeRole', Resource: '*'}]}
  Guarded:
    Type: AWS::IAM::Role
    Properties:
      RoleName: Guarded
      AssumeRolePolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {AWS: 'arn:aws:iam::123456789012:root'}
            Action: 'sts:AssumeRole'
            Condition: {StringEquals: {'sts:ExternalId': secret, 'sts:RoleSessionName': me}}
  Machine:
    Type: AWS::IAM::Role
    Properties:
      RoleName: Machine
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]}
";

/// The one file of these tests.
struct Template;

impl Files for Template {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("t.yaml") { Ok(TEMPLATE.to_owned()) } else { Err(ReadError::NotFound) }
    }
}

struct Lab {
    running: Running,
    ann: Credentials,
    journal: Arc<crate::services::front::journal::Journal>,
}

/// Through no endpoint that has a policy.
fn lab() -> Lab {
    lab_of(|_| {})
}

fn lab_of(change: impl FnOnce(&mut World)) -> Lab {
    let options = LoadOptions { region: Some("us-east-1".into()), ..LoadOptions::default() };
    let mut world = load(&Template, Path::new("t.yaml"), &options).unwrap_or_else(|error| panic!("{error}")).world;
    change(&mut world);
    let key = world.access_keys.values().next().expect("ann has one");
    let ann = Credentials {
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.clone(),
        session_token: None,
    };
    let tokens = Arc::new(Tokens::new([7; 32]));
    let access = Arc::new(Access::new(Directory::of(&world), Arc::clone(&tokens)));
    let journal = Arc::clone(&access.journal);
    Lab { running: start_with(Arc::new(Sts::new(tokens)), Limits::default(), "i-1", access), ann, journal }
}

fn root() -> Credentials {
    let (access_key_id, secret_access_key) = root_key(ACCOUNT);
    Credentials { access_key_id, secret_access_key, session_token: None }
}

fn element<'a>(body: &'a str, name: &str) -> &'a str {
    let rest = body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {body}")).1;
    rest.split_once(&format!("</{name}>")).unwrap().0
}

/// As text of XML and of the Query protocol.
fn arn(role: &str) -> String {
    format!("RoleArn=arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2F{role}")
}

impl Lab {
    /// Status and body of a POST with these parameters.
    fn post(&self, credentials: &Credentials, parameters: &str) -> (u16, String) {
        self.send(credentials, "POST", "/", &format!("{parameters}&Version=2011-06-15"))
    }

    fn send(&self, credentials: &Credentials, method: &str, target: &str, body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
        let signer = Signer { credentials, region: "us-east-1", service: "sts", now: OffsetDateTime::now_utc() };
        let uri = format!("http://{HOST}{target}").parse().unwrap();
        signer.sign(&method.parse().unwrap(), &uri, &mut headers, &Payload::of(body.as_bytes())).unwrap();
        let head = headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n{body}",
            body.len(),
            head.collect::<String>()
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// Credentials of a role.
    #[track_caller]
    fn assume(&self, credentials: &Credentials, parameters: &str) -> Credentials {
        let (status, body) = self.post(credentials, &format!("Action=AssumeRole&{parameters}"));
        assert_eq!(status, 200, "{body}");
        Credentials {
            access_key_id: element(&body, "AccessKeyId").to_owned(),
            secret_access_key: element(&body, "SecretAccessKey").to_owned(),
            session_token: Some(element(&body, "SessionToken").to_owned()),
        }
    }

    /// `STATUS CODE: MESSAGE`.
    fn refused(&self, credentials: &Credentials, parameters: &str) -> String {
        let (status, body) = self.post(credentials, parameters);
        format!("{status} {}: {}", element(&body, "Code"), element(&body, "Message"))
    }
}

#[test]
fn everybody_learns_who_they_are() {
    let lab = lab();
    let who = |credentials: &Credentials| {
        let (status, body) = lab.post(credentials, "Action=GetCallerIdentity");
        assert_eq!(status, 200, "{body}");
        assert_eq!(element(&body, "Account"), ACCOUNT);
        element(&body, "Arn").to_owned()
    };
    assert_eq!(who(&root()), format!("arn:aws:iam::{ACCOUNT}:root"));
    // She has no permission for it, and needs none.
    assert_eq!(who(&lab.ann), format!("arn:aws:iam::{ACCOUNT}:user/ann"));
    let worker = lab.assume(&lab.ann, &format!("{}&RoleSessionName=me%40home", arn("Worker")));
    assert_eq!(who(&worker), format!("arn:aws:sts::{ACCOUNT}:assumed-role/Worker/me@home"));
    let (status, body) = lab.send(&lab.ann, "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "");
    assert_eq!((status, element(&body, "Account")), (200, ACCOUNT));
    lab.running.end();
}

#[test]
fn an_endpoint_policy_stops_even_that() {
    let lab = lab_of(|world| {
        let (_, mut endpoint) = world.vpc_endpoints.pop_first().expect("one");
        // Where the requests of these tests come through.
        endpoint.vpc_endpoint_id = "vpce-1".into();
        world.vpc_endpoints.insert("vpce-1".into(), endpoint);
    });
    let refused = lab.refused(&root(), "Action=GetCallerIdentity");
    assert!(
        refused.starts_with("403 AccessDenied: User: arn:aws:iam::123456789012:root is not authorized"),
        "{refused}"
    );
    assert!(refused.contains("because no VPC endpoint policy allows the sts:GetCallerIdentity action"), "{refused}");
    lab.assume(&lab.ann, &format!("{}&RoleSessionName=me", arn("Worker")));
    lab.running.end();
}

/// A role that is not there is asked for like one that is, so that an endpoint's policy and the journal see it, and the answer is
/// that of a role that does not trust who asks.
#[test]
fn a_role_that_is_not_there_is_asked_for() {
    let of = |lab: &Lab, who: &Credentials, role: &str| {
        lab.refused(who, &format!("Action=AssumeRole&{}&RoleSessionName=me", arn(role)))
    };
    let open = lab();
    assert_eq!(of(&open, &open.ann, "None"), of(&open, &open.ann, "Machine"));
    let records = open.journal.since(0);
    let asked: Vec<_> =
        records.iter().map(|record| (record.report.action.as_str(), record.report.resource.as_str())).collect();
    let none = format!("arn:aws:iam::{ACCOUNT}:role/None");
    assert!(asked.contains(&("sts:AssumeRole", none.as_str())), "{asked:?}");
    open.running.end();
    let shut = lab_of(|world| {
        let (_, mut endpoint) = world.vpc_endpoints.pop_first().expect("one");
        endpoint.vpc_endpoint_id = "vpce-1".into();
        let text = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"sts:ExternalId":"it"}}}]}"#;
        endpoint.policy_document = serde_json::from_str::<serde_json::Value>(text).unwrap().into();
        world.vpc_endpoints.insert("vpce-1".into(), endpoint);
    });
    for who in [&shut.ann, &root()] {
        let refused = of(&shut, who, "None");
        assert!(refused.contains("because no VPC endpoint policy allows the sts:AssumeRole action"), "{refused}");
    }
    shut.running.end();
}

#[test]
fn whose_a_key_is_is_told_to_who_may_ask() {
    let lab = lab();
    let question = format!("Action=GetAccessKeyInfo&AccessKeyId={}", lab.ann.access_key_id);
    let refused = lab.refused(&lab.ann, &question);
    assert!(
        refused.starts_with("403 AccessDenied: ")
            && refused.contains("no identity-based policy allows the sts:GetAccessKeyInfo"),
        "{refused}"
    );
    let (status, body) = lab.post(&root(), &question);
    assert_eq!((status, element(&body, "Account")), (200, ACCOUNT));
    lab.running.end();
}

#[test]
fn a_trust_policy_says_who_gets_a_role() {
    let lab = lab();
    let ask = |credentials: &Credentials, role: &str, more: &str| {
        lab.refused(credentials, &format!("Action=AssumeRole&{}&RoleSessionName=me{more}", arn(role)))
    };
    let unauthorized =
        format!("403 AccessDenied: User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: sts:AssumeRole");
    for (role, more) in [("Machine", ""), ("Guarded", ""), ("Guarded", "&ExternalId=other"), ("None", "")] {
        let refused = ask(&lab.ann, role, more);
        assert!(refused.starts_with(&unauthorized), "{role}{more}: {refused}");
    }
    lab.assume(&lab.ann, &format!("{}&RoleSessionName=me&ExternalId=secret", arn("Guarded")));
    let other =
        lab.refused(&lab.ann, &format!("Action=AssumeRole&{}&RoleSessionName=you&ExternalId=secret", arn("Guarded")));
    assert!(other.starts_with(&unauthorized), "{other}");
    assert_eq!(ask(&root(), "Worker", ""), "403 AccessDenied: Roles may not be assumed by root accounts.");
    // Guarded has no identity policy, so its session may take no further role, though Worker's trust policy lets its account in.
    let guarded = lab.assume(&lab.ann, &format!("{}&RoleSessionName=me&ExternalId=secret", arn("Guarded")));
    let refused = ask(&guarded, "Worker", "");
    assert!(refused.contains("assumed-role/Guarded/me is not authorized to perform: sts:AssumeRole"), "{refused}");
    lab.running.end();
}

#[test]
fn a_session_policy_only_takes_away() {
    let lab = lab();
    let nothing = "Policy=%7B%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D";
    let role = format!("{}&RoleSessionName=me", arn("Worker"));
    let whole = lab.assume(&lab.ann, &role);
    lab.assume(&whole, &role);
    let less = lab.assume(&lab.ann, &format!("{role}&{nothing}"));
    let refused = lab.refused(&less, &format!("Action=AssumeRole&{role}"));
    assert!(refused.contains("because no session policy allows the sts:AssumeRole action"), "{refused}");
    let broken = lab.refused(&lab.ann, &format!("Action=AssumeRole&{role}&Policy=%7B"));
    assert!(broken.starts_with("400 MalformedPolicyDocument: "), "{broken}");
    lab.running.end();
}

#[test]
fn sessions_are_as_long_as_their_role_allows() {
    let lab = lab();
    let role = format!("{}&RoleSessionName=me", arn("Worker"));
    for seconds in [900, 3600, 7200] {
        let now = OffsetDateTime::now_utc();
        let (_, body) = lab.post(&lab.ann, &format!("Action=AssumeRole&{role}&DurationSeconds={seconds}"));
        let ends = element(&body, "Expiration");
        let ends = OffsetDateTime::parse(ends, &time::format_description::well_known::Rfc3339).unwrap();
        let difference = (ends - now).whole_seconds() - seconds;
        assert!((-2..30).contains(&difference), "{seconds}: ends {ends}, now {now}");
    }
    for (seconds, expected) in [
        ("899", "greater than or equal to 900"),
        ("-1", "greater than or equal to 900"),
        ("1h", "greater than or equal to 900"),
        ("43201", "less than or equal to 43200"),
        ("7201", "exceeds the MaxSessionDuration set for this role"),
    ] {
        let refused = lab.refused(&lab.ann, &format!("Action=AssumeRole&{role}&DurationSeconds={seconds}"));
        assert!(refused.starts_with("400 ValidationError: ") && refused.contains(expected), "{seconds}: {refused}");
    }
    let chained = lab.assume(&lab.ann, &role);
    lab.assume(&chained, &format!("{role}&DurationSeconds=3600"));
    let refused = lab.refused(&chained, &format!("Action=AssumeRole&{role}&DurationSeconds=3601"));
    assert!(refused.contains("the 1 hour session limit for roles assumed by role chaining"), "{refused}");
    lab.running.end();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let lab = lab();
    let (role, long) = (arn("Worker"), "x".repeat(65));
    for (parameters, expected) in [
        (
            "Action=AssumeRole".to_owned(),
            "400 ValidationError: 2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName'",
        ),
        (
            format!("Action=AssumeRole&{role}"),
            "400 ValidationError: 1 validation error detected: Value null at 'roleSessionName'",
        ),
        (
            format!("Action=AssumeRole&{role}&RoleSessionName=a"),
            "400 ValidationError: 1 validation error detected: Value 'a'",
        ),
        (
            format!("Action=AssumeRole&{role}&RoleSessionName={long}"),
            &format!(
                "400 ValidationError: 1 validation error detected: Value '{long}' at 'roleSessionName' failed to satisfy constraint: Member must have length less than or equal to 64"
            ),
        ),
        (
            format!("Action=AssumeRole&{role}&RoleSessionName=a%2Fb"),
            r"400 ValidationError: 1 validation error detected: Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
        ),
        (
            "Action=AssumeRole&RoleArn=short&RoleSessionName=%2F".to_owned(),
            "400 ValidationError: 3 validation errors detected: Value 'short' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20; Value '/' at 'roleSessionName'",
        ),
        (
            format!("Action=AssumeRole&RoleArn={}&RoleSessionName=me", "x".repeat(2049)),
            &format!(
                "400 ValidationError: 1 validation error detected: Value '{}' at 'roleArn' failed to satisfy constraint: Member must have length less than or equal to 2048",
                "x".repeat(2049)
            ),
        ),
        (
            "Action=AssumeRole&RoleArn=this-is-not-any-arn-at-all&RoleSessionName=me".to_owned(),
            "400 ValidationError: Request ARN is invalid",
        ),
        (
            format!("Action=AssumeRole&{role}&RoleSessionName=me&ExternalId=x"),
            "400 ValidationError: 1 validation error detected: Value 'x' at 'externalId' failed to satisfy constraint: Member must have length greater than or equal to 2",
        ),
        (
            "Action=GetAccessKeyInfo&AccessKeyId=AKIA".to_owned(),
            "400 ValidationError: 1 validation error detected: Value 'AKIA' at 'accessKeyId' failed to satisfy constraint: Member must have length greater than or equal to 16",
        ),
        (format!("Action=AssumeRole&{role}&RoleSessionName=me&PolicyArns.member.1.arn=x"), "501 NotImplemented: "),
        (format!("Action=AssumeRole&{role}&RoleSessionName=me&Tags.member.1.Key=x"), "501 NotImplemented: "),
        ("Action=GetSessionToken".to_owned(), "501 NotImplemented: "),
        ("Action=Nonsense".to_owned(), "400 InvalidAction: Could not find operation Nonsense for version 2011-06-15"),
        ("Action=%3Cx%3E".to_owned(), "400 InvalidAction: Could not find operation &lt;x&gt;"),
        ("nothing".to_owned(), "400 InvalidAction: "),
    ] {
        let refused = lab.refused(&lab.ann, &parameters);
        assert!(refused.starts_with(expected), "{parameters}: {refused}");
    }
    lab.running.end();
}
