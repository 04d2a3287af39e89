//! The secrets of the services' TLS connections, so that a capture that asks for them can be opened.
//!
//! **Purpose.** Wireshark opens HTTPS when it has the lines that a browser writes to `SSLKEYLOGFILE`; clients in guests need no
//! setting, since the lab is the other end.
//!
//! **Identity.** A line is `LABEL CLIENT-RANDOM SECRET` (NSS key log format; labels are rustls's). The client random says of
//! which connection. Lines are numbered in the order in which they came, from the lab's start on.
//!
//! **Life.** rustls hands a secret over when it derives it, before it sends anything encrypted with it. It is kept whether or not
//! a capture runs: what a capture that starts later finds is what an earlier one, taken without secrets, can still be opened
//! with. In memory only; never in a file, the log or an error. Only the control socket's capture request reads it
//! ([`TlsSecrets::reader`]), and whoever may open that socket owns the lab.
//!
//! **Limits.** [`LINES`] lines of [`BYTES`] together, those of about a thousand connections; beyond either the oldest go, and a
//! reader that had not taken them misses them. A handshake pays for one short line per secret, four with TLS 1.3 and one with
//! TLS 1.2, and never for more of a reader than its copying.
//!
//! **Not done.** Connections of guests among themselves and of the lab to real backends: their secrets are not the lab's to give.
//! `EXPORTER_SECRET` opens no packet, and `CLIENT_EARLY_TRAFFIC_SECRET` none that a service accepts: both are left out.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::KeyLog;
use tokio::sync::watch;

use super::front::signature::canonical::hexadecimal;

/// Lines kept.
pub const LINES: usize = 4096;
/// Bytes of lines kept. The longest line, of TLS 1.3 with SHA-384, has 194.
pub const BYTES: usize = 1 << 20;

/// What a client calls its connection by (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2).
pub type ClientRandom = [u8; 32];

/// The newest secrets of all services.
pub struct TlsSecrets {
    ring: Mutex<Ring>,
    /// Number of the next line.
    written: watch::Sender<u64>,
}

struct Ring {
    lines: VecDeque<Line>,
    /// Of their texts together.
    bytes: usize,
    /// Number of the next line.
    next: u64,
    most_lines: usize,
    most_bytes: usize,
}

/// As bytes: only who reads it pays for its text.
struct Line {
    label: String,
    client_random: Vec<u8>,
    secret: Vec<u8>,
}

impl TlsSecrets {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Self::bounded(LINES, BYTES)
    }

    fn bounded(most_lines: usize, most_bytes: usize) -> Arc<Self> {
        let ring = Ring { lines: VecDeque::new(), bytes: 0, next: 0, most_lines, most_bytes };
        Arc::new(Self { ring: Mutex::new(ring), written: watch::Sender::new(0) })
    }

    /// Reads from the oldest line on that is still kept.
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader { secrets: Arc::clone(self), written: self.written.subscribe(), next: 0 }
    }
}

impl KeyLog for TlsSecrets {
    fn will_log(&self, label: &str) -> bool {
        !matches!(label, "EXPORTER_SECRET" | "CLIENT_EARLY_TRAFFIC_SECRET")
    }

    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = Line { label: label.into(), client_random: client_random.into(), secret: secret.into() };
        let next = self.ring.lock().push(line);
        // Two handshakes at once may come here in either order.
        self.written.send_modify(|written| *written = next.max(*written));
    }
}

/// Says nothing of its content: it may end up in a log.
impl fmt::Debug for TlsSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSecrets").finish_non_exhaustive()
    }
}

impl Line {
    /// Of its text.
    fn len(&self) -> usize {
        self.label.len() + 2 * self.client_random.len() + 2 * self.secret.len() + "  \n".len()
    }

    fn text(&self) -> String {
        format!("{} {} {}\n", self.label, hexadecimal(&self.client_random), hexadecimal(&self.secret))
    }
}

impl Ring {
    fn push(&mut self, line: Line) -> u64 {
        self.bytes += line.len();
        self.lines.push_back(line);
        self.next += 1;
        while self.lines.len() > self.most_lines || self.bytes > self.most_bytes {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        self.next
    }

    /// The lines from that number on which are still kept.
    fn since(&self, number: u64) -> impl Iterator<Item = String> {
        let taken = self.lines.len().saturating_sub((self.next - number) as usize);
        self.lines.range(taken..).map(Line::text)
    }

    fn holds(&self, client_random: &ClientRandom) -> bool {
        self.lines.iter().rev().any(|line| line.client_random == client_random)
    }
}

/// Where a capture is in the secrets.
#[derive(Debug)]
pub struct Reader {
    secrets: Arc<TlsSecrets>,
    written: watch::Receiver<u64>,
    next: u64,
}

impl Reader {
    /// The lines that were not taken yet, each with its end; empty when there are none.
    pub fn take(&mut self) -> String {
        let ring = self.secrets.ring.lock();
        let lines = ring.since(self.next).collect();
        self.next = ring.next;
        lines
    }

    /// Waits until there is a secret of a connection, for so long at most.
    pub async fn wait_for(&mut self, client_random: &ClientRandom, patience: Duration) {
        let Self { secrets, written, .. } = self;
        let there = written.wait_for(|_| secrets.ring.lock().holds(client_random));
        // Too late or never: the packet goes without.
        let _ = tokio::time::timeout(patience, there).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("L {} {number:02x}\n", "07".repeat(32))).collect()
    }

    fn log(secrets: &TlsSecrets, numbers: std::ops::Range<u8>) {
        numbers.for_each(|number| secrets.log("L", &[7; 32], &[number]));
    }

    #[test]
    fn each_line_is_taken_once_in_the_key_log_format() {
        let secrets = TlsSecrets::new();
        log(&secrets, 0..2);
        let mut reader = secrets.reader();
        assert_eq!(reader.take(), lines(2).concat());
        assert_eq!(reader.take(), "");
        log(&secrets, 2..3);
        assert_eq!(reader.take(), lines(3)[2]);
        // Another reader starts with what is kept.
        assert_eq!(secrets.reader().take(), lines(3).concat());
    }

    #[test]
    fn the_oldest_go_beyond_the_lines_and_beyond_the_bytes() {
        let length = lines(1)[0].len();
        for secrets in [TlsSecrets::bounded(3, 1 << 20), TlsSecrets::bounded(100, 4 * length - 1)] {
            let mut reader = secrets.reader();
            log(&secrets, 0..1);
            assert_eq!(reader.take(), lines(1)[0]);
            log(&secrets, 1..10);
            // The reader was 9 lines behind, and 3 are kept.
            assert_eq!(reader.take(), lines(10)[7..].concat());
            let ring = secrets.ring.lock();
            assert_eq!((ring.lines.len(), ring.bytes), (3, 3 * length));
        }
    }

    #[test]
    fn the_lab_s_bounds_hold_for_the_longest_lines() {
        let secrets = TlsSecrets::new();
        for _ in 0..LINES + 10 {
            secrets.log("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &[7; 32], &[8; 48]);
        }
        let ring = secrets.ring.lock();
        assert_eq!(ring.lines.len(), LINES);
        assert!(ring.bytes <= BYTES);
    }

    #[tokio::test]
    async fn a_secret_is_waited_for_and_another_connection_s_is_not_it() {
        let secrets = TlsSecrets::new();
        let mut reader = secrets.reader();
        let began = Instant::now();
        reader.wait_for(&[9; 32], Duration::from_millis(50)).await;
        assert!(began.elapsed() >= Duration::from_millis(50));
        let both = async {
            for client_random in [[7; 32], [9; 32]] {
                tokio::task::yield_now().await;
                secrets.log("L", &client_random, &[1]);
            }
        };
        let waits = tokio::time::timeout(SOON, reader.wait_for(&[9; 32], 2 * SOON));
        let (waited, ()) = tokio::join!(waits, both);
        waited.unwrap();
        assert!(reader.take().ends_with(&format!("L {} 01\n", "09".repeat(32))));
        // There already: no waiting at all.
        tokio::time::timeout(SOON, reader.wait_for(&[7; 32], 2 * SOON)).await.unwrap();
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secrets = TlsSecrets::new();
        secrets.log("CLIENT_RANDOM", &[7; 32], &[0xab; 48]);
        let printed = format!("{secrets:?} {:?}", secrets.reader());
        assert!(!printed.contains("abab") && !printed.contains("171"), "{printed}");
    }
}
