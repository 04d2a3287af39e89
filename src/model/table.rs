//! `AWS::DynamoDB::Table`: what its service needs to make it.
//!
//! The model knows name, keys and indexes as far as to refuse what CreateTable refuses; items are the service's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::Meta;
use super::*;
use crate::policy::Kind;

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`.
    pub table_arn: String,
    /// Name; unique in an account and Region.
    pub table_name: String,
    /// Owner and origin.
    pub meta: Meta,
    /// CreateTable's input, `TableName` and `Tags` included.
    pub definition: Value,
    /// Attribute with the time at which an item expires.
    pub time_to_live: Option<String>,
    /// Resource policy as written.
    pub resource_policy: Option<PolicyDocument>,
}

/// Members of CreateTable, and what CloudFormation sets in the same breath.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateTable {
    /// Derived when absent.
    pub table_name: Option<String>,
    /// The other members of CreateTable's input as JSON, without `Tags`: the service takes them as they are.
    pub definition: Value,
    /// UpdateTimeToLive: the attribute, when it is enabled.
    pub time_to_live: Option<String>,
    /// PutResourcePolicy.
    pub resource_policy: Option<PolicyDocument>,
}

/// Indexes of one table (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>).
const GLOBAL_INDEXES: usize = 20;

/// The same of local ones.
const LOCAL_INDEXES: usize = 5;

impl Table {
    /// The stream's ARN, where the table has a stream. Its label is the time of making on AWS; a lab's is the same at every
    /// `up`.
    pub fn latest_stream_arn(&self) -> Option<String> {
        let enabled = self.definition.pointer("/StreamSpecification/StreamEnabled") == Some(&Value::Bool(true));
        enabled.then(|| format!("{}/stream/{STREAM_LABEL}", self.table_arn))
    }
}

/// `LatestStreamLabel` of every stream.
pub const STREAM_LABEL: &str = "2026-01-01T00:00:00.000";

impl World {
    pub(super) fn create_table(&mut self, request: &Request, members: &CreateTable) -> Result<ObjectId, Refusal> {
        let arn = |name: &str| {
            let partition = region::partition(&request.region);
            format!("arn:{partition}:dynamodb:{}:{}:table/{name}", request.region, request.account)
        };
        let table_name = match &members.table_name {
            Some(name) => {
                check_name(name)?;
                name.clone()
            }
            None => id::free_generated_name(request, "table", 255, |name| self.tables.contains_key(&arn(name))),
        };
        let table_arn = arn(&table_name);
        if self.tables.contains_key(&table_arn) {
            return Err(Refusal::new("ResourceInUseException", format!("Table already exists: {table_name}")));
        }
        let definition = members.definition.as_object().cloned().unwrap_or_default();
        check_keys(&Value::Object(definition.clone()))?;
        check_billing(&members.definition)?;
        if let Some(policy) = &members.resource_policy {
            check_policy(policy)?;
        }
        let mut whole = serde_json::Map::new();
        whole.insert("TableName".to_owned(), table_name.as_str().into());
        whole.extend(definition);
        if !request.tags.is_empty() {
            let tag = |(key, value)| serde_json::json!({ "Key": key, "Value": value });
            whole.insert("Tags".to_owned(), request.tags.iter().map(tag).collect());
        }
        let table = Table {
            table_arn: table_arn.clone(),
            table_name,
            meta: request.meta(),
            definition: Value::Object(whole),
            time_to_live: members.time_to_live.clone(),
            resource_policy: members.resource_policy.clone(),
        };
        self.tables.insert(table_arn.clone(), table);
        Ok(table_arn)
    }
}

fn check_policy(policy: &PolicyDocument) -> Result<(), Refusal> {
    let refused = policy.check(Kind::Resource).err();
    refused.map_or(Ok(()), |refusal| {
        Err(Refusal::new("ValidationException", format!("Invalid policy document: {}", refusal.message)))
    })
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn check_name(name: &str) -> Result<(), Refusal> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let constraint = if name.chars().count() < 3 {
        "Member must have length greater than or equal to 3"
    } else if name.chars().count() > 255 {
        "Member must have length less than or equal to 255"
    } else if !name.chars().all(is_allowed) {
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    } else {
        return Ok(());
    };
    Err(Refusal::new(
        "ValidationException",
        format!(
            "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: {constraint}"
        ),
    ))
}

fn invalid(message: impl std::fmt::Display) -> Refusal {
    Refusal::new("ValidationException", format!("One or more parameter values were invalid: {message}"))
}

/// The members of a list of objects.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Key schemas of the table and its indexes: their form, and that attributes and keys are the same set.
fn check_keys(definition: &Value) -> Result<(), Refusal> {
    let mut defined: Vec<&str> = Vec::new();
    for attribute in list(definition, "AttributeDefinitions") {
        let (name, kind) = (text(attribute, "AttributeName"), text(attribute, "AttributeType"));
        if !matches!(kind, "S" | "N" | "B") {
            return Err(Refusal::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{kind}' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]"
                ),
            ));
        }
        if defined.contains(&name) {
            return Err(invalid(format!("Duplicate AttributeName in AttributeDefinitions: {name}")));
        }
        defined.push(name);
    }
    let (global, local) = (list(definition, "GlobalSecondaryIndexes"), list(definition, "LocalSecondaryIndexes"));
    for (indexes, kind, limit) in
        [(global, "GlobalSecondaryIndex", GLOBAL_INDEXES), (local, "LocalSecondaryIndex", LOCAL_INDEXES)]
    {
        if indexes.len() > limit {
            return Err(invalid(format!("{kind} count exceeds the per-table limit of {limit}")));
        }
    }
    let table_keys = keys(definition)?;
    if !local.is_empty() && table_keys.len() < 2 {
        return Err(invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        ));
    }
    let mut used: BTreeSet<&str> = table_keys.into_iter().collect();
    let mut names = BTreeSet::new();
    for index in global.iter().chain(local) {
        let name = text(index, "IndexName");
        if !names.insert(name) {
            return Err(invalid(format!("Duplicate index name: {name}")));
        }
        used.extend(keys(index)?);
    }
    let spelt = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(", ");
    let all = spelt(&mut defined.iter().copied());
    if used.iter().any(|name| !defined.contains(name)) {
        let used = spelt(&mut used.iter().copied());
        return Err(invalid(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: [{used}], AttributeDefinitions: [{all}]"
        )));
    }
    if used.len() == defined.len() {
        return Ok(());
    }
    if names.is_empty() {
        return Err(invalid(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
        )
        .help("define the attributes of keys only; items may have any others"));
    }
    let used = spelt(&mut used.iter().copied());
    Err(invalid(format!("Some AttributeDefinitions are not used. AttributeDefinitions: [{all}], keys used: [{used}]"))
        .help("define the attributes of keys only; items may have any others"))
}

/// The attributes of one key schema: a hash key, then perhaps a range key.
fn keys(schema: &Value) -> Result<Vec<&str>, Refusal> {
    let elements = list(schema, "KeySchema");
    let kinds: Vec<&str> = elements.iter().map(|element| text(element, "KeyType")).collect();
    let message = match kinds.as_slice() {
        ["HASH"] | ["HASH", "RANGE"] => {
            let names: Vec<&str> = elements.iter().map(|element| text(element, "AttributeName")).collect();
            if names.len() == 2 && names[0] == names[1] {
                return Err(invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name"));
            }
            return Ok(names);
        }
        [] => "One or more parameter values were invalid: Missing the key schema".to_owned(),
        ["HASH", _] => "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type".to_owned(),
        [_] | [_, _] => "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        _ => "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2".to_owned(),
    };
    Err(Refusal::new("ValidationException", message))
}

fn check_billing(definition: &Value) -> Result<(), Refusal> {
    let has_throughput = definition.get("ProvisionedThroughput").is_some();
    match text(definition, "BillingMode") {
        "PAY_PER_REQUEST" if has_throughput => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        "" | "PROVISIONED" if !has_throughput => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )
        .help("add `BillingMode: PAY_PER_REQUEST`, or `ProvisionedThroughput`")),
        "" | "PROVISIONED" | "PAY_PER_REQUEST" => Ok(()),
        other => Err(Refusal::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value '{other}' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"
            ),
        )),
    }
}
