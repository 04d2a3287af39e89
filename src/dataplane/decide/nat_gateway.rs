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
    walk.via = walk.via.or(Some(object));
    if !gateway.available {
        return walk.refuse("NAT gateway", object, DropReason::EndpointUnavailable);
    }
    if own.addresses.contains(&walk.header.destination) {
        return walk.refuse("NAT gateway", object, DropReason::NatGatewayInbound);
    }
    if walk.sending_interface().is_none_or(|sender| sender.vpc != own.vpc) {
        return walk.refuse("NAT gateway", object, DropReason::NatGatewaySource);
    }
    let carried = match walk.header.protocol {
        protocol::TCP => !walk.traits.fragment,
        protocol::UDP => true,
        protocol::ICMP => walk.traits.icmp.0 == icmp::ECHO_REQUEST && !walk.traits.fragment,
        _ => false,
    };
    if !carried {
        return walk.refuse("NAT gateway", object, DropReason::NatGatewayProtocol);
    }
    if walk.header.protocol == protocol::TCP && !walk.traits.opens {
        // After 350 s of silence it no longer knows the connection, and says so to the inside.
        return Ok(Step::Reset(object));
    }
    let Some((address, port)) = borrow(walk, interface, own) else {
        return walk.refuse("NAT gateway", object, DropReason::PortAllocation);
    };
    if walk.traits.ttl <= 1 {
        return Ok(Step::TimeExceeded(object, address));
    }
    walk.short_memory = true;
    walk.limits.narrow(NAT_GATEWAY_MTU, address);
    walk.limits.clamp_mss(NAT_GATEWAY_MTU);
    walk.limits.hop(address);
    if walk.header.protocol != protocol::UDP {
        walk.limits.whole_only = true;
    }
    let before = walk.header;
    walk.end_leg(Place::Interface(interface), Place::Interface(interface));
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

/// A port of one of the gateway's addresses: the flow's own choice first, then whichever has one left.
fn borrow(walk: &Walk, interface: InterfaceIndex, own: &Interface) -> Option<(Ipv4Addr, u16)> {
    let Header { protocol, source, destination, destination_port, .. } = walk.header;
    let target_port = if protocol == protocol::ICMP { 0 } else { destination_port };
    let count = own.addresses.len();
    let first = if count > 1 { walk.hasher.hash_one((source, destination)) as usize % count } else { 0 };
    (0..count).find_map(|number| {
        let address = *own.addresses.get((first + number) % count)?;
        let pool = Pool { node: interface, source: address, protocol, target: destination, target_port };
        Some((address, walk.memory.borrow(pool)?))
    })
}
