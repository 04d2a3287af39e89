//! VPC endpoints, and the services behind them.

use super::*;
use crate::packet::{Packet, tcp_flags};

/// What an interface endpoint carries (B1.5).
const INTERFACE_ENDPOINT_MTU: u16 = 8500;

/// A gateway endpoint (B2): the destination stays, the service sees who came.
pub(super) fn gateway(walk: &mut Walk, index: EndpointIndex) -> Result<Step, Refused> {
    let endpoint = walk.tables.endpoints.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = endpoint.object;
    walk.via = Some(object);
    walk.always_tracked |= endpoint.always_tracked;
    if walk.back.is_some() {
        return walk.refuse("gateway endpoint", object, DropReason::AsymmetricReturn);
    }
    let Some(service) = endpoint.gateway_service.filter(|_| endpoint.available) else {
        return walk.refuse("gateway endpoint", object, DropReason::EndpointUnavailable);
    };
    let echo = walk.header.protocol == protocol::ICMP && walk.traits.is_echo();
    if walk.header.protocol != protocol::TCP && !echo {
        return walk.refuse("gateway endpoint", object, DropReason::GatewayEndpointProtocol);
    }
    let vpc = endpoint.vpc;
    walk.owner_of_source("gateway endpoint", object, vpc, DropReason::SpoofedSource)?;
    let source = walk.fabric_source(object, Way::Endpoint(index))?;
    let (place, before) = (Place::GatewayEndpoint(index), walk.header);
    walk.record("gateway endpoint", object, None, before, || {
        "carries it to the service; the source stays the private address".to_owned()
    });
    walk.end_leg(place, place);
    walk.deliver_to_service(service, source)
}

/// Why a packet of a service that answers no flow goes nowhere. What would come by a gateway endpoint is judged by it first:
/// it emits TCP and echo replies only, from its prefix list only, and opens nothing (B2).
pub fn refuse_unasked(tables: &Tables, service: ServiceIndex, packet: &Packet) -> Refused {
    let way = tables.fabric.entry(packet.destination).map(|entry| entry.way);
    let gateway = match way {
        Some(Way::Endpoint(index)) => tables.endpoints.get(index.at()).filter(|it| it.gateway_service.is_some()),
        _ => None,
    };
    let reply = packet.protocol == protocol::ICMP && packet.icmp_type == icmp::ECHO_REPLY;
    let opens = packet.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
    let reason = match gateway {
        Some(_) if packet.protocol != protocol::TCP && !reply => DropReason::GatewayEndpointProtocol,
        Some(gateway) if !leads_to(tables, gateway, packet.source) => DropReason::GatewayEndpointSource,
        _ if packet.protocol == protocol::TCP && opens => DropReason::EndpointInitiates,
        _ => DropReason::UnknownFlow,
    };
    let service = tables.services.get(service.at()).map(|service| service.object);
    Refused { reason, object: gateway.map(|gateway| gateway.object).or(service) }
}

/// A route to the gateway endpoint holds an address: then its prefix list does.
fn leads_to(tables: &Tables, gateway: &Endpoint, address: Ipv4Addr) -> bool {
    let mut routes = tables.route_tables.iter().flat_map(|table| &table.routes);
    routes.any(|route| match route.target {
        Target::GatewayEndpoint(index) => {
            tables.endpoints.get(index.at()).is_some_and(|it| it.object == gateway.object)
                && route.destinations.iter().any(|block| block.contains(&address))
        }
        _ => false,
    })
}

/// Why an ICMP error about a flow by way of that object is not carried: of ICMP, a gateway endpoint takes echo only (B2).
pub fn refuse_icmp_error(tables: &Tables, via: Option<ObjectIndex>) -> Option<Refused> {
    let object = via?;
    let gateway = tables.endpoints.iter().find(|it| it.object == object && it.gateway_service.is_some());
    gateway.map(|_| Refused { reason: DropReason::GatewayEndpointProtocol, object: Some(object) })
}

/// A network interface of an interface endpoint (B3).
pub(super) fn interface(
    walk: &mut Walk,
    index: InterfaceIndex,
    endpoint: EndpointIndex,
    backend: EndpointBackend,
) -> Result<Step, Refused> {
    let object = walk.tables.endpoints.get(endpoint.at()).ok_or(Refused::BAD_TABLES)?.object;
    walk.via = Some(object);
    walk.endpoint = Some(endpoint);
    if walk.back.is_none() {
        walk.observed.endpoints.push(index);
    }
    if !matches!(walk.header.protocol, protocol::TCP | protocol::UDP) {
        return walk.refuse("interface endpoint", object, DropReason::EndpointPing);
    }
    walk.remember_as(Remembered::Balancer);
    // Larger packets vanish, and nobody is told: the MSS is what keeps TCP small enough (B1.5).
    walk.narrow_silently(object, INTERFACE_ENDPOINT_MTU);
    walk.limits.clamp_mss(INTERFACE_ENDPOINT_MTU);
    let (place, before) = (Place::Interface(index), walk.header);
    match backend {
        EndpointBackend::Unavailable => walk.refuse("interface endpoint", object, DropReason::EndpointUnavailable),
        EndpointBackend::NotInZone => walk.refuse("interface endpoint", object, DropReason::EndpointNotInZone),
        EndpointBackend::Balancer { balancer, node } => {
            let own = walk.interface(index)?.object;
            walk.record("interface endpoint", object, Some(own), before, || {
                "carries it to the endpoint service's load balancer".to_owned()
            });
            walk.end_leg(place, place);
            Ok(Step::Balance { balancer, node })
        }
        EndpointBackend::Service { service, address } => {
            let listens = walk.tables.services.get(service.at()).ok_or(Refused::BAD_TABLES)?;
            if !listens.ports.contains(&(before.protocol, before.destination_port)) {
                return walk.refuse("interface endpoint", object, DropReason::EndpointPort);
            }
            if before.protocol == protocol::TCP && !walk.traits.opens {
                // After 350 s of silence the endpoint no longer knows the connection (B3.2).
                return Ok(Step::Reset(object));
            }
            walk.record("interface endpoint", object, None, before, || "carries it to the service".to_owned());
            let source = walk.fabric_source(object, Way::Endpoint(endpoint))?;
            walk.end_leg(place, place);
            walk.header.destination = address;
            walk.deliver_to_service(service, source)
        }
    }
}
