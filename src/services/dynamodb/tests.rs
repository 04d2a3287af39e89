//! DynamoDB behind its door on loopback; who asks stands in a header of the tests' own.

use serde_json::{Value, json};

use super::super::front::session::Ticket;
use super::super::front::tests::{Running, start};
use super::super::front::{Caller, Limits};
use super::*;
use crate::model::World;
use crate::model::access::Directory;
use crate::policy::Principal;

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";

/// The door's part.
struct Signed(DynamoDb);

impl Service for Signed {
    fn name(&self) -> &'static str {
        "dynamodb"
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, mut request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        let mut caller = request.extensions().get::<Caller>().unwrap().clone();
        caller.origin = None;
        let who = request.headers_mut().remove("x-test-who");
        let principal = match who.as_ref().map_or(OWNER, |who| who.to_str().unwrap()) {
            "nobody" => Principal::Anonymous,
            "user" => Principal::User {
                account: OWNER.to_owned(),
                arn: format!("arn:aws:iam::{OWNER}:user/ann"),
                user_id: "AIDAEXAMPLE".to_owned(),
            },
            account => Principal::Root { account: account.to_owned() },
        };
        let directory = Arc::new(Directory::of(&World::default()));
        request.extensions_mut().insert(Session {
            caller,
            principal,
            access_key_id: None,
            policies: Vec::new(),
            directory,
            ticket: Ticket::default(),
        });
        self.0.answer(request)
    }
}

struct Lab {
    running: Running,
    service: DynamoDb,
    folder: tempfile::TempDir,
}

fn orders() -> Table {
    Table {
        account: OWNER.into(),
        region: "us-east-1".into(),
        definition: json!({
            "TableName": "orders",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "at", "AttributeType": "N"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        }),
        time_to_live: Some("until".into()),
    }
}

fn lab() -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let service = DynamoDb::open(folder.path(), &[orders()]).unwrap();
    Lab { running: start(Arc::new(Signed(service.clone())), Limits::default()), service, folder }
}

impl Lab {
    fn send(&self, operation: &str, head: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: dynamodb.us-east-1.amazonaws.com\r\nConnection: close\r\nContent-Length: {length}\r\n\
             X-Amz-Target: {operation}\r\n{head}\r\n{body}"
        );
        let answer = self.running.raw(request.as_bytes());
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body.as_bytes());
        assert!(head.contains(&format!("x-amz-crc32: {crc}")), "{head}");
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn ask(&self, operation: &str, head: &str, body: &Value) -> (u16, Value) {
        self.send(&format!("DynamoDB_20120810.{operation}"), head, &body.to_string())
    }

    fn good(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.ask(operation, "", &body);
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }
}

fn item(id: &str, at: u32) -> Value {
    json!({"id": {"S": id}, "at": {"N": at.to_string()}})
}

#[test]
fn items_are_put_found_and_deleted() {
    let lab = lab();
    for at in 1..=3 {
        lab.good("PutItem", json!({"TableName": "orders", "Item": item("a", at)}));
    }
    let found = lab.good("GetItem", json!({"TableName": "orders", "Key": item("a", 2)}));
    assert_eq!(found["Item"], item("a", 2));
    let query = json!({
        "TableName": "orders",
        "KeyConditionExpression": "id = :id AND #at > :at",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":id": {"S": "a"}, ":at": {"N": "1"}},
    });
    assert_eq!(lab.good("Query", query)["Count"], 2);
    let once = json!({"TableName": "orders", "Item": item("a", 1), "ConditionExpression": "attribute_not_exists(id)"});
    let (status, answer) = lab.ask("PutItem", "", &once);
    assert_eq!(status, 400);
    assert_eq!(answer["__type"], "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException");
    let both = json!({"TransactItems": [
        {"Delete": {"TableName": "orders", "Key": item("a", 1)}},
        {"Put": {"TableName": "orders", "Item": item("b", 1)}},
    ]});
    lab.good("TransactWriteItems", both);
    assert_eq!(lab.good("Scan", json!({"TableName": "orders"}))["Count"], 3);
    let selected = lab.good("ExecuteStatement", json!({"Statement": "SELECT * FROM \"orders\" WHERE id = 'b'"}));
    assert_eq!(selected["Items"].as_array().map(Vec::len), Some(1));
    lab.running.end();
}

/// A declared table has its account's ARN and survives a restart with what is in it.
#[test]
fn tables_stay() {
    let lab = lab();
    let arn = format!("arn:aws:dynamodb:us-east-1:{OWNER}:table/orders");
    assert_eq!(lab.good("DescribeTable", json!({"TableName": "orders"}))["Table"]["TableArn"], arn);
    let ttl = lab.good("DescribeTimeToLive", json!({"TableName": "orders"}));
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "until");
    lab.good("PutItem", json!({"TableName": arn, "Item": item("a", 1)}));
    assert_eq!(lab.good("DescribeEndpoints", json!({}))["Endpoints"][0]["Address"], "dynamodb.us-east-1.amazonaws.com");
    assert_eq!(lab.good("DescribeLimits", json!({}))["TableMaxReadCapacityUnits"], 40000);
    lab.running.end();
    let service = DynamoDb::open(lab.folder.path(), &[orders()]).unwrap();
    let running = start(Arc::new(Signed(service.clone())), Limits::default());
    let again = Lab { running, service, folder: lab.folder };
    assert_eq!(again.good("Scan", json!({"TableName": "orders"}))["Count"], 1);
    again.running.end();
}

/// What is over goes, whole seconds in a number are what counts, and the stream says who deleted it.
#[test]
fn what_has_expired_is_deleted() {
    let lab = lab();
    let stream = json!({"StreamEnabled": true, "StreamViewType": "OLD_IMAGE"});
    lab.good("UpdateTable", json!({"TableName": "orders", "StreamSpecification": stream}));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let until = |at: u32, attribute: &str, until: Value| {
        let mut item = item("a", at);
        item[attribute] = until;
        lab.good("PutItem", json!({"TableName": "orders", "Item": item}));
    };
    until(1, "until", json!({"N": (now - 60).to_string()}));
    until(2, "until", json!({"N": (now + 3600).to_string()}));
    until(3, "until", json!({"S": (now - 60).to_string()}));
    until(4, "other", json!({"N": (now - 60).to_string()}));
    let left = || {
        let found = lab.good("Scan", json!({"TableName": "orders"}));
        let mut left: Vec<String> =
            found["Items"].as_array().unwrap().iter().map(|it| it["at"]["N"].as_str().unwrap().to_owned()).collect();
        left.sort();
        left.concat()
    };
    assert_eq!(left(), "1234");
    lab.service.sweep();
    assert_eq!(left(), "234");

    let of_table = |enabled: bool, attribute: &str| {
        let specification = json!({"Enabled": enabled, "AttributeName": attribute});
        lab.good("UpdateTimeToLive", json!({"TableName": "orders", "TimeToLiveSpecification": specification}));
    };
    of_table(false, "until");
    until(1, "until", json!({"N": (now - 60).to_string()}));
    lab.service.sweep();
    assert_eq!(left(), "1234", "without a time to live nothing expires");
    of_table(true, "other");
    lab.service.sweep();
    assert_eq!(left(), "123", "another attribute");

    let records = deletions(&lab);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records.iter().all(|it| it["userIdentity"]["principalId"] == "dynamodb.amazonaws.com"), "{records:?}");
    lab.running.end();
}

/// REMOVE records of the stream of `orders`.
fn deletions(lab: &Lab) -> Vec<Value> {
    let of_stream = |operation: &str, body: Value| {
        let (status, answer) = lab.send(&format!("DynamoDBStreams_20120810.{operation}"), "", &body.to_string());
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    };
    let arn = lab.good("DescribeTable", json!({"TableName": "orders"}))["Table"]["LatestStreamArn"].clone();
    let shards = of_stream("DescribeStream", json!({"StreamArn": arn}));
    let shard = &shards["StreamDescription"]["Shards"][0]["ShardId"];
    let from = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = of_stream("GetShardIterator", from)["ShardIterator"].clone();
    let records = of_stream("GetRecords", json!({"ShardIterator": iterator}));
    records["Records"].as_array().unwrap().iter().filter(|it| it["eventName"] == "REMOVE").cloned().collect()
}

#[test]
fn who_may_not_is_told_in_dynamodbs_form() {
    let lab = lab();
    let get = json!({"TableName": "orders", "Key": item("a", 1)});
    let (status, answer) = lab.ask("GetItem", "X-Test-Who: user\r\n", &get);
    assert_eq!(status, 400);
    assert_eq!(answer["__type"], "com.amazon.coral.service#AccessDeniedException");
    assert_eq!(
        answer["Message"],
        format!(
            "User: arn:aws:iam::{OWNER}:user/ann is not authorized to perform: dynamodb:GetItem on resource: \
             arn:aws:dynamodb:us-east-1:{OWNER}:table/orders because no identity-based policy allows the dynamodb:GetItem action"
        )
    );
    // Another account's root sees tables of its own, and none of ours by their ARN.
    let (status, answer) = lab.ask("GetItem", &format!("X-Test-Who: {OTHER}\r\n"), &get);
    assert_eq!((status, answer["__type"].as_str().unwrap().ends_with("#ResourceNotFoundException")), (400, true));
    let by_arn = json!({"TableName": format!("arn:aws:dynamodb:us-east-1:{OWNER}:table/orders"), "Key": item("a", 1)});
    let (status, answer) = lab.ask("GetItem", &format!("X-Test-Who: {OTHER}\r\n"), &by_arn);
    assert_eq!(
        (status, answer["__type"].as_str().unwrap().ends_with("#AccessDeniedException")),
        (400, true),
        "{answer}"
    );
    lab.running.end();
}

#[test]
fn nonsense_is_refused() {
    let lab = lab();
    for (target, body, kind) in [
        ("DynamoDB_20120810.Nothing", "{}", "#UnknownOperationException"),
        ("Other.GetItem", "{}", "#UnknownOperationException"),
        ("DynamoDB_20120810.GetItem", "{", "#SerializationException"),
        ("DynamoDB_20120810.GetItem", "[]", "#SerializationException"),
        ("DynamoDB_20120810.GetItem", "{\"TableName\": 1}", "Exception"),
        ("DynamoDB_20120810.GetItem", "{\"TableName\": \"../../x\", \"Key\": {}}", "#ValidationException"),
        ("DynamoDB_20120810.ExecuteStatement", "{\"Statement\": \"DROP\"}", "#ValidationException"),
    ] {
        let (status, answer) = lab.send(target, "", body);
        let found = answer["__type"].as_str().unwrap_or_default();
        assert!(status == 400 && found.ends_with(kind), "{target} {body}: {status} {answer}");
    }
    lab.running.end();
}

#[test]
fn every_table_is_asked_for() {
    let place = asks::Place { account: OWNER, region: "us-east-1" };
    let asked = |operation: &str, body: Value| {
        let asks = asks::asks(operation, &body, &place, &|_| {
            Some(asks::Schema { key: "id".to_owned(), ..asks::Schema::default() })
        })
        .unwrap();
        let line = |ask: &crate::model::access::Ask| {
            let keys = ask
                .context
                .get("dynamodb:LeadingKeys")
                .map(|keys| format!(" [{}]", keys.join(",")))
                .unwrap_or_default();
            let resource = ask.resource.replace(&format!("arn:aws:dynamodb:us-east-1:{OWNER}:table/"), "");
            format!("{} {resource}{keys}", ask.action.replace("dynamodb:", ""))
        };
        asks.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    for (operation, body, expected) in [
        ("GetItem", json!({"TableName": "t", "Key": {"id": {"S": "a"}}}), "GetItem t [a]"),
        ("PutItem", json!({"TableName": "t", "Item": {"id": {"N": "1"}, "x": {"S": "y"}}}), "PutItem t [1]"),
        ("Query", json!({"TableName": "t", "IndexName": "i"}), "Query t/index/i"),
        ("BatchGetItem", json!({"RequestItems": {"a": {}, "b": {}}}), "BatchGetItem a, BatchGetItem b"),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": "a", "Item": {}}}, {"ConditionCheck": {"TableName": "b"}}]}),
            "PutItem a, ConditionCheckItem b",
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "select * from \"t\".\"i\" where x = 'from z'"}),
            "PartiQLSelect t/index/i",
        ),
        ("ExecuteStatement", json!({"Statement": "INSERT INTO t VALUE {'id': 'from'}"}), "PartiQLInsert t [from]"),
        ("ExecuteStatement", json!({"Statement": "UPDATE \"t\" SET x=1 WHERE id=1"}), "PartiQLUpdate t [1]"),
        ("ListTables", json!({}), "ListTables *"),
        ("BatchGetItem", json!({}), "BatchGetItem *"),
    ] {
        assert_eq!(asked(operation, body), expected, "{operation}");
    }
    let of = |account: &str, name: &str| format!("arn:aws:dynamodb:us-east-1:{account}:table/{name}");
    let mixed = json!({"RequestItems": {of(OWNER, "a"): {}, of(OTHER, "b"): {}}});
    assert!(asks::owner("BatchGetItem", &mixed, OWNER, "us-east-1").is_err());
}

/// What the engine does not read names nothing: neither another table nor an index that a denial does not mean.
#[test]
fn decoys_change_nothing() {
    let place = asks::Place { account: OWNER, region: "us-east-1" };
    let secret = format!("arn:aws:dynamodb:us-east-1:{OWNER}:table/secret");
    for (operation, body, expected) in [
        ("GetItem", json!({"TableName": "secret", "IndexName": "x", "Key": {}}), secret.clone()),
        ("DeleteTable", json!({"TableName": "secret", "IndexName": "x"}), secret.clone()),
        ("TagResource", json!({"TableName": "open", "ResourceArn": secret, "Tags": []}), secret.clone()),
        (
            "DescribeStream",
            json!({"TableName": "open", "StreamArn": format!("{secret}/stream/1")}),
            format!("{secret}/stream/1"),
        ),
        ("ExecuteStatement", json!({"Statement": "SELECT * /* FROM open */ FROM secret"}), secret.clone()),
        ("ExecuteStatement", json!({"Statement": "SELECT * -- FROM open\nFROM secret"}), secret.clone()),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM 'secret' WHERE a = b"}), secret.clone()),
    ] {
        let asked = asks::asks(operation, &body, &place, &|_| None).unwrap();
        let resources: Vec<&str> = asked.iter().map(|ask| ask.resource.as_str()).collect();
        assert_eq!(resources, [expected.as_str()], "{operation} {body}");
    }
    // What could be read in two ways is not read at all.
    for (operation, body) in [
        ("GetItem", json!({"TableName": "arn:aws-cn:dynamodb:us-east-1:111122223333:table/secret"})),
        ("GetItem", json!({"TableName": format!("{secret}/index/x")})),
        ("GetItem", json!({"TableName": "a/../secret"})),
        ("Query", json!({"TableName": "t", "IndexName": "../../secret"})),
        ("TagResource", json!({"ResourceArn": format!("{secret}/index/x")})),
        ("TagResource", json!({"TableName": "open"})),
        ("DescribeStream", json!({"StreamArn": "x/secret"})),
        ("GetShardIterator", json!({"StreamArn": format!("{secret}/stream/a/b")})),
        ("GetRecords", json!({"ShardIterator": "nonsense"})),
        ("BatchGetItem", json!({"RequestItems": {"..": {}, "a/b": {}}})),
        ("TransactGetItems", json!({"TransactItems": [{"Get": {"TableName": "a b"}}]})),
        ("ExecuteStatement", json!({"Statement": "SELECT a.from FROM open, FROM secret"})),
        ("ExecuteStatement", json!({"Statement": "SELECT 1FROM secret WHERE a = b FROM open"})),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM open /* unterminated"})),
    ] {
        let asked = asks::asks(operation, &body, &place, &|_| None);
        assert!(asked.is_err(), "{operation} {body}: {asked:?}");
    }
}

/// A policy on leading keys with ForAllValues lets pass whatever has none, so each operation on items must tell its own.
#[test]
fn every_leading_key_is_told() {
    let place = asks::Place { account: OWNER, region: "us-east-1" };
    for (operation, body, expected) in [
        (
            "Query",
            json!({"TableName": "t", "KeyConditionExpression": "id = :i", "ExpressionAttributeValues": {":i": {"S": "a"}}}),
            vec!["a"],
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {"t": {"Keys": [{"id": {"S": "a"}}, {"id": {"S": "b"}}]}}}),
            vec!["a", "b"],
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"t": [{"PutRequest": {"Item": {"id": {"S": "a"}}}}, {"DeleteRequest": {"Key": {"id": {"S": "b"}}}}]}}),
            vec!["a", "b"],
        ),
    ] {
        let schema = |_: &str| Some(asks::Schema { key: "id".to_owned(), ..asks::Schema::default() });
        let asked = asks::asks(operation, &body, &place, &schema).unwrap();
        let keys = asked[0].context.get("dynamodb:LeadingKeys").unwrap_or_default();
        assert_eq!(keys, expected, "{operation}");
    }
}

/// Every condition key of AWS's reference that a request gives.
#[test]
fn conditions_see_what_is_asked() {
    let place = asks::Place { account: OWNER, region: "us-east-1" };
    let schema = |_: &str| Some(asks::Schema { key: "id".to_owned(), ..asks::Schema::default() });
    let told = |operation: &str, body: &Value| {
        let asked = asks::asks(operation, body, &place, &schema).unwrap();
        let keys = asked[0]
            .context
            .iter()
            .map(|(key, values)| format!("{}={}", key.to_ascii_lowercase().replace("dynamodb:", ""), values.join(",")));
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.join(" ")
    };
    let key = json!({"id": {"S": "a"}, "at": {"N": "1"}});
    for (operation, body, expected) in [
        (
            "UpdateItem",
            json!({"TableName": "t", "Key": key, "ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}),
            "attributes=at,id leadingkeys=a returnconsumedcapacity=TOTAL returnvalues=ALL_OLD",
        ),
        ("Scan", json!({"TableName": "t", "Select": "COUNT"}), "select=COUNT"),
        // What an operation does not read tells nothing.
        ("Scan", json!({"TableName": "t", "Key": {"id": {"S": "z"}}}), "attributes=id"),
        (
            "DeleteItem",
            json!({"TableName": "t", "Key": {"id": {"S": "a"}}, "Item": {"id": {"S": "z"}}}),
            "attributes=id leadingkeys=a",
        ),
        (
            "PutItem",
            json!({"TableName": "t", "Item": {"id": {"S": "a"}}, "Key": {"id": {"S": "z"}}}),
            "attributes=id leadingkeys=a",
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {"t": {"Keys": [{"id": {"S": "a"}}], "Key": {"id": {"S": "z"}}}}}),
            "attributes=id leadingkeys=a",
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": "t", "Key": {"id": {"S": "a"}}}}]}),
            "attributes=id enclosingoperation=TransactGetItems leadingkeys=a",
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "SELECT x FROM t WHERE id = 'a'"}),
            "attributes=id,x fulltablescan=false leadingkeys=a select=SPECIFIC_ATTRIBUTES",
        ),
        ("ExecuteStatement", json!({"Statement": "SELECT * FROM t"}), "fulltablescan=true select=ALL_ATTRIBUTES"),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [{"Statement": "UPDATE t SET x=1 WHERE id=?", "Parameters": [{"S": "a"}]}]}),
            "attributes=id,x enclosingoperation=ExecuteTransaction leadingkeys=a returnvalues=NONE",
        ),
    ] {
        assert_eq!(told(operation, &body), expected, "{operation} {body}");
    }
}

/// Whoever names an account that the lab does not have makes no file.
#[test]
fn strange_accounts_make_no_files() {
    let lab = lab();
    let before = std::fs::read_dir(lab.folder.path()).unwrap().count();
    let long = "9".repeat(300);
    for (account, kind) in [
        ("000000000001", "#AccessDeniedException"),
        ("1", "#ValidationException"),
        ("../../../x", "#ValidationException"),
        (&long, "#ValidationException"),
    ] {
        let arn = format!("arn:aws:dynamodb:us-east-1:{account}:table/orders");
        let (status, answer) = lab.ask("GetItem", "", &json!({"TableName": arn, "Key": item("a", 1)}));
        assert!(status == 400 && answer["__type"].as_str().unwrap().ends_with(kind), "{status} {answer}");
    }
    assert_eq!(std::fs::read_dir(lab.folder.path()).unwrap().count(), before);
    lab.running.end();
}
