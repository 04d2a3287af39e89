//! One text form of a packet, parsed and printed: for logs, tests, benches and `trace`.
//!
//! ```text
//! app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN
//! app: 10.0.1.10:40000 > 52.216.0.5:443 tcp PSH|ACK 512 seq 7 ack 9
//! app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12
//! app: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7
//! app: 10.0.1.10 > 10.0.1.11 icmp 3/4
//! app: 10.0.1.10 > 10.0.1.11 proto 47 100
//! app: 10.0.1.10 > 10.0.1.11 fragment udp 1480
//! ```
//!
//! The word before the colon is the link. A number after `udp`, `tcp FLAGS`, `proto N` and `fragment PROTOCOL` is the
//! length of the payload; `tcp` leaves out 0, `seq 0` and `ack 0`. What the form does not tell (MACs, TTL, options,
//! payload bytes) is chosen by [`Notation::frame`], the same every time.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::build::{self, Ends, Segment};
use super::{Fragment, Mac, Packet, icmp, protocol, tcp_flags};

/// A packet on a link, as text says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notation {
    /// Name of the link where the packet was seen or is to be sent. Holds no colon and no space.
    pub link: String,
    /// IPv4 source.
    pub source: Ipv4Addr,
    /// IPv4 destination.
    pub destination: Ipv4Addr,
    /// What the packet is.
    pub content: Content,
}

/// What a packet is, beyond its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `tcp FLAGS [LENGTH] [seq N] [ack N]`
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// See [`tcp_flags`]; printed `SYN|ACK`, or `none`.
        flags: u8,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgment number.
        acknowledgment: u32,
        /// Bytes of payload.
        payload_len: u16,
    },
    /// `udp LENGTH`
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Bytes of payload.
        payload_len: u16,
    },
    /// `icmp echo-request id N`
    EchoRequest {
        /// Identifier.
        identifier: u16,
    },
    /// `icmp echo-reply id N`
    EchoReply {
        /// Identifier.
        identifier: u16,
    },
    /// `icmp TYPE/CODE`, any other message
    Icmp {
        /// Type; not echo.
        icmp_type: u8,
        /// Code.
        code: u8,
    },
    /// `proto N LENGTH`, any other protocol
    Other {
        /// IP protocol number; not TCP, UDP or ICMP.
        protocol: u8,
        /// Bytes after the IP header.
        payload_len: u16,
    },
    /// `fragment PROTOCOL LENGTH`, a fragment without L4 header
    Fragment {
        /// IP protocol number.
        protocol: u8,
        /// Bytes after the IP header.
        payload_len: u16,
    },
}

/// Why a text is not a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a packet: {reason}; write it like `app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN`")]
pub struct NotationError {
    text: String,
    reason: &'static str,
}

/// Printed and parsed in this order.
const FLAGS: [(u8, &str); 8] = [
    (tcp_flags::SYN, "SYN"),
    (tcp_flags::FIN, "FIN"),
    (tcp_flags::RST, "RST"),
    (tcp_flags::PSH, "PSH"),
    (tcp_flags::ACK, "ACK"),
    (tcp_flags::URG, "URG"),
    (tcp_flags::ECE, "ECE"),
    (tcp_flags::CWR, "CWR"),
];

/// Where the frame of a fragment stands in its datagram: behind what fits MTU 1500.
const FRAGMENT_OFFSET: u16 = 1480;

/// The longest payload that fits an IPv4 packet behind a header of `headers` bytes.
const fn longest_payload(headers: u16) -> u16 {
    u16::MAX - headers
}

impl Notation {
    /// The text form of a parsed packet, seen on `link`.
    pub fn new(link: &str, packet: &Packet) -> Notation {
        // A total length is 16 bits, so the payload's length fits.
        let payload_len = packet.payload_len as u16;
        let (source_port, destination_port) = (packet.source_port, packet.destination_port);
        let content = match packet.protocol {
            protocol if packet.fragment == Fragment::Later => Content::Fragment { protocol, payload_len },
            protocol::TCP => Content::Tcp {
                source_port,
                destination_port,
                flags: packet.tcp_flags,
                sequence: packet.tcp_sequence,
                acknowledgment: packet.tcp_acknowledgment,
                payload_len,
            },
            protocol::UDP => Content::Udp { source_port, destination_port, payload_len },
            protocol::ICMP => match packet.icmp_type {
                icmp::ECHO_REQUEST => Content::EchoRequest { identifier: source_port },
                icmp::ECHO_REPLY => Content::EchoReply { identifier: source_port },
                icmp_type => Content::Icmp { icmp_type, code: packet.icmp_code },
            },
            protocol => Content::Other { protocol, payload_len },
        };
        Notation { link: link.to_owned(), source: packet.source, destination: packet.destination, content }
    }

    /// A frame that parses to this notation. Payload bytes count up from 0; a later fragment stands at offset 1,480.
    pub fn frame(&self, source_mac: Mac, destination_mac: Mac) -> Vec<u8> {
        let ends = Ends { source_mac, destination_mac, source: self.source, destination: self.destination };
        let payload = |length: u16| (0..length).map(|index| index as u8).collect::<Vec<u8>>();
        match self.content {
            Content::Tcp { source_port, destination_port, flags, sequence, acknowledgment, payload_len } => {
                let segment = Segment {
                    source_port,
                    destination_port,
                    flags,
                    sequence,
                    acknowledgment,
                    window: 0xffff,
                    options: &[],
                    payload: &payload(payload_len),
                };
                build::tcp(&ends, &segment)
            }
            Content::Udp { source_port, destination_port, payload_len } => {
                build::udp(&ends, source_port, destination_port, &payload(payload_len))
            }
            Content::EchoRequest { identifier } => build::echo_request(&ends, identifier, 1, &[]),
            Content::EchoReply { identifier } => build::echo_reply(&ends, identifier, 1, &[]),
            Content::Icmp { icmp_type, code } => build::icmp(&ends, icmp_type, code, [0; 4], &[]),
            Content::Other { protocol, payload_len } => build::ip(&ends, protocol, &payload(payload_len)),
            Content::Fragment { protocol, payload_len } => {
                build::later_fragment(&ends, protocol, FRAGMENT_OFFSET, &payload(payload_len))
            }
        }
    }

    fn ports(&self) -> Option<(u16, u16)> {
        match self.content {
            Content::Tcp { source_port, destination_port, .. } | Content::Udp { source_port, destination_port, .. } => {
                Some((source_port, destination_port))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Notation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.link)?;
        match self.ports() {
            Some((source, destination)) => {
                write!(f, "{}:{source} > {}:{destination} ", self.source, self.destination)?;
            }
            None => write!(f, "{} > {} ", self.source, self.destination)?,
        }
        write!(f, "{}", self.content)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Content::Tcp { flags, sequence, acknowledgment, payload_len, .. } => {
                f.write_str("tcp ")?;
                let mut names = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name);
                f.write_str(names.next().unwrap_or(&"none"))?;
                names.try_for_each(|name| write!(f, "|{name}"))?;
                for (word, number) in [(" ", u32::from(payload_len)), (" seq ", sequence), (" ack ", acknowledgment)] {
                    if number != 0 {
                        write!(f, "{word}{number}")?;
                    }
                }
                Ok(())
            }
            Content::Udp { payload_len, .. } => write!(f, "udp {payload_len}"),
            Content::EchoRequest { identifier } => write!(f, "icmp echo-request id {identifier}"),
            Content::EchoReply { identifier } => write!(f, "icmp echo-reply id {identifier}"),
            Content::Icmp { icmp_type, code } => write!(f, "icmp {icmp_type}/{code}"),
            Content::Other { protocol, payload_len } => write!(f, "proto {protocol} {payload_len}"),
            Content::Fragment { protocol, payload_len } => match protocol {
                protocol::TCP => write!(f, "fragment tcp {payload_len}"),
                protocol::UDP => write!(f, "fragment udp {payload_len}"),
                protocol::ICMP => write!(f, "fragment icmp {payload_len}"),
                other => write!(f, "fragment {other} {payload_len}"),
            },
        }
    }
}

impl FromStr for Notation {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Notation, NotationError> {
        read(text).map_err(|reason| NotationError { text: text.to_owned(), reason })
    }
}

fn read(text: &str) -> Result<Notation, &'static str> {
    let mut words = text.split_ascii_whitespace();
    let link = words.next().and_then(|word| word.strip_suffix(':')).filter(|link| !link.is_empty());
    let link = link.filter(|link| !link.contains(':')).ok_or("it starts with the link's name and a colon")?;
    let (source, source_port) = read_end(words.next())?;
    if words.next() != Some(">") {
        return Err("`>` stands between source and destination");
    }
    let (destination, destination_port) = read_end(words.next())?;
    let ports = match (source_port, destination_port) {
        (Some(source), Some(destination)) => Some((source, destination)),
        (None, None) => None,
        _ => return Err("either both ends have a port or none"),
    };
    let content = read_content(&mut words, ports)?;
    if words.next().is_some() {
        return Err("there is more text than a packet needs");
    }
    if ports.is_some() != matches!(content, Content::Tcp { .. } | Content::Udp { .. }) {
        return Err("tcp and udp need ports, others have none");
    }
    Ok(Notation { link: link.to_owned(), source, destination, content })
}

fn read_end(word: Option<&str>) -> Result<(Ipv4Addr, Option<u16>), &'static str> {
    let word = word.ok_or("an address is missing")?;
    let (address, port) = match word.split_once(':') {
        Some((address, port)) => (address, Some(port.parse().map_err(|_| "a port is 0 to 65535")?)),
        None => (word, None),
    };
    Ok((address.parse().map_err(|_| "an end is an IPv4 address, or one with :PORT")?, port))
}

fn read_content<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    ports: Option<(u16, u16)>,
) -> Result<Content, &'static str> {
    let (source_port, destination_port) = ports.unwrap_or_default();
    match words.next().ok_or("the protocol is missing")? {
        "tcp" => read_tcp(words, source_port, destination_port),
        "udp" => {
            let payload_len =
                read_number(words.next(), longest_payload(28), "udp is followed by its payload's length")?;
            Ok(Content::Udp { source_port, destination_port, payload_len })
        }
        "icmp" => read_icmp(words),
        "proto" => {
            let protocol = read_number(words.next(), u8::MAX, "proto is followed by a number up to 255")?;
            if matches!(protocol, protocol::TCP | protocol::UDP | protocol::ICMP) {
                return Err("this protocol has a name of its own");
            }
            let payload_len = read_number(words.next(), longest_payload(20), "proto N is followed by a length")?;
            Ok(Content::Other { protocol, payload_len })
        }
        "fragment" => {
            let protocol = match words.next() {
                Some("tcp") => protocol::TCP,
                Some("udp") => protocol::UDP,
                Some("icmp") => protocol::ICMP,
                other => read_number(other, u8::MAX, "fragment is followed by its protocol")?,
            };
            let longest = longest_payload(20 + FRAGMENT_OFFSET);
            let payload_len = read_number(words.next(), longest, "a fragment has a length up to 64035")?;
            if payload_len == 0 {
                return Err("a fragment is never empty");
            }
            Ok(Content::Fragment { protocol, payload_len })
        }
        _ => Err("the protocol is tcp, udp, icmp, proto or fragment"),
    }
}

fn read_tcp<'a>(
    words: &mut impl Iterator<Item = &'a str>,
    source_port: u16,
    destination_port: u16,
) -> Result<Content, &'static str> {
    let mut flags = 0;
    let names = words.next().ok_or("tcp is followed by its flags, or `none`")?;
    for name in names.split('|').filter(|_| names != "none") {
        flags |= FLAGS.iter().find(|(_, known)| *known == name).ok_or("a TCP flag is unknown")?.0;
    }
    let (mut sequence, mut acknowledgment, mut payload_len) = (0, 0, 0);
    while let Some(word) = words.next() {
        match word {
            "seq" => sequence = read_number(words.next(), u32::MAX, "seq is followed by a number")?,
            "ack" => acknowledgment = read_number(words.next(), u32::MAX, "ack is followed by a number")?,
            length => {
                payload_len = read_number(Some(length), longest_payload(40), "a length, seq N or ack N is expected")?
            }
        }
    }
    Ok(Content::Tcp { source_port, destination_port, flags, sequence, acknowledgment, payload_len })
}

fn read_icmp<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Content, &'static str> {
    const REASON: &str = "icmp is followed by `echo-request id N`, `echo-reply id N` or TYPE/CODE";
    let kind = words.next().ok_or(REASON)?;
    if let Some((icmp_type, code)) = kind.split_once('/') {
        let icmp_type = read_number(Some(icmp_type), u8::MAX, REASON)?;
        if matches!(icmp_type, icmp::ECHO_REQUEST | icmp::ECHO_REPLY) {
            return Err("write echo-request or echo-reply instead of its type");
        }
        return Ok(Content::Icmp { icmp_type, code: read_number(Some(code), u8::MAX, REASON)? });
    }
    if words.next() != Some("id") {
        return Err(REASON);
    }
    let identifier = read_number(words.next(), u16::MAX, REASON)?;
    match kind {
        "echo-request" => Ok(Content::EchoRequest { identifier }),
        "echo-reply" => Ok(Content::EchoReply { identifier }),
        _ => Err(REASON),
    }
}

fn read_number<T: FromStr + PartialOrd>(
    word: Option<&str>,
    maximum: T,
    reason: &'static str,
) -> Result<T, &'static str> {
    word.and_then(|word| word.parse().ok()).filter(|number| *number <= maximum).ok_or(reason)
}
