//! What one frame costs in the packet room: parse, rewrite, offload header.
//!
//! The forwarder does each once per frame, next to a TAP read and write of 1.5–2 µs together. So these figures watch that
//! the room stays small beside the system calls, and that no cost depends on the length of the frame: the two sizes of
//! each pair should agree (but for `complete_checksum`, which reads every byte and is why nobody calls it when forwarding).
//!
//! `cargo bench --bench packet`

use std::hint::black_box;
use std::net::Ipv4Addr;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vpclab::packet::build::{self, Ends, Segment};
use vpclab::packet::offload::{self, Segmentation, SegmentationKind};
use vpclab::packet::{L4Checksum, Notation, Offload, Packet, Parsed, Rewrite, parse, tcp_flags};

/// A full segment at MTU 1500, and a super-segment as a TAP with offload hands it over.
const SIZES: [(&str, usize); 2] = [("1460", 1460), ("64k", 65_160)];

fn frame(payload_len: usize) -> Vec<u8> {
    let ends = Ends {
        source_mac: [2, 0, 0, 0, 0, 0xa],
        destination_mac: [2, 0, 0, 0, 0, 0xb],
        source: Ipv4Addr::new(10, 0, 1, 10),
        destination: Ipv4Addr::new(52, 216, 0, 5),
    };
    // The options of a Linux sender: two NOPs and a timestamp.
    let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let payload = vec![7; payload_len];
    let segment = Segment {
        source_port: 40000,
        destination_port: 443,
        flags: tcp_flags::ACK,
        sequence: 1,
        acknowledgment: 2,
        window: 512,
        options: &options,
        payload: &payload,
    };
    build::tcp(&ends, &segment)
}

fn packet(frame: &[u8]) -> Packet {
    match parse(frame) {
        Ok(Parsed::Ipv4(packet)) => packet,
        other => unreachable!("a built frame parses, not {other:?}"),
    }
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (size, payload_len) in SIZES {
        let tcp = frame(payload_len);
        group.bench_function(format!("tcp/{size}"), |bencher| bencher.iter(|| parse(black_box(&tcp))));
    }
    for (name, text) in [
        ("udp", "app: 10.0.1.10:40000 > 10.0.0.2:53 udp 40"),
        ("icmp", "app: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7"),
    ] {
        let notation: Notation = text.parse().expect("a fixed text");
        let frame = notation.frame([2; 6], [4; 6]);
        group.bench_function(name, |bencher| bencher.iter(|| parse(black_box(&frame))));
    }
    group.finish();
}

fn rewriting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewrite");
    // Source NAT and destination NAT at once: the way from a consumer through an endpoint to a target.
    let change = Rewrite {
        source_mac: [2, 0, 0, 0, 0, 1],
        destination_mac: [2, 0, 0, 0, 0, 2],
        source: Some(Ipv4Addr::new(10, 0, 2, 20)),
        destination: Some(Ipv4Addr::new(10, 0, 3, 30)),
        source_port: Some(1024),
        destination_port: Some(8443),
        decrement_ttl: false,
    };
    for (size, payload_len) in SIZES {
        for (state, checksum) in [("complete", L4Checksum::Complete), ("partial", L4Checksum::Partial)] {
            let mut frame = frame(payload_len);
            let packet = packet(&frame);
            // Over and over on one frame: each time all fields are written and all sums updated, as the first time.
            group.bench_function(format!("{state}/{size}"), |bencher| {
                bencher.iter(|| vpclab::packet::rewrite(black_box(&mut frame), black_box(&packet), &change, checksum));
            });
        }
    }
    group.finish();
}

fn offloading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("offload");
    let super_segment = frame(SIZES[1].1);
    let super_packet = packet(&super_segment);
    let segmentation = Some(Segmentation { kind: SegmentationKind::TcpV4, size: 1448, ecn: false });
    let offload = Offload { checksum: L4Checksum::Partial, segmentation };
    let header = offload::emit(&offload, &super_packet);
    group.bench_function("check", |bencher| {
        bencher.iter(|| offload::check(black_box(&header), black_box(&super_packet), super_segment.len(), 1500));
    });
    group.bench_function("emit", |bencher| {
        bencher.iter(|| offload::emit(black_box(&offload), black_box(&super_packet)))
    });
    for (size, payload_len) in SIZES {
        let frame = frame(payload_len);
        let packet = packet(&frame);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(format!("complete_checksum/{size}"), |bencher| {
            bencher.iter_batched_ref(
                || frame.clone(),
                |frame| vpclab::packet::complete_checksum(frame, black_box(&packet)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, reading, rewriting, offloading);
criterion_main!(benches);
