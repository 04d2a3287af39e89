//! What `vpclab trace --json` says.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::lab::{Lab, Protocol};
use super::super::packets::Pair;
use super::super::reference::{Place, Reason, Reply};
use super::super::template;
use super::guest_at;
use crate::harness;

/// What `trace --json` said.
#[derive(Debug)]
pub struct Trace {
    delivered: bool,
    answered: bool,
    pub code: Option<String>,
    /// Kind and name of the last hop.
    last: (String, String),
    /// The resource in the template's line that the last hop of all shows.
    refused_by: Option<String>,
    /// The source address at the packet's last hop.
    source: Option<Ipv4Addr>,
    hops: Vec<String>,
    #[expect(dead_code, reason = "printed with the rest of it")]
    return_hops: Vec<String>,
}

impl Trace {
    /// Asks about one packet.
    pub fn ask(running: &harness::Lab<'_>, lab: &Lab, files: &[template::File], pair: &Pair) -> Result<Self> {
        let (guest, _) = lab.party(pair.packet.from);
        let to = match pair.packet.protocol {
            Protocol::Icmp => pair.packet.to.to_string(),
            _ => format!("{}:{}", pair.packet.to, pair.packet.port),
        };
        let said = running.json(&["trace", guest, &to, "--proto", pair.packet.protocol.name()])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let hops = said["Hops"].as_array().with_context(|| format!("hops: {said}"))?;
        let last = hops.last().context("a hop")?;
        let source = text(&last["After"]).split([':', ' ']).next().and_then(|address| address.parse().ok());
        let short = |hop: &Value| text(&hop["Name"]).rsplit('/').next().unwrap_or_default().to_owned();
        let back = said["ReturnHops"].as_array().context("the answer's hops")?;
        let end = back.last().unwrap_or(last);
        let show = |hop: &Value| format!("{} {}: {}", text(&hop["Kind"]), text(&hop["Name"]), text(&hop["Decision"]));
        Ok(Self {
            delivered: said["Delivered"] == true,
            answered: said["Verdict"] == "delivered",
            code: said["ExplanationCode"].as_str().map(str::to_owned),
            last: (text(&last["Kind"]), short(last)),
            refused_by: end["Source"].as_str().and_then(|place| resource_at(files, place)),
            source,
            hops: hops.iter().map(show).collect(),
            return_hops: back.iter().map(show).collect(),
        })
    }
}

impl Trace {
    /// Whether the last hop, or for a service the way there, is the place.
    fn ends_at(&self, lab: &Lab, place: Place) -> bool {
        let passes = |kind: &str, name: &str| {
            self.hops.iter().any(|hop| hop.starts_with(kind) && hop.contains(&format!("/{name}: ")))
        };
        match (place, guest_at(lab, place)) {
            (Place::Internet, _) => self.last.0 == "internet",
            (_, Some(guest)) => self.last.1 == guest,
            (Place::ThroughEndpoint(_, endpoint), _) => {
                passes("gateway endpoint", &lab.gateway_endpoints[endpoint].name)
            }
            (Place::Behind(endpoint, _), _) => passes("interface endpoint", &lab.interface_endpoints[endpoint].name),
            (Place::OverInternet(_), _) => {
                let endpoint = self.hops.iter().any(|hop| hop.starts_with("gateway endpoint"));
                self.last.0 == "service" && !endpoint
            }
            (_, None) => self.last.0 == "service",
        }
    }
}

/// The logical id in a line, of which there is one: `proof-7/home.yaml:12`.
fn resource_at(files: &[template::File], place: &str) -> Option<String> {
    let (path, line) = place.rsplit_once(':')?;
    let (_, text) = files.iter().find(|(file, _)| path.rsplit('/').next() == Some(*file))?;
    let line = text.lines().nth(line.parse::<usize>().ok()?.checked_sub(1)?)?;
    Some(line.trim().split(':').next()?.to_owned())
}

/// Where `trace` and the reference part.
pub fn differs(lab: &Lab, pair: &Pair, trace: &Trace) -> Option<String> {
    match &pair.judgement.forward {
        Err(reason) if trace.delivered => Some(format!("trace delivers what the reference drops: {}", reason.why)),
        Err(reason) => code_differs(reason, trace),
        Ok(_) if !trace.delivered => Some(format!("trace drops ({:?}) what arrives by the reference", trace.code)),
        Ok(arrived) => {
            let there = arrived.iter().find(|it| trace.ends_at(lab, it.place));
            match there {
                None => Some(format!("trace ends at {:?}, the reference at {arrived:?}", trace.last)),
                Some(it) if trace.source != Some(it.source) => {
                    Some(format!("trace ends with source {:?}, the reference with {}", trace.source, it.source))
                }
                Some(_) => reply_differs(&pair.judgement.reply, trace),
            }
        }
    }
}

fn code_differs(reason: &Reason, trace: &Trace) -> Option<String> {
    let code = trace.code.as_deref().unwrap_or_default();
    if !reason.codes.is_empty() && !reason.codes.contains(&code) {
        return Some(format!("trace says {code}, the reference {:?} ({})", reason.codes, reason.why));
    }
    let named = trace.refused_by.as_deref();
    let right = reason.objects.is_empty() || named.is_some_and(|name| reason.objects.iter().any(|it| it == name));
    (!right).then(|| format!("trace shows the line of {named:?} for {code}, the reference names {:?}", reason.objects))
}

fn reply_differs(reply: &Reply, trace: &Trace) -> Option<String> {
    match (reply, trace.answered) {
        (Reply::None, _) | (Reply::ComesBack, true) => None,
        (Reply::ComesBack, false) => Some(format!("trace loses ({:?}) the answer that comes back", trace.code)),
        (Reply::Lost(reason), true) => Some(format!("trace brings back the answer that is lost: {}", reason.why)),
        (Reply::Lost(reason), false) => code_differs(reason, trace).map(|it| format!("the answer: {it}")),
    }
}
