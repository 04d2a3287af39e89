//! What the lab says of itself, in the control protocol's words: summary, status, trace, drops, flows.
//!
//! Functions of the world, the tables and the dataplane's records; nothing is asked of the kernel.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::protocol::*;
use crate::compile::INTERNET_GUEST;
use crate::dataplane::flow::{Key, Phase};
use crate::dataplane::tables::Behind;
use crate::dataplane::{DropRecord, FlowRecord, Header, LinkIndex, ObjectIndex, Path, Tables};
use crate::dns::NoAddress;
use crate::model::access::AccessReport;
use crate::model::naming::{GuestName, INTERNET};
use crate::model::{Meta, ResolverEndpoint, VpcEndpointType, World, describe, short_service_name};

/// The names of all links: guests', and services' in their own words.
#[derive(Clone, Debug)]
pub struct LinkNames(pub Vec<String>);

impl LinkNames {
    fn of(&self, link: LinkIndex) -> &str {
        self.0.get(link.at()).map_or("?", String::as_str)
    }
}

/// `Name tag`, logical id or id, whichever people gave first.
fn name_of(meta: &Meta, id: &str) -> String {
    meta.logical_id.clone().or_else(|| meta.tags.get("Name").cloned()).unwrap_or_else(|| id.to_owned())
}

/// What `up` prints.
pub fn summary(lab: &str, world: &World, guests: &[GuestName], notices: Vec<String>) -> Summary {
    let mut guests: Vec<GuestSummary> = guests.iter().filter_map(|guest| guest_summary(world, guest)).collect();
    // The world's order is that of ids, which mean nothing to a reader.
    guests.sort_by(|a, b| a.guest.cmp(&b.guest));
    let (endpoints, resolver_endpoints) = (endpoints(world), resolver_endpoints(world));
    let lab = lab.to_owned();
    Summary { lab, guests, endpoints, resolver_endpoints, flow_logs: Vec::new(), metrics: String::new(), notices }
}

/// A notice for each interface endpoint of an AWS service that nobody serves.
pub fn unserved(world: &World, is_served: impl Fn(&str) -> bool) -> Vec<String> {
    let mut notices: Vec<(String, String)> = Vec::new();
    for endpoint in world.vpc_endpoints.values() {
        let service = short_service_name(&endpoint.service_name, &endpoint.meta.region);
        let Some(service) = service.filter(|service| *service != "s3" && !is_served(service)) else { continue };
        let (name, id) = (name_of(&endpoint.meta, &endpoint.vpc_endpoint_id), &endpoint.vpc_endpoint_id);
        let place = endpoint.meta.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        let text = format!(
            "endpoint {name} ({id}) leads to {service}, which has no emulation and no backend: what policies allow is answered \
             501; in lab.yaml, `backends: {{{service}: {{url: http://HOST:PORT}}}}` gives it one{place}"
        );
        notices.push((name, text));
    }
    // The world's order is that of ids, which mean nothing to a reader.
    notices.sort();
    notices.into_iter().map(|(_, text)| text).collect()
}

fn guest_summary(world: &World, guest: &GuestName) -> Option<GuestSummary> {
    if let Some(outside) = outside_summary(world, guest) {
        return Some(outside);
    }
    let instance = world.instances.get(&guest.instance_id)?;
    let interfaces: Vec<_> =
        instance.network_interface_ids.iter().filter_map(|id| world.network_interfaces.get(id)).collect();
    let subnet = world.subnets.get(&interfaces.first()?.subnet_id)?;
    let vpc = world.vpcs.get(&subnet.vpc_id)?;
    Some(GuestSummary {
        guest: guest.shown.clone(),
        instance_id: guest.instance_id.clone(),
        account: instance.meta.account.clone(),
        private_ip_addresses: interfaces.iter().flat_map(|it| it.private_ip_addresses.iter().copied()).collect(),
        subnet: name_of(&subnet.meta, &subnet.subnet_id),
        subnet_cidr: subnet.cidr_block.to_string(),
        vpc: name_of(&vpc.meta, &vpc.vpc_id),
    })
}

/// The same of a guest that no VPC has.
fn outside_summary(world: &World, guest: &GuestName) -> Option<GuestSummary> {
    let customer = world.customer_gateways.get(&guest.instance_id);
    let address = match customer {
        Some(customer) => world.on_premises_address(customer)?,
        None if guest.instance_id == INTERNET => INTERNET_GUEST,
        None => return None,
    };
    Some(GuestSummary {
        guest: guest.shown.clone(),
        instance_id: guest.instance_id.clone(),
        account: customer.map(|customer| customer.meta.account.clone()).unwrap_or_default(),
        private_ip_addresses: vec![address],
        subnet: String::new(),
        subnet_cidr: String::new(),
        vpc: if customer.is_some() { "on premises".to_owned() } else { "the internet".to_owned() },
    })
}

fn endpoints(world: &World) -> Vec<EndpointSummary> {
    let shapes = describe::vpc_endpoints(world);
    let state = |id: &str| {
        let shape = shapes.iter().find(|shape| shape["VpcEndpointId"] == id);
        shape.and_then(|shape| shape["State"].as_str()).unwrap_or_default().to_owned()
    };
    let addresses = |ids: &[String]| -> Vec<Ipv4Addr> {
        let interfaces = ids.iter().filter_map(|id| world.network_interfaces.get(id));
        interfaces.flat_map(|interface| interface.private_ip_addresses.iter().copied()).collect()
    };
    let mut endpoints: Vec<EndpointSummary> = world
        .vpc_endpoints
        .values()
        .map(|endpoint| EndpointSummary {
            name: name_of(&endpoint.meta, &endpoint.vpc_endpoint_id),
            vpc_endpoint_id: endpoint.vpc_endpoint_id.clone(),
            vpc_endpoint_type: match endpoint.vpc_endpoint_type {
                VpcEndpointType::Gateway => "Gateway".into(),
                VpcEndpointType::Interface => "Interface".into(),
            },
            service_name: endpoint.service_name.clone(),
            state: state(&endpoint.vpc_endpoint_id),
            dns_names: endpoint.dns_entries.iter().map(|entry| entry.dns_name.clone()).collect(),
            private_ip_addresses: addresses(&endpoint.network_interface_ids),
        })
        .collect();
    endpoints.sort_by(|a, b| (&a.name, &a.vpc_endpoint_id).cmp(&(&b.name, &b.vpc_endpoint_id)));
    endpoints
}

fn resolver_endpoints(world: &World) -> Vec<ResolverEndpointSummary> {
    let summary = |endpoint: &ResolverEndpoint| {
        let vpc = world.vpcs.get(&endpoint.host_vpc_id);
        ResolverEndpointSummary {
            name: name_of(&endpoint.meta, &endpoint.resolver_endpoint_id),
            resolver_endpoint_id: endpoint.resolver_endpoint_id.clone(),
            host_vpc: vpc.map(|vpc| name_of(&vpc.meta, &vpc.vpc_id)).unwrap_or_default(),
            ip_addresses: endpoint.ip_addresses.iter().map(|address| address.ip).collect(),
        }
    };
    world.resolver_endpoints.values().map(summary).collect()
}

/// AWS's Describe shapes, each instance with the name of its guest.
pub fn status(lab: &str, world: &World, guests: &[GuestName]) -> Value {
    let mut status = json!({ "Lab": lab, "ZonesDown": world.zones_down });
    if let (Some(members), Value::Object(shapes)) = (status.as_object_mut(), describe::describe(world)) {
        members.extend(shapes);
    }
    for instance in status["Instances"].as_array_mut().into_iter().flatten() {
        let id = instance["InstanceId"].as_str().unwrap_or_default();
        if let Some(guest) = guests.iter().find(|guest| guest.instance_id == id) {
            instance["Guest"] = Value::String(guest.shown.clone());
        }
    }
    status
}

/// A dropped packet.
pub fn drop_line(record: &DropRecord, tables: &Tables, links: &LinkNames) -> DropLine {
    let (object, source) = record.object.map(|index| named(tables, index)).unwrap_or_default();
    let guest = links.of(record.ingress).to_owned();
    DropLine {
        sequence: record.number,
        at_ms: record.at.as_millis() as u64,
        packet: record.header.map(|header| format!("{guest}: {}", header_text(&header))).unwrap_or_default(),
        header: record.header.map(|header| packet_header(&header)),
        guest,
        reason: record.reason.code().to_owned(),
        sentence: match record.detail {
            Some(detail) => format!("{} ({detail})", record.reason.sentence()),
            None => record.reason.sentence().to_owned(),
        },
        object,
        source,
        count: record.count,
    }
}

fn packet_header(header: &Header) -> PacketHeader {
    let Header { protocol, source, destination, source_port, destination_port } = *header;
    PacketHeader { protocol, source, source_port, destination, destination_port }
}

fn header_text(header: &Header) -> String {
    match header.protocol {
        0 => format!("{} > {} arp", header.source, header.destination),
        _ => header.to_string(),
    }
}

/// `name (id)`, and the place where it is written.
fn named(tables: &Tables, index: ObjectIndex) -> (String, Option<String>) {
    let object = tables.object(index);
    let text = match (object.name.is_empty(), object.id.is_empty()) {
        (true, _) => object.id.clone(),
        (false, true) => object.name.clone(),
        (false, false) => format!("{} ({})", object.name, object.id),
    };
    (text, object.source.clone())
}

/// The packet that opened a flow.
pub fn opened_by(record: &FlowRecord) -> PacketHeader {
    packet_header(&key_header(&record.key))
}

/// A flow, as its opener and as the far side see it. Towards a service the far side is in the fabric, whose addresses
/// nobody sees: there it says by which way the flow goes.
pub fn flow_line(record: &FlowRecord, tables: &Tables, links: &LinkNames) -> FlowLine {
    let guest = links.of(record.ingress).to_owned();
    let far = links.of(record.egress);
    let via = record.via.map(|index| named(tables, index).0);
    let behind = tables.links.get(record.egress.at()).map(|link| link.behind);
    let answers = key_header(&record.back);
    let (far_side, answers) = match behind {
        Some(Behind::HealthChecks) => {
            (far.to_owned(), Header { source: tables.checking_node(answers.source), ..answers })
        }
        Some(Behind::Service(_)) => {
            (far.to_owned(), Header { destination: tables.private_source(answers.destination), ..answers })
        }
        _ => (format!("{far}: {}", header_text(&key_header(&turned(record.back)))), answers),
    };
    let receiver = match behind {
        Some(Behind::Interface(index)) => tables.interfaces.get(index.at()).map(|interface| interface.object),
        Some(Behind::Service(index)) => tables.services.get(index.at()).map(|service| service.object),
        Some(Behind::OnPremises(index)) => tables.customers.get(index.at()).map(|customer| customer.object),
        Some(Behind::Internet) => tables.internet.object,
        Some(Behind::HealthChecks) => tables.health_checks.as_ref().map(|checks| checks.object),
        None => None,
    };
    let id = |index: ObjectIndex| tables.object(index).id.clone();
    let opened = key_header(&record.key);
    let header = Header { source: tables.checking_node(opened.source), ..opened };
    FlowLine {
        flow: format!("{guest}: {}", header_text(&header)),
        header: packet_header(&opened),
        receiver: (far.to_owned(), receiver.map(id)),
        answers: packet_header(&answers),
        guest,
        far_side,
        via,
        via_id: record.via.map(id),
        frames: record.frames.iter().sum(),
        bytes: record.bytes.iter().sum(),
        state: match record.phase {
            Phase::Opening => "opening".into(),
            Phase::Established => "established".into(),
            Phase::Closing => "closing".into(),
        },
        age_ms: record.age.as_millis() as u64,
    }
}

/// The key of the answers, turned round: the packet as it reaches the far side.
fn turned(key: Key) -> Key {
    Key {
        source: key.destination,
        destination: key.source,
        source_port: key.destination_port,
        destination_port: key.source_port,
        ..key
    }
}

fn key_header(key: &Key) -> Header {
    Header {
        protocol: key.protocol,
        source: key.source,
        destination: key.destination,
        source_port: key.source_port,
        destination_port: key.destination_port,
    }
}

/// The report on a name that has no address: no packet is ever sent.
pub fn unresolved(question: TraceQuestion, no_address: NoAddress) -> TraceReport {
    TraceReport {
        network_path_found: false,
        verdict: "dropped".into(),
        delivered: false,
        explanation_code: Some(no_address.code.to_owned()),
        explanation: Some(no_address.sentence),
        question,
        hops: Vec::new(),
        return_hops: Vec::new(),
        access: None,
    }
}

/// The report on a path.
pub fn trace(path: &Path, question: TraceQuestion, tables: &Tables) -> TraceReport {
    let dropped = path.dropped.or(path.back_dropped);
    TraceReport {
        network_path_found: dropped.is_none(),
        verdict: if dropped.is_none() { "delivered" } else { "dropped" }.into(),
        delivered: path.delivered.is_some(),
        explanation_code: dropped.map(|reason| reason.code().to_owned()),
        explanation: dropped.map(|reason| reason.sentence().to_owned()),
        question,
        hops: path.hops.iter().map(|hop| trace_hop(hop, tables)).collect(),
        return_hops: path.back_hops.iter().map(|hop| trace_hop(hop, tables)).collect(),
        access: None,
    }
}

/// Adds what policies say of the request that would take the path: a denial is the end of it.
pub fn decided(report: &mut TraceReport, access: AccessReport) {
    if report.network_path_found && !access.is_allowed() {
        report.verdict = "denied".into();
        report.explanation_code = Some("ACCESS_DENIED".into());
        report.explanation = Some(access.message.clone());
    }
    report.access = Some(access);
}

fn trace_hop(hop: &crate::dataplane::Hop, tables: &Tables) -> TraceHop {
    let object = hop.object.map(|index| tables.object(index));
    let rule = hop.rule.map(|index| tables.object(index));
    TraceHop {
        kind: hop.kind.to_owned(),
        id: object.map(|object| object.id.clone()).unwrap_or_default(),
        name: object.map(|object| object.name.clone()).unwrap_or_default(),
        decision: hop.decision.clone(),
        rule: rule.map(|rule| rule.id.clone()),
        before: planned_text(&hop.before),
        after: planned_text(&hop.after),
        source: rule.or(object).and_then(|object| object.source.clone()),
    }
}

/// A port that is chosen when a packet really comes is shown as `*`.
fn planned_text(header: &Header) -> String {
    let text = header_text(header);
    if header.source_port == 0 { text.replacen(":0 > ", ":* > ", 1) } else { text }
}

/// The interface behind a guest's link.
pub fn interface_of(tables: &Tables, link: LinkIndex) -> Option<crate::dataplane::InterfaceIndex> {
    match tables.links.get(link.at())?.behind {
        Behind::Interface(index) => Some(index),
        Behind::Service(_) | Behind::HealthChecks | Behind::Internet | Behind::OnPremises(_) => None,
    }
}
