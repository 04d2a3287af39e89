//! What became of a packet that was really sent, and whether that is what its way says.
//!
//! The shell watches a running lab and brings a [`Fate`] for each packet; here it is held against the [`Way`] that the lab's
//! own trace gives. They must agree: the trace explains, the packet proves.

use std::fmt;

use super::judge::{Decider, Failure};
use super::meaning::{TIME, Thing};
use super::way::{End, Way};

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It left the lab's forwarder towards its receiver.
    Carried(Carried),
    /// The same, and where an answer was due none came.
    Unanswered(Carried),
    /// The lab dropped it.
    Dropped(Dropped),
    /// It was carried, and the lab dropped the answer.
    AnswerDropped(Carried, Dropped),
    /// The guest's own kernel did not send it.
    NotSent(String),
    /// The lab saw nothing of it.
    Unseen,
}

/// How a packet was carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The receiver, as the lab calls its link.
    pub receiver: String,
    /// AWS id of the receiver's network interface, or a service's name.
    pub receiver_id: Option<String>,
    /// AWS id or ARN of the last endpoint or balancer on the way.
    pub via: Option<String>,
    /// Something came back.
    pub answered: bool,
}

/// A drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The explanation code.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
    /// The object that said so, as `name (id)`; empty when nobody in particular did.
    pub object: String,
    /// `file:line` of that object.
    pub source: Option<String>,
}

impl Dropped {
    /// What ARP finds out before a packet is sent: nobody in the subnet has the address.
    pub const NO_ARP_ANSWER: &str = "ARP_NO_SUCH_ADDRESS";

    fn decider(&self) -> Option<Decider> {
        let text = format!("{}: {}", self.object, self.sentence);
        (!self.object.is_empty()).then(|| Decider { text, source: self.source.clone() })
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Carried(Carried { receiver, .. }) => write!(f, "went to {receiver}"),
            Self::Unanswered(Carried { receiver, .. }) => write!(f, "went to {receiver}, and nothing came back"),
            Self::Dropped(dropped) => write!(f, "was dropped: {dropped}"),
            Self::AnswerDropped(Carried { receiver, .. }, dropped) => {
                write!(f, "went to {receiver}, and the answer was dropped: {dropped}")
            }
            Self::NotSent(why) => write!(f, "was not sent by the guest's own kernel: {why}"),
            Self::Unseen => f.write_str("was not seen by the lab"),
        }
    }
}

/// What decided about a packet that did not make it.
pub fn decider_of(fate: &Fate) -> Option<Decider> {
    match fate {
        Fate::Dropped(dropped) | Fate::AnswerDropped(_, dropped) => dropped.decider(),
        _ => None,
    }
}

/// Whether the packet did what its way says.
///
/// # Errors
/// They disagree: one of them is wrong, and nobody should believe the other.
pub fn agree(way: &Way, fate: &Fate) -> Result<(), Failure> {
    // Without an answer to ARP a kernel never sends what others on the way would have refused.
    let same = |code: &str, dropped: &Dropped| code == dropped.code || dropped.code == Dropped::NO_ARP_ANSWER;
    let agrees = match (&way.end, fate) {
        (End::Delivered, Fate::Carried(carried)) => is_receiver(way, carried),
        (End::Dropped { code, answer: false, .. }, Fate::Dropped(dropped)) => same(code, dropped),
        (End::Dropped { code, answer: true, .. }, Fate::AnswerDropped(carried, dropped)) => {
            is_receiver(way, carried) && same(code, dropped)
        }
        // Nobody answered, so there was nothing to drop.
        (End::Dropped { answer: true, .. }, Fate::Carried(carried)) => is_receiver(way, carried) && !carried.answered,
        (End::Dropped { answer: false, .. }, Fate::NotSent(_)) => true,
        _ => false,
    };
    if agrees {
        return Ok(());
    }
    let last = way.last().map(|stop| format!(" by {}", stop.shown())).unwrap_or_default();
    let said = match &way.end {
        End::Delivered => {
            format!("it is delivered{}", way.last().map(|stop| format!(" to {}", stop.shown())).unwrap_or_default())
        }
        End::Dropped { code, answer: false, .. } => format!("it is dropped{last}: {code}"),
        End::Dropped { code, answer: true, .. } => format!("its answer is dropped{last}: {code}"),
    };
    let reason = format!("trace and the real packet disagree: trace says {said}; the packet {fate}");
    Err(Failure::new(reason, decider_of(fate).or_else(|| way.last().map(Decider::from))))
}

/// A balancer may choose another target for the real packet, whose sequence number trace can't know.
fn is_receiver(way: &Way, carried: &Carried) -> bool {
    let balanced = way.stops.iter().any(|stop| stop.kind == "load balancer");
    let meets = |id: &Option<String>| id.as_ref().is_none_or(|id| way.stops.iter().any(|stop| stop.id == *id));
    meets(&carried.via) && (balanced || meets(&carried.receiver_id))
}

/// Whether a packet ended at one of the things, as its way says; `packet` names it. What became of an answer is another
/// matter: it was reached.
///
/// # Errors
/// It ended elsewhere, or nowhere.
pub fn ends_at(packet: &str, way: &Way, fate: &Fate, things: &[Thing]) -> Result<(), Failure> {
    let arrived = match fate {
        Fate::Carried(carried) | Fate::AnswerDropped(carried, _) | Fate::Unanswered(carried) if way.arrives() => {
            Some(carried)
        }
        _ => None,
    };
    match arrived {
        Some(carried) if is_receiver(way, carried) => {}
        _ => agree(way, fate).map_err(|failure| failure.of(packet))?,
    }
    match fate {
        _ if arrived.is_some() && (things.iter().any(|thing| way.meets(thing)) || way.ends_at(TIME)) => Ok(()),
        Fate::Carried(carried) | Fate::AnswerDropped(carried, _) | Fate::Unanswered(carried) => {
            let reason = format!("{packet} went to {}, which is not listed", carried.receiver);
            Err(Failure::new(reason, super::judge::router(way)))
        }
        Fate::Dropped(dropped) => Err(Failure::new(format!("{packet} was dropped: {dropped}"), dropped.decider())),
        other => Err(Failure::new(format!("{packet} {other}"), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::Stop;

    fn way(stops: &[(&str, &str)], end: Option<&str>) -> Way {
        let stop = |(kind, id): &(&str, &str)| Stop {
            kind: (*kind).into(),
            id: (*id).into(),
            name: String::new(),
            decision: "passes".into(),
            rule: None,
            source: None,
        };
        let dropped = |code: &str| End::Dropped { code: code.into(), sentence: "no".into(), answer: false };
        Way { stops: stops.iter().map(stop).collect(), back: Vec::new(), end: end.map_or(End::Delivered, dropped) }
    }

    fn dropped(code: &str) -> Dropped {
        Dropped { code: code.into(), sentence: "no".into(), object: "subnet a".into(), source: Some("a.yaml:3".into()) }
    }

    fn carried(receiver: &str, via: Option<&str>) -> Fate {
        Fate::Carried(Carried {
            receiver: receiver.into(),
            receiver_id: Some(receiver.into()),
            via: via.map(str::to_owned),
            answered: true,
        })
    }

    #[test]
    fn trace_and_packet_agree_or_say_so() {
        let neighbour = way(&[("network interface", "eni-a"), ("network interface", "eni-b")], None);
        let endpoint = way(&[("network interface", "eni-a"), ("gateway endpoint", "vpce-1"), ("service", "s3")], None);
        let balanced =
            way(&[("network interface", "eni-a"), ("load balancer", "nlb"), ("network interface", "eni-b")], None);
        let nobody = way(&[("subnet", "a")], Some("NO_SUCH_ADDRESS"));
        let lost = Way {
            end: End::Dropped { code: "ACL".into(), sentence: "no".into(), answer: true },
            ..way(&[("network interface", "eni-a"), ("network interface", "eni-b")], None)
        };
        let to_b = Carried { receiver_id: Some("eni-b".into()), ..Carried::default() };
        for (way, fate, agrees) in [
            (&neighbour, carried("eni-b", None), true),
            (&neighbour, carried("eni-c", None), false),
            (&endpoint, carried("s3", Some("vpce-1")), true),
            (&endpoint, carried("s3", Some("vpce-2")), false),
            (&balanced, carried("eni-c", Some("nlb")), true),
            (&neighbour, Fate::Dropped(dropped("NO_SUCH_ADDRESS")), false),
            (&neighbour, Fate::Unseen, false),
            (&nobody, Fate::Dropped(dropped("NO_SUCH_ADDRESS")), true),
            (&nobody, Fate::Dropped(dropped(Dropped::NO_ARP_ANSWER)), true),
            (&nobody, Fate::Dropped(dropped("MULTICAST")), false),
            (&nobody, Fate::AnswerDropped(Carried::default(), dropped("NO_SUCH_ADDRESS")), false),
            (&lost, Fate::AnswerDropped(to_b.clone(), dropped("ACL")), true),
            (&lost, Fate::AnswerDropped(to_b.clone(), dropped("NO_ROUTE")), false),
            (
                &lost,
                Fate::AnswerDropped(Carried { receiver_id: Some("eni-c".into()), ..to_b.clone() }, dropped("ACL")),
                false,
            ),
            (&lost, Fate::Dropped(dropped("ACL")), false),
            (&lost, Fate::Carried(to_b.clone()), true),
            (&lost, Fate::Carried(Carried { answered: true, ..to_b.clone() }), false),
            (&lost, Fate::Unanswered(to_b.clone()), false),
            (&neighbour, Fate::AnswerDropped(Carried::default(), dropped("NO_SUCH_ADDRESS")), false),
            (&neighbour, Fate::Dropped(dropped(Dropped::NO_ARP_ANSWER)), false),
            (&nobody, Fate::NotSent("EACCES".into()), true),
            (&nobody, carried("eni-b", None), false),
            (&nobody, Fate::Unseen, false),
        ] {
            let verdict = agree(way, &fate);
            assert_eq!(verdict.is_ok(), agrees, "{way:?} {fate:?} {verdict:?}");
        }
        let failure = agree(&neighbour, &Fate::Dropped(dropped("NO_SUCH_ADDRESS"))).unwrap_err();
        assert_eq!(
            failure.reason,
            "trace and the real packet disagree: trace says it is delivered to network interface eni-b; the packet was \
             dropped: NO_SUCH_ADDRESS: no"
        );
        assert_eq!(failure.decider.unwrap().source.as_deref(), Some("a.yaml:3"));
    }

    #[test]
    fn a_packet_ends_at_a_listed_thing_or_is_told_of() {
        let things = [Thing { name: "S3".into(), ids: vec!["vpce-1".into()] }];
        let listed = way(&[("network interface", "eni-a"), ("gateway endpoint", "vpce-1"), ("service", "s3")], None);
        let other = way(&[("network interface", "eni-a"), ("network interface", "eni-b")], None);
        let nowhere = way(&[("network interface", "eni-a")], Some("NO_ROUTE"));
        assert_eq!(ends_at("p", &listed, &carried("s3", Some("vpce-1")), &things), Ok(()));
        let reason = |way: &Way, fate: &Fate| ends_at("p", way, fate, &things).unwrap_err().reason;
        assert_eq!(reason(&other, &carried("eni-b", None)), "p went to eni-b, which is not listed");
        assert_eq!(reason(&nowhere, &Fate::Dropped(dropped("NO_ROUTE"))), "p was dropped: NO_ROUTE: no");
    }
}
