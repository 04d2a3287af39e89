//! This program inside a guest: ordinary sockets that listen, and ordinary sockets that send.
//!
//! One process plays both parts. It listens on every port that any packet may go to (TCP connects are accepted and their first
//! bytes read, datagrams are sent back, the kernel answers pings), and on a line of JSON on its standard input it sends a
//! batch at once: TCP connects, datagrams and pings, each from a port of its own and with a number in it. Who receives
//! writes down number and source address, so that an arrival is told apart even behind NAT.
//!
//! A packet socket looks on for what sockets can't tell: which sequence number a SYN of ours had (with it, the receiver's
//! own packet socket knows a SYN whose answer never came back), and what arrives at an appliance, where no socket has
//! the destination's address.
//!
//! One thread, one `poll`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, listen, recv,
    sendto, setsockopt, socket, sockopt,
};
use serde::{Deserialize, Serialize};

use super::generate::PORTS;
use super::lab::Protocol;

/// What is asked of a guest.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Sends all of it now and says after so many milliseconds what was answered.
    Send(Vec<Shot>, u64),
    /// Says what was seen since the last report.
    Report,
}

/// A packet to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shot {
    /// Its number, which is nobody else's in the lab.
    pub id: u32,
    pub to: Ipv4Addr,
    pub protocol: String,
    pub port: u16,
    /// From which port.
    pub from_port: u16,
}

/// What became of packets that were sent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answers {
    /// By number: `yes`, or what came instead.
    pub answers: BTreeMap<u32, String>,
    /// By number: the sequence number of its SYN.
    pub sequences: BTreeMap<u32, u32>,
}

/// Something that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The packet's number, or its SYN's sequence number.
    pub key: Key,
    pub protocol: String,
    pub source: Ipv4Addr,
    /// The address that it was for.
    pub destination: Ipv4Addr,
    /// Whether a socket of its protocol received it; else only the packet socket did.
    pub by_socket: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    Number(u32),
    Sequence(u32),
}

/// What tells our datagrams and pings from others.
const MAGIC: &[u8; 4] = b"VPCL";
/// Bytes of a number on the wire: magic and number.
const NUMBERED: usize = 8;

fn numbered(id: u32) -> [u8; NUMBERED] {
    let [a, b, c, d] = id.to_be_bytes();
    [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], a, b, c, d]
}

fn number_in(payload: &[u8]) -> Option<u32> {
    let rest = payload.strip_prefix(MAGIC)?;
    Some(u32::from_be_bytes(rest.get(..4)?.try_into().ok()?))
}

/// Plays the part until standard input ends.
pub fn play() -> ExitCode {
    match Helper::new().and_then(|mut helper| helper.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Helper {
    own_address: Ipv4Addr,
    own_mac: [u8; 6],
    input: Vec<u8>,
    sniffer: OwnedFd,
    icmp: OwnedFd,
    receivers: Vec<UdpSocket>,
    listeners: Vec<TcpListener>,
    /// Connections that were accepted, from whom, and whether their number came. Kept open to the end, so that no RST of
    /// ours mixes in.
    accepted: Vec<(TcpStream, Ipv4Addr, bool)>,
    /// Those of ours that were made; kept open, too.
    finished: Vec<TcpStream>,
    connecting: Vec<(Shot, TcpStream)>,
    datagrams: Vec<(Shot, UdpSocket)>,
    pings: Vec<Shot>,
    deadline: Option<Instant>,
    answers: Answers,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy)]
enum Ready {
    Input,
    Sniffer,
    Icmp,
    Receiver(usize),
    Listener(usize),
    Accepted(usize),
    Connecting(usize),
    Datagram(usize),
}

impl Helper {
    fn new() -> Result<Self> {
        // A guest that forwarded would send on what it should only look at.
        let _ = std::fs::write("/proc/sys/net/ipv4/ip_forward", "0");
        let mac = std::fs::read_to_string("/sys/class/net/eth0/address").context("the address of eth0")?;
        let bytes: Vec<u8> = mac.trim().split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        let sniffer = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::EthAll)
            .context("a packet socket")?;
        setsockopt(&sniffer, sockopt::RcvBuf, &(8 << 20)).context("its buffer")?;
        let icmp = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::Icmp)
            .context("a raw ICMP socket")?;
        setsockopt(&icmp, sockopt::Broadcast, &true)?;
        let mut receivers = Vec::new();
        let mut listeners = Vec::new();
        for port in PORTS {
            let receiver =
                UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).with_context(|| format!("UDP port {port}"))?;
            receiver.set_nonblocking(true)?;
            receivers.push(receiver);
            listeners.push(listener(port).with_context(|| format!("TCP port {port}"))?);
        }
        Ok(Self {
            own_address: own_address()?,
            own_mac: bytes.try_into().ok().context("six bytes of a MAC address")?,
            input: Vec::new(),
            sniffer,
            icmp,
            receivers,
            listeners,
            accepted: Vec::new(),
            finished: Vec::new(),
            connecting: Vec::new(),
            datagrams: Vec::new(),
            pings: Vec::new(),
            deadline: None,
            answers: Answers::default(),
            seen: Vec::new(),
        })
    }

    fn run(&mut self) -> Result<()> {
        say("ready")?;
        loop {
            let mut ended = false;
            for ready in self.wait()? {
                match ready {
                    Ready::Input => ended |= !self.read_orders()?,
                    Ready::Sniffer => self.sniff(),
                    Ready::Icmp => self.take_icmp(),
                    Ready::Receiver(place) => self.take_datagrams(place),
                    Ready::Listener(place) => self.accept(place),
                    Ready::Accepted(place) => self.read_number(place),
                    Ready::Connecting(place) => self.connected(place),
                    Ready::Datagram(place) => self.take_echo(place),
                }
            }
            if ended {
                return Ok(());
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.finish()?;
            }
        }
    }

    /// What is ready; each at most once.
    fn wait(&self) -> Result<Vec<Ready>> {
        let mut who = vec![Ready::Input, Ready::Sniffer, Ready::Icmp];
        let stdin = std::io::stdin();
        let mut fds: Vec<(BorrowedFd<'_>, PollFlags)> = vec![
            (stdin.as_fd(), PollFlags::POLLIN),
            (self.sniffer.as_fd(), PollFlags::POLLIN),
            (self.icmp.as_fd(), PollFlags::POLLIN),
        ];
        let mut add = |ready, fd, flags| {
            who.push(ready);
            fds.push((fd, flags));
        };
        for (place, it) in self.receivers.iter().enumerate() {
            add(Ready::Receiver(place), it.as_fd(), PollFlags::POLLIN);
        }
        for (place, it) in self.listeners.iter().enumerate() {
            add(Ready::Listener(place), it.as_fd(), PollFlags::POLLIN);
        }
        for (place, (it, _, done)) in self.accepted.iter().enumerate() {
            if !done {
                add(Ready::Accepted(place), it.as_fd(), PollFlags::POLLIN);
            }
        }
        for (place, (shot, it)) in self.connecting.iter().enumerate() {
            if !self.answers.answers.contains_key(&shot.id) {
                add(Ready::Connecting(place), it.as_fd(), PollFlags::POLLOUT);
            }
        }
        for (place, (_, it)) in self.datagrams.iter().enumerate() {
            add(Ready::Datagram(place), it.as_fd(), PollFlags::POLLIN);
        }
        let mut polled: Vec<PollFd<'_>> = fds.into_iter().map(|(fd, flags)| PollFd::new(fd, flags)).collect();
        let timeout = match self.deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now()).as_millis() + 1;
                PollTimeout::try_from(left as u32).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => bail!("poll: {error}"),
        }
        let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        Ok(polled.iter().zip(who).filter(|(fd, _)| ready(fd)).map(|(_, who)| who).collect())
    }

    /// Takes orders; `false` at the end of input.
    fn read_orders(&mut self) -> Result<bool> {
        let mut buffer = [0; 16 << 10];
        let len = std::io::stdin().lock().read(&mut buffer)?;
        self.input.extend_from_slice(&buffer[..len]);
        while let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            match serde_json::from_slice(&line).context("an order")? {
                Order::Send(shots, wait_ms) => {
                    for shot in shots {
                        self.send(shot);
                    }
                    self.deadline = Some(Instant::now() + Duration::from_millis(wait_ms));
                }
                Order::Report => {
                    self.sniff();
                    say(&serde_json::to_string(&std::mem::take(&mut self.seen))?)?;
                }
            }
        }
        Ok(len > 0)
    }

    /// What can't be sent, because the kernel refuses, is not answered.
    fn send(&mut self, shot: Shot) {
        let sent = match shot.protocol.as_str() {
            "tcp" => connect_from(&shot).map(|stream| self.connecting.push((shot.clone(), stream))),
            "udp" => datagram_from(&shot).map(|socket| self.datagrams.push((shot.clone(), socket))),
            _ => self.ping(&shot).map(|()| self.pings.push(shot.clone())),
        };
        if let Err(error) = sent {
            self.answers.answers.insert(shot.id, format!("not sent: {error:#}"));
        }
    }

    fn ping(&self, shot: &Shot) -> Result<()> {
        let mut echo = [8, 0, 0, 0, 0, 0, 0, 1].to_vec();
        echo[4..6].copy_from_slice(&shot.from_port.to_be_bytes());
        echo.extend_from_slice(&numbered(shot.id));
        let mut sum: u32 = echo.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        echo[2..4].copy_from_slice(&(!sum as u16).to_be_bytes());
        let to = SockaddrIn::from(SocketAddrV4::new(shot.to, 0));
        sendto(self.icmp.as_raw_fd(), &echo, &to, MsgFlags::empty()).context("sending")?;
        Ok(())
    }

    /// Says what was answered, and is ready for another batch.
    fn finish(&mut self) -> Result<()> {
        self.sniff();
        self.deadline = None;
        // A connection that was not made must not go on trying.
        for (shot, stream) in self.connecting.drain(..) {
            if self.answers.answers.get(&shot.id).is_some_and(|answer| answer == "yes") {
                self.finished.push(stream);
            }
        }
        self.datagrams.clear();
        self.pings.clear();
        say(&serde_json::to_string(&std::mem::take(&mut self.answers))?)
    }

    fn answer(&mut self, id: u32, answer: impl Into<String>) {
        self.answers.answers.entry(id).or_insert_with(|| answer.into());
    }

    fn connected(&mut self, place: usize) {
        let (shot, stream) = &self.connecting[place];
        let id = shot.id;
        let answer = match stream.take_error() {
            Ok(None) => {
                let _ = (&*stream).write_all(&numbered(id));
                "yes".to_owned()
            }
            Ok(Some(error)) | Err(error) => error.to_string(),
        };
        self.answer(id, answer);
    }

    fn accept(&mut self, place: usize) {
        while let Ok((stream, SocketAddr::V4(peer))) = self.listeners[place].accept() {
            if stream.set_nonblocking(true).is_ok() {
                self.accepted.push((stream, *peer.ip(), false));
            }
        }
    }

    fn read_number(&mut self, place: usize) {
        let (stream, peer, done) = &mut self.accepted[place];
        let mut bytes = [0; NUMBERED];
        // So few bytes come at once or not at all.
        let _ = stream.read(&mut bytes);
        *done = true;
        let (peer, address) = (*peer, stream.local_addr());
        if let (Some(id), Ok(SocketAddr::V4(address))) = (number_in(&bytes), address) {
            self.see(Key::Number(id), "tcp", peer, *address.ip(), true);
        }
    }

    fn take_datagrams(&mut self, place: usize) {
        let mut bytes = [0; 64];
        while let Ok((len, SocketAddr::V4(from))) = self.receivers[place].recv_from(&mut bytes) {
            let Some(id) = number_in(&bytes[..len]) else { continue };
            // The kernel itself hands a broadcast to its own sockets.
            if *from.ip() == self.own_address {
                continue;
            }
            self.see(Key::Number(id), "udp", *from.ip(), self.own_address, true);
            let _ = self.receivers[place].send_to(&bytes[..len], from);
        }
    }

    fn take_echo(&mut self, place: usize) {
        let (shot, socket) = &self.datagrams[place];
        let (id, to) = (shot.id, shot.to);
        let mut bytes = [0; 2048];
        let answer = match socket.recv_from(&mut bytes) {
            // A name server's answer has no number of ours, but no other comes to this port either.
            Ok((len, from)) if from.ip() == to && (shot.port == 53 || number_in(&bytes[..len]) == Some(id)) => {
                "yes".to_owned()
            }
            Ok((_, from)) => format!("an answer from {from}"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(error) => error.to_string(),
        };
        self.answer(id, answer);
    }

    fn take_icmp(&mut self) {
        let mut bytes = [0; 2048];
        while let Ok(len) = recv(self.icmp.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            let Some(ip) = Ip::of(&bytes[..len]) else { continue };
            let Some(id) = ip.payload.get(8..).and_then(number_in) else { continue };
            match ip.payload[0] {
                8 if ip.source == self.own_address => {} // a broadcast, handed back by the kernel
                8 => self.see(Key::Number(id), "icmp", ip.source, ip.destination, true),
                0 if self.pings.iter().any(|shot| shot.id == id && shot.to == ip.source) => self.answer(id, "yes"),
                0 if self.pings.iter().any(|shot| shot.id == id) => {
                    self.answer(id, format!("an answer from {}", ip.source));
                }
                _ => {}
            }
        }
    }

    fn sniff(&mut self) {
        let mut bytes = [0; 2048];
        while let Ok(len) = recv(self.sniffer.as_raw_fd(), &mut bytes, MsgFlags::MSG_TRUNC) {
            let frame = &bytes[..len.min(bytes.len())];
            if frame.len() < 34 || frame[12..14] != [8, 0] {
                continue;
            }
            let Some(ip) = Ip::of(&frame[14..]) else { continue };
            // What a route sends back to its sender is from and to the same.
            if frame[..6] == self.own_mac {
                self.sniff_arrival(&ip);
            } else if frame[6..12] == self.own_mac {
                self.sniff_own(&ip);
            }
        }
    }

    fn sniff_own(&mut self, ip: &Ip<'_>) {
        let Some(sequence) = ip.syn() else { return };
        let port = u16::from_be_bytes([ip.payload[0], ip.payload[1]]);
        let sent = self.connecting.iter().find(|(shot, _)| shot.from_port == port && shot.to == ip.destination);
        if let Some((shot, _)) = sent {
            self.answers.sequences.insert(shot.id, sequence);
        }
    }

    fn sniff_arrival(&mut self, ip: &Ip<'_>) {
        let (key, protocol) = match (ip.protocol, ip.syn()) {
            (6, Some(sequence)) => (Some(Key::Sequence(sequence)), "tcp"),
            // A question to a name server has our number in its own.
            (17, _) if ip.payload[2..4] == [0, 53] => {
                let id = ip.payload.get(8..10).map(|id| u16::from_be_bytes([id[0], id[1]]).into());
                (id.map(Key::Number), "udp")
            }
            (17, _) if !ip.is_reply() => (ip.payload.get(8..).and_then(number_in).map(Key::Number), "udp"),
            (1, _) if ip.payload[0] == 8 => (ip.payload.get(8..).and_then(number_in).map(Key::Number), "icmp"),
            _ => (None, ""),
        };
        if let Some(key) = key {
            self.see(key, protocol, ip.source, ip.destination, false);
        }
    }

    fn see(&mut self, key: Key, protocol: &str, source: Ipv4Addr, destination: Ipv4Addr, by_socket: bool) {
        let seen = Seen { key, protocol: protocol.into(), source, destination, by_socket };
        if !self.seen.contains(&seen) {
            self.seen.push(seen);
        }
    }
}

/// An IPv4 packet, as far as it matters here.
struct Ip<'b> {
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    /// At least 8 bytes.
    payload: &'b [u8],
}

impl<'b> Ip<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let header = usize::from(bytes.first()? & 15) * 4;
        let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
        let payload = bytes.get(header..).filter(|payload| payload.len() >= 8)?;
        Some(Self { protocol: *bytes.get(9)?, source: address(12)?, destination: address(16)?, payload })
    }

    /// The sequence number of a SYN without ACK.
    fn syn(&self) -> Option<u32> {
        let flags = *self.payload.get(13)?;
        let sequence = u32::from_be_bytes(self.payload.get(4..8)?.try_into().ok()?);
        (self.protocol == 6 && flags & 0x12 == 0x02).then_some(sequence)
    }

    /// Whether it comes from one of the ports that only receivers have.
    fn is_reply(&self) -> bool {
        PORTS.contains(&u16::from_be_bytes([self.payload[0], self.payload[1]]))
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The address that the kernel sends from; nothing is sent to learn it.
fn own_address() -> Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).context("the guest's own route")?;
    match socket.local_addr()? {
        SocketAddr::V4(own) => Ok(*own.ip()),
        SocketAddr::V6(own) => bail!("{own} is no IPv4 address"),
    }
}

fn listener(port: u16) -> Result<TcpListener> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))?;
    listen(&fd, Backlog::new(128)?)?;
    Ok(TcpListener::from(fd))
}

fn connect_from(shot: &Shot) -> Result<TcpStream> {
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).context("a socket")?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, shot.from_port)))
        .context("bind")?;
    match connect(fd.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(shot.to, shot.port))) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(error) => bail!("connect: {error}"),
    }
}

fn datagram_from(shot: &Shot) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, shot.from_port)).context("a socket")?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    let payload = if shot.port == 53 { question(shot.id) } else { numbered(shot.id).to_vec() };
    socket.send_to(&payload, (shot.to, shot.port)).context("sending")?;
    Ok(socket)
}

/// A question to a name server, RFC 1035: A of example.internal.
fn question(id: u32) -> Vec<u8> {
    let mut message = (id as u16).to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in ["example", "internal", ""] {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.extend([0, 1, 0, 1]);
    message
}

impl Shot {
    pub fn new(id: u32, to: Ipv4Addr, protocol: Protocol, port: u16, from_port: u16) -> Self {
        Self { id, to, protocol: protocol.name().into(), port, from_port }
    }
}
