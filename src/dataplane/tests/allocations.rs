//! A flow hit allocates nothing: the first speed tier of `dataplane` says so.

use super::lab::*;
use crate::dataplane::{Outbox, Verdict};
use crate::packet::{Notation, VNET_HEADER_LEN};

/// Frames of one flow, from the notation of its first packet on; how many allocations each kind needs.
fn allocations(lab: &mut Lab, packets: &[&str]) -> u64 {
    let frames: Vec<(crate::dataplane::LinkIndex, Vec<u8>)> = packets
        .iter()
        .map(|text| {
            let notation: Notation = text.parse().expect("a packet");
            let (source_mac, destination_mac) = lab.macs(link(&notation.link), notation.destination);
            (link(&notation.link), notation.frame(source_mac, destination_mac))
        })
        .collect();
    let mut outbox = Outbox::default();
    let mut scratch = vec![0; 9100];
    let mut round = |lab: &Lab| {
        for (link, frame) in &frames {
            scratch[..frame.len()].copy_from_slice(frame);
            let vnet = Some(&[0; VNET_HEADER_LEN]);
            let verdict = lab.dataplane.handle(*link, vnet, &mut scratch[..frame.len()], lab.now, &mut outbox);
            assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        }
    };
    // The first time may decide, and give locks their memory.
    round(lab);
    allocation_counter::measure(|| (0..100).for_each(|_| round(lab))).count_total
}

#[test]
fn a_flow_hit_allocates_nothing() {
    // A neighbour; a gateway endpoint; an interface endpoint and a balancer with NAT both ways, and its answers; UDP.
    for packets in [
        &["app: 10.0.1.10:5 > 10.0.1.11:6 tcp SYN", "app: 10.0.1.10:5 > 10.0.1.11:6 tcp ACK 100"][..],
        &["app: 10.0.1.10:5 > 52.216.0.5:443 tcp SYN", "app: 10.0.1.10:5 > 52.216.0.5:443 tcp ACK 1000"],
        &[
            "app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN",
            "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp SYN|ACK",
            "app: 10.0.1.10:40000 > 10.0.2.50:53 tcp ACK 8000",
            "web: 10.0.1.20:8080 > 10.0.1.100:1024 tcp ACK 8000",
        ],
        &["app: 10.0.1.10:5000 > 10.0.2.50:53 udp 30", "web: 10.0.1.20:8080 > 10.0.1.100:1024 udp 60"],
    ] {
        assert_eq!(allocations(&mut Lab::new(), packets), 0, "{packets:?}");
    }
}

/// The counter counts: a flow miss does allocate.
#[test]
fn a_flow_miss_does_allocate() {
    let mut lab = Lab::new();
    let counted = allocation_counter::measure(|| {
        lab.send("app: 10.0.1.10:40000 > 10.0.2.50:53 tcp SYN");
    });
    assert!(counted.count_total > 0);
}
