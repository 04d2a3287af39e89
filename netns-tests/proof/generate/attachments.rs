//! What stands between and before the instances: gateways, endpoints, balancers, peering and VPN.

use super::*;

/// AWS services behind interface endpoints: which one makes no difference to a packet.
const AWS_SERVICES: [&str; 3] = ["sqs", "kms", "secretsmanager"];

/// Networks on premises, outside of every VPC's.
const ON_PREMISES: [&str; 2] = ["192.168.100.0/24", "10.200.0.0/16"];

impl Maker {
    pub(super) fn attachments(&mut self) {
        for vpc in 0..self.lab.vpcs.len() {
            self.tables(vpc);
        }
        self.peering();
        self.vpn();
        self.nat_gateways();
        self.balancers();
        self.gateway_endpoints();
        self.interface_endpoints();
    }

    /// Empty route tables, and who uses them. The first of a VPC with an internet gateway is the public one.
    fn tables(&mut self, vpc: usize) {
        let count = if vpc == 0 { self.random.between(2, 3) } else { self.random.between(1, 2) };
        let first = self.lab.tables.len();
        for number in 0..count {
            let name = format!("Table{}{}", self.letter(vpc), number + 1);
            self.lab.tables.push(RouteTable { name, vpc, routes: Vec::new(), propagates: false });
        }
        for subnet in self.subnets_of(vpc) {
            let table = if self.random.chance(88) { Some(first + self.random.below(count)) } else { None };
            self.lab.subnets[subnet].table = table;
        }
    }

    fn vpc_named(&self, name: &str) -> Option<usize> {
        self.lab.vpcs.iter().position(|vpc| vpc.name == name)
    }

    fn peering(&mut self) {
        let Some(neighbour) = self.vpc_named("VpcB") else { return };
        if !self.features.peering || !self.random.chance(85) {
            return;
        }
        let blocks = |vpc: usize| self.lab.vpcs[vpc].blocks.clone();
        // B1.8: overlapping blocks are refused.
        if blocks(0).iter().any(|mine| blocks(neighbour).iter().any(|theirs| mine.overlaps(theirs))) {
            return;
        }
        let (requester, accepter) = if self.random.chance(50) { (0, neighbour) } else { (neighbour, 0) };
        self.lab.peerings.push(Peering { name: "Peering".into(), requester, accepter });
    }

    fn vpn(&mut self) {
        if !self.features.vpn || !self.random.chance(50) {
            return;
        }
        let site = block(self.random.pick::<&str>(&ON_PREMISES));
        self.lab.vpn = Some(Vpn {
            gateway: "VpnGateway".into(),
            vpc: 0,
            customer_gateway: "office".into(),
            connection: "Tunnel".into(),
            routes: vec![site],
            address: site.nth(10),
        });
    }

    /// Public ones stand in a subnet of the public table; private ones anywhere.
    fn nat_gateways(&mut self) {
        if !self.features.nat {
            return;
        }
        for vpc in 0..self.lab.vpcs.len() {
            if self.is_provider(vpc) || !self.random.chance(if vpc == 0 { 80 } else { 30 }) {
                continue;
            }
            let public = self.lab.vpcs[vpc].internet_gateway && self.random.chance(80);
            let first = self.lab.tables.iter().position(|table| table.vpc == vpc);
            let subnets = self.subnets_of(vpc);
            let good = |subnet: &usize| self.has_room(*subnet);
            let subnets: Vec<usize> = subnets.into_iter().filter(good).collect();
            if subnets.is_empty() {
                continue;
            }
            let subnet = *self.random.pick(&subnets);
            if public {
                self.lab.subnets[subnet].table = first;
            }
            let address = self.free_address(subnet);
            let name = format!("Nat{}", self.letter(vpc));
            self.lab.nat_gateways.push(NatGateway { name, subnet, address, public, elastic: None });
        }
    }

    /// One before the provider's instances, often one at home.
    fn balancers(&mut self) {
        for vpc in 0..self.lab.vpcs.len() {
            let wanted = self.is_provider(vpc) || vpc == 0 && self.random.chance(60);
            let mut nodes: Vec<BalancerNode> = Vec::new();
            for subnet in self.subnets_of(vpc) {
                let zone = self.lab.subnets[subnet].zone;
                let zone_is_taken = nodes.iter().any(|node| self.lab.subnets[node.subnet].zone == zone);
                if !wanted || zone_is_taken || !self.has_room(subnet) || !nodes.is_empty() && self.random.chance(25) {
                    continue;
                }
                let address = self.free_address(subnet);
                nodes.push(BalancerNode { subnet, address });
            }
            if nodes.is_empty() {
                continue;
            }
            let groups = match self.features.groups && self.random.chance(40) {
                true => self.some_groups(vpc),
                false => Vec::new(),
            };
            let listeners = self.listeners(vpc);
            self.lab.balancers.push(Balancer {
                name: format!("Balancer{}", self.letter(vpc)),
                vpc,
                nodes,
                groups,
                cross_zone: self.random.chance(60),
                listeners,
            });
        }
    }

    fn listeners(&mut self, vpc: usize) -> Vec<Listener> {
        let kinds = [
            (80, ListenerProtocol::Tcp),
            (443, ListenerProtocol::TcpUdp),
            (5000, ListenerProtocol::Udp),
            (8080, ListenerProtocol::Tcp),
        ];
        let instances = self.instances_of(vpc);
        let mut listeners = Vec::new();
        for (port, protocol) in kinds {
            if port != 80 && !self.random.chance(60) {
                continue;
            }
            let percent = if self.random.chance(8) { 0 } else { 65 };
            let mut targets = self.random.some(&instances, percent);
            if targets.is_empty() && percent > 0 {
                targets.push(*self.random.pick(&instances));
            }
            listeners.push(Listener {
                name: format!("Listener{}{port}", self.letter(vpc)),
                protocol,
                port,
                target_port: if self.random.chance(50) { port } else { 8080 },
                by_address: self.random.chance(50),
                targets,
            });
        }
        listeners
    }

    /// Each service at most once per table (B2); two endpoints to one service over disjoint tables are fine.
    fn gateway_endpoints(&mut self) {
        for vpc in 0..self.lab.vpcs.len() {
            let tables: Vec<usize> =
                (0..self.lab.tables.len()).filter(|table| self.lab.tables[*table].vpc == vpc).collect();
            for (service, percent) in [(PublicService::S3, 80), (PublicService::DynamoDb, 40)] {
                if self.is_provider(vpc) || !self.random.chance(percent) {
                    continue;
                }
                let chosen = self.random.some(&tables, 70);
                let parts = match chosen.as_slice() {
                    [first, rest @ ..] if !rest.is_empty() && self.random.chance(40) => {
                        vec![vec![*first], rest.to_vec()]
                    }
                    _ => vec![chosen.clone()],
                };
                for (number, tables) in parts.into_iter().enumerate() {
                    let short = if service == PublicService::S3 { "S3" } else { "Tables" };
                    let name = format!("{short}{}{}", self.letter(vpc), number + 1);
                    self.lab.gateway_endpoints.push(GatewayEndpoint { name, vpc, service, tables });
                }
            }
        }
    }

    fn interface_endpoints(&mut self) {
        let offered = self.lab.balancers.iter().position(|balancer| self.is_provider(balancer.vpc));
        for vpc in 0..self.lab.vpcs.len() {
            if self.is_provider(vpc) {
                continue;
            }
            if self.random.chance(65) {
                let service = EndpointService::Aws(self.random.pick::<&str>(&AWS_SERVICES));
                self.interface_endpoint(vpc, "Aws", service, &[1, 2]);
            }
            if let Some(balancer) = offered
                && (vpc == 0 || self.random.chance(40))
            {
                let nodes = &self.lab.balancers[balancer].nodes;
                let zones: Vec<u8> = nodes.iter().map(|node| self.lab.subnets[node.subnet].zone).collect();
                self.interface_endpoint(vpc, "Partner", EndpointService::Balancer(balancer), &zones);
            }
        }
    }

    /// One subnet per zone, of the zones that the service is in.
    fn interface_endpoint(&mut self, vpc: usize, name: &str, service: EndpointService, zones: &[u8]) {
        let mut nodes: Vec<EndpointNode> = Vec::new();
        for zone in zones {
            let in_zone: Vec<usize> =
                self.subnets_of(vpc).into_iter().filter(|subnet| self.lab.subnets[*subnet].zone == *zone).collect();
            if !in_zone.is_empty() && (nodes.is_empty() || self.random.chance(60)) {
                nodes.push(EndpointNode { subnet: *self.random.pick(&in_zone), address: None });
            }
        }
        if nodes.is_empty() {
            return;
        }
        let groups = self.some_groups(vpc);
        let name = format!("{name}{}", self.letter(vpc));
        self.lab.interface_endpoints.push(InterfaceEndpoint { name, vpc, groups, service, nodes });
    }
}
