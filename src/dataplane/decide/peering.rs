//! A peering connection (B1.8): into the other VPC, and no further.

use super::*;

/// What a connection between Regions carries (B1.5).
const INTER_REGION_MTU: u16 = 8500;

/// To whoever has the address in the other VPC.
pub(super) fn cross(walk: &mut Walk, index: PeeringIndex) -> Result<Step, Refused> {
    let tables = walk.tables;
    let peering = tables.peerings.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let object = peering.object;
    let here = walk.sending_interface().map(|sender| sender.vpc);
    let other = match (here, peering.sides) {
        (Some(here), [requester, accepter]) if here == requester => accepter,
        (Some(here), [requester, accepter]) if here == accepter => requester,
        _ => return walk.refuse("peering connection", object, DropReason::PeeringAddress),
    };
    if !peering.active {
        return walk.refuse("peering connection", object, DropReason::EndpointUnavailable);
    }
    // Not transitive: the other VPC's gateways, endpoints of type Gateway and peers are out of reach.
    let destination = walk.header.destination;
    if !walk.vpc(other)?.cidrs.iter().any(|block| block.contains(&destination)) {
        return walk.refuse("peering connection", object, DropReason::PeeringAddress);
    }
    if peering.inter_region {
        let router = walk.router_of_sender()?;
        let owner = walk.vpc(other)?.addresses.get(&destination).copied();
        let subnet = owner.and_then(|owner| tables.subnets.get(walk.interface(owner).ok()?.subnet.at()));
        walk.narrow(object, INTER_REGION_MTU, router, subnet.map(Subnet::router));
    }
    walk.via = walk.via.or(Some(object));
    let before = walk.header;
    walk.record("peering connection", object, None, before, || "carries it to the other VPC".to_owned());
    Ok(Step::Inside(other, None))
}
