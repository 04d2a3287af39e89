//! The clients and the server of `scripts/bench.sh` for what iperf3 does not measure: round trips and connections.
//!
//! ```text
//! load serve ADDRESS:PORT            answers each byte with a byte; `c` as the first byte: answers once and closes
//! load rr ADDRESS:PORT SECONDS       one byte there and back, over and over; prints the median in microseconds
//! load connect ADDRESS:PORT SECONDS  connect, one byte there and back, wait for the end; prints connections per second
//! load get|put ADDRESS:PORT HOST PATH SECONDS
//!                                    HTTP requests for small objects, one after another on each of eight connections;
//!                                    prints requests per second and the 99th percentile in milliseconds. `put` sends
//!                                    4 KiB to a path of its own for each connection, `get` asks for what `put` sent.
//! ```
//!
//! In `connect` the server closes first, because whoever closes first keeps the port in TIME_WAIT for a minute: a
//! client that did would run out of ports at about 470 connections per second, and the figure would say just that.

#![allow(clippy::disallowed_methods, reason = "the bans are the pure rooms'")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ROUND_TRIPS: u8 = b'r';
const ONE_CONNECTION: u8 = b'c';

/// Bytes of a small object.
const SMALL: usize = 4096;

/// Connections under way at a time: enough that latency alone does not decide, few enough that queues don't.
const CLIENTS: usize = 8;

/// Long enough for one retransmitted SYN, so that a lost packet is a slow connection and not the end of the run.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address] => runtime.block_on(serve(address.parse().context("ADDRESS:PORT")?)),
        ["rr", address, seconds] => runtime.block_on(round_trips(parse(address, seconds)?)),
        ["connect", address, seconds] => runtime.block_on(connections(parse(address, seconds)?)),
        [method @ ("get" | "put"), address, host, path, seconds] => {
            let (address, duration) = parse(address, seconds)?;
            let method = if method == "get" { http::Method::GET } else { http::Method::PUT };
            runtime.block_on(objects(method, address, host, path, duration))
        }
        _ => bail!(
            "this is `load serve ADDRESS:PORT`, `load rr|connect ADDRESS:PORT SECONDS` or \
             `load get|put ADDRESS:PORT HOST PATH SECONDS`"
        ),
    }
}

fn parse(address: &str, seconds: &str) -> anyhow::Result<(SocketAddr, Duration)> {
    Ok((address.parse().context("ADDRESS:PORT")?, Duration::from_secs_f64(seconds.parse().context("SECONDS")?)))
}

async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        // A client that goes away ends its own connection and nothing else.
        tokio::spawn(async move { answer(stream).await.ok() });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte).await? == 1 {
        stream.write_all(&byte).await?;
        if byte == [ONE_CONNECTION] {
            break;
        }
    }
    Ok(())
}

async fn round_trips((address, duration): (SocketAddr, Duration)) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let (mut times, mut byte) = (Vec::new(), [ROUND_TRIPS]);
    let end = Instant::now() + duration;
    loop {
        let start = Instant::now();
        if start >= end {
            break;
        }
        stream.write_all(&byte).await?;
        stream.read_exact(&mut byte).await?;
        times.push(start.elapsed());
    }
    ensure!(!times.is_empty(), "no round trip in {duration:?}");
    times.sort_unstable();
    println!("{:.1}", times[times.len() / 2].as_secs_f64() * 1e6);
    Ok(())
}

async fn connections((address, duration): (SocketAddr, Duration)) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(async move {
            let mut count = 0_u64;
            while start.elapsed() < duration {
                tokio::time::timeout(PATIENCE, one_connection(address)).await.context("a connection hangs")??;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(client) = clients.join_next().await {
        count += client??;
    }
    println!("{:.0}", count as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

async fn one_connection(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.write_all(&[ONE_CONNECTION]).await?;
    let mut bytes = Vec::with_capacity(2);
    stream.read_to_end(&mut bytes).await?;
    ensure!(bytes == [ONE_CONNECTION], "the server answered {bytes:?}");
    Ok(())
}

async fn objects(
    method: http::Method,
    address: SocketAddr,
    host: &str,
    path: &str,
    duration: Duration,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (method, host, path) = (method.clone(), host.to_owned(), format!("{path}{number}"));
        clients.spawn(async move { one_client(method, address, &host, &path, start + duration).await });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    let elapsed = start.elapsed().as_secs_f64();
    ensure!(!times.is_empty(), "no request in {duration:?}");
    times.sort_unstable();
    let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
    println!("{:.0} {:.2}", times.len() as f64 / elapsed, p99.as_secs_f64() * 1e3);
    Ok(())
}

/// Requests on one connection until the end; how long each took.
async fn one_client(
    method: http::Method,
    address: SocketAddr,
    host: &str,
    path: &str,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = if method == http::Method::PUT { Bytes::from(vec![b'x'; SMALL]) } else { Bytes::new() };
    let mut times = Vec::new();
    while Instant::now() < end {
        let request = http::Request::builder().method(&method).uri(path).header("host", host);
        let request = request.body(Full::new(body.clone()))?;
        let start = Instant::now();
        let exchange = async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            anyhow::Ok((status, answer.into_body().collect().await?.to_bytes()))
        };
        let (status, answer) = tokio::time::timeout(PATIENCE, exchange).await.context("a request hangs")??;
        times.push(start.elapsed());
        ensure!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        ensure!(method == http::Method::PUT || answer.len() == SMALL, "{} bytes came", answer.len());
    }
    Ok(times)
}
