//! Linux, and nothing else of vpclab: namespaces, TAPs, mounts, processes.
//!
//! **Purpose.** A guest is a network, mount and UTS namespace whose `eth0` is a TAP; a service is a network namespace
//! whose TAP owns public prefixes; a lab is a PID namespace that holds every process of both. This room makes them and
//! hands back file descriptors. It knows no VPC, no template and no packet beyond "one read, one frame".
//!
//! **Identity.** Nothing here has a name that outlives its owner: every namespace is anonymous and lives as long as a
//! descriptor or a process holds it. So there is nothing to clean up, and `kill -9` is a legal way to end a lab.
//!
//! **Life.** `become_lab` (once, in the freshly started lab process) → `create_guest` / `create_service` (per link, on a
//! plain thread that enters the new namespaces and ends) → `spawn_in` for first-boot scripts, `run_in` for `exec` →
//! the process ends, and the kernel takes the rest.
//!
//! **Limits.** A thread that entered a namespace never comes back: each is started for one job. No function here may run
//! on a tokio worker. `unsafe` stands in `sys.rs` alone.
//!
//! **Not done.** No cgroups (a lab limits nobody's memory), no seccomp for guests (they run the user's own commands with
//! the user's own rights), no IPv6.

mod fd_passing;
mod join;
mod lab_process;
mod mounts;
mod namespace;
mod netlink;
mod preflight;
mod sys;
mod tap;

pub use fd_passing::{recv_with_fds, send_with_fds};
pub use join::{GuestCommand, run_in, spawn_in};
pub use lab_process::{LabProcess, LabProcessSpec, become_lab};
pub use mounts::{GUEST_CA_BUNDLES, guest_bin, guest_ca_bundle};
pub use namespace::{GuestSpec, InterfaceSpec, Namespaces, ServiceSpec, create_guest, create_service, within};
pub use preflight::{Obstacle, Preflight, preflight};
pub use tap::{AsyncTap, LinkKind, Offloads, Tap, register};

/// The MTU of a guest's interface: an EC2 instance's jumbo frames.
pub const GUEST_MTU: u32 = 9001;

/// The MAC that a service's namespace knows for its only neighbour, [`ROUTER_ADDRESS`].
pub const ROUTER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// The default gateway of a service's namespace: on its link only, never on any wire.
pub const ROUTER_ADDRESS: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 1, 1);

/// The longest that one read of a [`Tap`] returns: vnet header, Ethernet header, and a 64 KiB super-segment.
pub const READ_BUFFER: usize = 10 + 14 + 65_536;
