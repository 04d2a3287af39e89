//! `vpclab __probe`: sends single packets from inside a guest, as `vpclab test` asks it to.
//!
//! **Purpose.** A packet proves more than a walk through tables. This one is sent by the guest's own kernel: a TCP connect, a
//! UDP datagram, a ping, or a question to the resolver.
//!
//! **Identity.** An errand has a number. Before anything is sent, its port (of a ping, its identifier) is said, so that
//! whoever watches the lab can tell the packet from all others.
//!
//! **Life.** Errands come as lines of JSON on standard input, news go out on standard output; all errands run at once. One
//! ends when something came back, when its socket failed, or when it is told to stop. The end of the input ends it all.
//!
//! **Time.** What is not answered is sent again every [`AGAIN`] (TCP: by the kernel). Whoever asked decides how long to wait.
//!
//! **Not done.** It judges nothing: an answer is an answer, a TCP reset among them.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, bind, socket};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::timeout;

use crate::packet::protocol;
use crate::run::protocol::PacketHeader;

/// Sends packets for `vpclab test`.
#[derive(Debug, Args)]
pub struct Arguments {}

/// What is asked, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Of this number news will speak.
    pub number: usize,
    /// What to do.
    pub task: Task,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Ask the guest's resolver for a name's addresses.
    Resolve(String),
    /// Send a packet.
    Send {
        /// IP protocol: TCP, UDP or ICMP.
        protocol: u8,
        /// One of the guest's own addresses.
        source: Ipv4Addr,
        /// Where to.
        destination: Ipv4Addr,
        /// Destination port, where the protocol has ports.
        port: u16,
    },
    /// Send nothing more for this number.
    Stop,
}

/// What happened, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Whose.
    pub number: usize,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The packet that is sent next.
    Sending(PacketHeader),
    /// The name's addresses.
    Addresses(Vec<Ipv4Addr>),
    /// The name has no address: `NXDOMAIN`, `REFUSED` or `NODATA`.
    NoAddress(String),
    /// Something came back: a connection or its refusal, an echo, a datagram, word that nobody listens.
    Answered,
    /// The socket failed.
    Failed(String),
}

/// Between two sendings of what is not answered.
const AGAIN: Duration = Duration::from_secs(1);
/// Errands that wait to be taken up; a further one waits in the pipe.
const WAITING: usize = 64;

/// Runs the verb.
pub fn run(_arguments: Arguments) -> Result<u8> {
    let (sender, errands) = mpsc::channel(WAITING);
    std::thread::Builder::new()
        .name("errands".into())
        .spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(serde_json::from_str::<Errand>(&line)).is_err() {
                    return;
                }
            }
        })
        .context("starting the thread that reads errands")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    LocalSet::new().block_on(&runtime, attend(errands))?;
    Ok(0)
}

async fn attend(mut errands: mpsc::Receiver<serde_json::Result<Errand>>) -> Result<()> {
    let mut running: HashMap<usize, AbortHandle> = HashMap::new();
    while let Some(errand) = errands.recv().await {
        let Errand { number, task } = errand.context("reading an errand")?;
        if task == Task::Stop {
            if let Some(errand) = running.remove(&number) {
                errand.abort();
            }
            continue;
        }
        let errand = tokio::task::spawn_local(async move {
            let event = perform(number, task).await.unwrap_or_else(|error| Event::Failed(format!("{error:#}")));
            say(number, event);
        });
        running.insert(number, errand.abort_handle());
    }
    Ok(())
}

/// Whoever listens is gone when this fails, and then the input ends, too.
fn say(number: usize, event: Event) {
    let mut line = serde_json::to_vec(&News { number, event }).expect("news are plain data");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

async fn perform(number: usize, task: Task) -> Result<Event> {
    match task {
        Task::Resolve(name) => resolve(number, &name).await,
        Task::Send { protocol: protocol::TCP, source, destination, port } => {
            connect(number, source, SocketAddrV4::new(destination, port)).await
        }
        Task::Send { protocol: protocol::UDP, source, destination, port } => {
            let socket = UdpSocket::bind((source, 0)).await.context("binding a UDP socket")?;
            let payload = if port == 53 { question(Name::root(), RecordType::NS)? } else { b"vpclab".to_vec() };
            ask(number, &socket, SocketAddrV4::new(destination, port), protocol::UDP, &payload).await?;
            Ok(Event::Answered)
        }
        Task::Send { protocol: protocol::ICMP, source, destination, .. } => {
            let socket = ping_socket(source).context("opening a socket for ping")?;
            ask(number, &socket, SocketAddrV4::new(destination, 0), protocol::ICMP, &ECHO_REQUEST).await?;
            Ok(Event::Answered)
        }
        Task::Send { protocol, .. } => bail!("IP protocol {protocol} can't be sent"),
        Task::Stop => bail!("there is nothing to stop"),
    }
}

async fn connect(number: usize, source: Ipv4Addr, to: SocketAddrV4) -> Result<Event> {
    let socket = TcpSocket::new_v4().context("opening a TCP socket")?;
    socket.bind((source, 0).into()).context("binding a TCP socket")?;
    announce(number, protocol::TCP, socket.local_addr()?, to);
    match socket.connect(to.into()).await {
        Ok(_) => Ok(Event::Answered),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Event::Answered),
        Err(error) => Err(error.into()),
    }
}

/// Sends a datagram until something comes back, and returns that; nothing when what came is that nobody listens.
async fn ask(number: usize, socket: &UdpSocket, to: SocketAddrV4, protocol: u8, payload: &[u8]) -> Result<Vec<u8>> {
    socket.connect(to).await?;
    announce(number, protocol, socket.local_addr()?, to);
    let mut buffer = vec![0; 4096];
    loop {
        let length = match socket.send(payload).await {
            Ok(_) => timeout(AGAIN, socket.recv(&mut buffer)).await,
            Err(error) => Ok(Err(error)),
        };
        match length {
            Ok(Ok(length)) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
}

fn announce(number: usize, protocol: u8, from: SocketAddr, to: SocketAddrV4) {
    let SocketAddr::V4(from) = from else { return };
    let destination_port = if protocol == protocol::ICMP { from.port() } else { to.port() };
    say(
        number,
        Event::Sending(PacketHeader {
            protocol,
            source: *from.ip(),
            source_port: from.port(),
            destination: *to.ip(),
            destination_port,
        }),
    );
}

/// Type 8, code 0; checksum and identifier are the kernel's (icmp(7)); sequence number 1, and a few bytes to carry.
const ECHO_REQUEST: [u8; 16] = [8, 0, 0, 0, 0, 0, 0, 1, b'v', b'p', b'c', b'l', b'a', b'b', 0, 0];

/// A socket for echo requests, which needs no privilege where `ping_group_range` allows it, as it does in guests. Its "port"
/// is the identifier.
fn ping_socket(source: Ipv4Addr) -> Result<UdpSocket> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, SockProtocol::Icmp)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
    Ok(UdpSocket::from_std(socket.into())?)
}

/// Asks the resolver that the guest is told to ask.
async fn resolve(number: usize, name: &str) -> Result<Event> {
    let told = std::fs::read_to_string("/etc/resolv.conf").context("reading /etc/resolv.conf")?;
    let server = told.lines().find_map(|line| line.strip_prefix("nameserver ")?.trim().parse::<Ipv4Addr>().ok());
    let server = server.context("/etc/resolv.conf names no IPv4 resolver")?;
    let mut name = Name::from_ascii(name).with_context(|| format!("`{name}` is no domain name"))?;
    name.set_fqdn(true);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.context("binding a UDP socket")?;
    let question = question(name, RecordType::A)?;
    let answer = ask(number, &socket, SocketAddrV4::new(server, 53), protocol::UDP, &question).await?;
    let answer = Message::from_vec(&answer).context("reading the resolver's answer")?;
    let addresses: Vec<Ipv4Addr> = answer
        .answers
        .iter()
        .filter_map(|it| if let RData::A(address) = &it.data { Some(address.0) } else { None })
        .collect();
    Ok(match answer.metadata.response_code {
        _ if !addresses.is_empty() => Event::Addresses(addresses),
        ResponseCode::NXDomain => Event::NoAddress("NXDOMAIN".into()),
        ResponseCode::Refused => Event::NoAddress("REFUSED".into()),
        _ => Event::NoAddress("NODATA".into()),
    })
}

fn question(name: Name, record_type: RecordType) -> Result<Vec<u8>> {
    let mut message = Message::new(1, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record_type));
    message.to_vec().context("writing a question to the resolver")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_and_its_news_are_a_line_each() {
        let errand = Errand { number: 7, task: Task::Resolve("s3.amazonaws.com".into()) };
        let line = serde_json::to_string(&errand).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Errand>(&line).unwrap(), errand);
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_answer() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let task =
            Task::Send { protocol: protocol::TCP, source: Ipv4Addr::LOCALHOST, destination: Ipv4Addr::LOCALHOST, port };
        assert_eq!(perform(1, task).await.unwrap(), Event::Answered);
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let task =
            Task::Send { protocol: protocol::UDP, source: Ipv4Addr::LOCALHOST, destination: Ipv4Addr::LOCALHOST, port };
        assert_eq!(perform(2, task).await.unwrap(), Event::Answered, "nobody listens, says ICMP");
    }
}
