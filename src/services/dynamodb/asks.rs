//! What a request asks of the policies: IAM's action on each table or index that it touches.
//!
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>

use serde_json::Value;

use crate::model::access::Ask;
use crate::model::region::partition;
use crate::policy::Context;

/// Where a table without ARN is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// Region.
    pub region: &'a str,
}

impl Place<'_> {
    fn arn(&self, rest: &str) -> String {
        let Self { account, region } = self;
        format!("arn:{}:dynamodb:{region}:{account}:{rest}", partition(region))
    }

    fn table(&self, name: &str) -> String {
        if name.starts_with("arn:") { name.to_owned() } else { self.arn(&format!("table/{name}")) }
    }
}

/// Account and Region of the tables that a request is about: those of their ARNs, else the caller's.
///
/// # Errors
/// The request is about tables of several accounts or Regions.
pub fn owner(operation: &str, body: &Value, account: &str, region: &str) -> Result<(String, String), String> {
    let place = Place { account, region };
    let mut owners: Vec<(String, String)> = Vec::new();
    for (_, arn, _) in touched(operation, body, &place)? {
        let mut parts = arn.split(':').skip(3);
        if let (Some(region), Some(account)) = (parts.next(), parts.next())
            && !region.is_empty()
        {
            let owner = (account.to_owned(), region.to_owned());
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

/// What policies are asked; `key_of` tells the name of a table's partition key.
///
/// # Errors
/// A statement of PartiQL that names no table.
pub fn asks(
    operation: &str,
    body: &Value,
    place: &Place<'_>,
    key_of: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Ask>, String> {
    let common = common_keys(operation, body);
    let asks = touched(operation, body, place)?.into_iter().map(|(action, resource, item)| {
        let mut context = common.clone();
        let table = resource.split(":table/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        if let Some(value) = item.and_then(|item| plain(item.get(key_of(table)?)?)) {
            context.set_all("dynamodb:LeadingKeys", vec![value]);
        }
        let owner = resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(place.account);
        Ask {
            action: format!("dynamodb:{action}"),
            resource_account: Some(owner.to_owned()),
            resource,
            resource_policy: None,
            context,
        }
    });
    Ok(asks.collect())
}

/// An action, the resource that it is done to, and the item or key in which its partition key stands.
type Touched<'b> = (String, String, Option<&'b Value>);

fn touched<'b>(operation: &str, body: &'b Value, place: &Place<'_>) -> Result<Vec<Touched<'b>>, String> {
    let found: Vec<Touched<'b>> = match operation {
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
            tables.map(|(name, _)| (operation.to_owned(), place.table(name), None)).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => {
            let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_object).flatten().filter_map(|(part, it)| of_part(part, it, place)).collect()
        }
        "ExecuteStatement" => vec![of_statement(body, place)?],
        "BatchExecuteStatement" | "ExecuteTransaction" => {
            let name = if operation == "ExecuteTransaction" { "TransactStatements" } else { "Statements" };
            let statements = body.get(name).and_then(Value::as_array).into_iter().flatten();
            statements.map(|statement| of_statement(statement, place)).collect::<Result<_, _>>()?
        }
        "ListTables" => vec![(operation.to_owned(), place.arn("table/*"), None)],
        "ListStreams" if body.get("TableName").is_none() => vec![(operation.to_owned(), "*".to_owned(), None)],
        "DescribeEndpoints" | "DescribeLimits" | "GetRecords" => vec![(operation.to_owned(), "*".to_owned(), None)],
        _ => {
            let member = ["TableName", "TableArn", "ResourceArn", "StreamArn"].into_iter();
            let name = member.filter_map(|member| body.get(member)?.as_str()).next().unwrap_or_default();
            let table = place.table(name);
            let resource = match body.get("IndexName").and_then(Value::as_str) {
                Some(index) => format!("{table}/index/{index}"),
                None => table,
            };
            vec![(operation.to_owned(), resource, body.get("Key").or_else(|| body.get("Item")))]
        }
    };
    // A batch of nothing is the engine's to refuse; whoever may not do the operation at all learns nothing of it.
    let nothing = (operation.to_owned(), place.arn("table/*"), None);
    Ok(if found.is_empty() { vec![nothing] } else { found })
}

fn of_part<'b>(part: &str, it: &'b Value, place: &Place<'_>) -> Option<Touched<'b>> {
    let action = match part {
        "Get" => "GetItem",
        "Put" => "PutItem",
        "Update" => "UpdateItem",
        "Delete" => "DeleteItem",
        "ConditionCheck" => "ConditionCheckItem",
        _ => return None,
    };
    let item = it.get("Key").or_else(|| it.get("Item"));
    Some((action.to_owned(), place.table(it.get("TableName")?.as_str()?), item))
}

/// PartiQL: the verb, and the table behind `FROM`, `INTO` or `UPDATE`.
fn of_statement<'b>(statement: &Value, place: &Place<'_>) -> Result<Touched<'b>, String> {
    let text = statement.get("Statement").and_then(Value::as_str).unwrap_or_default();
    let words = words(text);
    let is = |index: usize, word: &str| words.get(index).is_some_and(|it| !it.1 && it.0.eq_ignore_ascii_case(word));
    let behind = |word: &str| (0..words.len()).find(|index| is(*index, word)).map(|index| index + 1);
    let (verb, at) = match () {
        () if is(0, "SELECT") => ("Select", behind("FROM")),
        () if is(0, "INSERT") && is(1, "INTO") => ("Insert", Some(2)),
        () if is(0, "UPDATE") => ("Update", Some(1)),
        () if is(0, "DELETE") && is(1, "FROM") => ("Delete", Some(2)),
        () => ("", None),
    };
    let name =
        at.and_then(|at| words.get(at)).ok_or("Statement wasn't well formed, can't be processed: it names no table")?;
    // `"table"."index"` is two words with a dot between.
    let index = at.and_then(|at| (words.get(at + 1)?.0 == ".").then(|| words.get(at + 2)).flatten());
    let table = place.table(&name.0);
    let resource = index.map_or_else(|| table.clone(), |index| format!("{table}/index/{}", index.0));
    Ok((format!("PartiQL{verb}"), resource, None))
}

/// Words of a statement, and whether they were quoted; texts in single quotes are none.
fn words(text: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quoted = |quote: char| rest[1..].find(quote).map_or(rest.len(), |end| end + 2);
        let end = match first {
            '"' | '\'' => quoted(first),
            '.' | ',' | '(' | ')' | '{' | '}' | '[' | ']' | '=' | '<' | '>' | ':' | ';' | '?' | '*' => 1,
            _ => rest.find(|c: char| c.is_whitespace() || "\"'.,(){}[]=<>:;?*".contains(c)).unwrap_or(rest.len()),
        };
        match first {
            '"' => words.push((rest[1..end].trim_end_matches('"').to_owned(), true)),
            '\'' => {}
            _ => words.push((rest[..end].to_owned(), false)),
        }
        rest = rest[end..].trim_start();
    }
    words
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

/// The text of `{"S": "a"}`, `{"N": "1"}` or `{"B": "…"}`.
fn plain(value: &Value) -> Option<String> {
    value.as_object()?.values().next()?.as_str().map(str::to_owned)
}
