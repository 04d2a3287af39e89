//! JSON that can be read one way only.
//!
//! A backend is anybody's server: one may take the first of two members of a name where we take the last, or a name in
//! another case. Policies would then decide about another table than the one that the backend serves, so what readers might
//! disagree about is refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A value whose objects have each member once.
struct Once(Value);

/// Reads a document.
///
/// # Errors
/// It is not JSON, or says something twice.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Once>(bytes).map(|once| once.0).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => error.to_string(),
        _ => format!("the body is not JSON: {error}"),
    })
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(read.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if read.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member `{name:.80}` is there twice")));
            }
            read.insert(name, value);
        }
        Ok(read.into())
    }
}

/// Members of DynamoDB's requests whose own members are names that users gave, in whatever case.
const FREE: [&str; 12] = [
    "AttributeUpdates",
    "ExclusiveStartKey",
    "Expected",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "Item",
    "Key",
    "KeyConditions",
    "Keys",
    "Parameters",
    "QueryFilter",
    "ScanFilter",
];

/// Members of DynamoDB's requests by which policies decide.
const READ: [&str; 39] = [
    "AttributesToGet",
    "AttributeUpdates",
    "ConditionCheck",
    "ConditionExpression",
    "Delete",
    "DeleteRequest",
    "ExclusiveStartKey",
    "Expected",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "FilterExpression",
    "Get",
    "IndexName",
    "Item",
    "Key",
    "KeyConditionExpression",
    "KeyConditions",
    "Keys",
    "Parameters",
    "ProjectionExpression",
    "Put",
    "PutRequest",
    "QueryFilter",
    "RequestItems",
    "ResourceArn",
    "ReturnConsumedCapacity",
    "ReturnValues",
    "ScanFilter",
    "Select",
    "ShardIterator",
    "Statement",
    "Statements",
    "StreamArn",
    "TableArn",
    "TableName",
    "TransactItems",
    "TransactStatements",
    "Update",
    "UpdateExpression",
];

/// Whether a DynamoDB request spells its members as AWS does.
///
/// # Errors
/// It has one that differs in its case alone.
pub(super) fn check_spelling(body: &Value) -> Result<(), String> {
    let names: BTreeMap<String, &str> = READ.iter().map(|name| (name.to_ascii_lowercase(), *name)).collect();
    spelled(body, &names)
}

fn spelled(value: &Value, names: &BTreeMap<String, &str>) -> Result<(), String> {
    if let Some(items) = value.as_array() {
        return items.iter().try_for_each(|item| spelled(item, names));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match names.get(&name.to_ascii_lowercase()) {
            Some(right) if right != name => return Err(format!("`{name:.80}` is written {right}")),
            _ if FREE.contains(&name.as_str()) => {}
            // Its own members are tables.
            _ if name == "RequestItems" => {
                value.as_object().into_iter().flatten().try_for_each(|(_, value)| spelled(value, names))?;
            }
            _ => spelled(value, names)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_twice_is_refused() {
        let good = r#"{"a":[1,-2,1.5,true,null,"x",{"b":{}}],"B":"","b":18446744073709551615}"#;
        assert_eq!(read(good.as_bytes()), Ok(serde_json::from_str(good).unwrap()));
        for (text, says) in [
            (r#"{"TableName":"open","TableName":"secret"}"#, "`TableName` is there twice"),
            (r#"{"a":[{"b":1,"c":2,"b":1}]}"#, "`b` is there twice"),
            (r#"{"TableName":"open","Table\u004eame":"secret"}"#, "`TableName` is there twice"),
            ("{", "not JSON"),
            ("{} {}", "not JSON"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn members_are_spelled_as_aws_does() {
        for good in [
            json!({"TableName": "t", "Key": {"tablename": {"S": "a"}, "KEY": {}}}),
            json!({"RequestItems": {"keys": {"Keys": [{"key": {"S": "a"}}]}}}),
            json!({"TransactItems": [{"Put": {"TableName": "t", "Item": {"put": {"M": {"item": {}}}}}}]}),
            json!({"Statement": "", "Parameters": [{"M": {"statement": {"S": ""}}}]}),
            json!({"TableName": "t", "Unheard": {"of": 1}}),
        ] {
            assert_eq!(check_spelling(&good), Ok(()), "{good}");
        }
        for bad in [
            json!({"tableName": "secret"}),
            json!({"TableName": "open", "TABLENAME": "secret"}),
            json!({"requestItems": {"secret": {}}}),
            json!({"RequestItems": {"t": {"keys": [{"id": {"S": "bob"}}]}}}),
            json!({"TransactItems": [{"put": {"TableName": "secret"}}]}),
            json!({"TransactItems": [{"Put": {"TableName": "open", "tablename": "secret"}}]}),
            json!({"Statements": [{"statement": "SELECT * FROM secret"}]}),
        ] {
            assert!(check_spelling(&bad).is_err(), "{bad}");
        }
    }
}
