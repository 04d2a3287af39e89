//! The engine's operations by their names. Its own HTTP server has the same list, and no way to ask policies in between.

use dynoxide::{Database, DynoxideError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::asks::Schema;
use crate::model::region::partition;

/// What the error of an unknown operation says.
pub(super) const UNKNOWN: &str = "UnknownOperationException";

/// Does one operation: JSON in, JSON out.
pub(super) fn perform(database: &Database, operation: &str, body: &str) -> Result<String> {
    macro_rules! operations {
        ($($name:literal => $method:ident,)*) => {
            match operation {
                $($name => written(&database.$method(read(body)?)?),)*
                _ => Err(DynoxideError::SerializationException(UNKNOWN.to_owned())),
            }
        };
    }
    operations! {
        "BatchExecuteStatement" => batch_execute_statement,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "CreateTable" => create_table,
        "DeleteItem" => delete_item,
        "DeleteTable" => delete_table,
        "DescribeStream" => describe_stream,
        "DescribeTable" => describe_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "ExecuteStatement" => execute_statement,
        "ExecuteTransaction" => execute_transaction,
        "GetItem" => get_item,
        "GetRecords" => get_records,
        "GetShardIterator" => get_shard_iterator,
        "ListStreams" => list_streams,
        "ListTables" => list_tables,
        "ListTagsOfResource" => list_tags_of_resource,
        "PutItem" => put_item,
        "Query" => query,
        "Scan" => scan,
        "TagResource" => tag_resource,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "UntagResource" => untag_resource,
        "UpdateItem" => update_item,
        "UpdateTable" => update_table,
        "UpdateTimeToLive" => update_time_to_live,
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        // The engine's types mark what they refuse themselves, as `VALIDATION:what is wrong`.
        let marked =
            text.split_once(':').filter(|(mark, _)| mark.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
        let invalid = ["missing field", "unknown variant", "invalid type: null", "AttributeValue"];
        match marked {
            Some(("SERIALIZATION", text)) => DynoxideError::SerializationException(text.to_owned()),
            Some((_, text)) => DynoxideError::ValidationException(text.to_owned()),
            None if invalid.iter().any(|part| text.contains(part)) => {
                DynoxideError::ValidationException(text.to_owned())
            }
            None => DynoxideError::SerializationException(text.to_owned()),
        }
    })
}

fn written<T: Serialize>(answer: &T) -> Result<String> {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Keys and stream of a table; `None` where there is no such table.
pub(super) fn schema(database: &Database, table: &str) -> Option<Schema> {
    let metadata = database.get_table_metadata(table).ok()??;
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let definitions = [metadata.gsi_definitions.as_deref(), metadata.lsi_definitions.as_deref()];
    let indexes: Vec<Value> = definitions.into_iter().flatten().filter_map(read).collect();
    let indexes = indexes.iter().filter_map(Value::as_array).flatten();
    Schema::read(&read(&metadata.key_schema)?, indexes, metadata.stream_label)
}

/// Account and Region in the engine's ARNs, which knows none.
const INVENTED: &str = "arn:aws:dynamodb:dynoxide:000000000000:";

/// An answer with the ARNs of an account and Region.
pub(super) fn in_account(answer: &str, account: &str, region: &str) -> String {
    answer.replace(INVENTED, &format!("arn:{}:dynamodb:{region}:{account}:", partition(region)))
}

/// A request with tables by their names and with the engine's ARNs; an ARN that is a value comes back as it was by
/// [`in_account`].
pub(super) fn of_engine(request: &str, account: &str, region: &str) -> String {
    let ours = format!("arn:{}:dynamodb:{region}:{account}:", partition(region));
    if !request.contains(&ours) {
        return request.to_owned();
    }
    let tables = format!("{ours}table/");
    let named = match serde_json::from_str::<serde_json::Value>(request) {
        Ok(mut body) => {
            name_tables(&mut body, &tables);
            body.to_string()
        }
        Err(_) => request.to_owned(),
    };
    named.replace(&ours, INVENTED)
}

/// `TableName` and the tables of batches may be ARNs; the engine takes names.
fn name_tables(body: &mut serde_json::Value, tables: &str) {
    let Some(members) = body.as_object_mut() else { return };
    if let Some(serde_json::Value::String(name)) = members.get_mut("TableName")
        && let Some(short) = name.strip_prefix(tables)
    {
        *name = short.to_owned();
    }
    if let Some(serde_json::Value::Object(items)) = members.get_mut("RequestItems") {
        *items = std::mem::take(items)
            .into_iter()
            .map(|(name, value)| (name.strip_prefix(tables).map_or(name.clone(), str::to_owned), value))
            .collect();
    }
    let parts = members.get_mut("TransactItems").and_then(serde_json::Value::as_array_mut);
    for part in parts.into_iter().flatten().filter_map(serde_json::Value::as_object_mut) {
        part.values_mut().for_each(|operation| name_tables(operation, tables));
    }
}
