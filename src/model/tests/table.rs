//! What CreateTable refuses.

use serde_json::{Value, json};

use super::*;

fn definition(attributes: &[&str], keys: &[(&str, &str)]) -> Value {
    let attribute = |name: &&str| json!({ "AttributeName": name, "AttributeType": "S" });
    json!({
        "AttributeDefinitions": attributes.iter().map(attribute).collect::<Value>(),
        "KeySchema": schema(keys),
        "BillingMode": "PAY_PER_REQUEST",
    })
}

fn schema(keys: &[(&str, &str)]) -> Value {
    keys.iter().map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind })).collect()
}

fn table(name: Option<&str>, definition: Value) -> Change {
    Change::CreateTable(CreateTable { table_name: name.map(str::to_owned), definition, ..CreateTable::default() })
}

fn with(mut definition: Value, member: &str, value: Value) -> Value {
    definition[member] = value;
    definition
}

fn index(name: &str, keys: &[(&str, &str)]) -> Value {
    json!({ "IndexName": name, "KeySchema": schema(keys), "Projection": { "ProjectionType": "ALL" } })
}

#[test]
fn a_table_has_a_name_in_its_account_and_region() {
    let mut asker = Asker::default();
    let good = || definition(&["id"], &[("id", "HASH")]);
    let arn = asker.make(table(Some("orders"), good()));
    assert_eq!(arn, format!("arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"));
    assert_eq!(asker.world.attribute(&arn, "Arn").unwrap(), arn);
    assert_eq!(asker.world.attribute(&arn, "StreamArn"), None, "it has no stream");
    let unnamed = asker.make(table(None, good()));
    assert!(unnamed.contains(":table/story-Object2-"), "{unnamed}");
    asker.ask_as(OTHER_ACCOUNT, table(Some("orders"), good())).expect("another account's name");
    let name = |name: &str, constraint: &str| {
        let message = format!(
            "ValidationException: 1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: {constraint}"
        );
        (table(Some(name), good()), message)
    };
    asker.all_refused([
        (table(Some("orders"), good()), "ResourceInUseException: Table already exists: orders".to_owned()),
        name("ab", "Member must have length greater than or equal to 3"),
        name("a b c", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        name(&"x".repeat(256), "Member must have length less than or equal to 255"),
    ]);
}

#[test]
fn keys_and_attributes_are_the_same_set() {
    let mut asker = Asker::default();
    let one = || definition(&["id"], &[("id", "HASH")]);
    let two = || definition(&["id", "day"], &[("id", "HASH"), ("day", "RANGE")]);
    let many = |count: usize| (0..count).map(|number| index(&number.to_string(), &[("id", "HASH")])).collect::<Value>();
    let locals = |count: usize| {
        (0..count).map(|number| index(&number.to_string(), &[("id", "HASH"), ("day", "RANGE")])).collect::<Value>()
    };
    let invalid = |message: &str| format!("ValidationException: One or more parameter values were invalid: {message}");
    asker.make(table(Some("global"), with(one(), "GlobalSecondaryIndexes", many(20))));
    asker.make(table(Some("local"), with(two(), "LocalSecondaryIndexes", locals(5))));
    asker.all_refused([
        (
            table(None, definition(&["id"], &[("id", "RANGE")])),
            "ValidationException: Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (
            table(None, definition(&["id", "day"], &[("id", "HASH"), ("day", "HASH")])),
            "ValidationException: Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".to_owned(),
        ),
        (
            table(None, definition(&["id"], &[("id", "HASH"), ("id", "RANGE")])),
            invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name"),
        ),
        (table(None, definition(&["id"], &[])), invalid("Missing the key schema")),
        (
            table(None, definition(&["di"], &[("id", "HASH")])),
            invalid("Some index key attributes are not defined in AttributeDefinitions. Keys: [id], AttributeDefinitions: [di]"),
        ),
        (
            table(None, definition(&["id", "other"], &[("id", "HASH")])),
            invalid("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions"),
        ),
        (
            table(None, with(definition(&["id", "other"], &[("id", "HASH")]), "GlobalSecondaryIndexes", many(1))),
            invalid("Some AttributeDefinitions are not used. AttributeDefinitions: [id, other], keys used: [id]"),
        ),
        (table(None, definition(&["id", "id"], &[("id", "HASH")])), invalid("Duplicate AttributeName")),
        (table(None, with(one(), "GlobalSecondaryIndexes", many(21))), invalid("GlobalSecondaryIndex count exceeds the per-table limit of 20")),
        (table(None, with(two(), "LocalSecondaryIndexes", locals(6))), invalid("LocalSecondaryIndex count exceeds the per-table limit of 5")),
        (table(None, with(one(), "LocalSecondaryIndexes", many(1))), invalid("Table KeySchema does not have a range key")),
        (
            table(None, with(one(), "GlobalSecondaryIndexes", json!([index("a", &[("id", "HASH")]), index("a", &[("id", "HASH")])]))),
            invalid("Duplicate index name: a"),
        ),
        (
            table(None, with(one(), "BillingMode", json!("PROVISIONED"))),
            invalid("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
        ),
        (
            table(None, with(one(), "ProvisionedThroughput", json!({ "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 }))),
            invalid("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
        ),
        (
            table(None, with(one(), "AttributeDefinitions", json!([{ "AttributeName": "id", "AttributeType": "X" }]))),
            "ValidationException: 1 validation error detected: Value 'X' at 'attributeDefinitions.1.member.attributeType'".to_owned(),
        ),
    ]);
}
