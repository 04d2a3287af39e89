//! Customers' own names by real `dig` and `curl`: hosted zones, and the private DNS name of an endpoint service.

use anyhow::{Context, Result, ensure};

use super::Story;
use super::harness::*;
use super::privatelink::{curl, first, refuses, said};

/// For every user.
pub const OPEN_STORIES: [Story; 1] =
    [("names::hosted_zones_are_heard_where_they_are_known", hosted_zones_are_heard_where_they_are_known)];

pub const STORIES: [Story; 1] = [("names::a_name_serves_once_it_is_proved", a_name_serves_once_it_is_proved)];

const ZONES: &str = r#"Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Gateway: {Type: AWS::EC2::InternetGateway}
  Attachment: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  Queue: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Vpc, ServiceName: !Sub "com.amazonaws.${AWS::Region}.sqs", SubnetIds: [!Ref Subnet]}}
  Far: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16, EnableDnsHostnames: true}}
  FarSubnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Far, CidrBlock: 10.1.1.0/24}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref FarSubnet, ImageId: ami-0}}
  Public: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com}}
  Records:
    Type: AWS::Route53::RecordSetGroup
    Properties:
      HostedZoneName: example.com.
      RecordSets:
        - {Name: www.example.com, Type: A, TTL: "300", ResourceRecords: [192.0.2.1, 192.0.2.2]}
        - {Name: "*.example.com", Type: CNAME, TTL: "300", ResourceRecords: [www.example.com]}
        - {Name: example.com, Type: TXT, TTL: "300", ResourceRecords: ['"v=spf1 " "-all"', '"said \"so\""']}
        - Name: queue.example.com
          Type: A
          AliasTarget:
            HostedZoneId: !Select [0, !Split [":", !Select [0, !GetAtt Queue.DnsEntries]]]
            DNSName: !Select [1, !Split [":", !Select [0, !GetAtt Queue.DnsEntries]]]
    DependsOn: Public
  Private: {Type: AWS::Route53::HostedZone, Properties: {Name: corp.internal, VPCs: [{VPCId: !Ref Vpc, VPCRegion: !Ref AWS::Region}]}}
  Db: {Type: AWS::Route53::RecordSet, Properties: {HostedZoneId: !Ref Private, Name: db.corp.internal, Type: A, TTL: "30", ResourceRecords: [10.0.1.77]}}
"#;

fn hosted_zones_are_heard_where_they_are_known(stage: &Stage) -> Result<()> {
    stage.write("zones.yaml", ZONES)?;
    let lab = stage.up("zones", &["zones.yaml"])?;
    let dig = |guest: &str, question: &[&str]| -> Result<Vec<String>> {
        let said = lab.exec(guest, &[&["dig", "+short", "+tries=1", "+time=2"], question].concat())?.ok()?;
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    };
    let queue = lab.endpoint("Queue")?["private_ip_addresses"][0].as_str().context("an address")?.to_owned();
    for guest in ["app", "far", "internet"] {
        for (question, expected) in [
            (&["www.example.com"][..], &["192.0.2.1", "192.0.2.2"][..]),
            (&["any.example.com"], &["192.0.2.1", "192.0.2.2", "www.example.com."]),
            (&["example.com", "TXT"], &["\"said \\\"so\\\"\"", "\"v=spf1 \" \"-all\""]),
            (&["example.com", "TXT", "+tcp"], &["\"said \\\"so\\\"\"", "\"v=spf1 \" \"-all\""]),
            // An alias is no CNAME: the address comes as the name's own.
            (&["queue.example.com"], &[queue.as_str()]),
            (&["queue.example.com", "CNAME"], &[]),
        ] {
            let answer = dig(guest, question)?;
            ensure!(answer == expected, "{guest} {question:?}: {answer:?}");
        }
        ensure!(dig(guest, &["example.com", "NS"])?.len() == 4, "{guest} hears of four name servers");
        let private = dig(guest, &["db.corp.internal"])?;
        let expected: &[&str] = if guest == "app" { &["10.0.1.77"] } else { &[] };
        ensure!(private == expected, "a private zone is its VPC's: {guest} {private:?}");
    }
    let status = lab.exec("far", &["dig", "+noall", "+comments", "+authority", "db.corp.internal"])?.ok()?;
    ensure!(status.contains("NXDOMAIN"), "and elsewhere there is no such name: {status}");
    let shown = lab.vpclab(&["status"])?.ok()?;
    ensure!(shown.contains("HostedZones") && shown.contains("corp.internal."), "{shown}");
    Ok(())
}

/// The provider names its service, proves the name by a record in its public zone, and accepts; the consumer uses the name.
fn a_name_serves_once_it_is_proved(stage: &Stage) -> Result<()> {
    stage.example("private-service")?;
    let file = |name: &str| stage.path().join(format!("private-service/{name}.yaml"));
    let provider =
        std::fs::read_to_string(file("provider"))?.replace("AcceptanceRequired: false", "AcceptanceRequired: true");
    let zone = "Resources:\n  Public: {Type: AWS::Route53::HostedZone, Properties: {Name: example.com}}\n";
    let provider = provider.replacen("Resources:\n", zone, 1);
    std::fs::write(file("provider"), &provider)?;
    let consumer = std::fs::read_to_string(file("consumer"))?;
    let named = consumer.replace("{CidrBlock: 10.0.0.0/16}", "{CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}");
    ensure!(named != consumer && provider.contains("AcceptanceRequired: true"), "the example is as it was");
    std::fs::write(file("consumer"), named)?;
    let lab = stage.up("names", &["private-service"])?;

    let waiting = said(&lab, "provider", &["describe-vpc-endpoint-connections"])?;
    let service = first(&waiting, "VpcEndpointConnections", "ServiceId")?;
    let endpoint = first(&waiting, "VpcEndpointConnections", "VpcEndpointId")?;
    let of_service = |verb: &str, more: &[&str]| {
        let arguments = [&[verb, "--service-id", service], more].concat();
        said(&lab, "provider", &arguments)
    };
    of_service("modify-vpc-endpoint-service-configuration", &["--private-dns-name", "api.example.com"])?;
    let configurations = ["describe-vpc-endpoint-service-configurations", "--service-ids", service];
    let configuration = || -> Result<serde_json::Value> {
        let seen = said(&lab, "provider", &configurations)?;
        Ok(seen["ServiceConfigurations"][0]["PrivateDnsNameConfiguration"].clone())
    };
    let proof = configuration()?;
    ensure!(proof["State"] == "pendingVerification" && proof["Type"] == "TXT", "{proof}");
    let enable = ["modify-vpc-endpoint", "--vpc-endpoint-id", endpoint, "--private-dns-enabled"];
    refuses(&lab, "consumer", &enable, "has not verified the private DNS name.")?;
    let verify = || of_service("start-vpc-endpoint-service-private-dns-verification", &[]);
    verify()?;
    ensure!(configuration()?["State"] == "failed", "there is no record: {}", configuration()?);
    refuses(&lab, "consumer", &enable, "(InvalidParameter)")?;

    // The record goes where the provider's other records are.
    let text = |member: &str| proof[member].as_str().context("a text").map(str::to_owned);
    let (label, value) = (text("Name")?, text("Value")?);
    let record = format!(
        "Resources:\n  Proof: {{Type: AWS::Route53::RecordSet, Properties: {{HostedZoneId: !Ref Public, Name: {label}.api.example.com, Type: TXT, TTL: \"60\", ResourceRecords: ['\"{value}\"']}}}}\n"
    );
    std::fs::write(file("provider"), provider.replacen("Resources:\n", &record, 1))?;
    lab.vpclab(&["apply", "private-service"])?.ok()?;
    let heard = lab.exec("client", &["dig", "+short", &format!("{label}.api.example.com"), "TXT"])?.ok()?;
    ensure!(heard.trim() == format!("\"{value}\""), "{heard}");
    verify()?;
    ensure!(configuration()?["State"] == "verified", "{}", configuration()?);
    said(&lab, "consumer", &enable)?;

    let url = "http://api.example.com/";
    let does_not_resolve = |when: &str| -> Result<()> {
        let done = curl(&lab, url)?;
        ensure!(done.code() == 6, "no address {when}: {done:?}");
        Ok(())
    };
    does_not_resolve("while the endpoint waits")?;
    of_service("accept-vpc-endpoint-connections", &["--vpc-endpoint-ids", endpoint])?;
    let body = curl(&lab, url)?.ok()?;
    ensure!(body.contains("vpclab echo"), "{body}");
    let elsewhere = lab.exec("server", &["dig", "+short", "api.example.com"])?.ok()?;
    ensure!(elsewhere.trim().is_empty(), "the name is the consumer's VPC's alone: {elsewhere}");
    of_service("reject-vpc-endpoint-connections", &["--vpc-endpoint-ids", endpoint])?;
    does_not_resolve("once it is rejected")
}
