//! Actions and resources of DynamoDB requests to a backend.
//!
//! A transaction needs the action of each of its parts, and a batch its own action on each table. PartiQL names its table in
//! a text that only a parser of the language reads as the backend does, so it is asked for with `*`.

use serde_json::Value;

use super::parameters::Place;

/// What an operation does to which table or index.
pub(super) fn accesses(operation: &str, body: &Value, place: &Place<'_>) -> Vec<(String, String)> {
    let of = |operation: &str, name: &str| (format!("dynamodb:{operation}"), table(name, place));
    let found: Vec<(String, String)> = match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
            tables.map(|(name, _)| of(operation, name)).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            let parts = items.filter_map(Value::as_object).flatten();
            parts.filter_map(|(part, it)| Some(of(action_of_part(part)?, it.get("TableName")?.as_str()?))).collect()
        }
        "ExecuteStatement" => partiql(body).into_iter().map(|action| (action, "*".to_owned())).collect(),
        "BatchExecuteStatement" | "ExecuteTransaction" => {
            let name = if operation == "ExecuteTransaction" { "TransactStatements" } else { "Statements" };
            let statements = body.get(name).and_then(Value::as_array).into_iter().flatten();
            statements.filter_map(partiql).map(|action| (action, "*".to_owned())).collect()
        }
        _ => {
            let name = ["TableName", "TableArn", "ResourceArn", "SourceTableName"].into_iter();
            let name = name.filter_map(|member| body.get(member)?.as_str()).next();
            let index = body.get("IndexName").and_then(Value::as_str);
            let whole = name.map(|name| of(operation, name));
            whole
                .map(|(action, arn)| match index {
                    Some(index) => (action, format!("{arn}/index/{index}")),
                    None => (action, arn),
                })
                .into_iter()
                .collect()
        }
    };
    if found.is_empty() { vec![(format!("dynamodb:{operation}"), "*".to_owned())] } else { found }
}

fn action_of_part(part: &str) -> Option<&'static str> {
    Some(match part {
        "Get" => "GetItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        _ => return None,
    })
}

fn partiql(statement: &Value) -> Option<String> {
    let verb = statement.get("Statement")?.as_str()?.split_whitespace().next()?.to_ascii_lowercase();
    let verb = ["Select", "Insert", "Update", "Delete"].into_iter().find(|it| it.to_ascii_lowercase() == verb)?;
    Some(format!("dynamodb:PartiQL{verb}"))
}

fn table(name: &str, place: &Place<'_>) -> String {
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => place.arn("dynamodb", &format!("table/{name}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_and_indexes() {
        let place = Place { region: "us-east-1", account: "1", path: "/" };
        let cases = [
            ("PutItem", json!({"TableName": "t"}), "PutItem t"),
            ("PutItem", json!({"TableName": "arn:aws:dynamodb:us-east-1:1:table/t"}), "PutItem t"),
            ("Query", json!({"TableName": "t", "IndexName": "i"}), "Query t/index/i"),
            ("ListTables", json!({}), "ListTables *"),
            ("BatchGetItem", json!({"RequestItems": {"a": {}, "b": {}}}), "BatchGetItem a, BatchGetItem b"),
            (
                "TransactWriteItems",
                json!({"TransactItems": [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]}),
                "PutItem a, ConditionCheckItem b",
            ),
            ("ExecuteStatement", json!({"Statement": "select * from \"t\""}), "PartiQLSelect *"),
            ("ExecuteStatement", json!({"Statement": "-- x"}), "ExecuteStatement *"),
        ];
        for (operation, body, expected) in cases {
            let accesses = accesses(operation, &body, &place).into_iter();
            let words = accesses.map(|(action, arn)| format!("{action} {arn}")).collect::<Vec<_>>().join(", ");
            let words = words.replace("dynamodb:", "").replace("arn:aws:us-east-1:1:table/", "");
            assert_eq!(words, expected, "{operation}");
        }
    }
}
