//! The one door of HTTP services: HTTP on port 80, HTTPS with the lab's certificates on port 443.
//!
//! Purpose: everything that is the same for every emulated service — TLS, who is calling, who signed, bounds, the log — stands
//! here once; a [`Service`] behind it sees a request with its [`Caller`] and its [`Session`](session::Session), which it asks
//! what policies say once it knows action and resource. A wrong signature never reaches a service.
//! Life: accept ► TLS ► requests, each [proved](guard), one after another ► closed by either side, by a limit, or by shutdown.
//! Time: see [`Limits`]; a TLS handshake and the head of a request have `header_time`, each further piece of a request's
//! body `body_time`, and the client has `write_time` to take the next piece of an answer.
//! Limits: [`Limits::connections`] at once (a further one waits in the listen queue), of which one address has at most
//! [`Limits::connections_per_peer`] (a further one is closed at once). As an address is one network interface's on one way
//! in, a guest that keeps all it may have keeps nobody else out; four of them together can. A request's head has at most
//! `header_bytes`. Bodies are streams with backpressure: nothing here holds one whole.
//! Not done, and why: HTTP/2 without TLS, since AWS has it nowhere; HTTP/3 likewise. An HTTP/2 client that answers pings
//! but opens no window keeps its connection: `write_time` counts bytes of the connection, and its share bounds it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::guard::Access;
use self::paced::Paced;
use self::places::{Place, Places};
use self::steady::Steady;
use super::authority::CertificateAuthority;
use super::origins::Origins;
use super::{Shutdown, stopped};
use crate::model::Origin;

pub mod guard;
pub mod journal;
mod paced;
mod places;
pub mod refusal;
pub mod session;
pub mod signature;
mod steady;
#[cfg(test)]
pub(super) mod tests;

/// Body of a request or an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is there already.
pub fn full(body: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Bound sockets of a service.
#[derive(Debug, Default)]
pub struct Listeners {
    /// HTTP, port 80.
    pub plain: Vec<std::net::TcpListener>,
    /// HTTPS, port 443.
    pub tls: Vec<std::net::TcpListener>,
}

/// The kernel's own IP_TTL.
const USUAL_HOPS: u8 = 64;

/// Who sent a request; in the extensions of every request that a service sees.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Address that the service sees.
    pub peer: SocketAddr,
    /// Address that was called: one of the service's own.
    pub local: SocketAddr,
    /// Who stands behind `peer`; `None` over the emulated internet.
    pub origin: Option<Arc<Origin>>,
    /// How the connection is encrypted; `None` where it is not.
    pub tls: Option<Tls>,
}

/// A version of TLS; AWS gave up those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

impl Tls {
    /// As policies write it.
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    fn of(connection: &rustls::ServerConnection) -> Self {
        match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Self::V1_2,
            _ => Self::V1_3,
        }
    }
}

/// A service behind the door.
pub trait Service: Send + Sync + 'static {
    /// Word for the log.
    fn name(&self) -> &'static str;

    /// Whether HTTPS clients may choose HTTP/2. S3 itself speaks HTTP/1.1 only.
    fn http2(&self) -> bool {
        false
    }

    /// The service that a host name means, such as `s3`, whose signatures the door checks; `None` for one that knows none.
    fn called(&self, host: &str) -> Option<String>;

    /// How many hops the answer to a request of that method may take; `None` for a service of which it is nobody's concern.
    fn hop_limit(&self, _origin: Option<&Origin>, _method: &http::Method) -> Option<u8> {
        None
    }

    /// Answers one request; its extensions hold a [`Caller`], and a [`Session`](session::Session) where signatures are checked.
    fn answer(&self, request: http::Request<Body>) -> BoxFuture<'_, http::Response<Body>>;
}

/// Bounds of a door.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_peer: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Time for a TLS handshake, and for each request's head; so long may a connection be idle, too.
    pub header_time: Duration,
    /// Time between two pieces of a request's body.
    pub body_time: Duration,
    /// Time that a client has to take some of what is sent to it.
    pub write_time: Duration,
    /// Time that requests under way have after shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 256,
            header_bytes: 64 * 1024,
            header_time: Duration::from_secs(20),
            body_time: Duration::from_secs(60),
            write_time: Duration::from_secs(60),
            grace: Duration::from_secs(2),
        }
    }
}

/// Serves until `shutdown`, then lets requests under way end within the limits' grace.
pub async fn serve(
    listeners: Listeners,
    service: Arc<dyn Service>,
    authority: Arc<CertificateAuthority>,
    origins: Arc<Origins>,
    access: Arc<Access>,
    limits: Limits,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let protocols: &[&str] = if service.http2() { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let tls = TlsAcceptor::from(authority.server_config(protocols)?);
    let places = Places::new(limits.connections, limits.connections_per_peer);
    let grace = limits.grace;
    let door = Arc::new(Door { service, origins, access, limits, places, shutdown: shutdown.clone() });
    let mut loops = JoinSet::new();
    for listener in listeners.plain {
        loops.spawn(door.clone().accept(to_tokio(listener)?, None));
    }
    for listener in listeners.tls {
        loops.spawn(door.clone().accept(to_tokio(listener)?, Some(tls.clone())));
    }
    stopped(&mut shutdown).await;
    // Each loop ends when its connections have; whoever is late is cut off with the set.
    let _ = timeout(grace, async { while loops.join_next().await.is_some() {} }).await;
    Ok(())
}

fn to_tokio(listener: std::net::TcpListener) -> anyhow::Result<TcpListener> {
    listener.set_nonblocking(true).context("making a service's socket non-blocking")?;
    TcpListener::from_std(listener).context("handing a service's socket to the runtime")
}

/// What all connections of a service share.
struct Door {
    service: Arc<dyn Service>,
    origins: Arc<Origins>,
    access: Arc<Access>,
    limits: Limits,
    places: Arc<Places>,
    shutdown: Shutdown,
}

impl Door {
    /// Takes connections until shutdown, then waits for those it took.
    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut shutdown = self.shutdown.clone();
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = self.next(&listener) => accepted,
                () = stopped(&mut shutdown) => break,
            };
            match accepted {
                Ok((place, stream, peer)) => {
                    let (door, tls) = (self.clone(), tls.clone());
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = door.converse(stream, peer, tls).await {
                            tracing::debug!(service = door.service.name(), %peer, "connection ended: {error:#}");
                        }
                    });
                }
                Err(error) => super::accept_failed(self.service.name(), &error).await,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// A connection, then a place for it: beyond the limit, each listener holds one and the others wait in the kernel's
    /// queue. Not the place first: a listener that nobody calls would keep it from the others. Who has its share already
    /// is closed, not kept waiting: the others behind it would wait as well.
    async fn next(&self, listener: &TcpListener) -> std::io::Result<(Place, TcpStream, SocketAddr)> {
        loop {
            let (stream, peer) = listener.accept().await?;
            let Some(place) = self.places.of_peer(peer.ip()) else {
                let most = self.limits.connections_per_peer;
                tracing::info!(service = self.service.name(), %peer, "closed: its address has {most} connections already");
                continue;
            };
            return Ok((place.enter().await, stream, peer));
        }
    }

    async fn converse(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> anyhow::Result<()> {
        stream.set_nodelay(true).context("setting TCP_NODELAY")?;
        let local = stream.local_addr().context("asking which address was called")?;
        let mut caller = Caller { peer, local, origin: self.origins.get(peer.ip()), tls: None };
        let hops = self.hops(&stream, &caller)?;
        let stream = Steady::new(stream, self.limits.write_time);
        let Some(tls) = tls else { return self.http1(stream, caller, hops).await };
        let stream =
            timeout(self.limits.header_time, tls.accept(stream)).await.context("TLS handshake took too long")?;
        let stream = stream.context("TLS handshake")?;
        let connection = stream.get_ref().1;
        caller.tls = Some(Tls::of(connection));
        let http2 = connection.alpn_protocol() == Some(b"h2");
        if http2 { self.http2(stream, caller).await } else { self.http1(stream, caller, hops).await }
    }

    /// A second handle of the socket, where answers differ in how far they may go.
    fn hops(&self, stream: &TcpStream, caller: &Caller) -> anyhow::Result<Option<Arc<std::net::TcpStream>>> {
        if self.service.hop_limit(caller.origin.as_deref(), &http::Method::PUT).is_none() {
            return Ok(None);
        }
        let handle = stream.as_fd().try_clone_to_owned().context("another handle of a connection")?;
        Ok(Some(Arc::new(handle.into())))
    }

    async fn http1(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        caller: Caller,
        hops: Option<Arc<std::net::TcpStream>>,
    ) -> anyhow::Result<()> {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_time)
            .max_header_size(self.limits.header_bytes)
            .max_buf_size(self.limits.header_bytes.max(8192));
        let door = self.clone();
        let service = service_fn(move |request| {
            let (door, caller, hops) = (door.clone(), caller.clone(), hops.clone());
            async move {
                let method = request.method().clone();
                let answer = door.answer(request, &caller).await;
                if let Some(stream) = hops {
                    // HTTP/1.1 answers one after another, so what is set now is this answer's.
                    let limit = door.service.hop_limit(caller.origin.as_deref(), &method).unwrap_or(USUAL_HOPS);
                    if let Err(error) = stream.set_ttl(limit.into()) {
                        tracing::warn!(%error, "setting IP_TTL");
                    }
                }
                answer
            }
        });
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = stopped(&mut shutdown) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn http2(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        caller: Caller,
    ) -> anyhow::Result<()> {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            // A ping to whoever is silent takes the place of HTTP/1's idle limit.
            .keep_alive_interval(self.limits.header_time)
            .keep_alive_timeout(self.limits.header_time)
            .max_concurrent_streams(64)
            .max_header_list_size(u32::try_from(self.limits.header_bytes).unwrap_or(u32::MAX));
        // Its streams are tasks of their own, so each owns what it needs.
        let door = self.clone();
        let service = service_fn(move |request| {
            let (door, caller) = (door.clone(), caller.clone());
            async move { door.answer(request, &caller).await }
        });
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = stopped(&mut shutdown) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn answer(
        &self,
        mut request: http::Request<Incoming>,
        caller: &Caller,
    ) -> Result<http::Response<Body>, Infallible> {
        request.extensions_mut().insert(caller.clone());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let host = host(&request).unwrap_or("-").to_owned();
        if host == "-" && request.version() > http::Version::HTTP_10 {
            // RFC 9112 3.2.
            let answer = http::Response::builder().status(400).body(full(""));
            return Ok(answer.expect("a constant"));
        }
        let (parts, body) = request.into_parts();
        let (body, left) = Paced::new(body, &parts.headers, self.limits.body_time);
        let request = http::Request::from_parts(parts, body.boxed_unsync());
        let admitted = match self.service.called(&host) {
            Some(service) => Arc::clone(&self.access).admit(request, service).await,
            None => Ok(request),
        };
        let answer = match admitted {
            Ok(request) => self.service.answer(request).await,
            Err(answer) => answer,
        };
        left.read_on();
        let origin = caller.origin.as_deref();
        tracing::info!(
            service = self.service.name(),
            origin = origin.map_or("internet", |origin| origin.name.as_str()),
            endpoint = origin.and_then(|origin| origin.vpc_endpoint_id.as_deref()).unwrap_or("-"),
            %method,
            host,
            path,
            status = answer.status().as_u16(),
            "request"
        );
        Ok(answer)
    }
}

/// The name that a request calls: of its target in HTTP/2, else its `Host`.
pub fn host<B>(request: &http::Request<B>) -> Option<&str> {
    let named = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(http::uri::Authority::as_str).or(named)
}
