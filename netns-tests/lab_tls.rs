//! TLS of the services: which versions they speak, and captures that carry what opens it.

use std::collections::HashSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use vpclab::packet::{Packet, Parsed, parse};

use super::Story;
use super::harness::*;

pub const STORIES: [Story; 2] = [
    ("tls::a_capture_carries_its_secrets", a_capture_carries_its_secrets),
    ("tls::versions_1_2_and_1_3_and_none_older", versions_1_2_and_1_3_and_none_older),
];

const HOST: &str = "first-123456789012.s3.us-east-1.amazonaws.com";

/// Conversations at once.
const MANY: usize = 40;

/// What a file holds, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    Secrets(String),
    Frame(Vec<u8>),
}

/// A capture that runs until it is dropped.
struct Capture(Child);

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The client's own key log says whether the secrets in the file are the right ones.
fn a_capture_carries_its_secrets(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.example("files")?;
    let lab = stage.up("first", &["first.yaml", "--seed", "Bucket=files"])?;
    let earlier = get(&lab, stage, "earlier", &[])?;
    let arguments = ["capture", "app", "tcp", "and", "port", "443", "-w", "opened.pcapng", "--tls-secrets"];
    let capture = lab.command(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let _capture = Capture(capture);
    let file = stage.path().join("opened.pcapng");
    wait_for("a capture to begin", || fs::metadata(&file).is_ok_and(|file| file.len() > 0))?;
    let tls13 = get(&lab, stage, "tls13", &["--tlsv1.3"])?;
    let tls12 = get(&lab, stage, "tls12", &["--tls-max", "1.2"])?;
    wait_for("both conversations in the file", || blocks(&file).is_ok_and(|blocks| ended(&blocks) == 2))?;

    let blocks = blocks(&file)?;
    let first = blocks.iter().position(|block| matches!(block, Block::Frame(_))).context("a frame")?;
    ensure!(secrets_in(&blocks[..first], &earlier) == 4, "{earlier:?} at the start of {blocks:?}");
    // TLS 1.3: encrypted from the service's first segment on. TLS 1.2: from the client's second one, which carries its keys.
    let opened = encrypted_from(&blocks, &tls13, by_service, 0)?;
    ensure!(secrets_in(&blocks[..opened], &tls13) == 4, "{tls13:?} before block {opened} of {blocks:?}");
    let opened = encrypted_from(&blocks, &tls12, by_client, 1)?;
    ensure!(secrets_in(&blocks[..opened], &tls12) == 1, "{tls12:?} before block {opened} of {blocks:?}");

    every_key_exchange_is_opened(&lab, &file)?;

    // Who did not ask for secrets has none.
    let plain = stage.path().join("capture-first-app.pcapng");
    wait_for("the conversations in the plain capture", || self::blocks(&plain).is_ok_and(|it| ended(&it) > 2))?;
    ensure!(
        self::blocks(&plain)?.iter().all(|block| matches!(block, Block::Frame(_))),
        "secrets that nobody asked for"
    );
    let refused = lab.vpclab(&["capture", "app", "--tls-secrets"])?;
    ensure!(refused.code() == 2 && refused.stderr.contains("-w <FILE>"), "{refused:?}");
    Ok(())
}

/// With TLS 1.2 a client sends keys and its first encrypted record at once, before the service has the secret: of many at once,
/// some frames are copied earlier than their secret is there.
fn every_key_exchange_is_opened(lab: &Lab, file: &Path) -> Result<()> {
    let before = ended(&blocks(file)?);
    let many = format!(
        "for i in $(seq {MANY}); do curl -sS --fail --max-time 20 --tls-max 1.2 -o /dev/null https://{HOST}/hello.txt & done; wait"
    );
    lab.exec("app", &["sh", "-c", &many])?.ok()?;
    wait_for("all conversations in the file", || blocks(file).is_ok_and(|it| ended(&it) == before + MANY))?;
    let blocks = blocks(file)?;
    let mut exchanges = 0;
    for (at, packet, _) in
        segments(&blocks).filter(|(_, _, payload)| payload.len() > 5 && payload[0] == 22 && payload[5] == 16)
    {
        let client_random = segments(&blocks[..at])
            .filter(|(_, hello, _)| by_client(hello) == by_client(&packet))
            .filter_map(|(_, _, payload)| said_in_hello(payload))
            .last()
            .context("keys without a ClientHello")?;
        let opened = blocks[..at].iter().any(|it| matches!(it, Block::Secrets(text) if text.contains(&client_random)));
        ensure!(opened, "block {at}, from port {}: its secret comes later", packet.source_port);
        exchanges += 1;
    }
    ensure!(exchanges > MANY, "only {exchanges} key exchanges");
    Ok(())
}

/// The client random of a segment that starts with a ClientHello.
fn said_in_hello(payload: &[u8]) -> Option<String> {
    let hello = payload.len() > 43 && payload[0] == 22 && payload[5] == 1;
    hello.then(|| payload[11..43].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Asks S3 by HTTPS; the lines that this client wrote into its own key log.
fn get(lab: &Lab, stage: &Stage, name: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let keys = format!("SSLKEYLOGFILE={name}.keys");
    let url = format!("https://{HOST}/hello.txt");
    let curl = [&["env", &keys, "curl", "-sS", "--fail", "--max-time", "20", &url], arguments].concat();
    let body = lab.exec("app", &curl)?.ok()?;
    ensure!(body.starts_with("Hello"), "{body}");
    let log = fs::read_to_string(stage.path().join(format!("{name}.keys"))).context("the client's key log")?;
    let lines: Vec<String> = log.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    // What exports keys opens nothing.
    Ok(lines.into_iter().filter(|line| !line.starts_with("EXPORTER_SECRET ")).collect())
}

/// How many of these lines the blocks hold; 0 unless all.
fn secrets_in(blocks: &[Block], lines: &[String]) -> usize {
    let held =
        |line: &str| blocks.iter().any(|it| matches!(it, Block::Secrets(text) if text.lines().any(|it| it == line)));
    if lines.iter().all(|line| held(line)) { lines.len() } else { 0 }
}

/// TCP segments with their payload and place.
fn segments(blocks: &[Block]) -> impl Iterator<Item = (usize, Packet, &[u8])> {
    blocks.iter().enumerate().filter_map(|(at, block)| match block {
        Block::Frame(frame) => match parse(frame) {
            Ok(Parsed::Ipv4(packet)) if packet.protocol == 6 => {
                Some((at, packet, &frame[packet.payload_offset..packet.payload_offset + packet.payload_len]))
            }
            _ => None,
        },
        Block::Secrets(_) => None,
    })
}

/// A conversation: the client's port and the service's address. Ports alone are used again towards other addresses.
type Conversation = (u16, Ipv4Addr);

/// Of a segment that the client sent.
fn by_client(packet: &Packet) -> Option<Conversation> {
    (packet.destination_port == 443).then_some((packet.source_port, packet.destination))
}

/// Of a segment that the service sent.
fn by_service(packet: &Packet) -> Option<Conversation> {
    (packet.source_port == 443).then_some((packet.destination_port, packet.source))
}

/// How many conversations the file holds from the ClientHello to where the client ended them, with a FIN or a reset.
fn ended(blocks: &[Block]) -> usize {
    const FIN_OR_RST: u8 = 1 | 4;
    let mut begun = HashSet::new();
    let mut ended = 0;
    for (_, packet, payload) in segments(blocks) {
        let Some(conversation) = by_client(&packet) else { continue };
        if said_in_hello(payload).is_some() {
            begun.insert(conversation);
        } else if packet.tcp_flags & FIN_OR_RST != 0 && begun.remove(&conversation) {
            ended += 1;
        }
    }
    ended
}

/// Place of the segment with payload, so many after the first one of that side, in the conversation whose ClientHello has the
/// client random of these lines.
fn encrypted_from(
    blocks: &[Block],
    lines: &[String],
    side: fn(&Packet) -> Option<Conversation>,
    skipped: usize,
) -> Result<usize> {
    let client_random =
        lines.first().and_then(|line| line.split(' ').nth(1)).context("a line in the client's key log")?;
    let conversation = segments(blocks)
        .find(|(_, _, payload)| said_in_hello(payload).as_deref() == Some(client_random))
        .and_then(|(_, packet, _)| by_client(&packet))
        .with_context(|| format!("no ClientHello with {client_random}"))?;
    segments(blocks)
        .filter(|(_, packet, payload)| side(packet) == Some(conversation) && !payload.is_empty())
        .nth(skipped)
        .map(|(at, ..)| at)
        .context("nothing encrypted in the conversation")
}

/// Reads the blocks of a file by draft-ietf-opsawg-pcapng, in this machine's byte order; an unfinished last one is left out.
fn blocks(file: &Path) -> Result<Vec<Block>> {
    let bytes = fs::read(file)?;
    let mut rest = &bytes[..];
    let number = |bytes: &[u8], at: usize| -> Option<usize> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
    };
    let mut found = Vec::new();
    while let (Some(kind), Some(len)) = (number(rest, 0), number(rest, 4)) {
        if rest.len() < len {
            break;
        }
        let (block, after) = rest.split_at(len);
        ensure!(len % 4 == 0 && len >= 12 && number(block, len - 4) == Some(len), "block of {len} bytes: {block:?}");
        match kind {
            0x0a => {
                ensure!(number(block, 8) == Some(0x544c_534b), "secrets of another type: {block:?}");
                let text =
                    block.get(16..16 + number(block, 12).context("a length")?).context("secrets in their block")?;
                found.push(Block::Secrets(String::from_utf8(text.to_vec())?));
            }
            0x06 => {
                let frame =
                    block.get(28..28 + number(block, 20).context("a length")?).context("a frame in its block")?;
                found.push(Block::Frame(frame.to_vec()));
            }
            _ => {}
        }
        rest = after;
    }
    Ok(found)
}

/// TLS 1.0 and 1.1 are refused, as AWS's endpoints do (S3 User Guide, privatelink-interface-endpoints).
fn versions_1_2_and_1_3_and_none_older(stage: &Stage) -> Result<()> {
    stage.example("first.yaml")?;
    stage.example("files")?;
    let lab = stage.up("first", &["first.yaml", "--seed", "Bucket=files"])?;
    let url = format!("https://{HOST}/hello.txt");
    for (arguments, version) in [(&["--tlsv1.2", "--tls-max", "1.2"][..], "TLSv1.2"), (&["--tlsv1.3"], "TLSv1.3")] {
        let curl = [&["curl", "-sSv", "--fail", "--max-time", "20", &url], arguments].concat();
        let done = lab.exec("app", &curl)?;
        let spoken =
            done.stderr.lines().find(|line| line.contains("SSL connection using")).unwrap_or_default().to_owned();
        ensure!(done.code() == 0 && spoken.contains(&format!(" {version} ")), "{version}: {done:?}");
    }
    // The same client and the same words; only the version differs. At level 0, OpenSSL itself would still speak the old ones.
    let connect = format!("{HOST}:443");
    let client = |version: &str| {
        let command = ["timeout", "20", "openssl", "s_client", "-connect", &connect, "-servername", HOST, version];
        lab.exec("app", &[&command[..], &["-cipher", "DEFAULT@SECLEVEL=0"]].concat())
    };
    let spoken = client("-tls1_2")?;
    ensure!(spoken.code() == 0 && spoken.stdout.contains("New, TLSv1.2, Cipher is ECDHE-"), "{spoken:?}");
    for version in ["-tls1_1", "-tls1"] {
        let refused = client(version)?;
        // An alert is the service's; which one depends on what else the hello leaves out.
        let by_alert = refused.stderr.contains("SSL alert number");
        ensure!(refused.code() == 1 && by_alert, "{version}: the service must refuse it: {refused:?}");
    }
    Ok(())
}
