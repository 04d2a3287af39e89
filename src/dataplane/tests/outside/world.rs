//! The tables of the picture in `mod.rs`, made by hand.

use std::net::Ipv4Addr;

use crate::dataplane::flow::Timeouts;
use crate::dataplane::tables::*;
use crate::dataplane::tests::lab::{open_acl, route};
use crate::packet::Mac;

pub const NAMES: [&str; 10] = ["s3", "app", "db", "pub", "fw", "far", "beyond", "web", "internet", "office"];

/// Who is where: name, VPC, subnet, address.
const GUESTS: [(&str, u32, u32, &str); 7] = [
    ("app", 0, 0, "10.0.1.10"),
    ("db", 0, 1, "10.0.2.10"),
    ("pub", 0, 2, "10.0.3.10"),
    ("fw", 0, 3, "10.0.4.10"),
    ("far", 1, 4, "10.1.1.10"),
    ("beyond", 2, 5, "10.2.1.10"),
    ("web", 3, 6, "10.0.1.20"),
];

const SUBNETS: [(&str, u32, &str); 7] = [
    ("a", 0, "10.0.1.0/24"),
    ("b", 0, "10.0.2.0/24"),
    ("n", 0, "10.0.3.0/24"),
    ("m", 0, "10.0.4.0/24"),
    ("far", 1, "10.1.1.0/24"),
    ("beyond", 2, "10.2.1.0/24"),
    ("p", 3, "10.0.1.0/24"),
];

/// Route tables have the numbers of their subnets.
pub const A: usize = 0;
pub const B: usize = 1;
pub const N: usize = 2;
pub const M: usize = 3;
pub const FAR: usize = 4;

pub const IGW: Target = Target::InternetGateway(InternetGatewayIndex(0));
pub const NAT: Target = Target::NatGateway(NatGatewayIndex(0));
pub const PEERING: Target = Target::Peering(PeeringIndex(0));
pub const PEERING_BEYOND: Target = Target::Peering(PeeringIndex(1));
pub const VGW: Target = Target::VpnGateway(VpnGatewayIndex(0));
pub const GATEWAY_ENDPOINT: Target = Target::GatewayEndpoint(EndpointIndex(0));
/// To the appliance.
pub const TO_FW: Target = Target::Interface(InterfaceIndex(3));

/// The NAT gateway's interface.
pub const NAT_INTERFACE: InterfaceIndex = InterfaceIndex(7);
const NODE: InterfaceIndex = InterfaceIndex(10);

/// S3's blocks, as its prefix list has them.
pub const S3: &[&str] = &["52.216.0.0/15"];

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

pub fn link(name: &str) -> LinkIndex {
    LinkIndex(NAMES.iter().position(|it| *it == name).expect("a link of the world") as u32)
}

pub fn name(link: LinkIndex) -> &'static str {
    NAMES[link.at()]
}

pub fn object(tables: &mut Tables, id: &str) -> ObjectIndex {
    tables.objects.push(Object { id: id.to_owned(), name: String::new(), source: None });
    ObjectIndex(tables.objects.len() as u32 - 1)
}

pub fn tables() -> Tables {
    let mut tables = Tables::default();
    let open = object(&mut tables, "acl-open");
    tables.network_acls.push(open_acl(open));
    let s3 = object(&mut tables, "s3");
    tables.links.push(Link { behind: Behind::Service(ServiceIndex(0)), mac: [2, 0, 0, 0, 1, 0], mtu: 9001 });
    tables.services.push(Service { object: s3, link: LinkIndex(0), ports: vec![(6, 80), (6, 443)] });
    for (number, (id, cidr)) in
        [("main", "10.0.0.0/16"), ("far", "10.1.0.0/16"), ("beyond", "10.2.0.0/16"), ("provider", "10.0.0.0/16")]
            .into_iter()
            .enumerate()
    {
        let object = object(&mut tables, &format!("vpc-{id}"));
        tables.vpcs.push(Vpc {
            object,
            generation: 1,
            cidrs: vec![cidr.parse().expect("a block")],
            addresses: Default::default(),
            resolver: Ipv4Addr::new(10, number as u8 % 3, 0, 2),
            dns_support: true,
            resolver_service: None,
        });
    }
    for (number, (id, vpc, cidr)) in SUBNETS.into_iter().enumerate() {
        let object = object(&mut tables, &format!("subnet-{id}"));
        tables.subnets.push(Subnet {
            object,
            vpc: VpcIndex(vpc),
            cidr: cidr.parse().expect("a block"),
            router_mac: [2, 1, 0, 0, 0, number as u8],
            route_table: RouteTableIndex(number as u32),
            network_acl: NetworkAclIndex(0),
            down: false,
        });
    }
    for (name, vpc, subnet, address) in GUESTS {
        let index = add_interface(&mut tables, name, vpc, subnet, &[address], Role::Guest(link(name)));
        let mac = tables.interfaces[index.at()].mac;
        tables.links.push(Link { behind: Behind::Interface(index), mac, mtu: 9001 });
    }
    tables.interfaces[3].source_dest_check = false;
    add_inside(&mut tables);
    add_edges(&mut tables);
    add_routes(&mut tables);
    add_fabric(&mut tables);
    tables
}

fn mac(index: InterfaceIndex) -> Mac {
    [2, 2, 0, 0, 0, index.0 as u8]
}

pub fn add_interface(
    tables: &mut Tables,
    name: &str,
    vpc: u32,
    subnet: u32,
    addresses: &[&str],
    role: Role,
) -> InterfaceIndex {
    let object = object(tables, &format!("eni-{name}"));
    let index = InterfaceIndex(tables.interfaces.len() as u32);
    let addresses: Vec<Ipv4Addr> = addresses.iter().map(|address| ip(address)).collect();
    tables.vpcs[vpc as usize].addresses.extend(addresses.iter().map(|address| (*address, index)));
    tables.interfaces.push(Interface {
        object,
        vpc: VpcIndex(vpc),
        subnet: SubnetIndex(subnet),
        addresses,
        mac: mac(index),
        source_dest_check: true,
        groups: Vec::new(),
        tracking: Default::default(),
        role,
    });
    index
}

/// NAT gateway, endpoints, balancer.
fn add_inside(tables: &mut Tables) {
    let nat = object(tables, "nat-1");
    tables.nat_gateways.push(NatGateway { object: nat, interface: NAT_INTERFACE, available: true });
    add_interface(tables, "nat", 0, 2, &["10.0.3.200"], Role::NatGateway(NatGatewayIndex(0)));
    let service = Some(ServiceIndex(0));
    for (id, gateway_service) in [("vpce-gateway", service), ("vpce-s3", None), ("vpce-provider", None)] {
        let object = object(tables, id);
        tables.endpoints.push(Endpoint {
            object,
            vpc: VpcIndex(0),
            gateway_service,
            always_tracked: gateway_service.is_none(),
            available: true,
        });
    }
    let to_s3 = EndpointBackend::Service { service: ServiceIndex(0), address: ip("52.216.0.1") };
    let to_provider = EndpointBackend::Balancer { balancer: BalancerIndex(0), node: 0 };
    for (number, name, address, backend) in [(1, "s3", "10.0.2.60", to_s3), (2, "provider", "10.0.2.50", to_provider)] {
        add_interface(tables, name, 0, 1, &[address], Role::Endpoint { endpoint: EndpointIndex(number), backend });
    }
    let node = Role::BalancerNode { balancer: BalancerIndex(0), node: 0 };
    assert_eq!(add_interface(tables, "node", 3, 6, &["10.0.1.100"], node), NODE);
    let balancer = object(tables, "nlb");
    let listener = |port, tcp| Listener {
        object: balancer,
        tcp,
        udp: !tcp,
        tls: false,
        port,
        targets: vec![BalancerTarget {
            address: ip("10.0.1.20"),
            port: 8080,
            zone: 0,
            cross_zone: false,
            health: HealthSlot(0),
            proxy_protocol: false,
            tls: false,
        }],
        preserve_client_ip: false,
        idle: Timeouts::BALANCED_TCP.established,
        sticky: false,
        enough_healthy: Enough::ONE,
    };
    tables.balancers.push(Balancer {
        object: balancer,
        vpc: VpcIndex(3),
        nodes: vec![Node { interface: NODE, zone: 0 }],
        groups_judge_private_link: true,
        listeners: vec![listener(80, true), listener(53, false)],
    });
}

fn add_edges(tables: &mut Tables) {
    let igw = object(tables, "igw-main");
    tables.internet_gateways.push(InternetGateway {
        object: igw,
        vpc: VpcIndex(0),
        route_table: None,
        public: Default::default(),
    });
    set_public(tables, InterfaceIndex(2), "10.0.3.10", "203.0.113.1");
    set_public(tables, NAT_INTERFACE, "10.0.3.200", "203.0.113.2");
    tables.internet.object = Some(object(tables, "internet"));
    let mut services = ip_network_table::IpNetworkTable::new();
    services.insert(ip_network::Ipv4Network::new(ip("52.216.0.0"), 15).expect("a network"), 0);
    tables.internet.services = crate::dataplane::lpm::FlatTable::from_truth(&services);
    tables.internet.guest = Some(InternetGuest { link: link("internet"), address: ip("198.51.100.10") });
    tables.links.push(Link { behind: Behind::Internet, mac: [2, 0, 0, 0, 2, 0], mtu: 9001 });
    let vgw = object(tables, "vgw-main");
    tables.vpn_gateways.push(VpnGateway {
        object: vgw,
        vpc: VpcIndex(0),
        route_table: None,
        customers: vec![CustomerIndex(0)],
    });
    let office = object(tables, "cgw-office");
    tables.links.push(Link { behind: Behind::OnPremises(CustomerIndex(0)), mac: [2, 0, 0, 0, 3, 0], mtu: 9001 });
    tables.customers.push(Customer {
        object: office,
        link: link("office"),
        address: ip("192.168.0.10"),
        routes: vec!["192.168.0.0/16".parse().expect("a block")],
        gateway: VpnGatewayIndex(0),
    });
    for (id, sides) in [("pcx-main-far", [0, 1]), ("pcx-far-beyond", [1, 2])] {
        let object = object(tables, id);
        tables.peerings.push(Peering { object, sides: sides.map(VpcIndex), active: true, inter_region: false });
    }
}

/// A public address for a private one.
pub fn set_public(tables: &mut Tables, interface: InterfaceIndex, private: &str, public: &str) {
    let (private, public) = (ip(private), ip(public));
    tables.internet_gateways[0].public.insert((interface, private), public);
    let to = PublicAddress { gateway: InternetGatewayIndex(0), interface, private };
    tables.internet.public.insert(public, to);
}

fn add_routes(tables: &mut Tables) {
    for (name, ..) in SUBNETS {
        let object = object(tables, &format!("rtb-{name}"));
        tables.route_tables.push(RouteTable::new(object, Vec::new()));
    }
    for (table, default) in [(A, NAT), (B, IGW), (N, IGW), (M, IGW)] {
        add_route(tables, table, &["10.0.0.0/16"], Rank::Local, Target::Local);
        add_route(tables, table, &["10.1.0.0/16", "10.2.0.0/16"], Rank::Static, PEERING);
        add_route(tables, table, &["192.168.0.0/16"], Rank::Static, VGW);
        add_route(tables, table, &["0.0.0.0/0"], Rank::Static, default);
    }
    add_route(tables, B, S3, Rank::PrefixList, GATEWAY_ENDPOINT);
    add_route(tables, FAR, &["10.1.0.0/16"], Rank::Local, Target::Local);
    add_route(tables, FAR, &["10.2.0.0/16"], Rank::Static, PEERING_BEYOND);
    add_route(tables, FAR, &["10.0.0.0/16", "0.0.0.0/0"], Rank::Static, PEERING);
    add_route(tables, 5, &["10.2.0.0/16"], Rank::Local, Target::Local);
    add_route(tables, 5, &["10.0.0.0/15"], Rank::Static, PEERING_BEYOND);
    add_route(tables, 6, &["10.0.0.0/16"], Rank::Local, Target::Local);
}

/// One route more. Its object is named by its table and block.
pub fn add_route(tables: &mut Tables, table: usize, blocks: &[&str], rank: Rank, target: Target) {
    let table_object = tables.route_tables[table].object;
    let id = format!("{} {}", tables.object(table_object).id, blocks[0]);
    let object = object(tables, &id);
    let mut routes = tables.route_tables[table].routes.clone();
    routes.push(Route { object, ..route(blocks, rank, target) });
    tables.route_tables[table] = RouteTable::new(table_object, routes);
}

/// The route of that block goes.
pub fn remove_route(tables: &mut Tables, table: usize, block: &str) {
    let block: ipnet::Ipv4Net = block.parse().expect("a block");
    let object = tables.route_tables[table].object;
    let mut routes = tables.route_tables[table].routes.clone();
    routes.iter_mut().for_each(|route| route.destinations.retain(|it| *it != block));
    tables.route_tables[table] = RouteTable::new(object, routes);
}

/// The block leads elsewhere.
pub fn replace_route(tables: &mut Tables, table: usize, block: &str, target: Target) {
    remove_route(tables, table, block);
    add_route(tables, table, &[block], Rank::Static, target);
}

/// An entry of a network ACL, numbered by its place in the list.
pub fn entry(allow: bool, selector: Selector, block: &str) -> NetworkAclEntry {
    NetworkAclEntry { object: ObjectIndex(u32::MAX), selector, block: block.parse().expect("a block"), allow }
}

/// Gives a subnet (numbered as its route table) an ACL of its own.
pub fn set_acl(tables: &mut Tables, subnet: usize, ingress: Vec<NetworkAclEntry>, egress: Vec<NetworkAclEntry>) {
    let id = format!("acl-{}", SUBNETS[subnet].0);
    let object = object(tables, &id);
    let own = |entries: Vec<NetworkAclEntry>| {
        entries.into_iter().map(|it| NetworkAclEntry { object, ..it }).collect::<Vec<_>>()
    };
    tables.network_acls.push(NetworkAcl { object, ingress: own(ingress), egress: own(egress) });
    tables.subnets[subnet].network_acl = NetworkAclIndex(tables.network_acls.len() as u32 - 1);
}

/// Everything passes: an entry at the end of a list.
pub fn all() -> NetworkAclEntry {
    entry(true, Selector::All, "0.0.0.0/0")
}

/// A security group with these rules, as selectors and blocks, on an interface.
pub fn set_group(tables: &mut Tables, interface: usize, ingress: &[(Selector, &str)], egress: &[(Selector, &str)]) {
    let id = format!("sg-{}", tables.object(tables.interfaces[interface].object).id.trim_start_matches("eni-"));
    let object = object(tables, &id);
    let rules = |list: &[(Selector, &str)]| {
        let rule = |(selector, block): &(Selector, &str)| SecurityGroupRule {
            object,
            selector: selector.clone(),
            peers: AddressSet::of_blocks([block.parse().expect("a block")]),
            by_group: false,
        };
        list.iter().map(rule).collect::<Vec<_>>()
    };
    let group = SecurityGroup { object, ingress: rules(ingress), egress: rules(egress) };
    tables.security_groups.push(group);
    tables.interfaces[interface].groups = vec![SecurityGroupIndex(tables.security_groups.len() as u32 - 1)];
}

fn add_fabric(tables: &mut Tables) {
    let mut entries = Vec::new();
    for (number, interface) in tables.interfaces.iter().enumerate() {
        let ways = [0, 1].map(|endpoint| Way::Endpoint(EndpointIndex(endpoint)));
        let client = Client::Interface(InterfaceIndex(number as u32));
        let address = interface.addresses[0];
        entries.extend(ways.map(|way| FabricEntry { client, address, way }));
    }
    let (client, address) = (Client::OnPremises(CustomerIndex(0)), ip("192.168.0.10"));
    entries.push(FabricEntry { client, address, way: Way::Endpoint(EndpointIndex(1)) });
    tables.fabric = Fabric::new(entries);
}

/// The source that S3 sees for a private address and a way in.
pub fn fabric(tables: &Tables, address: &str, endpoint: u32) -> Ipv4Addr {
    let wanted = (ip(address), Way::Endpoint(EndpointIndex(endpoint)));
    let mut found = tables.fabric.iter().filter(|(_, entry)| (entry.address, entry.way) == wanted);
    found.next().map(|(address, _)| address).expect("an entry")
}
