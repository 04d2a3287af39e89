//! Where each operation names its tables, and what tells of items.

use dynoxide::actions::get_shard_iterator::decode_shard_iterator;
use serde_json::Value;

use super::asks::{Place, Schema, is_name, of_arn, shown};
use super::items;
use super::statement::Statement;
use crate::policy::Context;

/// What is done to one table or index.
pub(super) struct Touched<'b> {
    /// IAM's, without the service.
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// The part of the request that says of which items.
    part: Part<'b>,
}

/// What tells of items.
enum Part<'b> {
    /// Nothing does.
    None,
    /// Members of a request.
    Members(&'b Value),
    /// A PartiQL statement.
    Statement(Statement<'b>),
}

impl Touched<'_> {
    /// Whether values of keys may be told of it.
    pub fn is_about_items(&self) -> bool {
        !matches!(self.part, Part::None)
    }

    /// The condition keys that tell of items.
    ///
    /// # Errors
    /// A write by PartiQL that does not say which item it is about.
    pub fn keys(&self, schema: &dyn Fn(&str) -> Option<Schema>) -> Result<Context, String> {
        let mut keys = Context::default();
        let attributes = match &self.part {
            Part::None => return Ok(keys),
            Part::Members(part) => items::attributes(part),
            Part::Statement(statement) => {
                match statement.verb {
                    "Select" => keys.set("dynamodb:Select", statement.select()),
                    "Update" | "Delete" => keys.set("dynamodb:ReturnValues", statement.return_values()),
                    _ => {}
                }
                statement.attributes()
            }
        };
        if !attributes.is_empty() {
            keys.set_all("dynamodb:Attributes", attributes.into_iter().collect());
        }
        let Some(key) = self.leading_key(schema) else { return Ok(keys) };
        let values = match &self.part {
            Part::None => return Ok(keys),
            Part::Members(part) => items::leading_keys(&self.action, part, &key),
            Part::Statement(statement) => {
                let values = statement.leading_keys(&key)?;
                if statement.verb == "Select" {
                    keys.set("dynamodb:FullTableScan", values.is_empty().to_string());
                }
                values
            }
        };
        if !values.is_empty() {
            keys.set_all("dynamodb:LeadingKeys", values.into_iter().collect());
        }
        Ok(keys)
    }

    /// The partition key of the table or index.
    fn leading_key(&self, schema: &dyn Fn(&str) -> Option<Schema>) -> Option<String> {
        let (_, rest) = of_arn(&self.resource)?;
        let (table, index) = rest.split_once("/index/").map_or((rest, None), |(table, index)| (table, Some(index)));
        let schema = schema(table)?;
        match index {
            Some(index) => schema.indexes.get(index).cloned(),
            None => Some(schema.key),
        }
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

/// What a request does.
///
/// # Errors
/// It names something that can't be, or in a way that others might read otherwise.
pub(super) fn touched<'b>(
    operation: &str,
    body: &'b Value,
    place: &Place<'_>,
    schema: &dyn Fn(&str) -> Option<Schema>,
) -> Result<Vec<Touched<'b>>, String> {
    let found: Vec<Touched<'b>> = match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = member(body, "RequestItems", Value::as_object)?.into_iter().flatten();
            let each = tables.map(|(name, part)| {
                Ok(Touched { action: operation.to_owned(), resource: place.table(name)?, part: Part::Members(part) })
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
    let nothing = || Touched { action: operation.to_owned(), resource: place.arn("table/*"), part: Part::None };
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
    let part = if ON_ITEMS.contains(&operation) { Part::Members(body) } else { Part::None };
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
    Some(resource.map(|resource| Touched { action: action.to_owned(), resource, part: Part::Members(it) }))
}

fn of_statement<'b>(statement: &'b Value, place: &Place<'_>) -> Result<Touched<'b>, String> {
    let text = member(statement, "Statement", Value::as_str)?.unwrap_or_default();
    let parameters = member(statement, "Parameters", Value::as_array)?.map(Vec::as_slice).unwrap_or_default();
    let statement = Statement::read(text, parameters)?;
    let table = place.table(&statement.table)?;
    let resource = match statement.index.as_deref() {
        Some(index) if is_name(index) => format!("{table}/index/{index}"),
        Some(index) => return Err(format!("`{}` is no index's name", shown(index))),
        None => table,
    };
    Ok(Touched { action: format!("PartiQL{}", statement.verb), resource, part: Part::Statement(statement) })
}
