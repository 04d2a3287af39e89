//! A NAT gateway (B7): many private addresses behind its own, outwards only.

use super::*;

/// What it carries (B1.5).
const NAT_GATEWAY_MTU: u16 = 8500;

/// Gives the packet the gateway's own address and a port, and sends it on by the route table of the gateway's subnet.
pub(super) fn translate(walk: &mut Walk, index: NatGatewayIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let gateway = tables.nat_gateways.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let (object, interface) = (gateway.object, gateway.interface);
    let own = tables.interfaces.get(interface.at()).ok_or(Refused::BAD_TABLES)?;
    let place = Place::Interface(interface);
    walk.via = walk.via.or(Some(object));
    if let Some(reason) = refusal(walk, gateway, own) {
        return walk.refuse("NAT gateway", object, reason);
    }
    if walk.sender == place || walk.legs.iter().any(|leg| leg.from == place) {
        // Its own subnet's table leads back to it.
        return walk.refuse("NAT gateway", object, DropReason::TooManyHops);
    }
    if walk.header.protocol == protocol::TCP && !walk.traits.opens {
        // After 350 s of silence it no longer knows the connection, and says so to the inside.
        return Ok(Step::Reset(object));
    }
    if walk.traits.ttl <= 1 {
        let primary = own.addresses.first().copied().ok_or(Refused::BAD_TABLES)?;
        return Ok(Step::TimeExceeded(object, primary));
    }
    let Some((address, port)) = borrow(walk, interface, own) else {
        return walk.refuse("NAT gateway", object, DropReason::PortAllocation);
    };
    walk.remember_as(Remembered::NatGateway);
    walk.narrow(object, NAT_GATEWAY_MTU, address, None);
    walk.limits.clamp_mss(NAT_GATEWAY_MTU);
    walk.hop(object, address);
    if walk.header.protocol != protocol::UDP {
        walk.carry_whole_only(object);
    }
    let before = walk.header;
    walk.end_leg(place, place);
    walk.header.source = address;
    walk.header.source_port = port;
    if walk.header.protocol == protocol::ICMP {
        // An echo has one identifier.
        walk.header.destination_port = port;
    }
    walk.record("NAT gateway", object, None, before, || format!("translates the source to {address}:{port}"));
    walk.observe(interface, Side::Egress);
    Ok(Step::Route(own.subnet))
}

/// Why the gateway does not take a packet, if it does not.
fn refusal(walk: &Walk, gateway: &NatGateway, own: &Interface) -> Option<DropReason> {
    if !gateway.available {
        return Some(DropReason::EndpointUnavailable);
    }
    let in_vpc = |sender: InterfaceIndex| walk.interface(sender).is_ok_and(|sender| sender.vpc == own.vpc);
    let originates_here = || walk.vpc(own.vpc).is_ok_and(|vpc| vpc.addresses.contains_key(&walk.header.source));
    match walk.sender {
        // An appliance may send on what another interface of the VPC sent, not what came from elsewhere.
        Place::Interface(sender) if in_vpc(sender) && originates_here() => {}
        // What begins on the internet comes to its public address.
        Place::InternetGateway(_) => return Some(DropReason::NatGatewayInbound),
        _ => return Some(DropReason::NatGatewaySource),
    }
    if own.addresses.contains(&walk.header.destination) {
        return Some(DropReason::NatGatewayInbound);
    }
    let carried = match walk.header.protocol {
        protocol::TCP => !walk.traits.fragment,
        protocol::UDP => true,
        protocol::ICMP => walk.traits.icmp.0 == icmp::ECHO_REQUEST && !walk.traits.fragment,
        _ => false,
    };
    (!carried).then_some(DropReason::ProtocolRestriction)
}

/// A port of one of the gateway's addresses: what the flow has already, else the flow's own choice of an address, else
/// whichever has one left.
fn borrow(walk: &Walk, interface: InterfaceIndex, own: &Interface) -> Option<(Ipv4Addr, u16)> {
    let Header { protocol, source, destination, destination_port, .. } = walk.header;
    let target_port = if protocol == protocol::ICMP { 0 } else { destination_port };
    let pool = |source| Pool { node: interface, source, protocol, target: destination, target_port };
    let count = own.addresses.len();
    let kept = own.addresses.iter().position(|address| walk.memory.has_port_of(&pool(*address)));
    let first = match kept {
        Some(kept) => kept,
        None if count > 1 => walk.hasher.hash_one((source, destination)) as usize % count,
        None => 0,
    };
    (0..count).find_map(|number| {
        let address = *own.addresses.get((first + number) % count)?;
        Some((address, walk.memory.borrow(pool(address))?))
    })
}
