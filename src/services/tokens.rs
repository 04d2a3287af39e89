//! Temporary credentials: who has a role's, and until when.
//!
//! Purpose: instance metadata and STS hand them out, the door opens them again. Identity: everything stands in the token
//! itself, under a key of the lab's, so nothing is kept and nothing grows. Time: a token says when it ends.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::front::signature::canonical::{equal, hexadecimal, hmac};
use crate::policy::Principal;

/// Bytes of an HMAC at a token's beginning.
const TAG: usize = 32;
/// The alphabet of access key ids.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Makes and opens tokens.
#[derive(Debug)]
pub struct Tokens {
    key: [u8; 32],
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose they are: always [`Principal::Session`].
    pub principal: Principal,
    /// The end; whole seconds.
    pub expires: SystemTime,
    /// Session policies, as JSON.
    pub policies: Vec<String>,
    /// VPC and address of the instance that they were issued to: `aws:Ec2InstanceSourceVpc`,
    /// `aws:Ec2InstanceSourcePrivateIPv4`.
    pub issued_to: Option<(String, IpAddr)>,
}

/// Temporary credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What goes with each request.
    pub session_token: String,
    /// The end.
    pub expires: SystemTime,
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its time is over.
    #[error("The provided token has expired.")]
    Expired,
    /// It is not one of this lab, or does not belong to the access key.
    #[error("The provided token is malformed or otherwise invalid.")]
    Invalid,
}

/// A grant on its way through a token.
#[derive(Serialize, Deserialize)]
struct Written {
    account: String,
    role_arn: String,
    role_id: String,
    session_name: String,
    /// Unix seconds.
    expires: u64,
    policies: Vec<String>,
    issued_to: Option<(String, IpAddr)>,
}

impl Tokens {
    /// With the lab's key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Makes credentials. The same grant gives the same.
    ///
    /// # Panics
    /// When the principal is no session: nobody else has temporary credentials.
    pub fn mint(&self, grant: &Grant) -> SessionCredentials {
        let Principal::Session { account, role_arn, role_id, session_name } = grant.principal.clone() else {
            panic!("only sessions have temporary credentials")
        };
        let expires = grant.expires.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let written = Written {
            account,
            role_arn,
            role_id,
            session_name,
            expires,
            policies: grant.policies.clone(),
            issued_to: grant.issued_to.clone(),
        };
        let payload = serde_json::to_vec(&written).expect("a grant is plain data");
        let mut token = hmac(&self.key, &payload);
        token.extend(&payload);
        SessionCredentials {
            access_key_id: self.access_key_id(&payload),
            secret_access_key: self.secret(&payload),
            session_token: STANDARD.encode(token),
            expires: UNIX_EPOCH + Duration::from_secs(expires),
        }
    }

    /// Opens a token: the secret that signs, and what it grants.
    ///
    /// # Errors
    /// When it is over, or none of this lab's.
    pub fn open(
        &self,
        access_key_id: &str,
        session_token: &str,
        now: SystemTime,
    ) -> Result<(String, Grant), TokenError> {
        let token = STANDARD.decode(session_token).map_err(|_| TokenError::Invalid)?;
        let (tag, payload) = token.split_at_checked(TAG).ok_or(TokenError::Invalid)?;
        let genuine = equal(&hexadecimal(tag), &hexadecimal(&hmac(&self.key, payload)));
        if !genuine || !equal(access_key_id, &self.access_key_id(payload)) {
            return Err(TokenError::Invalid);
        }
        let written: Written = serde_json::from_slice(payload).map_err(|_| TokenError::Invalid)?;
        let expires = UNIX_EPOCH + Duration::from_secs(written.expires);
        if expires <= now {
            return Err(TokenError::Expired);
        }
        let Written { account, role_arn, role_id, session_name, policies, issued_to, .. } = written;
        let principal = Principal::Session { account, role_arn, role_id, session_name };
        Ok((self.secret(payload), Grant { principal, expires, policies, issued_to }))
    }

    fn access_key_id(&self, payload: &[u8]) -> String {
        let digest = hmac(&self.key, &[b"id".as_slice(), payload].concat());
        let spelt = digest.iter().take(16).map(|byte| char::from(BASE32[usize::from(*byte) % BASE32.len()]));
        format!("ASIA{}", spelt.collect::<String>())
    }

    fn secret(&self, payload: &[u8]) -> String {
        let digest = hmac(&self.key, &[b"secret".as_slice(), payload].concat());
        STANDARD.encode(&digest[..30])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(expires: u64) -> Grant {
        Grant {
            principal: Principal::Session {
                account: "111122223333".into(),
                role_arn: "arn:aws:iam::111122223333:role/Worker".into(),
                role_id: "AROAEXAMPLE".into(),
                session_name: "i-1".into(),
            },
            expires: UNIX_EPOCH + Duration::from_secs(expires),
            policies: vec!["{}".into()],
            issued_to: Some(("vpc-1".into(), "10.0.1.10".parse().unwrap())),
        }
    }

    #[test]
    fn a_token_says_what_was_granted_until_its_end() {
        let tokens = Tokens::new([7; 32]);
        let made = tokens.mint(&grant(1000));
        assert!(made.access_key_id.starts_with("ASIA") && made.access_key_id.len() == 20, "{made:?}");
        assert_eq!(made.secret_access_key.len(), 40);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let opened = tokens.open(&made.access_key_id, &made.session_token, at(999)).unwrap();
        assert_eq!(opened, (made.secret_access_key.clone(), grant(1000)));
        assert_eq!(tokens.open(&made.access_key_id, &made.session_token, at(1000)), Err(TokenError::Expired));
        assert_eq!(tokens.mint(&grant(1000)), made, "metadata gives the same until it is time for new ones");
    }

    #[test]
    fn no_byte_of_a_token_may_differ() {
        let tokens = Tokens::new([7; 32]);
        let made = tokens.mint(&grant(1000));
        let open = |id: &str, token: &str| tokens.open(id, token, UNIX_EPOCH);
        let whole = STANDARD.decode(&made.session_token).unwrap();
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(open(&made.access_key_id, &STANDARD.encode(other)), Err(TokenError::Invalid), "byte {at}");
        }
        for (id, token) in
            [("ASIAOTHER", made.session_token.as_str()), (&made.access_key_id, ""), (&made.access_key_id, "!")]
        {
            assert_eq!(open(id, token), Err(TokenError::Invalid));
        }
        let another = Tokens::new([8; 32]).mint(&grant(1000));
        assert_eq!(open(&another.access_key_id, &another.session_token), Err(TokenError::Invalid));
    }
}
