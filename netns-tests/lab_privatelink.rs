//! Both sides of PrivateLink, changed by unmodified clients of the lab's EC2 API: what the provider decides, packets follow.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Story;
use super::harness::*;
use super::sdk::Clients;

/// For every user.
pub const OPEN_STORIES: [Story; 1] =
    [("privatelink::the_api_is_on_the_loopback_alone", the_api_is_on_the_loopback_alone)];

pub const STORIES: [Story; 4] = [
    ("privatelink::a_provider_accepts_and_rejects", a_provider_accepts_and_rejects),
    ("privatelink::a_consumer_comes_and_goes", a_consumer_comes_and_goes),
    ("privatelink::boto3_reads_what_status_says", boto3_reads_what_status_says),
    ("privatelink::connections_outlive_many_changes_at_once", connections_outlive_many_changes_at_once),
];

/// The example, whose provider wants to be asked.
fn up(stage: &Stage) -> Result<Lab<'_>> {
    stage.example("private-service")?;
    let file = stage.path().join("private-service/provider.yaml");
    let template = std::fs::read_to_string(&file)?;
    let asks = template.replace("AcceptanceRequired: false", "AcceptanceRequired: true");
    ensure!(asks != template, "the example's service says whether it wants to be asked");
    std::fs::write(file, asks)?;
    stage.up("private", &["private-service"])
}

/// The AWS CLI in the name of a stack's account.
fn aws(lab: &Lab<'_>, stack: &str, arguments: &[&str]) -> Result<Done> {
    lab.vpclab(&[&["aws", stack, "--output", "json", "ec2"], arguments].concat())
}

/// What it printed; `null` where AWS has nothing to say.
pub fn said(lab: &Lab<'_>, stack: &str, arguments: &[&str]) -> Result<Value> {
    let text = aws(lab, stack, arguments)?.ok().with_context(|| format!("{arguments:?}"))?;
    if text.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

/// It failed with AWS's code and message.
pub fn refuses(lab: &Lab<'_>, stack: &str, arguments: &[&str], expected: &str) -> Result<()> {
    let done = aws(lab, stack, arguments)?;
    ensure!(done.code() != 0 && done.stderr.contains(expected), "{expected} in {done:?}");
    Ok(())
}

pub fn curl(lab: &Lab<'_>, url: &str) -> Result<Done> {
    lab.exec("client", &["curl", "-sS", "--fail", "--connect-timeout", "1", "--max-time", "20", url])
}

pub fn first<'v>(value: &'v Value, list: &str, member: &str) -> Result<&'v str> {
    value[list][0][member].as_str().with_context(|| format!("{list}[0].{member} in {value}"))
}

fn a_provider_accepts_and_rejects(stage: &Stage) -> Result<()> {
    let lab = up(stage)?;
    let endpoint = lab.endpoint("Endpoint")?;
    ensure!(endpoint["state"] == "pendingAcceptance", "{endpoint}");
    let address = endpoint["private_ip_addresses"][0].as_str().context("an address")?;
    let name = endpoint["dns_names"][0].as_str().context("a name")?;
    let (by_address, by_name) = (format!("http://{address}/"), format!("http://{name}/"));
    let carries_nothing = || -> Result<()> {
        let done = curl(&lab, &by_address)?;
        ensure!(done.code() == 28 && done.stderr.contains("BAD_STATE"), "a named drop: {done:?}");
        ensure!(done.stderr.contains("consumer/Endpoint"), "and its object: {done:?}");
        let done = curl(&lab, &by_name)?;
        ensure!(done.code() == 6, "no such name: {done:?}");
        Ok(())
    };
    carries_nothing()?;

    let waiting = said(&lab, "provider", &["describe-vpc-endpoint-connections"])?;
    let service = first(&waiting, "VpcEndpointConnections", "ServiceId")?;
    let id = first(&waiting, "VpcEndpointConnections", "VpcEndpointId")?;
    ensure!(first(&waiting, "VpcEndpointConnections", "VpcEndpointState")? == "pendingAcceptance", "{waiting}");
    ensure!(first(&waiting, "VpcEndpointConnections", "VpcEndpointOwner")? == "222222222222", "{waiting}");
    let decide = |verb| [verb, "--service-id", service, "--vpc-endpoint-ids", id];
    let (accept, reject) = (decide("accept-vpc-endpoint-connections"), decide("reject-vpc-endpoint-connections"));
    refuses(&lab, "consumer", &accept, "(InvalidVpcEndpointServiceId.NotFound)")?;
    refuses(&lab, "provider", &[&accept[..], &["--dry-run"]].concat(), "(DryRunOperation)")?;
    carries_nothing()?;

    let accepted = said(&lab, "provider", &accept)?;
    ensure!(accepted["Unsuccessful"].as_array().is_none_or(Vec::is_empty), "{accepted}");
    for url in [&by_address, &by_name] {
        let body = curl(&lab, url)?.ok()?;
        ensure!(body.contains("vpclab echo"), "{body}");
    }
    let again = said(&lab, "provider", &accept)?;
    ensure!(again["Unsuccessful"][0]["Error"]["Code"] == "IncorrectState", "{again}");
    ensure!(again["Unsuccessful"][0]["ResourceId"] == id, "{again}");

    said(&lab, "provider", &reject)?;
    carries_nothing()?;
    let seen = said(&lab, "consumer", &["describe-vpc-endpoints", "--vpc-endpoint-ids", id])?;
    ensure!(first(&seen, "VpcEndpoints", "State")? == "rejected", "{seen}");

    // `apply` brings the file's world, with what the API did to it.
    said(&lab, "provider", &accept)?;
    let applied = lab.vpclab(&["apply", "private-service"])?.ok()?;
    ensure!(!applied.contains("State"), "nothing is undone: {applied}");
    curl(&lab, &by_name)?.ok()?;

    for (arguments, what) in [
        (["aws", "nobody", "ec2", "describe-vpcs"], "there is no stack `nobody`: the lab's are consumer, provider"),
        (["aws", "provider", "s3", "ls"], "has `ec2` alone"),
    ] {
        let done = lab.vpclab(&arguments)?;
        ensure!(done.code() == 2 && done.stderr.contains(what), "{what} in {done:?}");
    }
    Ok(())
}

fn a_consumer_comes_and_goes(stage: &Stage) -> Result<()> {
    let lab = up(stage)?;
    let seen = said(&lab, "consumer", &["describe-vpc-endpoints"])?;
    let member = |member| first(&seen, "VpcEndpoints", member);
    let (old, service, vpc) = (member("VpcEndpointId")?, member("ServiceName")?, member("VpcId")?);
    let subnets: Vec<&str> =
        seen["VpcEndpoints"][0]["SubnetIds"].as_array().context("subnets")?.iter().filter_map(Value::as_str).collect();
    let group = seen["VpcEndpoints"][0]["Groups"][0]["GroupId"].as_str().context("a group")?;
    said(&lab, "consumer", &["delete-vpc-endpoints", "--vpc-endpoint-ids", old])?;
    refuses(
        &lab,
        "consumer",
        &["describe-vpc-endpoints", "--vpc-endpoint-ids", old],
        "(InvalidVpcEndpointId.NotFound)",
    )?;
    let address = lab.endpoint("Endpoint")?["private_ip_addresses"][0].as_str().context("an address")?;
    let done = curl(&lab, &format!("http://{address}/"))?;
    ensure!(done.code() == 28 && done.stderr.contains("NO_SUCH_ADDRESS"), "{done:?}");

    let create = [
        &["create-vpc-endpoint", "--vpc-endpoint-type", "Interface", "--vpc-id", vpc, "--service-name", service][..],
        &["--security-group-ids", group, "--subnet-ids", subnets[0], "--client-token", "once"],
        &["--tag-specifications", "ResourceType=vpc-endpoint,Tags=[{Key=Name,Value=second}]"],
    ]
    .concat();
    let made = said(&lab, "consumer", &create)?;
    let id = made["VpcEndpoint"]["VpcEndpointId"].as_str().context("an id")?;
    ensure!(id != old && made["VpcEndpoint"]["State"] == "pendingAcceptance", "{made}");
    ensure!(said(&lab, "consumer", &create)?["VpcEndpoint"]["VpcEndpointId"] == id, "one token, one endpoint");
    let tagged = ["describe-vpc-endpoints", "--filters", "Name=tag:Name,Values=sec*"];
    ensure!(first(&said(&lab, "consumer", &tagged)?, "VpcEndpoints", "VpcEndpointId")? == id, "found by its tag");

    let connections = said(&lab, "provider", &["describe-vpc-endpoint-connections"])?;
    let service_id = first(&connections, "VpcEndpointConnections", "ServiceId")?;
    let accept = ["accept-vpc-endpoint-connections", "--service-id", service_id, "--vpc-endpoint-ids", id];
    said(&lab, "provider", &accept)?;
    let name = made["VpcEndpoint"]["DnsEntries"][0]["DnsName"].as_str().context("a name")?;
    let url = format!("http://{name}/");
    let body = curl(&lab, &url)?.ok()?;
    ensure!(body.contains("vpclab echo"), "{body}");

    // It moves to the other zone, and is found there.
    let modify = ["modify-vpc-endpoint", "--vpc-endpoint-id", id];
    let moves = ["--add-subnet-ids", subnets[1], "--remove-subnet-ids", subnets[0]];
    said(&lab, "consumer", &[&modify[..], &moves].concat())?;
    let answer = lab.exec("client", &["dig", "+short", name])?.ok()?;
    ensure!(answer.starts_with("10.0.2."), "{answer}");
    curl(&lab, &url)?.ok()?;

    let delete = ["delete-vpc-endpoint-service-configurations", "--service-ids", service_id];
    let refused = said(&lab, "provider", &delete)?;
    ensure!(refused["Unsuccessful"][0]["Error"]["Code"] == "ExistingVpcEndpointConnections", "{refused}");
    said(&lab, "consumer", &["delete-vpc-endpoints", "--vpc-endpoint-ids", id])?;
    said(&lab, "provider", &delete)?;
    refuses(&lab, "consumer", &create[..create.len() - 4], "(InvalidServiceName)")?;
    Ok(())
}

/// Every Describe operation by boto3, whose parser takes what its model names: nothing of the answer is unknown to it, and what
/// `status` shows comes through whole.
fn boto3_reads_what_status_says(stage: &Stage) -> Result<()> {
    let Some(clients) = Clients::get()? else { return Ok(()) };
    let lab = up(stage)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("netns-tests/ec2_api.py");
    let status = stage.path().join("status.json");
    std::fs::write(&status, lab.json(&["status"])?.to_string())?;
    let python = clients.python();
    let asks = format!("exec {python} {} {} \"$2\"", script.display(), status.display());
    for stack in ["provider", "consumer"] {
        let text = instead_of_the_cli(stage, &lab, stack, &asks)?;
        ensure!(text.contains("operations agree"), "{text}");
    }
    Ok(())
}

/// What a shell script prints that has the CLI's place, with its environment; the API's URL is its second argument.
fn instead_of_the_cli(stage: &Stage, lab: &Lab<'_>, stack: &str, script: &str) -> Result<String> {
    stage.write("bin/aws", &format!("#!/bin/sh\n{script}\n"))?;
    let folder = stage.path().join("bin");
    std::fs::set_permissions(folder.join("aws"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = lab.command(&["aws", stack, "ec2"]).env("PATH", path).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn the_api_is_on_the_loopback_alone(stage: &Stage) -> Result<()> {
    let lab = up(stage)?;
    let tells = "env | grep -i -e '^AWS_' -e proxy; echo URL $2; curl -sS --noproxy '*' -d Action=DescribeVpcs $2";
    let said = instead_of_the_cli(stage, &lab, "consumer", tells)?;
    ensure!(said.contains("<Code>MissingAuthenticationToken</Code>"), "it is there, and asks for a signature: {said}");
    ensure!(said.contains("AWS_REGION=us-east-1") && !said.contains("host"), "nothing of the host's: {said}");
    let url = said.lines().find_map(|line| line.strip_prefix("URL ")).context("a URL")?;
    let port = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix('/')).context("the loopback")?;
    for address in ["127.0.0.1", "169.254.169.254", "10.0.1.1"] {
        let guest =
            lab.exec("client", &["curl", "-sS", "--connect-timeout", "1", &format!("http://{address}:{port}/")])?;
        ensure!(matches!(guest.code(), 7 | 28), "no guest has it: {guest:?}");
    }
    Ok(())
}

/// Endpoints are made, accepted and deleted by four threads, while one connection through another endpoint goes on.
fn connections_outlive_many_changes_at_once(stage: &Stage) -> Result<()> {
    let Some(clients) = Clients::get()? else { return Ok(()) };
    let lab = up(stage)?;
    let waiting = said(&lab, "provider", &["describe-vpc-endpoint-connections"])?;
    let service = first(&waiting, "VpcEndpointConnections", "ServiceId")?;
    let id = first(&waiting, "VpcEndpointConnections", "VpcEndpointId")?;
    said(&lab, "provider", &["accept-vpc-endpoint-connections", "--service-id", service, "--vpc-endpoint-ids", id])?;
    let key = "echo $2 $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY";
    let keys = ["provider", "consumer"].map(|stack| instead_of_the_cli(stage, &lab, stack, key));
    let [provider, consumer] = keys;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("netns-tests/ec2_changes.py");
    let mut changes = std::process::Command::new(clients.python())
        .arg(script)
        .args(provider?.split_whitespace())
        .args(consumer?.split_whitespace())
        .spawn()?;
    let name = lab.endpoint("Endpoint")?["dns_names"][0].as_str().context("a name")?;
    let mut connections = 0;
    while changes.try_wait()?.is_none() {
        // A hundred requests, one after another, on one connection.
        let url = format!("http://{name}/[1-100]");
        let many = ["curl", "-sS", "--fail", "--max-time", "20", "-o", "/dev/null", "-w", "%{num_connects}\\n", &url];
        let done = lab.exec("client", &many)?.ok()?;
        let fresh: u32 = done.lines().filter_map(|line| line.parse::<u32>().ok()).sum();
        ensure!(fresh == 1, "one connection carries them all: {fresh} were opened");
        connections += 1;
    }
    ensure!(changes.wait()?.success() && connections > 0, "the changes were refused");
    let left = said(&lab, "consumer", &["describe-vpc-endpoints"])?;
    ensure!(left["VpcEndpoints"].as_array().is_some_and(|all| all.len() == 1), "{left}");
    Ok(())
}
