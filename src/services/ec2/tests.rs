//! The API by signed requests of several accounts, through the door: what it does, says and refuses.

mod refusals;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::model::access::{Directory, root_key};
use crate::model::{Change, Holder, IamChange, SubnetMapping};
use crate::services::front::Limits;
use crate::services::front::guard::Access;
use crate::services::front::tests::{Running, start_with};
use crate::services::tokens::Tokens;
use crate::services::upstream::Credentials;
use crate::services::upstream::sign::{Payload, Signer};

const PROVIDER: &str = "111111111111";
const CONSUMER: &str = "222222222222";
const UNKNOWN: &str = "vpce-00000000000000000";

/// A lab of a world alone.
#[derive(Default)]
struct Bare(Mutex<Arc<World>>);

impl Lab for Bare {
    fn world(&self) -> Arc<World> {
        Arc::clone(&self.0.lock())
    }

    fn change(&self, request: model::Request) -> Result<ObjectId, Refusal> {
        let mut held = self.0.lock();
        let mut world = World::clone(&held);
        let id = world.apply(request)?;
        *held = Arc::new(world);
        Ok(id)
    }
}

impl Bare {
    fn make(&self, account: &str, change: Change) -> String {
        let request = model::Request {
            account: account.to_owned(),
            region: "us-east-1".to_owned(),
            principal: None,
            stack: Some("s".to_owned()),
            logical_id: None,
            source: None,
            tags: BTreeMap::new(),
            change,
        };
        self.change(request).unwrap()
    }
}

/// A provider's balancer and a consumer's VPC, behind the door.
struct Story {
    lab: Arc<Bare>,
    running: Running,
    balancer: String,
    vpc_id: String,
    subnet_id: String,
    users: BTreeMap<&'static str, Credentials>,
}

type Answer = (u16, String);

impl Story {
    fn new() -> Self {
        let lab = Arc::new(Bare::default());
        let vpc = || Change::CreateVpc {
            cidr_block: "10.0.0.0/16".to_owned(),
            enable_dns_support: true,
            enable_dns_hostnames: true,
        };
        let subnet = |vpc_id: &str| Change::CreateSubnet {
            vpc_id: vpc_id.to_owned(),
            cidr_block: "10.0.1.0/24".to_owned(),
            availability_zone: Some("us-east-1a".to_owned()),
            map_public_ip_on_launch: false,
        };
        let theirs = lab.make(PROVIDER, subnet(&lab.make(PROVIDER, vpc())));
        let balancer = lab.make(
            PROVIDER,
            Change::CreateLoadBalancer {
                name: None,
                scheme: "internal".to_owned(),
                subnets: vec![SubnetMapping { subnet_id: theirs, private_ipv4_address: None, allocation_id: None }],
                security_groups: Vec::new(),
                attributes: BTreeMap::new(),
            },
        );
        let vpc_id = lab.make(CONSUMER, vpc());
        let subnet_id = lab.make(CONSUMER, subnet(&vpc_id));
        let users = [
            ("reader", "ec2:Describe*", "*"),
            ("deleter", "ec2:DeleteVpcEndpoints", "arn:aws:ec2:*:*:vpc-endpoint/vpce-1*"),
        ]
        .map(|(name, action, resource)| (name, user(&lab, name, action, resource)));
        let directory = Directory::of(&lab.world());
        let access = Arc::new(Access::new(directory, Arc::new(Tokens::new([7; 32]))));
        let service = Arc::new(Ec2::new(Arc::clone(&lab) as Arc<dyn Lab>));
        let running = start_with(service, Limits::default(), "i-1", access);
        Self { lab, running, balancer, vpc_id, subnet_id, users: users.into_iter().collect() }
    }

    /// Sends a form as it is, signed for a Region.
    fn send(&self, credentials: &Credentials, region: &str, form: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        let signer = Signer { credentials, region, service: "ec2", now: OffsetDateTime::now_utc() };
        let uri = format!("http://{}/", self.running.plain).parse().unwrap();
        signer.sign(&http::Method::POST, &uri, &mut headers, &Payload::of(form)).unwrap();
        let head: String =
            headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\
             Content-Length: {}\r\n{head}\r\n",
            self.running.plain,
            form.len()
        );
        let answer = self.running.raw(&[head.as_bytes(), form].concat());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    fn call(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(&root(account), "us-east-1", &form(action, parameters))
    }

    /// The same, of what must be done.
    #[track_caller]
    fn done(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        let (status, body) = self.call(account, action, parameters);
        assert_eq!(status, 200, "{action}: {body}");
        assert!(body.starts_with(&format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>"
        )));
        body
    }

    /// The same, of what must be refused so, and change nothing.
    #[track_caller]
    fn refused(&self, account: &str, action: &str, parameters: &[(&str, &str)], status: u16, code: &str) -> String {
        let before = self.lab.world();
        let (got, body) = self.call(account, action, parameters);
        assert_eq!((got, element(&body, "Code").as_str()), (status, code), "{action} {parameters:?}: {body}");
        assert!(body.contains("<Response><Errors><Error><Code>") && body.contains("<RequestID>"), "{body}");
        assert!(*before == *self.lab.world(), "a refused request leaves the world as it was");
        element(&body, "Message")
    }

    /// A service that wants to be asked; its id and name.
    fn service(&self) -> (String, String) {
        let body = self.done(
            PROVIDER,
            "CreateVpcEndpointServiceConfiguration",
            &[("NetworkLoadBalancerArn.1", &self.balancer)],
        );
        (element(&body, "serviceId"), element(&body, "serviceName"))
    }

    fn allow(&self, service_id: &str, principal: &str) -> String {
        let parameters = [("ServiceId", service_id), ("AddAllowedPrincipals.1", principal)];
        self.done(PROVIDER, "ModifyVpcEndpointServicePermissions", &parameters)
    }

    fn endpoint_of<'a>(&'a self, service_name: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("VpcEndpointType", "Interface"),
            ("VpcId", &self.vpc_id),
            ("SubnetId.1", &self.subnet_id),
            ("ServiceName", service_name),
        ]
    }
}

/// A user of the consumer's with one permission.
fn user(lab: &Bare, name: &str, action: &str, resource: &str) -> Credentials {
    let iam = |change| lab.make(CONSUMER, Change::Iam(change));
    iam(IamChange::CreateUser { path: None, user_name: Some(name.to_owned()), permissions_boundary: None });
    let statement = serde_json::json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let policy_document = serde_json::json!({ "Version": "2012-10-17", "Statement": statement }).into();
    iam(IamChange::PutPolicy { holder: Holder::User(name.to_owned()), policy_name: "p".to_owned(), policy_document });
    let access_key_id = iam(IamChange::CreateAccessKey { user_name: name.to_owned(), status: None });
    let secret_access_key = lab.world().access_keys[&access_key_id].secret_access_key.clone();
    Credentials { access_key_id, secret_access_key, session_token: None }
}

fn root(account: &str) -> Credentials {
    let (access_key_id, secret_access_key) = root_key(account);
    Credentials { access_key_id, secret_access_key, session_token: None }
}

fn form(action: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let pairs = [("Action", action), ("Version", "2016-11-15")];
    let pairs = pairs.iter().chain(parameters);
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&").into_bytes()
}

/// The text of the first element of that name.
fn element(body: &str, name: &str) -> String {
    let start = body.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{name} in {body}")).1;
    start.split_once('<').unwrap().0.to_owned()
}

fn elements(body: &str, name: &str) -> Vec<String> {
    let start = format!("<{name}>");
    let parts = body.split(&start).skip(1);
    parts.map(|part| part.split_once('<').unwrap().0.to_owned()).collect()
}

#[test]
fn a_connection_from_its_birth_to_its_end() {
    let story = Story::new();
    let (service_id, name) = story.service();
    let added = story.allow(&service_id, &format!("arn:aws:iam::{CONSUMER}:root"));
    assert!(added.contains("<addedPrincipalSet><item><principalType>Account</principalType>"), "{added}");
    assert!(added.ends_with("<return>true</return></ModifyVpcEndpointServicePermissionsResponse>"), "{added}");
    let made = story.done(CONSUMER, "CreateVpcEndpoint", &story.endpoint_of(&name));
    let id = element(&made, "vpcEndpointId");
    assert_eq!(element(&made, "state"), "pendingAcceptance");
    assert!(made.contains(&format!("<subnetIdSet><item>{}</item></subnetIdSet>", story.subnet_id)), "{made}");
    assert!(made.contains("<routeTableIdSet></routeTableIdSet>"), "{made}");
    let one = [("ServiceId", service_id.as_str()), ("VpcEndpointId.1", id.as_str())];
    let state = || {
        let seen = story.done(PROVIDER, "DescribeVpcEndpointConnections", &[]);
        element(&seen, "vpcEndpointState")
    };
    for (action, after) in [
        ("AcceptVpcEndpointConnections", "available"),
        ("RejectVpcEndpointConnections", "rejected"),
        ("AcceptVpcEndpointConnections", "available"),
    ] {
        let body = story.done(PROVIDER, action, &one);
        assert!(body.contains("<unsuccessful></unsuccessful>"), "{body}");
        assert_eq!(state(), after);
        let again = story.done(PROVIDER, action, &one);
        assert_eq!(elements(&again, "code"), ["IncorrectState"]);
        assert_eq!(element(&again, "resourceId"), id);
    }
    // What can be done is done, the rest is said.
    let both = [one[0], ("VpcEndpointId.1", UNKNOWN), ("VpcEndpointId.2", &id), ("VpcEndpointId.3", "vpce-x")];
    let mixed = story.done(PROVIDER, "RejectVpcEndpointConnections", &both);
    assert_eq!(elements(&mixed, "code"), ["InvalidVpcEndpointId.NotFound", "InvalidVpcEndpointId.Malformed"]);
    assert_eq!(state(), "rejected");
    story.done(PROVIDER, "AcceptVpcEndpointConnections", &one);

    let services = [("ServiceId.1", service_id.as_str())];
    let refused = story.done(PROVIDER, "DeleteVpcEndpointServiceConfigurations", &services);
    assert_eq!(elements(&refused, "code"), ["ExistingVpcEndpointConnections"]);
    let ids = [("VpcEndpointId.1", id.as_str()), ("VpcEndpointId.2", UNKNOWN)];
    let deleted = story.done(CONSUMER, "DeleteVpcEndpoints", &ids);
    assert_eq!(elements(&deleted, "resourceId"), [UNKNOWN], "the unknown one alone, with status 200 (B6.3)");
    let late = story.done(PROVIDER, "AcceptVpcEndpointConnections", &one);
    assert_eq!(elements(&late, "code"), ["InvalidVpcEndpointId.NotFound"]);
    let deleted = story.done(PROVIDER, "DeleteVpcEndpointServiceConfigurations", &services);
    assert!(deleted.contains("<unsuccessful></unsuccessful>"), "{deleted}");
    let gone = "InvalidVpcEndpointServiceId.NotFound";
    story.refused(PROVIDER, "AcceptVpcEndpointConnections", &one, 400, gone);
    story.refused(PROVIDER, "StartVpcEndpointServicePrivateDnsVerification", &one[..1], 400, gone);
    story.refused(PROVIDER, "DescribeVpcEndpointServicePermissions", &one[..1], 400, gone);
    story.running.end();
}

#[test]
fn who_is_not_let_in_learns_nothing() {
    let story = Story::new();
    let (service_id, name) = story.service();
    let unknown_name = "com.amazonaws.vpce.us-east-1.vpce-svc-00000000000000000";
    let said = |name: &str| {
        let created = story.refused(CONSUMER, "CreateVpcEndpoint", &story.endpoint_of(name), 400, "InvalidServiceName");
        let described = story.refused(
            CONSUMER,
            "DescribeVpcEndpointServices",
            &[("ServiceName.1", name)],
            400,
            "InvalidServiceName",
        );
        assert_eq!(created, described);
        created.replace(name, "NAME")
    };
    assert_eq!(said(&name), said(unknown_name));
    assert_eq!(said(&name), "The Vpc Endpoint Service 'NAME' does not exist");
    let listed = |account: &str| story.done(account, "DescribeVpcEndpointServices", &[]).contains(&name);
    assert!(listed(PROVIDER) && !listed(CONSUMER));
    for action in
        ["DescribeVpcEndpointServiceConfigurations", "DescribeVpcEndpointConnections", "DescribeNetworkInterfaces"]
    {
        let theirs = story.done(CONSUMER, action, &[]);
        assert!(!theirs.contains(&service_id) && !theirs.contains("network_load_balancer"), "{theirs}");
    }
    let one = [("ServiceId", service_id.as_str())];
    let gone = "InvalidVpcEndpointServiceId.NotFound";
    story.refused(CONSUMER, "ModifyVpcEndpointServicePermissions", &one, 400, gone);
    story.refused(CONSUMER, "ModifyVpcEndpointServiceConfiguration", &one, 400, gone);
    // The user's ARN lets the user in, and nobody else of its account.
    let reader = format!("arn:aws:iam::{CONSUMER}:user/reader");
    assert!(story.allow(&service_id, &reader).contains("<principalType>User</principalType>"));
    assert!(!listed(CONSUMER), "its root user is another");
    let (status, body) = story.send(
        &story.users["reader"],
        "us-east-1",
        &form("DescribeVpcEndpointServices", &[("ServiceName.1", &name)]),
    );
    assert!(status == 200 && body.contains("<acceptanceRequired>true"), "{body}");
    story.allow(&service_id, "*");
    assert!(listed(CONSUMER));
    let (_, elsewhere) = story.send(&root(CONSUMER), "eu-west-1", &form("DescribeVpcEndpointServices", &[]));
    assert!(!elsewhere.contains(&name) && elsewhere.contains("com.amazonaws.eu-west-1.sqs"), "another Region's");
    story.running.end();
}

#[test]
fn one_client_token_makes_one_object() {
    let story = Story::new();
    let with = |service: &'static str, token: &'static str| {
        [story.endpoint_of(service), vec![("ClientToken", token)]].concat()
    };
    let create = |token| {
        let body = story.done(CONSUMER, "CreateVpcEndpoint", &with("com.amazonaws.us-east-1.sqs", token));
        assert_eq!(element(&body, "clientToken"), token);
        element(&body, "vpcEndpointId")
    };
    // At once, too.
    let ids: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| create("one"))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(story.lab.world().vpc_endpoints.len(), 1);
    let other = with("com.amazonaws.us-east-1.sns", "one");
    story.refused(CONSUMER, "CreateVpcEndpoint", &other, 400, "IdempotentParameterMismatch");
    assert_ne!(create("two"), ids[0]);
    let (without, again) = (create("three"), story.endpoint_of("com.amazonaws.us-east-1.sqs"));
    assert_ne!(element(&story.done(CONSUMER, "CreateVpcEndpoint", &again), "vpcEndpointId"), without);
    // A request that was refused may be mended.
    let broken = with("com.amazonaws.us-east-1.sqss", "four");
    story.refused(CONSUMER, "CreateVpcEndpoint", &broken, 400, "InvalidServiceName");
    create("four");
    story.running.end();
}

#[test]
fn pages_hold_every_row_once_and_filters_add_up() {
    let story = Story::new();
    let services = ["sqs", "sns", "kms", "ssm", "ec2", "logs", "events"];
    for service in services {
        let name = format!("com.amazonaws.us-east-1.{service}");
        let tag = [
            ("TagSpecification.1.ResourceType", "vpc-endpoint"),
            ("TagSpecification.1.Tag.1.Key", "Team"),
            ("TagSpecification.1.Tag.1.Value", service),
        ];
        story.done(CONSUMER, "CreateVpcEndpoint", &[story.endpoint_of(&name), tag.to_vec()].concat());
    }
    let ids = |parameters: &[(&str, &str)]| {
        elements(&story.done(CONSUMER, "DescribeVpcEndpoints", parameters), "vpcEndpointId")
    };
    let whole = ids(&[]);
    assert_eq!(whole.len(), services.len());
    let (mut paged, mut token) = (Vec::new(), None::<String>);
    for page in 0.. {
        let mut parameters = vec![("MaxResults", "3")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let body = story.done(CONSUMER, "DescribeVpcEndpoints", &parameters);
        let rows = elements(&body, "vpcEndpointId");
        if page == 0 {
            // The next page begins where this one ended, though its last row is gone.
            story.done(CONSUMER, "DeleteVpcEndpoints", &[("VpcEndpointId.1", &rows[2])]);
        }
        paged.extend(rows);
        token = elements(&body, "nextToken").pop();
        if token.is_none() {
            break;
        }
        let of_another = [("NextToken", token.as_deref().unwrap())];
        story.refused(CONSUMER, "DescribeSubnets", &of_another, 400, "InvalidNextToken");
    }
    assert_eq!(paged, whole);
    assert_eq!(ids(&[("MaxResults", "5000")]).len(), 6, "cut, not refused (B6.1)");
    let found = |filters: &[(&str, &[&str])]| {
        let mut parameters = Vec::new();
        for (number, (name, values)) in filters.iter().enumerate() {
            parameters.push((format!("Filter.{}.Name", number + 1), (*name).to_owned()));
            for (at, value) in values.iter().enumerate() {
                parameters.push((format!("Filter.{}.Value.{}", number + 1, at + 1), (*value).to_owned()));
            }
        }
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        ids(&parameters).len()
    };
    let there = ids(&[]).len();
    assert_eq!(found(&[("vpc-endpoint-type", &["Interface"])]), there);
    assert_eq!(found(&[("vpc-endpoint-type", &["interface"])]), 0, "case counts");
    assert_eq!(found(&[("vpc-endpoint-type", &["Gateway", "Inter*"]), ("vpc-endpoint-state", &["available"])]), there);
    assert_eq!(found(&[("service-name", &["*"]), ("vpc-id", &["vpc-00000000000000000"])]), 0);
    assert!(matches!(found(&[("tag:Team", &["s?s", "kms"])]), 2 | 3), "sqs, sns and kms, of which one may be gone");
    assert_eq!((found(&[("tag-key", &["Team"])]), found(&[("tag:team", &["*"])])), (there, 0));
    story.running.end();
}

#[test]
fn awss_prefix_lists_and_services_are_the_regions() {
    let story = Story::new();
    let lists = story.done(CONSUMER, "DescribePrefixLists", &[]);
    assert!(lists.contains("<prefixListId>pl-63a5400a</prefixListId><prefixListName>com.amazonaws.us-east-1.s3</prefixListName><cidrSet><item>"), "{lists}");
    let managed = story.done(CONSUMER, "DescribeManagedPrefixLists", &[("PrefixListId.1", "pl-63a5400a")]);
    assert!(managed.contains("<ownerId>AWS</ownerId>") && !managed.contains("cidrSet"), "{managed}");
    assert!(!managed.contains("maxEntries") && !managed.contains("<version>"), "absent for AWS's (B2.2)");
    let s3 = story.done(CONSUMER, "DescribeVpcEndpointServices", &[("ServiceName.1", "com.amazonaws.us-east-1.s3")]);
    assert_eq!(elements(&s3, "owner"), ["amazon", "amazon"], "Gateway and Interface (B4.2)");
    assert!(s3.contains("<serviceNameSet><item>com.amazonaws.us-east-1.s3</item></serviceNameSet>"), "{s3}");
    story.running.end();
}

proptest! {
    #[test]
    fn any_bytes_are_a_form_or_malformed(query in ".{0,40}", body in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(form) = Form::read(&query, &body) {
            for name in form.names() {
                let _ = (form.list(name), form.boolean(name), form.integer(name));
            }
            let _ = operations::called(&form);
        }
    }

    #[test]
    fn what_was_encoded_is_read(pairs in prop::collection::btree_map("[A-Za-z.0-9]{1,12}", any::<String>(), 0..8)) {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let form = Form::read("", body.join("&").as_bytes()).unwrap();
        let read: BTreeMap<String, String> =
            form.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(read, pairs);
    }
}
