//! The lab's process tree.

use std::fs::File;

/// How to become a lab.
#[derive(Debug)]
pub struct LabProcessSpec {
    /// The lab's log, opened for appending: standard output and error go there.
    pub log: File,
}

/// What the forwarder knows about itself after [`become_lab`].
#[derive(Clone, Debug)]
pub struct LabProcess {
    /// Whether the lab has a user namespace of its own.
    pub rootless: bool,
    /// What works less well here than it could; for `up` to print.
    pub notes: Vec<String>,
    /// The forwarder's id, as the host sees it.
    pub forwarder_pid: u32,
    /// The id of the lab's init, as the host sees it: killing it ends the lab.
    pub init_pid: u32,
}

/// Turns this process, while it has a single thread, into a lab; returns in the forwarder only.
pub fn become_lab(_spec: LabProcessSpec) -> anyhow::Result<LabProcess> {
    anyhow::bail!("becoming a lab is not built yet")
}
