//! What a request asks of the policies: actions, resources, their owners, and the keys that its head tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::CONTENT_ENCODING;
use http::{Request, StatusCode};
use serde_json::Value;

use super::parameters::{self, Parameters, Place};
use super::schemas::Schemas;
use super::target::Called;
use super::{invalid, naming, s3_action, strict};
use crate::model::access::{Ask, Judged};
use crate::policy::{Context, Document, Kind, Policy, Principal};
use crate::services::dynamodb::asks;
use crate::services::failure::{Failure, Form};
use crate::services::front;
use crate::services::front::session::Session;
use crate::services::s3;

/// One thing to be allowed.
#[derive(Clone, Debug)]
pub(in crate::services) struct Access {
    pub action: String,
    pub resource: String,
    /// Bucket, of S3.
    bucket: Option<String>,
    keys: Context,
}

/// A request's sender and circumstances.
pub(in crate::services) struct Asking<'a> {
    service: &'a str,
    session: &'a Session,
    called: Called,
    region: String,
    account: String,
    keys: Context,
    /// Of S3's writes.
    write_keys: Context,
}

impl<'a> Asking<'a> {
    /// Reads a request's head.
    pub fn new<B>(service: &'a str, session: &'a Session, request: &Request<B>) -> Self {
        let host = front::host(request).unwrap_or_default().to_ascii_lowercase();
        let bucket = match service {
            "s3" => s3::bucket_of_host(&host),
            _ => None,
        };
        let origin = session.caller.origin.as_deref();
        let region = session.region(&host);
        let account = account_of(&session.principal).or_else(|| origin.map(|origin| origin.account.clone()));
        let mut keys = Context::default();
        keys.set("aws:RequestedRegion", region.clone());
        let mut write_keys = Context::default();
        if service == "s3" {
            keys.extend(s3_keys(request));
            write_keys = s3::write_keys::of(request.headers());
        }
        let called = Called { tls: session.caller.tls.is_some(), host, bucket };
        Self { service, session, called, region, account: account.unwrap_or_default(), keys, write_keys }
    }

    /// How the client called us.
    pub(super) fn called(&self) -> &Called {
        &self.called
    }

    /// The Region that was called.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// An access of S3.
    pub(super) fn of_s3(&self, access: s3_action::Access) -> Access {
        let resource = access.resource();
        let keys = match s3::write_keys::are_taken_by(access.action) {
            true => self.write_keys.clone(),
            false => Context::default(),
        };
        Access { action: access.action.to_owned(), resource, bucket: access.bucket, keys }
    }

    /// What a JSON or Query request says, by which policies decide; nothing of one whose method and path name all.
    pub fn parameters<B>(&self, form: Form, request: &Request<B>, body: &[u8]) -> Result<Parameters, Failure> {
        if form == Form::RestJson {
            return Ok(Parameters::Json(Value::Null));
        }
        if request.headers().contains_key(CONTENT_ENCODING) {
            let message = "vpclab reads no compressed parameters, and policies decide by them".to_owned();
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message));
        }
        let query = request.uri().query().unwrap_or_default();
        Parameters::read(form, query, body).map_err(|why| invalid(form, why))
    }

    /// The accesses of a request to any other service.
    pub fn of_service<B>(
        &self,
        form: Form,
        request: &Request<B>,
        parameters: &Parameters,
        schemas: &Schemas,
    ) -> Result<Vec<Access>, Failure> {
        let place = Place { region: &self.region, account: &self.account, path: request.uri().path() };
        let mut accesses = Vec::new();
        let actions = naming::actions(self.service, form, request, parameters).map_err(|why| invalid(form, why))?;
        if let ("dynamodb", Parameters::Json(body)) = (self.service, parameters) {
            for operation in actions.iter().filter_map(|action| action.strip_prefix("dynamodb:")) {
                accesses.extend(self.of_dynamodb(operation, body, schemas)?);
            }
            return Ok(accesses);
        }
        for action in actions {
            // One that denies some of them might mean this one.
            if let Some(whole) = action.strip_suffix(":*")
                && self.policies().any(|policy| policy.document.denies_some_of(whole))
            {
                let message = format!(
                    "vpclab does not know which action of {whole} this is, and a policy denies some of them, so nobody can decide about it"
                );
                return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message));
            }
            for resource in parameters::resources(&action, parameters, &place).map_err(|why| invalid(form, why))? {
                let (action, keys) = (action.clone(), parameters::keys_of(&action, parameters));
                accesses.push(Access { action, resource, bucket: None, keys });
            }
        }
        Ok(accesses)
    }

    /// The tables whose items a request to DynamoDB is about.
    pub fn tables_of_items(&self, operation: &str, body: &Value) -> Result<BTreeSet<String>, Failure> {
        check_dynamodb(operation, body)?;
        asks::tables_of_items(operation, body, &self.place_of_tables()).map_err(invalid_in_dynamodb)
    }

    /// Whether some policy that may have a say has a condition on this key.
    pub fn session_asks_for(&self, key: &str) -> bool {
        self.policies().any(|policy| policy.document.asks_for(key))
    }

    /// All that may have a say.
    fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.session.policies.iter().chain(self.session.directory.policies())
    }

    fn of_dynamodb(&self, operation: &str, body: &Value, schemas: &Schemas) -> Result<Vec<Access>, Failure> {
        check_dynamodb(operation, body)?;
        let schema = |table: &str| schemas.get(table).cloned();
        let asked = asks::asks(operation, body, &self.place_of_tables(), &schema).map_err(invalid_in_dynamodb)?;
        let access = |ask: Ask| Access { action: ask.action, resource: ask.resource, bucket: None, keys: ask.context };
        Ok(asked.into_iter().map(access).collect())
    }

    fn place_of_tables(&self) -> asks::Place<'_> {
        asks::Place { account: &self.account, region: &self.region }
    }

    /// Asks the policies.
    ///
    /// # Errors
    /// AWS's text of the denial.
    pub fn ask(&self, access: &Access) -> Result<(), String> {
        let bucket = access.bucket.as_deref().and_then(|bucket| self.session.directory.bucket(bucket));
        let named = access.resource.split(':').nth(4).filter(|account| !account.is_empty());
        let owner = match bucket {
            Some(facts) => facts.account.clone(),
            None => named.unwrap_or(&self.account).to_owned(),
        };
        // Whether another account's queue or key lets this one in, its own policy says; that lives in the backend.
        let signed = self.session.principal != Principal::Anonymous;
        let foreign = signed && bucket.is_none() && owner != self.account && self.service != "s3";
        let resource_policy = match bucket {
            Some(facts) => facts.policy.clone(),
            None => {
                let table = self.session.directory.table(&access.resource).and_then(|table| table.policy.clone());
                table.or_else(|| foreign.then(|| Arc::new(backend_decides())))
            }
        };
        let mut context = self.keys.clone();
        context.extend(access.keys.clone());
        let ask = Ask {
            action: access.action.clone(),
            resource: access.resource.clone(),
            resource_account: Some(owner).filter(|owner| !owner.is_empty()),
            resource_policy,
            context,
        };
        self.session.authorize(&ask).map(drop).map_err(|judged| text_of(&judged))
    }
}

fn text_of(judged: &Judged) -> String {
    crate::policy::message(&judged.decision, &judged.request)
}

/// Whether policies can decide about a request to DynamoDB: whoever reads it finds the same tables in it.
fn check_dynamodb(operation: &str, body: &Value) -> Result<(), Failure> {
    if !asks::is_known(operation) {
        let message =
            format!("vpclab does not know which tables {operation} is about, so no policy can decide about it");
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message));
    }
    strict::check_spelling(body).map_err(invalid_in_dynamodb)
}

fn invalid_in_dynamodb(why: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "com.amazon.coral.validate#ValidationException", why)
}

/// Allows everything on the resource's side.
fn backend_decides() -> Policy {
    let everything = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "TheBackendDecides", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    });
    Policy {
        kind: Kind::Resource,
        name: "resource policies of the backend".to_owned(),
        owner: String::new(),
        document: Document::from_json(&everything, Kind::Resource).expect("a policy"),
        places: Vec::new(),
    }
}

/// Condition keys that S3 takes of a request's query.
fn s3_keys<B>(request: &Request<B>) -> Context {
    let mut keys = Context::default();
    for pair in request.uri().query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = match name {
            "prefix" => "s3:prefix",
            "delimiter" => "s3:delimiter",
            "max-keys" => "s3:max-keys",
            "versionId" => "s3:VersionId",
            _ => continue,
        };
        keys.set(key, percent_encoding::percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy());
    }
    keys
}

fn account_of(principal: &Principal) -> Option<String> {
    principal.account().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_s3() {
        let request = Request::get("/b?list-type=2&prefix=a%2Fb+c&delimiter=%2F");
        let keys = s3_keys(&request.body(()).unwrap());
        for (key, value) in [("s3:prefix", "a/b c"), ("s3:delimiter", "/")] {
            assert_eq!(keys.get(key), Some([value.to_owned()].as_slice()), "{key}");
        }
    }
}
