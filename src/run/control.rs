//! The lab's side of the control socket.
//!
//! **Purpose.** Answers the command line, and decides when the lab ends.
//!
//! **Identity.** A connection is one request ([`super::protocol`]); whoever can open the socket owns the lab: the folder
//! is its owner's alone.
//!
//! **Life.** Each connection is a task. The lab ends ([`End`]) when one of them was asked for it, when a lease closes, by
//! SIGTERM, SIGINT or SIGHUP, or when a part of the lab failed.
//!
//! **Limits.** A request is at most [`LONGEST_REQUEST`] bytes. A follower that reads slowly is waited for: its task alone.
//!
//! **Time.** `drops --follow` looks for new drops every [`LOOK`].

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream as TokioStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::BadInput;
use super::capture::{Filter, PcapngBytes};
use super::capture_secrets::Secrets;
use super::guest::Guest;
use super::lab::Lab;
use super::launch::refused;
use super::protocol::{
    Answer, ApiAccess, CallQuestion, DecisionLine, PacketHeader, Request, TraceQuestion, TraceReport,
};
use super::{apply, flow_log, metrics, report};
use crate::dataplane::{DropRecord, Header, LinkIndex, Tables, TraceQuery};
use crate::dns;
use crate::host;
use crate::model::access::{Call, Way, bucket_of, root_key};
use crate::model::naming::{self, GuestName};
use crate::packet::protocol as ip_protocol;
use crate::policy::Principal;
use crate::services::front::session::time_keys;

/// Longest request line.
const LONGEST_REQUEST: u64 = 64 * 1024;
/// Between two looks for new drops.
const LOOK: Duration = Duration::from_millis(100);

/// Why a lab ends.
#[derive(Debug)]
pub enum End {
    /// As it should.
    Asked(String),
    /// A part of it failed.
    Failed(String),
}

/// Serves until the lab is to end.
pub async fn serve(
    lab: Arc<Lab>,
    listener: UnixListener,
    lease: Option<UnixStream>,
    failed: &mut mpsc::UnboundedReceiver<String>,
) -> Result<End> {
    listener.set_nonblocking(true).context("the control socket")?;
    let listener = tokio::net::UnixListener::from_std(listener).context("the control socket")?;
    let (end, mut ended) = mpsc::channel(1);
    if let Some(lease) = lease {
        lease.set_nonblocking(true).context("the lease")?;
        tokio::spawn(hold_lease(TokioStream::from_std(lease).context("the lease")?, end.clone()));
    }
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.context("accepting on the control socket")?;
                let (lab, end) = (Arc::clone(&lab), end.clone());
                tokio::spawn(async move {
                    if let Err(error) = converse(&lab, stream, &end).await {
                        tracing::debug!("a control connection: {error:#}");
                    }
                });
            }
            why = ended.recv() => return Ok(End::Asked(why.unwrap_or_default())),
            why = failed.recv() => return Ok(End::Failed(why.unwrap_or_default())),
            _ = terminate.recv() => return Ok(End::Asked("SIGTERM".into())),
            _ = interrupt.recv() => return Ok(End::Asked("SIGINT".into())),
            _ = hang_up.recv() => return Ok(End::Asked("SIGHUP".into())),
        }
    }
}

/// Whoever holds a lease says nothing; the close is what counts.
async fn hold_lease(mut lease: TokioStream, end: mpsc::Sender<String>) {
    let mut byte = [0];
    while matches!(lease.read(&mut byte).await, Ok(1..)) {}
    let _ = end.send("the command that held its lease is gone".into()).await;
}

async fn converse(lab: &Arc<Lab>, stream: TokioStream, end: &mpsc::Sender<String>) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    (&mut reader).take(LONGEST_REQUEST).read_line(&mut line).await.context("reading a request")?;
    let mut stream = reader.into_inner();
    let answered = match serde_json::from_str(&line) {
        Ok(request) => answer(lab, &request, &mut stream, end).await,
        Err(error) => {
            Err(BadInput(format!("the lab can't read the request ({error}): is it of another version?")).into())
        }
    };
    if let Err(error) = answered {
        say(&mut stream, &refused(&error)).await?;
    }
    Ok(())
}

async fn answer(lab: &Arc<Lab>, request: &Request, stream: &mut TokioStream, end: &mpsc::Sender<String>) -> Result<()> {
    match request {
        Request::Ready { .. } => bail!("the lab is ready already"),
        Request::Enter { guest } => enter(lab, guest, stream).await,
        Request::Status => {
            let mut status = report::status(lab.folder.name(), &lab.world.load(), &guest_names(lab));
            flow_log::complete_status(&mut status, &lab.flow_logs);
            if let Some(health) = &lab.health {
                status["TargetHealthDescriptions"] = health.describe().into();
            }
            metrics::complete_status(&mut status, lab);
            say(stream, &Answer::Status(status)).await
        }
        Request::Trace { guest, host, port, protocol, from, call } => {
            let report = match call {
                None => trace(lab, guest, host, *port, protocol, *from)?.0,
                Some(question) => trace_call(lab, guest, question)?,
            };
            say(stream, &Answer::Trace(report)).await
        }
        Request::Decisions { guest, since } => decisions(lab, guest.as_deref(), *since, stream).await,
        Request::Drops { guest, since, follow } => drops(lab, guest.as_deref(), *since, *follow, stream).await,
        Request::Flows { guest, among } => flows(lab, guest.as_deref(), among.as_deref(), stream).await,
        Request::Capture { guest, filter, count, tls_secrets } => {
            let secrets = tls_secrets.then(|| Secrets::of(&lab.tls_secrets));
            capture(lab, guest, filter, *count, secrets, stream).await
        }
        Request::Apply { definition, file } => {
            let (lab, mut definition) = (Arc::clone(lab), definition.clone());
            // The name as written where it means the same here, for what is told of places in it.
            if std::path::absolute(&definition.file).ok().as_ref() != Some(file) {
                definition.file.clone_from(file);
            }
            let applied = tokio::task::spawn_blocking(move || apply::apply(&lab, &definition)).await;
            say(stream, &Answer::Applied(applied.context("applying")??)).await
        }
        Request::Fault { zone, down } => {
            let (lab, zone, down) = (Arc::clone(lab), zone.clone(), *down);
            let applied = tokio::task::spawn_blocking(move || apply::set_zone_down(&lab, &zone, down)).await;
            say(stream, &Answer::Applied(applied.context("injecting a fault")??)).await
        }
        Request::Api { stack } => say(stream, &Answer::Api(api_access(lab, stack)?)).await,
        Request::Down => {
            say(stream, &Answer::Ending).await?;
            end.send("it was told to".into()).await.context("ending")
        }
    }
}

/// The account of a stack and where it can ask the EC2 API.
fn api_access(lab: &Lab, stack: &str) -> Result<ApiAccess> {
    let stacks = lab.world.load().stacks();
    let Some((account, region)) = stacks.get(stack) else {
        let known: Vec<&str> = stacks.keys().map(String::as_str).collect();
        return Err(BadInput(format!("there is no stack `{stack}`: the lab's are {}", known.join(", "))).into());
    };
    let (access_key_id, secret_access_key) = root_key(account);
    let endpoint = format!("http://{}/", lab.api);
    Ok(ApiAccess { endpoint, region: region.clone(), access_key_id, secret_access_key })
}

async fn say(stream: &mut TokioStream, answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer).expect("an answer is plain data");
    line.push(b'\n');
    stream.write_all(&line).await.context("answering")
}

fn guest_names(lab: &Lab) -> Vec<GuestName> {
    lab.guests.iter().map(|guest| guest.name.clone()).collect()
}

fn find_guest<'l>(lab: &'l Lab, text: &str) -> Result<&'l Guest> {
    let names = guest_names(lab);
    let name = naming::find(&names, text).map_err(BadInput)?;
    lab.guests.iter().find(|guest| guest.instance_id == name.instance_id).context("a named guest runs")
}

/// The links of a guest; `None` when none was named, which means all.
fn wanted_links(lab: &Lab, guest: Option<&str>) -> Result<Option<Vec<LinkIndex>>> {
    guest
        .map(|guest| Ok(find_guest(lab, guest)?.links.iter().map(|(link, _)| LinkIndex(*link as u32)).collect()))
        .transpose()
}

/// Hands out a guest's namespaces.
async fn enter(lab: &Lab, guest: &str, stream: &mut TokioStream) -> Result<()> {
    let guest = find_guest(lab, guest)?;
    let answer = Answer::Entered {
        guest: guest.name.shown.clone(),
        environment: guest.environment.clone(),
        programs: guest.programs.clone(),
        drops_seen: lab.dataplane.next_drop(),
        decisions_seen: lab.access.journal.next(),
    };
    let mut line = serde_json::to_vec(&answer).expect("an answer is plain data");
    line.push(b'\n');
    say_with_fds(stream, &line, &guest.namespaces.fds()).await.context("handing out the namespaces")
}

/// Sends a line whose first bytes bring descriptors. The socket does not block, nor would a copy of it (`O_NONBLOCK` is of
/// the open file, not of the descriptor), so what finds no room waits for it here.
async fn say_with_fds(stream: &mut TokioStream, line: &[u8], descriptors: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || host::send_with_fds(&*stream, line, descriptors)).await?;
    stream.write_all(&line[sent..]).await
}

fn trace(
    lab: &Lab,
    guest: &str,
    host: &str,
    port: Option<u16>,
    protocol: &str,
    from: Option<(Ipv4Addr, u16)>,
) -> Result<(TraceReport, Option<Header>)> {
    let guest = find_guest(lab, guest)?;
    let bucket_host = host.strip_prefix("s3://").map(|bucket| format!("{bucket}.s3.{}.amazonaws.com", guest.region));
    let host = bucket_host.as_deref().unwrap_or(host);
    let mut question = TraceQuestion {
        source: guest.name.shown.clone(),
        destination: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        protocol: protocol.to_owned(),
        resolved: Vec::new(),
    };
    let addresses = match named_guest(lab, guest, host) {
        Some(address) => vec![address],
        None => match dns::addresses(&lab.zones.load(), &guest.vpc_id, host) {
            Ok(addresses) => addresses,
            Err(no_address) => return Ok((report::unresolved(question, no_address), None)),
        },
    };
    if host.parse::<Ipv4Addr>().is_err() {
        question.resolved.clone_from(&addresses);
    }
    let (Some(primary), Some(destination)) = (guest.addresses.first(), addresses.first()) else {
        bail!("guest `{}` has no address", guest.name.shown);
    };
    let (source, source_port) = from.map_or((*primary, None), |(source, port)| (source, Some(port)));
    let mut header = Header::first(protocol, source, *destination, port)
        .ok_or_else(|| BadInput(format!("`{protocol}` is no protocol that trace knows: tcp, udp or icmp")))?;
    if let Some(source_port) = source_port {
        header.source_port = source_port;
        if header.protocol == ip_protocol::ICMP {
            header.destination_port = source_port;
        }
    }
    let tables = lab.dataplane.tables();
    let link = sending_link(guest, &tables, source)?;
    let path = lab.dataplane.trace(link, &TraceQuery { header });
    Ok((report::trace(&path, question, &tables), path.arrived))
}

/// The path of a request, and what policies say of it: by the origin that the service would see, with everything as it is now.
fn trace_call(lab: &Lab, guest: &str, question: &CallQuestion) -> Result<TraceReport> {
    let call = Call::parse(&question.action, question.on.as_deref()).map_err(BadInput)?;
    let from = find_guest(lab, guest)?;
    let directory = lab.access.directory.load();
    let account = from.account.as_str();
    let signer = match &question.signer {
        Some(signer) => directory.signer(signer, account).map_err(BadInput)?,
        None if account.is_empty() => Principal::Anonymous,
        None => directory.signer_in_instance(&from.instance_id, account),
    };
    let host = call.host(&directory, &from.region);
    let (mut report, arrived) = trace(lab, guest, &host, Some(443), "tcp", None)?;
    if let Some(arrived) = arrived {
        let source = arrived.source.into();
        let way = Way::new(lab.origins.get(source).as_deref(), source, true);
        let mut ask = call.ask(&signer, &directory, &from.region);
        // What clients changed since the start counts.
        if let Some(live) = bucket_of(&ask.resource).and_then(|bucket| lab.store.bucket(bucket)) {
            ask.resource_account = Some(live.account);
            ask.resource_policy = live.policy;
        }
        ask.context.extend(time_keys());
        for (key, values) in &question.context {
            ask.context.set_all(key, values.clone());
        }
        report::decided(&mut report, directory.imagine(&signer, &way, &ask));
    }
    Ok(report)
}

async fn decisions(lab: &Lab, guest: Option<&str>, since: u64, stream: &mut TokioStream) -> Result<()> {
    let wanted = guest.map(|guest| find_guest(lab, guest)).transpose()?;
    for record in lab.access.journal.since(since) {
        let of_guest = |guest: &Guest| {
            // Over the internet a service knows an address, and no instance.
            record.instance_id.as_ref().is_none_or(|id| *id == guest.instance_id)
        };
        if wanted.is_none_or(of_guest) {
            let line = DecisionLine { number: record.number, guest: record.guest, report: record.report };
            say(stream, &Answer::Decision(line)).await?;
        }
    }
    say(stream, &Answer::End).await
}

/// The link whose interface has the address; else the primary one, which every packet leaves by that no other claims.
fn sending_link(guest: &Guest, tables: &Tables, source: Ipv4Addr) -> Result<LinkIndex> {
    let links: Vec<LinkIndex> = guest.links.iter().map(|(link, _)| LinkIndex(*link as u32)).collect();
    let has = |link: &&LinkIndex| {
        let interface = report::interface_of(tables, **link).and_then(|index| tables.interfaces.get(index.at()));
        interface.is_some_and(|interface| interface.addresses.contains(&source))
    };
    links.iter().find(has).or(links.first()).copied().context("a guest has a link")
}

/// The primary address of the guest that a destination names, as the sender would write it: the private one, but on the
/// internet the public one where there is one. A name of no guest, or of several, is a host's.
fn named_guest(lab: &Lab, from: &Guest, host: &str) -> Option<Ipv4Addr> {
    let guest = find_guest(lab, host).ok()?;
    let private = guest.addresses.first().copied()?;
    let tables = lab.dataplane.tables();
    let public = || {
        let (link, _) = guest.links.first()?;
        tables.internet.public_address(report::interface_of(&tables, LinkIndex(*link as u32))?, private)
    };
    if from.vpc_id == naming::INTERNET { public().or(Some(private)) } else { Some(private) }
}

async fn flows(lab: &Lab, guest: Option<&str>, among: Option<&[PacketHeader]>, stream: &mut TokioStream) -> Result<()> {
    let wanted = wanted_links(lab, guest)?;
    let among: Option<HashSet<&PacketHeader>> = among.map(|packets| packets.iter().collect());
    let tables = lab.dataplane.tables();
    for record in lab.dataplane.flows() {
        let of_guest = |links: &Vec<LinkIndex>| links.contains(&record.ingress) || links.contains(&record.egress);
        let opened_so = |packets: &HashSet<&PacketHeader>| packets.contains(&report::opened_by(&record));
        if wanted.as_ref().is_none_or(of_guest) && among.as_ref().is_none_or(opened_so) {
            say(stream, &Answer::Flow(report::flow_line(&record, &tables, &lab.links))).await?;
        }
    }
    say(stream, &Answer::End).await
}

async fn drops(lab: &Lab, guest: Option<&str>, mut since: u64, follow: bool, stream: &mut TokioStream) -> Result<()> {
    let wanted = wanted_links(lab, guest)?;
    loop {
        let tables = lab.dataplane.tables();
        for record in lab.dataplane.drops(since) {
            since = record.number + 1;
            if wanted.as_ref().is_none_or(|links| concerns(&record, links)) {
                say(stream, &Answer::Drop(report::drop_line(&record, &tables, &lab.links))).await?;
            }
        }
        if !follow {
            return say(stream, &Answer::End).await;
        }
        if closed_within(stream, LOOK).await {
            return Ok(());
        }
    }
}

/// A drop is of interest to who sent the packet, and to whom it was an answer.
fn concerns(record: &DropRecord, links: &[LinkIndex]) -> bool {
    links.contains(&record.ingress) || record.answers.is_some_and(|link| links.contains(&link))
}

/// Waits; whether the other side closed the connection meanwhile.
async fn closed_within(stream: &mut TokioStream, time: Duration) -> bool {
    let mut byte = [0];
    matches!(tokio::time::timeout(time, stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
}

async fn capture(
    lab: &Lab,
    guest: &str,
    filter: &str,
    count: Option<u64>,
    mut secrets: Option<Secrets>,
    stream: &mut TokioStream,
) -> Result<()> {
    let guest = find_guest(lab, guest)?;
    let filter = Filter::parse(filter).map_err(BadInput)?;
    let links: Vec<(usize, String)> =
        guest.links.iter().map(|(link, _)| (*link, lab.links.0.get(*link).cloned().unwrap_or_default())).collect();
    let numbers: Vec<usize> = links.iter().map(|(link, _)| *link).collect();
    let mut bytes = PcapngBytes::new(&links)?;
    let mut listener = lab.captures.listen(&numbers);
    say(stream, &Answer::Capturing).await?;
    let (mut reader, mut writer) = stream.split();
    let mut left = count.unwrap_or(u64::MAX);
    let mut byte = [0];
    if let Some(secrets) = &mut secrets {
        bytes.add_secrets(&secrets.kept())?;
    }
    writer.write_all(&bytes.take()).await.context("starting the capture")?;
    let mut ending = false;
    while left > 0 {
        let captured = if ending {
            listener.try_next()
        } else {
            tokio::select! {
                // The other side says nothing more: its end means that what was copied so far is wanted, and no more.
                _ = reader.read(&mut byte) => {
                    ending = true;
                    continue;
                }
                captured = listener.next() => captured,
            }
        };
        let Some((frame, lost)) = captured else { return Ok(()) };
        if filter.passes(&frame.bytes) {
            if let Some(secrets) = &mut secrets {
                bytes.add_secrets(&secrets.before(&frame).await)?;
            }
            bytes.add(frame, lost)?;
            left -= 1;
            writer.write_all(&bytes.take()).await.context("writing the capture")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn descriptors_go_out_with_a_line_of_any_length() {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        // Other answers fill the socket first, so that already the first byte has to wait.
        let mut before = 0;
        while let Ok(sent) = (&here).write(&[b' '; 4096]) {
            before += sent;
        }
        assert_ne!(before, 0);
        let mut here = TokioStream::from_std(here).unwrap();
        let line = vec![b'x'; 3 << 20];
        let whole = before + line.len();
        let reader = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(100));
            let (mut received, mut descriptors, mut chunk) = (0, 0, vec![0; 64 * 1024]);
            while received < whole {
                let (len, came) = host::recv_with_fds(&there, &mut chunk).unwrap();
                assert_ne!(len, 0, "it ended after {received} of {whole}");
                received += len;
                descriptors += came.len();
            }
            descriptors
        });
        let file = std::fs::File::open("/dev/null").unwrap();
        say_with_fds(&mut here, &line, &[file.as_fd(), file.as_fd()]).await.unwrap();
        assert_eq!(reader.await.unwrap(), 2);
    }
}
