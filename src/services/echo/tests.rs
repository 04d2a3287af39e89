//! Real sockets on loopback.

use std::io::{Read, Write};
use std::net::Shutdown as Half;

use super::*;

struct Echo {
    address: SocketAddr,
    udp: SocketAddr,
    stop: watch::Sender<bool>,
    ended: std::thread::JoinHandle<anyhow::Result<()>>,
}

fn start() -> Echo {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, udp_address) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let (stop, shutdown) = watch::channel(false);
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(vec![(tcp, udp)], Some("orders".into()), shutdown))
    });
    Echo { address, udp: udp_address, stop, ended }
}

impl Echo {
    fn end(self) {
        self.stop.send(true).unwrap();
        self.ended.join().unwrap().unwrap();
    }

    /// Sends the pieces one after another, closes the sending half, and reads what comes.
    fn say(&self, pieces: &[&[u8]]) -> (SocketAddr, String) {
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).unwrap();
            stream.flush().unwrap();
            std::thread::yield_now();
        }
        stream.shutdown(Half::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (stream.local_addr().unwrap(), text)
    }
}

#[test]
fn http_is_answered_with_who_called_whom() {
    let echo = start();
    let request = b"POST /a/b?c=d HTTP/1.1\r\nHost: orders.internal\r\nX-Seen: yes\r\nContent-Length: 5\r\n\r\nhello";
    for pieces in [vec![request.as_slice()], request.chunks(1).collect()] {
        let (client, answer) = echo.say(&pieces);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-type: application/json"), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["service"], "vpclab echo");
        assert_eq!(document["name"], "orders");
        assert_eq!(document["client"], client.to_string());
        assert_eq!(document["server"], echo.address.to_string());
        assert_eq!((&document["method"], &document["path"]), (&"POST".into(), &"/a/b?c=d".into()));
        assert_eq!(document["headers"]["x-seen"], "yes");
    }
    echo.end();
}

#[test]
fn a_connection_carries_several_requests() {
    let echo = start();
    let requests = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let (_, answer) = echo.say(&[requests]);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(answer.contains("\"path\":\"/1\"") && answer.contains("\"path\":\"/2\""));
    echo.end();
}

#[test]
fn anything_else_comes_back() {
    let echo = start();
    // Words that begin as a method does, a method cut short, and bytes over several buffers.
    let long = "x".repeat(100_000);
    for text in ["hello\n", "GETTING\n", "GE", "", "P", long.as_str()] {
        assert_eq!(echo.say(&[text.as_bytes()]).1, text);
    }
    assert_eq!(echo.say(&[b"DEL", b"ICATE"]).1, "DELICATE");
    echo.end();
}

#[test]
fn datagrams_are_mirrored() {
    let echo = start();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for length in [0, 1, 1472, 9000] {
        let sent = vec![7; length];
        socket.send_to(&sent, echo.udp).unwrap();
        let mut buffer = [0; 10_000];
        let received = socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..received], sent);
    }
    echo.end();
}
