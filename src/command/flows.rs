//! `vpclab flows`: who talks to whom now.

use anyhow::{Result, bail};
use clap::Args;

use super::output;
use crate::run::client::Client;
use crate::run::protocol::{Answer, FlowLine, Request};
use crate::run::state;

/// Show the flows that the lab tracks.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab flows
  vpclab flows app
  vpclab flows --json | jq -r 'select(.state == \"established\") | .flow'

VIA is the endpoint or load balancer on the way, FAR SIDE the packet as whoever
answers sees it, LASTED the time from the flow's first frame to its last.")]
pub struct Arguments {
    /// Only flows of this guest.
    guest: Option<String>,
    /// One JSON document per line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let mut client = Client::connect(&state::choose(name)?)?;
    client.send(&Request::Flows { guest: arguments.guest, among: None })?;
    let mut flows: Vec<FlowLine> = Vec::new();
    loop {
        match client.expect()? {
            Answer::Flow(flow) => flows.push(flow),
            Answer::End => break,
            other => bail!("the lab answered {other:?} instead of a flow"),
        }
    }
    if arguments.json {
        for flow in &flows {
            output::print(&(serde_json::to_string(flow)? + "\n"))?;
        }
        return Ok(0);
    }
    if flows.is_empty() {
        output::print("no flows\n")?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = flows
        .iter()
        .map(|flow| {
            vec![
                flow.flow.clone(),
                flow.via.clone().unwrap_or_else(|| "-".into()),
                flow.far_side.clone(),
                flow.state.clone(),
                flow.frames.to_string(),
                flow.bytes.to_string(),
                format!("{:.1}s", flow.age_ms as f64 / 1000.0),
            ]
        })
        .collect();
    output::print(&output::table(&["FLOW", "VIA", "FAR SIDE", "STATE", "FRAMES", "BYTES", "LASTED"], &rows))?;
    Ok(0)
}
