//! The door on loopback: plain and TLS, who calls, the bounds, the end.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use futures::FutureExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::watch;

use super::super::authority::is_aws_name;
use super::super::tokens::Tokens;
use super::*;
use crate::model::access::Directory;

/// A service at two loopback ports, on a thread of its own.
pub struct Running {
    /// HTTP.
    pub plain: SocketAddr,
    /// HTTPS.
    pub tls: SocketAddr,
    /// The lab's CA.
    pub pem: String,
    stop: watch::Sender<bool>,
    ended: std::thread::JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

/// Starts a service whose callers from 127.0.0.1 are the guest `app`, through an endpoint.
pub fn start(service: Arc<dyn Service>, limits: Limits) -> Running {
    start_as(service, limits, "i-1")
}

/// The same; the guest is that instance.
pub fn start_as(service: Arc<dyn Service>, limits: Limits, instance_id: &str) -> Running {
    let access = Arc::new(Access::new(Directory::default(), Arc::new(Tokens::new([0; 32]))));
    start_with(service, limits, instance_id, access)
}

/// The same with these keys.
pub fn start_with(service: Arc<dyn Service>, limits: Limits, instance_id: &str, access: Arc<Access>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(folder.path(), is_aws_name).unwrap();
    let pem = authority.pem().to_owned();
    let [plain, tls] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [&plain, &tls].map(|listener| listener.local_addr().unwrap());
    let origin = Origin {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        vpc_id: "vpc-1".into(),
        network_interface_id: "eni-1".into(),
        instance_id: Some(instance_id.into()),
        private_ip: Ipv4Addr::new(10, 0, 1, 10),
        vpc_endpoint_id: Some("vpce-1".into()),
        resolver_endpoint_id: None,
        endpoint_vpc_id: Some("vpc-1".into()),
        endpoint_vpc_arn: Some("arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1".into()),
        endpoint_account: Some("111122223333".into()),
        name: "app".into(),
    };
    let origins = Arc::new(Origins::new([(Ipv4Addr::LOCALHOST, origin)]));
    let (stop, shutdown) = watch::channel(false);
    let listeners = Listeners { plain: vec![plain], tls: vec![tls] };
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(serve(listeners, service, authority, origins, access, limits, shutdown))
    });
    Running { plain: addresses[0], tls: addresses[1], pem, stop, ended, _folder: folder }
}

impl Running {
    /// Tells the service to end and waits until it has.
    pub fn end(self) {
        self.stop.send(true).unwrap();
        self.ended.join().unwrap().unwrap();
    }

    /// Sends bytes on a connection of its own and reads until the other side closes.
    pub fn raw(&self, request: &[u8]) -> String {
        let mut stream = std::net::TcpStream::connect(self.plain).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The same over one version of TLS.
    pub fn raw_tls(&self, name: &str, version: &'static rustls::SupportedProtocolVersion, request: &[u8]) -> String {
        let config = Arc::new(client_config_of(&self.pem, &["http/1.1"], &[version]));
        let session = rustls::ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(session, std::net::TcpStream::connect(self.tls).unwrap());
        stream.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // An end without TLS's own word of it is one, too.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Answers with who called, after reading the whole body.
struct Mirror {
    http2: bool,
}

impl Service for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn http2(&self) -> bool {
        self.http2
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, request: http::Request<Body>) -> BoxFuture<'_, http::Response<Body>> {
        async move {
            let caller = request.extensions().get::<Caller>().expect("the door adds it").clone();
            let version = request.version();
            let length = request.into_body().collect().await.map(|body| body.to_bytes().len());
            let origin = caller.origin.map_or("nobody".to_owned(), |origin| origin.name.clone());
            let body = format!("{origin} tls={} {version:?} {length:?} at {}", caller.tls.is_some(), caller.local);
            http::Response::new(full(body))
        }
        .boxed()
    }
}

/// Answers without a look at the body.
struct Hasty;

impl Service for Hasty {
    fn name(&self) -> &'static str {
        "hasty"
    }

    fn http2(&self) -> bool {
        true
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, _request: http::Request<Body>) -> BoxFuture<'_, http::Response<Body>> {
        async { http::Response::builder().status(403).body(full("no")).expect("a response") }.boxed()
    }
}

/// A client that is refused while it still sends hears the answer, not the end of its connection.
#[test]
fn what_nobody_reads_does_not_cost_the_answer() {
    let running = start(Arc::new(Hasty), limits());
    let post = |len: usize| format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {len}\r\n\r\n{}", "x".repeat(len));
    let last = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let said = running.raw(format!("{}{}{last}", post(3_000_000), post(100_000)).as_bytes());
    assert_eq!(said.matches("HTTP/1.1 403").count(), 3, "{said}");
    // Who waits to be asked for its body is not asked.
    let waits = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let said = running.raw(waits.as_bytes());
    assert!(said.starts_with("HTTP/1.1 403"), "{said}");
    running.end();
}

fn limits() -> Limits {
    Limits { header_time: Duration::from_millis(300), body_time: Duration::from_millis(300), ..Limits::default() }
}

fn client_config(pem: &str, protocols: &[&str]) -> rustls::ClientConfig {
    client_config_of(pem, protocols, rustls::DEFAULT_VERSIONS)
}

fn client_config_of(
    pem: &str,
    protocols: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// One GET over TLS as a client that trusts the lab's CA; `Err` when the handshake fails.
fn get_tls(running: &Running, name: &str, protocols: &[&str]) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(&running.pem, protocols)));
        let stream = TcpStream::connect(running.tls).await?;
        let stream = connector.connect(ServerName::try_from(name.to_owned())?, stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let request = http::Request::get(format!("https://{name}/")).header("host", name).body(full(""))?;
        let answer = if http2 {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
    })
}

#[test]
fn a_service_sees_who_calls() {
    let running = start(Arc::new(Mirror { http2: false }), limits());
    let answer = running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.ends_with(&format!("app tls=false HTTP/1.1 Ok(0) at {}", running.plain)), "{answer}");
    // Another loopback address is nobody's: the emulated internet.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(running.plain).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    assert!(answer.contains("nobody tls=false"), "{answer}");
    running.end();
}

#[test]
fn tls_speaks_what_the_service_does() {
    let running = start(Arc::new(Mirror { http2: false }), limits());
    let name = "b.bucket.vpce-0a-1b.s3.us-east-1.vpce.amazonaws.com";
    let answer = get_tls(&running, name, &["h2", "http/1.1"]).unwrap();
    assert!(answer.contains("app tls=true HTTP/1.1"), "{answer}");
    let stranger = get_tls(&running, "example.com", &["http/1.1"]).unwrap_err().to_string();
    assert!(stranger.contains("certificate not valid for name \"example.com\""), "{stranger}");
    running.end();
    let running = start(Arc::new(Mirror { http2: true }), limits());
    let answer = get_tls(&running, "ssm.us-east-1.amazonaws.com", &["h2", "http/1.1"]).unwrap();
    assert!(answer.contains("app tls=true HTTP/2.0"), "{answer}");
    running.end();
}

#[test]
fn slow_and_malformed_clients_are_cut_off() {
    let running = start(Arc::new(Mirror { http2: true }), limits());
    let begin = Instant::now();
    // A head that never ends, a body that stops, a TLS handshake that never begins: each ends by itself.
    assert_eq!(running.raw(b"GET / HT"), "");
    let stopped = running.raw(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhel");
    assert!(stopped.contains("did not come in time"), "{stopped}");
    let mut silent = std::net::TcpStream::connect(running.tls).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    assert!(begin.elapsed() < Duration::from_secs(8), "each has 300 ms");
    assert!(running.raw(b"\x16\x03\x01 not HTTP\r\n\r\n").starts_with("HTTP/1.1 400"));
    // A name is what tells services, and buckets, apart (RFC 9112 3.2).
    assert!(running.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(running.raw(long.as_bytes()).starts_with("HTTP/1.1 431"));
    assert!(running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("200 OK"));
    running.end();
}

#[test]
fn connections_over_the_limit_wait_for_a_place() {
    let running = start(Arc::new(Mirror { http2: false }), Limits { connections: 1, ..limits() });
    let holder = std::net::TcpStream::connect(running.plain).unwrap();
    // The holder sends nothing, so it loses its place after `header_time`, and the next one gets it.
    let answer = running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("200 OK"), "{answer}");
    drop(holder);
    running.end();
}

/// Connects from this loopback address.
fn connect_from(address: &str, to: SocketAddr) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address.parse::<Ipv4Addr>().unwrap(), 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Whether a request on the connection is answered.
fn answered(mut stream: std::net::TcpStream) -> bool {
    let mut answer = String::new();
    let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    sent.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.contains("200 OK")
}

#[test]
fn an_address_has_its_share_and_no_more() {
    let limits = Limits { connections_per_peer: 2, ..Limits::default() };
    let running = start(Arc::new(Mirror { http2: false }), limits);
    let holders = [(); 2].map(|()| connect_from("127.0.0.1", running.plain));
    assert!(!answered(connect_from("127.0.0.1", running.plain)), "it has two already");
    assert!(answered(connect_from("127.0.0.2", running.plain)), "another's share is its own");
    drop(holders);
    let end = Instant::now() + Duration::from_secs(10);
    while !answered(connect_from("127.0.0.1", running.plain)) {
        assert!(Instant::now() < end, "what was given back can be had again");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.end();
}

/// Answers without end.
struct Endless;

impl Service for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, request: http::Request<Body>) -> BoxFuture<'_, http::Response<Body>> {
        let body = match request.uri().path() {
            "/short" => full("short"),
            _ => {
                let piece = || Ok(hyper::body::Frame::data(Bytes::from_static(&[0; 64 * 1024])));
                http_body_util::StreamBody::new(futures::stream::repeat_with(piece)).boxed_unsync()
            }
        };
        futures::future::ready(http::Response::new(body)).boxed()
    }
}

#[test]
fn who_reads_nothing_loses_its_place() {
    let limits = Limits { connections: 2, write_time: Duration::from_millis(300), ..Limits::default() };
    let running = start(Arc::new(Endless), limits);
    // Both places, one over TLS, which writes in a way of its own.
    let mut plain = std::net::TcpStream::connect(running.plain).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let name = "s3.us-east-1.amazonaws.com";
    let config = Arc::new(client_config(&running.pem, &["http/1.1"]));
    let session = rustls::ClientConnection::new(config, ServerName::try_from(name).unwrap()).unwrap();
    let mut tls = rustls::StreamOwned::new(session, std::net::TcpStream::connect(running.tls).unwrap());
    tls.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut kept = Vec::new(); // so that the second needs the other's place
    for _ in 0..2 {
        let mut stream = std::net::TcpStream::connect(running.plain).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(b"GET /short HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("a place is free in time");
        assert_eq!(&head, b"HTTP/1.1 200");
        kept.push(stream);
    }
    drop((plain, tls, kept));
    running.end();
}

/// Takes its time for every answer, and says when it begins.
struct Slow(Duration, std::sync::mpsc::SyncSender<()>);

impl Service for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn called(&self, _host: &str) -> Option<String> {
        None
    }

    fn answer(&self, _request: http::Request<Body>) -> BoxFuture<'_, http::Response<Body>> {
        async move {
            self.1.send(()).expect("the test waits for it");
            tokio::time::sleep(self.0).await;
            http::Response::new(full("done"))
        }
        .boxed()
    }
}

#[test]
fn requests_under_way_end_well_and_the_rest_in_time() {
    for (takes, answered) in [(Duration::from_millis(200), true), (Duration::from_secs(60), false)] {
        let (begun, begins) = std::sync::mpsc::sync_channel(1);
        let limits = Limits { grace: Duration::from_millis(700), ..Limits::default() };
        let running = start(Arc::new(Slow(takes, begun)), limits);
        // An idle connection beside the request must not hold up the end.
        let idle = std::net::TcpStream::connect(running.plain).unwrap();
        let mut stream = std::net::TcpStream::connect(running.plain).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        begins.recv().unwrap();
        let begin = Instant::now();
        running.end();
        assert!(begin.elapsed() < Duration::from_secs(3));
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert_eq!(answer.ends_with("done"), answered, "{answer}");
        drop(idle);
    }
}
