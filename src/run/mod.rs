//! The living lab: its process, its state folder, its control socket, and the pump that carries frames.
//!
//! | file | what it holds |
//! |---|---|
//! | [`state`] | the folder of a lab, its lock, which labs are running |
//! | [`launch`] | how `up` starts the lab process and waits for it |
//! | [`lab`] | the lab process: from the template to a lab that stands, and to its end |
//! | [`guest`] | a guest that runs, and the environment of commands in it |
//! | [`keys`] | what is random: the key of temporary credentials, the seeds of hashes |
//! | [`apply`] | a running lab brought to another file |
//! | [`forward`] | the pump: frames from link to link |
//! | [`boot`] | first-boot scripts, and whether balancers' targets listen |
//! | [`flow_log`] | flow logs, written to files |
//! | [`health`] | what is known of balancers' targets, for flows, DNS and `status` |
//! | [`metrics`] | counters for Prometheus, on the loopback |
//! | [`notifications`] | connection notifications, in files and to webhooks |
//! | [`serve`] | the services' sockets and servers |
//! | [`protocol`], [`control`], [`client`] | what is said on the control socket, and its two sides |
//! | [`report`] | what a lab says of itself |
//! | [`capture`] | copies of frames as pcapng, and as lines |
//! | `capture_secrets` | which TLS secrets come before which frame |
//!
//! **Who is who.** The command line (`vpclab up`, `exec`, …) is a short-lived process that speaks to the lab process
//! (`vpclab __lab`) on a unix socket. The lab process is the single writer: nobody else changes a lab. It holds the
//! folder's lock for its whole life, so the kernel itself says which labs live, also after a `kill -9`.
//!
//! What this room does not do: read templates (the command room does, through `template`), decide about frames
//! (`dataplane`), or touch the kernel's network (`host`).

pub mod apply;
pub mod boot;
pub mod capture;
mod capture_secrets;
pub mod client;
pub mod control;
pub mod flow_log;
pub mod forward;
pub mod guest;
pub mod health;
pub mod keys;
pub mod lab;
pub mod launch;
pub mod metrics;
pub mod notifications;
pub mod protocol;
pub mod report;
pub mod serve;
pub mod state;

use std::fmt;

/// An error that the user can mend by asking differently; the command line exits with 2.
#[derive(Debug)]
pub struct BadInput(pub String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// This machine can't run a lab as it is set up; the command line exits with 3.
#[derive(Debug)]
pub struct CannotRun(pub String);

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotRun {}
