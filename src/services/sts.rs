//! STS: who am I, and whose role may I have.
//!
//! GetCallerIdentity, AssumeRole, GetSessionToken's refusal and GetAccessKeyInfo, in the Query protocol as SDKs speak it. What
//! is handed out is a token that says everything itself ([`Tokens`]), so nothing is kept here.
//!
//! Not done, and why: federation (AssumeRoleWithSAML, AssumeRoleWithWebIdentity, GetFederationToken), since a lab has no identity
//! provider; GetSessionToken, whose sessions of users nobody needs without MFA; session tags and source identities.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use time::OffsetDateTime;
use time::macros::format_description;

use self::parameters::{AssumeRole, Parameters, access_key_id, invalid};
use super::failure::{Failure, Form, escaped, request_id};
use super::front::session::Session;
use super::front::{self, Body, Service};
use super::tokens::{Grant, Tokens};
use crate::model::access::{Ask, RoleFacts, needs_no_permission};
use crate::policy::{self, Context, Document, Kind, Principal};

mod parameters;

/// Seconds where nothing is said, and the most where a role's session takes another role.
const USUAL: u32 = 3600;
/// Characters of a session policy.
const LONGEST_POLICY: usize = 2048;

/// The service.
#[derive(Debug)]
pub struct Sts {
    tokens: Arc<Tokens>,
}

impl Sts {
    /// Hands out tokens of the lab.
    pub fn new(tokens: Arc<Tokens>) -> Self {
        Self { tokens }
    }
}

impl Service for Sts {
    fn name(&self) -> &'static str {
        "sts"
    }

    fn called(&self, _host: &str) -> Option<String> {
        Some("sts".to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        async move {
            let session = request.extensions().get::<Session>().cloned();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let parameters = match request.into_body().collect().await {
                Ok(body) => Parameters::read(&query, &String::from_utf8_lossy(&body.to_bytes())),
                Err(_) => Parameters::default(),
            };
            match session {
                Some(session) => self.act(&session, &parameters).unwrap_or_else(|failure| failure.answer(Form::Query)),
                None => refused(403, "MissingAuthenticationToken", "Missing Authentication Token").answer(Form::Query),
            }
        }
        .boxed()
    }
}

fn refused(status: u16, code: &str, message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::from_u16(status).expect("a status"), code, message)
}

impl Sts {
    fn act(&self, session: &Session, parameters: &Parameters) -> Result<Response<Body>, Failure> {
        match parameters.get("Action").unwrap_or_default() {
            "GetCallerIdentity" => caller_identity(session),
            "AssumeRole" => self.assume_role(session, parameters),
            "GetAccessKeyInfo" => access_key_info(session, parameters),
            other @ ("AssumeRoleWithSAML"
            | "AssumeRoleWithWebIdentity"
            | "GetFederationToken"
            | "GetSessionToken"
            | "DecodeAuthorizationMessage") => {
                Err(refused(501, "NotImplemented", format!("vpclab's STS does not have {other}")))
            }
            other => {
                let other = other.escape_debug();
                Err(refused(
                    400,
                    "InvalidAction",
                    format!("Could not find operation {other:.80} for version 2011-06-15"),
                ))
            }
        }
    }

    fn assume_role(&self, session: &Session, parameters: &Parameters) -> Result<Response<Body>, Failure> {
        let wanted = AssumeRole::read(parameters)?;
        let policies = session_policies(parameters)?;
        let mut context = Context::default();
        context.set("sts:RoleSessionName", wanted.session_name);
        if let Some(id) = wanted.external_id {
            context.set("sts:ExternalId", id);
        }
        let role = session.directory.role(wanted.role_arn);
        let ask = Ask {
            action: "sts:AssumeRole".to_owned(),
            resource: wanted.role_arn.to_owned(),
            resource_account: Some(wanted.account.to_owned()),
            // A role that is not there trusts nobody, and nobody learns whether it is.
            resource_policy: Some(session.directory.trust(wanted.role_arn)),
            context,
        };
        let asked = session.authorize(&ask);
        let by_endpoint = asked.as_ref().is_err_and(|judged| judged.decision.kind == Some(Kind::Endpoint));
        if matches!(session.principal, Principal::Root { .. }) && !by_endpoint {
            return Err(refused(403, "AccessDenied", "Roles may not be assumed by root accounts."));
        }
        let judged = asked.map_err(|judged| denied(&judged))?;
        let role = role.ok_or_else(|| denied(&judged))?;
        let seconds = duration(session, role, wanted.seconds)?;
        let session_name = wanted.session_name;
        // Whole seconds, as tokens have them.
        let now = OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(now + u64::from(seconds));
        let principal = Principal::Session {
            account: role.account.clone(),
            role_arn: role.arn.clone(),
            role_id: role.role_id.clone(),
            session_name: session_name.to_owned(),
        };
        let assumed = (principal.arn().unwrap_or_default(), format!("{}:{session_name}", role.role_id));
        let made = self.tokens.mint(&Grant { principal, expires, policies, issued_to: None });
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let expiration = OffsetDateTime::from(made.expires).format(form).unwrap_or_default();
        Ok(answer(
            "AssumeRole",
            &format!(
                "<AssumedRoleUser><AssumedRoleId>{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId>\
                 <SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{expiration}</Expiration></Credentials>",
                escaped(&assumed.1),
                escaped(&assumed.0),
                made.access_key_id,
                made.secret_access_key,
                made.session_token,
            ),
        ))
    }
}

/// Everybody may ask who they are, whatever their policies say; only an endpoint's may stop the question on its way.
fn caller_identity(session: &Session) -> Result<Response<Body>, Failure> {
    let account = session.principal.account().unwrap_or_default().to_owned();
    let ask = Ask {
        action: "sts:GetCallerIdentity".to_owned(),
        resource: "*".to_owned(),
        resource_account: Some(account.clone()),
        ..Ask::default()
    };
    if session.caller.origin.as_ref().is_some_and(|origin| origin.vpc_endpoint_id.is_some())
        && let Err(judged) = session.authorize(&Ask { resource_policy: Some(needs_no_permission()), ..ask })
        && judged.decision.kind == Some(Kind::Endpoint)
    {
        return Err(denied(&judged));
    }
    let (arn, user_id) = (session.principal.arn().unwrap_or_default(), session.principal.user_id().unwrap_or_default());
    Ok(answer(
        "GetCallerIdentity",
        &format!("<Arn>{}</Arn><UserId>{}</UserId><Account>{account}</Account>", escaped(&arn), escaped(&user_id)),
    ))
}

fn access_key_info(session: &Session, parameters: &Parameters) -> Result<Response<Body>, Failure> {
    let id = access_key_id(parameters)?;
    let ask = Ask {
        action: "sts:GetAccessKeyInfo".to_owned(),
        resource: "*".to_owned(),
        resource_account: session.principal.account().map(str::to_owned),
        ..Ask::default()
    };
    session.authorize(&ask).map_err(|judged| denied(&judged))?;
    let key = session.directory.access_key(id);
    let account = key.and_then(|key| key.principal.account().map(str::to_owned));
    let account = account.ok_or_else(|| invalid("The access key ID is not one of this lab"))?;
    Ok(answer("GetAccessKeyInfo", &format!("<Account>{account}</Account>")))
}

/// Seconds of a session, within what the role and its taker may have.
fn duration(session: &Session, role: &RoleFacts, said: Option<u32>) -> Result<u32, Failure> {
    let seconds = said.unwrap_or(USUAL);
    if seconds > role.max_session_duration {
        return Err(invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."));
    }
    if matches!(session.principal, Principal::Session { .. }) && seconds > USUAL {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(invalid(message));
    }
    Ok(seconds)
}

/// The policies that a session is kept to; nobody has them but the token.
fn session_policies(parameters: &Parameters) -> Result<Vec<String>, Failure> {
    if parameters.0.iter().any(|(name, _)| name.starts_with("PolicyArns.")) {
        return Err(refused(501, "NotImplemented", "vpclab's AssumeRole does not take PolicyArns: write Policy"));
    }
    if parameters.0.iter().any(|(name, _)| name.starts_with("Tags.") || name == "SourceIdentity") {
        return Err(refused(
            501,
            "NotImplemented",
            "vpclab's AssumeRole does not take session tags and source identities",
        ));
    }
    let Some(policy) = parameters.get("Policy") else { return Ok(Vec::new()) };
    if policy.chars().count() > LONGEST_POLICY {
        return Err(invalid(format!("The session policy has more than {LONGEST_POLICY} characters")));
    }
    Document::parse(policy, Kind::Session)
        .map_err(|error| refused(400, "MalformedPolicyDocument", error.to_string()))?;
    Ok(vec![policy.to_owned()])
}

fn denied(judged: &crate::model::access::Judged) -> Failure {
    Failure::denied("sts", Form::Query, policy::message(&judged.decision, &judged.request))
}

fn answer(operation: &str, result: &str) -> Response<Body> {
    let id = request_id();
    let body = format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    let mut answer = Response::new(front::full(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    answer
}

#[cfg(test)]
mod tests;
