//! The partition keys of a backend's tables, which `dynamodb:LeadingKeys` is about and no request tells.
//!
//! The backend is asked with DescribeTable, and only where a policy has a condition on that key: nothing is kept, as a table may
//! be deleted and made anew with another key by whoever else uses the backend.

use std::collections::BTreeMap;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use serde_json::{Value, json};

use super::asking::Asking;
use super::flow::{Progress, Upload};
use super::parameters::Parameters;
use super::sign::Payload;
use super::{Upstream, invalid, naming};
use crate::services::dynamodb::asks::Schema;
use crate::services::failure::{Failure, Form};
use crate::services::front;

/// Schemas by the names of their tables; of a table that is not there, none.
pub(in crate::services) type Schemas = BTreeMap<String, Schema>;

/// The key of conditions that needs them.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

impl Upstream {
    /// What has to be known of the tables of a request before policies can decide.
    pub(super) async fn schemas<B>(
        &self,
        asking: &Asking<'_>,
        request: &Request<B>,
        parameters: &Parameters,
    ) -> Result<Schemas, Failure> {
        let mut schemas = Schemas::new();
        let Parameters::Json(body) = parameters else { return Ok(schemas) };
        if self.service != "dynamodb" || !asking.session_asks_for(LEADING_KEYS) {
            return Ok(schemas);
        }
        let actions = naming::actions(self.service, Form::Json, request, parameters);
        for action in actions.map_err(|why| invalid(Form::Json, why))? {
            let operation = action.strip_prefix("dynamodb:").unwrap_or_default();
            for table in asking.tables_of_items(operation, body)? {
                if let Some(schema) = self.schema(&table, asking).await? {
                    schemas.insert(table, schema);
                }
            }
        }
        Ok(schemas)
    }

    async fn schema(&self, table: &str, asking: &Asking<'_>) -> Result<Option<Schema>, Failure> {
        let body = bytes::Bytes::from(json!({"TableName": table}).to_string());
        let unread = |why: &str| {
            Failure::bad_gateway(&self.name, &format!("a policy decides by {LEADING_KEYS}, and DescribeTable {why}"))
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.DescribeTable"));
        let uri = self.target.uri("/", asking.called()).map_err(|_| unread("has no address"))?;
        let mut request = Request::new(());
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, headers);
        *request.version_mut() = Version::HTTP_11;
        let (mut parts, ()) = request.into_parts();
        self.sign(&mut parts, &Payload::of(&body), asking.region())?;
        let _place = self.place().await?;
        let progress = Progress::new();
        let upload = Upload::new(front::full(body), progress.clone());
        let answer = self.exchange(Request::from_parts(parts, upload), &progress).await?;
        let (parts, body) = answer.into_parts();
        let body = http_body_util::BodyExt::boxed_unsync(http_body_util::BodyExt::map_err(body, Into::into));
        let (bytes, _memory) = self.hold_answer(body).await?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|_| unread("is not answered with JSON"))?;
        let kind = answer["__type"].as_str().unwrap_or_default();
        match parts.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST if kind.ends_with("ResourceNotFoundException") => return Ok(None),
            status => return Err(unread(&format!("is answered {status}"))),
        }
        let table = &answer["Table"];
        let indexes = ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"].map(|name| table[name].as_array());
        let label = table["LatestStreamLabel"].as_str().map(str::to_owned);
        let schema = Schema::read(&table["KeySchema"], indexes.into_iter().flatten().flatten(), label);
        schema.map(Some).ok_or_else(|| unread("tells no partition key"))
    }
}
