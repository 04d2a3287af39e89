//! `AWS::IAM::AccessKey`: a user's long-lived credentials.
//!
//! Id and secret are derived, so that they are the same at every `up`. They open nothing but a lab's own services.

use sha2::{Digest as _, Sha256};

use super::super::world::Meta;
use super::*;

/// An access key of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub access_key_id: String,
    /// 40 characters.
    pub secret_access_key: String,
    /// ARN of the user.
    pub user: String,
    /// Whether it opens anything.
    pub status: AccessKeyStatus,
    /// Owner and origin.
    pub meta: Meta,
}

/// AWS's `Status` of an access key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum AccessKeyStatus {
    Active,
    Inactive,
}

/// Access keys of one user (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const KEYS: usize = 2;

/// The alphabet of ids.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The alphabet of secrets.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl AccessKeyStatus {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

impl World {
    pub(super) fn create_access_key(
        &mut self,
        request: &Request,
        user_name: &str,
        status: Option<&str>,
    ) -> Result<ObjectId, Refusal> {
        let user = self.own_user(user_name, request)?.arn.clone();
        let status = match status {
            None | Some("Active") => AccessKeyStatus::Active,
            Some("Inactive") => AccessKeyStatus::Inactive,
            Some(other) => {
                return Err(invalid(other, "status", "Member must satisfy enum value set: [Active, Inactive]"));
            }
        };
        let have = self.access_keys.values().filter(|key| key.user == user).count();
        if have >= KEYS {
            return Err(quota("AccessKeysPerUser", KEYS));
        }
        let (access_key_id, secret_access_key) = spell(&format!("of {user}, number {have}"));
        let key =
            AccessKey { access_key_id: access_key_id.clone(), secret_access_key, user, status, meta: request.meta() };
        self.access_keys.insert(access_key_id.clone(), key);
        Ok(access_key_id)
    }
}

/// Id and secret of the key that `whose` says.
///
/// 32 and 64 divide 256, so every character of either is as likely as any other.
pub(in super::super) fn spell(whose: &str) -> (String, String) {
    let id = Sha256::digest(format!("vpclab access key id {whose}"));
    let secret = Sha256::digest(format!("vpclab secret access key {whose}"));
    let more = Sha256::digest(secret);
    let spelt = |digest: &[u8], alphabet: &[u8]| -> String {
        digest.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect()
    };
    (format!("AKIA{}", spelt(&id[..16], BASE32)), spelt(&secret, BASE64) + &spelt(&more[..8], BASE64))
}
