//! The one door of HTTP services.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;

use super::Shutdown;
use super::authority::CertificateAuthority;
use super::origins::Origins;
use crate::model::Origin;

/// Body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Bound sockets of a service.
#[derive(Debug, Default)]
pub struct Listeners {
    /// HTTP, port 80.
    pub plain: Vec<std::net::TcpListener>,
    /// HTTPS, port 443.
    pub tls: Vec<std::net::TcpListener>,
}

/// Who sent a request; in the extensions of every request that a service sees.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Address that the service sees.
    pub peer: SocketAddr,
    /// Address that was called: one of the service's own.
    pub local: SocketAddr,
    /// Who stands behind `peer`; `None` over the emulated internet.
    pub origin: Option<Arc<Origin>>,
    /// The connection is encrypted.
    pub tls: bool,
}

/// A service behind the door.
pub trait Service: Send + Sync + 'static {
    /// Word for the log.
    fn name(&self) -> &'static str;

    /// Answers one request; its extensions hold a [`Caller`].
    fn answer<'a>(&'a self, request: http::Request<hyper::body::Incoming>) -> BoxFuture<'a, http::Response<Body>>;
}

/// Bounds of a door.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Time for TLS handshake and for each request's head.
    pub header_time: Duration,
    /// Time that connections have to end after shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            header_bytes: 64 * 1024,
            header_time: Duration::from_secs(20),
            grace: Duration::from_secs(5),
        }
    }
}

/// Serves until `shutdown`.
pub async fn serve(
    listeners: Listeners,
    service: Arc<dyn Service>,
    authority: Arc<CertificateAuthority>,
    origins: Arc<Origins>,
    limits: Limits,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let _ = (listeners, service, authority, origins, limits, shutdown);
    todo!()
}
