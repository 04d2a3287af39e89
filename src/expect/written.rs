//! The language as written: entries of `expect:` and their keys, each with its place.
//!
//! An entry says who sends (`from`) and one of four things: what becomes of a packet (`to`, with `proto`, and `via` or
//! `drop`), what may be reached at all (`only`), that a command ends well (`run`) and what it may use (with `only`), or what
//! policies say of an API call (`call`, with `on`, `as` and `deny`).

use crate::template::document::{Map, Value};
use crate::template::{Diagnostic, Span, did_you_mean, nearest};

/// Text and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it begins.
    pub span: Span,
    /// Who sends.
    pub from: Word,
    /// What must hold.
    pub claim: WrittenClaim,
    /// The availability zone that is down meanwhile.
    pub zone_down: Option<Word>,
}

/// What an entry claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenClaim {
    /// What becomes of a packet.
    Path {
        /// Destination.
        to: Word,
        /// Protocol.
        protocol: Protocol,
        /// How it ends.
        end: WrittenEnd,
    },
    /// What may be reached by anything at all.
    Only {
        /// The list.
        only: Vec<Word>,
    },
    /// A command ends well.
    Run {
        /// The command.
        run: Word,
        /// What it may use; anything where nothing is said.
        only: Option<Vec<Word>>,
    },
    /// Policies allow an API call, or deny it.
    Call {
        /// The action.
        call: Word,
        /// What it is done to: an ARN, `s3://BUCKET[/KEY]`, `dynamodb://TABLE`; `*` where nothing is said.
        on: Option<Word>,
        /// Who signs; the guest's role, or its account's root user, where nothing is said.
        signer: Option<Word>,
        /// What denies it, as `OBJECT` or `OBJECT/STATEMENT`; nothing where it is to be allowed.
        deny: Option<Word>,
    },
}

/// How a packet is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenEnd {
    /// It arrives.
    Delivered,
    /// It arrives, by way of this object.
    Via(Word),
    /// It is dropped with this code.
    Dropped(Word),
}

/// A packet's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP: a SYN.
    #[default]
    Tcp,
    /// UDP: a datagram.
    Udp,
    /// ICMP: an echo request.
    Icmp,
}

impl Protocol {
    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    fn named(text: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Icmp].into_iter().find(|protocol| protocol.name() == text)
    }
}

/// Keys of entries about a packet.
const PATH_KEYS: [&str; 5] = ["from", "to", "proto", "via", "drop"];
/// Keys of entries about everything.
const ONLY_KEYS: [&str; 3] = ["from", "run", "only"];
/// Keys of entries about what holds meanwhile something has failed.
const FAULT_KEYS: [&str; 2] = ["fault", "then"];
/// Keys of entries about API calls.
const CALL_KEYS: [&str; 5] = ["from", "call", "on", "as", "deny"];

/// Reads the list.
///
/// # Errors
/// Everything that is wrong with it, at its place; an empty list is wrong, too.
pub fn read(list: &Value) -> Result<Vec<Written>, Vec<Diagnostic>> {
    let entries = list.as_list().ok_or_else(|| {
        let message = format!("`expect` is a list of expectations, not {}", list.describe());
        vec![Diagnostic::at(&list.span, message).help("begin each entry with `- {from: GUEST, …}`")]
    })?;
    if entries.is_empty() {
        return Err(vec![
            Diagnostic::at(&list.span, "the list expects nothing")
                .help("a test without an expectation proves nothing: add one"),
        ]);
    }
    let mut written = Vec::new();
    let mut errors = Vec::new();
    for value in entries {
        match if is_fault(value) { faulted(value) } else { entry(value).map(|entry| vec![entry]) } {
            Ok(entries) => written.extend(entries),
            Err(new) => errors.extend(new),
        }
    }
    if errors.is_empty() { Ok(written) } else { Err(errors) }
}

fn is_fault(value: &Value) -> bool {
    value.as_map().is_some_and(|map| map.iter().any(|(key, _)| nearest(&key.text, FAULT_KEYS).is_some()))
}

/// `{fault: {zone: ZONE}, then: [ENTRY, …]}`: the entries, each with the zone.
fn faulted(value: &Value) -> Result<Vec<Written>, Vec<Diagnostic>> {
    let Some(map) = value.as_map() else { return Ok(Vec::new()) };
    let errors = unknown_keys(map, &FAULT_KEYS);
    if !errors.is_empty() {
        return Err(errors);
    }
    let wrong = |span: &Span, message: &str, help: &str| vec![Diagnostic::at(span, message).help(help)];
    let shape = "write `{fault: {zone: us-east-1a}, then: [{from: GUEST, to: HOST:PORT}]}`";
    let fault = value.get("fault").ok_or_else(|| wrong(&value.span, "`then` without a `fault`", shape))?;
    let zone = fault.as_map().filter(|map| map.len() == 1).and_then(|_| fault.get("zone"));
    let zone = zone.ok_or_else(|| wrong(&fault.span, "a fault is a zone that is down", shape))?;
    let text = zone.as_text().ok_or_else(|| wrong(&zone.span, "a zone is its id or name", shape))?;
    let zone = Word { text: text.to_owned(), span: zone.span.clone() };
    let then = value.get("then").ok_or_else(|| wrong(&value.span, "a `fault` without what holds `then`", shape))?;
    let mut entries = read(then)?;
    if entries.iter().any(|entry| entry.zone_down.is_some()) {
        return Err(wrong(&then.span, "a fault inside a fault", "one zone is down at a time"));
    }
    entries.iter_mut().for_each(|entry| entry.zone_down = Some(zone.clone()));
    Ok(entries)
}

fn entry(value: &Value) -> Result<Written, Vec<Diagnostic>> {
    let Some(map) = value.as_map() else {
        let message = format!("an expectation is a map, not {}", value.describe());
        return Err(vec![
            Diagnostic::at(&value.span, message).help("write `{from: GUEST, to: HOST:PORT, via: OBJECT}`"),
        ]);
    };
    // A misspelt `only` still says what the entry is about.
    let about = |keys: &[&str]| {
        map.iter().any(|(key, _)| nearest(&key.text, all_keys()).is_some_and(|key| keys.contains(&key)))
    };
    let (about_call, about_all) = (about(&["call"]), about(&["only", "run"]));
    let known: &[&str] = match (about_call, about_all) {
        (true, _) => &CALL_KEYS,
        (_, true) => &ONLY_KEYS,
        _ => &PATH_KEYS,
    };
    let mut errors = unknown_keys(map, known);
    let mut keep = |result: Result<Word, Diagnostic>| result.map_err(|error| errors.push(error)).ok();
    let span = map.first().map_or(&value.span, |(key, _)| &key.span);
    let from = keep(required(value, span, "from", "who sends, such as `from: app`"));
    let claim = match (about_call, about_all) {
        (true, _) => call_claim(value, span),
        (_, true) => only_claim(value),
        _ => path_claim(value, span),
    };
    match (from, claim) {
        (Some(from), Ok(claim)) if errors.is_empty() => {
            Ok(Written { span: span.clone(), from, claim, zone_down: None })
        }
        (_, claim) => {
            errors.extend(claim.err().into_iter().flatten());
            Err(errors)
        }
    }
}

fn path_claim(value: &Value, span: &Span) -> Result<WrittenClaim, Vec<Diagnostic>> {
    let help = "where to, such as `to: s3.us-east-1.amazonaws.com:443`; or say `only` what may be reached";
    let to = required(value, span, "to", help).map_err(|error| vec![error])?;
    let one = |name: &str| optional(value, name).map_err(|error| vec![error]);
    let protocol = match one("proto")? {
        None => Protocol::default(),
        Some(word) => Protocol::named(&word.text).ok_or_else(|| {
            let message = format!("`{}` is no protocol that is known here", word.text);
            vec![Diagnostic::at(&word.span, message).help("tcp, udp or icmp")]
        })?,
    };
    let end = match (one("via")?, one("drop")?) {
        (None, None) => WrittenEnd::Delivered,
        (Some(object), None) => WrittenEnd::Via(object),
        (None, Some(code)) => WrittenEnd::Dropped(code),
        (Some(_), Some(code)) => {
            return Err(vec![
                Diagnostic::at(&code.span, "a packet is either delivered `via` an object or a `drop`")
                    .help("keep one of the two"),
            ]);
        }
    };
    Ok(WrittenClaim::Path { to, protocol, end })
}

fn only_claim(value: &Value) -> Result<WrittenClaim, Vec<Diagnostic>> {
    let run = optional(value, "run").map_err(|error| vec![error])?;
    let only = value.get("only").map(words).transpose()?;
    Ok(match run {
        Some(run) => WrittenClaim::Run { run, only },
        None => WrittenClaim::Only { only: only.unwrap_or_default() },
    })
}

fn call_claim(value: &Value, span: &Span) -> Result<WrittenClaim, Vec<Diagnostic>> {
    let one = |name: &str| optional(value, name).map_err(|error| vec![error]);
    let help = "what is done, such as `call: s3:GetObject`";
    Ok(WrittenClaim::Call {
        call: required(value, span, "call", help).map_err(|error| vec![error])?,
        on: one("on")?,
        signer: one("as")?,
        deny: one("deny")?,
    })
}

fn words(list: &Value) -> Result<Vec<Word>, Vec<Diagnostic>> {
    let words = list.as_list().ok_or_else(|| {
        let message = format!("`only` is a list of objects, not {}", list.describe());
        vec![Diagnostic::at(&list.span, message).help("write `only: [S3, resolver]`")]
    })?;
    let (words, errors): (Vec<_>, Vec<_>) = words.iter().map(word).partition(Result::is_ok);
    let errors: Vec<Diagnostic> = errors.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() { Ok(words.into_iter().flatten().collect()) } else { Err(errors) }
}

fn word(value: &Value) -> Result<Word, Diagnostic> {
    match value.as_text() {
        Some(text) if !text.is_empty() => Ok(Word { text: text.to_owned(), span: value.span.clone() }),
        _ => Err(Diagnostic::at(&value.span, format!("text is expected here, not {}", value.describe()))),
    }
}

fn optional(value: &Value, name: &str) -> Result<Option<Word>, Diagnostic> {
    value.get(name).map(word).transpose()
}

fn required(value: &Value, span: &Span, name: &str, help: &str) -> Result<Word, Diagnostic> {
    let missing = || Diagnostic::at(span, format!("the expectation has no `{name}`")).help(format!("say {help}"));
    optional(value, name)?.ok_or_else(missing)
}

fn all_keys() -> impl Iterator<Item = &'static str> {
    PATH_KEYS.iter().chain(&ONLY_KEYS).chain(&CALL_KEYS).copied()
}

fn unknown_keys(map: &Map, known: &[&str]) -> Vec<Diagnostic> {
    let unknown = map.iter().filter(|(key, _)| !known.contains(&key.text.as_str()));
    unknown
        .map(|(key, _)| {
            if all_keys().any(|other| other == key.text) {
                let message = format!("`{}` does not go with the entry's other keys", key.text);
                return Diagnostic::at(&key.span, message).help(format!("here are known {}", known.join(", ")));
            }
            let help = did_you_mean(&key.text, known.iter().copied())
                .unwrap_or_else(|| format!("known are {}", known.join(", ")));
            Diagnostic::at(&key.span, format!("`{}` is not a key of an expectation", key.text)).help(help)
        })
        .collect()
}
