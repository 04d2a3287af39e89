//! Whether a way is as expected, and what decided that it is not.

use std::fmt;

use super::meaning::Want;
use super::way::{End, Stop, Way};

/// Why an expectation does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened instead.
    pub reason: String,
    /// What decided it.
    pub decider: Option<Decider>,
    /// More of the same kind, a line each.
    pub details: Vec<String>,
}

impl Failure {
    /// A failure that one thing explains.
    pub fn new(reason: String, decider: Option<Decider>) -> Self {
        Self { reason, decider, details: Vec::new() }
    }

    /// Says first which of several packets it was.
    #[must_use]
    pub fn of(mut self, packet: &str) -> Self {
        self.reason = format!("{packet}: {}", self.reason);
        self
    }
}

/// The object and rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// The object, and what it decided.
    pub text: String,
    /// `file:line` of the rule, route or object.
    pub source: Option<String>,
}

impl From<&Stop> for Decider {
    fn from(stop: &Stop) -> Self {
        Self { text: format!("{}: {}", stop.shown(), stop.decision), source: stop.source.clone() }
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.source.as_ref().map_or(Ok(()), |source| write!(f, "  [{source}]"))
    }
}

/// Judges a way.
///
/// # Errors
/// It is not as wanted.
pub fn judge(want: &Want, way: &Way) -> Result<(), Failure> {
    match (want, &way.end) {
        (Want::Delivered, End::Delivered) => Ok(()),
        (Want::Via(thing), End::Delivered) if way.meets(thing) => Ok(()),
        (Want::Dropped(code), End::Dropped { code: found, .. }) if code == found => Ok(()),
        (Want::Via(thing), End::Delivered) => {
            let reason = format!("it is delivered, but not by way of {}: {}", thing.name, route_taken(way));
            Err(Failure::new(reason, router(way)))
        }
        (Want::Dropped(code), End::Delivered) => {
            let reason = format!("it is delivered, where {code} was expected: {}", route_taken(way));
            Err(Failure::new(reason, router(way)))
        }
        (Want::Dropped(code), End::Dropped { code: found, sentence, answer }) => {
            let reason = format!("{} is dropped, but not with {code}: {found}: {sentence}", subject(*answer));
            Err(Failure::new(reason, way.last().map(Decider::from)))
        }
        (Want::Delivered | Want::Via(_), End::Dropped { code, sentence, answer }) => {
            let reason = format!("{} is dropped: {code}: {sentence}", subject(*answer));
            Err(Failure::new(reason, way.last().map(Decider::from)))
        }
    }
}

fn subject(answer: bool) -> &'static str {
    if answer { "it arrives, and its answer" } else { "it" }
}

/// What sent a packet where it went: the first route, else the last object.
pub(super) fn router(way: &Way) -> Option<Decider> {
    let route = way.stops.iter().find(|stop| stop.kind == "route table");
    route.or(way.stops.last()).map(Decider::from)
}

/// The objects after the sender, in short.
fn route_taken(way: &Way) -> String {
    let stops: Vec<String> = way.stops.iter().skip(1).map(Stop::shown).collect();
    if stops.is_empty() { "it met nothing".to_owned() } else { format!("by {}", stops.join(", ")) }
}
