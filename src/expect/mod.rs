//! Expectations: what must hold of a lab's paths, as written in `expect:`, as meant, and whether it does.
//!
//! ```text
//! lab.yaml or NAME.test.yaml ─► source ─► written (spans kept) ─► Scene::mean (guests, objects, codes, addresses)
//!                                                                     └─► Expectation ─► judge(Way) ─► holds, or Failure
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `source.rs` | which file has the list |
//! | `written.rs` | the language: entries and their keys, each with its place |
//! | `destination.rs` | HOST, GUEST, URL and the like, as text |
//! | `scene.rs` | the lab that expectations are about: who and what a name means, and where a packet would go |
//! | `names.rs` | which object a name means |
//! | `meaning.rs` | entries as meant; a name of nothing is an error at its place, never a pass |
//! | `way.rs` | a path in people's names, from the walk here or from a lab that runs |
//! | `judge.rs` | whether a path is as expected, and what decided |
//! | `fate.rs` | what became of a packet that was really sent, held against its way |
//! | `call.rs` | what policies say of an API call, by the way that its packets take |
//! | `reach.rs` | what can be reached at all: one packet for each class of packets |
//!
//! *Static*: the walk on the compiled tables decides ([`Scene::ways`]); nothing is started. The dynamic half belongs to the
//! shell: it starts a lab, sends packets, and brings what the lab's trace says ([`Way`]) and what became of them ([`Fate`]) here
//! to be judged by the same rules.
//!
//! Pure: files are read by the [`Files`](crate::template::Files) that the shell passes in. Not here: how results are printed.

mod call;
mod destination;
mod fate;
mod judge;
mod meaning;
mod names;
mod reach;
mod scene;
mod source;
mod way;
mod written;

#[cfg(test)]
mod tests;

pub use call::{CallClaim, Denier, judge_call};
pub use destination::Destination;
pub use fate::{Carried, Dropped, Fate, agree, decider_of, ends_at};
pub use judge::{Decider, Failure, judge};
pub use meaning::{Claim, Expectation, PathClaim, Sender, Thing, Want};
pub use reach::Class;
pub use scene::Scene;
pub use source::source;
pub use way::{End, Stop, Way};
pub use written::{Protocol, Word, Written, read};
