//! Who stands behind a request, proved, and what they may do.
//!
//! The door puts a [`Session`] into the extensions of each request that passed its signature check (or came unsigned); a
//! service asks it once it knows action and resource.

use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Caller;
use super::journal::{Journal, Record};
use crate::model::access::{AccessReport, Ask, Directory, Judged, Way};
use crate::policy::{Context, Effect, Policy, Principal};

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
    /// What the door adds.
    pub ticket: Ticket,
}

/// What the door knows of a request beyond its sender.
#[derive(Clone, Debug, Default)]
pub struct Ticket {
    /// Condition keys of its head and of the session: a service's own win.
    pub keys: Context,
    /// Where decisions are noted.
    pub journal: Option<Arc<Journal>>,
    /// The Region that was signed for; `None` for nobody's request.
    pub region: Option<String>,
}

impl Session {
    /// Asks the policies.
    ///
    /// # Errors
    /// The decision that denies; [`Judged`] has AWS's text for it.
    pub fn authorize(&self, ask: &Ask) -> Result<Judged, Box<Judged>> {
        let origin = self.caller.origin.as_deref();
        let way = Way::new(origin, self.caller.peer.ip(), self.caller.tls);
        let mut context = self.ticket.keys.clone();
        context.extend(ask.context.clone());
        let judged = self.directory.judge(&self.principal, &self.policies, &way, &Ask { context, ..ask.clone() });
        let allowed = judged.decision.effect == Effect::Allowed;
        let guest = origin.map_or_else(|| self.caller.peer.ip().to_string(), |origin| origin.name.clone());
        if !allowed {
            tracing::info!(guest, "{}", judged.decision.sentence());
        }
        if let Some(journal) = &self.ticket.journal {
            journal.note(Record {
                number: 0,
                at: SystemTime::now(),
                guest,
                instance_id: origin.and_then(|origin| origin.instance_id.clone()),
                vpc_endpoint_id: origin.and_then(|origin| origin.vpc_endpoint_id.clone()),
                report: AccessReport::from(&judged),
            });
        }
        if allowed { Ok(judged) } else { Err(Box::new(judged)) }
    }
}

/// The keys that a request's head and time give, whatever service it is for.
pub fn common_keys(headers: &http::HeaderMap, region: Option<&str>) -> Context {
    let mut keys = Context::default();
    for (key, name) in [("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            keys.set(key, value);
        }
    }
    if let Some(region) = region {
        keys.set("aws:RequestedRegion", region);
    }
    let now = OffsetDateTime::now_utc();
    keys.set("aws:EpochTime", now.unix_timestamp().to_string());
    if let Ok(now) = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339) {
        keys.set("aws:CurrentTime", now);
    }
    keys
}
