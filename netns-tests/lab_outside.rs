//! Beyond the VPC with real kernels: the internet guest, Elastic IPs, a NAT gateway as a hop, path MTU discovery by ping and by
//! TCP, and a guest on premises with its questions to an inbound resolver endpoint.

use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 4] = [
    ("outside::pings_find_out_the_path", pings_find_out_the_path),
    ("outside::tcp_finds_out_the_path", tcp_finds_out_the_path),
    ("outside::on_premises_reaches_interface_endpoints_only", on_premises_reaches_interface_endpoints_only),
    ("outside::on_premises_asks_an_inbound_resolver", on_premises_asks_an_inbound_resolver),
];

const INTERNET: &str = "198.51.100.10";

/// What examples/nat-vs-endpoint.yaml has, and a server with an Elastic IP in the public subnet.
const SERVER: &str = "
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: All, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 0.0.0.0/0}]}}
  server: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref PublicSubnet, PrivateIpAddress: 10.0.0.80, SecurityGroupIds: [!Ref Open], ImageId: ami-0, UserData: !Base64 \"#!/bin/sh\\nvpclab echo --listen 0.0.0.0:80 &\\n\"}}
  ServerAddress: {Type: AWS::EC2::EIP, DependsOn: Attachment, Properties: {Domain: vpc, InstanceId: !Ref server}}
";

fn two_ways_out<'s>(stage: &'s Stage) -> Result<Lab<'s>> {
    let example = include_str!("../examples/nat-vs-endpoint.yaml");
    let (resources, outputs) = example.split_once("\nOutputs:").context("the example has outputs")?;
    stage.write("outside.yaml", &format!("{resources}\n{SERVER}\nOutputs:{outputs}"))?;
    stage.up("outside", &["outside.yaml"])
}

/// The public address of `server`, as `status` has it.
fn public_address(lab: &Lab) -> Result<String> {
    let status = lab.json(&["status"])?;
    let addresses = status["Addresses"].as_array().context("addresses")?;
    let of_server = addresses.iter().find(|it| it["PrivateIpAddress"] == "10.0.0.80").context("the server's")?;
    Ok(of_server["PublicIp"].as_str().context("its public address")?.to_owned())
}

/// One echo request of that many bytes of payload; what ping printed, errors included.
fn ping(lab: &Lab, guest: &str, more: &[&str], to: &str) -> Result<(bool, String)> {
    let ping = [&["ping", "-n", "-c", "1", "-W", "3"], more, &[to]].concat();
    let done = lab.exec(guest, &ping)?;
    Ok((done.code() == 0, format!("{}{}", done.stdout, done.stderr)))
}

fn pings_find_out_the_path(stage: &Stage) -> Result<()> {
    let lab = two_ways_out(stage)?;
    let server = public_address(&lab)?;
    for (guest, to) in [("natted", INTERNET), ("server", INTERNET), ("internet", &server), ("natted", "10.0.0.80")] {
        let (answered, said) = ping(&lab, guest, &[], to)?;
        ensure!(answered, "{guest} to {to}: {said}");
    }
    // The NAT gateway is a hop (B7), by its private address; the internet gateway and the router are none.
    let (answered, said) = ping(&lab, "natted", &["-t", "1"], INTERNET)?;
    ensure!(
        !answered && said.contains("From 10.0.0.") && said.to_lowercase().contains("time to live exceeded"),
        "{said}"
    );
    let (answered, said) = ping(&lab, "server", &["-t", "1"], INTERNET)?;
    ensure!(answered, "{said}");

    // An internet gateway carries 1,500 bytes: 1,472 of payload behind two headers (B1.5).
    let (answered, said) = ping(&lab, "server", &["-M", "do", "-s", "1472"], INTERNET)?;
    ensure!(answered, "{said}");
    let (answered, said) = ping(&lab, "server", &["-M", "do", "-s", "1473"], INTERNET)?;
    ensure!(!answered && said.contains("mtu") && said.contains("1500"), "{said}");
    let route = lab.exec("server", &["ip", "route", "get", INTERNET])?.ok()?;
    ensure!(route.contains("mtu 1500"), "its kernel has learned it: {route}");
    // From a guest that knows nothing yet, hop by hop: the MTU shrinks on the way, and the NAT gateway is the one hop.
    let path = lab.exec("natted", &["tracepath", "-n", INTERNET])?.ok()?;
    ensure!(path.contains("pmtu 1500") && path.contains(" 10.0.0.") && path.contains("reached"), "{path}");
    ensure!(path.contains("Resume: pmtu 1500 hops 2"), "{path}");
    // Without DF it goes in pieces, both ways.
    let (answered, said) = ping(&lab, "internet", &["-M", "dont", "-s", "4000"], &server)?;
    ensure!(answered, "{said}");
    // Inside the VPC nothing is too large but what is over 9,001.
    let (answered, said) = ping(&lab, "natted", &["-M", "do", "-s", "8973"], "10.0.0.80")?;
    ensure!(answered, "{said}");
    Ok(())
}

/// `vpclab echo` in a guest that no template can give a first boot.
struct Server(Child);

impl Server {
    fn start(lab: &Lab, guest: &str) -> Result<Self> {
        let echo = ["exec", guest, "--", "vpclab", "echo", "--listen", "0.0.0.0:80"];
        let child = lab.command(&echo).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let started = Self(child);
        let listens = || {
            let sockets = lab.exec(guest, &["cat", "/proc/net/tcp"]).and_then(Done::ok).unwrap_or_default();
            sockets.contains(":0050 ")
        };
        wait_for("a server to listen", listens)?;
        Ok(started)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tcp_finds_out_the_path(stage: &Stage) -> Result<()> {
    let lab = two_ways_out(stage)?;
    let server = public_address(&lab)?;
    let _internet = Server::start(&lab, "internet")?;
    // In from the internet by the Elastic IP: the instance sees the real client and knows its private address only.
    let said = lab.exec("internet", &["curl", "-sS", "--max-time", "10", &format!("http://{server}/")])?.ok()?;
    ensure!(
        said.contains(&format!("\"client\":\"{INTERNET}:")) && said.contains("\"server\":\"10.0.0.80:80\""),
        "{said}"
    );
    // Out through the NAT gateway: the other side sees the Elastic IP.
    let said = lab.exec("natted", &["curl", "-sS", "--max-time", "10", &format!("http://{INTERNET}/")])?.ok()?;
    ensure!(said.contains("\"client\":\"203.0.113."), "{said}");
    // A megabyte from guests with an MTU of 9,001 over a path of 1,500: their kernels hear of it and go on.
    stage.write("megabyte", &"x".repeat(1 << 20))?;
    for guest in ["natted", "server"] {
        let post =
            ["curl", "-sS", "--fail", "--max-time", "20", "--data-binary", "@megabyte", &format!("http://{INTERNET}/")];
        lab.exec(guest, &post)?.ok().with_context(|| format!("{guest} sends a megabyte"))?;
    }
    let drops = lab.vpclab(&["drops", "server"])?.ok()?;
    ensure!(drops.contains("PATH_MTU_EXCEEDED"), "the first ones were too large: {drops}");
    Ok(())
}

const ON_PREMISES: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  Vpn: {Type: AWS::EC2::VPNGateway, Properties: {Type: ipsec.1}}
  Attached: {Type: AWS::EC2::VPCGatewayAttachment, Properties: {VpcId: !Ref Vpc, VpnGatewayId: !Ref Vpn}}
  office: {Type: AWS::EC2::CustomerGateway, Properties: {Type: ipsec.1, IpAddress: 203.0.113.250, BgpAsn: 65000}}
  Tunnel: {Type: AWS::EC2::VPNConnection, Properties: {Type: ipsec.1, StaticRoutesOnly: true, CustomerGatewayId: !Ref office, VpnGatewayId: !Ref Vpn}}
  Network: {Type: AWS::EC2::VPNConnectionRoute, Properties: {VpnConnectionId: !Ref Tunnel, DestinationCidrBlock: 192.168.0.0/24}}
  Propagation: {Type: AWS::EC2::VPNGatewayRoutePropagation, DependsOn: Attached, Properties: {VpnGatewayId: !Ref Vpn, RouteTableIds: [!Ref Routes]}}
  S3: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.s3\", RouteTableIds: [!Ref Routes]}}
  FromOffice: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: HTTPS, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 192.168.0.0/24}]}}
  Queue: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcEndpointType: Interface, VpcId: !Ref Vpc, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.sqs\", SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref FromOffice]}}
";

fn on_premises_reaches_interface_endpoints_only(stage: &Stage) -> Result<()> {
    stage.write("office.yaml", ON_PREMISES)?;
    let lab = stage.up("office", &["office.yaml"])?;
    // Endpoint names are public DNS: they resolve anywhere, to private addresses (B3.3).
    let name = lab.endpoint("Queue")?["dns_names"][0].as_str().context("a name")?.to_owned();
    let status =
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", &format!("https://{name}/")];
    let said = lab.exec("office", &status)?.ok()?;
    ensure!(said == "403", "who does not sign is told so by the service: {said}");
    let s3 = ["curl", "-sS", "--max-time", "2", "https://s3.us-east-1.amazonaws.com/"];
    let curl = lab.exec("office", &s3)?;
    ensure!(
        curl.code() != 0 && curl.stderr.contains("virtual private gateway"),
        "and never a gateway endpoint: {curl:?}"
    );
    let trace = lab.json(&["trace", "office", "s3.us-east-1.amazonaws.com:443"])?;
    ensure!(trace["NetworkPathFound"] == false, "{trace}");
    Ok(())
}

/// S3 by both kinds of endpoints, the interface endpoint's private names for questions from outside, and where those are asked.
const INBOUND: &str = "
  FromOfficeDns: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: DNS, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: udp, FromPort: 53, ToPort: 53, CidrIp: 192.168.0.0/24}, {IpProtocol: tcp, FromPort: 53, ToPort: 53, CidrIp: 192.168.0.0/24}]}}
  Inbound: {Type: AWS::Route53Resolver::ResolverEndpoint, Properties: {Direction: INBOUND, SecurityGroupIds: [!Ref FromOfficeDns], IpAddresses: [{SubnetId: !Ref Subnet, Ip: 10.0.1.53}, {SubnetId: !Ref Subnet, Ip: 10.0.1.54}]}}
  Inside: {Type: AWS::EC2::VPCEndpoint, DependsOn: S3, Properties: {VpcEndpointType: Interface, VpcId: !Ref Vpc, ServiceName: !Sub \"com.amazonaws.${AWS::Region}.s3\", SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref FromOffice], PrivateDnsEnabled: true}}
  Data: {Type: AWS::S3::Bucket, Properties: {BucketName: of-the-office}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0}}
";

fn on_premises_asks_an_inbound_resolver(stage: &Stage) -> Result<()> {
    let template = ON_PREMISES.replace("CidrBlock: 10.0.0.0/16}", "CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true}");
    stage.write("inbound.yaml", &format!("{template}{INBOUND}"))?;
    let lab = stage.up("inbound", &["inbound.yaml"])?;
    let inside = lab.endpoint("Inside")?["private_ip_addresses"][0].as_str().context("an address")?.to_owned();
    let name = "of-the-office.s3.us-east-1.amazonaws.com";
    let dig = |guest: &str, more: &[&str]| -> Result<String> {
        let dig = [&["dig", "+short", "+tries=1", "+time=2"], more, &[name]].concat();
        Ok(lab.exec(guest, &dig)?.stdout)
    };
    for more in [&["@10.0.1.53"][..], &["@10.0.1.54", "+tcp"]] {
        let said = dig("office", more)?;
        ensure!(said.trim() == inside, "{more:?}: {said}");
    }
    for guest in ["app", "office"] {
        let said = dig(guest, &[])?;
        ensure!(!said.is_empty() && !said.contains(&inside), "{guest} asks its own resolver: {said}");
    }
    // A group of the endpoint's decides, which base+2 does not have.
    let said = dig("app", &["@10.0.1.53"])?;
    ensure!(!said.contains(&inside), "nobody lets the VPC's own guests ask: {said}");
    let drops = lab.vpclab(&["drops", "app"])?.ok()?;
    ensure!(drops.contains("ENI_SG_RULES_MISMATCH") && drops.contains("FromOfficeDns"), "{drops}");
    // With its resolver changed, as a network's administrator would, the office's own clients take the interface endpoint.
    let script = format!("echo nameserver 10.0.1.53 > /etc/resolv.conf; curl -sS --max-time 10 https://{name}/");
    let said = lab.exec("office", &["sh", "-c", &script])?.ok()?;
    ensure!(said.contains("<Code>AccessDenied</Code>"), "S3 answers, and knows nobody: {said}");
    let flows = lab.vpclab(&["flows", "office"])?.ok()?;
    ensure!(flows.contains(&format!("> {inside}:443")) && flows.contains("> 10.0.1.53:53"), "{flows}");
    Ok(())
}
