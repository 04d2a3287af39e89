//! Who has an address in a VPC, and what stands there.

use std::net::Ipv4Addr;

use super::super::lab::*;

/// A network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    Instance(usize),
    /// One that nothing is attached to.
    Idle(usize),
    /// An endpoint's, in its how-manieth subnet.
    Endpoint(usize, usize),
    /// A balancer's, in its how-manieth subnet.
    Balancer(usize, usize),
    Nat(usize),
}

impl Interface {
    pub(super) fn address(self, lab: &Lab) -> Ipv4Addr {
        match self {
            Interface::Instance(it) => lab.instances[it].address,
            Interface::Idle(it) => lab.idle_interfaces[it].address,
            Interface::Endpoint(it, node) => {
                lab.interface_endpoints[it].nodes[node].address.expect("learned before anything is judged")
            }
            Interface::Balancer(it, node) => lab.balancers[it].nodes[node].address,
            Interface::Nat(it) => lab.nat_gateways[it].address,
        }
    }

    pub(super) fn subnet(self, lab: &Lab) -> usize {
        match self {
            Interface::Instance(it) => lab.instances[it].subnet,
            Interface::Idle(it) => lab.idle_interfaces[it].subnet,
            Interface::Endpoint(it, node) => lab.interface_endpoints[it].nodes[node].subnet,
            Interface::Balancer(it, node) => lab.balancers[it].nodes[node].subnet,
            Interface::Nat(it) => lab.nat_gateways[it].subnet,
        }
    }

    /// The name of whom it belongs to.
    pub(super) fn name(self, lab: &Lab) -> &str {
        match self {
            Interface::Instance(it) => &lab.instances[it].name,
            Interface::Idle(it) => &lab.idle_interfaces[it].name,
            Interface::Endpoint(it, _) => &lab.interface_endpoints[it].name,
            Interface::Balancer(it, _) => &lab.balancers[it].name,
            Interface::Nat(it) => &lab.nat_gateways[it].name,
        }
    }

    /// Its security groups. A NAT gateway has none (B7), nor has a balancer that was born without (B9).
    pub(super) fn groups(self, lab: &Lab) -> Option<&[usize]> {
        match self {
            Interface::Instance(it) => Some(&lab.instances[it].groups),
            Interface::Endpoint(it, _) => Some(&lab.interface_endpoints[it].groups),
            Interface::Balancer(it, _) if !lab.balancers[it].groups.is_empty() => Some(&lab.balancers[it].groups),
            Interface::Idle(it) => Some(&lab.idle_interfaces[it].groups),
            Interface::Balancer(..) | Interface::Nat(_) => None,
        }
    }

    /// The source/destination check (B1.4), which only an instance's owner can turn off.
    pub(super) fn is_checked(self, lab: &Lab) -> bool {
        match self {
            Interface::Instance(it) => lab.instances[it].source_dest_check,
            _ => true,
        }
    }

    /// Its public address: an Elastic IP or the automatic one.
    pub(super) fn public_address(self, lab: &Lab) -> Option<Ipv4Addr> {
        match self {
            Interface::Instance(it) => lab.instances[it].public.address(),
            Interface::Nat(it) => lab.nat_gateways[it].elastic,
            _ => None,
        }
    }

    /// All of a VPC.
    pub(super) fn all(lab: &Lab, vpc: usize) -> Vec<Interface> {
        let mut all: Vec<Interface> = Vec::new();
        all.extend((0..lab.instances.len()).map(Interface::Instance));
        all.extend((0..lab.idle_interfaces.len()).map(Interface::Idle));
        for (it, endpoint) in lab.interface_endpoints.iter().enumerate() {
            all.extend((0..endpoint.nodes.len()).map(|node| Interface::Endpoint(it, node)));
        }
        for (it, balancer) in lab.balancers.iter().enumerate() {
            all.extend((0..balancer.nodes.len()).map(|node| Interface::Balancer(it, node)));
        }
        all.extend((0..lab.nat_gateways.len()).map(Interface::Nat));
        all.retain(|interface| lab.vpc_of(interface.subnet(lab)) == vpc);
        all
    }
}

/// The interface of a VPC that has the private address.
pub(super) fn with_address(lab: &Lab, vpc: usize, address: Ipv4Addr) -> Option<Interface> {
    Interface::all(lab, vpc).into_iter().find(|interface| interface.address(lab) == address)
}

/// The interface that has the public address, and its VPC, which has an internet gateway.
pub(super) fn with_public_address(lab: &Lab, address: Ipv4Addr) -> Option<(usize, Interface)> {
    let open = (0..lab.vpcs.len()).filter(|vpc| lab.vpcs[*vpc].internet_gateway);
    open.flat_map(|vpc| Interface::all(lab, vpc).into_iter().map(move |interface| (vpc, interface)))
        .find(|(_, interface)| interface.public_address(lab) == Some(address))
}
