//! Hosted zones, record sets and private DNS names in templates; zone names of accounts in `lab.yaml`.

use super::*;
use crate::model::{PrivateDnsState, ResourceRecordSet};

const ZONE: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com, HostedZoneConfig: {Comment: shop}, HostedZoneTags: [{Key: Team, Value: web}]}}
";

fn sets(lab: &Lab) -> Vec<&ResourceRecordSet> {
    lab.world.hosted_zones.values().flat_map(|zone| zone.record_sets.values()).collect()
}

#[test]
fn zones_and_records_of_every_form() {
    let lab = lab(&format!(
        "{ZONE}
  Private: {{Type: AWS::Route53::HostedZone, Properties: {{Name: corp.internal., VPCs: [{{VPCId: !Ref Vpc, VPCRegion: !Ref AWS::Region}}]}}}}
  Sqs: {{Type: AWS::EC2::VPCEndpoint, Properties: {{VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref Subnet]}}}}
  Www: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: www.example.com, Type: A, TTL: '60', ResourceRecords: [192.0.2.1, 192.0.2.2], Comment: c}}}}
  ByName: {{Type: AWS::Route53::RecordSet, DependsOn: Zone, Properties: {{HostedZoneName: example.com., Name: '*.example.com.', Type: CNAME, TTL: 60, ResourceRecords: [www.example.com]}}}}
  Queue:
    Type: AWS::Route53::RecordSetGroup
    Properties:
      HostedZoneId: !Ref Private
      RecordSets:
        - Name: queue.corp.internal
          Type: A
          AliasTarget:
            HostedZoneId: !Select [0, !Split [':', !Select [0, !GetAtt Sqs.DnsEntries]]]
            DNSName: !Select [1, !Split [':', !Select [0, !GetAtt Sqs.DnsEntries]]]
        - {{Name: corp.internal, Type: TXT, TTL: 5, ResourceRecords: ['\"hello\"']}}
        - {{Name: corp.internal, Type: MX, TTL: 5, ResourceRecords: ['10 mail.corp.internal']}}
  Weighted: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: w.example.com, Type: A, TTL: 60, SetIdentifier: a, Weight: 1, ResourceRecords: [192.0.2.1]}}}}
  Front: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: example.com, Type: A, AliasTarget: {{HostedZoneId: Z2FDTNDATAQYW2, DNSName: d1.cloudfront.net}}}}}}
Outputs:
  Name: {{Value: !Ref Www}}
  Servers: {{Value: !Join [' ', !GetAtt Zone.NameServers]}}
  Id: {{Value: !GetAtt Zone.Id}}
"
    ));
    let outputs = &lab.stacks[0].outputs;
    assert_eq!(outputs["Name"], "www.example.com");
    assert_eq!(outputs["Servers"].split(' ').count(), 4);
    let zone = &lab.world.hosted_zones[&outputs["Id"]];
    assert_eq!((zone.comment.as_deref(), zone.meta.tags["Team"].as_str()), (Some("shop"), "web"));
    let mut names: Vec<String> = sets(&lab).iter().map(|set| format!("{} {}", set.name, set.record_type)).collect();
    names.sort();
    assert_eq!(names, ["*.example.com. CNAME", "corp.internal. TXT", "queue.corp.internal. A", "www.example.com. A"]);
    let notices: Vec<String> = lab.notices.iter().map(ToString::to_string).collect();
    let expected = [
        "records of type MX are not emulated (t.yaml:22)",
        "`Weighted`: record sets with SetIdentifier are not emulated (t.yaml:23)",
        "`Front`: aliases into hosted zone Z2FDTNDATAQYW2 are not emulated (t.yaml:24)",
    ];
    for (notice, expected) in notices.iter().zip(expected) {
        assert!(notice.ends_with(expected), "{expected}\n{notices:#?}");
    }
    assert_eq!(notices.len(), expected.len(), "{notices:#?}");
}

/// Two zones of one name.
const TWICE: &str = "  One: {Type: AWS::Route53::HostedZone, Properties: {Name: twice.example}}
  Two: {Type: AWS::Route53::HostedZone, Properties: {Name: twice.example}}
";

/// Each with its message and its line.
#[test]
fn records_that_no_zone_takes() {
    for (properties, line, message) in [
        (
            "Name: a.example.com, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]",
            5,
            "AWS::Route53::RecordSet `R` needs the property `HostedZoneId`",
        ),
        (
            "HostedZoneName: twice.example, Name: a.twice.example, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]",
            5,
            "Found multiple hosted zones with name twice.example",
        ),
        (
            "HostedZoneId: !Ref Zone, HostedZoneName: example.com, Name: a.example.com, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]",
            5,
            "HostedZoneId names the zone already",
        ),
        (
            "HostedZoneId: !Ref Zone, Name: a.example.org, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]",
            5,
            "InvalidChangeBatch: [RRSet with DNS name a.example.org. is not permitted in zone example.com.]",
        ),
        (
            "HostedZoneId: !Ref Zone, Name: a.example.com, Type: TXT, TTL: 60, ResourceRecords: [plain]",
            5,
            "InvalidChangeBatch: [Invalid Resource Record: 'FATAL problem: InvalidCharacterString",
        ),
        (
            "HostedZoneId: !Ref Zone, Name: a.example.com, Type: A, ResourceRecords: [192.0.2.1]",
            5,
            "InvalidInput: Invalid request: Expected exactly one of",
        ),
    ] {
        let template = format!(
            "{}  R: {{Type: AWS::Route53::RecordSet, DependsOn: [One, Two], Properties: {{{properties}}}}}\n{TWICE}",
            ZONE.trim_start()
        );
        let drawn = drawn(&template);
        assert!(drawn.starts_with(&format!("error: {message}")), "{message}\n{drawn}");
        assert!(drawn.contains(&format!("--> t.yaml:{line}:")), "{drawn}");
    }
}

/// Zones that only AWS has take their records along.
#[test]
fn records_of_zones_elsewhere_are_ignored() {
    check(
        "
Resources:
  A: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneId: Z0123, Name: a.example.com, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]}}
  B: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneName: example.org., Name: a.example.org, Type: A, TTL: 60, ResourceRecords: [192.0.2.1]}}
",
        "
ignored: AWS::Route53::RecordSet `A`: the lab has no hosted zone Z0123 (t.yaml:3)
ignored: AWS::Route53::RecordSet `B`: the lab has no hosted zone of the name example.org. (t.yaml:4)
",
    );
}

/// As `cdk synth` writes VpcEndpointServiceDomainName: three calls and a record.
const CONSTRUCT: &str = r#"
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, Subnets: [!Ref Subnet]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer]}}
  Caller: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs22.x}}
  EnableDns:
    Type: Custom::AWS
    Properties:
      ServiceToken: !GetAtt Caller.Arn
      Create: !Join ["", ['{"service":"EC2","action":"modifyVpcEndpointServiceConfiguration","parameters":{"ServiceId":"', !Ref Service, '","PrivateDnsName":"api.example.com"},"physicalResourceId":{"id":"enable"}}']]
      Update: !Join ["", ['{"service":"EC2","action":"modifyVpcEndpointServiceConfiguration","parameters":{"ServiceId":"', !Ref Service, '","PrivateDnsName":"api.example.com"},"physicalResourceId":{"id":"enable"}}']]
      Delete: !Join ["", ['{"service":"EC2","action":"modifyVpcEndpointServiceConfiguration","parameters":{"ServiceId":"', !Ref Service, '","RemovePrivateDnsName":true}}']]
      InstallLatestAwsSdk: false
  GetNames:
    Type: Custom::AWS
    DependsOn: EnableDns
    Properties:
      ServiceToken: !GetAtt Caller.Arn
      Create: !Join ["", ['{"service":"EC2","action":"describeVpcEndpointServiceConfigurations","parameters":{"ServiceIds":["', !Ref Service, '"]},"physicalResourceId":{"id":"names"}}']]
      InstallLatestAwsSdk: false
  Record:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: !Ref Zone
      Name: !Join ["", [!GetAtt GetNames.ServiceConfigurations.0.PrivateDnsNameConfiguration.Name, ".example.com."]]
      ResourceRecords: [!Join ["", ['"', !GetAtt GetNames.ServiceConfigurations.0.PrivateDnsNameConfiguration.Value, '"']]]
      TTL: "1800"
      Type: TXT
  StartVerification:
    Type: Custom::AWS
    DependsOn: Record
    Properties:
      ServiceToken: !GetAtt Caller.Arn
      Create: !Join ["", ['{"service":"EC2","action":"startVpcEndpointServicePrivateDnsVerification","parameters":{"ServiceId":"', !Ref Service, '"},"physicalResourceId":{"id":"start"}}']]
      InstallLatestAwsSdk: false
Outputs:
  Start: {Value: !Ref StartVerification}
"#;

#[test]
fn a_cdk_construct_names_and_verifies_a_service() {
    let state = |lab: &Lab| {
        let service = lab.world.vpc_endpoint_services.values().next().unwrap();
        service.private_dns.as_ref().map(|it| (it.name.clone(), it.state))
    };
    let verified = lab(&format!("{ZONE}{CONSTRUCT}"));
    assert_eq!(state(&verified), Some(("api.example.com".to_owned(), PrivateDnsState::Verified)));
    assert_eq!(verified.stacks[0].outputs["Start"], "start");
    let notices: Vec<String> = verified.notices.iter().map(ToString::to_string).collect();
    assert!(notices.len() == 1 && notices[0].contains("AWS::Lambda::Function `Caller`"), "{notices:#?}");
    // A record that says something else verifies nothing.
    let failed = lab(&format!("{ZONE}{}", CONSTRUCT.replace("['\"', !GetAtt", "['\"x', !GetAtt")));
    assert_eq!(state(&failed), Some(("api.example.com".to_owned(), PrivateDnsState::Failed)));
    // Calls of anything else are none of the lab's.
    let reboot = "  Reboot: {Type: Custom::AWS, Properties: {ServiceToken: x, Create: '{\"service\":\"EC2\",\"action\":\"rebootInstances\"}'}}\n";
    let other = lab(&format!("{ZONE}{reboot}"));
    let notices: Vec<String> = other.notices.iter().map(ToString::to_string).collect();
    let expected = "Custom::AWS `Reboot`: calls of rebootInstances of EC2 are not emulated";
    assert!(notices.iter().any(|notice| notice.contains(expected)), "{notices:#?}");
}

/// A tag names it, the record verifies it, and an endpoint of the same stack may use it.
#[test]
fn a_services_private_name_is_verified_by_its_record() {
    let template = |record: &str| {
        format!(
            "{ZONE}
  Balancer: {{Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {{Type: network, Scheme: internal, Subnets: [!Ref Subnet]}}}}
  Service: {{Type: AWS::EC2::VPCEndpointService, Properties: {{NetworkLoadBalancerArns: [!Ref Balancer], Tags: [{{Key: 'vpclab:PrivateDnsName', Value: api.example.com}}]}}}}
  {record}
"
        )
    };
    let without = lab(&template(""));
    let service = without.world.vpc_endpoint_services.values().next().unwrap();
    let proof = service.private_dns.as_ref().unwrap();
    assert_eq!((proof.name.as_str(), proof.state), ("api.example.com", PrivateDnsState::PendingVerification));
    let consumer = "Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: !Sub 'com.amazonaws.vpce.us-east-1.${Service}', SubnetIds: [!Ref Subnet], PrivateDnsEnabled: true}}";
    let refused = drawn(&template(consumer));
    assert!(refused.contains("has not verified the private DNS name"), "{refused}");
    assert!(
        refused.contains(&format!("`{}.api.example.com`", proof.record_name)),
        "the help says what is missing: {refused}"
    );
    let record = format!(
        "Proof: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Zone, Name: {}.api.example.com, Type: TXT, TTL: 60, ResourceRecords: ['\"{}\"']}}}}\n  {consumer}",
        proof.record_name, proof.record_value
    );
    let proved = lab(&template(&record));
    let service = proved.world.vpc_endpoint_services.values().next().unwrap();
    assert_eq!(service.private_dns.as_ref().unwrap().state, PrivateDnsState::Verified);
    let endpoint = proved.world.vpc_endpoints.values().next().unwrap();
    assert_eq!(endpoint.private_names().collect::<Vec<_>>(), ["api.example.com"]);
}

const TWO_ACCOUNTS: &str =
    "stacks: {a: {template: t.yaml, account: '111111111111'}, b: {template: t.yaml, account: '222222222222'}}\n";
const ZONES_TEMPLATE: &str = "
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  First: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: !Select [0, !GetAZs '']}}
  Fourth: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZoneId: use1-az4}}
Outputs:
  First: {Value: !GetAtt First.AvailabilityZoneId}
  Fourth: {Value: !GetAtt Fourth.AvailabilityZone}
";

#[test]
fn a_lab_says_what_accounts_call_the_zones() {
    let lab_yaml = format!(
        "{TWO_ACCOUNTS}availability_zones: {{'222222222222': {{us-east-1a: use1-az4, us-east-1b: use1-az1}}}}\n"
    );
    let files = Memory::new([("l/lab.yaml", lab_yaml.as_str()), ("l/t.yaml", ZONES_TEMPLATE)]);
    let lab = load(&files, Path::new("l/lab.yaml"), &LoadOptions::default()).unwrap();
    let of = |stack: usize| (lab.stacks[stack].outputs["First"].as_str(), lab.stacks[stack].outputs["Fourth"].as_str());
    assert_eq!(of(0), ("use1-az1", "us-east-1d"), "as ever where nothing is said");
    assert_eq!(of(1), ("use1-az4", "us-east-1a"));
}

/// Each with its message, its place (the first line is the stacks'), and its help.
#[test]
fn what_is_no_map_of_zones() {
    let ids = "its ids are use1-az1, use1-az2, use1-az3, use1-az4, use1-az5, use1-az6";
    for (zones, place, expected) in [
        ("[]", "2:21", "`availability_zones` must be a map, not a list|"),
        ("{'2222': {us-east-1a: use1-az1}}", "2:22", "`2222` is not an account: twelve digits, quoted in YAML|"),
        (
            "{'222222222222': us-east-1a}",
            "2:38",
            "zone names and ids are expected here, not text|write such as {us-east-1a: use1-az4}",
        ),
        ("{'222222222222': {us-east-9a: use1-az1}}", "2:39", "`us-east-9a` is not the name of an Availability Zone|"),
        ("{'222222222222': {us-east-1: use1-az1}}", "2:39", "`us-east-1` is not the name of an Availability Zone|"),
        (
            "{'222222222222': {us-west-1b: usw1-az1}}",
            "2:39",
            "us-west-1 has no Availability Zone `us-west-1b`|did you mean `us-west-1a`?",
        ),
        (
            "{'222222222222': {us-east-1a: use1-az7}}",
            "2:51",
            &format!("`use1-az7` is not the id of a zone of us-east-1|{ids}"),
        ),
        (
            "{'222222222222': {us-east-1a: euw1-az1}}",
            "2:51",
            &format!("`euw1-az1` is not the id of a zone of us-east-1|{ids}"),
        ),
        (
            "{'222222222222': {us-east-1a: [use1-az1]}}",
            "2:51",
            &format!("`` is not the id of a zone of us-east-1|{ids}"),
        ),
        (
            "{'222222222222': {us-east-1a: use1-az1, us-east-1b: use1-az1}}",
            "2:73",
            "`use1-az1` is the id of us-east-1a already|each zone has one name in an account",
        ),
    ] {
        let lab_yaml = format!("{TWO_ACCOUNTS}availability_zones: {zones}\n");
        let files = Memory::new([("l/lab.yaml", lab_yaml.as_str()), ("l/t.yaml", ZONES_TEMPLATE)]);
        let drawn = drawn_from(&files, "l/lab.yaml", &LoadOptions::default());
        let (message, help) = expected.split_once('|').expect("a message and its help");
        assert!(drawn.starts_with(&format!("error: {message}")), "{zones}\n{drawn}");
        assert!(drawn.contains(&format!("--> l/lab.yaml:{place}\n")), "{zones}: {place}\n{drawn}");
        assert_eq!(drawn.split_once("= help: ").map_or("", |(_, help)| help), help, "{zones}\n{drawn}");
    }
}
