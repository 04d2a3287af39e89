//! The lab's certificate authority.

use std::path::Path;
use std::sync::Arc;

/// Signs a certificate for each name that clients ask for.
pub struct CertificateAuthority;

impl CertificateAuthority {
    /// Reads `ca.pem` and `ca.key` of the lab's state folder, or makes both (the key 0600). Certificates are made for
    /// names that `served` accepts; see [`is_aws_name`].
    pub fn load_or_create(
        folder: &Path,
        served: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> anyhow::Result<Arc<Self>> {
        let _ = (folder, served);
        todo!()
    }

    /// The authority's own certificate in PEM: what guests trust.
    pub fn pem(&self) -> &str {
        todo!()
    }

    /// TLS settings of a server that speaks in this authority's name.
    pub fn server_config(self: &Arc<Self>) -> Arc<rustls::ServerConfig> {
        todo!()
    }
}

/// Names of AWS services: `amazonaws.com` and everything under it.
pub fn is_aws_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "amazonaws.com" || name.ends_with(".amazonaws.com")
}
