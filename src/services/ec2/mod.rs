//! The lab's own EC2 API: both sides of PrivateLink, changed and described while a lab runs.
//!
//! Purpose: unmodified clients of EC2's Query protocol (B6) do to a lab what they do to AWS. `vpclab aws` is how people use it.
//! Identity: who signed is who asks: the account is the key's, the Region the signature's.
//! Life: a request is read, judged by IAM's policies, and then either a listing of what the asker may see or changes of the world,
//! each through [`Lab::change`] as templates make them. What comes out is AWS's JSON, written as EC2's XML by one table of names.
//! Time: none. What AWS does in minutes is done when the answer is.
//! Limits: a form has at most 256 KiB, a list 1,000 members; 1,024 client tokens are remembered.
//! Not done, and why: operations that make other objects than PrivateLink's, as a lab's shape is its template's.
//!
//! | file | does |
//! |---|---|
//! | `operations.rs` | the operations with their parameters: data |
//! | `listings.rs` | what can be described, by whom, by which ids and filters: data |
//! | `describe.rs`, `filter.rs`, `page.rs` | ids, filters and pages over any listing |
//! | `act.rs`, `tokens.rs` | operations that change something, once for each client token |
//! | `form.rs`, `xml.rs` | the way in and the way out |

mod act;
mod describe;
mod filter;
mod form;
mod listings;
mod operations;
mod page;
mod tokens;
mod xml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use self::form::Form;
use self::operations::{Does, Operation};
use self::tokens::ClientTokens;
use super::failure::{self, Failure, request_id};
use super::front::session::Session;
use super::front::{self, Body, Service};
use crate::model::access::Ask;
use crate::model::{self, ObjectId, Refusal, World, region};
use crate::policy::{self, Principal};

/// The lab that an API changes and describes.
pub trait Lab: Send + Sync + 'static {
    /// The world as it is now.
    fn world(&self) -> Arc<World>;

    /// Does one operation whole, so that the next packet, name and request follow it; or refuses and changes nothing. Blocks
    /// while another change is under way.
    ///
    /// # Errors
    /// With AWS's code.
    fn change(&self, request: model::Request) -> Result<ObjectId, Refusal>;
}

/// The service.
#[derive(Clone)]
pub struct Ec2 {
    api: Arc<Api>,
}

struct Api {
    lab: Arc<dyn Lab>,
    tokens: ClientTokens,
}

/// Who asks, and where.
#[derive(Clone, Debug)]
struct Asker {
    account: String,
    region: String,
    /// ARN of the root user, user or role.
    principal: Option<String>,
}

impl Ec2 {
    /// Of a lab.
    pub fn new(lab: Arc<dyn Lab>) -> Self {
        Self { api: Arc::new(Api { lab, tokens: ClientTokens::default() }) }
    }
}

impl Service for Ec2 {
    fn name(&self) -> &'static str {
        "ec2"
    }

    fn called(&self, _host: &str) -> Option<String> {
        Some("ec2".to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let api = Arc::clone(&self.api);
        async move {
            let Some(session) = request.extensions().get::<Session>().cloned() else {
                return refused(401, "AuthFailure", "Nobody signed the request").answer(failure::Form::Ec2);
            };
            let query = request.uri().query().unwrap_or_default().to_owned();
            let Ok(body) = request.into_body().collect().await else {
                return refused(400, "MalformedInput", "The request's body broke off").answer(failure::Form::Ec2);
            };
            // A change waits for its turn, and compiles: not on a thread that others need.
            let acted = tokio::task::spawn_blocking(move || api.act(&session, &query, &body.to_bytes())).await;
            match acted {
                Ok(Ok(answer)) => answer,
                Ok(Err(failure)) => failure.answer(failure::Form::Ec2),
                Err(_) => refused(500, "InternalError", "An internal error has occurred").answer(failure::Form::Ec2),
            }
        }
        .boxed()
    }
}

impl Api {
    fn act(&self, session: &Session, query: &str, body: &[u8]) -> Result<Response<Body>, Failure> {
        let form = Form::read(query, body)?;
        let operation = operations::called(&form)?;
        let asker = asker(session)?;
        tracing::info!(operation = operation.name, account = asker.account, region = asker.region, "EC2 API");
        authorize(session, operation, &asker, &form)?;
        let result = match &operation.does {
            Does::List(listing) => {
                let listed = describe::list(listing, &self.lab.world(), &asker, &form)?;
                if form.boolean("DryRun")? == Some(true) {
                    return Err(dry_run());
                }
                listed
            }
            Does::Act(plan) => self.change(operation, &asker, &form, plan(&form)?)?,
        };
        Ok(answer(operation.name, &result))
    }
}

/// An operation that would have been done.
fn dry_run() -> Failure {
    refused(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

fn asker(session: &Session) -> Result<Asker, Failure> {
    let account = session.principal.account().map(str::to_owned);
    let account = account.ok_or_else(|| refused(401, "AuthFailure", "Nobody signed the request"))?;
    let region = session.ticket.region.clone().unwrap_or_default();
    if !region::is_region(&region) {
        return Err(refused(400, "InvalidParameterValue", format!("There is no Region '{}'", form::shown(&region))));
    }
    let principal = match &session.principal {
        Principal::Session { role_arn, .. } => Some(role_arn.clone()),
        other => other.arn(),
    };
    Ok(Asker { account, region, principal })
}

/// Each object that the operation names must be allowed.
fn authorize(session: &Session, operation: &Operation, asker: &Asker, form: &Form) -> Result<(), Failure> {
    let Asker { account, region, .. } = asker;
    let arn = |kind: &str, id: &str| {
        let partition = region::partition(region);
        format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}")
    };
    let mut resources = Vec::new();
    for (parameter, kind) in operation.resources {
        let named = form.text(parameter).into_iter().map(str::to_owned).chain(form.list(parameter)?);
        resources.extend(named.map(|id| arn(kind, &id)));
    }
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    for resource in resources {
        let action = format!("ec2:{}", operation.name);
        let ask = Ask { action, resource, resource_account: Some(account.clone()), ..Ask::default() };
        session.authorize(&ask).map_err(|judged| {
            let why = policy::message(&judged.decision, &judged.request);
            let message = format!("You are not authorized to perform this operation. {why}");
            Failure::denied("ec2", failure::Form::Ec2, message)
        })?;
    }
    Ok(())
}

fn refused(status: u16, code: &str, message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::from_u16(status).expect("a status"), code, message)
}

/// A refusal of the model in EC2's words. Its help is the lab's own and could tell who else is there (B4).
fn of_model(refusal: &Refusal) -> Failure {
    let status = if refusal.code == "InternalError" { 500 } else { 400 };
    refused(status, refusal.code, form::shown(&refusal.message))
}

fn answer(operation: &str, result: &Value) -> Response<Body> {
    let id = request_id();
    let mut answer = Response::new(front::full(xml::document(operation, &id, result)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8"));
    headers.extend(HeaderValue::from_str(&id).map(|id| (HeaderName::from_static("x-amzn-requestid"), id)));
    answer
}
