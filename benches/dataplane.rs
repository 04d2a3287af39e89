//! In-memory figures of the dataplane: look-ups, flow hits with NAT, flow misses. Run with `cargo bench --bench dataplane`.
//!
//! The labs are the examples: `examples/first.yaml` (gateway endpoint) and `examples/private-service` (interface endpoint,
//! load balancer, NAT both ways).

#![allow(clippy::disallowed_methods, reason = "a bench reads files and measures time")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ip_network_table::IpNetworkTable;
use vpclab::compile::compile;
use vpclab::dataplane::flow::FlowTable;
use vpclab::dataplane::lpm::FlatTable;
use vpclab::dataplane::tables::{
    AddressSet, Rank, Role, Route, RouteTable, SecurityGroupRule, Selector, Tables, Target,
};
use vpclab::dataplane::{Dataplane, LinkIndex, ObjectIndex, Outbox, Verdict};
use vpclab::model::region::regions;
use vpclab::model::{dynamodb_prefixes, s3_prefixes};
use vpclab::packet::{Mac, Notation, VNET_HEADER_LEN};
use vpclab::template::{Files, LoadOptions, ReadError, load};

const VNET: [u8; VNET_HEADER_LEN] = [0; VNET_HEADER_LEN];

struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        std::fs::read_to_string(path).map_err(|_| ReadError::NotFound)
    }
}

/// A guest of an example, ready to send to one destination.
struct Sender {
    dataplane: Dataplane,
    link: LinkIndex,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    mac: Mac,
    next: Mac,
}

impl Sender {
    /// `guest` of an example; it sends to S3, or to its VPC's interface endpoint.
    fn new(example: &str, guest: &str, to_endpoint: bool) -> Self {
        Self::filled(example, guest, to_endpoint, |_| ())
    }

    /// The same, with tables that are made larger than the example's.
    fn filled(example: &str, guest: &str, to_endpoint: bool, fill: fn(&mut Tables)) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let lab = load(&Disk, &path, &LoadOptions::default()).expect("the example is good");
        let mut compiled = compile(&lab.world);
        fill(&mut compiled.tables);
        let tables = &compiled.tables;
        let guest = compiled.guests.iter().find(|it| it.name() == guest).expect("the example has the guest");
        let own = &guest.interfaces[0];
        let interface = tables.interfaces.iter().find(|it| matches!(it.role, Role::Guest(link) if link == own.link));
        let interface = interface.expect("the guest's interface");
        let endpoints = tables.interfaces.iter().filter(|it| matches!(it.role, Role::Endpoint { .. }));
        let endpoint = endpoints.into_iter().find(|it| it.subnet == interface.subnet);
        let (destination, next) = match endpoint.filter(|_| to_endpoint) {
            Some(endpoint) => (endpoint.addresses[0], endpoint.mac),
            None => {
                let first = s3_prefixes("us-east-1")[0].network();
                (Ipv4Addr::from(u32::from(first) + 9), tables.subnets[interface.subnet.at()].router_mac)
            }
        };
        let (link, mac, source) = (own.link, own.mac, own.addresses[0]);
        Self {
            dataplane: Dataplane::new(Arc::new(compiled.tables), [1, 2, 3, 4]),
            link,
            source,
            destination,
            mac,
            next,
        }
    }

    fn frame(&self, port: u16, flags: &str) -> Vec<u8> {
        let text = format!("it: {}:{port} > {}:80 tcp {flags}", self.source, self.destination);
        text.parse::<Notation>().expect("a packet").frame(self.mac, self.next)
    }

    fn handle(&self, frame: &mut [u8], now: Duration, outbox: &mut Outbox) -> Verdict {
        self.dataplane.handle(self.link, Some(&VNET), frame, now, outbox)
    }
}

/// Name, example, guest, whether it sends to the interface endpoint.
const WAYS: [(&str, &str, &str, bool); 2] = [
    ("gateway endpoint", "first.yaml", "app", false),
    ("interface endpoint and balancer", "private-service/lab.yaml", "client", true),
];

/// Prefixes with what they lead to, and one address of each, shuffled.
struct Prefixes {
    name: &'static str,
    blocks: Vec<(ipnet::Ipv4Net, u16)>,
    addresses: Vec<Ipv4Addr>,
}

impl Prefixes {
    fn new(name: &'static str, blocks: impl Iterator<Item = (ipnet::Ipv4Net, u16)>) -> Self {
        let blocks: Vec<_> = blocks.collect();
        let last = |number: usize| blocks[number % blocks.len()].0.broadcast();
        // A stride that is prime to any number of prefixes here, so that each is asked for and no order helps.
        let addresses = (0..blocks.len()).map(|number| last(number * 7919)).collect();
        Self { name, blocks, addresses }
    }

    /// S3's and DynamoDB's of every Region, each Region a value.
    fn gateway_services() -> Self {
        let of_region = |(index, region): (usize, &'static str)| {
            let blocks = s3_prefixes(region).iter().chain(dynamodb_prefixes(region)).copied();
            blocks.map(move |block| (block, index as u16))
        };
        Self::new("S3 and DynamoDB prefixes", regions().enumerate().flat_map(of_region))
    }

    /// All that AWS publishes.
    fn published() -> Self {
        let text = include_str!("data/aws-ipv4-prefixes.txt");
        let blocks = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.parse().expect("a prefix"));
        Self::new("all published IPv4 prefixes", blocks.enumerate().map(|(number, block)| (block, number as u16)))
    }
}

fn look_up(criterion: &mut Criterion) {
    for Prefixes { name, blocks, addresses } in [Prefixes::gateway_services(), Prefixes::published()] {
        let mut truth = IpNetworkTable::new();
        let mut popcounts = poptrie::Poptrie::new();
        let mut tree = prefix_trie::PrefixMap::new();
        for (block, value) in &blocks {
            let network = ip_network::Ipv4Network::new(block.network(), block.prefix_len()).expect("canonical");
            truth.insert(network, *value);
            popcounts.insert(*block, *value);
            tree.insert(*block, *value);
        }
        let flat = FlatTable::from_truth(&truth);
        for address in &addresses {
            let wanted = truth.longest_match_ipv4(*address).map(|(_, value)| *value);
            let host = ipnet::Ipv4Net::from(*address);
            let found =
                [flat.get(*address), popcounts.lookup(*address).copied(), tree.get_lpm(&host).map(|(_, it)| *it)];
            assert_eq!(found, [wanted; 3], "{address}");
        }
        let mut group = criterion.benchmark_group(format!("look-up, {name}"));
        // All of them in one sample: a clock that is read for each would be most of what it measures.
        group.throughput(criterion::Throughput::Elements(addresses.len() as u64));
        group.bench_function("flat table", |bench| bench.iter(|| sum(&addresses, |address| flat.get(address))));
        group.bench_function("ip_network_table", |bench| {
            let get = |address| truth.longest_match_ipv4(address).map(|(_, value)| *value);
            bench.iter(|| sum(&addresses, get));
        });
        group.bench_function("poptrie", |bench| {
            bench.iter(|| sum(&addresses, |address| popcounts.lookup(address).copied()));
        });
        group.bench_function("prefix-trie", |bench| {
            let get = |address| tree.get_lpm(&ipnet::Ipv4Net::from(address)).map(|(_, value)| *value);
            bench.iter(|| sum(&addresses, get));
        });
        group.finish();
    }
}

/// Looks each address up; the sum keeps the compiler from leaving any out.
fn sum(addresses: &[Ipv4Addr], get: impl Fn(Ipv4Addr) -> Option<u16>) -> u64 {
    black_box(addresses).iter().map(|address| u64::from(get(*address).unwrap_or_default())).sum()
}

fn flow_hit(criterion: &mut Criterion) {
    const FLOWS: u16 = 10_000;
    let mut group = criterion.benchmark_group("flow hit, 10,000 flows");
    for (name, example, guest, to_endpoint) in WAYS {
        let sender = Sender::new(example, guest, to_endpoint);
        let (mut outbox, now) = (Outbox::default(), Duration::from_secs(1));
        for port in 0..FLOWS {
            let verdict = sender.handle(&mut sender.frame(1024 + port, "SYN"), now, &mut outbox);
            assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
        }
        let frames: Vec<Vec<u8>> = (0..FLOWS).map(|port| sender.frame(1024 + port, "ACK")).collect();
        let (mut next, mut scratch) = (0usize, frames[0].clone());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                // A stride that defeats the prefetcher; the copy stands for the read that fills the buffer. Frames without
                // payload, or the memory of 10,000 payloads would be what is measured.
                next = (next + 7919) % frames.len();
                scratch.copy_from_slice(&frames[next]);
                sender.handle(black_box(&mut scratch), now, &mut outbox)
            });
        });
    }
    group.finish();
}

/// A table of 500 routes, one of which is a prefix list of 1,000 entries, and a group of 60 rules, the last of which lets out to
/// such a list: what a new flow walks at AWS's quotas.
fn at_the_quotas(tables: &mut Tables) {
    let block =
        |base: u32, number: u32| ipnet::Ipv4Net::new(Ipv4Addr::from(base + (number << 8)), 24).expect("a block");
    let list: Vec<ipnet::Ipv4Net> = (0..1000).map(|number| block(0x0c00_0000, number * 3)).collect();
    let object = ObjectIndex(0);
    for table in &mut tables.route_tables {
        let mut routes = table.routes.clone();
        let (rank, target) = (Rank::PrefixList, Target::Blackhole);
        routes.push(Route { object, destinations: list.clone(), rank, target });
        let missing = 500u32.saturating_sub(routes.len() as u32);
        let other = |number| vec![block(0x0b00_0000, number)];
        routes.extend((0..missing).map(|n| Route { object, destinations: other(n), rank: Rank::Static, target }));
        *table = RouteTable::new(table.object, routes);
    }
    let selector = |port: u16| Selector::Ports(6, port..=port);
    for group in &mut tables.security_groups {
        let peers = AddressSet::of_blocks(list.iter().copied());
        let fits = AddressSet::of_blocks(["0.0.0.0/1", "128.0.0.0/2"].map(|block| block.parse().expect("a block")));
        let rule = |selector, peers| SecurityGroupRule { object, selector, peers, by_group: false };
        group.egress = (0..59).map(|port| rule(selector(port), peers.clone())).collect();
        group.egress.push(rule(selector(80), fits));
    }
}

fn flow_miss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow miss");
    let plain: fn(&mut Tables) = |_| ();
    let ways = WAYS.map(|way| (way, plain));
    let full =
        (("gateway endpoint, 500 routes, list of 1,000, 60 rules", WAYS[0].1, WAYS[0].2, false), at_the_quotas as _);
    for ((name, example, guest, to_endpoint), fill) in ways.into_iter().chain([full]) {
        let sender = Sender::filled(example, guest, to_endpoint, fill);
        let (mut outbox, mut now, mut port) = (Outbox::default(), Duration::from_secs(1), 0u16);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    port = (port + 1) % 50_000;
                    if port == 0 {
                        // Every flow of the last round ends, so that the ports come back; a tick looks at one part of them.
                        now += Duration::from_secs(100);
                        for _ in 0..FlowTable::SHARDS {
                            sender.dataplane.tick(now, &mut outbox);
                        }
                    }
                    let mut frame = sender.frame(1024 + port, "SYN");
                    let started = std::time::Instant::now();
                    let verdict = sender.handle(&mut frame, now, &mut outbox);
                    spent += started.elapsed();
                    assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
                }
                spent
            });
        });
    }
    group.finish();
}

/// Making the look-up of 500 routes, as a route change does.
fn compile_routes(criterion: &mut Criterion) {
    let route = |number: u32| Route {
        object: ObjectIndex(0),
        destinations: vec![ipnet::Ipv4Net::new(Ipv4Addr::from(0x0b00_0000 + (number << 12)), 20).expect("a block")],
        rank: Rank::Static,
        target: Target::Blackhole,
    };
    let routes: Vec<Route> = (0..500).map(route).collect();
    criterion.bench_function("look-up made of 500 routes", |bench| {
        bench.iter_batched(|| routes.clone(), |routes| RouteTable::new(ObjectIndex(0), routes), BatchSize::SmallInput);
    });
}

criterion_group!(benches, look_up, flow_hit, flow_miss, compile_routes);
criterion_main!(benches);
