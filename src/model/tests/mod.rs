//! The laws of the model as stories (one per law, against AWS's codes and texts) and as properties.

mod connection;
mod directory;
mod endpoint;
mod flow_log;
mod health_check;
mod hosted_zone;
mod iam;
mod laws;
mod network_acl;
mod on_premises;
mod others;
mod peering;
mod private_dns;
mod provider;
mod public_addresses;
mod resolver_endpoint;
mod table;
mod vpc;
mod zones;

use super::*;

const ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";
const REGION: &str = "us-east-1";

/// A world with a hand to ask it: each change gets a logical id of its own, as from a template.
#[derive(Clone, Default)]
struct Asker {
    world: World,
    asked: usize,
}

impl Asker {
    fn ask_as(&mut self, account: &str, change: Change) -> Result<ObjectId, Refusal> {
        self.asked += 1;
        let logical_id = format!("Object{}", self.asked);
        self.world.apply(request(account, &logical_id, change))
    }

    fn ask(&mut self, change: Change) -> Result<ObjectId, Refusal> {
        self.ask_as(ACCOUNT, change)
    }

    /// Asks for what must be done.
    fn make(&mut self, change: Change) -> ObjectId {
        self.ask(change).unwrap_or_else(|refusal| panic!("{refusal}\n{:?}", refusal.help))
    }

    /// Asks for what must be refused with `expected` (`CODE: MESSAGE`, or its beginning) and change nothing.
    #[track_caller]
    fn refused(&mut self, change: Change, expected: &str) {
        self.refused_as(ACCOUNT, change, expected);
    }

    #[track_caller]
    fn refused_as(&mut self, account: &str, change: Change, expected: &str) {
        let before = self.world.clone();
        let refusal = self.ask_as(account, change).expect_err("the change must be refused");
        assert!(refusal.to_string().starts_with(expected), "expected {expected}\n     got {refusal}");
        assert!(self.world == before, "a refused change must leave the world as it was");
    }

    fn vpc(&mut self) -> String {
        self.make(vpc("10.0.0.0/16"))
    }

    /// An internet gateway, attached.
    fn internet_gateway(&mut self, vpc_id: &str) -> String {
        let internet_gateway_id = self.make(Change::CreateInternetGateway);
        self.make(attach(&internet_gateway_id, vpc_id));
        internet_gateway_id
    }

    /// What must be refused, each with its `CODE: MESSAGE` or its beginning.
    #[track_caller]
    fn all_refused<S: AsRef<str>>(&mut self, cases: impl IntoIterator<Item = (Change, S)>) {
        for (change, expected) in cases {
            self.refused(change, expected.as_ref());
        }
    }

    fn subnet(&mut self, vpc_id: &str, cidr_block: &str, zone: &str) -> String {
        self.make(subnet(vpc_id, cidr_block, zone))
    }

    fn instance(&mut self, subnet_id: &str) -> String {
        self.make(instance(subnet_id, None))
    }
}

fn request(account: &str, logical_id: &str, change: Change) -> Request {
    Request {
        account: account.to_owned(),
        region: REGION.to_owned(),
        principal: None,
        stack: Some("story".to_owned()),
        logical_id: Some(logical_id.to_owned()),
        source: None,
        tags: Default::default(),
        change,
    }
}

fn vpc(cidr_block: &str) -> Change {
    Change::CreateVpc { cidr_block: cidr_block.to_owned(), enable_dns_support: true, enable_dns_hostnames: true }
}

fn subnet(vpc_id: &str, cidr_block: &str, zone: &str) -> Change {
    Change::CreateSubnet {
        vpc_id: vpc_id.to_owned(),
        cidr_block: cidr_block.to_owned(),
        availability_zone: Some(zone.to_owned()),
        map_public_ip_on_launch: false,
    }
}

fn instance(subnet_id: &str, address: Option<&str>) -> Change {
    Change::RunInstance(RunInstance {
        subnet_id: Some(subnet_id.to_owned()),
        private_ip_address: address.map(|address| address.parse().expect("test address")),
        ..Default::default()
    })
}

fn attach(internet_gateway_id: &str, vpc_id: &str) -> Change {
    Change::AttachInternetGateway { internet_gateway_id: internet_gateway_id.to_owned(), vpc_id: vpc_id.to_owned() }
}

fn address(text: &str) -> std::net::Ipv4Addr {
    text.parse().expect("test address")
}

fn route(route_table_id: &str, destination: &str, target: RouteTargetId) -> Change {
    let is_list = destination.starts_with("pl-");
    Change::CreateRoute {
        route_table_id: route_table_id.to_owned(),
        destination_cidr_block: (!is_list).then(|| destination.to_owned()),
        destination_prefix_list_id: is_list.then(|| destination.to_owned()),
        target,
    }
}

fn gateway_endpoint(vpc_id: &str, service: &str, route_table_ids: &[&str]) -> CreateVpcEndpoint {
    CreateVpcEndpoint {
        vpc_id: vpc_id.to_owned(),
        service_name: format!("com.amazonaws.{REGION}.{service}"),
        route_table_ids: route_table_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

fn interface_endpoint(vpc_id: &str, service_name: &str, subnet_ids: &[&str]) -> CreateVpcEndpoint {
    CreateVpcEndpoint {
        vpc_endpoint_type: Some("Interface".to_owned()),
        vpc_id: vpc_id.to_owned(),
        service_name: service_name.to_owned(),
        subnet_ids: subnet_ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

fn permission(protocol: &str, port: i32, peer: PermissionPeer) -> IpPermission {
    IpPermission {
        ip_protocol: protocol.to_owned(),
        from_port: port,
        to_port: port,
        peer,
        group_owner_id: None,
        description: None,
        source: None,
    }
}

fn network_interface(subnet_id: &str) -> CreateNetworkInterface {
    CreateNetworkInterface {
        subnet_id: subnet_id.to_owned(),
        private_ip_address: None,
        secondary_private_ip_addresses: Vec::new(),
        groups: Vec::new(),
        source_dest_check: true,
        connection_tracking: ConnectionTracking::default(),
        description: String::new(),
    }
}

fn balancer(name: Option<&str>, internal: bool, subnet_ids: &[&str]) -> Change {
    Change::CreateLoadBalancer {
        name: name.map(str::to_owned),
        scheme: if internal { "internal" } else { "internet-facing" }.to_owned(),
        subnets: subnet_ids
            .iter()
            .map(|id| SubnetMapping { subnet_id: (*id).to_owned(), private_ipv4_address: None, allocation_id: None })
            .collect(),
        security_groups: Vec::new(),
        attributes: Default::default(),
    }
}
