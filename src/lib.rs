//! vpclab runs AWS-style VPC networks on one Linux machine, with real packets.
//!
//! CloudFormation goes in. Every instance becomes a *guest*, a network namespace whose `eth0` is a TAP. A dataplane decides
//! each frame as a VPC does and carries it through gateway endpoints to S3, and through interface endpoints and load
//! balancers to the services of other accounts. Unmodified `curl`, `dig` and AWS SDKs are its clients.
//!
//! # The picture
//!
//! ```text
//!  link ──► frame ──► parse ──► offload header ──► key
//!                       │ ARP                       │
//!                       ▼                           ▼
//!                     answer              flow table ── hit, same generation ──► plan ──► rewrite ──► link
//!                                                   │ miss                        ▲
//!                                                   ▼                             │
//!                                         admit ──► decide: hop by hop, there and back ──► decision, flow
//!                                                   └──► Drop(reason): counter, drop log, flow log; ICMP to the sender
//!  tick(now) ─► expire
//!
//!  template ─► Request ─► World::apply ─► compile ─► Tables, Zones, origins, guests, services
//!                          └─► Refusal, with the AWS error code
//!  World ─► describe ─► status
//! ```
//!
//! # Words
//!
//! *lab*: what one `up` starts. *stack*: one template with its account and Region. *guest*: the namespace in which an
//! instance runs, or somebody outside of all VPCs, on premises or on the internet. *link*: where frames enter and leave the
//! dataplane. *frame* / *packet*: bytes at layer 2 / the parsed meaning of one. *hop*: one object that looked at a packet.
//! *path*: the hops in order, which `trace` prints. *leg*: a stretch of it on which nobody changes the packet; the answer walks
//! the legs back. *flow*: both directions of a conversation. *plan*: what to do with every frame of one direction. *verdict*:
//! forwarded, answered or dropped with a named reason. *world*: all AWS nouns of a lab. *tables*: the compiled form that the
//! dataplane reads. *change* / *refusal*: one AWS API operation / why it was refused. *origin*: who stands behind a connection
//! that a service sees.
//!
//! # Rooms
//!
//! | room | does |
//! |---|---|
//! | [`packet`] | bytes and their meaning |
//! | [`dataplane`] | what to do with a frame |
//! | [`model`] | the AWS nouns and their laws |
//! | [`policy`] | IAM documents: parsed, matched, evaluated to a decision and the statement that decided |
//! | [`template`] | CloudFormation as written to as meant |
//! | [`dns`] | answers, one view per VPC |
//! | [`compile`] | world to tables, zones and origins; the only room that sees both sides |
//! | [`expect`] | what must hold of paths: as written, as meant, and whether it does |
//! | [`host`] | Linux: namespaces, TAPs, addresses; `sys.rs` is the only file with `unsafe` |
//! | [`services`] | S3, resolver and placeholders behind one door |
//! | [`run`] | the living process: the pump, control, capture |
//! | [`command`] | one file per verb |
//!
//! The first eight are pure: values in, values out; no tokio, sockets, files, clock or `unsafe`, and they compile for any
//! target. `architecture.rs` tests who may use whom; `clippy.toml` bans the clock; `fidelity.rs` tests that what
//! docs/FIDELITY.md says works has tests.
//!
//! # Invariants
//!
//! * The dataplane never asks the time, never allocates on a flow hit, never errors: every frame ends in a
//!   [verdict](dataplane::Verdict).
//! * The dataplane never sees the model, and the model never sees the dataplane.
//! * A valid world always compiles.
//! * A bad packet is a drop with a name, never an error, never a panic, never a warning in a loop.
//! * What is not emulated is listed as ignored, never silently accepted as working.

pub mod compile;
pub mod dataplane;
pub mod dns;
pub mod expect;
pub mod model;
pub mod packet;
pub mod policy;
pub mod template;

#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the shell asks the time and the system")]
pub mod command;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the shell asks the time and the system")]
pub mod host;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the shell asks the time and the system")]
pub mod run;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the shell asks the time and the system")]
pub mod services;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "reads the source itself")]
mod architecture;

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "reads the list and the source itself")]
mod fidelity;
