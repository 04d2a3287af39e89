//! The fields of a TCP header that a middlebox may move: sequence number, acknowledgment, window, options.
//!
//! Changed in place, with the checksum kept as right as it was (RFC 1624). A partial checksum covers none of these
//! fields. Not here: ports (`rewrite`), what a connection is (`dataplane`).

use super::build::{self, Ends, Segment};
use super::checksum::Delta;
use super::rewrite::{TCP_CHECKSUM, TCP_OPTIONS, put_checksum, put_word};
use super::{Fragment, L4Checksum, Packet, protocol};

/// Kinds of TCP options (IANA, TCP Option Kind Numbers).
pub mod option {
    /// End of the list.
    pub const END: u8 = 0;
    /// One byte that means nothing.
    pub const NO_OPERATION: u8 = 1;
    /// Maximum segment size (RFC 9293 3.2).
    pub const MSS: u8 = 2;
    /// Window scale (RFC 7323 2).
    pub const WINDOW_SCALE: u8 = 3;
    /// Timestamps (RFC 7323 3).
    pub const TIMESTAMPS: u8 = 8;
    /// Fast Open cookie (RFC 7413 4.1.1).
    pub const FAST_OPEN: u8 = 34;
}

const SEQUENCE: usize = 4;
const ACKNOWLEDGMENT: usize = 8;
const WINDOW: usize = 14;

/// New values of a TCP header's numbers; those that are `None` stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Sequence number.
    pub sequence: Option<u32>,
    /// Acknowledgment number.
    pub acknowledgment: Option<u32>,
    /// Window as it is on the wire, unscaled.
    pub window: Option<u16>,
}

/// Writes new numbers into `frame`, of which `packet` is the parse. Afterwards the parse is stale.
pub fn renumber(frame: &mut [u8], packet: &Packet, numbers: &Numbers, checksum: L4Checksum) {
    if packet.protocol != protocol::TCP || packet.fragment == Fragment::Later {
        return;
    }
    let mut delta = Delta::default();
    for (offset, new) in [(SEQUENCE, numbers.sequence), (ACKNOWLEDGMENT, numbers.acknowledgment)] {
        let Some(new) = new else { continue };
        for (offset, half) in [(offset, (new >> 16) as u16), (offset + 2, new as u16)] {
            delta += put_word(frame, packet.l4_offset + offset, |_| half).map(|(_, delta)| delta).unwrap_or_default();
        }
    }
    if let Some(new) = numbers.window {
        delta += put_word(frame, packet.l4_offset + WINDOW, |_| new).map(|(_, delta)| delta).unwrap_or_default();
    }
    if checksum == L4Checksum::Complete {
        put_checksum(frame, packet.l4_offset + TCP_CHECKSUM, |field| delta.update(field));
    }
}

/// The window of a TCP packet as it is on the wire; 0 for what has none.
pub fn window(frame: &[u8], packet: &Packet) -> u16 {
    let field = frame.get(packet.l4_offset + WINDOW..).and_then(<[u8]>::first_chunk::<2>);
    field.filter(|_| packet.protocol == protocol::TCP).map_or(0, |field| u16::from_be_bytes(*field))
}

/// The value of the first option of a kind, kind and length left out. Options that lie about their length end the search.
pub fn option<'f>(frame: &'f [u8], packet: &Packet, kind: u8) -> Option<&'f [u8]> {
    let options = options(frame, packet)?;
    let (at, len) = find(options, kind)?;
    options.get(at + 2..at + len)
}

/// Puts no-operations in the place of the first option of a kind; whether there was one.
pub fn blank_option(frame: &mut [u8], packet: &Packet, kind: u8, checksum: L4Checksum) -> bool {
    let Some((at, len)) = options(frame, packet).and_then(|options| find(options, kind)) else { return false };
    let start = packet.l4_offset + TCP_OPTIONS + at;
    let mut delta = Delta::default();
    for offset in start..start + len {
        let Some(byte) = frame.get_mut(offset) else { return false };
        let old = u16::from(std::mem::replace(byte, option::NO_OPERATION));
        let new = u16::from(option::NO_OPERATION);
        let low = !(offset - packet.l4_offset).is_multiple_of(2);
        delta += if low { Delta::word(old, new) } else { Delta::word(old << 8, new << 8) };
    }
    if checksum == L4Checksum::Complete {
        put_checksum(frame, packet.l4_offset + TCP_CHECKSUM, |field| delta.update(field));
    }
    true
}

/// The options' bytes.
pub(super) fn options<'f>(frame: &'f [u8], packet: &Packet) -> Option<&'f [u8]> {
    let whole = packet.protocol == protocol::TCP && packet.fragment != Fragment::Later;
    frame.get(packet.l4_offset + TCP_OPTIONS..packet.payload_offset).filter(|_| whole)
}

/// Offset and length of the first option of a kind, both with kind and length bytes (RFC 9293 3.2).
pub(super) fn find(options: &[u8], wanted: u8) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        match *options.get(at)? {
            option::END => return None,
            option::NO_OPERATION => at += 1,
            kind => {
                let len = usize::from(*options.get(at + 1)?);
                if len < 2 || at + len > options.len() {
                    return None;
                }
                if kind == wanted {
                    return Some((at, len));
                }
                at += len;
            }
        }
    }
}

/// The same packet without what it carries, as a frame of its own, checksums complete; `None` when it is no TCP packet.
pub fn without_payload(frame: &[u8], packet: &Packet) -> Option<Vec<u8>> {
    let segment = Segment {
        source_port: packet.source_port,
        destination_port: packet.destination_port,
        flags: packet.tcp_flags,
        sequence: number(frame, packet.l4_offset + SEQUENCE)?,
        acknowledgment: number(frame, packet.l4_offset + ACKNOWLEDGMENT)?,
        window: window(frame, packet),
        options: options(frame, packet)?,
        payload: &[],
    };
    Some(build::tcp(&Ends::of(packet), &segment))
}

fn number(frame: &[u8], offset: usize) -> Option<u32> {
    frame.get(offset..)?.first_chunk::<4>().map(|field| u32::from_be_bytes(*field))
}
