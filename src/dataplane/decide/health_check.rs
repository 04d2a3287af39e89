//! A balancer's node speaks to a target in its own name, to ask whether it is well, or for a client whose TLS it ended: a packet
//! from its own address, judged like any (B9).

use super::*;
use crate::dataplane::tables::Role;

/// The node takes the checker's place: its private address, and one of the ports that it lends towards this target, so
/// that a check never meets a client's connection.
pub(super) fn leave_node(walk: &mut Walk, index: InterfaceIndex) -> Result<Step, Refused> {
    let interface = walk.interface(index)?;
    let (vpc, subnet) = (interface.vpc, interface.subnet);
    let address = interface.addresses.first().copied().ok_or(Refused::BAD_TABLES)?;
    let Role::BalancerNode { balancer, .. } = interface.role else { return Err(Refused::BAD_TABLES) };
    let object = walk.tables.balancers.get(balancer.at()).ok_or(Refused::BAD_TABLES)?.object;
    if walk.header.protocol == protocol::TCP && !walk.traits.opens {
        // A check that was given up: its connection is forgotten.
        return Ok(Step::Reset(object));
    }
    walk.via = Some(object);
    walk.remember_as(Remembered::Balancer);
    let (place, before) = (Place::Interface(index), walk.header);
    walk.end_leg(place, place);
    let Header { protocol, destination, destination_port, .. } = walk.header;
    let pool = Pool { node: index, source: address, protocol, target: destination, target_port: destination_port };
    let Some(port) = walk.memory.borrow(pool) else {
        return walk.refuse("load balancer", object, DropReason::PortAllocation);
    };
    walk.header.source = address;
    walk.header.source_port = port;
    walk.rest_on(vpc)?;
    // A target that fails takes them along.
    walk.chosen.push(Chosen { node: index, listener_port: 0, address: destination, port: destination_port });
    walk.record("load balancer", object, None, before, || "speaks to a target in its own name".to_owned());
    walk.observe(index, Side::Egress);
    walk.check_groups(index, Side::Egress)?;
    Ok(Step::Route(subnet))
}
