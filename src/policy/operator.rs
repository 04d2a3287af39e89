//! Condition operators: their names, and whether one value of a request fits one of a document.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

use super::arn::ArnPattern;
use super::facts::Facts;
use super::pattern::{Meaning, Pattern};

/// How values are compared, negation aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Text,
    TextIgnoringCase,
    TextLike,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// What a number or date must be to the document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Over which of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// No prefix.
    Plain,
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// An operator as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) comparison: Comparison,
    pub(super) negated: bool,
    pub(super) set: Set,
    pub(super) if_exists: bool,
}

/// All names without prefix and suffix.
pub(super) const NAMES: &[(&str, Comparison, bool)] = &[
    ("StringEquals", Comparison::Text, false),
    ("StringNotEquals", Comparison::Text, true),
    ("StringEqualsIgnoreCase", Comparison::TextIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::TextIgnoringCase, true),
    ("StringLike", Comparison::TextLike, false),
    ("StringNotLike", Comparison::TextLike, true),
    ("NumericEquals", Comparison::Number(Order::Equal), false),
    ("NumericNotEquals", Comparison::Number(Order::Equal), true),
    ("NumericLessThan", Comparison::Number(Order::Less), false),
    ("NumericLessThanEquals", Comparison::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Comparison::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Comparison::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Comparison::Date(Order::Equal), false),
    ("DateNotEquals", Comparison::Date(Order::Equal), true),
    ("DateLessThan", Comparison::Date(Order::Less), false),
    ("DateLessThanEquals", Comparison::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Comparison::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Comparison::Date(Order::GreaterOrEqual), false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::Address, false),
    ("NotIpAddress", Comparison::Address, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnNotLike", Comparison::Arn, true),
    ("Null", Comparison::Null, false),
];

impl Operator {
    /// Reads a name, such as `ForAnyValue:StringLikeIfExists`; case does not matter. `None` when it is none.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let (set, rest) = match written.split_once(':') {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAllValues") => (Set::All, rest),
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAnyValue") => (Set::Any, rest),
            Some(_) => return None,
            None => (Set::Plain, written),
        };
        let suffix = rest.len().checked_sub("IfExists".len()).filter(|at| rest.is_char_boundary(*at));
        let (name, if_exists) = match suffix {
            Some(at) if rest[at..].eq_ignore_ascii_case("IfExists") => (&rest[..at], true),
            _ => (rest, false),
        };
        let (_, comparison, negated) = NAMES.iter().copied().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        // Null asks whether the key exists: on both it would contradict itself.
        if comparison == Comparison::Null && (if_exists || set != Set::Plain) {
            return None;
        }
        Some(Self { comparison, negated, set, if_exists })
    }
}

/// A value of a document, read for its operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Text(Pattern),
    Number(f64),
    /// Nanoseconds since 1970.
    Date(i128),
    Bool(bool),
    Binary(Vec<u8>),
    Address(IpNet),
    Arn(ArnPattern),
    /// Has variables: read once they have values.
    Later(Pattern),
}

// Numbers come from text that is refused unless it is finite: equality is total.
impl Eq for Wanted {}

impl Wanted {
    /// Reads a value.
    ///
    /// # Errors
    /// Says what it should be.
    pub(super) fn parse(written: &str, comparison: Comparison, variables: bool) -> Result<Self, &'static str> {
        let pattern = |wildcards| Pattern::new(written, Meaning { wildcards, variables });
        match comparison {
            Comparison::Text | Comparison::TextIgnoringCase => Ok(Self::Text(pattern(false))),
            Comparison::TextLike => Ok(Self::Text(pattern(true))),
            Comparison::Arn => Ok(Self::Arn(ArnPattern::new(written, variables))),
            // Bool alone of the others takes variables; that they mean nothing to the rest is seen when it is written.
            Comparison::Bool if pattern(false).has_variables() => Ok(Self::Later(pattern(false))),
            typed => Self::typed(written, typed),
        }
    }

    fn typed(written: &str, comparison: Comparison) -> Result<Self, &'static str> {
        match comparison {
            Comparison::Number(_) => number(written).map(Self::Number).ok_or("a number"),
            Comparison::Date(_) => date(written).map(Self::Date).ok_or("a date as in ISO 8601, or seconds since 1970"),
            Comparison::Bool | Comparison::Null => truth(written).map(Self::Bool).ok_or("true or false"),
            Comparison::Binary => STANDARD.decode(written).map(Self::Binary).map_err(|_| "base64"),
            Comparison::Address => network(written).map(Self::Address).ok_or("an IP address or a CIDR"),
            _ => unreachable!("texts are patterns"),
        }
    }

    /// Whether a request's value fits; one that can't be read as what it is compared with does not.
    pub(super) fn fits(&self, given: &str, comparison: Comparison, facts: &Facts<'_>) -> bool {
        match (self, comparison) {
            (Self::Later(pattern), _) => pattern
                .text(facts)
                .and_then(|text| Self::typed(&text, comparison).ok())
                .is_some_and(|it| it.fits(given, comparison, facts)),
            (Self::Text(pattern), Comparison::TextIgnoringCase) => {
                pattern.text(facts).is_some_and(|text| text.to_lowercase() == given.to_lowercase())
            }
            (Self::Text(pattern), _) => pattern.matches(given, facts),
            (Self::Number(wanted), Comparison::Number(order)) => {
                number(given).and_then(|given| given.partial_cmp(wanted)).is_some_and(|is| order.admits(is))
            }
            (Self::Date(wanted), Comparison::Date(order)) => {
                date(given).is_some_and(|given| order.admits(given.cmp(wanted)))
            }
            (Self::Bool(wanted), _) => truth(given) == Some(*wanted),
            (Self::Binary(wanted), _) => STANDARD.decode(given).is_ok_and(|given| given == *wanted),
            (Self::Address(wanted), _) => {
                given.parse::<IpAddr>().is_ok_and(|address| wanted.contains(&address.to_canonical()))
            }
            (Self::Arn(pattern), _) => given.starts_with("arn:") && pattern.matches(given, facts),
            _ => false,
        }
    }

    /// The first variable that has no value.
    pub(super) fn missing(&self, facts: &Facts<'_>) -> Option<String> {
        match self {
            Self::Text(pattern) | Self::Later(pattern) => pattern.missing(facts),
            Self::Arn(pattern) => pattern.missing(facts),
            _ => None,
        }
    }
}

impl Order {
    fn admits(self, is: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => is.is_eq(),
            Self::Less => is.is_lt(),
            Self::LessOrEqual => is.is_le(),
            Self::Greater => is.is_gt(),
            Self::GreaterOrEqual => is.is_ge(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// W3C's profile of ISO 8601, or seconds since 1970.
fn date(text: &str) -> Option<i128> {
    if let Some(seconds) = number(text) {
        // A year alone is a date too, but nobody means the first hours of 1970.
        let is_year = text.len() == 4 && text.bytes().all(|it| it.is_ascii_digit());
        return match is_year {
            true => date(&format!("{text}-01-01")),
            false if seconds.abs() < 1e15 => Some((seconds * 1e9) as i128),
            false => None,
        };
    }
    let full = match text.len() {
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    OffsetDateTime::parse(&full, &Iso8601::PARSING).ok().map(OffsetDateTime::unix_timestamp_nanos)
}

fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().ok().map(|network| network.trunc()),
    }
}
