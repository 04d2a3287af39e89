//! A world made by requests or from a template, compiled, and asked: packets, names, origins.

mod filters;
mod health;
mod hosted_zones;
mod lab;
mod names;
mod network;
mod resolver_endpoints;
mod running;
mod services;
mod zones_down;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::dataplane::lpm::FlatTable;
use crate::dataplane::{Dataplane, Outbox, Verdict};
use crate::dns::{Data, RecordType, answer};
use crate::model::{
    Change, CreateVpcEndpoint, Request, RunInstance, World, dynamodb_prefixes, region::regions, s3_prefixes,
};
use crate::packet::{Notation, Parsed, VNET_HEADER_LEN, parse};

fn apply(world: &mut World, logical_id: &str, change: Change) -> String {
    let request = Request {
        account: "111111111111".to_owned(),
        region: "us-east-1".to_owned(),
        principal: None,
        stack: Some("lab".to_owned()),
        logical_id: Some(logical_id.to_owned()),
        source: None,
        tags: BTreeMap::new(),
        change,
    };
    world.apply(request).unwrap_or_else(|refusal| panic!("{logical_id}: {refusal}"))
}

/// One VPC, one subnet, `app`, a gateway endpoint for S3.
fn isolated_world() -> World {
    let mut world = World::default();
    let vpc = Change::CreateVpc {
        cidr_block: "10.0.0.0/16".to_owned(),
        enable_dns_support: true,
        enable_dns_hostnames: true,
    };
    let vpc_id = apply(&mut world, "Vpc", vpc);
    let subnet = Change::CreateSubnet {
        vpc_id: vpc_id.clone(),
        cidr_block: "10.0.1.0/24".to_owned(),
        availability_zone: None,
        map_public_ip_on_launch: false,
    };
    let subnet_id = apply(&mut world, "Subnet", subnet);
    let address = Some(Ipv4Addr::new(10, 0, 1, 10));
    let instance = RunInstance { subnet_id: Some(subnet_id), private_ip_address: address, ..Default::default() };
    apply(&mut world, "app", Change::RunInstance(instance));
    let route_table_ids = vec![world.vpcs[&vpc_id].main_route_table_id.clone()];
    let service_name = "com.amazonaws.us-east-1.s3".to_owned();
    let endpoint = CreateVpcEndpoint { vpc_id, service_name, route_table_ids, ..Default::default() };
    apply(&mut world, "S3", Change::CreateVpcEndpoint(endpoint));
    world
}

#[test]
fn a_world_becomes_packets_that_arrive() {
    let world = isolated_world();
    let compiled = compile(&world);
    assert_eq!(compiled.tables.validate(), Ok(()));
    let guest = &compiled.guests[0];
    assert_eq!((guest.name(), guest.hostname.as_str()), ("app", "ip-10-0-1-10"));
    assert_eq!(guest.resolver, Ipv4Addr::new(10, 0, 0, 2));
    let interface = &guest.interfaces[0];
    assert_eq!((interface.name.as_str(), interface.prefix_length), ("eth0", 24));

    let s3 = compiled.services.iter().find(|service| service.kind == ServiceKind::S3).expect("an S3");
    let destination = Ipv4Addr::from(u32::from(s3.local_prefixes[0].network()) + 9);
    let text = format!("app: 10.0.1.10:40000 > {destination}:443 tcp SYN");
    let notation: Notation = text.parse().expect("a packet");
    let router = compiled.tables.subnets[0].router_mac;
    let mut frame = notation.frame(interface.mac, router);
    let dataplane = Dataplane::new(Arc::new(compiled.tables), [1, 2, 3, 4]);
    let verdict = dataplane.handle(
        interface.link,
        Some(&[0; VNET_HEADER_LEN]),
        &mut frame,
        Duration::ZERO,
        &mut Outbox::default(),
    );
    assert!(matches!(verdict, Verdict::Forward { link, .. } if link == s3.link), "{verdict:?}");
    let Ok(Parsed::Ipv4(arrived)) = parse(&frame) else { panic!("not a packet") };
    assert_eq!((arrived.destination, arrived.destination_mac), (destination, s3.mac));

    let origin = &compiled.origins[&arrived.source];
    let endpoint_id = world.vpc_endpoints.keys().next().cloned();
    assert_eq!((origin.private_ip, origin.vpc_endpoint_id.clone()), (Ipv4Addr::new(10, 0, 1, 10), endpoint_id));
    assert_eq!((origin.name.as_str(), origin.account.as_str()), ("lab/app", "111111111111"));
    assert_eq!(world.vpcs.keys().next(), Some(&origin.vpc_id));
}

/// What DNS answers for S3 lies in the prefix list, so that the route carries it; the private address stays the VPC's.
#[test]
fn names_lead_to_where_routes_lead() {
    let world = isolated_world();
    let compiled = compile(&world);
    let vpc_id = world.vpcs.keys().next().expect("a VPC");
    let ask = |name: &str| answer(&compiled.zones, vpc_id, name, RecordType::A, 0).expect("an answer");
    let bucket = ask("bucket.s3.us-east-1.amazonaws.com");
    assert!(!bucket.records.is_empty());
    let table = &compiled.tables.route_tables[0];
    for record in &bucket.records {
        let Data::A(address) = record.data else { panic!("{record:?}") };
        let route = table.route(address).expect("a route");
        assert!(matches!(route.target, Target::GatewayEndpoint(_)), "{address}");
    }
    // Another service's public name resolves as well; without an endpoint no route leads there.
    let queue = ask("sqs.us-east-1.amazonaws.com");
    assert_eq!(
        queue.records.iter().map(|record| record.data.clone()).collect::<Vec<_>>(),
        [Data::A(AWS_SERVICES_ADDRESS)]
    );
    assert!(table.route(AWS_SERVICES_ADDRESS).is_none());
    let instance = ask("ip-10-0-1-10.ec2.internal");
    assert_eq!(instance.records[0].data, Data::A(Ipv4Addr::new(10, 0, 1, 10)));
}

/// The flat table equals the control plane's truth on AWS's real prefixes of every Region, asked at every border.
#[test]
fn the_fast_table_equals_the_truth_on_the_real_prefixes() {
    let mut truth = ip_network_table::IpNetworkTable::new();
    let mut blocks: Vec<ipnet::Ipv4Net> = vec!["0.0.0.0/0".parse().expect("a block")];
    for region in regions() {
        blocks.extend(s3_prefixes(region).iter().chain(dynamodb_prefixes(region)));
    }
    assert!(blocks.len() > 300, "the data holds {} prefixes", blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let network = ip_network::Ipv4Network::new(block.network(), block.prefix_len()).expect("canonical");
        truth.insert(network, index as u16);
    }
    let flat = FlatTable::from_truth(&truth);
    for block in &blocks {
        let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
        for probe in [first, last, first.wrapping_sub(1), last.wrapping_add(1), first + (last - first) / 2] {
            let address = Ipv4Addr::from(probe);
            assert_eq!(flat.get(address), truth.longest_match_ipv4(address).map(|(_, value)| *value), "{address}");
        }
    }
}
