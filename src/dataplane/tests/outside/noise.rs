//! Noise: whatever anybody sends, nothing panics, everything ends in a verdict, and the flows of others go on.

use proptest::prelude::*;

use super::*;

/// Flows that stand: how each side speaks, and how the other hears it.
const FLOWS: [[[&str; 2]; 2]; 5] = [
    [
        [
            "app: 10.0.1.10:40000 > 198.51.100.10:80 tcp ACK 5",
            "internet: 203.0.113.2:1024 > 198.51.100.10:80 tcp ACK 5 ttl 63",
        ],
        [
            "internet: 198.51.100.10:80 > 203.0.113.2:1024 tcp ACK 7",
            "app: 198.51.100.10:80 > 10.0.1.10:40000 tcp ACK 7 ttl 63",
        ],
    ],
    [
        ["app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK 5", "web: 10.0.1.100:1024 > 10.0.1.20:8080 tcp ACK 5"],
        ["web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 7", "app: 10.0.2.50:80 > 10.0.1.10:40000 tcp ACK 7"],
    ],
    [
        [
            "internet: 198.51.100.10:40000 > 203.0.113.1:80 tcp ACK 5",
            "pub: 198.51.100.10:40000 > 10.0.3.10:80 tcp ACK 5",
        ],
        [
            "pub: 10.0.3.10:80 > 198.51.100.10:40000 tcp ACK 7",
            "internet: 203.0.113.1:80 > 198.51.100.10:40000 tcp ACK 7",
        ],
    ],
    [
        ["far: 10.1.1.10:40000 > 10.0.1.10:80 tcp ACK 5", "app: 10.1.1.10:40000 > 10.0.1.10:80 tcp ACK 5"],
        ["app: 10.0.1.10:80 > 10.1.1.10:40000 tcp ACK 7", "far: 10.0.1.10:80 > 10.1.1.10:40000 tcp ACK 7"],
    ],
    [
        [
            "app: 10.0.1.10 > 192.168.0.10 icmp echo-request id 40000",
            "office: 10.0.1.10 > 192.168.0.10 icmp echo-request id 40000",
        ],
        [
            "office: 192.168.0.10 > 10.0.1.10 icmp echo-reply id 40000",
            "app: 192.168.0.10 > 10.0.1.10 icmp echo-reply id 40000",
        ],
    ],
];

const ADDRESSES: [&str; 18] = [
    "10.0.1.10",
    "10.0.2.10",
    "10.0.3.10",
    "10.0.4.10",
    "10.1.1.10",
    "10.2.1.10",
    "10.0.1.20",
    "198.51.100.10",
    "192.168.0.10",
    "203.0.113.1",
    "203.0.113.2",
    "10.0.3.200",
    "10.0.2.50",
    "10.0.2.60",
    "52.216.0.5",
    "10.0.1.1",
    "172.16.0.1",
    "9.9.9.9",
];

/// A packet of somebody, from any address to any, of any kind; with ports that no flow that stands has.
#[derive(Clone, Debug)]
struct Noise {
    link: usize,
    source: Option<usize>,
    destination: usize,
    kind: usize,
    port: u16,
    ttl: u8,
    damage: Vec<(usize, u8)>,
    vnet: Option<[u8; 10]>,
    swap: bool,
}

fn noise() -> impl Strategy<Value = Noise> {
    let damage = prop::collection::vec((0usize..70, any::<u8>()), 0..3);
    let ends = (0..NAMES.len(), prop::option::of(0..ADDRESSES.len()), 0..ADDRESSES.len());
    let rest = (0usize..10, 1u16..1000, 0u8..4, damage, prop::option::weighted(0.1, any::<[u8; 10]>()), 0u8..20);
    (ends, rest).prop_map(|((link, source, destination), (kind, port, ttl, damage, vnet, swap))| Noise {
        link,
        source,
        destination,
        kind,
        port,
        ttl: if ttl == 3 { 64 } else { ttl },
        damage,
        vnet,
        swap: swap == 0,
    })
}

impl Noise {
    fn text(&self) -> String {
        let own = [
            "52.216.0.5",
            "10.0.1.10",
            "10.0.2.10",
            "10.0.3.10",
            "10.0.4.10",
            "10.1.1.10",
            "10.2.1.10",
            "10.0.1.20",
            "198.51.100.10",
            "192.168.0.10",
        ];
        let source = self.source.map_or(own[self.link], |number| ADDRESSES[number]);
        let (link, destination, port) = (NAMES[self.link], ADDRESSES[self.destination], self.port);
        let ends =
            format!("{link}: {source}:{port} > {destination}:{}", [80, 443, 53, 1024 + port][usize::from(port) % 4]);
        let bare = format!("{link}: {source} > {destination}");
        match self.kind {
            0 => format!("{ends} tcp SYN"),
            1 => format!("{ends} tcp ACK 1400"),
            2 => format!("{ends} tcp RST"),
            3 => format!("{ends} udp 30"),
            4 => format!("{ends} udp 8800"),
            5 => format!("{bare} icmp echo-request id {port}"),
            6 => format!("{bare} icmp 3/4"),
            7 => format!("{bare} proto 47 10"),
            8 => format!("{bare} fragment udp 100"),
            _ => format!("{ends} udp 2000"),
        }
    }
}

/// A real packet of a guest, damaged: only what its owner may say of its own flows could disturb these, and is left out.
fn send(world: &World, noise: &Noise) {
    let mut shot = world.shot(&noise.text()).ttl(noise.ttl);
    if noise.kind == 9 {
        shot = shot.without_df();
    }
    for (at, byte) in &noise.damage {
        if let Some(place) = shot.frame.get_mut(*at) {
            *place = *byte;
        }
    }
    let ports = [34..36, 36..38].map(|range| shot.frame.get(range).map(|port| u16::from_be_bytes([port[0], port[1]])));
    if ports.iter().any(|port| matches!(port, Some(40000 | 1024 | 8080))) {
        return;
    }
    let mut outbox = Outbox::default();
    let vnet = noise.vnet.unwrap_or(shot.vnet);
    let verdict = world.dataplane.handle(shot.link, Some(&vnet), &mut shot.frame, world.now, &mut outbox);
    match verdict {
        Verdict::Forward { link, .. } => assert!(link.at() < NAMES.len()),
        Verdict::Kept => {}
        Verdict::Answer => assert!(!outbox.frames.is_empty()),
        Verdict::Drop(_) => {
            assert!(outbox.frames.iter().all(|(link, _)| *link == shot.link), "only the sender is told")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn noise_never_disturbs_a_flow(packets in prop::collection::vec(noise(), 1..60)) {
        let world = World::new();
        for [[first, _], _] in FLOWS {
            let opening = first.replace("ACK 5", "SYN");
            prop_assert_eq!(world.effect(&opening).len(), 1, "{}", opening);
        }
        for packet in &packets {
            send(&world, packet);
            if packet.swap {
                world.swap(|_| ());
            }
        }
        for [sent, heard] in FLOWS.into_iter().flatten() {
            prop_assert_eq!(world.effect(sent), [heard], "{}", sent);
        }
    }
}
