//! Domain names: labels, limits, and the comparison that ignores ASCII case (RFC 1034 3.1, RFC 4343).
//!
//! A name keeps the case it was written in, because answers echo the case of the question; its [`Key`] does not.
//! Internationalised names are what their ASCII form says; nothing is converted.

use std::fmt;

use thiserror::Error;

/// Longest label in bytes (RFC 1035 2.3.4).
const MAX_LABEL: usize = 63;
/// Longest name in wire bytes, the root's zero byte included (RFC 1035 2.3.4).
const MAX_NAME: usize = 255;

/// A domain name, absolute, in the case it was written in.
#[derive(Clone, Debug)]
pub struct Name {
    /// Length-prefixed labels as on the wire, without the root's zero byte.
    wire: Box<[u8]>,
}

/// Wire form in lower case: equal keys are equal names, and each suffix at a label boundary is an ancestor.
pub(super) type Key = Box<[u8]>;

/// Why a text is not a domain name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadName {
    /// Two dots in a row, or a leading one.
    #[error("`{0}` has an empty label: a name is labels separated by single dots")]
    EmptyLabel(String),
    /// A label over 63 bytes.
    #[error("`{0}` has a label of more than 63 bytes, the longest that DNS can carry")]
    LongLabel(String),
    /// More than 255 bytes in all.
    #[error("`{0}` is longer than the 255 bytes that DNS can carry")]
    LongName(String),
    /// A backslash that escapes nothing.
    #[error("`{0}` has a backslash that is followed neither by a character nor by three digits up to 255")]
    BadEscape(String),
    /// A record's name outside the zone it was put into.
    #[error("`{name}` is not under `{apex}`, so that zone can't hold it")]
    OutsideZone {
        /// The record's name.
        name: String,
        /// The zone's apex.
        apex: String,
    },
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Self {
        Self { wire: Box::default() }
    }

    /// Reads the presentation form of RFC 1035 5.1, with or without a final dot; `\.` and `\065` are escapes.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text == "." || text.is_empty() {
            return Ok(Self::root());
        }
        let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
        let mut bytes = text.bytes();
        let mut closed = false; // The last byte was a dot that ends a label.
        while let Some(byte) = bytes.next() {
            if closed {
                labels.push(Vec::new());
                closed = false;
            }
            let label = labels.last_mut().expect("the list starts with one label and only grows");
            match byte {
                b'.' if label.is_empty() => return Err(BadName::EmptyLabel(text.to_owned())),
                b'.' => closed = true,
                b'\\' => label.push(escape(&mut bytes).ok_or_else(|| BadName::BadEscape(text.to_owned()))?),
                byte => label.push(byte),
            }
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }

    /// A name from its labels, leftmost first, as a wire decoder has them.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BadName> {
        let mut wire = Vec::new();
        for label in labels {
            match label.len() {
                0 => return Err(BadName::EmptyLabel(shown(&wire))),
                1..=MAX_LABEL => wire.push(label.len() as u8),
                _ => return Err(BadName::LongLabel(shown(&wire))),
            }
            wire.extend_from_slice(label);
            if wire.len() + 1 > MAX_NAME {
                return Err(BadName::LongName(shown(&wire)));
            }
        }
        Ok(Self { wire: wire.into_boxed_slice() })
    }

    /// Labels, leftmost first.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        labels(&self.wire)
    }

    /// What names are compared by.
    pub(super) fn key(&self) -> Key {
        // A length byte is at most 63, below every letter, so lower-casing the whole leaves lengths alone.
        self.wire.to_ascii_lowercase().into_boxed_slice()
    }
}

/// Case does not count.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    /// Presentation form without the final dot, except for the root.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wire.is_empty() {
            return f.write_str(".");
        }
        f.write_str(&shown(&self.wire))
    }
}

/// The name itself and its ancestors up to the root, nearest first, as suffixes of its wire form.
pub(super) fn ancestors(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(key), |rest| rest.split_first().map(|(length, tail)| &tail[usize::from(*length)..]))
}

/// `*` under `parent` (RFC 4592 2.1.1).
pub(super) fn wildcard(parent: &[u8]) -> Key {
    [b"\x01*", parent].concat().into_boxed_slice()
}

fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first()?;
        let (label, tail) = tail.split_at(usize::from(*length));
        rest = tail;
        Some(label)
    })
}

/// The byte after a backslash: `\DDD` or any one character.
fn escape(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, bytes.next()?, bytes.next()?];
    let text = std::str::from_utf8(&digits).ok()?;
    if digits.iter().all(u8::is_ascii_digit) { text.parse().ok() } else { None }
}

fn shown(wire: &[u8]) -> String {
    let mut text = String::new();
    for label in labels(wire) {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
                0x21..=0x7e => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
    }
    text
}
