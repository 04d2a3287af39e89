//! Services that every interface reaches without a route: the resolver, metadata, time (B1.2).

use super::*;

/// The address the resolver has in its namespace and, besides base+2, in every VPC.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);

/// Amazon Time Sync's address, in its namespace and everywhere else.
pub const TIME: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 123);

/// Serves a packet to base+2 or to a link-local service.
pub(super) fn serve(walk: &mut Walk) -> Result<Step, Refused> {
    let destination = walk.header.destination;
    let (object, dns_support, service) = match walk.sending_interface().map(|sender| sender.vpc) {
        Some(index) => {
            let vpc = walk.vpc(index)?;
            let (object, own) = (vpc.object, vpc.resolver);
            if let Some(service) = walk.tables.time_service.filter(|_| destination == TIME) {
                return tell_time(walk, object, service);
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

/// NTP and nothing else (B1.2).
fn tell_time(walk: &mut Walk, vpc: ObjectIndex, service: ServiceIndex) -> Result<Step, Refused> {
    let object = walk.tables.services.get(service.at()).ok_or(Refused::BAD_TABLES)?.object;
    if (walk.header.protocol, walk.header.destination_port) != (protocol::UDP, 123) {
        return walk.refuse("time", object, DropReason::TimePort);
    }
    walk.limits.metered = true;
    let source = walk.fabric_source(vpc, Way::LinkLocal)?;
    walk.deliver_to_service(service, source)
}
