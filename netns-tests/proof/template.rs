//! A described lab as CloudFormation and `lab.yaml`, as somebody would write it by hand: one resource a line.

use std::fmt::Write as _;

use super::lab::*;

/// A file's name and its text.
pub type File = (&'static str, String);

const HOME_ACCOUNT: &str = "222222222222";
const PROVIDER_ACCOUNT: &str = "111111111111";

/// All files of a lab; `lab.yaml` names the others.
pub fn files(lab: &Lab) -> Vec<File> {
    let provider = lab.vpcs.iter().any(|vpc| vpc.stack == Stack::Provider);
    let mut index = "name: proof\nstacks:\n".to_owned();
    let mut files = Vec::new();
    let mut parameters = "";
    if provider {
        let _ = writeln!(
            index,
            "  provider: {{template: provider.yaml, account: \"{PROVIDER_ACCOUNT}\", parameters: {{ConsumerAccount: \"{HOME_ACCOUNT}\"}}}}"
        );
        files.push(("provider.yaml", Writer::new(lab, Stack::Provider).template()));
        parameters = ", parameters: {ServiceName: \"${provider.ServiceName}\"}";
    }
    let _ = writeln!(index, "  home: {{template: home.yaml, account: \"{HOME_ACCOUNT}\"{parameters}}}");
    files.push(("home.yaml", Writer::new(lab, Stack::Home).template()));
    files.push(("lab.yaml", index));
    files
}

struct Writer<'l> {
    lab: &'l Lab,
    stack: Stack,
    text: String,
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

impl<'l> Writer<'l> {
    fn new(lab: &'l Lab, stack: Stack) -> Self {
        Self { lab, stack, text: String::new() }
    }

    fn template(mut self) -> String {
        let offers = self.stack == Stack::Provider;
        let partner = self.lab.interface_endpoints.iter().any(|it| matches!(it.service, EndpointService::Balancer(_)));
        match self.stack {
            Stack::Provider => self.text.push_str("Parameters:\n  ConsumerAccount: {Type: String}\n"),
            Stack::Home if partner => self.text.push_str("Parameters:\n  ServiceName: {Type: String}\n"),
            // A parameter that lab.yaml gives and nothing uses.
            Stack::Home if self.lab.vpcs.iter().any(|vpc| vpc.stack == Stack::Provider) => {
                self.text.push_str("Parameters:\n  ServiceName: {Type: String, Default: none}\n");
            }
            Stack::Home => {}
        }
        self.text.push_str("Resources:\n");
        self.vpcs();
        self.lists();
        self.groups();
        self.acls();
        self.instances();
        self.gateways();
        self.peerings();
        self.vpn();
        self.balancers();
        self.endpoints();
        self.tables();
        if offers {
            self.offer();
        }
        self.text
    }

    fn put(&mut self, name: &str, kind: &str, properties: String) {
        let _ = writeln!(self.text, "  {name}: {{Type: AWS::{kind}, Properties: {{{properties}}}}}");
    }

    fn put_after(&mut self, name: &str, kind: &str, after: &str, properties: String) {
        let _ =
            writeln!(self.text, "  {name}: {{Type: AWS::{kind}, DependsOn: {after}, Properties: {{{properties}}}}}");
    }

    /// Whether a VPC's things stand in this template.
    fn here(&self, vpc: usize) -> bool {
        self.lab.vpcs[vpc].stack == self.stack
    }

    fn here_subnet(&self, subnet: usize) -> bool {
        self.here(self.lab.vpc_of(subnet))
    }

    fn vpc(&self, vpc: usize) -> &'l str {
        &self.lab.vpcs[vpc].name
    }

    fn subnet(&self, subnet: usize) -> &'l str {
        &self.lab.subnets[subnet].name
    }

    fn group(&self, group: usize) -> String {
        let group = &self.lab.groups[group];
        match group.is_default {
            true => format!("!GetAtt {}.DefaultSecurityGroup", self.vpc(group.vpc)),
            false => format!("!Ref {}", group.name),
        }
    }

    fn group_list(&self, groups: &[usize]) -> String {
        list(groups.iter().map(|group| self.group(*group)))
    }

    fn vpcs(&mut self) {
        let lab = self.lab;
        let stack = self.stack;
        for vpc in lab.vpcs.iter().filter(|vpc| vpc.stack == stack) {
            let name = &vpc.name;
            self.put(name, "EC2::VPC", format!("CidrBlock: {}", vpc.blocks[0]));
            for block in &vpc.blocks[1..] {
                let second = format!("VpcId: !Ref {name}, CidrBlock: {block}");
                self.put(&format!("{name}Second"), "EC2::VPCCidrBlock", second);
            }
            if vpc.internet_gateway {
                self.put(&format!("{name}Internet"), "EC2::InternetGateway", String::new());
                let attachment = format!("VpcId: !Ref {name}, InternetGatewayId: !Ref {name}Internet");
                self.put(&format!("{name}Attachment"), "EC2::VPCGatewayAttachment", attachment);
            }
        }
        for subnet in lab.subnets.iter().filter(|subnet| self.here(subnet.vpc)).collect::<Vec<_>>() {
            let vpc = &lab.vpcs[subnet.vpc];
            let properties = format!(
                "VpcId: !Ref {}, CidrBlock: {}, AvailabilityZoneId: use1-az{}",
                vpc.name, subnet.block, subnet.zone
            );
            match vpc.blocks.len() > 1 {
                true => self.put_after(&subnet.name, "EC2::Subnet", &format!("{}Second", vpc.name), properties),
                false => self.put(&subnet.name, "EC2::Subnet", properties),
            }
        }
    }

    fn lists(&mut self) {
        if self.stack == Stack::Provider {
            return;
        }
        for it in &self.lab.lists {
            let entries = list(it.blocks.iter().map(|block| format!("{{Cidr: {block}}}")));
            let properties = format!(
                "PrefixListName: {}, AddressFamily: IPv4, MaxEntries: {}, Entries: {entries}",
                it.name,
                it.blocks.len()
            );
            self.put(&it.name, "EC2::PrefixList", properties);
        }
    }

    fn traffic(traffic: Traffic) -> String {
        match traffic {
            Traffic::All => "IpProtocol: \"-1\"".into(),
            Traffic::Tcp(low, high) => format!("IpProtocol: tcp, FromPort: {low}, ToPort: {high}"),
            Traffic::Udp(low, high) => format!("IpProtocol: udp, FromPort: {low}, ToPort: {high}"),
            Traffic::Icmp(None) => "IpProtocol: icmp, FromPort: -1, ToPort: -1".into(),
            Traffic::Icmp(Some(kind)) => format!("IpProtocol: icmp, FromPort: {kind}, ToPort: -1"),
        }
    }

    fn rule(&self, rule: &Rule, egress: bool) -> String {
        let side = if egress { "Destination" } else { "Source" };
        let peer = match rule.peer {
            Peer::Block(block) => format!("CidrIp: {block}"),
            Peer::List(it) => format!("{side}PrefixListId: !Ref {}", self.lab.lists[it].name),
            Peer::ServiceList(service) => format!("{side}PrefixListId: {}", service.list_id()),
            Peer::Group(group) => format!("{side}SecurityGroupId: {}", self.group(group)),
        };
        format!("{}, {peer}", Self::traffic(rule.traffic))
    }

    /// Rules that name groups are resources of their own, so that groups may name each other.
    fn groups(&mut self) {
        let lab = self.lab;
        let by_group = |rule: &&Rule| matches!(rule.peer, Peer::Group(_));
        for group in lab.groups.iter().filter(|group| self.here(group.vpc) && !group.is_default).collect::<Vec<_>>() {
            let mut properties = format!("GroupDescription: {}, VpcId: !Ref {}", group.name, self.vpc(group.vpc));
            let inline = |rules: &[Rule], egress: bool| -> Vec<String> {
                let inline = rules.iter().filter(|rule| !by_group(rule));
                inline.map(|rule| format!("{{{}}}", self.rule(rule, egress))).collect()
            };
            let _ = write!(properties, ", SecurityGroupIngress: {}", list(inline(&group.ingress, false)));
            if let Some(egress) = &group.egress {
                let mut rules = inline(egress, true);
                // A rule here takes the place of the one that allows everything; this one allows nothing.
                if rules.is_empty() {
                    rules.push("{IpProtocol: \"-1\", CidrIp: 127.0.0.1/32}".into());
                }
                let _ = write!(properties, ", SecurityGroupEgress: {}", list(rules));
            }
            self.put(&group.name, "EC2::SecurityGroup", properties);
            for (number, rule) in group.ingress.iter().filter(by_group).enumerate() {
                self.rule_by_group(group, rule, false, number);
            }
            for (number, rule) in group.egress.iter().flatten().filter(by_group).enumerate() {
                self.rule_by_group(group, rule, true, number);
            }
        }
    }

    /// A group of a peer VPC may be named once the peering stands.
    fn rule_by_group(&mut self, group: &Group, rule: &Rule, egress: bool, number: usize) {
        let (side, kind) = match egress {
            true => ("Out", "EC2::SecurityGroupEgress"),
            false => ("In", "EC2::SecurityGroupIngress"),
        };
        let name = format!("{}{side}{number}", group.name);
        let properties = format!("GroupId: !Ref {}, {}", group.name, self.rule(rule, egress));
        match (rule.peer, self.lab.peerings.first()) {
            (Peer::Group(other), Some(peering)) if self.lab.groups[other].vpc != group.vpc => {
                self.put_after(&name, kind, &peering.name, properties);
            }
            _ => self.put(&name, kind, properties),
        }
    }

    fn acls(&mut self) {
        let lab = self.lab;
        for acl in lab.acls.iter().filter(|acl| self.here(acl.vpc)).collect::<Vec<_>>() {
            self.put(&acl.name, "EC2::NetworkAcl", format!("VpcId: !Ref {}", self.vpc(acl.vpc)));
            for entry in &acl.entries {
                let protocol = match entry.traffic {
                    Traffic::All => "-1".into(),
                    Traffic::Tcp(low, high) => format!("6, PortRange: {{From: {low}, To: {high}}}"),
                    Traffic::Udp(low, high) => format!("17, PortRange: {{From: {low}, To: {high}}}"),
                    Traffic::Icmp(kind) => {
                        format!("1, Icmp: {{Type: {}, Code: -1}}", kind.map_or(-1, i16::from))
                    }
                };
                let action = if entry.allow { "allow" } else { "deny" };
                let side = if entry.egress { "Out" } else { "In" };
                let properties = format!(
                    "NetworkAclId: !Ref {}, RuleNumber: {}, Protocol: {protocol}, RuleAction: {action}, Egress: {}, CidrBlock: {}",
                    acl.name, entry.number, entry.egress, entry.block
                );
                self.put(&format!("{}{side}{}", acl.name, entry.number), "EC2::NetworkAclEntry", properties);
            }
        }
        for subnet in lab.subnets.iter().filter(|subnet| self.here(subnet.vpc)).collect::<Vec<_>>() {
            if let Some(acl) = subnet.acl {
                let properties = format!("SubnetId: !Ref {}, NetworkAclId: !Ref {}", subnet.name, lab.acls[acl].name);
                self.put(&format!("{}Acl", subnet.name), "EC2::SubnetNetworkAclAssociation", properties);
            }
        }
    }

    fn instances(&mut self) {
        let lab = self.lab;
        for it in lab.instances.iter().filter(|it| self.here_subnet(it.subnet)).collect::<Vec<_>>() {
            let (subnet, address, groups) = (self.subnet(it.subnet), it.address, self.group_list(&it.groups));
            let check = if it.source_dest_check { "" } else { ", SourceDestCheck: false" };
            let properties = match it.public {
                Public::Automatic(_) => format!(
                    "ImageId: ami-0{check}, NetworkInterfaces: [{{DeviceIndex: 0, SubnetId: !Ref {subnet}, PrivateIpAddress: {address}, GroupSet: {groups}, AssociatePublicIpAddress: true}}]"
                ),
                _ => format!(
                    "ImageId: ami-0{check}, SubnetId: !Ref {subnet}, PrivateIpAddress: {address}, SecurityGroupIds: {groups}"
                ),
            };
            self.put(&it.name, "EC2::Instance", properties);
            if let Public::Elastic(_) = it.public {
                let after = format!("{}Attachment", self.vpc(lab.vpc_of(it.subnet)));
                let properties = format!("Domain: vpc, InstanceId: !Ref {}", it.name);
                self.put_after(&format!("{}Elastic", it.name), "EC2::EIP", &after, properties);
            }
        }
        for it in lab.idle_interfaces.iter().filter(|it| self.here_subnet(it.subnet)).collect::<Vec<_>>() {
            let properties = format!("SubnetId: !Ref {}, PrivateIpAddress: {}", self.subnet(it.subnet), it.address);
            self.put(&it.name, "EC2::NetworkInterface", properties);
        }
    }

    fn gateways(&mut self) {
        let lab = self.lab;
        for it in lab.nat_gateways.iter().filter(|it| self.here_subnet(it.subnet)).collect::<Vec<_>>() {
            let place = format!("SubnetId: !Ref {}, PrivateIpAddress: {}", self.subnet(it.subnet), it.address);
            if it.public {
                let after = format!("{}Attachment", self.vpc(lab.vpc_of(it.subnet)));
                let elastic = format!("{}Elastic", it.name);
                self.put_after(&elastic, "EC2::EIP", &after, "Domain: vpc".into());
                let properties = format!("{place}, AllocationId: !GetAtt {elastic}.AllocationId");
                self.put_after(&it.name, "EC2::NatGateway", &after, properties);
            } else {
                self.put(&it.name, "EC2::NatGateway", format!("{place}, ConnectivityType: private"));
            }
        }
    }

    fn peerings(&mut self) {
        for it in self.lab.peerings.iter().filter(|it| self.here(it.requester)).collect::<Vec<_>>() {
            let properties =
                format!("VpcId: !Ref {}, PeerVpcId: !Ref {}", self.vpc(it.requester), self.vpc(it.accepter));
            self.put(&it.name, "EC2::VPCPeeringConnection", properties);
        }
    }

    fn vpn(&mut self) {
        let Some(vpn) = self.lab.vpn.as_ref().filter(|vpn| self.here(vpn.vpc)) else { return };
        let Vpn { gateway, customer_gateway, connection, address, .. } = vpn;
        self.put(gateway, "EC2::VPNGateway", "Type: ipsec.1".into());
        let properties = format!("VpcId: !Ref {}, VpnGatewayId: !Ref {gateway}", self.vpc(vpn.vpc));
        self.put("VpnAttachment", "EC2::VPCGatewayAttachment", properties);
        let tags = format!("Tags: [{{Key: \"vpclab:PrivateIpAddress\", Value: {address}}}]");
        let properties = format!("Type: ipsec.1, BgpAsn: 65000, IpAddress: 203.0.112.1, {tags}");
        self.put(customer_gateway, "EC2::CustomerGateway", properties);
        let properties = format!(
            "Type: ipsec.1, StaticRoutesOnly: true, CustomerGatewayId: !Ref {customer_gateway}, VpnGatewayId: !Ref {gateway}"
        );
        self.put(connection, "EC2::VPNConnection", properties);
        for (number, block) in vpn.routes.iter().enumerate() {
            let properties = format!("VpnConnectionId: !Ref {connection}, DestinationCidrBlock: {block}");
            self.put(&format!("{connection}Route{number}"), "EC2::VPNConnectionRoute", properties);
        }
        let tables: Vec<String> =
            self.lab.tables.iter().filter(|it| it.propagates).map(|it| format!("!Ref {}", it.name)).collect();
        if !tables.is_empty() {
            let properties = format!("VpnGatewayId: !Ref {gateway}, RouteTableIds: {}", list(tables));
            self.put_after("Propagation", "EC2::VPNGatewayRoutePropagation", "VpnAttachment", properties);
        }
    }

    fn balancers(&mut self) {
        let lab = self.lab;
        for it in lab.balancers.iter().filter(|it| self.here(it.vpc)).collect::<Vec<_>>() {
            let nodes = list(it.nodes.iter().map(|node| {
                format!("{{SubnetId: !Ref {}, PrivateIPv4Address: {}}}", self.subnet(node.subnet), node.address)
            }));
            let mut properties = format!("Type: network, Scheme: internal, SubnetMappings: {nodes}");
            if !it.groups.is_empty() {
                let _ = write!(properties, ", SecurityGroups: {}", self.group_list(&it.groups));
            }
            let _ = write!(
                properties,
                ", LoadBalancerAttributes: [{{Key: load_balancing.cross_zone.enabled, Value: \"{}\"}}]",
                it.cross_zone
            );
            self.put(&it.name, "ElasticLoadBalancingV2::LoadBalancer", properties);
            for listener in &it.listeners {
                self.listener(it, listener);
            }
        }
    }

    fn listener(&mut self, balancer: &Balancer, listener: &Listener) {
        let protocol = match listener.protocol {
            ListenerProtocol::Tcp => "TCP",
            ListenerProtocol::Udp => "UDP",
            ListenerProtocol::TcpUdp => "TCP_UDP",
        };
        let targets = list(listener.targets.iter().map(|target| {
            let it = &self.lab.instances[*target];
            match listener.by_address {
                true => format!("{{Id: {}}}", it.address),
                false => format!("{{Id: !Ref {}}}", it.name),
            }
        }));
        let kind = if listener.by_address { "ip" } else { "instance" };
        let group = format!("{}Targets", listener.name);
        let properties = format!(
            "VpcId: !Ref {}, Protocol: {protocol}, Port: {}, TargetType: {kind}, Targets: {targets}",
            self.vpc(balancer.vpc),
            listener.target_port
        );
        self.put(&group, "ElasticLoadBalancingV2::TargetGroup", properties);
        let properties = format!(
            "LoadBalancerArn: !Ref {}, Protocol: {protocol}, Port: {}, DefaultActions: [{{Type: forward, TargetGroupArn: !Ref {group}}}]",
            balancer.name, listener.port
        );
        self.put(&listener.name, "ElasticLoadBalancingV2::Listener", properties);
    }

    fn endpoints(&mut self) {
        let lab = self.lab;
        for it in lab.gateway_endpoints.iter().filter(|it| self.here(it.vpc)).collect::<Vec<_>>() {
            let tables = list(it.tables.iter().map(|table| format!("!Ref {}", lab.tables[*table].name)));
            let properties = format!(
                "VpcId: !Ref {}, ServiceName: com.amazonaws.us-east-1.{}, RouteTableIds: {tables}",
                self.vpc(it.vpc),
                it.service.short_name()
            );
            self.put(&it.name, "EC2::VPCEndpoint", properties);
        }
        for it in lab.interface_endpoints.iter().filter(|it| self.here(it.vpc)).collect::<Vec<_>>() {
            let service = match it.service {
                EndpointService::Aws(name) => format!("com.amazonaws.us-east-1.{name}"),
                EndpointService::Balancer(_) => "!Ref ServiceName".into(),
            };
            let subnets = list(it.nodes.iter().map(|node| format!("!Ref {}", self.subnet(node.subnet))));
            let properties = format!(
                "VpcEndpointType: Interface, VpcId: !Ref {}, ServiceName: {service}, SubnetIds: {subnets}, SecurityGroupIds: {}, PrivateDnsEnabled: false",
                self.vpc(it.vpc),
                self.group_list(&it.groups)
            );
            self.put(&it.name, "EC2::VPCEndpoint", properties);
        }
    }

    fn tables(&mut self) {
        let lab = self.lab;
        for (number, table) in lab.tables.iter().enumerate() {
            if !self.here(table.vpc) {
                continue;
            }
            let vpc = self.vpc(table.vpc);
            self.put(&table.name, "EC2::RouteTable", format!("VpcId: !Ref {vpc}"));
            for (place, route) in table.routes.iter().enumerate() {
                self.route(table, place, route);
            }
            for subnet in lab.subnets.iter().filter(|subnet| subnet.table == Some(number)) {
                let properties = format!("SubnetId: !Ref {}, RouteTableId: !Ref {}", subnet.name, table.name);
                self.put(&format!("{}Table", subnet.name), "EC2::SubnetRouteTableAssociation", properties);
            }
        }
    }

    fn route(&mut self, table: &RouteTable, place: usize, route: &Route) {
        let lab = self.lab;
        let destination = match route.destination {
            Destination::Block(block) => format!("DestinationCidrBlock: {block}"),
            Destination::List(it) => format!("DestinationPrefixListId: !Ref {}", lab.lists[it].name),
        };
        let target = match route.target {
            Target::InternetGateway => format!("GatewayId: !Ref {}Internet", self.vpc(table.vpc)),
            Target::Nat(it) => format!("NatGatewayId: !Ref {}", lab.nat_gateways[it].name),
            Target::Instance(it) => format!("InstanceId: !Ref {}", lab.instances[it].name),
            Target::Idle(it) => format!("NetworkInterfaceId: !Ref {}", lab.idle_interfaces[it].name),
            Target::Peering(it) => format!("VpcPeeringConnectionId: !Ref {}", lab.peerings[it].name),
            Target::VpnGateway => {
                format!("GatewayId: !Ref {}", lab.vpn.as_ref().expect("a route leads to its gateway").gateway)
            }
        };
        let name = format!("{}Route{place}", table.name);
        let properties = format!("RouteTableId: !Ref {}, {destination}, {target}", table.name);
        match route.target {
            Target::InternetGateway => {
                let after = format!("{}Attachment", self.vpc(table.vpc));
                self.put_after(&name, "EC2::Route", &after, properties);
            }
            Target::VpnGateway => self.put_after(&name, "EC2::Route", "VpnAttachment", properties),
            _ => self.put(&name, "EC2::Route", properties),
        }
    }

    fn offer(&mut self) {
        let balancer = self.lab.balancers.iter().find(|it| self.here(it.vpc)).expect("the provider has a balancer");
        let properties = format!("NetworkLoadBalancerArns: [!Ref {}], AcceptanceRequired: false", balancer.name);
        self.put("Service", "EC2::VPCEndpointService", properties);
        let principals = "AllowedPrincipals: [!Sub \"arn:aws:iam::${ConsumerAccount}:root\"]";
        self.put("Permissions", "EC2::VPCEndpointServicePermissions", format!("ServiceId: !Ref Service, {principals}"));
        self.text.push_str("Outputs:\n  ServiceName: {Value: !Sub \"com.amazonaws.vpce.us-east-1.${Service}\"}\n");
    }
}
