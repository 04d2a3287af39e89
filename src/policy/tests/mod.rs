//! The room's own tests: tables, one file per step, through the few functions below.

mod conditions;
mod evaluation;
mod laws;
mod messages;
mod patterns;
mod principals;
mod refusals;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

/// The account whose people ask.
const OWN: &str = "111122223333";
/// Another.
const OTHER: &str = "444455556666";

fn user() -> Principal {
    Principal::User {
        account: OWN.to_owned(),
        arn: format!("arn:aws:iam::{OWN}:user/team/ann"),
        user_id: "AIDAEXAMPLEEXAMPLE12".to_owned(),
    }
}

fn session() -> Principal {
    Principal::Session {
        account: OWN.to_owned(),
        role_arn: format!("arn:aws:iam::{OWN}:role/app/Worker"),
        role_id: "AROAEXAMPLEEXAMPLE12".to_owned(),
        session_name: "i-0abc".to_owned(),
    }
}

fn root() -> Principal {
    Principal::Root { account: OWN.to_owned() }
}

fn service() -> Principal {
    Principal::Service { name: "ec2.amazonaws.com".to_owned() }
}

/// `who`: `user`, `session`, `root`, `service`, `anonymous`.
fn principal(who: &str) -> Principal {
    match who {
        "user" => user(),
        "session" => session(),
        "root" => root(),
        "service" => service(),
        "anonymous" => Principal::Anonymous,
        other => panic!("{other} is nobody"),
    }
}

/// GetObject of `arn:aws:s3:::b/k`, which the principal's account owns.
fn request(principal: Principal) -> Request {
    Request {
        principal,
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::b/k".to_owned(),
        resource_account: Some(OWN.to_owned()),
        context: Context::default(),
    }
}

/// Everything, for identity policies.
fn allow() -> Value {
    json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
}

/// A policy of version 2012-10-17.
fn policy(kind: Kind, statements: &Value) -> Policy {
    let name = match kind {
        Kind::Identity => "role Worker: Read",
        Kind::Boundary => "boundary Limits",
        Kind::Session => "session policy",
        Kind::Resource => "bucket b",
        Kind::Endpoint => "endpoint S3",
        Kind::Trust => "role Worker: trust",
    };
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    Policy {
        kind,
        name: name.to_owned(),
        owner: format!("owner of {name}"),
        document: Document::from_json(&document, kind).unwrap_or_else(|error| panic!("{document}: {error}")),
        places: vec!["lab.yaml:31".to_owned()],
    }
}

/// A request decided by owned policies.
#[derive(Clone, Debug, Default)]
struct Set {
    identity: Vec<Arc<Policy>>,
    boundary: Option<Policy>,
    session: Vec<Arc<Policy>>,
    resource: Option<Policy>,
    endpoint: Option<Policy>,
    gateway: bool,
}

impl Set {
    fn decide(&self, request: &Request) -> Decision {
        let policies = Policies {
            identity: &self.identity,
            boundary: self.boundary.as_ref(),
            session: &self.session,
            resource: self.resource.as_ref(),
            endpoint: self.endpoint.as_ref(),
            gateway_endpoint: self.gateway,
        };
        evaluate(&policies, request)
    }

    fn with(mut self, policy: Policy) -> Self {
        match policy.kind {
            Kind::Identity => self.identity.push(Arc::new(policy)),
            Kind::Boundary => self.boundary = Some(policy),
            Kind::Session => self.session.push(Arc::new(policy)),
            Kind::Resource | Kind::Trust => self.resource = Some(policy),
            Kind::Endpoint => self.endpoint = Some(policy),
        }
        self
    }
}
