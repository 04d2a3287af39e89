//! The addresses that the product chose: what somebody would ask AWS for.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::lab::*;

/// Elastic IPs and automatic public addresses come from here (documented ranges of a lab).
const PUBLIC: [(u8, u8, u8, u8, u8); 2] = [(203, 0, 113, 0, 24), (198, 18, 0, 0, 16)];

/// Writes them into the description. `summary` is what `up --json` says, `status` what `status --json` says.
pub fn addresses(lab: &mut Lab, summary: &Value, status: &Value) -> Result<()> {
    let blocks: Vec<Block> = lab.subnets.iter().map(|subnet| subnet.block).collect();
    for endpoint in &mut lab.interface_endpoints {
        let endpoints = summary["endpoints"].as_array().context("endpoints")?;
        let found = endpoints.iter().find(|it| it["name"] == endpoint.name.as_str()).context("the endpoint")?;
        ensure!(found["state"] == "available", "{found}");
        let addresses = found["private_ip_addresses"].as_array().context("its addresses")?;
        let addresses: Vec<Ipv4Addr> =
            addresses.iter().map(|it| Ok(it.as_str().context("an address")?.parse()?)).collect::<Result<_>>()?;
        ensure!(addresses.len() == endpoint.nodes.len(), "an address for each subnet: {found}");
        for node in &mut endpoint.nodes {
            let mine = addresses.iter().find(|address| blocks[node.subnet].contains(**address));
            node.address = Some(*mine.with_context(|| format!("an address in {}: {found}", blocks[node.subnet]))?);
        }
    }
    for instance in &mut lab.instances {
        match &mut instance.public {
            Public::No => {}
            Public::Elastic(address) => *address = Some(elastic(status, instance.address)?),
            Public::Automatic(address) => *address = Some(automatic(status, &instance.name)?),
        }
    }
    for gateway in lab.nat_gateways.iter_mut().filter(|gateway| gateway.public) {
        gateway.elastic = Some(elastic(status, gateway.address)?);
    }
    Ok(())
}

/// By the private address, which nobody else at home has.
fn elastic(status: &Value, private: Ipv4Addr) -> Result<Ipv4Addr> {
    let addresses = status["Addresses"].as_array().context("Elastic IPs")?;
    let private = private.to_string();
    let found = addresses.iter().find(|it| it["PrivateIpAddress"] == private.as_str());
    public(&found.with_context(|| format!("the Elastic IP of {private} in {addresses:?}"))?["PublicIp"])
}

fn automatic(status: &Value, guest: &str) -> Result<Ipv4Addr> {
    let instances = status["Instances"].as_array().context("instances")?;
    let short =
        |it: &&Value| it["Guest"].as_str().is_some_and(|name| name == guest || name.ends_with(&format!("/{guest}")));
    let found = instances.iter().find(short).with_context(|| format!("{guest} in {instances:?}"))?;
    public(&found["PublicIpAddress"])
}

fn public(value: &Value) -> Result<Ipv4Addr> {
    let address: Ipv4Addr = value.as_str().with_context(|| format!("a public address: {value}"))?.parse()?;
    let known = PUBLIC.iter().any(|(a, b, c, d, length)| Block::new(*a, *b, *c, *d, *length).contains(address));
    ensure!(known, "{address} is not of the ranges that public addresses come from");
    Ok(address)
}
