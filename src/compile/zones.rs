//! DNS: the public names of the lab's internet, one view per VPC and one per inbound resolver endpoint (B1.2, B3.3).

use std::collections::BTreeMap;

use crate::dns::{Name, Records, View, Zone, Zones};
use crate::model::{
    DnsEntryScope, HostedZone, InterfaceType, LoadBalancer, LoadBalancerNode, NetworkInterface, ResolverEndpoint,
    ResourceRecordSet, VpcEndpoint, VpcEndpointState, VpcEndpointType, World, aws_services, dynamodb_prefixes,
    private_dns_names, s3_prefixes,
};

use super::health::node_numbers;
use super::services::{AWS_SERVICES_ADDRESS, HOME_OF_GLOBAL_NAMES, gateway_service_regions, regions};
use crate::model::naming::INTERNET;

/// Why a name that the model made is always good.
const MODEL_NAMES: &str = "the model makes only well-formed names";

/// All names of a world.
pub(super) fn zones(world: &World) -> Zones {
    let mut zones = Zones::new();
    // First of all: a customer's zone above AWS's names (`com.cn`) then holds those, and hides none.
    add_public_zones(&mut zones, world);
    for region in gateway_service_regions(world) {
        add_gateway_services(&mut zones, region);
    }
    for region in regions(world) {
        add_services(&mut zones, region);
    }
    let numbers = node_numbers(world);
    zones.watch(numbers.len());
    for balancer in world.load_balancers.values() {
        add_balancer(&mut zones, world, balancer, &numbers);
    }
    // Outside of VPCs: the public names alone.
    zones.add_view(INTERNET, View::new(true, true));
    for vpc in world.vpcs.values() {
        zones.add_view(&vpc.vpc_id, View::new(vpc.enable_dns_support, vpc.enable_dns_hostnames));
    }
    for interface in world.network_interfaces.values() {
        let of_guest = interface.interface_type == InterfaceType::Interface;
        if let Some(view) = zones.view_mut(&interface.vpc_id).filter(|_| of_guest) {
            for address in &interface.private_ip_addresses {
                view.add_instance(&interface.meta.region, *address).expect(MODEL_NAMES);
            }
        }
        add_public_addresses(&mut zones, world, interface);
    }
    for endpoint in world.vpc_endpoints.values() {
        let named = endpoint.vpc_endpoint_type == VpcEndpointType::Interface;
        if named && endpoint.state == VpcEndpointState::Available {
            add_endpoint(&mut zones, world, endpoint);
        }
    }
    add_private_zones(&mut zones, world);
    for resolver in world.resolver_endpoints.values() {
        add_inbound_view(&mut zones, world, resolver);
    }
    zones
}

/// Where AWS's own names are. Nobody delegates anything in there to a customer.
const AWS_DOMAINS: [&str; 3] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu"];

/// Customers' public zones; of two with one name, the registrar's is the first by id.
fn add_public_zones(zones: &mut Zones, world: &World) {
    let mut known: Vec<&str> = Vec::new();
    for hosted in world.hosted_zones.values().filter(|zone| !zone.is_private()) {
        let domain = hosted.domain();
        let is_awss = AWS_DOMAINS
            .iter()
            .any(|it| domain.strip_suffix(it).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
        if !is_awss && !known.contains(&domain) {
            known.push(domain);
            fill_zone(zones.public_zone(domain).expect(MODEL_NAMES), hosted);
        }
    }
}

/// Customers' private zones, in the views of their VPCs.
fn add_private_zones(zones: &mut Zones, world: &World) {
    for hosted in world.hosted_zones.values() {
        for vpc in &hosted.vpcs {
            if let Some(view) = zones.view_mut(&vpc.vpc_id) {
                fill_zone(view.private_zone(hosted.domain()).expect(MODEL_NAMES), hosted);
            }
        }
    }
}

fn fill_zone(zone: &mut Zone, hosted: &HostedZone) {
    zone.serve_by(&hosted.name_servers).expect(MODEL_NAMES);
    for set in hosted.record_sets.values() {
        zone.add(&set.name, records(set)).expect(MODEL_NAMES);
    }
}

fn records(set: &ResourceRecordSet) -> Records {
    let name = |text: &str| Name::parse(text).expect(MODEL_NAMES);
    let ttl = set.ttl.unwrap_or(Records::ENDPOINT_TTL);
    match (&set.alias_target, set.canonical_name()) {
        (Some(alias), _) => Records::Alias { target: name(&alias.dns_name) },
        (None, Some(target)) => Records::Cname { ttl, target: name(target) },
        (None, None) if set.record_type == "TXT" => Records::text(ttl, set.texts()),
        (None, None) => Records::Addresses { ttl, addresses: set.addresses().collect() },
    }
}

/// What others hear at an inbound resolver endpoint: the VPC's own names, and those that endpoints keep for it (B3.3).
fn add_inbound_view(zones: &mut Zones, world: &World, resolver: &ResolverEndpoint) {
    let Some(mut view) = zones.view(&resolver.host_vpc_id).cloned() else { return };
    let here = world.vpc_endpoints.values().filter(|it| it.vpc_id == resolver.host_vpc_id);
    for endpoint in here.filter(|it| it.state == VpcEndpointState::Available) {
        for name in endpoint.private_names() {
            add_private(&mut view, name, endpoint_addresses(world, endpoint, None));
        }
    }
    zones.add_view(&resolver.resolver_endpoint_id, view);
}

/// Public names of S3 and DynamoDB, answered with addresses of the Region's published ranges.
fn add_gateway_services(zones: &mut Zones, region: &str) {
    let s3 = || Records::service(s3_prefixes(region).iter().copied());
    let mut names = vec![format!("s3.{region}.amazonaws.com"), format!("*.s3.{region}.amazonaws.com")];
    if region == HOME_OF_GLOBAL_NAMES {
        names.extend(["s3.amazonaws.com".to_owned(), "*.s3.amazonaws.com".to_owned()]);
    }
    for name in names {
        zones.add_public(&name, s3()).expect(MODEL_NAMES);
    }
    let dynamodb = Records::service(dynamodb_prefixes(region).iter().copied());
    zones.add_public(&format!("dynamodb.{region}.amazonaws.com"), dynamodb).expect(MODEL_NAMES);
}

/// The others have public names too: without an endpoint they resolve, and it is the route that is missing.
fn add_services(zones: &mut Zones, region: &str) {
    for service in aws_services().filter(|service| !matches!(*service, "s3" | "dynamodb")) {
        for name in private_dns_names(service, region).unwrap_or_default() {
            zones.add_public(&name, Records::endpoint([AWS_SERVICES_ADDRESS])).expect(MODEL_NAMES);
        }
    }
    // No private DNS of an endpoint has it (B3.3): it leads to the internet from everywhere.
    if region == HOME_OF_GLOBAL_NAMES {
        zones.add_public("sts.amazonaws.com", Records::endpoint([AWS_SERVICES_ADDRESS])).expect(MODEL_NAMES);
    }
}

/// The name of a public address leads there, but in its own VPC to the private one: a packet that stays inside keeps its
/// source. A peered VPC would see the private one with AllowDnsResolutionFromRemoteVpc, which no template can ask for (B1.8).
fn add_public_addresses(zones: &mut Zones, world: &World, interface: &NetworkInterface) {
    for (private, public) in world.public_addresses_of(interface) {
        let name = world.public_dns_name(interface, public);
        if name.is_empty() {
            continue;
        }
        zones.add_public(&name, Records::endpoint([public])).expect(MODEL_NAMES);
        if let Some(view) = zones.view_mut(&interface.vpc_id) {
            let zone = view.private_zone(&name).expect(MODEL_NAMES);
            zone.add(&name, Records::endpoint([private])).expect(MODEL_NAMES);
        }
    }
}

/// An internal balancer's name is public and answers with its nodes' private addresses.
fn add_balancer(zones: &mut Zones, world: &World, balancer: &LoadBalancer, numbers: &BTreeMap<&str, usize>) {
    let record =
        |node: &LoadBalancerNode| (node.private_ip_address, numbers.get(node.network_interface_id.as_str()).copied());
    let up = standing(balancer.nodes.iter().collect(), |node| world.is_down(&node.subnet_id));
    zones.add_public(&balancer.dns_name, Records::nodes(up.into_iter().map(record))).expect(MODEL_NAMES);
    for node in &balancer.nodes {
        let name = format!("{}.{}", node.availability_zone, balancer.dns_name);
        zones.add_public(&name, Records::endpoint([node.private_ip_address])).expect(MODEL_NAMES);
    }
}

fn add_endpoint(zones: &mut Zones, world: &World, endpoint: &VpcEndpoint) {
    let addresses = |zone: Option<&str>| endpoint_addresses(world, endpoint, zone);
    for entry in &endpoint.dns_entries {
        match &entry.scope {
            DnsEntryScope::Regional => zones.add_public(&entry.dns_name, addresses(None)).expect(MODEL_NAMES),
            DnsEntryScope::Zonal(zone) => {
                zones.add_public(&entry.dns_name, addresses(Some(zone))).expect(MODEL_NAMES);
            }
            DnsEntryScope::Private => {}
        }
    }
    if let Some(view) = zones.view_mut(&endpoint.vpc_id) {
        for name in endpoint.private_names_in_vpc() {
            add_private(view, name, addresses(None));
        }
    }
}

/// The private addresses of an endpoint's network interfaces, of one zone or of all.
fn endpoint_addresses(world: &World, endpoint: &VpcEndpoint, zone: Option<&str>) -> Records {
    let zone_of = |subnet_id: &str| world.subnets.get(subnet_id).map(|subnet| subnet.availability_zone.as_str());
    let interfaces = endpoint.network_interface_ids.iter().filter_map(|id| world.network_interfaces.get(id));
    let here = interfaces.filter(|interface| zone.is_none() || zone_of(&interface.subnet_id) == zone);
    let numbers = node_numbers(world);
    let node = |interface: &NetworkInterface| {
        let node = serving_node(world, endpoint, interface)?;
        numbers.get(node.network_interface_id.as_str()).copied()
    };
    let up = standing(here.collect(), |interface| world.is_down(&interface.subnet_id)).into_iter();
    Records::nodes(up.filter_map(|interface| Some((*interface.private_ip_addresses.first()?, node(interface)))))
}

/// The balancer's node behind an interface of an endpoint: it answers for the interface's zone.
fn serving_node<'w>(
    world: &'w World,
    endpoint: &VpcEndpoint,
    interface: &NetworkInterface,
) -> Option<&'w LoadBalancerNode> {
    let zone_id = |subnet_id: &str| world.subnets.get(subnet_id).map(|subnet| subnet.availability_zone_id.as_str());
    let service = world.vpc_endpoint_services.values().find(|it| it.service_name == endpoint.service_name)?;
    let balancers = service.network_load_balancer_arns.iter().filter_map(|arn| world.load_balancers.get(arn));
    let mut nodes = balancers.flat_map(|balancer| &balancer.nodes);
    nodes.find(|node| zone_id(&node.subnet_id) == zone_id(&interface.subnet_id))
}

/// A private name lives in a zone of its own in the endpoint's VPC; a wildcard lives in the zone of what it hangs under.
fn add_private(view: &mut View, name: &str, records: Records) {
    let zone = view.private_zone(name.strip_prefix("*.").unwrap_or(name)).expect(MODEL_NAMES);
    // Without an address the zone stands empty and the name stops resolving (B3.1).
    if !records.is_empty() {
        zone.add(name, records).expect(MODEL_NAMES);
    }
}

/// Without those in zones that are down; if all are, all: a name answers with what does not work before it answers with nothing.
fn standing<T>(all: Vec<T>, is_down: impl Fn(&T) -> bool) -> Vec<T> {
    match all.iter().all(&is_down) {
        true => all,
        false => all.into_iter().filter(|one| !is_down(one)).collect(),
    }
}
