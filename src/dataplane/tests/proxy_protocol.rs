//! PROXY protocol version 2 towards targets: what each side sees, packet by packet.

mod lossy;

use std::time::Duration;

use super::lab::*;
use crate::dataplane::proxy_protocol::{HELD_FRAMES, HELD_IN_TOTAL, RETRY};
use crate::dataplane::{DropReason, Outbox};
use crate::packet::build::{self, Ends, Segment};
use crate::packet::{Offload, tcp, tcp_flags};

/// The lab whose target `web` wants to hear of its clients.
fn lab() -> Lab {
    let mut tables = tables();
    for target in tables.balancers[0].listeners.iter_mut().flat_map(|listener| &mut listener.targets) {
        target.proxy_protocol = true;
    }
    Lab::with(tables)
}

/// From `app` through the endpoint to `web`: listener 53 has that target alone.
const SYN: &str = "app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN seq 1000";
const TO_WEB: &str = "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp";
const HEADER: &str = "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp PSH|ACK 100 seq 901 ack 501";

impl Lab {
    fn client(&mut self, content: &str) -> Effect {
        self.send(&format!("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp {content}"))
    }

    #[track_caller]
    fn target(&mut self, sent: &str, arrives: &str) -> Vec<String> {
        self.passes_with(
            &format!("web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp {sent}"),
            &format!("app: 10.0.2.50:53 > 10.0.1.10:40000 tcp {arrives}"),
        )
    }

    /// Up to the client's acknowledgment of the target's SYN-ACK.
    fn opened() -> Self {
        let mut lab = lab();
        lab.passes(SYN, &format!("{TO_WEB} SYN seq 900"));
        assert!(lab.target("SYN|ACK seq 500 ack 901", "SYN|ACK seq 500 ack 1001").is_empty());
        lab
    }

    fn ticked(&mut self, later: Duration) -> Vec<String> {
        self.now += later;
        let mut outbox = Outbox::default();
        self.dataplane.tick(self.now, &mut outbox);
        texts(&outbox)
    }
}

fn kept(frames: &[&str]) -> Effect {
    Effect::Kept(frames.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn the_header_takes_the_place_of_the_handshakes_last_packet() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    // Data waits: a target under SYN cookies must see the header first.
    assert_eq!(lab.client("PSH|ACK 20 seq 1001 ack 501"), kept(&[]));
    let released = lab.target("ACK seq 501 ack 1001", "ACK seq 501 ack 1001");
    assert_eq!(released, [format!("{TO_WEB} PSH|ACK 20 seq 1001 ack 501")]);
    // From here on the flow is like any other.
    lab.passes(
        "app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK 7 seq 1021 ack 501",
        &format!("{TO_WEB} ACK 7 seq 1021 ack 501"),
    );
    assert!(lab.target("ACK 50 seq 501 ack 1028", "ACK 50 seq 501 ack 1028").is_empty());
    assert!(lab.ticked(RETRY * 2).is_empty(), "and no header comes again");
}

#[test]
fn a_server_that_speaks_first_is_heard_at_once() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    assert!(lab.target("PSH|ACK 30 seq 501 ack 1001", "PSH|ACK 30 seq 501 ack 1001").is_empty());
    lab.passes(
        "app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK seq 1001 ack 531",
        &format!("{TO_WEB} ACK seq 1001 ack 531"),
    );
}

#[test]
fn a_lost_header_goes_again_at_once_when_the_target_asks() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    // A keepalive of the target's, say: it still waits for the header.
    assert_eq!(lab.target("ACK seq 500 ack 901", "ACK seq 500 ack 1001"), [HEADER]);
    assert!(lab.target("ACK seq 500 ack 901", "ACK seq 500 ack 1001").is_empty(), "once");
    lab.now += RETRY;
    assert_eq!(lab.target("ACK seq 500 ack 901", "ACK seq 500 ack 1001"), [HEADER], "and then every 200 ms");
}

#[test]
fn a_silent_clients_header_goes_again_by_itself() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    assert!(lab.ticked(RETRY / 2).is_empty());
    assert_eq!(lab.ticked(RETRY / 2), [HEADER]);
    assert!(lab.ticked(RETRY).is_empty(), "the wait doubles");
    assert_eq!(lab.ticked(RETRY), [HEADER]);
    for wait in [4, 8, 16, 32, 32, 32] {
        assert!(lab.ticked(RETRY * wait - RETRY / 2).is_empty(), "{wait}");
        assert_eq!(lab.ticked(RETRY / 2), [HEADER], "{wait}");
    }
    lab.after(350);
    assert!(lab.dataplane.flows().is_empty(), "a flow that nobody uses ends");
    assert!(lab.ticked(RETRY * 64).is_empty());
}

/// The SYN-ACK was lost on its way to the client, and the target sends it again.
#[test]
fn a_handshake_that_is_said_twice() {
    let mut lab = Lab::opened();
    assert!(lab.target("SYN|ACK seq 500 ack 901", "SYN|ACK seq 500 ack 1001").is_empty());
    lab.passes(SYN, &format!("{TO_WEB} SYN seq 900"));
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    assert!(
        lab.target("SYN|ACK seq 500 ack 901", "SYN|ACK seq 500 ack 1001").is_empty(),
        "it says nothing of the header"
    );
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[]));
}

#[test]
fn data_with_the_handshakes_last_packet() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("PSH|ACK 9 seq 1001 ack 501"), kept(&[HEADER]));
    let released = lab.target("ACK seq 501 ack 1001", "ACK seq 501 ack 1001");
    assert_eq!(released, [format!("{TO_WEB} PSH|ACK 9 seq 1001 ack 501")]);
}

#[test]
fn a_closed_port_refuses_at_once() {
    let mut lab = lab();
    lab.passes(SYN, &format!("{TO_WEB} SYN seq 900"));
    assert!(lab.target("RST|ACK ack 901", "RST|ACK ack 1001").is_empty());
}

#[test]
fn a_client_that_resets_before_the_header_is_there() {
    // Before it was sent: the target waits for the header's number.
    let mut lab = Lab::opened();
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp RST seq 1001", &format!("{TO_WEB} RST seq 901"));
    // After that it may be lost: then the reset alone would be out of turn.
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    let reset = format!("{TO_WEB} RST seq 1001");
    assert_eq!(lab.client("RST seq 1001"), kept(&[HEADER, &reset]));
    assert!(lab.ticked(Duration::ZERO).is_empty());
}

/// The client's ports again, for a connection of its own.
#[test]
fn another_syn_is_another_connection() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN seq 7", &format!("{TO_WEB} SYN seq 4294967203"));
    assert!(lab.target("SYN|ACK seq 800 ack 4294967204", "SYN|ACK seq 800 ack 8").is_empty());
    let header = format!("{TO_WEB} PSH|ACK 100 seq 4294967204 ack 801");
    assert_eq!(lab.client("ACK seq 8 ack 801"), kept(&[&header]), "sequence space ends within the header");
    assert!(lab.target("ACK seq 801 ack 8", "ACK seq 801 ack 8").is_empty());
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK 1 seq 8 ack 801", &format!("{TO_WEB} ACK 1 seq 8 ack 801"));
}

#[test]
fn what_waits_has_bounds() {
    let mut lab = Lab::opened();
    assert_eq!(lab.client("ACK seq 1001 ack 501"), kept(&[HEADER]));
    for number in 0..HELD_FRAMES {
        assert_eq!(lab.client(&format!("ACK 10 seq {} ack 501", 1001 + number * 10)), kept(&[]));
    }
    assert_eq!(lab.client("ACK 10 seq 2000 ack 501"), Effect::Dropped(DropReason::ProxyProtocolWaits));
    assert_eq!(lab.target("ACK seq 501 ack 1001", "ACK seq 501 ack 1001").len(), HELD_FRAMES);
    // All connections together have a bound, too; and room comes back.
    let send = |lab: &mut Lab, port: u16, content: &str| {
        lab.send(&format!("app: 10.0.1.10:{port} > 10.0.2.50:53 tcp {content}"))
    };
    let answers = |lab: &mut Lab, node: u16, content: &str| {
        lab.send(&format!("web: 10.0.1.20:8080 > 10.0.1.100:{node} tcp {content}"))
    };
    let mut held = 0;
    let full = (0u16..).find(|number| {
        let (port, node) = (41_000 + number, 1025 + number);
        send(&mut lab, port, "SYN seq 1000");
        answers(&mut lab, node, "SYN|ACK seq 500 ack 901");
        let kept = |_: &usize| matches!(send(&mut lab, port, "ACK 8000 seq 1001 ack 501"), Effect::Kept(_));
        let frames = (0..HELD_FRAMES).take_while(kept).count();
        held += frames * 8054;
        frames < HELD_FRAMES
    });
    assert!(held <= HELD_IN_TOTAL && held + 8054 > HELD_IN_TOTAL, "{held}");
    answers(&mut lab, 1025, "ACK seq 501 ack 1001");
    let port = 41_000 + full.expect("it ends");
    assert_eq!(send(&mut lab, port, "ACK 8000 seq 1001 ack 501"), kept(&[]));
}

/// RFC 7413: data in a SYN would lie where the header goes. The client sends it again.
#[test]
fn fast_open_is_taken_out_of_the_syn() {
    let lab = lab();
    let ends = Ends {
        source_mac: mac(0, "10.0.1.10"),
        destination_mac: mac(0, "10.0.1.1"),
        source: [10, 0, 1, 10].into(),
        destination: [10, 0, 2, 50].into(),
    };
    let options = [2, 4, 0x22, 0x00, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1];
    for payload in [&b"GET /"[..], b""] {
        let segment = Segment {
            source_port: 40000,
            destination_port: 53,
            flags: tcp_flags::SYN,
            sequence: 1000,
            window: 4000,
            options: &options,
            payload,
            ..Segment::default()
        };
        let mut frame = build::tcp(&ends, &segment);
        let mut outbox = Outbox::default();
        let vnet = Some(&[0; crate::packet::VNET_HEADER_LEN]);
        lab.dataplane.handle(APP, vnet, &mut frame, lab.now, &mut outbox);
        let sent = outbox.frames.pop().map_or(frame, |(_, frame)| frame);
        let packet = ipv4(&sent);
        assert_valid_checksums(&sent);
        assert_eq!((packet.tcp_sequence, packet.payload_len, tcp::window(&sent, &packet)), (900, 0, 4000));
        assert_eq!(tcp::option(&sent, &packet, tcp::option::FAST_OPEN), None);
        let mss = tcp::option(&sent, &packet, tcp::option::MSS).expect("the others stay");
        assert_eq!(mss, 8460u16.to_be_bytes(), "clamped as ever");
    }
}

/// A segment with options, by etherparse; what arrived, or was sent in its place.
fn exchange(lab: &mut Lab, from_client: bool, segment: &Segment<'_>) -> Vec<Vec<u8>> {
    let ends = |source: [u8; 4], destination: [u8; 4], macs: [&str; 2], vpc| Ends {
        source_mac: mac(vpc, macs[0]),
        destination_mac: mac(vpc, macs[1]),
        source: source.into(),
        destination: destination.into(),
    };
    let (link, ends) = match from_client {
        true => (APP, ends([10, 0, 1, 10], [10, 0, 2, 50], ["10.0.1.10", "10.0.1.1"], 0)),
        false => (WEB, ends([10, 0, 1, 20], [10, 0, 1, 100], ["10.0.1.20", "10.0.1.100"], 1)),
    };
    let mut frame = build::tcp(&ends, segment);
    let mut outbox = Outbox::default();
    let vnet = Some(&[0; crate::packet::VNET_HEADER_LEN]);
    let verdict = lab.dataplane.handle(link, vnet, &mut frame, lab.now, &mut outbox);
    let forwarded = matches!(verdict, crate::dataplane::Verdict::Forward { .. }).then_some(frame);
    let released = outbox.released.into_iter().map(|(.., frame)| frame);
    forwarded.into_iter().chain(outbox.frames.into_iter().map(|(_, frame)| frame)).chain(released).collect()
}

/// Windows begin where acknowledgments end, and a header is no older than the segments around it (PAWS, RFC 7323 5).
#[test]
fn windows_and_timestamps() {
    let mut lab = lab();
    let scaled = |value: u32| [&[3, 3, 7, 1, 8, 10][..], &value.to_be_bytes(), &[0; 4], &[0; 2]].concat();
    let stamped = |value: u32, echo: u32| [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat();
    let client = Segment { source_port: 40000, destination_port: 53, ..Segment::default() };
    let target = Segment { source_port: 8080, destination_port: 1024, ..Segment::default() };
    let options = scaled(10);
    let syn = Segment { flags: tcp_flags::SYN, sequence: 1000, window: 100, options: &options, ..client };
    assert_eq!(exchange(&mut lab, true, &syn).len(), 1);
    let (flags, options) = (tcp_flags::SYN | tcp_flags::ACK, scaled(90));
    let syn_ack = Segment { flags, sequence: 500, acknowledgment: 901, window: 60_000, options: &options, ..target };
    let arrived = exchange(&mut lab, false, &syn_ack).remove(0);
    assert_eq!(tcp::window(&arrived, &ipv4(&arrived)), 59_900, "a SYN's window is not scaled");
    let ack = tcp_flags::ACK;
    let options = stamped(11, 90);
    let said = Segment { flags: ack, sequence: 1001, acknowledgment: 501, window: 300, options: &options, ..client };
    let header = exchange(&mut lab, true, &said).remove(0);
    let packet = ipv4(&header);
    assert_eq!((tcp::window(&header, &packet), packet.payload_len), (300, 100));
    assert_eq!(tcp::option(&header, &packet, tcp::option::TIMESTAMPS), Some(&options[4..]));
    // Data of time 12 waits; the client's clock goes on to 20, and acknowledges more.
    let options = stamped(12, 90);
    assert!(exchange(&mut lab, true, &Segment { payload: b"x", options: &options, ..said }).is_empty());
    let options = stamped(20, 95);
    assert!(
        exchange(&mut lab, true, &Segment { acknowledgment: 511, window: 290, options: &options, ..said }).is_empty()
    );
    let asks = Segment { flags: ack, sequence: 511, acknowledgment: 901, window: 10, ..target };
    let arrived = exchange(&mut lab, false, &asks);
    assert_eq!(tcp::window(&arrived[0], &ipv4(&arrived[0])), ((10 << 7) - 100) >> 7);
    let packet = ipv4(&arrived[1]);
    assert_eq!((packet.tcp_sequence, packet.tcp_acknowledgment, tcp::window(&arrived[1], &packet)), (901, 511, 290));
    let expected = stamped(12, 95);
    assert_eq!(
        tcp::option(&arrived[1], &packet, tcp::option::TIMESTAMPS),
        Some(&expected[4..]),
        "not later than what waits"
    );
}

/// A super-segment waits whole, and goes on as one.
#[test]
fn a_super_segment_keeps_its_offload() {
    let lab = Lab::opened();
    let ends = Ends {
        source_mac: mac(0, "10.0.1.10"),
        destination_mac: mac(0, "10.0.1.1"),
        source: [10, 0, 1, 10].into(),
        destination: [10, 0, 2, 50].into(),
    };
    let payload = vec![7; 30_000];
    let segment = Segment {
        source_port: 40000,
        destination_port: 53,
        flags: tcp_flags::ACK,
        sequence: 1001,
        acknowledgment: 501,
        payload: &payload,
        ..Segment::default()
    };
    let mut frame = build::tcp(&ends, &segment);
    let packet = ipv4(&frame);
    let offload = Offload {
        checksum: crate::packet::L4Checksum::Partial,
        segmentation: Some(crate::packet::offload::Segmentation {
            kind: crate::packet::offload::SegmentationKind::TcpV4,
            size: 1448,
            ecn: false,
        }),
    };
    let vnet = crate::packet::offload::emit(&offload, &packet);
    let mut outbox = Outbox::default();
    lab.dataplane.handle(APP, Some(&vnet), &mut frame, lab.now, &mut outbox);
    assert_eq!((outbox.frames.len(), outbox.released.len()), (1, 0), "the header");
    let mut ack: Vec<u8> = crate::packet::Notation::frame(
        &"web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK seq 501 ack 1001".parse().expect("a packet"),
        mac(1, "10.0.1.20"),
        mac(1, "10.0.1.100"),
    );
    let mut outbox = Outbox::default();
    lab.dataplane.handle(WEB, Some(&[0; crate::packet::VNET_HEADER_LEN]), &mut ack, lab.now, &mut outbox);
    let [(link, released, frame)] = &outbox.released[..] else { panic!("{:?}", outbox.released.len()) };
    assert_eq!((*link, *released, frame.len()), (WEB, vnet, 30_054));
}
