//! Interface endpoints (B3), endpoint services (B4) and Network Load Balancers (B9).

use std::net::Ipv4Addr;

use super::super::lab::*;
use super::interface::Interface;
use super::{Arrival, CHOSEN, Header, Place, Reason, Stop, Translation, Walk, Walker, dropped, lost};

impl Walker<'_> {
    /// At an endpoint's network interface, behind its security groups.
    pub(super) fn interface_endpoint(
        &mut self,
        endpoint: usize,
        node: usize,
        header: Header,
        mut trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let it = &self.lab.interface_endpoints[endpoint];
        if header.protocol == Protocol::Icmp {
            return lost("B3.1: interface endpoints don't answer ping");
        }
        match it.service {
            EndpointService::Aws(_) => match (header.protocol, header.destination_ports) {
                (Protocol::Tcp, (443, 443)) => {
                    Ok(vec![Arrival { place: Place::Behind(endpoint, node), header, trail }])
                }
                // Whether a service takes plain HTTP differs from one to the next.
                (Protocol::Tcp, (80, 80)) => Err(Stop::Unknown),
                _ => lost("B3.1: only the service's port accepts, others are silent"),
            },
            EndpointService::Balancer(balancer) => {
                // B4: the balancer's node of the same zone.
                let zone = self.lab.subnets[it.nodes[node].subnet].zone;
                let nodes = &self.lab.balancers[balancer].nodes;
                let Some(at) = nodes.iter().position(|node| self.lab.subnets[node.subnet].zone == zone) else {
                    let why = "B4: no node of the service in this zone";
                    return dropped("VPCE_SERVICE_NOT_INSTALLED_IN_AZ", &it.name, why);
                };
                trail.push(Translation { by: Interface::Endpoint(endpoint, node), before: header, preserved: false });
                // B4: the balancer's groups see the client's own address. Whether its subnet's network ACL sees the
                // packet at all is not said.
                self.groups_let_in_a_stranger(Interface::Balancer(balancer, at), &header)?;
                self.balancer(balancer, at, header, true, trail)
            }
        }
    }

    /// At a balancer's node, behind its security groups.
    pub(super) fn balancer(
        &mut self,
        balancer: usize,
        node: usize,
        header: Header,
        private_link: bool,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let it = &self.lab.balancers[balancer];
        if header.protocol == Protocol::Icmp {
            return lost("B9: a balancer drops ICMP");
        }
        let listener = listener(it, &header)?;
        let zone = self.lab.subnets[it.nodes[node].subnet].zone;
        let zone_of = |target: &usize| self.lab.subnets[self.lab.instances[*target].subnet].zone;
        let targets: Vec<usize> =
            listener.targets.iter().copied().filter(|target| it.cross_zone || zone_of(target) == zone).collect();
        if targets.is_empty() {
            return match listener.targets.is_empty() {
                // B9, B12-10: not known, whether by silence or by RST.
                true => dropped("ELBV2_LISTENER_HAS_NO_TG", &listener.name, "B9: no targets"),
                false => {
                    let why = "B9: targets in other zones only, without cross-zone";
                    dropped("ELBV2_NO_TARGETS_IN_AZ", &listener.name, why)
                }
            };
        }
        // B9: instance targets and everything that may be UDP keep the client's address, targets by address don't
        // for TCP; through PrivateLink never.
        let preserved = match (private_link, listener.protocol) {
            (true, _) => false,
            (false, ListenerProtocol::Tcp) => !listener.by_address,
            (false, ListenerProtocol::Udp | ListenerProtocol::TcpUdp) => true,
        };
        let legs: Vec<Walk<Vec<Arrival>>> = targets
            .into_iter()
            .map(|target| {
                let by = Interface::Balancer(balancer, node);
                let mut trail = trail.clone();
                trail.push(Translation { by, before: header, preserved });
                self.towards_target(by, target, listener.target_port, header, trail)
            })
            .collect();
        one_outcome(legs)
    }

    fn towards_target(
        &mut self,
        by: Interface,
        target: usize,
        target_port: u16,
        header: Header,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let Instance { address, subnet, .. } = self.lab.instances[target];
        let preserved = trail.last().is_some_and(|it| it.preserved);
        if preserved && header.source == address {
            return lost("B9: a target can't reach itself through the balancer when addresses are preserved");
        }
        // What a rule that names a group means for a client's address behind a balancer is not said.
        let by_group =
            |group: &usize| self.lab.groups[*group].ingress.iter().any(|rule| matches!(rule.peer, Peer::Group(_)));
        if preserved && self.lab.instances[target].groups.iter().any(by_group) {
            return Err(Stop::Unknown);
        }
        let (source, source_ports): (Ipv4Addr, _) =
            if preserved { (header.source, header.source_ports) } else { (by.address(self.lab), CHOSEN) };
        let header = Header {
            source,
            source_ports,
            destination: address,
            destination_ports: (target_port, target_port),
            ..header
        };
        self.groups_let_out(by, &header)?;
        let node = by.subnet(self.lab);
        // The targets are in the balancer's VPC; whether routes that are more specific than local apply is not said.
        if self.route(node, address)? != super::route::Way::Local {
            return Err(Stop::Unknown);
        }
        if node != subnet {
            self.acl_lets_out(node, &header)?;
        }
        self.arrive(Interface::Instance(target), header, Some(node), trail)
    }

    /// The reply of a target that saw the client's own address: the balancer gets it all the same (B9: a flow stays with
    /// its target), although nothing says past which network ACLs.
    pub(super) fn through_preserving_balancer(
        &mut self,
        target: usize,
        by: Interface,
        before: &Header,
        rest: &[Translation],
    ) -> Walk<Vec<Arrival>> {
        let subnets = [self.lab.instances[target].subnet, by.subnet(self.lab)];
        if subnets.iter().any(|subnet| self.lab.subnets[*subnet].acl.is_some()) {
            return Err(Stop::Unknown);
        }
        self.travel(by.subnet(self.lab), before.reversed(), rest.to_vec())
    }
}

/// The listener that takes the packet.
fn listener<'l>(it: &'l Balancer, header: &Header) -> Walk<&'l Listener> {
    let port = header.destination_ports.0;
    let takes = |listener: &&Listener| match listener.protocol {
        ListenerProtocol::Tcp => header.protocol == Protocol::Tcp,
        ListenerProtocol::Udp => header.protocol == Protocol::Udp,
        ListenerProtocol::TcpUdp => true,
    };
    let at_port = it.listeners.iter().find(|listener| listener.port == port);
    let Some(listener) = at_port.filter(|listener| takes(listener)) else {
        let mut codes = vec!["ELBV2_LISTENER_PORT_RESTRICTION"];
        // B11 does not tell which it is, of the two that have to do with protocols, where the protocol is wrong.
        if at_port.is_some() || !it.listeners.iter().any(|listener| takes(&listener)) {
            codes.extend(["ELBV2_LISTENERS_MISMATCH", "PROTOCOL_RESTRICTION"]);
        }
        let objects = [Some(it.name.clone()), at_port.map(|listener| listener.name.clone())];
        return Err(Stop::Dropped(Reason {
            codes,
            objects: objects.into_iter().flatten().collect(),
            why: "B9: no listener takes it".into(),
        }));
    };
    Ok(listener)
}

/// A balancer may choose any of its targets: only if all mean the same can anybody say what happens.
fn one_outcome(legs: Vec<Walk<Vec<Arrival>>>) -> Walk<Vec<Arrival>> {
    let mut arrivals = Vec::new();
    let mut reasons = Vec::new();
    for leg in legs {
        match leg {
            Ok(arrived) => arrivals.extend(arrived),
            Err(Stop::Dropped(reason)) => reasons.push(reason),
            Err(Stop::Unknown) => return Err(Stop::Unknown),
        }
    }
    match (arrivals.is_empty(), reasons.pop()) {
        (false, None) => Ok(arrivals),
        (true, Some(reason)) if reasons.iter().all(|other| other.codes == reason.codes) => Err(Stop::Dropped(reason)),
        _ => Err(Stop::Unknown),
    }
}
