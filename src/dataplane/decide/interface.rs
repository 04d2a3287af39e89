//! A network interface: what leaves it and what enters it (B1.4).

use super::*;
use crate::dataplane::admit::is_link_local_service;

/// A packet leaves an interface. Addresses were admitted already.
pub(super) fn leave(walk: &mut Walk, index: InterfaceIndex, addressed: Addressed) -> Result<Step, Refused> {
    let interface = walk.interface(index)?;
    let (object, subnet, vpc) = (interface.object, interface.subnet, interface.vpc);
    let destination = walk.header.destination;
    let link_local = destination == walk.vpc(vpc)?.resolver || is_link_local_service(destination);
    let before = walk.header;
    walk.record("network interface", object, None, before, || "sends".to_owned());
    Ok(match addressed {
        _ if link_local => Step::LinkLocal,
        Addressed::Router => Step::Route(subnet),
        Addressed::Neighbour(neighbour) => Step::Enter(neighbour),
    })
}

/// A packet enters an interface: a guest's takes it, an endpoint's or a balancer's passes it on.
pub(super) fn enter(walk: &mut Walk, index: InterfaceIndex) -> Result<Step, Refused> {
    let interface = walk.interface(index)?;
    let (object, role) = (interface.object, interface.role);
    let own = interface.addresses.contains(&walk.header.destination);
    if !own && (interface.source_dest_check || !matches!(role, Role::Guest(_))) {
        return walk.refuse("network interface", object, DropReason::SourceDestCheck);
    }
    match role {
        Role::Detached => walk.refuse("network interface", object, DropReason::DetachedInterface),
        Role::Endpoint { endpoint, backend } => Ok(Step::InterfaceEndpoint { interface: index, endpoint, backend }),
        Role::BalancerNode { balancer, node } => Ok(Step::Balance { balancer, node }),
        Role::Guest(link) => {
            let before = walk.header;
            walk.record("network interface", object, None, before, || "receives".to_owned());
            deliver_to_guest(walk, index, link)
        }
    }
}

fn deliver_to_guest(walk: &mut Walk, index: InterfaceIndex, link: LinkIndex) -> Result<Step, Refused> {
    let target = walk.interface(index)?;
    let sender = walk.interface(walk.sender)?;
    let subnet = walk.tables.subnets.get(target.subnet.at()).ok_or(Refused::BAD_TABLES)?;
    // A neighbour's frames bear its own MAC address; what comes from elsewhere comes from the router.
    let source_mac = if sender.subnet == target.subnet { sender.mac } else { subnet.router_mac };
    walk.deliver(link, (source_mac, target.mac))
}
