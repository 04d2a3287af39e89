//! Random labs, the same for the same seed: valid in AWS's eyes, and full of what packets stumble over.
//!
//! Home is one template with a VPC or two and all that an issue can be about; the provider's template offers a service to
//! it. Addresses of instances, balancers and NAT gateways are written down; those that the product chooses are learned later.
//!
//! * here: VPCs, subnets, instances
//! * [`attachments`]: what stands between and before them (gateways, endpoints, balancers, peering, VPN)
//! * [`rules`]: security groups and network ACLs
//! * [`routes`]: prefix lists and routes

mod attachments;
mod routes;
mod rules;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::lab::*;
use super::random::Random;

/// What may occur in a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Security groups decide.
    pub groups: bool,
    pub acls: bool,
    /// An internet behind internet gateways, with Elastic IPs.
    pub internet: bool,
    pub nat: bool,
    pub peering: bool,
    pub vpn: bool,
}

impl Features {
    pub fn all() -> Self {
        Self { groups: true, acls: true, internet: true, nat: true, peering: true, vpn: true }
    }

    /// Those of a comma-separated list; routes, endpoints, balancers and appliances always occur.
    pub fn named(list: &str) -> Option<Self> {
        let names = ["groups", "acls", "internet", "nat", "peering", "vpn"];
        let given: Vec<&str> = list.split(',').filter(|name| !name.is_empty()).collect();
        if given.iter().any(|name| !names.contains(name)) {
            return None;
        }
        let has = |name| given.contains(&name);
        Some(Self {
            groups: has("groups"),
            acls: has("acls"),
            internet: has("internet"),
            nat: has("nat"),
            peering: has("peering"),
            vpn: has("vpn"),
        })
    }
}

/// Ports that packets go to and that every guest listens on: inside, at and beside the borders of [`RANGES`].
pub const PORTS: [u16; 14] = [22, 79, 80, 81, 442, 443, 444, 1023, 1024, 4999, 5000, 5010, 5011, 8080];

/// Port ranges of rules.
const RANGES: [(u16, u16); 10] = [
    (80, 80),
    (443, 443),
    (80, 443),
    (22, 22),
    (1024, 65535),
    (5000, 5010),
    (0, 65535),
    (8080, 8080),
    (81, 442),
    (0, 1023),
];

/// The lab of that number under a seed.
pub fn lab(seed: u64, number: u64, features: Features) -> Lab {
    let mut random = Random::new(seed, number);
    // Were everything to occur in every lab, little would get through to what stands at the end of a long way.
    let features = Features {
        groups: features.groups && random.chance(70),
        acls: features.acls && random.chance(60),
        internet: features.internet && random.chance(80),
        nat: features.nat && random.chance(80),
        peering: features.peering && random.chance(85),
        vpn: features.vpn && random.chance(85),
    };
    let mut maker = Maker { lab: Lab { seed, ..Lab::default() }, random, features };
    maker.vpcs();
    for vpc in 0..maker.lab.vpcs.len() {
        maker.subnets(vpc);
    }
    for vpc in 0..maker.lab.vpcs.len() {
        maker.name_groups(vpc);
        maker.instances(vpc);
    }
    maker.lists();
    maker.attachments();
    for vpc in 0..maker.lab.vpcs.len() {
        maker.fill_groups(vpc);
        maker.acls(vpc);
    }
    maker.routes();
    maker.lab
}

struct Maker {
    lab: Lab,
    random: Random,
    features: Features,
}

/// Letters by which a VPC's things are named.
const LETTERS: [&str; 3] = ["A", "B", "P"];

/// The home VPC's primary and possible second block; B1.1: of one private range.
const HOME: [(&str, &str); 4] = [
    ("10.0.0.0/16", "10.77.0.0/24"),
    ("10.20.0.0/20", "10.21.0.0/26"),
    ("172.31.0.0/16", "172.30.0.0/24"),
    ("192.168.8.0/22", "192.168.64.0/25"),
];
const NEIGHBOUR: [&str; 3] = ["10.1.0.0/16", "10.40.0.0/24", "172.20.0.0/16"];
const PROVIDER: &str = "10.0.0.0/16";

fn block(text: &str) -> Block {
    Block::parse(text).expect("a block of this program's own")
}

impl Maker {
    fn vpcs(&mut self) {
        let (primary, second) = *self.random.pick(&HOME);
        let mut blocks = vec![block(primary)];
        if self.random.chance(25) {
            blocks.push(block(second));
        }
        let internet_gateway = self.features.internet && self.random.chance(85);
        self.lab.vpcs.push(Vpc { name: "VpcA".into(), stack: Stack::Home, blocks, internet_gateway });
        if self.random.chance(70) {
            let blocks = vec![block(self.random.pick::<&str>(&NEIGHBOUR))];
            let internet_gateway = self.features.internet && self.random.chance(40);
            self.lab.vpcs.push(Vpc { name: "VpcB".into(), stack: Stack::Home, blocks, internet_gateway });
        }
        if self.random.chance(60) {
            let blocks = vec![block(PROVIDER)];
            self.lab.vpcs.push(Vpc { name: "VpcP".into(), stack: Stack::Provider, blocks, internet_gateway: false });
        }
    }

    /// `A`, `B` or `P`.
    fn letter(&self, vpc: usize) -> &'static str {
        let name = &self.lab.vpcs[vpc].name;
        LETTERS.into_iter().find(|letter| name.ends_with(letter)).expect("a VPC is named by its letter")
    }

    fn is_provider(&self, vpc: usize) -> bool {
        self.lab.vpcs[vpc].stack == Stack::Provider
    }

    fn subnets_of(&self, vpc: usize) -> Vec<usize> {
        (0..self.lab.subnets.len()).filter(|subnet| self.lab.subnets[*subnet].vpc == vpc).collect()
    }

    fn instances_of(&self, vpc: usize) -> Vec<usize> {
        let here = |it: &usize| self.lab.vpc_of(self.lab.instances[*it].subnet) == vpc;
        (0..self.lab.instances.len()).filter(here).collect()
    }

    /// Subnets of all sizes, in two zones in turn, in the VPC's first slots; the first slot holds the resolver's address.
    fn subnets(&mut self, vpc: usize) {
        let blocks = self.lab.vpcs[vpc].blocks.clone();
        let first = self.random.below(2);
        let count = match self.letter(vpc) {
            "A" => self.random.between(2, 4),
            "B" => self.random.between(1, 2),
            _ => 2,
        };
        for number in 0..count {
            let (of, slot) = match blocks.get(1) {
                // A second block has one subnet, its first part.
                Some(second) if number == count - 1 => (*second, 0),
                _ => (blocks[0], first + number),
            };
            let slot_length = (of.length + 3).clamp(24, 28);
            let length = self.random.between(usize::from(slot_length), 28) as u8;
            let base = of.nth(slot as u32 * (1 << (32 - slot_length)));
            self.lab.subnets.push(Subnet {
                name: format!("Subnet{}{}", self.letter(vpc), number + 1),
                vpc,
                block: Block { base, length },
                zone: (number % 2) as u8 + 1,
                table: None,
                acl: None,
            });
        }
    }

    /// An address of a subnet that nobody has. The lowest ones are left to what gets its address from the product.
    fn free_address(&mut self, subnet: usize) -> Ipv4Addr {
        let block = self.lab.subnets[subnet].block;
        let hosts = 1_usize << (32 - block.length);
        let low = if hosts == 16 { 9 } else { 20 };
        let high = (hosts - 2).min(90);
        let taken = self.taken(subnet);
        loop {
            let number = if self.random.chance(10) { hosts - 2 } else { self.random.between(low, high) };
            let address = block.nth(number as u32);
            if !taken.contains(&address) {
                return address;
            }
        }
    }

    fn taken(&self, subnet: usize) -> BTreeSet<Ipv4Addr> {
        let lab = &self.lab;
        let mut taken = BTreeSet::new();
        taken.extend(lab.instances.iter().filter(|it| it.subnet == subnet).map(|it| it.address));
        taken.extend(lab.idle_interfaces.iter().filter(|it| it.subnet == subnet).map(|it| it.address));
        taken.extend(lab.nat_gateways.iter().filter(|it| it.subnet == subnet).map(|it| it.address));
        let nodes = lab.balancers.iter().flat_map(|balancer| &balancer.nodes);
        taken.extend(nodes.filter(|it| it.subnet == subnet).map(|it| it.address));
        taken
    }

    /// Whether there is room for one more in a small subnet.
    fn has_room(&self, subnet: usize) -> bool {
        self.taken(subnet).len() < 5
    }

    fn instances(&mut self, vpc: usize) {
        let subnets = self.subnets_of(vpc);
        let count = match self.letter(vpc) {
            "A" => self.random.between(3, 5),
            _ => self.random.between(1, 2),
        };
        for number in 0..count {
            let subnet = *self.random.pick(&subnets);
            if !self.has_room(subnet) {
                continue;
            }
            let public = match self.random.below(100) {
                _ if !self.lab.vpcs[vpc].internet_gateway => Public::No,
                0..35 => Public::Elastic(None),
                35..55 => Public::Automatic(None),
                _ => Public::No,
            };
            let name = format!("{}{}", self.letter(vpc).to_lowercase(), number + 1);
            let address = self.free_address(subnet);
            let groups = self.some_groups(vpc);
            // The last of the home VPC is an appliance more often than not.
            let source_dest_check = !(vpc == 0 && number + 1 == count && self.random.chance(70));
            self.lab.instances.push(Instance { name, subnet, address, groups, source_dest_check, public });
        }
        if vpc == 0 && self.random.chance(60) {
            let subnet = *self.random.pick(&subnets);
            if self.has_room(subnet) {
                let address = self.free_address(subnet);
                let is_default =
                    |group: &usize| self.lab.groups[*group].vpc == vpc && self.lab.groups[*group].is_default;
                let groups = (0..self.lab.groups.len()).filter(is_default).collect();
                self.lab.idle_interfaces.push(IdleInterface { name: "Idle".into(), subnet, address, groups });
            }
        }
    }

    /// One or two of a VPC's groups.
    fn some_groups(&mut self, vpc: usize) -> Vec<usize> {
        let (default, own): (Vec<usize>, Vec<usize>) = (0..self.lab.groups.len())
            .filter(|group| self.lab.groups[*group].vpc == vpc)
            .partition(|group| self.lab.groups[*group].is_default);
        let mut groups = vec![*self.random.pick(&own)];
        if self.features.groups && self.random.chance(10) {
            groups = default;
        } else if self.random.chance(25) {
            groups.push(*self.random.pick(&own));
            groups.sort_unstable();
            groups.dedup();
        }
        groups
    }
}
