//! `vpclab trace`: the path of a packet, hop by hop, with what decided.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::output;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request, TraceReport};
use crate::run::state;

/// Show the path of a packet hop by hop; ends with 0 when it is delivered, 1 when it is dropped or denied.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab trace app s3.us-east-1.amazonaws.com:443
  vpclab trace app https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt
  vpclab trace app 10.0.2.7 --proto icmp
  vpclab trace app s3://first-123456789012/hello.txt --json | jq .ExplanationCode")]
pub struct Arguments {
    /// Who sends.
    guest: String,
    /// HOST[:PORT], an http(s) URL or s3://BUCKET/KEY.
    destination: String,
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
    let (host, port) = destination(&arguments.destination)?;
    let protocol = match arguments.proto {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
    };
    let request = Request::Trace { guest: arguments.guest, host, port, protocol: protocol.into() };
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

/// Host and port of what the user wrote; of an S3 object its bucket, whose host depends on the guest's Region.
fn destination(text: &str) -> Result<(String, Option<u16>)> {
    let malformed =
        || BadInput(format!("`{text}` is no destination: write HOST, HOST:PORT, https://HOST/PATH or s3://BUCKET/KEY"));
    let (rest, usual) = match text.split_once("://") {
        Some(("https", rest)) => (rest, Some(443)),
        Some(("http", rest)) => (rest, Some(80)),
        Some(("s3", rest)) => {
            let bucket = rest.split('/').next().filter(|bucket| !bucket.is_empty()).ok_or_else(malformed)?;
            return Ok((format!("s3://{bucket}"), Some(443)));
        }
        Some(_) => return Err(malformed().into()),
        None => (text, None),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| malformed())?)),
        None => (authority, usual),
    };
    if host.is_empty() {
        return Err(malformed().into());
    }
    Ok((host.into(), port))
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
    for (number, hop) in report.hops.iter().enumerate() {
        let name = if hop.name.is_empty() { hop.id.clone() } else { format!("{} ({})", hop.name, hop.id) };
        let _ = writeln!(text, "{:3}  {} {name}", number + 1, hop.kind);
        let _ = write!(text, "     {}", hop.decision);
        if let Some(source) = &hop.source {
            let _ = write!(text, "  [{source}]");
        }
        text.push('\n');
        if hop.after != hop.before {
            let _ = writeln!(text, "     becomes {}", hop.after);
        }
    }
    let _ = write!(text, "{}", report.verdict);
    if let Some(code) = &report.explanation_code {
        let _ = write!(text, ": {code}");
    }
    if let Some(explanation) = &report.explanation {
        let _ = write!(text, ": {explanation}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        for (text, host, port) in [
            ("10.0.0.7", "10.0.0.7", None),
            ("10.0.0.7:80", "10.0.0.7", Some(80)),
            ("https://b.s3.us-east-1.amazonaws.com/k?x=1", "b.s3.us-east-1.amazonaws.com", Some(443)),
            ("http://h:8080/", "h", Some(8080)),
            ("s3://b/k/l", "s3://b", Some(443)),
        ] {
            assert_eq!(destination(text).unwrap(), (host.to_string(), port), "{text}");
        }
        for text in ["", ":80", "h:x", "h:99999", "ftp://h", "s3:///k"] {
            assert!(destination(text).unwrap_err().is::<BadInput>(), "{text}");
        }
    }
}
