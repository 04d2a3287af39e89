//! What to do with a frame: a pure function of the frame, the tables and the flows.
//!
//! # A frame's way
//!
//! [`Dataplane::handle`] in `pipeline.rs` reads on one screen: parse, check the offload header, look for a flow, and on a
//! miss admit and decide. The speed tiers, from the most to the least frequent:
//!
//! 1. **Flow hit**: one shard lock, one look-up, a copied [`Plan`](flow::Plan), an in-place rewrite. No allocation, no other lock.
//! 2. **Flow miss**: [`decide`](decide) walks hop by hop through the tables, there and back, holding no lock (where a balancer
//!    or NAT gateway translates, one port-pool lock for a moment); then the flow is established (two shard locks). Allocates.
//! 3. **Drop**: a counter and one entry of the bounded drop log, under its lock; an ICMP error where AWS sends one.
//!
//! Security groups and network ACLs are asked on a miss alone: a plan that stands has passed them, or is a refusal itself.
//!
//! A balancer's PROXY protocol header is sent while a connection opens (`proxy_protocol`); until the target has it, a flow's frames take a
//! slower way, under the lock of that connection's header.
//!
//! Flow logs add a few counters to the flows that pass a logged interface, and an entry of their bounded ledger, under its lock,
//! to packets without a flow; a lab without flow logs pays for one branch.
//!
//! Interface endpoints' counters are what their flows count anyway, added up when somebody asks; connections that open and end,
//! resets and drops are noted on their own, slower ways (`meters`).
//!
//! Lock rule: never two shard locks at once, never a shard lock and another lock at once.
//!
//! # Invariants
//!
//! * Never asks the time: `now` is an argument, monotonic since the lab's start.
//! * Never errors: every frame ends in a [`Verdict`].
//! * Knows indexes, not the model: [`Tables::objects`](tables::Tables) explains them.
//! * Nothing a guest sends grows memory without bound: flows are limited for each interface and in total.
//!
//! Not here: reading and writing links (`run::forward`), making tables (`compile`).

pub mod admit;
pub mod balance;
mod balancers;
pub mod borders;
pub mod decide;
pub mod drops;
mod edges;
mod fabric;
pub mod filter;
pub mod flow;
pub mod flow_log;
pub mod fragments;
pub mod health;
pub mod lpm;
pub mod meters;
pub mod nat;
pub mod path;
mod pipeline;
pub mod plan;
pub mod proxy_protocol;
mod rates;
mod routes;
pub mod tables;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use drops::DropRecord;
pub use flow::FlowRecord;
pub use meters::EndpointCounts;
pub use path::{Header, Hop, Path, TraceQuery};
pub use pipeline::{Dataplane, Outbox};
pub use tables::{InterfaceIndex, LinkIndex, ObjectIndex, Tables};
pub use verdict::{DropReason, Verdict};
