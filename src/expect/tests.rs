//! Expectations on the examples' own templates: each test is data through [`holds`], [`fails`] or [`refused`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::template::{self, Files, LoadOptions, ReadError, TemplateError};

struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        self.0.get(path).cloned().ok_or(ReadError::NotFound)
    }
}

/// The example's template with a test file beside it.
fn first(test: &str) -> Memory {
    let files = [("first.yaml", include_str!("../../examples/first.yaml")), ("first.test.yaml", test)];
    Memory(files.into_iter().map(|(path, text)| (path.into(), text.to_owned())).collect())
}

/// Two accounts; the lab.yaml with this list.
fn private(list: &str) -> Memory {
    let lab = include_str!("../../examples/private-service/lab.yaml");
    let lab = lab.split("\nexpect:").next().unwrap_or_default();
    let files = [
        ("lab.yaml", format!("{lab}\nexpect:\n{list}")),
        ("provider.yaml", include_str!("../../examples/private-service/provider.yaml").to_owned()),
        ("consumer.yaml", include_str!("../../examples/private-service/consumer.yaml").to_owned()),
    ];
    Memory(files.into_iter().map(|(path, text)| (path.into(), text)).collect())
}

fn meant(files: &Memory, path: &str) -> Result<(Scene, Vec<Expectation>), String> {
    let lab = template::load(files, Path::new(path), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let scene = Scene::new(&lab);
    let list = source(files, &lab).and_then(|list| read(&list)).and_then(|written| scene.mean(&written));
    match list {
        Ok(expectations) => Ok((scene, expectations)),
        Err(diagnostics) => Err(TemplateError { diagnostics }.to_string()),
    }
}

/// The failures of a list, by title.
fn failures(files: &Memory, path: &str) -> Vec<(String, Failure)> {
    let (scene, expectations) = meant(files, path).unwrap_or_else(|error| panic!("{error}"));
    let check = |expectation: &Expectation| match &expectation.claim {
        Claim::Path(claim) => scene.check(&expectation.from, claim).err(),
        Claim::Only(things) => scene.check_only(&expectation.from, things).err(),
        Claim::Call(claim) => scene.check_call(&expectation.from, claim).err(),
        Claim::Run(..) => None,
    };
    expectations.iter().filter_map(|it| Some((it.title.clone(), check(it)?))).collect()
}

/// A template of these lines with this list beside it.
fn lab(template: &str, list: &str) -> Memory {
    let files = [("lab-of-one.yaml", template.to_owned()), ("lab-of-one.test.yaml", format!("expect:\n{list}"))];
    Memory(files.into_iter().map(|(path, text)| (path.into(), text)).collect())
}

fn holds(files: &Memory, path: &str) {
    let failures = failures(files, path);
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The one entry fails for this reason, decided at this place.
fn fails(entry: &str, reason: &str, source: Option<&str>) {
    let list = format!("expect:\n  - {entry}\n");
    let failures = failures(&first(&list), "first.yaml");
    let [(_, failure)] = failures.as_slice() else { panic!("{failures:#?}") };
    assert!(failure.reason.contains(reason), "{failure:#?}");
    assert_eq!(failure.decider.as_ref().and_then(|decider| decider.source.as_deref()), source, "{failure:#?}");
}

/// The one entry is bad input, drawn so.
fn refused(entry: &str, expect: &str) {
    let list = format!("expect:\n  - {entry}\n");
    let error = meant(&first(&list), "first.yaml").err().unwrap_or_else(|| panic!("`{entry}` was taken"));
    assert_eq!(error, expect.trim_matches('\n'));
}

#[test]
fn what_the_template_says_holds() {
    let list = "
expect:
  - {from: app, to: s3.us-east-1.amazonaws.com:443, via: S3}
  - {from: first/app, to: https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt, via: first/S3}
  - {from: app, to: s3://first-123456789012/hello.txt, via: vpce-4ed6d39895d235031}
  - {from: app, to: s3.us-east-1.amazonaws.com, proto: icmp}
  - {from: app, to: s3.us-east-1.amazonaws.com, proto: udp, drop: VPCE_GATEWAY_PROTOCOL_RESTRICTION}
  - {from: app, to: internet, drop: NO_ROUTE_TO_DESTINATION}
  - {from: app, to: 10.0.9.9, drop: NO_SUCH_ADDRESS}
  - {from: app, to: 10.0.0.2:53, proto: udp, via: resolver}
  - {from: app, to: nobody.example.com, drop: NXDOMAIN}
";
    holds(&first(list), "first.yaml");
}

/// An internet gateway leads nowhere here, and says so by name.
#[test]
fn an_internet_gateway_drops_what_reaches_it() {
    let template = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Out:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0}}
";
    let list = "expect: [{from: app, to: internet, drop: IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS}]";
    let files = [("open.yaml", template), ("open.test.yaml", list)];
    let files = Memory(files.into_iter().map(|(path, text)| (path.into(), text.to_owned())).collect());
    holds(&files, "open.yaml");
}

const OUTSIDE: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, MapPublicIpOnLaunch: true}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Out:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, RouteTableIds: [!Ref Routes]}}
  Web:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: HTTP for all
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 0.0.0.0/0}]
  web: {Type: AWS::EC2::Instance, DependsOn: Attachment, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0, SecurityGroupIds: [!Ref Web]}}
  Inner: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24}}
  inner: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Inner, ImageId: ami-0, SecurityGroupIds: [!Ref Web]}}
";

/// B2-11: the endpoint's list holds its own Region alone, whatever the lab has elsewhere.
#[test]
fn another_region_is_reached_by_the_default_route() {
    let list = "
  - {from: web, to: s3.us-east-1.amazonaws.com:443, via: S3}
  - {from: web, to: s3.eu-west-1.amazonaws.com:443, via: Gateway}
  - {from: web, to: dynamodb.ap-south-1.amazonaws.com:443, via: Gateway}
  - {from: inner, to: s3.eu-west-1.amazonaws.com:443, drop: NO_ROUTE_TO_DESTINATION}
";
    holds(&lab(OUTSIDE, list), "lab-of-one.yaml");
}

/// Nobody on the internet knows a private address: a guest is meant by its public one.
#[test]
fn on_the_internet_a_guest_is_its_public_address() {
    let list = "
  - {from: internet, to: web:80, via: Gateway}
  - {from: internet, to: web:22, drop: ENI_SG_RULES_MISMATCH}
  - {from: internet, to: inner:80, drop: IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS}
  - {from: inner, to: web:80}
";
    holds(&lab(OUTSIDE, list), "lab-of-one.yaml");
}

#[test]
fn a_lab_of_several_stacks_has_its_list_in_lab_yaml() {
    let list = "
  - {from: client, to: '${consumer.Url}', via: Endpoint}
  - {from: client, to: '${consumer.Url}', via: Balancer}
  - {from: client, to: '${consumer.Url}', via: server}
  - {from: client, to: '10.0.1.20:80', drop: NO_SUCH_ADDRESS}
  - {from: server, to: '10.0.1.10:80', drop: NO_SUCH_ADDRESS}
";
    holds(&private(list), "lab.yaml");
}

#[test]
fn a_failure_names_what_decided_and_where_it_is_written() {
    fails("{from: app, to: internet, via: S3}", "NO_ROUTE_TO_DESTINATION", Some("first.yaml:5"));
    fails(
        "{from: app, to: s3.us-east-1.amazonaws.com, drop: NO_ROUTE_TO_DESTINATION}",
        "it is delivered",
        Some("first.yaml:7"),
    );
    fails("{from: app, to: s3.us-east-1.amazonaws.com, via: app}", "not by way of app", Some("first.yaml:7"));
    fails("{from: app, to: 10.0.1.77, drop: RESERVED_ADDRESS}", "NO_SUCH_ADDRESS", Some("first.yaml:4"));
}

/// `appliance` takes what is addressed to others; a route leads there.
const APPLIANCE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  web: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.20, ImageId: ami-0}}
  appliance: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.30, SourceDestCheck: false, ImageId: ami-0}}
  Route: {Type: AWS::EC2::Route, Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 172.16.0.0/22, InstanceId: !Ref appliance}}
";

#[test]
fn only_is_a_claim_about_every_class() {
    holds(&first("expect: [{from: app, only: [S3, resolver, metadata]}]"), "first.yaml");
    fails("{from: app, only: [S3]}", "10.0.0.2 tcp 53 reaches resolver, which is not listed", None);
    fails(
        "{from: app, only: [resolver, metadata]}",
        "1.178.4.0-1.178.6.255 tcp 1-65535 reaches first/S3",
        Some("first.yaml:7"),
    );
    fails("{from: app, only: [S3, resolver]}", "169.254.169.254 tcp 80 reaches metadata, which is not listed", None);
    // Time is in every list, and may be written.
    holds(&first("expect: [{from: app, only: [S3, resolver, metadata, time]}]"), "first.yaml");
    fails(
        "{from: app, only: [S3, resolver, metadata, app]}",
        "app is listed, but nothing that is sent reaches it",
        None,
    );
    holds(&private("  - {from: client, only: [Endpoint, resolver, metadata]}\n"), "lab.yaml");
    holds(&private("  - {from: client, only: [provider/server, resolver, metadata]}\n"), "lab.yaml");
    let list = "  - {from: app, only: [web, appliance, resolver, metadata]}\n";
    holds(&lab(APPLIANCE, list), "lab-of-one.yaml");
    let failures = failures(&lab(APPLIANCE, "  - {from: app, only: [web, resolver, metadata]}\n"), "lab-of-one.yaml");
    let failure = &failures[0].1;
    assert_eq!(failure.reason, "10.0.1.30 tcp 1-65535 reaches appliance, which is not listed");
    let details = [
        "10.0.1.30 udp 1-65535 reaches appliance",
        "10.0.1.30 icmp reaches appliance",
        "172.16.0.0-172.16.3.255 tcp 1-65535 reaches appliance",
        "172.16.0.0-172.16.3.255 udp 1-65535 reaches appliance",
        "172.16.0.0-172.16.3.255 icmp reaches appliance",
    ];
    assert_eq!(failure.details, details);
}

#[test]
fn a_listed_thing_that_refuses_everything_is_a_failure_that_says_who() {
    // The endpoint's service is of another account, which did not permit it: the endpoint waits for acceptance.
    let mut files = private("  - {from: client, only: [Endpoint, resolver, metadata]}\n");
    let provider = files.0.get_mut(Path::new("provider.yaml")).unwrap();
    *provider = provider.replace("AcceptanceRequired: false", "AcceptanceRequired: true");
    let failures = failures(&files, "lab.yaml");
    let [(_, failure)] = failures.as_slice() else { panic!("{failures:#?}") };
    assert_eq!(failure.reason, "Endpoint is listed, but nothing that is sent reaches it");
    assert!(failure.details[0].contains("is dropped: BAD_STATE"), "{failure:#?}");
    assert!(
        failure.decider.as_ref().is_some_and(|it| it.source.as_deref() == Some("consumer.yaml:18")),
        "{failure:#?}"
    );
}

/// The bucket policy of `first.yaml` lets in whoever comes through the endpoint; nobody else has a policy of the bucket.
#[test]
fn calls_are_decided_by_the_way_of_their_packets() {
    let on = "on: 's3://first-123456789012/hello.txt'";
    let expect = |entries: &str| first(&format!("expect:\n{entries}"));
    holds(&expect(&format!("  - {{from: app, call: s3:GetObject, {on}, as: anonymous}}\n")), "first.yaml");
    holds(&expect(&format!("  - {{from: app, call: s3:PutObject, {on}}}\n")), "first.yaml");
    holds(
        &expect(&format!("  - {{from: app, call: s3:PutObject, {on}, as: anonymous, deny: Bucket}}\n")),
        "first.yaml",
    );
    let denied = format!("{{from: app, call: s3:PutObject, {on}, as: anonymous}}");
    fails(&denied, "s3:PutObject signed by anonymous is denied", Some("first.yaml:10"));
    let allowed = format!("{{from: app, call: s3:GetObject, {on}, as: anonymous, deny: S3}}");
    fails(&allowed, "s3:GetObject is allowed, where S3 was expected to deny it", Some("first.yaml:10"));
    let by_another = format!("{{from: app, call: s3:PutObject, {on}, as: anonymous, deny: S3}}");
    fails(&by_another, "s3:PutObject is denied, but not by S3", Some("first.yaml:10"));
    fails("{from: app, call: kms:Decrypt}", "it is dropped: NO_ROUTE_TO_DESTINATION", Some("first.yaml:5"));
}

/// A statement that nobody wrote denies nothing.
#[test]
fn a_statement_that_is_not_there_is_bad_input() {
    refused(
        "{from: app, call: s3:PutObject, on: 's3://first-123456789012/a', as: anonymous, deny: Bucket/NoWrites}",
        "
error: `Bucket` has no statement `NoWrites`
 --> first.test.yaml:2:91
  |
2 | …ect, on: 's3://first-123456789012/a', as: anonymous, deny: Bucket/NoWrites}
  |                                                             ^^^^^^^^^^^^^^^
  = help: its statements: statement 1",
    );
}

#[test]
fn a_name_without_an_address_is_a_failure_not_bad_input() {
    let failures = failures(&first("expect: [{from: app, to: 'no.example.com:443'}]"), "first.yaml");
    assert!(failures[0].1.reason.contains("NXDOMAIN"), "{failures:#?}");
}

#[test]
fn what_does_not_exist_is_bad_input() {
    refused(
        "{from: ap, to: internet}",
        "
error: there is no guest `ap`; did you mean app?
 --> first.test.yaml:2:12
  |
2 |   - {from: ap, to: internet}
  |            ^^",
    );
    refused(
        "{from: app, to: internet, via: S4}",
        "
error: there is no object `S4` in the lab
 --> first.test.yaml:2:36
  |
2 |   - {from: app, to: internet, via: S4}
  |                                    ^^
  = help: name an object by its logical id, STACK/LOGICAL_ID or AWS id",
    );
    refused(
        "{from: app, to: internet, via: Ruotes}",
        "
error: there is no object `Ruotes` in the lab
 --> first.test.yaml:2:36
  |
2 |   - {from: app, to: internet, via: Ruotes}
  |                                    ^^^^^^
  = help: did you mean `Routes`?",
    );
    refused(
        "{from: app, to: internet, drop: NO_ROUTE_TO_DESTINATOIN}",
        "
error: `NO_ROUTE_TO_DESTINATOIN` is no explanation code that a packet is dropped with
 --> first.test.yaml:2:37
  |
2 |   - {from: app, to: internet, drop: NO_ROUTE_TO_DESTINATOIN}
  |                                     ^^^^^^^^^^^^^^^^^^^^^^^
  = help: did you mean `NO_ROUTE_TO_DESTINATION`?",
    );
    refused(
        "{from: app, to: s3://first-123456789013/x}",
        "
error: there is no bucket `first-123456789013` in the lab
 --> first.test.yaml:2:21
  |
2 |   - {from: app, to: s3://first-123456789013/x}
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: did you mean `first-123456789012`?",
    );
    refused(
        "{from: app, only: [S3, Routes]}",
        "
error: `Routes` is a route table, which no packet ends at
 --> first.test.yaml:2:28
  |
2 |   - {from: app, only: [S3, Routes]}
  |                            ^^^^^^
  = help: list endpoints, gateways, balancers, guests, `resolver`, `metadata` or `time`",
    );
}

#[test]
fn entries_are_read_strictly() {
    for (entry, message) in [
        ("{from: app, to: internet, dorp: X}", "did you mean `drop`?"),
        ("{from: app, onyl: [S3]}", "did you mean `only`?"),
        ("{from: app, rum: ./smoke.sh}", "did you mean `run`?"),
        ("{from: app, to: internet, only: [S3]}", "`to` does not go with the entry's other keys"),
        ("{from: app, to: internet, via: S3, drop: NO_ROUTE_TO_DESTINATION}", "keep one of the two"),
        ("{from: app}", "the expectation has no `to`"),
        ("{to: internet}", "the expectation has no `from`"),
        ("{from: app, run: [./smoke.sh]}", "text is expected here, not a list"),
        ("{from: app, run: ./smoke.sh, via: S3}", "`via` does not go with the entry's other keys"),
        ("{from: app, only: S3}", "`only` is a list of objects, not text"),
        ("{from: app, only: [{}]}", "text is expected here, not a map"),
        ("{from: app, to: internet, proto: sctp}", "tcp, udp or icmp"),
        ("{from: app, to: '10.0.0.1:80', proto: icmp}", "ICMP has no ports"),
        ("{from: app, to: 'x:y'}", "`x:y` is no destination"),
        ("{from: app, to: app}", "never leaves it"),
        ("{from: app, to: ap}", "there is no guest `ap`"),
        ("{from: app, to: '${first.Url}'}", "stack `first` has no output `Url`"),
        ("{from: app, to: '${other.Url}'}", "there is no stack `other`"),
        ("{from: app, call: s3:PutObject, on: arn}", "`arn` is nothing that a call is done to"),
        ("{from: app, call: PutObject}", "`PutObject` is no action"),
        ("{from: app, call: s3:PutObject, to: internet}", "`to` does not go with the entry's other keys"),
        ("{from: app, call: s3:PutObject, as: Nobody}", "there is no role or user `Nobody`"),
        ("{from: app, call: s3:PutObject, on: 's3://never/k'}", "there is no bucket `never`"),
        ("{from: app, call: s3:PutObject, deny: S4/NoWrites}", "there is no object `S4`"),
        ("{from: app, cal: s3:PutObject}", "did you mean `call`?"),
        ("just text", "an expectation is a map, not text"),
    ] {
        let error = meant(&first(&format!("expect:\n  - {entry}\n")), "first.yaml").err();
        assert!(error.as_ref().is_some_and(|error| error.contains(message)), "{entry}: {error:?}");
    }
    for (file, message) in [
        ("expect: []", "the list expects nothing"),
        ("expect:\n", "`expect` is a list of expectations, not nothing (null)"),
        ("[]", "a test file is a map with the key `expect`, not a list"),
        ("expectations: []", "`expectations` is not a key of a test file"),
        ("{}", "the test file has no `expect`"),
    ] {
        let error = meant(&first(file), "first.yaml").err();
        assert!(error.as_ref().is_some_and(|error| error.contains(message)), "{file}: {error:?}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let error = meant(&first("expect:\n  - {from: ap, to: internet}\n  - {from: app, to: x, via: Y}\n"), "first.yaml");
    assert_eq!(error.err().map(|error| error.matches("error: ").count()), Some(3));
}

#[test]
fn a_lab_that_expects_nothing_says_where_it_would() {
    let mut files = first("");
    files.0.remove(Path::new("first.test.yaml"));
    let error = meant(&files, "first.yaml").err().unwrap_or_default();
    assert!(error.starts_with("error: nothing is expected: there is no first.test.yaml"), "{error}");
}

#[test]
fn one_name_of_several_stacks_must_be_told_apart() {
    let error = meant(&private("  - {from: client, to: internet, via: SubnetA}\n"), "lab.yaml").err();
    assert!(
        error.as_ref().is_some_and(|it| it.contains("could be any of consumer/SubnetA, provider/SubnetA")),
        "{error:?}"
    );
}

/// What holds while a zone is down, by the tables of that state.
#[test]
fn a_zone_that_is_down_changes_what_holds() {
    let list = r#"
  - {from: client, to: "${consumer.Url}", via: Endpoint}
  - fault: {zone: use1-az2}
    then:
      - {from: client, to: "${consumer.Url}", via: Endpoint}
      - {from: client, to: "10.0.2.4:80", drop: ZONE_DOWN}
"#;
    let files = private(list);
    let lab = template::load(&files, Path::new("lab.yaml"), &LoadOptions::default()).expect("a lab");
    let scene = Scene::new(&lab);
    let written = source(&files, &lab).and_then(|list| read(&list)).expect("a list");
    let zones: Vec<Option<&str>> = written.iter().map(|it| it.zone_down.as_ref().map(|it| it.text.as_str())).collect();
    assert_eq!(zones, [None, Some("use1-az2"), Some("use1-az2")]);
    let faulted = scene.with_zone_down(written[1].zone_down.as_ref().expect("a zone")).expect("there is one");
    for (scene, entries) in [(&scene, &written[..1]), (&faulted, &written[1..])] {
        for expectation in scene.mean(entries).expect("good entries") {
            let Claim::Path(claim) = &expectation.claim else { panic!("{expectation:?}") };
            scene
                .check(&expectation.from, claim)
                .unwrap_or_else(|failure| panic!("{}: {failure:?}", expectation.title));
        }
    }
    // As it is, the zone that is up delivers what the fault drops.
    let dropped = &scene.mean(&written[2..]).expect("good entries")[0];
    let Claim::Path(claim) = &dropped.claim else { panic!("{dropped:?}") };
    assert!(scene.check(&dropped.from, claim).is_err());
    assert!(dropped.title.starts_with("use1-az2 down: client > 10.0.2.4:80"), "{}", dropped.title);
}
