//! A virtual private gateway, and the guests on premises behind it. The tunnel itself is a link.

use super::*;

/// What a VPN connection carries (B1.5).
const VPN_MTU: u16 = 1500;

/// Out of the VPC, to where the connection's static routes lead.
pub(super) fn leave_by(walk: &mut Walk, index: VpnGatewayIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let gateway = tables.vpn_gateways.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = gateway.object;
    if walk.is_home(Place::VpnGateway(index)) {
        return Ok(Step::LegWalkedBack);
    }
    if walk.back.is_some() {
        return walk.refuse("virtual private gateway", object, DropReason::AsymmetricReturn);
    }
    walk.via = walk.via.or(Some(object));
    walk.owner_of_source("virtual private gateway", object, gateway.vpc, DropReason::VpnSource)?;
    let router = walk.router_of_sender()?;
    let destination = walk.header.destination;
    let Some((customer, there)) = longest_route(tables, gateway, destination) else {
        return walk.refuse("virtual private gateway", object, DropReason::NoRoute);
    };
    if there.address != destination {
        return walk.refuse("customer gateway", there.object, DropReason::NoSuchAddress);
    }
    walk.narrow(object, VPN_MTU, router, None);
    let (place, before) = (Place::VpnGateway(index), walk.header);
    walk.record("virtual private gateway", object, None, before, || "carries it through the tunnel".to_owned());
    walk.end_leg(place, place);
    walk.record("customer gateway", there.object, None, before, || "receives".to_owned());
    walk.end_leg(Place::OnPremises(customer), Place::OnPremises(customer));
    walk.deliver_outside(there.link)
}

/// Behind which connection an address is: the longest of their static routes says it.
fn longest_route<'t>(
    tables: &'t Tables,
    gateway: &VpnGateway,
    destination: Ipv4Addr,
) -> Option<(CustomerIndex, &'t Customer)> {
    let customers = gateway.customers.iter().filter_map(|index| Some((*index, tables.customers.get(index.at())?)));
    let length = |customer: &Customer| {
        let holding = customer.routes.iter().filter(|block| block.contains(&destination));
        holding.map(|block| block.prefix_len()).max()
    };
    let routed = customers.filter_map(|(index, customer)| Some((length(customer)?, index, customer)));
    routed.max_by_key(|(length, index, _)| (*length, std::cmp::Reverse(*index))).map(|(_, index, it)| (index, it))
}

/// From a guest on premises into the VPC, and to nothing that the VPC only leads to: no gateway endpoint, no NAT gateway,
/// no internet gateway, no peer.
pub(super) fn enter_by(walk: &mut Walk, index: CustomerIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let customer = tables.customers.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let before = walk.header;
    walk.record("customer gateway", customer.object, None, before, || "sends".to_owned());
    let gateway = tables.vpn_gateways.get(customer.gateway.at()).ok_or(Refused::BAD_TABLES)?;
    let (object, vpc, route_table) = (gateway.object, gateway.vpc, gateway.route_table);
    let Some(owner) = walk.vpc(vpc)?.addresses.get(&before.destination).copied() else {
        return walk.refuse("virtual private gateway", object, DropReason::VpnDestination);
    };
    walk.via = walk.via.or(Some(object));
    let subnet = walk.interface(owner)?.subnet;
    let router = tables.subnets.get(subnet.at()).ok_or(Refused::BAD_TABLES)?.router();
    walk.narrow(object, VPN_MTU, before.destination, Some(router));
    walk.record("virtual private gateway", object, None, before, || "lets it into the VPC".to_owned());
    let place = Place::VpnGateway(customer.gateway);
    walk.end_leg(place, place);
    Ok(Step::Inside(vpc, route_table))
}
