//! DynamoDB's clock with a real client: what a template gives a time to live goes when that is over.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Story;
use super::harness::*;

pub const WITH_CLIENTS: [Story; 1] = [("tables::what_has_expired_goes", what_has_expired_goes)];

const LAB: &str = r#"Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  Association: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {SubnetId: !Ref Subnet, RouteTableId: !Ref Routes}}
  DynamoDb: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: !Sub "com.amazonaws.${AWS::Region}.dynamodb", RouteTableIds: [!Ref Routes]}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: sessions
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: until, Enabled: true}
  app: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, ImageId: ami-0}}
"#;

fn what_has_expired_goes(stage: &Stage) -> Result<()> {
    stage.write("tables.yaml", LAB)?;
    let lab = stage.start("tables", &["tables.yaml"])?;
    let dynamodb = |arguments: &[&str]| -> Result<Value> {
        let said = lab.exec("app", &[&["aws", "dynamodb"], arguments, &["--table-name", "sessions"]].concat())?.ok()?;
        if said.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&said).context(said) }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for (id, until) in [("over", now - 60), ("good", now + 3600)] {
        let item = json!({"id": {"S": id}, "until": {"N": until.to_string()}});
        dynamodb(&["put-item", "--item", &item.to_string()])?;
    }
    let left = || -> Result<Vec<String>> {
        let found = dynamodb(&["scan"])?;
        let items = found["Items"].as_array().context("items")?.iter();
        Ok(items.filter_map(|item| item["id"]["S"].as_str().map(str::to_owned)).collect())
    };
    wait_for("what is over to go", || left().is_ok_and(|left| left == ["good"]))?;

    // What a client says of a table counts as well.
    let off = ["update-time-to-live", "--time-to-live-specification", "Enabled=false,AttributeName=until"];
    dynamodb(&off)?;
    let told = dynamodb(&["describe-time-to-live"])?;
    ensure!(told["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED", "{told}");
    Ok(())
}
