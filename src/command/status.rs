//! `vpclab status`: what runs.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::Value;

use super::output;
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state;

/// Show what runs, as AWS's Describe calls would.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab status
  vpclab status --json | jq '.VpcEndpoints[].DnsEntries'")]
pub struct Arguments {
    /// One JSON document in AWS's Describe shapes, plus Guest names.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let folder = state::choose(name)?;
    let Answer::Status(status) = Client::connect(&folder)?.call(&Request::Status)? else {
        bail!("the lab did not answer with its status");
    };
    if arguments.json {
        output::print_json(&status)?;
    } else {
        output::print(&text(folder.name(), &status))?;
    }
    Ok(0)
}

fn text(lab: &str, status: &Value) -> String {
    let mut text = format!("lab {lab}\n");
    section(&mut text, status, "Vpcs", &["VpcId", "CidrBlock", "OwnerId"]);
    section(&mut text, status, "Subnets", &["SubnetId", "CidrBlock", "AvailabilityZone", "VpcId"]);
    section(&mut text, status, "Instances", &["Guest", "InstanceId", "PrivateIpAddress", "SubnetId"]);
    section(&mut text, status, "VpcEndpoints", &["VpcEndpointId", "VpcEndpointType", "ServiceName", "State"]);
    section(
        &mut text,
        status,
        "VpcEndpointServices",
        &["ServiceId", "ServiceName", "ServiceState", "PrivateDnsName", "PrivateDnsNameVerificationState"],
    );
    section(&mut text, status, "ResolverEndpoints", &["Id", "Name", "Direction", "Status", "HostVPCId"]);
    section(&mut text, status, "HostedZones", &["Id", "Name", "ResourceRecordSetCount"]);
    section(&mut text, status, "LoadBalancers", &["LoadBalancerName", "Scheme", "DNSName"]);
    section(
        &mut text,
        status,
        "FlowLogs",
        &["FlowLogId", "TrafficType", "DeliverLogsStatus", "LostRecords", "LogFile"],
    );
    section(&mut text, status, "Buckets", &["Name"]);
    section(&mut text, status, "Tables", &["TableName", "TableStatus"]);
    text
}

fn section(text: &mut String, status: &Value, list: &str, members: &[&str]) {
    let Some(entries) = status[list].as_array().filter(|entries| !entries.is_empty()) else { return };
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            members
                .iter()
                .map(|member| match &entry[*member] {
                    Value::String(text) => text.clone(),
                    Value::Null => "-".into(),
                    other => other.to_string(),
                })
                .collect()
        })
        .collect();
    text.push_str(&format!("\n{list}\n{}", output::table(members, &rows)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_gets_a_section() {
        let status = serde_json::json!({ "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16" }], "Subnets": [] });
        let shown = text("one", &status);
        assert!(shown.contains("vpc-1  10.0.0.0/16  -"), "{shown}");
        assert!(!shown.contains("Subnets"));
    }
}
