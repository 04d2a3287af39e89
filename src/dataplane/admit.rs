//! What may enter from a guest: ARP questions, and frames whose addresses are the sender's own (B1.4).
//!
//! A VPC answers ARP itself and floods nothing; a frame goes to the router's MAC address or to a neighbour's, from the
//! sender's own MAC and, with the source/destination check on, from one of its own addresses.

use std::net::Ipv4Addr;

use super::decide::Refused;
use super::tables::{Interface, InterfaceIndex, Link, OUTSIDE_ROUTER_MAC, Subnet, Tables};
use super::verdict::DropReason;
use crate::packet::{Arp, Mac, Packet};

/// Whom a frame is addressed to on layer 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressed {
    /// The router: the route table decides.
    Router,
    /// A neighbour in the same subnet: no route table is asked (B1.3-6).
    Neighbour(InterfaceIndex),
}

/// The MAC address that answers an ARP request of this interface.
///
/// # Errors
/// Why nobody answers.
pub fn arp(tables: &Tables, index: InterfaceIndex, request: &Arp) -> Result<Mac, Refused> {
    let (interface, subnet) = place(tables, index)?;
    let refuse = |reason| Err(Refused { reason, object: Some(interface.object) });
    if request.sender_mac != interface.mac {
        return refuse(DropReason::SpoofedMac);
    }
    let own = request.sender_ip.is_unspecified() || interface.addresses.contains(&request.sender_ip);
    if interface.source_dest_check && !own {
        return refuse(DropReason::SourceDestCheck);
    }
    if request.operation != Arp::REQUEST || interface.addresses.contains(&request.target_ip) {
        return refuse(DropReason::ArpNoAnswer);
    }
    let vpc = tables.vpcs.get(interface.vpc.at()).ok_or(Refused::BAD_TABLES)?;
    let target = request.target_ip;
    let resolver_here = target == vpc.resolver && subnet.cidr.contains(&target);
    if target == subnet.router() || resolver_here || is_link_local_service(target) {
        return Ok(subnet.router_mac);
    }
    let owner = vpc.addresses.get(&target).and_then(|index| tables.interfaces.get(index.at()));
    match owner {
        Some(owner) if owner.subnet == interface.subnet => Ok(owner.mac),
        _ => refuse(DropReason::ArpNoAnswer),
    }
}

/// Whether a guest's packet may enter, and whom it is addressed to.
///
/// # Errors
/// Why not.
pub fn packet(tables: &Tables, index: InterfaceIndex, packet: &Packet) -> Result<Addressed, Refused> {
    let (interface, subnet) = place(tables, index)?;
    let refuse = |reason| Err(Refused { reason, object: Some(interface.object) });
    if packet.source_mac != interface.mac {
        return refuse(DropReason::SpoofedMac);
    }
    if packet.destination_mac[0] & 1 != 0 || packet.destination.is_multicast() || packet.destination.is_broadcast() {
        return refuse(DropReason::Multicast);
    }
    if interface.source_dest_check && !interface.addresses.contains(&packet.source) {
        return refuse(DropReason::SourceDestCheck);
    }
    if packet.destination_mac == subnet.router_mac {
        return Ok(Addressed::Router);
    }
    neighbour(tables, interface, packet)
        .map(Addressed::Neighbour)
        .ok_or(Refused { reason: DropReason::UnknownMac, object: Some(subnet.object) })
}

/// The interface in the sender's subnet whose MAC address the frame bears.
///
/// The owner of the destination address is looked at first: that is whom ARP named.
fn neighbour(tables: &Tables, sender: &Interface, packet: &Packet) -> Option<InterfaceIndex> {
    let fits = |interface: &Interface| interface.subnet == sender.subnet && interface.mac == packet.destination_mac;
    let vpc = tables.vpcs.get(sender.vpc.at())?;
    let owner = vpc.addresses.get(&packet.destination).copied();
    if let Some(owner) = owner.filter(|index| tables.interfaces.get(index.at()).is_some_and(fits)) {
        return Some(owner);
    }
    let position = tables.interfaces.iter().position(fits)?;
    Some(InterfaceIndex(position as u32))
}

/// Reachable from any interface, without a route, and filtered by nobody (B1.2, B1.6): metadata at 169.254.169.254, the
/// resolver at .253, time at .123, licence activation at .250 and .251, and ECS's task metadata at 169.254.170.2.
pub fn is_link_local_service(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [169, 254, 169, 123 | 250 | 251 | 253 | 254] | [169, 254, 170, 2])
}

/// The MAC address that answers an ARP request on a link outside of all VPCs: the router's, for the first address of the
/// guest's own /24, and nobody else's.
///
/// # Errors
/// Why nobody answers.
pub fn arp_outside(link: &Link, own: Ipv4Addr, request: &Arp) -> Result<Mac, Refused> {
    let refuse = |reason| Err(Refused { reason, object: None });
    if request.sender_mac != link.mac {
        return refuse(DropReason::SpoofedMac);
    }
    let router = Ipv4Addr::from(u32::from(own) & 0xffff_ff00 | 1);
    if request.operation != Arp::REQUEST || request.target_ip != router {
        return refuse(DropReason::ArpNoAnswer);
    }
    Ok(OUTSIDE_ROUTER_MAC)
}

/// Whether a packet of a guest outside of all VPCs may enter. `own` is its address, where somebody checks it.
///
/// # Errors
/// Why not.
pub fn packet_outside(link: &Link, own: Option<Ipv4Addr>, packet: &Packet) -> Result<(), Refused> {
    let refuse = |reason| Err(Refused { reason, object: None });
    if packet.source_mac != link.mac {
        return refuse(DropReason::SpoofedMac);
    }
    if packet.destination_mac[0] & 1 != 0 || packet.destination.is_multicast() || packet.destination.is_broadcast() {
        return refuse(DropReason::Multicast);
    }
    if own.is_some_and(|own| packet.source != own) {
        return refuse(DropReason::SourceDestCheck);
    }
    Ok(())
}

/// The node in whose name a health check is sent.
///
/// # Errors
/// It bears no node's address.
pub fn health_check(tables: &Tables, link: &Link, packet: &Packet) -> Result<InterfaceIndex, Refused> {
    let object = tables.health_checks.as_ref().map(|checks| checks.object);
    if packet.source_mac != link.mac {
        return Err(Refused { reason: DropReason::SpoofedMac, object });
    }
    let node = tables.health_checks.as_ref().and_then(|checks| checks.node(packet.source));
    node.ok_or(Refused { reason: DropReason::SourceDestCheck, object })
}

fn place(tables: &Tables, index: InterfaceIndex) -> Result<(&Interface, &Subnet), Refused> {
    let interface = tables.interfaces.get(index.at()).ok_or(Refused::BAD_TABLES)?;
    let subnet = tables.subnets.get(interface.subnet.at()).ok_or(Refused::BAD_TABLES)?;
    Ok((interface, subnet))
}
