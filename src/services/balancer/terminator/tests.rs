//! Real sockets on the loopback: what the dataplane would send comes first, then a client with TLS.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

/// As the dataplane makes it: 10.0.1.10:40000 to 10.0.1.100:443, through an endpoint.
fn header() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x14".to_vec();
    header.extend([10, 0, 1, 10, 10, 0, 1, 100, 0x9c, 0x40, 0x01, 0xbb]);
    header.extend([0xea, 0, 5, 1]);
    header.extend(b"vpce");
    header
}

struct Rig {
    authority: Arc<CertificateAuthority>,
    at: SocketAddrV4,
    _stop: watch::Sender<bool>,
    _listeners: watch::Sender<Arc<Vec<TlsListener>>>,
    _folder: tempfile::TempDir,
}

/// A listener whose connections go on to that target.
async fn rig(target: SocketAddr, tls: bool, proxy_protocol: bool) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::load_or_create(folder.path(), |_| false).unwrap();
    let SocketAddr::V4(target) = target else { panic!("IPv4") };
    // A port that is free now; whoever takes it meanwhile makes this test fail loudly.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let list = vec![TlsListener { at, name: "orders-1.elb.us-east-1.amazonaws.com".to_owned() }];
    let (listeners, wanted) = watch::channel(Arc::new(list));
    let (stop, shutdown) = watch::channel(false);
    let choose: Choose = Arc::new(move |listener, client| {
        assert_eq!((listener, client), (at, "10.0.1.10:40000".parse().unwrap()), "the client is whom the header names");
        Some(Onward { source: Ipv4Addr::LOCALHOST, target, tls, proxy_protocol })
    });
    tokio::spawn(serve(wanted, Arc::clone(&authority), choose, shutdown));
    Rig { authority, at, _stop: stop, _listeners: listeners, _folder: folder }
}

impl Rig {
    /// Says `hello` as a client of that name, which trusts the lab's authority alone; the answer to its end.
    async fn say(&self, server_name: &str, hello: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut stream = loop {
            // Its socket may not be bound yet.
            match TcpStream::connect(self.at).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        stream.write_all(&header()).await?;
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(hello).await?;
        stream.flush().await?;
        let mut answer = vec![0; 1024];
        let len = stream.read(&mut answer).await?;
        answer.truncate(len);
        Ok(answer)
    }
}

/// A target that answers what it heard first, by whatever stream `open` makes of a connection.
async fn target(acceptor: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut heard = vec![0; 1024];
                match acceptor {
                    None => {
                        // Header and data may come apart.
                        let mut len = 0;
                        while !heard[..len].ends_with(b"hello") {
                            len += stream.read(&mut heard[len..]).await.unwrap();
                        }
                        stream.write_all(&heard[..len]).await.unwrap();
                    }
                    Some(acceptor) => {
                        let mut stream = acceptor.accept(stream).await.unwrap();
                        let len = stream.read(&mut heard).await.unwrap();
                        stream.write_all(&[b"by TLS: ", &heard[..len]].concat()).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn tls_ends_here_and_goes_on_in_plain() {
    let rig = rig(target(None).await, false, false).await;
    for name in ["orders-1.elb.us-east-1.amazonaws.com", "orders.example.com"] {
        assert_eq!(rig.say(name, b"hello").await.unwrap(), b"hello", "{name} has its certificate");
    }
}

#[tokio::test]
async fn a_target_that_wants_it_hears_of_the_client_first() {
    let rig = rig(target(None).await, false, true).await;
    let heard = rig.say("orders.example.com", b"hello").await.unwrap();
    assert_eq!(heard, [&header()[..], b"hello"].concat(), "the header as it came, endpoint and all");
}

#[tokio::test]
async fn a_tls_target_gets_tls_anew() {
    let folder = tempfile::tempdir().unwrap();
    // Another authority: nobody looks at a target's certificate.
    let theirs = CertificateAuthority::load_or_create(folder.path(), |_| false).unwrap();
    let acceptor = TlsAcceptor::from(theirs.server_config_for("10.0.1.20").unwrap());
    let rig = rig(target(Some(acceptor)).await, true, false).await;
    assert_eq!(rig.say("orders.example.com", b"hello").await.unwrap(), b"by TLS: hello");
}

#[tokio::test]
async fn a_target_that_is_gone_ends_the_connection() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = rig(gone, false, false).await;
    let ended = rig.say("orders.example.com", b"hello").await;
    assert!(ended.is_err() || ended.is_ok_and(|answer| answer.is_empty()));
}
