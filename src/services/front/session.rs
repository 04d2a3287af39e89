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
use crate::services::called::{Called, HOME};

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
    /// The Region that a request to this host is made in: the name's, else that of whoever asks.
    pub fn region(&self, host: &str) -> String {
        let of_origin = || self.caller.origin.as_ref().map(|origin| origin.region.clone());
        Called::read(host).region.or_else(of_origin).unwrap_or_else(|| HOME.to_owned())
    }

    /// Asks the policies.
    ///
    /// # Errors
    /// The decision that denies; [`Judged`] has AWS's text for it.
    pub fn authorize(&self, ask: &Ask) -> Result<Judged, Box<Judged>> {
        let origin = self.caller.origin.as_deref();
        let way = Way::new(origin, self.caller.peer.ip(), self.caller.tls.is_some());
        let mut context = self.ticket.keys.clone();
        context.extend(ask.context.clone());
        let judged = self.directory.judge(&self.principal, &self.policies, &way, &Ask { context, ..ask.clone() });
        let allowed = judged.decision.effect == Effect::Allowed;
        let guest = origin.map_or_else(|| self.caller.peer.ip().to_string(), |origin| origin.name.clone());
        log(&guest, origin.and_then(|origin| origin.vpc_endpoint_id.as_deref()), &judged);
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

/// One line for each decision: who asked for what, and which statement decided, or which came nearest.
fn log(origin: &str, endpoint: Option<&str>, judged: &Judged) {
    let Judged { request, decision } = judged;
    tracing::info!(
        origin,
        endpoint = endpoint.unwrap_or("-"),
        principal = request.principal.arn().as_deref().unwrap_or("anonymous"),
        action = request.action,
        resource = request.resource,
        "{}",
        decision.sentence()
    );
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
    keys.extend(time_keys());
    keys
}

/// The keys that the clock gives.
pub fn time_keys() -> Context {
    let mut keys = Context::default();
    let now = OffsetDateTime::now_utc();
    keys.set("aws:EpochTime", now.unix_timestamp().to_string());
    if let Ok(now) = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339) {
        keys.set("aws:CurrentTime", now);
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use parking_lot::Mutex;

    use super::*;
    use crate::model::{Origin, World};
    use crate::template::{Files, LoadOptions, ReadError, load};

    struct Example;

    impl Files for Example {
        fn read(&self, _path: &Path) -> Result<String, ReadError> {
            Ok(include_str!("../../../examples/endpoint-policies.yaml").to_owned())
        }
    }

    /// What is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The session of the example's role, by its endpoint to a service.
    fn session(world: &World, service: &str) -> Session {
        let endpoint = world.vpc_endpoints.values().find(|endpoint| endpoint.service_name.ends_with(service)).unwrap();
        let role = world.roles.values().next().unwrap();
        let origin = Origin {
            account: "123456789012".into(),
            region: "us-east-1".into(),
            vpc_id: endpoint.vpc_id.clone(),
            network_interface_id: String::new(),
            instance_id: None,
            private_ip: [10, 0, 1, 10].into(),
            resolver_endpoint_id: None,
            vpc_endpoint_id: Some(endpoint.vpc_endpoint_id.clone()),
            endpoint_vpc_id: Some(endpoint.vpc_id.clone()),
            endpoint_vpc_arn: None,
            endpoint_account: None,
            name: "app".into(),
        };
        let (peer, local) = ("100.64.0.1:1".parse().unwrap(), "100.64.0.2:443".parse().unwrap());
        Session {
            caller: Caller {
                peer,
                local,
                origin: Some(Arc::new(origin)),
                tls: Some(crate::services::front::Tls::V1_3),
            },
            principal: Principal::Session {
                account: "123456789012".into(),
                role_arn: role.arn.clone(),
                role_id: role.role_id.clone(),
                session_name: "i-1".into(),
            },
            access_key_id: None,
            policies: Vec::new(),
            directory: Arc::new(Directory::of(world)),
            ticket: Ticket::default(),
        }
    }

    #[test]
    fn each_decision_is_a_line_of_the_log_with_its_statement() {
        let world = load(&Example, Path::new("lab.yaml"), &LoadOptions::default()).unwrap().world;
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let ask = |action: &str, resource: &str| Ask {
            action: action.into(),
            resource: resource.into(),
            resource_account: Some("123456789012".into()),
            ..Ask::default()
        };
        tracing::subscriber::with_default(log, || {
            let object = "arn:aws:s3:::reports-123456789012/a";
            assert!(session(&world, ".s3").authorize(&ask("s3:GetObject", object)).is_ok());
            assert!(session(&world, ".s3").authorize(&ask("s3:DeleteObject", object)).is_err());
            let table = "arn:aws:dynamodb:us-east-1:123456789012:table/orders";
            assert!(session(&world, ".dynamodb").authorize(&ask("dynamodb:PutItem", table)).is_err());
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let said = [
            ("s3:GetObject", "allowed by role Worker: Work: statement Objects [lab.yaml:78]"),
            ("s3:DeleteObject", "denied by endpoint S3 (vpce-"),
            ("dynamodb:PutItem", "statement OnlyFromThisVpc [lab.yaml:38], but it is a Deny"),
        ];
        assert_eq!(lines.len(), said.len(), "{text}");
        for (line, (action, decision)) in lines.into_iter().zip(said) {
            let endpoint = line.contains("origin=\"app\" endpoint=\"vpce-");
            assert!(endpoint && line.contains(&format!("action=\"{action}\"")) && line.contains(decision), "{line}");
        }
        assert!(text.contains("statement NoDeletes [lab.yaml:23]"), "{text}");
    }
}
