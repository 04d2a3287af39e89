//! A network interface: what leaves it and what enters it (B1.4, B1.6).

use super::*;
use crate::dataplane::admit::is_link_local_service;

/// A packet leaves an interface. Addresses were admitted already.
pub(super) fn leave(walk: &mut Walk, index: InterfaceIndex, addressed: Addressed) -> Result<Step, Refused> {
    let interface = walk.interface(index)?;
    let (object, subnet, vpc, role) = (interface.object, interface.subnet, interface.vpc, interface.role);
    walk.rest_on(vpc)?;
    walk.is_up(subnet)?;
    walk.sender = Place::Interface(index);
    let destination = walk.header.destination;
    let of_guest = matches!(role, Role::Guest(_));
    let before = walk.header;
    // Neither groups nor ACLs filter these (B1.6, B1.7).
    if of_guest && (destination == walk.vpc(vpc)?.resolver || is_link_local_service(destination)) {
        walk.record("network interface", object, None, before, || "sends".to_owned());
        return Ok(Step::LinkLocal);
    }
    // Nor what is sent to its router itself, which answers nothing but ARP.
    if of_guest && walk.is_router(subnet, destination)? {
        walk.record("network interface", object, None, before, || "sends".to_owned());
        return super::route::local(walk, vpc);
    }
    walk.observe(index, Side::Egress);
    // An answer is tracked: its groups let the question in.
    let rule = if walk.back.is_none() { walk.check_groups(index, Side::Egress)? } else { None };
    if of_guest {
        walk.record("network interface", object, rule, before, || "sends".to_owned());
    }
    Ok(match addressed {
        Addressed::Router => Step::Route(subnet),
        // Only a route makes a NAT gateway take what is addressed to others (B11).
        Addressed::Neighbour(neighbour) if !walk.has(neighbour, destination)? && walk.is_nat_gateway(neighbour)? => {
            let object = walk.interface(neighbour)?.object;
            return walk.refuse("network interface", object, DropReason::InterfaceAddress);
        }
        Addressed::Neighbour(neighbour) => Step::Enter(neighbour),
    })
}

/// A packet enters an interface: a guest's takes it, an endpoint's, a gateway's or a balancer's passes it on.
pub(super) fn enter(walk: &mut Walk, index: InterfaceIndex) -> Result<Step, Refused> {
    let interface = walk.interface(index)?;
    let (object, role, vpc, subnet) = (interface.object, interface.role, interface.vpc, interface.subnet);
    walk.rest_on(vpc)?;
    walk.is_up(subnet)?;
    let own = walk.has(index, walk.header.destination)?;
    let takes_others = match role {
        Role::Guest(_) => !walk.interface(index)?.source_dest_check,
        Role::NatGateway(_) => true,
        _ => false,
    };
    if !own && !takes_others {
        let guests = matches!(role, Role::Guest(_) | Role::Detached);
        let reason = if guests { DropReason::SourceDestCheck } else { DropReason::InterfaceAddress };
        return walk.refuse("network interface", object, reason);
    }
    if role == Role::Detached {
        return walk.refuse("network interface", object, DropReason::DetachedInterface);
    }
    walk.observe(index, Side::Ingress);
    // An ACL stands between subnets, not inside one (B1.7).
    if walk.sending_interface().is_none_or(|sender| sender.subnet != subnet) {
        walk.check_acl(subnet, Side::Ingress)?;
    }
    if walk.is_home(Place::Interface(index)) {
        return Ok(Step::LegWalkedBack);
    }
    let rule = walk.check_groups(index, Side::Ingress)?;
    let before = walk.header;
    let (place, on_the_way_back) = (Place::Interface(index), walk.back.is_some());
    match role {
        Role::Guest(link) => {
            walk.record("network interface", object, rule, before, || "receives".to_owned());
            let arrived = walk.deliver_to_guest(index, link)?;
            walk.end_leg(place, place);
            Ok(arrived)
        }
        _ if on_the_way_back => walk.refuse("network interface", object, DropReason::AsymmetricReturn),
        Role::Endpoint { endpoint, backend } => {
            if rule.is_some() {
                walk.record("network interface", object, rule, before, || "receives".to_owned());
            }
            Ok(Step::InterfaceEndpoint { interface: index, endpoint, backend })
        }
        Role::ResolverEndpoint(endpoint) => {
            if rule.is_some() {
                walk.record("network interface", object, rule, before, || "receives".to_owned());
            }
            Ok(Step::ResolverEndpoint(index, endpoint))
        }
        Role::BalancerNode { balancer, node } => {
            walk.endpoint = None;
            Ok(Step::Balance { balancer, node })
        }
        Role::NatGateway(gateway) => Ok(Step::NatGateway(gateway)),
        Role::Detached => Err(Refused::BAD_TABLES),
    }
}

impl Walk<'_> {
    /// A subnet's zone carries anything at all.
    fn is_up(&mut self, index: SubnetIndex) -> Result<(), Refused> {
        let subnet = self.tables.subnets.get(index.at()).ok_or(Refused::BAD_TABLES)?;
        if subnet.down { self.refuse("subnet", subnet.object, DropReason::ZoneDown) } else { Ok(()) }
    }

    /// An interface has an address.
    fn has(&self, index: InterfaceIndex, address: Ipv4Addr) -> Result<bool, Refused> {
        Ok(self.interface(index)?.addresses.contains(&address))
    }

    fn is_nat_gateway(&self, index: InterfaceIndex) -> Result<bool, Refused> {
        Ok(matches!(self.interface(index)?.role, Role::NatGateway(_)))
    }

    /// An address is the router's in a subnet.
    fn is_router(&self, subnet: SubnetIndex, address: Ipv4Addr) -> Result<bool, Refused> {
        Ok(self.tables.subnets.get(subnet.at()).ok_or(Refused::BAD_TABLES)?.router() == address)
    }

    /// The interface of a VPC that has the packet's source address, whoever sends it on: a gateway takes nothing else from
    /// the VPC, with the source/destination check on or off (B1.4). What could be an address of the VPC, but is nobody's,
    /// each kind of gateway refuses by a reason of its own.
    pub(super) fn owner_of_source(
        &mut self,
        kind: &'static str,
        object: ObjectIndex,
        vpc: VpcIndex,
        nobodys: DropReason,
    ) -> Result<InterfaceIndex, Refused> {
        let source = self.header.source;
        let vpc = self.vpc(vpc)?;
        match vpc.addresses.get(&source) {
            Some(owner) => Ok(*owner),
            None if vpc.cidrs.iter().any(|block| block.contains(&source)) => self.refuse(kind, object, nobodys),
            None => self.refuse(kind, object, DropReason::SpoofedSource),
        }
    }

    /// The router of the sender's subnet: who reports to it what an edge of the VPC does not carry.
    pub(super) fn router_of_sender(&self) -> Result<Ipv4Addr, Refused> {
        let sender = self.sending_interface().ok_or(Refused::BAD_TABLES)?;
        Ok(self.tables.subnets.get(sender.subnet.at()).ok_or(Refused::BAD_TABLES)?.router())
    }

    /// The frame as it comes to a guest: a neighbour's bears its own MAC address, what comes from elsewhere the router's.
    pub(super) fn deliver_to_guest(&self, index: InterfaceIndex, link: LinkIndex) -> Result<Step, Refused> {
        let target = self.interface(index)?;
        let subnet = self.tables.subnets.get(target.subnet.at()).ok_or(Refused::BAD_TABLES)?;
        let neighbour = self.sending_interface().filter(|sender| sender.subnet == target.subnet);
        let source_mac = neighbour.map_or(subnet.router_mac, |sender| sender.mac);
        Ok(Step::Arrived(Arrival { link, header: self.header, source_mac, destination_mac: target.mac }))
    }
}
