//! Connection notifications: what lies between two worlds, told in files and to webhooks.
//!
//! **Purpose.** The SNS topic of a notification (B4) as something that people and programs read. The change that is told of never
//! waits for it.
//!
//! **Identity.** A file for each topic, by the topic's name: `notifications/TOPIC.jsonl` in the lab's folder, one event a line. Where
//! `lab.yaml` maps the topic to a URL, the same line is POSTed there, as SNS's raw delivery does.
//!
//! **Life.** Whoever puts a world in place hands over what happened; a task writes it. Each URL has a task of its own, made at
//! its first event, so that a webhook that hangs holds up its own events alone. What a lab's template makes is told when the
//! lab starts.
//!
//! **Time.** A POST has [`PATIENCE`]; one that fails is tried again after each of [`PAUSES`].
//!
//! **Limits.** [`QUEUE`] events wait for the files and as many for each URL; what finds no room is lost, and the lab's log says
//! so, as it does of a webhook that did not take an event. What waits when the lab ends is lost.
//!
//! **Not done.** SNS itself: subscriptions, signatures, its envelope, HTTPS.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::state::Folder;
use crate::model::{ConnectionNotice, World, connection_notices};

/// Events that wait.
const QUEUE: usize = 256;
/// Time for one POST.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the second attempt, the third and so on.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// URLs by the names of topics.
pub type Webhooks = BTreeMap<String, String>;

/// Takes events.
#[derive(Debug)]
pub struct Notifications {
    queue: Sender<Told>,
}

/// An event as it is told.
#[derive(Clone, Debug)]
struct Told {
    topic: String,
    topic_arn: String,
    url: Option<String>,
    line: Arc<str>,
}

impl Notifications {
    /// Starts the task that writes below a lab's folder.
    pub fn start(runtime: &Handle, folder: &Folder) -> Self {
        let (queue, told) = channel(QUEUE);
        runtime.spawn(write(folder.notifications(), told));
        Self { queue }
    }

    /// Tells what happened between two worlds; returns at once.
    pub fn tell(&self, before: &World, after: &World, webhooks: &Webhooks) {
        let now = SystemTime::now();
        for notice in connection_notices(before, after) {
            let told = Told {
                topic: notice.topic().to_owned(),
                topic_arn: notice.topic_arn.clone(),
                url: webhooks.get(notice.topic()).cloned(),
                line: line(&notice, now).into(),
            };
            tracing::info!(
                "notification {}: {} of {}",
                notice.connection_notification_id,
                notice.event.as_str(),
                notice.vpc_endpoint_id
            );
            if self.queue.try_send(told).is_err() {
                tracing::warn!("topic {}: {QUEUE} events wait to be written, one more is lost", notice.topic());
            }
        }
    }
}

/// An event with EC2's names of its members.
fn line(notice: &ConnectionNotice, at: SystemTime) -> String {
    let at = OffsetDateTime::from(at).replace_millisecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    json!({
        "Event": notice.event.as_str(),
        "Time": at.format(&Rfc3339).unwrap_or_default(),
        "VpcEndpointId": notice.vpc_endpoint_id,
        "VpcEndpointOwner": notice.vpc_endpoint_owner,
        "VpcEndpointState": notice.vpc_endpoint_state.as_str(),
        "VpcEndpointRegion": notice.vpc_endpoint_region,
        "ServiceId": notice.service_id,
        "ServiceName": notice.service_name,
        "ConnectionNotificationId": notice.connection_notification_id,
        "ConnectionNotificationArn": notice.topic_arn,
    })
    .to_string()
}

async fn write(folder: PathBuf, mut told: Receiver<Told>) {
    let mut webhooks: HashMap<String, Sender<Told>> = HashMap::new();
    while let Some(told) = told.recv().await {
        let path = folder.join(format!("{}.jsonl", told.topic));
        let text = Arc::clone(&told.line);
        let written = tokio::task::spawn_blocking(move || append(&path, &text)).await;
        if let Err(error) = written.unwrap_or_else(|panicked| Err(io::Error::other(panicked))) {
            tracing::warn!("topic {}: writing its file: {error}; the event is lost there: {}", told.topic, told.line);
        }
        let Some(url) = told.url.clone() else { continue };
        let webhook = webhooks.entry(url.clone()).or_insert_with(|| {
            let (sender, waiting) = channel(QUEUE);
            tokio::spawn(post_all(url.clone(), waiting, &PAUSES));
            sender
        });
        if webhook.try_send(told).is_err() {
            tracing::warn!("webhook {url}: {QUEUE} events wait for it, one more is lost");
        }
    }
}

/// Appends a line and its end in one write: readers see whole lines.
fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.write_all(format!("{line}\n").as_bytes())
}

/// POSTs one event after the other.
async fn post_all(url: String, mut waiting: Receiver<Told>, pauses: &'static [Duration]) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    while let Some(told) = waiting.recv().await {
        let mut pauses = pauses.iter();
        while let Err(error) = post(&client, &url, &told).await {
            let Some(pause) = pauses.next() else {
                tracing::warn!("webhook {url}: {error:#}; the event is given up: {}", told.line);
                break;
            };
            tracing::debug!("webhook {url}: {error:#}; again in {pause:?}");
            tokio::time::sleep(*pause).await;
        }
    }
}

async fn post(client: &Client<HttpConnector, Full<Bytes>>, url: &str, told: &Told) -> Result<()> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-amz-sns-message-type", "Notification")
        .header("x-amz-sns-topic-arn", &told.topic_arn)
        .header("x-amz-sns-rawdelivery", "true")
        .body(Full::new(Bytes::from(told.line.as_bytes().to_vec())))
        .context("making the request")?;
    let answer = tokio::time::timeout(PATIENCE, client.request(request)).await;
    let answer = answer.with_context(|| format!("no answer within {PATIENCE:?}"))?.context("asking it")?;
    if !answer.status().is_success() {
        bail!("it answered {}", answer.status());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn told(topic: &str, url: Option<String>, line: &str) -> Told {
        let topic_arn = format!("arn:aws:sns:us-east-1:111111111111:{topic}");
        Told { topic: topic.to_owned(), topic_arn, url, line: line.into() }
    }

    /// Takes requests one after the other and answers each as told; returns the bodies.
    async fn webhook(listener: TcpListener, answers: &[&str]) -> Vec<String> {
        let mut bodies = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut chunk) = (String::new(), [0; 4096]);
            while !request.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
                let len = stream.read(&mut chunk).await.unwrap();
                request.push_str(std::str::from_utf8(&chunk[..len]).unwrap());
            }
            let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            assert!(request.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("x-amz-sns-topic-arn: arn:aws:sns:us-east-1:111111111111:t\r\n"), "{request}");
            bodies.push(request.split_once("\r\n\r\n").unwrap().1.to_owned());
        }
        bodies
    }

    #[tokio::test]
    async fn a_webhook_that_fails_is_asked_again_and_then_given_up() {
        const FAST: [Duration; 2] = [Duration::from_millis(1); 2];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
        let (sender, waiting) = channel(8);
        tokio::spawn(post_all(url.clone(), waiting, &FAST));
        for number in 1..=3 {
            sender.try_send(told("t", Some(url.clone()), &format!("{{\"n\":{number}}}"))).unwrap();
        }
        // The first at its second attempt, the second never, the third at once.
        let answers = ["500 No", "200 OK", "503 No", "302 No", "404 No", "204 Yes"];
        let bodies = webhook(listener, &answers).await;
        assert_eq!(bodies, [1, 1, 2, 2, 2, 3].map(|number| format!("{{\"n\":{number}}}")));
    }

    #[tokio::test]
    async fn files_do_not_wait_for_webhooks() {
        let folder = tempfile::tempdir().unwrap();
        // It accepts, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Some(format!("http://{}/", silent.local_addr().unwrap()));
        let (sender, waiting) = channel(8);
        for number in 0..3 {
            sender.try_send(told("t", url.clone(), &format!("{{\"n\":{number}}}"))).unwrap();
        }
        sender.try_send(told("other", None, "{}")).unwrap();
        drop(sender);
        let written = tokio::time::timeout(PATIENCE / 2, write(folder.path().join("notifications"), waiting)).await;
        written.expect("it is over before the webhook's time is");
        let read =
            |topic: &str| fs::read_to_string(folder.path().join(format!("notifications/{topic}.jsonl"))).unwrap();
        assert_eq!((read("t").as_str(), read("other").as_str()), ("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "{}\n"));
    }

    #[test]
    fn a_line_has_ec2s_names() {
        let notice = ConnectionNotice {
            event: crate::model::ConnectionEvent::Accept,
            connection_notification_id: "vpce-nfn-1".into(),
            topic_arn: "arn:aws:sns:us-east-1:111111111111:t".into(),
            service_id: Some("vpce-svc-1".into()),
            service_name: "com.amazonaws.vpce.us-east-1.vpce-svc-1".into(),
            vpc_endpoint_id: "vpce-1".into(),
            vpc_endpoint_owner: "222222222222".into(),
            vpc_endpoint_region: "us-east-1".into(),
            vpc_endpoint_state: crate::model::VpcEndpointState::Available,
        };
        let line = line(&notice, SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        assert_eq!(
            line,
            r#"{"Event":"Accept","Time":"1970-01-01T00:00:01Z","VpcEndpointId":"vpce-1","VpcEndpointOwner":"222222222222","VpcEndpointState":"available","VpcEndpointRegion":"us-east-1","ServiceId":"vpce-svc-1","ServiceName":"com.amazonaws.vpce.us-east-1.vpce-svc-1","ConnectionNotificationId":"vpce-nfn-1","ConnectionNotificationArn":"arn:aws:sns:us-east-1:111111111111:t"}"#
        );
    }
}
