//! TLS secrets of a capture: which lines stand before which frame.
//!
//! **Purpose.** Readers go through a file once, so a secret has to stand before the packets that it opens
//! (draft-ietf-opsawg-pcapng section 4.7).
//!
//! **Identity.** A TLS conversation is known by its addresses and ports, and its secrets by the client random of its ClientHello.
//!
//! **Life.** All lines that are kept open the file; those that came since go before each frame. That is in time for all that
//! a service sends, as it has the secret before. It is in time for what its client sends with TLS 1.3, too, and after a
//! resumed handshake. Only the client's keys of TLS 1.2 may be copied before the service has read them: ClientKeyExchange shares
//! a segment with the first encrypted record. That frame waits.
//!
//! **Time.** It waits [`PATIENCE`] from when it was copied: whose server is another guest waits in vain.
//!
//! **Limits.** [`CONVERSATIONS`] handshakes are remembered; when there are more, all are forgotten, and their frames don't wait.
//!
//! **Not done.** A ClientHello or ClientKeyExchange that doesn't start a segment isn't found, nor one in a fragment. What is not
//! found does not wait; its secrets come all the same. A connection whose ClientHello came before the capture stays closed:
//! Wireshark finds secrets by its client random. The lines at the start are for what holds it, such as another capture of
//! that time without secrets.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::capture::Frame;
use crate::packet::{Parsed, parse, protocol};
use crate::services::tls_secrets::{ClientRandom, Reader, TlsSecrets};

/// How long a frame waits for its secret; a service takes a millisecond, on a busy machine some more.
const PATIENCE: Duration = Duration::from_millis(500);
/// Handshakes under way that are remembered.
const CONVERSATIONS: usize = 1024;

/// `ContentType.handshake` (RFC 5246 section 6.2.1).
const HANDSHAKE: u8 = 22;
/// `HandshakeType.client_hello` (section 7.4).
const CLIENT_HELLO: u8 = 1;
/// `HandshakeType.client_key_exchange`; TLS 1.3 has none.
const CLIENT_KEY_EXCHANGE: u8 = 16;
/// Where the client random stands: behind the record's header (5), the message's (4) and the version (2).
const CLIENT_RANDOM: std::ops::Range<usize> = 11..43;

/// Where a capture is in the secrets, and in the handshakes that it sees.
pub struct Secrets {
    reader: Reader,
    handshakes: Handshakes,
}

impl Secrets {
    /// Of a capture that starts.
    pub fn of(secrets: &Arc<TlsSecrets>) -> Self {
        Self { reader: secrets.reader(), handshakes: Handshakes::default() }
    }

    /// The lines that are there now.
    pub fn kept(&mut self) -> String {
        self.reader.take()
    }

    /// The lines that have to stand before this frame; may wait for them.
    pub async fn before(&mut self, frame: &Frame) -> String {
        if let Some(client_random) = self.handshakes.awaited(&frame.bytes) {
            let left = PATIENCE.saturating_sub(frame.at.elapsed().unwrap_or_default());
            self.reader.wait_for(&client_random, left).await;
        }
        self.reader.take()
    }
}

/// Client, server and their ports.
type Conversation = (Ipv4Addr, u16, Ipv4Addr, u16);

/// ClientHellos whose keys were not exchanged yet.
#[derive(Default)]
struct Handshakes {
    begun: HashMap<Conversation, ClientRandom>,
}

impl Handshakes {
    /// Whose secret the frame waits for. Remembers a ClientHello.
    fn awaited(&mut self, frame: &[u8]) -> Option<ClientRandom> {
        let Ok(Parsed::Ipv4(packet)) = parse(frame) else { return None };
        if packet.protocol != protocol::TCP {
            return None;
        }
        let payload = frame.get(packet.payload_offset..packet.payload_offset + packet.payload_len)?;
        let conversation = (packet.source, packet.source_port, packet.destination, packet.destination_port);
        let message = (*payload.first()? == HANDSHAKE).then(|| payload.get(5).copied()).flatten()?;
        match message {
            CLIENT_HELLO => {
                let client_random = payload.get(CLIENT_RANDOM)?.try_into().ok()?;
                if self.begun.len() >= CONVERSATIONS {
                    self.begun.clear();
                }
                self.begun.insert(conversation, client_random);
                None
            }
            CLIENT_KEY_EXCHANGE => self.begun.remove(&conversation),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use rustls::KeyLog;

    use super::*;
    use crate::packet::Notation;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    /// A segment from that port with this payload.
    fn segment(port: u16, payload: &[u8]) -> Frame {
        let text = format!("app: 10.0.1.10:{port} > 52.216.0.5:443 tcp PSH|ACK {} seq 7 ack 9", payload.len());
        let mut bytes = text.parse::<Notation>().unwrap().frame(MAC, MAC);
        let start = bytes.len() - payload.len();
        bytes[start..].copy_from_slice(payload);
        Frame { link: 0, sent: true, at: SystemTime::now(), bytes, partial: false }
    }

    fn hello(port: u16, client_random: u8) -> Frame {
        let mut payload = vec![22, 3, 1, 0, 100, 1, 0, 0, 96, 3, 3];
        payload.extend([client_random; 32]);
        payload.extend([0; 62]);
        segment(port, &payload)
    }

    fn keys(port: u16) -> Frame {
        segment(port, &[22, 3, 3, 0, 37, 16, 0, 0, 33, 32, 1, 2, 3])
    }

    #[test]
    fn keys_of_tls_1_2_wait_for_the_secret_of_their_own_hello_once() {
        let mut handshakes = Handshakes::default();
        let mut awaited = |frame: Frame| handshakes.awaited(&frame.bytes);
        assert_eq!(awaited(keys(40000)), None, "nobody said hello");
        assert_eq!(awaited(hello(40000, 7)), None);
        assert_eq!(awaited(hello(40001, 8)), None);
        for other in [&[][..], &[22], &[23, 3, 3, 0, 5, 16], &[22, 3, 3, 0, 4, 1, 0, 0, 96], b"GET / HTTP/1.1\r\n"] {
            assert_eq!(awaited(segment(40000, other)), None, "{other:?}");
        }
        assert_eq!(awaited(keys(40001)), Some([8; 32]));
        assert_eq!(awaited(keys(40000)), Some([7; 32]));
        assert_eq!(awaited(keys(40000)), None);
    }

    #[test]
    fn remembered_handshakes_are_bounded() {
        let mut handshakes = Handshakes::default();
        for port in 0..2 * CONVERSATIONS as u16 + 5 {
            handshakes.awaited(&hello(1000 + port, 7).bytes);
        }
        assert_eq!(handshakes.begun.len(), 5);
    }

    #[tokio::test]
    async fn a_secret_that_comes_late_stands_before_its_frame() {
        let shared = TlsSecrets::new();
        let mut secrets = Secrets::of(&shared);
        assert_eq!(secrets.kept(), "");
        assert_eq!(secrets.before(&hello(40000, 7)).await, "");
        let frame = keys(40000);
        let (lines, ()) = tokio::join!(secrets.before(&frame), async {
            tokio::task::yield_now().await;
            shared.log("CLIENT_RANDOM", &[7; 32], &[1]);
        });
        assert_eq!(lines, format!("CLIENT_RANDOM {} 01\n", "07".repeat(32)));
        assert_eq!(secrets.before(&keys(40000)).await, "");
    }

    #[tokio::test]
    async fn who_waited_long_enough_waits_no_longer() {
        let shared = TlsSecrets::new();
        let mut secrets = Secrets::of(&shared);
        secrets.before(&hello(40000, 7)).await;
        let began = std::time::Instant::now();
        assert_eq!(secrets.before(&keys(40000)).await, "");
        assert!(began.elapsed() >= PATIENCE / 2, "its server may still answer");
        secrets.before(&hello(40000, 7)).await;
        let mut frame = keys(40000);
        frame.at -= 2 * PATIENCE;
        let late = tokio::time::timeout(PATIENCE / 2, secrets.before(&frame)).await;
        assert_eq!(late.unwrap(), "", "it is the frame's age that counts");
    }
}
