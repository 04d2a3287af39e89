//! Instance metadata with real clients (B10): sessions and version 1, whose identity each guest reads, a role's credentials in
//! the AWS CLI, and how far a session's token goes, on the wire and behind one more hop.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vpclab::packet::{Packet, Parsed, parse};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 2] = [
    ("metadata::each_instance_reads_its_own_as_its_options_say", each_instance_reads_its_own_as_its_options_say),
    ("metadata::a_token_goes_as_far_as_its_hop_limit", a_token_goes_as_far_as_its_hop_limit),
];

/// Of clients that only their own user may be able to look at.
pub const WITH_CLIENTS: [Story; 1] = [(
    "metadata::the_aws_cli_is_the_role_where_sessions_are_required",
    the_aws_cli_is_the_role_where_sessions_are_required,
)];

/// `near` has AWS's own hop limit, 1; `far` that for containers, 2.
const LAB: &str = r#"Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Https: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: https, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]}}
  Sts: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Vpc, ServiceName: !Sub "com.amazonaws.${AWS::Region}.sts", SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Https], PrivateDnsEnabled: true}}
  Role: {Type: AWS::IAM::Role, Properties: {RoleName: worker, AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]}}}
  Profile: {Type: AWS::IAM::InstanceProfile, Properties: {Roles: [!Ref Role]}}
  near: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0, IamInstanceProfile: !Ref Profile, MetadataOptions: {HttpTokens: required}}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.11, ImageId: ami-0, MetadataOptions: {HttpTokens: optional, HttpPutResponseHopLimit: 2}}}
"#;

const SERVICE: &str = "http://169.254.169.254";
const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds: 60";

/// `curl`'s body and status, or how it failed, and nothing of its bar.
const CURL: [&str; 6] = ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}"];

/// Body and status of a request by `curl` in a guest.
fn ask(lab: &Lab<'_>, guest: &str, path: &str, more: &[&str]) -> Result<(String, u16)> {
    let url = format!("{SERVICE}{path}");
    let said =
        lab.exec(guest, &[&CURL[..], more, &[&url]].concat())?.ok().with_context(|| format!("{guest}: {path}"))?;
    let (body, status) = said.rsplit_once('\n').context("a status behind the body")?;
    Ok((body.to_owned(), status.parse()?))
}

/// The header that opens an instance's metadata.
fn session(lab: &Lab<'_>, guest: &str) -> Result<String> {
    let (token, status) = ask(lab, guest, "/latest/api/token", &["-X", "PUT", "-H", TTL])?;
    ensure!(status == 200, "{guest}: {status} {token}");
    Ok(format!("X-aws-ec2-metadata-token: {token}"))
}

fn each_instance_reads_its_own_as_its_options_say(stage: &Stage) -> Result<()> {
    stage.write("metadata.yaml", LAB)?;
    let lab = stage.start("metadata", &["metadata.yaml"])?;
    let status = lab.json(&["status"])?;
    let mut seen = Vec::new();
    for (guest, address, without) in [("near", "10.0.1.10", 401), ("far", "10.0.1.11", 200)] {
        let (_, said) = ask(&lab, guest, "/latest/meta-data/instance-id", &[])?;
        ensure!(said == without, "{guest} without a token: {said}");
        let header = session(&lab, guest)?;
        let read = |path: &str| -> Result<String> {
            let (body, status) = ask(&lab, guest, path, &["-H", &header])?;
            ensure!(status == 200, "{guest}: {path}: {status}");
            Ok(body)
        };
        let instances = status["Instances"].as_array().context("instances")?;
        let expected = instances.iter().find(|it| it["Guest"] == guest).context("the instance")?;
        let id = read("/latest/meta-data/instance-id")?;
        ensure!(expected["InstanceId"] == id.as_str(), "{id} in {expected}");
        ensure!(read("/latest/meta-data/local-ipv4")? == address);
        let document: Value = serde_json::from_str(&read("/latest/dynamic/instance-identity/document")?)?;
        ensure!(document["instanceId"] == id.as_str() && document["privateIp"] == address, "{document}");
        seen.push((id, header));
    }
    ensure!(seen[0].0 != seen[1].0, "each reads its own: {}", seen[0].0);
    // A token is one instance's, wherever else it is carried.
    let (_, said) = ask(&lab, "far", "/latest/meta-data/instance-id", &["-H", &seen[0].1])?;
    ensure!(said == 401, "another instance's token: {said}");
    let proxied = ["-X", "PUT", "-H", TTL, "-H", "X-Forwarded-For: 10.0.1.10"];
    let (body, said) = ask(&lab, "near", "/latest/api/token", &proxied)?;
    ensure!(said == 403 && body.contains("403 - Forbidden"), "what a proxy passes on is refused: {said} {body}");
    let (_, said) = ask(&lab, "near", "/latest/api/token", &["-X", "PUT"])?;
    ensure!(said == 400, "a session without an end: {said}");
    Ok(())
}

fn the_aws_cli_is_the_role_where_sessions_are_required(stage: &Stage) -> Result<()> {
    stage.write("metadata.yaml", LAB)?;
    let lab = stage.start("metadata", &["metadata.yaml"])?;
    let header = session(&lab, "near")?;
    let (id, _) = ask(&lab, "near", "/latest/meta-data/instance-id", &["-H", &header])?;
    let path = "/latest/meta-data/iam/security-credentials/worker";
    let (_, without) = ask(&lab, "near", path, &[])?;
    ensure!(without == 401, "credentials are for sessions only: {without}");
    let said = lab.exec("near", &["aws", "sts", "get-caller-identity"])?.ok()?;
    let said: Value = serde_json::from_str(&said)?;
    let expected = format!("arn:aws:sts::123456789012:assumed-role/worker/{id}");
    ensure!(said["Arn"] == expected.as_str(), "{said} instead of {expected}");
    Ok(())
}

/// Runs `$1` behind one more hop, as a container on a bridge is: a namespace inside the guest, which forwards and masquerades.
const CONTAINER: &str = r#"set -e
unshare --net sleep 120 & container=$!
trap 'kill $container' EXIT
while [ "$(readlink /proc/$container/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add docker0 type veth peer name eth0 netns $container
ip address add 172.17.0.1/24 dev docker0
ip link set docker0 up
nft -f - <<'RULES'
table ip nat {
  chain out {
    type nat hook postrouting priority 100
    ip saddr 172.17.0.0/24 masquerade
  }
}
RULES
echo 1 > /proc/sys/net/ipv4/ip_forward
nsenter -t $container --net sh -c '
  ip address add 172.17.0.2/24 dev eth0
  ip link set eth0 up
  ip route add default via 172.17.0.1'
nsenter -t $container --net sh -c "$1"
"#;

fn a_token_goes_as_far_as_its_hop_limit(stage: &Stage) -> Result<()> {
    stage.write("metadata.yaml", LAB)?;
    let lab = stage.up("metadata", &["metadata.yaml"])?;
    for (guest, limit) in [("near", 1), ("far", 2)] {
        session(&lab, guest)?;
        let header = session(&lab, guest)?;
        ask(&lab, guest, "/latest/meta-data/instance-id", &["-H", &header])?;
        // Waiting for what must not come is this story's only wait.
        let put = format!("curl -sS --max-time 2 -X PUT {SERVICE}/latest/api/token -H '{TTL}'; echo \" $?\"");
        let get = format!("{} {SERVICE}/latest/meta-data/instance-id", CURL[..4].join(" "));
        let status = "-o /dev/null -w ' %{http_code}'";
        let done = lab.exec(guest, &["sh", "-c", CONTAINER, "sh", &format!("{put}; {get} {status}")])?;
        let lines: Vec<&str> = done.stdout.lines().collect();
        let [put, get] = lines[..] else { anyhow::bail!("{done:?}") };
        match limit {
            // 28 is curl's time-out. The service is there all the same, as it says what it wants.
            1 => ensure!(put == " 28" && get == " 401", "{done:?}"),
            _ => ensure!(put.ends_with("= 0") && get == " 200", "{done:?}"),
        }
        // The capture's file is written behind the wire.
        let whole = |seen: BTreeMap<u16, Answer>| seen.len() >= 5 && seen.values().all(|it| !it.ttls.is_empty());
        wait_for("five answers in the capture", || answers(&lab, guest).is_ok_and(whole))?;
        for (port, answer) in answers(&lab, guest)? {
            let expected = if answer.put { limit } else { 64 };
            let right = answer.ttls.iter().all(|ttl| *ttl == expected) && !answer.ttls.is_empty();
            ensure!(right, "{guest}: to port {port}, {expected} expected: {answer:?}");
            ensure!(answer.handshake == 64, "only the answer itself is kept near: {answer:?}");
        }
    }
    Ok(())
}

/// What came of one connection to the service.
#[derive(Debug, Default)]
struct Answer {
    /// It asked for a token.
    put: bool,
    /// TTL of the answer to its SYN.
    handshake: u8,
    /// TTLs of the frames with bytes of the answer.
    ttls: Vec<u8>,
}

/// The service's answers on a guest's wire, by the guest's port.
fn answers(lab: &Lab<'_>, guest: &str) -> Result<BTreeMap<u16, Answer>> {
    let mut answers = BTreeMap::<u16, Answer>::new();
    for frame in lab.frames(guest)? {
        let Ok(Parsed::Ipv4(packet)) = parse(&frame) else { continue };
        let Packet { source_port, destination_port, payload_offset, payload_len, .. } = packet;
        if destination_port == 80 && payload_len > 0 {
            answers.entry(source_port).or_default().put |= frame[payload_offset..].starts_with(b"PUT ");
        } else if source_port == 80 && payload_len > 0 {
            answers.entry(destination_port).or_default().ttls.push(packet.ttl);
        } else if source_port == 80 && packet.tcp_flags & vpclab::packet::tcp_flags::SYN != 0 {
            answers.entry(destination_port).or_default().handshake = packet.ttl;
        }
    }
    Ok(answers)
}
