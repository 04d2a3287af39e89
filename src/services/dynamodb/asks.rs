//! What a request asks of the policies: IAM's action on each table or index that it touches.
//!
//! The one reading of a request, for the embedded engine and for a backend: an operation names its tables in one place, and
//! what stands anywhere else names nothing.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>

use std::collections::{BTreeMap, BTreeSet};

use dynoxide::actions::get_shard_iterator::decode_shard_iterator;
use serde_json::Value;

use super::{items, partiql};
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
    fn arn(&self, rest: &str) -> String {
        let Self { account, region } = self;
        format!("arn:{}:dynamodb:{region}:{account}:{rest}", partition(region))
    }

    /// The ARN of a table that is named by its name or its ARN.
    ///
    /// # Errors
    /// When it is neither: whatever the engine might make of it, nobody else would read the same.
    fn table(&self, name: &str) -> Result<String, String> {
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
fn of_arn(arn: &str) -> Option<(Place<'_>, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", of, "dynamodb", region, account, rest] = parts[..] else { return None };
    let good = is_region(region)
        && of == partition(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit());
    Some((Place { account, region }, rest.strip_prefix("table/")?)).filter(|_| good)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)
}

/// A name in an error: as much of it as people read.
fn shown(name: &str) -> String {
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
    let asks = touched(operation, body, place, schema)?.into_iter().map(|each| {
        let mut context = common.clone();
        context.extend(each.keys(schema));
        let owner = each.resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(place.account);
        Ask {
            action: format!("dynamodb:{}", each.action),
            resource_account: Some(owner.to_owned()),
            resource: each.resource,
            resource_policy: None,
            context,
        }
    });
    Ok(asks.collect())
}

/// What is done to one table or index.
struct Touched<'b> {
    action: String,
    resource: String,
    /// The part of the request that says it; `None` where items can't be told.
    part: Option<&'b Value>,
}

impl Touched<'_> {
    /// `dynamodb:LeadingKeys` and `dynamodb:Attributes`.
    fn keys(&self, schema: &dyn Fn(&str) -> Option<Schema>) -> Context {
        let mut keys = Context::default();
        let Some(part) = self.part else { return keys };
        let attributes = items::attributes(part);
        if !attributes.is_empty() {
            keys.set_all("dynamodb:Attributes", attributes.into_iter().collect());
        }
        let Some((_, rest)) = of_arn(&self.resource) else { return keys };
        let (table, index) = rest.split_once("/index/").map_or((rest, None), |(table, index)| (table, Some(index)));
        let Some(schema) = schema(table) else { return keys };
        let key = index.map_or(Some(&schema.key), |index| schema.indexes.get(index));
        let values = key.map(|key| items::leading_keys(part, key)).unwrap_or_default();
        if !values.is_empty() {
            keys.set_all("dynamodb:LeadingKeys", values.into_iter().collect());
        }
        keys
    }
}

/// Operations on items of one table.
const ON_ITEMS: [&str; 6] = ["DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"];

/// Operations on the whole table that they name in `TableName`, whatever else a request says.
const ON_TABLES: [&str; 18] = [
    "CreateBackup",
    "CreateTable",
    "DeleteTable",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeKinesisStreamingDestination",
    "DescribeTable",
    "DescribeTableReplicaAutoScaling",
    "DescribeTimeToLive",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateKinesisStreamingDestination",
    "UpdateTable",
    "UpdateTableReplicaAutoScaling",
    "UpdateTimeToLive",
    "ListStreams",
];

/// Operations about no table in particular.
const ON_NONE: [&str; 6] =
    ["DescribeEndpoints", "DescribeLimits", "ListBackups", "ListContributorInsights", "ListExports", "ListImports"];

/// Operations on what an ARN in a member names.
const ON_ARNS: [(&str, &str); 9] = [
    ("DeleteResourcePolicy", "ResourceArn"),
    ("DescribeStream", "StreamArn"),
    ("ExportTableToPointInTime", "TableArn"),
    ("GetResourcePolicy", "ResourceArn"),
    ("GetShardIterator", "StreamArn"),
    ("ListTagsOfResource", "ResourceArn"),
    ("PutResourcePolicy", "ResourceArn"),
    ("TagResource", "ResourceArn"),
    ("UntagResource", "ResourceArn"),
];

/// Operations whose tables stand in several places.
const OTHERS: [&str; 9] = [
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "ExecuteStatement",
    "ExecuteTransaction",
    "GetRecords",
    "ListTables",
    "TransactGetItems",
    "TransactWriteItems",
];

/// Whether it is known where the operation names its tables.
pub fn is_known(operation: &str) -> bool {
    [&ON_TABLES[..], &ON_NONE, &ON_ITEMS, &OTHERS].concat().contains(&operation)
        || ON_ARNS.iter().any(|(it, _)| *it == operation)
}

/// Tables whose items a request is about, by the names that [`asks`] wants their schema for.
///
/// # Errors
/// As [`asks`].
pub fn tables_of_items(operation: &str, body: &Value, place: &Place<'_>) -> Result<BTreeSet<String>, String> {
    let touched = touched(operation, body, place, &|_| None)?;
    let of_items = touched.iter().filter(|each| each.part.is_some());
    let names = of_items.filter_map(|each| of_arn(&each.resource)?.1.split('/').next().map(str::to_owned));
    Ok(names.collect())
}

fn touched<'b>(
    operation: &str,
    body: &'b Value,
    place: &Place<'_>,
    schema: &dyn Fn(&str) -> Option<Schema>,
) -> Result<Vec<Touched<'b>>, String> {
    let found: Vec<Touched<'b>> = match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = member(body, "RequestItems", Value::as_object)?.into_iter().flatten();
            let each = tables.map(|(name, part)| {
                Ok(Touched { action: operation.to_owned(), resource: place.table(name)?, part: Some(part) })
            });
            each.collect::<Result<_, String>>()?
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = member(body, "TransactItems", Value::as_array)?.into_iter().flatten();
            let parts = items.map(|item| item.as_object().ok_or("A part of TransactItems is no structure"));
            let parts = parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
            parts.filter_map(|(part, it)| of_part(part, it, place)).collect::<Result<_, _>>()?
        }
        "ExecuteStatement" => vec![of_statement(body, place)?],
        "BatchExecuteStatement" | "ExecuteTransaction" => {
            let name = if operation == "ExecuteTransaction" { "TransactStatements" } else { "Statements" };
            let statements = member(body, name, Value::as_array)?.into_iter().flatten();
            statements.map(|statement| of_statement(statement, place)).collect::<Result<_, _>>()?
        }
        _ => of_one(operation, body, place, schema)?.into_iter().collect(),
    };
    // A request about nothing is the engine's to refuse; whoever may not do the operation at all learns nothing of it.
    let nothing = || Touched { action: operation.to_owned(), resource: place.arn("table/*"), part: None };
    Ok(if found.is_empty() { vec![nothing()] } else { found })
}

/// What an operation does to the one thing that it names; `None` where it names none.
fn of_one<'b>(
    operation: &str,
    body: &'b Value,
    place: &Place<'_>,
    schema: &dyn Fn(&str) -> Option<Schema>,
) -> Result<Option<Touched<'b>>, String> {
    let text = |name: &str| member(body, name, Value::as_str);
    let resource = match operation {
        _ if ON_NONE.contains(&operation) => "*".to_owned(),
        "ListStreams" if text("TableName")?.is_none() => "*".to_owned(),
        "GetRecords" => of_iterator(text("ShardIterator")?.unwrap_or_default(), place, schema)?,
        _ => match ON_ARNS.iter().find(|(it, _)| *it == operation) {
            Some((_, name)) => by_arn(name, text(name)?.unwrap_or_default())?,
            None if !is_known(operation) || operation == "ListTables" => return Ok(None),
            None => {
                let Some(name) = text("TableName")? else { return Ok(None) };
                let table = place.table(name)?;
                // Others have no such member, and their resource is the table, whatever a request says.
                match text("IndexName")?.filter(|_| matches!(operation, "Query" | "Scan")) {
                    Some(index) if is_name(index) => format!("{table}/index/{index}"),
                    Some(index) => return Err(format!("`{}` is no index's name", shown(index))),
                    None => table,
                }
            }
        },
    };
    let part = ON_ITEMS.contains(&operation).then_some(body);
    Ok(Some(Touched { action: operation.to_owned(), resource, part }))
}

/// A member of its type; `None` where it is not there.
///
/// # Errors
/// It is of another type: a lenient server might read something in it.
fn member<'b, T>(body: &'b Value, name: &str, read: impl Fn(&'b Value) -> Option<T>) -> Result<Option<T>, String> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| format!("{name} is not of its type")),
    }
}

/// An ARN of a table, or of a stream where one is meant.
fn by_arn(member: &str, arn: &str) -> Result<String, String> {
    let rest = of_arn(arn).map(|(_, rest)| rest);
    let stream = rest.and_then(|rest| rest.split_once("/stream/"));
    let is_stream = stream.is_some_and(|(table, label)| is_name(table) && !label.is_empty() && !label.contains('/'));
    let good = match member {
        "StreamArn" => is_stream,
        _ => rest.is_some_and(is_name),
    };
    good.then(|| arn.to_owned())
        .ok_or_else(|| format!("Invalid {member}: Invalid ResourceArn provided as input {}", shown(arn)))
}

/// The stream of an iterator. Anybody can write one, so what it names is asked for.
fn of_iterator(iterator: &str, place: &Place<'_>, schema: &dyn Fn(&str) -> Option<Schema>) -> Result<String, String> {
    if let Some((table, _, _)) = decode_shard_iterator(iterator) {
        let label = schema(&table).and_then(|schema| schema.stream_label).unwrap_or_else(|| "*".to_owned());
        return Ok(format!("{}/stream/{label}", place.table(&table)?));
    }
    // AWS's begin with the stream's ARN, and so do moto's.
    let arn = iterator.split_once('|').map(|(arn, _)| arn);
    arn.and_then(|arn| by_arn("StreamArn", arn).ok()).ok_or_else(|| "Invalid ShardIterator".to_owned())
}

fn of_part<'b>(part: &str, it: &'b Value, place: &Place<'_>) -> Option<Result<Touched<'b>, String>> {
    let action = match part {
        "Get" => "GetItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        _ => return None,
    };
    let resource = match member(it, "TableName", Value::as_str) {
        Ok(name) => place.table(name?),
        Err(why) => Err(why),
    };
    Some(resource.map(|resource| Touched { action: action.to_owned(), resource, part: Some(it) }))
}

/// PartiQL: the verb, and the table behind `FROM`, `INTO` or `UPDATE`.
fn of_statement<'b>(statement: &Value, place: &Place<'_>) -> Result<Touched<'b>, String> {
    let text = member(statement, "Statement", Value::as_str)?.unwrap_or_default();
    let words = partiql::words(text).ok_or("Statement wasn't well formed, can't be processed: ")?;
    let is = |index: usize, word: &str| words.get(index).is_some_and(|it| !it.1 && it.0.eq_ignore_ascii_case(word));
    let (verb, at) = match () {
        () if is(0, "SELECT") => {
            let mut froms = (0..words.len()).filter(|index| is(*index, "FROM"));
            // It is a reserved word. Of two, the engine might mean the other one.
            let only = froms.next().filter(|_| froms.next().is_none());
            ("Select", only.map(|index| index + 1))
        }
        () if is(0, "INSERT") && is(1, "INTO") => ("Insert", Some(2)),
        () if is(0, "UPDATE") => ("Update", Some(1)),
        () if is(0, "DELETE") && is(1, "FROM") => ("Delete", Some(2)),
        () => ("", None),
    };
    let name =
        at.and_then(|at| words.get(at)).ok_or("Statement wasn't well formed, can't be processed: it names no table")?;
    // `"table"."index"` is two words with a dot between.
    let dotted = at.is_some_and(|at| is(at + 1, "."));
    let index = at.filter(|_| dotted).map(|at| words.get(at + 2).map_or("", |word| word.0.as_str()));
    let table = place.table(&name.0)?;
    let resource = match index {
        Some(index) if is_name(index) => format!("{table}/index/{index}"),
        Some(index) => return Err(format!("`{}` is no index's name", shown(index))),
        None => table,
    };
    Ok(Touched { action: format!("PartiQL{verb}"), resource, part: None })
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
    if operation.starts_with("Transact") {
        keys.set("dynamodb:EnclosingOperation", operation);
    }
    keys
}
