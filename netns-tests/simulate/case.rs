//! A request with all policies that have a say, as both evaluators get it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use vpclab::policy::{self, Context, Decision, Document, Kind, Policies, Policy, Principal, Request};

/// The account whose people ask.
pub const OWN: &str = "111122223333";
/// Another.
pub const OTHER: &str = "444455556666";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ann,
    Bob,
    Worker,
    Root,
    Service,
    Nobody,
}

/// A case.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    #[serde(skip)]
    pub who: Who,
    /// Its ARN or name; none for nobody.
    pub principal: Option<String>,
    pub action: String,
    pub resource: String,
    pub resource_account: String,
    /// Strings, and lists of them for keys with several values.
    pub context: Map<String, Value>,
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Option<Value>,
    pub resource_policy: Option<Value>,
    pub endpoint: Option<Value>,
}

impl Who {
    pub fn principal(self) -> Principal {
        let user = |name: &str, id: &str| Principal::User {
            account: OWN.to_owned(),
            arn: format!("arn:aws:iam::{OWN}:user/{name}"),
            user_id: id.to_owned(),
        };
        match self {
            Self::Ann => user("team/ann", "AIDAEXAMPLEEXAMPLEANN"),
            Self::Bob => user("bob", "AIDAEXAMPLEEXAMPLEBOB"),
            Self::Worker => Principal::Session {
                account: OWN.to_owned(),
                role_arn: format!("arn:aws:iam::{OWN}:role/app/Worker"),
                role_id: "AROAEXAMPLEEXAMPLEWRK".to_owned(),
                session_name: "i-0abc".to_owned(),
            },
            Self::Root => Principal::Root { account: OWN.to_owned() },
            Self::Service => Principal::Service { name: "ec2.amazonaws.com".to_owned() },
            Self::Nobody => Principal::Anonymous,
        }
    }
}

impl Case {
    /// What vpclab says.
    pub fn decide(&self) -> Result<Decision, String> {
        let read =
            |kind, document: &Value| {
                Document::from_json(document, kind).map_err(|error| format!("{kind:?}: {error}")).map(|document| {
                    Policy { kind, name: format!("{kind:?}"), owner: String::new(), document, places: Vec::new() }
                })
            };
        let optional = |kind, document: &Option<Value>| document.as_ref().map(|it| read(kind, it)).transpose();
        let resource_kind = if self.action == "sts:AssumeRole" { Kind::Trust } else { Kind::Resource };
        let identity =
            self.identity.iter().map(|it| read(Kind::Identity, it).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let session = optional(Kind::Session, &self.session)?.map(Arc::new).into_iter().collect::<Vec<_>>();
        let boundary = optional(Kind::Boundary, &self.boundary)?;
        let resource = optional(resource_kind, &self.resource_policy)?;
        let endpoint = optional(Kind::Endpoint, &self.endpoint)?;
        let policies = Policies {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: &session,
            resource: resource.as_ref(),
            endpoint: endpoint.as_ref(),
            // The other evaluator knows no gateway endpoints.
            gateway_endpoint: false,
        };
        Ok(policy::evaluate(&policies, &self.request()))
    }

    fn request(&self) -> Request {
        let mut context = Context::default();
        for (key, value) in &self.context {
            match value {
                Value::Array(values) => {
                    context.set_all(key, values.iter().filter_map(Value::as_str).map(str::to_owned).collect());
                }
                value => context.set(key, value.as_str().unwrap_or_default()),
            }
        }
        Request {
            principal: self.who.principal(),
            action: self.action.clone(),
            resource: self.resource.clone(),
            resource_account: Some(self.resource_account.clone()),
            context,
        }
    }

    /// Every policy, to be changed.
    pub fn documents(&mut self) -> impl Iterator<Item = &mut Value> {
        self.identity
            .iter_mut()
            .chain(&mut self.boundary)
            .chain(&mut self.session)
            .chain(&mut self.resource_policy)
            .chain(&mut self.endpoint)
    }

    /// Every statement of every policy.
    pub fn statements(&mut self) -> Vec<&mut Map<String, Value>> {
        self.documents().flat_map(statements_of).collect()
    }
}

/// The statements of a document.
pub fn statements_of(document: &mut Value) -> Vec<&mut Map<String, Value>> {
    match document.get_mut("Statement") {
        Some(Value::Array(items)) => items.iter_mut().filter_map(Value::as_object_mut).collect(),
        Some(Value::Object(item)) => vec![item],
        _ => Vec::new(),
    }
}
