//! Entries as meant: guests, objects, codes and addresses of one lab. What means nothing is an error at its place.

use std::net::Ipv4Addr;

use super::call::CallClaim;
use super::destination::Destination;
use super::scene::Scene;
use super::written::{Protocol, Word, Written, WrittenClaim, WrittenEnd};
use crate::dataplane::tables::Behind;
use crate::dataplane::{DropReason, LinkIndex};
use crate::dns::{self, NoAddress};
use crate::model::naming;
use crate::template::{Diagnostic, Span, did_you_mean};

/// An expectation whose every name means something.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Where it is written.
    pub span: Span,
    /// In one line.
    pub title: String,
    /// Who sends.
    pub from: Sender,
    /// What must hold.
    pub claim: Claim,
}

/// What must hold.
#[derive(Clone, Debug)]
pub enum Claim {
    /// What becomes of a packet.
    Path(PathClaim),
    /// Nothing else can be reached.
    Only(Vec<Thing>),
    /// The command ends well, and uses nothing else where something is listed.
    Run(String, Option<Vec<Thing>>),
    /// Policies allow or deny an API call.
    Call(Box<CallClaim>),
}

/// What becomes of a packet.
#[derive(Clone, Debug)]
pub struct PathClaim {
    /// The name that a client would look up; `None` for an address.
    pub host: Option<String>,
    /// The addresses that a client would learn, or why it learns none. Any of them must do.
    pub addresses: Result<Vec<Ipv4Addr>, NoAddress>,
    /// Protocol.
    pub protocol: Protocol,
    /// Port, where one is written.
    pub port: Option<u16>,
    /// How it ends.
    pub want: Want,
}

/// How a packet is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// It arrives.
    Delivered,
    /// It arrives by way of that.
    Via(Thing),
    /// It is dropped with this code.
    Dropped(String),
}

/// A guest that sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// As the lab calls it.
    pub name: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its Region.
    pub region: String,
    /// What it can send from, the primary interface's primary address first.
    pub sources: Vec<(LinkIndex, Ipv4Addr)>,
    /// Ids of its network interfaces.
    pub ids: Vec<String>,
}

/// An object of the lab: what people call it, and the ids by which a way is seen to meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// As it was written.
    pub name: String,
    /// AWS ids, ARNs, or a service's name.
    pub ids: Vec<String>,
}

impl Thing {
    /// Whether an id is its.
    pub fn is(&self, id: &str) -> bool {
        self.ids.iter().any(|own| own == id)
    }

    /// Without what is the sender's own: a packet begins there and does not meet it.
    fn but(mut self, from: &Sender) -> Self {
        self.ids.retain(|id| !from.ids.contains(id));
        self
    }
}

/// Where a packet of a claim goes.
struct Target {
    host: Option<String>,
    addresses: Result<Vec<Ipv4Addr>, NoAddress>,
    port: Option<u16>,
}

/// What `internet` means where no guest is called so: some host out there. Documentation range (RFC 5737): nobody's.
const INTERNET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Services that every interface reaches, by the name of the object that a way ends at.
const LINK_LOCAL: [&str; 3] = ["resolver", "metadata", TIME];

/// Amazon Time Sync: every list has it, since every interface reaches it whatever is configured, and it carries nothing.
pub(super) const TIME: &str = "time";

/// Ids of what a packet meets on its way but can't be said to reach.
const NOT_REACHED: [(&str, &str); 5] = [
    ("vpc-", "a VPC"),
    ("subnet-", "a subnet"),
    ("rtb-", "a route table"),
    ("sg-", "a security group"),
    ("acl-", "a network ACL"),
];

pub(super) type Result1<T> = Result<T, Diagnostic>;

impl Scene {
    /// What entries mean in this lab.
    ///
    /// # Errors
    /// Every name that means nothing, at its place.
    pub fn mean(&self, entries: &[Written]) -> Result<Vec<Expectation>, Vec<Diagnostic>> {
        let mut meant = Vec::new();
        let mut errors = Vec::new();
        for entry in entries {
            match self.entry(entry) {
                Ok(expectation) => meant.push(expectation),
                Err(new) => errors.extend(new),
            }
        }
        if errors.is_empty() { Ok(meant) } else { Err(errors) }
    }

    fn entry(&self, entry: &Written) -> Result<Expectation, Vec<Diagnostic>> {
        let from = self.guest(&entry.from).map_err(|error| vec![error])?;
        let claim = match &entry.claim {
            WrittenClaim::Path { to, protocol, end } => {
                let (target, want) = (self.target(&from, to, *protocol), self.want(&from, end));
                match (target, want) {
                    (Ok(Target { host, addresses, port }), Ok(want)) => {
                        Claim::Path(PathClaim { host, addresses, protocol: *protocol, port, want })
                    }
                    (target, want) => return Err(target.err().into_iter().chain(want.err()).collect()),
                }
            }
            WrittenClaim::Only { only } => Claim::Only(self.things(&from, only)?),
            WrittenClaim::Run { run, only } => {
                Claim::Run(run.text.clone(), only.as_deref().map(|only| self.things(&from, only)).transpose()?)
            }
            WrittenClaim::Call { .. } => {
                Claim::Call(Box::new(self.call_entry(&from, entry).map_err(|error| vec![error])?))
            }
        };
        let title = title(&from, &entry.claim);
        let title = match &entry.zone_down {
            Some(zone) => format!("{} down: {title}", zone.text),
            None => title,
        };
        Ok(Expectation { span: entry.span.clone(), title, from, claim })
    }

    fn guest(&self, word: &Word) -> Result1<Sender> {
        let name = naming::find(&self.guests, &word.text).map_err(|message| Diagnostic::at(&word.span, message))?;
        self.sender(name).ok_or_else(|| {
            Diagnostic::at(&word.span, format!("guest `{}` has no network interface to send from", name.shown))
        })
    }

    fn want(&self, from: &Sender, end: &WrittenEnd) -> Result1<Want> {
        match end {
            WrittenEnd::Delivered => Ok(Want::Delivered),
            WrittenEnd::Via(word) => self.object(word).map(|thing| Want::Via(thing.but(from))),
            WrittenEnd::Dropped(word) => {
                let codes = || DropReason::ALL.iter().map(|reason| reason.code()).chain(NoAddress::CODES);
                if codes().any(|code| code == word.text) {
                    return Ok(Want::Dropped(word.text.clone()));
                }
                let help = did_you_mean(&word.text, codes()).or_else(|| Some(of_a_kind(&word.text, codes())));
                let message = format!("`{}` is no explanation code that a packet is dropped with", word.text);
                Err(Diagnostic::at(&word.span, message).maybe_help(help))
            }
        }
    }

    pub(super) fn object(&self, word: &Word) -> Result1<Thing> {
        self.names.find(&word.text).map_err(|(message, help)| Diagnostic::at(&word.span, message).maybe_help(help))
    }

    fn things(&self, from: &Sender, words: &[Word]) -> Result<Vec<Thing>, Vec<Diagnostic>> {
        let (things, errors): (Vec<_>, Vec<_>) = words.iter().map(|word| self.reached(word)).partition(Result::is_ok);
        let errors: Vec<Diagnostic> = errors.into_iter().filter_map(Result::err).collect();
        let things = things.into_iter().flatten().map(|thing| thing.but(from));
        if errors.is_empty() { Ok(things.collect()) } else { Err(errors) }
    }

    /// An object that packets may end at or pass: an endpoint, a gateway, a balancer, a guest, a link-local service.
    fn reached(&self, word: &Word) -> Result1<Thing> {
        if LINK_LOCAL.contains(&word.text.as_str()) {
            return Ok(Thing { name: word.text.clone(), ids: vec![word.text.clone()] });
        }
        if let Ok(sender) =
            naming::find(&self.guests, &word.text).map_err(drop).and_then(|it| self.sender(it).ok_or(()))
        {
            return Ok(Thing { name: word.text.clone(), ids: sender.ids });
        }
        let thing = self.object(word)?;
        let kind = NOT_REACHED.iter().find(|(prefix, _)| thing.ids.iter().any(|id| id.starts_with(prefix)));
        match kind {
            None => Ok(thing),
            Some((_, kind)) => {
                Err(Diagnostic::at(&word.span, format!("`{}` is {kind}, which no packet ends at", word.text))
                    .help("list endpoints, gateways, balancers, guests, `resolver`, `metadata` or `time`"))
            }
        }
    }

    /// Where a client in the guest would send to.
    fn target(&self, from: &Sender, word: &Word, protocol: Protocol) -> Result1<Target> {
        let text = self.with_outputs(word)?;
        let destination = Destination::parse(&text).map_err(|message| Diagnostic::at(&word.span, message))?;
        if protocol == Protocol::Icmp && text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            return Err(Diagnostic::at(&word.span, "ICMP has no ports").help("leave the port out, or `proto: icmp`"));
        }
        let host = match destination.bucket() {
            Some(bucket) if self.world.buckets.contains_key(bucket) => {
                format!("{bucket}.s3.{}.amazonaws.com", from.region)
            }
            Some(bucket) => {
                let help = did_you_mean(bucket, self.world.buckets.keys().map(String::as_str));
                return Err(
                    Diagnostic::at(&word.span, format!("there is no bucket `{bucket}` in the lab")).maybe_help(help)
                );
            }
            None => destination.host,
        };
        let named = naming::find(&self.guests, &host);
        if let Some(guest) = named.as_ref().ok().and_then(|name| self.sender(name)) {
            let addresses = guest.sources.first().map(|at| self.address_for(from, *at)).into_iter().collect();
            return match guest.name == from.name {
                true => Err(Diagnostic::at(&word.span, "what a guest sends to itself never leaves it")),
                false => Ok(Target { host: None, addresses: Ok(addresses), port: destination.port }),
            };
        }
        if host == "internet" {
            return Ok(Target { host: None, addresses: Ok(vec![INTERNET]), port: destination.port });
        }
        let addresses = dns::addresses(&self.zones, &from.vpc_id, &host);
        match (&addresses, named) {
            // A word without a dot is no host out there: whoever wrote it meant a guest.
            (Err(_), Err(message)) if !host.contains('.') => Err(Diagnostic::at(&word.span, message)
                .help("a destination is HOST[:PORT], GUEST[:PORT], a URL, `internet` or s3://BUCKET/KEY")),
            _ => {
                let host = host.parse::<Ipv4Addr>().is_err().then_some(host);
                Ok(Target { host, addresses, port: destination.port })
            }
        }
    }

    /// A guest's address as the sender would write it: on the internet the public one, where there is one.
    fn address_for(&self, from: &Sender, (link, private): (LinkIndex, Ipv4Addr)) -> Ipv4Addr {
        let behind = self.tables.links.get(link.at()).map(|link| link.behind);
        match behind {
            Some(Behind::Interface(interface)) if from.vpc_id == naming::INTERNET => {
                self.tables.internet.public_address(interface, private).unwrap_or(private)
            }
            _ => private,
        }
    }

    /// `${STACK.OUTPUT}` in a destination: endpoints have names that nobody writes by heart.
    pub(super) fn with_outputs(&self, word: &Word) -> Result1<String> {
        let mut text = String::new();
        let mut rest = word.text.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let wrong = |message: String| Diagnostic::at(&word.span.find("${"), message);
            let Some((name, behind)) = after.split_once('}') else {
                return Err(wrong("`${` without its `}`".to_owned()).help("write `${STACK.OUTPUT}`"));
            };
            let (stack, output) = name
                .split_once('.')
                .ok_or_else(|| wrong(format!("`${{{name}}}` names no output")).help("write `${STACK.OUTPUT}`"))?;
            let report = self.stacks.iter().find(|report| report.name == stack).ok_or_else(|| {
                let stacks = self.stacks.iter().map(|report| report.name.as_str());
                wrong(format!("there is no stack `{stack}`")).maybe_help(did_you_mean(stack, stacks))
            })?;
            let value = report.outputs.get(output).ok_or_else(|| {
                let outputs = report.outputs.keys().map(String::as_str);
                wrong(format!("stack `{stack}` has no output `{output}`")).maybe_help(did_you_mean(output, outputs))
            })?;
            text.push_str(before);
            text.push_str(value);
            rest = behind;
        }
        text.push_str(rest);
        Ok(text)
    }
}

/// Codes that share a word with a wrong one, or all that are commonly meant.
fn of_a_kind<'a>(text: &str, codes: impl Iterator<Item = &'a str> + Clone) -> String {
    let words: Vec<String> = text.to_uppercase().split('_').filter(|word| word.len() > 3).map(str::to_owned).collect();
    let near: Vec<&str> =
        codes.clone().filter(|code| words.iter().any(|word| code.contains(word.as_str()))).take(6).collect();
    let listed = if near.is_empty() { codes.collect() } else { near };
    format!("codes are {}", listed.join(", "))
}

fn title(from: &Sender, claim: &WrittenClaim) -> String {
    let list = |words: &[Word]| match words {
        [] => "nothing".to_owned(),
        words => words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(", "),
    };
    match claim {
        WrittenClaim::Path { to, protocol, end } => {
            let protocol = if *protocol == Protocol::Tcp { String::new() } else { format!(" {}", protocol.name()) };
            let end = match end {
                WrittenEnd::Delivered => "is delivered".to_owned(),
                WrittenEnd::Via(object) => format!("via {}", object.text),
                WrittenEnd::Dropped(code) => format!("drop {}", code.text),
            };
            format!("{} > {}{protocol} {end}", from.name, to.text)
        }
        WrittenClaim::Only { only } => format!("{} reaches only {}", from.name, list(only)),
        WrittenClaim::Call { call, on, signer, deny } => {
            let on = on.as_ref().map(|on| format!(" on {}", on.text)).unwrap_or_default();
            let signer = signer.as_ref().map(|signer| format!(" as {}", signer.text)).unwrap_or_default();
            let end =
                deny.as_ref().map_or_else(|| "is allowed".to_owned(), |deny| format!("is denied by {}", deny.text));
            format!("{} calls {}{on}{signer}: {end}", from.name, call.text)
        }
        WrittenClaim::Run { run, only: None } => format!("{} runs {}", from.name, run.text),
        WrittenClaim::Run { run, only: Some(only) } => format!("{} runs {}: only {}", from.name, run.text, list(only)),
    }
}
