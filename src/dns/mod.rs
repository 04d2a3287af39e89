//! DNS answers: what the resolver of a VPC says to a question.
//!
//! A lab has one [`Zones`]: the public names of the emulated internet, the same for everybody, and one [`View`] per VPC
//! with the names that exist only inside it (private DNS of interface endpoints, instance names, reverse names).
//! [`answer`] is the whole behaviour; `compile` fills the zones from the world, `services/resolver` asks on behalf of
//! real clients.
//!
//! ```text
//!  name ─► View of the VPC: longest private apex? ── yes ─► that zone alone decides (it shadows the public one)
//!                │ no                                          │ CNAME ─► ask again, at most 8 times
//!                ▼                                             ▼
//!          public zones: longest apex (the root knows all) ─► records │ NODATA + SOA │ NXDOMAIN + SOA
//! ```
//!
//! Not here: the wire format (hickory does it), IPv6 addresses, DNSSEC, forwarding rules.
//! Pure: no sockets, no clock, no randomness; rotation is an argument.

mod absences;
mod addresses;
mod answer;
mod name;
mod record;
#[cfg(test)]
mod tests;
mod zones;

pub use absences::Absences;
pub use addresses::{NoAddress, addresses};
pub use answer::{Answer, ResponseCode, answer, answer_name};
pub use name::{BadName, Name};
pub use record::{Data, Record, RecordType, Records, Soa};
pub use zones::{View, Zone, Zones};
