//! DynamoDB: the embedded engine `dynoxide` on SQLite, behind the door's signature and the policies' word.
//!
//! Purpose: items, queries, transactions, PartiQL, streams and TTL are the engine's; who may do what, the names of accounts and
//! Regions, and the few operations that it lacks (DescribeEndpoints, DescribeLimits) are ours. Identity: a table is its
//! account's and Region's, as on AWS; each pair has a database of its own, one file, opened when it is first asked for.
//! Life: a request is named ([`asks`]) ► allowed by the policies, each table of it ► done on a blocking thread ► answered.
//! Time: every [`SWEEP`], items whose time to live is over are deleted; on AWS that takes hours to days.
//! Limits: bodies as the door holds them, 16 MiB. Databases are as many as the lab has accounts and AWS has Regions, never more,
//! whatever ARNs a request names.
//!
//! Not done, and why: global tables, backups, exports, Kinesis streams, resource policies by API; whatever the engine does not
//! know is answered UnknownOperationException.

pub(in crate::services) mod asks;
mod engine;
mod items;
mod partiql;
mod statement;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dynoxide::{Database, DynoxideError};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::failure::request_id;
use super::front::session::Session;
use super::front::{self, Body, Service};
use super::{Shutdown, stopped};
use crate::model::region::is_region;
use crate::policy;

const TARGETS: [&str; 2] = ["DynamoDB_20120810.", "DynamoDBStreams_20120810."];
/// Between two looks for expired items. Where no table has a time to live, a look is one query of the list of tables.
const SWEEP: Duration = Duration::from_secs(10);

/// A table that a template declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its owner, twelve digits.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// CreateTable's input.
    pub definition: Value,
    /// Attribute with the time at which an item expires.
    pub time_to_live: Option<String>,
}

/// The service; clones are the same.
#[derive(Clone)]
pub struct DynamoDb(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    databases: Mutex<HashMap<(String, String), Database>>,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl DynamoDb {
    /// On the files of a folder, with the tables that templates declare: one that is there already stays as it is.
    ///
    /// # Errors
    /// When a file can't be opened, or the engine does not take a table.
    pub fn open(folder: &Path, tables: &[Table]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder of DynamoDB, {}", folder.display()))?;
        let made = Self(Arc::new(Inner { folder: folder.to_owned(), databases: Mutex::default() }));
        for table in tables {
            let name = table.definition["TableName"].as_str().unwrap_or_default();
            made.declare(table).with_context(|| format!("table {name}"))?;
        }
        Ok(made)
    }

    /// Deletes what has expired, until `shutdown`.
    pub async fn expire(self, mut shutdown: Shutdown) {
        let mut looks = tokio::time::interval(SWEEP);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stopped(&mut shutdown) => return,
            }
            let service = self.clone();
            // It waits for the disk.
            if let Err(error) = tokio::task::spawn_blocking(move || service.sweep()).await {
                tracing::error!(%error, "dynamodb: looking for expired items");
            }
        }
    }

    fn sweep(&self) {
        let databases: Vec<Database> = self.0.databases.lock().values().cloned().collect();
        for database in databases {
            match database.sweep_ttl() {
                Ok(0) => {}
                Ok(items) => tracing::info!(items, "dynamodb: expired"),
                Err(error) => tracing::warn!(%error, "dynamodb: looking for expired items"),
            }
        }
    }

    fn declare(&self, table: &Table) -> anyhow::Result<()> {
        let database = self.database(&table.account, &table.region)?;
        match engine::perform(&database, "CreateTable", &table.definition.to_string()) {
            Ok(_) => {}
            Err(DynoxideError::ResourceInUseException(_)) => return Ok(()),
            Err(error) => anyhow::bail!("the engine does not take it: {error}"),
        }
        if let Some(attribute) = &table.time_to_live {
            let request = json!({
                "TableName": table.definition["TableName"],
                "TimeToLiveSpecification": {"Enabled": true, "AttributeName": attribute},
            });
            engine::perform(&database, "UpdateTimeToLive", &request.to_string())
                .map_err(|error| anyhow::anyhow!("its time to live: {error}"))?;
        }
        Ok(())
    }

    fn database(&self, account: &str, region: &str) -> anyhow::Result<Database> {
        let mut databases = self.0.databases.lock();
        if let Some(database) = databases.get(&(account.to_owned(), region.to_owned())) {
            return Ok(database.clone());
        }
        // Digits, and a name of AWS's: never a path.
        let safe = account.bytes().all(|byte| byte.is_ascii_digit()) && is_region(region);
        anyhow::ensure!(safe && !account.is_empty(), "there is no account `{account}` in a Region `{region}`");
        let file = self.0.folder.join(format!("{account}.{region}.sqlite"));
        let database = Database::new(&file.display().to_string())
            .map_err(|error| anyhow::anyhow!("opening {}: {error}", file.display()))?;
        databases.insert((account.to_owned(), region.to_owned()), database.clone());
        Ok(database)
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let Some(session) = request.extensions().get::<Session>().cloned() else {
            return failure(
                403,
                "com.amazon.coral.service#MissingAuthenticationTokenException",
                "Missing Authentication Token",
            );
        };
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let Some(operation) = TARGETS.iter().find_map(|prefix| target.strip_prefix(prefix)).map(str::to_owned) else {
            return unknown_operation();
        };
        let host = front::host(&request).unwrap_or_default().to_ascii_lowercase();
        let Ok(body) = request.into_body().collect().await else {
            return failure(400, "com.amazon.coral.service#SerializationException", "The body did not come whole");
        };
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        let Ok(parsed @ Value::Object(_)) = serde_json::from_str::<Value>(&text) else {
            return failure(400, "com.amazon.coral.service#SerializationException", "");
        };
        let region = session.region(&host);
        let service = self.clone();
        // The engine waits for the disk, and policies of a batch may be many.
        let done =
            tokio::task::spawn_blocking(move || service.act(&session, &operation, (&text, &parsed), &region, &host));
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "dynamodb: no answer");
            failure(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", "The engine failed")
        })
    }

    fn act(
        &self,
        session: &Session,
        operation: &str,
        (text, body): (&str, &Value),
        region: &str,
        host: &str,
    ) -> Response<Body> {
        let account = session.principal.account().unwrap_or_default().to_owned();
        let (account, region) = match asks::owner(operation, body, &account, region) {
            Ok(owner) => owner,
            Err(why) => return failure(400, "com.amazon.coral.validate#ValidationException", &why),
        };
        // Only accounts of the lab have tables: a name in a request makes no file.
        let known =
            session.principal.account() == Some(&account) || session.directory.accounts().any(|known| known == account);
        let database = known.then(|| self.database(&account, &region)).transpose();
        let Ok(database) = database else {
            return failure(
                500,
                "com.amazonaws.dynamodb.v20120810#InternalServerError",
                "The table's database can't be opened",
            );
        };
        let place = asks::Place { account: &account, region: &region };
        let schema = |table: &str| engine::schema(database.as_ref()?, table);
        let asked = match asks::asks(operation, body, &place, &schema) {
            Ok(asked) => asked,
            Err(why) => return failure(400, "com.amazon.coral.validate#ValidationException", &why),
        };
        for mut ask in asked {
            ask.resource_policy = session.directory.table(&ask.resource).and_then(|table| table.policy.clone());
            if let Err(judged) = session.authorize(&ask) {
                let message = policy::message(&judged.decision, &judged.request);
                let body = json!({"__type": "com.amazon.coral.service#AccessDeniedException", "Message": message});
                return answer(400, body.to_string());
            }
        }
        let Some(database) = database else {
            return failure(
                400,
                "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
                "Requested resource not found",
            );
        };
        match operation {
            "DescribeEndpoints" => {
                let endpoints = json!({"Endpoints": [{"Address": host, "CachePeriodInMinutes": 1440}]});
                answer(200, endpoints.to_string())
            }
            "DescribeLimits" => answer(200, LIMITS.to_owned()),
            _ => match engine::perform(&database, operation, &engine::of_engine(text, &account, &region)) {
                Ok(done) => answer(200, engine::in_account(&done, &account, &region)),
                Err(DynoxideError::SerializationException(what)) if what == engine::UNKNOWN => unknown_operation(),
                Err(error) => answer(error.status_code(), engine::in_account(&error.to_json(), &account, &region)),
            },
        }
    }
}

/// A new account's, as AWS documents them.
const LIMITS: &str = r#"{"AccountMaxReadCapacityUnits":80000,"AccountMaxWriteCapacityUnits":80000,"TableMaxReadCapacityUnits":40000,"TableMaxWriteCapacityUnits":40000}"#;

impl Service for DynamoDb {
    fn name(&self) -> &'static str {
        "dynamodb"
    }

    fn called(&self, _host: &str) -> Option<String> {
        Some("dynamodb".to_owned())
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.respond(request).boxed()
    }
}

fn unknown_operation() -> Response<Body> {
    answer(400, json!({"__type": "com.amazon.coral.service#UnknownOperationException"}).to_string())
}

fn failure(status: u16, code: &str, message: &str) -> Response<Body> {
    answer(status, json!({"__type": code, "message": message}).to_string())
}

fn answer(status: u16, body: String) -> Response<Body> {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body.as_bytes());
    let mut answer = Response::new(front::full(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    headers.insert(HeaderName::from_static("x-amz-crc32"), HeaderValue::from(crc));
    let id = HeaderValue::from_str(&request_id()).expect("hexadecimal");
    headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    answer
}
