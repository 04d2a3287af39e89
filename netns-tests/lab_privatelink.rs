//! Both sides of PrivateLink, changed by unmodified clients of the lab's EC2 API: what the provider decides, packets follow.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Story;
use super::harness::*;
use super::sdk::Clients;

pub const STORIES: [Story; 3] = [
    ("privatelink::a_provider_accepts_and_rejects", a_provider_accepts_and_rejects),
    ("privatelink::a_consumer_comes_and_goes", a_consumer_comes_and_goes),
    ("privatelink::boto3_reads_what_status_says", boto3_reads_what_status_says),
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
fn said(lab: &Lab<'_>, stack: &str, arguments: &[&str]) -> Result<Value> {
    let text = aws(lab, stack, arguments)?.ok().with_context(|| format!("{arguments:?}"))?;
    if text.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

/// It failed with AWS's code and message.
fn refuses(lab: &Lab<'_>, stack: &str, arguments: &[&str], expected: &str) -> Result<()> {
    let done = aws(lab, stack, arguments)?;
    ensure!(done.code() != 0 && done.stderr.contains(expected), "{expected} in {done:?}");
    Ok(())
}

fn curl(lab: &Lab<'_>, url: &str) -> Result<Done> {
    lab.exec("client", &["curl", "-sS", "--fail", "--connect-timeout", "1", "--max-time", "20", url])
}

fn first<'v>(value: &'v Value, list: &str, member: &str) -> Result<&'v str> {
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
    // The CLI's place is taken by Python: it gets the CLI's environment, and the endpoint's URL as the CLI does.
    let folder = stage.path().join("bin");
    std::fs::create_dir_all(&folder)?;
    let python = clients.python();
    let wrapper = format!("#!/bin/sh\nexec {python} {} {} \"$2\"\n", script.display(), status.display());
    let program = folder.join("aws");
    stage.write("bin/aws", &wrapper)?;
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    for stack in ["provider", "consumer"] {
        let output = lab.command(&["aws", stack, "ec2"]).env("PATH", &path).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        ensure!(text.contains("operations agree"), "{text}");
    }
    Ok(())
}
