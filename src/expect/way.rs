//! A packet's way in the names that people use: from the walk here, or as a running lab tells it.

use super::meaning::Thing;
use crate::dataplane::{DropReason, Hop, ObjectIndex, Path, Tables};
use crate::dns::NoAddress;

/// The objects that a packet met, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// In order; inside of a VPC the first is the sender's network interface.
    pub stops: Vec<Stop>,
    /// What the answer meets, in order.
    pub back: Vec<Stop>,
    /// How it ended.
    pub end: End,
}

/// An object on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What kind, in AWS's nouns.
    pub kind: String,
    /// AWS id or ARN.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// What it decided, for people.
    pub decision: String,
    /// Id of the rule or route that decided.
    pub rule: Option<String>,
    /// `file:line` of what decided.
    pub source: Option<String>,
}

/// How a way ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Delivered,
    /// Not.
    Dropped {
        /// The explanation code.
        code: String,
        /// The same as a sentence.
        sentence: String,
        /// The packet arrives, and its answer is dropped: a question whose answer is lost is as good as lost.
        answer: bool,
    },
}

impl Way {
    /// A walk in people's names.
    pub fn of(path: &Path, tables: &Tables) -> Self {
        let dropped = |reason: DropReason, answer: bool| End::Dropped {
            code: reason.code().to_owned(),
            sentence: reason.sentence().to_owned(),
            answer,
        };
        let end = match (path.dropped, path.back_dropped) {
            (Some(reason), _) => dropped(reason, false),
            (None, Some(reason)) => dropped(reason, true),
            (None, None) => End::Delivered,
        };
        let stops = |hops: &[Hop]| hops.iter().map(|hop| Stop::of(hop, tables)).collect();
        Self { stops: stops(&path.hops), back: stops(&path.back_hops), end }
    }

    /// No packet is ever sent to a name without an address.
    pub fn unresolved(no_address: &NoAddress) -> Self {
        let NoAddress { code, sentence } = no_address;
        let end = End::Dropped { code: (*code).to_owned(), sentence: sentence.clone(), answer: false };
        Self { stops: Vec::new(), back: Vec::new(), end }
    }

    /// The packet itself arrives, whatever becomes of its answer.
    pub fn arrives(&self) -> bool {
        matches!(self.end, End::Delivered | End::Dropped { answer: true, .. })
    }

    /// The packet meets the object. A sender is no thing that its own packets meet ([`Scene::mean`](super::Scene::mean)).
    pub fn meets(&self, thing: &Thing) -> bool {
        let met = |stop: &Stop| thing.is(&stop.id) || stop.rule.as_deref().is_some_and(|rule| thing.is(rule));
        self.stops.iter().any(met)
    }

    /// The packet itself ends at that service.
    pub(super) fn ends_at(&self, service: &str) -> bool {
        self.stops.last().is_some_and(|stop| stop.kind == "service" && stop.id == service)
    }

    /// The last object that looked at the packet, or at its answer where that one is dropped.
    pub fn last(&self) -> Option<&Stop> {
        match self.end {
            End::Dropped { answer: true, .. } => self.back.last(),
            _ => self.stops.last(),
        }
    }
}

impl Stop {
    fn of(hop: &Hop, tables: &Tables) -> Self {
        let of = |index: Option<ObjectIndex>| index.map(|index| tables.object(index));
        let (object, rule) = (of(hop.object), of(hop.rule));
        Self {
            kind: hop.kind.to_owned(),
            id: object.map(|object| object.id.clone()).unwrap_or_default(),
            name: object.map(|object| object.name.clone()).unwrap_or_default(),
            decision: hop.decision.clone(),
            rule: rule.map(|rule| rule.id.clone()),
            source: rule.or(object).and_then(|object| object.source.clone()),
        }
    }

    /// `route table first/Routes (rtb-…)`.
    pub fn shown(&self) -> String {
        match (self.name.is_empty(), self.id.is_empty()) {
            (true, _) => format!("{} {}", self.kind, self.id),
            (false, true) => format!("{} {}", self.kind, self.name),
            (false, false) => format!("{} {} ({})", self.kind, self.name, self.id),
        }
    }
}
