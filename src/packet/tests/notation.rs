use super::super::notation::{Content, Notation};
use super::*;

const EXAMPLES: [&str; 11] = [
    "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN",
    "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN|ACK seq 1 ack 4294967295",
    "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp PSH|ACK 512 seq 7 ack 9",
    "app: 10.0.1.10:0 > 52.216.0.5:65535 tcp none",
    "app: 10.0.1.10:40000 > 10.0.0.2:53 udp 12",
    "stack/app: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7",
    "app: 10.0.1.10 > 10.0.1.11 icmp echo-reply id 0",
    "app: 10.0.1.10 > 10.0.1.11 icmp 3/4",
    "app: 10.0.1.10 > 10.0.1.11 proto 47 100",
    "app: 10.0.1.10 > 10.0.1.11 fragment udp 1480",
    "app: 10.0.1.10 > 10.0.1.11 fragment 47 8",
];

#[test]
fn examples_survive_the_whole_circle() {
    for text in EXAMPLES {
        let notation: Notation = text.parse().unwrap();
        assert_eq!(notation.to_string(), text);
        let frame = notation.frame([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let packet = ipv4(&frame);
        assert_eq!((packet.source_mac, packet.destination_mac), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
        assert_eq!(Notation::new(&notation.link, &packet), notation, "{text}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for (text, reason) in [
        ("", "link"),
        ("10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", "link"),
        (": 10.0.1.10:1 > 10.0.0.2:2 udp 1", "link"),
        ("app: 10.0.1.10:1 10.0.0.2:2 udp 1", "`>`"),
        ("app: 10.0.1.300:1 > 10.0.0.2:2 udp 1", "IPv4"),
        ("app: 10.0.1.10:65536 > 10.0.0.2:2 udp 1", "port"),
        ("app: 10.0.1.10:1 > 10.0.0.2 udp 1", "both"),
        ("app: 10.0.1.10 > 10.0.0.2 udp 1", "ports"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 icmp 3/4", "ports"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 udp", "length"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 udp 65508", "length"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 tcp SYM", "flag"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 tcp SYN|none", "flag"),
        ("app: 10.0.1.10:1 > 10.0.0.2:2 tcp SYN 1 seq", "seq"),
        ("app: 10.0.1.10 > 10.0.0.2 icmp 8/0", "echo-request"),
        ("app: 10.0.1.10 > 10.0.0.2 proto 17 8", "name of its own"),
        ("app: 10.0.1.10 > 10.0.0.2 fragment udp 0", "empty"),
        ("app: 10.0.1.10 > 10.0.0.2 icmp 3/4 more", "more text"),
        ("app: 10.0.1.10 > 10.0.0.2 sctp 4", "protocol"),
    ] {
        let error = text.parse::<Notation>().unwrap_err().to_string();
        assert!(error.contains(reason), "`{text}` gives: {error}");
    }
}

fn any_content() -> impl Strategy<Value = Content> {
    let ports = (any::<u16>(), any::<u16>());
    let numbers = (any::<u8>(), prop_oneof![Just(0), any::<u32>()], prop_oneof![Just(0), any::<u32>()]);
    let named = [protocol::TCP, protocol::UDP, protocol::ICMP];
    prop_oneof![
        (ports, numbers, 0..1500_u16).prop_map(
            |((source_port, destination_port), (flags, sequence, acknowledgment), payload_len)| {
                Content::Tcp { source_port, destination_port, flags, sequence, acknowledgment, payload_len }
            }
        ),
        (ports, 0..1500_u16).prop_map(|((source_port, destination_port), payload_len)| {
            Content::Udp { source_port, destination_port, payload_len }
        }),
        any::<u16>().prop_map(|identifier| Content::EchoRequest { identifier }),
        any::<u16>().prop_map(|identifier| Content::EchoReply { identifier }),
        (any::<u8>(), any::<u8>())
            .prop_filter("echo has names", |(icmp_type, _)| ![0, 8].contains(icmp_type))
            .prop_map(|(icmp_type, code)| Content::Icmp { icmp_type, code }),
        (any::<u8>(), 0..1500_u16)
            .prop_filter("these have names", move |(protocol, _)| !named.contains(protocol))
            .prop_map(|(protocol, payload_len)| Content::Other { protocol, payload_len }),
        (any::<u8>(), 1..1500_u16).prop_map(|(protocol, payload_len)| Content::Fragment { protocol, payload_len }),
    ]
}

proptest! {
    #[test]
    fn parse_after_print_is_identity(
        link in "[a-zA-Z0-9/_.-]{1,12}",
        source: [u8; 4],
        destination: [u8; 4],
        content in any_content(),
    ) {
        let notation = Notation { link, source: source.into(), destination: destination.into(), content };
        prop_assert_eq!(notation.to_string().parse::<Notation>().unwrap(), notation.clone());
        let packet = ipv4(&notation.frame([2; 6], [4; 6]));
        prop_assert_eq!(Notation::new(&notation.link, &packet), notation);
    }

    #[test]
    fn noise_is_an_error_not_a_panic(text in ".{0,60}") {
        let _ = text.parse::<Notation>();
    }
}
