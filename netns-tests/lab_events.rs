//! What a lab tells of its endpoints: connection notifications, and counters under CloudWatch's names.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 1] = [("events::notifications_of_a_connections_life", notifications_of_a_connections_life)];

/// Three topics: one with a webhook, one whose webhook is not there, one that takes nothing.
const NOTIFICATIONS: &str = "
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: told}}
  Told: {Type: AWS::EC2::VPCEndpointConnectionNotification, Properties: {ServiceId: !Ref Service, ConnectionNotificationArn: !Ref Topic, ConnectionEvents: [Accept, Connect, Delete, Reject]}}
  Other: {Type: AWS::EC2::VPCEndpointService, Properties: {NetworkLoadBalancerArns: [!Ref Second]}}
  Second: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Type: network, Scheme: internal, Subnets: [!Ref SubnetA]}}
";

/// Answers every request with 200 and hands out the bodies.
fn webhook() -> Result<(String, Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let (mut request, mut chunk) = (String::new(), [0; 4096]);
            while !request.ends_with('}') {
                match stream.read(&mut chunk) {
                    Ok(len @ 1..) => request.push_str(&String::from_utf8_lossy(&chunk[..len])),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    Ok((url, bodies))
}

fn said(lab: &Lab<'_>, stack: &str, arguments: &[&str]) -> Result<Value> {
    let text = lab.vpclab(&[&["aws", stack, "--output", "json", "ec2"], arguments].concat())?.ok()?;
    if text.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}

fn lines(stage: &Stage, lab: &Lab<'_>, topic: &str) -> Vec<Value> {
    let file = stage.state().join(&lab.name).join("notifications").join(format!("{topic}.jsonl"));
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn notifications_of_a_connections_life(stage: &Stage) -> Result<()> {
    stage.example("private-service")?;
    let file = stage.path().join("private-service/provider.yaml");
    let template = fs::read_to_string(&file)?.replace("AcceptanceRequired: false", "AcceptanceRequired: true");
    fs::write(&file, template.replace("\nOutputs:", &format!("{NOTIFICATIONS}\nOutputs:")))?;
    let (url, bodies) = webhook()?;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let file = stage.path().join("private-service/lab.yaml");
    let lab_yaml = fs::read_to_string(&file)?;
    fs::write(&file, format!("notifications: {{told: '{url}', gone: 'http://{gone}/', muted: disabled}}\n{lab_yaml}"))?;
    let lab = stage.up("private", &["private-service"])?;

    let connections = said(&lab, "provider", &["describe-vpc-endpoint-connections"])?;
    let connection = &connections["VpcEndpointConnections"][0];
    let member = |name: &str| connection[name].as_str().with_context(|| format!("{name} in {connections}"));
    let (service, endpoint) = (member("ServiceId")?, member("VpcEndpointId")?);
    let notify = |stack: &str, subject: [&str; 2], topic: &str, event: &str| {
        let arn = format!("arn:aws:sns:us-east-1:222222222222:{topic}");
        let create = ["create-vpc-endpoint-connection-notification", subject[0], subject[1]];
        let told = ["--connection-notification-arn", &arn, "--connection-events", event];
        let made = said(&lab, stack, &[&create[..], &told].concat())?;
        let state = made["ConnectionNotification"]["ConnectionNotificationState"].as_str().unwrap_or_default();
        Ok::<String, anyhow::Error>(state.to_owned())
    };
    // The consumer hears of its own endpoint, as far as it wants to.
    ensure!(notify("consumer", ["--vpc-endpoint-id", endpoint], "gone", "Accept")? == "Enabled");
    ensure!(notify("consumer", ["--vpc-endpoint-id", endpoint], "muted", "Delete")? == "Disabled");

    let decide = |verb: &str| said(&lab, "provider", &[verb, "--service-id", service, "--vpc-endpoint-ids", endpoint]);
    let began = std::time::Instant::now();
    decide("accept-vpc-endpoint-connections")?;
    decide("reject-vpc-endpoint-connections")?;
    decide("accept-vpc-endpoint-connections")?;
    said(&lab, "consumer", &["delete-vpc-endpoints", "--vpc-endpoint-ids", endpoint])?;
    let took = began.elapsed();

    let expected = ["Connect", "Accept", "Reject", "Accept", "Delete"];
    let mut posted = Vec::new();
    for event in expected {
        let body = bodies.recv_timeout(PATIENCE).with_context(|| format!("{event}, after {posted:?}"))?;
        posted.push(serde_json::from_str::<Value>(&body)?);
    }
    wait_for("the file's lines", || lines(stage, &lab, "told").len() == expected.len())?;
    ensure!(lines(stage, &lab, "told") == posted, "one line for the file and the webhook: {posted:?}");
    for (line, event) in posted.iter().zip(expected) {
        ensure!(line["Event"] == event && line["VpcEndpointId"] == endpoint, "{event}: {line}");
        ensure!(line["ServiceId"] == service && line["VpcEndpointOwner"] == "222222222222", "{event}: {line}");
    }
    let accepted = lines(stage, &lab, "gone");
    ensure!(accepted.len() == 2 && accepted.iter().all(|line| line["Event"] == "Accept"), "{accepted:?}");
    ensure!(lines(stage, &lab, "muted").is_empty(), "a topic that takes nothing");
    // Four commands, and a webhook that is gone: nobody waited for its attempts.
    ensure!(took < PATIENCE, "the changes took {took:?}");
    let log = stage.state().join(&lab.name).join("log");
    wait_for("a word on the webhook that is gone", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains(&format!("webhook http://{gone}/: asking it")) && log.contains("the event is given up: {")
    })?;
    Ok(())
}
