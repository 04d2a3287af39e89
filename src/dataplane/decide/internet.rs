//! Internet gateways, and the emulated internet between and behind them (B7).

use super::*;

/// What an internet gateway and everything behind it carries (B1.5).
const INTERNET_MTU: u16 = 1500;

/// A packet leaves a VPC: its private source becomes the public address that stands for it. Who forwards it for another
/// interface of the VPC, as an appliance does, changes nothing.
pub(super) fn leave_by(walk: &mut Walk, index: InternetGatewayIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let gateway = tables.internet_gateways.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = gateway.object;
    if walk.is_home(Place::InternetGateway(index)) {
        return Ok(Step::LegWalkedBack);
    }
    walk.via = walk.via.or(Some(object));
    let nobodys = DropReason::InternetGatewayNoPublicAddress;
    let owner = walk.owner_of_source("internet gateway", object, gateway.vpc, nobodys)?;
    let Some(public) = gateway.public.get(&(owner, walk.header.source)).copied() else {
        return walk.refuse("internet gateway", object, nobodys);
    };
    if let Some(reason) = private_destination(walk.header.destination) {
        return walk.refuse("internet gateway", object, reason);
    }
    if walk.back.is_some() {
        return walk.refuse("internet gateway", object, DropReason::AsymmetricReturn);
    }
    let router = walk.router_of_sender()?;
    walk.narrow(object, INTERNET_MTU, router, None);
    let (place, before) = (Place::InternetGateway(index), walk.header);
    walk.end_leg(place, place);
    walk.header.source = public;
    walk.record("internet gateway", object, None, before, || format!("translates the source to {public}"));
    Ok(Step::Internet)
}

/// From a gateway or the internet guest to whoever has the public address.
pub(super) fn cross(walk: &mut Walk) -> Result<Step, Refused> {
    let internet = &walk.tables.internet;
    let destination = walk.header.destination;
    let object = internet.object.unwrap_or(ObjectIndex(u32::MAX));
    if let Some(public) = internet.public.get(&destination).copied() {
        return enter_by(walk, public);
    }
    if is_forged(walk) {
        return walk.refuse("internet", object, DropReason::SourceDestCheck);
    }
    if let Some(service) = internet.service(destination) {
        return to_service(walk, service, object);
    }
    let guest = internet.guest.filter(|guest| guest.address == destination);
    let Some(guest) = guest else {
        // Whatever the guest sends to a lab goes to one of its public addresses, or to nobody.
        let from_outside = walk.sender == Place::Internet;
        let reason =
            if from_outside { DropReason::InternetGatewayNoPrivateAddress } else { DropReason::NoSuchPublicAddress };
        return walk.refuse("internet", object, reason);
    };
    let before = walk.header;
    walk.record("internet", object, None, before, || "receives".to_owned());
    walk.end_leg(Place::Internet, Place::Internet);
    walk.deliver_outside(guest.link)
}

/// The internet guest sends with another source than its own. Gateways tell which sources they take from nobody; what is left
/// of these would be answered to somebody else.
fn is_forged(walk: &Walk) -> bool {
    let own = walk.tables.internet.guest.map(|guest| guest.address);
    walk.sender == Place::Internet && own != Some(walk.header.source)
}

/// A public service. It sees the public address, and answers in packets that fit the internet.
fn to_service(walk: &mut Walk, index: ServiceIndex, object: ObjectIndex) -> Result<Step, Refused> {
    let service = walk.tables.services.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let asked = (walk.header.protocol, walk.header.destination_port);
    let echo = walk.header.protocol == protocol::ICMP && walk.traits.is_echo();
    if !echo && !service.ports.contains(&asked) {
        return walk.refuse("internet", object, DropReason::InternetPort);
    }
    walk.narrow(object, INTERNET_MTU, walk.header.destination, None);
    walk.limits.clamp_mss(INTERNET_MTU);
    walk.deliver_to_service(index, walk.header.source)
}

/// A packet enters a VPC by the public address of one of its interfaces.
fn enter_by(walk: &mut Walk, to: PublicAddress) -> Result<Step, Refused> {
    let tables = walk.tables;
    let gateway = tables.internet_gateways.get(to.gateway.at()).ok_or(Refused::BAD_TABLES)?;
    let object = gateway.object;
    let interface = walk.interface(to.interface)?;
    let (detached, subnet) = (interface.role == Role::Detached, interface.subnet);
    let refusal = match walk.header.source {
        source if source.is_private() => Some(DropReason::InternetGatewayPrivateSource),
        source if is_shared(source) => Some(DropReason::InternetGatewaySharedSource),
        _ if is_forged(walk) => Some(DropReason::SourceDestCheck),
        _ => detached.then_some(DropReason::InternetGatewayNoPrivateAddress),
    };
    if let Some(reason) = refusal {
        return walk.refuse("internet gateway", object, reason);
    }
    walk.via = walk.via.or(Some(object));
    let router = tables.subnets.get(subnet.at()).ok_or(Refused::BAD_TABLES)?.router();
    walk.narrow(object, INTERNET_MTU, walk.header.destination, Some(router));
    let (place, before) = (Place::InternetGateway(to.gateway), walk.header);
    walk.end_leg(place, place);
    walk.header.destination = to.private;
    walk.record("internet gateway", object, None, before, || format!("translates the destination to {}", to.private));
    walk.rest_on(gateway.vpc)?;
    Ok(Step::Inside(gateway.vpc, gateway.route_table))
}

/// RFC 6598: 100.64.0.0/10.
fn is_shared(address: Ipv4Addr) -> bool {
    u32::from(address) & 0xffc0_0000 == u32::from(Ipv4Addr::new(100, 64, 0, 0))
}

/// Why a gateway does not send to an address, if it does not.
fn private_destination(address: Ipv4Addr) -> Option<DropReason> {
    match () {
        () if address.is_private() => Some(DropReason::InternetGatewayPrivateDestination),
        () if is_shared(address) => Some(DropReason::InternetGatewaySharedDestination),
        () => None,
    }
}
