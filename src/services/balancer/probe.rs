//! One check: a connection, a request in it, and what became of them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::model::{HealthCheck, HealthCheckProtocol, TargetHealth};

/// PROXY protocol v2 without a client (command LOCAL): what a health check says where targets wait for a header (B4.1).
const LOCAL_HEADER: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// Longest status line that is read.
const LONGEST_STATUS_LINE: usize = 1024;

/// What a check sends, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The address that stands for the node.
    pub source: Ipv4Addr,
    /// The target.
    pub target: SocketAddrV4,
    /// The node's own address and the listener's port: the `Host` of a request.
    pub host: SocketAddrV4,
    /// The target waits for a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// Why a check did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or no HTTP in it.
    Failed,
    /// No answer in time.
    TimedOut,
    /// An answer with a code that does not pass.
    Code(u16),
}

impl Failure {
    /// The same in AWS's words.
    pub fn health(self) -> TargetHealth {
        match self {
            Self::Failed => TargetHealth::failed(),
            Self::TimedOut => TargetHealth::timed_out(),
            Self::Code(code) => TargetHealth::mismatched(code),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Failed
    }
}

/// Does a check.
///
/// # Errors
/// Why it did not pass.
pub(super) async fn probe(check: &Check, health_check: &HealthCheck, tls: &TlsConnector) -> Result<(), Failure> {
    let asked = tokio::time::timeout(health_check.timeout(), ask(check, health_check, tls));
    asked.await.unwrap_or(Err(Failure::TimedOut))
}

async fn ask(check: &Check, health_check: &HealthCheck, tls: &TlsConnector) -> Result<(), Failure> {
    let mut stream = connect(check).await?;
    if check.proxy_protocol {
        stream.write_all(&LOCAL_HEADER).await?;
    }
    match health_check.protocol {
        HealthCheckProtocol::Tcp => Ok(()),
        HealthCheckProtocol::Http => request(&mut stream, check, health_check).await,
        HealthCheckProtocol::Https => {
            let name = ServerName::IpAddress((*check.target.ip()).into());
            let mut stream = tls.connect(name, stream).await?;
            request(&mut stream, check, health_check).await
        }
    }
}

async fn connect(check: &Check) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((check.source, 0)))?;
    socket.connect(check.target.into()).await
}

async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    check: &Check,
    health_check: &HealthCheck,
) -> Result<(), Failure> {
    let path = health_check.path.as_deref().unwrap_or("/");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept: */*\r\n\r\n",
        check.host
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let code = status_code(&status_line(stream).await?).ok_or(Failure::Failed)?;
    if health_check.matches(code) { Ok(()) } else { Err(Failure::Code(code)) }
}

/// The first line of an answer, without its end.
async fn status_line(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::with_capacity(256);
    while read.len() < LONGEST_STATUS_LINE {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(Failure::Failed);
        }
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            read.truncate(end);
            return Ok(read);
        }
    }
    Err(Failure::Failed)
}

/// `HTTP/1.1 200 OK` (RFC 9112 4).
fn status_code(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.get(..12)?).ok()?;
    let code = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' '))?.1;
    code.parse().ok().filter(|code| (100..=999).contains(code))
}

/// TLS as health checks speak it: nobody looks at the target's certificate.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html>
pub(super) fn tls() -> TlsConnector {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has ciphers for all of them")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_read_as_http_says() {
        assert_eq!(status_code(b"HTTP/1.1 200 OK\r"), Some(200));
        assert_eq!(status_code(b"HTTP/1.0 503 Service Unavailable\r"), Some(503));
        assert_eq!(status_code(b"HTTP/1.1 204"), Some(204), "the phrase may be missing");
        for wrong in [&b"HTTP/2 200 OK"[..], b"SSH-2.0-OpenSSH_9.6", b"HTTP/1.1 20", b"HTTP/1.1 2x0 OK", b""] {
            assert_eq!(status_code(wrong), None, "{wrong:?}");
        }
    }
}
