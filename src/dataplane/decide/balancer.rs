//! A Network Load Balancer's node (B9): listener, target, and the node's own address towards the target.

use super::*;
use crate::dataplane::balance;

/// Chooses a target and sends the packet on from the node.
pub(super) fn balance(walk: &mut Walk, index: BalancerIndex, number: u32) -> Result<Step, Refused> {
    let tables = walk.tables;
    let balancer = tables.balancers.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let node = balancer.nodes.get(number as usize).ok_or(Refused::BAD_TABLES)?;
    let object = balancer.object;
    walk.via = walk.via.or(Some(object));
    let (tcp, udp) = (walk.header.protocol == protocol::TCP, walk.header.protocol == protocol::UDP);
    if walk.traits.fragment || !(tcp || udp) {
        return walk.refuse("load balancer", object, DropReason::BalancerProtocol);
    }
    let port = walk.header.destination_port;
    let listener = balancer.listeners.iter().find(|it| it.port == port && (tcp && it.tcp || udp && it.udp));
    let Some(listener) = listener else {
        return walk.refuse("load balancer", object, DropReason::ListenerPort);
    };
    if tcp && !walk.traits.opens {
        // Not the start of a flow, and no flow is known (B9).
        return Ok(Step::Done(Outcome::Reset(object)));
    }
    let chosen = balance::choose(balancer, node, listener, &walk.header, walk.traits.tcp_sequence, walk.hasher);
    let Some(target) = chosen else {
        let reason = if listener.targets.is_empty() { DropReason::NoTargets } else { DropReason::NoTargetsInZone };
        return walk.refuse("load balancer", listener.object, reason);
    };
    let preserves = listener.preserve_client_ip && walk.endpoint.is_none();
    if preserves && target.address == walk.header.source {
        return walk.refuse("load balancer", listener.object, DropReason::Hairpin);
    }
    let before = walk.header;
    let interface = walk.interface(node.interface)?;
    let (subnet, address) = (interface.subnet, interface.addresses.first().copied().ok_or(Refused::BAD_TABLES)?);
    walk.header.destination = target.address;
    walk.header.destination_port = target.port;
    // Client addresses never cross PrivateLink: VPCs may overlap (B4).
    if !preserves {
        walk.header.source = address;
        walk.header.source_port = 0;
        let (protocol, target_port) = (walk.header.protocol, target.port);
        walk.borrow = Some(Pool { node: node.interface, protocol, target: target.address, target_port });
    }
    walk.sender = node.interface;
    walk.record("load balancer", object, Some(listener.object), before, || {
        format!("chose target {}:{}", target.address, target.port)
    });
    Ok(Step::Route(subnet))
}
