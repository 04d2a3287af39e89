//! Rules of security groups and network ACLs.

use super::*;

impl Maker {
    /// A VPC's default group and a few of its own, still without rules.
    pub(super) fn name_groups(&mut self, vpc: usize) {
        let letter = self.letter(vpc);
        let of_vpc = |name: String, is_default: bool| Group { name, vpc, is_default, ingress: vec![], egress: None };
        self.lab.groups.push(of_vpc(format!("Default{letter}"), true));
        let count = if self.features.groups { self.random.between(2, 3) } else { 1 };
        for number in 0..count {
            self.lab.groups.push(of_vpc(format!("Group{letter}{}", number + 1), false));
        }
    }

    pub(super) fn fill_groups(&mut self, vpc: usize) {
        for group in 0..self.lab.groups.len() {
            if self.lab.groups[group].vpc != vpc {
                continue;
            }
            // B1.6: the default group lets in what comes from itself.
            if self.lab.groups[group].is_default {
                self.lab.groups[group].ingress = vec![Rule { traffic: Traffic::All, peer: Peer::Group(group) }];
                continue;
            }
            if !self.features.groups {
                self.lab.groups[group].ingress = vec![Rule { traffic: Traffic::All, peer: Peer::Block(EVERYWHERE) }];
                continue;
            }
            // Were all of them strict, hardly anything would pass several in turn.
            let is_first = self.lab.groups[..group].iter().filter(|it| it.vpc == vpc).count() == 1;
            if is_first && self.random.chance(45) {
                self.lab.groups[group].ingress = vec![Rule { traffic: Traffic::All, peer: Peer::Block(EVERYWHERE) }];
                continue;
            }
            let count = if self.random.chance(8) { 0 } else { self.random.between(1, 4) };
            let mut ingress: Vec<Rule> = (0..count).map(|_| self.rule(vpc, false)).collect();
            if count > 0 && self.random.chance(50) {
                ingress.push(Rule { traffic: self.traffic(), peer: Peer::Block(EVERYWHERE) });
            }
            let egress = self.random.chance(45).then(|| {
                let count = self.random.between(1, 4);
                (0..count).map(|_| self.rule(vpc, true)).collect()
            });
            let group = &mut self.lab.groups[group];
            group.ingress = without_repetition(ingress);
            group.egress = egress.map(without_repetition);
        }
    }

    fn traffic(&mut self) -> Traffic {
        let (low, high) = *self.random.pick(&RANGES);
        match self.random.below(100) {
            0..22 => Traffic::All,
            22..60 => Traffic::Tcp(low, high),
            60..80 => Traffic::Udp(low, high),
            80..92 => Traffic::Icmp(None),
            92..97 => Traffic::Icmp(Some(8)),
            // A reply that nobody asked for: lets nothing in that we send.
            _ => Traffic::Icmp(Some(0)),
        }
    }

    fn rule(&mut self, vpc: usize, egress: bool) -> Rule {
        let traffic = self.traffic();
        let near: Vec<usize> = (0..self.lab.groups.len())
            .filter(|group| {
                let other = self.lab.groups[*group].vpc;
                other == vpc || self.is_peered(vpc, other)
            })
            .collect();
        let peer = match self.random.below(100) {
            0..25 => Peer::Group(*self.random.pick(&near)),
            25..35 if !self.lab.lists.is_empty() && !self.is_provider(vpc) => {
                Peer::List(self.random.below(self.lab.lists.len()))
            }
            35..50 if egress => {
                Peer::ServiceList(*self.random.pick(&[PublicService::S3, PublicService::S3, PublicService::DynamoDb]))
            }
            _ => Peer::Block(self.near_block(vpc)),
        };
        Rule { traffic, peer }
    }

    fn is_peered(&self, one: usize, other: usize) -> bool {
        let ends = [(one, other), (other, one)];
        self.lab.peerings.iter().any(|peering| ends.contains(&(peering.requester, peering.accepter)))
    }

    /// A block that has to do with the VPC, so that packets fall on both of its sides.
    pub(super) fn near_block(&mut self, vpc: usize) -> Block {
        let mut blocks = vec![EVERYWHERE, EVERYWHERE, self.lab.vpcs[vpc].blocks[0], Block::new(10, 0, 0, 0, 8)];
        for subnet in self.subnets_of(vpc) {
            let block = self.lab.subnets[subnet].block;
            blocks.extend([block, Block { base: block.base, length: block.length + 1 }]);
            let upper = block.nth(1 << (31 - block.length));
            blocks.push(Block { base: upper, length: block.length + 1 });
        }
        let hosts = self.lab.instances.iter().filter(|it| self.lab.vpc_of(it.subnet) == vpc);
        blocks.extend(hosts.map(|it| Block { base: it.address, length: 32 }));
        for other in 0..self.lab.vpcs.len() {
            if self.is_peered(vpc, other) {
                blocks.extend(self.lab.vpcs[other].blocks.iter().copied());
            }
        }
        if self.lab.vpcs[vpc].internet_gateway {
            blocks.extend([Block { base: INTERNET, length: 32 }, Block::new(198, 51, 100, 0, 28)]);
        }
        blocks.extend(self.lab.vpn.iter().filter(|vpn| vpn.vpc == vpc).flat_map(|vpn| vpn.routes.iter().copied()));
        *self.random.pick(&blocks)
    }

    pub(super) fn acls(&mut self, vpc: usize) {
        if !self.features.acls {
            return;
        }
        let count = self.random.between(1, 2);
        let first = self.lab.acls.len();
        for number in 0..count {
            let name = format!("Acl{}{}", self.letter(vpc), number + 1);
            let entries = match self.random.below(100) {
                0..35 => self.open_with_exceptions(vpc),
                35..80 => self.web(vpc),
                _ => self.haphazard(vpc),
            };
            self.lab.acls.push(Acl { name, vpc, entries });
        }
        let percent = if self.is_provider(vpc) { 25 } else { 45 };
        for subnet in self.subnets_of(vpc) {
            if self.random.chance(percent) {
                self.lab.subnets[subnet].acl = Some(first + self.random.below(count));
            }
        }
    }

    /// Allows everything, after a few denials that have lower numbers, or (in vain) higher ones.
    fn open_with_exceptions(&mut self, vpc: usize) -> Vec<AclEntry> {
        let mut entries = Vec::new();
        for egress in [false, true] {
            entries.push(AclEntry { number: 100, egress, allow: true, traffic: Traffic::All, block: EVERYWHERE });
            for number in [50, 90, 200] {
                if self.random.chance(40) {
                    let (traffic, block) = (self.traffic(), self.near_block(vpc));
                    let traffic = if traffic == Traffic::All { Traffic::Tcp(80, 80) } else { traffic };
                    entries.push(AclEntry { number, egress, allow: false, traffic, block });
                }
            }
        }
        entries
    }

    /// What people write: the services' ports and the clients' ephemeral ones, each forgotten now and then.
    fn web(&mut self, vpc: usize) -> Vec<AclEntry> {
        let pieces = [
            Traffic::Tcp(80, 443),
            Traffic::Tcp(1024, 65535),
            Traffic::Udp(5000, 5010),
            Traffic::Udp(1024, 65535),
            Traffic::Icmp(None),
            Traffic::Tcp(22, 22),
            Traffic::Tcp(32768, 60999),
            Traffic::Udp(53, 443),
        ];
        let mut entries = Vec::new();
        for egress in [false, true] {
            for (place, traffic) in pieces.into_iter().enumerate() {
                if self.random.chance(72) {
                    let block = if self.random.chance(65) { EVERYWHERE } else { self.near_block(vpc) };
                    let number = 100 + place as u16 * 10;
                    entries.push(AclEntry { number, egress, allow: true, traffic, block });
                }
            }
        }
        entries
    }

    fn haphazard(&mut self, vpc: usize) -> Vec<AclEntry> {
        let mut entries = Vec::new();
        for egress in [false, true] {
            for place in 0..self.random.between(2, 6) {
                let (traffic, block) = (self.traffic(), self.near_block(vpc));
                let allow = self.random.chance(75);
                // The highest number that there is, too.
                let number = if place == 0 && self.random.chance(30) { 32766 } else { 1 + place as u16 * 7 };
                entries.push(AclEntry { number, egress, allow, traffic, block });
            }
        }
        entries
    }
}

/// A group has no rule twice (`InvalidPermission.Duplicate`).
fn without_repetition(rules: Vec<Rule>) -> Vec<Rule> {
    let mut once: Vec<Rule> = Vec::new();
    for rule in rules {
        if !once.contains(&rule) {
            once.push(rule);
        }
    }
    once
}
