//! `vpclab echo`: a service for UserData scripts that answers who called whom.
//!
//! On each address it answers HTTP requests with JSON, sends back whatever else comes over TCP, and mirrors UDP. What it
//! shows is what the kernel of its guest sees: behind a load balancer, `client` is the balancer.
//!
//! Limits: [`CONNECTIONS`] TCP connections at once, a request's head of 64 KiB, bodies are read and forgotten. Not done:
//! TLS, PROXY protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::replay::Replay;
use super::{Shutdown, stopped};

mod replay;
#[cfg(test)]
mod tests;

/// TCP connections at once and address; a further one waits in the listen queue.
const CONNECTIONS: usize = 4096;
/// An idle HTTP connection is kept for longer than a load balancer's idle limit of 350 s.
const IDLE: Duration = Duration::from_secs(600);
/// How a connection that speaks HTTP begins.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT "];

/// Arguments of `vpclab echo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Address and port to answer on, TCP and UDP; repeat or separate with commas for several
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:80", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Text that every HTTP answer carries
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
}

/// Answers until it is told to end (SIGTERM, SIGINT).
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut sockets = Vec::new();
        for address in &arguments.listen {
            let tcp = std::net::TcpListener::bind(address).with_context(|| format!("listening on {address}, TCP"))?;
            let udp = std::net::UdpSocket::bind(address).with_context(|| format!("listening on {address}, UDP"))?;
            sockets.push((tcp, udp));
        }
        let (stop, shutdown) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            let _ = stop.send(true); // No receiver: it has ended already.
        });
        serve(sockets, arguments.name, shutdown).await
    })
}

/// Answers on bound sockets until `shutdown`.
pub async fn serve(
    sockets: Vec<(std::net::TcpListener, std::net::UdpSocket)>,
    name: Option<String>,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let hostname = nix::unistd::gethostname().context("asking for the hostname")?.to_string_lossy().into_owned();
    let about = Arc::new(About { name, hostname });
    let mut loops = JoinSet::new();
    for (tcp, udp) in sockets {
        tcp.set_nonblocking(true).context("making a TCP socket non-blocking")?;
        udp.set_nonblocking(true).context("making a UDP socket non-blocking")?;
        let tcp = TcpListener::from_std(tcp).context("handing a TCP socket to the runtime")?;
        let udp = UdpSocket::from_std(udp).context("handing a UDP socket to the runtime")?;
        loops.spawn(accept(tcp, about.clone()));
        loops.spawn(mirror(udp));
    }
    stopped(&mut shutdown).await;
    Ok(())
}

/// What every answer says of the answerer.
struct About {
    name: Option<String>,
    hostname: String,
}

async fn accept(listener: TcpListener, about: Arc<About>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, client)) => {
                let about = about.clone();
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = converse(stream, client, &about).await {
                        tracing::debug!(%client, "echo: connection ended: {error:#}");
                    }
                });
            }
            Err(error) => super::accept_failed("echo", &error).await,
        }
    }
}

/// Sends every datagram back, from one buffer.
async fn mirror(socket: UdpSocket) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        // Errors here are about a datagram of before (ICMP port unreachable), not about the socket.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let _ = socket.send_to(&buffer[..length], client).await;
    }
}

/// Reads just enough to know whether this is HTTP.
async fn converse(mut stream: TcpStream, client: SocketAddr, about: &About) -> anyhow::Result<()> {
    stream.set_nodelay(true).context("setting TCP_NODELAY")?;
    let mut start = BytesMut::with_capacity(8192);
    while METHODS.iter().any(|method| start.len() < method.len() && method.starts_with(&start)) {
        if stream.read_buf(&mut start).await? == 0 {
            return Ok(stream.write_all(&start).await?);
        }
    }
    if METHODS.iter().any(|method| start.starts_with(method)) {
        return http(stream, start.freeze(), client, about).await;
    }
    let (mut reader, mut writer) = stream.split();
    writer.write_all(&start).await?;
    // As much at once as a kernel sends at once; 8 KiB, tokio's own measure, is less than a jumbo segment.
    let mut reader = BufReader::with_capacity(64 * 1024, &mut reader);
    tokio::io::copy_buf(&mut reader, &mut writer).await?;
    Ok(writer.shutdown().await?)
}

async fn http(stream: TcpStream, start: Bytes, client: SocketAddr, about: &About) -> anyhow::Result<()> {
    let server = stream.local_addr().context("asking which address was called")?;
    let service = service_fn(|request: http::Request<Incoming>| async move {
        let (head, mut body) = request.into_parts();
        // Read what was sent, so that the connection can carry the next request.
        while body.frame().await.is_some_and(|frame| frame.is_ok()) {}
        let mut answer = http::Response::new(Full::new(Bytes::from(describe(&head, client, server, about))));
        let json = http::HeaderValue::from_static("application/json");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Ok::<_, Infallible>(answer)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    // A client that shuts its sending half (`nc -N`) still gets its answer.
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_header_size(64 << 10).half_close(true);
    Ok(builder.serve_connection(TokioIo::new(Replay::new(start, stream)), service).await?)
}

/// One line of JSON.
fn describe(head: &http::request::Parts, client: SocketAddr, server: SocketAddr, about: &About) -> String {
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), serde_json::Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    let mut document = serde_json::json!({
        "service": "vpclab echo",
        "hostname": about.hostname,
        "client": client.to_string(),
        "server": server.to_string(),
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
        "headers": serde_json::Map::from_iter(headers),
    });
    if let Some(name) = &about.name {
        document["name"] = serde_json::Value::from(name.as_str());
    }
    format!("{document}\n")
}
