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
    let down: Vec<&str> = status["ZonesDown"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !down.is_empty() {
        text.push_str(&format!("down by `vpclab fault`: {}\n", down.join(", ")));
    }
    if let Some(url) = status["Metrics"].as_str() {
        text.push_str(&format!("metrics {url}\n"));
    }
    section(&mut text, status, "Vpcs", &["VpcId", "CidrBlock", "OwnerId"]);
    section(&mut text, status, "Subnets", &["SubnetId", "CidrBlock", "AvailabilityZone", "VpcId"]);
    section(&mut text, status, "Instances", &["Guest", "InstanceId", "PrivateIpAddress", "SubnetId"]);
    section(&mut text, status, "VpcEndpoints", &["VpcEndpointId", "VpcEndpointType", "ServiceName", "State"]);
    let counted = ["ActiveConnections", "NewConnections", "BytesProcessed", "PacketsDropped", "RstPacketsReceived"];
    section(&mut text, status, "EndpointMetrics", &[&["VpcEndpointId", "SubnetId"], &counted[..]].concat());
    section(
        &mut text,
        status,
        "VpcEndpointServices",
        &["ServiceId", "ServiceName", "ServiceState", "PrivateDnsName", "PrivateDnsNameVerificationState"],
    );
    section(&mut text, status, "ResolverEndpoints", &["Id", "Name", "Direction", "Status", "HostVPCId"]);
    section(&mut text, status, "HostedZones", &["Id", "Name", "ResourceRecordSetCount"]);
    section(&mut text, status, "LoadBalancers", &["LoadBalancerName", "Scheme", "DNSName"]);
    let targets = serde_json::json!({ "Targets": targets(status) });
    section(&mut text, &targets, "Targets", &["TargetGroupName", "Target", "HealthCheckPort", "State", "Reason"]);
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

/// DescribeTargetHealth's entries, a line each.
fn targets(status: &Value) -> Vec<Value> {
    let entries = status["TargetHealthDescriptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |entry: &Value| {
        let (target, health) = (&entry["Target"], &entry["TargetHealth"]);
        serde_json::json!({
            "TargetGroupName": entry["TargetGroupName"],
            "Target": format!("{}:{}", target["Id"].as_str().unwrap_or_default(), target["Port"]),
            "HealthCheckPort": entry["HealthCheckPort"],
            "State": health["State"],
            "Reason": health["Reason"],
        })
    };
    entries.iter().map(line).collect()
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

    #[test]
    fn targets_show_their_health() {
        let status = serde_json::json!({ "TargetHealthDescriptions": [{
            "TargetGroupName": "web",
            "Target": { "Id": "i-1", "Port": 80 },
            "HealthCheckPort": "8080",
            "TargetHealth": { "State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out" },
        }] });
        let shown = text("one", &status);
        assert!(shown.contains("web              i-1:80  8080             unhealthy  Target.Timeout"), "{shown}");
    }
}
