//! A Network Load Balancer's node (B9): listener, target, and the node's own address towards the target.

use super::*;
use crate::dataplane::nat::PortPools;
use crate::dataplane::{balance, proxy_protocol};

/// Chooses a target and sends the packet on from the node.
pub(super) fn balance(walk: &mut Walk, index: BalancerIndex, number: u32) -> Result<Step, Refused> {
    let tables = walk.tables;
    let balancer = tables.balancers.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let node = balancer.nodes.get(number as usize).ok_or(Refused::BAD_TABLES)?;
    let object = balancer.object;
    walk.via = walk.via.or(Some(object));
    let from_endpoint = walk.endpoint.is_some();
    if from_endpoint {
        // Between an endpoint's interface and a balancer's nothing is logged (B8.2).
        walk.observed.leave();
    }
    // Its groups see the client's own address, in whatever VPC that is (B4).
    if from_endpoint && balancer.groups_judge_private_link {
        walk.check_groups(node.interface, Side::Ingress)?;
    }
    let (tcp, udp) = (walk.header.protocol == protocol::TCP, walk.header.protocol == protocol::UDP);
    let whole_tcp = tcp && !walk.traits.fragment;
    if !udp && !whole_tcp {
        return walk.refuse("load balancer", object, DropReason::ProtocolRestriction);
    }
    let port = walk.header.destination_port;
    let listener = balancer.listeners.iter().find(|it| it.port == port && (tcp && it.tcp || udp && it.udp));
    let Some(listener) = listener else {
        if tcp && !walk.traits.opens && is_late_answer(balancer, &walk.header) {
            return Ok(Step::Reset(object));
        }
        let of_protocol = balancer.listeners.iter().any(|it| tcp && it.tcp || udp && it.udp);
        let reason = if of_protocol { DropReason::ListenerPort } else { DropReason::ListenersMismatch };
        return walk.refuse("load balancer", object, reason);
    };
    if tcp && !walk.traits.opens {
        // Not the start of a flow, and no flow is known (B9).
        return Ok(Step::Reset(object));
    }
    if listener.tls && listener.targets.iter().any(|target| target.cross_zone || target.zone == node.zone) {
        return terminate(walk, object, node, listener);
    }
    let Some((target, grounds)) = target(walk, node, listener) else {
        let reason = if listener.targets.is_empty() { DropReason::NoTargets } else { DropReason::NoTargetsInZone };
        return walk.refuse("load balancer", listener.object, reason);
    };
    let preserves = listener.preserve_client_ip && !from_endpoint;
    walk.chosen.push(Chosen { node: node.interface, listener_port: port, address: target.address, port: target.port });
    if preserves && target.address == walk.header.source {
        return walk.refuse("load balancer", listener.object, DropReason::Hairpin);
    }
    send_on(walk, object, node, listener, &target, preserves, grounds)
}

/// Ends a client's connection at the node, which takes it apart in the namespace that speaks for it and chooses a target then.
/// It hears who the client is by PROXY protocol, as targets do.
fn terminate(walk: &mut Walk, object: ObjectIndex, node: &Node, listener: &Listener) -> Result<Step, Refused> {
    let checks = walk.tables.health_checks.as_ref().ok_or(Refused::BAD_TABLES)?;
    let at = checks.address_of(node.interface).ok_or(Refused::BAD_TABLES)?;
    let vpc = walk.interface(node.interface)?.vpc;
    walk.remember_as(Remembered::Balancer);
    walk.carry_whole_only(object);
    let before = walk.header;
    let endpoint = walk.endpoint.take().and_then(|index| walk.tables.endpoints.get(index.at()));
    let id = endpoint.map(|endpoint| walk.tables.object(endpoint.object).id.as_str());
    walk.proxy_header = Some(proxy_protocol::header(&before, id));
    walk.record("load balancer", object, Some(listener.object), before, || {
        "ends its TLS, and speaks to a target on a connection of its own".to_owned()
    });
    let (place, namespace) = (Place::Interface(node.interface), Place::HealthCheck(node.interface));
    match endpoint {
        Some(_) => walk.sender = place,
        None => walk.end_leg(place, place),
    }
    let (source, target_port) = (HealthChecks::CLIENTS, before.destination_port);
    let pool = Pool { node: node.interface, source, protocol: before.protocol, target: at, target_port };
    let Some(source_port) = walk.memory.borrow(pool) else {
        return walk.refuse("load balancer", object, DropReason::PortAllocation);
    };
    walk.rest_on(vpc)?;
    // The leg ends before the namespace's own addresses, which are nobody's to see.
    walk.end_leg(namespace, namespace);
    walk.header = Header { source, source_port, destination: at, ..before };
    walk.deliver_outside(checks.link)
}

/// The target that the flow has, be it registered still or not; of a new flow, one that is chosen, and why trace should
/// wonder about it.
fn target(walk: &Walk, node: &Node, listener: &Listener) -> Option<(BalancerTarget, &'static str)> {
    if let Some(Chosen { address, port, .. }) = walk.memory.chosen(node.interface, listener.port) {
        let registered = listener.targets.iter().find(|it| (it.address, it.port) == (address, port)).copied();
        let (zone, cross_zone) = (node.zone, false);
        // It drains: deregistered, with connections that stand (B9).
        let left = BalancerTarget {
            address,
            port,
            zone,
            cross_zone,
            health: HealthSlot(u32::MAX),
            proxy_protocol: false,
            tls: false,
        };
        return Some((registered.unwrap_or(left), ""));
    }
    let (tables, sequence) = (walk.tables, walk.traits.tcp_sequence);
    let choice = balance::choose(node, listener, &walk.header, sequence, walk.hasher, &tables.health)?;
    let grounds = match (choice.health, choice.fails_open) {
        (Health::Unhealthy, true) => ", which is unhealthy: too few targets are healthy, so all are used (fail-open)",
        (Health::Unknown, true) => {
            ", of whose health nothing is known yet: too few targets are healthy, so all are used"
        }
        (Health::Healthy, true) => ", which is healthy; too few others are, so all are used (fail-open)",
        _ => "",
    };
    Some((*choice.target, grounds))
}

/// A target speaks on a connection that the node has forgotten, idle or cut: its sender hears of it as the client would (B9).
fn is_late_answer(balancer: &Balancer, header: &Header) -> bool {
    let mut targets = balancer.listeners.iter().flat_map(|listener| &listener.targets);
    header.destination_port >= PortPools::FIRST
        && targets.any(|target| (target.address, target.port) == (header.source, header.source_port))
}

/// From the node to the target: what comes through an endpoint never bears the client's address, as VPCs may overlap (B4).
fn send_on(
    walk: &mut Walk,
    object: ObjectIndex,
    node: &Node,
    listener: &Listener,
    target: &BalancerTarget,
    preserves: bool,
    grounds: &'static str,
) -> Result<Step, Refused> {
    let interface = walk.tables.interfaces.get(node.interface.at()).ok_or(Refused::BAD_TABLES)?;
    let address = interface.addresses.first().copied().ok_or(Refused::BAD_TABLES)?;
    walk.remember_as(Remembered::Balancer);
    // An interface endpoint on the way forgets after its own 350 s, whatever the listener says (B3.2).
    walk.idle = if walk.endpoint.is_some() { walk.idle.min(listener.idle) } else { listener.idle };
    if walk.header.protocol == protocol::TCP {
        walk.carry_whole_only(object);
    }
    let (place, before) = (Place::Interface(node.interface), walk.header);
    let endpoint = walk.endpoint.take();
    if target.proxy_protocol && before.protocol == protocol::TCP {
        let endpoint = endpoint.and_then(|index| walk.tables.endpoints.get(index.at()));
        let id = endpoint.map(|endpoint| walk.tables.object(endpoint.object).id.as_str());
        walk.proxy_header = Some(proxy_protocol::header(&before, id));
    }
    if endpoint.is_some() {
        walk.sender = place;
    } else {
        walk.end_leg(place, place);
    }
    walk.header.destination = target.address;
    walk.header.destination_port = target.port;
    walk.keeps_client = preserves;
    if !preserves {
        let (protocol, target_port) = (walk.header.protocol, target.port);
        let pool = Pool { node: node.interface, source: address, protocol, target: target.address, target_port };
        let Some(port) = walk.memory.borrow(pool) else {
            return walk.refuse("load balancer", object, DropReason::PortAllocation);
        };
        walk.header.source = address;
        walk.header.source_port = port;
    }
    walk.rest_on(interface.vpc)?;
    walk.record("load balancer", object, Some(listener.object), before, || {
        let told = if target.proxy_protocol { ", which is told of the client by PROXY protocol" } else { "" };
        format!("chose target {}:{}{told}{grounds}", target.address, target.port)
    });
    walk.observe(node.interface, Side::Egress);
    walk.check_groups(node.interface, Side::Egress)?;
    Ok(Step::Route(interface.subnet))
}
