//! What a request asks of the policies: IAM's action on each table or index that it touches.
//!
//! The one reading of a request, for the embedded engine and for a backend: an operation names its tables in one place, and
//! what stands anywhere else names nothing.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use super::touched::is_known;
use super::touched::{Touched, touched};
use crate::model::access::Ask;
use crate::model::region::{is_region, partition};
use crate::policy::Context;

/// Where a table without ARN is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
}

/// What a table has that a request does not tell.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Its partition key.
    pub key: String,
    /// Partition keys of its indexes.
    pub indexes: BTreeMap<String, String>,
    /// The last part of its stream's ARN.
    pub stream_label: Option<String>,
}

impl Schema {
    /// Of key schemas as DescribeTable tells them: the table's, and its indexes' descriptions. `None` for no table's.
    pub fn read<'v>(
        key_schema: &Value,
        indexes: impl IntoIterator<Item = &'v Value>,
        stream_label: Option<String>,
    ) -> Option<Self> {
        let hash = |keys: &Value| {
            let hash = keys.as_array()?.iter().find(|key| key["KeyType"] == "HASH")?;
            hash["AttributeName"].as_str().map(str::to_owned)
        };
        let index = |index: &Value| Some((index["IndexName"].as_str()?.to_owned(), hash(&index["KeySchema"])?));
        Some(Self { key: hash(key_schema)?, indexes: indexes.into_iter().filter_map(index).collect(), stream_label })
    }
}

impl Place<'_> {
    pub(super) fn arn(&self, rest: &str) -> String {
        let Self { account, region } = self;
        format!("arn:{}:dynamodb:{region}:{account}:{rest}", partition(region))
    }

    /// The ARN of a table that is named by its name or its ARN.
    ///
    /// # Errors
    /// When it is neither: whatever the engine might make of it, nobody else would read the same.
    pub(super) fn table(&self, name: &str) -> Result<String, String> {
        match of_arn(name) {
            Some((_, rest)) if is_name(rest) => Ok(name.to_owned()),
            None if is_name(name) => Ok(self.arn(&format!("table/{name}"))),
            _ => Err(format!(
                "1 validation error detected: Value '{}' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                shown(name)
            )),
        }
    }
}

/// The place of a table's ARN and what stands behind `table/`; `None` where it is none, in every part.
pub(super) fn of_arn(arn: &str) -> Option<(Place<'_>, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", of, "dynamodb", region, account, rest] = parts[..] else { return None };
    let good = is_region(region)
        && of == partition(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit());
    Some((Place { account, region }, rest.strip_prefix("table/")?)).filter(|_| good)
}

pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)
}

/// A name in an error: as much of it as people read.
pub(super) fn shown(name: &str) -> String {
    format!("{:.300}", name.escape_debug().to_string())
}

/// Account and Region of the tables that a request is about: those of their ARNs, else the caller's.
///
/// # Errors
/// The request is about tables of several accounts or Regions, or names one that can't be.
pub fn owner(operation: &str, body: &Value, account: &str, region: &str) -> Result<(String, String), String> {
    let mut owners: Vec<(String, String)> = Vec::new();
    for each in touched(operation, body, &Place { account, region }, &|_| None)? {
        if let Some((place, _)) = of_arn(&each.resource) {
            let owner = (place.account.to_owned(), place.region.to_owned());
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    match owners.as_slice() {
        [] => Ok((account.to_owned(), region.to_owned())),
        [only] => Ok(only.clone()),
        _ => Err("One request can't be about tables of several accounts or Regions".to_owned()),
    }
}

/// What policies are asked.
///
/// # Errors
/// What names no table.
pub fn asks(
    operation: &str,
    body: &Value,
    place: &Place<'_>,
    schema: &dyn Fn(&str) -> Option<Schema>,
) -> Result<Vec<Ask>, String> {
    let common = common_keys(operation, body);
    let asks = touched(operation, body, place, schema)?.into_iter().map(|each: Touched<'_>| {
        let mut context = common.clone();
        context.extend(each.keys(schema)?);
        let owner = each.resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(place.account);
        Ok(Ask {
            action: format!("dynamodb:{}", each.action),
            resource_account: Some(owner.to_owned()),
            resource: each.resource,
            resource_policy: None,
            context,
        })
    });
    asks.collect()
}

/// Tables whose items a request is about, by the names that [`asks`] wants their schema for.
///
/// # Errors
/// As [`asks`].
pub fn tables_of_items(operation: &str, body: &Value, place: &Place<'_>) -> Result<BTreeSet<String>, String> {
    let touched = touched(operation, body, place, &|_| None)?;
    let of_items = touched.iter().filter(|each| each.is_about_items());
    let names = of_items.filter_map(|each| of_arn(&each.resource)?.1.split('/').next().map(str::to_owned));
    Ok(names.collect())
}

fn common_keys(operation: &str, body: &Value) -> Context {
    let mut keys = Context::default();
    for (key, member) in [
        ("dynamodb:Select", "Select"),
        ("dynamodb:ReturnValues", "ReturnValues"),
        ("dynamodb:ReturnConsumedCapacity", "ReturnConsumedCapacity"),
    ] {
        if let Some(value) = body.get(member).and_then(Value::as_str) {
            keys.set(key, value);
        }
    }
    if operation.starts_with("Transact") || operation == "ExecuteTransaction" {
        keys.set("dynamodb:EnclosingOperation", operation);
    }
    keys
}
