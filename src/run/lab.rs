//! The lab process: from an inherited socket and lock to a lab that stands, and to its end.
//!
//! **Purpose.** One process holds a lab together; when it is gone, so is the lab.
//!
//! **Life.** Steps, each said to whoever started it: read the template → look at the machine → become a lab (own PID and
//! mount namespace) → compile → make services and guests → start pump and servers → first boot → ready. Then it serves the
//! control socket until it is told to end: `down`, a signal, the close of a lease, or a failure of its own parts. A failure
//! before it is ready is the starter's to print; one after goes to `last-words` in the folder, for the next command.
//!
//! **Limits.** Everything before "become a lab" runs in a single thread, as the kernel demands.
//!
//! **Not done.** Nothing is undone step by step: what was made hangs on this process, and the kernel takes it away.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::capture::Captures;
use super::flow_log::{self, FlowLogs, LogFile};
use super::forward::Pump;
use super::guest::{self, Guest};
use super::health::TargetsHealth;
use super::launch::{self, Definition, Inheritance};
use super::notifications::{Notifications, Webhooks};
use super::protocol::{Answer, Request};
use super::report::{self, LinkNames};
use super::state::Folder;
use super::{CannotRun, boot, control, keys, metrics, serve};
use crate::compile::{self, Compiled, ServiceKind, ServicePlan};
use crate::dataplane::Dataplane;
use crate::dns::Zones;
use crate::host::{self, LabProcessSpec, LinkKind, Namespaces, ServiceSpec, Tap};
use crate::model::access::Directory;
use crate::model::naming::{self, GuestName};
use crate::model::{self, World};
use crate::services::authority::{self, CertificateAuthority};
use crate::services::ec2;
use crate::services::front::guard::Access;
use crate::services::metadata::Metadata;
use crate::services::origins::Origins;
use crate::services::s3::{self, S3};
use crate::services::tls_secrets::TlsSecrets;
use crate::services::tokens::Tokens;
use crate::template::Backend;

/// A template as meant, ready to be run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What there is.
    pub world: World,
    /// What has no effect, for `up` to print.
    pub notices: Vec<String>,
    /// Buckets and the folders that fill them.
    pub seeds: Vec<(String, PathBuf)>,
    /// Real servers in the place of emulated ones.
    pub backends: Vec<Backend>,
    /// Where notifications go, by topic.
    pub webhooks: Webhooks,
}

/// Reads the files that a lab is defined by.
pub type Prepare = fn(&Definition) -> Result<Prepared>;

/// What stands, for the control socket to speak of.
pub struct Lab {
    /// Where it lives.
    pub folder: Folder,
    /// What it is made from; [`apply`](super::apply) alone puts another in its place.
    pub world: ArcSwap<World>,
    /// Held by whoever changes the lab: what the EC2 API was asked for and did since the start.
    pub turn: Mutex<Vec<model::Request>>,
    /// Tells what happens to connections.
    pub notifications: Notifications,
    /// Where it tells, by topic; [`apply`](super::apply) alone puts others in their place.
    pub webhooks: ArcSwap<Webhooks>,
    /// Where the EC2 API listens.
    pub api: SocketAddr,
    /// Where counters are read.
    pub metrics: SocketAddr,
    /// Reads a definition's files.
    pub prepare: Prepare,
    /// Who runs in it.
    pub guests: Vec<Guest>,
    /// What names mean.
    pub zones: Arc<ArcSwap<Zones>>,
    /// Who is behind an address.
    pub origins: Arc<Origins>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// The embedded S3.
    pub store: Arc<S3>,
    /// What instances learn about themselves.
    pub metadata: Arc<Metadata>,
    /// What decides.
    pub dataplane: Arc<Dataplane>,
    /// What copies.
    pub captures: Arc<Captures>,
    /// What opens the services' TLS connections, for captures alone.
    pub tls_secrets: Arc<TlsSecrets>,
    /// What links are called.
    pub links: LinkNames,
    /// What is known of balancers' targets; nothing in a lab without a balancer.
    pub health: Option<Arc<TargetsHealth>>,
    /// Where flow logs go.
    pub flow_logs: Vec<Arc<LogFile>>,
    /// Where the services' sockets are. Nothing here enters them again; held open so that `nsenter --net=/proc/PID/fd/N`
    /// can: to see what a service sees, and for scripts/bench.sh to put a server at a gateway endpoint's far end.
    pub services: Vec<Namespaces>,
}

/// Runs a lab to its end: the whole life of `vpclab __lab`. `prepare` reads the template.
pub fn live(folder: &Folder, prepare: Prepare) -> Result<u8> {
    let Inheritance { listener, lock, definition } = launch::inherit(folder)?;
    let mut starter = Starter::meet(&listener)?;
    let (sender, mut failed) = mpsc::unbounded_channel();
    let standing = match start(folder, &definition, prepare, &mut starter, &sender) {
        Ok(standing) => standing,
        Err(error) => {
            tracing::error!("the lab does not start: {error:#}");
            if starter.say(&launch::refused(&error)).is_err() {
                // Nobody waits for it, so nobody else would remove it.
                folder.remove()?;
            }
            return Ok(1);
        }
    };
    let Standing { lab, runtime, shutdown, flow_logs, summary, shared, api, metrics } = standing;
    let lab = Arc::new(lab);
    let counters = metrics::serve(metrics, Arc::clone(&lab), shared.shutdown.clone());
    serve::watch(runtime.handle(), "metrics", &shared, counters);
    serve::start_api(runtime.handle(), api, Arc::clone(&lab) as Arc<dyn ec2::Lab>, &shared);
    if starter.say(&Answer::Ready(summary)).is_err() {
        folder.remove()?;
        return Ok(1);
    }
    let end = runtime.block_on(control::serve(lab, listener, starter.into_lease(), &mut failed))?;
    let _ = shutdown.send(true);
    if let Some(flow_logs) = flow_logs {
        flow_logs.end();
    }
    // Whatever still runs ends with this process.
    runtime.shutdown_background();
    match end {
        control::End::Asked(by) => {
            tracing::info!("the lab ends: {by}");
            folder.remove()?;
            drop(lock);
            Ok(0)
        }
        control::End::Failed(why) => {
            tracing::error!("the lab ends: {why}");
            fs::write(folder.last_words(), why).context("writing the last words")?;
            Ok(1)
        }
    }
}

/// The process that started this one, as long as it waits.
struct Starter {
    stream: UnixStream,
    for_life: bool,
}

impl Starter {
    /// Takes the connection that was made before this process was born.
    fn meet(listener: &UnixListener) -> Result<Self> {
        let (stream, _) = listener.accept().context("meeting the command that started the lab")?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).context("listening to the command that started the lab")?;
        match serde_json::from_str(&line) {
            Ok(Request::Ready { for_life }) => Ok(Self { stream, for_life }),
            _ => bail!("the command that started the lab said `{}`", line.trim()),
        }
    }

    /// Fails when the starter is gone: then there is nobody to start for.
    fn say(&mut self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_vec(answer).expect("an answer is plain data");
        line.push(b'\n');
        self.stream.write_all(&line).context("the command that started the lab is gone")
    }

    fn step(&mut self, step: &str, done: usize, total: usize) -> Result<()> {
        self.say(&Answer::Progress { step: step.into(), done, total })
    }

    fn into_lease(self) -> Option<UnixStream> {
        self.for_life.then_some(self.stream)
    }
}

struct Standing {
    lab: Lab,
    runtime: Runtime,
    shutdown: watch::Sender<bool>,
    flow_logs: Option<FlowLogs>,
    summary: super::protocol::Summary,
    shared: serve::Shared,
    /// The socket of the EC2 API.
    api: TcpListener,
    /// The socket of the metrics.
    metrics: TcpListener,
}

impl ec2::Lab for Lab {
    fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    fn change(&self, request: model::Request) -> std::result::Result<model::ObjectId, model::Refusal> {
        super::apply::change(self, request)
    }
}

fn start(
    folder: &Folder,
    definition: &Definition,
    prepare: Prepare,
    starter: &mut Starter,
    failed: &mpsc::UnboundedSender<String>,
) -> Result<Standing> {
    starter.step("reading the template", 0, 1)?;
    let Prepared { world, mut notices, seeds, backends, webhooks } = prepare(definition)?;
    let kind = if definition.plain_links { LinkKind::Plain } else { LinkKind::Offload };
    starter.step("looking at this machine", 0, 1)?;
    look_at_machine(kind)?;
    become_lab(folder, &mut notices)?;

    let compiled = compile::compile(&world);
    let authority = CertificateAuthority::load_or_create(folder.path(), authority::is_aws_name)?;
    let tls_secrets = Arc::clone(authority.tls_secrets());
    let mut links: Vec<Option<(String, Tap)>> = compiled.tables.links.iter().map(|_| None).collect();
    let services = make_services(&compiled.services, kind, &mut links)?;
    let guests = make_guests(folder, &world, &compiled, authority.pem(), kind, &mut links, starter)?;
    let links: Option<Vec<(String, Tap)>> = links.into_iter().collect();
    let (names, taps): (Vec<String>, Vec<Tap>) =
        links.context("every link has a guest or a service behind it")?.into_iter().unzip();

    let Compiled { tables, zones, origins, health, .. } = compiled;
    let dataplane = Arc::new(Dataplane::new(Arc::new(tables), keys::random_seed()?));
    let captures = Arc::new(Captures::new(taps.len()));
    let pump = Pump::start(taps, kind, Arc::clone(&dataplane), Arc::clone(&captures), failed)?;
    let writer = FlowLogs::start(&world, folder, &dataplane, pump)?;

    starter.step("starting the services", 0, 1)?;
    let kept = if definition.data.is_some() { s3::Kept::Stays } else { s3::Kept::GoesWithLab };
    let data = definition.data.clone().unwrap_or_else(|| folder.path().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("services")
        .enable_all()
        .build()
        .context("making the services' runtime")?;
    let (shutdown, told) = watch::channel(false);
    let zones = Arc::new(ArcSwap::from_pointee(zones));
    let origins = Arc::new(Origins::new(origins));
    let key = keys::token_key(&data)?;
    let tokens = Arc::new(Tokens::new(key));
    let directory = Directory::of(&world);
    let metadata = Arc::new(Metadata::new(Arc::clone(&tokens), key, &world, &directory));
    let access = Arc::new(Access::new(directory, tokens));
    let store = serve::open_s3(runtime.handle(), (data.join("s3"), kept), &world, &seeds)?;
    let dynamodb = serve::open_dynamodb(&data.join("dynamodb"), &world)?;
    runtime.spawn(dynamodb.clone().expire(told.clone()));
    let (s3, aws) = serve::services(&access, &store, dynamodb, &backends)?;
    notices.extend(report::unserved(&world, |service| aws.has(service)));
    let shared = serve::Shared {
        authority,
        origins: Arc::clone(&origins),
        access: Arc::clone(&access),
        metadata: Arc::clone(&metadata),
        aws,
        s3,
        zones: Arc::clone(&zones),
        shutdown: told,
        failed: failed.clone(),
    };
    for (plan, namespaces) in &services {
        serve::start(runtime.handle(), plan.kind, plan.name, namespaces, &shared)?;
    }
    let (socket, api) = serve::bind_loopback("the EC2 API")?;
    let (counters, metrics) = serve::bind_loopback("the metrics")?;
    notices.extend(first_boot(folder, &world, &guests, starter)?);
    // After the targets have started: a first failure would count.
    let checks = services.iter().find(|(plan, _)| plan.kind == ServiceKind::HealthChecks);
    let (namespaces, ends) = (checks.map(|(_, namespaces)| namespaces), (shutdown.subscribe(), failed.clone()));
    let authority = Arc::clone(&shared.authority);
    let health =
        TargetsHealth::start(health, namespaces, &dataplane, &zones.load(), runtime.handle(), authority, ends)?;

    let notifications = Notifications::start(runtime.handle(), folder);
    notifications.tell(&World::default(), &world, &webhooks);

    let guest_names: Vec<GuestName> = guests.iter().map(|guest| guest.name.clone()).collect();
    let flow_logs = writer.as_ref().map(|writer| writer.files().to_vec()).unwrap_or_default();
    let mut summary = report::summary(folder.name(), &world, &guest_names, notices);
    summary.flow_logs = flow_log::summary(&flow_logs);
    let services = services.into_iter().map(|(_, namespaces)| namespaces).collect();
    let links = LinkNames(names);
    let lab = Lab {
        folder: folder.clone(),
        world: ArcSwap::from_pointee(world),
        turn: Mutex::default(),
        notifications,
        webhooks: ArcSwap::from_pointee(webhooks),
        api,
        metrics,
        prepare,
        guests,
        zones,
        origins,
        access,
        store,
        metadata,
        dataplane,
        captures,
        tls_secrets,
        links,
        health,
        flow_logs,
        services,
    };
    summary.metrics = metrics::url(&lab);
    Ok(Standing { lab, runtime, shutdown, flow_logs: writer, summary, shared, api: socket, metrics: counters })
}

fn look_at_machine(kind: LinkKind) -> Result<()> {
    let found = host::preflight().map_err(|obstacles| {
        let obstacles: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
        CannotRun(format!("this machine can't run a lab as it is set up:\n{}", obstacles.join("\n")))
    })?;
    if kind == LinkKind::Offload && found.offloads.is_none() {
        return Err(CannotRun(
            "this kernel refuses TAPs with a vnet header; `--plain-links` does without (and is slower)".into(),
        )
        .into());
    }
    Ok(())
}

fn become_lab(folder: &Folder, notices: &mut Vec<String>) -> Result<()> {
    let log = fs::OpenOptions::new().append(true).open(folder.log()).context("opening the log")?;
    let process = host::become_lab(LabProcessSpec { log })?;
    // The lab's own /proc, where init is 1, unless the kernel did not let it mount one.
    let own_proc =
        fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == std::process::id().to_string().as_str());
    folder.note_init(process.init_pid, if own_proc { 1 } else { process.init_pid })?;
    notices.extend(process.notes);
    Ok(())
}

fn make_services<'c>(
    plans: &'c [ServicePlan],
    kind: LinkKind,
    links: &mut [Option<(String, Tap)>],
) -> Result<Vec<(&'c ServicePlan, Namespaces)>> {
    let mut made = Vec::with_capacity(plans.len());
    for plan in plans {
        let spec = ServiceSpec {
            name: plan.name.into(),
            addresses: plan.addresses.clone(),
            local_prefixes: plan.local_prefixes.clone(),
            mac: plan.mac,
            mtu: host::GUEST_MTU,
        };
        let (namespaces, tap) = host::create_service(&spec, kind)?;
        links[plan.link.at()] = Some((plan.name.into(), tap));
        made.push((plan, namespaces));
    }
    Ok(made)
}

fn make_guests(
    folder: &Folder,
    world: &World,
    compiled: &Compiled,
    ca_pem: &str,
    kind: LinkKind,
    links: &mut [Option<(String, Tap)>],
    starter: &mut Starter,
) -> Result<Vec<Guest>> {
    let names = naming::guests(world);
    let total = compiled.guests.len();
    let mut guests = Vec::with_capacity(total);
    for (done, plan) in compiled.guests.iter().enumerate() {
        starter.step("making guests", done, total)?;
        let name = names
            .iter()
            .find(|name| name.instance_id == plan.instance_id)
            .cloned()
            .context("every compiled guest is an instance of the world")?;
        let state = folder.path().join("guests").join(&plan.instance_id);
        let (namespaces, taps) = host::create_guest(&guest::spec(plan, &name, ca_pem, &state), kind)?;
        for (interface, tap) in plan.interfaces.iter().zip(taps) {
            let link_name = match interface.name.as_str() {
                "eth0" => name.shown.clone(),
                other => format!("{}.{other}", name.shown),
            };
            links[interface.link.at()] = Some((link_name, tap));
        }
        guests.push(guest::running(world, plan, name, namespaces, &state)?);
    }
    Ok(guests)
}

/// Starts first-boot scripts and waits until balancers' targets listen; returns what went wrong.
fn first_boot(folder: &Folder, world: &World, guests: &[Guest], starter: &mut Starter) -> Result<Vec<String>> {
    let mut notices = Vec::new();
    for guest in guests {
        let script = world.instances.get(&guest.instance_id).and_then(|instance| instance.user_data.as_deref());
        if let Some(script) = script
            && let Err(error) = boot::start_user_data(folder.path(), guest, script)
        {
            notices.push(format!("{}: {error:#}", guest.name.shown));
        }
    }
    let mut gone = Ok(());
    notices.extend(boot::wait_for_targets(world, guests, &mut |done, total| {
        if total > 0 && gone.is_ok() {
            gone = starter.step("waiting for the balancers' targets", done, total);
        }
    }));
    gone.map(|()| notices)
}
