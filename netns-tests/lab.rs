//! Whole labs with real clients: `curl` and `dig` in guests, on links with offload and without, as root and as an ordinary
//! user. Each story is told once per setting that this machine and user allow.

#![allow(clippy::disallowed_methods, reason = "the bans are the pure rooms'")]

#[path = "lab_backends.rs"]
mod backends;
#[path = "lab_balancer.rs"]
mod balancer;
#[path = "lab_cases.rs"]
mod cases;
#[path = "lab_clients.rs"]
mod clients;
#[path = "lab_events.rs"]
mod events;
#[path = "lab_expect.rs"]
mod expect;
#[path = "lab_flow_log.rs"]
mod flow_log;
#[path = "lab_harness.rs"]
mod harness;
#[path = "lab_life.rs"]
mod life;
#[path = "lab_metadata.rs"]
mod metadata;
#[path = "lab_names.rs"]
mod names;
#[path = "lab_offload.rs"]
mod offload;
#[path = "lab_one_way.rs"]
mod one_way;
#[path = "lab_outside.rs"]
mod outside;
#[path = "lab_privatelink.rs"]
mod privatelink;
#[path = "lab_proxy.rs"]
mod proxy;
#[path = "lab_sdk.rs"]
mod sdk;
#[path = "lab_services.rs"]
mod services;
#[path = "lab_tables.rs"]
mod tables;
#[path = "lab_tls.rs"]
mod tls;

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use harness::*;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

/// A story and its name.
type Story = (&'static str, fn(&Stage) -> Result<()>);

/// Told on every kind of link.
const STORIES: [Story; 5] = [
    ("gateway_endpoint", gateway_endpoint),
    ("no_route_is_a_named_drop", no_route_is_a_named_drop),
    ("private_service_between_overlapping_networks", private_service_between_overlapping_networks),
    ("private_dns_in_its_own_vpc_only", private_dns_in_its_own_vpc_only),
    ("offload::checksums_are_right", offload::checksums_are_right),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--role") {
        return offload::play(&args[2..]);
    }
    let mut trials = Vec::new();
    for setting in Setting::all() {
        let once = life::STORIES
            .into_iter()
            .chain(expect::STORIES)
            .chain(cases::STORIES)
            .chain(balancer::STORIES)
            .chain(events::OPEN_STORIES)
            .chain(outside::STORIES)
            .chain(metadata::STORIES)
            .chain(names::OPEN_STORIES)
            .chain(one_way::STORIES)
            .chain(privatelink::OPEN_STORIES)
            .chain(proxy::STORIES)
            .chain(services::STORIES)
            .chain(tls::STORIES);
        // Where they are installed, only their own user may be able to look.
        let with_clients = clients::STORIES
            .into_iter()
            .chain(backends::STORIES)
            .chain(events::STORIES)
            .chain(metadata::WITH_CLIENTS)
            .chain(names::STORIES)
            .chain(privatelink::STORIES)
            .chain(tables::WITH_CLIENTS);
        let with_clients = with_clients.filter(|_| setting.who == Who::Me);
        let once = once.chain(with_clients).filter(|_| !setting.plain_links);
        let stories = STORIES.into_iter().chain(flow_log::STORIES).chain(balancer::ON_ALL_LINKS).chain(once);
        for (name, story) in stories {
            trials.push(Trial::test(format!("{name}::{}", setting.name()), move || tell(setting, story)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn tell(setting: Setting, story: fn(&Stage) -> Result<()>) -> Result<(), libtest_mimic::Failed> {
    let stage = Stage::new(setting).map_err(|error| format!("{error:#}"))?;
    match story(&stage) {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error:#}\nlogs and captures: {}", stage.keep().display()).into()),
    }
}

const BUCKET: &str = "first-123456789012";
const HELLO: &str = "Hello from S3, through a VPC endpoint.\n";

fn gateway_endpoint(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.example("files")?;
    let lab = stage.up("first", &["first.yaml", "--seed", "Bucket=files"])?;
    for url in [
        format!("https://{BUCKET}.s3.us-east-1.amazonaws.com/hello.txt"),
        format!("http://{BUCKET}.s3.us-east-1.amazonaws.com/hello.txt"),
        format!("https://s3.us-east-1.amazonaws.com/{BUCKET}/hello.txt"),
        format!("http://s3.us-east-1.amazonaws.com/{BUCKET}/hello.txt"),
        format!("https://{BUCKET}.s3.amazonaws.com/hello.txt"),
    ] {
        let body = lab.exec("app", &["curl", "-sS", "--fail", "--max-time", "20", &url])?.ok().context(url)?;
        ensure!(body == HELLO, "{body}");
    }

    // DNS answers with addresses that the prefix list really has, and the wire shows nothing else.
    let status = lab.json(&["status"])?;
    let prefixes = s3_prefixes(&status)?;
    let answers = lab.exec("app", &["dig", "+short", "s3.us-east-1.amazonaws.com"])?.ok()?;
    let addresses: Vec<Ipv4Addr> = answers.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(!addresses.is_empty());
    for address in &addresses {
        ensure!(prefixes.iter().any(|prefix| prefix.contains(address)), "{address} is not in the prefix list");
    }
    let lines = lab.captured("app")?;
    let syn = lines.iter().find(|line| line.contains(":443 tcp SYN ")).context("a SYN in the capture")?;
    ensure!(syn.contains("app: 10.0.1.10:"), "{syn}");
    ensure!(!lines.iter().any(|line| line.contains("100.64.")), "the fabric is nobody's to see");

    ensure!(status["Instances"][0]["Guest"] == "app", "{}", status["Instances"]);
    let routes = status["RouteTables"].as_array().context("route tables")?;
    let endpoint = status["VpcEndpoints"][0]["VpcEndpointId"].as_str().context("an endpoint")?;
    let through = routes.iter().flat_map(|table| table["Routes"].as_array().into_iter().flatten());
    ensure!(through.clone().any(|route| route["GatewayId"] == endpoint), "the route stands in the table");
    let trace = lab.json(&["trace", "app", &format!("https://{BUCKET}.s3.us-east-1.amazonaws.com/")])?;
    ensure!(trace["NetworkPathFound"] == true && trace["Verdict"] == "delivered", "{trace}");
    Ok(())
}

fn s3_prefixes(status: &Value) -> Result<Vec<ipnet::Ipv4Net>> {
    let lists = status["PrefixLists"].as_array().context("prefix lists")?;
    let list = lists.iter().find(|list| list["PrefixListName"] == "com.amazonaws.us-east-1.s3").context("S3's list")?;
    list["Cidrs"]
        .as_array()
        .context("its blocks")?
        .iter()
        .map(|cidr| Ok(cidr.as_str().context("a block")?.parse()?))
        .collect()
}

const ISOLATED: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  SubnetRoutes: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0}}
";

fn no_route_is_a_named_drop(stage: &Stage) -> Result<()> {
    stage.write("isolated.yaml", ISOLATED)?;
    let lab = stage.up("isolated", &["isolated.yaml"])?;
    let mut follower = stage
        .command(&["--name", "isolated", "drops", "--follow"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let followed = BufReader::new(follower.stdout.take().context("its standard output")?);
    let url = "https://s3.us-east-1.amazonaws.com/";
    let curl = lab.exec("app", &["curl", "-sS", "--connect-timeout", "1", url])?;
    ensure!(curl.code() == 28, "curl times out: {curl:?}");
    for part in ["tcp  NO_ROUTE_TO_DESTINATION", "Routes", "isolated.yaml:4"] {
        ensure!(curl.stderr.contains(part), "{part} in {}", curl.stderr);
    }
    let good = lab.exec("app", &["true"])?;
    ensure!(good.stderr.is_empty(), "a command that succeeds hears nothing of drops: {}", good.stderr);
    let drops = lab.vpclab(&["drops", "app"])?.ok()?;
    ensure!(drops.contains("NO_ROUTE_TO_DESTINATION"), "{drops}");
    // Whoever follows heard of it, and is still there.
    let heard = followed.lines().map_while(Result::ok).find(|line| line.contains("tcp  NO_ROUTE_TO_DESTINATION"));
    ensure!(heard.is_some() && follower.try_wait()?.is_none(), "{heard:?}");
    follower.kill()?;
    follower.wait()?;
    let trace = lab.vpclab(&["trace", "app", url, "--json"])?;
    ensure!(trace.code() == 1, "{trace:?}");
    let report: Value = serde_json::from_str(&trace.stdout)?;
    ensure!(report["ExplanationCode"] == "NO_ROUTE_TO_DESTINATION" && report["NetworkPathFound"] == false, "{report}");
    let last = report["Hops"].as_array().and_then(|hops| hops.last()).context("hops")?;
    ensure!(last["Source"] == "isolated.yaml:4", "{last}");
    Ok(())
}

fn private_service_between_overlapping_networks(stage: &Stage) -> Result<()> {
    stage.example("private-service")?;
    let lab = stage.up("private", &["private-service"])?;
    let names = lab.endpoint("Endpoint")?["dns_names"].as_array().context("names")?;
    ensure!(names.len() == 3, "a regional name and one for each zone: {names:?}");
    for name in names.iter().filter_map(Value::as_str) {
        let answer = lab.exec("client", &["dig", "+noall", "+answer", name])?.ok()?;
        let ttls: Vec<&str> = answer.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        ensure!(!ttls.is_empty() && ttls.iter().all(|ttl| *ttl == "60"), "TTL 60 (B3.3): {answer}");
        let body =
            lab.exec("client", &["curl", "-sS", "--fail", "--max-time", "20", &format!("http://{name}/who")])?.ok()?;
        let said: Value = serde_json::from_str(&body)?;
        let seen = said["client"].as_str().context("who called")?;
        let nodes = ["10.0.1.", "10.0.2."];
        ensure!(nodes.iter().any(|node| seen.starts_with(node)), "{said}");
        ensure!(said["path"] == "/who" && said["server"].as_str().is_some_and(|it| it.ends_with(":80")), "{said}");
    }

    // The networks overlap; each wire shows its own VPC's addresses.
    let guests = lab.summary["guests"].as_array().context("guests")?;
    let address = |guest: &str| {
        let found = guests.iter().find(|it| it["guest"] == guest).context("a guest")?;
        found["private_ip_addresses"][0].as_str().map(str::to_owned).context("an address")
    };
    let endpoint: Vec<&str> = lab.endpoint("Endpoint")?["private_ip_addresses"]
        .as_array()
        .context("addresses")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let client = address("client")?;
    let status = lab.json(&["status"])?;
    let blocks = status["Vpcs"].as_array().context("VPCs")?.iter().map(|vpc| &vpc["CidrBlock"]);
    ensure!(blocks.clone().count() == 2 && blocks.clone().all(|block| block == "10.0.0.0/16"), "the networks overlap");
    let interfaces = status["NetworkInterfaces"].as_array().context("interfaces")?;
    let nodes: Vec<&str> = interfaces
        .iter()
        .filter(|interface| interface["InterfaceType"] == "network_load_balancer")
        .filter_map(|interface| interface["PrivateIpAddress"].as_str())
        .collect();
    ensure!(nodes.len() == 2, "a node in each zone: {nodes:?}");
    for line in lab.captured("client")?.iter().filter(|line| line.contains(":80 tcp SYN ")) {
        let expected = endpoint.iter().any(|to| line.contains(&format!("> {to}:80 ")));
        ensure!(expected && line.contains(&format!("client: {client}:")), "the client sees the endpoint: {line}");
    }
    let syns: Vec<String> = lab.captured("server")?.into_iter().filter(|line| line.contains(":80 tcp SYN ")).collect();
    ensure!(syns.len() == 3, "three connections came: {syns:?}");
    for line in &syns {
        let expected = nodes.iter().any(|node| line.contains(&format!("server: {node}:")));
        ensure!(expected, "the server sees a node of its balancer ({nodes:?}), never the client: {line}");
    }
    let flows = lab.vpclab(&["flows", "client"])?.ok()?;
    ensure!(flows.contains("Endpoint"), "{flows}");
    Ok(())
}

fn private_dns_in_its_own_vpc_only(stage: &Stage) -> Result<()> {
    for example in ["three-endpoints", "private-service", "files"] {
        stage.example(example)?;
    }
    let lab = stage.up("three", &["three-endpoints"])?;
    let endpoint: Vec<String> = lab.endpoint("S3")?["private_ip_addresses"]
        .as_array()
        .context("addresses")?
        .iter()
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    let ask = |guest: &str, resolver: &[&str]| -> Result<Vec<String>> {
        let name = "s3.us-east-1.amazonaws.com";
        let answer = lab.exec(guest, &[&["dig", "+short", name], resolver].concat())?.ok()?;
        let mut addresses: Vec<String> = answer.lines().map(str::to_owned).collect();
        addresses.sort();
        Ok(addresses)
    };
    let mut expected = endpoint.clone();
    expected.sort();
    ensure!(ask("app", &[])? == expected, "inside: the endpoint's own addresses");
    ensure!(ask("app", &["@169.254.169.253"])? == expected, "the other address of the same resolver");
    ensure!(ask("app", &["+tcp"])? == expected, "over TCP");
    ensure!(ask("app", &["@10.0.0.2"])? == expected, "at base+2");
    let outside = ask("orders/server", &[])?;
    ensure!(!outside.is_empty() && outside.iter().all(|address| !endpoint.contains(address)), "outside: {outside:?}");

    let bucket = "https://three-endpoints-111111111111.s3.us-east-1.amazonaws.com/hello.txt";
    let body = lab.exec("app", &["curl", "-sS", "--fail", "--max-time", "20", bucket])?.ok()?;
    ensure!(body == HELLO, "{body}");
    for endpoint in ["Orders", "Partner"] {
        let name = lab.endpoint(endpoint)?["dns_names"][0].as_str().context("a name")?;
        let body = lab.exec("app", &["curl", "-sS", "--fail", "--max-time", "20", &format!("http://{name}/")])?.ok()?;
        ensure!(body.contains("vpclab echo"), "{body}");
    }
    let unknown =
        lab.exec("app", &["dig", "+noall", "+comments", "no-such-name.us-east-1.vpce.amazonaws.com"])?.ok()?;
    ensure!(unknown.contains("NXDOMAIN"), "{unknown}");
    let chaos = lab.exec("app", &["dig", "+noall", "+comments", "CH", "TXT", "version.bind"])?.ok()?;
    ensure!(chaos.contains("REFUSED"), "{chaos}");
    // The VPC has both DNS attributes, so its instances have names, both ways.
    let back = lab.exec("app", &["sh", "-c", "dig +short -x $(dig +short $(hostname).ec2.internal)"])?.ok()?;
    ensure!(back == "ip-10-0-1-4.ec2.internal.\n", "{back}");
    let guests = lab.summary["guests"].as_array().context("guests")?;
    let names: Vec<&str> = guests.iter().filter_map(|guest| guest["guest"].as_str()).collect();
    ensure!(names == ["app", "orders/server", "partner/server"], "in order of their names: {names:?}");
    Ok(())
}
