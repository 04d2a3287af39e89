//! Checksums, looked at by a receiver of our own: every frame that a guest receives is summed up by hand.
//!
//! A kernel believes a partial checksum that arrives on a TAP, so a wrong one would go unnoticed until a wire showed it.
//! The receiver reads raw frames (AF_PACKET, before the kernel's own look) in both guests, while a client sends small,
//! odd-sized and super-sized segments and datagrams through an interface endpoint and a load balancer, and compares what
//! comes back byte by byte. A round with the guests' offloads off follows: there the kernel checks as well.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};
use serde::{Deserialize, Serialize};
use vpclab::packet::{Fragment, Packet, Parsed, parse, protocol};

use super::harness::*;

/// Where the balanced service listens: not HTTP, so `vpclab echo` sends back what comes.
const PORT: u16 = 7;
/// A datagram to this port of the loopback ends a receiver.
const STOP: u16 = 9;

const LAB: &str = "name: offload
stacks:
  provider: {template: provider.yaml, account: \"111111111111\"}
  consumer: {template: consumer.yaml, account: \"222222222222\", parameters: {ServiceName: \"${provider.ServiceName}\"}}
";

/// What a receiver saw.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// The field holds the sum over header and data.
    complete: u64,
    /// The field holds the sum over the pseudo header, for somebody else to go on.
    partial: u64,
    /// UDP without a checksum.
    without: u64,
    /// Longer than the MTU.
    super_sized: u64,
    /// Neither, in text notation.
    wrong: Vec<String>,
}

pub fn checksums_are_right(stage: &Stage) -> Result<()> {
    let opened = |template: &str| template.replace("IpProtocol: tcp, FromPort: 80, ToPort: 80", "IpProtocol: \"-1\"");
    let provider = opened(include_str!("../examples/private-service/provider.yaml"))
        .replace("Protocol: TCP, Port: 80", "Protocol: TCP_UDP, Port: 7")
        .replace("Protocol: TCP\n      Port: 80", "Protocol: TCP_UDP\n      Port: 7")
        .replace("--listen 0.0.0.0:80", "--listen 0.0.0.0:7")
        .replace("{Type: String, AllowedPattern: \"[0-9]{12}\"}", "{Type: String, Default: \"222222222222\"}");
    // Were the parties' addresses the same ones swapped, the sum would stay as it was and a forgotten update would pass.
    let addressed = provider.contains("PrivateIpAddress: 10.0.1.20") && provider.contains("10.0.1.100");
    let changed = provider.matches("TCP_UDP").count() == 2 && provider.contains("0.0.0.0:7 ") && addressed;
    ensure!(changed, "the example's shape is known here");
    stage.write("provider.yaml", &provider)?;
    stage.write("consumer.yaml", &opened(include_str!("../examples/private-service/consumer.yaml")))?;
    stage.write("lab.yaml", LAB)?;
    copy_program(&std::env::current_exe()?, &stage.path().join("story-program"))?;
    let lab = stage.up("offload", &["lab.yaml"])?;

    let [client, server] = until_super_segments(stage, &lab).context("as the kernel would have it")?;
    ensure!(client.complete + client.partial > 50 && server.complete + server.partial > 50, "{client:?} {server:?}");
    if stage.setting.plain_links {
        ensure!(client.partial + server.partial + server.super_sized == 0, "a plain link knows neither: {server:?}");
    } else {
        ensure!(client.partial > 0 && server.partial > 0, "offload is on: {client:?} {server:?}");
        ensure!(client.super_sized > 0 && server.super_sized > 0, "super-segments cross: {client:?} {server:?}");
    }

    for guest in ["client", "server"] {
        let off = ["ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off"];
        lab.exec(guest, &off)?.ok().context("turning offloads off")?;
    }
    let [client, server] = round(stage, &lab).context("with the guests' offloads off")?;
    ensure!(client.partial + server.partial == 0, "every checksum is complete: {client:?} {server:?}");
    ensure!(client.super_sized + server.super_sized == 0, "no super-segments: {client:?} {server:?}");
    for guest in ["client", "server"] {
        ensure!(kernels_complaints(&lab, guest)? == 0, "the kernel of {guest} found wrong checksums");
    }
    Ok(())
}

/// Talks until either guest has received a super-segment, at most five times: how much of its answer the server's kernel sends
/// at once is a matter of who runs when. Plain links know none.
fn until_super_segments(stage: &Stage, lab: &Lab) -> Result<[Seen; 2]> {
    let mut seen = round(stage, lab)?;
    for _ in 0..4 {
        if stage.setting.plain_links || seen.iter().all(|seen| seen.super_sized > 0) {
            break;
        }
        seen = round(stage, lab)?;
    }
    Ok(seen)
}

/// Talks once, with a receiver in either guest; what they saw, client's first.
fn round(stage: &Stage, lab: &Lab) -> Result<[Seen; 2]> {
    let name = lab.endpoint("Endpoint")?["dns_names"][0].as_str().context("a name")?.to_owned();
    let mut receivers = Vec::new();
    for guest in ["client", "server"] {
        let mut receiver = stage
            .command(&["--name", &lab.name, "exec", guest, "--", "./story-program", "--role", "receive"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = [0; 6];
        receiver.stdout.as_mut().context("its output")?.read_exact(&mut ready).context("a receiver to begin")?;
        ensure!(&ready == b"ready\n");
        receivers.push(receiver);
    }
    lab.exec("client", &["./story-program", "--role", "talk", &name])?.ok().context("talking")?;
    let mut seen = Vec::new();
    for (guest, receiver) in ["client", "server"].into_iter().zip(receivers) {
        lab.exec(guest, &["./story-program", "--role", "stop"])?.ok()?;
        let output = receiver.wait_with_output()?;
        let said: Seen = serde_json::from_slice(&output.stdout).context("what a receiver saw")?;
        ensure!(said.wrong.is_empty(), "{guest} received wrong checksums: {:?}", said.wrong);
        seen.push(said);
    }
    seen.try_into().ok().context("two receivers")
}

/// Segments and datagrams that the kernel itself threw away for their checksums.
fn kernels_complaints(lab: &Lab, guest: &str) -> Result<u64> {
    let tables = lab.exec(guest, &["cat", "/proc/net/snmp"])?.ok()?;
    let lines: Vec<Vec<&str>> = tables.lines().map(|line| line.split_whitespace().collect()).collect();
    let counted =
        lines.windows(2).filter(|pair| pair[0][0] == pair[1][0]).flat_map(|pair| pair[0].iter().zip(&pair[1]));
    counted.filter(|(name, _)| **name == "InCsumErrors").map(|(_, count)| Ok(count.parse::<u64>()?)).sum()
}

/// This program inside a guest.
pub fn play(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let played = match arguments.as_slice() {
        ["receive"] => receive(),
        ["talk", name] => talk(name),
        ["silent"] => super::balancer::say_nothing(),
        ["time"] => super::services::ask_time(),
        ["stop"] => UdpSocket::bind("127.0.0.1:0")
            .and_then(|socket| socket.send_to(b"stop", (Ipv4Addr::LOCALHOST, STOP)))
            .map(drop)
            .map_err(Into::into),
        other => super::proxy::play(other),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn receive() -> Result<()> {
    let _stop = UdpSocket::bind((Ipv4Addr::LOCALHOST, STOP))?; // or the loopback would answer "unreachable"
    let raw =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), SockProtocol::EthAll).context("AF_PACKET")?;
    setsockopt(&raw, sockopt::RcvBuf, &(64 << 20)).context("a large buffer")?;
    let own: Vec<[u8; 6]> =
        std::fs::read_to_string("/sys/class/net/eth0/address").ok().as_deref().and_then(mac).into_iter().collect();
    println!("ready");
    let mut seen = Seen::default();
    let mut buffer = vec![0; 70_000];
    loop {
        let len = nix::sys::socket::recv(raw.as_raw_fd(), &mut buffer, nix::sys::socket::MsgFlags::empty())?;
        let Ok(Parsed::Ipv4(packet)) = parse(&buffer[..len]) else { continue };
        if packet.destination == Ipv4Addr::LOCALHOST
            && packet.protocol == protocol::UDP
            && packet.destination_port == STOP
        {
            println!("{}", serde_json::to_string(&seen)?);
            return Ok(());
        }
        let ours = packet.source_port == PORT || packet.destination_port == PORT;
        if ours && own.contains(&packet.destination_mac) && packet.fragment == Fragment::None {
            judge(&buffer[..len], &packet, &mut seen);
        }
    }
}

pub fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.trim().split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes.try_into().ok()
}

/// By hand, and from the RFCs alone: 1071 for the sum, 768 and 9293 for what it covers.
fn judge(frame: &[u8], packet: &Packet, seen: &mut Seen) {
    let header = &frame[14..14 + usize::from(frame[14] & 15) * 4];
    let l4 = &frame[14 + header.len()..14 + usize::from(packet.total_len)];
    let field = if packet.protocol == protocol::UDP { 6 } else { 16 };
    let stored = u16::from_be_bytes([l4[field], l4[field + 1]]);
    let pseudo = [
        &packet.source.octets()[..],
        &packet.destination.octets(),
        &[0, packet.protocol],
        &(l4.len() as u16).to_be_bytes(),
    ];
    let pseudo = sum(&pseudo.concat(), 0);
    let good_header = sum(header, 0) == 0xffff;
    seen.super_sized += u64::from(packet.total_len > 9001);
    match () {
        () if !good_header => seen.wrong.push(format!("IP header of {packet:?}")),
        () if packet.protocol == protocol::UDP && stored == 0 => seen.without += 1,
        () if sum(l4, u32::from(pseudo)) == 0xffff => seen.complete += 1,
        () if stored == pseudo => seen.partial += 1,
        () => seen.wrong.push(format!("field {stored:04x}, pseudo header {pseudo:04x}, of {packet:?}")),
    }
}

fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Bytes that are no HTTP method and differ from their neighbours.
fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|index| ((index * 31 + salt * 7) % 251) as u8).collect()
}

fn talk(name: &str) -> Result<()> {
    let mut stream = TcpStream::connect((name, PORT)).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    for len in [1, 2, 3, 5, 7, 99, 100, 535, 536, 1459, 1460, 1461, 8947, 8949, 8961, 65_535, 300_001, 2_000_003] {
        let sent = pattern(len, len);
        let mut writer = stream.try_clone()?;
        let back = std::thread::scope(|scope| {
            let writing = scope.spawn(|| writer.write_all(&sent));
            let mut back = vec![0; len];
            stream.read_exact(&mut back).with_context(|| format!("{len} bytes back"))?;
            writing.join().expect("no panic").context("sending")?;
            anyhow::Ok(back)
        })?;
        ensure!(back == sent, "{len} bytes came back changed");
    }
    talk_datagrams(name)
}

fn talk_datagrams(name: &str) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((name, PORT))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    // An endpoint carries packets of 8,500 bytes; larger ones vanish.
    for len in [1, 2, 3, 5, 7, 99, 100, 511, 1471, 1472, 1473, 8471, 8472] {
        exchange(&socket, &pattern(len, len), len)?;
    }
    // One super-datagram of eleven, where the kernel can.
    if setsockopt(&socket, sockopt::UdpGsoSegment, &1300).is_ok() {
        exchange(&socket, &pattern(13_701, 3), 1300)?;
    }
    Ok(())
}

/// Sends until all of it came back: UDP may lose.
fn exchange(socket: &UdpSocket, sent: &[u8], piece: usize) -> Result<()> {
    let mut missing: Vec<&[u8]> = sent.chunks(piece).collect();
    let mut buffer = vec![0; 70_000];
    for _ in 0..10 {
        socket.send(sent)?;
        while !missing.is_empty() {
            let Ok(len) = socket.recv(&mut buffer) else { break };
            if let Some(found) = missing.iter().position(|piece| *piece == &buffer[..len]) {
                missing.swap_remove(found);
            } else {
                // Of an earlier turn, or changed on its way: the latter never completes this one.
                ensure!(len <= piece, "{len} bytes came back of pieces of {piece}");
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
    }
    bail!("{} datagrams of {piece} bytes did not come back unchanged", missing.len())
}
