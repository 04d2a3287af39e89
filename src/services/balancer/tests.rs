//! Checks against real sockets, and what their results make of a target.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::*;
use crate::model::{HealthCheckProtocol, TargetHealthState};

fn health_check(protocol: HealthCheckProtocol) -> HealthCheck {
    HealthCheck {
        protocol,
        port: None,
        path: Some("/up".to_owned()),
        interval_seconds: 30,
        timeout_seconds: 10,
        healthy_threshold: 3,
        unhealthy_threshold: 2,
        matcher: Some("200-299".to_owned()),
        interval_milliseconds: Some(300),
    }
}

fn check(target: SocketAddr) -> Check {
    let SocketAddr::V4(target) = target else { panic!("IPv4") };
    let host = SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 100), 443);
    Check { source: Ipv4Addr::LOCALHOST, target, host, proxy_protocol: false }
}

/// A server that answers each connection with the same bytes, or holds it for ever; what it heard.
async fn server(answer: Option<&'static [u8]>) -> (SocketAddr, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let said = Arc::clone(&said);
            tokio::spawn(async move {
                let mut bytes = vec![0; 4096];
                let len = stream.read(&mut bytes).await.unwrap_or(0);
                bytes.truncate(len);
                said.lock().push(bytes);
                match answer {
                    Some(answer) => stream.write_all(answer).await.unwrap(),
                    None => std::future::pending().await,
                }
            });
        }
    });
    (address, heard)
}

async fn outcome(protocol: HealthCheckProtocol, check: &Check) -> Result<(), Failure> {
    probe::probe(check, &health_check(protocol), &probe::tls()).await
}

#[tokio::test]
async fn a_request_passes_by_its_code() {
    let cases: [(&[u8], Result<(), Failure>); 4] = [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", Err(Failure::Code(301))),
        (b"HTTP/1.0 503 Busy\r\n\r\n", Err(Failure::Code(503))),
        (b"220 mail.example.com ESMTP\r\n", Err(Failure::Failed)),
    ];
    for (answer, expected) in cases {
        let (address, heard) = server(Some(answer)).await;
        assert_eq!(outcome(HealthCheckProtocol::Http, &check(address)).await, expected);
        let asked = String::from_utf8(heard.lock()[0].clone()).unwrap();
        assert!(asked.starts_with("GET /up HTTP/1.1\r\nHost: 10.0.1.100:443\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_a_closed_port_a_failure() {
    let (silent, _) = server(None).await;
    assert_eq!(outcome(HealthCheckProtocol::Tcp, &check(silent)).await, Ok(()), "it took the connection");
    assert_eq!(outcome(HealthCheckProtocol::Http, &check(silent)).await, Err(Failure::TimedOut));
    assert_eq!(outcome(HealthCheckProtocol::Https, &check(silent)).await, Err(Failure::TimedOut));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(outcome(HealthCheckProtocol::Tcp, &check(closed)).await, Err(Failure::Failed));
    let (plain, _) = server(Some(b"HTTP/1.1 200 OK\r\n\r\n")).await;
    assert_eq!(outcome(HealthCheckProtocol::Https, &check(plain)).await, Err(Failure::Failed), "it speaks no TLS");
}

#[tokio::test]
async fn https_looks_at_no_certificate() {
    let signed = rcgen::generate_simple_self_signed(vec!["nobody.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
    });
    assert_eq!(outcome(HealthCheckProtocol::Https, &check(address)).await, Ok(()));
}

#[tokio::test]
async fn a_proxy_protocol_header_of_a_check_names_no_client() {
    let (address, heard) = server(Some(b"HTTP/1.1 200 OK\r\n\r\n")).await;
    let check = Check { proxy_protocol: true, ..check(address) };
    assert_eq!(outcome(HealthCheckProtocol::Http, &check).await, Ok(()));
    let heard = heard.lock()[0].clone();
    assert_eq!(heard[..16], *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "version 2, command LOCAL, no addresses");
}

#[test]
fn thresholds_count_results_in_a_row() {
    let mut streak = Streak::new(&health_check(HealthCheckProtocol::Tcp));
    let state = |health: Option<TargetHealth>| health.map(|it| it.state.as_str());
    assert_eq!(state(streak.note(Ok(()))), Some("healthy"), "a new target is in service after its first pass");
    let mut told = |results: &str| -> Vec<Option<&'static str>> {
        results.chars().map(|it| state(streak.note(if it == '+' { Ok(()) } else { Err(Failure::Failed) }))).collect()
    };
    assert_eq!(told("-+-"), [None, None, None], "one failure is none");
    assert_eq!(told("-"), [Some("unhealthy")], "two in a row");
    assert_eq!(told("++-+++"), [None, None, None, None, None, Some("healthy")], "three passes in a row");
    assert_eq!(told("--"), [None, Some("unhealthy")]);
    let newer = streak.note(Err(Failure::Code(500))).expect("a newer reason is told");
    assert_eq!((newer.reason, newer.state), (Some("Target.ResponseCodeMismatch"), TargetHealthState::Unhealthy));
    assert_eq!(newer.description.as_deref(), Some("Health checks failed with these codes: [500]"));

    let mut born_dead = Streak::new(&health_check(HealthCheckProtocol::Tcp));
    assert_eq!(state(born_dead.note(Err(Failure::TimedOut))), None, "initial, until the threshold");
    let health = born_dead.note(Err(Failure::TimedOut)).expect("now it is unhealthy");
    assert_eq!(health.reason, Some("Target.Timeout"));
}

/// A thousand targets, on the one thread of this test; a list that takes another's place keeps what is in both.
#[tokio::test]
async fn a_thousand_targets_take_one_thread() {
    let (address, _) = server(None).await;
    let job = |number: usize| Job {
        checked: Checked { target_group_arn: "arn".into(), target_id: format!("t{number}"), port: 80, node: 0 },
        health_check: HealthCheck { interval_milliseconds: Some(60_000), ..health_check(HealthCheckProtocol::Tcp) },
        check: check(address),
    };
    let jobs: Vec<Job> = (0..1000).map(job).collect();
    let (sender, receiver) = watch::channel(Arc::new(jobs.clone()));
    let (_stop, shutdown) = watch::channel(false);
    let (told, more) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let report = {
        let (told, more) = (Arc::clone(&told), Arc::clone(&more));
        Arc::new(move |checked: &Checked, health: TargetHealth| {
            told.lock().push((checked.target_id.clone(), health.is_healthy()));
            more.notify_one();
        })
    };
    tokio::spawn(serve(receiver, report, shutdown));
    let wait_for = async |count: usize| {
        tokio::time::timeout(Duration::from_secs(60), async {
            while told.lock().len() < count {
                more.notified().await;
            }
        })
        .await
        .expect("all of them are told of");
    };
    wait_for(1000).await;
    assert!(told.lock().iter().all(|(_, healthy)| *healthy));
    // One goes, one comes, the others are not asked again.
    sender.send(Arc::new(jobs[1..].iter().cloned().chain([job(1000)]).collect())).unwrap();
    wait_for(1001).await;
    assert_eq!(told.lock().last().unwrap().0, "t1000");
    assert_eq!(told.lock().len(), 1001);
}
