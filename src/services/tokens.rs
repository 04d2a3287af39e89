//! Temporary credentials: who has a role's, and until when.
//!
//! Purpose: instance metadata and STS hand them out, the door opens them again. Identity: everything stands in the token
//! itself, under a key of the lab's, so nothing is kept and nothing grows. Time: a token says when it ends.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::policy::Principal;

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
    #[error("the security token included in the request is expired")]
    Expired,
    /// It is not one of this lab, or does not belong to the access key.
    #[error("the security token included in the request is invalid")]
    Invalid,
}

impl Tokens {
    /// With the lab's key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Makes credentials.
    pub fn mint(&self, grant: &Grant) -> SessionCredentials {
        let _ = (&self.key, grant);
        unimplemented!("the door's work")
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
        let _ = (access_key_id, session_token, now);
        Err(TokenError::Invalid)
    }
}
