//! Security groups and network ACLs by hand, in words: `tcp 5432 10.0.1.0/24`, `all members 10.0.1.10`, `deny tcp 80 0.0.0.0/0`.

use std::sync::Arc;

use super::lab::*;
use crate::dataplane::DropReason;
use crate::dataplane::tables::*;

pub const EVERYTHING: &str = "all 0.0.0.0/0";

/// Interfaces of the lab, in its order.
pub const APP_INTERFACE: usize = 0;
pub const PEER_INTERFACE: usize = 1;
pub const DB_INTERFACE: usize = 2;
pub const ENDPOINT_INTERFACE: usize = 3;
pub const S3_INTERFACE: usize = 4;
pub const WEB_INTERFACE: usize = 5;
pub const WEB2_INTERFACE: usize = 6;
pub const NODE_INTERFACE: usize = 7;

/// Subnets of the lab.
pub const A: usize = 0;
pub const B: usize = 1;

fn object(tables: &mut Tables, id: &str) -> ObjectIndex {
    tables.objects.push(Object { id: id.to_owned(), name: String::new(), source: None });
    ObjectIndex(tables.objects.len() as u32 - 1)
}

/// `all`, `tcp`, `tcp 80`, `tcp 80-90`, `icmp`, `icmp 3/4`, `47`; hands back the words that follow.
fn selector<'t>(words: &[&'t str]) -> (Selector, Vec<&'t str>) {
    let number = match words[0] {
        "all" => return (Selector::All, words[1..].to_vec()),
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        other => other.parse().expect("a protocol"),
    };
    let Some(what) = words.get(1).filter(|word| !word.contains('.') && **word != "members") else {
        return (Selector::Protocol(number), words[1..].to_vec());
    };
    let selector = if let Some((kind, code)) = what.split_once('/') {
        Selector::Icmp(kind.parse().ok(), code.parse().ok())
    } else {
        let (from, to) = what.split_once('-').unwrap_or((what, what));
        Selector::Ports(number, from.parse().expect("a port")..=to.parse().expect("a port"))
    };
    (selector, words[2..].to_vec())
}

fn rule(tables: &mut Tables, text: &str) -> SecurityGroupRule {
    let object = object(tables, text);
    let words: Vec<&str> = text.split(' ').collect();
    let (selector, peers) = selector(&words);
    let by_group = peers[0] == "members";
    let peers = if by_group {
        AddressSet::of_addresses(peers[1..].iter().map(|text| text.parse().expect("an address")))
    } else {
        AddressSet::of_blocks(peers.iter().map(|text| text.parse().expect("a block")))
    };
    SecurityGroupRule { object, selector, peers, by_group }
}

/// Gives interfaces one more group of that name.
pub fn group(tables: &mut Tables, name: &str, holders: &[usize], ingress: &[&str], egress: &[&str]) {
    let object = object(tables, name);
    let ingress = ingress.iter().map(|text| rule(tables, text)).collect();
    let egress = egress.iter().map(|text| rule(tables, text)).collect();
    let index = SecurityGroupIndex(tables.security_groups.len() as u32);
    tables.security_groups.push(SecurityGroup { object, ingress, egress });
    for holder in holders {
        tables.interfaces[*holder].groups.push(index);
    }
}

/// Gives a subnet a network ACL of its own; entries in the order in which they decide.
pub fn acl(tables: &mut Tables, name: &str, subnet: usize, ingress: &[&str], egress: &[&str]) {
    let own = object(tables, name);
    let mut entries = |texts: &[&str]| -> Vec<NetworkAclEntry> {
        let entry = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            let (selector, block) = selector(&words[1..]);
            let object = object(tables, &format!("{name}: {text}"));
            NetworkAclEntry { object, selector, block: block[0].parse().expect("a block"), allow: words[0] == "allow" }
        };
        texts.iter().map(entry).collect()
    };
    let (ingress, egress) = (entries(ingress), entries(egress));
    tables.subnets[subnet].network_acl = NetworkAclIndex(tables.network_acls.len() as u32);
    tables.network_acls.push(NetworkAcl { object: own, ingress, egress });
}

impl Lab {
    /// The lab with groups and ACLs that `change` adds.
    pub fn filtered(change: impl Fn(&mut Tables)) -> Self {
        let mut tables = tables();
        change(&mut tables);
        Self::with(tables)
    }

    /// The same lab with other groups and ACLs from now on.
    pub fn change(&mut self, change: impl Fn(&mut Tables)) {
        let mut tables = tables();
        let generation = self.dataplane.tables().vpcs[0].generation + 1;
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = generation);
        change(&mut tables);
        assert_eq!(tables.validate(), Ok(()));
        self.dataplane.swap(Arc::new(tables));
    }

    /// Sends and expects a drop, by an object of that name.
    #[track_caller]
    pub fn refuses(&mut self, sent: &str, reason: DropReason, object: &str) {
        self.drops(sent, reason);
        assert_eq!(self.refuser(), object, "{sent}");
    }

    /// Who refused last.
    pub fn refuser(&self) -> String {
        let drop = self.dataplane.drops(0).pop().expect("a drop");
        drop.object.map(|object| self.dataplane.tables().object(object).id.clone()).unwrap_or_default()
    }

    /// Sends and expects it to leave unchanged by that guest's link.
    #[track_caller]
    pub fn carries(&mut self, sent: &str, to: &str) {
        let (_, packet) = sent.split_once(": ").expect("a link and a packet");
        self.passes(sent, &format!("{to}: {packet}"));
    }
}
