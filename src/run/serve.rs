//! The services of a lab: their sockets, bound inside their namespaces, and the servers on them.
//!
//! A socket stays in the network namespace where it was made, so a plain thread binds it there and a server on the
//! lab's own runtime uses it. What the servers do is the services' business.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::BadInput;
use crate::compile::ServiceKind;
use crate::dns::Zones;
use crate::host::{self, Namespaces};
use crate::model::World;
use crate::model::access::Directory;
use crate::services::authority::CertificateAuthority;
use crate::services::aws::Aws;
use crate::services::dynamodb::{DynamoDb, Table};
use crate::services::ec2::{self, Ec2};
use crate::services::front::guard::Access;
use crate::services::front::{self, Limits, Listeners};
use crate::services::metadata::Metadata;
use crate::services::origins::Origins;
use crate::services::s3::{self, S3};
use crate::services::sts::Sts;
use crate::services::upstream::{self, Upstream};
use crate::services::{Shutdown, resolver, time};
use crate::template::Backend;

/// What all servers share.
#[derive(Clone)]
pub struct Shared {
    /// Signs the certificates.
    pub authority: Arc<CertificateAuthority>,
    /// Who is behind an address.
    pub origins: Arc<Origins>,
    /// What instances learn about themselves.
    pub metadata: Arc<Metadata>,
    /// Everything behind AWS's names but S3.
    pub aws: Arc<Aws>,
    /// What answers for S3: the embedded one, or a backend.
    pub s3: Arc<dyn front::Service>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// What names mean.
    pub zones: Arc<ArcSwap<Zones>>,
    /// When to end.
    pub shutdown: Shutdown,
    /// Hears of a server that ended by itself.
    pub failed: mpsc::UnboundedSender<String>,
}

/// Opens the store and fills its buckets.
pub fn open_s3(
    runtime: &Handle,
    (folder, kept): (PathBuf, s3::Kept),
    world: &World,
    seeds: &[(String, PathBuf)],
) -> Result<Arc<S3>> {
    let directory = Directory::of(world);
    let buckets: Vec<s3::Bucket> = world.buckets.values().map(|bucket| s3::Bucket::of(bucket, &directory)).collect();
    let store = S3::open(&folder, kept, &buckets).context("opening the embedded S3")?;
    for (bucket, from) in seeds {
        runtime
            .block_on(store.seed(bucket, from))
            .with_context(|| format!("filling bucket `{bucket}` from `{}`", from.display()))?;
    }
    Ok(Arc::new(store))
}

/// Opens the databases with the tables that the world declares.
pub fn open_dynamodb(folder: &Path, world: &World) -> Result<DynamoDb> {
    let tables: Vec<Table> = world
        .tables
        .values()
        .map(|table| Table {
            account: table.meta.account.clone(),
            region: table.meta.region.clone(),
            definition: table.definition.clone(),
            time_to_live: table.time_to_live.clone(),
        })
        .collect();
    DynamoDb::open(folder, &tables).context("opening the embedded DynamoDB")
}

/// What answers for S3 and for all other services: backends where the lab has some, else what is emulated.
pub fn services(
    access: &Access,
    store: &Arc<S3>,
    dynamodb: DynamoDb,
    backends: &[Backend],
) -> Result<(Arc<dyn front::Service>, Arc<Aws>)> {
    let mut aws = Aws::default();
    aws.add("sts", Arc::new(Sts::new(Arc::clone(&access.tokens))));
    aws.add("dynamodb", Arc::new(dynamodb));
    let mut s3 = Arc::clone(store) as Arc<dyn front::Service>;
    for backend in backends {
        let service: Arc<dyn front::Service> = Arc::new(Upstream::new(&backend.service, resolved(backend)?)?);
        match backend.service.as_str() {
            "s3" => s3 = service,
            name => aws.add(name, service),
        }
    }
    Ok((s3, Arc::new(aws)))
}

/// A backend with the values of the variables that name its credentials.
fn resolved(backend: &Backend) -> Result<upstream::Backend> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| {
            BadInput(format!(
                "the backend of {} is signed with the variable {name}, which is not set where the lab was started",
                backend.service
            ))
        })
    };
    let credentials = backend.credentials.as_ref().map(|names| -> Result<upstream::Credentials> {
        Ok(upstream::Credentials {
            access_key_id: variable(&names.access_key_id)?,
            secret_access_key: variable(&names.secret_access_key)?,
            session_token: names.session_token.as_deref().map(variable).transpose()?,
        })
    });
    Ok(upstream::Backend {
        url: backend.url.clone(),
        credentials: credentials.transpose()?,
        region: backend.region.clone(),
        path_style: backend.path_style,
        ca_file: backend.ca_file.clone(),
    })
}

/// Binds a service's sockets in its namespace and starts its server.
pub fn start(
    runtime: &Handle,
    kind: ServiceKind,
    name: &'static str,
    namespaces: &Namespaces,
    shared: &Shared,
) -> Result<()> {
    let context = || format!("binding the sockets of service `{name}`");
    match kind {
        ServiceKind::Resolver => {
            let (udp, tcp) = host::within(namespaces, bind_dns).with_context(context)?;
            let Shared { zones, origins, shutdown, .. } = shared.clone();
            watch(runtime, name, shared, resolver::serve(udp, tcp, zones, origins, shutdown));
        }
        ServiceKind::Time => {
            let udp = host::within(namespaces, bind_ntp).with_context(context)?;
            watch(runtime, name, shared, time::serve(udp, shared.shutdown.clone()));
        }
        ServiceKind::Metadata => {
            let plain = host::within(namespaces, bind_http).with_context(context)?;
            let listeners = Listeners { plain: vec![plain], tls: Vec::new() };
            let service = Arc::clone(&shared.metadata) as Arc<dyn front::Service>;
            let Shared { authority, origins, access, shutdown, .. } = shared.clone();
            let server = front::serve(listeners, service, authority, origins, access, Limits::default(), shutdown);
            watch(runtime, name, shared, server);
        }
        // Nobody asks there; who asks from there has a thread of its own.
        ServiceKind::HealthChecks => {}
        ServiceKind::S3 | ServiceKind::Aws => {
            let listeners = host::within(namespaces, bind_web).with_context(context)?;
            let service: Arc<dyn front::Service> = match kind {
                ServiceKind::S3 => Arc::clone(&shared.s3),
                _ => Arc::clone(&shared.aws) as Arc<dyn front::Service>,
            };
            let Shared { authority, origins, access, shutdown, .. } = shared.clone();
            watch(
                runtime,
                name,
                shared,
                front::serve(listeners, service, authority, origins, access, Limits::default(), shutdown),
            );
        }
    }
    Ok(())
}

/// Binds a socket for this machine's own programs: on its loopback alone, where nobody has to be let in.
pub fn bind_loopback(what: &str) -> Result<(TcpListener, SocketAddr)> {
    let context = || format!("a port on the loopback for {what}");
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).with_context(context)?;
    let address = socket.local_addr().with_context(context)?;
    Ok((socket, address))
}

/// Starts the lab's own EC2 API.
pub fn start_api(runtime: &Handle, socket: TcpListener, lab: Arc<dyn ec2::Lab>, shared: &Shared) {
    let listeners = Listeners { plain: vec![socket], tls: Vec::new() };
    let service = Arc::new(Ec2::new(lab)) as Arc<dyn front::Service>;
    let Shared { authority, origins, access, shutdown, .. } = shared.clone();
    let server = front::serve(listeners, service, authority, origins, access, Limits::default(), shutdown);
    watch(runtime, "EC2 API", shared, server);
}

/// Runs a server; when it ends before it is told to, the lab hears of it.
pub fn watch(
    runtime: &Handle,
    name: &'static str,
    shared: &Shared,
    server: impl Future<Output = Result<()>> + Send + 'static,
) {
    let (failed, shutdown) = (shared.failed.clone(), shared.shutdown.clone());
    let running = runtime.spawn(server);
    runtime.spawn(async move {
        let why = match running.await {
            Ok(Ok(())) if *shutdown.borrow() => return,
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        // Nobody listens any more when the lab is already ending.
        let _ = failed.send(format!("service `{name}`: {why}"));
    });
}

fn bind_dns() -> Result<(UdpSocket, TcpListener)> {
    let any = (Ipv4Addr::UNSPECIFIED, 53);
    Ok((UdpSocket::bind(any).context("UDP port 53")?, TcpListener::bind(any).context("TCP port 53")?))
}

fn bind_ntp() -> Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 123)).context("UDP port 123")
}

fn bind_http() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).context("TCP port 80")
}

fn bind_web() -> Result<Listeners> {
    let bind = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).with_context(|| format!("TCP port {port}"));
    Ok(Listeners { plain: vec![bind(80)?], tls: vec![bind(443)?] })
}
