//! A client and a target with a TCP of their own, and between both and the balancer a network that loses and reorders.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;
use crate::dataplane::{LinkIndex, Verdict};
use crate::packet::{Packet, VNET_HEADER_LEN};

/// Bytes of a segment, and segments under way.
const SEGMENT: usize = 900;
const FLIGHT: usize = 6;
/// After which time everything is sent again, in milliseconds.
const TIMEOUT: u64 = 300;
const CLIENT_INITIAL: u32 = u32::MAX - 400;
const TARGET_INITIAL: u32 = u32::MAX - 2000;

/// One end: go-back-N, and nothing that comes out of order is kept.
struct End {
    is_target: bool,
    /// The target keeps nothing of a SYN, and knows it again by the number of the next packet (SYN cookies).
    cookies: bool,
    initial: u32,
    expected: Option<u32>,
    established: bool,
    sending: Vec<u8>,
    acknowledged: usize,
    received: Vec<u8>,
    /// The newest timestamp in turn (RFC 7323 4.3).
    recent: u32,
    last_sent: u64,
    reset: bool,
}

impl End {
    fn segment(&self, flags: u8, at: usize, len: usize, now: u64) -> Vec<u8> {
        let syn = flags & tcp_flags::SYN != 0;
        let (window, echo) = (60_000, self.recent.to_be_bytes());
        let mut options = vec![1, 1, 8, 10];
        options.extend((now as u32).to_be_bytes());
        options.extend(echo);
        if syn {
            options.extend([3, 3, 4, 1]);
        }
        let (source_port, destination_port) = if self.is_target { (8080, 1024) } else { (40000, 53) };
        let segment = Segment {
            source_port,
            destination_port,
            flags,
            sequence: self.initial.wrapping_add(at as u32 + u32::from(!syn)),
            acknowledgment: self.expected.unwrap_or(0),
            window,
            options: &options,
            payload: &self.sending[at..at + len],
        };
        build::tcp(&ends(self.is_target), &segment)
    }

    /// What is not acknowledged, from the start; the handshake first.
    fn send(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.last_sent = now;
        if !self.established {
            return match (self.is_target, self.expected) {
                (false, _) => vec![self.segment(tcp_flags::SYN, 0, 0, now)],
                (true, Some(_)) if !self.cookies => vec![self.segment(tcp_flags::SYN | tcp_flags::ACK, 0, 0, now)],
                _ => Vec::new(),
            };
        }
        let end = self.sending.len().min(self.acknowledged + SEGMENT * FLIGHT);
        let starts = (self.acknowledged..end).step_by(SEGMENT);
        starts.map(|at| self.segment(tcp_flags::ACK, at, SEGMENT.min(end - at), now)).collect()
    }

    fn receive(&mut self, frame: &[u8], packet: &Packet, now: u64) -> Vec<Vec<u8>> {
        let has = |flag: u8| packet.tcp_flags & flag != 0;
        if has(tcp_flags::RST) {
            self.reset = true;
            return Vec::new();
        }
        let behind_syn = packet.tcp_sequence.wrapping_add(1);
        if has(tcp_flags::SYN) {
            if self.is_target && !self.established {
                self.expected = Some(behind_syn);
                return vec![self.segment(tcp_flags::SYN | tcp_flags::ACK, 0, 0, now)];
            }
            if !self.is_target && packet.tcp_acknowledgment == self.initial.wrapping_add(1) {
                (self.expected, self.established) = (self.expected.or(Some(behind_syn)), true);
                let mut answer = vec![self.segment(tcp_flags::ACK, self.acknowledged, 0, now)];
                answer.extend(self.send(now));
                return answer;
            }
            return vec![self.segment(tcp_flags::ACK, self.acknowledged, 0, now)];
        }
        let Some(expected) = self.expected else { return Vec::new() };
        if self.is_target && !self.established {
            // A cookie holds for one number alone; what else comes is of no connection.
            if packet.tcp_sequence != expected {
                self.reset |= self.cookies;
                return Vec::new();
            }
            self.established = true;
        }
        let stamp = tcp::option(frame, packet, tcp::option::TIMESTAMPS).expect("all have one");
        let stamp = u32::from_be_bytes(stamp[..4].try_into().expect("four bytes"));
        if self.is_target && (stamp.wrapping_sub(self.recent) as i32) < 0 {
            // PAWS: older than what was taken.
            return vec![self.segment(tcp_flags::ACK, self.acknowledged, 0, now)];
        }
        let confirmed = packet.tcp_acknowledgment.wrapping_sub(self.initial).wrapping_sub(1) as usize;
        if confirmed > self.acknowledged && confirmed <= self.sending.len() {
            self.acknowledged = confirmed;
            self.last_sent = now;
        }
        if packet.payload_len == 0 {
            return Vec::new();
        }
        if packet.tcp_sequence == expected {
            self.recent = stamp;
            self.received.extend(&frame[packet.payload_offset..packet.payload_offset + packet.payload_len]);
            self.expected = Some(expected.wrapping_add(packet.payload_len as u32));
        }
        let mut answer = vec![self.segment(tcp_flags::ACK, self.acknowledged, 0, now)];
        if now == self.last_sent || self.is_target {
            answer.extend(self.send(now));
        }
        answer
    }
}

fn ends(of_target: bool) -> Ends {
    let (source, destination) =
        if of_target { ([10, 0, 1, 20], [10, 0, 1, 100]) } else { ([10, 0, 1, 10], [10, 0, 2, 50]) };
    let (vpc, macs) = if of_target { (1, ["10.0.1.20", "10.0.1.100"]) } else { (0, ["10.0.1.10", "10.0.1.1"]) };
    Ends {
        source_mac: mac(vpc, macs[0]),
        destination_mac: mac(vpc, macs[1]),
        source: source.into(),
        destination: destination.into(),
    }
}

#[derive(Clone, Debug)]
struct Case {
    loss_percent: u8,
    longest_delay: u64,
    cookies: bool,
    from_client: usize,
    from_target: usize,
    /// The target's greeting does not wait for anything.
    luck: Vec<(u8, u8)>,
}

/// What is on its way: when it arrives, in which order it left, from where, and where to (`None`: to the balancer).
type Flying = Reverse<(u64, usize, u32, Option<u32>, Vec<u8>)>;

struct Network<'c> {
    case: &'c Case,
    flying: BinaryHeap<Flying>,
    left: usize,
}

impl Network<'_> {
    fn put(&mut self, now: u64, from: LinkIndex, to: Option<LinkIndex>, frame: Vec<u8>) {
        let (loss, delay) = self.case.luck[self.left % self.case.luck.len()];
        self.left += 1;
        if loss % 100 >= self.case.loss_percent {
            let at = now + 1 + u64::from(delay) % (self.case.longest_delay + 1);
            self.flying.push(Reverse((at, self.left, from.0, to.map(|link| link.0), frame)));
        }
    }
}

/// Runs a case until both ends have all, or three minutes are over; client and target as they are then.
fn run(case: &Case) -> [End; 2] {
    let lab = lab();
    let end = |is_target, initial, len: usize| End {
        is_target,
        cookies: case.cookies,
        initial,
        expected: None,
        established: false,
        sending: (0..len).map(|at| (at % 251) as u8).collect(),
        acknowledged: 0,
        received: Vec::new(),
        recent: 0,
        last_sent: 0,
        reset: false,
    };
    let mut two = [end(false, CLIENT_INITIAL, case.from_client), end(true, TARGET_INITIAL, case.from_target)];
    let links = [APP, WEB];
    let mut network = Network { case, flying: BinaryHeap::new(), left: 0 };
    for frame in two[0].send(0) {
        network.put(0, APP, None, frame);
    }
    for now in 0..180_000 {
        while network.flying.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((_, _, from, to, mut frame))) = network.flying.pop() else { break };
            match to.and_then(|to| links.iter().position(|link| link.0 == to)) {
                Some(which) => {
                    assert_valid_checksums(&frame);
                    let answers = two[which].receive(&frame, &ipv4(&frame), now);
                    answers.into_iter().for_each(|answer| network.put(now, links[which], None, answer));
                }
                None => {
                    let mut outbox = Outbox::default();
                    let vnet = Some(&[0; VNET_HEADER_LEN]);
                    let at = Duration::from_millis(1000 + now);
                    let verdict = lab.dataplane.handle(LinkIndex(from), vnet, &mut frame, at, &mut outbox);
                    if let Verdict::Forward { link, .. } = verdict {
                        network.put(now, LinkIndex(from), Some(link), frame);
                    }
                    send_all(&mut network, now, outbox);
                }
            }
        }
        if now % 15 == 0 {
            let mut outbox = Outbox::default();
            lab.dataplane.tick(Duration::from_millis(1000 + now), &mut outbox);
            send_all(&mut network, now, outbox);
        }
        for which in 0..2 {
            let open = two[which].acknowledged < two[which].sending.len() || !two[which].established;
            if open && now - two[which].last_sent >= TIMEOUT {
                two[which].send(now).into_iter().for_each(|frame| network.put(now, links[which], None, frame));
            }
        }
        let done = two[0].acknowledged == case.from_client && two[0].received.len() == case.from_target;
        if done && two[1].received.len() == 100 + case.from_client && two[1].acknowledged == case.from_target {
            break;
        }
    }
    two
}

fn send_all(network: &mut Network<'_>, now: u64, outbox: Outbox) {
    let released = outbox.released.into_iter().map(|(link, _, frame)| (link, frame));
    for (link, frame) in outbox.frames.into_iter().chain(released) {
        network.put(now, link, Some(link), frame);
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let luck = proptest::collection::vec(any::<(u8, u8)>(), 301);
    (0u8..35, 0u64..60, any::<bool>(), 0usize..12_000, 0usize..6_000, luck).prop_map(
        |(loss_percent, longest_delay, cookies, from_client, from_target, luck)| Case {
            loss_percent,
            longest_delay,
            cookies,
            from_client,
            from_target,
            luck,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is lost or comes late, each side gets the other's bytes, the target after one header, and nobody is reset.
    #[test]
    fn the_header_comes_first_and_nothing_else_changes(case in any_case()) {
        let [client, target] = run(&case);
        prop_assert!(!client.reset && !target.reset);
        prop_assert_eq!(&target.received[..12], b"\r\n\r\n\0\r\nQUIT\n");
        prop_assert_eq!(&target.received[16..28], &[10, 0, 1, 10, 10, 0, 2, 50, 0x9c, 0x40, 0, 53]);
        prop_assert!(target.received[100..] == client.sending[..], "{} bytes", target.received.len());
        prop_assert!(client.received == target.sending, "{} bytes", client.received.len());
    }
}
