//! The lab's access keys: one per account, derived from its number, the same at every `up`.
//!
//! They open nothing but a lab's own services, so that anybody can compute them is no secret lost.

use sha2::{Digest, Sha256};

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
    let id = Sha256::digest(format!("vpclab access key id of {account}"));
    let secret = Sha256::digest(format!("vpclab secret access key of {account}"));
    // The alphabets of AWS: base 32 for ids, base 64 for secrets. 32 and 64 divide 256, so every character is as likely.
    let spell = |digest: &[u8], alphabet: &[u8]| -> String {
        digest.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
    };
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let more = Sha256::digest(secret);
    Credentials {
        access_key_id: format!("AKIA{}", spell(&id[..16], base32)),
        secret_access_key: spell(&secret, base64) + &spell(&more[..8], base64),
    }
}
