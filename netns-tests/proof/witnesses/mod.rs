//! Who tells what became of a packet, each compared with the reference: `trace`, the guests' sockets, and the list of drops.

pub mod drops;
pub mod sockets;
pub mod trace;

use super::lab::{Lab, Party};
use super::reference::Place;

/// The guest in which a packet arrives, where sockets can look.
fn guest_at(lab: &Lab, place: Place) -> Option<&str> {
    match place {
        Place::Instance(instance) | Place::Appliance(instance) => Some(&lab.instances[instance].name),
        Place::Internet => Some(lab.party(Party::Internet).0),
        Place::OnPremises => Some(lab.party(Party::OnPremises).0),
        Place::Resolver | Place::ThroughEndpoint(..) | Place::OverInternet(_) | Place::Behind(..) => None,
    }
}
