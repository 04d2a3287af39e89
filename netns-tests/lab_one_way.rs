//! PrivateLink is one-way, on the wire: a target forges whatever it likes, and the consumer's client receives none of it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use vpclab::packet::build::{self, Ends, Segment};
use vpclab::packet::tcp_flags;

use super::Story;
use super::harness::*;
use super::offload::mac;

pub const STORIES: [Story; 1] = [("one_way::a_target_opens_nothing", a_target_opens_nothing)];

/// The example's client.
const CLIENT: &str = "10.0.1.10";
/// Target, balancer's node, router, and the client itself.
const SOURCES: [[u8; 4]; 4] = [[10, 0, 1, 20], [10, 0, 1, 100], [10, 0, 1, 1], [10, 0, 1, 10]];
const PORTS: [(u16, u16); 4] = [(80, 40_000), (40_000, 80), (80, 80), (1024, 53)];
const FLAGS: [u8; 3] = [tcp_flags::SYN, tcp_flags::SYN | tcp_flags::ACK, tcp_flags::RST];

fn a_target_opens_nothing(stage: &Stage) -> Result<()> {
    stage.example("private-service")?;
    let lab = stage.up("one-way", &["private-service"])?;
    let addresses = lab.endpoint("Endpoint")?["private_ip_addresses"].as_array().context("addresses")?;
    let endpoint: Vec<&str> = addresses.iter().filter_map(|address| address.as_str()).collect();
    let url = format!("http://{}/", endpoint[0]);
    lab.exec("client", &["curl", "-sS", "--fail", "--max-time", "10", &url])?.ok().context("the consumer's way")?;
    let forged = forged(&lab, &[CLIENT, endpoint[0], endpoint[1], "10.0.1.100"])?;
    let line =
        |frame: &Vec<u8>| frame.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect::<String>();
    stage.write("forged", &forged.iter().map(line).collect::<String>())?;
    stage.write("send.py", SEND)?;
    lab.exec("server", &["sh", "-c", "python3 send.py < forged"])?.ok()?;
    let sent = forged.len();
    // Its own capture has each of them, and a question behind them all shows that the lab has seen them.
    lab.exec("server", &["curl", "-sS", "-m", "5", "http://169.254.169.254/"])?.ok()?;
    let left = |line: &&String| line.contains("10.0.1.") || line.contains("10.0.2.");
    wait_for("the target's frames", || {
        lab.captured("server").is_ok_and(|lines| lines.iter().filter(left).count() >= sent)
    })?;
    let answers = format!(": {}:80 > ", endpoint[0]);
    let arrived: Vec<String> = received(&lab)?.into_iter().filter(|line| !line.contains(&answers)).collect();
    ensure!(arrived.is_empty(), "beside the answers to what it asked, the client received {arrived:?}");
    // Each was refused by name, and the consumer's way is as it was.
    let drops = lab.vpclab(&["drops", "server"])?.ok()?;
    for reason in ["ENI_SOURCE_DEST_CHECK_RESTRICTION", "NO_SUCH_ADDRESS", "ELBV2_HAIRPIN"] {
        ensure!(drops.contains(reason), "{reason}: {drops}");
    }
    lab.exec("client", &["curl", "-sS", "--fail", "--max-time", "10", &url])?.ok()?;
    Ok(())
}

/// What the client's kernel was given.
fn received(lab: &Lab) -> Result<Vec<String>> {
    let to_client = format!("> {CLIENT}");
    Ok(lab.captured("client")?.into_iter().filter(|line| line.contains(&to_client)).collect())
}

/// Each source to each destination, by the router's and by the node's MAC address.
fn forged(lab: &Lab, destinations: &[&str]) -> Result<Vec<Vec<u8>>> {
    let status = lab.json(&["status"])?;
    let provider = |interface: &&Value| interface["OwnerId"] == "111111111111";
    let interfaces = status["NetworkInterfaces"].as_array().context("interfaces")?;
    let address_of = |private: &str| {
        let found = interfaces.iter().filter(provider).find(|it| it["PrivateIpAddress"] == private);
        mac(found.and_then(|it| it["MacAddress"].as_str()).unwrap_or_default()).context("a MAC address")
    };
    let (source_mac, node) = (address_of("10.0.1.20")?, address_of("10.0.1.100")?);
    let router = [2, 1, 10, 0, 1, 1];
    let mut forged = Vec::new();
    for source in SOURCES {
        for destination in destinations {
            let destination: Ipv4Addr = destination.parse()?;
            for destination_mac in [router, node] {
                frames(&Ends { source_mac, destination_mac, source: source.into(), destination }, &mut forged);
            }
        }
    }
    Ok(forged)
}

fn frames(ends: &Ends, frames: &mut Vec<Vec<u8>>) {
    for (source_port, destination_port) in PORTS {
        for flags in FLAGS {
            let segment = Segment { source_port, destination_port, flags, sequence: 7, ..Segment::default() };
            frames.push(build::tcp(ends, &segment));
        }
        frames.push(build::udp(ends, source_port, destination_port, b"datagram"));
        frames.push(build::echo_request(ends, source_port, 1, b"ping"));
    }
}

/// Sends the frames of its standard input, one in a line of hexadecimal digits, past the kernel's own stack; not faster than the
/// lab's queue, since each of them shall be looked at.
const SEND: &str = "
import socket, sys, time
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('eth0', 0))
for number, line in enumerate(sys.stdin):
    raw.send(bytes.fromhex(line))
    if number % 32 == 0: time.sleep(0.005)
";
