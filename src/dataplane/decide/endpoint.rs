//! VPC endpoints, and the services behind them.

use super::*;

/// A gateway endpoint (B2): the destination stays, the service sees who came.
pub(super) fn gateway(walk: &mut Walk, index: EndpointIndex) -> Result<Step, Refused> {
    let endpoint = walk.tables.endpoints.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = endpoint.object;
    walk.via = Some(object);
    walk.endpoint = Some(index);
    let Some(service) = endpoint.gateway_service.filter(|_| endpoint.available) else {
        return walk.refuse("gateway endpoint", object, DropReason::EndpointUnavailable);
    };
    let carried = walk.header.protocol == protocol::TCP || (walk.header.protocol == protocol::ICMP && walk.traits.echo);
    if !carried {
        return walk.refuse("gateway endpoint", object, DropReason::GatewayEndpointProtocol);
    }
    let before = walk.header;
    walk.take_fabric_source(object, Way::Endpoint(index))?;
    // People see what AWS shows: the private address arrives unchanged.
    let shown = walk.header;
    walk.header = before;
    walk.record("gateway endpoint", object, None, before, || {
        "carries it to the service; the source stays the private address".to_owned()
    });
    walk.header = shown;
    Ok(Step::Service { service })
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
    let before = walk.header;
    match backend {
        EndpointBackend::Unavailable => walk.refuse("interface endpoint", object, DropReason::EndpointUnavailable),
        EndpointBackend::NotInZone => walk.refuse("interface endpoint", object, DropReason::EndpointNotInZone),
        EndpointBackend::Balancer { balancer, node } => {
            let own = walk.interface(index)?.object;
            walk.record("interface endpoint", object, Some(own), before, || {
                "carries it to the endpoint service's load balancer".to_owned()
            });
            Ok(Step::Balance { balancer, node })
        }
        EndpointBackend::Service { service, address } => {
            let listens = walk.tables.services.get(service.at()).ok_or(Refused::BAD_TABLES)?;
            if !listens.ports.contains(&(walk.header.protocol, walk.header.destination_port)) {
                return walk.refuse("interface endpoint", object, DropReason::EndpointPort);
            }
            if walk.header.protocol == protocol::TCP && !walk.traits.opens {
                // After 350 s of silence the endpoint no longer knows the connection (B3.2).
                return Ok(Step::Done(Outcome::Reset(object)));
            }
            walk.record("interface endpoint", object, None, before, || "carries it to the service".to_owned());
            walk.take_fabric_source(object, Way::Endpoint(endpoint))?;
            walk.header.destination = address;
            Ok(Step::Service { service })
        }
    }
}

/// The service's own link; a fabric address never appears in what people read.
pub(super) fn service(walk: &mut Walk, index: ServiceIndex) -> Result<Step, Refused> {
    let service = walk.tables.services.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let (object, link) = (service.object, service.link);
    let mac = walk.tables.links.get(link.at()).ok_or(Refused::BAD_TABLES)?.mac;
    let shown = Header { source: walk.tables.private_source(walk.header.source), ..walk.header };
    let (protocol, port) = (shown.protocol, shown.destination_port);
    let real = std::mem::replace(&mut walk.header, shown);
    walk.record("service", object, None, shown, || format!("receives {}", service_name(protocol, port)));
    walk.header = real;
    walk.deliver(link, (FABRIC_ROUTER_MAC, mac))
}
