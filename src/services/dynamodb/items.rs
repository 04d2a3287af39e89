//! What a request says of items: the values of their partition key, and the attributes that it names.
//!
//! Policies with `ForAllValues` on `dynamodb:LeadingKeys` and `dynamodb:Attributes` let pass whatever has no value there, so
//! that one overlooked here would be one let pass. Rather a name too many is told than one too few.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html>

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Members whose own members are attributes.
const NAMED: [&str; 8] =
    ["AttributeUpdates", "Expected", "Item", "Key", "KeyConditions", "QueryFilter", "ScanFilter", "Attributes"];
/// Members that name attributes in the language of expressions.
const EXPRESSIONS: [&str; 5] =
    ["ConditionExpression", "FilterExpression", "KeyConditionExpression", "ProjectionExpression", "UpdateExpression"];
/// Words of that language.
const WORDS: [&str; 9] = ["ADD", "AND", "BETWEEN", "DELETE", "IN", "NOT", "OR", "REMOVE", "SET"];

/// Top-level attributes that a part of a request names.
pub(super) fn attributes(part: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in items(part) {
        found.extend(item.keys().cloned());
    }
    let Some(members) = part.as_object() else { return found };
    let of_members = NAMED.iter().filter_map(|name| members.get(*name)?.as_object());
    found.extend(of_members.flat_map(Map::keys).cloned());
    let listed = members.get("AttributesToGet").and_then(Value::as_array).into_iter().flatten();
    found.extend(listed.filter_map(Value::as_str).map(str::to_owned));
    for expression in EXPRESSIONS.iter().filter_map(|name| members.get(*name)?.as_str()) {
        found.extend(names(expression).filter_map(|name| resolved(part, name)));
    }
    found
}

/// Values of the partition key `key` in the part of a request that asks for an action. What the action does not read tells
/// nothing, or `ForAnyValue` would find there what it looks for; a scan has none.
pub(super) fn leading_keys(action: &str, part: &Value, key: &str) -> BTreeSet<String> {
    match action {
        "PutItem" => part.get("Item").and_then(|item| plain(item.get(key)?)).into_iter().collect(),
        "BatchGetItem" | "BatchWriteItem" => batched(part).filter_map(|item| plain(item.get(key)?)).collect(),
        "Query" => queried(part, key),
        "Scan" => BTreeSet::new(),
        _ => part.get("Key").and_then(|item| plain(item.get(key)?)).into_iter().collect(),
    }
}

fn queried(part: &Value, key: &str) -> BTreeSet<String> {
    let legacy = part.pointer("/KeyConditions").and_then(|conditions| conditions.get(key));
    let mut found: BTreeSet<String> =
        legacy.and_then(|condition| plain(condition.pointer("/AttributeValueList/0")?)).into_iter().collect();
    if let Some(expression) = part.get("KeyConditionExpression").and_then(Value::as_str) {
        let tokens: Vec<&str> = tokens(expression).collect();
        // A value may stand on either side.
        let equal = tokens
            .windows(3)
            .filter(|three| three[1] == "=")
            .flat_map(|three| [(three[0], three[2]), (three[2], three[0])]);
        let of_key = equal.filter(|(name, _)| resolved(part, name).as_deref() == Some(key));
        found.extend(of_key.filter_map(|(_, value)| plain(part.get("ExpressionAttributeValues")?.get(value)?)));
    }
    found
}

/// Items and keys of a part, wherever they stand.
fn items(part: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let own = [part.get("Item"), part.get("Key")].into_iter().flatten().filter_map(Value::as_object);
    own.chain(batched(part))
}

/// Items and keys of a batch's table.
fn batched(part: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let read = part.get("Keys").and_then(Value::as_array).into_iter().flatten();
    let written = part.as_array().into_iter().flatten();
    let written = written.flat_map(|each| [each.pointer("/PutRequest/Item"), each.pointer("/DeleteRequest/Key")]);
    read.chain(written.flatten()).filter_map(Value::as_object)
}

/// An attribute's name behind a placeholder.
fn resolved(part: &Value, name: &str) -> Option<String> {
    match name.starts_with('#') {
        true => part.get("ExpressionAttributeNames")?.get(name)?.as_str().map(str::to_owned),
        false => Some(name.to_owned()),
    }
}

/// Names of top-level attributes in an expression, placeholders as they are.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let tokens: Vec<&str> = tokens(expression).collect();
    let named = move |at: usize| {
        let token = tokens[at];
        let first = token.chars().next()?;
        let is_name = first.is_alphabetic() || matches!(first, '_' | '#');
        let nested = at > 0 && tokens[at - 1] == ".";
        let function = tokens.get(at + 1) == Some(&"(") && first != '#';
        let word = WORDS.iter().any(|word| token.eq_ignore_ascii_case(word));
        (is_name && !nested && !function && !word).then_some(token)
    };
    let count = self::tokens(expression).count();
    (0..count).filter_map(named)
}

/// Names, placeholders, numbers and signs.
fn tokens(expression: &str) -> impl Iterator<Item = &str> {
    let mut rest = expression.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let end = match first {
            '#' | ':' => rest[1..].find(|c| !is_part(c)).map_or(rest.len(), |end| end + 1),
            _ if is_part(first) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(end);
        rest = behind.trim_start();
        Some(token)
    })
}

/// The text of `{"S": "a"}`, `{"N": "1"}` or `{"B": "…"}`.
pub(super) fn plain(value: &Value) -> Option<String> {
    value.as_object()?.values().next()?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_are_found_wherever_they_are_named() {
        for (part, expected) in [
            (json!({"Key": {"id": {"S": "a"}}, "AttributesToGet": ["x"]}), "id x"),
            (json!({"ProjectionExpression": "a, b.c, #n[0].d", "ExpressionAttributeNames": {"#n": "e-f"}}), "a b e-f"),
            (
                json!({"UpdateExpression": "SET a = if_not_exists(b, :v) + c REMOVE d ADD #n :x", "ExpressionAttributeNames": {"#n": "e"}}),
                "a b c d e",
            ),
            (json!({"FilterExpression": "NOT (size(a) > :v AND b BETWEEN :x AND :y) OR c IN (:z)"}), "a b c"),
            (json!({"Keys": [{"id": {}}], "ProjectionExpression": "x"}), "id x"),
            (json!([{"PutRequest": {"Item": {"id": {}, "x": {}}}}, {"DeleteRequest": {"Key": {"id": {}}}}]), "id x"),
            (json!({"Expected": {"x": {}}, "AttributeUpdates": {"y": {}}}), "x y"),
            (json!({"TableName": "t"}), ""),
            (json!(7), ""),
        ] {
            assert_eq!(attributes(&part).into_iter().collect::<Vec<_>>().join(" "), expected, "{part}");
        }
    }

    #[test]
    fn leading_keys_of_a_query() {
        let values = json!({":i": {"S": "a"}, ":n": {"N": "1"}});
        for (expression, expected) in [
            ("id = :i", "a"),
            (":i = id and at > :n", "a"),
            ("((#k=:i)) AND begins_with(at, :n)", "a"),
            ("at = :i AND #k = :n", "1"),
            ("other = :i", ""),
        ] {
            let part = json!({"KeyConditionExpression": expression, "ExpressionAttributeNames": {"#k": "id"}, "ExpressionAttributeValues": values});
            assert_eq!(
                leading_keys("Query", &part, "id").into_iter().collect::<Vec<_>>().join(" "),
                expected,
                "{expression}"
            );
        }
        let legacy = json!({"KeyConditions": {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}}});
        assert_eq!(leading_keys("Query", &legacy, "id").into_iter().collect::<Vec<_>>(), ["a"]);
    }
}
