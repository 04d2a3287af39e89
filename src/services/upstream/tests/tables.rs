//! DynamoDB before a backend: policies are asked about the tables that the backend serves, whatever else a request says.

use serde_json::json;

use super::*;

fn request(operation: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: dynamodb.us-east-1.amazonaws.com\r\nConnection: close\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Everything is allowed but what is done to `secret`, which a denial names as narrowly as one can.
const ALL_BUT_SECRET: &str = "{Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*'}, {Effect: Deny, \
                              Principal: '*', Action: '*', Resource: 'arn:aws:dynamodb:us-east-1:123456789012:table/secret'}]}";

/// Each of these would reach `secret` at some backend.
#[tokio::test]
async fn decoys_do_not_lead_past_a_policy() {
    let (backend, mut heard) = answering(OK).await;
    let upstream = Upstream::with_limits("dynamodb", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(ALL_BUT_SECRET, root())).await;
    let secret = "arn:aws:dynamodb:us-east-1:123456789012:table/secret";
    let denied = "#AccessDeniedException";
    let invalid = "ValidationException";
    for (operation, body, says) in [
        // A member that the operation does not have.
        ("GetItem", r#"{"TableName":"secret","IndexName":"x","Key":{}}"#.to_owned(), denied),
        ("DeleteTable", r#"{"TableName":"secret","IndexName":"x"}"#.to_owned(), denied),
        ("TagResource", format!(r#"{{"TableName":"open","ResourceArn":"{secret}","Tags":[]}}"#), denied),
        ("PutResourcePolicy", format!(r#"{{"TableName":"open","ResourceArn":"{secret}","Policy":""}}"#), denied),
        ("ExportTableToPointInTime", format!(r#"{{"TableName":"open","TableArn":"{secret}","S3Bucket":"b"}}"#), denied),
        // One that is nested where nobody reads it.
        ("GetItem", r#"{"Key":{"TableName":{"S":"open"}},"TableName":"secret"}"#.to_owned(), denied),
        ("Query", r#"{"TableName":"secret","ExclusiveStartKey":{"IndexName":{"S":"i"}}}"#.to_owned(), denied),
        // Of two, who knows which one the backend takes.
        ("GetItem", r#"{"TableName":"secret","TableName":"open","Key":{}}"#.to_owned(), "is there twice"),
        ("GetItem", r#"{"TableName":"secret","Table\u004eame":"open","Key":{}}"#.to_owned(), "is there twice"),
        ("BatchGetItem", r#"{"RequestItems":{"secret":{}},"RequestItems":{"open":{}}}"#.to_owned(), "is there twice"),
        ("GetItem", r#"{"TableName":"open","tableName":"secret","Key":{}}"#.to_owned(), invalid),
        ("GetItem", r#"{"tablename":"secret","Key":{}}"#.to_owned(), invalid),
        ("BatchGetItem", r#"{"requestItems":{"secret":{}}}"#.to_owned(), invalid),
        // Of another type than AWS's.
        ("GetItem", r#"{"TableName":["secret"],"Key":{}}"#.to_owned(), invalid),
        ("TransactGetItems", r#"{"TransactItems":{"0":{"Get":{"TableName":"secret"}}}}"#.to_owned(), invalid),
        ("TransactGetItems", r#"{"TransactItems":[[{"Get":{"TableName":"secret"}}]]}"#.to_owned(), invalid),
        // Names that are none.
        ("GetItem", r#"{"TableName":"open/../secret","Key":{}}"#.to_owned(), invalid),
        ("GetItem", format!(r#"{{"TableName":"{secret}/index/x","Key":{{}}}}"#), invalid),
        ("DescribeStream", r#"{"StreamArn":"arn:aws:dynamodb:::table/secret/stream/1"}"#.to_owned(), invalid),
        // Several, of which one is denied.
        ("BatchGetItem", r#"{"RequestItems":{"open":{"Keys":[]},"secret":{"Keys":[]}}}"#.to_owned(), denied),
        ("BatchWriteItem", r#"{"RequestItems":{"open":[],"secret":[]}}"#.to_owned(), denied),
        (
            "TransactWriteItems",
            r#"{"TransactItems":[{"Put":{"TableName":"open","Item":{}}},{"ConditionCheck":{"TableName":"secret","Key":{}}}]}"#.to_owned(),
            denied,
        ),
        ("TransactGetItems", r#"{"TransactItems":[{"Get":{"TableName":"open"},"get":{"TableName":"secret"}}]}"#.to_owned(), invalid),
        ("ExecuteStatement", r#"{"Statement":"SELECT * /* FROM open */ FROM secret"}"#.to_owned(), denied),
        ("ExecuteStatement", r#"{"Statement":"SELECT * FROM \"secret\""}"#.to_owned(), denied),
        (
            "BatchExecuteStatement",
            r#"{"Statements":[{"Statement":"SELECT * FROM open"},{"Statement":"DELETE FROM secret WHERE id='a'"}]}"#.to_owned(),
            denied,
        ),
        ("ExecuteTransaction", r#"{"TransactStatements":[{"Statement":"UPDATE secret SET a=1 WHERE id='a'"}]}"#.to_owned(), denied),
        ("ExecuteStatement", r#"{"Statement":"SELECT a FROM open, FROM secret"}"#.to_owned(), invalid),
        // Nobody here knows what these are about.
        ("RestoreTableToPointInTime", r#"{"SourceTableName":"secret","TargetTableName":"open"}"#.to_owned(), "NotImplemented"),
        ("GetRecords", r#"{"ShardIterator":"opaque"}"#.to_owned(), invalid),
    ] {
        let answer = raw(address, request(operation, &body).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 501 "), "{operation} {body}: {answer}");
        assert!(answer.contains(says), "{operation} {body}: {answer}");
        assert!(heard.try_recv().is_err(), "{operation} {body} went on");
    }
    for (operation, body) in [
        ("GetItem", r#"{"TableName":"open","Key":{"tablename":{"S":"secret"}}}"#),
        ("DescribeStream", r#"{"StreamArn":"arn:aws:dynamodb:us-east-1:123456789012:table/open/stream/1"}"#),
        ("GetRecords", r#"{"ShardIterator":"arn:aws:dynamodb:us-east-1:123456789012:table/open/stream/1|1|AAA"}"#),
        ("ExecuteStatement", r#"{"Statement":"SELECT * FROM open WHERE id = 'secret'"}"#),
        ("ListTables", "{}"),
        ("ListTables", ""),
    ] {
        let answer = raw(address, request(operation, body).as_bytes()).await;
        assert!(answer.ends_with("ok"), "{operation} {body}: {answer}");
        assert!(heard.recv().await.unwrap().ends_with(body), "as it came");
    }
}

/// The policy of a table is about its indexes as well, and one of the template holds before a backend, too.
#[tokio::test]
async fn a_tables_own_policy_holds_before_a_backend() {
    let (backend, _heard) = answering(OK).await;
    let upstream = Upstream::with_limits("dynamodb", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(FULL_ACCESS, root())).await;
    for (operation, body, says) in [
        ("GetItem", json!({"TableName": "declared", "Key": {}}), "ok"),
        ("Query", json!({"TableName": "declared"}), "explicit deny in a resource-based policy"),
        ("Query", json!({"TableName": "declared", "IndexName": "i"}), "explicit deny in a resource-based policy"),
    ] {
        let answer = raw(address, request(operation, &body.to_string()).as_bytes()).await;
        assert!(answer.contains(says), "{operation} {body}: {answer}");
    }
}

/// Which of a key's attributes is the leading one, the backend alone knows.
#[tokio::test]
async fn leading_keys_are_those_of_the_backends_table() {
    let (backend, _) = backend(|mut stream, _| async move {
        while let Some(request) = read_request(&mut stream).await {
            let body = match () {
                () if !request.to_ascii_lowercase().contains("dynamodb_20120810.describetable") => "{}",
                () if request.ends_with(r#"{"TableName":"orders"}"#) => {
                    r#"{"Table":{"KeySchema":[{"AttributeName":"owner","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],
                        "GlobalSecondaryIndexes":[{"IndexName":"by-day","KeySchema":[{"AttributeName":"day","KeyType":"HASH"}]}]}}"#
                }
                () if request.ends_with(r#"{"TableName":"broken"}"#) => r#"{"Table":{}}"#,
                () => "no JSON",
            };
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let own = "{Statement: [{Effect: Allow, Principal: '*', Action: '*', Resource: '*', Condition: {'ForAllValues:StringEquals': \
               {'dynamodb:leadingkeys': [ann]}}}]}";
    let upstream = Upstream::with_limits("dynamodb", to(&format!("http://{backend}")), limits()).unwrap();
    let address = door(upstream, session(own, root())).await;
    let key = |owner: &str| json!({"owner": {"S": owner}, "at": {"S": "ann"}});
    let day = json!({"TableName": "orders", "IndexName": "by-day", "KeyConditionExpression": "#d = :d",
        "ExpressionAttributeNames": {"#d": "day"}, "ExpressionAttributeValues": {":d": {"S": "monday"}}});
    for (operation, body, says) in [
        ("GetItem", json!({"TableName": "orders", "Key": key("ann")}), "{}"),
        ("GetItem", json!({"TableName": "orders", "Key": key("bob")}), "#AccessDeniedException"),
        (
            "BatchGetItem",
            json!({"RequestItems": {"orders": {"Keys": [key("ann"), key("bob")]}}}),
            "#AccessDeniedException",
        ),
        ("Query", day, "#AccessDeniedException"),
        ("Scan", json!({"TableName": "orders"}), "{}"),
        ("TransactGetItems", json!({"TransactItems": [{"Get": {"TableName": "orders", "Key": key("ann")}}]}), "{}"),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Delete": {"TableName": "orders", "Key": key("ann")}}, {"ConditionCheck": {"TableName": "orders", "Key": key("bob")}}]}),
            "#AccessDeniedException",
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"orders": [{"DeleteRequest": {"Key": key("bob")}}]}}),
            "#AccessDeniedException",
        ),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM orders WHERE owner = 'ann'"}), "{}"),
        (
            "ExecuteStatement",
            json!({"Statement": "SELECT * FROM orders WHERE owner = ?", "Parameters": [{"S": "bob"}]}),
            "#AccessDeniedException",
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "SELECT * FROM orders.\"by-day\" WHERE day = 'monday'"}),
            "#AccessDeniedException",
        ),
        ("ExecuteStatement", json!({"Statement": "DELETE FROM orders WHERE (owner) = 'bob'"}), "ValidationException"),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [{"Statement": "UPDATE orders SET x = 1 WHERE owner = 'bob'"}]}),
            "#AccessDeniedException",
        ),
        ("GetItem", json!({"TableName": "broken", "Key": key("ann")}), "tells no partition key"),
        ("GetItem", json!({"TableName": "odd", "Key": key("ann")}), "is not answered with JSON"),
    ] {
        let answer = raw(address, request(operation, &body.to_string()).as_bytes()).await;
        assert!(answer.contains(says), "{operation} {body}: {answer}");
    }
}
