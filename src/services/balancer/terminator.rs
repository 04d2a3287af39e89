//! TLS listeners: a client's TLS ends at the balancer's node, which speaks to a target itself.
//!
//! **Purpose.** B9: what a TLS listener takes is decrypted with a certificate for the listener's name, and goes on to a target
//! in plain or in TLS anew, from the node's own address.
//!
//! **Identity.** A connection comes to the address that stands for a node and the listener's port; who its client is says a
//! PROXY protocol header that the dataplane puts before everything else. The same header goes on to targets that want one.
//!
//! **Life.** Header, handshake, target, and then bytes both ways until both sides have closed. When a side fails, so does the
//! other.
//!
//! **Time.** Header and handshake, and the connection to the target, each have [`PATIENCE`]. Idle connections are the
//! dataplane's to end (350 s).
//!
//! **Limits.** [`CONNECTIONS`] at once; further ones wait to be accepted. All of them share one thread with the health checks.
//!
//! **Not done.** Client certificates, security policies and ALPN: versions and ciphers are those of all the lab's servers.
//! Certificates are the lab's own, whatever ARN a template names.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::probe;
use crate::services::authority::CertificateAuthority;
use crate::services::{Shutdown, accept_failed, stopped};

/// Connections at once.
const CONNECTIONS: usize = 4096;
/// For a client to say who it is, and for a target to take a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Signature, version, family and length of a PROXY protocol header.
const HEADER_HEAD: usize = 16;

/// Where a balancer's node takes TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsListener {
    /// The address that stands for the node, and the listener's port.
    pub at: SocketAddrV4,
    /// Whose certificate a client sees that names nobody: the balancer's name.
    pub name: String,
}

/// Where a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onward {
    /// The address that stands for the node.
    pub source: Ipv4Addr,
    /// The target.
    pub target: SocketAddrV4,
    /// It speaks TLS, too.
    pub tls: bool,
    /// It wants to hear of the client.
    pub proxy_protocol: bool,
}

/// Chooses the target of a connection to a listener, by its client; `None` when there is none.
pub type Choose = Arc<dyn Fn(SocketAddrV4, SocketAddrV4) -> Option<Onward> + Send + Sync>;

struct Terminator {
    listeners: watch::Receiver<Arc<Vec<TlsListener>>>,
    authority: Arc<CertificateAuthority>,
    choose: Choose,
    connector: TlsConnector,
    places: Arc<Semaphore>,
}

/// Serves the newest list of listeners until it is told to end. Opens its sockets in the thread that polls it.
pub async fn serve(
    listeners: watch::Receiver<Arc<Vec<TlsListener>>>,
    authority: Arc<CertificateAuthority>,
    choose: Choose,
    mut shutdown: Shutdown,
) {
    let mut changes = listeners.clone();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let terminator = Arc::new(Terminator { listeners, authority, choose, connector: probe::tls(), places });
    let mut open: BTreeMap<u16, AbortHandle> = BTreeMap::new();
    loop {
        let wanted: Vec<u16> = changes.borrow_and_update().iter().map(|listener| listener.at.port()).collect();
        open.retain(|port, task| {
            let stays = wanted.contains(port);
            if !stays {
                task.abort();
            }
            stays
        });
        for port in wanted {
            if open.contains_key(&port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
                Ok(socket) => {
                    let task = tokio::spawn(Arc::clone(&terminator).accept(socket));
                    open.insert(port, task.abort_handle());
                }
                Err(error) => tracing::error!("TLS listeners of port {port}: {error}"),
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stopped(&mut shutdown) => return,
        }
    }
}

impl Terminator {
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        let mut configurations: HashMap<String, TlsAcceptor> = HashMap::new();
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await.expect("nobody closes it");
            let stream = match socket.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    accept_failed("a TLS listener", &error).await;
                    continue;
                }
            };
            let Some((at, name)) = self.listener(&stream) else { continue };
            let acceptor = match configurations.get(&name) {
                Some(acceptor) => acceptor.clone(),
                None => match self.authority.server_config_for(&name) {
                    Ok(configuration) => configurations.entry(name).or_insert(TlsAcceptor::from(configuration)).clone(),
                    Err(error) => {
                        tracing::error!("the certificate of {name}: {error:#}");
                        continue;
                    }
                },
            };
            let this = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = this.carry(stream, at, acceptor).await {
                    tracing::debug!("a connection of the TLS listener at {at}: {error:#}");
                }
                drop(place);
            });
        }
    }

    fn listener(&self, stream: &TcpStream) -> Option<(SocketAddrV4, String)> {
        let Ok(SocketAddr::V4(at)) = stream.local_addr() else { return None };
        let listeners = self.listeners.borrow();
        let listener = listeners.iter().find(|listener| listener.at == at)?;
        Some((at, listener.name.clone()))
    }

    async fn carry(&self, mut stream: TcpStream, at: SocketAddrV4, acceptor: TlsAcceptor) -> Result<()> {
        let opened = async {
            let header = read_header(&mut stream).await.context("who its client is")?;
            let client = client(&header).context("who its client is")?;
            let stream = acceptor.accept(stream).await.context("its handshake")?;
            anyhow::Ok((header, client, stream))
        };
        let (header, client, mut stream) = in_time(opened).await?;
        let onward = (self.choose)(at, client).context("no target")?;
        let mut target = in_time(async {
            let mut target = connect(&onward).await.context("its target")?;
            if onward.proxy_protocol {
                target.write_all(&header).await.context("its target")?;
            }
            anyhow::Ok(target)
        })
        .await?;
        if onward.tls {
            let name = ServerName::IpAddress((*onward.target.ip()).into());
            let handshake = async { self.connector.connect(name, target).await.context("its target's handshake") };
            let mut target = in_time(handshake).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut target).await?;
        } else {
            tokio::io::copy_bidirectional(&mut stream, &mut target).await?;
        }
        Ok(())
    }
}

async fn in_time<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, step).await.context("it takes too long")?
}

async fn connect(onward: &Onward) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((onward.source, 0)))?;
    let stream = socket.connect(onward.target.into()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The header that the dataplane sends first: whole, as it goes on.
async fn read_header(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut header = vec![0; HEADER_HEAD];
    stream.read_exact(&mut header).await?;
    ensure!(
        header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11"),
        "no PROXY protocol header of a TCP connection over IPv4"
    );
    let length = u16::from_be_bytes([header[14], header[15]]);
    header.resize(HEADER_HEAD + usize::from(length), 0);
    stream.read_exact(&mut header[HEADER_HEAD..]).await?;
    Ok(header)
}

/// Source address and port of a header.
fn client(header: &[u8]) -> Option<SocketAddrV4> {
    let address = Ipv4Addr::from(*header.get(16..)?.first_chunk::<4>()?);
    let port = u16::from_be_bytes(*header.get(24..)?.first_chunk::<2>()?);
    Some(SocketAddrV4::new(address, port))
}

#[cfg(test)]
mod tests;
