//! Prefix lists and routes.

use super::super::published;
use super::*;

impl Maker {
    pub(super) fn routes(&mut self) {
        for table in 0..self.lab.tables.len() {
            let vpc = self.lab.tables[table].vpc;
            if self.is_provider(vpc) {
                continue;
            }
            self.default_route(table, vpc);
            self.peers_routes(table, vpc);
            self.on_premises(table, vpc);
            self.more_specific_than_local(table, vpc);
            self.shadows(table, vpc);
            self.by_list(table, vpc);
        }
    }

    /// Unless a route to that destination is there.
    fn add(&mut self, table: usize, destination: Destination, target: Target) {
        let routes = &mut self.lab.tables[table].routes;
        if routes.iter().all(|route| route.destination != destination) {
            routes.push(Route { destination, target });
        }
    }

    fn add_block(&mut self, table: usize, block: Block, target: Target) {
        self.add(table, Destination::Block(block), target);
    }

    fn is_public(&self, table: usize, vpc: usize) -> bool {
        self.lab.vpcs[vpc].internet_gateway && self.lab.tables.iter().position(|it| it.vpc == vpc) == Some(table)
    }

    /// A NAT gateway that a table may name: not one whose own subnet uses the table, which would send it in circles.
    fn nat_for(&self, table: usize, vpc: usize) -> Option<usize> {
        self.lab.nat_gateways.iter().position(|gateway| {
            let subnet = &self.lab.subnets[gateway.subnet];
            subnet.vpc == vpc && subnet.table != Some(table)
        })
    }

    fn default_route(&mut self, table: usize, vpc: usize) {
        if self.is_public(table, vpc) && self.random.chance(92) {
            self.add_block(table, EVERYWHERE, Target::InternetGateway);
            return;
        }
        let nat = self.nat_for(table, vpc);
        let dice = self.random.below(100);
        let target = match dice {
            0..55 if nat.is_some() => Target::Nat(nat.expect("asked in the guard")),
            0..65 if self.lab.vpcs[vpc].internet_gateway => Target::InternetGateway,
            65..80 => match self.any_target(vpc) {
                Some(target) => target,
                None => return,
            },
            _ => return,
        };
        self.add_block(table, EVERYWHERE, target);
    }

    /// Some instance, the idle interface or a peering of the VPC.
    fn any_target(&mut self, vpc: usize) -> Option<Target> {
        let mut targets: Vec<Target> = self.instances_of(vpc).into_iter().map(Target::Instance).collect();
        // Appliances more often than those who check.
        for instance in self.instances_of(vpc) {
            if !self.lab.instances[instance].source_dest_check {
                targets.extend([Target::Instance(instance); 4]);
            }
        }
        for (idle, interface) in self.lab.idle_interfaces.iter().enumerate() {
            if self.lab.vpc_of(interface.subnet) == vpc {
                targets.extend([Target::Idle(idle); 3]);
            }
        }
        for (peering, it) in self.lab.peerings.iter().enumerate() {
            if [it.requester, it.accepter].contains(&vpc) {
                targets.extend([Target::Peering(peering); 2]);
            }
        }
        (!targets.is_empty()).then(|| *self.random.pick(&targets))
    }

    fn peers_routes(&mut self, table: usize, vpc: usize) {
        for peering in 0..self.lab.peerings.len() {
            let Peering { requester, accepter, .. } = self.lab.peerings[peering];
            let other = match vpc {
                vpc if vpc == requester => accepter,
                vpc if vpc == accepter => requester,
                _ => continue,
            };
            for block in self.lab.vpcs[other].blocks.clone() {
                // Through a NAT gateway that is here, too: B1.8.
                let target = match self.nat_for(table, vpc) {
                    Some(gateway) if self.random.chance(12) => Target::Nat(gateway),
                    _ => Target::Peering(peering),
                };
                match self.random.below(100) {
                    0..70 => self.add_block(table, block, target),
                    70..80 => self.add_block(table, Block { length: block.length + 1, ..block }, target),
                    80..88 => {
                        // More than the peer has: the rest of it is refused.
                        let length = block.length - 1;
                        let base = std::net::Ipv4Addr::from(u32::from(block.base) & !(1 << (32 - block.length)));
                        let wider = Block { base, length };
                        if self.lab.vpcs[vpc].blocks.iter().all(|mine| !mine.overlaps(&wider)) {
                            self.add_block(table, wider, target);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn on_premises(&mut self, table: usize, vpc: usize) {
        let Some(vpn) = self.lab.vpn.clone().filter(|vpn| vpn.vpc == vpc) else { return };
        self.lab.tables[table].propagates = self.random.chance(60);
        if self.random.chance(25) {
            self.add_block(table, vpn.routes[0], Target::VpnGateway);
        }
    }

    /// B1.3-3: a whole subnet's block, to an interface.
    fn more_specific_than_local(&mut self, table: usize, vpc: usize) {
        for subnet in self.subnets_of(vpc) {
            if !self.random.chance(18) {
                continue;
            }
            let instances = self.instances_of(vpc);
            let appliances = instances.iter().copied().filter(|it| !self.lab.instances[*it].source_dest_check);
            let mut targets: Vec<Target> = appliances.map(Target::Instance).collect();
            targets.extend(self.nat_for(table, vpc).map(Target::Nat));
            if self.random.chance(15) {
                targets = instances.into_iter().map(Target::Instance).collect();
            }
            let block = self.lab.subnets[subnet].block;
            // One that is all of a VPC's block is the local route itself.
            if !targets.is_empty() && !self.lab.vpcs[vpc].blocks.contains(&block) {
                let target = *self.random.pick(&targets);
                self.add_block(table, block, target);
            }
        }
    }

    /// Routes that hide what lies behind a shorter one, or that a longer one hides.
    fn shadows(&mut self, table: usize, vpc: usize) {
        let s3 = published::prefixes(PublicService::S3);
        let of_s3 = *self.random.pick(s3);
        let part_of_s3 = Block { length: (of_s3.length + 2).min(32), ..of_s3 };
        let candidates = [
            Block { base: INTERNET, length: 32 },
            Block::new(198, 51, 100, 0, 24),
            Block::new(198, 51, 100, 0, 28),
            Block::new(100, 64, 0, 0, 10),
            Block::new(192, 168, 200, 0, 24),
            Block::new(10, 0, 0, 0, 8),
            of_s3,
            part_of_s3,
        ];
        for block in candidates {
            if !self.random.chance(11) {
                continue;
            }
            let overlaps = self.lab.vpcs[vpc].blocks.iter().any(|mine| mine.holds(&block));
            let target = match self.lab.vpcs[vpc].internet_gateway && self.random.chance(40) {
                true => Some(Target::InternetGateway),
                false => self.any_target(vpc),
            };
            if let Some(target) = target
                && !overlaps
            {
                self.add_block(table, block, target);
            }
        }
    }

    fn by_list(&mut self, table: usize, vpc: usize) {
        if self.lab.lists.is_empty() || !self.random.chance(35) {
            return;
        }
        let list = self.random.below(self.lab.lists.len());
        let target = match self.lab.vpcs[vpc].internet_gateway && self.random.chance(50) {
            true => Some(Target::InternetGateway),
            false => self.any_target(vpc),
        };
        // A list may hold a VPC's block, or part of it, for security groups; a route must not.
        let inside = self.lab.vpcs[vpc].blocks.iter().any(|mine| {
            let blocks = &self.lab.lists[list].blocks;
            blocks.iter().any(|block| mine.holds(block))
        });
        if let Some(target) = target
            && !inside
        {
            self.add(table, Destination::List(list), target);
        }
    }

    /// Lists of two kinds: of the world outside, and of the VPCs themselves.
    pub(super) fn lists(&mut self) {
        let s3 = published::prefixes(PublicService::S3);
        let outside = [
            Block { base: INTERNET, length: 32 },
            Block::new(198, 51, 100, 0, 25),
            *self.random.pick(s3),
            Block::new(192, 168, 100, 0, 24),
            Block::new(203, 0, 113, 0, 24),
        ];
        let mut blocks = self.random.some(&outside, 45);
        if !blocks.is_empty() {
            self.lab.lists.push(PrefixList { name: "Outside".into(), blocks });
        }
        let hosts = self.lab.instances.iter().map(|it| Block { base: it.address, length: 32 });
        let inside: Vec<Block> = self.lab.subnets.iter().map(|it| it.block).chain(hosts).collect();
        blocks = self.random.some(&inside, 35);
        blocks.sort();
        blocks.dedup();
        if !blocks.is_empty() {
            self.lab.lists.push(PrefixList { name: "Inside".into(), blocks });
        }
    }
}
