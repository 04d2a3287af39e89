//! VPC endpoints, and the services behind them.

use super::*;

/// What an interface endpoint carries (B1.5).
const INTERFACE_ENDPOINT_MTU: u16 = 8500;

/// A gateway endpoint (B2): the destination stays, the service sees who came.
pub(super) fn gateway(walk: &mut Walk, index: EndpointIndex) -> Result<Step, Refused> {
    let endpoint = walk.tables.endpoints.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = endpoint.object;
    walk.via = Some(object);
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
