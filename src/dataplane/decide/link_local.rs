//! Services that every interface reaches without a route: the resolver, metadata, time (B1.2).

use super::*;

/// The address the resolver has in its namespace and, besides base+2, in every VPC.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// Amazon Time Sync's address, in its namespace and everywhere else.
pub const TIME: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);

/// The instance metadata service's address, in its namespace and everywhere else (B10).
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Serves a packet to base+2 or to a link-local service.
pub(super) fn serve(walk: &mut Walk) -> Result<Step, Refused> {
    let destination = walk.header.destination;
    let (object, dns_support, service) = match walk.sending_interface().map(|sender| sender.vpc) {
        Some(index) => {
            let vpc = walk.vpc(index)?;
            let (object, own) = (vpc.object, vpc.resolver);
            if let Some(service) = walk.tables.time_service.filter(|_| destination == TIME) {
                return tell(walk, object, service, (protocol::UDP, 123), DropReason::TimePort);
            }
            if let Some(service) = walk.tables.metadata_service.filter(|_| destination == METADATA) {
                return tell(walk, object, service, (protocol::TCP, 80), DropReason::MetadataPort);
            }
            if destination != RESOLVER && destination != own {
                return walk.refuse("link-local service", object, DropReason::LinkLocalService);
            }
            (object, vpc.dns_support, vpc.resolver_service)
        }
        // Outside of VPCs it stands for any resolver of the internet.
        None => (walk.tables.internet.object.ok_or(Refused::BAD_TABLES)?, true, walk.tables.internet.resolver),
    };
    let dns = matches!(walk.header.protocol, protocol::TCP | protocol::UDP) && walk.header.destination_port == 53;
    if !dns {
        return walk.refuse("resolver", object, DropReason::ResolverPort);
    }
    let Some(service) = service.filter(|_| dns_support) else {
        return walk.refuse("resolver", object, DropReason::DnsSupportOff);
    };
    walk.limits.metered = walk.sending_interface().is_some();
    let source = walk.fabric_source(object, Way::LinkLocal)?;
    let before = walk.header;
    walk.record("resolver", object, None, before, || "asks the VPC's resolver".to_owned());
    let step = walk.deliver_to_service(service, source)?;
    let Step::Arrived(mut arrival) = step else { return Err(Refused::BAD_TABLES) };
    arrival.header.destination = RESOLVER;
    Ok(Step::Arrived(arrival))
}

/// A service with one port and nothing else (B1.2).
fn tell(
    walk: &mut Walk,
    vpc: ObjectIndex,
    service: ServiceIndex,
    port: (u8, u16),
    closed: DropReason,
) -> Result<Step, Refused> {
    let object = walk.tables.services.get(service.at()).ok_or(Refused::BAD_TABLES)?;
    let (object, name) = (object.object, if closed == DropReason::TimePort { "time" } else { "metadata" });
    if (walk.header.protocol, walk.header.destination_port) != port {
        return walk.refuse(name, object, closed);
    }
    walk.limits.metered = true;
    let source = walk.fabric_source(vpc, Way::LinkLocal)?;
    walk.deliver_to_service(service, source)
}
