//! The access key of an account's root user in the form that callers of S3 take.

use crate::model::access::root_key;

/// An access key of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA` and 16 more characters.
    pub access_key_id: String,
    /// Its secret, 40 characters.
    pub secret_access_key: String,
}

/// The access key of an account.
pub fn credentials(account: &str) -> Credentials {
    let (access_key_id, secret_access_key) = root_key(account);
    Credentials { access_key_id, secret_access_key }
}
