//! PrivateLink is one-way: what a provider sends reaches a consumer as the answer to what the consumer asked, or not at all.

use super::lab::*;
use crate::dataplane::Verdict;
use crate::packet::build::{self, Ends, Segment};
use crate::packet::{VNET_HEADER_LEN, icmp, protocol, tcp_flags};

/// Everything that could be somebody on either side: a target, its twin, the balancer's node, the provider's router, the
/// consumer's client, its neighbours, the endpoint's interfaces, the consumer's router, and nobody.
const ADDRESSES: [[u8; 4]; 13] = [
    [10, 0, 1, 20],
    [10, 0, 1, 21],
    [10, 0, 1, 100],
    [10, 0, 1, 1],
    [10, 0, 1, 10],
    [10, 0, 1, 11],
    [10, 0, 2, 10],
    [10, 0, 2, 50],
    [10, 0, 2, 60],
    [10, 0, 2, 1],
    [10, 0, 1, 99],
    [10, 9, 9, 9],
    [100, 64, 0, 16],
];
/// A listener's, a target's, the ports of the flow that stands, a node's next one, a client's next one, and others.
const PORTS: [u16; 8] = [80, 8080, 40000, 1024, 1025, 40001, 443, 65535];
const FLAGS: [u8; 5] =
    [tcp_flags::SYN, tcp_flags::SYN | tcp_flags::ACK, tcp_flags::ACK, tcp_flags::RST, tcp_flags::FIN | tcp_flags::ACK];

/// Every frame of these addresses: each protocol, flag and port, and errors that quote each port.
fn frames(ends: &Ends) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for source_port in PORTS {
        for destination_port in PORTS {
            for flags in FLAGS {
                let segment = Segment {
                    source_port,
                    destination_port,
                    flags,
                    sequence: 7,
                    acknowledgment: 9,
                    ..Segment::default()
                };
                frames.push(build::tcp(ends, &segment));
            }
            frames.push(build::udp(ends, source_port, destination_port, b"datagram"));
            let quoted = Ends { source: ends.destination, destination: ends.source, ..*ends };
            let segment = Segment { source_port, destination_port, flags: tcp_flags::ACK, ..Segment::default() };
            let quote = build::tcp(&quoted, &segment).split_off(14);
            frames.push(build::icmp(ends, icmp::UNREACHABLE, icmp::HOST_UNREACHABLE, [0; 4], &quote));
        }
        frames.push(build::echo_request(ends, source_port, 1, b"ping"));
        frames.push(build::echo_reply(ends, source_port, 1, b"pong"));
    }
    frames.push(build::ip(ends, 47, &[0; 20]));
    frames.push(build::later_fragment(ends, protocol::UDP, 1480, &[0; 64]));
    frames
}

#[test]
fn a_provider_opens_nothing_towards_a_consumer() {
    let mut lab = Lab::new();
    // One connection stands, from `app` to a target through the endpoint.
    let opened = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN seq 7");
    assert!(matches!(&opened, Effect::Sent(text, ..) if text.starts_with("web: 10.0.1.100:1024 > 10.0.1.20:8080")));
    let consumers = [APP, PEER, DB];
    let macs = ["10.0.1.1", "10.0.1.21", "10.0.1.100"].map(|address| mac(1, address));
    let (mut sent, mut arrived) = (0, Vec::new());
    for (target, own) in [(WEB, "10.0.1.20"), (WEB2, "10.0.1.21")] {
        for source in ADDRESSES {
            for destination in ADDRESSES {
                for destination_mac in macs {
                    let ends = Ends {
                        source_mac: mac(1, own),
                        destination_mac,
                        source: source.into(),
                        destination: destination.into(),
                    };
                    for mut frame in frames(&ends) {
                        sent += 1;
                        let before = ipv4(&frame);
                        let mut outbox = crate::dataplane::Outbox::default();
                        let vnet = Some(&[0; VNET_HEADER_LEN]);
                        let verdict = lab.dataplane.handle(target, vnet, &mut frame, lab.now, &mut outbox);
                        let beside = outbox.frames.iter().any(|(link, _)| consumers.contains(link));
                        assert!(!beside && outbox.released.is_empty(), "{before:?}");
                        if matches!(verdict, Verdict::Forward { link, .. } if consumers.contains(&link)) {
                            arrived.push((target, before));
                        }
                    }
                }
            }
        }
    }
    // What came through is the target's answer to that connection, or an error about it, and nothing else.
    assert!(!arrived.is_empty() && sent > 250_000, "{sent}");
    for (target, packet) in &arrived {
        assert_eq!(
            (*target, packet.source.octets(), packet.destination.octets()),
            (WEB, [10, 0, 1, 20], [10, 0, 1, 100])
        );
        let answers = (packet.source_port, packet.destination_port) == (8080, 1024);
        assert!(answers && packet.protocol == protocol::TCP || packet.is_icmp_error(), "{packet:?}");
    }
    // Addressed to the node or to the router on layer 2, not to the neighbour that has another address.
    let errors = arrived.iter().filter(|(_, packet)| packet.is_icmp_error()).count();
    assert_eq!((errors, arrived.len() - errors), (2, 2 * FLAGS.len()));
}
