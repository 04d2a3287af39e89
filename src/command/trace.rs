//! `vpclab trace`: the path of a packet, hop by hop, with what decided.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::output;
use crate::expect::Destination;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, CallQuestion, Request, TraceHop, TraceReport};
use crate::run::state;

/// Show the path of a packet and of its answer hop by hop; ends with 0 when both arrive, 1 when one is dropped or denied.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab trace app s3.us-east-1.amazonaws.com:443
  vpclab trace app https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt
  vpclab trace app 10.0.2.7 --proto icmp
  vpclab trace app server:80
  vpclab trace app s3://first-123456789012/hello.txt --json | jq .ExplanationCode
  vpclab trace app s3://first-123456789012/hello.txt --action s3:PutObject
  vpclab trace app dynamodb://orders --action dynamodb:Query --as Worker")]
pub struct Arguments {
    /// Who sends.
    guest: String,
    /// HOST[:PORT], GUEST[:PORT], an http(s) URL, s3://BUCKET/KEY, dynamodb://TABLE, or with --action an ARN.
    destination: String,
    /// Ask policies about an API call, too: an action such as s3:PutObject. Of s3://… it is s3:GetObject (of a bucket
    /// s3:ListBucket), of dynamodb://TABLE dynamodb:GetItem, where nothing else is said.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Who signs: a role or user by name or ARN, `root` or `anonymous`; the guest's own credentials where nothing is said.
    #[arg(long = "as", value_name = "PRINCIPAL", requires = "action")]
    signer: Option<String>,
    /// The packet's protocol.
    #[arg(long, value_enum, default_value_t = Protocol::Tcp)]
    proto: Protocol,
    /// One JSON document in the spirit of NetworkInsightsAnalysis.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let call = call(&arguments);
    let destination = match &call {
        // Its host follows from the call.
        Some(_) => Destination { host: String::new(), port: None },
        None => Destination::parse(&arguments.destination).map_err(BadInput)?,
    };
    let Destination { host, port } = destination;
    let protocol = match arguments.proto {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    };
    let request = Request::Trace { guest: arguments.guest, host, port, protocol: protocol.into(), from: None, call };
    let Answer::Trace(report) = Client::connect(&state::choose(name)?)?.call(&request)? else {
        bail!("the lab did not answer with a path");
    };
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&text(&report))?;
    }
    Ok(u8::from(report.verdict != "delivered"))
}

/// The API call that is meant, if one is.
fn call(arguments: &Arguments) -> Option<CallQuestion> {
    let on = arguments.destination.as_str();
    let usual = match on.split_once("://") {
        Some(("s3", rest)) if rest.contains('/') && !rest.ends_with('/') => Some("s3:GetObject"),
        Some(("s3", _)) => Some("s3:ListBucket"),
        Some(("dynamodb", _)) => Some("dynamodb:GetItem"),
        _ => None,
    };
    let action = arguments.action.as_deref().or(usual)?;
    // A bucket's slash at the end says no key.
    let on = on.strip_suffix('/').filter(|_| on.starts_with("s3://")).unwrap_or(on);
    Some(CallQuestion {
        action: action.to_owned(),
        on: Some(on.to_owned()),
        signer: arguments.signer.clone(),
        context: Default::default(),
    })
}

/// The path for people.
pub fn text(report: &TraceReport) -> String {
    let question = &report.question;
    let resolved = match question.resolved.as_slice() {
        [] => String::new(),
        [only] => format!(" ({only})"),
        [first, rest @ ..] => format!(" ({first}, and {} more)", rest.len()),
    };
    let mut text = format!("{} > {}{resolved} {}\n", question.source, question.destination, question.protocol);
    write_hops(&mut text, &report.hops);
    if !report.return_hops.is_empty() {
        text.push_str("its answer\n");
        write_hops(&mut text, &report.return_hops);
    }
    if let Some(access) = &report.access {
        let _ = writeln!(text, "the request\n     {}", output::decision(access));
    }
    let answer = if report.delivered && !report.network_path_found { "delivered, but its answer is " } else { "" };
    let _ = write!(text, "{answer}{}", report.verdict);
    if let Some(code) = &report.explanation_code {
        let _ = write!(text, ": {code}");
    }
    if let Some(explanation) = &report.explanation {
        let _ = write!(text, ": {explanation}");
    }
    text.push('\n');
    text
}

/// Hops with their numbers, what they decided, where that is written, and what became of the header.
fn write_hops(text: &mut String, hops: &[TraceHop]) {
    for (number, hop) in hops.iter().enumerate() {
        let name = if hop.name.is_empty() { hop.id.clone() } else { format!("{} ({})", hop.name, hop.id) };
        let _ = writeln!(text, "{:3}  {} {name}", number + 1, hop.kind);
        let _ = write!(text, "     {}", hop.decision);
        if let Some(rule) = hop.rule.as_ref().filter(|rule| !hop.decision.contains(*rule)) {
            let _ = write!(text, " by {rule}");
        }
        if let Some(source) = &hop.source {
            let _ = write!(text, "  [{source}]");
        }
        text.push('\n');
        if hop.after != hop.before {
            let _ = writeln!(text, "     {} becomes {}", hop.before, hop.after);
        }
    }
}
