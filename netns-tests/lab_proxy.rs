//! PROXY protocol v2 between real kernels: read by a parser that is not ours, under loss, SYN cookies and Fast Open, and from
//! clients that are silent, listen first, or go at once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 3] = [
    ("proxy::targets_hear_who_calls", targets_hear_who_calls),
    ("proxy::streams_stay_whole_under_loss", streams_stay_whole_under_loss),
    ("proxy::odd_handshakes", odd_handshakes),
];

/// The port of the balancer's listener and of its target.
const PORT: &str = "80";
const GREETING: &str = "heard\n";

/// The example of a private service, whose target wants to hear of its clients and is started by the story.
fn lab(stage: &Stage) -> Result<Lab<'_>> {
    stage.example("private-service")?;
    let provider = include_str!("../examples/private-service/provider.yaml");
    let (before, rest) = provider.split_once("      UserData: ").context("the example starts its server")?;
    let (_, after) = rest.split_once("\n\n").context("and goes on")?;
    let group = "Targets: [{Id: !Ref server}]";
    let told = format!("{group}, TargetGroupAttributes: [{{Key: proxy_protocol_v2.enabled, Value: \"true\"}}]");
    let provider = format!("{before}\n{after}").replace(group, &told);
    ensure!(provider.contains("proxy_protocol_v2"), "the example has such a group");
    stage.write("private-service/provider.yaml", &provider)?;
    copy_program(&std::env::current_exe()?, &stage.path().join("story-program"))?;
    stage.up("proxy", &["private-service"])
}

/// A target that writes down what it hears.
struct Target<'s> {
    stage: &'s Stage,
    child: Child,
}

impl<'s> Target<'s> {
    fn start(stage: &'s Stage, lab: &Lab) -> Result<Self> {
        let heard = File::create(stage.path().join("heard"))?;
        let mut command = lab.command(&["exec", "server", "--", "./story-program", "--role", "proxied", PORT]);
        // Who goes at once leaves an error there, which is for who looks into a story that failed.
        let errors = File::create(stage.path().join("target.stderr"))?;
        let child = command.stdin(Stdio::piped()).stdout(heard).stderr(errors).spawn()?;
        let started = Self { stage, child };
        wait_for("the target to listen", || started.heard().is_ok_and(|lines| !lines.is_empty()))?;
        Ok(started)
    }

    /// What it has heard, one connection after the other; the first line says that it listens.
    fn heard(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.stage.path().join("heard"))?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn endpoint(lab: &Lab) -> Result<(String, String)> {
    let endpoint = lab.endpoint("Endpoint")?;
    let address = endpoint["private_ip_addresses"][0].as_str().context("an address")?;
    Ok((address.to_owned(), endpoint["vpc_endpoint_id"].as_str().context("an id")?.to_owned()))
}

fn targets_hear_who_calls(stage: &Stage) -> Result<()> {
    let lab = lab(stage)?;
    let (address, id) = endpoint(&lab)?;
    // Nobody listens yet: the client hears that at once, as without a header.
    let refused = lab.exec("client", &["./story-program", "--role", "silent", &address, PORT])?;
    ensure!(refused.code() != 0 && refused.stderr.contains("refused"), "{refused:?}");
    let target = Target::start(stage, &lab)?;
    for (role, more) in [("silent", None), ("upload", Some("3000000"))] {
        let command = ["./story-program", "--role", role, &address, PORT];
        let command: Vec<&str> = command.into_iter().chain(more).collect();
        lab.exec("client", &command)?.ok().with_context(|| role.to_owned())?;
    }
    let heard = target.heard()?;
    ensure!(heard.len() == 3, "{heard:?}");
    for said in &heard[1..] {
        ensure!(said["client"] == "10.0.1.10" && said["endpoint"] == address.as_str(), "{said}");
        ensure!(said["vpce"] == id.as_str() && said["port"] == PORT && said["crc32c"] == true, "{said}");
        ensure!(said["peer"].as_str().is_some_and(|peer| peer.ends_with(".100")), "the balancer's node: {said}");
    }
    let trace = lab.json(&["trace", "client", &format!("{address}:80")])?;
    ensure!(trace["Hops"].to_string().contains("PROXY protocol"), "{trace}");
    Ok(())
}

fn streams_stay_whole_under_loss(stage: &Stage) -> Result<()> {
    let lab = lab(stage)?;
    let (address, _) = endpoint(&lab)?;
    let target = Target::start(stage, &lab)?;
    // One packet of twelve, each way, between balancer and target; small ones, or loss would mean whole super-segments.
    let rules = "nft -f - <<END
        table ip loss {
          chain to { type filter hook prerouting priority -400; tcp dport 80 numgen random mod 12 == 0 drop; }
          chain from { type filter hook postrouting priority 400; tcp sport 80 numgen random mod 12 == 0 drop; }
        }
END";
    lab.exec("server", &["sh", "-c", rules])?.ok()?;
    lab.exec("client", &["sh", "-c", "ethtool -K eth0 tso off gso off >/dev/null"])?.ok()?;
    let features = lab.exec("client", &["sh", "-c", "cat /proc/sys/net/ipv4/tcp_timestamps /proc/sys/net/ipv4/tcp_sack /proc/sys/net/ipv4/tcp_window_scaling"])?.ok()?;
    ensure!(features.split_whitespace().all(|on| on == "1"), "timestamps, SACK and window scaling are on: {features}");
    let many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do ./story-program --role upload ADDRESS 80 60000 & done; wait"
        .replace("ADDRESS", &address);
    for cookies in ["0", "2"] {
        let sysctl = format!("echo {cookies} > /proc/sys/net/ipv4/tcp_syncookies");
        lab.exec("server", &["sh", "-c", &sysctl])?.ok()?;
        let before = target.heard()?.len();
        let said = lab.exec("client", &["sh", "-c", &many])?.ok()?;
        ensure!(said.matches("whole").count() == 16, "syncookies {cookies}: {said}");
        ensure!(target.heard()?.len() == before + 16, "syncookies {cookies}");
    }
    Ok(())
}

fn odd_handshakes(stage: &Stage) -> Result<()> {
    let lab = lab(stage)?;
    let (address, _) = endpoint(&lab)?;
    let target = Target::start(stage, &lab)?;
    // Data in the SYN, whether the client has a cookie or not (RFC 7413).
    for (guest, value) in [("server", "3"), ("client", "5")] {
        let sysctl = format!("echo {value} > /proc/sys/net/ipv4/tcp_fastopen");
        lab.exec(guest, &["sh", "-c", &sysctl])?.ok()?;
    }
    let url = format!("http://{address}/who");
    let said = lab.exec("client", &["curl", "-sS", "--tcp-fastopen", "--max-time", "10", &url])?.ok()?;
    let said: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(said["client"] == "10.0.1.10", "{said}");
    let data_in_syn =
        lab.captured("client")?.into_iter().any(|line| line.contains("tcp SYN ") && !line.contains("SYN seq"));
    ensure!(data_in_syn, "the client really sent data in its SYN");
    // Clients that are gone at once leave nothing behind, and nobody else notices.
    let many = format!("for i in $(seq 50); do ./story-program --role reset {address} 80; done");
    lab.exec("client", &["sh", "-c", &many])?.ok()?;
    let before = target.heard()?.len();
    lab.exec("client", &["./story-program", "--role", "upload", &address, PORT, "100000"])?.ok()?;
    ensure!(target.heard()?.len() > before, "the next one is heard");
    let left = |guest: &str| -> Result<String> {
        lab.exec(guest, &["sh", "-c", "grep -c ' 0[13] ' /proc/net/tcp; true"])?.ok()
    };
    for guest in ["client", "server"] {
        wait_for("connections to end", || left(guest).is_ok_and(|count| count.trim() == "0"))
            .with_context(|| format!("in {guest}"))?;
    }
    Ok(())
}

/// The roles of the story's program.
pub fn play(role: &[&str]) -> Result<()> {
    match role {
        ["proxied", port] => proxied(port.parse()?),
        ["silent", host, port] => silent(connect(host, port)?),
        ["upload", host, port, bytes] => upload(connect(host, port)?, bytes.parse()?),
        ["reset", host, port] => {
            let stream = connect(host, port)?;
            setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
            Ok(())
        }
        other => bail!("no such role: {other:?}"),
    }
}

fn connect(host: &str, port: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect((host, port.parse()?)).with_context(|| format!("connecting to {host}:{port}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says nothing, and waits for the target to have heard of it.
fn silent(mut stream: TcpStream) -> Result<()> {
    let mut said = [0; GREETING.len()];
    stream.read_exact(&mut said)?;
    ensure!(said == GREETING.as_bytes());
    Ok(())
}

/// Sends, and compares what the target counted and summed.
fn upload(mut stream: TcpStream, len: usize) -> Result<()> {
    let bytes: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
    stream.write_all(&bytes)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    ensure!(said == format!("{GREETING}{}", sum(&bytes)), "{said}");
    println!("whole");
    Ok(())
}

fn sum(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    format!("{} bytes, {sum:016x}", bytes.len())
}

/// Listens until its standard input ends; a line for each connection.
fn proxied(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("{}", json!({ "listens": port }));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                if let Err(error) = serve(stream) {
                    eprintln!("{error:#}");
                }
            });
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE.min(Duration::from_secs(10))))?;
    let peer = stream.peer_addr()?.ip().to_string();
    let mut header = [0; 100];
    stream.read_exact(&mut header)?;
    let parsed = ppp::v2::Header::try_from(&header[..]).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let ppp::v2::Addresses::IPv4(addresses) = parsed.addresses else { bail!("not IPv4") };
    let tlvs: HashMap<u8, Vec<u8>> = parsed.tlvs().flatten().map(|tlv| (tlv.kind, tlv.value.to_vec())).collect();
    let mut without = header;
    without[31..35].fill(0);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &without) as u32;
    let heard = json!({
        "peer": peer,
        "client": addresses.source_address.to_string(),
        "endpoint": addresses.destination_address.to_string(),
        "port": addresses.destination_port.to_string(),
        "vpce": tlvs.get(&0xea).map(|value| String::from_utf8_lossy(&value[1..]).into_owned()),
        "crc32c": tlvs.get(&3).is_some_and(|value| *value == crc.to_be_bytes()),
    });
    println!("{heard}");
    let mut first = [0; 4096];
    let mut bytes = Vec::new();
    stream.set_nonblocking(true)?;
    let waiting = stream.peek(&mut first).unwrap_or(0);
    stream.set_nonblocking(false)?;
    if first[..waiting].starts_with(b"GET ") {
        let body = heard.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes())?;
    } else {
        stream.write_all(GREETING.as_bytes())?;
        stream.read_to_end(&mut bytes)?;
        stream.write_all(sum(&bytes).as_bytes())?;
    }
    Ok(())
}
