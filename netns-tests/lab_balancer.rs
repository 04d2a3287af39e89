//! Health checks with real servers: a target that dies is left and comes back, and each reason for being unhealthy.

use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 2] = [
    ("balancer::a_target_that_dies_is_left_and_comes_back", a_target_that_dies_is_left_and_comes_back),
    ("balancer::each_unhealthy_target_says_why", each_unhealthy_target_says_why),
];

/// Told on every kind of link.
pub const ON_ALL_LINKS: [Story; 1] = [("balancer::tls_ends_at_the_balancer", tls_ends_at_the_balancer)];

/// A client, and servers in two zones that nobody has started yet.
const BASE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZone: us-east-1b}}
  Open: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: all, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: \"-1\", CidrIp: 10.0.0.0/16}]}}
  client: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  one: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.20, SecurityGroupIds: [!Ref Open], ImageId: ami-0}}
";

/// One balancer keeps to zones, the other does not; `two` is in zone b.
const TWO_ZONES: &str = "  two: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref B, PrivateIpAddress: 10.0.2.20, SecurityGroupIds: [!Ref Open], ImageId: ami-0}}
  Zonal: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: zonal, Type: network, Scheme: internal, Subnets: [!Ref A, !Ref B]}}
  ZonalGroup:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: zonal
      Protocol: TCP
      Port: 80
      VpcId: !Ref Vpc
      Targets: [{Id: !Ref one}, {Id: !Ref two}]
      HealthCheckProtocol: HTTP
      HealthyThresholdCount: 2
      Tags: [{Key: 'vpclab:HealthCheckIntervalMilliseconds', Value: '200'}]
  ZonalListener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Zonal, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref ZonalGroup}]}}
  Crossing: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: crossing, Type: network, Scheme: internal, Subnets: [!Ref A], LoadBalancerAttributes: [{Key: load_balancing.cross_zone.enabled, Value: 'true'}]}}
  CrossingGroup:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: crossing
      Protocol: TCP
      Port: 80
      VpcId: !Ref Vpc
      Targets: [{Id: !Ref one}, {Id: !Ref two}]
      TargetGroupAttributes: [{Key: deregistration_delay.timeout_seconds, Value: '2'}]
      Tags: [{Key: 'vpclab:HealthCheckIntervalMilliseconds', Value: '200'}]
  CrossingListener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Crossing, Protocol: TCP, Port: 80, DefaultActions: [{Type: forward, TargetGroupArn: !Ref CrossingGroup}]}}
";

/// A server in a guest, until it is dropped.
struct Server(Child);

impl Server {
    fn start(lab: &Lab, guest: &str) -> Result<Self> {
        let mut command = lab.command(&["exec", guest, "--", "vpclab", "echo", "--listen", "0.0.0.0:80"]);
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(silent.spawn().context("starting a server")?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// What DescribeTargetHealth says of a guest's instance in a target group.
fn health(lab: &Lab, group: &str, guest: &str) -> Result<Value> {
    let status = lab.json(&["status"])?;
    let instances = status["Instances"].as_array().context("instances")?;
    let id = &instances.iter().find(|it| it["Guest"] == guest).context("the guest")?["InstanceId"];
    let told = status["TargetHealthDescriptions"].as_array().context("target health")?;
    let of_target = |it: &&Value| it["TargetGroupName"] == group && it["Target"]["Id"] == *id;
    Ok(told.iter().find(of_target).map(|it| it["TargetHealth"].clone()).unwrap_or_default())
}

fn wait_for_state(lab: &Lab, group: &str, guest: &str, state: &str) -> Result<Value> {
    let of = || health(lab, group, guest).unwrap_or_default();
    wait_for(&format!("{guest} of {group} to be {state}"), || of()["State"] == state)
        .with_context(|| format!("it is {}", of()))?;
    Ok(of())
}

fn dns_name(lab: &Lab, balancer: &str) -> Result<String> {
    let status = lab.json(&["status"])?;
    let balancers = status["LoadBalancers"].as_array().context("load balancers")?;
    let found = balancers.iter().find(|it| it["LoadBalancerName"] == balancer).context("the load balancer")?;
    Ok(found["DNSName"].as_str().context("its name")?.to_owned())
}

/// The servers that answer a client's requests.
fn answering(lab: &Lab, name: &str, requests: usize) -> Result<Vec<String>> {
    let script = format!("for i in $(seq {requests}); do curl -sS --max-time 5 http://{name}/ || exit 1; done");
    let said = lab.exec("client", &["sh", "-c", &script])?.ok()?;
    let mut servers: Vec<String> =
        ["10-0-1-20", "10-0-2-20"].into_iter().filter(|it| said.contains(*it)).map(str::to_owned).collect();
    servers.sort();
    ensure!(!servers.is_empty(), "{said}");
    Ok(servers)
}

fn addresses(lab: &Lab, name: &str) -> Result<usize> {
    Ok(lab.exec("client", &["dig", "+short", name])?.ok()?.lines().count())
}

fn a_target_that_dies_is_left_and_comes_back(stage: &Stage) -> Result<()> {
    stage.write("zones.yaml", &[BASE, TWO_ZONES].concat())?;
    let lab = stage.start("zones", &["zones.yaml"])?;
    let (zonal, crossing) = (dns_name(&lab, "zonal")?, dns_name(&lab, "crossing")?);
    let _one = Server::start(&lab, "one")?;
    let two = Server::start(&lab, "two")?;
    for group in ["zonal", "crossing"] {
        for guest in ["one", "two"] {
            wait_for_state(&lab, group, guest, "healthy")?;
        }
    }
    ensure!(addresses(&lab, &zonal)? == 2);
    ensure!(answering(&lab, &crossing, 24)?.len() == 2, "both answer");

    drop(two);
    for group in ["zonal", "crossing"] {
        let told = wait_for_state(&lab, group, "two", "unhealthy")?;
        ensure!(told["Reason"] == "Target.FailedHealthChecks", "{told}");
    }
    ensure!(answering(&lab, &crossing, 24)? == ["10-0-1-20"]);
    ensure!(addresses(&lab, &zonal)? == 1, "its zone left the balancer's name");
    ensure!(addresses(&lab, &format!("us-east-1b.{zonal}"))? == 1, "the zone's own name stays");
    let text = lab.vpclab(&["status"])?.ok()?;
    ensure!(text.contains("unhealthy  Target.FailedHealthChecks"), "{text}");

    let _two = Server::start(&lab, "two")?;
    for group in ["zonal", "crossing"] {
        wait_for_state(&lab, group, "two", "healthy")?;
    }
    ensure!(addresses(&lab, &zonal)? == 2);
    ensure!(answering(&lab, &crossing, 24)?.len() == 2);

    // It leaves the group: drains for its delay, gets nothing new, and is forgotten.
    let without = TWO_ZONES.replacen(
        "Targets: [{Id: !Ref one}, {Id: !Ref two}]\n      TargetGroup",
        "Targets: [{Id: !Ref one}]\n      TargetGroup",
        1,
    );
    ensure!(without != TWO_ZONES);
    stage.write("zones.yaml", &[BASE, &without].concat())?;
    lab.vpclab(&["apply", "zones.yaml"])?.ok()?;
    let told = health(&lab, "crossing", "two")?;
    ensure!(told["State"] == "draining" && told["Reason"] == "Target.DeregistrationInProgress", "{told}");
    ensure!(answering(&lab, &crossing, 24)? == ["10-0-1-20"]);
    ensure!(health(&lab, "zonal", "two")?["State"] == "healthy", "what is known stays known");
    wait_for("the end of its delay", || health(&lab, "crossing", "two").is_ok_and(|told| told.is_null()))
}

/// Targets that fail each in its own way, all checked fast.
const UNWELL: &str = "  Closed: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: nobody, VpcId: !Ref Vpc, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 10.0.1.10/32}]}}
  closed: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref A, PrivateIpAddress: 10.0.1.21, SecurityGroupIds: [!Ref Closed], ImageId: ami-0}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: unwell, Type: network, Scheme: internal, Subnets: [!Ref A]}}
";

/// A group with one target, and its listener.
fn group(name: &str, port: u16, target: &str, check: &str) -> String {
    let pascal = name.to_uppercase();
    format!(
        "  {pascal}:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      Name: {name}
      Protocol: TCP
      Port: 80
      VpcId: !Ref Vpc
      Targets: [{{Id: !Ref {target}}}]
      Tags: [{{Key: 'vpclab:HealthCheckIntervalMilliseconds', Value: '200'}}]
{check}
  {pascal}Listener: {{Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {{LoadBalancerArn: !Ref Balancer, Protocol: TCP, Port: {port}, DefaultActions: [{{Type: forward, TargetGroupArn: !Ref {pascal}}}]}}}}
"
    )
}

fn each_unhealthy_target_says_why(stage: &Stage) -> Result<()> {
    copy_program(&std::env::current_exe()?, &stage.path().join("story-program"))?;
    let groups = [
        group("blocked", 81, "closed", ""),
        group("mismatch", 82, "one", "      HealthCheckProtocol: HTTP\n      Matcher: {HttpCode: '404'}"),
        group("silent", 83, "one", "      HealthCheckProtocol: HTTP\n      HealthCheckPort: '8080'"),
        group("plain", 84, "one", "      HealthCheckProtocol: HTTPS"),
        group("well", 85, "one", "      TargetGroupAttributes: [{Key: proxy_protocol_v2.enabled, Value: 'true'}]"),
    ];
    stage.write("unwell.yaml", &[&[BASE.to_owned(), UNWELL.to_owned()], &groups[..]].concat().concat())?;
    let lab = stage.start("unwell", &["unwell.yaml"])?;
    let _one = Server::start(&lab, "one")?;
    // It takes connections, as its kernel does, and says nothing in them.
    let mut silent = lab.command(&["exec", "one", "--", "./story-program", "--role", "silent"]);
    let _silent = Server(silent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);

    let expected = [
        ("blocked", "closed", "Target.Timeout"),
        ("mismatch", "one", "Target.ResponseCodeMismatch"),
        ("silent", "one", "Target.Timeout"),
        ("plain", "one", "Target.FailedHealthChecks"),
    ];
    for (group, guest, reason) in expected {
        let because =
            || health(&lab, group, guest).is_ok_and(|it| it["State"] == "unhealthy" && it["Reason"] == reason);
        wait_for(&format!("{group} to be unhealthy for {reason}"), because)
            .with_context(|| format!("it is {:?}", health(&lab, group, guest)))?;
    }
    let told = health(&lab, "mismatch", "one")?;
    ensure!(told["Description"] == "Health checks failed with these codes: [200]", "{told}");
    ensure!(wait_for_state(&lab, "well", "one", "healthy")?["Reason"].is_null());

    // The node's check is a packet of its own, and whoever refuses it is named.
    let drops = lab.vpclab(&["drops"])?.ok()?;
    let line = drops.lines().find(|line| line.contains("> 10.0.1.21:80 tcp")).with_context(|| drops.clone())?;
    ensure!(line.contains("load-balancers: 10.0.1.") && line.contains("unwell/Closed"), "{line}");

    // The only target is unhealthy: it is used all the same, and trace says so.
    let name = dns_name(&lab, "unwell")?;
    let body = lab.exec("client", &["curl", "-sS", "--max-time", "5", &format!("http://{name}:82/")])?.ok()?;
    ensure!(body.contains("vpclab echo"), "{body}");
    let trace = lab.vpclab(&["trace", "client", &format!("{name}:82")])?.ok()?;
    ensure!(trace.contains("which is unhealthy: too few targets are healthy, so all are used (fail-open)"), "{trace}");
    Ok(())
}

/// A TLS listener, in the VPC and behind an endpoint whose service has a private name.
const SECURE: &str = "  Certificate: {Type: AWS::CertificateManager::Certificate, Properties: {DomainName: orders.example.com}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: secure, Type: network, Scheme: internal, Subnets: [!Ref A]}}
  Group: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Name: secure, Protocol: TCP, Port: 80, VpcId: !Ref Vpc, Targets: [{Id: !Ref one}], Tags: [{Key: 'vpclab:HealthCheckIntervalMilliseconds', Value: '200'}]}}
  Listener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Protocol: TLS, Port: 443, Certificates: [{CertificateArn: !Ref Certificate}], DefaultActions: [{Type: forward, TargetGroupArn: !Ref Group}]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer], AcceptanceRequired: false}}
  Consumer: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true}}
  Far: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Consumer, CidrBlock: 10.0.1.0/24, AvailabilityZone: us-east-1a}}
  Https: {Type: AWS::EC2::SecurityGroup, Properties: {GroupDescription: https, VpcId: !Ref Consumer, SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 10.0.0.0/16}]}}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Consumer, VpcEndpointType: Interface, ServiceName: !Sub 'com.amazonaws.vpce.us-east-1.${Service}', SubnetIds: [!Ref Far], SecurityGroupIds: [!Ref Https]}}
  far: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Far, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
Outputs:
  Name: {Value: !GetAtt Balancer.DNSName}
";

fn tls_ends_at_the_balancer(stage: &Stage) -> Result<()> {
    stage.write("secure.yaml", &[BASE, SECURE].concat())?;
    let lab = stage.start("secure", &["secure.yaml"])?;
    let _one = Server::start(&lab, "one")?;
    wait_for_state(&lab, "secure", "one", "healthy")?;
    let node = {
        let status = lab.json(&["status"])?;
        let zone = &status["LoadBalancers"][0]["AvailabilityZones"][0];
        zone["LoadBalancerAddresses"][0]["PrivateIPv4Address"].as_str().context("the node's address")?.to_owned()
    };
    let ask = |guest: &str, name: &str, more: &[&str]| -> Result<String> {
        let url = format!("https://{name}/");
        lab.exec(guest, &[&["curl", "-sS", "--max-time", "10", &url], more].concat())?.ok()
    };
    let name = dns_name(&lab, "secure")?;
    let endpoint = lab.endpoint("Endpoint")?["dns_names"][0].as_str().context("its name")?.to_owned();
    for (guest, name) in [("client", &name), ("far", &endpoint)] {
        let body = ask(guest, name, &[]).with_context(|| format!("from {guest}"))?;
        ensure!(body.contains("vpclab echo") && body.contains(&format!("\"{node}:")), "from the node: {body}");
    }
    // The certificate is of the name that is asked for, and of no other.
    let address = format!("orders.example.com:443:{node}");
    ask("client", "orders.example.com", &["--resolve", &address])?;
    // What does not fit into one segment, both ways.
    let large = "curl -sS --max-time 20 -o /dev/null -w '%{http_code}' --data-binary @/dev/stdin";
    let script = format!("head -c 3000000 /dev/zero | {large} https://{name}/");
    let code = lab.exec("client", &["sh", "-c", &script])?.ok()?;
    ensure!(code == "200", "{code}");
    let trace = lab.vpclab(&["trace", "client", &format!("{name}:443")])?.ok()?;
    ensure!(trace.contains("ends its TLS, and speaks to a target on a connection of its own"), "{trace}");
    ensure!(!trace.contains("240."), "the stand-ins are nobody's to see: {trace}");
    let flows = lab.vpclab(&["flows"])?.ok()?;
    ensure!(!flows.contains("240."), "{flows}");
    drop(lab);
    // What must hold of it can be said: by the tables alone, and with real packets.
    stage.write("secure.test.yaml", "expect: [{from: client, to: '${secure.Name}:443', via: Balancer}]")?;
    stage.run(&["test", "--static", "secure.yaml"])?.ok()?;
    stage.run(&["test", "secure.yaml"])?.ok()?;
    Ok(())
}

/// A server that takes connections and never answers.
pub fn say_nothing() -> Result<()> {
    let _listener = std::net::TcpListener::bind("0.0.0.0:8080")?;
    loop {
        std::thread::park();
    }
}
