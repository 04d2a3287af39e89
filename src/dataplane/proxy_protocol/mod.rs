//! PROXY protocol version 2: a header before the client's first byte, in a stream that is not ours.
//!
//! # Theory of operation
//!
//! **Purpose.** A target behind a balancer learns who called, and through which endpoint, by bytes at the start of the
//! connection (B4.1). The balancer forwards frames and terminates nothing, so the header gets a place in sequence space
//! instead: the client's SYN goes on with its sequence number X lowered by the header's length L. The target then waits
//! for X−L+1, the header fills [X−L+1, X+1), and behind it both sides' numbers agree: nothing of the stream is ever
//! rewritten, and offloads stay (DESIGN decision 10).
//!
//! **Identity.** One [`ProxyProtocol`] for each flow, shared by what the flow becomes when it is decided again.
//!
//! **Life.** *Opening*: the SYN is lowered; Fast Open is taken out of it, since its data would lie where the header goes.
//! *Answered*, by a SYN-ACK: the client's handshake ACK is kept and the header sent in its place, and what else the
//! client sends waits. *Done*, when the target acknowledges X+1: what waited goes on, and the flow is like any other.
//! Until then, acknowledgments of the target in [X−L+1, X+1) are raised to X+1, and windows lowered by as much, so that the
//! client sees a connection of its own; on RST|ACK too, or a closed port would time out.
//!
//! **Why data waits.** A target under SYN cookies takes its connection from the first segment's number, which must be the
//! header's. And the header's timestamp may not be older than what the target saw, nor newer than what still waits (PAWS,
//! RFC 7323 5): it is the first waiting segment's, else the latest acknowledgment's.
//!
//! **Time.** A header is sent again at once when the target asks for it, after that no sooner than [`RETRY`] after the last
//! time, and by a timer, since the client may be silent; each time by itself doubles the wait up to [`LONGEST_RETRY`].
//!
//! **Limits.** [`HELD_FRAMES`] and [`HELD_BYTES`] wait for one connection, [`HELD_IN_TOTAL`] for all: more is dropped by name,
//! and TCP sends it again.
//!
//! **Not done.** UDP: AWS does not document what its targets would see. Numbers in ICMP errors are those of the target's side.

mod header;
mod timers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub use header::header;
pub(super) use timers::Timers;

use crate::packet::tcp::{Numbers, blank_option, option, option as find_option, renumber, window};
use crate::packet::{Offload, Packet, tcp_flags};

/// No header is sent again sooner, but the once.
pub const RETRY: Duration = Duration::from_millis(200);
/// The longest wait between two headers.
pub const LONGEST_RETRY: Duration = Duration::from_millis(6_400);
/// Frames of one connection that may wait.
pub const HELD_FRAMES: usize = 16;
/// Bytes of one connection that may wait: a super-segment, and some more.
pub const HELD_BYTES: usize = 1 << 17;
/// Bytes that may wait in a lab.
pub const HELD_IN_TOTAL: usize = 1 << 26;

/// The header of one connection, and how far it came.
#[derive(Debug)]
pub struct ProxyProtocol {
    done: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    header: Box<[u8]>,
    /// The client's initial sequence number: X.
    initial: u32,
    /// The target answered the SYN.
    answered: bool,
    /// Shifts of the client's and the target's windows, once both have said theirs.
    scales: [Option<u8>; 2],
    /// What the client said last.
    latest: Said,
    /// When the header went last, and how often.
    sent: Option<(Duration, u32)>,
    held: Vec<Held>,
}

/// What a header bears of its client's own segments.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    acknowledgment: u32,
    window: u16,
    /// TSval and TSecr as they came.
    timestamps: Option<[u8; 8]>,
}

/// A frame of the client's that waits, ready to leave.
#[derive(Debug)]
pub struct Held {
    /// As it will leave.
    pub frame: Vec<u8>,
    /// What is left to be done for it.
    pub offload: Offload,
    timestamp: Option<[u8; 4]>,
}

/// What becomes of a client's frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Forward {
    /// It goes on, changed in place.
    Pass,
    /// A SYN goes on without what it carries.
    PassWithoutPayload,
    /// It is kept; the header goes in its place, for the first time.
    Keep(Option<HeaderSegment>),
    /// It waits: [`ProxyProtocol::hold`] takes it. The header goes, for the first time.
    Hold(Option<HeaderSegment>),
    /// The header once more, then the frame.
    After(HeaderSegment),
}

/// The segment that carries the header; addresses and ports are the connection's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSegment {
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// Window, unscaled.
    pub window: u16,
    /// Options.
    pub options: Vec<u8>,
    /// The header.
    pub payload: Box<[u8]>,
}

/// What becomes of the rest when a target's frame went by.
#[derive(Debug, Default)]
pub struct Back {
    /// The target lacks the header.
    pub again: Option<HeaderSegment>,
    /// The header is there: what waited goes on.
    pub released: Vec<Held>,
}

/// How many bytes wait in a lab.
#[derive(Debug, Default)]
pub struct Waiting(AtomicUsize);

impl Waiting {
    fn take(&self, bytes: usize) -> bool {
        let room = |taken: usize| (taken + bytes <= HELD_IN_TOTAL).then_some(taken + bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    fn give(&self, held: &[Held]) {
        self.0.fetch_sub(held.iter().map(|it| it.frame.len()).sum(), Ordering::Relaxed);
    }
}

/// `number` lies in [`first`, `end`), around the end of sequence space.
fn within(number: u32, first: u32, end: u32) -> bool {
    number.wrapping_sub(first) < end.wrapping_sub(first)
}

impl ProxyProtocol {
    /// For a connection that begins with this SYN.
    pub fn new(header: Box<[u8]>) -> Self {
        let state = State {
            header,
            initial: 0,
            answered: false,
            scales: [None; 2],
            latest: Said::default(),
            sent: None,
            held: Vec::new(),
        };
        Self { done: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// The target has the header: the flow is like any other.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// A frame of the client's, which is changed in place.
    pub fn forward(&self, frame: &mut [u8], packet: &Packet, offload: &Offload, now: Duration) -> Forward {
        let mut state = self.state.lock();
        if self.is_done() {
            return Forward::Pass;
        }
        let has = |flag: u8| packet.tcp_flags & flag != 0;
        if has(tcp_flags::SYN) {
            return state.open(frame, packet, offload);
        }
        if !state.answered {
            // It answers nothing that the target said: the target will say what it makes of it.
            return Forward::Pass;
        }
        if has(tcp_flags::RST) {
            return state.reset(frame, packet, offload, now);
        }
        if has(tcp_flags::ACK) {
            state.latest = Said::of(frame, packet);
        }
        let first = state.sent.is_none().then(|| state.segment(now));
        match packet.payload_len == 0 && !has(tcp_flags::FIN) {
            true => Forward::Keep(first),
            false => Forward::Hold(first),
        }
    }

    /// Takes a client's frame, as it will leave, until the target has the header. It comes back when that is so already, or
    /// when there is no room.
    ///
    /// # Errors
    /// Whether there was no room.
    pub fn hold(&self, frame: &[u8], packet: &Packet, offload: &Offload, waiting: &Waiting) -> Result<(), bool> {
        let mut state = self.state.lock();
        if self.is_done() {
            return Err(false);
        }
        let bytes: usize = state.held.iter().map(|it| it.frame.len()).sum();
        if state.held.len() >= HELD_FRAMES || bytes + frame.len() > HELD_BYTES || !waiting.take(frame.len()) {
            return Err(true);
        }
        let timestamp = find_option(frame, packet, option::TIMESTAMPS).and_then(|value| value.first_chunk().copied());
        state.held.push(Held { frame: frame.to_vec(), offload: *offload, timestamp });
        Ok(())
    }

    /// A frame of the target's, which is changed in place.
    pub fn back(&self, frame: &mut [u8], packet: &Packet, offload: &Offload, now: Duration, waiting: &Waiting) -> Back {
        let mut state = self.state.lock();
        if self.is_done() || packet.tcp_flags & tcp_flags::ACK == 0 {
            return Back::default();
        }
        let (expected, behind) = (state.first_number(), state.initial.wrapping_add(1));
        let acknowledgment = packet.tcp_acknowledgment;
        let syn = packet.tcp_flags & tcp_flags::SYN != 0;
        if syn {
            state.answered = true;
            state.scales[1] = scale(frame, packet);
        }
        if within(acknowledgment, expected, behind) {
            let raised = behind.wrapping_sub(acknowledgment);
            let window = state.lowered(window(frame, packet), raised, syn);
            let numbers = Numbers { sequence: None, acknowledgment: Some(behind), window: Some(window) };
            renumber(frame, packet, &numbers, offload.checksum);
            let asks = !syn && packet.tcp_flags & tcp_flags::RST == 0 && state.may_send_again(now);
            return Back { again: asks.then(|| state.segment(now)), released: Vec::new() };
        }
        // Half of sequence space lies ahead of it.
        if state.sent.is_some() && acknowledgment.wrapping_sub(behind) < 1 << 31 {
            self.done.store(true, Ordering::Release);
            let released = std::mem::take(&mut state.held);
            waiting.give(&released);
            return Back { again: None, released };
        }
        Back::default()
    }

    /// The time of a timer has come: the header, if it is due, and when to look again; `None` when nobody need look any more.
    pub fn again(&self, now: Duration) -> Option<(Option<HeaderSegment>, Duration)> {
        let mut state = self.state.lock();
        let (last, times) = state.sent.filter(|_| !self.is_done())?;
        let due = last + retry(times);
        if now < due {
            return Some((None, due));
        }
        let segment = state.segment(now);
        Some((Some(segment), now + retry(times + 1)))
    }

    /// Its flow is gone, and with it what waits.
    pub fn end(&self, waiting: &Waiting) {
        let held = std::mem::take(&mut self.state.lock().held);
        self.done.store(true, Ordering::Release);
        waiting.give(&held);
    }
}

impl State {
    /// The number of the header's first byte.
    fn first_number(&self) -> u32 {
        self.initial.wrapping_sub(self.header.len() as u32).wrapping_add(1)
    }

    /// A SYN, the first or one more.
    fn open(&mut self, frame: &mut [u8], packet: &Packet, offload: &Offload) -> Forward {
        if packet.tcp_sequence != self.initial {
            (self.answered, self.sent) = (false, None);
        }
        self.initial = packet.tcp_sequence;
        self.scales[0] = scale(frame, packet);
        let lowered = packet.tcp_sequence.wrapping_sub(self.header.len() as u32);
        renumber(frame, packet, &Numbers { sequence: Some(lowered), ..Numbers::default() }, offload.checksum);
        blank_option(frame, packet, option::FAST_OPEN, offload.checksum);
        if packet.payload_len > 0 { Forward::PassWithoutPayload } else { Forward::Pass }
    }

    /// A reset whose number is the one that the target waits for, header or no header: another would be challenged (RFC 5961).
    fn reset(&mut self, frame: &mut [u8], packet: &Packet, offload: &Offload, now: Duration) -> Forward {
        if self.sent.is_some() {
            return Forward::After(self.segment(now));
        }
        if packet.tcp_sequence == self.initial.wrapping_add(1) {
            let sequence = Some(self.first_number());
            renumber(frame, packet, &Numbers { sequence, ..Numbers::default() }, offload.checksum);
        }
        Forward::Pass
    }

    /// A window that begins `raised` bytes later.
    fn lowered(&self, window: u16, raised: u32, syn: bool) -> u16 {
        // A SYN's window is never scaled, and scales hold when both sides have one (RFC 7323 2.2).
        let shift = match self.scales {
            [Some(_), Some(shift)] if !syn => shift,
            _ => 0,
        };
        let lowered = (u32::from(window) << shift).saturating_sub(raised) >> shift;
        u16::try_from(lowered).unwrap_or(u16::MAX)
    }

    fn may_send_again(&self, now: Duration) -> bool {
        self.sent.is_some_and(|(last, times)| times == 1 || now.saturating_sub(last) >= RETRY)
    }

    fn segment(&mut self, now: Duration) -> HeaderSegment {
        self.sent = Some((now, self.sent.map_or(1, |(_, times)| times.saturating_add(1))));
        let Said { acknowledgment, window, timestamps } = self.latest;
        let mut options = Vec::new();
        if let Some(mut timestamps) = timestamps {
            let waiting = self.held.first().and_then(|held| held.timestamp);
            if let (Some(value), Some(field)) = (waiting, timestamps.first_chunk_mut::<4>()) {
                *field = value;
            }
            options.extend([option::NO_OPERATION, option::NO_OPERATION, option::TIMESTAMPS, 10]);
            options.extend(timestamps);
        }
        let (sequence, payload) = (self.first_number(), self.header.clone());
        HeaderSegment { sequence, acknowledgment, window, options, payload }
    }
}

impl Said {
    fn of(frame: &[u8], packet: &Packet) -> Self {
        let timestamps = find_option(frame, packet, option::TIMESTAMPS).and_then(|value| value.try_into().ok());
        Self { acknowledgment: packet.tcp_acknowledgment, window: window(frame, packet), timestamps }
    }
}

/// The shift of a SYN's window scale option; more than 14 counts as 14 (RFC 7323 2.3).
fn scale(frame: &[u8], packet: &Packet) -> Option<u8> {
    let value = find_option(frame, packet, option::WINDOW_SCALE)?;
    value.first().map(|shift| (*shift).min(14))
}

/// How long to wait after that many times.
fn retry(times: u32) -> Duration {
    RETRY.saturating_mul(1 << times.saturating_sub(1).min(8)).min(LONGEST_RETRY)
}
