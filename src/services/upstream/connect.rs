//! Connections to a backend: kept and used again, plain or with TLS.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tower_service::Service;

use super::Limits;
use super::flow::Upload;
use super::target::Target;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Time after which an idle connection is probed: a backend that lost power is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A pool of connections within the limits.
pub(super) fn client(
    target: &Target,
    ca_file: Option<&Path>,
    limits: &Limits,
) -> anyhow::Result<Client<Connector, Upload>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEP_ALIVE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(target.https(), ca_file)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits.idle_time)
        .pool_max_idle_per_host(limits.connections)
        .http1_max_buf_size(limits.header_bytes)
        // Sent again is only what was not sent at all: its connection had closed.
        .retry_canceled_requests(true)
        .set_host(true);
    Ok(builder.build(Connector { inner: connector, limit: limits.connect_time }))
}

/// Resolves, connects and speaks TLS, all within one bound.
#[derive(Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<HttpConnector>,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connected, limit) = (self.inner.call(uri), self.limit);
        async move {
            match tokio::time::timeout(limit, connected).await {
                Ok(connected) => connected,
                Err(late) => Err(io::Error::from(late).into()),
            }
        }
        .boxed()
    }
}

/// Whom we trust: the machine's own authorities and those of a file. Nothing is read where no TLS is spoken.
fn tls(https: bool, ca_file: Option<&Path>) -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut roots = rustls::RootCertStore::empty();
    if https {
        let native = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(native.certs);
        if let Some(file) = ca_file {
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .with_context(|| format!("reading the certificates in `{}`", file.display()))?;
            let (added, _) = roots.add_parsable_certificates(certificates);
            ensure!(added > 0, "no certificate in `{}`", file.display());
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
