//! Who stands behind a request, proved, and what they may do.
//!
//! The door puts a [`Session`] into the extensions of each request that passed its signature check (or came unsigned); a
//! service asks it once it knows action and resource.

use std::sync::Arc;

use super::Caller;
use crate::model::access::{Ask, Directory, Judged, Way};
use crate::policy::{Effect, Policy, Principal};

/// A request's sender.
#[derive(Clone, Debug)]
pub struct Session {
    /// The connection.
    pub caller: Caller,
    /// Who signed.
    pub principal: Principal,
    /// With which key; `None` for nobody.
    pub access_key_id: Option<String>,
    /// Policies of the session.
    pub policies: Vec<Arc<Policy>>,
    /// Keys, roles and policies as they were when the request came.
    pub directory: Arc<Directory>,
}

impl Session {
    /// Asks the policies.
    ///
    /// # Errors
    /// The decision that denies; [`Judged`] has AWS's text for it.
    pub fn authorize(&self, ask: &Ask) -> Result<Judged, Box<Judged>> {
        let way = Way::new(self.caller.origin.as_deref(), self.caller.peer.ip(), self.caller.tls);
        let judged = self.directory.judge(&self.principal, &self.policies, &way, ask);
        if judged.decision.effect == Effect::Allowed { Ok(judged) } else { Err(Box::new(judged)) }
    }
}
