//! Captures: copies of a guest's frames, as pcapng that Wireshark opens and as lines that people read.
//!
//! **Purpose.** To see what is on a guest's wire without entering its namespace.
//!
//! **Identity.** A capture belongs to one control connection and listens to the links of one guest. It is taken on the
//! guest's side of the dataplane, so nobody ever sees a fabric address.
//!
//! **Life.** [`Captures::listen`] registers it; the pump offers each frame of a link that has a listener; dropping the
//! [`Listener`] ends it. A link without listeners costs the pump one relaxed load per frame.
//!
//! **Limits.** [`QUEUE`] frames of [`QUEUE_BYTES`] together wait for the control connection; what does not fit is left out
//! before it is copied, and counted, and the count stands in the capture (`epb_dropcount`). The pump never waits.
//!
//! **Not done.** Super-segments are shown as they cross the link, up to 64 KiB, not as the segments that a wire would
//! carry. A partial checksum is completed, so that no tool calls it wrong. TLS secrets stand in the file only where they were asked
//! for ([`PcapngBytes::add_secrets`]).

use std::borrow::Cow;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgReader, PcapNgWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::packet::{Notation, Packet, Parsed, VNET_HEADER_LEN, complete_checksum, parse};

/// Frames that wait for one capture's connection.
pub const QUEUE: usize = 4096;
/// Bytes of frames that wait for one capture's connection: 256 super-segments of 64 KiB, or a full [`QUEUE`] of frames up to
/// 4 KiB.
pub const QUEUE_BYTES: usize = 16 << 20;

/// Decryption Secrets Block (draft-ietf-opsawg-pcapng section 4.7), which the crate has no type for.
const DECRYPTION_SECRETS: u32 = 0x0000_000A;
/// Its content is a TLS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the frame's checksum is partial.
const NEEDS_CHECKSUM: u8 = 1;

/// A copy of a frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The link it crossed.
    pub link: usize,
    /// The guest sent it.
    pub sent: bool,
    /// When.
    pub at: SystemTime,
    /// From the Ethernet header on, as it crossed.
    pub bytes: Vec<u8>,
    /// The checksum is still to be completed.
    pub partial: bool,
}

/// All captures that run, by link.
#[derive(Debug)]
pub struct Captures {
    links: Vec<Tapped>,
}

#[derive(Debug, Default)]
struct Tapped {
    listening: AtomicU32,
    listeners: Mutex<Vec<Queue>>,
}

/// The pump's end of a capture's queue.
#[derive(Clone, Debug)]
struct Queue {
    frames: mpsc::Sender<Waiting>,
    /// A permit is a byte.
    room: Arc<Semaphore>,
    lost: Arc<AtomicU64>,
}

/// A frame in a queue, and the room that it takes there.
#[derive(Debug)]
struct Waiting {
    frame: Frame,
    _room: OwnedSemaphorePermit,
}

impl Queue {
    /// Copies the frame when there is room for it.
    fn offer(&self, len: usize, copy: impl FnOnce() -> Frame) {
        let room = u32::try_from(len).ok().and_then(|len| Arc::clone(&self.room).try_acquire_many_owned(len).ok());
        match (self.frames.try_reserve(), room) {
            (Ok(place), Some(room)) => place.send(Waiting { frame: copy(), _room: room }),
            _ => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Captures {
    /// For so many links, nobody listening.
    pub fn new(links: usize) -> Self {
        Self { links: (0..links).map(|_| Tapped::default()).collect() }
    }

    /// Copies the frame to whoever listens to the link.
    #[inline]
    pub fn offer(&self, link: usize, sent: bool, vnet: Option<&[u8; VNET_HEADER_LEN]>, frame: &[u8]) {
        if let Some(tapped) = self.links.get(link)
            && tapped.listening.load(Ordering::Relaxed) != 0
        {
            tapped.copy(link, sent, vnet, frame);
        }
    }

    /// Starts to listen to these links.
    pub fn listen(self: &Arc<Self>, links: &[usize]) -> Listener {
        let (sender, frames) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let queue = Queue { frames: sender, room: Arc::new(Semaphore::new(QUEUE_BYTES)), lost: Arc::clone(&lost) };
        for tapped in links.iter().filter_map(|link| self.links.get(*link)) {
            tapped.listeners().push(queue.clone());
            tapped.listening.fetch_add(1, Ordering::Relaxed);
        }
        Listener { frames, lost, captures: Arc::clone(self), links: links.to_vec() }
    }
}

impl Tapped {
    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<Queue>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn copy(&self, link: usize, sent: bool, vnet: Option<&[u8; VNET_HEADER_LEN]>, frame: &[u8]) {
        let partial = vnet.is_some_and(|header| header[0] & NEEDS_CHECKSUM != 0);
        let at = SystemTime::now();
        for queue in self.listeners().iter() {
            queue.offer(frame.len(), || Frame { link, sent, at, bytes: frame.to_vec(), partial });
        }
    }
}

/// One capture's end of the queue; dropping it ends the capture.
#[derive(Debug)]
pub struct Listener {
    frames: mpsc::Receiver<Waiting>,
    lost: Arc<AtomicU64>,
    captures: Arc<Captures>,
    links: Vec<usize>,
}

impl Listener {
    /// The next frame, and how many were left out before it.
    pub async fn next(&mut self) -> Option<(Frame, u64)> {
        let Waiting { frame, .. } = self.frames.recv().await?;
        Some((frame, self.lost.swap(0, Ordering::Relaxed)))
    }

    /// The next frame that waits already.
    pub fn try_next(&mut self) -> Option<(Frame, u64)> {
        let Waiting { frame, .. } = self.frames.try_recv().ok()?;
        Some((frame, self.lost.swap(0, Ordering::Relaxed)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.frames.close();
        for tapped in self.links.iter().filter_map(|link| self.captures.links.get(*link)) {
            let mut listeners = tapped.listeners();
            let before = listeners.len();
            listeners.retain(|queue| !queue.frames.is_closed());
            tapped.listening.fetch_sub((before - listeners.len()) as u32, Ordering::Relaxed);
        }
    }
}

/// What a capture lets through: all of its words must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Host(Ipv4Addr),
    Port(u16),
    Protocol(u8),
    Arp,
}

impl Filter {
    /// Reads `host ADDRESS`, `port NUMBER`, `tcp`, `udp`, `icmp` and `arp`, joined by `and` or by nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "use `host ADDRESS`, `port NUMBER`, `tcp`, `udp`, `icmp`, `arp`, joined by `and`";
        let mut words = Vec::new();
        let mut rest = text.split_whitespace();
        while let Some(word) = rest.next() {
            let argument = |value: Option<&str>| {
                value.ok_or(format!("filter: `{word}` needs a value; {expected}")).map(String::from)
            };
            words.push(match word {
                "and" => continue,
                "host" => {
                    let value = argument(rest.next())?;
                    Word::Host(value.parse().map_err(|_| format!("filter: `{value}` is no IPv4 address"))?)
                }
                "port" => {
                    let value = argument(rest.next())?;
                    Word::Port(value.parse().map_err(|_| format!("filter: `{value}` is no port"))?)
                }
                "tcp" => Word::Protocol(6),
                "udp" => Word::Protocol(17),
                "icmp" => Word::Protocol(1),
                "arp" => Word::Arp,
                other => return Err(format!("filter: `{other}` is not known; {expected}")),
            });
        }
        Ok(Self { words })
    }

    /// Whether a frame passes. What can't be parsed passes the empty filter only.
    pub fn passes(&self, frame: &[u8]) -> bool {
        let parsed = parse(frame);
        self.words.iter().all(|word| match (&parsed, word) {
            (Ok(Parsed::Arp(_)), Word::Arp) => true,
            (Ok(Parsed::Arp(arp)), Word::Host(host)) => arp.sender_ip == *host || arp.target_ip == *host,
            (Ok(Parsed::Ipv4(packet)), Word::Host(host)) => packet.source == *host || packet.destination == *host,
            (Ok(Parsed::Ipv4(packet)), Word::Protocol(protocol)) => packet.protocol == *protocol,
            (Ok(Parsed::Ipv4(packet)), Word::Port(port)) => {
                [6, 17].contains(&packet.protocol) && (packet.source_port == *port || packet.destination_port == *port)
            }
            _ => false,
        })
    }
}

/// Turns frames into pcapng bytes.
pub struct PcapngBytes {
    writer: PcapNgWriter<Vec<u8>>,
    links: Vec<usize>,
}

impl PcapngBytes {
    /// Of these links, each an interface of that name in the capture.
    pub fn new(links: &[(usize, String)]) -> Result<Self> {
        let mut writer = PcapNgWriter::new(Vec::new()).context("starting a capture")?;
        for (_, name) in links {
            let options = vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(name)),
                // The crate writes nanoseconds whatever is said here, and readers take microseconds when nothing is.
                InterfaceDescriptionOption::IfTsResol(9),
            ];
            let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
            writer.write_block(&block.into_block()).context("describing the captured interfaces")?;
        }
        Ok(Self { writer, links: links.iter().map(|(link, _)| *link).collect() })
    }

    /// Adds a frame, its checksum completed.
    pub fn add(&mut self, mut frame: Frame, lost: u64) -> Result<()> {
        let Some(interface) = self.links.iter().position(|link| *link == frame.link) else { return Ok(()) };
        if frame.partial
            && let Ok(Parsed::Ipv4(packet)) = parse(&frame.bytes)
        {
            complete_checksum(&mut frame.bytes, &packet);
        }
        let direction = if frame.sent { 2 } else { 1 };
        let mut options = vec![EnhancedPacketOption::Flags(direction)];
        if lost > 0 {
            options.push(EnhancedPacketOption::DropCount(lost));
        }
        let block = EnhancedPacketBlock {
            interface_id: interface as u32,
            timestamp: frame.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO),
            original_len: frame.bytes.len() as u32,
            data: Cow::Owned(frame.bytes),
            options,
        };
        self.writer.write_block(&block.into_block()).context("writing a captured frame").map(|_| ())
    }

    /// Adds lines of a TLS key log; they open the frames that are added after them.
    pub fn add_secrets(&mut self, lines: &str) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let len = u32::try_from(lines.len()).context("more TLS secrets than a block holds")?;
        // In the section's byte order, which is this machine's; the padding to 32 bits is the writer's and not counted.
        let mut value = [TLS_KEY_LOG.to_ne_bytes(), len.to_ne_bytes()].concat();
        value.extend_from_slice(lines.as_bytes());
        let block = UnknownBlock { type_: DECRYPTION_SECRETS, length: 0, value: Cow::Owned(value) };
        self.writer.write_block(&block.into_block()).context("writing TLS secrets").map(|_| ())
    }

    /// The bytes so far, which are then forgotten.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.writer.get_mut())
    }
}

/// Reads pcapng bytes and says each frame as a line, times from the first frame on.
pub fn read_lines(bytes: impl Read, say: &mut dyn FnMut(String) -> Result<()>) -> Result<()> {
    let mut reader = PcapNgReader::new(bytes).context("reading the capture")?;
    let mut names: Vec<String> = Vec::new();
    let mut first = None;
    while let Some(block) = reader.next_block() {
        match block.context("reading the capture")? {
            Block::InterfaceDescription(interface) => names.push(
                interface
                    .options
                    .iter()
                    .find_map(|option| match option {
                        InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                        _ => None,
                    })
                    .unwrap_or_default(),
            ),
            Block::EnhancedPacket(packet) => {
                let since = packet.timestamp.saturating_sub(*first.get_or_insert(packet.timestamp));
                let name = names.get(packet.interface_id as usize).map_or("?", String::as_str);
                say(format!("{:>10.6}  {}", since.as_secs_f64(), frame_line(name, &packet.data)))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A frame in text notation; ARP in tcpdump's words.
pub fn frame_line(link: &str, frame: &[u8]) -> String {
    match parse(frame) {
        Ok(Parsed::Ipv4(packet)) => packet_line(link, &packet),
        Ok(Parsed::Arp(arp)) if arp.operation == 1 => {
            format!("{link}: arp who-has {} tell {}", arp.target_ip, arp.sender_ip)
        }
        Ok(Parsed::Arp(arp)) => {
            let mac: Vec<String> = arp.sender_mac.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{link}: arp reply {} is-at {}", arp.sender_ip, mac.join(":"))
        }
        Ok(Parsed::Other { ether_type }) => format!("{link}: ether type 0x{ether_type:04x}, {} bytes", frame.len()),
        Err(malformed) => format!("{link}: malformed frame of {} bytes: {malformed}", frame.len()),
    }
}

fn packet_line(link: &str, packet: &Packet) -> String {
    Notation::new(link, packet).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::build;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn frame(text: &str) -> Vec<u8> {
        text.parse::<Notation>().unwrap().frame(MAC, MAC)
    }

    #[test]
    fn filters() {
        let tcp = frame("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN");
        let udp = frame("app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12");
        let arp = build::arp_request(MAC, Ipv4Addr::new(10, 0, 1, 10), Ipv4Addr::new(10, 0, 1, 1));
        let passing = |filter: &str| {
            let filter = Filter::parse(filter).unwrap();
            [&tcp[..], &udp, &arp].map(|frame| filter.passes(frame))
        };
        assert_eq!(passing(""), [true, true, true]);
        assert_eq!(passing("tcp"), [true, false, false]);
        assert_eq!(passing("udp and port 53"), [false, true, false]);
        assert_eq!(passing("host 10.0.1.10"), [true, true, true]);
        assert_eq!(passing("host 10.0.1.1"), [false, false, true]);
        assert_eq!(passing("port 40000"), [true, true, false]);
        assert_eq!(passing("arp"), [false, false, true]);
        for bad in ["port", "port x", "host 1.2.3", "greater 5"] {
            assert!(Filter::parse(bad).unwrap_err().starts_with("filter: "), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_capture_reads_back_with_complete_checksums() {
        let captures = Arc::new(Captures::new(3));
        let mut listener = captures.listen(&[1]);
        let whole = frame("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp PSH|ACK 5 seq 7 ack 9");
        let mut partial = whole.clone();
        let Ok(Parsed::Ipv4(packet)) = parse(&whole) else { panic!("it is a packet") };
        partial[packet.l4_offset + 16] ^= 0x5a;
        captures.offer(0, true, None, &whole);
        captures.offer(1, true, Some(&[NEEDS_CHECKSUM, 0, 0, 0, 0, 0, 0, 0, 0, 0]), &partial);
        let (copied, lost) = listener.next().await.unwrap();
        assert_eq!((copied.link, copied.sent, lost), (1, true, 0));

        let mut bytes = PcapngBytes::new(&[(1, "app".into())]).unwrap();
        bytes.add(copied, 3).unwrap();
        let bytes = bytes.take();
        let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
        let mut frames = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                frames.push((packet.data.to_vec(), packet.options.len()));
            }
        }
        assert_eq!(frames, [(whole, 2)]);
        let mut lines = Vec::new();
        read_lines(&bytes[..], &mut |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, ["  0.000000  app: 10.0.1.10:40000 > 52.216.0.5:443 tcp PSH|ACK 5 seq 7 ack 9"]);
    }

    #[test]
    fn secrets_stand_as_a_block_before_the_frames_that_follow() {
        let mut bytes = PcapngBytes::new(&[(1, "app".into())]).unwrap();
        bytes.take();
        bytes.add_secrets("").unwrap();
        assert!(bytes.take().is_empty());
        for (lines, padding) in [("L 01 2\n", 1), ("L 01 02\n", 0), ("L 01 0203\n", 2), ("L 01 020\n", 3)] {
            bytes.add_secrets(lines).unwrap();
            // draft-ietf-opsawg-pcapng section 4.7: type, length, secrets type, secrets length, data, padding, length again.
            let whole = 20 + lines.len() as u32 + padding;
            let mut expected: Vec<u8> = [0x0a, whole, 0x544c_534b, lines.len() as u32].map(u32::to_ne_bytes).concat();
            expected.extend(lines.as_bytes());
            expected.extend(vec![0; padding as usize]);
            expected.extend(whole.to_ne_bytes());
            assert_eq!(bytes.take(), expected);
        }
    }

    #[test]
    fn secrets_are_not_among_the_lines_that_people_read() {
        let mut bytes = PcapngBytes::new(&[(1, "app".into())]).unwrap();
        bytes.add_secrets("CLIENT_RANDOM 01 02\n").unwrap();
        let udp = frame("app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12");
        bytes.add(Frame { link: 1, sent: true, at: SystemTime::now(), bytes: udp, partial: false }, 0).unwrap();
        let mut lines = Vec::new();
        read_lines(&bytes.take()[..], &mut |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();
        assert_eq!(lines, ["  0.000000  app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12"]);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted_and_the_end_is_noticed() {
        let captures = Arc::new(Captures::new(1));
        let mut listener = captures.listen(&[0]);
        let one = frame("app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12");
        for _ in 0..QUEUE + 5 {
            captures.offer(0, false, None, &one);
        }
        let (_, lost) = listener.next().await.unwrap();
        assert_eq!(lost, 5);
        drop(listener);
        assert_eq!(captures.links[0].listening.load(Ordering::Relaxed), 0);
        captures.offer(0, false, None, &one);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes() {
        let captures = Arc::new(Captures::new(1));
        let mut listener = captures.listen(&[0]);
        let large = vec![0; 64 * 1024];
        let fit = QUEUE_BYTES / large.len();
        for _ in 0..fit + 3 {
            captures.offer(0, false, None, &large);
        }
        let (_, lost) = listener.next().await.unwrap();
        assert_eq!(lost, 3);
        // The room of the one that was taken is free again, and no more than that.
        for _ in 0..2 {
            captures.offer(0, false, None, &large);
        }
        let mut waiting = 0;
        let mut lost = 0;
        while let Some((_, more)) = listener.try_next() {
            waiting += 1;
            lost += more;
        }
        assert_eq!((waiting, lost), (fit, 1));
    }
}
