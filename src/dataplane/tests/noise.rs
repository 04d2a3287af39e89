//! Noise: whatever comes in, every frame ends in a verdict and others go on undisturbed.

use proptest::prelude::*;

use super::lab::*;
use crate::dataplane::flow::FlowTable;
use crate::dataplane::{Outbox, Verdict};
use crate::packet::Notation;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Random bytes, and real packets with random damage, from every link: no panic, and a flow that stands keeps working.
    #[test]
    fn noise_never_disturbs_a_flow(frames in prop::collection::vec((0u32..9, any::<[u8; 10]>(), prop::collection::vec(any::<u8>(), 0..120), prop::collection::vec((0usize..80, any::<u8>()), 0..6)), 1..40)) {
        let mut lab = Lab::new();
        let Effect::Sent(arrived, ..) = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN") else { panic!("no flow") };
        for (link, vnet, noise, damage) in frames {
            let mut outbox = Outbox::default();
            let mut random = noise;
            lab.dataplane.handle(crate::dataplane::LinkIndex(link), Some(&vnet), &mut random, lab.now, &mut outbox);
            let real: Notation = "app: 10.0.1.10:41000 > 10.0.2.50:80 tcp SYN 20".parse().unwrap();
            let mut real = real.frame(mac(0, "10.0.1.10"), mac(0, "10.0.1.1"));
            for (at, byte) in damage {
                if let Some(place) = real.get_mut(at) { *place = byte; }
            }
            // Not the standing flow's own ports: only its owner may speak there.
            if real.get(34..36) != Some(&40000u16.to_be_bytes()[..]) {
                lab.dataplane.handle(APP, None, &mut real, lab.now, &mut outbox);
            }
        }
        let Effect::Sent(again, ..) = lab.send("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp ACK") else { panic!("flow lost") };
        prop_assert_eq!(again, arrived.replace("SYN", "ACK"));
    }
}

/// One guest opens all the flows it can; another still gets through.
#[test]
fn a_flood_takes_nothing_from_others() {
    let lab = Lab::new();
    let mut outbox = Outbox::default();
    let mut refused = 0u32;
    for number in 0..FlowTable::PER_OWNER + 1000 {
        let (host, port) = (number >> 16, number & 0xffff);
        let text = format!("app: 10.0.1.10:{port} > 52.216.{}.5:443 tcp SYN", host);
        let notation: Notation = text.parse().unwrap();
        let mut frame = notation.frame(mac(0, "10.0.1.10"), mac(0, "10.0.1.1"));
        let verdict = lab.dataplane.handle(APP, None, &mut frame, lab.now, &mut outbox);
        refused += u32::from(matches!(verdict, Verdict::Drop(_)));
    }
    assert_eq!(refused, 1000);
    let mut lab = lab;
    assert!(matches!(lab.send("peer: 10.0.1.11:1 > 52.216.0.5:443 tcp SYN"), Effect::Sent(..)));
    // What needs no memory goes on for the flooder too.
    lab.passes("app: 10.0.1.10:1 > 10.0.1.11:2 udp 3", "peer: 10.0.1.10:1 > 10.0.1.11:2 udp 3");
    assert!(lab.dataplane.drops(0).len() <= crate::dataplane::drops::Drops::CAPACITY);
}
