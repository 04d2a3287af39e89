//! Internet gateways, and the emulated internet between and behind them (B7).

use super::*;

/// What an internet gateway and everything behind it carries (B1.5).
const INTERNET_MTU: u16 = 1500;

/// A packet leaves a VPC: its private source becomes the public address that stands for it.
pub(super) fn leave_by(walk: &mut Walk, index: InternetGatewayIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let gateway = tables.internet_gateways.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = gateway.object;
    if walk.is_home(Place::InternetGateway(index)) {
        return Ok(Step::LegWalkedBack);
    }
    if walk.back.is_some() {
        return walk.refuse("internet gateway", object, DropReason::AsymmetricReturn);
    }
    walk.via = walk.via.or(Some(object));
    let Place::Interface(sender) = walk.sender else {
        return walk.refuse("internet gateway", object, DropReason::InternetGatewayNoPublicAddress);
    };
    let Some(public) = gateway.public.get(&(sender, walk.header.source)).copied() else {
        return walk.refuse("internet gateway", object, DropReason::InternetGatewayNoPublicAddress);
    };
    if let Some(reason) = private_destination(walk.header.destination) {
        return walk.refuse("internet gateway", object, reason);
    }
    let router = walk.interface(sender)?.subnet;
    let router = tables.subnets.get(router.at()).ok_or(Refused::BAD_TABLES)?.router();
    walk.limits.narrow(INTERNET_MTU, router);
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
    if let Some(service) = internet.service(destination) {
        return to_service(walk, service, object);
    }
    if let Some(public) = internet.public.get(&destination).copied() {
        return enter_by(walk, public);
    }
    let guest = internet.guest.filter(|guest| guest.address == destination);
    let Some(guest) = guest else {
        return walk.refuse("internet", object, DropReason::NoSuchPublicAddress);
    };
    let before = walk.header;
    walk.record("internet", object, None, before, || "receives".to_owned());
    walk.end_leg(Place::Internet, Place::Internet);
    walk.deliver_outside(guest.link)
}

/// A public service. It sees the public address, and answers in packets that fit the internet.
fn to_service(walk: &mut Walk, index: ServiceIndex, object: ObjectIndex) -> Result<Step, Refused> {
    let service = walk.tables.services.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let asked = (walk.header.protocol, walk.header.destination_port);
    let echo = walk.header.protocol == protocol::ICMP && walk.traits.is_echo();
    if !echo && !service.ports.contains(&asked) {
        return walk.refuse("internet", object, DropReason::InternetPort);
    }
    walk.limits.clamp_mss(INTERNET_MTU);
    walk.deliver_to_service(index, walk.header.source)
}

/// A packet enters a VPC by the public address of one of its interfaces.
fn enter_by(walk: &mut Walk, to: PublicAddress) -> Result<Step, Refused> {
    let gateway = walk.tables.internet_gateways.get(to.gateway.at()).ok_or(Refused::BAD_TABLES)?;
    let object = gateway.object;
    if is_private(walk.header.source) {
        return walk.refuse("internet gateway", object, DropReason::InternetGatewayPrivateSource);
    }
    walk.via = walk.via.or(Some(object));
    walk.limits.narrow(INTERNET_MTU, walk.header.destination);
    let (place, before) = (Place::InternetGateway(to.gateway), walk.header);
    walk.end_leg(place, place);
    walk.header.destination = to.private;
    walk.record("internet gateway", object, None, before, || format!("translates the destination to {}", to.private));
    walk.rest_on(gateway.vpc)?;
    Ok(Step::Enter(to.interface))
}

/// RFC 1918.
fn is_private(address: Ipv4Addr) -> bool {
    address.is_private()
}

/// Why a gateway does not send to an address, if it does not.
fn private_destination(address: Ipv4Addr) -> Option<DropReason> {
    // RFC 6598: 100.64.0.0/10.
    let shared = u32::from(address) & 0xffc0_0000 == u32::from(Ipv4Addr::new(100, 64, 0, 0));
    match () {
        () if is_private(address) => Some(DropReason::InternetGatewayPrivateDestination),
        () if shared => Some(DropReason::InternetGatewaySharedDestination),
        () => None,
    }
}
