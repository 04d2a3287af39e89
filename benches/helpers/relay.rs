//! A bare relay between two TAPs: read, minimal rewrite, write. The baseline of `scripts/bench.sh`.
//!
//! It does to each frame what no forwarder can leave out and nothing else: one read, a parse, both addresses and MACs
//! translated (as an interface endpoint with its balancer does), one write. No tables, no flows, no checks.
//! So it is the ceiling of what a TAP allows on this machine; with `--plain`, of what the `tun-tap` crate's TAP allows.
//!
//! One blocking thread per direction: that way neither direction waits for the other's system calls, and two cores are
//! both in use, as they are in a lab.
//!
//! It prints one line with the network namespaces of both sides, and lives until it is killed; the namespaces die with it.

use std::io::{self, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, bail};
use vpclab::host::{self, LinkKind, Namespaces, READ_BUFFER, ROUTER_MAC, ServiceSpec, Tap};
use vpclab::packet::{self, L4Checksum, Mac, Parsed, Rewrite, VNET_HEADER_LEN};

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 2);
const CLIENT_MAC: Mac = [2, 0, 0, 0, 1, 2];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 2);
const SERVER_MAC: Mac = [2, 0, 0, 0, 2, 2];
/// What the client connects to, in the place of the endpoint's network interface.
const ENDPOINT: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 100);
/// Whom the server sees, in the place of the balancer's node.
const BALANCER: Ipv4Addr = Ipv4Addr::new(10, 77, 2, 100);

fn main() -> anyhow::Result<()> {
    let (mut kind, mut mtu) = (LinkKind::Offload, 9001);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--plain" => kind = LinkKind::Plain,
            "--mtu" => mtu = arguments.next().context("--mtu needs a number")?.parse().context("--mtu")?,
            "--bench" => {} // cargo adds it
            other => bail!("unknown argument `{other}`; this is `relay [--plain] [--mtu N]`"),
        }
    }
    let (client_namespaces, client) = side("client", CLIENT, CLIENT_MAC, mtu, kind)?;
    let (server_namespaces, server) = side("server", SERVER, SERVER_MAC, mtu, kind)?;
    println!("{} {} {ENDPOINT}", path(&client_namespaces), path(&server_namespaces));
    io::stdout().flush()?;

    let to_server = Rewrite {
        source_mac: ROUTER_MAC,
        destination_mac: SERVER_MAC,
        source: Some(BALANCER),
        destination: Some(SERVER),
        ..Rewrite::default()
    };
    let to_client = Rewrite {
        source_mac: ROUTER_MAC,
        destination_mac: CLIENT_MAC,
        source: Some(ENDPOINT),
        destination: Some(CLIENT),
        ..Rewrite::default()
    };
    let (client, server) = (Arc::new(client), Arc::new(server));
    let there = start(Arc::clone(&client), Arc::clone(&server), to_server);
    let back = start(server, client, to_client);
    [there, back].into_iter().try_for_each(|thread| thread.join().expect("a relay thread does not panic"))
}

/// A namespace whose only way out is the TAP; its neighbour is permanent, so no ARP is needed.
fn side(name: &str, address: Ipv4Addr, mac: Mac, mtu: u32, kind: LinkKind) -> anyhow::Result<(Namespaces, Tap)> {
    let spec = ServiceSpec { name: name.to_owned(), addresses: vec![address], local_prefixes: Vec::new(), mac, mtu };
    host::create_service(&spec, kind)
}

/// Where another process finds the network namespace.
fn path(namespaces: &Namespaces) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespaces.net.as_raw_fd())
}

fn start(from: Arc<Tap>, to: Arc<Tap>, rewrite: Rewrite) -> JoinHandle<anyhow::Result<()>> {
    std::thread::spawn(move || relay(&from, &to, &rewrite))
}

/// Carries frames one way until a TAP fails.
fn relay(from: &Tap, to: &Tap, rewrite: &Rewrite) -> anyhow::Result<()> {
    let header_len = match from.kind() {
        LinkKind::Offload => VNET_HEADER_LEN,
        LinkKind::Plain => 0,
    };
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                from.wait_readable().context("waiting for a TAP")?;
                continue;
            }
            Err(error) => return Err(error).context("reading a TAP"),
        };
        let Some((header, frame)) = buffer[..length].split_at_mut_checked(header_len) else { continue };
        let Ok(Parsed::Ipv4(packet)) = packet::parse(frame) else { continue };
        // VIRTIO_NET_HDR_F_NEEDS_CSUM
        let partial = header.first().is_some_and(|flags| flags & 1 != 0);
        let checksum = if partial { L4Checksum::Partial } else { L4Checksum::Complete };
        packet::rewrite(frame, &packet, rewrite, checksum);
        match to.write(&buffer[..length]) {
            // A full queue drops, as any link does.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error).context("writing a TAP"),
            _ => {}
        }
    }
}
