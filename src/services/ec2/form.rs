//! The parameters of the Query protocol, as EC2 flattens them: `VpcEndpointId.1`, `Filter.1.Value.2`.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode;

use super::refused;
use crate::services::failure::Failure;

/// Bytes of a form; a policy has 20,480 at most, and nothing else is long.
pub const LONGEST: usize = 256 << 10;
/// Members of a list: each may be a change of its own.
const LONGEST_LIST: usize = 1000;
/// Characters of a caller's text in an answer.
const SHOWN: usize = 512;

/// Parameters by name.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the parameters of a query and a body.
    ///
    /// # Errors
    /// They are too long, or not a form.
    pub fn read(query: &str, body: &[u8]) -> Result<Self, Failure> {
        if query.len() + body.len() > LONGEST {
            let message = format!("The request has more than {LONGEST} bytes");
            return Err(refused(413, "RequestEntityTooLarge", message));
        }
        let mut parameters = BTreeMap::new();
        for pair in query.as_bytes().split(|byte| *byte == b'&').chain(body.split(|byte| *byte == b'&')) {
            if pair.trim_ascii().is_empty() {
                continue;
            }
            let at = pair.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let (name, value) = (decoded(&pair[..at])?, decoded(&pair[at + 1..])?);
            if name.is_empty() || parameters.insert(name, value).is_some() {
                return Err(malformed());
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter's text; `None` where it is absent or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The same of one that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need(&self, name: &str) -> Result<String, Failure> {
        self.text(name).map(str::to_owned).ok_or_else(|| missing(name))
    }

    /// `NAME.1`, `NAME.2`, … in order of their numbers.
    ///
    /// # Errors
    /// A number is none.
    pub fn list(&self, name: &str) -> Result<Vec<String>, Failure> {
        Ok(self
            .numbers(name)?
            .into_iter()
            .filter_map(|number| self.0.get(&format!("{name}.{number}")).cloned())
            .collect())
    }

    /// The same of one that must have a member.
    ///
    /// # Errors
    /// It has none.
    pub fn need_list(&self, name: &str) -> Result<Vec<String>, Failure> {
        let list = self.list(name)?;
        if list.is_empty() { Err(missing(name)) } else { Ok(list) }
    }

    /// The numbers of a list's members, as they are written.
    ///
    /// # Errors
    /// One is no number, two are the same, or there are too many.
    pub fn numbers(&self, name: &str) -> Result<Vec<String>, Failure> {
        let prefix = format!("{name}.");
        let mut numbers: BTreeMap<u32, &str> = BTreeMap::new();
        for rest in self.0.keys().filter_map(|key| key.strip_prefix(&prefix)) {
            let written = rest.split('.').next().unwrap_or_default();
            let number = written.parse::<u32>().ok().filter(|_| written.bytes().all(|byte| byte.is_ascii_digit()));
            let number = number.ok_or_else(malformed)?;
            if *numbers.entry(number).or_insert(written) != written {
                return Err(malformed());
            }
        }
        if numbers.len() > LONGEST_LIST {
            let why = format!("A list has at most {LONGEST_LIST} members");
            return Err(invalid(name, &numbers.len().to_string(), &why));
        }
        Ok(numbers.into_values().map(str::to_owned).collect())
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => Err(invalid(name, other, "Expecting a boolean value")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| invalid(name, text, "Expecting an integer"));
        self.text(name).map(parse).transpose()
    }

    /// The names before their numbers and members.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|name| name.split('.').next().unwrap_or_default()).collect()
    }

    /// All parameters, in order of their names.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// `+` is a space, `%XX` a byte; all bytes together are UTF-8.
fn decoded(text: &[u8]) -> Result<String, Failure> {
    let text = text.trim_ascii_end();
    let whole = text.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !whole {
        return Err(malformed());
    }
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| malformed())
}

/// A caller's text as it may stand in an answer: XML has no control characters.
pub fn shown(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    visible.take(SHOWN).collect()
}

fn malformed() -> Failure {
    refused(400, "MalformedQueryString", "The query string contains a syntax error.")
}

fn missing(name: &str) -> Failure {
    refused(400, "MissingParameter", format!("The request must contain the parameter {name}"))
}

/// A value that a parameter can't have.
pub fn invalid(name: &str, value: &str, why: &str) -> Failure {
    let message = format!("Value ({}) for parameter {name} is invalid. {why}", shown(value));
    refused(400, "InvalidParameterValue", message)
}
