//! Amazon Time Sync at 169.254.169.123: NTP's server mode (RFC 5905) on the machine's own clock (B1.2).
//!
//! Every request is answered by itself: a server keeps nothing of its clients. What is no client's request gets no answer, so
//! that nobody is made to talk to anybody else. The service's address is the same in all VPCs and leads here untranslated.
//!
//! Limits: a request is answered before the next is read; the dataplane bounds their rate.
//!
//! Not done: extension fields and authentication (RFC 5905 7.5; a client that asks with them gets the header alone), leap
//! seconds (AWS smears them; the clock here is whatever the machine has), PTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use super::{Shutdown, stopped};

/// Bytes of a header; what comes behind it is not looked at.
const HEADER: usize = 48;
/// RFC 5905 figure 10.
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// Versions whose client header is laid out alike; version 1 has no mode (RFC 5905 7.3).
const VERSIONS: std::ops::RangeInclusive<u8> = 2..=4;
/// What Amazon Time Sync says of itself.
const STRATUM: u8 = 3;
/// log2 s: about a microsecond.
const PRECISION: i8 = -20;
/// In units of 2^-16 s, about a millisecond: what a client should think of a machine's clock.
const ROOT_DISPERSION: u32 = 66;
/// Whom the server itself asks, as an address; never the client's own, which would look like a loop.
const REFERENCE: [u8; 4] = [169, 254, 169, 122];
/// Seconds from 1900, where NTP begins, to 1970 (RFC 5905 figure 4).
const TO_UNIX: u64 = 2_208_988_800;

/// Answers on the given socket until `shutdown`.
pub async fn serve(udp: std::net::UdpSocket, mut shutdown: Shutdown) -> anyhow::Result<()> {
    udp.set_nonblocking(true).context("time: making the UDP socket non-blocking")?;
    let udp = tokio::net::UdpSocket::from_std(udp).context("time: handing the UDP socket to the runtime")?;
    // Whatever is longer is cut: only the header is read.
    let mut request = [0; HEADER];
    loop {
        let (length, client) = tokio::select! {
            received = udp.recv_from(&mut request) => received.context("time: the UDP socket failed")?,
            () = stopped(&mut shutdown) => return Ok(()),
        };
        let received = since_1970();
        let Some(answer) = answer(&request[..length], received, since_1970()) else {
            tracing::debug!(%client, length, "time: no client's request");
            continue;
        };
        if let Err(error) = udp.send_to(&answer, client).await {
            tracing::debug!(%client, %error, "time: an answer could not be sent");
        }
    }
}

/// A clock before 1970 is 1970.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The answer to a request that came and goes at these times since 1970; `None` is silence.
fn answer(request: &[u8], received: Duration, sent: Duration) -> Option<[u8; HEADER]> {
    let request: &[u8; HEADER] = request.first_chunk()?;
    let (version, mode) = (request[0] >> 3 & 7, request[0] & 7);
    if mode != CLIENT || !VERSIONS.contains(&version) {
        return None;
    }
    let mut answer = [0; HEADER];
    // No leap second is announced; the client's version and poll interval come back (RFC 5905 9.2).
    answer[..4].copy_from_slice(&[version << 3 | SERVER, STRATUM, request[2], PRECISION.cast_unsigned()]);
    // The root delay stays 0.
    answer[8..12].copy_from_slice(&ROOT_DISPERSION.to_be_bytes());
    answer[12..16].copy_from_slice(&REFERENCE);
    // When the clock was set last, when the client says it asked, when that came, when this goes.
    answer[16..24].copy_from_slice(&timestamp(received));
    answer[24..32].copy_from_slice(&request[40..48]);
    answer[32..40].copy_from_slice(&timestamp(received));
    answer[40..48].copy_from_slice(&timestamp(sent));
    Some(answer)
}

/// Seconds since 1900, of which the era is left out (it turns in 2036), and their 2^-32 parts.
fn timestamp(since_1970: Duration) -> [u8; 8] {
    let seconds = since_1970.as_secs().wrapping_add(TO_UNIX) << 32;
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds | fraction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use proptest::prelude::*;
    use tokio::sync::watch;

    use super::*;

    /// A client's request of RFC 5905, with that transmit timestamp.
    fn request(version: u8, mode: u8, transmit: u64) -> [u8; HEADER] {
        let mut request = [0; HEADER];
        request[..4].copy_from_slice(&[version << 3 | mode, 0, 6, 0]);
        request[40..].copy_from_slice(&transmit.to_be_bytes());
        request
    }

    fn field(answer: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(*answer[at..].first_chunk().unwrap())
    }

    #[test]
    fn an_answer_has_the_clients_time_and_the_servers() {
        let (received, sent) = (Duration::new(1_700_000_000, 500_000_000), Duration::new(1_700_000_001, 250_000_000));
        for version in VERSIONS {
            let answer = answer(&request(version, CLIENT, 0x0123_4567_89ab_cdef), received, sent).unwrap();
            assert_eq!(answer[0], version << 3 | SERVER, "no leap second, the client's version, mode 4");
            assert_eq!((answer[1], answer[2], answer[3]), (STRATUM, 6, 0xec));
            assert_eq!(field(&answer, 24), 0x0123_4567_89ab_cdef, "origin: the client's transmit timestamp");
            // 1,700,000,000 is 3,908,988,800 = 0xE8FE6F80 since 1900.
            assert_eq!(field(&answer, 32), 0xe8fe_6f80_8000_0000, "received at half past");
            assert_eq!(field(&answer, 40), 0xe8fe_6f81_4000_0000, "sent at a quarter past the next second");
        }
    }

    #[test]
    fn what_is_no_clients_request_gets_no_answer() {
        let now = Duration::from_secs(1_700_000_000);
        let good = request(4, CLIENT, 1);
        assert!(answer(&good, now, now).is_some());
        assert!(answer(&[&good[..], &[0; 20]].concat(), now, now).is_some(), "what comes behind is not looked at");
        for length in 0..HEADER {
            assert_eq!(answer(&good[..length], now, now), None, "{length} bytes");
        }
        for mode in (0..8).filter(|mode| *mode != CLIENT) {
            assert_eq!(answer(&request(4, mode, 1), now, now), None, "mode {mode}");
        }
        for version in [0, 1, 5, 6, 7] {
            assert_eq!(answer(&request(version, CLIENT, 1), now, now), None, "version {version}");
        }
    }

    #[test]
    fn the_era_turns_in_2036() {
        let last = Duration::from_secs((1 << 32) - 1 - TO_UNIX);
        assert_eq!(timestamp(last), [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(timestamp(last + Duration::from_secs(1)), [0; 8]);
        assert_eq!(timestamp(Duration::new(0, 999_999_999))[4..], [0xff, 0xff, 0xff, 0xfb], "never the next second");
    }

    proptest! {
        /// An answer is no request: two servers never talk to each other.
        #[test]
        fn noise_never_panics_and_no_answer_is_answered(noise in prop::collection::vec(any::<u8>(), 0..100), seconds in any::<u64>(), nanos in 0u32..1_000_000_000) {
            let now = Duration::new(seconds, nanos);
            if let Some(first) = answer(&noise, now, now) {
                prop_assert_eq!(answer(&first, now, now), None);
            }
        }
    }

    #[test]
    fn a_socket_is_served_until_shutdown() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let running = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(server, shutdown))
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.connect(address).unwrap();
        let before = since_1970();
        // What gets no answer does not stop it, and an answer that comes is the other request's.
        for datagram in [&b"?"[..], &request(4, SERVER, 1), &request(4, CLIENT, 2)] {
            client.send(datagram).unwrap();
        }
        let mut answer = [0; 100];
        assert_eq!(client.recv(&mut answer).unwrap(), HEADER);
        assert_eq!(field(&answer, 24), 2);
        let [before, after] = [before, since_1970()].map(|time| u64::from_be_bytes(timestamp(time)));
        assert!((before..=after).contains(&field(&answer, 32)), "{before:x} {:x} {after:x}", field(&answer, 32));
        stop.send(true).unwrap();
        running.join().unwrap().unwrap();
    }
}
