//! `AWS::Route53::RecordSet`: the records of one name and type, as they are written and whether they may be.
//!
//! A, CNAME and TXT, and aliases of type A. Refusals have Route 53's codes, and its texts where they are known.
//! Not done: the other types, routing policies, health checks.

use std::net::Ipv4Addr;

use super::*;

/// The records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRecordSet {
    /// Its name, in small letters and with a dot at its end once a zone has it.
    pub name: String,
    /// `A`, `CNAME` or `TXT`.
    pub record_type: String,
    /// Seconds that an answer may be kept; none of an alias.
    pub ttl: Option<u32>,
    /// Values as Route 53 takes them: a text in quotes.
    pub resource_records: Vec<String>,
    /// The name whose addresses it answers with.
    pub alias_target: Option<AliasTarget>,
}

/// Another name whose answers a record set gives as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTarget {
    /// The hosted zone that holds the name: an endpoint's, a load balancer's, or the record's own.
    pub hosted_zone_id: String,
    /// The name.
    pub dns_name: String,
    /// Kept; what is healthy is the load balancer's to say.
    pub evaluate_target_health: bool,
}

/// Longest text of one record (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const LONGEST_TEXT: usize = 4000;
/// Bytes of one character string (RFC 1035 3.3).
const LONGEST_STRING: usize = 255;

impl ResourceRecordSet {
    /// The set as a zone keeps it, or why it can't be one.
    pub(super) fn checked(&self, action: ChangeAction) -> Result<Self, Refusal> {
        let name = domain_name(&self.name).map_err(|problem| problem.in_batch())?;
        if !matches!(self.record_type.as_str(), "A" | "CNAME" | "TXT") {
            return Err(Refusal::new(
                "InvalidInput",
                format!("Record sets of type {} are not emulated", self.record_type),
            ));
        }
        let found = match (&self.alias_target, self.ttl.is_some() && !self.resource_records.is_empty()) {
            (Some(_), false) if self.ttl.is_none() && self.resource_records.is_empty() => None,
            (None, true) => None,
            (None, false) => Some("none"),
            (Some(_), _) => Some("more than one"),
        };
        if let Some(found) = found {
            return Err(Refusal::new(
                "InvalidInput",
                format!(
                    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {found} in Change with [Action={}, Name={}, Type={}, SetIdentifier=null]",
                    action.as_str(),
                    self.name,
                    self.record_type
                ),
            ));
        }
        if self.ttl.is_some_and(|ttl| ttl > i32::MAX as u32) {
            return Err(Refusal::new("InvalidInput", "A TTL is at most 2147483647"));
        }
        let mut seen: Vec<&String> = Vec::new();
        for value in &self.resource_records {
            self.check_value(value)?;
            if seen.contains(&value) {
                return Err(batch(format!("Duplicate Resource Record: '{value}'")));
            }
            seen.push(value);
        }
        if self.record_type == "CNAME" && self.resource_records.len() > 1 {
            return Err(batch(format!("RRSet of type CNAME with DNS name {name} has more than one value")));
        }
        let alias_target = match &self.alias_target {
            None => None,
            Some(alias) => {
                let dns_name = domain_name(&alias.dns_name).map_err(|problem| problem.in_batch())?;
                Some(AliasTarget { dns_name, ..alias.clone() })
            }
        };
        Ok(Self { name, alias_target, ..self.clone() })
    }

    fn check_value(&self, value: &str) -> Result<(), Refusal> {
        match self.record_type.as_str() {
            "A" if value.parse::<Ipv4Addr>().is_err() => {
                let problem =
                    Problem("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)", value.to_owned());
                Err(problem.in_record())
            }
            "CNAME" => domain_name(value).map(drop).map_err(|problem| problem.in_record()),
            "TXT" => character_strings(value).map(drop).map_err(|problem| problem.in_record()),
            _ => Ok(()),
        }
    }

    /// The addresses of a set of type A.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        let values = self.resource_records.iter().filter(|_| self.record_type == "A");
        values.filter_map(|value| value.parse().ok())
    }

    /// The texts of a set of type TXT, each its character strings.
    pub fn texts(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        let values = self.resource_records.iter().filter(|_| self.record_type == "TXT");
        values.filter_map(|value| character_strings(value).ok())
    }

    /// The target of a set of type CNAME.
    pub fn canonical_name(&self) -> Option<&str> {
        self.resource_records.first().filter(|_| self.record_type == "CNAME").map(String::as_str)
    }
}

/// What is wrong with a value, in Route 53's words, and the value.
pub(super) struct Problem(&'static str, String);

impl Problem {
    fn text(&self) -> String {
        format!("FATAL problem: {} encountered with '{}'", self.0, self.1)
    }

    fn in_record(&self) -> Refusal {
        batch(format!("Invalid Resource Record: '{}'", self.text()))
    }

    fn in_batch(&self) -> Refusal {
        batch(self.text())
    }
}

/// One of the problems of a batch, in Route 53's brackets.
pub(super) fn batch(problem: impl std::fmt::Display) -> Refusal {
    Refusal::new("InvalidChangeBatch", format!("[{problem}]"))
}

/// A domain name in small letters with a dot at its end; a star may stand for a whole label.
pub(super) fn domain_name(text: &str) -> Result<String, Problem> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase().replace("\\052", "*");
    let problem = |what| Err(Problem(what, text.to_owned()));
    // Names are absolute: with the dot at its end it takes as many bytes as on the wire, less one.
    if name.len() > 253 {
        return problem("DomainNameTooLong (Domain name is too long)");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return problem("DomainLabelEmpty (Domain label is empty)");
        }
        if label.len() > 63 {
            return problem("DomainLabelTooLong (Domain label is too long)");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*' | b'/')) {
            return problem("UnsupportedCharacter (Value contains unsupported characters)");
        }
    }
    Ok(name + ".")
}

/// The character strings of a TXT value: each in quotes, `\"` and `\\` inside, and three octal digits for any byte
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html#TXTFormat>).
fn character_strings(value: &str) -> Result<Vec<Vec<u8>>, Problem> {
    let problem = |what| Problem(what, value.to_owned());
    let unquoted = || problem("InvalidCharacterString (Value should be enclosed in quotation marks)");
    if value.len() > LONGEST_TEXT {
        return Err(problem("CharacterStringTooLong (Value is too long)"));
    }
    let mut strings = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => continue,
            b'"' => {}
            _ => return Err(unquoted()),
        }
        let string = quoted(&mut bytes).ok_or_else(unquoted)?;
        if string.len() > LONGEST_STRING {
            return Err(problem("CharacterStringTooLong (Value is too long)"));
        }
        strings.push(string);
    }
    if strings.is_empty() { Err(unquoted()) } else { Ok(strings) }
}

/// The bytes up to the closing quote; `None` where there is none, or a backslash escapes nothing.
fn quoted(bytes: &mut std::str::Bytes<'_>) -> Option<Vec<u8>> {
    let mut string = Vec::new();
    loop {
        match bytes.next()? {
            b'"' => return Some(string),
            b'\\' => match bytes.next()? {
                digit @ b'0'..=b'7' => {
                    let digits = [digit, bytes.next()?, bytes.next()?];
                    string.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?);
                }
                other => string.push(other),
            },
            byte => string.push(byte),
        }
    }
}
