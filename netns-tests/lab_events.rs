//! What a lab tells of its endpoints: connection notifications, and counters under CloudWatch's names.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Story;
use super::harness::*;

/// For every user.
pub const OPEN_STORIES: [Story; 1] = [("events::counters_of_real_clients", counters_of_real_clients)];

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

/// What Prometheus would read: samples by name and labels.
fn scrape(lab: &Lab<'_>) -> Result<Vec<(String, u64)>> {
    let url = lab.summary["metrics"].as_str().context("`up` says where the metrics are")?;
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics")).context("a URL")?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("a head and a body")?;
    ensure!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("text/plain; version=0.0.4"), "{head}");
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
        Ok((name.to_owned(), value.parse().with_context(|| line.to_owned())?))
    };
    body.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// The sum over all samples of a name whose labels have that part.
fn sum(samples: &[(String, u64)], name: &str, label: &str) -> u64 {
    let of = |sample: &&(String, u64)| sample.0.split('{').next() == Some(name) && sample.0.contains(label);
    samples.iter().filter(of).map(|(_, value)| value).sum()
}

const ENDPOINT: &str = "vpclab_privatelink_endpoint_";
const SERVICE: &str = "vpclab_privatelink_service_";

fn counters_of_real_clients(stage: &Stage) -> Result<()> {
    stage.example("private-service")?;
    // The endpoint's group lets in what no listener takes.
    let file = stage.path().join("private-service/consumer.yaml");
    let template = fs::read_to_string(&file)?;
    let open = template.replace("FromPort: 80, ToPort: 80", "FromPort: 80, ToPort: 81");
    ensure!(open != template, "the example's group is of port 80");
    fs::write(&file, open)?;
    let lab = stage.up("private", &["private-service"])?;
    let endpoint = lab.endpoint("Endpoint")?;
    let id = endpoint["vpc_endpoint_id"].as_str().context("an id")?;
    let address = endpoint["private_ip_addresses"][0].as_str().context("an address")?;
    let samples = scrape(&lab)?;
    let of = |samples: &[(String, u64)], name: &str| sum(samples, &format!("{ENDPOINT}{name}"), id);
    ensure!(samples.iter().any(|(name, _)| name.starts_with(ENDPOINT)), "rows of endpoints that carried nothing");
    ensure!(of(&samples, "new_connections_total") == 0, "{samples:?}");
    ensure!(sum(&samples, &format!("{SERVICE}endpoints"), "") == 1, "{samples:?}");

    const CONNECTIONS: u64 = 5;
    const PAYLOAD: u64 = 100_000;
    fs::write(stage.path().join("payload"), vec![b'x'; PAYLOAD as usize])?;
    let (url, payload) = (format!("http://{address}/"), format!("@{}", stage.path().join("payload").display()));
    for _ in 0..CONNECTIONS {
        lab.exec("client", &["curl", "-sS", "--fail", "--max-time", "20", "--data-binary", &payload, &url])?.ok()?;
    }
    // A flow stays for a while after its end: what flows say is what is counted.
    let flows = |lab: &Lab<'_>| -> Result<(usize, u64)> {
        let text = lab.vpclab(&["flows", "--json"])?.ok()?;
        let flows = serde_json::Deserializer::from_str(&text).into_iter::<Value>().collect::<Result<Vec<_>, _>>()?;
        let flows = flows.iter().flat_map(|flow| flow.as_array().cloned().unwrap_or_else(|| vec![flow.clone()]));
        let bytes: Vec<u64> = flows.filter(|it| it["via_id"] == id).filter_map(|it| it["bytes"].as_u64()).collect();
        Ok((bytes.len(), bytes.iter().sum()))
    };
    let standing = flows(&lab)?;
    let samples = scrape(&lab)?;
    let bytes = of(&samples, "bytes_processed_total");
    if standing.0 as u64 == CONNECTIONS {
        ensure!(standing.1 == bytes, "flows say {standing:?}, and {bytes} were counted");
    }
    let plausible = CONNECTIONS * PAYLOAD..CONNECTIONS * PAYLOAD * 2;
    ensure!(plausible.contains(&bytes), "{bytes} of {CONNECTIONS} requests");
    ensure!(of(&samples, "new_connections_total") == CONNECTIONS, "{samples:?}");
    ensure!(of(&samples, "packets_dropped_total") == 0, "{samples:?}");
    for name in ["bytes_processed_total", "new_connections_total"] {
        let service = sum(&samples, &format!("{SERVICE}{name}"), &format!("vpc_endpoint_id=\"{id}\""));
        ensure!(service == of(&samples, name), "{name}: the provider reads {service}");
    }

    // What no listener takes is dropped behind the endpoint; what its group refuses never came to it.
    for (port, reason, at_endpoint) in
        [(81, "ELBV2_LISTENER_PORT_RESTRICTION", true), (22, "ENI_SG_RULES_MISMATCH", false)]
    {
        let label = format!("reason=\"{reason}\"");
        let count = |samples: &[(String, u64)]| {
            (of(samples, "packets_dropped_total"), sum(samples, "vpclab_drops_total", &label))
        };
        let before = count(&scrape(&lab)?);
        let url = format!("http://{address}:{port}/");
        let done = lab.exec("client", &["curl", "-sS", "--connect-timeout", "1", &url])?;
        ensure!(done.code() == 28 && done.stderr.contains(reason), "{done:?}");
        let after = count(&scrape(&lab)?);
        let more = (after.0 - before.0, after.1 - before.1);
        ensure!(more.1 >= 1 && more.0 == if at_endpoint { more.1 } else { 0 }, "port {port}: {more:?} more");
    }

    // What is gone still counts, and `status` says the same.
    let began = std::time::Instant::now();
    while flows(&lab)?.0 > 0 {
        ensure!(began.elapsed() < PATIENCE, "closed flows go after seconds");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let samples = scrape(&lab)?;
    ensure!(of(&samples, "bytes_processed_total") == bytes, "{bytes} were counted: {samples:?}");
    ensure!(of(&samples, "active_connections") == 0, "{samples:?}");
    let status = lab.json(&["status"])?;
    ensure!(status["Metrics"] == lab.summary["metrics"], "{}", status["Metrics"]);
    let shapes = status["EndpointMetrics"].as_array().context("EndpointMetrics")?;
    let said: u64 = shapes.iter().filter_map(|shape| shape["BytesProcessed"].as_u64()).sum();
    ensure!(said == bytes && shapes.len() == 2, "{shapes:?}");
    let text = lab.vpclab(&["status"])?.ok()?;
    ensure!(text.contains(lab.summary["metrics"].as_str().unwrap_or("?")), "{text}");
    Ok(())
}
