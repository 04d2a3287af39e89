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
    let Some(route) = table.route(destination).filter(|_| !link_local) else {
        return walk.refuse("route table", table.object, DropReason::NoRoute);
    };
    let before = walk.header;
    let rule = route.object;
    walk.record("route table", table.object, Some(rule), before, || {
        format!("longest prefix: {}", tables.object(rule).id)
    });
    match route.target {
        Target::Local => local(walk, subnet.vpc),
        Target::Interface(interface) => Ok(Step::Enter(interface)),
        Target::GatewayEndpoint(endpoint) => Ok(Step::GatewayEndpoint(endpoint)),
        Target::Blackhole => walk.refuse("route", rule, DropReason::BlackholeRoute),
        Target::NotEmulated(object) => walk.refuse("route target", object, DropReason::RouteNotEmulated),
        Target::InternetGateway(object) => internet_gateway(walk, object),
    }
}

fn local(walk: &mut Walk, index: VpcIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let vpc = walk.vpc(index)?;
    let destination = walk.header.destination;
    if let Some(interface) = vpc.addresses.get(&destination) {
        return Ok(Step::Enter(*interface));
    }
    let object = vpc.object;
    let holder = tables.subnets.iter().find(|subnet| subnet.vpc == index && subnet.cidr.contains(&destination));
    match holder {
        Some(subnet) if is_reserved(subnet, destination) => {
            walk.refuse("subnet", subnet.object, DropReason::ReservedAddress)
        }
        Some(subnet) => walk.refuse("subnet", subnet.object, DropReason::NoSuchAddress),
        None => walk.refuse("VPC", object, DropReason::NoSuchAddress),
    }
}

/// The internet gateway carries nothing without a public address (B7); what has one would need an internet.
fn internet_gateway(walk: &mut Walk, object: ObjectIndex) -> Result<Step, Refused> {
    let public = walk.interface(walk.sender)?.has_public_address;
    let reason = if public { DropReason::InternetNotEmulated } else { DropReason::InternetGatewayNoPublicAddress };
    walk.refuse("internet gateway", object, reason)
}
