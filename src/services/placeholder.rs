//! Every AWS service that vpclab does not emulate and that has no backend: it is there, TLS works, who signs and what policies
//! say is decided as before any other, and then it says plainly what is missing.
//!
//! What reaches it proves the way through the network and through the policies; the answer is 501 in the error form of the
//! service that was called, so that SDKs print the message, with the action, the caller and the endpoint that it came through.
//! JSON also tells what IAM would know of the way (`aws:SourceVpce` and others, B2.1). It never pretends that an operation worked.
//! Not asked: whoever calls a service whose clients do not sign, or a name that is none of AWS's.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::HeaderValue;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;

use super::called::Called;
use super::failure::{Failure, Form};
use super::front::session::Session;
use super::front::{self, Body, Caller, Service};
use super::upstream::asking::Asking;
use super::upstream::schemas::Schemas;
use crate::model::Origin;

/// Services that know their callers by something else than a signature: tokens, passwords, nothing.
const UNSIGNED: [&str; 6] =
    ["codeartifact.repositories", "ecr.dkr", "email-smtp", "execute-api", "git-codecommit", "guardduty-data"];

/// Answers 501 and says who called through which endpoint.
#[derive(Debug, Default)]
pub struct Placeholder;

impl Placeholder {
    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let service = Called::read(front::host(&request).unwrap_or_default()).service;
        let service = service.unwrap_or_else(|| "unknown".to_owned());
        let caller = request.extensions().get::<Caller>().cloned();
        let form = Form::of(&service, &request);
        let actions = match request.extensions().get::<Session>().cloned() {
            Some(session) => match decide(&service, form, &session, request).await {
                Ok(actions) => actions,
                Err(failure) => return failure.answer(form),
            },
            None => Vec::new(),
        };
        let message = message(&service, &actions, caller.as_ref());
        let context = caller.as_ref().map(context);
        let mut answer = Failure::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message.clone()).answer(form);
        if matches!(form, Form::Json | Form::RestJson) {
            let body = serde_json::json!({ "__type": "NotImplemented", "message": message, "context": context });
            *answer.body_mut() = front::full(Bytes::from(format!("{body}\n")));
        }
        answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("NotImplemented"));
        answer
    }
}

/// Asks the policies for what the request does; the actions that they allow.
async fn decide(service: &str, form: Form, session: &Session, request: Request<Body>) -> Result<Vec<String>, Failure> {
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts, ());
    let asking = Asking::new(service, session, &head);
    // The door has held it already.
    let body = body
        .collect()
        .await
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, "IncompleteBody", error.to_string()))?;
    let parameters = asking.parameters(form, &head, &body.to_bytes())?;
    let accesses = asking.of_service(form, &head, &parameters, &Schemas::new())?;
    for access in &accesses {
        asking.ask(access).map_err(|text| Failure::denied(service, form, text))?;
    }
    let mut actions: Vec<String> = accesses.into_iter().map(|access| access.action).collect();
    actions.dedup();
    Ok(actions)
}

impl Service for Placeholder {
    fn name(&self) -> &'static str {
        "placeholder"
    }

    fn http2(&self) -> bool {
        true
    }

    fn called(&self, host: &str) -> Option<String> {
        let wild = |name: &str| {
            UNSIGNED
                .iter()
                .any(|service| name.strip_prefix(service).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        };
        Called::read(host).service.filter(|service| !wild(service))
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.respond(request).boxed()
    }
}

fn message(service: &str, actions: &[String], caller: Option<&Caller>) -> String {
    let origin = caller.and_then(|caller| caller.origin.as_deref());
    let whence = match origin {
        Some(origin) => {
            let way = origin.vpc_endpoint_id.as_deref().map_or(String::new(), |id| format!(" through {id}"));
            format!("{} ({}, account {}){way}", origin.name, origin.private_ip, origin.account)
        }
        None => {
            caller.map_or("an unknown caller".to_owned(), |caller| format!("{} over the internet", caller.peer.ip()))
        }
    };
    let passed = match actions {
        [] => "The network let the request pass".to_owned(),
        actions => format!("The network and the policies let {} pass", actions.join(" and ")),
    };
    format!("vpclab does not emulate the service {service} yet. {passed}: it came from {whence}.")
}

/// The condition keys that tell of the network; those that a request does not have are left out, as IAM leaves them out:
/// behind an endpoint there is no `aws:SourceIp` (B2.1). A lab has no organization, so no key names one.
fn context(caller: &Caller) -> serde_json::Value {
    let mut keys = serde_json::Map::new();
    let mut add = |key: &str, value: String| keys.insert(key.to_owned(), value.into());
    match caller.origin.as_deref() {
        Some(origin @ Origin { vpc_endpoint_id: Some(id), .. }) => {
            add("aws:SourceVpce", id.clone());
            add("aws:VpcSourceIp", origin.private_ip.to_string());
            let of_endpoint = [
                ("aws:SourceVpc", &origin.endpoint_vpc_id),
                ("aws:SourceVpcArn", &origin.endpoint_vpc_arn),
                ("aws:VpceAccount", &origin.endpoint_account),
            ];
            for (key, value) in of_endpoint {
                value.as_ref().map(|value| add(key, value.clone()));
            }
        }
        _ => {
            add("aws:SourceIp", caller.peer.ip().to_string());
        }
    }
    keys.into()
}

#[cfg(test)]
mod tests;
