//! Inbound resolver endpoints: a VPC's resolver at addresses that others reach, from on premises and from peered VPCs.

use super::*;

/// A network interface of a resolver endpoint: groups and ACLs have judged already, which base+2 never asks (B1.6).
pub(super) fn serve(walk: &mut Walk, index: InterfaceIndex, endpoint: ResolverEndpointIndex) -> Result<Step, Refused> {
    let endpoint_tables = walk.tables.resolver_endpoints.get(endpoint.at()).ok_or(Refused::BAD_TABLES)?;
    let (object, vpc) = (endpoint_tables.object, walk.vpc(endpoint_tables.vpc)?);
    let (dns_support, service) = (vpc.dns_support, vpc.resolver_service);
    walk.via = Some(object);
    let dns = matches!(walk.header.protocol, protocol::TCP | protocol::UDP) && walk.header.destination_port == 53;
    if !dns {
        return walk.refuse("resolver endpoint", object, DropReason::ResolverPort);
    }
    let Some(service) = service.filter(|_| dns_support) else {
        return walk.refuse("resolver endpoint", object, DropReason::DnsSupportOff);
    };
    if walk.header.protocol == protocol::TCP && !walk.traits.opens {
        return Ok(Step::Reset(object));
    }
    let (place, before) = (Place::Interface(index), walk.header);
    walk.record("resolver endpoint", object, None, before, || "asks the resolver of its VPC".to_owned());
    let source = walk.fabric_source(object, Way::ResolverEndpoint(endpoint))?;
    walk.end_leg(place, place);
    walk.header.destination = RESOLVER;
    walk.deliver_to_service(service, source)
}
