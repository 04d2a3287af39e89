//! DynamoDB tables: CloudFormation's members to those of CreateTable.

use serde_json::{Map, Value, json};

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateTable};
use crate::policy::Kind;

pub(super) fn table(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let table_name = properties.text("TableName");
    let definition = definition(&mut properties);
    let time_to_live = properties.object("TimeToLiveSpecification", |specification| {
        let attribute = specification.text("AttributeName");
        attribute.filter(|_| specification.boolean("Enabled") == Some(true))
    });
    let resource_policy =
        properties.object("ResourcePolicy", |inner| inner.required_policy("PolicyDocument", Kind::Resource));
    if properties.has("ImportSourceSpecification") {
        properties.known("ImportSourceSpecification");
        properties.ignored("ImportSourceSpecification", "the import (the table is empty)");
    }
    // Where and how AWS keeps the data makes no difference to a client.
    for known in
        ["SSESpecification", "TableClass", "PointInTimeRecoverySpecification", "OnDemandThroughput", "WarmThroughput"]
    {
        properties.known(known);
    }
    let create = CreateTable { table_name, definition, time_to_live: time_to_live.flatten(), resource_policy };
    maker.finish(properties)?;
    let arn = maker.apply(tags, Change::CreateTable(create))?;
    let reference = maker.site.world.tables[&arn].table_name.clone();
    Ok(Made { reference, object: Some(arn), ..Made::default() })
}

/// The input of CreateTable without name and tags.
fn definition(properties: &mut Properties) -> Value {
    let mut whole = Map::new();
    let attributes = properties.objects("AttributeDefinitions", |attribute| {
        json!({
            "AttributeName": attribute.required_text("AttributeName"),
            "AttributeType": attribute.required_text("AttributeType"),
        })
    });
    whole.insert("AttributeDefinitions".to_owned(), attributes.into());
    if !properties.has("KeySchema") {
        properties.required_text("KeySchema");
    }
    whole.insert("KeySchema".to_owned(), key_schema(properties).into());
    for name in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        let indexes = properties.objects(name, index);
        if !indexes.is_empty() {
            whole.insert(name.to_owned(), indexes.into());
        }
    }
    if let Some(mode) = properties.text("BillingMode") {
        whole.insert("BillingMode".to_owned(), mode.into());
    }
    if let Some(throughput) = throughput(properties) {
        whole.insert("ProvisionedThroughput".to_owned(), throughput);
    }
    let stream = properties.object(
        "StreamSpecification",
        |stream| json!({ "StreamEnabled": true, "StreamViewType": stream.required_text("StreamViewType") }),
    );
    if let Some(stream) = stream {
        whole.insert("StreamSpecification".to_owned(), stream);
    }
    if let Some(protected) = properties.boolean("DeletionProtectionEnabled") {
        whole.insert("DeletionProtectionEnabled".to_owned(), protected.into());
    }
    Value::Object(whole)
}

fn key_schema(properties: &mut Properties) -> Vec<Value> {
    properties.objects("KeySchema", |element| {
        json!({
            "AttributeName": element.required_text("AttributeName"),
            "KeyType": element.required_text("KeyType"),
        })
    })
}

fn index(index: &mut Properties) -> Value {
    for known in ["ContributorInsightsSpecification", "OnDemandThroughput", "WarmThroughput"] {
        index.known(known);
    }
    let projection = index.object("Projection", |projection| {
        let mut shape = Map::new();
        if let Some(kind) = projection.text("ProjectionType") {
            shape.insert("ProjectionType".to_owned(), kind.into());
        }
        let attributes = projection.texts("NonKeyAttributes");
        if !attributes.is_empty() {
            shape.insert("NonKeyAttributes".to_owned(), attributes.into());
        }
        Value::Object(shape)
    });
    let mut shape = Map::new();
    shape.insert("IndexName".to_owned(), index.required_text("IndexName").into());
    shape.insert("KeySchema".to_owned(), key_schema(index).into());
    shape.extend(projection.map(|projection| ("Projection".to_owned(), projection)));
    shape.extend(throughput(index).map(|throughput| ("ProvisionedThroughput".to_owned(), throughput)));
    Value::Object(shape)
}

fn throughput(properties: &mut Properties) -> Option<Value> {
    properties.object("ProvisionedThroughput", |throughput| {
        json!({
            "ReadCapacityUnits": throughput.required_integer::<u64>("ReadCapacityUnits"),
            "WriteCapacityUnits": throughput.required_integer::<u64>("WriteCapacityUnits"),
        })
    })
}
