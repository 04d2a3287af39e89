//! The VPC router: a subnet's route table decides (B1.3).

use super::*;

/// Looks the destination up and follows the route.
pub(super) fn route(walk: &mut Walk, index: SubnetIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let subnet = tables.subnets.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let table = tables.route_tables.get(subnet.route_table.at()).ok_or(Refused::BAD_TABLES)?;
    let destination = walk.header.destination;
    // A containing route may exist, but these are never forwarded (B1.3-4).
    let link_local = u32::from(destination) & 0xffff_fc00 == u32::from(Ipv4Addr::new(169, 254, 168, 0));
    let route = table.route(destination).filter(|_| !link_local);
    walk.observed.takes(route.map_or(TrafficPath::None, |route| path(walk.tables, route.target)));
    if !route.is_some_and(|route| stays(walk, subnet.vpc, index, route.target)) {
        walk.check_acl(index, Side::Egress)?;
    }
    let Some(route) = route else {
        return walk.refuse("route table", table.object, DropReason::NoRoute);
    };
    let before = walk.header;
    let rule = route.object;
    walk.record("route table", table.object, Some(rule), before, || {
        format!("longest prefix: {}", tables.object(rule).id)
    });
    Ok(match route.target {
        Target::Local => return local(walk, subnet.vpc),
        Target::Interface(interface) => Step::Enter(interface),
        Target::GatewayEndpoint(endpoint) => Step::GatewayEndpoint(endpoint),
        Target::InternetGateway(gateway) => Step::InternetGateway(gateway),
        Target::NatGateway(gateway) => {
            let gateway = tables.nat_gateways.get(gateway.at()).ok_or(Refused::BAD_TABLES)?;
            Step::Enter(gateway.interface)
        }
        Target::Peering(peering) => Step::Peering(peering),
        Target::VpnGateway(gateway) => Step::VpnGateway(gateway),
        Target::Blackhole => return walk.refuse("route", rule, DropReason::BlackholeRoute),
        Target::NotEmulated(object) => return walk.refuse("route target", object, DropReason::RouteNotEmulated),
    })
}

/// What flow logs call a way out of the subnet (B8.1).
fn path(tables: &Tables, target: Target) -> TrafficPath {
    match target {
        Target::Local | Target::Interface(_) | Target::NatGateway(_) => TrafficPath::SameVpc,
        Target::GatewayEndpoint(_) => TrafficPath::GatewayEndpoint,
        Target::InternetGateway(_) => TrafficPath::InternetGateway,
        Target::VpnGateway(_) => TrafficPath::VpnGateway,
        Target::Peering(index) => match tables.peerings.get(index.at()) {
            Some(peering) if peering.inter_region => TrafficPath::InterRegionPeering,
            _ => TrafficPath::Peering,
        },
        Target::Blackhole | Target::NotEmulated(_) => TrafficPath::None,
    }
}

/// What enters by a gateway that has a route table of its own (B1.3): to an appliance, or to whoever has the address.
pub(super) fn from_gateway(walk: &mut Walk, vpc: VpcIndex, index: RouteTableIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let table = tables.route_tables.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let Some(route) = table.route(walk.header.destination) else {
        return walk.refuse("route table", table.object, DropReason::NoRoute);
    };
    let (before, rule) = (walk.header, route.object);
    walk.record("route table", table.object, Some(rule), before, || {
        format!("longest prefix: {}", tables.object(rule).id)
    });
    match route.target {
        Target::Local => local(walk, vpc),
        Target::Interface(interface) => Ok(Step::Enter(interface)),
        Target::Blackhole => walk.refuse("route", rule, DropReason::BlackholeRoute),
        // No other target can stand there.
        _ => Err(Refused::BAD_TABLES),
    }
}

/// The packet does not leave the subnet: then its ACL is not asked (B1.7).
fn stays(walk: &Walk, vpc: VpcIndex, subnet: SubnetIndex, target: Target) -> bool {
    let next = match target {
        Target::Local => walk.vpc(vpc).ok().and_then(|vpc| vpc.addresses.get(&walk.header.destination).copied()),
        Target::Interface(interface) => Some(interface),
        Target::NatGateway(gateway) => walk.tables.nat_gateways.get(gateway.at()).map(|gateway| gateway.interface),
        _ => None,
    };
    next.is_some_and(|index| walk.interface(index).is_ok_and(|interface| interface.subnet == subnet))
}

/// To whoever has the address in a VPC.
pub(super) fn local(walk: &mut Walk, index: VpcIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    walk.rest_on(index)?;
    let vpc = walk.vpc(index)?;
    let destination = walk.header.destination;
    if let Some(interface) = vpc.addresses.get(&destination) {
        return Ok(Step::Enter(*interface));
    }
    let object = vpc.object;
    let holder = tables.subnets.iter().find(|subnet| subnet.vpc == index && subnet.cidr.contains(&destination));
    match holder {
        Some(subnet) if subnet.is_reserved(destination) => {
            walk.refuse("subnet", subnet.object, DropReason::ReservedAddress)
        }
        Some(subnet) => walk.refuse("subnet", subnet.object, DropReason::NoSuchAddress),
        None => walk.refuse("VPC", object, DropReason::NoSuchAddress),
    }
}
