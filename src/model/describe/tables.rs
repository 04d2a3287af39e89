//! DynamoDB tables.

use super::*;

/// DynamoDB DescribeTable, as far as the templates say it: what a table holds is its service's to tell.
pub fn tables(world: &World) -> Vec<Value> {
    world.tables.values().map(table).collect()
}

fn table(table: &Table) -> Value {
    let mut shape = json!({
        "TableName": table.table_name,
        "TableArn": table.table_arn,
        "TableStatus": "ACTIVE",
    });
    for member in [
        "AttributeDefinitions",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "ProvisionedThroughput",
        "StreamSpecification",
        "DeletionProtectionEnabled",
    ] {
        add(&mut shape, member, table.definition.get(member).cloned());
    }
    let mode = table.definition.get("BillingMode");
    add(&mut shape, "BillingModeSummary", mode.map(|mode| json!({ "BillingMode": mode })));
    if let Some(arn) = table.latest_stream_arn() {
        add(&mut shape, "LatestStreamArn", Some(arn.into()));
        add(&mut shape, "LatestStreamLabel", Some(STREAM_LABEL.into()));
    }
    let time_to_live = |name| json!({ "AttributeName": name, "TimeToLiveStatus": "ENABLED" });
    add(&mut shape, "TimeToLiveDescription", table.time_to_live.as_ref().map(time_to_live));
    add(&mut shape, "ResourcePolicy", table.resource_policy.as_ref().map(|policy| json!(policy.value.to_string())));
    add(&mut shape, "Tags", Some(tags(&table.meta)));
    shape
}
