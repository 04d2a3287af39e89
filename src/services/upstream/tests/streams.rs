//! Large bodies: nothing is lost, nothing is held, and who does not read stops who sends.

use std::sync::atomic::AtomicU64;

use super::*;

const LARGE: u64 = 200 << 20;
/// What the buffers of three sockets and the pieces between them may hold.
const BETWEEN: u64 = 32 << 20;

/// Piece number `n` of a body: its number over and over.
fn piece(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(8192)
}

const PIECE: u64 = 8 * 8192;

/// Reads pieces until the end and checks each; `read` counts, `sent` is what the other end has sent so far.
async fn check(mut from: impl tokio::io::AsyncRead + Unpin, length: u64, read: &AtomicU64, sent: &AtomicU64) {
    let mut bytes = vec![0; PIECE as usize];
    for number in 0..length / PIECE {
        from.read_exact(&mut bytes).await.unwrap();
        assert!(bytes == piece(number), "piece {number} is another");
        let now = read.fetch_add(PIECE, Ordering::SeqCst) + PIECE;
        let ahead = sent.load(Ordering::SeqCst).saturating_sub(now);
        assert!(ahead < BETWEEN, "{ahead} bytes are on the way");
    }
}

async fn send(mut to: impl tokio::io::AsyncWrite + Unpin, length: u64, sent: &AtomicU64) -> std::io::Result<()> {
    for number in 0..length / PIECE {
        to.write_all(&piece(number)).await?;
        sent.fetch_add(PIECE, Ordering::SeqCst);
    }
    Ok(())
}

async fn head_of(stream: &mut tokio::net::TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_down_and_up() {
    static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let [down_sent, down_read, up_sent, up_read] = &COUNTS;
    let (backend, _) = backend(|mut stream, _| async move {
        let head = head_of(&mut stream).await;
        if head.starts_with("GET") {
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).await.unwrap();
            send(&mut stream, LARGE, &COUNTS[0]).await.unwrap();
        } else {
            check(&mut stream, LARGE, &COUNTS[3], &COUNTS[2]).await;
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let address = open("s3", backend).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n\r\n").await.unwrap();
    assert!(head_of(&mut stream).await.starts_with("HTTP/1.1 200 "));
    check(&mut stream, LARGE, down_read, down_sent).await;
    let head = format!("PUT /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nContent-Length: {LARGE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    send(&mut stream, LARGE, up_sent).await.unwrap();
    assert!(head_of(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(COUNTS.each_ref().map(|count| count.load(Ordering::SeqCst)), [LARGE; 4]);
    let _ = up_read;
}

/// Waits until a count has not changed for a while.
async fn standstill(count: &AtomicU64) -> u64 {
    let mut last = (count.load(Ordering::SeqCst), 0);
    while last.1 < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = count.load(Ordering::SeqCst);
        last = if now == last.0 && now > 0 { (now, last.1 + 1) } else { (now, 0) };
    }
    last.0
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_backend() {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let (backend, _) = backend(|mut stream, _| async move {
        head_of(&mut stream).await;
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes()).await.unwrap();
        send(&mut stream, LARGE, &SENT).await.ok();
    })
    .await;
    let address = open("s3", backend).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n\r\n").await.unwrap();
    head_of(&mut stream).await;
    let stopped = standstill(&SENT).await;
    assert!(stopped < BETWEEN, "{stopped} bytes were sent to nobody");
    // It is only slow: it gets all of it, however long it waited.
    tokio::time::sleep(limits().body_time * 2).await;
    check(&mut stream, LARGE, &AtomicU64::new(0), &AtomicU64::new(0)).await;
}

#[tokio::test]
async fn a_backend_that_stops_reading_stops_the_client_and_is_given_up() {
    static SENT: AtomicU64 = AtomicU64::new(0);
    let (backend, _) = backend(|mut stream, _| async move {
        head_of(&mut stream).await;
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let address = open("s3", backend).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("PUT /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nContent-Length: {LARGE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut from, to) = stream.split();
    let answer = tokio::select! {
        _ = async { send(to, LARGE, &SENT).await.ok(); std::future::pending::<()>().await } => unreachable!(),
        answer = async {
            let mut answer = vec![0; 4096];
            let length = from.read(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer[..length]).into_owned()
        } => answer,
    };
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("did not answer"), "{answer}");
    assert!(SENT.load(Ordering::SeqCst) < BETWEEN);
}

/// A client that makes pauses is the door's business, not the backend's fault.
#[tokio::test]
async fn a_slow_upload_is_not_the_backends_silence() {
    let (backend, mut heard) = answering(OK).await;
    let address = open("s3", backend).await;
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PUT /bkt/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nContent-Length: 4\r\n\r\n")
        .await
        .unwrap();
    for byte in [b"a", b"b", b"c", b"d"] {
        tokio::time::sleep(limits().head_time).await;
        stream.write_all(byte).await.unwrap();
    }
    assert!(head_of(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert!(heard.recv().await.unwrap().ends_with("\r\n\r\nabcd"));
}
