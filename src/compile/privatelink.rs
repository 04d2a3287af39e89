//! Endpoints, resolver endpoints, load balancers, and which of them serves which network interface.

use super::numbering::Numbered;
use super::*;
use crate::dataplane::flow::Timeouts;
use crate::model::{self, VpcEndpointState, VpcEndpointType, short_service_name};

impl<'w> Compiler<'w> {
    pub(super) fn add_endpoints(&mut self) {
        for numbered in self.numbered_endpoints() {
            let endpoint = match numbered {
                Numbered::There(endpoint) => endpoint,
                Numbered::Gone(number) => {
                    self.leave_endpoint(number);
                    continue;
                }
            };
            let Some(vpc) = self.vpcs.get(endpoint.vpc_id.as_str()).copied() else { continue };
            let object = self.object(&endpoint.vpc_endpoint_id, &endpoint.meta);
            let gateway_service = match endpoint.vpc_endpoint_type {
                VpcEndpointType::Gateway => self.aws_service(endpoint),
                VpcEndpointType::Interface => None,
            };
            self.endpoints.insert(&endpoint.vpc_endpoint_id, EndpointIndex(self.tables.endpoints.len() as u32));
            let available = endpoint.state == VpcEndpointState::Available;
            let s3 = short_service_name(&endpoint.service_name, &endpoint.meta.region) == Some("s3");
            let always_tracked = gateway_service.is_none() || !s3;
            self.tables.endpoints.push(Endpoint { object, vpc, gateway_service, always_tracked, available });
        }
    }

    pub(super) fn add_resolver_endpoints(&mut self) {
        for endpoint in self.world.resolver_endpoints.values() {
            let Some(vpc) = self.vpcs.get(endpoint.host_vpc_id.as_str()).copied() else { continue };
            let object = self.object(&endpoint.resolver_endpoint_id, &endpoint.meta);
            let index = ResolverEndpointIndex(self.tables.resolver_endpoints.len() as u32);
            self.resolver_endpoints.insert(&endpoint.resolver_endpoint_id, index);
            self.tables.resolver_endpoints.push(ResolverEndpoint { object, vpc });
        }
    }

    pub(super) fn add_balancers(&mut self) {
        for balancer in self.world.load_balancers.values() {
            let Some(vpc) = self.vpcs.get(balancer.vpc_id.as_str()).copied() else { continue };
            let object = self.object(&balancer.load_balancer_arn, &balancer.meta);
            let nodes = balancer.nodes.iter().filter_map(|node| self.node(node)).collect();
            let of_balancer = |listener: &&model::Listener| listener.load_balancer_arn == balancer.load_balancer_arn;
            let listeners = self.world.listeners.values().filter(of_balancer);
            let listeners = listeners.map(|it| self.listener(balancer, it)).collect();
            self.balancers.insert(&balancer.load_balancer_arn, BalancerIndex(self.tables.balancers.len() as u32));
            let judge = balancer.attributes.get(model::GROUPS_JUDGE_PRIVATE_LINK);
            let groups_judge_private_link = judge.is_none_or(|value| value != "off");
            let made = Balancer { object, vpc, nodes, groups_judge_private_link, listeners };
            self.tables.balancers.push(made);
        }
    }

    fn node(&mut self, node: &'w model::LoadBalancerNode) -> Option<Node> {
        let interface = self.interfaces.get(node.network_interface_id.as_str()).copied()?;
        let subnet = self.world.subnets.get(&node.subnet_id)?;
        Some(Node { interface, zone: self.zone(&subnet.availability_zone_id) })
    }

    fn listener(&mut self, balancer: &'w model::LoadBalancer, listener: &'w model::Listener) -> Listener {
        let object = self.object(&listener.listener_arn, &listener.meta);
        let groups: Vec<&model::TargetGroup> =
            listener.target_group_arns.iter().filter_map(|arn| self.world.target_groups.get(arn)).collect();
        let (slots, _) = super::health::first_slots(self.world);
        let targets = groups
            .iter()
            .flat_map(|group| {
                group.targets.iter().enumerate().map(move |(position, target)| (*group, position, target))
            })
            .filter_map(|(group, position, target)| {
                let health = HealthSlot(slots.get(group.target_group_arn.as_str())? + position as u32);
                let (address, zone) = self.place_of_target(group, target)?;
                let (cross_zone, proxy_protocol) = (group.crosses_zones(balancer), group.speaks_proxy_protocol());
                let (port, tls) = (target.port, group.protocol == "TLS");
                Some(BalancerTarget { address, port, zone, cross_zone, health, proxy_protocol, tls })
            })
            .collect();
        let enough = groups.first().map_or(model::MinimumHealthy::ONE, |group| group.minimum_for_routing());
        Listener {
            object,
            tcp: matches!(listener.protocol.as_str(), "TCP" | "TCP_UDP" | "TLS"),
            udp: matches!(listener.protocol.as_str(), "UDP" | "TCP_UDP"),
            tls: listener.protocol == "TLS",
            port: listener.port,
            targets,
            preserve_client_ip: groups.iter().any(|group| group.preserves_client_ip()),
            idle: listener.idle_timeout().unwrap_or(Timeouts::BALANCED_TCP.established),
            sticky: groups.iter().any(|group| group.is_sticky()),
            enough_healthy: Enough { count: enough.count, percentage: enough.percentage },
        }
    }

    /// A target's address and zone. One without an interface in the VPC has none: nothing can reach it.
    pub(super) fn place_of_target(
        &mut self,
        group: &model::TargetGroup,
        target: &'w model::Target,
    ) -> Option<(Ipv4Addr, u32)> {
        let interface = if group.target_type == "instance" {
            let instance = self.world.instances.get(&target.id)?;
            self.world.network_interfaces.get(instance.network_interface_ids.first()?)?
        } else {
            let address: Ipv4Addr = target.id.parse().ok()?;
            let mut in_vpc = self.world.network_interfaces.values().filter(|it| it.vpc_id == group.vpc_id);
            in_vpc.find(|it| it.private_ip_addresses.contains(&address))?
        };
        let address = match target.id.parse() {
            Ok(address) => address,
            Err(_) => *interface.private_ip_addresses.first()?,
        };
        Some((address, self.zone(&self.world.subnets.get(&interface.subnet_id)?.availability_zone_id)))
    }

    /// Says of every requester-managed interface what it does.
    pub(super) fn give_roles(&mut self) {
        for balancer in self.world.load_balancers.values() {
            let Some(index) = self.balancers.get(balancer.load_balancer_arn.as_str()).copied() else { continue };
            let nodes: Vec<InterfaceIndex> =
                self.tables.balancers[index.at()].nodes.iter().map(|node| node.interface).collect();
            for (node, interface) in nodes.into_iter().enumerate() {
                self.tables.interfaces[interface.at()].role = Role::BalancerNode { balancer: index, node: node as u32 };
            }
        }
        for endpoint in self.world.vpc_endpoints.values() {
            let Some(index) = self.endpoints.get(endpoint.vpc_endpoint_id.as_str()).copied() else { continue };
            for id in &endpoint.network_interface_ids {
                let Some(interface) = self.interfaces.get(id.as_str()).copied() else { continue };
                let backend = self.backend(endpoint, id);
                self.tables.interfaces[interface.at()].role = Role::Endpoint { endpoint: index, backend };
            }
        }
        for endpoint in self.world.resolver_endpoints.values() {
            let Some(index) = self.resolver_endpoints.get(endpoint.resolver_endpoint_id.as_str()).copied() else {
                continue;
            };
            for address in &endpoint.ip_addresses {
                if let Some(interface) = self.interfaces.get(address.network_interface_id.as_str()) {
                    self.tables.interfaces[interface.at()].role = Role::ResolverEndpoint(index);
                }
            }
        }
    }

    fn backend(&mut self, endpoint: &'w model::VpcEndpoint, interface_id: &str) -> EndpointBackend {
        if endpoint.state != VpcEndpointState::Available {
            return EndpointBackend::Unavailable;
        }
        let mut services = self.world.vpc_endpoint_services.values();
        let Some(service) = services.find(|service| service.service_name == endpoint.service_name) else {
            let address = self.service_address(endpoint);
            return match self.aws_service(endpoint) {
                Some(service) => EndpointBackend::Service { service, address },
                None => EndpointBackend::Unavailable,
            };
        };
        let interface = self.world.network_interfaces.get(interface_id);
        let subnet = interface.and_then(|interface| self.world.subnets.get(&interface.subnet_id));
        let Some(zone) = subnet.map(|subnet| self.zone(&subnet.availability_zone_id)) else {
            return EndpointBackend::NotInZone;
        };
        // AWS chooses one of the zone's load balancers and keeps it (B4); the first by ARN is as good as any.
        let balancers = service.network_load_balancer_arns.iter().filter_map(|arn| self.balancers.get(arn.as_str()));
        let serving = balancers.copied().find_map(|balancer| {
            let nodes = &self.tables.balancers[balancer.at()].nodes;
            let node = nodes.iter().position(|node| node.zone == zone)?;
            Some(EndpointBackend::Balancer { balancer, node: node as u32 })
        });
        serving.unwrap_or(EndpointBackend::NotInZone)
    }
}
