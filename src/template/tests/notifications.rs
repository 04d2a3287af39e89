//! Connection notifications and topics in templates, and `notifications` of a `lab.yaml`.

use super::*;
use crate::model::ConnectionEvent;

const SERVICE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, Subnets: [!Ref Subnet]}}
  Service: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Balancer]}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: partner-events}}
";

#[test]
fn a_notification_tells_a_topic() {
    let lab = lab(&format!(
        "{SERVICE}
  Notification:
    Type: AWS::EC2::VPCEndpointConnectionNotification
    Properties: {{ServiceId: !Ref Service, ConnectionNotificationArn: !Ref Topic, ConnectionEvents: [Connect, Accept]}}
  Unnamed: {{Type: AWS::SNS::Topic, Properties: {{Subscription: [{{Protocol: email, Endpoint: a@example.com}}]}}}}
Outputs:
  Id: {{Value: !GetAtt Notification.VPCEndpointConnectionNotificationId}}
  Topic: {{Value: !GetAtt Topic.TopicArn}}
  Unnamed: {{Value: !GetAtt Unnamed.TopicName}}
"
    ));
    let notification = lab.world.connection_notifications.values().next().expect("the notification");
    assert_eq!(notification.connection_events, [ConnectionEvent::Accept, ConnectionEvent::Connect]);
    assert_eq!(notification.connection_notification_arn, "arn:aws:sns:us-east-1:123456789012:partner-events");
    let id = &notification.connection_notification_id;
    let expected = format!(
        "Id = {id}\nTopic = arn:aws:sns:us-east-1:123456789012:partner-events\nUnnamed = t-Unnamed\n\
         ignored: property Subscription of AWS::SNS::Topic `Unnamed` (t.yaml:11)\n"
    );
    assert_eq!(summary(&lab), expected);
}

#[test]
fn what_is_no_notification_and_no_topic() {
    let notification = |properties: &str| {
        format!("{SERVICE}  X:\n    Type: AWS::EC2::VPCEndpointConnectionNotification\n    Properties: {properties}\n")
    };
    for (template, line, expected) in [
        (
            notification(
                "{ServiceId: !Ref Service, ConnectionNotificationArn: arn:aws:sqs:x, ConnectionEvents: [Connect]}",
            ),
            9,
            "error: InvalidParameter: The connection notification ARN 'arn:aws:sqs:x' is not valid",
        ),
        (
            notification(
                "{ServiceId: !Ref Service, ConnectionNotificationArn: !Ref Topic, ConnectionEvents: [Explode]}",
            ),
            9,
            "error: InvalidParameterValue: The connection event 'Explode' is not valid",
        ),
        (
            notification("{ConnectionNotificationArn: !Ref Topic, ConnectionEvents: [Connect]}"),
            7,
            "error: InvalidParameterCombination: Exactly one of ServiceId and VpcEndpointId",
        ),
        (SERVICE.replace("partner-events", "partner/events"), 6, "error: `partner/events` is not a topic's name"),
    ] {
        let drawn = drawn(&template);
        assert!(
            drawn.starts_with(expected) && drawn.contains(&format!("t.yaml:{line}:")),
            "{line} {expected}\n{drawn}"
        );
    }
}

fn files(lab_yaml: &str) -> Memory {
    let lab = format!("stacks: {{app: {{template: app.yaml}}}}\n{lab_yaml}");
    Memory::new([("l/lab.yaml", lab.as_str()), ("l/app.yaml", SERVICE)])
}

#[test]
fn topics_have_webhooks_or_are_disabled() {
    let files = files("notifications: {partner-events: 'http://127.0.0.1:8080/hook?x=1', old: disabled}");
    let lab = load(&files, Path::new("l/lab.yaml"), &LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let expected = [("partner-events".to_owned(), "http://127.0.0.1:8080/hook?x=1".to_owned())];
    assert_eq!(lab.webhooks, expected.into());
    assert_eq!(lab.world.disabled_topics, ["old".to_owned()].into());
}

#[test]
fn what_is_no_webhook() {
    for (entry, expected) in [
        ("'a/b': 'http://a'", "`a/b` is not the name of an SNS topic"),
        ("'../a': disabled", "`../a` is not the name of an SNS topic"),
        ("a: [b]", "a URL is expected here, not a list"),
        ("a: 'https://a/'", "`https://a/` is not the URL of a webhook"),
        ("a: 'http://'", "`http://` is not the URL of a webhook"),
        ("a: 'http://u:p@a/'", "`http://u:p@a/` is not the URL of a webhook"),
        ("a: 'http://a:0/'", "`http://a:0/` is not the URL of a webhook"),
        ("a: 'http://a/b c'", "`http://a/b c` is not the URL of a webhook"),
        ("a: 'http://a?b'", "`http://a?b` is not the URL of a webhook"),
        ("a: off", "`off` is not the URL of a webhook"),
    ] {
        let drawn = drawn_from(&files(&format!("notifications: {{{entry}}}")), "l/lab.yaml", &LoadOptions::default());
        assert!(drawn.starts_with(&format!("error: {expected}")), "{entry}\n{drawn}");
    }
}
